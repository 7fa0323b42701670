import { expect, test } from "vitest";
import { nestedRows } from "./nested";

const rows = (names: string[], closed: string[] = []) =>
  nestedRows(
    names.map((name) => [name, name.length] as const),
    (path) => closed.includes(path),
  ).map(({ label, depth, entry, count }) => [label, depth, entry === null ? count : "leaf"]);

test("names with a prefix in common lie below it, lone ones stay whole", () => {
  expect(
    rows(["lr", "optimizer.name", "optimizer.beta.1", "optimizer.beta.2", "data/batch", ".hidden", "end."]),
  ).toEqual([
    [".hidden", 0, "leaf"],
    ["data/batch", 0, "leaf"],
    ["end.", 0, "leaf"],
    ["lr", 0, "leaf"],
    ["optimizer", 0, 3],
    ["beta", 1, 2],
    ["1", 2, "leaf"],
    ["2", 2, "leaf"],
    ["name", 1, "leaf"],
  ]);
});

test("a closed group hides what lies below it", () => {
  expect(rows(["a.x", "a.y.1", "a.y.2"], ["a.y"])).toEqual([
    ["a", 0, 3],
    ["x", 1, "leaf"],
    ["y", 1, 2],
  ]);
});

test("a name that is also a prefix is both", () => {
  expect(rows(["a", "a.x", "a.y"])).toEqual([
    ["a", 0, "leaf"],
    ["a", 0, 2],
    ["x", 1, "leaf"],
    ["y", 1, "leaf"],
  ]);
});
