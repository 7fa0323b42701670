"""Many processes write one workspace at once while others read it: no error surfaces, nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tests.batches import T0_MS
from tracklog.records import RunStatus
from tracklog.storage import Change, RunQuery
from tracklog.storage.drain import recover
from tracklog.storage.local import LocalStore

POINTS = 2_000  # of each process
BATCHES = 8  # of each process that writes batches itself
SHARED_RUN = "run-of-all"  # as the ranks of one distributed run
READERS = 2

_SCRIPT = """
import sys
import tracklog
from tests.test_concurrency import POINTS

number = int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()  # until all are there
with tracklog.start_run(
    f"experiment-{number % 4}", run_id=f"run-{number}", params={"number": number}, capture=False, uri=sys.argv[1]
) as run:
    for step in range(POINTS):
        run.log("loss", step / 7, step=step)
    run.tags["done"] = "yes"
"""

# No retry anywhere: whatever the store raises ends the process, and the test.
_WRITER = """
import sys
from tests.batches import Writer
from tests.test_concurrency import BATCHES, POINTS, SHARED_RUN
from tracklog.records import LogLine, LogLines, TagsSet
from tracklog.storage.local import LocalStore

number = int(sys.argv[2])
store = LocalStore(sys.argv[1])
own = Writer(f"run-{number}", experiment=f"experiment-{number % 4}").start(params={"number": number})
rank = Writer(SHARED_RUN, experiment="shared").start()
print("ready", flush=True)
sys.stdin.readline()
for batch in range(BATCHES):
    for step in range(batch * POINTS // BATCHES, (batch + 1) * POINTS // BATCHES):
        own.log("loss", step / 7, step)
    own.add(TagsSet({"batch": str(batch)}), LogLines([LogLine(batch, "stdout", f"batch {batch}")]))
    store.apply(own.batch())
    store.apply(rank.log("rank", number * BATCHES + batch, batch).batch())
store.apply(own.finish().batch())
store.close()
"""

_READER = """
import json, sys
from pathlib import Path
from tracklog.storage import RunQuery, SeriesQuery
from tracklog.storage.local import LocalStore

store = LocalStore(sys.argv[1])
done = Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
reads, since, seen = 0, 0, 0
while True:
    is_last = done.exists()  # asked before reading: the last round sees everything
    page = store.search_runs(RunQuery(order_by="-metric:loss", limit=20))
    for run in page.runs[:3]:
        for metric in run.metrics:
            points = len(store.columns(run.id, metric.name))
            assert points >= metric.count, (run.id, points, metric)  # read later, so never less
    store.series(SeriesQuery([run.id for run in page.runs], ["loss"], buckets=100))
    store.experiments()
    while changes := store.changes(since):
        ids = [change.id for change in changes]
        assert ids == sorted(set(ids)) and ids[0] > since, ids
        since, seen = ids[-1], seen + len(ids)
    reads += 1
    if is_last:
        break
print(json.dumps({"reads": reads, "changes": seen}), flush=True)
store.close()
"""

_REGISTRAR = """
import sys
from tracklog.storage.local import LocalStore
from tracklog.storage.registry import ModelEdit, ModelVersion

registry = LocalStore(sys.argv[1]).registry
print("ready", flush=True)
sys.stdin.readline()
for i in range(25):
    print(registry.add_version("net", ModelVersion(), create=True).version)
    registry.edit_model("net", ModelEdit(tags={f"{sys.argv[2]}-{i}": ""}))
"""


@contextmanager
def children(code: str, argument_lists: list[list[str]]) -> Iterator[list[subprocess.Popen[str]]]:
    """Start Python processes and wait until each has said that it is ready; end those that are left."""
    with ExitStack() as stack:
        processes = []
        for arguments in argument_lists:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parent.parent,
                env={**os.environ, "TRACKLOG_QUIET": "1"},  # so that any line on stderr is a complaint
            )
            stack.enter_context(process)
            stack.callback(process.kill)  # does nothing to one that ended
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        yield processes


def go(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Wait for processes to end without a word of complaint; return what they printed."""
    outputs = []
    for process in processes:
        output, errors = process.communicate(timeout=200)
        assert (process.returncode, errors) == (0, "")
        outputs.append(output)
    return outputs


def write_and_read(workspace: Path, code: str, processes: int) -> list[dict[str, Any]]:
    """Let processes run `code` at once while others read; return what the readers report."""
    done = workspace.with_name("done")
    LocalStore(workspace).close()
    with (
        children(_READER, [[str(workspace), str(done)]] * READERS) as readers,
        children(code, [[str(workspace), str(number)] for number in range(processes)]) as writers,
    ):
        go(readers)
        go(writers)
        ended(writers)
        done.touch()
        return [json.loads(output) for output in ended(readers)]


def all_changes(store: LocalStore) -> list[Change]:
    changes: list[Change] = []
    while more := store.changes(changes[-1].id if changes else 0):
        changes += more
    return changes


def check_losses(store: LocalStore, processes: int) -> None:
    """Assert that each run has exactly the points its process logged, and that numbers were given once."""
    for number in range(processes):
        columns, run = store.columns(f"run-{number}", "loss"), store.get_run(f"run-{number}")
        assert columns.steps.tolist() == list(range(POINTS))
        assert columns.values.tolist() == [step / 7 for step in range(POINTS)]
        assert [(metric.name, metric.count, metric.max) for metric in run.metrics] == [("loss", POINTS, (POINTS - 1) / 7)]
        assert (run.status, run.params) == (RunStatus.COMPLETED, {"number": number})
    for experiment in range(4):
        page = store.search_runs(RunQuery(experiment=f"experiment-{experiment}", order_by="number"))
        assert [run.number for run in page.runs] == list(range(1, processes // 4 + 1))


def test_64_scripts_log_at_once_while_two_processes_read(tmp_path: Path) -> None:
    reports = write_and_read(tmp_path / "workspace", _SCRIPT, 64)

    with closing(LocalStore(tmp_path / "workspace")) as store:
        told = len(all_changes(store))
        # With 64 after one lock, some may wait for longer than the end of a script does: theirs arrives later.
        recover(store.journals, store)
        check_losses(store, 64)
        assert all(store.get_run(f"run-{number}").tags == {"done": "yes"} for number in range(64))
        assert list((tmp_path / "workspace" / "journals").glob("run-*")) == []  # all of it is in the store
        assert store.check() == []
    assert all(report["reads"] >= 3 and report["changes"] == told for report in reports)


def test_no_writer_of_batches_ever_sees_an_error(tmp_path: Path) -> None:
    reports = write_and_read(tmp_path / "workspace", _WRITER, 16)

    with closing(LocalStore(tmp_path / "workspace")) as store:
        check_losses(store, 16)
        for number in range(16):
            run = store.get_run(f"run-{number}")
            assert (run.start_ms, run.tags) == (T0_MS, {"batch": str(BATCHES - 1)})
            assert [line.text for line in store.log_lines(run.id).lines] == [f"batch {i}" for i in range(BATCHES)]
        shared = store.columns(SHARED_RUN, "rank")
        assert sorted(shared.values.tolist()) == list(range(16 * BATCHES))
        assert store.get_run(SHARED_RUN).metrics[0].count == 16 * BATCHES
        assert store.check() == []
        told = len(all_changes(store))
    assert told == 16 * (2 * BATCHES + 1)
    assert all(report["reads"] >= 3 and report["changes"] == told for report in reports)


def test_processes_never_get_the_same_version_nor_lose_a_tag(tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path)) as store:
        with children(_REGISTRAR, [[str(tmp_path), str(number)] for number in range(4)]) as processes:
            go(processes)
            given = [int(line) for output in ended(processes) for line in output.splitlines()]
        model = store.registry.get_model("net")

    assert sorted(given) == list(range(1, 101))
    assert (model.versions, len(model.tags)) == (100, 100)
