"""The published holes of MLflow's server, tried on ours.

CVE-2023-1177, CVE-2023-6909, CVE-2023-6977: any file through `path` and `source`. CVE-2024-1483, CVE-2024-1558, CVE-2024-1560,
CVE-2024-1594, CVE-2024-3848: `#`, query and `..` in addresses. GHSA-5cvj-7rg6-jggj: a path out of a model's folder.
"""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient

from tests.mlflow.conftest import Raw, mlflow3

PROXY = "/api/2.0/mlflow-artifacts"
CLIMBING = [
    "../secret",
    "../../etc/passwd",
    "a/../../b",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "%252e%252e%252fetc%252fpasswd",
    "..\\..\\windows\\win.ini",
    "..%5c..%5cwin.ini",
    "C:/windows/win.ini",
    "C:\\windows",
    "file:///etc/passwd",
    "http://localhost/x",
    "a%23../../etc/passwd",
    "a%23b",
    "./../x",
]


def _refused(status: int, body: bytes) -> None:
    assert status in (400, 404), body
    assert b"error_code" in body or b"NOT_FOUND" in body
    assert b"root:" not in body


@pytest.mark.parametrize("path", CLIMBING)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_no_path_leads_out_of_a_run(raw: Raw, run_id: str, experiment_id: str, method: str, path: str) -> None:
    for root in (f"{experiment_id}/{run_id}/artifacts/", f"{experiment_id}/{run_id}/", ""):
        answer, body = raw.ask(method, f"{PROXY}/artifacts/{root}{path}", b"x" if method == "PUT" else None)
        _refused(answer.status, body)


@pytest.mark.parametrize("path", ["/etc/passwd", "//etc/passwd", "....//....//etc/passwd", "%2fetc%2fpasswd"])
def test_a_slash_too_many_names_a_file_of_the_run(
    raw: Raw, client: MlflowClient, run_id: str, experiment_id: str, path: str
) -> None:
    address = f"{PROXY}/artifacts/{experiment_id}/{run_id}/artifacts/{path}"
    answer, _ = raw.ask("PUT", address, b"mine")

    assert answer.status == 200
    answer, body = raw.ask("GET", address)
    assert (answer.status, body) == (200, b"mine")
    assert [one.path for one in client.list_artifacts(run_id)] == [path.strip("/").replace("%2f", "/").strip("/").split("/")[0]]


@pytest.mark.parametrize("path", [*CLIMBING, "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd"])
def test_no_parameter_leads_out_of_a_run(raw: Raw, run_id: str, path: str) -> None:
    requests: list[tuple[str, dict[str, str]]] = [
        ("/get-artifact", {"run_id": run_id, "path": path}),
        ("/api/2.0/mlflow/artifacts/list", {"run_id": run_id, "path": path}),
        (f"{PROXY}/artifacts", {"path": path}),
    ]
    for asked, query in requests:
        answer, body = raw.ask("GET", asked + "?" + "&".join(f"{k}={_quoted(v)}" for k, v in query.items()))
        _refused(answer.status, body)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


@pytest.mark.parametrize("path", CLIMBING)
def test_no_name_of_a_part_leads_out(raw: Raw, run_id: str, experiment_id: str, path: str) -> None:
    answer, said = raw.ask(
        "POST", f"{PROXY}/mpu/create/{experiment_id}/{run_id}/artifacts/{path}", b'{"path":"x","num_parts":1}', JSON
    )
    _refused(answer.status, said)
    answer, said = raw.ask("PUT", f"{PROXY}/mpu/parts/{_quoted(path)}/1", b"x")
    _refused(answer.status, said)


JSON = {"Content-Type": "application/json"}


@mlflow3
def test_files_of_another_run_are_reached_by_their_own_address_only(
    raw: Raw, client: MlflowClient, experiment_id: str, run_id: str, name: str
) -> None:
    client.log_text(run_id, "mine", "a.txt")
    other = client.create_experiment(name + "-other")

    answer, body = raw.ask("GET", f"{PROXY}/artifacts/{other}/{run_id}/artifacts/a.txt")

    _refused(answer.status, body)
    model = client.create_logged_model(experiment_id).model_id
    answer, body = raw.ask("GET", f"{PROXY}/artifacts/{other}/models/{model}/artifacts/MLmodel")
    _refused(answer.status, body)


@pytest.mark.parametrize(
    "location",
    [
        "runs:/abc",
        "s3://bucket/a#b",
        "http://host/path#/../../../etc",
        "file:///tmp/x#../../etc",
        "s3://bucket/a?b=../../c",
        "/tmp/x?../../etc",
        "mlflow-artifacts:/a?x=%2e%2e%2f%2e%2e",
        "s3://bucket/a;b=c",
    ],
)
def test_an_artifact_location_with_tricks_is_refused(raw: Raw, name: str, location: str) -> None:
    raw.refused("INVALID_PARAMETER_VALUE", "POST", "/experiments/create", {"name": name, "artifact_location": location})


@pytest.mark.parametrize(
    "location", ["/tmp/escape", "/etc", "file:///etc", "../../etc", "./mlruns", "C:\\data", "mlflow-artifacts:/../etc", "/"]
)
def test_a_folder_of_the_client_is_never_one_of_the_server(raw: Raw, client: MlflowClient, name: str, location: str) -> None:
    experiment = client.create_experiment(name, artifact_location=location)
    run = client.create_run(experiment)

    assert client.get_experiment(experiment).artifact_location == f"mlflow-artifacts:/{experiment}"
    assert run.info.artifact_uri == f"mlflow-artifacts:/{experiment}/{run.info.run_id}/artifacts"
    answer, body = raw.ask("GET", f"/get-artifact?run_id={run.info.run_id}&path=passwd")
    _refused(answer.status, body)


def test_a_remote_location_is_kept_for_the_client(client: MlflowClient, name: str) -> None:
    experiment = client.create_experiment(name, artifact_location="s3://bucket/folder/")
    run = client.create_run(experiment)

    assert client.get_experiment(experiment).artifact_location == "s3://bucket/folder"
    assert run.info.artifact_uri == f"s3://bucket/folder/{run.info.run_id}/artifacts"


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "etc",
        ".",
        "",
        "file:///etc/passwd",
        "file://localhost/etc",
        "FILE:///etc",
        "C:\\windows",
        "mlflow-artifacts://host:5000/../../../../",
        "mlflow-artifacts://host:5000/..%2f..%2f..%2f..%2f",
        "mlflow-artifacts:/0/other/artifacts/model",
        "http://host:5000/api/2.0/mlflow-artifacts/artifacts/../../../../",
        "https://host/api/2.0/mlflow-artifacts/artifacts/%2e%2e/%2e%2e/etc",
        "https://host/api/2.0/mlflow-artifacts/artifacts/0/other/artifacts",
        "http://host/path#/../../etc",
        "s3://bucket/../other",
        "s3://bucket/a?b=/../../x",
        "dbfs:/a/../../etc",
        "runs:/another/model",
        "runs:/RUN/../../etc",
        "runs://RUN/model",
        "runs:/RUN/a%00b",
        "models:/m-ffffffffffffffffffffffffffffffff",
        "models:/nope/1",
        "models://profile@databricks/name/1",
        "models:/a/b/c",
    ],
)
def test_a_source_outside_of_what_is_named_is_refused(
    raw: Raw, client: MlflowClient, name: str, run_id: str, source: str
) -> None:
    client.create_registered_model(name)
    body: dict[str, Any] = {"name": name, "source": source.replace("RUN", run_id), "run_id": run_id}

    answer, said = raw.ask("POST", "/api/2.0/mlflow/model-versions/create", _json(body), JSON)

    assert answer.status in (400, 404), said
    assert b"error_code" in said
    assert client.search_model_versions(f"name = '{name}'") == []


def _json(value: object) -> bytes:
    import json

    return json.dumps(value).encode()


@mlflow3
def test_a_runs_source_needs_its_run(raw: Raw, client: MlflowClient, name: str, run_id: str, experiment_id: str) -> None:
    client.create_registered_model(name)
    model = client.create_logged_model(experiment_id).model_id
    for body in (
        {"source": f"runs:/{run_id}/model"},
        {"source": f"runs:/{run_id}/model", "model_id": model},
        {"source": f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts/m"},
        {"source": f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts/m", "model_id": model},
        {"source": f"models:/{model}", "model_id": "m-" + "0" * 32},
    ):
        answer, said = raw.ask("POST", "/api/2.0/mlflow/model-versions/create", _json({"name": name, **body}), JSON)
        assert answer.status in (400, 404), said


@pytest.mark.parametrize("name", ["../../x", "..", "a/../../b", "a/b", "/etc", "a\\..\\b/"])
def test_no_model_name_is_a_path(raw: Raw, name: str) -> None:
    raw.refused("INVALID_PARAMETER_VALUE", "POST", "/registered-models/create", {"name": name})


def test_a_foreign_page_or_host_is_refused(raw: Raw) -> None:
    body = _json({"name": "x"})
    answer, _ = raw.ask("POST", "/api/2.0/mlflow/experiments/create", body, {**JSON, "Origin": "http://evil.example"})
    assert answer.status == 403
    answer, _ = raw.ask("GET", "/api/2.0/mlflow/experiments/search?max_results=1", headers={"Host": "evil.example"})
    assert answer.status == 403


def test_an_upload_is_never_run_in_a_page(raw: Raw, client: MlflowClient, run_id: str, experiment_id: str) -> None:
    client.log_text(run_id, "<script>alert(1)</script>", "page.html")
    answer, _ = raw.ask("GET", f"{PROXY}/artifacts/{experiment_id}/{run_id}/artifacts/page.html")

    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
