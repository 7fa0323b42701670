"""What happened in a workspace, newest first, read from what runs, experiments and models say of themselves.

Nothing is written for it: each kind of event is a time that the catalog keeps anyway (a run's start and end, a version's
creation …), and a page is the merge of one ordered query a kind. So events of runs recorded long ago are there too, and
removing a run removes its events.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Connection, bindparam, text

from tracklog.errors import InvalidValueError, shown
from tracklog.storage import MAX_ACTIVITY_PAGE, Activity, ActivityPage, ActivityQuery

_RUN = "e.name AS experiment, r.id AS run_id, r.name AS name, r.user_name AS user_name"
_RUNS = "FROM runs r JOIN experiments e ON e.pk = r.experiment_pk"


@dataclass(frozen=True)
class _Source:
    """Where events of some kinds come from: `what`, `time` and `pk` say which, when, and in which order among equals."""

    what: tuple[str, ...]
    time: str
    pk: str
    columns: str
    source: str
    where: str = "TRUE"
    kind: str = ""  # SQL of the kind when there is more than one


# The position of a source breaks ties between events of one time: what is later in the list counts as later.
_SOURCES = (
    _Source(("experiment",), "e.created_ms", "e.pk", "e.name AS experiment", "FROM experiments e"),
    _Source(("archived",), "e.archived_ms", "e.pk", "e.name AS experiment", "FROM experiments e", "e.archived_ms IS NOT NULL"),
    _Source(("started",), "r.start_ms", "r.pk", _RUN, _RUNS, "r.deleted_ms IS NULL"),
    _Source(
        ("version",),
        "v.created_ms",
        "v.pk",
        "m.name AS name, v.version AS version, v.run_id AS run_id, v.user_name AS user_name, v.description AS said",
        "FROM model_versions v JOIN registered_models m ON m.pk = v.model_pk",
    ),
    _Source(
        ("completed", "failed", "canceled"),
        "r.end_ms",
        "r.pk",
        f"{_RUN}, r.error AS error",
        _RUNS,
        "r.deleted_ms IS NULL AND r.end_ms IS NOT NULL",
        "lower(r.status)",
    ),
    _Source(("lost",), "r.heartbeat_ms", "r.pk", _RUN, _RUNS, "r.deleted_ms IS NULL AND r.end_ms IS NULL AND r.lost = 1"),
    _Source(("deleted",), "r.deleted_ms", "r.pk", _RUN, _RUNS, "r.deleted_ms IS NOT NULL"),
)
ACTIVITIES = tuple(what for source in _SOURCES for what in source.what)

_Place = tuple[int, int, int]  # (time_ms, position of the source, pk): what a page token says and all events differ in


def find(connection: Connection, query: ActivityQuery) -> ActivityPage:
    """Return a page of what happened.

    Raises:
        InvalidValueError: an unknown kind of event, a page that is too large, a page token that is none of ours.
    """
    if not 1 <= query.limit <= MAX_ACTIVITY_PAGE:
        raise InvalidValueError(
            f"Cannot return {query.limit} events in a page. Expected 1 to {MAX_ACTIVITY_PAGE}; ask for more with `page_token`.",
            parameter="limit",
            given=query.limit,
        )
    unknown = [what for what in query.what or () if what not in ACTIVITIES]
    if unknown:
        raise InvalidValueError(
            f"Unknown kind of event {shown(unknown[0])}. Known: {', '.join(ACTIVITIES)}.", parameter="what", given=unknown[0]
        )
    before = None if query.page_token is None else _place(query.page_token)
    found: list[tuple[_Place, Activity]] = []
    for position, source in enumerate(_SOURCES):
        wanted = [what for what in source.what if query.what is None or what in query.what]
        if wanted and not (query.experiment is not None and "experiment" not in source.columns):
            found += _of(connection, position, source, wanted, query, before)
    newest = heapq.nlargest(query.limit, found, key=lambda event: event[0])
    is_more = len(found) > len(newest)
    return ActivityPage(
        items=[event for _, event in newest],
        next_page_token=".".join(map(str, newest[-1][0])) if newest and is_more else None,
    )


def _place(token: str) -> _Place:
    parts = re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,2})\.([0-9]{1,18})", token)
    if parts is None:
        raise InvalidValueError(
            f"{shown(token)} is no page token. Expected one that an earlier page gave.", parameter="page_token", given=token
        )
    return int(parts[1]), int(parts[2]), int(parts[3])


def _of(
    connection: Connection, position: int, source: _Source, wanted: list[str], query: ActivityQuery, before: _Place | None
) -> list[tuple[_Place, Activity]]:
    """Return the newest events of a source below a place, one more than a page has."""
    where, given = [source.where], dict[str, Any]()
    if before is not None:
        time_ms, at, pk = before
        given["time"] = time_ms
        if position == at:
            where.append(f"({source.time} < :time OR ({source.time} = :time AND {source.pk} < :pk))")
            given["pk"] = pk
        else:
            where.append(f"{source.time} {'<=' if position < at else '<'} :time")
    if query.experiment is not None:
        where.append("e.name = :experiment")
        given["experiment"] = query.experiment
    if source.kind:
        where.append(f"{source.kind} IN :wanted")
        given["wanted"] = wanted
    statement = text(
        f"SELECT {source.time} AS time_ms, {source.pk} AS pk, {source.kind or repr(source.what[0])} AS what, {source.columns}"
        f" {source.source} WHERE {' AND '.join(where)} ORDER BY {source.time} DESC, {source.pk} DESC LIMIT :limit"
    )
    if source.kind:
        statement = statement.bindparams(bindparam("wanted", expanding=True))
    statement = statement.bindparams(*(bindparam(name, type_=BigInteger) for name in ("time", "pk") if name in given))
    rows = connection.execute(statement, {**given, "limit": query.limit + 1}).mappings()
    return [((row["time_ms"], position, row["pk"]), _event(row)) for row in rows]


def _event(row: Any) -> Activity:
    error = msgspec.json.decode(row["error"]) if row.get("error") else {}
    return Activity(
        time_ms=row["time_ms"],
        what=row["what"],
        experiment=row.get("experiment") or "",
        run_id=row.get("run_id") or "",
        name=row.get("name") or "",
        version=row.get("version") or 0,
        user=row.get("user_name") or "",
        text=(error.get("message") or row.get("said") or "")[:1000],
    )
