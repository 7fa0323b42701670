import { expect, test } from "vitest";
import { formatElapsed, formatTick, formatX, linearTicks, logTicks } from "./axis";

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
