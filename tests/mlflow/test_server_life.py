"""Servers of their own: killed, written to by many at once, cleaned up, and the life of the default experiment."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from tests.mlflow.conftest import Raw
from tests.servers import serve
from tracklog.storage.local import LocalStore


def test_what_was_answered_survives_the_death_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(tmp_path / "w") as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)  # MLflow 2 asks it for files, whatever the client was given
        client = MlflowClient(server.url, server.url)
        run = client.create_run("0", run_name="survivor").info.run_id
        for step in range(20):
            client.log_metric(run, "loss", step / 2, timestamp=step, step=step)
        client.log_param(run, "lr", "0.1")
        client.log_text(run, "kept", "a.txt")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()

    # At the same address, which MLflow 2 remembers for a run's files.
    with serve(tmp_path / "w", int(server.url.rsplit(":", 1)[1])) as server:
        client = MlflowClient(server.url, server.url)
        assert [one.value for one in client.get_metric_history(run, "loss")] == [step / 2 for step in range(20)]
        found = client.get_run(run)
        assert (found.info.run_name, found.data.params) == ("survivor", {"lr": "0.1"})
        (tmp_path / "got").mkdir()
        assert Path(client.download_artifacts(run, "a.txt", str(tmp_path / "got"))).read_text() == "kept"


def test_many_clients_at_once_lose_nothing(tmp_path: Path) -> None:
    """Eight clients: each its own run, and all of them one that they share."""
    with serve(tmp_path / "w") as server:
        client = MlflowClient(server.url, server.url)
        shared = client.create_run("0").info.run_id
        runs: list[str] = []
        errors: list[Exception] = []

        def work(k: int) -> None:
            try:
                mine = MlflowClient(server.url, server.url)
                run = mine.create_run("0").info.run_id
                runs.append(run)
                for batch in range(5):
                    points = [Metric("m", i, 1000 * k + i, batch * 100 + i) for i in range(100)]
                    mine.log_batch(run, points, [Param(f"p{batch}", str(k))])
                    mine.log_batch(shared, [Metric(f"m{k}", i, i, batch * 100 + i) for i in range(100)])
                    mine.log_metric(shared, "all", k, timestamp=batch, step=k)
            except Exception as error:  # noqa: BLE001 - told by the assertion
                errors.append(error)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert not errors
        assert {len(client.get_metric_history(run, "m")) for run in runs} == {500}
        assert {len(client.get_run(run).data.params) for run in runs} == {5}
        assert [len(client.get_metric_history(shared, f"m{k}")) for k in range(8)] == [500] * 8
        assert len(client.get_metric_history(shared, "all")) == 40


def test_the_default_experiment_keeps_its_id_whatever_becomes_of_it(tmp_path: Path) -> None:
    with serve(tmp_path / "w") as server:
        client = MlflowClient(server.url, server.url)
        with pytest.raises(MlflowException, match="already exists"):
            client.create_experiment("Default")
        client.set_experiment_tag("0", "a", "1")
        client.rename_experiment("0", "renamed")
        assert client.get_experiment("0").name == "renamed"
        assert client.get_experiment_by_name("Default") is None

        other = client.create_experiment("Default")
        assert other != "0"
        assert client.create_run("0").info.experiment_id == "0"
        client.delete_experiment("0")
        assert client.get_experiment("0").lifecycle_stage == "deleted"
        with pytest.raises(MlflowException, match="must be in the 'active' state"):
            client.create_run("0")


def test_parts_that_never_became_a_file_are_cleaned_up(tmp_path: Path) -> None:
    with serve(tmp_path / "w") as server, contextlib.closing(Raw(server).connection):
        raw = Raw(server)
        run = raw.json("POST", "/runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
        made = raw.json("POST", f"/mpu/create/0/{run}/artifacts", {"path": "x", "num_parts": 2}, root="/api/2.0/mlflow-artifacts")
        raw.ask("PUT", made["credentials"][0]["url"].removeprefix(server.url), b"half")
        raw.connection.close()

    store = LocalStore(tmp_path / "w")
    (left,) = store.staging.iterdir()
    store.gc()
    assert left.exists()  # it may still be under way
    old = time.time() - 48 * 3600
    os.utime(left, (old, old))
    store.gc()
    assert not left.exists()
    store.close()
