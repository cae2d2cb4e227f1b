/** The operations of a supervisor. A POST that directs somebody carries the act's key and the version that was seen. */
import { client } from "@/api/index.ts";
import type {
  AgentForcedView,
  AlertsView,
  AlertView,
  CountedPageView,
  InteractionView,
  IntervalsView,
  LiveContactView,
} from "@/api/types.ts";

export interface Seen {
  id: string;
  version: number;
}

export type ForcedState = { state: "ready" } | { state: "away"; away_reason: string } | { state: "signed_out" };

const post = <Answer>(path: string, act: string, version: number, body: unknown) =>
  client.send<Answer>({ method: "POST", path: `/api/v1/${path}`, act, version, body });
const get = <Answer>(path: string, query: Readonly<Record<string, string | number | null>> = {}) =>
  client.send<Answer>({ method: "GET", path: `/api/v1/${path}${queryOf(query)}` });

function queryOf(query: Readonly<Record<string, string | number | null>>): string {
  const given = Object.entries(query).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]]));
  return given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`;
}

export const supervision = {
  move: (contact: Seen, queueId: string, reason: string, act: string) =>
    post<LiveContactView>(`interactions/${contact.id}/move`, act, contact.version, { queue_id: queueId, reason }),
  assign: (contact: Seen, agentId: string, reason: string, act: string) =>
    post<LiveContactView>(`interactions/${contact.id}/assign`, act, contact.version, { agent_id: agentId, reason }),
  prioritise: (contact: Seen, minutes: number, reason: string, act: string) =>
    post<LiveContactView>(`interactions/${contact.id}/prioritise`, act, contact.version, { head_start_min: minutes, reason }),
  callOff: (contactId: string, act: string) =>
    client.send<InteractionView>({ method: "POST", path: `/api/v1/interactions/${contactId}/cancel-callback`, act, body: {} }),
  force: (agent: Seen, state: ForcedState, reason: string, act: string) =>
    post<AgentForcedView>(`agents/${agent.id}/state`, act, agent.version, { ...state, reason }),
  acknowledge: (alert: Seen, act: string) => post<AlertView>(`alerts/${alert.id}/acknowledge`, act, alert.version, {}),
  alerts: (before: string | null) => get<AlertsView>("alerts", { before, limit: 30 }),
  counted: (figure: string, queue: string | null, start: number | null, before: string | null) =>
    get<CountedPageView>(`figures/${figure}/contacts`, { queue, start, before, limit: 30 }),
  intervals: (day: string | null, queue: string | null) => get<IntervalsView>("intervals", { day, queue }),
};

/** Where the browser fetches the same as a file. */
export function csvAddress(day: string | null, queue: string | null, forExcel: boolean): string {
  return `/api/v1/intervals.csv${queryOf({ day, queue, bom: forExcel ? "true" : null })}`;
}
