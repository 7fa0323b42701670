/** Terminal colours of one log line as plain spans: data stays text, nothing of it becomes markup. */

export interface Span {
  text: string;
  /** 0–7 the eight colours, 8–15 the bright ones, "r g b" any other; null: the text colour. */
  color: number | string | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underlined: boolean;
}

// CSI sequences (ECMA-48 §5.4), OSC up to BEL or ST, and two-character escapes.
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are control characters
const ESCAPE = /\x1b(?:\[([0-9;:?]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

/** What a terminal would still show of a line: progress bars rewrite it after each carriage return. */
function visible(line: string): string {
  const trimmed = line.endsWith("\r") ? line.slice(0, -1) : line;
  return trimmed.slice(trimmed.lastIndexOf("\r") + 1);
}

export function parseAnsi(line: string): Span[] {
  const text = visible(line);
  const spans: Span[] = [];
  let style = PLAIN;
  let from = 0;
  const push = (part: string) => {
    if (part !== "") spans.push({ text: part, ...style });
  };
  for (const match of text.matchAll(ESCAPE)) {
    push(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === "m") style = applySgr(style, match[1] ?? "");
  }
  push(text.slice(from));
  return spans;
}

export function stripAnsi(line: string): string {
  return visible(line).replace(ESCAPE, "");
}

const PLAIN: Omit<Span, "text"> = { color: null, bold: false, dim: false, italic: false, underlined: false };

/** Levels of the colours 16–231, a cube of six steps a channel, as xterm has them. */
const CUBE = [0, 95, 135, 175, 215, 255];

/** One of the 256 colours: ours for the first 16, then the cube, then greys. */
function indexed(index: number): number | string | null {
  if (!(index >= 0 && index < 256)) return null;
  if (index < 16) return index;
  if (index >= 232) return rgb(Array.from({ length: 3 }, () => 8 + 10 * (index - 232)));
  const at = index - 16;
  return rgb([Math.floor(at / 36), Math.floor(at / 6) % 6, at % 6].map((step) => CUBE[step] ?? 0));
}

function rgb(channels: number[]): string | null {
  return channels.length === 3 && channels.every((one) => Number.isInteger(one) && one >= 0 && one < 256)
    ? channels.join(" ")
    : null;
}

function applySgr(style: Omit<Span, "text">, params: string): Omit<Span, "text"> {
  const next = { ...style };
  // With colons a colour space may stand between; nobody gives one.
  const plain = params.replace(/([34]8:2):\d*:(?=\d+:\d+:\d+)/g, "$1:");
  const codes = plain.split(/[;:]/).map(Number);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 0) Object.assign(next, PLAIN);
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underlined = true;
    else if (code === 22) Object.assign(next, { bold: false, dim: false });
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underlined = false;
    else if (code >= 30 && code <= 37) next.color = code - 30;
    else if (code >= 90 && code <= 97) next.color = code - 82;
    else if (code === 39) next.color = null;
    else if (code === 38 || code === 48) {
      // Colours behind the text are left out: with a colour of the text from another program they may hide it.
      const isIndexed = codes[at + 1] === 5;
      if (code === 38) next.color = isIndexed ? indexed(codes[at + 2] ?? -1) : rgb(codes.slice(at + 2, at + 5));
      at += isIndexed ? 2 : 4;
    }
  }
  return next;
}
