/** What the place where a panel stands lets people do with it. */

import { getContext, setContext } from "svelte";
import type { DataTable, Picture } from "./picture";

/** What people chose on a panel itself, by names of its own: part of the address under which it is shared. */
export type OwnChoice = Readonly<Record<string, unknown>>;

/** What a panel shows, for a file of the whole view. */
export interface Shown {
  title: string;
  picture: Picture | null;
  table: DataTable;
  images: { url: string; caption: string }[];
}

export interface PanelActions {
  /** null: a panel that is as it is. */
  edit: (() => void) | null;
  duplicate: (() => void) | null;
  remove: (() => void) | null;
  /** Move by so many places; null: it has its place. */
  move: ((by: number) => void) | null;
  /** The handle by which it is dragged is pressed. */
  grab: ((event: PointerEvent) => void) | null;
  /** Where it stands alone, as a path of this server; null: nowhere. */
  address: ((own: OwnChoice) => string) | null;
  /** A picture of it that the server draws, as a path; null: there is none. */
  image?: (own: OwnChoice) => string | null;
  /** What was chosen when it was shared. */
  own?: OwnChoice;
  /** px that it fills; missing: as high as it likes to be. */
  height?: number;
  /** What stands over it; missing: its title. */
  caption?: (title: string) => string;
  /** Told what it shows, as long as it is there. */
  tell?: (shown: (() => Shown | Promise<Shown>) | null) => void;
}

/** Nothing can be done with it. */
export const FIXED: PanelActions = { edit: null, duplicate: null, remove: null, move: null, grab: null, address: null };

const KEY = Symbol("panel");

export function setPanel(actions: PanelActions): void {
  setContext(KEY, actions);
}

export function getPanel(): PanelActions | undefined {
  return getContext<PanelActions | undefined>(KEY);
}

/** The place of something in a list as it was shared; -1: the last. */
export function indexOf(value: unknown): number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : -1;
}

/** The least and the greatest of something as they were shared. */
export function rangeOf(value: unknown): [number, number] | null {
  const [low, high] = Array.isArray(value) ? (value as unknown[]) : [];
  return typeof low === "number" && typeof high === "number" && low < high ? [low, high] : null;
}
