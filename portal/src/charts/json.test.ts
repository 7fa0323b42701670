import { expect, test } from "vitest";
import { binned, histogramsOf } from "./histogram";
import {
  accuracyTableOf,
  confusionFigure,
  confusionOf,
  difference,
  histogramOf,
  microAverage,
  normalised,
  predictionsOf,
  rateCurve,
} from "./json";

test("a confusion matrix is read with and without its wrapper, short rows and missing labels filled", () => {
  expect(confusionOf({ data: { class_labels: [0, 1], matrix: [[1, 2], [3]] } })).toEqual({
    labels: ["0", "1"],
    cells: [
      [1, 2],
      [3, 0],
    ],
  });
  expect(confusionOf({ matrix: [[5]] })?.labels).toEqual(["0"]);
  expect(confusionOf({ matrix: [] })).toBeNull();
  expect(confusionOf("text")).toBeNull();
});

test("shares of each true class; matrices of other classes have no difference", () => {
  const matrix = {
    labels: ["a", "b"],
    cells: [
      [1, 3],
      [0, 0],
    ],
  };

  expect(normalised(matrix).cells).toEqual([
    [0.25, 0.75],
    [0, 0],
  ]);
  expect(difference(matrix, matrix)?.cells).toEqual([
    [0, 0],
    [0, 0],
  ]);
  expect(difference(matrix, { ...matrix, labels: ["a", "c"] })).toBeNull();
});

test("ROC and precision–recall of a perfect and of a blind classifier", () => {
  const perfect: [number, number, number, number][] = [
    [0, 0, 10, 5],
    [5, 0, 10, 0],
    [5, 10, 0, 0],
  ];
  const blind: [number, number, number, number][] = [
    [0, 0, 10, 10],
    [5, 5, 5, 5],
    [10, 10, 0, 0],
  ];

  expect(rateCurve(perfect, "roc").area).toBe(1);
  expect(rateCurve(perfect, "pr").area).toBe(1);
  expect(rateCurve(blind, "roc").area).toBe(0.5);
  expect(Array.from(rateCurve(blind, "lift").y)).toEqual([1, 1]);
  expect(microAverage([perfect, perfect])[1]).toEqual([10, 0, 20, 0]);
});

test("an accuracy table is sorted by falling threshold, and refused without counts", () => {
  const table = accuracyTableOf({
    probability_tables: [
      [
        [9, 9, 0, 0],
        [1, 0, 9, 8],
      ],
    ],
    probability_thresholds: [0, 0.9],
  });

  expect(table?.byProbability[0]?.[0]).toEqual([1, 0, 9, 8]);
  expect(accuracyTableOf({ probability_tables: [] })).toBeNull();
});

test("residuals and predictions of wrong lengths are cut to what fits", () => {
  expect(histogramOf({ bin_edges: [0, 1, 2], bin_counts: [5, 6, 7] })).toEqual({ edges: [0, 1, 2], counts: [5, 6] });
  expect(histogramOf({ bin_edges: [0], bin_counts: [1] })).toBeNull();
  expect(predictionsOf({ bin_averages: [1, 2], bin_edges: [0, 2, 4] })).toEqual({
    x: [1, 3], mean: [1, 2], error: [0, 0], counts: [0, 0],
  }); // biome-ignore format: one record
});

test("bins count every value once", () => {
  const values = Array.from({ length: 500 }, (_, at) => Math.sin(at));

  expect(binned(values)?.counts.reduce((sum, n) => sum + n, 0)).toBe(500);
  expect(binned([3, 3])?.counts).toEqual([2]);
  expect(binned([Number.NaN])).toBeNull();
});

test("histograms of a table are told apart by their steps; of equal steps the last counts", () => {
  const rows = [
    [0, 0, 1, 5],
    [0, 1, 2, 6],
    [10, 0, 1, 7],
    [10, 0, 1, 8],
  ];

  expect(histogramsOf(["step", "bin_start", "bin_end", "count"], rows)).toEqual([
    { step: 0, edges: [0, 1, 2], counts: [5, 6] },
    { step: 10, edges: [0, 1], counts: [8] },
  ]);
});

test("a matrix of a thousand classes is drawn", () => {
  const matrix = Array.from({ length: 1000 }, () => new Array<number>(1000).fill(1));

  const figure = confusionFigure(confusionOf({ matrix }) ?? { labels: [], cells: [] }, false, false, () => "accent");

  expect(figure.traces[0]?.x.length).toBe(1_000_000);
});
