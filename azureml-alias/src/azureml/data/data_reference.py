"""`azureml.data.data_reference` of Azure ML SDK v1."""

from tracklog.sdk.datastore import DataReference

__all__ = ["DataReference"]
