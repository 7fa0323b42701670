/** The theme's colours as a canvas takes them. */

import type { Paper } from "./surface";

const papers = new Map<boolean, Paper>();

export function paperOf(isDark: boolean): Paper {
  let paper = papers.get(isDark);
  if (paper === undefined) {
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
    papers.set(isDark, paper);
  }
  return paper;
}

function probed(name: string): string {
  // A probe resolves light-dark() to the colour of the theme shown.
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
