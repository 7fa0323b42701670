/** What a search field understands: words (or, between double quotes, phrases), all of which must occur, in any case; with one of the signs `\^$*+?()[]{}|` a regular expression. */

export interface TextSearch {
  test: (text: string) => boolean;
  /** Where the parts lie that were found, ascending and apart: to mark them. */
  ranges: (text: string) => [number, number][];
}

/** null: a regular expression that is not valid. */
export function textSearch(query: string): TextSearch | null {
  const words = query.trim();
  if (words === "") return { test: () => true, ranges: () => [] };
  if (/[\\^$*+?()[\]{}|]/.test(words)) {
    try {
      const pattern = new RegExp(words, "i");
      const every = new RegExp(words, "gi");
      return { test: (text) => pattern.test(text), ranges: (text) => found(text, every) };
    } catch {
      return null;
    }
  }
  const parts = Array.from(words.toLowerCase().matchAll(/"([^"]+)"|\S+/g), (match) => match[1] ?? match[0]);
  const any = new RegExp(parts.map((part) => part.replace(/[.\-/]/g, "\\$&")).join("|"), "gi");
  return {
    test: (text) => {
      const lower = text.toLowerCase();
      return parts.every((part) => lower.includes(part));
    },
    ranges: (text) => found(text, any),
  };
}

function found(text: string, pattern: RegExp): [number, number][] {
  return Array.from(text.matchAll(pattern), (match): [number, number] => [
    match.index,
    match.index + match[0].length,
  ]).filter(([start, end]) => end > start);
}
