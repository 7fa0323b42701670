"""Fills a tracking store with one of everything, through MLflow's own client: how the samples in this folder were made.

    python fill.py sqlite:////tmp/sample.db /tmp/artifacts    # with the release of MLflow that the sample is of
    sqlite3 /tmp/sample.db .dump | sed 's#/tmp/artifacts#{ARTIFACTS}#g' | gzip -9n > mlflow-<release>.sql.gz

Tests fill MLflow's file store with it, too. MLflow 2 has no logged models.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

START_MS = 1_700_000_000_000


def fill(client: MlflowClient, artifacts: Path | None) -> dict[str, str]:
    """Write one of everything; return the ids of the runs by their names. `artifacts` None: the server keeps files."""

    def location(name: str) -> str | None:
        return None if artifacts is None else (artifacts / name).as_uri()

    cats = client.create_experiment("vision/cats", artifact_location=location("cats"), tags={"team": "a"})
    gone = client.create_experiment("gone", artifact_location=location("gone"))
    ids = {}

    def run(experiment: str, name: str, after_ms: int, status: str | None, tags: dict[str, str] | None = None) -> str:
        made = client.create_run(experiment, start_time=START_MS + after_ms, run_name=name, tags=tags)
        ids[name] = made.info.run_id
        if status is not None:
            client.set_terminated(made.info.run_id, status, START_MS + 600_000)
        return made.info.run_id

    first = run(cats, "first", 0, None, {"mlflow.user": "ada", "mlflow.source.name": "train.py", "kind": "x"})
    client.log_batch(first, metrics=[Metric("loss", 1 / (step + 1), START_MS + step * 1000, step) for step in range(500)])
    odd = [(float("nan"), 0, 0), (float("inf"), 0, 1), (float("-inf"), 0, 2), (2.0, 0, -3), (2.0, 1, -3)]
    client.log_batch(first, metrics=[Metric("odd", value, START_MS + after_ms, step) for value, after_ms, step in odd])
    params = [Param("lr", "0.1"), Param("empty", ""), Param("model/depth", "50")]
    client.log_batch(first, params=params, tags=[RunTag("mlflow.note.content", "# Notes"), RunTag("ünicode", "日本")])
    context = [InputTag("mlflow.data.context", "training")]
    data = Dataset("cats", "abc123", "local", '{"uri":"/data/cats"}', '{"s":1}', '{"rows":3}')
    client.log_inputs(first, [DatasetInput(data, context)])
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sub").mkdir()
        Path(folder, "a.txt").write_text("hello")
        Path(folder, "sub/b.bin").write_bytes(b"\0\1\2")
        client.log_artifacts(first, folder)
        client.log_artifacts(first, folder, "model")
        client.set_terminated(first, "FINISHED", START_MS + 600_000)
        child = run(cats, "child", 1, "FAILED", {"mlflow.parentRunId": first})
        client.log_metric(child, "loss", 3.5, START_MS + 2, 7)
        client.delete_run(run(cats, "deleted", 2, "KILLED"))
        run(cats, "running", 3, None)
        run(gone, "in gone", 4, "FINISHED")
        client.delete_experiment(gone)
        source = f"{client.get_run(first).info.artifact_uri}/model"
        client.create_registered_model("Catty", tags={"owner": "ada"}, description="cats")
        client.create_model_version("Catty", source, first, tags={"q": "1"}, description="one")
        client.create_model_version("Catty", source, first)
        client.create_model_version("Catty", "s3://bucket/model", None)
        client.delete_model_version("Catty", "2")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow has announced their end for years
            client.transition_model_version_stage("Catty", "1", "Production")
            client.transition_model_version_stage("Catty", "3", "Staging")
        client.set_registered_model_alias("Catty", "champion", "1")
        if hasattr(client, "create_logged_model"):
            from mlflow.entities import LoggedModelOutput

            model = client.create_logged_model(cats, "lm", first, tags={"t": "1"}, params={"p": "2"}, model_type="pyfunc")
            client.log_model_artifacts(model.model_id, folder)
            client.finalize_logged_model(model.model_id, "READY")
            measured = {"model_id": model.model_id, "dataset_name": "cats", "dataset_digest": "abc123"}
            client.log_metric(first, "acc", 0.5, START_MS, 3, **measured)
            client.log_outputs(first, [LoggedModelOutput(model.model_id, 3)])
            client.create_model_version("Catty", f"models:/{model.model_id}", first, model_id=model.model_id)
            ids["lm"] = model.model_id
    return ids


if __name__ == "__main__":
    uri, folder = sys.argv[1:]
    mlflow.set_tracking_uri(uri)
    print(json.dumps(fill(MlflowClient(uri, uri), Path(folder))))
