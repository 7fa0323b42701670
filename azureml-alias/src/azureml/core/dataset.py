"""`azureml.core.dataset` of Azure ML SDK v1."""

from tracklog.sdk.data import Dataset

__all__ = ["Dataset"]
