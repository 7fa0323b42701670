/** Runs as lines across parallel axes, one axis a field. Pure. */

import type { RunInfo } from "../api/types";
import { linearTicks, logTicks } from "./axis";
import { type Field, fieldLabel, fieldsOf, fieldValue, formatField } from "./fields";
import { Extent, type Figure, type Ink, type Mark, unitScale } from "./figure";
import { placeRuns } from "./scatter";
import { groupMetrics, keyMetrics } from "./sections";

export interface ParallelAxis {
  field: Field;
  label: string;
  /** Of each run from 0 (foot) to 1 (top), NaN where it lacks the field. */
  at: Float64Array;
  ticks: { at: number; text: string }[];
  /** The value at a place, in words. */
  read: (at: number) => string;
  /** The value of a run, in words. */
  exact: (run: number) => string;
}

/** Part of an axis, from 0 to 1. */
export type Brush = [low: number, high: number];

const MAX_PARAMS = 6;
const MAX_METRICS = 2;
const MAX_MARKS = 7;
/** Of the height of an axis. */
const MIN_TICK_GAP = 0.075;

/** Params that differ between the runs, then the metrics people look at first. */
export function defaultFields(runs: RunInfo[]): Field[] {
  const { params } = fieldsOf(runs);
  const differing = params.filter((field) => new Set(runs.map((run) => fieldValue(run, field))).size > 1);
  const metrics = keyMetrics(
    groupMetrics(runs.flatMap((run) => run.metrics)).map((group) => ({ ...group, count: 2 })),
    MAX_METRICS,
  );
  return [...differing.slice(0, MAX_PARAMS), ...metrics.map((metric) => `metric:${metric.name}`)];
}

export function parallelAxes(runs: RunInfo[], fields: Field[]): ParallelAxis[] {
  return fields.map((field) => {
    const { axis, at } = placeRuns(runs, field);
    // Numbers use the axis from end to end; words keep air, so that the outermost are no corners.
    const range = axis.ticks === undefined ? (new Extent().add(at, axis.scale === "log").range ?? [0, 1]) : axis.range;
    const [low, high] = range[0] < range[1] ? range : [range[0] - 0.5, range[1] + 0.5];
    const unit = unitScale({ scale: axis.scale, range: [low, high] });
    const back = (share: number) =>
      axis.scale === "log" ? Math.exp(Math.log(low) + share * Math.log(high / low)) : low + share * (high - low);
    const name = (value: number) =>
      axis.ticks === undefined
        ? field === "start"
          ? formatField(field, value)
          : axis.format(value, 1)
        : axis.format(value, 1);
    const distinct = [...new Set(at)].filter((value) => unit(value) >= 0 && unit(value) <= 1).sort((a, b) => a - b);
    // Few values are their own marks; many are measured in round steps.
    const marks =
      distinct.length <= MAX_MARKS
        ? distinct
        : axis.ticks !== undefined
          ? []
          : (axis.scale === "log" ? logTicks : linearTicks)(low, high, MAX_MARKS - 1);
    return {
      field,
      label: fieldLabel(field),
      at: at.map(unit),
      ticks: apart(marks.map((value) => ({ at: unit(value), text: name(value) }))),
      read: (share: number) => name(axis.ticks === undefined ? back(share) : Math.round(back(share))),
      exact: (run: number) => {
        const one = runs[run];
        return one === undefined ? "" : formatField(field, fieldValue(one, field));
      },
    };
  });
}

/** Ticks that do not cover each other: both ends, and between them what has room. */
function apart(ticks: { at: number; text: string }[]): { at: number; text: string }[] {
  const last = ticks.at(-1);
  const kept: typeof ticks = [];
  for (const tick of ticks) {
    const before = kept.at(-1);
    const isFree = before === undefined || tick.at - before.at >= MIN_TICK_GAP;
    if (tick === last || (isFree && (last === undefined || last.at - tick.at >= MIN_TICK_GAP || last.at === tick.at)))
      kept.push(tick);
  }
  return kept;
}

/** Whether a run passes all brushes; what it lacks it does not pass. */
export function passes(axes: ParallelAxis[], brushes: ReadonlyMap<Field, Brush>, run: number): boolean {
  return axes.every((axis) => {
    const brush = brushes.get(axis.field);
    const at = axis.at[run] ?? Number.NaN;
    return brush === undefined || (at >= brush[0] - 1e-9 && at <= brush[1] + 1e-9);
  });
}

/** How strongly a field goes along with a target, −1 … 1: Spearman's correlation of ranks. NaN for fewer than three runs. */
export function rankCorrelation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const pairs = Array.from({ length: a.length }, (_, at) => [a[at] ?? Number.NaN, b[at] ?? Number.NaN] as const).filter(
    ([x, y]) => Number.isFinite(x) && Number.isFinite(y),
  );
  if (pairs.length < 3) return Number.NaN;
  const [x, y] = [ranks(pairs.map((pair) => pair[0])), ranks(pairs.map((pair) => pair[1]))];
  const mean = (pairs.length - 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (let at = 0; at < pairs.length; at++) {
    const [dx, dy] = [(x[at] ?? 0) - mean, (y[at] ?? 0) - mean];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return xx === 0 || yy === 0 ? Number.NaN : xy / Math.sqrt(xx * yy);
}

/** Places in order; equal values share the mean of theirs. */
function ranks(values: number[]): number[] {
  const order = values.map((_, at) => at).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const out = new Array<number>(values.length).fill(0);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to + 1 < order.length && values[order[to + 1] ?? 0] === values[order[from] ?? 0]) to++;
    for (let at = from; at <= to; at++) out[order[at] ?? 0] = (from + to) / 2;
    from = to + 1;
  }
  return out;
}

/** The lines as a figure: axis i stands at x = i, its foot at y = 0. */
export function parallelFigure(
  axes: ParallelAxis[],
  runs: { run: string; label: string; ink: Ink; href: string }[],
  isLit: (run: number) => boolean,
): Figure {
  const xs = Float64Array.from(axes, (_, at) => at);
  const lines = runs.map((run, at) => ({
    ...run,
    y: Float64Array.from(axes, (axis) => axis.at[at] ?? Number.NaN),
    at,
  }));
  const many = runs.length > 60;
  const marks: Mark[] = [
    ...lines
      .filter(({ at }) => !isLit(at))
      .map(({ y }): Mark => ({ kind: "line", x: xs, y, ink: "soft", width: 1, alpha: many ? 0.08 : 0.16 })),
    ...axes.map((_, at): Mark => ({ kind: "rule", axis: "x", at, ink: "soft" })),
    ...lines
      .filter(({ at }) => isLit(at))
      .map(({ y, ink }): Mark => ({ kind: "line", x: xs, y, ink, width: 1.5, alpha: many ? 0.55 : 0.85 })),
  ];
  const ticks = axes.map((_, at) => at);
  return {
    x: {
      scale: "linear",
      range: [0, Math.max(1, axes.length - 1)],
      ticks,
      format: (at) => axes[Math.round(at)]?.label ?? "",
    },
    y: { scale: "linear", range: [0, 1], ticks: [], format: () => "" },
    marks,
    traces: lines.map(({ run, label, ink, href, y, at }) => ({
      run,
      label,
      ink,
      dash: [],
      x: xs,
      y,
      facts: () => axes.map((axis): [string, string] => [axis.label, axis.exact(at)]),
      href: () => href,
    })),
    reads: "xy",
    ends: null,
    formatX: (at) => axes[Math.round(at)]?.label ?? "",
    formatY: () => "",
  };
}
