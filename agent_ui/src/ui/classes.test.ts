/**
 * A class that is named by a value from the server carries a prefix: a bare value, such as a contact's state "menu", meets
 * a class of base.css by chance and is drawn like it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const SOURCES = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(SOURCES, path), "utf8");
const globals = new Set([...read("ui/base.css").matchAll(/\.([a-z][\w-]*)/g)].map(([, name]) => name ?? ""));
const values = new Set([...read("api/schema.d.ts").matchAll(/"([a-z][a-z_]*)"/g)].map(([, value]) => value ?? ""));
const components = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".vue"));

describe("classes that are named by values", () => {
  it("know by name what may meet", () => {
    // Another one here: give its class another name, or see that nothing binds the value.
    expect([...globals].filter((name) => values.has(name)).sort()).toEqual(["menu"]);
  });

  it("are prefixed where a contact's state is meant", () => {
    const bare = components.filter((path) => /:class="(\[\s*)?[\w.]*\b(state|interaction\.state)\b/.test(read(path)));
    expect(bare).toEqual([]);
    expect(components.length).toBeGreaterThan(50);
  });
});
