import { enableAutoUnmount, mount } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { computed, defineComponent, h } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";
import { interaction, offer, snapshot } from "@/live/fixtures/samples.ts";
import { useLive } from "@/live/store.ts";
import { useActs, useKeys, type DeskAct } from "./acts.ts";
import { useDesk } from "./desk.ts";

enableAutoUnmount(afterEach);
const opened = vi.fn();

function start(): { acts: () => readonly DeskAct[] } {
  let acts: readonly DeskAct[] = [];
  const page = defineComponent(() => {
    const all = useActs({ palette: opened, shortcuts: opened, signOut: vi.fn(), settings: opened });
    const shown = computed(() => (acts = all.value));
    useKeys(all);
    return () => h("div", [String(shown.value.length), h("input"), h("button")]);
  });
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: "/:any(.*)*", component: page }] });
  mount(page, { attachTo: document.body, global: { plugins: [router] } });
  return { acts: () => acts };
}

function press(key: string, more: KeyboardEventInit = {}, target: EventTarget = document.body): void {
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
}

beforeEach(() => {
  opened.mockReset();
  document.body.replaceChildren();
  sessionStorage.clear();
  setActivePinia(createPinia());
  useLive().connection = "online";
  useLive().state = snapshot({
    interactions: {
      int_1: interaction({ channel: "web_chat" }),
      int_2: interaction({ id: "int_2", channel: "web_chat", created_at: 2_000_000_000_000_000 }),
    },
  });
});

describe("keys", () => {
  it("move through the work list", () => {
    start();
    const desk = useDesk();
    expect(desk.selectedId).toBe("int_1");
    press("j");
    expect(desk.selectedId).toBe("int_2");
    press("j");
    expect(desk.selectedId).toBe("int_2");
    press("k");
    expect(desk.selectedId).toBe("int_1");
  });

  it("stay with somebody who is typing, except commands", () => {
    start();
    const desk = useDesk();
    const input = document.querySelector("input") ?? document.body;
    press("j", {}, input);
    expect(desk.selectedId).toBe("int_1");
    press("?", {}, input);
    expect(opened).not.toHaveBeenCalled();
    press("k", { ctrlKey: true }, input);
    expect(opened).toHaveBeenCalledTimes(1);
  });

  it("leave Enter to a button that has the focus", () => {
    useLive().state = snapshot({
      interactions: { int_1: interaction({ state: "offered", agent_id: null }) },
      offers: { "int_1.1": offer() },
    });
    start();
    const accept = vi.spyOn(useDesk(), "accept").mockResolvedValue();
    press("Enter", {}, document.querySelector("button") ?? document.body);
    expect(accept).not.toHaveBeenCalled();
    press("Enter");
    expect(accept).toHaveBeenCalledWith("int_1.1");
  });

  it("give Enter to what rings where a button only kept the focus of a click", () => {
    useLive().state = snapshot({
      interactions: { int_1: interaction({ state: "offered", agent_id: null }) },
      offers: { "int_1.1": offer() },
    });
    start();
    const accept = vi.spyOn(useDesk(), "accept").mockResolvedValue();
    const button = document.querySelector("button") ?? document.body;
    const clicked = vi.fn();
    button.addEventListener("keydown", clicked);
    button.dispatchEvent(new Event("pointerdown", { bubbles: true }));
    button.focus();
    press("Enter", {}, button);
    expect(accept).toHaveBeenCalledTimes(1);
    expect(clicked).not.toHaveBeenCalled();
    // By the keyboard somebody has gone to another button: that one is meant.
    press("Tab", {}, button);
    document.querySelector("input")?.focus();
    button.focus();
    press("Enter", {}, button);
    expect(accept).toHaveBeenCalledTimes(1);
    button.setAttribute("data-yields-enter", "");
    press("Enter", {}, button);
    expect(accept).toHaveBeenCalledTimes(2);
    press(" ", {}, button);
    expect(accept).toHaveBeenCalledTimes(2);
  });

  it("leave Enter to a clicked field, and to a clicked button while nothing rings", () => {
    start();
    const accept = vi.spyOn(useDesk(), "accept").mockResolvedValue();
    const button = document.querySelector("button") ?? document.body;
    const input = document.querySelector("input") ?? document.body;
    button.dispatchEvent(new Event("pointerdown", { bubbles: true }));
    const pressed = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true });
    button.dispatchEvent(pressed);
    expect(pressed.defaultPrevented).toBe(false);
    useLive().state = snapshot({
      interactions: { int_1: interaction({ state: "offered", agent_id: null }) },
      offers: { "int_1.1": offer() },
    });
    press("Enter", {}, input);
    expect(accept).not.toHaveBeenCalled();
  });

  it("answer nothing that rings while the connection is lost", () => {
    useLive().state = snapshot({
      interactions: { int_1: interaction({ state: "offered", agent_id: null }) },
      offers: { "int_1.1": offer() },
    });
    start();
    const desk = useDesk();
    const accept = vi.spyOn(desk, "accept").mockResolvedValue();
    useLive().connection = "offline";
    press("Enter");
    press("Escape");
    expect(accept).not.toHaveBeenCalled();
    expect(desk.declineAsked).toBeNull();
  });

  it("do nothing that has no key: not even before the first key", () => {
    start();
    const choose = vi.spyOn(useDesk(), "choose").mockResolvedValue();
    for (const key of ["x", "Shift", "Tab", "z"]) press(key);
    expect(choose).not.toHaveBeenCalled();
  });

  it("are each given to one act at a time", () => {
    const { acts } = start();
    const taken = acts()
      .filter((act) => act.isPossible && act.keys !== null)
      .map(({ keys }) => keys);
    expect(new Set(taken).size).toBe(taken.length);
  });
});
