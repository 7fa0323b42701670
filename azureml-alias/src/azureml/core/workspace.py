"""`azureml.core.workspace` of Azure ML SDK v1."""

from tracklog.sdk.workspace import Workspace

__all__ = ["Workspace"]
