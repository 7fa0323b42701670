import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bestLanguage, fill, LANGUAGES, languageTags, t } from "./i18n";

const SOURCES = join(import.meta.dirname, "..");
/** Texts given to `t` in the sources, with the files they are in. */
function texts(): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(SOURCES, { recursive: true, encoding: "utf8" })) {
    if (!/\.(ts|svelte)$/.test(name) || name.endsWith(".test.ts") || name === join("ui", "i18n.ts")) continue;
    for (const [, literal] of readFileSync(join(SOURCES, name), "utf8").matchAll(
      /(?<![\w.])t\(\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|[^)\s])/g,
    )) {
      const text = literal?.slice(1, -1).replaceAll(/\\(.)/g, "$1") ?? "";
      if (!/^["']/.test(literal ?? ""))
        throw new Error(`${name}: t(${literal}…) needs a plain string, to be found here`);
      found.set(text, name);
    }
  }
  return found;
}

function catalogue(language: string): Record<string, string> {
  return JSON.parse(readFileSync(join(import.meta.dirname, "languages", `${language}.json`), "utf8"));
}
const placeholders = (text: string) => [...new Set(text.match(/\{\w+\}/g))].sort();

describe.each(Object.keys(LANGUAGES).filter((code) => code !== "en"))("catalogue %s", (code) => {
  const entries = catalogue(code);
  const used = texts();

  test("has every text of the sources and no other", () => {
    const missing = [...used].filter(([text]) => !(text in entries)).map(([text, file]) => `${file}: ${text}`);
    const superfluous = Object.keys(entries).filter((text) => !used.has(text));

    expect(missing).toEqual([]);
    expect(superfluous).toEqual([]);
  });

  test("keeps the placeholders and the forms of each text", () => {
    const wrong = Object.entries(entries).filter(
      ([text, translation]) =>
        placeholders(text).join() !== placeholders(translation).join() ||
        (text.includes("{n}") && text.split("|").length !== translation.split("|").length) ||
        translation.trim() !== translation ||
        translation === "",
    );

    expect(wrong).toEqual([]);
  });
});

test("without a catalogue a text is itself, with its values", () => {
  expect(t("Runs")).toBe("Runs");
  expect(t("{n} run|{n} runs", { n: 1 })).toBe("1 run");
  expect(t("{n} run|{n} runs", { n: 0 })).toBe("0 runs");
  expect(t("{n} run|{n} runs", { n: 12_345 })).toBe("12,345 runs");
});

test("a value is put in as it is, even when it looks like a placeholder or a bar", () => {
  expect(fill("{a} and {b}", { a: "{b}|$&", b: "x" }, new Intl.PluralRules("en"))).toBe("{b}|$& and x");
});

test("forms follow the counting of the language", () => {
  const portuguese = new Intl.PluralRules("pt-BR");

  expect(fill("{n} item|{n} itens", { n: 0 }, portuguese)).toBe("0 item");
  expect(fill("{n} item|{n} itens", { n: 2 }, portuguese)).toBe("2 itens");
});

test.each([
  [["pt-BR", "en"], "pt-BR"],
  [["pt-PT"], "pt-BR"],
  [["de-DE", "pt"], "pt-BR"],
  [["en-GB", "pt-BR"], "en"],
  [["ja"], "en"],
  [[], "en"],
])("a browser that asks for %j gets %s", (wanted, language) => {
  expect(bestLanguage(wanted)).toBe(language);
});

test("what a browser names that is no language is passed over", () => {
  expect(languageTags(["C", "pt-BR", "en_US", ""])).toEqual(["pt-BR"]);
});
