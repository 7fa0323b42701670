"""`azureml.core.conda_dependencies` of Azure ML SDK v1."""

from tracklog.sdk.configuration import CondaDependencies

__all__ = ["CondaDependencies"]
