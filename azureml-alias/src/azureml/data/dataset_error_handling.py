"""`azureml.data.dataset_error_handling` of Azure ML SDK v1."""

from tracklog.sdk.data import DatasetExecutionError, DatasetValidationError

__all__ = ["DatasetExecutionError", "DatasetValidationError"]
