/** From series to what the chart engine draws. Pure: no canvas, no DOM. */

import type { SeriesBuckets } from "../api/types";
import type { LineStyle } from "./colours";
import { smooth } from "./smooth";

/** One line of a chart: where it comes from and how it looks. */
export interface Line {
  label: string;
  style: LineStyle;
  series: SeriesBuckets;
}

/** A column of the drawing: a number, null = a gap, undefined = nothing logged at this x (the line goes on). */
export type DrawColumn = (number | null | undefined)[];
export type Role = "value" | "raw" | "min" | "max";

export interface Plot {
  /** First x, then one column for each entry of `parts`. */
  data: [number[], ...DrawColumn[]];
  parts: { line: number; role: Role }[];
  /** Values of each line as drawn, by its own rows: smoothed when smoothing is on. */
  drawn: Float64Array[];
  /** Points that a value axis cannot show: NaN, ±inf, and on a log axis what is not positive. */
  hidden: number;
}

/** Merge ascending x columns. An x that a column holds k times comes k times: no point is lost.
 *
 * `rows[t][i]` is the row of column t at merged position i, or -1.
 */
export function mergeX(columns: ArrayLike<number>[]): { x: number[]; rows: Int32Array[] } {
  const total = columns.reduce((sum, column) => sum + column.length, 0);
  const rows = columns.map(() => new Int32Array(total).fill(-1));
  const next = new Int32Array(columns.length);
  const x: number[] = [];
  for (;;) {
    let low = Number.POSITIVE_INFINITY;
    for (let t = 0; t < columns.length; t++) {
      const value = columns[t]?.[next[t] ?? 0];
      if (value !== undefined && value < low) low = value;
    }
    if (low === Number.POSITIVE_INFINITY) return { x, rows: rows.map((column) => column.subarray(0, x.length)) };
    for (let t = 0; t < columns.length; t++) {
      const at = next[t] ?? 0;
      if (columns[t]?.[at] !== low) continue;
      const target = rows[t];
      if (target !== undefined) target[x.length] = at;
      next[t] = at + 1;
    }
    x.push(low);
  }
}

export function buildPlot(lines: Line[], options: { smoothing: number; logY: boolean }): Plot {
  const { x, rows } = mergeX(lines.map((line) => line.series.x));
  const plot: Plot = { data: [x], parts: [], drawn: [], hidden: 0 };
  lines.forEach((line, at) => {
    const { series } = line;
    const row = rows[at] ?? new Int32Array(0);
    const add = (role: Role, values: Float64Array) => {
      const column: DrawColumn = new Array(x.length);
      for (let i = 0; i < row.length; i++) {
        const from = row[i] ?? -1;
        if (from < 0) continue;
        const value = values[from] ?? Number.NaN;
        const isShown = Number.isFinite(value) && (!options.logY || value > 0);
        column[i] = isShown ? value : null;
      }
      plot.data.push(column);
      plot.parts.push({ line: at, role });
    };
    if (!series.exact) {
      add("max", series.max);
      add("min", series.min);
    }
    const isSmoothed = options.smoothing > 0 && series.x.length > 2;
    const drawn = isSmoothed ? smooth(series.last, options.smoothing) : series.last;
    if (isSmoothed) add("raw", series.last);
    add("value", drawn);
    plot.drawn.push(drawn);
    for (const value of series.last) if (!Number.isFinite(value) || (options.logY && value <= 0)) plot.hidden++;
  });
  return plot;
}

/** The row whose x is nearest; -1 for none. */
export function nearestRow(x: ArrayLike<number>, wanted: number): number {
  let low = 0;
  let high = x.length - 1;
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((x[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  const before = x[low - 1];
  return before !== undefined && wanted - before <= (x[low] ?? 0) - wanted ? low - 1 : low;
}

/** Range of an axis that shows all of [min, max] with a little air, never cutting data. */
export function paddedRange(min: number | null, max: number | null, isLog: boolean): [number, number] {
  if (min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max)) return isLog ? [1, 10] : [0, 1];
  if (isLog) {
    const low = Math.max(min, Number.MIN_VALUE);
    const factor = (max / low) ** 0.05;
    return max / low < 1.05 ? [low / 1.5, max * 1.5] : [low / factor, max * factor];
  }
  if (min === max) {
    const air = Math.abs(min) * 0.1 || 1;
    return [min - air, max + air];
  }
  const air = (max - min) * 0.06;
  // Zero is a natural floor: what never goes below it should not suggest that it might.
  return [min >= 0 && min - air < 0 ? 0 : min - air, max <= 0 && max + air > 0 ? 0 : max + air];
}

/** Whether positive values span more than three decades: then a log axis is worth offering. */
export function wantsLog(lines: Line[]): boolean {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const { series } of lines) {
    for (let at = 0; at < series.min.length; at++) {
      const min = series.min[at] ?? Number.NaN;
      const max = series.max[at] ?? Number.NaN;
      if (min <= 0) return false;
      if (min < low) low = min;
      if (max > high && Number.isFinite(max)) high = max;
    }
  }
  return high / low > 1_000;
}

/** Move labels of one column apart so that none overlap; keeps their order and, if there is room, stays within [top, bottom]. */
export function spreadLabels(wanted: number[], height: number, top: number, bottom: number): number[] {
  const order = wanted.map((y, at) => ({ y, at })).sort((a, b) => a.y - b.y);
  let floor = top;
  for (const label of order) {
    label.y = Math.max(label.y, floor);
    floor = label.y + height;
  }
  let ceiling = bottom;
  for (const label of order.reverse()) {
    label.y = Math.min(label.y, ceiling);
    ceiling = label.y - height;
  }
  const out = new Array<number>(wanted.length).fill(0);
  for (const label of order) out[label.at] = label.y;
  return out;
}

/** Names that share a column, short enough for `most` characters: without the start all share, then cut in the middle. */
export function shortLabels(labels: string[], most: number): string[] {
  let prefix = 0;
  const first = labels[0] ?? "";
  if (labels.length > 1 && labels.some((label) => label.length > most)) {
    while (prefix < first.length && labels.every((label) => label[prefix] === first[prefix])) prefix++;
    // Only whole words go: `lr-0.1` and `lr-0.2` stay apart as `0.1` and `0.2`, not as `1` and `2`.
    while (prefix > 0 && !/[\s/_\-·:=]/.test(first[prefix - 1] ?? "")) prefix--;
  }
  return labels.map((label) => {
    const rest = label.slice(prefix) || label;
    if (rest.length <= most) return rest;
    const head = Math.ceil((most - 1) / 2);
    return `${rest.slice(0, head)}…${rest.slice(rest.length - (most - 1 - head))}`;
  });
}
