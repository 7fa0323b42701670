/** One number of each run, as bars. Pure. */

import { formatCompact, formatNumber } from "../ui/format";
import { Extent, type Figure, type Ink, paddedRange } from "./figure";
import { shortLabels } from "./labels";

export interface Bar {
  run: string;
  label: string;
  ink: Ink;
  value: number;
  href: string;
}

/** Lying bars, the first on top. Bars begin at zero, whatever the values. */
export function barFigure(bars: Bar[], title: string): Figure {
  const n = bars.length;
  const extent = new Extent().add(bars.map((bar) => bar.value)).add([0]);
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
      href: () => bar.href,
    })),
    reads: "xy",
    ends: null,
    formatX: (at) => formatNumber(at, 6),
    formatY: (value) => names[n - 1 - Math.round(value)] ?? "",
  };
}
