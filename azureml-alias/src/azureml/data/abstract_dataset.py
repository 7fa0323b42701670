"""`azureml.data.abstract_dataset` of Azure ML SDK v1."""

from tracklog.sdk.data import AbstractDataset

__all__ = ["AbstractDataset"]
