"""Reduce series to what a screen shows, and say what a search asks in SQL.

`bucketed` cuts a series into buckets of equal width in x and keeps of each the first, last, smallest and largest value,
the mean, and how many points it has: peaks, "now" and the count survive whatever the zoom. Reductions run at memory speed over
the sorted series (`ufunc.reduceat`), so no sampling and no second copy of the data are needed.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, Text
from sqlalchemy.types import TypeEngine

from tracklog.errors import InvalidValueError, shown
from tracklog.records import HEARTBEAT_LOST_MS, SILENCE_LOST_MS, MetricKind, ParamValue, RunStatus
from tracklog.storage import MAX_BUCKETS, MAX_PAGE, RunQuery, SeriesBuckets, SeriesQuery

Array = np.ndarray[Any, Any]

_MAX_WORDS = 50  # each is ten comparisons a run
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


_ACTIVE = tuple(
    status.value
    for status in (
        RunStatus.STARTING,
        RunStatus.PREPARING,
        RunStatus.RUNNING,
        RunStatus.FINALIZING,
        RunStatus.CANCEL_REQUESTED,
        RunStatus.NOT_RESPONDING,
    )
)
_ACTIVE_SQL = ", ".join(f"'{word}'" for word in _ACTIVE)

# The oldest heartbeat of a run `r` that counts; :alive_since is now - HEARTBEAT_LOST_MS.
ALIVE_SINCE_SQL = f":alive_since - {SILENCE_LOST_MS - HEARTBEAT_LOST_MS} * (1 - r.has_journal)"
# What a reader sees as status.
STATUS_SQL = (
    f"CASE WHEN r.status IN ({_ACTIVE_SQL}) AND r.heartbeat_ms < {ALIVE_SINCE_SQL} "
    f"THEN '{RunStatus.NOT_RESPONDING.value}' ELSE r.status END"
)
# Only runs that are not over have an active status; the index `runs_open` has these.
LOST_SQL = f"end_ms IS NULL AND status IN ({_ACTIVE_SQL}) AND heartbeat_ms < {ALIVE_SINCE_SQL.replace('r.', '')} AND lost = 0"

EQUAL_ATTRIBUTES = {"experiment": "e.name", "status": f"({STATUS_SQL})", "user": "r.user_name"}

_ORDER_COLUMNS = {
    "start": "r.start_ms",
    "name": "r.name_key",
    "number": "r.number",
    "status": f"({STATUS_SQL})",
    "duration": "(COALESCE(r.end_ms, :now) - r.start_ms)",
    "experiment": "e.name",
    "user": "r.user_name",
}
_ORDER_JOINS = {
    "metric": (
        "LEFT JOIN series v ON v.run_pk = r.pk AND v.name = :order_name AND v.col = '' AND v.is_text = 0",
        "v.last_number",
    ),
    # A param that is text everywhere sorts by its text, after those that are numbers.
    "param": ("LEFT JOIN params v ON v.run_pk = r.pk AND v.name = :order_name", "v.number"),
    "tag": ("LEFT JOIN tags v ON v.run_pk = r.pk AND v.name = :order_name", "v.value"),
}


def is_key(text: str) -> bool:
    """Whether a text is the number of a row, such as an experiment's id; no other text is the id of anything."""
    return re.fullmatch("0|[1-9][0-9]{0,17}", text) is not None


class RunSearch:
    """A run query as SQL. `count`, `page` and `ids` (of all pages) are statements over `parameters`."""

    def __init__(self, query: RunQuery, now_ms: int) -> None:
        order_by = query.order_by if isinstance(query.order_by, str) else ",".join(query.order_by)
        self._order_by = order_by
        after_values = None
        if query.page_token is not None:
            # All pages of a search go by the clock of the first, or a running duration would move between them.
            now_ms, after_values = self._opened(query.page_token)
        self._now_ms = now_ms
        self.limit = query.limit
        if not 1 <= query.limit <= MAX_PAGE:
            raise InvalidValueError(
                f"Cannot return {query.limit} runs in a page. Expected 1 to {MAX_PAGE}; ask for more with `page_token`.",
                parameter="limit",
                given=query.limit,
            )
        self.parameters: dict[str, Any] = {"alive_since": now_ms - HEARTBEAT_LOST_MS, "now": now_ms}
        self.expanding: dict[str, type[TypeEngine[Any]]] = {}  # list parameters and what they are lists of
        where = self._where(query)
        order_join, keys = self._order(order_by)
        self.tables = tables = "FROM runs r JOIN experiments e ON e.pk = r.experiment_pk"
        condition = " AND ".join(where) or "1 = 1"
        if query.top_level or query.parent_id is not None:
            condition = self._placed(query, condition)
        self.condition = condition
        self.count = f"SELECT count(*) {tables} WHERE {condition}"
        after = self._after(after_values, keys, query.page_token)
        # Every key expression is named, so that the next page's token can be made from a row.
        selected = ", ".join(f"{expression} AS k{i}" for i, (expression, _) in enumerate(keys))
        ordered = ", ".join(f"k{i} {direction}" for i, (_, direction) in enumerate(keys))
        self.page = (
            f"SELECT r.pk, {selected} {tables} {order_join} WHERE {condition}{after} ORDER BY {ordered} LIMIT {query.limit + 1}"
        )
        self.ids = f"SELECT r.id, {selected} {tables} {order_join} WHERE {condition} ORDER BY {ordered}"
        self._key_count = len(keys)

    def token(self, row: Any) -> str:
        """Return the token of the page that follows a row of `page`."""
        token = [self._order_by, self._now_ms, *row[1 : 1 + self._key_count]]
        return base64.urlsafe_b64encode(json.dumps(token).encode()).decode().rstrip("=")

    def _where(self, query: RunQuery) -> list[str]:
        given = self.parameters
        texts = [query.text, query.experiment or "", query.parent_id or "", *(query.ids or ())]
        if any("\x00" in one for one in texts):
            return ["1 = 0"]  # nothing stored has a NUL, and PostgreSQL refuses it
        where = [] if query.deleted is None else [f"r.deleted_ms IS {'NOT ' if query.deleted else ''}NULL"]
        if query.archived is not None:
            where.append(f"r.archived_ms IS {'NOT ' if query.archived else ''}NULL")
        if query.experiment is not None:
            where.append("e.name = :experiment")
            given["experiment"] = query.experiment
        if query.experiment_ids is not None:
            where.append("r.experiment_pk IN :experiment_pks")
            given["experiment_pks"] = [int(one) for one in query.experiment_ids if is_key(one)]
            self.expanding["experiment_pks"] = BigInteger
        if query.status is not None:
            where.append(f"({STATUS_SQL}) IN :status")
            given["status"] = [RunStatus(status).value for status in query.status]
            self.expanding["status"] = Text
        if query.ids is not None:
            where.append("r.id IN :ids")
            given["ids"] = list(query.ids)
            self.expanding["ids"] = Text
        for i, (column, value) in enumerate(query.equal.items()):
            where.append(self._equal(column, value, i))
        words = query.text.split()
        if len(words) > _MAX_WORDS:
            raise InvalidValueError(
                f"Cannot search for {len(words)} words at once. Expected at most {_MAX_WORDS}.",
                parameter="text",
                given=query.text,
            )
        for i, word in enumerate(words):
            escaped = word.replace("!", "!!").replace("%", "!%").replace("_", "!_")
            given[f"word{i}"] = f"%{escaped.lower()}%"
            like = f"LIKE :word{i} ESCAPE '!'"
            own = ("r.name", "r.id", "e.name", "r.type", "r.user_name", f"({STATUS_SQL})", "r.description")
            where.append(
                "("
                + " OR ".join(f"lower({column}) {like}" for column in own)
                + " OR EXISTS (SELECT 1 FROM tags t WHERE t.run_pk = r.pk"
                + f" AND (lower(t.name) {like} OR lower(t.value) {like}))"
                + " OR EXISTS (SELECT 1 FROM params p WHERE p.run_pk = r.pk"
                + f" AND (lower(p.name) {like} OR lower(p.value) {like})))"
            )
        return where

    def _placed(self, query: RunQuery, condition: str) -> str:
        """Return the condition on runs of one parent, or without one, that match or, in a tree, have a match below them."""
        places = []
        if query.parent_id is not None:
            places.append("r.parent_id = :parent_id")
            self.parameters["parent_id"] = query.parent_id.replace("\x00", "␀")
        if query.top_level and query.tree:
            # A child whose parent is not here, or in another experiment, has nobody to stand under.
            same = " AND p.experiment_pk = r.experiment_pk" if query.experiment is not None else ""
            places.append(
                f"NOT EXISTS (SELECT 1 FROM runs p WHERE p.id = r.parent_id AND p.pk != r.pk AND p.deleted_ms IS NULL{same})"
            )
        elif query.top_level:
            places.append("r.parent_id IS NULL")
        narrowed = query.filter or query.text or query.equal or query.status is not None or query.ids is not None
        if not query.tree or not narrowed:
            return " AND ".join([condition, *places])
        # UNION, not UNION ALL: each run once, also where parents go in a circle.
        above = (
            f"r.pk IN (WITH RECURSIVE found(pk, parent_id) AS (SELECT r.pk, r.parent_id {self.tables} WHERE {condition}"
            " UNION SELECT p.pk, p.parent_id FROM runs p JOIN found ON p.id = found.parent_id) SELECT pk FROM found)"
        )
        own = "r.deleted_ms IS NULL" if not query.deleted else "1 = 1"
        inside = " AND e.name = :experiment" if query.experiment is not None else ""
        return " AND ".join([above, own + inside, *places])

    def _equal(self, column: str, value: ParamValue, i: int) -> str:
        """Return the condition that a run is in the group of a value, see `GroupQuery.by`."""
        kind, _, name = column.partition(":")
        given = self.parameters
        if column in EQUAL_ATTRIBUTES:
            given[f"equal{i}"] = "" if value is None else str(value).replace("\x00", "␀")
            return f"{EQUAL_ATTRIBUTES[column]} = :equal{i}"
        if kind not in ("param", "tag") or not name:
            raise InvalidValueError(
                f"Cannot compare runs by {shown(column)}. Expected {', '.join(EQUAL_ATTRIBUTES)}, param:NAME or tag:NAME.",
                parameter="equal",
                given=column,
            )
        given[f"equal_name{i}"] = name.replace("\x00", "␀")
        exists = f"EXISTS (SELECT 1 FROM {kind}s q WHERE q.run_pk = r.pk AND q.name = :equal_name{i}"
        if value is None:
            something = "" if kind == "tag" else " AND q.kind != 'n'"
            return f"NOT {exists}{something})"
        if kind == "param" and isinstance(value, int | float) and not isinstance(value, bool):
            given[f"equal{i}"] = float(value)
            return f"{exists} AND q.kind IN ('i', 'f') AND q.number = :equal{i})"
        given[f"equal{i}"] = str(value).replace("\x00", "␀")
        text = "(q.kind = 's' OR (q.kind IN ('i', 'f') AND (q.number IS NULL OR q.value IN ('inf', '-inf'))))"
        kinds = "" if kind == "tag" else " AND q.kind = 'b'" if isinstance(value, bool) else f" AND {text}"
        return f"{exists} AND q.value = :equal{i}{kinds})"

    def _order(self, order_by: str) -> tuple[str, list[tuple[str, str]]]:
        """Return the join an order needs, and its key expressions with their directions, the last one unique."""
        descending = order_by.startswith("-")
        word = order_by.removeprefix("-")
        direction = "DESC" if descending else "ASC"
        newest_first = [("r.start_ms", "DESC"), ("r.pk", "DESC")]
        if word == "start":
            return "", [("r.start_ms", direction), ("r.pk", direction)]
        if word in _ORDER_COLUMNS:
            return "", [(_ORDER_COLUMNS[word], direction), *newest_first]
        kind, colon, name = word.partition(":")
        if not colon or kind not in _ORDER_JOINS or not name:
            raise InvalidValueError(
                f"Cannot order runs by {shown(order_by)}. Expected {', '.join(_ORDER_COLUMNS)}, metric:NAME, param:NAME or "
                "tag:NAME, with a leading '-' for descending.",
                parameter="order_by",
                given=order_by,
            )
        self.parameters["order_name"] = "" if "\x00" in name else name  # neither is the name of anything
        join, value = _ORDER_JOINS[kind]
        if kind == "param":
            # Missing last, then text after numbers; -1e308 and '' stand for "not of this kind" and never show.
            return join, [
                ("CASE WHEN v.value IS NULL THEN 2 WHEN v.number IS NULL THEN 1 ELSE 0 END", "ASC"),
                ("COALESCE(v.number, 0)", direction),
                ("CASE WHEN v.number IS NULL THEN COALESCE(v.value, '') ELSE '' END", direction),
                *newest_first,
            ]
        nothing = "0" if kind == "metric" else "''"
        return join, [
            (f"CASE WHEN {value} IS NULL THEN 1 ELSE 0 END", "ASC"),
            (f"COALESCE({value}, {nothing})", direction),
            *newest_first,
        ]

    def _opened(self, token: str) -> tuple[int, list[Any]]:
        """Return the clock and the key values of a page token."""
        try:
            padded = token + "=" * (-len(token) % 4)
            order_by, now_ms, *values = json.loads(base64.urlsafe_b64decode(padded))
        except (ValueError, TypeError) as error:
            raise _foreign_token(token) from error
        plain = all(isinstance(value, (str, float)) or (type(value) is int and abs(value) < 2**63) for value in values)
        if order_by != self._order_by or type(now_ms) is not int or not 0 <= now_ms < 2**62 or not plain:
            raise _foreign_token(token)
        return now_ms, values

    def _after(self, values: list[Any] | None, keys: list[tuple[str, str]], token: str | None) -> str:
        """Return the condition "comes after the row of the token", key by key."""
        if values is None:
            return ""
        if len(values) != len(keys):
            raise _foreign_token(token or "")
        alternatives = []
        equal = ""
        for i, ((expression, direction), value) in enumerate(zip(keys, values, strict=False)):
            self.parameters[f"k{i}"] = value
            beyond = "<" if direction == "DESC" else ">"
            alternatives.append(f"({equal}{expression} {beyond} :k{i})")
            equal += f"{expression} = :k{i} AND "
        return f" AND ({' OR '.join(alternatives)})"


def _foreign_token(token: str) -> InvalidValueError:
    return InvalidValueError(
        f"The page token {shown(token)} does not belong to this search. "
        "Expected the `next_page_token` of the page before, with the same `order_by`.",
        parameter="page_token",
        given=token,
    )
