"""Experiments."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import ClassVar

from tracklog.errors import ConflictError
from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.routing import AnyRoute, Context, Route
from tracklog.server.mlflow_api.search import check_attributes, deleted_of, invalid_attribute, order_of
from tracklog.server.mlflow_api.wire import KeyValue, Refused, Request
from tracklog.storage import ExperimentEdit, ExperimentInfo
from tracklog.storage.filters import Attribute, Vocabulary, matches, parse

MAX_NAME_CHARS = 500
MAX_TAG_CHARS = 20_000
MAX_LOCATION_CHARS = 2048


class CreateExperiment(Request):
    """A new experiment."""

    required: ClassVar[tuple[str, ...]] = ("name",)

    name: str = ""
    artifact_location: str = ""
    tags: list[KeyValue] = []


class ExperimentId(Request):
    """An experiment, by its id."""

    required: ClassVar[tuple[str, ...]] = ("experiment_id",)

    experiment_id: str = ""


class ExperimentName(Request):
    """An experiment, by its name."""

    required: ClassVar[tuple[str, ...]] = ("experiment_name",)

    experiment_name: str = ""


class UpdateExperiment(Request):
    """A new name for an experiment."""

    required: ClassVar[tuple[str, ...]] = ("experiment_id", "new_name")

    experiment_id: str = ""
    new_name: str = ""


class ExperimentTag(Request):
    """A tag of an experiment."""

    required: ClassVar[tuple[str, ...]] = ("experiment_id", "key")

    experiment_id: str = ""
    key: str = ""
    value: str = ""


class SearchExperiments(Request):
    """Which experiments, in which order."""

    max_results: int | None = None
    filter: str = ""
    order_by: list[str] = []
    view_type: str | int = "ACTIVE_ONLY"
    page_token: str = ""


def create_experiment(context: Context, request: CreateExperiment) -> object:
    """Make an experiment."""
    wire.check_length(request.name, MAX_NAME_CHARS, "name")
    if not request.name.strip():
        raise Refused(f"Invalid experiment name: '{request.name}'")
    location = checked_location(request.artifact_location)
    tags = {one.key: _experiment_tag(one.key, one.value) for one in request.tags}
    try:
        if context.view.is_unused_default(request.name):
            raise ConflictError(request.name)
        made = context.store.create_experiment(request.name, tags=tags, artifact_location=location)
    except ConflictError:
        raise _name_taken(request.name) from None
    return {"experiment_id": made.id}


def _name_taken(name: str) -> Refused:
    return Refused(f"Experiment(name={name}) already exists.", "RESOURCE_ALREADY_EXISTS")


def checked_location(location: str) -> str:
    """Return where an experiment's files shall lie: a remote address, or "" for this server.

    A folder of whoever asks is never one of this machine; files of such an experiment are given to the server.
    """
    if not location:
        return ""
    if location.startswith("runs:"):
        raise Refused(f"Artifact location cannot be a runs:/ URI. Given: '{location}'")
    if "#" in location or ";" in location.rsplit("/", 1)[-1]:
        raise Refused("'artifact_location' URL can't include fragments or params.")
    head, _, query = location.partition("?")
    if ".." in wire.decoded(query):
        raise Refused("Invalid query string")
    if len(location) > MAX_LOCATION_CHARS:
        raise Refused(
            "Invalid artifact path length. The length of the artifact path cannot be greater than "
            f"{MAX_LOCATION_CHARS} characters."
        )
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.\-]+):/", head)  # of one letter: a drive
    return location.rstrip("/") if scheme is not None and scheme[1].lower() in _REMOTE_SCHEMES else ""


# Where MLflow's clients keep files by themselves, without the server.
_REMOTE_SCHEMES = {
    "s3", "gs", "wasb", "wasbs", "abfs", "abfss", "r2", "b2", "oss", "hdfs", "viewfs", "dbfs", "ftp", "sftp", "azureml",
}  # fmt: skip


def _experiment_tag(key: str, value: str) -> str:
    wire.check_name(key, "key")
    wire.check_length(key, wire.MAX_KEY_CHARS, "key")
    return wire.check_length(value, MAX_TAG_CHARS, "value")


def get_experiment(context: Context, request: ExperimentId) -> object:
    """Return an experiment by id."""
    view = context.view
    return {"experiment": view.shown_experiment(view.experiment(request.experiment_id))}


def get_experiment_by_name(context: Context, request: ExperimentName) -> object:
    """Return an experiment by name, a deleted one too."""
    view = context.view
    return {"experiment": view.shown_experiment(view.experiment_named(request.experiment_name))}


def delete_experiment(context: Context, request: ExperimentId) -> object:
    """Mark an experiment and its runs as deleted."""
    found = context.view.experiment(request.experiment_id)
    if found.deleted_ms is not None:
        raise wire.not_found(f"No Experiment with id={found.id} exists")
    context.store.edit_experiment(found.name, ExperimentEdit(deleted=True))
    return {}


def restore_experiment(context: Context, request: ExperimentId) -> object:
    """Bring an experiment and all its runs back."""
    found = context.view.experiment(request.experiment_id)
    if found.deleted_ms is None:
        raise wire.not_found(f"No Experiment with id={found.id} exists")
    context.store.edit_experiment(found.name, ExperimentEdit(deleted=False))
    return {}


def update_experiment(context: Context, request: UpdateExperiment) -> object:
    """Rename an experiment."""
    wire.check_length(request.new_name, MAX_NAME_CHARS, "name")
    found = context.view.experiment(request.experiment_id)
    if found.deleted_ms is not None:
        # MLflow says INVALID_STATE, status 500, which makes its own clients try again for minutes.
        raise Refused("Cannot rename a non-active experiment.")
    if found.name != request.new_name:
        try:
            context.store.edit_experiment(found.name, ExperimentEdit(name=request.new_name))
        except ConflictError:
            raise _name_taken(request.new_name) from None
    return {}


def set_experiment_tag(context: Context, request: ExperimentTag) -> object:
    """Set a tag of an experiment."""
    value = _experiment_tag(request.key, request.value)
    found = context.view.active_experiment(request.experiment_id)
    context.store.edit_experiment(found.name, ExperimentEdit(tags={request.key: value}))
    return {}


def delete_experiment_tag(context: Context, request: ExperimentTag) -> object:
    """Remove a tag of an experiment."""
    found = context.view.active_experiment(request.experiment_id)
    if request.key not in found.tags:
        raise wire.not_found(f"No tag with name: {request.key} in experiment with id {found.id}")
    context.store.edit_experiment(found.name, ExperimentEdit(tags={request.key: None}))
    return {}


_EXPERIMENT_KEYS = ("name", "experiment_id", "creation_time", "last_update_time")
_EXPERIMENTS = Vocabulary(
    "experiments",
    [
        Attribute("name", "text"),
        Attribute("experiment_id", "text"),
        Attribute("creation_time", "time"),
        Attribute("last_update_time", "time"),
    ],
    ["tag"],
)


def search_experiments(context: Context, request: SearchExperiments) -> object:
    """Find experiments."""
    if request.max_results is None:
        raise Refused("Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer")
    limit = wire.check_max_results(request.max_results)
    offset = wire.Offset.of(request.page_token)
    check_attributes(parse(request.filter), _EXPERIMENT_KEYS)
    condition = _EXPERIMENTS.condition(request.filter, now_ms=context.clock_ms())
    deleted = deleted_of(request.view_type)
    found = [
        one
        for one in context.view.experiments()
        if deleted in (None, one.deleted_ms is not None) and matches(condition, functools.partial(_experiment_value, one))
    ]
    found.sort(key=lambda one: (-one.created_ms, int(one.id)))
    orders = [_experiment_order(clause) for clause in request.order_by]
    if orders and all(key != "experiment_id" for key, _ in orders):
        found.sort(key=lambda one: -int(one.id))
    for key, descending in reversed(orders):
        found.sort(key=_SORT_KEYS[key], reverse=descending)
    page = [context.view.shown_experiment(one) for one in found[offset : offset + limit]]
    return wire.page_of("experiments", page, wire.Offset.token(offset + limit) if offset + limit < len(found) else None)


_SORT_KEYS: dict[str, Callable[[ExperimentInfo], str | int]] = {
    "name": lambda one: one.name,
    "experiment_id": lambda one: int(one.id),
    "creation_time": lambda one: one.created_ms,
    "last_update_time": lambda one: one.updated_ms or one.created_ms,
}


def _experiment_value(one: ExperimentInfo, entity: str, key: str) -> object:
    if entity == "tag":
        return one.tags.get(key)
    return one.id if key == "experiment_id" else _SORT_KEYS[key](one)


def _experiment_order(clause: str) -> tuple[str, bool]:
    entity, key, descending = order_of(clause)
    if entity != "attribute" or key not in _EXPERIMENT_KEYS:
        raise invalid_attribute(key, _EXPERIMENT_KEYS)
    return key, descending


_PATH = "/mlflow/experiments"

ROUTES: list[AnyRoute] = [
    Route("POST", f"{_PATH}/create", CreateExperiment, create_experiment),
    Route("GET", f"{_PATH}/get", ExperimentId, get_experiment),
    Route("GET", f"{_PATH}/get-by-name", ExperimentName, get_experiment_by_name),
    Route("POST", f"{_PATH}/search", SearchExperiments, search_experiments),
    Route("GET", f"{_PATH}/search", SearchExperiments, search_experiments),
    Route("POST", f"{_PATH}/update", UpdateExperiment, update_experiment),
    Route("POST", f"{_PATH}/delete", ExperimentId, delete_experiment),
    Route("POST", f"{_PATH}/restore", ExperimentId, restore_experiment),
    Route("POST", f"{_PATH}/set-experiment-tag", ExperimentTag, set_experiment_tag),
    Route("POST", f"{_PATH}/delete-experiment-tag", ExperimentTag, delete_experiment_tag),
]
