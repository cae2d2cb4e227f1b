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
/** One's own words that are kept. */
const SAID_KEPT = 200;

type Words = Omit<Caption, "id">;

interface Leg {
  callSid: string;
  interactionId: string;
  /** One's own words: the carrier tells a leg again what it heard, and nobody hears themselves. */
  said: readonly Words[];
}

export function createSimulatorSoftphone(events: SoftphoneEvents): Softphone {
  let leg: Leg | null = null;
  let stream: EventSource | null = null;
  /** Number of the last event of this leg: a new stream begins with the first one. */
  let heardUpTo = 0;

  function keep(changed: Leg): void {
    leg = changed;
    perTab.setItem(PLACE, JSON.stringify(changed));
  }

  function listen(to: Leg): void {
    if (leg?.callSid !== to.callSid) heardUpTo = 0;
    keep(to);
    stream?.close();
    const source = new EventSource(`${callPath(to)}/events`);
    stream = source;
    source.addEventListener("state", (event) => {
      if (parse(event)["status"] === "in-progress") events.onState("connected");
    });
    source.addEventListener("heard", (event) => {
      if (isNew(event)) caption("customer", parse(event));
    });
    source.addEventListener("words", (event) => {
      if (isNew(event)) caption("system", parse(event));
    });
    source.addEventListener("ended", (event) => {
      over(parse(event)["status"] === "completed" ? "ended" : "failed");
    });
    source.addEventListener("error", () => {
      // Most faults a browser mends by itself. A closed stream means a final answer or a page that goes away.
      if (source.readyState === EventSource.CLOSED && stream === source) setTimeout(() => void look(to), LOOK_AFTER_MS);
    });
  }

  function isNew({ lastEventId }: MessageEvent): boolean {
    const id = Number(lastEventId);
    if (id <= heardUpTo) return false;
    heardUpTo = id;
    return true;
  }

  /** The stream is closed: is the call over, or do we listen again? */
  async function look(at: Leg): Promise<void> {
    if (leg?.callSid !== at.callSid || stream === null) return;
    try {
      const answer = await fetch(callPath(at));
      if (answer.status === 404) over("ended");
      else if (!answer.ok) throw new Error(`the carrier answered ${answer.status}`);
      else if (((await answer.json()) as { ended: unknown }).ended !== null) over("ended");
      else listen(leg);
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
        listen({ callSid, interactionId, said: [] });
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
      stored.said.forEach(events.onHeard);
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
      const { callSid } = leg;
      await post(leg, "say", { text });
      const words: Words = { at: serverClock.now(), who: "agent", text };
      events.onHeard(words);
      // It may be over by now; then there is nothing to come back to.
      if (leg.callSid === callSid) keep({ ...leg, said: [...leg.said, words].slice(-SAID_KEPT) });
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
  const { callSid, interactionId, said } = stored as Record<string, unknown>;
  if (typeof callSid !== "string" || typeof interactionId !== "string") return null;
  return { callSid, interactionId, said: Array.isArray(said) ? said.filter(isWords) : [] };
}

function isWords(stored: unknown): stored is Words {
  if (typeof stored !== "object" || stored === null) return false;
  const { at, who, text } = stored as Record<string, unknown>;
  return typeof at === "number" && who === "agent" && typeof text === "string";
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
