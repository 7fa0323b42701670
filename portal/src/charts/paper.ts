/** The theme's colours as a canvas takes them. */

import type { Paper } from "./surface";

const papers = new Map<boolean, Paper>();

export function paperOf(isDark: boolean): Paper {
  let paper = papers.get(isDark);
  if (paper === undefined) {
    // Probes resolve light-dark() to the colours of a theme; hidden, in a scheme of their own, so that nothing else is styled anew.
    const host = document.createElement("div");
    host.hidden = true;
    host.style.colorScheme = isDark ? "dark" : "light";
    document.body.append(host);
    const colour = (name: string) => {
      const probe = document.createElement("i");
      probe.style.color = `var(${name})`;
      host.append(probe);
      return getComputedStyle(probe).color;
    };
    paper = {
      isDark,
      text: colour("--text"),
      soft: colour("--text-3"),
      grid: colour("--line"),
      card: colour("--card"),
      accent: colour("--accent"),
      good: colour("--good"),
      bad: colour("--bad"),
      warn: colour("--warn"),
    };
    host.remove();
    papers.set(isDark, paper);
  }
  return paper;
}
