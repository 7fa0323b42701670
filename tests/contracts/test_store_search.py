"""The contract of `Store`, finding runs: the filter language, orders of several things, experiments, projections.

What a condition is true of stands in one table; SQL on every implementer and `matches` give the same answers.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from tests.batches import T0_MS, Writer
from tests.contracts.test_store import found, names

from tracklog.errors import FilterError, InvalidValueError
from tracklog.records import DATASET_CONTEXT, DatasetInput, LineageAdded, RunStatus
from tracklog.storage import RunInfo, RunQuery, Store, search
from tracklog.storage.filters import RUNS, Entity, matches

# ── a condition is true of ───────────────────────────────────────────────────────────────────────────────────────────


def zoo(store: Store, experiment: str) -> None:
    """Store runs that differ in everything one can ask for."""
    ant = Writer(f"ant-{experiment}", experiment=experiment).start(
        name="Ant 100%",
        start_ms=T0_MS,
        user="ada",
        type="script",
        description="a_b",
        params={"lr": 0.1, "n": 3, "on": True, "model": "ResNet", "none": None, "big": 2**60, "s": "0.10"},
        tags={"team": "a", "odd key": "it's", "empty": "", "näme": "Größe"},
    )
    for step, value in enumerate((0.9, 0.1, 0.5)):
        ant.log("loss", value, step)
    ant.log("val/loss", 1).log("note", "text").log("gone", None).log("a.b c", 2.0)
    ant.add(LineageAdded([DatasetInput("digits", "d1", tags={DATASET_CONTEXT: "training"}), DatasetInput("iris", "d2")]))
    store.apply(ant.finish(time_ms=T0_MS + 90_000).batch())
    bee = Writer(f"bee-{experiment}", experiment=experiment).start(
        name="bee",
        start_ms=T0_MS + 1000,
        parent_id=ant.run_id,
        params={"lr": 1e-3, "n": "3", "on": "True", "model": "resnet-50", "x": math.nan, "inf": math.inf},
        tags={"team": "B"},
    )
    bee.log("loss", math.nan).log("val/loss", -2.5)
    store.apply(bee.finish(RunStatus.FAILED, time_ms=T0_MS + 2000).batch())
    cat = Writer(f"cat-{experiment}", experiment=experiment).start(name="CAT*?[x]", start_ms=T0_MS + 2000, params={"n": 10})
    store.apply(cat.log("loss", math.inf).log("loss", -math.inf, 1).batch())


CONDITIONS = [
    ("", "abc"),
    ("metrics.loss = 0.5", "a"),
    ("metrics.loss != 0.5", "bc"),  # NaN is unequal
    ("metrics.loss > -1", "a"),
    ("metrics.loss < 0.5", "c"),
    ("metrics.loss <= 0.5", "ac"),
    ("metrics.loss >= -inf", "ac"),
    ("metrics.loss = -inf", "c"),
    ("metrics.loss = nan", "b"),
    ("metrics.loss != nan", "ac"),
    ("metrics.loss in (0.5, 1)", "a"),
    ("metrics.loss not in (0.5, 1)", "bc"),
    ("metrics.loss is null", ""),
    ("metrics.loss is not null", "abc"),
    ("not metrics.loss > -1", "bc"),
    ("metrics.`val/loss` > 0", "a"),
    ("metrics.val/loss is null", "c"),
    ("not metrics.val/loss > 0", "bc"),
    ("metrics.note is null", "abc"),  # text is no number
    ("metrics.gone is null", "abc"),
    ('metrics."a.b c" = 2', "a"),
    ("metrics.unknown != 1", ""),
    ("min(metrics.loss) = 0.1", "a"),
    ("min(metrics.loss) < 0", "c"),
    ("max(metrics.loss) > 0.8", "ac"),
    ("max(metrics.loss) is null", "b"),  # nothing but NaN
    ("mean(metrics.loss) = 0.5", "a"),
    ("mean(metrics.loss) is null", "bc"),  # NaN
    ("count(metrics.loss) = 3", "a"),
    ("count(metrics.loss) != 3", "bc"),
    ("count(metrics.unknown) is null", "abc"),
    ("step(metrics.loss) >= 1", "ac"),
    ("step(metrics.loss) in (0, 2)", "ab"),
    ("params.lr = 0.1", "a"),
    ("params.lr = '0.1'", "a"),
    ("params.lr = '0.10'", ""),
    ("params.s = 0.1", "a"),
    ("params.s = '0.10'", "a"),
    ("params.lr != 0.1", "b"),
    ("params.lr < 0.01", "b"),
    ("params.lr in (0.1, 7)", "a"),
    ("params.lr not in (0.1, 7)", "b"),
    ("params.lr in ('0.001', 'x')", "b"),
    ("params.n = 3", "ab"),
    ("params.n = '3'", "ab"),
    ("params.n > 3", "c"),
    ("params.n >= 3.0", "abc"),
    ("params.n like '1%'", "c"),
    ("params.n < 'a'", "abc"),
    ("params.on = true", "ab"),
    ("params.on = 1", "a"),
    ("params.on != 1", ""),  # the other's is no number
    ("params.model = 'ResNet'", "a"),
    ("params.model = 'resnet'", ""),
    ("params.model != 'ResNet'", "b"),
    ("params.model like 'Res%'", "a"),
    ("params.model like 'res%'", "b"),
    ("params.model ilike 'RES%'", "ab"),
    ("params.model not like 'Res%'", "b"),
    ("params.model not ilike 'res%'", ""),
    ("not params.model like 'Res%'", "bc"),
    ("params.model > 0", ""),
    ("params.model not in (1, 2)", ""),
    ("params.model >= 'a'", "b"),  # by code point
    ("params.none is null", "bc"),
    ("params.none = 'None'", "a"),
    ("params.x = 'nan'", "b"),
    ("params.x is not null", "b"),
    ("params.x != 1", ""),  # NaN is no number of a param
    ("params.inf > 5", "b"),
    ("params.inf = inf", "b"),
    ("params.big = '1152921504606846976'", "a"),
    ("params.big > 1e18", "a"),
    ("tags.team = 'a'", "a"),
    ("tags.team != 'a'", "b"),
    ("tags.team ilike 'b'", "b"),
    ("tags.team is null", "c"),
    ("tags.team in ('a', 'B')", "ab"),
    ("tags.team not in ('a')", "b"),
    ("tags.empty = ''", "a"),
    ("tags.empty is null", "bc"),
    ("tags.empty like '%'", "a"),
    ("tags.empty like '_'", ""),
    ("tags.`odd key` = 'it''s'", "a"),
    ("tags.näme = 'Größe'", "a"),
    ("tags.näme like 'Gr_ße'", "a"),
    ("tags.näme like 'größe'", ""),
    ("tags.näme ilike 'GRÖ%'", "a"),
    ("tags.näme ilike 'gr__e'", "a"),
    ("name = 'bee'", "b"),
    ("run_name like 'Ant%'", "a"),
    ("name like '%100\\%'", ""),  # a backslash is one
    ("name like '%0%'", "a"),
    ("name like 'CAT*?[x]'", "c"),
    ("name like 'CAT*'", ""),
    ("name ilike 'cat*?[_]'", "c"),
    ("name like '%*%'", "c"),
    ("description = 'a_b'", "a"),
    ("description like 'a_b'", "a"),
    ("user = 'ada'", "a"),
    ("user_id != 'ada'", "bc"),
    ("type = 'script'", "a"),
    ("status = 'Completed'", "a"),
    ("status = 'FINISHED'", "a"),
    ("status != 'FINISHED'", "bc"),
    ("status in ('FAILED', 'RUNNING')", "bc"),
    ("status like 'F%'", "ab"),  # FINISHED, FAILED, Failed
    ("status like 'nothing'", ""),
    ("status not like 'nothing'", "abc"),
    ("status is null", ""),
    ("start = 1750000001000", "b"),
    ("start_time >= 1750000001000", "bc"),
    ("start_time > 1750000000999.5", "bc"),
    ("created < '2025-06-15T15:06:41'", "a"),
    ("start > '-1d'", ""),
    ("end is null", "c"),
    ("end_time < 1750000010000", "b"),
    ("end != 5", "ab"),
    ("not end < 1750000010000", "ac"),
    ("duration = 90", "a"),
    ("duration < 1.5", "b"),
    ("duration > 1000", "c"),  # it still runs
    ("number = 2", "b"),
    ("number in (1, 3)", "ac"),
    ("number > 1e300", ""),
    ("number < -1e300", ""),
    ("parent is null", "ac"),
    ("parent is not null", "b"),
    ("parent like 'ant-%'", "b"),
    ("parent != 'x'", "b"),
    ("run_id like 'cat%'", "c"),
    ("experiment like 'experiment-%'", "abc"),
    ("experiment = 'x'", ""),
    ("experiment is null", ""),
    ("datasets.name = 'iris'", "a"),
    ("datasets.name != 'iris'", "a"),
    ("dataset.name is null", "bc"),
    ("datasets.digest in ('d1', 'x')", "a"),
    ("datasets.context = 'training'", "a"),
    ("datasets.context != 'training'", ""),
    ("datasets.context is null", "bc"),
    ("datasets.name ilike 'DIG%'", "a"),
    ("not not metrics.loss = 0.5", "a"),
    ("metrics.loss = 0.5 or tags.team is null", "ac"),
    ("not (metrics.loss = 0.5 or tags.team is null)", "b"),
    ("params.n = 3 and not (params.model ilike 'resnet' and (tags.team = 'a' or tags.team = 'x'))", "b"),
    ("params.lr > 0 and params.n = 3 and metrics.loss <= 1 and name != 'x'", "a"),
]


@pytest.fixture(scope="module")
def zoos() -> dict[int, str]:
    """Experiments with the runs of `zoo`, by store: asking changes nothing."""
    return {}


def zoo_of(store: Store, zoos: dict[int, str], experiment: str) -> str:
    if id(store) not in zoos:
        zoo(store, experiment)
        zoos[id(store)] = experiment
    return zoos[id(store)]


def letters(runs: list[RunInfo]) -> str:
    return "".join(sorted(run.id[0] for run in runs))


@pytest.mark.parametrize(("text", "expected"), CONDITIONS)
def test_a_filter_finds_the_runs_that_it_is_true_of(
    store: Store, zoos: dict[int, str], experiment: str, text: str, expected: str
) -> None:
    page = store.search_runs(RunQuery(experiment=zoo_of(store, zoos, experiment), filter=text))

    assert letters(page.runs) == expected
    assert page.total == len(expected)


@pytest.mark.parametrize(("text", "expected"), CONDITIONS)
def test_matches_is_true_of_the_same(store: Store, zoos: dict[int, str], experiment: str, text: str, expected: str) -> None:
    runs = found(store, zoo_of(store, zoos, experiment))
    now_ms = 2 * T0_MS
    condition = RUNS.condition(text, now_ms=now_ms)

    assert letters([run for run in runs if matches(condition, lambda entity, key: value(run, entity, key, now_ms))]) == expected  # noqa: B023


def value(run: RunInfo, entity: Entity, key: str, now_ms: int) -> object:
    """Return what `matches` looks up of a run."""
    if entity == "param":
        return "None" if key in run.params and run.params[key] is None else run.params.get(key)
    if entity == "tag":
        return run.tags.get(key)
    if entity == "dataset":
        if key == "context":
            return [dataset.tags[DATASET_CONTEXT] for dataset in run.datasets if DATASET_CONTEXT in dataset.tags]
        return [getattr(dataset, key) for dataset in run.datasets]
    if entity == "attribute":
        return (
            {
                "start": run.start_ms,
                "end": run.end_ms,
                "duration": ((run.end_ms or now_ms) - run.start_ms) / 1000,
                "parent": run.parent_id,
                "status": run.status.value,
            }.get(key)
            if key in ("start", "end", "duration", "parent", "status")
            else getattr(run, key)
        )
    metric = next((one for one in run.metrics if one.name == key and not one.column and one.dtype.value != 4), None)
    if metric is None:
        return None
    if entity == "metric":
        return math.nan if metric.last_text == "NaN" else metric.last
    return getattr(metric, {"step": "last_step"}.get(entity.removeprefix("metric."), entity.removeprefix("metric.")))


def test_a_filter_goes_with_every_other_condition(store: Store, zoos: dict[int, str], experiment: str) -> None:
    home = zoo_of(store, zoos, experiment)

    def letters_of(**query: Any) -> str:
        return letters(store.search_runs(RunQuery(**{"experiment": home, **query})).runs)

    assert letters_of(filter="params.n = 3", text="resnet-50") == "b"
    assert letters_of(filter="params.n = 3", top_level=True) == "a"
    assert letters_of(filter="params.n = 3", status=[RunStatus.FAILED]) == "b"
    assert letters_of(filter="params.n = 3", ids=[f"ant-{home}", f"cat-{home}"]) == "a"
    assert letters_of(filter=f"id = 'ant-{home}'", order_by="metric:loss") == "a"
    assert letters_of(filter=f"id in ('ant-{home}', 'cat-{home}', 'x')") == "ac"
    assert letters_of(filter=f"parent = 'ant-{home}'") == "b"
    assert letters_of(experiment=None, experiments=[home], filter="params.n = 3") == "ab"
    assert letters_of(experiment=None, experiments=[home, "no-such"], filter="params.n = 3") == "ab"
    assert letters_of(experiments=["no-such"]) == ""
    assert letters_of(experiments=[]) == ""
    assert letters_of(experiment=None, filter=f"experiment = '{home}' and metrics.loss = 0.5") == "a"
    assert letters_of(experiment=None, filter=f"experiment = '{home}'", order_by="metric:loss") == "abc"


@pytest.mark.parametrize("implementer", ["local", "postgres"], indirect=True)
@pytest.mark.parametrize("few", [0, 1])
@pytest.mark.parametrize(
    "order",
    [
        "-start",
        "metric:loss",
        "-metric:loss",
        "param:n",
        "-param:model",
        ["-param:lr", "metric:loss"],
        "tag:team",
        ["-tag:team", "param:model"],
        "name",
    ],
    ids=str,
)
@pytest.mark.parametrize("texts", ["", "a", "resnet -0"])
def test_every_way_to_the_runs_leads_to_the_same(
    store: Store,
    zoos: dict[int, str],
    experiment: str,
    monkeypatch: pytest.MonkeyPatch,
    order: str | list[str],
    texts: str,
    few: int,
) -> None:
    """Which way a search takes depends on how many runs there are; here few are many."""
    homes = [zoo_of(store, zoos, experiment)]
    if few:  # and those of two experiments
        homes.append(f"{experiment}-too")
        zoo(store, homes[1])
    query = RunQuery(experiments=homes, order_by=order, limit=1, text=texts, top_level=bool(few), tree=bool(few))
    for text, _ in CONDITIONS[few::6]:
        monkeypatch.setattr(search, "_FEW_RUNS", 5000)
        monkeypatch.setattr(search, "_COUNTED_RUNS", 20_000)
        straight = [run.id for run in store.search_runs(msgspec.structs.replace(query, filter=text, limit=10)).runs]
        monkeypatch.setattr(search, "_FEW_RUNS", few)
        monkeypatch.setattr(search, "_COUNTED_RUNS", 20_000 * (1 - few))

        walked: list[str] = []
        token = None
        while token is not None or not walked:
            page = store.search_runs(msgspec.structs.replace(query, filter=text, page_token=token))
            assert page.total == len(straight), text
            walked += [run.id for run in page.runs]
            token = page.next_page_token
            if not straight:
                break
        assert walked == straight, text
        assert store.run_ids(msgspec.structs.replace(query, filter=text)) == straight, text


@pytest.mark.parametrize("implementer", ["local", "postgres"], indirect=True)
@pytest.mark.parametrize("most", [3000, 3], ids=["few-labels", "many-labels"])
def test_words_are_found_alike_among_few_runs_and_many(
    store: Store, experiment: str, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    long = "a" * 70
    params: list[dict[str, Any]] = [
        {"lr": 0.001, "model": "net"},
        {"lr": "1e-3", "Große": "GRÖSSE"},
        {"amp": True, "why": None, "path": f"{long}/end"},
        {"path": f"{long}/other", "n": 12_345, "x": math.inf},
    ]
    for i, one in enumerate(params):
        store.apply(
            Writer(experiment=experiment).start(name=f"run {i}", params=one, tags={"team": f"blue {i}", long: "t"}).batch()
        )
    monkeypatch.setattr(search, "_MAX_LABELS", most)
    words = [
        "net",
        "NET",
        "0.001",
        "1e",
        "größe",
        "rösse",
        "true",
        "Rue",
        "end",
        "other",
        "/",
        "234",
        "inf",
        "none",
        "lr",
        "t",
        "blue",
    ]
    words += ["lr blue", "amp completed", "running", "run 3", "zzz", "%", "_", long, f"{long} other", "'", '"', "[", "-"]

    for text in words:
        names = {}
        for few in (5000, 0):
            monkeypatch.setattr(search, "_FEW_RUNS", few)
            names[few] = sorted(run.name for run in found(store, experiment, text=text))
        assert names[0] == names[5000], text
    assert len(found(store, experiment, text="/end")) == 1
    assert len(found(store, experiment, text=long)) == 4


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("metrics.loss < x", 15, 16), ("tags.a = 'b' and params.lr >", 28, 28), ("nme = 'x'", 0, 9), ("metrics.a like 'b'", 0, 18)],
)
def test_a_wrong_filter_is_refused_with_its_place(store: Store, text: str, start: int, end: int) -> None:
    with pytest.raises(FilterError) as caught:
        store.search_runs(RunQuery(filter=text))

    assert (caught.value.position, caught.value.end, caught.value.parameter) == (start, end, "filter")
    assert caught.value.message.count("\n") == 2


@pytest.mark.parametrize("text", ["tags.a = '\x00'", "tags.`\x00` = 'x'", "tags.a like '%\x00%'", "name = '\x00'"])
def test_nul_in_a_filter_finds_what_was_stored_for_it(store: Store, experiment: str, text: str) -> None:
    store.apply(Writer(experiment=experiment).start(name="\x00", tags={"a": "\x00", "\x00": "x"}).batch())

    assert len(found(store, experiment, filter=text)) == 1


def test_a_filter_of_the_longest_kind_is_answered(store: Store, zoos: dict[int, str], experiment: str) -> None:
    home = zoo_of(store, zoos, experiment)
    many = " or ".join(f"params.p{i} = {i}" for i in range(199))

    assert letters(found(store, home, filter=f"{many} or params.n = 10")) == "c"
    assert letters(found(store, home, filter="not " * 49 + "params.n = 10")) == "ab"
    ids = ", ".join(f"'{i:032x}'" for i in range(2500))
    assert letters(found(store, home, filter=f"run_id in ({ids}, 'ant-{home}')")) == "a"
    assert letters(found(store, home, filter=f"name not like '{'_' * 4000}%'")) == "abc"


# ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_are_ordered_by_several_things(store: Store, experiment: str) -> None:
    for name, group, loss, start in (("a", 1, 2.0, 0), ("b", 2, 2.0, 1), ("c", 1, 1.0, 2), ("d", 1, 2.0, 3), ("e", 2, 1.0, 4)):
        writer = Writer(experiment=experiment).start(name=name, start_ms=T0_MS + start, params={"group": group})
        store.apply(writer.log("loss", loss).finish(time_ms=T0_MS + 1000).batch())

    def ordered(*order_by: str) -> str:
        return "".join(names(found(store, experiment, order_by=list(order_by))))

    assert ordered("param:group", "metric:loss") == "cdaeb"
    assert ordered("-param:group", "metric:loss") == "ebcda"
    assert ordered("metric:loss", "start") == "ceabd"
    assert ordered("metric:loss", "-start") == "ecdba"
    assert ordered("-metric:loss", "param:group", "name") == "adbce"
    assert ordered("end", "name") == "abcde"
    assert ordered() == "edcba"
    assert "".join(names(found(store, experiment, order_by="-name"))) == "edcba"


@pytest.mark.parametrize("direction", ["", "-"])
def test_nan_stands_between_numbers_and_runs_without_the_metric(store: Store, experiment: str, direction: str) -> None:
    for name, values in (("none", []), ("nan", [1.0, math.nan]), ("low", [-math.inf]), ("high", [5.0]), ("text", ["x"])):
        writer = Writer(experiment=experiment).start(name=name)
        for step, one in enumerate(values):
            writer.log("m", one, step)
        store.apply(writer.batch())

    ordered = names(found(store, experiment, order_by=direction + "metric:m"))

    assert ordered[:2] == (["low", "high"] if not direction else ["high", "low"])
    assert ordered[2] == "nan"
    assert set(ordered[3:]) == {"none", "text"}


@pytest.mark.parametrize(
    ("order", "expected"),
    [("min", "cab"), ("max", "bac"), ("mean", "bca"), ("count", "bac"), ("step", "acb")],
)
def test_runs_are_ordered_by_the_other_numbers_of_a_series(store: Store, experiment: str, order: str, expected: str) -> None:
    for name, points in (("a", [(0, 2.0), (1, 8.0)]), ("b", [(9, 3.0)]), ("c", [(0, 1.0), (1, 1.0), (2, 11.0)])):
        writer = Writer(experiment=experiment).start(name=name)
        for step, one in points:
            writer.log("m", one, step)
        store.apply(writer.batch())
    store.apply(Writer(experiment=experiment).start(name="-").batch())

    assert "".join(names(found(store, experiment, order_by=f"metric.{order}:m"))) == expected + "-"
    assert "".join(names(found(store, experiment, order_by=f"-metric.{order}:m"))) == expected[::-1] + "-"


def test_runs_are_ordered_by_end_and_id(store: Store, experiment: str) -> None:
    for name, end in (("b", 5), ("c", 3), ("a", 4)):
        writer = Writer(f"{name}-{experiment}", experiment=experiment).start(name=name, start_ms=T0_MS)
        store.apply(writer.finish(time_ms=T0_MS + end).batch())
    store.apply(Writer(f"d-{experiment}", experiment=experiment).start(name="d", start_ms=T0_MS).batch())

    def ordered(order_by: str) -> str:
        return "".join(names(found(store, experiment, order_by=order_by)))

    assert [ordered("end"), ordered("-end")] == ["cabd", "bacd"]
    assert [ordered("id"), ordered("-id")] == ["abcd", "dcba"]


ORDERS = [
    "end",
    "id",
    "metric.min:loss",
    "metric.count:loss",
    ["metric:loss", "param:group"],
    ["-param:mixed", "tag:stage", "-metric:loss"],
    ["user", "start"],
    ["user", "-start", "id"],
    ["tag:stage", "tag:stage"],
    ["experiment", "status", "duration", "end", "number", "name", "metric.mean:loss"],
]


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("text", ["", "metrics.loss is null or metrics.loss >= 0"])
def test_pages_of_several_orders_hold_every_run_once(store: Store, experiment: str, order: str | list[str], text: str) -> None:
    for i in range(17):
        writer = Writer(experiment=experiment).start(
            name=f"run-{i % 6}",
            start_ms=T0_MS + i // 2,
            user="ada" if i % 2 else "",
            params={"group": i % 3, "mixed": "text" if i % 2 else i} if i % 4 else {},
            tags={"stage": "xy"[i % 2]} if i % 3 else {},
        )
        if i % 5:
            writer.log("loss", (1.5, math.nan, math.inf, 0.0)[i % 4])
        store.apply((writer.finish(time_ms=T0_MS + i % 3) if i % 3 else writer).batch())
    query = RunQuery(experiment=experiment, order_by=order, filter=text)
    whole = [run.id for run in store.search_runs(query).runs]

    walked: list[str] = []
    token = None
    for _ in range(9):
        page = store.search_runs(msgspec.structs.replace(query, limit=3, page_token=token))
        walked += [run.id for run in page.runs]
        token = page.next_page_token
        assert page.total == len(whole)
        if token is None:
            break

    assert walked == whole
    assert len(set(whole)) == len(whole) > 3


@pytest.mark.parametrize("order", [["start", "speed"], ["metric.median:x"], ["param:"], ["start"] * 11, [""]], ids=str)
def test_wrong_orders_are_refused(store: Store, order: list[str]) -> None:
    with pytest.raises(InvalidValueError):
        store.search_runs(RunQuery(order_by=order))


def test_a_token_of_other_orders_is_refused(store: Store, experiment: str) -> None:
    for _ in range(3):
        store.apply(Writer(experiment=experiment).start().batch())
    token = store.search_runs(RunQuery(experiment=experiment, limit=1, order_by=["name", "user"])).next_page_token

    for order in ("name", ["name"], ["name", "user", "id"], ["user", "name"], "name,user"):
        with pytest.raises(InvalidValueError):
            found(store, experiment, order_by=order, page_token=token)


def test_runs_are_not_counted_unless_asked(store: Store, experiment: str) -> None:
    for _ in range(3):
        store.apply(Writer(experiment=experiment).start().batch())
    first = store.search_runs(RunQuery(experiment=experiment, limit=2, count=False))
    second = store.search_runs(RunQuery(experiment=experiment, limit=2, count=False, page_token=first.next_page_token))

    assert (first.total, len(first.runs), second.total, len(second.runs)) == (None, 2, None, 1)
