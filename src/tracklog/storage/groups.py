"""Gather the runs of a search by what they have in common: counts, spreads of numbers, values that all share.

One pass a column: the values of all runs of the search are read once, as arrays, and reduced group by group at memory speed. So
mean and deviation are exact to rounding (two passes over centred values), whatever the size of the numbers. Labels come from the
database each with the list of the runs that have it: a hundred thousand runs have a handful, and rows take longer to hand over
than to find.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import BigInteger, Connection, bindparam, text

from tracklog.errors import InvalidValueError, shown
from tracklog.records import ParamValue
from tracklog.storage import Common, GroupQuery, RunGroup, RunGroups, Spread
from tracklog.storage.catalog import fetch, plain
from tracklog.storage.search import EQUAL_ATTRIBUTES, INDEXED_CHARS, STATUS_SQL, RunSearch

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
    if not rows:
        return RunGroups(groups=[], total=0, runs=0)
    found = _Found(connection, search, rows)
    # Runs with equal labels in all columns are a group.
    keys = [found.labels(column, "by") for column in query.by]
    group_of = np.zeros(len(rows), np.int64)
    for labels in keys:
        group_of = np.unique(group_of * len(labels.values) + labels.codes, return_inverse=True)[1]
    members = np.unique(group_of, return_index=True)[1]  # the first of each group
    total = len(members)
    sizes = np.bincount(group_of, minlength=total)
    starts = np.array([row[1] for row in rows], np.int64)
    first, last = np.full(total, np.iinfo(np.int64).max), np.zeros(total, np.int64)
    np.minimum.at(first, group_of, starts)
    np.maximum.at(last, group_of, starts)
    statuses: list[dict[str, int]] = [{} for _ in range(total)]
    status = _Labels.of([row[2] for row in rows])
    for group, code, runs in zip(*status.within(group_of), strict=True):
        statuses[group][str(status.values[code])] = runs
    spreads: dict[str, list[Spread | None]] = {}
    common: dict[str, list[Common | None]] = {}
    for column in dict.fromkeys(query.columns):
        kind, _, name = column.partition(":")
        if kind in _SUMMARIES and name:
            spreads[column] = _spreads(found.numbers(column), group_of, total)
        else:
            common[column] = _common(found.labels(column, "columns"), group_of, total)
    return RunGroups(
        groups=[
            RunGroup(
                values=[labels.values[labels.codes[members[at]]] for labels in keys],
                runs=int(sizes[at]),
                statuses=statuses[at],
                first_start_ms=int(first[at]),
                last_start_ms=int(last[at]),
                spreads={column: spread for column, found in spreads.items() if (spread := found[at]) is not None},
                common={column: one for column, all_of in common.items() if (one := all_of[at]) is not None},
            )
            for at in np.lexsort((members, -sizes))[: query.limit].tolist()
        ],
        total=total,
        runs=len(rows),
    )


@dataclass(frozen=True)
class _Labels:
    """What each run has in a column."""

    codes: Array  # (n,) int64: of each run the place of its label in `values`
    values: list[ParamValue]  # without repeats; None first, for runs that have nothing

    @staticmethod
    def of(labels: Iterable[ParamValue]) -> _Labels:
        """Return labels, one for each run."""
        # True equals 1 to Python, so values are told apart by their type, too.
        places: dict[tuple[type, ParamValue], int] = {(type(None), None): 0}
        codes = np.array([places.setdefault((type(label), label), len(places)) for label in labels], np.int64)
        return _Labels(codes, [label for _, label in places])

    def within(self, group_of: Array) -> tuple[list[int], list[int], list[int]]:
        """Return groups with codes that runs of theirs have, and how many have it."""
        pairs, counts = np.unique(group_of * len(self.values) + self.codes, return_counts=True)
        return (pairs // len(self.values)).tolist(), (pairs % len(self.values)).tolist(), counts.tolist()


class _Found:
    """The runs of a search and what they have in a column."""

    def __init__(self, connection: Connection, search: RunSearch, rows: Sequence[Any]) -> None:
        self._connection = connection
        self._search = search
        pks = np.array([row[0] for row in rows], np.int64)
        self._count = len(pks)
        self._place = np.full(int(pks.max()) + 1, -1, np.int64)  # by key of a run; keys are counted up, with few gaps
        self._place[pks] = np.arange(len(pks))
        # An index leads to all values of a name within an experiment; of many runs that is faster than to look up each run's.
        self._experiments = sorted({row[3] for row in rows}) if len(rows) > _MANY_RUNS else None

    def labels(self, column: str, parameter: str) -> _Labels:
        """Return what each run has in a column."""
        kind, _, name = column.partition(":")
        if column in EQUAL_ATTRIBUTES:
            rows = self._search.read(self._connection, f"{EQUAL_ATTRIBUTES[column]}, r.pk")
            return self._given_to([row[0] for row in rows], [1] * len(rows), [row[1] for row in rows])
        if kind == "tag" and name:
            # The index has short values as a whole, in order.
            begin = f"substr(v.value, 1, {INDEXED_CHARS})"
            rows = self._gathered("tags", begin, name, [f"length({begin}) < {INDEXED_CHARS}"])
            rows += self._gathered("tags", "v.value", name, [f"length({begin}) = {INDEXED_CHARS}"])
            labels: list[ParamValue] = [row[0] for row in rows]
        elif kind == "param" and name:
            # Each of the two has an index of its own.
            rows = self._gathered("params", "v.number, v.value, v.kind", name, ["v.number IS NOT NULL", "v.number IS NULL"])
            labels = [label_of(row[2], row[1], row[0]) for row in rows]
        else:
            raise InvalidValueError(
                f"Cannot group runs with {shown(column)}. Expected {', '.join(EQUAL_ATTRIBUTES)}, param:NAME or tag:NAME"
                f"{', or the numbers ' + ', '.join(f'{one}:NAME' for one in _SUMMARIES) if parameter == 'columns' else ''}.",
                parameter=parameter,
                given=column,
            )
        return self._given_to(labels, [row[-2] for row in rows], ",".join(row[-1] for row in rows))

    def numbers(self, column: str) -> Array:
        """Return (n,) float64 of a metric's summary; NaN for runs without."""
        kind, _, name = column.partition(":")
        value, is_series = _SUMMARIES[kind], "v.col = '' AND v.is_text = 0"
        if self._experiments is None:
            join = f"JOIN series v ON v.run_pk = r.pk AND v.name = :column_name AND {is_series}"
            rows = self._search.read(self._connection, f"r.pk, {value}", join, column_name=plain(name))
        else:
            rows = self._ask(f"SELECT v.run_pk, {value} FROM series v WHERE {_OF_COLUMN} AND {is_series}", name)
        numbers = np.full(self._count, np.nan)
        if rows:
            found = np.array(rows, np.float64)  # None becomes NaN
            at, there = self._places(found[:, 0].astype(np.int64))
            numbers[at] = found[there, 1]
        return numbers

    def _given_to(self, labels: Sequence[ParamValue], counts: Sequence[int], pks: Sequence[int] | str) -> _Labels:
        """Return the labels of runs: `counts` runs each, whose keys follow each other in `pks`."""
        made = _Labels.of(labels)
        keys = msgspec.json.decode(f"[{pks}]", type=list[int]) if isinstance(pks, str) else pks
        at, there = self._places(np.array(keys, np.int64))
        codes = np.zeros(self._count, np.int64)
        codes[at] = np.repeat(made.codes, counts)[there]
        return _Labels(codes, made.values)

    def _places(self, pks: Array) -> tuple[Array, Array]:
        """Return the places of runs among ours, and which of `pks` are ours at all."""
        places = self._place[np.minimum(pks, len(self._place) - 1)]
        there = np.flatnonzero((places >= 0) & (pks < len(self._place)))
        return places[there], there

    def _gathered(self, table: str, columns: str, name: str, parts: list[str]) -> list[Any]:
        """Return rows of (columns, number of runs, their keys with commas between), perhaps of other runs, too.

        Args:
            columns: in the order of an index, which then need not be sorted.
            parts: conditions, of which each row of the table meets one.
        """
        if self._experiments is None:
            join = f"JOIN {table} v ON v.run_pk = r.pk AND v.name = :column_name AND ({' OR '.join(parts)})"
            rows = self._search.read(self._connection, f"{columns}, 1, r.pk", join, column_name=plain(name))
            return [(*row[:-1], str(row[-1])) for row in rows]
        is_sqlite = self._connection.dialect.name == "sqlite"
        keys = "group_concat(v.run_pk)" if is_sqlite else "string_agg(CAST(v.run_pk AS TEXT), ',')"
        selects = [
            f"SELECT {columns}, count(*), {keys} FROM {table} v WHERE {_OF_COLUMN} AND {part} GROUP BY v.experiment_pk, {columns}"
            for part in parts
        ]
        return self._ask(" UNION ALL ".join(selects), name)

    def _ask(self, statement: str, name: str) -> list[Any]:
        experiments = bindparam("experiments", expanding=True, type_=BigInteger)
        return fetch(
            self._connection,
            text(statement).bindparams(experiments),
            {"experiments": self._experiments or [], "name": plain(name)},
        )


_OF_COLUMN = "v.experiment_pk IN :experiments AND v.name = :name"


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


def _common(labels: _Labels, group_of: Array, groups: int) -> list[Common | None]:
    """Return of each group the value that all its runs have, and how many different ones there are; None without any."""
    different = [0] * groups
    present: list[ParamValue] = [None] * groups
    for group, code, _ in zip(*labels.within(group_of), strict=True):
        different[group] += 1
        present[group] = labels.values[code] if code else present[group]
    return [None if value is None else Common(value if n == 1 else None, n) for value, n in zip(present, different, strict=True)]
