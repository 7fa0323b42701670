/** The source a run was started with, as kept: its files, and how those of two runs differ. */

import { api } from "../../api/client";
import type { ArtifactInfo } from "../../api/types";
import type { DiffFile } from "../../ui/diff";
import { naturalCompare } from "../../ui/natural";
import { diffTexts } from "../../ui/textdiff";
import { listZip, type ReadRange, readZipEntry, type ZipEntry } from "../../ui/zip";
import { isBinary } from "../files/preview";

const FOLDER = ".snapshot";
/** Files beyond this are told as changed, not shown. */
const MAX_DIFF_BYTES = 500_000;
const MAX_DIFF_FILES = 100;

export interface Snapshot {
  file: ArtifactInfo;
  entries: ZipEntry[];
  read: ReadRange;
}

/** null: none was taken. */
export async function snapshotOf(runId: string): Promise<Snapshot | null> {
  const file = (await api.artifacts(runId, FOLDER)).find((one) => one.path.endsWith(".zip"));
  if (file === undefined) return null;
  const read: ReadRange = (start, end) => api.artifactBytes(runId, file.path, start, Math.min(end, file.size_bytes));
  return { file, entries: await listZip(read, file.size_bytes), read };
}

export interface FileChange {
  path: string;
  before: ZipEntry | null;
  after: ZipEntry | null;
}

/** Files that were added, removed or have other content, by path. */
export function changedFiles(before: readonly ZipEntry[], after: readonly ZipEntry[]): FileChange[] {
  const old = new Map(before.map((entry) => [entry.path, entry]));
  const now = new Map(after.map((entry) => [entry.path, entry]));
  return [...new Set([...old.keys(), ...now.keys()])]
    .map((path) => ({ path, before: old.get(path) ?? null, after: now.get(path) ?? null }))
    .filter(({ before: a, after: b }) => a === null || b === null || a.crc !== b.crc || a.size_bytes !== b.size_bytes)
    .sort((a, b) => naturalCompare(a.path, b.path));
}

/** How the files of two snapshots differ; only those that do are read. */
export async function diffSnapshots(before: Snapshot, after: Snapshot): Promise<{ files: DiffFile[]; hidden: number }> {
  const changes = changedFiles(before.entries, after.entries);
  const text = async (snapshot: Snapshot, entry: ZipEntry | null) =>
    entry === null ? "" : new TextDecoder().decode(await readZipEntry(snapshot.read, entry, MAX_DIFF_BYTES));
  const files: DiffFile[] = [];
  for (const change of changes.slice(0, MAX_DIFF_FILES)) {
    const size = Math.max(change.before?.size_bytes ?? 0, change.after?.size_bytes ?? 0);
    const told = { path: change.path, added: 0, removed: 0, lines: [] };
    if (size > MAX_DIFF_BYTES) {
      files.push(told);
      continue;
    }
    const [a, b] = await Promise.all([text(before, change.before), text(after, change.after)]);
    files.push(isBinary(a) || isBinary(b) ? told : (diffTexts(change.path, a, b) ?? told));
  }
  return { files, hidden: Math.max(0, changes.length - MAX_DIFF_FILES) };
}
