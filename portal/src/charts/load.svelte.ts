/** What a panel reads of each of its runs: again when what it asks for changes, when a lost connection is back, and when people say so.
 *
 * A run that cannot be read (removed for good a moment ago) leaves the others standing; a panel fails when none can be read.
 */

import { untrack } from "svelte";
import { live } from "../api/live.svelte";

/** To be made while a component starts: its effects live as long as that component. */
export class EachRun<T> {
  found = $state.raw<ReadonlyMap<string, T>>(new Map());
  /** Why nothing could be read; "": it could. */
  problem = $state("");
  isLoaded = $state(false);
  #asked = $state(0);

  /** `ids` and `read` are called in an effect: whatever they use is watched. No ids: nothing is asked. */
  constructor(ids: () => readonly string[], read: (id: string) => Promise<T>) {
    $effect(() => {
      void this.#asked;
      const wanted = ids();
      if (wanted.length === 0) return;
      const reads = wanted.map(async (id) => [id, await read(id)] as const);
      let isGone = false;
      void Promise.allSettled(reads).then((answers) => {
        if (isGone) return;
        const good = answers.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
        const [bad] = answers.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
        if (good.length > 0 || bad === undefined) {
          this.found = new Map(good);
          this.isLoaded = true;
          this.problem = "";
          return;
        }
        this.problem = bad instanceof Error ? bad.message : String(bad);
      });
      return () => {
        isGone = true;
      };
    });
    $effect(() => live.subscribe((changes) => changes === null && this.again()));
  }

  again(): void {
    untrack(() => this.#asked++);
  }
}
