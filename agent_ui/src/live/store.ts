/** The console's live state for the components: what the server holds for this agent, kept right by `Sync`. */
import { defineStore } from "pinia";
import { computed, ref, shallowRef } from "vue";
import { api } from "@/api/index.ts";
import type {
  AlertView,
  BoardView,
  CardView,
  CustomerView,
  EntryView,
  EventView,
  FloorView,
  InteractionView,
  MeView,
  OfferView,
  SnapshotView,
  TicketView,
} from "@/api/types.ts";
import { serverClock } from "./clock.ts";
import { Outbox, type Line, type LineKind } from "./outbox.ts";
import { lasting } from "./storage.ts";
import { backoff, Sync, type Connection, type StopReason } from "./sync.ts";

type EventListener = (event: EventView) => void;

export const useLive = defineStore("live", () => {
  const state = shallowRef<SnapshotView | null>(null);
  const connection = ref<Connection>("connecting");
  const stopped = ref<StopReason | null>(null);
  /** Since when frames have not been flowing; null while they do. Browser's reckoning of the server's clock. */
  const lostSince = ref<number | null>(null);
  const board = shallowRef<BoardView | null>(null);
  /** What a supervisor can take hold of, while somebody here looks at it. */
  const floor = shallowRef<FloorView | null>(null);
  /** Thresholds that are passed now; null for who may not know, and until the first word. */
  const alerts = shallowRef<readonly AlertView[] | null>(null);
  const lines = shallowRef<readonly Line[]>([]);
  /** Newer copies of rows than the state has, from answers to our own changes; they go when a frame catches up. */
  const newerTickets = shallowRef<Record<string, TicketView>>({});
  const newerCustomers = shallowRef<Record<string, CustomerView>>({});
  const listeners = new Set<EventListener>();

  let sync: Sync | null = null;
  let outbox: Outbox | null = null;
  let boardViewers = 0;
  let floorViewers = 0;

  const me = computed<MeView | null>(() => Object.values(state.value?.me ?? {})[0] ?? null);
  const offers = computed<OfferView[]>(() =>
    Object.values(state.value?.offers ?? {}).sort((one, other) => one.made_at - other.made_at),
  );
  const interactions = computed<InteractionView[]>(() =>
    Object.values(state.value?.interactions ?? {}).sort((one, other) => one.created_at - other.created_at),
  );
  const entriesByInteraction = computed(() => {
    const found = new Map<string, EntryView[]>();
    for (const entry of Object.values(state.value?.entries ?? {})) {
      const list = found.get(entry.interaction_id);
      if (list === undefined) found.set(entry.interaction_id, [entry]);
      else list.push(entry);
    }
    for (const list of found.values()) list.sort((one, other) => one.seq - other.seq);
    return found;
  });
  /** Nothing arrives at the moment, so what is shown may be old. */
  const isLost = computed(() => connection.value === "offline" || (connection.value === "connecting" && state.value !== null));

  function interaction(id: string): InteractionView | undefined {
    return state.value?.interactions[id];
  }

  function entries(interactionId: string): readonly EntryView[] {
    return entriesByInteraction.value.get(interactionId) ?? [];
  }

  /** The customer's card, with our own changes that the frames have not brought yet. */
  function card(customerId: string): CardView | undefined {
    const found = state.value?.cards[customerId];
    if (found === undefined) return undefined;
    const customer = newerCustomers.value[customerId];
    const tickets = mergeTickets(found.tickets, customerId);
    const isNewer = customer !== undefined && customer.version > found.customer.version;
    return isNewer || tickets !== found.tickets
      ? { ...found, tickets, customer: isNewer ? customer : found.customer }
      : found;
  }

  function mergeTickets(known: TicketView[], customerId: string): TicketView[] {
    const newer = Object.values(newerTickets.value).filter((ticket) => {
      const held = known.find((other) => other.id === ticket.id);
      return held === undefined ? ticket.customer_id === customerId : ticket.version > held.version;
    });
    if (newer.length === 0) return known;
    const ids = new Set(newer.map((ticket) => ticket.id));
    return [...newer, ...known.filter((ticket) => !ids.has(ticket.id))];
  }

  /** Tickets that were made here for a contact of somebody without a record. */
  function looseTickets(interactionId: string): TicketView[] {
    return Object.values(newerTickets.value).filter(({ interaction_ids: ids }) => ids.includes(interactionId));
  }

  function noteTicket(ticket: TicketView): void {
    newerTickets.value = { ...newerTickets.value, [ticket.id]: ticket };
  }

  function noteCustomer(customer: CustomerView): void {
    newerCustomers.value = { ...newerCustomers.value, [customer.id]: customer };
  }

  function onEvent(listener: EventListener): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  function begin(agentId: string): void {
    if (sync !== null) return;
    outbox = new Outbox({
      store: lasting,
      place: `desk.outbox.${agentId}`,
      now: () => serverClock.now(),
      send: (line) =>
        line.kind === "note"
          ? api.addNote(line.interactionId, line.text, line.key)
          : api.sendMessage(line.interactionId, line.text, line.key),
      onChange: (changed) => {
        lines.value = changed;
      },
      later: (act, attempt) => setTimeout(act, backoff(attempt)),
    });
    sync = new Sync({
      onState: (next, frames) => {
        state.value = next;
        const events = frames.flatMap((frame) => frame.events);
        for (const event of events) serverClock.notBefore(event.at);
        confirmLines(next);
        for (const event of events) for (const listener of listeners) listener(event);
      },
      onBoard: (next) => {
        board.value = next;
      },
      onFloor: (next) => {
        floor.value = next;
      },
      onAlerts: (next) => {
        alerts.value = next.alerts;
      },
      onConnection: (next) => {
        connection.value = next;
        const isFlowing = next === "online" || next === "catching_up";
        lostSince.value = isFlowing ? null : (lostSince.value ?? serverClock.now());
        outbox?.setOnline(isFlowing);
      },
      onStopped: (reason) => {
        stopped.value = reason;
      },
    });
    stopped.value = null;
    sync.start();
    if (boardViewers > 0) sync.watchBoard();
    if (floorViewers > 0) sync.watchFloor();
    window.addEventListener("online", hurry);
  }

  function end(): void {
    sync?.stop();
    sync = null;
    outbox = null;
    state.value = null;
    board.value = null;
    floor.value = null;
    alerts.value = null;
    lines.value = [];
    newerTickets.value = {};
    newerCustomers.value = {};
    window.removeEventListener("online", hurry);
  }

  function hurry(): void {
    sync?.hurry();
  }

  function confirmLines(next: SnapshotView): void {
    const keys = new Set<string>();
    for (const entry of Object.values(next.entries)) if (entry.key !== null) keys.add(entry.key);
    outbox?.confirm(keys);
    outbox?.forget((id) => id in next.interactions);
  }

  function write(interactionId: string, kind: LineKind, text: string): void {
    outbox?.add(interactionId, kind, text);
  }

  function watchBoard(): () => void {
    boardViewers += 1;
    if (boardViewers === 1) sync?.watchBoard();
    return () => {
      boardViewers -= 1;
      if (boardViewers === 0) sync?.unwatchBoard();
    };
  }

  function watchFloor(): () => void {
    floorViewers += 1;
    if (floorViewers === 1) sync?.watchFloor();
    return () => {
      floorViewers -= 1;
      if (floorViewers === 0) sync?.unwatchFloor();
    };
  }

  return {
    state,
    connection,
    stopped,
    lostSince,
    isLost,
    board,
    floor,
    alerts,
    lines,
    me,
    offers,
    interactions,
    interaction,
    entries,
    card,
    looseTickets,
    noteTicket,
    noteCustomer,
    onEvent,
    begin,
    end,
    hurry,
    write,
    retryLine: (key: string) => outbox?.retry(key),
    discardLine: (key: string) => outbox?.discard(key),
    watchBoard,
    watchFloor,
  };
});
