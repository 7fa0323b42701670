"""Files of runs, kept once for each content.

A blob lies at `blobs/<first two hex digits>/<sha256>`; which run calls it by which path is in the catalog. So no path a
client names ever becomes a path of the file system, and equal files take space once.
A blob appears complete or not at all: bytes are staged, synced, then renamed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tracklog.errors import NotFoundError, StorageFullError, StoreError

PIECE_BYTES = 1 << 20  # what is held in memory of a file of any size
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Staged:
    """A file on its way in: complete on disk, under a name nobody looks at."""

    def __init__(self, path: Path, sha256: str, size_bytes: int) -> None:
        self.path = path
        self.sha256 = sha256
        self.size_bytes = size_bytes

    def discard(self) -> None:
        """Remove the staged file if it is still there."""
        self.path.unlink(missing_ok=True)


class BlobFolder:
    """Blobs below one folder. The caller orders `keep` and `remove` of the same digest by a lock of its own."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.staging = root / "staging"

    def stage(self, source: Path | BinaryIO, *, move: bool) -> Staged:
        """Bring bytes onto this file system and compute their digest.

        With `move` the source is linked where that is possible rather than copied. It stays: until the catalog has the
        file, a process may be killed at any moment, and the source is then all there is.
        """
        with self._translated("write"):
            self.staging.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.staging)
            os.close(descriptor)  # Windows replaces no file that is open
            staged = Path(name)
            try:
                if isinstance(source, Path):
                    if move and _linked(source, staged):
                        digest, size = _digest(staged)
                        return Staged(staged, digest, size)
                    with source.open("rb") as stream, staged.open("wb") as target:
                        digest, size = _copy(stream, target)
                else:
                    with staged.open("wb") as target:
                        digest, size = _copy(source, target)
            except BaseException:
                staged.unlink(missing_ok=True)
                raise
            return Staged(staged, digest, size)

    def keep(self, staged: Staged) -> None:
        """Make a staged file the blob of its digest."""
        with self._translated("write"):
            target = self._path(staged.sha256)
            if target.exists():
                staged.discard()
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.path.replace(target)

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading."""
        try:
            return self._path(sha256).open("rb")
        except FileNotFoundError as error:
            raise NotFoundError(
                f"The bytes of the file with digest {sha256} are gone from {self._root}. Restore them from a backup.",
                what="blob",
                given=sha256,
            ) from error

    def remove(self, sha256: str) -> None:
        """Remove a blob that nothing refers to."""
        with self._translated("remove"):
            self._path(sha256).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # the folder holds others
                self._path(sha256).parent.rmdir()

    def remove_stale(self, older_than_s: float, now_s: float) -> None:
        """Remove what processes that died left half-way in staging."""
        if self.staging.is_dir():
            for file in self.staging.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if now_s - file.stat().st_mtime <= older_than_s:
                        continue
                    if file.is_dir():  # a file that arrives in parts
                        shutil.rmtree(file, ignore_errors=True)
                    else:
                        file.unlink()

    def size_bytes(self) -> int:
        """Return what all blobs take."""
        return sum(file.stat().st_size for file in self._root.glob("blobs/*/*"))

    def _path(self, sha256: str) -> Path:
        if not _DIGEST.fullmatch(sha256):
            raise StoreError(f"{sha256!r} is not a SHA-256 digest; the catalog is damaged. Run: tracklog doctor")
        return self._root / "blobs" / sha256[:2] / sha256

    @contextlib.contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError(
                    f"No space is left for files in {self._root}. Free some; nothing stored is lost."
                ) from error
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"Cannot {verb} a file in {self._root}: {error}.") from error


def _linked(source: Path, target: Path) -> bool:
    """Give the source a second name in place of a file; false across file systems, and where files have one name only."""
    link = target.with_name(target.name + ".link")
    try:
        os.link(source, link)
        link.replace(target)
    except FileNotFoundError:
        raise
    except OSError:
        link.unlink(missing_ok=True)
        return False
    return True


def _copy(stream: BinaryIO, target: BinaryIO) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    while piece := stream.read(PIECE_BYTES):
        digest.update(piece)
        target.write(piece)
        size += len(piece)
    target.flush()
    os.fsync(target.fileno())  # the catalog must never name bytes that a power failure takes back
    return digest.hexdigest(), size


def _digest(file: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    with file.open("r+b" if os.name == "nt" else "rb") as stream:  # Windows flushes only what may be written
        while piece := stream.read(PIECE_BYTES):
            digest.update(piece)
        size = stream.tell()
        os.fsync(stream.fileno())
    return digest.hexdigest(), size
