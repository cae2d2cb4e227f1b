import { enableAutoUnmount, flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { TooltipProvider } from "reka-ui";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defineComponent, h, type Component } from "vue";
import { client } from "@/api/index.ts";
import { Problem } from "@/api/problem.ts";
import type { BoardView, LiveContactView } from "@/api/types.ts";
import { interaction, liveContact, queueOnBoard, T0 } from "@/live/fixtures/samples.ts";
import { useLive } from "@/live/store.ts";
import Floor from "./Floor.vue";
import Intervene from "./Intervene.vue";

enableAutoUnmount(afterEach);
const board: BoardView = {
  at: T0,
  position: 1,
  queues: [queueOnBoard(), queueOnBoard({ id: "sales", name: "Sales", closed: true })],
  agents: [],
  trend: null,
  alerts: [],
  targets: {},
};

function draw(part: Component, props: Record<string, unknown>): VueWrapper {
  const page = defineComponent(() => () => h(TooltipProvider, null, { default: () => h(part, props) }));
  return mount(page, { attachTo: document.body });
}

/** Dialogs and menus are drawn beside the page. */
const on = (id: string) => document.querySelector<HTMLElement>(`[data-testid="${id}"]`);

beforeEach(() => {
  document.body.replaceChildren();
  setActivePinia(createPinia());
});

describe("moving a contact into a closed queue", () => {
  it("says that it goes there all the same, and waits only where nobody is ready", async () => {
    draw(Intervene, { contact: liveContact(), act: "move", board });
    await flushPromises();
    expect(on("intervene-closed")?.textContent).toBe(
      "Sales is closed now. The contact goes there all the same: whoever of it is ready gets it, otherwise it waits.",
    );
  });
});

describe("a callback on the floor", () => {
  async function floor(contact: LiveContactView): Promise<VueWrapper> {
    useLive().floor = { at: T0, position: 1, contacts: [contact], total: 1 };
    const view = draw(Floor, { board, queue: null });
    await view.find("[data-testid=floor-acts]").trigger("keydown", { key: "Enter" });
    await flushPromises();
    expect(on("act-move")).not.toBeNull();
    return view;
  }

  it("is told from a caller on the line; only one that waits can be called off", async () => {
    for (const [change, tag, canBeCalledOff] of [
      [{ callback: true }, true, true],
      [{ callback: true, state: "offered", rings_at: "agt_1" }, true, true],
      [{ callback: true, state: "connecting", agent_id: "agt_1" }, true, false],
      [{}, false, false],
    ] as const) {
      const view = await floor(liveContact(change));
      expect(view.find("[data-testid=floor-callback]").exists()).toBe(tag);
      expect(on("act-call-off") !== null).toBe(canBeCalledOff);
      view.unmount();
      document.body.replaceChildren();
    }
  });

  it("is called off after a question in words; a refusal is shown and leaves the question open", async () => {
    const send = vi.spyOn(client, "send");
    send.mockRejectedValueOnce(new Problem(409, { code: "no_callback", detail: "No callback of this contact waits." }));
    send.mockResolvedValueOnce(interaction({ state: "ended", callback: true }));
    await floor(liveContact({ callback: true }));
    on("act-call-off")?.click();
    await flushPromises();
    expect(document.querySelector("[role=dialog]")?.textContent).toContain("Vera Sample will not be called.");
    expect(send).not.toHaveBeenCalled();
    on("call-off-do")?.click();
    await flushPromises();
    expect(on("call-off-error")?.textContent).toBe("No callback of this contact waits.");
    on("call-off-do")?.click();
    await flushPromises();
    const asked = ["POST", "/api/v1/interactions/int_1/cancel-callback", {}]; // without a body the server refuses a POST
    expect(send.mock.calls.map(([{ method, path, body }]) => [method, path, body])).toEqual([asked, asked]);
    expect(on("call-off-do")).toBeNull();
  });
});
