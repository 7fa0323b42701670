"""One execution with all it recorded: the class scripts log through and read from.

`log` and its siblings raise for wrong arguments only. Whatever happens to disk, network or server, they neither raise nor
wait; what they were given survives the death of the process.
"""

from __future__ import annotations

import builtins
import contextlib
import getpass
import json
import logging
import os
import sys
import tempfile
import threading
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal
from urllib.parse import quote

from tracklog.errors import (
    ConflictError,
    InvalidTypeError,
    InvalidValueError,
    NotFoundError,
    StoreError,
    TracklogError,
    shown,
)
from tracklog.records import (
    MAX_RUN_ID_CHARS,
    SCRIPT_RUN,
    SYSTEM_PREFIX,
    DType,
    ErrorInfo,
    Event,
    LogLine,
    LogLines,
    MetricKind,
    ParamsSet,
    ParamValue,
    PropertiesSet,
    RunEdited,
    RunStarted,
    RunStatus,
    StatusChanged,
    TagsSet,
)
from tracklog.sdk import values as convert
from tracklog.sdk.experiment import DOCS_URL, Experiment, html_table, link
from tracklog.sdk.recorder import (
    CLOSE_TIMEOUT_S,
    FLUSH_BEFORE_READ_S,
    VISIBLE_PATIENCE_S,
    VISIBLE_S,
    Recorder,
    flush_living,
    now_ms,
    recover_run,
    status_of,
)
from tracklog.settings import USUAL_PORTAL, chosen_captures
from tracklog.storage import DATABASE, ArtifactInfo, MetricColumns, MetricSummary, RunInfo, RunQuery, validate_artifact_path

if TYPE_CHECKING:
    from typing_extensions import Self

    from tracklog.sdk.capture import Rank
    from tracklog.sdk.configuration import Environment, ScriptRunConfig
    from tracklog.sdk.model import Model
    from tracklog.sdk.submitted import ScriptRun
    from tracklog.sdk.workspace import Workspace

_log = logging.getLogger(__name__)

WATCHED_BY = "TRACKLOG_WATCHED_BY"  # environment variable of a submitted script: the process that ends its run
PARENT_RUN = "TRACKLOG_PARENT_RUN"  # … and the run its own is a child of
SNAPSHOT_FOLDER = ".snapshot/"  # of a run's files: what `take_snapshot` kept; no file of the script's


class _Labels(dict[str, Any]):
    """A dict that records what is put into it; the run decides what is allowed."""

    def __init__(self, values: Mapping[str, Any], write: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(values)
        self._write = write

    def __setitem__(self, key: str, value: Any) -> None:
        self._write({key: value})

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._write({key: None})

    def update(self, *others: Any, **more: Any) -> None:
        self._write(dict(*others, **more))

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        if key not in self and default:
            return default[0]
        value = self[key]
        del self[key]
        return value

    def accept(self, key: str, value: Any) -> None:
        """Take a value that was recorded."""
        super().__setitem__(key, value)

    def drop(self, key: str) -> None:
        """Take the removal of a key that was recorded."""
        super().pop(key, None)


class Run:
    """A run that is being recorded, or one that is read; reading works on both.

    Get one from `tracklog.start_run`, `tracklog.get_run`, `Experiment.start_logging`, or by its id: `Run(experiment, id)`.
    As a context manager it completes at the end, and fails with the traceback when an exception leaves the block.
    """

    def __init__(self, experiment: Experiment, run_id: str, outputs: Any = None, **kwargs: Any) -> None:
        """Open an existing run by its id.

        Raises:
            NotFoundError: there is no such run in the experiment's workspace.
        """
        flush_living(experiment.workspace.uri, run_id)
        self._attach(experiment, experiment.workspace.store.get_run(run_id))

    # --------------------------------------------------------------- construction

    @classmethod
    def from_info(cls, workspace: Workspace, info: RunInfo) -> Run:
        """Return the run a store told of."""
        run = cls.__new__(cls)
        run._attach(Experiment(workspace, info.experiment), info)
        return run

    @classmethod
    def begin(
        cls,
        experiment: Experiment,
        *,
        name: str | None = None,
        run_id: str | None = None,
        params: Any = None,
        tags: Mapping[str, Any] | None = None,
        description: str = "",
        parent_id: str | None = None,
        capture: Any = None,
        resume: bool = False,
        type: str = "",  # noqa: A002  # v1's name
        is_v1: bool = False,
    ) -> Self:
        """Start to record a run; see `tracklog.start_run` for the arguments.

        `is_v1`: by a name of Azure ML v1. The run then has v1's properties of the git checkout, and a `with` block of it
        keeps `./logs` and goes on after `sys.exit()`.
        """
        workspace = experiment.workspace
        checked_params = convert.param_values(params) if params is not None else {}
        checked_tags = _checked_tags(tags or {})
        what = workspace.settings.capture if capture is None else chosen_captures(capture)
        if name is not None:
            name = convert.metric_name(name, what="run")
        if run_id is not None and (not 0 < len(run_id) <= MAX_RUN_ID_CHARS or "\x00" in run_id):
            raise InvalidValueError(
                f"Cannot use {shown(run_id)} as a run id. Expected 1 to {MAX_RUN_ID_CHARS} characters.",
                parameter="run_id",
                given=run_id,
            )
        place = None if run_id is None else _rank()  # without a run id each process has a run of its own
        start_ms = _start_ms()
        counts: dict[str, int] = {}
        if resume and run_id is not None:
            recover_run(workspace.settings, run_id)  # what the process it goes on from logged last: the store may not know it
            found = workspace.store.get_run(run_id)
            if experiment.name != found.experiment:
                experiment = Experiment(workspace, found.experiment)
            counts = _next_steps(found.metrics)
            info = found
        else:
            run_id = run_id or uuid.uuid4().hex
            info = RunInfo(
                id=run_id,
                experiment=experiment.name,
                number=0,
                name=name or "",
                status=RunStatus.RUNNING,
                start_ms=start_ms,
                parent_id=parent_id,
                description=description,
                type=type,
                user=user_name(),
            )
        started = RunStarted(
            experiment=experiment.name,
            start_ms=info.start_ms,
            name=info.name,
            parent_id=info.parent_id,
            type=info.type,
            user=info.user,
            description=info.description,
        )
        run = cls.__new__(cls)
        run._attach(experiment, info)
        recorder = Recorder(workspace.settings, run_id, started, counts=counts)
        recorder.rank = place
        recorder.leads = type != SCRIPT_RUN  # else the script leads, not who submits it
        run._use_recorder(recorder)
        # A rank that comes late would say of a run that has ended that it runs.
        events: list[Event] = [] if recorder.is_further_rank else [StatusChanged(RunStatus.RUNNING, start_ms)]
        if checked_params:
            events.append(ParamsSet(checked_params))
        if checked_tags:
            events.append(TagsSet(checked_tags))
        recorder.open(*events)
        for key, value in checked_params.items():
            run._params.accept(key, value)
        for key, tag in checked_tags.items():
            run._tags.accept(key, tag or None)
        run._status = RunStatus.RUNNING
        run._is_live = True
        run._is_resumed = resume
        run._is_v1 = is_v1
        if is_v1 and parent_id is None and isinstance(offline := _contexts.get(None), _OfflineRun):
            offline.is_replaced = True
        run._say_where()  # before prints are recorded: this line is ours, not the script's
        if what:
            recorder.capture(what, git_properties=is_v1)
        if is_v1 and parent_id is None:
            # v1's runs were in the service when this returned: scripts hand the id to an MLflow client next.
            recorder.flush(VISIBLE_S, patience_s=VISIBLE_PATIENCE_S)
        return run

    def _attach(self, experiment: Experiment, info: RunInfo) -> None:
        self._experiment = experiment
        self._info = info
        self._status = info.status
        self._recorder: Recorder | None = None
        self._is_live = False  # this object started or resumed the run and is to end it
        self._is_resumed = False
        self._parent: Run | None = None
        self._is_v1 = False  # started by a name of v1: what v1 does beside recording is done
        self._added_properties: dict[str, str] = {}
        self._datasets = InputDatasets(), OutputDatasets()
        self._params = _Labels(info.params, self._set_params)
        self._tags = _Labels(_as_read(info.tags), self._set_tags)

    @classmethod
    def _joined(
        cls, workspace: Workspace, experiment: str, run_id: str, type_: str, parent_id: str | None = None, *, leads: bool = False
    ) -> Self:
        """Return a run that another process has begun and ends, for adding to it. The store is not asked.

        `leads`: this is the script, or its first rank.
        """
        start_ms = now_ms()
        info = RunInfo(
            id=run_id,
            experiment=experiment,
            number=0,
            name="",
            status=RunStatus.RUNNING,
            start_ms=start_ms,
            parent_id=parent_id,
            type=type_,
            user=user_name(),
        )
        run = cls.__new__(cls)
        run._attach(Experiment(workspace, experiment), info)
        started = RunStarted(experiment=experiment, start_ms=start_ms, type=type_, parent_id=parent_id)
        recorder = Recorder(workspace.settings, run_id, started)
        recorder.ends_run = False
        if leads:
            recorder.leads = True
            recorder.rank = _rank()
            recorder.job = os.environ.get(WATCHED_BY, "")
        run._use_recorder(recorder)
        recorder.open()
        return run

    def _hand_over(self, status: RunStatus) -> None:
        """Send all and write no more: another process goes on with the run."""
        self._recording().close(None, None, CLOSE_TIMEOUT_S)
        self._status = status
        self._is_live = False
        self._recorder = None  # what is said of the run from now on, such as `cancel`, is said to the store anew
        del self.log

    def _use_recorder(self, recorder: Recorder) -> None:
        self._recorder = recorder
        # The closure replaces the method on this object: the hot path without a bound method and an attribute look-up.
        self.log = recorder.log  # type: ignore[method-assign]  # same parameters, see `Recorder._make_log`

    def _recording(self) -> Recorder:
        """Return the recorder, opening one for a run that was only read so far."""
        recorder = self._recorder
        if recorder is None:
            info = self._info
            started = RunStarted(experiment=info.experiment, start_ms=info.start_ms, name=info.name)
            try:
                counts = _next_steps(self._fresh().metrics)
            except (NotFoundError, StoreError):  # the store is away, perhaps with what would create the run: steps begin at 0
                counts = {}
            recorder = Recorder(self._experiment.workspace.settings, info.id, started, counts=counts)
            recorder.ends_run = False
            self._use_recorder(recorder)
            recorder.open()
        return recorder

    # -------------------------------------------------------------------- identity

    @property
    def id(self) -> str:
        """The run's id, unique in the workspace."""
        return self._info.id

    @property
    def _run_id(self) -> str:  # scripts look at it to tell offline runs
        return self.id

    @property
    def experiment(self) -> Experiment:
        """The experiment the run belongs to."""
        return self._experiment

    @property
    def input_datasets(self) -> InputDatasets:
        """What a submitted script was given, by name: data sets, or for mode `mount` and `download` paths."""
        return self._datasets[0]

    @property
    def output_datasets(self) -> OutputDatasets:
        """Folders that a submitted script writes, by the names of its outputs."""
        return self._datasets[1]

    @property
    def type(self) -> str | None:
        """What kind of run it is, such as "azureml.scriptrun"; None for interactive ones."""
        return self._info.type or None

    @property
    def name(self) -> str:
        """The run's name; assign to rename. `run-<number>` when none was given."""
        if not self._info.name:
            self._info = self._fresh()
        return self._info.name

    @name.setter
    def name(self, name: str) -> None:
        import msgspec

        name = convert.metric_name(name, what="run")
        self._recording().add(RunEdited(name=name))
        self._info = msgspec.structs.replace(self._info, name=name)

    display_name = name

    @property
    def description(self) -> str:
        """Free text about the run; assign to change."""
        return self._info.description

    @description.setter
    def description(self, text: str) -> None:
        import msgspec

        if not isinstance(text, str):
            raise InvalidTypeError(
                f"Cannot use {shown(text)} as a description. Expected text.", parameter="description", given=text
            )
        self._recording().add(RunEdited(description=text))
        self._info = msgspec.structs.replace(self._info, description=text)

    @property
    def number(self) -> int:
        """1, 2, … within the experiment."""
        if not self._info.number:
            self._info = self._fresh()
        return self._info.number

    @property
    def status(self) -> str:
        """The status word as last known; `get_status()` asks the store."""
        return self._status.value

    def get_status(self) -> str:
        """Return the status word now."""
        self._status = self._fresh().status
        return self._status.value

    def get_detailed_status(self) -> dict[str, Any]:
        """Return {"status": word now, "details": why a failed run failed, else None}."""
        info = self._fresh()
        return {"status": info.status.value, "details": info.error.message if info.error else None}

    @property
    def info(self) -> RunInfo:
        """Everything the store knows of the run, but its points."""
        return self._fresh()

    @property
    def params(self) -> dict[str, ParamValue]:
        """Inputs of the run, written once: `run.params["lr"] = 0.1`, `run.params.update({...})`."""
        return self._params

    @property
    def tags(self) -> dict[str, str | None]:
        """Labels of the run: assign, `del`, `update`. Values become text; one without text is None."""
        return self._tags

    def get_tags(self) -> dict[str, str | None]:
        """Return the labels as the store has them now; one without a value is None."""
        return _as_read(self._fresh().tags)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Add or change labels. Values become text, with a warning; None stays."""
        checked = _checked_tags(tags)
        _warn_of_conversion("tag", tags)
        self._set_tags({key: value or "" for key, value in checked.items()})

    def tag(self, key: str, value: Any = None) -> None:
        """Add or change one label, with or without a value."""
        self.set_tags({key: value})

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Remove labels."""
        self._set_tags(dict.fromkeys(tags))

    @property
    def properties(self) -> dict[str, str | None]:
        """Facts that never change: a copy. `add_properties` adds."""
        if self._is_v1 and self._recorder is not None:
            self._recorder.wait_for_capture()  # which adds those of the git checkout
        return _as_read(self._fresh().properties)

    def get_properties(self) -> dict[str, str | None]:
        """Return the properties as the store has them now; one without a value is None."""
        return self.properties

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """Add facts that never change. Values become text, with a warning; None stays.

        Raises:
            ConflictError: a property has another value already; none is added then.
        """
        if not isinstance(properties, Mapping):
            raise InvalidTypeError(
                f"Cannot use {shown(properties)} as properties. Expected a dict of names and values.",
                parameter="properties",
                given=properties,
            )
        added = {key: value or "" for key, value in _checked_tags(properties, what="property").items()}
        if not added:
            return
        _warn_of_conversion("property", properties)
        recorder = self._recording()
        known = {**self._known_properties(), **self._added_properties}
        for key, value in added.items():
            if known.get(key, value) != value:
                raise ConflictError(
                    f"Property `{key}` of run {self.id} is {shown(known[key])} and cannot become {shown(value)}: properties "
                    "never change. Use a tag for what changes, or another name."
                )
        recorder.add(PropertiesSet(added))
        self._added_properties.update(added)

    def _known_properties(self) -> dict[str, str]:
        if self._is_live and not self._is_resumed:
            return {}  # nobody else adds any; a training does not wait to be told so
        try:
            return dict(self._fresh().properties)
        except (NotFoundError, StoreError):  # a store that is away: the training goes on, and the first value stays
            return {}

    def _set_params(self, params: Mapping[str, Any]) -> None:
        checked = convert.param_values(params)
        for key, value in checked.items():
            if key in self._params and not _same(self._params[key], value):
                raise ConflictError(
                    f"Param `{key}` of run {self.id} is {shown(self._params[key])} and cannot become {shown(value)}: params are "
                    "written once. Use a tag for what changes, or another name."
                )
        self._recording().add(ParamsSet(checked))
        for key, value in checked.items():
            self._params.accept(key, value)

    def _set_tags(self, tags: Mapping[str, Any]) -> None:
        checked = _checked_tags(tags)
        if not checked:
            return
        self._recording().add(TagsSet(checked))
        for key, value in checked.items():
            if value is None:
                self._tags.drop(key)
            else:
                self._tags.accept(key, value or None)

    # --------------------------------------------------------------------- logging

    def log(self, name: Any, value: Any = None, description: Any = "", step: Any = None) -> None:
        """Record a value of a metric: `log("loss", 0.3)`, `log("loss", 0.3, step=7)`, `log({"loss": 0.3, "acc": 0.9}, step=7)`.

        Numbers (NumPy's and one-element tensors too), bools, text and None; NaN, ±inf and int64 are kept exactly. Without
        `step` points count up from 0. Costs about a microsecond; never waits and never raises for infrastructure.

        Raises:
            InvalidTypeError: a name that is not text; a list, table, image … (use `log_list`, `log_row`, `log_image`).
            InvalidValueError: an empty name, a step beyond int64.
        """
        self._recording().log(name, value, description, step)

    def log_list(self, name: str, value: Iterable[Any], description: str = "") -> None:
        """Record every element of a list, array, range or generator as a point of one metric."""
        name = convert.metric_name(name)
        self._recording().log_list(name, convert.list_values(value, name=name), description)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        """Record a row of a table metric: `log_row("lr curve", epoch=3, lr=0.01)`."""
        name = convert.metric_name(name)
        columns = convert.row_values(kwargs, name=name)
        cells = {column: [cell] for column, cell in columns.items()}
        self._recording().log_rows(name, MetricKind.ROW, cells, description or "")

    def log_table(self, name: str, value: Any, description: str = "") -> None:
        """Record rows of a table metric: a dict of equally long columns, or a DataFrame."""
        name = convert.metric_name(name)
        self._recording().log_rows(name, MetricKind.TABLE, convert.table_columns(value, name=name), description)

    def log_histogram(self, name: str, values: Any, *, step: Any, bins: int = 64) -> None:
        """Record how often which values occur at a step: weights, gradients, activations.

        Kept are the counts of `bins` equal bins, as rows of a table metric with the columns `step`, `bin_start`, `bin_end`
        and `count`; the portal draws all steps as a map.

        Args:
            name: metric name.
            values: numbers in an array, tensor or nested list of any shape. NaN and ±inf are left out; when nothing else is
                there, the one bin has NaN as its ends.
            step: of the training.
            bins: 1 to 1,000.
        """
        name = convert.metric_name(name)
        columns = convert.histogram_columns(values, convert.step_value(step), bins, name=name)
        self._recording().log_rows(name, MetricKind.TABLE, columns, "")

    def log_image(self, name: str, path: Any = None, plot: Any = None, description: str = "", step: Any = None) -> None:
        """Record an image: a file, a matplotlib figure or pyplot, a PIL image, or an array.

        Args:
            name: metric name; images of one name form a slider over steps.
            path: any of the above; arrays are (H, W), (H, W, 3) or (H, W, 4), uint8 or float in 0..1.
            plot: the same, in Azure ML v1's spelling for figures.
            step: counts up from 0 without it.
        """
        name = convert.metric_name(name)
        if (path is None) == (plot is None):
            raise InvalidValueError(
                f"log_image({name!r}) needs either `path` or `plot`, exactly one of them: a file, a figure or an array.",
                parameter="path",
                given=path,
            )
        checked_step = None if step is None else convert.step_value(step)
        data, extension = convert.image_png(path if plot is None else plot, name=name)
        recorder = self._recording()
        at = checked_step if checked_step is not None else recorder.next_step(name)
        target = validate_artifact_path(f"images/{_file_name(name)}/{at:08d}-{uuid.uuid4().hex[:6]}{extension}")
        recorder.add_file(target, data)
        recorder.log_artifact_metric(name, MetricKind.IMAGE, target, at, description)

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        """Record a confusion matrix: a dict (or its JSON) with `class_labels` and `matrix`, rows = true classes, as it is
        or below `data` as Azure ML v1 has it. Arrays are fine; so is the bare matrix, whose classes are numbered then.
        """
        if not isinstance(value, (Mapping, str, bytes)):
            value = convert.bare_matrix(value, name=convert.metric_name(name))
        self._log_json(name, MetricKind.CONFUSION_MATRIX, value, description)

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        """Record an accuracy table, the counts behind ROC and precision-recall curves: a dict or its JSON."""
        self._log_json(name, MetricKind.ACCURACY_TABLE, value, description)

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        """Record a histogram of residuals: a dict (or its JSON) with `bin_edges` and `bin_counts`."""
        self._log_json(name, MetricKind.RESIDUALS, value, description)

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        """Record predictions against true values: a dict (or its JSON) with `bin_averages`, `bin_errors`, `bin_counts`,
        `bin_edges`.
        """
        self._log_json(name, MetricKind.PREDICTIONS, value, description)

    def _log_json(self, name: str, kind: MetricKind, value: Any, description: str) -> None:
        name = convert.metric_name(name)
        data = convert.json_document(value, name=name)
        recorder = self._recording()
        at = recorder.next_step(name)
        # v1 names the file like the metric; the first keeps that name, later ones must not replace it.
        base = _file_name(name)
        target = validate_artifact_path(base if at == 0 else f"{base}.{at}")
        recorder.add_file(target, data)
        recorder.log_artifact_metric(name, kind, target, at, description)

    def log_text(self, name: str, text: str, step: Any = None) -> None:
        """Record text under a metric name, such as a generated sample; shown by step."""
        if not isinstance(text, str):
            raise InvalidTypeError(
                f"log_text({name!r}) was given {shown(text)}. Expected text; use `log` for numbers.",
                parameter="text",
                given=text,
            )
        self.log(name, text, step=step)

    # ----------------------------------------------------------------------- files

    def upload_file(
        self, name: str, path_or_stream: str | os.PathLike[str] | BinaryIO, datastore_name: str | None = None
    ) -> ArtifactInfo | None:
        """Keep a file with the run under `name` (a relative path), as it is now; one of that name is replaced."""
        name = _artifact_name(name)
        recorder = self._recording()
        if hasattr(path_or_stream, "read"):
            content = path_or_stream.read()
            recorder.add_file(name, content.encode() if isinstance(content, str) else bytes(content))
        else:
            if not isinstance(path_or_stream, (str, os.PathLike)):
                raise InvalidTypeError(
                    f"Cannot upload {shown(path_or_stream)} as `{name}`. Expected the path of a file, or an open file.",
                    parameter="path_or_stream",
                    given=path_or_stream,
                )
            source = Path(path_or_stream)
            if not source.is_file():
                raise InvalidValueError(
                    f"Cannot upload {shown(str(path_or_stream))} as `{name}`: there is no such file"
                    f"{' (it is a folder; use upload_folder)' if source.is_dir() else ''}.",
                    parameter="path_or_stream",
                    given=str(path_or_stream),
                )
            if source.name.startswith(DATABASE) and (source.parent / DATABASE).exists():
                raise InvalidValueError(  # see `tracklog.sdk.snapshot` for what reading it would do
                    f"Cannot upload {shown(str(source))} as `{name}`: it belongs to a workspace that may be in use.",
                    parameter="path_or_stream",
                    given=str(path_or_stream),
                )
            if not os.access(source, os.R_OK):
                raise InvalidValueError(
                    f"Cannot upload {shown(str(source))} as `{name}`: it cannot be read by this user.",
                    parameter="path_or_stream",
                    given=str(path_or_stream),
                )
            recorder.add_file(name, source)
        return None

    def upload_files(
        self,
        names: Sequence[str],
        paths: Sequence[str | os.PathLike[str]],
        return_artifacts: bool = False,
        timeout_seconds: float | None = None,
        datastore_name: str | None = None,
    ) -> None:
        """Keep several files with the run, each of `paths` under the name at the same place of `names`."""
        if isinstance(names, str) or isinstance(paths, str) or len(names) != len(paths):
            raise InvalidTypeError(
                f"upload_files was given {shown(names)} and {shown(paths)}. Expected two lists of equal length.",
                parameter="paths",
                given=paths,
            )
        for name, path in zip(names, paths, strict=True):
            self.upload_file(name, path)

    def upload_folder(self, name: str, path: str | os.PathLike[str], datastore_name: str | None = None) -> None:
        """Keep all files below a folder, as `name/…`. Links that lead out of it are left out."""
        from tracklog.sdk.snapshot import files_below

        root = Path(path)
        if not root.is_dir():
            raise InvalidValueError(
                f"Cannot upload {shown(str(path))} as `{name}`: it is not a folder.", parameter="path", given=str(path)
            )
        prefix = "" if name in ("", ".", "./") else _artifact_name(name) + "/"
        for file in files_below(root):
            self.upload_file(prefix + file.relative_to(root).as_posix(), file)

    def get_file_names(self) -> list[str]:
        """Return the paths of the run's files. What it printed is one of them, by the name v1 gives to it."""
        from tracklog.sdk import details

        self._flush_before_read()
        store = self._experiment.workspace.store
        names = [found.path for found in store.artifacts(self.id) if not found.path.startswith(SNAPSHOT_FOLDER)]
        printed = details.output_log(self)
        if printed not in names and store.log_lines(self.id, 0, 1).total_lines:
            names.append(printed)
        return names

    def download_file(
        self, name: str, output_file_path: str | os.PathLike[str] | None = None, _validate_checksum: bool = False
    ) -> Path:
        """Write a file of the run to disk: to `output_file_path` (a file or folder), by default its base name here.

        Raises:
            NotFoundError: the run has no such file; the message lists what it has.
        """
        from tracklog.sdk import details

        self._flush_before_read()
        name = _artifact_name(name)
        base = name.rsplit("/", 1)[-1]
        target = Path(output_file_path) if output_file_path is not None else Path(base)
        if target.is_dir() or str(output_file_path).endswith(("/", os.sep)):
            target /= base
        write_file(target, details.file_or_log(self, name))
        return target

    def download_files(
        self,
        prefix: str | None = None,
        output_directory: str | os.PathLike[str] | None = None,
        output_paths: Sequence[str | os.PathLike[str]] | None = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: float | None = None,
    ) -> None:
        """Write the run's files below a folder `prefix` (all by default) to disk.

        Args:
            prefix: a folder of the run.
            output_directory: where to; by default here.
            output_paths: instead, a path for each file, in the order of `get_file_names`.
            append_prefix: False leaves the prefix out of the written paths.
        """
        below = "" if prefix in (None, "", ".", "./") else _artifact_name(str(prefix).rstrip("/"))
        kept = self.get_file_names()
        names = [name for name in kept if not below or name == below or name.startswith(below + "/")]
        if not names:
            _log.warning("Run %s has no files below %s. Its files: %s.", self.id, shown(prefix), ", ".join(kept[:20]) or "none")
        if output_paths is not None:
            if isinstance(output_paths, (str, os.PathLike)):
                output_paths = [output_paths]
            if len(output_paths) != len(names):
                raise InvalidValueError(
                    f"download_files was given {len(output_paths)} output_paths for {len(names)} files: "
                    f"{shown(names)}. Expected one for each.",
                    parameter="output_paths",
                    given=output_paths,
                )
            targets = [Path(path) for path in output_paths]
        else:
            root = Path(output_directory or ".")
            cut = len(below) + 1 if below and not append_prefix else 0
            targets = [root / (name[cut:] or name.rsplit("/", 1)[-1]) for name in names]
        for name, target in zip(names, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            self.download_file(name, target)

    # --------------------------------------------------------------------- reading

    def get_metrics(
        self, name: str | None = None, recursive: bool = False, run_type: str | None = None, populate: bool = False
    ) -> dict[str, Any]:
        """Return metrics in Azure ML v1's shapes.

        A metric logged once is the bare value, logged more often a list in order of step; a table is a dict of columns, each
        a bare value or list, with None where a row lacks the column; an image or JSON chart is the address
        `aml://artifactId/ExperimentRun/dcid.<run id>/<path>` of the first logged. An unknown name gives {}.

        Args:
            name: only this metric. Without it, samples of the machine (`system/…`) are left out.
            recursive: of this run and all below it, as {run id: metrics}; runs without metrics are left out.
            run_type: with `recursive`, only of runs of this type.
            populate: charts as `MetricFile` with their content instead of an address.
        """
        if recursive:
            everyone = [self, *self.get_children(recursive=True)]
            by_run = {
                run.id: run.get_metrics(name, populate=populate) for run in everyone if run_type is None or run.type == run_type
            }
            return {run_id: metrics for run_id, metrics in by_run.items() if metrics}
        info = self._fresh()
        store = self._experiment.workspace.store
        by_name: dict[str, MetricSummary] = {}
        for summary in info.metrics:
            if summary.name == name or (name is None and not summary.name.startswith(SYSTEM_PREFIX)):
                by_name.setdefault(summary.name, summary)
        found: dict[str, Any] = {}
        for metric, summary in by_name.items():
            if summary.kind.has_columns():
                page = store.table(self.id, metric, 0, 10_000)
                rows = list(page.rows)
                while len(rows) < page.total_rows:
                    rows.extend(store.table(self.id, metric, len(rows), 10_000).rows)
                columns = {column: [row[i] for row in rows] for i, column in enumerate(page.columns)}
                found[metric] = {column: cells[0] if len(cells) == 1 else cells for column, cells in columns.items()}
            else:
                points = store.columns(self.id, metric).values.tolist()
                is_file = summary.dtype is DType.TEXT and summary.kind not in (MetricKind.SCALAR, MetricKind.LIST)
                if is_file:
                    found[metric] = MetricFile(self, points[0]) if populate else _artifact_address(self.id, points[0])
                else:
                    found[metric] = points[0] if len(points) == 1 else points
        return found

    def series(self, name: str, column: str = "") -> MetricColumns:
        """Return every point of a metric as NumPy columns: `.steps`, `.times_ms`, `.values`, ascending by step.

        Raises:
            NotFoundError: no such metric; the message lists what there is.
        """
        self._flush_before_read()
        return self._experiment.workspace.store.columns(self.id, name, column)

    def _fresh(self) -> RunInfo:
        self._flush_before_read()
        return self._experiment.workspace.store.get_run(self.id)

    def _flush_before_read(self) -> None:
        if self._recorder is not None:
            self._recorder.flush(FLUSH_BEFORE_READ_S)

    # ------------------------------------------------------------ parents, children

    @property
    def parent(self) -> Run | None:
        """The run this one belongs to, None at the top. The same object each time: callbacks log to it at every step."""
        parent_id = self._info.parent_id
        if self._parent is None and parent_id is not None:
            try:
                self._parent = self._experiment.workspace.get_run(parent_id)
            except StoreError:  # away for now; whoever only logs to it need not know
                self._parent = Run.from_info(
                    self._experiment.workspace,
                    RunInfo(parent_id, self._experiment.name, number=0, name="", status=RunStatus.RUNNING, start_ms=now_ms()),
                )
        return self._parent

    def get_environment(self) -> Environment:
        """Return the environment the run was submitted with; of its environment variables the names only.

        Raises:
            NotFoundError: the run was not submitted.
        """
        from tracklog.sdk.configuration import Environment

        definition = self._fresh().info.get("definition")
        if not isinstance(definition, dict) or not isinstance(definition.get("environment"), dict):
            raise NotFoundError(f"Run {self.id} was not submitted with an environment.", what="environment", given=self.id)
        return Environment.from_definition(definition["environment"])

    def get_secret(self, name: str) -> str | None:
        """Return an environment variable of this process; None when there is none. tracklog keeps no secrets."""
        return os.environ.get(name)

    def get_secrets(self, secrets: Iterable[str]) -> dict[str, str | None]:
        """Return several environment variables of this process by name."""
        return {name: self.get_secret(name) for name in secrets}

    def register_model(
        self,
        model_name: str,
        model_path: str | None = None,
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        description: str | None = None,
        datasets: Any = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
        **kwargs: Any,
    ) -> Model:
        """Give a registered model its next version, made of files of this run; there is such a model from then on.

        The version keeps the files as they are now, whatever the run writes later. While the run is recorded by this process,
        a store that is away does not stop it: a line on stderr says so, and the model's `version` is 0.

        Args:
            model_name: letters, digits, `-`, `.`, `_`.
            model_path: a file or folder of the run; while this process records it, one on this disk, which is uploaded, comes
                first. By default `model_name`.
            tags: labels that may change; values become text.
            properties: facts that never change; values become text.
            datasets: (purpose, data set) pairs.

        Raises:
            ModelPathNotFoundException: there is no such path; the message lists the run's files.
            WebserviceException: the name cannot be used, or a framework's version comes without the framework.
        """
        from tracklog.sdk.model import register_from_run

        return register_from_run(
            self,
            model_name,
            model_path,
            is_recorded_here=self._is_live or isinstance(self, _SubmittedRun),
            tags=tags,
            properties=properties,
            description=description,
            datasets=datasets,
            model_framework=model_framework,
            model_framework_version=model_framework_version,
            sample_input_dataset=sample_input_dataset,
            sample_output_dataset=sample_output_dataset,
            resource_configuration=resource_configuration,
        )

    @classmethod
    def get_docs_url(cls) -> str:
        """Return where the documentation of this class is."""
        return DOCS_URL

    @staticmethod
    def list_by_compute(
        compute: Any,
        type: str | None = None,  # noqa: A002  # v1's name
        tags: Any = None,
        properties: Any = None,
        status: str | None = None,
    ) -> Iterator[Run]:
        """Yield the runs that were submitted to a compute target, newest first; filters as in `get_children`."""
        from tracklog.sdk.compute import PROPERTY

        wanted = _filter(tags, properties, type, status)
        for info in compute.workspace.find_runs(RunQuery()):
            if info.properties.get(PROPERTY) == compute.name and wanted(info):
                yield _run_of(compute.workspace, info)

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: Any = None, **options: Any) -> Run:
        """Start a run below this one; end it with `complete()` or a `with` block. Captures nothing unless told to."""
        child = Run.begin(
            self._experiment,
            name=name,
            run_id=run_id,
            parent_id=self.id,
            capture=options.pop("capture", False),
            is_v1=self._is_v1,
            **options,
        )
        child._parent = self
        return child

    def create_children(
        self, count: int | None = None, tag_key: str | None = None, tag_values: Sequence[Any] | None = None
    ) -> list[Run]:
        """Start several runs below this one: `count` of them, numbered by the tag `azureml.batch_child_number`, or one for
        each of `tag_values`, which it gets as the tag `tag_key`.
        """
        numbered = count is not None and tag_key is None and tag_values is None
        if not numbered and (count is not None or tag_key is None or tag_values is None):
            raise InvalidValueError(
                f"create_children was given count={count!r}, tag_key={tag_key!r}, tag_values={shown(tag_values)}. "
                "Expected either `count` alone, or `tag_key` and `tag_values`.",
                parameter="count",
                given=count,
            )
        if numbered:
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise InvalidValueError(
                    f"Cannot create {shown(count)} child runs. Expected a whole number from 1.", parameter="count", given=count
                )
            tags = [{"azureml.batch_child_number": str(number)} for number in range(count)]
        else:
            tags = [{str(tag_key): str(value)} for value in tag_values or ()]
        return [self.child_run(tags=one) for one in tags]

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: str | None = None,  # noqa: A002  # v1's name
        status: str | None = None,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Run]:
        """Yield the runs below this one, newest first: direct ones, or all with `recursive`.

        Args:
            tags: a name that must be there, or a dict of names and values.
            properties: the same for properties.
            type: only of this type.
            status: only in this status.
        """
        self._flush_before_read()
        wanted = _filter(tags, properties, type, status)
        for info in self._experiment.workspace.find_runs(RunQuery(parent_id=self.id)):
            child = _run_of(self._experiment.workspace, info)
            if wanted(info):
                yield child
            if recursive and info.children:
                yield from child.get_children(True, tags, properties, type, status)

    def submit_child(self, config: ScriptRunConfig, tags: Mapping[str, Any] | None = None, **kwargs: Any) -> ScriptRun:
        """Execute a script as a run below this one; see `Experiment.submit`."""
        return self._experiment._submit(config, tags, self.id, **kwargs)

    # --------------------------------------------------------------------- context

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any) -> Run:
        """Return the run this script belongs to.

        In a submitted script that is the submitted run. In a bare `python train.py` a run is started and recorded; its id
        begins with `OfflineRun_`, by which scripts tell the two. Later calls return the same run while it lasts.

        Raises:
            RunEnvironmentException: the script was not submitted, and `allow_offline` is false.
        """
        from tracklog.sdk.exceptions import RunEnvironmentException

        submitted = _submitted_environment()
        if submitted is None and not allow_offline:
            raise RunEnvironmentException
        with _context_lock:
            known = _contexts.get(submitted)
            if known is None or (submitted is None and not known._is_live):
                known = _OfflineRun.begin_here() if submitted is None else _SubmittedRun.attach(*submitted)
                _contexts[submitted] = known
            return known

    @classmethod
    def get_submitted_run(cls, **kwargs: Any) -> Run:
        """Return the run of a submitted script; the older name of `get_context(allow_offline=False)`."""
        return cls.get_context(allow_offline=False, **kwargs)

    # --------------------------------------------------------------------- finding

    @staticmethod
    def get(workspace: Workspace, run_id: str) -> Run:
        """Return a run of a workspace by its id.

        Raises:
            NotFoundError: there is no such run.
        """
        return workspace.get_run(run_id)

    @staticmethod
    def list(
        experiment: Experiment,
        type: str | None = None,  # noqa: A002  # v1's name
        tags: Any = None,
        properties: Any = None,
        status: str | None = None,
        include_children: bool = False,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Run]:
        """Yield runs of an experiment, newest first; filters as in `get_children`."""
        wanted = _filter(tags, properties, type, status)
        query = RunQuery(experiment=experiment.name, top_level=not include_children)
        for info in experiment.workspace.find_runs(query):
            if wanted(info):
                yield _run_of(experiment.workspace, info)

    @staticmethod
    def add_type_provider(runtype: str, run_factory: Callable[[Experiment, RunInfo], Run]) -> None:
        """Have runs of a type made by `run_factory(experiment, info)` when they are read.

        Raises:
            ValueError: the type has a provider already.
        """
        if runtype in _type_providers:
            raise ValueError(f"Runs of type {runtype!r} have a provider already: {_type_providers[runtype]!r}.")
        _type_providers[runtype] = run_factory

    # ------------------------------------------------------------------ life cycle

    def flush(self, timeout_seconds: float = 300) -> bool:
        """Wait until the store has everything logged so far; False when it has not in time."""
        return self._recorder is None or self._recorder.flush(timeout_seconds, patience_s=None)

    def start(self) -> None:
        """Begin: a run is started when it is made, so this changes nothing."""

    def complete(self, _set_status: bool = True) -> None:
        """End the run as Completed. Waits a short while for the store; what is left arrives later."""
        self._end(RunStatus.COMPLETED if _set_status else None, None)

    def fail(self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True) -> None:
        """End the run as Failed, with a text or an exception as the reason."""
        error = _failure(error_details, error_code)
        self._end(RunStatus.FAILED if _set_status else None, error)

    def cancel(self) -> None:
        """End the run as Canceled."""
        self._end(RunStatus.CANCELED, None)

    def clean(self) -> None:
        """Remove what an execution left on this machine: nothing, as runs work in place."""

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> dict[str, Any]:
        """Wait until the run has ended and return `get_details()`.

        Args:
            show_output: print the run's log as it grows.
            raise_on_error: raise when the run failed.

        Raises:
            ActivityFailedException: it failed.
            ExperimentExecutionException: interrupted from the keyboard; the run goes on.
            InvalidValueError: this very process records the run, and would wait for itself.
        """
        from tracklog.sdk import details

        if self._is_live and not self._status.is_final():
            raise InvalidValueError(
                f"Cannot wait for run {self.id}: this process records it and would wait for itself. Call complete() first."
            )
        return details.wait(self, show_output=show_output, raise_on_error=raise_on_error)

    def get_details(self) -> dict[str, Any]:
        """Return what is known of the run in Azure ML v1's form: runId, status, startTimeUtc, properties, logFiles, …"""
        from tracklog.sdk import details

        return details.details(self)

    def get_details_with_logs(self) -> dict[str, Any]:
        """Return `get_details()` with the text of each log in place of its address."""
        from tracklog.sdk import details

        return details.details(self, texts=True)

    def get_all_logs(self, destination: str | os.PathLike[str] | None = None) -> builtins.list[str]:
        """Write the run's logs below `destination` (`assets/<run id>` by default); return the paths."""
        from tracklog.sdk import details

        return details.write_logs(self, Path("assets") / self.id if destination is None else Path(destination))

    # -------------------------------------------------------------------- snapshot

    def take_snapshot(self, file_or_folder_path: str | os.PathLike[str]) -> str:
        """Keep a folder (or a file) with the run as its source; return the snapshot's id. `.amlignore` leaves files out.

        Raises:
            SnapshotException: the run has one already, or a file cannot be read.
        """
        from tracklog.sdk import snapshot
        from tracklog.sdk.exceptions import SnapshotException

        known = {**self._known_properties(), **self._added_properties}.get("ContentSnapshotId")
        if known is not None:
            raise SnapshotException(f"Run {self.id} has a snapshot already: {known}. A run has one.")
        snapshot_id = str(uuid.uuid4())
        with tempfile.TemporaryDirectory(prefix="tracklog-snapshot-") as folder:
            archive = Path(folder) / "snapshot.zip"
            snapshot.write_zip(Path(file_or_folder_path), archive)
            self._recording().add_file(f"{SNAPSHOT_FOLDER}{snapshot_id}.zip", archive)
        self.add_properties({"ContentSnapshotId": snapshot_id})
        return snapshot_id

    def get_snapshot_id(self) -> str | None:
        """Return the id of the run's snapshot, None without one."""
        return self.properties.get("ContentSnapshotId")

    def restore_snapshot(self, snapshot_id: str | None = None, path: str | os.PathLike[str] | None = None) -> str:
        """Write the snapshot as `<id>.zip` into `path` (the folder for temporary files by default); return the path.

        Raises:
            SnapshotException: the run has none, or none of that id.
        """
        from tracklog.sdk.exceptions import SnapshotException

        wanted = snapshot_id or self.get_snapshot_id()
        if wanted is None or wanted != self.get_snapshot_id():
            raise SnapshotException(f"Run {self.id} has no snapshot{'' if wanted is None else f' {wanted!r}'}.")
        target = Path(path if path is not None else tempfile.gettempdir()).absolute() / f"{wanted}.zip"
        return str(self.download_file(f"{SNAPSHOT_FOLDER}{wanted}.zip", target))

    def _end(self, status: RunStatus | None, error: ErrorInfo | None) -> None:
        self._recording().close(status, error, CLOSE_TIMEOUT_S)
        self._status = status or self._status
        self._is_live = False

    def collect(self, prefix: str, folder: Path, *, since_ms: int = 0) -> None:
        """Keep the files below a folder when the run ends; with `since_ms` only those written from then on."""
        self._recording().before_end.append(lambda: self._collect_now(prefix, folder, since_ms))

    def _collect_now(self, prefix: str, folder: Path, since_ms: int) -> None:
        from tracklog.sdk.snapshot import files_below

        for file in files_below(folder) if folder.is_dir() else ():
            self._collect_file(f"{prefix}/{file.relative_to(folder).as_posix()}", file, since_ms)

    def _collect_file(self, name: str, file: Path, since_ms: int = 0) -> None:
        """Keep a file that nobody named; one that cannot be kept is reported, and the others are not worth less for it."""
        try:
            if file.stat().st_mtime * 1000 >= since_ms:
                self.upload_file(name, file)
        except (OSError, TracklogError) as error:
            text = f"tracklog: {shown(str(file))} is not kept: {error}"
            self._recording().add(LogLines([LogLine(now_ms(), "stderr", convert.storable_text(text), logging.WARNING)]))
            print(text, file=sys.stderr)  # noqa: T201

    def __enter__(self) -> Run:
        if self._is_v1 and self._is_live and self._info.parent_id is None:
            self.collect("logs", Path("logs").absolute(), since_ms=now_ms())
        return self

    def __exit__(self, exit_type: object, value: BaseException | None, trace: TracebackType | None) -> bool:
        if value is None:
            status, reason = RunStatus.COMPLETED, None
        else:
            status, reason = status_of(value)
        if not self._status.is_final() or self._is_live:  # else the block ended the run itself
            self._end(status, reason)
        return self._is_v1 and isinstance(value, SystemExit) and status is RunStatus.COMPLETED  # v1 goes on after the block

    # ------------------------------------------------------------------------ shown

    @property
    def portal_url(self) -> str:
        """The run's page; see `get_portal_url`."""
        return self.get_portal_url()

    def get_portal_url(self) -> str:
        """Return the address of the run's page. Where no portal runs for its workspace: the one `tracklog ui` gives it."""
        return f"{self._experiment.workspace.portal_url() or USUAL_PORTAL}/runs/{quote(self.id, safe='')}"

    def _say_where(self) -> None:
        workspace = self._experiment.workspace
        if workspace.settings.quiet or self._info.parent_id is not None:
            return
        is_shown = workspace.portal_url() is not None
        where = self.get_portal_url() if is_shown else f"run `tracklog ui{_uri_option(workspace.uri)}` to watch it"
        print(f"tracklog: {self._experiment.name} · {self._info.name or self.id[:8]} → {where}", file=sys.stderr)  # noqa: T201

    def _repr_html_(self) -> str:
        """Return the run as a table for notebooks."""
        cells = {
            "Experiment": escape(self._experiment.name),
            "Id": escape(self.id),
            "Type": escape(self.type or ""),
            "Status": escape(self.status),
            "Details Page": link(self.get_portal_url(), "Link to the portal"),
            "Docs Page": link(DOCS_URL, "Link to the documentation"),
        }
        return html_table(cells)

    def __repr__(self) -> str:
        return (
            f"Run(Experiment: {self._experiment.name},\nId: {self.id},\nType: {self._info.type or None},\nStatus: {self.status})"
        )


class _OfflineRun(Run):
    """The run of a script that nobody submitted. It is recorded like any other; scripts ask for its class and id.

    Many of them start a run of their own then, and log to that one. An offline run that has nothing in it is removed.
    """

    is_replaced = False  # a run was started by its own name since
    _has_children = False

    @classmethod
    def begin_here(cls) -> _OfflineRun:
        """Start the run of a bare script in the default workspace; `./outputs` is kept with it."""
        from tracklog.sdk.workspace import Workspace

        workspace = Workspace()
        run = cls.begin(Experiment(workspace, Path.cwd().name or "default"), run_id=f"OfflineRun_{uuid.uuid4()}", is_v1=True)
        recorder, outputs, start_ms = run._recording(), Path("outputs").absolute(), run._info.start_ms

        def collect() -> None:
            is_empty = recorder.is_untouched and not (run._tags or run._added_properties or run._has_children)
            if run.is_replaced and is_empty:
                recorder.add(RunEdited(deleted=True))
            else:
                run._collect_now("outputs", outputs, start_ms)

        recorder.before_end.append(collect)
        return run

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: Any = None, **options: Any) -> Run:
        """See `Run.child_run`."""
        self._has_children = True
        own = run_id or f"{self.id}.{name or uuid.uuid4()}"
        child = _OfflineRun.begin(
            self._experiment,
            name=name,
            run_id=own,
            parent_id=self.id,
            capture=options.pop("capture", False),
            is_v1=True,
            **options,
        )
        child._parent = self
        return child


class _SubmittedRun(Run):
    """The run of a submitted script, seen from inside it: whoever submitted it decides its status by how the script ends."""

    @classmethod
    def attach(cls, run_id: str, experiment: str) -> _SubmittedRun:
        """Join the run that this process was started for."""
        from tracklog.sdk.workspace import Workspace

        given = {name: os.environ[f"AZUREML_ARM_{name}"] for name in ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME")}
        workspace = Workspace(given["SUBSCRIPTION"], given["RESOURCEGROUP"], given["WORKSPACE_NAME"])
        run = cls._joined(workspace, experiment, run_id, SCRIPT_RUN, os.environ.get(PARENT_RUN) or None, leads=True)
        recorder = run._recording()
        with contextlib.suppress(ValueError):
            recorder.watched_by = int(os.environ.get(WATCHED_BY, ""))
        since_ms = now_ms()

        def collect() -> None:
            if recorder.is_orphan():  # else the watching process collects
                for name in ("outputs", "logs"):
                    run._collect_now(name, Path(name).absolute(), since_ms)

        recorder.before_end.append(collect)
        if "AZUREML_DATASET_ENVIRONMENT_VARS" in os.environ or "AZUREML_DATASET_FILE_OUTPUTS" in os.environ:
            from tracklog.sdk import inputs

            for data_sets, found in zip(run._datasets, inputs.given(workspace), strict=True):
                data_sets.update(found)
        if workspace.settings.capture:
            recorder.capture(workspace.settings.capture)
        return run

    def complete(self, _set_status: bool = True) -> None:
        """Send what was logged. The run ends when its script does."""
        self._recording().flush(CLOSE_TIMEOUT_S)

    def fail(self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True) -> None:
        """Record why the script fails. The run ends when the script does, Failed if its exit code is not 0."""
        self._recording().add(StatusChanged(RunStatus.RUNNING, now_ms(), _failure(error_details, error_code)))
        self._recording().flush(CLOSE_TIMEOUT_S)

    def cancel(self) -> None:
        """Say that this does nothing: a script ends its own run by ending."""
        print("tracklog: cancel() inside of a submitted script has no effect; end the script instead.", file=sys.stderr)  # noqa: T201

    def __exit__(self, exit_type: object, value: BaseException | None, trace: TracebackType | None) -> Literal[False]:
        self.complete()
        return False


class InputDatasets(dict[str, Any]):
    """Data sets a script was given, by name."""

    def __init__(self, workspace: Workspace | None = None) -> None:
        super().__init__()

    def __missing__(self, name: str) -> Any:
        raise NotFoundError(
            f"The run was given no data set {name!r}. Known: {', '.join(self) or 'none'}. Read the file itself, or assign one: "
            f"run.input_datasets[{name!r}] = …",
            what="data set",
            given=name,
        )


class OutputDatasets(InputDatasets):
    """Data sets a script writes, by name."""


_context_lock = threading.RLock()
_contexts: dict[tuple[str, str] | None, Run] = {}  # what get_context returned, by (run id, experiment); None: offline

# Without any of them v1 takes the script for a bare one.
_SUBMITTED_VARIABLES = (
    "AZUREML_RUN_ID",
    "AZUREML_ARM_SUBSCRIPTION",
    "AZUREML_ARM_RESOURCEGROUP",
    "AZUREML_ARM_WORKSPACE_NAME",
    "AZUREML_ARM_PROJECT_NAME",
    "AZUREML_SERVICE_ENDPOINT",
    "AZUREML_RUN_TOKEN",
    "AZUREML_RUN_TOKEN_EXPIRY",
)


def _submitted_environment() -> tuple[str, str] | None:
    """Return (run id, experiment) of the run this process was submitted for, None when it was not."""
    if not all(os.environ.get(name) for name in _SUBMITTED_VARIABLES):
        return None
    return os.environ["AZUREML_RUN_ID"], os.environ["AZUREML_ARM_PROJECT_NAME"]


def context_workspace() -> Workspace | None:
    """Return the workspace of the run this script belongs to; None while it belongs to none."""
    from tracklog.sdk.workspace import Workspace

    submitted = _submitted_environment()
    known = _contexts.get(submitted)
    if known is not None:
        return known.experiment.workspace
    return None if submitted is None else Workspace()


def get_run(experiment: Experiment, run_id: str, rehydrate: bool = True, clean_up: bool = True) -> Run:
    """Return a run of an experiment's workspace by its id."""
    return experiment.workspace.get_run(run_id)


class MetricFile:
    """A chart's file, as `get_metrics(populate=True)` gives it."""

    def __init__(self, run: Run, path: str) -> None:
        self.path = path
        self.content: bytes = b"".join(run.experiment.workspace.store.read_artifact(run.id, path))

    def convert(self) -> Any:
        """Return the parsed content of a JSON chart."""
        return json.loads(self.content)


_last_start_ms = 0
_start_lock = threading.Lock()


def _rank() -> Rank | None:
    from tracklog.sdk.capture import rank

    return rank()


def _start_ms() -> int:
    """Return the time at which a run starts: a later one than of any run before in this process, so that order is kept."""
    global _last_start_ms  # noqa: PLW0603
    with _start_lock:
        _last_start_ms = max(now_ms(), _last_start_ms + 1)
        return _last_start_ms


_type_providers: dict[str, Callable[[Experiment, RunInfo], Run]] = {}


def _run_of(workspace: Workspace, info: RunInfo) -> Run:
    """Return a run read from a store, as an object of its type's class."""
    provider = _type_providers.get(info.type)
    return Run.from_info(workspace, info) if provider is None else provider(Experiment(workspace, info.experiment), info)


def _filter(tags: Any, properties: Any, type_: str | None, status: str | None) -> Callable[[RunInfo], bool]:
    """Return whether a run passes v1's filters."""
    for what, given in (("tags", tags), ("properties", properties)):
        if given is not None and not isinstance(given, (str, Mapping)):
            raise InvalidTypeError(
                f"Cannot filter by {what}={shown(given)}. Expected a name, or a dict of names and values.",
                parameter=what,
                given=given,
            )
    if status is not None and status not in {"Pausing", "Unapproved", *(one.value for one in RunStatus)}:  # v1 has two more
        raise InvalidValueError(
            f"Unknown status {shown(status)}. Known: {', '.join(one.value for one in RunStatus)}.",
            parameter="status",
            given=status,
        )

    def has(labels: Mapping[str, str], wanted: Any) -> bool:
        if wanted is None:
            return True
        if isinstance(wanted, str):
            return wanted in labels
        return all(key in labels and labels[key] == ("" if value is None else str(value)) for key, value in wanted.items())

    def passes(info: RunInfo) -> bool:
        return (
            (type_ is None or info.type == type_)
            and (status is None or info.status.value == status)
            and has(info.tags, tags)
            and has(info.properties, properties)
        )

    return passes


def write_file(target: Path, pieces: Iterable[bytes]) -> None:
    """Write a file to disk: complete or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:8]}.part")
    try:
        with partial.open("wb") as stream:
            for piece in pieces:
                stream.write(piece)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _artifact_address(run_id: str, path: str) -> str:
    return f"aml://artifactId/ExperimentRun/dcid.{run_id}/{path}"


def _uri_option(uri: str) -> str:
    return "" if uri == str(Path.home() / ".tracklog") else f" {uri}"


def user_name() -> str:
    """Return who runs this process; "" when nobody knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user in a container
        return ""


def _failure(details: Any, code: str | None) -> ErrorInfo:
    """Return what `fail` was told."""
    if isinstance(details, BaseException):
        text = "".join(traceback.format_exception(type(details), details, details.__traceback__))
        return ErrorInfo(code or type(details).__name__, str(details), text)
    if details is None or isinstance(details, str):
        return ErrorInfo(code or "UserError", details or "")
    raise InvalidTypeError(
        f"Cannot use {shown(details)} as the reason of a failure. Expected text or an exception.",
        parameter="error_details",
        given=details,
    )


def _artifact_name(name: object) -> str:
    """Return the path of a file of a run as it is stored: v1's scripts begin it with `./`, or join it as their system does."""
    if isinstance(name, (str, os.PathLike)):
        text = os.fspath(name).replace(os.sep, "/")
        plain = "/".join(part for i, part in enumerate(text.split("/")) if part != "." and (part or i == 0))
        return validate_artifact_path(plain or text)
    return validate_artifact_path(name)


def _checked_tags(tags: Mapping[str, Any], *, what: str = "tag") -> dict[str, str | None]:
    if not isinstance(tags, Mapping):
        raise InvalidTypeError(
            f"Cannot use {shown(tags)} as tags. Expected a dict of names and values.", parameter="tags", given=tags
        )
    return {convert.metric_name(key, what=what): None if value is None else str(value) for key, value in tags.items()}


def _as_read(labels: Mapping[str, str]) -> dict[str, str | None]:
    """Return tags or properties as v1 gives them: one without a value, which is stored as empty text, is None."""
    return {key: value or None for key, value in labels.items()}


def _warn_of_conversion(what: str, labels: Mapping[str, Any]) -> None:
    for key, value in labels.items():
        if value is not None and not isinstance(value, str):
            _log.warning("The value of %s `%s` is %s; its text is kept.", what, key, shown(value))


def _next_steps(metrics: Iterable[MetricSummary]) -> dict[str, int]:
    """Return where steps that nobody gives go on when a run is resumed."""
    steps: dict[str, int] = {}
    for summary in metrics:
        following = summary.last_step + 1 if summary.kind.has_columns() else summary.count
        steps[summary.name] = max(steps.get(summary.name, 0), following)
    return steps


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or (one != one and other != other))  # NaN is itself here


def _file_name(name: str) -> str:
    """Return a metric name as parts of an artifact path."""
    parts = ("".join(char if char.isalnum() or char in "-_. " else "_" for char in part).strip(" .") for part in name.split("/"))
    return "/".join(part[:100] or "_" for part in parts)[:500].strip("/ ") or "_"
