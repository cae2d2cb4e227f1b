/** Tickets as the console sorts and colours them. */
import type { TicketView } from "@/api/types.ts";

export const STATUSES: readonly TicketView["status"][] = ["open", "pending", "solved", "closed"];
export const PRIORITIES: readonly TicketView["priority"][] = ["low", "normal", "high", "urgent"];

export const STATUS_TONE = {
  open: "accent",
  pending: "attention",
  solved: "ready",
  closed: "away",
} as const satisfies Record<TicketView["status"], string>;

export const PRIORITY_TONE = {
  low: "away",
  normal: "away",
  high: "attention",
  urgent: "urgent",
} as const satisfies Record<TicketView["priority"], string>;

/** Whether somebody still has to do something. */
export function isOpen({ status }: TicketView): boolean {
  return status === "open" || status === "pending";
}

/** Open ones first, most urgent first, then the newest. */
export function sortTickets(tickets: readonly TicketView[]): TicketView[] {
  const rank = (ticket: TicketView) => (isOpen(ticket) ? PRIORITIES.length - PRIORITIES.indexOf(ticket.priority) : 99);
  return [...tickets].sort((one, other) => rank(one) - rank(other) || other.updated_at - one.updated_at);
}
