import { describe, expect, test } from "vitest";
import { parseInline, parseMarkdown, plainText } from "./markdown";

const text = (value: string) => ({ kind: "text", text: value });

describe("in a line", () => {
  test.each([
    ["plain 2 * 3 * 4 and snake_case_name", [text("plain 2 * 3 * 4 and snake_case_name")]],
    ["**b** and *i*", [{ kind: "strong", parts: [text("b")] }, text(" and "), { kind: "em", parts: [text("i")] }]],
    ["`a*b*` c", [{ kind: "code", text: "a*b*" }, text(" c")]],
    ["\\*no\\*", [text("*"), text("no"), text("*")]],
    [
      "see https://a.example/x_y_z.",
      [
        text("see "),
        { kind: "link", href: "https://a.example/x_y_z", parts: [text("https://a.example/x_y_z")] },
        text("."),
      ],
    ],
    ["[run](/runs/a)", [{ kind: "link", href: "/runs/a", parts: [text("run")] }]],
    ["<b>not bold</b>", [text("<b>not bold</b>")]],
  ])("%s", (source, parts) => {
    expect(parseInline(source)).toEqual(parts);
  });

  test.each(["javascript:alert(1)", "data:text/html,x", "//evil.example", "JAVASCRIPT:x"])(
    "a link to %s stays text",
    (target) => {
      expect(parseInline(`[x](${target})`).every((part) => part.kind === "text")).toBe(true);
    },
  );
});

test("a line as plain words", () => {
  expect(plainText("# Tells **cats** from [`dogs`](/x), *well*")).toBe("Tells cats from dogs, well");
});

test("blocks", () => {
  const blocks = parseMarkdown(
    [
      "# Title",
      "one",
      "two",
      "",
      "- a",
      "  - b",
      "- [x] c",
      "",
      "1. d",
      "",
      "> q",
      "",
      "```py",
      "x = *1*",
      "```",
      "---",
    ].join("\n"),
  );

  expect(blocks.map((block) => block.kind)).toEqual(["heading", "paragraph", "list", "list", "quote", "code", "rule"]);
  expect(blocks[1]).toEqual({ kind: "paragraph", parts: [text("one\ntwo")] });
  const list = blocks[2];
  expect(
    list?.kind === "list" && list.items.map((item) => [item.isDone, item.blocks.map((block) => block.kind)]),
  ).toEqual([
    [null, ["paragraph", "list"]],
    [true, ["paragraph"]],
  ]);
  expect(blocks[5]).toEqual({ kind: "code", text: "x = *1*", language: "py" });
});

test("a table", () => {
  const [table] = parseMarkdown("| a | b |\n|---|--:|\n| 1 | **2** |\n");

  expect(table).toEqual({
    kind: "table",
    header: [[text("a")], [text("b")]],
    align: ["left", "right"],
    rows: [[[text("1")], [{ kind: "strong", parts: [text("2")] }]]],
  });
});

test.each([
  ["nothing", ""],
  ["open marks", "**a *b `c [d](e"],
  ["an open fence", "```\nx"],
  ["deep quotes", `${">".repeat(500)} x`],
  ["deep lists", Array.from({ length: 200 }, (_, at) => `${" ".repeat(at)}- x`).join("\n")],
  ["a very long line of marks", "*_`[".repeat(5_000)],
])("%s is read without trouble", (_, source) => {
  const before = performance.now();

  expect(Array.isArray(parseMarkdown(source))).toBe(true);
  expect(performance.now() - before).toBeLessThan(1_000);
});
