import { inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { lacking, PdfSurface } from "./pdf";

async function drawn(draw: (surface: PdfSurface) => void): Promise<{ file: string; page: string }> {
  const surface = new PdfSurface("serif");
  draw(surface);
  const blob = await surface.close(100, 50, "λ loss", 0.25);
  const bytes = Buffer.from(await blob.arrayBuffer());
  const file = bytes.toString("latin1");
  const start = file.indexOf("stream\n") + "stream\n".length;
  return { file, page: inflateSync(bytes.subarray(start, file.indexOf("\nendstream"))).toString("latin1") };
}

test("every object lies where the table of the file says", async () => {
  const { file } = await drawn(() => {});
  const table = Number(/startxref\n(\d+)/.exec(file)?.[1]);
  expect(file.slice(table, table + 4)).toBe("xref");
  const offsets = [...file.slice(table).matchAll(/^(\d{10}) 00000 n $/gm)].map((match) => Number(match[1]));
  expect(offsets).toHaveLength(5);
  offsets.forEach((offset, at) => {
    expect(file.slice(offset).startsWith(`${at + 1} 0 obj`)).toBe(true);
  });
});

test("the page has the size of the drawing in print", async () => {
  const { file, page } = await drawn(() => {});
  expect(file).toContain("/MediaBox [0 0 70.866 35.433]"); // 25 mm, 12.5 mm
  expect(page).toMatch(/^0\.709 0 0 -0\.709 0 35\.433 cm/);
});

test("lines break where points are missing, with their colour, width, dash and opacity", async () => {
  const { file, page } = await drawn((surface) => {
    surface.path(Float64Array.of(0, 0, 1, 1, Number.NaN, Number.NaN, 2, 2, 3, 3), {
      stroke: "#ff0080",
      width: 1.5,
      dash: [4, 2],
      alpha: 0.5,
    });
  });
  expect(page).toContain("q /G0 gs 1 0 0.502 RG 1.5 w 1 j [4 2] 0 d 0 0 m 1 1 l 2 2 m 3 3 l S Q");
  expect(file).toContain("/G0 << /ca 0.5 /CA 0.5 >>");
});

test("text stands where its end or middle is told to be, whatever is in it", async () => {
  const { page } = await drawn((surface) => {
    surface.text("a)(\\é", 50, 20, { fill: "rgb(0, 0, 0)", size: 10, align: "right" });
  });
  expect(page).toContain("BT /F1 10 Tf 0 0 0 rg 1 0 0 -1 31.68 23.5 Tm <6129285ce9> Tj ET");
});

test("a picture has its colours in one object and its opacities in another", async () => {
  const { file, page } = await drawn((surface) => {
    surface.pixels(Uint8ClampedArray.of(10, 20, 30, 40, 50, 60, 70, 80), 2, { left: 5, top: 6, width: 20, height: 10 });
  });
  expect(page).toContain("q 20 0 0 -10 5 16 cm /I0 Do Q");
  expect(file).toContain("/XObject << /I0 6 0 R >>");
  expect(file).toMatch(/6 0 obj\n.*\/Width 2 \/Height 1 \/ColorSpace \/DeviceRGB .*\/SMask 7 0 R/);
  const [colours, opacities] = ["6 0 obj", "7 0 obj"].map((object) => {
    const from = file.indexOf("stream\n", file.indexOf(object)) + "stream\n".length;
    return [...inflateSync(Buffer.from(file.slice(from, file.indexOf("\nendstream", from)), "latin1"))];
  });
  expect(colours).toEqual([10, 20, 30, 50, 60, 70]);
  expect(opacities).toEqual([40, 80]);
});

test("letters that the fonts of every reader lack are told", () => {
  expect(lacking("loss — 10 %, “ö” −1")).toBe("");
  expect(lacking("λ = 损失 λ")).toBe("λ损失");
});
