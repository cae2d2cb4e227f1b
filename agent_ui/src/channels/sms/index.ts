import { CircleCheck, MessageSquareText } from "@lucide/vue";
import { api } from "@/api/index.ts";
import { lazy } from "@/ui/lazy.ts";
import type { ChannelUi } from "../contract.ts";
import { plainText, TEXT_CHARACTERS } from "../segments.ts";

export const sms: ChannelUi = {
  label: "channel.sms",
  incoming: "channel.incoming_text",
  icon: MessageSquareText,
  // Two short, high taps.
  ring: {
    tones: [
      { hertz: 1319, at: 0, length: 0.08 },
      { hertz: 1319, at: 0.14, length: 0.12 },
    ],
    period: 3,
  },
  composer: { placeholder: "composer.reply_text", longest: TEXT_CHARACTERS },
  writer: {
    form: lazy(() => import("./TextForm.vue")),
    namesRecipients: false,
    deliver: (id, { text }, { seen, then, key }) => api.sendText(id, { text: plainText(text).trim(), seen, then }, key),
  },
  message: null,
  saysStatus: true,
  hasSubject: false,
  canWait: true,
  longestNote: 16_000,
  end: { label: "channel.close", icon: CircleCheck },
  stage: null,
  bar: null,
  presence: () => null,
  accepted: () => undefined,
  resumed: () => undefined,
  left: () => undefined,
};
