/** What can be done right now. The keys, the palette and the list of shortcuts all read this one table. */
import { computed, onScopeDispose, type ComputedRef } from "vue";
import { useRouter } from "vue-router";
import { channels } from "@/channels/index.ts";
import { useSoftphone } from "@/channels/phone/store.ts";
import { t, type TextKey } from "@/i18n/index.ts";
import { useLive } from "@/live/store.ts";
import { useDesk } from "./desk.ts";
import { useSession } from "./session.ts";
import { THEMES, useSettings } from "./settings.ts";

export type ActGroup = "move" | "contact" | "state" | "go" | "other";
export const ACT_GROUPS: readonly ActGroup[] = ["move", "contact", "state", "go", "other"];

export interface DeskAct {
  id: string;
  group: ActGroup;
  label: string;
  /** As `KeyboardEvent.key`; a sequence is written with a space, the platform's command key as `mod+`. */
  keys: string | null;
  /** Whether it makes sense at the moment. */
  isPossible: boolean;
  run: () => void;
  /** Whether its key also wins over a control that has the focus only because it was clicked. */
  isUrgent?: boolean;
}

export interface Openers {
  palette: () => void;
  shortcuts: () => void;
  settings: () => void;
  signOut: () => void;
}

export function useActs(open: Openers): ComputedRef<DeskAct[]> {
  const desk = useDesk();
  const live = useLive();
  const session = useSession();
  const settings = useSettings();
  const softphone = useSoftphone();
  const router = useRouter();

  return computed(() => {
    const here = desk.selected;
    const ringing = desk.selectedOffer ?? desk.offers[0] ?? null;
    const canAnswer = ringing !== null && !live.isLost;
    const isLive = here !== null && (here.state === "connecting" || here.state === "active");
    const isParked = here?.state === "parked";
    const isOpen = here !== null && (isLive || isParked);
    const act = (
      id: string,
      group: ActGroup,
      label: TextKey,
      keys: string | null,
      isPossible: boolean,
      run: () => void,
    ): DeskAct => ({ id, group, label: t(label), keys, isPossible, run });

    return [
      act("next", "move", "act.next", "j", desk.rows.length > 0, () => {
        desk.step(1);
      }),
      act("previous", "move", "act.previous", "k", desk.rows.length > 0, () => {
        desk.step(-1);
      }),
      {
        ...act("accept", "contact", "act.accept", "Enter", ringing === null ? here !== null : canAnswer, () => {
          if (ringing !== null) void desk.accept(ringing.offer.id);
          else desk.pane = "conversation";
        }),
        isUrgent: canAnswer,
      },
      act("decline", "contact", "act.decline", "Escape", canAnswer, () => {
        desk.declineAsked = desk.offers[0]?.offer.id ?? null;
      }),
      act("close-customer", "go", "act.close_customer", "Escape", desk.drawer, () => {
        desk.drawer = false;
      }),
      act("reply", "contact", "act.reply", "r", isOpen && channels[here.channel].composer !== null, () => {
        desk.write("message");
      }),
      act("note", "contact", "act.note", "n", isOpen, () => {
        desk.write("note");
      }),
      act("end", "contact", "act.end", "e", isOpen, desk.focusEnd),
      act("wait", "contact", "act.wait", "h", here?.state === "active" && channels[here.channel].canWait, () => {
        if (here !== null) void desk.park(here.id, true);
      }),
      act("resume", "contact", "act.resume", "h", isParked, () => {
        if (here !== null) void desk.park(here.id, false);
      }),
      act("wrap-up", "contact", "act.wrap_up", "w", desk.wrapUps.length > 0, () => {
        const [first] = desk.wrapUps;
        if (first !== undefined && here?.state !== "wrap_up") desk.select(first.id);
        desk.focus("wrap_up");
      }),
      act("ticket", "contact", "act.ticket", "t", here !== null, desk.askNewTicket),
      act("mute", "contact", softphone.isMuted ? "call.unmute" : "call.mute", "m", softphone.isOnLine, () => {
        softphone.mute(!softphone.isMuted);
      }),
      act("ready", "state", "act.ready", null, true, () => void desk.choose({ state: "ready" })),
      ...(session.bootstrap?.away_reasons ?? []).map(
        (reason): DeskAct => ({
          id: `away-${reason.id}`,
          group: "state",
          label: t("act.away", { reason: reason.name }),
          keys: null,
          isPossible: true,
          run: () => void desk.choose({ state: "away", reason: reason.id }),
        }),
      ),
      act("customer", "go", "act.customer", "c", here !== null, () => {
        desk.showCustomer("timeline");
      }),
      act("go-work", "go", "act.go_work", "g c", true, () => {
        desk.pane = "list";
        void router.push("/");
      }),
      act("go-tickets", "go", "act.go_tickets", "g t", true, () => void router.push("/tickets")),
      act("go-wallboard", "go", "act.go_wallboard", "g w", true, () => void router.push("/wallboard")),
      act("palette", "other", "act.palette", "mod+k", true, open.palette),
      act("search", "other", "act.search", "/", true, open.palette),
      act("shortcuts", "other", "act.shortcuts", "?", true, open.shortcuts),
      act("settings", "other", "act.settings", null, true, open.settings),
      act("theme", "other", "act.theme", null, true, () => {
        settings.theme = THEMES[(THEMES.indexOf(settings.theme) + 1) % THEMES.length] ?? "system";
      }),
      act("sign-out", "other", "me.sign_out", null, true, open.signOut),
    ];
  });
}

/** How keys are shown: `mod+k` becomes `⌘K` or `Ctrl K`, `g w` stays two keys. */
export function showKeys(keys: string): string[] {
  const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);
  const names: Record<string, string> = { "mod+k": isMac ? "⌘K" : "Ctrl K", Enter: "↵", Escape: "Esc" };
  return keys.split(" ").map((key) => names[key] ?? key.toUpperCase());
}

/** Time between the keys of a sequence, ms. */
const SEQUENCE_MS = 1_200;

/** Run acts by keys, except while somebody types or a menu or dialog has the keyboard. */
export function useKeys(acts: ComputedRef<DeskAct[]>): void {
  let before: { key: string; at: number } | null = null;
  /** Whether the pointer, and not the keyboard, was used last, and was when the focus came where it is. */
  let isPointing = false;
  let isClicked = false;

  function pointed(): void {
    isPointing = true;
    isClicked = true;
  }

  function focused(): void {
    isClicked = isPointing;
  }

  /** Before any control gets the key: what rings goes before a button that merely kept the focus of a click. */
  function pressedFirst(event: KeyboardEvent): void {
    isPointing = false;
    if (event.defaultPrevented || event.isComposing || event.altKey || event.metaKey || event.ctrlKey || event.repeat) return;
    if (isTyping(event.target) || hasOverlay() || !isOwnKey(event) || !(isClicked || isYielding(event))) return;
    const urgent = acts.value.find((act) => act.isUrgent === true && act.isPossible && act.keys === event.key);
    if (urgent === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    urgent.run();
  }

  function pressed(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing || event.altKey) return;
    const isCommand = event.metaKey || event.ctrlKey;
    const key = isCommand ? `mod+${event.key.toLowerCase()}` : event.key;
    if (!isCommand && (isTyping(event.target) || hasOverlay())) return;
    if (isOwnKey(event)) return;
    const sequence = before !== null && event.timeStamp - before.at < SEQUENCE_MS ? `${before.key} ${key}` : null;
    const found =
      acts.value.find((act) => act.isPossible && act.keys !== null && act.keys === sequence) ??
      acts.value.find((act) => act.isPossible && act.keys === key);
    before = { key, at: event.timeStamp };
    if (found === undefined) return;
    before = null;
    event.preventDefault();
    found.run();
  }

  window.addEventListener("pointerdown", pointed, true);
  window.addEventListener("focusin", focused, true);
  window.addEventListener("keydown", pressedFirst, true);
  window.addEventListener("keydown", pressed);
  onScopeDispose(() => {
    window.removeEventListener("pointerdown", pointed, true);
    window.removeEventListener("focusin", focused, true);
    window.removeEventListener("keydown", pressedFirst, true);
    window.removeEventListener("keydown", pressed);
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
}

/** A button's Enter presses the button; a tab's or radio's arrows are its own. */
function isOwnKey({ key, target }: KeyboardEvent): boolean {
  return (
    (key === "Enter" || key === " ") &&
    target instanceof HTMLElement &&
    target.closest("button, a, [role=tab], [role=menuitem], summary") !== null
  );
}

/** A control that opens by Space too and gives Enter away while something rings, such as the menu of one's state. */
function isYielding({ target }: KeyboardEvent): boolean {
  return target instanceof HTMLElement && target.closest("[data-yields-enter]") !== null;
}

function hasOverlay(): boolean {
  return document.querySelector("[role=menu], [role=dialog]") !== null;
}
