"""The server that a folder's workspace gets when a client needs an address."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from tracklog.errors import ServerError
from tracklog.sdk import local_server
from tracklog.sdk.workspace import Workspace

ASK = "import sys, tracklog.sdk.workspace as w; print(w.Workspace(sys.argv[1]).get_mlflow_tracking_uri(), flush=True)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace whose servers end soon."""
    monkeypatch.setattr(local_server, "_IDLE_S", 1.0)
    yield tmp_path / "workspace"
    local_server._close()
    wait_until(lambda: not (tmp_path / "workspace" / "server.json").exists())


def wait_until(is_so: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return urllib3.request("GET", f"{url}/health", headers={"Connection": "close"}, retries=False, timeout=2).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def test_a_server_starts_on_first_need_and_ends_after_the_last_process_that_needs_it(folder: Path) -> None:
    url = Workspace(folder).get_mlflow_tracking_uri()

    assert url.startswith("http://127.0.0.1:")
    assert Workspace(folder).get_mlflow_tracking_uri() == url
    time.sleep(2.5)  # longer than it waits when nobody is connected
    assert answers(url)
    local_server._close()
    wait_until(lambda: not (folder / "server.json").exists())  # asking it would keep it
    wait_until(lambda: not answers(url))


def test_processes_that_need_one_at_once_share_it(folder: Path) -> None:
    asking = [subprocess.Popen([sys.executable, "-c", ASK, str(folder)], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answered = {process.communicate(timeout=60)[0].strip() for process in asking}

    assert len(answered) == 1
    assert answers(answered.pop())
    os.kill(json.loads((folder / "server.json").read_text())["pid"], 15)  # it would wait for longer than a test


def test_a_killed_server_is_started_again_at_its_address(folder: Path) -> None:
    url = Workspace(folder).get_mlflow_tracking_uri()
    os.kill(json.loads((folder / "server.json").read_text())["pid"], 9)
    wait_until(lambda: not answers(url))

    assert Workspace(folder).get_mlflow_tracking_uri() == url
    assert answers(url)


def test_a_server_of_tracklog_ui_is_taken(folder: Path) -> None:
    folder.mkdir()
    process = subprocess.Popen([sys.executable, "-m", "tracklog.server", str(folder), "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()

        assert Workspace(folder).get_mlflow_tracking_uri() == url
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_a_marker_of_another_program_is_not_believed(folder: Path) -> None:
    folder.mkdir()
    (folder / "server.json").write_text('{"url": "http://127.0.0.1:1", "pid": 1}')

    assert answers(Workspace(folder).get_mlflow_tracking_uri())


def test_a_folder_that_cannot_be_a_workspace_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises((ServerError, OSError), match="file"):
        Workspace(tmp_path / "file" / "workspace").get_mlflow_tracking_uri()


def test_a_server_has_its_own_address() -> None:
    assert Workspace("http://server:7777/").get_mlflow_tracking_uri() == "http://server:7777"
