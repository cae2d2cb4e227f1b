import { enableAutoUnmount, flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { TooltipProvider } from "reka-ui";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defineComponent, h, type Component } from "vue";
import { api } from "@/api/index.ts";
import { Problem, Unreachable } from "@/api/problem.ts";
import type { DraftView } from "@/api/types.ts";
import { entry, interaction, me, snapshot, T0 } from "@/live/fixtures/samples.ts";
import { useLive } from "@/live/store.ts";
import Composer from "./Composer.vue";
import EntryList from "./EntryList.vue";

enableAutoUnmount(afterEach);
const chat = interaction({ channel: "web_chat", visitor_online: true });
const texted = interaction({ id: "int_t", channel: "sms" });
const beginning = entry({ id: "ent_1", text: "The beginning", cut_from: 900 });
const all = { ...entry({ id: "ent_1", text: "The beginning and all the rest" }), cut_from: null };

function draw(part: Component, props: Record<string, unknown>): VueWrapper {
  return mount(
    defineComponent(() => () => h(TooltipProvider, null, { default: () => h(part, props) })),
    { attachTo: document.body },
  );
}
const find = (view: VueWrapper, id: string) => view.find(`[data-testid="${id}"]`);

beforeEach(() => {
  localStorage.clear();
  document.body.replaceChildren();
  setActivePinia(createPinia());
  useLive().connection = "online";
  useLive().state = snapshot({ me: { agt_1: me() }, interactions: { int_1: chat, int_t: texted }, entries: { ent_1: beginning } });
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe("a long entry", () => {
  it("says that only its beginning is here, and is shown whole on request", async () => {
    const get = vi.spyOn(api, "entry").mockResolvedValue(all);
    const view = draw(EntryList, { interaction: chat });
    expect(find(view, "entry-cut").text()).toContain("13 of 900 characters");
    const button = find(view, "entry-all");
    expect([button.element.tagName, (button.element as HTMLElement).tabIndex]).toEqual(["BUTTON", 0]);
    await button.trigger("click");
    await flushPromises();
    expect(get).toHaveBeenCalledWith("ent_1");
    expect(find(view, "entry").text()).toContain("and all the rest");
    expect(find(view, "entry-cut").exists()).toBe(false);
  });

  it("says when the rest did not come, and asks again", async () => {
    const get = vi.spyOn(api, "entry").mockRejectedValueOnce(new Unreachable("no answer")).mockResolvedValue(all);
    const view = draw(EntryList, { interaction: chat });
    await find(view, "entry-all").trigger("click");
    await flushPromises();
    expect(find(view, "entry-cut").text()).toContain("Could not load the rest");
    await find(view, "entry-all").trigger("click");
    await flushPromises();
    expect([get.mock.calls.length, find(view, "entry-cut").exists()]).toEqual([2, false]);
  });

  it("shows nothing of that where nothing is missing", () => {
    useLive().state = snapshot({ interactions: { int_1: chat }, entries: { ent_1: all } });
    expect(find(draw(EntryList, { interaction: chat }), "entry-cut").exists()).toBe(false);
  });
});

describe("a draft that was written on elsewhere", () => {
  it("is shown above what is typed, which is saved only when it is chosen", async () => {
    const theirs: DraftView = { interaction_id: "int_t", author_id: "agt_2", at: T0, body: { text: "Theirs" }, version: 7 };
    vi.spyOn(api, "draft").mockResolvedValue({ ...theirs, author_id: "", at: 0, body: { text: "" }, version: 0 });
    const keep = vi
      .spyOn(api, "keepDraft")
      .mockRejectedValueOnce(new Problem(412, { code: "stale_version", detail: "Elsewhere", current: theirs }))
      .mockImplementation((_id, { version = 0, ...body }) => Promise.resolve({ ...theirs, author_id: "agt_1", body, version: version + 1 }));
    const view = draw(Composer, { interaction: texted });
    await vi.waitFor(() => {
      expect(find(view, "composer-text").attributes("disabled")).toBeUndefined();
      expect(find(view, "composer-text").exists()).toBe(true);
    });
    await flushPromises();
    // Not the clock: Vue leaves out clicks from before a button was there.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await find(view, "composer-text").setValue("Mine");
    await vi.advanceTimersByTimeAsync(1_000);
    vi.useRealTimers();
    expect(find(view, "draft-rival").text()).toContain("Theirs");
    expect((find(view, "composer-text").element as HTMLTextAreaElement).value).toBe("Mine");
    await find(view, "draft-keep").trigger("click");
    await vi.waitFor(() => {
      expect(keep.mock.calls.map(([, { text, version }]) => [text, version])).toEqual([["Mine", 0], ["Mine", 7]]);
    });
    expect(find(view, "draft-rival").exists()).toBe(false);
  });
});
