/** The pretend softphone over a reload of the page: a new one takes up the call of the tab, and all that was said. */
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { interaction, T0 } from "@/live/fixtures/samples.ts";
import { useSoftphone } from "./store.ts";

/** A stream of the carrier's: it plays what its leg has heard from the start, as a new one does. */
class Stream extends EventTarget {
  static readonly CLOSED = 2;
  static heard: { text: string; at: number }[] = [];
  static newest: Stream;
  readyState = 1;

  constructor() {
    super();
    Stream.newest = this;
    queueMicrotask(() => {
      Stream.heard.forEach((_, index) => {
        this.play(index);
      });
    });
  }

  play(index: number): void {
    this.dispatchEvent(new MessageEvent("heard", { data: JSON.stringify(Stream.heard[index]), lastEventId: String(index + 1) }));
  }

  close(): void {
    this.readyState = Stream.CLOSED;
  }
}

beforeEach(() => {
  sessionStorage.clear();
  Stream.heard = [];
  vi.useFakeTimers({ now: T0 / 1000 });
  vi.stubGlobal("EventSource", Stream);
  vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ ended: null })));
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** The page as it is after loading. */
function page(): ReturnType<typeof useSoftphone> {
  setActivePinia(createPinia());
  const phone = useSoftphone();
  phone.plug("simulator");
  phone.interactionId = "int_1";
  return phone;
}

function words(phone: ReturnType<typeof useSoftphone>): string[] {
  return phone.captionsOf("int_1").map(({ who, text }) => `${who}: ${text}`);
}

it("finds again after a reload what both sides said, in order and once", async () => {
  const call = interaction({ call: { customer_leg: "in-progress", agent_leg: "in-progress", in_conference: true } });
  sessionStorage.setItem("desk.softphone", JSON.stringify({ callSid: "CA1", interactionId: "int_1" }));
  const before = page();
  Stream.heard.push({ text: "My oven is cold", at: T0 });
  before.rejoin(call);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await before.say("Is it plugged in?")).toBe(true);
  Stream.heard.push({ text: "It is", at: T0 + 3_000_000 });
  Stream.newest.play(1);
  const all = ["customer: My oven is cold", "agent: Is it plugged in?", "customer: It is"];
  expect(words(before)).toEqual(all);

  before.letGo();
  const after = page();
  after.rejoin(call);
  await vi.advanceTimersByTimeAsync(0);
  expect(words(after)).toEqual(all);

  Stream.newest.close();
  Stream.newest.dispatchEvent(new Event("error"));
  await vi.advanceTimersByTimeAsync(1_500);
  expect(words(after)).toEqual(all);
});
