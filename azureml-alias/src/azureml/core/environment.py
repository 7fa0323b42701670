"""`azureml.core.environment` of Azure ML SDK v1."""

from typing import Any

from tracklog.sdk.alias import outside
from tracklog.sdk.configuration import (
    DEFAULT_CPU_IMAGE,
    DEFAULT_GPU_IMAGE,
    CondaDependencies,
    ContainerRegistry,
    DockerBuildContext,
    DockerSection,
    Environment,
    EnvironmentReference,
    PythonSection,
    SparkSection,
)

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "CondaDependencies",
    "ContainerRegistry",
    "DockerBuildContext",
    "DockerSection",
    "Environment",
    "EnvironmentReference",
    "PythonSection",
    "SparkSection",
]


def __getattr__(name: str) -> Any:
    return outside(__name__, name)
