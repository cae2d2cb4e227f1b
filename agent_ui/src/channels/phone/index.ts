import { Phone, PhoneOff } from "@lucide/vue";
import type { ChannelUi } from "../contract.ts";
import CallBar from "./CallBar.vue";
import CallStage from "./CallStage.vue";
import { useSoftphone } from "./store.ts";

export const phone: ChannelUi = {
  label: "channel.phone",
  incoming: "channel.incoming_call",
  icon: Phone,
  // Two double beats, as a desk telephone rings.
  ring: {
    tones: [
      { hertz: 440, at: 0, length: 0.4 },
      { hertz: 480, at: 0, length: 0.4 },
      { hertz: 440, at: 0.6, length: 0.4 },
      { hertz: 480, at: 0.6, length: 0.4 },
    ],
    period: 2.6,
  },
  composer: null,
  writer: null,
  message: null,
  saysStatus: false,
  hasSubject: false,
  canWait: false,
  longestNote: 16_000,
  end: { label: "channel.hang_up", icon: PhoneOff },
  stage: CallStage,
  bar: CallBar,
  presence: () => null,
  accepted: ({ id }) => void useSoftphone().dial(id),
  resumed: (interaction) => {
    useSoftphone().rejoin(interaction);
  },
  left: (id) => {
    const softphone = useSoftphone();
    if (softphone.holds(id)) void softphone.hangUp();
  },
};
