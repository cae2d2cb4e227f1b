/** Small questions about texts. Pure. */

/** Whether anything in it can be searched: a letter or a digit of any script. */
export function isSearchable(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text);
}

/** Whether one of two texts is the beginning of the other, or the same; spaces and line ends do not count. */
export function isBeginning(one: string, other: string): boolean {
  const [shorter = "", longer = ""] = [one, other].map(squeezed).sort((a, b) => a.length - b.length);
  return shorter !== "" && longer.startsWith(shorter);
}

function squeezed(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
