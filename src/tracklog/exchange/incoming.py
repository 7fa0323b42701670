"""Brings what an MLflow store holds into a workspace.

Runs keep their ids. Records of a run go through `Store.apply` under one writer, `mlflow-import`; what a second import has to
add is found by comparing: points as sets with their counts, files by path and size, versions of models by number. So an import
that was interrupted goes on, a source that has grown is caught up with, and nothing arrives twice. Whether a run or experiment
is deleted follows the source; what else was changed here since is left as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracklog.errors import (
    ConflictError,
    InvalidValueError,
    MissingExtraError,
    NotFoundError,
    StorageFullError,
    StoreError,
    StoreUnavailableError,
    TracklogError,
    unknown,
)
from tracklog.exchange.content import (
    Experiment,
    Logged,
    NotReadable,
    Registered,
    Report,
    Run,
    Series,
    Source,
    Version,
)
from tracklog.records import (
    Batch,
    Event,
    InfoSet,
    LineageAdded,
    MetricKey,
    ParamsSet,
    RunEdited,
    RunStarted,
    RunStatus,
    StatusChanged,
    TagsSet,
)
from tracklog.server.mlflow_api.view import GIT, NOTE, PARENT, RUN_NAME, SOURCE_NAME, USER
from tracklog.storage import ExperimentEdit, RunInfo, Store
from tracklog.storage.registry import (
    STAGES,
    LoggedModelEdit,
    LoggedModelStatus,
    ModelEdit,
    ModelVersion,
    is_logged_model_id,
    split_source,
)

WRITER = "mlflow-import"
TOPIC = "mlflow"  # of a run's info: where it came from
SOURCE_PROPERTY, CREATED_PROPERTY = "mlflow.source", "mlflow.created_ms"  # of a version
_UNUSED = "Default"  # MLflow makes this experiment by itself; nobody misses it when it is empty
_POINTS = 100_000  # of a batch
_POINT = np.dtype([("step", "<i8"), ("time_ms", "<i8"), ("value", "<f8"), ("key", "<u4"), ("marker", "<u4")])
_REMOTE = re.compile(r"(s3|gs|wasbs?|abfss?|r2|b2|oss|hdfs|viewfs|dbfs|ftp|sftp|azureml)://?", re.IGNORECASE)

Progress = Callable[[str, int, "int | None"], None]


def opened(source: str, artifacts: Sequence[Path] = ()) -> Source:
    """Open an MLflow store: the address of a server, a folder, a SQLite file, or the address of a database.

    Args:
        artifacts: further folders of this machine that files may be read from.

    Raises:
        InvalidValueError: it is none of them.
        StoreUnavailableError: it cannot be reached.
        MissingExtraError: a package is needed to read it.
    """
    for folder in artifacts:
        if not folder.is_dir():
            raise InvalidValueError(f"There is no folder {folder} with artifacts.", parameter="artifacts", given=str(folder))
    if source.startswith(("http://", "https://")):
        from tracklog.exchange.server import ServerSource

        return ServerSource(source)
    path = Path(source.removeprefix("file://")).expanduser()
    if "://" in source and not source.startswith("file://"):
        from tracklog.exchange.database import DatabaseSource

        return DatabaseSource(source, artifacts)
    if source and path.is_dir():
        from tracklog.exchange.folder import FolderSource

        inner = path / "mlruns"  # the folder that it is in was given
        return FolderSource((inner if inner.is_dir() else path).absolute(), artifacts)
    if path.is_file():
        from tracklog.exchange.database import DatabaseSource

        return DatabaseSource(f"sqlite:///{path.absolute()}", artifacts)
    raise InvalidValueError(
        f"There is no MLflow store at {source!r}. Expected the address of a server (http://…), the folder mlruns, a SQLite "
        "file, or postgresql://….",
        parameter="source",
        given=source,
    )


def import_mlflow(
    store: Store,
    source: Source,
    *,
    experiments: Collection[str] | None = None,
    with_files: bool = True,
    progress: Progress = lambda *_: None,
) -> Report:
    """Bring over what a source holds; return what arrived.

    Args:
        experiments: names; by default all. Registered models come along with all experiments only.
        with_files: copy the files of runs and logged models.
        progress: called with what is done now, how many runs are done, and how many there are.

    Raises:
        NotFoundError: there is no experiment of a name given.
        StoreUnavailableError, StorageFullError: the workspace takes no more; call again when it does.
        StoreUnavailableError: the source is away.
    """
    return _Import(store, source, with_files, progress).run(experiments)


class _Import:
    def __init__(self, store: Store, source: Source, with_files: bool, progress: Progress) -> None:
        self._store = store
        self._source = source
        self._with_files = with_files
        self._progress = progress
        self._report = Report()
        self._done = 0
        self._unreadable: Counter[tuple[str, str]] = Counter()  # runs and logged models, by experiment and reason
        self._locations: dict[str, str] = {}  # of the files of runs and logged models, by their ids

    def run(self, names: Collection[str] | None) -> Report:
        chosen = self._source.experiments()
        if names is not None:
            known = {one.name for one in chosen}
            for name in names:
                if name not in known:
                    raise unknown("experiment", name, known)
            chosen = [one for one in chosen if one.name in names]
        counts = [self._source.count_runs(one) for one in chosen]
        total = sum(count for count in counts if count is not None) if None not in counts else None
        for experiment, count in zip(chosen, counts, strict=True):
            if not (
                experiment.name == _UNUSED and not experiment.tags and (count == 0 or not any(self._source.runs(experiment)))
            ):
                self._experiment(experiment, total)
        if names is None:
            self._progress("models", self._done, total)
            for model in self._source.registered_models():
                with _noted(self._report, f"model {model.name}"):
                    self._registered(model)
        for (name, why), count in self._unreadable.items():
            self._report.note(f"files of {count:,} run{'s' * (count != 1)} or logged models of {name!r}", why)
        self._report.problems.extend(self._source.problems)
        for kind, count in self._source.left_out().items():
            if count:
                self._report.note(f"{count:,} {kind}", "they are not brought over")
        return self._report

    # ----------------------------------------------------------------- experiments

    def _experiment(self, experiment: Experiment, total: int | None) -> None:
        try:
            info = self._store.experiment(experiment.name)
        except NotFoundError:
            # An address that clients keep files at by themselves stays good; a folder of another machine does not.
            remote = experiment.location if _REMOTE.match(experiment.location) else ""
            info = self._store.create_experiment(experiment.name, tags=experiment.tags, artifact_location=remote)
            self._report.moved["experiments"] += 1
        else:
            self._report.there["experiments"] += 1
            missing = {key: value for key, value in experiment.tags.items() if key not in info.tags}
            if missing:
                self._store.edit_experiment(experiment.name, ExperimentEdit(tags={**missing}))
        for run in self._source.runs(experiment):
            self._progress(experiment.name, self._done, total)
            self._locations[run.id] = run.location
            with _noted(self._report, f"run {run.id}"):
                self._run(experiment, run)
            self._done += 1
        for logged in self._source.logged_models(experiment):
            self._locations[logged.model.id] = logged.location
            with _noted(self._report, f"logged model {logged.model.id}"):
                self._logged(experiment, logged)
        if experiment.deleted and self._store.experiment(experiment.name).deleted_ms is None:
            self._store.edit_experiment(experiment.name, ExperimentEdit(deleted=True))

    # ------------------------------------------------------------------------ runs

    def _run(self, experiment: Experiment, run: Run) -> None:
        try:
            have = self._store.get_run(run.id)
        except NotFoundError:
            have = None
        if have is not None and have.experiment != experiment.name:
            raise ConflictError(f"the workspace has it in the experiment {have.experiment!r}")
        head = _head(experiment, run, self._source.address) if have is None else _news(run, have)
        writer = _Writer(self._store, run.id)
        writer.events(head)
        sent = self._points(experiment, run, have, writer)
        tail: list[Event] = []
        if run.status.is_final() and (have is None or not have.status.is_final()):
            tail.append(StatusChanged(run.status, max(run.end_ms or 0, run.start_ms)))
        if run.deleted != (have.deleted if have is not None else False) and (run.deleted or not experiment.deleted):
            tail.append(RunEdited(deleted=run.deleted))
        if run.fingerprint and _origin(have).get("fingerprint") != run.fingerprint:
            tail.append(InfoSet({TOPIC: _topic(run, self._source.address, run.fingerprint)}))
        writer.events(tail)
        writer.send()
        files = self._files(experiment, run, run.id) if self._with_files else 0
        is_news = have is None or writer.has_sent or files or sent
        (self._report.moved if is_news else self._report.there)["runs"] += 1
        for kind, event in (("params", ParamsSet), ("tags", TagsSet)):
            if count := sum(len(one.values) for one in head if isinstance(one, event)):
                self._report.moved[kind] += count

    def _points(self, experiment: Experiment, run: Run, have: RunInfo | None, writer: _Writer) -> int:
        """Send the points that are not there yet; return how many."""
        stored = Counter({one.name: one.count for one in have.metrics if not one.column}) if have is not None else Counter()
        if have is not None:
            counts = self._source.count_points(experiment, run)
            if counts is not None and all(stored[name] == count for name, count in counts.items()):
                self._report.there["points"] += sum(counts.values())
                return 0
            if counts is None and run.fingerprint == _origin(have).get("fingerprint"):
                self._report.there["points"] += sum(stored.values())
                return 0
        sent = 0
        for series in self._source.series(experiment, run):
            if stored[series.name]:
                whole = len(series)
                series = self._missing(run, series)
                self._report.there["points"] += whole - len(series)
            writer.points(series)
            sent += len(series)
        if sent:
            self._report.moved["points"] += sent
        return sent

    def _missing(self, run: Run, series: Series) -> Series:
        """Return the points of a series that the store does not have; equal ones are counted."""
        columns = self._store.columns(run.id, series.name)
        there: Counter[tuple[int, int, bytes]] = Counter(
            (int(step), int(time_ms), np.float64(value).tobytes())
            for step, time_ms, value in zip(columns.steps, columns.times_ms, columns.values, strict=True)
        )
        keep = np.zeros(len(series), bool)
        for index, (step, time_ms, value) in enumerate(zip(series.steps, series.times_ms, series.values, strict=True)):
            point = (int(step), int(time_ms), value.tobytes())
            if there[point]:
                there[point] -= 1
            else:
                keep[index] = True
        return Series(series.name, series.steps[keep], series.times_ms[keep], series.values[keep])

    def _files(self, experiment: Experiment, owner: Run | Logged, owner_id: str) -> int:
        """Copy the files that are not there yet; return how many."""
        stored: dict[str, int] | None = None
        what = f"files of {'run' if isinstance(owner, Run) else 'logged model'} {owner_id}"
        copied = 0
        try:
            for file in self._source.files(experiment, owner):
                if stored is None:
                    stored = {one.path: one.size_bytes for one in self._store.artifacts(owner_id)}
                if file.path in stored and file.size_bytes in (None, stored[file.path]):
                    self._report.there["files"] += 1
                    continue
                try:
                    with file.opened() as stream:
                        self._store.put_artifact(owner_id, file.path, stream)
                except InvalidValueError as error:
                    self._report.note(f"{what}: {file.path}", error.message)
                except (NotFoundError, OSError) as error:
                    if isinstance(error, StoreError):
                        raise
                    self._report.note(f"{what}: {file.path}", getattr(error, "message", "") or str(error))
                else:
                    copied += 1
        except NotReadable as error:
            self._unreadable[experiment.name, str(error)] += 1
        if copied:
            self._report.moved["files"] += copied
        return copied

    # ---------------------------------------------------------------------- models

    def _logged(self, experiment: Experiment, logged: Logged) -> None:
        model, registry = logged.model, self._store.registry
        if not is_logged_model_id(model.id):
            raise InvalidValueError(f"its id is not of the form m-<32 hex>: {model.id!r}")
        try:
            have = registry.get_logged_model(model.id)
        except NotFoundError:
            registry.create_logged_model(model)
            self._report.moved["logged models"] += 1
        else:
            self._report.there["logged models"] += 1
            edit = LoggedModelEdit(
                # A status only goes on.
                status=model.status if have.status is LoggedModelStatus.PENDING and model.status is not have.status else None,
                tags={key: value for key, value in model.tags.items() if key not in have.tags},
                params={key: value for key, value in model.params.items() if key not in have.params},
                metrics=[one for one in model.metrics if one not in have.metrics],
                deleted=model.deleted if model.deleted != have.deleted else None,
            )
            if edit != LoggedModelEdit():
                registry.edit_logged_model(model.id, edit)
        if self._with_files:
            self._files(experiment, logged, model.id)
        if model.deleted and not registry.get_logged_model(model.id).deleted:
            registry.edit_logged_model(model.id, LoggedModelEdit(deleted=True))

    def _registered(self, model: Registered) -> None:
        registry = self._store.registry
        try:
            have = registry.get_model(model.name)
        except NotFoundError:
            have = registry.create_model(model.name, description=model.description, tags=model.tags)
            self._report.moved["registered models"] += 1
        else:
            self._report.there["registered models"] += 1
        kept: set[int] = set()
        for version in model.versions:
            with _noted(self._report, f"version {version.number} of model {model.name}"):
                if self._version(model.name, version):
                    kept.add(version.number)
        edit = ModelEdit(
            description=model.description if model.description and not have.description else None,
            tags={key: value for key, value in model.tags.items() if key not in have.tags},
            aliases={alias: number for alias, number in model.aliases.items() if number in kept and alias not in have.aliases},
        )
        if edit != ModelEdit():
            registry.edit_model(model.name, edit)

    def _version(self, name: str, version: Version) -> bool:
        """Bring over a version under its number; return whether the store's version of that number is this one."""
        registry = self._store.registry
        try:
            have = registry.get_version(name, version.number)
        except NotFoundError:
            have = None
        if have is not None:
            if have.properties.get(SOURCE_PROPERTY) != version.source:
                raise ConflictError("the workspace has another version of that number")
            self._report.there["versions"] += 1
            return True
        source = self._source_of(name, version)
        given = ModelVersion(
            stage=version.stage if version.stage in STAGES else "None",
            description=version.description,
            source=source,
            run_id=version.run_id,
            run_link=version.run_link,
            model_id=version.model_id if is_logged_model_id(version.model_id) else "",
            user=version.user,
            tags=version.tags,
            properties={SOURCE_PROPERTY: version.source, CREATED_PROPERTY: str(version.created_ms)},
        )
        while (made := registry.add_version(name, given)).version < version.number:
            registry.delete_version(name, made.version)  # numbers of versions that were deleted are not used again
        if made.version > version.number:
            registry.delete_version(name, made.version)
            raise ConflictError("its number was used in the workspace, and was deleted there")
        self._report.moved["versions"] += 1
        return True

    def _source_of(self, name: str, version: Version) -> str:
        """Return the source of a version as it is called here: files of runs by the run, not by a folder of another machine."""
        source = version.source
        if split_source(source) is not None or _REMOTE.match(source):
            return source
        for owner, location in ((version.run_id, "runs:/{}/"), (version.model_id, "models:/{}/")):
            root = self._locations.get(owner, "").rstrip("/")
            if owner and root and (source == root or source.startswith(f"{root}/")):
                return location.format(owner) + source.removeprefix(root).strip("/")
        found = re.fullmatch(r"mlflow-artifacts:/+(?:[^/]+/+)*?([^/]+)/+artifacts(?:/+(.*))?", source)
        if found is not None and found[1] in self._locations:
            kind = "models" if is_logged_model_id(found[1]) else "runs"
            return f"{kind}:/{found[1]}/{found[2] or ''}"
        if source.startswith(("/", ".", "file:", "mlflow-artifacts:")):
            self._report.note(
                f"version {version.number} of model {name}", f"its files are none of a run, and stay where they are: {source}"
            )
            return ""
        return source


class _noted:  # noqa: N801  # a function in all but name
    """Notes what goes wrong with one thing and goes on with the next; a store that is away or full ends the import."""

    def __init__(self, report: Report, what: str) -> None:
        self._report = report
        self._what = what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if not isinstance(error, (TracklogError, ValueError, KeyError)) or isinstance(
            error, (StoreUnavailableError, StorageFullError, MissingExtraError)
        ):
            return False
        why = getattr(error, "message", "") or f"it is not as MLflow writes it ({type(error).__name__}: {error})"
        self._report.note(self._what, why)
        return True


class _Writer:
    """Gathers records of a run into batches under the writer of imports."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._events: list[Event] = []
        self._points: list[np.ndarray[Any, Any]] = []
        self._keys: dict[str, MetricKey] = {}
        self._waiting = 0
        self.has_sent = False

    def events(self, events: Sequence[Event]) -> None:
        """Add events."""
        self._events.extend(events)

    def points(self, series: Series) -> None:
        """Add points; batches that are full are sent."""
        key = self._keys.setdefault(series.name, MetricKey(len(self._keys) + 1, series.name))
        for first in range(0, len(series), _POINTS):
            part = slice(first, first + _POINTS)
            records = np.empty(len(series.steps[part]), _POINT)
            records["step"], records["time_ms"] = series.steps[part], series.times_ms[part]
            records["value"], records["key"], records["marker"] = series.values[part], key.key, 1
            self._points.append(records)
            self._waiting += len(records)
            if self._waiting >= _POINTS:
                self.send()

    def send(self) -> None:
        """Send what has gathered."""
        if not self._events and not self._points:
            return
        mark = self._store.watermark(self._run_id, WRITER)
        self._store.apply(
            Batch(
                self._run_id,
                WRITER,
                points_start=mark.points,
                events_start=mark.events,
                points=b"".join(records.tobytes() for records in self._points),
                events=self._events,
                keys=list(self._keys.values()),
                live=False,
            )
        )
        self._events, self._points, self._waiting, self.has_sent = [], [], 0, True


def _head(experiment: Experiment, run: Run, address: str) -> list[Event]:
    """Return the first events of a run."""
    tags = dict(run.tags)
    name = tags.pop(RUN_NAME, "")
    user = tags.pop(USER, "")
    events: list[Event] = [
        RunStarted(
            experiment=experiment.name,
            start_ms=run.start_ms,
            name=run.name or name,
            parent_id=tags.pop(PARENT, None) or None,
            user=run.user or user,
            description=tags.pop(NOTE, ""),
        ),
        StatusChanged(run.status if not run.status.is_final() else RunStatus.RUNNING, run.start_ms),
    ]
    topics: dict[str, Any] = {TOPIC: _topic(run, address, "")}
    if git := {part: run.tags[tag] for tag, part in GIT.items() if run.tags.get(tag)}:
        topics["git"] = git
    if run.tags.get(SOURCE_NAME):
        topics["command"] = {"script": run.tags[SOURCE_NAME]}
    events.append(InfoSet(topics))
    if run.params:
        events.append(ParamsSet({**run.params}))
    if tags:
        events.append(TagsSet({**tags}))
    if run.datasets or run.model_inputs or run.model_outputs:
        events.append(LineageAdded(run.datasets, run.model_inputs, run.model_outputs))
    return events


def _news(run: Run, have: RunInfo) -> list[Event]:
    """Return the events that add what a run has got since it was imported."""
    events: list[Event] = []
    params = {key: value for key, value in run.params.items() if key not in have.params}
    facts = (RUN_NAME, USER, PARENT, NOTE)
    tags = {key: value for key, value in run.tags.items() if key not in have.tags and key not in facts}
    if params:
        events.append(ParamsSet({**params}))
    if tags:
        events.append(TagsSet({**tags}))
    lineage = LineageAdded(
        [one for one in run.datasets if (one.name, one.digest) not in {(had.name, had.digest) for had in have.datasets}],
        [one for one in run.model_inputs if one not in have.model_inputs],
        [one for one in run.model_outputs if one not in have.model_outputs],
    )
    if lineage != LineageAdded():
        events.append(lineage)
    return events


def _topic(run: Run, address: str, fingerprint: str) -> dict[str, str]:
    """Return where a run came from, as the run keeps it. `fingerprint`: of the points that have arrived."""
    found = {"source": address, "location": run.location, "fingerprint": fingerprint}
    return {name: value for name, value in found.items() if value}


def _origin(have: RunInfo | None) -> dict[str, Any]:
    found = have.info.get(TOPIC) if have is not None else None
    return found if isinstance(found, dict) else {}
