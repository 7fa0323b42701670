"""`azureml.core.resource_configuration` of Azure ML SDK v1."""

from tracklog.sdk.model import ResourceConfiguration

__all__ = ["ResourceConfiguration"]
