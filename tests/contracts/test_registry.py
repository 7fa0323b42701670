"""The contract of `Registry`: registered models, versions, aliases, stages, logged models. Every implementer passes all.

Files of logged models are in `test_store_files.py`.
"""

from __future__ import annotations

import math
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from tracklog.errors import ConflictError, FilterError, InvalidValueError, NotFoundError
from tracklog.storage import Store
from tracklog.storage.registry import (
    STAGES,
    LoggedModel,
    LoggedModelEdit,
    LoggedModelMetric,
    LoggedModelQuery,
    LoggedModelStatus,
    ModelEdit,
    ModelQuery,
    ModelVersion,
    Registry,
    VersionEdit,
    VersionQuery,
    files_of,
)

ODD_TEXT = "naïve 模型 🚀 \u202ertl\ttab\nline 'quote' \"double\" %s {x} \\ ; --"


@pytest.fixture
def registry(store: Store) -> Registry:
    return store.registry


@pytest.fixture
def name() -> str:
    """The name of a registered model that nobody else uses."""
    return f"model-{uuid.uuid4().hex}"


def new_id() -> str:
    return f"m-{uuid.uuid4().hex}"


def logged(registry: Registry, experiment: str, **fields: Any) -> LoggedModel:
    return registry.create_logged_model(LoggedModel(**{"id": new_id(), "experiment": experiment, "name": "net"} | fields))


# ── registered models ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_is_made_without_versions(registry: Registry, name: str) -> None:
    made = registry.create_model(name, description="why", tags={"team": "vision"})

    assert (made.name, made.description, made.tags, made.aliases) == (name, "why", {"team": "vision"}, {})
    assert (made.latest, made.versions) == ([], 0)
    assert made.created_ms == made.updated_ms > 1_750_000_000_000
    assert registry.get_model(name) == made


def test_a_name_is_given_once(registry: Registry, name: str) -> None:
    made = registry.create_model(name)

    with pytest.raises(ConflictError, match=name):
        registry.create_model(name, description="another")
    assert registry.get_model(name) == made


@pytest.mark.parametrize("given", ["", "  ", ".", "..", "a/b", "a:1", "a\nb", "a\x00b", "x" * 257])
def test_an_unusable_name_is_refused_by_every_method_that_takes_a_new_one(registry: Registry, name: str, given: str) -> None:
    registry.create_model(name)

    with pytest.raises(InvalidValueError):
        registry.create_model(given)
    with pytest.raises(InvalidValueError):
        registry.edit_model(name, ModelEdit(name=given))
    # As part of an address some of these are no name at all.
    with pytest.raises((InvalidValueError, NotFoundError)):
        registry.add_version(given, ModelVersion(), create=True)


@pytest.mark.parametrize("given", ["ridge 2 (final)", "模型", "a%2Fb", "100%", "a?b#c", "search", "ÄÖ+&=", "..hidden"])
def test_any_other_name_is_a_name(registry: Registry, given: str) -> None:
    name = f"{given} {uuid.uuid4().hex}" if given != "search" else given
    version = registry.add_version(name, ModelVersion(), create=True)

    assert registry.get_model(name).name == name
    assert registry.get_version(name, version.version).name == name
    registry.delete_model(name)


def test_what_is_not_there_is_not_found(registry: Registry, name: str) -> None:
    edit = VersionEdit(description="x")

    for ask in (
        lambda: registry.get_model(name),
        lambda: registry.edit_model(name, ModelEdit(description="x")),
        lambda: registry.delete_model(name),
        lambda: registry.add_version(name, ModelVersion()),
        lambda: registry.get_version(name, 1),
        lambda: registry.edit_version(name, 1, edit),
        lambda: registry.delete_version(name, 1),
    ):
        with pytest.raises(NotFoundError, match=name) as not_found:
            ask()
        assert not_found.value.what == "registered model"
    registry.add_version(name, ModelVersion(), create=True)
    for ask in (
        lambda: registry.get_version(name, 2),
        lambda: registry.edit_version(name, 0, edit),
        lambda: registry.delete_version(name, 7),
        lambda: registry.edit_model(name, ModelEdit(aliases={"best": 7})),
    ):
        with pytest.raises(NotFoundError, match="Its versions: 1") as not_found:
            ask()
        assert not_found.value.what == "model version"


def test_editing_changes_only_what_is_given(registry: Registry, name: str) -> None:
    made = registry.create_model(name, description="why", tags={"a": "1", "b": "2"})

    edited = registry.edit_model(name, ModelEdit(tags={"b": None, "c": ODD_TEXT}))

    assert (edited.description, edited.tags) == ("why", {"a": "1", "c": ODD_TEXT})
    assert edited.updated_ms >= made.updated_ms
    assert registry.edit_model(name, ModelEdit(description="")).description == ""
    with pytest.raises(InvalidValueError):
        registry.edit_model(name, ModelEdit(tags={"": "x"}))


def test_renaming_keeps_versions_and_aliases(registry: Registry, name: str) -> None:
    registry.add_version(name, ModelVersion(source="s3://bucket/1"), create=True)
    registry.edit_model(name, ModelEdit(aliases={"best": 1}))
    other = f"{name}-renamed"

    renamed = registry.edit_model(name, ModelEdit(name=other, description="new"))

    assert (renamed.name, renamed.description, renamed.aliases, renamed.versions) == (other, "new", {"best": 1}, 1)
    assert registry.get_version(other, 1).source == "s3://bucket/1"
    with pytest.raises(NotFoundError):
        registry.get_model(name)
    assert registry.create_model(name).versions == 0  # the old name is free


def test_a_model_cannot_take_anothers_name(registry: Registry, name: str) -> None:
    registry.create_model(name)
    registry.create_model(f"{name}-2", description="second")

    with pytest.raises(ConflictError, match=name):
        registry.edit_model(f"{name}-2", ModelEdit(name=name, description="changed"))
    assert registry.get_model(f"{name}-2").description == "second"
    assert registry.edit_model(name, ModelEdit(name=name)).name == name  # its own


def test_a_deleted_model_leaves_no_trace(registry: Registry, experiment: str, name: str) -> None:
    model = logged(registry, experiment)
    for _ in range(2):
        registry.add_version(name, ModelVersion(model_id=model.id), create=True)
    registry.edit_model(name, ModelEdit(aliases={"best": 2}))

    registry.delete_model(name)

    assert registry.search_versions(VersionQuery(name=name)).versions == []
    assert registry.get_logged_model(model.id) == model  # nor is it registered any more
    assert registry.add_version(name, ModelVersion(), create=True).version == 1
    assert registry.get_model(name).aliases == {}


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_versions_count_up_and_keep_all_they_are_given(registry: Registry, name: str) -> None:
    given = ModelVersion(
        stage="Staging",
        description="first",
        source="runs:/abc/outputs/model",
        run_id="abc",
        run_link="https://elsewhere/abc",
        model_id=new_id(),
        user="ada",
        tags={"k": ODD_TEXT},
        properties={"AUC": "0.9"},
        aliases=["does not count"],
    )

    first = registry.add_version(name, given, create=True)
    second = registry.add_version(name, ModelVersion(version=77, name="does not count"))

    expected = msgspec.structs.replace(
        given, name=name, version=1, created_ms=first.created_ms, updated_ms=first.updated_ms, aliases=[]
    )
    assert first == expected
    assert registry.get_version(name, 1) == first
    assert first.created_ms > 1_750_000_000_000
    assert (second.name, second.version, second.stage) == (name, 2, "None")
    assert registry.get_model(name).versions == 2


def test_a_version_needs_its_model_unless_told_to_make_it(registry: Registry, name: str) -> None:
    with pytest.raises(NotFoundError, match=name):
        registry.add_version(name, ModelVersion())

    assert registry.add_version(name, ModelVersion(), create=True).version == 1
    assert registry.add_version(name, ModelVersion(), create=True).version == 2


def test_the_number_of_a_deleted_version_is_not_given_again(registry: Registry, name: str) -> None:
    for _ in range(3):
        registry.add_version(name, ModelVersion(), create=True)

    registry.delete_version(name, 3)

    assert registry.add_version(name, ModelVersion()).version == 4
    assert [one.version for one in registry.search_versions(VersionQuery(name=name)).versions] == [4, 2, 1]


def test_a_version_is_edited(registry: Registry, name: str) -> None:
    registry.add_version(name, ModelVersion(description="why", tags={"a": "1"}, properties={"p": "1"}), create=True)

    edited = registry.edit_version(name, 1, VersionEdit(tags={"a": None, "b": "2"}, properties={"p": "1", "q": "2"}))

    assert (edited.description, edited.tags, edited.properties) == ("why", {"b": "2"}, {"p": "1", "q": "2"})
    assert registry.get_version(name, 1) == edited
    with pytest.raises(ConflictError, match="Property `p`"):
        registry.edit_version(name, 1, VersionEdit(properties={"p": "3", "r": "3"}, tags={"c": "3"}))
    assert registry.get_version(name, 1) == edited


def test_a_stage_moves_and_may_archive_the_others(registry: Registry, name: str) -> None:
    for _ in range(3):
        registry.add_version(name, ModelVersion(), create=True)
    registry.edit_version(name, 1, VersionEdit(stage="Production"))
    registry.edit_version(name, 2, VersionEdit(stage="Production"))
    both = [one.stage for one in registry.search_versions(VersionQuery(name=name)).versions]

    registry.edit_version(name, 3, VersionEdit(stage="Production", archive_others=True))

    assert both == ["None", "Production", "Production"]
    after = {one.version: one.stage for one in registry.search_versions(VersionQuery(name=name)).versions}
    assert after == {1: "Archived", 2: "Archived", 3: "Production"}


def test_a_model_shows_the_highest_version_of_each_stage(registry: Registry, name: str) -> None:
    for stage in ("None", "Production", "None", "Production", "Archived"):
        registry.add_version(name, ModelVersion(stage=stage), create=True)

    latest = registry.get_model(name).latest

    assert {one.stage: one.version for one in latest} == {"None": 3, "Production": 4, "Archived": 5}
    assert latest[0] == registry.get_version(name, 5)


@pytest.mark.parametrize("stage", ["production", "", "Done"])
def test_an_unknown_stage_is_refused(registry: Registry, name: str, stage: str) -> None:
    registry.add_version(name, ModelVersion(), create=True)

    with pytest.raises(InvalidValueError, match=STAGES[1]):
        registry.edit_version(name, 1, VersionEdit(stage=stage))
    with pytest.raises(InvalidValueError, match=STAGES[1]):
        registry.add_version(name, ModelVersion(stage=stage))
    assert registry.get_model(name).versions == 1


def test_nul_in_a_label_becomes_its_sign(registry: Registry, name: str) -> None:
    version = registry.add_version(name, ModelVersion(tags={"a\x00": "b\x00"}, description="\x00"), create=True)

    assert (version.tags, version.description) == ({"a␀": "b␀"}, "␀")


def test_the_files_of_a_version_are_found_by_what_it_says(registry: Registry, experiment: str, name: str) -> None:
    model_id = logged(registry, experiment).id
    sources = {
        "runs:/abc/outputs/model/": ("abc", "outputs/model"),
        "runs:/abc": ("abc", ""),
        f"models:/{model_id}": (model_id, ""),
        f"models:/{name}/1": ("abc", "outputs/model"),
        f"models:/{name}/4": ("abc", "outputs/model"),
        f"models:/{name}/6": None,  # a ring
        "s3://bucket/runs:/abc/model": None,
        "": None,
    }
    for source in sources:
        registry.add_version(name, ModelVersion(source=source), create=True)
    both = registry.add_version(name, ModelVersion(source="runs:/abc/x", model_id=model_id))

    found = [files_of(registry, registry.get_version(name, number)) for number in range(1, len(sources) + 1)]

    assert found == list(sources.values())
    assert files_of(registry, both) == (model_id, "")
    registry.delete_version(name, 1)
    with pytest.raises(NotFoundError):
        files_of(registry, registry.get_version(name, 5))


# ── aliases ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_alias_points_to_one_version_and_dies_with_it(registry: Registry, name: str) -> None:
    for _ in range(2):
        registry.add_version(name, ModelVersion(), create=True)

    registry.edit_model(name, ModelEdit(aliases={"best": 1, "champion": 1}))
    registry.edit_model(name, ModelEdit(aliases={"champion": 2, "gone": None}))

    assert registry.get_model(name).aliases == {"best": 1, "champion": 2}
    assert registry.get_version(name, 1).aliases == ["best"]
    assert registry.get_version(name, 2).aliases == ["champion"]
    registry.delete_version(name, 2)
    assert registry.get_model(name).aliases == {"best": 1}
    assert registry.edit_model(name, ModelEdit(aliases={"best": None})).aliases == {}


@pytest.mark.parametrize("alias", ["", "a b", "latest", "LATEST", "v1", "V22", "a/b", "é!", "x" * 256])
def test_an_unusable_alias_is_refused(registry: Registry, name: str, alias: str) -> None:
    registry.add_version(name, ModelVersion(), create=True)

    with pytest.raises(InvalidValueError):
        registry.edit_model(name, ModelEdit(aliases={alias: 1}))
    assert registry.get_model(name).aliases == {}


# ── concurrency ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_threads_never_get_the_same_version_nor_lose_a_tag(registry: Registry, name: str) -> None:
    def add(number: int) -> int:
        version = registry.add_version(name, ModelVersion(source=str(number)), create=True)
        registry.edit_model(name, ModelEdit(tags={f"t{number}": "x"}))
        return version.version

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(add, range(40)))

    assert sorted(given) == list(range(1, 41))
    assert len(registry.get_model(name).tags) == 40
    sources = {one.version: one.source for one in registry.search_versions(VersionQuery(name=name)).versions}
    assert sources == {version: str(number) for number, version in enumerate(given)}


def test_of_many_that_want_a_name_at_once_one_gets_it(registry: Registry, name: str) -> None:
    for number in range(12):
        registry.create_model(f"{name}-{number}")

    def take(number: int) -> bool:
        try:
            if number % 3:
                registry.edit_model(f"{name}-{number}", ModelEdit(name=name))
            else:
                registry.create_model(name)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(take, range(12))) == 1


# ── searching ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_models_are_found_by_words(registry: Registry, name: str) -> None:
    registry.create_model(f"{name}-ridge", description="of Diabetes", tags={"team": "Vision"})
    registry.create_model(f"{name}-net", description="of digits")

    def found(text: str) -> list[str]:
        return [model.name.removeprefix(f"{name}-") for model in registry.search_models(ModelQuery(text=text)).models]

    assert found(name) == ["net", "ridge"]
    assert found(f"{name} DIABETES vision") == ["ridge"]
    assert found(f"{name} nothing") == []


def test_models_are_ordered_and_come_in_pages(registry: Registry, name: str) -> None:
    for suffix in ("b", "c", "a"):
        registry.add_version(f"{name}-{suffix}", ModelVersion(), create=True)

    def walk(*order: str) -> str:
        found, token = "", None
        while True:
            page = registry.search_models(ModelQuery(text=name, order_by=list(order), limit=1, page_token=token))
            found += "".join(model.name[-1] for model in page.models)
            token = page.next_page_token
            if token is None:
                return found
            assert page.models[0].versions == 1

    assert (walk("name"), walk("-name")) == ("abc", "cba")
    assert walk("-created", "name") in ("acb", "abc", "bac", "bca", "cab", "cba")
    registry.edit_model(f"{name}-b", ModelEdit(description="later"))
    assert walk("updated", "name")[-1] == "b"


def test_a_walk_through_pages_is_not_disturbed(registry: Registry, name: str) -> None:
    for _ in range(5):
        registry.add_version(name, ModelVersion(), create=True)
    query = VersionQuery(name=name, order_by=["version"], limit=2)

    first = registry.search_versions(query)
    registry.delete_version(name, 2)
    registry.delete_version(name, 1)
    second = registry.search_versions(msgspec.structs.replace(query, page_token=first.next_page_token))
    third = registry.search_versions(msgspec.structs.replace(query, page_token=second.next_page_token))

    assert [[one.version for one in page.versions] for page in (first, second, third)] == [[1, 2], [3, 4], [5]]
    assert third.next_page_token is None
    full = registry.search_versions(msgspec.structs.replace(query, limit=3))
    assert (len(full.versions), full.next_page_token) == (3, None)  # just full is the last


def test_a_filter_speaks_of_attributes_and_tags(registry: Registry, name: str) -> None:
    for number in range(3):
        registry.add_version(name, ModelVersion(run_id=f"run-{number}", tags={"n": str(number)}), create=True)
        registry.create_model(f"{name}-{number}", tags={"n": str(number)})
    registry.edit_version(name, 2, VersionEdit(stage="Staging"))

    def versions(filter_text: str) -> list[int]:
        query = VersionQuery(name=name, filter=filter_text, order_by=["version_number DESC"])
        return [version.version for version in registry.search_versions(query).versions]

    def models(filter_text: str) -> list[str]:
        return [model.name[-1] for model in registry.search_models(ModelQuery(filter=filter_text)).models]

    assert versions("tags.n = '0' or tags.n = '2'") == [3, 1]
    assert versions("version_number > 1 and not run_id = 'run-2'") == [2]
    assert versions("stage = 'Staging'") == versions("current_stage ilike 'stag%'") == [2]
    assert versions("created < '-1h'") == []
    assert models(f"name like '{name}-%' and tags.n != '1'") == ["0", "2"]
    assert models(f"name = '{name}'") == [name[-1]]


def test_a_filter_speaks_of_metrics_of_logged_models(registry: Registry, experiment: str) -> None:
    for name, value in {"good": 0.9, "bad": 0.1}.items():
        metrics = [
            LoggedModelMetric("acc", value),
            LoggedModelMetric("acc", 1 - value, 1, dataset_name="test", dataset_digest="d"),
        ]
        logged(registry, experiment, name=name, metrics=metrics, params={"depth": "3"}, type=f"sk-{name}")

    def found(filter_text: str, *datasets: tuple[str, str]) -> list[str]:
        query = LoggedModelQuery(experiments=[experiment], filter=filter_text, datasets=list(datasets), order_by=["name"])
        return [model.name for model in registry.search_logged_models(query).models]

    assert found("metrics.acc > 0.5") == ["bad"]  # the last of all data sets
    assert found("metrics.acc > 0.5", ("test", "")) == ["bad"]
    assert found("metrics.acc > 0.5", ("test", "other")) == found("metrics.acc > 0.5", ("train", "")) == []
    assert found("params.depth = '3' and model_type = 'sk-good'") == ["good"]
    assert found("status = 'PENDING' and metrics.acc is not null") == ["bad", "good"]


@pytest.mark.parametrize("condition", ["nothing = 'x'", "metrics.x > 1", "name = 3", "name ="])
def test_a_filter_of_what_models_have_not_is_refused(registry: Registry, condition: str) -> None:
    with pytest.raises(FilterError) as refused:
        registry.search_models(ModelQuery(filter=condition))
    assert refused.value.parameter == "filter"
    with pytest.raises(FilterError):
        registry.search_versions(VersionQuery(filter=condition))


@pytest.mark.parametrize(
    "flaw",
    [
        {"limit": 0},
        {"limit": 10_001},
        {"order_by": ["nothing"]},
        {"order_by": ["tag:"]},
        {"page_token": "?"},
        {"page_token": "W10"},
    ],
)
def test_a_wrong_query_is_refused(registry: Registry, flaw: dict[str, Any]) -> None:
    (parameter,) = flaw

    for search, query in (
        (registry.search_models, ModelQuery(**flaw)),
        (registry.search_versions, VersionQuery(**flaw)),
        (registry.search_logged_models, LoggedModelQuery(**flaw)),
    ):
        with pytest.raises(InvalidValueError) as refused:
            search(query)  # type: ignore[operator]
        assert refused.value.parameter == parameter


def test_a_page_token_of_another_order_is_refused(registry: Registry, name: str) -> None:
    for _ in range(2):
        registry.add_version(name, ModelVersion(), create=True)
    token = registry.search_versions(VersionQuery(name=name, limit=1)).next_page_token

    with pytest.raises(InvalidValueError, match="page token"):
        registry.search_versions(VersionQuery(name=name, limit=1, order_by=["version"], page_token=token))


# ── logged models ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_logged_model_keeps_all_it_is_given(registry: Registry, experiment: str) -> None:
    given = LoggedModel(
        id=new_id(),
        experiment=experiment,
        name="net",
        status=LoggedModelStatus.READY,
        type="sklearn",
        source_run_id="run",
        params={"lr": "0.1"},
        tags={"k": ODD_TEXT},
        metrics=[
            LoggedModelMetric("loss", 0.5, 3, 1_750_000_000_000, "run", "digits", "abc"),
            LoggedModelMetric("acc", math.inf, 0),
        ],
        registrations=[("does not count", 1)],
        deleted=True,  # nor does this
    )

    made = registry.create_logged_model(given)

    assert made == msgspec.structs.replace(
        given, created_ms=made.created_ms, updated_ms=made.updated_ms, registrations=[], deleted=False
    )
    assert registry.get_logged_model(given.id) == made
    assert made.created_ms > 1_750_000_000_000


@pytest.mark.parametrize("model_id", ["", "m-", "m-xyz", "run", "m-" + "A" * 32, "m-" + "0" * 33, "../" + "0" * 32])
def test_an_id_of_another_form_is_refused(registry: Registry, experiment: str, model_id: str) -> None:
    with pytest.raises(InvalidValueError):
        registry.create_logged_model(LoggedModel(model_id, experiment, "net"))
    with pytest.raises(NotFoundError):
        registry.get_logged_model(model_id)


def test_an_id_is_given_once(registry: Registry, experiment: str) -> None:
    model = logged(registry, experiment)

    with pytest.raises(ConflictError, match=model.id):
        registry.create_logged_model(LoggedModel(model.id, experiment, "other"))
    assert registry.get_logged_model(model.id).name == "net"


def test_a_logged_model_makes_its_experiment(store: Store, experiment: str) -> None:
    logged(store.registry, experiment)

    (info,) = [info for info in store.experiments() if info.name == experiment]
    assert info.runs == 0


@pytest.mark.parametrize("flaw", [{"name": " "}, {"experiment": ""}, {"name": "a\x00"}, {"params": {"": "1"}}])
def test_a_logged_model_with_a_flaw_is_refused(registry: Registry, experiment: str, flaw: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        registry.create_logged_model(LoggedModel(**{"id": new_id(), "experiment": experiment, "name": "net"} | flaw))
    assert registry.search_logged_models(LoggedModelQuery(experiments=[experiment])).models == []


def test_a_logged_model_is_edited(registry: Registry, experiment: str) -> None:
    model = logged(registry, experiment, params={"lr": "0.1"}, tags={"a": "1"})

    edited = registry.edit_logged_model(
        model.id, LoggedModelEdit(LoggedModelStatus.READY, {"a": None, "b": "2"}, {"lr": "0.1", "depth": "3"})
    )

    assert (edited.status, edited.tags) == (LoggedModelStatus.READY, {"b": "2"})
    assert edited.params == {"lr": "0.1", "depth": "3"}
    with pytest.raises(ConflictError, match="Param `lr`"):
        registry.edit_logged_model(model.id, LoggedModelEdit(params={"lr": "0.2"}, tags={"c": "3"}))
    assert registry.get_logged_model(model.id) == edited
    with pytest.raises(NotFoundError):
        registry.edit_logged_model(new_id(), LoggedModelEdit())


def test_of_each_metric_the_last_stays(registry: Registry, experiment: str) -> None:
    model = logged(registry, experiment, metrics=[LoggedModelMetric("loss", 0.5, 5, 50)])

    edited = registry.edit_logged_model(
        model.id,
        LoggedModelEdit(
            metrics=[
                LoggedModelMetric("loss", 0.9, 4, 60),  # earlier by step
                LoggedModelMetric("loss", math.nan, 5, 50),  # as late, given later
                LoggedModelMetric("loss", 0.1, 1, 1, dataset_name="test"),
                LoggedModelMetric("loss", 0.2, 1, 1, run_id="other"),
            ]
        ),
    )

    assert [(one.dataset_name, one.run_id) for one in edited.metrics] == [("", ""), ("test", ""), ("", "other")]
    assert math.isnan(edited.metrics[0].value)
    assert [one.value for one in edited.metrics[1:]] == [0.1, 0.2]
    with pytest.raises(InvalidValueError):
        registry.edit_logged_model(model.id, LoggedModelEdit(metrics=[LoggedModelMetric("", 1.0)]))


def test_a_logged_model_tells_what_was_registered_of_it(registry: Registry, experiment: str, name: str) -> None:
    model = logged(registry, experiment)
    for suffix in ("b", "a", "b"):
        registry.add_version(f"{name}-{suffix}", ModelVersion(model_id=model.id), create=True)

    registrations = [(f"{name}-a", 1), (f"{name}-b", 1), (f"{name}-b", 2)]
    assert registry.get_logged_model(model.id).registrations == registrations
    (found,) = registry.search_logged_models(LoggedModelQuery(ids=[model.id])).models
    assert found.registrations == registrations


def test_a_deleted_logged_model_is_got_but_not_found(registry: Registry, experiment: str) -> None:
    model = logged(registry, experiment)

    deleted = registry.edit_logged_model(model.id, LoggedModelEdit(deleted=True))

    assert deleted.deleted
    assert registry.get_logged_model(model.id).deleted
    assert registry.search_logged_models(LoggedModelQuery(experiments=[experiment])).models == []
    registry.edit_logged_model(model.id, LoggedModelEdit(deleted=False))
    assert len(registry.search_logged_models(LoggedModelQuery(experiments=[experiment])).models) == 1


def test_logged_models_are_found_by_where_they_are_from(registry: Registry, experiment: str) -> None:
    one = logged(registry, experiment, source_run_id=f"{experiment}-run")
    two = logged(registry, f"{experiment}-2", source_run_id=f"{experiment}-run")

    def found(**query: Any) -> set[str]:
        return {model.id for model in registry.search_logged_models(LoggedModelQuery(**query)).models}

    assert found(experiments=[experiment]) == {one.id}
    assert found(experiments=[experiment, f"{experiment}-2", "none such"]) == {one.id, two.id}
    assert found(experiments=[]) == set()
    assert found(source_run_id=f"{experiment}-run") == {one.id, two.id}
    assert found(source_run_id=f"{experiment}-run", ids=[two.id, "x\x00"]) == {two.id}


def test_logged_models_are_ordered_by_whatever_they_have(registry: Registry, experiment: str) -> None:
    values = {"high": 2.0, "low": 1.0, "nan": math.nan, "inf": math.inf}
    for name, value in values.items():
        metrics = [LoggedModelMetric("acc", value, 1), LoggedModelMetric("acc", -value, 0, dataset_name="test")]
        logged(registry, experiment, name=name, metrics=metrics, tags={"t": name})
    logged(registry, experiment, name="without")

    def ordered(*order: str, **query: Any) -> list[str]:
        found, token = [], None
        while True:
            page = registry.search_logged_models(
                LoggedModelQuery(experiments=[experiment], order_by=list(order), limit=2, page_token=token, **query)
            )
            found += [model.name for model in page.models]
            token = page.next_page_token
            if token is None:
                return found

    assert ordered("metric:acc") == ["low", "high", "inf", "nan", "without"]
    assert ordered("-metric:acc") == ["inf", "high", "low", "nan", "without"]
    assert ordered("metric:acc", datasets=[("test", "")]) == ["inf", "high", "low", "nan", "without"]
    assert ordered("-tag:t") == ["nan", "low", "inf", "high", "without"]
    assert ordered("-name") == ["without", "nan", "low", "inf", "high"]
    assert ordered("param:none") == ["without", "inf", "nan", "low", "high"]  # equal ones newest first


# ── live readers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_change_of_the_registry_is_told(store: Store, experiment: str, name: str) -> None:
    registry, model_id = store.registry, new_id()

    def newest() -> int:
        return store.changes(since=-1)[0].id

    for change in (
        lambda: registry.create_model(name),
        lambda: registry.add_version(name, ModelVersion()),
        lambda: registry.edit_model(name, ModelEdit(aliases={"best": 1})),
        lambda: registry.edit_version(name, 1, VersionEdit(stage="Staging")),
        lambda: registry.delete_version(name, 1),
        lambda: registry.delete_model(name),
        lambda: registry.create_logged_model(LoggedModel(model_id, experiment, "net")),
        lambda: registry.edit_logged_model(model_id, LoggedModelEdit(LoggedModelStatus.READY)),
    ):
        before = newest() if store.changes(since=-1) else 0
        change()
        (told,) = store.changes(since=before)
        assert (told.run_id, told.experiment, told.what) == ("", "", ["models"])


def test_what_fails_is_not_told(store: Store, name: str) -> None:
    store.registry.create_model(name)
    before = store.changes(since=-1)

    with pytest.raises(ConflictError):
        store.registry.create_model(name)
    with pytest.raises(NotFoundError):
        store.registry.edit_model(name, ModelEdit(description="x", aliases={"best": 9}))

    assert store.changes(since=-1) == before
    assert store.registry.get_model(name).description == ""
