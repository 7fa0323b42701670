import { crc32, deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { listZip, type ReadRange, readZipEntry, ZipError } from "./zip";

/** An archive as zip programs write it; `is64` with all sizes in the extra field of zip64. */
function makeZip(files: Record<string, string>, { comment = "", is64 = false } = {}): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const data = Buffer.from(content);
    const packed = deflateRawSync(data);
    const path = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(8, 8);
    local.writeUInt16LE(path.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(8, 10);
    central.writeUInt32LE(crc32(data), 16);
    const extra = Buffer.alloc(is64 ? 28 : 0);
    if (is64) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      extra.writeBigUInt64LE(BigInt(data.length), 4);
      extra.writeBigUInt64LE(BigInt(packed.length), 12);
      extra.writeBigUInt64LE(BigInt(offset), 20);
    }
    central.writeUInt32LE(is64 ? 0xffffffff : packed.length, 20);
    central.writeUInt32LE(is64 ? 0xffffffff : data.length, 24);
    central.writeUInt16LE(path.length, 28);
    central.writeUInt16LE(extra.length, 30);
    central.writeUInt32LE(is64 ? 0xffffffff : offset, 42);
    parts.push(local, path, packed);
    directory.push(central, path, extra);
    offset += 30 + path.length + packed.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(is64 ? 0xffffffff : offset, 16);
  end.writeUInt16LE(comment.length, 20);
  const sixty4 = Buffer.alloc(is64 ? 76 : 0);
  if (is64) {
    sixty4.writeUInt32LE(0x06064b50, 0);
    sixty4.writeBigUInt64LE(BigInt(central.length), 40);
    sixty4.writeBigUInt64LE(BigInt(offset), 48);
    sixty4.writeUInt32LE(0x07064b50, 56);
    sixty4.writeBigUInt64LE(BigInt(offset + central.length), 64);
  }
  return new Uint8Array(Buffer.concat([...parts, central, sixty4, end, Buffer.from(comment)]));
}
function reader(bytes: Uint8Array<ArrayBuffer>): { read: ReadRange; asked: number } {
  const state = {
    asked: 0,
    read: async (start: number, end: number) => {
      state.asked += end - start;
      return bytes.slice(start, end);
    },
  };
  return state;
}
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const FILES = { "train.py": "print('hello')\n".repeat(50), "pkg/über.txt": "é", "empty.txt": "" };

describe.each([{}, { comment: "made by a test" }, { is64: true }])("an archive %j", (options) => {
  const bytes = makeZip({ ...FILES, "folder/": "" }, options);

  test("is listed, folders left out", async () => {
    const found = await listZip(reader(bytes).read, bytes.length);

    expect(found.map((entry) => [entry.path, entry.size_bytes])).toEqual([
      ["train.py", 750],
      ["pkg/über.txt", 2],
      ["empty.txt", 0],
    ]);
  });

  test("gives the content of each file, or its beginning", async () => {
    const { read } = reader(bytes);
    for (const entry of await listZip(read, bytes.length))
      expect(text(await readZipEntry(read, entry, 1_000_000))).toBe(FILES[entry.path as keyof typeof FILES]);
    const [first] = await listZip(read, bytes.length);
    expect(first && text(await readZipEntry(read, first, 20))).toBe("print('hello')\nprint");
  });
});

test("only what is looked at is read", async () => {
  const noise = Array.from({ length: 300_000 }, (_, at) => String.fromCharCode(33 + ((at * 7919) % 90))).join("");
  const bytes = makeZip({ "big.txt": noise, "small.txt": "x" });
  const source = reader(bytes);
  const entry = (await listZip(source.read, bytes.length)).find(({ path }) => path === "small.txt");
  source.asked = 0;

  expect(entry && text(await readZipEntry(source.read, entry, 100))).toBe("x");
  expect(source.asked).toBeLessThan(200);
});

test.each([
  ["no archive", new Uint8Array(100)],
  ["nothing", new Uint8Array(0)],
  ["a cut one", makeZip(FILES).slice(0, -30)],
  ["a directory that lies elsewhere", makeZip(FILES).fill(0xee, -8, -4)],
])("%s is an error, not a crash", async (_, bytes) => {
  await expect(listZip(reader(bytes).read, bytes.length)).rejects.toBeInstanceOf(ZipError);
});
