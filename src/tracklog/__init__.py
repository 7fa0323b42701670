"""tracklog: log, watch and read machine-learning runs.

    import tracklog

    with tracklog.start_run("first", params={"lr": 0.1}) as run:
        for step in range(100):
            run.log("loss", 1 / (step + 1), step=step)

Everything is loaded on first use: `import tracklog` alone costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["Experiment", "Model", "Run", "TracklogError", "Workspace", "__version__", "get_run", "runs", "start_run"]

if TYPE_CHECKING:
    from tracklog.errors import TracklogError
    from tracklog.sdk import Experiment, Run, Workspace
    from tracklog.sdk.model import Model
    from tracklog.sdk.native import get_run, runs, start_run

_HOME = {
    "Experiment": "tracklog.sdk",
    "Model": "tracklog.sdk.model",
    "Run": "tracklog.sdk",
    "TracklogError": "tracklog.errors",
    "Workspace": "tracklog.sdk",
    "get_run": "tracklog.sdk.native",
    "runs": "tracklog.sdk.native",
    "start_run": "tracklog.sdk.native",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tracklog' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
