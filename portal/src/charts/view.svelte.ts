/** How the charts of one page are looked at; part of the address. */

import type { XAxis } from "../api/types";
import { t } from "../ui/i18n";
import { location } from "../ui/location.svelte";
import type { Ink } from "./figure";
import { rangeOf } from "./frame";
import { CENTRES, type Centre, SPREADS, type Spread } from "./lines";
import { SMOOTHINGS, type Smoothing } from "./smooth";

/** Safari refuses more than 100 address changes in 30 s: a slider must not make one per pixel. */
const ADDRESS_MS = 250;

export const SHARED_X = ["step", "relative", "time"] as const;
export type SharedX = (typeof SHARED_X)[number] | `metric:${string}`;
export const SIZES = ["small", "medium", "large"] as const;
export type PanelSize = (typeof SIZES)[number];

/** Which charts share a zoom and a cursor: those with one of these. `row`: the number of a table's row. */
export type Span = XAxis | "row";

/** How lines look; a panel may have some of it otherwise than its page. */
export interface LineLook {
  x: XAxis;
  smoothing: Smoothing;
  logX: boolean;
  logY: boolean;
  /** Cut off values far outside of where nearly all are. */
  clip: boolean;
}

/** In the place of a field: runs are not averaged, whatever the table does. */
export const NOTHING = "-";

const DEFAULTS = {
  smoothing: { kind: "ema", points: 1 } as Smoothing,
  logX: false,
  logY: false,
  clip: false,
  zoom: null as [number, number] | null,
  zooms: {} as Readonly<Record<string, [number, number]>>,
  group: "",
  colour: "",
  centre: "mean" as Centre,
  spread: "std" as Spread,
  size: "medium" as PanelSize,
  earlier: null as boolean | null,
};
type Settings = typeof DEFAULTS & { x: SharedX };

export class ChartView implements LineLook {
  x = $state<SharedX>("step");
  smoothing = $state.raw<Smoothing>(DEFAULTS.smoothing);
  logX = $state(false);
  logY = $state(false);
  clip = $state(false);
  /** Range of x that all charts show; null: everything. */
  zoom = $state.raw<[number, number] | null>(null);
  /** Ranges of panels that have an axis of their own, by that axis. */
  zooms = $state.raw<Readonly<Record<string, [number, number]>>>({});
  /** What runs are averaged by: `param:NAME`, `tag:NAME`, `experiment`; "": as the table is grouped; `NOTHING`: each stands alone. */
  group = $state("");
  /** What colours runs: `param:NAME`; "": each has its own. */
  colour = $state("");
  centre = $state<Centre>("mean");
  spread = $state<Spread>("std");
  size = $state<PanelSize>("medium");
  /** Show where earlier runs of the experiment were; null: as the page thinks best. */
  earlier = $state<boolean | null>(null);
  /** What the page thinks best. */
  earlierByDefault = $state(false);
  #timer = 0;
  #defaultX: SharedX;
  #follows: () => readonly string[];
  #marked: () => readonly string[];

  /**
   * @param follows what the table beside the charts is grouped by.
   * @param marked runs that stand out among very many: those pinned, and the one compared with.
   */
  constructor(
    defaultX: SharedX = "step",
    follows: () => readonly string[] = () => [],
    marked: () => readonly string[] = () => [],
  ) {
    this.#defaultX = defaultX;
    this.#follows = follows;
    this.#marked = marked;
    const x = location.get("x");
    this.x = SHARED_X.find((one) => one === x) ?? (x.startsWith("metric:") ? (x as SharedX) : defaultX);
    const [points, kind] = location.get("smooth").split("~");
    this.smoothing = {
      points: Math.min(1e4, Math.max(1, Number(points) || 1)),
      kind: SMOOTHINGS.find((one) => one === kind) ?? "ema",
    };
    const log = location.get("log");
    this.logY = log === "1" || log.includes("y");
    this.logX = log.includes("x");
    this.clip = location.get("clip") === "1";
    const [start, end] = location.get("zoom").split("~").map(Number);
    if (start !== undefined && end !== undefined && start < end) this.zoom = [start, end];
    this.zooms = zoomsOf(location.get("zooms"));
    this.group = location.get("by");
    this.colour = location.get("colour");
    const [centre, spread] = location.get("band").split("~");
    this.centre = CENTRES.find((one) => one === centre) ?? "mean";
    this.spread = SPREADS.find((one) => one === spread) ?? "std";
    this.size = SIZES.find((one) => one === location.get("size")) ?? "medium";
    const earlier = location.get("earlier");
    this.earlier = earlier === "" ? null : earlier === "1";
  }

  get showsEarlier(): boolean {
    return this.earlier ?? this.earlierByDefault;
  }

  get follows(): readonly string[] {
    return this.#follows();
  }

  get marked(): readonly string[] {
    return this.#marked();
  }

  /** Fields that runs are averaged by; none: each run stands alone. */
  get groups(): readonly string[] {
    if (this.group === NOTHING) return [];
    return this.group === "" ? this.follows : [this.group];
  }

  set(change: Partial<Settings>): void {
    // A range of steps means nothing in seconds.
    if (change.x !== undefined && change.x !== this.x) this.zoom = null;
    Object.assign(this, change);
    clearTimeout(this.#timer);
    const path = location.path;
    this.#timer = window.setTimeout(() => {
      if (location.path === path) location.set(this.#address());
    }, ADDRESS_MS);
  }

  /** The range that charts over an axis show; null: everything. */
  zoomOf(span: Span): [number, number] | null {
    return span === this.x ? this.zoom : (this.zooms[span] ?? null);
  }

  zoomTo(span: Span, range: [number, number] | null): void {
    const { [span]: _, ...others } = this.zooms;
    if (span === this.x) this.set({ zoom: range });
    else this.set({ zooms: range === null ? others : { ...others, [span]: range } });
  }

  get isZoomed(): boolean {
    return this.zoom !== null || Object.keys(this.zooms).length > 0;
  }

  #address(): Record<string, string | null> {
    const { points, kind } = this.smoothing;
    const short = (value: number) => String(Number(value.toPrecision(3)));
    return {
      x: this.x === this.#defaultX ? null : this.x,
      smooth: points === 1 ? null : `${short(points)}${kind === "ema" ? "" : `~${kind}`}`,
      log: this.logX ? (this.logY ? "xy" : "x") : this.logY ? "1" : null,
      clip: this.clip ? "1" : null,
      zoom: this.zoom === null ? null : this.zoom.map((at) => Number(at.toPrecision(8))).join("~"),
      zooms: Object.keys(this.zooms).length === 0 ? null : JSON.stringify(this.zooms),
      by: this.group,
      colour: this.colour,
      band: this.centre === "mean" && this.spread === "std" ? null : `${this.centre}~${this.spread}`,
      size: this.size === "medium" ? null : this.size,
      earlier: this.earlier === null ? null : this.earlier ? "1" : "0",
    };
  }
}

function zoomsOf(text: string): Record<string, [number, number]> {
  if (text === "") return {};
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found !== "object" || found === null) return {};
    return Object.fromEntries(
      Object.entries(found).flatMap(([span, value]) => {
        const range = rangeOf(value);
        return range === null ? [] : [[span, range] as const];
      }),
    );
  } catch {
    return {}; // an address cut short by a chat program
  }
}

/** A run as charts see it. */
export interface RunRef {
  id: string;
  label: string;
  ink: Ink;
  dash: number[];
  /** What it is averaged with; null: it stands alone. */
  group: string | null;
  /** Place of its group among all of them, 0 …: its order and its hue in every chart. */
  groupAt: number;
  href: string;
  /** Stands out among very many: people marked it, or it goes on. */
  isMarked: boolean;
}

/** Width of a panel at least, and height of what it shows. */
export const SIZE_PX: Record<PanelSize, { width: number; height: number }> = {
  small: { width: 230, height: 120 },
  medium: { width: 310, height: 168 },
  large: { width: 520, height: 300 },
};

/** What caption, foot and frame of a panel need beside its inside. */
export const FRAME_PX = 62;

const X_WORDS: Record<string, string> = { step: t("step"), relative: t("relative"), time: t("time") };

export function xTitle(x: XAxis): string {
  return X_WORDS[x] ?? x.slice(x.indexOf(":") + 1);
}
