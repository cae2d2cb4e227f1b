/**
 * The chat as data: what the server said, what we still have to send, and one pure step from each to the next.
 *
 * - Entries are kept by `seq`; the server numbers what this visitor may see from 1 without gaps. A gap, or another
 *   entry under a number that we hold, means that something was missed: ask for everything (`sync`).
 * - A message of our own stays in `outbox` until an entry with its `key` arrives, by whatever way. It is sent again
 *   with the same key until then; the server takes each key once.
 * - One request is on its way at a time, so messages reach the server in the order in which they were written.
 *
 * No clock, no random, no storage, no socket: session.ts has those.
 */
import type { Chat, ChatEntry, ChatStatus, Details, Outcome, Refusal } from "./protocol.ts";

/** A message that the server has not confirmed. `at` is in milliseconds since 1970-01-01 UTC, by the visitor's clock. */
export interface Outgoing {
  readonly key: string;
  readonly text: string;
  readonly at: number;
  readonly details: Details;
  /** How often the connection broke while this message was on its way. */
  readonly breaks: number;
}

/** `idle`: not wanted yet; `lost`: the connection was there or was tried, and is being made again. */
export type Link = "idle" | "connecting" | "online" | "lost" | "refused";

export type Request =
  | { readonly kind: "sync" }
  | { readonly kind: "close"; readonly key: string }
  | { readonly kind: "open" | "say"; readonly item: Outgoing };

/** A message that went back to its writer, with the reason. */
export interface Returned {
  readonly text: string;
  readonly refusal: Refusal;
  /** Grows by one with each, so that a screen can tell a new one from the one that it has shown. */
  readonly number: number;
}

export interface ChatState {
  readonly token: string | null;
  readonly chatId: string | null;
  readonly status: ChatStatus;
  readonly entries: readonly ChatEntry[];
  readonly outbox: readonly Outgoing[];
  readonly link: Link;
  /** The server's word for why it does not serve us; only while `link` is "refused". */
  readonly refusedBecause: string | null;
  /** Whether the server has told the whole conversation since this connection was made. */
  readonly synced: boolean;
  readonly needsSync: boolean;
  readonly inFlight: Request | null;
  /** A pause after a refusal that time cures; ends with `resumed`. */
  readonly held: boolean;
  /** Key of the visitor's wish to end the conversation, until the server has heard it. */
  readonly closing: string | null;
  /** Counts the statuses that were pushed; see `answered`. */
  readonly statusCount: number;
  readonly statusCountAtRequest: number;
  readonly returned: Returned | null;
}

export type ChatEvent =
  | { readonly type: "restored"; readonly token: string | null; readonly outbox: readonly Outgoing[] }
  | { readonly type: "connecting" }
  | { readonly type: "connected" }
  | { readonly type: "disconnected" }
  | { readonly type: "refused"; readonly reason: string }
  | { readonly type: "forgotten" }
  | { readonly type: "adopted"; readonly token: string }
  | { readonly type: "chat"; readonly chat: Chat }
  | { readonly type: "entry"; readonly entry: ChatEntry }
  | { readonly type: "status"; readonly status: ChatStatus }
  | { readonly type: "doubted" }
  | { readonly type: "written"; readonly item: Outgoing }
  | { readonly type: "closed"; readonly key: string }
  | { readonly type: "asked"; readonly request: Request }
  | { readonly type: "answered"; readonly request: Request; readonly outcome: Outcome }
  | { readonly type: "resumed" };

const NEW: ChatStatus = { state: "new", agent_name: null, position: null, expected_wait_s: null, ticket_number: null };

export const EMPTY: ChatState = {
  token: null,
  chatId: null,
  status: NEW,
  entries: [],
  outbox: [],
  link: "idle",
  refusedBecause: null,
  synced: false,
  needsSync: false,
  inFlight: null,
  held: false,
  closing: null,
  statusCount: 0,
  statusCountAtRequest: 0,
  returned: null,
};

/** Refusals that go away by themselves: the same request, sent again later, can succeed. */
const PASSING = new Set(["rate_limited", "busy", "unavailable", "internal", "timeout", "in_progress"]);

/** Refusals of a message to a conversation that is over. */
const OVER = new Set(["invalid_transition", "chat_ended", "ended", "not_found", "no_chat"]);

/**
 * A connection that breaks this often on one and the same long message breaks because of it (some proxies and
 * servers cut a connection at a message that is too large for them); sending it for ever would help nobody.
 */
const BREAKS_BEFORE_GIVING_UP = 3;
const LONG_TEXT = 4_000;

/** The next state. Pure. */
export function reduce(state: ChatState, event: ChatEvent): ChatState {
  switch (event.type) {
    case "restored":
      return settle({ ...state, token: event.token, outbox: event.outbox });
    case "connecting":
      return { ...state, link: state.link === "lost" ? "lost" : "connecting" };
    case "connected":
      return { ...state, link: "online", refusedBecause: null, synced: false, needsSync: false, inFlight: null, held: false };
    case "disconnected":
      return { ...state, link: "lost", synced: false };
    case "refused":
      return { ...state, link: "refused", refusedBecause: event.reason, synced: false, inFlight: null };
    case "forgotten":
      return { ...state, token: null, chatId: null, status: NEW, entries: [], synced: false, closing: null };
    case "adopted":
      return { ...state, token: event.token };
    case "chat":
      return takeChat({ ...state, status: event.chat.status, statusCount: state.statusCount + 1 }, event.chat);
    case "entry":
      return takeEntry(state, event.entry);
    case "status":
      return settle({ ...state, status: event.status, statusCount: state.statusCount + 1 });
    case "doubted":
      return state.synced ? state : { ...state, needsSync: true };
    case "written":
      return { ...state, outbox: [...state.outbox, event.item] };
    case "closed":
      return { ...state, closing: event.key };
    case "asked":
      // What makes us doubt while the answer is under way needs another question after it.
      return { ...state, inFlight: event.request, needsSync: false, statusCountAtRequest: state.statusCount };
    case "answered":
      return answered({ ...state, inFlight: null }, event.request, event.outcome);
    case "resumed":
      return { ...state, held: false };
  }
}

/** What to send now, or null: nothing to do, or not now. */
export function nextRequest(state: ChatState): Request | null {
  if (state.link !== "online" || state.inFlight !== null || state.held) return null;
  if (state.needsSync) return { kind: "sync" };
  if (!state.synced) return null;
  const [item] = state.outbox;
  if (item !== undefined) return { kind: isOpen(state) ? "say" : "open", item };
  return state.closing === null ? null : { kind: "close", key: state.closing };
}

/** Whether there is a conversation that a message would continue. */
export function isOpen(state: ChatState): boolean {
  return state.chatId !== null && (state.status.state === "waiting" || state.status.state === "active");
}

/**
 * Takes the conversation as the server tells it: all of it, or of a very long one the newest part. Entries after it
 * were pushed while it was under way and are kept, also those that came before we knew the name of the conversation;
 * so are the entries just before its part.
 */
function takeChat(state: ChatState, chat: Chat): ChatState {
  const other = chat.entries.some(({ id, seq }) => state.entries.some((held) => held.seq === seq && held.id !== id));
  const sameChat = !other && (state.chatId === null || chat.chat_id === state.chatId);
  const told = [...chat.entries].sort((one, other) => one.seq - other.seq);
  const first = told.at(0)?.seq ?? 1;
  const last = told.at(-1)?.seq ?? 0;
  const before = sameChat ? state.entries.filter((entry) => entry.seq < first) : [];
  const earlier = before.at(-1)?.seq === first - 1 ? before : [];
  const later = sameChat ? state.entries.filter((entry) => entry.seq > last) : [];
  const gap = later.some((entry, index) => entry.seq !== last + 1 + index);
  return settle({
    ...state,
    token: chat.token,
    chatId: chat.chat_id,
    entries: [...earlier, ...told, ...later],
    synced: true,
    needsSync: state.needsSync || gap,
  });
}

function takeEntry(state: ChatState, entry: ChatEntry): ChatState {
  const last = state.entries.at(-1)?.seq ?? 0;
  const held = state.entries.find((one) => one.seq === entry.seq);
  if (held !== undefined) return held.id === entry.id ? state : { ...state, needsSync: true };
  const entries = [...state.entries, entry].sort((one, other) => one.seq - other.seq);
  return settle({ ...state, entries, needsSync: state.needsSync || entry.seq !== last + 1 });
}

/** Drops from the outbox what has arrived, and a wish to end what has ended. */
function settle(state: ChatState): ChatState {
  const arrived = new Set(state.entries.map((entry) => entry.key));
  const outbox = state.outbox.some((item) => arrived.has(item.key))
    ? state.outbox.filter((item) => !arrived.has(item.key))
    : state.outbox;
  const closing = state.synced && !isOpen(state) && outbox.length === 0 ? null : state.closing;
  return { ...state, outbox, closing };
}

function answered(state: ChatState, request: Request, outcome: Outcome): ChatState {
  switch (outcome.kind) {
    case "done":
      return done(state, request, outcome.chat, outcome.entry);
    case "lost":
      return lost(state, request, outcome.disconnected);
    case "refused":
      return PASSING.has(outcome.refusal.code) ? { ...state, held: true } : refused(state, request, outcome.refusal);
  }
}

/**
 * A status that was pushed while we waited may be newer or older than the answer's: nobody can tell, so the pushed
 * one stays and we ask once more.
 */
function done(state: ChatState, request: Request, chat: Chat | null, entry: ChatEntry | null): ChatState {
  let next = state;
  if (chat !== null) {
    const overtaken = state.statusCount !== state.statusCountAtRequest && !sameStatus(state.status, chat.status);
    next = takeChat(overtaken ? state : { ...state, status: chat.status }, chat);
    next = { ...next, needsSync: next.needsSync || overtaken };
  }
  if (entry !== null) next = takeEntry(next, entry);
  switch (request.kind) {
    case "sync":
      // An answer that we cannot read does not become readable by asking again: go on with what we have.
      return { ...next, synced: true };
    case "close":
      // The status that says so is pushed; should it be lost, nobody would miss it.
      return { ...next, closing: null, needsSync: true };
    case "open":
    case "say":
      // Acknowledged, but its entry is not among those that we hold: the whole conversation will have it.
      return next.outbox.some((item) => item.key === request.item.key) ? { ...next, needsSync: true, held: true } : next;
  }
}

function sameStatus(one: ChatStatus, other: ChatStatus): boolean {
  return (Object.keys(one) as (keyof ChatStatus)[]).every((field) => one[field] === other[field]);
}

function lost(state: ChatState, request: Request, disconnected: boolean): ChatState {
  if (request.kind === "sync") return { ...state, needsSync: true, held: !disconnected };
  if (request.kind === "close" || !disconnected) return { ...state, held: !disconnected };
  const breaks = request.item.breaks + 1;
  if (breaks >= BREAKS_BEFORE_GIVING_UP && request.item.text.length > LONG_TEXT) {
    return giveBack(state, request.item, { code: "too_large", field: "text", message: "" });
  }
  const outbox = state.outbox.map((item) => (item.key === request.item.key ? { ...item, breaks } : item));
  return { ...state, outbox };
}

function refused(state: ChatState, request: Request, refusal: Refusal): ChatState {
  switch (request.kind) {
    case "sync":
      return { ...state, synced: true };
    case "close":
      // Most likely it is over already; the whole conversation tells.
      return { ...state, closing: null, needsSync: true };
    case "open":
    case "say":
      return { ...giveBack(state, request.item, refusal), needsSync: OVER.has(refusal.code) };
  }
}

function giveBack(state: ChatState, item: Outgoing, refusal: Refusal): ChatState {
  const outbox = state.outbox.filter((one) => one.key !== item.key);
  const over = OVER.has(refusal.code) ? { ...refusal, code: "chat_ended" } : refusal;
  return { ...state, outbox, returned: { text: item.text, refusal: over, number: (state.returned?.number ?? 0) + 1 } };
}
