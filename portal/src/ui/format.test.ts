import { describe, expect, test } from "vitest";
import {
  formatAgo,
  formatBytes,
  formatCompact,
  formatDuration,
  formatExact,
  formatIso,
  formatNumber,
  formatTime,
  formatValue,
  fractionDigits,
  splitDecimal,
} from "./format";

describe("formatNumber", () => {
  test.each([
    [0, "0"],
    [0.03333333333333333, "0.033333"],
    [0.1 + 0.2, "0.3"],
    [1.5e-7, "1.5e-7"],
    [1e-4, "0.0001"],
    [9999, "9999"],
    [1234567, "1,234,567"],
    [12345.678, "12,346"],
    [1e12, "1e12"],
    [-2.5, "-2.5"],
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "∞"],
    [Number.NEGATIVE_INFINITY, "−∞"],
  ])("%d is %s", (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  test("a value that is missing is a dash", () => {
    expect(formatNumber(null)).toBe("–");
    expect(formatValue(undefined)).toBe("–");
  });
});

test.each([
  [0, "0"],
  [950, "950"],
  [1000, "1000"],
  [12500, "12.5k"],
  [3_400_000, "3.4M"],
  [0.00001, "1e-5"],
])("axis label of %d is %s", (value, text) => {
  expect(formatCompact(value)).toBe(text);
});

test.each([
  [850, "850 ms"],
  [9_400, "9.4 s"],
  [59_999, "59 s"],
  [192_000, "3m 12s"],
  [7_500_000, "2h 05m"],
  [97_200_000, "1d 03h"],
  [-5, "0 s"],
])("duration of %d ms is %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  [-2_000, "just now"],
  [45_000, "45 s ago"],
  [21 * 60_000, "21 min ago"],
  [5 * 3_600_000, "5 h ago"],
  [3 * 86_400_000, "3 d ago"],
])("%d ms before now is %s", (ms, text) => {
  const now = Date.UTC(2026, 10, 24, 12);
  expect(formatAgo(now - ms, now)).toBe(text);
});

test("times have minutes where minutes belong", () => {
  const time = new Date(2026, 10, 3, 21, 36, 5).getTime();

  expect(formatTime(time)).toBe("3 Nov 2026, 21:36:05");
  expect(formatIso(time)).toBe("2026-11-03 21:36:05");
  expect(formatExact(Date.UTC(2026, 0, 2, 3, 4, 5))).toContain("2 Jan 2026, 03:04:05 UTC");
});

test("sizes use decimal units", () => {
  expect([0, 999, 1_500, 999_700, 2_340_000_000].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "1.5 kB",
    "1 MB",
    "2.34 GB",
  ]);
});

test("a number is cut at its decimal sign", () => {
  expect(splitDecimal("12.5e-7")).toEqual(["12", ".5e-7"]);
  expect(splitDecimal("12")).toEqual(["12", ""]);
  expect(splitDecimal("1.234,5", ",")).toEqual(["1.234", ",5"]);
});

test("decimals of a column", () => {
  expect(fractionDigits(["1", "0.25", "12.5"])).toBe(2);
  expect(fractionDigits([])).toBe(0);
});
