"""What happens while one looks: runs that go on or stand still, servers that die, tabs that sleep; logs, files, many params."""

from __future__ import annotations

import io
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.batches import Writer
from tests.browser import barriers, fits, serve_to
from tests.servers import serve
from tracklog.records import InfoSet, LogLine, LogLines
from tracklog.storage import ExperimentEdit
from tracklog.storage.local import LocalStore
from tracklog.storage.traces import Trace

pytestmark = pytest.mark.browser

SECOND = 1000
HIDE = """isHidden => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def steps(writer: Writer, count: int, *, from_step: int = 0, end_ms: int = 0, every_ms: int = SECOND) -> Writer:
    """Log some steps of a loss, the last of them at a time, by default now."""
    last_ms = end_ms or now_ms()
    for number in range(count):
        step = from_step + number
        writer.log("loss", 1 / (step + 1), step, time_ms=last_ms - (count - 1 - number) * every_ms)
    return writer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with closing(LocalStore(tmp_path / "w")) as store:
        yield store


@pytest.fixture
def port() -> int:
    """A port that a second server can take after the first has died."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


def chart(page: Page, metric: str = "loss") -> Locator:
    return page.locator(f'[data-testid=chart-card][data-metric="{metric}"]')


def status(page: Page) -> Locator:
    return page.get_by_test_id("status-chip").first


TRAINING = """
import sys, time, tracklog
with tracklog.start_run("nets", name="net", run_id="real", uri=sys.argv[1], capture=["console"]) as run:
    for step in range(1_000_000):
        run.log("loss", 1 / (step + 1), step=step)
        print("step", step)
        if (step + 1) % 100 == 0 and sys.stdin.readline() == "": break
        time.sleep(0.001)
"""


def test_a_real_run_is_followed_and_what_one_looks_at_stays(page: Page, tmp_path: Path, troubles: list[str]) -> None:
    with serve_to(page, tmp_path / "w") as server:
        training = subprocess.Popen(
            [sys.executable, "-c", TRAINING, server.url], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert training.stdin is not None
        page.goto(f"{server.url}/runs/real")
        expect(chart(page)).to_contain_text("all 100 points kept", timeout=40_000)  # also from before the run was known
        expect(page).to_have_title(re.compile(r"^▲ 0\.01 · net$"))
        page.goto(f"{server.url}/runs/real?zoom=10~50&size=large")
        page.get_by_role("button", name="View").click()
        box = page.get_by_label("Range of earlier runs behind")
        expect(box).to_be_visible()
        page.evaluate("window.reloads = 0; scrollTo(0, 40)")
        top = page.evaluate("scrollY")

        training.stdin.write("go on\n")
        training.stdin.flush()
        expect(chart(page)).to_contain_text("all 200 points kept")

        expect(box).to_be_visible()
        expect(page).to_have_url(re.compile("zoom=10~50"))
        expect(chart(page)).to_contain_text("41 in view")
        assert page.evaluate("scrollY") == top
        assert page.evaluate("window.reloads") == 0
        training.communicate("go on\n", timeout=60)
        expect(status(page)).to_have_text("Completed")
        expect(page).to_have_title("0.003333 · net")
        assert "running" not in (page.locator("link[rel=icon]").get_attribute("href") or "")
        page.goto(f"{server.url}/runs/real?tab=log")
        expect(page.get_by_test_id("log-count")).to_have_text("300 lines")
    troubles[:] = [text for text in troubles if "404" not in text]  # before it began


def test_a_server_that_is_killed_is_said_and_nothing_is_missed(
    page: Page, store: LocalStore, tmp_path: Path, port: int, troubles: list[str]
) -> None:
    writer = steps(Writer("r", experiment="nets").start(name="net"), 30)
    store.apply(writer.batch())
    with serve(tmp_path / "w", port) as server:
        page.goto(f"{server.url}/runs/r")
        expect(chart(page)).to_contain_text("all 30 points kept")
        server.process.kill()
        expect(page.get_by_test_id("lost-banner")).to_contain_text("does not answer")
        expect(chart(page)).to_contain_text("all 30 points kept")
        page.get_by_role("button", name="Try now").click()  # in vain
        expect(page.get_by_test_id("lost-banner")).to_contain_text("does not answer")
    store.apply(steps(writer, 12, from_step=30).batch())
    with serve_to(page, tmp_path / "w", port):
        expect(page.get_by_test_id("lost-banner")).to_have_count(0)
        expect(chart(page)).to_contain_text("all 42 points kept")
        store.apply(steps(writer, 1, from_step=42).batch())
        expect(chart(page)).to_contain_text("all 43 points kept")
    troubles[:] = [text for text in troubles if "net::ERR_" not in text]


def test_a_server_that_fails_for_a_while_is_asked_again(
    page: Page, store: LocalStore, tmp_path: Path, troubles: list[str]
) -> None:
    writer = steps(Writer("r", experiment="nets").start(name="net"), 30)
    store.apply(writer.batch())
    with serve_to(page, tmp_path / "w") as server:
        page.goto(f"{server.url}/runs/r")
        expect(chart(page)).to_contain_text("all 30 points kept")
        failing = {"status": 500, "json": {"error": {"code": "INTERNAL", "message": "The disk is on fire."}}}
        page.route("**/api/v1/series**", lambda route: route.fulfill(**failing))
        store.apply(steps(writer, 5, from_step=30).batch())
        expect(page.get_by_test_id("trouble-banner")).to_contain_text("The disk is on fire.")
        page.unroute("**/api/v1/series**")

        expect(chart(page)).to_contain_text("all 35 points kept")  # though nothing more was logged
        expect(page.get_by_test_id("trouble-banner")).to_have_count(0)
    troubles[:] = [text for text in troubles if "500" not in text]


def test_a_tab_that_was_hidden_or_asleep_reads_what_it_missed(page: Page, store: LocalStore, tmp_path: Path) -> None:
    writer = steps(Writer("r", experiment="nets").start(name="net"), 30)
    store.apply(writer.batch())
    page.clock.install()
    with serve_to(page, tmp_path / "w") as server:
        page.goto(f"{server.url}/runs/r")
        expect(chart(page)).to_contain_text("all 30 points kept")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.evaluate(HIDE, True)
        page.clock.fast_forward(30_000)
        store.apply(steps(writer, 5, from_step=30).batch())
        page.clock.fast_forward(60_000)
        assert asked == []
        with page.expect_request("**/api/v1/events?since=*"):
            page.evaluate(HIDE, False)
        expect(chart(page)).to_contain_text("all 35 points kept")
        # A laptop slept: nobody told the page that its line is dead.
        with page.expect_request("**/api/v1/events?since=*"):
            page.clock.fast_forward(50_000)


def test_a_loop_that_stands_still_is_marked_alike_everywhere(page: Page, store: LocalStore, tmp_path: Path) -> None:
    writer = Writer("r", experiment="nets").start(name="net", start_ms=now_ms() - 300 * SECOND)
    store.apply(steps(writer, 60, end_ms=now_ms() - 90 * SECOND).batch())
    with serve_to(page, tmp_path / "w") as server:
        for path in ("/activity", "/experiments/nets", "/", "/runs/r"):
            page.goto(server.url + path)
            expect(page.locator("[data-stalled]").first).to_have_text("Stands still")
            assert barriers(page) == [], path
        expect(page.get_by_test_id("stall-notice")).to_contain_text("Usually one comes every 1.0 s")
        expect(chart(page)).to_contain_text("stands still")
        expect(page).to_have_title(re.compile("^‖ "))

        store.apply(steps(writer, 1, from_step=60).batch())
        expect(page.locator("[data-stalled]")).to_have_count(0)
        expect(page.get_by_test_id("stall-notice")).to_have_count(0)
        expect(page).to_have_title(re.compile("^▲ "))


def test_behind_a_live_curve_lies_the_range_of_earlier_runs(page: Page, store: LocalStore, tmp_path: Path) -> None:
    for number in range(4):
        earlier = Writer(f"e{number}", experiment="nets").start(start_ms=now_ms() - (900 - number) * SECOND)
        store.apply(steps(earlier, 50, end_ms=now_ms() - 600 * SECOND).finish(time_ms=now_ms()).batch())
    failed = steps(Writer("other", experiment="else").start(start_ms=now_ms() - 800 * SECOND), 50).finish(time_ms=now_ms())
    store.apply(failed.batch())
    live = steps(Writer("r", experiment="nets").start(name="net", start_ms=now_ms() - 30 * SECOND), 20)
    store.apply(live.log("only here", 1.0, 0).log("only here", 2.0, 1).batch())
    with serve_to(page, tmp_path / "w") as server:
        page.goto(f"{server.url}/runs/r")
        expect(chart(page)).to_contain_text("4 earlier runs")
        expect(chart(page, "only here")).not_to_contain_text("earlier")
        page.get_by_role("button", name="Time", exact=True).click()
        expect(chart(page)).not_to_contain_text("earlier")
        page.get_by_role("button", name="Step", exact=True).click()
        expect(chart(page)).to_contain_text("4 earlier runs")
        page.get_by_role("button", name="View").click()
        page.get_by_label("Range of earlier runs behind").uncheck()
        expect(chart(page)).not_to_contain_text("earlier")
        expect(page).to_have_url(re.compile("earlier=0"))
        page.reload()
        expect(chart(page)).to_contain_text("all 20 points kept")
        expect(chart(page)).not_to_contain_text("earlier")
        page.goto(f"{server.url}/runs/e3")  # finished: looked at for itself
        expect(chart(page)).to_contain_text("all 50 points kept")
        expect(chart(page)).not_to_contain_text("earlier")


def test_lines_of_several_ranks_are_told_apart(page: Page, store: LocalStore, tmp_path: Path) -> None:
    writer = Writer("r", experiment="nets").start(name="net")
    colours = ["\x1b[31mred\x1b[0m", "\x1b[38;5;208morange\x1b[0m", "\x1b[38;2;10;200;250msky\x1b[0m"]
    lines = [LogLine(now_ms(), "stdout", f"step {n // 4} {colours[n % 3]}", 0, "", n % 4) for n in range(400)]
    for rank in range(4):
        suffix = "" if rank == 0 else f"/rank.{rank}"
        for step in range(3):
            writer.log(f"system/process.memory.mb{suffix}", 100.0 * rank + step, step)
    store.apply(writer.add(LogLines(lines)).finish(time_ms=now_ms()).batch())
    with serve_to(page, tmp_path / "w") as server:
        page.goto(f"{server.url}/runs/r?tab=log")
        count = page.get_by_test_id("log-count")
        expect(count).to_have_text("400 lines")
        expect(page.get_by_test_id("log-rank").last).to_have_text("3")
        for word, colour in {"orange": "oklch(from rgb(255, 135, 0)", "sky": "oklch(from rgb(10, 200, 250)"}.items():
            shown = page.get_by_test_id("log-line").get_by_text(word, exact=True).last
            assert str(shown.get_attribute("style")).startswith(f"color: {colour}")
        assert barriers(page) == []
        page.get_by_label("Rank").select_option("rank 2")
        expect(count).to_have_text("100 of 400 lines")
        assert set(page.get_by_test_id("log-rank").all_inner_texts()) == {"2"}
        page.get_by_placeholder("Search the log").fill("step 42")
        expect(count).to_have_text("1 of 400 lines")
        page.get_by_test_id("log-line").get_by_role("button").click()
        expect(page).to_have_url(re.compile("line=171"))
        expect(page.get_by_test_id("log-at")).to_have_text("1 of 1")
        expect(page.locator(".picked")).to_contain_text("step 42")

        page.get_by_role("tab", name="System").click()
        expect(page.get_by_test_id("chart-card")).to_have_count(1)
        expect(page.get_by_test_id("chart-card")).to_contain_text("all 12 points kept")


FILES = {
    "rows.jsonl": (b'{"epoch": 1, "text": "<b>one</b>"}\n{"epoch": 2}\n', "<b>one</b>"),
    "old.txt": ("caf\xe9 stra\xdfe".encode("cp1252"), "café straße"),
    "empty.txt": (b"", "The file is empty."),
    "broken.json": (b'{"a": 1,', '{"a": 1,'),
    "clip.mp4": (b"no video", "This browser cannot play it."),
    "plot.png": (b"no picture", "The picture cannot be drawn."),
    "picture.txt": (b"\x89PNG\r\n\x1a\n\0\0\0", "These bytes are no text."),
    "page.html": (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
    "model.pkl": (b"\x80\x04K\x01.", "There is no preview"),
    "deep/er/100% #1? <b>&\u05e2\u05d1 \U0001f600.txt": (b"odd name", "odd name"),
}


def test_whatever_a_file_holds_is_shown_or_said(page: Page, store: LocalStore, tmp_path: Path) -> None:
    store.apply(steps(Writer("r", experiment="nets").start(name="net"), 3).finish(time_ms=now_ms()).batch())
    for path, (content, _) in FILES.items():
        store.put_artifact("r", path, io.BytesIO(content))
    with serve_to(page, tmp_path / "w") as server:
        preview = page.get_by_test_id("file-preview")
        for path, (content, text) in FILES.items():
            page.goto(f"{server.url}/runs/r?tab=files&file={quote(path, safe='')}")
            expect(preview).to_contain_text(text)
            with urllib.request.urlopen(server.url + str(page.locator("li.picked a").get_attribute("href"))) as response:
                assert response.read() == content
        page.goto(f"{server.url}/runs/r?tab=files&file=plot.png")
        page.get_by_role("button", name="Look at it as text").click()
        expect(preview).to_contain_text("no picture")
        assert barriers(page) == []

        page.goto(f"{server.url}/runs/r?tab=files")
        nodes = page.get_by_test_id("files-tree").locator("button.node")
        nodes.first.focus()
        for key, focused in (
            ("ArrowRight", "er"),
            ("ArrowRight", "100%"),
            ("ArrowLeft", "er"),
            ("ArrowLeft", "er"),  # it closes
            ("ArrowLeft", "deep"),
            ("End", "rows.jsonl"),
            ("Home", "deep"),
        ):
            page.keyboard.press(key)
            expect(page.locator("button.node:focus")).to_contain_text(focused)
        expect(nodes.filter(has_text="100%")).to_have_count(0)


def test_an_experiment_is_tagged_and_archived_on_its_page(page: Page, store: LocalStore, tmp_path: Path) -> None:
    store.apply(Writer("p", experiment="nets").start(name="the <b>parent</b>").finish(time_ms=now_ms()).batch())
    store.apply(steps(Writer("c", experiment="nets").start(name="child", parent_id="p"), 3).batch())
    store.edit_experiment("nets", ExperimentEdit(tags={"team": "vision"}))
    with serve_to(page, tmp_path / "w") as server:
        page.goto(f"{server.url}/runs/c")
        expect(page.get_by_role("navigation", name="Path")).to_contain_text("the <b>parent</b>")
        page.goto(f"{server.url}/experiments/nets?parent=p")
        expect(page.locator("main")).to_contain_text("children of the <b>parent</b>")
        head = page.get_by_test_id("experiment-head")
        expect(head.locator('[data-tag="team"]')).to_contain_text("vision")
        head.get_by_role("button", name="Tag", exact=True).click()
        page.get_by_label("Name of the tag").fill("stage")
        page.get_by_label("Value of the tag").fill("x" * 10_000)
        page.keyboard.press("Enter")
        expect(head.locator('[data-tag="stage"]')).to_be_visible()
        assert fits(page)
        head.get_by_role("button", name="Archive").click()
        expect(head).to_contain_text("This experiment is archived")
        assert barriers(page) == []
        page.keyboard.press("Control+z")
        expect(head).not_to_contain_text("This experiment is archived")
    experiment = store.experiment("nets")
    assert (experiment.archived_ms, experiment.tags) == (None, {"team": "vision", "stage": "x" * 10_000})


def test_a_thousand_params_leave_room_for_the_rest(page: Page, store: LocalStore, tmp_path: Path) -> None:
    params = {f"model.layer{number // 10}.p{number}": number for number in range(1_000)}
    store.apply(Writer("a", experiment="nets").start(name="first").finish(time_ms=now_ms()).batch())
    writer = Writer("b", experiment="nets").start(name="second", params={**params, "prompt": "words " * 500})
    store.apply(writer.add(InfoSet({"packages": {"torch": "2.1"}, "command": {"argv": ["train"]}})).batch())
    with serve_to(page, tmp_path / "w") as server:
        page.goto(f"{server.url}/runs/b?tab=overview")
        rows = page.get_by_test_id("params-table").get_by_role("row")
        expect(rows).to_have_count(2)
        changed = page.get_by_test_id("what-changed")
        expect(changed).to_contain_text("Only one of the two runs recorded: Code, Packages.")
        expect(changed).not_to_contain_text("torch")
        started = page.locator("dl time").first
        expect(started).to_have_attribute("title", re.compile("UTC$"))
        page.get_by_placeholder("Find params and results").fill("p777")
        expect(rows.filter(has_text="777")).to_contain_text("p777")
        page.set_viewport_size({"width": 390, "height": 844})
        assert fits(page)


def test_traces_of_a_run_are_read_span_by_span(page: Page, store: LocalStore, tmp_path: Path, troubles: list[str]) -> None:
    store.apply(Writer("it's", experiment="agents").start(name="agent").finish(time_ms=now_ms()).batch())
    for number, state in enumerate(("OK", "ERROR")):
        usage = {"mlflow.trace.tokenUsage": '{"total_tokens": 1234}'} if state == "OK" else {}
        trace = Trace(
            f"tr-{number}",
            "agents",
            name=f"answer {number}",
            run_id="it's",
            time_ms=now_ms() - 1000 + number,
            duration_ms=80,
            state=state,
            request='{"q": "<b>why</b>"}',
            metadata=usage,
        )
        store.traces.put_trace(trace)
    spans: list[dict[str, Any]] = [
        {
            "span_id": "b",
            "parent_span_id": "a",
            "name": "ask",
            "start_time_unix_nano": 20_000_000,
            "end_time_unix_nano": 70_000_000,
        },
        {"span_id": "a", "name": "answer", "start_time_unix_nano": 10_000_000, "end_time_unix_nano": 90_000_000},
    ]
    spans[0] |= {"status": {"code": "STATUS_CODE_ERROR", "message": "<i>too long</i>"}}
    spans[1] |= {"attributes": {"mlflow.spanType": '"CHAIN"', "mlflow.spanInputs": '{"q": "<b>why</b>"}'}}
    store.traces.put_spans("tr-1", json.dumps({"spans": spans}).encode())
    with serve_to(page, tmp_path / "w") as server:
        page.goto(f"{server.url}/runs/it's")
        page.get_by_role("tab", name="Traces").click()
        rows = page.get_by_test_id("trace-row")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("<b>why</b>")
        expect(rows.last).to_contain_text("1,234")
        rows.first.get_by_role("button").click()
        trace_view = page.get_by_test_id("trace")
        expect(trace_view.get_by_role("button", name="ask")).to_have_attribute("aria-pressed", "true")  # where it failed
        expect(trace_view).to_contain_text("<i>too long</i>")
        trace_view.get_by_role("button", name="answer CHAIN").click()
        expect(trace_view.locator("pre").first).to_contain_text('"q": "<b>why</b>"')
        assert barriers(page) == []
        page.reload()
        expect(trace_view).to_contain_text("80 ms")
        rows.last.get_by_role("button").click()
        expect(trace_view).to_contain_text("have not arrived")
        page.set_viewport_size({"width": 390, "height": 844})
        assert fits(page)
    troubles[:] = [text for text in troubles if "404" not in text]
