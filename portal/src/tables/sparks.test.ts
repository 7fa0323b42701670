import { expect, test } from "vitest";
import { sparkPath } from "./sparks.svelte";

test("a curve fills its box from edge to edge", () => {
  expect(sparkPath({ x: [0, 1, 2], y: [0, 1, 0.5] }, 104, 24)).toBe("M2.0 22.0L52.0 2.0L102.0 12.0");
});

test("what is no number leaves a gap; nothing but that draws nothing", () => {
  expect(sparkPath({ x: [0, 1, 2, 3], y: [0, Number.NaN, 1, Number.POSITIVE_INFINITY] }, 64, 24)).toBe(
    "M2.0 22.0M42.0 2.0",
  );
  expect(sparkPath({ x: [0, 1], y: [Number.NaN, Number.NaN] }, 64, 24)).toBe("");
  expect(sparkPath({ x: [], y: [] }, 64, 24)).toBe("");
});

test("one point is a dot, a constant a line in the middle", () => {
  expect(sparkPath({ x: [5], y: [3] }, 64, 24)).toBe("M32.0 12.0h0");
  expect(sparkPath({ x: [0, 1], y: [3, 3] }, 64, 24)).toBe("M2.0 12.0L62.0 12.0");
});
