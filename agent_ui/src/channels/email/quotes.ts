/** The history below an answer: put there, and found again in what we sent ourselves. Pure. */

/** A text as a quotation of plain mail. */
export function quoteText(introduction: string, text: string): string {
  const lines = text.trim().split("\n");
  return [introduction, ...lines.map((line) => (line === "" || line.startsWith(">") ? `>${line}` : `> ${line}`))].join("\n");
}

/** Our own words and the quotation at their end, "" if there is none. The introduction goes with it. */
export function cutQuote(text: string): { words: string; quoted: string } {
  const lines = text.trimEnd().split("\n");
  let first = lines.length;
  while (first > 0 && (lines[first - 1] ?? "").startsWith(">")) first -= 1;
  const introduction = lines[first - 1] ?? "";
  if (first === lines.length || !introduction.trimEnd().endsWith(":")) return { words: text, quoted: "" };
  const words = lines.slice(0, first - 1).join("\n").trimEnd();
  return words === "" ? { words: text, quoted: "" } : { words, quoted: lines.slice(first - 1).join("\n") };
}
