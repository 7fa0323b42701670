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
const PNG_SCALE = 2;

/** Where the plot lies in the drawing that `toSvg` makes. */
export function boxInSvg(picture: Picture, isBare = false): Box {
  return { ...picture.box, top: picture.box.top + (isBare ? 0 : HEAD_PX), left: picture.box.left + MARGIN_PX };
}

interface SvgLook {
  /** Keeps ids apart when several drawings stand in one page. */
  prefix?: string;
  /** Without the title above and the ground behind, for a page that has them. */
  isBare?: boolean;
  /** Whether the names of lines that have none at their end stand below. */
  hasNames?: boolean;
}

/** Draw the picture with its title above and, where lines have no name at their end, the names below. */
export function toSvg(picture: Picture, title: string, look: SvgLook = {}): string {
  const { prefix = "clip", isBare = false, hasNames = true } = look;
  const { figure, ticks, width, ends, paper } = picture;
  const surface = new SvgSurface(prefix);
  const named = hasNames && figure.ends === "names" && ends === null ? figure.traces : [];
  const box = boxInSvg(picture, isBare);
  const head = isBare ? 0 : HEAD_PX;
  const height = head + picture.height + named.length * ROW_PX + MARGIN_PX;
  if (!isBare) surface.text(title, MARGIN_PX + 4, 18, { fill: paper.text, size: 13, isBold: true });
  const scales = scalesOf(figure.x, figure.y, box);
  paintAxes(surface, figure, ticks, box, scales, paper);
  paintMarks(surface, figure, box, scales, paper);
  if (figure.ends !== null) paintEnds(surface, figure, ends, box, scales, paper);
  named.forEach((trace, at) => {
    const y = head + picture.height + (at + 0.5) * ROW_PX;
    surface.path(Float64Array.of(MARGIN_PX + 4, y, MARGIN_PX + 20, y), {
      stroke: resolve(trace.ink, paper),
      width: 2.5,
      dash: trace.dash,
    });
    surface.text(trace.label, MARGIN_PX + 27, y, { fill: paper.text, size: 11 });
  });
  return surface.close(width + 2 * MARGIN_PX, height, title, isBare ? "none" : paper.card);
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

export function toTableCsv(table: DataTable): string {
  return toCsv(table.header, table.rows);
}

/** A name as part of a file's. */
export function fileName(name: string): string {
  return name.replaceAll(/[^\w.-]+/g, "_").slice(0, 100);
}
