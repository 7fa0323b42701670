/** Colours of runs and lines.
 *
 * Twelve hues that stay apart for the common colour-vision deficiencies by hue and lightness, each with at least 3:1 against the card of its
 * theme (WCAG 1.4.11); from the 13th run on the dash changes too. A run's colour depends on the run alone, never on what is shown beside it.
 */

export interface LineStyle {
  /** Index into the palette, 0–11. */
  hue: number;
  /** Canvas dash pattern; empty: solid. */
  dash: number[];
}

const LIGHT = [
  "#1f6feb", "#c4500a", "#0d7d57", "#b3267c", "#0b83a8", "#8a6700",
  "#6a45cf", "#c42b3a", "#4f7a0a", "#7d4a26", "#52647b", "#a01fb8",
]; // biome-ignore format: two rows of six
const DARK = [
  "#6aa5ff", "#f79552", "#3fcb9b", "#f27cbb", "#45c6ec", "#dfbb45",
  "#aa90fb", "#f9757d", "#a6cb45", "#cf9f78", "#a2b2c8", "#e08bf0",
]; // biome-ignore format: two rows of six
const DASHES: number[][] = [[], [6, 3], [2, 2], [8, 3, 2, 3]];

export const HUES = LIGHT.length;

/** The tag that holds the hue that people gave a run, from 1 on: the same for all who look at it. */
export const COLOUR_TAG = "tracklog.colour";

/** The style of a run: that which people gave it, else neighbours by number are never alike. */
export function runStyle(run: { number: number; id: string; tags?: Record<string, string> }): LineStyle {
  const chosen = Number(run.tags?.[COLOUR_TAG]);
  if (Number.isInteger(chosen) && chosen >= 1 && chosen <= HUES) return styleAt(chosen - 1);
  return styleAt(run.number > 0 ? run.number - 1 : hash(run.id));
}

export function styleAt(index: number): LineStyle {
  return { hue: index % HUES, dash: DASHES[Math.floor(index / HUES) % DASHES.length] ?? [] };
}

export function hueOf(hue: number, isDark: boolean): string {
  return (isDark ? DARK : LIGHT)[hue] ?? "#888888";
}

export function strokeOf(style: LineStyle, isDark: boolean): string {
  return hueOf(style.hue, isDark);
}

// Viridis, cut where it would not stand out from the card; its lightness alone tells the order.
const LIGHT_SCALE = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#26996b"];
const DARK_SCALE = ["#5a86c8", "#37a0b0", "#2fb47c", "#73d056", "#b8de29", "#fde725"];

/** The colour of a value from 0 (least) to 1 on an ordered scale. */
export function scaleColour(share: number, isDark: boolean): `#${string}` {
  const scale = isDark ? DARK_SCALE : LIGHT_SCALE;
  const place = Math.min(1, Math.max(0, share)) * (scale.length - 1);
  const low = Math.min(scale.length - 2, Math.floor(place));
  return mixed(scale[low] ?? "#888888", scale[low + 1] ?? "#888888", place - low);
}

/** Red, green and blue of #rrggbb or rgb(r, g, b), 0 … 255. */
export function channelsOf(colour: string): [number, number, number] {
  const numbers = colour.startsWith("#")
    ? [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))
    : (colour.match(/[\d.]+/g) ?? []).map(Number);
  return [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 0];
}

/** A colour between two, in sRGB. */
export function mixed(from: string, to: string, share: number): `#${string}` {
  const other = channelsOf(to);
  return `#${channelsOf(from)
    .map((value, at) => Math.round(value + share * ((other[at] ?? 0) - value)))
    .map((value) => value.toString(16).padStart(2, "0"))
    .join("")}`;
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

/** WCAG 2.2 relative luminance contrast of two #rrggbb colours. */
export function contrast(a: string, b: string): number {
  const luminance = (hex: string) => {
    const channel = (at: number) => {
      const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  };
  const [high, low] = [luminance(a), luminance(b)].sort((p, q) => q - p) as [number, number];
  return (high + 0.05) / (low + 0.05);
}
