import { describe, expect, test } from "vitest";
import { captions, cut, sharedStart, shortLabels, spreadLabels } from "./labels";

test("labels are moved apart, keep their order and stay within the plot while there is room", () => {
  expect(spreadLabels([50, 50, 51], 10, 0, 100)).toEqual([50, 60, 70]);
  expect(spreadLabels([95, 98], 10, 0, 100)).toEqual([90, 100]);
  expect(spreadLabels([0, -20], 10, 0, 100)).toEqual([10, 0]);
});

test("a text is cut in the middle, between whole signs", () => {
  expect(cut("short", 5)).toBe("short");
  expect(cut("abcdefghij", 5)).toBe("ab…ij");
  expect(cut("🙂🙂🙂🙂🙂🙂", 5)).toBe("🙂🙂…🙂🙂");
});

describe("what all names start with", () => {
  test("ends at a whole word, and never within a number", () => {
    expect(sharedStart(["lr-0.1", "lr-0.2"])).toBe(3);
    expect(sharedStart(["layer.10.weight", "layer.1.weight"])).toBe(6);
    expect(sharedStart(["one"])).toBe(0);
    expect(sharedStart(["alpha", "alpine"])).toBe(0);
  });

  test("goes from long names only", () => {
    expect(shortLabels(["sweep/run-2", "sweep/run-10"], 8)).toEqual(["2", "10"]);
    expect(shortLabels(["run-2", "run-10"], 8)).toEqual(["run-2", "run-10"]);
    expect(captions(["loss", "encoder.layer.1.weight", "encoder.layer.2.weight"], 12)).toEqual([
      "loss",
      "…1.weight",
      "…2.weight",
    ]);
  });
});
