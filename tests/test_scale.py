"""`tracklog demo --scale`: sizes as people write them, and workspaces that are the same each time."""

from __future__ import annotations

import time
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.batches import T0_MS
from tests.test_cli import address_of, ok, refused, started
from tracklog.errors import InvalidValueError
from tracklog.records import RunStatus
from tracklog.scale import Beat, Grid, Many, parse_size, write
from tracklog.storage import RunInfo, RunQuery, SeriesQuery
from tracklog.storage.local import LocalStore


def no_progress(done: int, total: int) -> None:
    assert 0 <= done <= total


def runs_of(store: LocalStore) -> list[RunInfo]:
    runs: list[RunInfo] = []
    token = None
    while True:
        page = store.search_runs(RunQuery(limit=1000, page_token=token))
        runs += page.runs
        token = page.next_page_token
        if token is None:
            return runs


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("50x10x2000", Grid(50, 10, 2000)),
        ("50 × 10 × 2,000".replace(" ", ""), Grid(50, 10, 2000)),
        ("2x3x1.5k", Grid(2, 3, 1500)),
        ("runs=10k", Many("runs", 10_000)),
        ("points=1M", Many("points", 1_000_000)),
        (" names=1_000 ", Many("names", 1000)),
    ],
)
def test_size_is_read(text: str, size: Grid | Many) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "10k", "runs", "runs=", "runs=0", "runs=-1", "runs=2M", "1.2.3x1x1", "50x10", "points=1G", "1000x1000x1000"]
)
def test_what_is_no_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidValueError, match="50x10x2000"):
        parse_size(text)


def test_grid_has_each_point(tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path, clock_ms=lambda: T0_MS)) as store:
        assert write(store, Grid(3, 4, 50), now_ms=T0_MS, advance=no_progress) == []

        runs = runs_of(store)
        assert [[metric.count for metric in run.metrics] for run in runs] == [[50] * 4] * 3
        assert {run.status for run in runs} == {RunStatus.COMPLETED}
        assert all(run.params["optimizer"] in ("adamw", "sgd") and isinstance(run.params["lr"], float) for run in runs)


def test_runs_have_every_status_groups_of_seeds_and_nested_children(tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path, clock_ms=lambda: T0_MS)) as store:
        running = write(store, Many("runs", 600), now_ms=T0_MS, advance=no_progress)

        runs = runs_of(store)
        assert len(runs) == 600
        statuses = Counter(run.status for run in runs)
        assert statuses[RunStatus.RUNNING] == len(running) == 5
        assert min(statuses[status] for status in (RunStatus.FAILED, RunStatus.CANCELED, RunStatus.NOT_RESPONDING)) > 0
        assert statuses[RunStatus.COMPLETED] > 400
        by_id = {run.id: run for run in runs}
        children = [run for run in runs if run.parent_id is not None]
        assert any(by_id[run.parent_id].parent_id is not None for run in children if run.parent_id is not None)
        assert max(Counter(run.tags.get("group") for run in runs if "group" in run.tags).values()) >= 3
        assert {type(value) for run in runs for value in run.params.values()} == {float, int, str, bool, type(None)}
        assert len(store.experiments()) == 6
        assert all(run.end_ms is None or run.start_ms < run.end_ms <= T0_MS for run in runs)


def test_long_series_and_many_names(tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path, clock_ms=lambda: T0_MS)) as store:
        write(store, Many("points", 100_000), now_ms=T0_MS, advance=no_progress)
        write(store, Many("names", 300), now_ms=T0_MS, advance=no_progress)

        [long] = store.search_runs(RunQuery(experiment="long-series")).runs
        assert {metric.name: metric.count for metric in long.metrics}["train/loss"] == 100_000
        wide = store.search_runs(RunQuery(experiment="many-names")).runs
        assert [len({metric.name for metric in run.metrics}) for run in wide] == [300] * 4


def test_a_size_is_the_same_each_time_and_once(tmp_path: Path) -> None:
    def written(folder: Path, times: int) -> list[object]:
        with closing(LocalStore(folder, clock_ms=lambda: T0_MS)) as store:
            for _ in range(times):
                write(store, Many("runs", 50), now_ms=T0_MS, advance=no_progress)
            runs = sorted(runs_of(store), key=lambda run: run.id)
            series = store.series(SeriesQuery([run.id for run in runs], ["val/loss"]))
        return [runs, [one.last.tolist() for one in series]]

    assert repr(written(tmp_path / "a", 1)) == repr(written(tmp_path / "b", 2))  # repr: NaN is not equal to itself


def test_running_runs_go_on(tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path)) as store:
        now_ms = time.time_ns() // 1_000_000
        running = write(store, Many("runs", 30), now_ms=now_ms, advance=no_progress)
        before = {run.id: sum(metric.count for metric in run.metrics) for run in runs_of(store)}
        beat = Beat(LocalStore(tmp_path), running, lambda: time.time_ns() // 1_000_000)
        beat.start()
        deadline = time.monotonic() + 20
        while store.changes(-1)[0].what != ["points"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        beat.stop()

        after = {run.id: sum(metric.count for metric in run.metrics) for run in runs_of(store)}
        assert {run_id for run_id in after if after[run_id] > before[run_id]} <= set(running)
        assert after != before


def test_command_writes_sizes_and_ends(tmp_path: Path) -> None:
    output = ok("demo", "--once", "-w", tmp_path / "w", "--scale", "2x2x10", "-s", "runs=20")

    assert "2x2x10" in output
    assert "runs=20" in output
    with closing(LocalStore(tmp_path / "w", create=False)) as store:
        assert len(runs_of(store)) == 22


def test_command_refuses_a_wrong_size_before_it_writes(tmp_path: Path) -> None:
    assert "50x10x2000" in refused(2, "demo", "--once", "-w", tmp_path / "w", "--scale", "2x2x10", "--scale", "huge")
    assert not (tmp_path / "w").exists()


def test_command_shows_what_it_wrote(tmp_path: Path) -> None:
    with started("demo", "-w", tmp_path / "w", "--scale", "2x2x10", "--no-browser", "--port", "0") as process:
        assert process.stdout is not None
        assert str(tmp_path / "w") in process.stdout.readline()
        assert "2x2x10" in process.stdout.readline()
        url = address_of(process)
        with urllib.request.urlopen(f"{url}/api/v1/runs", timeout=10) as answer:
            assert b"grid-2x2x10" in answer.read()
        process.terminate()
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 0, errors
    assert "Traceback" not in errors
