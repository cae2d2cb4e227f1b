/** Whom the person at this page plays: a customer of the desk, a stranger, or somebody who withholds their number. */
import type { Person } from "./api.ts";

export interface Role {
  /** Parts this role's chat from those of others. */
  readonly id: string;
  readonly kind: "customer" | "stranger" | "withheld";
  readonly name: string;
  readonly number: string | null;
  readonly mailbox: string | null;
  readonly language: string | null;
}

export function customerRole(person: Person): Role {
  const { id, name, number, mailbox, language } = person;
  return { id, kind: "customer", name, number, mailbox, language };
}

/** Somebody whom the desk has never heard of. `digits` are the last seven of the number. */
export function strangerRole(digits: string): Role {
  // 555 is no area code: nobody has this number.
  return { id: `stranger-${digits}`, kind: "stranger", name: "A stranger", number: `+1555${digits}`, mailbox: null, language: null };
}

/** Where this role gets mail: a stranger has an address, too, but tells it to nobody who does not get a mail. */
export function mailAddress(role: Role): string | null {
  if (role.kind === "stranger") return `${role.id.replace("-", ".")}@example.net`;
  return role.mailbox;
}

export const WITHHELD: Role = {
  id: "withheld",
  kind: "withheld",
  name: "Withheld number",
  number: null,
  mailbox: null,
  language: null,
};

/** Seven random digits. */
export function randomDigits(): string {
  const [number = 0] = crypto.getRandomValues(new Uint32Array(1));
  return String(number % 10_000_000).padStart(7, "0");
}

/** People whose name, number or mailbox holds every word of the search, whatever the case and the accents. */
export function searchPeople(people: readonly Person[], search: string): readonly Person[] {
  const words = fold(search).split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return people;
  return people.filter((person) => {
    const digits = person.number?.replace(/\D/g, "") ?? "";
    const where = `${fold(person.name)} ${fold(person.mailbox ?? "")} ${digits}`;
    return words.every((word) => where.includes(word) || (/^[+\d() -]+$/.test(word) && digits.includes(word.replace(/\D/g, ""))));
  });
}

function fold(text: string): string {
  return text
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase();
}
