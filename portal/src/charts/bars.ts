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
  ink: Ink;
  value: number;
  /** Of a mean over runs: how far they spread, and nothing to open. */
  spread?: [low: number, high: number];
  href?: string;
}

/** One bar for each group of runs, from their mean or median; runs without a group keep theirs. Groups come in their order. */
export function averaged(bars: Bar[], refs: readonly RunRef[], centre: Centre, spread: Spread): Bar[] {
  const byId = new Map(refs.map((ref) => [ref.id, ref]));
  const alone: Bar[] = [];
  const members = new Map<string, { at: number; values: number[] }>();
  for (const bar of bars) {
    const ref = byId.get(bar.run);
    if (ref === undefined || ref.group === null) alone.push(bar);
    else {
      const known = members.get(ref.group);
      if (known === undefined) members.set(ref.group, { at: ref.groupAt, values: [bar.value] });
      else known.values.push(bar.value);
    }
  }
  const inOrder = [...members].sort(([, a], [, b]) => a.at - b.at);
  const means = inOrder.map(([group, { at, values }]): Bar => {
    const found = spreadOver(values, centre, spread);
    const bar = { run: "", label: `${group} ×${values.length}`, ink: styleAt(at).hue, value: found.centre };
    return values.length < 2 || spread === "none" ? bar : { ...bar, spread: [found.low, found.high] };
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
