"""Gather the runs of a search by what they have in common: counts, spreads of numbers, values that all share.

One pass a column: the values of all runs of the search are read once, as arrays, and reduced group by group at memory speed. So
mean and deviation are exact to rounding (two passes over centred values), whatever the size of the numbers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, Connection, bindparam, text

from tracklog.errors import InvalidValueError, shown
from tracklog.records import ParamValue
from tracklog.storage import Common, GroupQuery, RunGroup, RunGroups, Spread
from tracklog.storage.catalog import plain
from tracklog.storage.search import EQUAL_ATTRIBUTES, STATUS_SQL, RunSearch

Array = np.ndarray[Any, Any]

MAX_GROUPS = 5000  # a table of more is not read by anybody; the biggest are given
_MAX_BY = 8
_MANY_RUNS = 2000
_SUMMARIES = {
    "metric": "v.last_number",
    "metric.min": "v.min",
    "metric.max": "v.max",
    "metric.mean": "v.total / NULLIF(v.numbers, 0)",
}


def group_runs(connection: Connection, query: GroupQuery, search: RunSearch) -> RunGroups:
    """Return the groups of a search's runs, the biggest first.

    Raises:
        InvalidValueError: nothing or too much to group by, or a column that is none.
    """
    if not 1 <= len(query.by) <= _MAX_BY:
        raise InvalidValueError(
            f"Cannot group runs by {len(query.by)} columns. Expected 1 to {_MAX_BY}.", parameter="by", given=len(query.by)
        )
    if not 1 <= query.limit <= MAX_GROUPS:
        raise InvalidValueError(
            f"Cannot return {query.limit} groups. Expected 1 to {MAX_GROUPS}.", parameter="limit", given=query.limit
        )
    rows = search.read(connection, f"r.pk, r.start_ms, {STATUS_SQL} AS status, r.experiment_pk")
    found = _Found(connection, search, rows)
    if not rows:
        return RunGroups(groups=[], total=0, runs=0)
    # True equals 1 to Python, so values are told apart by their type, too. Groups are numbered by their first appearance.
    keys = [[(type(label), label) for label in found.labels(column, "by")] for column in query.by]
    number: dict[tuple[tuple[type, ParamValue], ...], int] = {}
    group_of = np.fromiter((number.setdefault(key, len(number)) for key in zip(*keys, strict=True)), np.int64, len(rows))
    sizes = np.bincount(group_of, minlength=len(number))
    chosen = np.argsort(-sizes, kind="stable")[: query.limit]
    values = list(number)
    starts = np.fromiter((row[1] for row in rows), np.int64, len(rows))
    first, last = np.full(len(number), np.iinfo(np.int64).max), np.zeros(len(number), np.int64)
    np.minimum.at(first, group_of, starts)
    np.maximum.at(last, group_of, starts)
    statuses: list[dict[str, int]] = [defaultdict(int) for _ in number]
    for row, group in zip(rows, group_of.tolist(), strict=True):
        statuses[group][row[2]] += 1
    spreads: dict[str, list[Spread | None]] = {}
    common: dict[str, list[Common | None]] = {}
    for column in dict.fromkeys(query.columns):
        kind, _, name = column.partition(":")
        if kind in _SUMMARIES and name:
            spreads[column] = _spreads(found.numbers(column), group_of, len(number))
        else:
            common[column] = _common(found.labels(column, "columns"), group_of, len(number))
    return RunGroups(
        groups=[
            RunGroup(
                values=[label for _, label in values[at]],
                runs=int(sizes[at]),
                statuses=dict(statuses[at]),
                first_start_ms=int(first[at]),
                last_start_ms=int(last[at]),
                spreads={column: spread for column, found in spreads.items() if (spread := found[at]) is not None},
                common={column: one for column, all_of in common.items() if (one := all_of[at]) is not None},
            )
            for at in chosen.tolist()
        ],
        total=len(number),
        runs=len(rows),
    )


class _Found:
    """The runs of a search and what they have in a column."""

    def __init__(self, connection: Connection, search: RunSearch, rows: Sequence[Any]) -> None:
        self._connection = connection
        self._search = search
        self._position = {row[0]: at for at, row in enumerate(rows)}
        # An index leads to all values of a name within an experiment; of many runs that is faster than to look up each run's.
        self._experiments = sorted({row[3] for row in rows}) if len(rows) > _MANY_RUNS else None

    def labels(self, column: str, parameter: str) -> list[ParamValue]:
        """Return what each run has in a column, in their order; None for nothing."""
        kind, _, name = column.partition(":")
        if column in EQUAL_ATTRIBUTES:
            rows: Iterable[Any] = self._search.read(self._connection, f"r.pk, {EQUAL_ATTRIBUTES[column]}")
        elif kind == "tag" and name:
            rows = self._read("tags", "v.value", name, [""])
        elif kind == "param" and name:
            # Each of the two has an index of its own.
            found = self._read("params", "v.kind, v.value, v.number", name, ["v.number IS NOT NULL", "v.number IS NULL"])
            rows = ((row[0], label_of(row[1], row[2], row[3])) for row in found)
        else:
            raise InvalidValueError(
                f"Cannot group runs with {shown(column)}. Expected {', '.join(EQUAL_ATTRIBUTES)}, param:NAME or tag:NAME"
                f"{', or the numbers ' + ', '.join(f'{one}:NAME' for one in _SUMMARIES) if parameter == 'columns' else ''}.",
                parameter=parameter,
                given=column,
            )
        labels: list[ParamValue] = [None] * len(self._position)
        for pk, label in rows:
            if (at := self._position.get(pk)) is not None:
                labels[at] = label
        return labels

    def numbers(self, column: str) -> Array:
        """Return (n,) float64 of a metric's summary; NaN for runs without."""
        kind, _, name = column.partition(":")
        numbers = np.full(len(self._position), np.nan)
        for pk, number in self._read("series", _SUMMARIES[kind], name, ["v.col = '' AND v.is_text = 0"]):
            if number is not None and (at := self._position.get(pk)) is not None:
                numbers[at] = number
        return numbers

    def _read(self, table: str, columns: str, name: str, parts: list[str]) -> list[Any]:
        """Return (run, columns) of the rows of that name, perhaps of other runs, too. Each row is in one of the `parts`."""
        if self._experiments is None:
            every = " OR ".join(f"({part})" for part in parts if part)
            join = f"JOIN {table} v ON v.run_pk = r.pk AND v.name = :column_name{f' AND ({every})' if every else ''}"
            return self._search.read(self._connection, f"r.pk, {columns}", join, column_name=plain(name))
        selects = [
            f"SELECT v.run_pk, {columns} FROM {table} v"
            f" WHERE v.experiment_pk IN :experiments AND v.name = :name{f' AND {part}' if part else ''}"
            for part in parts
        ]
        statement = text(" UNION ALL ".join(selects)).bindparams(bindparam("experiments", expanding=True, type_=BigInteger))
        return [*self._connection.execute(statement, {"experiments": self._experiments, "name": plain(name)}).all()]


def label_of(kind: str, value: str, number: float | None) -> ParamValue:
    """Return a param as a group has it: numbers by their size, so that 1 and 1.0 are the same and "1" is not; None for none."""
    if kind == "n":
        return None
    if kind == "b":
        return value == "True"
    if kind in ("i", "f"):
        if number is None or math.isinf(number):
            return value  # "nan", "inf", or a whole number beyond doubles: JSON has no other way to say it
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return value


def _spreads(numbers: Array, group_of: Array, groups: int) -> list[Spread | None]:
    """Return the spread of each group over the numbers that are finite; None for a group without any."""
    finite = np.isfinite(numbers)
    numbers, group_of = numbers[finite], group_of[finite]
    n = np.bincount(group_of, minlength=groups)
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    np.minimum.at(low, group_of, numbers)
    np.maximum.at(high, group_of, numbers)
    divisor = np.maximum(n, 1)
    # Halves first: the sum of two great numbers may be beyond doubles.
    means = np.bincount(group_of, numbers / divisor[group_of], groups)
    means = np.clip(means, low, high)  # rounding must not make a mean of equal numbers another one
    with np.errstate(over="ignore"):
        squares = np.bincount(group_of, (numbers - means[group_of]) ** 2, groups)
    deviations = np.sqrt(squares / np.maximum(n - 1, 1))
    return [
        Spread(
            n=int(n[at]),
            mean=float(means[at]),
            std=float(deviations[at]) if n[at] > 1 and np.isfinite(deviations[at]) else None,
            min=float(low[at]),
            max=float(high[at]),
        )
        if n[at]
        else None
        for at in range(groups)
    ]


def _common(labels: list[ParamValue], group_of: Array, groups: int) -> list[Common | None]:
    """Return of each group the value that all its runs have, and how many different ones there are."""
    seen: list[dict[tuple[type, ParamValue], None]] = [{} for _ in range(groups)]
    for label, group in zip(labels, group_of.tolist(), strict=True):
        seen[group][type(label), label] = None
    found: list[Common | None] = []
    for values in seen:
        present = [value for _, value in values if value is not None]
        found.append(Common(present[0] if len(values) == 1 else None, len(values)) if present else None)
    return found
