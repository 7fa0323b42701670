"""The runs of a search as one file, CSV or Parquet: what the portal's table shows, in full.

CSV goes out page by page as the store finds them. Parquet needs the types of whole columns first: all rows are read before the
first byte. Times are ISO 8601 in UTC; a duration is in seconds; NaN and ±inf are words in CSV and themselves in Parquet.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import msgspec

from tracklog.errors import InvalidValueError, MissingExtraError, shown
from tracklog.records import ParamValue
from tracklog.storage import MAX_PAGE, RunInfo, RunQuery, Store

MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
_PIECE_BYTES = 1 << 18
_MAX_COLUMNS = 2000
_SUMMARIES = {"metric": "", "spark": "", "metric.min": " (min)", "metric.max": " (max)", "metric.mean": " (mean)"}
_OWN_TAGS = "tracklog."  # what the portal keeps for itself


class RunTableQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Runs as a file.

    `columns`: `name`, `id`, `status`, `number`, `experiment`, `start`, `end`, `duration`, `user`, `tags`, `parent`, `children`,
    `type`, `description`, `error`, or `param:NAME`, `tag:NAME`, `metric:NAME` (the last value), `metric.min:NAME`,
    `metric.max:NAME`, `metric.mean:NAME`. `runs`: its pages do not count.
    """

    runs: RunQuery
    columns: list[str]
    format: Literal["csv", "parquet"] = "csv"


Cell = ParamValue | datetime


def _time(time_ms: int | None) -> datetime | None:
    return None if time_ms is None else datetime.fromtimestamp(time_ms / 1000, timezone.utc)


def _duration_s(run: RunInfo) -> float | None:
    end_ms = run.end_ms or run.heartbeat_ms or None
    return None if end_ms is None else max(0, end_ms - run.start_ms) / 1000


_ATTRIBUTES: dict[str, Callable[[RunInfo], Cell]] = {
    "name": lambda run: run.name,
    "id": lambda run: run.id,
    "status": lambda run: run.status.value,
    "number": lambda run: run.number,
    "experiment": lambda run: run.experiment,
    "start": lambda run: _time(run.start_ms),
    "end": lambda run: _time(run.end_ms),
    "duration": _duration_s,
    "user": lambda run: run.user or None,
    "tags": lambda run: " ".join(
        f"{name}={value}" if value else name for name, value in run.tags.items() if not name.startswith(_OWN_TAGS)
    ),
    "parent": lambda run: run.parent_id,
    "children": lambda run: run.children,
    "type": lambda run: run.type or None,
    "description": lambda run: run.description or None,
    "error": lambda run: None if run.error is None else f"{run.error.code}: {run.error.message}",
}


def check_columns(columns: list[str]) -> None:
    """Raise InvalidValueError for a column that is none."""
    for column in columns:
        kind, _, name = column.partition(":")
        if column not in _ATTRIBUTES and not (name and (kind in ("param", "tag") or kind in _SUMMARIES)):
            raise InvalidValueError(
                f"Unknown column {shown(column)}. Expected {', '.join(_ATTRIBUTES)}, or param:NAME, tag:NAME, metric:NAME, "
                "metric.min:NAME, metric.max:NAME, metric.mean:NAME.",
                parameter="columns",
                given=column,
            )
    if not 1 <= len(columns) <= _MAX_COLUMNS:
        raise InvalidValueError(
            f"Cannot write {len(columns)} columns. Expected 1 to {_MAX_COLUMNS}.", parameter="columns", given=len(columns)
        )


def header(columns: list[str]) -> list[str]:
    """Return what columns are called: by their names, by all of their ids where two would be called alike."""
    names = []
    for column in columns:
        kind, _, name = column.partition(":")
        names.append(f"{name}{_SUMMARIES.get(kind, '')}" if name else column)
    return [column if names.count(name) > 1 else name for column, name in zip(columns, names, strict=True)]


def rows(store: Store, query: RunTableQuery) -> Iterator[list[list[Cell]]]:
    """Yield the rows of a search, a page at a time."""
    cells = [_reader(column) for column in query.columns]
    named = [column.partition(":") for column in query.columns]
    wanted = msgspec.structs.replace(
        query.runs,
        limit=MAX_PAGE,
        count=False,
        params=[name for kind, _, name in named if kind == "param"],
        tags=None if "tags" in query.columns else [name for kind, _, name in named if kind == "tag"],
        metrics=[name for kind, _, name in named if kind in _SUMMARIES],
    )
    token: str | None = None
    while True:
        page = store.search_runs(msgspec.structs.replace(wanted, page_token=token))
        yield [[cell(run) for cell in cells] for run in page.runs]
        token = page.next_page_token
        if token is None:
            return


def _reader(column: str) -> Callable[[RunInfo], Cell]:
    kind, _, name = column.partition(":")
    if kind == "param" and name:
        return lambda run: run.params.get(name)
    if kind == "tag" and name:
        return lambda run: run.tags.get(name)
    if kind in _SUMMARIES and name:
        number = "last" if kind == "spark" else kind.removeprefix("metric.").replace("metric", "last")
        return lambda run: _summary(run, name, number)
    return _ATTRIBUTES[column]


def _summary(run: RunInfo, name: str, number: str) -> Cell:
    for metric in run.metrics:
        if metric.name == name and metric.column == "":
            value: float | None = getattr(metric, number)
            if value is None and number == "last":  # NaN has no number in a summary, only a word
                return float("nan") if metric.last_text == "NaN" else metric.last_text or None
            return value
    return None


def as_csv(store: Store, query: RunTableQuery) -> Iterator[bytes]:
    """Yield the file in pieces."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header(query.columns))
    for page in rows(store, query):
        for row in page:
            writer.writerow([cell.isoformat(timespec="milliseconds") if isinstance(cell, datetime) else cell for cell in row])
        if text.tell() >= _PIECE_BYTES:
            yield text.getvalue().encode("utf-8", "replace")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode("utf-8", "replace")


def as_parquet(store: Store, query: RunTableQuery, folder: Path) -> Path:
    """Write the file into a folder and return its path; the caller removes it.

    Raises:
        MissingExtraError: pyarrow is not installed where the server runs.
    """
    try:
        import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]  # has no types of its own
        import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
    except ModuleNotFoundError as error:
        raise MissingExtraError("pyarrow", "tables", "A table as Parquet, made by the server,") from error
    columns: list[list[Any]] = [[] for _ in query.columns]
    for page in rows(store, query):
        for row in page:
            for cells, cell in zip(columns, row, strict=True):
                cells.append(cell)
    arrays = [pa.array(_one_type(cells)) for cells in columns]
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".parquet", delete=False) as file:
        pq.write_table(pa.table(arrays, names=header(query.columns)), file, compression="zstd")
    return Path(file.name)


def _one_type(cells: list[Any]) -> list[Any]:
    """Return a column's cells in one type: a param may be a number in one run and text in another; text can hold both."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if len(kinds) <= 1 and not (int in kinds and any(cell is not None and abs(cell) >= 2**63 for cell in cells)):
        return cells
    if kinds == {int, float}:
        return [None if cell is None else float(cell) for cell in cells]
    return [None if cell is None else repr(cell) if isinstance(cell, float) else str(cell) for cell in cells]
