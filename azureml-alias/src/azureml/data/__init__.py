"""`azureml.data` of Azure ML SDK v1."""

from typing import Any

from tracklog.sdk.alias import outside
from tracklog.sdk.data import DataType, FileDataset, TabularDataset
from tracklog.sdk.inputs import OutputFileDatasetConfig

__all__ = ["DataType", "FileDataset", "OutputFileDatasetConfig", "TabularDataset"]


def __getattr__(name: str) -> Any:
    return outside(__name__, name)
