/** Files by how a panel shows them, and which of a run's files a pattern means. Pure. */

import type { ArtifactInfo } from "../../api/types";
import { naturalSort } from "../../ui/natural";

export type Media = "image" | "audio" | "video" | "page" | "json" | "text" | "other";

const BY_EXTENSION: Record<string, Media> = {
  ...Object.fromEntries(["png", "jpg", "jpeg", "gif", "webp", "avif", "bmp", "svg"].map((one) => [one, "image"])),
  ...Object.fromEntries(["wav", "mp3", "ogg", "oga", "flac", "m4a", "aac", "opus"].map((one) => [one, "audio"])),
  ...Object.fromEntries(["mp4", "webm", "mov", "m4v", "ogv"].map((one) => [one, "video"])),
  html: "page",
  htm: "page",
  json: "json",
  ...Object.fromEntries(["txt", "md", "log", "csv", "tsv", "yaml", "yml", "py"].map((one) => [one, "text"])),
};

export function mediaOf(path: string): Media {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return BY_EXTENSION[name.slice(name.lastIndexOf(".") + 1).toLowerCase()] ?? "other";
}

/** Paths a pattern means, in natural order. `*` stands for anything within a folder's name or a file's, `**` for folders too. */
export function matching(files: ArtifactInfo[], pattern: string): ArtifactInfo[] {
  const text = pattern
    .split(/(\*\*?)/)
    .map((part) => (part === "**" ? ".*" : part === "*" ? "[^/]*" : escapedPattern(part)));
  const wanted = new RegExp(`^${text.join("")}$`);
  return naturalSort(
    files.filter((file) => wanted.test(file.path)),
    (file) => file.path,
  );
}

/** The folder all matches lie in: what to ask the server for. */
export function folderOf(pattern: string): string {
  const fixed = pattern.split("*", 1)[0] ?? "";
  return fixed.slice(0, Math.max(0, fixed.lastIndexOf("/")));
}

function escapedPattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Files that are worth a panel by themselves, as patterns: those of one folder and type are one panel with a slider. */
export function mediaPatterns(files: ArtifactInfo[]): string[] {
  const patterns = new Set<string>();
  for (const { path } of files) {
    // Images, tables and JSON charts of metrics have panels of their own.
    if (!["audio", "video", "page"].includes(mediaOf(path)) && !/\.plotly\.json$/i.test(path)) continue;
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    const extension = /(\.plotly\.json|\.[^./]+)$/i.exec(path)?.[0] ?? "";
    patterns.add(`${folder}*${extension}`);
  }
  return naturalSort(patterns, (pattern) => pattern);
}
