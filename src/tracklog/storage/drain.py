"""From journals into a store: the thread that follows a living writer, and the recovery of journals whose writer died.

Both build batches from the same numbered records, and the store counts each record once, so they may overlap, repeat and be
killed anywhere. Nothing here raises into a training: problems are said once and retried for ever.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from tracklog.errors import (
    ConflictError,
    InvalidValueError,
    JournalError,
    NotFoundError,
    ServerError,
    StoreFormatError,
    StoreUnavailableError,
    TracklogError,
    WriterGapError,
)
from tracklog.journal import JournalWarning, Reader, Writer, abandoned, remove_journal
from tracklog.locks import try_lock
from tracklog.records import HEARTBEAT_MS, POINT_SIZE, ArtifactStored, Batch, Event, MetricKey, Watermark
from tracklog.storage import Store

_log = logging.getLogger(__name__)

_POLL_S = 0.2  # how soon a burst is noticed
_BATCH_S = 1.0  # how old a record gets before it is sent
_BATCH_POINTS = 4096  # … unless so many wait already
_MAX_BATCH_POINTS = 65_536  # 2 MiB: catching up in few transactions, each still short
_MAX_BATCH_BYTES = 4 << 20  # of events
_RETRY_S = 0.5
_RETRY_MAX_S = 30.0
_STUCK_S = 30.0  # a record unwritten for so long belongs to a thread that an exception ended between slot and marker
_WARN_AFTER_S = 5.0  # a restart of the server is no news


# Trying again cannot help: the store understood and refused, or is of another version. The journal keeps what is left.
_HOPELESS = (StoreFormatError, ServerError, InvalidValueError, NotFoundError, ConflictError)


class Drainer:
    """Sends what a writer appends to a store, from a thread of its own, until closed."""

    def __init__(self, writer: Writer, open_store: Callable[[], Store]) -> None:
        self._writer = writer
        self._open_store = open_store
        self._store: Store | None = None
        self._sent = Watermark()
        self._wake = threading.Event()
        self._progress = threading.Condition()
        self._flushing = 0  # callers that wait: send without gathering
        self._stopping = False
        self._given_up = ""  # why nothing more is sent
        self._failing_since = 0.0
        self._warned = False
        self._uploads: deque[tuple[int, ArtifactStored]] = deque()
        self._uploader: threading.Thread | None = None
        self._thread = threading.Thread(target=self._run, name=f"tracklog-drain-{writer.run_id[:8]}", daemon=True)
        self._last_sent_s = 0.0
        self._last_sync_s = 0.0
        self._stuck_since: tuple[int, float] = (-1, 0.0)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def flush(self, timeout_s: float, *, patience_s: float | None = None) -> bool:
        """Wait until the store has everything written before this call; False when it has not in time.

        Args:
            timeout_s: how long a store may take that works.
            patience_s: how long it may be away meanwhile; None: as long.
        """
        points, events = self._writer.counts()
        started = time.monotonic()
        with self._progress:
            self._flushing += 1
            try:
                while not self._has(points, events):
                    now = time.monotonic()
                    left = started + timeout_s - now
                    if left <= 0 or self._given_up or not self._thread.is_alive():
                        return False
                    away_s = now - max(started, self._failing_since) if self._failing_since else 0.0
                    if patience_s is not None and away_s > patience_s:
                        return False
                    self._wake.set()  # also out of the pause after a failure: somebody waits
                    self._progress.wait(min(left, _RETRY_S))
                return True
            finally:
                self._flushing -= 1

    def close(self, timeout_s: float, *, patience_s: float | None = None) -> bool:
        """Send what is left and end; waits as `flush` does. True when the store has everything.

        The journal is removed then; otherwise it stays for `recover`.
        """
        complete = self.flush(timeout_s, patience_s=patience_s)
        self._stopping = True
        self._wake.set()
        # A store that hangs must not hang the training's end: the thread is a daemon, its batch may arrive twice.
        self._thread.join(2.0 if complete else 0.1)
        complete = complete and not self._thread.is_alive()
        self._writer.close(remove=complete)
        if self._store is not None and not self._thread.is_alive():
            self._store.close()
        return complete

    @property
    def state(self) -> dict[str, object]:
        """How the recorder is doing, for the run page and `tracklog doctor`."""
        points, events = self._writer.counts()
        return {
            "waiting_points": points - self._sent.points,
            "waiting_events": events - self._sent.events,
            "waiting_files": len(self._uploads),
            "lost_points": self._writer.lost_points,
            "lost_files": self._writer.lost_files,
            "problem": self._given_up,
        }

    @property
    def is_on_disk(self) -> bool:
        """Whether everything the store has not taken yet would outlive this process."""
        return self._has(*self._writer.counts()) or self._writer.is_on_disk

    def _has(self, points: int, events: int) -> bool:
        return self._sent.points >= points and self._sent.events >= events and not self._uploads

    def _run(self) -> None:
        retry_s = _RETRY_S
        while True:
            self._wake.wait(_POLL_S)
            self._wake.clear()
            try:
                while self._due():
                    self._send()
                    retry_s = _RETRY_S
                    self._failing_since = 0.0
                self._sync()
            except _HOPELESS as error:
                self._give_up(error)
            except (OSError, MemoryError) as error:
                self._failed(error)
                if self._stopping:
                    break
                self._wake.wait(retry_s)
                retry_s = min(retry_s * 2, _RETRY_MAX_S)
            except Exception as error:  # a bug here must neither end the training nor the journal  # noqa: BLE001
                _log.exception("Sending to the store failed")
                self._give_up(error)
            if self._stopping or self._given_up:
                break
        with self._progress:
            self._progress.notify_all()

    def _due(self) -> bool:
        points, events = self._writer.counts()
        waiting = points - self._sent.points
        waiting_events = events - self._sent.events
        now = time.monotonic()
        age = now - self._last_sent_s
        if waiting or waiting_events:
            return bool(self._flushing or waiting >= _BATCH_POINTS or age >= _BATCH_S or self._stopping)
        return age >= HEARTBEAT_MS / 1000 and not self._stopping

    def _send(self) -> None:
        store = self._opened()
        records = self._writer.take_points(self._sent.points, _MAX_BATCH_POINTS)
        if not records and self._writer.counts()[0] > self._sent.points:
            records = self._take_stuck()
        events = self._writer.take_events(self._sent.events, _MAX_BATCH_BYTES)
        batch = Batch(
            run_id=self._writer.run_id,
            writer_id=self._writer.writer_id,
            points_start=self._sent.points,
            events_start=self._sent.events,
            points=records,
            events=events,
            keys=self._writer.definitions(),
        )
        first_event = self._sent.events
        try:
            reached = store.apply(batch)
        except WriterGapError as error:
            self._sent = Watermark(*error.expected)
            raise StoreUnavailableError(f"{error.message} The store forgot records; they are sent again.") from error
        self._last_sent_s = time.monotonic()
        for number, event in enumerate(events, start=first_event):
            if isinstance(event, ArtifactStored) and event.blob:
                self._uploads.append((number, event))
        with self._progress:
            self._sent = Watermark(max(reached.points, self._sent.points), max(reached.events, self._sent.events))
            self._progress.notify_all()
        self._upload()
        pending = self._uploads[0][0] if self._uploads else self._sent.events
        self._writer.confirm(self._sent.points, min(pending, self._sent.events))

    def _take_stuck(self) -> bytes:
        """Pass over a record that nobody will finish, once it has been missing for long enough."""
        at, since = self._stuck_since
        now = time.monotonic()
        if at != self._sent.points:
            self._stuck_since = (self._sent.points, now)
        elif now - since > _STUCK_S:
            return self._writer.take_points(self._sent.points, 1, whole=True)
        time.sleep(0.001)  # usually another thread is between slot and marker right now
        return self._writer.take_points(self._sent.points, _MAX_BATCH_POINTS)

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _sync(self) -> None:
        now = time.monotonic()
        if now - self._last_sync_s >= _BATCH_S:
            self._last_sync_s = now
            self._writer.sync()

    # ------------------------------------------------------------------ artifacts

    def _upload(self) -> None:
        """Files go in a thread of their own: metrics must not wait behind a checkpoint of many gigabytes."""
        if self._uploads and (self._uploader is None or not self._uploader.is_alive()):
            self._uploader = threading.Thread(target=self._run_uploads, name="tracklog-upload", daemon=True)
            self._uploader.start()

    def _run_uploads(self) -> None:
        retry_s = _RETRY_S
        while self._uploads and not self._given_up:
            _, event = self._uploads[0]
            blob = self._writer.blob(event)
            try:
                self._opened().put_artifact(self._writer.run_id, event.path, blob, move=True)
            except _HOPELESS as error:
                self._give_up(error)
                break
            except OSError as error:
                if not blob.is_file():  # another process has recovered it
                    _log.warning("The file %s of run %s is gone from the journal.", event.path, self._writer.run_id)
                    self._uploaded()
                    continue
                self._failed(error)
                if self._stopping:
                    break
                time.sleep(retry_s)
                retry_s = min(retry_s * 2, _RETRY_MAX_S)
                continue
            self._uploaded()

    def _uploaded(self) -> None:
        with self._progress:
            self._uploads.popleft()
            self._progress.notify_all()

    # -------------------------------------------------------------------- trouble

    def _failed(self, error: BaseException) -> None:
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        _log.debug("Sending to the store failed, trying again: %s", error)
        if not self._warned and now - self._failing_since > _WARN_AFTER_S:
            self._say(f"{error} {self._where_it_is()} and is sent when the store answers again.")

    def _give_up(self, error: BaseException) -> None:
        self._given_up = str(error)
        self._say(f"cannot store run {self._writer.run_id}: {error} {self._where_it_is()}.")

    def _where_it_is(self) -> str:
        where = f"stays in {self._writer.path}" if self._writer.is_on_disk else "is in the memory of this process only"
        return f"What is logged {where}"

    def _say(self, message: str) -> None:
        self._warned = True
        try:
            warnings.warn(f"tracklog: {message}", JournalWarning, stacklevel=2)
        except JournalWarning:  # warnings are errors here; this thread has nobody to raise to
            _log.warning("%s", message)


class Recovered(msgspec.Struct, frozen=True):
    """What was found in the journal of a writer that died, and is in the store now."""

    run_id: str
    points: int  # records sent; those that the store had already are not counted
    events: int
    files: int


def recover(
    root: Path,
    store: Store,
    *,
    store_uri: str | None = None,
    run_id: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Recovered]:
    """Bring every abandoned journal below `root` into the store and remove it.

    Args:
        root: folder of journals.
        store: where to.
        store_uri: only journals written for this address; None: all.
        run_id: only journals of this run; None: all.
        progress: called with (done, total) journals.

    Raises:
        StoreUnavailableError: the store went away; what is left stays in the journals.
    """
    found = abandoned(root)
    recovered = []
    for done, path in enumerate(found):
        try:
            reader = Reader(path)
        except JournalError as error:
            _log.warning("%s", error.message)
            continue
        if reader.store_uri != (store_uri or reader.store_uri) or reader.run_id != (run_id or reader.run_id):
            continue
        try:
            lock = try_lock(path / "owner.lock")
        except OSError:  # no locks here: recovering twice at once is harmless, the store counts records once
            lock = -1
        if lock is None:
            continue
        try:
            recovered.append(_recover_one(reader, store))
            remove_journal(path)
        except NotFoundError as error:
            # The run was deleted, or its first event was never written: there is no run these belong to.
            _log.warning("The journal %s belongs to no run: %s It is removed.", path, error.message)
            remove_journal(path)
        except TracklogError as error:
            if isinstance(error, StoreUnavailableError):
                raise
            _log.warning("The journal %s cannot be stored and stays: %s", path, error.message)
        finally:
            if lock >= 0:
                os.close(lock)
        if progress is not None:
            progress(done + 1, len(found))
    return recovered


def _recover_one(reader: Reader, store: Store) -> Recovered:
    numbered = reader.events()
    stored = store.watermark(reader.run_id, reader.writer_id)
    sent_events = _recover_events(reader, store, numbered, stored)
    sent_points = 0
    stored = store.watermark(reader.run_id, reader.writer_id)
    keys = list(reader.keys.values())
    position = stored.points
    for first, records in reader.points():
        end = first + len(records) // POINT_SIZE
        if end <= position:
            continue
        if first > position:
            # Segments kept in memory died with the process. Void records take their numbers.
            records = bytes((first - position) * POINT_SIZE) + records
        else:
            records = records[(position - first) * POINT_SIZE :]
        for start in range(0, len(records), _MAX_BATCH_POINTS * POINT_SIZE):
            piece = records[start : start + _MAX_BATCH_POINTS * POINT_SIZE]
            store.apply(
                Batch(
                    run_id=reader.run_id,
                    writer_id=reader.writer_id,
                    points_start=position,
                    events_start=store.watermark(reader.run_id, reader.writer_id).events,
                    points=piece,
                    keys=keys,
                    live=False,
                )
            )
            position += len(piece) // POINT_SIZE
            sent_points += len(piece) // POINT_SIZE
    files = 0
    for event, blob in reader.blobs():
        try:
            store.put_artifact(reader.run_id, event.path, blob, move=True)
        except TracklogError:
            if blob.is_file():
                raise
            continue  # the writer's own thread still sends after its time to close was over, and was faster
        files += 1
    return Recovered(reader.run_id, sent_points, sent_events, files)


def _recover_events(reader: Reader, store: Store, numbered: list[tuple[int, Event]], stored: Watermark) -> int:
    """Send events the store lacks. After a gap (events that were only in memory) the rest goes as another writer's."""
    sent = 0
    groups: list[tuple[int, list[Event]]] = []
    for number, event in numbered:
        if groups and number == groups[-1][0] + len(groups[-1][1]):
            groups[-1][1].append(event)
        else:
            groups.append((number, [event]))
    keys: list[MetricKey] = list(reader.keys.values())
    for first, events in groups:
        if first <= stored.events:
            writer_id, start = reader.writer_id, first
        else:
            writer_id, start = f"{reader.writer_id}.{first}", 0
        mark = store.watermark(reader.run_id, writer_id)
        fresh = events[max(0, mark.events - start) :]
        for offset in range(0, len(fresh), 1000):
            piece = fresh[offset : offset + 1000]
            store.apply(
                Batch(
                    run_id=reader.run_id,
                    writer_id=writer_id,
                    points_start=mark.points,
                    events_start=max(start, mark.events) + offset,
                    events=piece,
                    keys=keys,
                    live=False,
                )
            )
            sent += len(piece)
    return sent
