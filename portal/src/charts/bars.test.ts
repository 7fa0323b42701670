import { expect, test } from "vitest";
import { type Bar, barFigure, barsOf } from "./bars";
import type { RunRef } from "./view.svelte";

const bar = (run: string, value: number): Bar => ({ run, label: run, ink: 0, value, href: `/runs/${run}` });
const ref = (id: string, group: string | null, groupAt = 0): RunRef => ({
  id, label: id, ink: 0, dash: [], group, groupAt, href: `/runs/${id}`, isMarked: false,
}); // biome-ignore format: one record
const VALUES = new Map([["a", 1], ["b", 3], ["c", 10], ["d", 7]]); // biome-ignore format: one row
const BARS = [bar("a", 1), bar("b", 3), bar("c", 10), bar("d", 7)];

test("a group is one bar of its mean, with its spread; groups come in their order", () => {
  const refs = [ref("a", "lr=10", 4), ref("b", "lr=10", 4), ref("c", "lr=2", 3), ref("d", null)];

  const made = barsOf(refs, VALUES, { centre: "mean", spread: "range" });

  expect(made.map(({ label, value, spread, ink }) => [label, value, spread, ink])).toEqual([
    ["lr=2 ×1", 10, undefined, 3],
    ["lr=10 ×2", 2, [1, 3], 4],
    ["d", 7, undefined, 0],
  ]);
  const single = [...VALUES.keys(), "without"].map((id) => ref(id, null));
  expect(barsOf(single, VALUES, { centre: "mean", spread: "std" })).toEqual(BARS);
});

test("the axis of a drawing holds the spreads, too", () => {
  const [low, high] = barFigure([{ ...bar("a", 1), spread: [-5, 7] }], "loss").x.range;

  expect(low).toBeLessThanOrEqual(-5);
  expect(high).toBeGreaterThanOrEqual(7);
});
