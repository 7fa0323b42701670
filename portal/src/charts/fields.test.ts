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

test("groups stand by their number where they have one, else in natural order; without a value last", () => {
  const order = (...values: (string | number | null)[]) => {
    const runs = values.map((value, at) => run(String(at), value === null ? {} : { p: value }));
    const refs = refsOf(runs, { groups: ["param:p"], colour: "" }, false);
    return [...refs].sort((a, b) => a.groupAt - b.groupAt).map((ref) => ref.group?.slice(2));
  };

  expect(order(0.1, 0.05, null, 1e-3)).toEqual(["0.001", "0.05", "0.1", "–"]);
  expect(order("0.1", "0.05", "16384", "512")).toEqual(["0.05", "0.1", "512", "16384"]);
  expect(order(16_384, 512)).toEqual(["512", "16,384"]);
  expect(order("vit10", "vit2")).toEqual(["vit2", "vit10"]);
});
