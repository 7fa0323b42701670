/** Which charts a set of runs has, in which order and under which heading. */

import type { MetricKind, MetricSummary } from "../api/types";
import { TEXT } from "../api/types";
import { t } from "../ui/i18n";
import { naturalCompare, naturalSort } from "../ui/natural";

export const SYSTEM_PREFIX = "system/";

/** A metric over all runs shown: its columns with what is known of each. */
export interface MetricGroup {
  name: string;
  kind: MetricKind;
  /** In natural order; the order first logged is known to the table route only. */
  columns: { name: string; isText: boolean }[];
  /** Points of the longest column in the run that has most. */
  count: number;
  description: string;
  /** Names of the same metric of other ranks, drawn beside it. */
  ranks?: string[];
}

export interface Section {
  title: string;
  metrics: MetricGroup[];
}

export function groupMetrics(summaries: Iterable<MetricSummary>): MetricGroup[] {
  const groups = new Map<string, MetricGroup>();
  for (const item of summaries) {
    let group = groups.get(item.name);
    if (group === undefined) {
      group = { name: item.name, kind: item.kind, columns: [], count: 0, description: item.description };
      groups.set(item.name, group);
    }
    group.count = Math.max(group.count, item.count);
    const known = group.columns.find((column) => column.name === item.column);
    if (known === undefined) group.columns.push({ name: item.column, isText: item.dtype === TEXT });
    else known.isText ||= item.dtype === TEXT;
  }
  return [...groups.values()];
}

/** How the names of samples of other processes than the first end, of those that execute a run together. */
const RANK = /\/rank\.(\d+)$/;

/** Samples of all ranks as one metric each. */
export function joinRanks(groups: readonly MetricGroup[]): MetricGroup[] {
  const joined = new Map<string, MetricGroup>();
  for (const group of naturalSort(groups, (one) => one.name)) {
    const base = joined.get(group.name.replace(RANK, ""));
    if (base === undefined || !RANK.test(group.name)) joined.set(group.name, group);
    else
      joined.set(base.name, {
        ...base,
        count: Math.max(base.count, group.count),
        ranks: [...(base.ranks ?? []), group.name],
      });
  }
  return [...joined.values()];
}

/** What tells a metric from the others in its chart: its rank, when all are of one kind, or its name. */
export function partLabel(name: string, all: readonly string[]): string {
  if (new Set(all.map((one) => one.replace(RANK, ""))).size > 1) return name;
  return t("rank {n}", { n: RANK.exec(name)?.[1] ?? "0" });
}

/** Whether a point is one number and nothing else. */
export function isPlain(metric: MetricGroup): boolean {
  return metric.kind === "scalar" && metric.columns.every((column) => column.name === "" && !column.isText);
}

/** Everything before the last but one part stays a heading: `train/loss` → `train`; names without a `/` come first. */
export function prefixOf(name: string): string {
  const at = name.indexOf("/");
  return at > 0 && at < name.length - 1 ? name.slice(0, at) : "";
}

export function makeSections(metrics: MetricGroup[]): Section[] {
  const byTitle = new Map<string, MetricGroup[]>();
  for (const metric of metrics) {
    const title = prefixOf(metric.name);
    const section = byTitle.get(title);
    if (section === undefined) byTitle.set(title, [metric]);
    else section.push(metric);
  }
  return naturalSort(byTitle, ([title]) => title).map(([title, list]) => ({
    title,
    metrics: list.sort((a, b) => shape(a) - shape(b) || naturalCompare(a.name, b.name)),
  }));
}

/** Curves first, then tables, then single numbers: cards of one size stand together. */
function shape(metric: MetricGroup): number {
  if (metric.columns.some((column) => column.isText)) return 2;
  if (metric.kind === "scalar" && metric.count === 1) return 3;
  return metric.kind === "row" || metric.kind === "table" ? 1 : 0;
}

// What people look at first, best first; each is tried against the last part of the name, then against all of it.
const KEY_WORDS = [
  /^loss$/,
  /loss/,
  /^(acc|accuracy)$/,
  /acc/,
  /^(f1|auc|r2|bleu|rouge|wer|mae|mse|rmse|reward|score|perplexity|ppl)$/,
  /(mse|mae|score|reward)/,
  /^(lr|learning_rate)$/,
];
const VALIDATION = /(^|[/_.-])(val|valid|validation|eval|test|dev)([/_.-]|$)/i;

/** The curves worth showing first. */
export function keyMetrics(metrics: MetricGroup[], limit: number): MetricGroup[] {
  const rank = (metric: MetricGroup) => {
    const name = metric.name.toLowerCase();
    const last = name.slice(name.lastIndexOf("/") + 1);
    const at = KEY_WORDS.findIndex((word) => word.test(last));
    const whole = KEY_WORDS.findIndex((word) => word.test(name));
    const word = at >= 0 ? at : whole >= 0 ? whole + KEY_WORDS.length : 2 * KEY_WORDS.length;
    return 2 * word + (VALIDATION.test(name) ? 1 : 0);
  };
  const curves = metrics.filter(
    (metric) =>
      (metric.kind === "scalar" || metric.kind === "list") &&
      metric.count > 1 &&
      !metric.name.startsWith(SYSTEM_PREFIX) &&
      metric.columns.every((column) => !column.isText),
  );
  return curves.sort((a, b) => rank(a) - rank(b) || naturalCompare(a.name, b.name)).slice(0, limit);
}
