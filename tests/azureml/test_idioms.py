"""Fifteen idioms of public scripts for Azure ML v1, a test each; the numbers are those of the list they were found in."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from azureml.core import Environment, Experiment, Run, ScriptRunConfig, Workspace


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """An experiment; the test runs in an empty folder, with the workspace elsewhere."""
    monkeypatch.setenv("TRACKLOG_URI", str(tmp_path / "workspace"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return Experiment(Workspace.from_config(), "idioms")


def python(script: str, *arguments: str) -> str:
    """Run a script by Python itself; return what it printed."""
    Path("script.py").write_text(textwrap.dedent(script))
    done = subprocess.run([sys.executable, "script.py", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def submitted(experiment: Experiment, script: str, *arguments: object) -> Run:
    """Submit a script and wait for its end."""
    Path("script.py").write_text(textwrap.dedent(script))
    run = experiment.submit(ScriptRunConfig(source_directory=".", script="script.py", arguments=list(arguments)))
    run.wait_for_completion()
    return run


def test_01_the_context_is_asked_for_before_the_arguments_are_read(experiment: Experiment) -> None:
    script = """
        from azureml.core import Run
        run = Run.get_context()
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--reg", type=float, dest="reg", default=0.01)
        args = parser.parse_args()
        run.log("regularization rate", args.reg)
    """
    python(script, "--reg", "0.5")
    run = submitted(experiment, script, "--reg", 0.5)

    [bare] = Workspace.from_config().experiments["project"].get_runs()
    assert bare.get_metrics() == run.get_metrics() == {"regularization rate": 0.5}


def test_02_offline_the_script_starts_a_run_of_its_own(experiment: Experiment) -> None:
    script = """
        import os
        from azureml.core import Experiment, Run, Workspace
        run = Run.get_context()
        if run.id.startswith("OfflineRun"):
            ws = Workspace.from_config()
            run = Experiment(workspace=ws, name="own").start_logging()
        else:
            ws = run.experiment.workspace
        run.log("accuracy", 0.9)
        os.makedirs("outputs", exist_ok=True)
        open("outputs/model.txt", "w").write("m")
        run.complete()
        print(ws.name)
    """
    python(script)
    online = submitted(experiment, script)

    workspace = Workspace.from_config()
    [own] = workspace.experiments["own"].get_runs()
    assert own.get_metrics() == online.get_metrics() == {"accuracy": 0.9}
    assert "outputs/model.txt" in own.get_file_names()
    left = [run.id for one in workspace.experiments.values() for run in one.get_runs() if run.id.startswith("OfflineRun")]
    assert left == [], "an offline run with nothing in it is of no use to anybody"


def test_02_an_offline_run_that_was_used_stays(experiment: Experiment) -> None:
    python(
        """
        from azureml.core import Experiment, Run, Workspace
        offline = Run.get_context()
        own = Experiment(Workspace.from_config(), "own").start_logging()
        offline.log("a", 1); own.log("b", 2)
        """
    )

    workspace = Workspace.from_config()
    found = {run.id[:10]: run.get_metrics() for one in workspace.experiments.values() for run in one.get_runs()}
    assert found.pop("OfflineRun") == {"a": 1}
    assert list(found.values()) == [{"b": 2}]


def test_03_more_is_done_after_complete(experiment: Experiment) -> None:
    run = submitted(
        experiment,
        """
        from azureml.core import Run
        run = Run.get_context()
        run.log("before", 1)
        open("outputs/model.pkl", "w").write("weights")
        run.complete()
        run.log("after", 2)
        model = run.register_model(model_name="late", model_path="outputs/model.pkl")
        print(model.name, model.version)
        """,
    )

    assert run.get_metrics() == {"before": 1, "after": 2}
    assert experiment.workspace.models["late"].version == 1


def test_04_every_batch_is_logged(experiment: Experiment) -> None:
    run = submitted(
        experiment,
        """
        from azureml.core import Run
        run = Run.get_context()
        for batch in range(30_000):
            run.log("loss", 1 / (batch + 1))
        """,
    )

    assert run.get_metrics()["loss"] == [1 / (batch + 1) for batch in range(30_000)]


def test_05_names_are_what_people_write(experiment: Experiment) -> None:
    names = ["two words", "Label:1", "train/loss", "acc@5", "Hello from child run ", "Genauigkeit für 日本", "a\\b", "50%", "<b>"]
    with experiment.start_logging(snapshot_directory=None) as run:
        for name in names:
            run.log(name, 1)
            run.log_row(f"row {name}", **{name: 2})
            run.log_image(f"image {name}", plot=np.zeros((2, 2)))
            run.log_confusion_matrix(f"matrix {name}", {"class_labels": ["a"], "matrix": [[1]]})
            run.tag(name, name)

    metrics = Run(experiment, run.id).get_metrics()
    for name in names:
        assert metrics[name] == 1
        assert metrics[f"row {name}"] == {name: 2}
        for kind in ("image", "matrix"):
            path = metrics[f"{kind} {name}"].removeprefix(f"aml://artifactId/ExperimentRun/dcid.{run.id}/")
            assert path in run.get_file_names()
    assert run.get_tags() == {name: name for name in names}


def test_06_values_are_wrapped_by_numpy(experiment: Experiment) -> None:
    with experiment.start_logging(snapshot_directory=None) as run:
        run.log("accuracy", np.float64(0.5))
        run.log("correct", (np.array([1, 2]) == 1).sum())
        run.log("best", np.argmax([1, 3, 2]))
        run.log_list("ages", np.array([3, 1, 2]))
        run.log_list("losses", np.array([0.5, 0.25]))

    metrics = run.get_metrics()
    assert metrics == {"accuracy": 0.5, "correct": 1, "best": 1, "ages": [3, 1, 2], "losses": [0.5, 0.25]}
    assert type(metrics["accuracy"]) is float
    assert type(metrics["correct"]) is type(metrics["ages"][0]) is int


def test_07_one_configuration_with_a_changed_environment(experiment: Experiment) -> None:
    Path("script.py").write_text("import os\nfrom azureml.core import Run\nRun.get_context().log('n', os.environ['N'])\n")
    config = ScriptRunConfig(source_directory=".", script="script.py", environment=Environment("first"))
    runs = []
    for number in ("one", "two"):
        changed = Environment(number)
        changed.environment_variables = {"N": number}
        config.run_config.environment = changed
        runs.append(experiment.submit(config))
    for run in runs:
        run.wait_for_completion()

    assert [run.get_metrics()["n"] for run in runs] == ["one", "two"]
    assert [run.get_environment().name for run in runs] == ["one", "two"]


def test_08_whatever_goes_wrong_is_printed(experiment: Experiment) -> None:
    printed = python(
        """
        from azureml.core import Experiment, Workspace
        run = Experiment(Workspace.from_config(), "e").start_logging(snapshot_directory=None)
        run.upload_file("outputs/other.pkl", __file__)
        for call in (
            lambda: run.register_model(model_name="m", model_path="outputs/missing.pkl"),
            lambda: run.download_file("outputs/missing.pkl"),
            lambda: run.upload_file("a", "missing.pkl"),
        ):
            try:
                call()
            except Exception as ex:
                print(ex)
                print(ex.message)
        run.complete()
        """
    )

    assert printed.count("outputs/other.pkl") >= 2, "a message lists what there is"
    assert printed.count("missing.pkl") >= 6


def test_09_metrics_of_all_runs_are_read_in_a_loop(experiment: Experiment) -> None:
    for n in range(3):
        run = experiment.start_logging(snapshot_directory=None)
        run.log("rmse", n)
        run.complete()

    rmse = {}
    for run in experiment.get_runs():
        rmse[run.get_details()["runId"]] = run.get_metrics()["rmse"]

    assert list(rmse.values()) == [2, 1, 0]
    newest = list(experiment.get_runs())[0]  # noqa: RUF015  # as it is written everywhere
    assert newest.id in rmse
    assert newest.get_metrics() == {"rmse": 2}


def test_10_the_arguments_are_read_from_the_details(experiment: Experiment) -> None:
    run = submitted(experiment, "print(1)", "--kernel", "rbf", "--penalty", 0.5)

    assert run.get_details()["runDefinition"]["arguments"] == ["--kernel", "rbf", "--penalty", "0.5"]


def test_11_a_run_is_printed_and_shown_by_a_notebook(experiment: Experiment) -> None:
    with experiment.start_logging(snapshot_directory=None) as run:
        assert str(run) == f"Run(Experiment: idioms,\nId: {run.id},\nType: None,\nStatus: Running)"
    html = run._repr_html_()
    for heading in ("Experiment", "Id", "Type", "Status", "Details Page", "Docs Page"):
        assert f"<th>{heading}</th>" in html
    assert f'href="{run.get_portal_url()}"' in html
    assert "See " + run.get_portal_url(), "text, whether a portal runs or not"


def test_12_a_run_is_opened_by_its_id(experiment: Experiment) -> None:
    with experiment.start_logging(snapshot_directory=None) as run:
        run.log("a", 1)

    assert Run(experiment=experiment, run_id=run.id).get_metrics() == {"a": 1}
    with pytest.raises(Exception, match="nothing-such"):
        Run(experiment=experiment, run_id="nothing-such")


def test_13_a_submitted_script_opens_its_workspace(experiment: Experiment) -> None:
    run = submitted(
        experiment,
        """
        from azureml.core import Experiment, Run, Workspace
        run = Run.get_context()
        ws = Workspace.from_config()
        assert [one.id for one in Experiment(ws, "idioms").get_runs()] == [run.id]
        assert ws.get_run(run.id).id == run.id
        assert Workspace.get(name=run.experiment.workspace.name).get_run(run.id).id == run.id
        run.log("found", True)
        """,
    )

    assert run.get_metrics() == {"found": True}


def test_14_two_processes_of_one_job_ask_for_the_context(experiment: Experiment) -> None:
    run = submitted(
        experiment,
        """
        import multiprocessing
        from azureml.core import Run

        def work(rank):
            run = Run.get_context()
            run.log(f"rank {rank}", rank)
            run.log("all", rank)
            run.complete()

        if __name__ == "__main__":
            run = Run.get_context()
            workers = [multiprocessing.get_context("spawn").Process(target=work, args=(n,)) for n in range(2)]
            for worker in workers: worker.start()
            for worker in workers: worker.join()
            run.log("workers", 2)
        """,
    )

    metrics = run.get_metrics()
    assert {name: metrics[name] for name in ("rank 0", "rank 1", "workers")} == {"rank 0": 0, "rank 1": 1, "workers": 2}
    assert sorted(metrics["all"]) == [0, 1]
    assert run.get_status() == "Completed"


def test_15_the_id_is_read_from_the_environment(experiment: Experiment) -> None:
    run = submitted(
        experiment,
        """
        import os
        from azureml.core import Run
        assert os.environ["AZUREML_RUN_ID"] == Run.get_context().id
        print("id:", os.environ["AZUREML_RUN_ID"])
        """,
    )

    assert "AZUREML_RUN_ID" not in os.environ
    [line] = experiment.workspace.store.log_lines(run.id).lines
    assert line.text == f"id: {run.id}"
