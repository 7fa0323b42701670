/** Tables as text for the clipboard and for files. */

export type Cell = string | number | boolean | null | undefined;

/** RFC 4180, line ends \n. A cell that a spreadsheet would run as a formula is left as it is: the data is the user's own. */
export function toCsv(header: string[], rows: Cell[][]): string {
  const quote = (cell: Cell) => {
    const text = cell === null || cell === undefined ? "" : String(cell);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[header, ...rows].map((row) => row.map(quote).join(",")).join("\n")}\n`;
}

export function toMarkdown(header: string[], rows: Cell[][]): string {
  const escaped = (cell: Cell) =>
    cell === null || cell === undefined
      ? ""
      : String(cell).replaceAll("\\", "\\\\").replaceAll("|", "\\|").replace(/\r?\n/g, " ");
  const isNumber = header.map(
    (_, at) => rows.length > 0 && rows.every((row) => typeof row[at] === "number" || row[at] == null),
  );
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return `${[
    line(header.map(escaped)),
    line(isNumber.map((right) => (right ? "--:" : "---"))),
    ...rows.map((row) => line(row.map(escaped))),
  ].join("\n")}\n`;
}

/** Enough of RFC 4180 for a preview: at most `limit` rows. */
export function parseCsv(text: string, separator: string, limit: number): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let isQuoted = false;
  for (let at = 0; at < text.length && rows.length < limit; at++) {
    const char = text[at];
    if (isQuoted) {
      if (char !== '"') cell += char;
      else if (text[at + 1] === '"') {
        cell += '"';
        at++;
      } else isQuoted = false;
    } else if (char === '"' && cell === "") isQuoted = true;
    else if (char === separator || char === "\n") {
      row.push(cell);
      cell = "";
      if (char === "\n") {
        rows.push(row);
        row = [];
      }
    } else if (char !== "\r") cell += char;
  }
  if (rows.length < limit && (cell !== "" || row.length > 0)) rows.push([...row, cell]);
  return rows;
}

/** A tabular for a paper, rules as the package booktabs has them. */
export function toLatex(header: string[], rows: Cell[][]): string {
  const special: Record<string, string> = {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "±": "$\\pm$",
  };
  const escaped = (cell: Cell) =>
    cell === null || cell === undefined
      ? "--"
      : String(cell)
          .replace(/\s+/g, " ")
          .replace(/[\\~^±&%$#_{}]/g, (char) => special[char] ?? `\\${char}`);
  const isNumber = header.map(
    (_, at) => rows.length > 0 && rows.every((row) => typeof row[at] === "number" || row[at] == null),
  );
  const line = (cells: string[]) => `  ${cells.join(" & ")} \\\\`;
  return `${[
    `\\begin{tabular}{${isNumber.map((right) => (right ? "r" : "l")).join("")}}`,
    "  \\toprule",
    line(header.map(escaped)),
    "  \\midrule",
    ...rows.map((row) => line(row.map(escaped))),
    "  \\bottomrule",
    "\\end{tabular}",
  ].join("\n")}\n`;
}
