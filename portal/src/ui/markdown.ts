/** Markdown as people write it in notes: enough of CommonMark to read them well. Pure; no HTML comes in and none goes out.
 *
 * Known: headings, paragraphs, lists (nested, with boxes to tick), quotes, fenced and indented code, tables, rules; in a line:
 * emphasis, strong, code, links and bare addresses. Whatever else stays the text it is.
 */

export type Inline =
  | { kind: "text" | "code"; text: string }
  | { kind: "strong" | "em" | "strike"; parts: Inline[] }
  | { kind: "link"; href: string; parts: Inline[] };

export type Block =
  | { kind: "heading"; level: number; parts: Inline[] }
  | { kind: "paragraph"; parts: Inline[] }
  | { kind: "code"; text: string; language: string }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; isOrdered: boolean; start: number; items: { blocks: Block[]; isDone: boolean | null }[] }
  | { kind: "table"; header: Inline[][]; rows: Inline[][][]; align: ("left" | "right" | "center")[] }
  | { kind: "rule" };

/** Lists in lists and quotes in quotes beyond this are drawn as text: no note has more, and a hostile one should not sink the page. */
const MAX_DEPTH = 8;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;

export function parseMarkdown(text: string, depth = 0): Block[] {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const blocks: Block[] = [];
  let at = 0;
  const line = () => lines[at] ?? "";
  while (at < lines.length) {
    if (line().trim() === "") {
      at++;
      continue;
    }
    const fence = /^\s{0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/.exec(line());
    if (fence !== null) {
      const [, mark = "```", language = ""] = fence;
      const code: string[] = [];
      for (at++; at < lines.length && !line().trim().startsWith(mark); at++) code.push(line());
      at++;
      blocks.push({ kind: "code", text: code.join("\n"), language });
      continue;
    }
    const heading = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line());
    if (heading !== null) {
      blocks.push({ kind: "heading", level: heading[1]?.length ?? 1, parts: parseInline(heading[2] ?? "") });
      at++;
      continue;
    }
    if (/^\s{0,3}([-*_])(\s*\1){2,}\s*$/.test(line())) {
      blocks.push({ kind: "rule" });
      at++;
      continue;
    }
    if (/^\s{0,3}>/.test(line()) && depth < MAX_DEPTH) {
      const inner: string[] = [];
      for (; at < lines.length && /^\s{0,3}>/.test(line()); at++) inner.push(line().replace(/^\s{0,3}>\s?/, ""));
      blocks.push({ kind: "quote", blocks: parseMarkdown(inner.join("\n"), depth + 1) });
      continue;
    }
    if (ITEM.test(line()) && depth < MAX_DEPTH) {
      const [list, next] = parseList(lines, at, depth);
      blocks.push(list);
      at = next;
      continue;
    }
    if (line().includes("|") && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[at + 1] ?? "")) {
      const cells = (row: string) =>
        row
          .trim()
          .replace(/^\||\|$/g, "")
          .split("|")
          .map((cell) => cell.trim());
      const header = cells(line()).map(parseInline);
      const align = cells(lines[at + 1] ?? "").map((mark) =>
        mark.startsWith(":") && mark.endsWith(":") ? "center" : mark.endsWith(":") ? "right" : "left",
      );
      const rows: Inline[][][] = [];
      for (at += 2; at < lines.length && line().includes("|"); at++) rows.push(cells(line()).map(parseInline));
      blocks.push({ kind: "table", header, rows, align });
      continue;
    }
    if (/^ {4}/.test(line())) {
      const code: string[] = [];
      for (; at < lines.length && (/^ {4}/.test(line()) || line().trim() === ""); at++) code.push(line().slice(4));
      blocks.push({ kind: "code", text: code.join("\n").trimEnd(), language: "" });
      continue;
    }
    const paragraph: string[] = [];
    do {
      paragraph.push(line().trim());
      at++;
    } while (
      at < lines.length &&
      line().trim() !== "" &&
      !/^\s{0,3}(#{1,6}\s|>|`{3}|~{3})/.test(line()) &&
      !ITEM.test(line())
    );
    blocks.push({ kind: "paragraph", parts: parseInline(paragraph.join("\n")) });
  }
  return blocks;
}

function parseList(lines: string[], from: number, depth: number): [Block, number] {
  const first = ITEM.exec(lines[from] ?? "");
  const indent = first?.[1]?.length ?? 0;
  const isOrdered = /\d/.test(first?.[2] ?? "");
  const items: { blocks: Block[]; isDone: boolean | null }[] = [];
  let at = from;
  while (at < lines.length) {
    const item = ITEM.exec(lines[at] ?? "");
    if (item === null || (item[1]?.length ?? 0) !== indent || /\d/.test(item[2] ?? "") !== isOrdered) break;
    const inner = [item[3] ?? ""];
    const width = indent + (item[2]?.length ?? 1) + 1;
    for (at++; at < lines.length; at++) {
      const line = lines[at] ?? "";
      const isDeeper = line.search(/\S/) > indent;
      // A blank line ends the item unless what follows is indented below it.
      if (line.trim() === "" ? (lines[at + 1] ?? "").search(/\S/) <= indent : !isDeeper) break;
      inner.push(line.slice(Math.min(width, Math.max(0, line.search(/\S/)))));
    }
    while ((lines[at] ?? "").trim() === "" && ITEM.test(lines[at + 1] ?? "")) at++;
    const box = /^\[([ xX])\]\s+/.exec(inner[0] ?? "");
    if (box !== null) inner[0] = (inner[0] ?? "").slice(box[0].length);
    items.push({ blocks: parseMarkdown(inner.join("\n"), depth + 1), isDone: box === null ? null : box[1] !== " " });
  }
  return [{ kind: "list", isOrdered, start: Number.parseInt(first?.[2] ?? "1", 10) || 1, items }, at];
}

// Each alternative ends where its mark does, so a line is read once from left to right.
const INLINE =
  /(?<escape>\\[\\`*_{}[\]()#+.!|~>-])|(?<ticks>`+)(?<code>.+?)\k<ticks>(?!`)|\[(?<label>[^[\]]*)\]\((?<target>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)|(?<bare>https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]])|\*\*(?<strong>[^*]+?)\*\*|~~(?<strike>[^~]+?)~~|(?<![\w*])\*(?<em>[^*\s](?:[^*]*[^*\s])?)\*|(?<![\w_])_(?<under>[^_\s](?:[^_]*[^_\s])?)_(?![\w])/gs;

export function parseInline(text: string): Inline[] {
  const parts: Inline[] = [];
  let from = 0;
  const plain = (end: number) => {
    if (end > from) parts.push({ kind: "text", text: text.slice(from, end) });
  };
  for (const match of text.matchAll(INLINE)) {
    const found = match.groups ?? {};
    plain(match.index);
    from = match.index + match[0].length;
    if (found["escape"] !== undefined) parts.push({ kind: "text", text: found["escape"].slice(1) });
    else if (found["code"] !== undefined) parts.push({ kind: "code", text: found["code"].trim() });
    else if (found["label"] !== undefined) {
      const href = safeHref(found["target"] ?? "");
      if (href === null) parts.push({ kind: "text", text: match[0] });
      else parts.push({ kind: "link", href, parts: parseInline(found["label"] || href) });
    } else if (found["bare"] !== undefined)
      parts.push({ kind: "link", href: found["bare"], parts: [{ kind: "text", text: found["bare"] }] });
    else if (found["strong"] !== undefined) parts.push({ kind: "strong", parts: parseInline(found["strong"]) });
    else if (found["strike"] !== undefined) parts.push({ kind: "strike", parts: parseInline(found["strike"]) });
    else parts.push({ kind: "em", parts: parseInline(found["em"] ?? found["under"] ?? "") });
  }
  plain(text.length);
  return parts;
}

/** A line of Markdown without its marks: where there is room for words only. */
export function plainText(text: string): string {
  const said = (parts: Inline[]): string =>
    parts.map((part) => ("text" in part ? part.text : said(part.parts))).join("");
  return said(parseInline(text.replace(/^\s*(?:#{1,6}|>|[-*+])\s+/, "")));
}

/** Addresses that only lead somewhere; null for those that could do something (`javascript:`) or are none. */
function safeHref(target: string): string | null {
  if (/^(https?:\/\/|mailto:)/i.test(target)) return target;
  return /^[/#?]/.test(target) && !target.startsWith("//") ? target : null;
}
