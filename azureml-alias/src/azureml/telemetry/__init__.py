"""`azureml.telemetry` of Azure ML SDK v1: nothing is ever sent."""

from tracklog.sdk.alias import set_diagnostics_collection

__all__ = ["set_diagnostics_collection"]
