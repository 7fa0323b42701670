"""Runs, and what is logged to them: metric points, params, tags, data sets, models."""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import msgspec

from tracklog.errors import ParamConflictError, RunDeletedError
from tracklog.records import (
    SCRIPT_RUN,
    Batch,
    DatasetInput,
    Event,
    LineageAdded,
    MetricKey,
    ModelOutput,
    ParamsSet,
    RunEdited,
    RunStarted,
    RunStatus,
    StatusChanged,
    TagsSet,
)
from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.routing import AnyRoute, Context, Route
from tracklog.server.mlflow_api.view import (
    NOTE,
    PARENT,
    RUN_NAME,
    STATUS_OF,
    USER,
    random_name,
    run_deleted,
    source_info,
    tag_events,
    tags_of,
)
from tracklog.server.mlflow_api.wire import KeyValue, Metric, Refused, Request
from tracklog.storage import RunInfo
from tracklog.storage.filters import param_text
from tracklog.storage.registry import LoggedModelEdit, LoggedModelMetric

MAX_METRICS = 1000  # of a batch
MAX_PARAMS = 100
MAX_ENTITIES = 1000

# What a float point is as a journal writes it, see `records.POINT`.
_POINT = struct.Struct("<qqdII")


class CreateRun(Request):
    """A new run."""

    experiment_id: str = ""
    user_id: str = ""
    run_name: str = ""
    start_time: int = 0
    tags: list[KeyValue] = []


class RunId(Request):
    """A run, by its id under either name."""

    run_id: str = ""
    run_uuid: str = ""

    def of(self) -> str:
        """Return the id given.

        Raises:
            Refused: none is.
        """
        given = self.run_id or self.run_uuid
        if not given:
            raise wire.missing("run_id")
        return given


class UpdateRun(RunId):
    """A change of a run's head."""

    status: str | int | None = None
    end_time: int | None = None
    run_name: str | None = None


class LogMetric(RunId):
    """A metric point."""

    required: ClassVar[tuple[str, ...]] = ("key", "value", "timestamp")

    key: str = ""
    value: float | None = None
    timestamp: int | None = None
    step: int = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class RunKeyValue(RunId):
    """A param or tag of a run."""

    required: ClassVar[tuple[str, ...]] = ("key",)

    key: str = ""
    value: str = ""


class LogBatch(RunId):
    """Metric points, params and tags together."""

    metrics: list[Metric] = []
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class Dataset(msgspec.Struct):
    """A data set as clients send it."""

    name: str = ""
    digest: str = ""
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""


class GivenDatasetInput(msgspec.Struct):
    """A data set that a run read."""

    tags: list[KeyValue] = []
    dataset: Dataset | None = None


class GivenModel(msgspec.Struct):
    """A logged model that a run read or made."""

    model_id: str = ""
    step: int = 0


class LogInputs(RunId):
    """What a run read."""

    datasets: list[GivenDatasetInput] = []
    models: list[GivenModel] = []


class LogOutputs(RunId):
    """What a run made."""

    models: list[GivenModel] = []


class LogModel(RunId):
    """A model in the way of MLflow 2: a note on the run."""

    required: ClassVar[tuple[str, ...]] = ("model_json",)

    model_json: str = ""


def create_run(context: Context, request: CreateRun) -> object:
    """Start a run."""
    view = context.view
    experiment = view.active_experiment(request.experiment_id)
    tags = dict(wire.tag(one, f"tags[{i}].") for i, one in enumerate(request.tags))
    named = tags.pop(RUN_NAME, "")
    if request.run_name and named and request.run_name != named:
        raise Refused(
            f"Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{request.run_name}', mlflow.runName='{named}')."
        )
    name = request.run_name or named or random_name()
    user = request.user_id or tags.get(USER, "")
    if tags.get(USER) == user:
        del tags[USER]
    parent, note = tags.pop(PARENT, None) or None, tags.pop(NOTE, "")
    # MLflow knows runs of 1970; a time before that, nobody.
    start_ms = max(0, min(request.start_time, wire.MAX_INT64))
    events: list[Event] = [
        RunStarted(
            experiment=experiment.name,
            start_ms=start_ms,
            name=name,
            parent_id=parent,
            user=user,
            description=note,
        ),
        StatusChanged(RunStatus.RUNNING, start_ms),
        *source_info(tags),
    ]
    if tags:
        events.append(TagsSet({**tags}))
    run = RunInfo(
        id=uuid.uuid4().hex,
        experiment=experiment.name,
        number=0,
        name=name,
        status=RunStatus.RUNNING,
        start_ms=start_ms,
        parent_id=parent,
        user=user,
        description=note,
        tags=tags,
        experiment_id=experiment.id,
    )
    context.store.apply(Batch(run.id, "", events=events))
    return {"run": view.shown_run(run)}


def get_run(context: Context, request: RunId) -> object:
    """Return a run, a deleted one too."""
    return {"run": context.view.shown_run(context.view.run(request.of()))}


def update_run(context: Context, request: UpdateRun) -> object:
    """Change a run's status, end or name."""
    run = context.view.active_run(request.of())
    status = _status_of(request.status)
    events: list[Event] = []
    # What watches a script says how it ended; the script's own `end_run` may come in the middle.
    is_watched = run.type == SCRIPT_RUN and not run.status.is_final()
    if (status is not None or request.end_time is not None) and not is_watched:
        wanted = STATUS_OF[status] if status is not None else run.status
        end_ms = request.end_time if request.end_time is not None else context.clock_ms()
        events.append(StatusChanged(wanted, end_ms))
    if request.run_name:
        events.append(RunEdited(name=request.run_name))
    if events:
        _apply(context, Batch(run.id, "", events=events))
        run = context.view.run(run.id)
    return {"run_info": context.view.shown_info(run)}


def _status_of(given: str | int | None) -> str | None:
    """Return the word of a status; None for one that MLflow does not know either, and ignores."""
    numbers = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
    word = numbers.get(given) if isinstance(given, int) else given
    return word if word in STATUS_OF else None


def delete_run(context: Context, request: RunId) -> object:
    """Mark a run as deleted."""
    run = context.view.run(request.of())
    if not run.deleted:
        _apply(context, Batch(run.id, "", events=[RunEdited(deleted=True)]))
    return {}


def restore_run(context: Context, request: RunId) -> object:
    """Bring a deleted run back."""
    run = context.view.run(request.of())
    if run.deleted:
        _apply(context, Batch(run.id, "", events=[RunEdited(deleted=False)]))
    return {}


# ------------------------------------------------------------------------- logging


def log_metric(context: Context, request: LogMetric) -> object:
    """Store a metric point."""
    run_id = request.of()
    metrics = context.recent.new(run_id, [request])
    points, keys = _points(metrics, lambda i: "")
    _log_model_metrics(context, run_id, [request])
    _apply(context, Batch(run_id, "", points=points, keys=keys))
    context.recent.remember(run_id, metrics)
    return {}


def log_parameter(context: Context, request: RunKeyValue) -> object:
    """Store a param."""
    key, value = wire.param(KeyValue(request.key, request.value))
    _apply(context, Batch(request.of(), "", events=[ParamsSet({key: value}, strict=True)]), single=True)
    return {}


def set_tag(context: Context, request: RunKeyValue) -> object:
    """Set a tag."""
    key, value = wire.tag(KeyValue(request.key, request.value))
    _apply(context, Batch(request.of(), "", events=tag_events({key: value})))
    return {}


def delete_tag(context: Context, request: RunKeyValue) -> object:
    """Remove a tag."""
    run = context.view.active_run(request.of())
    if request.key not in tags_of(run):
        raise wire.not_found(f"No tag with name: {request.key} in run with id {run.id}")
    events: list[Event] = []
    if request.key in run.tags:
        events.append(TagsSet({request.key: None}))
    if request.key in (USER, PARENT, NOTE):
        events.extend(tag_events({request.key: ""}))
    if events:
        _apply(context, Batch(run.id, "", events=events))
    return {}


def log_batch(context: Context, request: LogBatch) -> object:
    """Store metric points, params and tags: all of them or none."""
    run_id = wire.check_run_id(request.of())
    for i, one in enumerate(request.params):
        _require_key(one, f"params[{i}]")
    for i, one in enumerate(request.tags):
        _require_key(one, f"tags[{i}]")
    metrics = context.recent.new(run_id, request.metrics)
    points, keys = _points(metrics, lambda i: f"metrics[{i}].")
    params = [wire.param(one, f"params[{i}].") for i, one in enumerate(request.params)]
    tags = dict(wire.tag(one, f"tags[{i}].") for i, one in enumerate(request.tags))
    entities = len(request.metrics) + len(request.params) + len(request.tags)
    for what, limit, given in (
        ("metrics", MAX_METRICS, len(request.metrics)),
        ("params", MAX_PARAMS, len(request.params)),
        ("tags", MAX_PARAMS, len(request.tags)),
        ("metrics, params, and tags", MAX_ENTITIES, entities),
    ):
        if given > limit:
            raise Refused(
                f"A batch logging request can contain at most {limit} {what}. Got {given} {what}. Please split up {what} across "
                "multiple requests and try again."
            )
    names = [name for name, _ in params]
    if len(set(names)) != len(names):
        twice = [name for i, name in enumerate(names) if name in names[:i]]
        raise Refused(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure the request contains only one param value per "
            "param key."
        )
    _log_model_metrics(context, run_id, request.metrics)
    events: list[Event] = [ParamsSet({**dict(params)}, strict=True)] if params else []
    events += tag_events(tags)
    _apply(context, Batch(run_id, "", points=points, keys=keys, events=events))
    context.recent.remember(run_id, metrics)
    return {}


def _require_key(one: KeyValue, at: str) -> None:
    if not one.key:
        raise wire.missing(f"{at}.key")


def _points(metrics: Sequence[Metric | LogMetric], at: Callable[[int], str]) -> tuple[bytes, list[MetricKey]]:
    """Return metric points as records, and the keys they use. `at` says where the i-th stands, for errors."""
    key_by_name: dict[str, int] = {}
    pack = _POINT.pack
    records: list[bytes] = []
    for metric in metrics:
        key = key_by_name.get(metric.key)
        timestamp = metric.timestamp
        if key is None or timestamp is None or timestamp < 0 or metric.value is None:
            place = at(len(records))
            _check_metric(metric, place)
            key = key_by_name.setdefault(metric.key, len(key_by_name) + 1)
        try:
            records.append(pack(metric.step, timestamp, metric.value, key, 1))
        except struct.error:
            place = at(len(records))
            beyond = "timestamp" if timestamp is not None and timestamp > wire.MAX_INT64 else "step"
            raise wire.invalid(
                f"{place}{beyond}", getattr(metric, beyond), f"metric '{metric.key}'. It must be a long (64-bit integer)."
            ) from None
    return b"".join(records), [MetricKey(key, name) for name, key in key_by_name.items()]


def _check_metric(metric: Metric | LogMetric, place: str) -> None:
    for name in ("key", "value", "timestamp"):
        if getattr(metric, name) in (None, ""):
            raise wire.missing(f"{place}{name}")
    wire.metric_name(metric.key, f"{place}name")
    if metric.timestamp is not None and metric.timestamp < 0:
        raise wire.invalid(
            f"{place}timestamp",
            metric.timestamp,
            f"metric '{metric.key}' (value={metric.value}). Timestamp must be a nonnegative long (64-bit integer) ",
        )


def _log_model_metrics(context: Context, run_id: str, metrics: Iterable[Metric | LogMetric]) -> None:
    """Give the points that speak of a logged model to that model as well."""
    points_of: dict[str, list[LoggedModelMetric]] = {}
    for metric in metrics:
        if metric.model_id:
            points_of.setdefault(metric.model_id, []).append(
                LoggedModelMetric(
                    metric.key,
                    metric.value or 0.0,
                    metric.step,
                    metric.timestamp or 0,
                    run_id,
                    metric.dataset_name,
                    metric.dataset_digest,
                )
            )
    if points_of:
        context.view.active_run(run_id)
    for model_id, points in points_of.items():
        context.store.registry.edit_logged_model(model_id, LoggedModelEdit(metrics=points))


def _apply(context: Context, batch: Batch, *, single: bool = False) -> None:
    """Store a batch; what is refused is told in MLflow's words, which differ for a `single` param."""
    try:
        context.store.apply(batch)
    except RunDeletedError:
        raise run_deleted(batch.run_id) from None
    except ParamConflictError:
        params = next(event for event in batch.events if isinstance(event, ParamsSet))
        stored = {name: param_text(value) for name, value in context.view.active_run(batch.run_id).params.items()}
        changed = {name: value for name, value in params.values.items() if stored.get(name, value) != value}
        if changed:
            raise _param_conflict(batch.run_id, stored, changed, single=single) from None
        # Logged natively with another type, the number 0.1 for the text "0.1": MLflow sees the same text.
        events: list[Event] = [
            ParamsSet({name: value for name, value in params.values.items() if name not in stored}, strict=True),
            *(event for event in batch.events if event is not params),
        ]
        context.store.apply(msgspec.structs.replace(batch, events=events))


def _param_conflict(run_id: str, stored: dict[str, str], changed: dict[str, Any], *, single: bool) -> Refused:
    if single:
        ((name, value),) = changed.items()
        return Refused(
            f"Changing param values is not allowed. Param with key='{name}' was already logged with value='{stored[name]}' for "
            f"run ID='{run_id}'. Attempted logging new value '{value}'."
        )
    listed = [{"key": name, "old_value": stored[name], "new_value": value} for name, value in changed.items()]
    return Refused(f"Changing param values is not allowed. Params were already logged='{listed}' for run ID='{run_id}'.")


_DATASET_LIMITS = {"name": 500, "digest": 36, "source": 65_535, "schema": 1_048_575, "profile": 16_777_215}


def log_inputs(context: Context, request: LogInputs) -> object:
    """Note what data sets and models a run read."""
    run_id = wire.check_run_id(request.of())
    datasets: dict[tuple[str, str], DatasetInput] = {}
    for given in request.datasets:
        dataset = given.dataset
        if dataset is None:
            raise Refused("Dataset cannot be None")
        for field in ("name", "digest", "source_type", "source"):
            if not getattr(dataset, field):
                raise Refused(f"Dataset {field} cannot be None")
        for field, limit in _DATASET_LIMITS.items():
            wire.check_length(getattr(dataset, field), limit, field)
        for one in given.tags:
            wire.check_length(one.key, 255, "key")
            wire.check_length(one.value, 500, "value")
        datasets.setdefault(
            (dataset.name, dataset.digest),
            DatasetInput(
                name=dataset.name,
                digest=dataset.digest,
                source_type=dataset.source_type,
                source=dataset.source,
                schema=dataset.schema,
                profile=dataset.profile,
                tags={one.key: one.value for one in given.tags},
            ),
        )
    added = LineageAdded(datasets=list(datasets.values()), model_inputs=[one.model_id for one in request.models])
    _apply(context, Batch(run_id, "", events=[added]))
    return {}


def log_outputs(context: Context, request: LogOutputs) -> object:
    """Note what logged models a run made."""
    if not request.models:
        raise wire.missing("models")
    made = LineageAdded(model_outputs=[ModelOutput(one.model_id, one.step) for one in request.models])
    _apply(context, Batch(request.of(), "", events=[made]))
    return {}


_HISTORY = "mlflow.log-model.history"


def log_model(context: Context, request: LogModel) -> object:
    """Note a model on the run, as MLflow 2 does."""
    run = context.view.active_run(request.of())
    try:
        model = json.loads(request.model_json)
    except ValueError:
        raise Refused(f"Malformed model info. \n {request.model_json} \n is not a valid JSON.") from None
    if not isinstance(model, dict):
        raise Refused(f"Malformed model info. \n {request.model_json} \n is not a JSON object.")
    absent = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(model)
    if absent:
        raise Refused(f"Model json is missing mandatory fields: {absent}")
    # What a tag has room for: flavours without their configuration.
    flavors = model["flavors"] if isinstance(model["flavors"], dict) else {}
    short = {
        name: {k: v for k, v in flavor.items() if k != "config"} for name, flavor in flavors.items() if isinstance(flavor, dict)
    }
    noted = {**{k: v for k, v in model.items() if k != "signature"}, "flavors": short}
    history = [*json.loads(run.tags.get(_HISTORY, "[]")), noted]
    _apply(context, Batch(run.id, "", events=[TagsSet({_HISTORY: json.dumps(history)})]))
    return {}


_PATH = "/mlflow/runs"

ROUTES: list[AnyRoute] = [
    Route("POST", f"{_PATH}/create", CreateRun, create_run),
    Route("GET", f"{_PATH}/get", RunId, get_run),
    Route("POST", f"{_PATH}/update", UpdateRun, update_run),
    Route("POST", f"{_PATH}/delete", RunId, delete_run),
    Route("POST", f"{_PATH}/restore", RunId, restore_run),
    Route("POST", f"{_PATH}/log-metric", LogMetric, log_metric),
    Route("POST", f"{_PATH}/log-parameter", RunKeyValue, log_parameter),
    Route("POST", f"{_PATH}/set-tag", RunKeyValue, set_tag),
    Route("POST", f"{_PATH}/delete-tag", RunKeyValue, delete_tag),
    Route("POST", f"{_PATH}/log-batch", LogBatch, log_batch),
    Route("POST", f"{_PATH}/log-inputs", LogInputs, log_inputs),
    Route("POST", f"{_PATH}/outputs", LogOutputs, log_outputs),
    Route("POST", f"{_PATH}/log-model", LogModel, log_model),
]
