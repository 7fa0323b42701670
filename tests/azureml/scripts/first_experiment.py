"""Train ten models in ten interactive runs, find the best by reading the runs back, and fetch its file."""

import os

import joblib
import numpy as np
from sklearn.linear_model import Ridge

from azureml.core import Experiment, Run, Workspace

ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="first-experiment")
X = np.vander(np.linspace(0, 1, 30), 4)
y = X @ [1.0, -2.0, 0.5, 3.0]

for alpha in np.arange(0.1, 1.1, 0.1):
    run = experiment.start_logging()
    run.log("alpha_value", alpha)
    model = Ridge(alpha=alpha).fit(X, y)
    run.log("rmse", np.sqrt(np.mean((y - model.predict(X)) ** 2)))
    model_name = "model_alpha_" + str(round(alpha, 1)) + ".pkl"
    filename = "outputs/" + model_name  # the folder is there
    joblib.dump(value=model, filename=filename)
    run.upload_file(name=model_name, path_or_stream=filename)
    run.complete()

minimum_rmse = None
minimum_rmse_runid = None
for run in experiment.get_runs():
    rmse = run.get_metrics()["rmse"]
    run_id = run.get_details()["runId"]
    if minimum_rmse is None or rmse < minimum_rmse:
        minimum_rmse, minimum_rmse_runid = rmse, run_id

assert len(list(experiment.get_runs())) == 10
best_run = Run(experiment=experiment, run_id=minimum_rmse_runid)
assert best_run.get_metrics()["alpha_value"] == 0.1
assert "model_alpha_0.1.pkl" in best_run.get_file_names()
best_run.download_file(name="model_alpha_0.1.pkl")
assert os.path.isfile("model_alpha_0.1.pkl")
assert joblib.load("model_alpha_0.1.pkl").alpha == 0.1
print("best:", minimum_rmse_runid)
