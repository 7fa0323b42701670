/** One number of each run, as bars. Pure. */

import { formatCompact, formatNumber } from "../ui/format";
import { styleAt } from "./colours";
import { Extent, type Figure, type Ink, type Mark, paddedRange } from "./figure";
import { shortLabels } from "./labels";
import { type Centre, type Spread, spreadOver } from "./lines";
import type { RunRef } from "./view.svelte";

export interface Bar {
  run: string;
  label: string;
  /** The same without the number of runs. */
  short?: string;
  ink: Ink;
  value: number;
  /** Of a mean over runs: how far they spread, and nothing to open. */
  spread?: [low: number, high: number];
  href?: string;
}

/**
 * A bar for each run that has a value, and one for each group of runs, from their mean or median. Groups come first, in their order.
 *
 * @param values by id of a run.
 */
export function barsOf(
  runs: readonly RunRef[],
  values: ReadonlyMap<string, number>,
  { centre, spread }: { centre: Centre; spread: Spread },
): Bar[] {
  const alone: Bar[] = [];
  const members = new Map<string, { at: number; values: number[] }>();
  for (const { id, label, ink, href, group, groupAt } of runs) {
    const value = values.get(id);
    if (value === undefined) continue;
    const known = members.get(group ?? "");
    if (group === null) alone.push({ run: id, label, ink, value, href });
    else if (known === undefined) members.set(group, { at: groupAt, values: [value] });
    else known.values.push(value);
  }
  const inOrder = [...members].sort(([, a], [, b]) => a.at - b.at);
  const means = inOrder.map(([group, { at, values: list }]): Bar => {
    const found = spreadOver(list, centre, spread);
    const bar = { run: "", label: `${group} ×${list.length}`, short: group, ink: styleAt(at).hue, value: found.centre };
    return list.length < 2 || spread === "none" ? bar : { ...bar, spread: [found.low, found.high] };
  });
  return [...means, ...alone];
}

/** Lying bars, the first on top. Bars begin at zero, whatever the values. */
export function barFigure(bars: Bar[], title: string): Figure {
  const n = bars.length;
  const extent = new Extent().add(bars.flatMap((bar) => [bar.value, ...(bar.spread ?? [])])).add([0]);
  const names = shortLabels(
    bars.map((bar) => bar.label),
    22,
  );
  const place = Float64Array.from(bars, (_, at) => n - 1 - at);
  const values = Float64Array.from(bars, (bar) => bar.value);
  return {
    x: { scale: "linear", range: paddedRange(extent.range, false), format: formatCompact, title },
    y: {
      scale: "linear",
      range: [-0.6, n - 0.4],
      ticks: Array.from(place).reverse(),
      format: (at) => names[n - 1 - Math.round(at)] ?? "",
    },
    marks: [
      {
        kind: "bars",
        left: values.map((value) => Math.min(0, value)),
        right: values.map((value) => Math.max(0, value)),
        low: place.map((at) => at - 0.36),
        high: place.map((at) => at + 0.36),
        ink: bars.map((bar) => bar.ink),
      },
      ...bars.flatMap((bar, at): Mark[] =>
        bar.spread === undefined
          ? []
          : [
              {
                kind: "line",
                x: Float64Array.from(bar.spread),
                y: Float64Array.of(n - 1 - at, n - 1 - at),
                ink: "text",
                width: 1.5,
              },
            ],
      ),
      { kind: "rule", axis: "x", at: 0, ink: "soft" },
    ],
    traces: bars.map((bar, at) => ({
      run: bar.run,
      label: bar.label,
      ink: bar.ink,
      dash: [],
      x: Float64Array.of(bar.value),
      y: Float64Array.of(n - 1 - at),
      facts: () => [[title, formatNumber(bar.value, 6)]],
      ...(bar.href === undefined ? {} : { href: () => bar.href ?? "" }),
    })),
    reads: "xy",
    ends: null,
    formatX: (at) => formatNumber(at, 6),
    formatY: (value) => names[n - 1 - Math.round(value)] ?? "",
  };
}
