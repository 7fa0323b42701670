import { expect, test } from "vitest";
import type { Activity } from "../api/types";
import { activityKey, durations, makeDays, merged } from "./activity";

const NOON = new Date(2026, 10, 24, 12).getTime();
function at(minutes: number, what: Activity["what"], more: Partial<Activity> = {}): Activity {
  return {
    time_ms: NOON + minutes * 60_000,
    what,
    experiment: "sweep",
    run_id: `r${minutes}`,
    name: "",
    version: 0,
    user: "",
    text: "",
    ...more,
  };
}

test("the same thing many times over is one line of its day", () => {
  const days = makeDays([at(3, "completed"), at(2, "completed"), at(1, "started"), at(-24 * 60, "completed")]);

  expect(days.map((day) => day.groups.map((group) => group.items.length))).toEqual([[2, 1], [1]]);
});

test("failures stand alone, and so do other experiments and models", () => {
  const days = makeDays([
    at(6, "failed"),
    at(5, "failed"),
    at(4, "completed"),
    at(3, "completed", { experiment: "other" }),
    at(2, "version", { name: "a", run_id: "" }),
    at(1, "version", { name: "b", run_id: "" }),
  ]);

  expect(days[0]?.groups).toHaveLength(6);
});

test("a run that has ended is told of once, with how long it took", () => {
  const items = [
    at(5, "completed", { run_id: "a" }),
    at(2, "started", { run_id: "b" }),
    at(1, "started", { run_id: "a" }),
  ];

  expect(makeDays(items)[0]?.groups.map((group) => group.items.map((item) => item.run_id))).toEqual([["a"], ["b"]]);
  expect(durations(items)).toEqual(new Map([["a", 4 * 60_000]]));
});

test("a group keeps its key while it grows", () => {
  const before = makeDays([at(1, "completed")])[0]?.groups[0]?.key;
  const after = makeDays([at(2, "completed"), at(1, "completed")])[0]?.groups[0]?.key;

  expect(after).toBe(before);
});

test("what is asked for again is there once", () => {
  const known = [at(2, "started"), at(1, "started")];

  const all = merged([at(3, "completed"), at(2, "started")], known);

  expect(all.map((item) => item.time_ms)).toEqual([3, 2, 1].map((minutes) => NOON + minutes * 60_000));
  expect(new Set(all.map(activityKey)).size).toBe(3);
});
