/** A chart as a file: SVG, PNG, or a page of its own that needs nothing else. */

import { toCsv } from "../ui/export";
import { t } from "../ui/i18n";
import type { Figure } from "./figure";
import {
  type Box,
  escaped,
  FONT_FAMILY,
  type Paper,
  paintAxes,
  paintEnds,
  paintMarks,
  resolve,
  SvgSurface,
  scalesOf,
  type Ticks,
} from "./surface";

/** A figure as it stands on the screen. */
export interface Picture {
  figure: Figure;
  ticks: { x: Ticks; y: Ticks };
  box: Box;
  width: number;
  height: number;
  ends: string[] | null;
  paper: Paper;
}

export interface DataTable {
  header: string[];
  rows: (string | number | null)[][];
}

const HEAD_PX = 30;
const MARGIN_PX = 10;
const ROW_PX = 17;
const PNG_SCALE = 2;

/** Draw the picture with its title above and, where lines have no name at their end, the names below. */
export function toSvg(picture: Picture, title: string, prefix = "clip"): string {
  const { figure, ticks, width, ends, paper } = picture;
  const surface = new SvgSurface(prefix);
  const named = figure.ends === "names" && ends === null ? figure.traces : [];
  const box = { ...picture.box, top: picture.box.top + HEAD_PX, left: picture.box.left + MARGIN_PX };
  const height = HEAD_PX + picture.height + named.length * ROW_PX + MARGIN_PX;
  surface.text(title, MARGIN_PX + 4, 18, { fill: paper.text, size: 13, isBold: true });
  const scales = scalesOf(figure.x, figure.y, box);
  paintAxes(surface, figure, ticks, box, scales, paper);
  paintMarks(surface, figure, box, scales, paper);
  if (figure.ends !== null) paintEnds(surface, figure, ends, box, scales, paper);
  named.forEach((trace, at) => {
    const y = HEAD_PX + picture.height + (at + 0.5) * ROW_PX;
    surface.path(Float64Array.of(MARGIN_PX + 4, y, MARGIN_PX + 20, y), {
      stroke: resolve(trace.ink, paper),
      width: 2.5,
      dash: trace.dash,
    });
    surface.text(trace.label, MARGIN_PX + 27, y, { fill: paper.text, size: 11 });
  });
  return surface.close(width + 2 * MARGIN_PX, height, title, paper.card);
}

export async function toPng(svg: string): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth * PNG_SCALE;
    canvas.height = image.naturalHeight * PNG_SCALE;
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
    if (blob === null) throw new Error(t("The browser could not draw the picture."));
    return blob;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** What the script of an exported page knows of a chart. */
interface Hoverable {
  box: Box;
  x: { scale: string; range: [number, number] };
  traces: { label: string; stroke: string; x: number[]; y: (number | null)[] }[];
}

/** The same chart as a page: the picture, values under the pointer, and all data as a table. It asks no other host for anything. */
export function toHtml(
  charts: { title: string; svg: string; picture: Picture | null; table: DataTable }[],
  title: string,
): string {
  const known: (Hoverable | null)[] = charts.map(({ picture }) =>
    picture === null || picture.figure.reads !== "x"
      ? null
      : {
          box: { ...picture.box, top: picture.box.top + HEAD_PX, left: picture.box.left + MARGIN_PX },
          x: { scale: picture.figure.x.scale, range: picture.figure.x.range },
          traces: picture.figure.traces.map((trace) => ({
            label: trace.label,
            stroke: resolve(trace.ink, picture.paper),
            x: Array.from(trace.x),
            y: Array.from(trace.y, (value) => (Number.isFinite(value) ? value : null)),
          })),
        },
  );
  // `<` is written so that no name can end the script or begin a comment.
  const json = JSON.stringify(known)
    .replaceAll("<", "\\u003c")
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
  const figures = charts
    .map(
      ({ svg, table, title: name }) =>
        `<figure><div class="chart">${svg}<div class="tip" hidden></div></div><details><summary>${escaped(t("Data of {name}", { name }))}</summary><div class="data"><table><thead><tr>${table.header
          .map((cell) => `<th scope="col">${escaped(cell)}</th>`)
          .join("")}</tr></thead><tbody>${table.rows
          .map(
            (row) => `<tr>${row.map((cell) => `<td>${cell === null ? "" : escaped(String(cell))}</td>`).join("")}</tr>`,
          )
          .join("")}</tbody></table></div></details></figure>`,
    )
    .join("\n");
  return `<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escaped(title)}</title><style>${PAGE_STYLE}</style></head>
<body><h1>${escaped(title)}</h1>
${figures}
<script>const charts = ${json};
${PAGE_SCRIPT}</script></body></html>
`;
}

const PAGE_STYLE = `:root{color-scheme:light dark}body{margin:24px auto;max-width:1100px;padding:0 16px;font:14px/1.45 ${FONT_FAMILY}}
h1{font-size:20px}figure{margin:0 0 28px}.chart{position:relative;width:max-content;max-width:100%}svg{max-width:100%;height:auto;border:1px solid #8884;border-radius:8px}
.tip{position:absolute;pointer-events:none;padding:6px 8px;border:1px solid #8886;border-radius:6px;background:Canvas;color:CanvasText;font-size:12px;white-space:nowrap}
.tip b{float:right;margin-left:14px}.tip i{display:inline-block;width:12px;height:3px;margin-right:6px;vertical-align:middle}
.data{max-height:400px;overflow:auto}table{border-collapse:collapse;font-size:12px}td,th{padding:2px 10px;text-align:right;border-bottom:1px solid #8883}td:first-child,th:first-child{text-align:left}`;

const PAGE_SCRIPT = `document.querySelectorAll(".chart").forEach((host, index) => {
  const chart = charts[index];
  if (!chart) return;
  const svg = host.querySelector("svg"), tip = host.querySelector(".tip");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("stroke", "#8888");
  svg.append(line);
  const [low, high] = chart.x.range, log = chart.x.scale === "log";
  svg.addEventListener("pointerleave", () => { tip.hidden = true; line.setAttribute("d", ""); });
  svg.addEventListener("pointermove", (event) => {
    const rect = svg.getBoundingClientRect(), zoom = svg.viewBox.baseVal.width / rect.width;
    const px = (event.clientX - rect.left) * zoom, { left, top, width, height } = chart.box;
    const share = (px - left) / width;
    if (share < 0 || share > 1) { tip.hidden = true; return; }
    const at = log ? Math.exp(Math.log(low) + share * Math.log(high / low)) : low + share * (high - low);
    line.setAttribute("d", "M" + px + " " + top + "V" + (top + height));
    const rows = chart.traces.map((trace) => {
      let best = 0;
      trace.x.forEach((x, i) => { if (Math.abs(x - at) < Math.abs(trace.x[best] - at)) best = i; });
      return { label: trace.label, stroke: trace.stroke, y: trace.y[best] };
    }).filter((row) => row.y != null).sort((a, b) => b.y - a.y).slice(0, 20);
    tip.replaceChildren(String(Number(at.toPrecision(6))));
    for (const row of rows) {
      const div = document.createElement("div"), mark = document.createElement("i"), value = document.createElement("b");
      mark.style.background = row.stroke;
      value.textContent = String(Number(row.y.toPrecision(5)));
      div.append(mark, row.label, value);
      tip.append(div);
    }
    tip.hidden = false;
    const x = px / zoom;
    tip.style.left = (x > rect.width / 2 ? x - tip.offsetWidth - 12 : x + 12) + "px";
    tip.style.top = top / zoom + "px";
  });
});`;

export function toTableCsv(table: DataTable): string {
  return toCsv(table.header, table.rows);
}

/** A name as part of a file's. */
export function fileName(name: string): string {
  return name.replaceAll(/[^\w.-]+/g, "_").slice(0, 100);
}
