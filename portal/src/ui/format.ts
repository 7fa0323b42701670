/** Numbers, times and sizes as people read them. One function for each, used everywhere. */

const GROUPED = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A measured value: at most `digits` significant digits, whole numbers in full up to 9 digits. */
export function formatNumber(value: number | null | undefined, digits = 5): string {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (Number.isInteger(value) && size < 1e9) return size >= 10_000 ? GROUPED.format(value) : String(value);
  if (size >= 1e9 || size < 1e-4) return trimExponent(value.toExponential(digits - 2));
  const text = Number(value.toPrecision(digits));
  return size >= 10_000
    ? new Intl.NumberFormat("en-US", { maximumSignificantDigits: digits }).format(text)
    : String(text);
}

function trimExponent(text: string): string {
  return text.replace(/\.?0*e\+?/, "e");
}

/** An axis label: short. 12500 → 12.5k */
export function formatCompact(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e15 || size < 1e-4) return trimExponent(value.toExponential(2));
  for (const [unit, factor] of [
    ["T", 1e12],
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const) {
    if (size >= factor && (unit !== "k" || size >= 1e4)) return `${Number((value / factor).toPrecision(4))}${unit}`;
  }
  return String(Number(value.toPrecision(5)));
}

export function formatCount(value: number): string {
  return GROUPED.format(value);
}

export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Length of time: two units at most. */
export function formatDuration(ms: number): string {
  if (ms < 0) return "0 s";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const pair = (big: number, bigUnit: string, small: number, smallUnit: string) =>
    `${big}${bigUnit} ${String(small).padStart(2, "0")}${smallUnit}`;
  if (seconds < 3_600) return pair(Math.floor(seconds / 60), "m", seconds % 60, "s");
  if (seconds < 86_400) return pair(Math.floor(seconds / 3_600), "h", Math.floor((seconds % 3_600) / 60), "m");
  return pair(Math.floor(seconds / 86_400), "d", Math.floor((seconds % 86_400) / 3_600), "h");
}

/** Time since: "just now", "5 min ago", "3 h ago", "2 d ago", then the date. */
export function formatAgo(timeMs: number, nowMs: number): string {
  const seconds = Math.round((nowMs - timeMs) / 1_000);
  if (seconds < 10) return "just now"; // also a clock that is a little ahead
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  if (seconds < 14 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`;
  const date = new Date(timeMs);
  const sameYear = date.getFullYear() === new Date(nowMs).getFullYear();
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) });
}

const two = (value: number) => String(value).padStart(2, "0");

/** Local time, to the second. */
export function formatTime(timeMs: number): string {
  const t = new Date(timeMs);
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

/** Local time and UTC, for a hover. */
export function formatExact(timeMs: number): string {
  return `${formatTime(timeMs)} local\n${new Date(timeMs).toISOString().replace("T", " ").slice(0, 19)} UTC`;
}

export function formatClock(timeMs: number): string {
  const t = new Date(timeMs);
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  let value = bytes;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1_000;
    if (value < 999.5) return `${Number(value.toPrecision(3))} ${unit}`;
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

/** Parts before and after the decimal point, so that a column can align on it. */
export function splitDecimal(text: string): [string, string] {
  const at = text.indexOf(".");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at)];
}

/** Digits after the point that a column needs so that all its numbers align on it. */
export function fractionDigits(texts: Iterable<string>): number {
  let most = 0;
  for (const text of texts) most = Math.max(most, splitDecimal(text)[1].length - 1);
  return most;
}
