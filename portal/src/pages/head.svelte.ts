/** Title and icon of the tab: they say how a run stands while one looks elsewhere. */

import { isActive, type RunInfo } from "../api/types";
import { groupMetrics, keyMetrics } from "../charts/sections";
import { formatNumber } from "../ui/format";
import bad from "./icons/bad.svg";
import good from "./icons/good.svg";
import idle from "./icons/idle.svg";
import running from "./icons/running.svg";

/** `▲ 0.412 · run-7` while it runs; the value is the first key metric's. */
export function runTitle(run: RunInfo, isStalled = false): string {
  const [key] = keyMetrics(groupMetrics(run.metrics), 1);
  const last = run.metrics.find((item) => item.name === key?.name)?.last ?? null;
  const mark = isActive(run.status)
    ? isStalled
      ? "‖ "
      : "▲ "
    : run.status === "Failed"
      ? "✕ "
      : run.status === "NotResponding"
        ? "? "
        : "";
  return `${mark}${last === null ? "" : `${formatNumber(last, 4)} · `}${run.name}`;
}

function iconOf(run: RunInfo, isStalled: boolean): string {
  if (isStalled) return idle;
  if (isActive(run.status)) return running;
  if (run.status === "Completed") return good;
  return run.status === "Canceled" ? idle : bad;
}

function show(title: string, icon: string): void {
  document.title = title;
  const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
  if (link !== null && !link.href.endsWith(icon)) link.href = icon;
}

export const head = {
  run: (run: RunInfo, isStalled: boolean) => show(runTitle(run, isStalled), iconOf(run, isStalled)),
  /** A page about more than one run: its icon says whether any of them is running. */
  page: (title: string, hasActive: boolean) => show(`${hasActive ? "▲ " : ""}${title}`, hasActive ? running : idle),
};
