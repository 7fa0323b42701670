"""The contract of `Store`, first part: batches, the runs they make, and how runs are found again.

Every implementer passes every test. Points are in `test_store_points.py`; artifacts, logs, changes and deletion in
`test_store_files.py`.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from tests.batches import T0_MS, Writer, same
from tests.contracts.state import HEARTBEAT, unchanged

from tracklog.errors import ConflictError, InvalidValueError, NotFoundError, ParamConflictError, WriterGapError
from tracklog.records import (
    MAX_RUN_ID_CHARS,
    POINT,
    VOID_KEY,
    ArtifactStored,
    Batch,
    ErrorInfo,
    InfoSet,
    ParamsSet,
    ParamValue,
    PropertiesSet,
    RunEdited,
    RunStarted,
    RunStatus,
    StatusChanged,
    TagsSet,
    Watermark,
)
from tracklog.storage import MAX_PAGE, ExperimentEdit, RunInfo, RunQuery, Store

ODD_TEXT = "naïve 模型 🚀 \u202ertl\ttab\nline 'quote' \"double\" %s {x} \\ ; --"


# ── batches ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_creates_its_run(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start(
        name="first", start_ms=T0_MS, user="ada", type="script", description="why", params={"lr": 0.1}
    )

    watermark = store.apply(writer.log("loss", 0.5).batch())

    run = store.get_run(writer.run_id)
    assert (run.id, run.experiment, run.number, run.name) == (writer.run_id, experiment, 1, "first")
    assert (run.status, run.start_ms, run.end_ms) == (RunStatus.RUNNING, T0_MS, None)
    assert (run.user, run.type, run.description, run.parent_id) == ("ada", "script", "why", None)
    assert (run.params, run.tags, run.properties, run.deleted) == ({"lr": 0.1}, {}, {}, False)
    assert [metric.name for metric in run.metrics] == ["loss"]
    assert watermark == Watermark(points=1, events=4)


def test_applying_a_batch_twice_changes_nothing(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start(params={"lr": 0.1}, tags={"a": "1"})
    batch = writer.log("loss", 0.5).log("note", "text").batch()
    first = store.apply(batch)

    with unchanged(store, writer.run_id, but=HEARTBEAT):
        again = store.apply(batch)

    assert again == first


def test_records_already_stored_are_skipped_when_batches_overlap(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    for step in range(10):
        writer.log("loss", float(step), step)
    whole = writer.add(TagsSet({"a": "1"}), TagsSet({"a": "2"}), TagsSet({"b": "3"})).batch()
    events = len(whole.events)
    store.apply(msgspec.structs.replace(whole, points=whole.points[: 6 * POINT.size], events=whole.events[: events - 2]))

    watermark = store.apply(
        msgspec.structs.replace(
            whole,
            points_start=3,
            points=whole.points[3 * POINT.size :],
            events_start=events - 3,
            events=whole.events[-3:],
        )
    )

    assert watermark == whole.end() == store.watermark(writer.run_id, writer.writer_id)
    assert store.columns(writer.run_id, "loss").values.tolist() == [float(step) for step in range(10)]
    assert store.get_run(writer.run_id).tags == {"a": "2", "b": "3"}


def test_an_old_batch_sent_again_does_not_undo_later_ones(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    first = writer.start(tags={"stage": "early"}).batch()
    store.apply(first)
    watermark = store.apply(writer.add(TagsSet({"stage": "late"})).finish().batch())

    assert store.apply(first) == watermark
    assert store.get_run(writer.run_id).tags == {"stage": "late"}
    assert store.get_run(writer.run_id).status == RunStatus.COMPLETED


@pytest.mark.parametrize("gap", [{"points_start": 4}, {"events_start": 99}, {"points_start": 4, "events_start": 99}])
def test_a_batch_after_a_gap_is_refused_with_the_position_expected(store: Store, experiment: str, gap: dict[str, int]) -> None:
    writer = Writer(experiment=experiment)
    watermark = store.apply(writer.start().log("loss", 1.0).log("loss", 0.9).batch())
    late = msgspec.structs.replace(writer.log("loss", 0.8).add(TagsSet({"a": "1"})).batch(), **gap)

    with unchanged(store, writer.run_id), pytest.raises(WriterGapError) as caught:
        store.apply(late)

    assert tuple(caught.value.expected) == (watermark.points, watermark.events)


def test_a_gap_before_the_first_batch_of_a_writer_is_refused(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start().batch())
    other = Writer(writer.run_id, experiment=experiment).log("loss", 1.0).batch()

    with unchanged(store, writer.run_id), pytest.raises(WriterGapError) as caught:
        store.apply(msgspec.structs.replace(other, points_start=1))

    assert tuple(caught.value.expected) == (0, 0)


def test_writers_of_one_run_are_numbered_apart(store: Store, experiment: str) -> None:
    first = Writer(experiment=experiment)
    store.apply(first.start().log("loss", 1.0, 0).batch())
    second = Writer(first.run_id, experiment=experiment)

    watermark = store.apply(second.log("loss", 2.0, 1).log("loss", 3.0, 2).batch())

    assert watermark == store.watermark(first.run_id, second.writer_id) == Watermark(points=2, events=1)
    assert store.watermark(first.run_id, first.writer_id) == Watermark(points=1, events=3)
    assert store.columns(first.run_id, "loss").values.tolist() == [1.0, 2.0, 3.0]


def test_the_same_key_number_may_mean_different_metrics_to_different_writers(store: Store, experiment: str) -> None:
    first = Writer(experiment=experiment)
    store.apply(first.start().log("loss", 1.0).batch())
    second = Writer(first.run_id, experiment=experiment)

    store.apply(second.log("accuracy", 7).batch())

    assert store.columns(first.run_id, "loss").values.tolist() == [1.0]
    assert store.columns(first.run_id, "accuracy").values.tolist() == [7]


def test_a_key_defined_in_an_earlier_batch_comes_with_every_batch_that_uses_it(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start().log("loss", 1.0, 0).batch())

    store.apply(writer.log("loss", 0.5, 1).batch())

    assert store.columns(writer.run_id, "loss").values.tolist() == [1.0, 0.5]


def test_batches_of_several_runs_are_stored_together(store: Store, experiment: str) -> None:
    first, second = Writer(experiment=experiment), Writer(experiment=experiment)
    batches = [
        first.start(params={"lr": 0.1}).log("loss", 0.5, 0).batch(),
        second.start(tags={"a": "b"}).log("loss", 0.7, 0).batch(),
        first.log("loss", 0.4, 1).finish().batch(),
    ]

    reached = store.apply_all(batches)

    assert reached == [batch.end() for batch in batches]
    assert store.apply_all(batches) == [reached[2], reached[1], reached[2]]  # sent again, they change nothing
    one, two = store.get_run(first.run_id), store.get_run(second.run_id)
    assert (one.status, one.params, one.metrics[0].count, one.metrics[0].last) == (RunStatus.COMPLETED, {"lr": 0.1}, 2, 0.4)
    assert (two.status, two.tags, two.metrics[0].count) == (RunStatus.RUNNING, {"a": "b"}, 1)
    assert store.apply_all([]) == []


@pytest.mark.parametrize("implementer", ["local", "postgres"], indirect=True)
def test_of_batches_in_one_transaction_all_count_or_none(store: Store, experiment: str) -> None:
    good, strict = Writer(experiment=experiment), Writer(experiment=experiment)
    store.apply(strict.start(params={"lr": 0.1}).batch())
    refused = strict.add(ParamsSet({"lr": 0.2}, strict=True)).batch()
    wanted = good.start().log("loss", 0.5, 0).batch()

    with pytest.raises(ParamConflictError):
        store.apply_all([wanted, refused])

    with pytest.raises(NotFoundError):
        store.get_run(good.run_id)
    store.apply(wanted)  # what was undone is remembered nowhere
    assert store.get_run(good.run_id).metrics[0].count == 1


@pytest.mark.parametrize("implementer", ["local", "postgres"], indirect=True)
def test_two_that_make_runs_of_the_same_experiments_in_other_orders_never_wait_for_each_other(
    store: Store, experiment: str
) -> None:
    names = [f"{experiment}-{i}" for i in range(20)]
    for name in names[::2]:
        store.create_experiment(name)
        store.edit_experiment(name, ExperimentEdit(archived=True))  # a run brings it back, which is told
    together = threading.Barrier(2)

    def make(order: list[str]) -> None:
        for _ in range(5):
            batches = [Writer(experiment=name).start().batch() for name in order]
            together.wait(30)
            store.apply_all(batches)

    with ThreadPoolExecutor(2) as threads:
        for made in [threads.submit(make, names), threads.submit(make, names[::-1])]:
            made.result(60)

    for name in names:
        runs = store.search_runs(RunQuery(experiment=name, order_by="number")).runs
        assert [run.number for run in runs] == list(range(1, 11))


def test_the_watermark_of_an_unknown_writer_is_zero(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start().batch())

    assert store.watermark(writer.run_id, "nobody") == Watermark()
    assert store.watermark("no-such-run", "nobody") == Watermark()


def test_void_records_are_counted_and_skipped(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    batch = writer.start().log("loss", 1.0, 0).log("loss", 2.0, 1).batch()
    void = POINT.pack(0, 0, bytes(8), VOID_KEY, 1)
    batch.points = batch.points[: POINT.size] + void + batch.points[POINT.size :]

    watermark = store.apply(batch)

    assert watermark.points == 3
    assert store.columns(writer.run_id, "loss").values.tolist() == [1.0, 2.0]


def test_a_run_that_nobody_started_is_not_found(store: Store, experiment: str) -> None:
    orphan = Writer(experiment=experiment).log("loss", 1.0)

    with pytest.raises(NotFoundError):
        store.apply(orphan.batch())

    assert store.watermark(orphan.run_id, orphan.writer_id) == Watermark()
    assert found(store, experiment) == []


def test_starting_a_run_that_exists_changes_nothing(store: Store, experiment: str) -> None:
    first = Writer(experiment=experiment)
    store.apply(first.start(name="first", user="ada").batch())
    second = Writer(first.run_id)
    restart = second.add(RunStarted("elsewhere", T0_MS + 9, name="second", user="bob")).batch(live=False)

    with unchanged(store, first.run_id):
        store.apply(restart)

    assert store.watermark(first.run_id, second.writer_id) == Watermark(events=1)


def bad_batches() -> dict[str, Batch]:
    def with_points(points: bytes) -> Batch:
        batch = Writer("bad", writer_id="bad").add(TagsSet({"part": "stored"})).log("loss", 1.0).batch()
        batch.points += points
        return batch

    def with_run_id(run_id: str) -> Batch:
        return msgspec.structs.replace(Writer("bad").start().batch(), run_id=run_id)

    return {
        "points that end inside a record": with_points(bytes(POINT.size - 1)),
        "a point with a key nobody defined": with_points(POINT.pack(0, T0_MS, bytes(8), 4_000, 1)),
        "a negative start": msgspec.structs.replace(with_points(b""), points_start=-1),
        "a time beyond int64": Writer("bad", writer_id="bad").finish(time_ms=2**63).batch(),
        "a step beyond int64": Writer("bad", writer_id="bad").log("text", "x", 2**63).batch(),
        "a NUL in the writer's id": msgspec.structs.replace(with_points(b""), writer_id="a\x00b"),
        "a metric without a name": Writer("bad", writer_id="bad").log("", 1.0).batch(),
        "an artifact outside": Writer("bad", writer_id="bad").add(ArtifactStored("../x", 1)).batch(),
        "no run id": with_run_id(""),
        "a run id that is too long": with_run_id("r" * (MAX_RUN_ID_CHARS + 1)),
    }


@pytest.mark.parametrize("flaw", list(bad_batches()))
def test_a_batch_with_a_flaw_is_refused_whole(store: Store, experiment: str, flaw: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start().log("loss", 1.0).batch())
    batch = bad_batches()[flaw]
    if batch.run_id == "bad":
        batch.run_id = writer.run_id

    with unchanged(store, writer.run_id), pytest.raises(InvalidValueError):
        store.apply(batch)

    assert "part" not in store.get_run(writer.run_id).tags


# ── a run's fields ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", ["x", ODD_TEXT, "x" * 100_000], ids=["x", "odd", "long"])
def test_text_is_kept_exactly_wherever_it_is_given(store: Store, experiment: str, value: str) -> None:
    writer = Writer(experiment=experiment).start(
        name=value, user=value, description=value, params={"p": value}, tags={"t": value}, properties={"q": value}
    )
    writer.add(InfoSet({"topic": {"text": value}})).finish(RunStatus.FAILED, error=ErrorInfo("E", value, value))

    store.apply(writer.batch())

    run = store.get_run(writer.run_id)
    assert (run.name, run.user, run.description) == (value, value, value)
    assert (run.params, run.tags, run.properties) == ({"p": value}, {"t": value}, {"q": value})
    assert run.info["topic"] == {"text": value}
    assert run.error == ErrorInfo("E", value, value)


def test_nul_in_a_label_becomes_its_sign(store: Store, experiment: str) -> None:
    nul, sign = "a\x00b", "a␀b"  # PostgreSQL's text has no NUL; a run must not be stuck for one
    writer = Writer(experiment=experiment).start(
        name=nul, user=nul, description=nul, params={nul: nul}, tags={nul: nul}, properties={nul: nul}
    )
    writer.add(InfoSet({"topic": {"text": nul}})).finish(RunStatus.FAILED, error=ErrorInfo("E", nul, nul))

    store.apply(writer.batch())

    run = store.get_run(writer.run_id)
    assert (run.name, run.user, run.description) == (sign, sign, sign)
    assert run.params == run.tags == run.properties == {sign: sign}
    assert run.info["topic"] == {"text": nul}
    assert run.error == ErrorInfo("E", nul, nul)


def test_empty_labels_are_labels(store: Store, experiment: str) -> None:
    store.apply((writer := Writer(experiment=experiment).start(params={"p": ""}, tags={"t": ""})).batch())

    assert (store.get_run(writer.run_id).params, store.get_run(writer.run_id).tags) == ({"p": ""}, {"t": ""})


def test_a_run_without_a_name_is_called_after_its_number(store: Store, experiment: str) -> None:
    create(store, experiment, name="named")

    assert store.get_run(create(store, experiment)).name == "run-2"


@pytest.mark.parametrize("name", ["a/b c", ODD_TEXT, "é" * 1000], ids=["slash", "odd", "long"])
def test_names_may_have_any_character(store: Store, experiment: str, name: str) -> None:
    writer = Writer(experiment=experiment).start(params={name: 1}, tags={name: "t"}, properties={name: "p"})

    store.apply(writer.log(name, 1.0).batch())

    run = store.get_run(writer.run_id)
    assert (run.params, run.tags, run.properties) == ({name: 1}, {name: "t"}, {name: "p"})
    assert [metric.name for metric in run.metrics] == [name]
    assert store.columns(writer.run_id, name).values.tolist() == [1.0]


@pytest.mark.parametrize(
    "value",
    [
        *(0, 1, -1, 2**60, -(2**63), 2**63 - 1, True, False, None, "x", "1", "True"),
        *(0.1, 1.0, -0.0, 1e308, math.nan, math.inf, -math.inf),
    ],
)
def test_params_keep_value_and_type(store: Store, experiment: str, value: ParamValue) -> None:
    writer = Writer(experiment=experiment).start(params={"p": value})

    store.apply(writer.batch())

    assert same(store.get_run(writer.run_id).params["p"], value)
    assert same(found(store, experiment)[0].params["p"], value)


def test_the_first_value_of_a_param_stays(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start(params={"a": 1, "b": None}).add(ParamsSet({"a": 2})).batch())

    store.apply(writer.add(ParamsSet({"a": 3, "b": 4, "c": 5})).batch())

    assert store.get_run(writer.run_id).params == {"a": 1, "b": None, "c": 5}


def test_the_first_value_of_a_property_stays(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start(properties={"a": "1"}).batch())

    store.apply(writer.add(PropertiesSet({"a": "2", "b": "3"})).batch())

    assert store.get_run(writer.run_id).properties == {"a": "1", "b": "3"}


def test_tags_are_set_changed_and_removed(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start(tags={"a": "1", "b": "1", "c": "1"}).batch())

    store.apply(writer.add(TagsSet({"a": "2", "b": None, "d": "1", "never": None}), TagsSet({"d": "2"})).batch())

    assert store.get_run(writer.run_id).tags == {"a": "2", "c": "1", "d": "2"}


def test_a_later_value_of_an_info_topic_replaces_the_earlier_one(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    git = {"commit": "abc", "dirty": True, "files": ["a", None, 1.5], "n": 2**40}
    store.apply(writer.start().add(InfoSet({"git": git, "host": {"cpus": 2}})).batch())

    store.apply(writer.add(InfoSet({"host": {"gpus": 1}})).batch())

    assert store.get_run(writer.run_id).info == {"git": git, "host": {"gpus": 1}}


def test_editing_changes_only_what_is_given(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start(name="before", description="kept").batch())

    store.apply(writer.add(RunEdited(name="after")).batch())

    run = store.get_run(writer.run_id)
    assert (run.name, run.description, run.deleted) == ("after", "kept", False)


def test_user_and_parent_of_a_run_can_change(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start().batch())

    store.apply(writer.add(RunEdited(user="ada", parent_id="r0")).batch())

    assert (store.get_run(writer.run_id).user, store.get_run(writer.run_id).parent_id) == ("ada", "r0")
    store.apply(writer.add(RunEdited(parent_id="")).batch())
    assert (store.get_run(writer.run_id).user, store.get_run(writer.run_id).parent_id) == ("ada", None)


@pytest.mark.parametrize("status", [status for status in RunStatus if status.is_final()])
def test_a_final_status_sets_the_end_time(store: Store, experiment: str, status: RunStatus) -> None:
    writer = Writer(experiment=experiment).start().finish(status, time_ms=T0_MS + 5_000)

    store.apply(writer.batch())

    run = store.get_run(writer.run_id)
    assert (run.status, run.end_ms) == (status, T0_MS + 5_000)


@pytest.mark.parametrize(
    "status", [status for status in RunStatus if not status.is_final() and status != RunStatus.NOT_RESPONDING]
)
def test_other_statuses_leave_the_run_open(store: Store, experiment: str, status: RunStatus) -> None:
    writer = Writer(experiment=experiment).start().add(StatusChanged(status, T0_MS + 1))

    store.apply(writer.batch())

    run = store.get_run(writer.run_id)
    assert (run.status, run.end_ms) == (status, None)


def test_resuming_a_run_clears_its_end_and_error(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start().finish(RunStatus.FAILED, error=ErrorInfo("E", "broke")).batch())

    resumed = Writer(writer.run_id, experiment=experiment).finish(RunStatus.RUNNING, time_ms=T0_MS + 90_000)
    store.apply(resumed.batch())

    run = store.get_run(writer.run_id)
    assert (run.status, run.end_ms, run.error, run.start_ms) == (RunStatus.RUNNING, None, None, T0_MS)


def test_a_failed_run_tells_why(store: Store, experiment: str) -> None:
    error = ErrorInfo("ValueError", "bad shape (3, 4)", 'Traceback (most recent call last):\n  File "train.py"\n')

    writer = Writer(experiment=experiment).start().finish(RunStatus.FAILED, error=error)
    store.apply(writer.batch())

    assert store.get_run(writer.run_id).error == error
    assert found(store, experiment)[0].error == error


def test_a_run_whose_process_is_gone_is_not_responding(store: Store, experiment: str) -> None:
    recovered = Writer(experiment=experiment).start()

    store.apply(recovered.batch(live=False))

    assert store.get_run(recovered.run_id).status == RunStatus.NOT_RESPONDING
    assert found(store, experiment, status=[RunStatus.RUNNING]) == []
    assert [run.status for run in found(store, experiment, status=[RunStatus.NOT_RESPONDING])] == [RunStatus.NOT_RESPONDING]


def test_an_empty_batch_of_a_live_writer_is_a_sign_of_life(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start().batch(live=False))

    store.apply(writer.batch())

    assert store.get_run(writer.run_id).status == RunStatus.RUNNING
    assert store.get_run(writer.run_id).heartbeat_ms > T0_MS


def test_a_finished_run_is_never_not_responding(store: Store, experiment: str) -> None:
    recovered = Writer(experiment=experiment).start().finish()

    store.apply(recovered.batch(live=False))

    assert store.get_run(recovered.run_id).status == RunStatus.COMPLETED


def test_runs_are_numbered_within_their_experiment(store: Store, experiment: str) -> None:
    ids = [create(store, experiment if i < 3 else experiment + "-other") for i in range(5)]

    assert [store.get_run(run_id).number for run_id in ids] == [1, 2, 3, 1, 2]


def test_a_number_is_not_given_again_after_deletion(store: Store, experiment: str) -> None:
    create(store, experiment)
    last = create(store, experiment)
    store.delete_runs([last])

    assert store.get_run(create(store, experiment)).number == 3


def test_a_parent_counts_its_direct_children(store: Store, experiment: str) -> None:
    parent = create(store, experiment, name="parent")
    child = create(store, experiment, name="child", parent_id=parent)
    create(store, experiment, name="child", parent_id=parent)
    grandchild = create(store, experiment, name="grandchild", parent_id=child)

    assert [store.get_run(run_id).children for run_id in (parent, child, grandchild)] == [2, 1, 0]
    assert store.get_run(grandchild).parent_id == child
    assert {run.name for run in found(store, experiment, parent_id=parent)} == {"child"}
    assert [run.id for run in found(store, experiment, top_level=True)] == [parent]


def test_an_unknown_run_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no-such-run"):
        store.get_run("no-such-run")


# ── finding runs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def create(store: Store, experiment: str, *, metrics: dict[str, Any] | None = None, **started: Any) -> str:
    """Store one run and return its id."""
    writer = Writer(experiment=experiment).start(**started)
    for name, value in (metrics or {}).items():
        writer.log(name, value)
    store.apply(writer.batch())
    return writer.run_id


def found(store: Store, experiment: str, **query: Any) -> list[RunInfo]:
    return store.search_runs(RunQuery(experiment=experiment, **query)).runs


def names(runs: Sequence[RunInfo]) -> list[str]:
    return [run.name for run in runs]


def test_runs_are_found_newest_first(store: Store, experiment: str) -> None:
    for name, start_ms in (("b", T0_MS + 2), ("a", T0_MS + 1), ("c", T0_MS + 3)):
        create(store, experiment, name=name, start_ms=start_ms)

    page = store.search_runs(RunQuery(experiment=experiment))

    assert names(page.runs) == ["c", "b", "a"]
    assert (page.total, page.next_page_token) == (3, None)


def test_a_found_run_is_the_run_but_for_its_info(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start(params={"a": 1}, tags={"b": "2"}, properties={"c": "3"})
    writer.log("loss", 0.5).log("note", "text").add(InfoSet({"host": {"cpus": 2}}))
    store.apply(writer.batch())

    expected = msgspec.structs.replace(store.get_run(writer.run_id), info={})
    assert found(store, experiment) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpha", ["alpha-one", "two"]),  # a name, and a tag
        ("ALPHA", ["alpha-one", "two"]),
        ("pha-o", ["alpha-one"]),  # inside a word
        ("alpha resnet", ["two"]),  # every word, wherever it is
        ("resnet alpha", ["two"]),
        ("optimizer", ["two"]),  # a param's name
        ("adam", ["two"]),  # its value
        ("grace", ["three"]),  # a user
        ("sweep", ["three"]),  # a type
        ("completed", ["three"]),  # a status
        ("100%", ["three"]),  # nothing is a wildcard
        ("1%0", []),
        ("_", []),
        ("o'hara", ["three"]),
        ("straße", ["three"]),
        ("nothing-like-this", []),
        ("   ", ["alpha-one", "two", "three"]),
    ],
)
def test_text_finds_words_in_names_tags_params(store: Store, experiment: str, text: str, expected: list[str]) -> None:
    # No underscore anywhere in these runs, but in what the statuses, ids and experiment have: none.
    create(store, experiment, name="alpha-one", start_ms=T0_MS + 3)
    create(
        store,
        experiment,
        name="two",
        start_ms=T0_MS + 2,
        tags={"team": "Alpha"},
        params={"optimizer": "Adam", "net": "resnet"},
    )
    writer = Writer(experiment=experiment)
    writer.start(
        name="three",
        start_ms=T0_MS + 1,
        user="grace",
        type="sweep",
        tags={"q": "100%", "who": "O'Hara", "wo": "Straße"},
    )
    store.apply(writer.finish().batch())

    assert names(found(store, experiment, text=text)) == expected


def test_text_finds_ids_and_experiments(store: Store, experiment: str) -> None:
    run_id = create(store, experiment)
    create(store, experiment)

    assert [run.id for run in store.search_runs(RunQuery(text=run_id)).runs] == [run_id]
    assert store.search_runs(RunQuery(text=experiment.upper())).total == 2


def test_ids_and_status_filter(store: Store, experiment: str) -> None:
    running = create(store, experiment, name="running")
    done = Writer(experiment=experiment).start(name="done").finish()
    store.apply(done.batch())
    failed = Writer(experiment=experiment).start(name="failed").finish(RunStatus.FAILED)
    store.apply(failed.batch())

    assert names(found(store, experiment, status=[RunStatus.RUNNING])) == ["running"]
    assert set(names(found(store, experiment, status=[RunStatus.COMPLETED, RunStatus.FAILED]))) == {"done", "failed"}
    assert found(store, experiment, status=[]) == []
    assert {run.id for run in found(store, experiment, ids=[running, failed.run_id, "unknown"])} == {
        running,
        failed.run_id,
    }
    assert found(store, experiment, ids=[]) == []


def test_deleted_runs_are_found_only_when_asked_for(store: Store, experiment: str) -> None:
    kept, gone = create(store, experiment, name="kept"), create(store, experiment, name="gone")
    store.apply(Writer(gone).add(RunEdited(deleted=True)).batch(live=False))

    assert names(found(store, experiment)) == ["kept"]
    assert names(found(store, experiment, deleted=True)) == ["gone"]
    assert store.get_run(gone).deleted

    store.apply(Writer(gone).add(RunEdited(deleted=False)).batch(live=False))

    assert {run.id for run in found(store, experiment)} == {kept, gone}


def test_what_is_not_there_is_found_as_nothing(store: Store) -> None:
    assert store.search_runs(RunQuery(experiment="no-such-experiment")).total == 0
    assert store.search_runs(RunQuery(parent_id="no-such-run")).runs == []


def sortable_runs(store: Store, experiment: str) -> None:
    """Store runs `a`, `b`, `c`, with rising values of everything there is to order by, created in another order."""
    for name, rank in (("b", 2), ("c", 3), ("a", 1)):
        writer = Writer(experiment=experiment).start(
            name=f"run-{name}",
            start_ms=T0_MS + rank,
            user=f"user-{rank}",
            params={"number": 8 + rank, "text": f"v{rank}"},  # 9, 10, 11: as text 10 would come first
            tags={"tag": f"t{rank}"},
        )
        writer.log("loss", float(rank - 2)).finish(time_ms=T0_MS + rank + 1000 * rank)
        store.apply(writer.batch())


ORDERS = ["start", "name", "duration", "user", "metric:loss", "param:number", "param:text", "tag:tag"]


@pytest.mark.parametrize("order", ORDERS)
def test_runs_are_ordered_by_whatever_they_have(store: Store, experiment: str, order: str) -> None:
    sortable_runs(store, experiment)

    assert names(found(store, experiment, order_by=order)) == ["run-a", "run-b", "run-c"]
    assert names(found(store, experiment, order_by="-" + order)) == ["run-c", "run-b", "run-a"]


def test_runs_are_ordered_by_number(store: Store, experiment: str) -> None:
    sortable_runs(store, experiment)

    assert names(found(store, experiment, order_by="number")) == ["run-b", "run-c", "run-a"]
    assert names(found(store, experiment, order_by="-number")) == ["run-a", "run-c", "run-b"]


def test_runs_are_ordered_by_status_and_experiment(store: Store, experiment: str) -> None:
    ids = []
    for suffix, status in (("b", RunStatus.COMPLETED), ("a", RunStatus.FAILED), ("c", RunStatus.CANCELED)):
        writer = Writer(experiment=f"{experiment}-{suffix}").start().finish(status)
        store.apply(writer.batch())
        ids.append(writer.run_id)

    def ordered(order: str) -> list[RunInfo]:
        return store.search_runs(RunQuery(ids=ids, order_by=order)).runs

    assert [run.experiment[-1] for run in ordered("experiment")] == ["a", "b", "c"]
    assert [run.experiment[-1] for run in ordered("-experiment")] == ["c", "b", "a"]
    # Whatever the order of statuses is, the other way round is its opposite.
    assert [run.status for run in ordered("status")] == [run.status for run in ordered("-status")][::-1]


@pytest.mark.parametrize("order", ["metric:loss", "param:lr", "tag:stage"])
@pytest.mark.parametrize("direction", ["", "-"])
def test_runs_without_the_value_come_last_either_way(store: Store, experiment: str, order: str, direction: str) -> None:
    def with_value(name: str, rank: int) -> None:
        writer = Writer(experiment=experiment).start(name=name, params={"lr": rank}, tags={"stage": f"s{rank}"})
        store.apply(writer.log("loss", float(rank)).finish(time_ms=T0_MS + 1000 * rank).batch())

    create(store, experiment, name="without-old", start_ms=T0_MS + 1)
    with_value("low", 1)
    create(store, experiment, name="without-new", start_ms=T0_MS + 2)
    with_value("high", 2)

    ordered = names(found(store, experiment, order_by=direction + order))

    assert ordered[:2] == (["low", "high"] if direction == "" else ["high", "low"])
    assert ordered[2:] == ["without-new", "without-old"]


def test_names_are_ordered_as_people_count(store: Store, experiment: str) -> None:
    given = ["run-10", "run-9", "run-2", "run-2b", "run-1", "run-100", "Run-3", "alpha", "run-02"]
    for name in given:
        create(store, experiment, name=name)

    ordered = names(found(store, experiment, order_by="name"))

    assert sorted(ordered) == sorted(given)
    counted = [name for name in ordered if name in ("run-1", "run-2", "run-9", "run-10", "run-100")]
    assert counted == ["run-1", "run-2", "run-9", "run-10", "run-100"]
    assert ordered[0] == "alpha"


def test_equal_values_are_ordered_newest_first(store: Store, experiment: str) -> None:
    for name, start_ms in (("middle", T0_MS + 2), ("new", T0_MS + 3), ("old", T0_MS + 1)):
        create(store, experiment, name=name, start_ms=start_ms, params={"lr": 0.1})

    for order in ("param:lr", "-param:lr", "metric:none", "-metric:none"):
        assert names(found(store, experiment, order_by=order)) == ["new", "middle", "old"], order


def test_a_series_of_another_run_is_no_value_of_this_one(store: Store, experiment: str) -> None:
    create(store, experiment, name="low", metrics={"loss": 1.0, "other": 9.0})
    create(store, experiment, name="high", metrics={"loss": 2.0, "other": 0.0})

    assert names(found(store, experiment, order_by="metric:loss")) == ["low", "high"]
    assert names(found(store, experiment, order_by="metric:other")) == ["high", "low"]


@pytest.fixture(scope="module")
def crowds() -> dict[int, str]:
    """Experiments with many runs, by store; walking pages changes nothing, so one serves every order."""
    return {}


def crowd(store: Store, crowds: dict[int, str], experiment: str) -> str:
    if id(store) not in crowds:
        for i in range(23):
            params: dict[str, Any] = {"group": i % 3} if i % 4 else {}  # many equal, some missing
            if i % 5 == 0:
                params["mixed"] = "text" if i % 2 else i
            create(
                store,
                experiment,
                name=f"run-{i % 6}",
                start_ms=T0_MS + i // 2,  # pairs start together
                user="ada" if i % 2 else "",
                params=params,
                tags={"stage": "x"} if i % 3 else {},
                metrics={"loss": (1.5, math.nan, math.inf, -math.inf, 0.0)[i % 5]} if i % 7 else {},
            )
        crowds[id(store)] = experiment
    return crowds[id(store)]


@pytest.mark.parametrize(
    "order",
    [
        *("start", "name", "number", "status", "duration", "experiment", "user"),
        *("metric:loss", "metric:none", "param:group", "param:mixed", "tag:stage"),
    ],
)
@pytest.mark.parametrize("direction", ["", "-"])
def test_pages_hold_every_run_exactly_once_in_order(
    store: Store, crowds: dict[int, str], experiment: str, order: str, direction: str
) -> None:
    query = RunQuery(experiment=crowd(store, crowds, experiment), order_by=direction + order)
    whole = [run.id for run in store.search_runs(query).runs]

    walked: list[str] = []
    pages, token = 0, None
    while pages == 0 or token is not None:
        page = store.search_runs(msgspec.structs.replace(query, limit=4, page_token=token))
        walked += [run.id for run in page.runs]
        token = page.next_page_token
        pages += 1
        assert page.total == 23
        assert pages < 10

    assert len(set(whole)) == 23
    assert walked == whole
    assert pages == 6


def test_a_page_that_is_just_full_is_the_last(store: Store, experiment: str) -> None:
    for _ in range(4):
        create(store, experiment)

    assert store.search_runs(RunQuery(experiment=experiment, limit=4)).next_page_token is None


def test_new_runs_do_not_disturb_a_walk_through_pages(store: Store, experiment: str) -> None:
    for i in range(6):
        create(store, experiment, name=f"run-{i}", start_ms=T0_MS + i)
    first = store.search_runs(RunQuery(experiment=experiment, limit=3))

    create(store, experiment, name="new", start_ms=T0_MS + 100)
    second = store.search_runs(RunQuery(experiment=experiment, limit=3, page_token=first.next_page_token))

    assert names(first.runs) + names(second.runs) == ["run-5", "run-4", "run-3", "run-2", "run-1", "run-0"]


@pytest.mark.parametrize(
    "flaw",
    [
        {"order_by": "speed"},
        {"order_by": ""},
        {"order_by": "-"},
        {"order_by": "metric:"},
        {"order_by": "start; DROP TABLE runs"},
        {"limit": 0},
        {"limit": -1},
        {"limit": MAX_PAGE + 1},
        {"page_token": "garbage"},
        {"page_token": ""},
        {"page_token": "ÿ" * 50},
    ],
    ids=str,
)
def test_a_wrong_query_is_refused(store: Store, experiment: str, flaw: dict[str, Any]) -> None:
    run_id = create(store, experiment)

    with unchanged(store, run_id), pytest.raises(InvalidValueError):
        found(store, experiment, **flaw)


def test_a_page_token_holds_in_an_order_that_moves_with_time(store: Store, experiment: str) -> None:
    for i in range(6):  # running: their duration grows from page to page
        create(store, experiment, name=f"run-{i}", start_ms=T0_MS + i)
    walked: list[str] = []
    token = None
    for _ in range(3):
        page = store.search_runs(RunQuery(experiment=experiment, order_by="duration", limit=2, page_token=token))
        walked += names(page.runs)
        token = page.next_page_token
        time.sleep(0.02)

    assert walked == ["run-5", "run-4", "run-3", "run-2", "run-1", "run-0"]


@pytest.mark.parametrize("order", ["number", "-name", "user", "metric:loss", "tag:t"])
def test_a_page_token_of_another_order_is_refused(store: Store, experiment: str, order: str) -> None:
    for i in range(3):
        create(store, experiment, name=f"run-{i}")
    token = store.search_runs(RunQuery(experiment=experiment, limit=1, order_by="name")).next_page_token

    with pytest.raises(InvalidValueError):
        found(store, experiment, order_by=order, page_token=token)


def test_a_text_of_thousands_of_words_is_answered_or_refused(store: Store, experiment: str) -> None:
    create(store, experiment)

    with contextlib.suppress(InvalidValueError):
        assert found(store, experiment, text="word " * 5000) == []


@pytest.mark.parametrize("parameter", ["text", "experiment", "parent_id", "ids"])
def test_nul_in_a_search_finds_nothing(store: Store, experiment: str, parameter: str) -> None:
    create(store, experiment)

    given: dict[str, Any] = {"experiment": experiment, parameter: ["a\x00b"] if parameter == "ids" else "\x00"}

    assert store.search_runs(RunQuery(**given)).runs == []


def test_experiments_are_labelled_archived_and_made_active_by_a_new_run(store: Store, experiment: str) -> None:
    made = store.edit_experiment(experiment, ExperimentEdit(tags={"team": "vision", "β": ""}))
    changed = store.edit_experiment(experiment, ExperimentEdit(archived=True, tags={"team": None, "owner": "ada"}))
    listed = next(one for one in store.experiments() if one.name == experiment)

    assert (made.tags, made.archived_ms, made.runs) == ({"team": "vision", "β": ""}, None, 0)
    assert changed.tags == {"β": "", "owner": "ada"}
    assert changed.archived_ms is not None
    assert listed == changed
    assert store.edit_experiment(experiment, ExperimentEdit(archived=True)).archived_ms == changed.archived_ms

    create(store, experiment)
    assert next(one for one in store.experiments() if one.name == experiment).archived_ms is None


def test_an_experiment_is_found_by_name_and_by_id(store: Store, experiment: str) -> None:
    store.apply(Writer("r1", experiment=experiment).start().batch())

    found = store.experiment(experiment)

    assert (found.name, found.runs) == (experiment, 1)
    assert store.experiment(experiment_id=found.id) == found
    assert store.get_run("r1").experiment_id == found.id
    assert [run.id for run in store.search_runs(RunQuery(experiment_ids=[found.id, "x", "99999"])).runs] == ["r1"]
    assert store.search_runs(RunQuery(experiment_ids=[])).runs == []
    for unknown in ({"name": experiment + "?"}, {"experiment_id": "99999"}, {"experiment_id": "01"}, {"name": ""}):
        with pytest.raises(NotFoundError):
            store.experiment(**unknown)


def test_the_default_experiment_has_the_id_that_mlflow_gives_it(store: Store) -> None:
    store.apply(Writer("default-run", experiment="Default").start().batch())

    assert store.experiment("Default").id == "0"
    assert store.experiment(experiment_id="0").name == "Default"

    store.delete_runs(["default-run"])
    store.delete_experiment("Default")


def test_an_experiment_without_runs_can_be_removed(store: Store, experiment: str) -> None:
    run_id = create(store, experiment)

    with pytest.raises(ConflictError, match="1 runs"):
        store.delete_experiment(experiment)
    store.delete_runs([run_id])
    store.delete_experiment(experiment)

    assert experiment not in [one.name for one in store.experiments()]
    with pytest.raises(NotFoundError, match=experiment):
        store.delete_experiment(experiment)
    with pytest.raises(InvalidValueError, match="Expected names"):
        store.edit_experiment(experiment, ExperimentEdit(tags={" ": "x"}))


def test_experiments_are_listed_the_latest_first(store: Store, experiment: str) -> None:
    old, new = experiment + "-old", experiment + "-new"
    # Later than what any other test stores: these two lead the list.
    later_ms = 2 * T0_MS
    create(store, old, start_ms=later_ms)
    store.apply(Writer(experiment=old).start(start_ms=later_ms + 1).finish(time_ms=later_ms + 9).batch())
    gone = create(store, old, start_ms=later_ms + 2)
    store.apply(Writer(gone).add(RunEdited(deleted=True)).batch(live=False))
    create(store, new, start_ms=later_ms + 3)

    mine = [info for info in store.experiments() if info.name in (old, new)]

    assert [(info.name, info.runs, info.active) for info in mine] == [(new, 1, 1), (old, 2, 1)]
    assert mine[0].last_start_ms == later_ms + 3
    assert all(info.created_ms > 0 for info in mine)


def test_a_new_store_is_empty(empty_store: Store) -> None:
    assert empty_store.experiments() == []
    assert empty_store.search_runs(RunQuery()).runs == []
    assert empty_store.changes(since=-1) == []
    assert empty_store.changes(since=0) == []
