"""Logged models through MLflow's client."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow", minversion="3.0")

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric
from mlflow.exceptions import MlflowException

from tests.mlflow.conftest import Raw


def test_a_logged_model_has_what_it_was_made_with(client: MlflowClient, raw: Raw, experiment_id: str, run_id: str) -> None:
    made = client.create_logged_model(
        experiment_id, name="net", source_run_id=run_id, tags={"a": "1"}, params={"depth": "3"}, model_type="pytorch"
    )

    model = client.get_logged_model(made.model_id)
    assert re.fullmatch("m-[0-9a-f]{32}", model.model_id)
    assert (model.name, model.experiment_id, model.source_run_id, model.model_type) == ("net", experiment_id, run_id, "pytorch")
    assert (model.tags, model.params, model.metrics) == ({"a": "1"}, {"depth": "3"}, [])
    assert model.artifact_location == f"mlflow-artifacts:/{experiment_id}/models/{model.model_id}/artifacts"
    assert model.status == LoggedModelStatus.PENDING
    assert raw.json("GET", f"/logged-models/{model.model_id}")["model"]["info"]["status"] == "LOGGED_MODEL_PENDING"
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    assert client.get_logged_model(model.model_id).status == LoggedModelStatus.READY
    client.finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
    assert client.get_logged_model(model.model_id).status == LoggedModelStatus.FAILED


def test_a_logged_model_without_a_name_gets_one(client: MlflowClient, experiment_id: str) -> None:
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d{1,3}", client.create_logged_model(experiment_id).name)


@pytest.mark.parametrize("bad", ["a/b", "a:b", "a.b", "a%b", 'a"b', "a'b"])
def test_a_name_that_a_logged_model_cannot_have(raw: Raw, experiment_id: str, bad: str) -> None:
    body = {"experiment_id": experiment_id, "name": bad}
    message = raw.refused("INVALID_PARAMETER_VALUE", "POST", "/logged-models", body)

    assert message.startswith(f"Invalid model name ({bad!r}) provided.")


def test_tags_and_params_of_a_logged_model(client: MlflowClient, raw: Raw, experiment_id: str) -> None:
    model_id = client.create_logged_model(experiment_id).model_id
    client.set_logged_model_tags(model_id, {"a": "1", "b": "2"})
    client.delete_logged_model_tag(model_id, "a")
    raw.json("POST", f"/logged-models/{model_id}/params", {"params": [{"key": "p", "value": "1"}]})

    model = client.get_logged_model(model_id)
    assert (model.tags, model.params) == ({"b": "2"}, {"p": "1"})
    with pytest.raises(MlflowException, match="No tag with key 'a' found for model with ID"):
        client.delete_logged_model_tag(model_id, "a")


def test_a_deleted_logged_model_is_gone_for_clients(client: MlflowClient, raw: Raw, experiment_id: str) -> None:
    model_id = client.create_logged_model(experiment_id).model_id
    client.delete_logged_model(model_id)

    with pytest.raises(MlflowException, match=f"Logged model with ID '{model_id}' not found"):
        client.get_logged_model(model_id)
    assert raw.json("GET", f"/logged-models/{model_id}", query={"allow_deleted": "true"})["model"]["info"]["model_id"] == model_id
    assert client.search_logged_models([experiment_id]) == []


def test_metrics_reach_the_model_and_the_run(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    model_id = client.create_logged_model(experiment_id, source_run_id=run_id).model_id
    client.log_metric(run_id, "acc", 0.5, timestamp=10, step=1, model_id=model_id, dataset_name="iris", dataset_digest="d1")
    client.log_batch(run_id, [Metric("acc", 0.7, 20, 2, model_id, "iris", "d1"), Metric("loss", 1, 20, 2)])

    metrics = {(one.key, one.value, one.step, one.dataset_name, one.run_id) for one in client.get_logged_model(model_id).metrics}
    assert ("acc", 0.7, 2, "iris", run_id) in metrics
    assert not any(one[0] == "loss" for one in metrics)
    assert client.get_run(run_id).data.metrics == {"acc": 0.7, "loss": 1}


def test_outputs_and_inputs_of_a_run(client: MlflowClient, raw: Raw, experiment_id: str, run_id: str) -> None:
    made, used = (client.create_logged_model(experiment_id).model_id for _ in range(2))
    client.log_outputs(run_id, [LoggedModelOutput(made, 7)])
    raw.json("POST", "/runs/log-inputs", {"run_id": run_id, "models": [{"model_id": used}]})

    run = client.get_run(run_id)
    assert [(one.model_id, one.step) for one in run.outputs.model_outputs] == [(made, 7)]
    assert [one.model_id for one in run.inputs.model_inputs] == [used]


def test_logged_models_are_searched(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    for i, letter in enumerate("abc"):
        model = client.create_logged_model(
            experiment_id, name=letter, source_run_id=run_id, params={"depth": str(i)}, tags={"n": str(i)}
        )
        client.log_metric(run_id, "acc", [0.3, 0.9, 0.6][i], model_id=model.model_id, dataset_name=f"set{i}", dataset_digest="d")
        if i:
            client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)

    def found(condition: str | None = None, **search: Any) -> str:
        return "".join(one.name for one in client.search_logged_models([experiment_id], condition, **search))

    by_name = [{"field_name": "name", "ascending": True}]
    assert found(order_by=by_name) == "abc"
    assert found(order_by=[{"field_name": "name", "ascending": False}]) == "cba"
    assert found(order_by=[{"field_name": "metrics.acc", "ascending": False}]) == "bca"
    assert found("name = 'b'") == "b"
    assert found("metrics.acc > 0.5", order_by=by_name) == "bc"
    assert found("params.depth = '2'") == "c"
    assert found("tags.n != '2'", order_by=by_name) == "ab"
    assert found("status = 'READY'", order_by=by_name) == "bc"
    assert found(f"source_run_id = '{run_id}'", order_by=by_name) == "abc"
    assert found("metrics.acc > 0.1", datasets=[{"dataset_name": "set1"}], order_by=by_name) == "b"
    page = client.search_logged_models([experiment_id], max_results=2, order_by=by_name)
    rest = client.search_logged_models([experiment_id], max_results=2, order_by=by_name, page_token=page.token)
    assert "".join(one.name for one in [*page, *rest]) == "abc"
    assert client.search_logged_models(["987654"]) == []


def test_a_version_of_a_logged_model_knows_it(client: MlflowClient, raw: Raw, experiment_id: str, run_id: str, name: str) -> None:
    model_id = client.create_logged_model(experiment_id, source_run_id=run_id, params={"p": "1"}).model_id
    client.create_registered_model(name)
    version = client.create_model_version(name, f"models:/{model_id}", model_id=model_id)

    assert version.run_id == run_id
    shape = raw.json("GET", "/model-versions/get", query={"name": name, "version": "1"})["model_version"]
    assert (shape["model_id"], shape["model_params"]) == (model_id, [{"key": "p", "value": "1"}])
    uri = f"mlflow-artifacts:/{experiment_id}/models/{model_id}/artifacts"
    assert client.get_model_version_download_uri(name, "1") == uri
    info = raw.json("GET", f"/logged-models/{model_id}")["model"]["info"]
    assert info["registrations"] == [{"name": name, "version": "1"}]


def test_files_of_a_logged_model(
    client: MlflowClient, fluent: Any, raw: Raw, experiment_id: str, folder: Path, tmp_path: Path
) -> None:
    model = client.create_logged_model(experiment_id)
    client.log_model_artifacts(model.model_id, str(folder))

    listed = client.list_logged_model_artifacts(model.model_id)
    assert [(one.path, one.is_dir, one.file_size) for one in listed] == [
        ("a.txt", False, 5),
        ("empty.bin", False, 0),
        ("sub", True, None),
    ]
    got = fluent.artifacts.download_artifacts(
        artifact_uri=f"{model.artifact_location}/sub", dst_path=str(tmp_path / "got"), tracking_uri=raw.url
    )
    assert (Path(got) / "b c ü.csv").read_text() == "x,y\n1,2\n"
    answer, body = raw.ask("GET", f"/ajax-api/2.0/mlflow/logged-models/{model.model_id}/artifacts/files?artifact_file_path=a.txt")
    assert (answer.status, body) == (200, b"alpha")


def test_a_model_that_is_not_there(raw: Raw) -> None:
    message = raw.refused("RESOURCE_DOES_NOT_EXIST", "GET", "/logged-models/m-1", status=404)

    assert message == "Logged model with ID 'm-1' not found."
    assert raw.refused("RESOURCE_DOES_NOT_EXIST", "PATCH", "/logged-models/m-1", {"status": "LOGGED_MODEL_READY"}, status=404)
    assert raw.refused("INVALID_PARAMETER_VALUE", "POST", "/logged-models", {"name": "x"}).startswith("Missing value")
