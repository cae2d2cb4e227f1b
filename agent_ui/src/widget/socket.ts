/** The chat's socket: Socket.IO on the desk's origin, path /chat, WebSocket only, no cookie. */
import { io } from "socket.io-client";
import type { Socket } from "socket.io-client";
import { readChat, readEntry, readOutcome, readStatus } from "./protocol.ts";
import type { Outcome } from "./protocol.ts";
import type { Transport, TransportEvents } from "./session.ts";

/** Milliseconds to wait for an acknowledgement. */
const ANSWER_PATIENCE = 15_000;
/** Milliseconds before we come back to a server that has closed the connection, for example to restart. */
const RETURN_PAUSE = 1_000;

export class ChatSocket implements Transport {
  readonly #origin: string;
  readonly #widget: string;
  #socket: Socket | null = null;
  #returning: ReturnType<typeof setTimeout> | undefined;
  /** How to answer the request that is under way when the connection breaks. */
  readonly #waiting = new Set<(outcome: Outcome) => void>();

  constructor(origin: string, widget: string) {
    this.#origin = origin;
    this.#widget = widget;
  }

  connect(token: () => string | null, events: TransportEvents): void {
    const socket = io(this.#origin, {
      path: "/chat",
      transports: ["websocket"],
      forceNew: true,
      withCredentials: false,
      reconnectionDelay: 500,
      reconnectionDelayMax: 8_000,
      randomizationFactor: 0.5,
      auth: (answer) => {
        const visitor = token();
        answer({ widget: this.#widget, ...(visitor === null ? {} : { token: visitor }) });
      },
    });
    this.#socket = socket;
    socket.on("connect", () => {
      events.connected();
    });
    socket.on("disconnect", (reason) => {
      this.#loseRequests();
      events.disconnected();
      // After a close by the server's own will the library stays away; a restarting server wants us back.
      if (reason === "io server disconnect") this.#returnLater(socket);
    });
    socket.on("connect_error", (error) => {
      if (socket.active) events.disconnected();
      else events.refused(error.message);
    });
    socket.on("chat", (value) => {
      give(readChat(value), (chat) => {
        events.chat(chat);
      });
    });
    socket.on("entry", (value) => {
      give(readEntry(value), (entry) => {
        events.entry(entry);
      });
    });
    socket.on("status", (value) => {
      give(readStatus(value), (status) => {
        events.status(status);
      });
    });
  }

  request(name: string, payload: Readonly<Record<string, unknown>>): Promise<Outcome> {
    const socket = this.#socket;
    if (socket?.connected !== true) return Promise.resolve({ kind: "lost", disconnected: true });
    return new Promise((resolve) => {
      const answer = (outcome: Outcome): void => {
        this.#waiting.delete(answer);
        resolve(outcome);
      };
      this.#waiting.add(answer);
      socket.timeout(ANSWER_PATIENCE).emit(name, payload, (late: Error | null, value: unknown) => {
        answer(late === null ? readOutcome(value) : { kind: "lost", disconnected: !socket.connected });
      });
    });
  }

  hurry(): void {
    const socket = this.#socket;
    if (socket === null || socket.connected) return;
    // The library's own pause cannot be cut short from outside: start it anew.
    socket.disconnect();
    socket.connect();
  }

  close(): void {
    clearTimeout(this.#returning);
    const socket = this.#socket;
    this.#socket = null;
    socket?.removeAllListeners();
    socket?.disconnect();
    this.#loseRequests();
  }

  #returnLater(socket: Socket): void {
    clearTimeout(this.#returning);
    this.#returning = setTimeout(() => {
      if (this.#socket === socket) socket.connect();
    }, RETURN_PAUSE);
  }

  #loseRequests(): void {
    for (const answer of [...this.#waiting]) answer({ kind: "lost", disconnected: true });
  }
}

function give<Value>(value: Value | null, to: (value: Value) => void): void {
  if (value !== null) to(value);
}
