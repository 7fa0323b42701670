"""What an MLflow store holds, in plain words; where its files lie; and the report of what was moved.

A `Source` reads one kind of store. It promises to give what it is asked for in the same order each time, so that a second
import finds what the first one brought.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

import msgspec
import numpy as np

from tracklog.records import DatasetInput, ModelOutput, RunStatus
from tracklog.server.mlflow_api.view import STATUS_OF
from tracklog.storage import FloatArray, IntArray
from tracklog.storage.registry import LoggedModel, LoggedModelStatus

STATUS_BY_NUMBER = dict(enumerate(STATUS_OF.values(), start=1))  # as meta.yaml has it
LOGGED_STATUS_BY_NUMBER = dict(enumerate(LoggedModelStatus, start=1))  # as databases and meta.yaml have it

# MLflow's databases have no infinity and write the greatest number instead, which nobody else logs.
_GREATEST = 1.7976931348623157e308


class Problem(msgspec.Struct, frozen=True):
    """Something that could not be moved."""

    what: str
    why: str


class Experiment(msgspec.Struct):
    """A named group of runs."""

    id: str
    name: str
    location: str = ""  # below which the files of its runs are
    deleted: bool = False
    tags: dict[str, str] = {}


class Run(msgspec.Struct):
    """A run without its points and files."""

    id: str
    name: str
    status: RunStatus
    start_ms: int
    end_ms: int | None = None
    user: str = ""
    deleted: bool = False
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    datasets: list[DatasetInput] = []
    model_inputs: list[str] = []
    model_outputs: list[ModelOutput] = []
    location: str = ""  # of its files
    fingerprint: str = ""  # changes when points are added, where that is known without reading them


class Series:
    """All points of one metric of one run; arrays of shape (n,)."""

    __slots__ = ("name", "steps", "times_ms", "values")

    def __init__(self, name: str, steps: IntArray, times_ms: IntArray, values: FloatArray) -> None:
        self.name = name
        self.steps = steps
        self.times_ms = times_ms
        self.values = values

    @classmethod
    def of(cls, name: str, rows: Sequence[tuple[int, int, float]], *, clamped: bool = False) -> Series:
        """Return the series of (step, time_ms, value) rows; `clamped`: the greatest numbers stand for the infinities."""
        steps = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        times_ms = np.fromiter((row[1] for row in rows), np.int64, len(rows))
        values = np.fromiter((row[2] for row in rows), np.float64, len(rows))
        if clamped:
            values[values == _GREATEST] = np.inf
            values[values == -_GREATEST] = -np.inf
        return cls(name, steps, times_ms, values)

    def __len__(self) -> int:
        return len(self.steps)


class File(msgspec.Struct):
    """A file of a run or logged model. `opened` opens it for reading."""

    path: str  # relative, with forward slashes
    size_bytes: int | None  # None: not known before it is read
    opened: Callable[[], contextlib.AbstractContextManager[BinaryIO]]


class Logged(msgspec.Struct):
    """A logged model and where its files are."""

    model: LoggedModel
    location: str = ""


class Version(msgspec.Struct):
    """A version of a registered model."""

    number: int
    stage: str = "None"
    description: str = ""
    user: str = ""
    source: str = ""
    run_id: str = ""
    run_link: str = ""
    model_id: str = ""
    tags: dict[str, str] = {}
    created_ms: int = 0


def dataset_of(meta: Mapping[str, Any], tags: dict[str, str]) -> DatasetInput:
    """Return a data set by MLflow's description of it, and the tags of its use."""
    return DatasetInput(
        name=str(meta.get("name") or ""),
        digest=str(meta.get("digest") or ""),
        source_type=str(meta.get("source_type") or ""),
        source=str(meta.get("source") or ""),
        schema=str(meta.get("schema") or ""),
        profile=str(meta.get("profile") or ""),
        tags=tags,
    )


def version_of(meta: Mapping[str, Any], tags: dict[str, str], model_id: str) -> Version:
    """Return a version by MLflow's description of it."""
    return Version(
        number=int(meta["version"]),
        stage=str(meta.get("current_stage") or "None"),
        description=str(meta.get("description") or ""),
        user=str(meta.get("user_id") or ""),
        source=str(meta.get("source") or ""),
        run_id=str(meta.get("run_id") or ""),
        run_link=str(meta.get("run_link") or ""),
        model_id=model_id,
        tags=tags,
        created_ms=int(meta.get("creation_timestamp") or 0),
    )


class Registered(msgspec.Struct):
    """A registered model with its versions, ascending."""

    name: str
    description: str = ""
    tags: dict[str, str] = {}
    aliases: dict[str, int] = {}
    versions: list[Version] = []


class Source(Protocol):
    """A store of MLflow to read from. Methods raise a TracklogError when it cannot be read."""

    address: str  # without secrets
    problems: list[Problem]  # what could not be read so far, and was left out

    def experiments(self) -> list[Experiment]:
        """Return all experiments, deleted ones too, by id."""

    def count_runs(self, experiment: Experiment) -> int | None:
        """Return how many runs an experiment has, None when it takes as long as reading them."""

    def runs(self, experiment: Experiment) -> Iterator[Run]:
        """Yield the runs of an experiment, deleted ones too."""

    def count_points(self, experiment: Experiment, run: Run) -> dict[str, int] | None:
        """Return how many points each metric has, None when it takes as long as reading them."""

    def series(self, experiment: Experiment, run: Run) -> Iterator[Series]:
        """Yield each metric of a run with all its points."""

    def files(self, experiment: Experiment, owner: Run | Logged) -> Iterator[File]:
        """Yield the files of a run or logged model.

        Raises:
            NotReadable: they are where they cannot or may not be read.
        """

    def logged_models(self, experiment: Experiment) -> Iterator[Logged]:
        """Yield the logged models of an experiment, deleted ones too."""

    def registered_models(self) -> Iterator[Registered]:
        """Yield the registered models, prompts among them."""

    def left_out(self) -> dict[str, int]:
        """Return how much there is of what tracklog has no place for, by its name."""

    def close(self) -> None:
        """Let go of files and connections."""


def model_of(source: str) -> str:
    """Return the id of the logged model that a version's source names, "" for none."""
    found = re.match("models:/(m-[0-9a-f]{32})", source)
    return found[1] if found else ""


class NotReadable(Exception):
    """Files that are not where this process can or may read them; the message says why."""


# -------------------------------------------------------------------------- report


class Report:
    """What was moved, what was there already, and what could not be moved, with the reasons."""

    def __init__(self) -> None:
        self.moved: Counter[str] = Counter()  # by kind: "experiments", "runs", "points", "files" …
        self.there: Counter[str] = Counter()
        self.problems: list[Problem] = []

    def note(self, what: str, why: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(what, why))


# -------------------------------------------------------------------------- places


class Places:
    """Which folders of this machine files may be read from.

    A store names any path as the place of its files. Only what lies below the folders that the user has named, or that
    belong to the store itself, is read: an import must not carry other files of this machine into a workspace.
    """

    def __init__(self, folders: Sequence[Path], base: Path) -> None:
        """Allow folders.

        Args:
            base: what relative paths of the store are relative to.
        """
        self._folders = [folder.resolve() for folder in folders]
        self._base = base

    def folder(self, location: str, within: str) -> Path | None:
        """Return the folder that a location means, None when there are no files.

        Args:
            within: the location of the experiment, which messages name: they are then the same for all of its runs.

        Raises:
            NotReadable: it is elsewhere, or not allowed.
        """
        scheme = _scheme(location)
        if scheme == "mlflow-artifacts":
            below = unquote(urlsplit(location).path).strip("/")
            found = [place for folder in self._folders if (place := (folder / below).resolve()).is_relative_to(folder)]
            if not any(folder.is_dir() for folder in self._folders):
                raise NotReadable(
                    f"they are with the MLflow server, at {within}. Name the folder it keeps artifacts in by --artifacts, or "
                    "import from the server's address"
                )
            return next((place for place in found if place.is_dir()), None)
        if scheme not in ("", "file"):
            raise NotReadable(f"they are at {within}, which is not read, and stay there")
        place, whole = self._local(location), self._local(within or location)
        if any(place.is_relative_to(folder) for folder in self._folders):
            return place if place.is_dir() else None
        if whole.is_dir() and (not place.is_dir() or not any(place.iterdir())):
            return None
        raise NotReadable(f"they are in {whole}, which is not part of the store. Allow it by --artifacts {whole}")

    def _local(self, location: str) -> Path:
        return (self._base / (unquote(urlsplit(location).path) if _scheme(location) == "file" else location)).resolve()

    def files(self, folder: Path | None) -> Iterator[File]:
        """Yield the files below a folder by their paths; those that lead out of the allowed folders are left out."""
        if folder is None:
            return
        for path in sorted(self._below(folder)):
            real = path.resolve()
            if any(real.is_relative_to(allowed) for allowed in self._folders):
                yield File(path.relative_to(folder).as_posix(), real.stat().st_size, lambda real=real: real.open("rb"))  # type: ignore[misc]  # bound now

    def _below(self, folder: Path) -> Iterator[Path]:
        for here, _, names in os.walk(folder):
            yield from (Path(here) / name for name in names if (Path(here) / name).is_file())


def _scheme(location: str) -> str:
    """Return what is before `:/` of an address; "" for a path."""
    found = re.match(r"[A-Za-z][A-Za-z0-9+.-]+(?=:/)", location)
    return found[0].lower() if found is not None else ""
