/**
 * What the chat's socket carries, as types and as checks.
 *
 * The server may be newer than a cached copy of this file, so unknown fields are ignored; a value without the
 * fields that we need is dropped as a whole, because half an entry cannot be shown.
 */

export type ChatAuthor = "visitor" | "agent" | "system";
export type ChatPhase = "new" | "waiting" | "active" | "ended" | "offline";

/** One line of the conversation. `at` is in microseconds since 1970-01-01 UTC; `key` is the sender's own. */
export interface ChatEntry {
  readonly id: string;
  readonly seq: number;
  readonly author: ChatAuthor;
  readonly name: string;
  readonly text: string;
  readonly at: number;
  readonly key: string | null;
}

/** Where the conversation stands. `expected_wait_s` is in seconds. */
export interface ChatStatus {
  readonly state: ChatPhase;
  readonly agent_name: string | null;
  readonly position: number | null;
  readonly expected_wait_s: number | null;
  readonly ticket_number: number | null;
}

/** The whole conversation as the server knows it. */
export interface Chat {
  readonly chat_id: string | null;
  readonly token: string;
  readonly status: ChatStatus;
  readonly entries: readonly ChatEntry[];
}

/** Why the server refused a request: `code` is stable, `field` names the part of it that is at fault. */
export interface Refusal {
  readonly code: string;
  readonly field: string | null;
  readonly message: string;
}

/** What came of a request. `lost`: no answer in time or no connection; it may or may not have been done. */
export type Outcome =
  | { readonly kind: "done"; readonly chat: Chat | null; readonly entry: ChatEntry | null }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "lost"; readonly disconnected: boolean };

/** Answers to the small form before the first message; empty ones are left out. */
export interface Details {
  readonly name?: string;
  readonly mailbox?: string;
  readonly topic?: string;
}

export interface Topic {
  readonly id: string;
  readonly name: string;
}

/** What the server says about this widget before anybody chats. */
export interface WidgetConfig {
  readonly brand: string;
  readonly accent: string | null;
  readonly greeting: string | null;
  readonly topics: readonly Topic[];
  readonly languages: readonly string[];
  readonly staffed: boolean;
  readonly expected_wait_s: number | null;
}

/** Characters (Unicode code points) that one message may have. */
export const TEXT_LIMIT = 16_000;

const AUTHORS: ReadonlySet<unknown> = new Set<ChatAuthor>(["visitor", "agent", "system"]);
const PHASES: ReadonlySet<unknown> = new Set<ChatPhase>(["new", "waiting", "active", "ended", "offline"]);

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields | null {
  return typeof value === "object" && value !== null ? (value as Fields) : null;
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function countOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

/** The value as an entry, or null when it is none. */
export function readEntry(value: unknown): ChatEntry | null {
  const fields = fieldsOf(value);
  if (fields === null) return null;
  const { id, seq, author, name, text, at, key } = fields;
  if (typeof id !== "string" || typeof text !== "string" || typeof at !== "number") return null;
  if (typeof seq !== "number" || !Number.isInteger(seq) || seq < 1 || !AUTHORS.has(author)) return null;
  return { id, seq, author: author as ChatAuthor, name: textOrNull(name) ?? "", text, at, key: textOrNull(key) };
}

/** The value as a status, or null when it is none. */
export function readStatus(value: unknown): ChatStatus | null {
  const fields = fieldsOf(value);
  if (fields === null || !PHASES.has(fields["state"])) return null;
  return {
    state: fields["state"] as ChatPhase,
    agent_name: textOrNull(fields["agent_name"]),
    position: countOrNull(fields["position"]),
    expected_wait_s: countOrNull(fields["expected_wait_s"]),
    ticket_number: countOrNull(fields["ticket_number"]),
  };
}

/** The value as a whole conversation, or null when it is none. */
export function readChat(value: unknown): Chat | null {
  const fields = fieldsOf(value);
  const status = readStatus(fields?.["status"]);
  if (fields === null || status === null || typeof fields["token"] !== "string") return null;
  if (!Array.isArray(fields["entries"])) return null;
  const entries = fields["entries"].map(readEntry).filter((entry) => entry !== null);
  return { chat_id: textOrNull(fields["chat_id"]), token: fields["token"], status, entries };
}

/** The acknowledgement of a request, in our words. */
export function readOutcome(value: unknown): Outcome {
  const fields = fieldsOf(value);
  if (fields?.["ok"] === true) {
    return { kind: "done", chat: readChat(fields["chat"]), entry: readEntry(fields["entry"]) };
  }
  const error = fieldsOf(fields?.["error"]);
  if (error === null) return { kind: "lost", disconnected: false };
  const refusal = {
    code: textOrNull(error["code"]) ?? "unknown",
    field: textOrNull(error["field"]),
    message: textOrNull(error["message"]) ?? "",
  };
  return { kind: "refused", refusal };
}

/** The widget's configuration; parts that are missing or malformed are left at what works without them. */
export function readConfig(value: unknown): WidgetConfig {
  const fields = fieldsOf(value) ?? {};
  const topics = Array.isArray(fields["topics"]) ? fields["topics"].map(readTopic).filter((topic) => topic !== null) : [];
  const languages = Array.isArray(fields["languages"]) ? fields["languages"].filter((one) => typeof one === "string") : [];
  return {
    brand: textOrNull(fields["brand"]) ?? "",
    accent: textOrNull(fields["accent"]),
    greeting: textOrNull(fields["greeting"]),
    topics,
    languages,
    staffed: fields["staffed"] !== false,
    expected_wait_s: countOrNull(fields["expected_wait_s"]),
  };
}

function readTopic(value: unknown): Topic | null {
  const fields = fieldsOf(value);
  const id = textOrNull(fields?.["id"]);
  const name = textOrNull(fields?.["name"]);
  return id === null || name === null ? null : { id, name };
}
