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
  const clock = formatClock(at);
  // Over several days the hours alone repeat themselves: where a day begins, it is named.
  if (step >= DAY_S * 1_000 || clock === "00:00:00") return formatDay(at);
  return step < MINUTE_S * 1_000 ? clock : clock.slice(0, 5);
}

/**
 * A range made `factor` times as long around a place, on a logarithmic axis in decades. It stays within `reach`, beyond which there
 * is nothing to see; null: that would be all there is.
 */
export function zoomBy(
  [low, high]: [number, number],
  around: number,
  factor: number,
  reach: [number, number],
  isLog: boolean,
): [number, number] | null {
  const [to, back] = isLog
    ? [(value: number) => Math.log10(value), (value: number) => 10 ** value]
    : [(value: number) => value, (value: number) => value];
  const middle = to(around);
  const start = Math.max(reach[0], back(middle - (middle - to(low)) * factor));
  const end = Math.min(reach[1], back(middle + (to(high) - middle) * factor));
  if (factor > 1 && start <= reach[0] && end >= reach[1]) return null;
  if (start < end) return [start, end];
  return factor > 1 ? null : [low, high]; // nothing of it is in reach; as far as floats go
}

const LEAD_DIGITS = [1, 2, 2.5, 5, 10];

/** Round values within a range, at most so many: multiples of 1, 2, 2.5 or 5 times a power of ten. Works up to the ends of floats. */
export function linearTicks(low: number, high: number, most: number): number[] {
  const n = Math.max(1, most);
  const rough = high / n - low / n;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = (LEAD_DIGITS.find((lead) => lead * power >= rough * (1 - 1e-9)) ?? 10) * power;
  if (!(step > 0)) return [low, high]; // closer than floats are apart
  const first = Math.ceil(low / step - 1e-6);
  const count = Math.max(0, Math.floor(high / step + 1e-6) - first + 1);
  return Array.from({ length: Math.min(count, n + 1) }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

/** Values worth a line on a logarithmic axis, at most so many: powers of ten if there are several, else 1, 2, 5, else round ones. */
export function logTicks(low: number, high: number, most: number): number[] {
  const [from, to] = [Math.log10(low), Math.log10(high)];
  const first = Math.ceil(from - 1e-9);
  const powers = Math.floor(to + 1e-9) - first + 1;
  if (powers >= 2) {
    const every = Math.ceil(powers / Math.max(2, most));
    return Array.from({ length: Math.ceil(powers / every) }, (_, at) => Number(`1e${first + at * every}`));
  }
  const digits = Array.from({ length: Math.ceil(to) - Math.floor(from) + 1 }, (_, at) => Math.floor(from) + at).flatMap(
    (power) => [1, 2, 5].map((lead) => Number(`${lead}e${power}`)),
  );
  const kept = digits.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
  return kept.length >= 2 ? kept : linearTicks(low, high, most);
}

/** A position, exact enough to find it again. */
export function formatX(x: XAxis, at: number): string {
  if (x === "relative") return formatElapsed(at);
  if (x === "time") return formatTime(at);
  return x === "step" ? t("step {step}", { step: formatNumber(at, 7) }) : formatNumber(at, 7);
}
