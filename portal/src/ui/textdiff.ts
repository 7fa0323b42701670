/** Which lines of a text became which: the shortest way from one to the other (Myers 1986, "An O(ND) Difference Algorithm"). Pure. */

import type { DiffFile, DiffLine } from "./diff";

const CONTEXT_LINES = 3;
/** Ways longer than this cost more than a reader gains: then the middle counts as replaced. */
const MAX_STEPS = 1_500;

type Op = "same" | "remove" | "add";

/** Hunks with their surroundings, as `git diff` shows them; null: equal. */
export function diffTexts(path: string, before: string, after: string): DiffFile | null {
  if (before === after) return null;
  const a = linesOf(before);
  const b = linesOf(after);
  const ops = diffLines(a, b);
  const file: DiffFile = {
    path,
    added: ops.filter((op) => op === "add").length,
    removed: ops.filter((op) => op === "remove").length,
    lines: [],
  };
  // Which places are shown: changes and the lines around them.
  const isShown = new Uint8Array(ops.length);
  ops.forEach((op, at) => {
    if (op !== "same") isShown.fill(1, Math.max(0, at - CONTEXT_LINES), at + CONTEXT_LINES + 1);
  });
  let x = 0;
  let y = 0;
  let hunk: DiffLine | null = null;
  let start = [0, 0];
  const close = () => {
    if (hunk !== null)
      hunk.text = `@@ -${start[0]},${x + 1 - (start[0] ?? 0)} +${start[1]},${y + 1 - (start[1] ?? 0)} @@`;
    hunk = null;
  };
  ops.forEach((op, at) => {
    if (isShown[at] === 1) {
      if (hunk === null) {
        hunk = { kind: "hunk", text: "" };
        start = [x + 1, y + 1];
        file.lines.push(hunk);
      }
      file.lines.push({ kind: op, text: (op === "add" ? b[y] : a[x]) ?? "" });
    } else close();
    if (op !== "add") x++;
    if (op !== "remove") y++;
  });
  close();
  return file;
}

function linesOf(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** For each step of the way: keep a line, remove one of `a`, add one of `b`. */
export function diffLines(a: readonly string[], b: readonly string[]): Op[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const middle = shortest(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  return [...new Array<Op>(head).fill("same"), ...middle, ...new Array<Op>(tail).fill("same")];
}

function shortest(a: readonly string[], b: readonly string[]): Op[] {
  const replaced: Op[] = [...new Array<Op>(a.length).fill("remove"), ...new Array<Op>(b.length).fill("add")];
  if (a.length === 0 || b.length === 0) return replaced;
  const most = Math.min(a.length + b.length, MAX_STEPS);
  // furthest[k + most]: how far in `a` one gets on diagonal k (x − y) in d steps; trail[d] is what it was before step d.
  const furthest = new Int32Array(2 * most + 2);
  const trail: Int32Array[] = [];
  for (let d = 0; d <= most; d++) {
    trail.push(furthest.slice(most - d, most + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && (furthest[most + k - 1] ?? 0) < (furthest[most + k + 1] ?? 0));
      let x = isDown ? (furthest[most + k + 1] ?? 0) : (furthest[most + k - 1] ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      furthest[most + k] = x;
      if (x >= a.length && x - k >= b.length) return walkBack(trail, a.length, b.length);
    }
  }
  return replaced;
}

function walkBack(trail: Int32Array[], width: number, height: number): Op[] {
  const ops: Op[] = [];
  let x = width;
  let y = height;
  for (let d = trail.length - 1; d > 0; d--) {
    const before = trail[d] ?? new Int32Array(0);
    const get = (k: number) => before[k + d] ?? 0; // trail[d] holds diagonals −d … d + 1
    const k = x - y;
    const isDown = k === -d || (k !== d && get(k - 1) < get(k + 1));
    const fromK = isDown ? k + 1 : k - 1;
    const fromX = get(fromK);
    const fromY = fromX - fromK;
    while (
      x > fromX &&
      y > fromY &&
      x > 0 &&
      y > 0 &&
      !(isDown ? x === fromX && y === fromY + 1 : x === fromX + 1 && y === fromY)
    ) {
      ops.push("same");
      x--;
      y--;
    }
    ops.push(isDown ? "add" : "remove");
    if (isDown) y--;
    else x--;
  }
  while (x > 0 && y > 0) {
    ops.push("same");
    x--;
    y--;
  }
  return ops.reverse();
}

/** Lines of a hunk as pairs, left what was, right what is: for drawing side by side. */
export interface DiffPair {
  left: DiffLine | null;
  right: DiffLine | null;
}
export function sideBySide(lines: readonly DiffLine[]): DiffPair[] {
  const pairs: DiffPair[] = [];
  let removed: DiffLine[] = [];
  let added: DiffLine[] = [];
  const flush = () => {
    for (let at = 0; at < Math.max(removed.length, added.length); at++)
      pairs.push({ left: removed[at] ?? null, right: added[at] ?? null });
    [removed, added] = [[], []];
  };
  for (const line of lines) {
    if (line.kind === "remove") removed.push(line);
    else if (line.kind === "add") added.push(line);
    else {
      flush();
      pairs.push({ left: line, right: line });
    }
  }
  flush();
  return pairs;
}
