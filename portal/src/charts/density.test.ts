import { expect, test } from "vitest";
import { densityOf, shadesOf } from "./density";

const line = (...points: number[]) => ({ points: Float64Array.from(points), rgb: null });

test("each level line counts once in each column it passes", () => {
  const { count } = densityOf([line(0, 2.5, 4, 2.5), line(0, 2.5, 2, 2.5)], 4, 5);
  expect([...count.slice(8, 12)]).toEqual([2, 2, 1, 1]);
  expect(count.reduce((sum, one) => sum + one)).toBe(6);
});

test("a line between two rows counts in both, a steep one in all it passes, a gap in none", () => {
  const { count } = densityOf([line(0, 1, 1, 1, Number.NaN, Number.NaN, 2, 0, 3, 4)], 3, 4);
  expect([...count].map((one) => Math.round(10 * one) / 10)).toEqual([
    0.5, 0, 0.3,
    0.5, 0, 0.3,
    0, 0, 0.3,
    0, 0, 0.3,
  ]); // biome-ignore format: rows of the picture
});

test("what lies outside is left out", () => {
  const { count } = densityOf([line(-10, -10, -5, 2, 20, 2), line(0, 1e6, 4, 1e6)], 4, 4);
  expect(count.reduce((sum, one) => sum + one)).toBeCloseTo(4);
});

test("more lines are more opaque, and colours are mixed by how many lines have them", () => {
  const red = { ...line(0, 0.5, 2, 0.5), rgb: [255, 0, 0] as const };
  const blue = { ...line(0, 0.5, 1, 0.5), rgb: [0, 0, 255] as const };
  const pixels = shadesOf(densityOf([red, blue, blue], 2, 2), [0, 0, 0]);
  expect([...pixels.slice(0, 3)]).toEqual([85, 0, 170]);
  expect([...pixels.slice(4, 7)]).toEqual([255, 0, 0]);
  expect(pixels[3]).toBeGreaterThan(pixels[7] ?? 0);
  expect(pixels[7]).toBeGreaterThan(20);
  expect(pixels[11]).toBe(0);
});
