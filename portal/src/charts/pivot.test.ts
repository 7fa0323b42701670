import { expect, test } from "vitest";
import type { RunInfo } from "../api/types";
import { type PivotCell, pivotOf, pivotText } from "./pivot";

function run(id: string, params: Record<string, string | number>, loss: number | null): RunInfo {
  const metrics = loss === null ? [] : [{ name: "loss", column: "", last: loss }];
  return { id, params, tags: {}, metrics } as unknown as RunInfo;
}
const RUNS = [
  run("a", { lr: 0.1, model: "net-10" }, 1),
  run("b", { lr: 0.01, model: "net-2" }, 2),
  run("c", { lr: 0.1, model: "net-10" }, 3),
  run("d", { lr: 0.001, model: "net-2" }, 4),
  run("e", { model: "net-2" }, 5),
  run("f", { lr: 0.1, model: "net-2" }, null),
];
const FIELDS = { down: "param:lr", across: "param:model", value: "metric:loss" };
const LOOK = { centre: "mean", spread: "std" } as const;

test("values stand in their order, runs of the same values together, what is not there is left empty", () => {
  const pivot = pivotOf(RUNS, FIELDS, LOOK);

  expect(pivot.rows).toEqual(["0.001", "0.01", "0.1", "–"]);
  expect(pivot.columns).toEqual(["net-2", "net-10"]);
  expect(pivot.cells.map((row) => row.map((cell) => cell?.runs ?? null))).toEqual([
    [["d"], null],
    [["b"], null],
    [null, ["a", "c"]],
    [["e"], null],
  ]);
  expect(pivot.cells[2]?.[1]).toMatchObject({ centre: 2, low: 2 - Math.SQRT2, high: 2 + Math.SQRT2 });
  expect(pivot.missing).toBe(1);
});

test("without a field across there is one column", () => {
  const pivot = pivotOf(RUNS, { ...FIELDS, across: "" }, LOOK);

  expect(pivot.columns).toEqual([""]);
  expect(pivot.cells.map(([cell]) => cell?.centre)).toEqual([4, 2, 2, 5]);
});

test("no run has a number: nothing to show", () => {
  expect(pivotOf(RUNS, { ...FIELDS, value: "metric:none" }, LOOK)).toEqual({
    excess: 0,
    rows: [],
    columns: [],
    cells: [],
    missing: 6,
  });
});

test("two fields that tell every run apart make no table of a million cells", () => {
  const runs = Array.from({ length: 100 }, (_, at) => run(String(at), { lr: at, model: `net-${at}` }, at));

  expect(pivotOf(runs, FIELDS, LOOK)).toEqual({ excess: 10_000, rows: [], columns: [], cells: [], missing: 0 });
});

test.each<[string, Partial<PivotCell>, Parameters<typeof pivotText>[1], string]>([
  ["as exact as the spread", { centre: 0.912345, low: 0.909145, high: 0.915545 }, "std", "0.9123 ± 0.0032"],
  ["a wide spread", { centre: 123.456, low: 100.456, high: 146.456 }, "ci", "123 ± 23"],
  ["no spread at all", { centre: 0.5, low: 0.5, high: 0.5 }, "std", "0.5 ± 0"],
  ["quartiles", { centre: 2, low: 1, high: 4 }, "iqr", "2 (1 … 4)"],
  ["a single run", { centre: 0.25, low: 0.25, high: 0.25, runs: ["a"] }, "std", "0.25"],
  ["nothing but NaN", { centre: Number.NaN, low: Number.NaN, high: Number.NaN }, "std", "NaN"],
])("%s", (_, cell, spread, text) => {
  expect(pivotText({ centre: 0, low: 0, high: 0, runs: ["a", "b"], ...cell }, spread)).toBe(text);
});
