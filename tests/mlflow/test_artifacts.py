"""Artifacts through MLflow's client and proxy: up, down, listings, parts, headers."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.mlflow.conftest import Raw
from tests.servers import RunningServer

PROXY = "/api/2.0/mlflow-artifacts"


@pytest.fixture
def filled(client: MlflowClient, run_id: str, folder: Path) -> str:
    """A run with files."""
    client.log_artifacts(run_id, str(folder))
    client.log_artifacts(run_id, str(folder / "sub"), "under")
    return run_id


def test_files_come_back_as_they_were(client: MlflowClient, filled: str, folder: Path, tmp_path: Path) -> None:
    destination = tmp_path / "got"
    destination.mkdir()

    got = Path(client.download_artifacts(filled, "", str(destination)))

    for file in ("a.txt", "empty.bin", "sub/b c ü.csv", "sub/deep/model.bin"):
        assert (got / file).read_bytes() == (folder / file).read_bytes()
    one = client.download_artifacts(filled, "sub/deep/model.bin", str(destination))
    assert Path(one).read_bytes() == (folder / "sub/deep/model.bin").read_bytes()


def test_folders_are_listed(client: MlflowClient, raw: Raw, filled: str, experiment_id: str) -> None:
    def listed(path: str | None = None) -> list[tuple[str, bool, int | None]]:
        return [(one.path, one.is_dir, one.file_size) for one in client.list_artifacts(filled, path)]

    assert listed() == [("a.txt", False, 5), ("empty.bin", False, 0), ("sub", True, None), ("under", True, None)]
    assert listed("sub") == [("sub/b c ü.csv", False, 8), ("sub/deep", True, None)]
    assert listed("a.txt") == []
    assert listed("none") == []
    shape = raw.json("GET", "/artifacts/list", query={"run_id": filled, "path": "sub"})
    assert shape["root_uri"] == f"mlflow-artifacts:/{experiment_id}/{filled}/artifacts"
    assert shape["files"][1] == {"path": "sub/deep", "is_dir": True}
    base_names = raw.json("GET", "/artifacts", query={"path": f"{experiment_id}/{filled}/artifacts/sub"}, root=PROXY)
    assert [one["path"] for one in base_names["files"]] == ["b c ü.csv", "deep"]
    for nowhere in (f"{experiment_id}/{filled}/artifacts/none", f"{experiment_id}/nope/artifacts", "", "a/b"):
        assert raw.json("GET", "/artifacts", query={"path": nowhere}, root=PROXY) == {}


def test_a_file_replaces_one_of_its_name(client: MlflowClient, run_id: str, tmp_path: Path) -> None:
    for text in ("first", "second"):
        client.log_text(run_id, text, "notes/a.txt")

    assert Path(client.download_artifacts(run_id, "notes/a.txt", str(tmp_path))).read_text() == "second"
    client.log_dict(run_id, {"a": 1}, "d.json")
    assert Path(client.download_artifacts(run_id, "d.json", str(tmp_path))).read_text().strip().startswith("{")


def test_files_and_folders_are_removed(client: MlflowClient, raw: Raw, filled: str, experiment_id: str) -> None:
    root = f"{PROXY}/artifacts/{experiment_id}/{filled}/artifacts"
    for path in ("a.txt", "sub"):
        answer, _ = raw.ask("DELETE", f"{root}/{path}")
        assert answer.status == 200

    assert [one.path for one in client.list_artifacts(filled)] == ["empty.bin", "under"]
    answer, body = raw.ask("DELETE", f"{root}/none")
    assert answer.status == 404
    assert b"RESOURCE_DOES_NOT_EXIST" in body


def test_a_download_says_what_clients_rely_on(raw: Raw, filled: str, experiment_id: str) -> None:
    path = f"{PROXY}/artifacts/{experiment_id}/{filled}/artifacts/sub/b%20c%20%C3%BC.csv"

    answer, body = raw.ask("GET", path)
    assert (answer.status, body) == (200, b"x,y\n1,2\n")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''b%20c%20%C3%BC.csv"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Last-Modified"].endswith("GMT")
    etag = answer.headers["ETag"]
    answer, body = raw.ask("GET", path, headers={"Range": "bytes=2-3"})
    assert (answer.status, body, answer.headers["Content-Range"]) == (206, b"y\n", "bytes 2-3/8")
    answer, body = raw.ask("GET", path, headers={"If-None-Match": etag})
    assert (answer.status, body) == (304, b"")
    answer, body = raw.ask("HEAD", path)
    assert (answer.status, answer.headers["Content-Length"], body) == (200, "8", b"")


def test_a_file_of_a_run_for_pages(raw: Raw, filled: str) -> None:
    for path in ("/get-artifact", "/ajax-api/2.0/mlflow/get-artifact"):
        answer, body = raw.ask("GET", f"{path}?run_id={filled}&path=a.txt")
        assert (answer.status, body) == (200, b"alpha")
        assert answer.headers["Content-Disposition"].startswith("attachment")
    answer, body = raw.ask("GET", f"/get-artifact?run_id={filled}&path=sub")
    assert answer.status == 400
    assert b"refers to a directory, not a file" in body
    answer, body = raw.ask("GET", "/get-artifact?run_id=nope&path=a")
    assert answer.status == 404
    assert b"Run with id=nope not found" in body


def test_a_missing_file_is_not_found(client: MlflowClient, raw: Raw, filled: str, experiment_id: str) -> None:
    answer, body = raw.ask("GET", f"{PROXY}/artifacts/{experiment_id}/{filled}/artifacts/none.txt")
    assert answer.status == 404
    assert b'"error_code":"RESOURCE_DOES_NOT_EXIST"' in body
    with pytest.raises((MlflowException, OSError)):
        client.download_artifacts(filled, "none.txt")


def test_a_large_file_goes_through_and_stays_out_of_memory(
    client: MlflowClient, server: RunningServer, run_id: str, tmp_path: Path
) -> None:
    size = 64 << 20
    block = os.urandom(1 << 20)
    with (tmp_path / "large.bin").open("wb") as target:
        for _ in range(size >> 20):
            target.write(block)
    client.log_artifact(run_id, str(tmp_path / "large.bin"))
    (tmp_path / "got").mkdir()

    got = Path(client.download_artifacts(run_id, "large.bin", str(tmp_path / "got")))

    assert hashlib.sha256(got.read_bytes()).digest() == hashlib.sha256(block * (size >> 20)).digest()
    peak_kb = int(
        next(
            line.split()[1]
            for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
            if line.startswith("VmHWM")
        )
    )
    assert peak_kb < 1_000_000  # a history of a million points, read by another test, takes the most


def test_a_file_in_parts(
    client: MlflowClient, raw: Raw, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fluent: Any
) -> None:
    """With the client's own code for files of 500 MiB and more, made to begin at a few bytes."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "10")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 << 20))
    content = os.urandom(12 << 20)
    (tmp_path / "parts.bin").write_bytes(content)

    client.log_artifact(run_id, str(tmp_path / "parts.bin"), "some/folder")

    (tmp_path / "got").mkdir()
    got = client.download_artifacts(run_id, "some/folder/parts.bin", str(tmp_path / "got"))
    assert Path(got).read_bytes() == content


def test_parts_by_hand(raw: Raw, client: MlflowClient, run_id: str, experiment_id: str) -> None:
    root = f"{experiment_id}/{run_id}/artifacts"
    made = raw.json("POST", f"/mpu/create/{root}", {"path": "/home/me/x.bin", "num_parts": 2}, root=PROXY)
    assert [one["part_number"] for one in made["credentials"]] == [1, 2]
    assert made["credentials"][0]["url"].startswith(raw.url)
    end = {"path": "x.bin", "upload_id": made["upload_id"], "parts": []}

    def put(number: int, body: bytes) -> None:
        path = made["credentials"][number - 1]["url"].removeprefix(raw.url)
        answer, _ = raw.ask("PUT", path, body)
        assert answer.status == 200
        assert answer.headers["ETag"]

    put(2, b"world")
    message = raw.refused("INVALID_PARAMETER_VALUE", "POST", f"/mpu/complete/{root}", end, root=PROXY)
    assert message.startswith("Parts [1] of 2 have not arrived.")
    put(1, b"old")
    put(1, b"hello ")  # sent again
    raw.json("POST", f"/mpu/complete/{root}", end, root=PROXY)
    answer, body = raw.ask("GET", f"{PROXY}/artifacts/{root}/x.bin")
    assert (answer.status, body) == (200, b"hello world")

    unknown = raw.refused("RESOURCE_DOES_NOT_EXIST", "POST", f"/mpu/complete/{root}", end, root=PROXY, status=404)
    assert unknown.startswith("There is no upload")
    aborted = raw.json("POST", f"/mpu/create/{root}", {"path": "y.bin", "num_parts": 1}, root=PROXY)
    raw.json("POST", f"/mpu/abort/{root}", {"path": "y.bin", "upload_id": aborted["upload_id"]}, root=PROXY)
    answer, _ = raw.ask("PUT", aborted["credentials"][0]["url"].removeprefix(raw.url), b"late")
    assert answer.status == 404
    assert [one.path for one in client.list_artifacts(run_id)] == ["x.bin"]
    for parts in (0, 10_001):
        raw.refused("INVALID_PARAMETER_VALUE", "POST", f"/mpu/create/{root}", {"path": "z", "num_parts": parts}, root=PROXY)


def test_presigned_addresses_are_not_made(raw: Raw, run_id: str, experiment_id: str) -> None:
    answer, body = raw.ask("GET", f"{PROXY}/presigned/{experiment_id}/{run_id}/artifacts/a.txt")

    assert answer.status == 501
    assert b"NOT_IMPLEMENTED" in body
