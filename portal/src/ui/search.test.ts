import { expect, test } from "vitest";
import { textSearch } from "./search";

test("words must all occur, in any case and order", () => {
  expect(["train/loss", "val/acc"].filter((name) => textSearch("LOSS tr")?.test(name))).toEqual(["train/loss"]);
  expect(["step 20", "step 120"].filter((line) => textSearch('"step 20"')?.test(line))).toEqual(["step 20"]);
});

test("signs make it a regular expression; one that is not valid is said to be so", () => {
  expect(["train/loss", "val/loss"].filter((name) => textSearch("^(val|test)/")?.test(name))).toEqual(["val/loss"]);
  expect(textSearch("loss(")).toBeNull();
});

test("what was found can be marked", () => {
  expect(textSearch("a.b err")?.ranges("Err a.b, a-b")).toEqual([
    [0, 3],
    [4, 7],
  ]);
  expect(textSearch("x*")?.ranges("axx")).toEqual([[1, 3]]);
  expect(textSearch("")?.ranges("abc")).toEqual([]);
});
