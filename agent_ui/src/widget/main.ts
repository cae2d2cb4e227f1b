/**
 * The customer's chat, for one script tag:
 *
 *     <script src="https://desk.example/widget/widget.js" data-widget="demo" async></script>
 *
 * Further attributes: data-accent (#rrggbb), data-corner (bottom-right, bottom-left), data-theme (auto, light, dark),
 * data-language (en, de, es), data-brand, data-greeting, data-name, data-mailbox, data-profile. A host page with a
 * Content-Security-Policy needs the desk's origin in script-src and connect-src (https: and wss:), nothing else.
 */
import { readOptions } from "./options.ts";
import { ChatSocket } from "./socket.ts";
import { mountWidget } from "./widget.ts";
import type { ChatHandle } from "./widget.ts";

const script = document.currentScript;
const options = script instanceof HTMLScriptElement ? readOptions(script) : null;

/** The chat of this tag: null when the tag is at fault (the page's console says how) or another tag has made it. */
export const ready: Promise<ChatHandle | null> = start();

async function start(): Promise<ChatHandle | null> {
  if (options === null) {
    complain("Chat widget: the script tag needs data-widget and an absolute or relative src.");
    return null;
  }
  try {
    return await mountWidget(options, ({ origin, widget }) => new ChatSocket(origin, widget));
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    return null;
  }
}

function complain(words: string): void {
  // eslint-disable-next-line no-console -- to the developer of the host page; nobody else can help
  console.error(words);
}
