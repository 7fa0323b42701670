/** Which columns a runs table has and what stands in them. */

import type { RunInfo } from "../api/types";
import { isActive, TEXT } from "../api/types";
import { groupMetrics, keyMetrics, SYSTEM_PREFIX } from "../charts/sections";
import type { Cell } from "../ui/export";
import { formatIso, formatValue, fractionDigits } from "../ui/format";
import { t } from "../ui/i18n";
import { naturalSort } from "../ui/natural";

/** `param:lr`, `metric:loss`, `tag:model`, or one of the fixed names: also how the address and the server's order spell it. */
export type ColumnId = string;

export const FIXED: Record<string, string> = {
  status: t("Status"),
  number: "#",
  start: t("Started"),
  duration: t("Duration"),
  user: t("User"),
  experiment: t("Experiment"),
  tags: t("Tags"),
};
const MAX_PARAMS = 5;
const MAX_METRICS = 6;
/** Runs looked at to choose columns and to align decimals: the choice must not cost more than the drawing. */
const SAMPLE = 300;

/** Columns as one part of the address; names may hold commas. */
export function encodeColumns(ids: ColumnId[]): string {
  return ids.map((id) => id.replaceAll("%", "%25").replaceAll(",", "%2C")).join(",");
}
export function decodeColumns(text: string): ColumnId[] {
  return text
    .split(",")
    .filter((id) => id !== "")
    .map((id) => id.replaceAll("%2C", ",").replaceAll("%25", "%"));
}

export function columnLabel(id: ColumnId): string {
  return FIXED[id] ?? id.slice(id.indexOf(":") + 1);
}

/** What the server may order by; null: nothing. */
export function columnOrder(id: ColumnId): string | null {
  return id === "tags" ? null : id;
}

/** Whether a column stands to the right; a param does if all its values are numbers. */
export function isNumeric(id: ColumnId, runs: RunInfo[]): boolean {
  if (id.startsWith("param:")) {
    const values = runs.slice(0, SAMPLE).flatMap((run) => run.params[id.slice(6)] ?? []);
    return values.length > 0 && values.every((value) => typeof value === "number");
  }
  return id.startsWith("metric:") || id === "number" || id === "duration";
}

export interface ColumnChoice {
  /** Shown when the user has not chosen. */
  auto: ColumnId[];
  /** Everything there is to choose from. */
  all: ColumnId[];
}

/** Params that differ between the runs come first; then the metrics people look at first. */
export function chooseColumns(runs: RunInfo[], isAllRuns: boolean): ColumnChoice {
  const sample = runs.slice(0, SAMPLE);
  const values = new Map<string, Set<string>>();
  const present = new Map<string, number>();
  for (const run of sample) {
    for (const [name, value] of Object.entries(run.params)) {
      values.set(name, (values.get(name) ?? new Set()).add(String(value)));
      present.set(name, (present.get(name) ?? 0) + 1);
    }
  }
  const differs = (name: string) => (values.get(name)?.size ?? 0) > 1 || (present.get(name) ?? 0) < sample.length;
  const params = naturalSort(values.keys(), (name) => name);
  params.sort((a, b) => Number(differs(b)) - Number(differs(a)));

  const summaries = sample
    .flatMap((run) => run.metrics)
    .filter((item) => item.column === "" && item.kind === "scalar" && item.dtype !== TEXT);
  const groups = groupMetrics(summaries);
  const names = naturalSort(
    groups.map((group) => group.name),
    (name) => name,
  );
  // Single numbers are results: in a table they count as much as curves.
  const ranked = keyMetrics(
    groups.map((group) => ({ ...group, count: 2 })),
    MAX_METRICS,
  ).map((group) => group.name);

  const chosenParams = params.filter(differs).slice(0, MAX_PARAMS);
  return {
    auto: [
      "status",
      ...(isAllRuns ? ["experiment"] : []),
      "start",
      "duration",
      ...(chosenParams.length > 0 ? chosenParams : params.slice(0, 3)).map((name) => `param:${name}`),
      ...ranked.map((name) => `metric:${name}`),
      ...(new Set(sample.map((run) => run.user)).size > 1 ? ["user"] : []),
      ...(sample.some((run) => Object.keys(run.tags).length > 0) ? ["tags"] : []),
    ],
    all: [
      ...Object.keys(FIXED),
      ...params.map((name) => `param:${name}`),
      ...naturalSort(new Set(sample.flatMap((run) => Object.keys(run.tags))), (name) => name).map(
        (name) => `tag:${name}`,
      ),
      ...names.filter((name) => !name.startsWith(SYSTEM_PREFIX)).map((name) => `metric:${name}`),
      ...names.filter((name) => name.startsWith(SYSTEM_PREFIX)).map((name) => `metric:${name}`),
    ],
  };
}

export function durationMs(run: RunInfo, nowMs: number): number {
  return (run.end_ms ?? (isActive(run.status) ? nowMs : run.heartbeat_ms || run.start_ms)) - run.start_ms;
}

/** The value as data: for export, and for cells that are numbers. */
export function cellValue(run: RunInfo, id: ColumnId, nowMs: number): Cell {
  if (id.startsWith("param:")) return run.params[id.slice(6)] ?? null;
  if (id.startsWith("tag:")) return run.tags[id.slice(4)] ?? null;
  if (id.startsWith("metric:")) {
    const name = id.slice(7);
    const metric = run.metrics.find((item) => item.name === name && item.column === "");
    return metric === undefined ? null : (metric.last ?? metric.last_text);
  }
  switch (id) {
    case "status":
      return run.status;
    case "number":
      return run.number;
    case "start":
      return formatIso(run.start_ms);
    case "duration":
      return Math.round(durationMs(run, nowMs) / 100) / 10;
    case "user":
      return run.user;
    case "experiment":
      return run.experiment;
    default:
      return Object.entries(run.tags)
        .map(([name, value]) => (value === "" ? name : `${name}=${value}`))
        .join(" ");
  }
}

/** Digits after the point in a column, so that all its numbers align on it. */
export function columnDigits(runs: RunInfo[], id: ColumnId): number {
  return fractionDigits(
    runs.slice(0, SAMPLE).flatMap((run) => {
      const value = cellValue(run, id, 0);
      return typeof value === "number" ? [formatValue(value)] : [];
    }),
  );
}
