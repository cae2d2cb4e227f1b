/** The ticket list's filters: as they stand in the address, and as the server is asked. */
import type { LocationQuery, LocationQueryRaw } from "vue-router";
import type { TicketView } from "@/api/types.ts";
import { PRIORITIES, STATUSES } from "@/console/tickets.ts";
import type { Query } from "./api.ts";

export type Sort = "updated" | "created" | "priority";
export type DateOf = "updated" | "created";
export const SORTS: readonly Sort[] = ["updated", "created", "priority"];
/** Days back, today included; 0 is from … to …. */
export const PERIODS = [1, 7, 30, 90] as const;

export interface Filters {
  statuses: readonly TicketView["status"][];
  priorities: readonly TicketView["priority"][];
  queue: string;
  /** An agent's id, `me`, `nobody`, or empty for anyone. */
  assignee: string;
  brand: string;
  customer: string;
  q: string;
  dateOf: DateOf;
  /** Days back as a number, or a day such as 2026-01-31; empty for no bound. */
  days: string;
  from: string;
  to: string;
  sort: Sort;
  order: "desc" | "asc";
}

export const OPEN: Filters["statuses"] = ["open", "pending"];

export const DEFAULTS: Filters = {
  statuses: OPEN,
  priorities: [],
  queue: "",
  assignee: "",
  brand: "",
  customer: "",
  q: "",
  dateOf: "updated",
  days: "",
  from: "",
  to: "",
  sort: "updated",
  order: "desc",
};

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const DAY_MS = 86_400_000;

/** What an address says; whatever it says wrongly is left out. */
export function fromQuery(query: LocationQuery): Filters {
  const text = (name: string): string => {
    const value = query[name];
    return typeof value === "string" ? value : "";
  };
  const some = <Value extends string>(name: string, known: readonly Value[]): Value[] =>
    known.filter((value) => text(name).split(",").includes(value));
  const day = (name: string): string => (DAY.test(text(name)) ? text(name) : "");
  return {
    statuses: "status" in query ? some("status", STATUSES) : OPEN,
    priorities: some("priority", PRIORITIES),
    queue: text("queue"),
    assignee: text("assignee"),
    brand: text("brand"),
    customer: text("customer"),
    q: text("q"),
    dateOf: text("date") === "created" ? "created" : "updated",
    days: /^\d{1,3}$/.test(text("days")) ? text("days") : "",
    from: day("from"),
    to: day("to"),
    sort: SORTS.find((sort) => sort === text("sort")) ?? "updated",
    order: text("order") === "asc" ? "asc" : "desc",
  };
}

/** The address of these filters: only what differs from the defaults. */
export function toQuery(filters: Filters): LocationQueryRaw {
  const query: LocationQueryRaw = {};
  if (!isSame(filters.statuses, OPEN)) query["status"] = filters.statuses.join(",");
  if (filters.priorities.length > 0) query["priority"] = filters.priorities.join(",");
  for (const name of ["queue", "assignee", "brand", "customer", "q", "days", "from", "to"] as const) {
    if (filters[name] !== "") query[name] = filters[name];
  }
  if (filters.dateOf !== "updated") query["date"] = filters.dateOf;
  if (filters.sort !== "updated") query["sort"] = filters.sort;
  if (filters.order !== "desc") query["order"] = filters.order;
  return query;
}

/** What the server is asked; days begin at midnight of this browser's clock. `now` in ms. */
export function toAsk(filters: Filters, now: number): Query {
  const [from, to] = span(filters, now);
  return {
    status: filters.statuses.join(","),
    priority: filters.priorities.join(","),
    queue: filters.queue,
    assignee: filters.assignee,
    brand: filters.brand,
    customer: filters.customer,
    q: filters.q.trim(),
    [`${filters.dateOf}_from`]: from,
    [`${filters.dateOf}_to`]: to,
    sort: filters.sort,
    order: filters.order,
  };
}

/** Whether anything but the status and the order is asked for. */
export function isNarrow(filters: Filters): boolean {
  return Object.keys(toQuery({ ...filters, sort: DEFAULTS.sort, order: DEFAULTS.order })).length > 0;
}

/** Whether the first day is after the last one. */
export function isBackwards({ days, from, to }: Filters): boolean {
  return days === "" && from !== "" && to !== "" && from > to;
}

function span({ days, from, to }: Filters, now: number): [number | null, number | null] {
  if (days !== "") return [(midnight(new Date(now)) - (Number(days) - 1) * DAY_MS) * 1000, null];
  const start = from === "" ? null : new Date(`${from}T00:00`).getTime() * 1000;
  const end = to === "" ? null : (new Date(`${to}T00:00`).getTime() + DAY_MS) * 1000;
  return [start, end];
}

function midnight(day: Date): number {
  return new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((value) => other.includes(value));
}
