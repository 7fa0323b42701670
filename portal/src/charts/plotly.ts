/** Draws what Plotly wrote as JSON, as far as lines, points, bars, histograms and heat maps go. Pure.
 *
 * Plotly itself is larger than the whole portal; what it draws otherwise is named, and the file can be downloaded.
 */

import { formatCompact, formatNumber, formatTime } from "../ui/format";
import { type Axis, Extent, type Figure, type Ink, type Mark, paddedRange, type Trace, tightRange } from "./figure";
import { binned } from "./histogram";
import { cut } from "./labels";

type Unknown = Record<string, unknown>;
const isObject = (value: unknown): value is Unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function isPlotly(json: unknown): boolean {
  if (!isObject(json) || !Array.isArray(json["data"])) return false;
  return (
    json["data"].length > 0 && json["data"].every((one) => isObject(one) && ("type" in one || "y" in one || "z" in one))
  );
}

export interface PlotlyFigure {
  figure: Figure | null;
  title: string;
  /** Types of traces that are not drawn. */
  skipped: string[];
}

const BYTES: Record<string, (buffer: ArrayBuffer) => ArrayLike<number>> = {
  f8: (buffer) => new Float64Array(buffer),
  f4: (buffer) => new Float32Array(buffer),
  i4: (buffer) => new Int32Array(buffer),
  u4: (buffer) => new Uint32Array(buffer),
  i2: (buffer) => new Int16Array(buffer),
  u2: (buffer) => new Uint16Array(buffer),
  i1: (buffer) => new Int8Array(buffer),
  u1: (buffer) => new Uint8Array(buffer),
};

/** A list of values: JSON's own, or numbers packed in base64. */
function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (!isObject(value) || typeof value["bdata"] !== "string") return [];
  const decode = BYTES[String(value["dtype"]).replace(/^</, "")];
  if (decode === undefined) return [];
  const bytes = Uint8Array.from(atob(value["bdata"]), (char) => char.charCodeAt(0));
  return Array.from(decode(bytes.buffer));
}

/** Titles are text, or an object that holds one; both may have markup, which is left away. */
function textOf(value: unknown): string {
  const text = isObject(value) ? value["text"] : value;
  return typeof text === "string" ? text.replace(/<[^>]*>/g, " ").trim() : "";
}

class AxisBuilder {
  #words: string[] = [];
  #isDate = false;
  #isCategory = false;
  #isLog: boolean;
  readonly extent = new Extent();
  #title: string;

  constructor(layout: Unknown, lists: unknown[][]) {
    this.#isLog = layout["type"] === "log";
    this.#title = textOf(layout["title"]);
    const words = lists.flat().filter((value): value is string => typeof value === "string");
    if (words.length > 0 && layout["type"] !== "category" && words.every((word) => /^\d{4}-\d\d/.test(word)))
      this.#isDate = true;
    else if (words.length > 0 && words.some((word) => word.trim() === "" || !Number.isFinite(Number(word))))
      this.#isCategory = true;
    if (this.#isCategory) this.#words = [...new Set(lists.flat().map(String))];
  }

  get isCategory(): boolean {
    return this.#isCategory;
  }

  places(values: unknown[]): Float64Array {
    const found = Float64Array.from(values, (value) => {
      if (value === null || value === undefined) return Number.NaN;
      if (this.#isCategory) return this.#words.indexOf(String(value));
      if (this.#isDate) return Date.parse(String(value).replace(" ", "T"));
      return Number(value);
    });
    this.extent.add(found, this.#isLog);
    return found;
  }

  axis(isTight: boolean): Axis {
    const words = this.#words;
    if (this.#isCategory)
      return {
        scale: "linear",
        range: [-0.6, words.length - 0.4],
        ticks: words.map((_, at) => at).filter((at) => at % Math.ceil(words.length / 12) === 0),
        format: (at) => cut(words[Math.round(at)] ?? "", 10),
        title: this.#title,
      };
    const { range } = this.extent;
    return {
      scale: this.#isDate ? "time" : this.#isLog ? "log" : "linear",
      range: isTight ? tightRange(range, this.#isLog) : paddedRange(range, this.#isLog),
      format: formatCompact,
      title: this.#title,
      ...(this.#isDate ? { format: (at: number) => formatTime(at) } : {}),
    };
  }

  word(at: number): string {
    if (this.#isCategory) return this.#words[Math.round(at)] ?? "";
    return this.#isDate ? formatTime(at) : formatNumber(at, 6);
  }
}

export function plotlyFigure(json: unknown, shade: (share: number) => Ink): PlotlyFigure {
  const data = (isObject(json) && Array.isArray(json["data"]) ? json["data"] : []).filter(isObject);
  const layout = isObject(json) && isObject(json["layout"]) ? json["layout"] : {};
  const typeOf = (trace: Unknown) => String(trace["type"] ?? "scatter");
  const known = new Set(["scatter", "scattergl", "bar", "histogram", "heatmap"]);
  const drawn = data.filter(
    (trace) => known.has(typeOf(trace)) && trace["visible"] !== "legendonly" && trace["visible"] !== false,
  );
  const skipped = [...new Set(data.filter((trace) => !known.has(typeOf(trace))).map(typeOf))];
  const title = textOf(layout["title"]);
  if (drawn.length === 0) return { figure: null, title, skipped };

  const axisLayout = (name: string) => (isObject(layout[name]) ? layout[name] : {});
  const x = new AxisBuilder(
    axisLayout("xaxis"),
    drawn.map((trace) => (typeOf(trace) === "histogram" ? [] : listOf(trace["x"]))),
  );
  const y = new AxisBuilder(
    axisLayout("yaxis"),
    drawn.map((trace) => listOf(trace["y"])),
  );
  const marks: Mark[] = [];
  const traces: Trace[] = [];
  let isPointwise = false;
  let hasBars = false;
  const bars = drawn.filter((trace) => typeOf(trace) === "bar");
  const isStacked = layout["barmode"] === "stack" || layout["barmode"] === "relative";
  const stacked = new Map<number, number>();

  drawn.forEach((trace, at) => {
    const label = textOf(trace["name"]) || `${at + 1}`;
    const ink: Ink = at % 12;
    const base = { run: "", label, ink, dash: [] as number[] };
    switch (typeOf(trace)) {
      case "bar": {
        const isFlat = trace["orientation"] === "h";
        const [along, up] = isFlat ? [y, x] : [x, y];
        const given = listOf(trace[isFlat ? "y" : "x"]);
        const lengths = listOf(trace[isFlat ? "x" : "y"]);
        const places = along.places(given.length > 0 ? given : lengths.map((_, i) => i));
        const values = up.places(lengths);
        up.extent.add([0]);
        const width = 0.8 * smallestGap(places);
        const share = isStacked ? width : width / bars.length;
        const offset = isStacked ? -width / 2 : -width / 2 + share * bars.indexOf(trace);
        const from = places.map((place) => place + offset);
        const to = from.map((place) => place + share);
        const feet = places.map((place, i) => {
          const foot = isStacked ? (stacked.get(place) ?? 0) : 0;
          if (isStacked) stacked.set(place, foot + (values[i] ?? 0));
          return foot;
        });
        const tops = values.map((value, i) => (feet[i] ?? 0) + value);
        up.extent.add(tops);
        along.extent.add(from).add(to);
        marks.push(
          isFlat
            ? { kind: "bars", left: feet, right: tops, low: from, high: to, ink, alpha: 0.9 }
            : { kind: "bars", left: from, right: to, low: feet, high: tops, ink, alpha: 0.9 },
        );
        const middle = from.map((place) => place + share / 2);
        traces.push({
          ...base,
          x: isFlat ? tops : middle,
          y: isFlat ? middle : tops,
          facts: (row) => [[along.word(places[row] ?? 0), formatNumber(values[row], 6)]],
        });
        hasBars = true;
        isPointwise = true;
        break;
      }
      case "histogram": {
        const histogram = binned(listOf(trace["x"]).map(Number));
        if (histogram === null) break;
        const { edges, counts } = histogram;
        x.extent.add(edges);
        y.extent.add(counts).add([0]);
        const [left, right] = [Float64Array.from(edges.slice(0, -1)), Float64Array.from(edges.slice(1))];
        marks.push({
          kind: "bars",
          left,
          right,
          low: new Float64Array(counts.length),
          high: Float64Array.from(counts),
          ink,
          alpha: drawn.length > 1 ? 0.5 : 0.85,
        });
        traces.push({
          ...base,
          x: left.map((value, i) => (value + (right[i] ?? value)) / 2),
          y: Float64Array.from(counts),
          facts: (row) => [
            [`${formatNumber(edges[row], 4)} … ${formatNumber(edges[row + 1], 4)}`, formatNumber(counts[row], 6)],
          ],
        });
        hasBars = true;
        isPointwise = true;
        break;
      }
      case "heatmap": {
        const rows = listOf(trace["z"]).map((row) => listOf(row).map(Number));
        const columns = Math.max(0, ...rows.map((row) => row.length));
        const given = (key: string, n: number) => {
          const list = listOf(trace[key]);
          return list.length >= n ? list.slice(0, n) : Array.from({ length: n }, (_, i) => i);
        };
        const [xs, ys] = [x.places(given("x", columns)), y.places(given("y", rows.length))];
        const range = new Extent().add(rows.flat()).range ?? [0, 1];
        const cells = rows
          .flatMap((row, i) => row.map((value, j) => ({ i, j, value })))
          .filter((cell) => Number.isFinite(cell.value));
        const [dx, dy] = [smallestGap(xs) / 2, smallestGap(ys) / 2];
        const of = (pick: (cell: { i: number; j: number; value: number }) => number) => Float64Array.from(cells, pick);
        const [left, right] = [of(({ j }) => (xs[j] ?? 0) - dx), of(({ j }) => (xs[j] ?? 0) + dx)];
        const [low, high] = [of(({ i }) => (ys[i] ?? 0) - dy), of(({ i }) => (ys[i] ?? 0) + dy)];
        x.extent.add(left).add(right);
        y.extent.add(low).add(high);
        marks.push({
          kind: "bars",
          left,
          right,
          low,
          high,
          ink: cells.map(({ value }) => shade((value - range[0]) / (range[1] - range[0] || 1))),
        });
        traces.push({
          ...base,
          x: of(({ j }) => xs[j] ?? 0),
          y: of(({ i }) => ys[i] ?? 0),
          facts: (row) => [
            ["x", x.word(xs[cells[row]?.j ?? 0] ?? 0)],
            ["y", y.word(ys[cells[row]?.i ?? 0] ?? 0)],
            ["z", formatNumber(cells[row]?.value, 6)],
          ],
        });
        isPointwise = true;
        hasBars = true;
        break;
      }
      default: {
        const ys = y.places(listOf(trace["y"]));
        const given = listOf(trace["x"]);
        const xs = x.places(given.length > 0 ? given : Array.from(ys, (_, i) => i));
        const mode = String(trace["mode"] ?? (xs.length > 20 ? "lines" : "lines+markers"));
        const isDashed =
          isObject(trace["line"]) && typeof trace["line"]["dash"] === "string" && trace["line"]["dash"] !== "solid";
        if (mode.includes("lines")) marks.push({ kind: "line", x: xs, y: ys, ink, dash: isDashed ? [5, 3] : [] });
        if (mode.includes("markers")) marks.push({ kind: "dots", x: xs, y: ys, ink, radius: 3.5, alpha: 0.9 });
        const isAscending = xs.every((value, i) => i === 0 || value >= (xs[i - 1] ?? value));
        if (!mode.includes("lines") || !isAscending) isPointwise = true;
        traces.push({
          ...base,
          x: xs,
          y: ys,
          facts: (row) => [
            ["x", x.word(xs[row] ?? 0)],
            ["y", y.word(ys[row] ?? 0)],
          ],
        });
      }
    }
  });
  return {
    figure: {
      x: x.axis(hasBars || !isPointwise),
      y: y.axis(false),
      marks,
      traces,
      reads: isPointwise ? "xy" : "x",
      ends: isPointwise || traces.length === 1 ? null : "names",
      formatX: (at) => x.word(at),
      formatY: (value) => y.word(value),
    },
    title,
    skipped,
  };
}

function smallestGap(places: Float64Array): number {
  const sorted = Float64Array.from(new Set(places)).sort();
  let least = Number.POSITIVE_INFINITY;
  for (let at = 1; at < sorted.length; at++) least = Math.min(least, (sorted[at] ?? 0) - (sorted[at - 1] ?? 0));
  return Number.isFinite(least) && least > 0 ? least : 1;
}
