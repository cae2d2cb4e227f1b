/** Lays a conversation out: stored entries and lines on their way, in order, with headings for days. Pure. */
import type { EntryView, Micros } from "@/api/types.ts";
import { daysApart } from "@/i18n/time.ts";
import type { Line } from "@/live/outbox.ts";
import { size, withWords } from "./whole.ts";

export interface Row {
  id: string;
  kind: EntryView["kind"];
  side: "theirs" | "ours" | "middle";
  author: string;
  text: string;
  at: Micros;
  /** `delivered` and the like for stored entries; `queued`, `sending`, `failed` for our own lines on their way. */
  status: EntryView["status"];
  error: string | null;
  /** The stored entry; null for a line that is still on its way. */
  entry: EntryView | null;
  /** The key of a line that is still on its way. */
  lineKey: string | null;
  /** First of a day: the heading's instant. */
  day: Micros | null;
  /** The same author as the row before, shortly after: no name again. */
  continues: boolean;
}

/** Entries of one author within that time are shown as one block, microseconds. */
const TOGETHER = 3 * 60 * 1_000_000;

export function layOut(entries: readonly EntryView[], lines: readonly Line[], myName: string): Row[] {
  const stored = new Set(entries.flatMap(({ key }) => key ?? []));
  const rows = [
    ...entries.map(rowOfEntry),
    ...lines.filter(({ key }) => !stored.has(key)).map((line) => rowOfLine(line, myName)),
  ];
  let before: Row | null = null;
  for (const row of rows) {
    if (before === null || daysApart(before.at, row.at) !== 0) row.day = row.at;
    row.continues = before !== null && row.day === null && isSameBlock(before, row);
    before = row;
  }
  return rows;
}

/** Stored entries and older pages as one ordered list, each entry once: as it is in `newer`, with the more of its words. */
export function mergeEntries(older: readonly EntryView[], newer: readonly EntryView[]): EntryView[] {
  const all = new Map(older.map((entry) => [entry.id, entry]));
  for (const entry of newer) {
    const known = all.get(entry.id);
    all.set(entry.id, known !== undefined && size(known) > size(entry) ? withWords(entry, known) : entry);
  }
  return [...all.values()].sort((one, other) => one.seq - other.seq);
}

function rowOfEntry(entry: EntryView): Row {
  const spoken = entry.author.kind === "customer" ? "theirs" : "ours";
  return {
    id: entry.id,
    kind: entry.kind,
    side: entry.kind === "system" ? "middle" : spoken,
    author: entry.author.name,
    text: entry.text,
    at: entry.at,
    status: entry.status,
    error: entry.error ?? null,
    entry,
    lineKey: null,
    day: null,
    continues: false,
  };
}

function rowOfLine(line: Line, myName: string): Row {
  return {
    id: line.key,
    kind: line.kind,
    side: "ours",
    author: myName,
    text: line.text,
    at: line.at,
    status: line.state === "done" ? "sent" : line.state,
    error: line.error,
    entry: null,
    lineKey: line.state === "done" ? null : line.key,
    day: null,
    continues: false,
  };
}

function isSameBlock(before: Row, row: Row): boolean {
  return (
    row.kind !== "system" &&
    before.kind === row.kind &&
    before.side === row.side &&
    before.author === row.author &&
    row.at - before.at < TOGETHER
  );
}
