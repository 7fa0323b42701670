"""Reduce series to what a screen shows.

`bucketed` cuts a series into buckets of equal width in x and keeps of each the first, last, smallest and largest value,
the mean, and how many points it has: peaks, "now" and the count survive whatever the zoom. Of a part of the series the
points on both sides come along, so that the line between two far points shows wherever one looks. Reductions run at memory
speed over the sorted series (`ufunc.reduceat`), so no sampling and no second copy of the data are needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tracklog.errors import InvalidValueError, shown
from tracklog.records import MetricKind
from tracklog.storage import MAX_BUCKETS, SeriesBuckets, SeriesQuery

Array = np.ndarray[Any, Any]

MAX_SERIES_RUNS = 1000  # runs in one series query


def bucketed(
    x: Array,
    values: Array,
    query: SeriesQuery,
    *,
    run_id: str,
    name: str,
    column: str,
    kind: MetricKind,
) -> SeriesBuckets:
    """Return a series as buckets.

    Args:
        x: (n,) numbers, ascending.
        values: (n,) float64, in the order of `x`.
        query: gives range and number of buckets.
    """
    count = len(x)
    low = 0 if query.start is None else int(np.searchsorted(x, query.start, "left"))
    high = count if query.end is None else int(np.searchsorted(x, query.end, "right"))
    high = max(low, high)  # a range that ends before it starts has no points, and neighbours all the same
    before = None if low == 0 else (float(x[low - 1]), float(values[low - 1]))
    after = None if high == count else (float(x[high]), float(values[high]))
    x, values = x[low:high], values[low:high]
    n = len(x)
    if n <= query.buckets:
        position = x.astype(np.float64)
        ones = np.ones(n, np.int64)
        return SeriesBuckets(
            run_id=run_id,
            name=name,
            column=column,
            kind=kind,
            count=count,
            in_range=n,
            exact=True,
            x=position,
            x_last=position,
            first=values,
            last=values,
            min=values,
            max=values,
            mean=values,
            n=ones,
            non_finite=(~np.isfinite(values)).astype(np.int64),
            before=before,
            after=after,
        )
    # Edges from the data, not from the range asked: a zoomed-out chart wastes no bucket on emptiness.
    edges = np.linspace(float(x[0]), float(x[-1]), query.buckets + 1)[1:-1]
    if x.dtype == np.int64 and max(abs(int(x[0])), abs(int(x[-1]))) < 2**53:
        edges = np.ceil(edges).astype(np.int64)  # else all of x would be converted to compare it
    starts = np.concatenate(([0], np.searchsorted(x, edges, "left")))  # ascending; equal ones are empty buckets
    starts = starts[np.append(starts[1:] > starts[:-1], starts[-1] < n)]
    ends = np.append(starts[1:], n)
    mean, non_finite = _means(values, starts, ends - starts)
    return SeriesBuckets(
        run_id=run_id,
        name=name,
        column=column,
        kind=kind,
        count=count,
        in_range=n,
        exact=False,
        x=x[starts].astype(np.float64),
        x_last=x[ends - 1].astype(np.float64),
        first=values[starts],
        last=values[ends - 1],
        # fmin and fmax pass over NaN, unless there is nothing else.
        min=np.fmin.reduceat(values, starts),
        max=np.fmax.reduceat(values, starts),
        mean=mean,
        n=ends - starts,
        non_finite=non_finite,
        before=before,
        after=after,
    )


def _means(values: Array, starts: Array, n: Array) -> tuple[Array, Array]:
    """Return of each bucket the mean of its finite values, and how many are not finite."""
    finite = np.isfinite(values)
    is_all = bool(finite.all())
    non_finite = np.zeros(len(starts), np.int64) if is_all else np.add.reduceat(~finite, starts, dtype=np.int64)
    shown = values if is_all else np.where(finite, values, 0.0)
    counted = np.where(n > non_finite, n - non_finite, 1)
    with np.errstate(over="ignore"):
        mean = np.add.reduceat(shown, starts) / counted
    if not np.isfinite(mean).all():  # the sum of huge values overflows, their mean does not
        mean = np.add.reduceat(shown / np.repeat(counted, n), starts)
    mean[n == non_finite] = np.nan
    return mean, non_finite


def check_series_query(query: SeriesQuery) -> None:
    """Raise InvalidValueError when a series query cannot be answered."""
    if not 1 <= query.buckets <= MAX_BUCKETS:
        raise InvalidValueError(
            f"Cannot cut series into {query.buckets} buckets. Expected 1 to {MAX_BUCKETS}.",
            parameter="buckets",
            given=query.buckets,
        )
    if len(query.run_ids) > MAX_SERIES_RUNS:
        raise InvalidValueError(
            f"Cannot read series of {len(query.run_ids)} runs at once. Expected at most {MAX_SERIES_RUNS}; ask in parts.",
            parameter="run_ids",
            given=len(query.run_ids),
        )
    if query.x not in ("step", "time", "relative") and not query.x.startswith(("column:", "metric:")):
        raise InvalidValueError(
            f"Unknown x axis {shown(query.x)}. Expected 'step', 'time', 'relative', 'column:NAME' or 'metric:NAME'.",
            parameter="x",
            given=query.x,
        )
    for parameter in ("start", "end"):
        bound = getattr(query, parameter)
        if bound is not None and not np.isfinite(bound):
            raise InvalidValueError(
                f"Cannot use {bound} as `{parameter}`. Expected a finite number, or leave it out.",
                parameter=parameter,
                given=bound,
            )
