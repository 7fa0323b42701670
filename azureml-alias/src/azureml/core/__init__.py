"""`azureml.core` of Azure ML SDK v1."""

from typing import Any

from tracklog.sdk.alias import VERSION, outside, outside_names
from tracklog.sdk.compute import ComputeTarget
from tracklog.sdk.configuration import ContainerRegistry, Environment, RunConfiguration, ScriptRunConfig
from tracklog.sdk.data import Dataset
from tracklog.sdk.datastore import Datastore
from tracklog.sdk.experiment import Experiment
from tracklog.sdk.model import Model
from tracklog.sdk.run import Run, get_run
from tracklog.sdk.submitted import ScriptRun
from tracklog.sdk.workspace import Workspace

__version__ = VERSION

__all__ = [
    "VERSION",
    "ComputeTarget",
    "ContainerRegistry",
    "Dataset",
    "Datastore",
    "Environment",
    "Experiment",
    "Model",
    "Run",
    "RunConfiguration",
    "ScriptRun",
    "ScriptRunConfig",
    "Workspace",
    "get_run",
]


def __getattr__(name: str) -> Any:
    return outside(__name__, name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__", *outside_names(__name__)])
