"""The journal: what a returned call wrote is there, whatever happens to the process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import tracklog
from tracklog.journal import JournalWarning, Reader, Writer, abandoned
from tracklog.records import POINT_FIELDS, DType, MetricKind, RunStarted, TagsSet
from tracklog.storage.drain import recover
from tracklog.storage.local import LocalStore

# Logs as fast as it can and says after each call, through a pipe, how many calls have returned.
_LOGGER = """
import os, sys, itertools
from pathlib import Path
from tracklog.journal import Writer
from tracklog.records import DType, MetricKind, RunStarted
writer = Writer(Path(sys.argv[1]), "run", store_uri="none")
writer.append(RunStarted("e", 0))
writer.make_fast(writer.define("loss", "", MetricKind.SCALAR, DType.FLOAT), float, itertools.count().__next__)
log, write, out = writer.log, os.write, sys.stdout.fileno()
for i in itertools.count():
    log("loss", float(i), i)
    if i % 10 == 0:
        write(out, b"%d\\n" % i)
"""
KILLS = 200


def _points(path: Path) -> np.ndarray:
    records = b"".join(data for _, data in Reader(path).points())
    return np.frombuffer(records, np.dtype([(name, "<f8" if kind == "V8" else kind) for name, kind in POINT_FIELDS]))


# What a network mount without mmap says: the file cannot be mapped, anonymous memory can.
_NO_MMAP = """
import errno, mmap
class Mmap(mmap.mmap):
    def __new__(cls, fd, size):
        if fd >= 0:
            raise OSError(errno.ENODEV, "No such device")
        return super().__new__(cls, fd, size)
mmap.mmap = Mmap
"""


def test_a_file_system_without_mmap_loses_nothing_to_a_kill_either(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _NO_MMAP + _LOGGER, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_with_path(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    while int(process.stdout.readline()) < 40_000:  # over the end of the first segment
        pass
    process.send_signal(signal.SIGKILL)
    said = process.stdout.read()
    warned = process.stderr.read().decode()
    process.wait()
    process.stdout.close()
    process.stderr.close()

    (journal,) = abandoned(tmp_path)
    points = _points(journal)
    assert warned.count("cannot map files") == 1
    assert len(points) > int(said.split(b"\n")[-2] if said.count(b"\n") else 40_000)
    assert (points["value"] == np.arange(len(points))).all()


_KILLED = """
import os, signal, sys, tracklog
run = tracklog.start_run("e", run_id="r", uri=sys.argv[1], capture=False)
for _ in range(5):
    run.log("loss", 0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_goes_on_from_the_last_point_of_a_process_that_was_killed_before_it_sent_any(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, tmp_path / "w"], check=False, env=_with_path())

    with tracklog.start_run(resume="r", uri=tmp_path / "w", capture=False) as run:
        run.log("loss", 1.0)

    assert run.series("loss").steps.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
def test_no_returned_call_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    rng = random.Random(7)
    for kill in range(KILLS):
        root = tmp_path / str(kill)
        process = subprocess.Popen([sys.executable, "-S", "-c", _LOGGER, str(root)], stdout=subprocess.PIPE, env=_with_path())
        assert process.stdout is not None
        first = process.stdout.readline()  # it logs now
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        said = first + process.stdout.read()
        process.wait()
        process.stdout.close()
        returned = int(said.split(b"\n")[-2])
        (path,) = abandoned(root)

        points = _points(path)

        assert len(points) > returned
        assert (points["marker"] == 1).all()
        assert np.array_equal(points["step"], np.arange(len(points)))
        assert np.array_equal(points["value"], np.arange(len(points), dtype=float))


def _with_path() -> dict[str, str]:
    # -S skips site-packages' start-up files: 200 starts must not take minutes.
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_a_killed_run_is_brought_in_by_the_next_reader(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    script = (
        "import os, tracklog\nrun = tracklog.start_run('e', run_id='r', params={'lr': 1})\n"
        "for i in range(1000): run.log('loss', i * 0.5, step=i)\nrun.log('word', 'last')\nos.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "TRACKLOG_URI": str(workspace)}, check=False)
    store = LocalStore(workspace)

    recover(store.journals, store)

    assert store.columns("r", "loss").values.tolist() == [i * 0.5 for i in range(1000)]
    assert store.columns("r", "word").values.tolist() == ["last"]
    assert store.get_run("r").params == {"lr": 1}
    assert abandoned(store.journals) == []


def test_a_file_outlives_its_process_killed_while_it_is_stored(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    script = (
        "import os, time, tracklog\nfrom tracklog.storage.artifacts import BlobFolder\n"
        "BlobFolder.keep = lambda *_: os.kill(os.getpid(), 9)\n"
        "run = tracklog.start_run('e', run_id='r')\nopen('weights', 'w').write('kept')\nrun.upload_file('weights', 'weights')\n"
        "time.sleep(60)"
    )
    environment = {**os.environ, "TRACKLOG_URI": str(workspace)}
    killed = subprocess.run([sys.executable, "-c", script], env=environment, cwd=tmp_path, check=False)
    store = LocalStore(workspace)

    recover(store.journals, store)

    assert killed.returncode == -9
    assert b"".join(store.read_artifact("r", "weights")) == b"kept"
    assert abandoned(store.journals) == []


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_torn_last_event_is_not_read(tmp_path: Path, cut: int) -> None:
    writer = Writer(tmp_path, "run", store_uri="none")
    writer.append(RunStarted("e", 0), TagsSet({"a": "1"}), TagsSet({"b": "2"}))
    writer.close(remove=False)
    (file,) = writer.path.glob("events-*.log")
    file.write_bytes(file.read_bytes()[:-cut])

    events = [event for _, event in Reader(writer.path).events()]

    assert events == [RunStarted("e", 0), TagsSet({"a": "1"})]


def test_threads_lose_nothing(tmp_path: Path) -> None:
    with tracklog.start_run("e", uri=tmp_path / "w") as run:
        threads = [
            threading.Thread(target=lambda name=f"m{i}": [run.log(name, j, step=j) for j in range(5000)]) for i in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert all(len(run.series(f"m{i}")) == 5000 for i in range(8))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_writes_a_journal_of_its_own(tmp_path: Path) -> None:
    run = tracklog.start_run("e", uri=tmp_path / "w")
    run.log("parent", 1.0)
    child = os.fork()
    if child == 0:
        for i in range(100):
            run.log("child", float(i))
        os._exit(0)
    os.waitpid(child, 0)
    run.log("parent", 2.0)
    run.complete()

    assert run.series("parent").values.tolist() == [1.0, 2.0]
    assert run.series("child").values.tolist() == [float(i) for i in range(100)]


def test_a_folder_that_cannot_be_written_costs_a_warning_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("TRACKLOG_JOURNALS", str(blocked / "journals"))

    with pytest.warns(JournalWarning, match="Training goes on"):
        run = tracklog.start_run("e", uri=tmp_path / "w")
    for i in range(40_000):
        run.log("loss", float(i))
    run.complete()

    assert len(run.series("loss")) == 40_000


def test_a_file_size_limit_costs_a_warning_and_nothing_else(tmp_path: Path) -> None:
    script = (
        "import resource, warnings, sys, signal\nfrom pathlib import Path\nfrom tracklog.journal import Writer\n"
        "from tracklog.records import DType, MetricKind\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    warnings.simplefilter('always')\n    writer = Writer(Path(sys.argv[1]), 'run', store_uri='none')\n"
        "    key = writer.define('loss', '', MetricKind.SCALAR, DType.INT)\n"
        "    for i in range(50_000): writer.put(key, i, 0, i)\n"
        "print(len(said), len(writer.take_points(0, 100_000)) // 32)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["1", "50000"]


def test_values_that_do_not_fit_leave_no_hole(tmp_path: Path) -> None:
    with tracklog.start_run("e", uri=tmp_path / "w") as run:
        run.log("n", 1)
        with pytest.raises(tracklog.TracklogError, match="64 bits"):
            run.log("n", 2, step=2**70)
        with pytest.raises(tracklog.TracklogError, match="log_list"):
            run.log("n", [1, 2])  # type: ignore[arg-type]
        run.log("n", 3)

    assert run.series("n").values.tolist() == [1, 3]


def test_warnings_as_errors_do_not_break_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKLOG_JOURNALS", os.devnull + "/nowhere")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with tracklog.start_run("e", uri=tmp_path / "w") as run:
            run.log("loss", 1.0)

    assert run.series("loss").values.tolist() == [1.0]


def test_a_key_is_defined_before_its_first_point(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "run", store_uri="none")
    key = writer.define("loss", "", MetricKind.SCALAR, DType.FLOAT)
    writer.put(key, 0, 0, 1.0)
    writer.close(remove=False)

    reader = Reader(writer.path)
    reader.events()

    assert reader.keys[int(_points(writer.path)["key"][0])].name == "loss"
