"""The run history API by its Azure ML v1 names: what a script that logs and reads back depends on."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tracklog import Experiment, Run, Workspace
from tracklog.errors import ConflictError, InvalidTypeError, InvalidValueError
from tracklog.records import LogLine, LogLines
from tracklog.sdk import snapshot
from tracklog.sdk.exceptions import ActivityFailedException, RunEnvironmentException, SnapshotException

CHARTS = {
    "log_confusion_matrix": {"class_labels": ["a", "b"], "matrix": np.array([[3, 1], [0, 4]])},
    "log_residuals": {"schema_type": "residuals", "data": {"bin_edges": [0, 1, 2], "bin_counts": [5, np.int64(6)]}},
    "log_predictions": '{"data": {"bin_averages": [1.0]}}',
    "log_accuracy_table": {"data": {"probability_tables": np.zeros((1, 2, 4))}},
}


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setenv("TRACKLOG_CAPTURE", "none")
    monkeypatch.chdir(tmp_path)
    return Experiment(Workspace(tmp_path / "workspace"), "history")


@pytest.fixture
def run(experiment: Experiment) -> Iterator[Run]:
    with Run.begin(experiment, capture=False) as started:
        yield started


@pytest.mark.parametrize("method", CHARTS)
def test_a_chart_is_a_file_and_its_address_the_metric(run: Run, method: str) -> None:
    getattr(run, method)("chart of mine", CHARTS[method])
    getattr(run, method)("chart of mine", {"again": 1})

    address = run.get_metrics()["chart of mine"]
    populated = run.get_metrics("chart of mine", populate=True)["chart of mine"].convert()

    assert address == f"aml://artifactId/ExperimentRun/dcid.{run.id}/chart of mine"
    expected = CHARTS[method]
    plain = json.loads(expected) if isinstance(expected, str) else json.loads(json.dumps(expected, default=lambda v: v.tolist()))
    assert populated == plain
    assert run.get_file_names() == ["chart of mine", "chart of mine.1"]


def test_a_chart_refuses_what_is_no_json(run: Run) -> None:
    with pytest.raises(InvalidValueError, match="no JSON"):
        run.log_residuals("r", "{bad")
    with pytest.raises(InvalidTypeError, match="Expected a dict"):
        run.log_residuals("r", 5)

    assert run.get_metrics() == {}


def test_properties_are_added_and_never_change(run: Run) -> None:
    run.add_properties({"author": "me", "n": 3})
    run.add_properties({"author": "me"})
    with pytest.raises(ConflictError, match="never change"):
        run.add_properties({"other": "x", "author": "you"})

    assert run.get_properties() == {"author": "me", "n": "3"}


def test_tags_become_text(run: Run) -> None:
    run.tag("My Favorite Run")
    run.tag("Competition Rank", 1)
    run.set_tags({"a": None, "b": 2.5})
    run.remove_tags(["b"])

    assert run.get_tags() == run.tags == {"My Favorite Run": None, "Competition Rank": "1", "a": None}


def test_children_are_found_by_what_they_have(run: Run) -> None:
    numbered = run.create_children(count=3)
    tagged = run.create_children(tag_key="fold", tag_values=[7, 8])
    grandchild = tagged[0].child_run()
    for child in (grandchild, *numbered, *tagged):
        child.log(name="Hello from child run ", value=1)
        child.add_properties({"even": child is numbered[0]})
        child.complete()

    assert [child.id for child in run.get_children(tags={"fold": 8})] == [tagged[1].id]
    assert {child.id for child in run.get_children(tags="azureml.batch_child_number")} == {child.id for child in numbered}
    assert [child.id for child in run.get_children(properties={"even": True})] == [numbered[0].id]
    assert len(list(run.get_children(recursive=True))) == 6
    assert len(list(run.get_children(status="Completed"))) == 5
    assert run.get_metrics(recursive=True)[grandchild.id] == {"Hello from child run ": 1}
    assert run.id not in run.get_metrics(recursive=True)
    assert grandchild.parent is not None
    assert grandchild.parent.id == tagged[0].id
    for wrong in ({"count": 2, "tag_key": "a"}, {}, {"tag_key": "a"}, {"count": 0}):
        with pytest.raises(InvalidValueError):
            run.create_children(**wrong)


def test_runs_are_listed_by_filters(experiment: Experiment) -> None:
    first, second = (Run.begin(experiment, capture=False, tags={"n": n}) for n in (1, 2))
    child = first.child_run()
    for run in (child, first, second):
        run.complete()

    assert [run.id for run in experiment.get_runs(tags={"n": 2})] == [second.id]
    assert {run.id for run in experiment.get_runs()} == {first.id, second.id}
    assert {run.id for run in Run.list(experiment, include_children=True)} == {first.id, second.id, child.id}
    assert Run.get(experiment.workspace, second.id).tags == {"n": "2"}
    with pytest.raises(InvalidValueError, match="Known"):
        list(Run.list(experiment, status="Done"))
    with pytest.raises(InvalidTypeError):
        list(Run.list(experiment, tags=["n"]))


def test_files_go_up_and_come_down_as_they_were(run: Run, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    run.upload_files(["logs/a.txt", "out/b.txt"], ["a.txt", "b.txt"])
    with pytest.raises(TypeError):
        run.upload_files(["a"], ["a.txt", "b.txt"])

    run.download_files(output_directory="all")
    run.download_files(prefix="out", output_directory="cut", append_prefix=False)
    run.download_files(prefix="logs", output_paths=["exact/one.txt"])

    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("all/**/*.txt")) == [
        "all/logs/a.txt",
        "all/out/b.txt",
    ]
    assert (tmp_path / "cut/b.txt").read_text() == "b.txt"
    assert (tmp_path / "exact/one.txt").read_text() == "a.txt"
    with pytest.raises(InvalidValueError, match="Expected one for each"):
        run.download_files(output_paths=["only-one"])


def test_a_provider_makes_runs_of_its_type(experiment: Experiment) -> None:
    class Special(Run):
        pass

    Run.add_type_provider("test.special", lambda found, info: Special(found, info.id))
    with pytest.raises(ValueError, match="provider already"):
        Run.add_type_provider("test.special", lambda found, info: Special(found, info.id))
    run = Run.begin(experiment, capture=False, type="test.special")
    run.complete()

    assert type(Run.get(experiment.workspace, run.id)) is Special
    assert [type(found) for found in experiment.get_runs(type="test.special")] == [Special]


def test_start_logging_keeps_outputs_and_the_source(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)")
    (tmp_path / "secret.env").write_text("token")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "big.csv").write_text("1,2")
    (tmp_path / ".gitignore").write_text("train.py")  # .amlignore wins entirely
    (tmp_path / ".amlignore").write_text("*.env\ndata/\nworkspace/\n")
    run = experiment.start_logging(capture=False)
    Path("outputs", "deep").mkdir()  # the folder was made
    Path("outputs", "deep", "model.pkl").write_bytes(b"weights")
    run.complete()

    again = Run(experiment, run.id)
    archive = again.restore_snapshot(path="restored")

    assert again.get_file_names() == ["outputs/deep/model.pkl"]
    assert Path(archive).name == f"{again.get_snapshot_id()}.zip"
    assert Path(archive).is_absolute()
    with zipfile.ZipFile(archive) as opened:
        assert sorted(opened.namelist()) == [".amlignore", ".gitignore", "train.py"]
    with pytest.raises(SnapshotException, match="has a snapshot already"):
        again.take_snapshot(tmp_path)


def test_a_source_that_is_too_large_is_left_out_with_a_word(
    experiment: Experiment, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKLOG_QUIET", "0")
    experiment = Experiment(Workspace(experiment.workspace.uri), "history")
    for i in range(2001):
        (tmp_path / f"{i}.txt").touch()
    with experiment.start_logging(capture=False, outputs=False) as run:
        pass

    assert run.get_snapshot_id() is None
    assert "more than 2,000 files" in capfd.readouterr().err
    assert not Path("outputs").exists()
    with pytest.raises(SnapshotException, match="no snapshot"):
        run.restore_snapshot()


def test_a_workspace_is_never_read_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a descriptor of a database that this process has locked drops the lock, and other writers then damage it."""
    monkeypatch.chdir(tmp_path)
    experiment = Experiment(Workspace(tmp_path / "runs"), "inside")
    Path("train.py").write_text("print(1)")
    run = experiment.start_logging(capture=False)
    run.flush()
    Path("runs", "note.txt").write_text("below a workspace nothing is looked at")
    asks = "import sqlite3; sqlite3.connect('runs/workspace.db', timeout=0).execute('BEGIN IMMEDIATE')"
    with contextlib.closing(sqlite3.connect("runs/workspace.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert [file.name for file in snapshot.files_of(tmp_path)] == ["train.py"]
        snapshot.write_zip(tmp_path, tmp_path.parent / "source.zip")
        experiment.workspace.get_default_datastore().upload(".", target_path="all", show_progress=False)
        with pytest.raises(InvalidValueError, match="belongs to a workspace"):
            run.upload_file("w.db", "runs/workspace.db")

        refused = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=False)

    assert "database is locked" in refused.stderr
    run.upload_folder("all", ".")
    run.complete()
    assert [name for name in run.get_file_names() if "workspace" in name or "note" in name] == []


def test_files_of_a_folder_that_is_a_workspace_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("print(1)")
    with Experiment(Workspace(tmp_path), "here").start_logging(capture=False):
        pass

    assert [file.name for file in snapshot.files_of(tmp_path)] == [".gitignore", "train.py"]


def test_the_details_of_a_run(experiment: Experiment) -> None:
    run = Run.begin(experiment, capture=False)
    run.add_properties({"author": "me"})
    Path("t.txt").write_text("said\n")
    run.upload_file("logs/t.txt", "t.txt")
    running = run.get_details()
    run.fail("diverged", "Diverged")

    details = run.get_details_with_logs()

    assert "endTimeUtc" not in running
    assert (running["runId"], running["status"], running["properties"]) == (run.id, "Running", {"author": "me"})
    assert details["status"] == "Failed"
    assert details["error"]["error"]["message"] == "diverged"
    assert details["endTimeUtc"].endswith("Z")
    assert details["logFiles"] == {"logs/t.txt": "said\n"}
    assert [Path(path).read_text() for path in run.get_all_logs("kept")] == ["said\n"]
    assert run.get_detailed_status() == {"status": "Failed", "details": "diverged"}


def test_waiting_prints_the_log_and_tells_of_failure(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run.begin(experiment, capture=False)
    with pytest.raises(InvalidValueError, match="complete"):
        run.wait_for_completion()
    run._recording().add(LogLines([LogLine(1, "stdout", "epoch 1"), LogLine(2, "stdout", "epoch 2")]))
    run.fail("diverged")

    details = run.wait_for_completion(show_output=True, raise_on_error=False)

    at = run.get_portal_url()
    assert capsys.readouterr().out.partition("Error:")[0] == (
        f"RunId: {run.id}\nWeb View: {at}\n\nStreaming logs/user_log.txt\n{'=' * 27}\n\nepoch 1\nepoch 2\n\n"
        f"Execution Summary\n=================\nRunId: {run.id}\nWeb View: {at}\n\n"
    )
    assert details["status"] == "Failed"
    with pytest.raises(ActivityFailedException, match="diverged") as failed:
        Run(experiment, run.id).wait_for_completion()
    assert "diverged" in failed.value.message


def _python(code: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "TRACKLOG_URI": str(folder / "workspace"), "TRACKLOG_CAPTURE": "none", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_bare_script_is_recorded_as_an_offline_run(tmp_path: Path) -> None:
    run_id = _python(
        "import os; from tracklog.sdk.run import Run, _OfflineRun\n"
        "run = Run.get_context()\n"
        "assert run is Run.get_context() and type(run) == _OfflineRun and run._run_id.startswith('OfflineRun_')\n"
        "os.makedirs('outputs', exist_ok=True); open('outputs/model', 'w').write('m')\n"
        "run.log('mse', 0.5); run.log('mse', 0.25)\n"
        "with run.child_run('fold') as child: child.log('k', 1)\n"
        "assert child.id == run.id + '.fold'\n"
        "assert run.experiment.workspace.get_run(run.id).get_metrics() == {'mse': [0.5, 0.25]}\n"
        "run.complete(); run.tag('after', 'complete'); print(run.id)",
        tmp_path,
    )

    run = Workspace(tmp_path / "workspace").get_run(run_id)

    assert (run.status, run.tags, run.get_file_names()) == ("Completed", {"after": "complete"}, ["outputs/model"])
    assert run.get_metrics() == {"mse": [0.5, 0.25]}


def test_a_submitted_script_joins_its_run_and_does_not_end_it(experiment: Experiment, tmp_path: Path) -> None:
    submitted = Run.begin(experiment, capture=False, run_id="history_1_abc", type="azureml.scriptrun")
    submitted.flush()
    names = ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME")
    environment = {
        "AZUREML_RUN_ID": submitted.id,
        "AZUREML_ARM_PROJECT_NAME": experiment.name,
        "AZUREML_SERVICE_ENDPOINT": "local",
        "AZUREML_RUN_TOKEN": "none",
        "AZUREML_RUN_TOKEN_EXPIRY": "0",
        **{f"AZUREML_ARM_{name}": "local" for name in names},
    }
    kind = _python(
        "from tracklog.sdk.run import Run\n"
        "with Run.get_context(allow_offline=False) as run:\n    run.log('a', 1)\n"
        "run.complete(); run.log('after', 2); print(type(run).__name__)",
        tmp_path,
        **environment,
    )

    assert kind == "_SubmittedRun"
    assert submitted.get_status() == "Running"
    submitted.complete()
    assert submitted.get_metrics() == {"a": 1, "after": 2}


def test_a_script_that_must_be_submitted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZUREML_RUN_ID", raising=False)
    with pytest.raises(RunEnvironmentException, match="submitted run"):
        Run.get_context(allow_offline=False)


def test_adding_to_a_run_that_was_read_does_not_end_it(experiment: Experiment, tmp_path: Path) -> None:
    running = Run.begin(experiment, capture=False)
    running.flush()
    _python(f"import tracklog; tracklog.get_run({running.id!r}).tag('seen', 'yes')", tmp_path)

    assert running.get_status() == "Running"
    assert running.get_tags() == {"seen": "yes"}
    running.complete()


def test_a_run_shows_itself(run: Run) -> None:
    assert str(run) == f"Run(Experiment: history,\nId: {run.id},\nType: None,\nStatus: Running)"
    run.name = "<b>x</b>"
    assert "<table" in run._repr_html_()
    assert run.id in run._repr_html_()


def test_the_store_knows_a_run_when_start_logging_returns(experiment: Experiment) -> None:
    workspace = experiment.workspace
    run = experiment.start_logging(snapshot_directory=None, outputs=False)

    assert workspace.store.get_run(run.id).status.value == "Running"  # asked without a flush, as an MLflow client would
    run.complete()
