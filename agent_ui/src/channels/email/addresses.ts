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

/** Somebody whom the newest mail names, and who has no part in the conversation so far. */
export interface Newcomer {
  address: string;
  /** The mail asks for its answers to be sent there. */
  wantsAnswers: boolean;
}

/**
 * Whom an answer to the newest mail goes to: of those whom it names, only who is in the conversation already. Anybody
 * can write any name into a mail, so that others get our answers only when an agent adds them (`newcomersOf`). Our
 * own mailboxes never get our own answers.
 */
export function recipientsOf(entries: readonly EntryView[], ours: readonly string[], toAll: boolean): Recipients {
  const last = newestMail(entries);
  if (last === null) return { to: [], cc: [] };
  const known = participants(entries);
  const others = (list: readonly MailAddressView[]) =>
    list.map(({ address }) => address).filter((address) => known.has(fold(address)) && !isOurs(address, ours));
  const wanted = others(last.reply_to);
  const to = addTo([], wanted.length > 0 || last.sender === null ? wanted : others([last.sender]));
  if (!toAll) return { to, cc: [] };
  const all = addTo(to, [...others(last.to), ...others(last.cc)]);
  return { to, cc: all.slice(to.length) };
}

/** Whom the newest mail names for its answers, or as readers, without a part in the conversation so far. */
export function newcomersOf(entries: readonly EntryView[], ours: readonly string[]): Newcomer[] {
  const last = newestMail(entries);
  if (last === null) return [];
  const known = participants(entries);
  const wanted = last.reply_to.map(({ address }) => address);
  return addTo([], [...wanted, ...[...last.to, ...last.cc].map(({ address }) => address)])
    .filter((address) => !known.has(fold(address)) && !isOurs(address, ours))
    .map((address) => ({ address, wantsAnswers: wanted.includes(address) }));
}

/** Whether an answer to all would reach anybody that a plain one does not. */
export function hasOthers(entries: readonly EntryView[], ours: readonly string[]): boolean {
  return recipientsOf(entries, ours, true).cc.length > 0;
}

/** What a person wrote last; of programs only where nobody else wrote. */
function newestMail(entries: readonly EntryView[]): MailView | null {
  const mails = entries.flatMap(({ mail, author }) => (mail && author.kind === "customer" ? [mail] : []));
  return mails.findLast(({ machine }) => machine === "none") ?? mails.at(-1) ?? null;
}

/** Whom we have written to, and who wrote: a mail is in its thread by proof, or began it. */
function participants(entries: readonly EntryView[]): Set<string> {
  const found = entries.flatMap(({ mail, author }) => {
    if (!mail) return [];
    if (author.kind !== "customer") return [...mail.to, ...mail.cc];
    return mail.sender ? [mail.sender] : [];
  });
  return new Set(found.map(({ address }) => fold(address)));
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
