"""`python -m tracklog.server WORKSPACE [PORT [IDLE_S]]`: serve without the command line's extras; prints the address."""

from __future__ import annotations

import sys

from tracklog.server.serve import serve
from tracklog.settings import Settings
from tracklog.storage.local import LocalStore

if __name__ == "__main__":
    workspace, *more = sys.argv[1:]
    port, idle_s = [*more, None, None][:2]
    serve(
        LocalStore(workspace),
        port=None if port is None else int(port),
        idle_s=None if idle_s is None else float(idle_s),
        embed_origins=Settings.read(workspace).embed_origins,
        on_started=lambda url: print(url, flush=True),  # noqa: T201
    )
