import { describe, expect, it } from "vitest";
import { t, tCode } from "./index.ts";
import { daysApart, formatAgo, formatSpan, formatTheirTime, formatTimer, secondsBetween } from "./time.ts";

const SECOND = 1_000_000;
const NOON = new Date(2026, 2, 10, 12).getTime() * 1000;

describe("times", () => {
  it("tick as timers", () => {
    expect([0, 7, 724, 3_723].map(formatTimer)).toEqual(["0:00", "0:07", "12:04", "1:02:03"]);
    expect(secondsBetween(NOON + SECOND, NOON)).toBe(0);
  });

  it("are short as spans", () => {
    expect([45, 180, 3_600, 3_900, 183_600].map(formatSpan)).toEqual(["45 s", "3 min", "1 h", "1 h 5 min", "2 d 3 h"]);
  });

  it("are told from now", () => {
    const ago = (seconds: number) => formatAgo(NOON - seconds * SECOND, NOON);
    expect([ago(5), ago(300), ago(7_200), ago(86_400)]).toEqual(["now", "5 min ago", "2 h ago", "yesterday"]);
    expect(ago(400 * 86_400)).toMatch(/2025/);
  });

  it("count days by the calendar, not by hours", () => {
    const beforeMidnight = new Date(2026, 2, 9, 23, 59).getTime() * 1000;
    const afterMidnight = new Date(2026, 2, 10, 0, 1).getTime() * 1000;
    expect(daysApart(beforeMidnight, afterMidnight)).toBe(1);
  });

  it("know other zones, and that some are none", () => {
    expect(formatTheirTime(NOON, "Asia/Tokyo")).toMatch(/\d\d:\d\d$/);
    expect(formatTheirTime(NOON, "Middle/Earth")).toBeNull();
  });
});

describe("texts", () => {
  it("fill in values and choose the plural", () => {
    expect(t("card.contacts", { count: 1 })).toBe("1 contact");
    expect(t("card.contacts", { count: 1_000 })).toBe("1,000 contacts");
    expect(t("composer.goes_to", { name: "{name}" })).toBe("Goes to {name}");
  });

  it("make codes readable that this build does not know", () => {
    expect(tCode("system", "call.connected")).toBe("Connected");
    expect(tCode("system", "call.moved_to_mars")).toBe("Call: moved to mars");
  });
});
