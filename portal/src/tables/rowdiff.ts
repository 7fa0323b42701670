/** How two tables differ, row by row. Pure. */

import type { ParamValue } from "../api/types";

export interface Rows {
  columns: string[];
  rows: ParamValue[][];
}

export interface DiffCell {
  value: ParamValue | undefined;
  /** What it was in the first table, when that is something else. */
  before?: ParamValue | undefined;
}
export interface DiffRow {
  /** `same`, `changed`: in both; `added`, `removed`: in the second, in the first only. */
  state: "same" | "changed" | "added" | "removed";
  cells: DiffCell[];
}
export interface RowDiff {
  columns: string[];
  /** The column by whose values rows belong together; null: by their number. */
  key: string | null;
  rows: DiffRow[];
}

const equal = (a: ParamValue | undefined, b: ParamValue | undefined) => Object.is(a, b) || (a ?? null) === (b ?? null);

/** Rows belong together by their first column if it names each row once in both tables, else by their number. */
export function diffRows(a: Rows, b: Rows): RowDiff {
  const columns = [...new Set([...b.columns, ...a.columns])];
  const key = keyOf(a, b);
  const cell = (table: Rows, row: ParamValue[] | undefined, column: string) => row?.[table.columns.indexOf(column)];
  const id = (table: Rows, row: ParamValue[], at: number) =>
    key === null ? String(at) : String(cell(table, row, key));
  const before = new Map(a.rows.map((row, at) => [id(a, row, at), row]));
  const rows: DiffRow[] = b.rows.map((row, at) => {
    const old = before.get(id(b, row, at));
    before.delete(id(b, row, at));
    const cells = columns.map((column): DiffCell => {
      const [value, was] = [cell(b, row, column), cell(a, old, column)];
      return old === undefined || equal(value, was) ? { value } : { value, before: was ?? null };
    });
    const isChanged = cells.some((one) => "before" in one);
    return { state: old === undefined ? "added" : isChanged ? "changed" : "same", cells };
  });
  for (const row of before.values())
    rows.push({ state: "removed", cells: columns.map((column) => ({ value: cell(a, row, column) })) });
  return { columns, key, rows };
}

function keyOf(a: Rows, b: Rows): string | null {
  const name = b.columns[0];
  const at = name === undefined ? -1 : a.columns.indexOf(name);
  if (name === undefined || at < 0) return null;
  const isUnique = (rows: ParamValue[][], column: number) => {
    const values = rows.map((row) => row[column]);
    return (
      values.every((value) => value !== null && value !== undefined) && new Set(values.map(String)).size === rows.length
    );
  };
  return isUnique(a.rows, at) && isUnique(b.rows, 0) ? name : null;
}
