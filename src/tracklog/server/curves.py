"""What the portal makes of series before it draws them, for pictures by the server: smoothing, and groups of runs.

Twin of portal/src/charts/smooth.ts and of `summarise` in portal/src/charts/lines.ts. Both are tested with the same numbers,
portal/src/charts/cases.json. NaN and ±inf stay where they are and touch no other value. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SMOOTHINGS = ("ema", "gaussian", "mean")
CENTRES = ("mean", "median")
SPREADS = ("std", "ci", "iqr", "range", "none")
_REACH = 3  # standard deviations: beyond, a Gaussian has less than 0.3 % of its weight
# 97.5 % quantiles of Student's t for 1, 2, 3 … degrees of freedom; beyond, the normal one is within 2 %.
_STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131),
    *(2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_NORMAL = 1.96
Curve = tuple[list[float], list[float], list[float] | None, list[float] | None]  # x, y, least and greatest of each place


def smooth(values: Sequence[float], weights: Sequence[int], kind: str, points: float) -> list[float]:
    """Return an average over about `points` points at each place; a place of n points weighs as n of its mean."""
    if points <= 1:
        return list(values)
    if kind == "gaussian":
        return _gaussian(values, weights, points / 2)
    if kind == "mean":
        return _running_mean(values, weights, points)
    return _moving_average(values, weights, 1 - 1 / points)


def _moving_average(values: Sequence[float], weights: Sequence[int], weight: float) -> list[float]:
    """Exponential moving average as TensorBoard defines it: started at 0 and debiased, so that the first value is itself."""
    out, average, bias = [], 0.0, 1.0
    for value, n in zip(values, weights, strict=True):
        if math.isfinite(value):
            kept = weight**n
            average, bias = average * kept + (1 - kept) * value, bias * kept
            value = average / (1 - bias)
        out.append(value)
    return out


def _edges(values: Sequence[float], weights: Sequence[int]) -> Array:
    """Return where places begin and end, (n + 1,), when their points stand one behind the other."""
    counted = np.where(np.isfinite(values), weights, 0)
    return np.concatenate([[0.0], np.cumsum(counted, dtype=float)])


def _running_mean(values: Sequence[float], weights: Sequence[int], width: float) -> list[float]:
    """Mean of a window of `width` points around each; at the ends of what there is of it."""
    edges = _edges(values, weights)
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0) * np.where(finite, weights, 0))])
    middle, total = (edges[:-1] + edges[1:]) / 2, edges[-1]
    half = np.minimum(np.minimum(width / 2, middle), total - middle)
    reach = np.maximum(np.maximum(half, edges[1:] - middle), 0.5)
    start, end = np.maximum(0, middle - reach), np.minimum(total, middle + reach)
    with np.errstate(all="ignore"):  # places without a finite value have no window
        means = (np.interp(end, edges, sums) - np.interp(start, edges, sums)) / (end - start)
    return [float(value) for value in np.where(finite, means, values)]


def _gaussian(values: Sequence[float], weights: Sequence[int], deviation: float) -> list[float]:
    edges = _edges(values, weights)
    middle = (edges[:-1] + edges[1:]) / 2
    finite = np.isfinite(values)
    mass = np.where(finite, weights, 0).astype(float)
    known = np.where(finite, values, 0.0)
    out = []
    for at, value in enumerate(values):
        if math.isfinite(value):
            # Not the places at exactly this distance alone: rounding may put them on either side.
            near = slice(*np.searchsorted(middle, [middle[at] - _REACH * deviation, middle[at] + _REACH * deviation]))
            near = slice(near.start, near.stop + 1)
            distance = (middle[near] - middle[at]) / deviation
            weight = np.where(np.abs(distance) <= _REACH, mass[near] * np.exp(-0.5 * distance**2), 0.0)
            value = float((weight * known[near]).sum() / weight.sum())
        out.append(value)
    return out


def summarise(curves: Sequence[Curve], centre: str, spread: str) -> Curve:
    """Return centre and spread over curves, at each place over those that have a value there."""
    grid = _grid([np.asarray(x) for x, _, _, _ in curves])
    rows = np.array([_at(x, y, grid) for x, y, _, _ in curves])
    rows[~np.isfinite(rows)] = np.nan
    there = ~np.isnan(rows)
    n = there.sum(axis=0)
    with np.errstate(all="ignore"):  # places without a value, and the ends of floats
        mean = np.where(n == 0, np.nan, np.where(there, rows / np.maximum(n, 1), 0.0).sum(axis=0))
        ordered = np.sort(rows, axis=0)  # NaN last
        middle = mean if centre == "mean" else _quantile(ordered, n, 0.5)
        if spread == "iqr":
            low, high = _quantile(ordered, n, 0.25), _quantile(ordered, n, 0.75)
        elif spread == "range":
            # The extremes of buckets, so that no spike of any run is averaged away.
            low, high = (
                reduce(np.where(there, [_at(x, y if ends is None else ends, grid) for x, y, ends in lines], out), axis=0)
                for reduce, out, lines in (
                    (np.min, np.inf, [(x, y, low) for x, y, low, _ in curves]),
                    (np.max, -np.inf, [(x, y, high) for x, y, _, high in curves]),
                )
            )
            low, high = np.where(n == 0, np.nan, low), np.where(n == 0, np.nan, high)
        else:
            squares = np.where(there, (rows - mean) ** 2, 0.0).sum(axis=0)
            variance = np.where(n < 2, 0.0, squares / np.maximum(n - 1, 1))
            student = np.array([0.0, 0.0, *_STUDENT])
            factor = np.where(n < len(student), student[np.minimum(n, len(student) - 1)], _NORMAL) / np.sqrt(np.maximum(n, 1))
            half = np.sqrt(variance) * (1 if spread == "std" else factor)
            low, high = middle - half, middle + half
    if spread == "none":
        return grid.tolist(), middle.tolist(), None, None
    return grid.tolist(), middle.tolist(), low.tolist(), high.tolist()


def _grid(places: Sequence[Array]) -> Array:
    """Return where curves are compared: at their places in common, else at those of the one with most, and beyond its ends."""
    if all(np.array_equal(one, places[0]) for one in places):
        return places[0]
    longest = max(places, key=len)
    beyond = [one[(one < longest[0]) | (one > longest[-1])] for one in places]
    return np.unique(np.concatenate([longest, *beyond]))


def _at(x: Sequence[float], y: Sequence[float], wanted: Array) -> Array:
    """Return a curve's values at any places: between its points straight, NaN outside and beside gaps."""
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    if np.array_equal(xs, wanted):
        return ys  # where a place comes twice, each has its own value
    row = np.searchsorted(xs, wanted)
    right, left = np.minimum(row, len(xs) - 1), np.maximum(row - 1, 0)
    with np.errstate(all="ignore"):
        share = (wanted - xs[left]) / (xs[right] - xs[left])
        between = ys[left] * (1 - share) + ys[right] * share
    is_own = xs[right] == wanted
    return np.where(is_own, ys[right], np.where((row == 0) | (row == len(xs)), np.nan, between))


def _quantile(ordered: Array, n: Array, share: float) -> Array:
    """Return a quantile of each column of (runs, places), of which the first n are values."""
    place = share * (n - 1)
    low = np.clip(np.floor(place).astype(int), 0, None)
    high = np.clip(np.minimum(n - 1, low + 1), 0, None)
    at = np.arange(ordered.shape[1])
    a, b = ordered[low, at], ordered[high, at]
    found: Array = np.where(n == 0, np.nan, a + (b - a) * (place - low))
    return found
