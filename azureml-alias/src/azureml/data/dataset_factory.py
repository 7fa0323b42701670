"""`azureml.data.dataset_factory` of Azure ML SDK v1."""

from tracklog.sdk.data import DataType, FileDatasetFactory, TabularDatasetFactory

__all__ = ["DataType", "FileDatasetFactory", "TabularDatasetFactory"]
