/** Alerts in words. */
import type { AlertView } from "@/api/types.ts";
import { formatNumber, t } from "@/i18n/index.ts";
import { formatTimer } from "@/i18n/time.ts";
import { useSession } from "@/console/session.ts";

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

/** "was 7 waiting, threshold 5". */
export function detailOf(alert: AlertView): string {
  const value = t(`alert.${alert.figure}`, { value: inUnit(alert.figure, alert.value) });
  return t("alerts.was", { value, threshold: inUnit(alert.figure, alert.raise_at) });
}
