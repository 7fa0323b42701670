"""The native JSON API: one table of routes, from which the application, the OpenAPI document and the docs page are made.

Every failure has one shape: {"error": {"code", "message", "parameter"?, "details"?}} with a 4xx status for the client's
mistakes. Handlers run in worker threads; a store blocks.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import tempfile
import time
import uuid
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from tracklog import __version__
from tracklog.errors import (
    ConflictError,
    FilterError,
    InvalidRequestError,
    InvalidValueError,
    NotFoundError,
    ParamConflictError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
    WriterGapError,
    shown,
)
from tracklog.records import Batch, Event, RunEdited, RunStatus, StatusChanged, TagsSet, Watermark, decode_batch
from tracklog.server import run_table, stall
from tracklog.storage import (
    MAX_ACTIVITY_PAGE,
    MAX_PAGE,
    ActivityPage,
    ActivityQuery,
    ArtifactInfo,
    Change,
    ExperimentEdit,
    ExperimentInfo,
    GcReport,
    GroupQuery,
    LogMatches,
    LogPage,
    LogQuery,
    RunGroups,
    RunInfo,
    RunKeys,
    RunPage,
    RunQuery,
    SeriesQuery,
    Store,
    TablePage,
    Usage,
    View,
    frames,
    validate_artifact_path,
)
from tracklog.storage.registry import (
    MAX_MODELS_PAGE,
    LoggedModel,
    LoggedModelEdit,
    LoggedModelPage,
    LoggedModelQuery,
    ModelEdit,
    ModelPage,
    ModelQuery,
    ModelVersion,
    RegisteredModel,
    VersionEdit,
    VersionPage,
    VersionQuery,
)
from tracklog.storage.traces import MAX_SPANS_BYTES, Trace, TraceEdit, TracePage, TraceQuery

MAX_JSON_BYTES = 1 << 20
MAX_BATCH_BYTES = 64 << 20
MAX_SELECTION_BYTES = 16 << 20  # `MAX_SELECTION` ids of twice their usual length
_MAX_LOG_LINES = 10_000
_MAX_CHANGES = 1000
# Artifacts are what users and their programs wrote: shown, never run.
_SANDBOX = {
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_T = TypeVar("_T")
Handler = Callable[[Request], Awaitable[Response]]


class RunPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Change of a run from outside its process. `tags`: null removes one. `status`: CancelRequested or Canceled."""

    name: str | None = None
    description: str | None = None
    deleted: bool | None = None
    archived: bool | None = None
    tags: dict[str, str | None] | None = None
    status: RunStatus | None = None


class RunsPatch(msgspec.Struct, forbid_unknown_fields=True):
    """The same change of several runs, at most a thousand. Unknown ids are left out of the count."""

    ids: list[str]
    edit: RunPatch


class Edited(msgspec.Struct):
    """How many were changed."""

    edited: int


class ViewList(msgspec.Struct):
    """Saved views of a scope."""

    views: list[View]


class RunIds(msgspec.Struct, forbid_unknown_fields=True):
    """Runs by their ids."""

    ids: list[str]


class SelectionName(msgspec.Struct):
    """What a selection of runs is called."""

    name: str


class NewTrace(Trace, frozen=True, forbid_unknown_fields=True):
    """A trace to keep. Its experiment's id and `has_spans` do not count."""


class TraceIds(msgspec.Struct, forbid_unknown_fields=True):
    """Traces to remove."""

    ids: list[str]


class Deleted(msgspec.Struct):
    """How many were removed."""

    deleted: int


class NewModel(msgspec.Struct, forbid_unknown_fields=True):
    """A registered model to make."""

    name: str
    description: str = ""
    tags: dict[str, str] = {}


class NewVersion(ModelVersion, frozen=True, forbid_unknown_fields=True):
    """A version to add. Its name, number, times and aliases do not count."""


class NewLoggedModel(LoggedModel, frozen=True, forbid_unknown_fields=True):
    """A logged model to make. Its times, registrations and deletion do not count."""


class ServerInfo(msgspec.Struct):
    """What serves, and what."""

    version: str
    workspace: str
    started_ms: int
    auth: bool = False


class NewExperiment(msgspec.Struct, forbid_unknown_fields=True):
    """An experiment to make. `artifact_location`: address where clients keep files by themselves; "": they give them here."""

    name: str
    tags: dict[str, str] = {}
    artifact_location: str = ""


class ExperimentList(msgspec.Struct):
    """Experiments, the one with the latest run first."""

    experiments: list[ExperimentInfo]


class ArtifactList(msgspec.Struct):
    """Files of a run."""

    artifacts: list[ArtifactInfo]


class ChangeList(msgspec.Struct):
    """Changes, ascending by id."""

    changes: list[Change]


@dataclass(frozen=True)
class Route:
    """One operation: what the document says of it, and who answers."""

    method: str
    path: str
    summary: str
    handler: Handler
    query: Mapping[str, str] = field(default_factory=dict)  # parameter -> what it means
    body: Any = None  # Struct of the body, or a media type
    answer: Any = None


# ------------------------------------------------------------------------ requests


def _store(request: Request) -> Store:
    return cast("Store", request.app.state.store)


async def _in_thread(function: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
    return await anyio.to_thread.run_sync(partial(function, *arguments, **named))


MSGPACK = "application/msgpack"


class Answer(Response):
    """A value on its way out: JSON, or MessagePack for clients that ask for it, since JSON has no NaN or ±inf."""

    def __init__(self, value: Any, status: int = 200) -> None:
        super().__init__(msgspec.json.encode(value), status, media_type="application/json")
        self._value = value

    def as_msgpack(self) -> Response:
        """Return the same as MessagePack."""
        return Response(msgspec.msgpack.encode(self._value), self.status_code, media_type=MSGPACK)


def json_response(value: Any, status: int = 200) -> Response:
    """Return a value as an answer."""
    return Answer(value, status)


async def _body(request: Request, limit: int, *media_types: str) -> bytes:
    given = _media_type(request)
    if given not in media_types:
        expected = " or ".join(f"'{one}'" for one in media_types)
        raise UnsupportedMediaTypeError(
            f"The body's content type is {shown(given)}. Expected {expected}.", parameter="Content-Type", given=given
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaTypeError(
            f"The body's content encoding is {shown(encoding)}. Expected none.",
            parameter="Content-Encoding",
            given=encoding,
        )
    too_large = PayloadTooLargeError(
        f"The body is larger than {limit} bytes, the most this route takes. Send it in parts.", parameter="body"
    )
    # The HTTP parser has checked that this is a number; 18 digits are more bytes than there are.
    if int(request.headers.get("content-length", "0")[:18]) > limit:
        raise too_large
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > limit:
            raise too_large
    return bytes(data)


async def _json_body(request: Request, kind: type[_T], max_bytes: int = MAX_JSON_BYTES) -> _T:
    data = await _body(request, max_bytes, "application/json", MSGPACK)
    try:
        if _media_type(request) == MSGPACK:
            return msgspec.msgpack.decode(data, type=kind)
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        known = ", ".join(f"`{name}`" for name in _fields(kind))
        # msgspec ends with the place, " - at `$.limit`", or names the field itself.
        place = re.search(r"at `\$\.(\w+)|field `(\w+)`", str(error))
        raise InvalidRequestError(
            f"The body is not what this route expects: {error}. Its fields: {known}.",
            parameter=(place[1] or place[2]) if place else "body",
        ) from error


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _fields(kind: Any) -> list[str]:
    return [one.name for one in msgspec.structs.fields(kind)]


def check_query(request: Request, known: Iterable[str]) -> None:
    """Refuse query parameters that the route does not have, and those given twice: a typo must not mean "no filter"."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            listed = ", ".join(f"`{one}`" for one in known) or "none"
            raise InvalidRequestError(f"Unknown query parameter {shown(name)}. Known: {listed}.", parameter=name)
        if names.count(name) > 1:
            raise InvalidRequestError(f"The query has `{name}` more than once. Expected it once.", parameter=name)


class _Query:
    """Query parameters of a request, checked as they are read."""

    def __init__(self, request: Request) -> None:
        self._given = request.query_params

    def text(self, name: str, default: str = "") -> str:
        return self._given.get(name, default)

    def required(self, name: str) -> str:
        if name not in self._given:
            raise InvalidRequestError(f"The query parameter `{name}` is missing. Expected `?{name}=…`.", parameter=name)
        return self._given[name]

    def number(self, name: str, default: int, low: int, high: int) -> int:
        given = self._given.get(name)
        if given is None:
            return default
        try:
            value = int(given)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise InvalidRequestError(
                f"The query parameter `{name}` is {shown(given)}. Expected a whole number from {low} to {high}.",
                parameter=name,
                given=given,
            )
        return value

    def flag(self, name: str) -> bool:
        given = self._given.get(name, "false").lower()
        if given not in ("", "1", "0", "true", "false"):
            raise InvalidRequestError(
                f"The query parameter `{name}` is {shown(given)}. Expected true or false.", parameter=name, given=given
            )
        return given in ("", "1", "true")

    def has(self, name: str) -> bool:
        return name in self._given

    def flag_or_all(self, name: str) -> bool | None:
        return None if self._given.get(name) == "all" else self.flag(name)

    def words(self, name: str) -> list[str] | None:
        given = self._given.get(name)
        return None if given is None else [word for word in given.split(",") if word]


# ------------------------------------------------------------------------ handlers


async def _info(request: Request) -> Response:
    state = request.app.state
    return json_response(ServerInfo(__version__, state.workspace, state.started_ms))


async def _experiments(request: Request) -> Response:
    query, store = _Query(request), _store(request)
    name, known_id = query.text("name"), query.text("id")
    if name or known_id:
        return json_response(ExperimentList([await _in_thread(store.experiment, name, experiment_id=known_id)]))
    return json_response(ExperimentList(await _in_thread(store.experiments, deleted=query.flag_or_all("deleted"))))


async def _create_experiment(request: Request) -> Response:
    made = await _json_body(request, NewExperiment)
    create = _store(request).create_experiment
    return json_response(await _in_thread(create, made.name, tags=made.tags, artifact_location=made.artifact_location))


async def _edit_experiment(request: Request) -> Response:
    edit = await _json_body(request, ExperimentEdit)
    name = _Query(request).required("name")
    return json_response(await _in_thread(_store(request).edit_experiment, name, edit))


async def _delete_experiment(request: Request) -> Response:
    await _in_thread(_store(request).delete_experiment, _Query(request).required("name"))
    return json_response(Deleted(1))


async def _views(request: Request) -> Response:
    return json_response(ViewList(await _in_thread(_store(request).views, _Query(request).required("scope"))))


async def _save_view(request: Request) -> Response:
    view = await _json_body(request, View)
    return json_response(await _in_thread(_store(request).save_view, view))


async def _delete_view(request: Request) -> Response:
    query = _Query(request)
    await _in_thread(_store(request).delete_view, query.required("scope"), query.required("name"))
    return json_response(Deleted(1))


async def _selection(request: Request) -> Response:
    return json_response(RunIds(await _in_thread(_store(request).selection, _Query(request).required("name"))))


async def _save_selection(request: Request) -> Response:
    asked = await _json_body(request, RunIds, MAX_SELECTION_BYTES)
    return json_response(SelectionName(await _in_thread(_store(request).save_selection, asked.ids)))


async def _list_runs(request: Request) -> Response:
    query = _Query(request)
    status = query.words("status")
    try:
        chosen = None if status is None else [RunStatus(word) for word in status]
    except ValueError as error:
        known = ", ".join(one.value for one in RunStatus)
        raise InvalidRequestError(f"Unknown status in {shown(status)}. Known: {known}.", parameter="status") from error
    asked = RunQuery(
        experiment=query.text("experiment") or None,
        filter=query.text("filter"),
        text=query.text("text"),
        status=chosen,
        ids=query.words("ids"),
        parent_id=query.text("parent_id") or None,
        top_level=query.flag("top_level"),
        deleted=query.flag_or_all("deleted"),
        archived=query.flag("archived") if query.text("archived") else None,
        order_by=query.text("order_by", "-start"),
        limit=query.number("limit", 100, 1, 1000),
        page_token=query.text("page_token") or None,
    )
    return json_response(await _in_thread(_store(request).search_runs, asked))


async def _search_runs(request: Request) -> Response:
    asked = await _json_body(request, RunQuery)
    return json_response(await _in_thread(_store(request).search_runs, asked))


async def _run_ids(request: Request) -> Response:
    asked = await _json_body(request, RunQuery)
    return json_response(RunIds(await _in_thread(_store(request).run_ids, asked)))


async def _run_keys(request: Request) -> Response:
    experiment = _Query(request).text("experiment") or None
    return json_response(await _in_thread(_store(request).run_keys, experiment))


async def _group_runs(request: Request) -> Response:
    asked = await _json_body(request, GroupQuery)
    return json_response(await _in_thread(_store(request).group_runs, asked))


async def _run_table(request: Request) -> Response:
    asked = await _json_body(request, run_table.RunTableQuery)
    run_table.check_columns(asked.columns)
    store = _store(request)
    headers = {"Content-Disposition": f"attachment; filename=runs.{asked.format}"}
    if asked.format == "csv":
        pieces = run_table.as_csv(store, asked)
        first = await _in_thread(next, pieces)  # what is wrong with the search is an error, not a file that ends early
        return StreamingResponse(_streamed(chain([first], pieces)), media_type=run_table.MEDIA_TYPES["csv"], headers=headers)
    path = await _in_thread(run_table.as_parquet, store, asked, Path(request.app.state.staging))
    return StreamingResponse(_streamed(_read_once(path)), media_type=run_table.MEDIA_TYPES["parquet"], headers=headers)


def _read_once(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes and remove it."""
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                yield piece
    finally:
        path.unlink(missing_ok=True)


async def _get_run(request: Request) -> Response:
    return json_response(await _in_thread(_store(request).get_run, request.path_params["run_id"]))


async def _patch_run(request: Request) -> Response:
    patch = await _json_body(request, RunPatch)
    run_id = request.path_params["run_id"]
    events = _edits(patch, request.app.state.clock_ms())
    store = _store(request)

    def edit() -> RunInfo:
        run = store.get_run(run_id)  # an unknown run is a 404, whatever is asked of it
        if patch.status is not None and run.status.is_final():
            raise ConflictError(
                f"Run {run_id} is {run.status.value} already. Only a run that is not over can become {patch.status.value}."
            )
        if events:
            store.apply(_edit_batch(run_id, events))
        return store.get_run(run_id)

    return json_response(await _in_thread(edit))


async def _edit_runs(request: Request) -> Response:
    asked = await _json_body(request, RunsPatch)
    if len(asked.ids) > MAX_PAGE:
        raise InvalidRequestError(
            f"Cannot edit {len(asked.ids)} runs at once. Expected at most {MAX_PAGE}; send them in parts.",
            parameter="ids",
            given=len(asked.ids),
        )
    events = _edits(asked.edit, request.app.state.clock_ms())
    store = _store(request)

    def edit() -> int:
        known = store.run_ids(RunQuery(ids=list(dict.fromkeys(asked.ids)), deleted=None)) if events else []
        ids = dict.fromkeys(known)
        while ids:
            try:
                store.apply_all([_edit_batch(run_id, events) for run_id in ids])
                break
            except NotFoundError as error:  # removed for good meanwhile: nothing to edit
                del ids[error.given]
        return len(ids)

    return json_response(Edited(await _in_thread(edit)))


def _edit_batch(run_id: str, events: list[Event]) -> Batch:
    return Batch(run_id, f"editor-{uuid.uuid4().hex}", events=events, live=False)


def _edits(patch: RunPatch, now_ms: int) -> list[Event]:
    """Return what a patch means as records."""
    events: list[Event] = []
    if patch.name is not None and not patch.name.strip():
        raise InvalidRequestError("A run's name cannot be empty. Expected text.", parameter="name", given=patch.name)
    if (patch.name, patch.description, patch.deleted, patch.archived) != (None, None, None, None):
        events.append(RunEdited(patch.name, patch.description, patch.deleted, patch.archived))
    if patch.tags:
        if not all(name.strip() for name in patch.tags):
            raise InvalidRequestError("A tag's name cannot be empty. Expected text.", parameter="tags")
        events.append(TagsSet(patch.tags))
    if patch.status is not None:
        if patch.status not in (RunStatus.CANCELED, RunStatus.CANCEL_REQUESTED):
            raise InvalidRequestError(
                f"A run cannot be set to {patch.status.value} from outside. Expected Canceled or CancelRequested.",
                parameter="status",
                given=patch.status.value,
            )
        events.append(StatusChanged(patch.status, now_ms))
    return events


async def _delete_run(request: Request) -> Response:
    run_id = request.path_params["run_id"]
    deleted = await _in_thread(_store(request).delete_runs, [run_id])
    if not deleted:
        raise NotFoundError(f"Unknown run {shown(run_id)}; nothing was removed.", what="run", given=run_id)
    return json_response(Deleted(deleted))


async def _stalled_runs(request: Request) -> Response:
    asked = await _json_body(request, RunIds)
    if len(asked.ids) > stall.MAX_IDS:
        raise InvalidRequestError(
            f"Cannot look at {len(asked.ids)} runs at once. Expected at most {stall.MAX_IDS}.",
            parameter="ids",
            given=len(asked.ids),
        )
    stalls = cast("stall.Stalls", request.app.state.stalls)
    return json_response(stall.StallList(await _in_thread(stalls.among, asked.ids)))


async def _delete_runs(request: Request) -> Response:
    asked = await _json_body(request, RunIds)
    return json_response(Deleted(await _in_thread(_store(request).delete_runs, asked.ids)))


async def _apply(request: Request) -> Response:
    data = await _body(request, MAX_BATCH_BYTES, "application/msgpack")
    try:
        batch = decode_batch(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(f"The body is not a batch: {error}. Nothing was stored.", parameter="body") from error
    run_id = request.path_params["run_id"]
    if batch.run_id != run_id:
        raise InvalidRequestError(
            f"The batch is of run {shown(batch.run_id)} but was sent to run {shown(run_id)}. Expected the same.",
            parameter="run_id",
        )
    return json_response(await _in_thread(_store(request).apply, batch))


async def _watermark(request: Request) -> Response:
    path = request.path_params
    return json_response(await _in_thread(_store(request).watermark, path["run_id"], path["writer_id"]))


async def _series(request: Request) -> Response:
    asked = await _json_body(request, SeriesQuery)
    store = _store(request)
    screen = _Query(request).flag("screen")
    data = await _in_thread(lambda: frames.encode_series(store.series(asked), screen=screen))
    return Response(data, media_type=frames.MEDIA_TYPE)


async def _columns(request: Request) -> Response:
    query, store, run_id = _Query(request), _store(request), request.path_params["run_id"]
    name, column = query.required("name"), query.text("column")
    data = await _in_thread(lambda: frames.encode_columns(store.columns(run_id, name, column)))
    return Response(data, media_type=frames.MEDIA_TYPE)


async def _table(request: Request) -> Response:
    query = _Query(request)
    first, limit = query.number("first_row", 0, 0, 2**53), query.number("limit", 1000, 1, 10_000)
    page = await _in_thread(_store(request).table, request.path_params["run_id"], query.required("name"), first, limit)
    return json_response(_sayable(page))


def _sayable(page: TablePage) -> TablePage:
    """JSON has no NaN or ±inf; cells say them as {"float": …}, like the values of a mixed series."""
    rows = [[frames.to_json(cell) for cell in row] for row in page.rows]
    return msgspec.structs.replace(page, rows=rows)


async def _log(request: Request) -> Response:
    query = _Query(request)
    first, limit = query.number("first_line", 0, -(2**53), 2**53), query.number("limit", 1000, 1, _MAX_LOG_LINES)
    return json_response(await _in_thread(_store(request).log_lines, request.path_params["run_id"], first, limit))


async def _search_log(request: Request) -> Response:
    asked = await _json_body(request, LogQuery)
    search = partial(_store(request).search_log, request.path_params["run_id"], asked)
    return json_response(await anyio.to_thread.run_sync(search, limiter=request.app.state.log_searches))


async def _log_text(request: Request) -> Response:
    store, run_id = _store(request), request.path_params["run_id"]
    first = await _in_thread(store.log_lines, run_id, 0, _MAX_LOG_LINES)

    async def pieces() -> AsyncIterator[bytes]:
        page = first
        while page.lines:
            yield "".join(line.printed() + "\n" for line in page.lines).encode("utf-8", "replace")
            page = await _in_thread(store.log_lines, run_id, page.first_line + len(page.lines), _MAX_LOG_LINES)

    return StreamingResponse(pieces(), media_type="text/plain; charset=utf-8", headers=_SANDBOX)


async def _artifacts(request: Request) -> Response:
    query = _Query(request)
    prefix, path = query.text("prefix"), query.text("path")
    store, run_id = _store(request), request.path_params["run_id"]
    if path:
        return json_response(ArtifactList([await _in_thread(store.artifact, run_id, path)]))
    return json_response(ArtifactList(await _in_thread(store.artifacts, run_id, prefix)))


async def _get_artifact(request: Request) -> Response:
    given = request.path_params
    return await sent_file(_store(request), request, given["run_id"], given["path"], attachment=_Query(request).flag("download"))


async def sent_file(store: Store, request: Request, run_id: str, path: str, *, attachment: bool) -> Response:
    """Answer with a file of a run or logged model, or a range of it; it is never run in our pages."""
    path = validate_artifact_path(path)
    info = await _in_thread(store.artifact, run_id, path)
    etag = f'"{info.sha256}"'
    headers = {
        **_SANDBOX,
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Last-Modified": formatdate(info.modified_ms / 1000, usegmt=True),
        "Cache-Control": "no-cache",
        "Content-Type": info.content_type + ("; charset=utf-8" if info.content_type.startswith("text/") else ""),
    }
    if attachment:
        name = path.rsplit("/", 1)[-1]
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(status_code=304, headers={"ETag": etag})
    # If-Range: a download that is resumed after the file was replaced must start again.
    wanted = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
    bounds = _range(wanted, info.size_bytes)
    if bounds is None:
        start, end, status = 0, info.size_bytes, 200
    else:
        start, end = bounds
        status = 206
        if start >= end:
            message = f"The range {shown(request.headers['range'])} lies outside of the file's {info.size_bytes} bytes."
            answer = error_response(416, "INVALID_RANGE", message, parameter="Range")
            answer.headers["Content-Range"] = f"bytes */{info.size_bytes}"
            return answer
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{info.size_bytes}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    pieces = await _in_thread(store.read_artifact, run_id, path, start, end)
    return StreamingResponse(_streamed(pieces), status, headers=headers)


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return [start, end) of a Range header of one range; None: answer with the whole file, as RFC 9110 14.2 allows."""
    found = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", (header or "").strip())
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size


async def _streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await _in_thread(next, pieces, None)) is not None:
        yield piece


async def _zip_artifacts(request: Request) -> Response:
    store, run_id = _store(request), request.path_params["run_id"]
    prefix = _Query(request).text("prefix")
    files = await _in_thread(store.artifacts, run_id, prefix)
    if not files:
        raise NotFoundError(f"Run {run_id} has no files in the folder {shown(prefix)}.", what="artifact", given=prefix)
    folder = prefix.rstrip("/").rpartition("/")[2]
    name = f"{folder or run_id}.zip"
    headers = {
        **_SANDBOX,
        "Content-Type": "application/zip",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "Cache-Control": "no-cache",
    }
    above = len(prefix.rstrip("/")) - len(folder)  # what names in the archive leave out
    return StreamingResponse(_streamed(_zipped(store, run_id, files, above)), headers=headers)


class _Sink(io.RawIOBase):
    """A file that takes what is written and forgets where it is: what an archive is written into while it is sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def _zipped(store: Store, run_id: str, files: Sequence[ArtifactInfo], above: int) -> Iterator[bytes]:
    """Yield a zip archive of files piece by piece, `above` characters of their paths left out."""
    sink = _Sink()
    # Stored, not compressed: what is large is compressed already, and the receiver waits for the server's processor.
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            # Zip has no time before 1980 and no time zones.
            member = zipfile.ZipInfo(file.path[above:], time.gmtime(max(file.modified_ms / 1000, 315_532_800))[:6])
            member.external_attr = 0o644 << 16
            try:
                pieces = store.read_artifact(run_id, file.path)
            except NotFoundError:
                continue  # removed since the list was made
            # The size is given so that files above 2 GiB get the headers they need.
            member.file_size = file.size_bytes
            with archive.open(member, "w") as target:
                for piece in pieces:
                    target.write(piece)
                    yield sink.take()
    yield sink.take()


async def _put_artifact(request: Request) -> Response:
    given = request.path_params
    return json_response(await received_file(_store(request), request, given["run_id"], given["path"]))


async def received_file(store: Store, request: Request, run_id: str, path: str) -> ArtifactInfo:
    """Store the body as a file of a run or logged model; it goes from the network to the store's disk, not through memory."""
    path = validate_artifact_path(path)
    await _in_thread(store.artifacts, run_id, path)  # before the body is read: an unknown run or logged model is a 404
    with tempfile.NamedTemporaryFile(dir=request.app.state.staging, delete=False) as target:
        staged = Path(target.name)
        try:
            async for piece in request.stream():
                if piece:
                    await _in_thread(target.write, piece)
            target.flush()
            return await _in_thread(store.put_artifact, run_id, path, staged, move=True)
        finally:
            staged.unlink(missing_ok=True)  # noqa: ASYNC240


async def _delete_artifact(request: Request) -> Response:
    path = request.path_params
    await _in_thread(_store(request).delete_artifact, path["run_id"], path["path"])
    return json_response(Deleted(1))


# ------------------------------------------------------------------------ registry


async def _ask(request: Request, method: str, *arguments: Any, **named: Any) -> Response:
    """Answer with what a method of the registry returns."""
    return json_response(await _in_thread(getattr(_store(request).registry, method), *arguments, **named))


def _version(request: Request) -> tuple[str, int]:
    """Return the registered model and the version that an address names."""
    path = request.path_params
    if not re.fullmatch("[0-9]{1,18}", path["version"]):
        raise InvalidRequestError(
            f"{shown(path['version'])} is no version. Expected a whole number.", parameter="version", given=path["version"]
        )
    return path["name"], int(path["version"])


async def _models(request: Request) -> Response:
    query = _Query(request)
    asked = ModelQuery(
        filter=query.text("filter"),
        text=query.text("text"),
        order_by=query.words("order_by") or ["name"],
        limit=query.number("limit", 100, 1, MAX_MODELS_PAGE),
        page_token=query.text("page_token") or None,
    )
    return await _ask(request, "search_models", asked)


async def _create_model(request: Request) -> Response:
    given = await _json_body(request, NewModel)
    return await _ask(request, "create_model", given.name, description=given.description, tags=given.tags)


async def _search_models(request: Request) -> Response:
    return await _ask(request, "search_models", await _json_body(request, ModelQuery))


async def _get_model(request: Request) -> Response:
    return await _ask(request, "get_model", request.path_params["name"])


async def _edit_model(request: Request) -> Response:
    return await _ask(request, "edit_model", request.path_params["name"], await _json_body(request, ModelEdit))


async def _delete_model(request: Request) -> Response:
    await _in_thread(_store(request).registry.delete_model, request.path_params["name"])
    return json_response(Deleted(1))


async def _versions(request: Request) -> Response:
    query, name = _Query(request), request.path_params["name"]
    await _in_thread(_store(request).registry.get_model, name)  # an unknown one is a 404, not an empty page
    asked = VersionQuery(
        name=name,
        filter=query.text("filter"),
        order_by=query.words("order_by") or ["-version"],
        limit=query.number("limit", 100, 1, MAX_MODELS_PAGE),
        page_token=query.text("page_token") or None,
    )
    return await _ask(request, "search_versions", asked)


async def _add_version(request: Request) -> Response:
    version = await _json_body(request, NewVersion)
    return await _ask(request, "add_version", request.path_params["name"], version, create=_Query(request).flag("create"))


async def _get_version(request: Request) -> Response:
    return await _ask(request, "get_version", *_version(request))


async def _edit_version(request: Request) -> Response:
    edit = await _json_body(request, VersionEdit)
    return await _ask(request, "edit_version", *_version(request), edit)


async def _delete_version(request: Request) -> Response:
    await _in_thread(_store(request).registry.delete_version, *_version(request))
    return json_response(Deleted(1))


async def _search_versions(request: Request) -> Response:
    return await _ask(request, "search_versions", await _json_body(request, VersionQuery))


async def _create_logged_model(request: Request) -> Response:
    model = await _json_body(request, NewLoggedModel)
    return await _ask(request, "create_logged_model", model, files=_Query(request).text("files"))


async def _search_logged_models(request: Request) -> Response:
    return await _ask(request, "search_logged_models", await _json_body(request, LoggedModelQuery))


async def _get_logged_model(request: Request) -> Response:
    return await _ask(request, "get_logged_model", request.path_params["model_id"])


async def _edit_logged_model(request: Request) -> Response:
    edit = await _json_body(request, LoggedModelEdit)
    return await _ask(request, "edit_logged_model", request.path_params["model_id"], edit)


async def _put_trace(request: Request) -> Response:
    return json_response(await _in_thread(_store(request).traces.put_trace, await _json_body(request, NewTrace)))


async def _get_trace(request: Request) -> Response:
    return json_response(await _in_thread(_store(request).traces.get_trace, request.path_params["trace_id"]))


async def _edit_trace(request: Request) -> Response:
    edit = await _json_body(request, TraceEdit)
    return json_response(await _in_thread(_store(request).traces.edit_trace, request.path_params["trace_id"], edit))


async def _search_traces(request: Request) -> Response:
    return json_response(await _in_thread(_store(request).traces.search_traces, await _json_body(request, TraceQuery)))


async def _delete_traces(request: Request) -> Response:
    asked = await _json_body(request, TraceIds)
    return json_response(Deleted(await _in_thread(_store(request).traces.delete_traces, asked.ids)))


async def _put_spans(request: Request) -> Response:
    data = await _body(request, MAX_SPANS_BYTES, "application/octet-stream")
    await _in_thread(_store(request).traces.put_spans, request.path_params["trace_id"], data)
    return json_response({"size_bytes": len(data)})


async def _get_spans(request: Request) -> Response:
    data = await _in_thread(_store(request).traces.spans, request.path_params["trace_id"])
    return Response(data, media_type="application/octet-stream", headers=_SANDBOX)


async def _changes(request: Request) -> Response:
    query = _Query(request)
    since, limit = query.number("since", -1, -1, 2**53), query.number("limit", _MAX_CHANGES, 1, _MAX_CHANGES)
    return json_response(ChangeList(await _in_thread(_store(request).changes, since, limit)))


async def _list_activity(request: Request) -> Response:
    query = _Query(request)
    asked = ActivityQuery(
        what=query.words("what"),
        experiment=query.text("experiment") or None,
        limit=query.number("limit", 50, 1, MAX_ACTIVITY_PAGE),
        page_token=query.text("page_token") or None,
    )
    return json_response(await _in_thread(_store(request).activity, asked))


async def _search_activity(request: Request) -> Response:
    asked = await _json_body(request, ActivityQuery)
    return json_response(await _in_thread(_store(request).activity, asked))


async def _usage(request: Request) -> Response:
    return json_response(await _in_thread(_store(request).usage))


async def _gc(request: Request) -> Response:
    query = _Query(request)
    before = query.number("deleted_before_ms", -1, 0, 2**53)
    return json_response(await _in_thread(_store(request).gc, deleted_before_ms=None if before < 0 else before))


async def _openapi(request: Request) -> Response:
    return JSONResponse(openapi(ROUTES))


_RUN = "/api/v1/runs/{run_id}"
_FILE = _RUN + "/artifacts/{path:path}"
_MODEL = "/api/v1/models/{name}"
_VERSION = _MODEL + "/versions/{version}"
_TRACE = "/api/v1/traces/{trace_id}"
_LOGGED_MODEL = "/api/v1/logged-models/{model_id}"
_LIST = {
    "experiment": "only of this experiment",
    "filter": "a condition, such as metrics.loss < 0.1 and params.model = 'resnet'",
    "text": "words that must all occur in name, id, tags, params …",
    "status": "status words with commas",
    "ids": "run ids with commas",
    "parent_id": "children of this run",
    "top_level": "true: without child runs",
    "deleted": "true: deleted runs only; all: those too",
    "archived": "true: archived runs only; false: without them",
    "order_by": "start, end, name, number, status, duration, experiment, user, id, metric:NAME, metric.min:NAME (or max, mean, "
    "count, step), param:NAME, tag:NAME; - for descending",
    "limit": "1 to 1000",
    "page_token": "of the page before",
}

_MODELS_PAGE = {
    "filter": "a condition",
    "order_by": "with commas, - for descending",
    "limit": "1 to 10000",
    "page_token": "of the page before",
}

ROUTES: list[Route] = [
    Route("GET", "/api/v1/info", "What serves, and what", _info, answer=ServerInfo),
    Route(
        "GET",
        "/api/v1/experiments",
        "Experiments",
        _experiments,
        query={
            "name": "only the one of this name, also a deleted one",
            "id": "only the one of this id, also a deleted one",
            "deleted": "true: deleted ones only; all: those too",
        },
        answer=ExperimentList,
    ),
    Route("POST", "/api/v1/experiments", "Make an experiment", _create_experiment, body=NewExperiment, answer=ExperimentInfo),
    Route(
        "PATCH",
        "/api/v1/experiments",
        "Archive, delete, bring back, tag, rename; makes one of that name",
        _edit_experiment,
        query={"name": "of the experiment"},
        body=ExperimentEdit,
        answer=ExperimentInfo,
    ),
    Route(
        "DELETE",
        "/api/v1/experiments",
        "Remove an experiment without runs",
        _delete_experiment,
        query={"name": "of the experiment"},
        answer=Deleted,
    ),
    Route(
        "GET",
        "/api/v1/views",
        "Saved views",
        _views,
        query={"scope": "what they are views of: runs, experiment:NAME"},
        answer=ViewList,
    ),
    Route("PUT", "/api/v1/views", "Save a view, replacing the one of that scope and name", _save_view, body=View, answer=View),
    Route(
        "DELETE",
        "/api/v1/views",
        "Remove a saved view",
        _delete_view,
        query={"scope": "of the view", "name": "of the view"},
        answer=Deleted,
    ),
    Route(
        "GET",
        "/api/v1/selections",
        "Runs selected together, in their order",
        _selection,
        query={"name": "as it was answered when they were saved"},
        answer=RunIds,
    ),
    Route(
        "POST",
        "/api/v1/selections",
        "Keep which runs are selected, under a short name that they alone determine",
        _save_selection,
        body=RunIds,
        answer=SelectionName,
    ),
    Route("GET", "/api/v1/runs", "Search runs", _list_runs, query=_LIST, answer=RunPage),
    Route("POST", "/api/v1/runs/search", "Search runs", _search_runs, body=RunQuery, answer=RunPage),
    Route("POST", "/api/v1/runs/ids", "Ids of all runs of a search, in its order", _run_ids, body=RunQuery, answer=RunIds),
    Route(
        "GET",
        "/api/v1/runs/keys",
        "Names of the params, tags and metrics that runs have",
        _run_keys,
        query={"experiment": "only of this experiment"},
        answer=RunKeys,
    ),
    Route(
        "POST",
        "/api/v1/runs/groups",
        "Runs gathered by params, tags, experiment; spreads of metrics",
        _group_runs,
        body=GroupQuery,
        answer=RunGroups,
    ),
    Route(
        "POST",
        "/api/v1/runs/export",
        "All runs of a search as a CSV or Parquet file",
        _run_table,
        body=run_table.RunTableQuery,
        answer="text/csv",
    ),
    Route(
        "POST",
        "/api/v1/runs/stalled",
        "Those of some runs whose loop stands still",
        _stalled_runs,
        body=RunIds,
        answer=stall.StallList,
    ),
    Route("POST", "/api/v1/runs/edit", "Edit several runs alike", _edit_runs, body=RunsPatch, answer=Edited),
    Route("POST", "/api/v1/runs/delete", "Remove runs for good", _delete_runs, body=RunIds, answer=Deleted),
    Route("GET", _RUN, "One run with all but its points", _get_run, answer=RunInfo),
    Route("PATCH", _RUN, "Rename, describe, tag, archive, mark as deleted, cancel", _patch_run, body=RunPatch, answer=RunInfo),
    Route("DELETE", _RUN, "Remove a run for good", _delete_run, answer=Deleted),
    Route("POST", _RUN + "/batches", "Store a batch of records", _apply, body="application/msgpack", answer=Watermark),
    Route("GET", _RUN + "/writers/{writer_id}", "What is stored of a writer", _watermark, answer=Watermark),
    Route(
        "POST",
        "/api/v1/series",
        "Series as buckets",
        _series,
        query={"screen": "1: only what a chart draws, in fewer bytes"},
        body=SeriesQuery,
        answer=frames.MEDIA_TYPE,
    ),
    Route(
        "GET",
        _RUN + "/columns",
        "Every point of one series",
        _columns,
        query={"name": "metric", "column": "of a table metric"},
        answer=frames.MEDIA_TYPE,
    ),
    Route(
        "GET",
        _RUN + "/table",
        "Rows of a table metric",
        _table,
        query={"name": "metric", "first_row": "from 0", "limit": "1 to 10000"},
        answer=TablePage,
    ),
    Route(
        "GET",
        _RUN + "/log",
        "Lines of the log",
        _log,
        query={"first_line": "from 0; negative: from the end", "limit": "1 to 10000"},
        answer=LogPage,
    ),
    Route(
        "POST",
        _RUN + "/log/search",
        "Lines of the log that match; ask again from `next_line` until `is_done`",
        _search_log,
        body=LogQuery,
        answer=LogMatches,
    ),
    Route("GET", _RUN + "/log.txt", "The whole log", _log_text, answer="text/plain"),
    Route(
        "GET",
        _RUN + "/artifacts",
        "Files of a run, or of the logged model of that id",
        _artifacts,
        query={"prefix": "folder", "path": "just this file"},
        answer=ArtifactList,
    ),
    Route(
        "GET",
        _RUN + "/artifacts.zip",
        "The files of a folder as an archive",
        _zip_artifacts,
        query={"prefix": "folder; all without it"},
        answer="application/zip",
    ),
    Route("GET", _FILE, "A file; ranges and HEAD too", _get_artifact, query={"download": "1: as attachment"}, answer="*/*"),
    Route("PUT", _FILE, "Store a file, replacing one of that path", _put_artifact, body="*/*", answer=ArtifactInfo),
    Route("DELETE", _FILE, "Remove a file", _delete_artifact, answer=Deleted),
    Route(
        "GET",
        "/api/v1/models",
        "Search registered models",
        _models,
        query={"text": "words that must all occur in name, description, tags", **_MODELS_PAGE},
        answer=ModelPage,
    ),
    Route("POST", "/api/v1/models", "Make a registered model", _create_model, body=NewModel, answer=RegisteredModel),
    Route("POST", "/api/v1/models/search", "Search registered models", _search_models, body=ModelQuery, answer=ModelPage),
    Route("GET", _MODEL, "One registered model with its latest versions", _get_model, answer=RegisteredModel),
    Route("PATCH", _MODEL, "Rename, describe, tag, set aliases", _edit_model, body=ModelEdit, answer=RegisteredModel),
    Route("DELETE", _MODEL, "Remove a registered model with its versions", _delete_model, answer=Deleted),
    Route("GET", _MODEL + "/versions", "Versions, newest first", _versions, query=_MODELS_PAGE, answer=VersionPage),
    Route(
        "POST",
        _MODEL + "/versions",
        "Add the next version",
        _add_version,
        query={"create": "true: make the model when there is none"},
        body=NewVersion,
        answer=ModelVersion,
    ),
    Route("GET", _VERSION, "One version", _get_version, answer=ModelVersion),
    Route("PATCH", _VERSION, "Describe, stage, tag, add properties", _edit_version, body=VersionEdit, answer=ModelVersion),
    Route("DELETE", _VERSION, "Remove a version", _delete_version, answer=Deleted),
    Route("POST", "/api/v1/model-versions/search", "Search versions", _search_versions, body=VersionQuery, answer=VersionPage),
    Route(
        "POST",
        "/api/v1/logged-models",
        "Make a logged model",
        _create_logged_model,
        query={"files": "runs:/<run id>/<path> of the files it starts with"},
        body=NewLoggedModel,
        answer=LoggedModel,
    ),
    Route(
        "POST",
        "/api/v1/logged-models/search",
        "Search logged models",
        _search_logged_models,
        body=LoggedModelQuery,
        answer=LoggedModelPage,
    ),
    Route("GET", _LOGGED_MODEL, "One logged model", _get_logged_model, answer=LoggedModel),
    Route(
        "PATCH",
        _LOGGED_MODEL,
        "Tag, add params and metrics, set the status, mark as deleted",
        _edit_logged_model,
        body=LoggedModelEdit,
        answer=LoggedModel,
    ),
    Route("POST", "/api/v1/traces", "Keep a trace, replacing one of its id", _put_trace, body=NewTrace, answer=Trace),
    Route("POST", "/api/v1/traces/search", "Search traces", _search_traces, body=TraceQuery, answer=TracePage),
    Route("POST", "/api/v1/traces/delete", "Remove traces for good", _delete_traces, body=TraceIds, answer=Deleted),
    Route("GET", _TRACE, "One trace without its spans", _get_trace, answer=Trace),
    Route("PATCH", _TRACE, "Tag a trace, say how it ended", _edit_trace, body=TraceEdit, answer=Trace),
    Route("GET", _TRACE + "/spans", "Spans of a trace, as its client wrote them", _get_spans, answer="*/*"),
    Route("PUT", _TRACE + "/spans", "Keep the spans of a trace", _put_spans, body="application/octet-stream", answer="*/*"),
    Route(
        "GET",
        "/api/v1/changes",
        "What happened since",
        _changes,
        query={"since": "id; -1: newest", "limit": "1 to 1000"},
        answer=ChangeList,
    ),
    Route(
        "GET",
        "/api/v1/activity",
        "What happened, newest first",
        _list_activity,
        query={
            "what": "of started, completed, failed, canceled, lost, deleted, experiment, archived, version, with commas",
            "experiment": "only of this experiment",
            "limit": "1 to 1000",
            "page_token": "of the page before",
        },
        answer=ActivityPage,
    ),
    Route("POST", "/api/v1/activity/search", "What happened", _search_activity, body=ActivityQuery, answer=ActivityPage),
    Route("GET", "/api/v1/usage", "What the store holds and takes on disk", _usage, answer=Usage),
    Route(
        "POST",
        "/api/v1/gc",
        "Compact, remove deleted runs, give space back",
        _gc,
        query={"deleted_before_ms": "only runs deleted before"},
        answer=GcReport,
    ),
    Route("GET", "/api/v1/openapi.json", "This document", _openapi, answer="application/json"),
]


# -------------------------------------------------------------------------- errors


def error_response(
    status: int, code: str, message: str, *, parameter: str | None = None, details: Mapping[str, Any] | None = None
) -> Response:
    """Return the one error shape."""
    error: dict[str, Any] = {"code": code, "message": message}
    if parameter is not None:
        error["parameter"] = parameter
    if details:
        error["details"] = dict(details)
    return json_response({"error": error}, status)


def details_of(error: Exception) -> dict[str, Any]:
    """Return what a client can act on beyond the message."""
    if isinstance(error, NotFoundError):
        return {"what": error.what, "given": error.given}
    if isinstance(error, ParamConflictError):
        return {"key": error.key, "old": error.old, "new": error.new}
    if isinstance(error, FilterError):
        return {"position": error.position, "end": error.end}
    return {"expected": list(error.expected)} if isinstance(error, WriterGapError) else {}


def parameter_of(error: Exception) -> str | None:
    """Return the parameter an error is about."""
    return error.parameter if isinstance(error, InvalidValueError) else None


# ------------------------------------------------------------------------- document


def openapi(routes: list[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a table of routes."""
    structs = [kind for route in routes for kind in (route.body, route.answer) if isinstance(kind, type)]
    schemas, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(structs, schemas, strict=False))
    paths: dict[str, Any] = {}

    def content(kind: Any) -> dict[str, Any]:
        return {"application/json": {"schema": schema_of[kind]}} if isinstance(kind, type) else {kind: {}}

    for route in routes:
        path = route.path.replace(":path}", "}")
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        operation: dict[str, Any] = {
            "summary": route.summary,
            "operationId": route.handler.__name__.strip("_") + ("_" + route.method.lower() if route.method != "GET" else ""),
            "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
            + [
                {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
                for name, meaning in route.query.items()
            ],
            "responses": {
                "200": {"description": "done", "content": content(route.answer)},
                "4XX": {
                    "description": "the client's mistake",
                    "content": {"application/json": {"schema": _ERROR_SCHEMA}},
                },
            },
        }
        if route.body is not None:
            operation["requestBody"] = {"required": True, "content": content(route.body)}
        paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "tracklog", "version": __version__},
        "paths": paths,
        "components": {"schemas": components},
    }


_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "parameter": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}


async def docs_page(request: Request) -> Response:
    """Answer with the table of routes for people; needs no other host."""
    rows = []
    for route in ROUTES:
        names = ", ".join(f"<code>{html.escape(name)}</code> {html.escape(text)}" for name, text in route.query.items())
        takes = "" if route.body is None else getattr(route.body, "__name__", str(route.body))
        gives = getattr(route.answer, "__name__", str(route.answer))
        rows.append(
            f"<tr><td><b>{route.method}</b></td><td><code>{html.escape(route.path)}</code><br><small>{names}</small></td>"
            f"<td>{html.escape(route.summary)}</td><td>{html.escape(takes)}</td><td>{html.escape(gives)}</td></tr>"
        )
    page = _DOCS.replace("ROWS", "".join(rows)).replace("VERSION", __version__)
    digest = hashlib.sha256(page.encode()).hexdigest()[:16]
    return Response(page, media_type="text/html", headers={"ETag": f'"{digest}"'})


_DOCS = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>tracklog API</title><style>:root{color-scheme:light dark}body{font:14px/1.5 system-ui;margin:2rem auto;max-width:70rem;
padding:0 1rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem .6rem;vertical-align:top;
border-bottom:1px solid #8884}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}</style>
<h1>tracklog VERSION: HTTP API</h1><p>The same as an <a href="/api/v1/openapi.json">OpenAPI document</a>.
Live changes: <code>GET /api/v1/events</code> (server-sent events, resumes with <code>Last-Event-ID</code>).
Every error is <code>{"error": {"code", "message", "parameter"?, "details"?}}</code>.</p>
<table><tr><th>Method<th>Path and query<th>What it does<th>Takes<th>Gives</tr>ROWS</table></html>"""


async def health(request: Request) -> Response:
    """Answer that the server runs."""
    return PlainTextResponse("OK")
