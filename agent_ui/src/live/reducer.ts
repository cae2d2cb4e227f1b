/**
 * How the console's state follows the server's numbered frames. Pure: no clock, no chance, nothing outside.
 *
 * The server has the same function; both are held to the same recorded (before, frames, after) triples.
 */
import type { FrameView, SnapshotView } from "@/api/types.ts";

const COLLECTIONS = ["me", "offers", "interactions", "entries", "cards"] as const;
type Collection = (typeof COLLECTIONS)[number];
type Rows = Readonly<Record<string, unknown>>;

/** The frame starts after a position that the state has not reached: something in between is missing. */
export const GAP = Symbol("gap");

/** The state after the frame: the same object if the frame brings nothing new, GAP if frames are missing. */
export function apply(state: SnapshotView, frame: FrameView): SnapshotView | typeof GAP {
  if (frame.position <= state.position) return state;
  if (frame.prev > state.position) return GAP;
  const next: Record<Collection, Rows> & { position: number } = { ...state, position: frame.position };
  for (const name of COLLECTIONS) {
    const put = frame.put[name];
    if (put !== undefined && !isEmpty(put)) next[name] = { ...state[name], ...put };
  }
  next.offers = without(next.offers, frame.drop.offers);
  next.interactions = without(next.interactions, frame.drop.interactions);
  return prune(next as unknown as SnapshotView);
}

/** Remove what hangs on nothing any more; gives the same maps where nothing had to go. */
export function prune(state: SnapshotView): SnapshotView {
  const { interactions } = state;
  const served = new Set(Object.values(interactions).map((interaction) => interaction.customer_id));
  return {
    ...state,
    offers: keep(state.offers, (offer) => offer.interaction_id in interactions),
    entries: keep(state.entries, (entry) => entry.interaction_id in interactions),
    cards: keep(state.cards, (_card, customerId) => served.has(customerId)),
  };
}

function without(rows: Rows, ids: readonly string[] | undefined): Rows {
  if (ids?.some((id) => id in rows) !== true) return rows;
  const gone = new Set(ids);
  return Object.fromEntries(Object.entries(rows).filter(([id]) => !gone.has(id)));
}

function keep<Row>(rows: Record<string, Row>, wanted: (row: Row, id: string) => boolean): Record<string, Row> {
  const all = Object.entries(rows);
  const kept = all.filter(([id, row]) => wanted(row, id));
  return kept.length === all.length ? rows : Object.fromEntries(kept);
}

function isEmpty(rows: object): boolean {
  return Object.keys(rows).length === 0;
}
