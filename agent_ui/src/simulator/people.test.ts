import { describe, expect, it } from "vitest";
import type { Person } from "./api.ts";
import { randomDigits, searchPeople, strangerRole } from "./people.ts";

function person(name: string, number: string, mailbox: string | null = null): Person {
  return { id: name, name, number, mailbox, language: "en", tier: "standard" };
}

const PEOPLE = [person("José García", "+34911222333", "jose@example.es"), person("Anna Müller", "+4930123456"), person("Jo Garland", "+15550001111")];

describe("the search", () => {
  it.each([
    ["", ["José García", "Anna Müller", "Jo Garland"]],
    ["garcia jose", ["José García"]],
    ["gar", ["José García", "Jo Garland"]],
    ["MULLER", ["Anna Müller"]],
    ["example.es", ["José García"]],
    ["+49 30 123", ["Anna Müller"]],
    ["30-123", ["Anna Müller"]],
    ["nobody", []],
  ])("for %j finds %j", (search, names) => {
    expect(searchPeople(PEOPLE, search).map(({ name }) => name)).toEqual(names);
  });
});

describe("a stranger", () => {
  it("has a full international number that nobody has", () => {
    for (let turn = 0; turn < 50; turn += 1) expect(strangerRole(randomDigits()).number).toMatch(/^\+1555\d{7}$/);
  });
});
