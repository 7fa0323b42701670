/** What a file of tensors holds, from its headers alone: names, types, shapes. Weights are not read, nothing is executed. */

import { listZip, type ReadRange, readZipEntry } from "../../ui/zip";

export interface TensorInfo {
  name: string;
  dtype: string;
  shape: number[];
}
export interface TensorFile {
  tensors: TensorInfo[];
  /** Text that the writer put beside them. */
  metadata: Record<string, string>;
}

/** The headers of large language models have some MB. */
const MAX_HEADER_BYTES = 50 << 20;
const NPY_HEADER_BYTES = 1_024;
const MAX_ARRAYS = 500;

export class TensorError extends Error {}

/** safetensors: u64 length of a JSON header, the header, the data. */
export async function readSafetensors(read: ReadRange): Promise<TensorFile> {
  const head = await read(0, 8);
  if (head.length < 8) throw new TensorError("the file is too short");
  const bytes = Number(new DataView(head.buffer, head.byteOffset).getBigUint64(0, true));
  if (bytes > MAX_HEADER_BYTES) throw new TensorError("no header of safetensors");
  const header: unknown = JSON.parse(new TextDecoder().decode(await read(8, 8 + bytes)));
  if (typeof header !== "object" || header === null) throw new TensorError("no header of safetensors");
  const file: TensorFile = { tensors: [], metadata: {} };
  for (const [name, value] of Object.entries(header as Record<string, unknown>)) {
    if (typeof value !== "object" || value === null) continue;
    if (name === "__metadata__") {
      for (const [key, text] of Object.entries(value)) file.metadata[key] = String(text);
    } else {
      const { dtype, shape } = value as { dtype?: unknown; shape?: unknown };
      file.tensors.push({ name, dtype: String(dtype), shape: Array.isArray(shape) ? shape.map(Number) : [] });
    }
  }
  return file;
}

/** npy: magic, version, u16 or u32 length, a Python literal. */
export function parseNpyHeader(bytes: Uint8Array, name: string): TensorInfo {
  const text = new TextDecoder("latin1").decode(bytes);
  const dtype = /'descr':\s*'([^']+)'/.exec(text)?.[1] ?? /'descr':\s*(\[[^\]]*\])/.exec(text)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(text)?.[1];
  if (bytes[0] !== 0x93 || text.slice(1, 6) !== "NUMPY" || dtype === undefined || shape === undefined)
    throw new TensorError("no header of npy");
  return {
    name,
    dtype,
    shape: shape
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .map(Number),
  };
}

export async function readTensors(read: ReadRange, path: string, sizeBytes: number): Promise<TensorFile> {
  if (path.endsWith(".safetensors")) return readSafetensors(read);
  if (path.endsWith(".npy")) {
    const name = path.slice(path.lastIndexOf("/") + 1, -4);
    return { tensors: [parseNpyHeader(await read(0, NPY_HEADER_BYTES), name)], metadata: {} };
  }
  const entries = (await listZip(read, sizeBytes)).filter((entry) => entry.path.endsWith(".npy")).slice(0, MAX_ARRAYS);
  const tensors: TensorInfo[] = [];
  for (const entry of entries)
    tensors.push(parseNpyHeader(await readZipEntry(read, entry, NPY_HEADER_BYTES), entry.path.slice(0, -4)));
  return { tensors, metadata: {} };
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
