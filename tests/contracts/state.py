"""All that a store holds of a run, in a form that compares: for tests in which nothing may change."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import msgspec

from tracklog.storage import Store

HEARTBEAT = ("heartbeat",)


def state(store: Store, run_id: str) -> dict[str, str]:
    """Return everything stored of a run as text, in which NaN is NaN and 1 is not 1.0."""
    run = store.get_run(run_id)
    files = [(file, b"".join(store.read_artifact(run_id, file.path))) for file in store.artifacts(run_id)]
    held = {
        "run": repr(msgspec.structs.replace(run, heartbeat_ms=0)),
        "heartbeat": repr(run.heartbeat_ms),
        "log": repr(store.log_lines(run_id)),
        "artifacts": repr(files),
        "experiments": repr([info for info in store.experiments() if info.name == run.experiment]),
        "newest change": repr(store.changes(since=-1)),
    }
    for metric in run.metrics:
        columns = store.columns(run_id, metric.name, metric.column)
        points = (columns.steps.tolist(), columns.times_ms.tolist(), columns.values.tolist(), columns.dtypes.tolist())
        held[f"points of {metric.name!r} {metric.column!r}"] = repr(points)
    return held


@contextmanager
def unchanged(store: Store, run_id: str, *, but: Collection[str] = ()) -> Iterator[None]:
    """Assert that the block changes nothing of a run, nor tells live readers of a change; `but` names exceptions."""
    before = state(store, run_id)
    yield
    after = state(store, run_id)
    changed = {topic for topic in before.keys() | after.keys() if before.get(topic) != after.get(topic)}
    assert changed <= set(but)
