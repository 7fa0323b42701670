"""Models: what runs made, under names and versions that people agree on.

A *logged model* is the set of files one training made, with its own params, tags and metrics; its id is `m-<32 hex>`, and it
owns artifacts like a run does (`Store.put_artifact(model_id, …)`). A *registered model* is a name; its *versions* count from 1.
A version's `source` says where its files came from: `runs:/<run id>/<path>`, `models:/<logged model id>`, or an address outside
the store. Its files are those of the logged model `model_id` if it has one, which stay as they are when the run writes the
path again or is deleted; else those at `source`, which may also be a copy of
another version, `models:/<name>/<version>`. `files_of` says which.

`Store.registry` is a `Registry`; `LocalStore` and `RemoteStore` pass the same suite, `tests/contracts/test_registry.py`.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Protocol

import msgspec

STAGES = ("None", "Staging", "Production", "Archived")
MAX_MODELS_PAGE = 10_000  # models or versions in one answer; MLflow's clients ask for so many versions


def is_logged_model_id(text: str) -> bool:
    """Whether a text has the form of a logged model's id."""
    return re.fullmatch("m-[0-9a-f]{32}", text) is not None


def split_source(source: str) -> tuple[str, str] | None:
    """Return (run or logged model id, path below it) of a source in the store, None for an address outside."""
    found = re.fullmatch("(runs|models):/+([^/]+)/*(.*)", source)
    if found is None or (found[1] == "models" and not is_logged_model_id(found[2])):
        return None
    return found[2], found[3].rstrip("/")


class LoggedModelStatus(str, Enum):
    """Whether a logged model's files are all there."""

    PENDING = "PENDING"
    READY = "READY"
    UPLOAD_FAILED = "UPLOAD_FAILED"


class LoggedModelMetric(msgspec.Struct, frozen=True, omit_defaults=True):
    """A metric point that speaks of a logged model, perhaps of its quality on one data set."""

    name: str
    value: float
    step: int = 0
    time_ms: int = 0
    run_id: str = ""  # which run measured it
    dataset_name: str = ""
    dataset_digest: str = ""


class LoggedModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """Files that one training made, and what is known of them."""

    id: str
    experiment: str
    name: str
    created_ms: int = 0
    updated_ms: int = 0
    status: LoggedModelStatus = LoggedModelStatus.PENDING
    type: str = ""  # what it is made with or for: "sklearn", "pytorch" …
    source_run_id: str = ""
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    metrics: list[LoggedModelMetric] = []  # of each (name, data set, run) the last by (step, time)
    registrations: list[tuple[str, int]] = []  # (registered model, version) made of it
    deleted: bool = False


class LoggedModelEdit(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What changes of a logged model. None leaves as it is; a tag of None is removed; params and metrics are added."""

    status: LoggedModelStatus | None = None
    tags: dict[str, str | None] = {}
    params: dict[str, str] = {}
    metrics: list[LoggedModelMetric] = []
    deleted: bool | None = None


class LoggedModelQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which logged models, in which order.

    `filter`: the filter language over `name`, `id` (`model_id`), `type` (`model_type`), `status`, `source_run_id`,
    `created` (`creation_time`, `creation_timestamp`), `updated` (`last_updated_timestamp`), `params.K`, `tags.K`, `metrics.K`.
    `datasets`: (name, digest) pairs that `metrics.K` in filter and order are limited to; digest "" means any.
    `order_by`: attributes as above or `metric:NAME`, a leading `-` turns it round; missing values come last.
    """

    experiments: list[str] | None = None
    ids: list[str] | None = None
    source_run_id: str | None = None
    filter: str = ""
    datasets: list[tuple[str, str]] = []
    order_by: list[str] = msgspec.field(default_factory=lambda: ["-created"])
    limit: int = 50
    page_token: str | None = None


class LoggedModelPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One page of a search; `next_page_token` is None on the last."""

    models: list[LoggedModel]
    next_page_token: str | None = None


class ModelVersion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version of a registered model."""

    name: str = ""
    version: int = 0  # 1, 2, …; never used again while the registered model lives
    created_ms: int = 0
    updated_ms: int = 0
    stage: str = "None"  # of `STAGES`
    description: str = ""
    source: str = ""
    run_id: str = ""
    run_link: str = ""
    model_id: str = ""  # logged model it was made of
    user: str = ""
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}  # set once; Azure ML v1's framework, sample data sets and the like
    aliases: list[str] = []


class RegisteredModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A name under which versions are kept."""

    name: str
    created_ms: int
    updated_ms: int
    description: str = ""
    tags: dict[str, str] = {}
    aliases: dict[str, int] = {}
    latest: list[ModelVersion] = []  # the highest version of each stage that has one
    versions: int = 0  # how many there are


class ModelEdit(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What changes of a registered model. None leaves as it is; a tag or alias of None is removed."""

    name: str | None = None  # a new name; ConflictError when another model has it
    description: str | None = None
    tags: dict[str, str | None] = {}
    aliases: dict[str, int | None] = {}  # NotFoundError when there is no such version


class VersionEdit(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What changes of a version. None leaves as it is; a tag of None is removed; properties are added, never changed."""

    description: str | None = None
    stage: str | None = None
    archive_others: bool = False  # with `stage`: versions that are in it now become Archived
    tags: dict[str, str | None] = {}
    properties: dict[str, str] = {}  # ConflictError when one has another value


class ModelQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which registered models, in which order.

    `filter`: the filter language over `name`, `created`, `updated`, `tags.K`. `text`: words that must all occur, in any case,
    in name, description or a tag. `order_by`: `name`, `created`, `updated`, a leading `-` turns it round.
    """

    filter: str = ""
    text: str = ""
    order_by: list[str] = msgspec.field(default_factory=lambda: ["name"])
    limit: int = 100
    page_token: str | None = None


class ModelPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One page of a search; `next_page_token` is None on the last."""

    models: list[RegisteredModel]
    next_page_token: str | None = None


class VersionQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which versions, in which order.

    `filter`: the filter language over `name`, `version` (`version_number`), `run_id`, `source` (`source_path`), `model_id`,
    `stage`, `created`, `updated`, `tags.K`. `order_by`: those attributes, a leading `-` turns it round.
    """

    name: str | None = None
    filter: str = ""
    order_by: list[str] = msgspec.field(default_factory=lambda: ["-created"])
    limit: int = 100
    page_token: str | None = None


class VersionPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One page of a search; `next_page_token` is None on the last."""

    versions: list[ModelVersion]
    next_page_token: str | None = None


class Registry(Protocol):
    """Models of a store. Methods raise NotFoundError for what is not there and ConflictError for what is there already."""

    def create_model(self, name: str, *, description: str = "", tags: dict[str, str] | None = None) -> RegisteredModel:
        """Make a registered model without versions."""

    def get_model(self, name: str) -> RegisteredModel:
        """Return one registered model."""

    def edit_model(self, name: str, edit: ModelEdit) -> RegisteredModel:
        """Change a registered model and return it."""

    def delete_model(self, name: str) -> None:
        """Remove a registered model with its versions. Files of runs and logged models stay."""

    def search_models(self, query: ModelQuery) -> ModelPage:
        """Return a page of registered models."""

    def add_version(self, name: str, version: ModelVersion, *, create: bool = False) -> ModelVersion:
        """Give a registered model its next version and return it; `create` makes the model when there is none.

        `name`, `version`, `created_ms`, `updated_ms` and `aliases` of what is given do not count.
        """

    def get_version(self, name: str, version: int) -> ModelVersion:
        """Return one version."""

    def edit_version(self, name: str, version: int, edit: VersionEdit) -> ModelVersion:
        """Change a version and return it."""

    def delete_version(self, name: str, version: int) -> None:
        """Remove a version and the aliases that point to it."""

    def search_versions(self, query: VersionQuery) -> VersionPage:
        """Return a page of versions."""

    def create_logged_model(self, model: LoggedModel, *, files: str = "") -> LoggedModel:
        """Keep a new logged model under its id; `created_ms` and `updated_ms` of what is given do not count.

        `files`: `runs:/<run id>/<path>` of the files it starts with, as they are now: the file, or what is in the folder.
        They are shared with the run, not copied.
        """

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """Return one logged model, a deleted one too."""

    def edit_logged_model(self, model_id: str, edit: LoggedModelEdit) -> LoggedModel:
        """Change a logged model and return it."""

    def search_logged_models(self, query: LoggedModelQuery) -> LoggedModelPage:
        """Return a page of logged models that are not deleted."""


_MAX_COPIES = 20  # of copies of copies; a ring of them ends here


def files_of(registry: Registry, version: ModelVersion) -> tuple[str, str] | None:
    """Return whose files a version's are, and at or below which path: (run or logged model id, path; "" means all).

    None: they are not in the store, see `source`. Raises NotFoundError for a copy of a version that is gone.
    """
    for _ in range(_MAX_COPIES):
        if version.model_id:
            return version.model_id, ""
        copied = re.fullmatch("models:/+([^/@]+)/+([0-9]{1,18})", version.source)
        if copied is None:
            return split_source(version.source)
        version = registry.get_version(copied[1], int(copied[2]))
    return None
