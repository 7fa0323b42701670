"""Reads MLflow's file store, the folder `mlruns`.

<folder>/<experiment>/meta.yaml, tags/<key>              an experiment; deleted ones are in .trash/
<folder>/<experiment>/<run>/meta.yaml, params/, tags/    a run; one file a param or tag
…/metrics/<name>                                         a line a point: time_ms value step [data set name and digest]
…/artifacts/                                             its files, unless meta.yaml names another place
…/inputs/, outputs/                                      what it read and made
<folder>/<experiment>/datasets/, models/<id>/            data sets and logged models of the experiment
<folder>/models/<name>/meta.yaml, version-<n>/           registered models
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tracklog.errors import InvalidValueError, MissingExtraError
from tracklog.exchange.content import (
    LOGGED_STATUS_BY_NUMBER,
    STATUS_BY_NUMBER,
    Experiment,
    File,
    Logged,
    Places,
    Problem,
    Registered,
    Run,
    Series,
    Version,
    dataset_of,
    version_of,
)
from tracklog.records import DatasetInput, ModelOutput, RunStatus
from tracklog.server.mlflow_api.view import STATUS_OF
from tracklog.storage.registry import LoggedModel, LoggedModelMetric, LoggedModelStatus

_TRASH = ".trash"
_MODELS = "models"


class FolderSource:
    """The `Source` of a folder."""

    def __init__(self, folder: Path, artifacts: Sequence[Path]) -> None:
        """Open a folder.

        Raises:
            InvalidValueError: it is no file store of MLflow.
            MissingExtraError: pyyaml is not installed.
        """
        self.address = str(folder)
        self.problems: list[Problem] = []
        self._folder = folder
        self._places = Places([folder, folder.parent / "mlartifacts", *artifacts], folder.parent)
        if not any(self._read_kind(one, "experiment_id") for one in self._experiment_folders()):
            raise InvalidValueError(
                f"{folder} is no file store of MLflow: no folder in it has a meta.yaml of an experiment. Give the folder that is "
                "called mlruns.",
                parameter="source",
                given=str(folder),
            )
        self.problems.clear()  # they are found again when they are read

    def _experiment_folders(self) -> Iterator[Path]:
        for parent in (self._folder, self._folder / _TRASH):
            if parent.is_dir():
                yield from (one for one in sorted(parent.iterdir()) if one.name != _MODELS and (one / "meta.yaml").is_file())

    def _read(self, folder: Path) -> dict[str, Any] | None:
        """Return the content of a meta.yaml, None for a damaged one, which is noted."""
        try:
            return _meta(folder)
        except InvalidValueError as error:
            self.problems.append(Problem(folder.relative_to(self._folder).as_posix(), error.message))
            return None

    def _read_kind(self, folder: Path, *keys: str) -> dict[str, Any] | None:
        """Return the content of a meta.yaml that has one of some keys; None for one of something else."""
        found = self._read(folder)
        return found if found is not None and any(key in found for key in keys) else None

    def experiments(self) -> list[Experiment]:
        """See `Source.experiments`."""
        found = []
        for folder in self._experiment_folders():
            if (meta := self._read_kind(folder, "experiment_id")) is None:
                continue
            found.append(
                Experiment(
                    # The name of its folder: meta.yaml may say otherwise where a folder was renamed.
                    id=folder.relative_to(self._folder).as_posix(),
                    name=str(meta.get("name") or folder.name),
                    location=str(meta.get("artifact_location") or ""),
                    deleted=meta.get("lifecycle_stage") == "deleted" or folder.parent.name == _TRASH,
                    tags=_texts(folder / "tags"),
                )
            )
        return found

    def _run_folders(self, experiment: Experiment) -> list[Path]:
        folder = self._folder / experiment.id
        others = (_MODELS, "datasets", "tags", "traces")
        return [one for one in sorted(folder.iterdir()) if one.name not in others and (one / "meta.yaml").is_file()]

    def count_runs(self, experiment: Experiment) -> int | None:
        """See `Source.count_runs`."""
        return len(self._run_folders(experiment))

    def runs(self, experiment: Experiment) -> Iterator[Run]:
        """See `Source.runs`."""
        for folder in self._run_folders(experiment):
            if (meta := self._read_kind(folder, "run_id", "run_uuid")) is None:
                continue
            tags = _texts(folder / "tags")
            yield Run(
                id=folder.name,
                name=str(meta.get("run_name") or meta.get("name") or tags.get("mlflow.runName") or ""),
                status=_status(meta.get("status")),
                start_ms=int(meta.get("start_time") or 0),
                end_ms=None if meta.get("end_time") is None else int(meta["end_time"]),
                user=str(meta.get("user_id") or ""),
                deleted=meta.get("lifecycle_stage") == "deleted",
                params=_texts(folder / "params"),
                tags=tags,
                datasets=list(self._datasets(experiment, folder)),
                model_inputs=[
                    str(one["source_id"]) for one in _metas(folder / "inputs") if "MODEL" in str(one.get("source_type"))
                ],
                model_outputs=[
                    ModelOutput(str(one["destination_id"]), int(one.get("step") or 0)) for one in _metas(folder / "outputs")
                ],
                location=str(meta.get("artifact_uri") or ""),
            )

    def _datasets(self, experiment: Experiment, run: Path) -> Iterator[DatasetInput]:
        for one in _metas(run / "inputs"):
            folder = self._folder / experiment.id / "datasets" / str(one.get("source_id"))
            if one.get("source_type") == "DATASET" and (folder / "meta.yaml").is_file():
                meta = _meta(folder)
                yield dataset_of(meta, {str(key): str(value) for key, value in (one.get("tags") or {}).items()})

    def count_points(self, experiment: Experiment, run: Run) -> dict[str, int] | None:
        """See `Source.count_points`."""
        return {name: _lines(file) for name, file in _files(self._folder / experiment.id / run.id / "metrics")}

    def series(self, experiment: Experiment, run: Run) -> Iterator[Series]:
        """See `Source.series`. Lines that are no point, such as a torn last one, are left out."""
        for name, file in _files(self._folder / experiment.id / run.id / "metrics"):
            rows = []
            with file.open(encoding="utf-8", errors="replace") as stream:
                for line in stream:
                    words = line.split()
                    try:
                        rows.append((int(words[2]) if len(words) > 2 else 0, int(words[0]), float(words[1])))
                    except (ValueError, IndexError):
                        continue
            yield Series.of(name, rows)

    def files(self, experiment: Experiment, owner: Run | Logged) -> Iterator[File]:
        """See `Source.files`."""
        here = self._folder / experiment.id
        own = here / owner.id if isinstance(owner, Run) else here / _MODELS / owner.model.id
        # The place that MLflow chooses by itself is the one in here: a folder that was moved still names its old one.
        is_usual = owner.location.rstrip("/").endswith("/".join(("", here.name, *own.relative_to(here).parts, "artifacts")))
        if is_usual or not owner.location or any((own / "artifacts").glob("*")):
            yield from self._places.files(own / "artifacts")
        else:
            yield from self._places.files(self._places.folder(owner.location, experiment.location))

    def logged_models(self, experiment: Experiment) -> Iterator[Logged]:
        """See `Source.logged_models`."""
        parent = self._folder / experiment.id / _MODELS
        for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
            if not (folder / "meta.yaml").is_file() or (meta := self._read(folder)) is None:
                continue
            metrics = []
            for name, file in _files(folder / "metrics"):
                for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                    words = [*line.split(), "", "", ""]
                    metrics.append(
                        LoggedModelMetric(name, float(words[1]), int(words[2] or 0), int(words[0]), words[3], words[4], words[5])
                    )
            model = LoggedModel(
                id=folder.name,
                experiment=experiment.name,
                name=str(meta.get("name") or ""),
                status=LOGGED_STATUS_BY_NUMBER.get(int(meta.get("status") or 1), LoggedModelStatus.PENDING),
                type=str(meta.get("model_type") or ""),
                source_run_id=str(meta.get("source_run_id") or ""),
                params=_texts(folder / "params"),
                tags=_texts(folder / "tags"),
                metrics=metrics,
                deleted=meta.get("lifecycle_stage") == "deleted",
            )
            yield Logged(model, str(meta.get("artifact_location") or ""))

    def registered_models(self) -> Iterator[Registered]:
        """See `Source.registered_models`."""
        parent = self._folder / _MODELS
        for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
            if not (folder / "meta.yaml").is_file() or (meta := self._read(folder)) is None:
                continue
            metas = [(one, self._read(one)) for one in folder.glob("version-*") if (one / "meta.yaml").is_file()]
            versions = [_version(one, meta) for one, meta in metas if meta is not None]
            yield Registered(
                name=str(meta.get("name") or folder.name),
                description=str(meta.get("description") or ""),
                tags=_texts(folder / "tags"),
                aliases={
                    alias: int(version) for alias, version in _texts(folder / "aliases").items() if version.strip().isdigit()
                },
                versions=sorted((one for one in versions if one is not None), key=lambda one: one.number),
            )

    def left_out(self) -> dict[str, int]:
        """See `Source.left_out`."""
        return {"traces": sum(len(list((folder / "traces").glob("*/"))) for folder in self._experiment_folders())}

    def close(self) -> None:
        """See `Source.close`."""


def _version(folder: Path, meta: dict[str, Any]) -> Version | None:
    """Return a version, None for one that was deleted."""
    if meta.get("current_stage") == "Deleted_Internal":
        return None
    return version_of(meta, _texts(folder / "tags"), str(meta.get("model_id") or ""))


def _status(given: Any) -> RunStatus:
    if isinstance(given, int):
        return STATUS_BY_NUMBER.get(given, RunStatus.RUNNING)
    return STATUS_OF.get(str(given), RunStatus.RUNNING)


def _meta(folder: Path) -> dict[str, Any]:
    """Return the content of a meta.yaml.

    Raises:
        InvalidValueError: it is no YAML, or not a mapping.
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtraError("pyyaml", "azureml", "Reading MLflow's file store") from error
    file = folder / "meta.yaml"
    # The C reader is ten times as fast, and there is a file for each run.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = yaml.load(file.read_bytes(), Loader=loader)  # noqa: S506  # a safe loader either way
    except (yaml.YAMLError, OSError) as error:
        raise InvalidValueError(f"Cannot read {file}: {error}.", parameter="source", given=str(file)) from error
    if not isinstance(found, dict):
        raise InvalidValueError(f"{file} is no description of MLflow.", parameter="source", given=str(file))
    return found


def _metas(parent: Path) -> Iterator[dict[str, Any]]:
    for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
        if (folder / "meta.yaml").is_file():
            yield _meta(folder)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name, file) of all files below a folder; names may have slashes."""
    for file in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if file.is_file() and not file.is_symlink():
            yield file.relative_to(folder).as_posix(), file


def _texts(folder: Path) -> dict[str, str]:
    return {name: file.read_text(encoding="utf-8", errors="replace") for name, file in _files(folder)}


def _lines(file: Path) -> int:
    with file.open("rb") as stream:
        return sum(piece.count(b"\n") for piece in iter(lambda: stream.read(1 << 20), b""))
