"""Workspaces by Azure ML v1's names: how a script finds the one it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tracklog import Experiment, Workspace
from tracklog.errors import InvalidValueError, UserErrorException
from tracklog.sdk.exceptions import WorkspaceException

SHORT = {"subscription_id": "s", "resource_group": "g", "workspace_name": "mine"}
LONG = {"Id": None, "Scope": "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/mine"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TRACKLOG_URI", raising=False)
    monkeypatch.setenv("TRACKLOG_CAPTURE", "none")
    work = tmp_path / "project" / "deep"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    return tmp_path / "home"


@pytest.mark.parametrize("content", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("place", [".azureml/config.json", "aml_config/project.json", "config.json", "../config.json"])
def test_a_configuration_is_found_upward_in_both_formats(home: Path, place: str, content: dict[str, str]) -> None:
    Path(place).parent.mkdir(exist_ok=True)
    Path(place).write_text(json.dumps(content))

    workspace = Workspace.from_config()

    assert (workspace.name, workspace.subscription_id, workspace.resource_group) == ("mine", "s", "g")
    assert workspace.uri == str(home / ".tracklog" / "workspaces" / "mine") == Workspace().uri
    assert repr(workspace) == "Workspace.create(name='mine', subscription_id='s', resource_group='g')"


def test_a_file_of_something_else_is_no_configuration(home: Path) -> None:
    for content in ("{bad", "[1]", '{"model_type": "bert"}', '{"Scope": "/a/b"}', json.dumps({**SHORT, "resource_group": None})):
        Path("config.json").write_text(content)

        assert Workspace.from_config().uri == str(home / ".tracklog")
        with pytest.raises(UserErrorException, match="no workspace configuration") as wrong:
            Workspace.from_config(path="config.json")
        assert "write_config" in wrong.value.message


def test_the_environment_says_where_a_named_workspace_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("config.json").write_text(json.dumps(SHORT))
    monkeypatch.setenv("TRACKLOG_URI", str(tmp_path / "team"))

    workspace = Workspace.from_config()

    assert (workspace.name, workspace.uri) == ("mine", str(tmp_path / "team"))


def test_what_write_config_writes_is_found(home: Path) -> None:
    Workspace("s", "g", "mine").write_config("..")

    assert json.loads(Path("../.azureml/config.json").read_text())["Scope"].endswith("/workspaces/mine")
    assert Workspace.from_config().name == "mine"


def test_workspaces_are_made_and_found_by_name(home: Path) -> None:
    with pytest.raises(WorkspaceException, match="none yet"):
        Workspace.get("mine")
    made = Workspace.create("mine", subscription_id="s", resource_group="g", location="westeurope")
    run = Experiment(made, "e").start_logging(snapshot_directory=None)
    run.complete()

    assert Workspace.get("mine").get_run(run.id).status == "Completed"
    assert list(Workspace.get("mine").experiments) == ["e"]
    assert list(Workspace.list("s")) == ["mine"]
    assert Workspace.create("mine", exist_ok=True).uri == made.uri
    with pytest.raises(WorkspaceException, match="exist_ok"):
        Workspace.create("mine")


@pytest.mark.parametrize("name", ["", "../up", "a/b", "-x", "a\x00"])
def test_a_name_never_leaves_its_folder(name: str) -> None:
    with pytest.raises(InvalidValueError, match="name of a workspace"):
        Workspace("s", "g", name)
