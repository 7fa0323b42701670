"""Traces through MLflow's client, and in the shapes of MLflow 2."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.mlflow.conftest import Raw, mlflow3
from tracklog.storage.remote import RemoteStore

# The client warns about the types of its own code when the first span starts, and drops the span if that is an error.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


@pytest.fixture
def traced(fluent: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Experiment and trace of a function that was traced."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    fluent.set_experiment(name)

    @fluent.trace(name="predict")
    def predict(x: int) -> int:
        with fluent.start_span("inner") as span:
            span.set_inputs({"x": x})
        return x + 1

    predict(41)
    trace_id: str = fluent.get_last_active_trace_id()
    return fluent.get_experiment_by_name(name).experiment_id, trace_id


@mlflow3
def test_a_traced_function_is_found_with_its_spans(fluent: Any, traced: tuple[str, str]) -> None:
    experiment, trace_id = traced

    trace = fluent.get_trace(trace_id)
    assert (trace.info.experiment_id, str(trace.info.state)) == (experiment, "OK")
    assert sorted(span.name for span in trace.data.spans) == ["inner", "predict"]
    assert (trace.info.request_preview, trace.info.response_preview) == ('{"x": 41}', "42")
    found = fluent.search_traces(locations=[experiment], filter_string="status = 'OK'", return_type="list")
    assert [one.info.trace_id for one in found] == [trace_id]
    assert fluent.search_traces(locations=[experiment], filter_string="name = 'other'", return_type="list") == []


@mlflow3
def test_tags_of_a_trace(client: MlflowClient, traced: tuple[str, str]) -> None:
    _, trace_id = traced
    client.set_trace_tag(trace_id, "verdict", "good")
    assert client.get_trace(trace_id).info.tags["verdict"] == "good"

    client.delete_trace_tag(trace_id, "verdict")
    assert "verdict" not in client.get_trace(trace_id).info.tags
    with pytest.raises(MlflowException, match="No trace tag with key 'verdict'"):
        client.delete_trace_tag(trace_id, "verdict")


@mlflow3
def test_traces_are_removed_by_id_and_by_age(client: MlflowClient, traced: tuple[str, str], store: RemoteStore) -> None:
    experiment, trace_id = traced
    assert client.delete_traces("0", trace_ids=[trace_id]) == 0  # of another experiment
    assert client.delete_traces(experiment, trace_ids=[trace_id, "tr-none"]) == 1
    with pytest.raises(MlflowException, match="not found"):
        client._tracking_client.store.get_trace_info(trace_id)
    assert client.delete_traces(experiment, max_timestamp_millis=2**42) == 0


@mlflow3
def test_a_trace_in_a_run_is_found_by_it(fluent: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    experiment = fluent.set_experiment(name).experiment_id
    with fluent.start_run() as run, fluent.start_span("work"):
        pass

    (found,) = fluent.search_traces(locations=[experiment], run_id=run.info.run_id, return_type="list")
    assert found.info.trace_metadata["mlflow.sourceRun"] == run.info.run_id


def test_a_trace_as_mlflow_2_sends_it(raw: Raw, experiment_id: str) -> None:
    pair = [{"key": "a", "value": "1"}]
    body = {"experiment_id": experiment_id, "timestamp_ms": 1000, "request_metadata": pair, "tags": pair}
    started = raw.json("POST", "/traces", body)["trace_info"]
    trace_id = started["request_id"]
    assert (started["status"], started["timestamp_ms"]) == ("IN_PROGRESS", 1000)
    location = {tag["key"]: tag["value"] for tag in started["tags"]}["mlflow.artifactLocation"]
    assert location == f"mlflow-artifacts:/{experiment_id}/traces/{trace_id}/artifacts"

    path = f"/api/2.0/mlflow-artifacts/artifacts/{experiment_id}/traces/{trace_id}/artifacts/traces.json"
    answer, _ = raw.ask("PUT", path, b'{"spans": []}', {"Content-Type": "text/plain"})
    assert answer.status == 200
    ended = raw.json("PATCH", f"/traces/{trace_id}", {"timestamp_ms": 1250, "status": "OK", "tags": [{"key": "b", "value": "2"}]})
    assert (ended["trace_info"]["status"], ended["trace_info"]["execution_time_ms"]) == ("OK", 250)
    assert raw.json("GET", f"/traces/{trace_id}/info") == ended
    found = raw.json("GET", "/traces", query={"experiment_ids": [experiment_id], "filter": "tags.b = '2'"})["traces"]
    assert found == [ended["trace_info"]]
    answer, body_read = raw.ask("GET", path)
    assert (answer.status, body_read) == (200, b'{"spans": []}')


def test_an_empty_store_of_traces(raw: Raw, experiment_id: str) -> None:
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    assert raw.json("POST", "/traces/search", {"locations": [place]}, root="/api/3.0/mlflow") == {}
    assert raw.json("GET", "/traces", query={"experiment_ids": [experiment_id]}) == {}
    assert raw.json("POST", "/traces/batchGetInfos", {"trace_ids": ["tr-none"]}, root="/api/3.0/mlflow") == {}
    message = raw.refused("RESOURCE_DOES_NOT_EXIST", "GET", "/traces/tr-none", root="/api/3.0/mlflow", status=404)
    assert message == "Trace with ID 'tr-none' not found."


def test_open_telemetry_is_refused_so_that_clients_send_whole_traces(raw: Raw) -> None:
    answer, body = raw.ask("POST", "/v1/traces", b"\x0a\x00", {"Content-Type": "application/x-protobuf"})

    assert answer.status == 501
    assert b"REST OTLP span logging is not supported" in body


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({}, "Missing value for required parameter 'trace.trace_info.trace_id'."),
        ({"trace_id": "a/../b"}, "Invalid value \"a/../b\" for parameter 'trace_id' supplied."),
        (
            {"trace_id": "tr-1", "request_time": "yesterday"},
            "Invalid value \"yesterday\" for parameter 'trace.trace_info.request_time'",
        ),
        ({"trace_id": "tr-1", "request_time": "2026-01-01T00:00:00Z", "execution_duration": "1h"}, 'Invalid value "1h"'),
    ],
)
def test_a_trace_with_a_flaw_is_refused(raw: Raw, experiment_id: str, info: dict[str, Any], message: str) -> None:
    place = {"mlflow_experiment": {"experiment_id": experiment_id}}
    body = {"trace": {"trace_info": {"trace_location": place, **info}}}

    refused = raw.refused("INVALID_PARAMETER_VALUE", "POST", "/traces", body, root="/api/3.0/mlflow")
    assert refused.startswith(message)
