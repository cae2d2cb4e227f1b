/** Why the router gave a contact to this agent, in words. */
import type { Fact, InteractionView, OfferView } from "@/api/types.ts";
import { channels } from "@/channels/index.ts";
import { t } from "@/i18n/index.ts";
import type { TextKey } from "@/i18n/index.ts";
import { formatSpan } from "@/i18n/time.ts";

/** Sentences for the facts that are there; facts that this build does not know are left out. */
export function explainOffer({ because, attempt }: OfferView): string[] {
  const { rule, idle_ms: idle, candidates, waited_ms: waited, position, waiting } = because;
  const sentences: string[] = [];
  if (rule === "longest_idle" && isNumber(idle)) {
    sentences.push(t("because.longest_idle", { idle: formatSpan(idle / 1000) }));
  }
  if (isNumber(candidates)) sentences.push(t("because.candidates", { count: candidates }));
  if (isNumber(waited) && isNumber(position) && isNumber(waiting)) {
    sentences.push(t("because.line", { waited: formatSpan(waited / 1000), position, waiting }));
  }
  if (attempt > 1) sentences.push(t("because.again", { attempt }));
  return sentences;
}

/** Of a callback whose customer did not answer before: which try this is, and how old the promise; null of others. */
export function laterTry({ because }: OfferView): string | null {
  const { missed, promised_ms: promised, waited_ms: waited } = because;
  const age = isNumber(promised) ? promised : waited;
  if (because["callback"] === undefined || !isNumber(missed) || missed < 1 || !isNumber(age)) return null;
  const key = missed === 1 ? "callback.second_try" : missed === 2 ? "callback.third_try" : "callback.later_try";
  return t(key, { number: missed + 1, age: formatSpan(age / 1000) });
}

/** What rings: a callback says so, and whether the customer is on the line already. */
export function incomingAs({ channel, callback, call }: InteractionView): TextKey {
  if (!callback) return channels[channel].incoming;
  return call?.customer_leg === "in-progress" ? "callback.offer_reached" : "callback.offer";
}

function isNumber(fact: Fact | undefined): fact is number {
  return typeof fact === "number";
}
