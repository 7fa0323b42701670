"""A workspace: everything a user sees, in a folder or on a server."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tracklog.settings import Settings, is_remote
from tracklog.storage import RunInfo, RunQuery, Store, open_store

if TYPE_CHECKING:
    from tracklog.sdk.experiment import Experiment
    from tracklog.sdk.run import Run

_PAGE = 200  # runs asked for at once when listing


class Workspace:
    """Where runs are recorded and read. Opening costs nothing until something is read."""

    def __init__(self, uri: str | os.PathLike[str] | None = None) -> None:
        """Take the workspace at an address: a folder or http(s)://…; None: `TRACKLOG_URI`, the nearest `.tracklog`
        folder upward, else `~/.tracklog`.
        """
        self.settings = Settings.read(uri)
        self._store: Store | None = None
        self._store_pid = 0
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        """Address of the workspace: give it to another process to open the same."""
        return self.settings.uri

    @property
    def name(self) -> str:
        """The folder's name (its parent's for `.tracklog`) or the server's address."""
        if is_remote(self.uri):
            return self.uri
        folder = Path(self.uri)
        return folder.parent.name if folder.name == ".tracklog" else folder.name

    @property
    def store(self) -> Store:
        """The open store. A forked child opens its own."""
        with self._lock:
            if self._store is None or self._store_pid != os.getpid():
                self._store = open_store(self.uri)
                self._store_pid = os.getpid()
            return self._store

    @property
    def experiments(self) -> dict[str, Experiment]:
        """All experiments by name, the one with the latest run first."""
        from tracklog.sdk.experiment import Experiment

        return {found.name: Experiment(self, found.name) for found in self.store.experiments()}

    def get_run(self, run_id: str) -> Run:
        """Return a run by its id.

        Raises:
            NotFoundError: there is no such run here.
        """
        from tracklog.sdk.recorder import flush_living
        from tracklog.sdk.run import _run_of

        flush_living(self.uri, run_id)
        return _run_of(self, self.store.get_run(run_id))

    def find_runs(self, query: RunQuery) -> Iterator[RunInfo]:
        """Yield all runs that a query finds, page by page."""
        import msgspec

        from tracklog.sdk.recorder import flush_living

        flush_living(self.uri)
        page = self.store.search_runs(msgspec.structs.replace(query, limit=_PAGE))
        while True:
            yield from page.runs
            if page.next_page_token is None:
                return
            page = self.store.search_runs(msgspec.structs.replace(query, limit=_PAGE, page_token=page.next_page_token))

    def portal_url(self) -> str | None:
        """Return the address of the portal that shows this workspace, None when none is running."""
        if is_remote(self.uri):
            return self.uri
        try:
            running = json.loads((Path(self.uri) / "server.json").read_text())
            os.kill(int(running["pid"]), 0)
            return str(running["url"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __repr__(self) -> str:
        return f"Workspace({self.uri!r})"
