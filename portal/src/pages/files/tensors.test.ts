import { expect, test } from "vitest";
import { elements, parseNpyHeader, readSafetensors, TensorError } from "./tensors";

const reader = (bytes: Uint8Array<ArrayBuffer>) => async (start: number, end: number) => bytes.slice(start, end);
function safetensors(header: unknown): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + 16);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

test("the header of safetensors tells names, types and shapes", async () => {
  const bytes = safetensors({
    __metadata__: { format: "pt" },
    "layer.weight": { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
    scale: { dtype: "BF16", shape: [], data_offsets: [24, 26] },
  });

  expect(await readSafetensors(reader(bytes))).toEqual({
    metadata: { format: "pt" },
    tensors: [
      { name: "layer.weight", dtype: "F32", shape: [2, 3] },
      { name: "scale", dtype: "BF16", shape: [] },
    ],
  });
});

test("a file that is none is refused before anything large is read", async () => {
  await expect(readSafetensors(reader(new Uint8Array(100).fill(255)))).rejects.toBeInstanceOf(TensorError);
});

test("the header of an array of numpy", () => {
  const header = "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n";
  const bytes = Uint8Array.from(header, (char) => char.charCodeAt(0));

  expect(parseNpyHeader(bytes, "x")).toEqual({ name: "x", dtype: "<f4", shape: [3, 4] });
  expect(() => parseNpyHeader(new Uint8Array(20), "x")).toThrow(TensorError);
});

test("elements of a shape", () => {
  expect([elements([2, 3, 4]), elements([]), elements([0, 9])]).toEqual([24, 1, 0]);
});
