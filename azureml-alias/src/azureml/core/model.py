"""`azureml.core.model` of Azure ML SDK v1."""

from typing import Any

from tracklog.errors import UserErrorException
from tracklog.sdk.alias import outside
from tracklog.sdk.configuration import Environment
from tracklog.sdk.data import Dataset, FileDataset, TabularDataset
from tracklog.sdk.exceptions import ModelNotFoundException, RunEnvironmentException, WebserviceException
from tracklog.sdk.model import MODELS_DIR, Model, ResourceConfiguration

__all__ = [
    "MODELS_DIR",
    "Dataset",
    "Environment",
    "FileDataset",
    "Model",
    "ModelNotFoundException",
    "ResourceConfiguration",
    "RunEnvironmentException",
    "TabularDataset",
    "UserErrorException",
    "WebserviceException",
]


def __getattr__(name: str) -> Any:
    return outside(__name__, name)
