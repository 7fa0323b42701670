/** Rows of a table whose lines open into further lines: groups into runs, runs into their child runs.
 *
 * A branch knows how many lines it has before it knows them: lines come as they are scrolled to. Positions are found by walking the open
 * branches, of which there are few, never the lines.
 */

/** `total` lines under one heading; the table as a whole is the root. */
export interface Branch<T> {
  /** Lines known so far, by position; holes are not loaded yet. */
  lines: (T | undefined)[];
  total: number;
  /** Open lines: position → what is under it. */
  open: Map<number, Branch<T>>;
}

export interface Place<T> {
  branch: Branch<T>;
  /** Position within the branch. */
  at: number;
  /** 0 at the root. */
  depth: number;
  line: T | undefined;
}

export function makeBranch<T>(lines: (T | undefined)[] = [], total = lines.length): Branch<T> {
  return { lines, total, open: new Map() };
}

/** Lines of a branch with all that is open under it. */
export function size<T>(branch: Branch<T>): number {
  let sum = branch.total;
  for (const under of branch.open.values()) sum += size(under);
  return sum;
}

const openOnes = <T>(branch: Branch<T>) => [...branch.open].sort(([a], [b]) => a - b);

/** The line at a position counted over all open branches; null: there are fewer. */
export function placeOf<T>(root: Branch<T>, index: number): Place<T> | null {
  let branch = root;
  let left = index;
  for (let depth = 0; ; depth++) {
    let passed = 0; // lines of deeper branches above
    let next: Branch<T> | null = null;
    for (const [at, under] of openOnes(branch)) {
      const first = at + 1 + passed;
      if (left < first) break;
      const lines = size(under);
      if (left < first + lines) {
        next = under;
        left -= first;
        break;
      }
      passed += lines;
    }
    if (next === null) {
      const at = left - passed;
      return at < 0 || at >= branch.total ? null : { branch, at, depth, line: branch.lines[at] };
    }
    branch = next;
  }
}

/** The position of a line counted over all open branches. */
export function indexOf<T>(root: Branch<T>, branch: Branch<T>, at: number): number {
  const search = (here: Branch<T>): number => {
    let passed = 0;
    for (const [place, under] of openOnes(here)) {
      if (here === branch && place >= at) break;
      const inside = search(under);
      if (inside >= 0) return place + 1 + passed + inside;
      passed += size(under);
    }
    return here === branch ? at + passed : -1;
  };
  return search(root);
}

/** Walk the lines from `first` to before `end`, in order. */
export function* walk<T>(root: Branch<T>, first: number, end: number): Generator<Place<T>> {
  for (let index = Math.max(0, first); index < end; index++) {
    const place = placeOf(root, index);
    if (place === null) return;
    yield place;
  }
}
