/** Mail addresses as people type them, and whom an answer goes to. Pure. */
import type { EntryView, MailAddressView, MailView } from "@/api/types.ts";

export const RECIPIENTS_MOST = 50;

// Cheap and total; the server has the last word with a parser of its own.
const ADDRESS = /^[^\s@<>()[\]\\,;:"]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+[\p{L}\p{N}-]{2,63}$/u;

export function isAddress(typed: string): boolean {
  return typed.length <= 254 && ADDRESS.test(typed) && !typed.includes("..") && !/^\.|\.@/.test(typed);
}

/** Addresses out of typed or pasted text: `a@b.org, Name <c@d.org>; e@f.org`. What is none stays as it was typed. */
export function splitAddresses(typed: string): string[] {
  return typed
    .split(/[,;\n\t]+/)
    .map((part) => /<([^<>]*)>\s*$/.exec(part)?.[1] ?? part)
    .flatMap((part) => (part.includes("@") ? part.trim().split(/\s+/) : [part.trim()]))
    .filter((part) => part !== "");
}

/** Both lists without what is in them twice, whatever the letters' case; the first one wins. */
export function addTo(list: readonly string[], more: readonly string[]): string[] {
  const known = new Set(list.map(fold));
  const added: string[] = [];
  for (const each of more) {
    if (known.has(fold(each))) continue;
    known.add(fold(each));
    added.push(each);
  }
  return [...list, ...added];
}

export interface Recipients {
  to: string[];
  cc: string[];
}

/** Whom an answer to the newest mail goes to. Our own mailboxes never get our own answers. */
export function recipientsOf(entries: readonly EntryView[], ours: readonly string[], toAll: boolean): Recipients {
  const last = entries.findLast(({ mail, author }) => mail && author.kind === "customer")?.mail;
  if (!last) return { to: [], cc: [] };
  const others = (list: readonly MailAddressView[]) =>
    list.map(({ address }) => address).filter((address) => !isOurs(address, ours));
  const to = addTo([], others(last.reply_to.length > 0 ? last.reply_to : last.sender === null ? [] : [last.sender]));
  if (!toAll) return { to, cc: [] };
  const all = addTo(to, [...others(last.to), ...others(last.cc)]);
  return { to, cc: all.slice(to.length) };
}

/** Whether an answer to all would reach anybody that a plain one does not. */
export function hasOthers(entries: readonly EntryView[], ours: readonly string[]): boolean {
  return recipientsOf(entries, ours, true).cc.length > 0;
}

/** `Re: ` before a subject that has none yet, in whatever language. */
export function replySubject(subject: string): string {
  const plain = subject.trim();
  return plain === "" || /^(re|aw|sv|vs|antw|odp|ref|rif|res)(\[\d+\])?\s*:/i.test(plain) ? plain : `Re: ${plain}`;
}

export function nameOf({ address, name }: MailAddressView): string {
  return name === "" ? address : name;
}

/** Everybody that a mail went to, by name. */
export function namesOf(list: MailView["to"]): string {
  return list.map(nameOf).join(", ");
}

/** Our addresses also carry tags: `help+t.1.2@desk.example` is `help@desk.example`. */
function isOurs(address: string, ours: readonly string[]): boolean {
  const at = address.lastIndexOf("@");
  const bare = fold(`${address.slice(0, at).split("+")[0] ?? ""}${address.slice(at)}`);
  return ours.some((each) => fold(each) === bare || fold(each) === fold(address));
}

function fold(address: string): string {
  return address.trim().toLowerCase();
}
