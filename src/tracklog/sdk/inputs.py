"""What a submitted script is given and what it leaves: data sets as inputs, folders as outputs, references to datastores.

`bind` says at submission, in plain words, what a configuration asks for; `provide` puts it in place where the script runs,
and `collect` keeps what the script has left. The script finds all by Azure ML v1's variables and arguments:

    <input>, AZUREML_DATAREFERENCE_<input>   path of the files, or the id of the data set (mode `direct`)
    AZUREML_DATASET_ENVIRONMENT_VARS         the inputs: <name>:<mode>,<name>:<mode>
    AZUREML_DATASET_FILE_OUTPUTS             the outputs: <name>;<name>
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tracklog.errors import InvalidTypeError, InvalidValueError, NotFoundError, NotSupportedError, UserErrorException, shown
from tracklog.records import DatasetInput
from tracklog.sdk import sources
from tracklog.sdk.data import (
    AbstractDataset,
    DataType,
    FileDataset,
    PromoteHeadersBehavior,
    TabularDataset,
    checked_name,
    no_hdfs,
)
from tracklog.sdk.datastore import (
    AbstractAzureStorageDatastore,
    DataPath,
    DataReference,
    DataReferenceConfiguration,
    Datastore,
    copy_file,
    files_below,
    inside,
    relative,
)

if TYPE_CHECKING:
    from tracklog.sdk.configuration import ScriptRunConfig
    from tracklog.sdk.workspace import Workspace

INPUTS_VARIABLE = "AZUREML_DATASET_ENVIRONMENT_VARS"
OUTPUTS_VARIABLE = "AZUREML_DATASET_FILE_OUTPUTS"
REFERENCE_PREFIX = "AZUREML_DATAREFERENCE_"
_DESTINATION = "dataset/{run-id}/{output-name}"  # v1's, on the default datastore
_FOLDER = ".tracklog-data"  # of links and copies, in the folder the script runs in, which is removed with it
_TOKEN = re.compile(r"(?:DatasetConsumptionConfig|DatasetOutputConfig):(\w+)|\$AZUREML_DATAREFERENCE_(\w+)")
_RESERVED = {"HOME", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR", "USER"}  # not to be replaced


class DatasetConsumptionConfig:
    """A data set as an input of a script. As text it is v1's `DatasetConsumptionConfig:<name>`."""

    def __init__(self, name: str, dataset: AbstractDataset, mode: str = "direct", path_on_compute: str | None = None) -> None:
        """Name an input.

        Args:
            name: letters, digits and `_`, a letter or `_` first: the script has a variable of that name.
            dataset: what it is.
            mode: `direct` (the script is given the id), `mount` (the path of the files) or `download` (that of a copy).
            path_on_compute: where the files are put: absolute, or below the folder the script runs in.

        Raises:
            UserErrorException: a name, mode or data set that cannot be used.
        """
        self.dataset = _checked_dataset(dataset)
        self.mode = _checked_mode(mode, self.dataset)
        self.path_on_compute = path_on_compute
        self.name = name

    @property
    def name(self) -> str:
        """Name of the input."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = _checked_variable(name)

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """Return the input in mode `mount`."""
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """Return the input in mode `download`."""
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    def as_hdfs(self) -> DatasetConsumptionConfig:
        """Refuse: there is no HDFS."""
        raise no_hdfs()

    def __str__(self) -> str:
        return f"DatasetConsumptionConfig:{self.name}"

    def __repr__(self) -> str:
        return f"DatasetConsumptionConfig({self.name!r}, mode={self.mode!r})"


class OutputFileDatasetConfig:
    """A folder that a script writes, kept on a datastore. As text it is v1's `DatasetOutputConfig:<name>`."""

    def __init__(
        self, name: str | None = None, destination: Any = None, source: str | None = None, partition_format: str | None = None
    ) -> None:
        """Name an output.

        Args:
            name: letters, digits and `_`; by default `output_` and some digits.
            destination: `(datastore, folder)`, where `{run-id}` and `{output-name}` are filled in; by default
                `dataset/{run-id}/{output-name}` on the default datastore.
            source: where the script writes: absolute, or below the folder it runs in.
            partition_format: of the data set that `register_on_complete` registers.
        """
        self.name = name if name is not None else f"output_{secrets.token_hex(4)}"
        self.destination = destination
        self.source = source
        self.partition_format = partition_format
        self.mode = "mount"
        self.overwrite = False
        self.source_globs: str | None = None
        self.registration: dict[str, Any] | None = None
        self.table: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """Name of the output."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = _checked_variable(name)

    def _copy(self, **changes: Any) -> OutputFileDatasetConfig:
        made = OutputFileDatasetConfig(self.name, self.destination, self.source, self.partition_format)
        vars(made).update({**vars(self), **changes})
        return made

    def as_mount(self, disable_metadata_cache: bool = False) -> OutputFileDatasetConfig:
        """Return the output as a folder of the datastore itself: what is written is there at once."""
        return self._copy(mode="mount")

    def as_upload(self, overwrite: bool = False, source_globs: str | Iterable[str] | None = None) -> OutputFileDatasetConfig:
        """Return the output as a folder of its own, whose files are copied to the datastore when the script has ended.

        Args:
            overwrite: replace files that are there already.
            source_globs: only files whose path matches this pattern, or one of them.
        """
        globs = [source_globs] if isinstance(source_globs, str) else source_globs
        return self._copy(mode="upload", overwrite=overwrite, source_globs=None if globs is None else list(globs))

    def register_on_complete(
        self, name: str, description: str | None = None, tags: Mapping[str, Any] | None = None
    ) -> OutputFileDatasetConfig:
        """Return the output as one that is registered as a new version of a data set when the run completes."""
        return self._copy(registration={"name": checked_name(name), "description": description, "tags": dict(tags or {})})

    def read_delimited_files(
        self,
        include_path: bool = False,
        separator: str = ",",
        header: PromoteHeadersBehavior = PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS,
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Mapping[str, DataType] | None = None,
    ) -> OutputFileDatasetConfig:
        """Return the output as one whose registered data set is a table of delimited files."""
        table = {"format": "delimited", "include_path": include_path, "separator": separator, "header": header.value}
        table |= {"infer": True, "empty_as_string": False, "encoding": "utf8"}
        return self._as_table(table, partition_format, path_glob, set_column_types)

    def read_parquet_files(
        self,
        include_path: bool = False,
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Mapping[str, DataType] | None = None,
    ) -> OutputFileDatasetConfig:
        """Return the output as one whose registered data set is a table of Parquet files."""
        return self._as_table({"format": "parquet", "include_path": include_path}, partition_format, path_glob, set_column_types)

    def _as_table(
        self, table: dict[str, Any], format_: str | None, path_glob: str | None, types: Mapping[str, DataType] | None
    ) -> OutputFileDatasetConfig:
        more = {"types": {key: one.plain for key, one in (types or {}).items()}, "path_glob": path_glob or "**"}
        return self._copy(table={**table, **more, **({"partition_format": format_} if format_ else {})})

    def as_input(self, name: str | None = None) -> Any:
        """Refuse: the steps of a pipeline pass their outputs on so."""
        raise NotSupportedError(
            "OutputFileDatasetConfig.as_input of Azure ML v1 is not in tracklog: it joins the steps of a pipeline. Register the "
            "output by register_on_complete, and submit the next script with Dataset.get_by_name(ws, name).as_mount()."
        )

    def __str__(self) -> str:
        return f"DatasetOutputConfig:{self.name}"

    def __repr__(self) -> str:
        return f"OutputFileDatasetConfig({self.name!r}, mode={self.mode!r})"


def _checked_variable(name: Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name.upper() in _RESERVED:
        raise InvalidValueError(
            f"Cannot use {shown(name)} as the name of an input or output. Expected letters, digits and _, a letter or _ first, "
            f"and none of {', '.join(sorted(_RESERVED))}: the script has a variable of that name.",
            parameter="name",
            given=name,
        )
    return name


def _checked_dataset(data_set: Any) -> AbstractDataset:
    if not isinstance(data_set, AbstractDataset):
        raise InvalidTypeError(
            f"Cannot use {shown(data_set)} as an input. Expected a data set of Dataset.Tabular or Dataset.File.", given=data_set
        )
    return data_set


def _checked_mode(mode: Any, data_set: AbstractDataset) -> str:
    if mode not in ("direct", "mount", "download"):
        raise InvalidValueError(
            f"Cannot use {shown(mode)} as mode of an input. Expected 'direct', 'mount' or 'download'.",
            parameter="mode",
            given=mode,
        )
    if mode != "direct" and isinstance(data_set, TabularDataset):
        raise UserErrorException(
            f"A table cannot be given as files (mode {mode!r}). Pass data_set.as_named_input('name'), and read it in the script: "
            "run.input_datasets['name'].to_pandas_dataframe()."
        )
    return str(mode)


# --------------------------------------------------------------------- submission


class Binding(msgspec.Struct, omit_defaults=True):
    """One input, output or reference of an execution, on its way to the process that executes it."""

    name: str
    kind: str  # "input", "output" or "reference"
    mode: str
    dataset_id: str = ""  # of an input
    datastore: str = ""
    path: str = ""  # on the datastore
    place: str = ""  # where the files are put: absolute, or below the folder the script runs in; "": where it suits
    overwrite: bool = False
    globs: list[str] | None = None  # of an output that is copied
    registration: dict[str, Any] | None = None
    table: dict[str, Any] | None = None


def arguments_of(config: ScriptRunConfig) -> list[Any]:
    """Return the arguments of a script, with the one that `resume_from` adds."""
    resume = config.resume_from
    if isinstance(resume, DataPath):
        resume = resume.create_data_reference("resume_from")
    return [*config.arguments, *(["--resume-from", resume] if resume is not None else [])]


def bind(workspace: Workspace, config: ScriptRunConfig) -> tuple[list[Binding], list[DatasetInput]]:
    """Return what a configuration gives to its script, and what its run keeps of it.

    Raises:
        UserErrorException: a data set is given without saying how, or two different ones have one name.
    """
    bindings: dict[str, Binding] = {}
    datasets: list[DatasetInput] = []
    for one in _asked_for(workspace, config):
        made = _binding(workspace, one)
        if bindings.setdefault(f"{made.kind} {made.name}", made) != made:
            raise UserErrorException(f"Two different {made.kind}s are called {made.name!r}. Give each a name of its own.")
        if isinstance(one, DatasetConsumptionConfig) and (lineage := one.dataset.lineage(one.name)) not in datasets:
            datasets.append(lineage)
    return list(bindings.values()), datasets


def _asked_for(workspace: Workspace, config: ScriptRunConfig) -> Iterator[Any]:
    settings = config.run_config
    command = config.command if isinstance(config.command, (list, tuple)) else []
    for one in [*arguments_of(config), *command, *settings.data.values(), *settings.output_data.values()]:
        if isinstance(one, AbstractDataset):
            raise UserErrorException(
                f"Cannot pass a {type(one).__name__} to a script as it is. Say how: data_set.as_named_input('name'), and for "
                "files data_set.as_mount() or data_set.as_download()."
            )
        if isinstance(one, (DatasetConsumptionConfig, OutputFileDatasetConfig, DataReference)):
            yield one
    for name, one in settings.data_references.items():
        if isinstance(one, DataReferenceConfiguration):
            datastore = Datastore.get(workspace, str(one.datastore_name))
            yield DataReference(datastore, name, one.path_on_datastore, one.mode, one.path_on_compute, one.overwrite)
        elif isinstance(one, DataReference):
            yield DataReference(one.datastore, name, one.path_on_datastore, one.mode, one.path_on_compute, one.overwrite)
        else:
            raise InvalidTypeError(f"Cannot use {shown(one)} as data reference {name!r}. Expected reference.to_config().")


def _binding(workspace: Workspace, one: Any) -> Binding:
    if isinstance(one, DatasetConsumptionConfig):
        id_ = one.dataset.saved_in(workspace)
        return Binding(one.name, "input", one.mode, dataset_id=id_, place=one.path_on_compute or "")
    if isinstance(one, DataReference):
        return Binding(
            one.data_reference_name,
            "reference",
            one.mode,
            datastore=one.datastore.name,
            path=one.path_on_datastore or "",
            place=one.path_on_compute or "",
            overwrite=one.overwrite,
        )
    datastore, folder = _destination(workspace, one.destination)
    return Binding(
        one.name,
        "output",
        # Files are copied from a place that the script was promised.
        "upload" if one.source else one.mode,
        datastore=datastore.name,
        path=folder,
        place=one.source or "",
        overwrite=one.overwrite,
        globs=one.source_globs,
        registration=one.registration,
        table=one.table or ({"partition_format": one.partition_format} if one.partition_format else None),
    )


def _destination(workspace: Workspace, destination: Any) -> tuple[AbstractAzureStorageDatastore, str]:
    if destination is None:
        return Datastore.get_default(workspace), _DESTINATION
    if isinstance(destination, AbstractAzureStorageDatastore):
        return destination, _DESTINATION
    if isinstance(destination, (DataReference, DataPath)):
        destination = (destination.datastore, destination.path_on_datastore)
    if isinstance(destination, tuple) and len(destination) == 2 and isinstance(destination[0], AbstractAzureStorageDatastore):
        return destination[0], relative(destination[1]) or _DESTINATION
    raise InvalidValueError(
        f"Cannot use {shown(destination)} as the destination of an output. Expected (datastore, folder).",
        parameter="destination",
        given=destination,
    )


# ---------------------------------------------------------------------- execution


class Provided(msgspec.Struct):
    """What a script is started with."""

    variables: dict[str, str]
    values: dict[str, str]  # what stands for an input, output or reference in arguments, by its name
    folders: dict[str, str]  # of outputs, by name: where the script writes


def provide(workspace: Workspace, bindings: Iterable[Binding], folder: Path, run_id: str) -> Provided:
    """Put inputs in place and make the folders of outputs.

    Raises:
        AzureMLException: a data set or datastore is not there, or cannot be read.
        OSError: files cannot be copied.
    """
    made = Provided({}, {}, {})
    modes: list[str] = []
    outputs: list[str] = []
    for one in bindings:
        if one.kind == "input":
            value = _given_input(workspace, one, folder)
            modes.append(f"{one.name}:{one.mode}")
        else:
            value = _given_folder(workspace, one, folder, run_id)
            if one.kind == "output":
                outputs.append(one.name)
            if one.mode == "upload" or one.kind == "output":
                made.folders[one.name] = value
        if one.kind != "reference":
            made.variables[one.name] = value
        made.variables[REFERENCE_PREFIX + one.name] = value
        made.values[one.name] = value
    if modes:
        made.variables[INPUTS_VARIABLE] = ",".join(modes)
    if outputs:
        made.variables[OUTPUTS_VARIABLE] = ";".join(outputs)
    return made


def _given_input(workspace: Workspace, one: Binding, folder: Path) -> str:
    if one.mode == "direct":
        return one.dataset_id
    data_set = AbstractDataset.get_by_id(workspace, one.dataset_id)
    assert isinstance(data_set, FileDataset)  # noqa: S101  # a table has mode direct
    is_single = data_set.is_single_file()
    if one.mode == "mount" and not one.place:
        if (whole := data_set.whole_folder()) is not None:
            return str(whole)
        if is_single and (file := data_set.files()[0].file):
            return file
    target = _place(one, folder)
    target.mkdir(parents=True, exist_ok=True)
    if one.mode == "mount":
        made = [str(path) for path in data_set.link_into(target)]
    else:
        made = data_set.download(target, overwrite=True)
    return made[0] if is_single and made else str(target)


def _given_folder(workspace: Workspace, one: Binding, folder: Path, run_id: str) -> str:
    datastore = Datastore.get(workspace, one.datastore)
    at = inside(datastore.folder, _filled(one, run_id))
    if one.mode == "mount":
        if not at.is_file():
            at.mkdir(parents=True, exist_ok=True)
        return str(at)
    target = _place(one, folder)
    if one.kind == "reference" and at.is_file():
        copy_file(at, target / at.name)
        return str(target / at.name)
    target.mkdir(parents=True, exist_ok=True)
    if one.mode == "download":
        for file in files_below(at):
            copy_file(file, target / file.relative_to(at))
    return str(target)


def _place(one: Binding, folder: Path) -> Path:
    if not one.place:
        return folder / _FOLDER / one.name
    return Path(one.place) if Path(one.place).is_absolute() else inside(folder, one.place)


def _filled(one: Binding, run_id: str) -> str:
    return one.path.replace("{run-id}", run_id).replace("{output-name}", one.name) if one.kind == "output" else one.path


def expanded(command: list[str] | str, values: Mapping[str, str]) -> list[str] | str:
    """Return a command with what its inputs, outputs and references stand for."""
    if isinstance(command, list):
        return [_TOKEN.sub(lambda found: values.get(found[1] or found[2], found[0]), word) for word in command]
    # In a line for a shell: what is put in is one word of it.
    line = re.sub(rf"'({_TOKEN.pattern})'", r"\1", command)
    return _TOKEN.sub(
        lambda found: shlex.quote(values[found[1] or found[2]]) if (found[1] or found[2]) in values else found[0], line
    )


def collect(workspace: Workspace, bindings: Iterable[Binding], provided: Provided, run_id: str, *, has_completed: bool) -> None:
    """Copy what a script has written to its outputs' datastores, and register the outputs of a run that has completed.

    Raises:
        AzureMLException, OSError: as `provide`.
    """
    for one in bindings:
        if one.name not in provided.folders or one.kind == "input":
            continue
        datastore = Datastore.get(workspace, one.datastore)
        path = _filled(one, run_id)
        if one.mode == "upload":
            _copy_back(Path(provided.folders[one.name]), inside(datastore.folder, path), one)
        if one.registration is not None and has_completed:
            table = dict(one.table or {})
            pattern = table.pop("path_glob", "**")
            places, _ = sources.places_of((datastore, f"{path}/{pattern}"))
            kind = TabularDataset if "format" in table else FileDataset
            kind({"places": places, **table}, workspace).register(workspace, **one.registration, create_new_version=True)


def _copy_back(source: Path, target: Path, one: Binding) -> None:
    """Copy the files a script has written; those that were there already are replaced when that was asked for."""
    patterns = [re.compile(sources.pattern_expression(glob)) for glob in one.globs or ["**"]]
    for file in files_below(source):
        name = file.relative_to(source).as_posix()
        to = target / name
        if any(pattern.fullmatch(name) for pattern in patterns) and (one.overwrite or not to.exists()):
            copy_file(file, to)
    target.mkdir(parents=True, exist_ok=True)


# ------------------------------------------------------------------ in the script


def given(workspace: Workspace) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the inputs and outputs of the script this process runs: data sets or paths, and paths, by name."""
    inputs: dict[str, Any] = {}
    for entry in filter(None, os.environ.get(INPUTS_VARIABLE, "").split(",")):
        name, _, mode = entry.partition(":")
        value = os.environ.get(name, "")
        if mode != "direct":
            inputs[name] = value
            continue
        try:
            inputs[name] = AbstractDataset.get_by_id(workspace, value)
        except NotFoundError:  # asking for it by its name says what there is; a script that does not ask must not fail
            continue
    names = filter(None, os.environ.get(OUTPUTS_VARIABLE, "").split(";"))
    return inputs, {name: os.environ.get(name, "") for name in names}
