/** Alerts in words. */
import type { AlertView, BoardView, Micros } from "@/api/types.ts";
import { formatNumber, t } from "@/i18n/index.ts";
import { formatTimer } from "@/i18n/time.ts";
import { useSession } from "@/console/session.ts";
import { ofQueue, summarise } from "@/wallboard/figures.ts";

/** A value in its figure's unit. */
export function inUnit(figure: AlertView["figure"], value: number): string {
  switch (figure) {
    case "longest_wait_s":
      return formatTimer(value);
    case "service_level_pct":
    case "abandoned_pct":
      return formatNumber(value / 100, { style: "percent", maximumFractionDigits: 0 });
    case "waiting":
    case "agents_ready":
      return formatNumber(value);
  }
}

/** "Service: Too many wait". */
export function titleOf(alert: AlertView): string {
  const queue = useSession().queueName(alert.queue_id);
  return queue === null ? alert.name : `${queue}: ${alert.name}`;
}

/** What the alert's figure is at this moment, in its unit; null where there is nothing to measure or no board yet. */
export function valueNow(alert: AlertView, board: BoardView | null, now: Micros): number | null {
  if (board === null) return null;
  const id = alert.queue_id;
  const sum = summarise(id === null ? board : ofQueue(board, id), now);
  switch (alert.figure) {
    case "waiting":
      return sum.waiting;
    case "longest_wait_s":
      return sum.longestWait ?? 0;
    case "service_level_pct":
      return sum.serviceLevel === null ? null : sum.serviceLevel * 100;
    case "abandoned_pct":
      return sum.offered > sum.movedOut ? (sum.abandoned / (sum.offered - sum.movedOut)) * 100 : null;
    case "agents_ready":
      return sum.agentsReady;
  }
}

/** "now 7 waiting, threshold 5"; of an alert that is over, or whose figure is not known, what raised it. */
export function detailOf(alert: AlertView, value: number | null = null): string {
  const words = t(`alert.${alert.figure}`, { value: inUnit(alert.figure, value ?? alert.value) });
  return t(value === null ? "alerts.was" : "alerts.is", { value: words, threshold: inUnit(alert.figure, alert.raise_at) });
}
