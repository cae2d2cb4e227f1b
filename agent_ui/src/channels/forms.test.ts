import { enableAutoUnmount, flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { TooltipProvider } from "reka-ui";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defineComponent, h, type Component } from "vue";
import { api } from "@/api/index.ts";
import { Problem } from "@/api/problem.ts";
import type { AttachmentView, DraftView, EntryView, InteractionView, MailView } from "@/api/types.ts";
import Composer from "@/console/Composer.vue";
import EntryList from "@/console/EntryList.vue";
import { useDesk } from "@/console/desk.ts";
import { useSession } from "@/console/session.ts";
import WorkList from "@/console/WorkList.vue";
import { entry, interaction, me, snapshot, T0 } from "@/live/fixtures/samples.ts";
import { useLive } from "@/live/store.ts";
import MailCard from "./email/MailCard.vue";
import MailForm from "./email/MailForm.vue";
import TextForm from "./sms/TextForm.vue";
import { useReplies } from "./replies.ts";

enableAutoUnmount(afterEach);
const mailed = interaction({ id: "int_m", channel: "email", title: "Vera Sample", topic: "Oven stays cold", caller: "vera@example.org" });
const texted = interaction({ id: "int_t", channel: "sms", title: "Vera Sample" });
const vera = { address: "vera@example.org", name: "Vera Sample" };

function mail(change: Partial<MailView> = {}): MailView {
  return {
    sender: vera,
    to: [{ address: "help@desk.example", name: "" }],
    cc: [],
    reply_to: [],
    subject: "Oven stays cold",
    has_html: false,
    quoted: null,
    remote_images: 0,
    machine: "none",
    doubts: [],
    notes: [],
    ...change,
  };
}
const received = (change: Partial<EntryView> = {}) =>
  entry({ id: "ent_m1", interaction_id: "int_m", text: "It stays cold", mail: mail(), ...change });
const file = (change: Partial<AttachmentView> = {}): AttachmentView => ({
  id: "att_1",
  name: "oven.png",
  media_type: "image/png",
  size_bytes: 2_048,
  inline: false,
  ready: true,
  ...change,
});

function show(contacts: InteractionView[], entries: EntryView[]): void {
  useLive().state = snapshot({
    interactions: Object.fromEntries(contacts.map((one) => [one.id, one])),
    entries: Object.fromEntries(entries.map((one) => [one.id, one])),
  });
}

function draw(part: Component, props: Record<string, unknown> = {}): VueWrapper {
  return mount(
    defineComponent(() => () => h(TooltipProvider, null, { default: () => h(part, props) })),
    { attachTo: document.body },
  );
}
const find = (view: VueWrapper, id: string) => view.find(`[data-testid="${id}"]`);
const nothing = () => Promise.reject(new Problem(404, {}));

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
  document.body.replaceChildren();
  setActivePinia(createPinia());
  useLive().connection = "online";
  vi.spyOn(api, "draft").mockImplementation(nothing);
  vi.spyOn(api, "keepDraft").mockImplementation((id, body) =>
    Promise.resolve<DraftView>({ interaction_id: id, author_id: "agt_1", at: T0, body, version: 1 }),
  );
  useSession().bootstrap = {
    live_schema: 1,
    server_time: T0,
    brand: "Test",
    time_zone: "Europe/Berlin",
    queues: [{ id: "service", name: "Service", brand_id: "b", wrap_up_s: 60 }],
    away_reasons: [],
    decline_reasons: [],
    dispositions: [],
    agents: [
      { id: "agt_1", name: "Anna Berger" },
      { id: "agt_2", name: "Ben Ott" },
    ],
    mailboxes: ["help@desk.example"],
    softphone: "none",
  };
});

describe("the mail form", () => {
  async function open(entries = [received()]): Promise<VueWrapper> {
    localStorage.setItem("desk.mail.rich", "no");
    show([mailed], entries);
    const view = draw(MailForm, { interaction: mailed });
    await flushPromises();
    return view;
  }
  const chips = (view: VueWrapper, id: string) => view.findAll(`[data-testid="${id}-chip"]`).map((one) => one.text());

  it("begins with whom to answer and about what, and sends exactly what stands there", async () => {
    const send = vi.spyOn(api, "sendMail").mockResolvedValue(received());
    const view = await open();
    expect([chips(view, "mail-to"), (find(view, "mail-subject").element as HTMLInputElement).value]).toEqual([
      ["vera@example.org"],
      "Re: Oven stays cold",
    ]);
    await find(view, "mail-add-cc").trigger("click");
    await find(view, "mail-cc").setValue("max@example.org");
    await find(view, "composer-text").setValue("Dear Vera");
    await find(view, "composer-text").trigger("keydown", { key: "Enter", ctrlKey: true });
    await flushPromises();
    expect(send.mock.calls.map(([id, body]) => [id, body])).toEqual([
      [
        "int_m",
        {
          to: ["vera@example.org"],
          cc: ["max@example.org"],
          subject: "Re: Oven stays cold",
          text: "Dear Vera",
          html: null,
          attachments: [],
          seen: 1,
          then: "stay",
        },
      ],
    ]);
    expect((find(view, "composer-text").element as HTMLTextAreaElement).value).toBe("");
  });

  it("marks what is no address and sends nothing until it is corrected", async () => {
    const send = vi.spyOn(api, "sendMail").mockResolvedValue(received());
    const view = await open();
    await find(view, "composer-text").setValue("Dear Vera");
    await find(view, "mail-to").setValue("nobody");
    await find(view, "mail-to").trigger("keydown", { key: "," });
    expect(view.find('[data-wrong="true"]').text()).toContain("is not a mail address");
    await find(view, "composer-send").trigger("click");
    await flushPromises();
    expect(send).not.toHaveBeenCalled();
    expect(find(view, "mail-problem").text()).toContain("name@example.org");
    await view.findAll('[data-testid="mail-to-chip"]')[1]?.findAll("button").at(-1)?.trigger("click");
    await find(view, "composer-send-wait").trigger("click");
    await flushPromises();
    expect(send.mock.calls[0]?.[1]).toMatchObject({ to: ["vera@example.org"], then: "wait" });
  });

  it("answers all or one of the conversation", async () => {
    const max = { address: "max@example.org", name: "Max" };
    const ours = entry({
      id: "ent_a1",
      interaction_id: "int_m",
      author: { kind: "agent", id: "agt_1", name: "Anna Berger" },
      mail: mail({ sender: null, to: [vera], cc: [max] }),
    });
    const view = await open([ours, received({ seq: 2, mail: mail({ cc: [max] }) })]);
    expect([chips(view, "mail-to"), chips(view, "mail-cc")]).toEqual([["vera@example.org"], ["max@example.org"]]);
    expect(find(view, "mail-newcomers").exists()).toBe(false);
    await find(view, "mail-reply").trigger("click");
    expect(chips(view, "mail-cc")).toEqual([]);
    await find(view, "mail-reply-all").trigger("click");
    expect(chips(view, "mail-cc")).toEqual(["max@example.org"]);
  });

  it("warns of whom only the mail names, and adds them only on request", async () => {
    const [mallory, eve] = [
      { address: "mallory@evil.example", name: "" },
      { address: "eve@evil.example", name: "" },
    ];
    const view = await open([received({ mail: mail({ reply_to: [mallory], cc: [eve] }) })]);
    expect([chips(view, "mail-to"), chips(view, "mail-cc")]).toEqual([["vera@example.org"], []]);
    const offered = () => view.findAll('[data-testid="mail-add-newcomer"]');
    expect(find(view, "mail-newcomers").text()).toContain("new to this conversation");
    expect(offered().map((one) => one.text())).toEqual(["Add mallory@evil.example, where answers are asked for", "Add eve@evil.example"]);
    await offered()[1]?.trigger("click");
    expect(chips(view, "mail-cc")).toEqual(["eve@evil.example"]);
    await offered()[0]?.trigger("click");
    expect(chips(view, "mail-to")).toEqual(["vera@example.org", "mallory@evil.example"]);
    expect(find(view, "mail-newcomers").exists()).toBe(false);
  });

  it("shows a colleague's draft with its files, and says whose it is", async () => {
    const body = { text: "Ben began", html: null, to: ["vera@example.org"], cc: [], subject: "Re: Oven", attachments: ["att_1"] };
    vi.spyOn(api, "draft").mockResolvedValue({ interaction_id: "int_m", author_id: "agt_2", at: T0, body, files: [file()], version: 4 });
    const view = await open();
    expect((find(view, "composer-text").element as HTMLTextAreaElement).value).toBe("Ben began");
    expect(find(view, "upload-done").text()).toContain("oven.png");
    expect(find(view, "draft-sign").text()).toBe("Ben Ott began this draft");
  });

  it("attaches what fits, shows how far it is, and says why another does not", async () => {
    let arrive: (one: AttachmentView) => void = () => undefined;
    let progress: (share: number) => void = () => undefined;
    vi.spyOn(api, "upload").mockImplementation((_id, _file, _act, onProgress) => {
      progress = onProgress;
      return { done: new Promise((resolve) => (arrive = resolve)), stop: () => undefined };
    });
    const view = await open();
    await find(view, "composer-text").setValue("See the file");
    const big = new File(["x"], "big.bin");
    Object.defineProperty(big, "size", { value: 18 * 1024 * 1024 + 1 });
    useReplies().attach("int_m", [new File(["abc"], "a.txt"), big, new File([], "none.txt")], 18 * 1024 * 1024);
    progress(0.4);
    await flushPromises();
    const texts = view.findAll('[data-testid="upload"]').map((one) => one.text());
    expect(texts[0]).toContain("40%");
    expect(texts.slice(1)).toEqual([
      "big.bin was not attached: files may have 18 MB together.",
      "none.txt was not attached: the file is empty.",
    ]);
    expect(find(view, "composer-send").attributes("disabled")).toBeDefined();
    arrive(file({ name: "a.txt" }));
    await flushPromises();
    expect(find(view, "upload-done").text()).toContain("a.txt");
    expect(find(view, "composer-send").attributes("disabled")).toBeUndefined();
    expect(find(view, "mail-room").text()).toBe("2 KB of 18 MB");
  });

  it("quotes the earlier mail below the answer when that is wished", async () => {
    const view = await open();
    await find(view, "composer-text").setValue("Dear Vera");
    expect(find(view, "mail-quote").exists()).toBe(false);
    await find(view, "mail-earlier").trigger("click");
    await find(view, "mail-quote").trigger("click");
    await flushPromises();
    expect((find(view, "composer-text").element as HTMLTextAreaElement).value).toMatch(
      /^Dear Vera\n\nOn .+, Maria Huber wrote:\n> It stays cold$/,
    );
  });
});

describe("the text form", () => {
  async function open(entries: EntryView[] = []): Promise<VueWrapper> {
    show([texted], entries);
    const view = draw(TextForm, { interaction: texted });
    await flushPromises();
    return view;
  }

  it("counts segments as the provider does, and stops at the limit", async () => {
    const view = await open();
    const segments = () => find(view, "text-segments").attributes();
    await find(view, "composer-text").setValue("x".repeat(161));
    expect(segments()).toMatchObject({ "data-segments": "2", "data-encoding": "GSM-7" });
    await find(view, "composer-text").setValue("x".repeat(70) + "ж");
    expect(segments()).toMatchObject({ "data-segments": "2", "data-encoding": "UCS-2" });
    expect(find(view, "text-limit").exists()).toBe(false);
    await find(view, "composer-text").setValue("x".repeat(1_601));
    expect(find(view, "text-limit").text()).toBe("1,601 of 1,600 characters");
    expect(find(view, "composer-send").attributes("disabled")).toBeDefined();
  });

  it("sends with Enter, but not in the middle of a word that is being composed", async () => {
    const send = vi.spyOn(api, "sendText").mockResolvedValue(entry());
    const view = await open([entry({ id: "e1", interaction_id: "int_t", seq: 3 })]);
    const field = find(view, "composer-text");
    await field.setValue("  Tomorrow ");
    await field.trigger("keydown", { key: "Enter", isComposing: true });
    await field.trigger("keydown", { key: "Enter", shiftKey: true });
    await flushPromises();
    expect(send).not.toHaveBeenCalled();
    await field.trigger("keydown", { key: "Enter" });
    await flushPromises();
    expect(send.mock.calls.map(([id, body]) => [id, body])).toEqual([["int_t", { text: "Tomorrow", seen: 3, then: "stay" }]]);
  });

  it("says in words that a number takes no texts, until it does again", async () => {
    const line = (seq: number, text: string) => entry({ id: `s${seq}`, interaction_id: "int_t", seq, kind: "system", text });
    const view = await open([line(1, "text.opted_out")]);
    expect(find(view, "opted-out").text()).toContain("START");
    expect(find(view, "composer-text").exists()).toBe(false);
    show([texted], [line(1, "text.opted_out"), line(2, "text.opted_in")]);
    await flushPromises();
    expect(find(view, "composer-text").exists()).toBe(true);
  });
});

describe("an answer to less than was said", () => {
  it("is refused with the newer words above it, and goes with the next try", async () => {
    const newer = entry({ id: "e2", interaction_id: "int_t", seq: 2, text: "Forget it", author: { kind: "customer", id: null, name: "Vera" } });
    const send = vi
      .spyOn(api, "sendText")
      .mockRejectedValueOnce(new Problem(409, { code: "thread_moved_on", detail: "read first", entries: [newer] }))
      .mockResolvedValue(entry());
    show([texted], [entry({ id: "e1", interaction_id: "int_t", seq: 1 })]);
    const view = draw(Composer, { interaction: texted });
    await vi.dynamicImportSettled();
    await flushPromises();
    await find(view, "composer-text").setValue("Tomorrow");
    await find(view, "composer-send").trigger("click");
    await flushPromises();
    expect(find(view, "newer").text()).toContain("Not sent: Vera wrote meanwhile");
    expect(find(view, "newer").text()).toContain("Forget it");
    expect((find(view, "composer-text").element as HTMLTextAreaElement).value).toBe("Tomorrow");
    await find(view, "composer-send").trigger("click");
    await flushPromises();
    expect(send.mock.calls.map(([, body]) => body.seen)).toEqual([1, 2]);
    expect(find(view, "newer").exists()).toBe(false);
  });
});

describe("a mail", () => {
  const card = (one: EntryView, newest = true) => draw(MailCard, { entry: one, newest });

  it("is a line when it is old, and whole when it is new or wished", async () => {
    const view = card(received(), false);
    expect(find(view, "mail-text").exists()).toBe(false);
    await find(view, "mail-fold").trigger("click");
    expect(find(view, "mail-text").text()).toBe("It stays cold");
    expect(find(view, "mail-sender").text()).toBe("Vera Sample");
  });

  it("is shown formatted in a frame without rights, pictures only when asked", async () => {
    const view = card(received({ mail: mail({ has_html: true, remote_images: 2 }) }));
    const frame = find(view, "mail-frame");
    expect(frame.attributes("sandbox")).toBe("allow-popups allow-popups-to-escape-sandbox");
    expect(frame.attributes("src")).toBe("/api/v1/entries/ent_m1/html");
    expect(find(view, "mail-pictures").text()).toContain("2 pictures are not loaded");
    await find(view, "mail-show-pictures").trigger("click");
    expect(find(view, "mail-frame").attributes("src")).toBe("/api/v1/entries/ent_m1/html?images=yes");
    await find(view, "mail-view").trigger("click");
    expect(find(view, "mail-text").text()).toBe("It stays cold");
  });

  it("warns of doubts, notes and programs, and folds what was quoted", async () => {
    const quoted = "On Monday, Help wrote:\n> Hello";
    const view = card(received({ mail: mail({ doubts: ["Two senders."], notes: ["Unknown charset."], machine: "auto-reply", quoted }) }));
    expect(find(view, "mail-doubts").text()).toContain("Two senders.");
    expect(find(view, "mail-notes").text()).toContain("Unknown charset.");
    expect(find(view, "mail-machine").text()).toContain("automatic reply");
    expect(find(view, "mail-quoted").exists()).toBe(false);
    await find(view, "mail-show-quoted").trigger("click");
    expect(find(view, "mail-quoted").text()).toBe(quoted);
  });

  it("names its files with sizes, as downloads", () => {
    const view = card(received({ attachments: [file({ id: "att_9", name: "a.pdf", media_type: "application/pdf", size_bytes: 3_500_000 })] }));
    const link = view.find('[data-testid="file"] a');
    expect(link.attributes()).toMatchObject({ href: "/api/v1/attachments/att_9", download: "a.pdf" });
    expect(link.text()).toContain("3.3 MB");
  });
});

describe("texts in the conversation", () => {
  const ours = (change: Partial<EntryView>) =>
    entry({ interaction_id: "int_t", author: { kind: "agent", id: "agt_1", name: "Anna" }, ...change });

  it("say how far they have come, and why they failed with a way to try again", async () => {
    const again = vi.spyOn(api, "retryMessage").mockResolvedValue(entry());
    show([texted], [
      ours({ id: "e1", seq: 1, status: "delivered" }),
      ours({ id: "e2", seq: 2, status: "failed", error: "The number does not exist." }),
    ]);
    const view = draw(EntryList, { interaction: texted });
    expect(view.findAll('[data-testid="delivery-status"]').map((one) => one.text())).toEqual(["Delivered", "Not sent"]);
    expect(find(view, "entry-failed").text()).toContain("The number does not exist.");
    await find(view, "entry-resend").trigger("click");
    expect(again.mock.calls.map(([id, entryId]) => [id, entryId])).toEqual([["int_t", "e2"]]);
  });

  it("say why they wait for another try, and nothing while they merely leave", () => {
    show([texted], [ours({ id: "e1", seq: 1, status: "queued", error: null }), ours({ id: "e2", seq: 2, status: "queued", error: "The provider does not answer." })]);
    const view = draw(EntryList, { interaction: texted });
    expect(view.findAll('[data-testid="entry-waits"]').map((one) => one.text())).toEqual(["Not sent yet: The provider does not answer. It is tried again by itself."]);
    expect(find(view, "entry-failed").exists()).toBe(false);
  });

  it("show pictures small, and what is still being fetched by name", () => {
    show([texted], [entry({ id: "e1", interaction_id: "int_t", text: "", attachments: [file(), file({ id: "att_2", name: "b.jpg", ready: false })] })]);
    const view = draw(EntryList, { interaction: texted });
    expect(view.find('[data-testid="file"] img').attributes("src")).toBe("/api/v1/attachments/att_1");
    expect(view.findAll('[data-testid="file"]')[1]?.text()).toContain("b.jpg is still being fetched");
    expect(view.find(".bubble").exists()).toBe(false);
  });
});

describe("the work list", () => {
  it("has what waits for the customer in a part of its own, and lets it wait and go on", async () => {
    const park = vi.spyOn(api, "park").mockResolvedValue(mailed);
    const resume = vi.spyOn(api, "resume").mockResolvedValue(mailed);
    useLive().state = snapshot({
      me: { agt_1: me() },
      interactions: { int_t: texted, int_m: { ...mailed, state: "parked", last_entry: "It stays cold" } },
    });
    const view = draw(WorkList);
    expect(find(view, "work-parked").text()).toContain("Oven stays cold");
    expect(useDesk().rows.map(({ id }) => id)).toEqual(["int_t", "int_m"]);
    await useDesk().park("int_t", true);
    await useDesk().park("int_m", false);
    expect([park.mock.calls[0]?.[0], resume.mock.calls[0]?.[0]]).toEqual(["int_t", "int_m"]);
  });
});
