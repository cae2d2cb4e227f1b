/** Where the visitor writes: the text, its limit, what was wrong with it, and the small form before the first message. */
import { h, icon, setAttribute, setText } from "./dom.ts";
import { TEXT_LIMIT } from "./protocol.ts";
import type { Details, Topic } from "./protocol.ts";
import type { Texts } from "./texts.ts";

/** Characters left from which the counter shows. */
const COUNTER_FROM = 1_000;
/** Pixels that the text may grow to before it scrolls. */
const TALLEST = 132;

export class Composer {
  readonly element: HTMLElement;
  readonly #texts: Texts;
  readonly #text: HTMLTextAreaElement;
  readonly #send: HTMLButtonElement;
  readonly #counter: HTMLElement;
  readonly #error: HTMLElement;
  readonly #keep: (draft: string) => void;
  readonly #submit: (text: string) => boolean;

  /** `submit` says whether it took the text; `keep` is told of each change. */
  constructor(texts: Texts, draft: string, submit: (text: string) => boolean, keep: (draft: string) => void) {
    this.#texts = texts;
    this.#submit = submit;
    this.#keep = keep;
    this.#text = h("textarea", {
      id: "text",
      rows: "1",
      "data-testid": "chat-text",
      "aria-label": texts.message,
      placeholder: texts.message,
      "aria-describedby": "text-error text-counter",
      autocomplete: "off",
      enterkeyhint: "send",
      dir: "auto",
    });
    this.#text.value = draft;
    this.#send = h(
      "button",
      { type: "submit", class: "send", "data-testid": "chat-send", "aria-label": texts.send, title: texts.send },
      icon("M12 19V5", "m5 12 7-7 7 7"),
    );
    this.#counter = h("p", { class: "counter", id: "text-counter", hidden: true });
    this.#error = h("p", { class: "error", id: "text-error", role: "alert", "data-testid": "chat-error", hidden: true });
    const form = h("form", { class: "composer", novalidate: true }, h("div", { class: "writing" }, this.#text, this.#send));
    this.element = h("div", { class: "composing" }, this.#error, form, this.#counter);
    this.#listen(form);
    this.#measure();
  }

  get text(): string {
    return this.#text.value;
  }

  focus(): void {
    this.#text.focus();
  }

  /** Puts a text that came back in front of what was written since, and says why it came back. */
  giveBack(text: string, reason: string): void {
    const since = this.#text.value;
    this.#text.value = since === "" ? text : `${text}\n${since}`;
    this.#changed();
    this.fault(reason);
  }

  /** Says what is wrong with the text; "" takes it back. */
  fault(reason: string): void {
    setText(this.#error, reason);
    this.#error.hidden = reason === "";
    setAttribute(this.#text, "aria-invalid", reason === "" ? null : "true");
  }

  /** Grows the field with its text. Needs to be shown to be measured. */
  fit(): void {
    this.#text.style.height = "auto";
    this.#text.style.height = `${Math.min(this.#text.scrollHeight, TALLEST)}px`;
  }

  #listen(form: HTMLFormElement): void {
    this.#text.addEventListener("input", () => {
      this.fault("");
      this.#changed();
    });
    this.#text.addEventListener("keydown", (event) => {
      // While an input method composes, Enter chooses a word.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#trySend();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#trySend();
      this.focus();
    });
  }

  #trySend(): void {
    const text = this.#text.value;
    if (text.trim() === "" || excess(text) > 0 || !this.#submit(text.trim())) return;
    this.#text.value = "";
    this.fault("");
    this.#changed();
  }

  #changed(): void {
    this.#keep(this.#text.value);
    this.fit();
    this.#measure();
  }

  #measure(): void {
    const over = excess(this.#text.value);
    this.#counter.hidden = over < -COUNTER_FROM;
    setText(this.#counter, over > 0 ? this.#texts.tooMany(over) : this.#texts.left(-over));
    setAttribute(this.#counter, "data-over", over > 0 ? "" : null);
    // Not `disabled`: a focused button that is disabled loses the focus to nowhere.
    setAttribute(this.#send, "aria-disabled", this.#text.value.trim() === "" || over > 0 ? "true" : null);
  }
}

/** Characters above the limit; negative: how many are left. Counted as the server does, by code points. */
export function excess(text: string): number {
  const pairs = text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0;
  return text.length - pairs - TEXT_LIMIT;
}

/** The small form before the first message. Everything in it is optional. */
export class DetailsForm {
  readonly element: HTMLElement;
  readonly #texts: Texts;
  readonly #name: HTMLInputElement;
  readonly #mailbox: HTMLInputElement;
  readonly #mailboxError: HTMLElement;
  readonly #nameError: HTMLElement;
  readonly #topics: HTMLElement;
  readonly #topicsGroup: HTMLElement;
  #topic: string | null = null;

  constructor(texts: Texts, known: { readonly name: string; readonly mailbox: string }) {
    this.#texts = texts;
    this.#name = h("input", {
      id: "name",
      "data-testid": "chat-name",
      autocomplete: "name",
      maxlength: "100",
      value: known.name,
      "aria-describedby": "name-error",
    });
    this.#mailbox = h("input", {
      id: "mailbox",
      type: "email",
      "data-testid": "chat-mailbox",
      autocomplete: "email",
      maxlength: "254",
      value: known.mailbox,
      "aria-describedby": "mailbox-why mailbox-error",
    });
    this.#nameError = h("p", { class: "error", id: "name-error", role: "alert", hidden: true });
    this.#mailboxError = h("p", { class: "error", id: "mailbox-error", role: "alert", hidden: true });
    this.#topics = h("div", { class: "topics" });
    this.#topicsGroup = h("div", { role: "group", "aria-labelledby": "topics", hidden: true }, label("topics", texts.topic), this.#topics);
    this.element = h(
      "div",
      { class: "details", role: "group", "aria-label": texts.details },
      this.#topicsGroup,
      h("div", {}, label("name", texts.name, texts.optional), this.#name, this.#nameError),
      h(
        "div",
        {},
        label("mailbox", texts.mailbox, texts.optional),
        this.#mailbox,
        this.#mailboxError,
        h("p", { class: "why", id: "mailbox-why" }, texts.mailboxWhy),
      ),
    );
    this.#name.addEventListener("input", () => {
      this.fault("name", "");
    });
    this.#mailbox.addEventListener("input", () => {
      this.fault("mailbox", "");
    });
  }

  /** What was filled in. */
  get details(): Details {
    const name = this.#name.value.trim();
    const mailbox = this.#mailbox.value.trim();
    return {
      ...(name === "" ? {} : { name }),
      ...(mailbox === "" ? {} : { mailbox }),
      ...(this.#topic === null ? {} : { topic: this.#topic }),
    };
  }

  /** Offers these topics; the one that is chosen stays so. */
  set topics(topics: readonly Topic[]) {
    if (!topics.some((topic) => topic.id === this.#topic)) this.#topic = null;
    this.#topicsGroup.hidden = topics.length === 0;
    this.#topics.replaceChildren(...topics.map((topic) => this.#chip(topic)));
  }

  /** Whether it can be sent; if not, says why beside the field and goes there. The server has the last word. */
  check(): boolean {
    const mailbox = this.#mailbox.value.trim();
    if (mailbox === "" || /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(mailbox)) return true;
    this.fault("mailbox", this.#texts.mailboxWrong);
    return false;
  }

  /** Says what is wrong with a field and goes there; "" takes it back. Gives whether the form has such a field. */
  fault(field: string | null, reason: string): boolean {
    const pair = field === "name" ? ([this.#name, this.#nameError] as const) : field === "mailbox" ? ([this.#mailbox, this.#mailboxError] as const) : null;
    if (pair === null) return false;
    const [input, error] = pair;
    setText(error, reason);
    error.hidden = reason === "";
    setAttribute(input, "aria-invalid", reason === "" ? null : "true");
    if (reason !== "") input.focus();
    return true;
  }

  #chip(topic: Topic): HTMLButtonElement {
    const chip = h("button", { type: "button", class: "chip", "aria-pressed": String(topic.id === this.#topic), "data-testid": "chat-topic" }, topic.name);
    chip.addEventListener("click", () => {
      this.#topic = this.#topic === topic.id ? null : topic.id;
      for (const other of this.#topics.children) other.setAttribute("aria-pressed", String(other === chip && this.#topic !== null));
    });
    return chip;
  }
}

function label(id: string, text: string, remark?: string): HTMLElement {
  const words = remark === undefined ? [text] : [text, " ", h("span", { class: "remark" }, remark)];
  return id === "topics" ? h("p", { class: "label", id }, ...words) : h("label", { class: "label", for: id }, ...words);
}
