import { expect, test } from "vitest";
import type { LogLine } from "../../api/types";
import { cells, levelOf, lineAt, lineTops, markSpans, unitsOf } from "./lines";

const LINES: LogLine[] = [
  [1, "stdout", "step 1 loss 0.5"],
  [2, "stderr", "\x1b[31mstep 2 failed\x1b[0m"],
  [3, "log", "all is well", 20, "train"],
  [4, "log", "disk is full", 40, "train"],
];

test.each([
  ["2026-11-24 10:22:28,101 [WARNING] train: slow", 30],
  ["\x1b[31mERROR\x1b[0m disk is full", 40],
  ["Traceback (most recent call last):", 40],
  ["torch.cuda.OutOfMemoryError: no room", 40],
  ["DEBUG:urllib3: a request", 10],
  ["information about errors", 0],
  ["loss 0.5", 0],
])("the level of a plain line %j", (text, level) => {
  expect(levelOf([0, "stderr", text])).toBe(level);
});

test("escape sequences take no room, wide characters two cells", () => {
  expect(Array.from(lineTops(4, [[0, LINES]], 10))).toEqual([0, 2, 4, 6, 8]);
  expect(cells("损失 ok")).toBe(7);
  expect(cells("100%|███|")).toBe(9);
});

test("of a log that is known in parts, the rest counts as one row a line", () => {
  const tops = lineTops(10, [[4, LINES]], 10);

  expect(Array.from(tops)).toEqual([0, 1, 2, 3, 4, 6, 8, 10, 12, 13, 14]);
  expect(Array.from(lineTops(6, [[4, LINES]], 10))).toEqual([0, 1, 2, 3, 4, 6, 8]);
});

test("the line at a height", () => {
  const tops = lineTops(4, [[0, LINES]], 10);

  expect([0, 1, 2, 7, 99].map((row) => lineAt(tops, row))).toEqual([0, 0, 1, 3, 3]);
  expect(lineAt(new Float64Array(1), 0)).toBe(0);
});

test("marks go across colours", () => {
  const plain = { color: null, bold: false, dim: false, italic: false, underlined: false };
  const spans = [
    { ...plain, text: "abc" },
    { ...plain, text: "def", color: 1 },
  ];

  expect(markSpans(spans, [2, 4]).map((span) => [span.text, span.color, span.isMarked])).toEqual([
    ["ab", null, false],
    ["c", null, true],
    ["d", 1, true],
    ["ef", 1, false],
  ]);
});

test("places in characters become places in a string", () => {
  expect(unitsOf("plain", [1, 3])).toEqual([1, 3]);
  expect(unitsOf("a🚀b", [0, 1, 2, 3, 9, 9])).toEqual([0, 1, 3, 4, 4, 4]);
});
