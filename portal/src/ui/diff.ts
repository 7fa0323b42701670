/** A unified diff, as `git diff` writes it, in parts that can be drawn. */

export interface DiffLine {
  kind: "add" | "remove" | "same" | "hunk" | "note";
  text: string;
}

export interface DiffFile {
  path: string;
  added: number;
  removed: number;
  lines: DiffLine[];
}

/** Lines beyond `maxLines` are counted in `hidden` only. */
export function parseDiff(text: string, maxLines: number): { files: DiffFile[]; hidden: number } {
  const files: DiffFile[] = [];
  let file: DiffFile | null = null;
  let left = [0, 0]; // lines of the old and of the new file that the hunk still has
  let count = 0;
  const all = text.split("\n");
  if (all.at(-1) === "") all.pop();
  for (const line of all) {
    const inHunk = (left[0] ?? 0) > 0 || (left[1] ?? 0) > 0;
    if (!inHunk && line.startsWith("diff --git ")) {
      // `+++ b/path` names it better, if it comes: this line is ambiguous when the path has blanks.
      file = { path: line.slice(line.lastIndexOf(" b/") + 3), added: 0, removed: 0, lines: [] };
      files.push(file);
      continue;
    }
    if (file === null) continue;
    const hunk = inHunk ? null : /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(line);
    let kind: DiffLine["kind"] = "note";
    if (hunk !== null) {
      left = [Number(hunk[1] ?? 1), Number(hunk[2] ?? 1)];
      kind = "hunk";
    } else if (inHunk && line.startsWith("+")) {
      kind = "add";
      file.added++;
      left = [left[0] ?? 0, (left[1] ?? 0) - 1];
    } else if (inHunk && line.startsWith("-")) {
      kind = "remove";
      file.removed++;
      left = [(left[0] ?? 0) - 1, left[1] ?? 0];
    } else if (inHunk && !line.startsWith("\\")) {
      kind = "same";
      left = [(left[0] ?? 0) - 1, (left[1] ?? 0) - 1];
    } else if (line.startsWith("+++ b/")) {
      file.path = line.slice(6).replace(/\t$/, "");
      continue;
    } else if (/^(\+\+\+|---|index) /.test(line)) continue;
    count++;
    if (count <= maxLines) file.lines.push({ kind, text: kind === "hunk" || kind === "note" ? line : line.slice(1) });
  }
  return { files, hidden: Math.max(0, count - maxLines) };
}
