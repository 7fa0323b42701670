"""Registered models under Azure ML v1's names: `Model`, and what `Run.register_model` does.

A version's files never change. They belong to a logged model of their own: uploaded by `Model.register`, or shared with the
run by `Run.register_model`, so that neither writing the path again nor deleting the run touches them.
"""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import json
import os
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import msgspec

from tracklog.errors import (
    InvalidTypeError,
    NotFoundError,
    NotSupportedError,
    ServerError,
    StoreError,
    StoreUnavailableError,
    TracklogError,
    shown,
)
from tracklog.sdk.alias import DEPLOY
from tracklog.sdk.data import AbstractDataset
from tracklog.sdk.exceptions import ModelNotFoundException, ModelPathNotFoundException, WebserviceException
from tracklog.storage import DATABASE_FILES, validate_artifact_path
from tracklog.storage.registry import (
    LoggedModel,
    LoggedModelEdit,
    LoggedModelStatus,
    ModelEdit,
    ModelQuery,
    ModelVersion,
    VersionEdit,
    VersionQuery,
    files_of,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from tracklog.sdk.run import Run
    from tracklog.sdk.workspace import Workspace
    from tracklog.storage import Store

MODELS_DIR = "azureml-models"  # where `get_model_path` keeps files: <name>/<version>/<file or folder>
# A label of a logged model: the name its files have when downloaded. It ends in "/" when they are a folder's.
ENTRY = "tracklog.entry"
NO_RUN = "Default"  # experiment of models that no run made

_AWAY = (StoreError, ServerError)  # what is no mistake of the script's
_PAGE = 1000
_SEND_S = 60.0  # how long a training waits for its files to arrive before it goes on without a version
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}")
# What v1 keeps beside tags and properties has names of its own among them, and is not shown there.
_FRAMEWORK, _FRAMEWORK_VERSION = "azureml.framework", "azureml.framework_version"  # properties
_DATASETS, _RESOURCES = "azureml.datasets", "azureml.resource_configuration"  # tags, as the rest: JSON text
_SAMPLE_INPUT, _SAMPLE_OUTPUT = "azureml.sample_input_dataset", "azureml.sample_output_dataset"
_KEPT_TAGS = (_DATASETS, _RESOURCES, _SAMPLE_INPUT, _SAMPLE_OUTPUT)


class ResourceConfiguration:
    """What a model needs to be served: kept with it, for whoever serves it."""

    def __init__(self, cpu: float | None = None, memory_in_gb: float | None = None, gpu: int | None = None) -> None:
        self.cpu = cpu
        self.memory_in_gb = memory_in_gb
        self.gpu = gpu

    def serialize(self) -> dict[str, Any]:
        """Return the numbers by v1's names."""
        return {"cpu": self.cpu, "memoryInGB": self.memory_in_gb, "gpu": self.gpu}

    @staticmethod
    def deserialize(payload_obj: Mapping[str, Any] | None) -> ResourceConfiguration | None:
        """Return what `serialize` gave the numbers of; None for None."""
        if payload_obj is None:
            return None
        return ResourceConfiguration(payload_obj.get("cpu"), payload_obj.get("memoryInGB"), payload_obj.get("gpu"))

    def __repr__(self) -> str:
        return f"ResourceConfiguration(cpu={self.cpu}, memory_in_gb={self.memory_in_gb}, gpu={self.gpu})"


class Framework:
    """Words for what a model is made with; any other text is taken, too."""

    CUSTOM = "Custom"
    TENSORFLOW = "TensorFlow"
    SCIKITLEARN = "ScikitLearn"
    ONNX = "Onnx"
    PYTORCH = "PyTorch"
    TFKERAS = "TfKeras"
    MULTI = "Multi"


class Model:
    """One version of a registered model."""

    Framework = Framework

    def __init__(
        self,
        workspace: Workspace,
        name: str | None = None,
        id: str | None = None,  # noqa: A002  # v1's name
        tags: Any = None,
        properties: Any = None,
        version: int | str | None = None,
        run_id: str | None = None,
        model_framework: str | None = None,
        expand: bool = True,
        *,
        alias: str | None = None,
        stage: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Take the newest version that fits all that is given.

        Args:
            id: `name:version`.
            tags: each a name, or [name, value].
            properties: the same.
            alias: the version that an alias of `name` points to, such as "champion".
            stage: only versions in a stage, such as "Production".
            expand: v1's; everything is read either way.

        Raises:
            WebserviceException: nothing fits; the message begins with `ModelNotFound`.
        """
        if id is not None:
            name, _, version = str(id).rpartition(":")
        if version is not None and not re.fullmatch("[0-9]{1,18}", str(version)):
            raise _not_found(name=name, version=version)
        wanted = _Wanted(tags, properties, run_id, model_framework)
        if alias is not None:
            version = _alias(workspace, name, alias)
        if version is not None and name is not None:
            with _v1_errors(name=name, version=version):
                candidates = iter([workspace.store.registry.get_version(name, int(version))])
        else:
            candidates = _versions(workspace, name)
        for found in candidates:
            if wanted.fits(found) and stage in (None, found.stage) and str(version or found.version) == str(found.version):
                self._attach(workspace, found)
                return
        raise _not_found(
            name=name, version=version, run_id=run_id, tags=tags, properties=properties, framework=model_framework,
            alias=alias, stage=stage,
        )  # fmt: skip

    @classmethod
    def from_version(cls, workspace: Workspace, version: ModelVersion) -> Self:
        """Return the model of a version that a store told of."""
        model = cls.__new__(cls)
        model._attach(workspace, version)
        return model

    def _attach(self, workspace: Workspace, version: ModelVersion) -> None:
        kept = version.tags
        self.workspace = workspace
        self.name = version.name
        self.version = version.version  # 0: the store was away when it was registered, see `Run.register_model`
        self.id = f"{version.name}:{version.version}"
        self.description = version.description or None
        self.tags = {key: value for key, value in kept.items() if key not in _KEPT_TAGS}
        self.properties = {key: value for key, value in version.properties.items() if key not in (_FRAMEWORK, _FRAMEWORK_VERSION)}
        self.created_time = datetime.fromtimestamp(version.created_ms / 1000, timezone.utc)
        self.created_by = version.user
        self.run_id = version.run_id or None
        self.url = version.source
        self.stage = version.stage
        self.aliases = list(version.aliases)
        self.model_framework = version.properties.get(_FRAMEWORK)
        self.model_framework_version = version.properties.get(_FRAMEWORK_VERSION)
        self.resource_configuration = ResourceConfiguration.deserialize(json.loads(kept.get(_RESOURCES, "null")))
        self.mime_type = "application/octet-stream"
        self._version = version

    # --------------------------------------------------------------- registering

    @staticmethod
    def register(
        workspace: Workspace,
        model_path: str | os.PathLike[str],
        model_name: str,
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        description: str | None = None,
        datasets: Any = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        child_paths: Sequence[str] | None = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: ResourceConfiguration | None = None,
    ) -> Model:
        """Upload a file or folder of this disk and give the model its next version; there is one from then on.

        Args:
            model_path: a file, or a folder with all below it. Links that lead out of it are left out.
            child_paths: of a folder, only these files and folders in it.
            tags: labels that may change; values become text.
            properties: facts that never change; values become text.
            datasets: (purpose, data set) pairs.

        Raises:
            WebserviceException: there is no such path, nothing in it, or the name is not one.
        """
        version = _described(
            workspace,
            model_name,
            tags,
            properties,
            description,
            datasets,
            model_framework,
            model_framework_version,
            sample_input_dataset,
            sample_output_dataset,
            resource_configuration,
        )
        source = Path(model_path)
        files = _local_files(source, child_paths)
        print(f"Registering model {model_name}")  # noqa: T201  # as v1 does
        registry = workspace.store.registry
        model_id = f"m-{uuid.uuid4().hex}"
        logged = LoggedModel(
            id=model_id,
            experiment=NO_RUN,
            name=model_name,
            type=model_framework or "",
            tags={ENTRY: source.resolve().name + ("/" if source.is_dir() else "")},
        )
        registry.create_logged_model(logged)
        # Deleted until it is whole: half a model is of no use, and if this process dies `gc` gives its space back.
        registry.edit_logged_model(model_id, LoggedModelEdit(deleted=True))
        for name, file in files.items():
            workspace.store.put_artifact(model_id, name, file)
        registry.edit_logged_model(model_id, LoggedModelEdit(LoggedModelStatus.READY, deleted=False))
        made = msgspec.structs.replace(version, source=f"models:/{model_id}", model_id=model_id)
        return Model.from_version(workspace, registry.add_version(model_name, made, create=True))

    # ------------------------------------------------------------------- finding

    @staticmethod
    def list(
        workspace: Workspace,
        name: str | None = None,
        tags: Any = None,
        properties: Any = None,
        run_id: str | None = None,
        latest: bool = False,
        dataset_id: str | None = None,
        expand: bool = True,
        page_count: int = 255,
        model_framework: str | None = None,
    ) -> builtins.list[Model]:
        """Return versions of models, newest first.

        Args:
            tags: each a name, or [name, value].
            properties: the same.
            latest: only the highest version of each name.
            dataset_id: only those that name this data set.
        """
        wanted = _Wanted(tags, properties, run_id, model_framework, dataset_id)
        found = [version for version in _versions(workspace, name) if wanted.fits(version)]
        if latest:
            highest: dict[str, int] = {}
            for version in found:
                highest[version.name] = max(version.version, highest.get(version.name, 0))
            found = [version for version in found if version.version == highest[version.name]]
        return [Model.from_version(workspace, version) for version in found]

    @staticmethod
    def latest(workspace: Workspace) -> dict[str, Model]:
        """Return the highest version of each registered model by name: what `workspace.models` is."""
        registry = workspace.store.registry
        query: ModelQuery | None = ModelQuery(limit=_PAGE)
        found: dict[str, Model] = {}
        while query is not None:
            page = registry.search_models(query)
            for model in page.models:
                if model.latest:
                    newest = max(model.latest, key=lambda version: version.version)
                    found[model.name] = Model.from_version(workspace, newest)
            query = ModelQuery(limit=_PAGE, page_token=page.next_page_token) if page.next_page_token else None
        return found

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Workspace | None = None) -> str:
        """Return the path of a model's file or folder on this disk.

        In a script with a run, or given a workspace, the registered model is downloaded, once for each version, to
        `azureml-models/<name>/<version>/`. Elsewhere the path is that of an earlier download, or of a local file of the name.

        Raises:
            ModelNotFoundException: there is none of them.
        """
        from tracklog.sdk.run import context_workspace

        workspace = _workspace or context_workspace()
        folder = Path(MODELS_DIR) / _safe(model_name)
        if workspace is not None:
            try:
                found = Model(workspace, model_name, version=version)
            except WebserviceException:  # looked for on this disk, then
                pass
            else:
                return found._cached(folder)
        versions = sorted(int(one.name) for one in folder.iterdir() if one.name.isdigit()) if folder.is_dir() else []
        chosen = version if version is not None else versions[-1] if versions else None
        if chosen in versions:
            for entry in sorted((folder / str(chosen)).iterdir()):
                return entry.as_posix()
        if version is None and Path(model_name).exists():
            return model_name
        looked = "" if workspace is None else f"is not registered in {workspace.name}, and "
        raise ModelNotFoundException(
            f"Model {model_name!r}{'' if version is None else f', version {version},'} {looked}is neither in "
            f"{folder.absolute()} nor a file in {Path.cwd()}. Register it, or call this in a script that has a run."
        )

    # --------------------------------------------------------------------- files

    def download(self, target_dir: str | os.PathLike[str] = ".", exist_ok: bool = False, exists_ok: bool | None = None) -> str:
        """Write the model's file or folder below a folder; return its path there.

        Args:
            exist_ok: replace what is there. `exists_ok` is its older name.

        Raises:
            WebserviceException: it is there already, or the files are not in the workspace.
        """
        store, files = self.workspace.store, self._files()
        target = Path(target_dir) / files.entry
        if target.exists() and not (exist_ok or exists_ok):
            raise WebserviceException(f"{target} exists already. Pass exist_ok=True to replace it, or another target_dir.")
        _write(store, files, target)
        return target.as_posix()

    def _cached(self, folder: Path) -> str:
        files = self._files()
        target = folder / str(self.version) / files.entry
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            # Complete or not there at all, whoever else downloads it at the same time or is killed meanwhile.
            with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
                partial = Path(temporary) / files.entry
                _write(self.workspace.store, files, partial)
                with contextlib.suppress(OSError):  # a folder that another process has put there
                    partial.replace(target)
        return target.as_posix()

    def _files(self) -> _Files:
        store = self.workspace.store
        try:
            found = files_of(store.registry, self._version)
            if found is None:
                raise WebserviceException(
                    f"The files of {self.id} are not in the workspace but at {self.url or 'no address'}. Fetch them from there."
                )
            owner, path = found
            entry, is_file = path.rsplit("/", 1)[-1], False
            if path:
                names = {artifact.path: artifact.path[len(path) + 1 :] for artifact in store.artifacts(owner, path)}
                if not names:
                    names, is_file = {store.artifact(owner, path).path: ""}, True
            else:
                logged = store.registry.get_logged_model(owner)
                entry = logged.tags.get(ENTRY, f"{logged.name}/")
                names = {artifact.path: artifact.path for artifact in store.artifacts(owner)}
                is_file = not entry.endswith("/") and len(names) == 1
        except NotFoundError as error:
            raise WebserviceException(f"The files of {self.id} are gone: {error.message}", status_code=404) from error
        if not names:
            raise WebserviceException(f"{self.id} has no files.", status_code=404)
        return _Files(owner, _safe(entry.rstrip("/")), {name: "" if is_file else below for name, below in names.items()})

    @property
    def unpack(self) -> bool:
        """Whether the model is a folder."""
        return "" not in self._files().names.values()

    def get_sas_urls(self) -> NoReturn:
        """Refuse: files are given out by `download` only."""
        _refuse("get_sas_urls", "Take the model's files by model.download()")

    # -------------------------------------------------------------- the run, the data

    @property
    def run(self) -> Run | None:
        """The run the model was registered from; None without one, or when it is gone."""
        if self.run_id is None:
            return None
        try:
            return self.workspace.get_run(self.run_id)
        except NotFoundError:
            return None

    @property
    def experiment_name(self) -> str | None:
        """The experiment of that run."""
        run = self.run
        return None if run is None else run.experiment.name

    @property
    def datasets(self) -> dict[str, builtins.list[Any]]:
        """Data sets by purpose; one that is not in the workspace is the text it was given as."""
        noted = self._dataset_ids().items()
        return {purpose: [_dataset(self.workspace, one) for one in ids] for purpose, ids in noted}

    def _dataset_ids(self) -> dict[str, builtins.list[str]]:
        ids: dict[str, builtins.list[str]] = json.loads(self._version.tags.get(_DATASETS, "{}"))
        return ids

    @property
    def sample_input_dataset(self) -> Any:
        """A data set with samples of what the model takes, None without one."""
        return _dataset(self.workspace, self._version.tags.get(_SAMPLE_INPUT))

    @property
    def sample_output_dataset(self) -> Any:
        """A data set with samples of what the model gives, None without one."""
        return _dataset(self.workspace, self._version.tags.get(_SAMPLE_OUTPUT))

    # ------------------------------------------------------------------- changing

    def delete(self) -> None:
        """Remove this version; its number is not given again. Files that were uploaded for it alone go with `gc`."""
        registry = self.workspace.store.registry
        with self._v1_errors():
            registry.delete_version(self.name, self.version)
        if self._version.model_id:
            with contextlib.suppress(NotFoundError):
                logged = registry.get_logged_model(self._version.model_id)
                if ENTRY in logged.tags and not logged.registrations:
                    registry.edit_logged_model(logged.id, LoggedModelEdit(deleted=True))

    def add_tags(self, tags: Mapping[str, Any]) -> None:
        """Add or change labels; values become text."""
        self._edit(VersionEdit(tags=dict(_texts(tags, "tags"))))

    def remove_tags(self, tags: Sequence[str] | str) -> None:
        """Remove labels by name."""
        names = [tags] if isinstance(tags, str) else [str(name) for name in tags]
        self._edit(VersionEdit(tags={name: None for name in names if name not in _KEPT_TAGS}))

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """Add facts that never change; values become text.

        Raises:
            ConflictError: one has another value already; none is added then.
        """
        self._edit(VersionEdit(properties=_texts(properties, "properties")))

    def update_tags_properties(
        self, add_tags: Mapping[str, Any] | None = None, remove_tags: Sequence[str] | None = None, add_properties: Any = None
    ) -> None:
        """Add and remove labels and add facts at once."""
        tags: dict[str, str | None] = {name: None for name in remove_tags or () if name not in _KEPT_TAGS}
        tags.update(_texts(add_tags or {}, "tags"))
        self._edit(VersionEdit(tags=tags, properties=_texts(add_properties or {}, "properties")))

    def update(
        self,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: ResourceConfiguration | None = None,
    ) -> None:
        """Replace what is given; `tags` are then all the labels there are."""
        changed: dict[str, str | None] = {}
        if tags is not None:
            changed = {**dict.fromkeys(self.tags), **_texts(tags, "tags")}
        changed.update(_kept_tags(self.workspace, None, sample_input_dataset, sample_output_dataset, resource_configuration))
        self._edit(VersionEdit(description=None if description is None else _text(description), tags=changed))

    def add_dataset_references(self, datasets: Any) -> None:
        """Note data sets: (purpose, data set) pairs."""
        known = self._dataset_ids()
        for purpose, ids in _dataset_ids(self.workspace, datasets).items():
            known[purpose] = list(dict.fromkeys([*known.get(purpose, ()), *ids]))
        self._edit(VersionEdit(tags={_DATASETS: json.dumps(known)}))

    def set_stage(self, stage: str, *, archive_others: bool = False) -> None:
        """Move the version to "Staging", "Production", "Archived" or "None"; with `archive_others` those in it leave it."""
        self._edit(VersionEdit(stage=stage, archive_others=archive_others))

    def add_alias(self, alias: str) -> None:
        """Let an alias, such as "champion", point to this version, and to no other of the model."""
        self._set_alias(alias, self.version)

    def remove_alias(self, alias: str) -> None:
        """Remove an alias of the model."""
        self._set_alias(alias, None)

    def _set_alias(self, alias: str, version: int | None) -> None:
        registry = self.workspace.store.registry
        with self._v1_errors():
            registry.edit_model(self.name, ModelEdit(aliases={alias: version}))
            self._attach(self.workspace, registry.get_version(self.name, self.version))

    def _edit(self, edit: VersionEdit) -> None:
        with self._v1_errors():
            self._attach(self.workspace, self.workspace.store.registry.edit_version(self.name, self.version, edit))

    def _v1_errors(self) -> contextlib.AbstractContextManager[None]:
        return _v1_errors(name=self.name, version=self.version)

    # --------------------------------------------------------------------- shown

    def serialize(self) -> dict[str, Any]:
        """Return what describes the model, by v1's names; `deserialize` finds it again."""
        resources = self.resource_configuration
        return {
            "createdTime": self.created_time.isoformat(timespec="microseconds"),
            "createdBy": self.created_by,
            "description": self.description,
            "experimentName": self.experiment_name,
            "framework": self.model_framework,
            "frameworkVersion": self.model_framework_version,
            "id": self.id,
            "mimeType": self.mime_type,
            "name": self.name,
            "properties": dict(self.properties),
            "resourceRequirements": None if resources is None else resources.serialize(),
            "runId": self.run_id,
            "sampleInputDatasetId": self._version.tags.get(_SAMPLE_INPUT),
            "sampleOutputDatasetId": self._version.tags.get(_SAMPLE_OUTPUT),
            "tags": dict(self.tags),
            "url": self.url,
            "version": self.version,
        }

    @staticmethod
    def deserialize(workspace: Workspace, model_payload: Mapping[str, Any]) -> Model:
        """Return the model that `serialize` described."""
        return Model(workspace, id=str(model_payload["id"]))

    def __repr__(self) -> str:
        return (
            f"Model(workspace={self.workspace!r}, name={self.name}, id={self.id}, version={self.version}, tags={self.tags}, "
            f"properties={self.properties})"
        )

    # ------------------------------------------------------- outside of the product

    @staticmethod
    def deploy(
        workspace: Workspace,
        name: str,
        models: Any,
        inference_config: Any = None,
        deployment_config: Any = None,
        deployment_target: Any = None,
        overwrite: bool = False,
        show_output: bool = False,
    ) -> NoReturn:
        """Refuse: tracklog does not serve models."""
        _refuse("deploy")

    @staticmethod
    def package(
        workspace: Workspace,
        models: Any,
        inference_config: Any = None,
        generate_dockerfile: bool = False,
        image_name: str | None = None,
        image_label: str | None = None,
    ) -> NoReturn:
        """Refuse: tracklog does not build images that serve models."""
        _refuse("package")

    @staticmethod
    def profile(
        workspace: Workspace,
        profile_name: str,
        models: Any,
        inference_config: Any,
        input_dataset: Any,
        cpu: float | None = None,
        memory_in_gb: float | None = None,
        description: str | None = None,
    ) -> NoReturn:
        """Refuse: tracklog does not serve models."""
        _refuse("profile")

    @staticmethod
    def print_configuration(models: Any, inference_config: Any, deployment_config: Any, deployment_target: Any) -> NoReturn:
        """Refuse: tracklog does not serve models."""
        _refuse("print_configuration")


# ------------------------------------------------------------------- from a run


def register_from_run(
    run: Run, model_name: str, model_path: str | os.PathLike[str] | None, is_recorded_here: bool, **described: Any
) -> Model:
    """Register files of a run: what `Run.register_model` does.

    Args:
        is_recorded_here: whether this process records the run. Then files on its disk come first, and are uploaded; and a
            store that is away costs the version, not the training.
        described: the other arguments of `Run.register_model`.
    """
    workspace = run.experiment.workspace
    version = _described(workspace, model_name, **described)
    given = Path(model_path if model_path is not None else model_name)
    path = _path_in_run(given)
    version = msgspec.structs.replace(version, source=f"runs:/{run.id}/{path}", run_id=run.id)
    kept: dict[str, str] | None = None  # of the run's files; None: the store is away
    trouble: TracklogError | None = None
    try:
        kept = _digests(run)
    except _AWAY as error:
        if not is_recorded_here:
            raise
        trouble = error
    is_file = kept is not None and path in kept
    if is_recorded_here and given.exists():
        is_file = given.is_file()
        for name, file in _local_files(given).items():
            target = path if is_file else f"{path}/{name}"
            if (kept or {}).get(target) != _sha256(file):
                run.upload_file(target, file)
    elif kept is not None and not is_file and not any(name.startswith(f"{path}/") for name in kept):
        listed = ", ".join(list(kept)[:20]) or "none"
        also = f" nor in {Path.cwd()}" if is_recorded_here else ""
        raise ModelPathNotFoundException(
            f"There is no {str(given)!r} to register among the files of run {run.id}{also}. Files of the run: {listed}."
        )
    if kept is not None:
        try:
            return _registered(run, version, model_name, path + ("" if is_file else "/"))
        except _AWAY as error:
            if not is_recorded_here:
                raise
            trouble = error
    print(  # noqa: T201
        f"tracklog: the model {model_name!r} has no version yet: {trouble} Its files are kept with the run. Register it "
        f"later: tracklog.get_run({run.id!r}).register_model({model_name!r}, {path!r})",
        file=sys.stderr,
    )
    return Model.from_version(workspace, msgspec.structs.replace(version, name=model_name))


def _registered(run: Run, version: ModelVersion, model_name: str, entry: str) -> Model:
    workspace = run.experiment.workspace
    if not run.flush(_SEND_S):
        raise StoreUnavailableError(f"The store {workspace.uri} has not taken the files yet.")
    model_id = f"m-{uuid.uuid4().hex}"
    logged = LoggedModel(
        id=model_id,
        experiment=run.experiment.name,
        name=model_name,
        status=LoggedModelStatus.READY,
        type=version.properties.get(_FRAMEWORK, ""),
        source_run_id=run.id,
        tags={ENTRY: re.sub(r".*/(?=.)", "", entry)},
    )
    registry = workspace.store.registry
    registry.create_logged_model(logged, files=version.source)
    made = registry.add_version(model_name, msgspec.structs.replace(version, model_id=model_id), create=True)
    return Model.from_version(workspace, made)


def _digests(run: Run) -> dict[str, str]:
    """Return {path: digest} of the run's files as the store has them."""
    names = set(run.get_file_names())  # sends what was logged before it looks
    return {one.path: one.sha256 for one in run.experiment.workspace.store.artifacts(run.id) if one.path in names}


def _path_in_run(given: Path) -> str:
    """Return what a path of this disk is called among a run's files."""
    path = Path(os.path.normpath(given))
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    if path.is_absolute() or ".." in path.parts:
        path = Path(path.name)
    return validate_artifact_path(path.as_posix())


# ------------------------------------------------------------------------- files


class _Files(NamedTuple):
    """The files of a version."""

    owner: str  # id of a run or logged model
    entry: str  # what the file or folder is called on a disk
    names: dict[str, str]  # the owner's path -> path below the folder, "" for the one file


def _write(store: Store, files: _Files, target: Path) -> None:
    from tracklog.sdk.run import write_file

    for name, below in files.names.items():
        # A server must not write elsewhere on this machine.
        path = target / validate_artifact_path(below) if below else target
        write_file(path, store.read_artifact(files.owner, name))


def _local_files(source: Path, child_paths: Sequence[str] | None = None) -> dict[str, Path]:
    """Return {path below the folder, or name of the file: file}.

    Raises:
        WebserviceException: there are none.
    """
    if source.is_file():
        return {source.resolve().name: source}
    if not source.is_dir():
        raise WebserviceException(f"There is no file or folder {str(source)!r} in {Path.cwd()} to make a model of.")
    inside = source.resolve()
    found = {
        file.relative_to(source).as_posix(): file
        for file in sorted(source.rglob("*"))
        if file.is_file() and file.resolve().is_relative_to(inside) and file.name not in DATABASE_FILES
    }
    if child_paths is not None:
        wanted = [Path(os.path.normpath(child)).as_posix() for child in child_paths]
        for child in wanted:
            if not any(name == child or name.startswith(f"{child}/") for name in found):
                listed = ", ".join(list(found)[:20]) or "none"
                raise WebserviceException(f"There is no {child!r} in the folder {str(source)!r}. Its files: {listed}.")
        found = {
            name: file for name, file in found.items() if any(name == child or name.startswith(f"{child}/") for child in wanted)
        }
    if not found:
        raise WebserviceException(f"The folder {str(source)!r} has no files to make a model of.")
    return found


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _safe(name: str) -> str:
    """Return a name as that of a file: what could be a path is not."""
    plain = re.sub(r'[\x00-\x1f\\/:*?"<>|]', "_", name)
    return plain if plain.strip(" .") else "model"


# ----------------------------------------------------------------------- arguments


def _described(
    workspace: Workspace,
    name: str,
    tags: Any,
    properties: Any,
    description: str | None,
    datasets: Any,
    model_framework: str | None,
    model_framework_version: str | None,
    sample_input_dataset: Any,
    sample_output_dataset: Any,
    resource_configuration: ResourceConfiguration | None,
) -> ModelVersion:
    """Return a version with all that the arguments of v1's registering functions say of it.

    Raises:
        WebserviceException: the name is none, or a framework's version comes without the framework.
        InvalidTypeError: tags, properties or data sets of another form.
    """
    from tracklog.sdk.run import user_name

    if not _NAME.fullmatch(str(name)):
        raise WebserviceException(
            f"Cannot use {shown(name)} as a model's name. Expected 1 to 255 letters, digits, '-', '.' and '_', the first of them "
            "a letter or digit."
        )
    if model_framework_version is not None and model_framework is None:
        raise WebserviceException(
            f"model_framework_version={model_framework_version!r} was given without model_framework. Name the framework, "
            "for example Model.Framework.SCIKITLEARN."
        )
    framework = {_FRAMEWORK: model_framework, _FRAMEWORK_VERSION: model_framework_version}
    kept = _kept_tags(workspace, datasets, sample_input_dataset, sample_output_dataset, resource_configuration)
    return ModelVersion(
        created_ms=time.time_ns() // 1_000_000,
        description=_text(description or ""),
        user=user_name(),
        tags=_texts(tags or {}, "tags") | kept,
        properties=_texts(properties or {}, "properties") | {key: str(text) for key, text in framework.items() if text},
    )


def _kept_tags(
    workspace: Workspace, datasets: Any, sample_input: Any, sample_output: Any, resources: ResourceConfiguration | None
) -> dict[str, str]:
    kept = {
        _DATASETS: json.dumps(_dataset_ids(workspace, datasets)) if datasets else None,
        _SAMPLE_INPUT: None if sample_input is None else _dataset_id(workspace, sample_input),
        _SAMPLE_OUTPUT: None if sample_output is None else _dataset_id(workspace, sample_output),
        _RESOURCES: None if resources is None else json.dumps(resources.serialize()),
    }
    return {key: text for key, text in kept.items() if text is not None}


def _dataset_id(workspace: Workspace, dataset: Any) -> str:
    return dataset.saved_in(workspace) if isinstance(dataset, AbstractDataset) else str(dataset)


def _dataset(workspace: Workspace, dataset_id: str | None) -> Any:
    """Return the data set of an id; the text itself when it is none, or of none in the workspace."""
    if dataset_id is None or not re.fullmatch("[0-9a-f-]{36}", dataset_id):
        return dataset_id
    try:
        return AbstractDataset.get_by_id(workspace, dataset_id)
    except NotFoundError:
        return dataset_id


def _dataset_ids(workspace: Workspace, datasets: Any) -> dict[str, list[str]]:
    """Return {purpose: ids} of (purpose, data set) pairs."""
    ids: dict[str, list[str]] = {}
    for pair in datasets:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise InvalidTypeError(
                f"Cannot use {shown(pair)} as a data set of a model. Expected (purpose, data set) pairs, for example "
                "[('training', dataset)].",
                parameter="datasets",
                given=datasets,
            )
        ids.setdefault(str(pair[0]), []).append(_dataset_id(workspace, pair[1]))
    return ids


def _texts(given: Any, what: str) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise InvalidTypeError(
            f"Cannot use {shown(given)} as {what} of a model. Expected a dict of names and values.", parameter=what, given=given
        )
    return {_text(key): "" if value is None else _text(value) for key, value in given.items()}


def _text(value: object) -> str:
    """Return a value as text that UTF-8 can say: a name of a file that no one could read may have what it cannot."""
    return str(value).encode("utf-8", "replace").decode()


class _Wanted:
    """v1's filters of a version."""

    def __init__(
        self, tags: Any, properties: Any, run_id: str | None, framework: str | None, dataset_id: str | None = None
    ) -> None:
        self._tags = _pairs(tags, "tags")
        self._properties = _pairs(properties, "properties")
        self._run_id = run_id
        self._framework = framework
        self._dataset_id = dataset_id

    def fits(self, version: ModelVersion) -> bool:
        """Return whether a version passes all of them."""
        datasets = json.loads(version.tags.get(_DATASETS, "{}")).values()
        return (
            all(key in version.tags and value in (None, version.tags[key]) for key, value in self._tags)
            and all(key in version.properties and value in (None, version.properties[key]) for key, value in self._properties)
            and self._run_id in (None, version.run_id)
            and self._framework in (None, version.properties.get(_FRAMEWORK))
            and (self._dataset_id is None or any(self._dataset_id in names for names in datasets))
        )


def _pairs(given: Any, what: str) -> list[tuple[str, str | None]]:
    """Return (name, value, None for any) of v1's form of a filter."""
    if isinstance(given, Mapping):
        return list(_texts(given, what).items())
    pairs: list[tuple[str, str | None]] = []
    for one in () if given is None else given if isinstance(given, (list, tuple)) else (None,):
        if isinstance(one, str):
            pairs.append((one, None))
        elif isinstance(one, (list, tuple)) and len(one) == 2:
            pairs.append((str(one[0]), str(one[1])))
        else:
            raise InvalidTypeError(
                f"Cannot filter models by {what}={shown(given)}. Expected a list of names and [name, value] pairs.",
                parameter=what,
                given=given,
            )
    return pairs


# ------------------------------------------------------------------------- finding


def _versions(workspace: Workspace, name: str | None) -> Iterator[ModelVersion]:
    """Yield versions, of one name or all, newest first."""
    registry = workspace.store.registry
    token: str | None = None
    while True:
        page = registry.search_versions(VersionQuery(name=name, limit=_PAGE, page_token=token))
        yield from page.versions
        token = page.next_page_token
        if token is None:
            return


def _alias(workspace: Workspace, name: str | None, alias: str) -> int:
    if name is None:
        raise WebserviceException(f"The alias {alias!r} was given without a model's name. Expected both.")
    with _v1_errors(name=name):
        known = workspace.store.registry.get_model(name).aliases
    if alias not in known:
        listed = ", ".join(known) or "none"
        raise _not_found(f" Aliases of {name!r}: {listed}.", name=name, alias=alias)
    return known[alias]


def _not_found(more: str = "", **asked: Any) -> WebserviceException:
    given = ", ".join(f"{what} {value!r}" for what, value in asked.items() if value is not None) or "any name"
    return WebserviceException(f"ModelNotFound: Model with {given} not found in provided workspace.{more}", status_code=404)


@contextlib.contextmanager
def _v1_errors(**asked: Any) -> Iterator[None]:
    """Say in v1's words that there is no such model."""
    try:
        yield
    except NotFoundError as error:
        raise _not_found(f" {error.message}", **asked) from error


def _refuse(method: str, instead: str = DEPLOY) -> NoReturn:
    raise NotSupportedError(f"azureml.core.Model.{method} of Azure ML v1 is not in tracklog. {instead}.")
