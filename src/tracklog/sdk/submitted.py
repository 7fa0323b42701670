"""Scripts that are executed for a run: started, watched, recorded, and their run ended by how they end.

`Experiment.submit` hands a description of the execution to a process of its own, which outlives the one that submitted;
`tracklog run` executes in its own process and place. Both come here: `execute` is the one way a script is run.

The watching process records what the script prints and which machine it runs on, collects `outputs/` and `logs/`, and
ends a script whose run was canceled. The script finds its run by Azure ML v1's environment variables.
"""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tracklog.errors import (
    AzureMLException,
    InvalidTypeError,
    NotFoundError,
    ServerError,
    StoreUnavailableError,
    TracklogError,
    shown,
)
from tracklog.records import SCRIPT_RUN, ErrorInfo, InfoSet, LineageAdded, PropertiesSet, RunStatus, StatusChanged
from tracklog.sdk import compute, inputs, snapshot
from tracklog.sdk.capture import masked
from tracklog.sdk.configuration import ScriptRunConfig
from tracklog.sdk.exceptions import ExperimentExecutionException
from tracklog.sdk.experiment import Experiment
from tracklog.sdk.processes import Job, Processes, Take, job_of
from tracklog.sdk.recorder import CLOSE_TIMEOUT_S, now_ms
from tracklog.sdk.run import PARENT_RUN, WATCHED_BY, Run
from tracklog.sdk.workspace import Workspace

DEFINITION = "definition"  # the topic of a run's info that says what is executed
_ASK_S = 1.0  # between looks whether the run was canceled
_LOOK_S = 0.2  # between looks whether a slot is free
_READ_S = 0.1  # between looks at what the script prints
_WATCH_S = 5.0  # between looks at watched folders
_WATCHED_BYTES_PER_S = 1 << 20  # of a growing file, on average


class Execution(msgspec.Struct):
    """All that the watching process has to know."""

    run_id: str
    experiment: str
    uri: str
    folder: str  # where the script runs
    command: list[str] | str  # text goes to a shell
    variables: dict[str, str]
    max_seconds: float | None = None
    is_copy: bool = True  # the folder was made for this run: all in outputs/ is the run's
    capture: list[str] = []
    target: str = compute.LOCAL  # the queue it waits in, if it is not that
    submitted_ns: int = 0
    bindings: list[inputs.Binding] = []
    workspace: tuple[str, str, str] = ("local", "local", "local")  # subscription, resource group and name of v1
    outputs: tuple[str, ...] = ("outputs",)  # folders whose files are kept when the script has ended
    watched: tuple[str, ...] = ("logs",)  # folders whose files are kept while it runs, too
    job: Job = Job()
    parent_id: str | None = None


class ScriptRun(Run):
    """The run of a submitted script."""


def new_run_id(experiment: str) -> str:
    """Return an id as v1 gives it to scripts: `<experiment>_<unix seconds>_<8 hex>`."""
    return f"{experiment}_{int(time.time())}_{uuid.uuid4().hex[:8]}"


# ------------------------------------------------------------------------ submit


def submit(
    experiment: Experiment, config: ScriptRunConfig, tags: Mapping[str, Any] | None = None, parent_id: str | None = None
) -> ScriptRun:
    """Execute a script on this machine, in a copy of its folder and a process of its own; return its run at once.

    Raises:
        InvalidTypeError: not a ScriptRunConfig.
        ExperimentExecutionException: the script is not in the source directory.
        ComputeTargetException: there is no such compute target.
        UserErrorException: a data set cannot be given to the script.
        NotSupportedError: MPI is to start several processes, and is not installed.
    """
    if not isinstance(config, ScriptRunConfig):
        raise InvalidTypeError(f"Cannot submit {shown(config)}. Expected a ScriptRunConfig.", parameter="config", given=config)
    settings = config.run_config
    command = _command(config)
    source = Path(config.source_directory if config.source_directory is not None else ".").absolute()
    if not source.is_dir():
        raise ExperimentExecutionException(f"There is no source directory {source}.")
    if config.script is not None and not (source / config.script).is_file():
        raise ExperimentExecutionException(f"There is no script {config.script!r} in the source directory {source}.")
    target = compute.check_target(experiment.workspace, settings.target)
    bindings, datasets = inputs.bind(experiment.workspace, config)
    job = job_of(settings, config.script or "train.py")
    run_id = new_run_id(experiment.name)
    folder = _runs_folder() / run_id
    _copy(source, folder)
    run = ScriptRun.begin(experiment, run_id=run_id, tags=tags, parent_id=parent_id, capture=False, type=SCRIPT_RUN)
    recorder = run._recorder  # noqa: SLF001  # the submitting half of the same class
    assert recorder is not None  # noqa: S101  # begin has made it
    recorder.add(
        StatusChanged(RunStatus.STARTING, now_ms()),
        InfoSet(
            {
                DEFINITION: {
                    **settings.definition(),
                    "script": config.script,
                    "command": command if config.command is not None else None,
                    "arguments": masked([str(one) for one in inputs.arguments_of(config)]),
                    "target": target,
                    "sourceDirectory": str(source),
                }
            }
        ),
        *([LineageAdded(datasets)] if datasets else []),
        *([PropertiesSet({compute.PROPERTY: target})] if target != compute.LOCAL else []),
    )
    if settings.history.snapshot_project:
        snapshot.take(run, folder)
    _make_folders(folder)
    run._hand_over(RunStatus.STARTING)  # noqa: SLF001
    submitted_ns = time.time_ns()
    if target != compute.LOCAL:
        compute.Place(experiment.workspace, target, run_id, submitted_ns).announce()
    _start_watching(
        Execution(
            run_id=run_id,
            experiment=experiment.name,
            uri=experiment.workspace.uri,
            folder=str(folder),
            command=command,
            variables={str(name): str(value) for name, value in settings.environment_variables.items()},
            max_seconds=settings.max_run_duration_seconds,
            capture=sorted(experiment.workspace.settings.capture),
            target=target,
            submitted_ns=submitted_ns,
            bindings=bindings,
            workspace=_names_of(experiment.workspace),
            outputs=("outputs",) if settings.history.output_collection else (),
            watched=tuple(str(name) for name in settings.history.directories_to_watch or ()),
            job=job,
            parent_id=parent_id,
        ),
        source,
    )
    return run


def _command(config: ScriptRunConfig) -> list[str] | str:
    arguments = [str(one) for one in inputs.arguments_of(config)]
    if config.command is not None:
        given = config.command
        return " ".join([given if isinstance(given, str) else " ".join(str(one) for one in given), *map(shlex.quote, arguments)])
    python = config.run_config.environment.python
    chosen = python.interpreter_path if python.user_managed_dependencies and python.interpreter_path != "python" else None
    return [chosen or sys.executable, str(config.script), *arguments]


def _copy(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in snapshot.files_of(source):
        target = folder / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)


def _runs_folder() -> Path:
    """Return where scripts run in their copies: v1's place, or beside it where another user has that."""
    root = Path(tempfile.gettempdir())
    for folder in (root / "azureml_runs", root / f"azureml_runs-{getpass.getuser()}"):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == os.getuid()):
            return folder
    raise ExperimentExecutionException(f"Cannot copy the source folder: {root}/azureml_runs belongs to another user.")


def _names_of(workspace: Workspace) -> tuple[str, str, str]:
    """Return v1's names of a workspace, as its variables tell them to a script: the last is one that `Workspace.get` takes."""
    name = re.sub(r"[^\w-]+", "-", workspace.name.rpartition("://")[2]).strip("-_") or "local"
    return workspace.subscription_id or "local", workspace.resource_group or "local", name


def _make_folders(folder: Path) -> list[str]:
    """Make `outputs` and `logs`, which scripts write to without making them; return those that were not there."""
    made = []
    for name in ("outputs", "logs"):
        with contextlib.suppress(OSError):  # it exists, or nothing can be written here
            (folder / name).mkdir()
            made.append(name)
    return made


def _start_watching(execution: Execution, source: Path) -> None:
    # Through a pipe, so that variables with secrets are on no disk and in no list of processes.
    process = subprocess.Popen(
        [sys.executable, "-m", "tracklog.sdk.submitted"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=source,  # whose git checkout is captured
    )
    assert process.stdin is not None  # noqa: S101  # PIPE was asked for
    with process.stdin as stream:
        stream.write(msgspec.json.encode(execution))
    # Collected by a thread when it ends: neither a zombie nor a warning about a process that still runs.
    threading.Thread(target=process.wait, name="tracklog-submitted", daemon=True).start()


def prepare(
    words: Sequence[str],
    *,
    experiment: str | None = None,
    name: str | None = None,
    tags: Mapping[str, Any] | None = None,
    uri: str | None = None,
) -> Execution:
    """Begin the run of a command line that is to be executed in this folder.

    Args:
        words: a Python file with its arguments, or a command of PATH.
        experiment: by default the name of the folder.

    Raises:
        NotFoundError: there is neither such a file nor such a command.
    """
    script, *arguments = words
    here = Path.cwd()
    is_file = Path(script).is_file()
    if not is_file and shutil.which(script) is None:
        raise NotFoundError(
            f"There is no script {script!r} in {here}, and no command of that name on PATH.", what="script", given=script
        )
    is_python = is_file and (script.endswith(".py") or not os.access(script, os.X_OK))
    workspace = Workspace(uri)
    group = Experiment(workspace, experiment if experiment is not None else here.name or "default")
    run_id = new_run_id(group.name)
    run = ScriptRun.begin(group, name=name, run_id=run_id, tags=tags, capture=False, type=SCRIPT_RUN)
    definition = {"script": script, "arguments": masked(arguments), "target": "local", "sourceDirectory": str(here)}
    argv = masked([sys.executable, *words] if is_python else list(words))
    command = {"argv": argv, "executable": sys.executable, "script": script, "cwd": str(here)}
    run._recorder.add(InfoSet({DEFINITION: definition, "command": command}))  # type: ignore[union-attr]  # noqa: SLF001
    run._hand_over(RunStatus.RUNNING)  # noqa: SLF001
    return Execution(
        run_id=run_id,
        experiment=group.name,
        uri=workspace.uri,
        folder=str(here),
        command=[sys.executable, *words] if is_python else [script if not is_file else str(here / script), *arguments],
        variables={},
        is_copy=False,
        capture=sorted(workspace.settings.capture),
        workspace=_names_of(workspace),
    )


# ----------------------------------------------------------------------- execute


def execute(execution: Execution, *, pass_through: bool) -> int:
    """Run the script to its end and end its run accordingly; return the exit code, 130 when canceled.

    Args:
        pass_through: write what the script prints to this process's own output too.
    """
    workspace = Workspace(execution.uri)
    run = ScriptRun._joined(workspace, execution.experiment, execution.run_id, SCRIPT_RUN)  # noqa: SLF001
    with contextlib.ExitStack() as held:
        if execution.target != compute.LOCAL:
            place = compute.Place(workspace, execution.target, execution.run_id, execution.submitted_ns)
            held.callback(place.leave)
            if (code := _wait_for(place, run)) is not None:
                return code
        return _execute(execution, run, pass_through)


def _wait_for(place: compute.Place, run: Run) -> int | None:
    """Wait, Queued, until the run has a slot of its target; return the exit code if it ends before."""
    recorder = run._recorder  # noqa: SLF001  # the watching half of the same class
    assert recorder is not None  # noqa: S101  # _joined has made it
    with _interruptible() as interrupted:
        asked = 0.0
        began_ms = now_ms()
        try:
            while not place.take():
                ended_by = RunStatus.CANCELED if interrupted.is_set() else None
                is_first = asked == 0.0
                if time.monotonic() - asked > _ASK_S:
                    ended_by, asked = ended_by or _ended_elsewhere(run), time.monotonic()
                if ended_by is not None:
                    return _close_ended(run, ended_by)
                if is_first:
                    recorder.add(StatusChanged(RunStatus.QUEUED, began_ms))
                interrupted.wait(_LOOK_S)
        except (AzureMLException, OSError) as error:
            return _fail(run, error, pass_through=False)
    return None


def _close_ended(run: Run, status: RunStatus) -> int:
    """Send what is left of a run that was ended before its script had; return the exit code."""
    is_said = False  # by whoever ended it in the store, with the reason
    with contextlib.suppress(TracklogError):
        is_said = run.experiment.workspace.store.get_run(run.id).status in (RunStatus.CANCELED, RunStatus.FAILED)
    run._recording().close(None if is_said else status, None, CLOSE_TIMEOUT_S)  # noqa: SLF001
    return 130


def _fail(run: Run, error: Exception, *, pass_through: bool) -> int:
    """End a run whose script cannot be started; return the exit code."""
    reason = getattr(error, "message", None) or str(error)
    run._recording().close(RunStatus.FAILED, ErrorInfo("UserError", reason), CLOSE_TIMEOUT_S)  # noqa: SLF001
    if pass_through:
        print(f"tracklog: {reason}", file=sys.stderr)  # noqa: T201
    return 127


def _execute(execution: Execution, run: Run, pass_through: bool) -> int:
    workspace = run.experiment.workspace
    recorder = run._recorder  # noqa: SLF001  # the watching half of the same class
    assert recorder is not None  # noqa: S101  # _joined has made it
    record = recorder.record_output()
    recorder.capture(frozenset(execution.capture) - {"command", "console", "logging"}, git_properties=True)
    # The time before looking: whoever ends the run from here on is the later one, and that counts.
    started_ms = now_ms()
    if (ended := _ended_elsewhere(run)) is not None:
        return _close_ended(run, ended)
    recorder.add(StatusChanged(RunStatus.RUNNING, started_ms))
    folder = Path(execution.folder)
    try:
        given = inputs.provide(workspace, execution.bindings, folder, execution.run_id)
    except (AzureMLException, OSError) as error:
        return _fail(run, error, pass_through=pass_through)
    command = inputs.expanded(execution.command, given.values)
    made = [] if execution.is_copy else _make_folders(folder)
    watched = _WatchedFolders(run, folder, execution.watched, since_ms=0 if execution.is_copy else started_ms)

    def take(stream: str, text: str, rank: int | None) -> None:
        record(stream, text, rank)
        if pass_through:
            if rank:
                text = "".join(f"[rank {rank}] {line}\n" for line in text.split("\n")[:-1])
            with contextlib.suppress(OSError, ValueError):  # a closed pipe must not end the script
                getattr(sys, stream).write(text)
                getattr(sys, stream).flush()

    processes = Processes(execution.job, _runs_folder() / f"{execution.run_id}.log")
    try:
        processes.start(command, execution.folder, {**_variables(execution), **given.variables})
    except OSError as error:
        processes.close()
        reason = f"Cannot start {shown(command)}: {error.strerror or error}."
        return _fail(run, OSError(reason), pass_through=pass_through)
    ended_by = _follow(processes, execution, run, take, watched, pass_through=pass_through)
    code, errors = processes.code or 0, processes.last_errors()
    processes.close()
    for name in execution.outputs:
        run.collect(name, folder / name, since_ms=watched.since_ms)
    recorder.before_end.append(watched.keep)
    try:
        ended_by = ended_by or _ended_elsewhere(run)
        if ended_by is not None:
            return _close_ended(run, ended_by)
        try:
            inputs.collect(workspace, execution.bindings, given, execution.run_id, has_completed=code == 0)
        except (AzureMLException, OSError) as error:  # what the script was to leave is not where it was to be left
            if code == 0:
                return _fail(run, error, pass_through=pass_through)
            errors.append(f"{type(error).__name__}: {getattr(error, 'message', error)}")
        if code == 0:
            recorder.close(RunStatus.COMPLETED, None, CLOSE_TIMEOUT_S)
            return 0
        recorder.close(RunStatus.FAILED, _reason(run, code, errors), CLOSE_TIMEOUT_S)
        return code if code > 0 else 128 - code
    finally:
        for name in made:
            with contextlib.suppress(OSError):  # the script has put something there
                (folder / name).rmdir()


def _follow(
    processes: Processes, execution: Execution, run: Run, take: Take, watched: _WatchedFolders, *, pass_through: bool
) -> RunStatus | None:
    """Read what the processes print until all have ended; return the status of a run that was ended before, None if not."""
    ended_by: RunStatus | None = None
    with _interruptible() as interrupted:
        deadline = None if not execution.max_seconds else time.monotonic() + execution.max_seconds
        asked = time.monotonic()
        while processes.code is None and ended_by is None:
            if interrupted.is_set() or (deadline is not None and time.monotonic() > deadline):
                ended_by = RunStatus.CANCELED
            elif time.monotonic() - asked > _ASK_S:
                ended_by, asked = _ended_elsewhere(run), time.monotonic()
            else:
                processes.read(take)
                watched.look()
                processes.wait(_READ_S)
        # Of several also those that the end of one leaves behind.
        processes.stop(told=interrupted.is_set() and pass_through)
        while processes.read(take):
            pass
        return RunStatus.CANCELED if interrupted.is_set() else ended_by


class _WatchedFolders:
    """Folders whose files are kept as they grow: logs, which people want to see before the end."""

    def __init__(self, run: Run, folder: Path, names: Sequence[str], *, since_ms: int) -> None:
        self.since_ms = since_ms  # files last written before are not the run's
        self._run = run
        self._folder = folder
        self._folders = [folder / name for name in names]
        self._kept: dict[Path, tuple[int, int]] = {}  # size and time of what was kept
        self._next_s = 0.0
        self._due_s: dict[Path, float] = {}

    def look(self) -> None:
        """Keep what has changed; of a large file less often, as all of it is kept each time."""
        began = time.monotonic()
        if began >= self._next_s:
            self._keep(began)
            self._next_s = time.monotonic() + max(_WATCH_S, 20 * (time.monotonic() - began))

    def keep(self) -> None:
        """Keep all that has changed."""
        self._keep(float("inf"))

    def _keep(self, now_s: float) -> None:
        for folder in self._folders:
            if not folder.is_dir() or not folder.resolve().is_relative_to(self._folder.resolve()):
                continue
            for file in snapshot.files_below(folder):
                try:
                    found = file.stat()
                except OSError:  # it vanished meanwhile
                    continue
                state = found.st_size, found.st_mtime_ns
                if self._kept.get(file) != state and now_s >= self._due_s.get(file, 0.0):
                    self._run._collect_file(file.relative_to(self._folder).as_posix(), file, self.since_ms)  # noqa: SLF001
                    self._kept[file] = state
                    self._due_s[file] = time.monotonic() + _WATCH_S + found.st_size / _WATCHED_BYTES_PER_S


def _variables(execution: Execution) -> dict[str, str]:
    """Return the environment of the script."""
    workspace = Workspace(execution.uri)
    subscription, group, name = execution.workspace
    parent = execution.parent_id
    path = [str(folder) for folder in (alias_folder(),) if folder is not None]
    path += [one for one in [execution.variables.get("PYTHONPATH"), os.environ.get("PYTHONPATH")] if one]
    own = {
        "AZUREML_RUN_ID": execution.run_id,
        "AZUREML_ROOT_RUN_ID": execution.run_id if parent is None else os.environ.get("AZUREML_ROOT_RUN_ID") or parent,
        "AZUREML_ARM_SUBSCRIPTION": subscription,
        "AZUREML_ARM_RESOURCEGROUP": group,
        "AZUREML_ARM_WORKSPACE_NAME": name,
        "AZUREML_ARM_PROJECT_NAME": execution.experiment,
        "AZUREML_SERVICE_ENDPOINT": execution.uri,
        "AZUREML_RUN_TOKEN": "none",  # v1 takes a script without one for a bare one
        "AZUREML_RUN_TOKEN_EXPIRY": str(int(time.time()) + 30 * 24 * 3600),
        "AZUREML_OUTPUT_DIRECTORY": "./outputs",
        "TRACKLOG_URI": execution.uri,
        "AZUREML_SCRIPT_DIRECTORY_NAME": execution.folder,
        "TRACKLOG_CAPTURE": "none",  # the watching process does
        WATCHED_BY: str(os.getpid()),
        PARENT_RUN: parent or "",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(path),
    }
    return {**os.environ, **_mlflow_variables(execution, workspace), **execution.variables, **own}


def _mlflow_variables(execution: Execution, workspace: Workspace) -> dict[str, str]:
    """Return what makes `mlflow.start_run()` of a script go on with its run; nothing where a user's own address is set."""
    may_import = execution.command[0] != sys.executable or importlib.util.find_spec("mlflow") is not None
    if "MLFLOW_TRACKING_URI" in os.environ or not may_import:
        return {}
    try:
        uri = workspace.get_mlflow_tracking_uri()
    except ServerError as error:  # the script may not use MLflow at all
        print(f"tracklog: MLflow's clients will not find the run: {error}", file=sys.stderr)  # noqa: T201
        return {}
    return {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_RUN_ID": execution.run_id,
        "MLFLOW_EXPERIMENT_NAME": execution.experiment,
    }


def alias_folder() -> Path | None:
    """Return the folder with the `azureml` package that comes with tracklog; None when it came without."""
    bundled = Path(__file__).with_name("azureml_alias")
    in_tree = Path(__file__).resolve().parents[3] / "azureml-alias" / "src"
    return next((folder for folder in (bundled, in_tree) if (folder / "azureml" / "core").is_dir()), None)


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Note Ctrl-C and SIGTERM instead of dying of them: the run is to be ended first."""
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told
        return
    before = {one: signal.signal(one, lambda *_: told.set()) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _ended_elsewhere(run: Run) -> RunStatus | None:
    """Return the final status somebody else gave the run, None while it goes on.

    Completed is none: a script may say so too early, through MLflow's `end_run`; it is completed when it ends.
    """
    try:
        status = run.experiment.workspace.store.get_run(run.id).status
    except (StoreUnavailableError, TracklogError):  # asked again in a second; the script goes on
        return None
    if status is RunStatus.CANCEL_REQUESTED:
        return RunStatus.CANCELED
    return status if status in (RunStatus.CANCELED, RunStatus.FAILED) else None


def _reason(run: Run, code: int, errors: Sequence[str]) -> ErrorInfo:
    """Return why a script failed: what it said through `run.fail`, else the last line of its stderr."""
    with contextlib.suppress(TracklogError):
        said = run.experiment.workspace.store.get_run(run.id).error
        if said is not None:
            return said
    lines = [line for line in errors if line.strip()]
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    message = f"{lines[-1].strip()} ({how})" if lines else f"The script ended with {how}."
    return ErrorInfo("UserError", message, "\n".join(errors))


def main() -> int:
    """Watch the execution described on stdin."""
    execution = msgspec.json.decode(sys.stdin.buffer.read(), type=Execution)
    code = execute(execution, pass_through=False)
    shutil.rmtree(execution.folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
