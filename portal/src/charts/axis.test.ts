import { expect, test } from "vitest";
import { formatElapsed, formatTick, formatX, logTicks } from "./axis";

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

test("a logarithmic axis over several decades shows powers of ten", () => {
  expect(logTicks([2, 5, 10, 20, 50])).toEqual([2, 5, 10, 20, 50]);
  expect(logTicks([0.1, 0.2, 0.5, 1, 2])).toEqual([0.1, null, null, 1, null]);
  expect(logTicks(Array.from({ length: 13 }, (_, at) => 10 ** at)).filter((tick) => tick !== null)).toHaveLength(5);
});
