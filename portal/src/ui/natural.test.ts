import { expect, test } from "vitest";
import { naturalSort } from "./natural";

test("numbers inside names count as numbers", () => {
  const names = ["run-10", "run-2", "run-1", "Run-11", "layer.9", "layer.10"];

  expect(naturalSort(names, (name) => name)).toEqual(["layer.9", "layer.10", "run-1", "run-2", "run-10", "Run-11"]);
});
