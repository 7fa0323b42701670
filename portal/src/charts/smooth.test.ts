import { expect, test } from "vitest";
import { smooth } from "./smooth";

test("weight 0 changes nothing", () => {
  expect(Array.from(smooth([3, 1, 2], 0))).toEqual([3, 1, 2]);
});

test("starts at the first value and stays at a constant", () => {
  expect(Array.from(smooth([5, 5, 5], 0.9)).map((value) => Number(value.toFixed(9)))).toEqual([5, 5, 5]);
  expect(smooth([4, 0], 0.5)[0]).toBe(4);
  expect(smooth([4, 0], 0.5)[1]).toBeCloseTo(4 / 3);
});

test("a NaN is kept and does not spread", () => {
  const out = smooth([1, Number.NaN, 1], 0.8);

  expect(out[1]).toBeNaN();
  expect(out[2]).toBeCloseTo(1);
});
