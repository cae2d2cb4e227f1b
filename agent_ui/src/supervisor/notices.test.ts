import { expect, it } from "vitest";
import type { EventView } from "@/api/types.ts";
import { noticeOf } from "./notices.ts";

const event = (kind: string, actor: string, data: EventView["data"]): EventView => ({ position: 1, at: 1, kind, subject: "int_1", actor, data });

it("tells an agent what somebody else did to them, and nothing of what they did or the desk decided", () => {
  const moved = { agent_id: "agt_me", reason: "moved" };
  expect(noticeOf(event("interaction.queued", "agt_sue", moved), "agt_me")?.title).toBe("notice.moved");
  expect(noticeOf(event("interaction.queued", "agt_sue", { agent_id: "agt_me", reason: "reassigned" }), "agt_me")?.title).toBe("notice.reassigned");
  expect(noticeOf(event("interaction.queued", "system", { agent_id: "agt_me", reason: "agent_lost" }), "agt_me")).toBeNull();
  expect(noticeOf(event("interaction.queued", "agt_sue", moved), "agt_other")).toBeNull();
  expect(noticeOf(event("interaction.answered", "agt_me", { agent_id: "agt_me" }), "agt_me")).toBeNull();
  expect(noticeOf(event("interaction.answered", "agt_sue", { agent_id: "agt_me" }), "agt_me")?.title).toBe("notice.assigned");
  expect(noticeOf(event("agent.state_changed", "router", { agent_id: "agt_me", state: "away" }), "agt_me")).toBeNull();
  expect(noticeOf(event("agent.state_changed", "agt_sue", { agent_id: "agt_me", state: "away" }), "agt_me")?.text).toBe("notice.state_away");
});
