"""Which params, tags and metrics the runs of an experiment have.

An index holds one entry a run; there may be a hundred thousand runs and ten names. So the index is not walked but jumped over:
each step asks for the least name after the last one (a loose index scan, https://wiki.postgresql.org/wiki/Loose_indexscan).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from tracklog.storage import RunKeys

_MAX_EXPERIMENTS = 100  # of all, those with the latest runs
_MAX_NAMES = 20_000  # of each kind


def run_keys(connection: Connection, experiment: str | None) -> RunKeys:
    """Return the names that runs of an experiment have, or of the experiments that ran last."""
    if experiment is not None:
        found = text("SELECT pk FROM experiments WHERE name = :name")
        pks = connection.execute(found, {"name": experiment.replace("\x00", "␀")}).scalars().all()
    else:
        latest = text(
            "SELECT e.pk FROM experiments e WHERE e.deleted_ms IS NULL"
            " ORDER BY (SELECT max(r.start_ms) FROM runs r WHERE r.experiment_pk = e.pk) DESC LIMIT :n"
        )
        pks = connection.execute(latest, {"n": _MAX_EXPERIMENTS}).scalars().all()
    return RunKeys(
        # Each of the two has an index of its own.
        params=_names(connection, pks, "params", "number IS NOT NULL", "number IS NULL"),
        tags=_names(connection, pks, "tags", "1 = 1"),
        metrics=_names(connection, pks, "series", "col = '' AND is_text = 0"),
    )


def _names(connection: Connection, experiment_pks: Any, table: str, *conditions: str) -> list[str]:
    names: set[str] = set()
    for condition in conditions:
        least = f"SELECT min(v.name) FROM {table} v WHERE v.experiment_pk = :experiment AND {condition}"
        statement = text(
            f"WITH RECURSIVE found(name, n) AS (SELECT ({least}), 1 UNION ALL"
            f" SELECT ({least} AND v.name > found.name), n + 1 FROM found WHERE found.name IS NOT NULL AND n < :most)"
            " SELECT name FROM found WHERE name IS NOT NULL"
        )
        for pk in experiment_pks:
            if len(names) < _MAX_NAMES:
                names.update(connection.execute(statement, {"experiment": pk, "most": _MAX_NAMES}).scalars())
    return sorted(names)[:_MAX_NAMES]
