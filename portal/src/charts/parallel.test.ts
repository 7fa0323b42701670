import { describe, expect, test } from "vitest";
import type { ParamValue, RunInfo } from "../api/types";
import { defaultFields, parallelAxes, parallelFigure, passes, rankCorrelation } from "./parallel";
import { placeRuns, scatterFigure } from "./scatter";

function run(id: string, params: Record<string, ParamValue>, loss: number | null = null): RunInfo {
  const metrics = loss === null ? [] : [{ name: "loss", column: "", kind: "scalar", last: loss, min: loss, max: loss }];
  return { id, name: id, number: 1, params, tags: {}, metrics, start_ms: 0, end_ms: 60_000 } as unknown as RunInfo;
}
const RUNS = [
  run("a", { lr: 0.001, optimizer: "adam10", layers: 2 }, 0.3),
  run("b", { lr: 0.1, optimizer: "adam2", layers: 4 }, 0.5),
  run("c", { lr: 10, optimizer: "adam2", layers: 8 }),
];

describe("placeRuns", () => {
  test("numbers over decades are placed by their logarithm, words in natural order", () => {
    const lr = placeRuns(RUNS, "param:lr");
    const optimizer = placeRuns(RUNS, "param:optimizer");

    expect(lr.axis.scale).toBe("log");
    expect(optimizer.axis.format(0, 1)).toBe("adam2");
    expect(Array.from(optimizer.at)).toEqual([1, 0, 0]);
    expect(placeRuns(RUNS, "param:layers").axis.scale).toBe("linear");
  });

  test("what a run lacks has no place, and a field that none has an axis all the same", () => {
    expect(placeRuns(RUNS, "metric:loss").at[2]).toBeNaN();
    expect(placeRuns(RUNS, "param:none").axis.range).toEqual([0, 1]);
  });
});

test("a scatter leaves out runs without both values, and says what a point is", () => {
  const refs = RUNS.map((one) => ({
    id: one.id,
    label: one.name,
    ink: 0,
    dash: [],
    group: null,
    groupAt: 0,
    href: `/${one.id}`,
    isMarked: false,
  }));

  const { traces } = scatterFigure(RUNS, refs, "param:lr", "metric:loss", "param:optimizer");

  expect(traces.map((trace) => trace.label)).toEqual(["a", "b"]);
  expect(traces[0]?.facts?.(0)).toEqual([
    ["lr", "0.001"],
    ["loss", "0.3"],
    ["optimizer", "adam10"],
  ]);
});

describe("parallel axes", () => {
  const axes = parallelAxes(RUNS, ["param:lr", "param:layers", "metric:loss"]);

  test("use their height from the least to the greatest value, and read back what they show", () => {
    expect(Array.from(axes[0]?.at ?? [])).toEqual([0, 0.5, 1]);
    expect(Array.from(axes[1]?.at ?? [])).toEqual([0, 1 / 3, 1]);
    expect(axes[1]?.ticks.map((tick) => tick.text)).toEqual(["2", "4", "8"]);
    expect(axes[0]?.read(0.5)).toBe("0.1");
    expect(axes[2]?.exact(2)).toBe("–");
  });

  test("a brush keeps what lies in it, ends included, and not what is missing", () => {
    const kept = (field: string, low: number, high: number) =>
      [0, 1, 2].filter((at) => passes(axes, new Map([[field, [low, high]]]), at));

    expect(kept("param:layers", 0, 1 / 3)).toEqual([0, 1]);
    expect(kept("metric:loss", 0, 1)).toEqual([0, 1]);
  });

  test("those that differ come first, then what people look at", () => {
    expect(defaultFields(RUNS)).toEqual(["param:layers", "param:lr", "param:optimizer", "metric:loss"]);
  });

  test("lines that do not pass are behind the axes, those that do before them", () => {
    const lines = RUNS.map((one) => ({ run: one.id, label: one.name, ink: 0, href: "" }));

    const kinds = parallelFigure(axes, lines, (at) => at === 1).marks.map((mark) => `${mark.kind} ${mark.ink}`);

    expect(kinds).toEqual(["line soft", "line soft", "rule soft", "rule soft", "rule soft", "line 0"]);
  });
});

test("ranks that go together correlate fully, whatever the distances; ties and too few do not pretend", () => {
  expect(rankCorrelation([1, 2, 300], [0.1, 0.2, 0.3])).toBe(1);
  expect(rankCorrelation([1, 2, 3], [3, 2, 1])).toBe(-1);
  expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNaN();
  expect(rankCorrelation([1, 2, Number.NaN], [1, 2, 3])).toBeNaN();
  expect(rankCorrelation([1, 1, 2, 3], [1, 2, 3, 4])).toBeCloseTo(0.9487);
});
