import { expect, test } from "vitest";
import type { RunInfo } from "../api/types";
import { delta, differences, uncaptured } from "./differences";

function run(more: Partial<RunInfo>): RunInfo {
  return {
    id: "r", experiment: "e", experiment_id: "1", number: 1, name: "run-1", status: "Completed", start_ms: 0, end_ms: 1, heartbeat_ms: 1,
    parent_id: null, type: "", user: "ada", description: "", deleted: false, archived: false, error: null, params: {}, tags: {},
    properties: {}, metrics: [], children: 0, sessions: [], datasets: [], model_inputs: [], model_outputs: [], info: {}, ...more,
  }; // biome-ignore format: one record
}
const rows = (...runs: RunInfo[]) =>
  differences(runs).map((row) => [row.topic, row.name, row.values, row.differs] as const);

test("what differs comes first within its topic", () => {
  const found = rows(run({ params: { a: 1, lr: 0.1 } }), run({ params: { a: 1, lr: 0.2, new: "x" } }));

  expect(found.filter(([topic]) => topic === "params")).toEqual([
    ["params", "lr", [0.1, 0.2], true],
    ["params", "new", [undefined, "x"], true],
    ["params", "a", [1, 1], false],
  ]);
});

test("captured circumstances are told apart by topic, what each process has anew left out", () => {
  const info = (commit: string, torch: string, pid: number) => ({
    git: { commit, diff: "long", dirty: true },
    command: { argv: ["python", "train.py"] },
    packages: { torch },
    host: { name: "box", pid, gpus: [{ name: "H100" }] },
  });
  const found = rows(run({ info: info("abc", "2.1", 1) }), run({ info: info("def", "2.2", 2) }));

  expect(found.filter(([, , , differs]) => differs)).toEqual([
    ["code", "git.commit", ["abc", "def"], true],
    ["packages", "torch", ["2.1", "2.2"], true],
  ]);
  expect(found.map(([, name]) => name)).not.toContain("host.pid");
  expect(found.find(([, name]) => name === "command.argv")?.[2]).toEqual(["python train.py", "python train.py"]);
});

test("equal NaN results do not differ", () => {
  const metric = {
    name: "loss", column: "", kind: "scalar", dtype: 0, count: 1, last: null, last_text: "NaN", last_step: 0,
    last_time_ms: 0, min: null, max: null, mean: null, description: "",
  } as const; // biome-ignore format: one record

  expect(rows(run({ metrics: [metric] }), run({ metrics: [metric] })).find(([topic]) => topic === "results")?.[3]).toBe(
    false,
  );
});

test("data sets differ by digest", () => {
  const dataset = (digest: string) => ({
    name: "cifar",
    digest,
    source_type: "",
    source: "",
    schema: "",
    profile: "",
    tags: {},
  });

  expect(rows(run({ datasets: [dataset("1")] }), run({ datasets: [dataset("2")] })).find(([topic]) => topic === "data")).toEqual([
    "data", "cifar", ["1", "2"], true,
  ]); // biome-ignore format: one record
});

test("a delta is of numbers only", () => {
  expect(delta(3, 1)).toBe(2);
  expect([delta(1, 1), delta("a", 1), delta(Number.NaN, 1), delta(undefined, 1)]).toEqual([null, null, null, null]);
});

test("what one run did not record at all is no change", () => {
  const full = run({ info: { git: { commit: "a" }, packages: { torch: "2" }, host: { os: "Linux" } } });

  expect(uncaptured([full, full])).toEqual([]);
  expect(uncaptured([full, run({ info: { host: { os: "Linux" } } })])).toEqual(["code", "packages"]);
  expect(uncaptured([run({}), run({})])).toEqual([]);
});
