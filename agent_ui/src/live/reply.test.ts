import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Problem, Unreachable } from "@/api/problem.ts";
import type { DraftView, EntryView } from "@/api/types.ts";
import { entry } from "./fixtures/samples.ts";
import { EMPTY, Reply, tidyReplies, type Delivery, type ReplyBody, type ReplyState } from "./reply.ts";
import { shelf } from "./storage.ts";

const PLACE = "desk.reply.int_1";
const blank: ReplyBody = { ...EMPTY, to: ["vera@example.org"], subject: "Re: Oven" };

/** The server's side of one draft, with what was delivered. */
class Server {
  draft: DraftView | null = null;
  kept: string[] = [];
  delivered: (Delivery & { text: string })[] = [];
  keys: string[] = [];
  trouble: Error | null = null;
  refusals: Error[] = [];
  online = true;
  /** It keeps drafts, and its answers are lost. */
  isMute = false;
  private versions = 0;

  reply(agentId = "agt_1", onChange: (state: ReplyState) => void = () => undefined): Reply {
    return new Reply({
      interactionId: "int_1",
      agentId,
      store: shelf(() => localStorage),
      load: () => this.answer(() => this.draft),
      keep: ({ attachments, to, cc, ...body }, version) =>
        this.answer(() => {
          this.check(version);
          this.kept.push(body.text);
          this.versions += 1;
          this.draft = {
            interaction_id: "int_1",
            author_id: agentId,
            at: 1,
            body: { ...body, to: [...to], cc: [...cc], attachments },
            files: [],
            version: this.versions,
          };
          if (this.isMute) throw lost;
          return this.draft;
        }),
      discard: (version) =>
        this.answer(() => {
          this.check(version);
          this.draft = null;
        }),
      deliver: ({ text }, delivery) => {
        this.keys.push(delivery.key);
        const refusal = this.refusals.shift();
        if (refusal !== undefined) return Promise.reject(refusal);
        this.delivered.push({ ...delivery, text });
        this.draft = null;
        return Promise.resolve();
      },
      isOnline: () => this.online,
      now: () => Date.now(),
      explain: (error) => (error instanceof Problem ? error.detail : "no answer"),
      onChange,
    });
  }

  private check(version: number): void {
    if (version === (this.draft?.version ?? 0)) return;
    throw new Problem(412, { code: "stale_version", detail: "Written on elsewhere", ...(this.draft === null ? {} : { current: this.draft }) });
  }

  private answer<T>(act: () => T): Promise<T> {
    return this.trouble === null ? Promise.resolve().then(act) : Promise.reject(this.trouble);
  }
}

const lost = new Unreachable("no answer");
let server: Server;
beforeEach(() => {
  vi.useFakeTimers();
  localStorage.clear();
  server = new Server();
});
afterEach(() => {
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(1_000);
const said = (seq: number, text = "And another thing", change: Partial<EntryView> = {}): EntryView =>
  entry({ id: `ent_${seq}`, seq, text, ...change });
const movedOn = (...entries: EntryView[]) =>
  new Problem(409, { code: "thread_moved_on", detail: "The customer has written meanwhile", entries });

async function begun(agentId?: string): Promise<Reply> {
  const reply = server.reply(agentId);
  reply.heard([said(1)]);
  await reply.open(blank);
  return reply;
}

describe("a draft", () => {
  it("is kept once typing pauses, not at every letter", async () => {
    const reply = await begun();
    for (const text of ["H", "He", "Hel"]) reply.change({ text });
    expect(server.kept).toEqual([]);
    expect(localStorage.getItem(PLACE)).toContain('"Hel"');
    await settle();
    expect([server.kept, reply.now.keeping]).toEqual([["Hel"], "kept"]);
  });

  it("is there again after a reload, whether the server had it or not", async () => {
    const before = await begun();
    before.change({ text: "Half a sen" });
    await settle();
    before.change({ text: "Half a sentence" });
    const after = await begun();
    expect(after.now.body).toEqual({ ...blank, text: "Half a sentence" });
    await settle();
    expect(server.kept.at(-1)).toBe("Half a sentence");
  });

  it("goes over to who gets the contact, and says whose it was until they write", async () => {
    const ann = await begun("agt_1");
    ann.change({ text: "Ann began" });
    await settle();
    const ben = await begun("agt_2");
    expect([ben.now.body.text, ben.now.writtenBy]).toEqual(["Ann began", "agt_1"]);
    ben.change({ text: "Ann began, Ben goes on" });
    await settle();
    expect(ben.now.writtenBy).toBeNull();
    const back = await begun("agt_1");
    expect(back.now.body.text).toBe("Ann began, Ben goes on");
  });

  it("never shows one agent the unsent words of another on the same machine", async () => {
    server.trouble = new Unreachable("no answer");
    const ann = await begun("agt_1");
    ann.change({ text: "Only here" });
    expect((await begun("agt_2")).now.body).toEqual(blank);
  });

  it("waits on this machine while the server does not answer", async () => {
    const reply = await begun();
    server.trouble = new Unreachable("no answer");
    reply.change({ text: "Words" });
    await settle();
    expect(reply.now.keeping).toBe("here");
    server.trouble = null;
    await vi.advanceTimersByTimeAsync(6_000);
    expect([server.kept, reply.now.keeping]).toEqual([["Words"], "kept"]);
  });

  it("is discarded when everything was taken away again", async () => {
    const reply = await begun();
    reply.change({ text: "Words" });
    await settle();
    await reply.drop();
    expect([server.draft, reply.now.keeping, reply.now.body, localStorage.getItem(PLACE)]).toEqual([null, "nothing", blank, null]);
  });

  it("begins anew with a newer mail only as long as nothing was written", async () => {
    const newer = { ...blank, subject: "Re: Fridge" };
    const reply = await begun();
    reply.beginWith(newer);
    expect(reply.now.body.subject).toBe("Re: Fridge");
    reply.change({ text: "Words" });
    reply.beginWith({ ...blank, subject: "Re: Third" });
    expect(reply.now.body.subject).toBe("Re: Fridge");
  });

  it("is not overwritten by an old copy: both are shown, and one is chosen", async () => {
    const old = await begun("agt_1");
    old.change({ text: "Old words" });
    await settle();
    const other = server.reply("agt_1");
    localStorage.removeItem(PLACE);
    await other.open(blank);
    other.change({ text: "Newer words from another browser" });
    await settle();
    old.change({ text: "Old words, and more" });
    await settle();
    expect(server.draft?.body.text).toBe("Newer words from another browser");
    expect([old.now.body.text, old.now.rival?.body.text, old.now.keeping]).toEqual(["Old words, and more", "Newer words from another browser", "here"]);
    old.change({ text: "Old words, and still more" });
    await settle();
    expect([server.kept.length, localStorage.getItem(PLACE)?.includes("still more")]).toEqual([2, true]);
    await old.keepMine();
    expect([server.draft?.body.text, old.now.rival, old.now.keeping]).toEqual(["Old words, and still more", null, "kept"]);
    other.change({ text: "Newer again" });
    await settle();
    other.takeTheirs();
    expect([other.now.body.text, other.now.rival]).toEqual(["Old words, and still more", null]);
    await settle();
    expect(server.draft?.body.text).toBe("Old words, and still more");
  });

  it("keeps unsaved words when a colleague saved a draft meanwhile", async () => {
    const ann = await begun("agt_1");
    server.trouble = lost;
    ann.change({ text: "Ann's unsaved words" });
    const mine = localStorage.getItem(PLACE) ?? "";
    server.trouble = null;
    localStorage.removeItem(PLACE);
    const ben = await begun("agt_2");
    ben.change({ text: "Ben's draft" });
    await ben.flush();
    localStorage.setItem(PLACE, mine);
    const back = await begun("agt_1");
    expect([back.now.body.text, back.now.rival?.body.text, back.now.rival?.author_id]).toEqual(["Ann's unsaved words", "Ben's draft", "agt_2"]);
    await settle();
    expect(server.draft?.body.text).toBe("Ben's draft");
    await back.drop();
    expect([back.now.body.text, back.now.writtenBy, server.draft?.body.text]).toEqual(["Ben's draft", "agt_2", "Ben's draft"]);
  });

  it("knows its own words again when only the answer was lost", async () => {
    const reply = await begun();
    server.isMute = true;
    reply.change({ text: "One" });
    await settle();
    server.isMute = false;
    reply.change({ text: "One two" });
    await settle();
    expect([reply.now.rival, reply.now.keeping, server.draft?.body.text]).toEqual([null, "kept", "One two"]);
  });

  it("stays when what it went on from was sent or discarded elsewhere", async () => {
    const reply = await begun();
    reply.change({ text: "One" });
    await settle();
    server.draft = null;
    reply.change({ text: "One two" });
    await settle();
    expect([reply.now.body.text, reply.now.keeping]).toEqual(["One two", "kept"]);
  });

  it("is forgotten here after a week", async () => {
    const reply = await begun();
    reply.change({ text: "Words" });
    await settle();
    const store = shelf(() => localStorage);
    tidyReplies(store, Date.now() + 6 * 86_400_000);
    expect(localStorage.getItem(PLACE)).not.toBeNull();
    tidyReplies(store, Date.now() + 8 * 86_400_000);
    expect(localStorage.getItem(PLACE)).toBeNull();
  });
});

describe("sending", () => {
  it("says what was seen, and leaves nothing of the draft", async () => {
    const reply = await begun();
    reply.change({ text: "Done" });
    expect(await reply.send("wait")).toBe(true);
    expect(server.delivered).toMatchObject([{ text: "Done", seen: 1, then: "wait" }]);
    await settle();
    expect([server.kept, reply.now.body, localStorage.getItem(PLACE)]).toEqual([[], blank, null]);
  });

  it("waits for a draft that is on its way, so that it does not come back", async () => {
    const reply = await begun();
    reply.change({ text: "Done" });
    const flushed = reply.flush();
    const sent = reply.send("stay");
    await flushed;
    await sent;
    expect([server.kept, server.draft]).toEqual([["Done"], null]);
  });

  it("is refused when the customer wrote meanwhile: the text stays, the next one has seen it", async () => {
    const reply = await begun();
    reply.change({ text: "Done" });
    reply.heard([said(1), said(2)]);
    expect([reply.now.newer.map(({ seq }) => seq), reply.now.isTooLate]).toEqual([[2], false]);
    server.refusals = [movedOn(said(2))];
    expect(await reply.send("stay")).toBe(false);
    expect([reply.now.isTooLate, reply.now.body.text, reply.now.error]).toEqual([true, "Done", null]);
    expect(reply.now.newer).toHaveLength(1);
    expect(await reply.send("stay")).toBe(true);
    expect(server.delivered).toMatchObject([{ seen: 2 }]);
    expect(reply.now.newer).toEqual([]);
  });

  it("has seen what came while nothing was written, and what the agent says to have read", async () => {
    const reply = await begun();
    reply.heard([said(1), said(2)]);
    reply.change({ text: "Done" });
    reply.heard([said(1), said(2), said(3), said(4, "internal", { kind: "note", author: { kind: "agent", id: "agt_2", name: "Ben" } })]);
    expect(reply.now.newer.map(({ seq }) => seq)).toEqual([3]);
    reply.acknowledge();
    await reply.send("stay");
    expect(server.delivered).toMatchObject([{ seen: 4 }]);
  });

  it("keeps the key as long as nobody knows whether it arrived, and a new one for another text", async () => {
    server.refusals = [lost, lost, lost];
    const reply = await begun();
    reply.change({ text: "Done" });
    await reply.send("stay");
    await reply.send("stay");
    reply.change({ text: "Done!" });
    await reply.send("stay");
    const { keys } = server;
    expect(keys[0]).toBe(keys[1]);
    expect(keys[2]).not.toBe(keys[0]);
    expect(reply.now.error).toBe("no answer");
  });

  it("is over when its entry shows up though nobody answered", async () => {
    server.refusals = [lost];
    const reply = await begun();
    reply.change({ text: "Done" });
    await reply.send("stay");
    const key = server.keys[0] ?? "";
    reply.heard([said(1), said(2, "Done", { key, author: { kind: "agent", id: "agt_1", name: "Anna" } })]);
    expect(reply.now.body.text).toBe("");
  });

  it("waits for the connection, and can be taken back until then", async () => {
    const reply = await begun();
    reply.change({ text: "Done" });
    server.online = false;
    await reply.send("wait");
    expect(reply.now.sending).toBe("held");
    reply.hold();
    server.online = true;
    await reply.back();
    expect(server.delivered).toEqual([]);
    server.online = false;
    await reply.send("wait");
    server.online = true;
    await reply.back();
    expect(server.delivered).toMatchObject([{ text: "Done", then: "wait" }]);
  });

  it("says that a number takes no texts, until something new is said", async () => {
    const reply = await begun();
    reply.change({ text: "Done" });
    server.refusals = [new Problem(409, { code: "opted_out", detail: "asked for no more texts" })];
    await reply.send("stay");
    expect([reply.now.refusal, reply.now.body.text]).toEqual(["asked for no more texts", "Done"]);
    reply.heard([said(1), said(2, "text.opted_in", { kind: "system" })]);
    expect(reply.now.refusal).toBeNull();
  });
});
