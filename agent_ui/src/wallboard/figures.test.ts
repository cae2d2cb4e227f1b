import { describe, expect, it } from "vitest";
import type { AgentBoardView, BoardView, QueueBoardView } from "@/api/types.ts";
import { queueOnBoard as queue, T0 } from "@/live/fixtures/samples.ts";
import { groupAgents, serviceLevelOf, summarise } from "./figures.ts";

function agent(status: AgentBoardView["status"], change: Partial<AgentBoardView> = {}): AgentBoardView {
  return { id: status, name: status, status, reason: null, since: T0, interactions: 0, queues: [], version: 1, ...change };
}

function board(queues: QueueBoardView[], agents: AgentBoardView[]): BoardView {
  return { at: T0, position: 1, queues, agents, trend: null, alerts: [], targets: {} };
}

describe("the board's sums", () => {
  it("add up over the queues", () => {
    const sum = summarise(
      board(
        [
          queue({ waiting: 2, oldest_at: T0 - 90_000_000, offered_today: 10, answered_in_target_today: 7, abandoned_today: 1 }),
          queue({ waiting: 1, oldest_at: T0 - 30_000_000, offered_today: 10, answered_in_target_today: 9, answered_today: 10 }),
        ],
        [],
      ),
      T0 + 5_000_000,
    );
    expect(sum).toMatchObject({ waiting: 3, longestWait: 95, serviceLevel: 0.8, abandoned: 1, answered: 10, offered: 20 });
  });

  it("say nothing where there is nothing to divide by", () => {
    expect(summarise(board([queue()], []), T0)).toMatchObject({ longestWait: null, serviceLevel: null, occupancy: null });
    expect(serviceLevelOf(queue())).toBeNull();
  });

  it("count who works among those who are there", () => {
    const agents = [agent("busy"), agent("wrap_up"), agent("ready"), agent("offered"), agent("away"), agent("lost")];
    expect(summarise(board([], agents), T0)).toMatchObject({ agentsReady: 1, agentsWorking: 2, occupancy: 0.5 });
  });

  it("group agents by state, longest in it first, and lose nobody", () => {
    const agents = [
      agent("away", { id: "late", since: T0 + 1 }),
      agent("signed_out"),
      agent("away", { id: "early", since: T0 }),
      agent("busy"),
    ];
    const groups = groupAgents(agents);
    expect(groups.map(({ status }) => status)).toEqual(["busy", "away", "signed_out"]);
    expect(groups[1]?.agents.map(({ id }) => id)).toEqual(["early", "late"]);
    expect(groups.flatMap((group) => group.agents)).toHaveLength(agents.length);
  });
});
