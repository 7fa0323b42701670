"""Scripts that are executed as runs: `Experiment.submit` as v1 did it on the local machine, and `tracklog run`."""

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

from azureml.core import Environment, Experiment, Run, RunConfiguration, ScriptRunConfig, Workspace
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
from azureml.exceptions import ActivityFailedException, ComputeTargetException, ExperimentExecutionException, UserErrorException
from tracklog.errors import NotSupportedError
from tracklog.records import RunStatus, StatusChanged
from tracklog.sdk import details as details_of_runs
from tracklog.sdk import submitted
from tracklog.sdk.recorder import now_ms

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


@pytest.mark.parametrize(("end", "status"), [("cancel", "Canceled"), ("fail", "Failed")])
def test_what_is_ended_before_it_runs_never_does(
    experiment: Experiment, end: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = submitted._start_watching
    held: list[Any] = []  # a watcher that is slow to start, as on a busy machine
    monkeypatch.setattr(submitted, "_start_watching", lambda *given: held.extend(given))
    run = experiment.submit(ScriptRunConfig(".", script="wait.py"))
    getattr(run, end)()
    start(*held)
    deadline = time.monotonic() + 30
    while (submitted._runs_folder() / run.id).exists():  # which the watcher removes as its last act
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert run.wait_for_completion(raise_on_error=False)["status"] == status
    assert run.experiment.workspace.store.log_lines(run.id).lines == []


def test_a_request_to_cancel_is_granted(experiment: Experiment) -> None:
    run = experiment.submit(ScriptRunConfig(".", script="wait.py"))
    wait_until_running(run)
    run._recording().add(StatusChanged(RunStatus.CANCEL_REQUESTED, now_ms()))  # as the server does for its clients

    assert run.wait_for_completion()["status"] == "Canceled"


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


def test_a_child_is_submitted_by_its_parent_and_logs_to_it(experiment: Experiment, folder: Path) -> None:
    (folder / "child.py").write_text(
        "from azureml.core import Run\nrun = Run.get_context()\nassert run.parent is run.parent\n"
        "for i in range(3): run.parent.log('of the child', i)\nrun.parent.tag('told', 'yes')\nrun.log('alpha', 2)\n"
    )
    with experiment.start_logging(snapshot_directory=None) as parent:
        child = parent.submit_child(ScriptRunConfig(".", script="child.py"))
        child.wait_for_completion()

    assert child.parent.id == parent.id
    assert parent.get_metrics() == {"of the child": [0, 1, 2]}
    assert parent.get_tags() == {"told": "yes"}
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


def test_the_script_finds_its_folders_and_its_place(experiment: Experiment, folder: Path) -> None:
    """Scripts write to `outputs/` without making it, and read where they are from v1's variables."""
    (folder / "config.json").write_text('{"subscription_id": "s-1", "resource_group": "g-1", "workspace_name": "lab"}')
    (folder / "place.py").write_text(
        "import os\nfrom azureml.core import Run\nopen('outputs/m.txt', 'w').write('m'); open('logs/l.txt', 'w').write('l')\n"
        "run = Run.get_context(allow_offline=False); ws = run.experiment.workspace\n"
        "for name in ('SUBSCRIPTION', 'RESOURCEGROUP', 'WORKSPACE_NAME', 'PROJECT_NAME'):\n"
        "    run.log(name, os.environ['AZUREML_ARM_' + name])\n"
        "run.log('workspace', ' '.join([ws.subscription_id, ws.resource_group, ws.name]))\n"
    )
    experiment = Experiment(Workspace.from_config(), "submitted")
    environment = Environment("secretive")
    environment.environment_variables = {"PASSWORD": "hush"}
    run = experiment.submit(ScriptRunConfig(".", script="place.py", arguments=["--n", 1], environment=environment))

    details = run.wait_for_completion()

    assert {"outputs/m.txt", "logs/l.txt"} <= set(run.get_file_names())
    assert run.get_metrics() == {
        "SUBSCRIPTION": "s-1",
        "RESOURCEGROUP": "g-1",
        "WORKSPACE_NAME": "lab",
        "PROJECT_NAME": "submitted",
        "workspace": "s-1 g-1 lab",
    }
    definition = details["runDefinition"]
    assert (definition["script"], definition["arguments"], definition["target"]) == ("place.py", ["--n", "1"], "local")
    assert definition["environment"]["environmentVariables"] == {"PASSWORD": "***"}
    assert "hush" not in str(details)
    assert run.get_environment().name == "secretive"


def test_what_a_run_printed_is_one_of_its_files(experiment: Experiment, tmp_path: Path) -> None:
    run = experiment.submit(ScriptRunConfig(".", script="train.py", arguments=["--alpha", 1]))
    details = run.wait_for_completion()

    assert "user_logs/std_log.txt" in run.get_file_names()
    assert "user_logs/std_log.txt" in details["logFiles"]
    for name in ("user_logs/std_log.txt", "azureml-logs/70_driver_log.txt"):
        assert "training with 1.0" in run.download_file(name, tmp_path / "log.txt").read_text()
    assert "training with 1.0" in run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]
    assert any(path.endswith("std_log.txt") for path in run.get_all_logs(str(tmp_path / "logs")))


def test_logs_are_kept_while_the_script_runs(experiment: Experiment, folder: Path) -> None:
    run = Run.begin(experiment, capture=False)
    watched = submitted._WatchedFolders(run, folder, ["logs"], since_ms=0)
    (folder / "logs").mkdir()
    log = folder / "logs" / "events.txt"
    log.write_text("one")
    watched.look()
    first = run.get_file_names()
    log.write_text("one, two")
    (folder / "logs" / "bad\nname").touch()
    watched.keep()
    run.complete()

    assert first == ["logs/events.txt"]
    assert run.download_file("logs/events.txt", folder / "read.txt").read_text() == "one, two"
    assert "is not kept" in run.experiment.workspace.store.log_lines(run.id).lines[0].text


def test_several_processes_of_a_job_share_a_run(experiment: Experiment, folder: Path) -> None:
    (folder / "ranks.py").write_text(
        "import os, sys\nfrom azureml.core import Run\nrank = int(os.environ['RANK'])\nprint('I am', rank)\n"
        "Run.get_context().log('of rank %d' % rank, int(os.environ['WORLD_SIZE']))\n"
        "if len(sys.argv) > 1 and rank == 1: sys.exit('rank 1 is ill')\n"
        "if len(sys.argv) > 1: import time; time.sleep(60)\n"
    )
    job = PyTorchConfiguration(process_count=2, node_count=2)
    run = experiment.submit(ScriptRunConfig(".", script="ranks.py", distributed_job_config=job))
    run.wait_for_completion()
    ill = experiment.submit(ScriptRunConfig(".", script="ranks.py", arguments=["ill"], distributed_job_config=job))

    details = ill.wait_for_completion(raise_on_error=False)

    assert run.get_metrics() == {"of rank 0": 2, "of rank 1": 2}
    lines = {(line.rank, line.text) for line in run.experiment.workspace.store.log_lines(run.id).lines}
    assert {(0, "I am 0"), (1, "I am 1")} <= lines
    assert "[rank 1] I am 1\n" in run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]
    assert details["error"]["error"]["message"] == "rank 1 is ill (exit code 1)"


def test_workers_of_tensorflow_know_each_other_and_servers_end_with_them(experiment: Experiment, folder: Path) -> None:
    (folder / "task.py").write_text(
        "import json, os, time\nfrom azureml.core import Run\nconfig = json.loads(os.environ['TF_CONFIG'])\n"
        "kind = config['task']['type']\nRun.get_context().log(kind, len(config['cluster']['worker']))\n"
        "if kind == 'ps': time.sleep(60)\n"
    )
    job = TensorflowConfiguration(worker_count=2, parameter_server_count=1)
    run = experiment.submit(ScriptRunConfig(".", script="task.py", distributed_job_config=job))

    assert run.wait_for_completion()["status"] == "Completed"
    assert run.get_metrics()["worker"] == [2, 2]


def test_processes_of_mpi_need_its_launcher(experiment: Experiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = ScriptRunConfig(".", script="train.py", distributed_job_config=MpiConfiguration(process_count_per_node=2))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotSupportedError, match="no `mpirun` on PATH") as refused:
        experiment.submit(config)
    assert "PyTorchConfiguration(process_count=2)" in refused.value.message
    launcher = tmp_path / "mpirun"
    launcher.write_text('#!/bin/sh\necho "launched $@"\n')
    launcher.chmod(0o755)
    run = experiment.submit(config)
    run.wait_for_completion()

    [line] = run.experiment.workspace.store.log_lines(run.id).lines
    assert line.text.startswith("launched -n 2 ")
    assert line.text.endswith("train.py")


def watcher_of(run: Run) -> psutil.Process:
    """Return the process that watches the script of a run this process has submitted."""
    children = psutil.Process().children()
    return next(one for one in children if any(run.id in " ".join(child.environ().values()) for child in one.children()))


def test_a_script_outlives_the_process_that_watches_it(experiment: Experiment, folder: Path) -> None:
    (folder / "long.py").write_text(
        "import os, time\nfrom azureml.core import Run\nrun = Run.get_context()\nopen('outputs/m.txt', 'w').write('m')\n"
        "while not os.path.exists(os.environ['GO']):\n    run.log('n', 1); print('still here', flush=True); time.sleep(0.05)\n"
    )
    environment = Environment("e")
    environment.environment_variables = {"GO": str(folder / "go")}
    run = experiment.submit(ScriptRunConfig(".", script="long.py", environment=environment))
    while "n" not in run.get_metrics():
        time.sleep(0.05)
    watcher_of(run).kill()
    time.sleep(0.5)  # the script prints on
    (folder / "go").touch()

    details = run.wait_for_completion()

    assert details["status"] == "Completed"
    assert "outputs/m.txt" in run.get_file_names()


def test_a_script_that_is_killed_keeps_what_it_logged(experiment: Experiment, folder: Path) -> None:
    (folder / "long.py").write_text(
        "import os, signal\nfrom azureml.core import Run\nrun = Run.get_context()\n"
        "for i in range(1000): run.log('n', i)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = experiment.submit(ScriptRunConfig(".", script="long.py"))

    details = run.wait_for_completion(raise_on_error=False)

    assert details["error"]["error"]["message"] == "The script ended with signal 9."
    assert run.get_metrics()["n"] == list(range(1000))


def test_waiting_for_a_run_nobody_hears_of_ends(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(details_of_runs, "_LOST_S", 0.3)
    monkeypatch.setattr(Run, "get_status", lambda run: "NotResponding")
    run = Run.begin(experiment, capture=False)
    run.complete()

    with pytest.raises(ExperimentExecutionException, match="Nothing has been heard"):
        run.wait_for_completion()


def test_ctrl_c_ends_the_waiting_and_not_the_run(experiment: Experiment, folder: Path) -> None:
    run = experiment.submit(ScriptRunConfig(".", script="wait.py"))
    waits = (
        "from azureml.core import *\nfrom azureml.exceptions import *\n"
        f"run = Run(Experiment(Workspace.from_config(), 'submitted'), {run.id!r})\n"
        "try: run.wait_for_completion(show_output=True)\n"
        "except ExperimentExecutionException as e: print('interrupted:', e.message)\n"
    )
    waiting = subprocess.Popen(
        [sys.executable, "-c", waits],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert waiting.stdout is not None
    while "waiting" not in waiting.stdout.readline():
        assert waiting.poll() is None
    waiting.send_signal(signal.SIGINT)
    said = waiting.stdout.read()
    waiting.stdout.close()

    assert waiting.wait(20) == 0
    assert "interrupted:" in said
    assert "goes on" in said
    assert run.get_status() == "Running"
    run.cancel()
    run.wait_for_completion()


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
