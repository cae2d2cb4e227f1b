import { describe, expect, it, vi } from "vitest";
import { effectScope, nextTick, ref } from "vue";
import type { SearchHitView } from "@/api/types.ts";
import { pagesApi } from "./api.ts";
import { DEFAULTS, fromQuery, isBackwards, isNarrow, toAsk, toQuery, type Filters } from "./filters.ts";
import { Problem } from "@/api/problem.ts";
import { explainSearch, placeOf, useSearch } from "./search.ts";
import { isBeginning, isSearchable } from "./words.ts";

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

  it("know when the first day is after the last", () => {
    expect(isBackwards({ ...DEFAULTS, from: "2026-05-21", to: "2026-05-20" })).toBe(true);
    expect(isBackwards({ ...DEFAULTS, from: "2026-05-20", to: "2026-05-20" })).toBe(false);
    expect(isBackwards({ ...DEFAULTS, from: "2026-05-21" })).toBe(false);
  });

  it("are narrow when something besides the order is asked", () => {
    expect(isNarrow({ ...DEFAULTS, sort: "created", order: "asc" })).toBe(false);
    expect(isNarrow({ ...DEFAULTS, q: "x" })).toBe(true);
  });
});

describe("what is typed into a search", () => {
  it("is asked only with a letter or a digit of any script in it", async () => {
    const search = vi.spyOn(pagesApi, "search").mockResolvedValue({ groups: [] });
    const query = ref("");
    const scope = effectScope();
    const searching = scope.run(() => useSearch(query));
    for (const hollow of ["*", "%", "🙂 !"]) {
      query.value = hollow;
      await nextTick();
      expect([isSearchable(hollow), searching?.isHollow.value, searching?.busy.value]).toEqual([false, true, false]);
    }
    expect(["ß", "日", "7", "* a"].every(isSearchable)).toBe(true);
    query.value = "ß";
    await vi.waitFor(() => {
      expect(search.mock.calls).toEqual([["ß"]]);
    });
    scope.stop();
  });

  it("is refused without the name of a parameter", () => {
    expect(explainSearch(new Problem(422, { detail: "q: at most 8 words can be searched at once." }))).toBe("At most 8 words can be searched at once.");
  });
});

describe("a description", () => {
  it("is known for the beginning of the first message", () => {
    expect(isBeginning("My oven\nis cold.", "My oven is cold. Since May")).toBe(true);
    expect(isBeginning("My oven", "Your oven")).toBe(false);
    expect(isBeginning("", "My oven")).toBe(false);
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
