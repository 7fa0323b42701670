"""Find runs: a query as SQL that stays fast among 100,000 runs, on SQLite and PostgreSQL.

Pages go by key, never by OFFSET: a token holds the values that its last row is ordered by. Nothing is as slow as asking
each run of an experiment for its params, so the runs that are asked come from where few are expected:

- a condition that few runs meet, by an index that leads from (experiment, name, value) to them;
- else the order, by an index that has it: the first page is full before many runs were asked;
- else, or in a small experiment, all runs.

Words, and what stands above matches in a tree, are looked for everywhere at once: which runs match is then known before the page
and the total are made of them.

PostgreSQL counts on statistics to choose by itself. SQLite has none that tell a rare value from a common one, so it is asked
how many runs meet a condition, up to a bound, and `CROSS JOIN` fixes the order of its loops.

NULL is never the value of a condition: comparisons stand inside of EXISTS, or beside IS NOT NULL, so that `not` means what
`tracklog.storage.filters` says.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from sqlalchemy import BigInteger, Connection, Double, Text, bindparam, text
from sqlalchemy.types import TypeEngine

from tracklog.errors import InvalidValueError, shown
from tracklog.records import HEARTBEAT_LOST_MS, SILENCE_LOST_MS, ParamValue, RunStatus
from tracklog.storage import MAX_PAGE, RunQuery
from tracklog.storage.catalog import fetch, plain
from tracklog.storage.filters import RUNS, And, Comparison, Condition, Not, param_number, several

_MAX_WORDS = 50  # each is ten comparisons a run
_MAX_ORDERS = 10  # each is a join
_FEW_RUNS = 5000  # are asked and sorted in some 20 ms
_COUNTED_RUNS = 20_000  # counted in 1 ms
_MAX_LABELS = 3000  # different (experiment, name, text) of params or tags; found by jumping over an index in some ms
_MAX_LED_EXPERIMENTS = 50  # an index is entered once for each
INDEXED_CHARS = 64  # of a text, see migration 6
_MAX_SURE_NUMBER = 1e300  # beyond it a whole number is not what its text reads as

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

# What an index has of rows `t` of tags and params.
_LABELS = {"tags": "1 = 1", "texts": "t.number IS NULL", "numbers": "t.number IS NOT NULL"}
_DURATION_SQL = "(COALESCE(r.end_ms, :now) - r.start_ms)"
_ATTRIBUTES = {
    "id": "r.id",
    "name": "r.name",
    "status": f"({STATUS_SQL})",
    "start": "r.start_ms",
    "end": "r.end_ms",
    "duration": f"({_DURATION_SQL} / 1000.0)",
    "user": "r.user_name",
    "number": "r.number",
    "type": "r.type",
    "description": "r.description",
    "parent": "r.parent_id",
}
EQUAL_ATTRIBUTES = {  # what runs are gathered by, beside params and tags
    "experiment": "(SELECT n.name FROM experiments n WHERE n.pk = r.experiment_pk)",
    "status": f"({STATUS_SQL})",
    "user": "r.user_name",
}
_SERIES_VALUES = {  # of a row `s` of `series`; NULL where the series has none
    "metric": "s.last_number",
    "metric.min": "s.min",
    "metric.max": "s.max",
    "metric.mean": "(CASE WHEN s.numbers > 0 THEN s.total / s.numbers END)",
    "metric.count": "(CASE WHEN s.count > 0 THEN s.count END)",
    "metric.step": "s.last_step",
}
_DATASET_COLUMNS = {"name": "d.name", "digest": "d.digest", "context": "i.context"}
_IS_NAN_SQL = "s.last_number IS NULL AND s.last_text = 'NaN'"  # SQLite cannot store NaN

_SIGNS = {"!=": "<>"}
_RANGES = ("=", "<", "<=", ">", ">=")  # what cuts one range out of an index
_CONSTANTS = ("0", "1", "''")  # key expressions
_NUL = "\x00"  # nothing stored has one, and PostgreSQL refuses it


def is_key(text: str) -> bool:
    """Whether a text is the number of a row, such as an experiment's id; no other text is the id of anything."""
    return re.fullmatch("0|[1-9][0-9]{0,17}", text) is not None


@dataclass(frozen=True)
class TextSql:
    """How a database compares text, so that both do it alike: by code point, and without case in all of Unicode."""

    is_sqlite: bool
    unicode_collation: str = ""  # PostgreSQL's, whose lower() knows all letters; "" when there is none

    def by_code_point(self, expression: str) -> str:
        """Return an expression that is ordered as its UTF-8 is."""
        return expression if self.is_sqlite else f'({expression} COLLATE "C")'

    def like(self, expression: str, pattern: str, bind: Any, *, ignore_case: bool) -> str:
        """Return the condition that text is like a pattern of the filter language. `bind` gives a parameter its name."""
        if not self.is_sqlite:
            if not ignore_case or pattern.isascii() or not self.unicode_collation:
                return f"{expression} {'ILIKE' if ignore_case else 'LIKE'} {bind(pattern)} ESCAPE ''"
            folded = f'COLLATE "{self.unicode_collation}"'
            return f"lower({expression} {folded}) LIKE lower({bind(pattern)} {folded}) ESCAPE ''"
        if not ignore_case:
            # SQLite's LIKE has no case; GLOB has, and other signs.
            glob = re.sub("[*?[]", "[\\g<0>]", pattern).replace("%", "*").replace("_", "?")
            return f"{expression} GLOB {bind(glob)}"
        return f"{expression} LIKE {bind(pattern)}" if pattern.isascii() else f"tracklog_ilike({expression}, {bind(pattern)})"

    def contains(self, word: str, bind: Any) -> tuple[str, str]:
        """Return what stands before and after a text that shall contain a word, in any case."""
        if self.is_sqlite and not word.isascii():
            return "tracklog_contains(", f", {bind(word)})"
        like = bind("%" + re.sub("[!%_]", "!\\g<0>", word) + "%")
        if self.is_sqlite:
            return "", f" LIKE {like} ESCAPE '!'"
        if word.isascii() or not self.unicode_collation:
            return "", f" ILIKE {like} ESCAPE '!'"
        folded = f'COLLATE "{self.unicode_collation}"'
        return "lower(", f" {folded}) LIKE lower({like} {folded}) ESCAPE '!'"


@dataclass(frozen=True)
class _Lead:
    """Rows `l` of a table that an index finds and that lead to runs by `run_pk`."""

    table: str
    where: str
    conjunct: int | None = None  # of the search's, which then need not be asked again


_Keys = tuple[tuple[str, str], ...]  # expressions with their directions


@dataclass(frozen=True)
class _Stretch:
    """A stretch of an order that an index has."""

    table: str
    where: str  # on the rows `l` of the table that are in the index
    keys: _Keys  # of these rows


@dataclass(frozen=True)
class _OrderPart:
    """One thing that runs are ordered by."""

    join: str  # "" when it needs none
    keys: _Keys
    # With stretches the first key is a rank: of runs in the first stretch 0, in the second 1; of all others more.
    stretches: tuple[_Stretch, ...] = ()


class RunSearch:
    """A run query, ready to be asked. For one transaction."""

    def __init__(self, query: RunQuery, now_ms: int, texts: TextSql) -> None:
        """Check a query and say it in SQL.

        Raises:
            InvalidValueError: the query cannot be answered; FilterError when it is the filter.
        """
        self._query = query
        self._texts = texts
        self._orders = [query.order_by] if isinstance(query.order_by, str) else list(query.order_by) or ["-start"]
        self._after: list[Any] | None = None
        if query.page_token is not None:
            # All pages of a search go by the clock of the first, or a running duration would move between them.
            now_ms, self._after = self._opened(query.page_token)
        self._now_ms = now_ms
        if not 1 <= query.limit <= MAX_PAGE:
            raise InvalidValueError(
                f"Cannot return {query.limit} runs in a page. Expected 1 to {MAX_PAGE}; ask for more with `page_token`.",
                parameter="limit",
                given=query.limit,
            )
        self._given: dict[str, Any] = {"alive_since": now_ms - HEARTBEAT_LOST_MS, "now": now_ms}
        self._lists: dict[str, type[TypeEngine[Any]]] = {}  # list parameters and what they are lists of
        condition = RUNS.condition(query.filter, now_ms=now_ms)
        self._conjuncts = condition.conditions if isinstance(condition, And) else () if condition is None else (condition,)
        self._said = [self._condition(one) for one in self._conjuncts]
        self._own = [*self._fields(), *(self._equal(*one) for one in query.equal.items())]
        self._words = self._words_sought()
        self._places = self._placed()
        # A tree shows what stands above its matches, too.
        self._is_tree = (
            query.tree and bool(self._places) and bool(self._said or self._words or len(self._own) > len(self._marks()))
        )
        # Ids and a parent lead to few runs by indexes of their own.
        self._is_narrow = (
            query.ids is not None or (query.parent_id is not None and not self._is_tree) or any(map(_names_runs, self._conjuncts))
        )
        self._parts = self._ordered()
        self._keys = [key for part in self._parts for key in part.keys]
        if self._after is not None and len(self._after) != len(self._keys):
            raise foreign_token(query.page_token or "")
        # Set by `_prepare`.
        self._experiments: list[int] | None = None  # keys of those to search, or of the first few when it is all of them
        self._is_everywhere = False  # it is all of them
        self._made = 0  # how many runs they have, or once had
        self._is_large = False  # which is more than a few
        self._leads: list[tuple[int, _Lead]] = []  # ways to the runs, with how many rows each has; the shortest first
        # By kind of labels and word: the statement that finds the runs which have it in one; "": none has.
        self._labelled: dict[tuple[str, str], str] = {}
        self._found: list[int] | None = None  # keys of all runs that match, where it costs much to ask each run

    # ------------------------------------------------------------------------------ asking

    def page(self, connection: Connection) -> tuple[list[int], str | None]:
        """Return the keys of a page's runs in order, and the token of the next page, if there is one."""
        if not self._prepare(connection):
            return [], None
        limit = self._query.limit + 1  # one more tells whether there is a next page
        lead = self._page_lead(limit)
        rows = self._sorted(connection, limit, self._after, lead) if lead is not None else self._led(connection, limit)
        shown_rows = rows[: self._query.limit]
        return [row[0] for row in shown_rows], self._token(shown_rows[-1]) if len(rows) == limit else None

    def _page_lead(self, limit: int) -> _Lead | None:
        """Return the condition to start from, when it leads to fewer runs than the order would ask until a page is full."""
        if not self._leads:
            return None
        rows, lead = self._leads[0]
        asked = float(self._made)
        if self._parts[0].stretches or self._orders[0] in ("start", "-start"):
            asked = limit
            for found, _ in self._leads:  # as if the conditions had nothing to do with each other
                asked *= self._made / max(1, found if found <= _COUNTED_RUNS else self._made / 2)
        return lead if rows < min(asked, self._made) else None

    def _led(self, connection: Connection, limit: int | None, column: str = "r.pk") -> list[Any]:
        """Return rows of a page along the indexes that have the order, or sorted where there is none."""
        first = self._parts[0]
        is_short = self._is_tree if self._found is None else len(self._found) <= _COUNTED_RUNS
        if not first.stretches or not self._is_large or is_short:
            return self._sorted(connection, limit, self._after, None, column=column)
        rows: list[Any] = []
        after = self._after
        for rank, stretch in enumerate(first.stretches):
            if after is not None and after[0] != rank:
                continue  # an earlier page had all of it
            rows += self._execute(connection, self._along(stretch, limit, after, column))
            after = None
            if limit is not None and len(rows) >= limit:
                return rows[:limit]
        if limit is None and not self._said and len(rows) == self.total(connection):
            return rows  # counting is easier than asking each run whether it has a value
        # Then come those that no index has.
        left = None if limit is None else limit - len(rows)
        others = f"{first.keys[0][0]} >= {len(first.stretches)}"
        return rows + self._sorted(connection, left, after, None, others, column=column)

    def total(self, connection: Connection) -> int:
        """Return how many runs all pages have."""
        if not self._prepare(connection):
            return 0
        if self._found is not None:
            return len(self._found)
        tables, where = self._from(self._leads[0][1] if self._leads else None)
        return int(self._execute(connection, f"SELECT count(*) FROM {tables} WHERE {where}")[0][0])

    def ids(self, connection: Connection) -> list[str]:
        """Return the ids of the runs of all pages, in order."""
        if not self._prepare(connection):
            return []
        lead = self._leads[0][1] if self._leads else None
        rows = self._led(connection, None, "r.id") if lead is None else self._sorted(connection, None, None, lead, column="r.id")
        return [row[0] for row in rows]

    def read(self, connection: Connection, columns: str, join: str = "", **given: str) -> list[Any]:
        """Return `columns` of the runs of all pages, in any order. `join` may speak of parameters that are `given`."""
        if not self._prepare(connection):
            return []
        self._given |= given
        tables, where = self._from(self._leads[0][1] if self._leads else None)
        return self._execute(connection, f"SELECT {columns} FROM {tables} {join} WHERE {where}")

    def _execute(self, connection: Connection, sql: str) -> list[Any]:
        names = set(re.findall(r":(\w+)", sql))
        lists = [bindparam(name, expanding=True, type_=kind) for name, kind in self._lists.items() if name in names]
        return fetch(connection, text(sql).bindparams(*lists), {name: self._given[name] for name in names})

    def _prepare(self, connection: Connection) -> bool:
        """Find the experiments asked for and the ways to their runs; return whether there are experiments."""
        if self._experiments is not None:
            return bool(self._experiments)
        query = self._query
        names = [{query.experiment}] if query.experiment is not None else []
        names += [set(query.experiments)] if query.experiments is not None else []
        self._is_everywhere = not names and query.experiment_ids is None
        if self._is_everywhere:
            statement = text("SELECT pk, next_number FROM experiments LIMIT :n")
            rows = connection.execute(statement, {"n": _MAX_LED_EXPERIMENTS + 1}).all()
        else:
            # An experiment is found by its name and its id, whichever are given.
            where = [f"name IN {self._bind_list([one for one in some if _NUL not in one], Text)}" for some in names]
            if query.experiment_ids is not None:
                keys = [int(one) for one in query.experiment_ids if is_key(one)]
                where.append(f"pk IN {self._bind_list(keys, BigInteger)}")
            rows = self._execute(connection, f"SELECT pk, next_number FROM experiments WHERE {' AND '.join(where)} ORDER BY pk")
        self._experiments = [row[0] for row in rows]
        self._made = sum(row[1] - 1 for row in rows)
        self._given |= {"experiment": next(iter(self._experiments), 0), "experiments": self._experiments}
        self._lists["experiments"] = BigInteger
        is_led = len(self._experiments) <= _MAX_LED_EXPERIMENTS
        self._is_large = is_led and not self._is_narrow and self._made > _FEW_RUNS
        if self._is_large and self._texts.is_sqlite:
            for number, one in enumerate(self._conjuncts):
                lead = self._lead(number, one) if isinstance(one, Comparison) else None
                if lead is not None:
                    rows_of = f"SELECT 1 FROM {lead.table} l WHERE {lead.where} LIMIT {_COUNTED_RUNS + 1}"
                    found = self._execute(connection, f"SELECT count(*) FROM ({rows_of}) counted")[0][0]
                    self._leads.append((found, lead))
            self._leads.sort(key=lambda way: way[0])
        if self._is_large and self._words and self._texts.is_sqlite:
            self._read_labels(connection)
        if self._is_large and (self._words or self._is_tree):
            # Asked once, for the page and for the total.
            tables, condition = self._from(self._leads[0][1] if self._leads else None)
            self._found = [row[0] for row in self._execute(connection, f"SELECT r.pk FROM {tables} WHERE {condition}")]
            self._given["found"] = json.dumps(self._found) if self._texts.is_sqlite else self._found
            self._leads.clear()
        return bool(self._experiments)

    # --------------------------------------------------------------------------- statements

    def _of_experiments(self, table: str) -> str:
        # One is easier for an index to follow than a list of one.
        is_one = len(self._experiments or ()) == 1
        return f"{table}.experiment_pk = :experiment" if is_one else f"{table}.experiment_pk IN :experiments"

    def _from(self, lead: _Lead | None) -> tuple[str, str]:
        """Return the tables and the condition of a search, starting from `lead`, or from the runs themselves."""
        if self._found is not None:
            return self._from_found(lead)
        words = [self._has_word(*one) for one in self._words]
        where = [*self._own, *words, *(said for number, said in enumerate(self._said) if lead is None or lead.conjunct != number)]
        # With a sign before it SQLite looks for no index: that of the ids is better.
        sign = "+" if self._is_narrow and self._texts.is_sqlite else ""
        here = [] if self._is_everywhere else [sign + self._of_experiments("r")]
        if lead is not None:
            tables = f"{lead.table} l CROSS JOIN runs r"
            where = [lead.where, "r.pk = l.run_pk", *where]
        else:
            tables = "runs r"
            where = [*here, *where]
        if not self._is_tree:
            return tables, " AND ".join([*where, *self._places]) or "1 = 1"
        # UNION, not UNION ALL: each run once, also where parents go in a circle.
        above = (
            f"r.pk IN (WITH RECURSIVE found(pk, parent_id) AS (SELECT r.pk, r.parent_id FROM {tables} WHERE {' AND '.join(where)}"
            " UNION SELECT p.pk, p.parent_id FROM runs p JOIN found ON p.id = found.parent_id) SELECT pk FROM found)"
        )
        alive = [] if self._query.deleted else ["r.deleted_ms IS NULL"]
        return "runs r", " AND ".join([above, *here, *alive, *self._places])

    def _from_found(self, lead: _Lead | None) -> tuple[str, str]:
        """Return what `_from` does once it is known which runs match."""
        if not self._texts.is_sqlite:
            found = "r.pk = ANY(CAST(:found AS BIGINT[]))"
        else:
            # With a sign before it the runs come from elsewhere, in the order of an index, and are looked up in the list.
            found = f"{'' if len(self._found or ()) <= _COUNTED_RUNS else '+'}r.pk IN (SELECT value FROM json_each(:found))"
        if lead is None:
            return "runs r", found
        return f"{lead.table} l CROSS JOIN runs r", f"{lead.where} AND r.pk = l.run_pk AND {found}"

    def _sorted(
        self,
        connection: Connection,
        limit: int | None,
        after: list[Any] | None,
        lead: _Lead | None,
        *more: str,
        column: str = "r.pk",
    ) -> list[Any]:
        """Return rows of a page (of all pages with limit None), which may come from anywhere and are sorted."""
        tables, where = self._from(lead)
        joins = " ".join(part.join for part in self._parts)
        return self._execute(connection, self._select(f"{tables} {joins}", [where, *more], self._keys, after, limit, column))

    def _along(self, stretch: _Stretch, limit: int | None, after: list[Any] | None, column: str) -> str:
        """Return the statement of a page along the index that has a stretch of the first order."""
        experiments = self._experiments or []
        if limit is None or len(experiments) < 2:
            return self._along_one(stretch, limit, after, column, self._of_experiments("l"))
        # An index has the order within each experiment: the first of all are among the first of each.
        firsts = [self._along_one(stretch, limit, after, column, f"l.experiment_pk = {self._bind(one)}") for one in experiments]
        keys = [*stretch.keys, *(key for part in self._parts[1:] for key in part.keys)]
        ordered = ", ".join(f"{at} {way}" for at, (key, way) in enumerate(keys, start=2) if key not in _CONSTANTS)
        union = " UNION ALL ".join(f"SELECT * FROM ({one}) f{at}" for at, one in enumerate(firsts))
        return f"SELECT * FROM ({union}) firsts ORDER BY {ordered} LIMIT {limit}"

    def _along_one(self, stretch: _Stretch, limit: int | None, after: list[Any] | None, column: str, where: str) -> str:
        lead = _Lead(stretch.table, f"{where} AND {stretch.where}")
        ranges = [self._compared("l.last_number", one) for one in self._conjuncts if self._is_along(one)]
        tables, where = self._from(lead)
        joins = " ".join(part.join for part in self._parts[1:])
        keys = [*stretch.keys, *(key for part in self._parts[1:] for key in part.keys)]
        return self._select(f"{tables} {joins}", [*ranges, where], keys, after, limit, column)

    def _is_along(self, one: Condition) -> TypeGuard[Comparison]:
        """Whether a condition cuts a range out of the index that has the order."""
        if not isinstance(one, Comparison) or one.entity != "metric" or one.operator not in _RANGES:
            return False
        order = self._orders[0].removeprefix("-")
        return order == f"metric:{one.key}" and isinstance(one.value, float) and not math.isnan(one.value)

    def _select(
        self,
        tables: str,
        where: list[str],
        keys: list[tuple[str, str]],
        after: list[Any] | None,
        limit: int | None,
        column: str,
    ) -> str:
        if after is not None:
            where = [*where, self._beyond(keys, after)]
        # A constant orders nothing, and would keep an index from being followed.
        ordered = ", ".join(f"{expression} {direction}" for expression, direction in keys if expression not in _CONSTANTS)
        if limit is None:
            return f"SELECT {column} FROM {tables} WHERE {' AND '.join(where)} ORDER BY {ordered}"
        # Every key is selected, so that the next page's token can be made from a row.
        selected = ", ".join(expression for expression, _ in keys)
        return f"SELECT {column}, {selected} FROM {tables} WHERE {' AND '.join(where)} ORDER BY {ordered} LIMIT {limit}"

    def _beyond(self, keys: list[tuple[str, str]], values: list[Any]) -> str:
        """Return the condition "comes after the row with these values", key by key."""
        alternatives = []
        equal = ""
        bound = ""
        for (expression, direction), value in zip(keys, values, strict=False):
            if expression in _CONSTANTS:
                continue
            sign = "<" if direction == "DESC" else ">"
            name = self._bind(value)
            # What an index can be entered at: not beyond the first key.
            bound = bound or f"{expression} {sign}= {name} AND "
            alternatives.append(f"({equal}{expression} {sign} {name})")
            equal += f"{expression} = {name} AND "
        return f"{bound}({' OR '.join(alternatives)})"

    def _bind(self, value: Any) -> str:
        """Return the name, in SQL, of a parameter of this value."""
        name = f"p{len(self._given)}"
        self._given[name] = value
        return f":{name}"

    def _bind_list(self, values: Sequence[Any], kind: type[TypeEngine[Any]]) -> str:
        name = self._bind(list(values))
        self._lists[name[1:]] = kind
        return name

    # ---------------------------------------------------------------------------- conditions

    def _marks(self) -> list[str]:
        """Return the conditions on what a run is marked as."""
        query = self._query
        where = [] if query.deleted is None else [f"r.deleted_ms IS {'NOT ' if query.deleted else ''}NULL"]
        if query.archived is not None:
            where.append(f"r.archived_ms IS {'NOT ' if query.archived else ''}NULL")
        return where

    def _fields(self) -> list[str]:
        """Return the conditions of a query's own fields, but for the experiments and the places in a tree."""
        query = self._query
        if any(_NUL in one for one in (query.text, *(query.ids or ()))):
            return ["1 = 0"]  # nothing stored has a NUL, and PostgreSQL refuses it
        where = self._marks()
        if query.status is not None:
            where.append(self._has_status([RunStatus(status) for status in query.status]))
        if query.ids is not None:
            where.append(f"r.id IN {self._bind_list(query.ids, Text)}")
        return where

    def _has_status(self, statuses: Sequence[RunStatus]) -> str:
        has = f"({STATUS_SQL}) IN {self._bind_list([status.value for status in statuses], Text)}"
        # Runs that are not over are few, and an index has them.
        return has if not statuses or any(status.is_final() for status in statuses) else f"(r.end_ms IS NULL AND {has})"

    def _placed(self) -> list[str]:
        """Return the conditions on where a run stands in the tree of runs."""
        query = self._query
        places = []
        if query.parent_id is not None:
            places.append(f"r.parent_id = {self._bind(plain(query.parent_id))}")
        if query.top_level and query.tree:
            # A child whose parent is not here, or in another experiment, has nobody to stand under.
            same = " AND p.experiment_pk = r.experiment_pk" if query.experiment is not None else ""
            places.append(
                f"NOT EXISTS (SELECT 1 FROM runs p WHERE p.id = r.parent_id AND p.pk != r.pk AND p.deleted_ms IS NULL{same})"
            )
        elif query.top_level:
            places.append("r.parent_id IS NULL")
        return places

    def _equal(self, column: str, value: ParamValue) -> str:
        """Return the condition that a run is in the group of a value, see `GroupQuery.by`."""
        kind, _, name = column.partition(":")
        if column in EQUAL_ATTRIBUTES:
            return f"{EQUAL_ATTRIBUTES[column]} = {self._bind('' if value is None else plain(str(value)))}"
        if kind not in ("param", "tag") or not name:
            raise InvalidValueError(
                f"Cannot compare runs by {shown(column)}. Expected {', '.join(EQUAL_ATTRIBUTES)}, param:NAME or tag:NAME.",
                parameter="equal",
                given=column,
            )
        exists = f"EXISTS (SELECT 1 FROM {kind}s q WHERE q.run_pk = r.pk AND q.name = {self._bind(plain(name))}"
        if value is None:
            something = "" if kind == "tag" else " AND q.kind != 'n'"
            return f"NOT {exists}{something})"
        if kind == "param" and isinstance(value, int | float) and not isinstance(value, bool):
            return f"{exists} AND q.kind IN ('i', 'f') AND q.number = {self._bind(float(value))})"
        text = "(q.kind = 's' OR (q.kind IN ('i', 'f') AND (q.number IS NULL OR q.value IN ('inf', '-inf'))))"
        kinds = "" if kind == "tag" else " AND q.kind = 'b'" if isinstance(value, bool) else f" AND {text}"
        return f"{exists} AND q.value = {self._bind(plain(str(value)))}{kinds})"

    def _words_sought(self) -> list[tuple[str, str, str]]:
        """Return the words of the query's text, each with what stands before and after a text that shall contain it."""
        words = [] if _NUL in self._query.text else self._query.text.split()
        if len(words) > _MAX_WORDS:
            raise InvalidValueError(
                f"Cannot search for {len(words)} words at once. Expected at most {_MAX_WORDS}.",
                parameter="text",
                given=self._query.text,
            )
        return [(word, *self._texts.contains(word, self._bind)) for word in words]

    def _has_word(self, word: str, before: str, after: str) -> str:
        """Return the condition that a run contains a word somewhere; `before` and `after` as from `TextSql.contains`."""
        own = ["r.name", "r.id", "r.type", "r.user_name", "r.description"]
        if any(word.casefold() in status.value.casefold() for status in RunStatus):
            own.append(f"({STATUS_SQL})")
        there = [f"{before}{column}{after}" for column in own]
        there.append(f"r.experiment_pk IN (SELECT n.pk FROM experiments n WHERE {before}n.name{after})")
        for table, kinds in (("tags", ("tags",)), ("params", ("texts", "numbers"))):
            has = f"({before}t.name{after} OR {before}t.value{after})"
            if not self._is_large:
                there.append(f"EXISTS (SELECT 1 FROM {table} t WHERE t.run_pk = r.pk AND {has})")
            elif not any((kind, word) in self._labelled for kind in kinds):
                # To read a table once is easier than to look into it for each of many runs.
                there.append(f"r.pk IN (SELECT t.run_pk FROM {table} t WHERE {has})")
            else:
                # The index has no text of a number: to follow it would be to look for each row.
                rows = f"SELECT t.run_pk FROM {table} t NOT INDEXED WHERE"
                read = {kind: f"{rows} {_LABELS[kind]} AND {has}" for kind in kinds}
                found = [self._labelled.get((kind, word), read[kind]) for kind in kinds]
                there += [f"r.pk IN ({one})" for one in found if one]
        return f"({' OR '.join(there)})"

    def _read_labels(self, connection: Connection) -> None:
        """Find which labels there are, where they are few: a word is then looked for in these, not in a million rows."""
        label, name, begin = (f"json_extract(l.value, '$[{at}]')" for at in range(3))
        for kind, condition in _LABELS.items():
            table, is_text = "tags" if kind == "tags" else "params", kind != "numbers"
            labels = self._execute(connection, _different(table, condition, is_text=is_text))
            if len(labels) >= _MAX_LABELS:
                continue
            known = self._bind(json.dumps(labels))
            for word, before, after in self._words:
                if kind == "numbers" and _is_in_numbers(word):
                    continue
                # A text that fills the index may have the word in what the index leaves out.
                has = f"{before}{name}{after} OR {before}{begin}{after} OR length({begin}) = {INDEXED_CHARS}"
                found = [row[0] for row in self._execute(connection, f"SELECT l.value FROM json_each({known}) l WHERE {has}")]
                matched = self._bind("[" + ",".join(found) + "]")
                runs = (
                    f"SELECT t.run_pk FROM json_each({matched}) l CROSS JOIN {table} t"
                    f" WHERE t.experiment_pk = {label} AND t.name = {name} AND {condition}"
                )
                if is_text:
                    runs += f" AND substr(t.value, 1, {INDEXED_CHARS}) = {begin}"
                if any(len(json.loads(one)[2]) == INDEXED_CHARS for one in found):
                    runs += f" AND ({before}t.name{after} OR {before}t.value{after})"
                self._labelled[kind, word] = runs if found else ""

    def _condition(self, condition: Condition) -> str:
        if isinstance(condition, Comparison):
            return self._comparison(condition)
        if isinstance(condition, Not):
            return f"NOT {self._condition(condition.condition)}"
        word = " AND " if isinstance(condition, And) else " OR "
        return f"({word.join(self._condition(one) for one in condition.conditions)})"

    def _comparison(self, one: Comparison) -> str:
        is_null = one.operator == "is null"
        if one.entity == "attribute":
            if one.key == "experiment":
                there = f"EXISTS (SELECT 1 FROM experiments n WHERE n.pk = r.experiment_pk AND {self._compared('n.name', one)})"
                return ("1 = 0" if is_null else "1 = 1") if one.value is None else there
            if one.key == "status" and one.operator == "in" and one.value:
                return self._has_status([RunStatus(word) for word in several(one.value)])
            column = _ATTRIBUTES[one.key]
            if one.value is None:
                return f"({column} IS {'' if is_null else 'NOT '}NULL)"
            # A column that is never NULL is not asked whether it is: an index may answer the rest alone.
            return (
                f"({column} IS NOT NULL AND {self._compared(column, one)})"
                if one.key in ("end", "parent")
                else (f"({self._compared(column, one)})")
            )
        if one.entity == "dataset":
            rows, there = "inputs i JOIN datasets d ON d.pk = i.dataset_pk WHERE i.run_pk = r.pk", _DATASET_COLUMNS[one.key]
            has = f"{there} <> ''" if one.key == "context" else "1 = 1"
            condition = has if one.value is None else f"{has} AND {self._compared(there, one)}"
        elif one.entity in ("param", "tag"):
            rows = f"{one.entity}s s WHERE s.run_pk = r.pk AND s.name = {self._bind(one.key)}"
            is_number = one.entity == "param" and any(isinstance(value, float) for value in several(one.value))
            condition = "1 = 1" if one.value is None else self._compared("s.number" if is_number else "s.value", one)
        else:
            rows = f"series s WHERE s.run_pk = r.pk AND s.name = {self._bind(one.key)} AND s.col = '' AND s.is_text = 0"
            condition = self._metric(one)
        return f"{'NOT ' if is_null else ''}EXISTS (SELECT 1 FROM {rows} AND {condition})"

    def _metric(self, one: Comparison) -> str:
        """Return the condition on a row `s` of `series`."""
        column = _SERIES_VALUES[one.entity]
        if one.entity != "metric":
            return f"{column} IS NOT NULL" if one.value is None else self._compared(column, one)
        if one.value is None:
            return f"({column} IS NOT NULL OR {_IS_NAN_SQL})"
        if isinstance(one.value, float) and math.isnan(one.value):
            return f"({_IS_NAN_SQL})" if one.operator == "=" else f"{column} IS NOT NULL"
        compared = self._compared(column, one)
        # NaN is unequal to every number, and neither above nor below any.
        return f"({compared} OR {_IS_NAN_SQL})" if one.operator in ("!=", "not in") else compared

    def _compared(self, expression: str, one: Comparison) -> str:
        """Return how an expression compares; true of no NULL."""
        value, operator = one.value, one.operator
        if isinstance(value, tuple):
            is_text = bool(value) and isinstance(value[0], str)
            if not value:
                return "1 = 0" if operator == "in" else "1 = 1"
            values = self._bind_list(value if is_text else [_number(each) for each in value], Text if is_text else Double)
            return f"{expression} {operator.upper()} {values}"
        if not isinstance(value, str):
            return f"{expression} {_SIGNS.get(operator, operator)} {self._bind(_number(value))}"
        if operator in ("like", "not like", "ilike", "not ilike"):
            like = self._texts.like(expression, value, self._bind, ignore_case="ilike" in operator)
            return f"NOT ({like})" if operator.startswith("not") else f"{like}"
        if operator in ("=", "!="):
            return f"{expression} {_SIGNS.get(operator, operator)} {self._bind(value)}"
        return f"{self._texts.by_code_point(expression)} {operator} {self._bind(value)}"

    def _lead(self, number: int, one: Comparison) -> _Lead | None:
        """Return the rows by which an index leads to the runs that meet a condition, if it does."""
        values = several(one.value)
        if one.entity not in ("metric", "param", "tag") or one.operator not in (*_RANGES, "in"):
            return None
        named = f"{self._of_experiments('l')} AND l.name = {self._bind(one.key)}"
        if not any(isinstance(value, str) for value in values):
            if any(math.isnan(value) for value in values if isinstance(value, float)):
                return None
            if one.entity == "metric":
                where = f"{named} AND l.col = '' AND l.is_text = 0 AND {self._compared('l.last_number', one)}"
                return _Lead("series", where, number)
            return _Lead("params", f"{named} AND {self._compared('l.number', one)}", number)
        value = one.value
        if one.operator != "=" or not isinstance(value, str):
            return None
        exact = f"l.value = {self._bind(value)}"
        start = f"substr(l.value, 1, {INDEXED_CHARS}) = {self._bind(value[:INDEXED_CHARS])}"
        if len(value) >= INDEXED_CHARS:  # else the index has all of it
            start = f"{start} AND {exact}"
        if one.entity == "tag":
            return _Lead("tags", f"{named} AND {start}", number)
        if value in ("True", "False"):  # numbers or texts, as they were logged
            return None
        as_number = param_number(value)
        if as_number is None:
            return _Lead("params", f"{named} AND l.number IS NULL AND {start}", number)
        if abs(as_number) > _MAX_SURE_NUMBER:
            return None
        return _Lead("params", f"{named} AND l.number = {self._bind(as_number)} AND {exact}", number)

    # -------------------------------------------------------------------------------- orders

    def _ordered(self) -> list[_OrderPart]:
        """Return what runs are ordered by, ending with what no two runs share."""
        if len(self._orders) > _MAX_ORDERS:
            raise InvalidValueError(
                f"Cannot order runs by {len(self._orders)} things. Expected at most {_MAX_ORDERS}.",
                parameter="order_by",
                given=len(self._orders),
            )
        parts = [self._order_part(f"v{number}", order_by) for number, order_by in enumerate(self._orders)]
        # Equal ones come newest first; along with the start, in its direction.
        start = next((order for order in self._orders if order in ("start", "-start")), None)
        direction = "ASC" if start == "start" else "DESC"
        rest = (("r.pk", direction),) if start else (("r.start_ms", direction), ("r.pk", direction))
        return [*parts, _OrderPart("", rest)]

    def _order_part(self, alias: str, order_by: str) -> _OrderPart:
        direction = "DESC" if order_by.startswith("-") else "ASC"
        word = order_by.removeprefix("-")
        by_code_point = self._texts.by_code_point
        own = {
            "start": "r.start_ms",
            "name": by_code_point("r.name_key"),
            "number": "r.number",
            "status": f"({STATUS_SQL})",
            "duration": _DURATION_SQL,
            "experiment": by_code_point("e.name"),  # of its join
            "user": by_code_point("r.user_name"),
            "id": by_code_point("r.id"),
        }
        if word in own:
            join = "JOIN experiments e ON e.pk = r.experiment_pk" if word == "experiment" else ""
            return _OrderPart(join, ((own[word], direction),))
        if word == "end":
            rank = "CASE WHEN r.end_ms IS NULL THEN 1 ELSE 0 END"
            return _OrderPart("", ((rank, "ASC"), ("COALESCE(r.end_ms, 0)", direction)))
        kind, _, name = word.partition(":")
        if kind not in (*_SERIES_VALUES, "param", "tag") or not name:
            raise InvalidValueError(
                f"Cannot order runs by {shown(order_by)}. Expected {', '.join(own)}, end, metric:NAME, metric.min:NAME (or max, "
                "mean, count, step), param:NAME or tag:NAME, with a leading '-' for descending.",
                parameter="order_by",
                given=order_by,
            )
        key = self._bind("" if _NUL in name else name)  # neither is the name of anything
        named = f"{alias}.run_pk = r.pk AND {alias}.name = {key}"
        if kind == "tag":
            value = f"{alias}.value"
            rank = f"CASE WHEN {value} IS NULL THEN 1 ELSE 0 END"
            keys = ((rank, "ASC"), *self._text_keys(f"COALESCE({value}, '')", direction))
            texts = _Stretch("tags", f"l.name = {key}", (("0", "ASC"), *self._text_keys("l.value", direction)))
            return _OrderPart(f"LEFT JOIN tags {alias} ON {named}", keys, (texts,))
        if kind == "param":
            # Numbers, then texts, then those that lack it; 0 and '' stand for "not of this kind".
            number, value = f"{alias}.number", f"{alias}.value"
            keys = (
                (f"CASE WHEN {value} IS NULL THEN 2 WHEN {number} IS NULL THEN 1 ELSE 0 END", "ASC"),
                (f"COALESCE({number}, 0)", direction),
                *self._text_keys(f"CASE WHEN {number} IS NULL THEN COALESCE({value}, '') ELSE '' END", direction),
            )
            no_text = (("''", direction), ("''", direction))
            numbers = _Stretch(
                "params", f"l.name = {key} AND l.number IS NOT NULL", (("0", "ASC"), ("l.number", direction), *no_text)
            )
            texts = _Stretch(
                "params",
                f"l.name = {key} AND l.number IS NULL",
                (("1", "ASC"), ("0", direction), *self._text_keys("l.value", direction)),
            )
            return _OrderPart(f"LEFT JOIN params {alias} ON {named}", keys, (numbers, texts))
        value = re.sub(r"\bs\.", f"{alias}.", _SERIES_VALUES[kind])
        nan = f" WHEN {alias}.last_text = 'NaN' THEN 1" if kind == "metric" else ""
        keys = ((f"CASE WHEN {value} IS NOT NULL THEN 0{nan} ELSE 2 END", "ASC"), (f"COALESCE({value}, 0)", direction))
        join = f"LEFT JOIN series {alias} ON {named} AND {alias}.col = '' AND {alias}.is_text = 0"
        if kind != "metric":
            return _OrderPart(join, keys)
        where = f"l.name = {key} AND l.col = '' AND l.is_text = 0 AND l.last_number IS NOT NULL"
        return _OrderPart(join, keys, (_Stretch("series", where, (("0", "ASC"), ("l.last_number", direction))),))

    def _text_keys(self, expression: str, direction: str) -> _Keys:
        """Return keys that order by a text; an index has its begin."""
        by_code_point = self._texts.by_code_point
        begin = f"substr({expression}, 1, {INDEXED_CHARS})"
        return (by_code_point(begin), direction), (by_code_point(expression), direction)

    # -------------------------------------------------------------------------------- tokens

    def _token(self, row: Any) -> str:
        token = [self._orders, self._now_ms, *row[1 : 1 + len(self._keys)]]
        return page_token(token)

    def _opened(self, token: str) -> tuple[int, list[Any]]:
        """Return the clock and the key values of a page token."""
        try:
            orders, now_ms, *values = token_parts(token)
        except ValueError as error:  # fewer than it begins with
            raise foreign_token(token) from error
        plain = all(isinstance(value, (str, float)) or (type(value) is int and abs(value) < 2**63) for value in values)
        if orders != self._orders or type(now_ms) is not int or not 0 <= now_ms < 2**62 or not plain:
            raise foreign_token(token)
        return now_ms, values


def _different(table: str, condition: str, *, is_text: bool) -> str:
    """Return the statement of the different (experiment, name, begin of the text, or "") of an index that has them in this order.

    Each step asks for the one after the last (a loose index scan, see `names.py`).
    """
    begin = f"substr(t.value, 1, {INDEXED_CHARS})" if is_text else "''"

    def least(where: str) -> str:
        order = "t.experiment_pk, t.name" + (f", {begin}" if is_text else "")
        return f"SELECT t.rowid FROM {table} t WHERE {condition} AND {where} ORDER BY {order} LIMIT 1"

    here = "t.experiment_pk = d.experiment_pk AND t.name"
    steps = [f"{here} = d.name AND {begin} > d.value"] if is_text else []
    steps += [f"{here} > d.name", "t.experiment_pk > d.experiment_pk"]
    row = f"SELECT t.experiment_pk, t.name, {begin}"
    return (
        f"WITH RECURSIVE d(experiment_pk, name, value) AS ({row} FROM {table} t WHERE t.rowid = ({least('1 = 1')}) UNION ALL"
        f" {row} FROM d CROSS JOIN {table} t ON t.rowid = COALESCE({', '.join(f'({least(step)})' for step in steps)})"
        f" LIMIT {_MAX_LABELS}) SELECT * FROM d"
    )


def _is_in_numbers(word: str) -> bool:
    """Whether a text that reads as a number, or a bool, may contain a word."""
    folded = word.casefold()
    spelled = ("infinity", "true", "false")
    return re.fullmatch(r"[\d._e+-]*", folded) is not None or any(folded.lstrip("+-") in one for one in spelled)


def _names_runs(condition: Condition) -> bool:
    """Whether a condition is met by few runs, which an index of their own finds."""
    return (
        isinstance(condition, Comparison)
        and condition.entity == "attribute"
        and condition.key in ("id", "parent")
        and condition.operator in ("=", "in")
    )


def _number(value: str | float | None) -> float:
    """Return a number for a column that may be one of whole numbers: as one where it is."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    return float(value or 0)


def page_token(parts: list[Any]) -> str:
    """Return parts, of what JSON can say, as the token of a page."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def token_parts(token: str) -> list[Any]:
    """Return the parts of a page's token; what they are is for its search to check.

    Raises:
        InvalidValueError: no search gave it.
    """
    try:
        parts = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as error:
        raise foreign_token(token) from error
    if not isinstance(parts, list):
        raise foreign_token(token)
    return parts


def foreign_token(token: str) -> InvalidValueError:
    return InvalidValueError(
        f"The page token {shown(token)} does not belong to this search. "
        "Expected the `next_page_token` of the page before, with the same `order_by`.",
        parameter="page_token",
        given=token,
    )
