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
  const prefix = labels.some((label) => label.length > most) ? sharedStart(labels) : 0;
  return labels.map((label) => cut(label.slice(prefix) || label, most));
}

/** Characters that all start with, whole words only: `lr-0.1` and `lr-0.2` stay apart as `0.1` and `0.2`, not as `1` and `2`. */
export function sharedStart(labels: string[]): number {
  const [first = "", other] = labels;
  if (other === undefined) return 0;
  let prefix = 0;
  while (prefix < first.length && labels.every((label) => label[prefix] === first[prefix])) prefix++;
  const isBreak = (at: number) =>
    /[\s/_\-·:=]/.test(first[at] ?? "") || (first[at] === "." && !/^\d\.\d/.test(first.slice(at - 1, at + 2)));
  while (prefix > 0 && !isBreak(prefix - 1)) prefix--;
  return prefix;
}

/** Captions of panels that stand together: long ones without what all of them start with. Their ends are what tells them apart. */
export function captions(names: string[], most: number): string[] {
  const long = names.filter((name) => name.length > most);
  const prefix = sharedStart(long);
  return names.map((name) => (name.length > most && prefix > 3 ? `…${name.slice(prefix)}` : name));
}

/** A text cut in the middle: what tells names apart stands at their ends. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const signs = Array.from(text); // half of an emoji is none
  if (signs.length <= most) return text;
  const head = Math.ceil((most - 1) / 2);
  return `${signs.slice(0, head).join("")}…${signs.slice(signs.length - (most - 1 - head)).join("")}`;
}
