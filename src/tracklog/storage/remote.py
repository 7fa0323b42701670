"""The store behind a tracklog server: `Store` over HTTP. Errors come back as the classes they were raised as."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import urllib3

from tracklog import errors
from tracklog.errors import (
    FilterError,
    InvalidValueError,
    NotFoundError,
    ParamConflictError,
    ServerError,
    StoreUnavailableError,
    TracklogError,
    WriterGapError,
)
from tracklog.records import Batch, Watermark, encode_batch
from tracklog.storage import (
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
    MetricColumns,
    RunGroups,
    RunInfo,
    RunKeys,
    RunPage,
    RunQuery,
    SeriesBuckets,
    SeriesQuery,
    TablePage,
    Usage,
    View,
    frames,
    validate_artifact_path,
)
from tracklog.storage.registry import (
    LoggedModel,
    LoggedModelEdit,
    LoggedModelPage,
    LoggedModelQuery,
    ModelEdit,
    ModelPage,
    ModelQuery,
    ModelVersion,
    RegisteredModel,
    Registry,
    VersionEdit,
    VersionPage,
    VersionQuery,
    is_logged_model_id,
)
from tracklog.storage.traces import Trace, TraceEdit, TracePage, TraceQuery, Traces

_log = logging.getLogger(__name__)  # method, path and status of each request; neither headers nor bodies

_CONNECT_S = 5.0
_READ_S = 120.0  # a large upload is answered after it is on the server's disk
_PIECE_BYTES = 1 << 20
_MSGPACK = "application/msgpack"  # JSON has no NaN or ±inf
_T = TypeVar("_T")


def _error_classes() -> dict[str, type[TracklogError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, TracklogError)]
    return {kind.code: kind for kind in found}


_CLASS_BY_CODE = _error_classes()


class RemoteStore:
    """`Store` of a server. Safe for threads; a forked child opens its own connections."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._pid = 0
        self._pool: urllib3.PoolManager | None = None
        self.registry: Registry = RemoteRegistry(self)
        self.traces: Traces = RemoteTraces(self)

    # ------------------------------------------------------------------ the wire

    def _connections(self) -> urllib3.PoolManager:
        if self._pool is None or self._pid != os.getpid():
            self._pool = urllib3.PoolManager(maxsize=8, retries=False, timeout=urllib3.Timeout(_CONNECT_S, _READ_S))
            self._pid = os.getpid()
        return self._pool

    def _send(self, method: str, path: str, *, body: Any = None, media_type: str = "", stream: bool = False) -> Any:
        headers = {"Accept": _MSGPACK}
        if media_type:
            headers["Content-Type"] = media_type
        if not stream:
            headers["Accept-Encoding"] = "gzip"
        started = time.perf_counter()
        try:
            response = self._connections().request(
                method, f"{self.uri}/api/v1{path}", body=body, headers=headers, preload_content=not stream
            )
        except urllib3.exceptions.HTTPError as error:
            _log.debug("%s %s: no answer after %.0f ms", method, path, 1000 * (time.perf_counter() - started))
            raise StoreUnavailableError(
                f"The tracklog server {self.uri} does not answer: {error}. Check the address, and that `tracklog serve` runs."
            ) from error
        _log.debug("%s %s: %d in %.1f ms", method, path, response.status, 1000 * (time.perf_counter() - started))
        if response.status >= 400:
            raise self._error(response.status, response.data)
        return response

    def _error(self, status: int, data: bytes) -> TracklogError:
        try:
            said = msgspec.json.decode(data)["error"]
            kind, message = _CLASS_BY_CODE.get(said["code"]), str(said["message"])
        except (msgspec.MsgspecError, KeyError, TypeError):
            kind, message, said = None, f"{self.uri} answered status {status}, not as a tracklog server does.", {}
            if status in (502, 503, 504):  # a proxy whose server restarts
                return StoreUnavailableError(message)
        if kind is WriterGapError:
            points, events = said["details"]["expected"]
            return WriterGapError(message, expected=(points, events))
        if kind is NotFoundError:
            details = said.get("details", {})
            return NotFoundError(message, what=details.get("what", ""), given=details.get("given", ""))
        if kind is ParamConflictError:
            return ParamConflictError(message, **{name: str(said["details"][name]) for name in ("key", "old", "new")})
        if kind is FilterError:
            place = said["details"]
            return FilterError(message, position=place["position"], end=place["end"], parameter=said["parameter"])
        if kind is not None and issubclass(kind, InvalidValueError):
            return kind(message, parameter=said.get("parameter"))
        try:
            return ServerError(message) if kind is None else kind(message)
        except TypeError:  # a class with more to tell than travels
            return ServerError(message)

    def _get(self, kind: type[_T], path: str, /, **query: Any) -> _T:
        given = {name: value for name, value in query.items() if value is not None}
        return self._decoded(kind, self._send("GET", f"{path}?{urlencode(given)}" if given else path))

    def _post(self, kind: type[_T], path: str, body: Any, *, method: str = "POST") -> _T:
        sent = self._send(method, path, body=msgspec.msgpack.encode(body), media_type=_MSGPACK)
        return self._decoded(kind, sent)

    def _decoded(self, kind: type[_T], response: Any) -> _T:
        try:
            return msgspec.msgpack.decode(response.data, type=kind)
        except msgspec.MsgspecError as error:
            raise ServerError(
                f"{self.uri} answered what this tracklog does not understand: {error}. Use the same version on both sides."
            ) from error

    # -------------------------------------------------------------------- Store

    def apply(self, batch: Batch) -> Watermark:
        """See `Store.apply`."""
        if not batch.run_id:  # as the store would say, could the address name it
            raise InvalidValueError("Cannot use '' as a run id. Expected 1 or more characters.", parameter="run_id")
        path = f"{_run(batch.run_id)}/batches"
        return self._decoded(Watermark, self._send("POST", path, body=encode_batch(batch), media_type=_MSGPACK))

    def apply_all(self, batches: Sequence[Batch]) -> list[Watermark]:
        """See `Store.apply_all`. One request for each."""
        return [self.apply(batch) for batch in batches]

    def watermark(self, run_id: str, writer_id: str) -> Watermark:
        """See `Store.watermark`."""
        if not writer_id:  # a client without a journal has none
            return Watermark()
        return self._get(Watermark, f"{_run(run_id)}/writers/{quote(writer_id, safe='')}")

    def experiments(self, *, deleted: bool | None = False) -> list[ExperimentInfo]:
        """See `Store.experiments`."""
        wanted = "all" if deleted is None else str(deleted).lower()
        return self._get(dict[str, list[ExperimentInfo]], "/experiments", deleted=wanted)["experiments"]

    def create_experiment(
        self, name: str, *, tags: Mapping[str, str] | None = None, artifact_location: str = ""
    ) -> ExperimentInfo:
        """See `Store.create_experiment`."""
        made = {"name": name, "tags": dict(tags or {}), "artifact_location": artifact_location}
        return self._post(ExperimentInfo, "/experiments", made)

    def experiment(self, name: str = "", *, experiment_id: str = "") -> ExperimentInfo:
        """See `Store.experiment`."""
        path = f"/experiments?{urlencode({'id': experiment_id})}" if experiment_id else _experiment(name)
        return self._get(dict[str, list[ExperimentInfo]], path)["experiments"][0]

    def edit_experiment(self, name: str, edit: ExperimentEdit) -> ExperimentInfo:
        """See `Store.edit_experiment`."""
        return self._post(ExperimentInfo, _experiment(name), edit, method="PATCH")

    def delete_experiment(self, name: str) -> None:
        """See `Store.delete_experiment`."""
        self._send("DELETE", _experiment(name))

    def views(self, scope: str) -> list[View]:
        """See `Store.views`."""
        return self._get(dict[str, list[View]], "/views", scope=scope)["views"]

    def save_view(self, view: View) -> View:
        """See `Store.save_view`."""
        return self._post(View, "/views", view, method="PUT")

    def delete_view(self, scope: str, name: str) -> None:
        """See `Store.delete_view`."""
        self._send("DELETE", f"/views?{urlencode({'scope': scope, 'name': name})}")

    def save_selection(self, run_ids: Sequence[str]) -> str:
        """See `Store.save_selection`."""
        return self._post(dict[str, str], "/selections", {"ids": list(run_ids)})["name"]

    def selection(self, name: str) -> list[str]:
        """See `Store.selection`."""
        return self._get(dict[str, list[str]], "/selections", name=name)["ids"]

    def search_runs(self, query: RunQuery) -> RunPage:
        """See `Store.search_runs`."""
        return self._post(RunPage, "/runs/search", query)

    def run_ids(self, query: RunQuery) -> list[str]:
        """See `Store.run_ids`."""
        return self._post(dict[str, list[str]], "/runs/ids", query)["ids"]

    def run_keys(self, experiment: str | None = None) -> RunKeys:
        """See `Store.run_keys`."""
        return self._get(RunKeys, "/runs/keys", experiment=experiment)

    def group_runs(self, query: GroupQuery) -> RunGroups:
        """See `Store.group_runs`."""
        return self._post(RunGroups, "/runs/groups", query)

    def get_run(self, run_id: str) -> RunInfo:
        """See `Store.get_run`."""
        return self._get(RunInfo, _run(run_id))

    def series(self, query: SeriesQuery) -> list[SeriesBuckets]:
        """See `Store.series`."""
        sent = self._send("POST", "/series", body=msgspec.msgpack.encode(query), media_type=_MSGPACK)
        return frames.decode_series(sent.data)

    def columns(self, run_id: str, name: str, column: str = "") -> MetricColumns:
        """See `Store.columns`."""
        query = urlencode({"name": name, "column": column})
        return frames.decode_columns(self._send("GET", f"{_run(run_id)}/columns?{query}").data)

    def table(self, run_id: str, name: str, first_row: int = 0, limit: int = 1000) -> TablePage:
        """See `Store.table`."""
        page = self._get(TablePage, f"{_run(run_id)}/table", name=name, first_row=first_row, limit=limit)
        return msgspec.structs.replace(page, rows=[[frames.from_json(cell) for cell in row] for row in page.rows])

    def log_lines(self, run_id: str, first_line: int = 0, limit: int = 1000) -> LogPage:
        """See `Store.log_lines`."""
        return self._get(LogPage, f"{_run(run_id)}/log", first_line=first_line, limit=limit)

    def search_log(self, run_id: str, query: LogQuery) -> LogMatches:
        """See `Store.search_log`."""
        return self._post(LogMatches, f"{_run(run_id)}/log/search", query)

    def put_artifact(self, run_id: str, path: str, source: Path | BinaryIO, *, move: bool = False) -> ArtifactInfo:
        """See `Store.put_artifact`."""
        target = _file(run_id, path)
        if isinstance(source, Path):
            with source.open("rb") as stream:
                info = self._put(target, stream)
            if move:
                source.unlink(missing_ok=True)
            return info
        return self._put(target, source)

    def _put(self, target: str, stream: BinaryIO) -> ArtifactInfo:
        pieces = iter(lambda: stream.read(_PIECE_BYTES), b"")
        return self._decoded(ArtifactInfo, self._send("PUT", target, body=pieces, media_type="application/octet-stream"))

    def artifacts(self, run_id: str, prefix: str = "") -> list[ArtifactInfo]:
        """See `Store.artifacts`."""
        return self._get(dict[str, list[ArtifactInfo]], f"{_run(run_id)}/artifacts", prefix=prefix or None)["artifacts"]

    def artifact(self, run_id: str, path: str) -> ArtifactInfo:
        """See `Store.artifact`."""
        given = validate_artifact_path(path)
        (found,) = self._get(dict[str, list[ArtifactInfo]], f"{_run(run_id)}/artifacts", path=given)["artifacts"]
        return found

    def read_artifact(self, run_id: str, path: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Store.read_artifact`."""
        if start < 0 or (end is not None and end < start):
            raise InvalidValueError(
                f"Cannot read bytes {start} to {end} of {path!r}. Expected 0 <= start <= end.",
                parameter="start",
                given=start,
            )
        response = self._send("GET", _file(run_id, path), stream=True)
        return _cut(response, start, end)

    def delete_artifact(self, run_id: str, path: str) -> None:
        """See `Store.delete_artifact`."""
        self._send("DELETE", _file(run_id, path))

    def changes(self, since: int, limit: int = 1000) -> list[Change]:
        """See `Store.changes`."""
        return self._get(dict[str, list[Change]], "/changes", since=max(since, -1), limit=limit)["changes"]

    def activity(self, query: ActivityQuery) -> ActivityPage:
        """See `Store.activity`."""
        return self._post(ActivityPage, "/activity/search", query)

    def usage(self) -> Usage:
        """See `Store.usage`."""
        return self._get(Usage, "/usage")

    def delete_runs(self, run_ids: Sequence[str]) -> int:
        """See `Store.delete_runs`."""
        return self._post(dict[str, int], "/runs/delete", {"ids": list(run_ids)})["deleted"]

    def gc(self, *, deleted_before_ms: int | None = None) -> GcReport:
        """See `Store.gc`."""
        given = "" if deleted_before_ms is None else f"?deleted_before_ms={deleted_before_ms}"
        return self._decoded(GcReport, self._send("POST", f"/gc{given}"))

    def close(self) -> None:
        """See `Store.close`."""
        if self._pool is not None:
            self._pool.clear()


class RemoteTraces:
    """`Traces` of a server, over the connections of its store."""

    def __init__(self, store: RemoteStore) -> None:
        self._send, self._get, self._post = store._send, store._get, store._post  # noqa: SLF001  # the store's other half

    def put_trace(self, trace: Trace) -> Trace:
        """See `Traces.put_trace`."""
        return self._post(Trace, "/traces", trace)

    def get_trace(self, trace_id: str) -> Trace:
        """See `Traces.get_trace`."""
        return self._get(Trace, _trace(trace_id))

    def edit_trace(self, trace_id: str, edit: TraceEdit) -> Trace:
        """See `Traces.edit_trace`."""
        return self._post(Trace, _trace(trace_id), edit, method="PATCH")

    def search_traces(self, query: TraceQuery) -> TracePage:
        """See `Traces.search_traces`."""
        return self._post(TracePage, "/traces/search", query)

    def delete_traces(self, trace_ids: Sequence[str]) -> int:
        """See `Traces.delete_traces`."""
        return self._post(dict[str, int], "/traces/delete", {"ids": list(trace_ids)})["deleted"]

    def put_spans(self, trace_id: str, data: bytes) -> None:
        """See `Traces.put_spans`."""
        self._send("PUT", f"{_trace(trace_id)}/spans", body=data, media_type="application/octet-stream")

    def spans(self, trace_id: str) -> bytes:
        """See `Traces.spans`."""
        data: bytes = self._send("GET", f"{_trace(trace_id)}/spans").data
        return data


class RemoteRegistry:
    """`Registry` of a server, over the connections of its store."""

    def __init__(self, store: RemoteStore) -> None:
        self._send, self._get, self._post = store._send, store._get, store._post  # noqa: SLF001  # the store's other half

    def create_model(self, name: str, *, description: str = "", tags: dict[str, str] | None = None) -> RegisteredModel:
        """See `Registry.create_model`."""
        return self._post(RegisteredModel, "/models", {"name": name, "description": description, "tags": tags or {}})

    def get_model(self, name: str) -> RegisteredModel:
        """See `Registry.get_model`."""
        return self._get(RegisteredModel, _model(name))

    def edit_model(self, name: str, edit: ModelEdit) -> RegisteredModel:
        """See `Registry.edit_model`."""
        return self._post(RegisteredModel, _model(name), edit, method="PATCH")

    def delete_model(self, name: str) -> None:
        """See `Registry.delete_model`."""
        self._send("DELETE", _model(name))

    def search_models(self, query: ModelQuery) -> ModelPage:
        """See `Registry.search_models`."""
        return self._post(ModelPage, "/models/search", query)

    def add_version(self, name: str, version: ModelVersion, *, create: bool = False) -> ModelVersion:
        """See `Registry.add_version`."""
        return self._post(ModelVersion, f"{_model(name)}/versions?create={str(create).lower()}", version)

    def get_version(self, name: str, version: int) -> ModelVersion:
        """See `Registry.get_version`."""
        return self._get(ModelVersion, _model(name, version))

    def edit_version(self, name: str, version: int, edit: VersionEdit) -> ModelVersion:
        """See `Registry.edit_version`."""
        return self._post(ModelVersion, _model(name, version), edit, method="PATCH")

    def delete_version(self, name: str, version: int) -> None:
        """See `Registry.delete_version`."""
        self._send("DELETE", _model(name, version))

    def search_versions(self, query: VersionQuery) -> VersionPage:
        """See `Registry.search_versions`."""
        return self._post(VersionPage, "/model-versions/search", query)

    def create_logged_model(self, model: LoggedModel, *, files: str = "") -> LoggedModel:
        """See `Registry.create_logged_model`."""
        return self._post(LoggedModel, f"/logged-models?{urlencode({'files': files})}", model)

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """See `Registry.get_logged_model`."""
        return self._get(LoggedModel, _logged_model(model_id))

    def edit_logged_model(self, model_id: str, edit: LoggedModelEdit) -> LoggedModel:
        """See `Registry.edit_logged_model`."""
        return self._post(LoggedModel, _logged_model(model_id), edit, method="PATCH")

    def search_logged_models(self, query: LoggedModelQuery) -> LoggedModelPage:
        """See `Registry.search_logged_models`."""
        return self._post(LoggedModelPage, "/logged-models/search", query)


def _model(name: str, version: int | None = None) -> str:
    if not name.strip(" .") or "/" in name:  # which would be the address of something else
        raise NotFoundError(f"There is no registered model {name!r}.", what="registered model", given=name)
    return f"/models/{quote(name, safe='')}" + ("" if version is None else f"/versions/{version}")


def _logged_model(model_id: str) -> str:
    if not is_logged_model_id(model_id):
        raise NotFoundError(f"There is no logged model {model_id!r}.", what="logged model", given=model_id)
    return f"/logged-models/{model_id}"


def _run(run_id: str) -> str:
    if not run_id:  # which would be the address of something else
        raise NotFoundError("There is no run of the id ''. Expected 1 or more characters.", what="run", given=run_id)
    return f"/runs/{quote(run_id, safe='')}"


def _trace(trace_id: str) -> str:
    if not trace_id:  # which would be the address of something else
        raise NotFoundError("There is no trace of the id ''. Expected 1 or more characters.", what="trace", given=trace_id)
    return f"/traces/{quote(trace_id, safe='')}"


def _experiment(name: str) -> str:
    if not name:  # which would be the address of the list
        raise NotFoundError("There is no experiment ''. Expected 1 or more characters.", what="experiment", given=name)
    return f"/experiments?{urlencode({'name': name})}"


def _file(run_id: str, path: str) -> str:
    return f"{_run(run_id)}/artifacts/{quote(validate_artifact_path(path))}"


def _cut(response: Any, start: int, end: int | None) -> Iterator[bytes]:
    """Yield bytes [start, end) of a streamed answer; a range past the end is empty, as it is for a local file."""
    position = 0
    try:
        for piece in response.stream(_PIECE_BYTES):
            low, high = max(0, start - position), len(piece) if end is None else min(len(piece), end - position)
            if low < high:
                yield piece[low:high]
            position += len(piece)
            if end is not None and position >= end:
                return
    except urllib3.exceptions.HTTPError as error:
        raise StoreUnavailableError(f"The download was cut off after {position} bytes: {error}. Try again.") from error
    finally:
        response.close()
