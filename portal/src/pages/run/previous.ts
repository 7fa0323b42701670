/** Which run came before another one, to tell what changed since. */

import { api } from "../../api/client";
import type { RunInfo } from "../../api/types";

/** The run before this one in its experiment; of a child run, the one before it under the same parent. null: it is the first. */
export async function previousOf(run: RunInfo): Promise<RunInfo | null> {
  const page = await api.runs({
    experiment: run.experiment,
    filter: `number < ${run.number}`,
    order_by: "-number",
    limit: 1,
    ...(run.parent_id === null ? { top_level: true } : { parent_id: run.parent_id }),
  });
  const [found] = page.runs;
  // The search leaves out what only a run's own page tells: command, code, machine.
  return found === undefined ? null : api.run(found.id);
}
