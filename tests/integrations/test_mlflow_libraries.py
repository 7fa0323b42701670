"""Libraries that log through MLflow, against a tracklog server: read back through MLflow's client and through ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracklog.sdk.run import Run
from tracklog.sdk.workspace import Workspace

pytest.importorskip("lightning", reason="libraries of several GB: make test-integrations")
mlflow = pytest.importorskip("mlflow")

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def no_autologging() -> Iterator[None]:
    yield
    mlflow.autolog(disable=True)


def only_run(workspace: Workspace, experiment: str) -> tuple[Run, Any]:
    """The one run of an experiment: ours and MLflow's view of it."""
    (run,) = workspace.experiments[experiment].get_runs()
    return run, mlflow.MlflowClient().get_run(run.id)


def test_lightning_goes_on_with_a_run_of_ours(workspace: Workspace, tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch")
    torch = pytest.importorskip("torch")
    from lightning.pytorch.loggers import MLFlowLogger

    class Line(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self, lr: float = 0.1) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

    from tracklog.sdk.experiment import Experiment

    run = Experiment(workspace, "lightning").start_logging(snapshot_directory=None, outputs=False)
    logger = MLFlowLogger(experiment_name=run.experiment.name, tracking_uri=workspace.get_mlflow_tracking_uri())
    logger._run_id = run.id
    x = torch.linspace(0, 1, 64).reshape(-1, 1)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, 2 * x), batch_size=8)
    trainer = lightning.Trainer(
        max_epochs=3, logger=logger, log_every_n_steps=1, accelerator="cpu", default_root_dir=tmp_path,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Line(), data)
    run.log("after", 1.0)
    run.complete()

    assert list(workspace.experiments) == ["lightning"]
    ours, theirs = only_run(workspace, "lightning")
    assert len(ours.get_metrics()["train_loss"]) == 24
    assert ours.get_metrics()["after"] == 1.0
    assert theirs.data.params["lr"] == "0.1"
    assert theirs.data.metrics["train_loss"] == ours.get_metrics()["train_loss"][-1]
    assert ours.get_status() == "Completed"


def test_lightning_alone(workspace: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("lightning.pytorch")
    from lightning.pytorch.loggers import MLFlowLogger

    logger = MLFlowLogger(experiment_name="alone", tracking_uri=workspace.uri, run_name="first", tags={"kind": "test"})
    logger.log_hyperparams({"lr": 0.1, "model": {"width": 8}})
    for step in range(10):
        logger.log_metrics({"loss": 1 / (step + 1)}, step=step)
    (tmp_path / "note.txt").write_text("hello")
    logger.experiment.log_artifact(logger.run_id, str(tmp_path / "note.txt"))
    logger.finalize("success")

    ours, theirs = only_run(workspace, "alone")
    assert ours.name == "first"
    assert ours.get_status() == "Completed"
    assert theirs.info.status == "FINISHED"
    assert theirs.data.params == {"lr": "0.1", "model/width": "8"}
    assert ours.get_metrics()["loss"][-1] == pytest.approx(0.1)
    assert ours.get_file_names() == ["note.txt"]


def test_scikit_learn_autologging(workspace: Workspace) -> None:
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    mlflow.set_experiment("sklearn")
    mlflow.sklearn.autolog()
    x, y = load_diabetes(return_X_y=True)
    with mlflow.start_run() as active:
        model = Ridge(alpha=0.4).fit(x, y)
    loaded = mlflow.sklearn.load_model(f"runs:/{active.info.run_id}/model")

    ours, theirs = only_run(workspace, "sklearn")
    assert theirs.data.params["alpha"] == "0.4"
    assert ours.params["alpha"] == "0.4"
    assert ours.get_metrics()["training_r2_score"] == pytest.approx(model.score(x, y))
    assert (loaded.predict(x) == model.predict(x)).all()
    assert theirs.inputs.dataset_inputs[0].dataset.name == "dataset"
    assert ours.info.datasets[0].name == "dataset"
    assert theirs.outputs.model_outputs


def test_a_model_is_registered_and_loaded_by_alias(workspace: Workspace) -> None:
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    mlflow.set_experiment("registry")
    x, y = load_diabetes(return_X_y=True)
    model = Ridge(alpha=0.4).fit(x, y)
    for _ in range(2):
        with mlflow.start_run():
            mlflow.sklearn.log_model(model, name="model", registered_model_name="ridge", input_example=x[:2])
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("ridge", "champion", "2")
    client.set_model_version_tag("ridge", "2", "stage", "good")

    loaded = mlflow.pyfunc.load_model("models:/ridge@champion")

    assert loaded.predict(x) == pytest.approx(model.predict(x))
    assert client.get_model_version_by_alias("ridge", "champion").version == "2"
    assert [one.version for one in client.search_model_versions("name = 'ridge'")] == ["2", "1"]
    assert list(workspace.models) == ["ridge"]
    assert workspace.models["ridge"].version == 2


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_boosting_autologging(workspace: Workspace, library: str) -> None:
    booster = pytest.importorskip(library)
    from sklearn.datasets import load_diabetes

    mlflow.set_experiment(library)
    getattr(mlflow, library).autolog(log_models=True)
    x, y = load_diabetes(return_X_y=True)
    with mlflow.start_run():
        if library == "xgboost":
            data = booster.DMatrix(x, y)
            booster.train({"max_depth": 2, "eta": 0.3}, data, num_boost_round=12, evals=[(data, "train")], verbose_eval=False)
        else:
            data = booster.Dataset(x, y)
            booster.train({"max_depth": 2, "verbose": -1, "metric": "rmse"}, data, 12, valid_sets=[data], valid_names=["train"])

    ours, theirs = only_run(workspace, library)
    name = "train-rmse"
    assert len(ours.get_metrics()[name]) == 12
    assert theirs.data.metrics[name] == pytest.approx(ours.get_metrics()[name][-1])
    assert theirs.data.params["max_depth"] == "2"
    assert any(path.startswith("feature_importance") for path in ours.get_file_names())


def test_keras_callback(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    import numpy as np

    mlflow.set_experiment("keras")
    x = np.linspace(0, 1, 64, dtype=np.float32).reshape(-1, 1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    with mlflow.start_run() as active:
        model.fit(x, 2 * x, epochs=4, verbose=0, callbacks=[mlflow.keras.MlflowCallback(active)])

    ours, theirs = only_run(workspace, "keras")
    assert len(ours.get_metrics()["loss"]) == 4
    assert theirs.data.metrics["loss"] == pytest.approx(ours.get_metrics()["loss"][-1])


def test_optuna_logs_a_run_a_trial(workspace: Workspace) -> None:
    optuna = pytest.importorskip("optuna")

    mlflow.set_experiment("optuna")
    study = optuna.create_study(direction="minimize")

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", -1, 1)
        with mlflow.start_run(nested=True):
            mlflow.log_params(trial.params)
            mlflow.log_metric("value", x * x)
        return float(x * x)

    with mlflow.start_run(run_name="study"):
        study.optimize(objective, n_trials=8)

    runs = list(workspace.experiments["optuna"].get_runs())
    assert [run.name for run in runs] == ["study"]
    children = list(runs[0].get_children())
    assert len(children) == 8
    best = mlflow.search_runs(experiment_names=["optuna"], filter_string="metrics.value >= 0", order_by=["metrics.value ASC"])
    assert best["metrics.value"].iloc[0] == pytest.approx(study.best_value)


def test_transformers_callback(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")

    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "transformers")
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    data = [{"input_ids": torch.tensor([1, 2, 3, 4]), "labels": torch.tensor(i % 2)} for i in range(16)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=4, logging_steps=1, report_to=["mlflow"], use_cpu=True, save_strategy="no"
    )
    trainer = transformers.Trainer(model=transformers.BertForSequenceClassification(config), args=arguments, train_dataset=data)
    trainer.train()
    mlflow.flush_async_logging()
    mlflow.end_run()

    ours, theirs = only_run(workspace, "transformers")
    assert len(ours.get_metrics()["loss"]) == 4
    assert theirs.data.params["hidden_size"] == "16"


def test_a_submitted_script_that_knows_mlflow_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    script = "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('loss', 0.5)\nprint('went on')\n"
    (tmp_path / "train.py").write_text(script)
    subprocess.run(
        [sys.executable, "-m", "tracklog", "run", "--uri", str(tmp_path / "w"), "-e", "remote", "train.py"],
        cwd=tmp_path, check=True, timeout=120,
    )  # fmt: skip

    (run,) = Workspace(tmp_path / "w").experiments["remote"].get_runs()
    assert run.type == "azureml.scriptrun"
    assert run.get_metrics() == {"loss": 0.5}
    assert run.get_status() == "Completed"
    assert "went on" in "".join(run.get_details_with_logs()["logFiles"].values())
