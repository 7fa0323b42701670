"""The run history API by its Azure ML v1 names: what a script that logs and reads back depends on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tracklog import Experiment, Run, Workspace
from tracklog.errors import ConflictError, InvalidTypeError, InvalidValueError

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
    with Run.start(experiment, capture=False) as started:
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

    assert run.get_tags() == {"My Favorite Run": "", "Competition Rank": "1", "a": ""}


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
    first, second = (Run.start(experiment, capture=False, tags={"n": n}) for n in (1, 2))
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
    run = Run.start(experiment, capture=False, type="test.special")
    run.complete()

    assert type(Run.get(experiment.workspace, run.id)) is Special
    assert [type(found) for found in experiment.get_runs(type="test.special")] == [Special]
