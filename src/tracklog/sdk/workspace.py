"""A workspace: everything a user sees, in a folder or on a server."""

from __future__ import annotations

import builtins
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklog.errors import NotSupportedError, UserErrorException
from tracklog.settings import Settings, azure_config, is_remote, named_uri
from tracklog.storage import RunInfo, RunQuery, Store, open_store

if TYPE_CHECKING:
    from tracklog.sdk.compute import AmlCompute
    from tracklog.sdk.data import AbstractDataset
    from tracklog.sdk.datastore import AbstractAzureStorageDatastore
    from tracklog.sdk.experiment import Experiment
    from tracklog.sdk.model import Model
    from tracklog.sdk.run import Run

_PAGE = 200  # runs asked for at once when listing


class Workspace:
    """Where runs are recorded and read. Opening costs nothing until something is read."""

    DEFAULT_CPU_CLUSTER_NAME = "cpu-cluster"
    DEFAULT_GPU_CLUSTER_NAME = "gpu-cluster"

    def __init__(
        self,
        uri: str | os.PathLike[str] | None = None,
        resource_group: str | None = None,
        workspace_name: str | None = None,
        auth: Any = None,
        *,
        subscription_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Take the workspace at an address, or one by its Azure ML v1 name: `Workspace(subscription, group, name)`.

        Args:
            uri: a folder or http(s)://…; None: `TRACKLOG_URI`, the workspace that v1's configuration file names, the
                nearest `.tracklog` folder upward, else `~/.tracklog`. With `workspace_name`, v1's subscription id.
            resource_group: v1's; kept as it is.
            workspace_name: the workspace of that name: `TRACKLOG_URI` where it is set, else one below `~/.tracklog`.
            auth: v1's; not needed.
        """
        self.subscription_id = subscription_id or ""
        self.resource_group = resource_group or ""
        self._name = workspace_name
        if workspace_name is not None:
            self.subscription_id = subscription_id or str(uri or "")
            # With an address the name is a label: a submitted script is told that of a server, which is its address.
            uri = os.environ.get("TRACKLOG_URI") or named_uri(workspace_name)
        self.settings = Settings.read(uri)
        self.location = "local"
        self.sku = "basic"
        self.tags: dict[str, str] = {}
        self._store: Store | None = None
        self._store_pid = 0
        self._lock = threading.Lock()

    @staticmethod
    def from_config(
        path: str | os.PathLike[str] | None = None, auth: Any = None, _logger: Any = None, _file_name: str | None = None
    ) -> Workspace:
        """Return the workspace that a configuration file of Azure ML v1 names: `path`, or upward from that folder.

        Without `path` and without such a file it is the default workspace, so that a script runs where nobody has one.

        Raises:
            UserErrorException: `path` was given and there is no configuration.
        """
        start = Path(path if path is not None else ".").absolute()
        found = azure_config(start, _file_name)
        if found is None and path is not None:
            raise UserErrorException(
                f"There is no workspace configuration at {start}. Expected config.json with subscription_id, resource_group and "
                "workspace_name there, in .azureml/ or aml_config/, or in a folder above; ws.write_config() makes one."
            )
        if found is None:
            return Workspace()
        return Workspace(found["subscription_id"], found["resource_group"], found["workspace_name"])

    @staticmethod
    def get(
        name: str,
        auth: Any = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        cloud: str = "AzureCloud",
        id: str | None = None,  # noqa: A002  # v1's name
    ) -> Workspace:
        """Return the workspace of a name.

        Raises:
            WorkspaceException: there is none.
        """
        from tracklog.sdk.exceptions import WorkspaceException

        found = Workspace(subscription_id, resource_group, name)
        if not is_remote(found.uri) and not Path(found.uri).is_dir():
            raise WorkspaceException(
                f"There is no workspace {name!r}. Known: {', '.join(Workspace.list('')) or 'none yet'}. "
                "Workspace.create makes one."
            )
        return found

    @staticmethod
    def create(
        name: str,
        auth: Any = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        create_resource_group: bool = True,
        sku: str = "basic",
        tags: dict[str, str] | None = None,
        friendly_name: str | None = None,
        storage_account: Any = None,
        key_vault: Any = None,
        app_insights: Any = None,
        container_registry: Any = None,
        adb_workspace: Any = None,
        primary_user_assigned_identity: Any = None,
        cmk_keyvault: Any = None,
        resource_cmk_uri: Any = None,
        hbi_workspace: bool = False,
        default_cpu_compute_target: Any = None,
        default_gpu_compute_target: Any = None,
        private_endpoint_config: Any = None,
        private_endpoint_auto_approval: bool = True,
        exist_ok: bool = False,
        show_output: bool = True,
        user_assigned_identity_for_cmk_encryption: Any = None,
        system_datastores_auth_mode: str = "accessKey",
        v1_legacy_mode: Any = None,
    ) -> Workspace:
        """Make a workspace of a name and return it. What v1 needed an Azure account for is accepted and not used.

        Raises:
            WorkspaceException: it exists, and `exist_ok` is false.
        """
        from tracklog.sdk.exceptions import WorkspaceException

        made = Workspace(subscription_id, resource_group, name)
        if not exist_ok and not is_remote(made.uri) and Path(made.uri).is_dir():
            raise WorkspaceException(f"The workspace {name!r} exists already. Take it by Workspace.get, or pass exist_ok=True.")
        made.store.experiments()  # which makes the folder
        return made

    @staticmethod
    def list(subscription_id: str, auth: Any = None, resource_group: str | None = None) -> dict[str, builtins.list[Workspace]]:
        """Return the workspaces by name that are on this machine."""
        root = Path.home() / ".tracklog" / "workspaces"
        names = sorted(folder.name for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
        return {name: [Workspace(subscription_id, resource_group, name)] for name in names}

    def write_config(self, path: str | os.PathLike[str] | None = None, file_name: str | None = None) -> None:
        """Write the file that `from_config` finds: `<path>/.azureml/config.json`."""
        target = Path(path if path is not None else ".") / ".azureml" / (file_name or "config.json")
        target.parent.mkdir(parents=True, exist_ok=True)
        scope = (
            f"/subscriptions/{self.subscription_id or 'local'}/resourceGroups/{self.resource_group or 'local'}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )
        target.write_text(json.dumps({"Id": None, "Scope": scope}, indent=4) + "\n")

    def get_details(self) -> dict[str, Any]:
        """Return what describes the workspace, in Azure ML v1's form."""
        return {
            "id": self.uri,
            "name": self.name,
            "location": self.location,
            "type": "Microsoft.MachineLearningServices/workspaces",
            "tags": dict(self.tags),
            "sku": self.sku,
            "friendlyName": self.name,
        }

    def get_mlflow_tracking_uri(self, _with_auth: bool = False) -> str:
        """Return the address to give to MLflow clients: mlflow.set_tracking_uri(ws.get_mlflow_tracking_uri()).

        For a folder a server is started on first need, for this machine only; it ends by itself after the last process
        that asked for it.

        Raises:
            ServerError: it cannot be started.
        """
        if is_remote(self.uri):
            return self.uri
        from tracklog.sdk import local_server

        return local_server.address(Path(self.uri))

    def get_default_datastore(self) -> AbstractAzureStorageDatastore:
        """Return the datastore that is used when none is named: `workspaceblobstore`, unless another was made it."""
        from tracklog.sdk.datastore import Datastore

        return Datastore.get_default(self)

    def set_default_datastore(self, name: str) -> None:
        """Make a datastore the one that is used when none is named.

        Raises:
            NotFoundError: there is none of that name.
        """
        from tracklog.sdk.datastore import Datastore

        Datastore.get(self, name).set_as_default()

    def get_default_keyvault(self) -> Any:
        """Say that no secrets are kept."""
        raise self._absent("Secrets", "Read them from the environment: os.environ['NAME'], or run.get_secret('NAME')")

    def get_default_compute_target(self, type: str) -> Any:  # noqa: A002  # v1's name
        """Say that none is the default: runs are executed on this machine, without a queue."""
        raise self._absent("Default compute targets", "Leave compute_target out, or name one: ws.compute_targets['name']")

    def _absent(self, what: str, instead: str) -> NotSupportedError:
        return NotSupportedError(f"{what} are not part of tracklog. {instead}.")

    def list_keys(self) -> dict[str, Any]:
        """Return the keys of the workspace: none, there is nothing to log in to."""
        return {}

    def sync_keys(self, no_wait: bool = False) -> None:
        """Do nothing: there are no keys."""

    def update(
        self,
        friendly_name: str | None = None,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        image_build_compute: Any = None,
        service_managed_resources_settings: Any = None,
        primary_user_assigned_identity: Any = None,
        allow_public_access_when_behind_vnet: Any = None,
        v1_legacy_mode: Any = None,
    ) -> dict[str, Any]:
        """Change the labels of this object and return `get_details()`. Nothing of it is stored."""
        self.tags.update(tags or {})
        return {**self.get_details(), **({"friendlyName": friendly_name} if friendly_name else {})}

    def delete(self, delete_dependent_resources: bool = False, no_wait: bool = False) -> None:
        """Refuse: a workspace is a folder or a server, and only its owner removes it."""
        raise NotSupportedError(
            f"A script cannot remove a whole workspace. Remove runs by `tracklog rm`, or the folder {self.uri} itself."
        )

    @staticmethod
    def setup() -> Workspace:
        """Return the default workspace; v1 asked questions here."""
        return Workspace.from_config()

    @property
    def discovery_url(self) -> str:
        """Address of the workspace."""
        return self.uri

    @property
    def environments(self) -> dict[str, Any]:
        """Registered environments by name."""
        from tracklog.sdk.configuration import Environment

        return dict(Environment.list(self))

    @property
    def datastores(self) -> dict[str, AbstractAzureStorageDatastore]:
        """Datastores by name."""
        from tracklog.sdk.datastore import Datastore, names

        return {name: Datastore.get(self, name) for name in names(self)}

    @property
    def datasets(self) -> dict[str, AbstractDataset]:
        """Registered data sets by name, each in its latest version."""
        from tracklog.sdk.data import Dataset

        return Dataset.get_all(self)

    @property
    def compute_targets(self) -> dict[str, AmlCompute]:
        """Compute targets by name."""
        from tracklog.sdk.compute import ComputeTarget

        return {target.name: target for target in ComputeTarget.list(self)}

    @property
    def models(self) -> dict[str, Model]:
        """The highest version of each registered model by name."""
        from tracklog.sdk.model import Model

        return Model.latest(self)

    def _none(self) -> dict[str, Any]:
        """Return nothing: tracklog has none of these, so a workspace lists none."""
        return {}

    images = property(_none)
    linked_services = property(_none)
    private_endpoints = property(_none)
    webservices = property(_none)

    @property
    def uri(self) -> str:
        """Address of the workspace: give it to another process to open the same."""
        return self.settings.uri

    @property
    def name(self) -> str:
        """The name it was opened by, the folder's name (its parent's for `.tracklog`), or the server's address."""
        if self._name is not None:
            return self._name
        if is_remote(self.uri):
            return self.uri
        folder = Path(self.uri)
        return folder.parent.name if folder.name == ".tracklog" else folder.name

    @property
    def store(self) -> Store:
        """The open store. A forked child opens its own."""
        with self._lock:
            if self._store is None or self._store_pid != os.getpid():
                self._store = open_store(self.uri)
                self._store_pid = os.getpid()
            return self._store

    @property
    def experiments(self) -> dict[str, Experiment]:
        """All experiments by name, the one with the latest run first."""
        from tracklog.sdk.experiment import Experiment

        return {found.name: Experiment(self, found.name) for found in self.store.experiments()}

    def get_run(self, run_id: str) -> Run:
        """Return a run by its id.

        Raises:
            NotFoundError: there is no such run here.
        """
        from tracklog.sdk.recorder import flush_living
        from tracklog.sdk.run import _run_of

        flush_living(self.uri, run_id)
        return _run_of(self, self.store.get_run(run_id))

    def find_runs(self, query: RunQuery) -> Iterator[RunInfo]:
        """Yield all runs that a query finds, page by page."""
        import msgspec

        from tracklog.sdk.recorder import flush_living

        flush_living(self.uri)
        token: str | None = None
        while True:
            page = self.store.search_runs(msgspec.structs.replace(query, limit=_PAGE, page_token=token, count=False))
            yield from page.runs
            token = page.next_page_token
            if token is None:
                return

    def portal_url(self) -> str | None:
        """Return the address of the portal that shows this workspace, None when none is running."""
        if is_remote(self.uri):
            return self.uri
        try:
            running = json.loads((Path(self.uri) / "server.json").read_text())
            os.kill(int(running["pid"]), 0)
            return str(running["url"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __repr__(self) -> str:
        if self._name is None:
            return f"Workspace({self.uri!r})"
        return (
            f"Workspace.create(name={self._name!r}, subscription_id={self.subscription_id!r}, "
            f"resource_group={self.resource_group!r})"
        )
