/** The log of a run in pages: those one looks at are fetched, those last looked at are kept. It may have millions of lines. */

import { api } from "../../api/client";
import type { LogLine } from "../../api/types";

/** Some 15 kB on the way. */
export const PAGE_LINES = 500;
/** 200,000 lines: some tens of MB. */
const MAX_PAGES = 400;
const AT_ONCE = 2;

export class Logbook {
  total = $state(0);
  isLoaded = $state(false);
  problem = $state("");
  /** Grows when lines have arrived. */
  version = $state(0);
  streams = $state.raw<string[]>([]);
  /** Of the processes that wrote it, as far as lines were read; empty: one process alone. */
  ranks = $state.raw<number[]>([]);

  readonly #runId: string;
  /** Oldest use first. */
  #pages = new Map<number, LogLine[]>();
  #wanted: number[] = [];
  #asking = new Set<number>();
  #isClosed = false;

  constructor(runId: string) {
    this.#runId = runId;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** What was fetched: the number of the first line, and the lines. */
  parts(): [number, LogLine[]][] {
    return [...this.#pages].map(([page, lines]) => [page * PAGE_LINES, lines]);
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
        if (page.lines.length === 0 || from >= page.total_lines || page.total_lines - from > 10 * PAGE_LINES) break;
      }
      this.problem = "";
    } catch (error) {
      this.#fail(error);
    }
    this.isLoaded = true;
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

  /** Learn which streams and ranks there are. */
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

  #fail(error: unknown): void {
    if (!this.#isClosed) this.problem = error instanceof Error ? error.message : String(error);
  }
}
