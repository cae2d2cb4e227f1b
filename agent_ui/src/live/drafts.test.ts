import { expect, it } from "vitest";
import { Drafts } from "./drafts.ts";
import { shelf } from "./storage.ts";

function make() {
  let now = 0;
  const store = shelf(() => localStorage);
  localStorage.clear();
  return {
    drafts: new Drafts(store, () => now),
    pass: (days: number) => {
      now += days * 86_400_000;
    },
  };
}

it("keeps a draft per place and forgets an empty one", () => {
  const { drafts } = make();
  drafts.write("int_1.message", "half a sen");
  drafts.write("int_1.note", "n");
  expect(drafts.read("int_1.message")).toBe("half a sen");
  drafts.write("int_1.message", "");
  expect(drafts.read("int_1.message")).toBe("");
  expect(drafts.read("int_1.note")).toBe("n");
});

it("throws away what nobody came back to for a week", () => {
  const { drafts, pass } = make();
  drafts.write("old", "x");
  pass(5);
  drafts.write("new", "y");
  pass(3);
  drafts.tidy();
  expect([drafts.read("old"), drafts.read("new")]).toEqual(["", "y"]);
});

it("goes on without a store", () => {
  const broken = shelf(() => {
    throw new Error("forbidden");
  });
  const drafts = new Drafts(broken);
  drafts.write("a", "text");
  drafts.tidy();
  expect(drafts.read("a")).toBe("");
});
