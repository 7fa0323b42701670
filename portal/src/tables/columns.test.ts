import { expect, test } from "vitest";
import type { MetricSummary, RunInfo } from "../api/types";
import { cellValue, chooseColumns, columnDigits, decodeColumns, durationMs, encodeColumns } from "./columns";

function metric(name: string, last: number | null, last_text = String(last)): MetricSummary {
  return {
    name,
    column: "",
    kind: "scalar",
    dtype: 0,
    count: 1,
    last,
    last_text,
    last_step: 0,
    last_time_ms: 0,
    min: last,
    max: last,
    mean: last,
    description: "",
  };
}
function run(number: number, params: RunInfo["params"], metrics: MetricSummary[]): RunInfo {
  return {
    id: `r${number}`, experiment: "e", number, name: `run-${number}`, status: "Completed", start_ms: 1_000, end_ms: 3_500, heartbeat_ms: 3_500, parent_id: null, type: "", user: "ada",
    description: "", deleted: false, error: null, params, tags: {}, properties: {}, metrics, children: 0, info: {}, datasets: [], model_inputs: [], model_outputs: [],
  }; // biome-ignore format: one record
}
const runs = [
  run(1, { seed: 1, lr: 0.1 }, [metric("loss", 0.25), metric("system/cpu", 5)]),
  run(2, { seed: 1, lr: 0.01 }, [metric("loss", null, "NaN")]),
];

test("params that differ are shown, constant ones and system metrics are only offered", () => {
  const { auto, all } = chooseColumns(runs, false);

  expect(auto).toEqual(["status", "start", "duration", "param:lr", "metric:loss"]);
  expect(all).toContain("param:seed");
  expect(all.at(-1)).toBe("metric:system/cpu");
});

test("a cell has the value itself; NaN keeps its word", () => {
  const [first, second] = runs as [RunInfo, RunInfo];

  expect(cellValue(first, "metric:loss", 0)).toBe(0.25);
  expect(cellValue(second, "metric:loss", 0)).toBe("NaN");
  expect(cellValue(first, "param:none", 0)).toBeNull();
  expect(cellValue(first, "duration", 0)).toBe(2.5);
});

test("the clock of a silent run stands still", () => {
  const silent = { ...(runs[0] as RunInfo), status: "NotResponding" as const, end_ms: null, heartbeat_ms: 2_000 };

  expect(durationMs(silent, 99_000)).toBe(1_000);
  expect(durationMs({ ...silent, status: "Running" }, 99_000)).toBe(98_000);
});

test("decimals of a column; tags can be columns", () => {
  const tagged = { ...(runs[0] as RunInfo), tags: { model: "mlp" } };

  expect(columnDigits(runs, "param:lr")).toBe(2);
  expect(chooseColumns([tagged], false).all).toContain("tag:model");
  expect(cellValue(tagged, "tag:model", 0)).toBe("mlp");
});

test("columns go through the address, whatever their names hold", () => {
  const ids = ["status", "param:a,b", "metric:50%,2C", "tag:%2C"];

  expect(decodeColumns(encodeColumns(ids))).toEqual(ids);
  expect(decodeColumns("")).toEqual([]);
});
