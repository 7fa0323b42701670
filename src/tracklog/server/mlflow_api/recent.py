"""The last metric points of each run: what a client sends again exactly counts once, as in MLflow.

Clients do after an answer that got lost, and autologging does to tell of which model a point speaks. What was logged longer
ago is stored when it comes again, and shown once when it is read through MLflow.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, TypeVar

_POINTS = 256  # of a run
_RUNS = 1000


class Point(Protocol):
    """A metric point as a request has it."""

    key: str
    value: float | None
    timestamp: int | None
    step: int


_P = TypeVar("_P", bound=Point)


class RecentPoints:
    """Remembers points. Safe for threads."""

    def __init__(self) -> None:
        self._points: OrderedDict[str, dict[tuple[object, ...], None]] = OrderedDict()
        self._lock = threading.Lock()

    def new(self, run_id: str, points: Sequence[_P]) -> Sequence[_P]:
        """Return the points that were not stored just now."""
        known = self._points.get(run_id)
        if not known:
            return points
        return [one for one in points if (one.key, one.timestamp, one.step, one.value) not in known]

    def remember(self, run_id: str, points: Sequence[Point]) -> None:
        """Note points that are stored."""
        with self._lock:
            known = self._points.setdefault(run_id, {})
            self._points.move_to_end(run_id)
            known.update({(one.key, one.timestamp, one.step, one.value): None for one in points[-_POINTS:]})
            # Readers look into the dictionary without the lock: it is replaced, not shrunk.
            if len(known) > 2 * _POINTS:
                self._points[run_id] = dict.fromkeys(list(known)[-_POINTS:])
            if len(self._points) > _RUNS:
                self._points.popitem(last=False)
