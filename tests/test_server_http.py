"""The server over HTTP, as any client sees it: a real process, a real workspace.

What `RemoteStore` asks of it is covered by the store's contract suite; here is what only a raw client can do.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import http.client
import io
import json
import os
import re
import signal
import socket
import struct
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import numpy as np
import pytest

from tests.batches import Writer
from tests.servers import RunningServer, serve
from tracklog.errors import ServerError
from tracklog.records import Batch, DType, LogLine, LogLines, MetricKey, TextPoint, encode_batch
from tracklog.server.api import MAX_BATCH_BYTES, MAX_JSON_BYTES, MAX_SELECTION_BYTES, ROUTES
from tracklog.server.serve import PREFERRED_PORT, _listen
from tracklog.storage.frames import decode_columns, decode_series
from tracklog.storage.remote import RemoteStore

JSON = {"Content-Type": "application/json"}
MSGPACK = {"Content-Type": "application/msgpack"}
RUN = "/api/v1/runs/r1"
FILE = f"{RUN}/artifacts/a.txt"
CONTENT = b"0123456789"


class Client:
    """Sends exactly what it is told: no normalised paths, no redirects, no retries."""

    def __init__(self, server: RunningServer, workspace: Path) -> None:
        self.server = server
        self.workspace = workspace
        self.port = int(urlsplit(server.url).port or 0)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            headers = headers or {}
            connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: object = None, expected: int = 200) -> Any:
        raw = None if body is None else json.dumps(body).encode()
        answer, data = self.ask(method, path, raw, {} if body is None else JSON)
        assert answer.status == expected, data
        return json.loads(data)

    @contextmanager
    def listen(self, path: str = "/api/v1/events", headers: dict[str, str] | None = None) -> Iterator[http.client.HTTPResponse]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path, headers=headers or {})
            with closing(connection.getresponse()) as stream:
                yield stream


def fill(server: RunningServer, run_id: str = "r1") -> None:
    store = RemoteStore(server.url)
    writer = Writer(run_id, experiment="digits").start(params={"lr": 0.1})
    for step in range(5):
        writer.log("loss", 1.0 / (step + 1), step)
    writer.log_row("table", 0, a=float("nan"), b="text").log_row("table", 1, a=2.0, b="more")
    writer.add(LogLines([LogLine(1_750_000_000_000 + i, "stdout", f"line {i} ✓") for i in range(3)]))
    store.apply(writer.batch())
    store.put_artifact(run_id, "a.txt", io.BytesIO(CONTENT))
    store.put_artifact(run_id, "page.html", io.BytesIO(b"<script>alert(1)</script>"))
    store.put_artifact(run_id, "empty", io.BytesIO(b""))
    store.close()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    workspace = tmp_path_factory.mktemp("server") / "workspace"
    with serve(workspace) as server:
        fill(server)
        yield Client(server, workspace)


@pytest.fixture
def run_id(client: Client, request: pytest.FixtureRequest) -> str:
    """A run of this test's own, for tests that change it."""
    name = f"own-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    fill(client.server, name)
    return name


def assert_error(answer: http.client.HTTPResponse, data: bytes, status: int, code: str = "") -> dict[str, Any]:
    assert answer.status == status, data
    assert answer.headers["Content-Type"] == "application/json"
    said = json.loads(data)
    assert list(said) == ["error"]
    error: dict[str, Any] = said["error"]
    assert set(error) <= {"code", "message", "parameter", "details"}
    assert re.fullmatch("[A-Z_]+", error["code"])
    assert len(error["message"]) > 10
    assert "Traceback" not in error["message"]
    assert not code or error["code"] == code
    return error


# ── every route once ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_health(client: Client) -> None:
    answer, data = client.ask("GET", "/health")

    assert (answer.status, data) == (200, b"OK")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_info_says_version_and_workspace(client: Client) -> None:
    info = client.json("GET", "/api/v1/info")

    assert (info["workspace"], info["auth"]) == (str(client.workspace), False)
    assert info["version"]
    assert abs(info["started_ms"] - time.time() * 1000) < 600_000


def test_experiments_and_runs_are_listed(client: Client) -> None:
    assert client.json("GET", "/api/v1/experiments")["experiments"][0]["name"] == "digits"
    assert [run["id"] for run in client.json("GET", "/api/v1/runs?ids=r1,nope")["runs"]] == ["r1"]
    assert client.json("GET", "/api/v1/runs?ids=r1&status=Completed,Failed")["total"] == 0
    assert client.json("POST", "/api/v1/runs/search", {"ids": ["r1"]})["total"] == 1
    assert client.json("GET", RUN)["params"] == {"lr": 0.1}


def test_runs_are_filtered_and_a_wrong_filter_is_answered_with_its_place(client: Client) -> None:
    found = client.json("GET", "/api/v1/runs?ids=r1&filter=" + quote("metrics.loss < 0.5 and params.lr = 0.1"))
    shown = client.json("POST", "/api/v1/runs/search", {"ids": ["r1"], "metrics": [], "count": False})
    wrong = {"filter": "params.lr = x"}
    errors = [
        assert_error(*client.ask("GET", "/api/v1/runs?filter=" + quote(wrong["filter"])), 400, "INVALID_FILTER"),
        assert_error(*client.ask("POST", "/api/v1/runs/search", json.dumps(wrong).encode(), JSON), 400, "INVALID_FILTER"),
    ]

    assert [run["id"] for run in found["runs"]] == ["r1"]
    assert ("metrics" in shown["runs"][0], "total" in shown) == (False, False)
    for error in errors:
        assert (error["parameter"], error["details"]) == ("filter", {"position": 12, "end": 13})


def test_experiments_are_made_renamed_and_deleted(client: Client) -> None:
    made = client.json("POST", "/api/v1/experiments", {"name": "made", "tags": {"a": "1"}})
    listed = client.json("GET", f"/api/v1/experiments?id={made['id']}")["experiments"]
    assert listed == [made]
    assert_error(*client.ask("POST", "/api/v1/experiments", b'{"name": "made"}', JSON), 409, "CONFLICT")

    client.json("PATCH", "/api/v1/experiments?name=made", {"name": "renamed", "deleted": True})

    names = [one["name"] for one in client.json("GET", "/api/v1/experiments")["experiments"]]
    assert {"made", "renamed"} & set(names) == set()
    assert [one["name"] for one in client.json("GET", "/api/v1/experiments?deleted=true")["experiments"]] == ["renamed"]
    assert "renamed" in [one["name"] for one in client.json("GET", "/api/v1/experiments?deleted=all")["experiments"]]


def test_a_run_is_edited_from_outside(client: Client, run_id: str) -> None:
    path = f"/api/v1/runs/{run_id}"

    run = client.json("PATCH", path, {"name": "best", "tags": {"a": "1", "b": "2"}, "status": "CancelRequested"})
    assert (run["name"], run["tags"], run["status"]) == ("best", {"a": "1", "b": "2"}, "CancelRequested")
    assert client.json("PATCH", path, {"tags": {"a": None}, "description": "d"})["tags"] == {"b": "2"}
    assert client.json("PATCH", path, {"deleted": True})["deleted"]
    assert client.json("PATCH", path, {})["name"] == "best"


def test_several_runs_are_edited_alike(client: Client, run_id: str) -> None:
    fill(client.server, run_id + "-second")
    ids = [run_id, run_id + "-second", "unknown", run_id]

    assert client.json("POST", "/api/v1/runs/edit", {"ids": ids, "edit": {"archived": True, "tags": {"a": "1"}}}) == {"edited": 2}
    for one in (run_id, run_id + "-second"):
        run = client.json("GET", f"/api/v1/runs/{one}")
        assert (run["archived"], run["tags"]["a"]) == (True, "1")
    assert client.json("GET", f"/api/v1/runs?ids={run_id}&archived=false")["total"] == 0
    assert client.json("GET", f"/api/v1/runs?ids={run_id}&archived=true")["total"] == 1
    assert client.json("POST", "/api/v1/runs/edit", {"ids": ids, "edit": {}}) == {"edited": 0}


def test_views_are_saved_and_removed(client: Client, run_id: str) -> None:
    scope = f"experiment:{run_id}"
    client.json("PUT", "/api/v1/views", {"scope": scope, "name": "a & b", "query": "q=x"})

    [view] = client.json("GET", f"/api/v1/views?scope={scope}")["views"]
    assert (view["name"], view["query"]) == ("a & b", "q=x")
    assert client.json("DELETE", f"/api/v1/views?scope={scope}&name=a+%26+b") == {"deleted": 1}
    assert_error(*client.ask("DELETE", f"/api/v1/views?scope={scope}&name=a+%26+b"), 404)


TABLE = ["name", "id", "status", "duration", "param:lr", "tag:kind", "metric:loss", "metric.min:loss", "tag:loss", "start"]


def test_runs_are_taken_along_as_csv(client: Client, run_id: str) -> None:
    client.json("PATCH", f"/api/v1/runs/{run_id}", {"tags": {"kind": 'a "quoted", one', "tracklog.colour": "3"}, "name": "=1+1"})
    asked = {"runs": {"ids": [run_id, "r1"], "order_by": "name"}, "columns": [*TABLE, "tags"]}

    answer, body = client.ask("POST", "/api/v1/runs/export", json.dumps(asked).encode(), JSON)

    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    first, *others = csv.reader(io.StringIO(body.decode()))
    assert first == ["name", "id", "status", "duration", "lr", "kind", "metric:loss", "loss (min)", "tag:loss", "start", "tags"]
    row = dict(zip(first, next(row for row in others if row[1] == run_id), strict=True))
    assert (row["name"], row["kind"], row["tag:loss"]) == ("=1+1", 'a "quoted", one', "")
    assert row["tags"] == 'kind=a "quoted", one'
    assert row["start"].endswith("+00:00")
    assert len(others) == 2


def test_runs_are_taken_along_as_parquet(client: Client, run_id: str) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    asked = {"runs": {"ids": [run_id, "r1"], "order_by": "name"}, "columns": TABLE, "format": "parquet"}

    answer, body = client.ask("POST", "/api/v1/runs/export", json.dumps(asked).encode(), JSON)

    assert (answer.status, answer.headers["content-type"]) == (200, "application/vnd.apache.parquet")
    table = pq.read_table(io.BytesIO(body))
    assert table.num_rows == 2
    assert str(table.schema.field("lr").type) == "double"
    assert str(table.schema.field("start").type).startswith("timestamp")


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"columns": ["loss"]}, "columns"),
        ({"columns": []}, "columns"),
        ({"columns": ["param:"]}, "columns"),
        ({"columns": ["name"], "format": "xlsx"}, "format"),
        ({"columns": ["name"], "runs": {"order_by": "nope"}}, "order_by"),
        ({"columns": ["name"], "runs": {"filter": "metrics.loss <"}}, "filter"),
    ],
)
def test_a_table_that_cannot_be_made_is_an_error(client: Client, asked: dict[str, Any], parameter: str) -> None:
    body = json.dumps({"runs": {}, **asked}).encode()

    assert assert_error(*client.ask("POST", "/api/v1/runs/export", body, JSON), 400)["parameter"] == parameter


def test_a_run_that_is_over_cannot_be_canceled(client: Client, run_id: str) -> None:
    path = f"/api/v1/runs/{run_id}"
    client.json("PATCH", path, {"status": "Canceled"})

    assert_error(*client.ask("PATCH", path, b'{"status": "CancelRequested"}', JSON), 409, "CONFLICT")


def test_runs_are_removed_for_good(client: Client, run_id: str) -> None:
    fill(client.server, run_id + "-second")

    assert client.json("DELETE", f"/api/v1/runs/{run_id}") == {"deleted": 1}
    assert client.json("POST", "/api/v1/runs/delete", {"ids": [run_id, run_id + "-second"]}) == {"deleted": 1}
    assert_error(*client.ask("DELETE", f"/api/v1/runs/{run_id}"), 404, "NOT_FOUND")


def test_batches_and_watermarks(client: Client, run_id: str) -> None:
    path = f"/api/v1/runs/{run_id}"
    batch = Writer(run_id, writer_id="w").log("x", 1.0).batch()

    answer, data = client.ask("POST", f"{path}/batches", encode_batch(batch), MSGPACK)

    assert (answer.status, json.loads(data)) == (200, {"points": 1, "events": 1})
    assert client.json("GET", f"{path}/writers/w") == {"points": 1, "events": 1}


def test_a_gap_tells_the_position_expected(client: Client) -> None:
    batch = encode_batch(Batch("r1", "late", points_start=7))

    error = assert_error(*client.ask("POST", f"{RUN}/batches", batch, MSGPACK), 409, "WRITER_GAP")

    assert error["details"] == {"expected": [0, 0]}


def test_series_and_columns_are_frames(client: Client) -> None:
    answer, data = client.ask("POST", "/api/v1/series", b'{"run_ids": ["r1"], "names": ["loss"]}', JSON)
    assert answer.headers["Content-Type"] == "application/vnd.tracklog.columns"
    assert decode_series(data)[0].last.tolist() == [1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5]

    body = b'{"run_ids": ["r1"], "names": ["loss"], "buckets": 2}'
    answer, data = client.ask("POST", "/api/v1/series?screen=1", body, JSON)
    (length,) = struct.unpack_from("<I", data)
    [series] = json.loads(data[4 : 4 + length])["series"]
    assert (series["exact"], series["end"], series["columns"]["mean"]["dtype"]) == (False, 1 / 5, "f4t")
    start = 4 + length + series["columns"]["mean"]["offset"]
    planes = np.frombuffer(data, np.uint8, 8, start).reshape(4, 2)
    means = np.ascontiguousarray(planes.T).view("<f4").ravel().tolist()
    assert means == pytest.approx([(1 + 1 / 2) / 2, (1 / 3 + 1 / 4 + 1 / 5) / 3])

    answer, data = client.ask("GET", f"{RUN}/columns?name=table&column=b")
    assert (answer.status, decode_columns(data).values.tolist()) == (200, ["text", "more"])


def test_table_and_log(client: Client) -> None:
    table = client.json("GET", f"{RUN}/table?name=table&first_row=1")
    assert (table["columns"], table["rows"], table["total_rows"]) == (["a", "b"], [[2.0, "more"]], 2)
    log = client.json("GET", f"{RUN}/log?first_line=-2")
    assert (log["first_line"], [line[2] for line in log["lines"]]) == (1, ["line 1 ✓", "line 2 ✓"])

    answer, data = client.ask("GET", f"{RUN}/log.txt")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert data.decode() == "line 0 ✓\nline 1 ✓\nline 2 ✓\n"


def test_files_are_put_listed_and_deleted(client: Client, run_id: str) -> None:
    path = f"/api/v1/runs/{run_id}/artifacts"
    data = os.urandom(3_000_000)

    answer, said = client.ask("PUT", f"{path}/deep/big.bin", data)

    assert (answer.status, json.loads(said)["sha256"]) == (200, hashlib.sha256(data).hexdigest())
    assert client.ask("GET", f"{path}/deep/big.bin")[1] == data
    assert [file["path"] for file in client.json("GET", f"{path}?prefix=deep")["artifacts"]] == ["deep/big.bin"]
    assert client.ask("DELETE", f"{path}/deep/big.bin")[0].status in (200, 204)
    assert_error(*client.ask("GET", f"{path}/deep/big.bin"), 404, "NOT_FOUND")


def test_changes_and_gc(client: Client) -> None:
    newest = client.json("GET", "/api/v1/changes?since=-1")["changes"][-1]["id"]

    assert client.json("GET", f"/api/v1/changes?since={newest}")["changes"] == []
    assert client.json("GET", "/api/v1/changes?since=0&limit=1")["changes"][0]["run_id"] == "r1"
    assert "bytes_after" in client.json("POST", "/api/v1/gc?deleted_before_ms=0")


@pytest.mark.parametrize("path", ["/api/v1/info", "/api/v1/runs", FILE, "/health", "/docs"])
def test_head_answers_without_a_body(client: Client, path: str) -> None:
    answer, data = client.ask("HEAD", path)

    assert (answer.status, data) == (200, b"")


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("", {"a.txt", "out/deep/b.bin", "out/c.txt", "out/über.txt"}),
        ("out", {"out/deep/b.bin", "out/c.txt", "out/über.txt"}),
        ("out/deep/", {"deep/b.bin"}),
    ],
)
def test_a_folder_comes_as_an_archive(client: Client, run_id: str, prefix: str, names: set[str]) -> None:
    store = RemoteStore(client.server.url)
    content = {"out/deep/b.bin": bytes(range(256)) * 5000, "out/c.txt": b"c", "out/über.txt": b""}
    for path, data in content.items():
        store.put_artifact(run_id, path, io.BytesIO(data))
    store.close()

    answer, data = client.ask("GET", f"/api/v1/runs/{run_id}/artifacts.zip?prefix={prefix}")

    assert answer.headers["Content-Type"] == "application/zip"
    assert "attachment" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert names <= set(archive.namelist())
        assert set(archive.namelist()) - names <= {"page.html", "empty"}
        [deep] = [name for name in archive.namelist() if name.endswith("b.bin")]
        assert archive.read(deep) == content["out/deep/b.bin"]


@pytest.mark.parametrize(("prefix", "status"), [("nothing", 404), ("../x", 400), ("%2fetc", 400)])
def test_an_archive_of_nothing_is_refused(client: Client, prefix: str, status: int) -> None:
    answer, data = client.ask("GET", f"{RUN}/artifacts.zip?prefix={prefix}")

    assert_error(answer, data, status)


def test_the_openapi_document_has_every_route(client: Client) -> None:
    document = client.json("GET", "/api/v1/openapi.json")

    assert document["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert {(route.method, route.path.replace(":path}", "}")) for route in ROUTES} <= described
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"] and one["responses"] for one in operations)
    schemas = document["components"]["schemas"]
    for reference in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert reference in schemas


def test_the_docs_page_names_every_route_and_no_other_host(client: Client) -> None:
    answer, data = client.ask("GET", "/docs")
    page = data.decode()

    assert answer.headers["Content-Type"].startswith("text/html")
    assert all(route.path in page for route in ROUTES)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────

NO_RUN = [route for route in ROUTES if "{run_id}" in route.path and "writers" not in route.path]
BODIES = [route for route in ROUTES if isinstance(route.body, type)]


def address(path: str, run_id: str) -> str:
    path = path.replace("{run_id}", run_id).replace("{path:path}", "a.txt").replace("{writer_id}", "w")
    return path + ("?name=loss" if path.endswith(("/columns", "/table")) else "")


def named(route: Any) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", NO_RUN, ids=named)
def test_an_unknown_run_is_not_found_on_every_route(client: Client, route: Any) -> None:
    body, headers = None, {}
    if route.path.endswith("/batches"):
        body, headers = encode_batch(Batch("nope", "w")), MSGPACK
    elif route.body is not None:
        body, headers = b"{}", JSON

    error = assert_error(*client.ask(route.method, address(route.path, "nope"), body, headers), 404, "NOT_FOUND")

    assert "nope" in error["message"]


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_an_unknown_query_parameter_is_named_on_every_route(client: Client, route: Any) -> None:
    path = address(route.path, "r1")
    typo = ("&" if "?" in path else "?") + "limitt=1"

    error = assert_error(*client.ask(route.method, path + typo, b"{}", JSON), 400, "INVALID_REQUEST")

    assert error["parameter"] == "limitt"
    assert all(f"`{name}`" in error["message"] for name in route.query)


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_a_method_nobody_has_is_refused_on_every_route(client: Client, path: str) -> None:
    answer, data = client.ask("OPTIONS", address(path, "r1"))

    assert_error(answer, data, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1", "/api/v1/nope", "/api/v2/runs", "/api/v1/runs/r1/nope"])
def test_an_unknown_route_is_an_error_not_a_page(client: Client, path: str) -> None:
    assert_error(*client.ask("GET", path), 404, "NOT_FOUND")


@pytest.mark.parametrize("route", BODIES, ids=named)
@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"\xff\xfe", "body"),
        (b'"text"', "body"),
        (b"[" * 100_000, "body"),
        (b'{"surprise": 1}', "surprise"),
    ],
    ids=["empty", "torn", "list", "not text", "text", "deep", "unknown field"],
)
def test_a_malformed_body_is_refused_on_every_route(client: Client, route: Any, body: bytes, parameter: str) -> None:
    answer, data = client.ask(route.method, address(route.path, "r1"), body, JSON)

    assert assert_error(answer, data, 400, "INVALID_REQUEST")["parameter"] == parameter


@pytest.mark.parametrize("route", BODIES, ids=named)
@pytest.mark.parametrize("given", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type_is_refused_on_every_route(client: Client, route: Any, given: str) -> None:
    headers = {"Content-Type": given} if given else {}

    error = assert_error(*client.ask(route.method, address(route.path, "r1"), b"{}", headers), 415)

    assert "application/json" in error["message"]


def test_a_compressed_body_is_refused(client: Client) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}

    assert_error(*client.ask("POST", "/api/v1/runs/search", gzip.compress(b"{}"), headers), 415)


@pytest.mark.parametrize("route", [route for route in BODIES if route.path != "/api/v1/selections"], ids=named)
def test_a_body_that_is_too_large_is_refused_on_every_route(client: Client, route: Any) -> None:
    most = MAX_SELECTION_BYTES if route.path == "/api/v1/selections" else MAX_JSON_BYTES

    assert_error(*client.ask(route.method, address(route.path, "r1"), b" " * (most + 1), JSON), 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(("path", "limit"), [(f"{RUN}/batches", MAX_BATCH_BYTES), ("/api/v1/selections", MAX_SELECTION_BYTES)])
def test_a_body_that_announces_too_much_is_refused_before_it_is_sent(client: Client, path: str, limit: int) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/msgpack\r\n"
            f"Content-Length: {limit + 1}\r\n\r\n".encode()
        )

        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/v1/runs?limit=abc", "limit"),
        ("/api/v1/runs?limit=0", "limit"),
        ("/api/v1/runs?limit=1.5", "limit"),
        ("/api/v1/runs?limit=99999999999999999999999", "limit"),
        ("/api/v1/runs?limit=1&limit=2", "limit"),
        ("/api/v1/runs?status=Nope", "status"),
        ("/api/v1/runs?top_level=maybe", "top_level"),
        ("/api/v1/runs?order_by=speed", "order_by"),
        ("/api/v1/runs?page_token=garbage", "page_token"),
        (f"{RUN}/columns", "name"),
        (f"{RUN}/table?name=table&first_row=-1", "first_row"),
        (f"{RUN}/table?name=table&limit=x", "limit"),
        (f"{RUN}/log?first_line=-99999999999999999999", "first_line"),
        (f"{RUN}/log?limit=0", "limit"),
        (f"{RUN}/artifacts?prefix=..", "path"),
        (f"{FILE}?download=maybe", "download"),
        ("/api/v1/changes?since=x", "since"),
        ("/api/v1/changes?since=-2", "since"),
        ("/api/v1/events?since=x", "since"),
    ],
)
def test_a_wrong_query_parameter_is_named(client: Client, path: str, parameter: str) -> None:
    assert assert_error(*client.ask("GET", path), 400)["parameter"] == parameter


@pytest.mark.parametrize(
    ("method", "path", "body", "parameter"),
    [
        ("POST", "/api/v1/runs/search", b'{"limit": "x"}', "limit"),
        ("POST", "/api/v1/runs/search", b'{"limit": 99999999999999999999999}', "limit"),
        ("POST", "/api/v1/runs/search", b'{"limit": 1e999}', "limit"),
        ("POST", "/api/v1/runs/search", b'{"status": ["Nope"]}', "status"),
        ("POST", "/api/v1/series", b"{}", "run_ids"),
        ("POST", "/api/v1/series", b'{"run_ids": ["r1"], "buckets": 0}', "buckets"),
        ("POST", "/api/v1/series", b'{"run_ids": ["r1"], "x": "epoch"}', "x"),
        ("POST", "/api/v1/runs/delete", b'{"ids": "r1"}', "ids"),
        ("POST", "/api/v1/runs/delete", b'{"ids": [1]}', "ids"),
        ("POST", "/api/v1/runs/edit", b'{"ids": ["r1"], "edit": {"name": ""}}', "name"),
        ("POST", "/api/v1/runs/edit", b'{"ids": ["r1"], "edit": {"status": "Failed"}}', "status"),
        ("POST", "/api/v1/runs/edit", b'{"ids": [%s], "edit": {"archived": true}}' % b",".join([b'"r1"'] * 1001), "ids"),
        ("PUT", "/api/v1/views", b'{"scope": "runs", "name": "", "query": ""}', "name"),
        ("PATCH", RUN, b'{"status": "Completed"}', "status"),
        ("PATCH", RUN, b'{"status": "Nope"}', "status"),
        ("PATCH", RUN, b'{"name": ""}', "name"),
        ("PATCH", RUN, b'{"name": 1}', "name"),
        ("PATCH", RUN, b'{"tags": {"a": 1}}', "tags"),
        ("PATCH", RUN, b'{"tags": {"": "x"}}', "tags"),
    ],
)
def test_a_wrong_field_is_named(client: Client, method: str, path: str, body: bytes, parameter: str) -> None:
    before = client.json("GET", RUN)

    assert assert_error(*client.ask(method, path, body, JSON), 400)["parameter"] == parameter
    assert client.json("GET", RUN) == before


def bad_batches() -> dict[str, bytes]:
    text = MetricKey(1, "m", dtype=DType.TEXT)
    deep = msgspec.msgpack.encode({"run_id": "r1", "writer_id": "w"})
    return {
        "nothing": b"",
        "no MessagePack": b"\xc1",
        "JSON": b"{}",
        "no writer": msgspec.msgpack.encode({"run_id": "r1"}),
        "another run": encode_batch(Batch("r2", "w")),
        "half a point": encode_batch(Batch("r1", "w", points=b"123")),
        "a start beyond 64 bits": encode_batch(Batch("r1", "w", points_start=2**64 - 1)),
        "a step beyond 64 bits": encode_batch(Batch("r1", "w", keys=[text], events=[TextPoint(1, 2**63, 5, "x")])),
        "an unsafe path": msgspec.msgpack.encode(
            {"run_id": "r1", "writer_id": "w", "events": [{"event": "artifact", "path": "../x", "size_bytes": 1}]}
        ),
        "an unknown event": msgspec.msgpack.encode({"run_id": "r1", "writer_id": "w", "events": [{"event": "?"}]}),
        # \x83: a map of three, of which the third is nested beyond any stack
        "bottomless": b"\x83" + deep[1:] + b"\xa6events\x91\x82\xa5event\xa4info\xa6values\x81\xa1x" + b"\x91" * 100_000,
    }


@pytest.mark.parametrize("flaw", list(bad_batches()))
def test_a_bad_batch_is_the_clients_mistake(client: Client, flaw: str) -> None:
    answer, data = client.ask("POST", f"{RUN}/batches", bad_batches()[flaw], MSGPACK)

    assert 400 <= answer.status < 500, data
    assert_error(answer, data, answer.status)
    assert client.json("GET", f"{RUN}/writers/w") == {"points": 0, "events": 0}


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────

UNSAFE = [
    "../../workspace.db", "%2e%2e/%2e%2e/workspace.db", "..%2f..%2fworkspace.db", "%2e%2e%2fworkspace.db",
    "/etc/passwd", "%2fetc%2fpasswd", "a%00b", "..%5cworkspace.db", "%5c%5chost%5cshare", "C:%5cescape", "C:/escape",
    "a/%2e/b", "a//b", "a/", "a%2f", "%20a", "a%0ab", "", ".", "a" * 1025,
]  # fmt: skip


@pytest.mark.parametrize("path", UNSAFE, ids=lambda path: path[:30] or "empty")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_no_path_leads_outside(client: Client, method: str, path: str) -> None:
    before = sorted(client.workspace.parent.rglob("*"))

    answer, data = client.ask(method, f"{RUN}/artifacts/{path}", b"escape" if method == "PUT" else None)

    assert answer.status in (400, 404)
    if method != "HEAD":
        assert_error(answer, data, answer.status)
    assert sorted(client.workspace.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("header", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=3-", 206, b"3456789", "bytes 3-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, CONTENT, "bytes 0-9/10"),
        ("bytes=9-99", 206, b"9", "bytes 9-9/10"),
        ("bytes=0-1,3-4", 200, CONTENT, None),  # forms we do not have are ignored, RFC 9110 14.2
        ("bytes=5-2", 200, CONTENT, None),
        ("bytes=a-b", 200, CONTENT, None),
        ("lines=0-1", 200, CONTENT, None),
        ("bytes=0-" + "9" * 5000, 200, CONTENT, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_part_of_a_file(client: Client, header: str, status: int, body: bytes, content_range: str | None) -> None:
    answer, data = client.ask("GET", FILE, headers={"Range": header})

    assert (answer.status, data, answer.headers["Content-Range"]) == (status, body, content_range)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=999999999-", "bytes=-0"])
def test_a_part_that_is_not_there(client: Client, header: str) -> None:
    answer, data = client.ask("GET", FILE, headers={"Range": header})

    assert_error(answer, data, 416)
    assert answer.headers["Content-Range"] == "bytes */10"


def test_a_file_that_is_known_is_not_sent_again(client: Client) -> None:
    etag = client.ask("GET", FILE)[0].headers["ETag"]

    assert etag == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        assert client.ask("GET", FILE, headers={"If-None-Match": known})[0].status == 304
    assert client.ask("GET", FILE, headers={"If-None-Match": '"other"'})[1] == CONTENT


def test_a_download_of_a_replaced_file_starts_again(client: Client) -> None:
    answer, data = client.ask("GET", FILE, headers={"Range": "bytes=3-", "If-Range": '"old"'})

    assert (answer.status, data) == (200, CONTENT)


def test_a_page_among_the_files_cannot_run(client: Client) -> None:
    answer, _ = client.ask("GET", f"{RUN}/artifacts/page.html")

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox")
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_is_downloaded_under_its_name(client: Client, run_id: str) -> None:
    path = f"/api/v1/runs/{run_id}/artifacts/deep/na%C3%AFve%20%22x%22.txt"
    client.ask("PUT", path, b"x")

    disposition = client.ask("GET", f"{path}?download=1")[0].headers["Content-Disposition"]

    assert disposition == "attachment; filename*=UTF-8''na%C3%AFve%20%22x%22.txt"


def test_an_upload_that_breaks_off_stores_nothing(client: Client, run_id: str) -> None:
    path = f"/api/v1/runs/{run_id}/artifacts"
    before = client.json("GET", path)
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(f"PUT {path}/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf".encode())
        time.sleep(0.2)

    time.sleep(0.3)
    assert client.json("GET", path) == before


# ── who may ask ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:7777", "[::1]", "[::1]:80"])
def test_names_of_this_machine_are_served(client: Client, host: str) -> None:
    assert client.ask("GET", "/api/v1/info", headers={"Host": host})[0].status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "a[b", "[::1"])
def test_another_host_name_is_refused(client: Client, host: str) -> None:
    for path in ("/api/v1/info", "/", "/health", FILE):
        assert_error(*client.ask("GET", path, headers={"Host": host}), 403, "FORBIDDEN")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "http://[bad", ""])
@pytest.mark.parametrize(("method", "path"), [("POST", "/api/v1/gc"), ("DELETE", RUN), ("PUT", FILE), ("PATCH", RUN)])
def test_another_page_may_not_change_anything(client: Client, origin: str, method: str, path: str) -> None:
    answer, data = client.ask(method, path, b"{}", {**JSON, "Origin": origin})

    assert_error(answer, data, 403, "FORBIDDEN")
    assert client.ask("GET", FILE)[1] == CONTENT


def test_our_own_page_may(client: Client) -> None:
    headers = {"Origin": client.server.url}

    assert client.ask("POST", "/api/v1/gc?deleted_before_ms=0", b"", headers)[0].status == 200


def test_no_other_page_may_read(client: Client) -> None:
    answer, _ = client.ask("GET", "/api/v1/info", headers={"Origin": "http://evil.example"})

    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


# ── form of answers ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_large_answers_are_compressed_on_request(client: Client) -> None:
    path = "/api/v1/openapi.json"

    answer, data = client.ask("GET", path, headers={"Accept-Encoding": "gzip"})

    assert (answer.headers["Content-Encoding"], answer.headers["Content-Length"]) == ("gzip", str(len(data)))
    assert json.loads(gzip.decompress(data)) == client.json("GET", path)
    assert client.ask("GET", "/api/v1/info", headers={"Accept-Encoding": "gzip"})[0].headers["Content-Encoding"] is None


def test_files_are_never_compressed(client: Client) -> None:
    answer, data = client.ask("GET", FILE, headers={"Accept-Encoding": "gzip"})

    assert (answer.headers["Content-Encoding"], data) == (None, CONTENT)


def test_the_portals_files_are_compressed_on_request(client: Client) -> None:
    path = re.search(r'src="(/assets/[^"]+\.js)"', client.ask("GET", "/")[1].decode())
    assert path is not None

    answer, data = client.ask("GET", path[1], headers={"Accept-Encoding": "gzip"})
    plain, whole = client.ask("GET", path[1])

    assert (answer.headers["Content-Encoding"], plain.headers["Content-Encoding"]) == ("gzip", None)
    assert answer.headers["Content-Type"] == plain.headers["Content-Type"]
    assert gzip.decompress(data) == whole


def test_messagepack_says_what_json_cannot(client: Client) -> None:
    path = f"{RUN}/table?name=table&limit=1"
    answer, data = client.ask("GET", path, headers={"Accept": "application/msgpack"})

    assert answer.headers["Content-Type"] == "application/msgpack"
    assert msgspec.msgpack.decode(data)["total_rows"] == 2


@pytest.mark.parametrize("path", ["/", "/runs/r1", "/docs", "/api/v1/info"])
def test_every_answer_says_what_a_page_may_do(client: Client, path: str) -> None:
    answer, _ = client.ask("GET", path)

    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"]
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/%2e%2e/app.py", "/..%2fapp.py", "/../serve.py", "/a%00.js", "/" + "a" * 5000 + ".js"])
def test_the_portal_gives_away_no_other_file(client: Client, path: str) -> None:
    answer, data = client.ask("GET", path)

    assert answer.headers["Content-Type"].startswith(("text/html", "application/json"))
    assert answer.status != 500
    assert b"import" not in data


def test_a_missing_asset_is_an_error_not_the_page(client: Client) -> None:
    assert_error(*client.ask("GET", "/assets/index-0000.js"), 404, "NOT_FOUND")


# ── live events ──────────────────────────────────────────────────────────────────────────────────────────────────────


def read_event(stream: http.client.HTTPResponse) -> dict[str, str]:
    """Return the fields of the next event; comments and `retry` are passed over."""
    fields: dict[str, str] = {}
    while True:
        line = stream.readline().decode().rstrip("\n")
        if not line and "event" in fields:
            return fields
        name, _, value = line.partition(": ")
        if name in ("id", "event", "data"):
            fields[name] = value


def test_changes_arrive_live(client: Client, run_id: str) -> None:
    with client.listen() as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        hello = read_event(stream)
        assert (hello["event"], json.loads(hello["data"])) == ("hello", {"last_id": int(hello["id"])})

        client.json("PATCH", f"/api/v1/runs/{run_id}", {"tags": {"a": "1"}})
        event = read_event(stream)

    change = json.loads(event["data"])
    assert (event["event"], change["run_id"]) == ("change", run_id)
    assert "tags" in change["what"]  # and what came just before, if the feed was running already
    assert int(event["id"]) > int(hello["id"])


@pytest.mark.parametrize("way", ["Last-Event-ID", "since"])
def test_a_listener_resumes_where_it_was(client: Client, run_id: str, way: str) -> None:
    last = client.json("GET", "/api/v1/changes?since=-1")["changes"][-1]["id"]
    client.json("PATCH", f"/api/v1/runs/{run_id}", {"name": "while away"})

    path, headers = (f"/api/v1/events?since={last}", {}) if way == "since" else ("/api/v1/events", {way: str(last)})
    with client.listen(path, headers) as stream:
        event = read_event(stream)

    assert (event["event"], json.loads(event["data"])["run_id"]) == ("change", run_id)
    assert int(event["id"]) > last


def test_hanging_up_after_any_message_loses_nothing(client: Client) -> None:
    # Two runs whose changes alternate: merged into one message a run, the first may not claim the second's ids.
    for name in ("even", "odd"):
        fill(client.server, name)
    start = client.json("GET", "/api/v1/changes?since=-1")["changes"][-1]["id"]
    for run_id, patch in [("even", {"tags": {"a": "1"}}), ("odd", {"name": "x"}), ("even", {"name": "y"})] * 2:
        client.json("PATCH", f"/api/v1/runs/{run_id}", patch)
    missed = client.json("GET", f"/api/v1/changes?since={start}")["changes"]

    told: set[tuple[str, str]] = set()
    last, messages = start, 0
    while last < missed[-1]["id"]:
        with client.listen(headers={"Last-Event-ID": str(last)}) as stream:
            while True:  # a message that may not claim its id yet is followed by one that does
                event = read_event(stream)
                change = json.loads(event["data"])
                told |= {(change["run_id"], what) for what in change["what"]}
                messages += 1
                if int(event["id"]) > last:
                    break
            last = int(event["id"])

    assert told >= {(change["run_id"], what) for change in missed for what in change["what"]}
    assert messages < len(missed)


def test_what_is_of_no_run_is_told_by_experiment(client: Client) -> None:
    start = client.json("GET", "/api/v1/changes?since=-1")["changes"][-1]["id"]
    for experiment in ("tagged one", "tagged two"):
        client.json("PATCH", f"/api/v1/experiments?name={quote(experiment)}", {"tags": {"a": "1"}})
    client.json("POST", "/api/v1/models", {"name": "told"})

    told = set()
    with client.listen(headers={"Last-Event-ID": str(start)}) as stream:
        while len(told) < 3:
            change = json.loads(read_event(stream)["data"])
            told.add((change["run_id"], change["experiment"], *change["what"]))

    assert told == {("", "tagged one", "experiment"), ("", "tagged two", "experiment"), ("", "", "models")}


def test_an_id_of_another_store_asks_for_a_resync(client: Client) -> None:
    with client.listen(headers={"Last-Event-ID": "999999999"}) as stream:
        assert read_event(stream)["event"] == "resync"


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 30])
def test_an_id_that_is_none_is_refused(client: Client, given: str) -> None:
    error = assert_error(*client.ask("GET", "/api/v1/events", headers={"Last-Event-ID": given}), 400)

    assert error["parameter"] == "Last-Event-ID"


# ── the process ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT], ids=lambda sent: sent.name)
def test_the_server_stops_at_once_and_cleans_up(tmp_path: Path, sent: signal.Signals) -> None:
    marker = tmp_path / "workspace" / "server.json"
    with serve(tmp_path / "workspace") as server, ExitStack() as stack:
        client = Client(server, tmp_path)
        streams = [stack.enter_context(client.listen()) for _ in range(3)]
        for stream in streams:
            read_event(stream)
        stack.enter_context(socket.create_connection(("127.0.0.1", client.port)))  # and one that says nothing
        assert marker.exists()

        asked_s = time.monotonic()
        server.process.send_signal(sent)
        status = server.process.wait(10)

        assert time.monotonic() - asked_s < 2
        assert status == 0
        assert [stream.read() for stream in streams] == [b"", b"", b""]  # ended, not torn
    assert not marker.exists()


def test_a_port_in_use_is_said_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(ServerError, match=rf"{port}.*--port"):
            _listen("127.0.0.1", port)


def test_without_a_port_the_next_free_one_is_taken() -> None:
    with _listen("127.0.0.1", None) as first, _listen("127.0.0.1", None) as second:
        ports = [listener.getsockname()[1] for listener in (first, second)]

    assert PREFERRED_PORT <= ports[0] < ports[1]


def test_small_answers_are_not_held_back() -> None:
    with _listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1"])
def test_a_host_that_is_not_here_is_said(host: str) -> None:
    with pytest.raises(ServerError, match=re.escape(host)):
        _listen(host, 0)
