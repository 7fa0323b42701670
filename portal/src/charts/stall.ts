/** Whether a training loop stands still: silent for much longer than it ever was between two steps. Pure. */

import type { SeriesBuckets } from "../api/types";

export interface Rhythm {
  /** Median time between two points. */
  usualMs: number;
  /** The longest time there was between two points. */
  longestMs: number;
}

/** Fewer intervals tell nothing of what is usual. */
const MIN_POINTS = 20;
const MIN_SILENCE_MS = 30_000;
const TIMES_USUAL = 10;
/** Evaluations and checkpoints make pauses; twice the longest so far is none of those. */
const TIMES_LONGEST = 2;

/** Rhythm of a series over time in ms; null when it has too few points. */
export function rhythmOf(series: SeriesBuckets): Rhythm | null {
  const { x, x_last: last, n } = series;
  if (series.in_range < MIN_POINTS) return null;
  const intervals: { ms: number; count: number }[] = [];
  let longestMs = 0;
  for (let at = 0; at < x.length; at++) {
    const inside = (n[at] ?? 1) - 1;
    if (inside > 0) intervals.push({ ms: ((last[at] ?? 0) - (x[at] ?? 0)) / inside, count: inside });
    const next = x[at + 1];
    if (next === undefined) continue;
    const ms = next - (last[at] ?? 0);
    intervals.push({ ms, count: 1 });
    if (ms > longestMs) longestMs = ms;
  }
  intervals.sort((a, b) => a.ms - b.ms);
  let left = intervals.reduce((sum, one) => sum + one.count, 0) / 2;
  const median = intervals.find((one) => {
    left -= one.count;
    return left <= 0;
  });
  return { usualMs: median?.ms ?? 0, longestMs };
}

export function isStalled(rhythm: Rhythm, silenceMs: number): boolean {
  return silenceMs > Math.max(MIN_SILENCE_MS, TIMES_USUAL * rhythm.usualMs, TIMES_LONGEST * rhythm.longestMs);
}
