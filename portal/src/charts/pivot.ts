/** Runs by the values of two fields, and what a third comes to on average: learning rates down, batch sizes across. Pure. */

import type { RunInfo } from "../api/types";
import { formatNumber } from "../ui/format";
import { compareValues, type Field, type FieldValue, fieldValue, formatField } from "./fields";
import { type Centre, type Spread, spreadOver } from "./lines";

export interface PivotCell {
  centre: number;
  low: number;
  high: number;
  /** Ids of the runs it is of. */
  runs: string[];
}
export interface Pivot {
  /** Cells there would be, if they are more than anybody reads: then there are none. */
  excess: number;
  rows: string[];
  /** One without a name when there is no field across. */
  columns: string[];
  /** By row, then by column; null: no run has these values. */
  cells: (PivotCell | null)[][];
  /** Runs that have no number to show. */
  missing: number;
}

const MAX_CELLS = 5_000;

/** `across`: "" for a single column. A run without a value of `down` or `across` stands under `–`. */
export function pivotOf(
  runs: readonly RunInfo[],
  { down, across, value }: { down: Field; across: Field; value: Field },
  { centre, spread }: { centre: Centre; spread: Spread },
): Pivot {
  const placed = runs.flatMap((run) => {
    const number = fieldValue(run, value);
    if (typeof number !== "number") return [];
    return [{ id: run.id, number, row: fieldValue(run, down), column: across === "" ? null : fieldValue(run, across) }];
  });
  const inOrder = (values: FieldValue[]) => [...new Set(values)].sort((a, b) => compareValues([a], [b]));
  const rows = inOrder(placed.map((one) => one.row));
  const columns = inOrder(placed.map((one) => one.column));
  const missing = runs.length - placed.length;
  const n = rows.length * columns.length;
  if (n > MAX_CELLS) return { excess: n, rows: [], columns: [], cells: [], missing };
  const members = new Map<FieldValue, Map<FieldValue, typeof placed>>();
  for (const one of placed) {
    const line = members.get(one.row) ?? new Map<FieldValue, typeof placed>();
    const here = line.get(one.column);
    if (here === undefined) line.set(one.column, [one]);
    else here.push(one);
    members.set(one.row, line);
  }
  const cells = rows.map((row) =>
    columns.map((column) => {
      const here = members.get(row)?.get(column);
      if (here === undefined) return null;
      const found = spreadOver(
        here.map((one) => one.number),
        centre,
        spread,
      );
      return { ...found, runs: here.map((one) => one.id) };
    }),
  );
  const named = (field: Field, one: FieldValue) => (one === null ? "–" : formatField(field, one));
  return {
    excess: 0,
    rows: rows.map((row) => named(down, row)),
    columns: across === "" ? columns.map(() => "") : columns.map((column) => named(across, column)),
    cells,
    missing,
  };
}

/** `0.912 ± 0.003`, as exact as the spread makes sense of; quartiles and ranges as `0.91 (0.905 … 0.92)`. */
export function pivotText({ centre, low, high, runs }: PivotCell, spread: Spread): string {
  if (runs.length < 2 || spread === "none" || !Number.isFinite(centre)) return formatNumber(centre, 4);
  if (spread === "iqr" || spread === "range")
    return `${formatNumber(centre, 4)} (${formatNumber(low, 3)} … ${formatNumber(high, 3)})`;
  const half = (high - low) / 2;
  // Two digits of the spread, and as many decimals of the centre.
  const decimals = half > 0 ? Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(half)))) : null;
  if (decimals === null || Math.abs(centre) >= 1e6) return `${formatNumber(centre, 4)} ± ${formatNumber(half, 2)}`;
  return `${centre.toFixed(decimals)} ± ${half.toFixed(decimals)}`;
}
