/** The demo's pretend softphone: a leg at the simulated carrier, whose sound arrives as lines of text. */
import { api, newAct } from "@/api/index.ts";
import { serverClock } from "@/live/clock.ts";
import { perTab, readJson } from "@/live/storage.ts";
import type { Caption, Softphone, SoftphoneEvents } from "./softphone.ts";

const CALLS = "/simulator-api/calls";
/** The call of this tab, so that a reload finds it again. */
const PLACE = "desk.softphone";

/** States in which the carrier's call is over, in the carrier's words. */
const OVER = new Set(["completed", "failed", "busy", "no-answer", "canceled"]);

interface Leg {
  callSid: string;
  interactionId: string;
}

export function createSimulatorSoftphone(events: SoftphoneEvents): Softphone {
  let leg: Leg | null = null;
  let stream: EventSource | null = null;

  function listen(to: Leg): void {
    leg = to;
    perTab.setItem(PLACE, JSON.stringify(to));
    stream?.close();
    const source = new EventSource(`${CALLS}/${encodeURIComponent(to.callSid)}/events`);
    stream = source;
    source.addEventListener("message", (message) => {
      receive(message.data);
    });
    source.addEventListener("error", () => {
      // A browser tries again by itself unless the answer was final: the carrier does not know this call.
      if (source.readyState === EventSource.CLOSED) over("ended");
    });
  }

  function receive(data: unknown): void {
    const event = parse(data);
    const status = event["status"] ?? event["call_status"];
    if (typeof status === "string") {
      if (OVER.has(status)) over(status === "completed" ? "ended" : "failed");
      else if (status === "in-progress") events.onState("connected");
    }
    const text = event["text"];
    if (typeof text === "string" && text !== "") {
      const at = typeof event["at"] === "number" ? event["at"] : serverClock.now();
      events.onHeard({ at, who: speaker(event["from"] ?? event["who"]), text });
    }
  }

  function over(state: "ended" | "failed"): void {
    stream?.close();
    stream = null;
    leg = null;
    perTab.removeItem(PLACE);
    events.onState(state);
  }

  return {
    async dial(interactionId) {
      events.onState("dialling");
      try {
        const { token, dial_url: url } = await api.softphoneToken(newAct());
        if (url === null) throw new Error("the token names no place to dial");
        const answer = await fetch(url, {
          method: "POST",
          headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
          body: JSON.stringify({ params: { interaction_id: interactionId } }),
        });
        if (!answer.ok) throw new Error(`the carrier answered ${answer.status}`);
        const { call_sid: callSid } = (await answer.json()) as { call_sid: string };
        listen({ callSid, interactionId });
      } catch (error) {
        events.onState("failed");
        throw error;
      }
    },
    resume(interactionId) {
      const stored = readLeg();
      if (stored?.interactionId !== interactionId) return false;
      listen(stored);
      events.onState("connected");
      return true;
    },
    async hangUp() {
      const ending = leg;
      if (ending === null) return;
      over("ended");
      await fetch(`${CALLS}/${encodeURIComponent(ending.callSid)}/hangup`, { method: "POST" });
    },
    // Nothing is recorded here, so there is nothing to silence; the switch shows its state like a real one.
    mute: () => undefined,
    dispose() {
      stream?.close();
      stream = null;
    },
  };
}

function readLeg(): Leg | null {
  const stored = readJson(perTab, PLACE);
  if (typeof stored !== "object" || stored === null) return null;
  const { callSid, interactionId } = stored as Record<string, unknown>;
  return typeof callSid === "string" && typeof interactionId === "string" ? { callSid, interactionId } : null;
}

function parse(data: unknown): Record<string, unknown> {
  try {
    const event: unknown = JSON.parse(String(data));
    return typeof event === "object" && event !== null ? { ...event } : {};
  } catch {
    return {};
  }
}

function speaker(who: unknown): Caption["who"] {
  return who === "customer" || who === "agent" ? who : "system";
}
