/** The runs that a page draws beside its table: those selected or else the latest, those pinned, the one compared with; kept up to date.
 *
 * The first are asked for with all they have. Of runs with very many metrics the others come without them: their curves need no more,
 * and a thousand metrics of a thousand runs would be hundreds of megabytes.
 */

import { api } from "../api/client";
import { live, paced } from "../api/live.svelte";
import type { RunInfo, RunQuery } from "../api/types";

/** So many curves a chart can draw. */
export const MAX_CHARTED = 1_000;
/** How many of the latest runs are drawn while none is selected: the first of it by itself. */
export const DRAWN = [50, 100, 200, 500, MAX_CHARTED] as const;
const FIRST = DRAWN[0];
/** Metrics of all runs together that are asked for beyond those of the first: some megabytes, told in a tenth of a second. */
const MAX_SUMMARIES = 40_000;
/** Updates take a fifth of the time at most. */
const REST = 4;

interface Asked {
  /** Selected runs in their order; none: the latest are drawn. */
  selected: readonly string[];
  latest: RunQuery;
  /** At most so many are drawn. */
  most: number;
  pinned: readonly string[];
  /** "": none. */
  baseline: string;
}

export class DrawnRuns {
  charted = $state.raw<RunInfo[]>([]);
  pinned = $state.raw<RunInfo[]>([]);
  baseline = $state.raw<RunInfo | null>(null);
  /** More runs match than are drawn. */
  areMore = $state(false);

  /** Load what is asked, and again when it changes, until the returned function is called. */
  follow(asked: Asked): () => void {
    const { selected, pinned, baseline } = asked;
    const extra = [...new Set([...pinned, ...(baseline === "" ? [] : [baseline])])];
    const lean = new Set<string>();
    const changed = new Set<string>();
    let needsAll = false;
    let isOver = false;

    const all = async () => {
      const [drawn, others] = await Promise.all([read(asked, lean), byIds(extra)]);
      if (isOver) return;
      this.charted = drawn.runs;
      this.areMore = drawn.areMore;
      this.pinned = inOrder(pinned, others);
      this.baseline = others.find((run) => run.id === baseline) ?? null;
    };
    const some = async () => {
      const ids = [...changed];
      changed.clear();
      const [whole, bare] = await Promise.all([
        byIds(ids.filter((id) => !lean.has(id))),
        byIds(
          ids.filter((id) => lean.has(id)),
          { metrics: [] },
        ),
      ]);
      if (isOver) return;
      const fresh = new Map([...whole, ...bare].map((run) => [run.id, run]));
      const renewed = (run: RunInfo) => fresh.get(run.id) ?? run;
      this.charted = this.charted.map(renewed);
      this.pinned = this.pinned.map(renewed);
      if (this.baseline !== null) this.baseline = renewed(this.baseline);
    };
    const pace = paced(async () => {
      const began = performance.now();
      const isAll = needsAll;
      needsAll = false;
      await (isAll ? all() : some()).catch(() => undefined); // the table says what is wrong
      await new Promise((resolve) => setTimeout(resolve, REST * (performance.now() - began)));
    });
    void all().catch(() => undefined);
    const stop = live.subscribe((changes) => {
      // Which are the latest that match, only the server knows; those selected stay who they are. A condition may be about a metric.
      const mayMatch = (what: readonly string[]) => what.includes("run") || asked.latest.filter !== undefined;
      needsAll ||= changes === null || (selected.length === 0 && changes.some((change) => mayMatch(change.what)));
      const shown = new Set([...this.charted.map((run) => run.id), ...extra]);
      for (const { run_id: id } of changes ?? []) if (shown.has(id)) changed.add(id);
      if (needsAll || changed.size > 0) pace.ask();
    });
    return () => {
      isOver = true;
      stop();
      pace.stop();
    };
  }
}

function inOrder(ids: readonly string[], runs: readonly RunInfo[]): RunInfo[] {
  const known = new Map(runs.map((run) => [run.id, run]));
  return ids.flatMap((id) => known.get(id) ?? []);
}

async function byIds(ids: readonly string[], only: Partial<RunQuery> = {}): Promise<RunInfo[]> {
  if (ids.length === 0) return [];
  return (await api.runs({ ids: [...ids], deleted: null, limit: ids.length, count: false, ...only })).runs;
}

/** The runs to draw; the ids of those that came without metrics go into `lean`. */
async function read(
  { selected, latest, most }: Asked,
  lean: Set<string>,
): Promise<{ runs: RunInfo[]; areMore: boolean }> {
  const without = (first: RunInfo[], others: number): Partial<RunQuery> => {
    const metrics = first.reduce((sum, run) => sum + run.metrics.length, 0);
    return (metrics / Math.max(1, first.length)) * others > MAX_SUMMARIES ? { metrics: [] } : {};
  };
  const told = (first: RunInfo[], rest: RunInfo[], only: Partial<RunQuery>) => {
    lean.clear();
    if (only.metrics !== undefined) for (const run of rest) lean.add(run.id);
    return [...first, ...rest];
  };
  if (selected.length > 0) {
    const ids = selected.slice(0, most);
    const first = await byIds(ids.slice(0, FIRST));
    const only = without(first, ids.length - FIRST);
    const runs = told(first, await byIds(ids.slice(FIRST), only), only);
    return { runs: inOrder(ids, runs), areMore: selected.length > ids.length };
  }
  const page = await api.runs({ ...latest, limit: FIRST, count: false });
  if (page.next_page_token === null || most <= FIRST)
    return { runs: told(page.runs, [], {}), areMore: page.next_page_token !== null };
  const only = without(page.runs, most - FIRST);
  const limit = most - FIRST;
  const rest = await api.runs({ ...latest, limit, count: false, page_token: page.next_page_token, ...only });
  return { runs: told(page.runs, rest.runs, only), areMore: rest.next_page_token !== null };
}
