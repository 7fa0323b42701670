import { describe, expect, test } from "vitest";
import type { SeriesBuckets } from "../api/types";
import cases from "./cases.json";
import {
  CENTRES,
  type Curve,
  curveOf,
  grouped,
  hullOf,
  isDrawn,
  lineFigure,
  quantile,
  type Source,
  SPREADS,
  summarise,
  valueAt,
  wantsLog,
} from "./lines";
import { UNSMOOTHED } from "./smooth";

function source(x: number[], values: number[], more: Partial<SeriesBuckets> = {}): Source {
  const mean = Float64Array.from(values);
  const odd = Uint32Array.from(values, (value) => Number(!Number.isFinite(value)));
  const series: SeriesBuckets = {
    run_id: "r", name: "m", column: "", kind: "scalar", count: x.length, in_range: x.length, exact: true,
    x: Float64Array.from(x), x_last: Float64Array.from(x), mean, min: mean, max: mean,
    n: new Uint32Array(x.length).fill(1), non_finite: odd.includes(1) ? odd : null, end: mean.at(-1) ?? Number.NaN,
    before: null, after: null, overtaken: 0, restarts: [], tails: [], ...more,
  }; // biome-ignore format: one record
  return { run: "r", label: "r", ink: 0, dash: [], series, group: null };
}
const curve = (x: number[], y: number[]): Curve => curveOf(source(x, y), UNSMOOTHED);
const OPTIONS = {
  x: "step",
  logX: false,
  logY: false,
  clip: false,
  isColoured: false,
  zoom: null,
  backdrop: null,
} as const;

describe("curveOf", () => {
  test("an exact series is drawn point by point; what is not finite is marked where the line breaks off", () => {
    const made = curveOf(source([0, 1, 2, 3], [1, Number.NaN, 3, Number.POSITIVE_INFINITY]), UNSMOOTHED);

    expect(made.low).toBeNull();
    expect(made.odd).toEqual([
      { x: 1, y: 1, shape: "cross" },
      { x: 3, y: 3, shape: "up" },
    ]);
  });

  test("buckets become a line through their means that begins at the first and ends at the last point", () => {
    const buckets = {
      exact: false,
      x_last: Float64Array.of(4, 9),
      min: Float64Array.of(-1, 0),
      max: Float64Array.of(7, Number.POSITIVE_INFINITY),
      n: Uint32Array.of(5, 5),
      end: 2,
    };

    const made = curveOf(source([0, 5], [3, 4], buckets), UNSMOOTHED);

    expect(Array.from(made.x)).toEqual([0, 7, 9]);
    expect(Array.from(made.y)).toEqual([3, 4, 2]);
    expect(Array.from(made.low ?? [])).toEqual([-1, 0, 0]);
    expect(made.high?.[1]).toBe(4);
  });

  test("a line goes on to the points beyond the range in view", () => {
    const exact = curveOf(source([5], [1], { before: [0, 9], after: [20, Number.NaN] }), UNSMOOTHED);
    const buckets = { exact: false, x_last: Float64Array.of(4), n: Uint32Array.of(5), end: 2 };
    const bucketed = curveOf(source([0], [3], { ...buckets, before: [-2, 8], after: [6, 7] }), UNSMOOTHED);

    expect(Array.from(exact.x)).toEqual([0, 5, 20]);
    expect(Array.from(exact.y)).toEqual([9, 1, Number.NaN]);
    expect(exact.odd).toEqual([]);
    expect(Array.from(bucketed.x)).toEqual([-2, 0, 4, 6]);
    expect(Array.from(bucketed.low ?? [])).toEqual([8, 3, 3, 7]);
    expect(Array.from(bucketed.n ?? [])).toEqual([1, 5, 1, 1]);
  });

  test("between two points there is the line that joins them, and nothing beyond the last", () => {
    expect(isDrawn(source([], [], { before: [0, 0], after: [100, 10] }).series)).toBe(true);
    expect(isDrawn(source([], [], { before: [0, 0] }).series)).toBe(false);
  });

  test("smoothing keeps the raw line", () => {
    const made = curveOf(source([0, 1, 2], [4, 0, 4]), { kind: "ema", points: 2 });

    expect(Array.from(made.raw ?? [])).toEqual([4, 0, 4]);
    expect(made.y[1]).toBeCloseTo(4 / 3);
  });
});

describe("a crowd of lines", () => {
  const bucketed = (y: number, half: number): Curve =>
    curveOf(
      source([0, 50, 100], [y, y, y], {
        exact: false,
        x_last: Float64Array.of(0, 50, 100),
        min: Float64Array.of(y - half, y - half, y - half),
        max: Float64Array.of(y + half, y + half, y + half),
        n: Uint32Array.of(2, 2, 2),
        end: y,
      }),
      UNSMOOTHED,
    );

  test("has one band from the least to the greatest of all, and solid lines", () => {
    const crowd = Array.from({ length: 25 }, (_, at) => ({ ...bucketed(at, 2), dash: [6, 3] }));

    const { marks, traces } = lineFigure(crowd, OPTIONS);

    const bands = marks.flatMap((mark) => (mark.kind === "band" ? [mark] : []));
    expect(bands.map((band) => [band.low[160], band.high[160]])).toEqual([[-2, 26]]);
    expect(marks.filter((mark) => mark.kind === "line" && mark.dash !== undefined)).toEqual([]);
    expect(traces.every((trace) => trace.dash.length === 0)).toBe(true);
  });

  test("of hundreds is a density, over which marked lines stand", () => {
    const crowd = Array.from({ length: 300 }, (_, at) => ({ ...bucketed(at, 2), run: `${at}`, isMarked: at === 7 }));

    const { marks } = lineFigure(crowd, OPTIONS);

    expect(marks.map((mark) => mark.kind)).toEqual(["band", "density", "line"]);
    expect(marks[1]).toMatchObject({ ink: "accent", lines: { length: 299 } });
    expect(lineFigure(crowd, { ...OPTIONS, isColoured: true }).marks[1]).toMatchObject({ ink: null });
  });

  test("shows a spike between two places, and nothing where a line breaks", () => {
    const x = Float64Array.of(0, 10.07, 20, 60, 100);
    const spike = {
      ...bucketed(0, 1),
      x,
      low: Float64Array.of(0, 0, 0, Number.NaN, 0),
      high: Float64Array.of(1, 99, 1, Number.NaN, 1),
    };

    const hull = hullOf([spike], [0, 100], false);

    expect(Math.max(...(hull?.high ?? []).filter((value) => value > 0))).toBe(99);
    expect(hull?.high[Math.round(0.6 * 319)]).toBeNaN();
    expect(hullOf([curve([0, 1], [1, 2])], [0, 1], false)).toBeNull();
  });
});

describe("groups", () => {
  test("mean, deviation, quartiles and extremes over lines, where they have values", () => {
    const lines = [curve([0, 1], [1, 10]), curve([0, 1], [2, 20]), curve([0, 1], [3, Number.NaN])];

    expect(Array.from(summarise(lines, "mean", "std").centre)).toEqual([2, 15]);
    expect(summarise(lines, "mean", "std").high[0]).toBeCloseTo(3);
    expect(summarise(lines, "mean", "ci").high[0]).toBeCloseTo(2 + 4.303 / Math.sqrt(3));
    expect(Array.from(summarise(lines, "median", "range").low)).toEqual([1, 10]);
    expect(Array.from(summarise(lines, "mean", "std").n)).toEqual([3, 2]);
  });

  test("lines of other places are read between their points, never beyond their ends", () => {
    const found = summarise([curve([0, 1, 2], [0, 1, 2]), curve([0, 2], [0, 4])], "mean", "none");

    expect(Array.from(found.centre)).toEqual([0, 1.5, 3]);
    expect(valueAt(Float64Array.of(0, 2), Float64Array.of(0, 4), 3)).toBeNaN();
  });

  test("each group is one line, others stand alone", () => {
    const lines = [curve([0], [1]), curve([0], [3]), curve([0], [9])];

    const made = grouped(
      lines,
      (at) => (at < 2 ? "lr=1" : null),
      () => ({ ink: 5, dash: [] }),
      "mean",
      "std",
    );

    expect(made.map((one) => [one.label, one.y[0], one.isMean])).toEqual([
      ["lr=1 ×2", 2, true],
      ["r", 9, false],
    ]);
  });
});

/** As src/tracklog/server/curves.py has it, which reads the same cases; null stands for NaN. */
test.each(cases.summarise.map((one) => [one.centre, one.spread, one] as const))(
  "%s and %s over lines are the server's",
  (centre, spread, one) => {
    const numbers = (values: (number | null)[]) => Float64Array.from(values, (value) => value ?? Number.NaN);
    const curves = one.curves.map(({ x, y, low, high }) => ({
      ...curve(x, []),
      x: numbers(x),
      y: numbers(y),
      low: low === null ? null : numbers(low),
      high: high === null ? null : numbers(high),
    }));

    const found = summarise(
      curves,
      CENTRES.find((name) => name === centre) ?? "mean",
      SPREADS.find((name) => name === spread) ?? "std",
    );

    for (const [values, expected] of [
      [found.x, one.x],
      [found.centre, one.middle],
      [found.low, one.low],
      [found.high, one.high],
    ] as const) {
      expect(values.length).toBe(expected.length);
      values.forEach((value, at) => {
        if ((expected[at] ?? null) === null) expect(value).toBeNaN();
        else expect(value).toBeCloseTo(expected[at] ?? 0, 10);
      });
    }
  },
);

describe("lineFigure", () => {
  test("between two points the axis shows where the line passes, not where it comes from", () => {
    const through = curveOf(source([], [], { before: [0, 0], after: [100, 10] }), UNSMOOTHED);
    const [low, high] = lineFigure([through], { ...OPTIONS, zoom: [40, 60] }).y.range;
    const [lowLog, highLog] = lineFigure([curveOf(source([], [], { before: [0, 1], after: [2, 100] }), UNSMOOTHED)], {
      ...OPTIONS,
      logY: true,
      zoom: [1, 2],
    }).y.range;

    expect(low).toBeCloseTo(3.88);
    expect(high).toBeCloseTo(6.12);
    expect(lowLog).toBeCloseTo(10 / 10 ** 0.05);
    expect(highLog).toBeCloseTo(100 * 10 ** 0.05);
  });

  test("a logarithmic axis says what it cannot show", () => {
    const figure = lineFigure([curve([0, 1, 2], [-1, 0, 10])], { ...OPTIONS, logY: true });

    expect(figure.hidden).toBe(2);
    expect(figure.y.range[0]).toBeGreaterThan(0);
  });

  test("a logarithmic axis along begins at the first place above zero, zoomed too, and counts what lies before", () => {
    const line = curve([-2, 0, 1, 10, 100], [5, 4, 3, 2, 1]);
    const range = (zoom: [number, number] | null) =>
      lineFigure([line], { ...OPTIONS, x: "metric:other", logX: true, zoom }).x.range;

    expect(range(null)).toEqual([1, 100]);
    expect(range([-5, 50])).toEqual([1, 50]);
    expect(range([0, 0.5])).toEqual([1, 100]);
    expect(range([2, 20])).toEqual([2, 20]);
    expect(lineFigure([line], { ...OPTIONS, logX: true }).hidden).toBe(2);
    expect(lineFigure([line], OPTIONS).hidden).toBe(0);
    expect(lineFigure([curve([-1, 0], [1, 2])], { ...OPTIONS, logX: true }).x.range).toEqual([1, 10]);
  });

  test("outliers are cut off only when asked, and counted", () => {
    const values = Array.from({ length: 100 }, (_, at) => (at === 50 ? 1e6 : Math.sin(at)));
    const lines = [
      curve(
        values.map((_, at) => at),
        values,
      ),
    ];

    expect(lineFigure(lines, OPTIONS).y.range[1]).toBeGreaterThanOrEqual(1e6);
    const cut = lineFigure(lines, { ...OPTIONS, clip: true });
    expect(cut.y.range[1]).toBeLessThan(10);
    expect(cut.clipped).toBe(1);
  });

  test("one point, no point, nothing but NaN and huge values have an axis", () => {
    for (const [x, y] of [
      [[3], [5]],
      [[], []],
      [
        [0, 1],
        [Number.NaN, Number.NaN],
      ],
      [
        [0, 1],
        [-1.7e308, 1.7e308],
      ],
    ] as const) {
      const { range } = lineFigure([curve([...x], [...y])], OPTIONS).y;

      expect(range.every(Number.isFinite)).toBe(true);
      expect(range[0]).toBeLessThan(range[1]);
    }
  });
});

test("quantiles lie between values; log is offered from three decades on", () => {
  expect(quantile([0, 10], 0.25)).toBe(2.5);
  expect(wantsLog([source([0, 1], [2, 5_000]).series])).toBe(true);
  expect(wantsLog([source([0, 1], [2, 500]).series])).toBe(false);
  expect(wantsLog([source([0, 1], [0, 5_000]).series])).toBe(false);
});

describe("a run that was resumed", () => {
  const restart = { x: 3, step: 3, start_ms: 0, pause_ms: 3 * 3_600_000, host: "b" };
  const tail = source([3, 4, 5], [30, 40, 900], { before: [2, 2] }).series;
  const resumed = source([0, 1, 2, 3, 4], [0, 1, 2, 3, 4], { restarts: [restart], tails: [tail], overtaken: 3 });

  test("what it left behind is a faint line of its own, from where it went on", () => {
    const { marks, x, y, notes } = lineFigure([curveOf(resumed, UNSMOOTHED)], OPTIONS);

    const lines = marks.filter((mark) => mark.kind === "line");
    expect(lines.map((mark) => [...mark.x])).toEqual([
      [2, 3, 4, 5],
      [0, 1, 2, 3, 4],
    ]);
    expect(lines[0]?.alpha).toBeLessThan(0.5);
    expect(x.range).toEqual([0, 5]);
    expect(y.range[1]).toBeLessThan(10); // what went wrong does not flatten the rest
    expect(notes).toEqual([{ at: 3, text: "resumed at step 3, 3h 00m later, on host b" }]);
    expect(marks.at(-1)).toMatchObject({ kind: "glyphs", shape: "restart", x: Float64Array.of(3) });
  });

  test("over time the line is broken where the run was not there; its points stay readable", () => {
    const over = source([0, 1, 9], [0, 1, 2], { restarts: [{ ...restart, x: 8 }] });
    const { marks, traces } = lineFigure([curveOf(over, UNSMOOTHED)], { ...OPTIONS, x: "relative" });

    expect([...(marks.find((mark) => mark.kind === "line")?.y ?? [])]).toEqual([0, 1, Number.NaN, 2]);
    expect([...(traces[0]?.x ?? [])]).toEqual([0, 1, 9]);
  });
});
