"""Data sets of Azure ML v1: names and versions for files and tables, which are read when they are asked for.

A `TabularDataset` is read into pandas, a `FileDataset` is a list of files. Either is a definition (`tracklog.sdk.sources`)
that never changes: `take`, `drop_columns` and the like return another one. What is registered lies beside the datastores:

    <assets folder>/datasets/.ids/<id>.json         a definition; its id is made of its content
    <assets folder>/datasets/<name>/<version>.json  a registered version: id, description, tags

A version keeps where the data lie, as v1's did, not the data.
"""

from __future__ import annotations

import builtins
import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from tracklog.errors import InvalidTypeError, InvalidValueError, NotFoundError, NotSupportedError, UserErrorException, shown
from tracklog.records import DATASET_CONTEXT, DatasetInput
from tracklog.sdk import sources
from tracklog.sdk.datastore import AbstractAzureStorageDatastore, copy_file, inside, relative, write_text
from tracklog.sdk.exceptions import DatasetTimestampMissingError
from tracklog.sdk.sources import DatasetExecutionError, DatasetValidationError, Found
from tracklog.settings import assets_folder

if TYPE_CHECKING:
    from typing_extensions import Self

    from tracklog.sdk.inputs import DatasetConsumptionConfig
    from tracklog.sdk.workspace import Workspace

__all__ = [
    "AbstractDataset",
    "DataType",
    "Dataset",
    "DatasetExecutionError",
    "DatasetValidationError",
    "FileDataset",
    "FileDatasetFactory",
    "PromoteHeadersBehavior",
    "TabularDataset",
    "TabularDatasetFactory",
]

_IDS = uuid.UUID("6f1f4f0e-8a2b-5d0c-9c59-2f8e6a1f7a10")  # namespace of the ids of definitions


class PromoteHeadersBehavior(Enum):
    """Which lines of delimited files are names of columns."""

    NO_HEADERS = sources.NO_HEADERS
    ONLY_FIRST_FILE_HAS_HEADERS = sources.FIRST_FILE_HEADERS
    COMBINE_ALL_FILES_HEADERS = sources.COMBINED_HEADERS
    ALL_FILES_HAVE_SAME_HEADERS = sources.SAME_HEADERS


class DatasetNotFoundError(NotFoundError, UserErrorException):
    """There is no data set of that name, version or id; v1's class for it is UserErrorException."""


class DataType:
    """What the cells of a column are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.plain: dict[str, Any] = {"type": args[0], **kwargs}

    @staticmethod
    def to_bool() -> DataType:
        """Return the type of truth values."""
        return DataType("bool")

    @staticmethod
    def to_long() -> DataType:
        """Return the type of whole numbers."""
        return DataType("long")

    @staticmethod
    def to_float(decimal_mark: str = ".") -> DataType:
        """Return the type of numbers."""
        return DataType("float", decimal_mark=decimal_mark)

    @staticmethod
    def to_string() -> DataType:
        """Return the type of text."""
        return DataType("string")

    @staticmethod
    def to_datetime(formats: str | Iterable[str] | None = None) -> DataType:
        """Return the type of dates in `strptime` formats, by default those of ISO 8601."""
        return DataType("datetime", formats=[formats] if isinstance(formats, str) else list(formats or []))

    @staticmethod
    def to_stream(workspace: Workspace, escaped: bool = False) -> DataType:
        """Refuse: a column of addresses is text, and the files are read by the script."""
        raise NotSupportedError(
            "DataType.to_stream of Azure ML v1 is not in tracklog. Keep the column as text, and open the files in the script."
        )

    def __repr__(self) -> str:
        return f"DataType.to_{self.plain['type']}()"


class Expression:
    """A condition on rows: `data_set["age"] > 40`, combined by `&`, `|` and `~`."""

    __hash__ = None  # type: ignore[assignment]  # == makes another expression

    def __init__(self, tree: list[Any]) -> None:
        self.tree = tree

    def _with(self, operator: str, other: Any) -> Expression:
        if isinstance(other, Expression):
            operand: Any = other.tree
        elif isinstance(other, (dt.datetime, dt.date)):
            operand = ["time", other.isoformat()]
        elif isinstance(other, (str, int, float, bool)):
            operand = other
        else:
            raise InvalidTypeError(f"Cannot compare a column with {shown(other)}. Expected a number, text, date or expression.")
        return Expression([operator, self.tree, operand])

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self._with("==", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._with("!=", other)

    def __lt__(self, other: Any) -> Expression:
        return self._with("<", other)

    def __le__(self, other: Any) -> Expression:
        return self._with("<=", other)

    def __gt__(self, other: Any) -> Expression:
        return self._with(">", other)

    def __ge__(self, other: Any) -> Expression:
        return self._with(">=", other)

    def __and__(self, other: Any) -> Expression:
        return self._with("and", other)

    def __or__(self, other: Any) -> Expression:
        return self._with("or", other)

    def __invert__(self) -> Expression:
        return Expression(["not", self.tree])

    def is_null(self) -> Expression:
        """Return the condition that the value is missing."""
        return Expression(["is null", self.tree])

    def __bool__(self) -> bool:
        raise InvalidTypeError(
            "A condition on a column is neither true nor false. Combine conditions by &, | and ~, not and, or, not."
        )

    def __repr__(self) -> str:
        return f"Expression({self.tree!r})"


class AbstractDataset:
    """A data set: where data lie, what of them is meant, and under which name and version it is registered, if it is."""

    _kind: ClassVar[str]

    def __init__(
        self, definition: Mapping[str, Any], workspace: Workspace | None, registration: Mapping[str, Any] | None = None
    ) -> None:
        self._definition = dict(definition)
        self._workspace = workspace
        self._registration = dict(registration or {})

    def _and(self, step: str, **arguments: Any) -> Self:
        return type(self)({**self._definition, "steps": [*self._definition.get("steps", []), [step, arguments]]}, self._workspace)

    # -------------------------------------------------------------- registration

    @property
    def id(self) -> str | None:
        """Id of the definition; None while the data set belongs to no workspace."""
        return None if self._workspace is None else self.saved_in(self._workspace)

    @property
    def name(self) -> str | None:
        """Name it is registered under, None if it is not."""
        return self._registration.get("name")

    @property
    def version(self) -> int | None:
        """Version it is registered as, from 1; None if it is not."""
        return self._registration.get("version")

    @property
    def description(self) -> str | None:
        """What was said of it when it was registered."""
        return self._registration.get("description")

    @property
    def tags(self) -> dict[str, str]:
        """Labels it was registered with."""
        return dict(self._registration.get("tags") or {})

    @property
    def partition_keys(self) -> list[str]:
        """Names that `partition_format` finds in the paths of the files."""
        return sources.partition_keys(self._definition.get("partition_format"))

    @property
    def data_changed_time(self) -> dt.datetime | None:
        """When the last of its files was changed, UTC; None when that is not known."""
        return sources.changed_at(self.files())

    def register(
        self,
        workspace: Workspace,
        name: str,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
        create_new_version: bool = False,
    ) -> Self:
        """Keep the definition under a name and return the registered data set.

        What is registered as the latest version already is returned as it is, with new description and tags.

        Raises:
            UserErrorException: the name has another definition and `create_new_version` is false, or cannot be a name.
        """
        labels = {str(key): str(value) for key, value in (tags or {}).items()}
        folder = _named(workspace, checked_name(name))
        id_ = self.saved_in(workspace)
        latest = max(_versions(folder), default=0)
        before = _read(folder / f"{latest}.json") if latest else None
        if before is not None and before["id"] == id_:
            found = type(self)(self._definition, workspace, before)
            return found.update(description, tags) if description is not None or tags is not None else found
        if before is not None and not create_new_version:
            raise UserErrorException(
                f"There is already a data set registered under name {name!r}, with another definition. "
                "Pass create_new_version=True to register a new version."
            )
        entry = {"id": id_, "name": name, "description": description, "tags": labels, "created_ms": time.time_ns() // 1_000_000}
        return type(self)(self._definition, workspace, _add_version(folder, latest + 1, entry))

    def saved_in(self, workspace: Workspace) -> str:
        """Keep the definition in a workspace and return its id; the name under which it is registered does not matter.

        Raises:
            UserErrorException: it speaks of datastores of another workspace.
        """
        is_foreign = self._workspace is not None and self._workspace.uri != workspace.uri
        if is_foreign and any("datastore" in place for place in self._definition["places"]):
            raise UserErrorException(
                f"Cannot use a data set of the datastores of {self._workspace} in {workspace}. Copy its files first."
            )
        text = json.dumps({"kind": self._kind, **self._definition}, sort_keys=True)
        id_ = str(uuid.uuid5(_IDS, text))
        file = _folder(workspace) / ".ids" / f"{id_}.json"
        if not file.exists():
            write_text(file, text)
        return id_

    def update(self, description: str | None = None, tags: Mapping[str, Any] | None = None) -> Self:
        """Change description and tags of a registered data set and return it; None leaves as it is.

        Raises:
            UserErrorException: it is not registered.
        """
        workspace, entry = self._registered()
        if description is not None:
            entry["description"] = description
        if tags is not None:
            entry["tags"] = {str(key): str(value) for key, value in tags.items()}
        write_text(_named(workspace, entry["name"]) / f"{entry['version']}.json", json.dumps(entry, indent=2))
        self._registration = entry
        return self

    def add_tags(self, tags: Mapping[str, Any] | None = None) -> Self:
        """Add tags to a registered data set and return it."""
        return self.update(tags={**self.tags, **(tags or {})})

    def remove_tags(self, tags: Iterable[str] | None = None) -> Self:
        """Remove tags of a registered data set by their keys and return it."""
        gone = set(tags or ())
        return self.update(tags={key: value for key, value in self.tags.items() if key not in gone})

    def unregister_all_versions(self) -> None:
        """Forget the name with all its versions. Definitions and files stay, so that runs can still name them."""
        workspace, entry = self._registered()
        shutil.rmtree(_named(workspace, entry["name"]), ignore_errors=True)
        self._registration = {}

    def _registered(self) -> tuple[Workspace, dict[str, Any]]:
        if self._workspace is None or not self._registration:
            raise UserErrorException("The data set is not registered. Register it first: data_set.register(workspace, name).")
        return self._workspace, dict(self._registration)

    @staticmethod
    def get_by_name(workspace: Workspace, name: str, version: int | str = "latest", **kwargs: Any) -> AbstractDataset:
        """Return a registered data set, its latest version by default.

        Raises:
            UserErrorException: there is none of that name and version; it is a NotFoundError, too.
        """
        folder = _named(workspace, str(name))
        versions = _versions(folder)
        if not versions:
            known = ", ".join(_names(workspace)) or "none yet"
            raise DatasetNotFoundError(f"There is no data set {name!r}. Registered: {known}.", what="data set", given=str(name))
        wanted = max(versions) if version in ("latest", None) else version
        if str(wanted) not in map(str, versions):
            there = ", ".join(map(str, sorted(versions)))
            raise DatasetNotFoundError(
                f"Data set {name!r} has no version {version!r}. There are {there}.", what="data set", given=str(name)
            )
        entry = _read(folder / f"{wanted}.json")
        return _loaded(workspace, entry["id"], entry)

    @staticmethod
    def get_by_id(workspace: Workspace, id: str, **kwargs: Any) -> AbstractDataset:  # noqa: A002  # v1's name
        """Return the data set of an id, with its name if it is registered.

        Raises:
            UserErrorException: there is none of that id; it is a NotFoundError, too.
        """
        for name in _names(workspace):
            folder = _named(workspace, name)
            for version in sorted(_versions(folder), reverse=True):
                entry = _read(folder / f"{version}.json")
                if entry["id"] == id:
                    return _loaded(workspace, id, entry)
        return _loaded(workspace, str(id), {})

    @staticmethod
    def get_all(workspace: Workspace) -> dict[str, AbstractDataset]:
        """Return the registered data sets by name, each in its latest version."""
        return {name: AbstractDataset.get_by_name(workspace, name) for name in _names(workspace)}

    # ----------------------------------------------------------------------- use

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        """Return the data set as an input of a script, which finds it by `run.input_datasets[name]`."""
        from tracklog.sdk.inputs import DatasetConsumptionConfig

        return DatasetConsumptionConfig(name, self)

    def take(self, count: int) -> Self:
        """Return the first rows or files."""
        return self._and("take", count=_count(count))

    def skip(self, count: int) -> Self:
        """Return all but the first rows or files."""
        return self._and("skip", count=_count(count))

    def take_sample(self, probability: float, seed: int | None = None) -> Self:
        """Return a random share of the rows or files, in their order. The same seed finds the same ones."""
        return self._and("sample", probability=_share("probability", probability), seed=_seed(seed))

    def random_split(self, percentage: float, seed: int | None = None) -> tuple[Self, Self]:
        """Return a random share of the rows or files, and the rest.

        Args:
            percentage: the share of the first, from 0.0 to 1.0.
            seed: finds the same ones again; by default one is drawn, and both results keep it.
        """
        share, seed = _share("percentage", percentage), _seed(seed)
        return tuple(self._and("split", percentage=share, seed=seed, part=part) for part in (0, 1))  # type: ignore[return-value]

    def filter(self, expression: Expression) -> Self:
        """Return the rows or files for which a condition holds, such as `data_set["age"] > 40`."""
        if not isinstance(expression, Expression):
            raise InvalidTypeError(f"Cannot filter by {shown(expression)}. Expected a condition such as data_set['age'] > 40.")
        return self._and("filter", expression=expression.tree)

    def get_partition_key_values(self, partition_keys: builtins.list[str] | None = None) -> builtins.list[dict[str, Any]]:
        """Return what the paths of the files say of their partition keys, each combination once."""
        format_ = self._definition.get("partition_format")
        known = self.partition_keys
        wanted = known if partition_keys is None else list(partition_keys)
        if not set(wanted) <= set(known):
            raise UserErrorException(f"Unknown partition keys {sorted(set(wanted) - set(known))}. Known: {known or 'none'}.")
        found: list[dict[str, Any]] = []
        for values in sources.partition_values(self.files(), format_):
            if (one := {key: values[key] for key in wanted}) not in found:
                found.append(one)
        return found

    def files(self) -> builtins.list[Found]:
        """Return the files the data set speaks of."""
        return sources.found_files(self._workspace, self._definition["places"])

    def validate(self) -> None:
        """See that there are files. Those on the web are not asked for.

        Raises:
            DatasetValidationError: there are none.
        """
        if not self.files():
            places = ", ".join(sources.address_of(place) for place in self._definition["places"])
            raise DatasetValidationError(f"There are no files at {places}. Pass validate=False to make it all the same.")

    def lineage(self, name: str) -> DatasetInput:
        """Return what a run that reads the data set keeps of it, as the input of a name.

        The digest is made of the definition and of size and time of its files: equal ones mean the same data.
        """
        hashed = hashlib.sha256(json.dumps([self._kind, self._definition], sort_keys=True).encode())
        for one in self.files():
            hashed.update(repr((one.name, *one.size_and_time())).encode())
        places = self._definition["places"]
        source = {"id": self.id, "version": self.version, "places": [sources.address_of(place) for place in places]}
        return DatasetInput(
            name=self.name or name,
            digest=hashed.hexdigest()[:32],
            source_type=next(iter(places[0])).replace("url", "http").replace("file", "local"),
            source=json.dumps({key: value for key, value in source.items() if value is not None}),
            tags={DATASET_CONTEXT: name},
        )

    def __repr__(self) -> str:
        steps = [name for name, _ in self._definition.get("steps", [])]
        shown_: dict[str, Any] = {
            "source": [sources.address_of(place) for place in self._definition["places"]],
            "definition": [self._definition.get("format", "files"), *steps],
        }
        if self._registration:
            keys = ("id", "name", "version", "description", "tags")
            shown_["registration"] = {key: self._registration[key] for key in keys if self._registration.get(key)}
        return f"{type(self).__name__}\n{json.dumps(shown_, indent=2)}"


class TabularDataset(AbstractDataset):
    """A table."""

    _kind = "tabular"

    def __getitem__(self, key: str) -> Expression:
        """Return a column, for conditions."""
        return Expression(["column", key])

    @property
    def timestamp_columns(self) -> tuple[str | None, str | None]:
        """The columns of time, fine and coarse, that `with_timestamp_columns` has set."""
        found = self._definition.get("timestamps") or {}
        return found.get("timestamp"), found.get("partition_timestamp")

    def to_pandas_dataframe(self, on_error: str = "null", out_of_range_datetime: str = "null") -> Any:
        """Read the table into a pandas DataFrame.

        Args:
            on_error: what becomes of a cell that is not of its column's type: "null", or "fail".
            out_of_range_datetime: v1's; dates that pandas cannot hold are such cells.

        Raises:
            MissingExtraError: pandas is not installed.
            DatasetExecutionError: the files cannot be read.
        """
        for name, value in (("on_error", on_error), ("out_of_range_datetime", out_of_range_datetime)):
            if value not in ("null", "fail"):
                raise InvalidValueError(
                    f"Cannot use {shown(value)} as {name}. Expected 'null' or 'fail'.", parameter=name, given=value
                )
        return sources.frame(self._workspace, self._definition, on_error=on_error)

    def drop_columns(self, columns: str | Iterable[str]) -> TabularDataset:
        """Return the table without some columns."""
        return self._and("drop", columns=_columns(columns))

    def keep_columns(self, columns: str | Iterable[str], validate: bool = False) -> TabularDataset:
        """Return the table with some columns only; with `validate` they are looked for at once."""
        made = self._and("keep", columns=_columns(columns))
        if validate:
            made.take(1).to_pandas_dataframe()
        return made

    def with_timestamp_columns(
        self, timestamp: str | None = None, partition_timestamp: str | None = None, validate: bool = False, **kwargs: Any
    ) -> TabularDataset:
        """Return the table with columns of time, which `time_after` and its siblings look at.

        Args:
            timestamp: the fine one; v1's older name for it was `fine_grain_timestamp`.
            partition_timestamp: the coarse one; `coarse_grain_timestamp`.
            validate: see at once that they are there and hold dates.
        """
        fine = kwargs.get("fine_grain_timestamp") or timestamp
        coarse = kwargs.get("coarse_grain_timestamp") or partition_timestamp
        made = TabularDataset(
            {**self._definition, "timestamps": {"timestamp": fine, "partition_timestamp": coarse}}, self._workspace
        )
        if validate:
            columns = [name for name in (fine, coarse) if name]
            table = made.keep_columns(columns).take(100).to_pandas_dataframe()
            wrong = [name for name in columns if table[name].dtype.kind != "M"]
            if wrong:
                raise UserErrorException(
                    f"Column {wrong[0]!r} does not hold dates. Set its type by set_column_types: DataType.to_datetime()."
                )
        return made

    def time_after(self, start_time: dt.datetime, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        """Return the rows after a time, by the column of time."""
        return self._between(start_time, None, include_boundary, validate)

    def time_before(self, end_time: dt.datetime, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        """Return the rows before a time, by the column of time."""
        return self._between(None, end_time, include_boundary, validate)

    def time_between(
        self, start_time: dt.datetime, end_time: dt.datetime, include_boundary: bool = True, validate: bool = True
    ) -> TabularDataset:
        """Return the rows between two times, by the column of time."""
        return self._between(start_time, end_time, include_boundary, validate)

    def time_recent(self, time_delta: dt.timedelta, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        """Return the rows of the time just past, by the column of time."""
        return self._between(dt.datetime.now(dt.timezone.utc) - time_delta, None, include_boundary, validate)

    def _between(
        self, start: dt.datetime | None, end: dt.datetime | None, include_boundary: bool, validate: bool
    ) -> TabularDataset:
        column = self.timestamp_columns[0] or self.timestamp_columns[1]
        if column is None:
            raise DatasetTimestampMissingError(
                "The data set has no column of time. Name it first: data_set.with_timestamp_columns('date')."
            )
        texts = [None if one is None else one.isoformat() for one in (start, end)]
        made = self._and("time", column=column, start=texts[0], end=texts[1], boundary=include_boundary)
        if validate:
            self.keep_columns([column], validate=True)
        return made

    def to_spark_dataframe(self) -> Any:
        """Refuse: read it with pandas, or hand the files to Spark."""
        raise NotSupportedError(
            "Reading into Spark is not in tracklog. Use to_pandas_dataframe(), or give Spark the files' path."
        )

    def to_dask_dataframe(
        self,
        sample_size: int = 10000,
        dtypes: Mapping[str, Any] | None = None,
        on_error: str = "null",
        out_of_range_datetime: str = "null",
    ) -> Any:
        """Refuse: read it with pandas."""
        raise NotSupportedError(
            "Reading into Dask is not in tracklog. Use dask.dataframe.from_pandas(data_set.to_pandas_dataframe())."
        )


class FileDataset(AbstractDataset):
    """Files."""

    _kind = "file"

    def file_metadata(self, col: str) -> Expression:
        """Return a fact of each file for conditions: `Size` in bytes, `LastModifiedTime` or `CreatedTime`."""
        if col not in ("Size", "LastModifiedTime", "CreatedTime"):
            raise UserErrorException(f"Files have no {col!r} to filter by. Expected Size, LastModifiedTime or CreatedTime.")
        return Expression(["column", col])

    def __getitem__(self, key: str) -> Expression:
        """Return a fact of each file: see `file_metadata`."""
        return self.file_metadata(key)

    def files(self) -> list[Found]:
        """Return the files, those left that steps leave."""
        return sources.apply_to_files(super().files(), self._definition.get("steps", []))

    def to_path(self) -> list[str]:
        """Return the paths of the files relative to the folder they have in common, each with a slash before it."""
        return [f"/{one.name}" for one in self.files()]

    def download(
        self, target_path: str | os.PathLike[str] | None = None, overwrite: bool = False, ignore_not_found: bool = False
    ) -> list[str]:
        """Copy the files into a folder, a new one for temporary files by default; return their paths there.

        Raises:
            UserErrorException: a file is there already and `overwrite` is false.
        """
        target = Path(tempfile.mkdtemp(prefix="tracklog-data-") if target_path is None else target_path).absolute()
        made = []
        with tempfile.TemporaryDirectory(prefix="tracklog-data-") as scratch:
            for one in self.files():
                to = inside(target, one.name)
                if to.exists() and not overwrite:
                    raise UserErrorException(f"{to} is there already. Pass overwrite=True to replace it.")
                try:
                    copy_file(one.local(Path(scratch)), to)
                except (FileNotFoundError, DatasetExecutionError):
                    if not ignore_not_found:
                        raise
                    continue
                made.append(str(to))
        target.mkdir(parents=True, exist_ok=True)
        return made

    def mount(self, mount_point: str | os.PathLike[str] | None = None, **kwargs: Any) -> MountContext:
        """Return a context in which the files are in a folder: `with data_set.mount() as mounted: mounted.mount_point`."""
        return MountContext(self, mount_point)

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """Return the data set as an input of a script, which is given the path of the files themselves."""
        from tracklog.sdk.inputs import DatasetConsumptionConfig

        return DatasetConsumptionConfig(f"input_{secrets.token_hex(4)}", self, "mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """Return the data set as an input of a script, which is given the path of a copy."""
        from tracklog.sdk.inputs import DatasetConsumptionConfig

        return DatasetConsumptionConfig(f"input_{secrets.token_hex(4)}", self, "download", path_on_compute)

    def as_hdfs(self) -> Any:
        """Refuse: there is no HDFS."""
        raise no_hdfs()

    def whole_folder(self) -> Path | None:
        """Return the folder of this machine that the data set is all files of, None when it is something else."""
        is_filtered = bool(self._definition.get("steps"))
        return None if is_filtered else sources.whole_folder(self._workspace, self._definition["places"])

    def is_single_file(self) -> bool:
        """Whether the data set is one file that was named as such; a script is then given the path of the file."""
        return sources.single_file(self._workspace, self._definition["places"])

    def link_into(self, folder: Path) -> list[Path]:
        """Make links to the files in a folder, copies where there are no links; return them."""
        made = []
        for one in self.files():
            to = inside(folder, one.name)
            to.parent.mkdir(parents=True, exist_ok=True)
            if not one.file:
                one.local(folder)
            else:
                try:
                    to.symlink_to(one.file)
                except (OSError, NotImplementedError):  # Windows without the right to make links
                    shutil.copyfile(one.file, to)
            made.append(to)
        return made


class MountContext:
    """Files of a data set in a folder: that folder itself when the data set is a whole folder, else one of links to them."""

    def __init__(self, data_set: FileDataset, mount_point: str | os.PathLike[str] | None) -> None:
        self._data_set = data_set
        self._given = None if mount_point is None else Path(mount_point).absolute()
        self._made: list[Path] = []
        self._is_temporary = False
        self.mount_point: str = "" if self._given is None else str(self._given)

    def start(self) -> None:
        """Put the files in place.

        Raises:
            UserErrorException: the given mount point has files.
        """
        if self._made or self._is_temporary:
            return
        folder = self._data_set.whole_folder()
        if self._given is None and folder is not None:
            self.mount_point = str(folder)
            return
        if self._given is not None and self._given.is_dir() and any(self._given.iterdir()):
            raise UserErrorException(f"Cannot mount at {self._given}: there are files in it. Give an empty folder, or none.")
        self._is_temporary = self._given is None
        target = Path(tempfile.mkdtemp(prefix="tracklog-mount-")) if self._given is None else self._given
        self.mount_point = str(target)
        self._made = self._data_set.link_into(target)

    def stop(self) -> None:
        """Take the links away again."""
        for one in self._made:
            one.unlink(missing_ok=True)
            for folder in one.parents:
                if not folder.is_relative_to(self.mount_point) or folder == Path(self.mount_point):
                    break
                with contextlib.suppress(OSError):  # other files are in it
                    folder.rmdir()
        if self._is_temporary:
            shutil.rmtree(self.mount_point, ignore_errors=True)
        self._made, self._is_temporary = [], False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, exit_type: object, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()


# ---------------------------------------------------------------------- factories


class TabularDatasetFactory:
    """Makes tables of files: `Dataset.Tabular`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Hold nothing."""

    @staticmethod
    def from_delimited_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        infer_column_types: bool = True,
        set_column_types: Mapping[str, DataType] | None = None,
        separator: str = ",",
        header: bool | PromoteHeadersBehavior = True,
        partition_format: str | None = None,
        support_multi_line: bool = False,
        empty_as_string: bool = False,
        encoding: str = "utf8",
    ) -> TabularDataset:
        """Make a table of delimited files, such as CSV.

        Args:
            path: a path or address, `(datastore, pattern)`, a DataPath, or a list of them.
            validate: see at once that there are files. Addresses on the web are not asked before they are read.
            include_path: add a column `Path` with the path of each row's file.
            infer_column_types: find out which columns are numbers, truth values and dates (ISO 8601); else all are text.
            set_column_types: types by column; they win over what is inferred.
            separator: between the cells of a row.
            header: whether, or in which files, the first line has the names; without, they are `Column1`, `Column2`, …
            partition_format: what paths say, as columns: `/{Department}/{Date:yyyy/MM}/data.csv`.
            support_multi_line: v1's; quoted cells may always have several lines.
            empty_as_string: read an empty cell as "" and not as missing.
            encoding: of the files.

        Raises:
            DatasetValidationError: there are no files.
            InvalidValueError: an argument cannot be used.
        """
        if isinstance(header, PromoteHeadersBehavior):
            headers: int = header.value
        else:
            headers = sources.SAME_HEADERS if header else sources.NO_HEADERS
        if not separator:
            raise InvalidValueError(f"Cannot use {shown(separator)} as separator.", parameter="separator", given=separator)
        return _table(
            path,
            validate,
            set_column_types,
            format="delimited",
            include_path=bool(include_path),
            infer=bool(infer_column_types),
            separator=separator,
            header=headers,
            partition_format=partition_format,
            empty_as_string=bool(empty_as_string),
            encoding=encoding,
        )

    @staticmethod
    def from_parquet_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Mapping[str, DataType] | None = None,
        partition_format: str | None = None,
    ) -> TabularDataset:
        """Make a table of Parquet files; see `from_delimited_files`."""
        return _table(
            path, validate, set_column_types, format="parquet", include_path=bool(include_path), partition_format=partition_format
        )

    @staticmethod
    def from_json_lines_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Mapping[str, DataType] | None = None,
        partition_format: str | None = None,
        invalid_lines: str = "error",
        encoding: str = "utf8",
    ) -> TabularDataset:
        """Make a table of files with a JSON object in each line; see `from_delimited_files`.

        Args:
            invalid_lines: what to do about a line that is no object: "error", or "drop" it.
        """
        if invalid_lines not in ("error", "drop"):
            raise InvalidValueError(
                f"Cannot use {shown(invalid_lines)} as invalid_lines. Expected 'error' or 'drop'.",
                parameter="invalid_lines",
                given=invalid_lines,
            )
        return _table(
            path,
            validate,
            set_column_types,
            format="json lines",
            include_path=bool(include_path),
            infer=True,
            partition_format=partition_format,
            invalid_lines=invalid_lines,
            encoding=encoding,
        )

    @staticmethod
    def from_sql_query(
        query: Any, validate: bool = True, set_column_types: Mapping[str, DataType] | None = None, query_timeout: int = 30
    ) -> TabularDataset:
        """Refuse: there are no databases among the datastores."""
        raise NotSupportedError(
            "Dataset.Tabular.from_sql_query of Azure ML v1 is not in tracklog. Read the result with pandas.read_sql, and "
            "keep it by Dataset.Tabular.register_pandas_dataframe."
        )

    @staticmethod
    def register_pandas_dataframe(
        dataframe: Any,
        target: Any,
        name: str,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
        show_progress: bool = True,
        row_group_size: int | None = None,
        make_target_path_unique: bool = True,
    ) -> TabularDataset:
        """Write a DataFrame as Parquet to a datastore, and register it as a new version of a table.

        Args:
            dataframe: of pandas.
            target: a datastore, or `(datastore, folder)`.
            name: to register it under.
            description: of the version.
            tags: of the version.
            show_progress: print what is done.
            row_group_size: rows of a group in the file; Parquet's own choice by default.
            make_target_path_unique: write into a new folder below the target.

        Raises:
            MissingExtraError: pandas or pyarrow is not installed.
            InvalidTypeError: not a DataFrame.
        """
        pd = sources.pandas("Registering a DataFrame")
        if not isinstance(dataframe, pd.DataFrame):
            raise InvalidTypeError(f"Cannot register {shown(dataframe)}. Expected a pandas DataFrame.", given=dataframe)
        datastore, folder = _target(target)
        below = "/".join(part for part in (folder, str(uuid.uuid4()) if make_target_path_unique else "") if part)
        where = below or f"managed-dataset/{uuid.uuid4()}"
        with tempfile.TemporaryDirectory(prefix="tracklog-data-") as scratch:
            file = Path(scratch) / "data.parquet"
            try:
                dataframe.to_parquet(file, index=False, row_group_size=row_group_size)
            except ImportError as error:
                from tracklog.errors import MissingExtraError

                raise MissingExtraError("pyarrow", "tables", "Writing Parquet files") from error
            copy_file(file, inside(datastore.folder, f"{where}/data.parquet"))
        made = TabularDatasetFactory.from_parquet_files((datastore, f"{where}/data.parquet"))
        registered = made.register(datastore.workspace, name, description, tags, create_new_version=True)
        if show_progress:
            print(f"Registered {name!r} version {registered.version}: {len(dataframe)} rows in {where} of {datastore.name}")  # noqa: T201
        return registered


class FileDatasetFactory:
    """Makes data sets of files: `Dataset.File`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Hold nothing."""

    @staticmethod
    def from_files(path: Any, validate: bool = True, partition_format: str | None = None, is_file: bool = False) -> FileDataset:
        """Make a data set of files; `path` and `validate` are those of `from_delimited_files`.

        Raises:
            DatasetValidationError: there are no files.
        """
        places, workspace = sources.places_of(path)
        definition: dict[str, Any] = {"places": places}
        if partition_format:
            definition["partition_format"] = partition_format
        made = FileDataset(definition, workspace)
        if validate:
            made.validate()
        return made

    @staticmethod
    def upload_directory(
        src_dir: str | os.PathLike[str],
        target: Any,
        pattern: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> FileDataset:
        """Copy the files of a folder to a datastore, and make a data set of them.

        Args:
            src_dir: a folder of this machine.
            target: a datastore, `(datastore, folder)` or a DataPath.
            pattern: only files whose path below the folder matches it.
            overwrite: replace files that are there already; otherwise those are an error.
            show_progress: print how many files there are.

        Raises:
            UserErrorException: there is no such folder, none of its files matches, or one is on the datastore already.
        """
        datastore, folder = _target(target)
        root = Path(src_dir).absolute()
        if not root.is_dir():
            raise UserErrorException(f"There is no folder {os.fspath(src_dir)} to upload.")
        places, _ = sources.places_of(str(root / pattern) if pattern else str(root))
        files = [Path(one.file) for one in sources.found_files(None, places)]
        if not files:
            raise UserErrorException(f"There are no files in {root}{f' that match {pattern!r}' if pattern else ''}.")
        names = [file.relative_to(root).as_posix() for file in files]
        there = [name for name in names if inside(datastore.folder, f"{folder}/{name}").exists()]
        if there and not overwrite:
            raise UserErrorException(
                f"{there[0]} is in {folder or 'the root'} of {datastore.name} already. Pass overwrite=True to replace it."
            )
        datastore.upload_files([str(file) for file in files], str(root), folder, overwrite=True, show_progress=show_progress)
        return FileDatasetFactory.from_files((datastore, f"{folder}/{pattern or '**'}"))


class Dataset:
    """Data sets by name and id, and what makes them: `Dataset.Tabular`, `Dataset.File`."""

    Tabular = TabularDatasetFactory
    File = FileDatasetFactory

    get_by_name = staticmethod(AbstractDataset.get_by_name)
    get_by_id = staticmethod(AbstractDataset.get_by_id)
    get_all = staticmethod(AbstractDataset.get_all)

    def __init__(self, definition: Any, workspace: Any = None, name: str | None = None, id: str | None = None) -> None:  # noqa: A002
        """Refuse: v1's first kind of data sets, which it gave up itself."""
        raise NotSupportedError(
            "Dataset(…) of Azure ML v1 is not in tracklog. Use Dataset.Tabular.from_delimited_files or Dataset.File.from_files."
        )

    @staticmethod
    def get(workspace: Workspace, name: str | None = None, id: str | None = None) -> AbstractDataset:  # noqa: A002  # v1's name
        """Return a data set by its name or its id."""
        return Dataset.get_by_name(workspace, name) if name is not None else Dataset.get_by_id(workspace, str(id))

    @staticmethod
    def list(workspace: Workspace) -> builtins.list[AbstractDataset]:
        """Return the registered data sets, each in its latest version."""
        return list(Dataset.get_all(workspace).values())


def _table(path: Any, validate: bool, types: Mapping[str, DataType] | None, **options: Any) -> TabularDataset:
    places, workspace = sources.places_of(path)
    plain = {}
    for column, type_ in (types or {}).items():
        if not isinstance(type_, DataType):
            raise InvalidTypeError(
                f"Cannot use {shown(type_)} as the type of column {column!r}. Expected DataType.to_long() and the like."
            )
        plain[str(column)] = type_.plain
    made = TabularDataset(
        {"places": places, **{key: value for key, value in options.items() if value is not None}, "types": plain}, workspace
    )
    if validate:
        made.validate()
    return made


def _target(target: Any) -> tuple[AbstractAzureStorageDatastore, str]:
    """Return datastore and folder of a `target` argument."""
    from tracklog.sdk.datastore import DataPath, DataReference

    if isinstance(target, (DataPath, DataReference)):
        target = (target.datastore, target.path_on_datastore)
    if isinstance(target, AbstractAzureStorageDatastore):
        target = (target, "")
    if isinstance(target, tuple) and len(target) == 2 and isinstance(target[0], AbstractAzureStorageDatastore):
        return target[0], relative(target[1])
    raise InvalidValueError(
        f"Cannot write to {shown(target)}. Expected a datastore or (datastore, folder).", parameter="target", given=target
    )


# ------------------------------------------------------------------- definitions


def _folder(workspace: Workspace) -> Path:
    return assets_folder(workspace.uri) / "datasets"


def _named(workspace: Workspace, name: str) -> Path:
    """Return the folder of a name's versions. A long name has a folder by its digest: paths have 255 bytes a part."""
    safe = quote(name, safe=" ").replace(".", "%2E")
    return _folder(workspace) / (safe if len(safe) <= 200 else hashlib.sha256(name.encode()).hexdigest())


def _names(workspace: Workspace) -> list[str]:
    folder = _folder(workspace)
    folders = [one for one in folder.iterdir() if not one.name.startswith(".")] if folder.is_dir() else []
    return sorted(str(_read(one / f"{max(versions)}.json")["name"]) for one in folders if (versions := _versions(one)))


def _versions(folder: Path) -> list[int]:
    return [int(file.stem) for file in folder.glob("*.json") if file.stem.isdigit()] if folder.is_dir() else []


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserErrorException(f"Cannot read the data set in {file}: {error}. Register it again.") from error
    return dict(found)


def _add_version(folder: Path, version: int, entry: dict[str, Any]) -> dict[str, Any]:
    """Write a new version, the next one free when another process takes the same number."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        made = {**entry, "version": version}
        half = folder / f".{uuid.uuid4()}"
        half.write_text(json.dumps(made, indent=2), encoding="utf-8")
        try:
            os.link(half, folder / f"{version}.json")  # fails when it exists, and is never seen half-written
        except FileExistsError:
            version += 1
        else:
            return made
        finally:
            half.unlink()


def _loaded(workspace: Workspace, id_: str, entry: dict[str, Any]) -> AbstractDataset:
    file = _folder(workspace) / ".ids" / f"{id_}.json"
    if not re.fullmatch(r"[0-9a-f-]{36}", id_) or not file.is_file():
        raise DatasetNotFoundError(
            f"There is no data set with id {id_!r} in the workspace {workspace.uri}.", what="data set", given=id_
        )
    definition = _read(file)
    kind = TabularDataset if definition.pop("kind") == "tabular" else FileDataset
    return kind(definition, workspace, entry)


def checked_name(name: Any) -> str:
    """Return a name under which a data set can be registered."""
    if not isinstance(name, str) or not name.strip() or len(name) > 255 or not name.isprintable():
        raise InvalidValueError(
            f"Cannot use {shown(name)} as the name of a data set. Expected 1 to 255 printable characters.",
            parameter="name",
            given=name,
        )
    return name


def no_hdfs() -> NotSupportedError:
    """Return the refusal of every `as_hdfs`."""
    return NotSupportedError("as_hdfs of Azure ML v1 is not in tracklog: there is no HDFS. Use as_mount() or as_download().")


def _columns(columns: str | Iterable[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else [str(one) for one in columns]


def _count(count: Any) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise InvalidValueError(
            f"Cannot take or skip {shown(count)}. Expected a whole number, 0 or more.", parameter="count", given=count
        )
    return count


def _share(parameter: str, share: Any) -> float:
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise InvalidValueError(
            f"Cannot use {shown(share)} as {parameter}. Expected a number from 0.0 to 1.0.", parameter=parameter, given=share
        )
    return float(share)


def _seed(seed: int | None) -> int:
    return secrets.randbits(32) if seed is None else int(seed)
