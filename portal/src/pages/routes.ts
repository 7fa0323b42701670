/** Which page an address shows. Pure. */

import type { IconName } from "../ui/Icon.svelte";
import { t } from "../ui/i18n";

export type Route =
  | { page: "home" | "compare" | "models" | "activity" | "settings" | "unknown" }
  | { page: "runs"; experiment: string | null }
  | { page: "run"; id: string }
  | { page: "model"; name: string };

/** Parts of a path are decoded one by one: names may hold any character, a slash too. */
export function routeOf(path: string): Route {
  const [first, second, ...rest] = path
    .split("/")
    .filter((part) => part !== "")
    .map(decoded);
  if (rest.length > 0) return { page: "unknown" };
  switch (first) {
    case undefined:
      return { page: "home" };
    case "experiments":
      return second === undefined ? { page: "home" } : { page: "runs", experiment: second };
    case "runs":
      return second === undefined ? { page: "runs", experiment: null } : { page: "run", id: second };
    case "models":
      return second === undefined ? { page: "models" } : { page: "model", name: second };
    case "compare":
    case "activity":
    case "settings":
      return { page: second === undefined ? first : "unknown" };
    default:
      return { page: "unknown" };
  }
}

/**
 * The page that MLflow's clients mean when they print `…/#/experiments/1/runs/ab`; null for any other hash.
 * They know an experiment by its id, which has to be looked up.
 */
export function routeOfMlflow(hash: string): { path: string } | { experimentId: string } | null {
  if (!hash.startsWith("#/")) return null;
  const [first, second, third, fourth] = hash.slice(2).split(/[/?]/);
  if (first === "experiments" && second !== undefined && third === "runs" && fourth) return { path: `/runs/${fourth}` };
  if (first === "experiments" && second) return { experimentId: decoded(second) };
  if (first === "models" && second) return { path: `/models/${second}` };
  return { path: first === "models" ? "/models" : "/" };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray % typed by hand
  }
}

export interface PageLink {
  title: string;
  href: string;
  icon: IconName;
  keys: string;
  /** Whether the link is the one a route lies under. */
  holds: (route: Route) => boolean;
}

/** The pages of the main menu, in its order. */
export const PAGES: readonly PageLink[] = [
  {
    title: t("Experiments"),
    href: "/",
    icon: "folder",
    keys: "g h|g e",
    holds: ({ page, ...rest }) => page === "home" || ("experiment" in rest && rest.experiment !== null),
  },
  {
    title: t("Runs"),
    href: "/runs",
    icon: "sparkle",
    keys: "g r",
    holds: ({ page, ...rest }) =>
      page === "run" || page === "compare" || ("experiment" in rest && rest.experiment === null),
  },
  { title: t("Models"), href: "/models", icon: "model", keys: "g m", holds: ({ page }) => page.startsWith("model") },
  { title: t("Activity"), href: "/activity", icon: "clock", keys: "g a", holds: ({ page }) => page === "activity" },
  { title: t("Settings"), href: "/settings", icon: "settings", keys: "g s", holds: ({ page }) => page === "settings" },
];
