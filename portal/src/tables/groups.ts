/** How groups of runs are named and their numbers told. */

import type { ParamValue, RunGroup, Spread } from "../api/types";
import { formatFixed, formatNumber, formatValue } from "../ui/format";
import { naturalCompare } from "../ui/natural";
import { type ColumnId, columnLabel, splitId } from "./columns";

export type SpreadKind = "std" | "sem" | "range";

/** What mean and spread of a metric need beside each other, px. */
export const SPREAD_PX: Record<SpreadKind, number> = { std: 136, sem: 136, range: 184 };

/** A group's values with their names: "lr 0.1 · optimizer sgd". */
export function groupTitle(group: RunGroup, by: readonly ColumnId[]): { label: string; value: string }[] {
  return by.map((id, at) => ({ label: columnLabel(id), value: groupValue(group.values[at] ?? null) }));
}

/** How a group is called: its values, in the order of what it is grouped by. */
export function groupKey(group: RunGroup): string {
  return JSON.stringify(group.values);
}

export function groupValue(value: ParamValue): string {
  return value === "" ? "“”" : formatValue(value);
}

/** Half of the spread around the mean; null for a single run and for a range. */
export function spreadOf(spread: Spread, kind: SpreadKind): number | null {
  if (spread.std === null || spread.std === undefined || kind === "range") return null;
  return kind === "std" ? spread.std : spread.std / Math.sqrt(spread.n);
}

/** Mean and spread, both to the place that the spread makes sense of: 0.412 ± 0.031. */
export function spreadText(spread: Spread, kind: SpreadKind): { mean: string; spread: string } {
  if (kind === "range" && spread.n > 1)
    return {
      mean: formatNumber(spread.mean, 4),
      spread: `${formatNumber(spread.min, 3)} … ${formatNumber(spread.max, 3)}`,
    };
  const half = spreadOf(spread, kind);
  if (half === null) return { mean: formatNumber(spread.mean), spread: "" };
  if (half === 0) return { mean: formatNumber(spread.mean), spread: "± 0" };
  // Two digits of the spread; the mean has as many places.
  const places = Math.max(0, 1 - Math.floor(Math.log10(half)));
  const isPlain = places <= 8 && Math.abs(spread.mean) < 1e6 && Math.abs(spread.mean) >= 1e-4;
  if (!isPlain) return { mean: formatNumber(spread.mean, 4), spread: `± ${formatNumber(half, 2)}` };
  return {
    mean: formatFixed(spread.mean, places),
    spread: `± ${formatFixed(half, places)}`,
  };
}

/** Groups in the order of a table: by the mean of a metric, by how many runs they have, by their values. Missing values come last. */
export function sortGroups(groups: readonly RunGroup[], by: readonly ColumnId[], order: readonly string[]): RunGroup[] {
  const keys = order.flatMap((one) => {
    const isDown = one.startsWith("-");
    const id = isDown ? one.slice(1) : one;
    const of = sortValue(id, by);
    return of === null ? [] : [{ of, isDown }];
  });
  const compare = (a: ParamValue, b: ParamValue, isDown: boolean) => {
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const way = typeof a === "number" && typeof b === "number" ? a - b : naturalCompare(String(a), String(b));
    return isDown ? -way : way;
  };
  return [...groups].sort((a, b) => {
    for (const { of, isDown } of keys) {
      const way = compare(of(a), of(b), isDown);
      if (way !== 0) return way;
    }
    for (let at = 0; at < by.length; at++) {
      const way = compare(a.values[at] ?? null, b.values[at] ?? null, false);
      if (way !== 0) return way;
    }
    return 0;
  });
}

function sortValue(id: string, by: readonly ColumnId[]): ((group: RunGroup) => ParamValue) | null {
  const at = by.indexOf(id);
  if (at >= 0) return (group) => group.values[at] ?? null;
  const { kind } = splitId(id);
  if (kind.startsWith("metric")) return (group) => group.spreads[id]?.mean ?? null;
  if (kind === "param" || kind === "tag") return (group) => group.common[id]?.value ?? null;
  if (id === "name") return (group) => group.runs;
  if (id === "start") return (group) => group.last_start_ms;
  return null;
}
