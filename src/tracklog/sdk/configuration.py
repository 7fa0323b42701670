"""What a script is submitted with: Azure ML v1's configurations of scripts, interpreters and processes.

Attributes are fixed: assigning to a name that v1 has not raises AttributeError, so that a typing error does not change
nothing in silence. Runs are executed on this machine; what only a cloud can do (images, clusters) is kept as it was
given, written to files and read from them, and has no further effect.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklog.errors import InvalidValueError, MissingExtraError, NotFoundError, UserErrorException, shown, suggestion
from tracklog.sdk.exceptions import RunConfigurationException

if TYPE_CHECKING:
    from tracklog.sdk.workspace import Workspace

DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04"
MPI_CPU_IMAGE = DEFAULT_CPU_IMAGE
MPI_GPU_IMAGE = DEFAULT_GPU_IMAGE
MAX_DURATION_SECONDS_DEFAULT = 30 * 24 * 3600
_CURATED = re.compile(r"azureml-", re.IGNORECASE)


class _Fixed:
    """An object whose attributes are those its constructor sets."""

    _is_complete = False

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_complete and not hasattr(self, name):
            known = [one for one in self.__dict__ if not one.startswith("_")]
            raise AttributeError(f"{type(self).__name__} has no attribute {name}.{suggestion(name, known)}")
        super().__setattr__(name, value)

    def _complete(self) -> None:
        super().__setattr__("_is_complete", True)

    def __repr__(self) -> str:
        return json.dumps(_plain(self), indent=4, default=str)


class ContainerRegistry(_Fixed):
    """Where an image comes from."""

    def __init__(self) -> None:
        self.address: str | None = None
        self.username: str | None = None
        self.password: str | None = None
        self.registry_identity: Any = None
        self._complete()


class DockerBuildContext(_Fixed):
    """The folder an image is built from."""

    def __init__(
        self, location_type: str | None = None, location: str | None = None, dockerfile_path: str = "Dockerfile"
    ) -> None:
        self.location_type = location_type
        self.location = location
        self.dockerfile_path = dockerfile_path
        self._complete()

    @staticmethod
    def from_local_directory(workspace: Workspace, path: str, dockerfile_path: str = "Dockerfile") -> DockerBuildContext:
        """Take a folder of this machine."""
        return DockerBuildContext("localpath", os.path.abspath(path), dockerfile_path)


class DockerSection(_Fixed):
    """The image of an environment."""

    def __init__(self, **kwargs: Any) -> None:
        self.enabled = False
        self.gpu_support = False
        self.shared_volumes = True
        self.shm_size: str | None = None
        self.arguments: list[str] = []
        self.base_image: str | None = DEFAULT_CPU_IMAGE
        self.base_image_registry = ContainerRegistry()
        self.base_dockerfile: str | None = None
        self.build_context: DockerBuildContext | None = None
        self.platform: Any = None
        self._complete()
        _take(self, kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        # Each says where the image comes from, so the last one given counts alone.
        if self._is_complete and value is not None and name in ("base_image", "base_dockerfile", "build_context"):
            for other in ("base_image", "base_dockerfile", "build_context"):
                super().__setattr__(other, None)
        super().__setattr__(name, value)


class PythonSection(_Fixed):
    """The interpreter of an environment."""

    def __init__(self, **kwargs: Any) -> None:
        self.interpreter_path = "python"
        self.user_managed_dependencies = False
        self.conda_dependencies: CondaDependencies | None = CondaDependencies()
        self.conda_dependencies_file: str | None = None
        self.base_conda_environment: str | None = None
        self._complete()
        _take(self, kwargs)


class SparkSection(_Fixed):
    """Spark packages of an environment."""

    def __init__(self, **kwargs: Any) -> None:
        self.repositories: list[str] = []
        self.packages: list[Any] = []
        self.precache_packages = True
        self._complete()
        _take(self, kwargs)


class EnvironmentReference(_Fixed):
    """The name and version of a registered environment."""

    def __init__(self, name: str, version: str | None = None) -> None:
        self.name = name
        self.version = version
        self._complete()

    def get_environment(self, workspace: Workspace) -> Environment:
        """Return the environment."""
        return Environment.get(workspace, self.name, self.version)


class CondaDependencies:
    """Packages of an environment: what a conda specification holds."""

    DEFAULT_NUMBER_OF_CONDA_PACKAGES = 0
    DEFAULT_NUMBER_OF_PIP_PACKAGES = 0

    def __init__(
        self,
        conda_dependencies_file_path: str | os.PathLike[str] | None = None,
        _underlying_structure: dict[str, Any] | None = None,
    ) -> None:
        """Read a conda specification, or begin with v1's default one."""
        if conda_dependencies_file_path is not None:
            found = _yaml().safe_load(_text_of(conda_dependencies_file_path, "conda specification"))
            if not isinstance(found, dict):
                raise UserErrorException(
                    f"{conda_dependencies_file_path} is no conda specification. Expected YAML with `dependencies:`."
                )
            self._content: dict[str, Any] = found
        elif _underlying_structure is not None:
            self._content = dict(_underlying_structure)
        else:
            self._content = {
                "name": "project_environment",
                "channels": ["anaconda", "conda-forge"],
                "dependencies": ["python=3.10.18", {"pip": ["azureml-defaults"]}],
            }

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: list[str] | None = None,
        conda_packages: list[str] | None = None,
        python_version: str = "3.10.18",
        pin_sdk_version: bool = True,
    ) -> CondaDependencies:
        """Return the default specification with packages added."""
        made = CondaDependencies()
        made.set_python_version(python_version)
        if pip_indexurl:
            made.set_pip_index_url(pip_indexurl)
        if pip_packages is not None:
            made._content["dependencies"] = [one for one in made._dependencies() if isinstance(one, str)]
        for package in pip_packages or ():
            made.add_pip_package(package)
        for package in conda_packages or ():
            made.add_conda_package(package)
        return made

    @staticmethod
    def merge_requirements(requirements: Iterable[str]) -> list[str]:
        """Return requirements, of those for one package the last."""
        return list({_package(one): one for one in requirements}.values())

    @staticmethod
    def sdk_origin_url() -> str:
        """Return where the SDK comes from."""
        return "https://pypi.org/simple"

    def _dependencies(self) -> list[Any]:
        found: list[Any] = self._content.setdefault("dependencies", [])
        return found

    def _pip(self) -> list[str]:
        for one in self._dependencies():
            if isinstance(one, dict) and "pip" in one:
                found: list[str] = one["pip"]
                return found
        made: list[str] = []
        self._dependencies().append({"pip": made})
        return made

    def add_channel(self, channel: str) -> None:
        """Add a conda channel."""
        channels: list[str] = self._content.setdefault("channels", [])
        if channel not in channels:
            channels.append(channel)

    def remove_channel(self, channel: str) -> None:
        """Remove a conda channel."""
        self._content["channels"] = [one for one in self._content.get("channels", []) if one != channel]

    def add_conda_package(self, conda_package: str) -> None:
        """Add a conda package; one of that name is replaced."""
        self.remove_conda_package(conda_package)
        self._dependencies().insert(len(list(self.conda_packages)), conda_package)

    def remove_conda_package(self, conda_package: str) -> None:
        """Remove a conda package, whatever its version."""
        name = _package(conda_package)
        self._content["dependencies"] = [
            one for one in self._dependencies() if not (isinstance(one, str) and _package(one) == name)
        ]

    def add_pip_package(self, pip_package: str) -> None:
        """Add a package of pip; one of that name is replaced."""
        self.remove_pip_package(pip_package)
        self._pip().append(pip_package)

    def remove_pip_package(self, pip_package: str) -> None:
        """Remove a package of pip, whatever its version."""
        name = _package(pip_package)
        pip = self._pip()
        pip[:] = [one for one in pip if one.startswith("-") or _package(one) != name]

    def set_pip_option(self, pip_option: str) -> None:
        """Add an option of pip, such as `--pre`."""
        pip = self._pip()
        if pip_option not in pip:
            pip.insert(0, pip_option)

    def remove_pip_option(self, pip_option: str) -> None:
        """Remove an option of pip."""
        pip = self._pip()
        pip[:] = [one for one in pip if one.split(" ")[0] != pip_option.split(" ", maxsplit=1)[0] or not one.startswith("-")]

    def set_pip_index_url(self, index_url: str) -> None:
        """Have pip take packages from another index."""
        self.remove_pip_option("--index-url")
        self.set_pip_option(index_url if index_url.startswith("-") else f"--index-url {index_url}")

    def set_pip_requirements(self, pip_requirements: Iterable[str]) -> None:
        """Replace all packages of pip."""
        self._pip()[:] = list(pip_requirements)

    def set_python_version(self, version: str) -> None:
        """Ask for a version of Python."""
        self.add_conda_package(f"python={version}")

    def get_python_version(self) -> str | None:
        """Return the version of Python that is asked for, None if none is."""
        for one in self.conda_packages:
            if _package(one) == "python":
                return one.partition("=")[2].strip("=") or None
        return None

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        """Add TensorFlow from pip."""
        name = "tensorflow" if core_type == "cpu" else "tensorflow-gpu"
        self.add_pip_package(f"{name}=={version}" if version else name)

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        """Add TensorFlow from conda."""
        name = "tensorflow" if core_type == "cpu" else "tensorflow-gpu"
        self.add_conda_package(f"{name}={version}" if version else name)

    def add_cntk_package(self, core_type: str = "cpu") -> None:
        """Add CNTK from pip."""
        self.add_pip_package("cntk" if core_type == "cpu" else "cntk-gpu")

    def get_default_number_of_packages(self) -> int:
        """Return how many packages the default specification has beside Python."""
        return 1

    @property
    def conda_channels(self) -> Iterable[str]:
        """Channels in their order."""
        found: list[str] = self._content.get("channels", [])
        return iter(found)

    @property
    def conda_packages(self) -> Iterable[str]:
        """Packages of conda, Python among them."""
        return iter([one for one in self._dependencies() if isinstance(one, str)])

    @property
    def pip_packages(self) -> Iterable[str]:
        """Packages of pip."""
        return iter([one for one in self._pip() if not one.startswith("-")])

    @property
    def pip_options(self) -> Iterable[str]:
        """Options of pip."""
        return iter([one for one in self._pip() if one.startswith("-")])

    def as_dict(self) -> dict[str, Any]:
        """Return the specification."""
        return self._content

    def serialize_to_string(self) -> str:
        """Return the specification as YAML."""
        return str(_yaml().safe_dump(self._content, sort_keys=False))

    def save_to_file(self, base_directory: str | os.PathLike[str], conda_file_path: str | None = None) -> str:
        """Write the specification below a folder, as `conda_dependencies.yml` by default; return that relative path."""
        name = conda_file_path or "conda_dependencies.yml"
        target = Path(base_directory) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.serialize_to_string(), encoding="utf-8")
        return name

    def save(self, path: str | os.PathLike[str] | None = None) -> str:
        """Write the specification to a file or into a folder, `conda_dependencies.yml` here by default; return its path."""
        target = Path(path if path is not None else "conda_dependencies.yml")
        if target.is_dir():
            target /= "conda_dependencies.yml"
        self.save_to_file(target.parent, target.name)
        return str(target)


class Environment(_Fixed):
    """What a script runs in. On this machine that is an interpreter and environment variables."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        self.name = name
        self.version: str | None = None
        self.environment_variables: dict[str, str] = {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}
        self.python = PythonSection()
        self.docker = DockerSection()
        self.spark = SparkSection()
        self.databricks: Any = None
        self.r: Any = None
        self.inferencing_stack_version: str | None = None
        self.asset_id: str | None = None
        self._complete()
        _take(self, kwargs)

    @staticmethod
    def from_conda_specification(name: str, file_path: str | os.PathLike[str]) -> Environment:
        """Return an environment with the packages of a conda specification."""
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies(file_path)
        made.python.conda_dependencies_file = os.fspath(file_path)
        return made

    @staticmethod
    def from_pip_requirements(name: str, file_path: str | os.PathLike[str], pip_version: str | None = None) -> Environment:
        """Return an environment with the packages of a requirements file."""
        lines = (line.strip() for line in _text_of(file_path, "requirements file").splitlines())
        made = Environment(name)
        packages = [line for line in lines if line and not line.startswith("#")]
        made.python.conda_dependencies = CondaDependencies.create(pip_packages=packages)
        if pip_version:
            made.python.conda_dependencies.add_conda_package(f"pip={pip_version}")
        return made

    @staticmethod
    def from_existing_conda_environment(name: str, conda_environment_name: str) -> Environment | None:
        """Return an environment that uses the interpreter of a conda environment of this machine; None when conda has none."""
        import shutil
        import subprocess

        conda = os.environ.get("CONDA_EXE") or shutil.which("conda")
        if conda is None:
            raise UserErrorException(
                f"There is no conda on this machine to ask for {conda_environment_name!r}. Give the interpreter itself: "
                "env.python.user_managed_dependencies = True; env.python.interpreter_path = '…/bin/python'."
            )
        listed = subprocess.run([conda, "env", "list", "--json"], capture_output=True, text=True, check=False)
        folders = [Path(one) for one in json.loads(listed.stdout or "{}").get("envs", [])]
        for folder in folders:
            if folder.name == conda_environment_name:
                made = Environment(name)
                made.python.user_managed_dependencies = True
                made.python.interpreter_path = str(folder / ("python.exe" if os.name == "nt" else "bin/python"))
                return made
        return None

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: ContainerRegistry | None = None,
        conda_specification: str | None = None,
        pip_requirements: str | None = None,
    ) -> Environment:
        """Return an environment that names an image. Scripts run without it, by the interpreter of this process."""
        made = Environment._with_packages(name, conda_specification, pip_requirements)
        made.docker.base_image = image
        if container_registry is not None:
            made.docker.base_image_registry = container_registry
        return made

    @staticmethod
    def from_dockerfile(
        name: str, dockerfile: str, conda_specification: str | None = None, pip_requirements: str | None = None
    ) -> Environment:
        """Return an environment that names a Dockerfile (its path or text). Scripts run without it."""
        made = Environment._with_packages(name, conda_specification, pip_requirements)
        is_path = "\n" not in dockerfile and Path(dockerfile).is_file()
        made.docker.base_dockerfile = Path(dockerfile).read_text(encoding="utf-8") if is_path else dockerfile
        return made

    @staticmethod
    def from_docker_build_context(name: str, docker_build_context: DockerBuildContext) -> Environment:
        """Return an environment that names a folder to build. Scripts run without it."""
        made = Environment(name)
        made.docker.build_context = docker_build_context
        return made

    @staticmethod
    def _with_packages(name: str, conda: str | None, pip: str | None) -> Environment:
        if conda is not None:
            return Environment.from_conda_specification(name, conda)
        return Environment(name) if pip is None else Environment.from_pip_requirements(name, pip)

    @staticmethod
    def get(workspace: Workspace, name: str, version: str | None = None, label: str | None = None) -> Environment:
        """Return a registered environment, its latest version by default.

        A name of Azure's curated ones (`AzureML-…`) gives an environment that stands for the interpreter of this process.

        Raises:
            NotFoundError: there is none.
        """
        folder = _registered(workspace) / _safe(name)
        versions = sorted((one.name for one in folder.iterdir()), key=int) if folder.is_dir() else []
        wanted = (versions[-1] if versions else None) if version is None else str(version)
        if wanted in versions:
            return Environment.load_from_directory(folder / str(wanted))
        if _CURATED.match(name):
            made = Environment(name)
            made.version = str(version or 1)
            made.python.user_managed_dependencies = True
            return made
        if not versions:
            known = sorted(one.name for one in folder.parent.iterdir()) if folder.parent.is_dir() else []
            raise NotFoundError(
                f"There is no environment {name!r}. Registered: {', '.join(known) or 'none yet'}. env.register(ws) adds one.",
                what="environment",
                given=name,
            )
        raise NotFoundError(
            f"Environment {name!r} has no version {version!r}. There are {', '.join(versions)}.", what="environment", given=name
        )

    @staticmethod
    def list(workspace: Workspace) -> dict[str, Environment]:
        """Return the registered environments by name, each in its latest version."""
        folder = _registered(workspace)
        names = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
        return {name: Environment.get(workspace, name) for name in names}

    @staticmethod
    def label(workspace: Workspace, name: str, version: str, labels: Any) -> None:
        """Do nothing but see that the version is there: labels are not kept."""
        Environment.get(workspace, name, version)

    @staticmethod
    def add_private_pip_wheel(workspace: Workspace, file_path: str | os.PathLike[str], exist_ok: bool = False) -> str:
        """Return the address of a wheel on this machine, as `pip` takes it."""
        if not Path(file_path).is_file():
            raise UserErrorException(f"There is no wheel {file_path}.")
        return Path(file_path).absolute().as_uri()

    def register(self, workspace: Workspace) -> Environment:
        """Keep the environment under its name; return it with its version: a new one if anything changed."""
        folder = _registered(workspace) / _safe(self.name)
        latest = max((int(one.name) for one in folder.iterdir()), default=0) if folder.is_dir() else 0
        if latest:
            before = Environment.load_from_directory(folder / str(latest))
            if {**_plain(before), "version": None} == {**_plain(self), "version": None}:
                return before
        made = self.clone(self.name)
        made.version = str(latest + 1)
        made.save_to_directory(folder / made.version)
        return made

    def clone(self, new_name: str) -> Environment:
        """Return a copy under another name."""
        made = Environment(new_name)
        _fill(made, {**_plain(self), "name": new_name, "version": None})
        return made

    def build(self, workspace: Workspace, image_build_compute: Any = None) -> Any:
        """Say that there is nothing to build: scripts run by an interpreter of this machine."""
        return _NothingToBuild()

    def build_local(self, workspace: Workspace, platform: Any = None, **kwargs: Any) -> Any:
        """Say that there is nothing to build: scripts run by an interpreter of this machine."""
        return _NothingToBuild()

    def get_image_details(self, workspace: Workspace) -> dict[str, Any]:
        """Return what is known of the image: its name."""
        return {"dockerImage": {"name": self.docker.base_image}}

    def save_to_directory(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write the environment into a folder, in v1's form."""
        folder = Path(path)
        if folder.exists() and not overwrite:
            raise UserErrorException(f"{folder} exists already. Pass overwrite=True to replace the environment in it.")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "azureml_environment.json").write_text(json.dumps(_plain(self), indent=4, default=str), encoding="utf-8")

    @staticmethod
    def from_definition(definition: Mapping[str, Any]) -> Environment:
        """Return the environment of a run's definition, see `RunConfiguration.definition`."""
        made = Environment(str(definition.get("name")))
        _fill(made, _snake(dict(definition)))
        return made

    @staticmethod
    def load_from_directory(path: str | os.PathLike[str]) -> Environment:
        """Return the environment that `save_to_directory` wrote, or the real package did."""
        file = Path(path) / "azureml_environment.json"
        found = json.loads(_text_of(file, "environment"))
        made = Environment(str(found.get("name", Path(path).name)))
        _fill(made, found)
        return made


class _NothingToBuild:
    """What `Environment.build` returns: a build that is over."""

    status = "Succeeded"

    def wait_for_completion(self, show_output: bool = True) -> _NothingToBuild:
        """Return at once."""
        return self


class HistoryConfiguration(_Fixed):
    """What of an execution is kept."""

    def __init__(self) -> None:
        self.output_collection = True
        self.snapshot_project = True
        self.directories_to_watch = ["logs"]
        self._complete()


class DockerConfiguration(_Fixed):
    """How a container would be started."""

    def __init__(
        self,
        use_docker: bool = False,
        shared_volumes: bool = True,
        arguments: list[str] = [],  # noqa: B006  # v1's default, never written to
        shm_size: str = "2g",
    ) -> None:
        self.use_docker = use_docker
        self.shared_volumes = shared_volumes
        self.arguments = list(arguments)
        self.shm_size = shm_size
        self._complete()


class AmlComputeConfiguration(_Fixed):
    """The cluster a run would be given."""

    def __init__(self) -> None:
        self.vm_size: str | None = None
        self.vm_priority: str | None = None
        self.location: str | None = None
        self.retain_cluster = False
        self.name: str | None = None
        self.cluster_max_node_count = 1
        self._complete()


class MpiConfiguration(_Fixed):
    """Processes that MPI starts."""

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self.process_count_per_node = process_count_per_node
        self.node_count = node_count
        self._complete()


class PyTorchConfiguration(_Fixed):
    """Processes of torch.distributed."""

    def __init__(self, communication_backend: str = "Nccl", process_count: int | None = None, node_count: int = 1) -> None:
        if str(communication_backend).lower() not in ("nccl", "gloo"):
            raise RunConfigurationException(
                f"Cannot use {shown(communication_backend)} as communication_backend. Expected 'Nccl' or 'Gloo'."
            )
        self.communication_backend = communication_backend
        self.process_count = process_count if process_count is not None else node_count
        self.node_count = node_count
        self._complete()


class TensorflowConfiguration(_Fixed):
    """Workers and parameter servers of TensorFlow."""

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.worker_count = worker_count
        self.parameter_server_count = parameter_server_count
        self._complete()


class RunConfiguration(_Fixed):
    """How a script is executed."""

    def __init__(
        self,
        script: str | None = None,
        arguments: list[Any] | None = None,
        framework: str | None = None,
        communicator: str | None = None,
        conda_dependencies: CondaDependencies | None = None,
        _history_enabled: bool | None = None,
        _path: str | None = None,
        _name: str | None = None,
        command: str | list[str] | None = None,
    ) -> None:
        self.script = script
        self.arguments: list[Any] = list(arguments or [])
        self.command = command
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        self.target: Any = "local"
        self.node_count = 1
        self.priority: int | None = None
        self.max_run_duration_seconds: int | None = None
        self.environment = Environment("project_environment")
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self.history = HistoryConfiguration()
        self.docker = DockerConfiguration()
        self.amlcompute = AmlComputeConfiguration()
        self.mpi = MpiConfiguration()
        self.pytorch = PyTorchConfiguration()
        self.tensorflow = TensorflowConfiguration()
        self.spark: Any = None
        self.hdi: Any = None
        self.data: dict[str, Any] = {}
        self.data_references: dict[str, Any] = {}
        self.output_data: dict[str, Any] = {}
        self.datacaches: list[Any] = []
        self.services: dict[str, Any] = {}
        self.source_directory_data_store: str | None = None
        self._name = _name
        self._complete()

    @property
    def environment_variables(self) -> dict[str, str]:
        """Environment variables of the environment."""
        return self.environment.environment_variables

    @environment_variables.setter
    def environment_variables(self, variables: Mapping[str, str]) -> None:
        self.environment.environment_variables = dict(variables)

    @property
    def auto_prepare_environment(self) -> bool:
        """Whether v1 would make the environment first; here it is made by the user."""
        return True

    @auto_prepare_environment.setter
    def auto_prepare_environment(self, value: bool) -> None: ...

    def save(
        self, path: str | os.PathLike[str] | None = None, name: str | None = None, separate_environment_yaml: bool = False
    ) -> None:
        """Write `<path>/.azureml/<name>.runconfig`; `path` may be the file itself."""
        target = Path(path if path is not None else ".")
        if target.suffix != ".runconfig":
            target = target / ".azureml" / f"{name or self._name or 'local'}.runconfig"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_yaml().safe_dump(_camel(_plain(self)), sort_keys=False), encoding="utf-8")

    def definition(self) -> dict[str, Any]:
        """Return what v1 keeps with a run as its definition. Of environment variables it has the names only."""
        plain = _plain(self)
        environment = plain["environment"]
        environment["environment_variables"] = dict.fromkeys(environment["environment_variables"], "***")
        plain["target"] = getattr(self.target, "name", self.target)
        kept: dict[str, Any] = _camel(plain)
        return kept

    @staticmethod
    def load(path: str | os.PathLike[str], name: str | None = None) -> RunConfiguration:
        """Read what `save` of this package or of the real one wrote.

        Raises:
            UserErrorException: there is no such file.
        """
        given = Path(path)
        names = [name] if name else []
        places = [given] if given.is_file() else []
        for folder in (given / ".azureml", given / "aml_config", given):
            for one in names or ([file.stem for file in sorted(folder.glob("*.runconfig"))] if folder.is_dir() else []):
                places += [folder / f"{one}.runconfig", folder / one]
        for file in places:
            if file.is_file():
                made = RunConfiguration(_name=file.stem)
                _fill(made, _snake(_yaml().safe_load(file.read_text(encoding="utf-8")) or {}))
                return made
        raise UserErrorException(f"There is no run configuration {name or ''} in {given.absolute()}.".replace("  ", " "))

    @staticmethod
    def delete(path: str | os.PathLike[str], name: str) -> None:
        """Remove the file of a run configuration."""
        for folder in (".azureml", "aml_config"):
            (Path(path) / folder / f"{name}.runconfig").unlink(missing_ok=True)


class ScriptRunConfig:
    """A script with all it is to be run with; hand it to `Experiment.submit`."""

    MAX_DURATION_SECONDS_DEFAULT = MAX_DURATION_SECONDS_DEFAULT

    def __init__(
        self,
        source_directory: str | os.PathLike[str] | None,
        script: str | None = None,
        arguments: list[Any] | None = None,
        run_config: RunConfiguration | None = None,
        _telemetry_values: Any = None,
        compute_target: Any = None,
        environment: Environment | None = None,
        distributed_job_config: Any = None,
        resume_from: Any = None,
        max_run_duration_seconds: int | None = MAX_DURATION_SECONDS_DEFAULT,
        command: str | list[str] | None = None,
        docker_runtime_config: DockerConfiguration | None = None,
    ) -> None:
        """Describe an execution.

        Args:
            source_directory: the folder with the script; it is copied, and the script runs in the copy.
            script: path below that folder.
            arguments: of the script; numbers become text.
            run_config: further settings; `script`, `arguments` and `command` given here win over those in it.
            compute_target: "local" (the default): runs are executed on this machine.
            environment: interpreter and environment variables.
            command: instead of a script, a command line (text, or a list that is joined by blanks).
            max_run_duration_seconds: the run is canceled after it.

        Raises:
            RunConfigurationException: `distributed_job_config` is of another type.
            InvalidValueError: neither `script` nor `command`, or both.
        """
        config = run_config if run_config is not None else RunConfiguration()
        if run_config is None:
            if environment is not None:
                config.environment = environment
            else:
                config.environment = Environment("default-environment")
            config.target = compute_target if compute_target is not None else "local"
            config.max_run_duration_seconds = max_run_duration_seconds
            if docker_runtime_config is not None:
                config.docker = docker_runtime_config
            if distributed_job_config is not None:
                _distribute(config, distributed_job_config)
        script = script if script is not None else config.script
        command = command if command is not None else config.command
        if (script is None) == (command is None) and (script is not None or run_config is None):
            raise InvalidValueError(
                f"ScriptRunConfig was given script={script!r} and command={command!r}. Expected exactly one of them.",
                parameter="script",
                given=script,
            )
        self.source_directory = source_directory
        self.script = script
        self.arguments = list(arguments) if arguments is not None else list(config.arguments)
        self.command = command
        self.run_config = config
        self.resume_from = resume_from


def _distribute(config: RunConfiguration, job: Any) -> None:
    if isinstance(job, MpiConfiguration):
        config.mpi, config.framework, config.communicator = job, "Python", "IntelMpi"
    elif isinstance(job, PyTorchConfiguration):
        config.pytorch, config.framework, config.communicator = job, "PyTorch", str(job.communication_backend)
    elif isinstance(job, TensorflowConfiguration):
        config.tensorflow, config.framework, config.communicator = job, "TensorFlow", "ParameterServer"
    else:
        raise RunConfigurationException(
            f"Cannot use {shown(job)} as distributed_job_config. "
            "Expected MpiConfiguration, PyTorchConfiguration or TensorflowConfiguration."
        )
    config.node_count = getattr(job, "node_count", 1)


# ------------------------------------------------------------------ plain forms


def _take(target: _Fixed, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if not name.startswith("_"):
            setattr(target, name, value)


def _plain(value: Any) -> Any:
    """Return an object of this module as dicts and lists."""
    if isinstance(value, CondaDependencies):
        return value.as_dict()
    if isinstance(value, _Fixed):
        return {name: _plain(one) for name, one in vars(value).items() if not name.startswith("_") and name != "password"}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else getattr(value, "name", None) or str(value)


def _fill(target: _Fixed, found: Mapping[str, Any]) -> None:
    """Set what a plain form holds; names that are not known are of another version and left out."""
    for name, value in found.items():
        if name.startswith("_") or not hasattr(target, name):
            continue
        current = getattr(target, name)
        if name == "conda_dependencies" and isinstance(value, Mapping):
            setattr(target, name, CondaDependencies(_underlying_structure=json.loads(json.dumps(value))))
        elif isinstance(current, _Fixed) and isinstance(value, Mapping):
            _fill(current, value)
        elif name not in ("base_image", "base_dockerfile", "build_context") or value is not None:
            setattr(target, name, value)


# Keys below these are the user's own words.
_VERBATIM = {"environment_variables", "environmentVariables", "conda_dependencies", "condaDependencies", "data", "services"}


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        re.sub(r"_(\w)", lambda found: found[1].upper(), name): one if name in _VERBATIM else _camel(one)
        for name, one in value.items()
    }


def _snake(value: Any) -> Any:
    if isinstance(value, list):
        return [_snake(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), str(name)): one
        if name in _VERBATIM
        else _snake(one)
        for name, one in value.items()
    }


def _package(requirement: str) -> str:
    return re.split(r"[\s=<>!~;\[@]", requirement.strip(), maxsplit=1)[0].lower().replace("_", "-")


def _text_of(path: str | os.PathLike[str], what: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserErrorException(f"Cannot read the {what} {os.fspath(path)}: {error.strerror}.") from error


def _registered(workspace: Workspace) -> Path:
    """Where registered environments lie: with the user, as they name interpreters of this machine."""
    return Path.home() / ".tracklog" / "environments" / _safe(workspace.name)


def _safe(name: str) -> str:
    """Return a name as one part of a path."""
    return re.sub(r"[^\w.-]", "_", str(name)).strip(".") or "_"


def _yaml() -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtraError("pyyaml", "azureml", "Reading and writing conda specifications") from error
    return yaml
