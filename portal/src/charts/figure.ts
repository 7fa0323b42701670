/** A chart as data: what is drawn, in units of its axes, and what the pointer finds. Pure: no canvas, no DOM.
 *
 * Every kind of chart becomes a `Figure`; `Plot.svelte` shows it, `surface.ts` paints it on a canvas or as SVG.
 */

import type { Numbers } from "../api/types";

/** A hue of the palette, a colour of the theme, or a colour as it is. */
export type Ink = number | "text" | "soft" | "grid" | "card" | "accent" | "good" | "bad" | "warn" | `#${string}`;

/** Arrays of one mark have one length. NaN interrupts a line or a band; other marks leave it out. */
export type Mark =
  | { kind: "line"; x: Numbers; y: Numbers; ink: Ink; width?: number; dash?: number[]; alpha?: number }
  /** How many of very many lines pass where. `ink`: of all of them; null: each has its own. */
  | { kind: "density"; lines: { x: Numbers; y: Numbers; ink: Ink }[]; ink: Ink | null }
  | { kind: "band"; x: Numbers; low: Numbers; high: Numbers; ink: Ink; alpha: number }
  | { kind: "dots"; x: Numbers; y: Numbers; ink: Ink | Ink[]; radius: number; alpha?: number }
  | {
      kind: "bars";
      left: Numbers;
      right: Numbers;
      low: Numbers;
      high: Numbers;
      ink: Ink | Ink[];
      alpha?: number;
      /** Cells of a matrix: a gap above each as there is beside it. */
      areCells?: boolean;
    }
  | { kind: "whiskers"; x: Numbers; low: Numbers; high: Numbers; ink: Ink }
  | { kind: "rule"; axis: "x" | "y"; at: number; ink: Ink; dash?: number[] }
  | { kind: "glyphs"; x: Numbers; y: Numbers; shape: Glyph; ink: Ink }
  | { kind: "words"; x: Numbers; y: Numbers; text: string[]; ink: Ink };

/**
 * `cross`: at its place. `up`, `down`: at the upper or lower edge, whatever y is. `pause`: a line that stands still. `restart`: on the
 * axis, where a run was resumed.
 */
export type Glyph = "cross" | "up" | "down" | "pause" | "restart";

export interface Axis {
  scale: "linear" | "log" | "time";
  range: [number, number];
  /** Stands at the axis; empty: nothing. */
  title?: string;
  /** What it is, where its ticks speak for themselves and no title stands there. */
  name?: string;
  /** A tick; `step` is the distance to the next. */
  format: (at: number, step: number) => string;
  /** Distances between ticks to choose from. */
  steps?: readonly number[];
  /** Ticks exactly here, instead of where they are round. */
  ticks?: readonly number[];
}

/** What the pointer finds: the points of one line, or of one kind. */
export interface Trace {
  /** The run, when it is of one: lines of one run light up together on all charts of a page. */
  run: string;
  label: string;
  /** The same beside the end of its line, where room is scarce. */
  short?: string;
  ink: Ink;
  dash: number[];
  /** Stands out among very many. */
  isMarked?: boolean;
  x: Numbers;
  y: Numbers;
  /** How its line runs, when that is not from point to point: the stairs of a histogram. */
  path?: { x: Numbers; y: Numbers };
  /** What else there is to say about a point, short. */
  note?: (row: number) => string;
  /** Name and value of what a point is; for charts that find single points. */
  facts?: (row: number) => [string, string][];
  /** Where a point leads. */
  href?: (row: number) => string;
}

export interface Figure {
  x: Axis;
  y: Axis;
  marks: Mark[];
  traces: Trace[];
  /** `x`: the pointer reads all traces where it is; `xy`: the nearest point. */
  reads: "x" | "xy";
  /** What there is to say about places on the x axis; told when the pointer is near. */
  notes?: { at: number; text: string }[];
  /** What stands at the right end of lines: their names if there is room, the value of the only one, or nothing. */
  ends: "names" | "value" | null;
  /** What the dashes mean, when lines have no room for names and share them. */
  keys?: { label: string; dash: number[] }[];
  /** A position of the pointer in words. */
  formatX: (at: number) => string;
  formatY: (value: number) => string;
  /** The value at the end of the only line: shorter. */
  formatEnd?: (value: number) => string;
}

/** The row whose x is nearest; -1 for none. x ascends. */
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

/** The first row with x >= wanted; x ascends. */
export function rowFrom(x: ArrayLike<number>, wanted: number): number {
  let low = 0;
  let high = x.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((x[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Least and greatest of what is added; null for nothing. */
export class Extent {
  low = Number.POSITIVE_INFINITY;
  high = Number.NEGATIVE_INFINITY;

  /** Values that are not finite, and with `isLog` those that are not positive, do not count. */
  add(values: ArrayLike<number>, isLog = false, from = 0, to = values.length): this {
    for (let at = from; at < to; at++) {
      const value = values[at] ?? Number.NaN;
      if (!Number.isFinite(value) || (isLog && value <= 0)) continue;
      if (value < this.low) this.low = value;
      if (value > this.high) this.high = value;
    }
    return this;
  }

  get range(): [number, number] | null {
    return this.low <= this.high ? [this.low, this.high] : null;
  }
}

/** Range of an axis that shows all of [min, max] with a little air, never cutting data. */
export function paddedRange(range: [number, number] | null, isLog: boolean): [number, number] {
  if (range === null) return isLog ? [1, 10] : [0, 1];
  const [min, max] = range;
  if (isLog) {
    const [from, to] = [Math.log(min), Math.log(max)];
    const air = to - from < Math.log(1.05) ? Math.log(1.5) : (to - from) * 0.05;
    return [Math.max(Number.MIN_VALUE, Math.exp(from - air)), Math.min(Number.MAX_VALUE, Math.exp(to + air))];
  }
  if (min === max) {
    const air = Math.abs(min) * 0.1 || 1;
    return [min - air, max + air];
  }
  const air = max * 0.06 - min * 0.06; // the difference itself may be infinite
  // Zero is a natural floor: what never goes below it should not suggest that it might.
  return [
    min >= 0 && min - air < 0 ? 0 : Math.max(-Number.MAX_VALUE, min - air),
    max <= 0 && max + air > 0 ? 0 : Math.min(Number.MAX_VALUE, max + air),
  ];
}

/** Range of x: all of it, without air; a single point stands in the middle. */
export function tightRange(range: [number, number] | null, isLog: boolean): [number, number] {
  if (range === null) return isLog ? [1, 10] : [0, 1];
  const [min, max] = range;
  if (min < max) return range;
  return isLog ? [min / 2, max * 2] : [min - 0.5, max + 0.5];
}

/** Maps units of an axis to a distance from its start, 0 … 1. */
export function unitScale(axis: { scale: Axis["scale"]; range: [number, number] }): (value: number) => number {
  const [low, high] = axis.range;
  if (axis.scale === "log") {
    const start = Math.log(low);
    const span = Math.log(high) - start;
    return (value) => (value > 0 ? (Math.log(value) - start) / span : Number.NaN);
  }
  // Halved, so that the span of two huge values stays finite.
  const span = high / 2 - low / 2;
  return (value) => (value / 2 - low / 2) / span;
}
