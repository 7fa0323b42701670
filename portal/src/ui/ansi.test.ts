import { expect, test } from "vitest";
import { parseAnsi, stripAnsi } from "./ansi";

const plain = { color: null, bold: false, dim: false, italic: false, underlined: false };

test("colours and weights become spans", () => {
  expect(parseAnsi("\x1b[1;31mfail\x1b[0m ok \x1b[92mgreen\x1b[39m.")).toEqual([
    { ...plain, text: "fail", color: 1, bold: true },
    { text: " ok ", ...plain },
    { ...plain, text: "green", color: 10 },
    { text: ".", ...plain },
  ]);
});

test("256 colours and RGB are read; colours behind the text and nonsense are left out", () => {
  expect(
    parseAnsi("\x1b[38;5;4mblue\x1b[38;5;208mcube\x1b[38;5;255mgrey\x1b[38;2;1;2;3mrgb\x1b[48;5;200mback"),
  ).toEqual([
    { ...plain, text: "blue", color: 4 },
    { ...plain, text: "cube", color: "255 135 0" },
    { ...plain, text: "grey", color: "238 238 238" },
    { ...plain, text: "rgb", color: "1 2 3" },
    { ...plain, text: "back", color: "1 2 3" },
  ]);
  expect(parseAnsi("\x1b[38:2::10:200:250mx")[0]?.color).toBe("10 200 250");
  expect(parseAnsi("\x1b[38;2;999;0;0mx")[0]?.color).toBe(null);
  expect(parseAnsi("\x1b[38;5;256mx")[0]?.color).toBe(null);
});

test("italic and underlined begin and end", () => {
  expect(parseAnsi("\x1b[3;4ma\x1b[23mb\x1b[24mc")).toEqual([
    { ...plain, text: "a", italic: true, underlined: true },
    { ...plain, text: "b", underlined: true },
    { ...plain, text: "c" },
  ]);
});

test("a progress bar shows its last state; cursor moves and titles vanish", () => {
  expect(stripAnsi("  0%|   |\r100%|###|\r")).toBe("100%|###|");
  expect(stripAnsi("\x1b[2K\x1b]0;title\x07done\x1b[A")).toBe("done");
});

test("markup stays text", () => {
  expect(parseAnsi("<img src=x onerror=alert(1)>")).toEqual([{ text: "<img src=x onerror=alert(1)>", ...plain }]);
});
