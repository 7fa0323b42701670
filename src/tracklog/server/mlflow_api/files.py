"""Artifacts through the server: uploads and downloads that stream, listings, and uploads in parts.

An address `<experiment>/<run>/artifacts/<path>` or `<experiment>/models/<logged model>/artifacts/<path>` is read strictly
into an owner and a path among its files. Neither is ever a path of the file system: files rest under their digest.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

import anyio.to_thread
import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from tracklog.errors import NotFoundError
from tracklog.server.api import received_file, sent_file
from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.routing import AnyRoute, Context, RawRoute, Route, values_by_name
from tracklog.server.mlflow_api.uploads import Place
from tracklog.server.mlflow_api.wire import FileInfo, Refused, Request
from tracklog.storage import ArtifactInfo
from tracklog.storage.registry import is_logged_model_id
from tracklog.storage.traces import MAX_SPANS_BYTES

_COPIED_BYTES = 1 << 20  # at once
_PROXY = "/mlflow-artifacts"


def place(context: Context, address: str) -> Place:
    """Return what an address below the root of all artifacts names.

    Raises:
        Refused: it climbs out, or there is no such run or logged model in that experiment.
    """
    wire.check_path(address)
    parts = address.strip("/").split("/")
    if len(parts) >= 4 and parts[1] == "models" and parts[3] == "artifacts" and is_logged_model_id(parts[2]):
        owner, rest = parts[2], parts[4:]
        experiment = context.view.experiment_named(context.view.logged_model(owner).experiment).id
    elif len(parts) >= 3 and parts[2] == "artifacts":
        owner, rest = parts[1], parts[3:]
        experiment = context.view.experiment_of_run(owner)
    else:
        raise _nowhere(address)
    if experiment != parts[0]:
        raise _nowhere(address)
    return Place(owner, "/".join(part for part in rest if part not in ("", ".")))


def _nowhere(address: str) -> Refused:
    return wire.not_found(
        f"No such artifact: '{address}'. Expected '<experiment>/<run>/artifacts/<path>' or "
        "'<experiment>/models/<logged model>/artifacts/<path>'."
    )


def listed(context: Context, where: Place) -> list[FileInfo]:
    """Return what lies directly in a folder, with paths relative to the owner's root. Nothing for a file."""
    prefix = f"{where.path}/" if where.path else ""
    found: dict[str, FileInfo] = {}
    for one in context.store.artifacts(where.owner, where.path):
        name, slash, _ = one.path.removeprefix(prefix).partition("/")
        if slash:
            found.setdefault(name, FileInfo(prefix + name, is_dir=True))
        else:
            found[name] = FileInfo(prefix + name, is_dir=False, file_size=one.size_bytes)
    return sorted(found.values(), key=lambda one: one.path)


# -------------------------------------------------------------- of a run or a model


class ListArtifacts(Request):
    """A folder of a run."""

    run_id: str = ""
    run_uuid: str = ""
    path: str = ""
    page_token: str = ""


class ListLoggedArtifacts(Request):
    """A folder of a logged model."""

    model_id: str = ""
    artifact_directory_path: str = ""
    page_token: str = ""


def list_artifacts(context: Context, request: ListArtifacts) -> object:
    """Return the files and folders in a folder of a run."""
    run_id = request.run_id or request.run_uuid
    if not run_id:
        raise wire.missing("run_id")
    root = context.view.artifact_uri(context.view.run(run_id))
    return _listing(root, listed(context, Place(run_id, wire.check_path(request.path).strip("/"))))


def list_logged_artifacts(context: Context, request: ListLoggedArtifacts) -> object:
    """Return the files and folders in a folder of a logged model."""
    model = context.view.logged_model(request.model_id)
    root = context.view.model_uri(context.view.experiment_named(model.experiment).id, model.id)
    folder = wire.check_path(request.artifact_directory_path).strip("/")
    return _listing(root, listed(context, Place(model.id, folder)))


def _listing(root: str, files: list[FileInfo]) -> dict[str, Any]:
    return {"root_uri": root, **({"files": files} if files else {})}


async def get_artifact(context: Context, http: HttpRequest, _: dict[str, str]) -> Response:
    """Answer with a file of a run."""
    given = values_by_name(http.url.query)
    run_id = (given.get("run_id") or given.get("run_uuid") or [""])[0]
    if not run_id:
        raise wire.missing("run_id")
    path = _required_path(given.get("path"), "path")
    await anyio.to_thread.run_sync(context.view.experiment_of_run, run_id)
    return await _sent(context, http, Place(run_id, path))


async def get_logged_artifact(context: Context, http: HttpRequest, given: dict[str, str]) -> Response:
    """Answer with a file of a logged model."""
    path = _required_path(values_by_name(http.url.query).get("artifact_file_path"), "artifact_file_path")
    model = await anyio.to_thread.run_sync(context.view.logged_model, given["model_id"])
    return await _sent(context, http, Place(model.id, path))


def _required_path(values: Sequence[str] | None, parameter: str) -> str:
    if not values or not values[0]:
        raise Refused(f'Request must include the "{parameter}" query parameter.', "BAD_REQUEST")
    return wire.check_path(values[0]).strip("/")


# ------------------------------------------------------------------------ the proxy


async def list_proxied(context: Context, http: HttpRequest, _: dict[str, str]) -> Response:
    """Answer with what lies in a folder, by base names."""
    address = (values_by_name(http.url.query).get("path") or [""])[0]

    def look() -> list[FileInfo]:
        wire.check_path(address)
        try:
            where = place(context, address)
        except Refused as refused:
            if refused.code == "RESOURCE_DOES_NOT_EXIST":
                return []  # a folder that is not there is an empty one
            raise
        return [msgspec.structs.replace(one, path=one.path.rsplit("/", 1)[-1]) for one in listed(context, where)]

    files = await anyio.to_thread.run_sync(look)
    return _json({"files": files} if files else {})


def _trace_of(address: str) -> str | None:
    """Return the id of the trace whose spans an address names; clients keep them as one file."""
    found = re.fullmatch(r"\d+/traces/([\w.:\-]+)/artifacts/traces\.json", address, re.ASCII)
    return None if found is None else found[1]


async def download(context: Context, http: HttpRequest, given: dict[str, str]) -> Response:
    """Answer with a file."""
    trace_id = _trace_of(given["path"])
    if trace_id is not None:
        data = await anyio.to_thread.run_sync(context.store.traces.spans, trace_id)
        return Response(data, media_type="application/json", headers={"Content-Disposition": "attachment"})
    where = await anyio.to_thread.run_sync(place, context, given["path"])
    return await _sent(context, http, where)


async def _sent(context: Context, http: HttpRequest, where: Place) -> Response:
    try:
        return await sent_file(context.store, http, where.owner, where.path, attachment=True)
    except NotFoundError:
        if await anyio.to_thread.run_sync(listed, context, where):
            raise Refused(f"Artifact path refers to a directory, not a file: '{where.path}'") from None
        raise wire.not_found(f"No such artifact: '{where.path}'") from None


async def upload(context: Context, http: HttpRequest, given: dict[str, str]) -> Response:
    """Take a file."""
    trace_id = _trace_of(given["path"])
    if trace_id is not None:
        if int(http.headers.get("content-length", "0")[:18]) > MAX_SPANS_BYTES:
            raise Refused(f"The spans of a trace take more than {MAX_SPANS_BYTES} bytes.")
        data = await http.body()
        await anyio.to_thread.run_sync(context.store.traces.put_spans, trace_id, data)
        return _json({})
    where = await anyio.to_thread.run_sync(place, context, given["path"])
    await received_file(context.store, http, where.owner, where.path)
    return _json({})


async def delete(context: Context, _: HttpRequest, given: dict[str, str]) -> Response:
    """Remove a file, or a folder with all in it."""

    def remove() -> None:
        where = place(context, given["path"])
        try:
            context.store.delete_artifact(where.owner, where.path)
        except NotFoundError:
            inside: list[ArtifactInfo] = context.store.artifacts(where.owner, where.path)
            if not inside:
                raise wire.not_found(f"No such artifact: '{where.path}'") from None
            for one in inside:
                context.store.delete_artifact(where.owner, one.path)

    await anyio.to_thread.run_sync(remove)
    return _json({})


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


# ---------------------------------------------------------------------- in parts


class CreateUpload(Request):
    """An upload in parts. `path` is a file of the client's, of which only the name counts."""

    required: ClassVar[tuple[str, ...]] = ("path",)

    folder: str = ""
    path: str = ""
    num_parts: int = 1


class Part(msgspec.Struct):
    """A part that was sent."""

    part_number: int = 0
    etag: str = ""
    url: str = ""


class EndUpload(Request):
    """The end of an upload."""

    required: ClassVar[tuple[str, ...]] = ("upload_id",)

    folder: str = ""
    path: str = ""
    upload_id: str = ""
    parts: list[Part] = []


async def create_upload(context: Context, http: HttpRequest, given: dict[str, str]) -> Response:
    """Answer with an address for each part."""
    request = wire.decode(CreateUpload, await http.body(), {"folder": given.get("path", "")})
    name = re.split(r"[/\\]", request.path)[-1]

    def start() -> str:
        folder = place(context, request.folder)
        path = f"{folder.path}/{name}" if folder.path else name
        return context.uploads.start(context.staging(), Place(folder.owner, wire.check_path(path)), request.num_parts)

    upload_id = await anyio.to_thread.run_sync(start)
    # Relative to how the client reached this server, perhaps through another.
    base = str(http.url).split("/mlflow-artifacts/", 1)[0]
    credentials = [
        {"url": f"{base}/mlflow-artifacts/mpu/parts/{upload_id}/{number}", "part_number": number, "headers": {}}
        for number in range(1, request.num_parts + 1)
    ]
    return _json({"upload_id": upload_id, "credentials": credentials})


async def put_part(context: Context, http: HttpRequest, given: dict[str, str]) -> Response:
    """Take a part; one that is sent again replaces the first."""
    upload = context.uploads.get(given["upload_id"])
    number = given["number"]
    if not re.fullmatch("[0-9]{1,5}", number) or not 1 <= int(number) <= upload.parts:
        raise wire.invalid("part_number", number, f"Expected 1 to {upload.parts}.")
    fresh = upload.folder / f"{uuid.uuid4().hex}.tmp"
    with fresh.open("wb") as target:
        async for piece in http.stream():
            if piece:
                await anyio.to_thread.run_sync(target.write, piece)
    fresh.replace(upload.folder / str(int(number)))
    return Response(status_code=200, headers={"ETag": f'"{number}-{uuid.uuid4().hex}"'})


async def complete_upload(context: Context, http: HttpRequest, _: dict[str, str]) -> Response:
    """Put the parts together."""
    request = wire.decode(EndUpload, await http.body())

    def complete() -> None:
        upload = context.uploads.get(request.upload_id)
        missing = [number for number in range(1, upload.parts + 1) if not (upload.folder / str(number)).exists()]
        if missing:
            raise Refused(f"Parts {missing[:10]} of {upload.parts} have not arrived. Send them, then complete the upload.")
        try:
            whole = upload.folder / "1"
            with whole.open("ab") as target:
                for number in range(2, upload.parts + 1):
                    part = upload.folder / str(number)
                    with part.open("rb") as source:
                        shutil.copyfileobj(source, target, _COPIED_BYTES)
                    part.unlink()
            context.store.put_artifact(upload.where.owner, upload.where.path, whole, move=True)
        finally:
            context.uploads.end(request.upload_id)

    await anyio.to_thread.run_sync(complete)
    return _json({})


async def abort_upload(context: Context, http: HttpRequest, _: dict[str, str]) -> Response:
    """Forget an upload; one that is not under way is no error."""
    request = wire.decode(EndUpload, await http.body())
    await anyio.to_thread.run_sync(context.uploads.end, request.upload_id)
    return _json({})


async def presigned(context: Context, http: HttpRequest, _: dict[str, str]) -> Response:
    """Refuse, as MLflow does for files on its own disk; clients then send and fetch files through the server."""
    raise Refused("Multipart download is not supported for the current artifact repository", "NOT_IMPLEMENTED")


_ARTIFACTS = f"{_PROXY}/artifacts"

ROUTES: list[AnyRoute] = [
    Route("GET", "/mlflow/artifacts/list", ListArtifacts, list_artifacts),
    Route("GET", "/mlflow/logged-models/{model_id}/artifacts/directories", ListLoggedArtifacts, list_logged_artifacts),
    RawRoute("GET", "/mlflow/logged-models/{model_id}/artifacts/files", get_logged_artifact),
    RawRoute("GET", "/mlflow/get-artifact", get_artifact),
    RawRoute("GET", "/get-artifact", get_artifact, prefixed=False),
    RawRoute("GET", _ARTIFACTS, list_proxied),
    RawRoute("GET", f"{_ARTIFACTS}/{{path:path}}", download),
    RawRoute("PUT", f"{_ARTIFACTS}/{{path:path}}", upload),
    RawRoute("DELETE", f"{_ARTIFACTS}/{{path:path}}", delete),
    RawRoute("POST", f"{_PROXY}/mpu/create/{{path:path}}", create_upload),
    RawRoute("POST", f"{_PROXY}/mpu/complete/{{path:path}}", complete_upload),
    RawRoute("POST", f"{_PROXY}/mpu/abort/{{path:path}}", abort_upload),
    RawRoute("PUT", f"{_PROXY}/mpu/parts/{{upload_id}}/{{number}}", put_part),
    RawRoute("GET", f"{_PROXY}/presigned/{{path:path}}", presigned),
]
