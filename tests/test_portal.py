"""The portal in a real browser over a real server: what a person sees and does while runs log."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import tracklog
from tests.batches import T0_MS, Writer
from tests.browser import clipboard, fits, search, serve_to, text_of
from tests.servers import RunningServer, serve
from tracklog.storage import RunQuery
from tracklog.storage.local import LocalStore
from tracklog.storage.remote import RemoteStore

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server over runs that have something of everything; tests that change runs use workspaces of their own."""
    folder = tmp_path_factory.mktemp("gallery")
    source = folder / "source"
    source.mkdir()
    _git(source, "init", "-q")
    (source / "train.py").write_text("import os\nlr = 0.1\n")
    _git(source, "add", ".")
    _git(source, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "Start")
    (source / "train.py").write_text("import os\nlr = 0.25\n")
    workspace = folder / "w"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(source)
        for i in range(3):
            with tracklog.start_run("nets", name=f"net-{i}", params={"lr": 0.1 * (i + 1), "seed": 7}, uri=workspace) as run:
                for step in range(300):
                    run.log("loss", math.exp(-step / 60) + i, step=step)
                run.log_table("roc", {"epoch": [0, 1, 2], "fpr": [0.0, 0.25, 1.0], "tpr": [0.0, 0.75, 1.0]})
        capture = ["console", "git"]
        with tracklog.start_run(
            "lab", name="everything", params={"optimizer": "adamw", "lr": 0.25}, uri=workspace, capture=capture
        ) as run:
            for line in range(400):
                print(f"\x1b[32mstep {line}\x1b[0m of the log, <b>not bold</b>", "and so on " * 40 if line == 200 else "")
            print("ERROR: a worker died", file=sys.stderr)
            for step in range(3):
                run.log_image("picture", np.eye(8) * step / 2, step=step)
            files = {
                "config.json": json.dumps({"lr": 0.25, "note": "<img src=x onerror=alert(1)>"}),
                "scores.csv": "name,score\na,0.5\nb,12.25\n",
                "train.py": "print('<b>hello</b>')\n",
            }
            for name, text in files.items():
                run.upload_file(f"results/{name}", io.BytesIO(text.encode()))
            run.upload_file("results/deep/model.pt", io.BytesIO(bytes(range(256)) * 40))
    with serve(workspace) as server:
        yield server


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def _open_run(page: Page, server: RunningServer, name: str, tab: str = "charts", more: str = "") -> None:
    [run] = [run for run in search(server, text=name) if run["name"] == name]
    page.goto(f"{server.url}/runs/{run['id']}?tab={tab}{more}")


def _chart(page: Page, metric: str) -> Locator:
    return page.locator(f'[data-testid=chart-card][data-metric="{metric}"]')


def test_what_an_empty_workspace_says_to_paste_turns_into_a_live_chart(page: Page, tmp_path: Path) -> None:
    with serve_to(page, tmp_path / "w") as server:
        page.goto(server.url)
        expect(page.get_by_test_id("empty-state")).to_contain_text("start_run")
        page.get_by_role("button", name="Copy the code").click()
        subprocess.run([sys.executable, "-c", clipboard(page)], check=True, cwd=tmp_path, timeout=60)

        expect(_chart(page, "loss")).to_contain_text("all 100 points kept")
        page.get_by_role("link", name="run-1").first.click()
        expect(page.get_by_test_id("status-chip")).to_contain_text("Completed")


def test_a_run_is_watched_while_it_logs(page: Page, tmp_path: Path) -> None:
    with serve_to(page, tmp_path / "w") as server:
        run = tracklog.start_run("first", uri=server.url, capture=["console"])
        for step in range(50):
            run.log("loss", 1 / (step + 1), step=step)
        print("a line of the log")
        run.log_image("picture", np.eye(8))
        run.flush()
        page.goto(f"{server.url}/runs/{run.id}")

        chart = _chart(page, "loss")
        expect(chart).to_contain_text("all 50 points kept")
        drawn = chart.locator("canvas.ink").first.evaluate(
            "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
        )
        assert drawn > 10
        expect(page.get_by_test_id("image-viewer").locator("img")).to_be_visible()
        assert page.title() == "▲ 0.02 · run-1"
        assert "running" in str(page.locator("link[rel=icon]").get_attribute("href"))

        run.log("loss", 0.5, step=50)
        expect(chart).to_contain_text("all 51 points kept")
        page.get_by_role("tab", name="Log").click()
        expect(page.get_by_test_id("log-line").filter(has_text="a line of the log")).to_be_visible()
        run.complete()
        expect(page.get_by_test_id("status-chip")).to_contain_text("Completed")
        expect(page).to_have_title("0.5 · run-1")
        assert "good" in str(page.locator("link[rel=icon]").get_attribute("href"))


def test_the_runs_table_sorts_filters_andfits_a_phone(page: Page, tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    for i in range(12):
        with tracklog.start_run(
            "sweep", name=f"run-{i}", params={"alpha": i / 10}, tags={"side": "left" if i < 6 else "right"}, uri=workspace
        ) as run:
            run.log("mse", float((i - 5) ** 2))
    with contextlib.suppress(ValueError), tracklog.start_run("sweep", name="broken", uri=workspace):
        raise ValueError("on purpose")
    with serve_to(page, workspace) as server:
        page.goto(server.url + "/experiments/sweep")
        rows = page.get_by_test_id("run-row")
        expect(rows).to_have_count(13)

        page.get_by_role("button", name="mse", exact=True).click()
        expect(rows.first).to_contain_text("run-11")
        page.get_by_role("button", name="mse", exact=True).click()
        expect(rows.first).to_contain_text("run-5")
        page.keyboard.press("/")
        page.keyboard.type("run-10")
        expect(rows).to_have_count(1)
        page.keyboard.press("Escape")

        page.get_by_role("button", name="Filter by status").click()
        page.get_by_label("Failed").check()
        expect(rows).to_have_count(1)
        expect(rows.first).to_contain_text("broken")
        page.get_by_label("Failed").uncheck()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Columns").click()
        page.get_by_label("side", exact=True).check()
        page.get_by_label("Duration", exact=True).uncheck()
        page.keyboard.press("Escape")
        page.reload()
        expect(page.get_by_role("columnheader", name="side")).to_be_visible()
        expect(page.get_by_role("columnheader", name="Duration")).to_have_count(0)

        page.get_by_role("button", name="Take the table along").click()
        page.get_by_role("button", name="Copy as CSV").click()
        table = list(csv.DictReader(io.StringIO(clipboard(page))))
        assert len(table) == 13
        assert (table[0]["Name"], table[0]["alpha"], table[0]["side"]) == ("run-5", "0.5", "left")
        page.get_by_role("button", name="Take the table along").click()
        page.get_by_role("button", name="Copy as Markdown").click()
        assert clipboard(page).startswith("| Name | Status |")

        page.set_viewport_size({"width": 390, "height": 844})
        assert fits(page)
        page.get_by_test_id("theme-toggle").click()
        page.get_by_test_id("theme-toggle").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 22)"


def test_selected_runs_are_compared_in_charts(page: Page, gallery: RunningServer) -> None:
    page.goto(gallery.url + "/experiments/nets")
    page.get_by_label("Select net-0").check()
    page.get_by_label("Select net-2").check()
    expect(page.get_by_test_id("params-diff")).to_contain_text("lr")
    chart = _chart(page, "loss")
    expect(chart).to_contain_text("all 600 points kept")
    expect(chart.get_by_test_id("legend")).to_have_count(0)  # names stand at the ends of the lines

    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = chart.get_by_test_id("chart-tip")
    expect(tip).to_contain_text("step 1")
    names = tip.locator(".name").all_inner_texts()
    assert names == ["net-2", "net-0"]  # greatest first


def test_a_chart_is_looked_at_closely_and_taken_along(page: Page, gallery: RunningServer) -> None:
    _open_run(page, gallery, "net-1")
    chart = _chart(page, "loss")
    expect(chart).to_contain_text("all 300 points kept")

    page.get_by_role("button", name="Log y").click()
    page.get_by_role("button", name="Relative").click()
    expect(page).to_have_url(re.compile(r"x=relative&log=1|log=1&x=relative"))
    page.get_by_role("button", name="Step", exact=True).click()
    small = chart.bounding_box()
    chart.get_by_role("button", name="Full screen of loss").click()
    large = chart.bounding_box()
    assert small is not None
    assert large is not None
    assert large["width"] > 2 * small["width"]
    for _ in range(9):  # more than it has
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('[data-metric=loss]') !== null")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Escape")
    expect(chart.get_by_role("button", name="Full screen of loss")).to_be_focused()

    chart.get_by_role("group", name="loss").focus()
    page.keyboard.press("End")
    expect(chart.locator("[aria-live=polite]")).to_contain_text("step 299: 1.0068")
    page.keyboard.press("+")
    expect(chart).to_contain_text("in view")
    for _ in range(3):
        page.keyboard.press("-")
    expect(chart).not_to_contain_text("in view")
    expect(page).not_to_have_url(re.compile("zoom="))
    page.keyboard.press("+")
    expect(chart).to_contain_text("in view")
    page.keyboard.press("0")
    expect(chart).not_to_contain_text("in view")

    chart.get_by_role("button", name="Share loss").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV, all points").click()
    points = list(csv.DictReader(io.StringIO(text_of(download.value))))
    assert len(points) == 300
    assert float(points[60]["value"]) == math.exp(-1) + 1
    chart.get_by_role("button", name="Share loss").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    chart.get_by_role("button", name="Actions of loss").click()
    page.get_by_role("button", name="Show data table").click()
    expect(chart.get_by_role("row")).to_have_count(301)


def test_the_axes_of_a_table_are_chosen(page: Page, gallery: RunningServer) -> None:
    _open_run(page, gallery, "net-1")
    chart = _chart(page, "roc")
    expect(chart.get_by_role("group", name="roc over epoch")).to_be_visible()  # its first column only grows

    chart.get_by_role("button", name="Axes of roc").click()
    page.get_by_role("radio", name="fpr").check()
    page.get_by_role("checkbox", name="epoch").uncheck()
    page.keyboard.press("Escape")
    expect(chart.get_by_role("group", name="roc over fpr")).to_be_visible()
    expect(chart).to_contain_text("all 3 points kept")


def test_people_name_describe_and_tag_a_run(page: Page, tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    with tracklog.start_run("lab", name="old name", tags={"stage": "draft"}, uri=workspace) as run:
        run.log("loss", 1.0)
    with serve_to(page, workspace) as server:
        page.goto(f"{server.url}/runs/{run.id}")
        tags = page.get_by_test_id("tags")

        page.get_by_role("button", name="Tag", exact=True).click()
        page.keyboard.type("owner")
        page.keyboard.press("Tab")
        page.keyboard.type("<b>ada</b>")
        page.keyboard.press("Enter")
        expect(tags).to_contain_text("owner <b>ada</b>")
        tags.get_by_role("button", name="stage draft").click()
        page.get_by_label("Value of the tag").fill("final")
        page.get_by_label("Value of the tag").press("Enter")
        expect(tags).to_contain_text("stage final")
        tags.get_by_role("button", name="Remove tag owner").click()
        expect(tags).not_to_contain_text("owner")
        page.get_by_role("button", name="Undo").click()
        expect(tags).to_contain_text("owner <b>ada</b>")

        page.get_by_role("button", name="Rename").click()
        page.get_by_label("Name of the run").fill("best so far")
        page.get_by_label("Name of the run").press("Enter")
        expect(page.get_by_role("heading", name="best so far")).to_be_visible()
        page.get_by_role("button", name="Description").click()
        page.get_by_label("Description of the run").fill("two\nlines")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_test_id("description")).to_contain_text("two lines")

        page.reload()
        expect(page.get_by_role("heading", name="best so far")).to_be_visible()
        expect(tags).to_contain_text("owner <b>ada</b> stage final")
        page.get_by_role("button", name="More about this run").click()
        page.get_by_role("button", name="Move to the trash").click()
        expect(page.get_by_test_id("deleted-notice")).to_be_visible()
        page.get_by_role("button", name="Restore").click()
        expect(page.get_by_test_id("deleted-notice")).to_have_count(0)


def test_the_log_is_searched_filtered_wrapped_and_taken_along(page: Page, gallery: RunningServer, troubles: list[str]) -> None:
    _open_run(page, gallery, "everything", "log")
    lines = page.get_by_test_id("log-line")
    last = lines.filter(has_text="step 399")
    expect(last).to_be_in_viewport()
    expect(last).to_contain_text("of the log, <b>not bold</b>")
    green = last.get_by_text("step 399", exact=True).evaluate("span => getComputedStyle(span).color")
    assert green != last.get_by_text("of the log").evaluate("span => getComputedStyle(span).color")
    assert lines.count() < 200  # of some four hundred

    page.keyboard.press("/")
    page.keyboard.type("step 20.? of the")
    expect(page.get_by_test_id("log-count")).to_contain_text("0 of")
    page.get_by_role("button", name="Regular expression").click()
    expect(page.get_by_test_id("log-count")).to_contain_text("11 of")  # 20, and 200 to 209
    expect(lines.filter(has_text="step 200").locator(".mark").first).to_have_text("step 200")  # across its colour
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("11 lines copied")).to_be_visible()
    assert clipboard(page).splitlines()[1].startswith("step 200 of the log, <b>not bold</b>")
    lines.filter(has_text="step 200").get_by_role("button").click()
    expect(lines.filter(has_text="step 195")).to_be_in_viewport()  # now among its neighbours
    at = page.get_by_test_id("log-at")
    expect(at).to_have_text("2 of 11")
    page.keyboard.press("N")
    expect(lines.filter(has_text="step 15 of")).to_be_in_viewport()
    page.get_by_placeholder("Search the log").press("Shift+Enter")
    expect(at).to_have_text("11 of 11")
    page.get_by_placeholder("Search the log").fill("step (20")
    expect(page.get_by_role("alert")).to_contain_text("Cannot search for")
    assert all("400 (Bad Request)" in one for one in troubles)
    troubles.clear()
    page.get_by_placeholder("Search the log").fill("STEP 200")
    expect(page.get_by_test_id("log-count")).to_contain_text("1 of")
    page.get_by_role("button", name="Match case").click()
    expect(page.get_by_test_id("log-count")).to_contain_text("0 of")
    page.get_by_role("button", name="Match case").click()
    page.get_by_placeholder("Search the log").press("Enter")
    expect(at).to_have_text("1 of 1")
    page.get_by_role("button", name="Only matches").click()
    expect(lines).to_have_count(1)
    page.get_by_placeholder("Search the log").press("Escape")
    expect(lines.filter(has_text="step 195")).to_be_in_viewport()  # where the search was left

    before = lines.filter(has_text="step 200").bounding_box()
    page.get_by_role("button", name="Wrap").click()
    after = lines.filter(has_text="step 200").bounding_box()
    assert before is not None
    assert after is not None
    assert after["height"] > before["height"]
    page.get_by_label("Level").select_option("Errors and above")
    expect(lines).to_have_count(1)
    expect(lines.first).to_contain_text("a worker died")
    page.get_by_label("Level").select_option("All levels")
    page.get_by_label("Stream").select_option("stdout")
    expect(page.get_by_test_id("log-count")).to_contain_text("400 of")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert "a worker died" in text_of(download.value)
    page.set_viewport_size({"width": 390, "height": 844})
    assert fits(page)


def test_files_are_a_tree_with_previews(page: Page, gallery: RunningServer) -> None:
    _open_run(page, gallery, "everything", "files")
    tree, preview = page.get_by_test_id("files-tree"), page.get_by_test_id("file-preview")
    expect(tree).to_contain_text("model.pt")
    tree.get_by_title("results/deep", exact=True).click()
    expect(tree).not_to_contain_text("model.pt")
    page.keyboard.press("ArrowRight")
    expect(tree).to_contain_text("10.2 kB")

    tree.get_by_title("results/scores.csv", exact=True).click()
    expect(preview.get_by_role("cell", name="12.25")).to_be_visible()
    tree.get_by_title("results/config.json", exact=True).click()
    expect(preview).to_contain_text('"note": "<img src=x onerror=alert(1)>"')
    tree.get_by_title("results/train.py", exact=True).click()
    expect(preview).to_contain_text("print('<b>hello</b>')")
    page.get_by_role("button", name="Copy the path results/train.py").click()
    assert clipboard(page) == "results/train.py"
    tree.locator("button", has_text=".png").first.click()
    expect(preview.get_by_role("img")).to_be_visible()
    expect(preview).to_contain_text("8 × 8")
    tree.get_by_title("results/deep/model.pt", exact=True).click()
    with page.expect_download() as download:
        preview.get_by_role("link", name="Download 10.2 kB").click()
    assert Path(download.value.path()).stat().st_size == 10_240

    page.reload()
    expect(preview).to_contain_text("model.pt")
    page.set_viewport_size({"width": 390, "height": 844})
    assert fits(page)


def test_params_are_found_and_copied_and_changes_of_code_are_shown(page: Page, gallery: RunningServer) -> None:
    _open_run(page, gallery, "everything", "overview")
    params = page.get_by_test_id("params-table")
    expect(params.get_by_role("row")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("adamw")
    expect(params.get_by_role("row")).to_have_count(1)
    page.get_by_role("button", name="Copy optimizer").click()
    assert clipboard(page) == "adamw"

    page.keyboard.press("Escape")
    page.locator("body").press("4")
    diff = page.get_by_test_id("git-diff")
    expect(diff.locator(".add")).to_contain_text("lr = 0.25")
    expect(diff.locator(".remove")).to_contain_text("lr = 0.1")
    diff.get_by_role("button", name="Copy").click()
    assert clipboard(page).startswith("diff --git a/train.py b/train.py")


def test_addresses_that_mlflow_prints_show_the_run_and_the_experiment(page: Page, gallery: RunningServer) -> None:
    with closing(RemoteStore(gallery.url)) as store:
        run = store.search_runs(RunQuery(limit=1)).runs[0]

    page.goto(f"{gallery.url}/#/experiments/{run.experiment_id}/runs/{run.id}")
    expect(page.get_by_role("heading", name=run.name)).to_be_visible()
    assert page.url == f"{gallery.url}/runs/{run.id}"
    page.goto(f"{gallery.url}/#/experiments/{run.experiment_id}")
    expect(page.get_by_test_id("run-row").first).to_be_visible()
    assert page.url.startswith(f"{gallery.url}/experiments/")


def test_keys_are_told_and_work(page: Page, gallery: RunningServer) -> None:
    page.goto(gallery.url)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()

    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_test_id("run-row")).to_have_count(4)
    expect(page.locator("time").first).to_have_attribute("title", re.compile("UTC"))
    page.get_by_test_id("runs-table").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="everything")).to_be_visible()
    page.locator("body").press("3")
    expect(page.get_by_role("tab", name="Log")).to_have_attribute("aria-selected", "true")
    page.locator("body").press("t")
    page.locator("body").press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_silent_run_an_unknown_one_and_a_lost_server_are_said_in_words(page: Page, tmp_path: Path, troubles: list[str]) -> None:
    workspace = tmp_path / "w"
    with closing(LocalStore(workspace, clock_ms=lambda: T0_MS)) as store:
        store.apply(Writer("silent-1", experiment="lab").start().log("loss", 0.5, step=0).batch())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serve(workspace, port) as server:
        page.goto(f"{server.url}/runs/no-such-run")
        expect(page.get_by_test_id("run-unknown")).to_contain_text("no-such-run")
        page.goto(f"{server.url}/runs/silent-1")
        expect(page.get_by_test_id("silent-notice")).to_contain_text("No sign of life")
        expect(page.get_by_test_id("status-chip")).to_contain_text("Not responding")

    banner = page.get_by_test_id("lost-banner")
    expect(banner).to_be_visible()
    with serve(workspace, port):
        expect(banner).to_be_hidden(timeout=20_000)
        expect(page.get_by_test_id("number-tile")).to_contain_text("0.5")

    troubles[:] = [text for text in troubles if not text.startswith("Failed to load resource")]
