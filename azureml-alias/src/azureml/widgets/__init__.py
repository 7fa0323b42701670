"""`azureml.widgets` of Azure ML SDK v1."""

from typing import Any

from tracklog.sdk.alias import outside
from tracklog.widget import RunDetails

__all__ = ["RunDetails"]


def __getattr__(name: str) -> Any:
    return outside(__name__, name)
