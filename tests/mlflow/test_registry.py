"""Registered models, versions, aliases and prompts through MLflow's client."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.mlflow.conftest import Raw, mlflow3


def _version(client: MlflowClient, name: str, run_id: str, **more: Any) -> str:
    made: str = client.create_model_version(name, f"runs:/{run_id}/model", run_id=run_id, **more).version
    return made


def test_a_registered_model_has_what_it_was_made_with(client: MlflowClient, name: str) -> None:
    made = client.create_registered_model(name, tags={"team": "vision"}, description="what for")

    found = client.get_registered_model(name)
    assert (found.name, found.description, found.tags) == (name, "what for", {"team": "vision"})
    assert found.creation_timestamp == found.last_updated_timestamp == made.creation_timestamp
    assert (found.latest_versions, found.aliases) == ([], {})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("a/b", "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
        ("a:b", "Invalid model name 'a:b'. Names cannot contain '/' or ':'."),
        ("..", "Invalid value \"..\" for parameter 'name' supplied"),
        ("", "Missing value for required parameter 'name'."),
        (" ", "Missing value for required parameter 'name'."),
    ],
)
def test_a_name_that_a_model_cannot_have(raw: Raw, bad: str, message: str) -> None:
    assert raw.refused("INVALID_PARAMETER_VALUE", "POST", "/registered-models/create", {"name": bad}).startswith(message)


def test_a_name_is_given_once(client: MlflowClient, name: str) -> None:
    client.create_registered_model(name)

    with pytest.raises(MlflowException, match=r"Registered Model \(name=.*\) already exists") as refused:
        client.create_registered_model(name)
    assert refused.value.error_code == "RESOURCE_ALREADY_EXISTS"
    client.create_registered_model(name + "2")
    with pytest.raises(MlflowException, match="already exists"):
        client.rename_registered_model(name + "2", name)


def test_what_is_not_there_is_not_found(raw: Raw, client: MlflowClient, name: str) -> None:
    def refused(method: str, path: str, given: dict[str, Any]) -> str:
        asked: dict[str, Any] = {"query": given} if method == "GET" else {"body": given}
        return raw.refused("RESOURCE_DOES_NOT_EXIST", method, path, status=404, **asked)

    unknown = f"Registered Model with name={name} not found"
    assert refused("GET", "/registered-models/get", {"name": name}) == unknown
    assert refused("PATCH", "/registered-models/update", {"name": name, "description": "x"}) == unknown
    assert refused("POST", "/registered-models/rename", {"name": name, "new_name": name + "2"}) == unknown
    assert refused("DELETE", "/registered-models/delete", {"name": name}) == unknown
    assert refused("POST", "/registered-models/set-tag", {"name": name, "key": "k"}) == unknown
    assert refused("POST", "/model-versions/create", {"name": name, "source": "s3://b/m"}) == unknown
    client.create_registered_model(name)
    unknown = f"Model Version (name={name}, version=7) not found"
    assert refused("GET", "/model-versions/get", {"name": name, "version": "7"}) == unknown
    assert refused("PATCH", "/model-versions/update", {"name": name, "version": "7"}) == unknown
    assert refused("DELETE", "/model-versions/delete", {"name": name, "version": "7"}) == unknown
    assert refused("POST", "/model-versions/set-tag", {"name": name, "version": "7", "key": "k"}) == unknown
    assert refused("POST", "/registered-models/alias", {"name": name, "alias": "a", "version": "7"}) == unknown
    given = {"name": name, "version": "x"}
    message = raw.refused("INVALID_PARAMETER_VALUE", "GET", "/model-versions/get", query=given)
    assert message == "Parameter 'version' must be an integer, got 'x'."


def test_versions_count_from_1_and_are_never_given_again(client: MlflowClient, raw: Raw, name: str, run_id: str) -> None:
    client.create_registered_model(name)
    assert [_version(client, name, run_id) for _ in range(2)] == ["1", "2"]
    client.delete_model_version(name, "2")
    assert _version(client, name, run_id) == "3"

    shape = raw.json("GET", "/model-versions/get", query={"name": name, "version": "3"})["model_version"]
    assert shape.pop("creation_timestamp") == shape.pop("last_updated_timestamp")
    assert shape == {
        "name": name,
        "version": "3",
        "current_stage": "None",
        "description": "",
        "source": f"runs:/{run_id}/model",
        "run_id": run_id,
        "status": "READY",
        "run_link": "",
    }


def test_a_version_is_described_tagged_and_removed(client: MlflowClient, name: str, run_id: str) -> None:
    client.create_registered_model(name)
    version = _version(client, name, run_id, tags={"a": "1"}, description="first")
    client.update_model_version(name, version, "second")
    client.set_model_version_tag(name, version, "b", "2")
    client.delete_model_version_tag(name, version, "a")
    client.delete_model_version_tag(name, version, "none")

    found = client.get_model_version(name, version)
    assert (found.description, found.tags) == ("second", {"b": "2"})
    client.delete_model_version(name, version)
    with pytest.raises(MlflowException, match="not found"):
        client.get_model_version(name, version)


def test_a_model_is_renamed_with_its_versions(client: MlflowClient, name: str, run_id: str) -> None:
    client.create_registered_model(name)
    _version(client, name, run_id)

    client.rename_registered_model(name, name + "-new")

    assert client.get_model_version(name + "-new", "1").name == name + "-new"
    with pytest.raises(MlflowException, match="not found"):
        client.get_registered_model(name)
    client.delete_registered_model(name + "-new")
    assert client.search_model_versions(f"name = '{name}-new'") == []


@pytest.mark.filterwarnings("ignore:.*stages are deprecated:FutureWarning", "ignore:.*is deprecated since:FutureWarning")
def test_stages(client: MlflowClient, name: str, run_id: str) -> None:
    client.create_registered_model(name)
    for _ in range(4):
        _version(client, name, run_id)
    client.transition_model_version_stage(name, "1", "staging")
    client.transition_model_version_stage(name, "2", "Production")

    client.transition_model_version_stage(name, "3", "Production", archive_existing_versions=True)

    def latest(stages: list[str] | None = None) -> dict[str, str]:
        return {one.current_stage: one.version for one in client.get_latest_versions(name, stages)}

    assert latest() == {"Staging": "1", "Archived": "2", "Production": "3", "None": "4"}
    assert latest(["Production"]) == {"Production": "3"}
    with pytest.raises(MlflowException, match=r"Invalid Model Version stage: nope\. Value must be one of None, Staging"):
        client.transition_model_version_stage(name, "1", "nope")
    with pytest.raises(MlflowException, match="cannot archive existing model versions because 'Archived' is not an Active stage"):
        client.transition_model_version_stage(name, "1", "Archived", archive_existing_versions=True)


def test_aliases(client: MlflowClient, name: str, run_id: str) -> None:
    client.create_registered_model(name)
    for _ in range(3):
        _version(client, name, run_id)
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_alias(name, "champion", "2")
    client.set_registered_model_alias(name, "other", "2")

    assert client.get_model_version_by_alias(name, "champion").version == "2"
    assert client.get_model_version_by_alias(name, "latest").version == "3"
    assert sorted(client.get_model_version(name, "2").aliases) == ["champion", "other"]
    assert client.get_registered_model(name).aliases == {"champion": "2", "other": "2"}
    client.delete_registered_model_alias(name, "other")
    client.delete_registered_model_alias(name, "other")
    client.delete_model_version(name, "2")  # takes its aliases along
    assert client.get_registered_model(name).aliases == {}
    with pytest.raises(MlflowException, match="Registered model alias champion not found"):
        client.get_model_version_by_alias(name, "champion")


@pytest.mark.parametrize(
    ("alias", "message"),
    [
        ("a b", "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-)."),
        ("Latest", "'latest' alias name (case insensitive) is reserved."),
        ("v12", "Version alias name 'v12' is reserved."),
        ("a" * 256, "'Registered model alias name' exceeds the maximum length of 255 characters"),
    ],
)
def test_a_name_that_an_alias_cannot_have(raw: Raw, client: MlflowClient, name: str, alias: str, message: str) -> None:
    client.create_registered_model(name)
    given = {"name": name, "alias": alias, "version": "1"}

    assert raw.refused("INVALID_PARAMETER_VALUE", "POST", "/registered-models/alias", given) == message


def test_models_and_versions_are_searched(client: MlflowClient, name: str, run_id: str) -> None:
    for letter in "abc":
        client.create_registered_model(f"{name}-{letter}", tags={"letter": letter})
    _version(client, f"{name}-b", run_id, tags={"t": "1"})
    _version(client, f"{name}-b", run_id)
    mine = f"name LIKE '{name}-%'"

    def models(condition: str, **search: Any) -> str:
        return "".join(one.name[-1] for one in client.search_registered_models(condition, **search))

    assert models(mine) == "abc"
    assert models(mine, order_by=["name DESC"]) == "cba"
    assert models(mine, order_by=["timestamp DESC"])[0] == "b"  # the last changed
    assert models(f"{mine} AND tags.letter = 'c'") == "c"
    assert models(f"{mine} AND (tags.letter = 'c' OR tags.letter = 'a')") == "ac"
    assert models(f"name ILIKE '{name.upper()}-A'") == "a"
    page = client.search_registered_models(mine, max_results=2)
    assert [one.name[-1] for one in [*page, *client.search_registered_models(mine, max_results=2, page_token=page.token)]] == [
        "a",
        "b",
        "c",
    ]

    def versions(condition: str, **search: Any) -> str:
        return "".join(one.version for one in client.search_model_versions(condition, **search))

    assert versions(f"name = '{name}-b'", order_by=["version_number ASC"]) == "12"
    assert versions(f"name = '{name}-b'") == "21"
    assert versions(f"run_id = '{run_id}' and tags.t = '1'") == "1"
    assert versions(f"run_id IN ('{run_id}', 'x')", order_by=["version_number"]) == "12"
    assert versions(f"source_path = 'runs:/{run_id}/model'", order_by=["version_number"]) == "12"
    assert versions("name = 'no such model'") == ""


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        (
            "/registered-models/search",
            {"max_results": 1001},
            "Invalid value for request parameter max_results. It must be at most 1000",
        ),
        ("/registered-models/search", {"filter": "name = "}, "Invalid clause(s) in filter string"),
        ("/registered-models/search", {"filter": "colour = 'x'"}, "Invalid clause(s) in filter string"),
        ("/registered-models/search", {"order_by": "colour"}, "Invalid order by key 'colour' specified. Valid keys are"),
        ("/model-versions/search", {"max_results": 0}, "Invalid value for max_results. It must be a positive integer, but got 0"),
        (
            "/model-versions/search",
            {"max_results": 200_001},
            "Invalid value for request parameter max_results. It must be at most",
        ),
        ("/model-versions/search", {"filter": "colour = 'x'"}, "Invalid clause(s) in filter string"),
    ],
)
def test_a_wrong_search_is_refused(raw: Raw, path: str, query: dict[str, Any], message: str) -> None:
    assert raw.refused("INVALID_PARAMETER_VALUE", "GET", path, query=query).startswith(message)


@mlflow3
def test_prompts_are_models_that_a_search_for_models_does_not_find(fluent: Any, client: MlflowClient, name: str) -> None:
    fluent.genai.register_prompt(name, "Say {{word}}", tags={"author": "ada"})
    fluent.genai.register_prompt(name, "Shout {{word}}")
    client.create_registered_model(name + "-model")

    assert fluent.genai.load_prompt(f"prompts:/{name}/2").format(word="yes") == "Shout yes"
    assert [one.name for one in client.search_registered_models(f"name LIKE '{name}%'")] == [name + "-model"]
    assert name in [one.name for one in fluent.genai.search_prompts()]
    with pytest.raises(MlflowException, match="does not allow creating a model and a prompt with the same name"):
        client.create_registered_model(name)


# ------------------------------------------------------------------------- sources


def test_sources_that_are_taken(client: MlflowClient, name: str, run_id: str, experiment_id: str) -> None:
    client.create_registered_model(name)
    for source in (
        f"runs:/{run_id}/model",
        f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts/model",
        f"mlflow-artifacts://host:5000/{experiment_id}/{run_id}/artifacts/model",
        "s3://bucket/folder/model",
        "gs://bucket/model",
        "dbfs:/models/x",
        "https://models.example/a.bin",
    ):
        version = client.create_model_version(name, source, run_id=run_id)
        assert version.source == source
        assert client.get_model_version_download_uri(name, version.version) == source


def test_a_version_can_be_a_copy_of_another(client: MlflowClient, name: str, run_id: str) -> None:
    client.create_registered_model(name)
    _version(client, name, run_id)

    copied = client.copy_model_version(f"models:/{name}/1", name + "-copy")

    assert (copied.version, copied.source, copied.run_id) == ("1", f"models:/{name}/1", run_id)
    assert client.get_model_version_download_uri(name + "-copy", "1") == f"runs:/{run_id}/model"
