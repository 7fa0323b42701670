/** How a file can be looked at, from its name, type and size. Pure. */

export type PreviewKind =
  | "image"
  | "audio"
  | "video"
  | "table"
  | "lines"
  | "json"
  | "markdown"
  | "text"
  | "notebook"
  | "parquet"
  | "tensors"
  | "archive"
  | "unknown"
  | "none";

/** Text beyond this is cut: enough to recognise a file, small enough to draw at once. */
export const TEXT_BYTES = 256_000;
/** Cut JSON cannot be laid out anew, so more of it is read. */
export const JSON_BYTES = 1_000_000;
export const IMAGE_BYTES = 20_000_000;
export const NOTEBOOK_BYTES = 20_000_000;
export const TABLE_ROWS = 200;
const MAX_COLUMNS = 60;
export const TEXT_LINES = 5_000;

const names = (text: string) => new Set(text.split(" "));
const IMAGES = names("png jpg jpeg gif webp avif bmp svg ico");
const AUDIOS = names("mp3 wav ogg oga flac m4a opus");
const VIDEOS = names("mp4 webm mov m4v ogv");
const TABLES = names("csv tsv");
const LINES = names("jsonl ndjson");
const TENSORS = names("safetensors npy npz");
/** Archives in zip's format, also those of PyTorch. */
const ARCHIVES = names("zip whl jar pt pth ckpt keras");
const TEXTS = names(
  "txt text rst log py pyi js mjs ts tsx jsx css html htm xml yaml yml toml ini cfg conf env sh bash zsh fish bat ps1 mlmodel " +
    "c h cc cpp hpp cu rs go java kt scala swift rb pl php lua r jl sql graphql proto tex bib diff patch lock gitignore dockerfile makefile",
);
/** Bytes that no one reads as text; what is not listed is looked into. */
const BINARIES = names(
  "pkl pickle joblib h5 hdf5 onnx pb bin gz bz2 xz zst tar 7z rar feather arrow sqlite db so dll exe pdf doc docx xls xlsx ppt " +
    "pptx avi mkv gguf tflite msgpack woff woff2 ttf",
);

export function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  return name.slice(name.lastIndexOf(".") + 1);
}

export function previewKind(file: { path: string; size_bytes: number; content_type: string }): PreviewKind {
  const extension = extensionOf(file.path);
  const within = (limit: number, kind: PreviewKind) => (file.size_bytes <= limit ? kind : "none");
  if (IMAGES.has(extension)) return within(IMAGE_BYTES, "image");
  if (AUDIOS.has(extension)) return "audio";
  if (VIDEOS.has(extension)) return "video";
  if (TABLES.has(extension)) return "table";
  if (LINES.has(extension)) return "lines";
  if (TENSORS.has(extension)) return "tensors";
  if (ARCHIVES.has(extension)) return "archive";
  if (extension === "parquet") return "parquet";
  if (extension === "ipynb") return within(NOTEBOOK_BYTES, "notebook");
  if (extension === "md" || extension === "markdown") return "markdown";
  if (extension === "json") return file.size_bytes <= JSON_BYTES ? "json" : "text";
  if (TEXTS.has(extension)) return "text";
  if (BINARIES.has(extension)) return "none";
  return file.content_type.startsWith("text/") ? "text" : "unknown";
}

/** Control characters that texts do not have. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROLS = /[\x00-\x08\x0e-\x1a\x1c-\x1f]/;

/** Bytes as text: UTF-8, UTF-16 if they begin with its mark, else Windows-1252 where nothing speaks against it. */
export function decoded(bytes: Uint8Array): { text: string; encoding: "" | "UTF-16" | "Windows-1252" } {
  const [a, b] = bytes;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff))
    return { text: new TextDecoder(a === 0xff ? "utf-16le" : "utf-16be").decode(bytes), encoding: "UTF-16" };
  const text = new TextDecoder().decode(bytes);
  if (!text.slice(0, -1).includes("\ufffd")) return { text, encoding: "" };
  const western = new TextDecoder("windows-1252").decode(bytes);
  // Of bytes that are no text at all, many would be signs and letters with accents.
  const strange = western.match(/[\u0080-\uffff]/g)?.length ?? 0;
  return CONTROLS.test(western) || strange > 0.2 * western.length
    ? { text, encoding: "" }
    : { text: western, encoding: "Windows-1252" };
}

/** Lines of JSON as rows of a table, when all are objects of about the same; null: they are not. */
export function jsonRows(text: string, limit: number): string[][] | null {
  const lines = text.split("\n", limit + 1).filter((line) => line.trim() !== "");
  const names = new Set<string>();
  const rows: Record<string, unknown>[] = [];
  for (const [at, line] of lines.entries()) {
    try {
      const row: unknown = JSON.parse(line);
      if (typeof row !== "object" || row === null || Array.isArray(row)) return null;
      rows.push(row as Record<string, unknown>);
      for (const name of Object.keys(row)) names.add(name);
    } catch {
      if (at < lines.length - 1) return null;
      break; // the last line may be cut
    }
  }
  if (names.size === 0 || names.size > MAX_COLUMNS) return null;
  const header = [...names];
  const cell = (value: unknown) =>
    value === undefined ? "" : typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return [header, ...rows.map((row) => header.map((name) => cell(row[name])))];
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
