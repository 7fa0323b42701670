"""Files that arrive in parts: what clients do with large ones when a server says that it can."""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.wire import Refused

MAX_PARTS = 10_000  # of one upload, as S3
MAX_UPLOADS = 64  # under way at once
_STALE_UPLOAD_S = 24 * 3600.0


@dataclass(frozen=True)
class Place:
    """A file or folder of a run or a logged model; `path` "" is all of its files."""

    owner: str
    path: str


@dataclass
class _Upload:
    """A file that arrives in parts."""

    where: Place
    folder: Path
    parts: int  # how many were announced
    started: float = field(default_factory=time.monotonic)


class Uploads:
    """Uploads in parts that are under way in this process: bounded, and forgotten after a day."""

    def __init__(self) -> None:
        self._by_id: dict[str, _Upload] = {}
        self._lock = threading.Lock()

    def start(self, staging: Path, where: Place, parts: int) -> str:
        """Return the id of a new upload."""
        if not 1 <= parts <= MAX_PARTS:
            raise wire.invalid("num_parts", parts, f"Expected 1 to {MAX_PARTS}.")
        upload_id = uuid.uuid4().hex
        with self._lock:
            for old_id, old in list(self._by_id.items()):
                if time.monotonic() - old.started > _STALE_UPLOAD_S:
                    self._remove(old_id)
            if len(self._by_id) >= MAX_UPLOADS:
                raise Refused(
                    f"{MAX_UPLOADS} uploads in parts are under way already. Finish or abort one, or send the file whole.",
                    "TEMPORARILY_UNAVAILABLE",
                )
            folder = staging / f"parts-{upload_id}"
            folder.mkdir()
            self._by_id[upload_id] = _Upload(where, folder, parts)
        return upload_id

    def get(self, upload_id: str) -> _Upload:
        """Return an upload under way."""
        found = self._by_id.get(upload_id)
        if found is None:
            raise wire.not_found(f"There is no upload '{upload_id}' under way. Start it again.")
        return found

    def end(self, upload_id: str) -> None:
        """Forget an upload, with what came of it."""
        with self._lock:
            self._remove(upload_id)

    def _remove(self, upload_id: str) -> None:
        found = self._by_id.pop(upload_id, None)
        if found is not None:
            shutil.rmtree(found.folder, ignore_errors=True)
