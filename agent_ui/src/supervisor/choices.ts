/** What a supervisor can do with whom. Pure; the server decides all the same. */
import type { AgentBoardView, BoardView, LiveContactView } from "@/api/types.ts";

export type ContactAct = "move" | "assign" | "prioritise";

/** Head starts to choose from, minutes. */
export const AHEAD_MINUTES: readonly number[] = [0, 5, 15, 60];

const WAITING: ReadonlySet<string> = new Set(["queued", "offered"]);
const OPEN: ReadonlySet<string> = new Set(["queued", "offered", "connecting", "active", "parked"]);

export function isWaiting(contact: LiveContactView): boolean {
  return WAITING.has(contact.state);
}

/** Whether the contact can be moved, assigned and prioritised. */
export function isOpen(contact: LiveContactView): boolean {
  return OPEN.has(contact.state);
}

/** Whether nobody is on the line, and the callback can still be called off. */
export function isCallbackWaiting(contact: LiveContactView): boolean {
  return contact.callback && isWaiting(contact);
}

/** Who could be given it, those who hold least first: ready by their own word and there. */
export function agentChoices(agents: readonly AgentBoardView[], contact: LiveContactView): AgentBoardView[] {
  const there: ReadonlySet<AgentBoardView["status"]> = new Set(["ready", "offered", "busy", "wrap_up"]);
  return agents
    .filter((agent) => there.has(agent.status) && agent.reason === null && agent.id !== contact.agent_id)
    .sort((one, other) => one.interactions - other.interactions || one.since - other.since);
}

/** Whether what the supervisor decided on is still so; a new message or version alone is no reason to ask again. */
export function sameForUs(one: LiveContactView, other: LiveContactView): boolean {
  const waits = isWaiting(one) && isWaiting(other);
  return (
    one.queue_id === other.queue_id &&
    one.agent_id === other.agent_id &&
    one.head_start_min === other.head_start_min &&
    (one.state === other.state || waits)
  );
}

/** Minutes that are shown as a head start; a longer promise of a medium is none. */
export function aheadOf(contact: LiveContactView): number {
  return Math.max(0, contact.head_start_min);
}

/** Media whose customers are not at the other end while they wait: judged by the queue's promise for messages. */
const MESSAGES: ReadonlySet<LiveContactView["channel"]> = new Set(["email", "sms"]);

/** Whether it has waited beyond its queue's promise for its medium, as of the board. */
export function isLate(contact: LiveContactView, board: BoardView): boolean {
  const queue = board.queues.find(({ id }) => id === contact.queue_id);
  if (!isWaiting(contact) || contact.queued_at === null || queue === undefined) return false;
  const target = MESSAGES.has(contact.channel) ? queue.message_target_s : queue.target_s;
  return board.at - contact.queued_at > target * 1_000_000;
}
