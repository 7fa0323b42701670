"""Moving between MLflow and tracklog: `tracklog import mlflow` and `tracklog export mlflow`.

`opened` gives a `Source` of an MLflow server, folder or database; `import_mlflow` brings over what a source holds, and
`export_mlflow` hands a workspace to an MLflow server. Both may be called again: they go on where they were, add what is new
and duplicate nothing. Nothing here imports mlflow.
"""

from __future__ import annotations

from tracklog.exchange.content import Problem, Report, Source
from tracklog.exchange.incoming import import_mlflow, opened
from tracklog.exchange.outgoing import export_mlflow

__all__ = ["Problem", "Report", "Source", "export_mlflow", "import_mlflow", "opened"]
