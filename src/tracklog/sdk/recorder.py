"""The recording side of a run: its journal, the thread that drains it, and what is captured around it.

One recorder for one run in one process. A forked child gets a writer of its own when it first logs. Infrastructure never
raises from here: `Writer` and `Drainer` say their problems once and go on.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import os
import socket
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from tracklog.errors import InvalidTypeError, InvalidValueError, TracklogError, shown
from tracklog.journal import Writer, abandoned
from tracklog.records import (
    SYSTEM_PREFIX,
    DType,
    ErrorInfo,
    Event,
    InfoSet,
    LogLine,
    LogLines,
    MetricKey,
    MetricKind,
    Process,
    PropertiesSet,
    RunStarted,
    RunStatus,
    StatusChanged,
    TextPoint,
)
from tracklog.sdk import values as convert
from tracklog.settings import Settings
from tracklog.storage import open_store

if TYPE_CHECKING:
    from tracklog.sdk.capture import ConsoleCapture, Rank, SystemMonitor
    from tracklog.storage.drain import Drainer

_log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 15.0  # how long the end of a run waits for the store; what is left then arrives later
FLUSH_BEFORE_READ_S = 10.0  # a read sees what this process logged before, unless the store is away
PATIENCE_S = 1.0  # with a store that is away, of these
VISIBLE_S, VISIBLE_PATIENCE_S = 2.0, 0.1  # how long the start of a run waits for the store to know it
_CAPTURED_S = 5.0
_RECOVER_AGAIN_S = 10.0  # a hundred child runs look for them once
_RECOVER_S = 5.0  # the end of a run waits so long for earlier ones to be sent
_CONSOLE_FLUSH_S = 0.25

_DTYPES: dict[type, DType] = {
    float: DType.FLOAT,
    int: DType.INT,
    bool: DType.BOOL,
    type(None): DType.NONE,
    str: DType.TEXT,
}

LogFunction = Callable[..., None]


def now_ms() -> int:
    """Return wall clock time in ms UTC."""
    return time.time_ns() // 1_000_000


class Recorder:
    """Writes what a run logs. `log` is the hot path; everything else may take some microseconds more."""

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        started: RunStarted,
        *,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Prepare; `open` begins.

        Args:
            started: repeated at the head of every writer, so that whichever arrives first can create the run.
            counts: points logged so far under each name, when a run is resumed: steps go on from there.
        """
        self.settings = settings
        self.run_id = run_id
        self._started = started
        self._counters: dict[str, itertools.count[int]] = {name: itertools.count(count) for name, count in (counts or {}).items()}
        self._said: set[str] = set()  # metrics whose values had to become text
        self._lock = threading.RLock()
        self._writer: Writer | None = None
        self._drainer: Drainer | None = None
        self._pid = os.getpid()
        self._console: ConsoleCapture | None = None
        self._monitor: SystemMonitor | None = None
        self._capturing = threading.Event()
        self._captured: threading.Thread | None = None
        self.is_closed = False
        self._has_files = False
        self._ended_as: RunStatus | None = None
        self.ends_run = True  # False: this process only adds to the run; another decides how it ends
        self.watched_by: int | None = None  # … and has this process id
        self.leads = False  # this process may begin a session of the run: it is no worker, and does not only add to the run
        self.job = ""  # … of what started it
        self.rank: Rank | None = None  # of this process among those that record the run together
        self.before_end: list[Callable[[], None]] = []  # what is collected when the run ends, however it does
        self.log: LogFunction = self._make_log()

    @property
    def is_owner(self) -> bool:
        """Whether this is the process that opened the run, not a fork of it."""
        return self._pid == os.getpid()

    def is_orphan(self) -> bool:
        """Whether the process that was to end the run has died before this one, a main process of the run."""
        if self.watched_by is None or not self.is_owner:
            return False
        import psutil

        return not psutil.pid_exists(self.watched_by)

    @property
    def is_further_rank(self) -> bool:
        """Whether rank 0 says that the run runs and has completed; that it failed, any rank may."""
        return self.rank is not None and self.rank.number > 0

    @property
    def is_untouched(self) -> bool:
        """Whether neither a metric was logged, but for samples of the machine, nor a file kept."""
        return not self._has_files and all(name.startswith(SYSTEM_PREFIX) for name in self._counters)

    def open(self, *events: Event) -> None:
        """Begin the journal with the run's first events and start sending."""
        with self._lock:
            self._open_writer(events)
        _living.add(self)
        _install_hooks()
        _recover_left_over(self.settings)

    # ----------------------------------------------------------------------- log

    def _make_log(self) -> LogFunction:
        """Return `Run.log`. The writer's own function is a cell of this closure: one call less than a method."""

        def unopened(*_: Any) -> bool:
            return False

        write: Callable[..., bool] = unopened
        write_many: Callable[..., bool] = unopened
        slow = self._log_slow

        def log(name: Any, value: Any = None, description: Any = "", step: Any = None) -> None:
            if description.__class__ is str:
                if write(name, value, step):
                    return
                if name.__class__ is dict and write_many(name, value if step is None else step):
                    return
            slow(name, value, description, step)

        def use(writer: Writer | None) -> None:
            nonlocal write, write_many
            write, write_many = (unopened, unopened) if writer is None else (writer.log, writer.log_many)

        self._use = use
        return log

    def _log_slow(self, name: Any, value: Any, description: Any, step: Any) -> None:
        """Log with all checks; teaches the fast path every (name, type) that it can take from now on."""
        if description.__class__ is not str:
            # `log("loss", 0.3, 5)`: the third positional parameter is v1's description, but a number means a step.
            if step is not None or isinstance(description, (list, dict, tuple)):
                raise InvalidValueError(
                    f"Cannot use {shown(description)} as the description of a metric. Expected text.",
                    parameter="description",
                    given=description,
                )
            description, step = "", description
        if isinstance(name, Mapping):
            step = value if step is None else step
            checked_step = None if step is None else convert.step_value(step)
            # All are checked before the first is written.
            checked = {
                convert.metric_name(key): (convert.metric_value(item, name=str(key)), type(item)) for key, item in name.items()
            }
            time_ms = now_ms()
            for key, (item, given) in checked.items():
                self._put_scalar(key, item, given, checked_step, time_ms, "")
            return
        name = convert.metric_name(name)
        try:
            number = convert.metric_value(value, name=name)
        except InvalidTypeError as error:
            if isinstance(value, (list, range, Generator)):  # v1 refuses these, too, and points to log_list
                raise
            number = convert.text_of(value)
            if name not in self._said:
                self._said.add(name)
                _log.warning("%s Its text is recorded for now.", error.message)
        self._put_scalar(name, number, type(value), None if step is None else convert.step_value(step), now_ms(), description)

    def _put_scalar(
        self,
        name: str,
        value: Any,
        given: type,
        step: int | None,
        time_ms: int,
        description: str,
        kind: MetricKind = MetricKind.SCALAR,
    ) -> None:
        writer = self._live_writer()
        next_step = self._counter(name)
        if step is None:
            step = next_step()
        dtype = _DTYPES[type(value)]
        key = writer.define(name, "", kind, dtype, description)
        self._put(writer, key, step, time_ms, value)
        if kind is MetricKind.SCALAR and dtype in (DType.FLOAT, DType.INT, DType.BOOL) and _packs_as(given, dtype):
            writer.make_fast(key, given, next_step)

    def _put(self, writer: Writer, key: MetricKey, step: int, time_ms: int, value: Any) -> None:
        if key.dtype is DType.TEXT:
            writer.append(TextPoint(key.key, step, time_ms, value))
        else:
            writer.put(key, step, time_ms, value)

    def _counter(self, name: str) -> Callable[[], int]:
        counter = self._counters.get(name)
        if counter is None:
            with self._lock:
                counter = self._counters.setdefault(name, itertools.count())
        return counter.__next__

    def next_step(self, name: str) -> int:
        """Return the step that the next point of a metric has when nobody gives one, and count on."""
        return self._counter(name)()

    def log_list(self, name: str, elements: Sequence[Any], description: str) -> None:
        """Append converted elements to a series."""
        time_ms = now_ms()
        for element in elements:
            self._put_scalar(name, element, type(element), None, time_ms, description, MetricKind.LIST)

    def log_rows(self, name: str, kind: MetricKind, columns: Mapping[str, Sequence[Any]], description: str) -> None:
        """Append converted rows to a table: columns of equal length. The step of a row is its number."""
        if not columns:
            return
        writer = self._live_writer()
        next_row = self._counter(name)
        time_ms = now_ms()
        names = list(columns)
        for cells in zip(*columns.values(), strict=False):
            row = next_row()
            texts: list[Event] = []
            for column, cell in zip(names, cells, strict=False):
                key = writer.define(name, column, kind, _DTYPES[type(cell)], description)
                if key.dtype is DType.TEXT:
                    texts.append(TextPoint(key.key, row, time_ms, cell))
                else:
                    writer.put(key, row, time_ms, cell)
            if texts:
                writer.append(*texts)

    def log_artifact_metric(self, name: str, kind: MetricKind, path: str, step: int | None, description: str) -> None:
        """Append a point whose value is the path of a stored file."""
        self._put_scalar(name, path, str, step, now_ms(), description, kind)

    def add_file(self, path: str, source: Path | bytes) -> bool:
        """Take a file for the run: its bytes as they are now. False: there was no room for it, which was said."""
        self._has_files = True
        return self._live_writer().add_file(path, source)

    def add(self, *events: Event) -> None:
        """Append other events."""
        self._live_writer().append(*events)

    # -------------------------------------------------------------------- writer

    def _live_writer(self) -> Writer:
        writer = self._writer
        if writer is None or writer.closed:
            with self._lock:
                if self._writer is None or self._writer.closed:
                    # A fork of the process, or logging after complete(): a writer of its own, which says nothing of status.
                    self._open_writer(())
                    _living.add(self)
                return self._writer  # type: ignore[return-value]  # _open_writer has set it
        return writer

    def _open_writer(self, events: Iterable[Event]) -> None:
        from tracklog.storage.drain import Drainer

        writer = Writer(self.settings.journals, self.run_id, store_uri=self.settings.uri)
        started = self._started
        if self.leads and self.is_owner and not self.is_further_rank:
            process = Process(now_ms(), socket.gethostname(), self._pid, self.job)
            started = msgspec.structs.replace(started, process=process)
            self.leads = False  # once: what is logged after the end adds to the session
        writer.append(started, *events)
        self._writer = writer
        self._use(writer)
        self._drainer = Drainer(writer, lambda: open_store(self.settings.uri))
        self._drainer.start()
        if not self.is_owner:
            _close_at_end_of_worker(self)

    def forked(self) -> None:
        """In a forked child: leave the parent's journal, files and threads alone."""
        self._use(None)
        if self._writer is not None:
            self._writer.forked()
        self._writer = self._drainer = self._monitor = None
        self._lock = threading.RLock()  # the parent's may have been held by a thread that is not here
        if self._console is not None:
            self._console = None

    # ------------------------------------------------------------------- capture

    def capture(self, what: frozenset[str], *, git_properties: bool = False) -> None:
        """Start to record circumstances. Nothing here waits: git and package lists are read in a thread.

        Args:
            what: names of `settings.CAPTURES`.
            git_properties: note the git checkout as v1's properties, too.
        """
        from tracklog.sdk import capture

        # Of several ranks the first tells: a later value of a topic replaces the earlier one.
        topics = frozenset() if self.is_further_rank else what & {"command", "git", "python", "packages", "host"}
        if topics:

            def look() -> None:
                found = {topic: value for topic, value in capture.environment().items() if topic in topics}
                properties = capture.git_properties(found.get("git")) if git_properties and "git" in topics else {}
                if found and not self.is_closed:
                    self.add(InfoSet(found), *([PropertiesSet(properties)] if properties else []))

            self._captured = threading.Thread(target=look, name="tracklog-capture", daemon=True)
            self._captured.start()
        if what & {"console", "logging"}:
            self._console = capture.ConsoleCapture(self._add_lines, rank=None if self.rank is None else self.rank.number)
            self._console.start(printed="console" in what, logged="logging" in what)
            threading.Thread(target=self._flush_console, args=(self._console,), name="tracklog-console", daemon=True).start()
        if "system" in what:
            self._monitor = capture.SystemMonitor(self.log, rank=self.rank)
            self._monitor.start()

    def wait_for_capture(self) -> None:
        """Wait for what is read at the start in a thread; git answers within its own time limits."""
        if self._captured is not None:
            self._captured.join(_CAPTURED_S)

    def record_output(self) -> Callable[[str, str, int | None], None]:
        """Return a function that takes what another process prints: `(stream, text, its rank)`, in pieces of any size."""
        from tracklog.sdk import capture

        self._console = capture.ConsoleCapture(self._add_lines, reads_levels=True)
        threading.Thread(target=self._flush_console, args=(self._console,), name="tracklog-console", daemon=True).start()
        return self._console.take

    def _add_lines(self, lines: list[LogLine]) -> None:
        if lines:
            self.add(LogLines(lines))

    def _flush_console(self, console: ConsoleCapture) -> None:
        while not self._capturing.wait(_CONSOLE_FLUSH_S) and self._console is console:
            console.flush()

    # ----------------------------------------------------------------------- end

    def flush(self, timeout_s: float = CLOSE_TIMEOUT_S, *, patience_s: float | None = PATIENCE_S) -> bool:
        """Wait until the store has everything logged so far; False when it has not in time, or is away for so long."""
        if self._console is not None:
            self._console.flush()
        return self._drainer is None or self._drainer.flush(timeout_s, patience_s=patience_s)

    def close(self, status: RunStatus | None, error: ErrorInfo | None = None, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Stop capturing, write the final status, and send what is left. True when the store has everything."""
        if self.is_further_rank and status is RunStatus.COMPLETED:
            status = None
        if self.is_closed:  # what was logged after the end, or a second word on how the run ended
            if status is not None and status is not self._ended_as:
                self._ended_as = status
                self.add(StatusChanged(status, now_ms(), error))
            return self._close_writer(timeout_s)
        if self.is_owner:
            for collect in self.before_end:
                try:
                    collect()
                except (OSError, TracklogError) as failure:  # the training is done; its record is not worth its failure
                    print(f"tracklog: {failure}", file=sys.stderr)  # noqa: T201
            if self.before_end and status is not None and self._drainer is not None:
                # Files go beside the records: who waits for the end of the run looks for them next.
                self._drainer.flush(timeout_s, patience_s=PATIENCE_S)
        if self._monitor is not None:
            self._monitor.stop()
        self.wait_for_capture()
        self._capturing.set()
        if self._console is not None:
            self._console.stop()
            self._console = None
        self.is_closed = True
        _living.discard(self)
        if status is not None:
            self._ended_as = status
            self.add(StatusChanged(status, now_ms(), error))
        return self._close_writer(timeout_s)

    def _close_writer(self, timeout_s: float) -> bool:
        _living.discard(self)
        drainer, self._drainer = self._drainer, None
        self._use(None)
        if drainer is None:
            return True
        is_on_disk = drainer.is_on_disk
        complete = drainer.close(timeout_s, patience_s=PATIENCE_S)
        if complete and self.is_owner:
            recover_run(self.settings, self.run_id)  # worker processes that ended without a word: now rather than at the next run
            _recover_left_over(self.settings).join(_RECOVER_S)
        if not complete and not (self.settings.quiet and is_on_disk):
            waiting = drainer.state
            problem = f" ({waiting['problem']})" if waiting["problem"] else ""
            rest = (
                "Nothing is lost: `tracklog sync` sends the rest, and so does the next run."
                if is_on_disk
                else "The journal could not be written either: what is left is lost. Set TRACKLOG_JOURNALS to a folder with room."
            )
            print(f"tracklog: the store {self.settings.uri} has not taken everything yet{problem}. {rest}", file=sys.stderr)  # noqa: T201
        return complete


def _packs_as(given: type, dtype: DType) -> bool:
    """Whether `struct` packs values of a type as the dtype by itself, so that `log` can take them without conversion."""
    if given in (float, int, bool):
        return True
    if not given.__module__.startswith("numpy"):
        return False
    import numpy as np

    return issubclass(given, np.integer if dtype is DType.INT else np.floating) and given is not np.longdouble


# ------------------------------------------- what earlier processes could not send

_recoveries: dict[tuple[Path, str], tuple[threading.Thread, float]] = {}  # the latest, and when it began
_recoveries_lock = threading.Lock()


def _recover_left_over(settings: Settings) -> threading.Thread:
    """Begin to send what runs logged before they died or lost their server, unless that was just done; return the thread."""
    address = (settings.journals, settings.uri)
    now = time.monotonic()
    with _recoveries_lock:
        thread, began = _recoveries.get(address, (None, 0.0))
        if thread is None or (not thread.is_alive() and now - began > _RECOVER_AGAIN_S):
            thread = threading.Thread(target=_recover, args=address, name="tracklog-recover", daemon=True)
            _recoveries[address] = thread, now
            thread.start()
    return thread


def recover_run(settings: Settings, run_id: str) -> None:
    """Send what processes of a run left that ended without a word, worker processes or one that was killed. Never raises."""
    _recover(settings.journals, settings.uri, run_id)


def _recover(journals: Path, uri: str, run_id: str | None = None) -> None:
    from tracklog.storage.drain import recover

    is_own = journals == Path(uri) / "journals"  # journals in a workspace's folder are its own, even if it was moved since
    try:
        if abandoned(journals):  # else no store has to be opened
            with contextlib.closing(open_store(uri)) as store:
                recover(journals, store, store_uri=None if is_own else uri, run_id=run_id)
    except (TracklogError, OSError) as error:
        _log.debug("Left-over journals in %s stay for later: %s", journals, error)


# ------------------------------------------------------------- end of the process

_living: weakref.WeakSet[Recorder] = weakref.WeakSet()
_hooks_installed = False
_uncaught: tuple[type[BaseException], BaseException, TracebackType | None] | None = None


def _install_hooks() -> None:
    """Learn how the process ends: by an exception nobody caught, or normally."""
    global _hooks_installed  # once a process, like the hooks themselves  # noqa: PLW0603
    if _hooks_installed:
        return
    _hooks_installed = True
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        global _uncaught  # noqa: PLW0603
        _uncaught = (kind, error, trace)
        previous(kind, error, trace)

    sys.excepthook = hook
    atexit.register(_close_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forked)


def _forked() -> None:
    global _recoveries_lock  # another thread may have held it  # noqa: PLW0603
    _recoveries_lock = threading.Lock()
    for recorder in list(_living):
        recorder.forked()
    _living.clear()


def flush_living(uri: str, run_id: str | None = None) -> None:
    """Send what this process logged to a workspace, of one run or all: who reads next finds it. Waits a short while."""
    for recorder in list(_living):
        if recorder.settings.uri == uri and run_id in (None, recorder.run_id) and not recorder.flush(FLUSH_BEFORE_READ_S):
            return  # the store is away for the others, too


def _close_all() -> None:
    """At exit: end the runs that the script left open."""
    for recorder in list(_living):
        is_other = not recorder.is_owner or not (recorder.ends_run or recorder.is_orphan())
        if is_other or recorder.is_closed:
            recorder.close(None)
        elif _uncaught is None:
            recorder.close(RunStatus.COMPLETED)
        else:
            recorder.close(*status_of(_uncaught[1]))


def _close_at_end_of_worker(recorder: Recorder) -> None:
    """A multiprocessing worker ends through os._exit, without atexit; its own finalizers do run."""
    if "multiprocessing" in sys.modules:
        from multiprocessing import util

        util.Finalize(recorder, recorder.close, args=(None,), exitpriority=10)


def status_of(error: BaseException) -> tuple[RunStatus, ErrorInfo | None]:
    """Return the status of a run that ended with an exception."""
    if isinstance(error, KeyboardInterrupt):
        return RunStatus.CANCELED, ErrorInfo("KeyboardInterrupt", "Interrupted from the keyboard.")
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return RunStatus.COMPLETED, None
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    message = f"exit code {error.code}" if isinstance(error, SystemExit) else str(error)
    return RunStatus.FAILED, ErrorInfo(type(error).__name__, message, text)
