import { expect, test } from "vitest";
import type { MetricSummary } from "../api/types";
import { groupMetrics, joinRanks, keyMetrics, makeSections, partLabel } from "./sections";

function metric(name: string, more: Partial<MetricSummary> = {}): MetricSummary {
  return {
    name, column: "", kind: "scalar", dtype: 0, count: 100, last: 1, last_text: "1", last_step: 99, last_time_ms: 0,
    min: 0, max: 1, mean: 0.5, description: "", ...more,
  }; // biome-ignore format: one record
}

test("columns and runs of one metric become one group", () => {
  const groups = groupMetrics([
    metric("roc", { kind: "table", column: "fpr", count: 5 }),
    metric("roc", { kind: "table", column: "label", count: 7, dtype: 4 }),
    metric("roc", { kind: "table", column: "fpr", count: 6 }),
  ]);

  expect(groups).toHaveLength(1);
  expect(groups[0]?.columns).toEqual([
    { name: "fpr", isText: false },
    { name: "label", isText: true },
  ]);
  expect(groups[0]?.count).toBe(7);
});

test("names are grouped by prefix, in natural order, single numbers last", () => {
  const sections = makeSections(
    groupMetrics(
      ["val/loss", "layer/10", "layer/2", "loss"].map((name) => metric(name)).concat(metric("alpha", { count: 1 })),
    ),
  );

  expect(sections.map((section) => [section.title, section.metrics.map((item) => item.name)])).toEqual([
    ["", ["loss", "alpha"]],
    ["layer", ["layer/2", "layer/10"]],
    ["val", ["val/loss"]],
  ]);
});

test("key metrics: losses and accuracies before others, training before validation, no system metrics", () => {
  const names = ["system/cpu", "lr", "grad_norm", "val/accuracy", "val/loss", "train/loss", "train/accuracy"];

  expect(keyMetrics(groupMetrics(names.map((name) => metric(name))), 4).map((item) => item.name)).toEqual([
    "train/loss", "val/loss", "train/accuracy", "val/accuracy",
  ]); // biome-ignore format: one list
});

test("the samples of all ranks are one metric with a line a rank", () => {
  const names = ["system/cpu", "system/cpu/rank.10", "system/cpu/rank.2", "system/disk", "system/lone/rank.1"];
  const joined = joinRanks(groupMetrics(names.map((name) => metric(name))));

  expect(joined.map((one) => [one.name, one.ranks])).toEqual([
    ["system/cpu", ["system/cpu/rank.2", "system/cpu/rank.10"]],
    ["system/disk", undefined],
    ["system/lone/rank.1", undefined],
  ]);
  expect(partLabel("system/cpu", names.slice(0, 2))).toBe("rank 0");
  expect(partLabel("system/cpu/rank.10", names.slice(0, 2))).toBe("rank 10");
  expect(partLabel("system/cpu/rank.10", names)).toBe("system/cpu/rank.10");
});
