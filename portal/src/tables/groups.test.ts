import { expect, test } from "vitest";
import type { RunGroup, Spread } from "../api/types";
import { groupTitle, sortGroups, spreadText } from "./groups";

const spread = (mean: number, std: number | null, n = 5): Spread => ({ n, mean, std, min: mean - 1, max: mean + 1 });
function group(values: RunGroup["values"], runs: number, loss: number | null): RunGroup {
  return {
    values,
    runs,
    statuses: {},
    first_start_ms: runs,
    last_start_ms: runs,
    spreads: loss === null ? {} : { "metric:loss": spread(loss, 0.1) },
    common: {},
  };
}

test("a mean has the places that its spread gives sense to", () => {
  const text = (...given: Parameters<typeof spreadText>) => {
    const { mean, spread: half } = spreadText(...given);
    return `${mean} ${half}`.trim();
  };

  expect(text(spread(0.412345, 0.0312), "std")).toBe("0.412 ± 0.031");
  expect(text(spread(1234.5678, 25.4), "std")).toBe("1235 ± 25");
  expect(text(spread(0.9, 0.02, 4), "sem")).toBe("0.900 ± 0.010");
  expect(text(spread(0.5, null, 1), "std")).toBe("0.5");
  expect(text(spread(0.5, 0), "std")).toBe("0.5 ± 0");
  expect(text(spread(2, 0.5), "range")).toBe("2 1 … 3");
  expect(text(spread(2.5e-9, 3e-10), "std")).toContain("± 3e-10");
});

test("groups are ordered as runs would be; what is missing comes last", () => {
  const groups = [group([0.1], 3, 0.5), group([0.01], 9, 0.2), group([null], 5, null)];
  const values = (order: string[]) => sortGroups(groups, ["param:lr"], order).map((one) => one.values[0]);

  expect(values(["metric:loss"])).toEqual([0.01, 0.1, null]);
  expect(values(["-metric:loss"])).toEqual([0.1, 0.01, null]);
  expect(values(["-param:lr"])).toEqual([0.1, 0.01, null]);
  expect(values(["-name"])).toEqual([0.01, null, 0.1]);
  expect(values(["-start"])).toEqual([0.01, null, 0.1]);
  expect(values(["status"])).toEqual([0.01, 0.1, null]);
});

test("a group is called by its values", () => {
  expect(groupTitle(group([0.001, null], 1, null), ["param:lr", "tag:kind"])).toEqual([
    { label: "lr", value: "0.001" },
    { label: "kind", value: "–" },
  ]);
});
