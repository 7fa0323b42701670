"""Traces: what a program did to answer one request, as its tracer tells it.

A trace is kept under its id, with what is known of it in a row and its spans as the bytes its client sent. `Store.traces` is a
`Traces`; `LocalStore` and `RemoteStore` pass the same suite, `tests/contracts/test_traces.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

MAX_TRACES_PAGE = 500
MAX_SPANS_BYTES = 64 << 20


class Trace(msgspec.Struct, frozen=True, omit_defaults=True):
    """One trace, without its spans."""

    id: str
    experiment: str  # its name
    experiment_id: str = ""  # of what is given it does not count
    name: str = ""
    run_id: str = ""  # of the run it belongs to
    time_ms: int = 0
    duration_ms: int | None = None  # None: not over
    state: str = ""  # "OK", "ERROR", "IN_PROGRESS"
    request: str = ""  # the beginnings of what went in
    response: str = ""  # … and came out
    tags: dict[str, str] = {}
    metadata: dict[str, str] = {}
    has_spans: bool = False  # of what is given it does not count


class TraceEdit(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What changes of a trace. None leaves as it is; a tag of None is removed; metadata is added."""

    state: str | None = None
    duration_ms: int | None = None
    run_id: str | None = None
    tags: dict[str, str | None] = {}
    metadata: dict[str, str] = {}


class TraceQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which traces: newest first, or oldest.

    `filter`: the filter language over `id` (`trace_id`, `request_id`), `name`, `run_id`, `state` (`status`), `time`
    (`timestamp`, `timestamp_ms`), `duration` (`execution_time`, `execution_time_ms`), `tags.K`.
    """

    experiment_ids: list[str]
    filter: str = ""
    oldest_first: bool = False
    limit: int = 100
    page_token: str | None = None


class TracePage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One page of a search; `next_page_token` is None on the last."""

    traces: list[Trace]
    next_page_token: str | None = None


class Traces(Protocol):
    """Traces of a store. Methods raise NotFoundError for a trace that is not there."""

    def put_trace(self, trace: Trace) -> Trace:
        """Keep a trace, replacing one of its id, and return it. Spans that are there stay."""

    def get_trace(self, trace_id: str) -> Trace:
        """Return one trace."""

    def edit_trace(self, trace_id: str, edit: TraceEdit) -> Trace:
        """Change a trace and return it."""

    def search_traces(self, query: TraceQuery) -> TracePage:
        """Return a page of traces."""

    def delete_traces(self, trace_ids: Sequence[str]) -> int:
        """Remove traces with their spans, for good; return how many there were. Unknown ids are no error."""

    def put_spans(self, trace_id: str, data: bytes) -> None:
        """Keep the spans of a trace, as its client wrote them."""

    def spans(self, trace_id: str) -> bytes:
        """Return the spans of a trace; NotFoundError also while they have not arrived."""
