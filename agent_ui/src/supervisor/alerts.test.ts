import { createPinia, setActivePinia } from "pinia";
import { beforeEach, describe, expect, it } from "vitest";
import type { AgentBoardView, AlertView, BoardView, QueueBoardView } from "@/api/types.ts";
import { queueOnBoard } from "@/live/fixtures/samples.ts";
import { detailOf, valueNow } from "./alerts.ts";

const NOW = 1_000_000_000;
const queue = (id: string, change: Partial<QueueBoardView>): QueueBoardView => queueOnBoard({ id, name: id, ...change });
const agent = (id: string, queues: string[]): AgentBoardView => ({ id, name: id, status: "ready", reason: null, since: 1, interactions: 0, queues, version: 1 });
const board: BoardView = {
  at: NOW,
  position: 1,
  queues: [
    queue("service", { waiting: 3, oldest_at: NOW - 90_000_000, offered_today: 20, answered_in_target_today: 8, abandoned_today: 4 }),
    queue("sales", { waiting: 1, oldest_message_at: 1, offered_today: 10, answered_in_target_today: 10 }),
  ],
  agents: [agent("a", ["service", "sales"]), agent("b", ["sales"])],
  trend: null,
  alerts: [],
  targets: {},
};
const alert = (figure: AlertView["figure"], queueId: string | null = null): AlertView => ({
  id: "alr_1",
  rule_id: "r",
  name: "Rule",
  figure,
  queue_id: queueId,
  level: "urgent",
  raise_at: 70,
  clear_at: 75,
  value: 48,
  raised_at: 1,
  cleared_at: null,
  clear_reason: null,
  acknowledged_at: null,
  acknowledged_by: null,
  version: 1,
});

beforeEach(() => {
  setActivePinia(createPinia());
});

describe("an alert's figure at this moment", () => {
  it("is of all queues, each agent once", () => {
    const values = (["waiting", "longest_wait_s", "service_level_pct", "abandoned_pct", "agents_ready"] as const).map((figure) => Math.round(valueNow(alert(figure), board, NOW) ?? -1));
    expect(values).toEqual([4, 90, 60, 13, 2]);
  });

  it("is of the rule's queue, where a mail alone makes nobody wait too long", () => {
    expect(valueNow(alert("waiting", "service"), board, NOW)).toBe(3);
    expect(valueNow(alert("agents_ready", "service"), board, NOW)).toBe(1);
    expect(valueNow(alert("longest_wait_s", "sales"), board, NOW)).toBe(0);
  });

  it("is told instead of what raised it", () => {
    const raised = alert("service_level_pct");
    expect(detailOf(raised, valueNow(raised, board, NOW))).toBe("now 60% service level, threshold 70%");
    expect(detailOf(raised, valueNow(raised, null, NOW))).toBe("48% service level, threshold 70%");
  });
});
