/** All channels, by their id. A new channel is a new line here. */
import type { InteractionView } from "@/api/types.ts";
import type { ChannelUi } from "./contract.ts";
import { email } from "./email/index.ts";
import { phone } from "./phone/index.ts";
import { sms } from "./sms/index.ts";
import { webChat } from "./web_chat/index.ts";

export type ChannelId = InteractionView["channel"];

export const channels: Readonly<Record<ChannelId, ChannelUi>> = { phone, web_chat: webChat, email, sms };

/** A channel by a name that may be unknown to this build, as in an old timeline. */
export function findChannel(id: string | null): ChannelUi | null {
  return id !== null && id in channels ? channels[id as ChannelId] : null;
}
