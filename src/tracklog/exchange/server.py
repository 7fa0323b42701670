"""Speaks MLflow's REST protocol as a client: reads a running server, and writes to one.

Logins are those of MLflow's own clients: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
A request that a busy server turns down is sent again for a while.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from tracklog.errors import ConflictError, InvalidValueError, NotFoundError, ServerError, StoreUnavailableError, TracklogError
from tracklog.exchange.content import (
    Experiment,
    File,
    Logged,
    NotReadable,
    Problem,
    Registered,
    Run,
    Series,
    Version,
    dataset_of,
    model_of,
    version_of,
)
from tracklog.records import ModelOutput, RunStatus
from tracklog.server.mlflow_api.registry import PROMPT_TAG
from tracklog.server.mlflow_api.view import STATUS_OF
from tracklog.storage.registry import LoggedModel, LoggedModelMetric, LoggedModelStatus

API = "/api/2.0/mlflow"
_RUNS = 200  # of a page
_POINTS = 25_000
_TIMEOUT = urllib3.Timeout(connect=10.0, read=120.0)
_LOGGED_STATUS = {f"LOGGED_MODEL_{status.value}": status for status in LoggedModelStatus}


class MlflowServer:
    """A server that speaks MLflow's protocol."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing is sent.

        Raises:
            InvalidValueError: no http or https address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidValueError(f"Cannot use {url!r} as an MLflow server. Expected http(s)://host:port.", parameter="source")
        if parts.username or parts.password:
            raise InvalidValueError(
                "Give the login of an MLflow server by MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
                "MLFLOW_TRACKING_TOKEN, not in its address.",
                parameter="source",
            )
        self.url = url.rstrip("/")
        headers = {}
        if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
            headers["Authorization"] = f"Bearer {token}"
        elif user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
            secret = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
            headers.update(urllib3.make_headers(basic_auth=f"{user}:{secret}"))
        retries = urllib3.Retry(
            total=5, connect=2, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=None
        )
        insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS") == "true"
        self._pool = urllib3.PoolManager(
            headers=headers, retries=retries, timeout=_TIMEOUT, maxsize=4, cert_reqs="CERT_NONE" if insecure else "CERT_REQUIRED"
        )

    def send(self, method: str, path: str, *, body: Any = None, json_body: Any = None, stream: bool = False) -> Any:
        """Return the answer to a request.

        Raises:
            StoreUnavailableError: the server does not answer.
            NotFoundError, ConflictError, InvalidValueError, ServerError: it answers with an error.
        """
        headers = dict(self._pool.headers)
        if json_body is not None:
            body, headers["Content-Type"] = json.dumps(json_body).encode(), "application/json"
        try:
            answer = self._pool.request(method, self.url + path, body=body, headers=headers, preload_content=not stream)
        except urllib3.exceptions.HTTPError as error:
            raise StoreUnavailableError(
                f"The MLflow server {self.url} does not answer: {_reason(error)}. Check the address, and that it runs."
            ) from error
        if answer.status >= 400:
            said = answer.data if not stream else answer.read(1 << 16)
            answer.release_conn()
            raise self._error(answer.status, said)
        return answer

    def _error(self, status: int, data: bytes) -> TracklogError:
        try:
            said = json.loads(data)
            code, message = str(said["error_code"]), str(said.get("message", ""))
        except (ValueError, KeyError, TypeError):
            code, message = "", f"status {status}, not as an MLflow server does"
        if status in (401, 403):
            return ServerError(
                f"The MLflow server {self.url} refuses access: {message}. Set MLFLOW_TRACKING_TOKEN, or "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
            )
        if code in ("RESOURCE_DOES_NOT_EXIST", "ENDPOINT_NOT_FOUND") or status == 404:
            return NotFoundError(f"{self.url}: {message}", what="resource", given=self.url)
        if code in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_CONFLICT"):
            return ConflictError(f"{self.url}: {message}")
        if status == 400:
            return InvalidValueError(f"{self.url}: {message}")
        return ServerError(f"{self.url}: {message}")

    def get(self, path: str, /, **query: Any) -> Any:
        """Return the JSON of a GET below the API; paths of other parts of the server begin with a slash."""
        return self._json(self.send("GET", _path(path) + (f"?{urlencode(query, doseq=True)}" if query else "")))

    def post(self, path: str, /, *, method: str = "POST", **body: Any) -> Any:
        """Return the JSON of a POST below the API."""
        return self._json(self.send(method, _path(path), json_body=body))

    def _json(self, answer: Any) -> Any:
        try:
            return json.loads(answer.data)
        except ValueError as error:
            raise ServerError(f"{self.url} answered something else than JSON. Is it an MLflow server?") from error

    def pages(self, path: str, name: str, /, **asked: Any) -> Iterator[Any]:
        """Yield the things called `name` of all pages of a search by POST."""
        return self._pages(self.post, path, name, asked)

    def pages_by_get(self, path: str, name: str, /, **asked: Any) -> Iterator[Any]:
        """Yield the things called `name` of all pages of a search by GET."""
        return self._pages(self.get, path, name, asked)

    def _pages(self, ask: Callable[..., Any], path: str, name: str, asked: dict[str, Any]) -> Iterator[Any]:
        while True:
            page = ask(path, **asked)
            yield from page.get(name, [])
            if not page.get("next_page_token"):
                return
            asked = {**asked, "page_token": page["next_page_token"]}

    def check(self) -> None:
        """See that the server speaks MLflow's protocol.

        Raises:
            InvalidValueError: it does not.
        """
        try:
            self.post("experiments/search", max_results=1)
        except (NotFoundError, ServerError) as error:
            if "refuses access" in error.message:
                raise
            raise InvalidValueError(
                f"{self.url} is no MLflow server: {error.message}.", parameter="source", given=self.url
            ) from error

    def history(self, run_id: str, key: str) -> Iterator[Mapping[str, Any]]:
        """Yield all points of a metric."""
        return self.pages_by_get("metrics/get-history", "metrics", run_id=run_id, metric_key=key, max_results=_POINTS)

    def files(self, listing: str, parameter: str, **asked: Any) -> Iterator[tuple[str, int | None]]:
        """Yield (path, size) of all files that a listing gives, folder by folder."""
        folders = [""]
        while folders:
            folder = folders.pop()
            given = {**asked, **({parameter: folder} if folder else {})}
            for one in self.pages_by_get(listing, "files", **given):
                path = str(one["path"])
                if one.get("is_dir"):
                    if path.strip("/") != folder.strip("/"):  # some list a file as a folder of itself
                        folders.append(path)
                else:
                    size = one.get("file_size")
                    yield path, None if size is None else int(size)

    @contextlib.contextmanager
    def download(self, path: str) -> Iterator[BinaryIO]:
        """Open a file of the server for reading."""
        answer = self.send("GET", path, stream=True)
        try:
            yield cast("BinaryIO", answer)
        except urllib3.exceptions.HTTPError as error:
            raise StoreUnavailableError(f"The MLflow server {self.url} broke off: {_reason(error)}.") from error
        finally:
            answer.close()

    def upload(self, path: str, pieces: Iterator[bytes], size_bytes: int) -> None:
        """Send a file in pieces."""
        headers = {**self._pool.headers, "Content-Length": str(size_bytes), "Content-Type": "application/octet-stream"}
        try:
            # The pieces cannot be read twice, so it is not sent again here.
            answer = self._pool.request("PUT", self.url + path, body=pieces, headers=headers, retries=False)
        except urllib3.exceptions.HTTPError as error:
            raise StoreUnavailableError(f"The MLflow server {self.url} does not answer: {_reason(error)}.") from error
        if answer.status >= 400:
            raise self._error(answer.status, answer.data)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def _reason(error: Exception) -> str:
    """Return why a request failed, without the objects of the HTTP library that its text begins with."""
    return str(getattr(error, "reason", None) or error).rpartition("): ")[2]


def _path(path: str) -> str:
    return path if path.startswith("/") else f"{API}/{path}"


def pairs(found: Any) -> dict[str, str]:
    """Return a list of {key, value} as a dict."""
    return {str(one["key"]): str(one.get("value", "")) for one in found or []}


class ServerSource:
    """The `Source` of a running server."""

    def __init__(self, url: str) -> None:
        """Open a server.

        Raises:
            InvalidValueError: it is no MLflow server.
            StoreUnavailableError: it does not answer.
        """
        self.problems: list[Problem] = []
        self.server = MlflowServer(url)
        self.server.check()
        self.address = self.server.url

    def experiments(self) -> list[Experiment]:
        """See `Source.experiments`."""
        found = self.server.pages("experiments/search", "experiments", max_results=1000, view_type="ALL")
        return sorted(
            (
                Experiment(
                    id=str(one["experiment_id"]),
                    name=str(one["name"]),
                    location=str(one.get("artifact_location", "")),
                    deleted=one.get("lifecycle_stage") == "deleted",
                    tags=pairs(one.get("tags")),
                )
                for one in found
            ),
            key=lambda one: (len(one.id), one.id),
        )

    def count_runs(self, experiment: Experiment) -> int | None:
        """See `Source.count_runs`."""
        return None

    def runs(self, experiment: Experiment) -> Iterator[Run]:
        """See `Source.runs`."""
        asked = {"experiment_ids": [experiment.id], "run_view_type": "ALL", "max_results": _RUNS}
        for one in self.server.pages("runs/search", "runs", order_by=["attributes.start_time ASC"], **asked):
            info, data = one["info"], one.get("data", {})
            inputs, outputs = one.get("inputs") or {}, one.get("outputs") or {}
            last = sorted([str(m["key"]), m.get("step"), m.get("timestamp"), m["value"]] for m in data.get("metrics", []))
            yield Run(
                id=str(info.get("run_id") or info.get("run_uuid")),
                name=str(info.get("run_name") or ""),
                status=STATUS_OF.get(info.get("status", ""), RunStatus.RUNNING),
                start_ms=int(info.get("start_time") or 0),
                end_ms=int(info["end_time"]) if info.get("end_time") else None,
                user=str(info.get("user_id") or ""),
                deleted=info.get("lifecycle_stage") == "deleted",
                params=pairs(data.get("params")),
                tags=pairs(data.get("tags")),
                datasets=[dataset_of(one["dataset"], pairs(one.get("tags"))) for one in inputs.get("dataset_inputs", [])],
                model_inputs=[str(given["model_id"]) for given in inputs.get("model_inputs", [])],
                model_outputs=[
                    ModelOutput(str(given["model_id"]), int(given.get("step", 0))) for given in outputs.get("model_outputs", [])
                ],
                location=str(info.get("artifact_uri") or ""),
                fingerprint=hashlib.sha256(json.dumps(last).encode()).hexdigest()[:16],
            )

    def count_points(self, experiment: Experiment, run: Run) -> dict[str, int] | None:
        """See `Source.count_points`."""
        return None

    def series(self, experiment: Experiment, run: Run) -> Iterator[Series]:
        """See `Source.series`."""
        [found] = self.server.get("runs/get", run_id=run.id).values()
        for key in sorted({str(one["key"]) for one in found.get("data", {}).get("metrics", [])}):
            rows = [
                (int(one.get("step", 0)), int(one.get("timestamp", 0)), float(one["value"]))
                for one in self.server.history(run.id, key)
            ]
            yield Series.of(key, rows, clamped=True)

    def files(self, experiment: Experiment, owner: Run | Logged) -> Iterator[File]:
        """See `Source.files`."""
        try:
            if isinstance(owner, Run):
                for path, size in self.server.files("artifacts/list", "path", run_id=owner.id):
                    address = f"/get-artifact?{urlencode({'run_id': owner.id, 'run_uuid': owner.id, 'path': path})}"
                    yield File(path, size, self._opener(address))
            else:
                own = f"logged-models/{owner.model.id}/artifacts"
                for path, size in self.server.files(f"{own}/directories", "artifact_directory_path"):
                    address = f"/ajax-api/2.0/mlflow/{own}/files?{urlencode({'artifact_file_path': path})}"
                    yield File(path, size, self._opener(address))
        except (NotFoundError, InvalidValueError, ServerError) as error:
            raise NotReadable(f"the server cannot list them: {error.message}") from error

    def _opener(self, address: str) -> Any:
        return lambda: self.server.download(address)

    def logged_models(self, experiment: Experiment) -> Iterator[Logged]:
        """See `Source.logged_models`. Deleted ones are not given by a server."""
        try:
            found = list(self.server.pages("logged-models/search", "models", experiment_ids=[experiment.id], max_results=50))
        except (NotFoundError, ServerError):  # MLflow 2 has none
            return
        for one in found:
            info, data = one["info"], one.get("data", {})
            model = LoggedModel(
                id=str(info["model_id"]),
                experiment=experiment.name,
                name=str(info.get("name") or ""),
                status=_LOGGED_STATUS.get(str(info.get("status")), LoggedModelStatus.PENDING),
                type=str(info.get("model_type") or ""),
                source_run_id=str(info.get("source_run_id") or ""),
                params=pairs(data.get("params")),
                tags={key: value for key, value in pairs(info.get("tags")).items() if key != "mlflow.modelVersions"},
                metrics=[
                    LoggedModelMetric(
                        str(m["key"]),
                        float(m["value"]),
                        int(m.get("step", 0)),
                        int(m.get("timestamp", 0)),
                        str(m.get("run_id") or ""),
                        str(m.get("dataset_name") or ""),
                        str(m.get("dataset_digest") or ""),
                    )
                    for m in data.get("metrics", [])
                ],
            )
            yield Logged(model, str(info.get("artifact_uri") or ""))

    def registered_models(self) -> Iterator[Registered]:
        """See `Source.registered_models`."""
        found: dict[str, Any] = {}
        for condition in ("", f"tags.`{PROMPT_TAG}` = 'true'"):  # which are left out unless asked for
            asked = {"max_results": 1000, **({"filter": condition} if condition else {})}
            try:
                models = self.server.pages_by_get("registered-models/search", "registered_models", **asked)
                found |= {str(one["name"]): one for one in models}
            except (NotFoundError, InvalidValueError, ServerError):
                if not condition:
                    raise
        for name, one in sorted(found.items()):
            quoted = f'"{name}"' if "'" in name else f"'{name}'"
            asked = {"filter": f"name = {quoted}", "max_results": 10_000}
            versions = self.server.pages_by_get("model-versions/search", "model_versions", **asked)
            yield Registered(
                name=name,
                description=str(one.get("description") or ""),
                tags=pairs(one.get("tags")),
                aliases={str(given["alias"]): int(given["version"]) for given in one.get("aliases", [])},
                versions=sorted((_version(given) for given in versions), key=lambda version: version.number),
            )

    def left_out(self) -> dict[str, int]:
        """See `Source.left_out`. A server is not asked how much there is."""
        return {}

    def close(self) -> None:
        """See `Source.close`."""
        self.server.close()


def _version(one: Mapping[str, Any]) -> Version:
    return version_of(one, pairs(one.get("tags")), str(one.get("model_id") or model_of(str(one.get("source") or ""))))


def quoted_path(path: str) -> str:
    """Return a path of a file as part of an address."""
    return quote(path, safe="/")
