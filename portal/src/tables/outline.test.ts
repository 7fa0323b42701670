import { expect, test } from "vitest";
import { indexOf, makeBranch, placeOf, size, walk } from "./outline";

/** a, b (b1, b2 (b2x)), c, d (not loaded) */
function tree() {
  const root = makeBranch<string>(["a", "b", "c"], 4);
  const b = makeBranch(["b1", "b2"]);
  const b2 = makeBranch(["b2x"]);
  root.open.set(1, b);
  b.open.set(1, b2);
  return { root, b, b2 };
}

test("lines of open branches stand under their heading", () => {
  const { root } = tree();

  expect(size(root)).toBe(7);
  expect([...walk(root, 0, 99)].map(({ line, depth }) => `${depth}${line ?? "?"}`)).toEqual([
    "0a", "0b", "1b1", "1b2", "2b2x", "0c", "0?",
  ]); // biome-ignore format: one row
  expect(placeOf(root, 7)).toBeNull();
  expect(placeOf(root, -1)).toBeNull();
});

test("a line is found again at its position", () => {
  const { root, b, b2 } = tree();

  expect([indexOf(root, root, 0), indexOf(root, root, 1), indexOf(root, root, 2), indexOf(root, root, 3)]).toEqual([
    0, 1, 5, 6,
  ]);
  expect([indexOf(root, b, 0), indexOf(root, b, 1), indexOf(root, b2, 0)]).toEqual([2, 3, 4]);
  expect(indexOf(root, makeBranch(), 0)).toBe(-1);
});

test("a hundred thousand lines and a few open ones cost nothing", () => {
  const root = makeBranch<number>([], 100_000);
  for (const at of [10, 500, 99_000]) root.open.set(at, makeBranch([1, 2, 3]));
  const began = performance.now();

  for (let i = 0; i < 10_000; i++) placeOf(root, i * 10);

  expect(placeOf(root, 100_008)?.at).toBe(99_999);
  expect(performance.now() - began).toBeLessThan(2_000);
});
