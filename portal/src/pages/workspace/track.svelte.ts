/** "Am I on track": the earlier runs of an experiment to compare with, and whether a run's loop stands still. */

import { api } from "../../api/client";
import { activeIds, stalls, stallWords } from "../../api/stalls.svelte";
import type { RunInfo } from "../../api/types";
import { t } from "../../ui/i18n";

/** Enough for a range of the middle 80 %, few enough to read at once. */
const MAX_EARLIER = 40;

/** To be made while a component starts: its effects live as long as that component. */
export class Track {
  earlier = $state.raw<string[]>([]);
  #runs: () => RunInfo[];
  #stalled = $derived.by(() =>
    this.#runs().flatMap((run) => {
      const stall = stalls.of(run);
      return stall === undefined ? [] : [{ run, stall }];
    }),
  );
  /** Since when a run stands still, in ms. */
  stalled: ReadonlyMap<string, number> = $derived(
    new Map(this.#stalled.map(({ run, stall }) => [run.id, stall.since_ms])),
  );
  /** The same in words; null: all go on. */
  stall: string | null = $derived.by(() => {
    const [first, other] = this.#stalled;
    if (first === undefined) return null;
    if (other !== undefined)
      return t("{n} run stands still|{n} runs stand still: {names}", {
        n: this.#stalled.length,
        names: this.#stalled.map(({ run }) => run.name).join(", "),
      });
    return stallWords(first.run.name, first.stall);
  });

  constructor(runs: () => RunInfo[], wantsEarlier: () => boolean) {
    this.#runs = runs;
    const single = $derived.by(() => {
      const [run, other] = runs();
      return run === undefined || other !== undefined || !wantsEarlier()
        ? ""
        : JSON.stringify([run.id, run.experiment, run.start_ms]);
    });
    $effect(() => {
      this.earlier = [];
      if (single === "") return;
      const [id, experiment, startMs] = JSON.parse(single) as [string, string, number];
      let isGone = false;
      const query = { experiment, status: ["Completed" as const], limit: MAX_EARLIER + 1, count: false };
      api.runs({ ...query, params: [], tags: [], metrics: [] }).then(
        (page) => {
          if (!isGone)
            this.earlier = page.runs
              .filter((run) => run.id !== id && run.start_ms < startMs)
              .slice(0, MAX_EARLIER)
              .map((run) => run.id);
        },
        () => undefined, // the range behind is an extra; the page itself says that the server is away
      );
      return () => {
        isGone = true;
      };
    });
    const watched = $derived(activeIds(runs()));
    $effect(() => stalls.watch(JSON.parse(watched) as string[]));
  }
}
