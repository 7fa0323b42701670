/** Addresses of panels that stand alone, in another page. */

import type { RunInfo } from "../../api/types";
import type { PanelSpec } from "../../charts/layout";
import { location } from "../../ui/location.svelte";

/** What of the address says how charts are looked at. */
const VIEW_KEYS = ["x", "smooth", "log", "clip", "zoom", "by", "colour", "band"];
export const EMBED = "/embed";

/** Panel of these runs. A whole experiment is named by its name, so that the panel goes on with its newest runs. */
export function embedUrl(runs: RunInfo[], spec: PanelSpec): string {
  const path =
    location.path.startsWith("/experiments/") && location.get("sel") === ""
      ? location.path
      : `/runs/${runs.map((run) => encodeURIComponent(run.id)).join(",")}`;
  const query = new URLSearchParams();
  for (const key of VIEW_KEYS) if (location.get(key) !== "") query.set(key, location.get(key));
  query.set("panel", panelText(spec));
  return `${window.location.origin}${EMBED}${path}?${query}`;
}

/** A panel as text; one that is as its metric brings it, by the name alone. */
function panelText(spec: PanelSpec): string {
  const isPlain = spec.metrics?.length === 1 && spec.look === undefined && spec.title === undefined;
  return isPlain && spec.id.startsWith("metric:") ? (spec.metrics?.[0] ?? "") : JSON.stringify(spec);
}
