"""The model registry by its Azure ML v1 names, over a folder and over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from azureml.core import Dataset, Experiment, Model, Run, Workspace
from azureml.core.model import InferenceConfig
from azureml.core.resource_configuration import ResourceConfiguration
from azureml.exceptions import (
    AzureMLException,
    ModelNotFoundException,
    ModelPathNotFoundException,
    UserErrorException,
    WebserviceException,
)
from tests.servers import serve
from tracklog.errors import ConflictError, InvalidTypeError, NotSupportedError
from tracklog.storage import RunQuery
from tracklog.storage.registry import LoggedModelEdit, LoggedModelQuery, LoggedModelStatus, ModelQuery, ModelVersion


@pytest.fixture(params=["folder", "server"], scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a workspace: starting a server for each test would cost more than the tests."""
    folder = tmp_path_factory.mktemp("workspace")
    if request.param == "folder":
        yield str(folder)
        return
    with serve(folder) as server:
        yield server.url


@pytest.fixture
def ws(shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """An empty workspace, and an empty folder to work in."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    workspace = Workspace(shared)
    yield workspace
    store = workspace.store
    for model in store.registry.search_models(ModelQuery()).models:
        store.registry.delete_model(model.name)
    for logged in store.registry.search_logged_models(LoggedModelQuery(limit=10_000)).models:
        store.registry.edit_logged_model(logged.id, LoggedModelEdit(deleted=True))
    store.delete_runs([run.id for run in store.search_runs(RunQuery()).runs])
    store.gc()


@pytest.fixture
def file() -> Path:
    """A trained model on this disk."""
    path = Path("outputs/model.pkl")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"weights")
    return path


def started(ws: Workspace) -> Run:
    return Experiment(ws, "digits").start_logging(snapshot_directory=None)


def files_below(folder: str | Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


# ── Model.register ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_registering_a_file_gives_the_next_version(ws: Workspace, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = datetime.now(timezone.utc)

    first = Model.register(
        model_path="outputs/model.pkl",
        model_name="sklearn_mnist",
        tags={"area": "mnist", "n": 3},
        properties={"AUC": 0.9},
        description="Ridge",
        model_framework=Model.Framework.SCIKITLEARN,
        model_framework_version="1.5",
        workspace=ws,
    )
    second = Model.register(ws, str(file), "sklearn_mnist")

    assert capsys.readouterr().out == "Registering model sklearn_mnist\n" * 2
    assert (first.name, first.id, first.version) == ("sklearn_mnist", "sklearn_mnist:1", 1)
    assert (second.id, second.version, second.description, second.tags) == ("sklearn_mnist:2", 2, None, {})
    assert (first.tags, first.properties, first.description) == ({"area": "mnist", "n": "3"}, {"AUC": "0.9"}, "Ridge")
    assert (first.model_framework, first.model_framework_version) == ("ScikitLearn", "1.5")
    assert (first.run_id, first.run, first.experiment_name) == (None, None, None)
    assert abs((first.created_time - before).total_seconds()) < 60
    assert (first.workspace, first.created_by) == (ws, second.created_by)
    assert repr(first) == (
        f"Model(workspace={ws!r}, name=sklearn_mnist, id=sklearn_mnist:1, version=1, tags={first.tags}, "
        f"properties={first.properties})"
    )


def test_a_file_comes_back_under_its_name(ws: Workspace, file: Path) -> None:
    model = Model.register(ws, file, "net")

    path = model.download(target_dir="there", exist_ok=False)

    assert path == "there/model.pkl"
    assert Path(path).read_bytes() == b"weights"
    assert not model.unpack
    with pytest.raises(WebserviceException, match="exist_ok=True"):
        model.download("there")
    Path(path).write_bytes(b"other")
    assert Path(model.download("there", exist_ok=True)).read_bytes() == b"weights"


def test_a_folder_comes_back_under_its_name(ws: Workspace, tmp_path: Path) -> None:
    expected = {"config.json": b"{}", "deep/er/w.bin": b"w", "a b/模型": b""}
    for name, data in expected.items():
        target = tmp_path / "net v2" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    (tmp_path / "net v2" / "out").symlink_to("/etc")

    model = Model.register(ws, f"{tmp_path}/net v2/", "net")

    assert model.download() == "net v2"
    assert files_below("net v2") == expected
    assert model.unpack


def test_only_child_paths_of_a_folder_are_taken(ws: Workspace) -> None:
    for name in ("net/a.txt", "net/deep/b.txt", "net/deep/c.txt", "net/deeper/d.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)

    model = Model.register(ws, "net", "net", child_paths=["a.txt", "./deep"])

    assert sorted(files_below(model.download("there"))) == ["a.txt", "deep/b.txt", "deep/c.txt"]
    with pytest.raises(WebserviceException, match="no 'nothing' in the folder"):
        Model.register(ws, "net", "net", child_paths=["nothing"])


@pytest.mark.parametrize("name", ["", " ", "-a", ".a", "a b", "a/b", "a:b", "ä", "a" * 256, "../a"])
def test_a_name_that_v1_refuses_is_refused(ws: Workspace, file: Path, name: str) -> None:
    with pytest.raises(WebserviceException, match="letter or digit"):
        Model.register(ws, file, name)
    with started(ws) as run, pytest.raises(WebserviceException, match="letter or digit"):
        run.register_model(name, "outputs/model.pkl")
    assert ws.models == {}


def test_what_cannot_be_registered_leaves_nothing(ws: Workspace, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty/deep").mkdir(parents=True)

    with pytest.raises(WebserviceException, match=r"no file or folder 'nothing\.pkl'"):
        Model.register(ws, "nothing.pkl", "net")
    with pytest.raises(WebserviceException, match="no files"):
        Model.register(ws, "empty", "net")
    with pytest.raises(WebserviceException, match="without model_framework"):
        Model.register(ws, file, "net", model_framework_version="1.0")
    with pytest.raises(InvalidTypeError, match="tags"):
        Model.register(ws, file, "net", tags=["a"])  # type: ignore[arg-type]
    with pytest.raises(UserErrorException, match="pairs"):
        Model.register(ws, file, "net", datasets=["training"])

    assert capsys.readouterr().out == ""
    assert Model.list(ws) == []


def test_an_upload_that_breaks_off_leaves_no_version(ws: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "a").write_bytes(b"x")
    (folder / ("b" * 200)).write_bytes(b"x")
    (folder / "c ").write_bytes(b"a name that no artifact has")

    with pytest.raises(AzureMLException, match="artifact path"):
        Model.register(ws, folder, "net")

    assert Model.list(ws) == []
    assert ws.store.gc().models_deleted == 1


# ── run.register_model ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_of_the_run_becomes_a_model(ws: Workspace, file: Path) -> None:
    with started(ws) as run:
        run.upload_file("outputs/kept.pkl", file)
        model = run.register_model(
            model_name="net", model_path="./outputs/kept.pkl", tags={"Training context": "inline"}, properties={"AUC": 0.5}
        )

    assert (model.id, model.tags, model.properties) == ("net:1", {"Training context": "inline"}, {"AUC": "0.5"})
    assert (model.run_id, model.experiment_name, model.run.id) == (run.id, "digits", run.id)  # type: ignore[union-attr]
    assert model.url == f"runs:/{run.id}/outputs/kept.pkl"
    assert model.download() == "kept.pkl"
    assert Path("kept.pkl").read_bytes() == b"weights"
    (logged,) = [ws.store.registry.get_logged_model(model._version.model_id)]
    assert (logged.source_run_id, logged.status, logged.registrations) == (run.id, LoggedModelStatus.READY, [("net", 1)])


def test_local_outputs_of_a_living_run_become_a_model(ws: Workspace, file: Path) -> None:
    """The trap of v1: outputs were uploaded at the end, so this failed right after joblib.dump."""
    with started(ws) as run:
        model = run.register_model("net", "outputs/model.pkl")
        folder = run.register_model("nets", "outputs/")

    assert Path(model.download("there")).read_bytes() == b"weights"
    assert files_below(folder.download("there")) == {"model.pkl": b"weights"}
    assert run.get_file_names() == ["outputs/model.pkl"]


def test_the_path_is_the_name_where_none_is_given(ws: Workspace) -> None:
    with started(ws) as run:
        run.upload_file("net.pkl", __file__)
        model = run.register_model("net.pkl")

    assert model.download() == "net.pkl"


def test_a_version_stays_what_it_was(ws: Workspace, file: Path) -> None:
    """A script goes on to train, writes the same path again, and outputs are collected at the end."""
    with started(ws) as run:
        first = run.register_model("net", "outputs/model.pkl")
        file.write_bytes(b"better weights")
        second = run.register_model("net", "outputs/model.pkl")
        file.write_bytes(b"spoilt weights")
    ws.store.delete_runs([run.id])

    assert [Path(model.download(model.id.replace(":", "-"))).read_bytes() for model in (first, second)] == [
        b"weights",
        b"better weights",
    ]
    assert (first.run, first.experiment_name) == (None, None)


def test_a_finished_run_registers_only_files_of_its_own(ws: Workspace, file: Path) -> None:
    with started(ws) as run:
        run.upload_file("outputs/net/w.bin", file)
    Path("local.pkl").write_bytes(b"no file of the run")
    again = Run(run.experiment, run.id)

    with pytest.raises(ModelPathNotFoundException) as missing:
        again.register_model("net", "local.pkl")
    model = again.register_model("net", "outputs/net")

    assert "Files of the run: outputs/model.pkl, outputs/net/w.bin" in missing.value.message
    assert files_below(model.download("there")) == {"w.bin": b"weights"}
    assert [one.id for one in Model.list(ws)] == ["net:1"]
    assert again.get_status() == "Completed"


@pytest.mark.parametrize("path", ["nothing.pkl", "../nothing", "/nothing/at/all"])
def test_a_path_that_is_nowhere_raises_in_a_living_run_too(ws: Workspace, path: str) -> None:
    with started(ws) as run:
        run.upload_file("a.txt", __file__)
        with pytest.raises(ModelPathNotFoundException, match=r"Files of the run: a\.txt"):
            run.register_model("net", path)

    assert run.get_status() == "Completed"
    assert ws.models == {}


def test_a_file_elsewhere_on_the_disk_is_taken_by_its_name(ws: Workspace, tmp_path: Path, file: Path) -> None:
    (tmp_path / "elsewhere.pkl").write_bytes(b"x")
    with started(ws) as run:
        model = run.register_model("net", tmp_path / "elsewhere.pkl")  # type: ignore[arg-type]
        inside = run.register_model("inside", str(file.absolute()))

    assert (model.url, inside.url) == (f"runs:/{run.id}/elsewhere.pkl", f"runs:/{run.id}/outputs/model.pkl")


_TRAINING = """
import os, sys
from azureml.core import Dataset, Experiment, Workspace

run = Experiment(Workspace(sys.argv[1]), "digits").start_logging(snapshot_directory=None)
run.log("loss", 0.5)
run.flush()
print("ready", flush=True)
sys.stdin.readline()  # the server goes away
open("model.pkl", "w").write("weights")
model = run.register_model("net", "model.pkl")
print(model.name, model.version, flush=True)
os._exit(0)  # without a word, so without waiting for the store
"""


def test_a_training_outlives_a_store_that_goes_away(tmp_path: Path) -> None:
    with serve(tmp_path / "workspace") as server:
        process = subprocess.Popen(
            [sys.executable, "-c", _TRAINING, server.url],
            cwd=tmp_path,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        output, errors = process.communicate("go\n", timeout=15)
    port = int(server.url.rsplit(":", 1)[1])

    assert (process.returncode, output) == (0, "net 0\n")
    assert "the model 'net' has no version yet" in errors
    with serve(tmp_path / "workspace", port):
        ws = Workspace(server.url)
        subprocess.run(
            [sys.executable, "-m", "tracklog", "sync", server.url],
            check=True,
            capture_output=True,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        )
        (run,) = Experiment(ws, "digits").get_runs()
        assert run.register_model("net", "model.pkl").version == 1  # as the line on stderr says


# ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def models(ws: Workspace, file: Path) -> list[Model]:
    return [
        Model.register(ws, file, "net", tags={"area": "mnist", "new": "no"}, properties={"AUC": 0.5}),
        Model.register(ws, file, "net", tags={"area": "mnist"}, model_framework="Onnx", datasets=[("training", "digits:1")]),
        Model.register(ws, file, "ridge", tags={"area": "diabetes"}, properties={"AUC": 0.9, "R2": 1}),
    ]


def ids(models: list[Model]) -> list[str]:
    return [model.id for model in models]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"name": "net"}, "net:2"),
        ({"name": "net", "version": 1}, "net:1"),
        ({"name": "net", "version": "1"}, "net:1"),
        ({"id": "net:1"}, "net:1"),
        ({}, "ridge:1"),
        ({"tags": ["new"]}, "net:1"),
        ({"tags": [["area", "mnist"]]}, "net:2"),
        ({"tags": [["area", "mnist"], "new"]}, "net:1"),
        ({"properties": [["AUC", 0.9]]}, "ridge:1"),
        ({"properties": ["AUC"], "name": "net"}, "net:1"),
        ({"model_framework": "Onnx"}, "net:2"),
    ],
)
def test_the_newest_version_that_fits_is_taken(ws: Workspace, models: list[Model], asked: dict[str, Any], expected: str) -> None:
    found = Model(ws, **asked)

    assert found.id == expected
    assert vars(found) == vars(next(model for model in models if model.id == expected)) | {
        "resource_configuration": found.resource_configuration
    }


@pytest.mark.parametrize(
    "asked",
    [
        {"name": "nett"},
        {"name": "net", "version": 3},
        {"name": "net", "version": -1},
        {"name": "net", "version": "one"},
        {"id": "net"},
        {"id": "net:one"},
        {"id": ":1"},
        {"tags": ["area", "no"]},
        {"tags": [["area", "cifar"]]},
        {"run_id": "no-such-run"},
        {"model_framework": "Custom"},
        {"name": "a/b", "version": 1},
        {"name": "net", "alias": "best"},
        {"name": "net", "stage": "Production"},
    ],
)
def test_a_model_that_is_not_there_is_v1s_error(ws: Workspace, models: list[Model], asked: dict[str, Any]) -> None:
    with pytest.raises(WebserviceException, match="ModelNotFound") as missing:
        Model(ws, **asked)

    assert missing.value.message.startswith("ModelNotFound: Model with")
    assert missing.value.status_code == 404


def test_lists_are_newest_first(ws: Workspace, models: list[Model]) -> None:
    assert ids(Model.list(ws)) == ["ridge:1", "net:2", "net:1"]
    assert ids(Model.list(ws, name="net")) == ["net:2", "net:1"]
    assert ids(Model.list(ws, latest=True)) == ["ridge:1", "net:2"]
    assert ids(Model.list(ws, tags=["area"], latest=True)) == ["ridge:1", "net:2"]
    assert ids(Model.list(ws, tags=[["area", "mnist"]], properties=["AUC"])) == ["net:1"]
    assert ids(Model.list(ws, dataset_id="digits:1")) == ["net:2"]
    assert ids(Model.list(ws, model_framework="Onnx")) == ["net:2"]
    assert ids(Model.list(ws, run_id="none")) == ids(Model.list(ws, name="nothing")) == []


@pytest.mark.parametrize("tags", ["area", 3, [3], [["a", "b", "c"]]])
def test_a_filter_of_another_form_is_refused(ws: Workspace, tags: Any) -> None:
    with pytest.raises(UserErrorException, match="pairs"):
        Model.list(ws, tags=tags)


def test_a_run_finds_the_models_made_of_it(ws: Workspace, file: Path, models: list[Model]) -> None:
    with started(ws) as run:
        run.register_model("net", "outputs/model.pkl")

    assert ids(Model.list(ws, run_id=run.id)) == ["net:3"]
    assert Model(ws, run_id=run.id).id == "net:3"


def test_the_workspace_has_the_latest_of_each(ws: Workspace, models: list[Model]) -> None:
    models[0].set_stage("Production")

    assert {name: model.id for name, model in ws.models.items()} == {"net": "net:2", "ridge": "ridge:1"}


def test_hundreds_of_versions_are_found(ws: Workspace) -> None:
    add = partial(ws.store.registry.add_version, "many", ModelVersion(), create=True)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: add(), range(1001)))

    assert len({model.version for model in Model.list(ws, name="many")}) == 1001


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_labels_change_and_facts_do_not(ws: Workspace, models: list[Model]) -> None:
    model = models[0]

    model.add_tags({"new": "yes", "n": 1})
    model.remove_tags(["area", "never there"])
    model.add_properties({"R2": 0.5})

    assert (model.tags, model.properties) == ({"new": "yes", "n": "1"}, {"AUC": "0.5", "R2": "0.5"})
    assert Model(ws, id=model.id).tags == model.tags
    with pytest.raises(ConflictError, match="properties never change"):
        model.add_properties({"AUC": 0.6})
    model.update_tags_properties(add_tags={"a": "b"}, remove_tags=["n"], add_properties={"p": "q"})
    assert (model.tags, model.properties) == ({"new": "yes", "a": "b"}, {"AUC": "0.5", "R2": "0.5", "p": "q"})
    with pytest.raises(InvalidTypeError):
        model.add_tags(["a"])  # type: ignore[arg-type]


def test_labels_that_unicode_cannot_say_do_not_fail(ws: Workspace, models: list[Model]) -> None:
    models[0].add_tags({"file": b"caf\xe9".decode("utf-8", "surrogateescape"), "nul": "\x00"})
    models[0].update(description="\ud800")

    assert Model(ws, id="net:1").tags == {**models[0].tags, "file": "caf?", "nul": "␀"}
    assert Model(ws, id="net:1").description == "?"


def test_update_replaces_what_it_is_given(ws: Workspace, models: list[Model]) -> None:
    model = models[1]

    model.update(description="why", sample_input_dataset="in:1", resource_configuration=ResourceConfiguration(2, 0.5))
    model.update(tags={"only": "this"})

    found = Model(ws, id=model.id)
    assert (found.tags, found.description, found.sample_input_dataset) == ({"only": "this"}, "why", "in:1")
    assert (found.resource_configuration.cpu, found.resource_configuration.memory_in_gb) == (2, 0.5)  # type: ignore[union-attr]
    assert found.datasets == {"training": ["digits:1"]}


def test_data_sets_are_noted_by_purpose(ws: Workspace, models: list[Model]) -> None:
    model = models[1]

    model.add_dataset_references([("training", "more:2"), ("test", "held-out:1")])

    assert Model(ws, id=model.id).datasets == {"training": ["digits:1", "more:2"], "test": ["held-out:1"]}
    assert model.tags == {"area": "mnist"}


def test_data_sets_of_the_workspace_come_back_as_such(ws: Workspace, file: Path) -> None:
    Path("train.csv").write_text("x,y\n1,2\n")
    training = Dataset.Tabular.from_delimited_files("train.csv").register(ws, "numbers")
    raw = Dataset.File.from_files("train.csv")

    made = Model.register(ws, file, "net", datasets=[("training", training), ("raw", raw)], sample_input_dataset=training)

    found = Model(ws, id=made.id, tags=[], expand=True)
    assert found.datasets["training"][0].to_pandas_dataframe().to_dict("list") == {"x": [1], "y": [2]}
    assert [type(one).__name__ for one in found.datasets["raw"]] == ["FileDataset"]
    assert (found.sample_input_dataset.name, found.sample_output_dataset) == ("numbers", None)
    assert ids(Model.list(ws, dataset_id=training.id)) == ["net:1"]


def test_aliases_and_stages_find_versions(ws: Workspace, models: list[Model]) -> None:
    models[0].add_alias("champion")
    models[0].set_stage("Production")
    models[1].set_stage("Production", archive_others=True)

    assert Model(ws, "net", alias="champion").id == "net:1"
    assert Model(ws, "net", stage="Production").id == "net:2"
    assert Model(ws, "net", version=1).stage == "Archived"
    models[1].add_alias("champion")
    assert Model(ws, "net", alias="champion").id == "net:2"
    assert models[1].aliases == ["champion"]
    models[0].remove_alias("champion")
    with pytest.raises(WebserviceException, match="Aliases of 'net': none"):
        Model(ws, "net", alias="champion")


def test_a_deleted_version_is_gone_and_its_files_with_gc(ws: Workspace, models: list[Model]) -> None:
    models[1].delete()

    assert ids(Model.list(ws, name="net")) == ["net:1"]
    assert Model.register(ws, "outputs/model.pkl", "net").version == 3
    with pytest.raises(WebserviceException, match="ModelNotFound"):
        models[1].delete()
    with pytest.raises(WebserviceException, match="ModelNotFound"):
        models[1].add_tags({"a": "b"})
    assert ws.store.gc().models_deleted == 1
    with pytest.raises(WebserviceException, match="gone"):
        models[1].download("there")
    assert Path(models[0].download("there")).is_file()


def test_files_outside_of_the_workspace_are_said_to_be(ws: Workspace) -> None:
    ws.store.registry.add_version("net", ModelVersion(source="s3://bucket/net"), create=True)

    with pytest.raises(WebserviceException, match="at s3://bucket/net"):
        Model(ws, "net").download()


def test_a_model_is_described_and_found_again(ws: Workspace, models: list[Model]) -> None:
    described = json.loads(json.dumps(models[0].serialize()))

    found = Model.deserialize(ws, described)

    assert (described["name"], described["version"], described["tags"]) == ("net", 1, models[0].tags)
    assert datetime.fromisoformat(described["createdTime"]) == models[0].created_time
    assert repr(found) == repr(models[0])


# ── get_model_path ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_outside_of_a_run_the_path_is_local(ws: Workspace, models: list[Model]) -> None:
    with pytest.raises(ModelNotFoundException, match="azureml-models/net"):
        Model.get_model_path("net")
    for version in (2, 10):
        folder = Path(f"azureml-models/net/{version}")
        folder.mkdir(parents=True)
        (folder / "model.pkl").write_text(str(version))
    Path("local.pkl").write_text("")

    assert Model.get_model_path("net") == "azureml-models/net/10/model.pkl"
    assert Model.get_model_path("net", version=2) == "azureml-models/net/2/model.pkl"
    assert Model.get_model_path("local.pkl") == "local.pkl"
    for asked in ({"version": 3}, {"model_name": "local.pkl", "version": 1}, {"model_name": "../escape"}):
        with pytest.raises(ModelNotFoundException):
            Model.get_model_path(**({"model_name": "net"} | asked))  # type: ignore[arg-type]


def test_with_a_workspace_the_path_is_that_of_a_download(ws: Workspace, models: list[Model]) -> None:
    path = Model.get_model_path("net", _workspace=ws)
    first = Model.get_model_path("net", version=1, _workspace=ws)

    assert (path, first) == ("azureml-models/net/2/model.pkl", "azureml-models/net/1/model.pkl")
    assert Path(path).read_bytes() == b"weights"
    Path(path).write_bytes(b"kept as it is")
    assert Path(Model.get_model_path("net", _workspace=ws)).read_bytes() == b"kept as it is"
    assert [entry.name for entry in Path("azureml-models/net").iterdir() if entry.name.startswith(".")] == []
    with pytest.raises(ModelNotFoundException, match="is not registered in"):
        Model.get_model_path("nothing", _workspace=ws)


_SCRIPT = """
from azureml.core import Model, Run
run = Run.get_context()
print(Model.get_model_path("net"))
"""


@pytest.mark.parametrize("command", [["-m", "tracklog", "run", "score.py"], ["score.py"]], ids=["submitted", "bare"])
def test_in_a_script_with_a_run_the_model_is_downloaded(ws: Workspace, models: list[Model], command: list[str]) -> None:
    Path("score.py").write_text(_SCRIPT)

    ended = subprocess.run(
        [sys.executable, *command], check=True, capture_output=True, text=True, env={**os.environ, "TRACKLOG_URI": ws.uri}
    )

    assert ended.stdout == "azureml-models/net/2/model.pkl\n"
    assert Path("azureml-models/net/2/model.pkl").read_bytes() == b"weights"


def test_a_submitted_script_registers_what_it_has_just_written(ws: Workspace) -> None:
    Path("train.py").write_text(
        "import os\nfrom azureml.core import Run\nrun = Run.get_context()\nos.makedirs('outputs', exist_ok=True)\n"
        "open('outputs/net.pkl', 'w').write('weights')\n"
        "print(run.register_model(model_name='net', model_path='outputs/net.pkl').id)\nrun.complete()\n"
    )

    ended = subprocess.run(
        [sys.executable, "-m", "tracklog", "run", "train.py"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "TRACKLOG_URI": ws.uri},
    )

    assert ended.stdout == "net:1\n"
    model = Model(ws, "net")
    assert model.run.get_status() == "Completed"  # type: ignore[union-attr]
    assert Path(model.download("there")).read_bytes() == b"weights"


# ── outside of the product ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "use",
    [
        lambda ws: Model.deploy(ws, "service", []),
        lambda ws: Model.package(ws, []),
        lambda ws: Model.profile(ws, "profile", [], None, None),
        lambda ws: Model.print_configuration([], None, None, None),
        lambda ws: Model(ws, "net").get_sas_urls(),
        lambda ws: InferenceConfig(entry_script="score.py"),
    ],
)
def test_serving_is_refused_with_what_to_do_instead(ws: Workspace, file: Path, use: Callable[[Workspace], Any]) -> None:
    Model.register(ws, file, "net")

    with pytest.raises(NotSupportedError, match=r"model\.download\(\)"):
        use(ws)
