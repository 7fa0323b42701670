"""`azureml.core.compute` of Azure ML SDK v1."""

from typing import Any

from tracklog.sdk.alias import outside
from tracklog.sdk.compute import AmlCompute, ComputeTarget
from tracklog.sdk.exceptions import ComputeTargetException

__all__ = ["AmlCompute", "ComputeTarget", "ComputeTargetException"]


def __getattr__(name: str) -> Any:
    return outside(__name__, name)
