// @vitest-environment node
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const SOURCE = fileURLToPath(new URL("..", import.meta.url));
const tokens = readFileSync(new URL("./tokens.css", import.meta.url), "utf8");

/** Colours of a theme, by the token's name without dashes in front. */
function theme(dark: boolean): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name, light, night] of tokens.matchAll(/--([\w-]+):\s*light-dark\((#\w+),\s*(#\w+)\)/g)) {
    found.set(name ?? "", (dark ? night : light) ?? "");
  }
  for (const [, name, both] of tokens.matchAll(/--([\w-]+):\s*(#\w{6});/g)) found.set(name ?? "", both ?? "");
  return found;
}

/** Relative luminance by WCAG 2. */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const channel = parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

const GROUNDS = ["ground", "surface", "sunken", "hover"];
/** Text and what it stands on: 4.5 to 1. */
const TEXTS: [string, string[]][] = [
  ["text", [...GROUNDS, "selected", "raised"]],
  ["text-soft", [...GROUNDS, "selected", "raised"]],
  ["text-faint", ["ground", "surface", "sunken"]],
  ["accent-text", ["surface", "ground", "accent-soft", "selected"]],
  ["on-accent", ["accent", "accent-hover", "ready-solid", "ready-solid-hover", "urgent-solid", "urgent-solid-hover"]],
  ["ready-text", ["ready-soft", "surface"]],
  ["attention-text", ["attention-soft", "surface", "note"]],
  ["urgent-text", ["urgent-soft", "surface"]],
  ["away-text", ["away-soft"]],
  ["note-text", ["note"]],
  ["note", ["attention-text"]],
  ["bubble-ours-text", ["bubble-ours"]],
  ["text", ["bubble-theirs"]],
  ["gold", ["gold-soft"]],
  ["silver", ["silver-soft"]],
];
/** Marks and edges of controls: 3 to 1. */
const MARKS: [string, string[]][] = [
  ["line-control", ["surface", "ground"]],
  ["ready", ["surface", "ground"]],
  ["attention", ["surface", "ground"]],
  ["urgent", ["surface", "ground"]],
  ["away", ["surface", "ground"]],
  ["accent", ["surface", "ground"]],
  ["focus", ["surface", "ground", "note"]],
];

describe.each([
  ["light", false],
  ["dark", true],
])("the %s theme", (_name, dark) => {
  const colours = theme(dark);
  const check = (pairs: [string, string[]][], least: number) => {
    for (const [front, backs] of pairs) {
      for (const back of backs) {
        const [one, other] = [colours.get(front), colours.get(back)];
        if (one === undefined || other === undefined) throw new Error(`no token ${front} or ${back}`);
        expect.soft(contrast(one, other), `${front} on ${back}`).toBeGreaterThanOrEqual(least);
      }
    }
  };

  it("can be read", () => {
    check(TEXTS, 4.5);
  });

  it("shows its marks and edges", () => {
    check(MARKS, 3);
  });
});

function files(folder: string, ends: RegExp): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return files(path, ends);
    return ends.test(name) ? [path] : [];
  });
}

const PARTS = ["api", "channels", "console", "i18n", "live", "supervisor", "ui", "wallboard"].map((part) => join(SOURCE, part));

it("is the only place that names a colour", () => {
  for (const path of PARTS.flatMap((part) => files(part, /\.(vue|css)$/))) {
    if (path.endsWith("tokens.css")) continue;
    const named = /(#[0-9a-f]{3,8}\b|rgba?\(|hsla?\()(?![^<]*<\/script>)/i.exec(readFileSync(path, "utf8").split("<style")[1] ?? "");
    expect.soft(named?.[0], path).toBeUndefined();
  }
});

it("leaves channels to their own objects: no part asks which channel it is", () => {
  for (const path of PARTS.flatMap((part) => files(part, /\.(vue|ts)$/))) {
    if (path.endsWith(".test.ts")) continue;
    expect.soft(/channel(\.value)?\s*(===|!==)\s*["']/.exec(readFileSync(path, "utf8"))?.[0], path).toBeUndefined();
  }
});

it("keeps inline styles out of the templates: the page's policy forbids them", () => {
  for (const path of PARTS.flatMap((part) => files(part, /\.vue$/))) {
    expect.soft(/\sstyle="/.exec(readFileSync(path, "utf8"))?.[0], path).toBeUndefined();
  }
});
