/** Brings series to the charts in view.
 *
 * Charts say what they show; the feed asks the server, all that share runs and axis in one request, again when points arrived (at most once a
 * second), never in a hidden tab. Nothing is asked while nothing changes.
 */

import { ApiError, api } from "../api/client";
import { live, paced } from "../api/live.svelte";
import type { SeriesBuckets, XAxis } from "../api/types";

export interface Want {
  runIds: string[];
  name: string;
  /** null: all columns. */
  column: string | null;
  x: XAxis;
  start: number | null;
  end: number | null;
  buckets: number;
}

interface Watcher {
  want: Want;
  isStale: boolean;
  deliver: (series: SeriesBuckets[]) => void;
  fail: (error: ApiError) => void;
}

/** More names than this go as several requests, so that the first charts need not wait for all. */
const MAX_NAMES = 64;

class SeriesFeed {
  #watchers = new Set<Watcher>();
  #pace: { ask: () => void } | null = null;

  /** Deliver now, and again after each change, until the returned function is called. */
  watch(want: Want, deliver: Watcher["deliver"], fail: Watcher["fail"]): () => void {
    if (this.#pace === null) {
      this.#pace = paced(() => this.#refresh());
      live.subscribe((changes) => {
        const changed =
          changes && new Set(changes.filter((change) => change.what.includes("points")).map((change) => change.run_id));
        this.#invalidate((watcher) => changed === null || watcher.want.runIds.some((id) => changed.has(id)));
      });
    }
    const watcher: Watcher = { want, deliver, fail, isStale: false };
    this.#watchers.add(watcher);
    // All charts that appear in one frame share a request; a new chart never waits for the pace of the others.
    this.#fresh.add(watcher);
    if (this.#fresh.size === 1) queueMicrotask(() => setTimeout(() => void this.#load(this.#takeFresh())));
    return () => {
      this.#watchers.delete(watcher);
      this.#fresh.delete(watcher);
    };
  }

  #fresh = new Set<Watcher>();

  #takeFresh(): Watcher[] {
    const watchers = [...this.#fresh];
    this.#fresh.clear();
    return watchers;
  }

  #invalidate(isStale: (watcher: Watcher) => boolean): void {
    let any = false;
    for (const watcher of this.#watchers) {
      if (!isStale(watcher)) continue;
      watcher.isStale = true;
      any = true;
    }
    if (any) this.#pace?.ask();
  }

  async #refresh(): Promise<void> {
    const stale = [...this.#watchers].filter((watcher) => watcher.isStale);
    for (const watcher of stale) watcher.isStale = false;
    await this.#load(stale);
  }

  async #load(watchers: Watcher[]): Promise<void> {
    const groups = new Map<string, Watcher[]>();
    for (const watcher of watchers) {
      const { name, ...shared } = watcher.want;
      const key = JSON.stringify(shared);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [watcher]);
      else group.push(watcher);
    }
    await Promise.all([...groups.values()].map((group) => this.#ask(group)));
  }

  async #ask(group: Watcher[]): Promise<void> {
    const want = group[0]?.want;
    if (want === undefined) return;
    const names = [...new Set(group.map((watcher) => watcher.want.name))];
    for (let from = 0; from < names.length; from += MAX_NAMES) {
      const part = new Set(names.slice(from, from + MAX_NAMES));
      const watchers = group.filter((watcher) => part.has(watcher.want.name));
      try {
        const series = await api.series({
          run_ids: want.runIds,
          names: [...part],
          x: want.x,
          buckets: want.buckets,
          ...(want.column === null ? {} : { column: want.column }),
          ...(want.start === null ? {} : { start: want.start }),
          ...(want.end === null ? {} : { end: want.end }),
        });
        const byName = new Map<string, SeriesBuckets[]>();
        for (const item of series) byName.set(item.name, [...(byName.get(item.name) ?? []), item]);
        for (const watcher of watchers)
          if (this.#watchers.has(watcher)) watcher.deliver(byName.get(watcher.want.name) ?? []);
      } catch (error) {
        const reason = error instanceof ApiError ? error : new ApiError(String(error), "BAD_ANSWER", 0);
        for (const watcher of watchers) if (this.#watchers.has(watcher)) watcher.fail(reason);
      }
    }
  }
}

export const feed = new SeriesFeed();
