import { expect, test } from "vitest";
import { contrast, HUES, runStyle, strokeOf, styleAt, withAlpha } from "./colours";

test("a run keeps its style, and 48 neighbours have 48 styles", () => {
  const styles = Array.from({ length: 48 }, (_, at) => JSON.stringify(runStyle({ number: at + 1, id: "x" })));

  expect(new Set(styles).size).toBe(48);
  expect(runStyle({ number: 3, id: "a" })).toEqual(runStyle({ number: 3, id: "b" }));
});

test("every hue has 3:1 against the card of its theme", () => {
  for (let hue = 0; hue < HUES; hue++) {
    expect(contrast(strokeOf(styleAt(hue), false), "#ffffff")).toBeGreaterThan(3);
    expect(contrast(strokeOf(styleAt(hue), true), "#17191c")).toBeGreaterThan(3);
  }
});

test("a run without a number takes its colour from its id", () => {
  expect(runStyle({ number: 0, id: "abc" })).toEqual(runStyle({ number: 0, id: "abc" }));
  expect(withAlpha("#102030", 0.5)).toBe("#10203080");
});
