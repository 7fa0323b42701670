import { expect, test } from "vitest";
import { parseAnsi, stripAnsi } from "./ansi";

const plain = { color: null, bold: false, dim: false };

test("colours and weights become spans", () => {
  expect(parseAnsi("\x1b[1;31mfail\x1b[0m ok \x1b[92mgreen\x1b[39m.")).toEqual([
    { text: "fail", color: 1, bold: true, dim: false },
    { text: " ok ", ...plain },
    { text: "green", color: 10, bold: false, dim: false },
    { text: ".", ...plain },
  ]);
});

test("256 colours and RGB are consumed whole", () => {
  expect(parseAnsi("\x1b[38;5;4mblue\x1b[38;2;1;2;3mrgb\x1b[48;5;200mback")).toEqual([
    { text: "blue", color: 4, bold: false, dim: false },
    { text: "rgb", ...plain },
    { text: "back", ...plain },
  ]);
});

test("a progress bar shows its last state; cursor moves and titles vanish", () => {
  expect(stripAnsi("  0%|   |\r100%|###|\r")).toBe("100%|###|");
  expect(stripAnsi("\x1b[2K\x1b]0;title\x07done\x1b[A")).toBe("done");
});

test("markup stays text", () => {
  expect(parseAnsi("<img src=x onerror=alert(1)>")).toEqual([{ text: "<img src=x onerror=alert(1)>", ...plain }]);
});
