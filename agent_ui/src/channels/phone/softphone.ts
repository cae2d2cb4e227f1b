/** The agent's telephone in the browser. Two kinds: the demo's pretend one, and Twilio's. */

export type SoftphoneState = "idle" | "dialling" | "connected" | "ended" | "failed";

/** Something that was heard on the line, as text. */
export interface Caption {
  id: number;
  /** Server's instant, microseconds. */
  at: number;
  who: "customer" | "system" | "agent";
  text: string;
}

export interface SoftphoneEvents {
  onState: (state: SoftphoneState) => void;
  onHeard: (caption: Omit<Caption, "id">) => void;
}

export interface Softphone {
  /** Call into the interaction's conference. Resolves when the carrier took the call; rejects when it did not. */
  dial: (interactionId: string) => Promise<void>;
  /** After a reload: take up a call that is still on the line. False if there is none. */
  resume: (interactionId: string) => boolean;
  hangUp: () => Promise<void>;
  mute: (muted: boolean) => void;
  /** Speak by writing, where there is no microphone; null where there is one. */
  say: ((text: string) => Promise<void>) | null;
  /** Let go of everything without a word to the carrier, because the page goes away. */
  dispose: () => void;
}
