import { expect, test } from "vitest";
import type { RunInfo } from "../api/types";
import { refsOf } from "./fields";

const run = (id: string, params: RunInfo["params"]) =>
  ({ id, name: id, number: 1, params, tags: {}, metrics: [] }) as unknown as RunInfo;
const RUNS = [run("a", { lr: 0.1, model: "vit" }), run("b", { lr: 0.2 })];

test("runs are named by the field they are averaged by; of several fields the values are enough", () => {
  const groups = (fields: string[]) => refsOf(RUNS, { groups: fields, colour: "" }, false).map((ref) => ref.group);

  expect(groups([])).toEqual([null, null]);
  expect(groups(["param:lr"])).toEqual(["lr=0.1", "lr=0.2"]);
  expect(groups(["param:model", "param:lr"])).toEqual(["vit · 0.1", "– · 0.2"]);
});
