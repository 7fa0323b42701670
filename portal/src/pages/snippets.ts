/** Programs to paste where there are no runs yet: each logs to the server that shows this page, and is complete. Pure. */

import { t } from "../ui/i18n";

export const SNIPPETS = ["tracklog", "azureml", "mlflow", "lightning"] as const;
export type SnippetName = (typeof SNIPPETS)[number];
export const SNIPPET_TITLES: Record<SnippetName, string> = {
  tracklog: "tracklog",
  azureml: t("Azure ML v1"),
  mlflow: "MLflow",
  lightning: "Lightning",
};
/** Said above a program that logs. */
export const PASTE = t("Run this in Python. The chart appears here by itself, while it logs.");
/** What must be installed for it. */
export const SNIPPET_PACKAGES: Record<SnippetName, string> = {
  tracklog: "tracklog",
  azureml: "tracklog-azureml",
  mlflow: "mlflow-skinny",
  lightning: "lightning mlflow-skinny",
};

/** Which of them register a model in a few lines. */
export const MODEL_SNIPPETS = ["tracklog", "azureml", "mlflow"] as const;

/** JSON strings are Python strings, as long as no lone surrogate is in them. */
const python = (text: string) => JSON.stringify(text);

export function snippet(name: SnippetName, experiment: string, server: string): string {
  const [where, group] = [python(server), python(experiment)];
  switch (name) {
    case "tracklog":
      return `import tracklog

with tracklog.start_run(experiment=${group}, uri=${where}) as run:
    for step in range(100):
        run.log("loss", 1 / (step + 1), step=step)
`;
    case "azureml":
      return `from azureml.core import Experiment, Workspace

run = Experiment(Workspace(${where}), ${group}).start_logging()
for step in range(100):
    run.log("loss", 1 / (step + 1), step=step)
run.complete()
`;
    case "mlflow":
      return `import mlflow

mlflow.set_tracking_uri(${where})
mlflow.set_experiment(${group})
with mlflow.start_run():
    mlflow.log_param("lr", 0.1)
    for step in range(100):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
`;
    case "lightning":
      return `import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import MLFlowLogger
from torch.utils.data import DataLoader, TensorDataset


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch):
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.layer(x), y)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


x = torch.linspace(-1, 1, 256).unsqueeze(1)
data = DataLoader(TensorDataset(x, 3 * x + 1), batch_size=16)
logger = MLFlowLogger(${group}, tracking_uri=${where})
Trainer(max_epochs=5, logger=logger, log_every_n_steps=1, enable_checkpointing=False).fit(Line(), data)
`;
  }
}

/** Trains next to nothing, and registers what came out as the first version of a model. */
export function modelSnippet(name: (typeof MODEL_SNIPPETS)[number], model: string, server: string): string {
  const [where, title] = [python(server), python(model)];
  switch (name) {
    case "tracklog":
      return `from pathlib import Path

import tracklog

with tracklog.start_run(experiment="first", uri=${where}) as run:
    Path("model.json").write_text('{"weight": 3, "bias": 1}')
    run.register_model(${title}, "model.json")
`;
    case "azureml":
      return `from pathlib import Path

from azureml.core import Experiment, Workspace

run = Experiment(Workspace(${where}), "first").start_logging()
Path("model.json").write_text('{"weight": 3, "bias": 1}')
run.upload_file("outputs/model.json", "model.json")
run.register_model(${title}, model_path="outputs/model.json")
run.complete()
`;
    case "mlflow":
      return `from pathlib import Path

import mlflow

mlflow.set_tracking_uri(${where})
mlflow.set_experiment("first")
with mlflow.start_run() as run:
    Path("model.json").write_text('{"weight": 3, "bias": 1}')
    mlflow.log_artifact("model.json")
client = mlflow.MlflowClient()
client.create_registered_model(${title})
client.create_model_version(${title}, f"runs:/{run.info.run_id}/model.json", run.info.run_id)
`;
  }
}
