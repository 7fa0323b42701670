"""The contract of `Store` for tables of runs: saved views, archived runs, the order of all runs, groups, trees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.batches import T0_MS, Writer

from tracklog.errors import InvalidValueError, NotFoundError
from tracklog.records import ParamValue, RunEdited
from tracklog.storage import MAX_VIEW_CHARS, Common, GroupQuery, RunGroups, RunKeys, RunQuery, Spread, Store, View, groups


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


# ── selections ───────────────────────────────────────────────────────────────────────────────────────────────────────


def started(store: Store, experiment: str) -> str:
    writer = Writer(experiment=experiment).start()
    store.apply(writer.batch())
    return writer.run_id


def test_a_selection_has_one_short_name_and_keeps_its_order(store: Store, experiment: str) -> None:
    ids = [started(store, experiment) for _ in range(70)]
    name = store.save_selection(ids)

    assert len(name) <= 24
    assert store.selection(name) == ids
    assert store.save_selection([*ids, ids[0], "no-such-run", "a\x00"]) == name
    other = store.save_selection(ids[::-1])
    assert other != name
    assert store.selection(other) == ids[::-1]


def test_runs_removed_for_good_leave_a_selection(store: Store, experiment: str) -> None:
    ids = [started(store, experiment) for _ in range(3)]
    name = store.save_selection(ids)
    store.delete_runs([ids[1]])
    later = started(store, experiment)

    assert store.selection(name) == [ids[0], ids[2]]
    assert store.save_selection([ids[0], later]) != name


def test_a_selection_of_nothing_and_one_that_is_not_there_are_said(store: Store) -> None:
    with pytest.raises(InvalidValueError, match="none of them"):
        store.save_selection(["no-such-run"])
    with pytest.raises(NotFoundError, match="nothing"):
        store.selection("nothing")


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


# ── the order of all runs ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", ["-start", "name", "metric:loss", "-param:lr"])
def test_the_ids_of_all_runs_are_in_the_order_of_the_pages(store: Store, experiment: str, order: str) -> None:
    for number in range(7):
        writer = Writer(experiment=experiment).start(name=f"run-{number}", params={"lr": (number * 3) % 7})
        store.apply((writer.log("loss", float((number * 5) % 7)) if number != 3 else writer).batch())
    query = RunQuery(experiment=experiment, order_by=order, limit=3)
    paged: list[str] = []
    token = None
    while True:
        page = store.search_runs(msgspec.structs.replace(query, page_token=token))
        paged += [run.id for run in page.runs]
        token = page.next_page_token
        if token is None:
            break

    assert len(paged) == 7
    assert store.run_ids(query) == paged
    assert store.run_ids(msgspec.structs.replace(query, ids=[])) == []


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def grouped(store: Store, experiment: str, by: list[str], columns: Sequence[str] = (), **query: Any) -> RunGroups:
    return store.group_runs(GroupQuery(RunQuery(experiment=experiment, **query), by, list(columns)))


def three_seeds(store: Store, experiment: str) -> None:
    """Two configurations with three seeds each, a run without params, and one that is deleted."""
    for lr in (0.1, 0.01):
        for seed in range(3):
            writer = Writer(experiment=experiment).start(
                name=f"lr{lr}-s{seed}",
                start_ms=T0_MS + seed,
                params={"lr": lr, "seed": seed, "model": "mlp"},
                tags={"kind": "sweep"},
            )
            store.apply(writer.log("loss", lr * 10 + seed, step=1).finish().batch())
    store.apply(Writer(experiment=experiment).start(name="bare", start_ms=T0_MS + 9).batch())
    gone = Writer(experiment=experiment).start(params={"lr": 0.1}).add(RunEdited(deleted=True))
    store.apply(gone.batch())


def test_seeds_are_gathered_with_mean_and_spread(store: Store, experiment: str) -> None:
    three_seeds(store, experiment)

    found = grouped(store, experiment, ["param:lr"], ["metric:loss", "metric.max:loss", "param:seed", "param:model", "tag:kind"])

    assert (found.total, found.runs) == (3, 7)
    assert sorted((group.values, group.runs) for group in found.groups if group.values != [None]) == [([0.01], 3), ([0.1], 3)]
    [group] = [group for group in found.groups if group.values == [0.1]]
    assert group.spreads["metric:loss"] == Spread(n=3, mean=2.0, std=1.0, min=1.0, max=3.0)
    assert group.spreads["metric.max:loss"].mean == 2.0
    assert group.common == {"param:seed": Common(None, 3), "param:model": Common("mlp", 1), "tag:kind": Common("sweep", 1)}
    assert group.statuses == {"Completed": 3}
    assert (group.first_start_ms, group.last_start_ms) == (T0_MS, T0_MS + 2)
    [bare] = [group for group in found.groups if group.values == [None]]
    assert (bare.runs, bare.spreads, bare.common) == (1, {}, {})


def test_several_columns_gather_by_all_of_them(store: Store, experiment: str) -> None:
    three_seeds(store, experiment)

    found = grouped(store, experiment, ["param:lr", "tag:kind", "status", "experiment", "user"])

    assert sorted(map(repr, (group.values for group in found.groups))) == sorted(
        map(
            repr,
            (
                [0.1, "sweep", "Completed", experiment, ""],
                [0.01, "sweep", "Completed", experiment, ""],
                [None, None, "Running", experiment, ""],
            ),
        )
    )


def test_the_runs_of_a_group_are_found_by_its_values(store: Store, experiment: str) -> None:
    values: list[ParamValue] = [1, 1.0, True, "1", "True", 0.5, "0.5", None, math.nan, "nan", math.inf, "it's", ""]
    for number, value in enumerate(values):
        store.apply(Writer(experiment=experiment).start(name=f"run-{number}", params={"x": value}).batch())
    store.apply(Writer(experiment=experiment).start(name="bare").batch())

    found = grouped(store, experiment, ["param:x"])

    assert found.runs == len(values) + 1
    members = {repr(group.values): sorted(names(store, experiment, equal={"param:x": group.values[0]})) for group in found.groups}
    assert [len(members[repr(group.values)]) for group in found.groups] == [group.runs for group in found.groups]
    assert members["[1]"] == ["run-0", "run-1"]
    assert members["[None]"] == ["bare", "run-7"]
    assert members["['nan']"] == ["run-8", "run-9"]
    assert members["['1']"] == ["run-3"]


def test_the_biggest_groups_are_given_and_all_are_counted(store: Store, experiment: str) -> None:
    for number in (1, 2, 2, 3, 3, 3):
        store.apply(Writer(experiment=experiment).start(params={"n": number}).batch())

    found = store.group_runs(GroupQuery(RunQuery(experiment=experiment), ["param:n"], limit=2))

    assert [(group.values, group.runs) for group in found.groups] == [([3], 3), ([2], 2)]
    assert (found.total, found.runs) == (3, 6)


def test_a_spread_leaves_out_what_is_no_number_and_keeps_its_precision(store: Store, experiment: str) -> None:
    for value in (1e9 + 0.25, 1e9 + 0.75, math.nan, math.inf):
        store.apply(Writer(experiment=experiment).start().log("m", value).batch())
    store.apply(Writer(experiment=experiment).start().batch())

    [group] = grouped(store, experiment, ["experiment"], ["metric:m", "metric:none"]).groups

    spread = group.spreads["metric:m"]
    assert (spread.n, spread.mean, spread.min, spread.max) == (2, 1e9 + 0.5, 1e9 + 0.25, 1e9 + 0.75)
    assert spread.std == pytest.approx(math.sqrt(0.125), rel=1e-9)
    assert "metric:none" not in group.spreads


@pytest.mark.parametrize("implementer", ["local", "postgres"], indirect=True)
@pytest.mark.parametrize("by", [["param:x"], ["tag:t", "param:x"], ["user", "param:none"]], ids=str)
def test_many_runs_have_the_groups_of_few(store: Store, experiment: str, monkeypatch: pytest.MonkeyPatch, by: list[str]) -> None:
    """Of many runs a column is read along its index, with other runs of the experiment; here few are many."""
    values: list[ParamValue] = [
        1,
        1.0,
        True,
        "1",
        "True",
        0.5,
        None,
        math.nan,
        math.inf,
        -math.inf,
        2**60,
        "",
        "y" * 70,
        "y" * 71,
    ]
    for number, value in enumerate(values * 2):
        tags = {"t": ("z" * (60 + number % 8))} if number % 3 else {}
        writer = Writer(experiment=experiment).start(name=f"run-{number}", params={"x": value}, tags=tags)
        store.apply(writer.log("m", math.nan if number == 5 else number).batch())
    store.apply(Writer(experiment=experiment).start(name="other", params={"x": 7}, tags={"t": "other"}).log("m", 1e9).batch())
    columns = ["metric:m", "metric.min:m", "param:x", "tag:t", "tag:none", "status"]

    few = grouped(store, experiment, by, columns, filter="name != 'other'")
    monkeypatch.setattr(groups, "_MANY_RUNS", 0)
    many = grouped(store, experiment, by, columns, filter="name != 'other'")

    def told(found: RunGroups) -> list[str]:
        return sorted(map(repr, found.groups))

    assert few.runs == 28
    assert told(many) == told(few)


def test_huge_numbers_have_a_mean(store: Store, experiment: str) -> None:
    for value in (1.5e308, 1.6e308):
        store.apply(Writer(experiment=experiment).start().log("m", value).batch())

    [group] = grouped(store, experiment, ["experiment"], ["metric:m"]).groups

    assert group.spreads["metric:m"].mean == pytest.approx(1.55e308)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        (GroupQuery(RunQuery(), []), "by"),
        (GroupQuery(RunQuery(), ["lr"]), "by"),
        (GroupQuery(RunQuery(), ["param:"]), "by"),
        (GroupQuery(RunQuery(), ["metric:loss"]), "by"),
        (GroupQuery(RunQuery(), ["user"] * 9), "by"),
        (GroupQuery(RunQuery(), ["user"], ["loss"]), "columns"),
        (GroupQuery(RunQuery(), ["user"], limit=0), "limit"),
        (GroupQuery(RunQuery(equal={"lr": 1}), ["user"]), "equal"),
    ],
)
def test_what_cannot_be_grouped_by_is_named(store: Store, experiment: str, query: GroupQuery, parameter: str) -> None:
    store.apply(Writer(experiment=experiment).start().batch())

    with pytest.raises(InvalidValueError) as caught:
        store.group_runs(query)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("equal", [{"param:a\x00": 1}, {"tag:a": "\x00"}, {"user": "\x00"}])
def test_nul_in_a_group_finds_nothing(store: Store, experiment: str, equal: dict[str, ParamValue]) -> None:
    store.apply(Writer(experiment=experiment).start().batch())

    assert names(store, experiment, equal=equal) == []


def test_nothing_has_no_groups(store: Store) -> None:
    assert grouped(store, "no-such-experiment", ["user"]) == RunGroups([], 0, 0)


# ── trees ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def family(store: Store, experiment: str) -> dict[str, str]:
    """alone; parent > child-1, child-2 > grandchild; orphan, whose parent is nowhere."""
    ids: dict[str, str] = {}
    parents = {
        "alone": None,
        "parent": None,
        "child-1": "parent",
        "child-2": "parent",
        "grandchild": "child-2",
        "orphan": "nobody",
    }
    for name, parent in parents.items():
        ids[name] = f"{experiment}-{name}"
        parent_id = None if parent is None else f"{experiment}-{parent}"
        store.apply(Writer(ids[name], experiment=experiment).start(name=name, parent_id=parent_id).batch())
    return ids


def test_a_tree_begins_with_runs_that_have_no_parent_here(store: Store, experiment: str) -> None:
    ids = family(store, experiment)

    assert sorted(names(store, experiment, top_level=True, tree=True)) == ["alone", "orphan", "parent"]
    assert sorted(names(store, experiment, top_level=True)) == ["alone", "parent"]
    assert sorted(names(store, experiment, parent_id=ids["parent"], tree=True)) == ["child-1", "child-2"]


def test_what_matches_keeps_what_stands_above_it(store: Store, experiment: str) -> None:
    ids = family(store, experiment)

    assert names(store, experiment, top_level=True, tree=True, text="grandchild") == ["parent"]
    assert names(store, experiment, parent_id=ids["parent"], tree=True, text="grandchild") == ["child-2"]
    assert names(store, experiment, parent_id=ids["child-2"], tree=True, text="grandchild") == ["grandchild"]
    assert names(store, experiment, parent_id=ids["parent"], text="grandchild") == []
    assert store.search_runs(RunQuery(experiment=experiment, top_level=True, tree=True, text="child")).total == 1


def test_parents_in_a_circle_do_not_hang_a_search(store: Store, experiment: str) -> None:
    for name, parent in (("a", "b"), ("b", "a"), ("self", "self")):
        writer = Writer(f"{experiment}-{name}", experiment=experiment).start(name=name, parent_id=f"{experiment}-{parent}")
        store.apply(writer.batch())

    assert names(store, experiment, top_level=True, tree=True, text="self") == ["self"]
    assert names(store, experiment, parent_id=f"{experiment}-a", tree=True, text="b") == ["b"]
    assert sorted(names(store, experiment)) == ["a", "b", "self"]


def test_groups_and_ids_know_trees(store: Store, experiment: str) -> None:
    ids = family(store, experiment)

    assert store.run_ids(RunQuery(experiment=experiment, top_level=True, tree=True, text="grandchild")) == [ids["parent"]]
    assert grouped(store, experiment, ["user"], top_level=True, tree=True).runs == 3


# ── names and rows ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_names_that_runs_have_are_told(store: Store, experiment: str) -> None:
    first = Writer(experiment=experiment).start(params={"lr": 0.1, "model": "mlp", "both": 1}, tags={"team": "a"})
    store.apply(first.log("loss", 0.5).log("words", "text").log_row("table", 0, x=1.0).batch())
    second = Writer(experiment=experiment).start(params={"both": "x", "Zeta": None, "ß": True}, tags={"b c": ""})
    store.apply(second.log("acc/val", 1).batch())
    store.apply(Writer(experiment=experiment + "-other").start(params={"other": 1}).batch())

    keys = store.run_keys(experiment)

    assert keys.params == sorted(["Zeta", "both", "lr", "model", "ß"])
    assert keys.tags == ["b c", "team"]
    assert keys.metrics == ["acc/val", "loss"]
    assert store.run_keys(experiment + "-nothing") == RunKeys([], [], [])
    assert store.run_keys("\x00") == RunKeys([], [], [])


def test_without_an_experiment_the_names_of_several_are_told(empty_store: Store) -> None:
    for experiment, param in (("one", "lr"), ("two", "other")):
        empty_store.apply(Writer(experiment=experiment).start(params={param: 1}).batch())

    assert empty_store.run_keys().params == ["lr", "other"]


def test_a_row_of_a_table_has_what_is_asked_for(store: Store, experiment: str) -> None:
    params: dict[str, ParamValue] = {"a": 1, "b": 2, "c": 3}
    writer = Writer(experiment=experiment).start(params=params, tags={"x": "1", "y": "2"}, properties={"p": "q"})
    store.apply(writer.log("loss", 1.0).log("acc", 2.0).log_row("loss", 0, x=1.0).batch())

    def row(**names: list[str]) -> tuple[list[str], list[str], list[str], dict[str, str]]:
        [run] = store.search_runs(RunQuery(experiment=experiment, **names)).runs
        return [*run.params], [*run.tags], [f"{one.name}.{one.column}" for one in run.metrics], run.properties

    assert row() == (["a", "b", "c"], ["x", "y"], ["loss.", "acc.", "loss.x"], {"p": "q"})
    assert row(params=["c", "a", "none"], tags=["y"], metrics=["loss"]) == (["a", "c"], ["y"], ["loss.", "loss.x"], {})
    assert row(params=[], metrics=[]) == ([], ["x", "y"], [], {})
    assert row(tags=["\x00"]) == (["a", "b", "c"], [], ["loss.", "acc.", "loss.x"], {})
