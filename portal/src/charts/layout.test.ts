import { expect, test } from "vitest";
import { added, drawnMetrics, EMPTY_LAYOUT, edited, layOut, layoutOf, layoutText, moved, OWN, removed } from "./layout";
import type { MetricGroup } from "./sections";

const metric = (name: string): MetricGroup => ({
  name, kind: "scalar", columns: [{ name: "", isText: false }], count: 9, description: "",
}); // biome-ignore format: one record
const METRICS = ["loss", "train/a", "train/b", "val/a"].map(metric);
const ids = (...given: Parameters<typeof layOut>) =>
  layOut(...given).map((section) => [section.title, section.panels.map((panel) => panel.spec.id)]);

test("metrics bring their panels, in sections by prefix; a search leaves out what does not match", () => {
  expect(ids(METRICS, EMPTY_LAYOUT)).toEqual([
    ["", ["metric:loss"]],
    ["train", ["metric:train/a", "metric:train/b"]],
    ["val", ["metric:val/a"]],
  ]);
  expect(ids(METRICS, EMPTY_LAYOUT, (text) => text.endsWith("/a"))).toEqual([
    ["train", ["metric:train/a"]],
    ["val", ["metric:val/a"]],
  ]);
});

test("panels are added, moved within and across sections, and removed; all of it survives the address", () => {
  let layout = added(EMPTY_LAYOUT, { id: "p1", kind: "scatter", x: "param:lr", y: "metric:loss" });
  layout = moved(layout, "metric:train/b", "train", "metric:train/a");
  layout = moved(layout, "metric:val/a", "train", "");
  layout = removed(layout, "metric:loss");

  const again = layoutOf(layoutText(layout));

  expect(again).toEqual(layout);
  expect(ids(METRICS, again)).toEqual([
    [OWN, ["p1"]],
    ["train", ["metric:train/b", "metric:train/a", "metric:val/a"]],
  ]);
  expect(removed(again, "p1").added).toEqual([]);
});

test("an edit that takes everything back leaves no trace", () => {
  const own = { id: "metric:loss", kind: "lines" as const, metrics: ["loss"] };
  const layout = edited(EMPTY_LAYOUT, { ...own, look: { logY: true } });

  expect(layOut(METRICS, layout)[0]?.panels[0]?.spec.look).toEqual({ logY: true });
  expect(layoutText(edited(layout, own))).toBe("");
});

test("an address cut short or of another make is no layout", () => {
  expect(layoutOf('{"added":[{"id"')).toEqual(EMPTY_LAYOUT);
  expect(layoutOf('{"added":[{"id":1},{"id":"a","kind":"pie"}],"hidden":7,"moves":[["a"]]}')).toEqual(EMPTY_LAYOUT);
});

test("columns of one table are drawn together", () => {
  expect(drawnMetrics(["a", "t\tx", "t\ty"])).toEqual([
    { name: "a", columns: null },
    { name: "t", columns: ["x", "y"] },
  ]);
});
