/**
 * Runs one visitor's conversation: feeds the pure state with what the socket says, sends what it wants sent, and
 * keeps on disk what must outlive the page.
 */
import type { Chat, ChatEntry, ChatStatus, Details, Outcome } from "./protocol.ts";
import { EMPTY, isOpen, nextRequest, reduce } from "./state.ts";
import type { ChatEvent, ChatState, Request } from "./state.ts";
import type { ChatStore } from "./store.ts";

/** What the socket tells. */
export interface TransportEvents {
  connected(): void;
  /** Not connected any more, or an attempt failed; the transport tries again by itself. */
  disconnected(): void;
  /** The server does not want us; `reason` is its word. The transport does not try again by itself. */
  refused(reason: string): void;
  chat(chat: Chat): void;
  entry(entry: ChatEntry): void;
  status(status: ChatStatus): void;
}

/** The way to the server. A request is always answered: done, refused, or lost. */
export interface Transport {
  connect(token: () => string | null, events: TransportEvents): void;
  request(name: string, payload: Readonly<Record<string, unknown>>): Promise<Outcome>;
  /** Try now instead of after the pause that is running; no effect while connected. */
  hurry(): void;
  close(): void;
}

/** Clock, timer and random, so that tests own them. */
export interface Surroundings {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
  /** Runs `action` after `delay` milliseconds; gives back how to cancel it. */
  after(delay: number, action: () => void): () => void;
  newKey(): string;
  /** Where the visitor is; null when that is no address that others could visit. */
  page: string | null;
  language: string;
}

/** Milliseconds to wait for the conversation that the server tells after a connection is made. */
const GREETING_PATIENCE = 5_000;
/** Milliseconds to wait before trying again after a refusal that passes; doubled each time up to the longest. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

/** Refusals of a connection that another attempt can cure. */
const WORTH_ANOTHER_TRY = new Set(["busy", "rate_limited", "unavailable", "internal", "shutdown", "timeout"]);

export class ChatSession {
  #state: ChatState = EMPTY;
  readonly #transport: Transport;
  readonly #store: ChatStore;
  readonly #around: Surroundings;
  readonly #listeners = new Set<(state: ChatState) => void>();
  #started = false;
  #ended = false;
  #pause = FIRST_PAUSE;
  #cancelPause: (() => void) | null = null;
  #cancelGreeting: (() => void) | null = null;

  constructor(transport: Transport, store: ChatStore, around: Surroundings) {
    this.#transport = transport;
    this.#store = store;
    this.#around = around;
    this.#step({ type: "restored", token: store.token, outbox: store.unsent() });
  }

  get state(): ChatState {
    return this.#state;
  }

  /** Whether something of an earlier visit goes on: a conversation, or a message that was not sent. */
  get hasPast(): boolean {
    return (this.#state.token !== null && this.#store.live) || this.#state.outbox.length > 0;
  }

  subscribe(listener: (state: ChatState) => void): void {
    this.#listeners.add(listener);
  }

  /** Connects, once; later calls do nothing. */
  start(): void {
    if (this.#started || this.#ended) return;
    this.#started = true;
    this.#step({ type: "connecting" });
    this.#transport.connect(() => this.#state.token, {
      connected: () => {
        this.#whenConnected();
      },
      disconnected: () => {
        this.#step({ type: "disconnected" });
      },
      refused: (reason) => {
        this.#whenRefused(reason);
      },
      chat: (chat) => {
        this.#step({ type: "chat", chat });
      },
      entry: (entry) => {
        this.#step({ type: "entry", entry });
      },
      status: (status) => {
        this.#step({ type: "status", status });
      },
    });
  }

  /** Takes a message for sending. It is kept until the server has confirmed it, over reloads too. */
  send(text: string, details: Details): void {
    const newest = this.#state.outbox.at(-1)?.at ?? 0;
    // Strictly growing, because the order after a reload is read from it.
    const at = Math.max(this.#around.now(), newest + 1);
    const item = { key: this.#around.newKey(), text, at, details, breaks: 0 };
    this.#store.keep(item);
    this.#step({ type: "written", item });
    this.start();
  }

  /** Ends the conversation, as soon as what was written before has arrived. */
  end(): void {
    this.#step({ type: "closed", key: this.#around.newKey() });
  }

  /** The network or the person says that now is a good time to try. */
  hurry(): void {
    if (this.#state.link === "lost" || this.#state.link === "refused") this.#transport.hurry();
  }

  /** Another tab of this browser has begun a conversation: take part in it, unless there is one here already. */
  adopt(token: string): void {
    if (this.#state.chatId !== null || token === this.#state.token) return;
    this.#step({ type: "adopted", token });
    if (this.#started) this.#reconnect();
  }

  /** Leaves for good. What is kept on disk stays there. */
  destroy(): void {
    this.#ended = true;
    this.#cancelPause?.();
    this.#cancelGreeting?.();
    this.#listeners.clear();
    this.#transport.close();
  }

  #reconnect(): void {
    this.#transport.close();
    this.#started = false;
    this.start();
  }

  #whenConnected(): void {
    this.#pause = FIRST_PAUSE;
    this.#cancelPause?.();
    this.#cancelGreeting?.();
    this.#cancelGreeting = this.#around.after(GREETING_PATIENCE, () => {
      this.#step({ type: "doubted" });
    });
    this.#step({ type: "connected" });
  }

  #whenRefused(reason: string): void {
    if (reason === "unauthenticated" && this.#state.token !== null) {
      // The server does not know this visitor any more: begin anew, with what is not sent yet.
      this.#step({ type: "forgotten" });
      this.#transport.hurry();
    } else if (WORTH_ANOTHER_TRY.has(reason)) {
      this.#step({ type: "disconnected" });
      this.#afterPause(() => {
        this.#transport.hurry();
      });
    } else {
      this.#step({ type: "refused", reason });
    }
  }

  #step(event: ChatEvent): void {
    if (this.#ended) return;
    const before = this.#state;
    this.#state = reduce(before, event);
    this.#save(before, this.#state);
    for (const listener of this.#listeners) listener(this.#state);
    this.#pump();
  }

  #save(before: ChatState, after: ChatState): void {
    // A token that the server has refused stays until there is another: one write less, and nobody else reads it.
    if (after.token !== null && after.token !== this.#store.token) this.#store.token = after.token;
    if (after.synced && (!before.synced || isOpen(after) !== isOpen(before))) this.#store.live = isOpen(after);
    if (after.outbox === before.outbox) return;
    const kept = new Set(after.outbox.map((item) => item.key));
    for (const item of before.outbox) if (!kept.has(item.key)) this.#store.drop(item.key);
  }

  #pump(): void {
    const request = nextRequest(this.#state);
    if (request === null) return;
    this.#state = reduce(this.#state, { type: "asked", request });
    void this.#ask(request);
  }

  async #ask(request: Request): Promise<void> {
    const outcome = await this.#transport.request(request.kind, this.#payload(request));
    // After a new connection the old one's request is nobody's any more.
    if (this.#state.inFlight !== request) return;
    this.#step({ type: "answered", request, outcome });
    if (this.#state.held) {
      this.#afterPause(() => {
        this.#step({ type: "resumed" });
      });
    } else if (outcome.kind === "done") {
      this.#pause = FIRST_PAUSE;
    }
  }

  #payload(request: Request): Readonly<Record<string, unknown>> {
    switch (request.kind) {
      case "sync":
        return {};
      case "close":
        return { key: request.key };
      case "say":
        return { key: request.item.key, text: request.item.text };
      case "open": {
        const { key, text, details } = request.item;
        const { page, language } = this.#around;
        return { key, text, ...details, ...(page === null ? {} : { page }), language };
      }
    }
  }

  #afterPause(action: () => void): void {
    this.#cancelPause?.();
    this.#cancelPause = this.#around.after(this.#pause, action);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }
}
