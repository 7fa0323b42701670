import { expect, test } from "vitest";
import { parseNotebook } from "./notebook";

test("cells with what they print", () => {
  const notebook = parseNotebook(
    JSON.stringify({
      metadata: { language_info: { name: "python" } },
      cells: [
        { cell_type: "markdown", source: ["# T\n", "x"] },
        {
          cell_type: "code",
          execution_count: 3,
          source: "1 + 1",
          outputs: [
            { output_type: "stream", text: ["a\n"] },
            { output_type: "execute_result", data: { "text/html": "<script>x</script>", "text/plain": "2" } },
            { output_type: "display_data", data: { "image/png": "aGk=\n" } },
            { output_type: "error", ename: "ValueError", evalue: "no", traceback: [] },
          ],
        },
      ],
    }),
  );

  expect(notebook).toEqual({
    language: "python",
    cells: [
      { kind: "markdown", text: "# T\nx", count: null, outputs: [] },
      {
        kind: "code",
        text: "1 + 1",
        count: 3,
        outputs: [
          { kind: "text", text: "a\n" },
          { kind: "text", text: "2" },
          { kind: "image", url: "data:image/png;base64,aGk=" },
          { kind: "error", text: "ValueError: no" },
        ],
      },
    ],
  });
});

test("an image that is no base64 never becomes an address", () => {
  const source = JSON.stringify({
    cells: [{ cell_type: "code", outputs: [{ data: { "image/png": 'x" onerror=' } }] }],
  });

  expect(parseNotebook(source)?.cells[0]?.outputs).toEqual([{ kind: "text", text: "" }]);
});

test.each(["", "{", "[]", '{"cells": 3}', "null"])("%s is no notebook", (source) => {
  expect(parseNotebook(source)).toBeNull();
});
