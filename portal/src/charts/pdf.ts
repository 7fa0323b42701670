/** A drawing as a PDF of one page: lines and letters stay what they are, whatever the scale.
 *
 * Only what figures need of PDF 1.4 (ISO 32000-1): paths, clips, opacity, pictures and the two fonts that every reader has, whose
 * letters are those of Windows-1252. No dependency does that in less than ten times the bytes.
 */

import { type Box, type StrokeLook, type Surface, type TextLook, walk } from "./surface";

const PT_PER_MM = 72 / 25.4;
/** Bézier handles that make a quarter of a circle. */
const ROUND = 0.5523;
/** Windows-1252 where it differs from Latin-1. */
const CP1252 = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
const FONTS = { sans: ["Helvetica", "Helvetica-Bold"], serif: ["Times-Roman", "Times-Bold"] } as const;
export type PdfFont = keyof typeof FONTS;

/** Widths of the letters from the space to the tilde, in thousandths of their size (Adobe's font metrics). */
const WIDTHS: Record<PdfFont, number[]> = {
  // biome-ignore format: a table
  sans: [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556,
    556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
  ],
  // biome-ignore format: a table
  serif: [
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500, 500,
    500, 500, 278, 278, 564, 564, 564, 444, 921, 722, 667, 667, 722, 611, 556, 722, 722, 333, 389, 722, 611, 889, 722, 722,
    556, 722, 667, 556, 611, 722, 722, 944, 722, 722, 611, 333, 278, 333, 469, 500, 333, 444, 500, 444, 500, 444, 333, 500,
    500, 278, 278, 500, 278, 778, 500, 500, 500, 500, 333, 389, 278, 500, 500, 722, 500, 500, 444, 480, 200, 480, 541,
  ],
};
const OTHER_WIDTH = 556;

/** What a text takes, px; a letter with an accent is as wide as the one below it. */
function measured(text: string, size: number, font: PdfFont): number {
  const widths = [...text.normalize("NFD").replace(/\p{M}/gu, "")].map(
    (char) => WIDTHS[font][char.charCodeAt(0) - 0x20] ?? OTHER_WIDTH,
  );
  return (widths.reduce((sum, one) => sum + one, 0) * size) / 1000;
}

/** The byte of a letter; null: PDF's own fonts lack it. */
function byteOf(char: string): number | null {
  const code = char.codePointAt(0) ?? 0;
  if ((code >= 0x20 && code < 0x7f) || (code >= 0xa0 && code <= 0xff)) return code;
  if (char === "−") return 0x2d; // a minus sign, as numbers have it
  const at = CP1252.indexOf(char);
  return at < 0 ? null : 0x80 + at;
}

/** Letters of a text that PDF's own fonts lack. */
export function lacking(text: string): string {
  return [...new Set(text)].filter((char) => byteOf(char) === null).join("");
}

export class PdfSurface implements Surface {
  #parts: string[] = [];
  readonly pixelsPerPx = 3;
  #alphas: number[] = [];
  #pictures: { columns: number; pixels: Uint8ClampedArray<ArrayBuffer> }[] = [];
  /** All text that was drawn. */
  #said = "";
  #font: PdfFont;

  constructor(font: PdfFont) {
    this.#font = font;
  }

  path(points: Float64Array, look: StrokeLook): void {
    const d = pathText(points);
    if (d === "") return;
    const dash = look.dash?.map(fixed).join(" ") ?? "";
    this.#with(look.alpha ?? 1, `${colour(look.stroke)} RG ${fixed(look.width)} w 1 j [${dash}] 0 d ${d}S`);
  }

  area(points: Float64Array, fill: string, alpha: number): void {
    const d = pathText(points);
    if (d !== "") this.#with(alpha, `${colour(fill)} rg ${d}f`);
  }

  rects(boxes: Box[], fill: (at: number) => string, alpha: number): void {
    boxes.forEach((box, at) => {
      this.#with(alpha, `${colour(fill(at))} rg ${boxText(box)} re f`);
    });
  }

  circles(
    points: Float64Array,
    radius: number,
    fill: (at: number) => string,
    alpha: number,
    ring: string | null,
  ): void {
    const [r, h] = [radius, radius * ROUND];
    for (let at = 0; at < points.length; at += 2) {
      const [x, y] = [points[at] ?? Number.NaN, points[at + 1] ?? Number.NaN];
      if (Number.isNaN(x) || Number.isNaN(y)) continue;
      const to = (...by: number[]) => by.map((one, i) => fixed(one + (i % 2 === 0 ? x : y))).join(" ");
      const round = `${to(r, 0)} m ${to(r, h, h, r, 0, r)} c ${to(-h, r, -r, h, -r, 0)} c ${to(-r, -h, -h, -r, 0, -r)} c ${to(h, -r, r, -h, r, 0)} c h`;
      const edge = ring === null ? "" : `${colour(ring)} RG 1.25 w [] 0 d `;
      this.#with(alpha, `${colour(fill(at / 2))} rg ${edge}${round} ${ring === null ? "f" : "B"}`);
    }
  }

  text(text: string, x: number, y: number, look: TextLook): void {
    this.#said += text;
    const shown = [...text].flatMap((char) => byteOf(char) ?? []);
    const string = shown.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const wide = look.align === undefined || look.align === "left" ? 0 : measured(text, look.size, this.#font);
    const back = look.align === "center" ? wide / 2 : wide;
    const turn = ((look.turn ?? 0) * Math.PI) / 180;
    const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
    // The page's y goes down, letters' up: the matrix turns them over, after moving them back and half a letter down.
    const [left, down] = [-back, 0.35 * look.size];
    const place = [x + cos * left - sin * down, y + sin * left + cos * down];
    const matrix = [cos, sin, sin, -cos, ...place].map(fixed).join(" ");
    this.#with(1, `BT /F${look.isBold ? 2 : 1} ${look.size} Tf ${colour(look.fill)} rg ${matrix} Tm <${string}> Tj ET`);
  }

  pixels(pixels: Uint8ClampedArray<ArrayBuffer>, columns: number, box: Box): void {
    const at = this.#pictures.push({ columns, pixels }) - 1;
    // A picture is a square of 1 whose y goes up.
    const matrix = [box.width, 0, 0, -box.height, box.left, box.top + box.height].map(fixed).join(" ");
    this.#parts.push(`q ${matrix} cm /I${at} Do Q`);
  }

  within(box: Box, draw: () => void): void {
    this.#parts.push(`q ${boxText(box)} re W n`);
    draw();
    this.#parts.push("Q");
  }

  /** Letters that were drawn and that PDF's own fonts lack. */
  get lacking(): string {
    return lacking(this.#said);
  }

  /** The document. `width`, `height`: px of the drawing, each `mmPerPx` on paper. */
  async close(width: number, height: number, title: string, mmPerPx: number): Promise<Blob> {
    const scale = mmPerPx * PT_PER_MM;
    const page = `${fixed(scale)} 0 0 ${fixed(-scale)} 0 ${fixed(height * scale)} cm\n${this.#parts.join("\n")}\n`;
    const stream = await deflated(latin1(page));
    const states = this.#alphas.map((alpha, at) => `/G${at} << /ca ${alpha} /CA ${alpha} >>`).join(" ");
    const named = FONTS[this.#font].map(
      (name, at) => `/F${at + 1} << /Type /Font /Subtype /Type1 /BaseFont /${name} /Encoding /WinAnsiEncoding >>`,
    );
    const pictures = await Promise.all(this.#pictures.map((one, at) => pictureObjects(one, OWN_OBJECTS + 2 * at)));
    const drawn = this.#pictures.map((_, at) => `/I${at} ${OWN_OBJECTS + 2 * at + 1} 0 R`).join(" ");
    const objects: (string | [string, Uint8Array])[] = [
      "<< /Type /Catalog /Pages 2 0 R >>",
      "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${fixed(width * scale)} ${fixed(height * scale)}] /Contents 4 0 R /Resources << /Font << ${named.join(" ")} >> /ExtGState << ${states} >> /XObject << ${drawn} >> >> >>`,
      [`<< /Length ${stream.length} /Filter /FlateDecode >>`, stream],
      `<< /Title <feff${[...title].map(utf16).join("")}> /Producer (tracklog) >>`,
      ...pictures.flat(),
    ];
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let at = 0;
    const add = (bytes: Uint8Array<ArrayBuffer>) => {
      parts.push(bytes);
      at += bytes.length;
    };
    add(latin1("%PDF-1.4\n%\u{e2}\u{e3}\u{cf}\u{d3}\n"));
    const offsets = objects.map((object, i) => {
      const offset = at;
      const [dictionary, data] = typeof object === "string" ? [object, null] : object;
      add(latin1(`${i + 1} 0 obj\n${dictionary}\n`));
      if (data !== null) {
        add(latin1("stream\n"));
        add(new Uint8Array(data));
        add(latin1("\nendstream\n"));
      }
      add(latin1("endobj\n"));
      return offset;
    });
    const table = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
    const end = at;
    add(
      latin1(
        `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info 5 0 R >>\nstartxref\n${end}\n%%EOF\n`,
      ),
    );
    return new Blob(parts, { type: "application/pdf" });
  }

  #with(alpha: number, command: string): void {
    if (alpha === 1) {
      this.#parts.push(command);
      return;
    }
    const kept = Math.round(alpha * 100) / 100;
    let state = this.#alphas.indexOf(kept);
    if (state < 0) state = this.#alphas.push(kept) - 1;
    this.#parts.push(`q /G${state} gs ${command} Q`);
  }
}

/** Objects of a document before those of its pictures. */
const OWN_OBJECTS = 5;

/** The colours of a picture and, in an object of their own, their opacities; `before`: how many objects come before. */
async function pictureObjects(
  { columns, pixels }: { columns: number; pixels: Uint8ClampedArray<ArrayBuffer> },
  before: number,
): Promise<[string, Uint8Array][]> {
  const n = pixels.length / 4;
  const colours = await deflated(
    Uint8Array.from({ length: 3 * n }, (_, at) => pixels[4 * Math.floor(at / 3) + (at % 3)] ?? 0),
  );
  const opacities = await deflated(Uint8Array.from({ length: n }, (_, at) => pixels[4 * at + 3] ?? 0));
  const made = (bytes: Uint8Array, space: string, more: string): [string, Uint8Array] => [
    `<< /Type /XObject /Subtype /Image /Width ${columns} /Height ${n / columns} /ColorSpace /${space} /BitsPerComponent 8${more} /Length ${bytes.length} /Filter /FlateDecode >>`,
    bytes,
  ];
  return [made(colours, "DeviceRGB", ` /SMask ${before + 2} 0 R`), made(opacities, "DeviceGray", "")];
}

const fixed = (value: number) => String(Math.round(value * 1000) / 1000);
const boxText = (box: Box) => [box.left, box.top, box.width, box.height].map(fixed).join(" ");
const utf16 = (char: string) =>
  Array.from({ length: char.length }, (_, i) => char.charCodeAt(i).toString(16).padStart(4, "0")).join("");

function pathText(points: Float64Array): string {
  let text = "";
  const add = (sign: string) => (x: number, y: number) => {
    text += `${fixed(x)} ${fixed(y)} ${sign} `;
  };
  walk(points, add("m"), add("l"));
  return text;
}

/** Three numbers of a colour as CSS computes it: `#rrggbb` or `rgb(r, g, b)`. */
function colour(css: string): string {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})/i.exec(css);
  const parts =
    hex === null
      ? (css.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number)
      : hex.slice(1).map((two) => Number.parseInt(two, 16));
  return parts.map((part) => fixed(part / 255)).join(" ");
}

function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

async function deflated(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}
