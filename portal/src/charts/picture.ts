/** A chart as a file: SVG or PNG; `page.ts` makes pages of them. */

import { toCsv } from "../ui/export";
import { t } from "../ui/i18n";
import type { Figure } from "./figure";
import {
  type Box,
  type Paper,
  paintAxes,
  paintEnds,
  paintMarks,
  resolve,
  type Surface,
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
  /** Its numbers stand for many points each: a file need not hold them to the last digit. */
  isReduced?: boolean;
  rows: (string | number | null)[][];
}

const HEAD_PX = 30;
const MARGIN_PX = 10;
const ROW_PX = 17;
/** What the sample of a line takes before its name, and a letter of it, about. */
const KEY_PX = 23;
const CHAR_PX = 6.3;
const PNG_SCALE = 2;

/** What a drawing without a title has around the plot, px. */
export const BARE_MARGINS = { width: 2 * MARGIN_PX, height: MARGIN_PX };

/** Where the plot lies in the drawing that `toSvg` makes. */
export function boxInSvg(picture: Picture, isBare = false): Box {
  return { ...picture.box, top: picture.box.top + (isBare ? 0 : HEAD_PX), left: picture.box.left + MARGIN_PX };
}

interface PictureLook {
  /** Without the title above and the ground behind, for a page that has them. */
  isBare?: boolean;
  /** Whether the names of lines that have none at their end stand below. */
  hasNames?: boolean;
}
interface SvgLook extends PictureLook {
  /** Keeps ids apart when several drawings stand in one page. */
  prefix?: string;
}

/** The extent of what `paint` draws, px. */
export function sizeOf(picture: Picture, look: PictureLook = {}): { width: number; height: number } {
  const head = look.isBare === true ? 0 : HEAD_PX;
  const { rows } = namesBelow(picture, look);
  return {
    width: picture.width + BARE_MARGINS.width,
    height: head + picture.height + rows * ROW_PX + BARE_MARGINS.height,
  };
}

/** Names that stand below, in as many columns as there is room for, and filled one after the other. */
function namesBelow({ figure, ends, width }: Picture, { hasNames = true }: PictureLook) {
  const traces = hasNames && figure.ends === "names" && ends === null ? figure.traces : [];
  const longest = traces.reduce((most, { label }) => Math.max(most, label.length), 0);
  const columnPx = KEY_PX + longest * CHAR_PX + 14;
  const columns = Math.max(1, Math.floor(width / columnPx));
  return { traces, rows: Math.ceil(traces.length / columns), columnPx };
}

/** Draw the picture with its title above and, where lines have no name at their end, the names below. */
export function paint(surface: Surface, picture: Picture, title: string, look: PictureLook = {}): void {
  const { figure, ticks, ends, paper } = picture;
  const { isBare = false } = look;
  const box = boxInSvg(picture, isBare);
  const head = isBare ? 0 : HEAD_PX;
  if (!isBare) surface.text(title, MARGIN_PX + 4, 18, { fill: paper.text, size: 13, isBold: true });
  const scales = scalesOf(figure.x, figure.y, box);
  paintAxes(surface, figure, ticks, box, scales, paper);
  paintMarks(surface, figure, box, scales, paper);
  if (figure.ends !== null) paintEnds(surface, figure, ends, box, scales, paper);
  const { traces, rows, columnPx } = namesBelow(picture, look);
  traces.forEach((trace, at) => {
    const x = MARGIN_PX + 4 + Math.floor(at / rows) * columnPx;
    const y = head + picture.height + ((at % rows) + 0.5) * ROW_PX;
    surface.path(Float64Array.of(x, y, x + 16, y), { stroke: resolve(trace.ink, paper), width: 2.5, dash: trace.dash });
    surface.text(trace.label, x + KEY_PX, y, { fill: paper.text, size: 11 });
  });
}

/** The picture as an SVG document. */
export function toSvg(picture: Picture, title: string, look: SvgLook = {}): string {
  const surface = new SvgSurface(look.prefix);
  paint(surface, picture, title, look);
  const { width, height } = sizeOf(picture, look);
  return surface.close(width, height, title, look.isBare === true ? "none" : picture.paper.card);
}

export async function toPng(svg: string, scale = PNG_SCALE): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(image.naturalWidth * scale);
    canvas.height = Math.round(image.naturalHeight * scale);
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
    if (blob === null) throw new Error(t("The browser could not draw the picture."));
    return blob;
  } finally {
    URL.revokeObjectURL(url);
  }
}

export function toTableCsv(table: DataTable): string {
  return toCsv(table.header, table.rows);
}

/** A name as part of a file's. */
export function fileName(name: string): string {
  return name.replaceAll(/[^\w.-]+/g, "_").slice(0, 100);
}
