import { enableAutoUnmount, flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { TooltipProvider } from "reka-ui";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defineComponent, h, nextTick, ref, type Component } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";
import { api } from "@/api/index.ts";
import type { DraftView, InteractionView } from "@/api/types.ts";
import { drafts } from "@/live/drafts.ts";
import { interaction, snapshot } from "@/live/fixtures/samples.ts";
import { useLive } from "@/live/store.ts";
import Composer from "./Composer.vue";
import Conversation from "./Conversation.vue";
import { useDesk } from "./desk.ts";
import { carried } from "./unsent.ts";
import WrapUp from "./WrapUp.vue";

enableAutoUnmount(afterEach);
const chat = interaction({ channel: "web_chat", visitor_online: true });
const texted = interaction({ channel: "sms", title: "Vera Sample", caller: "+49 30 901820" });
const nothing: DraftView = { interaction_id: "int_1", author_id: "", at: 0, body: { text: "" }, files: [], version: 0 };

/** A part with a contact that changes while it is shown. */
function draw(part: Component, first: InteractionView): { view: VueWrapper; become: (next: InteractionView) => Promise<void> } {
  const current = ref(first);
  const page = defineComponent(() => () => h(TooltipProvider, null, { default: () => h(part, { interaction: current.value }) }));
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: "/:any(.*)*", component: page }] });
  useLive().state = snapshot({ interactions: { int_1: first } });
  const view = mount(page, { attachTo: document.body, global: { plugins: [router] } });
  const become = async (next: InteractionView) => {
    current.value = next;
    useLive().state = snapshot({ interactions: { int_1: next } });
    await flushPromises();
  };
  return { view, become };
}

const find = (view: VueWrapper, id: string) => view.find(`[data-testid="${id}"]`);
const there = (id: string) => document.querySelector<HTMLElement>(`[data-testid="${id}"]`);

async function press(id: string): Promise<void> {
  there(id)?.click();
  await flushPromises();
}

beforeEach(() => {
  vi.restoreAllMocks();
  localStorage.clear();
  sessionStorage.clear();
  document.body.replaceChildren();
  setActivePinia(createPinia());
  useLive().connection = "online";
  vi.spyOn(api, "draft").mockResolvedValue(nothing);
});

describe("ending a contact with words in the composer", () => {
  it("is asked about first, and goes on with the words where they were", async () => {
    const end = vi.spyOn(useDesk(), "end").mockResolvedValue();
    const { view } = draw(Conversation, chat);
    await find(view, "composer-text").setValue("half a sentence");
    await press("conversation-end");
    expect(there("unsent-words")?.textContent).toBe("half a sentence");
    await vi.waitFor(() => {
      expect(document.activeElement).toBe(there("unsent-keep"));
    });
    await press("unsent-keep");
    expect([there("unsent-dialog"), end.mock.calls.length]).toEqual([null, 0]);
    expect((find(view, "composer-text").element as HTMLTextAreaElement).value).toBe("half a sentence");
    expect(document.activeElement).toBe(there("composer-text"));
  });

  it("throws them away only when told so", async () => {
    const end = vi.spyOn(useDesk(), "end").mockResolvedValue();
    const { view } = draw(Conversation, chat);
    await find(view, "composer-text").setValue("half a sentence");
    await press("conversation-end");
    await press("unsent-discard");
    expect(end).toHaveBeenCalledWith("int_1");
    expect(drafts.read("int_1.message")).toBe("");
  });

  it("sends them first, and ends once they have arrived", async () => {
    const live = useLive();
    const end = vi.spyOn(useDesk(), "end").mockResolvedValue();
    const line = { key: "k", interactionId: "int_1", kind: "message", text: "Bye", at: 1, error: null } as const;
    const write = vi.spyOn(live, "write").mockImplementation(() => {
      live.lines = [{ ...line, state: "sending" }];
    });
    const { view } = draw(Conversation, chat);
    await find(view, "composer-text").setValue("Bye ");
    await press("conversation-end");
    await press("unsent-send");
    expect([write.mock.calls, end.mock.calls.length]).toEqual([[["int_1", "message", "Bye"]], 0]);
    live.lines = [{ ...line, state: "done" }];
    await flushPromises();
    expect(end).toHaveBeenCalledWith("int_1");
  });

  it("ends nothing when they are refused", async () => {
    const live = useLive();
    const end = vi.spyOn(useDesk(), "end").mockResolvedValue();
    vi.spyOn(live, "write").mockImplementation(() => {
      live.lines = [{ key: "k", interactionId: "int_1", kind: "message", text: "Bye", at: 1, error: "Too late.", state: "failed" }];
    });
    const { view } = draw(Conversation, chat);
    await find(view, "composer-text").setValue("Bye");
    await press("conversation-end");
    await press("unsent-send");
    expect([there("unsent-dialog"), end.mock.calls.length]).toEqual([null, 0]);
    expect((find(view, "composer-text").element as HTMLTextAreaElement).value, "the refused line has them now").toBe("");
  });

  it("asks for a text in its form too, and not where nothing is written", async () => {
    const end = vi.spyOn(useDesk(), "end").mockResolvedValue();
    const { view } = draw(Conversation, texted);
    await vi.waitFor(() => {
      expect(find(view, "composer-text").attributes("readonly")).toBeUndefined();
    });
    await press("conversation-end");
    expect(end).toHaveBeenCalledTimes(1);
    await find(view, "composer-text").setValue("On our way");
    await press("conversation-end");
    expect([there("unsent-words")?.textContent, end.mock.calls.length]).toEqual(["On our way", 1]);
  });
});

describe("what was being written when the other side ended", () => {
  it("stays in sight: the note as the comment, the answer with a word that it was not sent", async () => {
    const { view, become } = draw(Conversation, chat);
    await find(view, "composer-text").setValue("Your oven will");
    await find(view, "composer-note").trigger("click");
    await find(view, "composer-text").setValue("sounds ang");
    await become(interaction({ channel: "web_chat", state: "wrap_up", ended_by: "customer" }));
    expect((find(view, "wrap-up-comment").element as HTMLTextAreaElement).value).toBe("sounds ang");
    expect(find(view, "wrap-up-carried").exists()).toBe(true);
    expect(find(view, "wrap-up-unsent").text()).toContain("Your oven will");
    await find(view, "wrap-up-unsent-discard").trigger("click");
    await nextTick();
    expect(find(view, "wrap-up-unsent").exists()).toBe(false);
    expect([drafts.read("int_1.message"), drafts.read("int_1.note"), drafts.read("int_1.wrap_up")]).toEqual(["", "", "sounds ang"]);
  });

  it("is put below a comment that is there, and stays beside one where it does not fit", () => {
    expect(carried("Called back.", " angry ", 100)).toBe("Called back.\n\nangry");
    expect(carried("", "x".repeat(101), 100)).toBeNull();
    drafts.write("int_1.note", "x".repeat(3_000));
    const { view } = draw(WrapUp, interaction({ state: "wrap_up" }));
    expect((find(view, "wrap-up-comment").element as HTMLTextAreaElement).value).toBe("");
    expect(find(view, "wrap-up-note").text()).toContain("xxx");
    expect(drafts.read("int_1.note")).toHaveLength(3_000);
  });
});

describe("a text's composer", () => {
  it("names the number that it goes to, whoever that is thought to be", () => {
    expect(find(draw(Composer, texted).view, "composer-reader").text()).toBe("Goes to +49 30 901820 (Vera Sample)");
    expect(find(draw(Composer, { ...texted, title: "+49 30 901820" }).view, "composer-reader").text()).toBe("Goes to +49 30 901820");
    expect(find(draw(Composer, { ...chat, title: "Vera", caller: "vera@example.org" }).view, "composer-reader").text()).toBe("Goes to Vera");
  });
});
