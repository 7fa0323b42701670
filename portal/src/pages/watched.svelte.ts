/** Some runs by their ids, kept up to date. */

import { untrack } from "svelte";
import { ApiError, api } from "../api/client";
import { live, paced } from "../api/live.svelte";
import type { RunInfo } from "../api/types";

const REFRESH_MS = 2_000;

/** To be made while a component starts: its effects live as long as that component. */
export class WatchedRuns {
  known: ReadonlyMap<string, RunInfo> = $state.raw(new Map());
  /** Those that the server does not have. */
  missing: ReadonlySet<string> = $state.raw(new Set());
  problem = $state.raw<unknown>(null);
  #ids: () => readonly string[];
  /** In the order asked for, as far as they are here. */
  runs: RunInfo[] = $derived.by(() => this.#ids().flatMap((id) => this.known.get(id) ?? []));
  isLoaded: boolean = $derived.by(() => this.#ids().every((id) => this.known.has(id) || this.missing.has(id)));

  constructor(ids: () => readonly string[]) {
    this.#ids = ids;
    $effect(() => {
      const wanted = ids();
      untrack(() => void this.#loadSome(wanted.filter((id) => !this.known.has(id) && !this.missing.has(id))));
    });
    $effect(() => {
      let changed = new Set<string>();
      const pace = paced(async () => {
        const asked = [...changed];
        changed = new Set();
        await this.#loadSome(asked);
      }, REFRESH_MS);
      const stop = live.subscribe((changes) => {
        const mine = ids();
        const touched =
          changes === null ? mine : changes.map((change) => change.run_id).filter((id) => mine.includes(id));
        for (const id of touched) changed.add(id);
        if (touched.length > 0) pace.ask();
      });
      return () => {
        stop();
        pace.stop();
      };
    });
  }

  /** Ask for all of them again. */
  reload(): void {
    void this.#loadSome(this.#ids());
  }

  async #loadSome(wanted: readonly string[]): Promise<void> {
    if (wanted.length === 0) return;
    try {
      const found = await Promise.all(
        wanted.map((id) =>
          api.run(id).catch((error: unknown) => {
            if (error instanceof ApiError && error.isNotFound) return null;
            throw error;
          }),
        ),
      );
      const known = new Map(this.known);
      const missing = new Set(this.missing);
      found.forEach((run, at) => {
        const id = wanted[at] ?? "";
        if (run === null) {
          known.delete(id);
          missing.add(id);
        } else {
          missing.delete(id);
          known.set(id, run);
        }
      });
      this.known = known;
      this.missing = missing;
      this.problem = null;
    } catch (error) {
      this.problem = error; // what is known stays
    }
  }
}
