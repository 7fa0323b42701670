"""Datastores and data sets of Azure ML v1: real files, tables read by pandas, inputs and outputs of submitted scripts."""

from __future__ import annotations

import datetime as dt
import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from azureml.core import Dataset, Datastore, Experiment, ScriptRunConfig, Workspace
from azureml.data import DataType, FileDataset, OutputFileDatasetConfig, TabularDataset
from azureml.data.data_reference import DataReference
from azureml.data.datapath import DataPath, DataPathComputeBinding
from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
from azureml.data.dataset_error_handling import DatasetExecutionError, DatasetValidationError
from azureml.data.dataset_type_definitions import PromoteHeadersBehavior
from azureml.exceptions import ActivityFailedException, AzureMLException, DatasetTimestampMissingError, UserErrorException
from tests.servers import serve
from tracklog.errors import NotFoundError, NotSupportedError


def day(year: int) -> dt.datetime:
    """Return the first day of a year, as scripts write it: without a zone."""
    return dt.datetime(year, 1, 1)  # noqa: DTZ001


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("TRACKLOG_URI", str(tmp_path / "workspace"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return Workspace.from_config()


@pytest.fixture
def people(ws: Workspace) -> TabularDataset:
    """A table in two files on the default datastore."""
    Path("data/more").mkdir(parents=True)
    Path("data/one.csv").write_text("name,age,born,zip\nAda,36,1815-12-10,007\nAlan,41,1912-06-23,012\n")
    Path("data/more/two.csv").write_text("name,age,born,zip\nGrace,85,1906-12-09,123\nMary,,1858-01-01,4\n")
    ws.get_default_datastore().upload("data", target_path="people", show_progress=False)
    return Dataset.Tabular.from_delimited_files((ws.get_default_datastore(), "people/**/*.csv"))


# --------------------------------------------------------------------- datastores


def test_a_workspace_has_v1s_datastores_and_a_default_one(ws: Workspace) -> None:
    default = ws.get_default_datastore()

    assert default.name == "workspaceblobstore"
    assert default.datastore_type == "AzureBlob"
    assert {"workspaceblobstore", "workspacefilestore", "workspaceworkingdirectory", "workspaceartifactstore"} <= set(
        ws.datastores
    )
    assert Datastore.get(ws, "WorkspaceFileStore").datastore_type == "AzureFile"
    assert Datastore(ws, "workspacefilestore").name == "workspacefilestore"
    assert Datastore(ws).name == default.name


def test_upload_keeps_what_is_there_unless_it_may_overwrite(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    store = ws.get_default_datastore()
    Path("src/below").mkdir(parents=True)
    Path("src/a.txt").write_text("1")
    Path("src/below/b.txt").write_text("1")
    reference = store.upload("src", "target", show_progress=True)
    printed = capsys.readouterr().out
    Path("src/a.txt").write_text("2")
    store.upload("src", "target", show_progress=False)

    assert isinstance(reference, DataReference)
    assert "Uploading an estimated of 2 files" in printed
    assert "Uploaded 2 files" in printed
    assert (store.folder / "target/a.txt").read_text() == "1"
    assert (store.folder / "target/below/b.txt").read_text() == "1"
    store.upload("src", "target", overwrite=True, show_progress=False)
    assert (store.folder / "target/a.txt").read_text() == "2"
    assert capsys.readouterr().out == ""


def test_upload_files_keeps_the_paths_below_their_common_folder(ws: Workspace) -> None:
    store = ws.get_default_datastore()
    Path("x/y").mkdir(parents=True)
    files = ["x/a.txt", "x/y/b.txt"]
    for file in files:
        Path(file).write_text(file)
    store.upload_files(files, target_path="t", show_progress=False)
    store.upload_files([files[1]], relative_root=".", target_path="u", show_progress=False)
    store.upload_files(files=[files[1]], show_progress=False)

    found = sorted(file.relative_to(store.folder).as_posix() for file in store.folder.rglob("*") if file.is_file())
    assert found == ["b.txt", "t/a.txt", "t/y/b.txt", "u/x/y/b.txt"]
    with pytest.raises(UserErrorException, match="not below relative_root"):
        store.upload_files(files, relative_root="x/y", show_progress=False)
    with pytest.raises(UserErrorException, match=r"nothing\.txt"):
        store.upload_files(["nothing.txt"])
    with pytest.raises(UserErrorException, match="Expected a list"):
        store.upload_files("x/a.txt")
    with pytest.raises(UserErrorException, match="nowhere"):
        store.upload("nowhere")


def test_download_returns_how_many_files_it_copied(ws: Workspace) -> None:
    store = ws.get_default_datastore()
    Path("a").write_text("a")
    store.upload_files(["a"], target_path="p", show_progress=False)
    store.upload_files(["a"], target_path="q", show_progress=False)

    assert store.download("out", prefix="p", show_progress=False) == 1
    assert Path("out/p/a").read_text() == "a"
    assert store.download("out", show_progress=False) == 1
    assert store.download("out", overwrite=True, show_progress=False) == 2


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a\\..\\x", "C:/x", "a\x00b", 3])
def test_paths_never_leave_a_datastore(ws: Workspace, path: Any) -> None:
    store = ws.get_default_datastore()
    Path("f").write_text("f")

    with pytest.raises(UserErrorException, match="path on a datastore"):
        store.path(path)
    with pytest.raises(UserErrorException, match="path on a datastore"):
        store.upload_files(["f"], target_path=path, show_progress=False)
    with pytest.raises(UserErrorException, match="path on a datastore"):
        Dataset.File.from_files((store, path))


def test_upload_does_not_write_through_a_link_that_leads_out(ws: Workspace, tmp_path: Path) -> None:
    store = ws.get_default_datastore()
    store.folder.mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (store.folder / "out").symlink_to(tmp_path / "secret")
    Path("f").write_text("f")

    with pytest.raises(UserErrorException, match="through a link"):
        store.upload_files(["f"], target_path="out", show_progress=False)
    assert list((tmp_path / "secret").iterdir()) == []


def test_a_registered_container_is_a_folder_without_keys(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    made = Datastore.register_azure_blob_container(
        workspace=ws, datastore_name="Samples", container_name="c", account_name="acc", account_key="very-secret"
    )
    again = Workspace(ws.uri).datastores["samples"]

    assert (again.name, again.datastore_type, again.container_name, again.account_name) == ("samples", "AzureBlob", "c", "acc")
    assert again.folder == made.folder
    assert not any(b"very-secret" in file.read_bytes() for file in Path(ws.uri).rglob("*") if file.is_file())
    with pytest.raises(UserErrorException, match="overwrite=True"):
        Datastore.register_azure_blob_container(ws, "samples", "other", "acc")
    Datastore.register_azure_blob_container(ws, "samples", "c", "acc")  # the same again is no error
    again.unregister()
    with pytest.raises(NotFoundError, match="workspaceblobstore"):
        Datastore.get(ws, "samples")


def test_a_registered_container_says_where_its_files_are(ws: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("TRACKLOG_QUIET", "0")

    made = Datastore.register_azure_file_share(Workspace(ws.uri), "share", "files", "acc")

    printed = capsys.readouterr().out
    assert str(made.folder) in printed
    assert "'files' of 'acc' is not read" in printed


def test_a_folder_of_the_user_is_a_datastore_and_stands_in_for_a_container(ws: Workspace, tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / "x.csv").write_text("a\n1\n")
    Datastore.register_folder(ws, "lake", share)
    Datastore.register_azure_data_lake_gen2(ws, "lake", "filesystem", "account")  # a script does so; the folder stays
    lake = Datastore.get(ws, "lake")
    lake.set_as_default()

    assert lake.folder == share
    assert ws.get_default_datastore().name == "lake"
    assert Dataset.Tabular.from_delimited_files((lake, "x.csv")).to_pandas_dataframe().a.tolist() == [1]
    lake.unregister()
    assert (share / "x.csv").exists()
    assert ws.get_default_datastore().name == "workspaceblobstore"
    with pytest.raises(UserErrorException, match="no folder"):
        Datastore.register_folder(ws, "lake", tmp_path / "nothing")
    with pytest.raises(UserErrorException, match="letters, digits"):
        Datastore.register_folder(ws, "../lake", share)


def test_databases_are_refused_with_what_to_do(ws: Workspace) -> None:
    with pytest.raises(NotSupportedError, match="register_pandas_dataframe"):
        Datastore.register_azure_sql_database(ws, "sql", "server", "database")
    with pytest.raises(NotSupportedError, match=r"pandas\.read_sql"):
        Dataset.Tabular.from_sql_query("SELECT 1")


def test_a_data_reference_is_text_that_v1_scripts_know(ws: Workspace) -> None:
    store = ws.get_default_datastore()

    assert str(store.as_mount()) == "$AZUREML_DATAREFERENCE_workspaceblobstore"
    assert str(store.path("a/b", data_reference_name="mine").as_download()) == "$AZUREML_DATAREFERENCE_mine"
    assert store.path("a").path("b").path_on_datastore == "a/b"
    bound = DataPath(store, "a").create_data_reference("n", DataPathComputeBinding("download"))
    assert (bound.mode, bound.path_on_datastore) == ("download", "a")
    with pytest.raises(UserErrorException, match="mode"):
        DataReference(store, mode="push")


# ------------------------------------------------------------------------- tables


def test_a_table_is_read_from_all_files_of_a_pattern(people: TabularDataset) -> None:
    table = people.to_pandas_dataframe()

    assert table.name.tolist() == ["Grace", "Mary", "Ada", "Alan"]  # by path
    assert table.age.tolist()[:1] == [85]
    assert table.age.isna().tolist() == [False, True, False, False]
    assert table.born.dtype.kind == "M"
    assert table.index.tolist() == [0, 1, 2, 3]


def test_nothing_is_read_before_it_is_asked_for(ws: Workspace, people: TabularDataset) -> None:
    head = people.take(1)
    (ws.get_default_datastore().folder / "people/more/two.csv").write_text("name,age\nNew,1\n")

    assert head.to_pandas_dataframe().name.tolist() == ["New"]


def test_steps_make_other_tables(people: TabularDataset) -> None:
    assert people.take(3).skip(1).to_pandas_dataframe().name.tolist() == ["Mary", "Ada"]
    assert people.drop_columns(["zip", "born"]).to_pandas_dataframe().columns.tolist() == ["name", "age"]
    assert people.keep_columns("age").to_pandas_dataframe().columns.tolist() == ["age"]
    assert people.filter((people["age"] > 40) & ~(people["name"] == "Alan")).to_pandas_dataframe().name.tolist() == ["Grace"]
    assert people.filter(people["age"].is_null() | (people["born"] < day(1850))).to_pandas_dataframe().name.tolist() == [
        "Mary",
        "Ada",
    ]
    with pytest.raises(DatasetExecutionError, match=r"no column 'ages'.*name, age, born, zip"):
        people.drop_columns("ages").to_pandas_dataframe()
    with pytest.raises(DatasetExecutionError, match="no column 'ages'"):
        people.keep_columns("ages", validate=True)
    with pytest.raises(UserErrorException, match="neither true nor false"):
        people.filter(people["age"] > 1 and people["age"] < 3)  # type: ignore[arg-type]
    with pytest.raises(UserErrorException, match="whole number"):
        people.take(-1)
    with pytest.raises(UserErrorException, match=r"0\.0 to 1\.0"):
        people.random_split(30)


def test_a_random_split_is_all_rows_once_and_the_same_for_a_seed(ws: Workspace) -> None:
    pd.DataFrame({"i": range(1000)}).to_csv("numbers.csv", index=False)
    numbers = Dataset.Tabular.from_delimited_files("numbers.csv")

    train, test = numbers.random_split(percentage=0.8, seed=3)
    drawn, rest = numbers.random_split(0.5)

    first, second = train.to_pandas_dataframe().i.tolist(), test.to_pandas_dataframe().i.tolist()
    assert (len(first), len(second)) == (800, 200)
    assert sorted(first + second) == list(range(1000))
    assert numbers.random_split(0.8, seed=3)[0].to_pandas_dataframe().i.tolist() == first
    assert numbers.random_split(0.8, seed=4)[0].to_pandas_dataframe().i.tolist() != first
    assert sorted(drawn.to_pandas_dataframe().i.tolist() + rest.to_pandas_dataframe().i.tolist()) == list(range(1000))
    assert len(numbers.take_sample(0.1, seed=1).to_pandas_dataframe()) == 100


def test_columns_get_the_types_that_are_set(ws: Workspace) -> None:
    Path("t.csv").write_text('id,price,when,ok,n\n007,"1,5",31.12.2020,yes,1\n8,"2,5",01.01.2021,no,x\n')
    types = {
        "id": DataType.to_string(),
        "price": DataType.to_float(decimal_mark=","),
        "when": DataType.to_datetime("%d.%m.%Y"),
        "ok": DataType.to_bool(),
        "n": DataType.to_long(),
    }
    table = Dataset.Tabular.from_delimited_files("t.csv", set_column_types=types)

    read = table.to_pandas_dataframe()

    assert read.id.tolist() == ["007", "8"]
    assert read.price.tolist() == [1.5, 2.5]
    assert read.when.dt.year.tolist() == [2020, 2021]
    assert read.ok.tolist() == [True, False]
    assert read.n.isna().tolist() == [False, True]
    with pytest.raises(DatasetExecutionError, match="'n' is not all long"):
        table.to_pandas_dataframe(on_error="fail")
    with pytest.raises(UserErrorException, match="on_error"):
        table.to_pandas_dataframe(on_error="ignore")
    with pytest.raises(UserErrorException, match=r"DataType\.to_long"):
        Dataset.Tabular.from_delimited_files("t.csv", set_column_types={"id": str})  # type: ignore[dict-item]
    untyped = Dataset.Tabular.from_delimited_files("t.csv", infer_column_types=False).to_pandas_dataframe()
    assert untyped.n.tolist() == ["1", "x"]


def test_headers_are_taken_from_the_files_that_have_them(ws: Workspace) -> None:
    Path("a.csv").write_text("x,y\n1,2\n")
    Path("b.csv").write_text("3,4\n")
    pair = ["a.csv", "b.csv"]
    first = Dataset.Tabular.from_delimited_files(
        pair, header=PromoteHeadersBehavior.ONLY_FIRST_FILE_HAS_HEADERS, include_path=True
    )
    none = Dataset.Tabular.from_delimited_files("b.csv", header=False, set_column_types={"Column2": DataType.to_string()})
    tabs = Path("c.tsv")
    tabs.write_text("x\ty\n1\t\n")

    assert first.to_pandas_dataframe().values.tolist() == [["/a.csv", 1, 2], ["/b.csv", 3, 4]]
    assert none.to_pandas_dataframe().to_dict("records") == [{"Column1": 3, "Column2": "4"}]
    as_text = Dataset.Tabular.from_delimited_files("c.tsv", separator="\t", empty_as_string=True).to_pandas_dataframe()
    assert as_text.y.tolist() == [""]
    with pytest.raises(UserErrorException, match="separator"):
        Dataset.Tabular.from_delimited_files("c.tsv", separator="")


def test_json_lines_and_parquet_are_read(ws: Workspace) -> None:
    Path("x.jsonl").write_text('{"a": 1, "when": "2024-01-02T03:04:05"}\n\nnot json\n{"a": 2}\n')
    pd.DataFrame({"a": [1, 2]}).to_parquet("x.parquet")
    lines = Dataset.Tabular.from_json_lines_files("x.jsonl", invalid_lines="drop")

    read = lines.to_pandas_dataframe()

    assert read.a.tolist() == [1, 2]
    assert read.when.dtype.kind == "M"
    with pytest.raises(DatasetExecutionError, match="line 3"):
        Dataset.Tabular.from_json_lines_files("x.jsonl").to_pandas_dataframe()
    assert Dataset.Tabular.from_parquet_files("x.parquet").to_pandas_dataframe().a.tolist() == [1, 2]
    with pytest.raises(DatasetExecutionError, match=r"Cannot read .*x\.jsonl as parquet"):
        Dataset.Tabular.from_parquet_files("x.jsonl").to_pandas_dataframe()


def test_rows_are_found_by_time(people: TabularDataset) -> None:
    timed = people.with_timestamp_columns("born", validate=True)

    assert timed.timestamp_columns == ("born", None)
    assert timed.time_before(day(1858)).to_pandas_dataframe().name.tolist() == ["Mary", "Ada"]
    assert timed.time_before(day(1858), include_boundary=False).to_pandas_dataframe().name.tolist() == ["Ada"]
    between = timed.time_between(day(1900), day(1910))
    assert between.to_pandas_dataframe().name.tolist() == ["Grace"]
    assert len(timed.time_recent(dt.timedelta(days=1)).to_pandas_dataframe()) == 0
    with pytest.raises(DatasetTimestampMissingError, match="with_timestamp_columns"):
        people.time_after(day(1900))
    with pytest.raises(UserErrorException, match="does not hold dates"):
        people.with_timestamp_columns("name", validate=True)


def test_paths_become_columns_by_their_partition_format(ws: Workspace) -> None:
    for department, day in (("sales", "2020/01/31"), ("lab", "2021/12/01")):
        folder = Path("accounts") / department / day
        folder.mkdir(parents=True)
        (folder / "data.csv").write_text("n\n1\n")
    table = Dataset.Tabular.from_delimited_files(
        "accounts/**/*.csv", partition_format="/{Department}/{PartitionDate:yyyy/MM/dd}/data.csv"
    )

    read = table.to_pandas_dataframe()

    assert table.partition_keys == ["Department", "PartitionDate"]
    assert read.Department.tolist() == ["lab", "sales"]
    assert read.PartitionDate.dt.month.tolist() == [12, 1]
    assert table.get_partition_key_values(["Department"]) == [{"Department": "lab"}, {"Department": "sales"}]


def test_places_that_hold_nothing_are_refused_when_the_data_set_is_made(ws: Workspace) -> None:
    store = ws.get_default_datastore()

    for path in ("nothing.csv", "no/*.csv", (store, "none/**")):
        with pytest.raises(DatasetValidationError, match="There are no files"):
            Dataset.Tabular.from_delimited_files(path)
    later = Dataset.File.from_files((store, "none/**"), validate=False)
    assert later.to_path() == []
    for wrong in (None, 3, [], ("a", 3), {"a": 1}, "", "abfs://x/y"):
        with pytest.raises(UserErrorException, match="Cannot"):
            Dataset.File.from_files(wrong)


def test_patterns_stay_within_a_part_but_for_two_stars(ws: Workspace) -> None:
    for name in ("a.csv", "b.txt", "d/c.csv", "d/e/f.csv", "d/[x].csv"):
        Path("t", name).parent.mkdir(parents=True, exist_ok=True)
        Path("t", name).write_text("x")

    def paths(pattern: str) -> list[str]:
        return Dataset.File.from_files(pattern).to_path()

    assert paths("t/*.csv") == ["/a.csv"]
    assert paths("t/**/*.csv") == ["/a.csv", "/d/[x].csv", "/d/c.csv", "/d/e/f.csv"]
    assert paths("t") == paths("t/**") == ["/a.csv", "/b.txt", "/d/[x].csv", "/d/c.csv", "/d/e/f.csv"]
    assert paths("t/d/?.csv") == ["/c.csv"]
    assert paths("t/[!a].*") == ["/b.txt"]
    assert paths("t/d/e/f.csv") == ["/f.csv"]
    assert paths(Path("t/d/e").absolute().as_uri()) == ["/f.csv"]
    assert Dataset.File.from_files(["t/d/e/f.csv", "t/b.txt"]).to_path() == ["/d/e/f.csv", "/b.txt"]


def test_a_data_frame_is_registered_as_parquet(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    store = ws.get_default_datastore()
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})

    made = Dataset.Tabular.register_pandas_dataframe(frame, (store, "frames"), "frame", description="d", tags={"k": 1})
    Dataset.Tabular.register_pandas_dataframe(frame * 2, store, "frame", show_progress=False)

    assert (made.name, made.version, made.description, made.tags) == ("frame", 1, "d", {"k": "1"})
    assert Dataset.get_by_name(ws, "frame", version=1).to_pandas_dataframe().equals(frame)
    assert Dataset.get_by_name(ws, "frame").to_pandas_dataframe().a.tolist() == [2, 4]
    assert "2 rows" in capsys.readouterr().out
    with pytest.raises(UserErrorException, match="DataFrame"):
        Dataset.Tabular.register_pandas_dataframe([1], store, "frame")
    with pytest.raises(UserErrorException, match="datastore"):
        Dataset.Tabular.register_pandas_dataframe(frame, "somewhere", "frame")


def test_without_pandas_the_message_says_what_to_install(ws: Workspace) -> None:
    Path("x.csv").write_text("a\n1\n")
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from azureml.core import Dataset\n"
        "Dataset.Tabular.from_delimited_files('x.csv').to_pandas_dataframe()"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "MissingExtraError" in done.stderr
    assert "pip install 'tracklog[tables]'" in done.stderr


def test_importing_the_names_does_not_load_pandas() -> None:
    code = "import sys, azureml.core, azureml.data; print('pandas' in sys.modules, 'numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False False\n"


# --------------------------------------------------------------------- the network


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a web server with two files."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "titanic.csv").write_text("age\n22\n38\n")
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_addresses_on_the_web_are_read_when_asked_for(ws: Workspace, address: str) -> None:
    table = Dataset.Tabular.from_delimited_files(f"{address}/titanic.csv")
    files = Dataset.File.from_files([f"{address}/titanic.csv"])

    assert table.to_pandas_dataframe().age.tolist() == [22, 38]
    assert files.to_path() == ["/titanic.csv"]
    assert [Path(path).read_text() for path in files.download("got")] == ["age\n22\n38\n"]
    with files.mount() as mounted:
        assert Path(mounted.mount_point, "titanic.csv").read_text().startswith("age")
    missing = Dataset.Tabular.from_delimited_files(f"{address}/nothing.csv")
    with pytest.raises(DatasetExecutionError, match=r"nothing\.csv: .*(Not Found|404)"):
        missing.to_pandas_dataframe()


# -------------------------------------------------------------------------- files


def test_files_are_downloaded_under_their_paths(people: TabularDataset, ws: Workspace) -> None:
    files = Dataset.File.from_files((ws.get_default_datastore(), "people"))

    paths = files.download("got")

    assert [Path(path).relative_to(Path.cwd()).as_posix() for path in paths] == ["got/more/two.csv", "got/one.csv"]
    with pytest.raises(UserErrorException, match="overwrite=True"):
        files.download("got")
    assert files.download("got", overwrite=True) == paths
    assert all(Path(path).is_file() for path in files.download())


def test_a_mount_is_the_folder_or_links_to_its_files(people: TabularDataset, ws: Workspace) -> None:
    store = ws.get_default_datastore()
    whole = Dataset.File.from_files((store, "people/**"))
    one = whole.take(1)

    with whole.mount() as mounted:
        assert Path(mounted.mount_point) == store.folder / "people"
    context = one.mount("at")
    context.start()
    assert [file.name for file in Path(context.mount_point).rglob("*.csv")] == [Path(one.to_path()[0]).name]
    context.stop()
    assert list(Path("at").iterdir()) == []
    assert len(whole.to_path()) == 2, "the files themselves stay"
    Path("full").mkdir()
    Path("full/x").write_text("x")
    with pytest.raises(UserErrorException, match="files in it"), one.mount("full"):
        pass
    assert Path("full/x").exists()


def test_files_are_filtered_by_what_is_known_of_them(ws: Workspace) -> None:
    Path("f").mkdir()
    Path("f/small").write_text("x")
    Path("f/large").write_text("x" * 100)
    files = Dataset.File.from_files("f")

    assert files.filter(files["Size"] > 10).to_path() == ["/large"]
    assert files.filter(files.file_metadata("LastModifiedTime") < dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)).to_path() == []
    assert [len(part.to_path()) for part in files.random_split(0.5, seed=1)] == [1, 1]
    with pytest.raises(UserErrorException, match="Size, LastModifiedTime"):
        files.file_metadata("Colour")


def test_upload_directory_makes_a_data_set_of_what_matches(ws: Workspace) -> None:
    store = ws.get_default_datastore()
    Path("src/b").mkdir(parents=True)
    for name in ("a.png", "b/c.png", "b/d.txt"):
        Path("src", name).write_text(name)

    made = Dataset.File.upload_directory("src", (store, "images"), pattern="**/*.png", show_progress=False)

    assert made.to_path() == ["/a.png", "/b/c.png"]
    assert not (store.folder / "images/b/d.txt").exists()
    with pytest.raises(UserErrorException, match="overwrite=True"):
        Dataset.File.upload_directory("src", DataPath(store, "images"), show_progress=False)
    assert (
        len(Dataset.File.upload_directory("src", DataPath(store, "images"), overwrite=True, show_progress=False).to_path()) == 3
    )
    with pytest.raises(UserErrorException, match="no files"):
        Dataset.File.upload_directory("src", store, pattern="*.jpg")


# ------------------------------------------------------------------- registration


def test_versions_are_kept_under_a_name(ws: Workspace, people: TabularDataset) -> None:
    first = people.register(ws, "people", description="all", tags={"source": "book"})
    young = people.filter(people["age"] < 50)
    with pytest.raises(UserErrorException, match="create_new_version=True"):
        young.register(ws, "people")
    second = young.register(ws, "people", create_new_version=True)

    other = Workspace(ws.uri)
    assert (first.name, first.version, first.description, first.tags) == ("people", 1, "all", {"source": "book"})
    assert second.version == 2
    assert list(other.datasets) == ["people"]
    assert other.datasets["people"].version == 2
    assert len(Dataset.get_by_name(other, "people", version=1).to_pandas_dataframe()) == 4
    assert Dataset.get_by_name(other, "people", version="latest").to_pandas_dataframe().name.tolist() == ["Ada", "Alan"]
    assert Dataset.get_by_id(other, second.id).version == 2
    assert isinstance(Dataset.get_by_id(other, str(people.take(1).id)), TabularDataset)
    assert '"name": "people"' in repr(second)


def test_registering_the_same_again_makes_no_version(ws: Workspace, people: TabularDataset) -> None:
    people.register(ws, "people", tags={"a": "1"})

    again = people.register(ws, "people", description="new words", create_new_version=True)

    assert (again.version, again.description, again.tags) == (1, "new words", {"a": "1"})
    again.add_tags({"b": 2}).remove_tags(["a"])
    assert Dataset.get_by_name(ws, "people").tags == {"b": "2"}
    again.unregister_all_versions()
    assert ws.datasets == {}
    with pytest.raises(UserErrorException, match="not registered"):
        again.update(description="x")


def test_what_is_not_registered_says_what_is(ws: Workspace, people: TabularDataset) -> None:
    people.register(ws, "people")

    for error in (UserErrorException, NotFoundError):
        with pytest.raises(error, match="Registered: people"):
            Dataset.get_by_name(ws, "peoples")
        with pytest.raises(error, match="no version 3"):
            Dataset.get_by_name(ws, "people", version=3)
        for id_ in ("nothing", "../../etc/passwd", "00000000-0000-0000-0000-000000000000"):
            with pytest.raises(error, match="no data set with id"):
                Dataset.get_by_id(ws, id_)
    for name in ("", " ", "x" * 256, "a\nb", 3):
        with pytest.raises(UserErrorException, match="name of a data set"):
            people.register(ws, name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["..", ".", "a/b", "Ümlaut & co.", "x" * 255, "日本語" * 80, "con"])
def test_any_printable_name_is_kept_in_its_folder(ws: Workspace, people: TabularDataset, name: str) -> None:
    people.register(ws, name)

    assert list(Workspace(ws.uri).datasets) == [name]
    assert Dataset.get_by_name(ws, name).version == 1
    root = Path(ws.uri) / "datasets"
    assert len([one for one in root.iterdir() if not one.name.startswith(".")]) == 1


def test_processes_that_register_at_once_get_a_version_each(ws: Workspace) -> None:
    for number in range(8):
        Path(f"{number}.csv").write_text("a\n1\n")
    code = (
        "import sys; from azureml.core import Dataset, Workspace\n"
        "made = Dataset.Tabular.from_delimited_files(sys.argv[1] + '.csv')\n"
        "print(made.register(Workspace.from_config(), 'shared', create_new_version=True).version)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(number)], stdout=subprocess.PIPE, text=True) for number in range(8)
    ]

    versions = sorted(int(process.communicate(timeout=60)[0]) for process in running)

    assert versions == list(range(1, 9))
    assert ws.datasets["shared"].version == 8


def test_a_damaged_registration_names_the_file(ws: Workspace, people: TabularDataset) -> None:
    people.register(ws, "people")
    (Path(ws.uri) / "datasets/people/1.json").write_text("{")

    with pytest.raises(UserErrorException, match=r"people/1\.json"):
        Dataset.get_by_name(ws, "people")


def test_data_sets_of_a_server_lie_in_the_state_folder_of_this_machine(
    tmp_path: Path, clean_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("a\n1\n")
    with serve(tmp_path / "team") as server:
        ws = Workspace(server.url)
        ws.get_default_datastore().upload_files(["x.csv"], show_progress=False)
        made = Dataset.Tabular.from_delimited_files((ws.get_default_datastore(), "x.csv")).register(ws, "x")

        assert made.version == 1
        assert Workspace(server.url).datasets["x"].to_pandas_dataframe().a.tolist() == [1]
        assert ws.get_default_datastore().folder.is_relative_to(clean_environment / "state")


def test_a_data_set_of_another_workspaces_datastore_is_not_taken(ws: Workspace, people: TabularDataset, tmp_path: Path) -> None:
    with pytest.raises(UserErrorException, match="Copy its files first"):
        people.register(Workspace(tmp_path / "other"), "people")


# ------------------------------------------------------------- inputs and outputs

SCRIPT = """
import json, os, sys
from azureml.core import Run, Dataset
run = Run.get_context()
table = run.input_datasets["training_data"]
frame = table.to_pandas_dataframe()
run.log("rows", len(frame))
assert Dataset.get_by_id(run.experiment.workspace, sys.argv[1]).to_pandas_dataframe().equals(frame)
assert os.environ["training_data"] == sys.argv[1] == table.id
for mode, path in zip(("mount", "download"), sys.argv[2:4]):
    assert run.input_datasets[mode] == os.environ[mode] == os.environ["AZUREML_DATAREFERENCE_" + mode] == path
    run.log_list(mode, sorted(os.listdir(path)))
open(sys.argv[4]).read()
run.log("variables", os.environ["AZUREML_DATASET_ENVIRONMENT_VARS"])
open(os.path.join(sys.argv[3], "one.csv"), "w").write("changed")  # of a copy
"""


@pytest.fixture
def experiment(ws: Workspace) -> Experiment:
    return Experiment(ws, "data")


def test_a_submitted_script_is_given_its_inputs(ws: Workspace, people: TabularDataset, experiment: Experiment) -> None:
    Path("src").mkdir()
    Path("src/train.py").write_text(SCRIPT)
    people.register(ws, "people", create_new_version=True)
    files = Dataset.File.from_files((ws.get_default_datastore(), "people"))
    single = Dataset.File.from_files((ws.get_default_datastore(), "people/one.csv"))
    arguments = [
        Dataset.get_by_name(ws, "people").as_named_input("training_data"),
        files.as_named_input("mount").as_mount(),
        files.as_named_input("download").as_download(),
        single.as_mount(),
    ]

    run = experiment.submit(ScriptRunConfig("src", script="train.py", arguments=arguments))
    run.wait_for_completion()

    metrics = run.get_metrics()
    assert metrics["rows"] == 4
    assert metrics["mount"] == metrics["download"] == ["more", "one.csv"]
    given = metrics["variables"].split(",")
    assert given[:3] == ["training_data:direct", "mount:mount", "download:download"]
    assert given[3].startswith("input_")
    details = run.get_details()
    assert details["runDefinition"]["arguments"][0] == "DatasetConsumptionConfig:training_data"
    assert [one["consumptionDetails"]["inputName"] for one in details["inputDatasets"]][:3] == [
        "training_data",
        "mount",
        "download",
    ]
    assert details["inputDatasets"][0]["dataset"] == {"id": ws.datasets["people"].id, "name": "people"}
    assert ws.store.get_run(run.id).datasets[0].name == "people"
    assert (ws.get_default_datastore().folder / "people/one.csv").read_text().startswith("name,")


def test_references_to_datastores_are_paths_in_the_script(ws: Workspace, people: TabularDataset, experiment: Experiment) -> None:
    store = ws.get_default_datastore()
    Path("src").mkdir()
    Path("src/train.py").write_text(
        "import os, sys\n"
        "assert sorted(os.listdir(sys.argv[1])) == ['more', 'one.csv'], sys.argv\n"
        "assert os.environ['AZUREML_DATAREFERENCE_named'] == sys.argv[2]\n"
        "open(os.path.join(sys.argv[3], 'result.txt'), 'w').write('done')\n"
        "assert sys.argv[4] == '--resume-from' and os.path.isfile(os.path.join(sys.argv[5], 'one.csv'))\n"
    )
    config = ScriptRunConfig(
        "src",
        script="train.py",
        arguments=[store.path("people").as_mount(), "$AZUREML_DATAREFERENCE_named", store.path("results").as_upload()],
        resume_from=DataPath(store, "people"),
    )
    config.run_config.data_references = {"named": store.path("people").as_download().to_config()}

    run = experiment.submit(config)
    run.wait_for_completion()

    assert (store.folder / "results/result.txt").read_text() == "done"


def test_outputs_are_kept_on_a_datastore_and_registered(ws: Workspace, experiment: Experiment) -> None:
    store = ws.get_default_datastore()
    Path("src").mkdir()
    Path("src/prep.py").write_text(
        "import os, sys\nfrom azureml.core import Run\n"
        "run = Run.get_context()\n"
        "assert run.output_datasets['prepared'] == sys.argv[1]\n"
        "assert os.environ['AZUREML_DATASET_FILE_OUTPUTS'] == 'prepared;uploaded'\n"
        "for folder in sys.argv[1:]:\n"
        "    open(os.path.join(folder, 'x.csv'), 'w').write('a\\n1\\n')\n"
        "    open(os.path.join(folder, 'y.tmp'), 'w').write('no')\n"
    )
    prepared = OutputFileDatasetConfig("prepared").register_on_complete("prepared", tags={"by": "test"})
    uploaded = OutputFileDatasetConfig(name="uploaded", destination=(store, "up/{run-id}")).as_upload(source_globs="*.csv")
    uploaded = uploaded.read_delimited_files().register_on_complete("table")

    run = experiment.submit(ScriptRunConfig("src", script="prep.py", arguments=[prepared, uploaded]))
    run.wait_for_completion()

    assert (store.folder / "dataset" / run.id / "prepared" / "x.csv").exists()
    assert [file.name for file in (store.folder / "up" / run.id).iterdir()] == ["x.csv"]
    assert ws.datasets["prepared"].to_path() == ["/x.csv", "/y.tmp"]
    assert ws.datasets["prepared"].tags == {"by": "test"}
    assert ws.datasets["table"].to_pandas_dataframe().a.tolist() == [1]


def test_outputs_of_a_failed_script_are_copied_and_not_registered(ws: Workspace, experiment: Experiment) -> None:
    Path("src").mkdir()
    Path("src/prep.py").write_text("import os, sys\nopen(os.path.join(sys.argv[1], 'part'), 'w').write('x')\nsys.exit(3)\n")
    output = OutputFileDatasetConfig("o", destination=(ws.get_default_datastore(), "o")).as_upload().register_on_complete("o")

    run = experiment.submit(ScriptRunConfig("src", script="prep.py", arguments=[output]))
    run.wait_for_completion(raise_on_error=False)

    assert run.get_status() == "Failed"
    assert (ws.get_default_datastore().folder / "o/part").read_text() == "x"
    assert ws.datasets == {}


def test_a_shell_command_has_inputs_in_place_too(ws: Workspace, people: TabularDataset, experiment: Experiment) -> None:
    Path("src").mkdir()
    files = Dataset.File.from_files((ws.get_default_datastore(), "people"))

    run = experiment.submit(ScriptRunConfig("src", command=["ls", files.as_mount(), "&&", "echo", "done"]))
    run.wait_for_completion()

    assert [line.text for line in ws.store.log_lines(run.id).lines] == ["more", "one.csv", "done"]


def test_an_input_that_has_gone_fails_the_run_with_the_reason(
    ws: Workspace, people: TabularDataset, experiment: Experiment
) -> None:
    Path("src").mkdir()
    Path("src/train.py").write_text("print('never')")
    gone = Dataset.File.from_files("http://127.0.0.1:9/gone.csv")

    run = experiment.submit(ScriptRunConfig("src", script="train.py", arguments=[gone.as_download()]))
    with pytest.raises(ActivityFailedException, match=r"http://127\.0\.0\.1:9/gone\.csv"):
        run.wait_for_completion()


@pytest.mark.parametrize("name", ["PATH", "a b", "1a", "", "a-b", None])
def test_names_of_inputs_are_names_of_variables(people: TabularDataset, name: Any) -> None:
    with pytest.raises(UserErrorException, match="variable of that name"):
        people.as_named_input(name)


def test_what_cannot_be_given_to_a_script_says_so(ws: Workspace, people: TabularDataset, experiment: Experiment) -> None:
    Path("src").mkdir()
    Path("src/train.py").write_text("")
    files = Dataset.File.from_files((ws.get_default_datastore(), "people"))

    def submit(*arguments: object) -> None:
        experiment.submit(ScriptRunConfig("src", script="train.py", arguments=list(arguments)))

    with pytest.raises(UserErrorException, match="as_named_input"):
        submit(people)
    with pytest.raises(UserErrorException, match="a name of its own"):
        submit(files.as_named_input("x").as_mount(), files.as_named_input("x").as_download())
    with pytest.raises(UserErrorException, match="cannot be given as files"):
        people.as_named_input("x").as_mount()
    with pytest.raises(UserErrorException, match="mode"):
        DatasetConsumptionConfig("x", files, mode="push")
    with pytest.raises(UserErrorException, match="destination"):
        submit(OutputFileDatasetConfig(destination="somewhere"))
    with pytest.raises(NotSupportedError, match="HDFS"):
        files.as_hdfs()
    with pytest.raises(NotSupportedError, match="register_on_complete"):
        OutputFileDatasetConfig("x").as_input()
    assert list(experiment.get_runs()) == []


def test_the_run_names_the_data_it_read(ws: Workspace, people: TabularDataset) -> None:
    registered = people.register(ws, "people")
    before = registered.lineage("training")
    (ws.get_default_datastore().folder / "people/one.csv").write_text("name,age\nNew,1\n")
    after = registered.lineage("training")

    assert before.name == "people"
    assert before.tags == {"mlflow.data.context": "training"}
    assert json.loads(before.source)["version"] == 1
    assert json.loads(before.source)["places"] == ["('workspaceblobstore', 'people/**/*.csv')"]
    assert before.digest != after.digest
    assert len(before.digest) <= 36


def test_conditions_are_compared_with_values_only(people: TabularDataset) -> None:
    with pytest.raises(AzureMLException, match="Cannot compare"):
        people["age"] == [1]  # noqa: B015
    with pytest.raises(AzureMLException, match="Cannot filter"):
        people.filter("age > 3")  # type: ignore[arg-type]
    assert FileDataset({"places": [{"file": os.devnull}]}, None).id is None
