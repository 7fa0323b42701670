"""What only a store with files at hand can show: its clock, its disk, and several openings of one folder.

The contract that all stores share is in `contracts/`.
"""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.batches import T0_MS, Writer
from tracklog.errors import InvalidValueError, NotFoundError, StoreFormatError
from tracklog.records import HEARTBEAT_LOST_MS, SILENCE_LOST_MS, Batch, RunStarted, RunStatus, StatusChanged
from tracklog.scale import Many, write
from tracklog.storage import GroupQuery, RunQuery, groups, open_store
from tracklog.storage.local import LocalStore


class Clock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.now_ms = T0_MS

    def __call__(self) -> int:
        return self.now_ms


def disk_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_a_run_without_heartbeat_is_not_responding_until_it_is_heard_again(tmp_path: Path) -> None:
    clock = Clock()
    with closing(LocalStore(tmp_path, clock_ms=clock)) as store:
        writer = Writer().start()
        store.apply(writer.batch())

        def status() -> RunStatus:
            return store.get_run(writer.run_id).status

        clock.now_ms += HEARTBEAT_LOST_MS
        assert status() == RunStatus.RUNNING
        clock.now_ms += 1
        assert status() == RunStatus.NOT_RESPONDING
        assert store.search_runs(RunQuery(status=[RunStatus.RUNNING])).total == 0
        store.apply(writer.batch())
        assert status() == RunStatus.RUNNING


def test_a_client_without_a_journal_may_be_silent_for_long(tmp_path: Path) -> None:
    clock = Clock()
    with closing(LocalStore(tmp_path, clock_ms=clock)) as store:
        run_id = Writer().run_id
        started = [RunStarted("e", T0_MS), StatusChanged(RunStatus.RUNNING, T0_MS)]
        store.apply(Batch(run_id, "", events=list(started)))

        clock.now_ms += SILENCE_LOST_MS
        assert store.get_run(run_id).status == RunStatus.RUNNING
        assert store.experiment("e").active == 1
        store.maintain()
        assert store.changes(-1)[0].what == ["run", "status"]
        clock.now_ms += 1
        assert store.get_run(run_id).status == RunStatus.NOT_RESPONDING
        assert store.experiment("e").active == 0

        store.apply(Writer(run_id).batch())  # a process with a journal goes on with the run
        clock.now_ms += HEARTBEAT_LOST_MS + 1
        store.apply(Batch(run_id, "", live=False))
        assert store.get_run(run_id).status == RunStatus.NOT_RESPONDING


def test_a_recovered_batch_is_no_sign_of_life(tmp_path: Path) -> None:
    clock = Clock()
    with closing(LocalStore(tmp_path, clock_ms=clock)) as store:
        writer = Writer().start()
        store.apply(writer.batch())
        clock.now_ms += HEARTBEAT_LOST_MS + 1

        store.apply(writer.log("loss", 1.0).batch(live=False))

        assert store.get_run(writer.run_id).status == RunStatus.NOT_RESPONDING
        assert store.get_run(writer.run_id).heartbeat_ms == T0_MS


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.PAUSED, RunStatus.COMPLETED, RunStatus.NOT_STARTED])
def test_a_run_that_is_not_active_needs_no_heartbeat(tmp_path: Path, status: RunStatus) -> None:
    clock = Clock()
    with closing(LocalStore(tmp_path, clock_ms=clock)) as store:
        writer = Writer().start().add(StatusChanged(status, T0_MS + 1))
        store.apply(writer.batch())

        clock.now_ms += 10 * HEARTBEAT_LOST_MS

        assert store.get_run(writer.run_id).status == status


def test_live_readers_are_told_once_of_a_lost_heartbeat(tmp_path: Path) -> None:
    clock = Clock()
    with closing(LocalStore(tmp_path, clock_ms=clock)) as store:
        writer = Writer().start()
        store.apply(writer.batch())
        since = store.changes(-1)[0].id
        clock.now_ms += HEARTBEAT_LOST_MS + 1

        store.maintain()
        store.maintain()

        (change,) = store.changes(since)
        assert (change.run_id, change.what) == (writer.run_id, ["status"])


def test_deleted_runs_and_files_give_their_disk_space_back(tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path)) as store:
        store.gc()
        empty = disk_bytes(tmp_path)
        runs = []
        for seed in range(10):
            writer = Writer().start()
            for step in range(20_000):
                writer.log("loss", (step * 2654435761 + seed) % 2**32 / 7.0, step)
            store.apply(writer.batch())
            store.put_artifact(writer.run_id, "weights", io.BytesIO(bytes([seed]) * 200_000))
            runs.append(writer.run_id)
        store.gc()
        full = disk_bytes(tmp_path)
        store.delete_artifact(runs[0], "weights")
        assert disk_bytes(tmp_path) < full - 150_000  # the rest went into SQLite's log of this very deletion

        store.delete_runs(runs)
        store.gc()

        assert full > empty + 2_500_000
        assert disk_bytes(tmp_path) < empty + 100_000
        assert store.check() == []


def test_points_take_few_bytes_once_compacted(tmp_path: Path) -> None:
    points = 100_000
    with closing(LocalStore(tmp_path)) as store:
        store.gc()
        empty = disk_bytes(tmp_path)
        writer = Writer().start()
        for step in range(points):
            writer.log("loss", round(2.0 / (1 + step / 500), 4), step)
        store.apply(writer.batch())

        store.gc()

        assert (disk_bytes(tmp_path) - empty) / points < 6


def test_a_store_opened_again_has_everything(tmp_path: Path) -> None:
    writer = Writer().start().log("loss", 1.0)
    with closing(LocalStore(tmp_path)) as store:
        store.apply(writer.batch())
        uri = store.uri

    with closing(open_store(uri, create=False)) as again:
        assert again.columns(writer.run_id, "loss").values.tolist() == [1.0]
        assert again.watermark(writer.run_id, writer.writer_id) == again.apply(writer.batch())


def test_two_openings_of_a_folder_see_each_other(tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path)) as first, closing(LocalStore(tmp_path)) as second:
        writer = Writer().start()
        for step in range(10):
            (first if step % 2 else second).apply(writer.log("loss", float(step), step).batch())
            other = second if step % 2 else first
            assert other.columns(writer.run_id, "loss").values.tolist() == [float(i) for i in range(step + 1)]


def test_a_run_deleted_elsewhere_and_made_anew_is_written_right(tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path)) as first, closing(LocalStore(tmp_path)) as second:
        old = Writer().start().log("loss", 1.0)
        first.apply(old.batch())
        second.delete_runs([old.run_id])
        anew = Writer(old.run_id).start().log("loss", 2.0)
        first.apply(anew.batch())

        assert second.columns(old.run_id, "loss").values.tolist() == [2.0]


def test_a_folder_without_workspace_is_not_found_unless_it_may_be_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no workspace"):
        LocalStore(tmp_path / "typo", create=False)

    assert not (tmp_path / "typo").exists()


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(InvalidValueError, match="it is a file"):
        LocalStore(tmp_path / "file")

    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("content", [b"not a database at all, just text" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_database_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "workspace.db").write_bytes(content)

    with pytest.raises(StoreFormatError, match="damaged or not a tracklog workspace"):
        LocalStore(tmp_path)

    assert (tmp_path / "workspace.db").read_bytes() == content


def test_a_workspace_of_a_newer_tracklog_is_left_alone(tmp_path: Path) -> None:
    LocalStore(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "workspace.db")) as database:
        database.execute("UPDATE meta SET value = '999' WHERE name = 'format'")
        database.commit()

    with pytest.raises(StoreFormatError, match=r"format 999.*[Uu]pgrade"):
        LocalStore(tmp_path)


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "workspace.db")) as database:
        database.execute("CREATE TABLE theirs (x)")
        database.commit()

    with pytest.raises(StoreFormatError, match="another program"):
        LocalStore(tmp_path)


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="ftp://"):
        open_store("ftp://example.com/runs")


def test_a_run_that_no_longer_responds_is_not_counted_as_active(tmp_path: Path) -> None:
    clock = Clock()
    with closing(LocalStore(tmp_path, clock_ms=clock)) as store:
        store.apply(Writer().start().batch())
        (before,) = store.experiments()
        clock.now_ms += HEARTBEAT_LOST_MS + 1

        assert (before.active, store.experiments()[0].active) == (1, 0)


def test_groups_are_the_same_whichever_way_their_values_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(LocalStore(tmp_path, clock_ms=lambda: T0_MS)) as store:
        write(store, Many("runs", 300), now_ms=T0_MS, advance=lambda done, total: None)
        columns = ["metric:val/loss", "metric.mean:train/loss", "param:dropout", "param:optimizer", "tag:team", "user"]
        for runs in (RunQuery(), RunQuery(experiment="vision/resnet-sweep"), RunQuery(text="trial")):
            query = GroupQuery(runs, ["param:lr", "tag:stage"], columns)
            by_run = store.group_runs(query)
            with monkeypatch.context() as patch:
                patch.setattr(groups, "_MANY_RUNS", 0)
                by_experiment = store.group_runs(query)

            assert by_run.total > 5
            assert by_run == by_experiment
