import { expect, test } from "vitest";
import { mountsOf } from "./source";

test("models lie under their names; where one is taken a part of the id follows", () => {
  const models = [
    { id: "m-0123456789", name: "model" },
    { id: "m-abcdefghij", name: "model" },
    { id: "m-4444444444", name: "outputs" },
    { id: "m-5555555555", name: "a/b" },
  ];

  expect(mountsOf(models, ["outputs/x.txt", "log.txt"]).map((one) => one.folder)).toEqual([
    "model",
    "model (m-abcdef)",
    "outputs (m-444444)",
    "a_b",
  ]);
});
