"""The store in a folder: catalog and points in one SQL database, artifacts as blobs beside it.

    <workspace>/workspace.db   catalog, hot points, chunks, log lines (SQLite; or a PostgreSQL database elsewhere)
    <workspace>/artifacts/     blobs by digest
    <workspace>/journals/      journals of runs that this machine writes, until the store has them

Many processes may use one workspace at once. `apply` commits the effects of a batch together with the writer's watermark,
so a batch counts once however often it is sent. Points of a batch rest as one hot row until enough have gathered to be
compacted into chunks; reading sees both, in the order logged.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import math
import mimetypes
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
from sqlalchemy import BigInteger, BindParameter, Connection, Double, Text, TextClause, bindparam, text
from sqlalchemy.types import TypeEngine

from tracklog.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    ParamConflictError,
    RunDeletedError,
    StoreError,
    StoreUnavailableError,
    WriterGapError,
    shown,
)
from tracklog.records import (
    DATASET_CONTEXT,
    HEARTBEAT_LOST_MS,
    MAX_RUN_ID_CHARS,
    POINT_FIELDS,
    POINT_SIZE,
    VOID_KEY,
    ArtifactStored,
    Batch,
    DatasetInput,
    DType,
    ErrorInfo,
    InfoSet,
    LineageAdded,
    LogLine,
    LogLines,
    MetricKey,
    MetricKind,
    ModelOutput,
    ParamsSet,
    ParamValue,
    Process,
    PropertiesSet,
    RunEdited,
    RunStarted,
    RunStatus,
    StatusChanged,
    TagsSet,
    TextPoint,
    Watermark,
)
from tracklog.storage import (
    DATABASE,
    MAX_SELECTION,
    MAX_VIEW_CHARS,
    ActivityPage,
    ActivityQuery,
    ArtifactInfo,
    Change,
    ExperimentEdit,
    ExperimentInfo,
    GcReport,
    GroupQuery,
    LogMatches,
    LogPage,
    LogQuery,
    MetricColumns,
    MetricSummary,
    Restart,
    RunGroups,
    RunInfo,
    RunKeys,
    RunPage,
    RunQuery,
    SeriesBuckets,
    SeriesQuery,
    Session,
    TablePage,
    Usage,
    View,
    activity,
    validate_artifact_path,
)
from tracklog.storage.artifacts import PIECE_BYTES, BlobFolder
from tracklog.storage.catalog import Catalog, ensure_experiment, execute, fetch, natural_key
from tracklog.storage.catalog import plain as _plain
from tracklog.storage.drain import recover
from tracklog.storage.filters import param_number, param_text
from tracklog.storage.groups import group_runs
from tracklog.storage.log_search import LogSearch, Patterns, check_log_query
from tracklog.storage.models import CatalogRegistry, no_logged_model
from tracklog.storage.names import run_keys
from tracklog.storage.points import (
    CHUNK_POINTS,
    HOT,
    Points,
    as_numbers,
    concatenate,
    decode_chunk,
    encode_chunk,
    hot_points,
    read_hot,
)
from tracklog.storage.query import bucketed, check_series_query
from tracklog.storage.registry import Registry, is_logged_model_id
from tracklog.storage.search import ALIVE_SINCE_SQL, LOST_SQL, STATUS_SQL, RunSearch, TextSql, is_key
from tracklog.storage.sessions import QUIET_MS, Start, sessions_of, split
from tracklog.storage.trace_catalog import CatalogTraces
from tracklog.storage.traces import Traces

_log = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]

_POINT = np.dtype([(name, "<i8" if kind == "V8" else kind) for name, kind in POINT_FIELDS])

# Compact when a run has this many hot points: a chart then decodes at most 2 MB of hot rows.
_COMPACT_POINTS = 65_536
# … or this many hot rows, so that a run that logs slowly does not make charts walk through thousands of rows.
_COMPACT_BATCHES = 256
_KEPT_CHANGES = 100_000  # live readers that were away for longer start afresh
_SHOWN_TEXT_CHARS = 1000
_READ_LINES = 20_000  # of a log, in one go
_STALE_STAGING_S = 24 * 3600  # an upload may be slow, not that slow
_MAX_TABLE_ROWS = 10_000
_PART = 10_000  # values in one statement; SQLite takes 32,766, PostgreSQL 65,535
_REMEMBERED_RUNS = 1000  # whose series' keys are kept in memory; a server sees many runs come and go
_MAX_TOTAL = 1e290  # a hundred million batches of such sums still add up to a double

_SUMMARY_COLUMNS = (
    "name, col, kind, dtype, count, numbers, total, min, max, last_number, last_text, last_step, last_time_ms, description"
)
_RUN_COLUMNS = f"""r.pk, r.id, r.experiment_pk, e.name AS experiment, r.number, r.name, {STATUS_SQL} AS status, r.start_ms,
    r.end_ms, r.heartbeat_ms, r.status_ms, r.sessions, r.parent_id, r.type,
    r.user_name, r.description, r.deleted_ms, r.archived_ms, r.error,
    (SELECT count(*) FROM runs c WHERE c.parent_id = r.id AND c.deleted_ms IS NULL) AS children"""


# The values of a run's last point win by (step, time); equal ones by order of logging.
def _cast(name: str, sql_type: str) -> str:
    """PostgreSQL cannot tell the type of a parameter that is compared with NULL."""
    return f"CAST(:{name} AS {sql_type})"


_MIN, _MAX = _cast("min", "DOUBLE PRECISION"), _cast("max", "DOUBLE PRECISION")
_STEP, _TIME = _cast("last_step", "BIGINT"), _cast("last_time_ms", "BIGINT")
_LAST = _cast("last_number", "DOUBLE PRECISION")


def _update_series(tie: str, *, restarted: bool = False) -> TextClause:
    """Return the statement that adds a batch to a series' summary; `tie` decides between last points of equal step and time.

    `restarted`: when the run's latest session began at `first`, what came after beats what came before, whatever the steps.
    """
    newer = (
        f"last_step IS NULL OR {_STEP} > last_step OR ({_STEP} = last_step AND"
        f" ({_TIME} > last_time_ms OR ({_TIME} = last_time_ms AND {tie})))"
    )
    if restarted:
        is_new, was_new = (f"{time} >= {_cast('first', 'BIGINT')}" for time in (_TIME, "last_time_ms"))
        newer = f"last_step IS NULL OR ({is_new} AND NOT {was_new}) OR (({is_new} OR NOT {was_new}) AND ({newer}))"
    return text(
        f"""UPDATE series SET
            count = count + :count, numbers = numbers + :numbers, total = total + {_cast("total", "DOUBLE PRECISION")},
            min = CASE WHEN {_MIN} IS NULL THEN min WHEN min IS NULL OR {_MIN} < min THEN {_MIN} ELSE min END,
            max = CASE WHEN {_MAX} IS NULL THEN max WHEN max IS NULL OR {_MAX} > max THEN {_MAX} ELSE max END,
            dtype = CASE WHEN {newer} THEN CAST(:dtype AS INTEGER) ELSE dtype END,
            last_number = CASE WHEN {newer} THEN {_LAST} ELSE last_number END,
            last_text = CASE WHEN {newer} THEN CAST(:last_text AS TEXT) ELSE last_text END,
            last_step = CASE WHEN {newer} THEN {_STEP} ELSE last_step END,
            last_time_ms = CASE WHEN {newer} THEN {_TIME} ELSE last_time_ms END
        WHERE pk = :pk"""  # nothing but parameters
    )


_UPDATE_SERIES = _update_series("1 = 1")  # what was logged later
_UPDATE_SERIES_RESTARTED = _update_series("1 = 1", restarted=True)
_UPDATE_SERIES_GREATEST = _update_series(f"COALESCE({_LAST}, 0) >= COALESCE(last_number, 0)")  # MLflow's rule: NaN is as 0

# Statements of every batch are made once: to parse one anew takes as long as to run it.
_SELECT_RUN = text(
    "SELECT r.pk, r.experiment_pk, e.name AS experiment, r.hot_points, r.hot_batches, r.log_lines, r.start_ms, r.deleted_ms, "
    "r.sessions, r.status, r.end_ms, r.heartbeat_ms "
    "FROM runs r JOIN experiments e ON e.pk = r.experiment_pk WHERE r.id = :id"
)
_DELETE_RUNS_OF = text("UPDATE runs SET deleted_ms = :now WHERE experiment_pk = :pk AND deleted_ms IS NULL")
_REVIVE_RUNS_OF = text("UPDATE runs SET deleted_ms = NULL WHERE experiment_pk = :pk AND deleted_ms IS NOT NULL")
_TAKE_NUMBER = text(
    "UPDATE experiments SET next_number = next_number + 1 WHERE name = :name"
    " RETURNING pk, next_number - 1 AS number, archived_ms, deleted_ms"
)
_LOCK_EXPERIMENT = text("SELECT pk FROM experiments WHERE name = :name FOR UPDATE")
_INSERT_RUN = text(
    "INSERT INTO runs (id, experiment_pk, number, name, name_key, status, status_ms, start_ms, heartbeat_ms, parent_id, type,"
    " user_name, description, has_journal) VALUES (:id, :experiment, :number, :name, :key, :status, 0, :start, :now, :parent,"
    " :type, :user, :description, :has_journal)"
)
_SELECT_WRITER = text("SELECT points, events FROM writers WHERE run_pk = :run AND id = :id")
_UPSERT_WRITER = text(
    "INSERT INTO writers (run_pk, id, points, events) VALUES (:run, :id, :points, :events) "
    "ON CONFLICT (run_pk, id) DO UPDATE SET points = excluded.points, events = excluded.events"
)
_SESSION_COLUMNS = "writer_id, start_ms, first_ms, opened_ms, seen_ms, last_ms, host, pid, job, ended"
_INSERT_SESSION = text(
    f"INSERT INTO sessions (run_pk, {_SESSION_COLUMNS}) VALUES"
    " (:run, :writer_id, :start_ms, :first_ms, :opened_ms, :seen_ms, :last_ms, :host, :pid, :job, :ended)"
)
_SELECT_SESSIONS = text(f"SELECT run_pk, {_SESSION_COLUMNS} FROM sessions WHERE run_pk IN :pks ORDER BY pk").bindparams(
    bindparam("pks", expanding=True, type_=BigInteger)
)
_SEE_SESSION = text(
    "UPDATE sessions SET opened_ms = CASE WHEN opened_ms = 0 THEN :now ELSE opened_ms END,"
    " seen_ms = CASE WHEN :now > seen_ms THEN :now ELSE seen_ms END,"
    " last_ms = CASE WHEN :last > last_ms THEN :last ELSE last_ms END,"
    " ended = CASE WHEN :ended = '' THEN ended ELSE :ended END WHERE run_pk = :run AND writer_id = :id"
).bindparams(bindparam("now", type_=BigInteger), bindparam("last", type_=BigInteger), bindparam("ended", type_=Text))
_END_SESSIONS = text("UPDATE sessions SET ended = :ended WHERE run_pk = :run AND ended = ''")
_HOT_ADDED = "hot_points = hot_points + :points, hot_batches = hot_batches + :batches"
_COUNT_HOT = text(f"UPDATE runs SET {_HOT_ADDED} WHERE pk = :pk")
_HEARTBEAT = text(f"UPDATE runs SET heartbeat_ms = :now, has_journal = 1, lost = 0, {_HOT_ADDED} WHERE pk = :pk")
_HEARTBEAT_CLIENT = text(f"UPDATE runs SET heartbeat_ms = :now, lost = 0, {_HOT_ADDED} WHERE pk = :pk")
_INSERT_SERIES = text(
    "INSERT INTO series (run_pk, experiment_pk, name, col, is_text, kind, dtype, description)"
    " VALUES (:run, :experiment, :name, :col, :is_text, :kind, :dtype, :description)"
    " ON CONFLICT (run_pk, name, col, is_text) DO NOTHING"
)
_SELECT_SERIES = text("SELECT pk, name, col, is_text FROM series WHERE run_pk = :run")
_INSERT_HOT = text("INSERT INTO hot (run_pk, n, data) VALUES (:run, :n, :data)")
_INSERT_PARAM = text(
    "INSERT INTO params (run_pk, experiment_pk, name, kind, value, number)"
    " VALUES (:run, :experiment, :name, :kind, :value, :number) ON CONFLICT (run_pk, name) DO NOTHING"
).bindparams(bindparam("number", type_=Double))
_SELECT_PARAMS = text("SELECT name, value FROM params WHERE run_pk = :run AND name IN :names").bindparams(
    bindparam("names", expanding=True, type_=Text)
)
_UPSERT_TAG = text(
    "INSERT INTO tags (run_pk, experiment_pk, name, value) VALUES (:run, :experiment, :name, :value)"
    " ON CONFLICT (run_pk, name) DO UPDATE SET value = excluded.value"
)
_INSERT_DATASET = text(
    "INSERT INTO datasets (experiment_pk, name, digest, source_type, source, schema, profile)"
    " VALUES (:experiment, :name, :digest, :source_type, :source, :schema, :profile)"
    " ON CONFLICT (experiment_pk, name, digest) DO NOTHING"
)
_INSERT_INPUT = text(
    "INSERT INTO inputs (run_pk, dataset_pk, context, tags)"
    " SELECT CAST(:run AS BIGINT), pk, CAST(:context AS TEXT), CAST(:tags AS TEXT) FROM datasets"
    " WHERE experiment_pk = :experiment AND name = :name AND digest = :digest"
    " ON CONFLICT (run_pk, dataset_pk, context) DO NOTHING"
)
_INSERT_RUN_MODEL = text(
    "INSERT INTO run_models (run_pk, is_output, model_id, step) VALUES (:run, :is_output, :model, :step)"
    " ON CONFLICT (run_pk, is_output, model_id, step) DO NOTHING"
)
_SET_STATUS = text(
    "UPDATE runs SET status = :status, status_ms = :time, end_ms = :end, lost = 0,"
    " error = CASE WHEN CAST(:keep_error AS INTEGER) = 1 THEN error ELSE CAST(:error AS TEXT) END"
    " WHERE pk = :pk AND (status_ms <= :time OR CAST(:late AS INTEGER) = 0)"
).bindparams(bindparam("end", type_=BigInteger), bindparam("error", type_=Text))
# From the block that has line :first; found by the index, which `first_line + n > :first` would not be.
_LOG_BLOCKS = text(
    "SELECT first_line, n, data FROM logs WHERE run_pk = :run AND first_line < :end AND first_line >="
    " COALESCE((SELECT max(l.first_line) FROM logs l WHERE l.run_pk = :run AND l.first_line <= :first), 0)"
    " ORDER BY first_line LIMIT :limit"
)
_INSERT_CHANGE = text("INSERT INTO changes (run_id, experiment, what, time_ms) VALUES (:run, :experiment, :what, :now)")


_TABLES_OF_RUN = (
    *(
        "hot",
        "logs",
        "series",
        "params",
        "tags",
        "properties",
        "info",
        "writers",
        "artifacts",
        "inputs",
        "run_models",
        "sessions",
    ),
)


class _Run:
    """What `apply` must know of the run it writes to."""

    __slots__ = (
        "added_batches",
        "added_points",
        "experiment",
        "experiment_pk",
        "first_ms",
        "has_journal",
        "hot_batches",
        "hot_points",
        "id",
        "made",
        "pk",
        "what",
    )

    def __init__(self, row: Any, batch: Batch) -> None:
        self.id = batch.run_id
        self.has_journal = batch.writer_id != ""  # whether what writes has one
        self.pk: int = row.pk
        self.experiment_pk: int = row.experiment_pk
        self.experiment: str = row.experiment
        self.hot_points: int = row.hot_points
        self.hot_batches: int = row.hot_batches
        self.first_ms: int | None = None  # when the latest of several sessions began
        self.added_points = 0  # hot ones of this transaction
        self.added_batches = 0
        self.what: set[str] = set()  # what to tell live readers
        self.made: dict[tuple[str, str, bool], int] = {}  # series created by this transaction


class _Owner(NamedTuple):
    """Whose files: `pk` is that of a run, or of a logged model turned negative; the rest is what to tell live readers."""

    pk: int
    run_id: str
    experiment: str
    what: str


class LocalStore:
    """`Store` over a folder. See the module's text for files and guarantees."""

    def __init__(
        self,
        path: str | Path,
        *,
        create: bool = True,
        database_url: str | None = None,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        """Open a workspace, creating it unless `create` is false.

        Args:
            path: the workspace's folder.
            database_url: SQLAlchemy address of a PostgreSQL database that replaces `workspace.db`.
            clock_ms: the store's clock, ms UTC; it decides whether a heartbeat is lost.

        Raises:
            NotFoundError: `create` is false and there is none.
            StoreFormatError: of a newer tracklog, or damaged.
            StoreError: the folder cannot be written.
        """
        self.path = Path(path).expanduser().absolute()
        self.uri = str(self.path)
        self.journals = self.path / "journals"
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        database = self.path / DATABASE
        if self.path.exists() and not self.path.is_dir():
            raise InvalidValueError(
                f"Cannot use {self.path} as a workspace: it is a file. Expected a folder.",
                parameter="path",
                given=str(path),
            )
        if not create and database_url is None and not database.exists():
            raise NotFoundError(
                f"There is no workspace in {self.path}. Log a run first (tracklog.start_run()), or name another folder.",
                what="workspace",
                given=str(path),
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")  # a workspace inside a repository is data, not source
        except OSError as error:
            if not database.exists():
                raise StoreError(f"Cannot create the workspace {self.path}: {error}.") from error
        self._catalog = Catalog(self.path, database_url)
        self._catalog.open()
        self._blobs = BlobFolder(self.path / "artifacts")
        self.staging = self._blobs.staging  # what is written here is taken over by `put_artifact` without a copy
        self._series_pks: dict[int, dict[tuple[str, str, bool], int]] = {}
        self._compacting = threading.Lock()
        self._patterns = Patterns()
        self.registry: Registry = CatalogRegistry(self._catalog, self._clock_ms, self._tell)
        self.traces: Traces = CatalogTraces(self._catalog, self._clock_ms)

    # ------------------------------------------------------------------ writing

    def apply(self, batch: Batch) -> Watermark:
        """See `Store.apply`."""
        return self.apply_all([batch])[0]

    def apply_all(self, batches: Sequence[Batch]) -> list[Watermark]:
        """See `Store.apply_all`. In one transaction: all batches count or none."""
        now = self._clock_ms()
        for batch in batches:
            _check_batch(batch)
        with self._catalog.write() as connection:
            for run_id in sorted({batch.run_id for batch in batches}):  # in one order, or two that do this wait for each other
                self._catalog.lock(connection, f"run {run_id}")
            self._lock_experiments(connection, batches, now)
            applied = [self._apply(connection, batch, now) for batch in batches]
            for run, _ in applied:
                if run.what:
                    self._tell(connection, run.id, run.experiment, run.what, now)
        for run, _ in applied:
            if run.made:
                # Only now: a transaction that rolls back gives its keys to the next series of anybody.
                if len(self._series_pks) > _REMEMBERED_RUNS:
                    self._series_pks.clear()
                self._series_pks[run.pk] = {**self._series_pks.get(run.pk, {}), **run.made}
        for run, _ in applied:
            if run.hot_points + run.added_points >= _COMPACT_POINTS or run.hot_batches + run.added_batches >= _COMPACT_BATCHES:
                self._compact(run.pk)
        return [reached for _, reached in applied]

    def _lock_experiments(self, connection: Connection, batches: Sequence[Batch], now: int) -> None:
        """Lock the experiments that get new runs, in one order for everybody, before the first of them is written to."""
        if self._catalog.is_sqlite or len(batches) == 1:
            return
        started = {
            event.experiment
            for batch in batches
            for event in batch.events
            if isinstance(event, RunStarted) and self._run_row(connection, batch.run_id) is None
        }
        if len(started) > 1:
            for name in sorted(started):
                ensure_experiment(connection, name, now)
                connection.execute(_LOCK_EXPERIMENT, {"name": name})

    def _apply(self, connection: Connection, batch: Batch, now: int) -> tuple[_Run, Watermark]:
        """Store a batch; return what it did to its run, and the writer's watermark after it."""
        has_journal = batch.writer_id != ""
        row = self._run_row(connection, batch.run_id)
        if row is None and not any(isinstance(event, RunStarted) for event in batch.events):
            raise _no_run(batch.run_id)
        events, points, stored, reached = batch.events, np.frombuffer(batch.points, _POINT), Watermark(), batch.end()
        if has_journal:
            if row is not None:
                stored = self._writer(connection, row.pk, batch.writer_id)
            skip_points, skip_events = stored.points - batch.points_start, stored.events - batch.events_start
            if skip_points < 0 or skip_events < 0:
                raise WriterGapError(
                    f"A batch of writer {batch.writer_id} of run {batch.run_id} starts at point {batch.points_start}, event "
                    f"{batch.events_start}; expected at most {stored.points}, {stored.events}. Send again from there.",
                    expected=(stored.points, stored.events),
                )
            events, points = events[skip_events:], points[skip_points:]
            reached = Watermark(max(stored.points, reached.points), max(stored.events, reached.events))
        elif row is not None and row.deleted_ms is not None and not _restores(events):
            raise RunDeletedError(f"Run {batch.run_id} is deleted and takes no more records. Restore it first.")
        created = row is None
        if row is None:
            row = self._create_run(connection, batch, events, now)
        run = _Run(row, batch)
        if created:
            run.what.add("run")
        self._note_session(connection, run, row, batch, events, points, now, is_new=created)
        self._make_series(connection, run, batch.keys, points, events)
        if len(points):
            self._add_points(connection, run, batch.keys, points)
        if events:
            self._add_events(connection, run, batch.keys, events, now)
        added = {"points": run.added_points, "batches": run.added_batches, "pk": run.pk}
        if batch.live:
            execute(connection, _HEARTBEAT if has_journal else _HEARTBEAT_CLIENT, {**added, "now": now})
        elif run.added_batches:
            execute(connection, _COUNT_HOT, added)
        if has_journal and reached != stored:
            watermark = {"run": run.pk, "id": batch.writer_id, "points": reached.points, "events": reached.events}
            execute(connection, _UPSERT_WRITER, watermark)
        return run, reached

    def _note_session(
        self,
        connection: Connection,
        run: _Run,
        row: Any,
        batch: Batch,
        events: list[Any],
        points: Array,
        now: int,
        *,
        is_new: bool,
    ) -> None:
        """Keep what is known of the processes that lead a run: see `tracklog.storage.sessions`."""
        said = [event for event in events if isinstance(event, StatusChanged)]
        process = next((event.process for event in events if isinstance(event, RunStarted) and event.process is not None), None)
        rows = row.sessions
        if run.has_journal:
            if process is not None:
                rows += self._begin_session(connection, run, row, process, batch.writer_id, now, is_new=is_new, live=batch.live)
            if rows == 0:
                return
            times = [event.time_ms for event in said]
            times += [event.lines[-1].time_ms for event in events if isinstance(event, LogLines) and event.lines]
            if len(points):
                times.append(int(points["time_ms"].max()))
            seen = {
                "run": run.pk,
                "id": batch.writer_id,
                "now": now if batch.live else 0,
                "last": max(times, default=0),
                "ended": next((event.status.value for event in reversed(said) if event.status.is_final()), ""),
            }
            execute(connection, _SEE_SESSION, seen)
        elif not is_new and said and said[-1].status is RunStatus.RUNNING:
            is_over = row.end_ms is not None
            if is_over or now - row.heartbeat_ms >= QUIET_MS:
                rows += self._begin_session(connection, run, row, None, "", now, is_new=False, live=batch.live)
        if rows > 1 and run.has_journal:
            known = self._sessions(connection, [run.pk]).get(run.pk)
            run.first_ms = known[-1].first_ms if known else None

    def _begin_session(
        self,
        connection: Connection,
        run: _Run,
        row: Any,
        process: Process | None,
        writer_id: str,
        now: int,
        *,
        is_new: bool,
        live: bool,
    ) -> int:
        """Note that a process begins to lead a run; without `process`: that a client does. Return how many rows were added."""
        since_ms = now if process is None else process.since_ms
        nothing = {"run": run.pk, "writer_id": "", "opened_ms": 0, "seen_ms": 0, "host": "", "pid": 0, "job": "", "ended": ""}
        latest = None
        if not is_new:
            latest = connection.execute(
                text("SELECT max(last_time_ms) FROM series WHERE run_pk = :run AND count > 0"), {"run": run.pk}
            ).scalar()
        was_over = row.end_ms is not None
        added: list[dict[str, Any]] = []
        if row.sessions == 0 and not is_new:
            # Nothing is known of who led the run before: an older tracklog, or a client without a journal. Or another rank
            # was faster, and this is the beginning.
            is_later = latest is not None and latest < since_ms
            is_silent = process is None or not live or now - row.heartbeat_ms >= HEARTBEAT_LOST_MS
            if is_later and (was_over or is_silent):
                added.append({**nothing, "start_ms": row.start_ms, "first_ms": row.start_ms, "last_ms": latest})
        if process is None:
            if row.sessions == 0 and not added:
                return 0
            # Points are told apart by their times, which are the client's: those after the latest so far are new.
            first_ms = latest + 1 if latest is not None and latest < since_ms else since_ms
            added.append({**nothing, "start_ms": since_ms, "first_ms": first_ms, "last_ms": 0})
        else:
            added.append(
                {
                    **nothing,
                    "writer_id": writer_id,
                    "start_ms": since_ms,
                    "first_ms": since_ms,
                    "last_ms": since_ms,
                    "host": _plain(process.host),
                    "pid": process.pid,
                    "job": _plain(process.job),
                }
            )
        if latest is not None and latest < since_ms:  # a client's last sign of life is its last point
            statement = text("UPDATE sessions SET last_ms = :last WHERE run_pk = :run AND writer_id = '' AND last_ms = 0")
            execute(connection, statement, {"run": run.pk, "last": latest})
        if was_over:
            for one in added[:-1]:
                one["ended"] = row.status
            execute(connection, _END_SESSIONS, {"run": run.pk, "ended": row.status})
        execute(connection, _INSERT_SESSION, added)
        connection.execute(text("UPDATE runs SET sessions = sessions + :n WHERE pk = :run"), {"n": len(added), "run": run.pk})
        return len(added)

    def _sessions(self, connection: Connection, run_pks: Sequence[int]) -> dict[int, list[Session]]:
        """Return the sessions of those of these runs that have several."""
        starts: dict[int, list[Start]] = defaultdict(list)
        if run_pks:
            for pk, *start in fetch(connection, _SELECT_SESSIONS, {"pks": list(run_pks)}):
                starts[pk].append(Start(*start))
        found = {pk: sessions_of(mine) for pk, mine in starts.items()}
        return {pk: sessions for pk, sessions in found.items() if sessions}

    def watermark(self, run_id: str, writer_id: str) -> Watermark:
        """See `Store.watermark`."""
        with self._catalog.read() as connection:
            row = self._run_row(connection, run_id)
            return Watermark() if row is None else self._writer(connection, row.pk, writer_id)

    def _run_row(self, connection: Connection, run_id: str) -> Any:
        if "\x00" in run_id:  # which no stored id has, and PostgreSQL refuses
            return None
        return connection.execute(_SELECT_RUN, {"id": run_id}).one_or_none()

    def _known_run(self, connection: Connection, run_id: str) -> Any:
        row = self._run_row(connection, run_id)
        if row is None:
            raise _no_run(run_id)
        return row

    def _writer(self, connection: Connection, run_pk: int, writer_id: str) -> Watermark:
        rows = fetch(connection, _SELECT_WRITER, {"run": run_pk, "id": writer_id})
        return Watermark(*rows[0]) if rows else Watermark()

    def _create_run(self, connection: Connection, batch: Batch, events: list[Any], now: int) -> Any:
        started = next((event for event in events if isinstance(event, RunStarted)), None)
        if started is None:
            raise _no_run(batch.run_id)
        ensure_experiment(connection, started.experiment, now)
        # Taking the number locks the experiment's row, so two new runs never get the same.
        experiment = connection.execute(_TAKE_NUMBER, {"name": started.experiment}).one()
        if (experiment.archived_ms is not None or experiment.deleted_ms is not None) and batch.writer_id:
            # An experiment that is used again is active again.
            connection.execute(
                text("UPDATE experiments SET archived_ms = NULL, deleted_ms = NULL, updated_ms = :now WHERE pk = :pk"),
                {"pk": experiment.pk, "now": now},
            )
            self._tell(connection, "", started.experiment, {"experiment"}, now)
        elif experiment.deleted_ms is not None:
            raise ConflictError(f"Experiment {started.experiment!r} is deleted and takes no more runs. Restore it first.")
        name = _plain(started.name) or f"run-{experiment.number}"
        execute(
            connection,
            _INSERT_RUN,
            {
                "id": batch.run_id,
                "experiment": experiment.pk,
                "number": experiment.number,
                "name": name,
                "key": natural_key(name),
                "status": RunStatus.NOT_STARTED.value,
                "start": started.start_ms,
                # A run known only from a dead process's journal is not responding from the start.
                "now": now if batch.live else 0,
                "parent": started.parent_id,
                "type": _plain(started.type),
                "user": _plain(started.user),
                "description": _plain(started.description),
                "has_journal": int(batch.writer_id != ""),
            },
        )
        return self._run_row(connection, batch.run_id)

    def _series(self, connection: Connection, run: _Run, keys: list[MetricKey]) -> list[int]:
        """Return the series of each key, creating those that are new."""
        known = self._series_pks.get(run.pk, {})
        addresses = [(key.name, key.column, key.dtype is DType.TEXT) for key in keys]
        missing = {
            address: key
            for address, key in zip(addresses, keys, strict=False)
            if address not in known and address not in run.made
        }
        if missing:
            execute(
                connection,
                _INSERT_SERIES,
                [
                    {
                        "run": run.pk,
                        "experiment": run.experiment_pk,
                        "name": name,
                        "col": column,
                        "is_text": int(is_text),
                        "kind": key.kind.value,
                        "dtype": key.dtype.value,
                        "description": _plain(key.description),
                    }
                    for (name, column, is_text), key in missing.items()
                ],
            )
            rows = fetch(connection, _SELECT_SERIES, {"run": run.pk})
            run.made |= {(name, column, bool(is_text)): pk for pk, name, column, is_text in rows}
        return [run.made.get(address) or known[address] for address in addresses]

    def _make_series(self, connection: Connection, run: _Run, keys: list[MetricKey], points: Array, events: list[Any]) -> None:
        """Create what is missing in the order the keys were defined: the order of a table's columns."""
        used = set(np.unique(points["key"]).tolist()) | {event.key for event in events if isinstance(event, TextPoint)}
        self._series(connection, run, sorted((key for key in keys if key.key in used), key=lambda key: key.key))

    def _update_series(self, connection: Connection, run: _Run, updates: list[dict[str, Any]]) -> None:
        statement = _UPDATE_SERIES if run.has_journal else _UPDATE_SERIES_GREATEST
        if run.first_ms is not None:
            statement, updates = _UPDATE_SERIES_RESTARTED, [{**update, "first": run.first_ms} for update in updates]
        if execute(connection, statement, updates) != len(updates):
            # The run was deleted and made anew elsewhere: what is remembered is wrong. The batch is sent again.
            self._series_pks.pop(run.pk, None)
            raise _stale_series(run.id)

    def _add_points(self, connection: Connection, run: _Run, keys: list[MetricKey], points: Array) -> None:
        points = points[(points["key"] != VOID_KEY) & (points["marker"] != 0)]
        if not len(points):
            return
        by_key = {key.key: key for key in keys}
        used = np.unique(points["key"])
        missing = [int(key) for key in used if int(key) not in by_key or by_key[int(key)].dtype is DType.TEXT]
        if missing:
            raise InvalidValueError(
                f"A batch of run {run.id} has points of the keys {missing[:10]}, which it does not define as numbers. "
                "Expected every key in `keys`.",
                parameter="keys",
                given=missing[:10],
            )
        definitions = [by_key[int(key)] for key in used]
        pks = np.array(self._series(connection, run, definitions), np.int64)
        dtypes = np.array([definition.dtype.value for definition in definitions], np.uint8)
        slot = np.searchsorted(used, points["key"])
        hot = np.empty(len(points), HOT)
        hot["series"] = pks[slot]
        hot["step"] = points["step"]
        hot["time_ms"] = points["time_ms"]
        hot["bits"] = points["value"]
        hot["dtype"] = dtypes[slot]
        self._update_series(connection, run, _summaries(hot, greatest=not run.has_journal))
        run.what.add("points")
        if len(hot) >= _COMPACT_POINTS and not run.hot_batches:  # it would be compacted at once, and written twice
            self._catalog.lock(connection, f"compact {run.pk}")
            self._add_chunks(connection, hot)
            return
        execute(connection, _INSERT_HOT, {"run": run.pk, "n": len(hot), "data": hot.tobytes()})
        run.added_points += len(hot)
        run.added_batches += 1

    def _add_events(self, connection: Connection, run: _Run, keys: list[MetricKey], events: list[Any], now: int) -> None:
        texts: list[TextPoint] = []
        lines: list[LogLine] = []
        for event in events:
            if isinstance(event, TextPoint):
                texts.append(event)
            elif isinstance(event, LogLines):
                lines.extend(event.lines)
            elif isinstance(event, StatusChanged):
                self._set_status(connection, run, event)
            elif isinstance(event, ParamsSet):
                self._set_params(connection, run, event)
            elif isinstance(event, TagsSet):
                self._set_tags(connection, run, event)
            elif isinstance(event, PropertiesSet):
                _upsert(connection, "properties", run.pk, event.values, replace=False)
                run.what.add("run")
            elif isinstance(event, InfoSet):
                for topic, value in event.values.items():
                    _upsert(connection, "info", run.pk, {topic: _json(value)}, replace=True, name="topic")
                run.what.add("info")
            elif isinstance(event, RunEdited):
                self._edit(connection, run, event, now)
            elif isinstance(event, ArtifactStored):
                run.what.add("artifacts")
            elif isinstance(event, LineageAdded):
                self._add_lineage(connection, run, event)
        if texts:
            self._add_texts(connection, run, keys, texts)
        if lines:
            self._add_lines(connection, run, lines)

    def _add_texts(self, connection: Connection, run: _Run, keys: list[MetricKey], texts: list[TextPoint]) -> None:
        by_key = {key.key: key for key in keys if key.dtype is DType.TEXT}
        missing = sorted({point.key for point in texts} - set(by_key))
        if missing:
            raise InvalidValueError(
                f"A batch of run {run.id} has text points of the keys {missing[:10]}, which it does not define as text.",
                parameter="keys",
                given=missing[:10],
            )
        used = [by_key[key] for key in sorted({point.key for point in texts})]
        pk_by_key = dict(zip((key.key for key in used), self._series(connection, run, used), strict=False))
        updates: dict[int, dict[str, Any]] = {}
        rows = []
        for point in texts:
            pk = pk_by_key[point.key]
            rows.append({"pk": pk, "step": point.step, "time": point.time_ms, "value": point.value.encode()})
            update = updates.setdefault(pk, {**_NO_NUMBERS, "pk": pk, "dtype": DType.TEXT.value})
            update["count"] += 1
            if update["last_step"] is None or (point.step, point.time_ms) >= (
                update["last_step"],
                update["last_time_ms"],
            ):
                update["last_step"], update["last_time_ms"] = point.step, point.time_ms
                update["last_text"] = _plain(point.value[:_SHOWN_TEXT_CHARS])
        self._update_series(connection, run, list(updates.values()))
        connection.execute(text("INSERT INTO texts (series_pk, step, time_ms, value) VALUES (:pk, :step, :time, :value)"), rows)
        run.what.add("points")

    def _add_lines(self, connection: Connection, run: _Run, lines: list[LogLine]) -> None:
        first = connection.execute(
            text("UPDATE runs SET log_lines = log_lines + :n WHERE pk = :pk RETURNING log_lines - :n"),
            {"n": len(lines), "pk": run.pk},
        ).scalar_one()
        connection.execute(
            text("INSERT INTO logs (run_pk, first_line, n, data) VALUES (:run, :first, :n, :data)"),
            {"run": run.pk, "first": first, "n": len(lines), "data": zlib.compress(msgspec.msgpack.encode(lines), 6)},
        )
        run.what.add("log")

    def _set_status(self, connection: Connection, run: _Run, event: StatusChanged) -> None:
        changed = execute(
            connection,
            _SET_STATUS,
            {
                "pk": run.pk,
                "status": event.status.value,
                "time": event.time_ms,
                "end": event.time_ms if event.status.is_final() else None,
                "keep_error": int(event.error is None and event.status is RunStatus.FAILED),
                "error": None if event.error is None else _json(event.error),
                # Journals arrive late and in any order. What comes without one is said now, of whatever time.
                "late": int(run.has_journal),
            },
        )
        if changed:
            run.what.add("status")

    def _set_params(self, connection: Connection, run: _Run, event: ParamsSet) -> None:
        rows = []
        for name, value in event.values.items():
            kind, shown_value, number = _param_row(value)
            rows.append(
                {
                    "run": run.pk,
                    "experiment": run.experiment_pk,
                    "name": _plain(name),
                    "kind": kind,
                    "value": shown_value,
                    "number": number,
                }
            )
        if not rows:
            return
        inserted = execute(connection, _INSERT_PARAM, rows)
        if event.strict and inserted < len(rows):
            kept = connection.execute(_SELECT_PARAMS, {"run": run.pk, "names": [row["name"] for row in rows]})
            old_by_name = {row.name: row.value for row in kept}
            for row in rows:
                key, old, new = row["name"], old_by_name[row["name"]], row["value"]
                if old != new:
                    raise ParamConflictError(
                        f"Changing param values is not allowed. Param with key={key!r} was already logged with value={old!r} "
                        f"for run ID={run.id!r}. Attempted logging new value {new!r}.",
                        key=str(key),
                        old=old,
                        new=str(new),
                    )
        run.what.add("params")

    def _set_tags(self, connection: Connection, run: _Run, event: TagsSet) -> None:
        rows = [
            {"run": run.pk, "experiment": run.experiment_pk, "name": _plain(name), "value": _plain(value)}
            for name, value in event.values.items()
            if value is not None
        ]
        if rows:
            execute(connection, _UPSERT_TAG, rows)
        for name, value in event.values.items():
            if value is None:
                connection.execute(
                    text("DELETE FROM tags WHERE run_pk = :run AND name = :name"), {"run": run.pk, "name": _plain(name)}
                )
        run.what.add("tags")

    def _add_lineage(self, connection: Connection, run: _Run, event: LineageAdded) -> None:
        for dataset in event.datasets:
            told = {name: _plain(value) for name, value in msgspec.structs.asdict(dataset).items() if name != "tags"}
            context = _plain(dataset.tags.get(DATASET_CONTEXT, ""))
            own = {"run": run.pk, "experiment": run.experiment_pk, "context": context, "tags": _json(dataset.tags)}
            connection.execute(_INSERT_DATASET, {**told, **own})
            connection.execute(_INSERT_INPUT, {**told, **own})
        models = [{"run": run.pk, "is_output": 0, "model": _plain(model_id), "step": 0} for model_id in event.model_inputs] + [
            {"run": run.pk, "is_output": 1, "model": _plain(made.model_id), "step": made.step} for made in event.model_outputs
        ]
        if models:
            connection.execute(_INSERT_RUN_MODEL, models)
        run.what.add("lineage")

    def _edit(self, connection: Connection, run: _Run, event: RunEdited, now: int) -> None:
        changes: dict[str, Any] = {}
        if event.name is not None:
            changes["name"] = _plain(event.name)
            changes["name_key"] = natural_key(changes["name"])
        if event.description is not None:
            changes["description"] = _plain(event.description)
        if event.user is not None:
            changes["user_name"] = _plain(event.user)
        if event.parent_id is not None:
            changes["parent_id"] = _plain(event.parent_id) or None
        if event.deleted is not None:
            changes["deleted_ms"] = now if event.deleted else None
            run.what.add("deleted")
        if event.archived is not None:
            changes["archived_ms"] = now if event.archived else None
        if changes:
            assignments = ", ".join(f"{column} = :{column}" for column in changes)
            statement = text(f"UPDATE runs SET {assignments} WHERE pk = :pk")  # column names are ours
            times = [bindparam(column, type_=BigInteger) for column in changes if column.endswith("_ms")]
            statement = statement.bindparams(*times)
            connection.execute(statement, {**changes, "pk": run.pk})
            run.what.add("run")

    def _tell(self, connection: Connection, run_id: str, experiment: str, what: set[str], now: int) -> None:
        # Ids must become visible in ascending order, or a reader that saw 5 would never see a 4 committed later.
        self._catalog.lock(connection, "changes")
        execute(
            connection,
            _INSERT_CHANGE,
            {"run": run_id, "experiment": experiment, "what": json.dumps(sorted(what)), "now": now},
        )

    # --------------------------------------------------------------- compaction

    def _compact(self, run_pk: int) -> None:
        """Move a run's hot points into chunks. Another process may do the same: the second finds nothing to do."""
        with self._compacting, self._catalog.write() as connection:
            self._catalog.lock(connection, f"compact {run_pk}")
            rows = connection.execute(text("SELECT pk, data FROM hot WHERE run_pk = :run ORDER BY pk"), {"run": run_pk}).all()
            if not rows:
                return
            hot = np.concatenate([read_hot(row.data) for row in rows])
            self._add_chunks(connection, hot)
            last = rows[-1].pk
            connection.execute(text("DELETE FROM hot WHERE run_pk = :run AND pk <= :last"), {"run": run_pk, "last": last})
            connection.execute(
                text("UPDATE runs SET hot_points = hot_points - :n, hot_batches = hot_batches - :batches WHERE pk = :pk"),
                {"n": len(hot), "batches": len(rows), "pk": run_pk},
            )

    def _add_chunks(self, connection: Connection, hot: Array) -> None:
        """Store points as chunks, the last chunk of each series filled up first. The caller holds the lock on compaction."""
        for series_pk, points in _by_series(hot):
            tail = connection.execute(
                text("SELECT pk, n, data FROM chunks WHERE series_pk = :series ORDER BY pk DESC LIMIT 1"),
                {"series": series_pk},
            ).one_or_none()
            if tail is not None and tail.n < CHUNK_POINTS:
                points = concatenate([decode_chunk(tail.data), points])
                connection.execute(text("DELETE FROM chunks WHERE pk = :pk"), {"pk": tail.pk})
            connection.execute(
                text(
                    "INSERT INTO chunks (series_pk, n, step_min, step_max, value_min, value_max, data)"
                    " VALUES (:series, :n, :step_min, :step_max, :value_min, :value_max, :data)"
                ).bindparams(
                    bindparam("value_min", type_=Double),
                    bindparam("value_max", type_=Double),
                ),
                [
                    _chunk_row(series_pk, points.slice(start, start + CHUNK_POINTS))
                    for start in range(0, len(points), CHUNK_POINTS)
                ],
            )

    def maintain(self) -> int:
        """Do what has become due: take in journals of processes that died, compact runs that ended, tell readers of lost
        heartbeats, forget old changes. Return how many journals were taken in.

        Cheap when nothing is due. Servers call it every few seconds, `gc` calls it first.
        """
        recovered = recover(self.journals, self)
        now = self._clock_ms()
        with self._catalog.read() as connection:
            due = (
                connection.execute(
                    text(
                        "SELECT pk FROM runs WHERE hot_batches > 1 AND (end_ms IS NOT NULL OR heartbeat_ms < :quiet_since)"
                        " LIMIT 200"
                    ),
                    {"quiet_since": now - HEARTBEAT_LOST_MS},
                )
                .scalars()
                .all()
            )
            lost = connection.execute(
                text(f"SELECT count(*) FROM runs WHERE {LOST_SQL}"), {"alive_since": now - HEARTBEAT_LOST_MS}
            ).scalar_one()
            newest = connection.execute(text("SELECT max(pk) FROM changes")).scalar() or 0
            oldest = connection.execute(text("SELECT min(pk) FROM changes")).scalar() or 0
        for run_pk in due:
            self._compact(run_pk)
        if lost:
            with self._catalog.write() as connection:
                rows = connection.execute(
                    text(f"UPDATE runs SET lost = 1 WHERE {LOST_SQL} RETURNING id, experiment_pk"),
                    {"alive_since": now - HEARTBEAT_LOST_MS},
                ).all()
                for row in rows:
                    name = connection.execute(
                        text("SELECT name FROM experiments WHERE pk = :pk"), {"pk": row.experiment_pk}
                    ).scalar_one()
                    self._tell(connection, row.id, name, {"status"}, now)
        if newest - oldest > 2 * _KEPT_CHANGES:
            with self._catalog.write() as connection:
                connection.execute(text("DELETE FROM changes WHERE pk < :pk"), {"pk": newest - _KEPT_CHANGES})
        return len(recovered)

    # ------------------------------------------------------------------ reading

    def experiments(self, *, deleted: bool | None = False) -> list[ExperimentInfo]:
        """See `Store.experiments`."""
        chosen = "" if deleted is None else f"WHERE e.deleted_ms IS {'NOT ' if deleted else ''}NULL"
        with self._catalog.read() as connection:
            return self._experiments(connection, chosen)

    def experiment(self, name: str = "", *, experiment_id: str = "") -> ExperimentInfo:
        """See `Store.experiment`."""
        with self._catalog.read() as connection:
            if experiment_id and is_key(experiment_id):
                found = self._experiments(connection, "WHERE e.pk = :pk", pk=int(experiment_id))
            else:
                found = [] if experiment_id else self._experiments(connection, "WHERE e.name = :name", name=_plain(name))
        if not found:
            given = experiment_id or name
            raise NotFoundError(f"There is no experiment {given!r}.", what="experiment", given=given)
        return found[0]

    def _experiments(self, connection: Connection, chosen: str, **given: Any) -> list[ExperimentInfo]:
        rows = connection.execute(
            text(
                "SELECT e.pk, e.name, e.created_ms, e.updated_ms, e.archived_ms, e.deleted_ms, e.tags, e.artifact_location,"
                " (SELECT count(*) FROM runs r WHERE r.experiment_pk = e.pk AND r.deleted_ms IS NULL) AS runs,"
                " (SELECT COALESCE(max(r.start_ms), 0) FROM runs r WHERE r.experiment_pk = e.pk AND r.deleted_ms IS NULL)"
                "  AS last_start,"
                " (SELECT count(*) FROM runs r WHERE r.experiment_pk = e.pk AND r.end_ms IS NULL"
                f"  AND r.heartbeat_ms >= {ALIVE_SINCE_SQL} AND r.deleted_ms IS NULL) AS active"
                f" FROM experiments e {chosen} ORDER BY last_start DESC, e.pk DESC"
            ),
            {"alive_since": self._clock_ms() - HEARTBEAT_LOST_MS, **given},
        ).all()
        return [
            ExperimentInfo(
                name=row.name,
                runs=row.runs,
                active=row.active,
                created_ms=row.created_ms,
                last_start_ms=row.last_start,
                archived_ms=row.archived_ms,
                tags=json.loads(row.tags),
                id=str(row.pk),
                deleted_ms=row.deleted_ms,
                updated_ms=row.updated_ms or row.created_ms,
                artifact_location=row.artifact_location,
            )
            for row in rows
        ]

    def create_experiment(
        self, name: str, *, tags: Mapping[str, str] | None = None, artifact_location: str = ""
    ) -> ExperimentInfo:
        """See `Store.create_experiment`."""
        name = _plain(name)
        _check_experiment(name, tags or ())
        now = self._clock_ms()
        with self._catalog.write() as connection:
            if not ensure_experiment(connection, name, now):
                (other,) = self._experiments(connection, "WHERE e.name = :name", name=name)
                raise _taken(name, other.deleted_ms is not None)
            connection.execute(
                text("UPDATE experiments SET tags = :tags, artifact_location = :location WHERE name = :name"),
                {
                    "name": name,
                    "tags": _document({_plain(key): _plain(value) for key, value in (tags or {}).items()}),
                    "location": _plain(artifact_location),
                },
            )
            (info,) = self._experiments(connection, "WHERE e.name = :name", name=name)
            self._tell(connection, "", name, {"experiment"}, now)
        return info

    def edit_experiment(self, name: str, edit: ExperimentEdit) -> ExperimentInfo:
        """See `Store.edit_experiment`."""
        name = _plain(name)
        new_name = name if edit.name is None else _plain(edit.name)
        for one in (name, new_name):
            _check_experiment(one, edit.tags)
        now = self._clock_ms()
        with self._catalog.write() as connection:
            ensure_experiment(connection, name, now)
            row = connection.execute(  # the update locks the row before its tags are read
                text("UPDATE experiments SET name = name WHERE name = :name RETURNING pk, archived_ms, deleted_ms, tags"),
                {"name": name},
            ).one()
            tags: dict[str, str] = json.loads(row.tags)
            for label, value in edit.tags.items():
                if value is None:
                    tags.pop(_plain(label), None)
                else:
                    tags[_plain(label)] = _plain(value)
            archived, deleted = row.archived_ms, row.deleted_ms
            if edit.archived is not None:
                archived = (archived or now) if edit.archived else None
            if edit.deleted is not None:
                deleted = (deleted or now) if edit.deleted else None
                connection.execute(_DELETE_RUNS_OF if edit.deleted else _REVIVE_RUNS_OF, {"now": now, "pk": row.pk})
            if new_name != name:
                other = connection.execute(
                    text("SELECT deleted_ms FROM experiments WHERE name = :name"), {"name": new_name}
                ).one_or_none()
                if other is not None:
                    raise _taken(new_name, other.deleted_ms is not None)
            connection.execute(
                text(
                    "UPDATE experiments SET name = :name, archived_ms = CAST(:archived AS BIGINT),"
                    " deleted_ms = CAST(:deleted AS BIGINT), tags = :tags, updated_ms = :now WHERE pk = :pk"
                ),
                {
                    "name": new_name,
                    "archived": archived,
                    "deleted": deleted,
                    "tags": _document(tags),
                    "now": now,
                    "pk": row.pk,
                },
            )
            for one in {name, new_name}:
                self._tell(connection, "", one, {"experiment"}, now)
            (info,) = self._experiments(connection, "WHERE e.pk = :pk", pk=row.pk)
        return info

    def delete_experiment(self, name: str) -> None:
        """See `Store.delete_experiment`."""
        with self._catalog.write() as connection:
            row = connection.execute(
                text(
                    "SELECT e.pk, (SELECT count(*) FROM runs r WHERE r.experiment_pk = e.pk) AS runs,"
                    " (SELECT count(*) FROM logged_models l WHERE l.experiment_pk = e.pk) AS models"
                    " FROM experiments e WHERE e.name = :name"
                ),
                {"name": _plain(name)},
            ).one_or_none()
            if row is None:
                raise NotFoundError(f"There is no experiment {name!r}.", what="experiment", given=name)
            if row.runs:
                raise ConflictError(
                    f"Experiment {name!r} has {row.runs} runs (deleted ones count until they are cleaned up). Remove them first: "
                    f"`tracklog rm`, then `tracklog gc`; or archive the experiment."
                )
            if row.models:
                raise ConflictError(
                    f"Experiment {name!r} has logged models: {row.models} (deleted ones count until they are cleaned up). "
                    "Delete them first, then `tracklog gc`; or archive the experiment."
                )
            connection.execute(text("DELETE FROM traces WHERE experiment_pk = :pk"), {"pk": row.pk})
            connection.execute(text("DELETE FROM experiments WHERE pk = :pk"), {"pk": row.pk})
            self._tell(connection, "", _plain(name), {"experiment"}, self._clock_ms())

    def views(self, scope: str) -> list[View]:
        """See `Store.views`."""
        with self._catalog.read() as connection:
            rows = connection.execute(
                text("SELECT scope, name, query, updated_ms FROM views WHERE scope = :scope"), {"scope": _plain(scope)}
            ).all()
        return sorted((View(**row._asdict()) for row in rows), key=lambda view: natural_key(view.name))

    def save_view(self, view: View) -> View:
        """See `Store.save_view`."""
        for field in ("scope", "name", "query"):
            value = getattr(view, field)
            if len(value) > MAX_VIEW_CHARS or "\x00" in value or (field != "query" and not value.strip()):
                raise InvalidValueError(
                    f"Cannot use {shown(value)} as the {field} of a view. Expected text of at most {MAX_VIEW_CHARS:,} characters "
                    f"without NUL{', not empty' if field != 'query' else ''}.",
                    parameter=field,
                    given=value,
                )
        view = msgspec.structs.replace(view, updated_ms=self._clock_ms())
        with self._catalog.write() as connection:
            connection.execute(
                text(
                    "INSERT INTO views (scope, name, query, updated_ms) VALUES (:scope, :name, :query, :updated_ms)"
                    " ON CONFLICT (scope, name) DO UPDATE SET query = excluded.query, updated_ms = excluded.updated_ms"
                ),
                msgspec.structs.asdict(view),
            )
        return view

    def delete_view(self, scope: str, name: str) -> None:
        """See `Store.delete_view`."""
        with self._catalog.write() as connection:
            deleted = connection.execute(
                text("DELETE FROM views WHERE scope = :scope AND name = :name"), {"scope": _plain(scope), "name": _plain(name)}
            ).rowcount
        if not deleted:
            raise NotFoundError(f"There is no view {shown(name)} of {shown(scope)}.", what="view", given=name)

    def save_selection(self, run_ids: Sequence[str]) -> str:
        """See `Store.save_selection`."""
        wanted = list(dict.fromkeys(run_ids))
        if len(wanted) > MAX_SELECTION:
            raise InvalidValueError(
                f"Cannot select {len(wanted):,} runs together. Expected at most {MAX_SELECTION:,}; filter the runs instead.",
                parameter="ids",
                given=len(wanted),
            )
        with self._catalog.read() as connection:
            found = _in_parts(connection, "SELECT pk, id FROM runs WHERE id IN :part", Text, wanted)
            pk_by_id = {row.id: row.pk for row in found}
        known = [run_id for run_id in wanted if run_id in pk_by_id]
        if not known:
            raise InvalidValueError("Cannot select runs: none of them is in this workspace.", parameter="ids", given=wanted[:3])
        # A name that anybody finds again by the runs alone; 80 bits, since nobody gains by two that are alike.
        name = hashlib.sha256("\n".join(known).encode()).hexdigest()[:20]
        pks = np.array([pk_by_id[run_id] for run_id in known], np.int64)
        data = zlib.compress(np.diff(pks, prepend=np.int64(0)).astype("<i8").tobytes())
        with self._catalog.write() as connection:
            connection.execute(
                text(
                    "INSERT INTO selections (name, saved_ms, run_pks) VALUES (:name, :saved_ms, :run_pks)"
                    " ON CONFLICT (name) DO UPDATE SET run_pks = excluded.run_pks"
                ),
                {"name": name, "saved_ms": self._clock_ms(), "run_pks": data},
            )
        return name

    def selection(self, name: str) -> list[str]:
        """See `Store.selection`."""
        with self._catalog.read() as connection:
            statement = text("SELECT run_pks FROM selections WHERE name = :name")
            row = connection.execute(statement, {"name": _plain(name)}).one_or_none()
            if row is None:
                raise NotFoundError(
                    f"There is no selection {shown(name)} here. It may be one of another workspace: select the runs again.",
                    what="selection",
                    given=name,
                )
            pks: list[int] = np.cumsum(np.frombuffer(zlib.decompress(row.run_pks), "<i8")).tolist()
            found = _in_parts(connection, "SELECT pk, id FROM runs WHERE pk IN :part", BigInteger, pks)
            id_by_pk = {one.pk: str(one.id) for one in found}
        return [id_by_pk[pk] for pk in pks if pk in id_by_pk]

    def search_runs(self, query: RunQuery) -> RunPage:
        """See `Store.search_runs`."""
        with self._catalog.read() as connection:
            search = self._search(connection, query)
            pks, token = search.page(connection)
            if not query.count:
                total = None
            elif query.page_token is None and token is None:
                total = len(pks)
            else:
                total = search.total(connection)
            runs = self._runs(connection, pks, query)
        return RunPage(runs=runs, total=total, next_page_token=token)

    def _search(self, connection: Connection, query: RunQuery) -> RunSearch:
        texts = TextSql(self._catalog.is_sqlite, self._catalog.unicode_collation(connection))
        return RunSearch(query, self._clock_ms(), texts)

    def run_ids(self, query: RunQuery) -> list[str]:
        """See `Store.run_ids`."""
        with self._catalog.read() as connection:
            return self._search(connection, msgspec.structs.replace(query, limit=1, page_token=None)).ids(connection)

    def run_keys(self, experiment: str | None = None) -> RunKeys:
        """See `Store.run_keys`."""
        with self._catalog.read() as connection:
            return run_keys(connection, experiment)

    def group_runs(self, query: GroupQuery) -> RunGroups:
        """See `Store.group_runs`."""
        runs = msgspec.structs.replace(query.runs, order_by="-start", limit=1, page_token=None)
        with self._catalog.read() as connection:
            return group_runs(connection, query, self._search(connection, runs))

    def get_run(self, run_id: str) -> RunInfo:
        """See `Store.get_run`."""
        with self._catalog.read() as connection:
            pk = self._known_run(connection, run_id).pk
            (run,) = self._runs(connection, [pk])
            rows = connection.execute(text("SELECT topic, value FROM info WHERE run_pk = :run"), {"run": pk}).all()
        return msgspec.structs.replace(run, info={row.topic: json.loads(row.value) for row in rows})

    def _runs(self, connection: Connection, pks: list[int], query: RunQuery | None = None) -> list[RunInfo]:
        """Return runs in the order of their keys, with what the query wants of each, in a fixed number of statements."""
        if not pks:
            return []

        def rows_by_run(sql: str, names: list[str] | None = None, order: str = "pk") -> dict[int, list[Any]]:
            """`names`: only these; None: all. [] needs no statement."""
            found: dict[int, list[Any]] = defaultdict(list)
            if names == []:
                return found
            lists: list[BindParameter[Any]] = [bindparam("pks", expanding=True, type_=BigInteger)]
            given: dict[str, Any] = {"pks": pks}
            if names is not None:
                sql += " AND name IN :names"
                lists.append(bindparam("names", expanding=True, type_=Text))
                given["names"] = [_plain(name) for name in names]
            for row in fetch(connection, text(f"{sql} ORDER BY {order}").bindparams(*lists), given):
                found[row[0]].append(row)
            return found

        wanted = query or RunQuery()
        is_row = (wanted.params, wanted.tags, wanted.metrics) != (None, None, None)
        params = rows_by_run("SELECT run_pk, name, kind, value FROM params WHERE run_pk IN :pks", wanted.params, "name")
        tags = rows_by_run("SELECT run_pk, name, value FROM tags WHERE run_pk IN :pks", wanted.tags, "name")
        series = rows_by_run(f"SELECT run_pk, {_SUMMARY_COLUMNS} FROM series WHERE run_pk IN :pks AND count > 0", wanted.metrics)
        nothing: list[str] | None = [] if is_row else None
        properties = rows_by_run("SELECT run_pk, name, value FROM properties WHERE run_pk IN :pks", nothing, "name")
        inputs = rows_by_run(
            "SELECT i.run_pk, d.name, d.digest, d.source_type, d.source, d.schema, d.profile, i.tags"
            " FROM inputs i JOIN datasets d ON d.pk = i.dataset_pk WHERE i.run_pk IN :pks",
            nothing,
            "i.pk",
        )
        models = rows_by_run("SELECT run_pk, is_output, model_id, step FROM run_models WHERE run_pk IN :pks", nothing)
        statement = text(
            f"SELECT {_RUN_COLUMNS} FROM runs r JOIN experiments e ON e.pk = r.experiment_pk WHERE r.pk IN :pks"
        ).bindparams(bindparam("pks", expanding=True, type_=BigInteger))
        rows = connection.execute(statement, {"pks": pks, "alive_since": self._clock_ms() - HEARTBEAT_LOST_MS}).all()
        sessions = self._sessions(connection, [row.pk for row in rows if row.sessions > 1])
        by_pk = {
            row.pk: RunInfo(
                id=row.id,
                experiment=row.experiment,
                experiment_id=str(row.experiment_pk),
                number=row.number,
                name=row.name,
                status=RunStatus(row.status),
                start_ms=row.start_ms,
                end_ms=row.end_ms,
                heartbeat_ms=row.heartbeat_ms,
                status_ms=row.status_ms,
                parent_id=row.parent_id,
                type=row.type,
                user=row.user_name,
                description=row.description,
                deleted=row.deleted_ms is not None,
                archived=row.archived_ms is not None,
                error=None if row.error is None else msgspec.json.decode(row.error, type=ErrorInfo),
                params={name: _param_value(kind, value) for _, name, kind, value in params[row.pk]},
                tags={name: value for _, name, value in tags[row.pk]},
                properties={name: value for _, name, value in properties[row.pk]},
                metrics=[_summary(*one) for one in series[row.pk]],
                children=row.children,
                sessions=sessions.get(row.pk, []),
                datasets=[_dataset(*one) for one in inputs[row.pk]],
                model_inputs=[model_id for _, is_output, model_id, _ in models[row.pk] if not is_output],
                model_outputs=[ModelOutput(model_id, step) for _, is_output, model_id, step in models[row.pk] if is_output],
            )
            for row in rows
        }
        return [by_pk[pk] for pk in pks if pk in by_pk]

    def series(self, query: SeriesQuery) -> list[SeriesBuckets]:
        """See `Store.series`."""
        check_series_query(query)
        x_column = query.x.removeprefix("column:") if query.x.startswith("column:") else None
        x_metric = query.x.removeprefix("metric:") if query.x.startswith("metric:") else None
        names = query.names if query.names is None or x_metric is None else [*query.names, x_metric]
        with self._catalog.read() as connection:
            found: list[tuple[str, int, Any]] = []  # run id, start of the run, series row
            runs = self._known_runs(connection, dict.fromkeys(query.run_ids))
            rows = self._series_rows(connection, list(runs), names)
            rows_of: dict[int, list[Any]] = {pk: [] for pk in runs}
            for row in rows:
                if not row.is_text:
                    rows_of[row.run_pk].append(row)
            sessions = self._sessions(connection, [pk for pk, (_, _, n) in runs.items() if n > 1])
            for pk, (run_id, start_ms, _) in runs.items():
                mine = sorted(rows_of[pk], key=lambda row: (row.name, row.col))
                found.extend((run_id, start_ms, row) for row in mine)
            needs_times = query.x != "step"
            # Times also order points of equal steps; a series that counts up strictly needs none.
            points = self._points(connection, [row.pk for _, _, row in found if row.run_pk not in sessions], times=needs_times)
            points |= self._points(connection, [row.pk for _, _, row in found if row.run_pk in sessions])
        overtakes = query.x not in ("time", "relative")
        parts = {row.pk: split(points[row.pk], sessions[row.run_pk]) for _, _, row in found if row.run_pk in sessions}
        if overtakes:
            points |= {pk: part.live for pk, part in parts.items()}
        x_by_metric = {(row.run_pk, row.name): row.pk for _, _, row in found if row.col == x_column}
        x_by_run = {row.run_pk: row.pk for _, _, row in found if row.name == x_metric and row.col == ""}
        answer = []
        for run_id, start_ms, row in found:
            if query.column is not None and row.col != query.column:
                continue
            one = points[row.pk]
            if x_metric is not None:
                if row.name == x_metric or row.run_pk not in x_by_run:
                    continue
                x, values = _as_of(points[x_by_run[row.run_pk]], one)
            elif x_column is None:
                x, values = _over(one, query.x, start_ms)
            elif row.col == x_column or (row.run_pk, row.name) not in x_by_metric:
                continue
            else:
                x, values = _joined(points[x_by_metric[(row.run_pk, row.name)]], one)
            whose = {"run_id": run_id, "name": row.name, "column": row.col, "kind": MetricKind(row.kind)}
            line = bucketed(x, values, query, **whose)
            if row.pk in parts:
                part = parts[row.pk]
                if overtakes:
                    line.overtaken = sum(len(tail) for tail, _ in part.tails)
                    line.count += line.overtaken
                if x_column is None and x_metric is None:
                    line.restarts = _restarts(part.firsts, sessions[row.run_pk], query.x, start_ms)
                if query.tails and query.x == "step":
                    line.tails = [_tail(tail, lead, part.live, query, whose) for tail, lead in part.tails]
            answer.append(line)
        return answer

    def _known_runs(self, connection: Connection, run_ids: Iterable[str]) -> dict[int, tuple[str, int, int]]:
        """Return {key: (id, start in ms, starts known)} in the order of the ids. Raises NotFoundError for an unknown one."""
        statement = text("SELECT pk, id, start_ms, sessions FROM runs WHERE id IN :ids").bindparams(
            bindparam("ids", expanding=True, type_=Text)
        )
        # No stored id has a NUL, and PostgreSQL refuses it.
        rows = connection.execute(statement, {"ids": [run_id for run_id in run_ids if "\x00" not in run_id]}).all()
        known = {row.id: row for row in rows}
        for run_id in run_ids:
            if run_id not in known:
                raise _no_run(run_id)
        return {known[run_id].pk: (run_id, known[run_id].start_ms, known[run_id].sessions) for run_id in run_ids}

    def _series_rows(self, connection: Connection, run_pks: Sequence[int], names: Sequence[str] | None) -> Sequence[Any]:
        sql = "SELECT pk, run_pk, name, col, is_text, kind, count, last_step FROM series WHERE run_pk IN :runs AND count > 0"
        lists: list[BindParameter[Any]] = [bindparam("runs", expanding=True, type_=BigInteger)]
        given: dict[str, Any] = {"runs": list(run_pks)}
        if names is not None:
            sql += " AND name IN :names"
            lists.append(bindparam("names", expanding=True, type_=Text))
            given["names"] = [name for name in names if "\x00" not in name]  # as above
        return connection.execute(text(f"{sql} ORDER BY pk").bindparams(*lists), given).all()

    def _points(self, connection: Connection, series_pks: list[int], *, times: bool = True) -> dict[int, Points]:
        """Return the points of series, ascending by (step, time). Without `times`, times may be missing where not needed."""
        if not series_pks:
            return {}
        parts: dict[int, list[Points]] = {pk: [] for pk in series_pks}
        statement = text("SELECT series_pk, data FROM chunks WHERE series_pk IN :pks ORDER BY series_pk, pk").bindparams(
            bindparam("pks", expanding=True, type_=BigInteger)
        )
        blobs: dict[int, list[bytes]] = defaultdict(list)
        for row in connection.execute(statement, {"pks": series_pks}):
            blobs[row.series_pk].append(row.data)
        for pk, chunks in blobs.items():
            decoded = [decode_chunk(data, times=times) for data in chunks]
            if not times and not _strictly_ascending(decoded):
                decoded = [decode_chunk(data) for data in chunks]
            parts[pk] = decoded
        statement = text(
            "SELECT data FROM hot WHERE run_pk IN (SELECT DISTINCT run_pk FROM series WHERE pk IN :pks) ORDER BY pk"
        ).bindparams(bindparam("pks", expanding=True, type_=BigInteger))
        rows = [read_hot(row.data) for row in connection.execute(statement, {"pks": series_pks})]
        if rows:
            hot = np.concatenate(rows)
            # Of runs with many metrics one may be asked for: sorting the others takes longer than leaving them out.
            hot = hot[np.isin(hot["series"], series_pks)]
            for series_pk, one in _by_series(hot):
                if series_pk in parts:
                    earlier = parts[series_pk]
                    if not times and earlier and not _strictly_ascending([earlier[-1], one]):
                        earlier = parts[series_pk] = [decode_chunk(data) for data in blobs[series_pk]]
                    earlier.append(one)
        return {pk: concatenate(found).in_order() for pk, found in parts.items()}

    def _texts(self, connection: Connection, series_pk: int) -> list[Any]:
        rows = connection.execute(
            text("SELECT step, time_ms, value FROM texts WHERE series_pk = :pk ORDER BY step, time_ms, pk"),
            {"pk": series_pk},
        )
        return list(rows)

    def columns(self, run_id: str, name: str, column: str = "") -> MetricColumns:
        """See `Store.columns`."""
        with self._catalog.read() as connection:
            run = self._known_run(connection, run_id)
            rows = self._series_rows(connection, [run.pk], [name])
            mine = [row for row in rows if row.col == column]
            if not mine:
                raise self._no_series(connection, run, run_id, name, column, rows)
            numbers = [row.pk for row in mine if not row.is_text]
            words = [row.pk for row in mine if row.is_text]
            points = concatenate(list(self._points(connection, numbers).values()))
            texts = [row for pk in words for row in self._texts(connection, pk)]
        steps, times_ms, dtypes = points.steps, points.times_ms, points.dtypes
        values = _exact_values(points)
        if texts:
            steps = np.concatenate([steps, np.array([row.step for row in texts], np.int64)])
            times_ms = np.concatenate([times_ms, np.array([row.time_ms for row in texts], np.int64)])
            dtypes = np.concatenate([dtypes, np.full(len(texts), DType.TEXT.value, np.uint8)])
            cells = np.empty(len(steps), object)
            cells[: len(points)] = values.tolist()
            cells[len(points) :] = [bytes(row.value).decode() for row in texts]
            order = np.lexsort((times_ms, steps))
            steps, times_ms, dtypes, values = steps[order], times_ms[order], dtypes[order], cells[order]
        return MetricColumns(
            run_id=run_id,
            name=name,
            column=column,
            kind=MetricKind(mine[0].kind),
            steps=steps,
            times_ms=times_ms,
            values=values,
            dtypes=dtypes,
        )

    def _no_series(
        self, connection: Connection, run: Any, run_id: str, name: str, column: str, rows: Sequence[Any]
    ) -> NotFoundError:
        if rows:
            known = ", ".join(f"`{row.col}`" for row in rows)
            return NotFoundError(
                f"Metric `{name}` of run {run_id} has no column `{column}`. Its columns: {known}.",
                what="column",
                given=column,
            )
        names = connection.execute(
            text("SELECT DISTINCT name FROM series WHERE run_pk = :run AND count > 0 ORDER BY name LIMIT 30"),
            {"run": run.pk},
        ).scalars()
        known = ", ".join(f"`{one}`" for one in names) or "none yet"
        return NotFoundError(f"Run {run_id} has no metric `{name}`. Its metrics: {known}.", what="metric", given=name)

    def table(self, run_id: str, name: str, first_row: int = 0, limit: int = 1000) -> TablePage:
        """See `Store.table`."""
        if not 1 <= limit <= _MAX_TABLE_ROWS or first_row < 0:
            raise InvalidValueError(
                f"Cannot return {limit} rows from row {first_row}. Expected 1 to {_MAX_TABLE_ROWS} rows from row 0 on.",
                parameter="limit" if first_row >= 0 else "first_row",
                given=limit if first_row >= 0 else first_row,
            )
        with self._catalog.read() as connection:
            run = self._known_run(connection, run_id)
            rows = self._series_rows(connection, [run.pk], [name])
            if not rows:
                raise self._no_series(connection, run, run_id, name, "", rows)
            points = self._points(connection, [row.pk for row in rows if not row.is_text])
            texts = {row.pk: self._texts(connection, row.pk) for row in rows if row.is_text}
        columns = list(dict.fromkeys(row.col for row in rows))
        cells: dict[tuple[int, int, int], dict[str, Any]] = {}
        for row in rows:
            if row.is_text:
                own = texts[row.pk]
                addresses = _addresses(np.array([t.step for t in own], np.int64), np.array([t.time_ms for t in own], np.int64))
                values: list[Any] = [bytes(t.value).decode() for t in own]
            else:
                addresses = _addresses(points[row.pk].steps, points[row.pk].times_ms)
                values = _exact_values(points[row.pk]).tolist()
            for address, value in zip(addresses, values, strict=False):
                cells.setdefault(address, {})[row.col] = value
        ordered = sorted(cells)
        page = [[cells[address].get(column) for column in columns] for address in ordered[first_row : first_row + limit]]
        return TablePage(columns=columns, rows=page, first_row=first_row, total_rows=len(ordered))

    def log_lines(self, run_id: str, first_line: int = 0, limit: int = 1000) -> LogPage:
        """See `Store.log_lines`."""
        if limit < 1:
            raise InvalidValueError(f"Cannot return {limit} lines. Expected 1 or more.", parameter="limit", given=limit)
        with self._catalog.read() as connection:
            run = self._known_run(connection, run_id)
            total = run.log_lines
            first = max(0, total + first_line) if first_line < 0 else min(first_line, total)
            rows = fetch(connection, _LOG_BLOCKS, {"run": run.pk, "first": first, "end": first + limit, "limit": limit})
        lines: list[LogLine] = []
        for _, _, data in rows:
            lines.extend(msgspec.msgpack.decode(zlib.decompress(data), type=list[LogLine]))
        skip = first - rows[0][0] if rows else 0
        return LogPage(lines=lines[skip : skip + limit], first_line=first, total_lines=total)

    def search_log(self, run_id: str, query: LogQuery) -> LogMatches:
        """See `Store.search_log`."""
        check_log_query(query)
        with self._catalog.read() as connection:
            run = self._known_run(connection, run_id)
            search = LogSearch(query, self._patterns, run.log_lines)
            blocks = 1
            while not search.is_over:
                given = {"run": run.pk, "first": search.next_line, "end": search.end_line, "limit": blocks}
                rows = fetch(connection, _LOG_BLOCKS, given)
                search.take(rows)
                # Small blocks many at once, large ones few: some MB are in memory.
                blocks = max(1, min(256, _READ_LINES // rows[-1][1]))
        return search.answer()

    def changes(self, since: int, limit: int = 1000) -> list[Change]:
        """See `Store.changes`."""
        with self._catalog.read() as connection:
            columns = "SELECT pk, run_id, experiment, what, time_ms FROM changes"
            if since < 0:
                rows = connection.execute(text(f"{columns} ORDER BY pk DESC LIMIT 1")).all()
            else:
                rows = connection.execute(
                    text(f"{columns} WHERE pk > :since ORDER BY pk LIMIT :limit"), {"since": since, "limit": limit}
                ).all()
        return [
            Change(id=row.pk, run_id=row.run_id, experiment=row.experiment, what=json.loads(row.what), time_ms=row.time_ms)
            for row in rows
        ]

    # ---------------------------------------------------------------- artifacts

    def _owner(self, connection: Connection, owner_id: str) -> _Owner:
        """Return the run or logged model that files belong to."""
        if is_logged_model_id(owner_id):
            pk = connection.execute(text("SELECT pk FROM logged_models WHERE id = :id"), {"id": owner_id}).scalar()
            if pk is not None:
                return _Owner(-pk, "", "", "models")
        row = self._run_row(connection, owner_id)
        if row is None:
            raise no_logged_model(owner_id) if is_logged_model_id(owner_id) else _no_run(owner_id)
        return _Owner(row.pk, owner_id, row.experiment, "artifacts")

    def put_artifact(self, run_id: str, path: str, source: Path | BinaryIO, *, move: bool = False) -> ArtifactInfo:
        """See `Store.put_artifact`."""
        path = validate_artifact_path(path)
        with self._catalog.read() as connection:
            self._owner(connection, run_id)  # before anything is copied
        staged = self._blobs.stage(source, move=move)
        now = self._clock_ms()
        info = ArtifactInfo(
            path=path,
            size_bytes=staged.size_bytes,
            sha256=staged.sha256,
            modified_ms=now,
            content_type=mimetypes.guess_type(path)[0] or "application/octet-stream",
        )
        try:
            with self._catalog.write() as connection:
                self._catalog.lock(connection, "artifacts")
                owner = self._owner(connection, run_id)
                replaced = connection.execute(
                    text("SELECT sha256 FROM artifacts WHERE run_pk = :owner AND path = :path"),
                    {"owner": owner.pk, "path": path},
                ).scalar()
                self._blobs.keep(staged)
                connection.execute(
                    text(
                        "INSERT INTO artifacts (run_pk, path, size_bytes, sha256, content_type, modified_ms)"
                        " VALUES (:run, :path, :size, :sha256, :type, :now) ON CONFLICT (run_pk, path) DO UPDATE SET"
                        " size_bytes = excluded.size_bytes, sha256 = excluded.sha256, content_type = excluded.content_type,"
                        " modified_ms = excluded.modified_ms"
                    ),
                    {
                        "run": owner.pk,
                        "path": path,
                        "size": info.size_bytes,
                        "sha256": info.sha256,
                        "type": info.content_type,
                        "now": now,
                    },
                )
                self._tell(connection, owner.run_id, owner.experiment, {owner.what}, now)
                if replaced is not None and replaced != info.sha256:
                    self._release(connection, [replaced])
        finally:
            staged.discard()
        if move and isinstance(source, Path):
            source.unlink(missing_ok=True)
        return info

    def artifacts(self, run_id: str, prefix: str = "") -> list[ArtifactInfo]:
        """See `Store.artifacts`."""
        folder = validate_artifact_path(prefix.rstrip("/")) + "/" if prefix.strip("/") else ""
        with self._catalog.read() as connection:
            owner = self._owner(connection, run_id)
            rows = connection.execute(
                text(
                    "SELECT path, size_bytes, sha256, modified_ms, content_type FROM artifacts"
                    " WHERE run_pk = :owner AND substr(path, 1, :length) = :folder ORDER BY path"
                ),
                {"owner": owner.pk, "length": len(folder), "folder": folder},
            ).all()
        found = [ArtifactInfo(**row._asdict()) for row in rows]
        return sorted(found, key=lambda artifact: natural_key(artifact.path))

    def _artifact(self, connection: Connection, run_id: str, path: str) -> tuple[_Owner, Any]:
        path = validate_artifact_path(path)
        owner = self._owner(connection, run_id)
        row = connection.execute(
            text(
                "SELECT path, size_bytes, sha256, modified_ms, content_type FROM artifacts WHERE run_pk = :owner AND path = :path"
            ),
            {"owner": owner.pk, "path": path},
        ).one_or_none()
        if row is None:
            known = connection.execute(
                text("SELECT path FROM artifacts WHERE run_pk = :owner ORDER BY path LIMIT 20"), {"owner": owner.pk}
            ).scalars()
            listed = ", ".join(f"`{one}`" for one in known) or "none"
            who = f"Run {run_id}" if owner.run_id else f"Logged model {run_id}"
            raise NotFoundError(f"{who} has no file `{path}`. Its files: {listed}.", what="artifact", given=path)
        return owner, row

    def artifact(self, run_id: str, path: str) -> ArtifactInfo:
        """See `Store.artifact`."""
        with self._catalog.read() as connection:
            _, row = self._artifact(connection, run_id, path)
        return ArtifactInfo(**row._asdict())

    def read_artifact(self, run_id: str, path: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Store.read_artifact`."""
        with self._catalog.read() as connection:
            _, row = self._artifact(connection, run_id, path)
        if start < 0 or (end is not None and end < start):
            raise InvalidValueError(
                f"Cannot read bytes {start} to {end} of {shown(path)}. Expected 0 <= start <= end.",
                parameter="start",
                given=start,
            )
        stream = self._blobs.open(row.sha256)
        return _pieces(stream, start, row.size_bytes if end is None else min(end, row.size_bytes))

    def delete_artifact(self, run_id: str, path: str) -> None:
        """See `Store.delete_artifact`."""
        with self._catalog.write() as connection:
            self._catalog.lock(connection, "artifacts")
            owner, row = self._artifact(connection, run_id, path)
            connection.execute(
                text("DELETE FROM artifacts WHERE run_pk = :owner AND path = :path"), {"owner": owner.pk, "path": path}
            )
            self._release(connection, [row.sha256])
            self._tell(connection, owner.run_id, owner.experiment, {owner.what}, self._clock_ms())

    def _release(self, connection: Connection, digests: Sequence[str]) -> None:
        """Remove blobs that no artifact refers to any more. The caller holds the lock on artifacts.

        If the transaction fails after this, an artifact is left without bytes; nothing but the commit follows.
        """
        for digest in set(digests):
            used = connection.execute(text("SELECT 1 FROM artifacts WHERE sha256 = :sha256 LIMIT 1"), {"sha256": digest}).scalar()
            if used is None:
                self._blobs.remove(digest)

    # ----------------------------------------------------------------- deletion

    def activity(self, query: ActivityQuery) -> ActivityPage:
        """See `Store.activity`."""
        with self._catalog.read() as connection:
            return activity.find(connection, query)

    def usage(self) -> Usage:
        """See `Store.usage`."""
        with self._catalog.read() as connection:
            row = connection.execute(
                text(
                    "SELECT (SELECT count(*) FROM experiments) AS experiments,"
                    " (SELECT count(*) FROM runs WHERE deleted_ms IS NULL) AS runs,"
                    " (SELECT count(*) FROM runs WHERE deleted_ms IS NOT NULL) AS deleted,"
                    " (SELECT COALESCE(sum(count), 0) FROM series) AS points"
                )
            ).one()
        return Usage(
            database_bytes=self._catalog.size_bytes(),
            files_bytes=self._blobs.size_bytes(),
            experiments=row.experiments,
            runs=row.runs,
            deleted_runs=row.deleted,
            points=int(row.points),
        )

    def delete_runs(self, run_ids: Sequence[str]) -> int:
        """See `Store.delete_runs`."""
        deleted = 0
        for run_id in run_ids:
            # A transaction for each run: others can write in between.
            with self._catalog.write() as connection:
                self._catalog.lock(connection, f"run {run_id}")
                self._catalog.lock(connection, "artifacts")
                row = self._run_row(connection, run_id)
                if row is None:
                    continue
                # A compaction under way would put chunks of the run back after they are deleted.
                self._catalog.lock(connection, f"compact {row.pk}")
                given = {"run": row.pk}
                digests = (
                    connection.execute(text("SELECT DISTINCT sha256 FROM artifacts WHERE run_pk = :run"), given).scalars().all()
                )
                for table in ("chunks", "texts"):
                    connection.execute(
                        text(f"DELETE FROM {table} WHERE series_pk IN (SELECT pk FROM series WHERE run_pk = :run)"),
                        given,
                    )
                for table in _TABLES_OF_RUN:
                    connection.execute(text(f"DELETE FROM {table} WHERE run_pk = :run"), given)
                connection.execute(
                    text(
                        "DELETE FROM datasets WHERE experiment_pk = :experiment"
                        " AND NOT EXISTS (SELECT 1 FROM inputs i WHERE i.dataset_pk = datasets.pk)"
                    ),
                    {"experiment": row.experiment_pk},
                )
                connection.execute(text("DELETE FROM runs WHERE pk = :run"), given)
                self._tell(connection, run_id, row.experiment, {"deleted"}, self._clock_ms())
                self._release(connection, digests)
                self._series_pks.pop(row.pk, None)
                deleted += 1
        return deleted

    def gc(self, *, deleted_before_ms: int | None = None) -> GcReport:
        """See `Store.gc`."""
        before = self.size_bytes()
        recovered = self.maintain()
        before_ms = self._clock_ms() if deleted_before_ms is None else deleted_before_ms
        with self._catalog.read() as connection:
            doomed = (
                connection.execute(
                    text("SELECT id FROM runs WHERE deleted_ms IS NOT NULL AND deleted_ms <= :before"),
                    {"before": before_ms},
                )
                .scalars()
                .all()
            )
            hot = connection.execute(text("SELECT DISTINCT run_pk FROM hot")).scalars().all()
        deleted = self.delete_runs(doomed)
        models = self._delete_logged_models(before_ms)
        for run_pk in hot:
            self._compact(run_pk)
        self._blobs.remove_stale(_STALE_STAGING_S, time.time())
        self._catalog.shrink()
        return GcReport(
            runs_deleted=deleted,
            models_deleted=models,
            journals_recovered=recovered,
            bytes_before=before,
            bytes_after=self.size_bytes(),
        )

    def _delete_logged_models(self, before_ms: int) -> int:
        """Remove the logged models marked as deleted before a time, with their files, for good; return how many."""
        with self._catalog.write() as connection:
            self._catalog.lock(connection, "artifacts")
            doomed = (
                connection.execute(
                    text("DELETE FROM logged_models WHERE deleted_ms <= :before RETURNING pk"), {"before": before_ms}
                )
                .scalars()
                .all()
            )
            owners = {"owners": [-pk for pk in doomed]}
            among = bindparam("owners", expanding=True, type_=BigInteger)
            digests = (
                connection.execute(
                    text("SELECT DISTINCT sha256 FROM artifacts WHERE run_pk IN :owners").bindparams(among), owners
                )
                .scalars()
                .all()
            )
            connection.execute(text("DELETE FROM artifacts WHERE run_pk IN :owners").bindparams(among), owners)
            if doomed:
                self._tell(connection, "", "", {"models"}, self._clock_ms())
            self._release(connection, digests)
        return len(doomed)

    def size_bytes(self) -> int:
        """Return what the workspace takes on disk, journals left out."""
        return self._catalog.size_bytes() + self._blobs.size_bytes()

    def check(self) -> list[str]:
        """Return what is wrong with the workspace: damaged database pages, files without bytes. [] when all is well."""
        problems = self._catalog.check()
        with self._catalog.read() as connection:
            rows = connection.execute(
                text(
                    "SELECT COALESCE(r.id, l.id) AS owner, a.path, a.sha256 FROM artifacts a"
                    " LEFT JOIN runs r ON r.pk = a.run_pk LEFT JOIN logged_models l ON l.pk = -a.run_pk"
                )
            ).all()
        for row in rows:
            try:
                self._blobs.open(row.sha256).close()
            except NotFoundError as error:
                problems.append(f"{row.owner}, file {row.path}: {error.message}")
        return problems

    def close(self) -> None:
        """See `Store.close`."""
        self._patterns.close()
        self._catalog.close()


# ------------------------------------------------------------------ pure parts

_NO_NUMBERS: dict[str, Any] = {
    "count": 0,
    "numbers": 0,
    "total": 0.0,
    "min": None,
    "max": None,
    "last_number": None,
    "last_text": "",
    "last_step": None,
    "last_time_ms": None,
}


def _by_series(hot: Array) -> Iterator[tuple[int, Points]]:
    """Yield (series, its points in the order logged) of hot points."""
    order = np.argsort(hot["series"], kind="stable")
    hot = hot[order]
    pks, starts = np.unique(hot["series"], return_index=True)
    for pk, start, end in zip(pks.tolist(), starts.tolist(), [*starts[1:].tolist(), len(hot)], strict=False):
        yield pk, hot_points(hot[start:end])


def _summaries(hot: Array, *, greatest: bool = False) -> list[dict[str, Any]]:
    """Return what a batch of points adds to the summary of each of its series. `greatest`: it is the last of equal ones."""
    # Sorted by series, then (step, time), equal ones as logged: the last of each group is the series' last point.
    if greatest:
        values = as_numbers(hot["bits"].copy(), hot["dtype"].copy())
        order = np.lexsort((np.where(np.isnan(values), 0.0, values), hot["time_ms"], hot["step"], hot["series"]))
        hot, values = hot[order], values[order]
    else:
        hot = hot[np.lexsort((hot["time_ms"], hot["step"], hot["series"]))]
        values = as_numbers(hot["bits"].copy(), hot["dtype"].copy())
    pks, starts = np.unique(hot["series"], return_index=True)
    ends = np.append(starts[1:], len(hot)) - 1
    is_number = ~np.isnan(values)
    # inf - inf in a total: the mean is then NaN, which is what it is. A total beyond a double is infinite, so is its mean.
    with np.errstate(invalid="ignore", over="ignore"):
        totals = np.add.reduceat(np.where(is_number, values, 0.0), starts)
    numbers = np.add.reduceat(is_number.astype(np.int64), starts)
    lows, highs = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    summaries = []
    for i, pk in enumerate(pks.tolist()):
        last = hot[ends[i]]
        exact = _exact_value(int(last["bits"]), int(last["dtype"]))
        summaries.append(
            {
                "pk": pk,
                "count": int(ends[i] + 1 - starts[i]),
                "numbers": int(numbers[i]),
                "total": _total(float(totals[i])),
                "min": _finite_or_inf(float(lows[i])),
                "max": _finite_or_inf(float(highs[i])),
                "dtype": int(last["dtype"]),
                "last_number": None if exact is None else _finite_or_inf(float(exact)),
                "last_text": _text_of(exact),
                "last_step": int(last["step"]),
                "last_time_ms": int(last["time_ms"]),
            }
        )
    return summaries


def _total(value: float) -> float | None:
    """Return a sum the database can add up; None, "unknown", sticks: PostgreSQL refuses to overflow, infinities cancel."""
    return value if abs(value) < _MAX_TOTAL else None


def _finite_or_inf(value: float) -> float | None:
    """SQLite has no NaN: None stands for it."""
    return None if math.isnan(value) else value


def _exact_value(bits: int, dtype: int) -> float | int | bool | None:
    if dtype == DType.FLOAT:
        return float(np.int64(bits).view(np.float64))
    if dtype == DType.BOOL:
        return bool(bits)
    return None if dtype == DType.NONE else bits


def _exact_values(points: Points) -> Array:
    """Return values in the narrowest array that holds all of them exactly."""
    if not len(points):
        return np.empty(0, np.float64)
    kinds = set(np.unique(points.dtypes).tolist())
    if kinds == {DType.FLOAT.value}:
        return points.bits.view(np.float64)
    if kinds == {DType.INT.value}:
        return points.bits
    if kinds == {DType.BOOL.value}:
        return points.bits.astype(np.bool_)
    cells = np.empty(len(points), object)
    cells[:] = [_exact_value(bits, dtype) for bits, dtype in zip(points.bits.tolist(), points.dtypes.tolist(), strict=False)]
    return cells


def _text_of(value: float | bool | None) -> str:
    """Return a value exactly, in the words of JSON plus NaN and Infinity."""
    return json.dumps(value)


def _chunk_row(series_pk: int, points: Points) -> dict[str, Any]:
    values = points.numbers()
    numbers = values[~np.isnan(values)]
    return {
        "series": series_pk,
        "n": len(points),
        "step_min": int(points.steps.min()),
        "step_max": int(points.steps.max()),
        "value_min": float(numbers.min()) if len(numbers) else None,
        "value_max": float(numbers.max()) if len(numbers) else None,
        "data": encode_chunk(points),
    }


def _strictly_ascending(parts: list[Points]) -> bool:
    last = None
    for part in parts:
        if last is not None and int(part.steps[0]) <= last:
            return False
        if not bool((part.steps[1:] > part.steps[:-1]).all()):
            return False
        last = int(part.steps[-1])
    return True


def _over(points: Points, axis: str, start_ms: int) -> tuple[Array, Array]:
    """Return x and values of a series, ascending by x."""
    values = points.numbers()
    if axis == "step":
        return points.steps, values
    x = points.times_ms if axis == "time" else (points.times_ms - start_ms) / 1000
    if len(x) > 1 and not bool((x[1:] >= x[:-1]).all()):
        order = np.argsort(x, kind="stable")
        x, values = x[order], values[order]
    return x, values


def _restarts(firsts: Mapping[int, int], sessions: Sequence[Session], axis: str, run_start_ms: int) -> list[Restart]:
    """Return where later sessions begin in a series; `firsts`: the step of the first point of each that has some."""
    found = []
    for number, step in sorted(firsts.items()):
        session, before = sessions[number], sessions[number - 1]
        began = session.start_ms
        x = float(step) if axis == "step" else began if axis == "time" else (began - run_start_ms) / 1000
        pause_ms = max(0, began - (before.last_ms or began))
        found.append(Restart(float(x), step, began, pause_ms, session.host))
    return found


def _tail(tail: Points, lead: int, live: Points, query: SeriesQuery, whose: dict[str, Any]) -> SeriesBuckets:
    """Return what was overtaken of a session as buckets; its line comes from the point before, which is live."""
    line = bucketed(tail.steps, tail.numbers(), query, **whose)
    if line.before is None and lead >= 0:
        line.before = float(live.steps[lead]), float(live.slice(lead, lead + 1).numbers()[0])
    return line


def _addresses(steps: Array, times_ms: Array) -> list[tuple[int, int, int]]:
    """Return what joins the cells of a row: its number, its time, and which one of that number and time it is.

    A row's cells are logged together, so they share all three. Two ranks that log the same row number in the same
    millisecond differ in the third.
    """
    addresses = []
    before: tuple[int, int] | None = None
    nth = 0
    for pair in zip(steps.tolist(), times_ms.tolist(), strict=False):
        nth = nth + 1 if pair == before else 0
        before = pair
        addresses.append((*pair, nth))
    return addresses


def _joined(x_points: Points, y_points: Points) -> tuple[Array, Array]:
    """Return one column over another of the same rows, ascending by x; rows that lack either are left out."""
    xs, ys = x_points.numbers(), y_points.numbers()
    same = len(xs) == len(ys) and bool(
        (x_points.steps == y_points.steps).all() and (x_points.times_ms == y_points.times_ms).all()
    )
    if not same:
        x_by_row = dict(zip(_addresses(x_points.steps, x_points.times_ms), xs.tolist(), strict=False))
        pairs = [
            (x_by_row[address], value)
            for address, value in zip(_addresses(y_points.steps, y_points.times_ms), ys.tolist(), strict=False)
            if address in x_by_row
        ]
        xs = np.array([x for x, _ in pairs], np.float64)
        ys = np.array([y for _, y in pairs], np.float64)
    placed = ~np.isnan(xs)
    xs, ys = xs[placed], ys[placed]
    order = np.argsort(xs, kind="stable")
    return xs[order], ys[order]


def _as_of(x_points: Points, y_points: Points) -> tuple[Array, Array]:
    """Return one metric over another, ascending by x: each point at what the other was at its step, or last before."""
    rows = np.searchsorted(x_points.steps, y_points.steps, "right") - 1
    xs = np.where(rows >= 0, x_points.numbers()[rows], np.nan)
    placed = np.isfinite(xs)
    xs, ys = xs[placed], y_points.numbers()[placed]
    order = np.argsort(xs, kind="stable")
    return xs[order], ys[order]


def _check_batch(batch: Batch) -> None:
    if not batch.run_id or len(batch.run_id) > MAX_RUN_ID_CHARS or "\x00" in batch.run_id:
        raise InvalidValueError(
            f"Cannot use {shown(batch.run_id)} as a run id. Expected 1 to {MAX_RUN_ID_CHARS} characters.",
            parameter="run_id",
            given=batch.run_id,
        )
    if len(batch.points) % POINT_SIZE:
        raise InvalidValueError(
            f"A batch has {len(batch.points)} bytes of points. Expected a multiple of {POINT_SIZE}.",
            parameter="points",
            given=len(batch.points),
        )
    if batch.points_start < 0 or batch.events_start < 0:
        raise InvalidValueError(
            f"A batch starts at point {batch.points_start}, event {batch.events_start}. Expected 0 or more.",
            parameter="points_start",
            given=batch.points_start,
        )
    if "\x00" in batch.writer_id or (not batch.writer_id and (batch.points_start or batch.events_start)):
        raise InvalidValueError(
            f"Cannot use {shown(batch.writer_id)} as a writer's id. Expected text without NUL; without one a batch starts at 0.",
            parameter="writer_id",
            given=batch.writer_id,
        )
    for key in batch.keys:
        if not key.name or "\x00" in key.name or "\x00" in key.column:
            raise InvalidValueError(
                f"Cannot use {shown(key.name)} as a metric name. Expected text that is not empty, without NUL.",
                parameter="keys",
                given=key.name,
            )
    for event in batch.events:
        if isinstance(event, RunStarted) and (not event.experiment.strip() or "\x00" in event.experiment):
            raise InvalidValueError(
                f"Cannot use {shown(event.experiment)} as an experiment name. Expected text that is not empty, without NUL.",
                parameter="experiment",
                given=event.experiment,
            )
        for field in ("step", "time_ms", "start_ms"):
            number = getattr(event, field, 0)
            if not -(2**63) <= number < 2**63:
                raise InvalidValueError(
                    f"Cannot store {number} as `{field}`. Expected a whole number of 64 bits.",
                    parameter=field,
                    given=number,
                )
        if isinstance(event, ArtifactStored):
            validate_artifact_path(event.path)


def _check_experiment(name: str, labels: Iterable[str]) -> None:
    if not name.strip() or any(not label.strip() for label in labels):
        raise InvalidValueError(
            f"Cannot use {shown(name)} with tags {shown(list(labels))}. Expected names that are not empty.",
            parameter="name",
            given=name,
        )


def _taken(name: str, is_deleted: bool) -> ConflictError:
    return ConflictError(
        f"There is an experiment {name!r} already{', which is deleted' if is_deleted else ''}. "
        f"Choose another name, or {'restore' if is_deleted else 'use'} that one."
    )


def _document(tags: dict[str, str]) -> str:
    return json.dumps(tags, ensure_ascii=False)


def _restores(events: Sequence[Any]) -> bool:
    """Return whether a batch deletes a run or brings it back, which a deleted run takes."""
    return any(isinstance(event, RunEdited) and event.deleted is not None for event in events)


def _pieces(stream: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    with stream:
        stream.seek(start)
        left = end - start
        while left > 0 and (piece := stream.read(min(PIECE_BYTES, left))):
            left -= len(piece)
            yield piece


def _upsert(
    connection: Connection, table: str, run_pk: int, values: dict[str, str], *, replace: bool, name: str = "name"
) -> None:
    if values:
        rows = [{"run": run_pk, "name": _plain(key), "value": _plain(value)} for key, value in values.items()]
        connection.execute(_upsert_into(table, replace, name), rows)


@functools.cache
def _upsert_into(table: str, replace: bool, name: str) -> TextClause:
    action = "UPDATE SET value = excluded.value" if replace else "NOTHING"
    return text(
        f"INSERT INTO {table} (run_pk, {name}, value) VALUES (:run, :name, :value)"  # names are ours
        f" ON CONFLICT (run_pk, {name}) DO {action}"
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _param_row(value: ParamValue) -> tuple[str, str, float | None]:
    """Return kind, text and number of a param; `_param_value` is the way back."""
    kinds = ((bool, "b"), (int, "i"), (float, "f"), (str, "s"))
    kind = next((kind for python_type, kind in kinds if isinstance(value, python_type)), "n")
    return kind, _plain(param_text(value)), param_number(value)


def _param_value(kind: str, value: str) -> ParamValue:
    if kind == "n":
        return None
    if kind == "b":
        return value == "True"
    if kind == "i":
        return int(value)
    return float(value) if kind == "f" else value


def _dataset(_: int, name: str, digest: str, source_type: str, source: str, schema: str, profile: str, tags: str) -> DatasetInput:
    return DatasetInput(name, digest, source_type, source, schema, profile, json.loads(tags))


_KINDS = {kind.value: kind for kind in MetricKind}  # several times as fast as the enums themselves
_DTYPES = {dtype.value: dtype for dtype in DType}


def _summary(
    _: int,
    name: str,
    column: str,
    kind: str,
    dtype: int,
    count: int,
    numbers: int,
    total: float | None,
    low: float | None,
    high: float | None,
    last: float | None,
    last_text: str,
    last_step: int | None,
    last_time_ms: int | None,
    description: str,
) -> MetricSummary:
    """Return what a row of `_SUMMARY_COLUMNS` says."""
    return MetricSummary(
        name,
        column,
        _KINDS[kind],
        _DTYPES[dtype],
        count,
        last,
        last_text,
        last_step or 0,
        last_time_ms or 0,
        low,
        high,
        _finite_or_inf(total / numbers) if numbers and total is not None else None,
        description,
    )


def _in_parts(connection: Connection, sql: str, kind: type[TypeEngine[Any]], values: Sequence[Any]) -> Iterator[Any]:
    """Yield the rows of a statement with `IN :part` for values of any number: a statement takes some ten thousand."""
    statement = text(sql).bindparams(bindparam("part", expanding=True, type_=kind))
    for at in range(0, len(values), _PART):
        part = [value for value in values[at : at + _PART] if not isinstance(value, str) or "\x00" not in value]
        yield from connection.execute(statement, {"part": part})


def _no_run(run_id: str) -> NotFoundError:
    return NotFoundError(
        f"Unknown run {shown(run_id)}. Expected the id of a run of this workspace; `tracklog ls` lists them.",
        what="run",
        given=run_id,
    )


def _stale_series(run_id: str) -> StoreError:
    return StoreUnavailableError(f"The series of run {run_id} changed while a batch was stored. The batch is sent again.")
