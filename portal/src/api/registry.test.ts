import { expect, test } from "vitest";
import { filesOf } from "./registry";

const MODEL = `m-${"0".repeat(32)}`;

test.each([
  ["runs:/abc/outputs/net/", "", { owner: "abc", folder: "outputs/net" }],
  ["runs:/abc", "", { owner: "abc", folder: "" }],
  [`models:/${MODEL}`, "", { owner: MODEL, folder: "" }],
  ["runs:/abc/outputs/net", MODEL, { owner: MODEL, folder: "" }],
  ["s3://bucket/runs:/abc", "", null],
  ["models:/name/1", "", null],
  ["", "", null],
])("the files of a version from %j with logged model %j", (source, model_id, expected) => {
  expect(filesOf({ source, model_id })).toEqual(expected);
});
