import { expect, test } from "vitest";
import { changedFiles } from "./snapshot";

const entry = (path: string, crc: number) => ({
  path,
  crc,
  size_bytes: 10,
  compressed_bytes: 5,
  method: 8,
  offset: 0,
});

test("files that were added, removed or have other content", () => {
  const before = [entry("same.py", 1), entry("old.py", 2), entry("run-10.py", 3), entry("run-2.py", 3)];
  const after = [entry("same.py", 1), entry("new.py", 2), entry("run-10.py", 4), entry("run-2.py", 5)];

  expect(changedFiles(before, after).map(({ path, before: a, after: b }) => [path, a?.crc, b?.crc])).toEqual([
    ["new.py", undefined, 2],
    ["old.py", 2, undefined],
    ["run-2.py", 3, 5],
    ["run-10.py", 3, 4],
  ]);
});
