"""Logged models: what trainings made, with params, tags and metrics of their own."""

from __future__ import annotations

import json
import uuid
from typing import ClassVar

import msgspec

from tracklog.errors import ConflictError
from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.routing import AnyRoute, Context, Route
from tracklog.server.mlflow_api.view import experiment_id, random_name
from tracklog.server.mlflow_api.wire import KeyValue, MetricPoint, Refused, Request, Tag
from tracklog.storage.filters import parse
from tracklog.storage.registry import MAX_MODELS_PAGE, LoggedModel, LoggedModelEdit, LoggedModelQuery, LoggedModelStatus

_VERSIONS_TAG = "mlflow.modelVersions"


class Registration(msgspec.Struct):
    """A version that was made of a logged model."""

    name: str
    version: str


class LoggedInfo(msgspec.Struct, omit_defaults=True):
    """The head of a logged model."""

    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: str
    model_type: str
    source_run_id: str
    tags: list[Tag] = []
    registrations: list[Registration] = []


class LoggedData(msgspec.Struct, omit_defaults=True):
    """What is known of a logged model."""

    params: list[Tag] = []
    metrics: list[MetricPoint] = []


class ShownLogged(msgspec.Struct):
    """A logged model."""

    info: LoggedInfo
    data: LoggedData


_LOGGED_STATUS = {
    LoggedModelStatus.PENDING: "LOGGED_MODEL_PENDING",
    LoggedModelStatus.READY: "LOGGED_MODEL_READY",
    LoggedModelStatus.UPLOAD_FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
}
_LOGGED_NUMBERS = {1: LoggedModelStatus.PENDING, 2: LoggedModelStatus.READY, 3: LoggedModelStatus.UPLOAD_FAILED}


def shown_logged(context: Context, model: LoggedModel) -> ShownLogged:
    """Return a logged model as clients see it."""
    experiment = context.view.experiment_named(model.experiment).id
    registrations = [Registration(name, str(version)) for name, version in model.registrations]
    tags = dict(model.tags)
    if registrations:
        tags[_VERSIONS_TAG] = json.dumps([{"name": one.name, "version": one.version} for one in registrations])
    return ShownLogged(
        info=LoggedInfo(
            model_id=model.id,
            experiment_id=experiment,
            name=model.name,
            creation_timestamp_ms=model.created_ms,
            last_updated_timestamp_ms=model.updated_ms,
            artifact_uri=context.view.model_uri(experiment, model.id),
            status=_LOGGED_STATUS[model.status],
            model_type=model.type,
            source_run_id=model.source_run_id,
            tags=wire.tags_of(tags),
            registrations=registrations,
        ),
        data=LoggedData(
            params=wire.tags_of(model.params),
            metrics=[
                MetricPoint(
                    one.name,
                    wire.number(one.value),
                    one.time_ms,
                    one.step,
                    one.run_id,
                    model.id,
                    one.dataset_name,
                    one.dataset_digest,
                )
                for one in model.metrics
            ],
        ),
    )


class CreateLogged(Request):
    """A new logged model."""

    required: ClassVar[tuple[str, ...]] = ("experiment_id",)

    experiment_id: str = ""
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class LoggedId(Request):
    """A logged model."""

    model_id: str = ""
    allow_deleted: bool = False


class FinalizeLogged(Request):
    """How the upload of a logged model went."""

    required: ClassVar[tuple[str, ...]] = ("status",)

    model_id: str = ""
    status: str | int = ""


class LoggedPairs(Request):
    """Params or tags of a logged model."""

    model_id: str = ""
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class LoggedTag(Request):
    """A tag of a logged model."""

    model_id: str = ""
    tag_key: str = ""


class DatasetChoice(msgspec.Struct):
    """A data set that metrics were measured on."""

    dataset_name: str = ""
    dataset_digest: str = ""


class LoggedOrder(msgspec.Struct):
    """What logged models are ordered by."""

    field_name: str = ""
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class SearchLogged(Request):
    """Which logged models."""

    experiment_ids: list[str] = []
    filter: str = ""
    datasets: list[DatasetChoice] = []
    max_results: int | None = None
    order_by: list[LoggedOrder] = []
    page_token: str = ""


_BAD_NAME_CHARACTERS = ("/", ":", ".", "%", '"', "'")


def create_logged(context: Context, request: CreateLogged) -> object:
    """Make a logged model."""
    if any(char in request.name for char in _BAD_NAME_CHARACTERS):
        raise Refused(
            f"Invalid model name ({request.name!r}) provided. Model name must be a non-empty string and cannot contain the "
            f"following characters: {_BAD_NAME_CHARACTERS}"
        )
    experiment = context.view.active_experiment(request.experiment_id)
    model = LoggedModel(
        id=f"m-{uuid.uuid4().hex}",
        experiment=experiment.name,
        name=request.name or random_name(),
        type=request.model_type,
        source_run_id=request.source_run_id,
        params={one.key: one.value for one in request.params},
        tags={one.key: one.value for one in request.tags},
    )
    return {"model": shown_logged(context, context.store.registry.create_logged_model(model))}


def get_logged(context: Context, request: LoggedId) -> object:
    """Return a logged model."""
    found = context.view.logged_model(request.model_id, deleted=request.allow_deleted)
    return {"model": shown_logged(context, found)}


def finalize_logged(context: Context, request: FinalizeLogged) -> object:
    """Say how the upload went."""
    words = {word: status for status, word in _LOGGED_STATUS.items()}
    status = words.get(request.status) if isinstance(request.status, str) else _LOGGED_NUMBERS.get(request.status)
    if status is None:
        raise wire.invalid("status", request.status, f"Expected one of {', '.join(words)}.")
    return {"model": shown_logged(context, _edited_logged(context, request.model_id, LoggedModelEdit(status=status)))}


def _edited_logged(context: Context, model_id: str, edit: LoggedModelEdit) -> LoggedModel:
    context.view.logged_model(model_id)
    try:
        return context.store.registry.edit_logged_model(model_id, edit)
    except ConflictError as error:
        raise Refused(error.message) from None


def delete_logged(context: Context, request: LoggedId) -> object:
    """Mark a logged model as deleted."""
    _edited_logged(context, request.model_id, LoggedModelEdit(deleted=True))
    return {}


def log_logged_params(context: Context, request: LoggedPairs) -> object:
    """Add params of a logged model."""
    _edited_logged(context, request.model_id, LoggedModelEdit(params={one.key: one.value for one in request.params}))
    return {}


def set_logged_tags(context: Context, request: LoggedPairs) -> object:
    """Tag a logged model."""
    edit = LoggedModelEdit(tags={one.key: one.value for one in request.tags})
    return {"model": shown_logged(context, _edited_logged(context, request.model_id, edit))}


def delete_logged_tag(context: Context, request: LoggedTag) -> object:
    """Remove a tag of a logged model."""
    key = request.tag_key
    if key not in context.view.logged_model(request.model_id).tags:
        raise wire.not_found(f"No tag with key {key!r} found for model with ID {request.model_id!r}.")
    context.store.registry.edit_logged_model(request.model_id, LoggedModelEdit(tags={key: None}))
    return {}


_LOGGED_ORDERS = {
    "name": "name",
    "model_id": "id",
    "model_type": "type",
    "status": "status",
    "source_run_id": "source_run_id",
    "creation_time": "created",
    "creation_timestamp": "created",
    "creation_timestamp_ms": "created",
    "last_updated_timestamp": "updated",
    "last_updated_timestamp_ms": "updated",
}


def search_logged(context: Context, request: SearchLogged) -> object:
    """Find logged models."""
    if any(not one.dataset_name for one in request.datasets):
        raise Refused("`dataset_name` in the `datasets` clause must be specified.")
    limit = wire.check_max_results(request.max_results or 50)
    parse(request.filter)
    wanted = {experiment_id(one) for one in request.experiment_ids}
    experiments = [one.name for one in context.view.experiments() if one.id in wanted]
    datasets = [(one.dataset_name, one.dataset_digest) for one in request.datasets]
    orders = []
    for order in request.order_by:
        word = _logged_order(order.field_name)
        orders.append(word if order.ascending else f"-{word}")
        if order.dataset_name and not datasets:
            datasets = [(order.dataset_name, order.dataset_digest)]
    if all(one.removeprefix("-") != "created" for one in orders):
        orders.append("-created")
    page = context.store.registry.search_logged_models(
        LoggedModelQuery(
            experiments=experiments,
            filter=request.filter,
            datasets=datasets,
            order_by=orders,
            limit=min(limit, MAX_MODELS_PAGE),
            page_token=request.page_token or None,
        )
    )
    return wire.page_of("models", [shown_logged(context, one) for one in page.models], page.next_page_token)


def _logged_order(field: str) -> str:
    if "." not in field:
        if field not in _LOGGED_ORDERS:
            raise Refused(f"Invalid order by field name: {field}")
        return _LOGGED_ORDERS[field]
    entity, _, key = field.partition(".")
    if entity != "metrics":
        raise Refused(f"Invalid order by field name: {field}. Only metrics are supported.")
    return f"metric:{key.strip('`')}"


_PATH = "/mlflow/logged-models"

ROUTES: list[AnyRoute] = [
    Route("POST", _PATH, CreateLogged, create_logged),
    Route("POST", f"{_PATH}/search", SearchLogged, search_logged),
    Route("GET", f"{_PATH}/{{model_id}}", LoggedId, get_logged),
    Route("PATCH", f"{_PATH}/{{model_id}}", FinalizeLogged, finalize_logged),
    Route("DELETE", f"{_PATH}/{{model_id}}", LoggedId, delete_logged),
    Route("POST", f"{_PATH}/{{model_id}}/params", LoggedPairs, log_logged_params),
    Route("PATCH", f"{_PATH}/{{model_id}}/tags", LoggedPairs, set_logged_tags),
    Route("DELETE", f"{_PATH}/{{model_id}}/tags/{{tag_key}}", LoggedTag, delete_logged_tag),
]
