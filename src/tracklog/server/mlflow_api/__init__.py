"""MLflow's REST protocol over a store: its clients work unchanged, and see what everybody else logs.

`routing` finds the handler of a request; `experiments`, `runs`, `search`, `metrics`, `registry`, `logged_models`, `traces`,
`files` and `server` hold the handlers; `view` says how a store looks in MLflow's words, `wire` how they are written, `recent`
what was logged just now.

Each request that writes is one batch without a writer: all of it is stored, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tracklog.server.mlflow_api import experiments, files, logged_models, metrics, registry, runs, search, server, traces
from tracklog.server.mlflow_api.routing import Answering, Context, MlflowRoute, Routes
from tracklog.storage import Store

MODULES = (experiments, runs, search, metrics, registry, logged_models, traces, files, server)


def mlflow_route(store: Store, clock_ms: Callable[[], int], staging: Callable[[], Path]) -> MlflowRoute:
    """Return the route under which an application answers MLflow's clients.

    Args:
        staging: gives the folder for uploads under way, once the application runs.
    """
    routes = Routes([route for module in MODULES for route in module.ROUTES])
    return MlflowRoute(Answering(Context(store, clock_ms, staging), routes))
