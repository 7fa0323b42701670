/** The language of the portal, and every text in it.
 *
 * The English text is the key of its translation, written where it is used: `t("Runs")`, `t("Started {when}", { when })`. Text that
 * depends on a number `n` holds the singular and the plural, apart by a bar: `t("{n} run|{n} runs", { n })`. A catalogue is loaded
 * before any other module runs, so texts may be constants; another language is chosen by loading the page anew. `i18n.test.ts` compares
 * the catalogues with the sources.
 */

import { remember, remembered } from "./memory";

export const LANGUAGES = { en: "English", "pt-BR": "Português (Brasil)" } as const;
export type Language = keyof typeof LANGUAGES;
export type Catalogue = Readonly<Record<string, string>>;

const KEY = "tracklog.language";
const CODES = Object.keys(LANGUAGES) as Language[];

/** The first of `wanted` that there is, if only in the variant of another country; else English. */
export function bestLanguage(wanted: readonly string[]): Language {
  const base = (code: string) => code.split("-", 1)[0]?.toLowerCase();
  for (const code of wanted) {
    const found =
      CODES.find((one) => one.toLowerCase() === code.toLowerCase()) ?? CODES.find((one) => base(one) === base(code));
    if (found !== undefined) return found;
  }
  return "en";
}

/** Those that are language tags: WebKit on Linux names the locale of the system, which may be `C`, and no format is made of that. */
export function languageTags(wanted: readonly string[]): string[] {
  return wanted.filter((code) => {
    try {
      return Intl.getCanonicalLocales(code).length > 0;
    } catch {
      return false;
    }
  });
}

/** What the browser asks for; none where there is no page (tests). */
const asked = typeof document === "undefined" ? [] : languageTags(navigator.languages);
/** What was set by hand; null: the browser decides. */
export const chosenLanguage: Language | null = CODES.find((one) => one === remembered(KEY)) ?? null;
export const language: Language = chosenLanguage ?? bestLanguage(asked);
/** The variant of the language that writes dates as this reader does. */
export const dateLocale =
  asked.find((code) => code.split("-", 1)[0] === language.split("-", 1)[0]) ?? (language === "en" ? "en-GB" : language);
if (typeof document !== "undefined") {
  document.documentElement.lang = language;
  // The chart engine makes a format of it while it is loaded, which is after this, and fails with all that is drawn.
  if (languageTags([navigator.language]).length === 0)
    Object.defineProperty(navigator, "language", { value: language });
}

async function load(wanted: Language): Promise<Catalogue> {
  switch (wanted) {
    case "en":
      return {};
    case "pt-BR":
      return (await import("./languages/pt-BR.json")).default;
  }
}
// Without the catalogue (the server died a moment ago) English is better than a blank page.
const catalogue = await load(language).catch((): Catalogue => ({}));

/** null: as the browser says. */
export function setLanguage(choice: Language | null): void {
  remember(KEY, choice ?? "");
  window.location.reload();
}

const counts = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const plurals = new Intl.PluralRules(language);

/** The names between braces in a text. */
type Names<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
type Values<Text extends string> = [Names<Text>] extends [never] ? [] : [Record<Names<Text>, string | number>];

/** `text` in the reader's language. Whole numbers among the values are written with separators; format others first. */
export function t<const Text extends string>(text: Text, ...values: Values<Text>): string {
  return fill(catalogue[text] ?? text, values[0] ?? {}, plurals);
}

/** Put values in a text; of one with forms apart by bars, the first is for what the language counts as one, the last for the rest. */
export function fill(text: string, values: Readonly<Record<string, string | number>>, rules: Intl.PluralRules): string {
  const n = values["n"];
  const forms = typeof n === "number" ? text.split("|") : [text];
  const form = (typeof n === "number" && rules.select(n) === "one" ? forms[0] : forms.at(-1)) ?? text;
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return typeof value === "number" ? counts.format(value) : (value ?? whole);
  });
}
