"""Searching: MLflow's filters and orders, said in the store's words.

The language is the store's own, of which MLflow's is a part; so `or`, `not` and parentheses work for MLflow's clients, too.
What differs is vocabulary: MLflow's attributes, and tags that are facts of a run here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tracklog.errors import FilterError
from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.routing import AnyRoute, Context, Route
from tracklog.server.mlflow_api.view import FACT_OF_TAG, experiment_id
from tracklog.server.mlflow_api.wire import Refused, Request
from tracklog.storage import MAX_PAGE, RunInfo, RunQuery
from tracklog.storage.filters import And, Comparison, Condition, Entity, Not, Or, parse, parse_order, to_text

MAX_DATASET_EXPERIMENTS = 20
MAX_DATASETS = 1000
_DATASET_CONTEXT = "mlflow.data.context"

_ATTRIBUTES = {
    "run_id": "id",
    "run_name": "name",
    "run name": "name",
    "Run name": "name",
    "Run Name": "name",
    "user_id": "user",
    "start_time": "start",
    "created": "start",
    "Created": "start",
    "end_time": "end",
    "status": "status",
    "artifact_uri": "id",  # which ends with it
}


class SearchRuns(Request):
    """Which runs, in which order."""

    experiment_ids: list[str] = []
    filter: str = ""
    run_view_type: str | int = "ACTIVE_ONLY"
    max_results: int = 1000
    order_by: list[str] = []
    page_token: str = ""


class SearchDatasets(Request):
    """Whose data sets."""

    experiment_ids: list[str] = []


def search_runs(context: Context, request: SearchRuns) -> object:
    """Find runs."""
    if request.max_results > wire.MAX_RESULTS:
        raise wire.mistyped("max_results", request.max_results)
    runs, token = find_runs(
        context,
        [experiment_id(one) for one in request.experiment_ids],
        condition=native_filter(request.filter),
        order_by=native_order(request.order_by),
        deleted=deleted_of(request.run_view_type),
        limit=wire.check_max_results(request.max_results),
        page_token=request.page_token,
    )
    return wire.page_of("runs", [context.view.shown_run(run) for run in runs], token)


def find_runs(
    context: Context,
    experiment_ids: list[str],
    *,
    condition: str = "",
    order_by: list[str],
    deleted: bool | None = False,
    limit: int,
    page_token: str = "",
) -> tuple[list[RunInfo], str]:
    """Return one page of runs, however many the store gives at once, and the token of the next one, "" on the last."""
    if not experiment_ids:
        return [], ""
    query = RunQuery(
        experiment_ids=experiment_ids,
        filter=condition,
        deleted=deleted,
        order_by=order_by,
        limit=min(limit, MAX_PAGE),
        page_token=page_token or None,
        count=False,
    )
    found: list[RunInfo] = []
    while True:
        page = context.store.search_runs(query)
        found += page.runs
        if page.next_page_token is None or len(found) >= limit:
            return found, page.next_page_token or ""
        query = msgspec.structs.replace(query, limit=min(limit - len(found), MAX_PAGE), page_token=page.next_page_token)


def search_datasets(context: Context, request: SearchDatasets) -> object:
    """Return the data sets that runs of some experiments read, each once."""
    if not request.experiment_ids:
        raise Refused("SearchDatasets request must specify at least one experiment_id.")
    if len(request.experiment_ids) > MAX_DATASET_EXPERIMENTS:
        raise Refused(
            f"SearchDatasets request cannot specify more than {MAX_DATASET_EXPERIMENTS} experiment_ids. "
            f"Received {len(request.experiment_ids)} experiment_ids."
        )
    ids = [experiment_id(one) for one in request.experiment_ids]
    found: dict[tuple[str, str, str, str | None], dict[str, Any]] = {}
    token = ""
    while len(found) < MAX_DATASETS:
        runs, token = find_runs(
            context, ids, condition="datasets.name is not null", order_by=["-start"], limit=MAX_PAGE, page_token=token
        )
        for run in runs:
            for one in run.datasets:
                use = one.tags.get(_DATASET_CONTEXT)
                shown = {"experiment_id": run.experiment_id, "name": one.name, "digest": one.digest}
                found[run.experiment_id, one.name, one.digest, use] = shown | ({} if use is None else {"context": use})
        if not token:
            break
    return {"dataset_summaries": list(found.values())[:MAX_DATASETS]} if found else {}


def deleted_of(view_type: str | int) -> bool | None:
    """Return what a view type says of deleted things: without, only, or also (None)."""
    words = {"ACTIVE_ONLY": False, "DELETED_ONLY": True, "ALL": None, "1": False, "2": True, "3": None}
    return words.get(str(view_type), False)  # MLflow takes what it does not know for the default


def native_filter(text: str) -> str:
    """Return a filter of runs in the store's words.

    Raises:
        FilterError: not in the language.
        Refused: of an attribute that runs do not have.
    """
    condition = parse(text)
    check_attributes(condition, _ATTRIBUTES)
    return "" if condition is None else to_text(_native(condition))


def check_attributes(condition: Condition | None, known: Sequence[str] | dict[str, str]) -> None:
    """Refuse what MLflow refuses, in the words that its users know."""
    if isinstance(condition, Comparison):
        if condition.entity == "attribute" and condition.key not in known:
            raise invalid_attribute(condition.key, known)
        if condition.entity == "metric" and isinstance(condition.value, str):
            raise Refused(f"Expected numeric value type for metric. Found '{condition.value}'")
        if condition.entity == "tag" and isinstance(condition.value, float):
            raise Refused(f"Expected a quoted string value for tag (e.g. 'my-value'). Got value {condition.value}")
    elif isinstance(condition, Not):
        check_attributes(condition.condition, known)
    elif condition is not None:
        for one in condition.conditions:
            check_attributes(one, known)


def invalid_attribute(key: str, known: Sequence[str] | dict[str, str]) -> Refused:
    """Return the error for an attribute there is not."""
    return Refused(f"Invalid attribute key '{key}' specified. Valid keys are '{set(known)}'")


def _native(condition: Condition) -> Condition:
    if isinstance(condition, Not):
        return Not(_native(condition.condition))
    if isinstance(condition, And):
        return And(tuple(_native(one) for one in condition.conditions))
    if isinstance(condition, Or):
        return Or(tuple(_native(one) for one in condition.conditions))
    if condition.entity == "tag" and condition.key in FACT_OF_TAG:
        return _of_fact(replace(condition, entity="attribute", key=FACT_OF_TAG[condition.key]))
    if condition.entity == "attribute":
        if condition.key == "artifact_uri":
            condition = _by_artifact_uri(condition)
        return replace(condition, key=_ATTRIBUTES.get(condition.key, condition.key))
    return condition


def _of_fact(condition: Comparison) -> Condition:
    """Return a comparison of a fact whose tag is not there when it is empty."""
    if condition.key not in ("user", "description"):
        return condition
    if condition.operator == "is null":
        return replace(condition, operator="=", value="")
    there = replace(condition, operator="!=", value="")
    return there if condition.operator == "is not null" else And((there, condition))


def _by_artifact_uri(condition: Comparison) -> Comparison:
    """Return a comparison of the address of a run's files as one of its id, which that ends with."""

    def id_of(address: object) -> str:
        parts = str(address).rstrip("/").removesuffix("/artifacts").rsplit("/", 1)
        return parts[-1]

    if condition.operator in ("=", "!="):
        return replace(condition, value=id_of(condition.value))
    if condition.operator in ("in", "not in") and isinstance(condition.value, tuple):
        return replace(condition, value=tuple(id_of(one) for one in condition.value))
    raise Refused("artifact_uri can be compared by =, !=, IN and NOT IN only. Search by run_id, or by experiment.")


def order_of(clause: str) -> tuple[Entity, str, bool]:
    """Return (entity, key, whether descending) of an order clause."""
    try:
        return parse_order(clause)
    except FilterError as error:
        raise Refused(f"Invalid order_by clause '{clause}'. Could not be parsed. {error.message}") from None


def native_order(order_by: Sequence[str]) -> list[str]:
    """Return an order of runs in the store's words."""
    words = []
    for clause in order_by:
        entity, key, descending = order_of(clause)
        if entity == "attribute":
            if key not in _ATTRIBUTES:
                raise invalid_attribute(key, _ATTRIBUTES)
            word = _ATTRIBUTES[key]
        elif entity == "tag" and key in FACT_OF_TAG:
            word = FACT_OF_TAG[key]
        else:
            word = f"{entity}:{key}"
        words.append(f"-{word}" if descending else word)
    plain = [word.removeprefix("-") for word in words]
    if len(set(plain)) != len(plain):
        raise Refused(f"`order_by` contains duplicate fields: {list(order_by)}")
    return words or ["-start"]


ROUTES: list[AnyRoute] = [
    Route("POST", "/mlflow/runs/search", SearchRuns, search_runs),
    Route("POST", "/mlflow/experiments/search-datasets", SearchDatasets, search_datasets),
]
