"""A real Chromium for tests of the portal: pages that fail on a console error or a request to another host, and audits with axe.

`tests/conftest.py` makes the fixtures known to every test; nothing of it is loaded before one asks for a page.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.servers import RunningServer, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Download, Page, Playwright

TIMEOUT_MS = 15_000  # for machines that do other things as well
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_AXE = Path(__file__).parent.parent / "portal" / "node_modules" / "axe-core" / "axe.min.js"
_SERIOUS = ("serious", "critical")


def launch(playwright: Playwright) -> Browser:
    """Start the system's Chromium, or else the one that playwright brought."""
    system = shutil.which("chromium") or shutil.which("chromium-browser")
    return playwright.chromium.launch(executable_path=system, args=_ARGUMENTS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright

    from tracklog.server.app import PORTAL

    assert (PORTAL / "index.html").is_file(), "the portal is not built; run: make portal"
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def troubles() -> list[str]:
    """Console errors and requests to other hosts; what a test provokes itself, it takes out again."""
    return []


@pytest.fixture
def page(browser: Browser, troubles: list[str]) -> Iterator[Page]:
    """A page that fails the test on a console error or a request to another host."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, permissions=["clipboard-read", "clipboard-write"], color_scheme="light"
    )
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on(
        "request",
        lambda request: troubles.append(request.url) if urlsplit(request.url).hostname not in ("127.0.0.1", None) else None,
    )
    yield page
    context.close()
    assert troubles == [], troubles


@contextlib.contextmanager
def serve_to(page: Page, workspace: Path, port: int = 0) -> Iterator[RunningServer]:
    """A server over a workspace that the page leaves before it ends: what is asked of a server that is gone fails loudly."""
    with serve(workspace, port) as server:
        yield server
        page.goto("about:blank")


def search(server: RunningServer, **query: Any) -> list[dict[str, Any]]:
    """Return runs of a server."""
    request = urllib.request.Request(
        server.url + "/api/v1/runs/search", json.dumps(query).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        runs: list[dict[str, Any]] = json.load(response)["runs"]
    return runs


def clipboard(page: Page) -> str:
    """Return the text that was copied last."""
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def text_of(download: Download) -> str:
    """Return a downloaded file as text."""
    return Path(download.path()).read_text()


def fits(page: Page) -> bool:
    """Whether the page is no wider than its window."""
    does: bool = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return does


@functools.cache
def _axe() -> str:
    return _AXE.read_text()


def barriers(page: Page) -> list[str]:
    """Return what keeps people with disabilities from using the page as it stands: axe's serious and critical findings."""
    page.evaluate(_axe())  # as the debugger does: the page's own policy lets no foreign script in
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in _SERIOUS
    ]
