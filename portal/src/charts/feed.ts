/** Brings series to the charts in view.
 *
 * Charts say what they show; the feed asks the server: all that share runs, axis and range in few requests, hundreds of lines in
 * parts that are shown as they come, the runs that got points again, at most once a second, never in a hidden tab. Nothing is asked
 * while nothing changes. A request whose charts have all gone is cancelled. What was shown a moment ago is kept, so that scrolling
 * back and forth asks nothing.
 */

import { tick } from "svelte";
import { ApiError, api } from "../api/client";
import { live, paced } from "../api/live.svelte";
import type { SeriesBuckets, XAxis } from "../api/types";

export interface Want {
  runIds: readonly string[];
  name: string;
  x: XAxis;
  start: number | null;
  end: number | null;
  buckets: number;
}

/** Series in the order of the runs, then of the columns. `isWhole`: of all runs; else of some, and the rest is under way. */
type Deliver = (series: SeriesBuckets[], isWhole: boolean) => void;

interface Entry {
  want: Want;
  /** Of `runIds`: those to ask for. */
  stale: Set<string>;
  byRun: Map<string, SeriesBuckets[]>;
  isLoaded: boolean;
  watchers: Set<{ deliver: Deliver; fail: (error: ApiError) => void }>;
  /** Parts that are under way or wait for their turn. */
  parts: number;
  requests: Set<Request>;
  toldMs: number;
}

interface Request {
  entries: Set<Entry>;
  abort: AbortController;
}

/** Series in one request: few enough that the first charts need not wait for all. */
const MAX_SERIES = 100;
/** Runs in one request: lines that are drawn within a moment, while the next ones travel. */
const PART_RUNS = 250;
/** So often a chart is drawn anew while its parts come. */
const PROGRESS_MS = 300;
/** Live updates take a fifth of the time at most, however many runs log. */
const REST = 4;
const MAX_REST_MS = 10_000;
/** One is answered while another travels; more would share the server's time, and all come late. */
const MAX_REQUESTS = 2;
const FRAME_MS = 16;
/** Numbers kept of charts that have gone: some tens of megabytes. */
const MAX_KEPT_ROWS = 400_000;

const shared = (want: Want) => JSON.stringify([want.runIds, want.x, want.start, want.end, want.buckets]);

class SeriesFeed {
  /** By want, the one longest unused first. */
  #entries = new Map<string, Entry>();
  #queue: { entries: Entry[]; runIds: string[] }[] = [];
  #running = 0;
  #timer = 0;
  #pace: { ask: () => void } | null = null;
  #resting: (() => void)[] = [];

  /** Deliver now, and again after each change, until the returned function is called. */
  watch(want: Want, deliver: Deliver, fail: (error: ApiError) => void): () => void {
    this.#listen();
    const key = `${shared(want)}${want.name}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = {
        want,
        stale: new Set(want.runIds),
        byRun: new Map(),
        isLoaded: false,
        watchers: new Set(),
        parts: 0,
        requests: new Set(),
        toldMs: Number.NEGATIVE_INFINITY,
      };
    }
    const mine = entry;
    this.#entries.delete(key);
    this.#entries.set(key, mine);
    const watcher = { deliver, fail };
    mine.watchers.add(watcher);
    if (mine.isLoaded) deliver(this.#seriesOf(mine), mine.parts === 0);
    // All charts that appear in one frame share their requests.
    if (mine.stale.size > 0 && this.#timer === 0) {
      this.#timer = window.setTimeout(() => {
        this.#timer = 0;
        this.#ask();
      });
    }
    return () => {
      mine.watchers.delete(watcher);
      if (mine.watchers.size > 0) return;
      for (const request of mine.requests)
        if ([...request.entries].every((one) => one.watchers.size === 0)) request.abort.abort();
      this.#forget();
    };
  }

  #listen(): void {
    if (this.#pace !== null) return;
    const pace = paced(async () => {
      const began = performance.now();
      this.#ask();
      await this.#quiet();
      const rest = Math.min(MAX_REST_MS, REST * (performance.now() - began));
      await new Promise((resolve) => setTimeout(resolve, rest));
    });
    this.#pace = pace;
    live.subscribe((changes) => {
      const changed =
        changes && new Set(changes.filter((change) => change.what.includes("points")).map((change) => change.run_id));
      let any = false;
      for (const entry of this.#entries.values()) {
        for (const id of entry.want.runIds) if (changed === null || changed.has(id)) entry.stale.add(id);
        any ||= entry.stale.size > 0 && entry.watchers.size > 0;
      }
      if (any) pace.ask();
    });
  }

  #seriesOf(entry: Entry): SeriesBuckets[] {
    return entry.want.runIds.flatMap((id) => entry.byRun.get(id) ?? []);
  }

  /** Drop what nobody watches, oldest first, until the rest is small. */
  #forget(): void {
    const idle = [...this.#entries].filter(([, entry]) => entry.watchers.size === 0);
    const rows = (entry: Entry) =>
      [...entry.byRun.values()].flat().reduce((sum, series) => sum + series.x.length, entry.isLoaded ? 1 : 0);
    let kept = idle.reduce((sum, [, entry]) => sum + rows(entry), 0);
    for (const [key, entry] of idle) {
      if (entry.isLoaded && kept <= MAX_KEPT_ROWS) continue;
      kept -= rows(entry);
      this.#entries.delete(key);
    }
  }

  /** Ask for all that is stale and watched: equal runs and axes together. */
  #ask(): void {
    const groups = new Map<string, Entry[]>();
    for (const entry of this.#entries.values()) {
      if (entry.watchers.size === 0 || entry.stale.size === 0 || entry.parts > 0) continue;
      const key = shared(entry.want) + JSON.stringify([...entry.stale]);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [entry]);
      else group.push(entry);
    }
    for (const group of groups.values()) {
      const runIds = [...(group[0]?.stale ?? [])];
      const size = Math.max(1, Math.floor(MAX_SERIES / runIds.length));
      for (let from = 0; from < group.length; from += size) {
        const entries = group.slice(from, from + size);
        for (let at = 0; at < runIds.length; at += PART_RUNS) {
          for (const entry of entries) entry.parts++;
          this.#queue.push({ entries, runIds: runIds.slice(at, at + PART_RUNS) });
        }
        for (const entry of entries) entry.stale = new Set();
      }
    }
    this.#next();
  }

  #next(): void {
    while (this.#running < MAX_REQUESTS) {
      const job = this.#queue.shift();
      if (job === undefined) break;
      this.#running++;
      void this.#load(job.entries, job.runIds).finally(() => {
        this.#running--;
        this.#next();
      });
    }
    if (this.#running > 0) return;
    for (const resolve of this.#resting) resolve();
    this.#resting = [];
  }

  /** Until nothing is under way. */
  async #quiet(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#resting.push(resolve));
  }

  async #load(entries: Entry[], runIds: string[]): Promise<void> {
    const want = entries[0]?.want;
    // Scrolled past while it waited in the queue.
    const wanted = entries.filter((entry) => entry.watchers.size > 0);
    for (const entry of entries) if (entry.watchers.size === 0) this.#giveUp(entry, runIds);
    if (want === undefined || wanted.length === 0) return;
    const request: Request = { entries: new Set(wanted), abort: new AbortController() };
    for (const entry of wanted) entry.requests.add(request);
    try {
      const found = await this.#read(want, runIds, wanted, request.abort.signal);
      const byName = grouped(found, (series) => series.name);
      let since = performance.now();
      for (const entry of wanted) {
        // A chart is on the screen before the next one is drawn.
        if (performance.now() - since > FRAME_MS) {
          await new Promise((resolve) => setTimeout(resolve));
          since = performance.now();
        }
        const byRun = grouped(byName.get(entry.want.name) ?? [], (series) => series.run_id);
        for (const id of runIds) entry.byRun.set(id, byRun.get(id) ?? []);
        entry.isLoaded = true;
        entry.parts--;
        entry.requests.delete(request);
        const isWhole = entry.parts === 0;
        if (!isWhole && performance.now() - entry.toldMs < PROGRESS_MS) continue;
        entry.toldMs = isWhole ? Number.NEGATIVE_INFINITY : performance.now();
        const series = this.#seriesOf(entry);
        for (const watcher of entry.watchers) watcher.deliver(series, isWhole);
        await tick();
      }
    } catch (error) {
      const reason = error instanceof ApiError ? error : new ApiError(String(error), "BAD_ANSWER", 0);
      for (const entry of wanted) {
        if (!entry.requests.delete(request)) continue; // it has its part; another chart failed to draw
        this.#giveUp(entry, runIds);
        if (request.abort.signal.aborted) continue;
        for (const watcher of entry.watchers) watcher.fail(reason);
      }
      // Somebody came back to it before the abort was through. What failed waits for the event stream to say "ask again".
      if (request.abort.signal.aborted && wanted.some((entry) => entry.watchers.size > 0)) this.#ask();
      return;
    }
    // What became stale meanwhile.
    if (wanted.some((entry) => entry.stale.size > 0 && entry.watchers.size > 0)) this.#pace?.ask();
  }

  /** Ask now for all that is missing. */
  retry(): void {
    this.#ask();
  }

  async #read(want: Want, runIds: string[], entries: Entry[], signal: AbortSignal): Promise<SeriesBuckets[]> {
    const ask = (ids: string[]) =>
      api.series(
        {
          run_ids: ids,
          names: entries.map((entry) => entry.want.name),
          x: want.x,
          buckets: want.buckets,
          tails: true,
          ...(want.start === null ? {} : { start: want.start }),
          ...(want.end === null ? {} : { end: want.end }),
        },
        signal,
      );
    try {
      return await ask(runIds);
    } catch (error) {
      // One run among many was removed for good while its curve was shown: the others stay.
      if (!(error instanceof ApiError && error.isNotFound) || runIds.length < 2) throw error;
      const known = await api.runs({ ids: runIds, limit: runIds.length });
      return ask(known.runs.map((run) => run.id));
    }
  }

  #giveUp(entry: Entry, runIds: string[]): void {
    entry.parts--;
    for (const id of runIds) entry.stale.add(id);
  }
}

function grouped<T>(items: Iterable<T>, key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

export const feed = new SeriesFeed();
