/** Which events tell an agent that a supervisor has acted on them. Pure. */
import type { EventView } from "@/api/types.ts";
import type { TextKey } from "@/i18n/index.ts";

export interface Notice {
  title: TextKey;
  text: TextKey | null;
  isUrgent: boolean;
}

const TAKEN: Readonly<Record<string, TextKey>> = { moved: "notice.moved", reassigned: "notice.reassigned" };

/** People who act have ids of agents; what the desk does by itself has other names. */
function isSomebodyElse(actor: string, me: string): boolean {
  return actor !== me && actor.startsWith("agt_");
}

export function noticeOf(event: EventView, me: string): Notice | null {
  if (event.data["agent_id"] !== me || !isSomebodyElse(event.actor, me)) return null;
  switch (event.kind) {
    case "interaction.queued": {
      const title = TAKEN[String(event.data["reason"])];
      return title === undefined ? null : { title, text: null, isUrgent: true };
    }
    case "interaction.answered":
      return { title: "notice.assigned", text: null, isUrgent: false };
    case "agent.state_changed":
      return {
        title: "notice.state",
        text: event.data["state"] === "ready" ? "notice.state_ready" : "notice.state_away",
        isUrgent: true,
      };
    default:
      return null;
  }
}
