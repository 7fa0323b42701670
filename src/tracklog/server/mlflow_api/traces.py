"""Traces, in the shapes of MLflow 3 and of MLflow 2.

Spans come as a file below the trace's address, as clients of a server without a span store send them; what would come as
OpenTelemetry's own message is refused in the words at which they do so.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timezone
from typing import Any, ClassVar

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from tracklog.errors import NotFoundError
from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.routing import AnyRoute, Context, RawRoute, Route
from tracklog.server.mlflow_api.search import order_of
from tracklog.server.mlflow_api.view import experiment_id
from tracklog.server.mlflow_api.wire import KeyValue, Refused, Request, Tag
from tracklog.storage.traces import MAX_TRACES_PAGE, Trace, TraceEdit, TraceQuery

_NAME = "mlflow.traceName"
_RUN = "mlflow.sourceRun"
_LOCATION = "mlflow.artifactLocation"
_MAX_LINKED = 100
_MAX_BATCH = 100
_TIMES = ("timestamp", "timestamp_ms", "request_time", "time")


# --------------------------------------------------------------------------- shapes


class ExperimentLocation(msgspec.Struct):
    """An experiment as the place of a trace."""

    experiment_id: str = ""


class Location(msgspec.Struct):
    """Where a trace is."""

    type: str = "MLFLOW_EXPERIMENT"
    mlflow_experiment: ExperimentLocation | None = None


class GivenInfo(msgspec.Struct):
    """A trace as clients of MLflow 3 send it."""

    trace_id: str = ""
    trace_location: Location | None = None
    client_request_id: str = ""
    request_time: str = ""
    execution_duration: str = ""
    state: str = ""
    request_preview: str = ""
    response_preview: str = ""
    trace_metadata: dict[str, str] = {}
    tags: dict[str, str] = {}


class GivenTrace(msgspec.Struct):
    """What a start of a trace carries."""

    trace_info: GivenInfo | None = None


class ShownInfo(msgspec.Struct, omit_defaults=True):
    """A trace in MLflow 3's shape."""

    trace_id: str
    trace_location: dict[str, Any]
    request_time: str
    state: str
    trace_metadata: dict[str, str]
    tags: dict[str, str]
    execution_duration: str = ""
    request_preview: str = ""
    response_preview: str = ""
    client_request_id: str = ""


class OldInfo(msgspec.Struct, omit_defaults=True):
    """A trace in MLflow 2's shape."""

    request_id: str
    experiment_id: str
    timestamp_ms: int
    status: str
    execution_time_ms: int | None = None
    request_metadata: list[Tag] = []
    tags: list[Tag] = []


_CLIENT_ID = "mlflow.clientRequestId"


def _tags(context: Context, trace: Trace) -> dict[str, str]:
    location = f"{context.view.location(trace.experiment_id)}/traces/{trace.id}/artifacts"
    return {**trace.tags, _LOCATION: location}


def _shown(context: Context, trace: Trace) -> ShownInfo:
    metadata = dict(trace.metadata)
    client_id = metadata.pop(_CLIENT_ID, "")
    if trace.run_id:
        metadata[_RUN] = trace.run_id
    time = datetime.fromtimestamp(trace.time_ms / 1000, timezone.utc).isoformat(timespec="milliseconds")
    return ShownInfo(
        trace_id=trace.id,
        trace_location={"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": trace.experiment_id}},
        request_time=time.replace("+00:00", "Z"),
        state=trace.state or "STATE_UNSPECIFIED",
        trace_metadata=metadata,
        tags=_tags(context, trace),
        execution_duration="" if trace.duration_ms is None else f"{trace.duration_ms / 1000:.3f}s",
        request_preview=trace.request,
        response_preview=trace.response,
        client_request_id=client_id,
    )


def _shown_old(context: Context, trace: Trace) -> OldInfo:
    metadata = {**trace.metadata, **({_RUN: trace.run_id} if trace.run_id else {})}
    return OldInfo(
        request_id=trace.id,
        experiment_id=trace.experiment_id,
        timestamp_ms=trace.time_ms,
        status=trace.state or "TRACE_STATUS_UNSPECIFIED",
        execution_time_ms=trace.duration_ms,
        request_metadata=wire.tags_of(metadata),
        tags=wire.tags_of(_tags(context, trace)),
    )


# ------------------------------------------------------------------------- requests


class StartTrace(Request):
    """A trace of MLflow 3."""

    trace: GivenTrace | None = None


class StartOldTrace(Request):
    """The start of a trace of MLflow 2."""

    required: ClassVar[tuple[str, ...]] = ("experiment_id",)

    experiment_id: str = ""
    timestamp_ms: int = 0
    request_metadata: list[KeyValue] = []
    tags: list[KeyValue] = []


class EndOldTrace(Request):
    """The end of a trace of MLflow 2."""

    request_id: str = ""
    timestamp_ms: int | None = None
    status: str = ""
    request_metadata: list[KeyValue] = []
    tags: list[KeyValue] = []


class TraceId(Request):
    """A trace."""

    trace_id: str = ""


class TraceIds(Request):
    """Some traces, perhaps the run they shall belong to."""

    trace_ids: list[str] = []
    run_id: str = ""


class TraceTag(Request):
    """A tag of a trace."""

    required: ClassVar[tuple[str, ...]] = ("key",)

    trace_id: str = ""
    key: str = ""
    value: str = ""


class SearchTraces(Request):
    """Which traces."""

    locations: list[Location] = []
    experiment_ids: list[str] = []
    filter: str = ""
    max_results: int = 100
    order_by: list[str] = []
    page_token: str = ""


class DeleteTraces(Request):
    """Traces to remove: by their ids, or the oldest up to a time."""

    required: ClassVar[tuple[str, ...]] = ("experiment_id",)

    experiment_id: str = ""
    max_timestamp_millis: int | None = None
    max_traces: int | None = None
    request_ids: list[str] = []


# ------------------------------------------------------------------------- handlers


def start_trace(context: Context, request: StartTrace) -> object:
    """Keep a trace."""
    info = request.trace.trace_info if request.trace is not None else None
    if info is None or not info.trace_id:
        raise wire.missing("trace.trace_info.trace_id")
    place = info.trace_location.mlflow_experiment if info.trace_location is not None else None
    metadata = dict(info.trace_metadata)
    run_id = metadata.pop(_RUN, "")
    if info.client_request_id:
        metadata[_CLIENT_ID] = info.client_request_id
    tags = {name: value for name, value in info.tags.items() if name != _LOCATION}
    trace = Trace(
        id=_checked_id(info.trace_id),
        experiment=context.view.active_experiment(place.experiment_id if place is not None else "").name,
        name=tags.get(_NAME, ""),
        run_id=run_id,
        time_ms=_time_ms(info.request_time),
        duration_ms=_duration_ms(info.execution_duration),
        state=info.state,
        request=info.request_preview,
        response=info.response_preview,
        tags=tags,
        metadata=metadata,
    )
    return {"trace": {"trace_info": _shown(context, context.store.traces.put_trace(trace))}}


def _checked_id(trace_id: str) -> str:
    if not re.fullmatch(r"[\w.:\-]{1,250}", trace_id, re.ASCII):
        raise wire.invalid("trace_id", trace_id)
    return trace_id


def _time_ms(text: str) -> int:
    """Return a time as protobuf's JSON has it, in ms."""
    try:
        # Python 3.10 reads neither the Z of UTC nor fractions of other lengths than 3 and 6.
        whole, _, fraction = text.removesuffix("Z").partition(".")
        at = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
        return int(at.timestamp()) * 1000 + int((fraction + "000")[:3] or 0)
    except ValueError:
        raise wire.mistyped("trace.trace_info.request_time", text) from None


def _duration_ms(text: str) -> int | None:
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)s", text)
    if found is None:
        raise wire.mistyped("trace.trace_info.execution_duration", text)
    return round(float(found[1]) * 1000)


def start_old_trace(context: Context, request: StartOldTrace) -> object:
    """Start a trace of MLflow 2."""
    tags = {one.key: one.value for one in request.tags}
    metadata = {one.key: one.value for one in request.request_metadata}
    trace = Trace(
        id=f"tr-{uuid.uuid4().hex}",
        experiment=context.view.active_experiment(request.experiment_id).name,
        name=tags.get(_NAME, ""),
        run_id=metadata.pop(_RUN, ""),
        time_ms=request.timestamp_ms,
        state="IN_PROGRESS",
        tags=tags,
        metadata=metadata,
    )
    return {"trace_info": _shown_old(context, context.store.traces.put_trace(trace))}


def end_old_trace(context: Context, request: EndOldTrace) -> object:
    """End a trace of MLflow 2."""
    found = _found(context, request.request_id)
    edit = TraceEdit(
        state=request.status or None,
        duration_ms=None if request.timestamp_ms is None else request.timestamp_ms - found.time_ms,
        tags={one.key: one.value for one in request.tags},
        metadata={one.key: one.value for one in request.request_metadata},
    )
    return {"trace_info": _shown_old(context, context.store.traces.edit_trace(found.id, edit))}


def _found(context: Context, trace_id: str) -> Trace:
    try:
        return context.store.traces.get_trace(trace_id)
    except NotFoundError:
        raise _no_trace(trace_id) from None


def _no_trace(trace_id: str) -> Refused:
    return wire.not_found(f"Trace with ID '{trace_id}' not found.")


def get_trace(context: Context, request: TraceId) -> object:
    """Return a trace without its spans."""
    return {"trace": {"trace_info": _shown(context, _found(context, request.trace_id))}}


def get_old_trace(context: Context, request: TraceId) -> object:
    """Return a trace without its spans, in MLflow 2's shape."""
    return {"trace_info": _shown_old(context, _found(context, request.trace_id))}


def get_infos(context: Context, request: TraceIds) -> object:
    """Return those of some traces that are there."""
    if len(request.trace_ids) > _MAX_BATCH:
        raise Refused(f"Cannot return more than {_MAX_BATCH} traces at once, got {len(request.trace_ids)}.")
    found = []
    for trace_id in request.trace_ids:
        try:
            found.append(_shown(context, context.store.traces.get_trace(trace_id)))
        except NotFoundError:
            continue
    return {"trace_infos": found} if found else {}


def search_traces(context: Context, request: SearchTraces) -> object:
    """Find traces."""
    traces, token = _search(context, request)
    return wire.page_of("traces", [_shown(context, one) for one in traces], token)


def search_old_traces(context: Context, request: SearchTraces) -> object:
    """Find traces, in MLflow 2's shape."""
    traces, token = _search(context, request)
    return wire.page_of("traces", [_shown_old(context, one) for one in traces], token)


def _search(context: Context, request: SearchTraces) -> tuple[list[Trace], str | None]:
    if not 1 <= request.max_results <= MAX_TRACES_PAGE:
        raise Refused(
            f"Invalid value {request.max_results} for parameter 'max_results' supplied. It must be 1 to {MAX_TRACES_PAGE}"
        )
    places = [one.mlflow_experiment.experiment_id for one in request.locations if one.mlflow_experiment is not None]
    oldest_first = False
    for clause in request.order_by[:1]:
        entity, key, descending = order_of(clause)
        if entity != "attribute" or key not in _TIMES:
            raise Refused(f"Traces are ordered by their time only, not by '{clause}'. Leave `order_by` out, or use timestamp_ms.")
        oldest_first = not descending
    page = context.store.traces.search_traces(
        TraceQuery(
            experiment_ids=[experiment_id(one) for one in [*places, *request.experiment_ids]],
            filter=request.filter,
            oldest_first=oldest_first,
            limit=request.max_results,
            page_token=request.page_token or None,
        )
    )
    return page.traces, page.next_page_token


def set_trace_tag(context: Context, request: TraceTag) -> object:
    """Tag a trace."""
    key, value = wire.tag(KeyValue(request.key, request.value))
    context.store.traces.edit_trace(_found(context, request.trace_id).id, TraceEdit(tags={key: value}))
    return {}


def delete_trace_tag(context: Context, request: TraceTag) -> object:
    """Remove a tag of a trace."""
    if request.key not in _found(context, request.trace_id).tags:
        raise wire.not_found(f"No trace tag with key '{request.key}' for trace with ID '{request.trace_id}'")
    context.store.traces.edit_trace(request.trace_id, TraceEdit(tags={request.key: None}))
    return {}


def delete_traces(context: Context, request: DeleteTraces) -> object:
    """Remove traces."""
    if bool(request.request_ids) == (request.max_timestamp_millis is not None):
        raise Refused("Either `max_timestamp_millis` or `trace_ids` must be specified, but not both.")
    experiment = experiment_id(request.experiment_id)
    traces = context.store.traces
    if request.request_ids:
        mine = []
        for trace_id in request.request_ids:
            try:
                mine += [trace_id] if traces.get_trace(trace_id).experiment_id == experiment else []
            except NotFoundError:
                continue
        return {"traces_deleted": traces.delete_traces(mine)}
    left = request.max_traces if request.max_traces is not None else wire.MAX_INT64
    if left <= 0:
        raise Refused(f"`max_traces` must be a positive integer, received {left}.")
    deleted = 0
    while left > 0:
        query = TraceQuery(
            [experiment], f"time <= {request.max_timestamp_millis}", oldest_first=True, limit=min(left, MAX_TRACES_PAGE)
        )
        found = [one.id for one in traces.search_traces(query).traces]
        if not found:
            break
        deleted += traces.delete_traces(found)
        left -= len(found)
    return {"traces_deleted": deleted}


def link_to_run(context: Context, request: TraceIds) -> object:
    """Say that traces belong to a run."""
    if len(request.trace_ids) > _MAX_LINKED:
        raise Refused(f"Cannot link more than {_MAX_LINKED} traces to a run in a single request. Got {len(request.trace_ids)}.")
    context.view.active_run(request.run_id)
    for trace_id in request.trace_ids:
        context.store.traces.edit_trace(_found(context, trace_id).id, TraceEdit(run_id=request.run_id))
    return {}


async def refuse_otlp(context: Context, http: HttpRequest, given: dict[str, str]) -> Response:
    """Refuse OpenTelemetry's message; MLflow's clients then send whole traces, whose spans are a file."""
    raise Refused("REST OTLP span logging is not supported by this server. Whole traces are taken.", "NOT_IMPLEMENTED")


_BOTH = ("3.0", "2.0")
_PATH = "/mlflow/traces"

ROUTES: list[AnyRoute] = [
    Route("POST", _PATH, StartTrace, start_trace, ("3.0",)),
    Route("POST", f"{_PATH}/search", SearchTraces, search_traces, _BOTH),
    Route("POST", f"{_PATH}/batchGetInfos", TraceIds, get_infos, ("3.0",)),
    Route("GET", f"{_PATH}/{{trace_id}}", TraceId, get_trace, ("3.0",)),
    Route("POST", _PATH, StartOldTrace, start_old_trace),
    Route("GET", _PATH, SearchTraces, search_old_traces),
    Route("PATCH", f"{_PATH}/{{request_id}}", EndOldTrace, end_old_trace),
    Route("GET", f"{_PATH}/{{trace_id}}/info", TraceId, get_old_trace),
    Route("PATCH", f"{_PATH}/{{trace_id}}/tags", TraceTag, set_trace_tag, _BOTH),
    Route("DELETE", f"{_PATH}/{{trace_id}}/tags", TraceTag, delete_trace_tag, _BOTH),
    Route("POST", f"{_PATH}/delete-traces", DeleteTraces, delete_traces, _BOTH),
    Route("POST", f"{_PATH}/link-to-run", TraceIds, link_to_run, _BOTH),
    RawRoute("POST", "/v1/traces", refuse_otlp, prefixed=False),
    RawRoute("POST", "/v1/metrics", refuse_otlp, prefixed=False),
]
