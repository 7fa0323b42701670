import { expect, test } from "vitest";
import { formatElapsed, formatTick, formatX, linearTicks, logTicks, zoomBy } from "./axis";

test.each([
  [0, "0s"],
  [0.25, "0.25s"],
  [90, "1m30s"],
  [3600, "1h"],
  [5400, "1h30m"],
  [90_000, "1d1h"],
])("%d seconds are %s", (seconds, text) => {
  expect(formatElapsed(seconds)).toBe(text);
});

test("time ticks show what changes between them", () => {
  const noon = new Date(2026, 10, 24, 12, 30, 15).getTime();

  expect(formatTick("time", noon, 5_000)).toBe("12:30:15");
  expect(formatTick("time", noon, 600_000)).toBe("12:30");
  expect(formatTick("time", noon, 86_400_000)).toBe("24 Nov");
  expect(formatTick("step", 12_500, 500)).toBe("12.5k");
  expect(formatX("step", 1234567)).toBe("step 1,234,567");
  expect(formatX("column:fpr", 0.125)).toBe("0.125");
});

test("over several days the beginning of each is named", () => {
  const hours = Array.from({ length: 6 }, (_, at) => new Date(2026, 10, 24, at * 12).getTime());

  expect(hours.map((at) => formatTick("time", at, 43_200_000))).toEqual([
    "24 Nov",
    "12:00",
    "25 Nov",
    "12:00",
    "26 Nov",
    "12:00",
  ]);
});

test.each<[string, [number, number], number, number, boolean, [number, number] | null]>([
  ["in, around its middle", [0, 100], 50, 0.5, false, [25, 75]],
  ["in, around the cursor", [0, 100], 10, 0.5, false, [5, 55]],
  ["out, as long as there is more on both sides", [400, 600], 500, 2, false, [300, 700]],
  ["out, no further than the begin", [50, 250], 150, 2, false, [0, 350]],
  ["out, to all there is", [100, 800], 450, 2, false, null],
  ["out, where nothing is in view", [2_000, 3_000], 2_500, 1.5, false, null],
  ["in, in decades", [1, 100], 10, 0.5, true, [10 ** 0.5, 10 ** 1.5]],
  ["out, in decades, never to zero", [10, 100], 10 ** 1.5, 2, true, [10 ** 0.5, 10 ** 2.5]],
  ["in, as far as floats go", [1, 1 + Number.EPSILON], 1, 0.5, false, [1, 1 + Number.EPSILON]],
])("zooming %s", (_, range, around, factor, isLog, expected) => {
  const found = zoomBy(range, around, factor, [0, 1_000], isLog);

  if (expected === null || found === null) expect(found).toBe(expected);
  else expect(found.map((at) => Number(at.toPrecision(12)))).toEqual(expected.map((at) => Number(at.toPrecision(12))));
});

test("a logarithmic axis shows powers of ten, or what is round between two of them", () => {
  expect(logTicks(0.05, 150, 6)).toEqual([0.1, 1, 10, 100]);
  expect(logTicks(0.9, 4.2, 4)).toEqual([1, 2]);
  expect(logTicks(1.6, 7, 4)).toEqual([2, 5]);
  expect(logTicks(6.1, 7.9, 4)).toEqual([6.5, 7, 7.5]);
  expect(logTicks(1e-300, 1e300, 5).length).toBeLessThanOrEqual(5);
});

test.each([
  [0, 1, 4, [0, 0.25, 0.5, 0.75, 1]],
  [-10.2, 9.9, 5, [-10, -5, 0, 5]],
  [6.3, 7.7, 3, [6.5, 7, 7.5]],
  [-1.7e308, 1.7e308, 4, [-1e308, 0, 1e308]],
  [0, 5e-308, 4, [0, 2e-308, 4e-308]],
  [3, 3, 4, [3]],
])("from %d to %d at most %d round values", (low, high, most, ticks) => {
  expect(linearTicks(low, high, most)).toEqual(ticks);
});
