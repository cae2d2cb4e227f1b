/** The demo's pretend softphone: a leg at the simulated carrier, whose sound arrives as lines of text. */
import { api, newAct } from "@/api/index.ts";
import { serverClock } from "@/live/clock.ts";
import { perTab, readJson } from "@/live/storage.ts";
import type { Caption, Softphone, SoftphoneEvents } from "./softphone.ts";

const CALLS = "/simulator-api/calls";
/** The call of this tab, so that a reload finds it again. */
const PLACE = "desk.softphone";

/** Time before a closed stream is looked into, ms. */
const LOOK_AFTER_MS = 1_000;

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
    const source = new EventSource(`${callPath(to)}/events`);
    stream = source;
    source.addEventListener("state", (event) => {
      if (parse(event)["status"] === "in-progress") events.onState("connected");
    });
    source.addEventListener("heard", (event) => {
      caption("customer", parse(event));
    });
    source.addEventListener("words", (event) => {
      caption("system", parse(event));
    });
    source.addEventListener("ended", (event) => {
      over(parse(event)["status"] === "completed" ? "ended" : "failed");
    });
    source.addEventListener("error", () => {
      // Most faults a browser mends by itself. A closed stream means a final answer or a page that goes away.
      if (source.readyState === EventSource.CLOSED && stream === source) setTimeout(() => void look(to), LOOK_AFTER_MS);
    });
  }

  /** The stream is closed: is the call over, or do we listen again? */
  async function look(at: Leg): Promise<void> {
    if (leg !== at || stream === null) return;
    try {
      const answer = await fetch(callPath(at));
      if (answer.status === 404) over("ended");
      else if (!answer.ok) throw new Error(`the carrier answered ${answer.status}`);
      else if (((await answer.json()) as { ended: unknown }).ended !== null) over("ended");
      else listen(at);
    } catch {
      setTimeout(() => void look(at), LOOK_AFTER_MS);
    }
  }

  function caption(who: Caption["who"], { text, at }: Record<string, unknown>): void {
    if (typeof text !== "string" || text === "") return;
    events.onHeard({ at: typeof at === "number" ? at : serverClock.now(), who, text });
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
      await post(ending, "hangup", {});
    },
    // Nothing is recorded here, so there is nothing to silence; the switch shows its state like a real one.
    mute: () => undefined,
    async say(text) {
      if (leg === null) return;
      await post(leg, "say", { text });
      events.onHeard({ at: serverClock.now(), who: "agent", text });
    },
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

function callPath({ callSid }: Leg): string {
  return `${CALLS}/${encodeURIComponent(callSid)}`;
}

async function post(leg: Leg, act: "hangup" | "say", body: object): Promise<void> {
  const answer = await fetch(`${callPath(leg)}/${act}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`the carrier answered ${answer.status}`);
}

function parse(message: MessageEvent): Record<string, unknown> {
  try {
    const event: unknown = JSON.parse(String(message.data));
    return typeof event === "object" && event !== null ? { ...event } : {};
  } catch {
    return {};
  }
}
