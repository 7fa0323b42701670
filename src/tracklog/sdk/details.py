"""A run as Azure ML v1 tells of it: the details dict, the logs, and the console output of waiting for its end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tracklog.records import DATASET_CONTEXT, DatasetInput, RunStatus

if TYPE_CHECKING:
    from tracklog.sdk.run import Run

OUTPUT_LOG = "user_logs/std_log.txt"  # the name v1's newer runtime gives to what a submitted script prints
USER_LOG = "logs/user_log.txt"  # … and what a `with` block of an interactive run prints
_OUTPUT_LOGS = (OUTPUT_LOG, USER_LOG, "azureml-logs/70_driver_log.txt")  # the last: v1's older runtime
_LOG_FOLDERS = ("logs/", "azureml-logs/", "user_logs/", "system_logs/")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 2.0
_LOST_S = 30.0  # after the 45 s without a heartbeat that make a run NotResponding
_LINES = 5000  # of a log, asked for at once


def details(run: Run, *, texts: bool = False) -> dict[str, Any]:
    """Return v1's details of a run; with `texts`, `logFiles` has the logs themselves instead of addresses."""
    properties = run.get_properties()
    info = run.info
    found: dict[str, Any] = {
        "runId": info.id,
        "target": _definition(info.info).get("target", "local"),
        "status": info.status.value,
        "startTimeUtc": _iso(info.start_ms),
    }
    if info.end_ms is not None:
        found["endTimeUtc"] = _iso(info.end_ms)
    found["services"] = {}
    if info.error is not None:
        error = {"code": info.error.code, "message": info.error.message, "details": []}
        found["error"] = {"error": error if not info.error.traceback else {**error, "debugInfo": info.error.traceback}}
    found.update(
        warnings=[],
        properties=properties,
        inputDatasets=[_input(data_set) for data_set in info.datasets],
        outputDatasets=[],
        runDefinition=_definition(info.info),
        logFiles={name: _log_text(run, name) if texts else _log_address(run, name) for name in _log_names(run)},
        submittedBy=info.user,
    )
    return found


def _input(data_set: DatasetInput) -> dict[str, Any]:
    """Return a data set that the run was given, in v1's form; one of another client has no id."""
    try:
        source = json.loads(data_set.source)
    except ValueError:
        source = None
    id_ = source.get("id") if isinstance(source, dict) else None
    return {
        "dataset": {"id": id_, "name": data_set.name},
        "consumptionDetails": {"type": "RunInput", "inputName": data_set.tags.get(DATASET_CONTEXT, data_set.name)},
    }


def _definition(topics: dict[str, Any]) -> dict[str, Any]:
    """Return what was executed: as it was submitted, else as far as it was captured."""
    if isinstance(topics.get("definition"), dict):
        return dict(topics["definition"])
    command = topics.get("command")
    words: list[str] = []
    if isinstance(command, dict):
        given = command.get("argv") or command.get("arguments") or []
        words = [str(word) for word in given] if isinstance(given, list) else []
    return {"script": words[0] if words else None, "arguments": words[1:], "target": "local"}


def output_log(run: Run) -> str:
    """Return the name under which what the run printed is one of its files."""
    return OUTPUT_LOG if run.type else USER_LOG


def file_or_log(run: Run, name: str) -> Iterator[bytes]:
    """Return the bytes of a file of a run, or of what it printed, by any of the names v1 has for that.

    Raises:
        NotFoundError: there is no such file.
    """
    store = run.experiment.workspace.store
    is_printed = name in _OUTPUT_LOGS and store.log_lines(run.id, 0, 1).total_lines > 0
    if is_printed and all(found.path != name for found in store.artifacts(run.id, name.rpartition("/")[0])):
        return _log_pieces(run)
    return iter(store.read_artifact(run.id, name))


def _log_pieces(run: Run) -> Iterator[bytes]:
    first = 0
    while (page := run.experiment.workspace.store.log_lines(run.id, first, _LINES)).lines:
        yield "".join(f"{line.printed()}\n" for line in page.lines).encode()
        first += len(page.lines)


def _iso(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _log_names(run: Run) -> list[str]:
    return sorted(name for name in run.get_file_names() if name.startswith(_LOG_FOLDERS))


def _log_address(run: Run, name: str) -> str:
    base = run.experiment.workspace.portal_url()
    if base is None:
        return f"aml://artifactId/ExperimentRun/dcid.{run.id}/{name}"
    below = "log.txt" if name == output_log(run) else f"artifacts/{quote(name)}"
    return f"{base}/api/v1/runs/{quote(run.id, safe='')}/{below}"


def _log_text(run: Run, name: str) -> str:
    return b"".join(file_or_log(run, name)).decode("utf-8", "replace")


def write_logs(run: Run, folder: Path) -> list[str]:
    """Write the logs of a run below a folder; return the paths."""
    paths = []
    for name in _log_names(run):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_log_text(run, name), encoding="utf-8")
        paths.append(str(target))
    return paths


def wait(run: Run, *, show_output: bool, raise_on_error: bool) -> dict[str, Any]:
    """Wait for the end of a run that another process executes; see `Run.wait_for_completion`."""
    from tracklog.sdk.exceptions import ActivityFailedException, ExperimentExecutionException

    heading = f"RunId: {run.id}\nWeb View: {run.get_portal_url()}\n"
    if show_output:
        _say(heading)
    pause = _FIRST_WAIT_S
    shown = 0
    lost_since: float | None = None
    try:
        while True:
            status = RunStatus(run.get_status())  # before the log: what was printed until the end is then all there
            if show_output:
                shown, grew = _stream(run, shown)
                pause = _FIRST_WAIT_S if grew else pause
            if status.is_final():
                break
            lost_since = (lost_since or time.monotonic()) if status is RunStatus.NOT_RESPONDING else None
            if lost_since is not None and time.monotonic() - lost_since > _LOST_S:
                raise ExperimentExecutionException(
                    f"Nothing has been heard of run {run.id} for more than a minute: the processes that execute and watch it "
                    "seem to be gone. What it logged is kept. run.fail('killed') or run.cancel() ends it, "
                    "and `tracklog sync` brings in what it left on this machine."
                )
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_WAIT_S)
    except KeyboardInterrupt as error:
        raise ExperimentExecutionException(
            f"Waiting for run {run.id} was interrupted. The run itself goes on; run.cancel() ends it."
        ) from error
    found = details(run)
    if show_output:
        _say(f"\nExecution Summary\n=================\n{heading}")
    if status is RunStatus.FAILED:
        if raise_on_error:
            raise ActivityFailedException(error_details=json.dumps(found.get("error"), indent=4))
        if show_output:
            _say("Error:\n" + json.dumps(found.get("error"), indent=4))
    return found


def _stream(run: Run, shown: int) -> tuple[int, bool]:
    """Print the log from line `shown` on; return how many lines are shown by now, and whether there were new ones."""
    before = shown
    while (page := run.experiment.workspace.store.log_lines(run.id, shown, _LINES)).lines:
        if shown == 0:
            name = output_log(run)
            _say(f"Streaming {name}\n{'=' * (len(name) + 10)}\n")
        for line in page.lines:
            _say(line.printed())
        shown += len(page.lines)
    return shown, shown > before


def _say(text: str) -> None:
    print(text, flush=True, file=sys.stdout)  # noqa: T201  # what the caller asked to see
