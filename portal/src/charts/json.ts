/** The charts that Azure ML v1 keeps as JSON files: reading them as they really are (wrappers and lengths vary), and what they show. Pure. */

import type { Numbers } from "../api/types";
import { formatCompact, formatNumber } from "../ui/format";
import { t } from "../ui/i18n";
import { Extent, type Figure, type Ink, type Mark, paddedRange, type Trace } from "./figure";
import { cut } from "./labels";

type Unknown = Record<string, unknown>;
const isObject = (value: unknown): value is Unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const numbersOf = (value: unknown): number[] => (Array.isArray(value) ? value.map(Number) : []);

/** The part that holds the data, with or without the wrapper of schema and version. */
export function payload(json: unknown): Unknown {
  if (!isObject(json)) return {};
  return isObject(json["data"]) ? json["data"] : json;
}

/* -------------------------------------------------------- confusion matrix */

/** `cells[true class][predicted class]`. */
export interface Confusion {
  labels: string[];
  cells: number[][];
}

export function confusionOf(json: unknown): Confusion | null {
  const data = payload(json);
  const matrix = data["matrix"];
  if (!Array.isArray(matrix) || matrix.length === 0 || !matrix.every(Array.isArray)) return null;
  const cells = matrix.map(numbersOf);
  const size = Math.max(cells.length, ...cells.map((row) => row.length));
  const given = Array.isArray(data["class_labels"]) ? data["class_labels"].map(String) : [];
  return {
    labels: Array.from({ length: size }, (_, at) => given[at] ?? String(at)),
    cells: Array.from({ length: size }, (_, row) => Array.from({ length: size }, (_, at) => cells[row]?.[at] ?? 0)),
  };
}

/** Shares of each true class. A class without cases has shares of 0. */
export function normalised({ labels, cells }: Confusion): Confusion {
  return {
    labels,
    cells: cells.map((row) => {
      const total = row.reduce((sum, value) => sum + value, 0);
      return row.map((value) => (total === 0 ? 0 : value / total));
    }),
  };
}

/** Cell by cell; null when the classes differ. */
export function difference(a: Confusion, b: Confusion): Confusion | null {
  if (a.labels.join("\n") !== b.labels.join("\n")) return null;
  return { labels: a.labels, cells: a.cells.map((row, i) => row.map((value, j) => value - (b.cells[i]?.[j] ?? 0))) };
}

export function accuracyOf({ cells }: Confusion): number {
  const total = cells.flat().reduce((sum, value) => sum + value, 0);
  return cells.reduce((sum, row, at) => sum + (row[at] ?? 0), 0) / total;
}

/** More classes than this have no room for numbers in the cells. */
const MAX_WORDED = 14;

export function confusionFigure(
  matrix: Confusion,
  isShare: boolean,
  isSigned: boolean,
  shade: (share: number) => Ink,
): Figure {
  const { labels, cells } = matrix;
  const n = labels.length;
  // Not spread as arguments: a thousand classes are a million cells.
  const { low, high } = new Extent().add(cells.flat());
  const most = Math.max(Math.abs(low), Math.abs(high), Number.MIN_VALUE);
  const places = cells.flatMap((row, i) => row.map((value, j) => ({ i, j, value })));
  const name = (value: number) =>
    isShare ? `${isSigned && value > 0 ? "+" : ""}${formatNumber(100 * value, 3)} %` : formatNumber(value, 6);
  const of = (pick: (place: { i: number; j: number; value: number }) => number) => Float64Array.from(places, pick);
  const marks: Mark[] = [
    {
      kind: "bars",
      left: of(({ j }) => j - 0.5),
      right: of(({ j }) => j + 0.5),
      low: of(({ i }) => n - 1 - i - 0.5),
      high: of(({ i }) => n - 1 - i + 0.5),
      ink: places.map(({ value }) => shade(value / most)),
      areCells: true,
    },
  ];
  if (n <= MAX_WORDED) {
    const isDeep = ({ value }: { value: number }) => Math.abs(value) / most > 0.55;
    for (const deep of [true, false]) {
      const some = places.filter((place) => isDeep(place) === deep);
      marks.push({
        kind: "words",
        x: Float64Array.from(some, ({ j }) => j),
        y: Float64Array.from(some, ({ i }) => n - 1 - i),
        text: some.map(({ value }) => (isShare ? formatNumber(100 * value, 2) : formatCompact(value))),
        ink: deep ? "card" : "text",
      });
    }
  }
  const every = Math.ceil(n / 20);
  const ticks = labels.map((_, at) => at).filter((at) => at % every === 0);
  return {
    x: {
      scale: "linear",
      range: [-0.5, n - 0.5],
      ticks,
      format: (at) => cut(labels[at] ?? "", n > 6 ? 6 : 12),
      title: t("predicted"),
    },
    y: {
      scale: "linear",
      range: [-0.5, n - 0.5],
      ticks: ticks.map((at) => n - 1 - at).reverse(),
      format: (at) => cut(labels[n - 1 - at] ?? "", 12),
      title: t("true"),
    },
    marks,
    traces: [
      {
        run: "",
        label: t("Cell"),
        ink: "accent",
        dash: [],
        x: of(({ j }) => j),
        y: of(({ i }) => n - 1 - i),
        facts: (row) => {
          const place = places[row];
          return place === undefined
            ? []
            : [
                [t("true"), labels[place.i] ?? ""],
                [t("predicted"), labels[place.j] ?? ""],
                [isShare ? t("share") : t("cases"), name(place.value)],
              ];
        },
      },
    ],
    reads: "xy",
    ends: null,
    formatX: (at) => labels[Math.round(at)] ?? "",
    formatY: (at) => labels[n - 1 - Math.round(at)] ?? "",
  };
}

/* ---------------------------------------------------------- accuracy table */

/** Of one class, by falling threshold: true positives, false positives, true negatives, false negatives. */
export type Counts = [tp: number, fp: number, tn: number, fn: number][];

export interface AccuracyTable {
  labels: string[];
  /** By class: counts at thresholds of probability. */
  byProbability: Counts[];
  /** The same at thresholds that select equal shares of all cases; empty: not given. */
  byPercentile: Counts[];
}

export function accuracyTableOf(json: unknown): AccuracyTable | null {
  const data = payload(json);
  const read = (tables: unknown, thresholds: unknown): Counts[] => {
    if (!Array.isArray(tables)) return [];
    const at = numbersOf(thresholds);
    return tables.filter(Array.isArray).map((table: unknown[]) => {
      const rows = table.map((row, i) => ({ threshold: at[i] ?? i, counts: numbersOf(row) }));
      return rows
        .filter(({ counts }) => counts.length >= 4 && counts.every(Number.isFinite))
        .sort((a, b) => b.threshold - a.threshold)
        .map(({ counts: [tp = 0, fp = 0, tn = 0, fn = 0] }) => [tp, fp, tn, fn]);
    });
  };
  const byProbability = read(data["probability_tables"], data["probability_thresholds"]);
  const byPercentile = read(data["percentile_tables"], data["percentile_thresholds"]);
  const classes = Math.max(byProbability.length, byPercentile.length);
  if (classes === 0 || [...byProbability, ...byPercentile].every((table) => table.length === 0)) return null;
  const given = Array.isArray(data["class_labels"]) ? data["class_labels"].map(String) : [];
  return { labels: Array.from({ length: classes }, (_, at) => given[at] ?? String(at)), byProbability, byPercentile };
}

export const CURVES = ["roc", "pr", "lift", "gain"] as const;
export type CurveKind = (typeof CURVES)[number];

export interface RateCurve {
  x: Float64Array;
  y: Float64Array;
  /** Area under a ROC curve, average precision of a precision–recall curve; NaN for others. */
  area: number;
}

/** Of the classes together: counts added up at each threshold. */
export function microAverage(tables: Counts[]): Counts {
  const rows = Math.min(...tables.map((table) => table.length));
  return Array.from({ length: Number.isFinite(rows) ? rows : 0 }, (_, at) => {
    const sum: [number, number, number, number] = [0, 0, 0, 0];
    for (const table of tables) for (const i of [0, 1, 2, 3] as const) sum[i] += table[at]?.[i] ?? 0;
    return sum;
  });
}

export function rateCurve(counts: Counts, kind: CurveKind): RateCurve {
  const points: [number, number][] = [];
  for (const [tp, fp, tn, fn] of counts) {
    const [positives, negatives, selected] = [tp + fn, fp + tn, tp + fp];
    if (positives === 0) continue;
    const recall = tp / positives;
    const share = selected / (positives + negatives);
    if (kind === "roc" && negatives > 0) points.push([fp / negatives, recall]);
    else if (kind === "pr" && selected > 0) points.push([recall, tp / selected]);
    else if (kind === "lift" && share > 0) points.push([share, recall / share]);
    else if (kind === "gain") points.push([share, recall]);
  }
  // Nothing selected, everything selected: the ends that no threshold of the table may have reached.
  if (kind === "roc" || kind === "gain") points.push([0, 0], [1, 1]);
  // At one recall the first threshold that reaches it has the best precision: it is the one that gains the recall.
  points.sort((a, b) => a[0] - b[0] || (kind === "pr" ? b[1] - a[1] : a[1] - b[1]));
  const distinct = points.filter(([x, y], at) => at === 0 || points[at - 1]?.[0] !== x || points[at - 1]?.[1] !== y);
  let area = kind === "roc" || kind === "pr" ? 0 : Number.NaN;
  for (let at = 1; at < distinct.length; at++) {
    const [[x0, y0], [x1, y1]] = [distinct[at - 1] ?? [0, 0], distinct[at] ?? [0, 0]];
    if (kind === "roc") area += (x1 - x0) * ((y0 + y1) / 2);
  }
  // Average precision: recall gained at each threshold, times the precision there.
  if (kind === "pr") {
    let before = 0;
    for (const [recall, precision] of distinct) {
      area += (recall - before) * precision;
      before = recall;
    }
  }
  if (distinct.length < 1) area = Number.NaN;
  return {
    x: Float64Array.from(distinct, ([x]) => x),
    y: Float64Array.from(distinct, ([, y]) => y),
    area,
  };
}

const AXES: Record<CurveKind, [x: string, y: string]> = {
  roc: [t("false positive rate"), t("true positive rate")],
  pr: [t("recall"), t("precision")],
  lift: [t("share of cases"), t("lift")],
  gain: [t("share of cases"), t("share of positives found")],
};

export function rateFigure(
  curves: { run: string; label: string; ink: Ink; dash: number[]; curve: RateCurve; href: string }[],
  kind: CurveKind,
): Figure {
  const highest = new Extent();
  for (const { curve } of curves) highest.add(curve.y);
  const top = kind === "lift" ? Math.max(1.1, (highest.range?.[1] ?? 1) * 1.06) : 1.02;
  const ends = Float64Array.of(0, 1);
  // What a classifier that knows nothing does.
  const chance: Mark[] =
    kind === "pr"
      ? []
      : [
          {
            kind: "line",
            x: ends,
            y: kind === "lift" ? Float64Array.of(1, 1) : ends,
            ink: "soft",
            width: 1,
            dash: [3, 3],
            alpha: 0.7,
          },
        ];
  const percent = (value: number) => formatNumber(value, 4);
  return {
    x: { scale: "linear", range: [0, 1], format: formatCompact, title: AXES[kind][0] },
    y: { scale: "linear", range: [0, top], format: formatCompact, title: AXES[kind][1] },
    marks: [
      ...chance,
      ...curves.map(({ ink, dash, curve }): Mark => ({ kind: "line", x: curve.x, y: curve.y, ink, dash, width: 1.75 })),
    ],
    traces: curves.map(({ run, label, ink, dash, curve, href }): Trace => {
      const area = Number.isNaN(curve.area)
        ? ""
        : ` · ${kind === "roc" ? t("AUC {area}", { area: formatNumber(curve.area, 4) }) : t("AP {area}", { area: formatNumber(curve.area, 4) })}`;
      return { run, label: `${label}${area}`, short: label, ink, dash, x: curve.x, y: curve.y, href: () => href };
    }),
    reads: "x",
    ends: curves.length > 1 ? "names" : null,
    formatX: (at) => `${AXES[kind][0]} ${percent(at)}`,
    formatY: percent,
  };
}

/* --------------------------------------------------------------- residuals */

export interface Histogram {
  /** One more than there are counts. */
  edges: number[];
  counts: number[];
}

/** `bin_edges` and `bin_counts`; lengths that do not match are cut to what does. */
export function histogramOf(json: unknown): Histogram | null {
  const data = payload(json);
  const edges = numbersOf(data["bin_edges"]);
  const counts = numbersOf(data["bin_counts"]);
  const n = Math.min(counts.length, edges.length - 1);
  if (n < 1) return null;
  return { edges: edges.slice(0, n + 1), counts: counts.slice(0, n) };
}

function stairs({ edges, counts }: Histogram): { x: Float64Array; y: Float64Array } {
  const [x, y]: [number[], number[]] = [[edges[0] ?? 0], [0]];
  counts.forEach((count, at) => {
    x.push(edges[at] ?? 0, edges[at + 1] ?? 0);
    y.push(count, count);
  });
  x.push(edges.at(-1) ?? 0);
  y.push(0);
  return { x: Float64Array.from(x), y: Float64Array.from(y) };
}

export function histogramFigure(
  histograms: { run: string; label: string; ink: Ink; histogram: Histogram; href: string }[],
  titleX: string,
): Figure {
  const [xs, ys] = [new Extent(), new Extent().add([0])];
  for (const { histogram } of histograms) {
    xs.add(histogram.edges);
    ys.add(histogram.counts);
  }
  const marks: Mark[] = histograms.flatMap(({ histogram: { edges, counts }, ink }): Mark[] => {
    const bars: Mark = {
      kind: "bars",
      left: Float64Array.from(edges.slice(0, -1)),
      right: Float64Array.from(edges.slice(1)),
      low: new Float64Array(counts.length),
      high: Float64Array.from(counts),
      ink,
      alpha: 0.85,
    };
    // Several on top of each other are told apart by their outlines.
    if (histograms.length < 2) return [bars];
    const { x, y } = stairs({ edges, counts });
    return [
      { kind: "band", x, low: new Float64Array(x.length), high: y, ink, alpha: 0.1 },
      { kind: "line", x, y, ink, width: 1.5 },
    ];
  });
  const [low, high] = xs.range ?? [0, 1];
  if (low < 0 && high > 0) marks.push({ kind: "rule", axis: "x", at: 0, ink: "soft", dash: [3, 3] });
  return {
    x: { scale: "linear", range: [low, high], format: formatCompact, title: titleX },
    y: { scale: "linear", range: [0, (ys.range?.[1] ?? 1) * 1.06 || 1], format: formatCompact, title: t("count") },
    marks,
    traces: histograms.map(({ run, label, ink, histogram: { edges, counts }, href }) => ({
      run,
      label,
      ink,
      dash: [],
      x: Float64Array.from(counts, (_, at) => ((edges[at] ?? 0) + (edges[at + 1] ?? 0)) / 2),
      y: Float64Array.from(counts),
      path: stairs({ edges, counts }),
      note: (row: number) => `${formatNumber(edges[row], 4)} … ${formatNumber(edges[row + 1], 4)}`,
      href: () => href,
    })),
    reads: "x",
    ends: null,
    formatX: (at) => formatNumber(at, 4),
    formatY: (value) => formatNumber(value, 6),
  };
}

/* ------------------------------------------------------------- predictions */

export interface Predictions {
  /** Middle of each bin of true values. */
  x: number[];
  mean: number[];
  error: number[];
  counts: number[];
}

export function predictionsOf(json: unknown): Predictions | null {
  const data = payload(json);
  const mean = numbersOf(data["bin_averages"]);
  const edges = numbersOf(data["bin_edges"]);
  const n = edges.length > 1 ? Math.min(mean.length, edges.length - 1) : mean.length;
  if (n < 1) return null;
  const errors = numbersOf(data["bin_errors"]);
  const counts = numbersOf(data["bin_counts"]);
  return {
    x: Array.from({ length: n }, (_, at) => (edges.length > 1 ? ((edges[at] ?? 0) + (edges[at + 1] ?? 0)) / 2 : at)),
    mean: mean.slice(0, n),
    error: Array.from({ length: n }, (_, at) => errors[at] ?? 0),
    counts: Array.from({ length: n }, (_, at) => counts[at] ?? 0),
  };
}

export function predictionsFigure(
  all: { run: string; label: string; ink: Ink; dash: number[]; predictions: Predictions; href: string }[],
): Figure {
  const extent = new Extent();
  for (const { predictions: p } of all) {
    extent.add(p.x);
    extent.add(p.mean.map((value, at) => value - (p.error[at] ?? 0)));
    extent.add(p.mean.map((value, at) => value + (p.error[at] ?? 0)));
  }
  const range = paddedRange(extent.range, false);
  const ideal: Numbers = Float64Array.of(...range);
  const marks: Mark[] = [{ kind: "line", x: ideal, y: ideal, ink: "soft", width: 1, dash: [4, 3], alpha: 0.8 }];
  const mostCases = Math.max(...all.flatMap(({ predictions: p }) => p.counts), 1);
  for (const { predictions: p, ink } of all.length === 1 ? all : []) {
    // How many cases stand behind each mean, along the foot.
    const half = p.x.length > 1 ? ((p.x[1] ?? 0) - (p.x[0] ?? 0)) / 2.2 : 0.5;
    const foot = (range[1] - range[0]) * 0.18;
    marks.push({
      kind: "bars",
      left: Float64Array.from(p.x, (x) => x - half),
      right: Float64Array.from(p.x, (x) => x + half),
      low: Float64Array.from(p.x, () => range[0]),
      high: Float64Array.from(p.counts, (count) => range[0] + (foot * count) / mostCases),
      ink,
      alpha: 0.22,
    });
  }
  for (const { predictions: p, ink, dash } of all) {
    const [x, y] = [Float64Array.from(p.x), Float64Array.from(p.mean)];
    const low = Float64Array.from(p.mean, (value, at) => value - (p.error[at] ?? 0));
    const high = Float64Array.from(p.mean, (value, at) => value + (p.error[at] ?? 0));
    marks.push({ kind: "line", x, y, ink, dash });
    // Whiskers and dots of several runs would be a thicket.
    if (all.length > 1) marks.push({ kind: "band", x, low, high, ink, alpha: 0.12 });
    else marks.push({ kind: "whiskers", x, low, high, ink }, { kind: "dots", x, y, ink, radius: 3 });
  }
  return {
    x: { scale: "linear", range, format: formatCompact, title: t("true value") },
    y: { scale: "linear", range, format: formatCompact, title: t("predicted value") },
    marks,
    traces: all.map(({ run, label, ink, dash, predictions: p, href }) => ({
      run,
      label,
      ink,
      dash,
      x: Float64Array.from(p.x),
      y: Float64Array.from(p.mean),
      note: (row: number) =>
        [`± ${formatNumber(p.error[row], 3)}`, t("{n} case|{n} cases", { n: p.counts[row] ?? 0 })].join(" · "),
      href: () => href,
    })),
    reads: "x",
    ends: null,
    formatX: (at) => formatNumber(at, 5),
    formatY: (value) => formatNumber(value, 5),
  };
}
