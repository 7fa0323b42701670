import { expect, test } from "vitest";
import { diffLines, diffTexts, sideBySide } from "./textdiff";

/** What a way makes of `a`, to see that it leads to `b`. */
function walked(a: string[], b: string[]): { result: string[]; changes: number } {
  const ops = diffLines(a, b);
  const result: string[] = [];
  let x = 0;
  let y = 0;
  for (const op of ops) {
    if (op === "same") {
      expect(a[x]).toBe(b[y]);
      result.push(a[x] ?? "");
    } else if (op === "add") result.push(b[y] ?? "");
    if (op !== "add") x++;
    if (op !== "remove") y++;
  }
  expect([x, y]).toEqual([a.length, b.length]);
  return { result, changes: ops.filter((op) => op !== "same").length };
}
/** Least number of changes, by the textbook table. */
function least(a: string[], b: string[]): number {
  const rows = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = 0; i <= a.length; i++)
    for (let j = 0; j <= b.length; j++) {
      const row = rows[i];
      if (row === undefined) continue;
      if (i === 0 || j === 0) row[j] = i + j;
      else
        row[j] =
          a[i - 1] === b[j - 1] ? (rows[i - 1]?.[j - 1] ?? 0) : 1 + Math.min(rows[i - 1]?.[j] ?? 0, row[j - 1] ?? 0);
    }
  return rows[a.length]?.[b.length] ?? 0;
}

test("the way found is right and the shortest, on many small texts", () => {
  let seed = 1;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed % below;
  };
  for (let round = 0; round < 400; round++) {
    const make = () => Array.from({ length: random(12) }, () => "abcd"[random(4)] ?? "a");
    const [a, b] = [make(), make()];

    const { result, changes } = walked(a, b);

    expect(result).toEqual(b);
    expect(changes).toBe(least(a, b));
  }
});

test("hunks have three lines around them and say where they are", () => {
  const before = Array.from({ length: 40 }, (_, at) => `line ${at}`);
  const after = before.with(5, "changed").toSpliced(30, 1);

  const file = diffTexts("a.py", `${before.join("\n")}\n`, `${after.join("\n")}\n`);

  expect([file?.added, file?.removed]).toEqual([1, 2]);
  expect(file?.lines.filter((line) => line.kind === "hunk").map((line) => line.text)).toEqual([
    "@@ -3,7 +3,7 @@",
    "@@ -28,7 +28,6 @@",
  ]);
  expect(file?.lines).toHaveLength(2 + 8 + 7);
});

test("equal texts have no difference; a new file is all added", () => {
  expect(diffTexts("a", "x\n", "x\n")).toBeNull();
  expect(diffTexts("a", "", "x\ny\n")?.added).toBe(2);
});

test("texts without a line in common are replaced, and soon", () => {
  const make = (name: string) => Array.from({ length: 20_000 }, (_, at) => `${name} ${at}`);
  const start = performance.now();

  expect(walked(make("a"), make("b")).changes).toBe(40_000);
  expect(performance.now() - start).toBeLessThan(3_000);
});

test("removed and added lines stand side by side", () => {
  const lines = diffTexts("a", "1\nold\nolder\n2\n", "1\nnew\n2\n")?.lines ?? [];

  expect(sideBySide(lines).map(({ left, right }) => [left?.text, right?.text])).toEqual([
    ["@@ -1,4 +1,3 @@", "@@ -1,4 +1,3 @@"],
    ["1", "1"],
    ["old", "new"],
    ["older", undefined],
    ["2", "2"],
  ]);
});
