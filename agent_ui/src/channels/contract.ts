/** What the console knows about a channel: one object of this type each, and nothing about channels elsewhere. */
import type { Component } from "vue";
import type { EntryView, InteractionView } from "@/api/types.ts";
import type { TextKey } from "@/i18n/index.ts";
import type { Delivery, ReplyBody } from "@/live/reply.ts";

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

/** For answers that are more than a line: a form of their own, kept as a draft at the server until they are sent. */
export interface Writer {
  /** Given `FormProps`. */
  form: Component;
  /** Whether the form says itself to whom the answer goes. */
  namesRecipients: boolean;
  deliver: (
    interactionId: string,
    body: ReplyBody & { attachments: string[] },
    delivery: Delivery,
  ) => Promise<EntryView>;
}

export interface FormProps {
  interaction: InteractionView;
}

/** How a message is drawn where a bubble is not enough. */
export interface MessageProps {
  entry: EntryView;
  /** The newest message of the conversation: shown whole. */
  newest: boolean;
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
  /** Null: the plain composer sends at once. */
  writer: Writer | null;
  /** Given `MessageProps`; null: a bubble. */
  message: Component | null;
  /** Whether our messages say in words how far they have come. */
  saysStatus: boolean;
  /** Whether its topic is a subject that the customer wrote. */
  hasSubject: boolean;
  /** Whether the work can wait for the customer, and be answered later. */
  canWait: boolean;
  /** Longest internal note, in characters. */
  longestNote: number;
  end: EndAct;
  /** What the conversation shows above its entries while the contact is live, and in wrap-up. */
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
