import { describe, expect, it } from "vitest";
import type { Chat, ChatEntry, ChatPhase, ChatStatus } from "./protocol.ts";
import { EMPTY, nextRequest, reduce } from "./state.ts";
import type { ChatEvent, ChatState, Outgoing } from "./state.ts";

function entry(seq: number, more: Partial<ChatEntry> = {}): ChatEntry {
  return { id: `e${seq}`, seq, author: "agent", name: "Anna", text: `text ${seq}`, at: seq, key: null, ...more };
}

function status(state: ChatPhase, more: Partial<ChatStatus> = {}): ChatStatus {
  return { state, agent_name: null, position: null, expected_wait_s: null, ticket_number: null, ...more };
}

function chat(entries: readonly ChatEntry[], phase: ChatPhase = "active", id = "chat-1"): Chat {
  return { chat_id: id, token: "t", status: status(phase), entries };
}

function item(key: string): Outgoing {
  return { key, text: key, at: 1, details: {}, breaks: 0 };
}

function after(...events: readonly ChatEvent[]): ChatState {
  return events.reduce(reduce, EMPTY);
}

const CONNECTED: ChatEvent = { type: "connected" };

describe("what is asked for next", () => {
  it("is nothing before the server has told what there is: a running conversation must not be opened again", () => {
    const waiting = after(CONNECTED, { type: "written", item: item("a") });
    expect(nextRequest(waiting)).toBeNull();
    expect(nextRequest(reduce(waiting, { type: "chat", chat: chat([entry(1)]) }))).toMatchObject({ kind: "say" });
    const nothing = { ...chat([], "new"), chat_id: null };
    expect(nextRequest(reduce(waiting, { type: "chat", chat: nothing }))).toMatchObject({ kind: "open" });
  });

  it("is the whole conversation when the server does not tell it by itself", () => {
    expect(nextRequest(after(CONNECTED, { type: "doubted" }))).toEqual({ kind: "sync" });
  });

  it("is one thing at a time", () => {
    const state = after(CONNECTED, { type: "chat", chat: chat([]) }, { type: "written", item: item("a") });
    const request = nextRequest(state);
    expect(request).not.toBeNull();
    if (request !== null) expect(nextRequest(reduce(state, { type: "asked", request }))).toBeNull();
  });

  it.each<ChatPhase>(["ended", "offline", "new"])("is a new conversation after %s", (phase) => {
    const state = after(CONNECTED, { type: "chat", chat: chat([entry(1)], phase) }, { type: "written", item: item("a") });
    expect(nextRequest(state)).toMatchObject({ kind: "open" });
  });
});

describe("entries", () => {
  const told: ChatEvent = { type: "chat", chat: chat([entry(1), entry(2)]) };

  it("that come twice are there once", () => {
    const state = after(CONNECTED, told, { type: "entry", entry: entry(3) }, { type: "entry", entry: entry(3) });
    expect(state.entries.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(state.needsSync).toBe(false);
  });

  it("are shown in order, and a gap is asked about", () => {
    const state = after(CONNECTED, told, { type: "entry", entry: entry(4) });
    expect(state.entries.map(({ seq }) => seq)).toEqual([1, 2, 4]);
    expect(nextRequest(state)).toEqual({ kind: "sync" });
  });

  it("of another conversation under a known number are asked about", () => {
    const state = after(CONNECTED, told, { type: "entry", entry: entry(1, { id: "other" }) });
    expect(state.entries[0]?.id).toBe("e1");
    expect(state.needsSync).toBe(true);
  });

  it("that overtook the whole conversation stay, and a gap before them is asked about", () => {
    const asked = after(CONNECTED, told, { type: "entry", entry: entry(5) });
    const request = { kind: "sync" } as const;
    const state = [
      { type: "asked", request },
      { type: "answered", request, outcome: { kind: "done", chat: chat([entry(1), entry(2), entry(3)]), entry: null } },
    ].reduce((before, event) => reduce(before, event as ChatEvent), asked);
    expect(state.entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 5]);
    expect(nextRequest(state)).toEqual({ kind: "sync" });
  });

  it("before the part of a long conversation that was told stay when they join it", () => {
    const long = after(CONNECTED, told, { type: "chat", chat: chat([entry(3), entry(4)]) });
    expect(long.entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    const torn = after(CONNECTED, told, { type: "chat", chat: chat([entry(5), entry(6)]) });
    expect(torn.entries.map(({ seq }) => seq)).toEqual([5, 6]);
  });

  it("of a new conversation replace those of the old one", () => {
    const state = after(CONNECTED, told, { type: "chat", chat: chat([entry(1, { id: "n1" })], "waiting", "chat-2") });
    expect(state.entries.map(({ id }) => id)).toEqual(["n1"]);
  });

  it("with our own key take the message out of what waits to be sent", () => {
    const own = entry(3, { author: "visitor", key: "mine" });
    const state = after(CONNECTED, told, { type: "written", item: item("mine") }, { type: "entry", entry: own });
    expect(state.outbox).toEqual([]);
  });
});

describe("a status that was pushed while an answer was under way", () => {
  const request = { kind: "sync" } as const;
  const before = after(CONNECTED, { type: "chat", chat: chat([], "waiting") }, { type: "asked", request });
  const active = status("active", { agent_name: "Anna" });

  it("stays, and is asked about once more", () => {
    const pushed = reduce(before, { type: "status", status: active });
    const state = reduce(pushed, { type: "answered", request, outcome: { kind: "done", chat: chat([], "waiting"), entry: null } });
    expect(state.status).toEqual(active);
    expect(nextRequest(state)).toEqual({ kind: "sync" });
  });

  it("needs no question when the answer says the same", () => {
    const pushed = reduce(before, { type: "status", status: active });
    const same = { ...chat([]), status: active };
    const state = reduce(pushed, { type: "answered", request, outcome: { kind: "done", chat: same, entry: null } });
    expect(nextRequest(state)).toBeNull();
  });
});
