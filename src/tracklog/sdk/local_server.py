"""A server for a workspace in a folder, started when a client needs an address: MLflow's speak HTTP only.

One server a workspace, found through `server.json` in its folder; `tracklog ui` is as good as one started here. The process
that asked stays connected until it ends, however it ends, and so do its forked children; a server started here ends by
itself some seconds after the last of them.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from tracklog.errors import ServerError
from tracklog.locks import locked

_IDLE_S = 15.0  # after the last process that needed it; another one may come soon
_START_TIMEOUT_S = 30.0  # importing from a slow network disk
_CONNECT_S = 3.0
_TAIL_CHARS = 500

_guard = threading.Lock()
_connections: dict[Path, tuple[str, socket.socket]] = {}


def address(folder: Path) -> str:
    """Return the address of a server of the workspace, starting one if none answers.

    It goes on for as long as this process lives.

    Raises:
        ServerError: it cannot be started.
    """
    with _guard:
        known = _connections.pop(folder, None)
        if known is not None and _is_open(known[1]):
            _connections[folder] = known
            return known[0]
        if known is not None:
            known[1].close()
        folder.mkdir(parents=True, exist_ok=True)
        marker = folder / "server.json"
        try:
            # Two processes that need one at once start one; a server that ends takes the same lock to say so.
            with locked(marker.with_suffix(".lock"), _START_TIMEOUT_S):
                url = _read(marker)
                connection = None if url is None else _connected(url)
                if connection is None:
                    url = _start(folder, 0 if url is None else urlsplit(url).port or 0)
                    connection = _connected(url)
        except (OSError, TimeoutError) as error:
            if isinstance(error, ServerError):
                raise
            raise ServerError(f"Cannot start a server for the workspace {folder}: {error}.") from error
        if url is None or connection is None:
            raise ServerError(f"The server of the workspace {folder} does not answer at {url}. See {_log(folder)}.")
        atexit.unregister(_close)
        atexit.register(_close)
        _connections[folder] = url, connection
        return url


def _read(marker: Path) -> str | None:
    try:
        return str(json.loads(marker.read_text())["url"])
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or half of one
        return None


def _start(folder: Path, port: int) -> str:
    """Start a server, at the port an earlier one had if it is free: who still has its address then finds it again."""
    for at in dict.fromkeys((port, 0)):
        with _log(folder).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tracklog.server", str(folder), str(at), str(_IDLE_S)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for the training
            )
        assert process.stdout is not None  # noqa: S101  # PIPE was asked for
        timer = threading.Timer(_START_TIMEOUT_S, process.kill)
        timer.start()
        with process.stdout as stream:
            url = stream.readline().decode().strip()
        timer.cancel()
        # Collected when it ends: neither a zombie nor a warning about a process that still runs.
        threading.Thread(target=process.wait, name="tracklog-server", daemon=True).start()
        if url.startswith("http://"):
            return url
    said = _log(folder).read_text(errors="replace").strip()[-_TAIL_CHARS:]
    raise ServerError(f"Cannot start a server for the workspace {folder}: {said or 'it ended without a word'}.")


def _log(folder: Path) -> Path:
    return folder / "server.log"


def _connected(url: str) -> socket.socket | None:
    """Return a connection that keeps the server from ending, None when there is no tracklog server."""
    at = urlsplit(url)
    where = (at.hostname or "", at.port or 80)
    try:
        connection = socket.create_connection(where, _CONNECT_S)
    except OSError:
        return None
    try:
        # Connections are accepted in their order: once this answer is here, the one above is known to the server.
        with socket.create_connection(where, _CONNECT_S) as other:
            other.sendall(f"GET /health HTTP/1.1\r\nHost: {at.netloc}\r\nConnection: close\r\n\r\n".encode())
            if other.recv(64).startswith(b"HTTP/1.1 200"):
                return connection
    except OSError:
        pass
    connection.close()
    return None


def _is_open(connection: socket.socket) -> bool:
    """Whether the server is still there: it never sends anything on this connection but its end."""
    try:
        connection.setblocking(False)
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _close() -> None:
    for _, connection in _connections.values():
        with contextlib.suppress(OSError):
            connection.close()
    _connections.clear()
