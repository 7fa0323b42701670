"""`python -m tracklog.server WORKSPACE [PORT]`: serve without the command line's extras; prints the address."""

from __future__ import annotations

import sys

from tracklog.server.serve import serve
from tracklog.storage.local import LocalStore

if __name__ == "__main__":
    workspace, *port = sys.argv[1:]
    serve(LocalStore(workspace), port=int(port[0]) if port else None, on_started=lambda url: print(url, flush=True))  # noqa: T201
