/** Reads zip archives in place: the list of files from the end of the archive, then only the files one looks at.
 *
 * APPNOTE.TXT 6.3: the end record points to the central directory, whose entries point to the files. Zip64 is read, several disks and
 * encryption are not. Nothing is trusted: sizes are bounds, and what does not fit together is an error.
 */

export interface ZipEntry {
  path: string;
  size_bytes: number;
  compressed_bytes: number;
  /** CRC-32 of the content: equal ones with equal sizes are taken for equal. */
  crc: number;
  /** 0 stored, 8 deflated. */
  method: number;
  /** Of the local header. */
  offset: number;
}

/** Bytes [start, end) of the archive. */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array<ArrayBuffer>>;

const END_BYTES = 22;
const MAX_COMMENT_BYTES = 65_535;
const LOCAL_BYTES = 30;
/** A directory larger than this (some 100,000 files) is not listed. */
const MAX_DIRECTORY_BYTES = 16 << 20;

export class ZipError extends Error {}

export async function listZip(read: ReadRange, sizeBytes: number): Promise<ZipEntry[]> {
  const tailStart = Math.max(0, sizeBytes - END_BYTES - MAX_COMMENT_BYTES);
  const tail = await read(tailStart, sizeBytes);
  const view = viewOf(tail);
  let at = tail.length - END_BYTES;
  while (at >= 0 && view.getUint32(at, true) !== 0x06054b50) at--;
  if (at < 0) throw new ZipError("no end record");
  let bytes = view.getUint32(at + 12, true);
  let start = view.getUint32(at + 16, true);
  if (start === 0xffffffff || bytes === 0xffffffff) {
    // Zip64: a locator stands before the end record.
    const locator = at - 20;
    if (locator < 0 || view.getUint32(locator, true) !== 0x07064b50) throw new ZipError("no zip64 locator");
    const recordAt = Number(view.getBigUint64(locator + 8, true));
    const record = viewOf(await read(recordAt, recordAt + 56));
    if (record.byteLength < 56 || record.getUint32(0, true) !== 0x06064b50) throw new ZipError("no zip64 record");
    bytes = Number(record.getBigUint64(40, true));
    start = Number(record.getBigUint64(48, true));
  }
  if (bytes > MAX_DIRECTORY_BYTES || start + bytes > sizeBytes) throw new ZipError("a directory of impossible size");
  return entries(await read(start, start + bytes));
}

function entries(directory: Uint8Array): ZipEntry[] {
  const view = viewOf(directory);
  const found: ZipEntry[] = [];
  const decoder = new TextDecoder();
  for (let at = 0; at + 46 <= directory.length && view.getUint32(at, true) === 0x02014b50; ) {
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const entry: ZipEntry = {
      path: decoder.decode(directory.subarray(at + 46, at + 46 + nameBytes)),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      compressed_bytes: view.getUint32(at + 20, true),
      size_bytes: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    };
    const extraAt = at + 46 + nameBytes;
    readZip64(view, extraAt, Math.min(extraAt + extraBytes, directory.length), entry);
    // A name that ends with a slash is a folder, which has no content.
    if (!entry.path.endsWith("/")) found.push(entry);
    at = extraAt + extraBytes + view.getUint16(at + 32, true);
  }
  return found;
}

/** Fields that did not fit 32 bits stand in extra field 1, in this order, only those that are needed. */
function readZip64(view: DataView, from: number, end: number, entry: ZipEntry): void {
  for (let at = from; at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    let next = at + 4;
    for (const field of ["size_bytes", "compressed_bytes", "offset"] as const) {
      if (entry[field] !== 0xffffffff || next + 8 > end) continue;
      entry[field] = Number(view.getBigUint64(next, true));
      next += 8;
    }
  }
}

/** The first `limit` bytes of one file's content. */
export async function readZipEntry(read: ReadRange, entry: ZipEntry, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const header = viewOf(await read(entry.offset, entry.offset + LOCAL_BYTES));
  if (header.byteLength < LOCAL_BYTES || header.getUint32(0, true) !== 0x04034b50) throw new ZipError("no file header");
  const start = entry.offset + LOCAL_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
  if (entry.compressed_bytes === 0) return new Uint8Array();
  if (entry.method === 0) return read(start, start + Math.min(limit, entry.compressed_bytes));
  if (entry.method !== 8) throw new ZipError(`compression method ${entry.method}`);
  // Whatever an entry claims, no more is read and unpacked than is asked for; packed is hardly ever longer than unpacked.
  const packed = await read(start, start + Math.min(entry.compressed_bytes, limit + 1_024));
  return unpacked(packed, limit);
}

async function unpacked(packed: Uint8Array<ArrayBuffer>, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      size += value.length;
      if (size >= limit) break;
    }
  } catch {
    // Cut input ends in an error: what came before it is good. Without any, the file is damaged.
    if (size === 0) throw new ZipError("damaged content");
  }
  await reader.cancel().catch(() => undefined);
  const all = new Uint8Array(Math.min(size, limit));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece.subarray(0, all.length - at), at);
    at += Math.min(piece.length, all.length - at);
  }
  return all;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
