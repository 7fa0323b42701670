"""The portal in a real browser over a real server: what a person sees while a run logs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page, expect, sync_playwright

import tracklog
from tests.servers import serve
from tracklog.server.app import PORTAL

pytestmark = pytest.mark.browser

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture
def page() -> Iterator[Page]:
    """A page that fails the test on a console error or a request to another host."""
    assert (PORTAL / "index.html").is_file(), "the portal is not built; run: make portal"
    system = shutil.which("chromium") or shutil.which("chromium-browser")
    troubles: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=system, args=_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on(
            "request",
            lambda request: troubles.append(request.url) if urlsplit(request.url).hostname not in ("127.0.0.1", None) else None,
        )
        yield page
        browser.close()
    assert troubles == []


def test_an_empty_workspace_turns_into_a_live_chart(page: Page, tmp_path: Path) -> None:
    with serve(tmp_path / "w") as server:
        page.goto(server.url)
        expect(page.get_by_test_id("empty-state")).to_contain_text("start_run")

        run = tracklog.start_run("first", uri=server.url, capture=["console"])
        for step in range(50):
            run.log("loss", 1 / (step + 1), step=step)
        print("a line of the log")
        run.log_image("picture", np.eye(8))
        run.flush()

        chart = page.locator('[data-testid=chart-card][data-metric="loss"]')
        expect(chart).to_contain_text("all 50 points kept", timeout=10_000)
        page.get_by_role("link", name="run-1").first.click()
        expect(chart.locator("canvas")).to_be_visible()
        drawn = chart.locator("canvas").evaluate(
            "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
        )
        assert drawn > 10
        expect(page.get_by_test_id("image-viewer").locator("img")).to_be_visible()

        run.log("loss", 0.5, step=50)
        expect(chart).to_contain_text("all 51 points kept", timeout=10_000)
        page.get_by_role("tab", name="Log").click()
        expect(page.get_by_test_id("log-line").filter(has_text="a line of the log")).to_be_visible()
        run.complete()
        expect(page.get_by_test_id("status-chip")).to_contain_text("Completed", timeout=10_000)


def test_the_runs_table_sorts_filters_and_fits_a_phone(page: Page, tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    for i in range(12):
        with tracklog.start_run("sweep", name=f"run-{i}", params={"alpha": i / 10}, uri=workspace) as run:
            run.log("mse", float((i - 5) ** 2))
    with serve(workspace) as server:
        page.goto(server.url + "/experiments/sweep")
        rows = page.get_by_test_id("run-row")
        expect(rows).to_have_count(12)

        page.get_by_role("button", name="mse").click()
        expect(rows.first).to_contain_text("run-11")
        page.get_by_role("button", name="mse").click()
        expect(rows.first).to_contain_text("run-5")
        page.keyboard.press("/")
        page.keyboard.type("run-10")
        expect(rows).to_have_count(1)

        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_test_id("theme-toggle").click()
        page.get_by_test_id("theme-toggle").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 22)"
