import { describe, expect, it, vi } from "vitest";
import type { FrameView, SnapshotView } from "@/api/types.ts";
import { Feed, type ReplayAnswer } from "./feed.ts";
import { frame, interaction, snapshot } from "./fixtures/samples.ts";
import { apply, GAP } from "./reducer.ts";

/** A small generator with a seed (mulberry32), so that a failing schedule can be played again. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function step(state: SnapshotView, next: FrameView): SnapshotView {
  const result = apply(state, next);
  if (result === GAP) throw new Error("the server itself has no gaps");
  return result;
}

/** The same with its interactions by id, to compare as text. */
function sorted(state: SnapshotView): SnapshotView {
  const rows = Object.entries(state.interactions).sort(([one], [other]) => one.localeCompare(other));
  return { ...state, interactions: Object.fromEntries(rows) };
}

/** A server that knows the truth at every position, and a road on which frames are lost, doubled and overtaken. */
class Road {
  truth = snapshot();
  readonly frames: FrameView[] = [];
  /** The truth at each position that there was. */
  private readonly truths = new Map([[this.truth.position, this.truth]]);
  /** Positions at which the console showed something else than the truth of that position. */
  readonly wrong: number[] = [];
  private readonly under: { deliver: () => void }[] = [];
  private connection = 0;
  readonly feed: Feed;
  held: SnapshotView | null = null;
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
    this.feed = new Feed({
      replay: (after) => this.replay(after),
      onState: (state) => {
        this.held = state;
        const truth = this.truths.get(state.position);
        if (JSON.stringify(truth?.interactions) !== JSON.stringify(sorted(state).interactions)) {
          this.wrong.push(state.position);
        }
      },
      onReplayFailed: () => {
        this.onTheWay(() => {
          this.feed.ask();
        });
      },
    });
  }

  /** Something happens at the server: a frame sets out. */
  happen(): void {
    const { position } = this.truth;
    const id = `int_${Math.floor(this.random() * 6)}`;
    const isGone = this.random() < 0.3;
    const next = frame({
      prev: position,
      // Positions of others lie between: the numbers of one agent's frames are not consecutive.
      position: position + 1 + Math.floor(this.random() * 3),
      put: isGone ? {} : { interactions: { [id]: interaction({ id, version: position }) } },
      drop: isGone ? { interactions: [id] } : {},
    });
    this.truth = sorted(step(this.truth, next));
    this.truths.set(this.truth.position, this.truth);
    this.frames.push(next);
    this.send(next);
  }

  /** The connection breaks and comes back: what was on the way is gone, the server begins with a snapshot or a frame. */
  reconnect(): void {
    this.connection += 1;
    this.under.length = 0;
    this.feed.disconnected();
    const { position } = this.feed;
    const welcome = position === null || this.random() < 0.5 ? null : this.since(position);
    const now = this.truth;
    this.onTheWay(() => {
      if (welcome === null) this.feed.snapshot(now);
      else this.feed.frame(welcome);
    });
  }

  /** One of the things on the way arrives. */
  arrive(): void {
    // Mostly in order; sometimes something overtakes.
    const index = this.random() < 0.7 ? 0 : Math.floor(this.random() * this.under.length);
    this.under.splice(index, 1)[0]?.deliver();
  }

  get isEmpty(): boolean {
    return this.under.length === 0;
  }

  private send(next: FrameView): void {
    const fate = this.random();
    if (fate < 0.2) return;
    const arrive = () => {
      this.feed.frame(next);
    };
    this.onTheWay(arrive);
    if (fate < 0.4) this.onTheWay(arrive);
  }

  private since(position: number): FrameView {
    const missed = this.frames.filter((one) => one.position > position);
    const put: Record<string, ReturnType<typeof interaction>> = {};
    const dropped = new Set<string>();
    for (const one of missed) {
      for (const [id, row] of Object.entries(one.put.interactions ?? {})) {
        put[id] = row;
        dropped.delete(id);
      }
      for (const id of one.drop.interactions ?? []) {
        dropped.add(id);
        // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a map of rows by id
        delete put[id];
      }
    }
    return frame({
      prev: position,
      position: this.truth.position,
      put: { interactions: put },
      drop: { interactions: [...dropped] },
    });
  }

  private replay(after: number): Promise<ReplayAnswer> {
    return new Promise((resolve, reject) => {
      const fails = this.random() < 0.2;
      const answer: ReplayAnswer = this.random() < 0.3 ? { snapshot: this.truth } : { frame: this.since(after) };
      this.onTheWay(() => {
        if (fails) reject(new Error("no answer"));
        else resolve(answer);
      });
    });
  }

  private onTheWay(deliver: () => void): void {
    const { connection } = this;
    this.under.push({
      deliver: () => {
        if (connection === this.connection) deliver();
      },
    });
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

async function play(seed: number): Promise<Road> {
  const random = chance(seed);
  const road = new Road(random);
  road.reconnect();
  for (let act = 0; act < 120; act += 1) {
    const what = random();
    if (what < 0.45) road.happen();
    else if (what < 0.97) road.arrive();
    else road.reconnect();
    await settle();
  }
  // The road heals: one more connection, then everything that is under way arrives.
  road.reconnect();
  for (let act = 0; act < 500 && !road.isEmpty; act += 1) {
    road.arrive();
    await settle();
  }
  return road;
}

describe("the feed over a bad road", () => {
  it.each(Array.from({ length: 300 }, (_, seed) => seed))("shows only true states and ends with the last (seed %i)", async (seed) => {
    const road = await play(seed);
    expect(road.held).toEqual(road.truth);
    expect(road.wrong).toEqual([]);
    expect(road.feed.behind).toBe(false);
  });
});

describe("the feed", () => {
  function make(replay: (after: number) => Promise<ReplayAnswer>) {
    const states: SnapshotView[] = [];
    const onReplayFailed = vi.fn();
    const feed = new Feed({ replay, onState: (state) => states.push(state), onReplayFailed });
    return { feed, states, onReplayFailed };
  }

  it("asks once for what is missing, and plays what waited meanwhile", async () => {
    const asked: number[] = [];
    let answer: (found: ReplayAnswer) => void = () => undefined;
    const { feed, states } = make((after) => {
      asked.push(after);
      return new Promise((resolve) => {
        answer = resolve;
      });
    });
    feed.snapshot(snapshot());
    feed.frame(frame({ prev: 12, position: 13, put: { interactions: { int_3: interaction({ id: "int_3" }) } } }));
    feed.frame(frame({ prev: 13, position: 14, put: { interactions: { int_4: interaction({ id: "int_4" }) } } }));
    expect(asked).toEqual([10]);
    expect(feed.behind).toBe(true);
    answer({ frame: frame({ prev: 10, position: 12, put: { interactions: { int_2: interaction({ id: "int_2" }) } } }) });
    await settle();
    expect(Object.keys(states.at(-1)?.interactions ?? {})).toEqual(["int_2", "int_3", "int_4"]);
    expect(feed.position).toBe(14);
    expect(asked).toEqual([10]);
  });

  it("does not ask in circles when the answer brings nothing", async () => {
    const replay = vi.fn((after: number) => Promise.resolve({ frame: frame({ prev: after, position: after }) }));
    const { feed, onReplayFailed } = make(replay);
    feed.snapshot(snapshot());
    feed.frame(frame({ prev: 15, position: 16 }));
    await settle();
    expect(replay).toHaveBeenCalledTimes(1);
    expect(onReplayFailed).toHaveBeenCalledTimes(1);
  });

  it("ignores the answer to a question of an earlier connection", async () => {
    let answer: (found: ReplayAnswer) => void = () => undefined;
    const { feed } = make(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    feed.snapshot(snapshot());
    feed.ask();
    feed.disconnected();
    feed.snapshot(snapshot({ position: 20 }));
    answer({ snapshot: snapshot({ position: 12 }) });
    await settle();
    expect(feed.position).toBe(20);
  });

  it("waits with frames until the first snapshot is there", () => {
    const { feed, states } = make(() => new Promise<ReplayAnswer>(() => undefined));
    feed.frame(frame({ put: { interactions: { int_1: interaction() } } }));
    expect(states).toEqual([]);
    feed.snapshot(snapshot());
    expect(feed.position).toBe(11);
  });

  it("goes back when the server begins anew", () => {
    const { feed } = make(() => new Promise<ReplayAnswer>(() => undefined));
    feed.snapshot(snapshot({ position: 500 }));
    feed.snapshot(snapshot({ position: 3 }));
    expect(feed.position).toBe(3);
  });
});
