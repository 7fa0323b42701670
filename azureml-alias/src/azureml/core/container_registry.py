"""`azureml.core.container_registry` of Azure ML SDK v1."""

from tracklog.sdk.configuration import ContainerRegistry

__all__ = ["ContainerRegistry"]
