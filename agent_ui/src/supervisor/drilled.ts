/** Which number somebody looks into. */
import type { AgentBoardView } from "@/api/types.ts";

export const INTERVAL_US = 900_000_000;

export interface Drilled {
  /** A name of the server's lists, or a figure that is made of agents. */
  figure: string;
  /** Null: all queues. */
  queue: string | null;
  /** Beginning of 15 minutes in µs; null: the day, or now. */
  start: number | null;
}

const LIVE: ReadonlySet<string> = new Set(["waiting", "longest_wait", "in_contact"]);

/** Whether a figure counts this moment, not a day. */
export function isLive(figure: string): boolean {
  return LIVE.has(figure);
}

/** The states of agents that a figure counts. */
export const STATUSES_OF: Readonly<Partial<Record<string, readonly AgentBoardView["status"][]>>> = {
  agents_ready: ["ready"],
  occupancy: ["busy", "wrap_up", "offered", "ready"],
};

export const MADE_OF_AGENTS: ReadonlySet<string> = new Set(Object.keys(STATUSES_OF));
