/** One call as the person at the phone lives it: a pure step per event of the carrier. */

import { holderInWords, type Holder } from "./holder.ts";

/** One event of `GET /calls/{sid}/events`. `at` is in microseconds since 1970-01-01 UTC; `id` counts from 1. */
export interface Heard {
  readonly id: number;
  readonly at: number;
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A line on the phone's screen. `sign` lines are about the call, the others are words. */
export interface Caption {
  readonly id: string;
  readonly at: number;
  readonly who: "desk" | "agent" | "me" | "sign";
  readonly speaker: string;
  readonly text: string;
  readonly language: string | null;
  /** How often it was heard in a row; waiting lines repeat themselves. */
  readonly times: number;
  /** For what the person did: that it came to nothing, and why. */
  readonly remark: string | null;
}

export interface Call {
  readonly sid: string;
  /** Who calls, as shown. */
  readonly name: string;
  readonly from: string | null;
  readonly to: string;
  /** The desk calls: the phone rings until somebody answers. */
  readonly incoming: boolean;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** The leg's status in the carrier's words. */
  readonly status: string;
  readonly music: boolean;
  readonly listening: boolean;
  readonly place: "menu" | "joined" | "talking";
  readonly onHold: boolean;
  readonly endedBy: string | null;
  /** Who has the call, once it was accepted. */
  readonly holder: Holder | null;
  readonly captions: readonly Caption[];
  /** Id of the newest event that is in here. */
  readonly position: number;
}

export function newCall(sid: string, name: string, from: string | null, to: string, startedAt: number, incoming = false): Call {
  return {
    sid,
    name,
    from,
    to,
    incoming,
    startedAt,
    endedAt: null,
    status: "ringing",
    music: false,
    listening: false,
    place: "menu",
    onHold: false,
    endedBy: null,
    holder: null,
    captions: [],
    position: 0,
  };
}

/** The call after this event; an event that was heard before changes nothing. Pure. */
export function hear(call: Call, heard: Heard): Call {
  if (heard.id <= call.position) return call;
  const next = { ...call, position: heard.id };
  const { data } = heard;
  switch (heard.kind) {
    case "state":
      return { ...next, status: text(data["status"]) };
    case "words":
      return speak({ ...next, music: false }, heard, "desk", "", text(data["text"]), text(data["language"]));
    case "heard":
      return speak({ ...next, music: false }, heard, "agent", speakerName(text(data["speaker"])), text(data["text"]), null);
    case "music":
      return { ...next, music: true };
    case "silence":
      return { ...next, music: false };
    case "listening":
      return { ...next, listening: true };
    case "digits":
      return pressed(next, heard, text(data["digits"]), data["taken"] === true);
    case "conference":
      return conferred(next, heard);
    case "hold":
      return sign({ ...next, onHold: data["on"] === true }, heard, data["on"] === true ? "You are on hold" : "Back from hold");
    case "error":
      return sign(next, heard, `The desk's answer was no good: ${text(data["message"])}`);
    case "ended":
      return ended(next, heard.at, text(data["by"]), `e${heard.id}`);
    default:
      return next;
  }
}

/** The desk says who has the call. */
export function held(call: Call, holder: Holder | null): Call {
  return holder === null ? call : { ...call, holder };
}

/** What the person said into the phone. The carrier does not play it back, so it is put in here. */
export function said(call: Call, id: string, at: number, words: string, remark: string | null): Call {
  return withCaption(call, { id, at, who: "me", speaker: "", text: words, language: null, times: 1, remark });
}

/** The carrier does not know the call any more: it was restarted. */
export function vanished(call: Call, at: number): Call {
  return call.endedAt === null ? ended(call, at, "network", "gone") : call;
}

/** Where the call stands, in a few words. */
export function stateInWords(call: Call): string {
  if (call.endedAt !== null) return endInWords(call);
  if (rings(call)) return "Your phone rings: the desk calls you back";
  if (call.status === "ringing" || call.status === "queued" || call.status === "initiated") return "Ringing…";
  if (call.onHold) return "On hold";
  const { holder } = call;
  if (call.place === "talking") return holder === null ? "Talking with an agent" : `Talking with ${holderInWords(holder)}`;
  if (call.place === "joined") return holder === null ? "An agent is picking up…" : `${holder.name} is picking up…`;
  return call.music ? "Waiting, with music" : "Connected, the desk is speaking";
}

/** Whether it can be answered or declined. */
export function rings({ incoming, status, endedAt }: Call): boolean {
  return incoming && endedAt === null && status === "ringing";
}

function endInWords({ endedBy, status, incoming }: Call): string {
  if (incoming && status === "busy") return "Ended: you declined";
  if (incoming && (status === "no-answer" || status === "canceled")) return "Ended: nobody answered";
  if (status === "busy") return "Busy";
  switch (endedBy) {
    case "caller":
      return "Ended: you hung up";
    case "desk":
      return "Ended: the desk hung up";
    default:
      return "Ended: the line broke";
  }
}

function pressed(call: Call, heard: Heard, digits: string, taken: boolean): Call {
  const remark = taken ? null : "nobody was listening for keys";
  const caption = { id: `e${heard.id}`, at: heard.at, who: "me", speaker: "", text: `Pressed ${digits}`, language: null, times: 1, remark } as const;
  return withCaption({ ...call, listening: taken ? false : call.listening }, caption);
}

function conferred(call: Call, heard: Heard): Call {
  const { data } = heard;
  if (data["joined"] !== true) {
    return { ...call, place: "menu", onHold: false };
  }
  if (data["started"] !== true) return { ...call, place: "joined", listening: false };
  const next: Call = { ...call, place: "talking", listening: false, music: false };
  // Those who come later make the event come again.
  return call.place === "talking" ? next : sign(next, heard, "An agent is on the line");
}

function ended(call: Call, at: number, by: string, id: string): Call {
  const next = { ...call, endedAt: at / 1000, endedBy: by, music: false, listening: false, onHold: false };
  return withCaption(next, { id, at, who: "sign", speaker: "", text: endInWords(next), language: null, times: 1, remark: null });
}

function sign(call: Call, heard: Heard, words: string): Call {
  return withCaption(call, { id: `e${heard.id}`, at: heard.at, who: "sign", speaker: "", text: words, language: null, times: 1, remark: null });
}

function speak(call: Call, heard: Heard, who: "desk" | "agent", speaker: string, words: string, language: string | null): Call {
  const last = call.captions.at(-1);
  if (last?.who === who && last.text === words) {
    const again = { ...last, times: last.times + 1, at: heard.at };
    return { ...call, captions: [...call.captions.slice(0, -1), again] };
  }
  return withCaption(call, { id: `e${heard.id}`, at: heard.at, who, speaker, text: words, language, times: 1, remark: null });
}

/** In the order of time: after a reload, what the person said is there before what they heard. */
function withCaption(call: Call, caption: Caption): Call {
  if (call.captions.some((other) => other.id === caption.id)) return call;
  return { ...call, captions: [...call.captions, caption].sort((one, other) => one.at - other.at) };
}

/** Ids are for machines; a label in words is for people. */
function speakerName(speaker: string): string {
  return /^(client:|\+)?[\w-]*[_\d]/.test(speaker) || speaker === "agent" || speaker === "" ? "Agent" : speaker;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
