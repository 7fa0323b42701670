"""The contract of `Store`: experiments that are made, renamed, deleted and brought back; clients without a journal; lineage.

Clients without a journal are those that speak MLflow's protocol, whose rules differ: a batch a request, immutable params,
nothing written to what is deleted, the greatest of equal last points.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.batches import T0_MS, Writer
from tests.contracts.state import HEARTBEAT, unchanged

from tracklog.errors import ConflictError, InvalidValueError, NotFoundError, ParamConflictError, RunDeletedError
from tracklog.records import (
    DATASET_CONTEXT,
    Batch,
    DatasetInput,
    Event,
    LineageAdded,
    ModelOutput,
    ParamsSet,
    RunEdited,
    RunStarted,
    RunStatus,
    StatusChanged,
    TagsSet,
    Watermark,
)
from tracklog.storage import ExperimentEdit, ExperimentInfo, RunQuery, Store

# ── experiments ──────────────────────────────────────────────────────────────────────────────────────────────────────


def create(store: Store, experiment: str, **started: Any) -> str:
    writer = Writer(experiment=experiment).start(**started)
    store.apply(writer.log("loss", 1.0).batch())
    return writer.run_id


def listed(store: Store, experiment: str, **chosen: Any) -> list[ExperimentInfo]:
    return [info for info in store.experiments(**chosen) if info.name == experiment]


def ids(store: Store, experiment: str, **query: Any) -> set[str]:
    return {run.id for run in store.search_runs(RunQuery(experiment=experiment, **query)).runs}


def test_an_experiment_is_made(store: Store, experiment: str) -> None:
    made = store.create_experiment(experiment, tags={"team": "vision", "β": ""}, artifact_location="s3://bucket/x")

    assert made == store.experiment(experiment) == store.experiment(experiment_id=made.id)
    assert listed(store, experiment) == [made]
    assert (made.name, made.tags, made.artifact_location) == (experiment, {"team": "vision", "β": ""}, "s3://bucket/x")
    assert (made.runs, made.active, made.archived_ms, made.deleted_ms) == (0, 0, None, None)
    assert made.created_ms == made.updated_ms > T0_MS
    assert made.id.isdigit()


def test_an_experiment_is_made_once(store: Store, experiment: str) -> None:
    made = store.create_experiment(experiment, tags={"a": "1"})

    with pytest.raises(ConflictError, match="already"):
        store.create_experiment(experiment, tags={"a": "2"})
    assert store.experiment(experiment) == made

    store.edit_experiment(experiment, ExperimentEdit(deleted=True))
    with pytest.raises(ConflictError, match="deleted"):
        store.create_experiment(experiment)


@pytest.mark.parametrize("name", ["", "  "])
def test_an_experiment_has_a_name(store: Store, name: str) -> None:
    with pytest.raises(InvalidValueError):
        store.create_experiment(name)
    with pytest.raises(InvalidValueError):
        store.edit_experiment("x" + name, ExperimentEdit(name=name))


@pytest.mark.parametrize("given", ["", "no-such-id", "999999999", "-1", "9" * 40, "１"])
def test_an_unknown_experiment_is_not_found(store: Store, given: str) -> None:
    with pytest.raises(NotFoundError):
        store.experiment(experiment_id=given)
    with pytest.raises(NotFoundError):
        store.experiment("no-such-experiment" + given)


def test_a_run_knows_the_id_of_its_experiment(store: Store, experiment: str) -> None:
    run = store.get_run(create(store, experiment))

    assert run.experiment_id == store.experiment(experiment).id


def test_a_deleted_experiment_takes_its_runs_along_and_brings_all_back(store: Store, experiment: str) -> None:
    first, second = create(store, experiment), create(store, experiment)
    store.apply(Writer(second).add(RunEdited(deleted=True)).batch(live=False))

    gone = store.edit_experiment(experiment, ExperimentEdit(deleted=True))

    assert gone.deleted_ms is not None
    assert (gone.runs, gone.active) == (0, 0)
    assert listed(store, experiment) == []
    assert listed(store, experiment, deleted=True) == listed(store, experiment, deleted=None) == [gone]
    assert store.experiment(experiment) == gone
    assert ids(store, experiment) == set()
    assert ids(store, experiment, deleted=True) == ids(store, experiment, deleted=None) == {first, second}
    again = store.edit_experiment(experiment, ExperimentEdit(deleted=True))
    assert again.deleted_ms == gone.deleted_ms

    back = store.edit_experiment(experiment, ExperimentEdit(deleted=False))

    assert (back.deleted_ms, back.runs) == (None, 2)
    assert ids(store, experiment) == {first, second}


def test_only_the_runs_of_a_deleted_experiment_are_deleted(store: Store, experiment: str) -> None:
    create(store, experiment)
    other = create(store, experiment + "-other")

    store.edit_experiment(experiment, ExperimentEdit(deleted=True))

    assert not store.get_run(other).deleted


def test_a_run_started_in_a_deleted_experiment_revives_it_and_no_other_run(store: Store, experiment: str) -> None:
    old = create(store, experiment)
    store.edit_experiment(experiment, ExperimentEdit(deleted=True, archived=True))

    new = create(store, experiment)

    info = store.experiment(experiment)
    assert (info.deleted_ms, info.archived_ms, info.runs) == (None, None, 1)
    assert ids(store, experiment) == {new}
    assert ids(store, experiment, deleted=True) == {old}


def test_an_experiment_is_renamed_with_its_runs(store: Store, experiment: str) -> None:
    run_id = create(store, experiment)
    before = store.experiment(experiment)

    renamed = store.edit_experiment(experiment, ExperimentEdit(name=experiment + "-new", tags={"a": "1"}))

    assert (renamed.name, renamed.id, renamed.tags, renamed.runs) == (experiment + "-new", before.id, {"a": "1"}, 1)
    assert renamed.updated_ms >= before.updated_ms
    assert store.get_run(run_id).experiment == experiment + "-new"
    assert ids(store, experiment + "-new") == {run_id}
    with pytest.raises(NotFoundError):
        store.experiment(experiment)
    # A script that does not know of it makes a new one.
    assert store.get_run(create(store, experiment)).experiment == experiment


@pytest.mark.parametrize("is_deleted", [False, True])
def test_an_experiment_cannot_take_the_name_of_another(store: Store, experiment: str, is_deleted: bool) -> None:
    store.create_experiment(experiment)
    taken = store.create_experiment(experiment + "-taken")
    if is_deleted:
        taken = store.edit_experiment(taken.name, ExperimentEdit(deleted=True))

    with pytest.raises(ConflictError, match="already"):
        store.edit_experiment(experiment, ExperimentEdit(name=taken.name, tags={"a": "1"}, deleted=True))

    assert store.experiment(taken.name) == taken
    assert (store.experiment(experiment).tags, store.experiment(experiment).deleted_ms) == ({}, None)


def test_readers_are_told_of_experiments(store: Store, experiment: str) -> None:
    newest = store.changes(since=-1)
    since = newest[-1].id if newest else 0

    store.create_experiment(experiment)
    store.edit_experiment(experiment, ExperimentEdit(deleted=True))
    store.edit_experiment(experiment, ExperimentEdit(name=experiment + "-new"))

    told = [(change.run_id, change.experiment, change.what) for change in store.changes(since)]
    assert told[:2] == [("", experiment, ["experiment"])] * 2
    assert {change[1] for change in told[2:]} == {experiment, experiment + "-new"}


# ── clients without a journal ────────────────────────────────────────────────────────────────────────────────────────


def sent(run_id: str, *events: Event, live: bool = True) -> Batch:
    return Batch(run_id, "", events=list(events), live=live)


def client_run(store: Store, experiment: str) -> str:
    """Start a run as MLflow's clients do and return its id."""
    run_id = Writer().run_id
    store.apply(sent(run_id, RunStarted(experiment, T0_MS), StatusChanged(RunStatus.RUNNING, T0_MS)))
    return run_id


def points(run_id: str, *logged: tuple[str, float, int, int]) -> Batch:
    """Return a batch of (name, value, step, time) without a writer."""
    writer = Writer(run_id)
    for name, value, step, time_ms in logged:
        writer.log(name, value, step, time_ms=time_ms)
    batch = writer.batch()
    batch.writer_id = ""
    batch.events = []  # MLflow's clients define no keys; `keys` does
    return batch


def test_every_batch_of_a_client_without_a_journal_counts(store: Store, experiment: str) -> None:
    run_id = client_run(store, experiment)
    batch = points(run_id, ("loss", 0.5, 1, T0_MS))

    first = store.apply(batch)
    store.apply(batch)

    assert first == Watermark(points=1)
    assert store.watermark(run_id, "") == Watermark()
    assert store.columns(run_id, "loss").values.tolist() == [0.5, 0.5]


def test_a_client_without_a_journal_starts_at_zero(store: Store, experiment: str) -> None:
    run_id = client_run(store, experiment)
    batch = points(run_id, ("loss", 0.5, 1, T0_MS))
    batch.points_start = 1

    with unchanged(store, run_id), pytest.raises(InvalidValueError):
        store.apply(batch)


def test_the_last_word_of_a_client_without_a_journal_counts_whatever_its_time(store: Store, experiment: str) -> None:
    run_id = client_run(store, experiment)

    store.apply(sent(run_id, StatusChanged(RunStatus.COMPLETED, 4711)))
    assert (store.get_run(run_id).status, store.get_run(run_id).end_ms) == (RunStatus.COMPLETED, 4711)

    store.apply(sent(run_id, StatusChanged(RunStatus.FAILED, 42)))
    assert (store.get_run(run_id).status, store.get_run(run_id).end_ms) == (RunStatus.FAILED, 42)


def test_a_client_without_a_journal_may_be_silent_for_long(store: Store, experiment: str) -> None:
    run_id = client_run(store, experiment)
    tagged = sent(run_id, TagsSet({"a": "1"}))
    store.apply(tagged)

    run = store.get_run(run_id)

    assert run.status is RunStatus.RUNNING
    assert T0_MS < run.heartbeat_ms < 2 * T0_MS
    assert store.experiment(experiment).active == 1


def test_a_deleted_run_refuses_clients_without_a_journal(store: Store, experiment: str) -> None:
    run_id = client_run(store, experiment)
    store.apply(sent(run_id, RunEdited(deleted=True)))

    for batch in (sent(run_id, TagsSet({"a": "1"})), points(run_id, ("loss", 1.0, 0, T0_MS)), sent(run_id, RunEdited(name="x"))):
        with unchanged(store, run_id), pytest.raises(RunDeletedError, match=run_id):
            store.apply(batch)

    store.apply(sent(run_id, RunEdited(deleted=True)))  # again is fine
    store.apply(sent(run_id, RunEdited(deleted=False)))
    store.apply(sent(run_id, TagsSet({"a": "1"})))
    assert store.get_run(run_id).tags == {"a": "1"}


def test_a_deleted_run_takes_what_its_journal_has(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start().batch())
    store.apply(sent(writer.run_id, RunEdited(deleted=True)))

    store.apply(writer.log("loss", 1.0).batch())

    assert store.columns(writer.run_id, "loss").values.tolist() == [1.0]
    assert store.get_run(writer.run_id).deleted


def test_a_deleted_experiment_refuses_runs_of_clients_without_a_journal(store: Store, experiment: str) -> None:
    store.create_experiment(experiment)
    store.edit_experiment(experiment, ExperimentEdit(deleted=True))

    with pytest.raises(ConflictError, match="deleted"):
        client_run(store, experiment)

    assert store.experiment(experiment).deleted_ms is not None
    assert ids(store, experiment, deleted=None) == set()


@pytest.mark.parametrize(
    ("logged", "last"),
    [
        ([(0.5, 1, 5), (0.7, 1, 5), (0.6, 1, 5)], 0.7),  # the greatest of equal step and time
        ([(0.7, 1, 5), (0.5, 1, 6)], 0.5),  # the latest of an equal step
        ([(0.7, 1, 6), (0.9, 1, 5)], 0.7),
        ([(0.7, 2, 5), (0.9, 1, 9)], 0.7),
        ([(-1.0, 1, 5), (math.nan, 1, 5)], math.nan),  # NaN counts as 0
        ([(math.nan, 1, 5), (-1.0, 1, 5)], math.nan),
        ([(math.nan, 1, 5), (1.0, 1, 5)], 1.0),
        ([(1.0, 1, 5), (math.nan, 1, 5)], 1.0),
        ([(math.inf, 1, 5), (1.0, 1, 5)], math.inf),
        ([(-math.inf, 1, 5), (math.nan, 1, 5)], math.nan),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_the_greatest_of_equal_last_points_of_a_client_is_the_last(
    store: Store, experiment: str, logged: list[tuple[float, int, int]], last: float, together: bool
) -> None:
    run_id = client_run(store, experiment)
    named = [("m", *one) for one in logged]

    for batch in [points(run_id, *named)] if together else [points(run_id, one) for one in named]:
        store.apply(batch)

    (summary,) = store.get_run(run_id).metrics
    assert summary.count == len(logged)
    if math.isnan(last):
        assert summary.last_text == "NaN"
    else:
        assert summary.last == last
    assert len(store.columns(run_id, "m")) == len(logged)


def test_the_later_of_equal_last_points_of_a_journal_is_the_last(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start().log("m", 0.7, 1, time_ms=5).log("m", 0.5, 1, time_ms=5)
    store.apply(writer.batch())
    store.apply(writer.log("m", 0.1, 1, time_ms=5).batch())

    (summary,) = store.get_run(writer.run_id).metrics
    assert summary.last == 0.1


# ── params that must not change ──────────────────────────────────────────────────────────────────────────────────────


def test_a_strict_param_keeps_its_value(store: Store, experiment: str) -> None:
    run_id = client_run(store, experiment)
    store.apply(sent(run_id, ParamsSet({"x": "1", "y": ""}, strict=True)))

    store.apply(sent(run_id, ParamsSet({"x": "1", "z": "3"}, strict=True)))
    with unchanged(store, run_id, but=HEARTBEAT), pytest.raises(ParamConflictError) as caught:
        store.apply(sent(run_id, TagsSet({"t": "1"}), ParamsSet({"new": "1", "x": "2"}, strict=True)))

    assert (caught.value.key, caught.value.old, caught.value.new) == ("x", "1", "2")
    assert caught.value.message == (
        f"Changing param values is not allowed. Param with key='x' was already logged with value='1' for run ID='{run_id}'. "
        "Attempted logging new value '2'."
    )
    assert store.get_run(run_id).params == {"x": "1", "y": "", "z": "3"}


def test_a_strict_param_compares_as_text(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start(params={"lr": 0.1, "n": 3, "on": True, "none": None})
    store.apply(writer.batch())

    store.apply(sent(writer.run_id, ParamsSet({"lr": "0.1", "n": "3", "on": "True", "none": "None"}, strict=True)))

    assert store.get_run(writer.run_id).params == {"lr": 0.1, "n": 3, "on": True, "none": None}
    with pytest.raises(ParamConflictError):
        store.apply(sent(writer.run_id, ParamsSet({"lr": "0.10"}, strict=True)))


def test_a_batch_without_params_or_tags_in_them_is_fine(store: Store, experiment: str) -> None:
    run_id = client_run(store, experiment)

    store.apply(sent(run_id, ParamsSet({}, strict=True), TagsSet({}), LineageAdded()))

    assert store.get_run(run_id).params == {}


# ── lineage ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_tells_what_it_read_and_made(store: Store, experiment: str) -> None:
    before = max((change.id for change in store.changes(-1)), default=0)
    digits = DatasetInput("digits", "abc", "local", "/data", '{"a": 1}', '{"rows": 2}', {DATASET_CONTEXT: "training"})
    writer = Writer(experiment=experiment).start()
    writer.add(LineageAdded([digits], ["m-1"], [ModelOutput("m-2", 5), ModelOutput("m-3")]))
    store.apply(writer.batch())

    run = store.get_run(writer.run_id)

    assert run.datasets == [digits]
    assert run.model_inputs == ["m-1"]
    assert run.model_outputs == [ModelOutput("m-2", 5), ModelOutput("m-3")]
    assert store.search_runs(RunQuery(ids=[run.id])).runs == [run]
    assert "lineage" in {what for change in store.changes(before) if change.run_id == run.id for what in change.what}


def test_adding_lineage_again_changes_nothing(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    added = LineageAdded([DatasetInput("digits", "abc", tags={"a": "1"})], ["m-1"], [ModelOutput("m-2", 5)])
    store.apply(writer.add(added, added).batch())
    before = store.get_run(writer.run_id)

    store.apply(writer.add(added).batch())

    after = store.get_run(writer.run_id)
    assert (after.datasets, after.model_inputs, after.model_outputs) == (
        before.datasets,
        before.model_inputs,
        before.model_outputs,
    )
    assert len(after.datasets) == 1


def test_the_same_data_may_be_read_for_two_ends(store: Store, experiment: str) -> None:
    uses = [DatasetInput("digits", "abc", tags={DATASET_CONTEXT: context}) for context in ("training", "eval")]
    writer = Writer(experiment=experiment).start().add(LineageAdded(uses))
    store.apply(writer.batch())

    assert store.get_run(writer.run_id).datasets == uses


def test_runs_of_an_experiment_share_a_data_set(store: Store, experiment: str) -> None:
    first, second = Writer(experiment=experiment).start(), Writer(experiment=experiment).start()
    store.apply(first.add(LineageAdded([DatasetInput("digits", "abc", source="there", profile="p")])).batch())
    store.apply(second.add(LineageAdded([DatasetInput("digits", "abc", source="elsewhere")])).batch())

    assert store.get_run(second.run_id).datasets == [DatasetInput("digits", "abc", source="there", profile="p")]
    store.delete_runs([first.run_id])
    assert store.get_run(second.run_id).datasets == [DatasetInput("digits", "abc", source="there", profile="p")]
    store.delete_runs([second.run_id])
    third = Writer(experiment=experiment).start()
    store.apply(third.add(LineageAdded([DatasetInput("digits", "abc", source="new")])).batch())
    assert store.get_run(third.run_id).datasets[0].source == "new"
