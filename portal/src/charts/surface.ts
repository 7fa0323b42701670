/** Paints figures: on a canvas for the screen, as text for an SVG file. One drawing code for both. */

import type { Numbers } from "../api/types";
import { channelsOf, hueOf } from "./colours";
import { densityOf, shadesOf } from "./density";
import { type Axis, type Figure, type Ink, type Mark, unitScale } from "./figure";
import { spreadLabels } from "./labels";

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface TextLook {
  fill: string;
  size: number;
  align?: "left" | "center" | "right";
  /** Degrees, clockwise around its place. */
  turn?: number;
  isBold?: boolean;
}

export interface StrokeLook {
  stroke: string;
  width: number;
  dash?: number[];
  alpha?: number;
}

/** All in CSS pixels. `points`: x0, y0, x1, y1 …; NaN begins a new part. */
export interface Surface {
  /** How sharp it is: what pictures should have of pixels a px. */
  readonly pixelsPerPx: number;
  path(points: Float64Array, look: StrokeLook): void;
  area(points: Float64Array, fill: string, alpha: number): void;
  rects(boxes: Box[], fill: (at: number) => string, alpha: number): void;
  circles(points: Float64Array, radius: number, fill: (at: number) => string, alpha: number, ring: string | null): void;
  text(text: string, x: number, y: number, look: TextLook): void;
  /** A picture of `columns` pixels in each row, four bytes each. */
  pixels(pixels: Uint8ClampedArray<ArrayBuffer>, columns: number, box: Box): void;
  /** Draw only within a box. */
  within(box: Box, draw: () => void): void;
}

/** Colours of the theme a figure is painted in. */
export interface Paper {
  isDark: boolean;
  /** The hues of the palette, if not those of the theme. */
  hue?: (hue: number) => string;
  text: string;
  soft: string;
  grid: string;
  card: string;
  accent: string;
  good: string;
  bad: string;
  warn: string;
}

export const FONT_FAMILY =
  "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif";
const SMALL_PX = 11;

export function resolve(ink: Ink, paper: Paper): string {
  if (typeof ink === "number") return paper.hue?.(ink) ?? hueOf(ink, paper.isDark);
  return ink.startsWith("#") ? ink : paper[ink as Exclude<Ink, number | `#${string}`>];
}

/** Walk along a path: NaN begins a new part. */
export function walk(
  points: Float64Array,
  move: (x: number, y: number) => void,
  line: (x: number, y: number) => void,
): void {
  let isDown = false;
  for (let at = 0; at < points.length; at += 2) {
    const [x, y] = [points[at] ?? Number.NaN, points[at + 1] ?? Number.NaN];
    if (Number.isNaN(x) || Number.isNaN(y)) isDown = false;
    else if (isDown) line(x, y);
    else {
      move(x, y);
      isDown = true;
    }
  }
}

export function canvasSurface(ctx: CanvasRenderingContext2D): Surface {
  const trace = (points: Float64Array) => {
    ctx.beginPath();
    walk(
      points,
      (x, y) => ctx.moveTo(x, y),
      (x, y) => ctx.lineTo(x, y),
    );
  };
  return {
    pixelsPerPx: globalThis.devicePixelRatio ?? 1,
    path(points, look) {
      trace(points);
      ctx.globalAlpha = look.alpha ?? 1;
      ctx.strokeStyle = look.stroke;
      ctx.lineWidth = look.width;
      ctx.lineJoin = "round";
      ctx.setLineDash(look.dash ?? []);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.globalAlpha = 1;
    },
    area(points, fill, alpha) {
      trace(points);
      ctx.globalAlpha = alpha;
      ctx.fillStyle = fill;
      ctx.fill();
      ctx.globalAlpha = 1;
    },
    rects(boxes, fill, alpha) {
      ctx.globalAlpha = alpha;
      boxes.forEach((box, at) => {
        ctx.fillStyle = fill(at);
        ctx.fillRect(box.left, box.top, box.width, box.height);
      });
      ctx.globalAlpha = 1;
    },
    circles(points, radius, fill, alpha, ring) {
      ctx.globalAlpha = alpha;
      ctx.lineWidth = 1.25;
      if (ring !== null) ctx.strokeStyle = ring;
      for (let at = 0; at < points.length; at += 2) {
        const [x, y] = [points[at] ?? Number.NaN, points[at + 1] ?? Number.NaN];
        if (Number.isNaN(x) || Number.isNaN(y)) continue;
        ctx.beginPath();
        ctx.arc(x, y, radius, 0, 2 * Math.PI);
        ctx.fillStyle = fill(at / 2);
        ctx.fill();
        if (ring !== null) ctx.stroke();
      }
      ctx.globalAlpha = 1;
    },
    text(text, x, y, look) {
      ctx.save();
      ctx.translate(x, y);
      if (look.turn !== undefined) ctx.rotate((look.turn * Math.PI) / 180);
      ctx.font = `${look.isBold ? "600 " : ""}${look.size}px ${FONT_FAMILY}`;
      ctx.textAlign = look.align ?? "left";
      ctx.textBaseline = "middle";
      ctx.fillStyle = look.fill;
      ctx.fillText(text, 0, 0);
      ctx.restore();
    },
    pixels(pixels, columns, box) {
      const picture = pictureOf(pixels, columns);
      if (picture !== null) ctx.drawImage(picture, box.left, box.top, box.width, box.height);
    },
    within(box, draw) {
      ctx.save();
      ctx.beginPath();
      ctx.rect(box.left, box.top, box.width, box.height);
      ctx.clip();
      draw();
      ctx.restore();
    },
  };
}

function pictureOf(pixels: Uint8ClampedArray<ArrayBuffer>, columns: number): HTMLCanvasElement | null {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = pixels.length / 4 / columns;
  const ctx = canvas.getContext("2d");
  ctx?.putImageData(new ImageData(pixels, columns), 0, 0);
  return ctx === null ? null : canvas;
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
/** XML 1.0, section 2.2, without the carriage return, which would come back as a line feed; as in server/drawing.py. */
const ILLEGAL = /[^\t\n\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;
/** Text within markup; what XML cannot hold at all goes. */
export function escaped(text: string): string {
  return text.replace(ILLEGAL, "").replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}

/** Collects markup; `close` makes the file. */
/** What a drawing needs to stand on paper. */
export interface Print {
  mmPerPx: number;
  fontFamily: string;
  /** Where its data is, and what chose it. */
  source: string;
}

export class SvgSurface implements Surface {
  readonly pixelsPerPx = 2;
  #parts: string[] = [];
  #clips = 0;
  #prefix: string;

  /** `prefix` keeps ids apart when several drawings stand in one page. */
  constructor(prefix = "clip") {
    this.#prefix = prefix;
  }

  path(points: Float64Array, look: StrokeLook): void {
    const d = pathText(points);
    if (d === "") return;
    this.#parts.push(
      `<path d="${d}" fill="none" stroke="${look.stroke}" stroke-width="${look.width}" stroke-linejoin="round"${
        look.dash && look.dash.length > 0 ? ` stroke-dasharray="${look.dash.join(" ")}"` : ""
      }${opacity(look.alpha ?? 1)}/>`,
    );
  }

  area(points: Float64Array, fill: string, alpha: number): void {
    const d = pathText(points);
    if (d !== "") this.#parts.push(`<path d="${d}" fill="${fill}"${opacity(alpha)}/>`);
  }

  rects(boxes: Box[], fill: (at: number) => string, alpha: number): void {
    boxes.forEach((box, at) => {
      this.#parts.push(
        `<rect x="${fixed(box.left)}" y="${fixed(box.top)}" width="${fixed(box.width)}" height="${fixed(box.height)}" fill="${fill(at)}"${opacity(alpha)}/>`,
      );
    });
  }

  circles(
    points: Float64Array,
    radius: number,
    fill: (at: number) => string,
    alpha: number,
    ring: string | null,
  ): void {
    for (let at = 0; at < points.length; at += 2) {
      const [x, y] = [points[at] ?? Number.NaN, points[at + 1] ?? Number.NaN];
      if (Number.isNaN(x) || Number.isNaN(y)) continue;
      this.#parts.push(
        `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="${radius}" fill="${fill(at / 2)}"${ring === null ? "" : ` stroke="${ring}" stroke-width="1.25"`}${opacity(alpha)}/>`,
      );
    }
  }

  text(text: string, x: number, y: number, look: TextLook): void {
    const anchor = { left: "start", center: "middle", right: "end" }[look.align ?? "left"];
    this.#parts.push(
      `<text x="${fixed(x)}" y="${fixed(y)}" dy="0.35em" font-size="${look.size}" fill="${look.fill}" text-anchor="${anchor}"${
        look.isBold ? ' font-weight="600"' : ""
      }${look.turn === undefined ? "" : ` transform="rotate(${look.turn} ${fixed(x)} ${fixed(y)})"`}>${escaped(text)}</text>`,
    );
  }

  pixels(pixels: Uint8ClampedArray<ArrayBuffer>, columns: number, box: Box): void {
    const url = pictureOf(pixels, columns)?.toDataURL();
    if (url !== undefined)
      this.#parts.push(
        `<image href="${url}" x="${fixed(box.left)}" y="${fixed(box.top)}" width="${fixed(box.width)}" height="${fixed(box.height)}" preserveAspectRatio="none"/>`,
      );
  }

  within(box: Box, draw: () => void): void {
    const id = `${this.#prefix}${this.#clips++}`;
    this.#parts.push(
      `<clipPath id="${id}"><rect x="${fixed(box.left)}" y="${fixed(box.top)}" width="${fixed(box.width)}" height="${fixed(box.height)}"/></clipPath><g clip-path="url(#${id})">`,
    );
    draw();
    this.#parts.push("</g>");
  }

  /** `print`: the size in which it is printed, fonts, and a note of where it comes from. */
  close(width: number, height: number, title: string, background: string, print?: Print): string {
    const unit = print === undefined ? "" : "mm";
    const [wide, high] = [width, height].map((px) => fixed(px * (print?.mmPerPx ?? 1)) + unit);
    const source = print === undefined ? "" : `<desc>${escaped(print.source)}</desc>`;
    const font = print?.fontFamily ?? FONT_FAMILY;
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${wide}" height="${high}" viewBox="0 0 ${width} ${height}" role="img" font-family="${font}"><title>${escaped(title)}</title>${source}<rect width="${width}" height="${height}" fill="${background}"/>${this.#parts.join("")}</svg>`;
  }
}

const fixed = (value: number) => String(Math.round(value * 100) / 100);
const opacity = (alpha: number) => (alpha === 1 ? "" : ` opacity="${alpha}"`);

function pathText(points: Float64Array): string {
  let text = "";
  const add = (sign: string) => (x: number, y: number) => {
    text += `${sign}${fixed(x)} ${fixed(y)}`;
  };
  walk(points, add("M"), add("L"));
  return text;
}

/** Canvas coordinates beyond this draw nothing sensible, and some browsers draw nothing at all. */
const FAR_PX = 30_000;
const within = (px: number) => (px > FAR_PX ? FAR_PX : px < -FAR_PX ? -FAR_PX : px);

export interface Scales {
  x: (value: number) => number;
  y: (value: number) => number;
}

/** Pixels of units, for axes whose ranges are what is shown. */
export function scalesOf(x: Pick<Axis, "scale" | "range">, y: Pick<Axis, "scale" | "range">, box: Box): Scales {
  const [unitX, unitY] = [unitScale(x), unitScale(y)];
  return {
    x: (value) => within(box.left + unitX(value) * box.width),
    y: (value) => within(box.top + (1 - unitY(value)) * box.height),
  };
}

const EDGE_PX = 4;

/** Paint the marks of a figure. */
export function paintMarks(surface: Surface, figure: Figure, box: Box, scales: Scales, paper: Paper): void {
  // Marks of points on the edge are whole.
  const air = { left: box.left - EDGE_PX, top: box.top - 1, width: box.width + 2 * EDGE_PX, height: box.height + 2 };
  surface.within(air, () => {
    for (const mark of figure.marks) paintMark(surface, mark, box, scales, paper);
  });
}

export function paintMark(surface: Surface, mark: Mark, box: Box, { x, y }: Scales, paper: Paper): void {
  const inkAt = (ink: Ink | Ink[]) => (at: number) => resolve((Array.isArray(ink) ? ink[at] : ink) ?? "soft", paper);
  switch (mark.kind) {
    case "line":
      surface.path(zipped(mark.x, mark.y, x, y), {
        stroke: resolve(mark.ink, paper),
        width: mark.width ?? 1.5,
        dash: mark.dash ?? [],
        alpha: mark.alpha ?? 1,
      });
      // A point between two gaps has no line; a dot shows that it is there.
      surface.circles(
        zipped(...lonely(mark.x, mark.y), x, y),
        2,
        () => resolve(mark.ink, paper),
        mark.alpha ?? 1,
        null,
      );
      return;
    case "density":
      paintDensity(surface, mark, box, { x, y }, paper);
      return;
    case "band":
      for (const points of bandParts(mark.x, mark.low, mark.high, x, y, box))
        surface.area(points, resolve(mark.ink, paper), mark.alpha);
      return;
    case "dots":
      surface.circles(zipped(mark.x, mark.y, x, y), mark.radius, inkAt(mark.ink), mark.alpha ?? 1, paper.card);
      return;
    case "bars": {
      const boxes: Box[] = [];
      const kept: number[] = [];
      for (let at = 0; at < mark.left.length; at++) {
        const [left, right] = [x(mark.left[at] ?? Number.NaN), x(mark.right[at] ?? Number.NaN)];
        const [low, top] = [y(mark.low[at] ?? Number.NaN), y(mark.high[at] ?? Number.NaN)];
        const bottom = Number.isNaN(low) ? box.top + box.height : low; // on a logarithmic axis a bar begins at the floor
        if (!Number.isFinite(left + right + bottom + top)) continue;
        // On whole pixels, or neighbours would show seams of half a pixel.
        const [from, upper] = [Math.round(Math.min(left, right)), Math.round(Math.min(top, bottom))];
        boxes.push({
          left: from,
          top: upper,
          width: Math.max(1, Math.round(Math.max(left, right)) - from - 1),
          height: Math.max(mark.areCells ? 1 : 0, Math.round(Math.max(top, bottom)) - upper - (mark.areCells ? 1 : 0)),
        });
        kept.push(at);
      }
      surface.rects(boxes, (at) => inkAt(mark.ink)(kept[at] ?? 0), mark.alpha ?? 1);
      return;
    }
    case "whiskers": {
      const points: number[] = [];
      for (let at = 0; at < mark.x.length; at++) {
        const [px, low, high] = [x(mark.x[at] ?? 0), y(mark.low[at] ?? 0), y(mark.high[at] ?? 0)];
        if (!Number.isFinite(px + low + high)) continue;
        points.push(px, low, px, high, Number.NaN, Number.NaN);
        for (const py of [low, high]) points.push(px - 3, py, px + 3, py, Number.NaN, Number.NaN);
      }
      surface.path(Float64Array.from(points), { stroke: resolve(mark.ink, paper), width: 1 });
      return;
    }
    case "rule": {
      const at = mark.axis === "x" ? x(mark.at) : y(mark.at);
      const points =
        mark.axis === "x" ? [at, box.top, at, box.top + box.height] : [box.left, at, box.left + box.width, at];
      surface.path(Float64Array.from(points), { stroke: resolve(mark.ink, paper), width: 1, dash: mark.dash ?? [] });
      return;
    }
    case "glyphs":
      paintGlyphs(surface, mark, box, { x, y }, resolve(mark.ink, paper), paper);
      return;
    case "words":
      for (let at = 0; at < mark.x.length; at++)
        surface.text(mark.text[at] ?? "", x(mark.x[at] ?? 0), y(mark.y[at] ?? 0), {
          fill: resolve(mark.ink, paper),
          size: SMALL_PX,
          align: "center",
        });
  }
}

/** A density that is wider than this has no more columns than px: on a sharp screen the eye does not tell. */
const SHARP_PX = 800;

function paintDensity(
  surface: Surface,
  mark: Extract<Mark, { kind: "density" }>,
  box: Box,
  { x, y }: Scales,
  paper: Paper,
): void {
  const scale = Math.min(surface.pixelsPerPx, Math.max(1, SHARP_PX / box.width));
  const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
  if (width < 1 || height < 1) return;
  const own = mark.ink === null;
  const lines = mark.lines.map((line) => {
    const points = zipped(line.x, line.y, x, y);
    for (let at = 0; at < points.length; at += 2) {
      points[at] = ((points[at] ?? 0) - box.left) * scale;
      points[at + 1] = ((points[at + 1] ?? 0) - box.top) * scale;
    }
    return { points, rgb: own ? channelsOf(resolve(line.ink, paper)) : null };
  });
  const ink = channelsOf(resolve(mark.ink ?? "text", paper));
  surface.pixels(shadesOf(densityOf(lines, width, height), ink), width, box);
}

function paintGlyphs(
  surface: Surface,
  mark: Extract<Mark, { kind: "glyphs" }>,
  box: Box,
  { x, y }: Scales,
  stroke: string,
  paper: Paper,
): void {
  const size = 3.5;
  const points: number[] = [];
  const gap = [Number.NaN, Number.NaN];
  let lastX = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < mark.x.length; at++) {
    const px = x(mark.x[at] ?? 0);
    if (Number.isNaN(px) || Math.abs(px - lastX) < size) continue; // where many stand in one place, one says it
    lastX = px;
    const free = y(mark.y[at] ?? Number.NaN);
    const edge = {
      up: box.top + size + 1,
      down: box.top + box.height - size - 1,
      cross: free,
      pause: free,
      restart: box.top + box.height,
    }[mark.shape];
    const py = Number.isNaN(edge) ? box.top + box.height / 2 : edge;
    if (mark.shape === "cross")
      points.push(
        px - size,
        py - size,
        px + size,
        py + size,
        ...gap,
        px - size,
        py + size,
        px + size,
        py - size,
        ...gap,
      );
    else if (mark.shape === "pause") {
      surface.circles(Float64Array.of(px, py), 7, () => paper.card, 1, stroke);
      points.push(px - 2, py - 3, px - 2, py + 3, ...gap, px + 2, py - 3, px + 2, py + 3, ...gap);
    } else if (mark.shape === "restart") {
      surface.area(Float64Array.of(px, py - 6, px + 4, py, px - 4, py), stroke, 1);
    } else {
      const tip = mark.shape === "up" ? -size : size;
      surface.area(Float64Array.of(px, py + tip, px + size, py - tip, px - size, py - tip), stroke, 1);
    }
  }
  surface.path(Float64Array.from(points), { stroke, width: 1.75 });
}

function zipped(xs: Numbers, ys: Numbers, x: (v: number) => number, y: (v: number) => number): Float64Array {
  const points = new Float64Array(2 * xs.length);
  for (let at = 0; at < xs.length; at++) {
    points[2 * at] = x(xs[at] ?? Number.NaN);
    const value = ys[at] ?? Number.NaN;
    points[2 * at + 1] = Number.isFinite(value) ? y(value) : Number.NaN;
  }
  return points;
}

function lonely(xs: Numbers, ys: Numbers): [Float64Array, Float64Array] {
  const found: number[] = [];
  const isGap = (at: number) => !Number.isFinite(ys[at] ?? Number.NaN);
  for (let at = 0; at < xs.length; at++) if (!isGap(at) && isGap(at - 1) && isGap(at + 1)) found.push(at);
  return [Float64Array.from(found, (at) => xs[at] ?? 0), Float64Array.from(found, (at) => ys[at] ?? 0)];
}

/** The outline of each unbroken part of a band. A low end that a logarithmic axis cannot show lies on its floor. */
function* bandParts(
  xs: Numbers,
  lows: Numbers,
  highs: Numbers,
  x: (v: number) => number,
  y: (v: number) => number,
  box: Box,
): Generator<Float64Array> {
  const floor = box.top + box.height;
  const place = (value: number) => {
    const py = y(value);
    return Number.isNaN(py) ? floor : py;
  };
  let from = -1;
  for (let at = 0; at <= xs.length; at++) {
    const isGap =
      at === xs.length || !Number.isFinite(lows[at] ?? Number.NaN) || !Number.isFinite(highs[at] ?? Number.NaN);
    if (!isGap && from < 0) from = at;
    if (!isGap || from < 0) continue;
    const n = at - from;
    const points = new Float64Array(4 * n);
    for (let i = 0; i < n; i++) {
      const px = x(xs[from + i] ?? 0);
      points[2 * i] = px;
      points[2 * i + 1] = place(highs[from + i] ?? 0);
      points[4 * n - 2 * i - 2] = px;
      points[4 * n - 2 * i - 1] = place(lows[from + i] ?? 0);
    }
    from = -1;
    yield points;
  }
}

export interface EndLabel {
  text: string;
  trace: number;
}

/** What one line at the right end of a plot needs. */
export const END_PX = 12;

/** Paint a dot at the end of each line and its label beside the plot, apart from the others. A line that goes on beyond has no dot. */
export function paintEnds(
  surface: Surface,
  figure: Figure,
  labels: string[] | null,
  box: Box,
  { x, y }: Scales,
  paper: Paper,
): void {
  const marks: { left: number; top: number; at: number; isEnd: boolean }[] = [];
  const right = box.left + box.width;
  figure.traces.forEach((trace, at) => {
    const place = (row: number): [number, number] => {
      const value = trace.y[row] ?? Number.NaN;
      return [x(trace.x[row] ?? Number.NaN), Number.isFinite(value) ? y(value) : Number.NaN];
    };
    let [nextLeft, nextTop] = [Number.NaN, Number.NaN];
    for (let row = trace.x.length - 1; row >= 0; row--) {
      const [left, top] = place(row);
      if (left > right + 1) {
        [nextLeft, nextTop] = [left, top];
        continue;
      }
      if (Number.isNaN(top)) {
        nextTop = Number.NaN; // a gap: the line ends before it
        continue;
      }
      if (Number.isFinite(nextTop)) {
        const share = (right - left) / (nextLeft - left);
        marks.push({ left: right, top: top + share * (nextTop - top), at, isEnd: false });
      } else if (left >= box.left - 1) marks.push({ left, top, at, isEnd: true });
      return;
    }
  });
  const tops = spreadLabels(
    marks.map((mark) => mark.top),
    END_PX,
    box.top + 4,
    box.top + box.height - 2,
  );
  marks.forEach((mark, i) => {
    const trace = figure.traces[mark.at];
    if (trace === undefined) return;
    const fill = resolve(trace.ink, paper);
    if (mark.isEnd && mark.top >= box.top - 1 && mark.top <= box.top + box.height + 1)
      surface.circles(Float64Array.of(mark.left, mark.top), 2.75, () => fill, 1, paper.card);
    const text = labels?.[mark.at] ?? "";
    if (text !== "") surface.text(text, box.left + box.width + 8, tops[i] ?? mark.top, { fill, size: SMALL_PX });
  });
}

/** Ticks of an axis as they stand on the screen. */
export interface Ticks {
  at: number[];
  text: string[];
}

/** Paint grid and ticks, for files; on the screen the chart engine draws them. */
export function paintAxes(
  surface: Surface,
  figure: Figure,
  ticks: { x: Ticks; y: Ticks },
  box: Box,
  { x, y }: Scales,
  paper: Paper,
): void {
  const right = box.left + box.width;
  const bottom = box.top + box.height;
  const seen = (px: number, low: number, high: number) => px >= low - 0.5 && px <= high + 0.5;
  ticks.y.at.forEach((value, at) => {
    const py = y(value);
    if (!seen(py, box.top, bottom)) return;
    surface.path(Float64Array.of(box.left, py, right, py), { stroke: paper.grid, width: 1 });
    surface.text(ticks.y.text[at] ?? "", box.left - 6, py, { fill: paper.soft, size: SMALL_PX, align: "right" });
  });
  ticks.x.at.forEach((value, at) => {
    const px = x(value);
    if (!seen(px, box.left, right)) return;
    surface.text(ticks.x.text[at] ?? "", px, bottom + 14, { fill: paper.soft, size: SMALL_PX, align: "center" });
  });
  surface.path(Float64Array.of(box.left, bottom, right, bottom), { stroke: paper.grid, width: 1 });
  if (figure.x.title)
    surface.text(figure.x.title, box.left + box.width / 2, bottom + 30, {
      fill: paper.soft,
      size: SMALL_PX,
      align: "center",
    });
  if (figure.y.title)
    surface.text(figure.y.title, 10, box.top + box.height / 2, {
      fill: paper.soft,
      size: SMALL_PX,
      align: "center",
      turn: -90,
    });
}
