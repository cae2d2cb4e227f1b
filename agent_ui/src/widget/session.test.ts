/**
 * The chat over a bad network: whatever is lost, doubled, delayed or reordered, and however often the page is left,
 * in the end the visitor and the server hold the same conversation, with each message once and in its writer's order.
 */
import { describe, expect, it } from "vitest";
import { readOutcome } from "./protocol.ts";
import type { Chat, ChatEntry, ChatStatus, Outcome } from "./protocol.ts";
import { ChatSession } from "./session.ts";
import type { Surroundings, Transport, TransportEvents } from "./session.ts";
import { ChatStore, memoryShelf } from "./store.ts";
import type { Shelf } from "./store.ts";

/** A seeded generator (mulberry32), so that a failure can be played again. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Virtual time: actions run in the order of their instants when time is moved. */
class Clock {
  now = 1_000_000;
  #actions: { at: number; run: () => void }[] = [];

  after(delay: number, run: () => void): () => void {
    const action = { at: this.now + delay, run };
    this.#actions.push(action);
    return () => {
      this.#actions = this.#actions.filter((other) => other !== action);
    };
  }

  /** Moves on by `duration` milliseconds; promises settle between the actions. */
  async pass(duration: number): Promise<void> {
    const end = this.now + duration;
    for (;;) {
      await settled();
      const [next] = this.#actions.filter(({ at }) => at <= end).sort((one, other) => one.at - other.at);
      if (next === undefined) break;
      this.#actions = this.#actions.filter((other) => other !== next);
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

const NEW: ChatStatus = { state: "new", agent_name: null, position: null, expected_wait_s: null, ticket_number: null };

/** The server as api.md describes it: one visitor, keys taken once, entries numbered without gaps. */
class Desk {
  entries: ChatEntry[] = [];
  status: ChatStatus = NEW;
  chatId: string | null = null;
  chats = 0;
  /** How many messages have been taken, over all conversations. */
  readonly taken: string[] = [];
  readonly pushes = new Set<(name: "entry" | "status", value: ChatEntry | ChatStatus) => void>();
  /** What to answer instead of doing it; once. */
  refuseNext: { code: string; field: string | null; message: string } | null = null;
  staffed = true;

  get chat(): Chat {
    return { chat_id: this.chatId, token: "visitor-1", status: this.status, entries: [...this.entries] };
  }

  handle(name: string, payload: Readonly<Record<string, unknown>>): unknown {
    if (this.refuseNext !== null) {
      const error = this.refuseNext;
      this.refuseNext = null;
      return { ok: false, error };
    }
    const key = String(payload["key"]);
    const text = String(payload["text"]);
    const going = this.status.state === "waiting" || this.status.state === "active";
    switch (name) {
      case "sync":
        return { ok: true, chat: this.chat };
      case "open":
        if (this.entries.every((entry) => entry.key !== key)) {
          if (!going) this.#begin();
          this.#write("visitor", text, key);
        }
        return { ok: true, chat: this.chat };
      case "say": {
        const known = this.entries.find((entry) => entry.key === key);
        if (known !== undefined) return { ok: true, entry: known };
        if (!going) return { ok: false, error: { code: "invalid_transition", field: null, message: "over" } };
        return { ok: true, entry: this.#write("visitor", text, key) };
      }
      case "close":
        this.end();
        return { ok: true };
      default:
        throw new Error(`unknown request ${name}`);
    }
  }

  agentWrites(text: string): void {
    this.#write("agent", text, null);
  }

  accept(): void {
    this.#set({ ...NEW, state: "active", agent_name: "Anna" });
  }

  moveUp(position: number): void {
    this.#set({ ...NEW, state: "waiting", position, expected_wait_s: position * 60 });
  }

  end(): void {
    this.#set({ ...NEW, state: "ended" });
  }

  #begin(): void {
    this.chats += 1;
    this.chatId = `chat-${this.chats}`;
    this.entries = [];
    this.#set(this.staffed ? { ...NEW, state: "waiting", position: 2 } : { ...NEW, state: "offline", ticket_number: 77 });
  }

  #write(author: "visitor" | "agent", text: string, key: string | null): ChatEntry {
    const seq = this.entries.length + 1;
    const entry = { id: `${this.chatId ?? ""}/${seq}`, seq, author, name: author, text, at: seq, key };
    this.entries = [...this.entries, entry];
    if (author === "visitor") this.taken.push(text);
    for (const push of this.pushes) push("entry", entry);
    return entry;
  }

  #set(status: ChatStatus): void {
    this.status = status;
    for (const push of this.pushes) push("status", status);
  }
}

/** How bad the network is: probabilities from 0 to 1. */
interface Weather {
  readonly loses: number;
  readonly doubles: number;
  /** Longest delay of a message in milliseconds; different delays change the order. */
  readonly delays: number;
}

const FAIR: Weather = { loses: 0, doubles: 0, delays: 0 };

/** A socket between one page and the desk, through a network. */
class Wire implements Transport {
  weather = FAIR;
  readonly #desk: Desk;
  readonly #clock: Clock;
  readonly #random: () => number;
  #events: TransportEvents | null = null;
  #online = false;
  #generation = 0;
  readonly #waiting = new Set<(outcome: Outcome) => void>();
  readonly #push = (name: "entry" | "status", value: ChatEntry | ChatStatus): void => {
    this.#down(() => {
      if (name === "entry") this.#events?.entry(value as ChatEntry);
      else this.#events?.status(value as ChatStatus);
    });
  };
  tokens: (string | null)[] = [];
  requests: string[] = [];
  #token: () => string | null = () => null;

  constructor(desk: Desk, clock: Clock, random: () => number) {
    this.#desk = desk;
    this.#clock = clock;
    this.#random = random;
  }

  connect(token: () => string | null, events: TransportEvents): void {
    this.#events = events;
    this.#token = token;
    this.plug();
  }

  request(name: string, payload: Readonly<Record<string, unknown>>): Promise<Outcome> {
    this.requests.push(name);
    if (!this.#online) return Promise.resolve({ kind: "lost", disconnected: true });
    return new Promise((resolve) => {
      const answer = (outcome: Outcome): void => {
        this.#waiting.delete(answer);
        resolve(outcome);
      };
      this.#waiting.add(answer);
      this.#clock.after(15_000, () => {
        answer({ kind: "lost", disconnected: false });
      });
      // The way there can lose it, double it or hold it up beyond the end of this connection; so can the way back.
      for (let copy = 0; copy < (this.#chance(this.weather.doubles) ? 2 : 1); copy += 1) {
        if (this.#chance(this.weather.loses)) continue;
        this.#clock.after(this.#delay(), () => {
          const reply = this.#desk.handle(name, payload);
          this.#down(() => {
            answer(readOutcome(reply));
          });
        });
      }
    });
  }

  hurry(): void {
    if (!this.#online) this.plug();
  }

  close(): void {
    this.unplug(false);
    this.#events = null;
  }

  /** The connection is made: the desk tells the whole conversation, then pushes. */
  plug(): void {
    if (this.#online || this.#events === null) return;
    this.#online = true;
    this.#generation += 1;
    this.tokens.push(this.#token());
    this.#events.connected();
    const { chat } = this.#desk;
    const generation = this.#generation;
    // Never lost: a connection whose first word does not come is no connection.
    this.#clock.after(this.#delay(), () => {
      if (generation === this.#generation && this.#online) this.#events?.chat(chat);
    });
    this.#desk.pushes.add(this.#push);
  }

  unplug(tell = true): void {
    if (!this.#online) return;
    this.#online = false;
    this.#desk.pushes.delete(this.#push);
    for (const answer of [...this.#waiting]) answer({ kind: "lost", disconnected: true });
    if (tell) this.#events?.disconnected();
  }

  refuse(reason: string): void {
    this.unplug(false);
    this.#events?.refused(reason);
  }

  /** From the desk to the page, if the same connection still stands by then. */
  #down(deliver: () => void): void {
    const generation = this.#generation;
    for (let copy = 0; copy < (this.#chance(this.weather.doubles) ? 2 : 1); copy += 1) {
      if (this.#chance(this.weather.loses)) continue;
      this.#clock.after(this.#delay(), () => {
        if (this.#online && this.#generation === generation) deliver();
      });
    }
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #delay(): number {
    return Math.floor(this.#random() * this.weather.delays);
  }
}

/** One visitor's browser: pages come and go, the storage stays. */
class Visitor {
  readonly clock = new Clock();
  readonly desk = new Desk();
  readonly shelf: Shelf = memoryShelf();
  readonly written: string[] = [];
  readonly random: () => number;
  #keys = 0;
  wire: Wire;
  session: ChatSession;

  constructor(seed = 1) {
    this.random = dice(seed);
    [this.wire, this.session] = this.#page();
  }

  get store(): ChatStore {
    return new ChatStore("demo", null, this.shelf, memoryShelf());
  }

  reload(): void {
    const { weather } = this.wire;
    this.session.destroy();
    [this.wire, this.session] = this.#page();
    this.wire.weather = weather;
    this.session.start();
  }

  write(text: string): void {
    this.written.push(text);
    this.session.send(text, {});
  }

  #page(): [Wire, ChatSession] {
    const wire = new Wire(this.desk, this.clock, this.random);
    const around: Surroundings = {
      now: () => this.clock.now,
      after: (delay, action) => this.clock.after(delay, action),
      newKey: () => `key-${(this.#keys += 1)}`,
      page: "https://shop.example/",
      language: "en",
    };
    return [wire, new ChatSession(wire, this.store, around)];
  }
}

function expectSameOnBothEnds({ session, desk, store }: Visitor): void {
  expect(session.state.entries).toEqual(desk.entries);
  expect(session.state.status).toEqual(desk.status);
  expect(session.state.outbox).toEqual([]);
  expect(store.unsent()).toEqual([]);
}

describe("a bad network", () => {
  const seeds = Array.from({ length: 60 }, (_, index) => index + 1);

  it.each(seeds)("leaves both ends with the same conversation (seed %i)", async (seed) => {
    const visitor = new Visitor(seed);
    const { clock, desk, random } = visitor;
    visitor.wire.weather = { loses: 0.15, doubles: 0.2, delays: 400 };
    visitor.session.start();
    visitor.write("the first");
    let agentWrote = 0;
    // 20 breaks in each of 60 runs: 1,200 in all.
    for (let step = 0, breaks = 0; breaks < 20; step += 1) {
      const what = random();
      if (what < 0.3) visitor.write(`visitor ${step}`);
      else if (what < 0.5 && desk.chatId !== null) desk.agentWrites(`agent ${(agentWrote += 1)}`);
      else if (what < 0.55 && desk.chatId !== null) desk.moveUp(1 + (step % 5));
      else if (what < 0.6 && desk.chatId !== null) desk.accept();
      else if (what < 0.75) {
        breaks += 1;
        visitor.wire.unplug();
        await clock.pass(Math.floor(random() * 2_000));
        if (random() < 0.3) visitor.reload();
        else visitor.wire.plug();
      }
      await clock.pass(Math.floor(random() * 300));
    }
    // The network recovers: one last connection, and all that is under way arrives.
    visitor.wire.unplug();
    visitor.wire.weather = FAIR;
    await clock.pass(500);
    visitor.wire.plug();
    await clock.pass(300_000);

    expectSameOnBothEnds(visitor);
    expect(desk.chats).toBe(1);
    expect(desk.entries.filter((entry) => entry.author === "visitor").map((entry) => entry.text)).toEqual(visitor.written);
    expect(desk.entries.filter((entry) => entry.author === "agent")).toHaveLength(agentWrote);
  });

  it("is survived without the end of a connection, when pushes are lost", async () => {
    const visitor = new Visitor(7);
    visitor.session.start();
    visitor.write("hello");
    await visitor.clock.pass(1_000);
    visitor.wire.weather = { loses: 1, doubles: 0, delays: 0 };
    visitor.desk.agentWrites("lost on the way");
    visitor.wire.weather = FAIR;
    visitor.desk.agentWrites("arrives, and shows the gap");
    await visitor.clock.pass(1_000);
    expectSameOnBothEnds(visitor);
    expect(visitor.session.state.entries).toHaveLength(3);
  });
});

describe("a conversation", () => {
  it("begins with the first message, goes on with the next, and comes back whole after a reload", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    await visitor.clock.pass(10);
    visitor.write("one");
    visitor.write("two");
    await visitor.clock.pass(1_000);
    visitor.desk.accept();
    visitor.desk.agentWrites("three");
    await visitor.clock.pass(1_000);
    expect(visitor.wire.requests).toEqual(["open", "say"]);
    const before = visitor.session.state;

    visitor.reload();
    await visitor.clock.pass(1_000);
    expect(visitor.session.state.entries).toEqual(before.entries);
    expect(visitor.session.state.status.agent_name).toBe("Anna");
    expect(visitor.wire.tokens).toEqual(["visitor-1"]);
    expect(visitor.wire.requests).toEqual([]);
  });

  it("keeps what was written without a connection over a reload, and sends it with the same key", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    await visitor.clock.pass(10);
    visitor.wire.unplug();
    visitor.write("written in a tunnel");
    const [before] = visitor.session.state.outbox;
    visitor.reload();
    expect(visitor.session.state.outbox[0]?.key).toBe(before?.key);
    await visitor.clock.pass(1_000);
    expect(visitor.desk.entries.map((entry) => [entry.text, entry.key])).toEqual([["written in a tunnel", before?.key]]);
    expectSameOnBothEnds(visitor);
  });

  it("does not believe a status that was pushed before an answer and is older than it", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    await visitor.clock.pass(10);
    visitor.wire.weather = { loses: 0, doubles: 0, delays: 200 };
    for (let round = 0; round < 30; round += 1) {
      visitor.write(`round ${round}`);
      visitor.desk.moveUp(30 - round);
      await visitor.clock.pass(100);
    }
    visitor.wire.weather = FAIR;
    visitor.desk.accept();
    await visitor.clock.pass(60_000);
    expectSameOnBothEnds(visitor);
  });

  it("can be ended and begun anew with the same token", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    visitor.write("first conversation");
    await visitor.clock.pass(100);
    visitor.session.end();
    await visitor.clock.pass(100);
    expect(visitor.session.state.status.state).toBe("ended");
    expect(visitor.session.state.closing).toBeNull();
    visitor.write("second conversation");
    await visitor.clock.pass(100);
    expect(visitor.desk.chats).toBe(2);
    expect(visitor.session.state.entries.map((entry) => entry.text)).toEqual(["second conversation"]);
  });

  it("ends only after what was written before has arrived", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    visitor.write("hello");
    await visitor.clock.pass(100);
    visitor.wire.unplug();
    visitor.write("and good-bye");
    visitor.session.end();
    visitor.wire.plug();
    await visitor.clock.pass(1_000);
    expect(visitor.wire.requests).toEqual(["open", "say", "close", "sync"]);
    expect(visitor.desk.taken).toEqual(["hello", "and good-bye"]);
    expect(visitor.session.state.status.state).toBe("ended");
  });

  it("becomes a ticket when nobody is there", async () => {
    const visitor = new Visitor();
    visitor.desk.staffed = false;
    visitor.session.start();
    visitor.write("anybody?");
    await visitor.clock.pass(100);
    expect(visitor.session.state.status).toMatchObject({ state: "offline", ticket_number: 77 });
    expectSameOnBothEnds(visitor);
    expect(visitor.session.hasPast).toBe(false);
  });
});

describe("a refusal", () => {
  it("of a message gives the text back with the reason, and the next one is sent", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    visitor.write("fine");
    await visitor.clock.pass(100);
    visitor.desk.refuseNext = { code: "validation", field: "text", message: "Too long." };
    visitor.session.send("refused", {});
    visitor.session.send("accepted", {});
    await visitor.clock.pass(100);
    expect(visitor.session.state.returned).toEqual({
      text: "refused",
      refusal: { code: "validation", field: "text", message: "Too long." },
      number: 1,
    });
    expect(visitor.desk.taken).toEqual(["fine", "accepted"]);
    expectSameOnBothEnds(visitor);
  });

  it("that passes is waited out, with the message kept", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    visitor.desk.refuseNext = { code: "rate_limited", field: null, message: "Slowly." };
    visitor.write("patience");
    await visitor.clock.pass(500);
    expect(visitor.session.state.outbox).toHaveLength(1);
    expect(visitor.session.state.returned).toBeNull();
    await visitor.clock.pass(2_000);
    expectSameOnBothEnds(visitor);
  });

  it("because the conversation is over gives the text back instead of beginning another", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    visitor.write("hello");
    await visitor.clock.pass(100);
    visitor.desk.refuseNext = { code: "invalid_transition", field: null, message: "over" };
    visitor.session.send("too late", {});
    await visitor.clock.pass(100);
    expect(visitor.session.state.returned).toMatchObject({ text: "too late", refusal: { code: "chat_ended" } });
    expect(visitor.desk.chats).toBe(1);
  });

  it("of the token makes a new visitor, with what is not sent yet", async () => {
    const visitor = new Visitor();
    visitor.store.token = "of-last-year";
    visitor.reload();
    expect(visitor.wire.tokens).toEqual(["of-last-year"]);
    visitor.session.send("still here", {});
    visitor.wire.refuse("unauthenticated");
    await visitor.clock.pass(1_000);
    expect(visitor.wire.tokens).toEqual(["of-last-year", null]);
    expect(visitor.desk.taken).toEqual(["still here"]);
    expect(visitor.store.token).toBe("visitor-1");
  });

  it("of the connection that time cures is tried again; another one is final", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    await visitor.clock.pass(10);
    visitor.wire.refuse("busy");
    expect(visitor.session.state.link).toBe("lost");
    await visitor.clock.pass(1_500);
    expect(visitor.session.state.link).toBe("online");
    visitor.wire.refuse("origin");
    await visitor.clock.pass(600_000);
    expect(visitor.session.state).toMatchObject({ link: "refused", refusedBecause: "origin" });
  });

  it("by a connection that breaks at each attempt to send a long text gives the text back", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    visitor.write("hello");
    await visitor.clock.pass(100);
    visitor.wire.weather = { loses: 1, doubles: 0, delays: 0 };
    visitor.session.send("x".repeat(10_000), {});
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await visitor.clock.pass(50);
      visitor.wire.unplug();
      await visitor.clock.pass(1);
      visitor.wire.plug();
    }
    await visitor.clock.pass(50);
    expect(visitor.session.state.returned?.refusal.code).toBe("too_large");
    visitor.wire.weather = FAIR;
    visitor.session.send("short", {});
    await visitor.clock.pass(60_000);
    expect(visitor.desk.taken).toEqual(["hello", "short"]);
  });
});

describe("another tab", () => {
  it("of the same browser is joined while there is no conversation here", async () => {
    const visitor = new Visitor();
    visitor.session.start();
    await visitor.clock.pass(10);
    visitor.session.adopt("from-the-other-tab");
    await visitor.clock.pass(10);
    expect(visitor.wire.tokens).toEqual([null, "from-the-other-tab"]);
    visitor.write("hello");
    await visitor.clock.pass(10);
    visitor.session.adopt("yet-another");
    await visitor.clock.pass(10);
    expect(visitor.wire.tokens).toHaveLength(2);
  });
});
