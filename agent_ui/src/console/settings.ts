/** What somebody chose for this machine: theme, sounds, notifications. */
import { defineStore } from "pinia";
import { ref, watch } from "vue";
import { lasting, readJson } from "@/live/storage.ts";

export type Theme = "system" | "light" | "dark";
export const THEMES: readonly Theme[] = ["system", "light", "dark"];

const PLACE = "desk.settings";

export const useSettings = defineStore("settings", () => {
  const stored = readStored();
  const theme = ref<Theme>(stored.theme);
  /** 0 to 1. */
  const volume = ref(stored.volume);
  const ringing = ref(stored.ringing);
  const notifying = ref(stored.notifying);

  watch(
    [theme, volume, ringing, notifying],
    () => {
      const chosen = { theme: theme.value, volume: volume.value, ringing: ringing.value, notifying: notifying.value };
      lasting.setItem(PLACE, JSON.stringify(chosen));
    },
    { flush: "sync" },
  );
  watch(
    theme,
    (chosen) => {
      if (chosen === "system") delete document.documentElement.dataset["theme"];
      else document.documentElement.dataset["theme"] = chosen;
    },
    { immediate: true },
  );

  return { theme, volume, ringing, notifying };
});

function readStored(): { theme: Theme; volume: number; ringing: boolean; notifying: boolean } {
  const stored = readJson(lasting, PLACE);
  const found: Record<string, unknown> = typeof stored === "object" && stored !== null ? { ...stored } : {};
  const { theme, volume, ringing, notifying } = found;
  return {
    theme: THEMES.find((one) => one === theme) ?? "system",
    volume: typeof volume === "number" && volume >= 0 && volume <= 1 ? volume : 0.6,
    ringing: ringing !== false,
    notifying: notifying === true,
  };
}
