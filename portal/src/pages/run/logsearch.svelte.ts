/** A search of a run's log, which the server does: how many lines match where, and the matches one looks at.
 *
 * Matches are counted by segments of the log, so that a million of them take no more memory than a thousand, and fetched
 * a segment at a time.
 */

import { ApiError, api } from "../../api/client";
import type { LogLine, LogMatch, LogMatches, LogQuery } from "../../api/types";

export type LogFilter = Pick<LogQuery, "text" | "regex" | "ignore_case" | "level" | "rank" | "stream">;

export interface Match {
  /** From 0. */
  at: number;
  line: LogLine;
  /** Where the words are, in characters of the line as a terminal shows it: start, end, start, end … */
  ranges: readonly number[];
}

/** Matches of a segment, also by their lines; the lines apart, since what is measured of them is kept by their list. */
interface Segment {
  matches: Match[];
  byLine: Map<number, Match>;
  lines: LogLine[];
}

/** As the server counts them. */
export const SEGMENT_LINES = 1_000;
/** The first answer brings what a screen shows, soon. */
const FIRST_LINES = 200;
const FIRST_MS = 60;
const MORE_MS = 250;
const MAX_SEGMENTS = 200;
/** Segments that are searched at once for what is in view: some 50 ms of the server's time. */
const MAX_SPAN = 50;
const AT_ONCE = 2;

export class LogSearch {
  /** Matching lines by segment, as far as the log was searched. */
  counts = $state.raw<number[]>([]);
  /** Lines that were searched. */
  scanned = $state(0);
  isDone = $state(false);
  /** Why there is no answer; "": there is one. */
  problem = $state("");
  /** Grows when matches have arrived. */
  version = $state(0);
  /** How many match before each segment, with all of them as last. */
  readonly #sums = $derived.by(() => {
    const sums = new Float64Array(this.counts.length + 1);
    this.counts.forEach((count, at) => {
      sums[at + 1] = (sums[at] ?? 0) + count;
    });
    return sums;
  });
  readonly count = $derived(this.#sums.at(-1) ?? 0);

  readonly filter: LogFilter;
  readonly #runId: string;
  readonly #abort = new AbortController();
  /** Oldest use first. */
  readonly #segments = new Map<number, Segment>();
  /** Ascending. */
  #wanted: number[] = [];
  readonly #asked = new Set<number>();
  #asking = 0;
  #sweeping: Promise<void> | null = null;
  #isRefused = false;

  constructor(runId: string, filter: LogFilter) {
    this.#runId = runId;
    this.filter = filter;
  }

  close(): void {
    this.#abort.abort();
  }

  /** Search what was not searched yet; again, when lines were added. Resolves when all was. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = null;
    });
    return this.#sweeping;
  }

  async #sweep(): Promise<void> {
    if (this.#isRefused) return;
    try {
      do {
        const isFirst = this.scanned === 0;
        const found = await this.#ask({
          first_line: this.scanned,
          limit: isFirst ? FIRST_LINES : 0,
          budget_ms: isFirst ? FIRST_MS : MORE_MS,
        });
        const counts = this.counts.slice();
        found.counts.forEach((count, i) => {
          const segment = found.first_segment + i;
          counts[segment] = (counts[segment] ?? 0) + count;
        });
        this.counts = counts;
        this.scanned = found.next_line;
        this.isDone = found.is_done;
        if (isFirst) this.#keepFirst(found.matches);
      } while (!this.isDone);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The match of a number among all, from 0, if it was fetched. */
  match(nth: number): Match | undefined {
    const segment = this.#segmentOf(nth);
    return this.#whole(segment)?.matches[nth - this.#before(segment)];
  }

  /** The ranges to mark in a line; undefined: none are known. */
  rangesAt(line: number): readonly number[] | undefined {
    return this.#segments.get(Math.floor(line / SEGMENT_LINES))?.byLine.get(line)?.ranges;
  }

  /** What was fetched: the number of the first match, and the lines. */
  parts(): [number, LogLine[]][] {
    return [...this.#segments].map(([segment, kept]) => [this.#before(segment), kept.lines]);
  }

  /** Where in the log matches are, as [first line, end], ascending: to the line where they are here, else to the segment. */
  places(): [number, number][] {
    return this.counts.flatMap((count, segment): [number, number][] => {
      if (count === 0) return [];
      const kept = this.#whole(segment);
      const from = segment * SEGMENT_LINES;
      return kept?.matches.map(({ at }) => [at, at + 1]) ?? [[from, from + SEGMENT_LINES]];
    });
  }

  /** Fetch matches [first, end), by their numbers among all. */
  need(first: number, end: number): void {
    if (end > first) this.#need(this.#segmentOf(first), this.#segmentOf(end - 1));
  }

  /** Fetch the matches in lines [first, end). */
  needLines(first: number, end: number): void {
    this.#need(Math.floor(first / SEGMENT_LINES), Math.floor((end - 1) / SEGMENT_LINES));
  }

  /** The line of a match; null: it cannot be had. */
  async lineOf(nth: number): Promise<number | null> {
    const segment = this.#segmentOf(nth);
    return (await this.#had(segment))?.matches[nth - this.#before(segment)]?.at ?? null;
  }

  /** How many lines match before a line. */
  async countBefore(line: number): Promise<number> {
    const segment = Math.floor(line / SEGMENT_LINES);
    const within = (await this.#had(segment))?.matches.filter((match) => match.at < line).length ?? 0;
    return this.#before(segment) + within;
  }

  /** The lines of all matches, at most `limit`. */
  async lines(limit: number): Promise<LogLine[]> {
    const lines: LogLine[] = [];
    for (let from = 0; lines.length < limit; ) {
      const found = await this.#ask({ first_line: from, limit: 10_000, count: false, budget_ms: MORE_MS });
      lines.push(...found.matches.map(([, line]) => line));
      from = found.next_line;
      if (found.is_done) break;
    }
    return lines.slice(0, limit);
  }

  async #ask(more: LogQuery): Promise<LogMatches> {
    const found = await api.searchLog(this.#runId, { ...this.filter, ...more }, this.#abort.signal);
    this.problem = "";
    return found;
  }

  /** The segment that has the match of a number. */
  #segmentOf(nth: number): number {
    let [low, high] = [0, this.counts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#before(middle) <= nth) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** How many match before a segment. */
  #before(segment: number): number {
    return this.#sums[Math.min(segment, this.#sums.length - 1)] ?? 0;
  }

  /** A segment whose matches are all here: lines may have been added since they were fetched. */
  #whole(segment: number): Segment | undefined {
    const kept = this.#segments.get(segment);
    return kept?.matches.length === (this.counts[segment] ?? 0) ? kept : undefined;
  }

  /** A segment, fetched unless it is here. */
  async #had(segment: number): Promise<Segment | undefined> {
    if (this.#whole(segment) === undefined) await this.#fetch([segment]);
    return this.#segments.get(segment);
  }

  #need(first: number, last: number): void {
    this.#wanted = [];
    for (let segment = first; segment <= last; segment++) {
      if ((this.counts[segment] ?? 0) === 0 || this.#asked.has(segment)) continue;
      const kept = this.#whole(segment);
      if (kept === undefined) this.#wanted.push(segment);
      else {
        this.#segments.delete(segment);
        this.#segments.set(segment, kept);
      }
    }
    this.#pump();
  }

  #pump(): void {
    while (this.#asking < AT_ONCE) {
      const first = this.#wanted[0];
      if (first === undefined) return;
      // Where few lines match, those of many segments come together.
      const isNear = (segment: number) =>
        segment - first < MAX_SPAN && this.#before(segment + 1) - this.#before(first) <= SEGMENT_LINES;
      const end = this.#wanted.findIndex((segment) => segment !== first && !isNear(segment));
      const segments = this.#wanted.splice(0, end < 0 ? this.#wanted.length : end);
      void this.#fetch(segments).then(() => this.#pump());
    }
  }

  /** Fetch the matches of segments, ascending, with those of the segments between. */
  async #fetch(segments: readonly number[]): Promise<void> {
    const [first, last] = [segments[0] ?? 0, segments.at(-1) ?? 0];
    this.#asking++;
    for (const segment of segments) this.#asked.add(segment);
    try {
      const matches: LogMatch[] = [];
      const end_line = Math.min((last + 1) * SEGMENT_LINES, this.scanned);
      for (let from = first * SEGMENT_LINES; from < end_line; ) {
        const found = await this.#ask({ first_line: from, end_line, limit: SEGMENT_LINES, budget_ms: MORE_MS });
        matches.push(...found.matches);
        from = found.next_line;
      }
      for (const segment of segments) {
        this.#keep(
          segment,
          matches.filter(([at]) => Math.floor(at / SEGMENT_LINES) === segment),
        );
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#asking--;
      for (const segment of segments) this.#asked.delete(segment);
    }
  }

  /** Of the first matches, those of segments that are here whole. */
  #keepFirst(matches: readonly LogMatch[]): void {
    for (let first = 0; first < matches.length; ) {
      const segment = Math.floor((matches[first]?.[0] ?? 0) / SEGMENT_LINES);
      const count = this.counts[segment] ?? 0;
      if (first + count > matches.length) break;
      this.#keep(segment, matches.slice(first, first + count));
      first += count;
    }
  }

  #keep(segment: number, matches: readonly LogMatch[]): void {
    this.#segments.delete(segment);
    const found = matches.map(([at, line, ranges]): Match => ({ at, line, ranges: ranges ?? [] }));
    this.#segments.set(segment, {
      matches: found,
      byLine: new Map(found.map((match) => [match.at, match])),
      lines: found.map((match) => match.line),
    });
    for (const old of this.#segments.keys()) {
      if (this.#segments.size <= MAX_SEGMENTS) break;
      this.#segments.delete(old);
    }
    this.version++;
  }

  #fail(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.problem = error instanceof Error ? error.message : String(error);
    // A server that is away is asked again with the next lines; what it refused it will refuse again.
    this.#isRefused = error instanceof ApiError && !error.isTrouble;
  }
}
