"""The ASGI application: API, live events, portal; security headers and the one error shape around them."""

from __future__ import annotations

import contextlib
import functools
import gzip
import logging
import mimetypes
import re
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracklog.errors import InvalidValueError, TracklogError, shown
from tracklog.server.api import (
    MSGPACK,
    ROUTES,
    Answer,
    check_query,
    details_of,
    docs_page,
    error_response,
    health,
    parameter_of,
)
from tracklog.server.chart import chart_svg
from tracklog.server.live import Live
from tracklog.server.mlflow_api import mlflow_route
from tracklog.server.stall import Stalls
from tracklog.storage import Store

_log = logging.getLogger(__name__)

PORTAL = Path(__file__).parent / "portal"
_WORKERS = 8  # a store's calls block; SQLite gains nothing from more
_LOG_SEARCHES = 2  # at a time: each works for as long as it may, others need threads too
_TEXTS = {".js", ".css", ".json", ".svg"}  # of the portal; pictures and fonts are compressed already
_GZIP_BYTES = 2048  # below that the header costs more than it saves
_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1", "[::1]"}
# Programs of this machine reach a server on it anyway, Jupyter among them.
_LOCAL_PAGES = ("http://localhost:*", "http://127.0.0.1:*")
# An origin as `frame-ancestors` takes it, or the scheme of an application that shows pages; `https:` would mean everybody.
_EMBEDDER = re.compile(
    r"https?://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:(\d{1,5}|\*))?|(?!https?:|data:|blob:)[a-z][a-z0-9+.-]*:", re.IGNORECASE
)
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_UNBUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>tracklog</title>
<style>:root{color-scheme:light dark}body{font:16px/1.6 system-ui;max-width:36rem;margin:20vh auto;padding:0 1rem}</style>
<h1>The portal is not built</h1><p>This is a source tree without the built web interface. Run <code>make portal</code>,
then reload. The <a href="/docs">HTTP API</a> works already.</p></html>"""

Handler = Callable[[Request], Awaitable[Response]]


def create_app(
    store: Store,
    *,
    workspace: str,
    loopback: bool = True,
    staging: Path | None = None,
    embed_origins: Collection[str] = (),
) -> Starlette:
    """Return the application over a store.

    Args:
        workspace: what the portal calls the store.
        loopback: bound to this machine only: then requests that name another host are refused, because a web page
            anywhere could otherwise reach this server through the user's browser (DNS rebinding).
        staging: folder for uploads under way; on the store's own disk they are not copied again.
        embed_origins: whose pages may show `/embed/…` in a frame, besides the server's own and, with `loopback`, those of
            servers of this machine.

    Raises:
        InvalidValueError: one of `embed_origins` is no origin.
    """
    embedders = _embedders(embed_origins, loopback=loopback)
    live = Live(store)
    if staging is not None:
        staging.mkdir(parents=True, exist_ok=True)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _WORKERS
        with tempfile.TemporaryDirectory(prefix="tracklog-uploads-") as temporary:
            app.state.staging = staging or temporary
            app.state.log_searches = anyio.CapacityLimiter(_LOG_SEARCHES)
            yield
        await live.close()

    def clock_ms() -> int:
        return time.time_ns() // 1_000_000

    routes: list[BaseRoute] = [mlflow_route(store, clock_ms, lambda: Path(app.state.staging))]
    routes += [StarletteRoute(route.path, _answered(route.handler, route.query), methods=[route.method]) for route in ROUTES]
    routes += [
        StarletteRoute("/api/v1/events", _answered(live.events, ["since"]), methods=["GET"]),
        StarletteRoute("/health", health, methods=["GET"]),
        StarletteRoute("/docs", _answered(docs_page), methods=["GET"]),
        StarletteRoute("/embed/chart.svg", chart_svg, methods=["GET"]),
        StarletteRoute("/api", _no_route),
        StarletteRoute("/api/{rest:path}", _no_route),
        StarletteRoute("/{path:path}", _portal, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, Exception: _unexpected},
    )
    app.state.store = store
    app.state.workspace = workspace
    app.state.started_ms = clock_ms()
    app.state.clock_ms = clock_ms
    app.state.live = live
    app.state.stalls = Stalls(store)
    app.add_middleware(_SameOrigin, loopback=loopback, embedders=embedders)
    return app


class _SameOrigin:
    """Refuses what a foreign web page sends through the user's browser; says what ours may do, and who may frame them.

    Only `/embed/…` may stand in a foreign page, and the files that it shows: neither has anything that changes a run, so
    nobody can be led to click on it unawares.
    """

    def __init__(self, app: ASGIApp, *, loopback: bool, embedders: str) -> None:
        self._app = app
        self._loopback = loopback
        self._embedders = embedders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
            host = headers.get("host", "")
            refusal = None
            if self._loopback and _split(f"//{host}").hostname not in _LOOPBACK_NAMES:
                refusal = (
                    f"This server answers this machine only, and the request is for the host {host!r}. Use http://127.0.0.1."
                )
            origin = headers.get("origin")
            if scope["method"] not in ("GET", "HEAD") and origin is not None and _split(origin).netloc != host:
                refusal = (
                    f"A page of {origin!r} may not change anything here. Use the portal itself, or the API without a browser."
                )
            if refusal is not None:
                await error_response(403, "FORBIDDEN", refusal)(scope, receive, send)
                return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _PAGE_HEADERS.items():
                    headers.setdefault(name, value)
                headers["Content-Security-Policy"] += self._framing(scope["raw_path"])
            await send(message)

        await self._app(scope, receive, guarded)

    def _framing(self, path: bytes) -> str:
        # As it was sent: the portal in the browser sees `/%65mbed/…` as another page, one with its menus.
        if path.startswith(b"/embed/") or re.match(rb"/api/v1/runs/[^/]+/artifacts/", path):
            return f"; frame-ancestors {self._embedders}"
        return "; frame-ancestors 'none'"


def _embedders(origins: Collection[str], *, loopback: bool) -> str:
    """Return the sources of `frame-ancestors` for embeds."""
    for origin in origins:
        if not _EMBEDDER.fullmatch(origin):
            raise InvalidValueError(
                f"Pages of {shown(origin)} cannot be allowed to embed. Expected origins such as `https://wiki.example.org` or "
                "`https://*.example.org:8443` in TRACKLOG_EMBED_ORIGINS, apart by spaces.",
                parameter="embed_origins",
                given=origin,
            )
    return " ".join(["'self'", *(_LOCAL_PAGES if loopback else ()), *dict.fromkeys(origins)])


def _split(address: str) -> SplitResult:
    """Split an address; one that is malformed has no host and is nobody's origin."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _answered(handler: Handler, query: Collection[str] = ()) -> Handler:
    """Take only the query parameters named, turn our errors into answers, and compress large ones."""

    async def answer(request: Request) -> Response:
        try:
            check_query(request, query)
            response = await handler(request)
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody; what came of the body is gone already
        except TracklogError as error:
            if error.status >= 500:
                _log.warning("%s %s: %s", request.method, request.url.path, error)
            return error_response(
                error.status, error.code, error.message, parameter=parameter_of(error), details=details_of(error)
            )
        if isinstance(response, Answer) and request.headers.get("accept") == MSGPACK:
            response = response.as_msgpack()
        body = getattr(response, "body", b"")
        if len(body) > _GZIP_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
            # Level 1: the answer leaves sooner than a better one would.
            response.body = await anyio.to_thread.run_sync(gzip.compress, bytes(body), 1)
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Content-Length"] = str(len(response.body))
            response.headers["Vary"] = "Accept-Encoding"
        return response

    return answer


async def _no_route(request: Request) -> Response:
    return error_response(404, "NOT_FOUND", f"There is no route {request.url.path}. See /docs for those there are.")


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = "METHOD_NOT_ALLOWED" if status == 405 else "NOT_FOUND" if status == 404 else "INVALID_REQUEST"
    response = error_response(status, code, f"{request.method} {request.url.path} cannot be answered. See /docs.")
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_response(500, "INTERNAL", "The server failed on this request; its log has the reason. Please report it.")


def _portal_file(path: str) -> Path | None:
    """Return a file of the portal; None for what is none, lies elsewhere, or cannot be a path."""
    try:
        file = (PORTAL / path).resolve()
        return file if file.is_relative_to(PORTAL) and file.is_file() else None
    except (OSError, ValueError):  # a name that is too long, a NUL
        return None


@functools.lru_cache(maxsize=256)  # the portal has fewer files
def _compressed(file: Path, modified_ns: int) -> bytes:
    """Return a file of the portal for the wire. `modified_ns`: a portal that is built anew is compressed anew."""
    return gzip.compress(file.read_bytes(), 6, mtime=0)


async def _portal(request: Request) -> Response:
    """Answer with a file of the portal, or its page for every address that is a view."""
    path = request.path_params["path"]
    file = _portal_file(path) if "." in path.rsplit("/", 1)[-1] else None
    if file is not None:
        # Names under assets/ carry a digest of the content.
        cache = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
        headers = {"Cache-Control": cache, "Vary": "Accept-Encoding"}
        if file.suffix in _TEXTS and "gzip" in request.headers.get("accept-encoding", ""):
            body = await anyio.to_thread.run_sync(_compressed, file, file.stat().st_mtime_ns)
            media_type = mimetypes.guess_type(file.name)[0]
            return Response(body, headers={**headers, "Content-Encoding": "gzip"}, media_type=media_type)
        return FileResponse(file, headers=headers)
    if path.startswith("assets/"):
        return error_response(404, "NOT_FOUND", f"There is no file {request.url.path}. Reload the page.")
    page = PORTAL / "index.html"
    if not page.is_file():
        return HTMLResponse(_UNBUILT, 503)
    return FileResponse(page, headers={"Cache-Control": "no-cache"})
