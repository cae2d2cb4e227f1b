/** The agent's desk: which contact is in front, what rings, what was read, and the acts on contacts. */
import { defineStore } from "pinia";
import { computed, ref, shallowRef, watch } from "vue";
import { api, newAct, type ChosenState } from "@/api/index.ts";
import { isPassing } from "@/api/client.ts";
import { Problem } from "@/api/problem.ts";
import type { CardView, InteractionView, MeView, OfferView } from "@/api/types.ts";
import { channels } from "@/channels/index.ts";
import { t, tCode } from "@/i18n/index.ts";
import { hasTicketDraft } from "./ticketDraft.ts";
import { lasting, perTab, readJson } from "@/live/storage.ts";
import { useLive } from "@/live/store.ts";
import { useToasts } from "@/ui/toasts.ts";
import { explain } from "./act.ts";

export interface RingingOffer {
  offer: OfferView;
  interaction: InteractionView;
  card: CardView | undefined;
}

export type WritingMode = "message" | "note";
/** Under 700 px only one of them is on the screen. */
export type Pane = "list" | "conversation" | "customer";
export type CustomerTab = "timeline" | "tickets" | "notes";

const SELECTED_PLACE = "desk.selected";
const SEEN_PLACE = "desk.seen";

export const useDesk = defineStore("desk", () => {
  const live = useLive();
  const toasts = useToasts();

  const selectedId = ref<string | null>(perTab.getItem(SELECTED_PLACE));
  const pane = ref<Pane>("conversation");
  /** Whether the customer's drawer is open, where there is no room for a third column. */
  const drawer = ref(false);
  /** What was chosen per contact; a contact without a choice shows the timeline. */
  const customerTabs = ref<Record<string, CustomerTab>>({});
  /** The contact whose form for a new ticket is asked for, until the list of tickets has opened it. */
  const newTicketFor = ref<string | null>(null);
  const modes = ref<Record<string, WritingMode>>({});
  /** Counts up whenever the composer or the wrap-up is asked for by a key. */
  const focusAsked = ref<{ place: "composer" | "wrap_up"; times: number }>({ place: "composer", times: 0 });
  const seen = ref<Record<string, number>>(readSeen());
  /** Offers whose accept or decline is on its way. */
  const answering = ref<ReadonlySet<string>>(new Set());
  const ending = ref<ReadonlySet<string>>(new Set());
  /** Contacts that are on their way to waiting, or back. */
  const parking = ref<ReadonlySet<string>>(new Set());
  const declineAsked = ref<string | null>(null);
  /** The offer whose record was asked for, beside the contact in front. */
  const lookedAt = ref<string | null>(null);
  const wantedState = shallowRef<ChosenState | null>(null);
  const isPageVisible = ref(document.visibilityState === "visible");
  const keys = new Map<string, string>();

  document.addEventListener("visibilitychange", () => {
    isPageVisible.value = document.visibilityState === "visible";
  });

  const offers = computed<RingingOffer[]>(() =>
    live.offers.flatMap((offer) => {
      const interaction = live.interaction(offer.interaction_id);
      if (interaction === undefined) return [];
      const card = interaction.customer_id === null ? undefined : live.card(interaction.customer_id);
      return [{ offer, interaction, card }];
    }),
  );
  const mine = computed(() => live.interactions.filter((interaction) => interaction.agent_id === live.me?.id));
  const active = computed(() => mine.value.filter(({ state }) => state === "connecting" || state === "active"));
  const parked = computed(() => mine.value.filter(({ state }) => state === "parked"));
  const wrapUps = computed(() => mine.value.filter(({ state }) => state === "wrap_up"));
  /** In the order of the work list. */
  const rows = computed<InteractionView[]>(() => [
    ...offers.value.map(({ interaction }) => interaction),
    ...active.value,
    ...parked.value,
    ...wrapUps.value,
  ]);
  const selected = computed(() => rows.value.find(({ id }) => id === selectedId.value) ?? null);
  const selectedOffer = computed(() => offers.value.find(({ interaction }) => interaction.id === selectedId.value) ?? null);
  /** The ringing contact whose record is shown beside another conversation: only on the agent's wish. */
  const peek = computed(() => {
    const looked = offers.value.find(({ offer }) => offer.id === lookedAt.value);
    return looked === undefined || looked.interaction.id === selectedId.value ? null : looked;
  });
  /** The contact whose record is on the screen. */
  const recordOf = computed(() => peek.value?.interaction ?? selected.value);
  const chosen = computed(() => wantedState.value?.state ?? live.me?.state.chosen ?? "away");
  const awayReason = computed(() => {
    if (chosen.value === "ready") return null;
    const wanted = wantedState.value;
    return wanted?.state === "away" ? wanted.reason : (live.me?.state.reason ?? null);
  });
  const unread = computed(() => new Set([...active.value, ...parked.value].filter(isUnread).map(({ id }) => id)));

  watch(selectedId, (id) => {
    newTicketFor.value = null;
    if (id === null) perTab.removeItem(SELECTED_PLACE);
    else perTab.setItem(SELECTED_PLACE, id);
  });
  watch(
    () => rows.value.map(({ id }) => id).join(" "),
    () => {
      if (live.state !== null && selected.value === null) fallBack();
    },
    { immediate: true },
  );
  watch(
    () => [selected.value?.id, selected.value?.last_entry_at, isPageVisible.value] as const,
    () => {
      markSeen();
    },
    { immediate: true },
  );
  watchContacts();

  function fallBack(): void {
    const next = rows.value[0] ?? null;
    selectedId.value = next?.id ?? null;
    const isCalm = next !== null && selectedOffer.value === null;
    pane.value = isCalm ? "list" : "conversation";
    if (next === null) drawer.value = false;
  }

  function select(id: string): void {
    selectedId.value = id;
    pane.value = "conversation";
    markSeen();
  }

  function step(by: 1 | -1): void {
    const at = rows.value.findIndex(({ id }) => id === selectedId.value);
    const next = rows.value[at === -1 ? 0 : Math.min(rows.value.length - 1, Math.max(0, at + by))];
    if (next !== undefined) selectedId.value = next.id;
  }

  function isUnread({ id, last_entry_at: at }: InteractionView): boolean {
    return at !== null && at > (seen.value[id] ?? 0) && (id !== selectedId.value || !isPageVisible.value);
  }

  function markSeen(): void {
    const here = selected.value;
    const at = here?.last_entry_at ?? null;
    if (here === null || at === null || at <= (seen.value[here.id] ?? 0) || !isPageVisible.value) return;
    const known = Object.entries(seen.value).filter(([id]) => live.interaction(id) !== undefined);
    seen.value = { ...Object.fromEntries(known), [here.id]: at };
    lasting.setItem(SEEN_PLACE, JSON.stringify(seen.value));
  }

  /** Tell the channels when a page begins with contacts, and when contacts end. */
  function watchContacts(): void {
    let known: Map<string, InteractionView> | null = null;
    watch(
      () => (live.state === null ? null : active.value),
      (now) => {
        if (now === null) {
          known = null;
          return;
        }
        const current = new Map(now.map((interaction) => [interaction.id, interaction]));
        if (known === null) for (const interaction of now) channels[interaction.channel].resumed(interaction);
        else for (const [id, { channel }] of known) if (!current.has(id)) channels[channel].left(id);
        known = current;
      },
      { immediate: true },
    );
  }

  async function accept(offerId: string): Promise<void> {
    const about = offers.value.find(({ offer }) => offer.id === offerId);
    if (about === undefined) return;
    select(about.interaction.id);
    await answer(offerId, async (key) => {
      const interaction = await api.acceptOffer(offerId, key);
      channels[interaction.channel].accepted(interaction);
    });
  }

  async function decline(offerId: string, reason: string): Promise<void> {
    await answer(offerId, (key) => api.declineOffer(offerId, reason, key), reason);
  }

  async function answer(offerId: string, perform: (key: string) => Promise<unknown>, about = "accept"): Promise<void> {
    if (answering.value.has(offerId)) return;
    answering.value = new Set([...answering.value, offerId]);
    try {
      await withKey(`${offerId} ${about}`, perform);
    } catch (error) {
      toasts.show(t("offer.not_answered"), explainOffer(error), "urgent");
    } finally {
      answering.value = new Set([...answering.value].filter((id) => id !== offerId));
    }
  }

  async function end(interactionId: string): Promise<void> {
    if (ending.value.has(interactionId)) return;
    ending.value = new Set([...ending.value, interactionId]);
    try {
      await withKey(`${interactionId} end`, (key) => api.end(interactionId, key));
    } catch (error) {
      toasts.show(t("conversation.not_ended"), explain(error), "urgent");
    } finally {
      ending.value = new Set([...ending.value].filter((id) => id !== interactionId));
    }
  }

  /** Let it wait for the customer, or go on with one that waits. */
  async function park(interactionId: string, waits: boolean): Promise<void> {
    if (parking.value.has(interactionId)) return;
    parking.value = new Set([...parking.value, interactionId]);
    try {
      const perform = waits ? api.park : api.resume;
      await withKey(`${interactionId} ${waits ? "park" : "resume"}`, (key) => perform(interactionId, key));
    } catch (error) {
      toasts.show(t("channel.not_moved"), explain(error), "urgent");
    } finally {
      parking.value = new Set([...parking.value].filter((id) => id !== interactionId));
    }
  }

  /** Run an act with its key, which stays the same as long as nobody knows whether the act arrived. */
  async function withKey(about: string, perform: (key: string) => Promise<unknown>): Promise<void> {
    const key = keys.get(about) ?? newAct();
    keys.set(about, key);
    try {
      await perform(key);
      keys.delete(about);
    } catch (error) {
      if (!isPassing(error)) keys.delete(about);
      throw error;
    }
  }

  /** Choose ready or away: shown at once, taken back when the server refuses. */
  async function choose(state: ChosenState): Promise<void> {
    const { me } = live;
    if (me === null) return;
    wantedState.value = state;
    try {
      await api.chooseState(state, me.version).catch(async (error: unknown) => {
        const current = newerMe(error);
        if (current === null) throw error;
        // Something else changed meanwhile; the person's wish is the newest word.
        await api.chooseState(state, current.version);
      });
    } catch (error) {
      toasts.show(t("state.not_changed"), explain(error), "urgent");
    } finally {
      wantedState.value = null;
    }
  }

  function modeOf(interaction: InteractionView): WritingMode {
    return channels[interaction.channel].composer === null ? "note" : (modes.value[interaction.id] ?? "message");
  }

  function write(mode: WritingMode): void {
    const here = selected.value;
    if (here === null) return;
    modes.value = { ...modes.value, [here.id]: mode };
    focus("composer");
  }

  function focus(place: "composer" | "wrap_up"): void {
    pane.value = "conversation";
    focusAsked.value = { place, times: focusAsked.value.times + 1 };
  }

  /** Ending by a key takes two: this one goes to the button, Enter presses it. */
  function focusEnd(): void {
    const id = selected.value?.id;
    if (id !== undefined) document.querySelector<HTMLElement>(`[data-end="${CSS.escape(id)}"]`)?.focus();
  }

  function showCustomer(tab?: CustomerTab): void {
    const id = recordOf.value?.id;
    if (tab !== undefined && id !== undefined) chooseTab(id, tab);
    drawer.value = true;
    pane.value = "customer";
  }

  function tabOf({ id }: InteractionView): CustomerTab {
    return customerTabs.value[id] ?? (hasTicketDraft(id) ? "tickets" : "timeline");
  }

  function chooseTab(interactionId: string, tab: CustomerTab): void {
    customerTabs.value = { ...customerTabs.value, [interactionId]: tab };
  }

  function askNewTicket(): void {
    const here = selected.value;
    if (here === null) return;
    // The ticket is for the contact in front, not for the one that rings beside it.
    lookBack();
    newTicketFor.value = here.id;
    showCustomer("tickets");
  }

  /** Show the record of a contact that rings; the conversation in front stays where it is. */
  function look(offerId: string): void {
    lookedAt.value = offerId;
    drawer.value = true;
    pane.value = "customer";
  }

  /** Go back from a ringing contact's record to the one of the conversation. */
  function lookBack(): void {
    lookedAt.value = null;
  }

  return {
    selectedId,
    pane,
    drawer,
    newTicketFor,
    modes,
    focusAsked,
    answering,
    ending,
    parking,
    declineAsked,
    wantedState,
    offers,
    active,
    parked,
    wrapUps,
    rows,
    selected,
    selectedOffer,
    peek,
    recordOf,
    chosen,
    awayReason,
    unread,
    select,
    step,
    accept,
    decline,
    end,
    park,
    choose,
    modeOf,
    write,
    focus,
    focusEnd,
    showCustomer,
    tabOf,
    chooseTab,
    askNewTicket,
    look,
    lookBack,
  };
});

function readSeen(): Record<string, number> {
  const stored = readJson(lasting, SEEN_PLACE);
  if (typeof stored !== "object" || stored === null) return {};
  return Object.fromEntries(Object.entries(stored).filter((row): row is [string, number] => typeof row[1] === "number"));
}

/** The newer row in a refusal because of a stale version. */
function newerMe(error: unknown): Pick<MeView, "version"> | null {
  if (!(error instanceof Problem) || error.code !== "stale_version") return null;
  const current = error.extras["current"];
  const version = typeof current === "object" && current !== null ? (current as Record<string, unknown>)["version"] : null;
  return typeof version === "number" ? { version } : null;
}

function explainOffer(error: unknown): string {
  if (error instanceof Problem && error.code === "offer_closed") {
    const { reason } = error.extras;
    return tCode("offer.closed", typeof reason === "string" ? reason : "withdrawn");
  }
  return explain(error);
}
