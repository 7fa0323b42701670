/** What this reader likes, kept in this browser. */

import { remember, remembered } from "./memory";

export const DENSITIES = ["comfortable", "compact"] as const;
export type Density = (typeof DENSITIES)[number];

const DENSITY_KEY = "tracklog.density";

class Preferences {
  density = $state<Density>(DENSITIES.find((one) => one === remembered(DENSITY_KEY)) ?? "comfortable");
  /** Height of a row of a table, px. */
  rowPx = $derived(this.density === "compact" ? 28 : 34);

  start(): void {
    document.documentElement.dataset["density"] = this.density;
  }

  setDensity(density: Density): void {
    this.density = density;
    remember(DENSITY_KEY, density);
    this.start();
  }
}

export const preferences = new Preferences();
