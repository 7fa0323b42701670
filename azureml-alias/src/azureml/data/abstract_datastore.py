"""`azureml.data.abstract_datastore` of Azure ML SDK v1."""

from tracklog.sdk.datastore import AbstractDatastore

__all__ = ["AbstractDatastore"]
