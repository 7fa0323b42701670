import { expect, test } from "vitest";
import type { RunInfo } from "../../api/types";
import { edited, inverse, tagEdit } from "./edit";

const run = { name: "run-1", description: "", deleted: false, tags: { model: "mlp" } } as unknown as RunInfo;

test.each([
  { name: "best" },
  { description: "kept", deleted: true },
  { tags: { model: null } },
  { tags: { model: "cnn", stage: "draft" } },
])("an edit %j can be taken back", (edit) => {
  const after = edited(run, edit);

  expect(after).not.toEqual(run);
  expect(edited(after, inverse(run, edit))).toEqual(run);
});

test("a tag that gets another name loses the old one", () => {
  expect(tagEdit({ name: "model", value: "mlp" }, "net", "mlp")).toEqual({ tags: { model: null, net: "mlp" } });
  expect(tagEdit(null, "stage", "draft")).toEqual({ tags: { stage: "draft" } });
  expect(tagEdit({ name: "model", value: "mlp" }, "model", "mlp")).toBeNull();
  expect(tagEdit(null, "", "x")).toBeNull();
});
