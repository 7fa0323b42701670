"""`tracklog import mlflow` and `tracklog export mlflow`: real stores of two releases, a folder, PostgreSQL, servers.

Samples of MLflow's database are dumps that MLflow 2.22.4 and 3.17.2 made, see tests/data/mlflow/fill.py.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Metric

from tests.postgres import PostgresServer, postgres_server
from tests.servers import serve
from tracklog.errors import InvalidValueError, NotFoundError, StoreUnavailableError
from tracklog.exchange import Report, export_mlflow, import_mlflow, opened
from tracklog.records import Batch, MetricKey, RunEdited, RunStatus, TagsSet
from tracklog.storage import ExperimentEdit, RunInfo, RunQuery, Store, open_store
from tracklog.storage.registry import LoggedModelQuery, VersionQuery

SAMPLES = Path(__file__).parents[1] / "data" / "mlflow"
START_MS = 1_700_000_000_000


def _fill() -> Callable[[MlflowClient, Path | None], dict[str, str]]:
    spec = importlib.util.spec_from_file_location("fill", SAMPLES / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[MlflowClient, Path | None], dict[str, str]] = module.fill
    return found


@contextmanager
def tracking(uri: str) -> Iterator[MlflowClient]:
    """Have MLflow's client and what it does by itself go to a store."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the end of file stores, stages …
        yield MlflowClient(uri, uri)
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(tmp_path / "workspace")) as made:
        yield made


def artifacts_of(folder: Path, database: Path) -> Path:
    """Make the files that a sample speaks of."""
    with closing(sqlite3.connect(database)) as connection:
        uris = [uri for (uri,) in connection.execute("SELECT artifact_uri FROM runs WHERE name = 'first'")]
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "logged_models" in tables:
            models = [uri for (uri,) in connection.execute("SELECT artifact_location FROM logged_models")]
        else:
            models = []
    for uri in [*uris, *models]:
        root = Path(uri.removeprefix("file://"))
        assert root.is_relative_to(folder)
        for below in ("", "model") if uri in uris else ("",):
            (root / below / "sub").mkdir(parents=True)
            (root / below / "a.txt").write_text("hello")
            (root / below / "sub/b.bin").write_bytes(b"\0\1\2")
    return folder


def sample(release: str, folder: Path) -> tuple[Path, Path]:
    """Return a database of a release of MLflow, and the folder with its files."""
    artifacts, file = folder / "artifacts", folder / f"mlflow-{release}.db"
    text = gzip.decompress((SAMPLES / f"mlflow-{release}.sql.gz").read_bytes()).decode()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(text.replace("{ARTIFACTS}", str(artifacts)))
    return file, artifacts_of(artifacts, file)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `mlruns` that MLflow's client has filled."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    root = tmp_path / "mlruns"
    with tracking(root.as_uri()) as client:
        _fill()(client, tmp_path / "artifacts")
    return root


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def copied(source: Path, target: str) -> None:
    """Copy all tables of a SQLite database into another database."""
    tables = sqlalchemy.MetaData()
    one, other = sqlalchemy.create_engine(f"sqlite:///{source}"), sqlalchemy.create_engine(target)
    wanted = [
        "experiments", "experiment_tags", "runs", "metrics", "params", "tags", "inputs", "input_tags", "datasets",
        "logged_models", "logged_model_params", "logged_model_tags", "logged_model_metrics", "registered_models",
        "registered_model_tags", "registered_model_aliases", "model_versions", "model_version_tags", "trace_info",
    ]  # fmt: skip
    tables.reflect(one, only=wanted, resolve_fks=False)
    with one.connect() as reading, other.begin() as writing:
        for table in tables.tables.values():
            for constraint in list(table.constraints):
                if not isinstance(constraint, sqlalchemy.PrimaryKeyConstraint):
                    table.constraints.discard(constraint)
            for column in table.columns:
                column.foreign_keys.clear()
                column.server_default = None
                if isinstance(column.type, sqlalchemy.Float):
                    column.type = sqlalchemy.Double()
            table.indexes.clear()
        tables.create_all(writing)
        for table in tables.tables.values():
            rows = [dict(row) for row in reading.execute(table.select()).mappings()]
            if rows:
                writing.execute(table.insert(), rows)
    one.dispose()
    other.dispose()


@pytest.fixture(params=["folder", "sqlite 2.22.4", "sqlite 3.17.2", "postgresql 3.17.2", "server"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, list[Path], str]]:
    """Address, folders with files, and kind of each store that can be read."""
    kind = request.param
    if kind == "folder":
        yield str(request.getfixturevalue("folder")), [tmp_path / "artifacts"], kind
    elif kind.startswith("sqlite"):
        file, artifacts = sample(kind.split()[1], tmp_path)
        yield str(file), [artifacts], kind
    elif kind == "server":
        with serve(tmp_path / "theirs") as server:
            with tracking(server.url) as client:
                _fill()(client, None)
            yield server.url, [], kind
    else:
        file, artifacts = sample(kind.split()[1], tmp_path)
        with request.getfixturevalue("postgres").database() as uri:
            copied(file, uri)
            yield uri.replace("postgresql+psycopg://", "postgresql://"), [artifacts], kind


def bring(store: Store, address: str, artifacts: list[Path] | None = None, **options: Any) -> Report:
    with closing(opened(address, artifacts or [])) as source:
        return import_mlflow(store, source, **options)


def runs_of(store: Store) -> dict[str, RunInfo]:
    return {run.name: store.get_run(run.id) for run in store.search_runs(RunQuery(deleted=None)).runs}


# -------------------------------------------------------------------------- import


def test_all_that_a_store_holds_arrives(store: Store, source: tuple[str, list[Path], str]) -> None:
    address, artifacts, kind = source
    has_models = "2.22" not in kind

    report = bring(store, address, artifacts)

    assert report.problems == []
    runs = runs_of(store)
    assert set(runs) == {"first", "child", "deleted", "running", "in gone"}
    first = runs["first"]
    assert (first.experiment, first.user, first.description, first.status) == (
        "vision/cats",
        "ada",
        "# Notes",
        RunStatus.COMPLETED,
    )
    assert (first.start_ms, first.end_ms) == (START_MS, START_MS + 600_000)
    assert first.params == {"lr": "0.1", "empty": "", "model/depth": "50"}
    assert {"kind": "x", "ünicode": "日本"}.items() <= first.tags.items()
    assert first.info["command"] == {"script": "train.py"}
    loss = store.columns(first.id, "loss")
    assert loss.steps.tolist() == list(range(500))
    assert loss.values.tolist() == [1 / (step + 1) for step in range(500)]
    assert loss.times_ms.tolist() == [START_MS + step * 1000 for step in range(500)]
    odd = store.columns(first.id, "odd")
    assert odd.steps.tolist() == [-3, -3, 0, 1, 2]
    assert odd.times_ms.tolist()[:2] == [START_MS, START_MS + 1]
    assert [str(value) for value in odd.values] == ["2.0", "2.0", "nan", "inf", "-inf"]
    [data] = first.datasets
    assert (data.name, data.digest, data.source_type, data.tags) == (
        "cats",
        "abc123",
        "local",
        {"mlflow.data.context": "training"},
    )
    assert json.loads(data.source) == {"uri": "/data/cats"}
    files = ["a.txt", "model/a.txt", "model/sub/b.bin", "sub/b.bin"]
    assert [file.path for file in store.artifacts(first.id)] == files
    assert b"".join(store.read_artifact(first.id, "sub/b.bin")) == b"\0\1\2"
    child = runs["child"]
    assert (child.parent_id, child.status) == (first.id, RunStatus.FAILED)
    assert (runs["deleted"].deleted, runs["deleted"].status) == (True, RunStatus.CANCELED)
    assert runs["running"].end_ms is None
    assert store.experiment("gone").deleted_ms is not None
    assert store.experiment("vision/cats").tags == {"team": "a"}
    assert "Default" not in [one.name for one in store.experiments(deleted=None)]

    model = store.registry.get_model("Catty")
    assert (model.description, model.tags, model.aliases) == ("cats", {"owner": "ada"}, {"champion": 1})
    versions = {one.version: one for one in store.registry.search_versions(VersionQuery(name="Catty")).versions}
    assert set(versions) == ({1, 3, 4} if has_models else {1, 3})
    assert (versions[1].source, versions[1].run_id) == (f"runs:/{first.id}/model", first.id)
    assert (versions[1].stage, versions[1].description, versions[1].tags) == ("Production", "one", {"q": "1"})
    assert (versions[3].source, versions[3].stage) == ("s3://bucket/model", "Staging")
    if has_models:
        [logged] = store.registry.search_logged_models(LoggedModelQuery()).models
        assert (logged.name, logged.type, logged.params, logged.tags) == ("lm", "pyfunc", {"p": "2"}, {"t": "1"})
        assert (logged.status.value, logged.source_run_id, logged.registrations) == ("READY", first.id, [("Catty", 4)])
        [metric] = logged.metrics
        assert (metric.name, metric.value, metric.step, metric.run_id) == ("acc", 0.5, 3, first.id)
        assert (metric.dataset_name, metric.dataset_digest) == ("cats", "abc123")
        assert [(one.model_id, one.step) for one in first.model_outputs] == [(logged.id, 3)]
        assert [file.path for file in store.artifacts(logged.id)] == ["a.txt", "sub/b.bin"]


def contents(store: Store) -> dict[str, Any]:
    """Return all that an import writes, to be compared."""
    found: dict[str, Any] = {}
    for name, run in runs_of(store).items():
        points = {one.name: store.columns(run.id, one.name) for one in run.metrics}
        found[name] = (
            run.id, run.status, run.params, run.tags, run.deleted, run.datasets, run.model_outputs, run.end_ms, run.description,
            {key: (one.steps.tolist(), one.times_ms.tolist(), [*map(str, one.values)]) for key, one in points.items()},
            [(file.path, file.sha256) for file in store.artifacts(run.id)],
        )  # fmt: skip
    found["versions"] = [
        (one.version, one.source, one.stage, one.tags) for one in store.registry.search_versions(VersionQuery()).versions
    ]
    return found


def test_a_second_import_adds_nothing(store: Store, source: tuple[str, list[Path], str]) -> None:
    address, artifacts, _ = source
    first = bring(store, address, artifacts)
    before = contents(store)

    second = bring(store, address, artifacts)

    assert contents(store) == before
    assert dict(second.moved) == {}
    assert second.there == {kind: count for kind, count in first.moved.items() if kind not in ("params", "tags")}


def test_an_import_catches_up_with_a_store_that_is_still_used(store: Store, folder: Path, tmp_path: Path) -> None:
    """Also with points that were logged late, with times before those that are there."""
    bring(store, str(folder), [tmp_path / "artifacts"])
    before = runs_of(store)
    with tracking(folder.as_uri()) as client:
        late = before["running"].id
        client.log_batch(late, metrics=[Metric("new", 1.0, START_MS, 0)])
        client.set_terminated(late, "FINISHED", START_MS + 900_000)
        client.log_metric(before["child"].id, "loss", 9.0, START_MS - 1000, 1)
        client.log_metric(before["child"].id, "loss", 3.5, START_MS + 2, 7)  # the same again, which a folder keeps twice
        client.log_param(before["child"].id, "added", "1")
        client.set_tag(before["child"].id, "added", "2")
        client.restore_run(before["deleted"].id)
        (tmp_path / "more.txt").write_text("more")
        client.log_artifact(before["first"].id, str(tmp_path / "more.txt"))
        client.create_model_version("Catty", "s3://bucket/new", None)

    report = bring(store, str(folder), [tmp_path / "artifacts"])

    runs = runs_of(store)
    assert (runs["running"].status, runs["running"].end_ms) == (RunStatus.COMPLETED, START_MS + 900_000)
    assert sorted(store.columns(runs["child"].id, "loss").values.tolist()) == [3.5, 3.5, 9.0]
    assert (runs["child"].params, runs["child"].tags["added"]) == ({"added": "1"}, "2")
    assert not runs["deleted"].deleted
    assert (report.moved["points"], report.moved["files"], report.moved["versions"], report.moved["runs"]) == (3, 1, 1, 4)


def test_what_was_changed_here_stays(store: Store, folder: Path, tmp_path: Path) -> None:
    bring(store, str(folder), [tmp_path / "artifacts"])
    run = runs_of(store)["first"]
    key = MetricKey(1, "mine")
    points = np.array([(0, START_MS, 1.5, 1, 1)], [("step", "<i8"), ("time", "<i8"), ("v", "<f8"), ("k", "<u4"), ("m", "<u4")])
    store.apply(
        Batch(run.id, "", points=points.tobytes(), keys=[key], events=[TagsSet({"kind": "changed"}), RunEdited(name="renamed")])
    )

    bring(store, str(folder), [tmp_path / "artifacts"])

    run = store.get_run(run.id)
    assert (run.name, run.tags["kind"]) == ("renamed", "changed")
    assert store.columns(run.id, "mine").values.tolist() == [1.5]
    assert len(store.columns(run.id, "loss")) == 500


IMPORT = """
import sys
from pathlib import Path
from tracklog.exchange import import_mlflow, opened
from tracklog.storage import open_store
source = opened(sys.argv[1])
import_mlflow(open_store(sys.argv[2]), source, progress=lambda *state: print(*state, flush=True))
print("done", flush=True)
"""


def large(folder: Path, runs: int, points: int) -> Path:
    """Write a database of MLflow with many points."""
    file, _ = sample("3.17.2", folder)
    with closing(sqlite3.connect(file)) as connection:
        [template] = connection.execute("SELECT * FROM runs WHERE name = 'child'").fetchall()
        columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
        for number in range(runs):
            row = dict(zip(columns, template, strict=True)) | {"run_uuid": f"{number:032x}", "name": f"large-{number}"}
            connection.execute(f"INSERT INTO runs VALUES ({','.join('?' * len(columns))})", list(row.values()))
            connection.executemany(
                "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES ('loss', ?, ?, ?, ?, 0)",
                ((math.sin(step / 100), START_MS + step, f"{number:032x}", step) for step in range(points)),
            )
        connection.commit()
    return file


def test_kill_9_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    file = large(tmp_path, runs=12, points=20_000)
    target = tmp_path / "workspace"
    for killed_after in (3, 7, 11):
        process = subprocess.Popen([sys.executable, "-c", IMPORT, file, target], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("vision/cats") and int(line.split()[1]) >= killed_after:
                time.sleep(0.03)
                break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()

    with closing(open_store(target)) as store:
        bring(store, str(file))
        runs = runs_of(store)
        for number in range(12):
            points = store.columns(runs[f"large-{number}"].id, "loss")
            assert points.steps.tolist() == list(range(20_000))
            assert np.array_equal(points.values, np.sin(np.arange(20_000) / 100))
        assert len(store.columns(runs["first"].id, "loss")) == 500


def test_only_what_is_asked_for_arrives(store: Store, folder: Path, tmp_path: Path) -> None:
    report = bring(store, str(folder), [tmp_path / "artifacts"], experiments=["vision/cats"], with_files=False)

    assert [one.name for one in store.experiments(deleted=None)] == ["vision/cats"]
    assert report.moved["files"] == report.moved["registered models"] == 0
    with pytest.raises(NotFoundError, match="Did you mean `vision/cats`"):
        bring(store, str(folder), experiments=["vision/cat"])


# ------------------------------------------------------------------------- refusals


def test_files_outside_of_the_store_are_read_only_when_allowed(store: Store, tmp_path: Path) -> None:
    """A store from elsewhere may name any folder of this machine as the place of its files."""
    file, artifacts = sample("3.17.2", tmp_path)

    report = bring(store, str(file))

    assert store.artifacts(runs_of(store)["first"].id) == []
    why = {problem.what: problem.why for problem in report.problems}
    assert f"--artifacts {artifacts / 'cats'}" in why["files of 2 runs or logged models of 'vision/cats'"]
    assert len(why) == 2, "one line an experiment"
    assert bring(store, str(file), [artifacts]).moved["files"] == 6


def test_links_that_lead_out_of_the_store_are_not_followed(store: Store, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    run = next((tmp_path / "artifacts/cats").glob("*/artifacts/a.txt")).parent
    (run / "key").symlink_to(secret / "key")
    (run / "folder").symlink_to(secret)
    (run / "inside.txt").symlink_to(run / "a.txt")

    bring(store, str(folder), [tmp_path / "artifacts"])

    paths = [file.path for file in store.artifacts(run.parent.name)]
    assert paths == ["a.txt", "inside.txt", "model/a.txt", "model/sub/b.bin", "sub/b.bin"]


@pytest.mark.parametrize(
    "location", ["/etc", "file:///etc", "../../../etc", "mlflow-artifacts:/../../etc", "s3://b/x", "%2e%2e/etc"]
)
def test_places_that_a_store_makes_up_are_not_read(store: Store, tmp_path: Path, location: str) -> None:
    (tmp_path / "mlartifacts").mkdir()
    file, _ = sample("3.17.2", tmp_path)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE runs SET artifact_uri = ?", (location,))
        connection.execute("UPDATE experiments SET artifact_location = ?", (location,))
        connection.commit()

    bring(store, str(file))

    assert [store.artifacts(run.id) for run in runs_of(store).values()] == [[]] * 5


def test_damaged_parts_are_noted_and_the_rest_arrives(store: Store, folder: Path, tmp_path: Path) -> None:
    runs = {path.read_text(): path.parents[1] for path in folder.glob("*/*/tags/mlflow.runName")}
    (runs["child"] / "meta.yaml").write_text("run_id: [")
    with (runs["first"] / "metrics" / "loss").open("a") as stream:
        stream.write("1700000000 0.5\nnot a point\n170000")  # the last line is torn
    (folder / "models/Catty/version-1/meta.yaml").write_text("- nothing")
    (folder / "1").mkdir()
    (folder / "1" / "meta.yaml").write_bytes(b"\xff\xfe\x00")

    report = bring(store, str(folder), [tmp_path / "artifacts"])

    assert set(runs_of(store)) == {"first", "deleted", "running", "in gone"}
    assert len(store.columns(runs["first"].name, "loss")) == 501
    noted = {problem.what for problem in report.problems}
    assert {runs["child"].relative_to(folder).as_posix(), "1", "models/Catty/version-1"} <= noted
    assert store.registry.get_version("Catty", 3).source == "s3://bucket/model"


def test_a_folder_that_was_moved_keeps_its_files(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    with tracking((tmp_path / "old" / "mlruns").as_uri()) as client:
        _fill()(client, None)
    shutil.move(tmp_path / "old", tmp_path / "new")

    report = bring(store, str(tmp_path / "new"))  # the folder that has mlruns

    assert report.problems == []
    assert report.moved["files"] == 6


def test_a_version_of_the_same_number_that_is_another_is_left(store: Store, folder: Path, tmp_path: Path) -> None:
    from tracklog.storage.registry import ModelVersion

    for number in (1, 2, 3):
        store.registry.add_version("Catty", ModelVersion(source=f"s3://own/{number}"), create=True)

    report = bring(store, str(folder), [tmp_path / "artifacts"])

    assert [store.registry.get_version("Catty", number).source for number in (1, 2, 3)] == [f"s3://own/{n}" for n in (1, 2, 3)]
    assert {problem.what for problem in report.problems} == {"version 1 of model Catty", "version 3 of model Catty"}
    assert store.registry.get_version("Catty", 4).model_id


def test_sources_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.db").write_text("no database " * 100)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (a)")
    for address, says in (
        (str(tmp_path / "nothing"), "There is no MLflow store"),
        (str(tmp_path / "empty"), "no file store of MLflow"),
        (str(tmp_path / "text.db"), "is no database"),
        (str(tmp_path / "other.db"), "no table 'experiments'"),
        (f"sqlite:///{tmp_path}/nothing.db", "There is no database"),
        ("mysql://host/db", "kind 'mysql'"),
        ("ftp://host/db", "Can"),
        ("", "There is no MLflow store"),
    ):
        with pytest.raises(InvalidValueError, match=says):
            opened(address)
    with pytest.raises(InvalidValueError, match="no folder"):
        opened(str(tmp_path / "empty"), [tmp_path / "missing"])
    with pytest.raises(StoreUnavailableError, match="Connection refused"):
        opened("http://127.0.0.1:9")
    with pytest.raises(StoreUnavailableError, match="Cannot open the database") as refused:
        opened("postgresql://user:very-secret@127.0.0.1:9/mlflow")
    assert "very-secret" not in str(refused.value)
    with pytest.raises(InvalidValueError, match="MLFLOW_TRACKING_USERNAME"):
        opened("http://user:secret@host:5000")


def test_models_below_a_folder_are_not_taken_for_experiments(folder: Path) -> None:
    with pytest.raises(InvalidValueError, match="no file store"):
        opened(str(folder / "models"))


def test_a_server_that_speaks_something_else_is_refused(tmp_path: Path) -> None:
    serving = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    process = subprocess.Popen(serving, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        port = process.stdout.readline().split("port ")[1].split()[0]
        with pytest.raises(InvalidValueError, match="is no MLflow server"):
            opened(f"http://127.0.0.1:{port}")
        with closing(open_store(tmp_path / "w")) as store, pytest.raises(InvalidValueError, match="is no MLflow server"):
            export_mlflow(store, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


# -------------------------------------------------------------------------- export


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[str]:
    """The address of a server that speaks MLflow's protocol."""
    with serve(tmp_path / "theirs") as server:
        yield server.url


def test_what_was_imported_can_be_handed_back(store: Store, folder: Path, tmp_path: Path, theirs: str) -> None:
    bring(store, str(folder), [tmp_path / "artifacts"])
    own = runs_of(store)

    report = export_mlflow(store, theirs)

    assert report.problems == []
    client = MlflowClient(theirs, theirs)
    experiment = client.get_experiment_by_name("vision/cats")
    assert experiment.tags == {"team": "a"}
    assert client.get_experiment_by_name("gone") is None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"first", "child", "running"}
    first, before = runs["first"], own["first"]
    assert (first.info.status, first.info.start_time, first.info.end_time) == ("FINISHED", START_MS, START_MS + 600_000)
    assert first.data.params == {"lr": "0.1", "empty": "", "model/depth": "50"}
    assert first.data.tags["tracklog.run_id"] == before.id
    assert {
        "mlflow.user": "ada",
        "mlflow.note.content": "# Notes",
        "kind": "x",
        "ünicode": "日本",
    }.items() <= first.data.tags.items()
    assert runs["child"].data.tags["mlflow.parentRunId"] == first.info.run_id
    assert runs["running"].info.status == "RUNNING"
    history = client.get_metric_history(first.info.run_id, "loss")
    assert [(one.step, one.timestamp, one.value) for one in history] == [
        (step, START_MS + step * 1000, 1 / (step + 1)) for step in range(500)
    ]
    assert len(client.get_metric_history(first.info.run_id, "odd")) == 5
    assert [file.path for file in client.list_artifacts(first.info.run_id)] == ["a.txt", "model", "sub"]
    path = Path(client.download_artifacts(first.info.run_id, "sub/b.bin", str(tmp_path)))
    assert path.read_bytes() == b"\0\1\2"
    [data] = first.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("cats", "abc123")
    versions = {int(one.version): one for one in client.search_model_versions("name = 'Catty'")}
    assert set(versions) == {1, 3, 4}
    assert (versions[1].current_stage, versions[1].description, versions[1].tags["q"]) == ("Production", "one", "1")
    assert versions[1].run_id == first.info.run_id
    assert client.get_model_version_by_alias("Catty", "champion").version == "1"
    [logged] = client.search_logged_models([experiment.experiment_id])
    assert (logged.name, logged.params, logged.source_run_id) == ("lm", {"p": "2"}, first.info.run_id)
    assert [(one.key, one.value) for one in logged.metrics] == [("acc", 0.5)]
    assert versions[4].source == f"models:/{logged.model_id}"
    assert [(one.model_id, one.step) for one in first.outputs.model_outputs] == [(logged.model_id, 3)]


def test_a_second_export_hands_over_only_what_is_new(store: Store, folder: Path, tmp_path: Path, theirs: str) -> None:
    bring(store, str(folder), [tmp_path / "artifacts"])
    export_mlflow(store, theirs)
    again = export_mlflow(store, theirs)
    points = np.array([(500, START_MS, 7.0, 1, 1)], [("s", "<i8"), ("t", "<i8"), ("v", "<f8"), ("k", "<u4"), ("m", "<u4")])
    run = runs_of(store)["first"]
    store.apply(Batch(run.id, "", points=points.tobytes(), keys=[MetricKey(1, "loss")]))
    (tmp_path / "more.txt").write_text("more")
    store.put_artifact(run.id, "more.txt", tmp_path / "more.txt")

    third = export_mlflow(store, theirs)

    assert dict(again.moved) == {}
    assert again.there["points"] == 507
    assert {kind: count for kind, count in third.moved.items() if count} == {"points": 1, "files": 1, "runs": 1}
    client = MlflowClient(theirs, theirs)
    [found] = client.search_runs([client.get_experiment_by_name("vision/cats").experiment_id], "attributes.run_name = 'first'")
    assert len(client.get_metric_history(found.info.run_id, "loss")) == 501


def test_what_was_logged_natively_is_said_in_mlflows_words(tmp_path: Path, theirs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import tracklog

    with tracklog.start_run("native", name="one", uri=tmp_path / "w", capture=False, params={"lr": 0.1, "deep": True}) as run:
        run.log("loss", 1, step=4)
        run.log("odd {name}", math.nan, step=1)
        run.log("text", "word")
        run.log("nothing", None)
        run.log_row("row", x=1, y=2.5, word="a")
        run.log_list("list", [3, 4])
        run.tag("long", "x" * 9000)
        run.add_properties({"p": "1"})
    with tracklog.start_run("archived", uri=tmp_path / "w", capture=False) as other:
        other.log("x", 1)
    with closing(open_store(tmp_path / "w")) as store:
        store.edit_experiment("archived", ExperimentEdit(archived=True))
        report = export_mlflow(store, theirs)

    client = MlflowClient(theirs, theirs)
    assert client.get_experiment_by_name("archived") is None
    [found] = client.search_runs([client.get_experiment_by_name("native").experiment_id])
    assert found.data.params == {"lr": "0.1", "deep": "True"}
    assert {key: value for key, value in found.data.metrics.items() if key != "odd _name_"} == {
        "loss": 1.0, "row.x": 1.0, "row.y": 2.5, "list": 4.0,
    }  # fmt: skip
    assert math.isnan(found.data.metrics["odd _name_"])
    assert [one.step for one in client.get_metric_history(found.info.run_id, "list")] == [0, 1]
    assert found.data.tags["tracklog.property.p"] == "1"
    noted = {problem.what: problem.why for problem in report.problems}
    assert noted["name 'odd {name}'"] == "MLflow does not take it; it is 'odd _name_' there"
    assert noted[f"2 text values of run {run.id}"]
    assert "8,000 characters" in noted[f"tag 'long' of run {run.id}"]


def test_a_server_of_mlflow_that_goes_away_ends_the_export_and_a_second_one_goes_on(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    bring(store, str(folder), [tmp_path / "artifacts"])
    with serve(tmp_path / "theirs") as server:

        def stop(what: str, done: int, total: int | None) -> None:
            if done == 1:
                server.process.kill()
                server.process.wait()

        with pytest.raises(StoreUnavailableError, match="does not answer"):
            export_mlflow(store, server.url, progress=stop)
    with serve(tmp_path / "theirs") as server:
        report = export_mlflow(store, server.url)
        client = MlflowClient(server.url, server.url)
        runs = client.search_runs([client.get_experiment_by_name("vision/cats").experiment_id])

    assert sorted(run.info.run_name for run in runs) == ["child", "first", "running"]
    assert report.problems == []


def test_an_experiment_that_is_deleted_there_is_left(store: Store, folder: Path, theirs: str) -> None:
    bring(store, str(folder))
    client = MlflowClient(theirs, theirs)
    client.delete_experiment(client.create_experiment("vision/cats"))

    report = export_mlflow(store, theirs)

    assert any("deleted on the server" in problem.why for problem in report.problems)
    with pytest.raises(NotFoundError, match="Known: `vision/cats`"):
        export_mlflow(store, theirs, experiments=["nope"])


# -------------------------------------------------------------------- command line


def tracklog_cli(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tracklog", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_line_reports_what_was_moved(folder: Path, tmp_path: Path, theirs: str) -> None:
    workspace, artifacts = tmp_path / "w", tmp_path / "artifacts"

    brought = tracklog_cli("import", "mlflow", folder, "-w", workspace, "--json")
    again = tracklog_cli("import", "mlflow", folder, "-a", artifacts, "-w", workspace)
    handed = tracklog_cli("export", "mlflow", theirs, "-w", workspace)

    assert brought.returncode == again.returncode == handed.returncode == 0, brought.stderr + again.stderr + handed.stderr
    said = json.loads(brought.stdout)
    assert said["moved"]["points"] == 507
    assert "--artifacts" in said["problems"][0]["why"]
    assert ["files", "6", "0"] in [line.split() for line in again.stdout.splitlines()]
    assert ["points", "507", "0"] in [line.split() for line in handed.stdout.splitlines()]


def test_the_command_line_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    for words in (
        ["import", "mlflow", tmp_path / "nothing"],
        ["export", "mlflow", "http://127.0.0.1:9"],
        ["import", "mlflow", tmp_path],
    ):
        done = tracklog_cli(*words, "-w", tmp_path / "w")

        assert done.returncode in (1, 2)
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "w" / "workspace.db").exists() or tracklog_cli("ls", "-w", tmp_path / "w").returncode == 0
