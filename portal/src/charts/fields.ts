/** What a run is known by in one value: a field, spelled as a column of the runs table is: `param:lr`, `metric:loss`, `start` … */

import { isActive, type ParamValue, type RunInfo, TEXT } from "../api/types";
import { formatDuration, formatTime, formatValue } from "../ui/format";
import { t } from "../ui/i18n";
import { naturalCompare, naturalSort } from "../ui/natural";
import { runStyle, scaleColour, styleAt } from "./colours";
import { Extent, type Ink } from "./figure";
import { SYSTEM_PREFIX } from "./sections";
import type { RunRef } from "./view.svelte";

export type Field = string;
export type FieldValue = number | string | null;

const FIXED: Record<string, string> = {
  start: t("Started"),
  duration: t("Duration"),
  number: t("Number"),
  status: t("Status"),
  experiment: t("Experiment"),
  user: t("User"),
};
const NUMBERS: Record<string, "last" | "min" | "max" | "mean"> = {
  metric: "last",
  "metric.min": "min",
  "metric.max": "max",
  "metric.mean": "mean",
};

function parts(field: Field): [kind: string, name: string] {
  const at = field.indexOf(":");
  return at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
}

/** `param:lr` → lr, `metric.min:loss` → loss (min) */
export function fieldLabel(field: Field): string {
  const [kind, name] = parts(field);
  if (name === "") return FIXED[kind] ?? kind;
  const number = NUMBERS[kind];
  return number === undefined || number === "last" ? name : `${name} (${number})`;
}

export function fieldValue(run: RunInfo, field: Field): FieldValue {
  const [kind, name] = parts(field);
  const number = NUMBERS[kind];
  if (number !== undefined)
    return run.metrics.find((item) => item.name === name && item.column === "")?.[number] ?? null;
  switch (kind) {
    case "param": {
      const value = run.params[name];
      return typeof value === "boolean" ? String(value) : (value ?? null);
    }
    case "tag":
      return run.tags[name] ?? null;
    case "start":
      return run.start_ms;
    case "duration":
      return ((run.end_ms ?? run.heartbeat_ms) || run.start_ms) - run.start_ms;
    case "number":
      return run.number;
    case "status":
      return run.status;
    case "experiment":
      return run.experiment;
    case "user":
      return run.user;
    default:
      return null;
  }
}

export function formatField(field: Field, value: FieldValue): string {
  if (field === "start" && typeof value === "number") return formatTime(value);
  if (field === "duration" && typeof value === "number") return formatDuration(value);
  return formatValue(value);
}

/** Fields there are for these runs, those first whose values differ. */
export function fieldsOf(runs: RunInfo[]): { params: Field[]; tags: Field[]; metrics: Field[] } {
  const of = (names: Iterable<string>, kind: string) =>
    naturalSort(new Set(names), (name) => name).map((name) => `${kind}:${name}`);
  const differs = (field: Field) => Number(new Set(runs.map((run) => fieldValue(run, field))).size > 1);
  const params = of(
    runs.flatMap((run) => Object.keys(run.params)),
    "param",
  );
  const metrics = of(
    runs.flatMap((run) =>
      run.metrics
        .filter((item) => item.column === "" && item.dtype !== TEXT && !item.name.startsWith(SYSTEM_PREFIX))
        .map((item) => item.name),
    ),
    "metric",
  );
  return {
    params: params.sort((a, b) => differs(b) - differs(a)),
    tags: of(
      runs.flatMap((run) => Object.keys(run.tags)),
      "tag",
    ),
    metrics,
  };
}

/** Fields by which several of the runs belong together. */
export function groupingsOf(runs: RunInfo[]): { value: Field; label: string }[] {
  if (runs.length < 2) return [];
  const { params, tags } = fieldsOf(runs);
  const fields = [...params, ...tags, ...(new Set(runs.map((run) => run.experiment)).size > 1 ? ["experiment"] : [])];
  return fields
    .filter((field) => new Set(runs.map((run) => fieldValue(run, field))).size > 1)
    .map((value) => ({ value, label: fieldLabel(value) }));
}

/** Where more go on than this, none of them stands out. */
const MAX_ACTIVE = 12;

/** Runs as charts see them: name, colour, group. */
export function refsOf(
  runs: RunInfo[],
  view: { groups: readonly Field[]; colour: Field; marked?: readonly string[] },
  isDark: boolean,
): RunRef[] {
  const inks = view.colour === "" ? null : coloursBy(runs, view.colour, isDark);
  const values = runs.map((run) => view.groups.map((field) => fieldValue(run, field)));
  const groups = values.map((given) => (view.groups.length === 0 ? null : groupLabel(view.groups, given)));
  const byName = new Map(groups.map((group, at) => [group, values[at] ?? []]));
  const names = [...byName].sort(([, a], [, b]) => compareValues(a, b)).map(([group]) => group);
  const places = new Map(names.map((name, at) => [name, at]));
  const marked = new Set(view.marked);
  const active = runs.filter((run) => isActive(run.status));
  if (active.length <= MAX_ACTIVE) for (const run of active) marked.add(run.id);
  return runs.map((run, at) => {
    const style = runStyle(run);
    const group = groups[at] ?? null;
    return {
      id: run.id,
      label: run.name,
      ink: inks?.[at] ?? style.hue,
      dash: inks === null ? style.dash : [],
      group,
      groupAt: places.get(group) ?? -1,
      href: `/runs/${encodeURIComponent(run.id)}`,
      isMarked: marked.has(run.id),
    };
  });
}

/** `lr=0.1`; of several fields the values are enough: `resnet34 · adamw`. */
export function groupLabel(fields: readonly Field[], values: readonly ParamValue[]): string {
  const texts = fields.map((field, at) => {
    const value = values[at] ?? null;
    return value === null ? "–" : formatField(field, typeof value === "boolean" ? String(value) : value);
  });
  return fields.length === 1 ? `${fieldLabel(fields[0] ?? "")}=${texts[0]}` : texts.join(" · ");
}

function asNumber(value: number | string): number | null {
  const number = typeof value === "string" && value.trim() === "" ? Number.NaN : Number(value);
  return Number.isNaN(number) ? null : number;
}

/** Groups in the order of their first value, then of the next: numbers as numbers, words naturally, missing ones last. */
export function compareValues(a: readonly FieldValue[], b: readonly FieldValue[]): number {
  for (let at = 0; at < a.length; at++) {
    const [one, other] = [a[at] ?? null, b[at] ?? null];
    if (one === other) continue;
    if (one === null || other === null) return one === null ? 1 : -1;
    const [low, high] = [asNumber(one), asNumber(other)]; // MLflow's params are text, numbers among them
    const way = low !== null && high !== null ? low - high : naturalCompare(String(one), String(other));
    if (way !== 0) return way;
  }
  return 0;
}

/** Numbers along an ordered scale, by their logarithm when they span decades; words each with a hue. */
export function coloursBy(runs: RunInfo[], field: Field, isDark: boolean): Ink[] {
  const values = runs.map((run) => fieldValue(run, field));
  const numbers = values.filter((value) => typeof value === "number" && Number.isFinite(value)) as number[];
  if (numbers.length < values.filter((value) => value !== null).length) {
    const words = [...new Set(values.map(String))].sort(naturalCompare);
    return values.map((value) => (value === null ? "soft" : styleAt(words.indexOf(String(value))).hue));
  }
  const place = placing(numbers);
  return values.map((value) => (typeof value === "number" ? scaleColour(place(value), isDark) : "soft"));
}

/** Where a number lies between the least and the greatest, 0 … 1. */
export function placing(numbers: number[]): (value: number) => number {
  const range = new Extent().add(numbers).range ?? [0, 1];
  const isLog = spansDecades(range);
  const scale = (value: number) => (isLog ? Math.log(value) : value);
  const [low, high] = [scale(range[0]), scale(range[1])];
  return (value) => (high > low ? (scale(value) - low) / (high - low) : 0.5);
}

/** Whether positive values are better told apart by their logarithms. */
export function spansDecades([low, high]: [number, number]): boolean {
  return low > 0 && high / low >= 20;
}
