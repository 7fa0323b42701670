"""The SQL database of a store: connections, transactions, migrations, and errors in our own words.

SQLite (WAL) or PostgreSQL through SQLAlchemy Core. One writing transaction at a time on SQLite (its own lock orders
writers), any number of readers, each on a snapshot of its own.

Migrations are one numbered forward sequence that both databases share; `meta.format` holds the number reached.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, TextClause, create_engine, event, exc, text

from tracklog.errors import (
    InvalidValueError,
    MissingExtraError,
    StorageFullError,
    StoreError,
    StoreFormatError,
    StoreUnavailableError,
)
from tracklog.locks import locked
from tracklog.storage import DATABASE, DEFAULT_EXPERIMENT
from tracklog.storage.filters import like

BUSY_TIMEOUT_S = 60  # 64 writers that each commit for some ms queue for less; drainers try again after
_OPEN_TIMEOUT_S = 60  # creating a database takes ms; only a stuck network mount takes longer

# {pk}: a key that is never used again; {blob}: bytes. BIGINT, DOUBLE PRECISION and TEXT mean the same to both.
# Migration 1 (0.1): everything. 2: experiments are archived and labelled; their tags are a JSON object.
# 3: the model registry; tags, params and properties of models are JSON objects. 4: archived runs, saved views.
# 5: the experiment `Default` has key 0, as MLflow's clients expect.
# 6: deleted experiments, lineage, and what searching 100,000 runs needs: params and tags know their experiment, so that an
# index leads to the runs of an experiment with a value. Takes some seconds for each million of params. 7: traces.
# 8: selections of runs.
_MIGRATIONS: list[list[str]] = [
    [
        """CREATE TABLE experiments (
            pk {pk}, name TEXT NOT NULL UNIQUE, created_ms BIGINT NOT NULL,
            next_number BIGINT NOT NULL DEFAULT 1)""",
        # name_key: the name with its numbers padded, so that run-2 sorts before run-10.
        # status_ms: when the status was set; an older status that arrives late does not replace it.
        # lost: 1 once live readers were told that the heartbeat is missing.
        """CREATE TABLE runs (
            pk {pk}, id TEXT NOT NULL UNIQUE, experiment_pk BIGINT NOT NULL, number BIGINT NOT NULL,
            name TEXT NOT NULL, name_key TEXT NOT NULL, status TEXT NOT NULL, status_ms BIGINT NOT NULL,
            start_ms BIGINT NOT NULL, end_ms BIGINT, heartbeat_ms BIGINT NOT NULL, lost INTEGER NOT NULL DEFAULT 0,
            parent_id TEXT, type TEXT NOT NULL, user_name TEXT NOT NULL, description TEXT NOT NULL,
            deleted_ms BIGINT, error TEXT, log_lines BIGINT NOT NULL DEFAULT 0,
            hot_points BIGINT NOT NULL DEFAULT 0, hot_batches BIGINT NOT NULL DEFAULT 0)""",
        "CREATE INDEX runs_by_experiment ON runs (experiment_pk, start_ms, pk)",
        "CREATE INDEX runs_by_start ON runs (start_ms, pk)",
        "CREATE INDEX runs_by_parent ON runs (parent_id)",
        """CREATE TABLE params (
            run_pk BIGINT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, number DOUBLE PRECISION,
            PRIMARY KEY (run_pk, name))""",
        "CREATE TABLE tags (run_pk BIGINT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run_pk, name))",
        """CREATE TABLE properties (
            run_pk BIGINT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run_pk, name))""",
        "CREATE TABLE info (run_pk BIGINT NOT NULL, topic TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run_pk, topic))",
        # One row a series and its summary. numbers: points that are numbers, not NaN; total: their sum,
        # NULL once both infinities are in it.
        # last_number is NULL for NaN, None and text (SQLite cannot store NaN); last_text has the exact value.
        """CREATE TABLE series (
            pk {pk}, run_pk BIGINT NOT NULL, experiment_pk BIGINT NOT NULL, name TEXT NOT NULL, col TEXT NOT NULL,
            is_text INTEGER NOT NULL, kind TEXT NOT NULL, dtype INTEGER NOT NULL, description TEXT NOT NULL,
            count BIGINT NOT NULL DEFAULT 0, numbers BIGINT NOT NULL DEFAULT 0, total DOUBLE PRECISION DEFAULT 0,
            min DOUBLE PRECISION, max DOUBLE PRECISION, last_number DOUBLE PRECISION, last_text TEXT NOT NULL DEFAULT '',
            last_step BIGINT, last_time_ms BIGINT,
            UNIQUE (run_pk, name, col, is_text))""",
        "CREATE INDEX series_by_value ON series (experiment_pk, name, col, is_text, last_number, run_pk)",
        (
            "CREATE TABLE writers (run_pk BIGINT NOT NULL, id TEXT NOT NULL, points BIGINT NOT NULL, events BIGINT NOT NULL,"
            " PRIMARY KEY (run_pk, id))"
        ),
        "CREATE TABLE hot (pk {pk}, run_pk BIGINT NOT NULL, n BIGINT NOT NULL, data {blob} NOT NULL)",
        "CREATE INDEX hot_by_run ON hot (run_pk, pk)",
        """CREATE TABLE chunks (
            pk {pk}, series_pk BIGINT NOT NULL, n BIGINT NOT NULL, step_min BIGINT NOT NULL, step_max BIGINT NOT NULL,
            value_min DOUBLE PRECISION, value_max DOUBLE PRECISION, data {blob} NOT NULL)""",
        "CREATE INDEX chunks_by_series ON chunks (series_pk, pk)",
        # value is UTF-8 as bytes: PostgreSQL's TEXT cannot hold a NUL character.
        """CREATE TABLE texts (
            pk {pk}, series_pk BIGINT NOT NULL, step BIGINT NOT NULL, time_ms BIGINT NOT NULL, value {blob} NOT NULL)""",
        "CREATE INDEX texts_by_series ON texts (series_pk, pk)",
        """CREATE TABLE logs (
            pk {pk}, run_pk BIGINT NOT NULL, first_line BIGINT NOT NULL, n BIGINT NOT NULL, data {blob} NOT NULL)""",
        "CREATE INDEX logs_by_run ON logs (run_pk, first_line)",
        """CREATE TABLE artifacts (
            run_pk BIGINT NOT NULL, path TEXT NOT NULL, size_bytes BIGINT NOT NULL, sha256 TEXT NOT NULL,
            content_type TEXT NOT NULL, modified_ms BIGINT NOT NULL, PRIMARY KEY (run_pk, path))""",
        "CREATE INDEX artifacts_by_digest ON artifacts (sha256)",
        (
            "CREATE TABLE changes (pk {pk}, run_id TEXT NOT NULL, experiment TEXT NOT NULL, what TEXT NOT NULL,"
            " time_ms BIGINT NOT NULL)"
        ),
    ],
    [
        "ALTER TABLE experiments ADD COLUMN archived_ms BIGINT",
        "ALTER TABLE experiments ADD COLUMN tags TEXT NOT NULL DEFAULT '{{}}'",
    ],
    [
        """CREATE TABLE registered_models (
            pk {pk}, name TEXT NOT NULL UNIQUE, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,
            description TEXT NOT NULL, tags TEXT NOT NULL, next_version BIGINT NOT NULL DEFAULT 1)""",
        """CREATE TABLE model_versions (
            pk {pk}, model_pk BIGINT NOT NULL, version BIGINT NOT NULL, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,
            stage TEXT NOT NULL, description TEXT NOT NULL, source TEXT NOT NULL, run_id TEXT NOT NULL, run_link TEXT NOT NULL,
            model_id TEXT NOT NULL, user_name TEXT NOT NULL, tags TEXT NOT NULL, properties TEXT NOT NULL,
            UNIQUE (model_pk, version))""",
        "CREATE INDEX model_versions_by_logged_model ON model_versions (model_id)",
        """CREATE TABLE model_aliases (
            model_pk BIGINT NOT NULL, alias TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (model_pk, alias))""",
        # metrics: a MessagePack list, since JSON has no NaN. The files of a logged model are rows of `artifacts` whose
        # run_pk is its pk turned negative.
        """CREATE TABLE logged_models (
            pk {pk}, id TEXT NOT NULL UNIQUE, experiment_pk BIGINT NOT NULL, name TEXT NOT NULL, created_ms BIGINT NOT NULL,
            updated_ms BIGINT NOT NULL, status TEXT NOT NULL, type TEXT NOT NULL, source_run_id TEXT NOT NULL,
            params TEXT NOT NULL, tags TEXT NOT NULL, metrics {blob} NOT NULL, deleted_ms BIGINT)""",
        "CREATE INDEX logged_models_by_experiment ON logged_models (experiment_pk, pk)",
        "CREATE INDEX logged_models_by_run ON logged_models (source_run_id)",
    ],
    [
        "ALTER TABLE runs ADD COLUMN archived_ms BIGINT",
        """CREATE TABLE views (
            scope TEXT NOT NULL, name TEXT NOT NULL, query TEXT NOT NULL, updated_ms BIGINT NOT NULL,
            PRIMARY KEY (scope, name))""",
    ],
    [
        *(
            f"UPDATE {table} SET experiment_pk = 0 WHERE experiment_pk = (SELECT pk FROM experiments WHERE name = 'Default')"
            for table in ("runs", "series", "logged_models")
        ),
        "UPDATE experiments SET pk = 0 WHERE name = 'Default'",
    ],
    [
        "ALTER TABLE experiments ADD COLUMN deleted_ms BIGINT",
        "ALTER TABLE experiments ADD COLUMN updated_ms BIGINT NOT NULL DEFAULT 0",  # 0: never edited
        "ALTER TABLE experiments ADD COLUMN artifact_location TEXT NOT NULL DEFAULT ''",
        # 0: only clients without a journal have written the run, which give no sign of life.
        "ALTER TABLE runs ADD COLUMN has_journal INTEGER NOT NULL DEFAULT 1",
        "CREATE INDEX runs_live ON runs (experiment_pk, start_ms, pk) WHERE deleted_ms IS NULL",
        "CREATE INDEX runs_open ON runs (experiment_pk, heartbeat_ms, pk) WHERE end_ms IS NULL",
        "ALTER TABLE params ADD COLUMN experiment_pk BIGINT NOT NULL DEFAULT 0",
        "UPDATE params SET experiment_pk = COALESCE((SELECT r.experiment_pk FROM runs r WHERE r.pk = params.run_pk), 0)",
        # Each param is in one of two. 64 characters tell texts apart, and a longer key would not fit into a page.
        "CREATE INDEX params_by_number ON params (experiment_pk, name, number, run_pk) WHERE number IS NOT NULL",
        "CREATE INDEX params_by_text ON params (experiment_pk, name, substr(value, 1, 64), run_pk) WHERE number IS NULL",
        "ALTER TABLE tags ADD COLUMN experiment_pk BIGINT NOT NULL DEFAULT 0",
        "UPDATE tags SET experiment_pk = COALESCE((SELECT r.experiment_pk FROM runs r WHERE r.pk = tags.run_pk), 0)",
        "CREATE INDEX tags_by_text ON tags (experiment_pk, name, substr(value, 1, 64), run_pk)",
        # A data set is kept once an experiment, whatever number of its runs read it; schema and profile may be megabytes.
        """CREATE TABLE datasets (
            pk {pk}, experiment_pk BIGINT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, source_type TEXT NOT NULL,
            source TEXT NOT NULL, schema TEXT NOT NULL, profile TEXT NOT NULL, UNIQUE (experiment_pk, name, digest))""",
        # tags: a JSON object; context: its "mlflow.data.context", the same data may be trained on and evaluated with.
        """CREATE TABLE inputs (
            pk {pk}, run_pk BIGINT NOT NULL, dataset_pk BIGINT NOT NULL, context TEXT NOT NULL, tags TEXT NOT NULL,
            UNIQUE (run_pk, dataset_pk, context))""",
        "CREATE INDEX inputs_by_dataset ON inputs (dataset_pk)",
        """CREATE TABLE run_models (
            pk {pk}, run_pk BIGINT NOT NULL, is_output INTEGER NOT NULL, model_id TEXT NOT NULL, step BIGINT NOT NULL,
            UNIQUE (run_pk, is_output, model_id, step))""",
    ],
    [
        """CREATE TABLE traces (
            pk {pk}, id TEXT NOT NULL UNIQUE, experiment_pk BIGINT NOT NULL, name TEXT NOT NULL, run_id TEXT NOT NULL,
            time_ms BIGINT NOT NULL, duration_ms BIGINT, state TEXT NOT NULL, request TEXT NOT NULL, response TEXT NOT NULL,
            tags TEXT NOT NULL, metadata TEXT NOT NULL, spans {blob})""",
        "CREATE INDEX traces_by_experiment ON traces (experiment_pk, time_ms, pk)",
    ],
    [
        # run_pks: int64 in the order selected, each but the first less the one before, zlib: neighbours take a byte together.
        "CREATE TABLE selections (name TEXT NOT NULL PRIMARY KEY, saved_ms BIGINT NOT NULL, run_pks {blob} NOT NULL)",
    ],
    [
        # Of each process that led the run. first_ms: points with this time or a later one are not of an earlier session.
        # opened_ms, seen_ms: the store's clock at its first and latest sign of life, 0 without; last_ms: time of its last record.
        """CREATE TABLE sessions (
            pk {pk}, run_pk BIGINT NOT NULL, writer_id TEXT NOT NULL, start_ms BIGINT NOT NULL, first_ms BIGINT NOT NULL,
            opened_ms BIGINT NOT NULL, seen_ms BIGINT NOT NULL, last_ms BIGINT NOT NULL, host TEXT NOT NULL,
            pid BIGINT NOT NULL, job TEXT NOT NULL, ended TEXT NOT NULL DEFAULT '')""",
        "CREATE INDEX sessions_by_run ON sessions (run_pk, writer_id)",
        # How many rows of sessions a run has: most have one or none, and their readers need not look.
        "ALTER TABLE runs ADD COLUMN sessions INTEGER NOT NULL DEFAULT 0",
    ],
    [
        # With the kind the indexes alone say what a param is: groups read nothing else. Some seconds for a million params.
        "DROP INDEX params_by_number",
        "DROP INDEX params_by_text",
        "CREATE INDEX params_by_number ON params (experiment_pk, name, number, kind, run_pk) WHERE number IS NOT NULL",
        "CREATE INDEX params_by_text ON params (experiment_pk, name, substr(value, 1, 64), kind, run_pk) WHERE number IS NULL",
    ],
]
FORMAT = len(_MIGRATIONS)

_SQL_TYPES = {
    "sqlite": {"pk": "INTEGER PRIMARY KEY AUTOINCREMENT", "blob": "BLOB"},
    "postgresql": {"pk": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "blob": "BYTEA"},
}


class Catalog:
    """Transactions over the database of one workspace. Safe for threads; a forked child opens its own connections."""

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        self.path = folder / DATABASE
        self._folder = folder
        if database_url is None:
            # NullPool would pay an open per query; 16 connections serve the server's worker threads.
            self._engine = create_engine(
                f"sqlite:///{self.path}",
                connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False, "cached_statements": 256},
                pool_size=4,
                max_overflow=12,
            )
            event.listen(self._engine, "connect", _configure_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            try:
                self._engine = create_engine(database_url, pool_size=4, max_overflow=12, pool_pre_ping=True)
            except ModuleNotFoundError as error:
                raise MissingExtraError("psycopg", "postgres", "A catalog in PostgreSQL") from error
        self.is_sqlite = self._engine.dialect.name == "sqlite"
        self._unicode_collation: str | None = None  # asked for once
        self._writing = threading.Lock()
        _forget_after_fork(self)

    def open(self) -> None:
        """Create the tables or bring them to the present format.

        Raises:
            StoreFormatError: the database is of a newer tracklog or is not a database.
        """
        reached = self._reached_format()
        if reached < FORMAT:
            try:
                # Two processes that create the same workspace at once must not see each other's half.
                with locked(self._folder / "workspace.lock", _OPEN_TIMEOUT_S):
                    self._migrate(self._reached_format())
            except TimeoutError as error:
                raise StoreUnavailableError(f"Cannot open the workspace {self._folder}: {error}") from error
            except OSError as error:
                if isinstance(error, StoreError):
                    raise
                raise StoreError(f"Cannot create the workspace {self._folder}: {error}.") from error
        elif reached > FORMAT:
            raise StoreFormatError(
                f"The workspace {self._folder} has format {reached}; this tracklog knows formats up to {FORMAT}. "
                "Nothing was changed. Upgrade with: pip install --upgrade tracklog"
            )

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection on which all statements see the same snapshot."""
        with self.translated(), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in one writing transaction; commits at the end, rolls back on any exception."""
        with self._turn_to_write(), self.translated(), self._engine.connect() as connection:
            # BEGIN IMMEDIATE: a transaction that reads first and writes later could not wait for the lock.
            connection = connection.execution_options(immediate=True)
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """Let the threads of this process write to SQLite one after the other, as soon as the one before has finished.

        SQLite itself waits by sleeping and looking again, up to 100 ms at a time: eight threads that write at once would
        wait for some ms each, and now and then for most of a second.
        """
        if not self.is_sqlite:
            yield
            return
        if not self._writing.acquire(timeout=BUSY_TIMEOUT_S):
            raise StoreUnavailableError(f"Another thread has been writing to {self._where()} for {BUSY_TIMEOUT_S} s. Try again.")
        try:
            yield
        finally:
            self._writing.release()

    def lock(self, connection: Connection, topic: str) -> None:
        """Keep other transactions that lock the same topic waiting until this one ends. SQLite has one lock anyway."""
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:topic, 0))"), {"topic": topic})

    def unicode_collation(self, connection: Connection) -> str:
        """Return the collation whose lower() knows all letters of Unicode; "" where there is none, as in SQLite."""
        if self._unicode_collation is None:
            # The first comes with PostgreSQL 17 and later, the other where it was built with ICU.
            known = (
                []
                if self.is_sqlite
                else connection.exec_driver_sql(
                    "SELECT collname FROM pg_collation WHERE collname IN ('pg_c_utf8', 'und-x-icu')"
                    " AND collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding())) ORDER BY collname"
                )
                .scalars()
                .all()
            )
            self._unicode_collation = str(known[0]) if known else ""
        return self._unicode_collation

    def shrink(self) -> None:
        """Give free pages back to the file system."""
        with self.translated():
            if self.is_sqlite:
                with contextlib.closing(self._engine.raw_connection()) as raw:
                    cursor = raw.cursor()
                    # The pragma frees one page a step; `execute` steps a statement without columns just once.
                    cursor.executescript("PRAGMA incremental_vacuum")
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            else:
                with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.exec_driver_sql("VACUUM")

    def size_bytes(self) -> int:
        """Return what the database takes on disk."""
        if self.is_sqlite:
            files = (self.path, self.path.with_name(self.path.name + "-wal"))
            return sum(file.stat().st_size for file in files if file.exists())
        with self.read() as connection:
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())

    def check(self) -> list[str]:
        """Return what is wrong with the database, [] if nothing is found."""
        with self.read() as connection:
            if not self.is_sqlite:
                return []
            rows = connection.exec_driver_sql("PRAGMA quick_check(20)").scalars().all()
        return [str(row) for row in rows if row != "ok"]

    def after_fork(self) -> None:
        """Forget what is the parent's."""
        self._engine.dispose(close=False)
        self._writing = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the database's exceptions into ours."""
        try:
            yield
        except exc.DataError as error:  # PostgreSQL: a NUL in text, a number beyond BIGINT
            raise _beyond_sql(error.orig) from error
        except OverflowError as error:  # SQLite: a number beyond 64 bits
            raise _beyond_sql(error) from error
        except exc.DBAPIError as error:
            raise self._translate(error) from error
        except sqlite3.Error as error:  # of a connection used without SQLAlchemy
            raise self._translate_sqlite(str(error)) from error
        except exc.TimeoutError as error:
            raise StoreUnavailableError(f"All connections to {self._where()} are busy. Try again.") from error

    def _where(self) -> str:
        return str(self.path) if self.is_sqlite else self._engine.url.render_as_string(hide_password=True)

    def _translate(self, error: exc.DBAPIError) -> StoreError:
        reason = str(error.orig).strip()
        where = self._where()
        if not self.is_sqlite:
            if isinstance(error, exc.OperationalError) or error.connection_invalidated:
                return StoreUnavailableError(f"The database {where} did not answer: {reason}. It is tried again.")
            return StoreError(f"The database {where} refused: {reason}")
        return self._translate_sqlite(reason)

    def _translate_sqlite(self, reason: str) -> StoreError:
        where = self._where()
        if "locked" in reason or "busy" in reason:
            return StoreUnavailableError(f"{where} is locked by another process: {reason}. It is tried again.")
        if "full" in reason:
            return StorageFullError(f"No space is left for {where}: {reason}. Free some space; nothing stored is lost.")
        if "malformed" in reason or "not a database" in reason or "disk image" in reason:
            return StoreFormatError(
                f"{where} is damaged or not a tracklog workspace: {reason}. Nothing was changed. "
                "Restore it from a backup, or move the file away to start an empty workspace."
            )
        if "readonly" in reason or "read-only" in reason or "unable to open" in reason:
            return StoreError(f"Cannot write {where}: {reason}. Check the folder's permissions and that it exists.")
        return StoreError(f"{where}: {reason}")

    def _reached_format(self) -> int:
        if self.is_sqlite and not self.path.exists():
            return 0
        with self.read() as connection:
            if self.is_sqlite:
                known = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'meta'").scalar()
                foreign = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
            else:
                known = connection.exec_driver_sql("SELECT to_regclass('meta')").scalar()
                foreign = 0
            if known is None:
                if foreign:
                    raise StoreFormatError(
                        f"{self.path} is an SQLite database of another program. Nothing was changed. Choose another folder."
                    )
                return 0
            value = connection.execute(text("SELECT value FROM meta WHERE name = 'format'")).scalar()
        return int(value or 0)

    def _migrate(self, reached: int) -> None:
        if self.is_sqlite and reached == 0:
            # Both must be set before the first table. Without auto_vacuum deleted runs never shrink the file.
            with self.translated(), contextlib.closing(self._engine.raw_connection()) as raw:
                raw.cursor().execute("PRAGMA auto_vacuum = INCREMENTAL")
                raw.cursor().execute("PRAGMA journal_mode = WAL").fetchall()
        types = _SQL_TYPES[self._engine.dialect.name]
        for number, statements in enumerate(_MIGRATIONS[reached:], start=reached + 1):
            with self.write() as connection:
                self.lock(connection, "tracklog migration")
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
                done = connection.execute(text("SELECT value FROM meta WHERE name = 'format'")).scalar()
                if int(done or 0) >= number:
                    continue
                for statement in statements:
                    connection.exec_driver_sql(statement.format(**types))
                connection.execute(
                    text(
                        "INSERT INTO meta (name, value) VALUES ('format', :number) "
                        "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
                    ),
                    {"number": str(number)},
                )


def _beyond_sql(error: object) -> InvalidValueError:
    return InvalidValueError(f"A value is out of range: {error}. Expected whole numbers of 64 bits, and text without NUL.")


def ensure_experiment(connection: Connection, name: str, now_ms: int) -> bool:
    """Make an experiment if there is none of that name; return whether it was made."""
    given = {"name": name, "now": now_ms}
    # Key 0 may be that of an experiment that was the default one before it was renamed.
    made = name == DEFAULT_EXPERIMENT and execute(connection, _INSERT_DEFAULT, given) > 0
    return execute(connection, _INSERT_EXPERIMENT, given) > 0 or made


def fetch(connection: Connection, statement: TextClause, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a text statement as plain tuples, for many rows: to wrap them takes longer than to find them."""
    result = connection.execute(statement, given)
    try:
        return list(result.cursor.fetchall())
    except sqlite3.Error as error:  # which SQLAlchemy would have translated
        raise exc.DatabaseError(str(statement), dict(given), error) from error
    finally:
        result.close()


def execute(connection: Connection, statement: TextClause, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> int:
    """Write with a text statement, once or for each of `rows`; return how many rows it changed.

    SQLite's driver reads the same text. It gets it without SQLAlchemy, which takes longer to prepare a row than SQLite to
    write it.
    """
    if connection.dialect.name != "sqlite":
        return connection.execute(statement, rows).rowcount
    cursor = connection.connection.cursor()
    try:
        if isinstance(rows, Mapping):
            cursor.execute(statement.text, rows)
        else:
            cursor.executemany(statement.text, rows)
        return int(cursor.rowcount)
    finally:
        cursor.close()


_INSERT_DEFAULT = text("INSERT INTO experiments (pk, name, created_ms) VALUES (0, :name, :now) ON CONFLICT DO NOTHING")
_INSERT_EXPERIMENT = text("INSERT INTO experiments (name, created_ms) VALUES (:name, :now) ON CONFLICT (name) DO NOTHING")


def natural_key(name: str) -> str:
    """Return a text whose order is the one people expect of `name`: numbers by size, letters without case."""
    # The digits of 0.01 are a fraction, and less than those of 0.1; without a leading zero they may be a version's.
    return re.sub(r"(?<=\d\.)0\d+|\d+", _ordered_digits, name).casefold()[:300]


def _ordered_digits(found: re.Match[str]) -> str:
    digits = found[0]
    is_fraction = digits.startswith("0") and len(digits) > 1 and found.string[: found.start()].endswith(".")
    return f"!{digits}" if is_fraction else digits.lstrip("0").zfill(12)


def plain(value: str) -> str:
    """Return text that every database can hold: PostgreSQL's TEXT cannot hold NUL; the sign for it can stand in labels."""
    return value.replace("\x00", "␀")


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite`, not by the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = NORMAL")  # safe with WAL; the journal covers the last commit's power loss
    cursor.execute("PRAGMA temp_store = MEMORY")
    cursor.execute("PRAGMA mmap_size = 2147418112")  # reading without a copy through read(); the most SQLite takes
    cursor.close()
    # What SQLite cannot do itself: letters beyond ASCII without their case.
    connection.create_function("tracklog_ilike", 2, _is_ilike, deterministic=True)
    connection.create_function("tracklog_contains", 2, _contains, deterministic=True)


def _is_ilike(value: str, pattern: str) -> bool:
    return like(pattern, True).fits(value)


def _contains(value: str, word: str) -> bool:
    return word.casefold() in value.casefold()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("immediate") else "BEGIN DEFERRED")


def _forget_after_fork(catalog: Catalog) -> None:
    """A child must never touch its parent's connections: SQLite's locks and a socket's stream are the parent's.

    Nor does it wait for a thread of the parent's, which will never finish in the child.
    """
    if hasattr(os, "register_at_fork"):
        reference = weakref.ref(catalog)

        def forget() -> None:
            if (alive := reference()) is not None:
                alive.after_fork()

        os.register_at_fork(after_in_child=forget)
