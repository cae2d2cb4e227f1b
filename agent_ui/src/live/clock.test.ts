import { describe, expect, it } from "vitest";
import { ServerClock } from "./clock.ts";
import { backoff } from "./sync.ts";

describe("the server's clock", () => {
  it("takes the middle of the round trip", () => {
    let local = 1_000;
    const clock = new ServerClock(() => local);
    const sentAt = clock.mark();
    local = 1_200;
    clock.observe(61_100_000, sentAt);
    expect(clock.offset).toBe(60_000);
    local = 2_000;
    expect(clock.now()).toBe(62_000_000);
  });

  it("believes the quickest answer", () => {
    let local = 0;
    const clock = new ServerClock(() => local);
    local = 10;
    clock.observe(100_005_000, 0);
    local = 5_000;
    clock.observe(109_000_000, 10);
    expect(clock.offset).toBe(100_000);
  });

  it("is never behind something that has happened", () => {
    const clock = new ServerClock(() => 1_000);
    clock.observe(1_000_000, 1_000);
    clock.notBefore(3_000_000);
    expect(clock.now()).toBe(3_000_000);
    clock.notBefore(2_000_000);
    expect(clock.now()).toBe(3_000_000);
  });
});

describe("the wait between tries", () => {
  it("doubles up to a limit and is spread", () => {
    expect(backoff(0, () => 0)).toBe(200);
    expect(backoff(0, () => 1)).toBe(2_000);
    expect(backoff(2, () => 1)).toBe(8_000);
    expect(backoff(2, () => 0)).toBe(800);
    expect(backoff(50, () => 1)).toBe(10_000);
  });
});
