/** Decodes `application/vnd.tracklog.columns`.
 *
 * Layout, little-endian: u32 length of the header · JSON header padded with blanks to a multiple of 8 (with the u32) · columns, each
 * starting at a multiple of 8 counted from the start of the data. Browsers are little-endian wherever typed arrays matter.
 */

import type { MetricColumns, MetricKind, ParamValue, SeriesBuckets } from "./types";

interface Span {
  dtype: "f8" | "i8" | "u4" | "u1" | "b1";
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

export function decodeSeries(frame: ArrayBuffer): SeriesBuckets[] {
  const { head, data } = open<{ series: SeriesHead[] }>(frame);
  return head.series.map((series) => {
    const { columns, ...rest } = series;
    const column = (name: string) => floats(frame, data, columns[name]);
    const x = column("x");
    const last = column("last");
    if (series.exact) {
      return { ...rest, x, x_last: x, first: last, last, min: last, max: last, n: new Uint32Array(x.length).fill(1) };
    }
    return {
      ...rest,
      x,
      last,
      x_last: column("x_last"),
      first: column("first"),
      min: column("min"),
      max: column("max"),
      n: Uint32Array.from(column("n")),
    };
  });
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
