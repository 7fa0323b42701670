/** Slash-separated paths as a tree of folders. */

import { naturalCompare } from "./natural";

export interface TreeItem {
  path: string;
  size_bytes: number;
}

/** A line of the drawn tree. */
export interface TreeRow<Item extends TreeItem> {
  /** Last part of the path. */
  name: string;
  path: string;
  depth: number;
  /** Of a folder: of all below it. */
  size_bytes: number;
  /** null: a folder. */
  item: Item | null;
  /** Files below a folder, at any depth. */
  files: number;
}

interface Folder<Item extends TreeItem> {
  folders: Map<string, Folder<Item>>;
  items: Item[];
  size_bytes: number;
  files: number;
}

const empty = <Item extends TreeItem>(): Folder<Item> => ({ folders: new Map(), items: [], size_bytes: 0, files: 0 });

/** Lines in drawing order: folders before files, each in natural order. What lies below a closed folder is left out. */
export function treeRows<Item extends TreeItem>(
  items: Iterable<Item>,
  isClosed: (path: string) => boolean,
): TreeRow<Item>[] {
  const root = empty<Item>();
  for (const item of items) {
    let folder = root;
    for (const part of item.path.split("/").slice(0, -1)) {
      let next = folder.folders.get(part);
      if (next === undefined) {
        next = empty();
        folder.folders.set(part, next);
      }
      next.size_bytes += item.size_bytes;
      next.files++;
      folder = next;
    }
    folder.items.push(item);
  }
  const rows: TreeRow<Item>[] = [];
  const visit = (folder: Folder<Item>, prefix: string, depth: number) => {
    for (const [name, inner] of [...folder.folders].sort(([a], [b]) => naturalCompare(a, b))) {
      const path = prefix + name;
      rows.push({ name, path, depth, size_bytes: inner.size_bytes, item: null, files: inner.files });
      if (!isClosed(path)) visit(inner, `${path}/`, depth + 1);
    }
    for (const item of folder.items.sort((a, b) => naturalCompare(a.path, b.path)))
      rows.push({
        name: item.path.slice(prefix.length),
        path: item.path,
        depth,
        size_bytes: item.size_bytes,
        item,
        files: 1,
      });
  };
  visit(root, "", 0);
  return rows;
}
