"""Runs whose loop stands still: their process is alive and has logged nothing for many times its usual interval.

Told is the same to whoever asks: run page, table and activity cannot disagree. Only runs that are Running are looked at; a
process that is dead too makes its run NotResponding.

Silence is measured by the process's own clock where it samples its machine, so that a clock that is off does no harm;
without samples by the store's.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import msgspec
import numpy as np

from tracklog.records import SYSTEM_PREFIX, DType, RunStatus
from tracklog.storage import MetricSummary, RunInfo, RunQuery, SeriesBuckets, SeriesQuery, Store

MAX_IDS = 200  # asked for at once
_BUCKETS = 2000
_MIN_POINTS = 20  # fewer intervals tell nothing of what is usual
_MIN_SILENCE_MS = 60_000  # a first evaluation is no standstill
_TIMES_USUAL = 10
_TIMES_LONGEST = 2  # evaluations and checkpoints make pauses; twice the longest so far is none of those
_MAX_KNOWN = 512


class Stall(msgspec.Struct, frozen=True):
    """A run that stands still."""

    run_id: str
    since_ms: int  # time of its last point, by its own clock
    silence_ms: int  # from then to its last sign of life
    usual_ms: int  # median time between two points
    longest_ms: int  # the longest time there was between two points


class StallList(msgspec.Struct):
    """Runs that stand still."""

    stalls: list[Stall]


class Stalls:
    """Finds them in one store. Safe for threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        # Usual and longest interval of a run, as of the time of its last point: they do not change while it is silent.
        self._known: OrderedDict[tuple[str, int], tuple[int, int] | None] = OrderedDict()

    def among(self, run_ids: Sequence[str]) -> list[Stall]:
        """Return those of these runs that stand still. Unknown and finished runs do not."""
        query = RunQuery(ids=list(run_ids[:MAX_IDS]), status=[RunStatus.RUNNING], limit=MAX_IDS, count=False, deleted=None)
        found = [self._stall(run) for run in self._store.search_runs(query).runs]
        return [stall for stall in found if stall is not None]

    def _stall(self, run: RunInfo) -> Stall | None:
        own = [metric for metric in run.metrics if not metric.name.startswith(SYSTEM_PREFIX)]
        sampled_ms = max((metric.last_time_ms for metric in run.metrics if metric.name.startswith(SYSTEM_PREFIX)), default=0)
        since_ms = max((metric.last_time_ms for metric in own), default=0)
        # A run that goes on after hours loads its data first.
        silence_ms = (sampled_ms or run.heartbeat_ms) - max(since_ms, run.status_ms)
        # The loop's own series is the one with most points.
        pulse = max((metric for metric in own if metric.dtype is not DType.TEXT), key=lambda metric: metric.count, default=None)
        if pulse is None or pulse.count < _MIN_POINTS or silence_ms < _MIN_SILENCE_MS:
            return None
        rhythm = self._rhythm(run.id, pulse, since_ms)
        if rhythm is None or silence_ms < max(_TIMES_USUAL * rhythm[0], _TIMES_LONGEST * rhythm[1]):
            return None
        return Stall(run.id, since_ms, silence_ms, *rhythm)

    def _rhythm(self, run_id: str, pulse: MetricSummary, since_ms: int) -> tuple[int, int] | None:
        key = (run_id, since_ms)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = self._store.series(
            SeriesQuery(run_ids=[run_id], names=[pulse.name], column=pulse.column, x="time", buckets=_BUCKETS)
        )
        rhythm = _rhythm_of(found[0]) if found else None
        with self._lock:
            self._known[key] = rhythm
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        return rhythm


def _rhythm_of(series: SeriesBuckets) -> tuple[int, int] | None:
    """Return the median and the longest time between two points, ms, of a series over time."""
    if series.in_range < _MIN_POINTS:
        return None
    between = series.x[1:] - series.x_last[:-1]
    # The time between two sessions is no pause of the loop.
    goes_on = np.ones(len(between), bool)
    for restart in series.restarts:
        goes_on &= ~((series.x_last[:-1] < restart.x) & (restart.x <= series.x[1:]))
    between = between[goes_on]
    inside = series.n > 1
    # Within a bucket the mean interval stands for all of them.
    intervals = np.concatenate([between, (series.x_last - series.x)[inside] / (series.n[inside] - 1)])
    weights = np.concatenate([np.ones(len(between), np.int64), series.n[inside] - 1])
    order = np.argsort(intervals)
    reached = np.cumsum(weights[order])
    usual = intervals[order][np.searchsorted(reached, reached[-1] / 2)]
    return round(float(usual)), round(float(between.max(initial=0)))
