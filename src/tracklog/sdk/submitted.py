"""Scripts that are executed for a run: started, watched, recorded, and their run ended by how they end.

`Experiment.submit` hands a description of the execution to a process of its own, which outlives the one that submitted;
`tracklog run` executes in its own process and place. Both come here: `execute` is the one way a script is run.

The watching process records what the script prints and which machine it runs on, collects `outputs/` and `logs/`, and
ends a script whose run was canceled. The script finds its run by Azure ML v1's environment variables.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from tracklog.errors import (
    AzureMLException,
    InvalidTypeError,
    NotFoundError,
    NotSupportedError,
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
from tracklog.sdk.recorder import CLOSE_TIMEOUT_S, now_ms
from tracklog.sdk.run import Run
from tracklog.sdk.workspace import Workspace

DEFINITION = "definition"  # the topic of a run's info that says what is executed
_ASK_S = 1.0  # between looks whether the run was canceled
_LOOK_S = 0.2  # between looks whether a slot is free
_END_S = 10.0  # a script that is told to end has so long before it is killed
_TAIL_LINES = 60  # of stderr, kept as the reason of a failure


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
        NotSupportedError: several processes are asked for.
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
    processes = settings.pytorch.process_count if settings.framework == "PyTorch" else settings.mpi.process_count_per_node
    if processes > 1 or settings.node_count > 1:
        raise NotSupportedError(
            f"Cannot start {processes} processes on {settings.node_count} nodes. Give the launcher as the command: "
            f"ScriptRunConfig(source_directory, command='torchrun --nproc-per-node {processes} {config.script}')."
        )
    run_id = new_run_id(experiment.name)
    folder = Path(tempfile.gettempdir()) / "azureml_runs" / run_id
    _copy(source, folder)
    run = ScriptRun.begin(experiment, run_id=run_id, tags=tags, parent_id=parent_id, capture=False, type=SCRIPT_RUN)
    recorder = run._recorder  # noqa: SLF001  # the submitting half of the same class
    assert recorder is not None  # noqa: S101  # begin has made it
    recorder.add(
        StatusChanged(RunStatus.STARTING, now_ms()),
        InfoSet(
            {
                DEFINITION: {
                    "script": config.script,
                    "command": command if config.command is not None else None,
                    "arguments": masked([str(one) for one in inputs.arguments_of(config)]),
                    "target": target,
                    "environment": settings.environment.name,
                    "sourceDirectory": str(source),
                }
            }
        ),
        *([LineageAdded(datasets)] if datasets else []),
        *([PropertiesSet({compute.PROPERTY: target})] if target != compute.LOCAL else []),
    )
    if settings.history.snapshot_project and snapshot.too_large(folder) is None:
        run.take_snapshot(folder)
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
        )
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


def _start_watching(execution: Execution) -> None:
    # Through a pipe, so that variables with secrets are on no disk and in no list of processes.
    process = subprocess.Popen(
        [sys.executable, "-m", "tracklog.sdk.submitted"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
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
        try:
            while not place.take():
                if asked == 0.0:
                    recorder.add(StatusChanged(RunStatus.QUEUED, now_ms()))
                ended_by = RunStatus.CANCELED if interrupted.is_set() else None
                if time.monotonic() - asked > _ASK_S:
                    ended_by, asked = ended_by or _ended_elsewhere(run), time.monotonic()
                if ended_by is not None:
                    recorder.close(None if _ended_elsewhere(run) else ended_by, None, CLOSE_TIMEOUT_S)
                    return 130
                interrupted.wait(_LOOK_S)
        except (AzureMLException, OSError) as error:
            return _fail(run, error, pass_through=False)
    return None


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
    output = recorder.record_output()
    recorder.capture(frozenset(execution.capture) - {"command", "console", "logging"})
    started_ms = now_ms()
    recorder.add(StatusChanged(RunStatus.RUNNING, started_ms))
    errors: deque[str] = deque(maxlen=_TAIL_LINES)
    try:
        given = inputs.provide(workspace, execution.bindings, Path(execution.folder), execution.run_id)
    except (AzureMLException, OSError) as error:
        return _fail(run, error, pass_through=pass_through)
    command = inputs.expanded(execution.command, given.values)
    try:
        process = subprocess.Popen(
            command,
            shell=isinstance(command, str),  # a command line of the user's own
            cwd=execution.folder,
            env={**_variables(execution), **given.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        reason = f"Cannot start {shown(command)}: {error.strerror or error}."
        return _fail(run, OSError(reason), pass_through=pass_through)
    readers = [
        threading.Thread(target=_read, args=(stream, name, output, errors, pass_through), daemon=True)
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
    ]
    for reader in readers:
        reader.start()
    ended_by: RunStatus | None = None
    with _interruptible() as interrupted:
        deadline = None if not execution.max_seconds else time.monotonic() + execution.max_seconds
        asked = time.monotonic()
        while process.poll() is None:
            if interrupted.is_set() or (deadline is not None and time.monotonic() > deadline):
                ended_by = RunStatus.CANCELED
            elif time.monotonic() - asked > _ASK_S:
                ended_by, asked = _ended_elsewhere(run), time.monotonic()
            if ended_by is not None:
                _stop(process, told=interrupted.is_set() and pass_through)
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        ended_by = RunStatus.CANCELED if interrupted.is_set() else ended_by
    for reader in readers:
        reader.join(_END_S)  # a grandchild may hold the pipe open for ever
    since_ms = 0 if execution.is_copy else started_ms
    for name in ("outputs", "logs"):
        run.collect(name, Path(execution.folder) / name, since_ms=since_ms)
    ended_by = ended_by or _ended_elsewhere(run)
    if ended_by is not None:
        # Whoever ended the run in the store has said why; an interruption here is said now.
        recorder.close(None if _ended_elsewhere(run) else ended_by, None, CLOSE_TIMEOUT_S)
        return 130
    code = process.returncode
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


def _variables(execution: Execution) -> dict[str, str]:
    """Return the environment of the script."""
    workspace = Workspace(execution.uri)
    path = [str(folder) for folder in (alias_folder(),) if folder is not None]
    path += [one for one in [execution.variables.get("PYTHONPATH"), os.environ.get("PYTHONPATH")] if one]
    own = {
        "AZUREML_RUN_ID": execution.run_id,
        "AZUREML_ROOT_RUN_ID": execution.run_id,
        "AZUREML_ARM_SUBSCRIPTION": workspace.subscription_id or "local",
        "AZUREML_ARM_RESOURCEGROUP": workspace.resource_group or "local",
        "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
        "AZUREML_ARM_PROJECT_NAME": execution.experiment,
        "AZUREML_SERVICE_ENDPOINT": execution.uri,
        "AZUREML_RUN_TOKEN": "none",  # v1 takes a script without one for a bare one
        "AZUREML_RUN_TOKEN_EXPIRY": str(int(time.time()) + 30 * 24 * 3600),
        "AZUREML_OUTPUT_DIRECTORY": "./outputs",
        "TRACKLOG_URI": execution.uri,
        "TRACKLOG_CAPTURE": "none",  # the watching process does
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


def _read(stream: IO[bytes], name: str, record: Any, errors: deque[str], pass_through: bool) -> None:
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    echo = getattr(sys, name) if pass_through else None
    rest = ""
    while piece := os.read(stream.fileno(), 1 << 16):
        text = decoder.decode(piece)
        record(name, text)
        if name == "stderr":
            *lines, rest = (rest + text).split("\n")
            errors.extend(lines)
        if echo is not None:
            with contextlib.suppress(OSError, ValueError):  # a closed pipe must not end the script
                echo.write(text)
                echo.flush()
    if rest:
        errors.append(rest)


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


def _stop(process: subprocess.Popen[bytes], *, told: bool) -> None:
    """End a script with those it started: politely first. `told`: Ctrl-C in a terminal has reached it already."""
    import psutil

    try:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return
    if not told:
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.terminate()
    _, alive = psutil.wait_procs(family, timeout=_END_S)
    for one in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()


def _reason(run: Run, code: int, errors: deque[str]) -> ErrorInfo:
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
