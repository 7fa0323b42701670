"""One server process for all of MLflow's tests of a session, real clients, and a raw one for what no client sends."""

from __future__ import annotations

import http.client
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

# Read when mlflow is imported: no retries that take minutes, no questions to other hosts.
os.environ.update(
    MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    MLFLOW_DISABLE_TELEMETRY="true",
    MLFLOW_DISABLE_SCHEMA_DETAILS="true",
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
    GIT_PYTHON_REFRESH="quiet",
)

import mlflow
import pytest
from mlflow import MlflowClient

from tests.servers import RunningServer, serve
from tracklog.storage.remote import RemoteStore


class Raw:
    """Sends what it is told over one connection that is kept."""

    def __init__(self, server: RunningServer) -> None:
        self.url = server.url
        self.connection = http.client.HTTPConnection("127.0.0.1", int(urlsplit(server.url).port or 0), timeout=30)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Return the answer to a request for a whole path."""
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        return answer, answer.read()

    def json(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        query: dict[str, Any] | None = None,
        status: int = 200,
        root: str = "/api/2.0/mlflow",
        content_type: str | None = "application/json",
    ) -> Any:
        """Return the JSON answered to a request below `root`; asserts the status."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        asked = root + path + ("?" + urlencode(query, doseq=True) if query else "")
        headers = {} if content_type is None or data is None else {"Content-Type": content_type}
        answer, said = self.ask(method, asked, data, headers)
        assert answer.status == status, said
        assert answer.headers["Content-Type"] == "application/json"
        return json.loads(said)

    def refused(self, code: str, method: str, path: str, body: object = None, *, status: int = 400, **more: Any) -> str:
        """Return the message of an error; asserts its code and status."""
        said = self.json(method, path, body, status=status, **more)
        assert said["error_code"] == code
        message: str = said["message"]
        return message


# The same tests run with the last MLflow 2, which lacks some of what is tested: `make test-integrations`.
mlflow3 = pytest.mark.skipif(mlflow.__version__.startswith("2."), reason="this client is MLflow 2")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server over a new workspace."""
    with serve(tmp_path_factory.mktemp("mlflow") / "workspace") as running:
        yield running


@pytest.fixture
def raw(server: RunningServer) -> Iterator[Raw]:
    """HTTP without a client of MLflow's."""
    client = Raw(server)
    yield client
    client.connection.close()


@pytest.fixture
def client(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """MLflow's own client."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)  # MLflow 2 asks it for files, whatever the client was given
    return MlflowClient(server.url, server.url)


@pytest.fixture
def fluent(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module `mlflow`, told to log to the server."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)
    yield mlflow
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def store(server: RunningServer) -> Iterator[RemoteStore]:
    """The same workspace as everybody else sees it."""
    opened = RemoteStore(server.url)
    yield opened
    opened.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name nothing else has."""
    return f"{request.node.name[:40]}-{uuid.uuid4().hex[:8]}".replace("[", "-").replace("]", "")


@pytest.fixture
def experiment_id(client: MlflowClient, name: str) -> str:
    """An experiment of the test's own."""
    made: str = client.create_experiment(name)
    return made


@pytest.fixture
def run_id(client: MlflowClient, experiment_id: str) -> str:
    """A run of the test's own."""
    made: str = client.create_run(experiment_id).info.run_id
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some files to log."""
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("alpha")
    (tmp_path / "empty.bin").write_bytes(b"")
    (tmp_path / "sub" / "b c ü.csv").write_text("x,y\n1,2\n")
    (tmp_path / "sub" / "deep" / "model.bin").write_bytes(bytes(range(256)) * 40)
    return tmp_path
