/** The theme's colours as a canvas takes them. */

import { theme } from "../ui/theme.svelte";
import type { Paper } from "./surface";

const COLOURS = {
  text: "--text",
  soft: "--text-3",
  grid: "--line",
  card: "--card",
  accent: "--accent",
  good: "--good",
  bad: "--bad",
  warn: "--warn",
} as const;
const papers = new Map<boolean, Paper>();

export function paperOf(isDark: boolean): Paper {
  let paper = papers.get(isDark);
  if (paper === undefined) {
    const root = document.documentElement;
    const shown = root.dataset["theme"];
    // The build turns light-dark() into properties of the root: only there another theme can be tried on. Files have the colours
    // of both themes; a chart is drawn in the one shown, for which the page need not be styled anew.
    const isOther = isDark !== theme.isDark;
    if (isOther) root.dataset["theme"] = isDark ? "dark" : "light";
    const host = document.createElement("div");
    host.hidden = true;
    const probes = Object.entries(COLOURS).map(([name, property]) => {
      const probe = document.createElement("i");
      probe.style.color = `var(${property})`;
      host.append(probe);
      return [name, probe] as const;
    });
    document.body.append(host);
    const colours = Object.fromEntries(probes.map(([name, probe]) => [name, getComputedStyle(probe).color]));
    host.remove();
    if (isOther && shown === undefined) delete root.dataset["theme"];
    else if (isOther) root.dataset["theme"] = shown;
    paper = { isDark, ...(colours as Record<keyof typeof COLOURS, string>) };
    papers.set(isDark, paper);
  }
  return paper;
}
