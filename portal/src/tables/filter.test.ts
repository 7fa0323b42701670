import { describe, expect, test } from "vitest";
import { complete, isCondition, isHalfWritten, repair, tokenize, type Vocabulary, withCondition } from "./filter";

const vocabulary: Vocabulary = {
  params: ["lr", "model.name", "batch size"],
  metrics: ["train/loss", "val/loss", "lr"],
  tags: ["team"],
  statuses: ["Running", "Failed"],
  values: (term) => (term === "params.model.name" ? ["'resnet50'", "'vit'"] : []),
};
/** What is offered where the bar stands, best first. */
function offered(text: string): string[] {
  return complete(text.replace("|", ""), text.indexOf("|"), vocabulary).items.map((item) => item.insert);
}
/** The text after the best offer is taken. */
function taken(text: string): string {
  const plain = text.replace("|", "");
  const { from, to, items } = complete(plain, text.indexOf("|"), vocabulary);
  return plain.slice(0, from) + (items[0]?.insert ?? "") + plain.slice(to);
}

test("a text falls into tokens, whatever it is", () => {
  const kinds = (text: string) => tokenize(text).map((token) => `${token.kind}:${token.text}`);

  expect(kinds("min(metrics.val/loss)<=1e-3 and tags.`a b` != 'it''s'")).toEqual([
    "word:min",
    "open:(",
    "key:metrics.val/loss",
    "close:)",
    "operator:<=",
    "number:1e-3",
    "joint:and",
    "key:tags.`a b`",
    "operator:!=",
    "text:'it''s'",
  ]);
  expect(kinds('name = "open')).toEqual(["word:name", "operator:=", 'text:"open']);
  expect(kinds("状态 ! 🚀 \\")).toEqual(["word:状态", "odd:!", "word:🚀", "word:\\"]);
});

test.each([
  ["metrics.loss < 0.1", true],
  ["lr > 0.1", true],
  ["status in ('Failed')", true],
  ["status not in ('Failed')", true],
  ["tags.team is null", true],
  ["max(metrics.acc) > 1", true],
  ["resnet lr0.001", false],
  ["what is this", false],
  ["loss=", true],
  ["", false],
  ["seed in training", false],
])("%j is a condition: %s", (text, is) => {
  expect(isCondition(text)).toBe(is);
});

describe("what may come next", () => {
  test("at the beginning: terms that contain what is typed, the nearest first", () => {
    expect(offered("lo|")).toEqual(["metrics.val/loss", "metrics.train/loss"]);
    expect(offered("lr|").slice(0, 2)).toEqual(["params.lr", "metrics.lr"]);
    expect(offered("sta|").slice(0, 2)).toEqual(["start", "status"]);
    expect(taken("batch|")).toBe("params.`batch size`");
  });

  test("after a term: operators that make sense for it", () => {
    expect(offered("metrics.loss |")).toContain("<");
    expect(offered("metrics.loss |")).not.toContain("like");
    expect(offered("tags.team |")).toEqual(["=", "!=", "like", "ilike", "in", "not in", "is null", "is not null"]);
    expect(offered("status |")).toEqual(["=", "!=", "in", "not in"]);
    expect(offered("min(metrics.val/loss) |")).toContain("<");
  });

  test("after an operator: values that are known", () => {
    expect(offered("status = |")).toEqual(["'Running'", "'Failed'"]);
    expect(taken("params.model.name = 'res|")).toBe("params.model.name = 'resnet50'");
    expect(taken("status in ('Running', F|")).toBe("status in ('Running', 'Failed'");
    expect(offered("metrics.loss < |")).toEqual([]);
    expect(offered("start > |")).toContain("'-7d'");
  });

  test("after a comparison: what joins it to the next", () => {
    expect(offered("status = 'Failed' |")).toEqual(["and", "or"]);
    expect(offered("tags.team is null |")).toEqual(["and", "or"]);
    expect(offered("(status in ('Failed') |")).toEqual(["and", "or"]);
    expect(taken("metrics.loss < 1 and para|")).toBe("metrics.loss < 1 and params.lr");
  });

  test("in the middle of a word: all of it is replaced", () => {
    expect(taken("metrics.va|l/lo < 3")).toBe("metrics.val/loss < 3");
  });

  test("within a function: metrics", () => {
    expect(taken("min(metrics.va|")).toBe("min(metrics.val/loss");
  });

  test("ten thousand names are searched at once", () => {
    const many = { ...vocabulary, metrics: Array.from({ length: 10_000 }, (_, i) => `layer.${i}/grad_norm`) };
    const times = Array.from({ length: 5 }, () => {
      const began = performance.now();
      expect(complete("9999", 4, many).items[0]?.insert).toBe("metrics.layer.9999/grad_norm");
      return performance.now() - began;
    });

    expect(Math.min(...times)).toBeLessThan(100);
  });
});

test("a forgotten prefix is put before the word at the error", () => {
  expect(repair("lr > 0.1", 0, vocabulary)).toEqual({ text: "params.lr > 0.1", term: "params.lr" });
  expect(repair("status = 1 and team = 'a'", 15, vocabulary)?.text).toBe("status = 1 and tags.team = 'a'");
  expect(repair("nothing > 1", 0, vocabulary)).toBeNull();
});

test("conditions are joined so that both hold", () => {
  expect(withCondition("", "a = 1")).toBe("a = 1");
  expect(withCondition("some words", "a = 1")).toBe("a = 1");
  expect(withCondition("name = 'x'", "a = 1")).toBe("name = 'x' and a = 1");
  expect(withCondition("name = 'x' or b = 2", "a = 1")).toBe("(name = 'x' or b = 2) and a = 1");
});

test.each([
  ["metrics.loss <", true],
  ["metrics.loss < 0.5 and", true],
  ["metrics.loss < 0.5 and par", true],
  ["not metrics.loss", true],
  ["params.model = 'res", true],
  ["params.model = '", true],
  ["(metrics.loss < 0.5", true],
  ["status in ('Completed'", true],
  ["min(metrics.loss", true],
  ["metrics.loss < 0.5", false],
  ["metrics.loss < 0.5 and params.lr is null", false],
  ["status in ('Completed', 'Failed')", false],
  ["min(metrics.loss) > 1", false],
  ["params.`odd name` = 'it''s'", false],
  ["lr < 0.5", false],
  ["", false],
])("%s is half written: %s", (text, expected) => {
  expect(isHalfWritten(text)).toBe(expected);
});
