/** The console's connection: opens it, keeps it, and hands what arrives to the feed. */
import { io, type Socket } from "socket.io-client";
import { Feed, type ReplayAnswer } from "./feed.ts";
import { LIVE_SCHEMA, type AlertsNowView, type BoardView, type FloorView, type FrameView, type SnapshotView } from "@/api/types.ts";

/** `catching_up`: connected, and asking for missed frames. `stopped`: it will not come back by itself. */
export type Connection = "connecting" | "online" | "catching_up" | "offline" | "stopped";

/** Why a connection was stopped for good. */
export type StopReason = "signed_out" | "replaced" | "schema" | "origin";

export interface SyncOptions {
  onState: (state: SnapshotView, frames: readonly FrameView[]) => void;
  onBoard: (board: BoardView) => void;
  onFloor: (floor: FloorView) => void;
  onAlerts: (alerts: AlertsNowView) => void;
  onConnection: (connection: Connection) => void;
  onStopped: (reason: StopReason) => void;
}

interface FromServer {
  snapshot: (snapshot: SnapshotView) => void;
  frame: (frame: FrameView) => void;
  board: (board: BoardView) => void;
  floor: (floor: FloorView) => void;
  alerts: (alerts: AlertsNowView) => void;
  resync: () => void;
  bye: (message: { reason?: string }) => void;
}

interface ToServer {
  replay: (question: { after: number }, answer: (found: ReplayAnswer) => void) => void;
  watch_board: (nothing: object, answer: (board: BoardView) => void) => void;
  unwatch_board: (nothing: object) => void;
  watch_floor: (nothing: object, answer: (floor: FloorView) => void) => void;
  unwatch_floor: (nothing: object) => void;
}

const ANSWER_LIMIT_MS = 5_000;
const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 10_000;

/**
 * Wait before the nth try (from 0): at most twice as long each time, up to a limit, and anything from a tenth of that.
 * 2,000 consoles that were cut off at one moment come back one by one so, and a caller's webhook has its turn between.
 */
export function backoff(attempt: number, chance: () => number = Math.random): number {
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10));
  return longest * (0.1 + chance() * 0.9);
}

export class Sync {
  private readonly options: SyncOptions;
  private readonly socket: Socket<FromServer, ToServer>;
  private readonly feed: Feed;
  private connection: Connection = "connecting";
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private watchesBoard = false;
  private watchesFloor = false;
  private stopped = false;

  constructor(options: SyncOptions) {
    this.options = options;
    this.feed = new Feed({
      replay: async (after) => {
        const answer = (await this.socket.timeout(ANSWER_LIMIT_MS).emitWithAck("replay", { after })) as ReplayAnswer;
        // The server that just forgot this connection answers with nothing.
        if (!("frame" in answer) && !("snapshot" in answer)) throw new Error("an empty answer");
        return answer;
      },
      onState: (state, frames) => {
        options.onState(state, frames);
        this.settle();
      },
      onReplayFailed: () => {
        this.later(() => {
          this.feed.ask();
        });
      },
    });
    this.socket = io({
      path: "/live",
      transports: ["websocket"],
      autoConnect: false,
      forceNew: true,
      // Every way of failing goes through `later`, with one rhythm.
      reconnection: false,
      auth: (send) => {
        const { position } = this.feed;
        send({ schema: LIVE_SCHEMA, ...(position === null ? {} : { position }) });
      },
    });
    this.listen();
  }

  start(): void {
    this.stopped = false;
    this.say("connecting");
    this.socket.connect();
  }

  /** Leave for good; `start` begins again. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.retry);
    this.socket.disconnect();
    this.feed.disconnected();
    this.say("stopped");
  }

  /** Try at once instead of waiting, for example because the network came back. */
  hurry(): void {
    if (this.connection !== "offline") return;
    clearTimeout(this.retry);
    this.socket.connect();
  }

  watchBoard(): void {
    this.watchesBoard = true;
    this.askBoard();
  }

  unwatchBoard(): void {
    this.watchesBoard = false;
    if (this.socket.connected) this.socket.emit("unwatch_board", {});
  }

  /** What a supervisor can take hold of; refused without the right to it. */
  watchFloor(): void {
    this.watchesFloor = true;
    this.askFloor();
  }

  unwatchFloor(): void {
    this.watchesFloor = false;
    if (this.socket.connected) this.socket.emit("unwatch_floor", {});
  }

  private listen(): void {
    this.socket.on("connect", () => {
      // Online only once the first snapshot or frame is there; until then the old picture stays marked as old.
      this.askBoard();
      this.askFloor();
    });
    this.socket.on("snapshot", (snapshot) => {
      this.feed.snapshot(snapshot);
    });
    this.socket.on("frame", (frame) => {
      this.feed.frame(frame);
      this.settle();
    });
    this.socket.on("resync", () => {
      this.feed.ask();
      this.settle();
    });
    this.socket.on("board", this.options.onBoard);
    this.socket.on("floor", this.options.onFloor);
    this.socket.on("alerts", this.options.onAlerts);
    this.socket.on("bye", ({ reason }) => {
      if (reason === "revoked" || reason === "signed_out") this.halt("signed_out");
      else if (reason === "replaced") this.halt("replaced");
      // Any other reason, such as "shutdown": the server closes and we come back.
    });
    this.socket.on("disconnect", () => {
      this.lost();
    });
    this.socket.on("connect_error", (error) => {
      this.refused(error.message);
    });
  }

  private refused(reason: string): void {
    if (reason === "unauthenticated") this.halt("signed_out");
    else if (reason === "schema") this.halt("schema");
    else if (reason === "origin") this.halt("origin");
    else this.lost();
  }

  private lost(): void {
    this.feed.disconnected();
    if (this.stopped) return;
    this.say("offline");
    this.later(() => {
      this.socket.connect();
    });
  }

  private halt(reason: StopReason): void {
    this.stop();
    this.options.onStopped(reason);
  }

  private later(act: () => void): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(act, backoff(this.attempt));
    this.attempt += 1;
  }

  private askBoard(): void {
    if (!this.watchesBoard || !this.socket.connected) return;
    const asked = this.socket.timeout(ANSWER_LIMIT_MS).emitWithAck("watch_board", {}) as Promise<BoardView>;
    asked.then(
      (board) => {
        // Without the right to it the answer is not a board.
        if ("queues" in board) this.options.onBoard(board);
      },
      () => {
        // No answer: the board says its age and goes stale; try again while it is wanted.
        setTimeout(() => {
          this.askBoard();
        }, ANSWER_LIMIT_MS);
      },
    );
  }

  private askFloor(): void {
    if (!this.watchesFloor || !this.socket.connected) return;
    const asked = this.socket.timeout(ANSWER_LIMIT_MS).emitWithAck("watch_floor", {}) as Promise<FloorView>;
    asked.then(
      (floor) => {
        if ("contacts" in floor) this.options.onFloor(floor);
      },
      () => {
        setTimeout(() => {
          this.askFloor();
        }, ANSWER_LIMIT_MS);
      },
    );
  }

  private settle(): void {
    if (this.stopped || !this.socket.connected || this.feed.position === null) return;
    if (!this.feed.behind) this.attempt = 0;
    this.say(this.feed.behind ? "catching_up" : "online");
  }

  private say(connection: Connection): void {
    if (connection === this.connection && connection !== "connecting") return;
    this.connection = connection;
    this.options.onConnection(connection);
  }
}
