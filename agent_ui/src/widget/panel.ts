/** The launcher and the panel: puts the parts together and shows a state in them. */
import { Composer, DetailsForm } from "./composer.ts";
import { h, icon, setAttribute, setText } from "./dom.ts";
import { EntryList } from "./entries.ts";
import type { Details, Refusal, WidgetConfig } from "./protocol.ts";
import type { ChatSession } from "./session.ts";
import { isOpen } from "./state.ts";
import type { ChatState } from "./state.ts";
import type { ChatStore } from "./store.ts";
import { statusInWords } from "./texts.ts";
import type { Language, Texts } from "./texts.ts";

/** What the panel is made with. */
export interface Setting {
  readonly texts: Texts;
  readonly language: Language;
  /** The host page's own words, before the server's. */
  readonly brand: string | null;
  readonly greeting: string | null;
  readonly name: string;
  readonly mailbox: string;
  /** Called when the visitor opens the panel. */
  readonly opened: () => void;
}

/** Milliseconds that a connection may be away before we say so: most come back sooner. */
const LOST_SIGN_DELAY = 1_500;

/** Milliseconds after which an ended conversation is not shown to a visitor who comes back. */
const OLD = 12 * 3_600_000;

const CHAT_ICON = ["M21 11.5a8.4 8.4 0 0 1-8.5 8.3 8.7 8.7 0 0 1-3.8-.9L3 20.5l1.7-5.3a8 8 0 0 1-.7-3.7 8.4 8.4 0 0 1 8.5-8.3 8.4 8.4 0 0 1 8.5 8.3Z"];
const DOWN_ICON = ["m6 9 6 6 6-6"];
const CLOSE_ICON = ["M6 6l12 12", "M18 6 6 18"];

export class Panel {
  /** Everything that is seen, for the shadow root. */
  readonly element: HTMLElement;
  readonly #setting: Setting;
  #config: WidgetConfig;
  readonly #texts: Texts;
  readonly #session: ChatSession;
  readonly #store: ChatStore;
  readonly #list: EntryList;
  readonly #form: DetailsForm;
  readonly #composer: Composer;

  readonly #panel: HTMLElement;
  readonly #launcher: HTMLButtonElement;
  readonly #badge: HTMLElement;
  readonly #status: HTMLElement;
  readonly #statusText: HTMLElement;
  readonly #lostStrip: HTMLElement;
  readonly #lostText: HTMLElement;
  readonly #brand: HTMLElement;
  readonly #greeting: HTMLElement;
  readonly #welcome: HTMLElement;
  readonly #saved: HTMLElement;
  readonly #ticket: HTMLElement;
  readonly #end: HTMLButtonElement;
  readonly #endQuestion: HTMLElement;
  readonly #again: HTMLElement;
  readonly #spoken: HTMLElement;

  #open = false;
  /** Last entry of the conversation that the visitor has left for a new one, which has not begun yet. */
  #leftAt: string | null = null;
  /** Whether it has been decided if the conversation of an earlier visit is still of interest. */
  #judged = false;
  #asksEnd = false;
  #shownReturn = 0;
  #lostSince: ReturnType<typeof setTimeout> | null = null;
  #showsLost = false;

  constructor(session: ChatSession, store: ChatStore, setting: Setting, config: WidgetConfig) {
    this.#session = session;
    this.#store = store;
    this.#setting = setting;
    const texts = (this.#texts = setting.texts);

    this.#form = new DetailsForm(texts, setting);
    this.#brand = h("h2", { id: "brand", dir: "auto" });
    this.#greeting = h("p", { class: "greeting", dir: "auto" });
    this.#welcome = h("div", { class: "welcome" }, this.#greeting, this.#form.element);
    this.#ticket = h("strong", { class: "ticket", "data-testid": "chat-ticket" });
    this.#saved = h(
      "div",
      { class: "saved", hidden: true },
      h("p", { class: "saved-title" }, icon("M20 6 9 17l-5-5"), texts.offlineTitle),
      h("p", {}, texts.offlineNext),
      h("p", { class: "keep" }, texts.offlineKeep, " ", this.#ticket),
    );
    this.#list = new EntryList(texts, setting.language, this.#welcome, this.#saved);
    this.#composer = new Composer(
      texts,
      store.draft,
      (text) => this.#submit(text),
      (draft) => {
        store.draft = draft;
      },
    );

    this.#statusText = h("span");
    this.#status = h("p", { class: "status", role: "status", "data-testid": "chat-status" }, h("span", { class: "lamp", "aria-hidden": "true" }), this.#statusText);
    this.#lostText = h("span");
    this.#lostStrip = h("div", { class: "lost", role: "status", "data-testid": "chat-connection", hidden: true }, this.#lostText, this.#button(texts.retry, "quiet", null, () => { session.hurry(); }));
    this.#end = this.#button(texts.end, "head-button", "chat-end", () => {
      this.#askEnd(true);
    });
    this.#endQuestion = this.#makeEndQuestion();
    this.#again = h("div", { class: "again", hidden: true }, this.#button(texts.startNew, "solid", "chat-new", () => { this.#startAnew(); }));
    this.#spoken = h("div", { class: "unseen", "aria-live": "polite", "aria-atomic": "true" });
    this.#badge = h("span", { class: "badge", "data-testid": "chat-unread", "aria-hidden": "true", hidden: true });
    this.#launcher = this.#makeLauncher();
    this.#panel = this.#makePanel();
    this.element = h("div", { class: "root", lang: setting.language, dir: "ltr" }, this.#panel, this.#launcher, this.#spoken);
    this.#panel.addEventListener("keydown", (event) => {
      this.#whenKey(event);
    });
    this.#config = config;
    this.useConfig(config);
  }

  /** Shows what the server says about the widget; again when it says something newer. */
  useConfig(config: WidgetConfig): void {
    this.#config = config;
    this.#form.topics = config.topics;
    setText(this.#brand, this.#setting.brand ?? (config.brand === "" ? this.#texts.conversation : config.brand));
    setText(this.#greeting, this.#setting.greeting ?? config.greeting ?? this.#texts.greeting);
    this.render(this.#session.state);
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Whether the open panel takes the whole screen; as in widget.css. */
  get coversPage(): boolean {
    return window.matchMedia("(max-width: 480px)").matches;
  }

  /** Opens the panel. `focus` is false when it is only as it was before a reload: the page has the focus then. */
  open(focus: boolean): void {
    this.#open = true;
    this.#store.open = true;
    this.#session.start();
    this.#setting.opened();
    setAttribute(this.#panel, "aria-modal", this.coversPage ? "true" : null);
    this.render(this.#session.state);
    this.#composer.fit();
    this.#list.toEnd();
    if (!focus) return;
    // On a phone the keyboard would cover the greeting before it is read.
    if (this.coversPage || this.#composer.element.hidden) this.#panel.focus();
    else this.#composer.focus();
  }

  close(): void {
    const within = this.#panel.contains((this.#panel.getRootNode() as ShadowRoot).activeElement);
    this.#open = false;
    this.#store.open = false;
    this.render(this.#session.state);
    if (within) this.#launcher.focus();
  }

  /** Shows the state. Cheap when nothing has changed. */
  render(state: ChatState): void {
    this.#takeBack(state);
    if (isOpen(state) || state.entries.at(-1)?.id !== this.#leftAt) this.#leftAt = null;
    this.#leaveOldBehind(state);
    this.#panel.hidden = !this.#open;
    setAttribute(this.element, "data-open", this.#open ? "" : null);
    this.#renderStatus(state);
    this.#renderLost(state);
    this.#renderParts(state);
    const entries = this.#anew ? [] : state.entries;
    this.#list.render(entries, state.outbox, state.link === "online");
    if (state.synced) this.#list.readAloud();
    this.#renderUnread(state);
  }

  /** Who comes back after a long time has something new to say: what was said then must not be in the way. */
  #leaveOldBehind(state: ChatState): void {
    if (!state.synced || this.#judged) return;
    this.#judged = true;
    const last = state.entries.at(-1);
    if (last !== undefined && isOver(state) && Date.now() - last.at / 1000 > OLD) this.#leftAt = last.id;
  }

  #renderStatus(state: ChatState): void {
    const config = this.#config;
    const shown = this.#anew ? { ...state.status, state: "new" as const } : state.status;
    setText(this.#statusText, statusInWords(this.#texts, shown, { staffed: config.staffed, wait: config.expected_wait_s }));
    setAttribute(this.#status, "data-state", shown.state === "new" && !config.staffed ? "nobody" : shown.state);
  }

  #renderParts(state: ChatState): void {
    const over = isOver(state) && !this.#anew && state.outbox.length === 0;
    const before = !isOpen(state) && !over && state.outbox.length === 0;
    const chatting = isOpen(state);
    this.#welcome.hidden = !before;
    this.#saved.hidden = this.#anew || state.status.state !== "offline" || state.outbox.length > 0;
    setText(this.#ticket, state.status.ticket_number === null ? "" : String(state.status.ticket_number));
    setAttribute(this.#ticket.parentElement ?? this.#ticket, "class", state.status.ticket_number === null ? "unseen" : "keep");
    this.#again.hidden = !over;
    if (!chatting) this.#asksEnd = false;
    this.#end.hidden = !chatting || this.#asksEnd;
    setText(this.#end, state.closing === null ? this.#texts.end : this.#texts.ending);
    setAttribute(this.#end, "aria-disabled", state.closing === null ? null : "true");
    this.#endQuestion.hidden = !this.#asksEnd;
    this.#composer.element.hidden = over || this.#asksEnd;
  }

  #renderLost(state: ChatState): void {
    if (state.link === "refused") {
      this.#stopLostDelay();
      this.#showsLost = true;
      setText(this.#lostText, state.refusedBecause === "schema" ? this.#texts.outdated : this.#texts.unavailable);
    } else if (state.link === "lost") {
      setText(this.#lostText, this.#texts.lost);
      if (!this.#showsLost) this.#startLostDelay();
    } else {
      this.#stopLostDelay();
      // While the first attempt runs nothing is wrong yet.
      this.#showsLost = false;
    }
    this.#lostStrip.hidden = !this.#showsLost;
    setAttribute(this.#panel, "data-link", state.link);
  }

  #startLostDelay(): void {
    this.#lostSince ??= setTimeout(() => {
      this.#showsLost = true;
      this.#lostStrip.hidden = false;
    }, LOST_SIGN_DELAY);
  }

  #stopLostDelay(): void {
    if (this.#lostSince !== null) clearTimeout(this.#lostSince);
    this.#lostSince = null;
  }

  /** A message that the server did not take is in the field again, with the reason beside it. */
  #takeBack(state: ChatState): void {
    const { returned } = state;
    if (returned === null || returned.number === this.#shownReturn) return;
    this.#shownReturn = returned.number;
    const reason = refusalInWords(this.#texts, returned.refusal);
    this.#composer.giveBack(returned.text, this.#form.fault(returned.refusal.field, reason) ? "" : reason);
  }

  #renderUnread(state: ChatState): void {
    const last = state.entries.at(-1)?.seq ?? 0;
    if (state.synced && state.chatId !== null && this.#open && document.visibilityState === "visible") {
      const { seen } = this.#store;
      if (seen?.chat !== state.chatId || seen.seq < last) this.#store.seen = { chat: state.chatId, seq: last };
    }
    const { seen } = this.#store;
    const since = seen !== null && seen.chat === state.chatId ? seen.seq : 0;
    const unread = this.#open ? 0 : state.entries.filter((entry) => entry.author === "agent" && entry.seq > since).length;
    this.#badge.hidden = unread === 0;
    setText(this.#badge, unread > 99 ? "99+" : String(unread));
    // The list reads out what comes while it is seen; a closed panel cannot.
    setText(this.#spoken, unread === 0 ? "" : this.#texts.unread(unread));
    const words = this.#open ? this.#texts.closeChat : this.#texts.openChat;
    setAttribute(this.#launcher, "aria-label", unread === 0 ? words : `${words}, ${this.#texts.unread(unread)}`);
    setAttribute(this.#launcher, "aria-expanded", String(this.#open));
  }

  /** Whether the visitor is about to begin anew: the old conversation is not shown any more. */
  get #anew(): boolean {
    return this.#leftAt !== null;
  }

  #submit(text: string): boolean {
    const opens = !isOpen(this.#session.state);
    if (opens && !this.#form.check()) return false;
    const details: Details = opens ? this.#form.details : {};
    this.#session.send(text, details);
    return true;
  }

  #startAnew(): void {
    this.#leftAt = this.#session.state.entries.at(-1)?.id ?? null;
    this.render(this.#session.state);
    this.#composer.fit();
    this.#composer.focus();
  }

  #askEnd(asks: boolean): void {
    if (this.#session.state.closing !== null) return;
    this.#asksEnd = asks;
    this.render(this.#session.state);
    if (asks) this.#endQuestion.querySelector("button")?.focus();
    else this.#composer.focus();
  }

  #whenKey(event: KeyboardEvent): void {
    if (event.key === "Escape" && !event.isComposing) {
      event.stopPropagation();
      if (this.#asksEnd) this.#askEnd(false);
      else this.close();
    } else if (event.key === "Tab" && this.coversPage) {
      this.#keepFocusWithin(event);
    }
  }

  /** On a phone the panel covers the page: what is behind it must not get the focus. */
  #keepFocusWithin(event: KeyboardEvent): void {
    const stops = [...this.#panel.querySelectorAll<HTMLElement>("button, textarea, input, a[href], [tabindex='0']")].filter(
      (stop) => stop.checkVisibility(),
    );
    const active = (this.#panel.getRootNode() as ShadowRoot).activeElement;
    const [edge, other] = event.shiftKey ? [stops.at(0), stops.at(-1)] : [stops.at(-1), stops.at(0)];
    if (active !== edge && !(event.shiftKey && active === this.#panel)) return;
    event.preventDefault();
    other?.focus();
  }

  #makeLauncher(): HTMLButtonElement {
    const launcher = h(
      "button",
      { type: "button", class: "launcher", "data-testid": "chat-launcher", "aria-controls": "panel", "aria-expanded": "false" },
      icon(...CHAT_ICON),
      icon(...CLOSE_ICON),
      this.#badge,
    );
    launcher.addEventListener("click", () => {
      if (this.#open) this.close();
      else this.open(true);
    });
    return launcher;
  }

  #makePanel(): HTMLElement {
    const minimise = this.#button("", "head-button square", "chat-close", () => {
      this.close();
    });
    minimise.append(icon(...DOWN_ICON));
    minimise.setAttribute("aria-label", this.#texts.closeChat);
    minimise.title = this.#texts.closeChat;
    return h(
      "section",
      { class: "panel", id: "panel", role: "dialog", "aria-labelledby": "brand", tabindex: "-1", "data-testid": "chat-panel", hidden: true },
      h("header", { class: "head" }, this.#brand, this.#end, minimise),
      this.#status,
      this.#lostStrip,
      this.#list.element,
      this.#endQuestion,
      this.#composer.element,
      this.#again,
    );
  }

  #makeEndQuestion(): HTMLElement {
    const yes = this.#button(this.#texts.endYes, "solid", "chat-end-confirm", () => {
      this.#asksEnd = false;
      this.#session.end();
      this.#panel.focus();
    });
    const no = this.#button(this.#texts.endNo, "quiet", "chat-end-cancel", () => {
      this.#askEnd(false);
    });
    return h("div", { class: "question", role: "group", "aria-labelledby": "end-question", hidden: true }, h("p", { id: "end-question" }, this.#texts.endQuestion), yes, no);
  }

  #button(text: string, kind: string, testId: string | null, action: () => void): HTMLButtonElement {
    const button = h("button", { type: "button", class: kind, "data-testid": testId }, text);
    button.addEventListener("click", action);
    return button;
  }
}

function isOver(state: ChatState): boolean {
  return state.status.state === "ended" || state.status.state === "offline";
}

/** Why a message came back, in words: ours where we know the code, else the server's. */
export function refusalInWords(texts: Texts, refusal: Refusal): string {
  if (refusal.code === "chat_ended") return texts.refusedEnded;
  if (refusal.code === "too_large") return texts.refusedTooLarge;
  return refusal.message === "" ? `${texts.refused} ${texts.textKept}` : refusal.message;
}
