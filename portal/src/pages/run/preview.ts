/** How a file can be looked at, from its name, type and size. Pure. */

import type { ArtifactInfo } from "../../api/types";

export type PreviewKind = "image" | "table" | "json" | "text" | "unknown" | "none";

/** Text beyond this is cut: enough to recognise a file, small enough to draw at once. */
export const TEXT_BYTES = 256_000;
/** Cut JSON cannot be laid out anew, so more of it is read. */
export const JSON_BYTES = 1_000_000;
export const IMAGE_BYTES = 20_000_000;
export const TABLE_ROWS = 200;
export const TEXT_LINES = 5_000;

const IMAGES = new Set(["png", "jpg", "jpeg", "gif", "webp", "avif", "bmp", "svg", "ico"]);
const TABLES = new Set(["csv", "tsv"]);
const TEXTS = new Set(
  (
    "txt text md rst log py pyi ipynb js mjs ts tsx jsx css html htm xml yaml yml toml ini cfg conf env sh bash zsh fish bat ps1 " +
    "c h cc cpp hpp cu rs go java kt scala swift rb pl php lua r jl sql graphql proto tex bib diff patch lock gitignore dockerfile makefile jsonl ndjson"
  ).split(" "),
);
/** Bytes that no one reads as text; what is not listed is looked into. */
const BINARIES = new Set(
  (
    "pt pth ckpt safetensors pkl pickle joblib npy npz h5 hdf5 onnx pb bin gz bz2 xz zst zip tar 7z rar parquet feather arrow " +
    "sqlite db so dll exe whl jar pdf doc docx xls xlsx ppt pptx mp3 wav flac ogg mp4 mov avi mkv webm gguf tflite msgpack woff woff2 ttf"
  ).split(" "),
);

export function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  return name.slice(name.lastIndexOf(".") + 1);
}

export function previewKind(file: ArtifactInfo): PreviewKind {
  const extension = extensionOf(file.path);
  if (IMAGES.has(extension)) return file.size_bytes <= IMAGE_BYTES ? "image" : "none";
  if (TABLES.has(extension)) return "table";
  if (extension === "json") return file.size_bytes <= JSON_BYTES ? "json" : "text";
  if (TEXTS.has(extension)) return "text";
  if (BINARIES.has(extension)) return "none";
  return file.content_type.startsWith("text/") ? "text" : "unknown";
}

/** Bytes that are no text, or not in UTF-8. The last character may be cut. */
export function isBinary(text: string): boolean {
  return text.includes("\0") || text.slice(0, -1).includes("\ufffd");
}

/** JSON with indentation; text that is no JSON stays as it is. */
export function laidOut(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The separator of a table: what its first line has most of. */
export function separatorOf(text: string, extension: string): string {
  if (extension === "tsv") return "\t";
  const line = text.slice(0, text.indexOf("\n") >>> 0);
  const count = (separator: string) => line.split(separator).length;
  return [",", ";", "\t"].reduce((best, one) => (count(one) > count(best) ? one : best));
}
