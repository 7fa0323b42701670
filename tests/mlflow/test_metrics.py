"""Metrics through MLflow's client: values, the latest one, repeats, histories."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from tests.mlflow.conftest import Raw, mlflow3
from tracklog.records import Batch, MetricKey
from tracklog.storage.remote import RemoteStore

MAX_FLOAT = 1.7976931348623157e308


def _points(metrics: list[Metric]) -> list[tuple[float, int, int]]:
    return [(metric.value, metric.timestamp, metric.step) for metric in metrics]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"1", 1.0),
        (b"0.1", 0.1),
        (b'"0.25"', 0.25),
        (b"-1e-300", -1e-300),
        (b'"NaN"', math.nan),
        (b'"Infinity"', MAX_FLOAT),
        (b'"-Infinity"', -MAX_FLOAT),
        (b"NaN", math.nan),  # MLflow stores 0.0 at time 0 for these, and says nothing
        (b"Infinity", MAX_FLOAT),
        (b"1e400", MAX_FLOAT),
        (b'"-1e400"', -MAX_FLOAT),
    ],
)
def test_every_way_to_say_a_number(raw: Raw, client: MlflowClient, run_id: str, sent: bytes, read: float) -> None:
    body = b'{"run_id": "%s", "key": "m", "value": %s, "timestamp": "17", "step": "-3"}' % (run_id.encode(), sent)
    raw.json("POST", "/runs/log-metric", raw=body)

    shown = raw.json("GET", "/metrics/get-history", query={"run_id": run_id, "metric_key": "m"})["metrics"]
    assert shown == [{"key": "m", "value": "NaN" if math.isnan(read) else read, "timestamp": 17, "step": -3}]
    assert client.get_run(run_id).data.metrics["m"] == pytest.approx(read, nan_ok=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"value": "abc"},
            "Invalid value \"abc\" for parameter 'value' supplied:  Hint: Value was of type 'str'. See the API docs",
        ),
        ({"value": True}, "Invalid value true for parameter 'value' supplied:  Hint: Value was of type 'bool'. See the API docs"),
        ({"value": None}, "Missing value for required parameter 'value'. See the API docs"),
        ({"timestamp": None}, "Missing value for required parameter 'timestamp'. See the API docs"),
        ({"timestamp": "x"}, "Invalid value \"x\" for parameter 'timestamp' supplied:  Hint: Value was of type 'str'."),
        (
            {"timestamp": -1},
            "Invalid value -1 for parameter 'timestamp' supplied: metric 'm' (value=1.0). Timestamp must be a nonnegative long",
        ),
        ({"step": 1.5}, "Invalid value 1.5 for parameter 'step' supplied:  Hint: Value was of type 'float'."),
        ({"step": 2**63}, f"Invalid value {2**63} for parameter 'step' supplied"),
        ({"timestamp": 2**63}, f"Invalid value {2**63} for parameter 'timestamp' supplied"),
    ],
)
def test_a_metric_with_a_flaw_is_refused(
    raw: Raw, client: MlflowClient, run_id: str, given: dict[str, Any], message: str
) -> None:
    metric = {"run_id": run_id, "key": "m", "value": 1, "timestamp": 1, **given}

    assert raw.refused("INVALID_PARAMETER_VALUE", "POST", "/runs/log-metric", metric).startswith(message)
    assert client.get_run(run_id).data.metrics == {}


def test_steps_and_times_have_all_of_int64(client: MlflowClient, run_id: str) -> None:
    client.log_metric(run_id, "m", 1, timestamp=2**63 - 1, step=2**63 - 1)
    client.log_metric(run_id, "m", 2, timestamp=0, step=-(2**63))

    assert _points(client.get_metric_history(run_id, "m")) == [(2, 0, -(2**63)), (1, 2**63 - 1, 2**63 - 1)]


@pytest.mark.parametrize(
    ("logged", "latest"),
    [
        ([(1, 10, 5), (2, 20, 4)], 1),  # (value, timestamp, step): the greatest step first
        ([(1, 10, 5), (2, 9, 5)], 1),  # then the timestamp
        ([(3, 10, 5), (2, 10, 5)], 3),  # then the value
        ([(2, 10, 5), (3, 10, 5)], 3),
        ([(math.nan, 10, 5), (-1, 10, 5)], math.nan),  # where NaN counts as 0
        ([(1, 10, 5), (math.nan, 10, 5)], 1),
        ([(1, 10, 0), (2, 10, -1)], 1),
    ],
)
@pytest.mark.parametrize("one_batch", [True, False])
def test_the_latest_metric(
    client: MlflowClient, run_id: str, logged: list[tuple[float, int, int]], latest: float, one_batch: bool
) -> None:
    metrics = [Metric("m", *point) for point in logged]
    for batch in [metrics] if one_batch else [[metric] for metric in metrics]:
        client.log_batch(run_id, batch)

    assert client.get_run(run_id).data.metrics["m"] == pytest.approx(latest, nan_ok=True)


def test_an_exact_repeat_is_told_once_and_all_else_is_kept(client: MlflowClient, run_id: str, store: RemoteStore) -> None:
    points = [(1.0, 10, 0), (1.0, 10, 0), (1.0, 11, 0), (1.0, 10, 1), (2.0, 10, 0), (math.nan, 10, 0), (math.nan, 10, 0)]
    client.log_batch(run_id, [Metric("m", *point) for point in points])
    client.log_metric(run_id, "m", 1.0, timestamp=10, step=0)

    history = _points(client.get_metric_history(run_id, "m"))
    assert [point for point in history if not math.isnan(point[0])] == [(1, 10, 0), (2, 10, 0), (1, 10, 1), (1, 11, 0)]
    assert len(history) == 5
    assert len(store.columns(run_id, "m")) == 7  # what came again by itself is not stored


@mlflow3
def test_a_point_told_again_for_a_model_counts_once(
    client: MlflowClient, run_id: str, experiment_id: str, store: RemoteStore
) -> None:
    client.log_batch(run_id, [Metric("m", 0.5, 10, 0)])
    model = client.create_logged_model(experiment_id, name="model", source_run_id=run_id)
    client.log_metric(run_id, "m", 0.5, timestamp=10, step=0, model_id=model.model_id)

    assert store.columns(run_id, "m").values.tolist() == [0.5]
    assert [one.value for one in client.get_logged_model(model.model_id).metrics] == [0.5]


def test_a_history_is_ordered_by_time_then_step_then_value(client: MlflowClient, run_id: str) -> None:
    points = [(5.0, 30, 0), (4.0, 10, 2), (3.0, 10, 1), (-1.0, 10, 1), (math.nan, 10, 1), (2.0, 20, -5)]
    client.log_batch(run_id, [Metric("m", *point) for point in points])

    history = _points(client.get_metric_history(run_id, "m"))
    assert [point[1:] for point in history] == [(10, 1), (10, 1), (10, 1), (10, 2), (20, -5), (30, 0)]
    assert [str(point[0]) for point in history] == ["-1.0", "nan", "3.0", "4.0", "2.0", "5.0"]  # NaN sorts as 0


def test_a_history_comes_in_pages(client: MlflowClient, raw: Raw, run_id: str) -> None:
    client.log_batch(run_id, [Metric("m", i, i, i) for i in range(10)])

    def page(token: str | None = None) -> dict[str, Any]:
        query = {"run_id": run_id, "metric_key": "m", "max_results": 4} | ({"page_token": token} if token else {})
        answer: dict[str, Any] = raw.json("GET", "/metrics/get-history", query=query)
        return answer

    first = page()
    second = page(first["next_page_token"])
    third = page(second["next_page_token"])
    assert [point["step"] for one in (first, second, third) for point in one["metrics"]] == list(range(10))
    assert "next_page_token" not in third
    exact = raw.json("GET", "/metrics/get-history", query={"run_id": run_id, "metric_key": "m", "max_results": 10})
    assert "next_page_token" not in exact


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"max_results": 0}, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer."),
        ({"page_token": "bad"}, "Invalid page token, could not base64-decode"),
        ({"metric_key": ""}, "Missing value for required parameter 'metric_key'."),
        ({"run_id": ""}, "Missing value for required parameter 'run_id'."),
        ({"max_results": "x"}, "Invalid value \"x\" for parameter 'max_results' supplied"),
    ],
)
def test_a_wrong_question_for_a_history(raw: Raw, run_id: str, query: dict[str, Any], message: str) -> None:
    asked = {"run_id": run_id, "metric_key": "m", **query}

    assert raw.refused("INVALID_PARAMETER_VALUE", "GET", "/metrics/get-history", query=asked).startswith(message)


def test_an_unknown_metric_has_an_empty_history(client: MlflowClient, raw: Raw, run_id: str) -> None:
    assert client.get_metric_history(run_id, "none") == []
    assert raw.json("GET", "/metrics/get-history", query={"run_id": "nope", "metric_key": "m"}) == {}


def test_histories_of_several_runs(client: MlflowClient, raw: Raw, experiment_id: str) -> None:
    runs = sorted(client.create_run(experiment_id).info.run_id for _ in range(3))
    for i, run in enumerate(runs):
        client.log_batch(run, [Metric("m", i, step, step) for step in range(4)])
    path = "/metrics/get-history-bulk"

    answer = raw.json("GET", path, query={"run_id": runs, "metric_key": "m"}, root="/ajax-api/2.0/mlflow")["metrics"]
    assert [(one["run_id"], one["step"], one["value"]) for one in answer] == [
        (run, step, i) for i, run in enumerate(runs) for step in range(4)
    ]
    assert len(raw.json("GET", path, query={"run_id": runs, "metric_key": "m", "max_results": 5})["metrics"]) == 5
    assert raw.json("GET", path, query={"run_id": runs, "metric_key": "none"}) == {"metrics": []}
    refused = raw.refused("INVALID_PARAMETER_VALUE", "GET", path, query={"metric_key": "m"})
    assert refused == "GetMetricHistoryBulk request must specify at least one run_id."
    refused = raw.refused("INVALID_PARAMETER_VALUE", "GET", path, query={"run_id": ["r"] * 101, "metric_key": "m"})
    assert refused == "GetMetricHistoryBulk request cannot specify more than 100 run_ids. Received 101 run_ids."


def _sampled(raw: Raw, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = raw.json(
        "GET", "/metrics/get-history-bulk-interval", query=query, root="/ajax-api/2.0/mlflow"
    ).get("metrics", [])
    return found


def test_a_sampled_history_has_evenly_many_rows_and_both_ends(client: MlflowClient, raw: Raw, run_id: str) -> None:
    client.log_batch(run_id, [Metric("m", i / 2, 1000 + i, i) for i in range(1000)])

    everything = _sampled(raw, run_ids=[run_id], metric_key="m", max_results=1000)
    assert [point["step"] for point in everything] == list(range(1000))
    few = _sampled(raw, run_ids=[run_id], metric_key="m", max_results=10)
    assert [point["step"] for point in few] == [0, 100, 200, 300, 400, 500, 600, 700, 800, 999]
    assert few[-1] == {"key": "m", "run_id": run_id, "step": 999, "timestamp": 1999, "value": 499.5}
    uneven = _sampled(raw, run_ids=[run_id], metric_key="m", max_results=3)
    assert [point["step"] for point in uneven] == [0, 334, 999]  # NTILE gives the larger groups first
    assert [point["step"] for point in _sampled(raw, run_ids=[run_id], metric_key="m", max_results=1)] == [999]
    part = _sampled(raw, run_ids=[run_id], metric_key="m", max_results=2500, start_step=5, end_step=8)
    assert [point["step"] for point in part] == [5, 6, 7, 8]
    assert _sampled(raw, run_ids=[run_id], metric_key="none") == []


def test_many_points_at_one_step_are_sampled_too(client: MlflowClient, raw: Raw, run_id: str) -> None:
    client.log_batch(run_id, [Metric("m", i, i, 0) for i in range(500)])

    found = _sampled(raw, run_ids=[run_id], metric_key="m", max_results=5)
    assert [point["value"] for point in found] == [0, 100, 200, 300, 499]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"run_ids": []}, "Missing value for required parameter 'run_ids'."),
        (
            {"run_ids": ["r"] * 101},
            "GetMetricHistoryBulkInterval request must specify at most 100 run_ids. Received 101 run_ids.",
        ),
        ({"max_results": 0}, "max_results must be between 1 and 2500."),
        ({"max_results": 2501}, "max_results must be between 1 and 2500."),
        ({"start_step": 1}, "If either start step or end step are specified, both must be specified."),
        ({"start_step": 2, "end_step": 1}, "end_step must be greater than start_step. Found start_step=2 and end_step=1."),
    ],
)
def test_a_wrong_question_for_a_sample(raw: Raw, client: MlflowClient, run_id: str, query: dict[str, Any], message: str) -> None:
    client.log_metric(run_id, "m", 1)
    asked = {"run_ids": [run_id], "metric_key": "m", **query}

    assert raw.refused("INVALID_PARAMETER_VALUE", "GET", "/metrics/get-history-bulk-interval", query=asked).startswith(message)


def test_a_sample_of_an_unknown_run_is_not_found(raw: Raw) -> None:
    asked = {"run_ids": ["nope"], "metric_key": "m"}

    assert (
        raw.refused("RESOURCE_DOES_NOT_EXIST", "GET", "/metrics/get-history-bulk-interval", query=asked, status=404)
        == "Run with id=nope not found"
    )


def test_a_history_of_a_million_points(raw: Raw, store: RemoteStore, run_id: str) -> None:
    """Streamed in pieces: whole, in order, and never one string in the server's memory."""
    n = 1_000_000
    record = struct.Struct("<qqdII")
    for start in range(0, n, 250_000):
        points = b"".join(record.pack(i, 1_700_000_000_000 + i, i * 0.5, 1, 1) for i in range(start, start + 250_000))
        store.apply(Batch(run_id, "import", points_start=start, points=points, keys=[MetricKey(1, "big")], live=False))

    answer, body = raw.ask("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={run_id}&metric_key=big")

    assert answer.status == 200
    metrics = json.loads(body)["metrics"]
    assert len(metrics) == n
    assert [one["step"] for one in metrics[::100_000]] == list(range(0, n, 100_000))
    assert metrics[-1] == {"key": "big", "value": (n - 1) * 0.5, "timestamp": 1_700_000_000_000 + n - 1, "step": n - 1}
    assert len(_sampled(raw, run_ids=[run_id], metric_key="big", max_results=320)) == 320
