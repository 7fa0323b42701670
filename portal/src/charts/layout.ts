/** Which panels a page has, in which sections and order: those that metrics bring by themselves, and what people changed. Pure.
 *
 * Only changes are kept, as JSON in the address: what nobody touched goes on growing with the metrics that are logged.
 */

import { type MetricGroup, makeSections } from "./sections";
import type { LineLook } from "./view.svelte";

export const PANEL_KINDS = ["lines", "scatter", "bars", "pivot", "parallel", "histogram", "file"] as const;
export type PanelKind = (typeof PANEL_KINDS)[number];

export interface PanelSpec {
  /** `metric:NAME` for a metric's own panel; others have ids of their own. */
  id: string;
  kind: PanelKind;
  title?: string;
  /** lines: metric names, or columns of a table as `columnKey` spells them. */
  metrics?: string[];
  /** lines: what it has otherwise than the page. */
  look?: Partial<LineLook>;
  /** scatter: fields of runs, as `metric:NAME`, `param:NAME` …; bars, histogram: the one field in `x`. */
  x?: string;
  y?: string;
  colour?: string;
  /** pivot: what is averaged, for the values of `x` down and of `y` across; "" across: one column. */
  value?: string;
  /** parallel: fields; none: chosen by themselves. */
  fields?: string[];
  /** file: path, or a pattern with `*`. */
  path?: string;
}

export interface Layout {
  added: PanelSpec[];
  hidden: string[];
  /** By id of a metric's own panel. */
  edits: Record<string, Partial<PanelSpec>>;
  /** [panel, section, before which panel; "" the last], one after the other. */
  moves: [string, string, string][];
}

export const EMPTY_LAYOUT: Layout = { added: [], hidden: [], edits: {}, moves: [] };
/** The section of panels made by hand. */
export const OWN = "\u0000own";

export interface PanelSection {
  title: string;
  panels: PanelEntry[];
}
export interface PanelEntry {
  spec: PanelSpec;
  /** The metric that brought it; null: made by hand. */
  metric: MetricGroup | null;
}

export function layoutOf(text: string): Layout {
  if (text === "") return EMPTY_LAYOUT;
  try {
    const found = JSON.parse(text) as Partial<Layout>;
    const list = <T>(value: unknown): T[] => (Array.isArray(value) ? (value as T[]) : []);
    return {
      added: list<PanelSpec>(found.added).filter(
        (spec) => typeof spec?.id === "string" && PANEL_KINDS.includes(spec.kind),
      ),
      hidden: list<string>(found.hidden).filter((id) => typeof id === "string"),
      edits: typeof found.edits === "object" && found.edits !== null ? found.edits : {},
      moves: list<[string, string, string]>(found.moves).filter(
        (move) => Array.isArray(move) && move.length === 3 && move.every((part) => typeof part === "string"),
      ),
    };
  } catch {
    return EMPTY_LAYOUT; // an address cut short by a chat program
  }
}

/** As text for the address; "" when nothing was changed. */
export function layoutText(layout: Layout): string {
  const parts = Object.entries(layout).filter(([, value]) => Object.keys(value).length > 0);
  return parts.length === 0 ? "" : JSON.stringify(Object.fromEntries(parts));
}

/** No name holds a tab. */
export const columnKey = (name: string, column: string) => (column === "" ? name : `${name}\t${column}`);

/** The metrics of a panel of lines with the columns to draw; null: all. */
export function drawnMetrics(keys: readonly string[]): { name: string; columns: string[] | null }[] {
  const byName = new Map<string, string[] | null>();
  for (const key of keys) {
    const [name = "", column] = key.split("\t");
    const known = byName.get(name);
    if (column === undefined) byName.set(name, null);
    else if (known !== null) byName.set(name, [...(known ?? []), column]);
  }
  return [...byName].map(([name, columns]) => ({ name, columns }));
}

export const metricPanelId = (name: string) => `metric:${name}`;

/** The sections of a page. Panels of metrics that do not match are left out, those made by hand stay. */
export function layOut(
  metrics: MetricGroup[],
  layout: Layout,
  matches: (text: string) => boolean = () => true,
): PanelSection[] {
  const hidden = new Set(layout.hidden);
  const sections: PanelSection[] = makeSections(metrics).map(({ title, metrics: list }) => ({
    title,
    panels: list.flatMap((metric) => {
      const id = metricPanelId(metric.name);
      if (hidden.has(id)) return [];
      const names = [metric.name, ...(metric.ranks ?? [])];
      const own: PanelSpec = { id, kind: "lines", metrics: names, ...layout.edits[id] };
      return [{ spec: { ...own, id }, metric }];
    }),
  }));
  const own = { title: OWN, panels: layout.added.map((spec) => ({ spec, metric: null })) };
  if (own.panels.length > 0) sections.unshift(own);
  for (const [id, title, before] of layout.moves) move(sections, id, title, before);
  return sections
    .map(({ title, panels }) => ({
      title,
      panels: panels.filter(
        ({ spec, metric }) =>
          metric === null || matches(metric.name) || (spec.title !== undefined && matches(spec.title)),
      ),
    }))
    .filter((section) => section.panels.length > 0);
}

function move(sections: PanelSection[], id: string, title: string, before: string): void {
  const to = sections.find((section) => section.title === title);
  const from = sections.find((section) => section.panels.some((panel) => panel.spec.id === id));
  const panel = from?.panels.find((one) => one.spec.id === id);
  if (to === undefined || from === undefined || panel === undefined || id === before) return; // its metric is not here now
  from.panels = from.panels.filter((one) => one !== panel);
  const at = to.panels.findIndex((one) => one.spec.id === before);
  to.panels = at < 0 ? [...to.panels, panel] : to.panels.toSpliced(at, 0, panel);
}

export function moved(layout: Layout, id: string, section: string, before: string): Layout {
  // Of several moves of one panel the last counts, unless others were placed before it meanwhile.
  const isAnchor = layout.moves.some(([, , anchor]) => anchor === id);
  const moves = isAnchor ? layout.moves : layout.moves.filter(([one]) => one !== id);
  return { ...layout, moves: [...moves, [id, section, before]] };
}

export function added(layout: Layout, spec: PanelSpec): Layout {
  return { ...layout, added: [...layout.added.filter((one) => one.id !== spec.id), spec] };
}

export function removed(layout: Layout, id: string): Layout {
  const rest = { ...layout, moves: layout.moves.filter(([one]) => one !== id) };
  return layout.added.some((one) => one.id === id)
    ? { ...rest, added: layout.added.filter((one) => one.id !== id) }
    : { ...rest, hidden: [...layout.hidden, id] };
}

/** Replace a panel by an edited one. */
export function edited(layout: Layout, spec: PanelSpec): Layout {
  if (layout.added.some((one) => one.id === spec.id))
    return { ...layout, added: layout.added.map((one) => (one.id === spec.id ? spec : one)) };
  const { id, ...rest } = spec;
  const isAsBorn =
    spec.kind === "lines" &&
    spec.title === undefined &&
    spec.metrics?.length === 1 &&
    metricPanelId(spec.metrics[0] ?? "") === id &&
    Object.keys(spec.look ?? {}).length === 0;
  const edits = Object.fromEntries(Object.entries(layout.edits).filter(([one]) => one !== id));
  return { ...layout, edits: isAsBorn ? edits : { ...edits, [id]: rest } };
}

/** An id no panel of the layout has. */
export function newId(layout: Layout): string {
  const used = new Set(layout.added.map((spec) => spec.id));
  let at = used.size + 1;
  while (used.has(`p${at}`)) at++;
  return `p${at}`;
}
