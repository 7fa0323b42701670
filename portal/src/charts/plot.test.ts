import { describe, expect, test } from "vitest";
import type { SeriesBuckets } from "../api/types";
import { styleAt } from "./colours";
import { buildPlot, type Line, mergeX, nearestRow, paddedRange, shortLabels, spreadLabels, wantsLog } from "./plot";

function line(x: number[], values: number[], exact = true): Line {
  const last = Float64Array.from(values);
  const series: SeriesBuckets = {
    run_id: "r", name: "m", column: "", kind: "scalar", count: x.length, in_range: x.length, exact,
    x: Float64Array.from(x), x_last: Float64Array.from(x), first: last, last,
    min: last.map((v) => v - 1), max: last.map((v) => v + 1), n: new Uint32Array(x.length).fill(3),
  }; // biome-ignore format: one record
  return { label: "r", style: styleAt(0), series };
}

describe("mergeX", () => {
  test("joins different steps and keeps every repeat", () => {
    const { x, rows } = mergeX([
      [0, 2, 2, 4],
      [1, 2],
    ]);

    expect(x).toEqual([0, 1, 2, 2, 4]);
    expect(rows.map((row) => Array.from(row))).toEqual([
      [0, -1, 1, 2, 3],
      [-1, 0, 1, -1, -1],
    ]);
  });
});

describe("buildPlot", () => {
  test("an exact series is one column; NaN is a gap and is counted", () => {
    const plot = buildPlot([line([0, 1, 2], [1, Number.NaN, 3])], { smoothing: 0, logY: false });

    expect(plot.parts).toEqual([{ line: 0, role: "value" }]);
    expect(plot.data).toEqual([
      [0, 1, 2],
      [1, null, 3],
    ]);
    expect(plot.hidden).toBe(1);
  });

  test("buckets add their envelope, smoothing adds the raw line behind", () => {
    const plot = buildPlot([line([0, 1, 2], [4, 0, 4], false)], { smoothing: 0.5, logY: false });

    expect(plot.parts.map((part) => part.role)).toEqual(["max", "min", "raw", "value"]);
    expect(plot.data[1]).toEqual([5, 1, 5]);
    expect(plot.data[3]).toEqual([4, 0, 4]);
    expect(plot.data[4]?.[0]).toBe(4);
  });

  test("a log axis hides what is not positive", () => {
    expect(buildPlot([line([0, 1], [0, 10])], { smoothing: 0, logY: true })).toMatchObject({
      data: [
        [0, 1],
        [null, 10],
      ],
      hidden: 1,
    });
  });
});

test("nearestRow finds the closer neighbour", () => {
  expect([-5, 0.4, 0.6, 99].map((x) => nearestRow([0, 1, 2], x))).toEqual([0, 0, 1, 2]);
  expect(nearestRow([], 1)).toBe(-1);
});

test("ranges show all data with air, and do not invent negative values", () => {
  const [low, high] = paddedRange(-1, 1, false);
  expect(low).toBeLessThan(-1);
  expect(high).toBeGreaterThan(1);
  expect(paddedRange(0.01, 10, false)[0]).toBe(0);
  expect(paddedRange(5, 5, false)).toEqual([4.5, 5.5]);
  expect(paddedRange(null, null, false)).toEqual([0, 1]);
  const [logLow, logHigh] = paddedRange(1e-3, 1e3, true);
  expect(logLow).toBeLessThan(1e-3);
  expect(logHigh).toBeGreaterThan(1e3);
});

test("log is offered from three decades on, never with values at or below zero", () => {
  expect(wantsLog([line([0, 1], [2, 5_000])])).toBe(true);
  expect(wantsLog([line([0, 1], [2, 500])])).toBe(false);
  expect(wantsLog([line([0, 1], [0, 5_000])])).toBe(false);
});

test("labels are moved apart and stay in order inside the plot", () => {
  expect(spreadLabels([50, 51, 10], 12, 0, 100)).toEqual([50, 62, 10]);
  expect(spreadLabels([99, 100], 12, 0, 100)).toEqual([88, 100]);
});

test("end labels lose the words they share, then their middle", () => {
  expect(shortLabels(["baseline-lr-0.1", "baseline-lr-0.25"], 8)).toEqual(["0.1", "0.25"]);
  expect(shortLabels(["a very long name of a run"], 9)).toEqual(["a ve… run"]);
  expect(shortLabels(["run-1", "run-2"], 8)).toEqual(["run-1", "run-2"]);
});
