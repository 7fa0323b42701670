import { expect, test } from "vitest";
import { tokens } from "./highlight";

const parts = (text: string, extension: string) =>
  tokens(text, extension).map(({ token, start, end }) => [token, text.slice(start, end)]);

test("python", () => {
  expect(parts("@app\ndef run(x):  # it's a 'note'\n    return f\"a # b\" + 0x1F - 1.5e-3\n", "py")).toEqual([
    ["name", "@app"],
    ["keyword", "def"],
    ["name", "run"],
    ["comment", "# it's a 'note'"],
    ["keyword", "return"],
    ["string", 'f"a # b"'],
    ["number", "0x1F"],
    ["number", "1.5e-3"],
  ]);
  expect(parts('"""one\ntwo # no"""\nx1 = 2', "py")).toEqual([
    ["string", '"""one\ntwo # no"""'],
    ["number", "2"],
  ]);
});

test("json and yaml tell keys from values", () => {
  expect(parts('{"a": "b", "n": [1, null]}', "json").map(([token]) => token)).toEqual([
    "name",
    "string",
    "name",
    "number",
    "keyword",
  ]);
  expect(parts("lr: 0.1 # warm\nname: x\n", "yaml")).toEqual([
    ["name", "lr"],
    ["number", "0.1"],
    ["comment", "# warm"],
    ["name", "name"],
  ]);
});

test("an unknown language and an open string are no trouble", () => {
  expect(parts("anything # at all", "xyz")).toEqual([]);
  expect(parts("'''never closed", "py")).toEqual([["string", "'''never closed"]]);
  const start = performance.now();
  tokens("'\"`\\".repeat(50_000), "js");
  expect(performance.now() - start).toBeLessThan(1_000);
});
