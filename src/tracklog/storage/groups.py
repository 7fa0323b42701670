"""Gather the runs of a search by what they have in common: counts, spreads of numbers, values that all share.

One pass a column: the values of all runs of the search are read once, as arrays, and reduced group by group at memory speed. So
mean and deviation are exact to rounding (two passes over centred values), whatever the size of the numbers. Rows take longer to
hand over than to find: what the runs themselves have comes as one row of lists, and labels of params and tags, of which a hundred
thousand runs have a handful, each with the list of the runs that have it, out of an index alone where that says all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
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
    found = _Found(connection, search)
    if not found.count:
        return RunGroups(groups=[], total=0, runs=0)
    # Runs with equal labels in all columns are a group.
    keys = [found.labels(column, "by") for column in query.by]
    group_of = np.zeros(found.count, np.int64)
    for labels in keys:
        group_of = np.unique(group_of * len(labels.values) + labels.codes, return_inverse=True)[1]
    members = np.unique(group_of, return_index=True)[1]  # the first of each group
    total = len(members)
    sizes = np.bincount(group_of, minlength=total)
    first, last = np.full(total, np.iinfo(np.int64).max), np.zeros(total, np.int64)
    np.minimum.at(first, group_of, found.starts_ms)
    np.maximum.at(last, group_of, found.starts_ms)
    statuses: list[dict[str, int]] = [{} for _ in range(total)]
    status = found.labels("status", "by")
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
        runs=found.count,
    )


@dataclass(frozen=True)
class _Labels:
    """What each run has in a column."""

    codes: Array  # (n,) int64: of each run the place of its label in `values`
    values: list[ParamValue]  # without repeats; None first, for runs that have nothing

    @staticmethod
    def of(labels: Iterable[ParamValue]) -> _Labels:
        """Return labels, one for each run."""
        labels = list(labels)
        if set(map(type, labels)) == {str}:  # as of a hundred thousand runs, in a third of the time
            texts = dict.fromkeys(labels)
            place_of = dict(zip(texts, range(1, len(texts) + 1), strict=True))
            return _Labels(np.fromiter(map(place_of.__getitem__, labels), np.int64, len(labels)), [None, *texts])
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

    def __init__(self, connection: Connection, search: RunSearch) -> None:
        self._connection = connection
        self._search = search
        self._is_sqlite = connection.dialect.name == "sqlite"
        listed = "json_group_array" if self._is_sqlite else "json_agg"
        columns = ("r.pk", "r.start_ms", f"({STATUS_SQL})", "r.experiment_pk", "r.user_name")
        # One row, whose lists have the same order: nothing asks for another one.
        [row] = search.read(connection, ", ".join(f"{listed}({column})" for column in columns)) or [(None,) * len(columns)]
        pks, starts_ms, self._statuses, self._experiment_pks, self._users = (
            (msgspec.json.decode(one) if isinstance(one, str) else one) or [] for one in row
        )
        self.count = len(pks)
        self.starts_ms = np.array(starts_ms, np.int64)  # (n,)
        self._place = np.full(max(pks, default=0) + 1, -1, np.int64)  # by key of a run; keys are counted up, with few gaps
        self._place[np.array(pks, np.int64)] = np.arange(self.count)
        # An index leads to all values of a name within an experiment; of many runs that is faster than to look up each run's.
        self._experiments = sorted(set(self._experiment_pks)) if self.count > _MANY_RUNS else None

    def labels(self, column: str, parameter: str) -> _Labels:
        """Return what each run has in a column."""
        kind, _, name = column.partition(":")
        if column == "status":
            return _Labels.of(self._statuses)
        if column == "user":
            return _Labels.of(self._users)
        if column == "experiment":
            rows = fetch(self._connection, text("SELECT pk, name FROM experiments"), {})
            name_by_pk = {row[0]: row[1] for row in rows}
            return _Labels.of(name_by_pk.get(pk) for pk in self._experiment_pks)
        # The indexes have short texts as a whole, in order.
        begin = f"substr(v.value, 1, {INDEXED_CHARS})"
        is_short, is_long = f"length({begin}) < {INDEXED_CHARS}", f"length({begin}) = {INDEXED_CHARS}"
        if kind == "tag" and name:
            found = self._gathered("tags", name, {is_short: begin, is_long: "v.value"})
            labels: list[ParamValue] = [row[0] for row in found]
        elif kind == "param" and name:
            # Numbers and texts have an index each. What a number is written as says its size, if it was logged as one.
            parts = {
                "v.number IS NOT NULL AND v.kind IN ('i', 'f')": "v.number, v.kind",
                "v.number IS NOT NULL AND v.kind NOT IN ('i', 'f')": "v.number, v.kind, v.value",
                f"v.number IS NULL AND {is_short}": f"{begin}, v.kind",
                f"v.number IS NULL AND {is_long}": "v.value, v.kind",
            }
            found = self._gathered("params", name, parts)
            labels = [
                label_of(row[1], row[0], None)
                if isinstance(row[0], str)
                else label_of(row[1], row[2] if len(row) == 5 else repr(row[0]), row[0])
                for row in found
            ]
        else:
            raise InvalidValueError(
                f"Cannot group runs with {shown(column)}. Expected {', '.join(EQUAL_ATTRIBUTES)}, param:NAME or tag:NAME"
                f"{', or the numbers ' + ', '.join(f'{one}:NAME' for one in _SUMMARIES) if parameter == 'columns' else ''}.",
                parameter=parameter,
                given=column,
            )
        return self._given_to(labels, [row[-2] for row in found], ",".join(row[-1] for row in found))

    def numbers(self, column: str) -> Array:
        """Return (n,) float64 of a metric's summary; NaN for runs without."""
        kind, _, name = column.partition(":")
        value = _SUMMARIES[kind]
        is_series = f"v.col = '' AND v.is_text = 0 AND {value} IS NOT NULL"
        if self._experiments is None:
            join = f"JOIN series v ON v.run_pk = r.pk AND v.name = :column_name AND {is_series}"
            rows = self._search.read(self._connection, f"r.pk, {value}", join, column_name=plain(name))
        else:
            rows = self._ask(f"SELECT v.run_pk, {value} FROM series v WHERE {_OF_COLUMN} AND {is_series}", name)
        numbers = np.full(self.count, np.nan)
        if rows:
            found = np.fromiter(chain.from_iterable(rows), np.float64, 2 * len(rows)).reshape(-1, 2)
            at, there = self._places(found[:, 0].astype(np.int64))
            numbers[at] = found[there, 1]
        return numbers

    def _given_to(self, labels: Sequence[ParamValue], counts: Sequence[int], pks: str) -> _Labels:
        """Return the labels of runs: `counts` runs each, whose keys follow each other in `pks`, with commas between."""
        made = _Labels.of(labels)
        at, there = self._places(np.array(msgspec.json.decode(f"[{pks}]", type=list[int]), np.int64))
        codes = np.zeros(self.count, np.int64)
        codes[at] = np.repeat(made.codes, counts)[there]
        return _Labels(codes, made.values)

    def _places(self, pks: Array) -> tuple[Array, Array]:
        """Return the places of runs among ours, and which of `pks` are ours at all."""
        places = self._place[np.minimum(pks, len(self._place) - 1)]
        there = np.flatnonzero((places >= 0) & (pks < len(self._place)))
        return places[there], there

    def _gathered(self, table: str, name: str, parts: dict[str, str]) -> list[Any]:
        """Return rows of (columns, number of runs, their keys with commas between), perhaps of other runs, too.

        Args:
            parts: by conditions, of which each row of the table meets one, the columns wanted there; in the order of an index
                they need not be sorted.
        """
        rows: list[Any] = []
        keys = "group_concat(v.run_pk)" if self._is_sqlite else "string_agg(CAST(v.run_pk AS TEXT), ',')"
        for part, columns in parts.items():
            if self._experiments is None:
                join = f"JOIN {table} v ON v.run_pk = r.pk AND v.name = :column_name AND {part}"
                found = self._search.read(self._connection, f"{columns}, 1, r.pk", join, column_name=plain(name))
                rows += [(*row[:-1], str(row[-1])) for row in found]
            else:
                rows += self._ask(
                    f"SELECT {columns}, count(*), {keys} FROM {table} v WHERE {_OF_COLUMN} AND {part}"
                    f" GROUP BY v.experiment_pk, {columns}",
                    name,
                )
        return rows

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
