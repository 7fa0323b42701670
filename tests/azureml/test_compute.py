"""Compute targets of Azure ML v1: named queues of this machine, with real runs in them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from azureml.core import ComputeTarget, Experiment, Run, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute
from azureml.core.compute_target import ComputeTargetException, LocalTarget
from azureml.exceptions import ActivityFailedException
from tracklog.errors import NotSupportedError

WAIT = """
import os, sys, time
from azureml.core import Run
run = Run.get_context()
run.log("start", time.time())
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
run.log("end", time.time())
"""


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("TRACKLOG_URI", str(tmp_path / "workspace"))
    source = tmp_path / "source"
    source.mkdir()
    (source / "wait.py").write_text(WAIT)
    (source / "quick.py").write_text("print('done')")
    monkeypatch.chdir(source)
    return Workspace.from_config()


def target(ws: Workspace, **settings: Any) -> AmlCompute:
    return ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", **settings))


def submit(ws: Workspace, compute: Any, go: Path) -> Run:
    return Experiment(ws, "queued").submit(ScriptRunConfig(".", script="wait.py", arguments=[go], compute_target=compute))


def wait_for(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def test_the_idiom_of_every_sample_makes_a_target_once(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Text as numbers of nodes: samples take them from the environment."""
    made = []
    for _ in range(2):
        try:
            found = ComputeTarget(workspace=ws, name="cpu-cluster")
        except ComputeTargetException as error:
            missing = error
            configuration = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", min_nodes="0", max_nodes="4")
            found = ComputeTarget.create(ws, "cpu-cluster", configuration)
            made.append(found)
            found.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
    status = found.get_status().serialize()

    assert len(made) == 1
    assert "Known: local" in missing.message
    assert type(found) is AmlCompute
    assert (found.name, found.type, found.vm_size, found.provisioning_state) == (
        "cpu-cluster",
        "AmlCompute",
        "STANDARD_D2_V2",
        "Succeeded",
    )
    assert capsys.readouterr().out == (
        "Succeeded\nAmlCompute wait for completion finished\n\nMinimum number of nodes requested have been provisioned\n"
    )
    assert status["errors"] == []
    assert status["provisioningState"] == "Succeeded"
    assert status["currentNodeCount"] == 0
    assert status["scaleSettings"] == {"minNodeCount": 0, "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": "PT1800S"}
    assert found.get_status().errors == []


def test_a_target_survives_the_process(ws: Workspace) -> None:
    target(ws, max_nodes=2, description="d", tags={"a": "b"})
    code = (
        "from azureml.core import Workspace; t = Workspace.from_config().compute_targets['cpu-cluster'];"
        "print(t.name, t.scale_settings.maximum_node_count, t.description, t.tags)"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed == "cpu-cluster 2 d {'a': 'b'}\n"
    assert "cpu-cluster" in ws.compute_targets
    assert [one.name for one in ComputeTarget.list(ws)] == ["cpu-cluster"]
    assert AmlCompute.deserialize(ws, ws.compute_targets["cpu-cluster"].serialize()).name == "cpu-cluster"
    assert ComputeTarget(ws, "CPU-Cluster").name == "CPU-Cluster", "capitals do not matter"


def test_creating_again_changes_the_target(ws: Workspace) -> None:
    first = target(ws, max_nodes=1)
    second = target(ws, max_nodes=3)
    second.update(max_nodes="5", idle_seconds_before_scaledown=60)
    first.refresh_state()

    assert first.scale_settings.maximum_node_count == 5
    assert first.scale_settings.serialize()["nodeIdleTimeBeforeScaleDown"] == "PT60S"
    assert first.created_on == second.created_on
    with pytest.raises(ComputeTargetException, match="more than max_nodes"):
        second.update(min_nodes=6)


def test_a_deleted_target_is_gone(ws: Workspace) -> None:
    made = target(ws)
    made.delete()
    made.wait_for_completion(is_delete_operation=True, show_output=True)

    assert ws.compute_targets == {}
    with pytest.raises(ComputeTargetException, match="no compute target 'cpu-cluster'"):
        made.get_status()
    with pytest.raises(ComputeTargetException, match="no compute target 'cpu-cluster'"):
        Experiment(ws, "e").submit(ScriptRunConfig(".", script="quick.py", compute_target=made))


@pytest.mark.parametrize("name", ["local", "x", "1abc", "a b", "../x", "a" * 33, "", None])
def test_names_that_cannot_be_used_are_refused(ws: Workspace, name: Any) -> None:
    with pytest.raises(ComputeTargetException, match="name of a compute target"):
        ComputeTarget.create(ws, name, AmlCompute.provisioning_configuration())
    with pytest.raises(ComputeTargetException, match="no compute target"):
        ComputeTarget(ws, name)


@pytest.mark.parametrize("nodes", ["many", -1, 0, 1.5, True, ""])
def test_numbers_of_nodes_that_are_none_are_refused(nodes: Any) -> None:
    with pytest.raises(ComputeTargetException, match="max_nodes"):
        AmlCompute.provisioning_configuration(max_nodes=nodes)


def test_what_is_outside_says_what_to_do(ws: Workspace) -> None:
    with pytest.raises(NotSupportedError, match=r"AmlCompute\.provisioning_configuration"):
        ComputeTarget.attach(ws, "x", object())
    with pytest.raises(ComputeTargetException, match=r"AmlCompute\.provisioning_configuration"):
        ComputeTarget.create(ws, "xyz", {"vm_size": "x"})
    with pytest.raises(NotSupportedError, match="delete"):
        target(ws).detach()


def test_a_damaged_definition_says_which_file(ws: Workspace) -> None:
    target(ws)
    (Path(ws.uri) / "compute/cpu-cluster.json").write_text("{")

    with pytest.raises(ComputeTargetException, match=r"cpu-cluster\.json"):
        ComputeTarget(ws, "cpu-cluster")


def test_this_machine_needs_no_target(ws: Workspace) -> None:
    for local in (None, "local", LocalTarget()):
        run = Experiment(ws, "e").submit(ScriptRunConfig(".", script="quick.py", compute_target=local))
        run.wait_for_completion()
        assert run.get_details()["target"] == "local"


def test_at_most_max_nodes_runs_at_once_in_the_order_of_submission(ws: Workspace, tmp_path: Path) -> None:
    queue = target(ws, max_nodes=1)
    go = tmp_path / "go"
    first, second, third = (submit(ws, queue, go) for _ in range(3))
    wait_for(lambda: first.get_status() == "Running" and second.get_status() == third.get_status() == "Queued")
    status = queue.get_status()

    assert status.node_state_counts["runningNodeCount"] == status.current_node_count == 1
    assert [node["runId"] for node in queue.list_nodes()] == [first.id]
    assert [run.id for run in queue.get_active_runs()] == [first.id, second.id, third.id]
    go.touch()
    for run in (first, second, third):
        run.wait_for_completion()
    metrics = [run.get_metrics() for run in (first, second, third)]
    assert metrics[0]["end"] <= metrics[1]["start"]
    assert metrics[1]["end"] <= metrics[2]["start"]
    assert second.get_details()["target"] == "cpu-cluster"
    assert [run.id for run in Run.list_by_compute(queue)] == [third.id, second.id, first.id]
    assert queue.list_nodes() == []


def test_two_slots_take_two_runs(ws: Workspace, tmp_path: Path) -> None:
    queue = target(ws, max_nodes=2)
    go = tmp_path / "go"
    runs = [submit(ws, "cpu-cluster", go) for _ in range(3)]
    wait_for(lambda: sorted(run.get_status() for run in runs) == ["Queued", "Running", "Running"])

    queue.update(max_nodes=3)
    wait_for(lambda: [run.get_status() for run in runs] == ["Running"] * 3)
    go.touch()
    for run in runs:
        run.wait_for_completion()


def test_a_run_that_waits_can_be_canceled(ws: Workspace, tmp_path: Path) -> None:
    queue = target(ws, max_nodes=1)
    go = tmp_path / "go"
    first, second, third = (submit(ws, queue, go) for _ in range(3))
    wait_for(lambda: second.get_status() == third.get_status() == "Queued")

    second.cancel()
    wait_for(lambda: [run.id for run in queue.get_active_runs()] == [first.id, third.id])
    go.touch()
    third.wait_for_completion()

    assert [run.get_status() for run in (first, second, third)] == ["Completed", "Canceled", "Completed"]
    assert "start" not in second.get_metrics()


def watching(run: Run) -> psutil.Process:
    """Return the process that watches a run: the parent of its script."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("AZUREML_RUN_ID") == run.id:
                parent = process.parent()
                assert parent is not None
                return parent
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    raise AssertionError(run.id)


def test_kill_9_of_a_watching_process_frees_its_slot(ws: Workspace, tmp_path: Path) -> None:
    queue = target(ws, max_nodes=1)
    go = tmp_path / "go"
    first = submit(ws, queue, go)
    wait_for(lambda: first.get_status() == "Running" and "start" in first.get_metrics())
    second = submit(ws, queue, go)
    wait_for(lambda: second.get_status() == "Queued")

    watcher = watching(first)
    os.kill(watcher.pid, signal.SIGKILL)
    wait_for(lambda: second.get_status() == "Running")
    go.touch()
    second.wait_for_completion()

    assert second.get_status() == "Completed"
    assert [run.id for run in queue.get_active_runs()] == []


def test_kill_9_of_a_waiting_process_gives_its_turn_to_the_next(ws: Workspace, tmp_path: Path) -> None:
    queue = target(ws, max_nodes=1)
    go = tmp_path / "go"
    first = submit(ws, queue, go)
    before = {process.pid for process in psutil.Process().children()}
    second = submit(ws, queue, go)
    [waiting] = {process.pid for process in psutil.Process().children()} - before
    third = submit(ws, queue, go)
    wait_for(lambda: second.get_status() == third.get_status() == "Queued")

    os.kill(waiting, signal.SIGKILL)
    go.touch()
    third.wait_for_completion()

    assert first.get_status() == third.get_status() == "Completed"
    assert "start" not in second.get_metrics()


def test_runs_that_wait_for_a_deleted_target_fail_with_the_reason(ws: Workspace, tmp_path: Path) -> None:
    queue = target(ws, max_nodes=1)
    go = tmp_path / "go"
    first, second = submit(ws, queue, go), submit(ws, queue, go)
    wait_for(lambda: second.get_status() == "Queued")

    queue.delete()
    with pytest.raises(ActivityFailedException, match="'cpu-cluster' was deleted"):
        second.wait_for_completion()
    go.touch()
    first.wait_for_completion()

    assert first.get_status() == "Completed"
