// @vitest-environment node
/** The table of cases that the server's tests read, too. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { countSegments, TEXT_CHARACTERS } from "./segments.ts";

interface Case {
  name: string;
  text: [string, number][];
  encoding: string;
  units: number;
  segments: number;
  left: number;
  characters: number;
}

const table = new URL("../../../tests/channels/sms/segment_cases.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(table, "utf8")) as { cases: Case[] };

describe("segments of a text", () => {
  it("has a table", () => {
    expect(cases.length).toBeGreaterThan(20);
  });

  it.each(cases)("$name", ({ text, encoding, units, segments, left, characters }) => {
    const counted = countSegments(text.map(([piece, times]) => piece.repeat(times)).join(""));
    expect(counted).toEqual({
      encoding,
      units,
      segments,
      left,
      characters,
      tooLong: characters > TEXT_CHARACTERS,
    });
  });
});
