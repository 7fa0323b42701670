/** Hundreds of lines as a picture of how many pass where: single lines would only cover each other. Pure. */

/** Lines in pixels of the picture, x0, y0, x1, y1 …, x ascending; NaN begins a new part. */
export interface DenseLine {
  points: Float64Array;
  /** Its colour, 0 … 255 each; null: all lines have one. */
  rgb: readonly [number, number, number] | null;
}

export interface Density {
  /** (width × height) how many lines pass a pixel, from the top left, row by row. */
  count: Float32Array;
  /** (3 × width × height) sums of their reds, then greens, then blues; null: all lines have one colour. */
  rgb: Float32Array | null;
}

/** A steep line passes many pixels of a column and counts in each of them for less, but never for less than this: it must be seen. */
const LEAST = 0.3;

/** A thousand lines over a thousand columns take some ten ms: the inner loops allocate nothing. */
export function densityOf(lines: readonly DenseLine[], width: number, height: number): Density {
  const size = width * height;
  const count = new Float32Array(size);
  const rgb = lines.some((line) => line.rgb !== null) ? new Float32Array(3 * size) : null;
  let [red, green, blue] = [0, 0, 0];
  const add = (at: number, share: number): void => {
    count[at] = (count[at] as number) + share;
    if (rgb === null) return;
    rgb[at] = (rgb[at] as number) + share * red;
    rgb[size + at] = (rgb[size + at] as number) + share * green;
    rgb[2 * size + at] = (rgb[2 * size + at] as number) + share * blue;
  };
  /** A flat piece within a column, `y` its middle: between two pixels it counts in both. */
  const addFlat = (column: number, y: number, part: number): void => {
    const row = Math.floor(y - 0.5);
    const lower = y - 0.5 - row;
    const at = row * width + column;
    if (row >= 0 && row < height) add(at, part * (1 - lower));
    if (row >= -1 && row + 1 < height) add(at + width, part * lower);
  };
  const addSteep = (column: number, top: number, bottom: number, part: number): void => {
    const share = part * Math.max(LEAST, 1 / (bottom - top));
    const last = Math.min(height - 1, Math.floor(bottom));
    for (let row = Math.max(0, Math.floor(top)); row <= last; row++)
      add(row * width + column, share * (Math.min(bottom, row + 1) - Math.max(top, row)));
  };
  for (const line of lines) {
    const { points } = line;
    [red, green, blue] = line.rgb ?? [0, 0, 0];
    for (let at = 2; at < points.length; at += 2) {
      const x0 = points[at - 2] as number;
      const y0 = points[at - 1] as number;
      const x1 = points[at] as number;
      const y1 = points[at + 1] as number;
      if (!(x1 > x0) || Number.isNaN(y0) || Number.isNaN(y1)) continue;
      const slope = (y1 - y0) / (x1 - x0);
      const end = Math.min(width, Math.ceil(x1));
      for (let column = Math.max(0, Math.floor(x0)); column < end; column++) {
        const from = x0 > column ? x0 : column;
        const to = x1 < column + 1 ? x1 : column + 1;
        const a = y0 + (from - x0) * slope;
        const b = y0 + (to - x0) * slope;
        if (b - a <= 1 && a - b <= 1) addFlat(column, (a + b) / 2, to - from);
        else if (a < b) addSteep(column, a, b, to - from);
        else addSteep(column, b, a, to - from);
      }
    }
  }
  return { count, rgb };
}

/** How opaque a single line is, and the densest places are. */
const FAINT = 0.16;
const FULL = 0.96;
/** Of all places with lines, so many may be denser than the densest shade. */
const BEYOND = 0.01;
const LEVELS = 4_096;

/** A density in colours: the more lines, the more opaque. `ink`: of lines that have no colour of their own. */
export function shadesOf(
  { count, rgb }: Density,
  ink: readonly [number, number, number],
): Uint8ClampedArray<ArrayBuffer> {
  const most = densest(count);
  const scale = Math.log(1 + most) - Math.log(2);
  const opacities = Uint8Array.from({ length: LEVELS + 1 }, (_, level) => {
    const lines = (level / LEVELS) * most;
    const share = lines <= 1 ? 0 : (Math.log(1 + lines) - Math.log(2)) / scale;
    return 255 * (FAINT + (FULL - FAINT) * share ** 1.2) * Math.min(1, lines);
  });
  const size = count.length;
  const pixels = new Uint8ClampedArray(4 * size);
  for (let at = 0; at < size; at++) {
    const lines = count[at] as number;
    if (lines === 0) continue;
    for (let channel = 0; channel < 3; channel++)
      pixels[4 * at + channel] = rgb === null ? (ink[channel] as number) : (rgb[channel * size + at] as number) / lines;
    pixels[4 * at + 3] = opacities[Math.min(LEVELS, Math.ceil((lines / most) * LEVELS))] as number;
  }
  return pixels;
}

/** Lines at the densest places, but for a few. */
function densest(count: Float32Array): number {
  let greatest = 2;
  for (const lines of count) if (lines > greatest) greatest = lines;
  const places = new Uint32Array(LEVELS + 1);
  let passed = 0;
  for (const lines of count) {
    if (lines <= 0.5) continue;
    passed++;
    const level = Math.floor((lines / greatest) * LEVELS);
    places[level] = (places[level] ?? 0) + 1;
  }
  let beyond = passed * BEYOND;
  for (let level = LEVELS; level > 0; level--) {
    beyond -= places[level] ?? 0;
    if (beyond < 0) return Math.max(2, (level / LEVELS) * greatest);
  }
  return greatest;
}
