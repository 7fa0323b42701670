/** The log of a run in pages: those one looks at are fetched, a search reads all of them one after the other.
 *
 * A log may have millions of lines; of what was read only the pages last looked at are kept.
 */

import { api } from "../../api/client";
import type { LogLine } from "../../api/types";
import { type LogFilter, passing } from "./lines";

export const PAGE_LINES = 2_000;
/** 200,000 lines: some tens of MB. */
const MAX_PAGES = 100;
const SCAN_LINES = 10_000;
/** A search that finds more than this is no search; it says where it stopped. */
export const MAX_MATCHES = 100_000;
const AT_ONCE = 2;

export interface Match {
  /** From 0. */
  at: number;
  line: LogLine;
}

export class Logbook {
  total = $state(0);
  isLoaded = $state(false);
  problem = $state("");
  /** Grows when lines have arrived. */
  version = $state(0);
  streams = $state.raw<string[]>([]);
  /** Of the processes that wrote it, as far as lines were read; empty: one process alone. */
  ranks = $state.raw<number[]>([]);
  /** What passes the filter, as far as the log was searched; null: there is no filter. */
  matches = $state.raw<Match[] | null>(null);
  /** Lines that were searched. */
  scanned = $state(0);

  readonly #runId: string;
  /** Oldest use first. */
  #pages = new Map<number, LogLine[]>();
  #wanted: number[] = [];
  #asking = new Set<number>();
  #filter: LogFilter | null = null;
  #scanning: object | null = null;
  #isClosed = false;

  constructor(runId: string) {
    this.#runId = runId;
  }

  close(): void {
    this.#isClosed = true;
    this.#scanning = null;
  }

  get pages(): ReadonlyMap<number, readonly LogLine[]> {
    return this.#pages;
  }

  line(at: number): LogLine | undefined {
    return this.#pages.get(Math.floor(at / PAGE_LINES))?.[at % PAGE_LINES];
  }

  /** Read what was added since the last time; at first, the end. */
  async refresh(): Promise<void> {
    try {
      const first = this.isLoaded
        ? Math.max(0, Math.floor((this.total - 1) / PAGE_LINES) * PAGE_LINES)
        : -2 * PAGE_LINES;
      for (let from = first; ; ) {
        const page = await api.log(this.#runId, from, 2 * PAGE_LINES);
        if (this.#isClosed) return;
        this.#take(page.first_line, page.lines);
        this.total = page.total_lines;
        from = page.first_line + page.lines.length;
        // What came faster than it was read is read when one looks at it.
        if (page.lines.length === 0 || from >= page.total_lines || page.total_lines - from > 5 * PAGE_LINES) break;
      }
      this.problem = "";
    } catch (error) {
      this.#fail(error);
    }
    this.isLoaded = true;
    if (this.#filter !== null) void this.#scan();
  }

  /** Fetch the pages of lines [first, end), the last asked for first. */
  need(first: number, end: number): void {
    this.#wanted = [];
    for (let page = Math.floor(first / PAGE_LINES); page * PAGE_LINES < Math.min(end, this.total); page++) {
      const kept = this.#pages.get(page);
      if (kept === undefined) this.#wanted.push(page);
      else {
        this.#pages.delete(page);
        this.#pages.set(page, kept);
      }
    }
    this.#pump();
  }

  #pump(): void {
    while (this.#asking.size < AT_ONCE) {
      const page = this.#wanted.pop();
      if (page === undefined) return;
      if (this.#asking.has(page)) continue;
      this.#asking.add(page);
      api
        .log(this.#runId, page * PAGE_LINES, PAGE_LINES)
        .then(
          (found) => {
            if (!this.#isClosed) this.#take(found.first_line, found.lines);
          },
          (error: unknown) => this.#fail(error),
        )
        .finally(() => {
          this.#asking.delete(page);
          this.#pump();
        });
    }
  }

  /** Keep lines as pages; the beginning of a page that was cut off is left out. */
  #take(first: number, lines: LogLine[]): void {
    if (lines.length === 0) return;
    for (let page = Math.ceil(first / PAGE_LINES); page * PAGE_LINES < first + lines.length; page++) {
      const from = page * PAGE_LINES - first;
      const part = lines.slice(from, from + PAGE_LINES);
      if (part.length >= (this.#pages.get(page)?.length ?? 0)) {
        this.#pages.delete(page);
        this.#pages.set(page, part);
      }
    }
    for (const page of this.#pages.keys()) {
      if (this.#pages.size <= MAX_PAGES) break;
      this.#pages.delete(page);
    }
    this.#learn(lines);
    this.version++;
  }

  #learn(lines: readonly LogLine[]): void {
    const known = new Set(this.streams);
    const ranks = new Set(this.ranks);
    for (const line of lines) {
      known.add(line[1]);
      if (typeof line[5] === "number") ranks.add(line[5]);
    }
    if (known.size > this.streams.length) this.streams = [...known].sort();
    if (ranks.size > this.ranks.length) this.ranks = [...ranks].sort((a, b) => a - b);
  }

  /** Look for lines from the beginning; null: show all. */
  filter(filter: LogFilter | null): void {
    this.#filter = filter;
    this.#scanning = null;
    this.matches = filter === null ? null : [];
    this.scanned = 0;
    if (filter !== null && this.isLoaded) void this.#scan();
  }

  async #scan(): Promise<void> {
    const filter = this.#filter;
    const isDone = () => this.scanned >= this.total || (this.matches?.length ?? 0) >= MAX_MATCHES;
    if (this.#scanning !== null || filter === null || isDone()) return;
    const mine = {};
    this.#scanning = mine;
    let next = this.#part(this.scanned);
    try {
      while (!isDone()) {
        const from = this.scanned;
        const page = await next;
        if (this.#scanning !== mine) return;
        // While these lines are searched, the server reads the next.
        if (page.length > 0 && from + page.length < this.total) next = this.#part(from + page.length);
        const found = passing(page, filter).map((at): Match => ({ at: from + at, line: page[at] ?? [0, "", ""] }));
        if (found.length > 0) this.matches = [...(this.matches ?? []), ...found];
        this.scanned = from + page.length;
        this.#learn(page);
        if (page.length === 0) break;
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      next.catch(() => undefined); // of a search that was left meanwhile nobody waits for it
      if (this.#scanning === mine) this.#scanning = null;
    }
  }

  /** Lines from `from` on: out of the pages that are kept, where they are. */
  async #part(from: number): Promise<LogLine[]> {
    const kept: LogLine[] = [];
    while (kept.length < SCAN_LINES) {
      const at = from + kept.length;
      const page = this.#pages.get(Math.floor(at / PAGE_LINES));
      const rest = page?.slice(at % PAGE_LINES) ?? [];
      if (rest.length === 0) break;
      kept.push(...rest);
    }
    return kept.length > 0 ? kept : (await api.log(this.#runId, from, SCAN_LINES)).lines;
  }

  #fail(error: unknown): void {
    if (!this.#isClosed) this.problem = error instanceof Error ? error.message : String(error);
  }
}
