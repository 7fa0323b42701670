/** Which columns a runs table has, what stands in them, and how the address spells them. */

import type { ParamValue, RunInfo, RunKeys } from "../api/types";
import { isActive, TEXT } from "../api/types";
import { groupMetrics, keyMetrics, SYSTEM_PREFIX } from "../charts/sections";
import { isSystemTag, OWN_TAGS } from "../ui/edit";
import type { Cell } from "../ui/export";
import { formatTime, formatValue, fractionDigits } from "../ui/format";
import { t } from "../ui/i18n";
import { naturalCompare, naturalSort } from "../ui/natural";

/** An attribute (`status`), or `param:lr`, `tag:model`, `metric:loss` (last value), `metric.min:loss`, `spark:loss` (its curve):
 * also how the address spells it, and the server's order. */
export type ColumnId = string;

export interface Column {
  id: ColumnId;
  /** px; null: as its content needs. */
  width: number | null;
  isPinned: boolean;
}

export const ATTRIBUTES: Record<string, string> = {
  status: t("Status"),
  number: "#",
  experiment: t("Experiment"),
  start: t("Started"),
  end: t("Ended"),
  duration: t("Duration"),
  user: t("User"),
  tags: t("Tags"),
  id: t("Run id"),
  parent: t("Parent"),
  children: t("Child runs"),
  type: t("Type"),
  description: t("Description"),
  error: t("Error"),
};
/** What the server cannot order by. */
const UNORDERED = new Set(["tags", "parent", "children", "type", "description", "error"]);

/** The numbers of a series that a column can show, by the prefix of the column's id. */
export const SUMMARIES = {
  metric: t("last"),
  "metric.min": t("min"),
  "metric.max": t("max"),
  "metric.mean": t("mean"),
} as const;
export type SummaryPrefix = keyof typeof SUMMARIES;

const MAX_PARAMS = 6;
/** Params that people look at first, best first; each is tried against the last part of the name. */
const KEY_PARAMS = [
  /^(lr|learning_rate|alpha|eta)$/,
  /model|arch|backbone/,
  /optim/,
  /batch/,
  /^(depth|layers|width|hidden|dim)/,
  /drop|decay|reg/,
];
const MAX_METRICS = 6;
/** Runs looked at to choose columns and to align decimals: the choice must not cost more than the drawing. */
const SAMPLE = 300;

export function splitId(id: ColumnId): { kind: string; name: string } {
  const at = id.indexOf(":");
  return at < 0 ? { kind: "attribute", name: id } : { kind: id.slice(0, at), name: id.slice(at + 1) };
}

export function isSummary(kind: string): kind is SummaryPrefix {
  return kind in SUMMARIES;
}

export function columnLabel(id: ColumnId): string {
  if (id === "name") return t("Name");
  return ATTRIBUTES[id] ?? splitId(id).name;
}

/** Which number of a metric a column shows, unless it is the last one. */
export function columnNote(id: ColumnId): string {
  const { kind } = splitId(id);
  if (kind === "spark") return t("curve");
  return isSummary(kind) && kind !== "metric" ? SUMMARIES[kind] : "";
}

/** What a column speaks of, where that is not plain from its neighbours. */
export function columnKind(id: ColumnId): string {
  const { kind } = splitId(id);
  if (kind === "attribute") return "";
  return kind === "param" ? t("param") : kind === "tag" ? t("tag") : columnNote(id) || t("metric");
}

/** What the server may order by; null: nothing. */
export function columnOrder(id: ColumnId): string | null {
  if (id.startsWith("spark:")) return `metric:${id.slice(6)}`;
  return UNORDERED.has(id) ? null : id;
}

/** What the filter language calls a column; null: nothing. */
export function columnTerm(id: ColumnId): string | null {
  const { kind, name } = splitId(id);
  if (kind === "attribute") return ["tags", "children", "error"].includes(id) ? null : id;
  const key = /^[\w./-]+$/.test(name) ? name : `\`${name.replaceAll("`", "``")}\``;
  if (kind === "metric" || kind === "spark") return `metrics.${key}`;
  return isSummary(kind) ? `${kind.slice(7)}(metrics.${key})` : `${kind}s.${key}`;
}

// ---------------------------------------------------------------- the address

const escaped = (text: string) =>
  text.replace(/[%,~!]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
const unescaped = (text: string) =>
  text.replace(/%(25|2C|7E|21)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

/** A list of ids as one part of the address; names may hold anything. */
export function encodeIds(ids: readonly string[]): string {
  return ids.map(escaped).join(",");
}
export function decodeIds(text: string): string[] {
  return text
    .split(",")
    .filter((id) => id !== "")
    .map(unescaped);
}

/** Columns as one part of the address: `status,param:lr~140,metric:loss!`, `~` before the width, `!` after what is pinned. */
export function encodeColumns(columns: readonly Column[]): string {
  return columns
    .map(({ id, width, isPinned }) => `${escaped(id)}${width === null ? "" : `~${width}`}${isPinned ? "!" : ""}`)
    .join(",");
}
export function decodeColumns(text: string): Column[] {
  const columns = new Map<ColumnId, Column>();
  for (const part of text.split(",")) {
    const [, id, width, pin] = /^([^~!]+)(?:~(\d+))?(!?)$/.exec(part) ?? [];
    if (id === undefined) continue;
    const column = {
      id: unescaped(id),
      width: width === undefined ? null : clampWidth(Number(width)),
      isPinned: pin === "!",
    };
    if (!columns.has(column.id)) columns.set(column.id, column);
  }
  return [...columns.values()];
}

export const MIN_WIDTH = 56;
export const MAX_WIDTH = 900;
export function clampWidth(width: number): number {
  return Math.round(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, width)));
}

// ---------------------------------------------------------------- order

/** The order after a click on a column: this one alone, its other way on the second click; `isAdded` keeps the others. */
export function nextOrder(order: readonly string[], id: ColumnId, isAdded: boolean): string[] {
  const key = columnOrder(id);
  if (key === null) return [...order];
  // Names read best upwards; of dates and numbers, people look for the newest and the largest first.
  const isUpFirst = ["name", "user", "experiment", "id"].includes(key) || key.startsWith("tag:");
  const first = isUpFirst ? key : `-${key}`;
  const other = isUpFirst ? `-${key}` : key;
  const at = order.findIndex((one) => one === first || one === other);
  if (!isAdded) return [order.length === 1 && order[0] === first ? other : first];
  if (at < 0) return [...order, first];
  // Added a third time, it goes.
  if (order[at] === other) return order.filter((_, i) => i !== at);
  return order.map((one, i) => (i === at ? other : one));
}

export function sortOf(
  order: readonly string[],
  id: ColumnId,
): { way: "ascending" | "descending"; rank: number } | null {
  const key = columnOrder(id);
  const rank = order.findIndex((one) => one === key || one === `-${key}`);
  return key === null || rank < 0 ? null : { way: order[rank] === key ? "ascending" : "descending", rank: rank + 1 };
}

// ---------------------------------------------------------------- choosing

export interface ColumnChoice {
  /** Shown when the user has not chosen. */
  auto: ColumnId[];
  /** Everything there is to choose from. */
  all: ColumnId[];
}

/** Params that differ between the runs come first; then the metrics people look at first. */
export function chooseColumns(runs: readonly RunInfo[], keys: RunKeys, isAllRuns: boolean): ColumnChoice {
  const sample = runs.slice(0, SAMPLE);
  const values = new Map<string, Set<string>>();
  const present = new Map<string, number>();
  for (const run of sample) {
    for (const [name, value] of Object.entries(run.params)) {
      values.set(name, (values.get(name) ?? new Set()).add(String(value)));
      present.set(name, (present.get(name) ?? 0) + 1);
    }
  }
  const isVaried = (name: string) => (values.get(name)?.size ?? 0) > 1;
  const params = naturalSort(new Set([...keys.params, ...values.keys()]), (name) => name);
  const inSample = params.filter((name) => values.has(name));
  // What was tried; else what only some of the runs have; else a few of what they share.
  const varied = inSample.filter(isVaried);
  const differing = varied.length > 0 ? varied : inSample.filter((name) => (present.get(name) ?? 0) < sample.length);
  const rank = (name: string) => {
    const last = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
    const at = KEY_PARAMS.findIndex((word) => word.test(last) || word.test(name.toLowerCase()));
    return at < 0 ? KEY_PARAMS.length : at;
  };
  const isRare = (name: string) => (present.get(name) ?? 0) < sample.length / 3;
  differing.sort((a, b) => Number(isRare(a)) - Number(isRare(b)) || rank(a) - rank(b) || naturalCompare(a, b));
  const chosenParams = (differing.length > 0 ? differing : inSample).slice(0, differing.length > 0 ? MAX_PARAMS : 3);

  const metrics = naturalSort(keys.metrics, (name) => name);
  // Single numbers are results: in a table they count as much as curves.
  const ranked = keyMetrics(
    metrics.map((name) => ({
      name,
      kind: "scalar",
      columns: [{ name: "", isText: false }],
      count: 2,
      description: "",
    })),
    MAX_METRICS,
  ).map((group) => group.name);
  const tags = naturalSort(new Set([...keys.tags, ...sample.flatMap((run) => Object.keys(run.tags))]), (name) => name);
  return {
    auto: [
      "status",
      ...(isAllRuns ? ["experiment"] : []),
      "start",
      "duration",
      ...chosenParams.map((name) => `param:${name}`),
      ...ranked.map((name) => `metric:${name}`),
      ...(new Set(sample.map((run) => run.user)).size > 1 ? ["user"] : []),
      ...(sample.some((run) => shownTags(run).length > 0) ? ["tags"] : []),
    ],
    all: [
      ...Object.keys(ATTRIBUTES),
      ...params.map((name) => `param:${name}`),
      ...tags.filter((name) => !name.startsWith(OWN_TAGS)).map((name) => `tag:${name}`),
      ...metrics.filter((name) => !name.startsWith(SYSTEM_PREFIX)).map((name) => `metric:${name}`),
      ...metrics.filter((name) => name.startsWith(SYSTEM_PREFIX)).map((name) => `metric:${name}`),
    ],
  };
}

/** The names of what runs hold that were fetched whole. */
export function keysOf(runs: readonly RunInfo[]): RunKeys {
  const summaries = runs
    .flatMap((run) => run.metrics)
    .filter((item) => item.column === "" && item.kind === "scalar" && item.dtype !== TEXT);
  return {
    params: [...new Set(runs.flatMap((run) => Object.keys(run.params)))],
    tags: [...new Set(runs.flatMap((run) => Object.keys(run.tags)))],
    metrics: groupMetrics(summaries).map((group) => group.name),
  };
}

/** What must be fetched of a run to fill columns. */
export function neededKeys(ids: readonly ColumnId[]): RunKeys {
  const names = (test: (kind: string) => boolean) => {
    const found = ids.map(splitId).filter(({ kind }) => test(kind));
    return [...new Set(found.map(({ name }) => name))];
  };
  return {
    params: names((kind) => kind === "param"),
    tags: ids.includes("tags") ? ["*"] : names((kind) => kind === "tag"),
    metrics: names((kind) => isSummary(kind) || kind === "spark"),
  };
}

// ---------------------------------------------------------------- cells

export function durationMs(run: RunInfo, nowMs: number): number {
  return (run.end_ms ?? (isActive(run.status) ? nowMs : run.heartbeat_ms || run.start_ms)) - run.start_ms;
}

export function tagText(run: RunInfo): string {
  return shownTags(run)
    .map(([name, value]) => (value === "" ? name : `${name}=${value}`))
    .join(" ");
}

export function shownTags(run: RunInfo): [string, string][] {
  return Object.entries(run.tags).filter(([name]) => !isSystemTag(name));
}

/** The value as data: for export, and for cells that are numbers. */
export function cellValue(run: RunInfo, id: ColumnId, nowMs: number): Cell {
  const { kind, name } = splitId(id);
  if (kind === "param") return run.params[name] ?? null;
  if (kind === "tag") return run.tags[name] ?? null;
  if (isSummary(kind) || kind === "spark") {
    const metric = run.metrics.find((item) => item.name === name && item.column === "");
    if (metric === undefined) return null;
    if (kind === "metric.min") return metric.min;
    if (kind === "metric.max") return metric.max;
    if (kind === "metric.mean") return metric.mean;
    return metric.last ?? metric.last_text;
  }
  switch (id) {
    case "name":
      return run.name;
    case "id":
      return run.id;
    case "status":
      return run.status;
    case "number":
      return run.number;
    case "start":
      return formatTime(run.start_ms);
    case "end":
      return run.end_ms === null ? null : formatTime(run.end_ms);
    case "duration":
      return Math.round(durationMs(run, nowMs) / 100) / 10;
    case "user":
      return run.user === "" ? null : run.user;
    case "experiment":
      return run.experiment;
    case "parent":
      return run.parent_id;
    case "children":
      return run.children === 0 ? null : run.children;
    case "type":
      return run.type === "" ? null : run.type;
    case "description":
      return run.description === "" ? null : run.description;
    case "error":
      return run.error === null ? null : `${run.error.code}: ${run.error.message}`;
    case "tags":
      return tagText(run);
    default:
      return null; // an id of another version, in an old address
  }
}

/** The number of a cell to compare with another: times in ms, durations in s; null for what is no number. */
export function cellNumber(run: RunInfo, id: ColumnId, nowMs: number): number | null {
  if (id === "start") return run.start_ms;
  if (id === "end") return run.end_ms;
  const value = cellValue(run, id, nowMs);
  return typeof value === "number" ? value : null;
}

/** Whether a column stands to the right; a param does if all its values are numbers. */
export function isNumeric(id: ColumnId, runs: readonly RunInfo[]): boolean {
  const { kind, name } = splitId(id);
  if (kind === "param") {
    const values = runs.slice(0, SAMPLE).flatMap((run) => run.params[name] ?? []);
    return values.length > 0 && values.every((value) => typeof value === "number");
  }
  return isSummary(kind) || id === "number" || id === "duration" || id === "children";
}

/** Digits after the point in a column, so that all its numbers align on it. */
export function columnDigits(runs: readonly RunInfo[], id: ColumnId): number {
  return fractionDigits(
    runs.slice(0, SAMPLE).flatMap((run) => {
      const value = cellValue(run, id, 0);
      return typeof value === "number" ? [formatValue(value)] : [];
    }),
  );
}

const FIXED_WIDTHS: Record<string, number> = {
  status: 132,
  number: 60,
  start: 108,
  end: 108,
  duration: 92,
  tags: 220,
  id: 130,
  parent: 130,
  error: 220,
  description: 200,
};
/** Of a digit of the table's font, px. */
const CHAR_PX = 8;

/** A width that the label and nearly all values fit, px. */
export function autoWidth(id: ColumnId, runs: readonly RunInfo[]): number {
  const label = columnLabel(id).length * 6.9 + (columnNote(id) === "" ? 0 : columnNote(id).length * 6 + 8) + 34;
  const fixed = FIXED_WIDTHS[id];
  if (fixed !== undefined) return Math.max(fixed, Math.min(label, 160));
  if (id.startsWith("spark:")) return Math.max(128, Math.min(label, 200));
  const lengths = runs
    .slice(0, 100)
    .map((run) => {
      const value = cellValue(run, id, 0);
      return typeof value === "number" ? formatValue(value).length : String(value ?? "").length;
    })
    .sort((a, b) => a - b);
  const most = lengths[Math.floor(lengths.length * 0.95)] ?? 0;
  return clampWidth(Math.max(76, Math.min(label, 200), Math.min(240, most * CHAR_PX + 26)));
}

/** Whether a column tells how far a run is from a baseline: numbers that were measured. */
export function hasDelta(id: ColumnId): boolean {
  return id === "duration" || isSummary(splitId(id).kind);
}

/** How a value is better: a loss falls, an accuracy rises; null: who knows. */
export function betterWay(id: ColumnId): "lower" | "higher" | null {
  const { kind, name } = splitId(id);
  if (!isSummary(kind)) return id === "duration" ? "lower" : null;
  const last = name.slice(name.lastIndexOf("/") + 1).toLowerCase();
  if (
    /(loss|error|err|mse|mae|rmse|mape|perplexity|ppl|wer|cer|fid|nll|latency|time|_s$|_ms$|seconds|hours|bytes|memory)/.test(
      last,
    )
  )
    return "lower";
  if (
    /(acc|accuracy|f1|auc|auroc|r2|bleu|rouge|reward|score|precision|recall|map|iou|dice|psnr|ssim|throughput|samples_per)/.test(
      last,
    )
  )
    return "higher";
  return null;
}

export type { ParamValue };
