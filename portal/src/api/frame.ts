/** Decodes `application/vnd.tracklog.columns`.
 *
 * Layout, little-endian: u32 length of the header · JSON header padded with blanks to a multiple of 8 (with the u32) · columns, each
 * starting at a multiple of 8 counted from the start of the data. Browsers are little-endian wherever typed arrays matter.
 */

import type { MetricColumns, MetricKind, Numbers, ParamValue, Restart, SeriesBuckets } from "./types";

interface Span {
  /** `f4t`: floats of four bytes in planes: byte 0 of all, then byte 1 … */
  dtype: "f8" | "i8" | "u4" | "u1" | "b1" | "f4t";
  offset: number;
  length: number;
}

interface SeriesHead {
  run_id: string;
  name: string;
  column: string;
  kind: MetricKind;
  count: number;
  in_range: number;
  exact: boolean;
  columns: Record<string, Span>;
  end?: unknown;
  before?: unknown[];
  after?: unknown[];
  overtaken?: number;
  restarts?: Restart[];
  tails?: SeriesHead[];
}

interface ColumnsHead {
  columns: Record<string, Span>;
  values?: unknown[];
}

function open<Head>(frame: ArrayBuffer): { head: Head; data: number } {
  if (frame.byteLength < 4) throw new RangeError("The columns answer is shorter than its length field.");
  const length = new DataView(frame).getUint32(0, true);
  if (4 + length > frame.byteLength) throw new RangeError("The columns answer ends inside its header.");
  const text = new TextDecoder().decode(new Uint8Array(frame, 4, length));
  return { head: JSON.parse(text) as Head, data: 4 + length };
}

function floats(frame: ArrayBuffer, data: number, span: Span | undefined): Float64Array {
  if (span === undefined) return new Float64Array(0);
  const at = data + span.offset;
  if (span.dtype === "f8") return new Float64Array(frame, at, span.length);
  if (span.dtype === "u4") return Float64Array.from(new Uint32Array(frame, at, span.length));
  if (span.dtype === "i8") return Float64Array.from(new BigInt64Array(frame, at, span.length), Number);
  return Float64Array.from(new Uint8Array(frame, at, span.length));
}

function screenFloats(frame: ArrayBuffer, data: number, span: Span | undefined): Numbers {
  if (span?.dtype !== "f4t") return floats(frame, data, span);
  const planes = new Uint8Array(frame, data + span.offset, 4 * span.length);
  const values = new Float32Array(span.length);
  const bytes = new Uint8Array(values.buffer);
  for (let at = 0; at < span.length; at++)
    for (let plane = 0; plane < 4; plane++) bytes[4 * at + plane] = planes[plane * span.length + at] ?? 0;
  return values;
}

function counts(frame: ArrayBuffer, data: number, span: Span | undefined): Uint32Array {
  return span === undefined ? new Uint32Array(0) : new Uint32Array(frame, data + span.offset, span.length);
}

/** Decode the answer to `/series?screen=1`. Series with the same places share them: one array, found by its identity. */
export function decodeSeries(frame: ArrayBuffer): SeriesBuckets[] {
  const { head, data } = open<{ series: SeriesHead[] }>(frame);
  const places = new Map<string, Float64Array>();
  const placesOf = (span: Span | undefined): Float64Array => {
    const key = `${span?.offset} ${span?.length} ${span?.dtype}`;
    const found = places.get(key) ?? floats(frame, data, span);
    places.set(key, found);
    return found;
  };
  const bucketsOf = (series: SeriesHead): SeriesBuckets => {
    const { columns, end, before, after, overtaken = 0, restarts = [], tails = [], ...sent } = series;
    const rest = {
      ...sent,
      before: pointOf(before),
      after: pointOf(after),
      overtaken,
      restarts,
      tails: tails.map(bucketsOf),
    };
    const x = placesOf(columns["x"]);
    if (series.exact) {
      const mean = floats(frame, data, columns["last"]);
      const odd = Uint32Array.from(mean, (value) => Number(!Number.isFinite(value)));
      return {
        ...rest,
        x,
        x_last: x,
        mean,
        min: mean,
        max: mean,
        n: new Uint32Array(x.length).fill(1),
        non_finite: odd.includes(1) ? odd : null,
        end: mean.at(-1) ?? Number.NaN,
      };
    }
    return {
      ...rest,
      x,
      x_last: placesOf(columns["x_last"]),
      mean: screenFloats(frame, data, columns["mean"]),
      min: screenFloats(frame, data, columns["min"]),
      max: screenFloats(frame, data, columns["max"]),
      n: counts(frame, data, columns["n"]),
      non_finite: columns["non_finite"] === undefined ? null : counts(frame, data, columns["non_finite"]),
      end: Number(plainValue(end)),
    };
  };
  return head.series.map(bucketsOf);
}

function pointOf(sent: unknown[] | undefined): [x: number, value: number] | null {
  return sent === undefined ? null : [Number(plainValue(sent[0])), Number(plainValue(sent[1]))];
}

export function decodeColumns(frame: ArrayBuffer): MetricColumns {
  const { head, data } = open<ColumnsHead>(frame);
  const span = head.columns["values"];
  let values: ParamValue[];
  if (span === undefined) values = (head.values ?? []).map(plainValue);
  else if (span.dtype === "i8") {
    // Beyond 2^53 a JavaScript number would round: text keeps every digit.
    const exact = (value: bigint) => (Number.isSafeInteger(Number(value)) ? Number(value) : value.toString());
    values = Array.from(new BigInt64Array(frame, data + span.offset, span.length), exact);
  } else {
    values = Array.from(floats(frame, data, span));
    if (span.dtype !== "f8") values = values.map(Boolean);
  }
  return {
    steps: Array.from(floats(frame, data, head.columns["steps"])),
    times_ms: Array.from(floats(frame, data, head.columns["times_ms"])),
    values,
  };
}

/** JSON has no NaN or ±inf; there they are {"float": "nan" | "inf" | "-inf"}. */
export function plainValue(value: unknown): ParamValue {
  if (typeof value === "object" && value !== null && "float" in value) {
    const words: Record<string, number> = {
      nan: Number.NaN,
      inf: Number.POSITIVE_INFINITY,
      "-inf": Number.NEGATIVE_INFINITY,
    };
    return words[String(value.float)] ?? null;
  }
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  return null;
}
