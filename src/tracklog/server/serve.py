"""Run the server in this process: find a port, say where, keep the workspace in order, stop at once when asked."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from tracklog.errors import ServerError, TracklogError
from tracklog.locks import try_lock
from tracklog.server.app import create_app
from tracklog.storage import Store
from tracklog.storage.local import LocalStore

_log = logging.getLogger(__name__)

PREFERRED_PORT = 7777
_PORTS_TRIED = 50
_MAINTAIN_S = 10.0
# A training logs each minute or so: not a new connection each time, nor a request into one that is being closed.
_KEEP_ALIVE_S = 75


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(
    store: Store,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    on_started: Callable[[str], None] = lambda url: None,
    idle_s: float | None = None,
    embed_origins: Collection[str] = (),
) -> None:
    """Serve a store until SIGINT or SIGTERM.

    Args:
        port: None: 7777, or the next one that is free; 0: any.
        on_started: called with the portal's address once requests are answered.
        idle_s: end by itself when nobody was connected for so long; None: never.
        embed_origins: whose pages may show `/embed/…` in a frame, see `create_app`.

    Raises:
        InvalidValueError: one of `embed_origins` is no origin.
        ServerError: the port is in use, or the host is not an address of this machine.
    """
    folder = store.path if isinstance(store, LocalStore) else None
    app = create_app(
        store,
        workspace=str(folder or store.uri),
        loopback=is_loopback(host),
        staging=store.staging if isinstance(store, LocalStore) else None,
        embed_origins=embed_origins,
    )
    listener = _listen(host, port)
    url = f"http://{_shown_host(host)}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, timeout_keep_alive=_KEEP_ALIVE_S, lifespan="on"
    )
    server = _Server(config, app.state.live.close, lambda: started(url))
    stop = threading.Event()
    marker = None if folder is None else folder / "server.json"

    def started(at: str) -> None:
        if marker is not None:
            _write_marker(marker, at)
        on_started(at)

    keeper = threading.Thread(target=_maintain, args=(store, stop), name="tracklog-maintain", daemon=True)
    keeper.start()
    if idle_s is not None and marker is not None:
        threading.Thread(target=_end_when_idle, args=(server, marker, idle_s, stop), name="tracklog-idle", daemon=True).start()
    try:
        server.run(sockets=[listener])
    finally:
        stop.set()
        listener.close()
        if marker is not None:
            _remove_marker(marker)


class _Server(uvicorn.Server):
    """Tells when it is up, and ends event streams before it waits for connections to close."""

    def __init__(self, config: uvicorn.Config, close_streams: Callable[[], Any], on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._close_streams = close_streams
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again after its shutdown; SIGTERM then ends the process before `serve` has
        # cleaned up and its caller has closed the store.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._close_streams()
        await super().shutdown(sockets)


def _listen(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    candidates = range(PREFERRED_PORT, PREFERRED_PORT + _PORTS_TRIED) if port is None else [port]
    for candidate in candidates:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by what is accepted: without it small answers wait 40 ms for the client's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind((host, candidate))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            if error.errno == errno.EADDRINUSE:
                raise ServerError(
                    f"Port {port} of {host} is in use by another program. Choose another with --port, or leave it out."
                ) from error
            raise ServerError(f"Cannot listen on {host}:{candidate}: {error}. Check --host and --port.") from error
        return listener
    raise ServerError(f"The ports {PREFERRED_PORT} to {PREFERRED_PORT + _PORTS_TRIED - 1} are all in use. Name one with --port.")


def _shown_host(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # compared, not bound  # noqa: S104
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _write_marker(marker: Path, url: str) -> None:
    """Let runs of this workspace print their page's address."""
    try:
        fresh = marker.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps({"url": url, "pid": os.getpid()}))
        fresh.replace(marker)
    except OSError as error:
        _log.warning("Cannot write %s: %s. Runs will not print their address.", marker, error)


def _remove_marker(marker: Path) -> None:
    try:
        if json.loads(marker.read_text()).get("pid") == os.getpid():
            marker.unlink()
    except (OSError, ValueError) as error:
        _log.debug("Cannot remove %s: %s", marker, error)


def _end_when_idle(server: uvicorn.Server, marker: Path, idle_s: float, stop: threading.Event) -> None:
    """Stop the server once nobody was connected for `idle_s`. Whoever needs it stays connected, see `sdk/local_server.py`."""
    busy = time.monotonic()
    while not stop.wait(min(1.0, idle_s / 4)):
        if server.server_state.connections:
            busy = time.monotonic()
        if time.monotonic() - busy < idle_s:
            continue
        # Whoever looks for a server holds this lock while connecting: nobody is given one that is about to end.
        lock = try_lock(marker.with_suffix(".lock"))
        if lock is None:
            continue
        try:
            if not server.server_state.connections:
                _remove_marker(marker)
                server.should_exit = True
                return
        finally:
            os.close(lock)


def _maintain(store: Store, stop: threading.Event) -> None:
    while isinstance(store, LocalStore):
        try:
            store.maintain()
        except TracklogError as error:
            _log.warning("Keeping the workspace in order failed, trying again: %s", error)
        except Exception:  # this thread must outlive any surprise; the next round may succeed  # noqa: BLE001
            _log.exception("Keeping the workspace in order failed")
        if stop.wait(_MAINTAIN_S):
            return
