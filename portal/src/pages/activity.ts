/** What happened in a workspace, made readable: days, and within them the same thing many times over as one line. Pure. */

import type { Activity } from "../api/types";

export interface ActivityGroup {
  /** Stays the same while more is added to the group. */
  key: string;
  /** Newest first; more than one: the same thing happened in one experiment, with nothing else in between. */
  items: Activity[];
}

export interface ActivityDay {
  /** Any time of that day. */
  timeMs: number;
  groups: ActivityGroup[];
}

export function activityKey(item: Activity): string {
  return `${item.time_ms} ${item.what} ${item.run_id} ${item.experiment} ${item.name} ${item.version}`;
}

const ENDS: ReadonlySet<string> = new Set(["completed", "failed", "canceled"]);

/** `items` newest first; days are those of this browser's time zone. That a run started is told while it goes on; later its end tells it. */
export function makeDays(items: readonly Activity[]): ActivityDay[] {
  const ended = new Set(items.filter((item) => ENDS.has(item.what)).map((item) => item.run_id));
  const days: ActivityDay[] = [];
  let dayName = "";
  for (const item of items) {
    if (item.what === "started" && ended.has(item.run_id)) continue;
    const name = new Date(item.time_ms).toDateString();
    if (name !== dayName) days.push({ timeMs: item.time_ms, groups: [] });
    const groups = days.at(-1)?.groups ?? [];
    const last = groups.at(-1);
    const first = last?.items[0];
    if (name === dayName && last !== undefined && first !== undefined && isAlike(first, item)) {
      last.items.push(item);
      // The oldest gives the name: newer ones are put before it while one looks.
      last.key = activityKey(item);
    } else groups.push({ key: activityKey(item), items: [item] });
    dayName = name;
  }
  return days;
}

function isAlike(a: Activity, b: Activity): boolean {
  if (a.what !== b.what || a.experiment !== b.experiment) return false;
  // A failure has a reason to read; of versions, those of one model belong together.
  return a.what !== "failed" && (a.what !== "version" || a.name === b.name);
}

/** How long each run took that started and ended within `items`, ms. */
export function durations(items: readonly Activity[]): Map<string, number> {
  const starts = new Map(items.filter((item) => item.what === "started").map((item) => [item.run_id, item.time_ms]));
  return new Map(
    items.flatMap((item) => {
      const start = ENDS.has(item.what) ? starts.get(item.run_id) : undefined;
      return start === undefined ? [] : [[item.run_id, item.time_ms - start] as const];
    }),
  );
}

/** `newer` before `known`, each thing once, newest first. */
export function merged(newer: readonly Activity[], known: readonly Activity[]): Activity[] {
  const seen = new Set(known.map(activityKey));
  return [...newer.filter((item) => !seen.has(activityKey(item))), ...known].sort((a, b) => b.time_ms - a.time_ms);
}
