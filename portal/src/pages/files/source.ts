/** A file that can be looked at, wherever its bytes are: with a run, or inside of an archive. */

import { api, artifactUrl } from "../../api/client";
import type { ArtifactInfo } from "../../api/types";
import { type ReadRange, readZipEntry, type ZipEntry } from "../../ui/zip";

export interface FileSource {
  path: string;
  size_bytes: number;
  /** "" when it is not known. */
  sha256: string;
  content_type: string;
  /** Where the browser finds it as it is; null: only through `read`. */
  url: string | null;
  downloadUrl: string | null;
  /** Bytes [start, end), fewer at the end of the file. */
  read: ReadRange;
}

/** A file of a run or a logged model. */
export function artifactSource(owner: string, file: ArtifactInfo): FileSource {
  return {
    ...file,
    url: artifactUrl(owner, file.path),
    downloadUrl: artifactUrl(owner, file.path, true),
    read: (start, end) => api.artifactBytes(owner, file.path, start, Math.min(end, file.size_bytes)),
  };
}

/** Files of a logged model as a folder among those of the run that made it. */
export interface Mount {
  owner: string;
  folder: string;
}

/** Where logged models lie among a run's files: under their name, with a part of their id where it is taken. */
export function mountsOf(models: readonly { id: string; name: string }[], paths: readonly string[]): Mount[] {
  const taken = new Set(paths.map((path) => path.split("/", 1)[0] ?? ""));
  return models.map(({ id, name }) => {
    const wanted = name.replaceAll("/", "_") || id;
    const folder = taken.has(wanted) ? `${wanted} (${id.slice(0, 8)})` : wanted;
    taken.add(folder);
    return { owner: id, folder };
  });
}

/** A file inside of a zip archive. It is unpacked from its beginning, as far as is asked for. */
export function zipSource(archive: ReadRange, entry: ZipEntry): FileSource {
  return {
    path: entry.path,
    size_bytes: entry.size_bytes,
    sha256: "",
    content_type: "application/octet-stream",
    url: null,
    downloadUrl: null,
    read: async (start, end) => (await readZipEntry(archive, entry, Math.min(end, entry.size_bytes))).slice(start),
  };
}
