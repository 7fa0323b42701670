import { expect, test } from "vitest";
import { readSpans, shownValue, tokensOf } from "./traces";

const MS = 1_000_000;

test("spans stand below their parents, by time; attributes are JSON within JSON", () => {
  const spans = readSpans({
    spans: [
      { span_id: "c", parent_span_id: "a", name: "llm", start_time_unix_nano: 30 * MS, end_time_unix_nano: 80 * MS, attributes: { "mlflow.spanType": '"LLM"', "mlflow.spanInputs": '{"q": 1}', "mlflow.spanOutputs": '"<b>"', model: '"m"' } },
      { span_id: "b", parent_span_id: "a", name: "find", start_time_unix_nano: 12 * MS, end_time_unix_nano: 20 * MS, status: { code: "STATUS_CODE_ERROR", message: "why" } },
      { span_id: "a", parent_span_id: null, name: "answer", start_time_unix_nano: 10 * MS, end_time_unix_nano: 90 * MS, attributes: { "mlflow.spanType": '"UNKNOWN"' } },
    ],
  }); // biome-ignore format: one span a line

  expect(spans.map((span) => [span.name, span.depth, span.startMs, span.durationMs])).toEqual([
    ["answer", 0, 0, 80],
    ["find", 1, 2, 8],
    ["llm", 1, 20, 50],
  ]);
  expect(spans[1]).toMatchObject({ isError: true, message: "why" });
  expect(spans[2]).toMatchObject({ type: "LLM", inputs: { q: 1 }, outputs: "<b>", attributes: { model: "m" } });
  expect(spans[0]?.type).toBe("");
});

test("the older shape is read, a missing parent or end and a circle break nothing, other data are no spans", () => {
  const older = {
    context: { span_id: "x" }, parent_id: "gone", name: "old", start_time: 5 * MS, end_time: null, status_code: "ERROR",
    inputs: { a: 1 },
  }; // biome-ignore format: one record

  expect(readSpans({ spans: [older] })).toMatchObject([
    { id: "x", depth: 0, durationMs: null, isError: true, inputs: { a: 1 } },
  ]);
  expect(readSpans({ spans: [{ span_id: "a", parent_span_id: "a", name: "own parent" }] })).toHaveLength(1);
  expect(readSpans({ resourceSpans: [] })).toEqual([]);
  expect(readSpans([1, 2])).toEqual([]);
});

test("tokens are told where the trace counted them; values are laid out", () => {
  const trace = {
    id: "t", name: "", time_ms: 0, duration_ms: 1, state: "OK", request: "", response: "", tags: {}, has_spans: true,
    metadata: { "mlflow.trace.tokenUsage": '{"total_tokens": 42}' },
  }; // biome-ignore format: one record

  expect(tokensOf(trace)).toBe(42);
  expect(tokensOf({ ...trace, metadata: { "mlflow.trace.tokenUsage": "broken" } })).toBe(null);
  expect(shownValue("plain")).toBe("plain");
  expect(shownValue({ a: 1 })).toBe('{\n  "a": 1\n}');
});
