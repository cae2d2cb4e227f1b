/** The texts on the phone of whom one plays. */
import { computed, ref } from "vue";
import type { ComputedRef, Ref } from "vue";
import { fetchTexts, textEventsUrl } from "./api.ts";
import type { TextMessage } from "./api.ts";
import { useFeed } from "./feed.ts";

/** What the carrier itself takes for an end of texts, and for their beginning. */
const OUT = new Set(["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]);
const IN = new Set(["START", "UNSTOP", "YES"]);

export interface Texts {
  /** What stands on the phone, oldest first. */
  readonly messages: ComputedRef<readonly TextMessage[]>;
  readonly unread: ComputedRef<number>;
  /** Ours from which they get nothing. */
  readonly blocked: ComputedRef<ReadonlySet<string>>;
  readonly trouble: Ref<string>;
  /** All that is there has been seen. */
  see(): void;
}

export function useTexts(number: Readonly<Ref<string | null>>, shown: Readonly<Ref<boolean>>): Texts {
  const all = ref<ReadonlyMap<string, TextMessage>>(new Map());
  const optedOut = ref<ReadonlySet<string>>(new Set());
  const seenAt = ref(Date.now() * 1000);

  function take(message: TextMessage): void {
    all.value = new Map(all.value).set(message.message_sid, message);
    optedOut.value = afterWord(optedOut.value, message);
  }

  const trouble = useFeed<TextMessage>({
    whose: number,
    shown,
    kind: "text",
    url: textEventsUrl,
    take,
    async look(whose) {
      const thread = await fetchTexts(whose);
      if (whose === number.value) {
        all.value = new Map(thread.messages.map((message) => [message.message_sid, message]));
        optedOut.value = new Set(thread.opted_out_of);
      }
      return thread.last;
    },
    clear() {
      all.value = new Map();
      optedOut.value = new Set();
      seenAt.value = Date.now() * 1000;
    },
  });

  const messages = computed(() =>
    [...all.value.values()].filter(({ arrived }) => arrived).sort((one, other) => one.created_at - other.created_at),
  );
  return {
    messages,
    unread: computed(() => messages.value.filter(({ incoming, created_at: at }) => !incoming && at > seenAt.value).length),
    blocked: computed(() => optedOut.value),
    trouble,
    see() {
      seenAt.value = Math.max(seenAt.value, ...messages.value.map(({ created_at: at }) => at));
    },
  };
}

/** Numbers that are blocked after a text of the customer: some words do that by themselves. Pure. */
export function afterWord(blocked: ReadonlySet<string>, { incoming, text, to }: TextMessage): ReadonlySet<string> {
  const word = text.trim().toUpperCase();
  if (!incoming || !(OUT.has(word) || IN.has(word))) return blocked;
  const next = new Set(blocked);
  if (OUT.has(word)) next.add(to);
  else next.delete(to);
  return next;
}
