"""Experiments through MLflow's client: names, lifecycle, tags, search."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from tests.mlflow.conftest import Raw, mlflow3


def test_the_default_experiment_is_there_from_the_start(client: MlflowClient) -> None:
    default = client.get_experiment("0")

    assert (default.name, default.experiment_id, default.lifecycle_stage) == ("Default", "0", "active")
    assert dict(client.get_experiment_by_name("Default")) == dict(default)
    assert default.artifact_location == "mlflow-artifacts:/0"
    assert "0" in [one.experiment_id for one in client.search_experiments()]


def test_a_run_in_the_default_experiment_is_a_run_of_experiment_0(client: MlflowClient) -> None:
    run = client.create_run("0")

    assert run.info.experiment_id == "0"
    assert run.info.artifact_uri == f"mlflow-artifacts:/0/{run.info.run_id}/artifacts"
    assert client.get_experiment("0").name == "Default"
    with pytest.raises(MlflowException, match="already exists"):
        client.create_experiment("Default")


def test_an_experiment_has_what_it_was_made_with(client: MlflowClient, name: str) -> None:
    made = client.create_experiment(name, tags={"team": "vision", "empty": ""})

    found = client.get_experiment(made)
    assert (found.name, found.experiment_id, found.lifecycle_stage) == (name, made, "active")
    assert found.artifact_location == f"mlflow-artifacts:/{made}"
    assert found.tags == {"team": "vision", "empty": ""}
    assert found.creation_time == found.last_update_time > 1_700_000_000_000
    assert client.get_experiment_by_name(name).experiment_id == made


def test_a_name_is_given_once_also_while_deleted(client: MlflowClient, experiment_id: str, name: str) -> None:
    for _ in range(2):
        with pytest.raises(MlflowException, match="already exists") as refused:
            client.create_experiment(name)
        assert refused.value.error_code == "RESOURCE_ALREADY_EXISTS"
        client.delete_experiment(experiment_id)
        client.restore_experiment(experiment_id)
        client.delete_experiment(experiment_id)
        client.restore_experiment(experiment_id)


def test_set_experiment_of_many_threads_makes_one(fluent: Any, client: MlflowClient, name: str) -> None:
    found: list[str] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            found.append(fluent.set_experiment(name).experiment_id)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_deleted_experiment_takes_its_runs_along_and_brings_all_back(client: MlflowClient, experiment_id: str) -> None:
    kept, deleted_before = (client.create_run(experiment_id).info.run_id for _ in range(2))
    client.delete_run(deleted_before)

    client.delete_experiment(experiment_id)

    assert client.get_experiment(experiment_id).lifecycle_stage == "deleted"
    assert {client.get_run(one).info.lifecycle_stage for one in (kept, deleted_before)} == {"deleted"}
    with pytest.raises(MlflowException, match=r"must be in the 'active' state\. Current state is deleted") as refused:
        client.create_run(experiment_id)
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        client.set_experiment_tag(experiment_id, "a", "b")

    client.restore_experiment(experiment_id)

    assert client.get_experiment(experiment_id).lifecycle_stage == "active"
    assert {client.get_run(one).info.lifecycle_stage for one in (kept, deleted_before)} == {"active"}


def test_deleting_or_restoring_twice_is_not_found(client: MlflowClient, experiment_id: str) -> None:
    with pytest.raises(MlflowException, match=f"No Experiment with id={experiment_id} exists"):
        client.restore_experiment(experiment_id)
    client.delete_experiment(experiment_id)
    with pytest.raises(MlflowException, match=f"No Experiment with id={experiment_id} exists") as refused:
        client.delete_experiment(experiment_id)
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_renamed_experiment_keeps_id_and_runs(client: MlflowClient, experiment_id: str, name: str, run_id: str) -> None:
    client.rename_experiment(experiment_id, name + "-new")

    assert client.get_experiment(experiment_id).name == name + "-new"
    assert client.get_experiment_by_name(name) is None
    assert client.get_run(run_id).info.experiment_id == experiment_id
    assert [run.info.run_id for run in client.search_runs([experiment_id])] == [run_id]
    other = client.create_experiment(name)
    with pytest.raises(MlflowException, match="already exists") as refused:
        client.rename_experiment(other, name + "-new")
    assert refused.value.error_code == "RESOURCE_ALREADY_EXISTS"


def test_a_deleted_experiment_is_not_renamed_and_the_client_not_kept_waiting(
    client: MlflowClient, experiment_id: str, name: str
) -> None:
    client.delete_experiment(experiment_id)

    with pytest.raises(MlflowException, match="Cannot rename a non-active experiment") as refused:
        client.rename_experiment(experiment_id, name + "-new")
    assert refused.value.get_http_status_code() == 400  # MLflow's 500 makes its client try again for minutes


@mlflow3
def test_tags_of_an_experiment(client: MlflowClient, experiment_id: str) -> None:
    client.set_experiment_tag(experiment_id, "a", "1")
    client.set_experiment_tag(experiment_id, "a", "2")
    client.set_experiment_tag(experiment_id, "note", "x" * 20_000)

    assert client.get_experiment(experiment_id).tags == {"a": "2", "note": "x" * 20_000}
    client.delete_experiment_tag(experiment_id, "a")
    assert "a" not in client.get_experiment(experiment_id).tags
    with pytest.raises(MlflowException, match=f"No tag with name: a in experiment with id {experiment_id}"):
        client.delete_experiment_tag(experiment_id, "a")
    with pytest.raises(MlflowException, match="'value' exceeds the maximum length of 20000 characters"):
        client.set_experiment_tag(experiment_id, "note", "x" * 20_001)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"experiment_id": "987654"}, "No Experiment with id=987654 exists"),
        ({"experiment_id": "abc"}, "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."),
        ({}, "Missing value for required parameter 'experiment_id'. See the API docs"),
    ],
)
def test_an_unknown_experiment(raw: Raw, query: dict[str, str], message: str) -> None:
    code, status = ("RESOURCE_DOES_NOT_EXIST", 404) if "exists" in message else ("INVALID_PARAMETER_VALUE", 400)

    assert raw.refused(code, "GET", "/experiments/get", query=query, status=status).startswith(message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": ""}, "Missing value for required parameter 'name'. See the API docs"),
        ({}, "Missing value for required parameter 'name'. See the API docs"),
        ({"name": 123}, "Invalid value 123 for parameter 'name' supplied:  Hint: Value was of type 'int'. See the API docs"),
        ({"name": "x" * 501}, "'name' exceeds the maximum length of 500 characters"),
        ({"name": "   "}, "Invalid experiment name: '   '"),
    ],
)
def test_an_experiment_with_a_flaw_is_refused(raw: Raw, given: dict[str, Any], message: str) -> None:
    assert raw.refused("INVALID_PARAMETER_VALUE", "POST", "/experiments/create", given).startswith(message)


def _names(client: MlflowClient, prefix: str, **search: Any) -> list[str]:
    return [one.name.removeprefix(prefix) for one in client.search_experiments(**search)]


def test_experiments_are_searched(client: MlflowClient, name: str) -> None:
    for i, letter in enumerate("abc"):
        client.create_experiment(f"{name}-{letter}", tags={"n": str(i), "odd": "yes"} if i % 2 else {"n": str(i)})
    mine = f"name LIKE '{name}-%'"

    found = _names(client, name, filter_string=mine)
    assert sorted(found) == ["-a", "-b", "-c"]
    assert _names(client, name, filter_string=mine, order_by=["name DESC"]) == ["-c", "-b", "-a"]
    assert _names(client, name, filter_string=mine + " AND tags.odd IS NULL", order_by=["name"]) == ["-a", "-c"]
    assert _names(client, name, filter_string=mine + " AND tags.n = '2'") == ["-c"]
    assert _names(client, name, filter_string=mine + " AND (tags.n = '2' OR tags.n = '0')", order_by=["name"]) == ["-a", "-c"]
    assert _names(client, name, filter_string=f"name ILIKE '{name.upper()}-B'") == ["-b"]
    assert _names(client, name, filter_string=f"name LIKE '{name.upper()}-B'") == []
    ids = [client.get_experiment_by_name(f"{name}-{letter}").experiment_id for letter in "abc"]
    assert _names(client, name, filter_string=f"experiment_id IN ('{ids[0]}', '{ids[2]}')", order_by=["experiment_id"]) == [
        "-a",
        "-c",
    ]
    assert _names(client, name, filter_string=mine + " AND creation_time > 1", order_by=["creation_time", "name"])
    client.delete_experiment(ids[1])
    assert _names(client, name, filter_string=mine, order_by=["name"]) == ["-a", "-c"]
    assert _names(client, name, filter_string=mine, view_type=ViewType.DELETED_ONLY) == ["-b"]
    assert len(_names(client, name, filter_string=mine, view_type=ViewType.ALL)) == 3


def test_experiments_come_in_pages(client: MlflowClient, raw: Raw, name: str) -> None:
    for i in range(5):
        client.create_experiment(f"{name}-{i}")
    mine = f"name LIKE '{name}-%'"

    first = client.search_experiments(filter_string=mine, max_results=2, order_by=["name"])
    second = client.search_experiments(filter_string=mine, max_results=2, order_by=["name"], page_token=first.token)
    third = client.search_experiments(filter_string=mine, max_results=2, order_by=["name"], page_token=second.token)

    assert [one.name for one in [*first, *second, *third]] == [f"{name}-{i}" for i in range(5)]
    assert not third.token
    full = raw.json("POST", "/experiments/search", {"filter": mine, "max_results": 5})
    assert "next_page_token" not in full
    assert raw.json("GET", "/experiments/search", query={"filter": mine, "max_results": 5}) == full


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
        ({"max_results": 50001}, "Invalid value 50001 for parameter 'max_results' supplied. It must be at most 50000"),
        ({"max_results": 5, "filter": "foo = 'x'"}, "Invalid attribute key 'foo' specified. Valid keys are '{"),
        ({"max_results": 5, "order_by": ["foo"]}, "Invalid attribute key 'foo' specified. Valid keys are '{"),
        ({"max_results": 5, "page_token": "bad"}, "Invalid page token, could not base64-decode"),
        ({"max_results": 5, "filter": "name = "}, "Invalid clause(s) in filter string"),
    ],
)
def test_a_wrong_search_is_refused(raw: Raw, given: dict[str, Any], message: str) -> None:
    assert raw.refused("INVALID_PARAMETER_VALUE", "POST", "/experiments/search", given).startswith(message)
