/** Exponential moving average, as TensorBoard defines it: started at 0 and debiased, so the first value is itself.
 *
 * `weight` 0 is no smoothing, towards 1 more. NaN and ±inf pass through and leave the average as it was.
 */
export function smooth(values: ArrayLike<number>, weight: number): Float64Array {
  const out = new Float64Array(values.length);
  let average = 0;
  let bias = 1;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? Number.NaN;
    if (!Number.isFinite(value)) {
      out[at] = value;
      continue;
    }
    average = average * weight + (1 - weight) * value;
    bias *= weight;
    out[at] = average / (1 - bias);
  }
  return out;
}
