/** What is heard: the ring of an offer, made with WebAudio, and a soft tick for a message elsewhere. */
import type { Ring, Tone } from "@/channels/contract.ts";

const TICK: readonly Tone[] = [{ hertz: 660, at: 0, length: 0.09 }];
const FADE_S = 0.02;

export class Ringer {
  private audio: AudioContext | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private current: Ring | null = null;
  private readonly volume: () => number;

  /** `volume` from 0 to 1. */
  constructor(volume: () => number) {
    this.volume = volume;
  }

  /** Browsers stay silent until somebody touched the page. */
  get isBlocked(): boolean {
    return this.audio?.state === "suspended";
  }

  /** Ring until `stop`; the same ring goes on undisturbed. */
  start(ring: Ring): void {
    if (this.current === ring) return;
    this.stop();
    this.current = ring;
    this.repeat(ring);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.current = null;
  }

  /** Once, for the settings. */
  test(ring: Ring): void {
    this.play(ring.tones);
  }

  tick(): void {
    this.play(TICK);
  }

  /** Call it in a click or key: allows sound from now on. */
  unblock(): void {
    const audio = this.context();
    if (audio?.state === "suspended") void audio.resume();
  }

  private repeat(ring: Ring): void {
    this.play(ring.tones);
    this.timer = setTimeout(() => {
      this.repeat(ring);
    }, ring.period * 1000);
  }

  private play(tones: readonly Tone[]): void {
    const audio = this.context();
    const loudness = this.volume();
    if (audio === null || loudness <= 0) return;
    if (audio.state === "suspended") void audio.resume();
    const start = audio.currentTime + 0.01;
    for (const { hertz, at, length } of tones) {
      const tone = new OscillatorNode(audio, { type: "sine", frequency: hertz });
      const gain = new GainNode(audio, { gain: 0 });
      // Loudness is heard as a power, so the slider's middle should sound like half.
      gain.gain.setTargetAtTime(0.25 * loudness ** 2, start + at, FADE_S);
      gain.gain.setTargetAtTime(0, start + at + length, FADE_S * 2);
      tone.connect(gain).connect(audio.destination);
      tone.start(start + at);
      tone.stop(start + at + length + 0.3);
    }
  }

  private context(): AudioContext | null {
    if (this.audio === null && "AudioContext" in globalThis) this.audio = new AudioContext();
    return this.audio;
  }
}
