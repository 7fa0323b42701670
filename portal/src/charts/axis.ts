/** Labels and steps of the x axes. */

import type { XAxis } from "../api/types";
import { formatClock, formatCompact, formatDay, formatNumber, formatTime } from "../ui/format";
import { t } from "../ui/i18n";

const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 86_400;

/** Steps of an axis in seconds that people count in. */
export const SECOND_STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600,
  7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000, 2_592_000,
];

/** Steps of an axis of whole numbers. */
export const WHOLE_STEPS = Array.from({ length: 16 }, (_, at) => [1, 2, 5].map((first) => first * 10 ** at)).flat();

/** Seconds since the start, short: 90 → 1m30s */
export function formatElapsed(seconds: number): string {
  const sign = seconds < 0 ? "−" : "";
  const s = Math.abs(seconds);
  if (s < MINUTE_S) return `${sign}${Number(s.toPrecision(4))}s`;
  const part = (big: number, bigUnit: string, small: number, smallUnit: string) =>
    `${sign}${big}${bigUnit}${small > 0 ? `${small}${smallUnit}` : ""}`;
  if (s < HOUR_S) return part(Math.floor(s / MINUTE_S), "m", Math.round(s % MINUTE_S), "s");
  if (s < DAY_S) return part(Math.floor(s / HOUR_S), "h", Math.round((s % HOUR_S) / MINUTE_S), "m");
  return part(Math.floor(s / DAY_S), "d", Math.round((s % DAY_S) / HOUR_S), "h");
}

/** A tick; `step` is the distance to the next one, in units of x. */
export function formatTick(x: XAxis, at: number, step: number): string {
  if (x === "relative") return formatElapsed(at);
  if (x !== "time") return formatCompact(at);
  if (step < MINUTE_S * 1_000) return formatClock(at);
  return step < DAY_S * 1_000 ? formatClock(at).slice(0, 5) : formatDay(at);
}

/** Of the marks of a logarithmic axis (1, 2 … 9, 10, 20 …) those worth a line: powers of ten alone when there are several. */
export function logTicks(ticks: number[]): (number | null)[] {
  const powers = ticks.filter(isPowerOfTen);
  if (powers.length < 2) return ticks;
  const every = Math.ceil(powers.length / 6);
  const kept = new Set(powers.filter((_, at) => at % every === 0));
  return ticks.map((tick) => (kept.has(tick) ? tick : null));
}

function isPowerOfTen(value: number): boolean {
  const power = Math.log10(value);
  return Math.abs(power - Math.round(power)) < 1e-9;
}

/** A position, exact enough to find it again. */
export function formatX(x: XAxis, at: number): string {
  if (x === "relative") return formatElapsed(at);
  if (x === "time") return formatTime(at);
  return x === "step" ? t("step {step}", { step: formatNumber(at, 7) }) : formatNumber(at, 7);
}
