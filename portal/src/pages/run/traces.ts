/** Spans of a trace as MLflow's clients write them, in either of their shapes, as a tree in time. Pure. */

import type { Json, Trace } from "../../api/types";

export interface Span {
  id: string;
  name: string;
  /** "LLM", "TOOL" …; "": none was given. */
  type: string;
  depth: number;
  /** From the beginning of the trace. */
  startMs: number;
  /** null: not over. */
  durationMs: number | null;
  isError: boolean;
  /** Why it failed. */
  message: string;
  inputs: Json | undefined;
  outputs: Json | undefined;
  /** All that is not said otherwise. */
  attributes: Record<string, Json>;
}

type Fields = { [key: string]: Json };

/** What is shown elsewhere, or says nothing to people. */
const HIDDEN = new Set(["mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.spanType", "mlflow.traceRequestId"]);

/** Spans in drawing order: each below its parent, by time. An empty list: there are none, or these are no spans. */
export function readSpans(data: Json): Span[] {
  const found = isFields(data) && Array.isArray(data["spans"]) ? data["spans"].filter(isFields) : [];
  const spans = found.map((one) => ({ fields: one, id: text(idOf(one)), parent: text(parentOf(one)) }));
  const starts = spans.map(({ fields }) => nanos(fields, "start_time_unix_nano", "start_time", "start_time_ns") ?? 0);
  const beginNs = Math.min(...starts);
  const known = new Set(spans.map((span) => span.id));
  const order = spans.map((_, at) => at).sort((a, b) => (starts[a] ?? 0) - (starts[b] ?? 0));
  const rows: Span[] = [];
  const drawn = new Set<number>();
  const draw = (at: number, depth: number) => {
    const span = spans[at];
    if (span === undefined || drawn.has(at)) return;
    drawn.add(at);
    rows.push(toSpan(span.fields, span.id, depth, (starts[at] ?? 0) - beginNs));
    for (const below of order) if (spans[below]?.parent === span.id) draw(below, depth + 1);
  };
  // A span whose parent is missing stands at the top; so do, last, those that are each other's parents.
  for (const at of order) if (!known.has(spans[at]?.parent ?? "")) draw(at, 0);
  for (const at of order) draw(at, 0);
  return rows;
}

function toSpan(fields: Fields, id: string, depth: number, fromStartNs: number): Span {
  const attributes = isFields(fields["attributes"]) ? fields["attributes"] : {};
  const start = nanos(fields, "start_time_unix_nano", "start_time", "start_time_ns");
  const end = nanos(fields, "end_time_unix_nano", "end_time", "end_time_ns");
  const status = fields["status"];
  const code = isFields(status) ? text(status["code"] ?? status["status_code"]) : text(fields["status_code"]);
  return {
    id,
    name: text(fields["name"]),
    type: plainType(parsed(attributes["mlflow.spanType"] ?? fields["span_type"])),
    depth,
    startMs: fromStartNs / 1e6,
    durationMs: start === null || end === null ? null : Math.max(0, (end - start) / 1e6),
    isError: code.endsWith("ERROR"),
    message: isFields(status) ? text(status["message"] ?? status["description"]) : text(fields["status_message"]),
    inputs: parsed(attributes["mlflow.spanInputs"] ?? fields["inputs"]),
    outputs: parsed(attributes["mlflow.spanOutputs"] ?? fields["outputs"]),
    attributes: Object.fromEntries(
      Object.entries(attributes)
        .filter(([name]) => !HIDDEN.has(name))
        .map(([name, value]) => [name, parsed(value) ?? null]),
    ),
  };
}

/** Tokens that a trace used; null: it does not say. */
export function tokensOf(trace: Trace): number | null {
  const usage = parsed(trace.metadata["mlflow.trace.tokenUsage"]);
  const total = isFields(usage) ? usage["total_tokens"] : undefined;
  return typeof total === "number" ? total : null;
}

/** A value as text to read: JSON with indentation, text as it is. */
export function shownValue(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function isFields(value: Json | undefined): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function idOf(fields: Fields): Json | undefined {
  const context = fields["context"];
  return fields["span_id"] ?? (isFields(context) ? context["span_id"] : undefined);
}
function parentOf(fields: Fields): Json | undefined {
  return fields["parent_span_id"] ?? fields["parent_id"];
}
function text(value: Json | undefined): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}
function plainType(value: Json | undefined): string {
  const type = text(value);
  return type === "UNKNOWN" ? "" : type;
}
function nanos(fields: Fields, ...names: string[]): number | null {
  for (const name of names) {
    const value = Number(fields[name] ?? Number.NaN);
    if (Number.isFinite(value)) return value;
  }
  return null;
}
/** Attributes are JSON within JSON. */
function parsed(value: Json | undefined): Json | undefined {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as Json;
  } catch {
    return value;
  }
}
