/** Search as one types: waits for a pause, shows the newest question's answer only, and pages one kind further. */
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from "vue";
import type { SearchGroupView, SearchHitView } from "@/api/types.ts";
import { explain } from "@/console/act.ts";
import { isPassing } from "@/api/client.ts";
import { pagesApi } from "./api.ts";
import { isSearchable } from "./words.ts";

export const TYPING_MS = 150;
export const LONGEST_QUERY = 200;

export interface Searching {
  groups: Ref<readonly SearchGroupView[]>;
  /** The text that `groups` answers, empty before the first answer. */
  answered: Ref<string>;
  busy: Ref<boolean>;
  problem: Ref<string | null>;
  /** Whether asking the same once more may help. */
  canRetry: Ref<boolean>;
  /** Something is typed, but no letter and no digit: nothing is asked. */
  isHollow: Ref<boolean>;
  again: () => Promise<void>;
  /** Fetch the next page of one kind. */
  more: (kind: SearchGroupView["kind"]) => Promise<void>;
}

export function useSearch(query: Ref<string>, only: SearchGroupView["kind"] | null = null): Searching {
  const groups = shallowRef<readonly SearchGroupView[]>([]);
  const answered = ref("");
  const busy = ref(false);
  const problem = ref<string | null>(null);
  const canRetry = ref(false);
  const isHollow = computed(() => query.value.trim() !== "" && !isSearchable(query.value));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asked = 0;

  watch(query, () => {
    clearTimeout(timer);
    asked += 1;
    problem.value = null;
    if (!isSearchable(query.value)) {
      groups.value = [];
      answered.value = "";
      busy.value = false;
      return;
    }
    busy.value = true;
    timer = setTimeout(() => void ask(), TYPING_MS);
  });
  onScopeDispose(() => {
    clearTimeout(timer);
    asked += 1;
  });

  async function ask(): Promise<void> {
    const mine = ++asked;
    const q = query.value.trim();
    busy.value = true;
    problem.value = null;
    try {
      const found = only === null ? await pagesApi.search(q) : await pagesApi.searchMore(q, only, null);
      if (mine !== asked) return;
      groups.value = found.groups;
      answered.value = q;
    } catch (error) {
      if (mine !== asked) return;
      groups.value = [];
      answered.value = q;
      problem.value = explainSearch(error);
      canRetry.value = isPassing(error);
    }
    busy.value = false;
  }

  async function more(kind: SearchGroupView["kind"]): Promise<void> {
    const group = groups.value.find((each) => each.kind === kind);
    if ((group?.more ?? null) === null || group === undefined || busy.value) return;
    const mine = ++asked;
    busy.value = true;
    try {
      const [next] = (await pagesApi.searchMore(answered.value, kind, group.more)).groups;
      if (mine !== asked || next === undefined) return;
      const known = new Set(group.items.map(({ id }) => id));
      const grown = { ...group, more: next.more, items: [...group.items, ...next.items.filter(({ id }) => !known.has(id))] };
      groups.value = groups.value.map((each) => (each.kind === kind ? grown : each));
    } catch (error) {
      if (mine === asked) problem.value = explainSearch(error);
      canRetry.value = isPassing(error);
    } finally {
      if (mine === asked) busy.value = false;
    }
  }

  return { groups, answered, busy, problem, canRetry, isHollow, again: ask, more };
}

/** What went wrong, in words; a person typed into a field and knows no parameter `q`. */
export function explainSearch(error: unknown): string {
  const words = explain(error).replace(/^q: /, "");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Where a hit leads: a page's path, or the contact on the agent's own desk. */
export function placeOf(hit: SearchHitView, isMine: (interactionId: string) => boolean): { path: string } | { contact: string } | null {
  if (hit.interaction_id !== null && isMine(hit.interaction_id)) return { contact: hit.interaction_id };
  if (hit.ticket_id !== null) return { path: `/tickets/${hit.ticket_id}` };
  return hit.customer_id === null ? null : { path: `/customers/${hit.customer_id}` };
}
