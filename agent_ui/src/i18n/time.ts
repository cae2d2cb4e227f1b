/** Instants and durations as people read them. Pure: the present is handed in. */
import type { Micros } from "@/api/types.ts";
import { locale, t } from "./index.ts";

const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Whole seconds from one instant to another, never negative. */
export function secondsBetween(from: Micros, to: Micros): number {
  return Math.max(0, Math.floor((to - from) / SECOND));
}

/** A running timer: `0:07`, `12:04`, `1:02:03`. */
export function formatTimer(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (part: number) => String(part).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A duration in two units at most: `45 s`, `3 min`, `1 h 5 min`, `2 d 3 h`. */
export function formatSpan(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return t("time.seconds", { n: whole });
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return t("time.minutes", { n: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? t("time.hours", { n: hours }) : t("time.hours_minutes", { h: hours, m: minutes % 60 });
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? t("time.days", { n: days }) : t("time.days_hours", { d: days, h: hours % 24 });
}

/** How long ago, short: `now`, `5 min ago`, `yesterday`, `12 Mar`, `12 Mar 2024`. */
export function formatAgo(at: Micros, now: Micros): string {
  const passed = now - at;
  if (passed < MINUTE) return t("time.now");
  if (passed < HOUR) return t("time.minutes_ago", { n: Math.floor(passed / MINUTE) });
  const days = daysApart(at, now);
  if (days === 0) return t("time.hours_ago", { n: Math.floor(passed / HOUR) });
  if (days < 7) return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(-days, "day");
  const sameYear = dateOf(at).getFullYear() === dateOf(now).getFullYear();
  return dateOf(at).toLocaleDateString(locale(), {
    day: "numeric",
    month: "short",
    ...(sameYear ? {} : { year: "numeric" }),
  });
}

/** The exact date and time, here or in a zone, for a tooltip. */
export function formatExact(at: Micros, timeZone?: string): string {
  return dateOf(at).toLocaleString(locale(), {
    dateStyle: "full",
    timeStyle: "medium",
    ...(timeZone === undefined ? {} : { timeZone }),
  });
}

/** The time of day, here or in a zone: `14:05`, with seconds `14:05:09`. */
export function formatClock(at: Micros, timeZone?: string, withSeconds = false): string {
  return dateOf(at).toLocaleTimeString(locale(), {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    ...(withSeconds ? { second: "2-digit" } : {}),
    ...(timeZone === undefined ? {} : { timeZone }),
  });
}

/** The customer's time of day with the weekday if it is another one than here; null for a zone nobody knows. */
export function formatTheirTime(now: Micros, timeZone: string): string | null {
  try {
    const day = (zone?: string) =>
      dateOf(now).toLocaleDateString(locale(), { weekday: "short", ...(zone === undefined ? {} : { timeZone: zone }) });
    const theirs = day(timeZone);
    const clock = formatClock(now, timeZone);
    return theirs === day() ? clock : `${theirs} ${clock}`;
  } catch {
    return null;
  }
}

/** The name of a language in the language of the screen: `de` becomes "German". */
export function languageName(code: string): string {
  try {
    return new Intl.DisplayNames([locale()], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** Heading for a day in a conversation: "Today", "Yesterday", "Monday, 3 March". */
export function formatDay(at: Micros, now: Micros): string {
  const days = daysApart(at, now);
  if (days === 0) return t("time.today");
  if (days === 1) return t("time.yesterday");
  return dateOf(at).toLocaleDateString(locale(), { weekday: "long", day: "numeric", month: "long" });
}

/** Calendar days between two instants in the local zone. */
export function daysApart(at: Micros, now: Micros): number {
  const midnight = (instant: Micros) => {
    const date = dateOf(instant);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  };
  return Math.round((midnight(now) - midnight(at)) / (DAY / 1000));
}

function dateOf(at: Micros): Date {
  return new Date(at / 1000);
}
