/** Numbers, times and sizes as people read them, in the language of the portal. One function for each, used everywhere. */

import { dateLocale, language, t } from "./i18n";

const GROUPED = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
/** The sign between whole and fraction. */
export const DECIMAL =
  new Intl.NumberFormat(language).formatToParts(0.5).find((part) => part.type === "decimal")?.value ?? ".";

/** A number as JavaScript writes it, with the language's decimal sign. */
function written(text: string): string {
  return DECIMAL === "." ? text : text.replace(".", DECIMAL);
}

/** A measured value: at most `digits` significant digits, whole numbers in full up to 9 digits. */
export function formatNumber(value: number | null | undefined, digits = 5): string {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (Number.isInteger(value) && size < 1e9) return size >= 10_000 ? GROUPED.format(value) : String(value);
  if (size >= 1e9 || size < 1e-4) return written(trimExponent(value.toExponential(digits - 2)));
  const rounded = Number(value.toPrecision(digits));
  return size >= 10_000
    ? new Intl.NumberFormat(language, { maximumSignificantDigits: digits }).format(rounded)
    : written(String(rounded));
}

function trimExponent(text: string): string {
  return text.replace(/\.?0*e\+?/, "e");
}

/** An axis label: short. 12500 → 12.5k */
export function formatCompact(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e15 || size < 1e-4) return written(trimExponent(value.toExponential(2)));
  for (const [unit, factor] of [
    ["T", 1e12],
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const) {
    if (size >= factor && (unit !== "k" || size >= 1e4))
      return `${written(String(Number((value / factor).toPrecision(4))))}${unit}`;
  }
  return written(String(Number(value.toPrecision(5))));
}

export function formatCount(value: number): string {
  return GROUPED.format(value);
}

/** A number with exactly so many digits after the point. */
export function formatFixed(value: number, digits: number): string {
  return written(value.toFixed(digits));
}

/** Length of time: two units at most. */
export function formatDuration(ms: number): string {
  if (ms < 0) return "0 s";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${formatFixed(ms / 1_000, 1)} s`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const pair = (big: number, bigUnit: string, small: number, smallUnit: string) =>
    `${big}${bigUnit} ${String(small).padStart(2, "0")}${smallUnit}`;
  if (seconds < 3_600) return pair(Math.floor(seconds / 60), "m", seconds % 60, "s");
  if (seconds < 86_400) return pair(Math.floor(seconds / 3_600), "h", Math.floor((seconds % 3_600) / 60), "m");
  return pair(Math.floor(seconds / 86_400), "d", Math.floor((seconds % 86_400) / 3_600), "h");
}

const DAY = new Intl.DateTimeFormat(dateLocale, { day: "numeric", month: "short" });
const DATE = new Intl.DateTimeFormat(dateLocale, { day: "numeric", month: "short", year: "numeric" });
const TIME_PARTS = {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
} as const;
const TIME = new Intl.DateTimeFormat(dateLocale, TIME_PARTS);
const UTC_TIME = new Intl.DateTimeFormat(dateLocale, { ...TIME_PARTS, timeZone: "UTC" });

/** Time since: "just now", "5 min ago", "3 h ago", "2 d ago", then the date. */
export function formatAgo(timeMs: number, nowMs: number): string {
  const seconds = Math.round((nowMs - timeMs) / 1_000);
  if (seconds < 10) return t("just now"); // also a clock that is a little ahead
  if (seconds < 60) return t("{n} s ago", { n: seconds });
  if (seconds < 3_600) return t("{n} min ago", { n: Math.floor(seconds / 60) });
  if (seconds < 86_400) return t("{n} h ago", { n: Math.floor(seconds / 3_600) });
  if (seconds < 14 * 86_400) return t("{n} d ago", { n: Math.floor(seconds / 86_400) });
  const isThisYear = new Date(timeMs).getFullYear() === new Date(nowMs).getFullYear();
  return (isThisYear ? DAY : DATE).format(timeMs);
}

const two = (value: number) => String(value).padStart(2, "0");

/** Local time, to the second. */
export function formatTime(timeMs: number): string {
  return TIME.format(timeMs);
}

/** Local time as data: sorts as text, reads the same in every language. */
export function formatIso(timeMs: number): string {
  const at = new Date(timeMs);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${formatClock(timeMs)}`;
}

/** Local time and UTC, for a hover. */
export function formatExact(timeMs: number): string {
  return `${t("{time} local", { time: TIME.format(timeMs) })}\n${UTC_TIME.format(timeMs)} UTC`;
}

/** Day and month. */
export function formatDay(timeMs: number): string {
  return DAY.format(timeMs);
}

const WEEKDAY = new Intl.DateTimeFormat(dateLocale, {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});

/** A day in words. */
export function formatWeekday(timeMs: number): string {
  return WEEKDAY.format(timeMs);
}

export function formatClock(timeMs: number): string {
  const at = new Date(timeMs);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  let value = bytes;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1_000;
    if (value < 999.5) return `${written(String(Number(value.toPrecision(3))))} ${unit}`;
  }
  return `${formatCount(value)} TB`;
}

/** A param, a table cell, a tag: numbers formatted, the rest as text. */
export function formatValue(value: unknown): string {
  if (typeof value === "number") return formatNumber(value);
  if (value === null || value === undefined) return "–";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** Parts before and after the decimal sign, so that a column can align on it. Text from elsewhere than here may have another sign. */
export function splitDecimal(text: string, sign = DECIMAL): [string, string] {
  const at = text.indexOf(sign);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at)];
}

/** Digits after the point that a column needs so that all its numbers align on it. */
export function fractionDigits(texts: Iterable<string>, sign = DECIMAL): number {
  let most = 0;
  for (const text of texts) most = Math.max(most, splitDecimal(text, sign)[1].length - 1);
  return most;
}
