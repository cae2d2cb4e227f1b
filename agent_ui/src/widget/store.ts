/**
 * What outlives the page: the visitor's token and the messages that are not confirmed yet, in the host page's local
 * storage; the draft and whether the panel is open, in its session storage. No cookie.
 *
 * Each unsent message has an item of its own, so that two tabs never overwrite each other's. Where the browser
 * forbids storage, everything works until the page is left.
 */
import type { Details } from "./protocol.ts";
import type { Outgoing } from "./state.ts";

/** The part of the browser's `Storage` that we use. */
export type Shelf = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

export class ChatStore {
  readonly tokenKey: string;
  readonly #long: Shelf;
  readonly #short: Shelf;

  /** `profile` parts the conversations of several people who use one browser, for example by their login. */
  constructor(widget: string, profile: string | null, long: Shelf, short: Shelf) {
    this.tokenKey = profile === null ? `sd-chat:${widget}` : `sd-chat:${widget}@${profile}`;
    this.#long = long;
    this.#short = short;
  }

  get token(): string | null {
    return read(this.#long, this.tokenKey);
  }

  set token(token: string | null) {
    write(this.#long, this.tokenKey, token);
  }

  /** Number of the newest entry that the visitor has seen, with the conversation that it belongs to. */
  get seen(): { readonly chat: string; readonly seq: number } | null {
    const [chat, seq] = splitSeen(read(this.#long, `${this.tokenKey}:seen`));
    return chat === undefined || seq === undefined || !Number.isInteger(Number(seq)) ? null : { chat, seq: Number(seq) };
  }

  set seen(seen: { readonly chat: string; readonly seq: number } | null) {
    write(this.#long, `${this.tokenKey}:seen`, seen === null ? null : `${seen.chat} ${seen.seq}`);
  }

  /** Whether a conversation was going on when last heard of; if not, nothing can have come since. */
  get live(): boolean {
    return read(this.#long, `${this.tokenKey}:live`) === "1";
  }

  set live(live: boolean) {
    write(this.#long, `${this.tokenKey}:live`, live ? "1" : null);
  }

  get open(): boolean {
    return read(this.#short, `${this.tokenKey}:open`) === "1";
  }

  set open(open: boolean) {
    write(this.#short, `${this.tokenKey}:open`, open ? "1" : null);
  }

  get draft(): string {
    return read(this.#short, `${this.tokenKey}:draft`) ?? "";
  }

  set draft(draft: string) {
    write(this.#short, `${this.tokenKey}:draft`, draft === "" ? null : draft);
  }

  /** The unsent messages, in the order in which they were written. */
  unsent(): Outgoing[] {
    const prefix = `${this.tokenKey}:out:`;
    const items: Outgoing[] = [];
    for (const key of keysOf(this.#long)) {
      if (!key.startsWith(prefix)) continue;
      const item = readOutgoing(key.slice(prefix.length), read(this.#long, key));
      if (item !== null) items.push(item);
    }
    return items.sort((one, other) => one.at - other.at || (one.key < other.key ? -1 : 1));
  }

  keep(item: Outgoing): void {
    const { text, at, details } = item;
    write(this.#long, `${this.tokenKey}:out:${item.key}`, JSON.stringify({ text, at, details }));
  }

  drop(key: string): void {
    write(this.#long, `${this.tokenKey}:out:${key}`, null);
  }
}

/** A shelf that forgets when the page goes. */
export function memoryShelf(): Shelf {
  const items = new Map<string, string>();
  return {
    get length() {
      return items.size;
    },
    getItem: (key) => items.get(key) ?? null,
    key: (index) => [...items.keys()][index] ?? null,
    removeItem: (key) => {
      items.delete(key);
    },
    setItem: (key, value) => {
      items.set(key, value);
    },
  };
}

/** The browser's storage by this name, or a substitute in memory: just reading the property throws where it is forbidden. */
export function shelfOf(name: "localStorage" | "sessionStorage"): Shelf {
  try {
    const shelf = window[name];
    shelf.getItem("sd-chat");
    return shelf;
  } catch {
    return memoryShelf();
  }
}

function read(shelf: Shelf, key: string): string | null {
  try {
    return shelf.getItem(key);
  } catch {
    return null;
  }
}

function write(shelf: Shelf, key: string, value: string | null): void {
  try {
    if (value === null) shelf.removeItem(key);
    else shelf.setItem(key, value);
  } catch {
    // Full or forbidden: the message is still in memory and is sent from there.
  }
}

function keysOf(shelf: Shelf): string[] {
  const keys: string[] = [];
  try {
    for (let index = 0; index < shelf.length; index += 1) {
      const key = shelf.key(index);
      if (key !== null) keys.push(key);
    }
  } catch {
    // Forbidden since the page was loaded.
  }
  return keys;
}

function splitSeen(value: string | null): string[] {
  return value?.split(" ") ?? [];
}

function readOutgoing(key: string, value: string | null): Outgoing | null {
  try {
    const fields = JSON.parse(value ?? "null") as Partial<Record<"text" | "at" | "details", unknown>> | null;
    if (typeof fields?.text !== "string" || typeof fields.at !== "number") return null;
    return { key, text: fields.text, at: fields.at, details: readDetails(fields.details), breaks: 0 };
  } catch {
    return null;
  }
}

function readDetails(value: unknown): Details {
  const fields = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const { name, mailbox, topic } = fields;
  return {
    ...(typeof name === "string" ? { name } : {}),
    ...(typeof mailbox === "string" ? { mailbox } : {}),
    ...(typeof topic === "string" ? { topic } : {}),
  };
}
