import { enableAutoUnmount, flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { TooltipProvider } from "reka-ui";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineComponent, h, type Component } from "vue";
import type { BoardView } from "@/api/types.ts";
import { liveContact, queueOnBoard, T0 } from "@/live/fixtures/samples.ts";
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
  it("says that it goes there all the same, for hours hold nothing back", async () => {
    draw(Intervene, { contact: liveContact(), act: "move", board });
    await flushPromises();
    expect(on("intervene-closed")?.textContent).toBe(
      "Sales is closed now. The contact goes there all the same: whoever of it is ready gets it, otherwise it waits.",
    );
  });
});
