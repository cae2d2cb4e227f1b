/** The widget's small parts: colours, words, limits, options, storage. */
import { describe, expect, it } from "vitest";
import { BLACK, contrast, parseColour, readableOn, TEXT_CONTRAST, textOn, WHITE } from "./colour.ts";
import { excess } from "./composer.ts";
import { linked } from "./dom.ts";
import { readOptions } from "./options.ts";
import { readChat, readConfig, readEntry, readOutcome, TEXT_LIMIT } from "./protocol.ts";
import { ChatStore, memoryShelf } from "./store.ts";
import { CATALOGUE, pickLanguage, statusInWords, waitInWords } from "./texts.ts";

describe("colours", () => {
  it("are read from hexadecimal only", () => {
    expect(parseColour("#0F766e")).toEqual([15, 118, 110]);
    expect(parseColour("#fd0")).toEqual([255, 221, 0]);
    for (const wrong of ["", "red", "#ff", "#ggg", "0f766e", "#0f766e00", "url(x)"]) expect(parseColour(wrong)).toBeNull();
  });

  it("have the contrast that the guidelines define", () => {
    expect(contrast(WHITE, BLACK)).toBeCloseTo(21);
    expect(contrast([118, 118, 118], WHITE)).toBeCloseTo(4.54, 2);
  });

  it("can be read on and by any accent", () => {
    for (let red = 0; red <= 255; red += 51) {
      for (let green = 0; green <= 255; green += 51) {
        for (let blue = 0; blue <= 255; blue += 51) {
          const accent = [red, green, blue] as const;
          expect(contrast(textOn(accent), accent)).toBeGreaterThanOrEqual(TEXT_CONTRAST);
          for (const ground of [WHITE, [243, 242, 240], [42, 41, 39]] as const) {
            expect(contrast(readableOn(ground, accent), ground)).toBeGreaterThanOrEqual(TEXT_CONTRAST);
          }
        }
      }
    }
  });
});

describe("words", () => {
  it("come in the first language that is wished, spoken and allowed", () => {
    expect(pickLanguage(["de-AT", "en"], [])).toBe("de");
    expect(pickLanguage(["fr", "es-MX"], ["en", "es"])).toBe("es");
    expect(pickLanguage(["de"], ["en", "es"])).toBe("en");
    expect(pickLanguage([], ["es"])).toBe("es");
  });

  it("are there in every language", () => {
    const names = Object.keys(CATALOGUE.en).sort();
    for (const texts of Object.values(CATALOGUE)) {
      expect(Object.keys(texts).sort()).toEqual(names);
      for (const text of Object.values(texts)) if (typeof text === "string") expect(text.trim()).not.toBe("");
    }
  });

  it("round a wait up", () => {
    const { en } = CATALOGUE;
    expect([0, 60, 61, 170, 3_600, 3_601].map((seconds) => waitInWords(en, seconds))).toEqual([
      "a minute",
      "a minute",
      "2 minutes",
      "3 minutes",
      "1 hour",
      "2 hours",
    ]);
  });

  it("say where one stands", () => {
    const about = { staffed: true, wait: 90 };
    const status = { state: "waiting", agent_name: null, position: 3, expected_wait_s: 200, ticket_number: null } as const;
    expect(statusInWords(CATALOGUE.en, status, about)).toBe("You are number 3 in line · about 4 minutes");
    expect(statusInWords(CATALOGUE.en, { ...status, position: 1, expected_wait_s: null }, about)).toBe("You are next in line");
    expect(statusInWords(CATALOGUE.de, { ...status, state: "active", agent_name: "Anna" }, about)).toBe("Anna ist für Sie da");
    expect(statusInWords(CATALOGUE.en, { ...status, state: "offline", ticket_number: 10483 }, about)).toBe("Saved as ticket 10483");
    expect(statusInWords(CATALOGUE.en, { ...status, state: "new" }, { staffed: false, wait: null })).toMatch(/^Nobody is here/);
  });
});

describe("the limit", () => {
  it("counts characters as the server does, not code units", () => {
    expect(excess("x".repeat(TEXT_LIMIT))).toBe(0);
    expect(excess("😀".repeat(TEXT_LIMIT))).toBe(0);
    expect(excess("😀".repeat(TEXT_LIMIT) + "x")).toBe(1);
  });
});

describe("links", () => {
  it("are made of web addresses and of nothing else", () => {
    const parts = linked("See https://example.com/a?b=1, or (http://example.org). Not javascript:alert(1) <b>x</b>");
    const links = parts.filter((part) => part instanceof HTMLAnchorElement);
    expect(links.map((link) => link.getAttribute("href"))).toEqual(["https://example.com/a?b=1", "http://example.org"]);
    expect(links.every((link) => link.rel.includes("noopener"))).toBe(true);
    const text = parts.map((part) => (typeof part === "string" ? part : (part.textContent ?? ""))).join("");
    expect(text).toBe("See https://example.com/a?b=1, or (http://example.org). Not javascript:alert(1) <b>x</b>");
  });
});

describe("options", () => {
  it("come from the tag, and the desk's address from its source", () => {
    const script = document.createElement("script");
    script.setAttribute("src", "https://desk.example:8443/widget/widget.js?v=1");
    script.dataset["widget"] = "demo";
    script.dataset["corner"] = "bottom-left";
    script.dataset["theme"] = "purple";
    script.dataset["mailbox"] = " a@example.org ";
    expect(readOptions(script)).toMatchObject({
      origin: "https://desk.example:8443",
      widget: "demo",
      corner: "bottom-left",
      theme: "auto",
      mailbox: "a@example.org",
      profile: null,
    });
    delete script.dataset["widget"];
    expect(readOptions(script)).toBeNull();
  });
});

describe("what the server sends", () => {
  const entry = { id: "1", seq: 1, author: "agent", name: "Anna", text: "hi", at: 5, key: null };
  const status = { state: "waiting", agent_name: null, position: 1, expected_wait_s: null, ticket_number: null };

  it("is taken with fields that we do not know", () => {
    expect(readEntry({ ...entry, mood: "good" })).toEqual(entry);
    expect(readChat({ chat_id: "c", token: "t", status, entries: [entry], more: 1 })?.entries).toEqual([entry]);
  });

  it("is dropped when it cannot be shown", () => {
    for (const wrong of [null, 1, {}, { ...entry, seq: 0 }, { ...entry, author: "ghost" }, { ...entry, text: 7 }]) {
      expect(readEntry(wrong)).toBeNull();
    }
    expect(readChat({ chat_id: "c", token: "t", status: { state: "odd" }, entries: [] })).toBeNull();
    expect(readOutcome(undefined)).toEqual({ kind: "lost", disconnected: false });
    expect(readConfig("nonsense")).toMatchObject({ staffed: true, topics: [], greeting: null });
  });
});

describe("the store", () => {
  it("parts widgets and people, and keeps unsent messages in their order", () => {
    const long = memoryShelf();
    const one = new ChatStore("demo", null, long, memoryShelf());
    const other = new ChatStore("demo", "login-7", long, memoryShelf());
    one.token = "secret";
    expect(other.token).toBeNull();
    expect(long.getItem("sd-chat:demo")).toBe("secret");
    one.keep({ key: "b", text: "second", at: 2, details: {}, breaks: 0 });
    one.keep({ key: "a", text: "first", at: 1, details: { name: "Maria" }, breaks: 2 });
    expect(one.unsent().map(({ text }) => text)).toEqual(["first", "second"]);
    expect(one.unsent()[0]).toEqual({ key: "a", text: "first", at: 1, details: { name: "Maria" }, breaks: 0 });
    expect(other.unsent()).toEqual([]);
    one.drop("a");
    expect(one.unsent().map(({ key }) => key)).toEqual(["b"]);
  });

  it("bears a storage that is forbidden or full of somebody else's things", () => {
    const refuse = (): never => {
      throw new Error("forbidden");
    };
    const closed = { length: 3, getItem: refuse, setItem: refuse, removeItem: refuse, key: refuse };
    const store = new ChatStore("demo", null, closed, closed);
    store.token = "x";
    store.keep({ key: "a", text: "t", at: 1, details: {}, breaks: 0 });
    expect(store.token).toBeNull();
    expect(store.unsent()).toEqual([]);
    const odd = memoryShelf();
    odd.setItem("sd-chat:demo:out:x", "{broken");
    odd.setItem("sd-chat:demo:seen", "nonsense");
    expect(new ChatStore("demo", null, odd, odd).unsent()).toEqual([]);
    expect(new ChatStore("demo", null, odd, odd).seen).toBeNull();
  });
});
