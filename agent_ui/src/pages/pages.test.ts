import { describe, expect, it } from "vitest";
import type { SearchHitView } from "@/api/types.ts";
import { DEFAULTS, fromQuery, isNarrow, toAsk, toQuery, type Filters } from "./filters.ts";
import { placeOf } from "./search.ts";

const NOON = new Date(2026, 4, 20, 12).getTime();
const MIDNIGHT = new Date(2026, 4, 20).getTime() * 1000;
const DAY = 86_400_000_000;

describe("the filters of the ticket list", () => {
  it("stand in the address and come back from it", () => {
    const filters: Filters = { ...DEFAULTS, statuses: ["solved"], priorities: ["high"], assignee: "me", q: "öl & co", days: "7", sort: "priority", order: "asc" };
    const query = toQuery(filters) as Record<string, string>;
    expect(fromQuery(query)).toEqual(filters);
    expect(toQuery(DEFAULTS)).toEqual({});
  });

  it("leave out what an address says wrongly", () => {
    expect(fromQuery({ status: "new,open", priority: "x", days: "-1", from: "tomorrow", sort: "subject", order: "up", q: ["a", "b"] })).toEqual({ ...DEFAULTS, statuses: ["open"] });
  });

  it("ask for whole days of this clock", () => {
    const span = (some: Partial<Filters>) => toAsk({ ...DEFAULTS, ...some }, NOON);
    expect(span({ days: "1" })).toMatchObject({ updated_from: MIDNIGHT, updated_to: null });
    expect(span({ days: "7", dateOf: "created" })).toMatchObject({ created_from: MIDNIGHT - 6 * DAY });
    expect(span({ from: "2026-05-20", to: "2026-05-20" })).toMatchObject({ updated_from: MIDNIGHT, updated_to: MIDNIGHT + DAY });
  });

  it("are narrow when something besides the order is asked", () => {
    expect(isNarrow({ ...DEFAULTS, sort: "created", order: "asc" })).toBe(false);
    expect(isNarrow({ ...DEFAULTS, q: "x" })).toBe(true);
  });
});

describe("where a hit leads", () => {
  const hit = { interaction_id: "int_1", ticket_id: null, customer_id: "cus_1" } as SearchHitView;

  it("is the agent's own contact first, then the ticket, then the customer", () => {
    expect(placeOf(hit, () => true)).toEqual({ contact: "int_1" });
    expect(placeOf({ ...hit, ticket_id: "tic_1" }, () => false)).toEqual({ path: "/tickets/tic_1" });
    expect(placeOf(hit, () => false)).toEqual({ path: "/customers/cus_1" });
    expect(placeOf({ ...hit, customer_id: null }, () => false)).toBeNull();
  });
});
