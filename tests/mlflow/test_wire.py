"""Requests as no client sends them: spellings, types, paths, and what is answered to nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.mlflow.conftest import Raw


@pytest.mark.parametrize("root", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
def test_both_roots_answer(raw: Raw, root: str, run_id: str) -> None:
    assert raw.json("GET", "/runs/get", query={"run_id": run_id}, root=root)["run"]["info"]["run_id"] == run_id


def test_names_in_camel_case_are_taken(raw: Raw, client: MlflowClient, experiment_id: str) -> None:
    made = raw.json("POST", "/runs/create", {"experimentId": experiment_id, "runName": "camel", "startTime": "7"})["run"]
    run_id = made["info"]["run_id"]
    assert (made["info"]["run_name"], made["info"]["start_time"]) == ("camel", 7)
    raw.json("POST", "/runs/log-batch", {"runId": run_id, "metrics": [{"key": "m", "value": 1, "timestamp": 1, "modelId": None}]})
    assert client.get_run(run_id).data.metrics == {"m": 1}
    found = raw.json("POST", "/runs/search", {"experimentIds": [experiment_id], "maxResults": 5, "orderBy": ["start_time"]})
    assert len(found["runs"]) == 1


def test_a_field_spelled_twice_is_refused(raw: Raw, experiment_id: str) -> None:
    body = {"experimentId": experiment_id, "experiment_id": experiment_id}

    message = raw.refused("INVALID_PARAMETER_VALUE", "POST", "/runs/create", body)

    assert message == "Request specifies both 'experiment_id' and 'experimentId'; provide only one of them."
    nested = {"run_id": "r", "metrics": [{"key": "m", "model_id": "a", "modelId": "b"}]}
    message = raw.refused("INVALID_PARAMETER_VALUE", "POST", "/runs/log-batch", nested)
    assert message == "Request specifies both 'model_id' and 'modelId'; provide only one of them."


def test_what_is_unknown_or_null_is_as_if_it_were_not_there(raw: Raw, experiment_id: str) -> None:
    body = {"experiment_id": experiment_id, "colour": {"deep": [1]}, "run_name": None, "tags": None, "start_time": None}

    assert raw.json("POST", "/runs/create", body)["run"]["info"]["start_time"] == 0


def test_a_body_encoded_twice_is_taken(raw: Raw, experiment_id: str) -> None:
    twice = json.dumps(json.dumps({"experiment_id": experiment_id})).encode()

    assert raw.json("POST", "/runs/create", raw=twice)["run"]["info"]["experiment_id"] == experiment_id


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("text/plain", "Bad Request. Content-Type must be one of ['application/json']."),
        (None, "Bad Request. Content-Type header is missing."),
    ],
)
def test_a_post_says_that_it_is_json(raw: Raw, content_type: str | None, message: str) -> None:
    assert raw.refused("INVALID_PARAMETER_VALUE", "POST", "/runs/create", raw=b"{}", content_type=content_type) == message
    raw.json("POST", "/runs/search", raw=b"{}", content_type="application/json; charset=utf-8")


@pytest.mark.parametrize("body", [b"{bad", b"[1]", b"3", b'"x"', b"\xff\xfe", b"{" * 5000, b'{"a":' * 5000])
def test_a_body_that_is_no_object_is_refused(raw: Raw, body: bytes) -> None:
    for path in ("/runs/create", "/runs/log-batch", "/experiments/search", "/registered-models/create", "/logged-models"):
        raw.refused("INVALID_PARAMETER_VALUE", "POST", path, raw=body)


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/nothing",
        "/api/2.0/preview/mlflow/experiments/list",
        "/ajax-api/3.0/mlflow/nothing",
        "/api/2.0/nothing",
        "/api/2.0/mlflow/runs/get/more",
    ],
)
def test_an_unknown_path_is_said_in_a_way_that_clients_read(raw: Raw, path: str) -> None:
    answer, body = raw.ask("GET", path)

    assert (answer.status, json.loads(body)["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_a_wrong_method_is_refused(raw: Raw) -> None:
    for method, path in (("POST", "/runs/get"), ("GET", "/runs/create"), ("PUT", "/logged-models/m-1")):
        answer, body = raw.ask(method, f"/api/2.0/mlflow{path}", b"{}", {"Content-Type": "application/json"})
        assert (answer.status, json.loads(body)["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_what_the_server_is(raw: Raw) -> None:
    info = raw.json("GET", "/server-info", root="/api/3.0/mlflow")
    assert (info["store_type"], info["multipart_uploads_enabled"], info["workspaces_enabled"]) == ("SqlStore", True, False)
    answer, body = raw.ask("GET", "/health")
    assert (answer.status, body) == (200, b"OK")
    answer, body = raw.ask("GET", "/version")
    assert answer.status == 200
    assert body.decode().split(".")[0] == "3"


def test_an_id_with_odd_characters_is_unknown_not_an_error(raw: Raw) -> None:
    for odd in ("\x00", "a\x00b", "%", "'", "ü", "x" * 3000, "../x"):
        answer, body = raw.ask("GET", "/api/2.0/mlflow/runs/get?run_id=" + _quoted(odd))
        assert answer.status in (400, 404), (odd, body)
        answer, body = raw.ask("POST", "/api/2.0/mlflow/runs/set-tag", _json({"run_id": odd, "key": "a", "value": odd}), JSON)
        assert answer.status in (400, 404), (odd, body)


JSON = {"Content-Type": "application/json"}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def test_text_with_nul_is_kept_as_far_as_it_can_be(raw: Raw, run_id: str) -> None:
    raw.json("POST", "/runs/set-tag", {"run_id": run_id, "key": "a", "value": "x\x00y"})

    tags = {tag["key"]: tag["value"] for tag in raw.json("GET", "/runs/get", query={"run_id": run_id})["run"]["data"]["tags"]}
    assert tags["a"] == "x␀y"
