/** The agent's line: at most one call at a time, on whichever softphone the installation has. */
import { defineStore } from "pinia";
import { computed, ref } from "vue";
import type { BootstrapView, InteractionView } from "@/api/types.ts";
import { createSimulatorSoftphone } from "./simulator.ts";
import type { Caption, Softphone, SoftphoneEvents, SoftphoneState } from "./softphone.ts";
import { createTwilioSoftphone } from "./twilio.ts";

const CAPTIONS_KEPT = 200;
/** Calls whose words are kept: the one on the line, and those still in wrap-up. */
const CALLS_HEARD = 6;

/** States of a leg in which somebody is on it, in the carrier's words. */
const LEG_ALIVE = new Set(["queued", "initiated", "ringing", "in-progress", "answered"]);

const MAKERS: Readonly<Record<BootstrapView["softphone"], ((events: SoftphoneEvents) => Softphone) | null>> = {
  simulator: createSimulatorSoftphone,
  twilio: createTwilioSoftphone,
  none: null,
};

export const useSoftphone = defineStore("softphone", () => {
  const kind = ref<BootstrapView["softphone"]>("none");
  const state = ref<SoftphoneState>("idle");
  const interactionId = ref<string | null>(null);
  const isMuted = ref(false);
  /** By contact, the newest call last; the words stay readable while its wrap-up is written. */
  const heard = ref<ReadonlyMap<string, readonly Caption[]>>(new Map());
  /** Whether one speaks by writing. */
  const isWritten = ref(false);
  const isOnLine = computed(() => state.value === "dialling" || state.value === "connected");

  let phone: Softphone | null = null;
  let lastCaption = 0;

  /** Choose the kind of softphone; the session says which. */
  function plug(chosen: BootstrapView["softphone"]): void {
    if (chosen === kind.value && phone !== null) return;
    unplug();
    kind.value = chosen;
    phone =
      MAKERS[chosen]?.({
        onState: (next) => {
          state.value = next;
        },
        onHeard: hear,
      }) ?? null;
    isWritten.value = phone !== null && phone.say !== null;
  }

  function unplug(): void {
    phone?.dispose();
    phone = null;
    state.value = "idle";
    interactionId.value = null;
    heard.value = new Map();
    isMuted.value = false;
  }

  function hear(caption: Omit<Caption, "id">): void {
    const id = interactionId.value;
    if (id === null) return;
    lastCaption += 1;
    const before = heard.value.get(id) ?? [];
    const others = [...heard.value].filter(([other]) => other !== id).slice(1 - CALLS_HEARD);
    // In the order in which it was said: after a reload what others said arrives anew, after one's own words.
    const all = [...before, { ...caption, id: lastCaption }].sort((one, other) => one.at - other.at);
    heard.value = new Map([...others, [id, all.slice(-CAPTIONS_KEPT)]]);
  }

  function captionsOf(id: string): readonly Caption[] {
    return heard.value.get(id) ?? [];
  }

  /** The page goes away: stop listening, leave the call itself as it is. */
  function letGo(): void {
    phone?.dispose();
  }

  async function dial(id: string): Promise<void> {
    if (phone === null || isOnLine.value) return;
    interactionId.value = id;
    isMuted.value = false;
    try {
      await phone.dial(id);
    } catch {
      // The state says "failed", and the conversation offers to try again.
    }
  }

  /** Once at the start of a page: take the line up again, or dial if nobody of us is in the call. */
  function rejoin(interaction: InteractionView): void {
    if (phone === null || isOnLine.value) return;
    if (hasAgentLeg(interaction)) {
      interactionId.value = interaction.id;
      if (!phone.resume(interaction.id)) interactionId.value = null;
    } else void dial(interaction.id);
  }

  function mute(muted: boolean): void {
    isMuted.value = muted;
    phone?.mute(muted);
  }

  /** Speak by writing; false where it was not heard. */
  async function say(text: string): Promise<boolean> {
    try {
      await phone?.say?.(text);
      return true;
    } catch {
      return false;
    }
  }

  async function hangUp(): Promise<void> {
    try {
      await phone?.hangUp();
    } catch {
      // Ending the interaction closes the leg at the carrier too.
    }
  }

  /** Whether this tab holds the agent's end of that call. */
  function holds(id: string): boolean {
    return interactionId.value === id && isOnLine.value;
  }

  return { kind, state, interactionId, isMuted, isOnLine, isWritten, captionsOf, hear, plug, unplug, letGo, dial, rejoin, mute, say, hangUp, holds };
});

/** Whether the phone of somebody rings who is to be called back. */
export function isBeingCalled({ callback, state, call }: InteractionView): boolean {
  return callback && state === "connecting" && ["queued", "initiated", "ringing"].includes(call?.customer_leg ?? "");
}

/** Whether one of the agent's softphones is in the call, be it in another tab. */
export function hasAgentLeg(interaction: InteractionView): boolean {
  const leg = interaction.call?.agent_leg ?? null;
  return leg !== null && LEG_ALIVE.has(leg);
}
