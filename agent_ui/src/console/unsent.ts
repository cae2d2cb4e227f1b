/** What was written to the customer of a contact and has not been sent. */
import { watch } from "vue";
import type { InteractionView } from "@/api/types.ts";
import { channels } from "@/channels/index.ts";
import { useReplies } from "@/channels/replies.ts";
import { drafts } from "@/live/drafts.ts";
import { useLive } from "@/live/store.ts";

export interface Unsent {
  text: string;
  /** Names of the files that were to go with it. */
  files: readonly string[];
}

export function useUnsent() {
  const live = useLive();
  const replies = useReplies();

  /** Null: nothing is left. A text that waits for the connection is not sent either. */
  function of({ id, channel }: InteractionView): Unsent | null {
    const { composer, writer } = channels[channel];
    if (composer === null) return null;
    const reply = writer === null ? undefined : replies.of(id);
    const text = (writer === null ? drafts.read(messagePlace(id)) : (reply?.body.text ?? "")).trim();
    const files = (reply?.files ?? []).map(({ name }) => name);
    return (text === "" && files.length === 0) || reply?.sending === "yes" ? null : { text, files };
  }

  async function discard({ id, channel }: InteractionView): Promise<void> {
    if (channels[channel].writer === null) drafts.write(messagePlace(id), "");
    else await replies.drop(id);
  }

  /** True once the server has it. What it refuses stays where it was written, with the reason. */
  async function send({ id, channel }: InteractionView): Promise<boolean> {
    if (channels[channel].writer !== null) return await replies.send(id, "stay");
    live.write(id, "message", drafts.read(messagePlace(id)).trim());
    drafts.write(messagePlace(id), "");
    return await arrival(id);
  }

  /** Whether the lines of a contact that are on their way have arrived. */
  async function arrival(id: string): Promise<boolean> {
    const states = () => live.lines.filter(({ interactionId, kind }) => interactionId === id && kind === "message").map(({ state }) => state);
    const isUnderWay = () => states().some((state) => state === "queued" || state === "sending");
    await new Promise<void>((resolve) => {
      const stop = watch(isUnderWay, (still) => {
        if (still) return;
        void Promise.resolve().then(() => {
          stop();
        });
        resolve();
      }, { immediate: true });
    });
    return !states().includes("failed");
  }

  return { of, discard, send };
}

export const messagePlace = (id: string): string => `${id}.message`;
export const notePlace = (id: string): string => `${id}.note`;

/** A comment with a half-written note below it; null where both together are longer than `longest`. */
export function carried(comment: string, note: string, longest: number): string | null {
  const parts = [comment.trimEnd(), note.trim()].filter((part) => part !== "");
  const whole = parts.join("\n\n");
  return whole.length > longest ? null : whole;
}
