"""Workspaces of older formats are brought up to date, and used."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.batches import T0_MS, Writer
from tests.postgres import postgres_server
from tracklog.storage import ExperimentEdit, RunQuery, catalog
from tracklog.storage.local import LocalStore


def make_format_2(monkeypatch: pytest.MonkeyPatch, folder: Path, url: str | None) -> None:
    """Make a workspace as format 2 was, with an experiment of three runs."""
    with monkeypatch.context() as older:
        older.setattr(catalog, "_MIGRATIONS", catalog._MIGRATIONS[:2])
        older.setattr(catalog, "FORMAT", 2)
        folder.mkdir()
        made = catalog.Catalog(folder, url)
        made.open()
        made.close()
    engine = create_engine(url or f"sqlite:///{folder / 'workspace.db'}")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO experiments (name, created_ms, next_number) VALUES ('old', 5, 4)"))
        for number in (1, 2, 3):
            connection.execute(
                text(
                    "INSERT INTO runs (id, experiment_pk, number, name, name_key, status, status_ms, start_ms, end_ms,"
                    " heartbeat_ms, type, user_name, description) VALUES (:id, 1, :number, :id, :id, 'Completed', 0, :start,"
                    " :start, :start, '', 'ada', '')"
                ),
                {"id": f"run-{number}", "number": number, "start": T0_MS + number},
            )
            connection.execute(
                text("INSERT INTO params (run_pk, name, kind, value, number) VALUES (:run, 'lr', 'f', '0.5', 0.5)"),
                {"run": number},
            )
            connection.execute(text("INSERT INTO tags (run_pk, name, value) VALUES (:run, 'team', 'a')"), {"run": number})
    engine.dispose()


def use_as_any_other(folder: Path, url: str | None) -> None:
    store = LocalStore(folder, database_url=url)
    assert [run.id for run in store.search_runs(RunQuery(experiment="old")).runs] == ["run-3", "run-2", "run-1"]
    run = store.get_run("run-1")
    assert (run.params, run.tags, run.archived, run.datasets) == ({"lr": 0.5}, {"team": "a"}, False, [])
    info = store.experiment("old")
    assert (info.created_ms, info.updated_ms, info.deleted_ms, info.runs) == (5, 5, None, 3)

    store.apply(Writer(experiment="old").start(params={"lr": 0.5}, tags={"team": "a"}).log("loss", 1.0).batch())
    store.edit_experiment("old", ExperimentEdit(deleted=True))
    assert store.search_runs(RunQuery(experiment="old", deleted=True)).total == 4
    assert store.gc().runs_deleted == 4
    store.close()


def test_a_workspace_of_format_2_is_upgraded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_format_2(monkeypatch, tmp_path / "workspace", None)

    use_as_any_other(tmp_path / "workspace", None)


def test_a_catalog_of_format_2_in_postgresql_is_upgraded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with postgres_server() as server, server.database() as url:
        make_format_2(monkeypatch, tmp_path / "workspace", url)

        use_as_any_other(tmp_path / "workspace", url)
