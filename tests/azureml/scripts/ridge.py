"""Train ridge regression with twenty strengths, log each with its error, and keep the models."""

import os

import joblib
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

from azureml.core.run import Run

os.makedirs("./outputs", exist_ok=True)
X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

run = Run.get_context()
for alpha in np.arange(0.0, 1.0, 0.05):
    model = Ridge(alpha=alpha).fit(X_train, y_train)
    mse = mean_squared_error(y_test, model.predict(X_test))
    run.log("alpha", alpha)
    run.log("mse", mse)
    joblib.dump(model, f"./outputs/ridge_{alpha:.2f}.pkl")
    print(f"alpha is {alpha:.2f}, and mse is {mse:0.2f}")
