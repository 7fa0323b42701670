"""The charts in a real browser: every kind of panel driven once as a person would, on data with a shape and on bad data."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
import struct
import time
import wave
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import tracklog
from tests.batches import T0_MS, Writer
from tests.browser import TIMEOUT_MS, barriers, clipboard, fits, search, serve_to, text_of
from tests.servers import RunningServer, serve
from tracklog.records import DType, MetricKey, MetricKind, Process, RunEdited
from tracklog.storage.local import LocalStore

pytestmark = pytest.mark.browser

STEPS = 6_000  # more than a chart has pixels: buckets
RUNS = ("net-2", "net-10", "net-9", "base-1")  # in this order they started; by nature 2 comes before 10


def fill(workspace: Path) -> None:
    """Four runs of two learning rates that log something of every kind there is."""
    random = np.random.default_rng(5)
    for number, name in enumerate(RUNS):
        lr = 0.1 if number % 2 == 0 else 0.01
        params = {"lr": lr, "seed": number // 2, "optimizer": "adamw" if number < 3 else "sgd", "width": 2**number}
        with tracklog.start_run("nets", name=name, params=params, uri=workspace) as run:
            noise = random.normal(0, 0.05, STEPS)
            for step in range(STEPS):
                loss = 2.2 * math.exp(-step / (900 + 200 * number)) + 0.1 * number + 0.2 + float(noise[step])
                run.log({"train/loss": loss + (3.0 if step == 2_345 else 0.0), "train/accuracy": 1 - loss / 3}, step=step)
                if step % 20 == 0:
                    run.log("train/grad_norm", 10 ** (2 - 5 * step / STEPS + float(noise[step])), step=step)
                if step % 1_000 == 0:
                    run.log("val/loss", loss + 0.1, step=step)
            _log_charts(run, number, random)
            _keep_files(run, number)


def _log_charts(run: tracklog.Run, number: int, random: np.random.Generator) -> None:
    labels = ["cat", "dog", "heron"]
    for epoch in range(6):
        run.log_row(
            "per epoch", epoch=epoch, column2=0.5 + epoch / 10, column10=0.4 + epoch / 12 + number / 20, column1=0.1 * epoch
        )
        run.log_histogram("weights/layer1", random.normal(0, 0.4 + epoch / 5, 2_000), step=epoch * 100, bins=32)
        run.log_image("samples", _picture(epoch, number), step=epoch * 100)
        run.log_text("answer", f"After {epoch} epochs the answer of {run.name} is {40 + epoch}.", step=epoch * 100)
    for item in range(4):
        run.log_row(
            "cases", id=item, text=f"case {item}", verdict="right" if item % 2 == number % 2 else "wrong", score=item / 4 + number
        )
    run.log_confusion_matrix(
        "confusion", {"class_labels": labels, "matrix": [[30 + number, 5, 2], [4, 25, 1], [0, 3, 40 - number]]}
    )
    run.log_accuracy_table("rates", _accuracy_table(labels, number))
    edges = np.linspace(-3, 3, 21)
    run.log_residuals("residuals", {"bin_edges": edges, "bin_counts": np.exp(-((edges[:-1] - number / 5) ** 2)) * 100})
    run.log_predictions(
        "predictions",
        {
            "bin_averages": edges[:-1] + number / 10,
            "bin_errors": np.full(20, 0.3),
            "bin_counts": np.arange(20),
            "bin_edges": edges,
        },
    )
    run.log("score", 0.5 + number / 10)


def _picture(epoch: int, number: int) -> np.ndarray:
    rows, columns = np.mgrid[0:48, 0:48]
    return np.uint8(np.clip(128 + 100 * np.sin(rows / (3 + epoch)) * np.cos(columns / (4 + number)), 0, 255))


def _accuracy_table(labels: list[str], number: int) -> dict[str, object]:
    thresholds = [at / 20 for at in range(21)]
    tables = []
    for index in range(len(labels)):
        sharp = 2 + index + number
        found = [(1 - at) ** (1 / sharp) for at in thresholds]
        false = [(1 - at) ** sharp for at in thresholds]
        tables.append(
            [
                [round(100 * a), round(200 * b), 200 - round(200 * b), 100 - round(100 * a)]
                for a, b in zip(found, false, strict=True)
            ]
        )
    return {
        "probability_tables": tables,
        "percentile_tables": tables,
        "probability_thresholds": thresholds,
        "percentile_thresholds": thresholds,
        "class_labels": labels,
    }


def _keep_files(run: tracklog.Run, number: int) -> None:
    for at in range(3):
        run.upload_file(f"media/tone-{at}.wav", io.BytesIO(_tone(220 * (at + 1 + number))))
    script = "document.body.append('ran'); top.document.title = 'broken in'; fetch('/api/v1/experiments')"
    run.upload_file("media/report.html", io.BytesIO(f"<h1>Report of {run.name}</h1><script>{script}</script>".encode()))
    figure = {
        "data": [
            {"type": "scatter", "name": "tried", "x": [1, 2, 3], "y": [2, 1, 3 + number]},
            {"type": "bar", "name": "kept", "x": [1, 2, 3], "y": [1, 1, 2]},
        ],
        "layout": {"title": {"text": "Tried and kept"}, "xaxis": {"title": {"text": "round"}}},
    }
    run.upload_file("media/chart.plotly.json", io.BytesIO(json.dumps(figure).encode()))
    run.upload_file("media/notes.txt", io.BytesIO(b"one\ntwo <b>three</b>\n"))


def _tone(hertz: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8_000)
        out.writeframes(
            b"".join(struct.pack("<h", round(9_000 * math.sin(2 * math.pi * hertz * i / 8_000))) for i in range(4_000))
        )
    return file.getvalue()


MARKUP = "<img src=x onerror=alert(1)> & <b>bold</b>"
RIGHT_TO_LEFT = "שגיאת אימון/\u202eהפסד"
LONG = "stage/" + "a_name_of_three_hundred_characters_" * 8 + "end.weight"
LAYERS = [f"gradients/transformer.encoder.layer.{layer}.attention.output.weight" for layer in (1, 2, 10)]
TEXTS = 30_000  # more than a panel walks through


def fill_odd(workspace: Path) -> None:
    """One run with everything that charts trip over, and one more to stand beside it."""
    with closing(LocalStore(workspace, clock_ms=lambda: T0_MS)) as store:
        for number in range(2):
            run = Writer(f"odd-{number}", experiment="odd").start(
                name=("odd", MARKUP)[number], start_ms=T0_MS, params={"n": number}
            )
            series = {
                "odd/nan": [math.nan] * 20,
                "odd/infinite": [1.0, math.inf, 2.0, -math.inf, math.nan, 1.5, math.inf],
                "odd/one": [3.25],
                "odd/two": [1.0, 2.0],
                "odd/huge": [-1e308, 1e308, 5e307, math.inf, 1.7e308],
                "odd/tiny": [1e-308, 5e-308, 3e-308, 0.0],
                "odd/wide": [10.0**power for power in range(-300, 301, 30)],
                "odd/signed": [math.sin(at / 5) * 10 for at in range(60)],
                "odd/constant": [7.0] * 50,
                "odd/huge constant": [1e20 + 1] * 50,
                MARKUP: [1.0, 2.0, 1.0],
                RIGHT_TO_LEFT: [3.0, 2.0, 1.0],
                LONG: [0.0, 1.0, 0.5],
                **{name: [float(at + number) for at in range(5)] for name in LAYERS},
            }
            for name, values in series.items():
                for step, value in enumerate(values):
                    run.log(name, value, 0 if name == "odd/one" else step * 100)
            # Named before its first point, as a program may do that then dies.
            run.add(MetricKey(900, "odd/none", "", MetricKind.SCALAR, DType.FLOAT, ""))
            store.apply(run.batch(live=False))
            for step in range(TEXTS if number == 0 else 3):
                run.log("odd/texts", f"text {step} {MARKUP if step % 2 == 0 else 'שלום'}", step)
            store.apply(run.finish().batch(live=False))


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server over runs of every kind of chart."""
    workspace = tmp_path_factory.mktemp("charts") / "w"
    fill(workspace)
    fill_odd(workspace)
    with serve(workspace) as server:
        yield server


def _ids(server: RunningServer) -> dict[str, str]:
    return {run["name"]: run["id"] for run in search(server, experiment="nets")}


@pytest.fixture
def one(page: Page, nets: RunningServer) -> Page:
    """The charts of one run."""
    page.goto(f"{nets.url}/runs/{_ids(nets)['net-2']}")
    expect(card(page, "train/loss")).to_contain_text("all 6,000 points kept")
    return page


@pytest.fixture
def four(page: Page, nets: RunningServer) -> Page:
    """The charts of all four runs."""
    found = _ids(nets)
    page.goto(f"{nets.url}/compare?tab=charts&runs={','.join(found[name] for name in RUNS)}")
    expect(card(page, "train/loss")).to_contain_text("all 24,000 points kept")
    return page


def card(page: Page, name: str) -> Locator:
    """The panel of a metric, or the one with a title."""
    return page.locator(f"figure[data-metric={json.dumps(name, ensure_ascii=False)}]")


def plot(panel: Locator) -> Locator:
    return panel.get_by_role("group", name="Arrow keys read values")


def act(panel: Locator, name: str, menu: str = "Actions") -> None:
    """Choose something in a menu of a panel."""
    panel.hover()
    panel.get_by_role("button", name=re.compile(f"^{menu} (of )?")).click()
    panel.get_by_role("button", name=name).or_(panel.get_by_label(name, exact=True)).last.click()


def rows(panel: Locator) -> list[list[str]]:
    """What a panel says it shows, the head first."""
    act(panel, "Copy CSV of what is shown")
    return list(csv.reader(io.StringIO(clipboard(panel.page))))


def lines(panel: Locator) -> list[str]:
    """The names of the lines of a panel, in their order."""
    return list(dict.fromkeys(row[0] for row in rows(panel)[1:]))


def point_at(panel: Locator, across: float, down: float = 0.5) -> tuple[float, float]:
    """A place within the plot of a panel, of its width and height, in px of the window."""
    area = panel.locator(".u-over")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    return box["x"] + box["width"] * across, box["y"] + box["height"] * down


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def eventually(ask: Callable[[], object], expected: object) -> None:
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while (found := ask()) != expected:
        assert time.monotonic() < deadline, (found, expected)
        time.sleep(0.05)


def setting(page: Page, label: str) -> Locator:
    """A choice in the menu of the view, which is open."""
    return page.locator(".form label", has=page.locator(f"span:text-is('{label}')")).locator("select")


def add_panel(page: Page, kind: str) -> Locator:
    """Add a panel by hand and leave the editor open."""
    page.get_by_role("button", name="Add a panel").click()
    page.get_by_role("button", name=kind, exact=True).click()
    editor = page.get_by_test_id("panel-editor")
    expect(editor).to_be_visible()
    return editor


# ------------------------------------------------------------------------ lines


def test_zooming_reads_anew_until_every_point_shows_and_all_charts_follow(one: Page) -> None:
    loss, accuracy, sparse = (card(one, name) for name in ("train/loss", "train/accuracy", "val/loss"))
    expect(loss).to_contain_text("buckets")
    drag(one, point_at(loss, 0.40), point_at(loss, 0.45))
    expect(loss).to_contain_text(re.compile(r"all 6,000 points kept · 3\d\d in view"))
    expect(loss).not_to_contain_text("buckets")
    expect(accuracy).to_contain_text("in view")
    expect(one).to_have_url(re.compile("zoom=23"))
    found = [float(row[1]) for row in rows(loss)[1:]]
    assert found == [float(at) for at in range(int(found[0]), int(found[-1]) + 1)]

    drag(one, point_at(loss, 0.1), point_at(loss, 0.5))  # between two points of the sparse one there is its line
    expect(sparse).to_contain_text("0 in view")
    expect(plot(sparse)).to_be_visible()
    one.reload()
    expect(sparse).to_contain_text("0 in view")
    point = point_at(loss, 0.5)
    one.mouse.dblclick(*point)
    expect(loss).not_to_contain_text("in view")
    expect(one).not_to_have_url(re.compile("zoom="))


def test_a_line_is_seen_over_time_and_over_another_metric_and_on_logarithmic_axes(one: Page) -> None:
    loss, norm = card(one, "train/loss"), card(one, "train/grad_norm")
    for axis in ("Relative", "Time"):
        one.get_by_role("button", name=axis, exact=True).click()
        expect(plot(loss)).to_have_attribute("aria-label", re.compile(f"loss over {axis.lower()}"))
        expect(loss).to_contain_text("all 6,000 points kept")
    one.get_by_role("button", name="View of the charts").click()
    setting(one, "Horizontal axis").select_option("val/loss")
    one.keyboard.press("Escape")
    expect(plot(loss)).to_have_attribute("aria-label", re.compile("loss over val/loss"))
    expect(loss).to_contain_text("all 6,000 points kept")
    one.get_by_role("button", name="Step", exact=True).click()

    expect(loss.get_by_role("button", name="log")).to_have_count(0)  # less than three decades
    norm.hover()
    norm.get_by_role("button", name="log").click()
    with one.expect_download() as got:
        act(norm, "Download SVG", "Share")
    marks = set(re.findall(r">([^<>]+)</text>", text_of(got.value)))
    assert {"10", "0.1", "0.001"} <= marks
    one.get_by_role("button", name="View of the charts").click()
    one.get_by_label("Logarithmic horizontal axis").check()
    expect(one).to_have_url(re.compile("log=x"))
    expect(plot(loss)).to_be_visible()


def test_smoothing_keeps_the_raw_values_and_buckets_their_extremes(one: Page) -> None:
    loss = card(one, "train/loss")
    tip = loss.get_by_test_id("chart-tip")
    one.mouse.move(*point_at(loss, 0.5))
    expect(tip).to_contain_text(re.compile(r"0\.\d+ … 0\.\d+ · 15 points"))
    act(loss, "Show data table")
    head, *points = loss.get_by_role("row").all_inner_texts()
    assert head.split("\t") == ["line", "step", "mean", "low", "high", "points"]
    assert len(points) == 401
    act(loss, "Show chart")
    spikes = [float(row[4]) for row in rows(loss)[1:]]
    assert max(spikes) > 3  # the one value among 6,000

    one.get_by_label("Smoothing").first.fill("0.5")
    one.mouse.move(*point_at(loss, 0.6))
    expect(tip).to_contain_text("raw 0.")
    exponential = rows(loss)
    one.get_by_role("button", name="View of the charts").click()
    setting(one, "Smoothing").select_option("Gaussian")
    one.keyboard.press("Escape")
    expect(one).to_have_url(re.compile("smooth=100~gaussian|smooth=100%7Egaussian"))
    gaussian = rows(loss)
    assert exponential != gaussian
    assert len(exponential) == len(gaussian)


def test_outliers_are_cut_off_but_never_the_start_of_a_curve(one: Page) -> None:
    loss = card(one, "train/loss")
    one.get_by_role("button", name="View of the charts").click()
    one.get_by_label("Cut off outliers").check()
    one.keyboard.press("Escape")
    expect(loss).to_contain_text("beyond the axis")
    with one.expect_download() as got:
        act(loss, "Download SVG", "Share")
    marks = [float(text) for text in re.findall(r'text-anchor="end"[^>]*>([\d.]+)</text>', text_of(got.value))]
    assert 2 <= max(marks) < 3  # the curve starts at 2.4, the spike is at 3.2


def test_values_are_read_by_pointer_and_keyboard_sorted_and_pinned(four: Page) -> None:
    loss, accuracy = card(four, "train/loss"), card(four, "train/accuracy")
    tip = loss.get_by_test_id("chart-tip")
    four.mouse.move(*point_at(loss, 0.25))
    expect(tip).to_contain_text("step 1")
    values = [float(text) for text in tip.locator(".readings b").all_inner_texts()]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)
    expect(accuracy.locator(".u-cursor-x")).not_to_have_class(re.compile("u-off"))  # the cursor is on all charts
    shift = "cursor => new DOMMatrix(getComputedStyle(cursor).transform).m41"
    assert accuracy.locator(".u-cursor-x").evaluate(shift) > 20

    four.mouse.down()
    four.mouse.up()
    pinned = loss.get_by_role("dialog", name="Values")
    expect(pinned.get_by_role("link", name="net-10")).to_have_attribute("href", re.compile("/runs/"))
    four.mouse.move(*point_at(accuracy, 0.5))
    expect(pinned).to_be_visible()
    pinned.get_by_role("button", name="Unpin").click()
    expect(pinned).to_have_count(0)

    plot(loss).focus()
    four.keyboard.press("Home")
    said = loss.locator("[aria-live=polite]")
    expect(said).to_contain_text(re.compile(r"^step 0: net-2 .*net-10 .*net-9 .*base-1 "))
    four.keyboard.press("ArrowRight")
    expect(said).not_to_contain_text("step 0:")
    four.keyboard.press("+")
    expect(loss).to_contain_text("in view")
    four.keyboard.press("0")
    expect(loss).not_to_contain_text("in view")


def test_lines_stand_in_one_order_everywhere_and_columns_in_natural_order(four: Page) -> None:
    assert lines(card(four, "train/loss")) == lines(card(four, "val/loss")) == list(RUNS)
    table = card(four, "per epoch")
    assert lines(table)[:4] == ["net-2 · column1", "net-2 · column2", "net-2 · column10", "net-10 · column1"]
    assert table.get_by_test_id("keys").get_by_role("listitem").all_inner_texts() == ["column1", "column2", "column10"]
    with four.expect_download() as got:
        act(card(four, "train/loss"), "Download SVG", "Share")
    ends = re.findall(r">((?:net|base)-\d+)</text>", text_of(got.value))
    assert sorted(ends) == sorted(RUNS)


def test_runs_are_averaged_by_a_param_and_several_metrics_share_a_chart(four: Page) -> None:
    four.get_by_role("button", name="View of the charts").click()
    setting(four, "Average runs by").select_option("lr")
    setting(four, "Band").select_option("Least to greatest")
    four.keyboard.press("Escape")
    loss = card(four, "train/loss")
    eventually(lambda: lines(loss), ["lr=0.01 ×2", "lr=0.1 ×2"])
    table = rows(loss)
    assert table[0] == ["line", "step", "mean", "low", "high", "runs"]
    assert all(float(row[3]) <= float(row[2]) <= float(row[4]) for row in table[1:])
    assert {row[5] for row in table[1:]} == {"2"}

    act(card(four, "val/loss"), "Edit panel")
    editor = four.get_by_test_id("panel-editor")
    editor.get_by_label("Add a metric or a column").fill("accur")
    editor.get_by_role("checkbox", name="train/accuracy").check()
    editor.get_by_role("button", name="Done").last.click()
    both = card(four, "val/loss, train/accuracy")
    eventually(lambda: len(lines(both)), 4)


def test_a_large_chart_has_a_strip_to_choose_the_range_from(four: Page) -> None:
    loss = card(four, "train/loss")
    loss.hover()
    loss.get_by_role("button", name="Full screen of loss").click()
    strip = loss.get_by_test_id("range-strip")
    box = strip.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    drag(four, (box["x"] + box["width"] * 0.25, middle), (box["x"] + box["width"] * 0.5, middle))
    expect(loss).to_contain_text("in view")
    expect(four).to_have_url(re.compile(r"zoom=1[45]\d\d"))
    window = strip.get_by_role("slider", name="Range shown of loss")
    expect(window).to_have_attribute("aria-valuetext", re.compile(r"step 1,?5\d\d … step (2,?9|3,?0)\d\d"))
    drag(four, (box["x"] + box["width"] * 0.4, middle), (box["x"] + box["width"] * 0.6, middle))
    expect(four).to_have_url(re.compile(r"zoom=2[67]\d\d"))
    end = strip.get_by_role("slider", name="End of the range shown")
    before = end.get_attribute("aria-valuetext")
    end.focus()
    four.keyboard.press("Shift+ArrowRight")
    expect(end).not_to_have_attribute("aria-valuetext", str(before))
    assert barriers(four) == []
    four.keyboard.press("Escape")
    expect(loss).not_to_contain_text("in view")
    four.keyboard.press("Escape")
    expect(strip).to_have_count(0)


def test_tables_over_one_column_zoom_together(one: Page) -> None:
    table = card(one, "per epoch")
    drag(one, point_at(table, 0.3), point_at(table, 0.7))
    expect(table).to_contain_text("in view")
    expect(one).to_have_url(re.compile("zooms=.*column%3Aepoch"))
    expect(card(one, "train/loss")).not_to_contain_text("in view")  # steps are no epochs
    one.reload()
    expect(table).to_contain_text("in view")
    one.get_by_role("button", name="Reset zoom", exact=True).click()
    expect(table).not_to_contain_text("in view")


# ------------------------------------------------------------- panels of runs


def test_runs_are_points_bars_and_lines_across_axes(page: Page, nets: RunningServer) -> None:
    page.goto(f"{nets.url}/experiments/nets?charts=all")
    expect(card(page, "train/loss")).to_be_visible()
    editor = add_panel(page, "Scatter")
    editor.get_by_label("Horizontal").select_option("param:lr")
    editor.get_by_label("Vertical").select_option("metric:score")
    editor.get_by_role("button", name="Done").last.click()
    scatter = card(page, "score / lr")
    assert sorted(row[0] for row in rows(scatter)[1:]) == sorted(RUNS)
    plot(scatter).focus()
    page.keyboard.press("Home")
    expect(scatter.locator("[aria-live=polite]")).to_contain_text("lr 0.01")

    editor = add_panel(page, "Bars")
    editor.get_by_label("Value").select_option("metric.min:train/loss")
    editor.get_by_role("button", name="Done").last.click()
    bars = page.get_by_test_id("bars-card").filter(has_text="train/loss (min)")
    act(bars, "Least first")
    shown = [float(row[1]) for row in rows(bars)[1:]]
    assert shown == sorted(shown)

    editor = add_panel(page, "Histogram")
    editor.get_by_label("Value").select_option("metric:score")
    editor.get_by_role("button", name="Done").last.click()
    expect(plot(page.get_by_test_id("runs-card").filter(has_text="4 runs").last)).to_be_visible()

    editor = add_panel(page, "Pivot table")
    editor.get_by_label("Value").select_option("metric:score")
    editor.get_by_label("Down").select_option("param:lr")
    editor.get_by_label("Across").select_option("")
    editor.get_by_role("button", name="Done").last.click()
    pivot = card(page, "score by lr")
    scores = [[float(word) for word in row[1:]] for row in rows(pivot)[1:]]
    expect(pivot).to_contain_text("×2")
    act(pivot, "Copy as LaTeX")
    assert re.search(r"0\.01 & [0-9.]+ \$\\pm\$ [0-9.]+ ", clipboard(page))
    assert len(scores) == 2
    assert barriers(page) == []
    pivot.get_by_role("button", name=re.compile(r"±.*×2")).first.click()
    expect(page.get_by_text("2 selected runs")).to_be_visible()
    page.get_by_role("button", name="Clear selection").first.click()

    add_panel(page, "Parallel coordinates").get_by_role("button", name="Done").last.click()
    parallel = page.get_by_test_id("parallel-card")
    axis = parallel.get_by_role("slider", name="lr")
    track = axis.locator(".track").bounding_box()
    assert track is not None
    middle = track["x"] + track["width"] / 2
    drag(page, (middle, track["y"] + track["height"] - 2), (middle, track["y"] + track["height"] / 2))
    expect(parallel).to_contain_text("2 of 4 runs")
    axis.focus()
    page.keyboard.press("Delete")
    expect(parallel).to_contain_text("4 runs · drag")
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    expect(parallel).to_contain_text("2 of 4 runs")
    parallel.get_by_role("button", name="Select 2 runs").click()
    expect(page.get_by_text("2 selected runs")).to_be_visible()


def test_charts_of_a_classifier_and_of_a_regression(four: Page) -> None:
    confusion = card(four, "confusion")
    assert rows(confusion)[1] == ["cat", "30", "5", "2"]
    confusion.get_by_role("button", name="%").click()
    assert [round(float(cell), 3) for cell in rows(confusion)[1][1:]] == [0.811, 0.135, 0.054]
    confusion.get_by_label("Less this run").select_option("net-10")
    eventually(lambda: float(rows(confusion)[1][1]) < 0, True)

    rates = card(four, "rates")
    for curve, axis in {
        "ROC": "true positive rate",
        "Precision–recall": "precision",
        "Lift": "lift",
        "Gain": "share of positives found",
    }.items():
        rates.get_by_label("Curve").select_option(curve)
        assert rows(rates)[0][2] == axis
        assert len(lines(rates)) == 4
    rates.get_by_label("Curve").select_option("ROC")
    rates.get_by_label("Class").select_option("heron")
    assert all(" · AUC 0." in name for name in lines(rates))

    assert rows(card(four, "residuals"))[0][1:] == ["residual", "count"]
    assert lines(card(four, "predictions")) == list(RUNS)
    weights = card(four, "weights/layer1")
    weights.get_by_label("Step of weights/layer1").fill("2")
    expect(weights).to_contain_text("step 200")
    act(weights, "All steps as a map")
    expect(weights).to_contain_text("6 histograms")


def test_texts_tables_and_images_are_compared(four: Page, nets: RunningServer) -> None:
    text = card(four, "answer")
    expect(text).to_contain_text("After 5 epochs the answer of net-2 is 45.")
    text.get_by_label("Step of answer").fill("1")
    expect(text).to_contain_text("After 1 epochs")
    act(text, "Mark what differs")
    expect(text.locator("del")).to_have_text("2")
    expect(text.locator("ins")).to_have_text("10")

    four.get_by_label("Compared with").select_option("net-10")
    difference = four.get_by_test_id("table-diff")
    expect(difference).to_contain_text("4 changed, 0 added, 0 removed")
    expect(difference.locator("ins").first).to_have_text("right")

    four.goto(f"{nets.url}/experiments/nets?charts=all")
    images = card(four, "samples")
    expect(images.locator("img")).to_have_count(4)
    frame = images.locator(".stage")
    assert frame.evaluate("stage => stage.scrollHeight <= stage.clientHeight")  # all four are in view
    frame.focus()
    four.keyboard.press("ArrowLeft")
    expect(images).to_contain_text("step 400 · 5 of 6")
    act(images, "Difference of the first two runs")
    expect(images.get_by_test_id("image-difference")).to_contain_text("% of pixels differ")
    act(images, "All steps")
    expect(images).to_contain_text("24 images")


def test_files_are_heard_seen_and_read_and_nothing_in_them_runs(four: Page, troubles: list[str]) -> None:
    editor = add_panel(four, "File")

    def show(path: str) -> Locator:
        editor.get_by_label("Path").fill(path)
        editor.get_by_label("Path").press("Enter")
        panel = four.get_by_test_id("file-card")
        expect(panel).to_contain_text(path.replace("*", "2"))
        return panel

    sounds = show("media/tone-*.wav")
    expect(sounds.locator("audio")).to_have_count(4)
    eventually(lambda: sounds.locator("audio").first.evaluate("audio => Math.round(audio.duration * 10)"), 5)
    sounds.get_by_label("File of").fill("0")
    expect(sounds).to_contain_text("1 of 3")

    expect(show("media/notes.txt").locator("pre").first).to_contain_text("two <b>three</b>")

    plotly = show("media/chart.plotly.json")
    expect(plotly).to_contain_text("Tried and kept")
    expect(plot(plotly).first).to_be_visible()

    asked: list[str] = []
    four.on("request", lambda request: asked.append(request.url))
    report = show("media/report.html")
    frame = report.frame_locator("iframe").first
    expect(frame.locator("h1")).to_have_text("Report of net-2")
    expect(report.locator("iframe").first).to_have_attribute("sandbox", "")
    assert "ran" not in frame.locator("body").inner_text()
    assert "broken in" not in four.title()
    assert not any(url.endswith("/experiments") for url in asked)
    # The browser says for each frame that it blocked the script.
    assert any("sandboxed" in text or "Content Security Policy" in text for text in troubles)
    troubles.clear()


RECORD = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 32 });
  const ctx = canvas.getContext("2d");
  const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: "video/webm" });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const done = new Promise((resolve) => { recorder.onstop = resolve; });
  recorder.start();
  for (let i = 0; i < 8; i++) {
    ctx.fillStyle = `rgb(${i * 30} 0 0)`;
    ctx.fillRect(0, 0, 32, 32);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  recorder.stop();
  await done;
  return btoa(String.fromCharCode(...new Uint8Array(await new Blob(parts).arrayBuffer())));
}"""


def test_a_film_is_seen(page: Page, tmp_path: Path) -> None:
    film = base64.b64decode(page.evaluate(RECORD))
    with tracklog.start_run("nets", uri=tmp_path / "w") as run:
        run.upload_file("media/clip.webm", io.BytesIO(film))
        run.log("loss", 1.0)
    panels = {"added": [{"id": "p1", "kind": "file", "path": "media/clip.webm"}]}
    with serve_to(page, tmp_path / "w") as server:
        page.goto(f"{server.url}/runs/{run.id}?panels={quote(json.dumps(panels))}")
        video = page.get_by_test_id("file-card").locator("video")
        eventually(lambda: video.evaluate("video => [video.videoWidth, video.error]"), [32, None])


# ------------------------------------------------------------------ workspace


def test_panels_are_found_moved_and_taken_along(one: Page) -> None:
    assert one.locator("h2").all_inner_texts() == ["Metrics\n9", "train\n3", "val\n1", "weights\n1"]
    sought = one.get_by_role("searchbox").first
    sought.fill("loss$|^score")
    expect(one.locator("[data-panel]")).to_have_count(3)
    sought.fill("")
    panels = one.locator("section", has=card(one, "train/loss")).locator("[data-panel]")

    def order() -> list[str]:
        found: list[str] = panels.evaluate_all("all => all.map(panel => panel.dataset.panel)")
        return [name.removeprefix("metric:train/") for name in found if "train/" in name]

    eventually(order, ["accuracy", "grad_norm", "loss"])
    loss = card(one, "train/loss")
    loss.get_by_role("button", name="Move loss").focus()
    one.keyboard.press("ArrowLeft")
    eventually(order, ["accuracy", "loss", "grad_norm"])
    expect(loss.get_by_role("button", name="Move loss")).to_be_focused()
    loss.hover()
    handle = loss.get_by_role("button", name="Move loss").bounding_box()
    target = card(one, "train/accuracy").bounding_box()
    assert handle is not None
    assert target is not None
    drag(one, (handle["x"] + 4, handle["y"] + 8), (target["x"] + 20, target["y"] + 60))
    eventually(order, ["loss", "accuracy", "grad_norm"])
    one.reload()
    expect(loss).to_be_visible()
    assert order() == ["loss", "accuracy", "grad_norm"]
    act(loss, "Remove panel")
    expect(loss).to_have_count(0)
    one.get_by_role("button", name="Undo").click()
    expect(loss).to_be_visible()

    with one.expect_download() as got:
        act(loss, "Download PNG", "Share")
    assert Path(got.value.path()).read_bytes().startswith(b"\x89PNG")
    with one.expect_download() as got:
        act(loss, "Download CSV, all points", "Share")
    assert len(text_of(got.value).splitlines()) == STEPS + 1


def test_a_chart_becomes_a_figure_of_a_paper(four: Page) -> None:
    act(card(four, "train/loss"), "Figure for a paper …", "Share")
    figure = four.get_by_test_id("figure")
    figure.get_by_role("button", name="Page").click()
    figure.get_by_label("Letters, pt").fill("9")
    figure.get_by_role("button", name="Serif", exact=True).click()
    figure.get_by_label("Name of the horizontal axis").fill("updates")
    figure.get_by_label("Name of the vertical axis").fill("λ")
    expect(figure.get_by_text("lack λ")).to_be_visible()
    expect(figure.get_by_role("button", name="PDF")).to_be_disabled()
    figure.get_by_label("Name of the vertical axis").fill("loss (naïve)")
    preview = figure.get_by_role("region", name="Preview").locator("svg")
    expect(preview).to_contain_text("loss (naïve)")
    assert barriers(four) == []

    with four.expect_download() as got:
        figure.get_by_role("button", name="PDF").click()
    assert got.value.suggested_filename == "train_loss.pdf"
    document = Path(got.value.path()).read_bytes()
    box = re.search(rb"/MediaBox \[0 0 ([0-9.]+) ", document)
    assert box is not None
    assert float(box[1]) == pytest.approx(175 / 25.4 * 72, rel=0.01)
    assert b"/BaseFont /Times-Roman" in document
    stream = re.search(rb"stream\n(.*?)\nendstream", document, re.DOTALL)
    assert stream is not None
    drawn = zlib.decompress(stream[1]).decode("ascii")
    said = {bytes.fromhex(text).decode("cp1252") for text in re.findall(r"<([0-9a-f]*)> Tj", drawn)}
    assert {"updates", "loss (naïve)", "0", "1", *RUNS} <= said

    with four.expect_download() as got:
        figure.get_by_role("button", name="SVG").click()
    drawing = text_of(got.value)
    width = re.search(r'width="([0-9.]+)mm"', drawing)
    assert width is not None
    assert float(width[1]) == pytest.approx(175, rel=0.01)
    assert "Times New Roman" in drawing
    assert "/embed/compare?" in drawing  # where it comes from
    with four.expect_download() as got:
        figure.get_by_role("button", name="PNG").click()
    wide = int.from_bytes(Path(got.value.path()).read_bytes()[16:20], "big")
    assert wide == pytest.approx(175 / 25.4 * 300, rel=0.01)
    four.keyboard.press("Escape")
    expect(figure).to_be_hidden()


def test_every_chart_has_a_data_table_and_no_barriers(four: Page) -> None:
    names = ["per epoch", "answer", "confusion", "predictions", "rates", "residuals", "score", "train/loss", "weights/layer1"]
    for name in names:
        panel = card(four, name)
        act(panel, "Show data table")
        assert panel.get_by_role("table").get_by_role("row").count() > 2, name
        act(panel, "Show chart")
    act(card(four, "answer"), "Show data table")
    assert barriers(four) == []
    four.set_viewport_size({"width": 390, "height": 844})
    assert fits(four)


# ------------------------------------------------------------------ bad input


def test_values_at_the_ends_of_floats_and_none_at_all_have_their_picture(page: Page, nets: RunningServer) -> None:
    page.goto(f"{nets.url}/runs/odd-0")
    expect(card(page, "odd/nan")).to_contain_text("20 not finite")
    expect(card(page, "odd/infinite")).to_contain_text("4 not finite")
    expect(card(page, "odd/one")).to_contain_text("3.25")
    expect(card(page, "odd/none")).to_have_count(0)
    expect(card(page, "odd/texts")).to_contain_text("the last of 30,000 texts; all are kept")

    def marks(name: str) -> set[str]:
        with page.expect_download() as got:
            act(card(page, name), "Download SVG", "Share")
        return set(re.findall(r'text-anchor="end"[^>]*>([^<>]+)</text>', text_of(got.value)))

    assert marks("odd/huge") == {"-1e308", "0", "1e308"}
    assert marks("odd/tiny") == {"0", "2e-308", "4e-308"}
    assert marks("odd/constant") == {"6.5", "7", "7.5"}
    assert marks("odd/nan") == set()
    page.get_by_role("button", name="Log y").click()
    expect(card(page, "odd/signed")).to_contain_text("29 not positive")
    assert len(marks("odd/wide")) > 2
    assert barriers(page) == []


def test_a_resumed_run_shows_its_live_line_where_it_was_resumed_and_its_sessions(page: Page, tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path / "workspace")) as store:
        for at_ms, steps, host in ((0, range(100), "a"), (10_800_000, range(80, 120), "b")):
            since_ms = T0_MS + at_ms
            writer = Writer("twice", experiment="resumed").start(start_ms=since_ms, process=Process(since_ms, host, 1))
            for step in steps:
                writer.log("loss", 1.0 + step / 1000 + at_ms / 1e8, step, time_ms=since_ms + step)
            store.apply(writer.batch())
    with serve_to(page, tmp_path / "workspace") as server:
        page.goto(f"{server.url}/runs/twice?size=large")
        chart = page.get_by_role("group", name=re.compile(r"^loss over step"))
        expect(page.get_by_text("all 140 points kept, 20 of them before a restart")).to_be_visible()
        chart.focus()
        for _ in range(4):
            page.keyboard.press("Shift+ArrowLeft")
        expect(page.get_by_test_id("restart")).to_have_text("resumed at step 80, 2h 59m later, on host b")
        page.get_by_role("tab", name="Overview").click()
        sessions = page.get_by_test_id("sessions")
        expect(sessions.get_by_role("listitem")).to_have_count(2)
        expect(sessions).to_contain_text("on host a · ended without a word")


def test_a_logarithmic_axis_without_a_positive_value_says_why_it_is_empty(page: Page, tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path / "w")) as store:
        run = Writer("below", experiment="nets").start()
        for step in range(5):
            run.log("below", -1.0 - step, step)
        store.apply(run.finish().batch())
    with serve_to(page, tmp_path / "w") as server:
        page.goto(f"{server.url}/runs/below?log=1")
        expect(card(page, "below")).to_contain_text("No value is above zero")


def test_names_of_any_kind_stay_text_and_are_told_apart(page: Page, nets: RunningServer) -> None:
    page.goto(f"{nets.url}/compare?tab=charts&runs=odd-0,odd-1")
    expect(card(page, LONG)).to_be_visible()
    captions = [card(page, name).locator(".title").text_content() for name in LAYERS]
    assert captions == [f"…{layer}.attention.output.weight" for layer in (1, 2, 10)]
    expect(card(page, LAYERS[0]).locator(".title")).to_have_attribute("title", LAYERS[0])
    title = card(page, LONG).locator(".title")
    assert str(title.text_content()).endswith("end.weight")
    assert title.evaluate("title => title.scrollWidth <= title.parentElement.clientWidth")
    expect(card(page, MARKUP)).to_be_visible()
    expect(card(page, RIGHT_TO_LEFT)).to_be_visible()
    assert lines(card(page, MARKUP)) == ["odd", MARKUP]
    expect(page.locator("img[src=x]")).to_have_count(0)
    page.set_viewport_size({"width": 390, "height": 844})
    assert fits(page)


def test_a_run_that_was_deleted_leaves_the_others(page: Page, tmp_path: Path, troubles: list[str]) -> None:
    with closing(LocalStore(tmp_path / "w")) as store:
        for name in ("stays", "goes"):
            run = Writer(name, experiment="nets").start(name=name)
            for step in range(5):
                run.log("loss", 1.0 / (step + 1), step).log("answer", f"{name} {step}", step)
            store.apply(run.finish().batch(live=False))
    with serve_to(page, tmp_path / "w") as server:
        page.goto(f"{server.url}/compare?tab=charts&runs=stays,goes")
        expect(card(page, "loss")).to_contain_text("all 10 points kept")
        with closing(LocalStore(tmp_path / "w")) as store:
            store.apply(Writer("goes").add(RunEdited(deleted=True)).batch(live=False))
            store.gc()
        page.reload()
        expect(card(page, "loss")).to_contain_text("all 5 points kept")
        expect(card(page, "answer")).to_contain_text("stays 4")
        troubles[:] = [text for text in troubles if "404" not in text]


def test_a_server_that_stumbles_or_dies_is_said_on_the_panel_and_mended(page: Page, tmp_path: Path, troubles: list[str]) -> None:
    with closing(LocalStore(tmp_path / "w")) as store:
        run = Writer("r1", experiment="nets").start(name="net")
        for step in range(5):
            run.log("loss", 1.0 / (step + 1), step).log("answer", f"text {step}", step)
        store.apply(run.finish().batch())
    failing = {"status": 500, "json": {"error": {"code": "INTERNAL", "message": "The server failed on this request."}}}
    with serve(tmp_path / "w") as server:
        port = int(server.url.rsplit(":", 1)[1])
        patterns = ("**/api/v1/series*", "**/columns?*")
        for pattern in patterns:
            page.route(pattern, lambda route: route.fulfill(**failing))
        page.goto(f"{server.url}/runs/r1")
        problems = page.get_by_test_id("panel-problem")
        expect(problems).to_have_count(2)
        expect(problems.first).to_contain_text("The server failed on this request.")
        assert barriers(page) == []
        for pattern in patterns:
            page.unroute(pattern)
        expect(card(page, "loss")).to_contain_text("all 5 points kept")  # by itself
        expect(card(page, "answer")).to_contain_text("text 4")
        expect(problems).to_have_count(0)
        for pattern in patterns:
            page.route(pattern, lambda route: route.abort())
        page.reload()
        expect(problems).to_have_count(2)
    for pattern in patterns:
        page.unroute(pattern)
    with serve_to(page, tmp_path / "w", port):
        expect(card(page, "loss")).to_contain_text("all 5 points kept", timeout=20_000)
        expect(card(page, "answer")).to_contain_text("text 4")
    troubles.clear()
