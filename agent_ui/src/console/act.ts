/** One act of the user that travels to the server: shows that it is under way, keeps its key, says what failed. */
import { ref, type Ref } from "vue";
import { newAct } from "@/api/index.ts";
import { isPassing } from "@/api/client.ts";
import { Problem } from "@/api/problem.ts";
import { t } from "@/i18n/index.ts";

export interface Act<Arguments extends unknown[]> {
  busy: Ref<boolean>;
  error: Ref<string | null>;
  /** True when it succeeded. While one is under way another one is not begun. */
  run: (...given: Arguments) => Promise<boolean>;
}

/**
 * Wrap a request. It is handed the act's key first: a fresh one for each act, the same one when the user repeats
 * an act of which nobody knows whether it arrived.
 */
export function useAct<Arguments extends unknown[]>(
  perform: (key: string, ...given: Arguments) => Promise<unknown>,
): Act<Arguments> {
  const busy = ref(false);
  const error = ref<string | null>(null);
  let open: { key: string; about: string } | null = null;

  async function run(...given: Arguments): Promise<boolean> {
    if (busy.value) return false;
    const about = JSON.stringify(given);
    // A changed act is another act: the server refuses the same key with another content.
    if (open?.about !== about) open = { key: newAct(), about };
    busy.value = true;
    error.value = null;
    try {
      await perform(open.key, ...given);
      open = null;
      return true;
    } catch (failure) {
      if (!isPassing(failure)) open = null;
      error.value = explain(failure);
      return false;
    } finally {
      busy.value = false;
    }
  }

  return { busy, error, run };
}

/** What happened and what to do, in words. */
export function explain(failure: unknown): string {
  if (!(failure instanceof Problem)) return t("error.unreachable");
  switch (failure.code) {
    case "stale_version":
      return t("error.stale");
    case "forbidden":
      return t("error.forbidden");
    case "rate_limited":
      return t("error.rate_limited");
    default:
      return failure.status >= 500 ? t("error.server") : failure.detail;
  }
}
