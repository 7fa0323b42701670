/** How the charts of one page are looked at; part of the address. */

import type { XAxis } from "../api/types";
import { t } from "../ui/i18n";
import { location } from "../ui/location.svelte";

/** Safari refuses more than 100 address changes in 30 s: a slider must not make one per pixel. */
const ADDRESS_MS = 250;

export type SharedX = "step" | "time" | "relative";
const SHARED_X: readonly SharedX[] = ["step", "time", "relative"];

export class ChartView {
  x = $state<SharedX>("step");
  /** Weight of the moving average, 0–0.99. */
  smoothing = $state(0);
  logY = $state(false);
  /** Range of x that all charts show; null: everything. */
  zoom = $state.raw<[number, number] | null>(null);
  #timer = 0;
  #defaultX: SharedX;

  constructor(defaultX: SharedX = "step") {
    this.#defaultX = defaultX;
    this.x = SHARED_X.find((x) => x === location.get("x")) ?? defaultX;
    this.smoothing = Math.min(0.99, Math.max(0, Number(location.get("smooth")) || 0));
    this.logY = location.get("log") === "1";
    const [start, end] = location.get("zoom").split("~").map(Number);
    if (start !== undefined && end !== undefined && start < end) this.zoom = [start, end];
  }

  set(change: Partial<Pick<ChartView, "x" | "smoothing" | "logY" | "zoom">>): void {
    // A range of steps means nothing in seconds.
    if (change.x !== undefined && change.x !== this.x) this.zoom = null;
    Object.assign(this, change);
    clearTimeout(this.#timer);
    const path = location.path;
    this.#timer = window.setTimeout(() => {
      if (location.path !== path) return;
      location.set({
        x: this.x === this.#defaultX ? null : this.x,
        smooth: this.smoothing === 0 ? null : String(this.smoothing),
        log: this.logY ? "1" : null,
        zoom: this.zoom === null ? null : this.zoom.map((at) => Number(at.toPrecision(8))).join("~"),
      });
    }, ADDRESS_MS);
  }
}

/** A run as charts see it. */
export interface RunRef {
  id: string;
  label: string;
  style: { hue: number; dash: number[] };
}

export const X_LABELS: Record<SharedX, string> = {
  step: t("Step"),
  relative: t("Relative"),
  time: t("Time"),
};

export function xTitle(x: XAxis): string {
  if (x.startsWith("column:")) return x.slice(7);
  return x === "step" ? t("step") : x === "relative" ? t("relative time") : t("time");
}
