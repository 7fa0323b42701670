/** Small curves for the cells of a table: asked for together, kept until their metric has new points. */

import { api } from "../api/client";

/** Points of a curve: more than the cell has pixels between them. */
const BUCKETS = 48;
const MAX_RUNS = 60;
const GATHER_MS = 60;
const KEPT = 4_000;

/** Values over x, both as they are; gaps are NaN. */
export interface Curve {
  x: ArrayLike<number>;
  y: ArrayLike<number>;
}

class Sparks {
  #curves = new Map<string, { count: number; curve: Curve | null }>();
  #wanted = new Map<string, Map<string, number>>(); // metric → run → points it has
  #timer = 0;
  #version = $state(0);

  /** The curve of a metric of a run that has `count` points by now; null until it is here. */
  get(runId: string, metric: string, count: number): Curve | null {
    void this.#version;
    const known = this.#curves.get(`${runId} ${metric}`);
    if (known?.count !== count) {
      const runs = this.#wanted.get(metric) ?? new Map<string, number>();
      this.#wanted.set(metric, runs.set(runId, count));
      if (this.#timer === 0) this.#timer = window.setTimeout(() => void this.#load(), GATHER_MS);
    }
    return known?.curve ?? null;
  }

  async #load(): Promise<void> {
    this.#timer = 0;
    const wanted = this.#wanted;
    this.#wanted = new Map();
    if (this.#curves.size > KEPT) this.#curves.clear();
    const parts = [...wanted].flatMap(([metric, runs]) => {
      const ids = [...runs.keys()];
      return Array.from({ length: Math.ceil(ids.length / MAX_RUNS) }, (_, at) => ({
        metric,
        runs,
        ids: ids.slice(at * MAX_RUNS, (at + 1) * MAX_RUNS),
      }));
    });
    await Promise.all(
      parts.map(async ({ metric, runs, ids }) => {
        const found = await api
          .series({ run_ids: ids, names: [metric], column: "", x: "step", buckets: BUCKETS })
          .catch(() => null); // the table says that the server is away; curves come with the next look
        if (found === null) return;
        const byRun = new Map(found.map((one) => [one.run_id, one]));
        for (const id of ids) {
          const one = byRun.get(id);
          this.#curves.set(`${id} ${metric}`, {
            count: runs.get(id) ?? 0,
            curve: one === undefined ? null : { x: one.x, y: one.mean },
          });
        }
      }),
    );
    this.#version++;
  }
}

export const sparks = new Sparks();

/** A curve as an SVG path in a box, its ends inside by `inset`; "" when there is nothing to draw. */
export function sparkPath({ x, y }: Curve, width: number, height: number, inset = 2): string {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < y.length; at++) {
    const value = y[at] ?? Number.NaN;
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return "";
  const first = x[0] ?? 0;
  const span = (x[x.length - 1] ?? 0) - first;
  let path = "";
  let isDrawing = false;
  for (let at = 0; at < y.length; at++) {
    const value = y[at] ?? Number.NaN;
    if (!Number.isFinite(value)) {
      isDrawing = false;
      continue;
    }
    const left = span === 0 ? width / 2 : inset + (((x[at] ?? 0) - first) / span) * (width - 2 * inset);
    const top = high === low ? height / 2 : inset + ((high - value) / (high - low)) * (height - 2 * inset);
    path += `${isDrawing ? "L" : "M"}${left.toFixed(1)} ${top.toFixed(1)}`;
    isDrawing = true;
  }
  // A single point is drawn as a dot by its round cap.
  return /^M[^LM]*$/.test(path) ? `${path}h0` : path;
}
