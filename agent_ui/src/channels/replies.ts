/** The answers that are being written, by contact: one `Reply` each, with the files on their way to it. */
import { defineStore } from "pinia";
import { computed, shallowRef, watch } from "vue";
import { api, newAct } from "@/api/index.ts";
import type { EntryView, InteractionView } from "@/api/types.ts";
import type { Upload } from "@/api/upload.ts";
import { explain } from "@/console/act.ts";
import { formatSize, t } from "@/i18n/index.ts";
import { Reply, type ReplyBody, type ReplyState, type Then } from "@/live/reply.ts";
import { lasting } from "@/live/storage.ts";
import { useLive } from "@/live/store.ts";
import type { Writer } from "./contract.ts";

/** A file on its way to the server, or one that did not get there. */
export interface Uploading {
  id: string;
  name: string;
  size: number;
  /** How much is there, 0 to 1. */
  share: number;
  error: string | null;
}

export const useReplies = defineStore("replies", () => {
  const live = useLive();
  const replies = new Map<string, Reply>();
  const states = shallowRef<Readonly<Record<string, ReplyState>>>({});
  const uploads = shallowRef<Readonly<Record<string, readonly Uploading[]>>>({});
  const stops = new Map<string, Upload<unknown>>();

  /** How many answers wait for the connection. */
  const held = computed(() => Object.values(states.value).filter(({ sending }) => sending === "held").length);

  watch(
    () => live.me?.id ?? null,
    () => {
      replies.clear();
      states.value = {};
      uploads.value = {};
    },
  );
  watch(
    () => live.isLost,
    (isLost) => {
      if (!isLost) for (const reply of replies.values()) void reply.back();
    },
  );
  watch(
    () => live.state?.entries,
    () => {
      for (const [id, reply] of replies) reply.heard(live.entries(id));
    },
  );
  window.addEventListener("pagehide", () => {
    flushAll(true);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") flushAll(false);
  });

  function flushAll(last: boolean): void {
    for (const reply of replies.values()) void reply.flush(last);
  }

  function make(interactionId: string, writer: Writer): Reply {
    return new Reply({
      interactionId,
      agentId: live.me?.id ?? "",
      store: lasting,
      load: async () => {
        const draft = await api.draft(interactionId);
        return draft.version === 0 ? null : draft;
      },
      keep: (body, version, last) =>
        api.keepDraft(interactionId, { ...body, to: [...body.to], cc: [...body.cc], version }, newAct(), last),
      discard: (version) => api.discardDraft(interactionId, version),
      deliver: (body, delivery) => writer.deliver(interactionId, body, delivery),
      isOnline: () => !live.isLost,
      now: () => Date.now(),
      explain,
      onChange: (state) => {
        states.value = { ...states.value, [interactionId]: state };
      },
    });
  }

  /** Take up a contact's answer where it was left. */
  async function open({ id }: InteractionView, writer: Writer, blank: ReplyBody): Promise<void> {
    const reply = replies.get(id) ?? make(id, writer);
    replies.set(id, reply);
    reply.heard(live.entries(id));
    await reply.open(blank);
  }

  const of = (id: string): ReplyState | undefined => states.value[id];
  const beginWith = (id: string, blank: ReplyBody) => replies.get(id)?.beginWith(blank);
  const change = (id: string, part: Partial<ReplyBody>) => replies.get(id)?.change(part);
  const flush = (id: string) => void replies.get(id)?.flush();
  const acknowledge = (id: string) => replies.get(id)?.acknowledge();
  const takeTheirs = (id: string) => replies.get(id)?.takeTheirs();
  const keepMine = (id: string) => void replies.get(id)?.keepMine();
  const hold = (id: string) => replies.get(id)?.hold();
  const send = async (id: string, then: Then): Promise<boolean> => (await replies.get(id)?.send(then)) ?? false;

  async function drop(id: string): Promise<void> {
    const files = of(id)?.files ?? [];
    await replies.get(id)?.drop();
    await Promise.allSettled(files.map((file) => api.discardFile(id, file.id)));
  }

  /** Send files to the server, to go with the answer; `room` is how many bytes they may have together. */
  function attach(id: string, files: readonly File[], room: number): void {
    let left = room - sizeOf(id);
    for (const file of files) {
      const fits = file.size > 0 && file.size <= left;
      if (fits) left -= file.size;
      begin(id, file, fits ? null : t(file.size === 0 ? "files.empty" : "files.too_large", { room: formatSize(room) }));
    }
  }

  function begin(id: string, file: File, error: string | null): void {
    const one: Uploading = { id: newAct(), name: file.name, size: file.size, share: 0, error };
    setUploads(id, [...(uploads.value[id] ?? []), one]);
    if (error !== null) return;
    const on = api.upload(id, file, newAct(), (share) => {
      changeUpload(id, one.id, { share });
    });
    stops.set(one.id, on);
    on.done.then(
      (view) => {
        removeUpload(id, one.id);
        replies.get(id)?.addFile(view);
      },
      (failure: unknown) => {
        changeUpload(id, one.id, { error: explain(failure) });
      },
    );
  }

  /** Stop one that is on its way, or forget one that failed. */
  function removeUpload(id: string, uploadId: string): void {
    setUploads(id, (uploads.value[id] ?? []).filter((each) => each.id !== uploadId));
    const on = stops.get(uploadId);
    stops.delete(uploadId);
    on?.stop();
  }

  function removeFile(id: string, fileId: string): void {
    replies.get(id)?.removeFile(fileId);
    // If that fails, the server's own tidying takes the file.
    void api.discardFile(id, fileId).catch(() => undefined);
  }

  function sizeOf(id: string): number {
    const coming = (uploads.value[id] ?? []).filter(({ error }) => error === null).map(({ size }) => size);
    const there = (of(id)?.files ?? []).map((file) => file.size_bytes);
    return [...coming, ...there].reduce((sum, size) => sum + size, 0);
  }

  function changeUpload(id: string, uploadId: string, change: Partial<Uploading>): void {
    setUploads(id, (uploads.value[id] ?? []).map((each) => (each.id === uploadId ? { ...each, ...change } : each)));
  }

  function setUploads(id: string, list: readonly Uploading[]): void {
    uploads.value = { ...uploads.value, [id]: list };
  }

  return { states, uploads, held, open, of, beginWith, change, flush, acknowledge, takeTheirs, keepMine, hold, send, drop, attach, removeUpload, removeFile, sizeOf };
});

/** The newest message of the customer, null if they have not written. */
export function newestOfCustomer(entries: readonly EntryView[]): EntryView | null {
  return entries.findLast(({ kind, author }) => kind === "message" && author.kind === "customer") ?? null;
}
