"""Datastores: folders of this machine under the names that scripts for Azure ML v1 use, and references to what lies in them.

A workspace has v1's four (`workspaceblobstore` is the default one) and those that were registered. Each is a folder below
`<assets folder>/datastores/`, made when it is first written to, or a folder of the user's own (`Datastore.register_folder`).
A container of a cloud, registered by v1's calls, is such a folder too: the files in the cloud are not looked at.

Layout of `<assets folder>/datastores/`:  <name>/ files · <name>.json what was registered · .default name of the default one

A path on a datastore is relative, with forward slashes, and never leaves the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklog.errors import (
    ConflictError,
    InvalidPathError,
    InvalidValueError,
    NotSupportedError,
    UserErrorException,
    shown,
    unknown,
)
from tracklog.settings import assets_folder
from tracklog.storage import DATABASE_FILES

if TYPE_CHECKING:
    from tracklog.sdk.workspace import Workspace

DEFAULT_NAME = "workspaceblobstore"
BLOB, FILES, LAKE, LAKE_2 = "AzureBlob", "AzureFile", "AzureDataLake", "AzureDataLakeGen2"
_BUILT_IN = {
    DEFAULT_NAME: BLOB,
    "workspacefilestore": FILES,
    "workspaceworkingdirectory": FILES,
    "workspaceartifactstore": BLOB,
}
_HALF = ".tracklog-"  # begin of the names of files that are being written
_MODES = ("mount", "download", "upload")


class AbstractDatastore:
    """A named place of a workspace for files."""

    def __init__(self, workspace: Workspace, name: str, datastore_type: str) -> None:
        self.workspace = workspace
        self.name = name
        self.datastore_type = datastore_type

    def set_as_default(self) -> None:
        """Make it the datastore that `Datastore.get_default` returns."""
        write_text(_folder(self.workspace) / ".default", self.name)

    def unregister(self) -> None:
        """Forget the datastore. Its files stay where they are.

        Raises:
            UserErrorException: it is one of those that each workspace has.
        """
        if self.name in _BUILT_IN:
            raise UserErrorException(f"Cannot unregister {self.name!r}: each workspace has it.")
        (_folder(self.workspace) / f"{self.name}.json").unlink(missing_ok=True)
        if _default_name(self.workspace) == self.name:
            (_folder(self.workspace) / ".default").unlink(missing_ok=True)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} at {folder_of(self.workspace, self.name)}>"


class AbstractAzureStorageDatastore(AbstractDatastore):
    """A datastore with files. Accounts and keys are v1's; keys are neither kept nor needed."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        datastore_type: str,
        container_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
    ) -> None:
        super().__init__(workspace, name, datastore_type)
        self.container_name = container_name
        self.account_name = account_name
        self.protocol = protocol or "https"
        self.endpoint = endpoint or "core.windows.net"
        self.sas_token: str | None = None
        self.account_key: str | None = None

    @property
    def is_sas(self) -> bool:
        """Whether a token opens it: no, it is a folder."""
        return False

    @property
    def folder(self) -> Path:
        """The folder of this machine that holds the files."""
        return folder_of(self.workspace, self.name)

    def path(self, path: str | None = None, data_reference_name: str | None = None) -> DataReference:
        """Return a reference to a file or folder on the datastore, to all of it by default."""
        return DataReference(self, data_reference_name, path)

    def as_mount(self) -> DataReference:
        """Return a reference to the whole datastore; a script is given the folder itself."""
        return DataReference(self)

    def as_download(self, path_on_compute: str | None = None) -> DataReference:
        """Return a reference to the whole datastore; a script is given a copy of the folder."""
        return DataReference(self, mode="download", path_on_compute=path_on_compute)

    def as_upload(self, path_on_compute: str | None = None) -> DataReference:
        """Return a reference to the whole datastore; what a script writes is copied to it when the script ends."""
        return DataReference(self, mode="upload", path_on_compute=path_on_compute)

    def upload(
        self,
        src_dir: str | os.PathLike[str],
        target_path: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Copy the files of a folder, with those below it, to the datastore; return a reference to where they are.

        Args:
            src_dir: a folder of this machine.
            target_path: folder on the datastore; by default its root.
            overwrite: replace files that are there already; otherwise they are left as they are.
            show_progress: print how many files there are.

        Raises:
            UserErrorException: there is no such folder, or the target leaves the datastore.
        """
        root = Path(src_dir)
        if not root.is_dir():
            raise UserErrorException(
                f"There is no folder {os.fspath(src_dir)} to upload. Give a folder; upload_files takes files."
            )
        return self._upload(root, files_below(root), target_path, overwrite, show_progress)

    def upload_files(
        self,
        files: Iterable[str | os.PathLike[str]],
        relative_root: str | os.PathLike[str] | None = None,
        target_path: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Copy files to the datastore; return a reference to where they are. Other parameters are those of `upload`.

        Args:
            files: files of this machine.
            relative_root: the folder their paths on the datastore are relative to; by default the one that has them all.

        Raises:
            UserErrorException: a file is not there, or not below `relative_root`.
        """
        if isinstance(files, (str, os.PathLike)):
            raise UserErrorException(f"Cannot upload {shown(files)}. Expected a list of files: files=[{os.fspath(files)!r}].")
        sources = [Path(os.path.abspath(file)) for file in files]
        missing = [str(file) for file in sources if not file.is_file()]
        if missing:
            raise UserErrorException(f"There is no file {missing[0]} to upload{_and_more(missing)}.")
        if not sources:
            return self.path(target_path)
        common = os.path.commonpath([file.parent for file in sources]) if relative_root is None else relative_root
        root = Path(os.path.abspath(common))
        outside = [str(file) for file in sources if not file.is_relative_to(root)]
        if outside:
            raise UserErrorException(f"{outside[0]} is not below relative_root {root}{_and_more(outside)}.")
        return self._upload(root, sources, target_path, overwrite, show_progress)

    def _upload(
        self, root: Path, files: Iterable[Path], target_path: str | None, overwrite: bool, show_progress: bool
    ) -> DataReference:
        target = inside(self.folder, target_path)
        sources = list(files)
        _say(show_progress, f"Uploading an estimated of {len(sources)} files")
        done = 0
        for file in sources:
            to = inside(self.folder, f"{relative(target_path)}/{file.relative_to(root).as_posix()}")
            if to.exists() and not overwrite:
                _say(show_progress, f"Target already exists. Skipping upload for {file.relative_to(root).as_posix()}")
                continue
            copy_file(file, to)
            done += 1
        target.mkdir(parents=True, exist_ok=True)
        _say(show_progress, f"Uploaded {done} files")
        return self.path(target_path)

    def download(
        self,
        target_path: str | os.PathLike[str],
        prefix: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> int:
        """Copy files of the datastore into a folder, under their paths on the datastore; return how many were copied.

        Args:
            target_path: a folder of this machine; made if need be.
            prefix: only files whose path begins so.
            overwrite: replace files that are there already.
            show_progress: print how many files were copied.
        """
        begins = relative(prefix)
        done = 0
        for file in files_below(self.folder):
            name = file.relative_to(self.folder).as_posix()
            to = Path(target_path) / name
            if not name.startswith(begins) or (to.exists() and not overwrite):
                continue
            copy_file(file, to)
            done += 1
        _say(show_progress, f"Downloaded {done} files")
        return done


class AzureBlobDatastore(AbstractAzureStorageDatastore):
    """A blob container of v1: a folder."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        container_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        request_session: Any = None,
        workspace_msi_has_access: bool = False,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        service_data_access_auth_identity: Any = None,
    ) -> None:
        super().__init__(workspace, name, BLOB, container_name, account_name, protocol=protocol, endpoint=endpoint)
        self.subscription_id = subscription_id
        self.resource_group = resource_group


class AzureFileDatastore(AbstractAzureStorageDatastore):
    """A file share of v1: a folder."""

    def __init__(self, workspace: Workspace, name: str, container_name: str, account_name: str, **kwargs: Any) -> None:
        super().__init__(workspace, name, FILES, container_name, account_name)


class _LakeDatastore(AbstractAzureStorageDatastore):
    """A data lake of v1: a folder."""


class Datastore:
    """The datastores of a workspace. `Datastore(workspace, name)` returns one of them, by default the default one."""

    def __new__(cls, workspace: Workspace, name: str | None = None) -> Any:
        """Return the datastore of a name."""
        return Datastore.get(workspace, name) if name is not None else Datastore.get_default(workspace)

    def __init__(self, workspace: Workspace, name: str | None = None) -> None:
        """Never called: `__new__` returns an object of another class, as v1's does."""

    @staticmethod
    def get(workspace: Workspace, datastore_name: str) -> AbstractAzureStorageDatastore:
        """Return the datastore of a name; capitals do not matter.

        Raises:
            NotFoundError: there is none of that name.
        """
        name = _checked(datastore_name)
        found = _registered(workspace, name)
        if found is None and name not in _BUILT_IN:
            raise unknown("datastore", datastore_name, names(workspace))
        return _datastore(workspace, name, found or {})

    @staticmethod
    def get_default(workspace: Workspace) -> AbstractAzureStorageDatastore:
        """Return the default datastore: `workspaceblobstore`, unless another was made it."""
        return Datastore.get(workspace, _default_name(workspace))

    @staticmethod
    def register_folder(
        workspace: Workspace, datastore_name: str, path: str | os.PathLike[str], overwrite: bool = False
    ) -> AbstractAzureStorageDatastore:
        """Register a folder of this machine, a network share for example, as a datastore.

        Raises:
            UserErrorException: there is no such folder, or another datastore has the name and `overwrite` is false.
        """
        folder = Path(path).expanduser().absolute()
        if not folder.is_dir():
            raise UserErrorException(f"There is no folder {folder} to register as datastore {datastore_name!r}.")
        return _register(workspace, datastore_name, {"type": BLOB, "folder": str(folder)}, overwrite)

    @staticmethod
    def register_azure_blob_container(
        workspace: Workspace,
        datastore_name: str,
        container_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
        blob_cache_timeout: int | None = None,
        grant_workspace_access: bool = False,
        subscription_id: str | None = None,
        resource_group: str | None = None,
    ) -> AbstractAzureStorageDatastore:
        """Register a datastore of this name whose files lie in a folder of this machine, not in the container."""
        return _stand_in(workspace, datastore_name, BLOB, container_name, account_name, overwrite)

    @staticmethod
    def register_azure_file_share(
        workspace: Workspace,
        datastore_name: str,
        file_share_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
    ) -> AbstractAzureStorageDatastore:
        """Register a datastore of this name whose files lie in a folder of this machine, not in the share."""
        return _stand_in(workspace, datastore_name, FILES, file_share_name, account_name, overwrite)

    @staticmethod
    def register_azure_data_lake(
        workspace: Workspace,
        datastore_name: str,
        store_name: str,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        resource_url: str | None = None,
        authority_url: str | None = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        overwrite: bool = False,
        grant_workspace_access: bool = False,
    ) -> AbstractAzureStorageDatastore:
        """Register a datastore of this name whose files lie in a folder of this machine, not in the lake."""
        return _stand_in(workspace, datastore_name, LAKE, store_name, store_name, overwrite)

    @staticmethod
    def register_azure_data_lake_gen2(
        workspace: Workspace,
        datastore_name: str,
        filesystem: str,
        account_name: str,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        resource_url: str | None = None,
        authority_url: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        grant_workspace_access: bool = False,
    ) -> AbstractAzureStorageDatastore:
        """Register a datastore of this name whose files lie in a folder of this machine, not in the lake."""
        return _stand_in(workspace, datastore_name, LAKE_2, filesystem, account_name, overwrite)

    @staticmethod
    def register_azure_sql_database(
        workspace: Workspace,
        datastore_name: str,
        server_name: str,
        database_name: str,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        resource_url: str | None = None,
        authority_url: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        username: str | None = None,
        password: str | None = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        grant_workspace_access: bool = False,
        **kwargs: Any,
    ) -> AbstractDatastore:
        """Refuse: a datastore is a folder."""
        raise _no_database("register_azure_sql_database", datastore_name)

    @staticmethod
    def register_azure_my_sql(
        workspace: Workspace,
        datastore_name: str,
        server_name: str,
        database_name: str,
        user_id: str,
        user_password: str,
        port_number: int | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        **kwargs: Any,
    ) -> AbstractDatastore:
        """Refuse: a datastore is a folder."""
        raise _no_database("register_azure_my_sql", datastore_name)

    @staticmethod
    def register_azure_postgre_sql(
        workspace: Workspace,
        datastore_name: str,
        server_name: str,
        database_name: str,
        user_id: str,
        user_password: str,
        port_number: int | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        enforce_ssl: bool = True,
        **kwargs: Any,
    ) -> AbstractDatastore:
        """Refuse: a datastore is a folder."""
        raise _no_database("register_azure_postgre_sql", datastore_name)


class DataReference:
    """A file or folder on a datastore, and how a script is given it. As text it is v1's `$AZUREML_DATAREFERENCE_<name>`."""

    def __init__(
        self,
        datastore: AbstractAzureStorageDatastore,
        data_reference_name: str | None = None,
        path_on_datastore: str | None = None,
        mode: str = "mount",
        path_on_compute: str | None = None,
        overwrite: bool = False,
    ) -> None:
        """Refer to a path.

        Args:
            datastore: where it is.
            data_reference_name: by default the datastore's name, or with a path one made of it.
            path_on_datastore: by default the whole datastore.
            mode: `mount` (the place itself), `download` (a copy) or `upload` (what a script writes is copied to it).
            path_on_compute: where the copy is made: absolute, or below the folder the script runs in.
            overwrite: replace what is there.

        Raises:
            InvalidValueError: another mode, or a path that leaves the datastore.
        """
        if mode not in _MODES:
            raise InvalidValueError(
                f"Cannot use {shown(mode)} as mode of a data reference. Expected one of {', '.join(_MODES)}.",
                parameter="mode",
                given=mode,
            )
        self.datastore = datastore
        self.path_on_datastore = relative(path_on_datastore) or None
        digest = hashlib.sha256(f"{datastore.name}/{self.path_on_datastore}".encode()).hexdigest()[:32]
        self.data_reference_name = data_reference_name or (datastore.name if self.path_on_datastore is None else digest)
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    @staticmethod
    def create(
        data_reference_name: str | None = None,
        datapath: DataPath | None = None,
        datapath_compute_binding: DataPathComputeBinding | None = None,
    ) -> DataReference:
        """Return the reference that a path and a binding make."""
        if datapath is None or datapath.datastore is None:
            raise UserErrorException("Cannot make a data reference without a DataPath that has a datastore.")
        binding = datapath_compute_binding or DataPathComputeBinding()
        return DataReference(
            datapath.datastore,
            data_reference_name,
            datapath.path_on_datastore,
            binding.mode,
            binding.path_on_compute,
            binding.overwrite,
        )

    def _with(self, mode: str, path_on_compute: str | None, overwrite: bool) -> DataReference:
        name = self.data_reference_name
        return DataReference(self.datastore, name, self.path_on_datastore, mode, path_on_compute, overwrite)

    def as_mount(self) -> DataReference:
        """Return the reference in mode `mount`."""
        return self._with("mount", self.path_on_compute, self.overwrite)

    def as_download(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        """Return the reference in mode `download`."""
        return self._with("download", path_on_compute, overwrite)

    def as_upload(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        """Return the reference in mode `upload`."""
        return self._with("upload", path_on_compute, overwrite)

    def path(self, path: str | None = None, data_reference_name: str | None = None) -> DataReference:
        """Return a reference to a path below this one."""
        below = "/".join(part for part in (self.path_on_datastore, relative(path)) if part)
        return DataReference(self.datastore, data_reference_name, below)

    def to_config(self) -> DataReferenceConfiguration:
        """Return what `RunConfiguration.data_references` takes."""
        return DataReferenceConfiguration(
            self.datastore.name, self.mode, self.path_on_datastore, self.path_on_compute, self.overwrite
        )

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.data_reference_name}"

    def __repr__(self) -> str:
        return str(self)


class DataReferenceConfiguration:
    """A data reference in a run configuration."""

    def __init__(
        self,
        datastore_name: str | None = None,
        mode: str = "mount",
        path_on_datastore: str | None = None,
        path_on_compute: str | None = None,
        overwrite: bool = False,
    ) -> None:
        self.datastore_name = datastore_name
        self.mode = str(mode).lower()
        self.path_on_datastore = path_on_datastore
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite


class DataPath:
    """A path on a datastore."""

    def __init__(
        self,
        datastore: AbstractAzureStorageDatastore | None = None,
        path_on_datastore: str | None = None,
        name: str | None = None,
    ) -> None:
        self.datastore = datastore
        self._path = relative(path_on_datastore) or None
        self.name = name

    @property
    def datastore_name(self) -> str | None:
        """Name of the datastore."""
        return None if self.datastore is None else self.datastore.name

    @property
    def path_on_datastore(self) -> str | None:
        """The path; None for the whole datastore."""
        return self._path

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPath:
        """Return where a reference points to."""
        return DataPath(data_reference.datastore, data_reference.path_on_datastore, data_reference.data_reference_name)

    def create_data_reference(
        self, data_reference_name: str | None = None, datapath_compute_binding: DataPathComputeBinding | None = None
    ) -> DataReference:
        """Return a reference to this path."""
        return DataReference.create(data_reference_name, self, datapath_compute_binding)


class DataPathComputeBinding:
    """How a script is given a path: see `DataReference`."""

    def __init__(self, mode: str = "mount", path_on_compute: str | None = None, overwrite: bool = False) -> None:
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPathComputeBinding:
        """Return how a reference is given."""
        return DataPathComputeBinding(data_reference.mode, data_reference.path_on_compute, data_reference.overwrite)

    def create_data_reference(self, data_reference_name: str | None = None, datapath: DataPath | None = None) -> DataReference:
        """Return a reference to a path, given in this way."""
        return DataReference.create(data_reference_name, datapath, self)


# ------------------------------------------------------------------- definitions


def names(workspace: Workspace) -> list[str]:
    """Return the names of all datastores, v1's own first."""
    folder = _folder(workspace)
    found = sorted(file.stem for file in folder.glob("*.json")) if folder.is_dir() else []
    return [*_BUILT_IN, *(name for name in found if name not in _BUILT_IN)]


def folder_of(workspace: Workspace, name: str) -> Path:
    """Return the folder of a datastore; it may not have been made yet."""
    found = _registered(workspace, _checked(name)) or {}
    return Path(found["folder"]) if found.get("folder") else _folder(workspace) / _checked(name)


def _folder(workspace: Workspace) -> Path:
    return assets_folder(workspace.uri) / "datastores"


def _checked(name: object) -> str:
    """Return a name in its one form. v1's rule keeps it one part of a path, too."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_]{1,255}", name):
        raise InvalidValueError(
            f"Cannot use {shown(name)} as the name of a datastore. Expected letters, digits and _.",
            parameter="datastore_name",
            given=name,
        )
    return name.lower()


def _default_name(workspace: Workspace) -> str:
    with contextlib.suppress(OSError):
        return (_folder(workspace) / ".default").read_text(encoding="utf-8").strip() or DEFAULT_NAME
    return DEFAULT_NAME


def _registered(workspace: Workspace, name: str) -> dict[str, Any] | None:
    file = _folder(workspace) / f"{name}.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserErrorException(f"{file} does not say what datastore {name!r} is: {error}. Register it again.") from error
    return found if isinstance(found, dict) else {}


def _register(
    workspace: Workspace, datastore_name: str, definition: dict[str, Any], overwrite: bool
) -> AbstractAzureStorageDatastore:
    name = _checked(datastore_name)
    before = _registered(workspace, name)
    if not overwrite and (name in _BUILT_IN or before not in (None, definition)):
        raise _NameTaken(
            f"There is a datastore {name!r} already. Take it by Datastore.get, or pass overwrite=True to replace it."
        )
    write_text(_folder(workspace) / f"{name}.json", json.dumps(definition, indent=2))
    return _datastore(workspace, name, definition)


class _NameTaken(ConflictError, UserErrorException):
    """v1's class for it is UserErrorException."""


def _datastore(workspace: Workspace, name: str, definition: dict[str, Any]) -> AbstractAzureStorageDatastore:
    type_ = definition.get("type") or _BUILT_IN.get(name, BLOB)
    container, account = definition.get("container") or name, definition.get("account") or "local"
    if type_ == BLOB:
        return AzureBlobDatastore(workspace, name, container, account)
    if type_ == FILES:
        return AzureFileDatastore(workspace, name, container, account)
    return _LakeDatastore(workspace, name, type_, container, account)


def _stand_in(
    workspace: Workspace, name: str, type_: str, container: str, account: str, overwrite: bool
) -> AbstractAzureStorageDatastore:
    before = _registered(workspace, _checked(name))
    if before is not None and before.get("folder"):  # the user has said where those files are on this machine
        return _datastore(workspace, _checked(name), before)
    made = _register(workspace, name, {"type": type_, "container": str(container), "account": str(account)}, overwrite)
    if not workspace.settings.quiet:
        print(  # noqa: T201
            f"tracklog: datastore {made.name!r} is the folder {made.folder}; {container!r} of {account!r} is not read. Copy its "
            "files there, or register the folder that has them before: Datastore.register_folder."
        )
    return made


def _no_database(call: str, name: str) -> NotSupportedError:
    return NotSupportedError(
        f"Datastore.{call} of Azure ML v1 is not in tracklog: {name!r} would be a database, and a datastore is a folder. "
        "Query it with the library you use, and keep the result: Dataset.Tabular.register_pandas_dataframe."
    )


# -------------------------------------------------------------------------- files


def relative(path: object) -> str:
    """Return a path on a datastore in its one form: relative, forward slashes; "" for the root.

    Raises:
        InvalidPathError: it has `..`, a backslash, a drive, or a character no file name has.
    """
    if path is None:
        return ""
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    parts = [part for part in text.split("/") if part not in ("", ".")] if isinstance(text, str) else [".."]
    if any(part == ".." or "\\" in part or any(ord(char) < 32 for char in part) for part in parts) or (
        parts and re.match(r"[A-Za-z]:$", parts[0])
    ):
        raise InvalidPathError(
            f"Cannot use {shown(path)} as a path on a datastore. Expected a path below it with forward slashes, "
            "for example 'data/train.csv'.",
            parameter="path",
            given=path,
        )
    return "/".join(parts)


def inside(root: Path, path: object) -> Path:
    """Return where a path on a datastore is, for writing.

    Raises:
        InvalidPathError: it leaves the folder, by its parts or through a link.
    """
    place = root / relative(path)
    if not place.resolve().is_relative_to(root.resolve()):
        raise InvalidPathError(
            f"{path!r} leads out of the datastore's folder {root} through a link.", parameter="path", given=path
        )
    return place


def files_below(root: Path) -> Iterator[Path]:
    """Yield all files below a folder, in the order of their paths, but for databases of workspaces.

    Links to folders are followed, each folder once.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [(str(root), True)]
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            yield Path(path)
            continue
        try:
            here = os.stat(path)
            with os.scandir(path) as found:
                wanted = [one for one in found if not one.name.startswith(_HALF) and one.name not in DATABASE_FILES]
                entries = [(one.path, one.is_dir()) for one in wanted]
        except (FileNotFoundError, NotADirectoryError):
            continue
        if (here.st_dev, here.st_ino) not in seen:  # else a link to a folder above, or a second one to the same
            seen.add((here.st_dev, here.st_ino))
            waiting.extend(sorted(entries, key=lambda one: one[0] + "/" * one[1], reverse=True))


def copy_file(source: Path, target: Path) -> None:
    """Copy a file. Readers of the target see the whole of it or what was there before."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, half = tempfile.mkstemp(dir=target.parent, prefix=_HALF)
    os.close(descriptor)
    try:
        shutil.copyfile(source, half)
        shutil.copymode(source, half)
        os.replace(half, target)
    except BaseException:
        os.unlink(half)
        raise


def write_text(file: Path, text: str) -> None:
    """Write a small file so that readers see the whole of it or what was there before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, half = tempfile.mkstemp(dir=file.parent, prefix=_HALF)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(half, file)


def _and_more(found: list[str]) -> str:
    return f", nor are {len(found) - 1} more" if len(found) > 1 else ""


def _say(wanted: bool, text: str) -> None:
    if wanted:
        print(text)  # noqa: T201  # what `show_progress` asks for
