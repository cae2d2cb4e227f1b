/** The server's clock as seen from here. Timers never count: they show the distance between two instants. */
import { onScopeDispose, readonly, ref, type Ref } from "vue";
import type { Micros } from "@/api/types.ts";

const SAMPLES = 8;

interface Sample {
  /** Server minus browser, in ms. */
  offset: number;
  /** How wrong that can be: half of the round trip, in ms. */
  doubt: number;
}

/** Estimates the offset between the server's clock and the browser's; the quickest round trip counts. */
export class ServerClock {
  private samples: Sample[] = [];
  private readonly local: () => number;

  constructor(local: () => number = () => Date.now()) {
    this.local = local;
  }

  /** Browser's clock in ms, for `observe`. */
  mark(): number {
    return this.local();
  }

  /** The server said `serverTime` somewhere between `sentAt` (see `mark`) and now. */
  observe(serverTime: Micros, sentAt: number): void {
    const receivedAt = this.local();
    const offset = serverTime / 1000 - (sentAt + receivedAt) / 2;
    this.samples = [...this.samples.slice(1 - SAMPLES), { offset, doubt: Math.max(0, receivedAt - sentAt) / 2 }];
  }

  /** Something happened at the server at that instant, so its clock cannot be behind it. */
  notBefore(instant: Micros): void {
    const lag = instant / 1000 - this.now() / 1000;
    if (lag > 0) this.samples = this.samples.map((sample) => ({ ...sample, offset: sample.offset + lag }));
  }

  /** Server minus browser, in ms. */
  get offset(): number {
    let best: Sample | undefined;
    for (const sample of this.samples) if (best === undefined || sample.doubt <= best.doubt) best = sample;
    return best?.offset ?? 0;
  }

  /** The server's present instant. */
  now(): Micros {
    return Math.round((this.local() + this.offset) * 1000);
  }
}

export const serverClock = new ServerClock();

const present = ref<Micros>(serverClock.now());
let viewers = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

function tick(): void {
  present.value = serverClock.now();
  // Aim at the server's full seconds, so that all timers on all screens change together.
  timer = setTimeout(tick, 1000 - ((present.value / 1000) % 1000) + 5);
}

/** The server's present instant, renewed each second while the calling component lives. */
export function useNow(): Readonly<Ref<Micros>> {
  viewers += 1;
  if (viewers === 1) tick();
  onScopeDispose(() => {
    viewers -= 1;
    if (viewers === 0) clearTimeout(timer);
  });
  return readonly(present);
}
