/** The last hour as a line, and what alerts make of a tile. Pure. */
import type { AlertView, BoardView, TrendView } from "@/api/types.ts";

export type FigureId = "waiting" | "longest_wait" | "service_level" | "abandoned" | "agents_ready" | "occupancy";
export type TileTone = "plain" | "attention" | "urgent";

/** Each tile's trend, and the figure that alert rules know it by; null where they count in another unit. */
const SERIES: Readonly<Record<FigureId, { trend: Exclude<keyof TrendView, "start">; alert: AlertView["figure"] | null; sameUnit: boolean }>> = {
  waiting: { trend: "waiting", alert: "waiting", sameUnit: true },
  longest_wait: { trend: "longest_wait_s", alert: "longest_wait_s", sameUnit: true },
  service_level: { trend: "service_level_pct", alert: "service_level_pct", sameUnit: true },
  abandoned: { trend: "abandoned", alert: "abandoned_pct", sameUnit: false },
  agents_ready: { trend: "agents_ready", alert: "agents_ready", sameUnit: true },
  occupancy: { trend: "occupancy_pct", alert: null, sameUnit: false },
};

export function seriesOf(board: BoardView, figure: FigureId): readonly (number | null)[] {
  return board.trend?.[SERIES[figure].trend] ?? [];
}

/** The threshold to draw into the trend; null where there is none in its unit. */
export function thresholdOf(board: BoardView, figure: FigureId): number | null {
  const { alert, sameUnit } = SERIES[figure];
  return alert === null || !sameUnit ? null : (board.targets[alert] ?? null);
}

/** The alerts that a tile shows: those on its figure, of any queue. */
export function alertsOf(board: BoardView, figure: FigureId): AlertView[] {
  return board.alerts.filter((alert) => alert.figure === SERIES[figure].alert);
}

export function toneOf(alerts: readonly AlertView[]): TileTone {
  if (alerts.some((alert) => alert.level === "urgent")) return "urgent";
  return alerts.length > 0 ? "attention" : "plain";
}

export interface Spark {
  /** Strokes in a box of `width` × `height`; one per stretch without a gap. */
  lines: string[];
  /** The newest point, null where the newest minute is missing. */
  last: { x: number; y: number } | null;
  /** Height of the threshold, null where it lies outside or there is none. */
  threshold: number | null;
  low: number;
  high: number;
}

/** Lay the values into a box. The scale begins at zero and has room for the threshold, so that its line is always seen. */
export function sparkOf(values: readonly (number | null)[], threshold: number | null, width: number, height: number): Spark | null {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return null;
  const high = Math.max(...known);
  const top = Math.max(high, threshold ?? 0, 1) * 1.05;
  const x = (at: number) => round((at / Math.max(1, values.length - 1)) * width);
  const y = (value: number) => round(height - (value / top) * height);
  const lines: string[] = [];
  let stretch: string[] = [];
  const close = () => {
    // A point alone is a short stroke, so that it can be seen.
    const first = stretch[0];
    if (first !== undefined) lines.push(stretch.length === 1 ? `M${first}h0.01` : `M${stretch.join("L")}`);
    stretch = [];
  };
  values.forEach((value, at) => {
    if (value === null) close();
    else stretch.push(`${x(at)} ${y(value)}`);
  });
  close();
  const newest = values.at(-1) ?? null;
  return {
    lines,
    last: newest === null ? null : { x: width, y: y(newest) },
    threshold: threshold === null ? null : y(threshold),
    low: Math.min(...known),
    high,
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
