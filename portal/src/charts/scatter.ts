/** Runs as points, one field over another. Pure. */

import type { RunInfo } from "../api/types";
import { formatCompact } from "../ui/format";
import { naturalCompare } from "../ui/natural";
import { type Field, fieldLabel, fieldValue, formatField, spansDecades } from "./fields";
import { type Axis, Extent, type Figure, paddedRange } from "./figure";
import { cut } from "./labels";
import type { RunRef } from "./view.svelte";

export interface Placed {
  axis: Axis;
  /** Of each run, NaN where it lacks the field. */
  at: Float64Array;
}

/** An axis for a field: numbers, by their logarithm when they span decades; words in natural order, one place each. */
export function placeRuns(runs: RunInfo[], field: Field, isLog: boolean | null = null): Placed {
  const values = runs.map((run) => fieldValue(run, field));
  const given = values.filter((value) => value !== null);
  if (given.some((value) => typeof value === "string")) {
    const words = [...new Set(given.map(String))].sort(naturalCompare);
    return {
      at: Float64Array.from(values, (value) => (value === null ? Number.NaN : words.indexOf(String(value)))),
      axis: {
        scale: "linear",
        range: [-0.5, Math.max(0.5, words.length - 0.5)],
        ticks: words.map((_, at) => at),
        format: (at) => cut(words[Math.round(at)] ?? "", 14),
        title: fieldLabel(field),
      },
    };
  }
  const at = Float64Array.from(values, (value) => (typeof value === "number" ? value : Number.NaN));
  const { range } = new Extent().add(at);
  const log = range !== null && range[0] > 0 && (isLog ?? spansDecades(range));
  return {
    at,
    axis: {
      scale: field === "start" ? "time" : log ? "log" : "linear",
      range: field === "start" && range !== null ? widened(range) : paddedRange(range, log),
      format: (value) => (field === "duration" ? formatField(field, value) : formatCompact(value)),
      title: fieldLabel(field),
    },
  };
}

function widened([low, high]: [number, number]): [number, number] {
  const air = (high - low) * 0.05 || 30_000;
  return [low - air, high + air];
}

export function scatterFigure(runs: RunInfo[], refs: RunRef[], x: Field, y: Field, colour: Field): Figure {
  const [across, up] = [placeRuns(runs, x), placeRuns(runs, y)];
  const byId = new Map(refs.map((ref) => [ref.id, ref]));
  const shown = runs.flatMap((run, at) => {
    const ref = byId.get(run.id);
    const isPlaced = Number.isFinite(across.at[at] ?? Number.NaN) && Number.isFinite(up.at[at] ?? Number.NaN);
    return ref !== undefined && isPlaced ? [{ run, ref, at }] : [];
  });
  const fields = [...new Set([x, y, ...(colour === "" ? [] : [colour])])];
  const xs = Float64Array.from(shown, ({ at }) => across.at[at] ?? Number.NaN);
  const ys = Float64Array.from(shown, ({ at }) => up.at[at] ?? Number.NaN);
  return {
    x: across.axis,
    y: up.axis,
    marks: [{ kind: "dots", x: xs, y: ys, ink: shown.map(({ ref }) => ref.ink), radius: 4.5, alpha: 0.85 }],
    traces: shown.map(({ run, ref }, row) => ({
      run: ref.id,
      label: ref.label,
      ink: ref.ink,
      dash: [],
      x: xs.subarray(row, row + 1),
      y: ys.subarray(row, row + 1),
      facts: () =>
        fields.map((field): [string, string] => [fieldLabel(field), formatField(field, fieldValue(run, field))]),
      href: () => ref.href,
    })),
    reads: "xy",
    ends: null,
    formatX: (at) => across.axis.format(at, 1),
    formatY: (at) => up.axis.format(at, 1),
  };
}
