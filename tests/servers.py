"""A real server process over a workspace, for tests."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunningServer:
    """A server process and its address."""

    url: str
    process: subprocess.Popen[str]


@contextlib.contextmanager
def serve(workspace: Path, port: int = 0) -> Iterator[RunningServer]:
    """Start `python -m tracklog.server` over a workspace; ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tracklog.server", str(workspace), str(port)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://"), f"the server did not start: exit status {process.poll()}"
        yield RunningServer(url, process)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
