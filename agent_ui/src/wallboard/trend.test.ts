import { describe, expect, it } from "vitest";
import type { AlertView } from "@/api/types.ts";
import { sparkOf, toneOf } from "./trend.ts";

const alert = (level: AlertView["level"]) => ({ level }) as AlertView;

describe("the trend", () => {
  it("is drawn from zero up, newest at the right edge", () => {
    const spark = sparkOf([0, 10, 5], null, 100, 21);
    expect(spark?.lines).toEqual(["M0 21L50 1L100 11"]);
    expect(spark?.last).toEqual({ x: 100, y: 11 });
  });

  it("has gaps where nobody looked, and shows a minute alone", () => {
    expect(sparkOf([1, null, 1, 1, null], null, 100, 10)?.lines).toHaveLength(2);
    expect(sparkOf([1, null, 1, 1, null], null, 100, 10)?.lines[0]).toContain("h0.01");
    expect(sparkOf([1, null], null, 100, 10)?.last).toBeNull();
    expect(sparkOf([null, null], 5, 100, 10)).toBeNull();
  });

  it("keeps the threshold inside the picture", () => {
    const spark = sparkOf([1, 2], 20, 100, 100);
    expect(spark?.threshold).toBeGreaterThan(0);
    expect(spark?.threshold).toBeLessThan(10);
  });
});

it("a tile is as urgent as its most urgent alert", () => {
  expect(toneOf([])).toBe("plain");
  expect(toneOf([alert("attention")])).toBe("attention");
  expect(toneOf([alert("attention"), alert("urgent")])).toBe("urgent");
});
