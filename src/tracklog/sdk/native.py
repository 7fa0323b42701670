"""The short door for those who start fresh: `start_run`, `get_run`, `runs`. Thin over the classes of `tracklog.sdk`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from tracklog.errors import InvalidValueError, MissingExtraError, shown
from tracklog.records import RunStatus
from tracklog.sdk.experiment import Experiment
from tracklog.sdk.run import Run
from tracklog.sdk.workspace import Workspace
from tracklog.storage import RunInfo, RunQuery


def start_run(
    experiment: str | None = None,
    name: str | None = None,
    params: Any = None,
    tags: Mapping[str, Any] | None = None,
    *,
    description: str = "",
    run_id: str | None = None,
    resume: bool | str = False,
    parent: Run | str | None = None,
    capture: bool | str | Sequence[str] | None = None,
    uri: str | os.PathLike[str] | None = None,
) -> Run:
    """Start to record a run.

    Args:
        experiment: group of runs it belongs to; by default the name of the working folder.
        name: what people call it; by default `run-<number>`.
        params: inputs: a dict (nested ones are flattened with dots), dataclass or argparse.Namespace.
        tags: labels.
        description: free text.
        run_id: an id of your own; by default a new one. Processes that one launcher started, such as torchrun, record one run
            together when each gives the same id: the run ends with the process of rank 0.
        resume: go on with the run of `run_id` (or give the id here): it must exist.
        parent: the run this one belongs to.
        capture: what is recorded by itself: True, False, or some of "command", "git", "python", "packages", "host",
            "console", "logging", "system"; by default TRACKLOG_CAPTURE, else everything.
        uri: workspace, a folder or http(s)://…; by default TRACKLOG_URI, the nearest `.tracklog` folder, `~/.tracklog`.

    Returns:
        The run. End it with `complete()`, or use it in a `with` block; at the end of the script it ends by itself.

    Raises:
        InvalidValueError: an argument that cannot be used.
        NotFoundError: the run to resume does not exist.

    Example:
        with tracklog.start_run("ridge", params={"alpha": 0.1}) as run:
            run.log("mse", 3424.3)
    """
    workspace = Workspace(uri)
    if isinstance(resume, str):
        run_id, resume = resume, True
    if resume and run_id is None:
        raise InvalidValueError(
            "Cannot resume without the id of a run. Expected start_run(resume='<run id>'); `tracklog ls` lists ids.",
            parameter="resume",
            given=resume,
        )
    group = Experiment(workspace, experiment if experiment is not None else _default_experiment())
    parent_id = parent.id if isinstance(parent, Run) else parent
    return Run.begin(
        group,
        name=name,
        run_id=run_id,
        params=params,
        tags=tags,
        description=description,
        parent_id=parent_id,
        capture=capture,
        resume=bool(resume),
    )


def get_run(run_id: str, *, uri: str | os.PathLike[str] | None = None) -> Run:
    """Return a run by its id, for reading or for adding to it.

    Raises:
        NotFoundError: there is no such run.
    """
    return Workspace(uri).get_run(run_id)


@overload
def runs(
    text: str = ...,
    *,
    filter: str = ...,
    experiment: str | None = ...,
    status: str | Sequence[str] | None = ...,
    order_by: str | Sequence[str] = ...,
    limit: int | None = ...,
    table: None = ...,
    uri: str | os.PathLike[str] | None = ...,
) -> list[Run]: ...
@overload
def runs(
    text: str = ...,
    *,
    filter: str = ...,
    experiment: str | None = ...,
    status: str | Sequence[str] | None = ...,
    order_by: str | Sequence[str] = ...,
    limit: int | None = ...,
    table: Literal["pandas", "polars"],
    uri: str | os.PathLike[str] | None = ...,
) -> Any: ...
def runs(
    text: str = "",
    *,
    filter: str = "",  # noqa: A002  # the field's word
    experiment: str | None = None,
    status: str | Sequence[str] | None = None,
    order_by: str | Sequence[str] = "-start",
    limit: int | None = None,
    table: Literal["pandas", "polars"] | None = None,
    uri: str | os.PathLike[str] | None = None,
) -> Any:
    """Return runs, newest first, as a list of `Run` or as a table with a row a run.

    Args:
        text: words that must all occur in name, id, experiment, status, a tag or a param.
        filter: a condition, such as "metrics.loss < 0.1 and params.model = 'resnet'"; docs/reference/filters.md has the language.
        experiment: only of this experiment.
        status: only with this status, or one of several: "Running", "Completed", "Failed", …
        order_by: "start", "end", "name", "duration", "metric:loss", "metric.min:loss", "param:lr", "tag:…"; with a leading "-"
            descending. Several in a list, the first weighs most.
        limit: at most so many.
        table: "pandas" or "polars": columns id, experiment, number, name, status, start, duration_s, then `params.…`,
            `metrics.…` (last values), `tags.…`.
        uri: workspace, as in `start_run`.
    """
    if table not in (None, "pandas", "polars"):
        raise InvalidValueError(
            f"Cannot make a table of kind {shown(table)}. Expected 'pandas' or 'polars', or None for a list.",
            parameter="table",
            given=table,
        )
    workspace = Workspace(uri)
    words = None if status is None else [status] if isinstance(status, str) else list(status)
    try:
        chosen = None if words is None else [RunStatus(word) for word in words]
    except ValueError as error:
        known = ", ".join(one.value for one in RunStatus)
        raise InvalidValueError(
            f"Unknown status in {shown(status)}. Known: {known}.", parameter="status", given=status
        ) from error
    query = RunQuery(
        experiment=experiment,
        text=text,
        status=chosen,
        filter=filter,
        order_by=order_by if isinstance(order_by, str) else list(order_by),
    )
    found: list[RunInfo] = []
    for info in workspace.find_runs(query):
        if limit is not None and len(found) >= limit:
            break
        found.append(info)
    if table is None:
        return [Run.from_info(workspace, info) for info in found]
    rows = [table_row(info) for info in found]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    try:
        if table == "pandas":
            import pandas as pd

            return pd.DataFrame(columns)
        import polars as pl

        # A param may be a number here and text there; polars then keeps text.
        return pl.DataFrame({name: pl.Series(name, cells, strict=False) for name, cells in columns.items()})
    except ModuleNotFoundError as error:
        raise MissingExtraError(table, "tables", f"runs(table={table!r})") from error


def table_row(info: RunInfo) -> dict[str, Any]:
    """Return a run as a flat row: own fields, then params, last metric values and tags with a prefix."""
    row: dict[str, Any] = {
        "id": info.id,
        "experiment": info.experiment,
        "number": info.number,
        "name": info.name,
        "status": info.status.value,
        "start_ms": info.start_ms,
        "end_ms": info.end_ms,
        "duration_s": None if info.end_ms is None else (info.end_ms - info.start_ms) / 1000,
        "user": info.user,
        "parent_id": info.parent_id,
    }
    row.update({f"params.{name}": value for name, value in info.params.items()})
    for metric in info.metrics:
        label = f"metrics.{metric.name}" + (f".{metric.column}" if metric.column else "")
        row[label] = metric.last if metric.last is not None or metric.dtype.value != 4 else metric.last_text
    row.update({f"tags.{name}": value for name, value in info.tags.items()})
    return row


def _default_experiment() -> str:
    return Path.cwd().name or "default"
