import { expect, test } from "vitest";
import { treeRows } from "./tree";

const files = ["model.pt", "ckpt/step-10.pt", "ckpt/step-2.pt", "ckpt/best/a.pt"].map((path) => ({
  path,
  size_bytes: 10,
}));

test("folders come first, names in natural order, sizes add up", () => {
  const rows = treeRows(files, () => false);

  expect(rows.map((row) => [row.depth, row.name, row.size_bytes])).toEqual([
    [0, "ckpt", 30],
    [1, "best", 10],
    [2, "a.pt", 10],
    [1, "step-2.pt", 10],
    [1, "step-10.pt", 10],
    [0, "model.pt", 10],
  ]);
});

test("a closed folder hides what lies below it and still counts it", () => {
  const rows = treeRows(files, (path) => path === "ckpt");

  expect(rows.map((row) => row.name)).toEqual(["ckpt", "model.pt"]);
  expect(rows[0]?.files).toBe(3);
});
