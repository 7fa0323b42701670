/** The runs of one search: pages come as they are scrolled to, changes come live, and rows never jump under the reader. */

import { ApiError, api } from "../api/client";
import { live, paced } from "../api/live.svelte";
import type { Change, RunInfo, RunQuery } from "../api/types";

const FIRST_PAGE = 100;
const NEXT_PAGE = 500;
/** Ids in one refresh of changed rows. */
const MAX_CHANGED = 200;

export class RunsList {
  rows = $state.raw<RunInfo[]>([]);
  total = $state(0);
  isLoaded = $state(false);
  error = $state.raw<ApiError | null>(null);
  /** New runs that the present order and filter keep out of view. */
  arrived = $state(0);

  #query: RunQuery = {};
  #next: string | null = null;
  #generation = 0;
  #isLoading = false;
  #changed = new Set<string>();
  #hasNew = false;
  #needsAll = false;
  #pace = paced(() => this.#update());
  #stop: () => void;

  constructor() {
    this.#stop = live.subscribe((changes) => this.#hear(changes));
  }

  close(): void {
    this.#stop();
    this.#pace.stop();
  }

  /** Begin a search; what was shown stays until the answer is here. */
  async search(query: RunQuery): Promise<void> {
    this.#query = query;
    await this.reload();
  }

  async reload(): Promise<void> {
    const generation = ++this.#generation;
    this.#isLoading = true;
    try {
      const page = await api.runs({ ...this.#query, limit: FIRST_PAGE });
      if (generation !== this.#generation) return;
      this.rows = page.runs;
      this.total = page.total;
      this.#next = page.next_page_token;
      this.arrived = 0;
      this.error = null;
      this.isLoaded = true;
    } catch (error) {
      if (generation === this.#generation) this.error = toApiError(error);
    } finally {
      if (generation === this.#generation) this.#isLoading = false;
    }
  }

  /** Load pages until row `end` is here. */
  async need(end: number): Promise<void> {
    if (this.#isLoading || this.#next === null || end <= this.rows.length) return;
    const generation = this.#generation;
    this.#isLoading = true;
    try {
      while (this.#next !== null && this.rows.length < end) {
        const page = await api.runs({ ...this.#query, limit: NEXT_PAGE, page_token: this.#next });
        if (generation !== this.#generation) return;
        const known = new Set(this.rows.map((run) => run.id));
        this.rows = [...this.rows, ...page.runs.filter((run) => !known.has(run.id))];
        this.#next = page.next_page_token;
      }
    } catch (error) {
      if (generation === this.#generation) this.error = toApiError(error);
    } finally {
      if (generation === this.#generation) this.#isLoading = false;
    }
  }

  #hear(changes: Change[] | null): void {
    if (changes === null) {
      this.#needsAll = true;
      this.#pace.ask();
      return;
    }
    const { experiment } = this.#query;
    const known = new Set(this.rows.map((run) => run.id));
    let isOurs = false;
    for (const change of changes) {
      if (experiment !== undefined && change.experiment !== experiment) continue;
      if (known.has(change.run_id)) this.#changed.add(change.run_id);
      else if (change.what.includes("run")) this.#hasNew = true;
      else continue;
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
    const ids = [...this.#changed].slice(0, MAX_CHANGED);
    const hasNew = this.#hasNew;
    for (const id of ids) this.#changed.delete(id);
    this.#hasNew = false;
    try {
      const fresh = ids.length === 0 ? null : await api.runs({ ids, limit: ids.length });
      const newest = hasNew ? await api.runs({ ...this.#query, limit: FIRST_PAGE }) : null;
      if (generation !== this.#generation) return;
      let { rows } = this;
      if (fresh !== null) {
        const byId = new Map(fresh.runs.map((run) => [run.id, run]));
        // Deleted runs are no longer found.
        const gone = new Set(ids.filter((id) => !byId.has(id)));
        rows = rows.filter((run) => !gone.has(run.id)).map((run) => byId.get(run.id) ?? run);
        this.total -= gone.size;
      }
      if (newest !== null) {
        const known = new Set(rows.map((run) => run.id));
        const isNewestFirst = (this.#query.order_by ?? "-start") === "-start";
        const arrived = newest.runs.filter((run) => !known.has(run.id));
        if (isNewestFirst || rows.length < FIRST_PAGE) rows = isNewestFirst ? [...arrived, ...rows] : newest.runs;
        else this.arrived += newest.total - this.total;
        this.total = newest.total;
      }
      this.rows = rows;
    } catch (error) {
      this.error = toApiError(error);
    }
    if (this.#changed.size > 0) this.#pace.ask();
  }
}

function toApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(String(error), "BAD_ANSWER", 0);
}
