"""`azureml.data.datapath` of Azure ML SDK v1."""

from tracklog.sdk.datastore import DataPath, DataPathComputeBinding

__all__ = ["DataPath", "DataPathComputeBinding"]
