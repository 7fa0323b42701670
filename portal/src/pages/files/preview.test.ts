import { expect, test } from "vitest";
import { isBinary, laidOut, previewKind, separatorOf } from "./preview";

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
