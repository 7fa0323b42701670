/** Terminal colours of one log line as plain spans: data stays text, nothing of it becomes markup. */

export interface Span {
  text: string;
  /** 0–7 the eight colours, 8–15 the bright ones; null: the text colour. */
  color: number | null;
  bold: boolean;
  dim: boolean;
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
  let style = { color: null as number | null, bold: false, dim: false };
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

function applySgr(style: Omit<Span, "text">, params: string): Omit<Span, "text"> {
  const next = { ...style };
  const codes = params.split(/[;:]/).map(Number);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 0) Object.assign(next, { color: null, bold: false, dim: false });
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 22) Object.assign(next, { bold: false, dim: false });
    else if (code >= 30 && code <= 37) next.color = code - 30;
    else if (code >= 90 && code <= 97) next.color = code - 82;
    else if (code === 39) next.color = null;
    else if (code === 38 || code === 48) {
      // 256 colours and RGB: the first 16 are ours, the rest keep the text colour so that contrast holds in both themes.
      const indexed = codes[at + 1] === 5;
      const index = codes[at + 2] ?? 16;
      if (code === 38) next.color = indexed && index < 16 ? index : null;
      at += indexed ? 2 : 4;
    }
  }
  return next;
}
