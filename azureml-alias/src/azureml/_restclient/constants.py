"""`azureml._restclient.constants` of Azure ML SDK v1."""

from tracklog.records import RunStatus

__all__ = ["RunStatus"]
