"""Compute targets of Azure ML v1: queues of this machine under the names that scripts give to clusters.

A target has `max_nodes` slots. A run submitted to it waits, Queued, until one is free, and holds it while its script runs;
runs start in the order they were submitted. Definitions outlive the process:

    <assets folder>/compute/<name>.json          what was asked for
    <assets folder>/compute/<name>.slots/<n>     locked by the process that watches the run in slot n
    <assets folder>/compute/<name>.queue/<time>-<run id>   locked by the process whose run waits

The kernel drops the locks of a process however it ends, so neither a slot nor a place in the queue outlives its run.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklog.errors import NotSupportedError, shown, suggestion
from tracklog.locks import try_lock
from tracklog.sdk.datastore import write_text
from tracklog.sdk.exceptions import ComputeTargetException
from tracklog.settings import assets_folder

if TYPE_CHECKING:
    from typing_extensions import Self

    from tracklog.sdk.run import Run
    from tracklog.sdk.workspace import Workspace

LOCAL = "local"
PROPERTY = "tracklog.compute_target"  # of a run: the target it was submitted to
_DEFAULT_MAX_NODES = 4  # v1's, when none is given
_NEW_S = 10.0  # a ticket is locked once the process has started that it was made for
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,31}")
_ONLY_QUEUES = "Compute targets are queues of this machine, made by AmlCompute.provisioning_configuration"


class AmlComputeProvisioningConfiguration:
    """What `ComputeTarget.create` is asked for. The machine is this one; of a cluster's settings `max_nodes` has an effect."""

    def __init__(self, **settings: Any) -> None:
        self.__dict__.update(settings)
        self.min_nodes = _nodes("min_nodes", settings.get("min_nodes", 0), least=0)
        given = settings.get("max_nodes")
        self.max_nodes = _DEFAULT_MAX_NODES if given is None else _nodes("max_nodes", given, least=1)
        if self.min_nodes > self.max_nodes:
            raise ComputeTargetException(f"min_nodes is {self.min_nodes}, more than max_nodes, {self.max_nodes}.")


class ScaleSettings:
    """How many runs at once a target allows."""

    def __init__(self, minimum_node_count: int, maximum_node_count: int, idle_seconds_before_scaledown: int = 1800) -> None:
        self.minimum_node_count = minimum_node_count
        self.maximum_node_count = maximum_node_count
        self.idle_seconds_before_scaledown = idle_seconds_before_scaledown

    def serialize(self) -> dict[str, Any]:
        """Return v1's form."""
        return {
            "minNodeCount": self.minimum_node_count,
            "maxNodeCount": self.maximum_node_count,
            "nodeIdleTimeBeforeScaleDown": f"PT{self.idle_seconds_before_scaledown}S",
        }


class AmlComputeStatus:
    """What a target is doing."""

    def __init__(self, target: ComputeTarget, running: int) -> None:
        self.allocation_state = "Steady"
        self.current_node_count = self.target_node_count = max(running, target.scale_settings.minimum_node_count)
        self.errors: list[Any] = []
        self.node_state_counts = {
            "preparingNodeCount": 0,
            "runningNodeCount": running,
            "idleNodeCount": self.current_node_count - running,
            "unusableNodeCount": 0,
            "leavingNodeCount": 0,
            "preemptedNodeCount": 0,
        }
        self.provisioning_state = "Succeeded"
        self.creation_time, self.modified_time = target.created_on, target.modified_on
        self.allocation_state_transition_time = self.provisioning_state_transition_time = target.modified_on
        self.scale_settings = target.scale_settings
        self.vm_priority, self.vm_size = target.vm_priority, target.vm_size

    def serialize(self) -> dict[str, Any]:
        """Return v1's form."""
        found: dict[str, Any] = {}
        for name, value in vars(self).items():
            key = re.sub(r"_(\w)", lambda part: part[1].upper(), name)
            found[key] = value.isoformat() if isinstance(value, datetime) else value
        return {**found, "scaleSettings": self.scale_settings.serialize()}

    def __repr__(self) -> str:
        return json.dumps(self.serialize(), indent=4)


class ComputeTarget:
    """A place where submitted scripts are executed. `ComputeTarget(workspace, name)` returns one that was created."""

    name: str

    def __new__(cls, workspace: Workspace, name: str) -> Self:
        """Make an object of the class of targets there are, as v1's does."""
        return super().__new__(AmlCompute if cls is ComputeTarget else cls)  # type: ignore[return-value]

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Take a target by its name.

        Raises:
            ComputeTargetException: there is none of that name.
        """
        self.workspace = workspace
        self.name = str(name)
        self.type = "AmlCompute"
        self.refresh_state()

    def refresh_state(self) -> None:
        """Read the definition again.

        Raises:
            ComputeTargetException: the target was deleted.
        """
        found = _definition(self.workspace, self.name)
        if found is None:
            known = names(self.workspace)
            raise ComputeTargetException(
                f"There is no compute target {self.name!r} in the workspace. Known: {', '.join([LOCAL, *known])}."
                f"{suggestion(self.name, known)} ComputeTarget.create makes one."
            )
        self.location = self.cluster_location = self.workspace.location
        self.created_on = datetime.fromtimestamp(found["created_ms"] / 1000, timezone.utc)
        self.modified_on = datetime.fromtimestamp(found["modified_ms"] / 1000, timezone.utc)
        self.vm_size: str = found["vm_size"]
        self.vm_priority: str = found["vm_priority"]
        self.description: str | None = found["description"]
        self.tags: dict[str, str] = found["tags"]
        self.scale_settings = ScaleSettings(found["min_nodes"], found["max_nodes"], found["idle_seconds"])
        self.provisioning_state = "Succeeded"
        self.provisioning_errors: builtins.list[Any] | None = None
        self.cluster_resource_id = self.id = f"{self.workspace.uri}/compute/{self.name}"

    @staticmethod
    def create(workspace: Workspace, name: str, provisioning_configuration: Any) -> AmlCompute:
        """Make a target that outlives this process, or change the one of that name, and return it.

        Raises:
            ComputeTargetException: the name or the configuration cannot be used.
        """
        name = _checked(name)
        if not isinstance(provisioning_configuration, AmlComputeProvisioningConfiguration):
            raise ComputeTargetException(
                f"Cannot make a compute target of {shown(provisioning_configuration)}. {_ONLY_QUEUES}(…)."
            )
        given = provisioning_configuration
        before = _definition(workspace, name)
        now_ms = time.time_ns() // 1_000_000
        _write(
            workspace,
            name,
            {
                "name": before["name"] if before else name,
                "vm_size": str(getattr(given, "vm_size", "") or ""),
                "vm_priority": str(getattr(given, "vm_priority", "") or "dedicated"),
                "min_nodes": given.min_nodes,
                "max_nodes": given.max_nodes,
                "idle_seconds": int(getattr(given, "idle_seconds_before_scaledown", None) or 1800),
                "description": getattr(given, "description", None),
                "tags": {str(key): str(value) for key, value in (getattr(given, "tags", None) or {}).items()},
                "created_ms": before["created_ms"] if before else now_ms,
                "modified_ms": now_ms,
            },
        )
        return AmlCompute(workspace, name)

    @staticmethod
    def list(workspace: Workspace) -> builtins.list[AmlCompute]:
        """Return all targets, by name."""
        return [AmlCompute(workspace, name) for name in names(workspace)]

    @staticmethod
    def attach(workspace: Workspace, name: str, attach_configuration: Any) -> Any:
        """Refuse: there is nothing to attach."""
        raise NotSupportedError(
            f"ComputeTarget.attach of Azure ML v1 is not in tracklog. {_ONLY_QUEUES} and ComputeTarget.create."
        )

    def detach(self) -> None:
        """Refuse, as v1 does for clusters: they are deleted."""
        raise NotSupportedError("A compute target that was created is not detached. Remove it by delete().")

    def delete(self) -> None:
        """Forget the target. Runs that wait in its queue fail; those that are executed go on."""
        folder = _folder(self.workspace)
        _file(self.workspace, self.name).unlink(missing_ok=True)
        shutil.rmtree(folder / f"{_key(self.name)}.queue", ignore_errors=True)

    def wait_for_completion(self, show_output: bool = False, is_delete_operation: bool = False) -> None:
        """Return at once: a queue is there when it was created. With `show_output`, print v1's lines."""
        if show_output and not is_delete_operation:
            print("Succeeded\nAmlCompute wait for completion finished\n\nMinimum number of nodes requested have been provisioned")  # noqa: T201

    def get_status(self) -> AmlComputeStatus:
        """Return what the target is doing, with how many runs it executes now."""
        self.refresh_state()
        return AmlComputeStatus(self, len(_busy_slots(self.workspace, self.name)))

    def serialize(self) -> dict[str, Any]:
        """Return v1's form."""
        return {
            "id": self.id,
            "name": self.name,
            "tags": self.tags,
            "location": self.location,
            "type": "Microsoft.MachineLearningServices/workspaces/computes",
            "properties": {
                "computeType": self.type,
                "computeLocation": self.location,
                "description": self.description,
                "provisioningState": self.provisioning_state,
                "provisioningErrors": self.provisioning_errors,
                "properties": {
                    "vmSize": self.vm_size,
                    "vmPriority": self.vm_priority,
                    "scaleSettings": self.scale_settings.serialize(),
                },
            },
        }

    @staticmethod
    def deserialize(workspace: Workspace, object_dict: Mapping[str, Any]) -> AmlCompute:
        """Return the target that a serialized one names.

        Raises:
            ComputeTargetException: there is none of that name.
        """
        return AmlCompute(workspace, str(object_dict.get("name")))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(workspace={self.workspace!r}, name={self.name!r}, id={self.id!r}, type={self.type!r}, "
            f"provisioning_state={self.provisioning_state!r}, location={self.location!r}, tags={self.tags!r})"
        )


class AmlCompute(ComputeTarget):
    """A cluster of v1: a queue of this machine with `max_nodes` slots."""

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int | str = 0,
        max_nodes: int | str | None = None,
        idle_seconds_before_scaledown: int | str = 1800,
        admin_username: str | None = None,
        admin_user_password: str | None = None,
        admin_user_ssh_key: str | None = None,
        vnet_resourcegroup_name: str | None = None,
        vnet_name: str | None = None,
        subnet_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
        remote_login_port_public_access: str = "NotSpecified",
        identity_type: Any = None,
        identity_id: Any = None,
        location: str | None = None,
        enable_node_public_ip: bool = True,
    ) -> AmlComputeProvisioningConfiguration:
        """Return what `ComputeTarget.create` is asked for.

        Args:
            vm_size: kept, and shown again; the machine is this one.
            vm_priority: the same.
            min_nodes: the same; text is accepted, as scripts take it from the environment.
            max_nodes: how many runs are executed at once; by default 4, as in v1.
            idle_seconds_before_scaledown: the same as `vm_size`.
            tags: of the target.
            description: of the target.

        Raises:
            ComputeTargetException: a number of nodes is none.
        """
        return AmlComputeProvisioningConfiguration(
            vm_size=vm_size,
            vm_priority=vm_priority,
            min_nodes=min_nodes,
            max_nodes=max_nodes,
            idle_seconds_before_scaledown=idle_seconds_before_scaledown,
            tags=tags,
            description=description,
            location=location,
        )

    def wait_for_completion(  # type: ignore[override]  # v1's parameters, in v1's order
        self,
        show_output: bool = False,
        min_node_count: int | None = None,
        timeout_in_minutes: float = 25,
        is_delete_operation: bool = False,
    ) -> None:
        """See `ComputeTarget.wait_for_completion`."""
        super().wait_for_completion(show_output, is_delete_operation)

    def update(
        self,
        min_nodes: int | str | None = None,
        max_nodes: int | str | None = None,
        idle_seconds_before_scaledown: int | None = None,
    ) -> None:
        """Change the number of slots; runs that are executed go on when there are fewer."""
        found = _definition(self.workspace, self.name) or {}
        given = AmlComputeProvisioningConfiguration(
            min_nodes=found["min_nodes"] if min_nodes is None else min_nodes,
            max_nodes=found["max_nodes"] if max_nodes is None else max_nodes,
        )
        idle = found["idle_seconds"] if idle_seconds_before_scaledown is None else int(idle_seconds_before_scaledown)
        changed = {"min_nodes": given.min_nodes, "max_nodes": given.max_nodes, "idle_seconds": idle}
        _write(self.workspace, self.name, {**found, **changed, "modified_ms": time.time_ns() // 1_000_000})
        self.refresh_state()

    def get(self) -> AmlCompute:
        """Return the target as it is now."""
        return AmlCompute(self.workspace, self.name)

    def list_nodes(self) -> builtins.list[dict[str, Any]]:
        """Return the slots with a run: `nodeId`, `nodeState` and `runId` of each."""
        return [
            {"nodeId": str(number), "nodeState": "running", "runId": run_id, "port": None, "publicIpAddress": None}
            for number, run_id in _busy_slots(self.workspace, self.name).items()
        ]

    def get_active_runs(self, type: Any = None, tags: Any = None, properties: Any = None, status: Any = None) -> Iterator[Run]:  # noqa: A002
        """Yield the runs that are executed or wait in the queue, those that are executed first."""
        waiting = [ticket.partition("-")[2] for ticket in _tickets(self.workspace, self.name)]
        for run_id in [*_busy_slots(self.workspace, self.name).values(), *waiting]:
            run = self.workspace.get_run(run_id)
            if status in (None, run.get_status()) and type in (None, run.type):
                yield run

    @staticmethod
    def supported_vmsizes(workspace: Workspace, location: str | None = None) -> builtins.list[dict[str, Any]]:
        """Return the one size there is: this machine."""
        import psutil

        memory_gb = round(psutil.virtual_memory().total / 2**30, 1)
        return [{"name": LOCAL, "vCPUs": os.cpu_count() or 1, "gpus": 0, "memoryGB": memory_gb, "maxResourceVolumeMB": 0}]


class LocalTarget:
    """This machine without a queue: what runs are executed on by default."""

    def __init__(self) -> None:
        self.name = self.type = LOCAL


def names(workspace: Workspace) -> list[str]:
    """Return the names of all targets, sorted."""
    folder = _folder(workspace)
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [str(found["name"]) for file in files if (found := _definition(workspace, file.stem)) is not None]


def check_target(workspace: Workspace, target: Any) -> str:
    """Return the name of the target that a configuration asks for, "local" for none.

    Raises:
        ComputeTargetException: there is none of that name.
    """
    name = getattr(target, "name", target)
    return LOCAL if name in (None, LOCAL) else ComputeTarget(workspace, str(name)).name


# ---------------------------------------------------------------------------- slots


class Place:
    """A run's place on a target: in the queue, then in a slot. Belongs to the process that watches the run."""

    def __init__(self, workspace: Workspace, name: str, run_id: str, since_ns: int) -> None:
        """Prepare.

        Args:
            since_ns: when the run was submitted: its turn comes after those submitted before.
        """
        self._workspace = workspace
        self._name = name
        self._run_id = run_id
        self._ticket = _folder(workspace) / f"{_key(name)}.queue" / f"{since_ns:020d}-{run_id}"
        self._ticket_lock: int | None = None
        self._slot_lock: int | None = None

    def announce(self) -> None:
        """Queue for a process that is about to be started and calls `take`: so runs keep the order they were submitted in."""
        self._ticket.parent.mkdir(parents=True, exist_ok=True)
        self._ticket.touch()

    def take(self) -> bool:
        """Take a slot if this run is the first that waits and one is free; return whether it has one. Call again until then.

        Raises:
            ComputeTargetException: the target was deleted.
        """
        definition = _definition(self._workspace, self._name)
        if definition is None:
            raise ComputeTargetException(f"The compute target {self._name!r} was deleted while the run waited for it.")
        if self._ticket_lock is None:
            self.announce()
            self._ticket_lock = try_lock(self._ticket)  # None while another process looks whether it is locked
        tickets = _tickets(self._workspace, self._name)
        if tickets and tickets[0] < self._ticket.name:
            return False
        folder = _folder(self._workspace) / f"{_key(self._name)}.slots"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(definition["max_nodes"]):
            if (lock := try_lock(folder / str(number))) is not None:
                os.ftruncate(lock, 0)
                os.write(lock, self._run_id.encode())
                self._slot_lock = lock
                self._leave_queue()
                return True
        return False

    def _leave_queue(self) -> None:
        if self._ticket_lock is not None:
            os.close(self._ticket_lock)
            self._ticket_lock = None
        self._ticket.unlink(missing_ok=True)

    def leave(self) -> None:
        """Give back what was taken."""
        self._leave_queue()
        if self._slot_lock is not None:
            os.close(self._slot_lock)
            self._slot_lock = None


def _tickets(workspace: Workspace, name: str) -> list[str]:
    """Return the tickets of runs that wait, the first one first; those of processes that are gone are removed."""
    folder = _folder(workspace) / f"{_key(name)}.queue"
    found = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if _is_locked(file) or _is_new(file):
            found.append(file.name)
        else:
            file.unlink(missing_ok=True)
    return found


def _is_new(file: Path) -> bool:
    """Whether a ticket was made just now, so that its process may not have locked it yet."""
    try:
        return time.time() - file.stat().st_mtime < _NEW_S
    except FileNotFoundError:
        return False


def _busy_slots(workspace: Workspace, name: str) -> dict[int, str]:
    """Return the ids of the runs that are executed, by slot."""
    folder = _folder(workspace) / f"{_key(name)}.slots"
    files = sorted(folder.iterdir(), key=lambda file: int(file.name)) if folder.is_dir() else []
    return {int(file.name): file.read_text(encoding="utf-8") for file in files if _is_locked(file)}


def _is_locked(file: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(file, os.O_RDWR)
        os.close(descriptor)
        if (lock := try_lock(file)) is None:
            return True
        os.close(lock)
    return False


# ---------------------------------------------------------------------- definitions


def _folder(workspace: Workspace) -> Path:
    return assets_folder(workspace.uri) / "compute"


def _key(name: str) -> str:
    """Return a name as part of a path; capitals do not matter, as in v1."""
    return name.lower()


def _checked(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or _key(name) == LOCAL:
        raise ComputeTargetException(
            f"Cannot use {shown(name)} as the name of a compute target. Expected 2 to 32 letters, digits and -, a letter first, "
            f"and not {LOCAL!r}, which is this machine without a queue."
        )
    return name


def _file(workspace: Workspace, name: str) -> Path:
    return _folder(workspace) / f"{_key(name)}.json"


def _definition(workspace: Workspace, name: str) -> dict[str, Any] | None:
    if not _NAME.fullmatch(name):
        return None
    try:
        return dict(json.loads(_file(workspace, name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ComputeTargetException(
            f"{_file(workspace, name)} does not say what compute target {name!r} is: {error}. Create the target again."
        ) from error


def _write(workspace: Workspace, name: str, definition: Mapping[str, Any]) -> None:
    write_text(_file(workspace, name), json.dumps(definition, indent=2))


def _nodes(parameter: str, given: Any, *, least: int) -> int:
    try:
        number = int(given) if not isinstance(given, (bool, float)) else None
    except (TypeError, ValueError):
        number = None
    if number is None or number < least:
        raise ComputeTargetException(f"Cannot use {shown(given)} as {parameter}. Expected a whole number, {least} or more.")
    return number
