"""`azureml.core.compute.amlcompute` of Azure ML SDK v1."""

from tracklog.sdk.compute import AmlCompute, AmlComputeProvisioningConfiguration, AmlComputeStatus, ScaleSettings

__all__ = ["AmlCompute", "AmlComputeProvisioningConfiguration", "AmlComputeStatus", "ScaleSettings"]
