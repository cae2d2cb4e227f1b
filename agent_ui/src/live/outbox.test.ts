import { describe, expect, it } from "vitest";
import { Problem, Unreachable } from "@/api/problem.ts";
import { Outbox, type Line } from "./outbox.ts";
import type { Shelf } from "./storage.ts";

function shelf(): Shelf & { rows: Map<string, string> } {
  const rows = new Map<string, string>();
  return {
    rows,
    getItem: (key) => rows.get(key) ?? null,
    setItem: (key, value) => void rows.set(key, value),
    removeItem: (key) => void rows.delete(key),
    keys: () => [...rows.keys()],
  };
}

function make(send: (line: Line) => Promise<unknown>, store = shelf()) {
  let lines: readonly Line[] = [];
  const retries: (() => void)[] = [];
  const outbox = new Outbox({
    store,
    place: "outbox",
    send,
    now: () => 5,
    onChange: (changed) => {
      lines = changed;
    },
    later: (act) => void retries.push(act),
  });
  return { outbox, store, retries, lines: () => lines };
}

const settle = async () => {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
};

describe("the outbox", () => {
  it("keeps what is written without a connection and sends it once, in order, when it is back", async () => {
    const sent: string[] = [];
    const { outbox, lines } = make((line) => {
      sent.push(line.text);
      return Promise.resolve();
    });
    outbox.add("int_1", "message", "one");
    outbox.add("int_1", "message", "two");
    await settle();
    expect(sent).toEqual([]);
    expect(lines().map(({ state }) => state)).toEqual(["queued", "queued"]);
    outbox.setOnline(true);
    outbox.setOnline(true);
    await settle();
    expect(sent).toEqual(["one", "two"]);
    expect(lines().map(({ state }) => state)).toEqual(["done", "done"]);
  });

  it("repeats a line of which nobody knows whether it arrived, with the same key", async () => {
    const keys: string[] = [];
    const { outbox, retries, lines } = make((line) => {
      keys.push(line.key);
      return keys.length === 1 ? Promise.reject(new Unreachable("cut off")) : Promise.resolve();
    });
    outbox.setOnline(true);
    outbox.add("int_1", "message", "hello");
    await settle();
    expect(lines()[0]?.state).toBe("queued");
    retries[0]?.();
    await settle();
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
    expect(lines()[0]?.state).toBe("done");
  });

  it("shows a refusal and lets the next line pass", async () => {
    const { outbox, lines } = make((line) =>
      line.text === "bad" ? Promise.reject(new Problem(422, { code: "validation", detail: "No." })) : Promise.resolve(),
    );
    outbox.setOnline(true);
    outbox.add("int_1", "message", "bad");
    outbox.add("int_1", "message", "good");
    await settle();
    expect(lines()).toMatchObject([
      { text: "bad", state: "failed", error: "No." },
      { text: "good", state: "done" },
    ]);
    outbox.discard(lines()[0]?.key ?? "");
    expect(lines()).toHaveLength(1);
  });

  it("does not let a slow interaction hold up another", async () => {
    const sent: string[] = [];
    const { outbox } = make((line) => {
      sent.push(line.text);
      return line.interactionId === "int_1" ? new Promise(() => undefined) : Promise.resolve();
    });
    outbox.setOnline(true);
    outbox.add("int_1", "message", "slow");
    outbox.add("int_1", "message", "behind it");
    outbox.add("int_2", "message", "free");
    await settle();
    expect(sent).toEqual(["slow", "free"]);
  });

  it("survives a reload: unsent lines are sent again with their keys, confirmed ones are not", async () => {
    const store = shelf();
    const before = make(() => new Promise(() => undefined), store);
    before.outbox.setOnline(true);
    const line = before.outbox.add("int_1", "message", "was on its way");
    const keys: string[] = [];
    const after = make((again) => {
      keys.push(again.key);
      return Promise.resolve();
    }, store);
    after.outbox.setOnline(true);
    await settle();
    expect(keys).toEqual([line.key]);
    expect(store.rows.size).toBe(0);
  });

  it("reads a damaged store as an empty one", () => {
    const store = shelf();
    store.rows.set("outbox", '[{"key":1},"x",null]');
    expect(make(() => Promise.resolve(), store).lines()).toEqual([]);
  });

  it("forgets a line when its entry has come", async () => {
    const { outbox, lines } = make(() => Promise.resolve());
    outbox.setOnline(true);
    const { key } = outbox.add("int_1", "note", "x");
    await settle();
    outbox.confirm(new Set([key]));
    expect(lines()).toEqual([]);
  });
});
