"""The contract of `Store`, last part: what happened, and what a store holds."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from tests.batches import T0_MS, Writer
from tests.contracts.test_registry import name as name  # noqa: PLC0414  # a fixture

from tracklog.errors import InvalidValueError
from tracklog.records import ErrorInfo, RunEdited, RunStatus, StatusChanged
from tracklog.storage import Activity, ActivityQuery, ExperimentEdit, Store
from tracklog.storage.registry import ModelVersion

LATER_MS = 2 * T0_MS  # later than what any other test stores: these events lead


def run(store: Store, experiment: str, start_ms: int, **started: Any) -> Writer:
    writer = Writer(experiment=experiment).start(start_ms=start_ms, **started)
    store.apply(writer.batch())
    return writer


def end(store: Store, writer: Writer, status: RunStatus, time_ms: int, error: ErrorInfo | None = None) -> None:
    store.apply(writer.add(StatusChanged(status, time_ms, error)).batch())


def of(store: Store, experiment: str, **query: Any) -> list[Activity]:
    return store.activity(ActivityQuery(experiment=experiment, **query)).items


def test_runs_are_told_of_when_they_start_and_end(store: Store, experiment: str) -> None:
    good = run(store, experiment, LATER_MS, name="good", user="ada")
    bad = run(store, experiment, LATER_MS + 10, name="bad")
    end(store, bad, RunStatus.FAILED, LATER_MS + 20, ErrorInfo("ValueError", "on purpose", "long"))
    end(store, good, RunStatus.COMPLETED, LATER_MS + 30)

    told = of(store, experiment, what=["started", "completed", "failed", "canceled"])

    assert [(one.what, one.name, one.time_ms - LATER_MS, one.text) for one in told] == [
        ("completed", "good", 30, ""),
        ("failed", "bad", 20, "on purpose"),
        ("started", "bad", 10, ""),
        ("started", "good", 0, ""),
    ]
    assert {(one.experiment, one.run_id) for one in told} == {(experiment, good.run_id), (experiment, bad.run_id)}
    assert told[0].user == "ada"


def test_a_run_in_the_trash_is_told_of_as_that_alone(store: Store, experiment: str) -> None:
    writer = run(store, experiment, LATER_MS)
    end(store, writer, RunStatus.CANCELED, LATER_MS + 1)
    store.apply(Writer(writer.run_id).add(RunEdited(deleted=True)).batch(live=False))

    assert [one.what for one in of(store, experiment) if one.run_id] == ["deleted"]


def test_experiments_and_models_are_told_of(store: Store, experiment: str, name: str) -> None:
    store.edit_experiment(experiment, ExperimentEdit(archived=True))
    version = store.registry.add_version(name, ModelVersion(source="s3://b/m", description="the first", user="eve"), create=True)

    assert [one.what for one in of(store, experiment)] == ["archived", "experiment"]
    told = next(one for one in store.activity(ActivityQuery(what=["version"], limit=1000)).items if one.name == name)
    assert (told.time_ms, told.version, told.text, told.user) == (version.created_ms, 1, "the first", "eve")
    assert of(store, experiment, what=["version"]) == []


def test_pages_hold_every_event_exactly_once_though_times_are_equal(store: Store, experiment: str) -> None:
    for number in range(7):
        writer = run(store, experiment, LATER_MS, name=str(number))
        end(store, writer, RunStatus.COMPLETED, LATER_MS)
    whole = of(store, experiment, limit=1000)

    pages, token = list[Activity](), None
    while True:
        page = store.activity(ActivityQuery(experiment=experiment, limit=3, page_token=token))
        pages += page.items
        assert len(page.items) == 3 or page.next_page_token is None
        if page.next_page_token is None:
            break
        token = page.next_page_token

    assert pages == whole
    assert len(whole) == 15  # the experiment as well
    assert [one.time_ms for one in whole] == sorted((one.time_ms for one in whole), reverse=True)


def test_a_page_that_is_just_full_is_the_last(store: Store, experiment: str) -> None:
    run(store, experiment, LATER_MS)

    page = store.activity(ActivityQuery(experiment=experiment, limit=2))

    assert ([one.what for one in page.items], page.next_page_token) == (["started", "experiment"], None)


@pytest.mark.parametrize("flaw", [{"what": ["dance"]}, {"limit": 0}, {"limit": 1001}, {"page_token": "x"}], ids=str)
def test_a_wrong_question_is_refused(store: Store, flaw: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=r"Known|Expected"):
        store.activity(ActivityQuery(**flaw))


def test_live_readers_hear_of_edits_of_experiments(store: Store, experiment: str) -> None:
    newest = store.changes(-1)
    store.edit_experiment(experiment, ExperimentEdit(tags={"a": "b"}))

    told = [change for change in store.changes(newest[0].id if newest else 0) if change.experiment == experiment]

    assert [(change.run_id, change.what) for change in told] == [("", ["experiment"])]


def test_usage_grows_with_what_is_stored(store: Store, experiment: str) -> None:
    before = store.usage()
    writer = Writer(experiment=experiment).start(start_ms=time.time_ns() // 1_000_000)
    for step in range(10):
        writer.log("loss", float(step), step)
    store.apply(writer.batch())
    store.put_artifact(writer.run_id, "a.bin", io.BytesIO(experiment.encode() * 1000))
    held = store.usage()
    store.apply(Writer(writer.run_id).add(RunEdited(deleted=True)).batch(live=False))
    after = store.usage()

    assert held.points - before.points == 10
    assert (held.runs - before.runs, held.experiments - before.experiments) == (1, 1)
    assert held.files_bytes - before.files_bytes >= len(experiment) * 1000
    assert held.database_bytes > 0
    assert (after.runs - held.runs, after.deleted_runs - held.deleted_runs) == (-1, 1)
