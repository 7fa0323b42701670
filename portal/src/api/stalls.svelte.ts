/** Runs whose loop stands still, for all views of a page at once: they say the same.
 *
 * The server decides. It is asked now and then, as long as a view shows runs that go on and the tab is seen.
 */

import { formatDuration } from "../ui/format";
import { t } from "../ui/i18n";
import { api } from "./client";
import { live, paced } from "./live.svelte";
import { isActive, type RunInfo, type Stall } from "./types";

const ASK_MS = 20_000;
/** As many as the server looks at in one request. */
const MAX_IDS = 200;

class Stalls {
  #watched = new Set<readonly string[]>();
  #found = $state.raw(new Map<string, Stall>());
  #timer = 0;
  #askedMs = new Map<string, number>();
  #pace = paced(() => this.#ask());

  constructor() {
    live.subscribe((changes) => {
      // One that moves on is no longer marked at once.
      const hasMoved = changes?.some((change) => this.#found.has(change.run_id) && change.what.includes("points"));
      if (this.#watched.size > 0 && (changes === null || hasMoved === true)) this.#pace.ask();
    });
  }

  of(run: { id: string; status: RunInfo["status"] }): Stall | undefined {
    return isActive(run.status) ? this.#found.get(run.id) : undefined;
  }

  /** Look at these runs, until the returned function is called. */
  watch(ids: readonly string[]): () => void {
    if (ids.length === 0) return () => undefined;
    this.#watched.add(ids);
    // Rows that come and go under a scrolling reader are not news.
    const sinceMs = Date.now() - ASK_MS;
    if (ids.some((id) => (this.#askedMs.get(id) ?? 0) < sinceMs)) this.#pace.ask();
    if (this.#timer === 0)
      this.#timer = window.setInterval(() => {
        if (!document.hidden) this.#pace.ask();
      }, ASK_MS);
    return () => {
      this.#watched.delete(ids);
      if (this.#watched.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = 0;
    };
  }

  async #ask(): Promise<void> {
    const ids = [...new Set([...this.#watched].flat())].slice(0, MAX_IDS);
    if (ids.length === 0) return;
    // Without an answer what was known stays; that the server is away, the page says.
    const found = await api.stalled(ids).catch(() => null);
    if (found === null) return;
    this.#askedMs = new Map(ids.map((id) => [id, Date.now()]));
    if (found.length > 0 || this.#found.size > 0) this.#found = new Map(found.map((stall) => [stall.run_id, stall]));
  }
}

export const stalls = new Stalls();

export function stallWords(name: string, stall: Stall): string {
  return t(
    "{name} is alive, but has made no step for {silence}. Usually one comes every {usual}; the longest pause so far was {longest}.",
    {
      name,
      silence: formatDuration(stall.silence_ms),
      usual: formatDuration(stall.usual_ms),
      longest: formatDuration(stall.longest_ms),
    },
  );
}

/** Ids of the runs that go on, as text that is equal while they are the same. */
export function activeIds(runs: readonly { id: string; status: RunInfo["status"] }[]): string {
  return JSON.stringify(runs.filter((run) => isActive(run.status)).map((run) => run.id));
}
