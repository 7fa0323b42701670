"""What MLflow's clients log is what everybody else sees, and the other way round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

import tracklog
from tests.servers import RunningServer
from tracklog.records import RunStatus
from tracklog.storage.remote import RemoteStore


@pytest.fixture
def native(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address under which tracklog's own SDK logs to the same server."""
    monkeypatch.setenv("TRACKLOG_URI", server.url)
    return server.url


def test_a_run_of_mlflow_is_a_run(native: str, fluent: Any, store: RemoteStore, name: str, tmp_path: Path) -> None:
    fluent.set_experiment(name)
    with fluent.start_run(run_name="from mlflow", description="what for") as parent:
        fluent.log_params({"lr": 0.1})
        for step in range(10):
            fluent.log_metric("loss", 1 / (step + 1), step=step)
        fluent.set_tag("colour", "blue")
        fluent.log_text("hello", "notes/a.txt")
        with fluent.start_run(nested=True) as child:
            pass

    run = tracklog.get_run(parent.info.run_id)
    assert run.get_metrics()["loss"] == [1 / (step + 1) for step in range(10)]
    assert name in tracklog.Workspace(native).experiments
    info = store.get_run(parent.info.run_id)
    assert (info.name, info.description, info.experiment, info.status) == ("from mlflow", "what for", name, RunStatus.COMPLETED)
    assert info.params == {"lr": "0.1"}
    assert info.tags["colour"] == "blue"
    assert not any(tag in info.tags for tag in ("mlflow.runName", "mlflow.user", "mlflow.note.content"))
    assert info.user
    assert store.get_run(child.info.run_id).parent_id == parent.info.run_id
    assert [one.path for one in store.artifacts(parent.info.run_id)] == ["notes/a.txt"]


def test_a_native_run_is_a_run_of_mlflow(native: str, client: MlflowClient, name: str, tmp_path: Path) -> None:
    with tracklog.start_run(name, name="from tracklog", params={"lr": 0.1, "layers": 3, "deep": True, "none": None}) as run:
        for step in range(5):
            run.log("loss", step / 2, step=step)
        run.log("count", 2**53 + 1)
        run.log_list("values", [1, 2, 3])
        run.log_row("fit", a=1, b=2.5)
        run.log_row("fit", a=2, b=3.5)
        run.log_table("table", {"x": [1, 2], "word": ["a", "b"]})
        run.log("word", "text")
        run.tag("colour", "blue")
        (tmp_path / "a.txt").write_text("hello")
        run.upload_file("notes/a.txt", str(tmp_path / "a.txt"))

    found = client.get_run(run.id)
    assert (found.info.run_name, found.info.status) == ("from tracklog", "FINISHED")
    assert client.get_experiment(found.info.experiment_id).name == name
    assert found.data.params == {"lr": "0.1", "layers": "3", "deep": "True", "none": "None"}
    assert found.data.metrics == {
        "loss": 2.0,
        "count": float(2**53 + 1),
        "values": 3.0,
        "fit.a": 2.0,
        "fit.b": 3.5,
        "table.x": 2.0,
    }
    assert found.data.tags["colour"] == "blue"
    assert [point.value for point in client.get_metric_history(run.id, "loss")] == [0, 0.5, 1, 1.5, 2]
    assert [point.value for point in client.get_metric_history(run.id, "fit.b")] == [2.5, 3.5]
    assert client.get_metric_history(run.id, "word") == []
    assert client.get_metric_history(run.id, "table.word") == []
    assert [one.path for one in client.list_artifacts(run.id, "notes")] == ["notes/a.txt"]
    experiment = found.info.experiment_id
    assert [one.info.run_id for one in client.search_runs([experiment], "metrics.loss = 2 and params.lr = '0.1'")] == [run.id]


def test_a_param_of_a_native_run_is_the_same_as_its_text(native: str, client: MlflowClient, name: str) -> None:
    with tracklog.start_run(name, params={"lr": 0.1}) as run:
        run.flush()
        client.log_param(run.id, "lr", 0.1)
        client.log_batch(run.id, params=[], tags=[])
        with pytest.raises(Exception, match="Changing param values is not allowed"):
            client.log_param(run.id, "lr", 0.2)


def test_both_can_log_to_one_run(native: str, client: MlflowClient, name: str) -> None:
    with tracklog.start_run(name) as run:
        run.log("a", 1)
        run.flush()
        client.log_metric(run.id, "b", 2)
        client.log_param(run.id, "p", "1")

    assert client.get_run(run.id).data.metrics == {"a": 1, "b": 2}
    assert client.get_run(run.id).info.status == "FINISHED"


def test_a_run_of_mlflow_needs_no_heartbeat(client: MlflowClient, store: RemoteStore, run_id: str) -> None:
    """Nobody can tell a training that computes for an hour from one that died; its status is what it said last."""
    client.log_metric(run_id, "m", 1)

    assert store.get_run(run_id).status is RunStatus.RUNNING
    # An old start and no sign of life since: what a run with a journal would be lost after.
    experiment = client.get_run(run_id).info.experiment_id
    old = client.create_run(experiment, start_time=1000).info.run_id
    assert store.get_run(old).status is RunStatus.RUNNING


def test_an_archived_run_is_no_deleted_one(client: MlflowClient, store: RemoteStore, run_id: str, experiment_id: str) -> None:
    from tests.batches import Writer
    from tracklog.records import RunEdited

    store.apply(Writer(run_id).add(RunEdited(archived=True)).batch())

    assert [run.info.run_id for run in client.search_runs([experiment_id])] == [run_id]


def test_an_archived_experiment_is_no_deleted_one(
    client: MlflowClient, store: RemoteStore, experiment_id: str, name: str
) -> None:
    from tracklog.storage import ExperimentEdit

    store.edit_experiment(name, ExperimentEdit(archived=True))

    assert client.get_experiment(experiment_id).lifecycle_stage == "active"


def test_a_submitted_script_ends_when_it_ends(client: MlflowClient, store: RemoteStore, name: str) -> None:
    from tests.batches import Writer
    from tracklog.records import SCRIPT_RUN, RunStarted, StatusChanged

    run_id = f"{name}_1_ab"
    started = [RunStarted(name, 1000, type=SCRIPT_RUN), StatusChanged(RunStatus.RUNNING, 1000)]
    store.apply(Writer(run_id).add(*started).batch())

    client.set_terminated(run_id, "FINISHED")  # what `mlflow.end_run()` in the middle of the script does

    assert store.get_run(run_id).status is RunStatus.RUNNING
    store.apply(Writer(run_id, writer_id="watcher").add(StatusChanged(RunStatus.FAILED, 2000)).batch())
    assert client.get_run(run_id).info.status == "FAILED"
