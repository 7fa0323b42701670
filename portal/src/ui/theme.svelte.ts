/** Light, dark, or as the system says. Remembered in this browser. */

import { t } from "./i18n";
import { remember, remembered } from "./memory";

export { remember, remembered };

const KEY = "tracklog.theme";
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
export const THEME_NAMES: Record<Theme, string> = { system: t("as the system"), light: t("light"), dark: t("dark") };

class ThemeState {
  choice = $state<Theme>("system");
  #systemIsDark = $state(false);
  #isPrinting = $state(false);
  /** What is painted stays as it is while a page is printed: a canvas does not change in time. */
  isScreenDark = $derived(this.choice === "dark" || (this.choice === "system" && this.#systemIsDark));
  isDark = $derived(!this.#isPrinting && this.isScreenDark);

  /** @param shown what to show for now instead of what is remembered. */
  start(shown?: Theme): void {
    const media = window.matchMedia("(prefers-color-scheme: dark)");
    this.#systemIsDark = media.matches;
    media.addEventListener("change", () => {
      this.#systemIsDark = media.matches;
    });
    // Paper is white.
    window.addEventListener("beforeprint", () => this.#print(true));
    window.addEventListener("afterprint", () => this.#print(false));
    const saved = remembered(KEY);
    this.#show(shown ?? THEMES.find((theme) => theme === saved) ?? "system");
  }

  set(choice: Theme): void {
    this.#show(choice);
    remember(KEY, choice);
  }

  #show(choice: Theme): void {
    this.choice = choice;
    this.#apply();
  }

  #print(isPrinting: boolean): void {
    this.#isPrinting = isPrinting;
    this.#apply();
  }

  #apply(): void {
    const shown = this.#isPrinting ? "light" : this.choice;
    if (shown === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = shown;
  }

  next(): void {
    this.set(THEMES[(THEMES.indexOf(this.choice) + 1) % THEMES.length] ?? "system");
  }
}

export const theme = new ThemeState();
