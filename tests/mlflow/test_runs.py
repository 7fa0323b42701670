"""Runs through MLflow's client: life, params, tags, batches."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from tests.mlflow.conftest import Raw


def test_a_run_has_what_it_was_made_with(client: MlflowClient, raw: Raw, experiment_id: str) -> None:
    parent = client.create_run(experiment_id).info.run_id
    tags = {"mlflow.user": "ada", "mlflow.parentRunId": parent, "mlflow.note.content": "why", "colour": "blue", "empty": ""}
    made = client.create_run(experiment_id, start_time=12_345, tags=tags, run_name="bold-fox-1")

    run = client.get_run(made.info.run_id)
    assert made.to_dictionary() == run.to_dictionary()
    assert re.fullmatch("[0-9a-f]{32}", run.info.run_id)
    assert (run.info.run_name, run.info.user_id, run.info.status) == ("bold-fox-1", "ada", "RUNNING")
    assert (run.info.start_time, run.info.end_time, run.info.lifecycle_stage) == (12_345, None, "active")
    assert run.info.artifact_uri == f"mlflow-artifacts:/{experiment_id}/{run.info.run_id}/artifacts"
    assert run.data.tags == {**tags, "mlflow.runName": "bold-fox-1"}
    shape = raw.json("GET", "/runs/get", query={"run_uuid": run.info.run_id})["run"]
    assert "end_time" not in shape["info"]
    assert shape["info"]["run_uuid"] == shape["info"]["run_id"]
    assert shape["inputs"] == {}
    assert "outputs" not in shape
    assert set(shape["data"]) == {"tags"}


def test_a_run_without_a_name_gets_one(client: MlflowClient, experiment_id: str) -> None:
    run = client.create_run(experiment_id)

    assert re.fullmatch(r"[a-z]+-[a-z]+-\d{1,3}", run.info.run_name)
    assert run.data.tags["mlflow.runName"] == run.info.run_name


def test_two_different_names_are_refused(raw: Raw, experiment_id: str) -> None:
    tag = [{"key": "mlflow.runName", "value": "b"}]
    given = {"experiment_id": experiment_id, "run_name": "a", "tags": tag}

    message = raw.refused("INVALID_PARAMETER_VALUE", "POST", "/runs/create", given)

    assert message == (
        "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
        "(run_name='a', mlflow.runName='b')."
    )
    raw.json("POST", "/runs/create", given | {"run_name": "b"})


def test_start_time_left_out_is_0(raw: Raw, experiment_id: str) -> None:
    assert raw.json("POST", "/runs/create", {"experiment_id": experiment_id})["run"]["info"]["start_time"] == 0


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED", "RUNNING", "SCHEDULED"])
def test_each_status_is_kept(client: MlflowClient, run_id: str, status: str) -> None:
    client.update_run(run_id, status=status)

    assert client.get_run(run_id).info.status == status


def test_the_end_is_the_time_given_even_long_ago(client: MlflowClient, run_id: str) -> None:
    client.set_terminated(run_id, "FINISHED", end_time=4711)
    assert client.get_run(run_id).info.end_time == 4711

    client.set_terminated(run_id, "FAILED", end_time=4700)
    assert (client.get_run(run_id).info.status, client.get_run(run_id).info.end_time) == ("FAILED", 4700)


def test_a_finished_run_can_go_on(fluent: Any, client: MlflowClient, experiment_id: str) -> None:
    with fluent.start_run(experiment_id=experiment_id) as run:
        fluent.log_metric("m", 1, step=0)
    with fluent.start_run(run_id=run.info.run_id):
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        fluent.log_metric("m", 2, step=1)

    again = client.get_run(run.info.run_id)
    assert (again.info.status, again.data.metrics["m"]) == ("FINISHED", 2)
    assert again.info.end_time is not None


def test_a_status_nobody_knows_changes_nothing(raw: Raw, run_id: str) -> None:
    answer = raw.json("POST", "/runs/update", {"run_id": run_id, "status": "BOGUS"})

    assert answer["run_info"]["status"] == "RUNNING"


def test_a_rename_is_seen_in_name_and_tag_either_way(client: MlflowClient, run_id: str) -> None:
    client.update_run(run_id, name="first")
    assert (client.get_run(run_id).info.run_name, client.get_run(run_id).data.tags["mlflow.runName"]) == ("first", "first")

    client.set_tag(run_id, "mlflow.runName", "second")
    assert (client.get_run(run_id).info.run_name, client.get_run(run_id).data.tags["mlflow.runName"]) == ("second", "second")
    assert client.get_run(run_id).info.status == "RUNNING"


def test_deleting_is_soft_and_repeatable(client: MlflowClient, run_id: str, experiment_id: str) -> None:
    client.restore_run(run_id)
    client.delete_run(run_id)
    client.delete_run(run_id)

    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert client.search_runs([experiment_id]) == []
    client.restore_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "active"


@pytest.mark.parametrize(
    "write",
    [
        lambda client, run: client.log_metric(run, "m", 1),
        lambda client, run: client.log_param(run, "p", 1),
        lambda client, run: client.set_tag(run, "t", 1),
        lambda client, run: client.delete_tag(run, "mlflow.runName"),
        lambda client, run: client.log_batch(run, [Metric("m", 1, 1, 1)]),
        lambda client, run: client.set_terminated(run),
    ],
    ids=["log_metric", "log_param", "set_tag", "delete_tag", "log_batch", "set_terminated"],
)
def test_a_deleted_run_takes_nothing(client: MlflowClient, run_id: str, write: Any) -> None:
    client.delete_run(run_id)

    with pytest.raises(MlflowException) as refused:
        write(client, run_id)

    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert f"The run {run_id} must be in the 'active' state. Current state is deleted." in refused.value.message


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/runs/log-metric", {"key": "m", "value": 1, "timestamp": 1}),
        ("/runs/log-parameter", {"key": "p", "value": "1"}),
        ("/runs/set-tag", {"key": "p", "value": "1"}),
        ("/runs/delete-tag", {"key": "p"}),
        ("/runs/log-batch", {}),
        ("/runs/update", {"status": "FINISHED"}),
        ("/runs/delete", {}),
        ("/runs/restore", {}),
        ("/runs/log-inputs", {}),
        ("/runs/outputs", {"models": [{"model_id": "m-1"}]}),
    ],
)
def test_an_unknown_run(raw: Raw, path: str, given: dict[str, Any]) -> None:
    message = raw.refused("RESOURCE_DOES_NOT_EXIST", "POST", path, {"run_id": "nope", **given}, status=404)

    assert message == "Run with id=nope not found"
    missing = raw.refused("INVALID_PARAMETER_VALUE", "POST", path, given)
    assert missing.startswith("Missing value for required parameter 'run_id'.")


# --------------------------------------------------------------------- params and tags


def test_params_are_written_once(client: MlflowClient, run_id: str) -> None:
    client.log_param(run_id, "p", "1")
    client.log_param(run_id, "p", "1")

    with pytest.raises(MlflowException, match="Changing param values is not allowed") as refused:
        client.log_param(run_id, "p", "2")
    assert (
        f"Param with key='p' was already logged with value='1' for run ID='{run_id}'. Attempted logging new value '2'."
        in refused.value.message
    )
    assert client.get_run(run_id).data.params == {"p": "1"}


def test_a_batch_with_a_changed_param_stores_nothing(client: MlflowClient, run_id: str) -> None:
    client.log_batch(run_id, params=[Param("a", "1"), Param("b", "2")])

    with pytest.raises(MlflowException) as refused:
        client.log_batch(
            run_id, metrics=[Metric("m", 1, 1, 0)], params=[Param("c", "3"), Param("b", "9")], tags=[RunTag("t", "1")]
        )

    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    listed = "[{'key': 'b', 'old_value': '2', 'new_value': '9'}]"
    assert f"Changing param values is not allowed. Params were already logged='{listed}' for run ID='{run_id}'." in str(
        refused.value
    )
    data = client.get_run(run_id).data
    assert (data.params, data.metrics) == ({"a": "1", "b": "2"}, {})
    assert "t" not in data.tags


def test_the_same_params_again_are_no_error_in_a_batch(client: MlflowClient, run_id: str) -> None:
    for _ in range(2):
        client.log_batch(run_id, params=[Param("a", "1"), Param("b", "")])

    assert client.get_run(run_id).data.params == {"a": "1", "b": ""}


def test_values_left_out_are_empty(raw: Raw, client: MlflowClient, run_id: str) -> None:
    raw.json("POST", "/runs/log-parameter", {"run_id": run_id, "key": "p"})
    raw.json("POST", "/runs/set-tag", {"run_id": run_id, "key": "t"})

    data = client.get_run(run_id).data
    assert (data.params["p"], data.tags["t"]) == ("", "")


def test_long_values_are_cut_as_by_mlflow(raw: Raw, client: MlflowClient, run_id: str) -> None:
    raw.json("POST", "/runs/log-parameter", {"run_id": run_id, "key": "p", "value": "x" * 6001})
    raw.json("POST", "/runs/set-tag", {"run_id": run_id, "key": "t", "value": "y" * 8001})
    batch = {"params": [{"key": "q", "value": "x" * 7000}], "tags": [{"key": "u", "value": "y" * 9000}]}
    raw.json("POST", "/runs/log-batch", {"run_id": run_id, **batch})

    data = client.get_run(run_id).data
    assert {len(value) for value in data.params.values()} == {6000}
    assert (len(data.tags["t"]), len(data.tags["u"])) == (8000, 8000)
    raw.json("POST", "/runs/log-parameter", {"run_id": run_id, "key": "p", "value": "x" * 6001})  # the same, cut


def test_tags_are_replaced_and_removed(client: MlflowClient, run_id: str) -> None:
    client.set_tag(run_id, "t", "1")
    client.set_tag(run_id, "t", "2")
    assert client.get_run(run_id).data.tags["t"] == "2"

    client.delete_tag(run_id, "t")
    assert "t" not in client.get_run(run_id).data.tags
    with pytest.raises(MlflowException, match=f"No tag with name: t in run with id {run_id}") as refused:
        client.delete_tag(run_id, "t")
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_the_last_of_a_tag_given_twice_counts(raw: Raw, client: MlflowClient, run_id: str) -> None:
    tags = [{"key": "t", "value": "1"}, {"key": "t", "value": "2"}]
    raw.json("POST", "/runs/log-batch", {"run_id": run_id, "tags": tags})

    assert client.get_run(run_id).data.tags["t"] == "2"


@pytest.mark.parametrize("tag", ["mlflow.note.content", "mlflow.user", "mlflow.parentRunId"])
def test_tags_that_are_facts_of_a_run_are_set_and_removed_like_any(client: MlflowClient, run_id: str, tag: str) -> None:
    client.set_tag(run_id, tag, "some text")
    assert client.get_run(run_id).data.tags[tag] == "some text"

    client.delete_tag(run_id, tag)
    assert tag not in client.get_run(run_id).data.tags


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (
            "a%b",
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes",
        ),
        ("../a", "Names may be treated as files in certain cases, and must not resolve to other names when treated as such."),
        ("/a", "Names may be treated as files"),
        ("a//b", "Names may be treated as files"),
        (".", "Names may be treated as files"),
        ("a/../b", "Names may be treated as files"),
        ("a" * 251, "exceeds the maximum length of 250 characters"),
        ("", "Missing value for required parameter"),
    ],
)
def test_a_name_that_breaks_the_rules(raw: Raw, run_id: str, key: str, reason: str) -> None:
    requests: list[tuple[str, dict[str, Any]]] = [
        ("/runs/log-metric", {"key": key, "value": 1, "timestamp": 1}),
        ("/runs/log-parameter", {"key": key, "value": "1"}),
        ("/runs/set-tag", {"key": key, "value": "1"}),
        ("/runs/log-batch", {"metrics": [{"key": key, "value": 1, "timestamp": 1}]}),
        ("/runs/log-batch", {"params": [{"key": key, "value": "1"}]}),
        ("/runs/log-batch", {"tags": [{"key": key, "value": "1"}]}),
    ]
    for path, given in requests:
        assert reason in raw.refused("INVALID_PARAMETER_VALUE", "POST", path, {"run_id": run_id, **given}), path


@pytest.mark.parametrize("key", ["a b", "val/loss", "v1.2-x_y", "a:b", "ünï", "日本"])
def test_a_name_that_keeps_the_rules(client: MlflowClient, run_id: str, key: str) -> None:
    client.log_metric(run_id, key, 1.5)
    client.log_param(run_id, key, "v")
    client.set_tag(run_id, key, "v")

    data = client.get_run(run_id).data
    assert (data.metrics[key], data.params[key], data.tags[key]) == (1.5, "v", "v")


# --------------------------------------------------------------------------- batches


def test_a_batch_stores_all_it_has(client: MlflowClient, run_id: str) -> None:
    metrics = [Metric(f"m{i % 7}", i, 1000 + i, i) for i in range(1000)]
    client.log_batch(
        run_id, metrics[:800], [Param(f"p{i}", str(i)) for i in range(100)], [RunTag(f"t{i}", str(i)) for i in range(100)]
    )
    client.log_batch(run_id, metrics[800:])

    data = client.get_run(run_id).data
    assert data.metrics == {f"m{i % 7}": i for i in range(993, 1000)}
    assert data.params == {f"p{i}": str(i) for i in range(100)}
    assert {key: data.tags[key] for key in ("t0", "t99")} == {"t0": "0", "t99": "99"}


@pytest.mark.parametrize(
    ("what", "limit", "batch"),
    [
        ("metrics", 1000, {"metrics": [{"key": "m", "value": 1, "timestamp": 1}] * 1001}),
        ("params", 100, {"params": [{"key": f"p{i}", "value": "1"} for i in range(101)]}),
        ("tags", 100, {"tags": [{"key": f"t{i}", "value": "1"} for i in range(101)]}),
        (
            "metrics, params, and tags",
            1000,
            {
                "metrics": [{"key": "m", "value": 1, "timestamp": 1}] * 901,
                "params": [{"key": f"p{i}", "value": "1"} for i in range(100)],
            },
        ),
    ],
    ids=["metrics", "params", "tags", "all"],
)
def test_a_batch_that_is_too_large(raw: Raw, run_id: str, what: str, limit: int, batch: dict[str, Any]) -> None:
    message = raw.refused("INVALID_PARAMETER_VALUE", "POST", "/runs/log-batch", {"run_id": run_id, **batch})

    assert message.startswith(f"A batch logging request can contain at most {limit} {what}. Got {limit + 1} {what}.")


def test_a_param_twice_in_a_batch_is_refused(raw: Raw, run_id: str) -> None:
    params = [{"key": "p", "value": "7"}, {"key": "p", "value": "7"}]

    message = raw.refused("INVALID_PARAMETER_VALUE", "POST", "/runs/log-batch", {"run_id": run_id, "params": params})

    assert message.startswith("Duplicate parameter keys have been submitted: ['p'].")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"metrics": [{"key": "a", "value": 1}]}, "Missing value for required parameter 'metrics[0].timestamp'."),
        (
            {"metrics": [{"key": "a", "value": 1, "timestamp": 1}, {"value": 1, "timestamp": 1}]},
            "Missing value for required parameter 'metrics[1].key'.",
        ),
        ({"metrics": [{"key": "a", "timestamp": 1}]}, "Missing value for required parameter 'metrics[0].value'."),
        ({"params": [{"value": "1"}]}, "Missing value for required parameter 'params[0].key'."),
        ({"tags": [{"value": "1"}]}, "Missing value for required parameter 'tags[0].key'."),
        (
            {"metrics": [{"key": "a%", "value": 1, "timestamp": 1}]},
            "Invalid value \"a%\" for parameter 'metrics[0].name' supplied",
        ),
        ({"metrics": "x"}, "Invalid value \"x\" for parameter 'metrics' supplied:  Hint: Value was of type 'str'."),
        ({"run_id": "no/pe"}, "Invalid value \"no/pe\" for parameter 'run_id' supplied."),
    ],
)
def test_a_batch_with_a_flaw_is_refused_whole(
    raw: Raw, client: MlflowClient, run_id: str, batch: dict[str, Any], message: str
) -> None:
    given = {"run_id": run_id, "tags": [{"key": "seen", "value": "1"}], **batch}

    assert raw.refused("INVALID_PARAMETER_VALUE", "POST", "/runs/log-batch", given).startswith(message)
    assert "seen" not in client.get_run(run_id).data.tags


# --------------------------------------------------------------------------- fluent


def test_the_way_scripts_log(fluent: Any, client: MlflowClient, name: str) -> None:
    fluent.set_experiment(name)
    with fluent.start_run(run_name="parent") as parent:
        fluent.log_params({"lr": 0.1, "layers": 3, "name": "net"})
        for step in range(5):
            fluent.log_metric("loss", 1 / (step + 1), step=step)
        fluent.log_metrics({"acc": 0.9, "auc": 0.8}, step=4)
        fluent.set_tags({"stage": "dev"})
        with fluent.start_run(run_name="child", nested=True) as child:
            fluent.log_metric("loss", 7)

    run = client.get_run(parent.info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"lr": "0.1", "layers": "3", "name": "net"}
    assert run.data.metrics == {"loss": 0.2, "acc": 0.9, "auc": 0.8}
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == parent.info.run_id
    found = fluent.search_runs(experiment_names=[name], output_format="list", filter_string="metrics.loss > 1")
    assert [one.info.run_id for one in found] == [child.info.run_id]


def test_a_run_that_fails_is_failed(fluent: Any, client: MlflowClient, experiment_id: str) -> None:
    with pytest.raises(ZeroDivisionError), fluent.start_run(experiment_id=experiment_id) as run:
        _ = 1 / 0

    assert client.get_run(run.info.run_id).info.status == "FAILED"


def test_logging_without_waiting_loses_nothing(fluent: Any, client: MlflowClient, experiment_id: str) -> None:
    with fluent.start_run(experiment_id=experiment_id) as run:
        waiting = [fluent.log_metrics({"a": i, "b": -i}, step=i, synchronous=False) for i in range(300)]
        waiting += [fluent.log_param(f"p{i}", i, synchronous=False) for i in range(20)]
        for one in waiting:
            one.wait()

    assert len(client.get_metric_history(run.info.run_id, "a")) == 300
    assert client.get_run(run.info.run_id).data.metrics == {"a": 299, "b": -299}
    assert len(client.get_run(run.info.run_id).data.params) == 20


def test_a_single_metric_does_not_wait_for_an_acknowledgement(client: MlflowClient, run_id: str) -> None:
    """A server that leaves Nagle's algorithm on stalls each small request of a kept connection by 40 ms."""
    client.log_metric(run_id, "m", 0)
    took = []
    for i in range(40):
        started = time.perf_counter()
        client.log_metric(run_id, "m", i, step=i)
        took.append(time.perf_counter() - started)

    assert sorted(took)[4] < 0.03  # a stall would be in each; a busy machine is not
