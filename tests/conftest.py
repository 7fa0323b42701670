"""A clean environment for every test: no settings of the user, no folder of the user."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.browser import browser, page, troubles  # noqa: F401  (fixtures for every test)

# A shell without job control has what it starts in the background ignore Ctrl-C, and so would the processes that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_MLFLOW_ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Take away TRACKLOG_* and give the test a home of its own; nothing is captured or printed unless a test asks."""
    # MLflow's client leaves the address of an earlier test's registry behind.
    for name in [name for name in os.environ if name.startswith("TRACKLOG_") or name in _MLFLOW_ADDRESSES]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("TRACKLOG_CAPTURE", "none")
    monkeypatch.setenv("TRACKLOG_QUIET", "1")
    return home
