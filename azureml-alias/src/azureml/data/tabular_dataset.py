"""`azureml.data.tabular_dataset` of Azure ML SDK v1."""

from tracklog.sdk.data import TabularDataset

__all__ = ["TabularDataset"]
