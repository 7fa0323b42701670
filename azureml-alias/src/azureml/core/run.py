"""`azureml.core.run` of Azure ML SDK v1."""

from typing import Any

from tracklog.errors import UserErrorException
from tracklog.records import RunStatus
from tracklog.sdk.alias import outside
from tracklog.sdk.configuration import Environment
from tracklog.sdk.data import AbstractDataset
from tracklog.sdk.datastore import DataPath, Datastore
from tracklog.sdk.exceptions import (
    ActivityFailedException,
    ExperimentExecutionException,
    RunEnvironmentException,
    SnapshotException,
)
from tracklog.sdk.run import InputDatasets, OutputDatasets, Run, _OfflineRun, _SubmittedRun, get_run

__all__ = [
    "AbstractDataset",
    "ActivityFailedException",
    "DataPath",
    "Datastore",
    "Environment",
    "ExperimentExecutionException",
    "InputDatasets",
    "OutputDatasets",
    "Run",
    "RunEnvironmentException",
    "RunStatus",
    "SnapshotException",
    "UserErrorException",
    "_OfflineRun",
    "_SubmittedRun",
    "get_run",
]


def __getattr__(name: str) -> Any:
    return outside(__name__, name)
