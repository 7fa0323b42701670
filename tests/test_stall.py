"""Which runs stand still: alive, and silent for many times their usual interval."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from tests.batches import T0_MS, Writer
from tracklog.records import RunEdited, RunStatus, StatusChanged
from tracklog.server.stall import Stalls
from tracklog.storage.local import LocalStore

SECOND = 1000


def times(count: int, every_ms: int, pauses: dict[int, int] | None = None) -> list[int]:
    """Return times of points, with a pause after some of them."""
    found, now = [], T0_MS
    for number in range(count):
        found.append(now)
        now += every_ms + (pauses or {}).get(number, 0)
    return found


def stalls(folder: Path, points: Iterable[int], silence_ms: int, *, sampled: bool = False, skew_ms: int = 0) -> list[str]:
    """Return the ids of stalled runs of a store with one run, whose last sign of life came some time after its last point."""
    at = list(points)
    now = at[-1] + silence_ms + skew_ms
    with closing(LocalStore(folder, clock_ms=lambda: now)) as store:
        writer = Writer("r").start(start_ms=T0_MS)
        for step, time_ms in enumerate(at):
            writer.log("loss", 1.0, step, time_ms=time_ms)
        if sampled:
            writer.log("system/cpu.percent", 50.0, 0, time_ms=at[-1] + silence_ms)
        store.apply(writer.batch())
        found = [stall.run_id for stall in Stalls(store).among(["r", "unknown"])]
        store.apply(writer.finish().batch())
        assert Stalls(store).among(["r"]) == []
    return found


@pytest.mark.parametrize(
    ("points", "silence_ms", "expected"),
    [
        pytest.param(times(100, 1 * SECOND), 61 * SECOND, ["r"], id="a step a second"),
        pytest.param(times(100, 1 * SECOND), 59 * SECOND, [], id="not yet a minute"),
        pytest.param(times(19, 1 * SECOND), 600 * SECOND, [], id="too few steps to know what is usual"),
        pytest.param(times(30, 60 * SECOND), 300 * SECOND, [], id="a step a minute"),
        pytest.param(times(30, 60 * SECOND), 601 * SECOND, ["r"], id="ten times a minute"),
        pytest.param(times(100, SECOND, {49: 90 * SECOND}), 150 * SECOND, [], id="shorter than twice its last evaluation"),
        pytest.param(times(100, SECOND, {49: 90 * SECOND}), 190 * SECOND, ["r"], id="longer than that"),
        pytest.param(times(5000, SECOND, {49: 90 * SECOND}), 150 * SECOND, [], id="the same among more points than are read"),
    ],
)
def test_a_run_stands_still_when_it_is_silent_for_longer_than_ever(
    tmp_path: Path, points: list[int], silence_ms: int, expected: list[str]
) -> None:
    assert stalls(tmp_path / "w", points, silence_ms) == expected


def test_the_clock_of_the_process_counts_where_it_samples_its_machine(tmp_path: Path) -> None:
    ahead = 10 * 60 * SECOND

    assert stalls(tmp_path / "a", times(100, SECOND), 5 * SECOND, sampled=True, skew_ms=ahead) == []
    assert stalls(tmp_path / "b", times(100, SECOND), 90 * SECOND, sampled=True, skew_ms=-ahead) == ["r"]


def test_a_run_that_goes_on_after_hours_may_load_its_data_first(tmp_path: Path) -> None:
    now = T0_MS
    with closing(LocalStore(tmp_path / "w", clock_ms=lambda: now)) as store:
        writer = Writer("r").start(start_ms=T0_MS)
        for step, time_ms in enumerate(times(100, SECOND)):
            writer.log("loss", 1.0, step, time_ms=time_ms)
        store.apply(writer.finish(time_ms=T0_MS + 100 * SECOND).batch())
        resumed = T0_MS + 36_000 * SECOND
        again = Writer("r", writer_id="w2").add(StatusChanged(RunStatus.RUNNING, resumed))

        now = resumed + 50 * SECOND
        store.apply(again.batch())
        assert Stalls(store).among(["r"]) == []
        now = resumed + 90 * SECOND
        store.apply(again.add(RunEdited(name="again")).batch())
        assert [stall.run_id for stall in Stalls(store).among(["r"])] == ["r"]


def test_a_run_that_moves_on_or_waits_is_not_marked(tmp_path: Path) -> None:
    now = T0_MS + 200 * SECOND
    with closing(LocalStore(tmp_path / "w", clock_ms=lambda: now)) as store:
        writer = Writer("r").start(start_ms=T0_MS)
        for step, time_ms in enumerate(times(100, SECOND)):
            writer.log("loss", 1.0, step, time_ms=time_ms)
        store.apply(writer.batch())
        look = Stalls(store)
        [before] = look.among(["r"])
        store.apply(writer.log("loss", 1.0, 100, time_ms=now).batch())
        after = look.among(["r"])
        store.apply(writer.add(StatusChanged(RunStatus.PAUSED, now)).batch())
        now += 100 * SECOND
        store.apply(writer.batch())

        assert (before.since_ms, before.silence_ms) == (T0_MS + 99 * SECOND, 101 * SECOND)
        assert (before.usual_ms, before.longest_ms) == (SECOND, SECOND)
        assert after == []
        assert look.among(["r"]) == []
