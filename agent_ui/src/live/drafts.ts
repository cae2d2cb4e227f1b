/** What somebody was writing, kept on this machine per place (an interaction's reply, its note, a ticket's note). */
import { lasting, readJson, type Shelf } from "./storage.ts";

const PREFIX = "desk.draft.";
const KEEP_MS = 7 * 24 * 60 * 60 * 1000;

interface Stored {
  text: string;
  /** Browser's clock, ms; only to throw old ones away. */
  at: number;
}

export class Drafts {
  private readonly store: Shelf;
  private readonly now: () => number;

  constructor(store: Shelf = lasting, now: () => number = () => Date.now()) {
    this.store = store;
    this.now = now;
  }

  read(place: string): string {
    const stored = readJson(this.store, PREFIX + place);
    return isStored(stored) ? stored.text : "";
  }

  write(place: string, text: string): void {
    if (text === "") this.store.removeItem(PREFIX + place);
    else this.store.setItem(PREFIX + place, JSON.stringify({ text, at: this.now() } satisfies Stored));
  }

  /** Forget what nobody came back to for a week. */
  tidy(): void {
    for (const key of this.store.keys()) {
      if (!key.startsWith(PREFIX)) continue;
      const stored = readJson(this.store, key);
      if (!isStored(stored) || this.now() - stored.at > KEEP_MS) this.store.removeItem(key);
    }
  }
}

export const drafts = new Drafts();

function isStored(value: unknown): value is Stored {
  if (typeof value !== "object" || value === null) return false;
  const { text, at } = value as Record<string, unknown>;
  return typeof text === "string" && typeof at === "number";
}
