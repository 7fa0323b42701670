/** Names beside lines: short enough, and apart. */

/** Move labels of one column apart so that none overlap; keeps their order and, if there is room, stays within [top, bottom]. */
export function spreadLabels(wanted: number[], height: number, top: number, bottom: number): number[] {
  const order = wanted.map((y, at) => ({ y, at })).sort((a, b) => a.y - b.y);
  let floor = top;
  for (const label of order) {
    label.y = Math.max(label.y, floor);
    floor = label.y + height;
  }
  let ceiling = bottom;
  for (const label of order.reverse()) {
    label.y = Math.min(label.y, ceiling);
    ceiling = label.y - height;
  }
  const out = new Array<number>(wanted.length).fill(0);
  for (const label of order) out[label.at] = label.y;
  return out;
}

/** Names that share a column, short enough for `most` characters: without the start all share, then cut in the middle. */
export function shortLabels(labels: string[], most: number): string[] {
  let prefix = 0;
  const first = labels[0] ?? "";
  if (labels.length > 1 && labels.some((label) => label.length > most)) {
    while (prefix < first.length && labels.every((label) => label[prefix] === first[prefix])) prefix++;
    // Only whole words go: `lr-0.1` and `lr-0.2` stay apart as `0.1` and `0.2`, not as `1` and `2`.
    while (prefix > 0 && !/[\s/_\-·:=]/.test(first[prefix - 1] ?? "")) prefix--;
  }
  return labels.map((label) => cut(label.slice(prefix) || label, most));
}

/** A text cut in the middle: what tells names apart stands at their ends. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const head = Math.ceil((most - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (most - 1 - head))}`;
}
