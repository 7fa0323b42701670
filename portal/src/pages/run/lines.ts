/** Log lines as they are drawn: in which tone, how high, what of them is marked. Pure. */

import type { LogLine } from "../../api/types";
import { type Span, stripAnsi } from "../../ui/ansi";
import { t } from "../../ui/i18n";

export const LEVELS: [number, string][] = [
  [0, t("All levels")],
  [20, t("Info and above")],
  [30, t("Warnings and above")],
  [40, t("Errors and above")],
];
/** Loggers write the level near the start, in capitals; so do most people. */
const LEVEL_WORD = /^.{0,60}?\b(?:(DEBUG)|(INFO)|(WARN(?:ING)?)|(ERROR|CRITICAL|FATAL))\b/;
const PYTHON_ERROR = /^(?:Traceback \(most recent call last\)|[\w.]*(?:Error|Exception)\b(?::|$))/;

/** Level of Python logging that a line was logged with, or says that it has; 0: none. */
export function levelOf(line: LogLine): number {
  if (line[3]) return line[3];
  const text = stripAnsi(line[2]);
  const word = LEVEL_WORD.exec(text);
  if (word !== null) return word[1] ? 10 : word[2] ? 20 : word[3] ? 30 : 40;
  return PYTHON_ERROR.test(text) ? 40 : 0;
}

/** The tone a line is drawn in. */
export function toneOf(line: LogLine): "bad" | "warn" | "quiet" | "" {
  const level = levelOf(line);
  if (level >= 40) return "bad";
  if (level >= 30) return "warn";
  if (level > 0 && level < 20) return "quiet";
  return "";
}

/** Cells of a terminal that a text takes: East Asian wide and emoji take two. */
export function cells(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is plain ASCII needs no counting
  if (/^[\x00-\x7f]*$/.test(text)) return text.length;
  let count = 0;
  for (const char of text) count += (char.codePointAt(0) ?? 0) >= 0x1100 && !/[\u2000-\u27bf]/.test(char) ? 2 : 1;
  return count;
}

/** Rows that a line takes when it is wrapped at `columns` cells. */
function rowsOf(line: LogLine, columns: number): number {
  return Math.max(1, Math.ceil(cells(expand(line[2])) / columns));
}

const measured = new WeakMap<readonly LogLine[], { columns: number; rows: Uint16Array }>();

/** Tops of `total` lines in rows, with the total as last: line i takes tops[i + 1] − tops[i] rows.
 *
 * `parts`: the lines that are known, each with the place of its first; the others count as one row each.
 */
export function lineTops(
  total: number,
  parts: Iterable<readonly [number, readonly LogLine[]]>,
  columns: number,
): Float64Array {
  const rows = new Uint16Array(total).fill(1);
  for (const [first, lines] of parts) {
    let known = measured.get(lines);
    if (known?.columns !== columns) {
      known = { columns, rows: Uint16Array.from(lines, (line) => Math.min(65_535, rowsOf(line, columns))) };
      measured.set(lines, known);
    }
    rows.set(known.rows.subarray(0, Math.max(0, total - first)), Math.min(first, total));
  }
  const tops = new Float64Array(total + 1);
  for (let at = 0; at < total; at++) tops[at + 1] = (tops[at] ?? 0) + (rows[at] ?? 1);
  return tops;
}

/** The last line whose top is at or above `row`. */
export function lineAt(tops: Float64Array, row: number): number {
  let low = 0;
  let high = tops.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((tops[middle] ?? 0) <= row) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

/** As drawn: without escapes, tabs as blanks. */
export function expand(text: string): string {
  return stripAnsi(text).replaceAll("\t", "    ");
}

export interface MarkedSpan extends Span {
  isMarked: boolean;
}

/** Places in a text counted in characters, as those of JavaScript's strings: these count an emoji as two. */
export function unitsOf(text: string, places: readonly number[]): number[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is plain ASCII needs no counting
  if (/^[\x00-\x7f]*$/.test(text)) return [...places];
  const starts = [0];
  for (const char of text) starts.push((starts.at(-1) ?? 0) + char.length);
  return places.map((place) => starts[Math.min(place, starts.length - 1)] ?? 0);
}

/** Cut spans where marked ranges, [start, end, start, end, …], begin and end. */
export function markSpans(spans: Span[], ranges: readonly number[]): MarkedSpan[] {
  const out: MarkedSpan[] = [];
  let start = 0;
  for (const span of spans) {
    const end = start + span.text.length;
    let from = start;
    for (let i = 0; i < ranges.length; i += 2) {
      const [first, last] = [ranges[i] ?? 0, ranges[i + 1] ?? 0];
      if (last <= from || first >= end) continue;
      const [a, b] = [Math.max(first, from), Math.min(last, end)];
      if (a > from) out.push({ ...span, text: span.text.slice(from - start, a - start), isMarked: false });
      out.push({ ...span, text: span.text.slice(a - start, b - start), isMarked: true });
      from = b;
    }
    if (from < end) out.push({ ...span, text: span.text.slice(from - start), isMarked: false });
    start = end;
  }
  return out;
}
