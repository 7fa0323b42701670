"""The contract of `Store`: runs that were started more than once, and what later sessions overtook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.batches import T0_MS, Writer

from tracklog.records import Batch, Process, RunStarted, RunStatus, StatusChanged
from tracklog.storage import SeriesBuckets, SeriesQuery, Session, Store
from tracklog.storage.local import LocalStore

HOUR_MS = 3_600_000


def begin(experiment: str, run_id: str = "", *, at_ms: int = 0, host: str = "a", job: str = "") -> Writer:
    """Return the writer of a process that leads a run from `at_ms` after `T0_MS` on."""
    since_ms = T0_MS + at_ms
    return Writer(run_id, experiment=experiment).start(start_ms=since_ms, process=Process(since_ms, host, 7, job))


def train(writer: Writer, steps: range, *, at_ms: int = 0, offset: float = 0.0, name: str = "loss") -> Writer:
    """Log a point a second, the first a second after `at_ms`."""
    for i, step in enumerate(steps):
        writer.log(name, step + offset, step, time_ms=T0_MS + at_ms + 1000 * (i + 1))
    return writer


def restarted(store: Store, experiment: str, *, live: bool = True) -> str:
    """Store a run that is killed at step 99 and goes on from step 80 after an hour, is killed at 84 and goes on from 82."""
    first = train(begin(experiment), range(100))
    store.apply(first.batch(live=live))
    second = train(begin(experiment, first.run_id, at_ms=HOUR_MS, host="b"), range(80, 85), at_ms=HOUR_MS, offset=0.25)
    store.apply(second.batch(live=live))
    third = train(begin(experiment, first.run_id, at_ms=2 * HOUR_MS), range(82, 120), at_ms=2 * HOUR_MS, offset=0.5)
    store.apply(third.batch(live=live))
    return first.run_id


def line(store: Store, run_id: str, name: str = "loss", **query: object) -> SeriesBuckets:
    (found,) = store.series(SeriesQuery([run_id], [name], **query))  # type: ignore[arg-type]
    return found


def values(series: SeriesBuckets) -> list[float]:
    assert series.exact
    return [float(value) for value in series.mean]


LIVE = [*map(float, range(80)), 80.25, 81.25, *(step + 0.5 for step in range(82, 120))]


@pytest.mark.parametrize("live", [True, False], ids=["live", "recovered"])
@pytest.mark.parametrize("compacted", [False, True], ids=["fresh", "compacted"])
def test_the_newest_session_has_the_line(store: Store, experiment: str, live: bool, compacted: bool) -> None:
    run_id = restarted(store, experiment, live=live)
    if compacted:
        store.gc()

    found = line(store, run_id)

    assert values(found) == LIVE
    assert found.x.tolist() == list(range(120))
    assert (found.count, found.overtaken, found.in_range, list(found.tails)) == (143, 23, 120, [])


def test_what_was_overtaken_comes_when_asked_for(store: Store, experiment: str) -> None:
    run_id = restarted(store, experiment)

    first, second = line(store, run_id, tails=True).tails

    assert (values(first), first.before, first.count) == ([float(step) for step in range(80, 100)], (79.0, 79.0), 20)
    assert (values(second), second.before, second.count) == ([82.25, 83.25, 84.25], (81.0, 81.25), 3)
    zoomed = line(store, run_id, tails=True, start=90, end=95).tails
    assert [values(tail) for tail in zoomed] == [[90.0, 91.0, 92.0, 93.0, 94.0, 95.0], []]
    assert (zoomed[0].before, zoomed[0].after) == ((89.0, 89.0), (96.0, 96.0))


def test_restarts_say_where_when_and_on_which_host(store: Store, experiment: str) -> None:
    run_id = restarted(store, experiment)

    over_steps, over_time, relative = (line(store, run_id, x=x).restarts for x in ("step", "time", "relative"))

    assert [(one.x, one.step, one.start_ms, one.host) for one in over_steps] == [
        (80.0, 80, T0_MS + HOUR_MS, "b"),
        (82.0, 82, T0_MS + 2 * HOUR_MS, "a"),
    ]
    assert [one.pause_ms for one in over_steps] == [HOUR_MS - 100_000, HOUR_MS - 5000]
    assert [one.x for one in over_time] == [T0_MS + HOUR_MS, T0_MS + 2 * HOUR_MS]
    assert [one.x for one in relative] == [3600.0, 7200.0]


def test_over_time_nothing_is_overtaken(store: Store, experiment: str) -> None:
    found = line(store, restarted(store, experiment), x="time", tails=True)

    assert (found.count, found.in_range, found.overtaken, list(found.tails)) == (143, 143, 0, [])


def test_buckets_tell_of_the_live_line_alone(store: Store, experiment: str) -> None:
    run_id = restarted(store, experiment)

    found = line(store, run_id, buckets=7)

    assert not found.exact
    assert int(found.n.sum()) == found.in_range == 120
    live = np.array(LIVE)
    starts = np.concatenate(([0], np.cumsum(found.n)[:-1]))
    assert found.min.tolist() == np.minimum.reduceat(live, starts).tolist()
    assert found.max.tolist() == np.maximum.reduceat(live, starts).tolist()
    assert found.last.tolist() == [LIVE[end - 1] for end in np.cumsum(found.n)]
    assert found.mean == pytest.approx(np.add.reduceat(live, starts) / found.n)


def test_every_point_stays_as_logged(store: Store, experiment: str) -> None:
    columns = store.columns(restarted(store, experiment), "loss")

    assert len(columns) == 143
    assert columns.values[columns.steps == 83].tolist() == [83.0, 83.25, 83.5]


def test_the_run_names_its_sessions(store: Store, experiment: str) -> None:
    run_id = restarted(store, experiment)

    assert store.get_run(run_id).sessions == [
        Session(T0_MS, T0_MS, T0_MS + 100_000, "a", 7),
        Session(T0_MS + HOUR_MS, T0_MS + (HOUR_MS + 100_000) // 2, T0_MS + HOUR_MS + 5000, "b", 7),
        Session(T0_MS + 2 * HOUR_MS, T0_MS + (3 * HOUR_MS + 5000) // 2, T0_MS + 2 * HOUR_MS + 38_000, "a", 7),
    ]


def test_how_a_session_ended_is_kept(store: Store, experiment: str) -> None:
    first = train(begin(experiment), range(3)).finish(RunStatus.FAILED, time_ms=T0_MS + 5000)
    store.apply(first.batch())
    store.apply(train(begin(experiment, first.run_id, at_ms=HOUR_MS), range(1, 3), at_ms=HOUR_MS).batch())

    assert [session.ended for session in store.get_run(first.run_id).sessions] == ["Failed", ""]


def test_the_last_value_is_of_the_newest_session(store: Store, experiment: str) -> None:
    first = train(begin(experiment), range(100))
    store.apply(first.batch())
    second = train(begin(experiment, first.run_id, at_ms=HOUR_MS), range(80, 85), at_ms=HOUR_MS, offset=0.25)
    store.apply(second.batch())
    store.apply(first.log("loss", 7.0, 500, time_ms=T0_MS + 100_500).batch(live=False))  # what a dead process left arrives late

    (summary,) = store.get_run(first.run_id).metrics
    assert (summary.last, summary.last_step, summary.count) == (84.25, 84, 106)


def test_series_that_the_new_session_does_not_log_stay_whole(store: Store, experiment: str) -> None:
    first = train(train(begin(experiment), range(10)), range(10), name="other")
    store.apply(first.batch())
    store.apply(train(begin(experiment, first.run_id, at_ms=HOUR_MS), range(5, 8), at_ms=HOUR_MS).batch())

    found = line(store, first.run_id, "other", tails=True)
    assert (found.in_range, found.overtaken, list(found.restarts), list(found.tails)) == (10, 0, [], [])


def test_late_steps_within_a_session_are_not_overtaken(store: Store, experiment: str) -> None:
    writer = begin(experiment)
    for at, step in enumerate([5, 1, 9, 3, 3, 0]):
        writer.log("loss", float(at), step, time_ms=T0_MS + at)
    store.apply(writer.batch())
    second = begin(experiment, writer.run_id, at_ms=HOUR_MS)
    for at, step in enumerate([8, 4, 6]):  # begins at 4, whatever came first
        second.log("loss", 10.0 + at, step, time_ms=T0_MS + HOUR_MS + at)
    store.apply(second.batch())

    found = line(store, writer.run_id)
    assert found.x.tolist() == [0, 1, 3, 3, 4, 6, 8]
    assert values(found) == [5.0, 1.0, 3.0, 4.0, 11.0, 12.0, 10.0]
    assert found.overtaken == 2


def test_another_metric_as_axis_takes_live_points_only(store: Store, experiment: str) -> None:
    first = train(train(begin(experiment), range(10)), range(10), name="epoch", offset=0.5)
    store.apply(first.batch())
    second = begin(experiment, first.run_id, at_ms=HOUR_MS)
    store.apply(train(train(second, range(5, 8), at_ms=HOUR_MS), range(5, 8), at_ms=HOUR_MS, name="epoch").batch())

    found = line(store, first.run_id, x="metric:epoch")
    assert found.x.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.0, 6.0, 7.0]


# ── what is no new session ───────────────────────────────────────────────────────────────────────────────────────────


def test_ranks_and_workers_begin_none(store: Store, experiment: str) -> None:
    rank_1 = Writer(experiment=experiment).start(start_ms=T0_MS - 50)  # faster than rank 0
    train(rank_1, range(5), at_ms=-2000, name="system/cpu")
    store.apply(rank_1.batch())
    rank_0 = train(begin(experiment, rank_1.run_id), range(10))
    store.apply(rank_0.batch())
    worker = Writer(rank_1.run_id, experiment=experiment).start(start_ms=T0_MS + 5000)  # a fork: it does not lead
    store.apply(train(worker, range(3), at_ms=5000).batch())

    assert store.get_run(rank_1.run_id).sessions == []
    assert line(store, rank_1.run_id).overtaken == 0


def test_ranks_of_a_new_session_may_be_faster_than_the_one_that_leads(store: Store, experiment: str) -> None:
    first = train(begin(experiment), range(10))
    store.apply(first.batch())
    old_rank = Writer(first.run_id, experiment=experiment).start()
    store.apply(train(old_rank, range(10), at_ms=800, name="rank 1").batch())  # dies after the one that leads
    new_rank = Writer(first.run_id, experiment=experiment).start(start_ms=T0_MS + HOUR_MS - 3000)
    store.apply(train(new_rank, range(5, 15), at_ms=HOUR_MS - 3000, name="rank 1").batch())
    store.apply(train(begin(experiment, first.run_id, at_ms=HOUR_MS), range(5, 15), at_ms=HOUR_MS).batch())

    for name in ("loss", "rank 1"):
        found = line(store, first.run_id, name)
        assert (found.in_range, found.overtaken, [one.step for one in found.restarts]) == (15, 5, [5])


def test_a_process_that_starts_while_another_lives_begins_none(store: Store, experiment: str) -> None:
    first = train(begin(experiment), range(10))
    store.apply(first.batch())
    other = train(begin(experiment, first.run_id, at_ms=5000), range(3), at_ms=5000, name="evaluation")
    store.apply(other.batch())
    store.apply(train(first, range(10, 20), at_ms=10_000).batch())

    assert store.get_run(first.run_id).sessions == []
    assert values(line(store, first.run_id)) == [float(step) for step in range(20)]
    (loss,) = [metric for metric in store.get_run(first.run_id).metrics if metric.name == "loss"]
    assert loss.last == 19.0


def test_one_job_is_one_session(store: Store, experiment: str) -> None:
    first = train(begin(experiment, job="41"), range(10))
    store.apply(first.batch())
    evaluation = begin(experiment, first.run_id, at_ms=HOUR_MS, job="41")
    store.apply(train(evaluation, range(3), at_ms=HOUR_MS).batch())
    assert store.get_run(first.run_id).sessions == []

    again = begin(experiment, first.run_id, at_ms=2 * HOUR_MS, job="42")
    store.apply(train(again, range(3), at_ms=2 * HOUR_MS).batch())
    assert len(store.get_run(first.run_id).sessions) == 2


def test_a_batch_sent_twice_begins_one_session(store: Store, experiment: str) -> None:
    first = train(begin(experiment), range(10))
    store.apply(first.batch())
    batch = train(begin(experiment, first.run_id, at_ms=HOUR_MS), range(5, 8), at_ms=HOUR_MS).batch()
    store.apply(batch)
    store.apply(batch)

    assert len(store.get_run(first.run_id).sessions) == 2


# ── clients without a journal ────────────────────────────────────────────────────────────────────────────────────────


def client(run_id: str, experiment: str, *events: object, steps: range = range(0), at_ms: int = 0) -> Batch:
    """Return a request of a client without a journal."""
    batch = train(Writer(run_id, experiment=experiment, writer_id="x"), steps, at_ms=at_ms).batch()
    return Batch(run_id, "", points=batch.points, events=[*events, *batch.events], keys=batch.keys)  # type: ignore[list-item]


def running(time_ms: int) -> StatusChanged:
    return StatusChanged(RunStatus.RUNNING, time_ms)


def test_a_client_that_sets_an_ended_run_running_begins_one(store: Store, experiment: str) -> None:
    run_id = f"run-of-{experiment}"
    store.apply(client(run_id, experiment, RunStarted(experiment, T0_MS), running(T0_MS), steps=range(10)))
    store.apply(client(run_id, experiment, StatusChanged(RunStatus.FAILED, T0_MS + 11_000)))
    store.apply(client(run_id, experiment, running(T0_MS + HOUR_MS)))
    store.apply(client(run_id, experiment, steps=range(7, 9), at_ms=HOUR_MS))

    found = line(store, run_id, tails=True)
    assert (found.in_range, found.overtaken, [tail.count for tail in found.tails]) == (9, 3, [3])
    assert [session.ended for session in store.get_run(run_id).sessions] == ["Failed", ""]


def test_running_said_twice_in_a_row_begins_none(store: Store, experiment: str) -> None:
    run_id = f"run-of-{experiment}"
    store.apply(client(run_id, experiment, RunStarted(experiment, T0_MS), running(T0_MS), steps=range(10)))
    store.apply(client(run_id, experiment, running(T0_MS + 11_000), steps=range(3), at_ms=20_000))  # a child process, a rank

    assert store.get_run(run_id).sessions == []


def test_a_killed_client_that_was_silent_begins_one(tmp_path: Path) -> None:
    clock = [T0_MS]
    store = LocalStore(tmp_path / "workspace", clock_ms=lambda: clock[0])
    store.apply(client("one", "e", RunStarted("e", T0_MS), running(T0_MS), steps=range(10)))
    clock[0] += 60_000
    store.apply(client("one", "e", running(clock[0])))
    store.apply(client("one", "e", steps=range(8, 12), at_ms=61_000))

    assert (line(store, "one").in_range, line(store, "one").overtaken) == (12, 2)
    store.close()


def test_a_run_of_an_older_tracklog_is_resumed(store: Store, experiment: str) -> None:
    old = train(Writer(experiment=experiment).start(), range(10)).finish(RunStatus.CANCELED, time_ms=T0_MS + 11_000)
    store.apply(old.batch())
    store.apply(train(begin(experiment, old.run_id, at_ms=HOUR_MS), range(6, 9), at_ms=HOUR_MS).batch())

    assert [session.ended for session in store.get_run(old.run_id).sessions] == ["Canceled", ""]
    assert (line(store, old.run_id).in_range, line(store, old.run_id).overtaken) == (9, 4)
