"""`azureml.data.file_dataset` of Azure ML SDK v1."""

from tracklog.sdk.data import FileDataset

__all__ = ["FileDataset"]
