"""`azureml.data.dataset_type_definitions` of Azure ML SDK v1."""

from typing import Any

from tracklog.sdk.alias import outside
from tracklog.sdk.data import PromoteHeadersBehavior

__all__ = ["PromoteHeadersBehavior"]


def __getattr__(name: str) -> Any:
    return outside(__name__, name)
