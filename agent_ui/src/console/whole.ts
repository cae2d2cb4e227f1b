/** Long entries, of which screens get the beginning: all of those that somebody asked to see. */
import { shallowRef } from "vue";
import { api } from "@/api/index.ts";
import type { EntryView } from "@/api/types.ts";

export type Getting = "no" | "yes" | "failed";

/** What has been asked for on one screen; it goes with the screen. */
export function useWholes() {
  const wholes = shallowRef<Readonly<Record<string, EntryView>>>({});
  const states = shallowRef<Readonly<Record<string, Getting>>>({});

  /** The entry as it is now, with all of its words where they are here. */
  function whole(entry: EntryView): EntryView {
    const found = wholes.value[entry.id];
    return found === undefined ? entry : withWords(entry, found);
  }

  async function get({ id }: EntryView): Promise<void> {
    if (states.value[id] === "yes") return;
    states.value = { ...states.value, [id]: "yes" };
    try {
      wholes.value = { ...wholes.value, [id]: await api.entry(id) };
      states.value = { ...states.value, [id]: "no" };
    } catch {
      states.value = { ...states.value, [id]: "failed" };
    }
  }

  const getting = ({ id }: EntryView): Getting => states.value[id] ?? "no";

  return { whole, get, getting };
}

export function isCut(entry: EntryView): boolean {
  return typeof entry.cut_from === "number";
}

/** How an entry stands now, with the words of another reading of it. */
export function withWords(entry: EntryView, words: EntryView): EntryView {
  if (!isCut(entry)) return entry;
  const { text, cut_from = null } = words;
  return { ...entry, text, cut_from, ...(words.mail === undefined ? {} : { mail: words.mail }) };
}

/** How many characters of words are here. */
export function size({ text, mail }: EntryView): number {
  return text.length + (mail?.quoted?.length ?? 0);
}
