/** Parts that the first load can do without: fetched on first use, or in a quiet moment before it. */
import { defineAsyncComponent, type Component } from "vue";

const loaders: (() => Promise<unknown>)[] = [];

/** How long after the start the quiet moment is looked for, ms. */
const QUIET_AFTER_MS = 4_000;

export function lazy<Part extends Component>(loader: () => Promise<{ default: Part }>): Part {
  loaders.push(loader);
  return defineAsyncComponent(async () => (await loader()).default);
}

/**
 * Fetch all parts once the page has become quiet, and the font's further Latin letters with them: a customer's name
 * must not wait for a request at the moment in which it rings.
 */
export function fetchLazyParts(): void {
  setTimeout(() => {
    const fetchAll = () => {
      for (const loader of loaders) void loader().catch(() => undefined);
      void document.fonts.load('13px "Inter Variable"', "Łőş").catch(() => undefined);
    };
    // Safari has no idle callbacks.
    if ("requestIdleCallback" in globalThis) requestIdleCallback(fetchAll);
    else fetchAll();
  }, QUIET_AFTER_MS);
}
