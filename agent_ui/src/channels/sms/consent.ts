/** Whether a number takes texts: the newest word of the customer on it counts. Pure. */
import type { EntryView } from "@/api/types.ts";

export function isOptedOut(entries: readonly EntryView[]): boolean {
  const last = entries.findLast(({ kind, text }) => kind === "system" && (text === "text.opted_out" || text === "text.opted_in"));
  return last?.text === "text.opted_out";
}
