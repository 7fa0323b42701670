import { describe, expect, test } from "vitest";
import type { Figure } from "./figure";
import type { Shown } from "./frame";
import { factsOf, type PageFile, toHtml } from "./page";
import type { Picture } from "./picture";
import type { Paper } from "./surface";

const paper = (isDark: boolean): Paper => ({
  isDark,
  text: "#111",
  soft: "#666",
  grid: "#ddd",
  card: "#fff",
  accent: "#0aa",
  good: "#0a0",
  bad: "#a00",
  warn: "#aa0",
});
const papers = { light: paper(false), dark: paper(true) };
const MARKUP = '</script><img src=x onerror="alert(1)"> & \u2028 <!--';

function picture(x: number[], y: number[]): Picture {
  const axis = { scale: "linear" as const, range: [0, 10] as [number, number], format: String };
  const figure: Figure = {
    x: axis,
    y: axis,
    marks: [{ kind: "line", x: Float64Array.from(x), y: Float64Array.from(y), ink: 0 }],
    traces: [{ run: "r", label: MARKUP, ink: 0, dash: [], x: Float64Array.from(x), y: Float64Array.from(y) }],
    reads: "x",
    ends: null,
    formatX: String,
    formatY: String,
  };
  const ticks = { x: { at: [0], text: ["0"] }, y: { at: [0], text: ["0"] } };
  const box = { left: 30, top: 8, width: 200, height: 100 };
  return { figure, ticks, box, width: 240, height: 130, ends: null, paper: paper(false) };
}
function panel(x: number[], y: number[], isReduced = false): Shown {
  const rows = x.map((at, row) => ["a", at, y[row] ?? null, (y[row] ?? 0) / 3]);
  return {
    title: MARKUP,
    picture: picture(x, y),
    table: { header: ["line", "step", "mean", "third"], isReduced, rows },
    images: [],
  };
}
const page = (panels: Shown[], more: Partial<PageFile> = {}): PageFile => ({
  title: MARKUP,
  source: "http://h/runs/a?x=1",
  sections: [{ title: MARKUP, panels }],
  ...more,
});
function dataOf(html: string) {
  const [, json = ""] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html) ?? [];
  return JSON.parse(json);
}

test("the filter of runs and the search for panels have names of their own", () => {
  const facts = factsOf({ source: "http://h/experiments/a?q=lr&find=loss", search: "loss", runs: [] });
  const ofRun = factsOf({ source: "http://h/runs/a?q=loss", search: "loss", runs: [] });

  expect(facts.slice(1)).toEqual([
    ["Filter", "lr"],
    ["Panels sought", "loss"],
  ]);
  expect(ofRun.slice(1)).toEqual([["Panels sought", "loss"]]);
});

describe("a file of panels", () => {
  test("holds no markup that a name brought", async () => {
    const html = await toHtml(
      page([panel([1, 2], [0.5, 0.25])], {
        facts: [[MARKUP, MARKUP]],
        runs: [
          { label: MARKUP, ink: 0, dash: [], url: `http://h/runs/"${MARKUP}`, note: MARKUP },
          { label: MARKUP, ink: "#123456", dash: [2, 2], url: "http://h/runs/b", note: "" },
        ],
        missing: [MARKUP],
      }),
      papers,
    );

    expect(html).not.toContain("<img");
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    expect(html).not.toContain("<!--");
    expect(dataOf(html).charts[0].lines[0].label).toBe(MARKUP);
  });

  test("asks nobody for anything", async () => {
    const html = await toHtml(page([panel([1], [2])]), papers);

    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/<link|@import|url\((?!#)|<script src|<img|<iframe/);
  });

  test("does not lead to an address that is no server's", async () => {
    const html = await toHtml(page([], { source: "javascript:alert(1)" }), papers);

    expect(html).not.toContain("javascript:");
  });

  test("has single points to the last digit, and once", async () => {
    const value = 0.34218749403953552;
    const data = dataOf(await toHtml(page([panel([1, 2, 3], [value, Number.NaN, 0.1])]), papers));

    expect(data.charts[0].lines[0].y).toEqual([value, "NaN", 0.1]);
    expect(data.tables[0].columns.slice(1, 3)).toEqual([{ lines: "x" }, { lines: "y" }]);
    expect(data.tables[0].columns[3].cells[0]).toBe(value / 3);
  });

  test("shortens what stands for many points", async () => {
    const data = dataOf(await toHtml(page([panel([1, 2], [1 / 3, 2 / 3], true)]), papers));

    expect(data.charts[0].lines[0].y).toEqual([0.3333333, 0.6666667]);
    expect(data.tables[0].columns[3].cells[0]).toBe(0.1111111);
  });

  test("has the positions of lines that share them once", async () => {
    const data = dataOf(await toHtml(page([panel([1, 2], [3, 4]), panel([1, 2], [5, 6]), panel([7], [8])]), papers));

    expect(data.x).toEqual([[1, 2], [7]]);
    expect(data.charts.map((chart: { lines: { x: number }[] }) => chart.lines[0]?.x)).toEqual([0, 0, 1]);
  });
});
