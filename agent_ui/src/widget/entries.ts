/** The list of what was said. Rows are kept and moved, never rebuilt, so that reading, selecting and scrolling go on. */
import { h, icon, linked, setAttribute, setText } from "./dom.ts";
import type { ChatEntry } from "./protocol.ts";
import type { Outgoing } from "./state.ts";
import type { Texts } from "./texts.ts";

interface Line {
  /** Stays the same when the server confirms a message of our own. */
  readonly id: string;
  readonly author: "visitor" | "agent" | "system";
  readonly name: string;
  readonly text: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly at: number;
  readonly state: "sent" | "sending" | "unsent";
}

interface Row {
  readonly element: HTMLLIElement;
  readonly name: HTMLElement;
  readonly bubble: HTMLElement;
  readonly time: HTMLTimeElement;
  readonly sign: HTMLElement;
  text: string;
}

/** Lines of one author within this many milliseconds are one group with one name and one time. */
const GROUP = 5 * 60_000;
/** Pixels from the end within which a reader counts as being at it. */
const NEAR_END = 60;

export class EntryList {
  readonly element: HTMLElement;
  readonly #texts: Texts;
  readonly #scroller: HTMLElement;
  readonly #log: HTMLElement;
  readonly #list: HTMLOListElement;
  readonly #toEnd: HTMLButtonElement;
  readonly #rows = new Map<string, Row>();
  readonly #clock: Intl.DateTimeFormat;
  readonly #day: Intl.DateTimeFormat;
  readonly #exact: Intl.DateTimeFormat;
  readonly #signs: Readonly<Record<"sending" | "unsent", string>>;
  #lastId = "";

  /** `head` comes before the lines, `foot` after them; both scroll with them. */
  constructor(texts: Texts, language: string, head: HTMLElement, foot: HTMLElement) {
    this.#texts = texts;
    this.#signs = { sending: texts.sending, unsent: texts.notSentYet };
    this.#clock = new Intl.DateTimeFormat(language, { timeStyle: "short" });
    this.#day = new Intl.DateTimeFormat(language, { weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
    this.#exact = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" });
    this.#list = h("ol", { class: "entries" });
    this.#log = h("div", { role: "log", "aria-live": "off", "aria-relevant": "additions", "aria-label": texts.conversation }, this.#list);
    this.#scroller = h(
      "div",
      { class: "scroller", tabindex: "0", role: "group", "aria-label": texts.conversation },
      head,
      this.#log,
      foot,
    );
    this.#toEnd = h("button", { type: "button", class: "to-end", hidden: true }, icon("M12 5v14", "m6 13 6 6 6-6"), texts.newMessages);
    this.#toEnd.addEventListener("click", () => {
      this.toEnd();
    });
    this.#scroller.addEventListener("scroll", () => {
      if (this.#nearEnd()) this.#toEnd.hidden = true;
    });
    this.element = h("div", { class: "conversation" }, this.#scroller, this.#toEnd);
  }

  /** Shows these entries and, after them, what is not confirmed. `online`: whether that is on its way. */
  render(entries: readonly ChatEntry[], outbox: readonly Outgoing[], online: boolean): void {
    const wasNearEnd = this.#nearEnd();
    const lines = [...this.#confirmed(entries), ...this.#unconfirmed(outbox, online)];
    this.#removeAllBut(new Set(lines.map((line) => line.id)));
    lines.forEach((line, index) => {
      this.#place(line, lines[index - 1], lines[index + 1], index);
    });
    const last = lines.at(-1);
    if (last === undefined || last.id === this.#lastId) {
      // A status that has become longer must not push the last line out of sight.
      if (wasNearEnd) this.toEnd();
      return;
    }
    this.#lastId = last.id;
    if (wasNearEnd || last.author === "visitor") this.toEnd();
    else this.#toEnd.hidden = false;
  }

  /** From now on, what is added is read out to those who listen; what was there before is not. */
  readAloud(): void {
    if (this.#log.ariaLive !== "polite") setTimeout(() => (this.#log.ariaLive = "polite"));
  }

  toEnd(): void {
    this.#toEnd.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #confirmed(entries: readonly ChatEntry[]): Line[] {
    const shown = entries.filter(({ author, text }) => author !== "system" || !isCode(text));
    return shown.map(({ id, author, key, name, text, at }) => {
      const lineId = author === "visitor" && key !== null ? `key:${key}` : `id:${id}`;
      return { id: lineId, author, name, text, at: at / 1000, state: "sent" };
    });
  }

  #unconfirmed(outbox: readonly Outgoing[], online: boolean): Line[] {
    const state = online ? "sending" : "unsent";
    return outbox.map(({ key, text, at }) => ({ id: `key:${key}`, author: "visitor", name: "", text, at, state }));
  }

  #removeAllBut(ids: ReadonlySet<string>): void {
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
  }

  #place(line: Line, previous: Line | undefined, next: Line | undefined, index: number): void {
    let row = this.#rows.get(line.id);
    if (row === undefined) {
      row = makeRow(line);
      this.#rows.set(line.id, row);
    }
    if (row.text !== line.text) fill(row, line);
    const first = previous === undefined || !together(previous, line);
    const last = next === undefined || !together(line, next);
    setText(row.name, line.author === "visitor" ? this.#texts.you : line.author === "agent" ? line.name : "");
    // The visitor knows their own words by their side; only those who cannot see the side need the name.
    setAttribute(row.name, "class", first && line.author === "agent" ? "who" : "unseen");
    setText(row.time, this.#shortTime(line.at));
    setAttribute(row.time, "datetime", new Date(line.at).toISOString());
    setAttribute(row.time, "title", this.#exact.format(line.at));
    row.time.hidden = !last || line.state !== "sent";
    setText(row.sign, line.state === "sent" ? "" : this.#signs[line.state]);
    row.sign.hidden = line.state === "sent";
    setAttribute(row.element, "data-state", line.state);
    setAttribute(row.element, "data-first", first ? "" : null);
    const place = this.#list.children.item(index);
    if (place !== row.element) this.#list.insertBefore(row.element, place);
  }

  #shortTime(at: number): string {
    const today = new Date().toDateString() === new Date(at).toDateString();
    return (today ? this.#clock : this.#day).format(at);
  }

  #nearEnd(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    return scrollHeight - clientHeight - scrollTop < NEAR_END;
  }
}

/** Codes of system lines are for the desk's own people; words are for everybody. */
function isCode(text: string): boolean {
  return /^[a-z_]+(\.[a-z_]+)+$/.test(text);
}

function together(one: Line, other: Line): boolean {
  return one.author === other.author && one.name === other.name && Math.abs(other.at - one.at) < GROUP && one.author !== "system";
}

function makeRow(line: Line): Row {
  const name = h("span");
  const bubble = h("div", { class: "bubble", dir: "auto" });
  const time = h("time");
  const sign = h("span", { class: "sign" });
  const element = h("li", { class: "entry", "data-testid": "chat-entry", "data-author": line.author }, name, bubble, time, sign);
  const row = { element, name, bubble, time, sign, text: "" };
  fill(row, line);
  return row;
}

function fill(row: Row, line: Line): void {
  row.bubble.replaceChildren(...(line.author === "agent" ? linked(line.text) : [line.text]));
  row.text = line.text;
}
