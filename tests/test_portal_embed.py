"""Views and panels in other people's pages, and charts as files: who may frame what, what a frame shows, what a file holds."""

from __future__ import annotations

import contextlib
import functools
import http.server
import io
import json
import math
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import urllib3
from playwright.sync_api import Browser, Frame, Page, Request, Route, expect

import tracklog
from tests.batches import T0_MS, Writer
from tests.browser import barriers, clipboard, fits, search, serve_to, text_of
from tests.servers import RunningServer, serve
from tracklog.errors import InvalidValueError
from tracklog.server.app import create_app
from tracklog.server.chart import MAX_RUNS
from tracklog.server.curves import smooth, summarise
from tracklog.server.drawing import HUES, Drawing, Line
from tracklog.settings import Settings
from tracklog.storage.local import LocalStore
from tracklog.storage.registry import ModelEdit, ModelVersion, VersionEdit

_HTTP = urllib3.PoolManager(retries=False, timeout=10)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    with closing(LocalStore(tmp_path / "w")) as store:
        store.apply(Writer("x", experiment="nets").start(name="x").log("loss", 1.0, 0).batch())
        store.put_artifact("x", "a.html", io.BytesIO(b"<p>hello"))
    return tmp_path / "w"


@contextlib.contextmanager
def _serve_to_all(workspace: Path) -> Iterator[str]:
    """`tracklog serve` on every address of this machine."""
    command = [sys.executable, "-c", "from tracklog.cli import main; main()", "serve", str(workspace)]
    with subprocess.Popen(
        [*command, "--host", "0.0.0.0", "--no-auth", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"at http://.*:(\d+) ", process.stdout.readline())
            assert found is not None
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()


def _policy(url: str) -> dict[str, str]:
    """Return the parts of an answer's content security policy."""
    policy = _HTTP.request("GET", url).headers["Content-Security-Policy"]
    return dict(part.strip().partition(" ")[::2] for part in policy.split(";"))


def test_only_embeds_and_the_files_they_show_may_stand_in_a_frame(workspace: Path) -> None:
    with serve(workspace) as server:
        for path in ("/", "/runs/x", "/docs", "/health", "/api/v1/info", "/nowhere", "/embed", "/embedded/x", "/assets/none.js"):
            assert _policy(server.url + path)["frame-ancestors"] == "'none'", path
        for path in ("/%65mbed/runs/x", "/embed%2Fruns/x", "//embed/runs/x"):  # the portal itself, as a browser sees it
            assert _policy(server.url + path)["frame-ancestors"] == "'none'", path
        for path in ("/embed/runs/x", "/embed/compare?runs=a", "/api/v1/runs/x/artifacts/a.html"):
            assert _policy(server.url + path)["frame-ancestors"] == "'self' http://localhost:* http://127.0.0.1:*", path


def test_a_server_for_others_lets_nobody_frame_it_but_whom_the_setting_names(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _serve_to_all(workspace) as url:
        assert _policy(f"{url}/embed/runs/x")["frame-ancestors"] == "'self'"
    monkeypatch.setenv("TRACKLOG_EMBED_ORIGINS", "https://wiki.example.org, http://*.example.org:8443 vscode-webview:")
    with _serve_to_all(workspace) as url:
        assert _policy(f"{url}/embed/runs/x")["frame-ancestors"] == (
            "'self' https://wiki.example.org http://*.example.org:8443 vscode-webview:"
        )
        assert _policy(f"{url}/runs/x")["frame-ancestors"] == "'none'"


@pytest.mark.parametrize(
    "origin",
    ["*", "https:", "http:", "data:", "wiki.example.org", "https://a/path", "https://a; script-src *", "https://*", "", "'self'"],
)
def test_what_is_no_origin_is_refused_when_the_server_starts(workspace: Path, origin: str) -> None:
    with closing(LocalStore(workspace)) as store, pytest.raises(InvalidValueError, match="TRACKLOG_EMBED_ORIGINS"):
        create_app(store, workspace="w", embed_origins=[origin])


def test_origins_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Settings.read(tmp_path).embed_origins == ()
    monkeypatch.setenv("TRACKLOG_EMBED_ORIGINS", " https://a.example,https://b.example  http://c:1 ")
    assert Settings.read(tmp_path).embed_origins == ("https://a.example", "https://b.example", "http://c:1")


# ── pictures by the server ───────────────────────────────────────────────────────────────────────────────────────────

MARKUP = "<img src=x onerror=alert(1)> & </script>"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the pictures of a server with a few curves, among them odd ones."""
    workspace = tmp_path_factory.mktemp("drawn") / "w"
    with closing(LocalStore(workspace)) as store:
        for number in range(3):
            writer = Writer(f"r{number}", experiment="nets").start(
                name=f"net-{number}", start_ms=T0_MS, params={"half": number % 2}
            )
            for step in range(5000):
                writer.log("loss", math.exp(-step / 1000) + number, step)
            store.apply(writer.log("score", number - 1.0, 0).finish().batch())
        odd = Writer("odd", experiment=MARKUP).start(name=MARKUP, start_ms=T0_MS)
        for step, value in enumerate([0.5, math.nan, math.inf, 0.25, -1.0, 1e300, -1e300]):
            odd.log(MARKUP, value, step)
        odd.log("nothing", math.nan, 0).log("nothing", math.nan, 1).log("one", 1.0, 0).log("same", 2.0, 0).log("same", 2.0, 1)
        store.apply(odd.finish().batch())
        sparse = Writer("sparse", experiment="sparse").start(name="sparse", start_ms=T0_MS, tags={"tracklog.colour": "1" * 5000})
        sparse.log("far", 1.0, 0).log("far", 2.0, 100_000).log("score", 1.0, 0)
        for step, value in enumerate([100.0, 0.0, 0.0, 0.0, 0.0, 100.0]):
            sparse.log("flat", value, step)
        sparse.log("great", 1e308, 0).log("great", 1.7e308, 1)
        sparse.log("lone", 1.0, 0).log("lone", math.nan, 1).log("lone", 2.0, 2).log("lone", math.nan, 3)
        store.apply(sparse.finish().batch())
    with serve(workspace) as server:
        yield f"{server.url}/embed/chart.svg"


def _picture(url: str, status: int = 200, **query: object) -> ET.Element:
    """Return a picture, which is well-formed whatever it shows."""
    answer = _HTTP.request("GET", url, fields={name: str(value) for name, value in query.items()})
    assert answer.status == status, answer.data
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert "nan" not in re.sub(r"<text.*?</text>|<title>.*?</title>", "", answer.data.decode())
    return ET.fromstring(answer.data.decode())


def _texts(picture: ET.Element) -> list[str]:
    return [node.text or "" for node in picture.iter("{http://www.w3.org/2000/svg}text")]


def _lines(picture: ET.Element) -> list[str]:
    paths = picture.iter("{http://www.w3.org/2000/svg}path")
    return [path.get("d", "") for path in paths if "l " in f"{path.get('class')} "]


def test_a_picture_has_a_line_with_its_name_for_each_run(drawn: str) -> None:
    picture = _picture(drawn, metric="loss", experiment="nets")

    assert len(_lines(picture)) == 3
    assert {"loss", "net-0", "net-1", "net-2", "nets · 3 runs · 15,000 points"} <= set(_texts(picture))
    assert len(_lines(_picture(drawn, metric="loss", runs="r2,r0"))) == 2
    assert len(_lines(_picture(drawn, metric="loss", experiment="nets", q="name = 'net-1'"))) == 1


def test_a_picture_is_small_and_of_the_size_asked_for(drawn: str) -> None:
    picture = _picture(drawn, metric="loss", runs="r0", width=400, height=200)

    assert (picture.get("width"), picture.get("height")) == ("400", "200")
    assert len(ET.tostring(picture)) < 20_000


def test_a_picture_smooths_and_zooms_as_the_portal_does(drawn: str) -> None:
    [plain] = _lines(_picture(drawn, metric="loss", runs="r0"))
    [smooth] = _lines(_picture(drawn, metric="loss", runs="r0", smooth=500))
    zoomed = _picture(drawn, metric="loss", runs="r0", zoom="999.5~1010.5")

    assert plain != smooth
    assert "1k" not in _texts(zoomed)
    assert {"1000", "1010"} <= set(_texts(zoomed))
    assert _lines(zoomed)[0].count("L") == 12  # eleven points, and where the line comes from and goes to


def test_a_picture_draws_groups_and_every_smoothing_as_the_portal_does(drawn: str) -> None:
    cases = json.loads((Path(__file__).parent.parent / "portal/src/charts/cases.json").read_text())
    for one in cases["smooth"]:
        values = [math.nan if value is None else value for value in one["values"]]
        expected = [math.nan if value is None else value for value in one["expected"]]
        assert smooth(values, one["n"], one["kind"], one["points"]) == pytest.approx(expected, abs=1e-10, nan_ok=True)
    for one in cases["summarise"]:
        curves = [
            (
                curve["x"],
                [math.nan if value is None else value for value in curve["y"]],
                curve["low"],
                curve["high"],
            )
            for curve in one["curves"]
        ]
        for found, name in zip(summarise(curves, one["centre"], one["spread"]), ("x", "middle", "low", "high"), strict=True):
            expected = [math.nan if value is None else value for value in one[name]]
            assert found == pytest.approx(expected, abs=1e-10, nan_ok=True)

    picture = _picture(drawn, metric="loss", experiment="nets", group="param:half", smooth="50~gaussian")
    assert len(_lines(picture)) == 2
    assert {"half=0 ×2", "half=1 ×1", "nets · mean of 3 runs in 2 groups · 15,000 points"} <= set(_texts(picture))
    both = _picture(drawn, metric="loss", experiment="nets", group="param:half,tag:none", band="median~none")
    assert {"0 · – ×2", "1 · – ×1"} <= set(_texts(both))
    bars = _picture(drawn, metric="score", experiment="nets", group="param:half")
    assert {"half=0 ×2", "0", "half=1 ×1"} <= set(_texts(bars))


def _places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.-]+) ([\d.-]+)", path)]


@pytest.mark.parametrize("log", [0, 1])
def test_a_line_passes_through_a_zoom_without_points(drawn: str, log: int) -> None:
    picture = _picture(drawn, metric="far", runs="sparse", zoom="10~1000", log=log)
    [line] = _lines(picture)
    [clip] = picture.iter("{http://www.w3.org/2000/svg}clipPath")
    left, width = (float(clip[0].get(name, "")) for name in ("x", "width"))

    [(start, low), (end, high)] = _places(line)
    assert start == pytest.approx(left, abs=3)
    assert end == pytest.approx(left + width, abs=3)
    assert low > high
    assert "2" not in _texts(picture)  # the height is for what is in view, and so is the value at the end
    assert _lines(_picture(drawn, metric="far", runs="sparse", zoom="-10~-5", log=log)) == []


def test_points_beside_a_zoom_are_smoothed_along(drawn: str) -> None:
    [plain] = _lines(_picture(drawn, metric="flat", runs="sparse", zoom="1~4"))
    [smooth] = _lines(_picture(drawn, metric="flat", runs="sparse", zoom="1~4", smooth=100))

    assert len({y for _, y in _places(plain)}) == 1
    falls = [y for _, y in _places(smooth)]
    assert falls == sorted(set(falls))  # ever lower, from the average with the point before


def test_a_point_between_gaps_is_a_dot(drawn: str) -> None:
    picture = _picture(drawn, metric="lone", runs="sparse")

    assert _lines(picture) == []
    dots = [node for node in picture.iter("{http://www.w3.org/2000/svg}circle") if node.get("r") == "2"]
    assert len({(dot.get("cx"), dot.get("cy")) for dot in dots}) == 2


def test_a_run_of_one_point_is_drawn_beside_others() -> None:
    lines = [Line("a", (0, ""), [1.0], [1.0], None, None), Line("b", (0, ""), [0.0, 2.0], [0.0, 2.0], None, None)]

    picture = ET.fromstring(Drawing("light", (300, 120), "m", "").curves(lines, "step", is_log=False, zoom=None))

    assert len(_lines(picture)) == 1
    assert len([node for node in picture.iter("{http://www.w3.org/2000/svg}circle") if node.get("r") == "2"]) == 1


def test_great_numbers_and_a_long_colour_are_drawn(drawn: str) -> None:
    assert len(_lines(_picture(drawn, metric="great", runs="sparse", log=1))) == 1


@pytest.mark.parametrize("metric", ["score", "loss"])
def test_names_leave_room_in_a_narrow_picture(metric: str) -> None:
    name = "a-name-of-22-characters"[:22]
    drawing = Drawing("light", (200, 120), "m", "")

    if metric == "score":
        picture = ET.fromstring(drawing.bars([(name, (0, ""), 1.0)]))
        bar = list(picture.iter("{http://www.w3.org/2000/svg}rect"))[-1]
        width, start = float(bar.get("width", "")), float(bar.get("x", ""))
        assert width > 30
        assert start < 100
    else:
        line = Line(name, (0, ""), [0.0, 1.0], [0.0, 1.0], None, None)
        picture = ET.fromstring(drawing.curves([line, line], "step", is_log=False, zoom=None))
        (start, _), (end, _) = _places(_lines(picture)[0])
        assert end - start > 60


def test_a_picture_of_too_many_runs_is_refused_and_never_offered(drawn: str) -> None:
    source = (Path(__file__).parent.parent / "portal" / "src" / "charts" / "share.ts").read_text()

    picture = _picture(drawn, 400, metric="loss", runs=",".join(f"r{number}" for number in range(MAX_RUNS + 1)))

    assert f"Expected at most {MAX_RUNS}" in " ".join(_texts(picture))
    assert re.findall(r"const MAX_DRAWN = (\d+);", source) == [str(MAX_RUNS)]


def test_numbers_of_one_point_are_bars(drawn: str) -> None:
    picture = _picture(drawn, metric="score", experiment="nets")

    assert len(list(picture.iter("{http://www.w3.org/2000/svg}rect"))) == 1 + 3
    assert {"net-0", "−1", "net-2", "1"} <= set(_texts(picture))


@pytest.mark.parametrize("log", [0, 1])
@pytest.mark.parametrize("x", ["step", "relative", "time"])
@pytest.mark.parametrize("metric", [MARKUP, "nothing", "one", "same"])
def test_odd_values_and_names_are_drawn(drawn: str, metric: str, x: str, log: int) -> None:
    picture = _picture(drawn, metric=metric, runs="odd", x=x, log=log)

    assert any(text.startswith(metric[:20]) or text == "No points that can be drawn." for text in _texts(picture))
    assert not list(picture.iter("{http://www.w3.org/2000/svg}img"))


@pytest.mark.parametrize(
    ("status", "query", "said"),
    [
        (404, {"metric": "loss", "runs": "nobody"}, "no such run"),
        (404, {"metric": "loss", "experiment": "nobody"}, "No run matches"),
        (404, {"metric": "other", "runs": "r0"}, "“other”"),
        (400, {"metric": "loss"}, "`runs`"),
        (400, {"runs": "r0"}, "`metric`"),
        (400, {"metric": "loss", "runs": "r0", "x": "epoch"}, "step, relative or time"),
        (400, {"metric": "loss", "runs": "r0", "smooth": "nan"}, "`smooth`"),
        (400, {"metric": "loss", "runs": "r0", "zoom": "5~1"}, "`zoom`"),
        (400, {"metric": "loss", "runs": "r0", "zoom": "1~inf"}, "`zoom`"),
        (400, {"metric": "loss", "runs": "r0", "width": "1000000"}, "`width`"),
        (400, {"metric": "loss", "runs": "r0", "theme": "red"}, "light, dark or system"),
        (400, {"metric": "loss", "experiment": "nets", "q": "metrics.loss <"}, "filter"),
        (400, {"metric": "loss", "runs": "r0", "colour": MARKUP}, "colour"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_the_picture(drawn: str, status: int, query: dict[str, str], said: str) -> None:
    picture = _picture(drawn, status, **query)

    assert said in " ".join(_texts(picture))


def test_a_picture_that_did_not_change_is_not_sent_again(drawn: str) -> None:
    first = _HTTP.request("GET", drawn, fields={"metric": "loss", "runs": "r0"})
    again = _HTTP.request("GET", drawn, fields={"metric": "loss", "runs": "r0"}, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status, again.data) == (304, b"")
    assert "sandbox" in first.headers["Content-Security-Policy"]
    assert "script-src" not in first.headers["Content-Security-Policy"]
    assert "default-src 'none'" in first.headers["Content-Security-Policy"]


_FINITE = st.floats(allow_nan=False, allow_infinity=False)


@hypothesis.given(
    st.lists(st.tuples(_FINITE, st.floats()), min_size=1, max_size=8),
    st.sampled_from(["step", "relative", "time"]),
    st.booleans(),
    st.none() | st.tuples(_FINITE, _FINITE).map(sorted).filter(lambda ends: ends[0] < ends[1]),
)
@hypothesis.example([(0.0, 1e308), (1.0, 1.7e308)], "step", True, None)
@hypothesis.example([(0.0, sys.float_info.max), (2.0, sys.float_info.max)], "step", True, [0.5, 1.5])
def test_any_numbers_make_a_well_formed_picture(
    points: list[tuple[float, float]], x: str, is_log: bool, zoom: list[float] | None
) -> None:
    points.sort(key=lambda point: point[0])
    xs, ys = [at for at, _ in points], [value for _, value in points]

    ends = None if zoom is None else (zoom[0], zoom[1])
    drawn = Drawing("system", (300, 200), "m", "").curves([Line("n", (0, ""), xs, ys, ys, ys)], x, is_log=is_log, zoom=ends)

    picture = ET.fromstring(drawn)
    for node in picture.iter():
        placed = [node.get(name, "") for name in ("d", "x", "y", "cx", "cy", "width", "height")]
        assert not re.search(r"nan|inf", " ".join(placed)), drawn


def test_text_that_xml_cannot_hold_is_left_out() -> None:
    picture = ET.fromstring(Drawing("light", (300, 200), "a\tb\nc\r\x00\x1f\ufffe\uffff\ud800-\udfff\ufffd😀", "").close())

    assert _texts(picture)[0] == "a\tb\nc-\ufffd😀"


def test_a_picture_has_the_portals_colours() -> None:
    source = (Path(__file__).parent.parent / "portal" / "src" / "charts" / "colours.ts").read_text()
    found = [
        re.findall(r'"(#[0-9a-f]{6})"', re.findall(rf"const {name} = \[(.*?)\];", source, re.DOTALL)[0])
        for name in ("LIGHT", "DARK")
    ]

    assert [f"{light} {dark}" for light, dark in zip(*found, strict=True)] == HUES


# ── in a browser ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server over two runs with curves, numbers, pictures, texts and tables, and one whose name is markup."""
    folder = tmp_path_factory.mktemp("embed")
    for number in range(2):
        with tracklog.start_run(
            "nets", name=f"net-{number}", params={"lr": (number + 1) / 10}, uri=folder / "w", capture=False
        ) as run:
            for step in range(40):
                run.log("train/loss", math.exp(-step / 10) + number, step=step)
            for step in range(3):
                run.log_image("samples", np.eye(8) * step / 2, step=step)
            run.log("lr", 0.1 + number)
            run.log("note", f"text of {number}")
            run.log_row("words", word="hello", times=number)
    with closing(LocalStore(folder / "w")) as store:
        odd = Writer("odd", experiment=MARKUP).start(name=MARKUP, start_ms=T0_MS)
        store.apply(odd.log(MARKUP, 0.5, 0).log(MARKUP, math.nan, 1).log(MARKUP, 0.25, 2).finish().batch())
        store.apply(Writer("empty", experiment="none").start(name="empty", start_ms=T0_MS).batch())
        store.apply(Writer("parent", experiment="sweep").start(name="parent", start_ms=T0_MS).finish().batch())
        for number in range(2):
            child = Writer(f"child-{number}", experiment="sweep").start(
                name=f"child-{number}", parent_id="parent", start_ms=T0_MS
            )
            store.apply(child.log("loss", 1.0, 0).log("loss", 0.5, 1).finish().batch())
            store.registry.add_version("judge", ModelVersion(source="runs:/child-0/model", run_id="child-0"), create=True)
        store.registry.edit_version("judge", 1, VersionEdit(stage="Production"))
        store.registry.edit_model("judge", ModelEdit(description="Tells *cats* from dogs.", aliases={"champion": 1}))
    with serve(folder / "w") as server:
        yield server


def _id(server: RunningServer, name: str) -> str:
    [run] = [run for run in search(server) if run["name"] == name]
    run_id: str = run["id"]
    return run_id


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextlib.contextmanager
def _wiki(folder: Path, body: str) -> Iterator[int]:
    """Somebody's web server with one page; its port."""
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(f"<!doctype html><title>wiki</title><link rel=icon href='data:,'><body>{body}")
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _frame(page: Page) -> Frame:
    """The frame in a page, once its document is there."""
    handle = page.locator("iframe").element_handle()
    assert handle is not None
    frame = handle.content_frame()
    assert frame is not None
    frame.wait_for_load_state()
    return frame


@pytest.mark.browser
def test_what_the_share_menu_copies_works_pasted_into_another_sites_page(
    page: Page, gallery: RunningServer, tmp_path: Path
) -> None:
    run_id = _id(gallery, "net-1")
    page.goto(f"{gallery.url}/runs/{run_id}?smooth=3")
    chart = page.locator("[data-metric='train/loss']")

    chart.get_by_role("button", name="Share loss").click()
    page.get_by_role("button", name="Copy frame (HTML)").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Frame copied")
    snippet = clipboard(page)
    chart.get_by_role("button", name="Share loss").click()
    page.get_by_role("button", name="Copy Markdown link").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Markdown copied")
    assert re.fullmatch(
        rf"\[train/loss\]\({gallery.url}/embed/runs/{run_id}\?smooth=3&panel=metric%3Atrain%2Floss\)", clipboard(page)
    )

    with _wiki(tmp_path / "wiki", snippet) as port:
        page.goto(f"http://127.0.0.1:{port}/")
        frame = _frame(page)
        expect(frame.get_by_role("group", name="train/loss over step")).to_be_visible()
        expect(frame.get_by_test_id("embed-whole")).to_have_text("net-1 · nets")
        with page.context.expect_page() as opened:
            frame.get_by_test_id("embed-whole").click()
        expect(opened.value).to_have_url(f"{gallery.url}/runs/{run_id}?smooth=3")
        opened.value.close()
        page.goto("about:blank")


@pytest.mark.browser
def test_a_frame_stands_only_in_pages_that_may_have_it(
    browser: Browser, gallery: RunningServer, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.new_page()  # what is refused is an error in the console

    def shows(server: RunningServer, path: str, host: str) -> bool:
        with _wiki(tmp_path / "wiki", f'<iframe src="{server.url}{path}"></iframe>') as port:
            page.goto(f"http://{host}:{port}/")
            is_there = _frame(page).url.startswith(server.url)
            page.goto("about:blank")
        return is_there

    assert shows(gallery, "/embed/runs/odd", "127.0.0.1")
    assert shows(gallery, "/embed/runs/odd", "localhost")
    assert not shows(gallery, "/embed/runs/odd", "wiki.localhost")
    for path in ("/", "/runs/odd", "/docs", "/settings"):
        assert not shows(gallery, path, "127.0.0.1"), path
    monkeypatch.setenv("TRACKLOG_EMBED_ORIGINS", "http://wiki.localhost:*")
    with serve(workspace) as server:
        assert shows(server, "/embed/runs/x", "wiki.localhost")
        assert not shows(server, "/embed/runs/x", "other.localhost")
        assert not shows(server, "/runs/x", "wiki.localhost")
    page.close()


SCATTER = {"id": "p1", "kind": "scatter", "x": "param:lr", "y": "metric:lr"}
VIEWS = {
    "run": ("/embed/runs/NET", "train"),
    **{
        tab: (f"/embed/runs/NET?tab={tab}", text)
        for tab, text in {
            "overview": "lr",
            "log": "Nothing was printed",
            "code": "No",
            "files": "images",
            "images": "samples",
            "tables": "word",
            "lineage": "No",
        }.items()
    },
    "panel": ("/embed/runs/NET?panel=metric%3Atrain%2Floss", "train/loss"),
    "number": ("/embed/runs/NET?panel=metric%3Alr", "1.1"),
    "images": ("/embed/experiments/nets?panel=metric%3Asamples&own=%7B%22at%22%3A1%7D", "step 1"),
    "experiment": ("/embed/experiments/nets", "2 runs"),
    "selection": ("/embed/experiments/nets?sel=NET&panel=metric%3Atrain%2Floss", "all 40 points kept"),
    "all runs": ("/embed/runs?part=charts", "train"),
    "table": ("/embed/experiments/nets?part=table", "net-0"),
    "compare": ("/embed/compare?runs=NET,NET0", "baseline"),
    "compared charts": ("/embed/compare?runs=NET,NET0&tab=charts", "80 points"),
    "one of them": ("/embed/compare?runs=NET,NET0&panel=metric%3Atrain%2Floss", "80 points"),
    "child runs": ("/embed/runs/parent?tab=children", "child-1"),
    "model": ("/embed/models/judge", "@champion"),
    "activity": ("/embed/activity?kind=models", "2 versions were registered"),
    "made by hand": (f"/embed/experiments/nets?panel=p1&panels={quote(json.dumps({'added': [SCATTER]}))}", "2 runs"),
}
CHANGES = re.compile(r"delet|trash|restor|renam|archiv|\btag|colour|cancel|edit|remove|pin ", re.IGNORECASE)


@pytest.mark.browser
@pytest.mark.parametrize("view", VIEWS)
def test_each_kind_of_view_in_both_themes_has_no_barriers_and_nothing_that_changes_a_run(
    page: Page, gallery: RunningServer, view: str
) -> None:
    path, text = VIEWS[view]
    path = path.replace("NET0", _id(gallery, "net-0")).replace("NET", _id(gallery, "net-1"))
    writes: list[str] = []

    def note(request: Request) -> None:
        is_reading = request.method == "GET" or re.search(r"/(search|ids|groups|stalled|series\?screen=1)$", request.url)
        if not is_reading:
            writes.append(request.url)

    page.on("request", note)
    for theme in ("light", "dark"):
        page.set_viewport_size({"width": 700, "height": 420} if theme == "light" else {"width": 390, "height": 520})
        page.goto(f"{gallery.url}{path}{'&' if '?' in path else '?'}theme={theme}")
        expect(page.locator("main")).to_contain_text(text)
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme
        assert fits(page)
        assert barriers(page) == []
        expect(page.get_by_role("banner")).to_have_count(0)
        for button in page.get_by_role("button").all():
            name = f"{button.get_attribute('aria-label') or ''} {button.inner_text()}"
            assert not CHANGES.search(name), name
    for key in ("e", "Delete", "a", "#", "m", "Control+k"):
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert writes == []
    assert page.evaluate("localStorage.getItem('tracklog.theme')") is None


@pytest.mark.browser
def test_the_rows_of_an_embedded_table_lead_out_and_cannot_be_changed(page: Page, gallery: RunningServer) -> None:
    page.goto(f"{gallery.url}/embed/experiments/nets?part=table")
    row = page.get_by_test_id("run-row").filter(has_text="net-0")
    row.click()
    for key in ("e", "Delete", "a", "x", "m"):
        page.keyboard.press(key)
    row.click(button="right")

    expect(page.get_by_role("menu")).to_have_count(0)
    expect(page.get_by_role("checkbox")).to_have_count(0)
    expect(page.get_by_role("textbox")).to_have_count(0)
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    expect(opened.value).to_have_url(f"{gallery.url}/runs/{_id(gallery, 'net-0')}")
    opened.value.close()
    with page.context.expect_page() as opened:
        row.get_by_role("link", name="net-0").click()
    opened.value.close()


@pytest.mark.browser
def test_a_chart_goes_on_in_the_frame_and_says_when_the_server_is_away(page: Page, tmp_path: Path, troubles: list[str]) -> None:
    with tracklog.start_run("live", name="live", uri=tmp_path / "w", capture=False) as run, serve(tmp_path / "w") as server:
        port = int(server.url.rsplit(":", 1)[1])
        body = f'<iframe src="{server.url}/embed/runs/{run.id}?panel=metric%3Aloss" width="600" height="320"></iframe>'
        with _wiki(tmp_path / "wiki", body) as wiki:
            page.goto(f"http://127.0.0.1:{wiki}/")
            frame = _frame(page)
            expect(frame.get_by_test_id("embed-note")).to_contain_text("Nothing is logged as “loss”")
            for step in range(2):
                run.log("loss", 1.0 + step, step=step)
            expect(frame.locator("main")).to_contain_text("all 2 points kept")
            run.log("loss", 3.0, step=2)
            expect(frame.locator("main")).to_contain_text("all 3 points kept")
            server.process.terminate()
            server.process.wait(10)
            expect(frame.get_by_test_id("embed-lost")).to_be_visible()
            expect(frame.locator("main")).to_contain_text("all 3 points kept")
            run.log("loss", 4.0, step=3)
            with serve(tmp_path / "w", port):
                expect(frame.get_by_test_id("embed-lost")).to_have_count(0)
                expect(frame.locator("main")).to_contain_text("all 4 points kept")
                page.goto("about:blank")
    troubles[:] = [one for one in troubles if "ERR_CONNECTION_REFUSED" not in one and "net::" not in one]


@pytest.mark.browser
def test_a_frame_says_when_the_server_fails_while_its_events_go_on(page: Page, tmp_path: Path, troubles: list[str]) -> None:
    writer = Writer("r", experiment="e").start(name="r", start_ms=T0_MS).log("loss", 1.0, 0).log("loss", 0.5, 1)
    with closing(LocalStore(tmp_path / "w")) as store, serve_to(page, tmp_path / "w") as server:
        store.apply(writer.batch())
        page.set_viewport_size({"width": 320, "height": 240})
        page.goto(f"{server.url}/embed/runs/r?panel=metric%3Aloss")
        expect(page.locator("main")).to_contain_text("all 2 points kept")
        failing = {"error": {"code": "INTERNAL", "message": "The disk is on fire."}}
        page.route("**/api/v1/series**", lambda route: route.fulfill(status=500, json=failing))
        store.apply(writer.log("loss", 0.25, 2).batch())

        expect(page.get_by_test_id("embed-trouble")).to_have_text("not up to date: The disk is on fire.")
        expect(page.locator("main")).to_contain_text("all 2 points kept")
        assert fits(page)
        assert barriers(page) == []

        page.unroute("**/api/v1/series**")
        expect(page.locator("main")).to_contain_text("all 3 points kept")
        expect(page.get_by_test_id("embed-trouble")).to_have_count(0)
    troubles[:] = [text for text in troubles if "500" not in text]


@pytest.mark.browser
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/embed/runs/nobody", "There is no such run"),
        ("/embed/runs/nobody?panel=metric%3Aloss", "There is no such run"),
        ("/embed/compare?runs=nobody&panel=metric%3Aloss", "None of these runs is here"),
        ("/embed/runs/empty", "Nothing logged yet"),
        ("/embed/runs/odd?panel=metric%3Aother", "Nothing is logged as “other”"),
        ("/embed/runs/odd?panel=p7&panels={", "This panel is no longer there"),
        ("/embed/experiments/nobody", "No runs in “nobody”"),
        ("/embed/experiments/nets?q=nothing&part=table", "No run matches"),
        ("/embed/models/nobody", "There is no such model"),
        ("/embed/models", "There is nothing to embed here"),
        ("/embed/", "There is nothing to embed here"),
    ],
)
def test_what_is_not_there_says_so(page: Page, gallery: RunningServer, troubles: list[str], path: str, text: str) -> None:
    page.set_viewport_size({"width": 420, "height": 240})
    page.goto(gallery.url + path)

    expect(page.get_by_test_id("embed-note")).to_contain_text(text)
    assert fits(page)
    assert barriers(page) == []
    troubles[:] = [one for one in troubles if "404" not in one]


@pytest.mark.browser
@pytest.mark.parametrize(
    ("status", "text"),
    [
        (None, "The server does not answer"),
        (502, "The server does not answer"),
        (401, "This server asks who you are"),
        (403, "This server asks who you are"),
        (500, "This could not be loaded"),
    ],
)
@pytest.mark.parametrize(
    "path", ["/embed/runs/odd?panel=metric%3Aloss", "/embed/experiments/nets?part=table", "/embed/compare?runs=odd"]
)
def test_a_frame_that_cannot_load_says_why_and_goes_on_when_it_can(
    page: Page, gallery: RunningServer, troubles: list[str], path: str, status: int | None, text: str
) -> None:
    def answer(route: Route) -> None:  # as a proxy would, or nobody
        if status is None:
            route.abort()
        else:
            route.fulfill(status=status, content_type="text/html", body="<h1>no</h1>")

    page.set_viewport_size({"width": 480, "height": 260})
    page.route("**/api/**", answer)
    page.goto(gallery.url + path)
    expect(page.locator("main")).to_contain_text(text)
    assert fits(page)
    assert barriers(page) == []

    page.unroute("**/api/**")
    page.reload()
    expect(page.locator("main")).not_to_contain_text(text)
    expect(page.get_by_test_id("embed-whole")).to_be_visible()
    troubles[:] = [one for one in troubles if "Failed to load" not in one and "EventSource" not in one]


@pytest.mark.browser
def test_a_run_in_the_trash_is_shown_as_such_without_a_way_to_restore_it(page: Page, tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path / "w")) as store:
        writer = Writer("gone", experiment="e").start(name="gone", start_ms=T0_MS)
        store.apply(writer.log("loss", 1.0, 0).log("loss", 0.5, 1).finish().batch())
    with serve_to(page, tmp_path / "w") as server:
        body = json.dumps({"deleted": True}).encode()
        _HTTP.request("PATCH", f"{server.url}/api/v1/runs/gone", body=body, headers={"Content-Type": "application/json"})
        page.goto(f"{server.url}/embed/runs/gone?panel=metric%3Aloss")

        expect(page.get_by_test_id("embed-whole")).to_have_text("gone · e · In the trash")
        expect(page.locator("main")).to_contain_text("all 2 points kept")
        expect(page.get_by_role("button", name="Restore")).to_have_count(0)


@pytest.mark.browser
def test_what_is_chosen_on_a_panel_goes_along(page: Page, gallery: RunningServer) -> None:
    page.goto(f"{gallery.url}/experiments/nets?charts=all")
    viewer = page.get_by_test_id("image-viewer")
    viewer.get_by_role("slider").fill("1")
    viewer.get_by_role("button", name="Share samples").click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Link copied")

    page.goto(clipboard(page))

    expect(page.get_by_test_id("image-viewer")).to_contain_text("step 1")
    expect(page.get_by_role("slider")).to_have_value("1")
    expect(page.locator("img")).to_have_count(2)


@pytest.mark.browser
def test_a_picture_is_offered_of_what_the_server_can_draw(page: Page, gallery: RunningServer) -> None:
    page.goto(f"{gallery.url}/experiments/nets?smooth=5")
    page.get_by_role("button", name="Share train/loss").click()
    page.get_by_role("button", name="Copy Markdown image").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Markdown copied")
    found = re.fullmatch(r"\[!\[train/loss\]\((.*?)\)\]\((.*?)\)", clipboard(page))
    assert found is not None
    assert found[1] == f"{gallery.url}/embed/chart.svg?metric=train%2Floss&experiment=nets&smooth=5"

    page.set_content(f'<a href="{found[2]}"><img src="{found[1]}"></a>')
    picture = page.locator("img")
    expect(picture).to_have_js_property("naturalWidth", 640)
    page.goto(found[1])
    expect(page.get_by_text("nets · 2 runs · 80 points", exact=True)).to_be_visible()

    page.goto(f"{gallery.url}/experiments/nets?charts=all&by=param:lr&smooth=5~mean")
    page.get_by_role("button", name="Share loss").click()
    page.get_by_role("button", name="Copy Markdown image").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Markdown copied")
    assert "&smooth=5%7Emean&group=param%3Alr)" in clipboard(page)

    page.goto(f"{gallery.url}/experiments/nets?charts=all&colour=param:lr")
    page.get_by_role("button", name="Share loss").click()
    expect(page.get_by_role("button", name="Copy Markdown link")).to_be_visible()
    expect(page.get_by_role("button", name="Copy Markdown image")).to_have_count(0)


@pytest.mark.browser
def test_tables_and_comparisons_are_shared_too(page: Page, gallery: RunningServer, tmp_path: Path) -> None:
    page.goto(f"{gallery.url}/experiments/nets?q=net-1")
    page.get_by_role("button", name="Take the table along").click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Link copied")
    page.goto(clipboard(page))
    expect(page.get_by_test_id("run-row")).to_have_count(1)

    page.goto(f"{gallery.url}/compare?runs={_id(gallery, 'net-0')},{_id(gallery, 'net-1')}")
    page.get_by_role("button", name="Share this comparison").click()
    saved = _page_file(page, tmp_path / "compared.html").read_text()
    assert '"net-0","net-1"' in saved
    assert "train/loss" in saved
    page.get_by_role("button", name="Share this comparison").click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Link copied")
    page.goto(clipboard(page))
    expect(page.get_by_test_id("compared").get_by_role("listitem")).to_have_count(2)
    expect(page.get_by_role("button", name="Add a run")).to_have_count(0)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _page_file(page: Page, file: Path) -> Path:
    """Download what the open menu gives as a page, and return it as a file."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as a page").click()
    file.write_text(text_of(download.value))
    return file


@contextlib.contextmanager
def _opened(browser: Browser, file: Path, theme: str) -> Iterator[Page]:
    """A downloaded page as it opens from a disk, without any network; fails on an error or a request."""
    troubles: list[str] = []
    context = browser.new_context(offline=True, color_scheme="dark" if theme == "dark" else "light")
    page = context.new_page()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("request", lambda request: troubles.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    page.goto(file.as_uri())
    yield page
    context.close()
    assert troubles == []


@pytest.mark.browser
def test_a_panel_as_a_page_opens_from_a_disk_with_exact_values_and_data(
    page: Page, browser: Browser, gallery: RunningServer, tmp_path: Path
) -> None:
    page.goto(f"{gallery.url}/experiments/nets?charts=all")
    chart = page.locator("[data-metric='train/loss']")
    expect(chart).to_contain_text("all 80 points kept")
    chart.get_by_role("button", name="Share loss").click()
    file = _page_file(page, tmp_path / "loss.html")

    for theme in ("light", "dark"):
        with _opened(browser, file, theme) as saved:
            expect(saved.get_by_role("heading", name="loss")).to_be_visible()
            drawing = saved.get_by_role("group", name="loss")
            drawing.focus()
            saved.keyboard.press("End")
            expect(drawing.get_by_role("status")).to_have_text(re.compile(r"39.*net-1.*1\.0202419.*net-0.*0\.0202419"))
            drawing.locator("svg").first.hover()
            expect(drawing.get_by_role("status")).to_contain_text("net-0")
            saved.get_by_text("Data: 80 rows").click()
            expect(saved.get_by_role("row")).to_have_count(81)
            expect(saved.get_by_role("cell", name=repr(math.exp(-0.1)))).to_be_visible()  # to the last digit
            assert saved.evaluate("getComputedStyle(document.body).backgroundColor") == (
                "rgb(255, 255, 255)" if theme == "light" else "rgb(22, 26, 32)"
            )
            assert barriers(saved) == []
            assert fits(saved)


@pytest.mark.browser
def test_a_whole_view_is_one_file_with_all_its_panels(
    page: Page, browser: Browser, gallery: RunningServer, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": 1000, "height": 400})  # most panels are out of view
    page.goto(f"{gallery.url}/experiments/nets?charts=all&q=net")
    page.get_by_role("button", name="Share these charts").click()
    file = _page_file(page, tmp_path / "nets.html")

    assert file.stat().st_size < 120_000
    with _opened(browser, file, "dark") as saved:
        expect(saved.get_by_role("heading", name="nets", exact=True)).to_be_visible()
        expect(saved.get_by_role("heading", name="train")).to_be_visible()
        expect(saved.locator("main > .panels > figure")).to_have_count(5)
        expect(saved.locator("img")).to_have_count(2)
        expect(saved.locator("body")).not_to_contain_text("Not in this file")
        expect(saved.locator("dl")).to_contain_text("Exported")
        expect(saved.locator("dl")).to_contain_text("net")
        source = saved.get_by_role("link", name="/experiments/nets").get_attribute("href")
        assert source == f"{gallery.url}/experiments/nets?charts=all&q=net"
        expect(saved.get_by_role("link", name="net-1")).to_have_attribute("href", f"{gallery.url}/runs/{_id(gallery, 'net-1')}")
        assert saved.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
        assert barriers(saved) == []
        saved.set_viewport_size({"width": 390, "height": 800})
        assert fits(saved)


@pytest.mark.browser
def test_the_table_of_runs_is_a_page_as_well(page: Page, browser: Browser, gallery: RunningServer, tmp_path: Path) -> None:
    page.goto(f"{gallery.url}/experiments/nets?q=net&order=name")
    page.get_by_role("button", name="Take the table along").click()
    file = _page_file(page, tmp_path / "table.html")

    with _opened(browser, file, "dark") as saved:
        expect(saved.get_by_role("heading", name="nets")).to_be_visible()
        expect(saved.get_by_role("row")).to_have_count(3)
        expect(saved.get_by_role("row").nth(1)).to_contain_text("net-0")
        expect(saved.get_by_role("columnheader", name="Status")).to_be_visible()
        assert barriers(saved) == []


@pytest.mark.browser
def test_numbers_and_tables_of_words_are_in_the_file_too(
    page: Page, browser: Browser, gallery: RunningServer, tmp_path: Path
) -> None:
    page.goto(f"{gallery.url}/runs/{_id(gallery, 'net-1')}")
    page.get_by_role("button", name="Share these charts").click()
    file = _page_file(page, tmp_path / "net.html")

    with _opened(browser, file, "light") as saved:
        expect(saved.locator("main > .panels > figure")).to_have_count(5)
        expect(saved.get_by_role("cell", name="1.1", exact=True)).to_be_visible()
        expect(saved.get_by_role("cell", name="hello")).to_be_visible()
        expect(saved.locator("body")).not_to_contain_text("Not in this file")


@pytest.mark.browser
def test_names_that_are_markup_stay_text_in_every_form(
    page: Page, browser: Browser, gallery: RunningServer, tmp_path: Path
) -> None:
    page.goto(f"{gallery.url}/runs/odd")
    page.get_by_role("button", name="Share these charts").click()
    file = _page_file(page, tmp_path / "odd.html")
    with _opened(browser, file, "light") as saved:
        expect(saved.get_by_role("heading", name=MARKUP)).to_be_visible()
        expect(saved.locator("img")).to_have_count(0)
        saved.get_by_text("Data: 3 rows").click()
        expect(saved.get_by_role("cell", name="NaN")).to_be_visible()

    chart = page.get_by_test_id("chart-card")
    chart.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Copy frame (HTML)").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Frame copied")
    snippet = clipboard(page)
    with _wiki(tmp_path / "wiki", snippet) as port:
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.locator("body > *")).to_have_count(1)
        expect(_frame(page).locator("main")).to_contain_text("all 3 points kept")
        page.goto("about:blank")
