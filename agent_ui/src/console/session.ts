/** Who is signed in here, and the names from the configuration that came with it. */
import { defineStore } from "pinia";
import { computed, ref, shallowRef } from "vue";
import { api } from "@/api/index.ts";
import { Problem } from "@/api/problem.ts";
import { LIVE_SCHEMA, type BootstrapView, type NamedView, type QueueView, type SessionView } from "@/api/types.ts";
import { serverClock } from "@/live/clock.ts";
import { drafts } from "@/live/drafts.ts";
import { tidyReplies } from "@/live/reply.ts";
import { lasting } from "@/live/storage.ts";
import { useLive } from "@/live/store.ts";

export type SessionStatus = "unknown" | "unreachable" | "signed_out" | "signed_in" | "outdated";

export const useSession = defineStore("session", () => {
  const live = useLive();
  const status = ref<SessionStatus>("unknown");
  const bootstrap = shallowRef<BootstrapView | null>(null);
  /** The session ended by itself (expired, revoked), not by a click here. */
  const wasEnded = ref(false);

  const queues = computed(() => byId<QueueView>(bootstrap.value?.queues));
  const agents = computed(() => byId<NamedView>(bootstrap.value?.agents));
  const awayReasons = computed(() => byId<NamedView>(bootstrap.value?.away_reasons));

  api.client.onSignedOut = () => {
    if (status.value === "signed_in") ended(true);
  };

  async function load(): Promise<void> {
    const sentAt = serverClock.mark();
    try {
      begin(await api.session(), sentAt);
    } catch (error) {
      status.value = error instanceof Problem && error.status === 401 ? "signed_out" : "unreachable";
    }
  }

  async function signIn(login: string, password: string): Promise<void> {
    const sentAt = serverClock.mark();
    begin(await api.signIn(login, password), sentAt);
  }

  async function signOut(): Promise<void> {
    await api.signOut();
    ended(false);
  }

  function begin(session: SessionView, sentAt: number): void {
    serverClock.observe(session.bootstrap.server_time, sentAt);
    api.client.csrf = session.csrf;
    bootstrap.value = session.bootstrap;
    wasEnded.value = false;
    drafts.tidy();
    tidyReplies(lasting, Date.now());
    if (session.bootstrap.live_schema !== LIVE_SCHEMA) {
      status.value = "outdated";
      return;
    }
    status.value = "signed_in";
    live.begin(session.me.id);
  }

  /** Forget the session here; what was written and not sent stays on this machine. */
  function ended(byItself: boolean): void {
    live.end();
    api.client.csrf = null;
    bootstrap.value = null;
    wasEnded.value = byItself && status.value === "signed_in";
    status.value = "signed_out";
  }

  function queueName(id: string | null): string | null {
    return id === null ? null : (queues.value.get(id)?.name ?? id);
  }

  function agentName(id: string | null): string | null {
    return id === null ? null : (agents.value.get(id)?.name ?? id);
  }

  function awayReason(id: string | null): string | null {
    return id === null ? null : (awayReasons.value.get(id)?.name ?? id);
  }

  return { status, bootstrap, wasEnded, load, signIn, signOut, ended, queueName, agentName, awayReason };
});

function byId<Row extends { id: string }>(rows: readonly Row[] | undefined): ReadonlyMap<string, Row> {
  return new Map((rows ?? []).map((row) => [row.id, row]));
}
