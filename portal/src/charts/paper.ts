/** The theme's colours as a canvas takes them. */

import type { Paper } from "./surface";

const papers = new Map<boolean, Paper>();

export function paperOf(isDark: boolean): Paper {
  let paper = papers.get(isDark);
  if (paper === undefined) {
    const root = document.documentElement;
    const shown = root.dataset["theme"];
    // For a moment, and before anything is painted: files have the colours of both themes.
    root.dataset["theme"] = isDark ? "dark" : "light";
    paper = {
      isDark,
      text: probed("--text"),
      soft: probed("--text-3"),
      grid: probed("--line"),
      card: probed("--card"),
      accent: probed("--accent"),
      good: probed("--good"),
      bad: probed("--bad"),
      warn: probed("--warn"),
    };
    if (shown === undefined) delete root.dataset["theme"];
    else root.dataset["theme"] = shown;
    papers.set(isDark, paper);
  }
  return paper;
}

function probed(name: string): string {
  // A probe resolves light-dark() to the colour of the theme.
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
