"""`azureml.data.output_dataset_config` of Azure ML SDK v1."""

from typing import Any

from tracklog.sdk.alias import outside
from tracklog.sdk.inputs import OutputFileDatasetConfig

__all__ = ["OutputFileDatasetConfig"]


def __getattr__(name: str) -> Any:
    return outside(__name__, name)
