/** One chat on a host page: its element, its look, and its life from the first glance to the end of the page. */
import { css, parseColour, readableOn, textOn } from "./colour.ts";
import type { Colour } from "./colour.ts";
import type { Options } from "./options.ts";
import { Panel } from "./panel.ts";
import { readConfig } from "./protocol.ts";
import type { WidgetConfig } from "./protocol.ts";
import { ChatSession } from "./session.ts";
import type { Transport } from "./session.ts";
import { ChatStore, shelfOf } from "./store.ts";
import { CATALOGUE, pickLanguage } from "./texts.ts";
import styles from "./widget.css?inline";

/** What a host page's own scripts may do with the chat. */
export interface ChatHandle {
  open(): void;
  close(): void;
  /** Takes the chat off the page. The conversation goes on when it is put there again. */
  destroy(): void;
}

const TAG = "service-desk-chat";
const ACCENT: Colour = [79, 70, 229];
/** Milliseconds for which it is believed whether somebody is there and how long they take. */
const CONFIG_LIFETIME = 30_000;
/** Milliseconds to wait for the configuration before the launcher shows without it. */
const CONFIG_PATIENCE = 8_000;
/** Characters of an address that the server takes. */
const PAGE_LIMIT = 2_000;
/** The sunken grounds of widget.css in both themes: where the accent can be read on these, it can on the surfaces. */
const LIGHT_GROUND: Colour = [243, 242, 240];
const DARK_GROUND: Colour = [42, 41, 39];

/**
 * Puts the chat on the page; null when it is there already, because the tag is there twice.
 * Rejects with a RangeError when the desk does not know this widget, or not on this page's origin.
 */
export async function mountWidget(
  options: Options,
  makeTransport: (options: Options) => Transport,
): Promise<ChatHandle | null> {
  const config = (await fetchConfig(options)) ?? readConfig(null);
  await bodyThere();
  if (isMounted(options)) return null;
  const cleanUp = new AbortController();
  const { signal } = cleanUp;

  const language = pickLanguage(wishes(options), config.languages);
  const texts = CATALOGUE[language];
  const store = new ChatStore(options.widget, options.profile, shelfOf("localStorage"), shelfOf("sessionStorage"));
  const session = new ChatSession(makeTransport(options), store, {
    now: () => Date.now(),
    after: (delay, action) => {
      const timer = setTimeout(action, delay);
      return () => {
        clearTimeout(timer);
      };
    },
    newKey,
    page: pageAddress(),
    language,
  });
  let configAt = Date.now();
  const renewConfig = (): void => {
    if (Date.now() - configAt < CONFIG_LIFETIME) return;
    configAt = Date.now();
    // What was known stays when there is nothing newer.
    fetchConfig(options).then(
      (newer) => {
        if (newer !== null && !signal.aborted) panel.useConfig(newer);
      },
      () => undefined,
    );
  };
  const { brand, greeting, name, mailbox } = options;
  const panel = new Panel(session, store, { texts, language, brand, greeting, name, mailbox, opened: renewConfig }, config);
  panel.element.dataset["corner"] = options.corner;
  wearColours(panel.element, options, parseColour(options.accent ?? "") ?? parseColour(config.accent ?? "") ?? ACCENT, signal);

  const host = putOnPage(panel.element, options);
  session.subscribe((state) => {
    panel.render(state);
  });
  panel.render(session.state);
  listenToBrowser(session, store, panel, signal);
  followKeyboard(panel.element, signal);
  // On a phone the panel would cover each page that the visitor goes to.
  if (store.open && !panel.coversPage) panel.open(false);
  else if (session.hasPast) session.start();

  return {
    open: () => {
      panel.open(true);
    },
    close: () => {
      panel.close();
    },
    destroy: () => {
      cleanUp.abort();
      session.destroy();
      host.remove();
    },
  };
}

function isMounted(options: Options): boolean {
  return [...document.querySelectorAll<HTMLElement>(TAG)].some((host) => host.dataset["widget"] === options.widget);
}

/** An element that is not a div, so that a host page's rules for those do not catch it. */
function putOnPage(element: HTMLElement, options: Options): HTMLElement {
  const host = document.createElement(TAG);
  host.dataset["widget"] = options.widget;
  const root = host.attachShadow({ mode: "open" });
  // A constructed sheet is no inline style: it works under a Content-Security-Policy that forbids those.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  root.adoptedStyleSheets = [sheet];
  root.append(element);
  document.body.append(host);
  return host;
}

function listenToBrowser(session: ChatSession, store: ChatStore, panel: Panel, signal: AbortSignal): void {
  window.addEventListener(
    "online",
    () => {
      session.hurry();
    },
    { signal },
  );
  document.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState !== "visible") return;
      session.hurry();
      panel.render(session.state);
    },
    { signal },
  );
  window.addEventListener(
    "storage",
    (event) => {
      if (event.key === store.tokenKey && event.newValue !== null) session.adopt(event.newValue);
    },
    { signal },
  );
}

/** On phones the keyboard covers the page without making it smaller: tells the styles which part can be seen. */
function followKeyboard(element: HTMLElement, signal: AbortSignal): void {
  const seen = window.visualViewport;
  if (seen === null) return;
  const follow = (): void => {
    element.style.setProperty("--seen-top", `${seen.offsetTop}px`);
    element.style.setProperty("--seen-height", `${seen.height}px`);
  };
  seen.addEventListener("resize", follow, { signal });
  seen.addEventListener("scroll", follow, { signal });
}

function wearColours(element: HTMLElement, options: Options, accent: Colour, signal: AbortSignal): void {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const wear = (): void => {
    const isDark = options.theme === "dark" || (options.theme === "auto" && dark.matches);
    element.dataset["theme"] = isDark ? "dark" : "light";
    element.style.setProperty("--accent", css(accent));
    element.style.setProperty("--on-accent", css(textOn(accent)));
    element.style.setProperty("--accent-text", css(readableOn(isDark ? DARK_GROUND : LIGHT_GROUND, accent)));
  };
  wear();
  dark.addEventListener("change", wear, { signal });
}

/** The configuration, or null when the desk is out of reach: the chat can be opened, and says that it is connecting. */
async function fetchConfig(options: Options): Promise<WidgetConfig | null> {
  const address = `${options.origin}/widget/config?widget=${encodeURIComponent(options.widget)}`;
  let answer: Response;
  try {
    // The greeting comes in the first of these languages that it has been written in.
    answer = await fetch(address, {
      credentials: "omit",
      headers: { "Accept-Language": wishes(options).join(",") },
      signal: AbortSignal.timeout(CONFIG_PATIENCE),
    });
  } catch {
    return null;
  }
  if (answer.status === 403 || answer.status === 404) {
    throw new RangeError(`Chat widget "${options.widget}" is not known at ${options.origin}, or not for ${location.origin}.`);
  }
  try {
    return answer.ok ? readConfig(await answer.json()) : null;
  } catch {
    return null;
  }
}

/** Where the visitor is, without query and fragment: those may hold what is not ours to know. */
function pageAddress(): string | null {
  const address = location.origin + location.pathname;
  return /^https?:/.test(address) && address.length <= PAGE_LIMIT ? address : null;
}

/** Languages in the order of preference: the host page's word, then the browser's. */
function wishes(options: Options): readonly string[] {
  return options.language === null ? navigator.languages : [options.language, ...navigator.languages];
}

/** Resolves when there is a body to put the chat into. */
function bodyThere(): Promise<void> {
  // The type says that there always is one; a script in the head can run before.
  if ((document.body as HTMLElement | null) !== null) return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener(
      "DOMContentLoaded",
      () => {
        resolve();
      },
      { once: true },
    );
  });
}

/** 128 random bits. Not crypto.randomUUID, which pages without https do not have. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
