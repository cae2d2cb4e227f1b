/** The panel as a visitor uses it, over a socket that the test plays. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Panel } from "./panel.ts";
import { readConfig } from "./protocol.ts";
import type { Chat, ChatEntry, ChatStatus, Outcome } from "./protocol.ts";
import { ChatSession } from "./session.ts";
import type { Transport, TransportEvents } from "./session.ts";
import { ChatStore, memoryShelf } from "./store.ts";
import { CATALOGUE } from "./texts.ts";

const NEW: ChatStatus = { state: "new", agent_name: null, position: null, expected_wait_s: null, ticket_number: null };

/** Answers each request by hand. */
class PlayedSocket implements Transport {
  events: TransportEvents | null = null;
  readonly requests: { name: string; payload: Readonly<Record<string, unknown>>; answer: (outcome: Outcome) => void }[] = [];

  connect(_token: () => string | null, events: TransportEvents): void {
    this.events = events;
  }

  request(name: string, payload: Readonly<Record<string, unknown>>): Promise<Outcome> {
    return new Promise((answer) => {
      this.requests.push({ name, payload, answer });
    });
  }

  hurry(): void {
    this.events?.connected();
  }

  close(): void {
    this.events = null;
  }

  tell(chat: Partial<Chat>): void {
    this.events?.connected();
    this.events?.chat({ chat_id: "c", token: "t", status: NEW, entries: [], ...chat });
  }
}

let socket: PlayedSocket;
let session: ChatSession;
let panel: Panel;
let host: HTMLElement;
let shelf: ReturnType<typeof memoryShelf>;

function find(testId: string): HTMLElement {
  const found = host.shadowRoot?.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
  if (found === null || found === undefined) throw new Error(`no ${testId}`);
  return found;
}

function texts(testId: string): string[] {
  return [...(host.shadowRoot?.querySelectorAll(`[data-testid="${testId}"] .bubble`) ?? [])].map((one) => one.textContent);
}

function shown(testId: string): boolean {
  for (let one: Element | null = find(testId); one !== null; one = one.parentElement) {
    if (one instanceof HTMLElement && one.hidden) return false;
  }
  return true;
}

function type(text: string): void {
  const field = find("chat-text") as HTMLTextAreaElement;
  field.value = text;
  field.dispatchEvent(new Event("input"));
}

function press(key: string, more: KeyboardEventInit = {}): void {
  find("chat-text").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
}

function entry(seq: number, more: Partial<ChatEntry>): ChatEntry {
  return { id: `e${seq}`, seq, author: "agent", name: "Anna", text: "", at: Date.now() * 1000 + seq, key: null, ...more };
}

/** Lets promises settle. */
async function settled(): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve);
  });
}

function makePage(): void {
  const store = new ChatStore("demo", null, shelf, memoryShelf());
  let keys = 0;
  session = new ChatSession(socket, store, {
    now: () => Date.now(),
    after: () => () => undefined,
    newKey: () => `key-${(keys += 1)}`,
    page: "https://shop.example/",
    language: "en",
  });
  const setting = { texts: CATALOGUE.en, language: "en", brand: "Shop", greeting: null, name: "", mailbox: "" } as const;
  const config = readConfig({ topics: [{ id: "repair", name: "Repair" }], expected_wait_s: 100 });
  panel = new Panel(session, store, { ...setting, opened: () => undefined }, config);
  host = document.createElement("div");
  host.attachShadow({ mode: "open" }).append(panel.element);
  document.body.append(host);
  session.subscribe((state) => {
    panel.render(state);
  });
  panel.render(session.state);
}

beforeEach(() => {
  socket = new PlayedSocket();
  shelf = memoryShelf();
  makePage();
});

afterEach(() => {
  session.destroy();
  host.remove();
});

describe("the first message", () => {
  it("is one click and Enter away, and carries what was filled in", () => {
    find("chat-launcher").click();
    expect(shown("chat-panel")).toBe(true);
    expect(find("chat-status").textContent).toBe("We usually answer in 2 minutes");
    socket.tell({ chat_id: null });
    (find("chat-name") as HTMLInputElement).value = "Maria";
    find("chat-topic").click();
    type("Hello");
    press("Enter");
    expect(socket.requests).toHaveLength(1);
    expect(socket.requests[0]).toMatchObject({
      name: "open",
      payload: { text: "Hello", name: "Maria", topic: "repair", page: "https://shop.example/", language: "en" },
    });
    expect(socket.requests[0]?.payload).not.toHaveProperty("mailbox");
    expect(texts("chat-entry")).toEqual(["Hello"]);
    expect((find("chat-text") as HTMLTextAreaElement).value).toBe("");
  });

  it("does not leave with a mailbox that cannot be one, nor on Shift+Enter, nor while a word is composed", () => {
    find("chat-launcher").click();
    socket.tell({ chat_id: null });
    (find("chat-mailbox") as HTMLInputElement).value = "nonsense";
    type("Hello");
    press("Enter");
    expect(find("chat-mailbox").getAttribute("aria-invalid")).toBe("true");
    (find("chat-mailbox") as HTMLInputElement).value = "";
    press("Enter", { shiftKey: true });
    press("Enter", { isComposing: true });
    expect(socket.requests).toEqual([]);
    expect((find("chat-text") as HTMLTextAreaElement).value).toBe("Hello");
  });
});

describe("a conversation", () => {
  const own = entry(1, { author: "visitor", text: "Hello", key: "key-1" });
  const waiting: ChatStatus = { ...NEW, state: "waiting", position: 2, expected_wait_s: 120 };

  async function open(): Promise<void> {
    find("chat-launcher").click();
    socket.tell({ chat_id: null });
    type("Hello");
    press("Enter");
    const chat = { chat_id: "c", token: "t", status: waiting, entries: [own] };
    socket.requests[0]?.answer({ kind: "done", chat, entry: null });
    await settled();
  }

  it("shows the place in the line and who answers, without touching what is being written", async () => {
    await open();
    const element = find("chat-entry");
    expect(element.dataset["state"]).toBe("sent");
    type("half a sent");
    expect(find("chat-status").textContent).toBe("You are number 2 in line · about 2 minutes");
    socket.events?.status({ ...waiting, position: 1, expected_wait_s: 30 });
    expect(find("chat-status").textContent).toBe("You are next in line · about a minute");
    socket.events?.status({ ...NEW, state: "active", agent_name: "Anna" });
    socket.events?.entry(entry(2, { text: "<b>Hi</b>" }));
    expect(find("chat-status").textContent).toBe("Anna is here for you");
    expect(texts("chat-entry")).toEqual(["Hello", "<b>Hi</b>"]);
    expect((find("chat-text") as HTMLTextAreaElement).value).toBe("half a sent");
    expect(find("chat-entry")).toBe(element);
  });

  it("comes back after a reload, with what was not sent", async () => {
    await open();
    socket.events?.disconnected();
    type("written offline");
    press("Enter");
    session.destroy();
    host.remove();
    socket = new PlayedSocket();
    makePage();
    expect(session.hasPast).toBe(true);
    find("chat-launcher").click();
    expect(texts("chat-entry")).toEqual(["written offline"]);
    expect(find("chat-entry").dataset["state"]).toBe("unsent");
    socket.tell({ status: waiting, entries: [own] });
    expect(texts("chat-entry")).toEqual(["Hello", "written offline"]);
    expect(socket.requests.map(({ name }) => name)).toEqual(["say"]);
  });

  it("gives a refused text back with the server's words", async () => {
    await open();
    type("refused");
    press("Enter");
    type("written since");
    const refusal = { code: "validation", field: "text", message: "Too long: send it in parts." };
    socket.requests[1]?.answer({ kind: "refused", refusal });
    await settled();
    expect(find("chat-error").textContent).toBe("Too long: send it in parts.");
    expect((find("chat-text") as HTMLTextAreaElement).value).toBe("refused\nwritten since");
    expect(texts("chat-entry")).toEqual(["Hello"]);
  });

  it("counts what was not seen on the launcher, until it is opened", async () => {
    await open();
    press("Escape");
    expect(shown("chat-panel")).toBe(false);
    socket.events?.entry(entry(2, { text: "One" }));
    socket.events?.entry(entry(3, { text: "Two" }));
    expect(find("chat-unread").textContent).toBe("2");
    expect(find("chat-launcher").getAttribute("aria-label")).toBe("Open chat, 2 new messages");
    find("chat-launcher").click();
    expect(shown("chat-unread")).toBe(false);
  });

  it("ends after a question, and another can be begun", async () => {
    await open();
    find("chat-end").click();
    find("chat-end-cancel").click();
    expect(socket.requests).toHaveLength(1);
    find("chat-end").click();
    find("chat-end-confirm").click();
    expect(socket.requests[1]?.name).toBe("close");
    socket.events?.status({ ...NEW, state: "ended" });
    expect(find("chat-status").textContent).toBe("This conversation has ended");
    expect(shown("chat-text")).toBe(false);
    find("chat-new").click();
    expect(shown("chat-text")).toBe(true);
    expect(texts("chat-entry")).toEqual([]);
  });

  it("that nobody takes shows the ticket's number and what happens next", async () => {
    await open();
    socket.events?.status({ ...NEW, state: "offline", ticket_number: 10483 });
    expect(find("chat-status").textContent).toBe("Saved as ticket 10483");
    expect(find("chat-ticket").textContent).toBe("10483");
    expect(shown("chat-ticket")).toBe(true);
    expect(shown("chat-new")).toBe(true);
  });

  it("says that the chat is not available where the server does not want it", async () => {
    await open();
    socket.events?.refused("origin");
    expect(shown("chat-connection")).toBe(true);
    expect(find("chat-connection").textContent).toContain("not available");
  });
});

describe("an old conversation", () => {
  it("that has ended is not in the way of a new one", () => {
    find("chat-launcher").click();
    const yesterday = (Date.now() - 24 * 3_600_000) * 1000;
    socket.tell({ status: { ...NEW, state: "ended" }, entries: [entry(1, { text: "old", at: yesterday })] });
    expect(texts("chat-entry")).toEqual([]);
    expect(shown("chat-text")).toBe(true);
  });
});
