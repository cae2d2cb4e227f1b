/** The mailbox of the person whom one plays: what came, what they sent, and what they have read. */
import { computed, ref, watch } from "vue";
import type { ComputedRef, Ref } from "vue";
import { perTab } from "@/live/storage.ts";
import { fetchMails, mailEventsUrl, sendMail } from "./api.ts";
import type { FileToSend, Mail } from "./api.ts";
import { useFeed } from "./feed.ts";

/** Mails of one's own that a reload finds again. */
const SENT_KEPT = 50;

/** A mail that the person sent; the provider keeps none of those. */
export interface SentMail {
  readonly id: string;
  /** Microseconds since 1970-01-01 UTC. */
  readonly at: number;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly files: readonly string[];
}

/** A line of the mailbox's list. */
export type MailLine =
  | { readonly id: string; readonly at: number; readonly came: Mail; readonly sent: null }
  | { readonly id: string; readonly at: number; readonly came: null; readonly sent: SentMail };

/** What the person writes; `answers` is the mail that they answer. */
export interface Writing {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly files: readonly FileToSend[];
  readonly answers: Mail | null;
}

export interface Mailbox {
  /** Newest first. */
  readonly lines: ComputedRef<readonly MailLine[]>;
  readonly unread: ComputedRef<number>;
  readonly trouble: Ref<string>;
  isRead(mail: Mail): boolean;
  read(mail: Mail): void;
  /** Sends it, and keeps it among the sent ones. Rejects when the desk does not take it. */
  send(name: string, writing: Writing): Promise<void>;
}

export function useMailbox(address: Readonly<Ref<string | null>>, shown: Readonly<Ref<boolean>>): Mailbox {
  const mails = ref<readonly Mail[]>([]);
  const sent = ref<readonly SentMail[]>([]);
  const read = ref<ReadonlySet<number>>(new Set());

  function take(mail: Mail): void {
    if (!mails.value.some(({ number }) => number === mail.number)) mails.value = [...mails.value, mail];
  }

  watch(
    address,
    (box) => {
      sent.value = box === null ? [] : kept<SentMail[]>(sentKey(box), []);
      read.value = new Set(box === null ? [] : kept<number[]>(readKey(box), []));
    },
    { immediate: true },
  );
  const trouble = useFeed<Mail>({
    whose: address,
    shown,
    kind: "mail",
    url: mailEventsUrl,
    take,
    async look(box, after) {
      const found = await fetchMails(box, after);
      if (box === address.value) for (const mail of found) take(mail);
      return found.at(-1)?.number ?? after;
    },
    clear() {
      mails.value = [];
    },
  });

  const lines = computed<readonly MailLine[]>(() =>
    [
      ...mails.value.map((mail): MailLine => ({ id: `in${mail.number}`, at: mail.at, came: mail, sent: null })),
      ...sent.value.map((mail): MailLine => ({ id: mail.id, at: mail.at, came: null, sent: mail })),
    ].sort((one, other) => other.at - one.at),
  );

  return {
    lines,
    unread: computed(() => mails.value.filter(({ number }) => !read.value.has(number)).length),
    trouble,
    isRead: ({ number }) => read.value.has(number),
    read({ number }) {
      if (address.value === null || read.value.has(number)) return;
      read.value = new Set([...read.value, number]);
      perTab.setItem(readKey(address.value), JSON.stringify([...read.value]));
    },
    async send(name, { to, subject, text, files, answers }) {
      const box = address.value;
      if (box === null) return;
      const mail = { from: box, name, subject, text, attachments: files };
      await sendMail(answers === null ? mail : { ...mail, answers: answers.number });
      const at = Date.now() * 1000;
      const before = kept<SentMail[]>(sentKey(box), []);
      const all = [...before, { id: `out${at}`, at, to, subject, text, files: files.map((file) => file.name) }].slice(-SENT_KEPT);
      perTab.setItem(sentKey(box), JSON.stringify(all));
      if (box === address.value) sent.value = all;
    },
  };
}

const sentKey = (box: string): string => `simulator:sent:${box}`;
const readKey = (box: string): string => `simulator:read:${box}`;

function kept<Value>(key: string, nothing: Value): Value {
  try {
    const value: unknown = JSON.parse(perTab.getItem(key) ?? "null");
    return Array.isArray(value) ? (value as Value) : nothing;
  } catch {
    return nothing;
  }
}

/** The subject of an answer, with one `Re:` before it. */
export function answerSubject(subject: string): string {
  return /^re:/i.test(subject) ? subject : `Re: ${subject}`;
}

/** Where an answer to a mail goes. */
export function answersTo(mail: Mail): string {
  return (mail.reply_to[0] ?? mail.from)?.address ?? "";
}

/** `900 B`, `12 kB`, `1.4 MB`. */
export function sizeInWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** A file as base64, which is how it travels to the carrier. */
export function fileToSend(file: File): Promise<FileToSend> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      const url = typeof reader.result === "string" ? reader.result : "";
      const content = url.slice(url.indexOf(",") + 1);
      resolve({ name: file.name, media_type: file.type || "application/octet-stream", content });
    });
    reader.addEventListener("error", () => {
      reject(new Error(`${file.name} cannot be read.`));
    });
    reader.readAsDataURL(file);
  });
}
