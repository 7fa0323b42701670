/** Dotted names as a tree: `optimizer.lr` lies below `optimizer`, if that has more than this one. Pure. */

import { naturalSort } from "./natural";

export interface NestedRow<Value> {
  /** What is left of the name below its group. */
  label: string;
  /** The whole name, or the prefix of a group. */
  path: string;
  depth: number;
  /** null: a group. */
  entry: { value: Value } | null;
  /** Entries below a group, at any depth. */
  count: number;
}

interface Group<Value> {
  entries: [name: string, label: string, value: Value][];
  groups: Map<string, Group<Value>>;
}

const SEPARATOR = /[./]/;

/** Rows in drawing order; what lies below a closed group is left out. */
export function nestedRows<Value>(
  entries: Iterable<readonly [string, Value]>,
  isClosed: (path: string) => boolean,
): NestedRow<Value>[] {
  const rows: NestedRow<Value>[] = [];
  const visit = (group: Group<Value>, prefix: string, depth: number) => {
    const items = [
      ...group.entries.map((entry) => ({ key: entry[1], entry })),
      ...[...group.groups].map(([name, inner]) => ({ key: name, inner })),
    ];
    for (const item of naturalSort(items, ({ key }) => key)) {
      if ("entry" in item) {
        const [path, label, value] = item.entry;
        rows.push({ label, path, depth, entry: { value }, count: 1 });
        continue;
      }
      const path = prefix + item.key;
      rows.push({ label: item.key, path, depth, entry: null, count: size(item.inner) });
      if (!isClosed(path)) visit(item.inner, `${path}.`, depth + 1);
    }
  };
  visit(grouped([...entries].map(([name, value]) => [name, name, value])), "", 0);
  return rows;
}

function grouped<Value>(entries: [string, string, Value][]): Group<Value> {
  const byHead = new Map<string, [string, string, Value][]>();
  const group: Group<Value> = { entries: [], groups: new Map() };
  for (const entry of entries) {
    const at = entry[1].search(SEPARATOR);
    // A name that begins or ends with the sign is no path.
    const head = at > 0 && at < entry[1].length - 1 ? entry[1].slice(0, at) : null;
    if (head === null) group.entries.push(entry);
    else byHead.set(head, [...(byHead.get(head) ?? []), entry]);
  }
  for (const [head, list] of byHead) {
    if (list.length === 1) group.entries.push(...list);
    else
      group.groups.set(head, grouped(list.map(([name, label, value]) => [name, label.slice(head.length + 1), value])));
  }
  return group;
}

function size(group: Group<unknown>): number {
  return group.entries.length + [...group.groups.values()].reduce((sum, inner) => sum + size(inner), 0);
}
