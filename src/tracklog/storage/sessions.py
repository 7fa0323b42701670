"""Sessions of a run: which starts of processes count as one, and which points a later one overtook.

A run is preempted and resumed from a checkpoint: the same run, a new process. Each process that leads a run leaves a row when it
begins. It begins a new session only if nobody who led the run before gave a sign of life after: processes that record one run
together, children and late ranks do not. So whether a row counts is decided when reading, and an earlier process that turns out
to be alive takes it back.

Points say nothing of their session but their time. One that was logged before a session began, at or after the step with which
that session began in the same series, is *overtaken*: the process that logged it is gone, and the training went another way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tracklog.storage import Session
from tracklog.storage.points import Points

Array = np.ndarray[Any, Any]

QUIET_MS = 10_000  # a client that says once more that its run runs has started anew if nothing came for so long before


class Start(NamedTuple):
    """A row of the table: a process that led the run. Units and zeros as there."""

    writer_id: str
    start_ms: int
    first_ms: int
    opened_ms: int
    seen_ms: int
    last_ms: int
    host: str
    pid: int
    job: str
    ended: str

    def outlived(self, other: Start) -> bool:
        """Whether this process gave a sign of life after a later one had begun."""
        return bool(other.opened_ms and self.seen_ms > other.opened_ms) or self.last_ms > other.start_ms


def sessions_of(starts: Sequence[Start]) -> list[Session]:
    """Return the sessions that these processes make, in order; [] when it is only one."""
    starts = sorted(starts, key=lambda start: start.start_ms)
    sessions: list[list[Start]] = []
    for at, start in enumerate(starts):
        goes_on = any(before.outlived(start) for before in starts[:at]) or (
            bool(start.job) and bool(sessions) and sessions[-1][0].job == start.job
        )
        if goes_on:
            sessions[-1].append(start)
        else:
            sessions.append([start])
    if len(sessions) < 2:
        return []
    found: list[Session] = []
    for members in sessions:
        first = members[0]
        first_ms = first.first_ms
        if first.writer_id and found and found[-1].last_ms:
            # Other ranks start a little before the one that leads and die a little after: what they log belongs to the nearer.
            first_ms = (found[-1].last_ms + first.start_ms + 1) // 2
        found.append(
            Session(
                start_ms=first.start_ms,
                first_ms=first_ms,
                last_ms=max(one.last_ms for one in members),
                host=first.host,
                pid=first.pid,
                ended=next((one.ended for one in reversed(members) if one.ended), ""),
            )
        )
    return found


class Split(NamedTuple):
    """A series in the parts that sessions make of it. Points ascend as in the series."""

    live: Points  # what no later session overtook
    tails: list[tuple[Points, int]]  # what was overtaken of a session, and the row of `live` it goes on from; -1: there is none
    firsts: dict[int, int]  # number of each later session -> step of its first point


def split(points: Points, sessions: Sequence[Session]) -> Split:
    """Split a series, ascending by step, by what later sessions overtook."""
    bounds = np.array([session.first_ms for session in sessions[1:]], np.int64)
    session = np.searchsorted(bounds, points.times_ms, "right")
    found, rows = np.unique(session, return_index=True)  # the first row of each session has its smallest step
    firsts = {int(number): int(points.steps[row]) for number, row in zip(found, rows, strict=True)}
    # Of each session the smallest step with which a later one begins.
    cut, is_cut = np.zeros(len(sessions), np.int64), np.zeros(len(sessions), bool)
    least: int | None = None
    for number in range(len(sessions) - 1, -1, -1):
        if least is not None:
            cut[number], is_cut[number] = least, True
        if number in firsts:
            least = firsts[number] if least is None else min(least, firsts[number])
    overtaken = is_cut[session] & (points.steps >= cut[session])
    later = {number: step for number, step in firsts.items() if number > 0}
    if not overtaken.any():
        return Split(points, [], later)
    kept = np.flatnonzero(~overtaken)
    tails = []
    for number in np.unique(session[overtaken]):
        mine = np.flatnonzero(overtaken & (session == number))
        before = np.flatnonzero((session[kept] == number) & (kept < mine[0]))
        tails.append((_rows(points, mine), int(before[-1]) if len(before) else -1))
    return Split(_rows(points, kept), tails, later)


def _rows(points: Points, rows: Array) -> Points:
    return Points(points.steps[rows], points.times_ms[rows], points.bits[rows], points.dtypes[rows])
