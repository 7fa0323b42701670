/** Smoothing, by point: a bucket of n points weighs as n points of its mean, so that zooming in does not change the curve's shape.
 *
 * NaN and ±inf stay where they are and touch no other value.
 */

export const SMOOTHINGS = ["ema", "gaussian", "mean"] as const;
export type SmoothingKind = (typeof SMOOTHINGS)[number];

/** `points`: how many points the average is over, roughly; 1 is no smoothing. */
export interface Smoothing {
  kind: SmoothingKind;
  points: number;
}

export const UNSMOOTHED: Smoothing = { kind: "ema", points: 1 };
/** Beyond ± this many standard deviations a Gaussian has less than 0.3 % of its weight. */
const REACH = 3;

export function smooth(values: ArrayLike<number>, n: ArrayLike<number>, smoothing: Smoothing): Float64Array {
  if (smoothing.points <= 1) return Float64Array.from(values);
  switch (smoothing.kind) {
    case "ema":
      return movingAverage(values, n, 1 - 1 / smoothing.points);
    case "gaussian":
      return gaussian(values, n, smoothing.points / 2);
    case "mean":
      return runningMean(values, n, smoothing.points);
  }
}

/** Exponential moving average as TensorBoard defines it: started at 0 and debiased, so that the first value is itself. */
function movingAverage(values: ArrayLike<number>, n: ArrayLike<number>, weight: number): Float64Array {
  const out = new Float64Array(values.length);
  let average = 0;
  let bias = 1;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? Number.NaN;
    if (!Number.isFinite(value)) {
      out[at] = value;
      continue;
    }
    const kept = weight ** (n[at] ?? 1);
    average = average * kept + (1 - kept) * value;
    bias *= kept;
    out[at] = average / (1 - bias);
  }
  return out;
}

/** Where buckets lie when points stand one behind the other: edges in points, and the sum of all values before each. */
function cumulated(values: ArrayLike<number>, n: ArrayLike<number>): { edges: Float64Array; sums: Float64Array } {
  const edges = new Float64Array(values.length + 1);
  const sums = new Float64Array(values.length + 1);
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? Number.NaN;
    const weight = Number.isFinite(value) ? (n[at] ?? 1) : 0;
    edges[at + 1] = (edges[at] ?? 0) + weight;
    sums[at + 1] = (sums[at] ?? 0) + (weight === 0 ? 0 : weight * value);
  }
  return { edges, sums };
}

/** Mean of a window of `width` points around each; at the ends of what there is of it. */
function runningMean(values: ArrayLike<number>, n: ArrayLike<number>, width: number): Float64Array {
  const { edges, sums } = cumulated(values, n);
  const out = new Float64Array(values.length);
  const total = edges[values.length] ?? 0;
  let low = 0;
  let high = 0;
  const sumAt = (point: number, from: number): [number, number] => {
    let at = from;
    while (at > 0 && (edges[at] ?? 0) > point) at--;
    while (at < values.length - 1 && (edges[at + 1] ?? 0) <= point) at++;
    const span = (edges[at + 1] ?? 0) - (edges[at] ?? 0);
    const part = span === 0 ? 0 : Math.min(1, (point - (edges[at] ?? 0)) / span);
    return [(sums[at] ?? 0) + part * ((sums[at + 1] ?? 0) - (sums[at] ?? 0)), at];
  };
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? Number.NaN;
    if (!Number.isFinite(value)) {
      out[at] = value;
      continue;
    }
    const middle = ((edges[at] ?? 0) + (edges[at + 1] ?? 0)) / 2;
    const half = Math.min(width / 2, middle, total - middle);
    const reach = Math.max(half, (edges[at + 1] ?? 0) - middle, 0.5);
    const [start, end] = [Math.max(0, middle - reach), Math.min(total, middle + reach)];
    const [before, lowAt] = sumAt(start, low);
    const [after, highAt] = sumAt(end, high);
    low = lowAt;
    high = highAt;
    out[at] = (after - before) / (end - start);
  }
  return out;
}

function gaussian(values: ArrayLike<number>, n: ArrayLike<number>, deviation: number): Float64Array {
  const { edges } = cumulated(values, n);
  const middle = (at: number) => ((edges[at] ?? 0) + (edges[at + 1] ?? 0)) / 2;
  const out = new Float64Array(values.length);
  let first = 0;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? Number.NaN;
    if (!Number.isFinite(value)) {
      out[at] = value;
      continue;
    }
    const here = middle(at);
    while (here - middle(first) > REACH * deviation) first++;
    let sum = 0;
    let weights = 0;
    for (let other = first; other < values.length; other++) {
      const distance = (middle(other) - here) / deviation;
      if (distance > REACH) break;
      const near = values[other] ?? Number.NaN;
      if (!Number.isFinite(near)) continue;
      const weight = (n[other] ?? 1) * Math.exp(-0.5 * distance * distance);
      sum += weight * near;
      weights += weight;
    }
    out[at] = sum / weights;
  }
  return out;
}

/** A slider from 0 to 1 as points: even steps feel even from 1 to 10,000. */
export function pointsOf(slider: number): number {
  return slider <= 0 ? 1 : 10 ** (4 * slider);
}
export function sliderOf(points: number): number {
  return points <= 1 ? 0 : Math.min(1, Math.log10(points) / 4);
}
