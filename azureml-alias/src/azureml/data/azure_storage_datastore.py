"""`azureml.data.azure_storage_datastore` of Azure ML SDK v1."""

from tracklog.sdk.datastore import AbstractAzureStorageDatastore, AzureBlobDatastore, AzureFileDatastore

__all__ = ["AbstractAzureStorageDatastore", "AzureBlobDatastore", "AzureFileDatastore"]
