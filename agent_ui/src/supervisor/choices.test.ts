import { describe, expect, it } from "vitest";
import type { AgentBoardView, BoardView, LiveContactView } from "@/api/types.ts";
import { liveContact as contact } from "@/live/fixtures/samples.ts";
import { agentChoices, isLate, sameForUs } from "./choices.ts";

const agent = (id: string, change: Partial<AgentBoardView> = {}): AgentBoardView => ({
  id,
  name: id,
  status: "ready",
  reason: null,
  since: 1,
  interactions: 0,
  queues: [],
  version: 1,
  ...change,
});

describe("who can be given a contact", () => {
  it("is there and ready by their own word; who holds least comes first", () => {
    const agents = [
      agent("busy", { status: "busy", interactions: 2 }),
      agent("away", { status: "away", reason: "lunch" }),
      agent("lost", { status: "lost" }),
      agent("leaving", { status: "busy", reason: "lunch" }),
      agent("free"),
      agent("owner", { status: "busy", interactions: 1 }),
    ];
    expect(agentChoices(agents, contact({ agent_id: "owner" })).map(({ id }) => id)).toEqual(["free", "busy"]);
  });
});

describe("what changed meanwhile", () => {
  it("does not matter when only the version or the bell did", () => {
    expect(sameForUs(contact(), contact({ version: 9 }))).toBe(true);
    expect(sameForUs(contact(), contact({ state: "offered", rings_at: "a" }))).toBe(true);
  });

  it("matters when somebody took it, moved it or finished it", () => {
    expect(sameForUs(contact(), contact({ state: "active", agent_id: "a" }))).toBe(false);
    expect(sameForUs(contact(), contact({ queue_id: "sales" }))).toBe(false);
    expect(sameForUs(contact(), contact({ state: "ended" }))).toBe(false);
    expect(sameForUs(contact(), contact({ head_start_min: 5 }))).toBe(false);
  });
});

describe("who waits too long", () => {
  const board = { at: 100_000_000, queues: [{ id: "service", target_s: 20, message_target_s: 120 }] } as unknown as BoardView;
  const waitsFor = (seconds: number, change: Partial<LiveContactView> = {}) =>
    isLate(contact({ queued_at: board.at - seconds * 1_000_000, ...change }), board);

  it("is a call or chat by the target of calls, a mail or text by that of messages", () => {
    expect([waitsFor(20), waitsFor(21), waitsFor(21, { channel: "web_chat" })]).toEqual([false, true, true]);
    expect([waitsFor(90, { channel: "email" }), waitsFor(90, { channel: "sms" })]).toEqual([false, false]);
    expect([waitsFor(121, { channel: "email" }), waitsFor(121, { channel: "sms" })]).toEqual([true, true]);
  });

  it("is nobody who is served, or in a queue that has gone", () => {
    expect(waitsFor(500, { state: "active" })).toBe(false);
    expect(waitsFor(500, { queue_id: "closed" })).toBe(false);
  });
});
