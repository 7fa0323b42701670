"""`Traces` over the SQL of a catalog.

A row a trace; tags and metadata are JSON objects in it, spans compressed bytes. Traces are read newest first, in pages that go
on after a row, so that a search ends as soon as its page is full, however many traces there are.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Connection, Text, bindparam, text

from tracklog.errors import InvalidValueError, NotFoundError, shown
from tracklog.storage.catalog import Catalog, ensure_experiment, plain
from tracklog.storage.filters import Attribute, Vocabulary, matches
from tracklog.storage.traces import MAX_TRACES_PAGE, Trace, TraceEdit, TracePage, TraceQuery

_MAX_ID_CHARS = 250
_FETCHED = 1000  # rows read at once while looking for what fits a filter

_COLUMNS = (
    "t.pk, t.id, e.name AS experiment, t.experiment_pk, t.name, t.run_id, t.time_ms, t.duration_ms, t.state, t.request,"
    " t.response, t.tags, t.metadata, t.spans IS NOT NULL AS has_spans"
)
_TRACES = f"SELECT {_COLUMNS} FROM traces t JOIN experiments e ON e.pk = t.experiment_pk"
_ASKED = Vocabulary(
    "traces",
    [
        Attribute("id", "text", ("trace_id", "request_id")),
        Attribute("name", "text", ("trace_name",)),
        Attribute("run_id", "text"),
        Attribute("state", "text", ("status",)),
        Attribute("time", "time", ("timestamp", "timestamp_ms")),
        Attribute("duration", "number", ("execution_time", "execution_time_ms", "execution_duration")),
    ],
    ["tag"],
)
_FIELDS = {"time": "time_ms", "duration": "duration_ms"}  # attribute -> the struct's, where they differ


class CatalogTraces:
    """`Traces` of the store whose catalog it is given. Safe for threads and processes."""

    def __init__(self, catalog: Catalog, clock_ms: Callable[[], int]) -> None:
        self._catalog = catalog
        self._clock_ms = clock_ms

    def put_trace(self, trace: Trace) -> Trace:
        """See `Traces.put_trace`."""
        if not re.fullmatch(rf"[\w.:\-]{{1,{_MAX_ID_CHARS}}}", trace.id, re.ASCII):
            raise InvalidValueError(
                f"Cannot use {shown(trace.id)} as the id of a trace. Expected 1 to {_MAX_ID_CHARS} letters, digits, '_', '-', "
                "'.' and ':'.",
                parameter="id",
                given=trace.id,
            )
        if not trace.experiment.strip() or "\x00" in trace.experiment:
            raise InvalidValueError(
                f"Cannot use {shown(trace.experiment)} as the experiment of a trace. Expected a name without NUL.",
                parameter="experiment",
                given=trace.experiment,
            )
        with self._catalog.write() as connection:
            self._catalog.lock(connection, f"trace {trace.id}")
            ensure_experiment(connection, trace.experiment, self._clock_ms())
            connection.execute(
                text(
                    "INSERT INTO traces (id, experiment_pk, name, run_id, time_ms, duration_ms, state, request, response, tags,"
                    " metadata) SELECT :id, e.pk, CAST(:name AS TEXT), CAST(:run AS TEXT), CAST(:time AS BIGINT),"
                    " CAST(:duration AS BIGINT), CAST(:state AS TEXT), CAST(:request AS TEXT), CAST(:response AS TEXT),"
                    " CAST(:tags AS TEXT), CAST(:metadata AS TEXT) FROM experiments e WHERE e.name = :experiment"
                    " ON CONFLICT (id) DO UPDATE SET experiment_pk = excluded.experiment_pk, name = excluded.name,"
                    " run_id = excluded.run_id, time_ms = excluded.time_ms, duration_ms = excluded.duration_ms,"
                    " state = excluded.state, request = excluded.request, response = excluded.response, tags = excluded.tags,"
                    " metadata = excluded.metadata"
                ),
                {
                    "id": trace.id,
                    "experiment": trace.experiment,
                    "name": plain(trace.name),
                    "run": plain(trace.run_id),
                    "time": trace.time_ms,
                    "duration": trace.duration_ms,
                    "state": plain(trace.state),
                    "request": plain(trace.request),
                    "response": plain(trace.response),
                    "tags": _document(trace.tags),
                    "metadata": _document(trace.metadata),
                },
            )
            return self._trace(connection, trace.id)

    def get_trace(self, trace_id: str) -> Trace:
        """See `Traces.get_trace`."""
        with self._catalog.read() as connection:
            return self._trace(connection, trace_id)

    def edit_trace(self, trace_id: str, edit: TraceEdit) -> Trace:
        """See `Traces.edit_trace`."""
        with self._catalog.write() as connection:
            self._catalog.lock(connection, f"trace {trace_id}")
            found = self._trace(connection, trace_id)
            tags = {name: value for name, value in {**found.tags, **edit.tags}.items() if value is not None}
            connection.execute(
                text(
                    "UPDATE traces SET state = :state, duration_ms = CAST(:duration AS BIGINT), run_id = :run, tags = :tags,"
                    " metadata = :metadata WHERE id = :id"
                ),
                {
                    "id": found.id,
                    "state": found.state if edit.state is None else plain(edit.state),
                    "duration": found.duration_ms if edit.duration_ms is None else edit.duration_ms,
                    "run": found.run_id if edit.run_id is None else plain(edit.run_id),
                    "tags": _document(tags),
                    "metadata": _document({**found.metadata, **edit.metadata}),
                },
            )
            return self._trace(connection, trace_id)

    def search_traces(self, query: TraceQuery) -> TracePage:
        """See `Traces.search_traces`."""
        if not 1 <= query.limit <= MAX_TRACES_PAGE:
            raise InvalidValueError(
                f"Cannot return {query.limit} traces in a page. Expected 1 to {MAX_TRACES_PAGE}; ask for more with `page_token`.",
                parameter="limit",
                given=query.limit,
            )
        condition = _ASKED.condition(query.filter, now_ms=self._clock_ms())
        beyond, direction = (">", "ASC") if query.oldest_first else ("<", "DESC")
        after = _opened(query.page_token)
        chosen = bindparam("experiments", expanding=True, type_=BigInteger)
        given: dict[str, Any] = {"experiments": [int(one) for one in query.experiment_ids if one.isdigit() and len(one) < 18]}
        found: list[tuple[int, Trace]] = []
        with self._catalog.read() as connection:
            while True:
                where = ""
                if after is not None:
                    where = f" AND (t.time_ms {beyond} :time OR (t.time_ms = :time AND t.pk {beyond} :pk))"
                    given["time"], given["pk"] = after
                rows = connection.execute(
                    text(
                        f"{_TRACES} WHERE t.experiment_pk IN :experiments{where}"
                        f" ORDER BY t.time_ms {direction}, t.pk {direction} LIMIT {_FETCHED}"
                    ).bindparams(chosen),
                    given,
                ).all()
                for row in rows:
                    trace = _trace(row)
                    if matches(condition, partial(_value, trace)):
                        found.append((row.pk, trace))
                        if len(found) > query.limit:
                            break
                if len(found) > query.limit or len(rows) < _FETCHED:
                    break
                after = (rows[-1].time_ms, rows[-1].pk)
        token = None
        if len(found) > query.limit:
            pk, last = found[query.limit - 1]
            token = f"{last.time_ms}-{pk}"
        return TracePage(traces=[trace for _, trace in found[: query.limit]], next_page_token=token)

    def delete_traces(self, trace_ids: Sequence[str]) -> int:
        """See `Traces.delete_traces`."""
        statement = text("DELETE FROM traces WHERE id IN :ids").bindparams(bindparam("ids", expanding=True, type_=Text))
        with self._catalog.write() as connection:
            return connection.execute(statement, {"ids": [plain(one) for one in trace_ids]}).rowcount

    def put_spans(self, trace_id: str, data: bytes) -> None:
        """See `Traces.put_spans`."""
        with self._catalog.write() as connection:
            changed = connection.execute(
                text("UPDATE traces SET spans = :spans WHERE id = :id"),
                {"spans": zlib.compress(data, 6), "id": plain(trace_id)},
            ).rowcount
            if not changed:
                raise _no_trace(trace_id)

    def spans(self, trace_id: str) -> bytes:
        """See `Traces.spans`."""
        with self._catalog.read() as connection:
            data = connection.execute(text("SELECT spans FROM traces WHERE id = :id"), {"id": plain(trace_id)}).scalar()
        if data is None:
            raise NotFoundError(f"There are no spans of a trace {shown(trace_id)}.", what="spans", given=trace_id)
        return zlib.decompress(data)

    def _trace(self, connection: Connection, trace_id: str) -> Trace:
        row = connection.execute(text(f"{_TRACES} WHERE t.id = :id"), {"id": plain(trace_id)}).one_or_none()
        if row is None:
            raise _no_trace(trace_id)
        return _trace(row)


def _trace(row: Any) -> Trace:
    return Trace(
        id=row.id,
        experiment=row.experiment,
        experiment_id=str(row.experiment_pk),
        name=row.name,
        run_id=row.run_id,
        time_ms=row.time_ms,
        duration_ms=row.duration_ms,
        state=row.state,
        request=row.request,
        response=row.response,
        tags=json.loads(row.tags),
        metadata=json.loads(row.metadata),
        has_spans=bool(row.has_spans),
    )


def _value(trace: Trace, entity: str, key: str) -> object:
    return trace.tags.get(key) if entity == "tag" else getattr(trace, _FIELDS.get(key, key))


def _document(labels: dict[str, str]) -> str:
    return plain(msgspec.json.encode(labels).decode())


def _no_trace(trace_id: str) -> NotFoundError:
    return NotFoundError(f"There is no trace {shown(trace_id)} in this workspace.", what="trace", given=trace_id)


def _opened(token: str | None) -> tuple[int, int] | None:
    if token is None:
        return None
    found = re.fullmatch(r"(-?[0-9]{1,18})-([0-9]{1,18})", token)
    if found is None:
        raise InvalidValueError(
            f"The page token {shown(token)} does not belong to a search for traces. Expected the `next_page_token` of the page "
            "before.",
            parameter="page_token",
            given=token,
        )
    return int(found[1]), int(found[2])
