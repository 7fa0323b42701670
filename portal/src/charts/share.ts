/** Addresses under which a view, or one panel of it, stands in other people's pages; and the texts that bring it there. Pure.
 *
 * An embed has the address of its page with `/embed` before the path. Besides what the page keeps there:
 * `panel` names the one panel shown, `own` what was chosen on it, `part` the part of a page with two, `theme` its theme.
 */

import type { XAxis } from "../api/types";
import type { OwnChoice } from "./frame";
import { type Layout, layoutText, type PanelSpec } from "./layout";
import { escaped } from "./surface";
import type { ChartView } from "./view.svelte";

const PREFIX = "/embed";
/** Which runs a page of many shows. */
const CHOSEN = ["runs", "q", "status", "parent", "deleted", "archived", "sel", "most"];
/** How charts are looked at. */
const LOOK = ["x", "smooth", "log", "clip", "zoom", "zooms", "by", "group", "colour", "band", "earlier"];
/** Runs that the server draws in one picture. */
const MAX_DRAWN = 50;
/** Columns that it groups by, and how many. */
const DRAWN_GROUPS = /^(param:|tag:|experiment$|status$|user$)/;
const MAX_GROUPING = 8;
const OF_EMBEDS = ["panel", "own", "part", "theme"];
export type Part = "charts" | "table";

export function isEmbed(path: string): boolean {
  return path.startsWith(`${PREFIX}/`);
}

/** The path of the page that an embed shows. */
export function withoutEmbed(path: string): string {
  return isEmbed(path) ? path.slice(PREFIX.length) : path;
}

function isOfMany(path: string): boolean {
  return path === "/runs" || path.startsWith("/experiments/");
}

function joined(path: string, query: URLSearchParams): string {
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** The embed of a whole view. */
export function viewPath(page: string, query: URLSearchParams, part: Part): string {
  const path = withoutEmbed(page);
  const kept = new URLSearchParams(query);
  for (const name of [...OF_EMBEDS, "view", "charts"]) kept.delete(name);
  if (isOfMany(path)) kept.set("part", part);
  if (part === "table") for (const name of [...LOOK, "panels", "size"]) if (name !== "group") kept.delete(name);
  return joined(PREFIX + path, kept);
}

/** The embed of one panel: no more of the page's address than it needs. */
export function panelPath(
  page: string,
  query: URLSearchParams,
  spec: PanelSpec,
  layout: Layout,
  own: OwnChoice,
): string {
  const path = withoutEmbed(page);
  const kept = new URLSearchParams();
  // On the page of a run, and beside others, `q` seeks panels; elsewhere it chooses runs.
  const chosen = isOfMany(path) ? CHOSEN : CHOSEN.filter((name) => name !== "q");
  for (const name of [...chosen, ...LOOK]) {
    const value = query.get(name);
    if (value !== null) kept.set(name, value);
  }
  const tab = query.get("tab");
  if (tab !== null && !isOfMany(path)) kept.set("tab", tab);
  kept.set("panel", spec.id);
  const panels = layoutText({
    added: layout.added.filter((one) => one.id === spec.id),
    hidden: [],
    edits: Object.fromEntries(Object.entries(layout.edits).filter(([id]) => id === spec.id)),
    moves: [],
  });
  if (panels !== "") kept.set("panels", panels);
  const set = Object.entries(own).filter(([, value]) => value !== null && value !== undefined);
  if (set.length > 0) kept.set("own", JSON.stringify(Object.fromEntries(set)));
  return joined(PREFIX + path, kept);
}

/** How a page looks at its lines, as far as it concerns a picture by the server. */
type Looked = Pick<ChartView, "smoothing" | "logX" | "logY" | "zoom" | "groups" | "colour" | "centre" | "spread"> & {
  x: XAxis;
};

/** Where the server draws a metric of these runs, looked at as on the page; null: that is drawn in the browser only. */
export function imagePath(
  page: string,
  query: URLSearchParams,
  metric: string,
  runs: readonly string[],
  { x, smoothing, logX, logY, zoom, groups, colour, centre, spread }: Looked,
  own: OwnChoice,
): string | null {
  const isGroupable = groups.length <= MAX_GROUPING && groups.every((field) => DRAWN_GROUPS.test(field));
  if (!isGroupable || colour !== "" || logX || x.includes(":") || runs.length > MAX_DRAWN) return null;
  const asked = new URLSearchParams({ metric });
  const [, place, name] = withoutEmbed(page).split("/");
  // The latest runs of an experiment are followed; any others are named.
  if (place === "experiments" && name !== undefined && !CHOSEN.some((one) => query.get(one)))
    asked.set("experiment", decodeURIComponent(name));
  else asked.set("runs", runs.map(encodeURIComponent).join(","));
  if (x !== "step") asked.set("x", x);
  if (smoothing.points > 1) {
    const kind = smoothing.kind === "ema" ? "" : `~${smoothing.kind}`;
    asked.set("smooth", `${Number(smoothing.points.toPrecision(3))}${kind}`);
  }
  if (groups.length > 0) {
    asked.set("group", groups.map((field) => field.replaceAll("%", "%25").replaceAll(",", "%2C")).join(","));
    if (centre !== "mean" || spread !== "std") asked.set("band", `${centre}~${spread}`);
  }
  if (typeof own["log"] === "boolean" ? own["log"] : logY) asked.set("log", "1");
  if (zoom !== null) asked.set("zoom", zoom.map((at) => Number(at.toPrecision(8))).join("~"));
  return joined(`${PREFIX}/chart.svg`, asked);
}

/** The page around an embed, in the same state. */
export function pagePath(embed: string, query: URLSearchParams): string {
  const path = withoutEmbed(embed);
  const kept = new URLSearchParams(query);
  const part = kept.get("part") ?? "charts";
  for (const name of OF_EMBEDS) kept.delete(name);
  if (isOfMany(path) && part === "charts") kept.set("charts", "all");
  if (path.startsWith("/compare") && query.has("panel")) kept.set("tab", "charts");
  return joined(path, kept);
}

/** What was chosen on a panel that was shared; nothing for a text that is none. */
export function ownChoice(text: string): OwnChoice {
  if (text === "") return {};
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null && !Array.isArray(found) ? (found as OwnChoice) : {};
  } catch {
    return {}; // an address cut short
  }
}

/** A frame that works where it is pasted. */
export function frameSnippet(url: string, title: string, height: number): string {
  return `<iframe src="${escaped(url)}" title="${escaped(title)}" width="100%" height="${height}" style="border:0" loading="lazy" allow="clipboard-write"></iframe>`;
}

const markdownText = (text: string) => text.replaceAll(/[\\`*_[\]<>!|]/g, "\\$&").replaceAll(/\s+/g, " ");
const markdownUrl = (url: string) => url.replaceAll("(", "%28").replaceAll(")", "%29");

/** A picture that leads to where it is alive. */
export function markdownImage(image: string, url: string, title: string): string {
  return `[![${markdownText(title)}](${markdownUrl(image)})](${markdownUrl(url)})`;
}

export function markdownLink(url: string, title: string): string {
  return `[${markdownText(title)}](${markdownUrl(url)})`;
}
