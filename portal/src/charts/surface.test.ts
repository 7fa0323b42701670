import { describe, expect, test } from "vitest";
import type { Figure, Mark } from "./figure";
import { escaped, type Paper, paintAxes, paintEnds, paintMarks, SvgSurface, scalesOf } from "./surface";

const PAPER: Paper = {
  isDark: false, text: "#111", soft: "#777", grid: "#ddd", card: "#fff", accent: "#0a0", good: "#0b0", bad: "#b00", warn: "#bb0",
}; // biome-ignore format: one record
const BOX = { left: 10, top: 10, width: 100, height: 50 };

function figure(marks: Mark[], more: Partial<Figure> = {}): Figure {
  const axis = { scale: "linear" as const, range: [0, 10] as [number, number], format: String };
  return { x: axis, y: axis, marks, traces: [], reads: "x", ends: null, formatX: String, formatY: String, ...more };
}
function svg(marks: Mark[], more: Partial<Figure> = {}): string {
  const surface = new SvgSurface();
  const drawn = figure(marks, more);
  paintMarks(surface, drawn, BOX, scalesOf(drawn.x, drawn.y, BOX), PAPER);
  return surface.close(120, 80, "title", "#fff");
}
const line = (y: number[]): Mark => ({
  kind: "line",
  x: Float64Array.from(y.keys()),
  y: Float64Array.from(y),
  ink: "text",
});

describe("a file of markup", () => {
  test("has no name as markup and no sign that XML forbids", () => {
    expect(escaped(`<b a="1" b='2'>&\u0000\u0008`)).toBe("&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;");
    expect(escaped("a\tb\nc\r\u001f\ufffe\uffff\ud800-\udfff\ufffd\u{1f600}")).toBe("a\tb\nc-\ufffd\u{1f600}");
    const surface = new SvgSurface();
    surface.text("</text><script>alert(1)</script>", 0, 0, { fill: "#000", size: 11 });

    const text = surface.close(10, 10, "<title>", "#fff");

    expect(text).not.toContain("<script");
    expect(text).toContain("<title>&lt;title&gt;</title>");
  });
});

describe("marks", () => {
  test("a line breaks where there is no number, and a point between gaps is a dot", () => {
    const text = svg([line([0, 1, Number.NaN, 3, Number.POSITIVE_INFINITY, 5, 6])]);

    expect(text.match(/[ML][\d. ]+/g)).toEqual(["M10 60", "L20 55", "M40 45", "M60 35", "L70 30"]);
    expect(text.match(/<circle cx="40" cy="45"/g)).toHaveLength(1);
  });

  test("bars lie on whole pixels, so that neighbours have no seam", () => {
    const of = (...values: number[]) => Float64Array.from(values);
    const bars: Mark = {
      kind: "bars",
      left: of(0, 3.33),
      right: of(3.33, 6),
      low: of(0, 0),
      high: of(3.33, 7.77),
      ink: "soft",
    };

    const boxes = [
      ...svg([bars]).matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" fill="#777"/g),
    ];

    expect(boxes.map((box) => box.slice(1).map(Number))).toEqual([
      [10, 43, 32, 17],
      [43, 21, 26, 39],
    ]);
  });

  test("what is not finite stands at the edge it went to; crosses that would cover each other are one", () => {
    const at = Float64Array.of(5, 5.1);
    const glyph = (shape: "up" | "cross"): Mark => ({
      kind: "glyphs",
      shape,
      x: at,
      y: Float64Array.of(2, 2),
      ink: "bad",
    });

    expect(svg([glyph("up")])).toContain("M60 11");
    expect(svg([glyph("cross")]).match(/M/g)).toHaveLength(2);
  });
});

describe("the ends of lines", () => {
  const trace = (y: number[], x = Float64Array.from(y.keys())) => ({
    run: "r", label: "r", ink: "text" as const, dash: [], x, y: Float64Array.from(y),
  }); // biome-ignore format: one record
  function ends(y: number[], x?: Float64Array<ArrayBuffer>): string {
    const surface = new SvgSurface();
    const drawn = figure([], { traces: [trace(y, x)], ends: "names" });
    paintEnds(surface, drawn, ["name"], BOX, scalesOf(drawn.x, drawn.y, BOX), PAPER);
    return surface.close(120, 80, "", "#fff");
  }

  test("a line that ends in view has a dot and its name beside", () => {
    expect(ends([0, 5])).toContain('<circle cx="20" cy="35"');
  });

  test("a line that goes on has its name where it leaves, and no dot", () => {
    const text = ends([0, 10], Float64Array.of(0, 20));

    expect(text).not.toContain("<circle");
    expect(text).toContain('<text x="118" y="35"');
  });

  test("a line that is nowhere in view has none", () => {
    expect(ends([0, 5], Float64Array.of(-9, -5))).not.toContain("<text x");
  });
});

test("axes leave out ticks that are not in the plot", () => {
  const surface = new SvgSurface();
  const drawn = figure([]);
  const ticks = { x: { at: [0, 5, 11], text: ["zero", "five", "eleven"] }, y: { at: [], text: [] } };

  paintAxes(surface, drawn, ticks, BOX, scalesOf(drawn.x, drawn.y, BOX), PAPER);

  expect(surface.close(1, 1, "", "").match(/zero|five|eleven/g)).toEqual(["zero", "five"]);
});
