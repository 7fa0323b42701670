/** Fuzzy matching: the letters of a query in order, anywhere in a text; the better they sit together, the higher the score. */

export interface FuzzyMatch {
  /** Greater is better; only comparable for one query. */
  score: number;
  /** Where the letters are, as ranges, ascending and apart. */
  ranges: [number, number][];
}

const AT_START = 12;
const AT_WORD = 9;
const IN_A_ROW = 12;
const ANYWHERE = 1;
/** Beyond this a text is cut: names are shorter, and the search looks at all pairs of letters. */
const MAX_CHARS = 160;

/** null: the letters do not all occur in this order. An empty query matches everything alike. */
export function fuzzy(query: string, text: string): FuzzyMatch | null {
  const wanted = [...query.toLowerCase()].filter((char) => char !== " ");
  if (wanted.length === 0) return { score: 0, ranges: [] };
  const chars = [...text.slice(0, MAX_CHARS).toLowerCase()];
  const rows = wanted.length;
  const columns = chars.length;
  if (rows > columns) return null;
  // best[i][j]: the best score with letter i of the query at letter j of the text; came[i][j]: where letter i − 1 was then.
  const best = new Float64Array(rows * columns).fill(Number.NEGATIVE_INFINITY);
  const came = new Int32Array(rows * columns).fill(-1);
  for (let i = 0; i < rows; i++) {
    let before = Number.NEGATIVE_INFINITY; // the best of the row above, left of the letter before this one
    let beforeAt = -1;
    for (let j = i; j < columns; j++) {
      const adjacent = i > 0 && j > 0 ? (best[(i - 1) * columns + j - 1] ?? 0) : Number.NEGATIVE_INFINITY;
      if (chars[j] === wanted[i]) {
        const place = j === 0 ? AT_START : isWordStart(text, chars, j) ? AT_WORD : ANYWHERE;
        if (i === 0) best[j] = place;
        else {
          const row = adjacent + IN_A_ROW;
          const far = before;
          const score = Math.max(row, far) + place;
          if (score > Number.NEGATIVE_INFINITY) {
            best[i * columns + j] = score;
            came[i * columns + j] = row >= far ? j - 1 : beforeAt;
          }
        }
      }
      if (adjacent > before) {
        before = adjacent;
        beforeAt = j - 1;
      }
    }
  }
  let at = -1;
  let score = Number.NEGATIVE_INFINITY;
  for (let j = rows - 1; j < columns; j++) {
    const here = best[(rows - 1) * columns + j] ?? score;
    if (here > score) [score, at] = [here, j];
  }
  if (at < 0) return null;
  const places: number[] = [];
  for (let i = rows - 1; i >= 0; i--) {
    places.unshift(at);
    at = came[i * columns + at] ?? -1;
  }
  // Of equal matches the shorter text says more.
  return { score: score - columns * 0.05, ranges: joined(places) };
}

function isWordStart(text: string, chars: string[], at: number): boolean {
  const previous = chars[at - 1] ?? "";
  return /[\s/_.:-]/.test(previous) || (/[a-z]/.test(text[at - 1] ?? "") && /[A-Z]/.test(text[at] ?? ""));
}

function joined(places: number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const place of places) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === place) last[1] = place + 1;
    else ranges.push([place, place + 1]);
  }
  return ranges;
}

/** The items that match, best first; equal ones keep their order. */
export function fuzzySort<Item>(
  query: string,
  items: readonly Item[],
  text: (item: Item) => string,
): { item: Item; ranges: [number, number][]; score: number }[] {
  return items
    .flatMap((item) => {
      const match = fuzzy(query, text(item));
      return match === null ? [] : [{ item, ...match }];
    })
    .sort((a, b) => b.score - a.score);
}
