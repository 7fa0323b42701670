/** The filter language as the field understands it while one types: what it says so far, and what may come next.
 *
 * The server alone decides what is right; this only helps. The language: `metrics.loss < 0.1 and (params.model = 'resnet' or tags.kind is null)`.
 */

export type TokenKind = "word" | "key" | "text" | "number" | "operator" | "joint" | "open" | "close" | "comma" | "odd";

export interface Token {
  kind: TokenKind;
  text: string;
  start: number;
  end: number;
}

const JOINTS = new Set(["and", "or", "not"]);
const WORD_OPERATORS = new Set(["like", "ilike", "in", "is", "null"]);
/** In the order of trial. A key is quoted by backticks or, after a dot, by double quotes; an open quote runs to the end. */
const PATTERNS: [TokenKind, RegExp][] = [
  ["key", /[A-Za-z_]+\.(?:`(?:[^`]|``)*(?:`|$)|"(?:[^"]|"")*(?:"|$)|[\w./-]*)/y],
  ["text", /'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)/y],
  ["number", /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])/y],
  ["operator", /<=|>=|!=|<>|==|=|<|>/y],
  ["open", /\(/y],
  ["close", /\)/y],
  ["comma", /,/y],
  ["word", /[^\s()<>=!,'"`]+/y],
  ["odd", /\S/y],
];

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at] ?? "")) {
      at++;
      continue;
    }
    for (const [kind, pattern] of PATTERNS) {
      pattern.lastIndex = at;
      const found = pattern.exec(text)?.[0];
      if (found === undefined) continue;
      const lower = found.toLowerCase();
      const actual =
        kind !== "word" ? kind : JOINTS.has(lower) ? "joint" : WORD_OPERATORS.has(lower) ? "operator" : kind;
      tokens.push({ kind: actual, text: found, start: at, end: at + found.length });
      at += found.length;
      break;
    }
  }
  return tokens;
}

const SIGNS = /^[<>=!]/;

/** Whether a text is meant as a condition; else its words are searched for. */
export function isCondition(text: string): boolean {
  const tokens = tokenize(text);
  return tokens.some((token, at) => {
    if (token.kind !== "operator") return false;
    const before = tokens[at - 1];
    const isAfterNot = before?.kind === "joint" && before.text.toLowerCase() === "not";
    const left = isAfterNot ? tokens[at - 2] : before;
    if (left === undefined) return false;
    if (SIGNS.test(token.text)) return left.kind === "key" || left.kind === "word" || left.kind === "close";
    // "in" and "is" are words of English too.
    return left.kind === "key" || left.kind === "close" || ATTRIBUTE_WORDS.has(left.text.toLowerCase());
  });
}

/** Attributes of runs that can be compared; how their values are given. */
export const FILTER_ATTRIBUTES: Record<string, "text" | "number" | "time" | "status"> = {
  name: "text",
  status: "status",
  start: "time",
  end: "time",
  duration: "number",
  user: "text",
  experiment: "text",
  number: "number",
  id: "text",
  type: "text",
  description: "text",
  parent: "text",
};
const ATTRIBUTE_WORDS = new Set(Object.keys(FILTER_ATTRIBUTES));
const FUNCTIONS = ["min", "max", "mean", "count", "step"];

export interface Vocabulary {
  params: readonly string[];
  metrics: readonly string[];
  tags: readonly string[];
  statuses: readonly string[];
  /** Values seen of a term such as `params.model` or `user`, as the language writes them. */
  values: (term: string) => readonly string[];
}

export interface Suggestion {
  /** What replaces the text between `from` and `to`. */
  insert: string;
  label: string;
  kind: "attribute" | "param" | "metric" | "tag" | "function" | "operator" | "value" | "joint";
}

export interface Completion {
  from: number;
  to: number;
  items: Suggestion[];
}

const MAX_ITEMS = 50;

/** A key as the language writes it: `params.lr`, quoted where it must be. */
export function termOf(entity: "params" | "metrics" | "tags", name: string): string {
  return `${entity}.${/^[\w./-]+$/.test(name) ? name : `\`${name.replaceAll("`", "``")}\``}`;
}

export function quoted(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** What may stand at the cursor. */
export function complete(text: string, cursor: number, vocabulary: Vocabulary): Completion {
  const tokens = tokenize(text.slice(0, cursor));
  const last = tokens.at(-1);
  // The token that the cursor touches is being written, unless it can only be whole.
  const isOpen =
    last !== undefined && last.end === cursor && !["open", "close", "comma"].includes(last.kind) && !isSign(last);
  const partial = isOpen && last !== undefined ? last.text : "";
  const before = isOpen ? tokens.slice(0, -1) : tokens;
  const from = isOpen && last !== undefined ? last.start : cursor;
  const rest = /^[\w./-]*/.exec(text.slice(cursor))?.[0].length ?? 0;
  const to = isOpen && /[\w./-]$/.test(partial) ? cursor + rest : cursor;
  const items = (candidates: Suggestion[]): Completion => ({
    from,
    to,
    items: ranked(candidates, partial)
      .filter((item) => item.insert !== partial)
      .slice(0, MAX_ITEMS),
  });

  const state = stateAfter(before);
  if (state.expects === "left") return items(lefts(vocabulary));
  if (state.expects === "operator") return items(operators(state.term));
  if (state.expects === "value") return items(values(state.term, vocabulary));
  return items([joint("and"), joint("or")]);
}

/** Those that contain what is typed, the ones that begin with it first, then those where a part of the name does. */
function ranked(candidates: readonly Suggestion[], partial: string): readonly Suggestion[] {
  const wanted = partial.toLowerCase().replace(/^['"`]/, "");
  if (wanted === "") return candidates;
  const rank = ({ label }: Suggestion) => {
    const lower = label.toLowerCase();
    const at = lower.indexOf(wanted);
    if (at < 0) return null;
    if (at === 0 || (at === 1 && /^['"`]/.test(lower))) return 0;
    return /[./_\-\s]/.test(lower[at - 1] ?? "") ? 1 : 2;
  };
  const found = candidates.flatMap((item) => {
    const score = rank(item);
    return score === null ? [] : [{ item, score }];
  });
  return found.sort((a, b) => a.score - b.score || a.item.label.length - b.item.label.length).map(({ item }) => item);
}

const isSign = (token: Token) => token.kind === "operator" && SIGNS.test(token.text);
const joint = (word: string): Suggestion => ({ insert: word, label: word, kind: "joint" });

interface State {
  expects: "left" | "operator" | "value" | "joint";
  term: string;
}

function stateAfter(tokens: readonly Token[]): State {
  let expects: State["expects"] = "left";
  let term = "";
  let isInCall = false;
  let isInList = false;
  for (const [at, token] of tokens.entries()) {
    const lower = token.text.toLowerCase();
    if (expects === "left") {
      if (token.kind === "open") isInCall = FUNCTIONS.includes(tokens[at - 1]?.text.toLowerCase() ?? "");
      else if (token.kind === "key") {
        term = token.text;
        expects = isInCall ? "left" : "operator";
      } else if (token.kind === "close" && isInCall) {
        isInCall = false;
        expects = "operator";
      } else if (token.kind === "word" && !(FUNCTIONS.includes(lower) && tokens[at + 1]?.kind === "open")) {
        term = lower;
        expects = "operator";
      }
    } else if (expects === "operator") {
      if (token.kind === "operator") expects = "value";
      else if (token.kind !== "joint") expects = "joint";
    } else if (expects === "value") {
      if (lower === "null") expects = "joint";
      else if (token.kind === "open") isInList = true;
      else if (token.kind === "close") {
        isInList = false;
        expects = "joint";
      } else if (!isInList && ["text", "number", "word", "key"].includes(token.kind)) expects = "joint";
    } else if (token.kind === "joint") expects = "left";
  }
  return { expects, term };
}

function lefts(vocabulary: Vocabulary): Suggestion[] {
  const keys = (entity: "params" | "metrics" | "tags", kind: Suggestion["kind"]) =>
    vocabulary[entity].map((name): Suggestion => ({ insert: termOf(entity, name), label: termOf(entity, name), kind }));
  return [
    ...Object.keys(FILTER_ATTRIBUTES).map((name): Suggestion => ({ insert: name, label: name, kind: "attribute" })),
    ...keys("params", "param"),
    ...keys("metrics", "metric"),
    ...keys("tags", "tag"),
    ...FUNCTIONS.map(
      (name): Suggestion => ({ insert: `${name}(metrics.`, label: `${name}(metrics.…)`, kind: "function" }),
    ),
    joint("not"),
  ];
}

function operators(term: string): Suggestion[] {
  const kind = FILTER_ATTRIBUTES[term];
  const isText = kind === "text" || /^(params?|tags?|datasets?)\./.test(term);
  const signs =
    kind === "status"
      ? ["=", "!="]
      : isText && !/^params?\./.test(term)
        ? ["=", "!="]
        : ["<", "<=", ">", ">=", "=", "!="];
  const words = isText ? ["like", "ilike", "in", "not in"] : kind === "status" ? ["in", "not in"] : [];
  const nulls = kind === undefined ? ["is null", "is not null"] : [];
  return [...signs, ...words, ...nulls].map((name) => ({ insert: name, label: name, kind: "operator" as const }));
}

function values(term: string, vocabulary: Vocabulary): Suggestion[] {
  const item = (text: string): Suggestion => ({ insert: text, label: text, kind: "value" });
  const kind = FILTER_ATTRIBUTES[term];
  if (kind === "status") return vocabulary.statuses.map((word) => item(quoted(word)));
  if (kind === "time") return ["'-1h'", "'-1d'", "'-7d'", "'-30d'"].map(item);
  return vocabulary.values(term).map(item);
}

/** Whether a condition stops where something has to follow: the server would only say so. */
export function isHalfWritten(text: string): boolean {
  const tokens = tokenize(text);
  const last = tokens.at(-1);
  if (last === undefined) return false;
  if (stateAfter(tokens).expects !== "joint") return true;
  if (/^['"`]/.test(last.text) && (last.text.length < 2 || !last.text.endsWith(last.text[0] ?? ""))) return true;
  const depth = tokens.reduce((sum, { kind }) => sum + (kind === "open" ? 1 : kind === "close" ? -1 : 0), 0);
  return depth > 0;
}

/** Where the reader probably forgot a prefix: `lr` at the place of an error, when there is a param `lr`. */
export function repair(text: string, position: number, vocabulary: Vocabulary): { text: string; term: string } | null {
  const token = tokenize(text).find((one) => one.start <= position && position < one.end);
  if (token?.kind !== "word") return null;
  for (const entity of ["params", "metrics", "tags"] as const) {
    const name = vocabulary[entity].find((one) => one === token.text);
    if (name === undefined) continue;
    const term = termOf(entity, name);
    return { text: text.slice(0, token.start) + term + text.slice(token.end), term };
  }
  return null;
}

/** A text with another condition that must hold as well. */
export function withCondition(text: string, condition: string): string {
  const trimmed = text.trim();
  if (trimmed === "" || !isCondition(trimmed)) return condition;
  const hasOr = tokenize(trimmed).some((token) => token.kind === "joint" && token.text.toLowerCase() === "or");
  return `${hasOr ? `(${trimmed})` : trimmed} and ${condition}`;
}
