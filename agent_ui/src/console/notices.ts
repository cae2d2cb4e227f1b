/** Calls the agent: sound, desktop notification and the page's title follow what rings and what is unread; a toast tells why a callback left. */
import { onScopeDispose, ref, watch, type Ref } from "vue";
import type { EventView } from "@/api/types.ts";
import { channels } from "@/channels/index.ts";
import { t, type TextKey } from "@/i18n/index.ts";
import { useLive } from "@/live/store.ts";
import { useToasts } from "@/ui/toasts.ts";
import { useDesk, type RingingOffer } from "./desk.ts";
import { Ringer } from "./ring.ts";
import { useSession } from "./session.ts";
import { useSettings } from "./settings.ts";

export interface Notices {
  ringer: Ringer;
  /** Something rings and the browser does not let us be heard yet. */
  isBlocked: Ref<boolean>;
}

export function useNotices(): Notices {
  const desk = useDesk();
  const session = useSession();
  const settings = useSettings();
  const ringer = new Ringer(() => (settings.ringing ? settings.volume : 0));
  const isBlocked = ref(false);
  const shown = new Map<string, Notification>();
  tellMissedCallbacks();

  watch(
    () => desk.offers.filter(({ offer }) => !desk.answering.has(offer.id)),
    (offers) => {
      const newest = offers.at(-1);
      if (newest === undefined) ringer.stop();
      else ringer.start(channels[newest.interaction.channel].ring);
      isBlocked.value = newest !== undefined && settings.ringing && ringer.isBlocked;
      notify(offers);
    },
    { immediate: true },
  );

  watch(
    () => [desk.offers.at(-1)?.interaction.title, desk.unread.size, session.bootstrap?.brand] as const,
    ([ringing, unread, brand]) => {
      const name = brand ?? t("app.name");
      if (ringing !== undefined) document.title = t("title.ringing", { name: ringing });
      else document.title = unread > 0 ? `(${unread}) ${name}` : name;
    },
    { immediate: true },
  );

  watch(
    () => desk.active.filter(({ id }) => desk.unread.has(id)).map(({ id, last_entry_at: at }) => `${id} ${at ?? 0}`),
    (now, before) => {
      if (now.some((message) => !before.includes(message))) ringer.tick();
    },
  );

  function notify(offers: readonly RingingOffer[]): void {
    const ids = new Set(offers.map(({ offer }) => offer.id));
    for (const [id, notification] of shown) {
      if (ids.has(id)) continue;
      notification.close();
      shown.delete(id);
    }
    if (!settings.notifying || !canNotify() || document.visibilityState === "visible") return;
    for (const { offer, interaction, card } of offers) if (!shown.has(offer.id)) shown.set(offer.id, raise(offer.id, interaction, card));
  }

  function raise(
    offerId: string,
    interaction: RingingOffer["interaction"],
    card: RingingOffer["card"],
  ): Notification {
    const channel = t(channels[interaction.channel].label);
    const notification = new Notification(t("offer.notification", { channel, name: interaction.title }), {
      body: card?.highlights.join(" · ") ?? session.queueName(interaction.queue_id) ?? "",
      tag: offerId,
      requireInteraction: true,
    });
    notification.addEventListener("click", () => {
      window.focus();
      desk.select(interaction.id);
      notification.close();
    });
    return notification;
  }

  function unblock(): void {
    ringer.unblock();
    isBlocked.value = false;
  }

  window.addEventListener("pointerdown", unblock, { capture: true });
  window.addEventListener("keydown", unblock, { capture: true });
  onScopeDispose(() => {
    ringer.stop();
    for (const notification of shown.values()) notification.close();
    window.removeEventListener("pointerdown", unblock, { capture: true });
    window.removeEventListener("keydown", unblock, { capture: true });
  });

  return { ringer, isBlocked };
}

/** Where a called customer did not answer the contact is gone at once: without a word the screen would just change. */
function tellMissedCallbacks(): void {
  const live = useLive();
  const toasts = useToasts();
  let titles: ReadonlyMap<string, string> = new Map();
  // Events are told before watchers run: these are still the names from before the contact left.
  watch(
    () => live.interactions,
    (now) => {
      titles = new Map(now.map(({ id, title }) => [id, title]));
    },
    { immediate: true },
  );
  const stop = live.onEvent((event) => {
    const words = missedCallback(event, live.me?.id ?? "");
    if (words === null) return;
    const name = titles.get(event.subject) ?? "";
    toasts.show(t(words, { name: name === "" ? t("floor.unknown") : name }));
  });
  onScopeDispose(stop);
}

/** What to tell whoever waited for a customer who was not reached: the contact is back in line, or over. */
export function missedCallback({ kind, data }: EventView, me: string): TextKey | null {
  if (data["agent_id"] !== me) return null;
  if (data["reason"] === "callback_put_off") return "callback.put_off";
  if (data["reason"] !== "callback_missed") return null;
  if (kind === "interaction.queued") return "callback.missed";
  return kind === "interaction.ended" ? "callback.given_up" : null;
}

export function canNotify(): boolean {
  return "Notification" in globalThis && Notification.permission === "granted";
}

/** Ask for notifications; true when they are allowed. Call it in a click. */
export async function askToNotify(): Promise<boolean> {
  if (!("Notification" in globalThis)) return false;
  return (await Notification.requestPermission()) === "granted";
}
