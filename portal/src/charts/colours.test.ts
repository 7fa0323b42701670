import { expect, test } from "vitest";
import { contrast, HUES, mixed, runStyle, scaleColour, strokeOf, styleAt } from "./colours";

const CARDS = { light: "#ffffff", dark: "#161a20" };

test("a run keeps its style, and 48 neighbours have 48 styles", () => {
  const styles = Array.from({ length: 48 }, (_, at) => JSON.stringify(runStyle({ number: at + 1, id: "x" })));

  expect(new Set(styles).size).toBe(48);
  expect(runStyle({ number: 3, id: "a" })).toEqual(runStyle({ number: 3, id: "b" }));
});

test("every hue has 3:1 against the card of its theme", () => {
  for (let hue = 0; hue < HUES; hue++) {
    expect(contrast(strokeOf(styleAt(hue), false), CARDS.light)).toBeGreaterThan(3);
    expect(contrast(strokeOf(styleAt(hue), true), CARDS.dark)).toBeGreaterThan(3);
  }
});

test.each([false, true])(
  "the ordered scale (dark: %s) is seen everywhere and its lightness only goes one way",
  (isDark) => {
    const card = isDark ? CARDS.dark : CARDS.light;
    const contrasts = Array.from({ length: 21 }, (_, at) => contrast(scaleColour(at / 20, isDark), card));

    for (const [at, value] of contrasts.entries()) {
      expect(value).toBeGreaterThan(3);
      if (at > 0)
        expect(isDark ? value : -value).toBeGreaterThanOrEqual((isDark ? 1 : -1) * (contrasts[at - 1] ?? 0) - 1e-9);
    }
    expect(scaleColour(-1, isDark)).toBe(scaleColour(0, isDark));
    expect(scaleColour(2, isDark)).toBe(scaleColour(1, isDark));
  },
);

test("colours are mixed by their share", () => {
  expect(mixed("#000000", "#ffffff", 0)).toBe("#000000");
  expect(mixed("#000000", "#ffffff", 0.5)).toBe("#808080");
});

test("a run without a number takes its colour from its id", () => {
  expect(runStyle({ number: 0, id: "abc" })).toEqual(runStyle({ number: 0, id: "abc" }));
});
