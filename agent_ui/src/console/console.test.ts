import { enableAutoUnmount, flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { TooltipProvider } from "reka-ui";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defineComponent, h, type Component } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";
import { api } from "@/api/index.ts";
import { Problem } from "@/api/problem.ts";
import type { SnapshotView } from "@/api/types.ts";
import { card, customer, entry, interaction, me, offer, snapshot, T0, ticket } from "@/live/fixtures/samples.ts";
import { useLive } from "@/live/store.ts";
import CallBar from "@/channels/phone/CallBar.vue";
import CallStage from "@/channels/phone/CallStage.vue";
import { useToasts } from "@/ui/toasts.ts";
import { useSoftphone } from "@/channels/phone/store.ts";
import Composer from "./Composer.vue";
import ConnectionBar from "./ConnectionBar.vue";
import CustomerPane from "./CustomerPane.vue";
import { useDesk } from "./desk.ts";
import { useNotices } from "./notices.ts";
import Idle from "./Idle.vue";
import OfferCard from "./OfferCard.vue";
import OfferPreview from "./OfferPreview.vue";
import { useSession } from "./session.ts";
import StateMenu from "./StateMenu.vue";
import TimelineRow from "./TimelineRow.vue";
import WorkItem from "./WorkItem.vue";
import WrapUp from "./WrapUp.vue";

enableAutoUnmount(afterEach);
const chat = interaction({ channel: "web_chat", visitor_online: true });

function show(state: Partial<SnapshotView>): void {
  useLive().state = snapshot(state);
}

function draw(part: Component, props: Record<string, unknown> = {}): VueWrapper {
  const page = defineComponent(() => () => h(TooltipProvider, null, { default: () => h(part, props) }));
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: "/:any(.*)*", component: page }] });
  return mount(page, { attachTo: document.body, global: { plugins: [router] } });
}

const find = (view: VueWrapper, id: string) => view.find(`[data-testid="${id}"]`);

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
  document.body.replaceChildren();
  setActivePinia(createPinia());
  useLive().connection = "online";
  useSession().bootstrap = {
    live_schema: 1,
    server_time: T0,
    brand: "Test",
    time_zone: "Europe/Berlin",
    queues: [{ id: "service", name: "Service", brand_id: "b", wrap_up_s: 60 }],
    away_reasons: [{ id: "lunch", name: "Lunch" }],
    decline_reasons: [{ id: "busy", name: "Busy" }],
    dispositions: [
      { id: "solved", name: "Solved" },
      { id: "callback", name: "We call back" },
    ],
    agents: [{ id: "agt_1", name: "Anna Berger" }],
    softphone: "none",
  };
});

describe("the composer", () => {
  it("says unmistakably who will read it, and hands the text to that place", async () => {
    const write = vi.spyOn(useLive(), "write").mockReturnValue();
    show({ interactions: { int_1: chat } });
    const view = draw(Composer, { interaction: chat });
    expect(find(view, "composer").attributes("data-mode")).toBe("message");
    await find(view, "composer-text").setValue("Hello");
    await find(view, "composer-note").trigger("click");
    expect(find(view, "composer").attributes("data-mode")).toBe("note");
    expect((find(view, "composer-text").element as HTMLTextAreaElement).value).toBe("");
    await find(view, "composer-text").setValue("Careful");
    await find(view, "composer-text").trigger("keydown", { key: "Enter" });
    expect(write.mock.calls).toEqual([["int_1", "note", "Careful"]]);
    await find(view, "composer-reply").trigger("click");
    expect((find(view, "composer-text").element as HTMLTextAreaElement).value).toBe("Hello");
  });

  it("keeps what was begun through a reload", async () => {
    show({ interactions: { int_1: chat } });
    const before = draw(Composer, { interaction: chat });
    await find(before, "composer-text").setValue("half a sentence");
    before.unmount();
    setActivePinia(createPinia());
    show({ interactions: { int_1: chat } });
    const after = draw(Composer, { interaction: chat });
    expect((find(after, "composer-text").element as HTMLTextAreaElement).value).toBe("half a sentence");
  });

  it("sends nothing that is empty or too long, and nothing while a word is being composed", async () => {
    const write = vi.spyOn(useLive(), "write").mockReturnValue();
    show({ interactions: { int_1: chat } });
    const view = draw(Composer, { interaction: chat });
    for (const text of ["", "   ", "x".repeat(16_001)]) {
      await find(view, "composer-text").setValue(text);
      await find(view, "composer-text").trigger("keydown", { key: "Enter" });
    }
    await find(view, "composer-text").setValue("日本");
    await find(view, "composer-text").trigger("keydown", { key: "Enter", isComposing: true });
    await find(view, "composer-text").trigger("keydown", { key: "Enter", shiftKey: true });
    expect(write).not.toHaveBeenCalled();
  });

  it("offers only notes where words are spoken", () => {
    const call = interaction();
    show({ interactions: { int_1: call } });
    const view = draw(Composer, { interaction: call });
    expect(find(view, "composer").attributes("data-mode")).toBe("note");
    expect(find(view, "composer-reply").exists()).toBe(false);
  });
});

describe("the wrap-up", () => {
  const over = interaction({ state: "wrap_up", ended_by: "agent", wrap_up_until: T0 + 60_000_000 });

  it("asks for a disposition before it ends", async () => {
    const finish = vi.spyOn(api, "finishWrapUp").mockResolvedValue(over);
    show({ interactions: { int_1: over } });
    const view = draw(WrapUp, { interaction: over });
    await find(view, "wrap-up").trigger("submit");
    expect(view.find("[role=alert]").exists()).toBe(true);
    expect(finish).not.toHaveBeenCalled();
    await view.find("input[value=callback]").setValue(true);
    await find(view, "wrap-up-comment").setValue(" tomorrow ");
    await find(view, "wrap-up").trigger("submit");
    await flushPromises();
    expect(finish.mock.calls[0]?.[0]).toBe("int_1");
    expect(finish.mock.calls[0]?.slice(2)).toEqual(["callback", "tomorrow"]);
  });

  it("says what went wrong and keeps what was written", async () => {
    vi.spyOn(api, "finishWrapUp").mockRejectedValue(new Problem(409, { code: "invalid_transition", detail: "It is over." }));
    show({ interactions: { int_1: over } });
    const view = draw(WrapUp, { interaction: over });
    await view.find("input[value=solved]").setValue(true);
    await find(view, "wrap-up-comment").setValue("x");
    await find(view, "wrap-up").trigger("submit");
    await flushPromises();
    expect(view.find("[role=alert]").text()).toBe("It is over.");
    expect((find(view, "wrap-up-comment").element as HTMLTextAreaElement).value).toBe("x");
  });
});

describe("an offer", () => {
  const ringing = interaction({ state: "offered", agent_id: null });

  function ring(): void {
    show({ interactions: { int_1: ringing }, offers: { "int_1.1": offer() }, cards: { cus_1: card() } });
  }

  /** It rings beside a chat that the agent is in. */
  function ringBeside(): void {
    show({ interactions: { int_2: { ...chat, id: "int_2" } } });
    useDesk();
    show({
      interactions: { int_1: ringing, int_2: { ...chat, id: "int_2" } },
      offers: { "int_1.1": offer() },
      cards: { cus_1: card() },
    });
  }

  it("has its buttons in one place", async () => {
    ring();
    const desk = useDesk();
    const slim = draw(OfferCard, { ringing: desk.offers[0], first: true });
    expect(slim.text()).toContain("Maria Huber");
    expect(find(slim, "offer-accept").exists(), "the middle of the screen has them").toBe(false);
    slim.unmount();
    ringBeside();
    desk.select("int_2");
    const view = draw(OfferCard, { ringing: desk.offers[0], first: true });
    expect(find(view, "offer-accept").exists()).toBe(true);
    await find(view, "offer-look").trigger("click");
    expect([desk.selected?.id, desk.recordOf?.id]).toEqual(["int_2", "int_1"]);
  });

  it("names who and why, from the frame alone", () => {
    ringBeside();
    const [first] = useDesk().offers;
    const view = draw(OfferCard, { ringing: first, first: true });
    expect(view.text()).toContain("Maria Huber");
    expect(find(view, "offer-why").text()).toBe("gold");
    expect(view.text()).toContain("Service");
  });

  it("says that it is a callback, and whether the customer is on the line already", () => {
    ringBeside();
    const [first] = useDesk().offers;
    const leg = (status: string) => ({ customer_leg: status, agent_leg: null, in_conference: false });
    const kind = (status: string, callback = true): string => {
      const callbacks = { ...first, interaction: { ...ringing, channel: "phone", callback, call: leg(status) } };
      return find(draw(OfferCard, { ringing: callbacks, first: true }), "offer-kind").text();
    };
    expect(kind("in-progress", false)).toBe("Incoming call");
    expect(kind("completed")).toBe("Callback: you take it, then the customer is called");
    expect(kind("in-progress")).toBe("Callback: the customer was called first, and is on the line");
  });

  it("says of a callback which try it is, and how long ago the customer was promised it", () => {
    ringBeside();
    const [first] = useDesk().offers;
    const call = { customer_leg: "completed", agent_leg: null, in_conference: false };
    const shown = (because: Record<string, string | number>) => {
      const callbacks = { ...first, offer: offer({ because }), interaction: { ...ringing, channel: "phone", callback: true, call } };
      const [card, preview] = [draw(OfferCard, { ringing: callbacks, first: true }), draw(OfferPreview, { ringing: callbacks })];
      const said = find(card, "offer-try").exists() ? find(card, "offer-try").text() : null;
      const inFront = find(preview, "offer-preview-try");
      expect(inFront.exists() ? inFront.text() : null, "in front it says the same").toBe(said);
      return said;
    };
    const promised = { callback: "agent", promised_ms: 7_500_000, waited_ms: 9_000_000 };
    expect(shown({ ...promised, missed: 0 })).toBeNull();
    expect(shown({ ...promised, missed: 1 })).toBe("Second try, promised 2 h 5 min ago");
    expect(shown({ ...promised, missed: 2 })).toBe("Third try, promised 2 h 5 min ago");
    expect(shown({ ...promised, missed: 6 })).toBe("Try 7, promised 2 h 5 min ago");
    expect(shown({ callback: "agent", waited_ms: 300_000, missed: 1 }), "of a desk that did not say it yet").toBe("Second try, promised 5 min ago");
    expect(shown({ missed: 2, waited_ms: 300_000 }), "no callback").toBeNull();
  });

  it("shows the record beside it without asking the server for anything", () => {
    const fetched = vi.spyOn(globalThis, "fetch");
    ring();
    expect(useDesk().selected?.id).toBe("int_1");
    const view = draw(CustomerPane);
    expect(find(view, "card-name").text()).toBe("Maria Huber");
    expect(fetched).not.toHaveBeenCalled();
  });

  it("has a record also for somebody who hides their number", () => {
    const hidden = { ...ringing, customer_id: null, caller: null, title: "Withheld number" };
    show({ interactions: { int_1: hidden }, offers: { "int_1.1": offer() } });
    useDesk();
    expect(find(draw(CustomerPane), "card-name").text()).toBe("Number withheld");
  });

  it("cannot be answered while the connection is lost, and says so", async () => {
    ringBeside();
    const view = draw(OfferCard, { ringing: useDesk().offers[0], first: true });
    expect(find(view, "offer-lost").exists()).toBe(false);
    useLive().connection = "offline";
    await flushPromises();
    expect(find(view, "offer-accept").attributes("disabled")).toBeDefined();
    expect(find(view, "offer-decline").attributes("disabled")).toBeDefined();
    expect(find(view, "offer-lost").text()).toBe("Connection lost: you can answer once it is back.");
  });

  it("is accepted once however often one clicks", async () => {
    ring();
    let answer: (value: typeof ringing) => void = () => undefined;
    const accept = vi.spyOn(api, "acceptOffer").mockReturnValue(
      new Promise((resolve) => {
        answer = resolve;
      }),
    );
    const desk = useDesk();
    const both = [desk.accept("int_1.1"), desk.accept("int_1.1")];
    answer({ ...ringing, channel: "web_chat", state: "active" });
    await Promise.all(both);
    expect(accept).toHaveBeenCalledTimes(1);
  });

  it("does not take a conversation away that somebody is in", () => {
    show({ interactions: { int_2: { ...chat, id: "int_2" } } });
    const desk = useDesk();
    expect(desk.selected?.id).toBe("int_2");
    show({
      interactions: { int_1: ringing, int_2: { ...chat, id: "int_2" } },
      offers: { "int_1.1": offer() },
      cards: { cus_1: card() },
    });
    expect(desk.selected?.id).toBe("int_2");
    expect(desk.recordOf?.id, "nor its record").toBe("int_2");
    desk.look("int_1.1");
    expect([desk.selected?.id, desk.recordOf?.id]).toEqual(["int_2", "int_1"]);
    desk.lookBack();
    expect(desk.recordOf?.id).toBe("int_2");
    desk.select("int_1");
    expect(desk.recordOf?.id, "whoever is chosen is shown").toBe("int_1");
  });
});

describe("the record", () => {
  const other = interaction({ id: "int_2", state: "offered", agent_id: null, customer_id: "cus_2" });
  const cards = { cus_1: card(), cus_2: card({ customer: customer({ id: "cus_2" }) }) };

  it("opens the form for a new ticket at the first wish, from the timeline", async () => {
    show({ interactions: { int_1: chat }, cards });
    const desk = useDesk();
    const view = draw(CustomerPane);
    await flushPromises();
    expect(find(view, "tab-timeline").attributes("data-state")).toBe("active");
    desk.askNewTicket();
    await flushPromises();
    expect(find(view, "tab-tickets").attributes("data-state")).toBe("active");
    expect(find(view, "ticket-new").exists()).toBe(false);
    expect(view.text()).toContain("New ticket");
    expect(desk.newTicketFor).toBeNull();
    // The wish is fulfilled: coming back to the tab does not open the form again.
    desk.showCustomer("timeline");
    await flushPromises();
    desk.showCustomer("tickets");
    await flushPromises();
    expect(find(view, "ticket-new").exists()).toBe(true);
    desk.askNewTicket();
    await flushPromises();
    expect(find(view, "ticket-new").exists()).toBe(false);
  });

  it("makes the ticket for the contact in front, not for the one that rings", async () => {
    show({ interactions: { int_1: chat, int_2: other }, offers: { "int_2.1": offer({ id: "int_2.1", interaction_id: "int_2" }) }, cards });
    const desk = useDesk();
    desk.select("int_1");
    const view = draw(CustomerPane);
    desk.look("int_2.1");
    await flushPromises();
    expect(view.find("[data-customer]").attributes("data-customer")).toBe("cus_2");
    desk.askNewTicket();
    await flushPromises();
    expect(view.find("[data-customer]").attributes("data-customer")).toBe("cus_1");
    expect(desk.newTicketFor).toBeNull();
  });

  it("starts with the timeline for each contact, and keeps the tab that was chosen for one", async () => {
    show({ interactions: { int_1: chat }, cards });
    const desk = useDesk();
    const view = draw(CustomerPane);
    desk.showCustomer("notes");
    await flushPromises();
    expect(find(view, "tab-notes").attributes("data-state")).toBe("active");
    show({ interactions: { int_1: chat, int_2: other }, offers: { "int_2.1": offer({ id: "int_2.1", interaction_id: "int_2" }) }, cards });
    desk.look("int_2.1");
    await flushPromises();
    expect(view.find("[data-customer]").attributes("data-customer")).toBe("cus_2");
    expect(find(view, "tab-timeline").attributes("data-state")).toBe("active");
    desk.lookBack();
    await flushPromises();
    expect(find(view, "tab-notes").attributes("data-state")).toBe("active");
  });
});

describe("a ticket that is being written", () => {
  async function form(view: VueWrapper): Promise<void> {
    useDesk().askNewTicket();
    await vi.waitFor(() => {
      expect(find(view, "ticket-form").exists()).toBe(true);
    });
  }

  async function again(): Promise<VueWrapper> {
    setActivePinia(createPinia());
    show({ interactions: { int_1: chat }, cards: { cus_1: card() } });
    const view = draw(CustomerPane);
    await flushPromises();
    return view;
  }

  it("is there again after a reload, where it was", async () => {
    show({ interactions: { int_1: chat }, cards: { cus_1: card() } });
    const before = draw(CustomerPane);
    await form(before);
    await find(before, "ticket-subject").setValue("The oven");
    await find(before, "ticket-description").setValue("It smokes");
    await find(before, "ticket-new-priority").setValue("high");
    before.unmount();
    const after = await again();
    await vi.waitFor(() => {
      expect(find(after, "ticket-form").exists()).toBe(true);
    });
    const value = (id: string) => (find(after, id).element as HTMLInputElement).value;
    expect([value("ticket-subject"), value("ticket-description"), value("ticket-new-priority")]).toEqual(["The oven", "It smokes", "high"]);
  });

  it("stays with Esc and goes only when it is discarded or created", async () => {
    show({ interactions: { int_1: chat }, cards: { cus_1: card() } });
    const view = draw(CustomerPane);
    await form(view);
    await find(view, "ticket-description").setValue("It smokes");
    await find(view, "ticket-description").trigger("keydown", { key: "Escape" });
    expect(find(view, "ticket-form").exists()).toBe(false);
    await form(view);
    expect((find(view, "ticket-description").element as HTMLTextAreaElement).value).toBe("It smokes");
    await find(view, "ticket-discard").trigger("click");
    view.unmount();
    const after = await again();
    expect(find(after, "ticket-form").exists()).toBe(false);
    expect(find(after, "tab-timeline").attributes("data-state")).toBe("active");
  });
});

describe("the record's rows", () => {
  it("counts a customer's browsers instead of naming each", async () => {
    const web = (id: string) => ({ id, kind: "chat" as const, value: id, display: "web chat", proof: "seen" as const, proved_at: null });
    const shown = async (count: number): Promise<string> => {
      const chats = Array.from({ length: count }, (_, n) => web(`vis_${n}`));
      show({ interactions: { int_1: chat }, cards: { cus_1: card({ identities: chats }) } });
      const view = draw(CustomerPane);
      await flushPromises();
      const text = find(view, "card-identities").text();
      view.unmount();
      return text;
    };
    expect(await shown(1)).toBe("web chat");
    expect(await shown(3)).toBe("3 web chats");
  });

  it("opens a missed contact, with as much as its reader may see", async () => {
    const missed = { id: "int_9", kind: "interaction" as const, at: T0, channel: "phone", state: "abandoned", title: "", detail: "", agent_name: null, queue_id: "service", ticket_number: null, duration_s: null };
    const asked = vi.spyOn(api, "interaction");
    show({});
    const view = draw(TimelineRow, { item: missed });
    await find(view, "timeline-open").trigger("click");
    await vi.waitFor(() => {
      expect(document.querySelector("[data-testid=past-contact]")?.textContent).toContain("Nobody answered this contact.");
    });
    const text = document.querySelector("[data-testid=past-contact]")?.textContent ?? "";
    expect(text).toContain("Service");
    expect(text).toContain("shown to whoever had it");
    expect(asked, "what would be refused is not asked for").not.toHaveBeenCalled();
  });
});

describe("signing out", () => {
  it("says what happens to what is open, and does it only then", async () => {
    const signOut = vi.spyOn(useSession(), "signOut").mockResolvedValue();
    show({ interactions: { int_1: interaction({ state: "active" }), int_2: { ...chat, id: "int_2", state: "wrap_up" } } });
    const { default: SignOut } = await import("./SignOut.vue");
    draw(SignOut, { open: true });
    await flushPromises();
    const text = document.querySelector("[role=dialog]")?.textContent ?? "";
    expect(text).toContain("2 contacts are not finished");
    expect(text).toContain("return to the queue");
    expect(text).toContain("finish them when you are back");
    expect(signOut).not.toHaveBeenCalled();
    document.querySelector<HTMLElement>("[data-testid=sign-out-anyway]")?.click();
    await flushPromises();
    expect(signOut).toHaveBeenCalledTimes(1);
  });
});

describe("the words of a call", () => {
  it("can be read until its wrap-up is done", async () => {
    const call = interaction({ state: "wrap_up", ended_by: "customer" });
    show({ interactions: { int_1: call } });
    const phone = useSoftphone();
    phone.interactionId = "int_1";
    phone.hear({ who: "customer", text: "My oven smokes", at: T0 });
    phone.interactionId = "int_2";
    phone.hear({ who: "customer", text: "Another caller", at: T0 });
    const view = draw(CallStage, { interaction: call });
    expect(find(view, "captions").text()).toContain("My oven smokes");
    expect(find(view, "captions").text()).not.toContain("Another caller");
    expect(find(view, "call-rejoin").exists()).toBe(false);
    await flushPromises();
  });
});

describe("the state", () => {
  it("says why the agent is away, in the same words in the menu and in the middle", () => {
    for (const [reason, title, text] of [
      ["no_answer", "Missed a contact", "You missed a contact"],
      ["softphone_missing", "Your softphone did not join", "Your phone did not join"],
      ["lost", "Connection lost", "Your connection was lost"],
      ["signed_in", "Not ready yet", "You are signed in."],
    ] as const) {
      show({ me: { agt_1: me({ state: { chosen: "away", reason, since: T0 } }) } });
      const idle = draw(Idle);
      expect(idle.find("h1").text()).toBe(title);
      expect(find(idle, "idle-text").text()).toContain(text);
      expect(find(idle, "idle-go-ready").exists()).toBe(true);
      expect(find(draw(StateMenu), "state-menu").text()).toContain(title);
    }
    show({ me: { agt_1: me({ state: { chosen: "away", reason: "lunch", since: T0 } }) } });
    expect(draw(Idle).find("h1").text()).toBe("You are away");
  });

  it("tells beside the chosen state that the agent is in contact or wraps up", async () => {
    show({ interactions: { int_1: chat, int_2: { ...chat, id: "int_2", state: "wrap_up" } } });
    const view = draw(StateMenu);
    expect(find(view, "state-menu").attributes("data-state-chosen")).toBe("ready");
    expect(find(view, "state-menu").text()).toContain("Ready");
    expect(find(view, "state-doing").text()).toBe("In contact");
    show({ interactions: { int_2: { ...chat, id: "int_2", state: "wrap_up" } } });
    await flushPromises();
    expect(find(view, "state-doing").text()).toBe("Wrap-up");
    show({});
    await flushPromises();
    expect(find(view, "state-doing").exists()).toBe(false);
  });

  it("is shown at once, tried again on the newer version, and taken back when refused", async () => {
    show({ me: { agt_1: me({ version: 3, state: { chosen: "away", reason: "lunch", since: T0 } }) } });
    const desk = useDesk();
    const stale = new Problem(412, { code: "stale_version", current: { version: 5 } });
    const choose = vi.spyOn(api, "chooseState").mockRejectedValueOnce(stale).mockResolvedValueOnce(me());
    const chosen = desk.choose({ state: "ready" });
    expect(desk.wantedState).toEqual({ state: "ready" });
    await chosen;
    expect(choose.mock.calls.map(([, version]) => version)).toEqual([3, 5]);
    expect(desk.wantedState).toBeNull();
  });
});

describe("while the connection is lost", () => {
  it("nobody is told that contacts will ring, or to go on writing what they do not write", () => {
    show({ me: { agt_1: me() } });
    useLive().connection = "offline";
    const view = draw(Idle);
    expect(view.find("h1").text()).toBe("You are not connected");
    expect(find(view, "idle-go-ready").exists()).toBe(false);
    expect(draw(ConnectionBar).text()).toContain("Nothing rings here");
    expect(draw(ConnectionBar, { figures: true }).text()).toContain("What you see is of the time before");
    show({ interactions: { int_1: chat } });
    expect(draw(ConnectionBar).text()).toContain("You can go on writing");
  });
});

describe("a row of the work list", () => {
  it("marks one's own last words, not the customer's", () => {
    const last = { ...chat, last_entry: "It fits." };
    const from = (kind: "agent" | "customer", id: string) => entry({ text: "It fits.", author: { kind, id, name: "A" } });
    show({ interactions: { int_1: last }, entries: { ent_1: from("agent", "agt_1") } });
    expect(draw(WorkItem, { interaction: last }).text()).toContain("You: It fits.");
    show({ interactions: { int_1: last }, entries: { ent_1: from("customer", "cus_1") } });
    expect(draw(WorkItem, { interaction: last }).text()).not.toContain("You:");
  });
});

describe("changes of our own", () => {
  it("are on the card before the frame comes, and give way to a newer frame", () => {
    const live = useLive();
    show({ interactions: { int_1: chat }, cards: { cus_1: card({ tickets: [ticket({ version: 2 })] }) } });
    live.noteTicket(ticket({ version: 3, status: "solved" }));
    live.noteTicket(ticket({ id: "tic_2", number: 10_483 }));
    live.noteTicket(ticket({ id: "tic_3", customer_id: "cus_9" }));
    expect(live.card("cus_1")?.tickets.map(({ id, status }) => [id, status])).toEqual([
      ["tic_1", "solved"],
      ["tic_2", "open"],
    ]);
    show({ interactions: { int_1: chat }, cards: { cus_1: card({ tickets: [ticket({ version: 4, status: "closed" })] }) } });
    expect(live.card("cus_1")?.tickets.find(({ id }) => id === "tic_1")?.status).toBe("closed");
    live.noteCustomer(customer({ version: 2, name: "Maria Lang" }));
    expect(live.card("cus_1")?.customer.name).toBe("Maria Lang");
  });
});

describe("a callback that is being made", () => {
  const made = (status: string, agent_leg: string | null = "in-progress") =>
    interaction({ channel: "phone", state: "connecting", connected_at: null, callback: true, call: { customer_leg: status, agent_leg, in_conference: false } });

  it("says in the bar and on the stage what it waits for", () => {
    useSoftphone().plug("simulator");
    for (const [status, leg, bar, stage] of [
      ["completed", null, "connecting", "Callback. The customer is called as soon as you are on the line."],
      ["completed", "in-progress", "connecting", "Callback. You are on the line; the customer is called as soon as the carrier takes the call."],
      ["no-answer", "in-progress", "connecting", "Callback. You are on the line; the customer is called as soon as the carrier takes the call."],
      ["ringing", "in-progress", "calling", "Callback. The customer’s phone is ringing…"],
    ] as const) {
      const view = draw(CallBar, { interaction: made(status, leg), ending: false });
      expect(find(view, "call-bar-callback").text()).toBe("Callback");
      expect(view.text()).toContain(bar);
      expect(draw(CallStage, { interaction: made(status, leg) }).text()).toContain(stage);
    }
    const plain = draw(CallBar, { interaction: interaction({ channel: "phone", state: "connecting", connected_at: null }), ending: false });
    expect(find(plain, "call-bar-callback").exists()).toBe(false);
  });

  it("tells whoever waited why it left, by the name it had", async () => {
    const live = useLive();
    const listen = vi.spyOn(live, "onEvent");
    draw(defineComponent({ setup: () => (useNotices(), () => null) }));
    const tell = listen.mock.calls[0]?.[0];
    const told = async (kind: string, reason: string, agent_id = "agt_1"): Promise<string | undefined> => {
      useToasts().messages = [];
      show({ interactions: { int_1: { ...made("ringing"), title: "Maria Lang" } } });
      await flushPromises();
      show({ interactions: {} });
      tell?.({ position: 1, at: T0, kind, subject: "int_1", actor: "system", data: { agent_id, reason } });
      return useToasts().messages[0]?.title;
    };
    expect(await told("interaction.queued", "callback_missed")).toBe("Maria Lang did not answer. The next try follows.");
    expect(await told("interaction.ended", "callback_missed")).toBe("Maria Lang could not be reached: a ticket was opened.");
    expect(await told("interaction.queued", "callback_put_off")).toBe(
      "Maria Lang could not be called: the carrier took no more calls in time. The next try follows.",
    );
    expect(await told("interaction.queued", "agent_lost")).toBeUndefined();
    expect(await told("interaction.queued", "callback_missed", "agt_2")).toBeUndefined();
  });
});
