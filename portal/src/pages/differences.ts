/** In what runs differ: params, results, tags, code, environment, data, each as rows of one value a run. Pure. */

import { type Json, type RunInfo, TEXT } from "../api/types";
import { SYSTEM_PREFIX } from "../charts/sections";
import { formatValue } from "../ui/format";
import { t } from "../ui/i18n";
import { naturalSort } from "../ui/natural";

export const TOPICS = ["params", "results", "tags", "code", "environment", "packages", "data", "run"] as const;
export type Topic = (typeof TOPICS)[number];
export const TOPIC_NAMES: Record<Topic, string> = {
  params: t("Params"),
  results: t("Results"),
  tags: t("Tags"),
  code: t("Code"),
  environment: t("Environment"),
  packages: t("Packages"),
  data: t("Data"),
  run: t("Run"),
};

export type DifferenceValue = string | number | boolean | null | undefined;
export interface DifferenceRow {
  topic: Topic;
  name: string;
  /** One for each run; undefined: the run has no such thing. */
  values: DifferenceValue[];
  differs: boolean;
}

/** What says nothing about how a run came out: it is another for each process. */
const NOISE = new Set(["host.pid"]);
/** Parts of the captured circumstances that speak of code; the rest is environment. */
const CODE = new Set(["git", "command"]);
/** Long or drawn elsewhere. */
const HIDDEN = new Set(["git.diff", "git.diff_is_cut", "git.root"]);

/** Rows by topic, those that differ first, then by name. */
export function differences(runs: readonly RunInfo[]): DifferenceRow[] {
  const rows: DifferenceRow[] = [];
  const add = (topic: Topic, of: (run: RunInfo) => ReadonlyMap<string, DifferenceValue>) => {
    const maps = runs.map(of);
    const names = naturalSort(new Set(maps.flatMap((map) => [...map.keys()])), (name) => name);
    const found = names.map((name) => {
      const values = maps.map((map) => map.get(name));
      return { topic, name, values, differs: values.some((value) => !Object.is(value, values[0])) };
    });
    rows.push(...found.filter((row) => row.differs), ...found.filter((row) => !row.differs));
  };
  add("params", (run) => new Map(Object.entries(run.params)));
  add("results", results);
  add("tags", (run) => new Map(Object.entries(run.tags)));
  add("code", (run) => circumstances(run, (key) => CODE.has(key)));
  add("environment", (run) => circumstances(run, isEnvironment));
  add("packages", (run) => circumstances(run, (key) => key === "packages"));
  add("data", (run) => new Map(run.datasets.map((one) => [one.name, one.digest || one.source])));
  add(
    "run",
    (run) =>
      new Map<string, DifferenceValue>([
        ["status", run.status],
        ["user", run.user],
        ["type", run.type],
      ]),
  );
  return rows;
}

/** Topics of which one run recorded nothing at all: that the other has them, says nothing of a change. */
export function uncaptured(runs: readonly RunInfo[]): Topic[] {
  const topics: [Topic, (key: string) => boolean][] = [
    ["code", (key) => CODE.has(key)],
    ["environment", isEnvironment],
    ["packages", (key) => key === "packages"],
  ];
  return topics
    .filter(([, isWanted]) => {
      const have = runs.filter((run) => Object.keys(run.info).some(isWanted)).length;
      return have > 0 && have < runs.length;
    })
    .map(([topic]) => topic);
}

function isEnvironment(key: string): boolean {
  return !CODE.has(key) && key !== "packages" && key !== "recorder";
}

function results(run: RunInfo): ReadonlyMap<string, DifferenceValue> {
  return new Map(
    run.metrics
      .filter(
        (item) =>
          item.column === "" &&
          (item.kind === "scalar" || item.kind === "list") &&
          item.dtype !== TEXT &&
          !item.name.startsWith(SYSTEM_PREFIX),
      )
      .map((item) => [item.name, item.last ?? item.last_text]),
  );
}

function circumstances(run: RunInfo, isWanted: (topic: string) => boolean): ReadonlyMap<string, DifferenceValue> {
  const found = new Map<string, DifferenceValue>();
  for (const [topic, value] of Object.entries(run.info)) {
    if (!isWanted(topic)) continue;
    // Packages stand for themselves: their topic would be said twice.
    flatten(topic === "packages" ? "" : topic, value, found);
  }
  return found;
}

function flatten(path: string, value: Json, into: Map<string, DifferenceValue>): void {
  if (NOISE.has(path) || HIDDEN.has(path)) return;
  if (Array.isArray(value)) {
    const isPlain = value.every((item) => typeof item !== "object" || item === null);
    into.set(path, isPlain ? value.map(String).join(" ") : JSON.stringify(value));
  } else if (typeof value === "object" && value !== null) {
    for (const [name, inner] of Object.entries(value)) flatten(path === "" ? name : `${path}.${name}`, inner, into);
  } else into.set(path, value);
}

/** How much better `value` is than the baseline's, as numbers; null: not comparable. */
export function delta(value: DifferenceValue, baseline: DifferenceValue): number | null {
  if (typeof value !== "number" || typeof baseline !== "number" || value === baseline) return null;
  const difference = value - baseline;
  return Number.isFinite(difference) ? difference : null;
}

/** A row as a search reads it. */
export function textOf(row: DifferenceRow): string {
  return `${row.name} ${row.values.map((value) => formatValue(value)).join(" ")}`;
}
