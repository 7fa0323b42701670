"""Callbacks that libraries have for Azure ML v1, which find `azureml` and log through it: transformers' and fastai's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tracklog.sdk.run import Run
from tracklog.sdk.workspace import Workspace

pytest.importorskip("azureml.core", reason="the import names of Azure ML v1: pip install tracklog-azureml")

TRANSFORMERS = """
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

torch.manual_seed(0)
model = GPT2LMHeadModel(GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=2))
texts = [{"input_ids": torch.randint(0, 16, (8,))} for _ in range(16)]
for text in texts:
    text["labels"] = text["input_ids"]
arguments = TrainingArguments(
    "trained", max_steps=6, per_device_train_batch_size=4, logging_steps=2, eval_strategy="steps", eval_steps=3,
    report_to="azure_ml", save_strategy="no", use_cpu=True, disable_tqdm=True, dataloader_pin_memory=False,
)
Trainer(model, arguments, train_dataset=texts, eval_dataset=texts[:4]).train()
"""

FASTAI = """
import torch
from fastai.basics import *
from fastai.callback.azureml import AzureMLCallback
from azureml.core import Run

torch.manual_seed(0)
run = Run.get_context()
x = torch.randn(32, 2)
data = list(zip(x, x.sum(1, keepdim=True)))
loaders = DataLoaders(DataLoader(data, bs=8), DataLoader(data, bs=8))
learner = Learner(loaders, nn.Linear(2, 1), loss_func=nn.MSELoss(), metrics=mae, cbs=AzureMLCallback())
learner.fit(2)
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKLOG_URI", str(tmp_path / "workspace"))
    monkeypatch.setenv("TRACKLOG_CAPTURE", "none")
    monkeypatch.setenv("TRACKLOG_QUIET", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Workspace()


def trained(workspace: Workspace, script: str, *, by: tuple[str, ...] = ()) -> Run:
    """Run a script as people run it; return its run."""
    Path("train.py").write_text(script)
    done = subprocess.run([sys.executable, *by, "train.py"], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    [run] = [run for experiment in workspace.experiments.values() for run in experiment.get_runs()]
    return run


@pytest.mark.parametrize("by", [(), ("-m", "tracklog", "run")], ids=["python", "tracklog run"])
def test_a_trainer_of_transformers_logs(workspace: Workspace, by: tuple[str, ...]) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    run = trained(workspace, TRANSFORMERS, by=by)

    metrics = run.get_metrics()
    assert run.get_status() == "Completed"
    assert len(metrics["loss"]) == 3
    assert all(isinstance(loss, float) for loss in metrics["loss"])
    assert len(metrics["eval_loss"]) == 2
    assert {"learning_rate", "grad_norm", "epoch", "train_loss"} <= set(metrics)
    assert run.id.startswith("OfflineRun") == (not by)


def test_a_learner_of_fastai_logs(workspace: Workspace) -> None:
    pytest.importorskip("fastai")

    run = trained(workspace, FASTAI, by=("-m", "tracklog", "run"))

    metrics = run.get_metrics()
    assert metrics["n_epoch"] == 2
    assert len(metrics["batch__loss"]) == 2 * 4
    assert len(metrics["epoch__train_loss"]) == len(metrics["epoch__mae"]) == 2
    assert metrics["epoch__train_loss"][1] < metrics["epoch__train_loss"][0]
    assert "Linear" in metrics["model_class"]
    assert "outputs/model_summary.txt" in run.get_file_names()


def test_a_learner_of_fastai_logs_to_the_parent_too(workspace: Workspace) -> None:
    pytest.importorskip("fastai")
    own = "AzureMLCallback(run.child_run())"

    Path("train.py").write_text(FASTAI.replace("AzureMLCallback()", own))
    subprocess.run([sys.executable, "train.py"], check=True, timeout=240)

    [experiment] = workspace.experiments.values()
    [parent] = experiment.get_runs()
    [child] = parent.get_children()
    assert child.get_metrics()["batch__loss"] == parent.get_metrics()["batch__loss"]
