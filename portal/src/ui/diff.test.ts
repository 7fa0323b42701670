import { expect, test } from "vitest";
import { parseDiff } from "./diff";

const DIFF = `diff --git a/train.py b/train.py
index 1111111..2222222 100644
--- a/train.py
+++ b/train.py
@@ -1,3 +1,3 @@ def main():
 import sys
-lr = 0.1
+lr = 0.2
--- a line that only looks like a header
diff --git a/old name.txt b/new name.txt
similarity index 100%
rename from old name.txt
rename to new name.txt
`;

test("files, what they lost and gained, and their lines", () => {
  const { files, hidden } = parseDiff(DIFF.replace("1,3 +1,3", "1,3 +1,2"), 100);

  expect(files.map((file) => [file.path, file.added, file.removed])).toEqual([
    ["train.py", 1, 2],
    ["new name.txt", 0, 0],
  ]);
  expect(files[0]?.lines.map((line) => line.kind)).toEqual(["hunk", "same", "remove", "add", "remove"]);
  expect(files[1]?.lines[1]).toEqual({ kind: "note", text: "rename from old name.txt" });
  expect(hidden).toBe(0);
});

test("a long diff is cut and says by how much", () => {
  const { files, hidden } = parseDiff(DIFF, 2);

  expect(files[0]?.lines).toHaveLength(2);
  expect(hidden).toBeGreaterThan(0);
  expect(files[0]?.added).toBe(1);
});
