/** Twilio's Voice SDK as a softphone. The SDK is loaded when the first call needs it. */
import type { Call, Device } from "@twilio/voice-sdk";
import { api, newAct } from "@/api/index.ts";
import type { Softphone, SoftphoneEvents } from "./softphone.ts";

/** Ask for a new token that long before the old one ends, ms. */
const TOKEN_LEAD_MS = 30_000;

export function createTwilioSoftphone(events: SoftphoneEvents): Softphone {
  let device: Device | null = null;
  let call: Call | null = null;
  let muted = false;

  async function ready(): Promise<Device> {
    if (device !== null) return device;
    const [{ Device: TwilioDevice }, { token }] = await Promise.all([
      import("@twilio/voice-sdk"),
      api.softphoneToken(newAct()),
    ]);
    const made = new TwilioDevice(token, { tokenRefreshMs: TOKEN_LEAD_MS });
    made.on("tokenWillExpire", () => {
      void api.softphoneToken(newAct()).then(
        (fresh) => {
          made.updateToken(fresh.token);
        },
        // The present call lives on; the next dial asks for a token again.
        () => {
          device = null;
        },
      );
    });
    device = made;
    return made;
  }

  function follow(placed: Call): void {
    placed.on("accept", () => {
      placed.mute(muted);
      events.onState("connected");
    });
    for (const end of ["disconnect", "cancel", "reject"]) {
      placed.on(end, () => {
        if (call === placed) call = null;
        events.onState("ended");
      });
    }
    placed.on("error", () => {
      if (call === placed) call = null;
      events.onState("failed");
    });
  }

  return {
    async dial(interactionId) {
      events.onState("dialling");
      try {
        const phone = await ready();
        call = await phone.connect({ params: { interaction_id: interactionId } });
        follow(call);
      } catch (error) {
        events.onState("failed");
        throw error;
      }
    },
    // Its media lived in the page that is gone: the call has to be dialled again.
    resume: () => false,
    hangUp() {
      call?.disconnect();
      return Promise.resolve();
    },
    mute(wanted) {
      muted = wanted;
      call?.mute(wanted);
    },
    say: null,
    dispose() {
      device?.destroy();
      device = null;
      call = null;
    },
  };
}
