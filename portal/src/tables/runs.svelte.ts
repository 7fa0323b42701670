/** The runs of one search, as many as there are: rows come as they are looked at, changes come live, and nothing moves under the reader.
 *
 * The first page tells how many there are. Scrolled further, the list asks once for the ids of all, in order; from then on it knows what
 * stands where and fetches the rows in view by their ids.
 */

import { ApiError, api } from "../api/client";
import { live, paced } from "../api/live.svelte";
import type { Change, RunEdit, RunGroup, RunInfo, RunKeys, RunQuery } from "../api/types";
import { COLOUR_TAG } from "../charts/colours";
import { splitId } from "./columns";
import { groupKey, sortGroups } from "./groups";
import { type Branch, makeBranch, type Place, size, walk } from "./outline";

/** A run's id, or a group that opens into runs. */
export type Line = string | RunGroup;

/** What a table asks for. Equal ones, as JSON, are not asked again. */
export interface Ask {
  query: RunQuery;
  /** Child runs stand under their parents. */
  isTree: boolean;
  /** What runs are grouped by: ids of columns; [] leaves them apart. */
  groupBy: string[];
  /** Columns whose spread over a group is shown. */
  groupColumns: string[];
}

const FIRST_PAGE = 100;
/** Rows in one request. */
const ROWS = 200;
/** Ids in one edit: some seconds of the server's time at most. */
const EDITED = 500;
/** Rows fetched before they come into view. */
const AHEAD = 50;
/** While one scrolls fast, rows are asked for where the scrolling rests. */
const REST_MS = 40;
/** Changed rows fetched in one update. */
const MAX_CHANGED = 200;
/** Among wanted params or tags: all of them. */
export const ALL = "*";

interface Row {
  run: RunInfo;
  /** The state of `#wanted` it was fetched for. */
  version: number;
  isStale: boolean;
}

export class RunsList {
  root = $state.raw<Branch<Line>>(makeBranch());
  isLoaded = $state(false);
  /** Asking anew for the whole list. */
  isBusy = $state(false);
  error = $state.raw<ApiError | null>(null);
  /** New runs that the present order keeps out of view. */
  arrived = $state(0);
  /** Values that the order goes by have changed since. */
  isOutOfOrder = $state(false);
  /** The first rows, whole enough to choose columns and widths by; constant until the next search. */
  sample = $state.raw<RunInfo[]>([]);
  /** Counts up when lines or rows change in place. */
  #version = $state(0);

  /** Whether rows may be put in above those in view. */
  mayInsert: () => boolean = () => true;

  #ask: Ask = { query: {}, isTree: false, groupBy: [], groupColumns: [] };
  #rows = new Map<string, Row>();
  #queries = new WeakMap<Branch<Line>, RunQuery>();
  #loading = new Set<Branch<Line>>();
  #inFlight = new Set<string>();
  #wanted: RunKeys | null = null;
  #wantedVersion = 0;
  #window: [number, number] = [0, 0];
  #timer = 0;
  #generation = 0;
  /** How many runs a search found, whatever their order; forgotten when runs come or go. */
  #counted = { which: "", total: 0 };
  /** Of the first page last asked for. */
  #found: { runs: number; sample: RunInfo[] } = { runs: 0, sample: [] };
  #changed = new Set<string>();
  #hasNew = false;
  #needsAll = false;
  #groupsTookMs = 0;
  #pace = paced(() => this.#update());
  #stop: () => void;

  constructor() {
    this.#stop = live.subscribe((changes) => this.#hear(changes));
  }

  close(): void {
    this.#stop();
    this.#pace.stop();
    clearTimeout(this.#timer);
    this.#generation++;
  }

  /** Lines in view if all is scrolled through. */
  get count(): number {
    void this.#version;
    return size(this.root);
  }

  /** Runs that match, in groups too. */
  runs = $state(0);

  /** Runs or groups that match, without what is open under them. */
  get total(): number {
    void this.#version;
    return this.root.total;
  }

  get isGrouped(): boolean {
    return this.#ask.groupBy.length > 0;
  }

  run(id: string): RunInfo | undefined {
    void this.#version;
    return this.#rows.get(id)?.run;
  }

  places(first: number, end: number): Place<Line>[] {
    void this.#version;
    return [...walk(this.root, first, end)];
  }

  /** Runs in memory, in no order that matters: to learn values from. */
  get known(): RunInfo[] {
    void this.#version;
    return [...this.#rows.values()].map((row) => row.run);
  }

  /** Begin a search; what was shown stays until the answer is here. */
  async search(ask: Ask): Promise<void> {
    this.#ask = ask;
    await this.#begin();
  }

  /** Ask for the values of these names from now on. Rows that have them are not fetched again. */
  want(keys: RunKeys): void {
    const had = this.#wanted;
    const isLess =
      had !== null &&
      (["params", "tags", "metrics"] as const).every((kind) => {
        const names = new Set(had[kind]);
        return names.has(ALL) || keys[kind].every((name) => names.has(name));
      });
    if (isLess) return;
    this.#wanted = keys;
    this.#wantedVersion++;
    this.need(...this.#window);
  }

  async reload(): Promise<void> {
    this.#counted.which = "";
    await this.#begin();
  }

  async #begin(): Promise<void> {
    const generation = ++this.#generation;
    this.isBusy = true;
    const before = this.root;
    try {
      const root = await this.#first();
      const found = this.#found;
      await this.#reopen(root, before);
      if (generation !== this.#generation) return;
      this.root = root;
      this.arrived = 0;
      this.isOutOfOrder = false;
      this.error = null;
      this.sample = found.sample;
      this.runs = found.runs;
      this.isLoaded = true;
      this.#version++;
      this.need(...this.#window);
    } catch (error) {
      if (generation === this.#generation) this.error = toApiError(error);
    } finally {
      if (generation === this.#generation) this.isBusy = false;
    }
  }

  /** These lines are in view: load what is missing of them. */
  need(first: number, end: number): void {
    this.#window = [first, end];
    if (this.#timer === 0) {
      this.#timer = window.setTimeout(() => {
        this.#timer = 0;
        void this.#load();
      }, REST_MS);
    }
  }

  /** Open or close what is under a line. */
  async toggle(place: Place<Line>): Promise<void> {
    const { branch, at, line } = place;
    if (line === undefined) return;
    if (branch.open.has(at)) branch.open.delete(at);
    else await this.#open(branch, at, line);
    this.#version++;
  }

  async closeAll(): Promise<void> {
    this.root.open.clear();
    this.#version++;
  }

  async openAll(): Promise<void> {
    const lines = this.root.lines.slice(0, 50);
    await Promise.all(
      lines.map((line, at) =>
        line === undefined || this.root.open.has(at) || !this.opens(line) ? null : this.#open(this.root, at, line),
      ),
    );
    this.#version++;
  }

  /** Whether a line has others under it. */
  opens(line: Line): boolean {
    if (typeof line !== "string") return true;
    return this.#ask.isTree && (this.run(line)?.children ?? 0) > 0;
  }

  /** All ids of the search in its order, of runs in groups and trees too. */
  async allIds(): Promise<string[]> {
    const { isTree, groupBy, query } = this.#ask;
    if (!isTree && groupBy.length === 0) {
      await this.#loadLines(this.root);
      return this.root.lines.filter((line) => typeof line === "string");
    }
    return api.runIds(query);
  }

  /** Ids of the lines between two positions, both included. */
  async idsBetween(a: number, b: number): Promise<string[]> {
    const [first, last] = a < b ? [a, b] : [b, a];
    const missing = new Set(
      this.places(first, last + 1).flatMap(({ branch, line }) => (line === undefined ? branch : [])),
    );
    await Promise.all([...missing].map((branch) => this.#loadLines(branch)));
    return this.places(first, last + 1).flatMap(({ line }) => (typeof line === "string" ? line : []));
  }

  /** Runs by their ids with the values that columns want, fetched if need be. */
  async fetch(ids: readonly string[]): Promise<RunInfo[]> {
    const isMissing = (id: string) => {
      const row = this.#rows.get(id);
      return row === undefined || row.isStale || row.version < this.#wantedVersion;
    };
    await this.#fetchRows(ids.filter(isMissing));
    return ids.flatMap((id) => this.#rows.get(id)?.run ?? []);
  }

  /** Edit runs on the server, and here at once. `told` hears how many are done. */
  async edit(ids: readonly string[], edit: RunEdit, told: (done: number) => void = () => undefined): Promise<void> {
    for (let at = 0; at < ids.length; at += EDITED) {
      const part = ids.slice(at, at + EDITED);
      await api.editRuns(part, edit);
      for (const id of part) {
        const row = this.#rows.get(id);
        if (row !== undefined) this.#rows.set(id, { ...row, run: edited(row.run, edit) });
      }
      told(at + part.length);
    }
    this.#version++;
  }

  /** Take lines out: they no longer belong to what is asked for. */
  drop(ids: Iterable<string>): void {
    const gone = new Set(ids);
    const prune = (branch: Branch<Line>) => {
      const open = new Map<number, Branch<Line>>();
      const lines: (Line | undefined)[] = [];
      for (let at = 0; at < branch.lines.length; at++) {
        const line = branch.lines[at];
        const under = branch.open.get(at);
        if (typeof line === "string" && gone.has(line)) continue;
        if (under !== undefined) {
          prune(under);
          open.set(lines.length, under);
        }
        lines.push(line);
      }
      this.#counted.which = "";
      branch.total -= branch.lines.length - lines.length;
      branch.lines = lines;
      branch.open = open;
    };
    prune(this.root);
    this.#version++;
  }

  // ---------------------------------------------------------------- loading

  #rootQuery(): RunQuery {
    const { query, isTree } = this.#ask;
    return isTree ? { ...query, top_level: true, tree: true } : query;
  }

  async #first(): Promise<Branch<Line>> {
    const { groupBy, groupColumns, query } = this.#ask;
    if (groupBy.length === 0) return this.#firstPage(this.#rootQuery());
    const began = performance.now();
    const [answer, page] = await Promise.all([
      api.runGroups({ runs: query, by: groupBy, columns: groupColumns }),
      api.runs({ ...query, ...this.#projection(), limit: FIRST_PAGE }),
    ]);
    this.#groupsTookMs = performance.now() - began;
    this.#found = { runs: answer.runs, sample: page.runs };
    return makeBranch<Line>(sortGroups(answer.groups, groupBy, orderOf(query)));
  }

  async #firstPage(query: RunQuery): Promise<Branch<Line>> {
    const version = this.#wantedVersion;
    // Another order finds as many; to count them among 100,000 takes longer than to find the first.
    const which = JSON.stringify({ ...query, order_by: "" });
    const counted = this.#counted.which === which ? this.#counted.total : null;
    const page = await api.runs({ ...query, ...this.#projection(), limit: FIRST_PAGE, count: counted === null });
    for (const run of page.runs) this.#put(run, version);
    const total = counted === null || page.runs.length < FIRST_PAGE ? Math.max(page.total, page.runs.length) : counted;
    this.#counted = { which, total };
    this.#found = { runs: total, sample: page.runs };
    const branch = makeBranch<Line>(
      page.runs.map((run) => run.id),
      total,
    );
    this.#queries.set(branch, query);
    return branch;
  }

  #under(line: Line): RunQuery {
    const { query } = this.#ask;
    if (typeof line === "string") return { ...query, parent_id: line, tree: true };
    return { ...query, equal: Object.fromEntries(this.#ask.groupBy.map((id, at) => [id, line.values[at] ?? null])) };
  }

  async #open(branch: Branch<Line>, at: number, line: Line): Promise<void> {
    const query = this.#under(line);
    const expected = typeof line === "string" ? (this.run(line)?.children ?? 1) : line.runs;
    const empty = makeBranch<Line>([], expected);
    this.#queries.set(empty, query);
    branch.open.set(at, empty);
    this.#version++;
    try {
      const found = await this.#firstPage(query);
      if (branch.open.get(at) === empty) branch.open.set(at, found);
    } catch (error) {
      if (branch.open.get(at) === empty) branch.open.delete(at);
      this.error = toApiError(error);
    }
  }

  /** What was open before opens again, before anybody sees it closed. */
  async #reopen(root: Branch<Line>, before: Branch<Line>): Promise<void> {
    const key = (line: Line | undefined) => (typeof line === "object" ? groupKey(line) : line);
    const wanted = new Set([...before.open.keys()].map((at) => key(before.lines[at])));
    if (wanted.size === 0) return;
    const found = root.lines.flatMap((line, at) => (line !== undefined && wanted.has(key(line)) ? [{ line, at }] : []));
    await Promise.all(found.slice(0, 20).map(({ line, at }) => this.#open(root, at, line)));
  }

  async #load(): Promise<void> {
    const [first, end] = this.#window;
    const places = [...walk(this.root, first - AHEAD, end + AHEAD)];
    const branches = new Set(places.flatMap(({ branch, line }) => (line === undefined ? branch : [])));
    const ids = places.flatMap(({ line }) => {
      if (typeof line !== "string" || this.#inFlight.has(line)) return [];
      const row = this.#rows.get(line);
      return row === undefined || row.isStale || row.version < this.#wantedVersion ? line : [];
    });
    try {
      await Promise.all([this.#fetchRows(ids), ...[...branches].map((branch) => this.#loadLines(branch))]);
    } catch (error) {
      this.error = toApiError(error);
      this.#pace.ask(); // tries again, once the server answers
    }
  }

  /** Learn which runs stand in a branch from its first line to its last. */
  async #loadLines(branch: Branch<Line>): Promise<void> {
    const query = this.#queries.get(branch);
    if (query === undefined || this.#loading.has(branch)) return;
    if (branch.lines.length >= branch.total && !branch.lines.includes(undefined)) return;
    this.#loading.add(branch);
    try {
      const ids = await api.runIds(query);
      branch.lines = ids;
      branch.total = ids.length;
      this.#version++;
      this.need(...this.#window);
    } finally {
      this.#loading.delete(branch);
    }
  }

  async #fetchRows(ids: readonly string[]): Promise<void> {
    const parts = Array.from({ length: Math.ceil(ids.length / ROWS) }, (_, at) =>
      ids.slice(at * ROWS, (at + 1) * ROWS),
    );
    await Promise.all(parts.map((part) => this.#fetchPart(part)));
  }

  async #fetchPart(ids: readonly string[]): Promise<void> {
    const version = this.#wantedVersion;
    for (const id of ids) this.#inFlight.add(id);
    try {
      const page = await api.runs({ ids: [...ids], deleted: null, ...this.#projection(), limit: ids.length });
      for (const run of page.runs) this.#put(run, version);
      const found = new Set(page.runs.map((run) => run.id));
      // Removed for good: the line stays where it is, marked, until the list is asked for anew.
      for (const id of ids) {
        const row = this.#rows.get(id);
        if (!found.has(id) && row !== undefined)
          this.#rows.set(id, { run: { ...row.run, deleted: true }, version, isStale: false });
      }
      this.#version++;
    } finally {
      for (const id of ids) this.#inFlight.delete(id);
    }
  }

  /** What rows need of each run: what the columns show, and the tag that colours it. */
  #projection(): Partial<RunQuery> {
    const wanted = this.#wanted;
    if (wanted === null) return {};
    return {
      ...(wanted.params.includes(ALL) ? {} : { params: wanted.params }),
      ...(wanted.tags.includes(ALL) ? {} : { tags: [COLOUR_TAG, ...wanted.tags] }),
      metrics: wanted.metrics,
    };
  }

  #put(run: RunInfo, version: number): void {
    const before = this.#rows.get(run.id);
    // What was fetched for other columns stays until they come into view again.
    const isMore = this.#wanted !== null && before !== undefined && !before.isStale;
    this.#rows.set(run.id, { run: isMore ? merged(before.run, run) : run, version, isStale: false });
  }

  // ---------------------------------------------------------------- live

  #hear(changes: Change[] | null): void {
    if (changes === null) {
      this.#needsAll = true;
      this.#pace.ask();
      return;
    }
    const { experiment } = this.#ask.query;
    let isOurs = false;
    for (const change of changes) {
      if (experiment !== undefined && change.experiment !== experiment) continue;
      const row = this.#rows.get(change.run_id);
      if (row !== undefined) {
        row.isStale = true;
        this.#changed.add(change.run_id);
      } else if (change.what.includes("run")) {
        this.#hasNew = true;
        this.#counted.which = "";
      } else if (!this.isGrouped) continue;
      isOurs = true;
    }
    if (isOurs) this.#pace.ask();
  }

  async #update(): Promise<void> {
    if (this.#needsAll || this.error !== null) {
      this.#needsAll = false;
      await this.reload();
      return;
    }
    const generation = this.#generation;
    const hasNew = this.#hasNew;
    this.#hasNew = false;
    const inView = new Set(this.places(...this.#window).map(({ line }) => line));
    const ids = [...this.#changed].filter((id) => inView.has(id)).slice(0, MAX_CHANGED);
    this.#changed.clear(); // the others are stale, and fetched when they come into view
    try {
      const before = ids.map((id) => this.#rows.get(id)?.run);
      await this.#fetchRows(ids);
      if (generation !== this.#generation) return;
      const key = splitId(orderOf(this.#ask.query)[0]?.replace(/^-/, "") ?? "start");
      this.isOutOfOrder ||= ids.some((id, at) => {
        const [was, is] = [before[at], this.#rows.get(id)?.run];
        return was !== undefined && is !== undefined && orderValue(was, key) !== orderValue(is, key);
      });
      if (this.isGrouped) await this.#refreshGroups(generation);
      else if (hasNew) await this.#takeIn(generation);
    } catch (error) {
      if (generation === this.#generation) this.error = toApiError(error);
    }
  }

  /** Groups keep their places; their numbers follow. */
  async #refreshGroups(generation: number): Promise<void> {
    // At most a tenth of the time is spent on it.
    await new Promise((resolve) => window.setTimeout(resolve, 9 * this.#groupsTookMs));
    if (generation !== this.#generation) return;
    const fresh = await this.#first();
    if (generation !== this.#generation) return;
    const byKey = new Map(fresh.lines.map((line) => [typeof line === "object" ? groupKey(line) : "", line]));
    const isSame = fresh.lines.length === this.root.lines.length;
    this.root.lines = this.root.lines.map(
      (line) => (typeof line === "object" ? byKey.get(groupKey(line)) : line) ?? line,
    );
    this.arrived = isSame ? 0 : Math.max(0, fresh.lines.length - this.root.lines.length);
    this.#version++;
  }

  /** New runs stand on top when the newest come first and nobody is reading there; else they are told of. */
  async #takeIn(generation: number): Promise<void> {
    const page = await api.runs({ ...this.#rootQuery(), ...this.#projection(), limit: FIRST_PAGE });
    if (generation !== this.#generation) return;
    const known = new Set(this.root.lines.slice(0, 2 * FIRST_PAGE));
    const fresh = page.runs.filter((run) => !known.has(run.id));
    const isNewestFirst = orderOf(this.#ask.query)[0] === "-start";
    if (fresh.length === 0) {
      this.arrived = Math.max(0, page.total - this.root.total);
      return;
    }
    if (isNewestFirst && this.mayInsert() && fresh.length < FIRST_PAGE) {
      for (const run of fresh) this.#put(run, this.#wantedVersion);
      this.root.lines = [...fresh.map((run) => run.id), ...this.root.lines];
      this.root.open = new Map([...this.root.open].map(([at, under]) => [at + fresh.length, under]));
      this.root.total = page.total;
      this.arrived = 0;
    } else if (this.root.total === 0) {
      await this.reload();
    } else this.arrived = Math.max(0, page.total - this.root.total);
    this.#version++;
  }
}

export function orderOf(query: RunQuery): string[] {
  const { order_by: order } = query;
  return order === undefined ? ["-start"] : typeof order === "string" ? [order] : order;
}

function orderValue(run: RunInfo, { kind, name }: { kind: string; name: string }): unknown {
  if (kind === "param") return run.params[name];
  if (kind === "tag") return run.tags[name];
  if (kind.startsWith("metric")) {
    const metric = run.metrics.find((item) => item.name === name && item.column === "");
    return kind === "metric" ? metric?.last : metric?.[kind.slice(7) as "min" | "max" | "mean"];
  }
  return name === "status" ? run.status : name === "name" ? run.name : name === "end" ? run.end_ms : null;
}

function merged(old: RunInfo, run: RunInfo): RunInfo {
  const key = (one: RunInfo["metrics"][number]) => `${one.column} ${one.name}`;
  const fresh = new Set(run.metrics.map(key));
  return {
    ...run,
    params: { ...old.params, ...run.params },
    metrics: [...run.metrics, ...old.metrics.filter((one) => !fresh.has(key(one)))],
  };
}

function edited(run: RunInfo, { tags, ...fields }: RunEdit): RunInfo {
  const next = { ...run, ...fields };
  if (tags === undefined) return next;
  const kept = { ...run.tags };
  for (const [name, value] of Object.entries(tags)) {
    if (value === null) delete kept[name];
    else kept[name] = value;
  }
  return { ...next, tags: kept };
}

function toApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(String(error), "BAD_ANSWER", 0);
}
