/** "Am I on track": the earlier runs of an experiment to compare with, and whether a run's loop stands still. */

import { api } from "../../api/client";
import { isActive, type RunInfo, TEXT } from "../../api/types";
import { SYSTEM_PREFIX } from "../../charts/sections";
import { isStalled, type Rhythm, rhythmOf } from "../../charts/stall";
import { formatDuration } from "../../ui/format";
import { t } from "../../ui/i18n";

/** Enough for a range of the middle 80 %, few enough to read at once. */
const MAX_EARLIER = 40;
const MAX_WATCHED = 8;
const RHYTHM_BUCKETS = 500;
/** What is usual changes slowly. */
const RHYTHM_MS = 60_000;

/** The series that tells of a run's steps best: the one with most points, other than what is captured by the clock. */
function pulseOf(run: RunInfo): RunInfo["metrics"][number] | null {
  const series = run.metrics.filter((item) => item.dtype !== TEXT && !item.name.startsWith(SYSTEM_PREFIX));
  return series.reduce<(typeof series)[number] | null>(
    (best, one) => (best === null || one.count > best.count ? one : best),
    null,
  );
}

/** To be made while a component starts: its effects live as long as that component. */
export class Track {
  earlier = $state.raw<string[]>([]);
  #rhythms = $state.raw(new Map<string, Rhythm>());
  #runs: () => RunInfo[];
  /** Of the runs that go on: how long each has been silent, by its own sign of life. A process that is dead too, its status says. */
  #silent = $derived.by(() =>
    this.#runs()
      .filter((run) => isActive(run.status))
      .slice(0, MAX_WATCHED)
      .flatMap((run) => {
        const lastMs = Math.max(
          0,
          ...run.metrics.filter((item) => !item.name.startsWith(SYSTEM_PREFIX)).map((item) => item.last_time_ms),
        );
        return lastMs === 0 ? [] : [{ run, silenceMs: run.heartbeat_ms - lastMs, lastMs }];
      }),
  );
  /** Since when a run stands still, in ms. */
  stalled: ReadonlyMap<string, number> = $derived(
    new Map(
      this.#silent.flatMap(({ run, silenceMs, lastMs }) => {
        const rhythm = this.#rhythms.get(run.id);
        return rhythm !== undefined && isStalled(rhythm, silenceMs) ? [[run.id, lastMs] as const] : [];
      }),
    ),
  );
  /** The same in words; null: all go on. */
  stall: string | null = $derived.by(() => {
    const found = this.#silent.filter(({ run }) => this.stalled.has(run.id));
    if (found.length === 0) return null;
    if (found.length > 1)
      return t("{n} run stands still|{n} runs stand still: {names}", {
        n: found.length,
        names: found.map(({ run }) => run.name).join(", "),
      });
    const [{ run, silenceMs } = { run: null, silenceMs: 0 }] = found;
    const rhythm = run === null ? undefined : this.#rhythms.get(run.id);
    return t(
      "{name} is alive, but has made no step for {silence}. Usually one comes every {usual}; the longest pause so far was {longest}.",
      {
        name: run?.name ?? "",
        silence: formatDuration(silenceMs),
        usual: formatDuration(rhythm?.usualMs ?? 0),
        longest: formatDuration(rhythm?.longestMs ?? 0),
      },
    );
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
      api.runs({ experiment, status: ["Completed"], limit: MAX_EARLIER + 1 }).then(
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
    // Only a run that has been silent for some time needs a closer look.
    const suspects = $derived(
      JSON.stringify(
        this.#silent.flatMap(({ run, silenceMs }) => {
          const pulse = silenceMs > 10_000 ? pulseOf(run) : null;
          return pulse === null ? [] : [[run.id, pulse.name, pulse.column]];
        }),
      ),
    );
    $effect(() => {
      const wanted = JSON.parse(suspects) as [string, string, string][];
      if (wanted.length === 0) return;
      const load = async () => {
        const found = new Map<string, Rhythm>();
        for (const [id, name, column] of wanted) {
          const series = await api
            .series({ run_ids: [id], names: [name], column, x: "time", buckets: RHYTHM_BUCKETS })
            .catch(() => []);
          const rhythm = series[0] === undefined ? null : rhythmOf(series[0]);
          if (rhythm !== null) found.set(id, rhythm);
        }
        this.#rhythms = found;
      };
      void load();
      const timer = setInterval(() => {
        if (!document.hidden) void load();
      }, RHYTHM_MS);
      return () => clearInterval(timer);
    });
  }
}
