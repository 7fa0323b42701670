import { expect, test } from "vitest";
import { decoded, isBinary, jsonRows, laidOut, previewKind, separatorOf } from "./preview";

const file = (path: string, size_bytes = 10, content_type = "application/octet-stream") => ({
  path,
  size_bytes,
  content_type,
  sha256: "",
  modified_ms: 0,
});

test.each([
  [file("a/plot.PNG"), "image"],
  [file("huge.png", 1e9), "none"],
  [file("scores.csv"), "table"],
  [file("rows.jsonl"), "lines"],
  [file("config.json"), "json"],
  [file("huge.json", 1e9), "text"],
  [file("src/train.py"), "text"],
  [file("Dockerfile"), "text"],
  [file("model.pt"), "archive"],
  [file("model.pkl"), "none"],
  [file("w.safetensors", 5e9), "tensors"],
  [file("data.parquet", 5e9), "parquet"],
  [file("a.ipynb"), "notebook"],
  [file("README.md"), "markdown"],
  [file("a.wav"), "audio"],
  [file("notes.weird", 10, "text/plain"), "text"],
  [file("LICENSE"), "unknown"],
])("$path is looked at as %s", (item, kind) => {
  expect(previewKind(item)).toBe(kind);
});

test("what is no text is told by its bytes; a cut last character is no sign", () => {
  expect(isBinary("a\0b")).toBe(true);
  expect(isBinary("a\ufffdb")).toBe(true);
  expect(isBinary("grün\ufffd")).toBe(false);
});

test("JSON is laid out, a table split by what it is separated with", () => {
  expect(laidOut('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(laidOut("{broken")).toBe("{broken");
  expect(separatorOf("a;b;c\n1;2;3", "csv")).toBe(";");
  expect(separatorOf("a,b", "csv")).toBe(",");
});

test("texts of other encodings are read, other bytes stay what they are", () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);
  const utf8 = new TextEncoder();

  expect(decoded(utf8.encode("grün 损失"))).toEqual({ text: "grün 损失", encoding: "" });
  expect(decoded(bytes(0xff, 0xfe, 0x68, 0, 0x69, 0))).toEqual({ text: "hi", encoding: "UTF-16" });
  expect(decoded(bytes(0x63, 0x61, 0x66, 0xe9, 0x20, 0x61, 0x75))).toEqual({
    text: "café au",
    encoding: "Windows-1252",
  });
  expect(isBinary(decoded(bytes(0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 0xff)).text)).toBe(true);
  expect(isBinary(decoded(bytes(0xff, 0xfe, 0xfd, 0xfc, 0x41, 0x42)).text)).toBe(false); // begins like UTF-16
});

test("lines of JSON become rows; a last line that is cut is left out, other lines leave the text as it is", () => {
  expect(jsonRows('{"a":1,"b":"x"}\n{"a":2,"c":[3]}\n{"a":', 10)).toEqual([
    ["a", "b", "c"],
    ["1", "x", ""],
    ["2", "", "[3]"],
  ]);
  expect(jsonRows('{"a":1}\n', 10)).toEqual([["a"], ["1"]]);
  expect(jsonRows("[1]\n[2]\n", 10)).toBe(null);
  expect(jsonRows('no\n{"a":1}\n', 10)).toBe(null);
});
