/**
 * Keeps the state right over a connection that may lose, double or reorder frames.
 *
 * Knows no sockets and no timers: whoever owns the connection hands in what arrives and a way to ask `replay`.
 */
import { apply, GAP } from "./reducer.ts";
import type { FrameView, SnapshotView } from "@/api/types.ts";

export type ReplayAnswer = { frame: FrameView } | { snapshot: SnapshotView };

export interface FeedOptions {
  /** Ask the server for everything after a position. Rejects when no answer came; the feed then waits for `ask`. */
  replay: (after: number) => Promise<ReplayAnswer>;
  /** The state changed. `frames` are the ones that did it, empty for a snapshot. */
  onState: (state: SnapshotView, frames: readonly FrameView[]) => void;
  /** A replay could not be had; call `ask` again later. */
  onReplayFailed: () => void;
}

/** Frames that wait for a missing one. Beyond it they are forgotten: the replay brings them again. */
const HELD_LIMIT = 200;

export class Feed {
  private state: SnapshotView | null = null;
  private held: FrameView[] = [];
  private asking = false;
  private askAgain = false;
  /** Answers to questions of an earlier connection are not ours any more. */
  private generation = 0;
  private readonly options: FeedOptions;

  constructor(options: FeedOptions) {
    this.options = options;
  }

  get position(): number | null {
    return this.state?.position ?? null;
  }

  /** Whether frames are known to be missing right now. */
  get behind(): boolean {
    return this.asking;
  }

  /** The whole truth, replacing everything. */
  snapshot(snapshot: SnapshotView): void {
    this.state = snapshot;
    this.options.onState(snapshot, []);
    if (!this.release()) this.ask();
  }

  frame(frame: FrameView): void {
    if (this.state === null || this.asking) this.hold(frame);
    else if (!this.take([frame])) {
      this.hold(frame);
      this.ask();
    }
  }

  /** Ask the server for what came after our position; one question at a time. */
  ask(): void {
    if (this.state === null) return;
    if (this.asking) {
      this.askAgain = true;
      return;
    }
    this.asking = true;
    const { generation } = this;
    this.options.replay(this.state.position).then(
      (answer) => {
        if (generation === this.generation) this.answered(answer);
      },
      () => {
        if (generation !== this.generation) return;
        this.asking = false;
        this.options.onReplayFailed();
      },
    );
  }

  /** The connection is gone: what was asked will not be answered, what is missing comes with the next one. */
  disconnected(): void {
    this.generation += 1;
    this.asking = false;
    this.askAgain = false;
    this.held = [];
  }

  private answered(answer: ReplayAnswer): void {
    this.asking = false;
    const before = this.position;
    const again = this.askAgain;
    this.askAgain = false;
    let complete = true;
    if ("snapshot" in answer) {
      this.state = answer.snapshot;
      this.options.onState(answer.snapshot, []);
    } else complete = this.take([answer.frame]);
    complete = this.release() && complete;
    if (again || (!complete && this.position !== before)) this.ask();
    // The answer brought nothing and something is still missing: not at once again, or we would turn in circles.
    else if (!complete) this.options.onReplayFailed();
  }

  /** Try the frames that waited, oldest first; false when some still have to wait. */
  private release(): boolean {
    const waiting = this.held.sort((one, other) => one.position - other.position);
    this.held = [];
    if (this.take(waiting)) return true;
    const reached = this.position ?? 0;
    this.held = waiting.filter((frame) => frame.position > reached);
    return false;
  }

  /** Apply frames in order; false when one could not be applied because something before it is missing. */
  private take(frames: readonly FrameView[]): boolean {
    if (this.state === null) return false;
    let state = this.state;
    let complete = true;
    const taken: FrameView[] = [];
    for (const frame of frames) {
      const next = apply(state, frame);
      if (next === GAP) complete = false;
      else if (next !== state) {
        state = next;
        taken.push(frame);
      }
    }
    if (taken.length > 0) {
      this.state = state;
      this.options.onState(state, taken);
    }
    return complete;
  }

  private hold(frame: FrameView): void {
    if (this.held.length < HELD_LIMIT) this.held.push(frame);
    // A frame that is forgotten here is missed; asking once more after the pending answer brings it.
    else if (this.asking) this.askAgain = true;
  }
}
