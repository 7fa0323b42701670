"""Registered models, their versions and aliases. A prompt is one, too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from tracklog.errors import ConflictError, NotFoundError
from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.logged_models import shown_logged
from tracklog.server.mlflow_api.routing import AnyRoute, Context, Route
from tracklog.server.mlflow_api.search import order_of
from tracklog.server.mlflow_api.wire import KeyValue, MetricPoint, Refused, Request, Tag
from tracklog.storage.filters import And, Comparison, Condition, Not, Or, parse, to_text
from tracklog.storage.registry import (
    MAX_MODELS_PAGE,
    STAGES,
    ModelEdit,
    ModelQuery,
    ModelVersion,
    RegisteredModel,
    VersionEdit,
    VersionQuery,
    is_logged_model_id,
)

MAX_TAG_CHARS = 100_000
MAX_ALIAS_CHARS = 255
MAX_MODELS = 1000  # of a search for registered models
MAX_VERSIONS = 200_000

# A prompt is a registered model with this tag; its text is a tag of each version, its source a word without meaning.
PROMPT_TAG = "mlflow.prompt.is_prompt"
_PROMPT_TEXT = "mlflow.prompt.text"
_PROMPT_SOURCES = ("dummy-source", "prompt-template")


# --------------------------------------------------------------------------- shapes


class ShownAlias(msgspec.Struct):
    """A name for a version."""

    alias: str
    version: str


class ShownVersion(msgspec.Struct, omit_defaults=True):
    """A version of a registered model."""

    name: str
    version: str
    creation_timestamp: int
    last_updated_timestamp: int
    current_stage: str
    description: str
    source: str
    run_id: str
    status: str
    run_link: str
    tags: list[Tag] = []
    aliases: list[str] = []
    user_id: str = ""
    model_id: str = ""
    model_params: list[Tag] = []
    model_metrics: list[MetricPoint] = []


class ShownModel(msgspec.Struct, omit_defaults=True):
    """A registered model."""

    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str = ""
    latest_versions: list[ShownVersion] = []
    tags: list[Tag] = []
    aliases: list[ShownAlias] = []


def _shown_version(version: ModelVersion) -> ShownVersion:
    return ShownVersion(
        name=version.name,
        version=str(version.version),
        creation_timestamp=version.created_ms,
        last_updated_timestamp=version.updated_ms,
        current_stage=version.stage,
        description=version.description,
        source=version.source,
        run_id=version.run_id,
        status="READY",
        run_link=version.run_link,
        tags=wire.tags_of(version.tags),
        aliases=version.aliases,
        user_id=version.user,
        model_id=version.model_id,
    )


def _shown_model(model: RegisteredModel) -> ShownModel:
    return ShownModel(
        name=model.name,
        creation_timestamp=model.created_ms,
        last_updated_timestamp=model.updated_ms,
        description=model.description,
        latest_versions=[_shown_version(one) for one in model.latest],
        tags=wire.tags_of(model.tags),
        aliases=[ShownAlias(alias, str(version)) for alias, version in model.aliases.items()],
    )


# ---------------------------------------------------------------- registered models


class ModelName(Request):
    """A registered model."""

    required: ClassVar[tuple[str, ...]] = ("name",)

    name: str = ""


class CreateModel(ModelName):
    """A new registered model."""

    tags: list[KeyValue] = []
    description: str = ""


class RenameModel(ModelName):
    """A new name for a registered model."""

    required: ClassVar[tuple[str, ...]] = ("name", "new_name")

    new_name: str = ""


class UpdateModel(ModelName):
    """A new description."""

    description: str = ""


class SearchModels(Request):
    """Which registered models."""

    filter: str = ""
    max_results: int = 100
    order_by: list[str] = []
    page_token: str = ""


class LatestVersions(ModelName):
    """The latest version of some stages."""

    stages: list[str] = []


class ModelTag(ModelName):
    """A tag of a registered model."""

    required: ClassVar[tuple[str, ...]] = ("name", "key")

    key: str = ""
    value: str = ""


class ModelAlias(ModelName):
    """A name of a version."""

    required: ClassVar[tuple[str, ...]] = ("name", "alias")

    alias: str = ""
    version: str | int = ""


def create_model(context: Context, request: CreateModel) -> object:
    """Make a registered model."""
    name = _model_name(request.name)
    tags = {one.key: _tag(one.key, one.value) for one in request.tags}
    try:
        made = context.store.registry.create_model(name, description=request.description, tags=tags)
    except ConflictError:
        old, new = _is_prompt(context.store.registry.get_model(name).tags), _is_prompt(tags)
        raise _name_taken(name, old_prompt=old, new_prompt=new) from None
    return {"registered_model": _shown_model(made)}


def _name_taken(name: str, *, old_prompt: bool, new_prompt: bool) -> Refused:
    words = {True: "Prompt", False: "Registered Model"}
    if old_prompt != new_prompt:
        return Refused(
            f"Tried to create a {words[new_prompt].lower()} with name {name!r}, but the name is already taken by a "
            f"{words[old_prompt].lower()}. MLflow does not allow creating a model and a prompt with the same name.",
            "RESOURCE_ALREADY_EXISTS",
        )
    return Refused(f"{words[new_prompt]} (name={name}) already exists.", "RESOURCE_ALREADY_EXISTS")


def _is_prompt(tags: dict[str, str]) -> bool:
    return tags.get(PROMPT_TAG, "false").lower() == "true"


def _model_name(name: str, parameter: str = "name") -> str:
    if not name.strip():
        raise Refused(f"Missing value for required parameter '{parameter}'.")
    if "/" in name or ":" in name:
        raise Refused(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    wire.check_path_like(name, "name")
    return name


def _tag(key: str, value: str) -> str:
    wire.check_name(key, "key")
    wire.check_length(key, wire.MAX_KEY_CHARS, "key")
    if key == _PROMPT_TEXT and len(value) > MAX_TAG_CHARS:
        raise Refused(f"Prompt text exceeds max length of {MAX_TAG_CHARS} characters.")
    return wire.check_length(value, MAX_TAG_CHARS, "value")


def _found_model(context: Context, name: str) -> RegisteredModel:
    try:
        return context.store.registry.get_model(_model_name(name))
    except NotFoundError:
        raise _no_model(name) from None


def _no_model(name: str) -> Refused:
    return wire.not_found(f"Registered Model with name={name} not found")


def _edited_model(context: Context, name: str, edit: ModelEdit) -> RegisteredModel:
    try:
        return context.store.registry.edit_model(_model_name(name), edit)
    except NotFoundError as error:
        raise (_no_model(name) if error.what == "registered model" else _no_version(name, error.given)) from None


def get_model(context: Context, request: ModelName) -> object:
    """Return a registered model."""
    return {"registered_model": _shown_model(_found_model(context, request.name))}


def rename_model(context: Context, request: RenameModel) -> object:
    """Rename a registered model; its versions stay."""
    new_name = _model_name(request.new_name, "new_name")
    try:
        renamed = _edited_model(context, request.name, ModelEdit(name=new_name))
    except ConflictError:
        raise Refused(f"Registered Model (name={new_name}) already exists.", "RESOURCE_ALREADY_EXISTS") from None
    return {"registered_model": _shown_model(renamed)}


def update_model(context: Context, request: UpdateModel) -> object:
    """Describe a registered model."""
    return {"registered_model": _shown_model(_edited_model(context, request.name, ModelEdit(description=request.description)))}


def delete_model(context: Context, request: ModelName) -> object:
    """Remove a registered model with its versions."""
    _found_model(context, request.name)
    context.store.registry.delete_model(request.name)
    return {}


_MODEL_ORDERS = {
    "name": "name",
    "timestamp": "updated",
    "last_updated_timestamp": "updated",
    "creation_timestamp": "created",
}


def search_models(context: Context, request: SearchModels) -> object:
    """Find registered models; prompts only when the filter speaks of them."""
    if not 1 <= request.max_results <= MAX_MODELS:
        raise Refused(
            f"Invalid value for request parameter max_results. It must be at most {MAX_MODELS}, but got value "
            f"{request.max_results}"
        )
    page = context.store.registry.search_models(
        ModelQuery(
            filter=_registry_filter(request.filter),
            order_by=_orders(request.order_by, _MODEL_ORDERS) or ["name"],
            limit=request.max_results,
            page_token=request.page_token or None,
        )
    )
    return wire.page_of("registered_models", [_shown_model(one) for one in page.models], page.next_page_token)


_IS_PROMPT = Comparison("tag", PROMPT_TAG, "=", "true")


def _registry_filter(text: str) -> str:
    """Return a filter that finds prompts only if it asks for them, as MLflow's do."""
    condition = parse(text)
    if condition is None:
        return to_text(Not(_IS_PROMPT))
    rewritten = _about_prompts(condition)
    return to_text(And((condition, Not(_IS_PROMPT))) if rewritten == condition and not _asks(condition) else rewritten)


def _about_prompts(condition: Condition) -> Condition:
    """Return a condition in which every word about prompts says yes or no; models have no such tag at all."""
    if isinstance(condition, Not):
        return Not(_about_prompts(condition.condition))
    if isinstance(condition, And):
        return And(tuple(_about_prompts(one) for one in condition.conditions))
    if isinstance(condition, Or):
        return Or(tuple(_about_prompts(one) for one in condition.conditions))
    if condition.entity != "tag" or condition.key != PROMPT_TAG:
        return condition
    wanted = (condition.operator, str(condition.value).lower()) in (("=", "true"), ("!=", "false"))
    return _IS_PROMPT if wanted else Not(_IS_PROMPT)


def _asks(condition: Condition) -> bool:
    if isinstance(condition, Comparison):
        return condition == _IS_PROMPT
    parts = (condition.condition,) if isinstance(condition, Not) else condition.conditions
    return any(_asks(one) for one in parts)


def _orders(order_by: Sequence[str], known: dict[str, str]) -> list[str]:
    words = []
    for clause in order_by:
        entity, key, descending = order_of(clause)
        if entity != "attribute" or key not in known:
            raise Refused(f"Invalid order by key '{key}' specified. Valid keys are '{set(known)}'")
        words.append(f"-{known[key]}" if descending else known[key])
    plain = [word.removeprefix("-") for word in words]
    if len(set(plain)) < len(plain):
        raise Refused(f"`order_by` contains duplicate fields: {list(order_by)}")
    return words


def latest_versions(context: Context, request: LatestVersions) -> object:
    """Return the highest version of each stage asked for."""
    wanted = {_stage(one) for one in request.stages} or set(STAGES)
    found = [_shown_version(one) for one in _found_model(context, request.name).latest if one.stage in wanted]
    return {"model_versions": found} if found else {}


def set_model_tag(context: Context, request: ModelTag) -> object:
    """Tag a registered model."""
    _edited_model(context, request.name, ModelEdit(tags={request.key: _tag(request.key, request.value)}))
    return {}


def delete_model_tag(context: Context, request: ModelTag) -> object:
    """Remove a tag; one that is not there is no error."""
    _edited_model(context, request.name, ModelEdit(tags={wire.check_name(request.key, "key"): None}))
    return {}


def set_alias(context: Context, request: ModelAlias) -> object:
    """Point an alias to a version."""
    alias = _alias(request.alias)
    if alias.lower() == "latest":
        raise Refused("'latest' alias name (case insensitive) is reserved.")
    if re.fullmatch(r"[vV]\d+", alias):
        raise Refused(f"Version alias name '{alias}' is reserved.")
    if request.version == "":
        raise wire.missing("version")
    _edited_model(context, request.name, ModelEdit(aliases={alias: _number(request.version)}))
    return {}


def delete_alias(context: Context, request: ModelAlias) -> object:
    """Remove an alias; one that is not there is no error."""
    alias = _alias(request.alias)
    if alias in _found_model(context, request.name).aliases:
        _edited_model(context, request.name, ModelEdit(aliases={alias: None}))
    return {}


def get_by_alias(context: Context, request: ModelAlias) -> object:
    """Return the version an alias points to."""
    alias = _alias(request.alias)
    model = _found_model(context, request.name)
    if alias.lower() == "latest":
        if not model.latest:
            raise wire.not_found(f"Latest version not found for model {request.name}.")
        return {"model_version": _shown_version(max(model.latest, key=lambda one: one.version))}
    if alias not in model.aliases:
        raise Refused(f"Registered model alias {alias} not found.")
    return {"model_version": _shown_version(_found_version(context, request.name, model.aliases[alias]))}


def _alias(alias: str) -> str:
    if not re.fullmatch(r"[\w\-]*", alias):
        raise Refused(f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-).")
    return wire.check_length(alias, MAX_ALIAS_CHARS, "Registered model alias name")


# ------------------------------------------------------------------------- versions


class VersionOf(ModelName):
    """A version."""

    required: ClassVar[tuple[str, ...]] = ("name", "version")

    version: str | int = ""


class CreateVersion(ModelName):
    """A new version."""

    required: ClassVar[tuple[str, ...]] = ("name", "source")

    source: str = ""
    run_id: str | None = None
    tags: list[KeyValue] = []
    run_link: str = ""
    description: str = ""
    model_id: str | None = None


class UpdateVersion(VersionOf):
    """A new description of a version."""

    description: str | None = None


class TransitionStage(VersionOf):
    """Another stage for a version."""

    required: ClassVar[tuple[str, ...]] = ("name", "version", "stage")

    stage: str = ""
    archive_existing_versions: bool = False


class SearchVersions(Request):
    """Which versions."""

    filter: str = ""
    max_results: int = MAX_VERSIONS
    order_by: list[str] = []
    page_token: str = ""


class VersionTag(VersionOf):
    """A tag of a version."""

    required: ClassVar[tuple[str, ...]] = ("name", "version", "key")

    key: str = ""
    value: str = ""


def create_version(context: Context, request: CreateVersion) -> object:
    """Add a version to a registered model."""
    name = _model_name(request.name)
    tags = {one.key: _tag(one.key, one.value) for one in request.tags}
    if _is_prompt(tags):
        if request.source not in _PROMPT_SOURCES:
            raise Refused(f"Invalid prompt source: '{request.source}'. Prompt sources must use an MLflow placeholder.")
        source, run_id, model_id = request.source, request.run_id or "", ""
    else:
        source, run_id, model_id = _checked_source(context, request)
    if model_id and not run_id:
        run_id = context.view.logged_model(model_id).source_run_id
    version = ModelVersion(
        source=source,
        run_id=run_id,
        run_link=request.run_link,
        description=request.description,
        model_id=model_id,
        tags=tags,
    )
    try:
        made = context.store.registry.add_version(name, version)
    except NotFoundError:
        raise _no_model(name) from None
    return {"model_version": _shown_version(made)}


_LOCAL_SOURCE = (
    "Invalid model version source: '{source}'. To use a local path as a model version source, the {id} request parameter has to "
    "be specified and the local path has to be contained within the artifact directory of the run specified by the {id}."
)
_RELATIVE_SOURCE = (
    "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, objectstore, or "
    "mlflow-artifacts uri, an absolute path must be provided without relative path references present. "
    "Please provide an absolute path."
)


def _checked_source(context: Context, request: CreateVersion) -> tuple[str, str, str]:
    """Return source, run and logged model of a new version.

    What lies on this server must lie with the run or the logged model named, and no local path does: files have no place
    in the file system that a client could mean. Addresses of other stores are kept as they are.
    """
    source, run_id, model_id = request.source, request.run_id or "", request.model_id or ""

    def foreign(which: str) -> Refused:
        return Refused(
            f"Invalid model version source: '{source}'. The {which} request parameter must identify the resource that contains "
            "the source."
        )

    which = "model_id" if model_id else "run_id"
    plain = wire.decoded(source)
    scheme, colon, rest = plain.partition(":")
    if not colon or not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.\-]+", scheme) or scheme.lower() == "file":
        raise Refused(_LOCAL_SOURCE.format(source=source, id=which))
    scheme = scheme.lower()
    path = rest.partition("?")[0]
    if "\x00" in plain or "#" in plain or any(part == ".." for part in re.split(r"[/\\?&=]", rest)):
        raise Refused(_RELATIVE_SOURCE.format(source=source))
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if scheme == "runs":
        if rest.startswith("//") or not parts or not run_id or parts[0] != run_id or model_id:
            raise foreign(which)
        return source, run_id, model_id
    if scheme == "models":
        if rest.startswith("//") or not parts:
            raise foreign("model_id")
        if is_logged_model_id(parts[0]):
            # MLflow 2 knows no model_id; the source says it as well.
            if model_id and model_id != parts[0]:
                raise foreign("model_id")
            if not model_id and request.model_id is not None:
                raise foreign("model_id")
            made = context.view.logged_model(parts[0])
            return source, run_id or made.source_run_id, parts[0]
        return _of_other_version(context, request, parts)
    root = _server_path(scheme, rest)
    if root is not None:
        if model_id:
            experiment = context.view.experiment_named(context.view.logged_model(model_id).experiment).id
            inside = [experiment, "models", model_id, "artifacts"]
        elif run_id:
            inside = [context.view.run(run_id).experiment_id, run_id, "artifacts"]
        else:
            raise foreign("run_id")
        if root[: len(inside)] != inside:
            raise foreign(which)
    return source, run_id, model_id


def _server_path(scheme: str, rest: str) -> list[str] | None:
    """Return the parts of an artifact address of a tracking server; None for an address of something else."""
    parts = [part for part in rest.partition("?")[0].split("/") if part]
    if scheme == "mlflow-artifacts":
        return parts[1:] if rest.startswith("//") and not rest.startswith("///") else parts
    if scheme in ("http", "https"):
        route = ["api", "2.0", "mlflow-artifacts", "artifacts"]
        for i in range(len(parts)):
            if parts[i : i + len(route)] == route:
                return parts[i + len(route) :]
    return None


def _of_other_version(context: Context, request: CreateVersion, parts: list[str]) -> tuple[str, str, str]:
    """Return source, run and logged model of a version that is a copy of another: `models:/name/1`, `models:/name@alias`."""
    if len(parts) == 1 and "@" in parts[0]:
        name, _, alias = parts[0].rpartition("@")
        model = _found_model(context, name)
        if alias not in model.aliases:
            raise Refused(f"Registered model alias {alias} not found.")
        number = model.aliases[alias]
    elif len(parts) == 2:
        model = _found_model(context, parts[0])
        number = _number_of(model, parts[1])
    else:
        raise Refused(
            f"Not a proper models:/ URI: {request.source}. Models URIs must be of the form 'models:/model_name/suffix' or "
            "'models:/model_name@alias' where suffix is a model version, stage, or the string 'latest' and where alias is a "
            "registered model alias. Only one of suffix or alias can be defined at a time."
        )
    if _is_prompt(model.tags):
        raise Refused(
            f"Invalid model version source: '{request.source}'. Prompt versions cannot be used as model version sources."
        )
    other = _found_version(context, model.name, number)
    if request.run_id not in (None, other.run_id) or request.model_id not in (None, other.model_id):
        raise Refused(
            f"Invalid model version source: '{request.source}'. The run_id and model_id request parameters must match the "
            "referenced model version."
        )
    return f"models:/{model.name}/{number}", other.run_id, other.model_id


def _number_of(model: RegisteredModel, suffix: str) -> int:
    if suffix.isdigit():
        return int(suffix)
    stages = None if suffix.lower() == "latest" else {_stage(suffix)}
    found = [one.version for one in model.latest if stages is None or one.stage in stages]
    if not found:
        raise wire.not_found(f"No versions of model with name '{model.name}' and stage '{suffix}' found")
    return max(found)


def _number(version: str | int) -> int:
    try:
        number = int(version)
    except ValueError:
        number = -1
    if not 0 <= number <= wire.MAX_INT64:
        raise Refused(f"Parameter 'version' must be an integer, got '{version}'.")
    return number


def _no_version(name: str, version: str | int) -> Refused:
    return wire.not_found(f"Model Version (name={name}, version={version}) not found")


def _found_version(context: Context, name: str, version: str | int) -> ModelVersion:
    number = _number(version)
    try:
        return context.store.registry.get_version(_model_name(name), number)
    except NotFoundError:
        raise _no_version(name, number) from None


def _edited_version(context: Context, name: str, version: str | int, edit: VersionEdit) -> ModelVersion:
    number = _number(version)
    try:
        return context.store.registry.edit_version(_model_name(name), number, edit)
    except NotFoundError:
        raise _no_version(name, number) from None


def _stage(stage: str) -> str:
    known = {one.lower(): one for one in STAGES}
    if stage.lower() not in known:
        raise Refused(f"Invalid Model Version stage: {stage}. Value must be one of {', '.join(STAGES)}.")
    return known[stage.lower()]


def get_version(context: Context, request: VersionOf) -> object:
    """Return a version, with params and metrics of its logged model."""
    found = _found_version(context, request.name, request.version)
    shown = _shown_version(found)
    if found.model_id:
        try:
            logged = shown_logged(context, context.store.registry.get_logged_model(found.model_id))
        except NotFoundError:  # removed since
            return {"model_version": shown}
        shown.model_params, shown.model_metrics = logged.data.params, logged.data.metrics
    return {"model_version": shown}


def update_version(context: Context, request: UpdateVersion) -> object:
    """Describe a version."""
    edit = VersionEdit(description=request.description or "")
    return {"model_version": _shown_version(_edited_version(context, request.name, request.version, edit))}


def transition_stage(context: Context, request: TransitionStage) -> object:
    """Move a version to another stage."""
    stage = _stage(request.stage)
    if request.archive_existing_versions and stage not in ("Staging", "Production"):
        raise Refused(
            f"Model version transition cannot archive existing model versions because '{request.stage}' is not an Active stage. "
            "Valid stages are ['Staging', 'Production']"
        )
    edit = VersionEdit(stage=stage, archive_others=request.archive_existing_versions)
    return {"model_version": _shown_version(_edited_version(context, request.name, request.version, edit))}


def delete_version(context: Context, request: VersionOf) -> object:
    """Remove a version and its aliases."""
    found = _found_version(context, request.name, request.version)
    context.store.registry.delete_version(found.name, found.version)
    return {}


_VERSION_ORDERS = {
    "name": "name",
    "version_number": "version",
    "creation_timestamp": "created",
    "last_updated_timestamp": "updated",
    "run_id": "run_id",
}


def search_versions(context: Context, request: SearchVersions) -> object:
    """Find versions."""
    if request.max_results < 1:
        raise Refused(f"Invalid value for max_results. It must be a positive integer, but got {request.max_results}")
    if request.max_results > MAX_VERSIONS:
        raise Refused(
            f"Invalid value for request parameter max_results. It must be at most {MAX_VERSIONS}, but got value "
            f"{request.max_results}"
        )
    orders = _orders(request.order_by, _VERSION_ORDERS) or ["-updated"]
    for word in ("name", "-version"):
        if all(one.removeprefix("-") != word.removeprefix("-") for one in orders):
            orders.append(word)
    page = context.store.registry.search_versions(
        VersionQuery(
            filter=_registry_filter(request.filter),
            order_by=orders,
            limit=min(request.max_results, MAX_MODELS_PAGE),
            page_token=request.page_token or None,
        )
    )
    return wire.page_of("model_versions", [_shown_version(one) for one in page.versions], page.next_page_token)


def download_uri(context: Context, request: VersionOf) -> object:
    """Return where a version's files are."""
    return {"artifact_uri": _artifact_uri(context, _found_version(context, request.name, request.version))}


def _artifact_uri(context: Context, version: ModelVersion) -> str:
    if version.model_id:
        try:
            made = context.store.registry.get_logged_model(version.model_id)
        except NotFoundError:  # removed since
            return version.source
        return context.view.model_uri(context.view.experiment_named(made.experiment).id, made.id)
    other = re.fullmatch(r"models:/([^/@]+)/(\d+)", version.source)
    if other is not None:
        return _artifact_uri(context, _found_version(context, other[1], other[2]))
    return version.source


def set_version_tag(context: Context, request: VersionTag) -> object:
    """Tag a version."""
    edit = VersionEdit(tags={request.key: _tag(request.key, request.value)})
    _edited_version(context, request.name, request.version, edit)
    return {}


def delete_version_tag(context: Context, request: VersionTag) -> object:
    """Remove a tag; one that is not there is no error."""
    edit = VersionEdit(tags={wire.check_name(request.key, "key"): None})
    _edited_version(context, request.name, request.version, edit)
    return {}


_REGISTERED = "/mlflow/registered-models"
_VERSIONS = "/mlflow/model-versions"

ROUTES: list[AnyRoute] = [
    Route("POST", f"{_REGISTERED}/create", CreateModel, create_model),
    Route("POST", f"{_REGISTERED}/rename", RenameModel, rename_model),
    Route("PATCH", f"{_REGISTERED}/update", UpdateModel, update_model),
    Route("DELETE", f"{_REGISTERED}/delete", ModelName, delete_model),
    Route("GET", f"{_REGISTERED}/get", ModelName, get_model),
    Route("GET", f"{_REGISTERED}/search", SearchModels, search_models),
    Route("GET", f"{_REGISTERED}/get-latest-versions", LatestVersions, latest_versions),
    Route("POST", f"{_REGISTERED}/get-latest-versions", LatestVersions, latest_versions),
    Route("POST", f"{_REGISTERED}/set-tag", ModelTag, set_model_tag),
    Route("DELETE", f"{_REGISTERED}/delete-tag", ModelTag, delete_model_tag),
    Route("POST", f"{_REGISTERED}/alias", ModelAlias, set_alias),
    Route("DELETE", f"{_REGISTERED}/alias", ModelAlias, delete_alias),
    Route("GET", f"{_REGISTERED}/alias", ModelAlias, get_by_alias),
    Route("POST", f"{_VERSIONS}/create", CreateVersion, create_version),
    Route("PATCH", f"{_VERSIONS}/update", UpdateVersion, update_version),
    Route("DELETE", f"{_VERSIONS}/delete", VersionOf, delete_version),
    Route("GET", f"{_VERSIONS}/get", VersionOf, get_version),
    Route("GET", f"{_VERSIONS}/search", SearchVersions, search_versions),
    Route("GET", f"{_VERSIONS}/get-download-uri", VersionOf, download_uri),
    Route("POST", f"{_VERSIONS}/transition-stage", TransitionStage, transition_stage),
    Route("POST", f"{_VERSIONS}/set-tag", VersionTag, set_version_tag),
    Route("DELETE", f"{_VERSIONS}/delete-tag", VersionTag, delete_version_tag),
]
