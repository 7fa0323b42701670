/** What the place where a panel stands lets people do with it. */

import { getContext, setContext } from "svelte";

export interface PanelActions {
  /** null: a panel that is as it is. */
  edit: (() => void) | null;
  duplicate: (() => void) | null;
  remove: (() => void) | null;
  /** Move by so many places; null: it has its place. */
  move: ((by: number) => void) | null;
  /** The handle by which it is dragged is pressed. */
  grab: ((event: PointerEvent) => void) | null;
}

const KEY = Symbol("panel");

export function setPanel(actions: PanelActions): void {
  setContext(KEY, actions);
}

export function getPanel(): PanelActions | undefined {
  return getContext<PanelActions | undefined>(KEY);
}
