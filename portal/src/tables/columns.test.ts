import { describe, expect, test } from "vitest";
import type { MetricSummary, RunInfo } from "../api/types";
import {
  autoWidth,
  betterWay,
  cellNumber,
  cellValue,
  chooseColumns,
  columnDigits,
  columnLabel,
  columnNote,
  columnOrder,
  columnTerm,
  decodeColumns,
  decodeIds,
  durationMs,
  encodeColumns,
  encodeIds,
  isNumeric,
  keysOf,
  MIN_WIDTH,
  neededKeys,
  nextOrder,
  shownTags,
  sortOf,
} from "./columns";

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
    min: last === null ? null : last - 1,
    max: last,
    mean: last,
    description: "",
  };
}
function run(number: number, params: RunInfo["params"], metrics: MetricSummary[]): RunInfo {
  return {
    id: `r${number}`, experiment: "e", experiment_id: "1", number, name: `run-${number}`, status: "Completed", start_ms: 1_000, end_ms: 3_500, heartbeat_ms: 3_500, parent_id: null, type: "", user: "ada",
    description: "", deleted: false, archived: false, error: null, params, tags: {}, properties: {}, metrics, children: 0, sessions: [], info: {}, datasets: [], model_inputs: [], model_outputs: [],
  }; // biome-ignore format: one record
}
const runs = [
  run(1, { seed: 1, lr: 0.1 }, [metric("loss", 0.25), metric("system/cpu", 5)]),
  run(2, { seed: 1, lr: 0.01 }, [metric("loss", null, "NaN")]),
];
const [first, second] = runs as [RunInfo, RunInfo];

describe("which columns", () => {
  test("params that differ are shown, constant ones and system metrics are only offered", () => {
    const { auto, all } = chooseColumns(runs, keysOf(runs), false);

    expect(auto).toEqual(["status", "start", "duration", "param:lr", "metric:loss"]);
    expect(all).toContain("param:seed");
    expect(all.at(-1)).toBe("metric:system/cpu");
  });

  test("what was tried is shown, not what only some runs have; tags of programs are no reason for a column", () => {
    const forest = (number: number, params: RunInfo["params"]) => ({
      ...run(number, params, []),
      tags: { "mlflow.user": "ann" },
    });
    const runs = [
      forest(1, { bootstrap: true, criterion: "gini", n_estimators: 5 }),
      forest(2, { bootstrap: true, criterion: "gini", n_estimators: 50 }),
      forest(3, {}),
    ];

    const { auto, all } = chooseColumns(runs, keysOf(runs), false);

    expect(auto.slice(3)).toEqual(["param:n_estimators"]);
    expect(all).toContain("tag:mlflow.user");
  });

  test("names that no fetched run has are offered too; the portal's own tags are not", () => {
    const tagged = { ...first, tags: { model: "mlp", "tracklog.colour": "3" } };
    const { auto, all } = chooseColumns([tagged], { params: ["depth"], tags: ["owner"], metrics: [] }, true);

    expect(all).toEqual(expect.arrayContaining(["param:depth", "tag:owner", "tag:model"]));
    expect(all).not.toContain("tag:tracklog.colour");
    expect(auto).toContain("tags");
    expect(auto).toContain("experiment");
    expect(shownTags(tagged)).toEqual([["model", "mlp"]]);
  });

  test("columns go through the address with width and pin, whatever their names hold", () => {
    const columns = [
      { id: "status", width: null, isPinned: false },
      { id: "param:a,b~1!", width: 140, isPinned: true },
      { id: "metric:50%,2C", width: null, isPinned: true },
      { id: "tag:状态 %7E", width: 80, isPinned: false },
    ];

    expect(decodeColumns(encodeColumns(columns))).toEqual(columns);
    expect(decodeColumns("")).toEqual([]);
    expect(decodeColumns("a,a~90,~,!,b~1").map(({ id, width }) => [id, width])).toEqual([
      ["a", null],
      ["b", MIN_WIDTH],
    ]);
    expect(decodeIds(encodeIds(["-metric:a,b", "x%2C"]))).toEqual(["-metric:a,b", "x%2C"]);
  });

  test("what must be fetched follows from the columns", () => {
    expect(neededKeys(["status", "param:a:b", "metric.min:x", "metric:x", "spark:y", "tag:t"])).toEqual({
      params: ["a:b"],
      tags: ["t"],
      metrics: ["x", "y"],
    });
  });

  test("each says what it is, to people, to the server and to the filter", () => {
    expect([columnLabel("metric.min:val/loss"), columnNote("metric.min:val/loss")]).toEqual(["val/loss", "min"]);
    expect([columnOrder("metric.min:x"), columnOrder("spark:x"), columnOrder("tags")]).toEqual([
      "metric.min:x",
      "metric:x",
      null,
    ]);
    expect(columnTerm("metric.max:a b")).toBe("max(metrics.`a b`)");
    expect(columnTerm("param:lr")).toBe("params.lr");
    expect(columnTerm("user")).toBe("user");
    expect(columnTerm("tags")).toBeNull();
  });
});

describe("order", () => {
  test("a click sorts, another turns it round, a third goes on turning", () => {
    expect(nextOrder(["-start"], "metric:loss", false)).toEqual(["-metric:loss"]);
    expect(nextOrder(["-metric:loss"], "metric:loss", false)).toEqual(["metric:loss"]);
    expect(nextOrder(["metric:loss"], "metric:loss", false)).toEqual(["-metric:loss"]);
    expect(nextOrder(["-start"], "name", false)).toEqual(["name"]);
    expect(nextOrder(["-start"], "tags", false)).toEqual(["-start"]);
  });

  test("with Shift a column joins, turns, and leaves", () => {
    expect(nextOrder(["-param:lr"], "metric:loss", true)).toEqual(["-param:lr", "-metric:loss"]);
    expect(nextOrder(["-param:lr", "-metric:loss"], "metric:loss", true)).toEqual(["-param:lr", "metric:loss"]);
    expect(nextOrder(["-param:lr", "metric:loss"], "metric:loss", true)).toEqual(["-param:lr"]);
    expect(sortOf(["-param:lr", "metric:loss"], "metric:loss")).toEqual({ way: "ascending", rank: 2 });
    expect(sortOf(["-param:lr"], "metric:loss")).toBeNull();
    expect(sortOf(["-param:lr"], "tags")).toBeNull();
  });
});

describe("cells", () => {
  test("have the value itself; NaN keeps its word", () => {
    expect(cellValue(first, "metric:loss", 0)).toBe(0.25);
    expect(cellValue(first, "metric.min:loss", 0)).toBe(-0.75);
    expect(cellValue(second, "metric:loss", 0)).toBe("NaN");
    expect(cellValue(first, "param:none", 0)).toBeNull();
    expect(cellValue(first, "duration", 0)).toBe(2.5);
    expect(cellValue(first, "no such column", 0)).toBeNull();
    expect(cellNumber(second, "metric:loss", 0)).toBeNull();
    expect(cellNumber(second, "start", 0)).toBe(1_000);
  });

  test("the clock of a silent run stands still", () => {
    const silent = { ...first, status: "NotResponding" as const, end_ms: null, heartbeat_ms: 2_000 };

    expect(durationMs(silent, 99_000)).toBe(1_000);
    expect(durationMs({ ...silent, status: "Running" }, 99_000)).toBe(98_000);
  });

  test("numbers stand to the right and align on the point", () => {
    expect(columnDigits(runs, "param:lr")).toBe(2);
    expect(isNumeric("param:lr", runs)).toBe(true);
    expect(isNumeric("param:lr", [first, run(3, { lr: "auto" }, [])])).toBe(false);
    expect(isNumeric("metric.max:x", [])).toBe(true);
  });

  test("a column is as wide as what stands in it, within reason", () => {
    const long = run(3, { text: "x".repeat(10_000) }, []);

    expect(autoWidth("param:text", [long])).toBe(240);
    expect(autoWidth("param:a", runs)).toBeGreaterThanOrEqual(76);
    expect(autoWidth("metric:a/very/long/name/of/a/metric/that/goes/on", runs)).toBeLessThanOrEqual(200);
  });

  test("a loss is better when it falls, an accuracy when it rises", () => {
    expect(["metric:val/loss", "metric.max:val/accuracy", "metric:epoch_s", "metric:alpha", "param:loss"].map(betterWay)).toEqual([
      "lower", "higher", "lower", null, null,
    ]); // biome-ignore format: one row
  });
});
