import { CircleCheck, Mail } from "@lucide/vue";
import { api } from "@/api/index.ts";
import { lazy } from "@/ui/lazy.ts";
import type { ChannelUi } from "../contract.ts";

export const email: ChannelUi = {
  label: "channel.email",
  incoming: "channel.incoming_mail",
  icon: Mail,
  // One soft, low bell.
  ring: {
    tones: [
      { hertz: 523, at: 0, length: 0.3 },
      { hertz: 659, at: 0.1, length: 0.4 },
    ],
    period: 4,
  },
  composer: { placeholder: "composer.reply_mail", longest: 16_000 },
  writer: {
    form: lazy(() => import("./MailForm.vue")),
    namesRecipients: true,
    deliver: (id, { text, html, to, cc, subject, attachments }, { seen, then, key }) =>
      api.sendMail(id, { text, html, to: [...to], cc: [...cc], subject, attachments, seen, then }, key),
  },
  message: lazy(() => import("./MailCard.vue")),
  saysStatus: true,
  hasSubject: true,
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
