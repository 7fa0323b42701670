import { describe, expect, test } from "vitest";
import { decodeColumns, decodeSeries } from "./frame";

function frame(head: object, data: ArrayBufferView[]): ArrayBuffer {
  let text = JSON.stringify(head);
  while ((4 + text.length) % 8 !== 0) text += " ";
  const parts = data.map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  const size = parts.reduce((sum, part) => sum + Math.ceil(part.length / 8) * 8, 0);
  const bytes = new Uint8Array(4 + text.length + size);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(new TextEncoder().encode(text), 4);
  let at = 4 + text.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += Math.ceil(part.length / 8) * 8;
  }
  return bytes.buffer;
}

const head = { run_id: "r", name: "loss", column: "", kind: "scalar", count: 2, in_range: 2 };

describe("decodeSeries", () => {
  test("fills the columns that an exact series leaves out", () => {
    const columns = { x: { dtype: "f8", offset: 0, length: 2 }, last: { dtype: "f8", offset: 16, length: 2 } };
    const beside = { before: [-1, { float: "inf" }] };
    const bytes = frame({ series: [{ ...head, exact: true, columns, ...beside }] }, [
      Float64Array.of(0, 1),
      Float64Array.of(5, Number.NaN),
    ]);

    const [series] = decodeSeries(bytes);

    expect([series?.before, series?.after]).toEqual([[-1, Number.POSITIVE_INFINITY], null]);

    expect(Array.from(series?.x ?? [])).toEqual([0, 1]);
    expect(Array.from(series?.max ?? [])).toEqual([5, Number.NaN]);
    expect(Array.from(series?.n ?? [])).toEqual([1, 1]);
    expect(Array.from(series?.non_finite ?? [])).toEqual([0, 1]);
    expect(series?.end).toBeNaN();
  });

  test("reads buckets: counts, floats in byte planes, the last value", () => {
    const f8 = (offset: number) => ({ dtype: "f8", offset, length: 2 });
    const f4t = (offset: number) => ({ dtype: "f4t", offset, length: 2 });
    const u4 = (offset: number) => ({ dtype: "u4", offset, length: 2 });
    const planes = (...values: number[]) => {
      const bytes = new Uint8Array(Float32Array.from(values).buffer);
      return Uint8Array.from({ length: bytes.length }, (_, at) => bytes[4 * (at % 2) + Math.floor(at / 2)] ?? 0);
    };
    const columns = {
      x: f8(0),
      x_last: f8(16),
      min: f4t(32),
      max: f4t(40),
      mean: f4t(48),
      n: u4(56),
      non_finite: u4(64),
    };
    const bytes = frame({ series: [{ ...head, exact: false, columns, end: { float: "-inf" } }] }, [
      Float64Array.of(0, 10, 9, 12),
      planes(-1, 2.5),
      planes(7, 3),
      planes(0.5, 2.75),
      Uint32Array.of(10, 3),
      Uint32Array.of(0, 1),
    ]);

    const [series] = decodeSeries(bytes);

    expect(Array.from(series?.min ?? [])).toEqual([-1, 2.5]);
    expect(Array.from(series?.mean ?? [])).toEqual([0.5, 2.75]);
    expect([series?.max[0], series?.n[0], series?.x_last[1]]).toEqual([7, 10, 12]);
    expect(Array.from(series?.non_finite ?? [])).toEqual([0, 1]);
    expect(series?.end).toBe(Number.NEGATIVE_INFINITY);
  });

  test("says so when the answer is torn", () => {
    expect(() => decodeSeries(new ArrayBuffer(2))).toThrow(RangeError);
    expect(() => decodeSeries(frame({ series: [] }, []).slice(0, 8))).toThrow(RangeError);
  });
});

describe("decodeColumns", () => {
  const i8 = (offset: number) => ({ dtype: "i8", offset, length: 2 });

  test("keeps integers beyond 2^53 as exact text", () => {
    const bytes = frame({ columns: { steps: i8(0), times_ms: i8(16), values: i8(32) } }, [
      BigInt64Array.of(0n, 1n),
      BigInt64Array.of(10n, 11n),
      BigInt64Array.of(3n, 9007199254740993n),
    ]);

    expect(decodeColumns(bytes)).toEqual({ steps: [0, 1], times_ms: [10, 11], values: [3, "9007199254740993"] });
  });

  test("takes text and non-finite numbers from the header", () => {
    const values = ["images/0.png", { float: "-inf" }];
    const bytes = frame({ columns: { steps: i8(0), times_ms: i8(16) }, values }, [
      BigInt64Array.of(0n, 1n),
      BigInt64Array.of(2n, 3n),
    ]);

    expect(decodeColumns(bytes).values).toEqual(["images/0.png", Number.NEGATIVE_INFINITY]);
  });
});
