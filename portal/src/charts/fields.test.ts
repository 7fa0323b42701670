import { expect, test } from "vitest";
import type { RunInfo } from "../api/types";
import { compareGroups, refsOf } from "./fields";

const run = (id: string, params: RunInfo["params"]) =>
  ({ id, name: id, number: 1, params, tags: {}, metrics: [] }) as unknown as RunInfo;
const RUNS = [run("a", { lr: 0.1, model: "vit" }), run("b", { lr: 0.2 })];

test("runs are named by the field they are averaged by; of several fields the values are enough", () => {
  const groups = (fields: string[]) => refsOf(RUNS, { groups: fields, colour: "" }, false).map((ref) => ref.group);

  expect(groups([])).toEqual([null, null]);
  expect(groups(["param:lr"])).toEqual(["lr=0.1", "lr=0.2"]);
  expect(groups(["param:model", "param:lr"])).toEqual(["vit · 0.1", "– · 0.2"]);
});

test("groups stand by their number where they have one, else in natural order", () => {
  const sorted = (...labels: string[]) => labels.sort(compareGroups);

  expect(sorted("lr=0.1", "lr=0.05", "lr=1e-3")).toEqual(["lr=1e-3", "lr=0.05", "lr=0.1"]);
  expect(sorted("lr=0.1 ×3", "lr=0.05 ×2")).toEqual(["lr=0.05 ×2", "lr=0.1 ×3"]);
  expect(sorted("model=vit10", "model=vit2", "model=–")).toEqual(["model=–", "model=vit2", "model=vit10"]);
});
