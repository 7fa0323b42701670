"""`azureml.core.datastore` of Azure ML SDK v1."""

from tracklog.sdk.datastore import Datastore

__all__ = ["Datastore"]
