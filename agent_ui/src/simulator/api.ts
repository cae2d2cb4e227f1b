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
