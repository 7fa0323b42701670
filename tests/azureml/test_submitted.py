"""Scripts that are executed as runs: `Experiment.submit` as v1 did it on the local machine, and `tracklog run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from azureml.core import Environment, Experiment, Run, RunConfiguration, ScriptRunConfig, Workspace
from azureml.core.conda_dependencies import CondaDependencies
from azureml.exceptions import ActivityFailedException, ComputeTargetException, ExperimentExecutionException, UserErrorException

TRAIN = """
import argparse, os, sys
from azureml.core import Run, Workspace
run = Run.get_context()
parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float)
alpha = parser.parse_args().alpha
print("training with", alpha)
print("a warning", file=sys.stderr)
run.log("alpha", alpha)
for step in range(3):
    run.log("mse", alpha / (step + 1))
os.makedirs("outputs", exist_ok=True)
open("outputs/model.txt", "w").write(str(alpha))
os.makedirs("logs", exist_ok=True)
open("logs/own.log", "w").write("mine")
assert os.environ["AZUREML_RUN_ID"] == run.id
assert Workspace.from_config().name
run.complete()
run.tag("after", "complete")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text(TRAIN)
    (source / "wait.py").write_text("import time\nprint('waiting', flush=True)\ntime.sleep(120)\n")
    (source / "fail.py").write_text("import sys\nprint('before')\nraise ValueError('no such data')\n")
    monkeypatch.setenv("TRACKLOG_URI", str(tmp_path / "workspace"))
    monkeypatch.chdir(source)
    return source


@pytest.fixture
def experiment(folder: Path) -> Experiment:
    return Experiment(Workspace.from_config(), "submitted")


def wait_until_running(run: Run) -> None:
    deadline = time.monotonic() + 30
    while run.get_status() in ("NotStarted", "Starting", "Preparing", "Queued"):
        assert time.monotonic() < deadline, run.get_status()
        time.sleep(0.05)


def test_a_submitted_script_is_a_run_with_its_output_files_and_arguments(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    run = experiment.submit(ScriptRunConfig(".", script="train.py", arguments=["--alpha", 0.5]), tags={"kind": "ridge"})

    details = run.wait_for_completion(show_output=True)
    printed = capsys.readouterr().out

    assert run.get_status() == "Completed"
    assert run.id.startswith("submitted_")
    assert run.type == "azureml.scriptrun"
    metrics = run.get_metrics()
    assert metrics["alpha"] == 0.5
    assert metrics["mse"] == [0.5, 0.25, pytest.approx(0.5 / 3)]
    assert {"outputs/model.txt", "logs/own.log"} <= set(run.get_file_names())
    assert run.get_tags() == {"kind": "ridge", "after": "complete"}
    assert details["runDefinition"]["script"] == "train.py"
    assert details["runDefinition"]["arguments"] == ["--alpha", "0.5"]
    heads = [line for line in printed.splitlines() if line]
    assert heads[0] == f"RunId: {run.id}"
    assert heads[1].startswith("Web View: ")
    assert heads[2].startswith("Streaming ")
    assert heads[3] == "=" * (len(heads[2].removeprefix("Streaming ")) + 10)
    assert "training with 0.5" in heads
    end = heads.index("Execution Summary")
    assert heads[end + 1] == "================="
    assert heads[end + 2] == f"RunId: {run.id}"


def test_one_configuration_is_submitted_again_and_again(experiment: Experiment, folder: Path) -> None:
    config = ScriptRunConfig(str(folder), script="train.py")
    runs = []
    for alpha in (0.1, 0.2):
        config.arguments = ["--alpha", alpha]
        runs.append(experiment.submit(config))
    config.arguments = ["--alpha", 9]
    for run in runs:
        run.wait_for_completion()

    assert [run.get_metrics()["alpha"] for run in runs] == [0.1, 0.2]
    assert [run.id for run in experiment.get_runs()] == [run.id for run in reversed(runs)]


def test_changes_of_the_folder_after_submitting_do_not_matter(experiment: Experiment, folder: Path, tmp_path: Path) -> None:
    run = experiment.submit(ScriptRunConfig(str(folder), script="train.py", arguments=["--alpha", 1]))
    (folder / "train.py").write_text("raise SystemExit(3)")
    run.wait_for_completion()

    restored = Path(run.restore_snapshot(path=str(tmp_path / "restored")))

    assert run.get_status() == "Completed"
    assert not (folder / "outputs").exists()
    assert (restored / "train.py" if restored.is_dir() else restored).exists()


def test_a_failing_script_fails_its_run_with_its_own_words(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    run = experiment.submit(ScriptRunConfig(".", script="fail.py"))

    with pytest.raises(ActivityFailedException, match="no such data"):
        run.wait_for_completion(show_output=True)
    details = run.wait_for_completion(raise_on_error=False)

    assert details["status"] == "Failed"
    assert "no such data" in str(details["error"])
    assert "Traceback" in capsys.readouterr().out


def test_cancel_ends_the_script(experiment: Experiment) -> None:
    run = experiment.submit(ScriptRunConfig(".", script="wait.py"))
    wait_until_running(run)

    run.cancel()
    run.wait_for_completion(raise_on_error=False)

    assert run.get_status() == "Canceled"


def test_fail_on_a_submitted_run_keeps_what_was_said(experiment: Experiment) -> None:
    run = experiment.submit(ScriptRunConfig(".", script="wait.py"))
    wait_until_running(run)

    run.fail(error_details="bad data", error_code="Mine")

    assert run.get_status() == "Failed"
    time.sleep(2.5)  # the watcher sees it, and must not say otherwise
    assert run.get_details()["error"]["error"]["message"] == "bad data"


def test_a_run_longer_than_allowed_is_canceled(experiment: Experiment) -> None:
    run = experiment.submit(ScriptRunConfig(".", script="wait.py", max_run_duration_seconds=1))
    run.wait_for_completion(raise_on_error=False)

    assert run.get_status() == "Canceled"


def test_a_child_is_submitted_by_its_parent(experiment: Experiment) -> None:
    with experiment.start_logging(snapshot_directory=None) as parent:
        child = parent.submit_child(ScriptRunConfig(".", script="train.py", arguments=["--alpha", 2]))
        child.wait_for_completion()

    assert child.parent.id == parent.id
    assert [run.id for run in parent.get_children()] == [child.id]
    assert parent.get_metrics(recursive=True)[child.id]["alpha"] == 2


def test_variables_of_the_configuration_and_commands_reach_the_process(experiment: Experiment) -> None:
    environment = Environment("mine")
    environment.environment_variables = {"COLOUR": "blue"}
    run = experiment.submit(ScriptRunConfig(".", command=["echo", "it is $COLOUR"], environment=environment))
    run.wait_for_completion()

    assert "it is blue" in [line.text for line in run.experiment.workspace.store.log_lines(run.id).lines]


@pytest.mark.parametrize(
    ("config", "error", "says"),
    [
        (lambda: ScriptRunConfig(".", script="missing.py"), ExperimentExecutionException, "missing.py"),
        (lambda: ScriptRunConfig("nowhere", script="train.py"), ExperimentExecutionException, "nowhere"),
        (lambda: ScriptRunConfig(".", script="train.py", compute_target="gpu"), ComputeTargetException, "'gpu'"),
        (lambda: "train.py", UserErrorException, "ScriptRunConfig"),
    ],
)
def test_what_cannot_be_submitted_says_so_and_makes_no_run(
    experiment: Experiment, config: object, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        experiment.submit(config())  # type: ignore[operator]

    assert list(experiment.get_runs()) == []


def test_settings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute"):
        RunConfiguration().enviroment = None
    with pytest.raises(AttributeError, match="has no attribute"):
        Environment("e").docker.use_docker = True


def test_a_run_configuration_is_saved_and_loaded(tmp_path: Path) -> None:
    config = RunConfiguration(conda_dependencies=CondaDependencies.create(pip_packages=["numpy==1.26"], conda_packages=["pip"]))
    config.environment.environment_variables = {"snake_case": "Kept"}
    config.save(str(tmp_path), name="mine")

    loaded = RunConfiguration.load(str(tmp_path), name="mine")

    assert (tmp_path / ".azureml" / "mine.runconfig").is_file()
    assert list(loaded.environment.python.conda_dependencies.pip_packages) == ["numpy==1.26"]
    assert loaded.environment.environment_variables == {"snake_case": "Kept"}


def tracklog(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tracklog", "run", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_tracklog_run_makes_a_script_a_submitted_run(experiment: Experiment, folder: Path) -> None:
    done = tracklog("-e", "submitted", "-t", "kind=cli", "train.py", "--alpha", "4", cwd=folder)

    assert done.returncode == 0, done.stderr
    assert "training with 4.0" in done.stdout
    [run] = experiment.get_runs()
    assert run.get_metrics()["alpha"] == 4
    assert not run.id.startswith("OfflineRun")
    assert run.get_tags()["kind"] == "cli"
    assert {"outputs/model.txt", "logs/own.log"} <= set(run.get_file_names())
    lines = [(line.stream, line.text) for line in experiment.workspace.store.log_lines(run.id).lines]
    assert ("stdout", "training with 4.0") in lines
    assert ("stderr", "a warning") in lines


def test_tracklog_run_ends_as_its_script_does(experiment: Experiment, folder: Path) -> None:
    (folder / "exit.py").write_text("raise SystemExit(3)")

    assert tracklog("-e", "submitted", "exit.py", cwd=folder).returncode == 3
    assert tracklog("-e", "submitted", "fail.py", cwd=folder).returncode == 1
    missing = tracklog("-e", "submitted", "missing.py", cwd=folder)
    assert missing.returncode != 0
    assert "missing.py" in missing.stderr

    assert [run.get_status() for run in experiment.get_runs()] == ["Failed", "Failed"]


def test_ctrl_c_cancels_what_tracklog_run_started(experiment: Experiment, folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tracklog", "run", "-e", "submitted", "wait.py"],
        cwd=folder,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    while "waiting" not in process.stdout.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does

    assert process.wait(30) == 130
    process.stdout.close()
    [run] = experiment.get_runs()
    assert run.get_status() == "Canceled"
