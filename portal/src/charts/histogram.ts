/** How often which values occur, and how that changes over steps. Pure. */

import type { ParamValue } from "../api/types";
import { formatCompact, formatNumber } from "../ui/format";
import { t } from "../ui/i18n";
import { Extent, type Figure, type Ink } from "./figure";
import type { Histogram } from "./json";
import { quantile } from "./lines";

const MIN_BINS = 5;
const MAX_BINS = 40;

/** Bins of equal width, as many as the rule of Freedman and Diaconis says; null for no numbers. */
export function binned(values: number[]): Histogram | null {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const [low, high] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined) return null;
  if (low === high) return { edges: [low - 0.5, low + 0.5], counts: [sorted.length] };
  const spread = quantile(sorted, 0.75) - quantile(sorted, 0.25);
  const width = (2 * spread) / Math.cbrt(sorted.length);
  const wanted = width > 0 ? Math.ceil((high - low) / width) : MIN_BINS;
  const n = Math.max(MIN_BINS, Math.min(MAX_BINS, wanted));
  const edges = Array.from({ length: n + 1 }, (_, at) => low + ((high - low) * at) / n);
  const counts = new Array<number>(n).fill(0);
  for (const value of sorted) {
    const at = Math.min(n - 1, Math.floor(((value - low) / (high - low)) * n));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return { edges, counts };
}

/** Columns of a table metric that holds histograms, one row a bin: what `Run.log_histogram` records. */
export const HISTOGRAM_COLUMNS = ["step", "bin_start", "bin_end", "count"] as const;

export function holdsHistograms(columns: readonly string[]): boolean {
  return columns.length === HISTOGRAM_COLUMNS.length && HISTOGRAM_COLUMNS.every((name) => columns.includes(name));
}

export interface SteppedHistogram extends Histogram {
  step: number;
}

/** The histograms of such a table, ascending by step; of equal steps the last one. */
export function histogramsOf(columns: readonly string[], rows: ParamValue[][]): SteppedHistogram[] {
  const [step, start, end, count] = HISTOGRAM_COLUMNS.map((name) => columns.indexOf(name)) as [
    number,
    number,
    number,
    number,
  ];
  const found = new Map<number, SteppedHistogram>();
  let open: SteppedHistogram | null = null;
  for (const row of rows) {
    const [at, low, high, n] = [row[step], row[start], row[end], row[count]].map(Number) as [
      number,
      number,
      number,
      number,
    ];
    // A histogram's rows follow each other; the same step again, from its first bin, is a new one.
    if (open === null || open.step !== at || low < (open.edges.at(-1) ?? low)) {
      open = { step: at, edges: [low], counts: [] };
      found.set(at, open);
    }
    open.edges.push(high);
    open.counts.push(n);
  }
  return [...found.values()].sort((a, b) => a.step - b.step);
}

/** Histograms of all steps as a map: steps to the right, values upwards, the depth of colour says how many. */
export function heatFigure(histograms: SteppedHistogram[], shade: (share: number) => Ink): Figure {
  const values = new Extent();
  for (const one of histograms) values.add(one.edges);
  const steps = histograms.map((one) => one.step);
  const [left, right, low, high]: number[][] = [[], [], [], []];
  const inks: Ink[] = [];
  const cells: { at: number; bin: number }[] = [];
  histograms.forEach((one, at) => {
    const before = steps[at - 1] ?? one.step - ((steps[at + 1] ?? one.step + 1) - one.step);
    const after = steps[at + 1] ?? one.step + (one.step - (steps[at - 1] ?? one.step - 1));
    // Shares, so that steps with more values do not outshine others; per width, since bins may differ.
    const total = one.counts.reduce((sum, count) => sum + count, 0) || 1;
    const density = one.counts.map(
      (count, bin) => count / total / ((one.edges[bin + 1] ?? 0) - (one.edges[bin] ?? 0) || 1),
    );
    const most = Math.max(...density, Number.MIN_VALUE);
    one.counts.forEach((count, bin) => {
      if (count === 0) return;
      left?.push((before + one.step) / 2);
      right?.push((one.step + after) / 2);
      low?.push(one.edges[bin] ?? 0);
      high?.push(one.edges[bin + 1] ?? 0);
      inks.push(shade((density[bin] ?? 0) / most));
      cells.push({ at, bin });
    });
  });
  const column = (list: number[] | undefined) => Float64Array.from(list ?? []);
  const [l, r, b, h] = [column(left), column(right), column(low), column(high)];
  const xs = new Extent().add(l).add(r).range ?? [0, 1];
  return {
    x: { scale: "linear", range: xs, format: formatCompact, title: t("step") },
    y: { scale: "linear", range: values.range ?? [0, 1], format: formatCompact },
    marks: [{ kind: "bars", left: l, right: r, low: b, high: h, ink: inks }],
    traces: [
      {
        run: "",
        label: t("Bin"),
        ink: "accent",
        dash: [],
        x: l.map((value, at) => (value + (r[at] ?? value)) / 2),
        y: b.map((value, at) => (value + (h[at] ?? value)) / 2),
        facts: (row) => {
          const cell = cells[row];
          const one = cell === undefined ? undefined : histograms[cell.at];
          return cell === undefined || one === undefined
            ? []
            : [
                [t("step"), String(one.step)],
                [t("values"), `${formatNumber(one.edges[cell.bin], 4)} … ${formatNumber(one.edges[cell.bin + 1], 4)}`],
                [t("count"), formatNumber(one.counts[cell.bin], 7)],
              ];
        },
      },
    ],
    reads: "xy",
    ends: null,
    formatX: (at) => formatNumber(at, 6),
    formatY: (value) => formatNumber(value, 4),
  };
}
