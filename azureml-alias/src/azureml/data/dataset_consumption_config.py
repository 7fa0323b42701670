"""`azureml.data.dataset_consumption_config` of Azure ML SDK v1."""

from tracklog.sdk.inputs import DatasetConsumptionConfig

__all__ = ["DatasetConsumptionConfig"]
