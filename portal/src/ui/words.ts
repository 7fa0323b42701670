/** What differs between two texts, word by word. Pure. */

import { diffLines } from "./textdiff";

export interface Piece {
  kind: "same" | "add" | "remove";
  text: string;
}

/** Words and what stands between them. */
const PARTS = /(\s+|[^\w\s])/;

export function wordDiff(before: string, after: string): Piece[] {
  const [a, b] = [before.split(PARTS), after.split(PARTS)];
  const pieces: Piece[] = [];
  let [x, y] = [0, 0];
  for (const kind of diffLines(a, b)) {
    const text = (kind === "add" ? b[y] : a[x]) ?? "";
    if (kind !== "add") x++;
    if (kind !== "remove") y++;
    const last = pieces.at(-1);
    if (text === "") continue;
    if (last?.kind === kind) last.text += text;
    else pieces.push({ kind, text });
  }
  return pieces;
}
