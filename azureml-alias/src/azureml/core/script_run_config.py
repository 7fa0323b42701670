"""`azureml.core.script_run_config` of Azure ML SDK v1."""

from tracklog.sdk.configuration import MAX_DURATION_SECONDS_DEFAULT, ScriptRunConfig

__all__ = ["MAX_DURATION_SECONDS_DEFAULT", "ScriptRunConfig"]
