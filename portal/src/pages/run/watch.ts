import { follow } from "../../api/live.svelte";
import type { ChangeWhat } from "../../api/types";

/** Runs `refresh` now and after each change of one of these kinds to a run (at most once a second), until the returned function is called. */
export function watchRun(runId: string, kinds: ChangeWhat[], refresh: () => Promise<void>): () => void {
  return follow(refresh, (changes) =>
    changes.some((change) => change.run_id === runId && change.what.some((kind) => kinds.includes(kind))),
  );
}
