"""Histories of metrics: whole, paged, of many runs, or thinned out for a chart.

Points come back as logged, except that an exact repeat (key, timestamp, step, value) is told once, as MLflow's store keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from tracklog.errors import NotFoundError
from tracklog.records import DType
from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.routing import AnyRoute, Context, Route
from tracklog.server.mlflow_api.wire import Refused, Request
from tracklog.storage import MetricColumns

MAX_RUNS = 100  # of a bulk request
MAX_BULK = 25_000
MAX_SAMPLES = 2500  # of one run in a sampled history
_PIECE = 20_000  # points encoded at once: 1.5 MB
_MAX_DOTS = 20  # a column of a table is looked for at each dot of a name

Array = np.ndarray[Any, Any]


@dataclass
class _History:
    """Points of one metric of one run, all columns (n,)."""

    times_ms: Array  # int64
    steps: Array  # int64
    values: Array  # float64; infinities are the largest doubles

    def __len__(self) -> int:
        return len(self.steps)

    def chosen(self, which: Any) -> _History:
        """Return some of the points: a slice, indices or a mask."""
        return _History(self.times_ms[which], self.steps[which], self.values[which])

    def ordered(self, *, by_step: bool) -> _History:
        """Return the points without exact repeats by (timestamp, step, value), or by (step, timestamp, value)."""
        first, second = (self.steps, self.times_ms) if by_step else (self.times_ms, self.steps)
        if len(self) < 2 or bool((first[1:] > first[:-1]).all()):
            return self
        is_nan = np.isnan(self.values)
        value = np.where(is_nan, 0.0, self.values)  # NaN sorts as 0
        order = np.lexsort((is_nan, value, second, first))
        columns = [column[order] for column in (first, second, value, is_nan)]
        new = np.ones(len(order), np.bool_)
        new[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
        return self.chosen(order[new])

    def points(self, key: str, run_id: str = "") -> list[wire.MetricPoint]:
        """Return the points in MLflow's shape."""
        values: list[wire.Number] = self.values.tolist()
        for i in np.flatnonzero(np.isnan(self.values)).tolist():
            values[i] = "NaN"
        return [
            wire.MetricPoint(key, value, time_ms, step, run_id)
            for value, time_ms, step in zip(values, self.times_ms.tolist(), self.steps.tolist(), strict=True)
        ]


def _history(context: Context, run_id: str, key: str) -> _History | None:
    """Return all points of a metric as logged; None when there is no such run or metric."""
    try:
        return _numbers(context.store.columns(run_id, key))
    except NotFoundError as error:
        if error.what != "metric":
            return None
    # A column of a table: `name.column`.
    for at in [i for i, letter in enumerate(key) if letter == "."][:_MAX_DOTS]:
        try:
            return _numbers(context.store.columns(run_id, key[:at], key[at + 1 :]))
        except NotFoundError:
            continue
    return None


def _numbers(columns: MetricColumns) -> _History:
    if columns.values.dtype == object:
        is_number = np.isin(columns.dtypes, (DType.FLOAT, DType.INT, DType.BOOL))
        values = columns.values[is_number].astype(np.float64)
        steps, times_ms = columns.steps[is_number], columns.times_ms[is_number]
    else:
        steps, times_ms, values = columns.steps, columns.times_ms, columns.values.astype(np.float64, copy=False)
    if bool(np.isinf(values).any()):
        values = np.nan_to_num(values, nan=np.nan)  # infinities become the largest doubles
    return _History(times_ms, steps, values)


class GetHistory(Request):
    """The history of a metric."""

    required = ("metric_key",)

    run_id: str = ""
    run_uuid: str = ""
    metric_key: str = ""
    max_results: int | None = None
    page_token: str = ""


class GetHistoryBulk(Request):
    """The histories of a metric in several runs."""

    run_id: list[str] = []
    metric_key: str | None = None
    max_results: int = MAX_BULK


class GetHistorySampled(Request):
    """Histories thinned out: at most `max_results` points a run."""

    required = ("metric_key",)

    run_ids: list[str] = []
    metric_key: str = ""
    start_step: int | None = None
    end_step: int | None = None
    max_results: int = MAX_SAMPLES


def get_history(context: Context, request: GetHistory) -> object:
    """Return a metric's points by (timestamp, step, value)."""
    run_id = request.run_id or request.run_uuid
    if not run_id:
        raise wire.missing("run_id")
    limit = request.max_results
    if limit is not None and limit <= 0:
        raise Refused(f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer.")
    offset = wire.Offset.of(request.page_token)
    history = _history(context, run_id, request.metric_key)
    if history is None:
        return {}
    history = history.ordered(by_step=False)
    end = len(history) if limit is None else min(len(history), offset + limit)
    token = wire.Offset.token(end) if end < len(history) else ""
    page = history.chosen(slice(offset, end))
    return _pieces(page, request.metric_key, token) if len(page) else {}


def _pieces(history: _History, key: str, token: str) -> Iterator[bytes]:
    """Yield the JSON of a history; a million points are never one string."""
    encode = msgspec.json.Encoder().encode
    yield b'{"metrics":['
    for start in range(0, len(history), _PIECE):
        piece = encode(history.chosen(slice(start, start + _PIECE)).points(key))[1:-1]
        yield (b"," if start else b"") + piece
    yield b'],"next_page_token":%s}' % encode(token) if token else b"]}"


def get_history_bulk(context: Context, request: GetHistoryBulk) -> object:
    """Return the points of several runs, run after run."""
    if not request.run_id:
        raise Refused("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(request.run_id) > MAX_RUNS:
        raise Refused(
            f"GetMetricHistoryBulk request cannot specify more than {MAX_RUNS} run_ids. Received {len(request.run_id)} run_ids."
        )
    if request.metric_key is None:
        raise Refused("GetMetricHistoryBulk request must specify a metric_key.")
    left = max(0, min(request.max_results, MAX_BULK))
    points: list[wire.MetricPoint] = []
    for run_id in sorted(set(request.run_id)):
        history = _history(context, run_id, request.metric_key) if left else None
        if history is not None:
            points += history.ordered(by_step=False).chosen(slice(0, left)).points(request.metric_key, run_id)
            left = max(0, min(request.max_results, MAX_BULK) - len(points))
    return {"metrics": points}


def get_history_sampled(context: Context, request: GetHistorySampled) -> object:
    """Return points evenly thinned out by row, the first and the last always among them."""
    if not request.run_ids:
        raise wire.missing("run_ids")
    if len(request.run_ids) > MAX_RUNS:
        raise Refused(
            f"GetMetricHistoryBulkInterval request must specify at most {MAX_RUNS} run_ids. "
            f"Received {len(request.run_ids)} run_ids. See the API docs for more information about request parameters."
        )
    if not 1 <= request.max_results <= MAX_SAMPLES:
        raise Refused(
            f"max_results must be between 1 and {MAX_SAMPLES}. See the API docs for more information about request parameters."
        )
    if (request.start_step is None) != (request.end_step is None):
        raise Refused("If either start step or end step are specified, both must be specified.")
    points: list[wire.MetricPoint] = []
    for run_id in request.run_ids:
        history = _history(context, run_id, request.metric_key)
        if history is None:
            context.view.run(run_id)  # an unknown run is an error here, an unknown metric is not
            continue
        history = history.ordered(by_step=True)
        if request.start_step is not None and request.end_step is not None:
            if request.start_step > request.end_step:
                raise Refused(
                    "end_step must be greater than start_step. "
                    f"Found start_step={request.start_step} and end_step={request.end_step}."
                )
            low, high = np.searchsorted(history.steps, [request.start_step, request.end_step + 1])
            history = history.chosen(slice(int(low), int(high)))
        points += history.chosen(_even_rows(len(history), request.max_results)).points(request.metric_key, run_id)
    return {"metrics": points} if points else {}


def _even_rows(n: int, wanted: int) -> Array:
    """Return which rows of n stand for all: the first of each of `wanted` groups of nearly equal size, and the last row.

    The groups are those of SQL's NTILE: the larger ones come first.
    """
    if n <= wanted:
        return np.arange(n)
    size, larger = divmod(n, wanted)
    first = np.arange(wanted) * size + np.minimum(np.arange(wanted), larger)
    first[-1] = n - 1
    return first


ROUTES: list[AnyRoute] = [
    Route("GET", "/mlflow/metrics/get-history", GetHistory, get_history),
    Route("GET", "/mlflow/metrics/get-history-bulk", GetHistoryBulk, get_history_bulk),
    Route("GET", "/mlflow/metrics/get-history-bulk-interval", GetHistorySampled, get_history_sampled),
]
