/** Colours of code: which parts of a text are comments, strings, numbers, words of the language. Pure.
 *
 * A reader's aid, not a parser: one pass with one expression a language family, from left to right, so that a `#` in a string is no comment.
 */

export const TOKENS = ["comment", "string", "number", "keyword", "name"] as const;
export type Token = (typeof TOKENS)[number];
export interface TokenRange {
  token: Token;
  start: number;
  end: number;
}

const words = (text: string) => text.trim().split(/\s+/).join("|");
const NUMBER = String.raw`(?<number>(?<![\w.])(?:0[xXbBoO][\da-fA-F_]+|\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?)(?![\w]))`;
// A string that is not closed ends with its line: looking further for the end at each quote would take quadratic time.
const SINGLE = String.raw`"(?:[^"\\\n]|\\.)*(?:"|\\?$|\\?(?=\n))|'(?:[^'\\\n]|\\.)*(?:'|\\?$|\\?(?=\n))`;

const PYTHON = new RegExp(
  String.raw`(?<comment>#[^\n]*)|(?<string>[rbfuRBFU]{0,2}(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|${SINGLE}))|${NUMBER}|(?<name>@[\w.]+|(?<=\b(?:def|class)\s+)\w+)|(?<keyword>\b(?:${words(
    "False None True and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return self try while with yield",
  )})\b)`,
  "g",
);
const C_LIKE = new RegExp(
  String.raw`(?<comment>//[^\n]*|/\*[\s\S]*?(?:\*/|$))|(?<string>${SINGLE}|${"`"}(?:[^${"`"}\\]|\\[\s\S])*(?:${"`"}|\\?$))|${NUMBER}|(?<keyword>\b(?:${words(
    "abstract as async await auto bool break case catch char class const continue default defer delete do double else enum export extends extern false final finally float fn for from func function go if impl implements import in int interface let long loop match mod module mut namespace new nil null override package private protected pub public range return self short signed sizeof static struct super switch template this throw trait true try type typedef typeof undefined union unsafe unsigned use using var virtual void volatile while yield",
  )})\b)`,
  "g",
);
const CONFIG = new RegExp(
  String.raw`(?<comment>(?<=^|\s)[#;][^\n]*)|(?<string>${SINGLE})|(?<name>(?<=^[ \t]*(?:- +)?)[\w.$/-]+(?=\s*[:=](?:\s|$))|^\s*\[[^\]\n]*\])|${NUMBER}|(?<keyword>\b(?:true|false|null|yes|no|on|off)\b)`,
  "gm",
);
const SHELL = new RegExp(
  String.raw`(?<comment>(?<=^|\s)#[^\n]*)|(?<string>"(?:[^"\\]|\\[\s\S])*(?:"|\\?(?![\s\S]))|'[^']*(?:'|(?![\s\S])))|(?<name>\$\{?\w+\}?)|(?<keyword>\b(?:${words(
    "if then else elif fi for in do done while until case esac function return export local source set unset exit echo cd FROM RUN COPY ADD ENV WORKDIR CMD ENTRYPOINT ARG EXPOSE",
  )})\b)`,
  "gm",
);
const JSON_LIKE = new RegExp(
  String.raw`(?<name>"(?:[^"\\\n]|\\.)*"(?=\s*:))|(?<string>"(?:[^"\\\n]|\\.)*")|${NUMBER}|(?<keyword>\b(?:true|false|null|NaN|Infinity)\b)`,
  "g",
);
const SQL = new RegExp(
  String.raw`(?<comment>--[^\n]*|/\*[\s\S]*?(?:\*/|$))|(?<string>'(?:[^']|'')*')|${NUMBER}|(?<keyword>\b(?:${words(
    "select from where and or not in is null insert into values update set delete create table index view join left right inner outer on group by order having limit offset as distinct union all case when then else end with primary key references default",
  )})\b)`,
  "gi",
);
const FAMILIES: [RegExp, string][] = [
  [PYTHON, "py pyi ipynb python"],
  [C_LIKE, "js mjs cjs ts tsx jsx c h cc cpp hpp cu cuh rs go java kt scala swift css scss php dart proto"],
  [CONFIG, "yaml yml toml ini cfg conf env properties mlmodel"],
  [SHELL, "sh bash zsh fish dockerfile makefile mk"],
  [JSON_LIKE, "json jsonl ndjson"],
  [SQL, "sql"],
];
const byExtension = new Map(
  FAMILIES.flatMap(([pattern, names]) => names.split(" ").map((name) => [name, pattern] as const)),
);

/** Parts of `text` worth a colour, ascending and apart; none for a language that is not known. */
export function tokens(text: string, extension: string): TokenRange[] {
  const pattern = byExtension.get(extension.toLowerCase());
  if (pattern === undefined) return [];
  const found: TokenRange[] = [];
  for (const match of text.matchAll(pattern)) {
    const token = TOKENS.find((one) => match.groups?.[one] !== undefined);
    if (token !== undefined) found.push({ token, start: match.index, end: match.index + match[0].length });
  }
  return found;
}
