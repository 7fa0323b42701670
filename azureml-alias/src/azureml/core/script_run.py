"""`azureml.core.script_run` of Azure ML SDK v1."""

from tracklog.sdk.submitted import ScriptRun

__all__ = ["ScriptRun"]
