"""From an HTTP request to the handler that answers it: paths, bodies, worker threads, errors.

Every path of MLflow exists for clients (`/api`) and for pages (`/ajax-api`), most in version 2.0 and some in 3.0. A path
without placeholders is found by one look into a dictionary: clients send thousands of small requests.

A plain handler takes a decoded request and gives a value, which becomes JSON; it runs in a worker thread, since a store
blocks. A raw handler takes the HTTP request and gives the response; it streams.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from tracklog.errors import (
    FilterError,
    InvalidPathError,
    InvalidValueError,
    NotFoundError,
    StoreUnavailableError,
    TracklogError,
)
from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.recent import RecentPoints
from tracklog.server.mlflow_api.uploads import Uploads
from tracklog.server.mlflow_api.view import View, no_run
from tracklog.server.mlflow_api.wire import Refused, Request
from tracklog.storage import Store

_log = logging.getLogger(__name__)

_R = TypeVar("_R", bound=Request)
Pieces = Iterator[bytes]


class Context:
    """What handlers work on."""

    def __init__(self, store: Store, clock_ms: Callable[[], int], staging: Callable[[], Path]) -> None:
        self.store = store
        self.view = View(store)
        self.clock_ms = clock_ms
        self.staging = staging  # folder for uploads under way; known once the application runs
        self.uploads = Uploads()
        self.recent = RecentPoints()


@dataclass(frozen=True)
class Route(Generic[_R]):
    """A path that takes a request of one kind.

    `path` follows `/api/2.0`; `{name}` in it stands for one part, which becomes the request's field of that name.
    """

    method: str
    path: str
    request: type[_R]
    answer: Callable[[Context, _R], object]  # a value for JSON, or an iterator of bytes
    versions: tuple[str, ...] = ("2.0",)


@dataclass(frozen=True)
class RawRoute:
    """A path whose handler reads and answers HTTP by itself. `{name:path}` stands for all that follows."""

    method: str
    path: str
    answer: Callable[[Context, HttpRequest, dict[str, str]], Awaitable[Response]]
    versions: tuple[str, ...] = ("2.0",)
    prefixed: bool = True  # False: `path` is the whole path


AnyRoute = Route[Any] | RawRoute


class Routes:
    """The routes, found by method and path."""

    def __init__(self, routes: Sequence[AnyRoute]) -> None:
        self._exact: dict[tuple[str, str], AnyRoute] = {}
        self._patterns: list[tuple[str, re.Pattern[str], AnyRoute]] = []
        self._methods: dict[str, set[str]] = {}
        for route in routes:
            for path in _whole_paths(route):
                if "{" in path:
                    self._patterns.append((route.method, _pattern(path), route))
                else:
                    self._exact[route.method, path] = route
                    self._methods.setdefault(path, set()).add(route.method)

    def find(self, method: str, path: str) -> tuple[AnyRoute, dict[str, str]]:
        """Return the route of a request and what its placeholders stand for.

        Raises:
            Refused: there is none.
        """
        found = self._exact.get((method, path))
        if found is not None:
            return found, {}
        other_methods = path in self._methods
        for known_method, pattern, route in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                if known_method == method:
                    return route, match.groupdict()
                other_methods = True
        reason = f"{path} does not take {method}" if other_methods else f"There is no {path}"
        raise Refused(f"{reason}. See docs/mlflow.md for what this server answers.", "ENDPOINT_NOT_FOUND")


def _whole_paths(route: AnyRoute) -> Iterator[str]:
    if isinstance(route, RawRoute) and not route.prefixed:
        yield route.path
        return
    for version in route.versions:
        yield f"/api/{version}{route.path}"
        yield f"/ajax-api/{version}{route.path}"


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)(:path)?\}", path)
    text = ""
    for i in range(0, len(parts), 3):
        text += re.escape(parts[i])
        if i + 1 < len(parts):
            text += f"(?P<{parts[i + 1]}>{'.*' if parts[i + 2] else '[^/]+'})"
    return re.compile(text, re.DOTALL)


PREFIXES = ("/api/2.0/", "/ajax-api/2.0/", "/api/3.0/", "/ajax-api/3.0/", "/get-artifact", "/version", "/v1/")


class MlflowRoute(BaseRoute):
    """The paths of MLflow as one route of an application: one comparison, whatever their number."""

    def __init__(self, app: Answering) -> None:
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See `BaseRoute.matches`."""
        mine = scope["type"] == "http" and scope["path"].startswith(PREFIXES)
        return (Match.FULL if mine else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `BaseRoute.handle`."""
        await self._app(scope, receive, send)


class Answering:
    """The ASGI application over the routes. Handlers' errors become MLflow's; never 500 for a client's mistake."""

    def __init__(self, context: Context, routes: Routes) -> None:
        self.context = context
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._response(scope, receive)
        except ClientDisconnect:
            return
        except (Refused, TracklogError) as error:
            refused = _refused(error)
            if refused.status >= 500:
                _log.warning("%s %s: %s", scope["method"], scope["path"], error)
            response = _error(refused)
        except Exception:  # a request's last resort: told in the shape that clients read, and in the log  # noqa: BLE001
            _log.exception("%s %s failed", scope["method"], scope["path"])
            message = "The server failed on this request; its log has the reason. Please report it."
            response = _error(Refused(message, "INTERNAL_ERROR"))
        await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive) -> ASGIApp:
        method = scope["method"]
        route, given = self._routes.find("GET" if method == "HEAD" else method, scope["path"])
        if isinstance(route, RawRoute):
            return await route.answer(self.context, HttpRequest(scope, receive), given)
        body = await _body(scope, receive)
        query = scope["query_string"] if method == "GET" else b""
        answer = await anyio.to_thread.run_sync(_answer, self.context, route, body, query, given)
        if isinstance(answer, bytes):
            return _Json(answer)
        return StreamingResponse(_streamed(answer), media_type="application/json")


class _Json:
    """An answer in JSON, without the work that Starlette's response does for cookies and charsets."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self._body = body
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self._body))]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


def _error(refused: Refused) -> _Json:
    return _Json(msgspec.json.encode({"error_code": refused.code, "message": refused.message}), refused.status)


def _answer(context: Context, route: Route[Any], body: bytes, query: bytes, given: dict[str, str]) -> bytes | Pieces:
    if query:
        request = wire.decode_query(route.request, {**parse_qs(query.decode("latin-1"), keep_blank_values=True)}, given)
    else:
        request = wire.decode(route.request, body, given)
    answer = route.answer(context, request)
    return answer if isinstance(answer, Iterator) else msgspec.json.encode(answer)


async def _body(scope: Scope, receive: Receive) -> bytes:
    content_type = None
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length" and int(value[:18]) > wire.MAX_BODY_BYTES:
            raise _too_large()
    if scope["method"] in ("POST", "PUT"):
        if content_type is None:
            raise Refused("Bad Request. Content-Type header is missing.")
        if content_type.split(b";")[0].strip().lower() != b"application/json":
            raise Refused("Bad Request. Content-Type must be one of ['application/json'].")
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    data: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return data
    pieces = [data]
    size = len(data)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > wire.MAX_BODY_BYTES:
            raise _too_large()
    return b"".join(pieces)


def _too_large() -> Refused:
    return Refused(f"The request body is larger than {wire.MAX_BODY_BYTES} bytes. Send it in parts.")


async def _streamed(pieces: Pieces) -> AsyncIterator[bytes]:
    while (piece := await anyio.to_thread.run_sync(next, pieces, None)) is not None:
        yield piece


def _refused(error: Refused | TracklogError) -> Refused:
    """Return what a client of MLflow is told of an error of ours."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, NotFoundError):
        return no_run(error.given) if error.what == "run" else wire.not_found(error.message)
    if isinstance(error, InvalidPathError):
        return Refused(f"Invalid path: {error.message}")
    if isinstance(error, FilterError):
        return Refused(f"Invalid clause(s) in filter string: {error.message}")
    if isinstance(error, StoreUnavailableError):
        return Refused(error.message, "TEMPORARILY_UNAVAILABLE")
    if isinstance(error, InvalidValueError) and error.parameter == "page_token":
        return Refused(f"Invalid page token. {error.message}")
    if isinstance(error, InvalidValueError) or error.status < 500:
        return Refused(error.message)
    return Refused(error.message, "INTERNAL_ERROR")


def values_by_name(query: str) -> Mapping[str, list[str]]:
    """Return a query string's parameters with all their values."""
    return parse_qs(query, keep_blank_values=True)
