"""The contract of `Store` for tables of runs: saved views, archived runs, the order of all runs, groups, trees."""

from __future__ import annotations

from typing import Any

import pytest
from tests.batches import Writer

from tracklog.errors import InvalidValueError, NotFoundError
from tracklog.records import RunEdited
from tracklog.storage import MAX_VIEW_CHARS, RunQuery, Store, View


def names(store: Store, experiment: str, **query: Any) -> list[str]:
    return [run.name for run in store.search_runs(RunQuery(experiment=experiment, **query)).runs]


# ── saved views ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_views_are_saved_replaced_and_removed(store: Store, experiment: str) -> None:
    scope = f"experiment:{experiment}"
    saved = store.save_view(View(scope, "best 10", "order=-metric%3Aacc"))
    store.save_view(View(scope, "best 2", "q=%C3%A9"))
    store.save_view(View("another " + scope, "best 10", "x=1"))

    assert saved.updated_ms > 1_700_000_000_000
    assert [(view.name, view.query) for view in store.views(scope)] == [
        ("best 2", "q=%C3%A9"),
        ("best 10", "order=-metric%3Aacc"),
    ]

    store.save_view(View(scope, "best 2", "group=param%3Alr"))
    store.delete_view(scope, "best 10")

    assert [(view.name, view.query) for view in store.views(scope)] == [("best 2", "group=param%3Alr")]
    assert [view.name for view in store.views("another " + scope)] == ["best 10"]


def test_a_view_that_is_not_there_is_said(store: Store, experiment: str) -> None:
    assert store.views(experiment) == []
    with pytest.raises(NotFoundError, match="nothing"):
        store.delete_view(experiment, "nothing")


@pytest.mark.parametrize(
    ("view", "parameter"),
    [
        (View("", "a", ""), "scope"),
        (View("runs", " ", ""), "name"),
        (View("runs", "a\x00", ""), "name"),
        (View("runs", "a", "x" * (MAX_VIEW_CHARS + 1)), "query"),
    ],
)
def test_a_view_without_a_name_or_too_long_is_refused(store: Store, view: View, parameter: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        store.save_view(view)
    assert caught.value.parameter == parameter


# ── archived runs ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_archived_runs_are_left_out_when_asked_and_come_back(store: Store, experiment: str) -> None:
    writers = {name: Writer(experiment=experiment).start(name=name) for name in ("kept", "aside")}
    for writer in writers.values():
        store.apply(writer.batch())
    aside = writers["aside"].run_id
    store.apply(Writer(aside).add(RunEdited(archived=True)).batch(live=False))

    assert sorted(names(store, experiment)) == ["aside", "kept"]
    assert names(store, experiment, archived=False) == ["kept"]
    assert names(store, experiment, archived=True) == ["aside"]
    assert store.get_run(aside).archived

    store.apply(Writer(aside).add(RunEdited(archived=False)).batch(live=False))

    assert sorted(names(store, experiment, archived=False)) == ["aside", "kept"]
    assert not store.get_run(aside).archived
