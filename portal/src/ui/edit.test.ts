import { expect, test } from "vitest";
import { type Edit, edited, inverse, tagEdit } from "./edit";

const run = { name: "run-1", description: "", deleted: false, tags: { model: "mlp" } as Record<string, string> };

test.each<Edit<typeof run>>([
  { name: "best" },
  { description: "kept", deleted: true },
  { tags: { model: null } },
  { tags: { model: "cnn", stage: "draft" } },
])("an edit %j can be taken back", (edit) => {
  const after = edited(run, edit);

  expect(after).not.toEqual(run);
  expect(edited(after, inverse(run, edit))).toEqual(run);
});

test("labels that an edit does not name stay", () => {
  expect(
    edited({ aliases: { best: 3, old: 1 } as Record<string, number> }, { aliases: { old: null, new: 4 } }),
  ).toEqual({
    aliases: { best: 3, new: 4 },
  });
});

test("a tag that gets another name loses the old one", () => {
  expect(tagEdit({ name: "model", value: "mlp" }, "net", "mlp")).toEqual({ model: null, net: "mlp" });
  expect(tagEdit(null, "stage", "draft")).toEqual({ stage: "draft" });
  expect(tagEdit({ name: "model", value: "mlp" }, "model", "mlp")).toBeNull();
  expect(tagEdit(null, "", "x")).toBeNull();
});
