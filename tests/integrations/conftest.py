"""A server for the libraries of this folder, which run in an environment of their own: `make test-integrations`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import serve
from tracklog.sdk.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A served workspace that MLflow's clients are pointed at."""
    mlflow = pytest.importorskip("mlflow")
    with serve(tmp_path / "workspace") as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", "false")
        mlflow.set_tracking_uri(server.url)
        mlflow.set_registry_uri(server.url)  # another test of this process may have set another
        yield Workspace(server.url)
        while mlflow.active_run() is not None:
            mlflow.end_run()
