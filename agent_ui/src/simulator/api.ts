/** The simulated carrier's control API, reached through our own server. Demo only: there is no such thing in production. */
import { Problem, Unreachable, problemOf } from "@/api/problem.ts";

/** Somebody to play. The number is E.164. */
export interface Person {
  readonly id: string;
  readonly name: string;
  readonly number: string | null;
  readonly mailbox: string | null;
  readonly language: string | null;
  readonly tier: "standard" | "silver" | "gold" | null;
}

/** A number of the desk that can be called. */
export interface DeskNumber {
  readonly number: string;
  readonly label: string;
}

/** Background customers. The counts are since the carrier started. */
export interface Traffic {
  readonly calls_per_minute: number;
  readonly living?: number;
  readonly arrived?: number;
  readonly talked?: number;
  readonly gave_up?: number;
}

/** A number of the desk that can be texted; the same shape as one that can be called. */
export type TextNumber = DeskNumber;

export interface MailAddress {
  readonly address: string;
  readonly name: string;
}

/** A mail in a customer's mailbox. Numbers ascend; `at` is in microseconds since 1970-01-01 UTC. */
export interface Mail {
  readonly number: number;
  readonly at: number;
  readonly from: MailAddress | null;
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly reply_to: readonly MailAddress[];
  readonly subject: string;
  readonly text: string;
  /** The history below what was written now. */
  readonly quoted: string | null;
  readonly automatic: boolean;
  readonly attachments: readonly { readonly name: string; readonly media_type: string; readonly size: number }[];
}

/** A file to send. `content` is base64. */
export interface FileToSend {
  readonly name: string;
  readonly media_type: string;
  readonly content: string;
}

/** A mail to send; `answers` is the number of a mail in the sender's mailbox, which says where it goes. */
export interface MailToSend {
  readonly from: string;
  readonly name: string;
  readonly subject: string;
  readonly text: string;
  readonly attachments: readonly FileToSend[];
  readonly answers?: number;
}

/** A text on a customer's phone, `incoming` for the desk. `arrived`: it stands on the phone. */
export interface TextMessage {
  readonly message_sid: string;
  readonly from: string | null;
  readonly to: string;
  readonly text: string;
  readonly media: readonly { readonly url: string; readonly media_type: string }[];
  readonly incoming: boolean;
  readonly by_carrier: boolean;
  readonly status: string;
  readonly arrived: boolean;
  readonly created_at: number;
}

export interface TextThread {
  readonly messages: readonly TextMessage[];
  /** Ours from which this customer gets nothing. */
  readonly opted_out_of: readonly string[];
  readonly last: number;
}

const BASE = "/simulator-api";

/** The desk's customers; none where the carrier runs without the demo's data. */
export async function fetchPeople(): Promise<Person[]> {
  return (await askIfThere<Person[]>("/people")) ?? [];
}

/** The numbers that can be called; without labels where the carrier runs without the demo's data. */
export async function fetchNumbers(): Promise<DeskNumber[]> {
  const labelled = await askIfThere<DeskNumber[]>("/numbers");
  if (labelled !== null) return labelled;
  const { numbers } = await ask<{ numbers: string[] }>("GET", "/health");
  return numbers.map((number) => ({ number, label: "The desk" }));
}

/** Places a call and gives its id. `from` null withholds the number. */
export async function placeCall(from: string | null, to: string): Promise<string> {
  const { call_sid } = await ask<{ call_sid: string }>("POST", "/calls", { from, to });
  return call_sid;
}

export async function pressKeys(sid: string, digits: string): Promise<void> {
  await ask("POST", `/calls/${sid}/digits`, { digits });
}

/** Says something into the phone; gives how many others heard it. */
export async function sayWords(sid: string, text: string): Promise<number> {
  const { heard_by } = await ask<{ heard_by: string[] }>("POST", `/calls/${sid}/say`, { text });
  return heard_by.length;
}

/** A telephone of a customer that the desk rings. Numbers are E.164. */
export interface Ringing {
  readonly call_sid: string;
  readonly from: string;
  readonly to: string;
}

/** All telephones that ring because the desk calls them. */
export async function fetchRinging(): Promise<readonly Ringing[]> {
  return (await askIfThere<{ calls: Ringing[] }>("/calls?ringing=1"))?.calls ?? [];
}

/** Picks up a telephone that rings. */
export async function answerCall(sid: string): Promise<void> {
  await ask("POST", `/calls/${sid}/answer`, {});
}

export async function hangUp(sid: string): Promise<void> {
  await ask("POST", `/calls/${sid}/hangup`, {});
}

/** Whether the carrier still knows this call. Rejects when it cannot be asked. */
export async function isKnown(sid: string): Promise<boolean> {
  return (await askIfThere(`/calls/${sid}`)) !== null;
}

/** Where the words of a call come from, after the event with this id. */
export function eventsUrl(sid: string, after: number): string {
  return `${BASE}/calls/${encodeURIComponent(sid)}/events?last_event_id=${after}`;
}

/** The desk's own mail addresses; null where customers have no mail. */
export async function fetchDeskMailboxes(): Promise<readonly string[] | null> {
  const mail = await askIfThere<{ desk: { mailboxes: string[] } | null }>("/mail");
  return mail === null ? null : (mail.desk?.mailboxes ?? []);
}

/** What stands in a mailbox after the mail of this number, oldest first. */
export async function fetchMails(mailbox: string, after: number): Promise<readonly Mail[]> {
  return (await ask<{ mails: Mail[] }>("GET", `/mailboxes/${encodeURIComponent(mailbox)}?after=${after}`)).mails;
}

/** Where new mails of a mailbox come from. */
export function mailEventsUrl(mailbox: string, after: number): string {
  return `${BASE}/mailboxes/${encodeURIComponent(mailbox)}/events?last_event_id=${after}`;
}

/** A file that came with a mail; it comes as a download. */
export function mailFileUrl(mailbox: string, number: number, place: number): string {
  return `${BASE}/mailboxes/${encodeURIComponent(mailbox)}/mails/${number}/attachments/${place}`;
}

/** Sends a mail to the desk by SMTP. */
export async function sendMail(mail: MailToSend): Promise<void> {
  await ask("POST", "/mails", mail);
}

/** The numbers that can be texted. */
export async function fetchTextNumbers(): Promise<readonly TextNumber[]> {
  return (await askIfThere<{ numbers: TextNumber[] }>("/texts"))?.numbers ?? [];
}

/** All texts of a customer's phone, oldest first. */
export function fetchTexts(number: string): Promise<TextThread> {
  return ask("GET", `/texts/${encodeURIComponent(number)}`);
}

export function textEventsUrl(number: string, after: number): string {
  return `${BASE}/texts/${encodeURIComponent(number)}/events?last_event_id=${after}`;
}

/** A picture of a text; the carrier names it by an address of its own, of which the page needs the last part. */
export function textPictureUrl(url: string): string {
  return `${BASE}/texts/media/${encodeURIComponent(url.slice(url.lastIndexOf("/") + 1))}`;
}

export async function sendText(
  from: string,
  to: string,
  text: string,
  media: readonly { readonly media_type: string; readonly data: string }[] = [],
): Promise<void> {
  await ask("POST", "/texts", { from, to, text, media });
}

/** The background customers, or null when this carrier has none. */
export function fetchTraffic(): Promise<Traffic | null> {
  return askIfThere("/traffic");
}

export function setTraffic(callsPerMinute: number): Promise<Traffic> {
  return ask("PUT", "/traffic", { calls_per_minute: callsPerMinute });
}

/** What went wrong, for people. */
export function inWords(error: unknown): string {
  if (error instanceof Problem) return error.detail;
  return "The simulator does not answer. Is the demo still running?";
}

/** What is at this address, or null when there is nothing. */
async function askIfThere<Answer>(path: string): Promise<Answer | null> {
  try {
    return await ask<Answer>("GET", path);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

async function ask<Answer>(method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(BASE + path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw new Unreachable("no answer");
  }
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as Answer;
}
