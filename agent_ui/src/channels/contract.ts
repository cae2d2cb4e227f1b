/** What the console knows about a channel: one object of this type each, and nothing about channels elsewhere. */
import type { Component } from "vue";
import type { InteractionView } from "@/api/types.ts";
import type { TextKey } from "@/i18n/index.ts";

/** One tone of a ring: hertz, start and length in seconds from the ring's beginning. */
export interface Tone {
  hertz: number;
  at: number;
  length: number;
}

/** A sound that repeats every `period` seconds until the offer is answered. */
export interface Ring {
  tones: readonly Tone[];
  period: number;
}

export interface Composer {
  placeholder: TextKey;
  /** Longest message, in characters. */
  longest: number;
}

export interface EndAct {
  label: TextKey;
  icon: Component;
}

/** A short remark about the other side, such as "has left the page". */
export interface Presence {
  text: TextKey;
  tone: "ready" | "attention" | "away";
}

/**
 * What a channel's bar is given; it emits `open` (show me the contact) and `end`. Its end button carries
 * `data-end` with the interaction's id, so that a key can find it.
 */
export interface BarProps {
  interaction: InteractionView;
  /** The end is on its way to the server. */
  ending: boolean;
}

export interface ChannelUi {
  label: TextKey;
  /** "Incoming call" and the like. */
  incoming: TextKey;
  icon: Component;
  ring: Ring;
  /** Null where words are spoken and only notes are written. */
  composer: Composer | null;
  /** Longest internal note, in characters. */
  longestNote: number;
  end: EndAct;
  /** What the conversation shows above its entries while the contact is live. */
  stage: Component | null;
  /** The bar at the top of the console while a contact is live. */
  bar: Component | null;
  presence: (interaction: InteractionView) => Presence | null;
  /** Called in the tab in which the agent accepted, once the server agreed. */
  accepted: (interaction: InteractionView) => void;
  /** Called when a page begins with a contact of this channel that is the agent's already. */
  resumed: (interaction: InteractionView) => void;
  /** Called when a contact is over or has left the agent. */
  left: (interactionId: string) => void;
}
