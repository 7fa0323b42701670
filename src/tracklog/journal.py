"""Crash-safe log of one writer: one process of one run.

    <root>/<run id, escaped>/<writer id>/
        journal.json            format, run id, writer id, address of the store, host, pid
        owner.lock              locked by the writer for as long as its process lives
        points-<first>.seg      fixed 32-byte records (`records.POINT`); <first>: number of its first record
        events-<first>.log      frames  u32 length · u32 crc32(payload) · payload   (payload: a MessagePack event)
        blobs/                  files on their way into the store

Point segments are allocated in full (1 MiB) and mapped. A point is written in two moves: 28 bytes of data, then the
marker byte; a process killed in between leaves a record without marker, which does not exist. Slots are given out by an
atomic counter, so `log` takes no lock, may be called from any thread and from signal handlers, and cannot deadlock after
a fork. Event frames are appended with one `write` each.

What a returned call wrote is in the kernel's pages: it survives the death of the process by any signal. A background
`sync` bounds loss at power failure to its interval. Appended bytes never change. Every new event file begins with all
keys defined so far, so earlier files may be removed once the store has what they hold.

Where a folder cannot be written (read-only, full, no mmap) the writer says so once, keeps records in memory up to
`MEMORY_LIMIT_BYTES`, and goes on; it never raises for that.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import logging
import mmap
import os
import shutil
import socket
import struct
import tempfile
import threading
import time
import urllib.parse
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tracklog.errors import JournalError
from tracklog.locks import try_lock
from tracklog.records import (
    POINT_SIZE,
    VOID_KEY,
    ArtifactStored,
    DType,
    Event,
    MetricKey,
    MetricKind,
    decode_event,
    encode_event,
)

_log = logging.getLogger(__name__)

FORMAT = 1
SEGMENT_POINTS = 32_768  # × 32 bytes = 1 MiB: a new file every 32,768 points, little waste for a short run
EVENT_FILE_BYTES = 8 << 20  # then a new file begins, so that a chatty run's log does not grow on disk for ever
MEMORY_LIMIT_BYTES = 256 << 20  # 8 million points without any disk; beyond that points are counted as lost
_RETRY_DISK_S = 30  # how long memory is used before the disk is tried again
_MAX_FRAME_BYTES = 1 << 30

_FRAME = struct.Struct("<II")
_MARKER = 28  # offset of the marker in a record
_NOW = time.time_ns


class JournalWarning(UserWarning):
    """The journal cannot be written as it should be; the message says what follows from that."""


class _Segment:
    """Point records [first, first + SEGMENT_POINTS) in a mapped file, a plain file, or memory."""

    __slots__ = ("buffer", "fd", "first", "path")

    def __init__(self, first: int, buffer: Any, path: Path | None, fd: int = -1) -> None:
        self.first = first
        self.buffer = buffer  # mmap of the file, or anonymous when `path` is None or the file is written by `fd`
        self.path = path
        self.fd = fd  # >= 0: no mmap here; `buffer` is a copy of what is written through it

    def release(self) -> None:
        """Remove the file; nobody needs it any more."""
        if self.fd >= 0:
            os.close(self.fd)
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class _EventFile:
    """Frames with event numbers from `first` on, in a file or in memory."""

    __slots__ = ("fd", "first", "frames", "path", "size")

    def __init__(self, first: int, path: Path | None, fd: int) -> None:
        self.first = first
        self.path = path
        self.fd = fd
        self.size = 0  # whole frames written, in bytes
        self.frames: list[bytes] = []  # payloads: all of them in memory mode, else those the drainer has not taken


class Writer:
    """Appends records to a journal. Safe for threads; a forked child is refused (`forked`) and makes its own.

    `log` is the hot path, see `_make_log`.
    """

    _current: tuple[int, Any]  # see `_add_segment`

    def __init__(self, root: Path, run_id: str, *, store_uri: str, rank: int | None = None) -> None:
        self.run_id = run_id
        self.writer_id = uuid.uuid4().hex
        self.path = journal_folder(root, run_id) / self.writer_id
        self.pid = os.getpid()
        self.closed = False
        self._store_uri = store_uri
        self._rank = rank
        self._lock = threading.RLock()  # for events, keys and new segments; never taken by `log` of a known name
        self._said: set[str] = set()  # what was warned of
        self._memory_bytes = 0
        self._lost_points = 0
        self._lost_files = 0
        self._lost_segments: set[int] = set()  # indexes for which there was neither disk nor memory
        self._retry_disk_at = 0.0
        self._owner_fd = -1
        self._keys: dict[tuple[str, str, DType], MetricKey] = {}
        self._segments: dict[int, _Segment] = {}  # by index: first // SEGMENT_POINTS
        self._event_files: list[_EventFile] = []
        self._next_event = 0
        self._blob_numbers = itertools.count()
        self._spare_folder = Path(tempfile.gettempdir()) / f"tracklog-{self.writer_id}"
        self._slots = itertools.count()
        self._make_folder()
        self._add_segment(0)
        self.log, self.log_many = self._make_log()

    # ------------------------------------------------------------------- points

    def _make_log(
        self,
    ) -> tuple[Callable[[str, Any, int | None], bool], Callable[[Mapping[str, Any], int | None], bool]]:
        """Return `log(name, value, step)` and `log_many(values, step)` of scalar metrics.

        Both return False, with nothing written, when a name is new, or a value or step is not of the plain types;
        then `define` and `put` do it the long way. A closure over local names is 0.3 µs faster than a method.
        """
        next_slot = self._slots.__next__
        # type of value -> name -> (key, pack, counter of steps)
        fast: dict[type, dict[str, tuple[int, Callable[..., None], Callable[[], int]]]] = {float: {}, int: {}, bool: {}}
        self._fast = fast
        pack_float = struct.Struct("<qqdI").pack_into
        pack_int = struct.Struct("<qqqI").pack_into
        self._packs = {DType.FLOAT: pack_float, DType.INT: pack_int, DType.BOOL: pack_int, DType.NONE: pack_int}
        writer = self
        size = SEGMENT_POINTS

        def log(name: str, value: Any, step: int | None) -> bool:
            try:
                key, pack, next_step = fast[type(value)][name]
            except (KeyError, TypeError):
                return False
            if step is None:
                step = next_step()
            first, buffer = writer._current
            slot = next_slot()
            position = slot - first
            if 0 <= position < size and buffer is not None:
                position *= POINT_SIZE
                try:
                    pack(buffer, position, step, _NOW() // 1_000_000, value, key)
                except (struct.error, OverflowError, TypeError):
                    writer._void(slot)
                    return False
                buffer[position + _MARKER] = 1
                return True
            return writer._put_slow(slot, pack, key, step, _NOW() // 1_000_000, value)

        def log_many(values: Mapping[str, Any], step: int | None) -> bool:
            rows = []
            try:
                for name, value in values.items():
                    key, pack, next_step = fast[type(value)][name]
                    rows.append((key, pack, next_step() if step is None else step, value))
            except (KeyError, TypeError):
                return False
            now = _NOW() // 1_000_000
            first, buffer = writer._current
            for key, pack, at, value in rows:
                slot = next_slot()
                position = slot - first
                if 0 <= position < size and buffer is not None:
                    position *= POINT_SIZE
                    try:
                        pack(buffer, position, at, now, value, key)
                    except (struct.error, OverflowError, TypeError):
                        writer._void(slot)
                        return False
                    buffer[position + _MARKER] = 1
                else:
                    writer._put_slow(slot, pack, key, at, now, value)
                    first, buffer = writer._current
            return True

        return log, log_many

    def put(self, key: MetricKey, step: int, time_ms: int, value: float | bool | None) -> None:
        """Append a point of a defined key. `value` fits the key's dtype, `step` fits int64."""
        slot = next(self._slots)
        self._put_slow(slot, self._packs[key.dtype], key.key, step, time_ms, 0 if value is None else value)

    def _put_slow(self, slot: int, pack: Callable[..., None], key: int, step: int, time_ms: int, value: Any) -> bool:
        segment = self._segment_of(slot)
        if segment is None:
            self._lost_points += 1
            return True
        position = (slot - segment.first) * POINT_SIZE
        try:
            pack(segment.buffer, position, step, time_ms, value, key)
        except (struct.error, OverflowError, TypeError):
            self._void(slot)
            return False
        segment.buffer[position + _MARKER] = 1
        if segment.fd >= 0:
            try:
                os.pwrite(segment.fd, segment.buffer[position : position + POINT_SIZE], position)
            except OSError as error:
                self._warn(f"cannot write {segment.path}: {error}")
        return True

    def _void(self, slot: int) -> None:
        """Mark a slot whose value could not be packed as given up, or readers would wait for it."""
        segment = self._segment_of(slot)
        if segment is not None:
            position = (slot - segment.first) * POINT_SIZE
            segment.buffer[position : position + POINT_SIZE] = struct.pack("<qqqII", 0, 0, 0, VOID_KEY, 1)
            if segment.fd >= 0:
                try:
                    os.pwrite(segment.fd, segment.buffer[position : position + POINT_SIZE], position)
                except OSError as error:
                    self._warn(f"cannot write {segment.path}: {error}")

    def _segment_of(self, slot: int) -> _Segment | None:
        index = slot // SEGMENT_POINTS
        segment = self._segments.get(index)
        if segment is None and index not in self._lost_segments:
            with self._lock:
                segment = self._segments.get(index) or self._add_segment(index)
        return segment

    def _add_segment(self, index: int) -> _Segment | None:
        first = index * SEGMENT_POINTS
        size = SEGMENT_POINTS * POINT_SIZE
        segment: _Segment | None = None
        path = self.path / f"points-{first:012d}.seg"
        if time.monotonic() >= self._retry_disk_at and self._owner_fd >= 0:
            fd = -1
            try:
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
                # Without real blocks a full disk would kill the process with SIGBUS at the first touch of a page.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(fd, 0, size)
                else:
                    os.write(fd, bytes(size))
                try:
                    segment = _Segment(first, mmap.mmap(fd, size), path)
                    os.close(fd)
                except (OSError, ValueError) as error:
                    self._warn(
                        f"the file system of {path.parent} cannot map files ({error}); each point costs a write call instead"
                    )
                    segment = _Segment(first, mmap.mmap(-1, size), path, fd)
            except OSError as error:
                if fd >= 0:
                    os.close(fd)
                    path.unlink(missing_ok=True)
                self._disk_failed(error)
        if segment is None:
            if self._memory_bytes + size > MEMORY_LIMIT_BYTES:
                self._warn(f"{MEMORY_LIMIT_BYTES >> 20} MiB of memory are full too; points are lost from here on", again=True)
                self._lost_segments.add(index)
                return None
            self._memory_bytes += size
            segment = _Segment(first, mmap.mmap(-1, size), None)
        self._segments[index] = segment
        # (first slot, buffer) in one tuple: reading it is atomic, whatever other threads do. `log` writes to a mapped buffer
        # directly; one that is copied through a descriptor goes the slow way.
        if not hasattr(self, "_current") or first >= self._current[0]:
            self._current = (first, None if segment.fd >= 0 else segment.buffer)
        return segment

    # --------------------------------------------------------------- definitions

    def define(self, name: str, column: str, kind: MetricKind, dtype: DType, description: str = "") -> MetricKey:
        """Return the key of a series, writing its definition the first time."""
        address = (name, column, dtype)
        key = self._keys.get(address)
        if key is None:
            with self._lock:
                key = self._keys.get(address)
                if key is None:
                    key = MetricKey(len(self._keys) + 1, name, column, kind, dtype, description)
                    self.append(key)
                    self._keys[address] = key
        return key

    def make_fast(self, key: MetricKey, value_type: type, next_step: Callable[[], int]) -> None:
        """Let `log` write values of a type to this key from now on: one that `struct` packs as the key's dtype.

        `next_step` gives steps where the caller gives none.
        """
        self._fast.setdefault(value_type, {})[key.name] = (key.key, self._packs[key.dtype], next_step)

    # -------------------------------------------------------------------- events

    def append(self, *events: Event) -> None:
        """Append events; when this returns they are in the kernel's hands."""
        payloads = [_encoded(event) for event in events]
        with self._lock:
            for payload in payloads:
                file = self._event_file()
                if file.fd >= 0:
                    frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
                    try:
                        written = os.write(file.fd, frame)
                        if written < len(frame):
                            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                        file.size += len(frame)
                    except OSError as error:
                        self._disk_failed(error)
                        file = self._memory_event_file()
                file.frames.append(payload)
                if file.path is None:
                    self._memory_bytes += len(payload)
                self._next_event += 1

    def _event_file(self) -> _EventFile:
        file = self._event_files[-1] if self._event_files else None
        if file is not None and file.path is not None and file.size < EVENT_FILE_BYTES:
            return file
        if self._owner_fd >= 0 and (file is None or time.monotonic() >= self._retry_disk_at):
            path = self.path / f"events-{self._next_event:012d}.log"
            fd = -1
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
                new = _EventFile(self._next_event, path, fd)
                # Keys again: they are not numbered events of this file, so their frames have length with the top bit set.
                repeated = b"".join(
                    _FRAME.pack(len(payload) | _REPEATED, zlib.crc32(payload)) + payload
                    for payload in (encode_event(key) for key in self._keys.values())
                )
                if repeated and os.write(fd, repeated) < len(repeated):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                new.size = len(repeated)
                self._event_files.append(new)
                return new
            except OSError as error:
                if fd >= 0:
                    os.close(fd)
                    path.unlink(missing_ok=True)
                self._disk_failed(error)
        if file is not None and file.path is None:
            return file
        return self._memory_event_file()

    def _memory_event_file(self) -> _EventFile:
        file = _EventFile(self._next_event, None, -1)
        self._event_files.append(file)
        return file

    def add_file(self, path: str, source: Path | bytes) -> bool:
        """Take a file on its way into the store: its bytes as they are now. False: there is no room for it anywhere.

        Args:
            path: its name in the run.
            source: a file that can be read, or the bytes.
        """
        name = f"{next(self._blob_numbers):06d}"
        failure: OSError | None = None
        for folder in self._blob_folders():
            target = folder / name
            try:
                folder.mkdir(parents=True, exist_ok=True)
                if isinstance(source, bytes):
                    target.write_bytes(source)
                else:
                    shutil.copyfile(source, target)
                size_bytes = target.stat().st_size
            except OSError as error:
                failure = error
                with contextlib.suppress(OSError):
                    target.unlink(missing_ok=True)  # half of it
                continue
            self.append(ArtifactStored(path, size_bytes, name if folder == self.path / "blobs" else str(target)))
            return True
        self._lost_files += 1
        self._say(f"tracklog cannot keep the file {path}: {failure}. Training goes on without it. {_MORE_ROOM}", "file")
        return False

    def _blob_folders(self) -> Iterator[Path]:
        if self._owner_fd >= 0:
            yield self.path / "blobs"
        # A container may have nothing to write to but its folder for temporary files. Nobody recovers what lies there.
        yield self._spare_folder

    def blob(self, event: ArtifactStored) -> Path:
        """Return where the bytes of a file lie that `add_file` took."""
        return self.path / "blobs" / event.blob  # a spare one has an absolute path, which stands for itself

    # ----------------------------------------------------------- for the drainer

    def counts(self) -> tuple[int, int]:
        """Return how many points (slots given out) and events there are."""
        # count's repr is the only way to look at it without taking a number.
        return int(repr(self._slots)[6:-1]), self._next_event

    def take_points(self, start: int, limit: int, *, whole: bool = False) -> bytes:
        """Return the records from number `start` on, at most `limit`, up to the first that is still being written.

        With `whole` a record that is still missing is passed over as void: its writer is gone or stuck.
        """
        parts = []
        end = min(self.counts()[0], start + limit)
        while start < end:
            segment = self._segments.get(start // SEGMENT_POINTS)
            if segment is None:
                if start // SEGMENT_POINTS not in self._lost_segments:
                    break  # its slots are given out, the segment is being made
                until = min(end, (start // SEGMENT_POINTS + 1) * SEGMENT_POINTS)
                parts.append(bytes((until - start) * POINT_SIZE))
                start = until
                continue
            low = start - segment.first
            high = min(end - segment.first, SEGMENT_POINTS)
            records = segment.buffer[low * POINT_SIZE : high * POINT_SIZE]
            markers = records[_MARKER::POINT_SIZE]
            ready = len(markers) if whole else markers.find(b"\0")
            if 0 <= ready < len(markers):
                parts.append(records[: ready * POINT_SIZE])
                break
            parts.append(records)
            start = segment.first + high
        return b"".join(parts)

    def take_events(self, start: int, limit_bytes: int) -> list[Event]:
        """Return events from number `start` on, about `limit_bytes` of them."""
        events: list[Event] = []
        with self._lock:
            files = list(self._event_files)
        for file in files:
            skip = max(0, start - file.first)
            for payload in file.frames[skip:]:
                events.append(decode_event(payload))
                limit_bytes -= len(payload)
                if limit_bytes <= 0:
                    return events
            start = max(start, file.first + len(file.frames))
        return events

    def definitions(self) -> list[MetricKey]:
        """Return all keys."""
        return list(self._keys.values())

    def confirm(self, points: int, events: int) -> None:
        """Forget what the store has: records below these numbers."""
        current = self._current[0] // SEGMENT_POINTS
        with self._lock:
            for index in [index for index in self._segments if index < current and (index + 1) * SEGMENT_POINTS <= points]:
                segment = self._segments.pop(index)
                if segment.path is None:
                    self._memory_bytes -= SEGMENT_POINTS * POINT_SIZE
                segment.release()
            while len(self._event_files) > 1 and self._event_files[1].first <= events:
                file = self._event_files.pop(0)
                if file.path is None:
                    self._memory_bytes -= sum(map(len, file.frames))
                else:
                    os.close(file.fd)
                    file.path.unlink(missing_ok=True)
            # Events stay in their file; payloads kept for the drainer are done with.
            last = self._event_files[-1] if self._event_files else None
            if last is not None and last.path is not None and events > last.first:
                done = min(events - last.first, len(last.frames))
                for i in range(done):
                    last.frames[i] = b""

    def sync(self) -> None:
        """Bring written pages to the disk, so that a power failure loses at most what came after."""
        with self._lock:
            files = [file.fd for file in self._event_files[-1:] if file.fd >= 0]
            first = self._current[0] // SEGMENT_POINTS
            segment = self._segments.get(first)
        try:
            for fd in files:
                os.fsync(fd)
            if segment is not None and segment.path is not None:
                if segment.fd >= 0:
                    os.fsync(segment.fd)
                else:
                    segment.buffer.flush()
        except (OSError, ValueError) as error:  # ValueError: the segment was closed meanwhile
            _log.debug("Cannot sync the journal %s: %s", self.path, error)

    @property
    def lost_points(self) -> int:
        """Points for which there was neither disk nor memory."""
        return self._lost_points

    @property
    def lost_files(self) -> int:
        """Files for which there was no room."""
        return self._lost_files

    @property
    def is_on_disk(self) -> bool:
        """Whether everything the store has not taken yet would outlive this process."""
        with self._lock:
            return not (
                self._lost_points
                or self._spare_folder.exists()
                or any(segment.path is None for segment in self._segments.values())
                or any(file.path is None for file in self._event_files)
            )

    # ----------------------------------------------------------------- life cycle

    def close(self, *, remove: bool) -> None:
        """End the journal; `remove` it when the store has confirmed everything."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            for file in self._event_files:
                if file.fd >= 0:
                    os.close(file.fd)
            for segment in self._segments.values():
                if segment.fd >= 0:
                    os.close(segment.fd)
            if remove:
                remove_journal(self.path)
            shutil.rmtree(self._spare_folder, ignore_errors=True)
            if self._owner_fd >= 0:
                os.close(self._owner_fd)

    def forked(self) -> None:
        """In a forked child: let go of the parent's files without touching them.

        The child shares the parent's mapping and would overwrite its slots; it must open a journal of its own.
        """
        self.closed = True
        for file in self._event_files:
            if file.fd >= 0:
                os.close(file.fd)
        if self._owner_fd >= 0:
            os.close(self._owner_fd)  # else the lock would outlive the parent

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(parents=True)
            head = {
                "format": FORMAT,
                "run_id": self.run_id,
                "writer_id": self.writer_id,
                "store": self._store_uri,
                "rank": self._rank,
                "host": socket.gethostname(),
                "pid": self.pid,
            }
            # The lock first: a journal without lock looks abandoned.
            fd = try_lock(self.path / "owner.lock")
            temporary = self.path / "journal.json.new"
            temporary.write_text(json.dumps(head))
            temporary.replace(self.path / "journal.json")
            self._owner_fd = -1 if fd is None else fd
        except OSError as error:
            self._disk_failed(error)

    def _disk_failed(self, error: OSError) -> None:
        self._retry_disk_at = time.monotonic() + _RETRY_DISK_S
        self._warn(f"cannot write the journal {self.path}: {error.strerror or error}")

    def _warn(self, problem: str, *, again: bool = False) -> None:
        message = (
            f"tracklog {problem}. Training goes on; what is logged is kept in memory until the store has it, "
            f"and would be lost if this process died. {_MORE_ROOM}"
        )
        self._say(message, "memory" if again else "disk")

    def _say(self, message: str, topic: str) -> None:
        """Warn of a topic once."""
        if topic in self._said:
            _log.debug("%s", message)
            return
        self._said.add(topic)
        try:
            warnings.warn(message, JournalWarning, stacklevel=3)
        except JournalWarning:  # warnings are errors here; tracking must not break training
            _log.warning("%s", message)


_MORE_ROOM = "Free some space or set TRACKLOG_JOURNALS to a folder on another disk."
_REPEATED = 1 << 31  # in a frame's length: a key definition repeated at the head of a file, not a numbered event


def _encoded(event: Event) -> bytes:
    try:
        return encode_event(event)
    except UnicodeEncodeError:
        # Lone surrogates (file names, broken console output) are not UTF-8; show them as escapes.
        plain = msgspec.convert(_without_surrogates(msgspec.to_builtins(event)), Event)
        return encode_event(plain)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(item) for item in value]
    return value


# ------------------------------------------------------------------------ reading


def journal_folder(root: Path, run_id: str) -> Path:
    """Return the folder of a run's journals. Any run id is a safe folder name after escaping."""
    return root / ("run-" + urllib.parse.quote(run_id, safe="-_ ")[:200])


class Reader:
    """Reads the journal of a writer that is gone. Torn ends are expected, never an error.

    Raises:
        JournalError: there is no readable journal.json, or it is of a newer format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            head = json.loads((path / "journal.json").read_text())
            self.run_id = str(head["run_id"])
            self.writer_id = str(head["writer_id"])
            self.store_uri = str(head["store"])
            version = int(head["format"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"Cannot read the journal {path}: {error!r}. Move the folder away to keep it.", path=str(path)
            ) from error
        if version > FORMAT:
            raise JournalError(
                f"The journal {path} has format {version}; this tracklog knows {FORMAT}. "
                "Upgrade with: pip install --upgrade tracklog",
                path=str(path),
            )
        self.keys: dict[int, MetricKey] = {}
        self._events: list[tuple[int, Event]] | None = None

    def events(self) -> list[tuple[int, Event]]:
        """Return (number, event) of every whole frame, ascending."""
        if self._events is None:
            self._events = []
            for file in sorted(self.path.glob("events-*.log")):
                number = int(file.stem.removeprefix("events-"))
                for repeated, event in _frames(file):
                    if isinstance(event, MetricKey):
                        self.keys[event.key] = event
                    if not repeated:
                        self._events.append((number, event))
                        number += 1
        return self._events

    def points(self) -> list[tuple[int, bytes]]:
        """Return (number of the first record, records) of each segment, up to its last written record.

        Unwritten records in between (threads killed half-way) have marker 0 and are to be skipped.
        """
        found = []
        for file in sorted(self.path.glob("points-*.seg")):
            try:
                first = int(file.stem.removeprefix("points-"))
                data = file.read_bytes()
            except (OSError, ValueError) as error:
                _log.warning("Cannot read the journal segment %s: %s", file, error)
                continue
            data = data[: len(data) - len(data) % POINT_SIZE]
            last = data[_MARKER::POINT_SIZE].rstrip(b"\0")
            if last:
                found.append((first, data[: len(last) * POINT_SIZE]))
        return found

    def blobs(self) -> list[tuple[ArtifactStored, Path]]:
        """Return the files that the store has not confirmed, oldest first."""
        return [
            (event, self.path / "blobs" / event.blob)
            for _, event in self.events()
            if isinstance(event, ArtifactStored) and event.blob and (self.path / "blobs" / Path(event.blob).name).is_file()
        ]


def _frames(file: Path) -> Iterator[tuple[bool, Event]]:
    try:
        data = file.read_bytes()
    except OSError as error:
        _log.warning("Cannot read the journal file %s: %s", file, error)
        return
    position = 0
    while position + _FRAME.size <= len(data):
        length, crc = _FRAME.unpack_from(data, position)
        repeated = bool(length & _REPEATED)
        length &= ~_REPEATED
        start = position + _FRAME.size
        payload = data[start : start + length]
        if len(payload) < length or zlib.crc32(payload) != crc or not 0 < length < _MAX_FRAME_BYTES:
            return  # the writer died here
        try:
            yield repeated, decode_event(payload)
        except msgspec.MsgspecError as error:
            # Whole and unharmed, but unknown: written by a newer version. Numbers must stay right, so stop here.
            _log.warning("The journal file %s has an event this tracklog does not know: %s", file, error)
            return
        position = start + length


def abandoned(root: Path) -> list[Path]:
    """Return the journals below `root` whose writers are gone, oldest first."""
    found = []
    for path in root.glob("run-*/*"):
        if (path / "journal.json").is_file() and is_abandoned(path):
            found.append(path)  # noqa: PERF401
    return sorted(found, key=lambda path: (path / "journal.json").stat().st_mtime if (path / "journal.json").exists() else 0)


def is_abandoned(path: Path) -> bool:
    """Whether the writer of a journal is gone."""
    try:
        fd = try_lock(path / "owner.lock")
    except FileNotFoundError:
        return False
    except OSError:  # no locks on this file system: ask for the process, as far as this machine can know
        try:
            head = json.loads((path / "journal.json").read_text())
            if head["host"] != socket.gethostname():
                return False
            os.kill(int(head["pid"]), 0)
        except ProcessLookupError:
            return True
        except (OSError, ValueError, KeyError):
            return False
        return False
    if fd is None:
        return False
    os.close(fd)
    return True


def remove_journal(path: Path) -> None:
    """Remove a journal and its run's folder if that is then empty."""
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.parent.rmdir()
    except OSError:
        pass  # another writer of the run is still there
