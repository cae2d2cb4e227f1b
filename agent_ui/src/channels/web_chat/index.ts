import { MessageCircle, MessageCircleOff } from "@lucide/vue";
import type { ChannelUi } from "../contract.ts";

export const webChat: ChannelUi = {
  label: "channel.web_chat",
  incoming: "channel.incoming_chat",
  icon: MessageCircle,
  // Two rising drops.
  ring: {
    tones: [
      { hertz: 784, at: 0, length: 0.14 },
      { hertz: 1047, at: 0.16, length: 0.22 },
    ],
    period: 2.4,
  },
  composer: { placeholder: "composer.reply_chat", longest: 16_000 },
  writer: null,
  message: null,
  saysStatus: false,
  hasSubject: false,
  canWait: false,
  longestNote: 16_000,
  end: { label: "channel.end_chat", icon: MessageCircleOff },
  stage: null,
  bar: null,
  presence: ({ visitor_online: online, state }) => {
    if (online === null || state === "wrap_up" || state === "ended") return null;
    return online
      ? { text: "channel.visitor_online", tone: "ready" }
      : { text: "channel.visitor_offline", tone: "attention" };
  },
  accepted: () => undefined,
  resumed: () => undefined,
  left: () => undefined,
};
