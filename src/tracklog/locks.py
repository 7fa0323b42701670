"""Advisory file locks that a process holds for as long as it lives.

The kernel drops them when the holder dies, however it dies, so "is the lock free?" answers "is the owner gone?".
A file system without locks (some network mounts) answers neither; then `try_lock` says so by raising OSError.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no fcntl; msvcrt locks a byte range, which serves the same purpose
    import msvcrt

    def _acquire(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]  # absent from stubs elsewhere
        except OSError:
            return False
        return True
else:

    def _acquire(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise
        return True


def try_lock(path: Path) -> int | None:
    """Lock a file, created if need be; return the descriptor that holds the lock, or None if another process has it.

    Close the descriptor to let go. A forked child shares the lock: it must close its copy.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        if _acquire(fd):
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


@contextlib.contextmanager
def locked(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold a lock for the block, waiting for it up to `timeout_s`; TimeoutError after that."""
    deadline = time.monotonic() + timeout_s
    while (fd := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Another process has held {path} for {timeout_s:g} s.")
        time.sleep(0.02)
    try:
        yield
    finally:
        os.close(fd)
