"""Reads MLflow's database: SQLite or PostgreSQL, of any release whose tables have these names.

Whole rows are asked for, and what a release does not have yet is missing in them. Nothing is written.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, bindparam, create_engine, exc, inspect, make_url, text

from tracklog.errors import InvalidValueError, MissingExtraError, StoreUnavailableError, shown
from tracklog.exchange.content import (
    LOGGED_STATUS_BY_NUMBER,
    Experiment,
    File,
    Logged,
    NotReadable,
    Places,
    Problem,
    Registered,
    Run,
    Series,
    Version,
    model_of,
)
from tracklog.records import DatasetInput, ModelOutput, RunStatus
from tracklog.server.mlflow_api.view import STATUS_OF
from tracklog.storage.registry import LoggedModel, LoggedModelMetric, LoggedModelStatus

_PAGE = 200  # runs whose params, tags and inputs are asked for at once
_POINTS = 50_000  # rows fetched at once
_NEEDED = ("experiments", "runs", "metrics", "params", "tags")
# A workspace of MLflow's is a prefix of the names in it.
_OWN_WORKSPACE = "default"

Row = Mapping[str, Any]


class DatabaseSource:
    """The `Source` of a database."""

    def __init__(self, url: str, artifacts: Sequence[Path]) -> None:
        """Open a database.

        Args:
            url: sqlite:///path, or postgresql://…

        Raises:
            InvalidValueError: it is no database of MLflow.
            StoreUnavailableError: it cannot be reached.
        """
        self.problems: list[Problem] = []
        self._engine, folder = _engine(url)
        self.address = make_url(url).render_as_string(hide_password=True)
        base = folder if folder is not None else Path.cwd()
        self._places = Places([*([base / "mlruns", base / "mlartifacts"] if folder is not None else []), *artifacts], base)
        try:
            self._tables = set(inspect(self._engine).get_table_names())
        except exc.DatabaseError as error:
            self._engine.dispose()
            if isinstance(error, exc.OperationalError):
                reason = " ".join(str(error.orig).split())
                raise StoreUnavailableError(f"Cannot open the database {self.address}: {reason}") from error
            raise InvalidValueError(
                f"{self.address} is no database: {error.orig}.", parameter="source", given=self.address
            ) from error
        missing = [name for name in _NEEDED if name not in self._tables]
        if missing:
            self._engine.dispose()
            raise InvalidValueError(
                f"{self.address} is no database of MLflow: it has no table {missing[0]!r}.",
                parameter="source",
                given=self.address,
            )

    # --------------------------------------------------------------------- asking

    def _rows(self, statement: str, table: str = "", **given: Any) -> list[Row]:
        """Return the rows of a statement; nothing when this release has no such table. Lists are given to `IN`."""
        if table and table not in self._tables:
            return []
        asked = text(statement)
        for name, value in given.items():
            if isinstance(value, list):
                asked = asked.bindparams(bindparam(name, expanding=True))
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(asked, given).mappings()]

    # --------------------------------------------------------------- runs and such

    def experiments(self) -> list[Experiment]:
        """See `Source.experiments`."""
        tags: dict[Any, dict[str, str]] = defaultdict(dict)
        for row in self._rows("SELECT * FROM experiment_tags", "experiment_tags"):
            tags[row["experiment_id"]][row["key"]] = row["value"] or ""
        return [
            Experiment(
                id=str(row["experiment_id"]),
                name=_in_workspace(row, "/"),
                location=row["artifact_location"] or "",
                deleted=row["lifecycle_stage"] == "deleted",
                tags=tags[row["experiment_id"]],
            )
            for row in self._rows("SELECT * FROM experiments ORDER BY experiment_id")
        ]

    def count_runs(self, experiment: Experiment) -> int | None:
        """See `Source.count_runs`."""
        [row] = self._rows("SELECT count(*) AS n FROM runs WHERE experiment_id = :id", id=int(experiment.id))
        return int(row["n"])

    def runs(self, experiment: Experiment) -> Iterator[Run]:
        """See `Source.runs`."""
        ids = [
            str(row["run_uuid"])
            for row in self._rows(
                "SELECT run_uuid FROM runs WHERE experiment_id = :id ORDER BY start_time, run_uuid", id=int(experiment.id)
            )
        ]
        for first in range(0, len(ids), _PAGE):
            yield from self._page(ids[first : first + _PAGE])

    def _page(self, ids: list[str]) -> Iterator[Run]:
        params, tags = self._pairs("params", ids), self._pairs("tags", ids)
        lineage = self._lineage(ids)
        rows = {row["run_uuid"]: row for row in self._rows("SELECT * FROM runs WHERE run_uuid IN :ids", ids=ids)}
        for id_ in ids:
            if (row := rows.get(id_)) is None:  # removed meanwhile
                continue
            datasets, model_inputs, model_outputs = lineage.get(id_, ([], [], []))
            yield Run(
                id=id_,
                name=row["name"] or tags[id_].get("mlflow.runName", ""),
                status=STATUS_OF.get(row["status"], RunStatus.RUNNING),
                start_ms=row["start_time"] or 0,
                end_ms=row["end_time"],
                user=row["user_id"] or "",
                deleted=row["lifecycle_stage"] == "deleted",
                params=params[id_],
                tags=tags[id_],
                datasets=datasets,
                model_inputs=model_inputs,
                model_outputs=model_outputs,
                location=row["artifact_uri"] or "",
            )

    def _pairs(self, table: str, ids: list[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self._rows(f"SELECT * FROM {table} WHERE run_uuid IN :ids ORDER BY run_uuid, key", ids=ids):  # noqa: S608  # one of ours
            found[row["run_uuid"]][row["key"]] = row["value"] or ""
        return found

    def _lineage(self, ids: list[str]) -> dict[str, tuple[list[DatasetInput], list[str], list[ModelOutput]]]:
        """Return what runs read and made, by their ids."""
        rows = self._rows(
            "SELECT * FROM inputs WHERE (destination_id IN :ids AND destination_type = 'RUN')"
            " OR (source_id IN :ids AND source_type = 'RUN_OUTPUT')"
            " OR (destination_id IN :ids AND destination_type = 'RUN_INPUT')"
            " OR (source_id IN :ids AND source_type = 'RUN_INPUT') ORDER BY input_uuid",
            "inputs",
            ids=ids,
        )
        if not rows:
            return {}
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        wanted = [row["input_uuid"] for row in rows]
        for row in self._rows("SELECT * FROM input_tags WHERE input_uuid IN :ids", "input_tags", ids=wanted):
            tags[row["input_uuid"]][row["name"]] = row["value"]
        data_ids = [row["source_id"] for row in rows if row["source_type"] == "DATASET"]
        datasets = {
            row["dataset_uuid"]: row
            for row in self._rows("SELECT * FROM datasets WHERE dataset_uuid IN :ids", "datasets", ids=data_ids)
        }
        found: dict[str, tuple[list[DatasetInput], list[str], list[ModelOutput]]] = defaultdict(lambda: ([], [], []))
        for row in rows:
            if row["source_type"] == "DATASET" and (one := datasets.get(row["source_id"])) is not None:
                found[row["destination_id"]][0].append(
                    DatasetInput(
                        name=one["name"],
                        digest=one["digest"],
                        source_type=one["dataset_source_type"],
                        source=one["dataset_source"],
                        schema=one["dataset_schema"] or "",
                        profile=one["dataset_profile"] or "",
                        tags=tags[row["input_uuid"]],
                    )
                )
            elif row["destination_type"] == "MODEL_OUTPUT":
                found[row["source_id"]][2].append(ModelOutput(row["destination_id"], row.get("step") or 0))
            elif row["destination_type"] == "MODEL_INPUT":
                found[row["source_id"]][1].append(row["destination_id"])
        return found

    def count_points(self, experiment: Experiment, run: Run) -> dict[str, int] | None:
        """See `Source.count_points`."""
        rows = self._rows("SELECT key, count(*) AS n FROM metrics WHERE run_uuid = :id GROUP BY key", id=run.id)
        return {row["key"]: int(row["n"]) for row in rows}

    def series(self, experiment: Experiment, run: Run) -> Iterator[Series]:
        """See `Source.series`."""
        asked = text(
            "SELECT key, step, timestamp, value, is_nan FROM metrics WHERE run_uuid = :id ORDER BY key, timestamp, step, value"
        )
        name: str | None = None
        points: list[tuple[int, int, float]] = []
        with self._engine.connect() as connection:
            rows = connection.execution_options(yield_per=_POINTS).execute(asked, {"id": run.id})
            for key, step, time_ms, value, is_nan in rows:
                if key != name:
                    if name is not None:
                        yield Series.of(name, points, clamped=True)
                    name, points = key, []
                points.append((step or 0, time_ms, float("nan") if is_nan else value))
        if name is not None:
            yield Series.of(name, points, clamped=True)

    def files(self, experiment: Experiment, owner: Run | Logged) -> Iterator[File]:
        """See `Source.files`."""
        if not owner.location:
            raise NotReadable("the database does not say where the files are")
        yield from self._places.files(self._places.folder(owner.location, experiment.location))

    # ---------------------------------------------------------------------- models

    def logged_models(self, experiment: Experiment) -> Iterator[Logged]:
        """See `Source.logged_models`."""
        own = {"id": int(experiment.id)}
        pairs: dict[str, dict[str, dict[str, str]]] = {"params": defaultdict(dict), "tags": defaultdict(dict)}
        for kind, found in pairs.items():
            table, part = f"logged_model_{kind}", kind[:-1]
            for row in self._rows(f"SELECT * FROM {table} WHERE experiment_id = :id", table, **own):  # noqa: S608  # one of ours
                found[row["model_id"]][row[f"{part}_key"]] = row[f"{part}_value"]
        metrics: dict[str, list[LoggedModelMetric]] = defaultdict(list)
        for row in self._rows("SELECT * FROM logged_model_metrics WHERE experiment_id = :id", "logged_model_metrics", **own):
            metrics[row["model_id"]].append(
                LoggedModelMetric(
                    row["metric_name"],
                    float("nan") if row["metric_value"] is None else row["metric_value"],
                    row["metric_step"],
                    row["metric_timestamp_ms"],
                    row["run_id"] or "",
                    row["dataset_name"] or "",
                    row["dataset_digest"] or "",
                )
            )
        models = self._rows(
            "SELECT * FROM logged_models WHERE experiment_id = :id ORDER BY creation_timestamp_ms, model_id",
            "logged_models",
            **own,
        )
        for row in models:
            id_ = row["model_id"]
            model = LoggedModel(
                id=id_,
                experiment=experiment.name,
                name=row["name"],
                status=LOGGED_STATUS_BY_NUMBER.get(row["status"], LoggedModelStatus.PENDING),
                type=row["model_type"] or "",
                source_run_id=row["source_run_id"] or "",
                params=pairs["params"][id_],
                tags=pairs["tags"][id_],
                metrics=metrics[id_],
                deleted=row["lifecycle_stage"] == "deleted",
            )
            yield Logged(model, row["artifact_location"])

    def registered_models(self) -> Iterator[Registered]:
        """See `Source.registered_models`."""

        def by_model(table: str) -> dict[str, list[Row]]:
            found: dict[str, list[Row]] = defaultdict(list)
            for row in self._rows(f"SELECT * FROM {table}", table):  # noqa: S608  # one of ours
                found[_in_workspace(row, ".")].append(row)
            return found

        tags, aliases = by_model("registered_model_tags"), by_model("registered_model_aliases")
        versions, version_tags = by_model("model_versions"), by_model("model_version_tags")
        for row in self._rows("SELECT * FROM registered_models ORDER BY name", "registered_models"):
            name = _in_workspace(row, ".")
            own_tags: dict[int, dict[str, str]] = defaultdict(dict)
            for tag in version_tags[name]:
                own_tags[int(tag["version"])][tag["key"]] = tag["value"] or ""
            yield Registered(
                name=name,
                description=row.get("description") or "",
                tags={tag["key"]: tag["value"] or "" for tag in tags[name]},
                aliases={one["alias"]: int(one["version"]) for one in aliases[name]},
                versions=[
                    Version(
                        number=int(one["version"]),
                        stage=one["current_stage"] or "None",
                        description=one["description"] or "",
                        user=one["user_id"] or "",
                        source=one["source"] or "",
                        run_id=one["run_id"] or "",
                        run_link=one.get("run_link") or "",
                        # Releases with logged models keep the id in the source.
                        model_id=model_of(one["source"] or ""),
                        tags=own_tags[int(one["version"])],
                        created_ms=one["creation_time"] or 0,
                    )
                    for one in sorted(versions[name], key=lambda one: int(one["version"]))
                    if one["current_stage"] != "Deleted_Internal"
                ],
            )

    def left_out(self) -> dict[str, int]:
        """See `Source.left_out`."""
        tables = {
            "traces": "trace_info",
            "assessments of traces": "assessments",
            "webhooks": "webhooks",
            "scorers": "scorers",
            "evaluation data sets": "evaluation_datasets",
        }
        found = {}
        for kind, table in tables.items():
            for row in self._rows(f"SELECT count(*) AS n FROM {table}", table):  # noqa: S608  # one of ours
                found[kind] = int(row["n"])
        return found

    def close(self) -> None:
        """See `Source.close`."""
        self._engine.dispose()


def _in_workspace(row: Row, separator: str) -> str:
    workspace = row.get("workspace") or _OWN_WORKSPACE
    return str(row["name"]) if workspace == _OWN_WORKSPACE else f"{workspace}{separator}{row['name']}"


def _engine(url: str) -> tuple[Engine, Path | None]:
    """Return an engine that reads, and the folder of a SQLite file.

    Raises:
        InvalidValueError: another kind of database, or there is no such file.
        MissingExtraError: the driver is not installed.
    """
    try:
        given = make_url(url)
    except exc.ArgumentError as error:
        raise InvalidValueError(f"Cannot read {shown(url)} as the address of a database.", parameter="source") from error
    kind = given.get_backend_name()
    if kind == "sqlite":
        file = Path(given.database or "").expanduser().absolute()
        if not file.is_file():
            raise InvalidValueError(f"There is no database {file}.", parameter="source", given=str(file))
        # Opened read-only: a mistake in here must not harm somebody's records.
        return create_engine(f"sqlite:///file:{quote(os.fspath(file))}?mode=ro&uri=true"), file.parent
    if kind == "postgresql":
        try:
            return create_engine(given.set(drivername="postgresql+psycopg")), None
        except ModuleNotFoundError as error:
            raise MissingExtraError("psycopg", "postgres", "Reading MLflow's records in PostgreSQL") from error
    raise InvalidValueError(
        f"Cannot read a database of kind {kind!r}. Expected sqlite:///… or postgresql://…; for others start `mlflow server` over "
        "it, and import from its address.",
        parameter="source",
        given=kind,
    )
