import { expect, test } from "vitest";
import { fuzzy, fuzzySort } from "./fuzzy";

test("letters count in their order only, in any case", () => {
  expect(fuzzy("rn1", "Run-1")).not.toBeNull();
  expect(fuzzy("1nr", "Run-1")).toBeNull();
  expect(fuzzy("runs", "run")).toBeNull();
});

test("where the letters are is said, together where they can be", () => {
  expect(fuzzy("run", "rerun")?.ranges).toEqual([[2, 5]]);
  expect(fuzzy("vl", "val/loss")?.ranges).toEqual([
    [0, 1],
    [4, 5],
  ]);
  expect(fuzzy("", "anything")).toEqual({ score: 0, ranges: [] });
});

test.each([
  ["set", ["Reset zoom", "Settings"], "Settings"],
  ["tl", ["totally", "train-loss"], "train-loss"],
  ["run-1", ["run-12", "run-1"], "run-1"],
  ["res", ["friends", "resnet-50"], "resnet-50"],
  ["gc", ["magic", "GradientClip"], "GradientClip"],
])("for %s the best of %j is %s", (query, items, best) => {
  expect(fuzzySort(query, items, (item) => item)[0]?.item).toBe(best);
});

test("an empty query keeps the order", () => {
  expect(fuzzySort("", ["b", "a"], (item) => item).map(({ item }) => item)).toEqual(["b", "a"]);
});
