import { describe, expect, test } from "vitest";
import cases from "./cases.json";
import { pointsOf, SMOOTHINGS, sliderOf, smooth } from "./smooth";

const ones = (n: number) => new Uint32Array(n).fill(1);
const ema = (points: number) => ({ kind: "ema" as const, points });

test.each(SMOOTHINGS)("%s over one point changes nothing, a constant stays, NaN stays and does not spread", (kind) => {
  expect(Array.from(smooth([3, 1, 2], ones(3), { kind, points: 1 }))).toEqual([3, 1, 2]);
  for (const value of smooth([5, 5, 5, 5], ones(4), { kind, points: 10 })) expect(value).toBeCloseTo(5, 9);

  const gapped = smooth([1, Number.NaN, 1, Number.POSITIVE_INFINITY, 1], ones(5), { kind, points: 5 });
  expect(gapped[1]).toBeNaN();
  expect(gapped[3]).toBe(Number.POSITIVE_INFINITY);
  for (const at of [0, 2, 4]) expect(gapped[at]).toBeCloseTo(1, 9);
});

test.each(SMOOTHINGS)("%s stays within what it averages", (kind) => {
  const values = Array.from({ length: 200 }, (_, at) => Math.sin(at * 7.3));
  for (const points of [2, 3.7, 25, 1000])
    for (const value of smooth(values, ones(200), { kind, points })) {
      expect(value).toBeGreaterThanOrEqual(-1 - 1e-9);
      expect(value).toBeLessThanOrEqual(1 + 1e-9);
    }
});

describe("exponential", () => {
  test("is TensorBoard's: debiased, so the first value is itself", () => {
    const out = smooth([4, 0], ones(2), ema(2));

    expect(out[0]).toBe(4);
    expect(out[1]).toBeCloseTo(4 / 3);
  });

  test("counts a bucket as so many points", () => {
    const points = smooth([1, 1, 1, 5, 5, 5], ones(6), ema(4));

    const buckets = smooth([1, 5], Uint32Array.of(3, 3), ema(4));

    expect(buckets[1]).toBeCloseTo(points[5] ?? 0, 9);
  });
});

describe("running mean", () => {
  test("is the mean of the points around, of those there are at the ends", () => {
    const out = smooth([0, 3, 6, 3, 0], ones(5), { kind: "mean", points: 3 });

    expect(Array.from(out, (value) => Number(value.toFixed(9)))).toEqual([0, 3, 4, 3, 0]);
  });

  test("counts a bucket as so many points", () => {
    const out = smooth([0, 10], Uint32Array.of(4, 4), { kind: "mean", points: 2 });

    expect(Array.from(out)).toEqual([0, 10]);
  });
});

test("gaussian is symmetric around a spike", () => {
  const out = smooth([0, 0, 0, 1, 0, 0, 0], ones(7), { kind: "gaussian", points: 2 });

  expect(out[2]).toBeCloseTo(out[4] ?? 0, 12);
  expect(out[3]).toBeGreaterThan(out[2] ?? 1);
});

test("the slider goes from one point to ten thousand and back", () => {
  expect([0, 0.25, 0.5, 1].map(pointsOf)).toEqual([1, 10, 100, 10_000]);
  expect(sliderOf(pointsOf(0.37))).toBeCloseTo(0.37);
  expect(sliderOf(1)).toBe(0);
});

/** As src/tracklog/server/curves.py has it, which reads the same cases; null stands for NaN. */
test.each(cases.smooth.map((one) => [one.kind, one.points, one] as const))(
  "%s over %d points is the server's",
  (_, __, one) => {
    const values = one.values.map((value) => value ?? Number.NaN);
    const kind = SMOOTHINGS.find((name) => name === one.kind) ?? "ema";

    const found = smooth(values, one.n, { kind, points: one.points });

    found.forEach((value, at) => {
      const expected = one.expected[at] ?? null;
      if (expected === null) expect(value).toBeNaN();
      else expect(value).toBeCloseTo(expected, 10);
    });
  },
);
