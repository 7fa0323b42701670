import { expect, test } from "vitest";
import { parseCsv, toCsv, toLatex, toMarkdown } from "./export";

test("CSV quotes what needs quotes, and reads back", () => {
  const text = toCsv(
    ["name", "note"],
    [
      ["a,b", 'say "hi"'],
      ["line\nbreak", null],
    ],
  );

  expect(text).toBe('name,note\n"a,b","say ""hi"""\n"line\nbreak",\n');
  expect(parseCsv(text, ",", 10)).toEqual([
    ["name", "note"],
    ["a,b", 'say "hi"'],
    ["line\nbreak", ""],
  ]);
});

test("a preview stops at its limit", () => {
  expect(parseCsv("a\nb\nc\n", ",", 2)).toEqual([["a"], ["b"]]);
});

test("Markdown escapes bars and sets numbers to the right", () => {
  expect(
    toMarkdown(
      ["run", "loss"],
      [
        ["a|b", 0.5],
        ["c", null],
      ],
    ),
  ).toBe("| run | loss |\n| --- | --: |\n| a\\|b | 0.5 |\n| c |  |\n");
});

test("LaTeX has its signs escaped and numbers to the right", () => {
  expect(
    toLatex(
      ["a_b", "loss"],
      [
        ["50 % & more", 0.5],
        ["x^2", null],
      ],
    ),
  ).toBe(
    "\\begin{tabular}{lr}\n  \\toprule\n  a\\_b & loss \\\\\n  \\midrule\n  50 \\% \\& more & 0.5 \\\\\n  x\\textasciicircum{}2 & -- \\\\\n  \\bottomrule\n\\end{tabular}\n",
  );
});
