/** What comes for the person whom one plays: pushed while it is on the screen, looked for now and then while it is not. */
import { onScopeDispose, ref, watch } from "vue";
import type { Ref } from "vue";
import { inWords } from "./api.ts";

/**
 * Milliseconds between looks while the feed is not on the screen. A stream for each would use up the connections that
 * a browser opens to one server.
 */
const LOOK = 5_000;
/** Milliseconds until a stream that has failed for good is opened again. */
const RETRY = 2_000;

interface Source<Item> {
  /** Whose feed; null for nobody's. */
  readonly whose: Readonly<Ref<string | null>>;
  readonly shown: Readonly<Ref<boolean>>;
  /** Name of the stream's events. */
  readonly kind: string;
  /** Fetches what there is beyond `after` and gives the position from which the stream goes on. */
  readonly look: (whose: string, after: number) => Promise<number>;
  readonly url: (whose: string, after: number) => string;
  readonly take: (item: Item) => void;
  /** Somebody else is played: what was there is not theirs. */
  readonly clear: () => void;
}

/** Follows a feed for as long as the component lives; gives what is wrong with it, in words, "" if nothing is. */
export function useFeed<Item>({ whose, shown, kind, look, url, take, clear }: Source<Item>): Ref<string> {
  const trouble = ref("");
  let turn = 0;
  let position = 0;
  let stream: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function stop(): void {
    turn += 1;
    stream?.close();
    stream = null;
    clearTimeout(timer);
  }

  function later(wait: number): void {
    timer = setTimeout(() => void go(), wait);
  }

  async function go(): Promise<void> {
    stop();
    const name = whose.value;
    if (name === null) return;
    const mine = turn;
    try {
      if (document.visibilityState === "visible" || shown.value) {
        const reached = await look(name, position);
        if (mine !== turn) return;
        position = Math.max(position, reached);
      }
      trouble.value = "";
    } catch (error) {
      if (mine !== turn) return;
      trouble.value = inWords(error);
      later(RETRY);
      return;
    }
    if (shown.value) listen(name);
    else later(LOOK);
  }

  function listen(name: string): void {
    const source = new EventSource(url(name, position));
    stream = source;
    source.addEventListener(kind, (event) => {
      const id = Number(event.lastEventId);
      if (Number.isInteger(id)) position = Math.max(position, id);
      if (typeof event.data === "string") take(JSON.parse(event.data) as Item);
    });
    source.addEventListener("error", () => {
      // Else the browser comes back by itself, with the number of the last event.
      if (source.readyState === EventSource.CLOSED && stream === source) later(RETRY);
    });
  }

  watch(
    [whose, shown],
    ([name], [before]) => {
      if (name !== before) {
        position = 0;
        trouble.value = "";
        clear();
      }
      void go();
    },
    { immediate: true },
  );
  onScopeDispose(stop);
  return trouble;
}
