// @vitest-environment node
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { FrameView, SnapshotView } from "@/api/types.ts";
import { card as sampleCard, entry, frame, interaction, offer, snapshot } from "./fixtures/samples.ts";
import { apply, GAP } from "./reducer.ts";

interface Recorded {
  before: SnapshotView;
  frames: FrameView[];
  after: SnapshotView;
}

/** Written by the server's suite, one (before, frames, after) a line, when it runs before this one. */
const RECORDED = new URL("../../../var/recorded/live.jsonl", import.meta.url);
const COMMITTED = new URL("./fixtures/live.jsonl", import.meta.url);

function read(file: URL): Recorded[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Recorded);
}

function run({ before, frames }: Recorded): SnapshotView {
  let state = before;
  for (const next of frames) {
    const result = apply(state, next);
    if (result === GAP) throw new Error(`a gap at ${next.prev}: the state is at ${state.position}`);
    state = result;
  }
  return state;
}

/** A card says when it was read, which is no part of the state. */
function withoutAges(state: SnapshotView): unknown {
  const cards = Object.entries(state.cards).map(([id, card]) => [id, { ...card, as_of: 0 }] as const);
  return { ...state, cards: Object.fromEntries(cards) };
}

function check(recorded: readonly Recorded[]): void {
  expect(recorded.length).toBeGreaterThan(0);
  for (const [index, one] of recorded.entries()) {
    expect(withoutAges(run(one)), `line ${index + 1}`).toEqual(withoutAges(one.after));
  }
}

describe("the reducer", () => {
  it("adds up the committed samples like the server", () => {
    check(read(COMMITTED));
  });

  it.skipIf(!existsSync(RECORDED))(
    "adds up what the server's suite recorded (var/recorded/live.jsonl; skipped until pytest has written it)",
    { timeout: 60_000 },
    () => {
      check(read(RECORDED));
    },
  );

  it("gives back the same object for a frame that it has seen", () => {
    const state = snapshot();
    expect(apply(state, frame({ position: 10, put: { interactions: { int_1: interaction() } } }))).toBe(state);
    expect(apply(state, frame({ prev: 3, position: 4 }))).toBe(state);
  });

  it("sees that something is missing", () => {
    expect(apply(snapshot(), frame({ prev: 11, position: 12 }))).toBe(GAP);
  });

  it("takes a frame that reaches back further than needed", () => {
    const next = apply(snapshot(), frame({ prev: 2, position: 12, put: { interactions: { int_1: interaction() } } }));
    expect(next).toMatchObject({ position: 12, interactions: { int_1: { id: "int_1" } } });
  });

  it("never changes the state that it was given", () => {
    const state = snapshot({ interactions: { int_1: interaction() }, cards: { cus_1: sampleCard() } });
    const copy = structuredClone(state);
    apply(state, frame({ put: { entries: { ent_1: entry() } }, drop: { interactions: ["int_1"] } }));
    expect(state).toEqual(copy);
  });

  it("keeps the maps that a frame does not touch, so that nothing is drawn anew", () => {
    const state = snapshot({ interactions: { int_1: interaction() }, cards: { cus_1: sampleCard() } });
    const next = apply(state, frame({ put: { entries: { ent_1: entry() } } })) as SnapshotView;
    expect(next.interactions).toBe(state.interactions);
    expect(next.cards).toBe(state.cards);
    expect(next.offers).toBe(state.offers);
  });

  it("removes with an interaction its offer, its entries and its card, but not another's card", () => {
    const state = snapshot({
      interactions: { int_1: interaction(), int_2: interaction({ id: "int_2" }) },
      offers: { "int_1.1": offer() },
      entries: { ent_1: entry() },
      cards: { cus_1: sampleCard() },
    });
    const one = apply(state, frame({ drop: { interactions: ["int_1"] } })) as SnapshotView;
    expect([one.offers, one.entries, Object.keys(one.cards)]).toEqual([{}, {}, ["cus_1"]]);
    const both = apply(one, frame({ prev: 11, position: 12, drop: { interactions: ["int_2"] } })) as SnapshotView;
    expect(both.cards).toEqual({});
  });
});
