import { expect, test } from "vitest";
import type { ParamValue } from "../api/types";
import { diffRows } from "./rowdiff";

const table = (columns: string[], ...rows: ParamValue[][]) => ({ columns, rows });
const states = (a: ReturnType<typeof table>, b: ReturnType<typeof table>) =>
  diffRows(a, b).rows.map(({ state, cells }) => [state, ...cells.map((cell) => cell.value)]);

test("rows are known by their first column when it tells them apart", () => {
  const before = table(["id", "score"], ["x", 1], ["y", 2], ["z", 3]);
  const after = table(["id", "score"], ["z", 3], ["x", 5], ["new", 0]);

  const { key, rows } = diffRows(before, after);

  expect(key).toBe("id");
  expect(states(before, after)).toEqual([
    ["same", "z", 3],
    ["changed", "x", 5],
    ["added", "new", 0],
    ["removed", "y", 2],
  ]);
  expect(rows[1]?.cells[1]).toEqual({ value: 5, before: 1 });
});

test("without such a column they are known by their number", () => {
  const before = table(["score"], [1], [1]);

  expect(diffRows(before, table(["score"], [1], [2], [3])).key).toBeNull();
  expect(states(before, table(["score"], [1], [2], [3]))).toEqual([
    ["same", 1],
    ["changed", 2],
    ["added", 3],
  ]);
});

test("columns of both are there; NaN is NaN; nothing is not a value", () => {
  const before = table(["id", "old"], [1, Number.NaN]);
  const same = diffRows(before, table(["id", "old"], [1, Number.NaN]));
  const grown = diffRows(before, table(["id", "new"], [1, null]));

  expect(same.rows[0]?.state).toBe("same");
  expect(grown.columns).toEqual(["id", "new", "old"]);
  expect(grown.rows[0]?.cells).toEqual([{ value: 1 }, { value: null }, { value: undefined, before: Number.NaN }]);
});
