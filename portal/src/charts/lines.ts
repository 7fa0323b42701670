/** From series to lines: smoothing, envelopes, means over groups, marks of what is not a number. Pure. */

import type { Numbers, Restart, SeriesBuckets, XAxis } from "../api/types";
import { formatCompact, formatDuration, formatNumber } from "../ui/format";
import { t } from "../ui/i18n";
import { formatTick, formatX, SECOND_STEPS, WHOLE_STEPS } from "./axis";
import { type Axis, Extent, type Figure, type Ink, type Mark, paddedRange, rowFrom, tightRange } from "./figure";
import { type Smoothing, smooth } from "./smooth";

/** A series and how it looks. */
export interface Source {
  run: string;
  label: string;
  ink: Ink;
  dash: number[];
  series: SeriesBuckets;
  /** What it is averaged with: a group of runs and, behind a tab, a part of the chart; null: it stands alone. */
  group: string | null;
  href?: string;
  /** Stands out in a crowd. */
  isMarked?: boolean;
}

/** A line as drawn. All arrays have one length, x ascends. */
export interface Curve {
  run: string;
  label: string;
  /** The same without the number of runs. */
  short?: string;
  ink: Ink;
  dash: number[];
  href?: string;
  x: Numbers;
  y: Numbers;
  /** y before smoothing; null: the same. */
  raw: Numbers | null;
  /** Least and greatest of what a place stands for; null: every place is one point. */
  low: Numbers | null;
  high: Numbers | null;
  /** Points (or runs, of a mean over runs) a place stands for; null: one each. */
  n: ArrayLike<number> | null;
  isMean: boolean;
  isMarked?: boolean;
  odd: Odd[];
  /** Where its run was resumed, and what it had done before that and did again. */
  restarts?: Restart[];
  tails?: Curve[];
}

/** A point that is no finite number: where it is, and the height at which the line breaks off. */
export interface Odd {
  x: number;
  y: number;
  shape: "cross" | "up" | "down";
}

export function curveOf(source: Source, smoothing: Smoothing): Curve {
  const { run, label, ink, dash, href } = source;
  const made = pathOf(source.series, smoothing);
  const isMarked = source.isMarked ?? false;
  const look = { run, label, ink, dash, ...(href === undefined ? {} : { href }), isMean: false, isMarked };
  const { restarts, tails } = source.series;
  if (restarts.length === 0) return { ...look, ...made };
  const left = tails.filter(isDrawn).map((tail) => ({ ...look, ...pathOf(tail, smoothing) }));
  return { ...look, ...made, restarts, tails: left };
}

type Path = Pick<Curve, "x" | "y" | "raw" | "low" | "high" | "n" | "odd">;
/** Of series that are still shown: when one of a thousand gets a point, the others stay as they are. */
const paths = new WeakMap<SeriesBuckets, { smoothing: string; path: Path }>();
/** Middles of buckets by their first places: most runs share them. */
const middles = new WeakMap<Numbers, { last: Numbers; places: Float64Array }>();

function pathOf(series: SeriesBuckets, smoothing: Smoothing): Path {
  const key = smoothing.points > 1 ? `${smoothing.kind} ${smoothing.points}` : "";
  const known = paths.get(series);
  if (known?.smoothing === key) return known.path;
  const path = makePath(series, smoothing);
  paths.set(series, { smoothing: key, path });
  return path;
}

/** A bucket stands in the middle of its points; the line begins and ends where the series does. */
function middlesOf({ x, x_last: last }: SeriesBuckets): Float64Array {
  const known = middles.get(x);
  if (known?.last === last) return known.places;
  const rows = x.length;
  const places = new Float64Array(rows + 1);
  for (let at = 0; at < rows; at++) places[at] = ((x[at] ?? 0) + (last[at] ?? 0)) / 2;
  places[0] = x[0] ?? 0;
  places[rows] = last[rows - 1] ?? 0;
  middles.set(x, { last, places });
  return places;
}

function makePath(series: SeriesBuckets, smoothing: Smoothing): Path {
  const isSmoothed = smoothing.points > 1 && series.x.length > 2;
  // Beyond the range in view the line goes on to the points that are next there.
  const { before, after } = series;
  const led = (values: Numbers, side: 0 | 1) => between(before?.[side], values, after?.[side]);
  const first = before === null ? 0 : 1;
  if (series.exact) {
    const [x, raw] = [led(series.x, 0), led(series.mean, 1)];
    const y = isSmoothed ? smooth(raw, new Uint8Array(x.length).fill(1), smoothing) : raw;
    const odd = oddOf(series, x, y, first);
    return { x, y, raw: isSmoothed ? raw : null, low: null, high: null, n: null, odd };
  }
  const rows = series.x.length;
  const x = led(middlesOf(series), 0);
  const raw = led(between(undefined, series.mean, series.end), 1);
  const low = led(between(undefined, series.min, series.min[rows - 1] ?? Number.NaN), 1).slice();
  const high = led(between(undefined, series.max, series.max[rows - 1] ?? Number.NaN), 1).slice();
  const n = new Uint32Array(x.length).fill(1);
  n.set(series.n, first);
  for (let at = 0; at < x.length; at++) {
    // An infinite end of a band is drawn as a mark; the band itself ends at the rest of its points.
    if (low[at] === Number.NEGATIVE_INFINITY) low[at] = raw[at] ?? Number.NaN;
    if (high[at] === Number.POSITIVE_INFINITY) high[at] = raw[at] ?? Number.NaN;
  }
  let y: Numbers = raw;
  if (isSmoothed) y = smooth(raw, n, smoothing);
  const odd = oddOf(series, x, y, first);
  return { x, y, raw: isSmoothed ? raw : null, low, high, n, odd };
}

/** Values with one more in front and one more behind, as far as there are; the same array without. */
function between(before: number | undefined, values: Numbers, after: number | undefined): Numbers {
  if (before === undefined && after === undefined) return values;
  const first = before === undefined ? 0 : 1;
  const out = new Float64Array(first + values.length + (after === undefined ? 0 : 1));
  if (before !== undefined) out[0] = before;
  out.set(values, first);
  if (after !== undefined) out[out.length - 1] = after;
  return out;
}

/** Whether there is anything to draw: points in view, or a line that passes through it. */
export function isDrawn(series: SeriesBuckets): boolean {
  return series.x.length > 0 || (series.before !== null && series.after !== null);
}

/** `first`: the row of x and y where the series itself begins. */
function oddOf(series: SeriesBuckets, x: Numbers, y: Numbers, first: number): Odd[] {
  const { non_finite: odd } = series;
  if (odd === null) return [];
  const found: Odd[] = [];
  let before = y.find((value) => Number.isFinite(value)) ?? Number.NaN;
  for (let at = 0; at < odd.length; at++) {
    if ((odd[at] ?? 0) > 0) {
      const isUp = series.max[at] === Number.POSITIVE_INFINITY;
      const isDown = series.min[at] === Number.NEGATIVE_INFINITY;
      const shape = isUp ? "up" : isDown ? "down" : "cross";
      found.push({ x: x[first + at] ?? 0, y: before, shape });
    }
    const value = y[first + at] ?? Number.NaN;
    if (Number.isFinite(value)) before = value;
  }
  return found;
}

/* ------------------------------------------------------------------ groups */

export const CENTRES = ["mean", "median"] as const;
export const SPREADS = ["std", "ci", "iqr", "range", "none"] as const;
export type Centre = (typeof CENTRES)[number];
/** Standard deviation, 95 % confidence of the mean, quartiles, least to greatest. */
export type Spread = (typeof SPREADS)[number];

/** 97.5 % quantiles of Student's t for 1, 2, 3 … degrees of freedom; beyond, the normal one is within 2 %. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** Value of a line at any x: between its points straight, NaN outside and beside gaps. */
export function valueAt(x: Numbers, y: Numbers, wanted: number): number {
  const at = rowFrom(x, wanted);
  if (x[at] === wanted) return y[at] ?? Number.NaN;
  const [left, right] = [x[at - 1], x[at]];
  if (left === undefined || right === undefined) return Number.NaN;
  const share = (wanted - left) / (right - left);
  return (y[at - 1] ?? Number.NaN) * (1 - share) + (y[at] ?? Number.NaN) * share;
}

/** Where lines are compared: at their own places if they have them in common, else at those of the one with most. */
function commonGrid(curves: Curve[]): Numbers {
  const longest = curves.reduce((best, curve) => (curve.x.length > best.x.length ? curve : best));
  const first = curves[0]?.x ?? new Float64Array(0);
  if (curves.every((curve) => curve.x.length === first.length && curve.x.every((value, at) => value === first[at])))
    return first;
  // The longest one's places, and beyond its ends those of the others.
  const grid = new Set<number>(longest.x);
  const [low, high] = [longest.x[0] ?? 0, longest.x.at(-1) ?? 0];
  for (const curve of curves) for (const value of curve.x) if (value < low || value > high) grid.add(value);
  return Float64Array.from(grid).sort();
}

export function quantile(sorted: ArrayLike<number>, share: number): number {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const [a, b] = [sorted[low] ?? Number.NaN, sorted[Math.min(sorted.length - 1, low + 1)] ?? Number.NaN];
  return a + (b - a) * (place - low);
}

export interface Summary {
  x: Numbers;
  centre: Float64Array;
  low: Float64Array;
  high: Float64Array;
  /** Lines that have a value there. */
  n: Uint32Array;
}

/** Centre and spread over lines, at each place over those that have a value there. */
export function summarise(curves: Curve[], centre: Centre, spread: Spread | "p10-90"): Summary {
  const x = commonGrid(curves);
  const out: Summary = {
    x,
    centre: new Float64Array(x.length),
    low: new Float64Array(x.length),
    high: new Float64Array(x.length),
    n: new Uint32Array(x.length),
  };
  const values: number[] = [];
  for (let at = 0; at < x.length; at++) {
    const here = x[at] ?? 0;
    values.length = 0;
    let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const curve of curves) {
      const value = curve.x === x ? (curve.y[at] ?? Number.NaN) : valueAt(curve.x, curve.y, here);
      if (!Number.isFinite(value)) continue;
      values.push(value);
      if (spread !== "range") continue;
      // The extremes of buckets, so that no spike of any run is averaged away.
      least = Math.min(least, curve.low === null ? value : valueAt(curve.x, curve.low, here));
      greatest = Math.max(greatest, curve.high === null ? value : valueAt(curve.x, curve.high, here));
    }
    const found = spreadOver(values, centre, spread);
    out.n[at] = values.length;
    out.centre[at] = found.centre;
    const isRange = spread === "range" && values.length > 0;
    out.low[at] = isRange ? least : found.low;
    out.high[at] = isRange ? greatest : found.high;
  }
  return out;
}

/** Centre and spread of values; those that are not finite are left out. */
export function spreadOver(
  given: readonly number[],
  centre: Centre,
  spread: Spread | "p10-90",
): { centre: number; low: number; high: number } {
  const values = given.filter(Number.isFinite).sort((a, b) => a - b);
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value / n, n === 0 ? Number.NaN : 0);
  const middle = centre === "mean" ? mean : quantile(values, 0.5);
  const between = (low: number, high: number) => ({ centre: middle, low, high });
  switch (spread) {
    case "std":
    case "ci": {
      const variance = n < 2 ? 0 : values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
      const half = spread === "std" ? Math.sqrt(variance) : (STUDENT[n - 2] ?? 1.96) * Math.sqrt(variance / n);
      return between(middle - half, middle + half);
    }
    case "iqr":
      return between(quantile(values, 0.25), quantile(values, 0.75));
    case "p10-90":
      return between(quantile(values, 0.1), quantile(values, 0.9));
    case "range":
      return between(values[0] ?? Number.NaN, values.at(-1) ?? Number.NaN);
    default:
      return between(middle, middle);
  }
}

/** Replace the lines of each group by one of their mean or median. The order of the first of each group stays. */
export function grouped(
  curves: Curve[],
  groupOf: (at: number) => string | null,
  look: (group: string) => { ink: Ink; dash: number[] },
  centre: Centre,
  spread: Spread,
): Curve[] {
  const members = new Map<string, Curve[]>();
  curves.forEach((curve, at) => {
    const group = groupOf(at) ?? `\n${at}`;
    const list = members.get(group);
    if (list === undefined) members.set(group, [curve]);
    else list.push(curve);
  });
  return [...members].map(([group, list]) => {
    const [first] = list;
    if (first === undefined || (group.startsWith("\n") && list.length === 1)) return first ?? emptyCurve();
    const found = summarise(list, centre, spread);
    return {
      run: "",
      label: `${group.replace("\t", " · ")} ×${list.length}`,
      short: group.replace("\t", " · "),
      ...look(group),
      x: found.x,
      y: found.centre,
      raw: null,
      low: spread === "none" ? null : found.low,
      high: spread === "none" ? null : found.high,
      n: found.n,
      isMean: true,
      odd: [],
    };
  });
}

function emptyCurve(): Curve {
  const none = new Float64Array(0);
  return {
    run: "", label: "", ink: "soft", dash: [], x: none, y: none, raw: null, low: null, high: null, n: null,
    isMean: false, odd: [],
  }; // biome-ignore format: one record
}

/* ------------------------------------------------------------------ figure */

export interface LineOptions {
  x: XAxis;
  logX: boolean;
  logY: boolean;
  /** Cut off values far outside of where nearly all are. */
  clip: boolean;
  /** The colours of lines mean something, such as the value of a param. */
  isColoured: boolean;
  zoom: [number, number] | null;
  titleX?: string;
  titleY?: string;
  /** Range of earlier runs, drawn behind. */
  backdrop: Summary | null;
}

export interface LineFigure extends Figure {
  /** Places outside of the value axis because outliers are cut off. */
  clipped: number;
  /** Places that a logarithmic axis, of values or along, cannot show. */
  hidden: number;
}

/**
 * More lines than this are a crowd: their bands would add up to a fog and their dashes to noise. One band tells the least and the
 * greatest of all of them; a line stands out when it is pointed at.
 */
const CROWD = 24;
const HULL_PLACES = 320;
/** More lines than this cover each other whatever their style: drawn is how many of them pass where. */
const DENSE = 120;
/** The more lines, the fainter each: where many run is darker than where few do. */
export const crowdAlpha = (lines: number) => 0.8 * Math.min(1, CROWD / lines) ** 0.5;

/** Least and greatest of all curves together, at even places along the axis; null: none of them stands for more than points. */
export function hullOf(
  curves: Curve[],
  [from, to]: [number, number],
  logX: boolean,
): Pick<Summary, "x" | "low" | "high"> | null {
  const banded = curves.filter((curve) => curve.low !== null && curve.raw === null && !curve.isMean);
  const [start, end] = logX ? [Math.log(from), Math.log(to)] : [from, to];
  if (banded.length === 0 || !(end > start)) return null;
  const x = Float64Array.from({ length: HULL_PLACES }, (_, at) => {
    const place = start + ((end - start) * at) / (HULL_PLACES - 1);
    return logX ? Math.exp(place) : place;
  });
  const low = new Float64Array(HULL_PLACES).fill(Number.NaN);
  const high = new Float64Array(HULL_PLACES).fill(Number.NaN);
  const placeOf = (value: number) => (((logX ? Math.log(value) : value) - start) / (end - start)) * (HULL_PLACES - 1);
  const take = (at: number, least: number, greatest: number) => {
    if (!(low[at] !== undefined && least >= low[at])) low[at] = least;
    if (!(high[at] !== undefined && greatest <= high[at])) high[at] = greatest;
  };
  for (const curve of banded) {
    let before: { place: number; least: number; greatest: number } | null = null;
    for (let row = 0; row < curve.x.length; row++) {
      const [least, greatest] = [curve.low?.[row] ?? Number.NaN, curve.high?.[row] ?? Number.NaN];
      const place = placeOf(curve.x[row] ?? Number.NaN);
      if (!Number.isFinite(least) || !Number.isFinite(greatest) || Number.isNaN(place)) {
        before = null; // where a line breaks, its band does
        continue;
      }
      // To the nearest place: a spike between two of them still shows.
      const own = Math.round(place);
      if (own >= 0 && own < HULL_PLACES) take(own, least, greatest);
      if (before !== null) {
        const last = Math.min(HULL_PLACES - 1, Math.floor(place));
        for (let at = Math.max(0, Math.ceil(before.place)); at <= last; at++) {
          const share = (at - before.place) / (place - before.place || 1);
          take(
            at,
            before.least + share * (least - before.least),
            before.greatest + share * (greatest - before.greatest),
          );
        }
      }
      before = { place, least, greatest };
    }
  }
  return { x, low, high };
}

export function lineFigure(curves: Curve[], options: LineOptions): LineFigure {
  const { x, logX, logY, zoom, backdrop } = options;
  const many = curves.length > 1;
  const isCrowd = curves.length > CROWD;
  const isDense = curves.length > DENSE;
  const paths = new Map(curves.map((curve) => [curve, shownPath(curve, x)]));
  const marks: Mark[] = [];
  if (backdrop !== null) {
    marks.push({ kind: "band", x: backdrop.x, low: backdrop.low, high: backdrop.high, ink: "soft", alpha: 0.16 });
    marks.push({ kind: "line", x: backdrop.x, y: backdrop.centre, ink: "soft", width: 1, dash: [3, 3], alpha: 0.8 });
  }
  const shown = shownRange(zoom, curves, backdrop, logX);
  const hull = isCrowd && shown !== null ? hullOf(curves, shown, logX) : null;
  if (hull !== null) marks.push({ kind: "band", x: hull.x, low: hull.low, high: hull.high, ink: "soft", alpha: 0.14 });
  for (const [curve, path] of paths)
    if (path.low !== null && path.high !== null && (curve.isMean || (curve.raw === null && !isCrowd)))
      marks.push({
        kind: "band",
        x: path.x,
        low: path.low,
        high: path.high,
        ink: curve.ink,
        alpha: curve.isMean ? 0.18 : many ? (curves.length > 12 ? 0.07 : 0.12) : 0.18,
      });
  for (const curve of curves)
    if (curve.raw !== null && !isDense)
      marks.push({
        kind: "line",
        x: curve.x,
        y: curve.raw,
        ink: curve.ink,
        width: 1,
        alpha: curves.length > 12 ? 0.12 : 0.26,
      });
  const alpha = crowdAlpha(curves.length);
  const looks = (curve: Curve) =>
    !isCrowd
      ? { dash: curve.dash, width: many ? 1.5 : 1.6 }
      : curve.isMarked || curve.isMean
        ? { width: 1.75 }
        : { width: 1, alpha };
  // Those that stand out lie above the crowd.
  const above = isCrowd ? curves.filter((curve) => curve.isMarked) : [];
  const below = above.length === 0 ? curves : curves.filter((curve) => !curve.isMarked);
  if (isDense) marks.push({ kind: "density", lines: below, ink: options.isColoured ? null : "accent" });
  // What a run did before it was resumed, and did again.
  if (!isCrowd)
    for (const curve of curves)
      for (const tail of curve.tails ?? [])
        marks.push({ kind: "line", x: tail.x, y: tail.y, ink: curve.ink, dash: curve.dash, width: 1.25, alpha: 0.38 });
  for (const curve of isDense ? above : [...below, ...above]) {
    const path = paths.get(curve) ?? curve;
    marks.push({ kind: "line", x: path.x, y: path.y, ink: curve.ink, ...looks(curve) });
  }
  const notes = isCrowd
    ? []
    : curves.flatMap((curve) => (curve.restarts ?? []).map((one) => noteAt(one, many ? curve.label : "")));
  if (notes.length > 0) {
    const places = Float64Array.from(notes, (one) => one.at).sort();
    marks.push({ kind: "glyphs", shape: "restart", x: places, y: new Float64Array(places.length), ink: "soft" });
  }
  const together = { odd: curves.flatMap((curve) => curve.odd).sort((a, b) => a.x - b.x), ink: "text" as Ink };
  for (const { odd, ink } of isDense ? [together] : curves)
    for (const shape of ["cross", "up", "down"] as const) {
      const found = odd.filter((one) => one.shape === shape);
      if (found.length === 0) continue;
      const [ox, oy] = [Float64Array.from(found, (one) => one.x), Float64Array.from(found, (one) => one.y)];
      marks.push({ kind: "glyphs", shape, x: ox, y: oy, ink });
    }

  const y = yRange(curves, backdrop, shown, options);
  return {
    x: xAxis(x, logX, tightRange(shown, logX), options.titleX),
    y: {
      scale: logY ? "log" : "linear",
      range: y.range,
      format: formatCompact,
      ...(y.isEmpty ? { ticks: [] } : {}),
      ...(options.titleY ? { title: options.titleY } : {}),
    },
    marks,
    traces: [...paths].map(([curve, path]) => ({
      run: curve.run,
      label: curve.label,
      ...(curve.short === undefined ? {} : { short: curve.short }),
      ink: curve.ink,
      dash: isCrowd ? [] : curve.dash,
      ...(curve.isMarked ? { isMarked: true } : {}),
      x: curve.x,
      y: curve.y,
      ...(path === curve ? {} : { path: { x: path.x, y: path.y } }),
      note: (row) => noteOf(curve, row),
      ...(curve.href === undefined ? {} : { href: () => curve.href ?? "" }),
    })),
    reads: "x",
    ...(notes.length > 0 ? { notes } : {}),
    ends: curves.length === 1 && curves[0]?.isMean === false ? "value" : "names",
    formatX: (at) => formatX(x, x === "step" ? Math.round(at) : at),
    formatY: (value) => formatNumber(value, 6),
    formatEnd: (value) => formatNumber(value, 4),
    clipped: y.clipped,
    hidden: curves.reduce((sum, { x: places, y: values }) => {
      for (let row = 0; row < values.length; row++)
        if ((logY && (values[row] ?? 1) <= 0) || (logX && (places[row] ?? 1) <= 0)) sum++;
      return sum;
    }, 0),
  };
}

/** A line as it runs: over time it does not pass through the hours in which its run was not there. */
function shownPath(curve: Curve, x: XAxis): Pick<Curve, "x" | "y" | "low" | "high"> {
  if ((x !== "time" && x !== "relative") || (curve.restarts ?? []).length === 0) return curve;
  const gap = (values: Numbers | null) => (values === null ? null : broken(curve, values, Number.NaN));
  return {
    x: broken(curve, curve.x, null),
    y: broken(curve, curve.y, Number.NaN),
    low: gap(curve.low),
    high: gap(curve.high),
  };
}

/** Values of a curve with one more where its run was resumed; null: the place itself. */
function broken(curve: Curve, values: Numbers, gap: number | null): Float64Array {
  const out = Array.from(values);
  // From the right, so that rows further left keep their numbers.
  for (const one of [...(curve.restarts ?? [])].sort((a, b) => b.x - a.x)) {
    const row = rowFrom(curve.x, one.x);
    if (row > 0 && row < curve.x.length) out.splice(row, 0, gap ?? one.x);
  }
  return Float64Array.from(out);
}

function noteAt(one: Restart, label: string): { at: number; text: string } {
  const parts = [
    t("resumed at step {step}", { step: String(one.step) }),
    one.pause_ms >= 1000 ? t("{time} later", { time: formatDuration(one.pause_ms) }) : "",
    one.host === "" ? "" : t("on host {host}", { host: one.host }),
  ].filter(Boolean);
  return { at: one.x, text: `${label === "" ? "" : `${label}: `}${parts.join(", ")}` };
}

/** Whether the ticks of an axis tell what it is: steps, times, durations. */
function areNamed(x: XAxis): boolean {
  return x === "step" || x === "relative" || x === "time";
}

export function xAxis(x: XAxis, isLog: boolean, range: [number, number], title = ""): Axis {
  return {
    scale: isLog ? "log" : x === "time" ? "time" : "linear",
    range,
    format: (at, step) => formatTick(x, at, step),
    ...(title === "" ? {} : areNamed(x) ? { name: title } : { title }),
    ...(isLog ? {} : x === "relative" ? { steps: SECOND_STEPS } : x === "step" ? { steps: WHOLE_STEPS } : {}),
  };
}

/** What the axis shows of a zoom; a logarithmic one begins at the first place that it has. */
function shownRange(
  zoom: [number, number] | null,
  curves: Curve[],
  backdrop: Summary | null,
  isLog: boolean,
): [number, number] | null {
  if (zoom !== null && (!isLog || zoom[0] > 0)) return zoom;
  const all = xRange(curves, backdrop, isLog);
  if (zoom === null || all === null || zoom[1] <= all[0]) return all;
  return [all[0], zoom[1]];
}

function xRange(curves: Curve[], backdrop: Summary | null, isLog: boolean): [number, number] | null {
  const extent = new Extent();
  for (const curve of curves) {
    extent.add(curve.x, isLog);
    extent.add(
      curve.odd.map((one) => one.x),
      isLog,
    );
    for (const tail of curve.tails ?? []) extent.add(tail.x, isLog);
  }
  if (backdrop !== null) extent.add(backdrop.x, isLog);
  return extent.range;
}

/** How far beyond the bulk of its stretch a value may lie before it is an outlier, in widths of that bulk. */
const BULK_AIR = 1.5;
/** A line is looked at in stretches: a steep start is a stretch of its own, not a set of outliers. */
const STRETCHES = 20;
const STRETCH_ROWS = 8;

/** Between which heights a line stays but for its outliers; null for too few values. In logarithms when `isLog`. */
function bulkOf(values: number[], isLog: boolean): [number, number] | null {
  const finite = values.filter((value) => Number.isFinite(value) && !(isLog && value <= 0));
  if (finite.length <= STRETCH_ROWS) return null;
  const rows = Math.max(STRETCH_ROWS, Math.ceil(finite.length / STRETCHES));
  const bulk = new Extent();
  for (let from = 0; from < finite.length; from += rows) {
    const sorted = finite
      .slice(Math.max(0, Math.min(from, finite.length - rows)), from + rows)
      .map((value) => (isLog ? Math.log(value) : value))
      .sort((a, b) => a - b);
    // A share of a stretch as short as the shortest is less than one value: a quarter of it may be wild.
    const [low, high] = [quantile(sorted, 0.2), quantile(sorted, 0.8)];
    const air = (high - low) * BULK_AIR;
    bulk.add([Math.max(sorted[0] ?? low, low - air), Math.min(sorted.at(-1) ?? high, high + air)]);
  }
  const { range } = bulk;
  return range === null || !isLog ? range : [Math.exp(range[0]), Math.exp(range[1])];
}

function yRange(
  curves: Curve[],
  backdrop: Summary | null,
  shown: [number, number] | null,
  { logX, logY, clip }: LineOptions,
): { range: [number, number]; clipped: number; isEmpty: boolean } {
  const extent = new Extent();
  const bulk = new Extent();
  const places: { low: number; high: number }[] = [];
  const rowsOf = (x: Numbers): [number, number] => {
    if (shown === null) return [0, x.length];
    let to = rowFrom(x, shown[1]);
    while (to < x.length && x[to] === shown[1]) to++;
    return [rowFrom(x, shown[0]), to];
  };
  const add = (x: Numbers, values: Numbers | null, from: number, to: number) => {
    if (values === null) return;
    extent.add(values, logY, from, to);
    // Where the line enters and leaves, not the far points it comes from and goes to.
    if (shown !== null)
      extent.add(
        [crossing(x, values, from, shown[0], logX, logY), crossing(x, values, to, shown[1], logX, logY)],
        logY,
      );
  };
  for (const curve of curves) {
    const [from, to] = rowsOf(curve.x);
    for (const values of [curve.y, curve.low, curve.high, curve.raw]) add(curve.x, values, from, to);
    if (!clip) continue;
    const values = Array.from((curve.raw ?? curve.y).subarray(from, to));
    bulk.add(bulkOf(values, logY) ?? values, logY);
    for (let at = from; at < to; at++) {
      const value = curve.y[at] ?? Number.NaN;
      places.push({ low: curve.low?.[at] ?? value, high: curve.high?.[at] ?? value });
    }
  }
  if (backdrop !== null) {
    const [from, to] = rowsOf(backdrop.x);
    for (const values of [backdrop.low, backdrop.high]) add(backdrop.x, values, from, to);
  }
  let { range } = extent;
  const tails = new Extent();
  for (const curve of curves) for (const tail of curve.tails ?? []) tails.add(tail.y, logY, ...rowsOf(tail.x));
  range = widened(range, tails.range, logY);
  let clipped = 0;
  if (clip && range !== null && bulk.range !== null) {
    const [low, high] = bulk.range;
    const cut: [number, number] = [Math.max(range[0], low), Math.min(range[1], high)];
    if (cut[0] < cut[1]) {
      range = cut;
      clipped = places.reduce((sum, { low, high }) => sum + Number(low < cut[0] || high > cut[1]), 0);
    }
  }
  return { range: paddedRange(range, logY), clipped, isEmpty: range === null };
}

/** The range that shows more, but no more than as much again on either side: what went wrong must not flatten what did not. */
function widened(
  range: [number, number] | null,
  more: [number, number] | null,
  isLog: boolean,
): [number, number] | null {
  if (range === null || more === null) return range ?? more;
  const [along, back] = isLog ? [Math.log, Math.exp] : [Number, Number];
  const [low, high] = range.map((one) => along(one)) as [number, number];
  const room = high - low;
  return [
    Math.min(range[0], Math.max(more[0], back(low - room))),
    Math.max(range[1], Math.min(more[1], back(high + room))),
  ];
}

/** Height at which a line, straight as it is drawn, passes x = `at` on its way to a row; NaN where it does not. */
function crossing(x: Numbers, y: Numbers, row: number, at: number, logX: boolean, logY: boolean): number {
  const along = (value: number) => (logX ? Math.log(value) : value);
  const up = (value: number) => (logY ? Math.log(value) : value);
  const [x0, x1, y0, y1] = [x[row - 1], x[row], y[row - 1], y[row]];
  if (x0 === undefined || x1 === undefined || y0 === undefined || y1 === undefined || x0 === x1) return Number.NaN;
  const share = (along(at) - along(x0)) / (along(x1) - along(x0));
  const height = up(y0) * (1 - share) + up(y1) * share;
  return logY ? Math.exp(height) : height;
}

/** What a place stands for beside its value. */
function noteOf(curve: Curve, row: number): string {
  const [low, high, n] = [curve.low?.[row], curve.high?.[row], curve.n?.[row] ?? 1];
  const parts: string[] = [];
  if (curve.raw !== null) parts.push(t("raw {value}", { value: formatNumber(curve.raw[row], 5) }));
  if (low !== undefined && high !== undefined && n > 1) {
    parts.push(`${formatNumber(low, 4)} … ${formatNumber(high, 4)}`);
    parts.push(curve.isMean ? t("{n} run|{n} runs", { n }) : t("{n} point|{n} points", { n }));
  }
  return parts.join(" · ");
}

/** Whether positive values span more than three decades: then a logarithmic axis is worth offering. */
export function wantsLog(series: Iterable<SeriesBuckets>): boolean {
  const extent = new Extent();
  for (const one of series) extent.add(one.min).add(one.max);
  const { range } = extent;
  return range !== null && range[0] > 0 && range[1] / range[0] > 1_000;
}
