import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LIVE_SCHEMA, type SnapshotView } from "@/api/types.ts";
import { frame, snapshot } from "./fixtures/samples.ts";
import { Sync, type Connection, type StopReason } from "./sync.ts";

type Listener = (...given: unknown[]) => void;
type Auth = (send: (auth: Record<string, unknown>) => void) => void;

/** Stands in for the network: what the real Socket.IO client would say is said by the test. */
class Wire {
  connected = false;
  connects = 0;
  asked: [string, unknown][] = [];
  answers = new Map<string, unknown>();
  auth: Auth = () => undefined;
  private readonly listeners = new Map<string, Listener>();

  on(event: string, listener: Listener): void {
    this.listeners.set(event, listener);
  }

  connect(): void {
    this.connects += 1;
  }

  disconnect(): void {
    this.connected = false;
  }

  emit(event: string, body: unknown): void {
    this.asked.push([event, body]);
  }

  timeout() {
    return {
      emitWithAck: (event: string, body: unknown) => {
        this.asked.push([event, body]);
        const answer = this.answers.get(event);
        return answer === undefined ? Promise.reject(new Error("timeout")) : Promise.resolve(answer);
      },
    };
  }

  open(): void {
    this.connected = true;
    this.hear("connect");
  }

  close(): void {
    this.connected = false;
    this.hear("disconnect");
  }

  hear(event: string, ...given: unknown[]): void {
    this.listeners.get(event)?.(...given);
  }

  handshake(): Record<string, unknown> {
    let said: Record<string, unknown> = {};
    this.auth((auth) => {
      said = auth;
    });
    return said;
  }
}

let wire: Wire;
vi.mock("socket.io-client", () => ({
  io: (options: { auth: Auth }) => {
    wire.auth = options.auth;
    return wire;
  },
}));

describe("the connection", () => {
  let connections: Connection[];
  let stops: StopReason[];
  let states: SnapshotView[];
  let sync: Sync;

  beforeEach(() => {
    vi.useFakeTimers();
    wire = new Wire();
    connections = [];
    stops = [];
    states = [];
    sync = new Sync({
      onState: (state) => states.push(state),
      onFloor: () => undefined,
      onAlerts: () => undefined,
      onBoard: () => undefined,
      onConnection: (connection) => connections.push(connection),
      onStopped: (reason) => stops.push(reason),
    });
    sync.start();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is online only when the first picture is there", () => {
    wire.open();
    expect(connections).toEqual(["connecting"]);
    wire.hear("snapshot", snapshot());
    expect(connections).toEqual(["connecting", "online"]);
  });

  it("comes back by itself and says where it was", () => {
    expect(wire.handshake()).toEqual({ schema: LIVE_SCHEMA });
    wire.open();
    wire.hear("snapshot", snapshot({ position: 42 }));
    wire.close();
    expect(connections.at(-1)).toBe("offline");
    vi.advanceTimersByTime(2_000);
    expect(wire.connects).toBe(2);
    expect(wire.handshake()).toEqual({ schema: LIVE_SCHEMA, position: 42 });
    wire.hear("connect_error", new Error("websocket error"));
    vi.advanceTimersByTime(4_000);
    expect(wire.connects).toBe(3);
    wire.open();
    wire.hear("frame", frame({ prev: 42, position: 42 }));
    expect(connections.at(-1)).toBe("online");
  });

  it("waits longer from try to try", () => {
    for (let turn = 0; turn < 6; turn += 1) {
      wire.hear("connect_error", new Error("busy"));
      vi.advanceTimersByTime(10_000);
    }
    wire.hear("connect_error", new Error("busy"));
    const { connects } = wire;
    vi.advanceTimersByTime(900);
    expect(wire.connects).toBe(connects);
    vi.advanceTimersByTime(9_100);
    expect(wire.connects).toBe(connects + 1);
  });

  it("does not wait when the network says that it is back", () => {
    wire.close();
    sync.hurry();
    expect(wire.connects).toBe(2);
  });

  it.each([
    ["unauthenticated", "signed_out"],
    ["schema", "schema"],
    ["origin", "origin"],
  ] as const)("stops for good when it is refused: %s", (message, reason) => {
    wire.hear("connect_error", new Error(message));
    vi.advanceTimersByTime(60_000);
    expect(stops).toEqual([reason]);
    expect(connections.at(-1)).toBe("stopped");
    expect(wire.connects).toBe(1);
  });

  it.each([
    ["revoked", ["signed_out"]],
    ["signed_out", ["signed_out"]],
    ["replaced", ["replaced"]],
  ])("obeys a farewell: %s", (reason, expected) => {
    wire.open();
    wire.hear("bye", { reason });
    wire.close();
    vi.advanceTimersByTime(60_000);
    expect(stops).toEqual(expected);
    expect(wire.connects).toBe(1);
  });

  it("comes back after a shutdown", () => {
    wire.open();
    wire.hear("bye", { reason: "shutdown" });
    wire.close();
    vi.advanceTimersByTime(2_000);
    expect([stops, wire.connects]).toEqual([[], 2]);
  });

  it("asks for what it missed, again if there was no answer, and marks the time between", async () => {
    wire.open();
    wire.hear("snapshot", snapshot());
    wire.answers.set("replay", {});
    wire.hear("frame", frame({ prev: 12, position: 13 }));
    expect(connections.at(-1)).toBe("catching_up");
    await vi.advanceTimersByTimeAsync(0);
    wire.answers.set("replay", { frame: frame({ prev: 10, position: 13 }) });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(wire.asked.filter(([event]) => event === "replay")).toEqual([
      ["replay", { after: 10 }],
      ["replay", { after: 10 }],
    ]);
    expect(states.at(-1)?.position).toBe(13);
    expect(connections.at(-1)).toBe("online");
  });
});
