/** Puts the real chat widget on this page, by the same script tag as any shop would, for whom the person plays. */
import { onScopeDispose, ref, watch } from "vue";
import type { Ref } from "vue";
import type { Role } from "./people.ts";

/** What widget.js leaves on the page; see src/widget/main.ts. */
interface ChatHandle {
  open(): void;
  destroy(): void;
}

declare global {
  interface Window {
    ServiceDeskChat?: { readonly ready: Promise<ChatHandle | null> };
  }
}

const WIDGET = "demo";

export type ChatState = "loading" | "there" | "failed";

/** Keeps one chat on the page, that of the role. Each role has a conversation of its own, which waits for its return. */
export function useChat(role: Readonly<Ref<Role>>): { readonly state: Ref<ChatState>; open: () => void } {
  const state = ref<ChatState>("loading");
  let handle: ChatHandle | null = null;
  let turn = 0;

  async function play(next: Role): Promise<void> {
    const mine = (turn += 1);
    handle?.destroy();
    handle = null;
    state.value = "loading";
    let made: ChatHandle | null = null;
    try {
      made = await embed(next);
    } catch {
      // Not loaded: said below.
    }
    if (mine === turn) {
      handle = made;
      state.value = made === null ? "failed" : "there";
    } else {
      made?.destroy();
    }
  }

  // One after the other: a tag that is on the page already would make the next one do nothing.
  let last = Promise.resolve();
  const stop = watch(
    role,
    (next, before) => {
      if (before?.id !== next.id) last = last.then(() => play(next));
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    stop();
    turn += 1;
    handle?.destroy();
  });
  return {
    state,
    open: () => {
      handle?.open();
    },
  };
}

async function embed(role: Role): Promise<ChatHandle | null> {
  const script = document.createElement("script");
  script.src = "/widget/widget.js";
  script.async = true;
  script.dataset["widget"] = WIDGET;
  script.dataset["profile"] = role.id;
  if (role.kind === "customer") script.dataset["name"] = role.name;
  if (role.mailbox !== null) script.dataset["mailbox"] = role.mailbox;
  if (role.language !== null) script.dataset["language"] = role.language;
  const loaded = new Promise<void>((resolve, reject) => {
    script.addEventListener("load", () => {
      resolve();
    });
    script.addEventListener("error", () => {
      reject(new Error("widget.js was not loaded"));
    });
  });
  document.head.append(script);
  await loaded;
  script.remove();
  return (await window.ServiceDeskChat?.ready) ?? null;
}
