"""The HTTP API: one error shape, ranges, live events, and nobody from outside."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

import tracklog
from tests.servers import serve
from tracklog.server.api import ROUTES

_HTTP = urllib3.PoolManager(retries=False, timeout=10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server") / "workspace"
    with serve(folder) as running:
        with tracklog.start_run("e", run_id="r", uri=running.url, capture=False) as run:
            for step in range(100):
                run.log("loss", 1 / (step + 1), step=step)
            run.upload_file("a/b.txt", io.BytesIO(b"0123456789"))
            run.upload_file("page.html", io.BytesIO(b"<script>alert(1)</script>"))
        yield running.url


def ask(method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
    return _HTTP.request(method, url, **options)


def error_of(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    answer = json.loads(response.data)
    assert set(answer) == {"error"}
    assert {"code", "message"} <= set(answer["error"])
    return dict(answer["error"])


def test_a_run_logged_over_http_is_read_back(server: str) -> None:
    run = tracklog.get_run("r", uri=server)

    assert run.series("loss").values.tolist() == [1 / (step + 1) for step in range(100)]
    assert run.get_file_names() == ["a/b.txt", "page.html"]
    assert run.status == "Completed"


def test_health(server: str) -> None:
    assert ask("GET", server + "/health").data == b"OK"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_answers_a_stranger_in_one_shape(server: str, route: Any) -> None:
    path = route.path.replace("{run_id}", "no such run").replace("{writer_id}", "w").replace("{path:path}", "x.txt")

    response = ask(route.method, server + path.replace(" ", "%20"), body=b"{" if route.body else None)

    assert response.status < 500
    if response.status >= 400:
        error_of(response)


@pytest.mark.parametrize(
    ("method", "path", "body", "media_type", "status"),
    [
        ("GET", "/api/v1/nothing", None, "", 404),
        ("DELETE", "/api/v1/info", None, "", 405),
        ("POST", "/api/v1/runs/search", b"{}", "text/plain", 415),
        ("POST", "/api/v1/runs/search", b"not json", "application/json", 400),
        ("POST", "/api/v1/runs/search", b'{"limt": 3}', "application/json", 400),
        ("POST", "/api/v1/runs/search", b'{"limit": 0}', "application/json", 400),
        ("POST", "/api/v1/runs/search", b'{"text": "' + b"a" * (2 << 20) + b'"}', "application/json", 413),
        ("POST", "/api/v1/runs/r/batches", b"\xc1", "application/msgpack", 400),
        ("POST", "/api/v1/series", b'{"run_ids": ["r"], "buckets": 0}', "application/json", 400),
        ("POST", "/api/v1/series", b'{"run_ids": ["nope"]}', "application/json", 404),
        ("GET", "/api/v1/runs?limit=many", None, "", 400),
        ("GET", "/api/v1/runs?status=Sleeping", None, "", 400),
        ("GET", "/api/v1/runs/r/columns?name=nope", None, "", 404),
        ("GET", "/api/v1/runs/r/table", None, "", 400),
        ("GET", "/api/v1/runs/r/artifacts/%2e%2e%2f%2e%2e%2fetc%2fpasswd", None, "", 400),
        ("GET", "/api/v1/runs/r/artifacts/a%00b", None, "", 400),
        ("PUT", "/api/v1/runs/r/artifacts/..%5cx", b"x", "", 400),
        ("PUT", "/api/v1/runs/r/artifacts/%2fetc%2fpasswd", b"x", "", 400),
        ("GET", "/api/v1/runs/nope", None, "", 404),
        ("PATCH", "/api/v1/runs/r", b'{"status": "Running"}', "application/json", 400),
    ],
)
def test_a_mistake_of_the_client_is_said(
    server: str, method: str, path: str, body: bytes | None, media_type: str, status: int
) -> None:
    before = ask("GET", server + "/api/v1/runs/r").data

    response = ask(method, server + path, body=body, headers={"Content-Type": media_type} if media_type else {})

    assert response.status == status, response.data
    error_of(response)
    assert ask("GET", server + "/api/v1/runs/r").data == before


@pytest.mark.parametrize(
    ("given", "status", "content"),
    [("bytes=2-4", 206, b"234"), ("bytes=-3", 206, b"789"), ("bytes=7-", 206, b"789"), ("bytes=90-", 416, None)],
)
def test_ranges(server: str, given: str, status: int, content: bytes | None) -> None:
    response = ask("GET", server + "/api/v1/runs/r/artifacts/a/b.txt", headers={"Range": given})

    assert response.status == status
    assert content is None or response.data == content


def test_a_stored_page_cannot_run(server: str) -> None:
    response = ask("GET", server + "/api/v1/runs/r/artifacts/page.html")

    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "headers"), [("GET", {"Host": "evil.example"}), ("DELETE", {"Origin": "http://evil.example"})]
)
def test_foreign_pages_are_refused(server: str, method: str, headers: dict[str, str]) -> None:
    response = ask(method, server + "/api/v1/runs/r", headers=headers)

    assert response.status == 403
    assert error_of(response)["code"] == "FORBIDDEN"


def test_events_resume_after_an_id(server: str) -> None:
    stream = ask("GET", server + "/api/v1/events", headers={"Last-Event-ID": "1"}, preload_content=False)
    received = b""
    while b"event: change" not in received:
        received += stream.read1(4096)
    stream.close()

    assert b"id: " in received


def test_the_document_names_every_route(server: str) -> None:
    document = json.loads(ask("GET", server + "/api/v1/openapi.json").data)

    named = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert named == {(route.method, route.path.replace(":path}", "}")) for route in ROUTES}


def test_a_port_in_use_is_said(server: str, tmp_path: Path) -> None:
    from tracklog.errors import ServerError
    from tracklog.server.serve import serve as run_server
    from tracklog.storage.local import LocalStore

    with pytest.raises(ServerError, match="in use"):
        run_server(LocalStore(tmp_path / "w"), port=int(server.rsplit(":", 1)[1]))
