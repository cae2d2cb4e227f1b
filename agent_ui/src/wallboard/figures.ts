/** The wallboard's sums. Pure: the board and the present instant in, figures out. */
import type { AgentBoardView, BoardView, Micros, QueueBoardView } from "@/api/types.ts";
import { formatNumber } from "@/i18n/index.ts";
import { formatTimer, secondsBetween } from "@/i18n/time.ts";
import type { FigureId } from "./trend.ts";

/** The board is pushed at most once a second; older than that many seconds and it is called old. */
export const STALE_AFTER_S = 10;

export interface Summary {
  waiting: number;
  /** Of calls and chats, seconds; null when none waits. */
  longestWait: number | null;
  /** Share of today's offered contacts that were answered within the target, 0 to 1; null before the first one. */
  serviceLevel: number | null;
  answered: number;
  answeredInTarget: number;
  offered: number;
  /** Left for another queue before anybody answered; they count as offered in both. */
  movedOut: number;
  abandoned: number;
  agentsReady: number;
  /** Agents who are in a contact or finish one. */
  agentsWorking: number;
  /** Working share of those who are there and not away, 0 to 1; null when nobody is. */
  occupancy: number | null;
}

/** States in which an agent works on a contact. */
const WORKING: ReadonlySet<AgentBoardView["status"]> = new Set(["busy", "wrap_up"]);
/** States in which an agent waits for one. */
const FREE: ReadonlySet<AgentBoardView["status"]> = new Set(["ready", "offered"]);

export function summarise(board: BoardView, now: Micros): Summary {
  const sum = (pick: (queue: QueueBoardView) => number) => board.queues.reduce((total, queue) => total + pick(queue), 0);
  const oldest = board.queues.flatMap((queue) => queue.oldest_at ?? []);
  const offered = sum((queue) => queue.offered_today);
  const movedOut = sum((queue) => queue.moved_out_today);
  const answeredInTarget = sum((queue) => queue.answered_in_target_today);
  const working = board.agents.filter(({ status }) => WORKING.has(status)).length;
  const free = board.agents.filter(({ status }) => FREE.has(status)).length;
  return {
    waiting: sum((queue) => queue.waiting),
    longestWait: oldest.length === 0 ? null : secondsBetween(Math.min(...oldest), now),
    serviceLevel: share(answeredInTarget, offered - movedOut),
    answered: sum((queue) => queue.answered_today),
    answeredInTarget,
    offered,
    movedOut,
    abandoned: sum((queue) => queue.abandoned_today),
    agentsReady: board.agents.filter(({ status }) => status === "ready").length,
    agentsWorking: working,
    occupancy: working + free === 0 ? null : working / (working + free),
  };
}

/** The board of one queue: its own rows, alerts and the agents who serve it; trends and targets are of all together. */
export function ofQueue(board: BoardView, id: string): BoardView {
  return {
    ...board,
    queues: board.queues.filter((queue) => queue.id === id),
    agents: board.agents.filter((agent) => agent.queues.includes(id)),
    alerts: board.alerts.filter((alert) => alert.queue_id === id),
    trend: null,
    targets: {},
  };
}

/** Share of a queue's offered contacts that were answered within its target; null before the first one. */
export function serviceLevelOf(queue: QueueBoardView): number | null {
  return serviceLevelsOf(queue).ofOffered;
}

export interface ServiceLevels {
  ofOffered: number | null;
  withoutShortAbandons: number | null;
  ofAnswered: number | null;
}

type Counters = Pick<
  QueueBoardView,
  "offered_today" | "moved_out_today" | "answered_today" | "answered_in_target_today" | "abandoned_in_target_today"
>;

/** All three definitions, as the server's recount has them. */
export function serviceLevelsOf(counts: Counters): ServiceLevels {
  const stayed = counts.offered_today - counts.moved_out_today;
  return {
    ofOffered: share(counts.answered_in_target_today, stayed),
    withoutShortAbandons: share(counts.answered_in_target_today, stayed - counts.abandoned_in_target_today),
    ofAnswered: share(counts.answered_in_target_today, counts.answered_today),
  };
}

/** The counters of several queues as one. */
export function addUp(queues: readonly QueueBoardView[]): Counters {
  const sum = (pick: (queue: QueueBoardView) => number) => queues.reduce((total, queue) => total + pick(queue), 0);
  return {
    offered_today: sum((queue) => queue.offered_today),
    moved_out_today: sum((queue) => queue.moved_out_today),
    answered_today: sum((queue) => queue.answered_today),
    answered_in_target_today: sum((queue) => queue.answered_in_target_today),
    abandoned_in_target_today: sum((queue) => queue.abandoned_in_target_today),
  };
}

function share(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null;
}

export function formatShare(value: number | null): string {
  return value === null ? "–" : formatNumber(value, { style: "percent", maximumFractionDigits: 0 });
}

/** A figure as its tile shows it. */
export function formatFigure(sum: Summary, figure: FigureId): string {
  switch (figure) {
    case "waiting":
      return formatNumber(sum.waiting);
    case "longest_wait":
      return sum.longestWait === null ? "–" : formatTimer(sum.longestWait);
    case "service_level":
      return formatShare(sum.serviceLevel);
    case "abandoned":
      return formatNumber(sum.abandoned);
    case "agents_ready":
      return formatNumber(sum.agentsReady);
    case "occupancy":
      return formatShare(sum.occupancy);
  }
}

export const STATUS_ORDER: readonly AgentBoardView["status"][] = [
  "offered",
  "busy",
  "wrap_up",
  "ready",
  "away",
  "lost",
  "signed_out",
];

/** Agents by state, in a fixed order of states, longest in the state first. */
export function groupAgents(agents: readonly AgentBoardView[]): { status: AgentBoardView["status"]; agents: AgentBoardView[] }[] {
  return STATUS_ORDER.map((status) => ({
    status,
    agents: agents.filter((agent) => agent.status === status).sort((one, other) => one.since - other.since),
  })).filter((group) => group.agents.length > 0);
}
