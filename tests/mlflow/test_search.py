"""Searching runs through MLflow's client: filters, orders, pages."""

from __future__ import annotations

import math
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, ViewType

from tests.mlflow.conftest import Raw


@pytest.fixture(scope="module")
def runs(server: Any) -> tuple[MlflowClient, str, dict[str, str]]:
    """An experiment of six runs, by name: a b c have loss 1 2 3, d NaN, e none, f loss 2 again."""
    client = MlflowClient(server.url, server.url)
    experiment = client.create_experiment(f"search-{id(client)}")
    ids = {}
    for i, (name, loss) in enumerate([("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", math.nan), ("e", None), ("f", 2.0)]):
        tags = {"mlflow.user": "ada" if i % 2 else "bob", "Kind": "Large" if i < 3 else "small"}
        run = client.create_run(
            experiment, start_time=1000 * (i + 1), run_name=name, tags=tags | ({"only": "x"} if i == 2 else {})
        )
        run_id = run.info.run_id
        client.log_batch(run_id, [] if loss is None else [Metric("loss", loss, 1, 1), Metric("val acc", -loss, 1, 1)])
        client.log_batch(run_id, params=[Param("lr", str(0.1 * (i + 1))), Param("model", "ResNet" if i < 2 else "vit_b")])
        ids[name] = run_id
    client.set_terminated(ids["b"], "FINISHED", end_time=9000)
    client.set_terminated(ids["c"], "FAILED", end_time=8000)
    client.set_tag(ids["e"], "mlflow.parentRunId", ids["a"])
    client.set_tag(ids["e"], "mlflow.note.content", "a note")
    dataset = Dataset("iris", "d1", "local", "/data", "{}", "{}")
    client.log_inputs(ids["a"], [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    client.log_inputs(ids["b"], [DatasetInput(Dataset("Iris2", "d2", "local", "/data", None, None), [])])
    return client, experiment, ids


def _found(runs: tuple[MlflowClient, str, dict[str, str]], filter_string: str = "", **search: Any) -> str:
    client, experiment, _ = runs
    search.setdefault("order_by", ["run_name"])
    return "".join(run.info.run_name for run in client.search_runs([experiment], filter_string, **search))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("", "abcdef"),
        ("metrics.loss = 2", "bf"),
        ("metric.loss != 2", "acd"),  # not those without the metric
        ("metrics.loss > 1.5", "bcf"),
        ("metrics.loss >= 2 AND metrics.loss < 3", "bf"),
        ("metrics.loss <= 1e0", "a"),
        ("metrics.`val acc` < -2.5", "c"),
        ('metrics."val acc" < -2.5', "c"),
        ("params.model = 'ResNet'", "ab"),
        ("params.model != 'ResNet'", "cdef"),
        ("parameter.model LIKE 'Res%'", "ab"),
        ("params.model LIKE 'res%'", ""),
        ("params.model ILIKE 'res%'", "ab"),
        ("params.model LIKE 'vit_b'", "cdef"),
        ("params.lr = '0.1'", "a"),
        ("tags.only IS NOT NULL", "c"),
        ("tags.only IS NULL AND params.model = 'vit_b'", "def"),
        ("params.none is null", "abcdef"),
        ("tags.Kind = 'Large'", "abc"),
        ("tags.kind = 'Large'", ""),  # names have cases
        ("tag.Kind ilike 'LARGE'", "abc"),
        ('tags.Kind = "small"', "def"),
        ("attributes.status = 'RUNNING'", "adef"),
        ("status = 'FINISHED'", "b"),
        ("status != 'RUNNING'", "bc"),
        ("attr.status ILIKE 'f%'", "bc"),
        ("run.run_name = 'c'", "c"),
        ("run_name LIKE '_'", "abcdef"),
        ("attributes.`run name` = 'c'", "c"),
        ("attributes.user_id = 'ada'", "bdf"),
        ("tags.mlflow.user = 'ada'", "bdf"),
        ("tags.`mlflow.user` != 'ada'", "ace"),
        ("tags.mlflow.runName = 'c'", "c"),
        ("tags.mlflow.runName LIKE '%'", "abcdef"),
        ("tags.mlflow.note.content LIKE '%note%'", "e"),
        ("tags.mlflow.note.content IS NULL", "abcdf"),
        ("tags.mlflow.note.content != 'x'", "e"),
        ("tags.mlflow.parentRunId IS NULL", "abcdf"),
        ("tags.mlflow.parentRunId IS NOT NULL", "e"),
        ("start_time > 3000 AND start_time < 6000", "de"),
        ("attributes.created <= 2000", "ab"),
        ("end_time = 8000", "c"),
        ("dataset.name = 'iris'", "a"),
        ("datasets.name ILIKE 'iris%'", "ab"),
        ("datasets.digest IN ('d1', 'd2')", "ab"),
        ("datasets.context = 'training'", "a"),
        # beyond MLflow
        ("metrics.loss = 1 OR metrics.loss = 3", "ac"),
        ("NOT status = 'RUNNING'", "bc"),
        ("(metrics.loss = 1 or metrics.loss = 3) and status = 'FAILED'", "c"),
        ("status IN ('FINISHED', 'FAILED')", "bc"),
        ("params.lr > 0.35", "def"),
    ],
)
def test_a_filter(runs: tuple[MlflowClient, str, dict[str, str]], condition: str, expected: str) -> None:
    assert _found(runs, condition) == expected


def test_filters_of_ids(runs: tuple[MlflowClient, str, dict[str, str]]) -> None:
    _, experiment, ids = runs
    assert _found(runs, f"run_id = '{ids['b']}'") == "b"
    assert _found(runs, f"run_id IN ('{ids['b']}', '{ids['d']}', 'none')") == "bd"
    assert _found(runs, f"attributes.run_id NOT IN ('{ids['b']}', '{ids['d']}')") == "acef"
    assert _found(runs, f"tags.mlflow.parentRunId = '{ids['a']}'") == "e"
    assert _found(runs, f"artifact_uri = 'mlflow-artifacts:/{experiment}/{ids['b']}/artifacts'") == "b"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([], "fedcba"),  # newest first
        (["start_time"], "abcdef"),
        (["attributes.start_time DESC"], "fedcba"),
        (["metrics.loss"], "afbcde"),  # equal ones newest first, NaN after numbers, missing last
        (["metrics.loss ASC"], "afbcde"),
        (["metrics.loss DESC"], "cfbade"),
        (["metrics.`val acc`"], "cfbade"),
        (["params.model DESC", "start_time ASC"], "cdefab"),
        (["tags.only", "run_name DESC"], "cfedba"),
        (["tags.only DESC", "run_name"], "cabdef"),
        (["attributes.status", "run_name"], None),
        (["end_time DESC", "run_name"], "bcadef"),
        (["tags.mlflow.user", "metrics.loss DESC"], "fbdcae"),
    ],
)
def test_an_order(runs: tuple[MlflowClient, str, dict[str, str]], order: list[str], expected: str | None) -> None:
    found = _found(runs, order_by=order)

    assert sorted(found) == list("abcdef")
    if expected is not None:
        assert found == expected


def test_pages(runs: tuple[MlflowClient, str, dict[str, str]], raw: Raw) -> None:
    client, experiment, _ = runs
    seen, token = "", None
    while True:
        page = client.search_runs([experiment], max_results=4, order_by=["metrics.loss DESC"], page_token=token)
        seen += "".join(run.info.run_name for run in page)
        token = page.token
        if not token:
            break

    assert seen == "cfbade"
    full = raw.json("POST", "/runs/search", {"experiment_ids": [experiment], "max_results": 6})
    assert len(full["runs"]) == 6
    assert "next_page_token" not in full
    many = raw.json("POST", "/runs/search", {"experiment_ids": [experiment], "max_results": 50_000})
    assert many == full


def test_deleted_runs_are_found_when_asked_for(client: MlflowClient, experiment_id: str) -> None:
    kept, gone = (client.create_run(experiment_id, run_name=name).info.run_id for name in ("kept", "gone"))
    client.delete_run(gone)

    def found(view: int) -> set[str]:
        return {run.info.run_id for run in client.search_runs([experiment_id], run_view_type=view)}

    assert found(ViewType.ACTIVE_ONLY) == {kept}
    assert found(ViewType.DELETED_ONLY) == {gone}
    assert found(ViewType.ALL) == {kept, gone}


def test_no_experiments_no_runs(raw: Raw) -> None:
    assert raw.json("POST", "/runs/search", {"experiment_ids": []}) == {}
    assert raw.json("POST", "/runs/search", {"experiment_ids": ["987654"]}) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"filter": "metrics.m > 'a'"}, "Expected numeric value type for metric. Found 'a'"),
        ({"filter": "attributes.foo = 'x'"}, "Invalid attribute key 'foo' specified. Valid keys are '{"),
        ({"filter": "foo = 'x'"}, "Invalid attribute key 'foo' specified. Valid keys are '{"),
        ({"filter": "foo.bar = 'x'"}, "Invalid"),
        ({"filter": "metrics.a"}, "Invalid clause(s) in filter string"),
        ({"filter": "'abc'"}, "Invalid clause(s) in filter string"),
        ({"filter": "status = FINISHED"}, "Invalid clause(s) in filter string"),
        ({"filter": "metrics.a > 1 AND"}, "Invalid clause(s) in filter string"),
        ({"filter": "tags.a = 5"}, "Expected a quoted string value for tag"),
        ({"filter": "start_time > 'x'"}, "Invalid clause(s) in filter string"),
        ({"filter": "datasets.foo = 'x'"}, "Invalid clause(s) in filter string"),
        ({"order_by": ["foo"]}, "Invalid attribute key 'foo' specified. Valid keys are '{"),
        ({"order_by": ["metrics.m UP"]}, "Invalid"),
        ({"order_by": ["start_time", "start_time"]}, "`order_by` contains duplicate fields: ['start_time', 'start_time']"),
        ({"max_results": 0}, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
        (
            {"max_results": 50001},
            "Invalid value 50001 for parameter 'max_results' supplied:  Hint: Value was of type 'int'. See the API docs for more",
        ),
        ({"experiment_ids": ["zzz"]}, "Invalid experiment ID 'zzz'. Experiment ID must be a valid integer."),
        ({"experiment_ids": "0"}, "Invalid value \"0\" for parameter 'experiment_ids' supplied"),
        ({"page_token": "bad"}, ""),
    ],
)
def test_a_wrong_search_is_refused(raw: Raw, given: dict[str, Any], message: str) -> None:
    body = {"experiment_ids": ["0"], **given}

    assert raw.refused("INVALID_PARAMETER_VALUE", "POST", "/runs/search", body).startswith(message)


def test_data_sets_of_an_experiment(runs: tuple[MlflowClient, str, dict[str, str]], raw: Raw) -> None:
    _, experiment, _ = runs
    found = raw.json("POST", "/experiments/search-datasets", {"experiment_ids": [experiment]}, root="/ajax-api/2.0/mlflow")

    assert sorted(found["dataset_summaries"], key=lambda one: one["name"]) == [
        {"experiment_id": experiment, "name": "Iris2", "digest": "d2"},
        {"experiment_id": experiment, "name": "iris", "digest": "d1", "context": "training"},
    ]
    refused = raw.refused("INVALID_PARAMETER_VALUE", "POST", "/experiments/search-datasets", {"experiment_ids": []})
    assert refused == "SearchDatasets request must specify at least one experiment_id."


def test_inputs_of_a_run(runs: tuple[MlflowClient, str, dict[str, str]]) -> None:
    client, _, ids = runs
    again = DatasetInput(Dataset("iris", "d1", "local", "/data", "{}", "{}"), [InputTag("mlflow.data.context", "training")])
    client.log_inputs(ids["a"], [again])

    (one,) = client.get_run(ids["a"]).inputs.dataset_inputs
    assert (one.dataset.name, one.dataset.digest, one.dataset.source, one.dataset.schema) == ("iris", "d1", "/data", "{}")
    assert [(tag.key, tag.value) for tag in one.tags] == [("mlflow.data.context", "training")]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"name": "n" * 501}, "'name' exceeds the maximum length of 500 characters"),
        ({"digest": "d" * 37}, "'digest' exceeds the maximum length of 36 characters"),
        ({"source": "s" * 65_536}, "'source' exceeds the maximum length of 65535 characters"),
        ({"name": ""}, "Dataset name cannot be None"),
    ],
)
def test_a_data_set_with_a_flaw(raw: Raw, run_id: str, dataset: dict[str, str], message: str) -> None:
    whole = {"name": "n", "digest": "d", "source_type": "local", "source": "s", **dataset}
    body = {"run_id": run_id, "datasets": [{"dataset": whole}]}

    assert raw.refused("INVALID_PARAMETER_VALUE", "POST", "/runs/log-inputs", body) == message


def test_a_search_sees_what_get_sees(runs: tuple[MlflowClient, str, dict[str, str]]) -> None:
    client, experiment, ids = runs
    for run in client.search_runs([experiment]):
        assert str(run.to_dictionary()) == str(client.get_run(run.info.run_id).to_dictionary())  # NaN is not NaN
    assert ids
