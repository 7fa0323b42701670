"""`Registry` over the SQL of a catalog: registered models, their versions and aliases, logged models.

Tags, params and properties are JSON objects in their row, and what a search filters by is evaluated in Python: a store has
thousands of models, not millions. Every change first updates the row it is about, which locks it until the transaction
ends; so version numbers are handed out once, and no tag written by another client at the same time is lost.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Protocol, TypeVar

import msgspec
from sqlalchemy import BigInteger, Connection, Text, bindparam, text

from tracklog.errors import ConflictError, InvalidValueError, NotFoundError, shown, suggestion
from tracklog.storage import validate_artifact_path
from tracklog.storage.catalog import Catalog, ensure_experiment, plain
from tracklog.storage.filters import Attribute, Vocabulary, matches
from tracklog.storage.registry import (
    MAX_MODELS_PAGE,
    STAGES,
    LoggedModel,
    LoggedModelEdit,
    LoggedModelMetric,
    LoggedModelPage,
    LoggedModelQuery,
    LoggedModelStatus,
    ModelEdit,
    ModelPage,
    ModelQuery,
    ModelVersion,
    RegisteredModel,
    VersionEdit,
    VersionPage,
    VersionQuery,
    is_logged_model_id,
    split_source,
)
from tracklog.storage.search import foreign_token, page_token, token_parts

_MAX_NAME_CHARS = 256
_MAX_ALIAS_CHARS = 255
_T = TypeVar("_T")
_read_labels = msgspec.json.Decoder(dict[str, str]).decode  # ten times as fast as `json`, and a search reads thousands

_VERSION_COLUMNS = (
    "v.pk, v.model_pk, m.name, v.version, v.created_ms, v.updated_ms, v.stage, v.description, v.source, v.run_id, v.run_link,"
    " v.model_id, v.user_name, v.tags, v.properties"
)
_VERSIONS = f"SELECT {_VERSION_COLUMNS} FROM model_versions v JOIN registered_models m ON m.pk = v.model_pk"
_MODELS = "SELECT pk, name, created_ms, updated_ms, description, tags FROM registered_models"
_LOGGED = (
    "SELECT l.pk, l.id, e.name AS experiment, l.name, l.created_ms, l.updated_ms, l.status, l.type, l.source_run_id, l.params,"
    " l.tags, l.metrics, l.deleted_ms FROM logged_models l JOIN experiments e ON e.pk = l.experiment_pk"
)


class _Tell(Protocol):
    """How live readers are told, within the transaction of the change."""

    def __call__(self, connection: Connection, run_id: str, experiment: str, what: set[str], now: int) -> None: ...


class CatalogRegistry:
    """`Registry` of the store whose catalog it is given. Safe for threads and processes."""

    def __init__(self, catalog: Catalog, clock_ms: Callable[[], int], tell: _Tell) -> None:
        self._catalog = catalog
        self._clock_ms = clock_ms
        self._tell = tell

    def _changed(self, connection: Connection, now: int) -> None:
        self._tell(connection, "", "", {"models"}, now)

    # --------------------------------------------------------- registered models

    def create_model(self, name: str, *, description: str = "", tags: dict[str, str] | None = None) -> RegisteredModel:
        """See `Registry.create_model`."""
        name, now = _model_name(name), self._clock_ms()
        given = {"name": name, "now": now, "description": plain(description), "tags": _document(_labels(tags or {}))}
        with self._catalog.write() as connection:
            self._catalog.lock(connection, "model names")
            made = connection.execute(
                text(
                    "INSERT INTO registered_models (name, created_ms, updated_ms, description, tags)"
                    " VALUES (:name, :now, :now, :description, :tags) ON CONFLICT (name) DO NOTHING"
                ),
                given,
            ).rowcount
            if not made:
                raise ConflictError(f"There is a registered model `{name}` already. Add a version to it, or choose another name.")
            self._changed(connection, now)
            return self._model(connection, name)

    def get_model(self, name: str) -> RegisteredModel:
        """See `Registry.get_model`."""
        with self._catalog.read() as connection:
            return self._model(connection, name)

    def edit_model(self, name: str, edit: ModelEdit) -> RegisteredModel:
        """See `Registry.edit_model`."""
        new_name = _model_name(edit.name) if edit.name is not None else None
        for alias in edit.aliases:
            _check_alias(alias)
        with self._catalog.write() as connection:
            now = self._clock_ms()
            if new_name is not None:
                self._catalog.lock(connection, "model names")
            row = self._locked(connection, name, now)
            if new_name is not None and new_name != row.name:
                taken = connection.execute(
                    text("SELECT 1 FROM registered_models WHERE name = :name"), {"name": new_name}
                ).scalar_one_or_none()
                if taken:
                    raise ConflictError(f"Cannot rename `{name}` to `{new_name}`: there is a registered model of that name.")
            connection.execute(
                text("UPDATE registered_models SET name = :name, description = :description, tags = :tags WHERE pk = :pk"),
                {
                    "name": new_name or row.name,
                    "description": row.description if edit.description is None else plain(edit.description),
                    "tags": _document(_edited(_read_labels(row.tags), edit.tags)),
                    "pk": row.pk,
                },
            )
            for alias, version in edit.aliases.items():
                if version is None:
                    connection.execute(
                        text("DELETE FROM model_aliases WHERE model_pk = :pk AND alias = :alias"), {"pk": row.pk, "alias": alias}
                    )
                    continue
                self._version_row(connection, row, version)
                connection.execute(
                    text(
                        "INSERT INTO model_aliases (model_pk, alias, version) VALUES (:pk, :alias, :version)"
                        " ON CONFLICT (model_pk, alias) DO UPDATE SET version = excluded.version"
                    ),
                    {"pk": row.pk, "alias": alias, "version": version},
                )
            self._changed(connection, now)
            return self._model(connection, new_name or row.name)

    def delete_model(self, name: str) -> None:
        """See `Registry.delete_model`."""
        with self._catalog.write() as connection:
            pk = self._locked(connection, name, self._clock_ms()).pk
            for table, key in (("model_aliases", "model_pk"), ("model_versions", "model_pk"), ("registered_models", "pk")):
                connection.execute(text(f"DELETE FROM {table} WHERE {key} = :pk"), {"pk": pk})
            self._changed(connection, self._clock_ms())

    def search_models(self, query: ModelQuery) -> ModelPage:
        """See `Registry.search_models`."""
        page, words = _Page(query, _MODELS_ASKED, self._clock_ms()), query.text.casefold().split()
        with self._catalog.read() as connection:
            everything = [(row.pk, _registered(row)) for row in connection.execute(text(_MODELS))]
            found, token = page.of((pk, model) for pk, model in everything if _has_words(model, words))
            return ModelPage(models=self._complete(connection, found), next_page_token=token)

    def _model(self, connection: Connection, name: str) -> RegisteredModel:
        row = connection.execute(text(f"{_MODELS} WHERE name = :name"), {"name": plain(name)}).one_or_none()
        if row is None:
            raise self._no_model(connection, name)
        return self._complete(connection, [(row.pk, _registered(row))])[0]

    def _complete(self, connection: Connection, models: Sequence[tuple[int, RegisteredModel]]) -> list[RegisteredModel]:
        """Return models with aliases, number of versions and latest ones filled in, in a fixed number of statements."""
        if not models:
            return []
        chosen = bindparam("pks", expanding=True, type_=BigInteger)
        given = {"pks": [pk for pk, _ in models]}
        counted = text("SELECT model_pk, count(*) AS versions FROM model_versions WHERE model_pk IN :pks GROUP BY model_pk")
        counts = {row.model_pk: row.versions for row in connection.execute(counted.bindparams(chosen), given)}
        aliases = self._aliases(connection, given["pks"])
        latest: dict[int, list[ModelVersion]] = defaultdict(list)
        wanted = text(
            f"{_VERSIONS} WHERE v.model_pk IN :pks AND v.version = (SELECT max(w.version) FROM model_versions w"
            " WHERE w.model_pk = v.model_pk AND w.stage = v.stage) ORDER BY v.version DESC"
        ).bindparams(chosen)
        for row in connection.execute(wanted, given):
            latest[row.model_pk].append(_version(row, aliases[row.model_pk]))
        return [
            msgspec.structs.replace(
                model, aliases=dict(sorted(aliases[pk].items())), latest=latest[pk], versions=counts.get(pk, 0)
            )
            for pk, model in models
        ]

    def _aliases(self, connection: Connection, pks: Iterable[int]) -> dict[int, dict[str, int]]:
        """Return {model: {alias: version}}."""
        found: dict[int, dict[str, int]] = defaultdict(dict)
        statement = text("SELECT model_pk, alias, version FROM model_aliases WHERE model_pk IN :pks").bindparams(
            bindparam("pks", expanding=True, type_=BigInteger)
        )
        for row in connection.execute(statement, {"pks": list(pks)}):
            found[row.model_pk][row.alias] = row.version
        return found

    def _locked(self, connection: Connection, name: str, now: int) -> Any:
        """Return a registered model's row, locked until the transaction ends and marked as changed."""
        row = connection.execute(
            text(
                "UPDATE registered_models SET updated_ms = :now WHERE name = :name"
                " RETURNING pk, name, created_ms, updated_ms, description, tags"
            ),
            {"now": now, "name": plain(name)},
        ).one_or_none()
        if row is None:
            raise self._no_model(connection, name)
        return row

    def _no_model(self, connection: Connection, name: str) -> NotFoundError:
        names = connection.execute(text("SELECT name FROM registered_models ORDER BY name LIMIT 1000")).scalars().all()
        listed = ", ".join(f"`{one}`" for one in names[:20]) or "none yet"
        more = f" and {len(names) - 20} more" if len(names) > 20 else ""
        return NotFoundError(
            f"There is no registered model `{name}`. Known: {listed}{more}.{suggestion(name, names)}",
            what="registered model",
            given=name,
        )

    # ------------------------------------------------------------------ versions

    def add_version(self, name: str, version: ModelVersion, *, create: bool = False) -> ModelVersion:
        """See `Registry.add_version`."""
        _check_stage(version.stage)
        now = self._clock_ms()
        with self._catalog.write() as connection:
            if create:
                self._catalog.lock(connection, "model names")
                connection.execute(
                    text(
                        "INSERT INTO registered_models (name, created_ms, updated_ms, description, tags)"
                        " VALUES (:name, :now, :now, '', '{}') ON CONFLICT (name) DO NOTHING"
                    ),
                    {"name": _model_name(name), "now": now},
                )
            row = self._locked(connection, name, now)
            number = connection.execute(
                text("UPDATE registered_models SET next_version = next_version + 1 WHERE pk = :pk RETURNING next_version - 1"),
                {"pk": row.pk},
            ).scalar_one()
            connection.execute(
                text(
                    "INSERT INTO model_versions (model_pk, version, created_ms, updated_ms, stage, description, source, run_id,"
                    " run_link, model_id, user_name, tags, properties) VALUES (:pk, :version, :now, :now, :stage, :description,"
                    " :source, :run_id, :run_link, :model_id, :user, :tags, :properties)"
                ),
                {
                    "pk": row.pk,
                    "version": number,
                    "now": now,
                    "stage": version.stage,
                    "description": plain(version.description),
                    "source": plain(version.source),
                    "run_id": plain(version.run_id),
                    "run_link": plain(version.run_link),
                    "model_id": plain(version.model_id),
                    "user": plain(version.user),
                    "tags": _document(_labels(version.tags)),
                    "properties": _document(_labels(version.properties)),
                },
            )
            self._changed(connection, now)
            return self._version(connection, row, number)

    def get_version(self, name: str, version: int) -> ModelVersion:
        """See `Registry.get_version`."""
        with self._catalog.read() as connection:
            row = connection.execute(text(f"{_MODELS} WHERE name = :name"), {"name": plain(name)}).one_or_none()
            if row is None:
                raise self._no_model(connection, name)
            return self._version(connection, row, version)

    def edit_version(self, name: str, version: int, edit: VersionEdit) -> ModelVersion:
        """See `Registry.edit_version`."""
        if edit.stage is not None:
            _check_stage(edit.stage)
        now = self._clock_ms()
        with self._catalog.write() as connection:
            model = self._locked(connection, name, now)
            row = self._version_row(connection, model, version)
            properties: dict[str, str] = _read_labels(row.properties)
            for key, value in _labels(edit.properties).items():
                if properties.setdefault(key, value) != value:
                    raise ConflictError(
                        f"Property `{key}` of version {version} of `{name}` is {shown(properties[key])} and cannot become "
                        f"{shown(value)}: properties never change. Use a tag for what changes."
                    )
            connection.execute(
                text(
                    "UPDATE model_versions SET updated_ms = :now, stage = :stage, description = :description, tags = :tags,"
                    " properties = :properties WHERE model_pk = :pk AND version = :version"
                ),
                {
                    "now": now,
                    "stage": row.stage if edit.stage is None else edit.stage,
                    "description": row.description if edit.description is None else plain(edit.description),
                    "tags": _document(_edited(_read_labels(row.tags), edit.tags)),
                    "properties": _document(properties),
                    "pk": model.pk,
                    "version": version,
                },
            )
            if edit.stage is not None and edit.archive_others:
                connection.execute(
                    text(
                        "UPDATE model_versions SET stage = 'Archived', updated_ms = :now"
                        " WHERE model_pk = :pk AND version <> :version AND stage = :stage"
                    ),
                    {"now": now, "pk": model.pk, "version": version, "stage": edit.stage},
                )
            self._changed(connection, now)
            return self._version(connection, model, version)

    def delete_version(self, name: str, version: int) -> None:
        """See `Registry.delete_version`."""
        now = self._clock_ms()
        with self._catalog.write() as connection:
            model = self._locked(connection, name, now)
            self._version_row(connection, model, version)
            for table in ("model_aliases", "model_versions"):
                connection.execute(
                    text(f"DELETE FROM {table} WHERE model_pk = :pk AND version = :version"), {"pk": model.pk, "version": version}
                )
            self._changed(connection, now)

    def search_versions(self, query: VersionQuery) -> VersionPage:
        """See `Registry.search_versions`."""
        page = _Page(query, _VERSIONS_ASKED, self._clock_ms())
        chosen = "" if query.name is None else " WHERE m.name = :name"
        with self._catalog.read() as connection:
            rows = connection.execute(
                text(f"{_VERSIONS}{chosen}"), {} if query.name is None else {"name": plain(query.name)}
            ).all()
            aliases = self._aliases(connection, {row.model_pk for row in rows})
        found, token = page.of((row.pk, _version(row, aliases[row.model_pk])) for row in rows)
        return VersionPage(versions=[version for _, version in found], next_page_token=token)

    def _version_row(self, connection: Connection, model: Any, version: int) -> Any:
        row = connection.execute(
            text(f"{_VERSIONS} WHERE v.model_pk = :pk AND v.version = :version"), {"pk": model.pk, "version": version}
        ).one_or_none()
        if row is None:
            known = connection.execute(
                text("SELECT version FROM model_versions WHERE model_pk = :pk ORDER BY version DESC LIMIT 20"), {"pk": model.pk}
            ).scalars()
            listed = ", ".join(str(one) for one in known) or "none"
            raise NotFoundError(
                f"Registered model `{model.name}` has no version {version}. Its versions: {listed}.",
                what="model version",
                given=str(version),
            )
        return row

    def _version(self, connection: Connection, model: Any, version: int) -> ModelVersion:
        row = self._version_row(connection, model, version)
        return _version(row, self._aliases(connection, [model.pk])[model.pk])

    # ------------------------------------------------------------- logged models

    def create_logged_model(self, model: LoggedModel, *, files: str = "") -> LoggedModel:
        """See `Registry.create_logged_model`."""
        taken = _taken_files(files)
        if not is_logged_model_id(model.id):
            raise InvalidValueError(
                f"Cannot use {shown(model.id)} as the id of a logged model. Expected 'm-' and 32 of the digits 0 to 9, a to f.",
                parameter="id",
                given=model.id,
            )
        for what, given in (("name", model.name), ("experiment", model.experiment)):
            if not given.strip() or "\x00" in given:
                raise InvalidValueError(
                    f"Cannot use {shown(given)} as the {what} of a logged model. Expected text that is not empty, without NUL.",
                    parameter=what,
                    given=given,
                )
        now = self._clock_ms()
        with self._catalog.write() as connection:
            ensure_experiment(connection, model.experiment, now)
            made = connection.execute(
                text(
                    "INSERT INTO logged_models (id, experiment_pk, name, created_ms, updated_ms, status, type, source_run_id,"
                    " params, tags, metrics) SELECT :id, e.pk, CAST(:name AS TEXT), :now, :now, CAST(:status AS TEXT),"
                    " CAST(:type AS TEXT), CAST(:source AS TEXT), CAST(:params AS TEXT), CAST(:tags AS TEXT), :metrics"
                    " FROM experiments e WHERE e.name = :experiment ON CONFLICT (id) DO NOTHING"
                ),
                {
                    "id": model.id,
                    "experiment": model.experiment,
                    "name": model.name,
                    "now": now,
                    "status": model.status.value,
                    "type": plain(model.type),
                    "source": plain(model.source_run_id),
                    "params": _document(_labels(model.params)),
                    "tags": _document(_labels(model.tags)),
                    "metrics": msgspec.msgpack.encode(_with_metrics([], model.metrics)),
                },
            ).rowcount
            if not made:
                raise ConflictError(f"There is a logged model {model.id} already. Edit it, or choose another id.")
            if taken is not None:
                self._take_files(connection, model.id, *taken)
            self._changed(connection, now)
            return self._logged_model(connection, model.id)

    def _take_files(self, connection: Connection, model_id: str, run_id: str, path: str) -> None:
        """Give a logged model the files of a run at a path or below it. Blobs are shared, so no byte is copied."""
        self._catalog.lock(connection, "artifacts")
        given = {"id": model_id, "run": plain(run_id), "path": path, "folder": f"{path}/", "length": len(path) + 1}
        columns = "size_bytes, sha256, content_type, modified_ms"
        # A file by its own name; of a folder what is in it.
        for found, name in (
            ("a.path = :path", path.rsplit("/", 1)[-1]),
            ("substr(a.path, 1, :length) = :folder", None),
        ):
            new_path = "substr(a.path, :length + 1)" if name is None else "CAST(:name AS TEXT)"
            taken = connection.execute(
                text(
                    f"INSERT INTO artifacts (run_pk, path, {columns}) SELECT -l.pk, {new_path}, {columns}"
                    " FROM artifacts a JOIN runs r ON r.pk = a.run_pk JOIN logged_models l ON l.id = :id"
                    f" WHERE r.id = :run AND {found}"
                ),
                given | {"name": name},
            ).rowcount
            if taken:
                return
        raise NotFoundError(f"Run {run_id} has no file or folder `{path}` to make a model of.", what="artifact", given=path)

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """See `Registry.get_logged_model`."""
        with self._catalog.read() as connection:
            return self._logged_model(connection, model_id)

    def edit_logged_model(self, model_id: str, edit: LoggedModelEdit) -> LoggedModel:
        """See `Registry.edit_logged_model`."""
        now = self._clock_ms()
        with self._catalog.write() as connection:
            row = connection.execute(
                text(
                    "UPDATE logged_models SET updated_ms = :now WHERE id = :id"
                    " RETURNING pk, status, params, tags, metrics, deleted_ms"
                ),
                {"now": now, "id": plain(model_id)},
            ).one_or_none()
            if row is None:
                raise no_logged_model(model_id)
            params: dict[str, str] = _read_labels(row.params)
            for key, value in _labels(edit.params).items():
                if params.setdefault(key, value) != value:
                    raise ConflictError(
                        f"Param `{key}` of logged model {model_id} is {shown(params[key])} and cannot become {shown(value)}: "
                        "params are written once. Use a tag for what changes."
                    )
            deleted_ms = row.deleted_ms
            if edit.deleted is not None:
                deleted_ms = (deleted_ms or now) if edit.deleted else None
            kept = msgspec.msgpack.decode(row.metrics, type=list[LoggedModelMetric])
            connection.execute(
                text(
                    "UPDATE logged_models SET status = :status, params = :params, tags = :tags, metrics = :metrics,"
                    " deleted_ms = CAST(:deleted AS BIGINT) WHERE pk = :pk"
                ),
                {
                    "pk": row.pk,
                    "status": row.status if edit.status is None else edit.status.value,
                    "params": _document(params),
                    "tags": _document(_edited(_read_labels(row.tags), edit.tags)),
                    "metrics": msgspec.msgpack.encode(_with_metrics(kept, edit.metrics)),
                    "deleted": deleted_ms,
                },
            )
            self._changed(connection, now)
            return self._logged_model(connection, model_id)

    def search_logged_models(self, query: LoggedModelQuery) -> LoggedModelPage:
        """See `Registry.search_logged_models`."""
        labels: _Labels = {
            **_TAGS,
            "param": lambda model, key: model.params.get(key),
            "metric": lambda model, key: _metric(model, key, query.datasets),
        }
        page = _Page(query, _LOGGED_ASKED, self._clock_ms(), labels)
        sql, lists = f"{_LOGGED} WHERE l.deleted_ms IS NULL", []
        given: dict[str, Any] = {}
        for name, column, values in (("experiments", "e.name", query.experiments), ("ids", "l.id", query.ids)):
            if values is not None:
                sql += f" AND {column} IN :{name}"
                lists.append(bindparam(name, expanding=True, type_=Text))
                given[name] = [plain(value) for value in values]
        if query.source_run_id is not None:
            sql += " AND l.source_run_id = :source"
            given["source"] = plain(query.source_run_id)
        with self._catalog.read() as connection:
            rows = connection.execute(text(sql).bindparams(*lists), given).all()
            found, token = page.of((row.pk, _logged(row)) for row in rows)
            models = self._with_registrations(connection, [model for _, model in found])
        return LoggedModelPage(models=models, next_page_token=token)

    def _logged_model(self, connection: Connection, model_id: str) -> LoggedModel:
        row = connection.execute(text(f"{_LOGGED} WHERE l.id = :id"), {"id": plain(model_id)}).one_or_none()
        if row is None:
            raise no_logged_model(model_id)
        return self._with_registrations(connection, [_logged(row)])[0]

    def _with_registrations(self, connection: Connection, models: Sequence[LoggedModel]) -> list[LoggedModel]:
        made: dict[str, list[tuple[str, int]]] = defaultdict(list)
        statement = text(
            "SELECT v.model_id, m.name, v.version FROM model_versions v JOIN registered_models m ON m.pk = v.model_pk"
            " WHERE v.model_id IN :ids ORDER BY m.name, v.version"
        ).bindparams(bindparam("ids", expanding=True, type_=Text))
        for row in connection.execute(statement, {"ids": [model.id for model in models]}) if models else ():
            made[row.model_id].append((row.name, row.version))
        return [msgspec.structs.replace(model, registrations=made[model.id]) for model in models]


# ------------------------------------------------------------------ rows and structs


def _registered(row: Any) -> RegisteredModel:
    return RegisteredModel(
        name=row.name,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
        description=row.description,
        tags=_read_labels(row.tags),
    )


def _version(row: Any, aliases: Mapping[str, int]) -> ModelVersion:
    return ModelVersion(
        name=row.name,
        version=row.version,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
        stage=row.stage,
        description=row.description,
        source=row.source,
        run_id=row.run_id,
        run_link=row.run_link,
        model_id=row.model_id,
        user=row.user_name,
        tags=_read_labels(row.tags),
        properties=_read_labels(row.properties),
        aliases=sorted(alias for alias, version in aliases.items() if version == row.version) if aliases else [],
    )


def _logged(row: Any) -> LoggedModel:
    return LoggedModel(
        id=row.id,
        experiment=row.experiment,
        name=row.name,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
        status=LoggedModelStatus(row.status),
        type=row.type,
        source_run_id=row.source_run_id,
        params=_read_labels(row.params),
        tags=_read_labels(row.tags),
        metrics=msgspec.msgpack.decode(row.metrics, type=list[LoggedModelMetric]),
        deleted=row.deleted_ms is not None,
    )


def no_logged_model(model_id: str) -> NotFoundError:
    """Return the error for an id that no logged model has."""
    return NotFoundError(f"There is no logged model {shown(model_id)} in this workspace.", what="logged model", given=model_id)


def _document(labels: Mapping[str, str]) -> str:
    return json.dumps(labels, ensure_ascii=False)


def _labels(given: Mapping[str, str]) -> dict[str, str]:
    _check_keys(given)
    return {plain(key): plain(value) for key, value in given.items()}


def _edited(labels: dict[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    _check_keys(changes)
    for key, value in changes.items():
        if value is None:
            labels.pop(plain(key), None)
        else:
            labels[plain(key)] = plain(value)
    return labels


def _with_metrics(kept: Iterable[LoggedModelMetric], added: Iterable[LoggedModelMetric]) -> list[LoggedModelMetric]:
    """Return metrics with new ones taken in: of each (name, data set, run) the last by (step, time), then as given."""
    last: dict[tuple[str, str, str, str], LoggedModelMetric] = {}
    for metric in (*kept, *added):
        if not metric.name or not all(-(2**63) <= number < 2**63 for number in (metric.step, metric.time_ms)):
            raise InvalidValueError(
                f"Cannot store {shown(metric)} as a metric of a model. Expected a name, and a step and time of 64 bits.",
                parameter="metrics",
                given=metric.name,
            )
        key = (metric.name, metric.dataset_name, metric.dataset_digest, metric.run_id)
        before = last.get(key)
        if before is None or (metric.step, metric.time_ms) >= (before.step, before.time_ms):
            last[key] = metric
    return list(last.values())


def _metric(model: LoggedModel, name: str, datasets: Sequence[tuple[str, str]]) -> float | None:
    """Return the last value of a metric, measured on one of the data sets if any are given."""

    def counts(metric: LoggedModelMetric) -> bool:
        return not datasets or any(
            metric.dataset_name == dataset and digest in ("", metric.dataset_digest) for dataset, digest in datasets
        )

    found = [metric for metric in model.metrics if metric.name == name and counts(metric)]
    return max(found, key=lambda metric: (metric.step, metric.time_ms)).value if found else None


def _has_words(model: RegisteredModel, words: Sequence[str]) -> bool:
    everything = "\n".join([model.name, model.description, *model.tags, *model.tags.values()]).casefold()
    return all(word in everything for word in words)


# ------------------------------------------------------------------------ checks


def _model_name(name: str) -> str:
    # A slash or colon would make `models:/name/1` and `name:1` say two things; dots alone are a step in an address.
    if not name.strip(" .") or len(name) > _MAX_NAME_CHARS or any(char in "/:" or ord(char) < 32 for char in name):
        raise InvalidValueError(
            f"Cannot use {shown(name)} as the name of a registered model. Expected 1 to {_MAX_NAME_CHARS} characters without "
            "'/', ':' and control characters, and not dots alone.",
            parameter="name",
            given=name,
        )
    return name


def _check_alias(alias: str) -> None:
    if not re.fullmatch(r"[\w-]+", alias) or len(alias) > _MAX_ALIAS_CHARS or re.fullmatch(r"(?i)latest|v\d+", alias):
        raise InvalidValueError(
            f"Cannot use {shown(alias)} as an alias. Expected 1 to {_MAX_ALIAS_CHARS} letters, digits, '_' and '-', other than "
            "'latest' and 'v1', 'v2' …, which speak of versions.",
            parameter="aliases",
            given=alias,
        )


def _check_stage(stage: str) -> None:
    if stage not in STAGES:
        raise InvalidValueError(
            f"Unknown stage {shown(stage)}. Expected one of {', '.join(STAGES)}.", parameter="stage", given=stage
        )


def _check_keys(labels: Iterable[str]) -> None:
    if not all(key.strip() for key in labels):
        raise InvalidValueError(
            f"Cannot use {shown(list(labels))} as names of tags, params or properties. Expected names that are not empty.",
            parameter="tags",
            given=list(labels),
        )


def _taken_files(source: str) -> tuple[str, str] | None:
    """Return (run, path) of the files that a new logged model starts with, None for none."""
    if not source:
        return None
    owner, path = split_source(source) or ("", "")
    if not source.startswith("runs:/") or not path:
        raise InvalidValueError(
            f"Cannot take files from {shown(source)}. Expected 'runs:/<run id>/<path>'.", parameter="files", given=source
        )
    return owner, validate_artifact_path(path)


# ---------------------------------------------------------------------- searching

_CREATED = Attribute("created", "time", ("creation_time", "creation_timestamp"))
_UPDATED = Attribute("updated", "time", ("last_updated_timestamp", "timestamp"))
_MODELS_ASKED = Vocabulary("registered models", [Attribute("name", "text"), _CREATED, _UPDATED], ["tag"])
_VERSIONS_ASKED = Vocabulary(
    "model versions",
    [
        Attribute("name", "text"),
        Attribute("version", "number", ("version_number",)),
        Attribute("run_id", "text"),
        Attribute("source", "text", ("source_path",)),
        Attribute("model_id", "text"),
        Attribute("stage", "text", ("current_stage",)),
        _CREATED,
        _UPDATED,
    ],
    ["tag"],
)
_LOGGED_ASKED = Vocabulary(
    "logged models",
    [
        Attribute("name", "text"),
        Attribute("id", "text", ("model_id",)),
        Attribute("type", "text", ("model_type",)),
        Attribute("status", "text"),
        Attribute("source_run_id", "text"),
        _CREATED,
        _UPDATED,
    ],
    ["metric", "param", "tag"],
)
_FIELDS = {"created": "created_ms", "updated": "updated_ms"}  # attribute -> the struct's, where they differ
_Labels = Mapping[str, Callable[[Any, str], Any]]  # entity of the filter language -> its value by (model, key)
_TAGS: _Labels = {"tag": lambda model, key: model.tags.get(key)}


class _Page:
    """One page of a search over models, which are (key of the row, struct) pairs.

    A page goes on after the values of the page before's last model, so what is made or removed in between moves nothing.
    """

    def __init__(
        self, query: ModelQuery | VersionQuery | LoggedModelQuery, asked: Vocabulary, now_ms: int, labels: _Labels = _TAGS
    ) -> None:
        if not 1 <= query.limit <= MAX_MODELS_PAGE:
            raise InvalidValueError(
                f"Cannot return {query.limit} models in a page. Expected 1 to {MAX_MODELS_PAGE}; ask for more with `page_token`.",
                parameter="limit",
                given=query.limit,
            )
        self._limit = query.limit
        self._labels = labels
        self._condition = asked.condition(query.filter, now_ms=now_ms)
        self._order_by = query.order_by
        self._order = [asked.order(_clause(clause)) for clause in query.order_by]
        self._after = None if query.page_token is None else self._opened(query.page_token)

    def of(self, models: Iterable[tuple[int, _T]]) -> tuple[list[tuple[int, _T]], str | None]:
        """Return the page's models in order, and the token of the next page."""
        keyed = [
            (self._key([*self._values(model), pk]), pk, model)
            for pk, model in models
            if matches(self._condition, partial(self._value, model))
        ]
        keyed.sort(key=itemgetter(0))
        if self._after is not None:
            keyed = keyed[bisect_right([key for key, _, _ in keyed], self._after) :]
        found = [(pk, model) for _, pk, model in keyed[: self._limit]]
        if len(keyed) <= self._limit:
            return found, None
        pk, model = found[-1]
        return found, page_token([self._order_by, *self._values(model), pk])

    def _value(self, model: Any, entity: str, key: str) -> Any:
        value = self._labels[entity](model, key) if entity != "attribute" else getattr(model, _FIELDS.get(key, key))
        return value.value if isinstance(value, LoggedModelStatus) else value

    def _values(self, model: Any) -> list[Any]:
        return [self._value(model, entity, name) for entity, name, _ in self._order]

    def _key(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return what sorts as the order says: missing values last, NaN before them, equal ones newest first."""
        parts: list[tuple[Any, ...]] = []
        for value, descending in zip(values, [*(descending for _, _, descending in self._order), True], strict=True):
            if value is None:
                parts.append((2,))
            elif isinstance(value, str):
                # Turned round letter by letter; the 1 at its end puts a text after those that it begins.
                parts.append((0, (*(-ord(char) for char in value), 1) if descending else value))
            else:
                parts.append((1,) if math.isnan(value) else (0, -value if descending else value))
        return tuple(parts)

    def _opened(self, token: str) -> tuple[Any, ...]:
        try:
            order_by, *values = token_parts(token)
            if order_by == self._order_by and all(value is None or isinstance(value, (str, int, float)) for value in values):
                return self._key(values)
        except (ValueError, TypeError) as error:  # of other numbers or kinds than the order has
            raise foreign_token(token) from error
        raise foreign_token(token)


def _clause(text: str) -> str:
    """Return an order, such as `-created` or `metric:loss`, in the filter language."""
    name = text.removeprefix("-")
    entity, colon, key = name.partition(":")
    if colon and key and entity in ("metric", "param", "tag"):
        name = f"{entity}s.`{key.replace('`', '``')}`"
    return f"{name} DESC" if text.startswith("-") else name
