"""The contract of `Store.traces`."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest

from tracklog.errors import FilterError, InvalidValueError, NotFoundError
from tracklog.storage import Store
from tracklog.storage.traces import Trace, TraceEdit, TraceQuery


def _trace(experiment: str, time_ms: int = 1000, **given: Any) -> Trace:
    return Trace(id=f"tr-{uuid.uuid4().hex}", experiment=experiment, time_ms=time_ms, **given)


def _ids(store: Store, experiment: str, **query: Any) -> list[str]:
    chosen = TraceQuery([store.experiment(experiment).id], **query)
    return [trace.id for trace in store.traces.search_traces(chosen).traces]


def test_a_trace_comes_back_as_it_was_given(store: Store, experiment: str) -> None:
    given = _trace(
        experiment,
        name="predict",
        run_id="r1",
        duration_ms=17,
        state="OK",
        request='{"x": 1}',
        response="é\x00",
        tags={"a": "1", "empty": ""},
        metadata={"user": "ada"},
    )

    made = store.traces.put_trace(given)

    expected = msgspec.structs.replace(given, experiment_id=store.experiment(experiment).id, response="é␀")
    assert made == store.traces.get_trace(given.id) == expected


def test_a_trace_given_again_is_replaced_and_keeps_its_spans(store: Store, experiment: str) -> None:
    trace = store.traces.put_trace(_trace(experiment, state="IN_PROGRESS"))
    store.traces.put_spans(trace.id, b"spans \xff")

    store.traces.put_trace(msgspec.structs.replace(trace, state="OK", duration_ms=5))

    found = store.traces.get_trace(trace.id)
    assert (found.state, found.duration_ms, found.has_spans) == ("OK", 5, True)
    assert store.traces.spans(trace.id) == b"spans \xff"


def test_a_trace_is_edited(store: Store, experiment: str) -> None:
    trace = store.traces.put_trace(_trace(experiment, tags={"a": "1", "b": "2"}, metadata={"m": "1"}))

    store.traces.edit_trace(trace.id, TraceEdit(state="ERROR", duration_ms=3, run_id="r", tags={"a": None, "c": "3"}))
    found = store.traces.edit_trace(trace.id, TraceEdit(metadata={"n": "2"}))

    assert (found.state, found.duration_ms, found.run_id) == ("ERROR", 3, "r")
    assert (found.tags, found.metadata) == ({"b": "2", "c": "3"}, {"m": "1", "n": "2"})


def test_traces_are_found_newest_first_and_in_pages(store: Store, experiment: str) -> None:
    made = [store.traces.put_trace(_trace(experiment, time_ms=1000 + i // 2)).id for i in range(7)]

    assert _ids(store, experiment) == made[::-1]
    assert _ids(store, experiment, oldest_first=True) == made
    seen: list[str] = []
    token = None
    while True:
        page = store.traces.search_traces(TraceQuery([store.experiment(experiment).id], limit=3, page_token=token))
        seen += [trace.id for trace in page.traces]
        token = page.next_page_token
        if token is None:
            break
    assert seen == made[::-1]
    assert store.traces.search_traces(TraceQuery([])).traces == []


def test_traces_are_filtered(store: Store, experiment: str) -> None:
    ok = store.traces.put_trace(_trace(experiment, 1, name="a", state="OK", duration_ms=5, tags={"k": "x"})).id
    bad = store.traces.put_trace(_trace(experiment, 2, name="b", state="ERROR", run_id="r9")).id

    assert _ids(store, experiment, filter="state = 'OK'") == [ok]
    assert _ids(store, experiment, filter="name = 'b' or tags.k = 'x'") == [bad, ok]
    assert _ids(store, experiment, filter="duration > 1") == [ok]
    assert _ids(store, experiment, filter="run_id = 'r9'") == [bad]
    assert _ids(store, experiment, filter="time >= 2") == [bad]
    with pytest.raises(FilterError):
        _ids(store, experiment, filter="metrics.a > 1")


def test_deleted_traces_are_gone(store: Store, experiment: str) -> None:
    trace = store.traces.put_trace(_trace(experiment))
    store.traces.put_spans(trace.id, b"x")

    assert store.traces.delete_traces([trace.id, "tr-unknown"]) == 1
    assert _ids(store, experiment) == []
    for ask in (store.traces.get_trace, store.traces.spans):
        with pytest.raises(NotFoundError):
            ask(trace.id)


def test_an_experiment_takes_its_traces_along(store: Store, experiment: str) -> None:
    trace = store.traces.put_trace(_trace(experiment))

    store.delete_experiment(experiment)

    with pytest.raises(NotFoundError):
        store.traces.get_trace(trace.id)


def test_what_is_not_there_is_not_found(store: Store, experiment: str) -> None:
    for ask in (
        lambda: store.traces.get_trace("tr-none"),
        lambda: store.traces.edit_trace("tr-none", TraceEdit()),
        lambda: store.traces.put_spans("tr-none", b"x"),
        lambda: store.traces.spans(store.traces.put_trace(_trace(experiment)).id),
    ):
        with pytest.raises(NotFoundError):
            ask()


@pytest.mark.parametrize("flaw", [{"id": ""}, {"id": "a/b"}, {"id": "x" * 300}, {"experiment": " "}, {"experiment": "a\x00"}])
def test_a_trace_with_a_flaw_is_refused(store: Store, experiment: str, flaw: dict[str, str]) -> None:
    with pytest.raises(InvalidValueError):
        store.traces.put_trace(msgspec.structs.replace(_trace(experiment), **flaw))


@pytest.mark.parametrize("flaw", [{"limit": 0}, {"limit": 501}, {"page_token": "x"}, {"filter": "name ="}])
def test_a_wrong_search_is_refused(store: Store, experiment: str, flaw: dict[str, Any]) -> None:
    store.traces.put_trace(_trace(experiment))

    with pytest.raises(InvalidValueError):
        _ids(store, experiment, **flaw)
