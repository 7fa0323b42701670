import { describe, expect, test } from "vitest";
import { EMPTY_LAYOUT, type Layout } from "./layout";
import {
  frameSnippet,
  imagePath,
  isEmbed,
  markdownImage,
  markdownLink,
  ownChoice,
  pagePath,
  panelPath,
  viewPath,
  withoutEmbed,
} from "./share";

const query = (path: string) => new URL(path, "http://x").searchParams;
const loss = { id: "metric:train/loss", kind: "lines" } as const;

test("an embed is the page with /embed before its path", () => {
  expect(isEmbed("/embed/runs/a")).toBe(true);
  expect(isEmbed("/embed")).toBe(false);
  expect(isEmbed("/embedded/runs")).toBe(false);
  expect(withoutEmbed("/embed/runs/a")).toBe("/runs/a");
  expect(withoutEmbed("/runs/a")).toBe("/runs/a");
});

describe("the embed of a view", () => {
  test("keeps what the page's address says", () => {
    expect(viewPath("/runs/a", new URLSearchParams("smooth=10&q=loss"), "charts")).toBe(
      "/embed/runs/a?smooth=10&q=loss",
    );
  });

  test("names the part of a page that has two", () => {
    const at = new URLSearchParams("q=lr&order=-start&smooth=10&charts=all&view=mine");

    expect(viewPath("/experiments/a%2Fb", at, "charts")).toBe(
      "/embed/experiments/a%2Fb?q=lr&order=-start&smooth=10&part=charts",
    );
    expect(viewPath("/runs", at, "table")).toBe("/embed/runs?q=lr&order=-start&part=table");
  });

  test("of an embed is that embed", () => {
    expect(viewPath("/embed/runs", new URLSearchParams("part=charts&theme=dark"), "charts")).toBe(
      "/embed/runs?part=charts",
    );
  });
});

describe("the embed of a panel", () => {
  const layout: Layout = {
    added: [
      { id: "p1", kind: "scatter", x: "param:lr", y: "metric:loss" },
      { id: "p2", kind: "bars" },
    ],
    hidden: ["metric:other"],
    edits: { "metric:train/loss": { look: { logY: true } }, "metric:acc": { title: "Accuracy" } },
    moves: [["p1", "train", ""]],
  };

  test("carries its own settings and those of no other panel", () => {
    const own = query(panelPath("/runs/a", new URLSearchParams(), loss, layout, {}));
    const made = query(panelPath("/runs/a", new URLSearchParams(), layout.added[0] ?? loss, layout, {}));

    expect(own.get("panel")).toBe("metric:train/loss");
    expect(JSON.parse(own.get("panels") ?? "")).toEqual({ edits: { "metric:train/loss": { look: { logY: true } } } });
    expect(JSON.parse(made.get("panels") ?? "")).toEqual({ added: [layout.added[0]] });
  });

  test("keeps how charts are looked at and which runs are shown, and nothing of the table", () => {
    const at = new URLSearchParams(
      "q=params.lr<1&sel=a,b&cols=name&order=-start&x=time&zoom=1~2&by=param:lr&size=large",
    );

    const found = query(panelPath("/experiments/nets", at, loss, EMPTY_LAYOUT, {}));

    expect([...found.keys()]).toEqual(["q", "sel", "x", "zoom", "by", "panel"]);
  });

  test("does without the search for panels of a run's page, but not without its tab", () => {
    const found = query(panelPath("/runs/a", new URLSearchParams("q=cpu&tab=system"), loss, EMPTY_LAYOUT, {}));

    expect([...found.keys()]).toEqual(["tab", "panel"]);
  });

  test("says what was chosen on the panel, if anything was", () => {
    const own = { log: true, zoom: null, at: undefined };

    expect(
      ownChoice(query(panelPath("/runs/a", new URLSearchParams(), loss, EMPTY_LAYOUT, own)).get("own") ?? ""),
    ).toEqual({ log: true });
    expect(query(panelPath("/runs/a", new URLSearchParams(), loss, EMPTY_LAYOUT, { zoom: null })).has("own")).toBe(
      false,
    );
  });
});

test.each(["", "{", "null", "[1]", '"text"', "7"])("a choice cut short or foreign, %j, is none", (text) => {
  expect(ownChoice(text)).toEqual({});
});

test("an embed leads to the page in the same state", () => {
  expect(pagePath("/embed/runs/a", new URLSearchParams("panel=p1&own={}&theme=dark&smooth=10"))).toBe(
    "/runs/a?smooth=10",
  );
  expect(pagePath("/embed/experiments/a", new URLSearchParams("part=charts&q=x"))).toBe(
    "/experiments/a?q=x&charts=all",
  );
  expect(pagePath("/embed/experiments/a", new URLSearchParams("part=table&q=x"))).toBe("/experiments/a?q=x");
  expect(pagePath("/embed/compare", new URLSearchParams("runs=a,b&panel=p1"))).toBe("/compare?runs=a%2Cb&tab=charts");
});

test("markup in a name stays text, in a frame and in Markdown", () => {
  const name = 'a "b" <script> ](x) `c` *d* |e|';

  expect(frameSnippet("http://h/embed/runs/a?x=1&y=2", name, 300)).toBe(
    '<iframe src="http://h/embed/runs/a?x=1&amp;y=2" title="a &quot;b&quot; &lt;script&gt; ](x) `c` *d* |e|" ' +
      'width="100%" height="300" style="border:0" loading="lazy" allow="clipboard-write"></iframe>',
  );
  expect(markdownLink("http://h/a(b)", name)).toBe(
    '[a "b" \\<script\\> \\](x) \\`c\\` \\*d\\* \\|e\\|](http://h/a%28b%29)',
  );
});

describe("a picture by the server", () => {
  const view = {
    x: "step" as const,
    smoothing: { kind: "ema" as const, points: 1 },
    logX: false,
    logY: false,
    zoom: null as [number, number] | null,
    groups: [] as string[],
    colour: "",
    centre: "mean" as const,
    spread: "std" as const,
  };
  const nothing = new URLSearchParams();

  test("names the runs, or follows an experiment whose latest are shown", () => {
    expect(imagePath("/runs/a", nothing, "train/loss", ["a"], view, {})).toBe(
      "/embed/chart.svg?metric=train%2Floss&runs=a",
    );
    expect(imagePath("/experiments/a%20b", nothing, "loss", ["x", "y"], view, {})).toBe(
      "/embed/chart.svg?metric=loss&experiment=a+b",
    );
    expect(imagePath("/embed/experiments/e", new URLSearchParams("sel=x"), "loss", ["x"], view, {})).toBe(
      "/embed/chart.svg?metric=loss&runs=x",
    );
  });

  test("is looked at as the page, or as the panel says", () => {
    const looked = {
      ...view,
      x: "time" as const,
      smoothing: { kind: "ema" as const, points: 12.345 },
      zoom: [1, 2.5] as [number, number],
    };

    expect(imagePath("/runs/a", nothing, "loss", ["a"], looked, { log: true })).toBe(
      "/embed/chart.svg?metric=loss&runs=a&x=time&smooth=12.3&log=1&zoom=1%7E2.5",
    );
    expect(imagePath("/runs/a", nothing, "loss", ["a"], { ...view, logY: true }, { log: false })).not.toContain(
      "log=1",
    );
  });

  test("has groups and their bands, and every kind of smoothing", () => {
    const looked = {
      ...view,
      groups: ["param:a,b", "experiment"],
      spread: "range" as const,
      smoothing: { kind: "gaussian" as const, points: 5 },
    };

    expect(imagePath("/runs/a", nothing, "loss", ["a"], looked, {})).toBe(
      "/embed/chart.svg?metric=loss&runs=a&smooth=5%7Egaussian&group=param%3Aa%252Cb%2Cexperiment&band=mean%7Erange",
    );
  });

  test.each([
    { groups: ["metric:loss"] },
    { colour: "param:lr" },
    { logX: true },
    { x: "metric:other" as const },
    { groups: Array.from({ length: 9 }, (_, at) => `param:${at}`) },
  ])("does not pretend to draw %j", (changed) => {
    expect(imagePath("/runs/a", nothing, "loss", ["a"], { ...view, ...changed }, {})).toBeNull();
  });

  test("is not offered of more runs than the server draws", () => {
    const runs = (n: number) => Array.from({ length: n }, (_, at) => `r${at}`);

    expect(imagePath("/compare", nothing, "loss", runs(50), view, {})).toContain("r49");
    expect(imagePath("/compare", nothing, "loss", runs(51), view, {})).toBeNull();
    expect(imagePath("/experiments/e", nothing, "loss", runs(51), view, {})).toBeNull();
  });

  test("in Markdown leads to where it is alive", () => {
    expect(markdownImage("http://h/i.svg?a=(1)", "http://h/embed/runs/a", "a]b")).toBe(
      "[![a\\]b](http://h/i.svg?a=%281%29)](http://h/embed/runs/a)",
    );
  });
});
