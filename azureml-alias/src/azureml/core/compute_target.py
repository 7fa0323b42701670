"""`azureml.core.compute_target` of Azure ML SDK v1."""

from tracklog.sdk.compute import LocalTarget
from tracklog.sdk.exceptions import ComputeTargetException

__all__ = ["ComputeTargetException", "LocalTarget"]
