/** Panels as one HTML file that needs nothing else: drawings in both themes, exact values under the pointer and by arrow keys, all data
 * as tables. It asks no host for anything, and prints.
 */

import { requests } from "../api/client";
import type { RunInfo } from "../api/types";
import { t } from "../ui/i18n";
import { HUES, hueOf } from "./colours";
import type { Shown } from "./frame";
import { paperOf } from "./paper";
import { boxInSvg, type DataTable, type Picture, toSvg } from "./picture";
import { escaped, FONT_FAMILY, type Paper, resolve } from "./surface";
import type { RunRef } from "./view.svelte";

export interface PageFile {
  title: string;
  /** Where it was made from; null: nowhere. */
  source: string | null;
  /** What else there is to say: name and value. */
  facts?: [string, string][];
  runs?: { label: string; ink: string | number; dash: number[]; url: string; note: string }[];
  sections: { title: string; panels: Shown[] }[];
  /** Panels that are not in the file. */
  missing?: string[];
}

/** From these widths on a drawing takes two columns, and a row of the page: its letters must not shrink. */
const BROAD_PX = 540;
const WIDE_PX = 860;
/** Of all pictures of a page together: what a mail still takes. */
const MAX_IMAGE_BYTES = 12_000_000;
const COLOURS = ["text", "soft", "grid", "card", "accent", "good", "bad", "warn"] as const;
/** Paints in the colours of whoever opens the file. */
const PAPER: Paper = {
  isDark: false,
  hue: (hue) => `var(--hue-${hue})`,
  ...(Object.fromEntries(COLOURS.map((name) => [name, `var(--${name})`])) as Record<(typeof COLOURS)[number], string>),
};

/** A table with more columns than this is the page's, not a panel's. */
const SHEET_COLUMNS = 4;

function sizeOf(picture: Picture | null): "" | "broad" | "wide" {
  if (picture === null || picture.width < BROAD_PX) return "";
  return picture.width < WIDE_PX ? "broad" : "wide";
}

/** What the script knows of a drawing. */
interface Drawn {
  box: { left: number; top: number; width: number; height: number };
  scale: string;
  range: [number, number];
  /** `x`: reads all lines where the pointer is; `xy`: the nearest point. */
  reads: "x" | "xy";
  y: { scale: string; range: [number, number] };
  /** `y` has words for what is no finite number. */
  lines: { label: string; stroke: string; x: number; y: Cell[]; facts?: [string, string][][] }[];
}
type Cell = string | number | null;
/** A word many times over is written once, and what the lines of the drawing have is read from them. */
type Packed = { runs: [string, number][] } | { lines: "x" | "y" } | { cells: Cell[] };

/** Digits of numbers that stand for many points each. */
const REDUCED_DIGITS = 7;

/** @param now when it is made. */
export async function toHtml(page: PageFile, papers: { light: Paper; dark: Paper }, now = new Date()): Promise<string> {
  /** The positions of lines that have the same ones are written once. */
  const positions: string[] = [];
  const place = (x: ArrayLike<number>) => {
    const text = JSON.stringify(Array.from(x));
    const known = positions.lastIndexOf(text);
    return known >= 0 ? known : positions.push(text) - 1;
  };
  const hasRuns = (page.runs?.length ?? 0) > 1;
  const budget = { bytes: MAX_IMAGE_BYTES };
  const drawn: (Drawn | null)[] = [];
  const tables: (ReturnType<typeof packed> | null)[] = [];
  const parts: string[] = [];
  for (const section of page.sections) {
    if (section.title !== "") parts.push(`<h2>${escaped(section.title)}</h2>`);
    parts.push('<div class="panels">');
    for (const panel of section.panels) {
      const at = drawn.length;
      const picture = panel.picture === null ? null : { ...panel.picture, paper: PAPER };
      const written = writer(panel.table.isReduced === true);
      drawn.push(picture === null ? null : drawnOf(picture, place, written));
      const hasTable = panel.table.rows.length > 0;
      tables.push(hasTable ? packed(panel.table, written, picture) : null);
      const isSheet = picture === null && panel.images.length === 0 && panel.table.header.length > SHEET_COLUMNS;
      const size = isSheet ? "sheet" : sizeOf(picture);
      parts.push(
        `<figure class="${size}"><figcaption>${escaped(panel.title)}</figcaption>`,
        picture === null
          ? await imagesHtml(panel.images, budget)
          : `<div class="chart" tabindex="0" role="group" aria-label="${escaped(panel.title)}" data-chart="${at}">${toSvg(picture, panel.title, { prefix: `c${at}-`, isBare: true, hasNames: !hasRuns })}<div class="tip" role="status"></div></div>`,
        hasTable
          ? `<details data-table="${at}"${picture === null && panel.images.length === 0 ? " open" : ""}><summary>${escaped(t("Data: {n} row|Data: {n} rows", { n: panel.table.rows.length }))}</summary><div class="data" tabindex="0" role="region" aria-label="${escaped(t("Data of {name}", { name: panel.title }))}"></div></details>`
          : "",
        "</figure>",
      );
    }
    parts.push("</div>");
  }
  const data = `{"x":[${positions.join(",")}],"charts":${JSON.stringify(drawn)},"tables":${JSON.stringify(tables)}}`;
  return `<!doctype html>
<html lang="${typeof document === "undefined" ? "en" : document.documentElement.lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>${escaped(page.title)}</title><style>${themes(papers)}${STYLE}</style></head>
<body><header><h1>${escaped(page.title)}</h1>${factsHtml(page, now)}${runsHtml(page)}</header>
<main>${parts.join("\n")}</main>
${page.missing?.length ? `<p class="soft">${escaped(t("Not in this file: {names}", { names: page.missing.join(", ") }))}</p>` : ""}
<noscript><p class="soft">${escaped(t("Values under the pointer and the tables of data need JavaScript."))}</p></noscript>
<script type="application/json" id="data">${inScript(data)}</script>
<script>${SCRIPT}</script></body></html>
`;
}

/** `<` is written so that no name can end the script or begin a comment. */
const inScript = (json: string) =>
  json.replaceAll("<", "\\u003c").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");

/** Writes a cell: what JSON has no number for as a word, numbers that stand for many points short. */
function writer(isReduced: boolean): (cell: Cell) => Cell {
  return (cell) => {
    if (typeof cell !== "number") return cell;
    if (!Number.isFinite(cell)) return String(cell);
    return isReduced ? Number(cell.toPrecision(REDUCED_DIGITS)) : cell;
  };
}

function drawnOf(picture: Picture, place: (x: ArrayLike<number>) => number, written: (cell: Cell) => Cell): Drawn {
  const { figure } = picture;
  return {
    box: boxInSvg(picture, true),
    scale: figure.x.scale,
    range: figure.x.range,
    reads: figure.reads,
    y: { scale: figure.y.scale, range: figure.y.range },
    lines: figure.traces.map((trace) => ({
      label: trace.label,
      stroke: resolve(trace.ink, PAPER),
      x: place(trace.x),
      y: Array.from(trace.y, written),
      ...(figure.reads === "xy" && trace.facts !== undefined
        ? { facts: Array.from(trace.x, (_, row) => trace.facts?.(row) ?? []) }
        : {}),
    })),
  };
}

function packed(table: DataTable, written: (cell: Cell) => Cell, picture: Picture | null) {
  const columns = table.header.map((_, at): Packed => {
    for (const axis of ["x", "y"] as const) if (isOfLines(table, at, picture, axis)) return { lines: axis };
    const cells = table.rows.map((row) => written(row[at] ?? null));
    const runs: [string, number][] = [];
    for (const cell of cells) {
      if (typeof cell !== "string") return { cells };
      const last = runs.at(-1);
      if (last?.[0] === cell) last[1]++;
      else runs.push([cell, 1]);
    }
    return runs.length * 2 < cells.length ? { runs } : { cells };
  });
  return { header: table.header, columns };
}

/** Whether a column is the x or the y of all lines, one line after the other. */
function isOfLines(table: DataTable, column: number, picture: Picture | null, axis: "x" | "y"): boolean {
  if (picture === null || picture.figure.reads !== "x") return false;
  let row = 0;
  for (const trace of picture.figure.traces)
    for (const value of trace[axis]) if (!Object.is(table.rows[row++]?.[column], value)) return false;
  return row === table.rows.length;
}

async function imagesHtml(images: Shown["images"], budget: { bytes: number }): Promise<string> {
  const parts: string[] = [];
  let left = 0;
  for (const { url, caption } of images) {
    const blob = await fetch(url).then(
      (response) => (response.ok ? response.blob() : null),
      () => null,
    );
    if (blob === null || blob.size > budget.bytes || !/^image\/[a-z0-9.+-]+$/.test(blob.type)) {
      left++;
      continue;
    }
    budget.bytes -= blob.size;
    const text = escaped(caption);
    parts.push(`<figure><img alt="${text}" src="${await dataUrl(blob)}"><figcaption>${text}</figcaption></figure>`);
  }
  const rest =
    left === 0
      ? ""
      : `<p class="soft">${escaped(t("{n} picture is left out|{n} pictures are left out", { n: left }))}</p>`;
  return parts.length + left === 0 ? "" : `<div class="images">${parts.join("")}</div>${rest}`;
}

function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error(blob.type));
    reader.readAsDataURL(blob);
  });
}

function factsHtml(page: PageFile, now: Date): string {
  const facts = [
    ...(page.facts ?? []),
    [t("Exported"), now.toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" })],
  ];
  const rows = facts.map(([name = "", value = ""]) => `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`);
  // Only what leads to a server: an address from elsewhere could be a script.
  if (page.source !== null && /^https?:\/\//.test(page.source))
    rows.push(
      `<div><dt>${escaped(t("Source"))}</dt><dd><a href="${escaped(page.source)}">${escaped(page.source.replace(/\?.*/, ""))}</a></dd></div>`,
    );
  return `<dl>${rows.join("")}</dl>`;
}

function runsHtml(page: PageFile): string {
  if (!page.runs?.length) return "";
  const items = page.runs.map(
    ({ label, ink, dash, url, note }) =>
      `<li><svg width="22" height="8" aria-hidden="true"><path d="M1 4H21" stroke="${typeof ink === "number" ? `var(--hue-${ink})` : escaped(ink)}" stroke-width="2.5" stroke-dasharray="${dash.join(" ")}"/></svg><a href="${escaped(url)}">${escaped(label)}</a>${note === "" ? "" : ` <span class="soft">${escaped(note)}</span>`}</li>`,
  );
  return `<ul class="runs">${items.join("")}</ul>`;
}

function themes({ light, dark }: { light: Paper; dark: Paper }): string {
  const values = (paper: Paper) =>
    COLOURS.map((name) => `--${name}:${paper[name]}`)
      .concat(Array.from({ length: HUES }, (_, hue) => `--hue-${hue}:${hueOf(hue, paper.isDark)}`))
      .join(";");
  return `:root{color-scheme:light dark;${values(light)}}@media screen and (prefers-color-scheme:dark){:root{${values(dark)}}}`;
}

const STYLE = `*{box-sizing:border-box}body{margin:0 auto;max-width:1320px;padding:28px 24px 48px;background:var(--card);color:var(--text);font:14px/1.5 ${FONT_FAMILY};font-variant-numeric:tabular-nums}
h1{margin:0 0 8px;font-size:22px;line-height:1.3;overflow-wrap:anywhere}h2{margin:28px 0 10px;font-size:15px}a{color:var(--accent);text-underline-offset:2px}
dl{display:flex;flex-wrap:wrap;gap:4px 24px;margin:0}dl div{display:flex;gap:6px;min-width:0}dt{color:var(--soft)}dd{min-width:0;margin:0;overflow-wrap:anywhere}
.runs{display:flex;flex-wrap:wrap;gap:4px 18px;margin:12px 0 0;padding:0;list-style:none;max-height:132px;overflow:auto}.runs svg{margin-right:7px;vertical-align:1px}.soft{color:var(--soft)}
main{margin-top:22px}.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(400px,100%),1fr));gap:14px;align-items:start;grid-auto-flow:dense}@media(min-width:900px){.broad{grid-column:span 2}}.wide,.sheet{grid-column:1/-1}.sheet .data{max-height:none}
figure{min-width:0;margin:0;padding:12px 12px 8px;border:1px solid var(--grid);border-radius:8px;break-inside:avoid}figcaption{margin:0 0 6px 2px;font-weight:600;font-size:13px;overflow-wrap:anywhere}
.chart{position:relative}.chart:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:4px}.chart svg{display:block;width:100%;height:auto;overflow:visible}
.tip{position:absolute;z-index:2;visibility:hidden;max-width:min(380px,90vw);pointer-events:none;padding:6px 9px;border:1px solid var(--grid);border-radius:6px;background:var(--card);box-shadow:0 4px 14px #0003;font-size:12px}
.tip div{display:flex;gap:8px;align-items:center}.tip i{flex:none;width:12px;height:3px;border-radius:2px}.tip span{flex:1;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
details{margin-top:6px;font-size:12px}summary{width:max-content;color:var(--soft);cursor:pointer}.data{max-height:360px;margin-top:6px;overflow:auto}
table{border-collapse:collapse}td,th{padding:2px 12px 2px 0;text-align:right;font-weight:400;white-space:nowrap;border-bottom:1px solid var(--grid)}th{position:sticky;top:0;background:var(--card);color:var(--soft)}td:first-child,th:first-child{text-align:left}.text{text-align:left}td.long{min-width:240px;max-width:480px;white-space:pre-wrap;overflow-wrap:anywhere}
.images{display:flex;flex-wrap:wrap;gap:10px}.images figure{padding:0;border:0}.images img{display:block;max-width:100%;min-width:96px;height:auto;}.images .pixels{min-width:120px;image-rendering:pixelated}.images figcaption{margin-top:4px;font-weight:400;font-size:12px;color:var(--soft)}
@media print{body{max-width:none;padding:0;font-size:11px}.panels{grid-template-columns:1fr 1fr}.runs{max-height:none}details:not([open]),.tip,noscript{display:none}.data{max-height:none}}`;

const SCRIPT = `(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const make = (tag, text) => { const node = document.createElement(tag); if (text !== undefined) node.textContent = text; return node; };
  const MOST = 16;
  const short = (value) => { const text = String(value); return text.length <= 11 ? text : String(Number(value.toPrecision(8))); };
  const unit = ({ scale, range: [low, high] }) => scale === "log"
    ? (v) => v > 0 ? Math.log(v / low) / Math.log(high / low) : NaN
    : (v) => (v / 2 - low / 2) / (high / 2 - low / 2);
  for (const image of document.images) {
    const look = () => image.classList.toggle("pixels", image.naturalWidth > 0 && image.naturalWidth < 160);
    image.addEventListener("load", look);
    look();
  }
  document.querySelectorAll("[data-table]").forEach((details) => {
    const fill = () => {
      const host = details.querySelector(".data");
      if (!details.open || host.firstChild) return;
      const { header, columns } = data.tables[details.dataset.table];
      const lines = data.charts[details.dataset.table]?.lines ?? [];
      const read = { x: (line) => data.x[line.x], y: (line) => line.y };
      const cells = columns.map((column) => column.cells ?? column.runs?.flatMap(([text, n]) => Array(n).fill(text)) ?? lines.flatMap(read[column.lines]));
      const table = make("table"), head = table.createTHead().insertRow(), body = table.createTBody();
      const isWord = (cell) => typeof cell === "string" && !/^-?(NaN|Infinity)$/.test(cell);
      const looks = cells.map((column) => column.some(isWord) ? "text" : "");
      header.forEach((name, at) => { const th = make("th", name); th.scope = "col"; th.className = looks[at]; head.append(th); });
      (cells[0] ?? []).forEach((_, row) => {
        const line = body.insertRow();
        cells.forEach((column, at) => { const td = line.insertCell(); td.textContent = column[row] ?? ""; td.className = td.textContent.length > 40 && looks[at] ? "text long" : looks[at]; });
      });
      host.append(table);
    };
    details.addEventListener("toggle", fill);
    fill();
  });
  document.querySelectorAll("[data-chart]").forEach((host) => {
    const chart = data.charts[host.dataset.chart], svg = host.querySelector("svg"), tip = host.querySelector(".tip");
    const { left, top, width, height } = chart.box, [low, high] = chart.range, isLog = chart.scale === "log";
    const lines = chart.lines.map((line) => ({ ...line, x: data.x[line.x], y: line.y.map((y) => typeof y === "number" ? y : null) }));
    const toX = unit(chart), toY = unit(chart.y);
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "path");
    mark.setAttribute("fill", "none");
    mark.setAttribute("stroke", "var(--soft)");
    svg.append(mark);
    const place = (line, row) => [left + toX(line.x[row]) * width, top + (1 - toY(line.y[row] ?? NaN)) * height];
    const nearest = (line, at) => {
      let best = -1;
      line.x.forEach((x, i) => { if (line.y[i] !== null && (best < 0 || Math.abs(x - at) < Math.abs(line.x[best] - at))) best = i; });
      return best;
    };
    const hide = () => { tip.style.visibility = "hidden"; mark.setAttribute("d", ""); };
    const show = (title, rows, px, py, path) => {
      mark.setAttribute("d", path);
      tip.replaceChildren(make("div", title));
      for (const { stroke, label, value } of rows) {
        const line = make("div"), ink = make("i");
        ink.style.background = stroke ?? "none";
        line.append(ink, make("span", label), make("b", value));
        tip.append(line);
      }
      const zoom = svg.viewBox.baseVal.width / svg.getBoundingClientRect().width, x = px / zoom;
      tip.style.left = Math.max(0, x > host.clientWidth / 2 ? x - tip.offsetWidth - 12 : x + 12) + "px";
      tip.style.top = Math.max(0, py / zoom) + "px";
      tip.style.visibility = "visible";
    };
    const named = (at) => chart.scale === "time" ? new Date(at).toLocaleString() : short(at);
    const readX = (at) => {
      const found = lines.map((line) => ({ line, row: nearest(line, at) })).filter(({ row }) => row >= 0);
      if (found.length === 0) return hide();
      const near = found.reduce((a, b) => Math.abs(b.line.x[b.row] - at) < Math.abs(a.line.x[a.row] - at) ? b : a);
      const rows = found.map(({ line, row }) => ({ stroke: line.stroke, label: line.label, y: line.y[row], value: short(line.y[row]) }))
        .sort((a, b) => b.y - a.y);
      const rest = rows.length - MOST;
      if (rest > 1) rows.splice(MOST, rows.length, { label: "…", value: "+" + rest });
      const x = near.line.x[near.row], px = left + toX(x) * width;
      show(named(x), rows, px, top, "M" + px + " " + top + "v" + height);
      return x;
    };
    let points = [];
    const readPoint = ({ line, row }) => {
      const [px, py] = place(line, row);
      const facts = line.facts?.[row] ?? [];
      show(line.label, facts.map(([label, value]) => ({ label, value })), px, py, "M" + (px - 6) + " " + py + "a6 6 0 1 0 12 0a6 6 0 1 0 -12 0");
    };
    if (chart.reads === "xy") points = lines.flatMap((line) => line.x.map((_, row) => ({ line, row }))).filter((p) => place(p.line, p.row).every(Number.isFinite));
    svg.addEventListener("pointerleave", hide);
    host.addEventListener("blur", hide);
    svg.addEventListener("pointermove", (event) => {
      const rect = svg.getBoundingClientRect(), zoom = svg.viewBox.baseVal.width / rect.width;
      const px = (event.clientX - rect.left) * zoom, py = (event.clientY - rect.top) * zoom;
      if (chart.reads === "xy") {
        const away = (p) => { const [x, y] = place(p.line, p.row); return Math.hypot(x - px, y - py); };
        const best = points.reduce((a, b) => a === null || away(b) < away(a) ? b : a, null);
        if (best === null || away(best) > 40) hide(); else readPoint(best);
        return;
      }
      const share = (px - left) / width;
      if (share < -0.02 || share > 1.02) return hide();
      readX(isLog ? low * (high / low) ** share : low + share * (high - low));
    });
    const all = chart.reads === "xy" ? [] : [...new Set(lines.flatMap((line) => line.x.filter((x, i) => line.y[i] !== null && x >= low && x <= high)))].sort((a, b) => a - b);
    let at = -1;
    host.addEventListener("keydown", (event) => {
      const count = (chart.reads === "xy" ? points : all).length;
      const next = { ArrowRight: at + 1, ArrowLeft: at < 0 ? count - 1 : at - 1, Home: 0, End: count - 1 }[event.key];
      if (event.key === "Escape") hide();
      if (next === undefined || count === 0) return;
      event.preventDefault();
      at = Math.max(0, Math.min(count - 1, next));
      if (chart.reads === "xy") readPoint(points[at]); else readX(all[at]);
    });
  });
})();`;

/* -------------------------------------------------------------- whole views */

/** So long nothing must be asked before what is drawn counts as all there is. */
const QUIET_MS = 300;
const LONGEST_MS = 30_000;
const STEP_MS = 50;
/** More runs than this are counted, not listed. */
const MAX_LISTED = 100;

/** Waits until all panels have what they asked for. */
export async function quiet(): Promise<void> {
  const end = performance.now() + LONGEST_MS;
  for (let still = 0; still < QUIET_MS && performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    still = requests.pending === 0 ? still + STEP_MS : 0;
  }
}

interface View {
  title: string;
  source: string;
  search: string;
  runs: readonly RunInfo[];
  refs: readonly RunRef[];
  sections: { title: string; panels: { name: string; shown: Shown | null }[] }[];
}

/** What a view was: which runs, and which of their panels. */
export function factsOf({ source, search, runs }: Pick<View, "source" | "search" | "runs">): [string, string][] {
  const experiments = [...new Set(runs.map((run) => run.experiment))];
  const facts: [string, string][] = [[t("Experiment"), experiments.slice(0, 5).join(", ")]];
  if (runs.length > 1) facts.push([t("Runs"), String(runs.length)]);
  const url = new URL(source);
  const filter =
    url.pathname === "/runs" || url.pathname.startsWith("/experiments/") ? url.searchParams.get("q") : null;
  if (filter !== null) facts.push([t("Filter"), filter]);
  if (search !== "") facts.push([t("Panels sought"), search]);
  return facts;
}

export function viewFile({ title, source, search, runs, refs, sections }: View): Promise<string> {
  const page: PageFile = {
    title,
    source,
    facts: factsOf({ source, search, runs }),
    runs: refs.slice(0, MAX_LISTED).map(({ label, ink, dash, href, group }) => ({
      label,
      ink,
      dash,
      url: new URL(href, source).href,
      note: group ?? "",
    })),
    sections: sections.map((section) => ({
      title: section.title,
      panels: section.panels.flatMap(({ shown }) => shown ?? []),
    })),
    missing: sections.flatMap((section) =>
      section.panels.filter(({ shown }) => shown === null).map(({ name }) => name),
    ),
  };
  return toHtml(page, { light: paperOf(false), dark: paperOf(true) });
}
