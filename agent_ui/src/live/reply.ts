/**
 * One answer that is being written: kept as typed, here and at the server, and sent once.
 *
 * The copy on this machine survives a reload and a lost connection, the server's also goes to whoever gets the
 * contact next. An answer to less than the customer has said is refused; what they said since is then in `newer`.
 * A draft says which version it goes on from; one that was written on elsewhere is then in `rival`, beside what is typed.
 */
import { isPassing, newAct } from "@/api/client.ts";
import { Problem } from "@/api/problem.ts";
import type { AttachmentView, DraftBody, DraftView, EntryView } from "@/api/types.ts";
import { readJson, type Shelf } from "./storage.ts";

/** What is written; a channel uses the parts that it has. */
export interface ReplyBody {
  text: string;
  /** Null: plain words only. */
  html: string | null;
  to: readonly string[];
  cc: readonly string[];
  subject: string;
}

export const EMPTY: ReplyBody = { text: "", html: null, to: [], cc: [], subject: "" };

/** `kept`: the server has it; `here`: only this machine has it so far. */
export type Keeping = "nothing" | "keeping" | "kept" | "here";
export type Then = "stay" | "wait";

export interface Delivery {
  /** The newest entry's number that the agent had on the screen. */
  seen: number;
  then: Then;
  key: string;
}

export interface ReplyState {
  body: ReplyBody;
  files: readonly AttachmentView[];
  /** Whether the server's copy is still on its way; nothing can be typed until then. */
  isLoading: boolean;
  keeping: Keeping;
  /** Whose draft it is, as long as it is somebody else's. */
  writtenBy: string | null;
  /** What the server has instead of what is typed here: nothing is saved until one of the two is chosen. */
  rival: DraftView | null;
  /** `held`: it leaves once the connection is back. */
  sending: "no" | "held" | "yes";
  error: string | null;
  /** Why nothing can be sent to this customer by this channel at all, in the server's words. */
  refusal: string | null;
  /** What the customer wrote since the answer was begun. */
  newer: readonly EntryView[];
  /** The server did not take the answer because of `newer`. */
  isTooLate: boolean;
}

export interface ReplyOptions {
  interactionId: string;
  agentId: string;
  store: Shelf;
  /** Null: there is none. */
  load: () => Promise<DraftView | null>;
  /** `version`: of the draft that it goes on from, 0 for none; a Problem `stale_version` if there is another. */
  keep: (body: ReplyBody & { attachments: string[] }, version: number, last: boolean) => Promise<DraftView>;
  discard: (version: number) => Promise<unknown>;
  deliver: (body: ReplyBody & { attachments: string[] }, delivery: Delivery) => Promise<unknown>;
  isOnline: () => boolean;
  /** Browser's clock, ms; only to throw old copies away. */
  now: () => number;
  explain: (error: unknown) => string;
  onChange: (state: ReplyState) => void;
}

const PREFIX = "desk.reply.";
const KEEP_MS = 7 * 24 * 60 * 60 * 1000;
const TYPING_MS = 700;
const RETRY_MS = 5_000;
/** So many attempts without an answer are remembered. */
const TRIED = 20;

interface Copy {
  agentId: string;
  body: ReplyBody;
  files: readonly AttachmentView[];
  /** The server's version that it goes on from; 0: none. */
  base: number;
  /** Whether the server has not got it yet. */
  isNew: boolean;
  /** Marks of what was given to the server to keep without an answer: any of it may be there. */
  tried?: readonly number[];
  at: number;
}

export class Reply {
  private readonly options: ReplyOptions;
  private state: ReplyState;
  private blank: ReplyBody = EMPTY;
  private base = 0;
  private isNew = false;
  private tried: readonly number[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: Promise<void> = Promise.resolve();
  private newest = 0;
  private seen: number | null = null;
  private act: { key: string; about: string } | null = null;
  private then: Then = "stay";

  constructor(options: ReplyOptions) {
    this.options = options;
    this.state = {
      body: EMPTY,
      files: [],
      isLoading: false,
      keeping: "nothing",
      writtenBy: null,
      rival: null,
      sending: "no",
      error: null,
      refusal: null,
      newer: [],
      isTooLate: false,
    };
  }

  get now(): ReplyState {
    return this.state;
  }

  /** Take up what was written before; `blank` is what an answer begins with. */
  async open(blank: ReplyBody): Promise<void> {
    this.blank = blank;
    if (this.state.sending !== "no") return;
    const copy = this.readCopy();
    this.base = copy?.base ?? 0;
    this.isNew = copy?.isNew ?? false;
    this.tried = copy?.tried ?? [];
    this.seen = this.newest;
    this.set({ body: copy?.body ?? blank, files: copy?.files ?? [], isLoading: true, rival: null, newer: [], isTooLate: false });
    try {
      this.merge(await this.options.load());
    } catch {
      this.set({ keeping: this.isNew ? "here" : this.state.keeping });
    }
    this.set({ isLoading: false });
  }

  /** Another beginning, for example because the customer wrote again: taken while nothing has been written. */
  beginWith(blank: ReplyBody): void {
    const wasBlank = this.isBlank;
    this.blank = blank;
    if (wasBlank && !this.isNew && this.base === 0) this.set({ body: blank });
  }

  change(change: Partial<ReplyBody>): void {
    this.set({ body: { ...this.state.body, ...change }, error: null });
    this.changed();
  }

  addFile(file: AttachmentView): void {
    this.set({ files: [...this.state.files, file], error: null });
    this.changed();
  }

  removeFile(id: string): void {
    this.set({ files: this.state.files.filter((file) => file.id !== id), error: null });
    this.changed();
  }

  /** Keep what is not kept yet, now. `last`: the page is going away. */
  async flush(last = false): Promise<void> {
    clearTimeout(this.timer);
    if (last && this.isNew && this.state.rival === null) {
      void this.keep(true);
      return;
    }
    this.running = this.running.then(() => (this.isNew && this.state.rival === null ? this.keep(false) : undefined));
    await this.running;
  }

  /** Go on with what was written elsewhere; what is typed here goes. */
  takeTheirs(): void {
    const { rival } = this.state;
    if (rival !== null) this.take(rival);
  }

  /** Go on with what is typed here; it takes the place of what was written elsewhere. */
  async keepMine(): Promise<void> {
    const { rival } = this.state;
    if (rival === null) return;
    this.base = rival.version;
    this.isNew = true;
    this.set({ rival: null });
    await this.flush();
  }

  /** Throw everything away, here and there; beside a rival only what is here. */
  async drop(): Promise<void> {
    if (this.state.rival !== null) {
      this.takeTheirs();
      return;
    }
    this.set({ body: this.blank, files: [], error: null });
    this.changed();
    await this.flush();
  }

  /** What is in the conversation now, in order. */
  heard(entries: readonly EntryView[]): void {
    const newest = Math.max(this.newest, ...entries.map(({ seq }) => seq));
    // Something was said since: it may have been the word that lets us write again.
    if (newest > this.newest && this.state.refusal !== null) this.set({ refusal: null });
    this.newest = newest;
    const key = this.act?.key;
    if (key !== undefined && this.state.sending === "no" && entries.some((entry) => entry.key === key)) {
      // Nobody answered, but it arrived all the same. What was changed since is another answer.
      const isUnchanged = this.act?.about.startsWith(`[${JSON.stringify(this.written())},`) === true;
      this.act = null;
      if (isUnchanged) {
        this.sent();
        return;
      }
    }
    if (this.seen === null || !this.hasWords) {
      this.seen = this.newest;
      if (this.state.newer.length > 0 && !this.state.isTooLate) this.set({ newer: [] });
      return;
    }
    this.notice(entries.filter((entry) => entry.seq > (this.seen ?? 0)));
  }

  /** The agent has read what came meanwhile. */
  acknowledge(): void {
    this.seen = this.newest;
    this.set({ newer: [], isTooLate: false });
  }

  /** Send it; true once the server has it. Without a connection it waits for one. */
  async send(then: Then): Promise<boolean> {
    if (this.state.sending === "yes" || this.state.isLoading) return false;
    this.then = then;
    if (!this.options.isOnline()) {
      this.set({ sending: "held", error: null });
      return false;
    }
    this.set({ sending: "yes", error: null });
    clearTimeout(this.timer);
    // A draft that arrives after the answer would come back as one.
    await this.running;
    try {
      const body = this.written();
      const delivery = { seen: this.seen ?? this.newest, then };
      const about = JSON.stringify([body, delivery]);
      if (this.act?.about !== about) this.act = { key: newAct(), about };
      await this.options.deliver(body, { ...delivery, key: this.act.key });
      this.sent();
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  /** The connection is back: what was held leaves, what was kept here goes to the server. */
  async back(): Promise<void> {
    if (this.state.sending === "held") {
      this.set({ sending: "no" });
      await this.send(this.then);
    } else if (this.isNew) await this.flush();
  }

  /** Not to be sent after all, as long as it has not left. */
  hold(): void {
    if (this.state.sending === "held") this.set({ sending: "no" });
  }

  private get isBlank(): boolean {
    return this.state.files.length === 0 && JSON.stringify(this.state.body) === JSON.stringify(this.blank);
  }

  private get hasWords(): boolean {
    return this.state.body.text.trim() !== "" || this.state.files.length > 0;
  }

  private written(): ReplyBody & { attachments: string[] } {
    return { ...this.state.body, attachments: this.state.files.map(({ id }) => id) };
  }

  private merge(view: DraftView | null): void {
    if (this.isNew) this.compare(view);
    else if (view === null) {
      this.base = 0;
      this.isNew = false;
      this.removeCopy();
      this.set({ body: this.blank, files: [], keeping: "nothing", writtenBy: null });
    } else this.take(view);
  }

  /** What is typed here is not at the server: whether it goes on from what is there. */
  private compare(view: DraftView | null): void {
    const isBehind = view !== null && view.version !== this.base && !this.isOwn(view);
    if (!isBehind) this.base = view?.version ?? 0;
    this.set({ rival: isBehind ? view : null, keeping: "here" });
    if (!isBehind) this.plan(0);
  }

  /** Whether it is what we gave the server ourselves, and the answer was lost. */
  private isOwn(view: DraftView): boolean {
    const mark = markOf(view.body);
    return view.author_id === this.options.agentId && [markOf(this.written()), ...this.tried].includes(mark);
  }

  private take(view: DraftView): void {
    this.base = view.version;
    this.isNew = false;
    const { text = "", html = null, to = [], cc = [], subject = "" } = view.body;
    const writtenBy = view.author_id === this.options.agentId ? null : view.author_id;
    const body = { text, html, to, cc, subject };
    this.set({ body, files: view.files ?? [], keeping: "kept", writtenBy, rival: null });
    this.keepCopy();
  }

  private notice(since: readonly EntryView[]): void {
    const theirs = since.filter((entry) => entry.kind === "message" && entry.author.kind === "customer");
    const known = new Set(this.state.newer.map(({ id }) => id));
    const more = theirs.filter(({ id }) => !known.has(id));
    if (more.length > 0) this.set({ newer: [...this.state.newer, ...more] });
  }

  private changed(): void {
    this.isNew = true;
    this.keepCopy();
    this.plan(TYPING_MS);
  }

  private plan(wait: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.flush(), wait);
  }

  private async keep(last: boolean): Promise<void> {
    const { isBlank } = this;
    if (isBlank && this.base === 0) {
      this.isNew = false;
      this.removeCopy();
      this.set({ keeping: "nothing", writtenBy: null });
      return;
    }
    this.isNew = false;
    this.set({ keeping: "keeping" });
    try {
      if (isBlank) await this.options.discard(this.base);
      this.base = isBlank ? 0 : await this.kept(last);
      this.set({ keeping: isBlank ? "nothing" : "kept", writtenBy: null });
    } catch (error) {
      this.isNew = true;
      if (error instanceof Problem && error.code === "stale_version") this.compare(draftIn(error));
      else this.set({ keeping: "here" });
      if (isPassing(error)) this.plan(RETRY_MS);
    }
    this.keepCopy();
  }

  private async kept(last: boolean): Promise<number> {
    const body = this.written();
    this.tried = [...this.tried, markOf(body)].slice(-TRIED);
    this.keepCopy(true);
    const { version } = await this.options.keep(body, this.base, last);
    this.tried = [];
    return version;
  }

  private sent(): void {
    clearTimeout(this.timer);
    this.act = null;
    this.base = 0;
    this.isNew = false;
    this.seen = this.newest;
    this.removeCopy();
    this.set({
      body: this.blank,
      files: [],
      keeping: "nothing",
      writtenBy: null,
      rival: null,
      sending: "no",
      error: null,
      newer: [],
      isTooLate: false,
    });
  }

  private failed(error: unknown): void {
    if (!isPassing(error)) this.act = null;
    this.set({ sending: "no" });
    if (this.isNew) this.plan(TYPING_MS);
    const code = error instanceof Problem ? error.code : null;
    const entries = error instanceof Problem ? error.extras["entries"] : undefined;
    if (code === "thread_moved_on" && Array.isArray(entries)) {
      const newer = entries as EntryView[];
      this.notice(newer);
      this.seen = Math.max(this.seen ?? 0, ...newer.map(({ seq }) => seq));
      this.set({ isTooLate: true });
    } else if (code === "opted_out") this.set({ refusal: this.options.explain(error) });
    else this.set({ error: this.options.explain(error) });
  }

  private readCopy(): Copy | null {
    const found = readJson(this.options.store, PREFIX + this.options.interactionId);
    return isCopy(found) && found.agentId === this.options.agentId ? found : null;
  }

  /** `isNew`: whether the server may lack it. */
  private keepCopy(isNew = this.isNew): void {
    if (this.isBlank && this.base === 0) {
      this.removeCopy();
      return;
    }
    const { agentId, store, interactionId, now } = this.options;
    const { body, files } = this.state;
    const copy: Copy = { agentId, body, files, base: this.base, isNew, tried: this.tried, at: now() };
    store.setItem(PREFIX + interactionId, JSON.stringify(copy));
  }

  private removeCopy(): void {
    this.options.store.removeItem(PREFIX + this.options.interactionId);
  }

  private set(change: Partial<ReplyState>): void {
    this.state = { ...this.state, ...change };
    this.options.onChange(this.state);
  }
}

/** Tells drafts apart by what is written in them (a hash of 32 bits: both are one person's, a moment apart). */
function markOf({ text = "", html = null, to = [], cc = [], subject = "", attachments = [] }: DraftBody | (ReplyBody & { attachments: string[] })): number {
  let mark = 0x811c9dc5;
  for (const unit of JSON.stringify([text, html, to, cc, subject, attachments])) {
    mark = Math.imul(mark ^ (unit.codePointAt(0) ?? 0), 0x01000193);
  }
  return mark >>> 0;
}

/** The draft that took the place of the one that we went on from; null if there is none any more. */
function draftIn({ extras }: Problem): DraftView | null {
  const current = extras["current"];
  return typeof current === "object" && current !== null && "body" in current ? (current as DraftView) : null;
}

/** Forget copies that nobody came back to for a week; the server has its own. */
export function tidyReplies(store: Shelf, now: number): void {
  for (const key of store.keys()) {
    if (!key.startsWith(PREFIX)) continue;
    const found = readJson(store, key);
    if (!isCopy(found) || now - found.at > KEEP_MS) store.removeItem(key);
  }
}

function isCopy(value: unknown): value is Copy {
  if (typeof value !== "object" || value === null) return false;
  const { agentId, body, files, base, isNew, at } = value as Record<string, unknown>;
  return (
    typeof agentId === "string" &&
    typeof body === "object" &&
    body !== null &&
    "text" in body &&
    Array.isArray(files) &&
    typeof base === "number" &&
    typeof isNew === "boolean" &&
    typeof at === "number"
  );
}
