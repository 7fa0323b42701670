"""`azureml.core.experiment` of Azure ML SDK v1."""

from tracklog.sdk.experiment import Experiment, ViewType

__all__ = ["Experiment", "ViewType"]
