"""Whole scripts as people have them, run as people run them: bare, by `tracklog run`, submitted; into a folder and a server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from azureml.core import Experiment, Run, ScriptRunConfig, Workspace
from tests.servers import serve
from tracklog.storage import RunQuery

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("served")) as running:
        yield running.url


@pytest.fixture(params=["folder", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a workspace, both kinds in turn; the test runs in a folder with all scripts."""
    uri = str(tmp_path / "workspace") if request.param == "folder" else request.getfixturevalue("server")
    folder = tmp_path / "project"
    shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("TRACKLOG_URI", uri)
    monkeypatch.chdir(folder)
    return uri


def run(*command: str) -> str:
    """Run a command line of Python; return what it printed."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def newest(uri: str) -> Run:
    workspace = Workspace(uri)
    return Run.from_info(workspace, next(workspace.find_runs(RunQuery())))


def check_ridge(sweep: Run) -> None:
    metrics = sweep.get_metrics()
    assert metrics["alpha"] == pytest.approx(np.arange(0.0, 1.0, 0.05))
    assert len(metrics["mse"]) == 20
    best = round(metrics["alpha"][np.argmin(metrics["mse"])], 2)
    assert f"outputs/ridge_{best:.2f}.pkl" in sweep.get_file_names()
    assert sweep.get_status() == "Completed"


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_sweep_by_python_itself(place: str) -> None:
    run("ridge.py")

    sweep = newest(place)
    check_ridge(sweep)
    assert sweep.id.startswith("OfflineRun_")


@pytest.mark.parametrize("place", ["server"], indirect=True)
def test_a_sweep_by_tracklog_run(place: str) -> None:
    printed = run("-m", "tracklog", "run", "-e", "sweep", "ridge.py")

    sweep = newest(place)
    check_ridge(sweep)
    assert sweep.id.startswith("sweep_")
    assert "alpha is 0.95, and mse is" in printed
    assert not Path("logs").exists()


def test_a_sweep_that_is_submitted(place: str) -> None:
    experiment = Experiment(Workspace.from_config(), "submitted-sweep")
    sweep = experiment.submit(ScriptRunConfig(source_directory=".", script="ridge.py"))
    sweep.wait_for_completion()

    check_ridge(sweep)
    assert not Path("outputs").exists()
    model = sweep.register_model(model_name="best_ridge_model", model_path="./outputs/ridge_0.40.pkl")
    assert (model.name, model.version) == ("best_ridge_model", 1)


def test_the_tour_of_the_logging_api(place: str) -> None:
    assert "the tour is over" in run("tour.py")


def test_runs_are_managed(place: str) -> None:
    assert "managed" in run("manage.py")


def test_ten_runs_are_read_back(place: str) -> None:
    assert "best:" in run("first_experiment.py")


STOPPED = """
import os, time
from azureml.core import Experiment, Workspace
run = Experiment(Workspace.from_config(), "stopped").start_logging()
for i in range(100):
    run.log("loss", i)
run.flush()
print("half", flush=True)
input()
for i in range(100, 200):
    run.log("loss", i)
run.log_row("row", a=1, b="x")
run.log_confusion_matrix("matrix", [[1, 0], [0, 1]])
run.upload_file("note.txt", __file__)
run.tag("after", "the stop")
run.add_properties({"author": "me"})
began = time.monotonic()
with run.child_run() as child:
    child.log("n", 1)
run.complete()
print("done", time.monotonic() - began, flush=True)
"""


@pytest.mark.parametrize("who", ["sync", "the next run"])
def test_a_server_that_stops_does_not_hold_a_run_up_and_gets_it_later(
    who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("script.py").write_text(STOPPED)
    with serve(tmp_path / "served") as running:
        monkeypatch.setenv("TRACKLOG_URI", running.url)
        script = subprocess.Popen(
            [sys.executable, "script.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert script.stdout is not None
        assert script.stdout.readline() == "half\n"
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
    out, err = script.communicate("go\n", timeout=60)

    assert script.returncode == 0, err
    assert float(out.split()[1]) < 12, out  # a second a run, and the work of a loaded machine
    port = int(running.url.rpartition(":")[2])
    with serve(tmp_path / "served", port) as again:
        if who == "sync":
            run("-m", "tracklog", "sync")
        else:
            run("-c", "import tracklog; tracklog.start_run('next', capture=False).complete()")
        workspace = Workspace(again.url)
        [stopped] = workspace.experiments["stopped"].get_runs()
        metrics = stopped.get_metrics()
        assert metrics["loss"] == list(range(200))
        assert metrics["row"] == {"a": 1, "b": "x"}
        assert {"note.txt", "matrix"} <= set(stopped.get_file_names())
        assert (stopped.get_tags(), stopped.get_status()) == ({"after": "the stop"}, "Completed")
        assert stopped.get_properties()["author"] == "me"
        assert [child.get_metrics() for child in stopped.get_children()] == [{"n": 1}]


NOWHERE = """
import io, os, time
import numpy as np
from azureml.core import Run
run = Run.get_context()
for i in range(1000):
    run.log("loss", i)
run.log_list("list", [1, 2]); run.log_row("row", a=1); run.log_table("table", {"a": [1, 2]})
run.log_image("image", plot=np.zeros((4, 4))); run.log_residuals("residuals", {"bin_edges": [0, 1], "bin_counts": [1]})
run.upload_file("f", io.BytesIO(b"x")); run.upload_folder("folder", ".")
run.tag("a", "b"); run.add_properties({"c": "d"}); run.take_snapshot(".")
for child in run.create_children(count=2):
    child.log("n", 1); child.complete()
run.flush(timeout_seconds=1)
run.complete()
print("trained")
"""


def test_a_workspace_that_cannot_be_written_does_not_stop_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("script.py").write_text(NOWHERE)
    Path("file").touch()
    environment = {**os.environ, "TRACKLOG_URI": str(tmp_path / "file" / "workspace"), "TRACKLOG_QUIET": "0"}

    done = subprocess.run([sys.executable, "script.py"], env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "trained\n"
    assert "what is left is lost" in done.stderr, "and says so"
    assert "Nothing is lost" not in done.stderr
