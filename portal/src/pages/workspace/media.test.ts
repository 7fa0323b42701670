import { expect, test } from "vitest";
import type { ArtifactInfo } from "../../api/types";
import { folderOf, matching, mediaOf, mediaPatterns } from "./media";

const files = (...paths: string[]) => paths.map((path) => ({ path }) as ArtifactInfo);
const found = (pattern: string, ...paths: string[]) => matching(files(...paths), pattern).map((file) => file.path);

test.each([
  ["a/b.PNG", "image"],
  ["sound.flac", "audio"],
  ["clip.webm", "video"],
  ["report.html", "page"],
  ["figure.plotly.json", "json"],
  ["notes.md", "text"],
  ["weights.bin", "other"],
  ["png", "image"],
  ["folder.png/weights", "other"],
])("%s is shown as %s", (path, media) => {
  expect(mediaOf(path)).toBe(media);
});

test("a star stands for part of one name, two for folders too; everything else is itself", () => {
  expect(found("out/*.wav", "out/10.wav", "out/2.wav", "out/deep/3.wav", "out/2.mp3")).toEqual([
    "out/2.wav",
    "out/10.wav",
  ]);
  expect(found("out/**.wav", "out/2.wav", "out/deep/3.wav")).toEqual(["out/2.wav", "out/deep/3.wav"]);
  expect(found("a+(b).txt", "a+(b).txt", "aab.txt")).toEqual(["a+(b).txt"]);
});

test("the server is asked for the folder that all matches lie in", () => {
  expect(folderOf("out/deep/*.wav")).toBe("out/deep");
  expect(folderOf("out/x.wav")).toBe("out");
  expect(folderOf("*.wav")).toBe("");
});

test("media of one folder and type are one panel; images have panels of their own", () => {
  expect(mediaPatterns(files("s/10.wav", "s/2.wav", "s/a.plotly.json", "s/b.json", "i/x.png", "r.html"))).toEqual([
    "*.html",
    "s/*.plotly.json",
    "s/*.wav",
  ]);
});
