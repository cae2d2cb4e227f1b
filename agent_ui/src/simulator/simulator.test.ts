/** The page over a carrier that the test plays: requests are answered by hand, events are sent by hand. */
import { enableAutoUnmount, flushPromises, mount } from "@vue/test-utils";
import type { VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import Simulator from "./Simulator.vue";

const PEOPLE = [
  { id: "cus_1", name: "María López", number: "+34911000001", mailbox: "maria@example.es", language: "es", tier: "gold" },
  { id: "cus_2", name: "Anna Müller", number: "+49301000002", mailbox: null, language: "de", tier: "standard" },
];
const NUMBERS = [{ number: "+498001234567", label: "Service" }];

class PlayedEvents extends EventTarget {
  static readonly CLOSED = 2;
  static all: PlayedEvents[] = [];
  readyState = 1;
  readonly url: string;

  constructor(url: string) {
    super();
    this.url = url;
    PlayedEvents.all.push(this);
  }

  close(): void {
    this.readyState = 2;
  }

  send(id: number, kind: string, data: Readonly<Record<string, unknown>>): void {
    const event = new MessageEvent(kind, { data: JSON.stringify({ at: id * 1_000_000, kind, ...data }), lastEventId: String(id) });
    this.dispatchEvent(event);
  }

  fail(): void {
    this.readyState = 2;
    this.dispatchEvent(new Event("error"));
  }
}

let requests: { method: string; path: string; body: unknown }[];
let answers: Record<string, [number, unknown]>;

function answer(path: string, init: RequestInit = {}): Response {
  const method = init.method ?? "GET";
  requests.push({ method, path, body: typeof init.body === "string" ? JSON.parse(init.body) : null });
  const [status, body] = answers[`${method} ${path}`] ?? [404, { detail: "There is nothing here." }];
  return new Response(JSON.stringify(body), { status });
}

enableAutoUnmount(afterEach);

beforeEach(() => {
  sessionStorage.clear();
  requests = [];
  PlayedEvents.all = [];
  answers = {
    "GET /simulator-api/people": [200, PEOPLE],
    "GET /simulator-api/numbers": [200, NUMBERS],
    "POST /simulator-api/calls": [201, { call_sid: "CA1" }],
    "POST /simulator-api/calls/CA1/digits": [200, { taken: true }],
    "POST /simulator-api/calls/CA1/say": [200, { heard_by: [] }],
    "POST /simulator-api/calls/CA1/hangup": [200, { hung_up: true }],
    "GET /simulator-api/calls/CA1": [200, {}],
  };
  vi.stubGlobal("fetch", (path: string, init?: RequestInit) => Promise.resolve(answer(path, init)));
  vi.stubGlobal("EventSource", PlayedEvents);
  vi.spyOn(document.head, "append").mockImplementation((...nodes) => {
    // The widget's script tag: it is not there.
    for (const node of nodes) if (node instanceof HTMLScriptElement) node.dispatchEvent(new Event("error"));
  });
});

async function page(): Promise<VueWrapper> {
  const wrapper = mount(Simulator, { attachTo: document.body });
  await flushPromises();
  return wrapper;
}

function part(wrapper: VueWrapper, testId: string, index = 0) {
  const found = wrapper.findAll(`[data-testid="${testId}"]`)[index];
  if (found === undefined) throw new Error(`no ${testId}`);
  return found;
}

function stream(): PlayedEvents {
  const last = PlayedEvents.all.at(-1);
  if (last === undefined) throw new Error("no stream");
  return last;
}

async function call(wrapper: VueWrapper): Promise<void> {
  await wrapper.find("form.dial").trigger("submit");
  await flushPromises();
}

describe("the simulator", () => {
  it("calls as the person who was picked and shows what they hear", async () => {
    const wrapper = await page();
    await part(wrapper, "sim-person").trigger("click");
    await call(wrapper);
    expect(requests.at(-1)).toEqual({ method: "POST", path: "/simulator-api/calls", body: { from: "+34911000001", to: "+498001234567" } });
    expect(stream().url).toBe("/simulator-api/calls/CA1/events?last_event_id=0");
    stream().send(1, "state", { status: "in-progress" });
    stream().send(2, "words", { text: "Welcome. Press 1.", language: "en-US" });
    await flushPromises();
    expect(part(wrapper, "sim-heard").text()).toContain("Welcome. Press 1.");
    expect(part(wrapper, "sim-state").text()).toBe("Connected, the desk is speaking");

    await part(wrapper, "sim-digit-1").trigger("click");
    expect(requests.at(-1)).toMatchObject({ path: "/simulator-api/calls/CA1/digits", body: { digits: "1" } });
    await part(wrapper, "sim-hangup").trigger("click");
    expect(requests.at(-1)).toMatchObject({ path: "/simulator-api/calls/CA1/hangup" });
    stream().send(3, "ended", { reason: "hung up", by: "caller", status: "completed" });
    await flushPromises();
    expect(part(wrapper, "sim-state").text()).toBe("Ended: you hung up");
    expect(stream().readyState).toBe(2);
    expect(part(wrapper, "sim-digit-1").attributes("disabled")).toBeDefined();
  });

  it("rings when the desk calls somebody back, to be answered or declined", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const wrapper = mount(Simulator, { attachTo: document.body });
      await vi.advanceTimersByTimeAsync(0);
      await part(wrapper, "sim-person").trigger("click");
      await wrapper.find("form.dial").trigger("submit");
      await vi.advanceTimersByTimeAsync(0);
      stream().send(1, "ended", { reason: "the document hung up", by: "desk", status: "completed" });
      const rings = { call_sid: "CA7", from: "+498001234567", to: "+34911000001" };
      const other = { call_sid: "CA8", from: "+498001234567", to: "+491700000000" };
      answers["GET /simulator-api/calls?ringing=1"] = [200, { calls: [other, rings] }];
      answers["POST /simulator-api/calls/CA7/answer"] = [200, { answered: true }];
      await vi.advanceTimersByTimeAsync(1_500);
      expect(wrapper.findAll('[data-testid="sim-line"]'), "another person's telephone is none of ours").toHaveLength(2);
      expect(stream().url).toBe("/simulator-api/calls/CA7/events?last_event_id=0");
      expect(part(wrapper, "sim-state").text()).toBe("Your phone rings: the desk calls you back");
      expect(wrapper.find('[data-testid="sim-hangup"]').exists()).toBe(false);
      await part(wrapper, "sim-answer").trigger("click");
      expect(requests.at(-1)).toMatchObject({ method: "POST", path: "/simulator-api/calls/CA7/answer" });
      stream().send(1, "state", { status: "in-progress" });
      await vi.advanceTimersByTimeAsync(1_500);
      expect(wrapper.find('[data-testid="sim-answer"]').exists()).toBe(false);
      expect(wrapper.findAll('[data-testid="sim-line"]'), "it is one call").toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it("withholds the number, and makes up a new stranger each time", async () => {
    const wrapper = await page();
    await part(wrapper, "sim-withheld").trigger("click");
    await call(wrapper);
    expect(requests.at(-1)?.body).toEqual({ from: null, to: "+498001234567" });
    const numbers = new Set<unknown>();
    for (const sid of ["CA2", "CA3"]) {
      answers["POST /simulator-api/calls"] = [201, { call_sid: sid }];
      await part(wrapper, "sim-stranger").trigger("click");
      await call(wrapper);
      numbers.add((requests.at(-1)?.body as { from: string }).from);
    }
    expect(numbers.size).toBe(2);
    expect(wrapper.findAll('[data-testid="sim-line"]')).toHaveLength(3);
  });

  it("notes what the person said, and that nobody heard it", async () => {
    const wrapper = await page();
    await call(wrapper);
    stream().send(1, "state", { status: "in-progress" });
    await part(wrapper, "sim-say").setValue("Hello?");
    await wrapper.find("form.say").trigger("submit");
    await flushPromises();
    expect(requests.at(-1)).toMatchObject({ path: "/simulator-api/calls/CA1/say", body: { text: "Hello?" } });
    expect(part(wrapper, "sim-heard").text()).toContain("Hello?");
    expect(part(wrapper, "sim-heard").text()).toContain("nobody heard it");
  });

  it("finds its calls again after a reload, with the words of both sides", async () => {
    const before = await page();
    await call(before);
    stream().send(1, "words", { text: "Welcome." });
    await part(before, "sim-say").setValue("Hello?");
    await before.find("form.say").trigger("submit");
    await flushPromises();
    before.unmount();

    const wrapper = await page();
    expect(stream().url).toBe("/simulator-api/calls/CA1/events?last_event_id=0");
    stream().send(1, "words", { text: "Welcome." });
    await flushPromises();
    expect(part(wrapper, "sim-heard").text()).toMatch(/Welcome\..*Hello\?/);
  });

  it("ends a call that the carrier has forgotten, and follows on where it was when the carrier was only away", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const wrapper = mount(Simulator, { attachTo: document.body });
      await vi.advanceTimersByTimeAsync(0);
      await wrapper.find("form.dial").trigger("submit");
      await vi.advanceTimersByTimeAsync(0);
      stream().send(1, "state", { status: "in-progress" });
      answers["GET /simulator-api/calls/CA1"] = [503, { detail: "away" }];
      stream().fail();
      await vi.advanceTimersByTimeAsync(2_000);
      expect(stream().url).toBe("/simulator-api/calls/CA1/events?last_event_id=1");
      delete answers["GET /simulator-api/calls/CA1"];
      stream().fail();
      await vi.advanceTimersByTimeAsync(0);
      expect(part(wrapper, "sim-state").text()).toBe("Ended: the line broke");
    } finally {
      vi.useRealTimers();
    }
  });

  it("takes the carrier's own error event for what it is, and not for a broken stream", async () => {
    const wrapper = await page();
    await call(wrapper);
    stream().send(1, "error", { code: 12100, message: "not XML" });
    await flushPromises();
    expect(part(wrapper, "sim-heard").text()).toContain("not XML");
    expect(PlayedEvents.all).toHaveLength(1);
  });

  it("works without the demo's people, and says when the carrier is away", async () => {
    delete answers["GET /simulator-api/people"];
    delete answers["GET /simulator-api/numbers"];
    answers["GET /simulator-api/health"] = [200, { numbers: ["+4930"] }];
    const wrapper = await page();
    expect((part(wrapper, "sim-number").element as HTMLSelectElement).value).toBe("+4930");
    answers["POST /simulator-api/calls"] = [503, { detail: "The simulated carrier does not answer: is it running?" }];
    await call(wrapper);
    expect(wrapper.find('[role="alert"]').text()).toBe("The simulated carrier does not answer: is it running?");
  });

  it("shows the background customers only where there are some, and sets how many", async () => {
    expect((await page()).find('[data-testid="sim-traffic"]').exists()).toBe(false);
    answers["GET /simulator-api/traffic"] = [200, { calls_per_minute: 6, living: 2, talked: 3, gave_up: 1 }];
    answers["PUT /simulator-api/traffic"] = [200, { calls_per_minute: 20, living: 2, talked: 3, gave_up: 1 }];
    const wrapper = await page();
    expect(wrapper.find(".counts").text()).toBe("2 on the phone now · 3 served · 1 gave up");
    await part(wrapper, "sim-traffic").setValue(20);
    await part(wrapper, "sim-traffic").trigger("change");
    await flushPromises();
    expect(requests.find(({ method }) => method === "PUT")?.body).toEqual({ calls_per_minute: 20 });
    expect(wrapper.find("output").text()).toBe("20 a minute");
  });
});

const ANSWER = {
  number: 7,
  at: 1_700_000_000_000_000,
  from: { address: "help@desk.example", name: "Ann" },
  to: [{ address: "maria@example.es", name: "" }],
  cc: [],
  reply_to: [{ address: "help+t.1@desk.example", name: "" }],
  subject: "Re: Horno",
  text: "Adjunto el plano.",
  quoted: null,
  automatic: false,
  attachments: [{ name: "plano.pdf", media_type: "application/pdf", size: 2_100 }],
};
const TEXT = {
  message_sid: "SM1",
  from: "+15005550006",
  to: "+34911000001",
  text: "Mañana a las ocho.",
  media: [],
  incoming: false,
  by_carrier: false,
  status: "delivered",
  arrived: true,
  error_code: null,
  segments: 1,
  created_at: 4_000_000_000_000_000,
};

describe("mail and texts", () => {
  beforeEach(() => {
    answers["GET /simulator-api/mail"] = [200, { port: 25, desk: { mailboxes: ["help@desk.example"] } }];
    answers["GET /simulator-api/mailboxes/maria%40example.es?after=0"] = [200, { mails: [] }];
    answers["POST /simulator-api/mails"] = [201, { message_id: "<1@example.es>" }];
    answers["GET /simulator-api/texts"] = [200, { numbers: [{ number: "+15005550006", label: "Texts" }], threads: [], last: 0 }];
    answers["GET /simulator-api/texts/%2B34911000001"] = [200, { messages: [], opted_out_of: [], last: 3 }];
    answers["POST /simulator-api/texts"] = [201, { message_sid: "SM9" }];
  });

  async function played(way: "mail" | "texts"): Promise<VueWrapper> {
    const wrapper = await page();
    await part(wrapper, "sim-person").trigger("click");
    await part(wrapper, `sim-way-${way}`).trigger("click");
    await flushPromises();
    return wrapper;
  }

  it("writes a mail, shows the answer as it comes, and answers that", async () => {
    const wrapper = await played("mail");
    await part(wrapper, "sim-mail-write").trigger("click");
    await part(wrapper, "sim-mail-subject").setValue("Horno");
    await part(wrapper, "sim-mail-text").setValue("No calienta.");
    await wrapper.find("form.write").trigger("submit");
    await flushPromises();
    const first = { from: "maria@example.es", name: "María López", subject: "Horno", text: "No calienta.", attachments: [] };
    expect(requests.at(-1)).toEqual({ method: "POST", path: "/simulator-api/mails", body: first });
    expect(part(wrapper, "sim-mail-line").text()).toContain("To help@desk.example");

    expect(stream().url).toBe("/simulator-api/mailboxes/maria%40example.es/events?last_event_id=0");
    stream().send(7, "mail", ANSWER);
    await flushPromises();
    expect(part(wrapper, "sim-way-mail").text()).toContain("1 unread");
    await part(wrapper, "sim-mail-line", 1).trigger("click");
    expect(part(wrapper, "sim-mail-open").text()).toContain("Adjunto el plano.");
    expect(part(wrapper, "sim-mail-file").attributes()).toMatchObject({
      href: "/simulator-api/mailboxes/maria%40example.es/mails/7/attachments/0",
      download: "plano.pdf",
    });
    expect(part(wrapper, "sim-way-mail").text()).not.toContain("unread");

    await part(wrapper, "sim-mail-reply").trigger("click");
    await part(wrapper, "sim-mail-text").setValue("Gracias");
    await wrapper.find("form.write").trigger("submit");
    await flushPromises();
    expect(requests.at(-1)?.body).toMatchObject({ subject: "Re: Horno", text: "Gracias", answers: 7 });
  });

  it("keeps what is written when the desk does not take it, and finds sent mails after a reload", async () => {
    const wrapper = await played("mail");
    answers["POST /simulator-api/mails"] = [502, { detail: "the server refused the mail: 552" }];
    await part(wrapper, "sim-mail-write").trigger("click");
    await part(wrapper, "sim-mail-text").setValue("Hola");
    await wrapper.find("form.write").trigger("submit");
    await flushPromises();
    expect(wrapper.find("form.write [role=alert]").text()).toBe("the server refused the mail: 552");
    expect((part(wrapper, "sim-mail-text").element as HTMLTextAreaElement).value).toBe("Hola");
    answers["POST /simulator-api/mails"] = [201, { message_id: "<1@example.es>" }];
    await wrapper.find("form.write").trigger("submit");
    await flushPromises();
    wrapper.unmount();
    expect(part(await page(), "sim-mail-line").text()).toContain("Hola");
  });

  it("texts, shows what arrives, and says when texts are stopped", async () => {
    const wrapper = await played("texts");
    await part(wrapper, "sim-text-words").setValue("¿Cuándo vienen?");
    await wrapper.find(".texts form.write").trigger("submit");
    await flushPromises();
    const body = { from: "+34911000001", to: "+15005550006", text: "¿Cuándo vienen?", media: [] };
    expect(requests.at(-1)).toEqual({ method: "POST", path: "/simulator-api/texts", body });
    expect(stream().url).toBe("/simulator-api/texts/%2B34911000001/events?last_event_id=3");

    stream().send(4, "text", { ...TEXT, status: "sent", arrived: false });
    await flushPromises();
    expect(part(wrapper, "sim-texts").text()).not.toContain("Mañana");
    stream().send(5, "text", { ...TEXT });
    await flushPromises();
    expect(part(wrapper, "sim-texts").text()).toContain("Mañana a las ocho.");

    await part(wrapper, "sim-text-stop").trigger("click");
    expect(requests.at(-1)?.body).toMatchObject({ text: "STOP" });
    stream().send(6, "text", { ...TEXT, message_sid: "SM2", from: "+34911000001", to: "+15005550006", text: "STOP", incoming: true });
    await flushPromises();
    expect(part(wrapper, "sim-text-blocked").text()).toContain("START");
    stream().send(7, "text", { ...TEXT, message_sid: "SM3", from: "+34911000001", to: "+15005550006", text: " start", incoming: true });
    await flushPromises();
    expect(wrapper.find('[data-testid="sim-text-blocked"]').exists()).toBe(false);
  });

  it("pushes only what is on the screen, and looks for the rest now and then", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const wrapper = mount(Simulator, { attachTo: document.body });
      await vi.advanceTimersByTimeAsync(0);
      await part(wrapper, "sim-person").trigger("click");
      await vi.advanceTimersByTimeAsync(0);
      expect(PlayedEvents.all).toHaveLength(0);
      answers["GET /simulator-api/texts/%2B34911000001"] = [200, { messages: [TEXT], opted_out_of: [], last: 5 }];
      await vi.advanceTimersByTimeAsync(5_000);
      expect(part(wrapper, "sim-way-texts").text()).toContain("1 unread");
      await part(wrapper, "sim-way-texts").trigger("click");
      await vi.advanceTimersByTimeAsync(0);
      expect(part(wrapper, "sim-way-texts").text()).not.toContain("unread");
      expect(PlayedEvents.all.map(({ url }) => url)).toEqual(["/simulator-api/texts/%2B34911000001/events?last_event_id=5"]);
      await part(wrapper, "sim-way-phone").trigger("click");
      await vi.advanceTimersByTimeAsync(0);
      expect(stream().readyState).toBe(PlayedEvents.CLOSED);
    } finally {
      vi.useRealTimers();
    }
  });

  it("offers neither to who withholds their number", async () => {
    const wrapper = await page();
    await part(wrapper, "sim-withheld").trigger("click");
    expect(part(wrapper, "sim-mail-write").attributes("disabled")).toBeDefined();
    expect(wrapper.find('[data-testid="sim-text-send"]').exists()).toBe(false);
  });
});
