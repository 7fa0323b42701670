/** A Jupyter notebook (nbformat 3 and 4) as cells to draw. Its HTML is left out: what a notebook prints must not run here. */

export type CellOutput = { kind: "text" | "error"; text: string } | { kind: "image"; url: string };
export interface NotebookCell {
  kind: "code" | "markdown" | "raw";
  text: string;
  /** null: not run. */
  count: number | null;
  outputs: CellOutput[];
}
export interface Notebook {
  language: string;
  cells: NotebookCell[];
}

const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const BASE64 = /^[A-Za-z0-9+/=\s]+$/;

type Loose = Record<string, unknown>;
const record = (value: unknown): Loose => (typeof value === "object" && value !== null ? (value as Loose) : {});
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
/** nbformat writes text as a string or as a list of lines. */
const text = (value: unknown): string =>
  Array.isArray(value) ? value.map(String).join("") : typeof value === "string" ? value : "";

/** null: the text is no notebook. */
export function parseNotebook(json: string): Notebook | null {
  let parsed: Loose;
  try {
    parsed = record(JSON.parse(json));
  } catch {
    return null;
  }
  const cells = Array.isArray(parsed["cells"]) ? parsed["cells"] : record(list(parsed["worksheets"])[0])["cells"];
  if (!Array.isArray(cells)) return null;
  const metadata = record(parsed["metadata"]);
  const language = record(metadata["language_info"])["name"] ?? record(metadata["kernelspec"])["language"] ?? "python";
  return {
    language: String(language),
    cells: cells.map((cell) => {
      const one = record(cell);
      const kind = one["cell_type"];
      const count = one["execution_count"] ?? one["prompt_number"];
      return {
        kind: kind === "code" || kind === "markdown" ? kind : kind === "heading" ? "markdown" : "raw",
        text: text(one["source"] ?? one["input"]),
        count: typeof count === "number" ? count : null,
        outputs: list(one["outputs"]).map(output),
      };
    }),
  };
}

function output(value: unknown): CellOutput {
  const one = record(value);
  if (one["output_type"] === "error" || one["output_type"] === "pyerr") {
    const trace = list(one["traceback"]).map(String).join("\n");
    return { kind: "error", text: trace || `${String(one["ename"])}: ${String(one["evalue"])}` };
  }
  if (one["output_type"] === "stream") return { kind: "text", text: text(one["text"]) };
  const data = { ...one, ...record(one["data"]) };
  for (const type of IMAGES) {
    const bytes = text(data[type] ?? data[type.slice(6)]);
    if (bytes !== "" && BASE64.test(bytes))
      return { kind: "image", url: `data:${type};base64,${bytes.replace(/\s/g, "")}` };
  }
  return { kind: "text", text: text(data["text/plain"] ?? data["text"]) };
}
