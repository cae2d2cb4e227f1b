/**
 * What the agent sent and the server has not confirmed yet.
 *
 * Each line has a key for life; the server stores one line per key, however often it arrives. Lines of one
 * interaction leave in the order in which they were written, and wait here while the connection is away.
 */
import { isPassing, newAct } from "@/api/client.ts";
import { Problem } from "@/api/problem.ts";
import { readJson, type Shelf } from "./storage.ts";

export type LineKind = "message" | "note";

export interface Line {
  key: string;
  interactionId: string;
  kind: LineKind;
  text: string;
  /** Server's instant when it was written, microseconds. */
  at: number;
  /** `done`: confirmed, shown until the frame brings the stored entry. */
  state: "queued" | "sending" | "failed" | "done";
  /** Why it failed, for people. */
  error: string | null;
}

export interface OutboxOptions {
  store: Shelf;
  /** Where it is kept: one place per person, so that nobody sends another's words. */
  place: string;
  send: (line: Line) => Promise<unknown>;
  now: () => number;
  onChange: (lines: readonly Line[]) => void;
  /** Calls back once, some time later. */
  later: (act: () => void, attempt: number) => void;
}

export class Outbox {
  private lines: Line[];
  private online = false;
  private attempt = 0;
  private readonly options: OutboxOptions;

  constructor(options: OutboxOptions) {
    this.options = options;
    const stored = readJson(options.store, options.place);
    // What was being sent when the page went away may have arrived; its key makes sending it again harmless.
    this.lines = (Array.isArray(stored) ? stored : []).filter(isLine).map((line) => ({
      ...line,
      state: line.state === "failed" ? "failed" : "queued",
    }));
    this.changed();
  }

  add(interactionId: string, kind: LineKind, text: string): Line {
    const line: Line = {
      key: newAct(),
      interactionId,
      kind,
      text,
      at: this.options.now(),
      state: "queued",
      error: null,
    };
    this.lines = [...this.lines, line];
    this.changed();
    this.flush();
    return line;
  }

  /** Whether there is a connection; coming back sends what waits. */
  setOnline(online: boolean): void {
    this.online = online;
    if (online) this.flush();
  }

  retry(key: string): void {
    this.update(key, { state: "queued", error: null });
    this.flush();
  }

  discard(key: string): void {
    this.remove((line) => line.key === key);
  }

  /** The stored entry arrived: the optimistic line has done its work. */
  confirm(keys: ReadonlySet<string>): void {
    this.remove((line) => keys.has(line.key));
  }

  /** Forget confirmed lines of interactions that left the screen; unsent ones stay until they are sent or discarded. */
  forget(isOnScreen: (interactionId: string) => boolean): void {
    this.remove((line) => line.state === "done" && !isOnScreen(line.interactionId));
  }

  private flush(): void {
    if (!this.online) return;
    const busy = new Set<string>();
    for (const line of this.lines) {
      if (busy.has(line.interactionId)) continue;
      if (line.state === "sending") busy.add(line.interactionId);
      else if (line.state === "queued") {
        busy.add(line.interactionId);
        void this.send(line);
      }
    }
  }

  private async send(line: Line): Promise<void> {
    this.update(line.key, { state: "sending" });
    try {
      await this.options.send(line);
      this.attempt = 0;
      this.update(line.key, { state: "done" });
      this.flush();
    } catch (error) {
      if (isPassing(error)) this.waitAndRetry(line.key);
      else {
        this.update(line.key, { state: "failed", error: error instanceof Problem ? error.detail : String(error) });
        this.flush();
      }
    }
  }

  private waitAndRetry(key: string): void {
    this.update(key, { state: "queued" });
    this.options.later(() => {
      this.flush();
    }, this.attempt);
    this.attempt += 1;
  }

  private update(key: string, change: Partial<Line>): void {
    this.lines = this.lines.map((line) => (line.key === key ? { ...line, ...change } : line));
    this.changed();
  }

  private remove(unwanted: (line: Line) => boolean): void {
    const kept = this.lines.filter((line) => !unwanted(line));
    if (kept.length === this.lines.length) return;
    this.lines = kept;
    this.changed();
  }

  private changed(): void {
    const { store, place } = this.options;
    const unsent = this.lines.filter((line) => line.state !== "done");
    if (unsent.length === 0) store.removeItem(place);
    else store.setItem(place, JSON.stringify(unsent));
    this.options.onChange(this.lines);
  }
}

function isLine(value: unknown): value is Line {
  if (typeof value !== "object" || value === null) return false;
  const { key, interactionId, kind, text, at, state } = value as Record<string, unknown>;
  return (
    [key, interactionId, text, state].every((part) => typeof part === "string") &&
    typeof at === "number" &&
    (kind === "message" || kind === "note")
  );
}
