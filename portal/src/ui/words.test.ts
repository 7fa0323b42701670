import { expect, test } from "vitest";
import { wordDiff } from "./words";

test("what two texts share stays, the rest is taken away and added", () => {
  expect(wordDiff("the cat sat", "the dog sat")).toEqual([
    { kind: "same", text: "the " },
    { kind: "remove", text: "cat" },
    { kind: "add", text: "dog" },
    { kind: "same", text: " sat" },
  ]);
  expect(wordDiff("", "new")).toEqual([{ kind: "add", text: "new" }]);
  expect(wordDiff("same", "same")).toEqual([{ kind: "same", text: "same" }]);
  expect(wordDiff("", "")).toEqual([]);
});

test("both texts can be read back from the pieces, however long they are", () => {
  for (const [a, b] of [
    ["a b c d", "b x d e"],
    ["w ".repeat(3_000), "v ".repeat(3_000)],
    ["line\n".repeat(5_000), "line\n".repeat(4_990)],
  ] as const) {
    const pieces = wordDiff(a, b);

    const text = (kind: string) =>
      pieces
        .filter((piece) => piece.kind === "same" || piece.kind === kind)
        .map((piece) => piece.text)
        .join("");
    expect(text("remove")).toBe(a);
    expect(text("add")).toBe(b);
  }
});
