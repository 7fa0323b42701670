"""What a script imports: runs, experiments, workspaces. The names and shapes are Azure ML SDK v1's, with more.

`tracklog.start_run` and friends (`tracklog.sdk.native`) are a thin door to the same classes.
"""

from __future__ import annotations

from tracklog.sdk.experiment import Experiment
from tracklog.sdk.run import Run
from tracklog.sdk.workspace import Workspace

__all__ = ["Experiment", "Run", "Workspace"]
