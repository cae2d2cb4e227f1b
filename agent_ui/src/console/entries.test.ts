import { describe, expect, it } from "vitest";
import { entry, T0 } from "@/live/fixtures/samples.ts";
import type { Line } from "@/live/outbox.ts";
import { layOut, mergeEntries } from "./entries.ts";

const MINUTE = 60_000_000;
const mine = { kind: "agent", id: "agt_1", name: "Anna" } as const;

function line(change: Partial<Line> = {}): Line {
  return { key: "k1", interactionId: "int_1", kind: "message", text: "x", at: T0, state: "sending", error: null, ...change };
}

describe("a conversation's layout", () => {
  it("shows an optimistic line until the entry with its key is there, then only the entry", () => {
    expect(layOut([], [line()], "Anna").map(({ id }) => id)).toEqual(["k1"]);
    const stored = entry({ id: "ent_5", author: mine, key: "k1" });
    expect(layOut([stored], [line({ state: "done" })], "Anna").map(({ id }) => id)).toEqual(["ent_5"]);
  });

  it("puts lines on their way behind what is stored, marked as what they are", () => {
    const rows = layOut([entry()], [line({ state: "failed", error: "No." }), line({ key: "k2", state: "done" })], "Anna");
    expect(rows).toMatchObject([
      { side: "theirs", lineKey: null },
      { side: "ours", status: "failed", error: "No.", lineKey: "k1" },
      { side: "ours", status: "sent", lineKey: null },
    ]);
  });

  it("joins what one person wrote shortly after another line, and nothing else", () => {
    const rows = layOut(
      [
        entry({ id: "a", seq: 1 }),
        entry({ id: "b", seq: 2, at: T0 + MINUTE }),
        entry({ id: "c", seq: 3, at: T0 + 10 * MINUTE }),
        entry({ id: "d", seq: 4, at: T0 + 10 * MINUTE, author: mine }),
        entry({ id: "e", seq: 5, at: T0 + 10 * MINUTE, author: mine, kind: "note" }),
      ],
      [],
      "Anna",
    );
    expect(rows.map(({ continues }) => continues)).toEqual([false, true, false, false, false]);
  });

  it("heads each day once", () => {
    const day = 24 * 60 * MINUTE;
    const rows = layOut([entry(), entry({ id: "b", at: T0 + MINUTE }), entry({ id: "c", at: T0 + day })], [], "Anna");
    expect(rows.map(({ day: heading }) => heading)).toEqual([T0, null, T0 + day]);
  });

  it("joins pages in order, each entry once", () => {
    const [one, two, three] = [entry({ id: "1", seq: 1 }), entry({ id: "2", seq: 2 }), entry({ id: "3", seq: 3 })];
    expect(mergeEntries([two, one], [three, two]).map(({ id }) => id)).toEqual(["1", "2", "3"]);
  });

  it("takes the state from the newer reading of an entry, and the words from the longer one", () => {
    const whole = entry({ id: "a", text: "x".repeat(900), status: "sent" });
    const gist = entry({ id: "a", text: "x".repeat(500), cut_from: 900, status: "delivered" });
    expect(mergeEntries([whole], [gist])).toMatchObject([{ text: whole.text, status: "delivered", cut_from: null }]);
    expect(mergeEntries([gist], [whole])).toMatchObject([{ text: whole.text, status: "sent" }]);
    expect(mergeEntries([whole], [entry({ id: "a", text: "" })])).toMatchObject([{ text: "" }]);
  });
});
