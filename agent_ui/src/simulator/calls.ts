/** All calls of this page: placed, followed, and found again after a reload of the page. */
import { computed, onScopeDispose, ref } from "vue";
import type { ComputedRef } from "vue";
import { perTab } from "@/live/storage.ts";
import { eventsUrl, fetchRinging, isKnown } from "./api.ts";
import { hear, held, newCall, said, vanished } from "./call.ts";
import type { Call, Heard } from "./call.ts";
import { fetchHolder } from "./holder.ts";

const KEPT = "simulator:calls";
/** Calls that stay in the list. */
const CALLS_MAX = 12;
/** Milliseconds until the words are asked for again after the stream has failed for good. */
const RETRY = 2_000;
/** Milliseconds between looks for a telephone that rings. */
const LOOK = 1_500;
const KINDS = ["state", "words", "heard", "music", "silence", "listening", "digits", "conference", "hold", "error", "ended"];

/** What a reload needs to follow a call again; what the person said is nowhere else. */
interface Kept {
  readonly sid: string;
  readonly name: string;
  readonly from: string | null;
  readonly to: string;
  readonly incoming?: boolean;
  readonly startedAt: number;
  readonly said: readonly { readonly id: string; readonly at: number; readonly text: string; readonly remark: string | null }[];
}

export interface Calls {
  /** Newest first. */
  readonly list: ComputedRef<readonly Call[]>;
  readonly chosen: ComputedRef<Call | null>;
  add(sid: string, name: string, from: string | null, to: string, incoming?: boolean): void;
  choose(sid: string): void;
  /** Notes what the person said in a call. */
  note(sid: string, words: string, remark: string | null): void;
  /** Takes an ended call off the list. */
  remove(sid: string): void;
}

export function useCalls(): Calls {
  const calls = ref<ReadonlyMap<string, Call>>(new Map());
  const chosenSid = ref<string | null>(null);
  const streams = new Map<string, { close: () => void }>();
  let looking: ReturnType<typeof setTimeout> | undefined;
  let gone = false;

  const list = computed(() => [...calls.value.values()].sort((one, other) => other.startedAt - one.startedAt));
  const chosen = computed(() => (chosenSid.value === null ? null : (calls.value.get(chosenSid.value) ?? null)));

  function put(call: Call): void {
    const next = new Map(calls.value).set(call.sid, call);
    calls.value = next;
    if (call.endedAt !== null) stop(call.sid);
  }

  function change(sid: string, step: (call: Call) => Call): void {
    const call = calls.value.get(sid);
    if (call !== undefined) put(step(call));
  }

  function stop(sid: string): void {
    streams.get(sid)?.close();
    streams.delete(sid);
  }

  function listen(sid: string): void {
    const call = calls.value.get(sid);
    if (call?.endedAt !== null) return;
    streams.set(
      sid,
      follow(
        sid,
        call.position,
        (heard) => {
          change(sid, (before) => hear(before, heard));
          if (heard.kind === "conference") void askHolder(sid);
        },
        () => void recover(sid),
      ),
    );
  }

  /** Being in a conference is being taken: the desk knows by whom. */
  async function askHolder(sid: string): Promise<void> {
    const holder = await fetchHolder({ call: sid });
    change(sid, (call) => held(call, holder));
  }

  /** The stream has failed for good: the carrier was restarted and has forgotten the call, or is away for a while. */
  async function recover(sid: string): Promise<void> {
    stop(sid);
    let known = true;
    try {
      known = await isKnown(sid);
    } catch {
      // Away: its return is waited for.
    }
    if (!known) {
      change(sid, (call) => vanished(call, Date.now() * 1000));
      return;
    }
    const timer = setTimeout(() => {
      listen(sid);
    }, RETRY);
    streams.set(sid, {
      close: () => {
        clearTimeout(timer);
      },
    });
  }

  function keep(): void {
    const kept: Kept[] = list.value.slice(0, CALLS_MAX).map(({ sid, name, from, to, incoming, startedAt, captions }) => ({
      sid,
      name,
      from,
      to,
      incoming,
      startedAt,
      said: captions.filter(({ id }) => id.startsWith("me")).map(({ id, at, text, remark }) => ({ id, at, text, remark })),
    }));
    perTab.setItem(KEPT, JSON.stringify(kept));
  }

  function remove(sid: string): void {
    stop(sid);
    const next = new Map(calls.value);
    next.delete(sid);
    calls.value = next;
    if (chosenSid.value === sid) chosenSid.value = list.value[0]?.sid ?? null;
    keep();
  }

  function restore(): void {
    for (const { sid, name, from, to, incoming, startedAt, said: words } of readKept()) {
      let call = newCall(sid, name, from, to, startedAt, incoming ?? false);
      for (const { id, at, text, remark } of words) call = said(call, id, at, text, remark);
      put(call);
      listen(sid);
    }
    chosenSid.value = list.value[0]?.sid ?? null;
  }

  /** Looks whether a telephone rings of somebody who called from this page, or is played now. */
  async function lookForRinging(): Promise<void> {
    try {
      if (list.value.some(({ incoming }) => !incoming) && document.visibilityState === "visible") {
        for (const { call_sid: sid, from, to } of await fetchRinging()) {
          const caller = list.value.find((one) => (one.incoming ? one.to : one.from) === to);
          if (caller !== undefined && !calls.value.has(sid)) api.add(sid, caller.name, from, to, true);
        }
      }
    } catch {
      // Away for a moment: the next look comes.
    }
    if (!gone) looking = setTimeout(() => void lookForRinging(), LOOK);
  }

  restore();
  onScopeDispose(() => {
    gone = true;
    clearTimeout(looking);
    for (const sid of [...streams.keys()]) stop(sid);
  });

  const api: Calls = {
    list,
    chosen,
    choose: (sid) => {
      chosenSid.value = sid;
    },
    add: (sid, name, from, to, incoming = false) => {
      put(newCall(sid, name, from, to, Date.now(), incoming));
      chosenSid.value = sid;
      for (const old of list.value.slice(CALLS_MAX)) if (old.endedAt !== null) remove(old.sid);
      keep();
      listen(sid);
    },
    note: (sid, words, remark) => {
      const at = Date.now() * 1000;
      change(sid, (call) => said(call, `me${at}`, at, words, remark));
      keep();
    },
    remove,
  };
  void lookForRinging();
  return api;
}

/**
 * Follows a call's events from the one after `after`. The browser comes back by itself, with Last-Event-ID, when a
 * stream breaks; `failed` is called when it gives up.
 */
function follow(sid: string, after: number, heard: (event: Heard) => void, failed: () => void): { close: () => void } {
  const source = new EventSource(eventsUrl(sid, after));
  const take = (event: Event): void => {
    // "error" is the name of one of the carrier's events and of the browser's own sign of trouble.
    const one = event instanceof MessageEvent ? readHeard(event) : null;
    if (one !== null) heard(one);
    else if (source.readyState === EventSource.CLOSED) failed();
  };
  for (const kind of KINDS) source.addEventListener(kind, take);
  return {
    close: () => {
      source.close();
    },
  };
}

/** An event of the stream, or null when it is none that we can read. */
export function readHeard(event: MessageEvent): Heard | null {
  const id = Number(event.lastEventId);
  if (typeof event.data !== "string" || !Number.isInteger(id)) return null;
  try {
    const data: unknown = JSON.parse(event.data);
    if (typeof data !== "object" || data === null) return null;
    const fields = data as Readonly<Record<string, unknown>>;
    const at = typeof fields["at"] === "number" ? fields["at"] : Date.now() * 1000;
    return { id, at, kind: event.type, data: fields };
  } catch {
    return null;
  }
}

function readKept(): Kept[] {
  try {
    const value: unknown = JSON.parse(perTab.getItem(KEPT) ?? "[]");
    return Array.isArray(value) ? (value as Kept[]) : [];
  } catch {
    return [];
  }
}
