import { describe, expect, it } from "vitest";
import { hear, newCall, said, stateInWords, vanished } from "./call.ts";
import type { Call, Heard } from "./call.ts";

let id = 0;

function heard(kind: string, data: Readonly<Record<string, unknown>> = {}): Heard {
  id += 1;
  return { id, at: id * 1_000_000, kind, data };
}

function after(...events: readonly Heard[]): Call {
  return events.reduce(hear, newCall("CA1", "Maria", "+4915100000", "+49800", 0));
}

describe("a call", () => {
  it("goes from ringing over the menu and the line to an agent and its end", () => {
    let call = after(heard("state", { status: "ringing" }));
    expect(stateInWords(call)).toBe("Ringing…");
    const say = (...events: Heard[]): string => {
      call = events.reduce(hear, call);
      return stateInWords(call);
    };
    expect(say(heard("state", { status: "in-progress" }), heard("listening", { digits: 1 }))).toBe("Connected, the desk is speaking");
    expect(call.listening).toBe(true);
    say(heard("words", { text: "Press 1.", language: "en-US" }), heard("digits", { digits: "1", taken: true }));
    expect(call.listening).toBe(false);
    expect(say(heard("music", { url: "x", seconds: 20 }))).toBe("Waiting, with music");
    expect(say(heard("words", { text: "You are next." }))).toBe("Connected, the desk is speaking");
    expect(say(heard("conference", { joined: true, started: false }))).toBe("An agent is picking up…");
    expect(say(heard("conference", { joined: true, started: true }))).toBe("Talking with an agent");
    expect(say(heard("heard", { speaker: "agent", text: "Good morning" }))).toBe("Talking with an agent");
    expect(say(heard("hold", { on: true }))).toBe("On hold");
    expect(say(heard("hold", { on: false }))).toBe("Talking with an agent");
    expect(say(heard("conference", { joined: false }), heard("ended", { by: "desk" }))).toBe("Ended: the desk hung up");
    expect(call.captions.map(({ who, text }) => `${who}: ${text}`)).toEqual([
      "desk: Press 1.",
      "me: Pressed 1",
      "desk: You are next.",
      "sign: An agent is on the line",
      "agent: Good morning",
      "sign: You are on hold",
      "sign: Back from hold",
      "sign: Ended: the desk hung up",
    ]);
  });

  it("hears each event once, however often the stream begins anew", () => {
    const words = heard("words", { text: "Welcome." });
    const call = after(words, words, { ...words });
    expect(call.captions).toHaveLength(1);
    expect(call.captions[0]?.times).toBe(1);
  });

  it("counts words that are repeated while waiting", () => {
    const call = after(heard("words", { text: "Please wait." }), heard("music"), heard("words", { text: "Please wait." }));
    expect(call.captions.map(({ text, times }) => [text, times])).toEqual([["Please wait.", 2]]);
  });

  it("says when a key or a word came to nothing", () => {
    let call = after(heard("digits", { digits: "5", taken: false }));
    call = said(call, "me1", 99_000_000, "Hello?", "nobody heard it");
    expect(call.captions.map(({ remark }) => remark)).toEqual(["nobody was listening for keys", "nobody heard it"]);
  });

  it("keeps the order of time when own words are known before what was heard", () => {
    const first = heard("words", { text: "first" });
    let call = said(newCall("CA1", "Maria", null, "+49800", 0), "me1", first.at + 1, "second", null);
    call = hear(hear(call, first), heard("words", { text: "third" }));
    expect(call.captions.map(({ text }) => text)).toEqual(["first", "second", "third"]);
  });

  it("ends when the carrier has forgotten it, and stays as it ended", () => {
    const gone = vanished(after(heard("state", { status: "in-progress" })), 5_000_000);
    expect(stateInWords(gone)).toBe("Ended: the line broke");
    expect(vanished(gone, 9_000_000)).toBe(gone);
  });

  it("ignores kinds that it does not know, but remembers where it was", () => {
    const call = after(heard("fireworks"));
    expect(call.captions).toEqual([]);
    expect(call.position).toBe(id);
  });
});
