import { describe, expect, test } from "vitest";
import { isPlotly, plotlyFigure } from "./plotly";

const shade = (share: number): `#${string}` => `#${Math.round(share * 255)}`;
const drawn = (data: unknown[], layout: unknown = {}) => plotlyFigure({ data, layout }, shade);

test("what is no figure of Plotly is told from what is", () => {
  expect(isPlotly({ data: [{ type: "bar" }] })).toBe(true);
  expect(isPlotly({ data: [{ y: [1] }] })).toBe(true);
  expect(isPlotly({ data: [] })).toBe(false);
  expect(isPlotly({ data: [{ name: "x" }] })).toBe(false);
  expect(isPlotly([1, 2])).toBe(false);
  expect(isPlotly(null)).toBe(false);
});

describe("plotlyFigure", () => {
  test("draws lines with markers, with numbers packed as bytes and titles without their markup", () => {
    const packed = { dtype: "f8", bdata: btoa(String.fromCharCode(...new Uint8Array(Float64Array.of(1, 4).buffer))) };

    const { figure, title } = drawn([{ type: "scatter", name: "<b>tried</b>", x: [10, 20], y: packed }], {
      title: { text: "All <i>of</i> it" },
      xaxis: { title: "round" },
    });

    expect(title).toBe("All  of  it");
    expect(figure?.x.title).toBe("round");
    expect(figure?.marks.map((mark) => mark.kind)).toEqual(["line", "dots"]);
    expect(figure?.traces.map((trace) => [trace.label, Array.from(trace.y)])).toEqual([["tried", [1, 4]]]);
  });

  test("bars of words stand beside each other, or on each other when stacked", () => {
    const data = [
      { type: "bar", x: ["a", "b"], y: [1, 2] },
      { type: "bar", x: ["b", "a"], y: [3, 4] },
    ];
    const tops = (layout: unknown) =>
      drawn(data, layout).figure?.marks.map((mark) => (mark.kind === "bars" ? Array.from(mark.high) : []));

    expect(tops({})).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(tops({ barmode: "stack" })).toEqual([
      [1, 2],
      [5, 5],
    ]);
    expect(drawn(data).figure?.x.format(1, 1)).toBe("b");
  });

  test("a heat map is shaded from its least to its greatest value, and leaves gaps", () => {
    const { figure } = drawn([
      {
        type: "heatmap",
        z: [
          [0, 5],
          [null, 10],
        ],
      },
    ]);
    const [mark] = figure?.marks ?? [];

    expect(mark?.kind === "bars" && mark.ink).toEqual(["#0", "#128", "#0", "#255"]);
  });

  test("dates and logarithms make their axes; what is not drawn is named", () => {
    const dates = drawn([{ y: [1, 2], x: ["2026-01-01", "2026-01-02 12:00"] }]).figure;
    const log = drawn([{ x: [1, 1000], y: [1, 2] }], { xaxis: { type: "log" } }).figure;
    const none = drawn([{ type: "pie", values: [1] }]);

    expect(dates?.x.scale).toBe("time");
    expect(log?.x.scale).toBe("log");
    expect(none).toEqual({ figure: null, title: "", skipped: ["pie"] });
  });

  test("traces that are hidden or empty are no trouble", () => {
    expect(drawn([{ y: [], x: [] }]).figure?.x.range).toEqual([0, 1]);
    expect(drawn([{ y: [1], visible: "legendonly" }]).figure).toBeNull();
    expect(drawn([{ type: "histogram", x: ["no number"] }]).figure?.marks).toEqual([]);
  });
});
