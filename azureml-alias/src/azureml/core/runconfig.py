"""`azureml.core.runconfig` of Azure ML SDK v1."""

from typing import Any

from tracklog.errors import UserErrorException
from tracklog.sdk.alias import outside
from tracklog.sdk.compute import ComputeTarget
from tracklog.sdk.configuration import (
    DEFAULT_CPU_IMAGE,
    DEFAULT_GPU_IMAGE,
    MPI_CPU_IMAGE,
    MPI_GPU_IMAGE,
    AmlComputeConfiguration,
    CondaDependencies,
    ContainerRegistry,
    DockerConfiguration,
    DockerSection,
    Environment,
    HistoryConfiguration,
    MpiConfiguration,
    PythonSection,
    PyTorchConfiguration,
    RunConfiguration,
    SparkSection,
    TensorflowConfiguration,
)
from tracklog.sdk.data import Dataset
from tracklog.sdk.datastore import DataPath, DataReferenceConfiguration
from tracklog.sdk.exceptions import RunConfigurationException
from tracklog.sdk.inputs import DatasetConsumptionConfig

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "MPI_CPU_IMAGE",
    "MPI_GPU_IMAGE",
    "AmlComputeConfiguration",
    "ComputeTarget",
    "CondaDependencies",
    "ContainerRegistry",
    "DataPath",
    "DataReferenceConfiguration",
    "Dataset",
    "DatasetConsumptionConfig",
    "DockerConfiguration",
    "DockerSection",
    "Environment",
    "HistoryConfiguration",
    "MpiConfiguration",
    "PyTorchConfiguration",
    "PythonSection",
    "RunConfiguration",
    "RunConfigurationException",
    "SparkSection",
    "TensorflowConfiguration",
    "UserErrorException",
]


def __getattr__(name: str) -> Any:
    return outside(__name__, name)
