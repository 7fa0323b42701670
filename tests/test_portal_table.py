"""The runs table in a real browser: every feature driven once as a person would, on data with a shape and on bad data."""

from __future__ import annotations

import csv
import io
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.batches import T0_MS, Writer
from tests.browser import TIMEOUT_MS, barriers, clipboard, fits, search, serve_to, text_of
from tests.servers import RunningServer, serve
from tracklog.records import ParamValue, RunStatus
from tracklog.scale import Grid, Many, write
from tracklog.storage.local import LocalStore

pytestmark = pytest.mark.browser

NETS = "/experiments/nets"
MARKUP = "<img src=x onerror=alert(1)><b>bold</b>"


def fill(workspace: Path) -> None:
    """Two configurations of three seeds, a sweep with two children of which one has folds, and a failed run."""
    with closing(LocalStore(workspace, clock_ms=lambda: T0_MS)) as store:

        def run(
            name: str, number: int, params: dict[str, ParamValue], losses: list[float], parent: str | None = None, **tags: str
        ) -> str:
            writer = Writer(f"{name}-id", experiment="nets").start(
                name=name, start_ms=T0_MS + number * 1000, params=params, tags={**tags}, parent_id=parent, user="ada"
            )
            for step, loss in enumerate(losses):
                writer.log("val/loss", loss, step=step)
            writer.log("val/accuracy", 1 - losses[-1])
            status = RunStatus.FAILED if "broken" in name else RunStatus.COMPLETED
            store.apply(writer.finish(status, time_ms=T0_MS + number * 1000 + 90_000).batch(live=False))
            return writer.run_id

        number = 0
        for lr in (0.1, 0.01):
            for seed in range(3):
                number += 1
                losses = [2.0, 1.0, lr * 4 + seed / 100]
                run(
                    f"lr{lr}-s{seed}",
                    number,
                    {"lr": lr, "seed": seed, "optimizer": "sgd", "batch size": 32},
                    losses,
                    group=f"lr{lr}",
                )
        sweep = run("sweep", 10, {"trials": 2}, [0.9, 0.8])
        trial = run("trial-2", 11, {"lr": 0.5, "optimizer": "adamw"}, [0.7, 0.6], sweep)
        run("trial-10", 12, {"lr": 0.25, "optimizer": "adamw"}, [0.7, 0.65], sweep)
        run("fold-0", 13, {"lr": 0.5, "fold": 0}, [0.5, 0.55], trial)
        run("broken", 14, {"lr": 9.0, "optimizer": "sgd"}, [5.0])


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server over runs that tests only look at."""
    workspace = tmp_path_factory.mktemp("nets") / "w"
    fill(workspace)
    with serve(workspace) as server:
        yield server


@pytest.fixture
def own(page: Page, tmp_path: Path) -> Iterator[RunningServer]:
    """A server over the same runs for a test that changes them."""
    fill(tmp_path / "w")
    with serve_to(page, tmp_path / "w") as server:
        yield server


def rows(page: Page) -> Locator:
    return page.get_by_test_id("run-row")


def names(page: Page) -> list[str]:
    """Return the names of the runs in view, in order."""
    return page.locator("[data-testid=run-row] .name a.clip").all_inner_texts()


def heads(page: Page) -> list[str]:
    """Return the columns in view, the name first."""
    found: list[str] = page.locator("[data-column]").evaluate_all("all => all.map(head => head.dataset.column)")
    return found


def eventually(ask: Callable[[], object], expected: object) -> None:
    """Wait until the page says what is expected."""
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while (found := ask()) != expected:
        assert time.monotonic() < deadline, (found, expected)
        time.sleep(0.05)


def head(page: Page, column: str) -> Locator:
    return page.locator(f'.head[data-column="{column}"]')


def choose(page: Page, column: str, action: str) -> None:
    head(page, column).hover()
    head(page, column).locator(".more").click()
    page.get_by_role("menuitem", name=action, exact=True).click()


def cell(page: Page, run: str, column: str) -> Locator:
    """The cell of a run's row in a column."""
    index = head(page, column).get_attribute("aria-colindex")
    row = rows(page).filter(has=page.get_by_role("link", name=run, exact=True))
    return row.locator(f'[aria-colindex="{index}"]')


def test_columns_are_added_moved_resized_pinned_and_hidden(page: Page, nets: RunningServer) -> None:
    page.goto(nets.url + NETS)
    expect(rows(page)).to_have_count(11)
    page.get_by_role("button", name="Columns", exact=True).click()
    page.get_by_label("Find columns").fill("batch")
    page.get_by_label("batch size", exact=True).check()
    page.get_by_label("Find columns").fill("val/loss")
    page.get_by_role("button", name="Add the curve of val/loss").or_(page.get_by_label("val/loss", exact=True)).first.click()
    page.keyboard.press("Escape")
    assert "param:batch size" in heads(page)

    choose(page, "param:lr", "Pin to the left")
    eventually(lambda: heads(page)[1], "param:lr")
    head(page, "duration").locator(".label").focus()
    page.keyboard.press("Alt+ArrowLeft")
    assert heads(page).index("duration") == heads(page).index("start") - 1
    width = head(page, "duration").bounding_box()
    page.keyboard.press("Alt+Shift+ArrowRight")
    wider = head(page, "duration").bounding_box()
    assert width is not None
    assert wider is not None
    assert wider["width"] == width["width"] + 16

    edge = head(page, "status").locator(".edge").bounding_box()
    assert edge is not None
    page.mouse.move(edge["x"] + 4, edge["y"] + 10)
    page.mouse.down()
    page.mouse.move(edge["x"] + 64, edge["y"] + 10, steps=4)
    page.mouse.up()
    page.wait_for_url(lambda url: re.search(r"status~1[89]\d", unquote(url)) is not None)

    source, target = head(page, "status").bounding_box(), head(page, "start").bounding_box()
    assert source is not None
    assert target is not None
    page.mouse.move(source["x"] + 20, source["y"] + 15)
    page.mouse.down()
    page.mouse.move(target["x"] + target["width"] - 4, target["y"] + 15, steps=8)
    page.mouse.up()
    assert heads(page).index("status") == heads(page).index("start") + 1

    choose(page, "user", "Hide") if "user" in heads(page) else choose(page, "duration", "Hide")
    before = heads(page)
    page.reload()
    expect(rows(page)).to_have_count(11)
    assert heads(page) == before
    choose(page, "metric:val/accuracy", "Copy the name")
    assert clipboard(page) == "val/accuracy"


def test_several_columns_sort_and_a_metric_shows_another_number(page: Page, nets: RunningServer) -> None:
    page.goto(nets.url + NETS + "?cols=param:lr,metric:val/loss,param:seed")
    expect(rows(page)).to_have_count(11)
    head(page, "param:lr").locator(".label").click()
    expect(rows(page).first).to_contain_text("broken")
    head(page, "metric:val/loss").locator(".label").click(modifiers=["Shift"])
    expect(head(page, "param:lr")).to_have_attribute("aria-sort", "descending")
    expect(head(page, "metric:val/loss")).to_have_attribute("aria-sort", "descending")
    expect(head(page, "metric:val/loss")).to_contain_text("2")
    eventually(lambda: names(page)[1:3], ["trial-2", "fold-0"])
    assert names(page)[4:7] == ["lr0.1-s2", "lr0.1-s1", "lr0.1-s0"]

    head(page, "metric:val/loss").hover()
    head(page, "metric:val/loss").locator(".more").click()
    page.get_by_role("menuitemradio", name="max").click()
    expect(cell(page, "lr0.1-s0", "metric.max:val/loss")).to_contain_text("2")
    head(page, "metric.max:val/loss").hover()
    head(page, "metric.max:val/loss").locator(".more").click()
    page.get_by_role("menuitemradio", name="curve").click()
    curve = cell(page, "lr0.1-s0", "spark:val/loss").locator("svg path")
    expect(curve).to_have_attribute("d", re.compile("^M.*L.*L"))
    head(page, "name").locator(".label").click()
    expect(rows(page).first).to_contain_text("broken")
    assert names(page).index("trial-2") < names(page).index("trial-10")  # as people count


def test_the_filter_language_is_completed_checked_and_mended(page: Page, nets: RunningServer, troubles: list[str]) -> None:
    page.goto(nets.url + NETS)
    expect(rows(page)).to_have_count(11)
    page.keyboard.press("/")
    page.keyboard.type("val/l")
    suggestions = page.get_by_test_id("filter-suggestions")
    expect(suggestions.get_by_role("option").first).to_contain_text("metrics.val/loss")
    page.keyboard.press("Tab")
    page.keyboard.type("< 0.5 and optim")
    page.wait_for_timeout(700)  # longer than the field waits for the next key
    assert troubles == []  # the half of a condition was not sent
    page.keyboard.press("Tab")
    page.keyboard.type("= ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("filter-input")).to_have_value(
        re.compile(r"^metrics\.val/loss < 0\.5 and params\.optimizer = '\w+' $")
    )
    page.get_by_test_id("filter-input").fill("metrics.val/loss < 0.5 and params.optimizer = 'sgd'")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(6)
    assert parse_qs(urlsplit(page.url).query)["q"] == ["metrics.val/loss < 0.5 and params.optimizer = 'sgd'"]

    page.get_by_test_id("filter-input").fill("lr > 0.2 and status = 'Completed'")
    page.keyboard.press("Enter")
    problem = page.get_by_test_id("filter-problem")
    expect(problem.locator("mark")).to_contain_text("lr")
    expect(problem).to_contain_text("no attribute `lr`")
    expect(rows(page)).to_have_count(6)  # what was known stays
    problem.get_by_role("button", name="Use params.lr").click()
    expect(rows(page)).to_have_count(3)
    page.get_by_test_id("filter-input").fill("metrics.val/loss <")
    page.keyboard.press("Enter")
    expect(problem).to_contain_text(re.compile("expected|Expected"))
    page.get_by_test_id("filter-input").fill("trial")
    expect(rows(page)).to_have_count(3)  # words find tags, names, parents' ids no more
    troubles[:] = [text for text in troubles if "400" not in text]

    page.get_by_role("button", name="Clear the filter").first.click()
    expect(rows(page)).to_have_count(11)
    cell(page, "trial-2", "param:optimizer").click(button="right")
    page.get_by_role("menuitem", name="Only runs with this optimizer").click()
    expect(rows(page)).to_have_count(2)
    page.go_back()
    page.goto(nets.url + NETS + "?q=nothing+is+called+this")
    expect(page.get_by_test_id("no-runs")).to_contain_text("No run matches")
    page.get_by_test_id("no-runs").get_by_role("button").click()
    expect(rows(page)).to_have_count(11)


def test_seeds_are_grouped_with_mean_and_spread(page: Page, nets: RunningServer) -> None:
    page.goto(nets.url + NETS + "?cols=metric:val/loss,param:seed,param:optimizer,status&order=metric:val/loss")
    expect(rows(page)).to_have_count(11)
    page.get_by_title("Group runs").click()
    page.get_by_label("Group by …").fill("lr")
    page.get_by_role("checkbox", name="lr param").check()
    page.keyboard.press("Escape")
    groups = page.get_by_test_id("group-row")
    expect(groups).to_have_count(6)
    best = groups.first
    expect(best).to_contain_text("lr 0.01")
    expect(best).to_contain_text("0.050 ± 0.010")
    loss = page.locator('[data-metric="val/loss"]')  # the charts above show the same groups, with their spread
    loss.locator(".chart").hover()
    expect(loss.get_by_test_id("chart-tip")).to_contain_text("lr=0.01 ×3")
    expect(groups.get_by_title("Its colour in the charts")).to_have_count(6)
    expect(best).to_contain_text("3 values")
    expect(best).to_contain_text("sgd")

    page.get_by_title("Group runs").click()
    page.get_by_role("button", name="min … max").click()
    page.keyboard.press("Escape")
    expect(best).to_contain_text("0.04 … 0.06")
    best.get_by_role("button", name="Open the group").click()
    expect(rows(page)).to_have_count(3)
    assert names(page) == ["lr0.01-s0", "lr0.01-s1", "lr0.01-s2"]
    page.get_by_role("button", name="Take the table along").click()
    page.get_by_role("button", name="Copy as LaTeX").click()
    table = clipboard(page)
    assert table.startswith("\\begin{tabular}")
    assert "0.01 & 3 & " in table
    page.get_by_title("Group runs").click()
    page.get_by_role("button", name="Do not group").click()
    expect(rows(page)).to_have_count(11)


def test_nested_runs_are_a_tree_that_a_filter_does_not_tear(page: Page, nets: RunningServer) -> None:
    page.goto(nets.url + NETS + "?order=name")
    page.get_by_title("Group runs").click()
    page.get_by_label("Child runs under their parents").check()
    page.keyboard.press("Escape")
    expect(rows(page)).to_have_count(8)
    page.get_by_role("button", name="Show the child runs of sweep").click()
    expect(rows(page)).to_have_count(10)
    assert names(page)[-3:] == ["sweep", "trial-2", "trial-10"]
    page.get_by_role("button", name="Show the child runs of trial-2").click()
    expect(rows(page).filter(has_text="fold-0")).to_have_attribute("aria-level", "3")

    page.get_by_test_id("filter-input").fill("fold-0")
    expect(rows(page).filter(has_text="fold-0")).to_have_count(1)
    eventually(lambda: names(page)[0], "sweep")
    page.get_by_test_id("runs-table").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(rows(page)).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(rows(page).filter(has_text="trial-2")).to_have_count(1)


def test_a_table_that_nobody_touches_asks_for_nothing(page: Page, nets: RunningServer) -> None:
    asked: list[str] = []
    page.goto(nets.url + NETS + "?order=name&pin=sweep-id")
    expect(rows(page)).to_have_count(11)
    page.wait_for_timeout(600)
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1500)

    assert asked == []


def test_keys_move_select_pin_compare_copy_and_open(page: Page, nets: RunningServer) -> None:
    page.goto(nets.url + NETS + "?order=name&cols=param:lr,metric:val/loss")
    expect(rows(page)).to_have_count(11)
    table = page.get_by_test_id("runs-table")
    table.focus()
    for key in ("j", "j", "k", "ArrowDown"):
        page.keyboard.press(key)
    expect(table).to_have_attribute("aria-activedescendant", "cell-1-0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("y")
    assert clipboard(page) == "0.5"  # fold-0
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    expect(page.get_by_test_id("bulk-bar")).to_contain_text("3 selected")
    assert len(parse_qs(urlsplit(page.url).query)["sel"][0].split(",")) == 3
    page.keyboard.press("Control+c")
    copied = list(csv.DictReader(io.StringIO(clipboard(page)), delimiter="\t"))
    assert [row["Name"] for row in copied] == ["fold-0", "lr0.01-s0", "lr0.01-s1"]
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("bulk-bar")).to_have_count(0)
    page.keyboard.press("Control+a")
    expect(page.get_by_test_id("bulk-bar")).to_contain_text("11 selected")
    page.keyboard.press("Escape")

    page.keyboard.press("p")
    expect(page.get_by_test_id("pinned-row")).to_contain_text("lr0.01-s1")
    page.keyboard.press("b")
    expect(cell(page, "lr0.01-s2", "metric:val/loss")).to_contain_text("+0.01")
    expect(cell(page, "lr0.01-s0", "metric:val/loss").locator(".good")).to_contain_text("−0.01")
    page.reload()
    expect(page.get_by_test_id("pinned-row")).to_contain_text("baseline")
    table.focus()
    page.keyboard.press("Home")
    page.keyboard.press("End")
    page.keyboard.press("Control+Home")
    page.keyboard.press("m")
    expect(page.get_by_role("menu", name="Actions of broken")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="broken")).to_be_visible()


def test_runs_are_tagged_coloured_renamed_archived_and_trashed_in_bulk_and_back(page: Page, own: RunningServer) -> None:
    page.goto(own.url + NETS + "?order=name&cols=tag:stage,param:lr")
    expect(rows(page)).to_have_count(11)
    page.get_by_label("Select lr0.01-s0").click()
    page.get_by_label("Select lr0.1-s2").click(modifiers=["Shift"])
    bar = page.get_by_test_id("bulk-bar")
    expect(bar).to_contain_text("6 selected")
    bar.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_label("Name of the tag").fill("stage")
    page.get_by_label("Value of the tag").fill(MARKUP)
    page.keyboard.press("Enter")
    expect(cell(page, "lr0.1-s1", "tag:stage")).to_have_text(MARKUP)
    page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    expect(cell(page, "lr0.1-s1", "tag:stage")).to_have_text("–")

    bar.get_by_role("button", name="Colour").click()
    page.get_by_role("button", name="Colour 8", exact=True).click()
    dots = rows(page).filter(has_text="lr0").locator(".dot")
    expect(dots.first).to_have_css("background-color", "rgb(196, 43, 58)")
    page.reload()
    expect(dots.last).to_have_css("background-color", "rgb(196, 43, 58)")
    assert all(run["tags"]["tracklog.colour"] == "8" for run in search(own, text="lr0"))

    bar.get_by_role("button", name="Archive").click()
    expect(rows(page)).to_have_count(5)
    expect(bar).to_have_count(0)
    page.get_by_role("button", name="Filter by status").click()
    page.get_by_label("Archived").check()
    expect(rows(page)).to_have_count(6)
    page.get_by_label("Archived").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    expect(rows(page)).to_have_count(11)

    page.get_by_test_id("runs-table").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("#")
    expect(rows(page)).to_have_count(10)
    page.get_by_role("button", name="Filter by status").click()
    page.get_by_label("In the trash").check()
    page.keyboard.press("Escape")
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Select broken").click()
    bar.get_by_role("button", name="Restore").click()
    expect(page.get_by_test_id("no-runs")).to_contain_text("The trash is empty")
    page.get_by_test_id("no-runs").get_by_role("button").click()
    expect(rows(page)).to_have_count(11)

    page.get_by_test_id("runs-table").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("e")
    page.get_by_label("Name of the run").fill("mended")
    page.keyboard.press("Enter")
    expect(rows(page).first).to_contain_text("mended")
    page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    expect(rows(page).first).to_contain_text("broken")


def test_views_are_saved_for_all_and_found_changed(page: Page, own: RunningServer) -> None:
    page.goto(own.url + NETS + "?cols=param:lr,metric:val/loss&order=metric:val/loss&group=param:optimizer")
    expect(page.get_by_test_id("group-row").first).to_be_visible()
    page.get_by_title("Saved views").click()
    page.get_by_label("Name of the view").fill("by optimizer")
    page.keyboard.press("Enter")
    expect(page.get_by_title("Saved views")).to_have_text("by optimizer")

    page.goto(own.url + NETS)
    expect(rows(page)).to_have_count(11)
    page.get_by_title("Saved views").click()
    page.get_by_role("button", name=re.compile("^by optimizer")).click()
    expect(page.get_by_test_id("group-row").first).to_be_visible()
    assert "view=by+optimizer" in page.url
    page.get_by_test_id("filter-input").fill("lr0")
    expect(page.get_by_title("Changed since it was saved")).to_be_visible()
    page.get_by_title("Saved views").click()
    page.get_by_role("button", name="Back to what was saved").click()
    expect(page.get_by_test_id("filter-input")).to_have_value("")
    page.get_by_title("Saved views").click()
    page.get_by_role("button", name="Remove the view by optimizer").click()
    page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    page.get_by_title("Saved views").click()
    expect(page.get_by_role("button", name=re.compile("^by optimizer"))).to_be_visible()


def test_the_table_is_taken_along(page: Page, nets: RunningServer) -> None:
    page.goto(nets.url + NETS + "?order=name&cols=param:lr,metric:val/loss")
    expect(rows(page)).to_have_count(11)
    take = page.get_by_role("button", name="Take the table along")
    take.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    assert download.value.suggested_filename == "nets.csv"
    table = list(csv.DictReader(io.StringIO(text_of(download.value))))
    assert [row["name"] for row in table][:2] == ["broken", "fold-0"]
    assert table[0]["lr"] == "9.0"
    take.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as Parquet").click()
    assert Path(download.value.path()).read_bytes()[:4] == b"PAR1"
    page.get_by_label("Select trial-2").click()
    take.click()
    page.get_by_role("button", name="Copy as Markdown").click()
    assert clipboard(page).splitlines() == ["| Name | lr | val/loss |", "| --- | --: | --: |", "| trial-2 | 0.5 | 0.6 |"]


def in_table(row: Locator) -> float:
    """Return how far below the table's upper edge a row is seen, in px."""
    distance: float = row.evaluate(
        "row => row.getBoundingClientRect().top - row.closest('[data-testid=runs-table]').getBoundingClientRect().top"
    )
    return distance


def test_live_runs_change_in_place_and_new_ones_wait_for_the_reader(page: Page, tmp_path: Path) -> None:
    with serve_to(page, tmp_path / "w") as server, closing(LocalStore(tmp_path / "w")) as store:
        writers = []
        now = time.time_ns() // 1_000_000
        for number in range(60):
            writer = Writer(experiment="nets").start(name=f"run-{number}", start_ms=now + number)
            store.apply(writer.log("loss", float(number)).batch())
            writers.append(writer)
        page.goto(server.url + NETS + "?cols=metric:loss,status")
        expect(rows(page).first).to_contain_text("run-59")
        store.apply(Writer(experiment="nets").start(name="newest", start_ms=now + 1000).batch())
        expect(rows(page).first).to_contain_text("newest")  # on top, as nobody is reading there

        table = page.get_by_test_id("runs-table")
        table.evaluate("grid => { grid.scrollTop = 700 }")
        page.wait_for_timeout(200)
        place = rows(page).filter(has=page.get_by_role("link", name="run-30", exact=True))
        before = in_table(place)
        store.apply(Writer(experiment="nets").start(name="another", start_ms=now + 2000).batch())
        store.apply(writers[30].log("loss", 0.125, step=1).batch())
        expect(place).to_contain_text("0.125")
        expect(page.get_by_role("button", name="1 new run, show")).to_be_visible()
        assert in_table(place) == before
        page.get_by_role("button", name="1 new run, show").click()
        table.evaluate("grid => { grid.scrollTop = 0 }")
        expect(rows(page).first).to_contain_text("another")

        head(page, "metric:loss").locator(".label").click()
        expect(rows(page).first).to_contain_text("run-59")
        store.apply(writers[59].log("loss", -1.0, step=1).batch())
        expect(cell(page, "run-59", "metric:loss")).to_contain_text("-1")
        page.get_by_role("button", name="Sort again").click()
        expect(rows(page).first).to_contain_text("run-58")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """1,200 runs, and four with 1,000 metric names each."""
    workspace = tmp_path_factory.mktemp("many") / "w"
    with closing(LocalStore(workspace, clock_ms=lambda: T0_MS)) as store:
        for size in (Many("runs", 1200), Many("names", 1000), Grid(2, 2, 20)):
            write(store, size, now_ms=T0_MS, advance=lambda done, total: None)
    with serve(workspace) as server:
        yield server


def test_thousands_of_runs_and_columns_cost_what_is_in_view(page: Page, many: RunningServer) -> None:
    page.goto(many.url + "/runs?order=-metric:val/loss")
    expect(page.get_by_text("1,206 runs")).to_be_visible()
    expect(rows(page).first).to_be_visible()
    assert rows(page).count() < 60
    table = page.get_by_test_id("runs-table")
    table.evaluate("grid => { grid.scrollTop = grid.scrollHeight }")
    expect(rows(page).last).to_have_attribute("aria-rowindex", "1207")
    expect(rows(page).last.locator(".name a.clip")).not_to_be_empty()
    table.focus()
    page.keyboard.press("Control+Home")
    expect(rows(page).first).to_have_attribute("aria-rowindex", "2")
    page.keyboard.press("Control+a")
    expect(page.get_by_test_id("bulk-bar")).to_contain_text("1,206 selected")
    page.keyboard.press("Escape")

    page.goto(many.url + "/experiments/many-names")
    expect(rows(page)).to_have_count(4)
    page.get_by_role("button", name="Columns", exact=True).click()
    page.get_by_label("Find columns").fill("grad_norm")
    page.get_by_role("button", name=re.compile(r"Add \d+")).click()
    page.keyboard.press("Escape")
    expect(table).to_have_attribute("aria-colcount", re.compile("^[12][0-9]{2}$"))
    assert len(heads(page)) < 40
    table.evaluate("grid => { grid.scrollLeft = grid.scrollWidth }")
    last = page.locator("[data-column]").last
    index = str(table.get_attribute("aria-colcount"))
    expect(last).to_have_attribute("aria-colindex", index)  # others of that name were on the way
    expect(last).to_have_attribute("data-column", re.compile("grad_norm"))
    expect(rows(page).first.locator(f'[aria-colindex="{index}"]')).to_contain_text(re.compile(r"\d\.\d"))


def test_a_thousand_runs_are_drawn_and_what_is_selected_has_a_short_address(
    page: Page, many: RunningServer, troubles: list[str]
) -> None:
    page.goto(many.url + "/runs")
    heading = page.locator(".compare .head")
    expect(heading).to_contain_text("Latest 50 runs")
    heading.get_by_role("button", name="of 1,206").click()
    page.get_by_role("radio", name="The latest 1,000").click()
    expect(heading).to_contain_text("Latest 1,000 runs")
    assert "most=1000" in page.url
    assert barriers(page) == []
    loss = page.locator('[data-metric="train/loss"]')
    expect(loss).to_contain_text("points kept")  # of all runs: until then it says how many are here
    loss.locator(".chart").hover()
    expect(loss.get_by_test_id("chart-tip")).to_contain_text(re.compile(r"\d{2,} (lower|higher)"))

    page.goto(many.url + "/runs?group=param:seed")
    expect(heading).to_contain_text("Means over the latest 1,000 runs")
    page.goto(many.url + "/experiments/vision%2Fresnet-sweep?group=param:seed")
    expect(heading).to_contain_text(re.compile("Means over all 4[0-9]{2} runs"))

    page.goto(many.url + "/runs")
    expect(rows(page).first).to_be_visible()
    page.get_by_test_id("runs-table").focus()
    page.keyboard.press("Control+a")
    expect(heading).to_contain_text("1,000 of 1,206 selected runs")
    page.wait_for_url(re.compile(r"sel=\.\w{20}$"))
    selected = page.url
    page.goto(selected)
    expect(page.get_by_test_id("bulk-bar")).to_contain_text("1,206 selected")
    expect(heading).to_contain_text("1,000 of 1,206 selected runs")
    assert page.url == selected
    page.goto(selected.replace("/runs?", "/embed/runs?") + "&panel=metric:train/loss")
    expect(loss).to_contain_text("points kept")

    page.goto(many.url + "/runs?sel=.of-another-workspace")
    expect(page.get_by_test_id("toast")).to_contain_text("There is no selection")
    expect(heading).to_contain_text("Latest 50 runs")
    assert "sel=" not in page.url
    assert [trouble for trouble in troubles if "404" not in trouble] == []
    troubles.clear()


def test_odd_names_long_tags_and_right_to_left_text_stay_in_their_cells(page: Page, tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path / "w", clock_ms=lambda: T0_MS)) as store:
        odd: list[tuple[str, dict[str, ParamValue], dict[str, str | None]]] = [
            (MARKUP, {"a,b~1!%2C": 1, "`tick`": "x"}, {"long": "x" * 10_000, "<i>": "</i>"}),
            ("تشغيل النموذج ١", {"نص": "قيمة \u202e abc"}, {"علامة": "نعم"}),
            ("name\nwith\ttabs " + "very " * 60, {"none": None, "text": "line\nbreak"}, {f"tag-{i}": str(i) for i in range(40)}),
            ("", {}, {}),
        ]
        for number, (name, params, tags) in enumerate(odd):
            writer = Writer(experiment="odd & <b>").start(
                name=name, start_ms=T0_MS + number, params=params, tags=tags, user="ada"
            )
            writer.log("NaN only", float("nan")).log("infinite", float("inf")).log("huge", 1e300).log("text", "<b>")
            store.apply(writer.finish().batch(live=False))
    with serve_to(page, tmp_path / "w") as server:
        page.goto(
            server.url
            + "/runs?cols=tags,param:a%252Cb%257E1%2521%25252C,param:`tick`,metric:NaN+only,metric:infinite,metric:huge"
        )
        expect(rows(page)).to_have_count(4)
        expect(rows(page).last).to_contain_text(MARKUP)
        expect(rows(page).first).to_contain_text("run-4")
        expect(cell(page, MARKUP, "param:a,b~1!%2C")).to_have_text("1")
        expect(cell(page, MARKUP, "metric:NaN only")).to_have_text("NaN")
        heights: list[int] = rows(page).evaluate_all("all => all.map(row => row.offsetHeight)")
        assert len(set(heights)) == 1
        assert fits(page)
        page.get_by_label(f"Select {MARKUP}").click()
        page.get_by_test_id("filter-input").fill("params.```tick``` = 'x'")
        page.keyboard.press("Enter")
        expect(rows(page)).to_have_count(1)
        page.get_by_role("button", name="Take the table along").click()
        page.get_by_role("button", name="Copy as CSV").click()
        assert list(csv.reader(io.StringIO(clipboard(page))))[1][0] == MARKUP


def test_a_server_that_fails_or_dies_leaves_what_was_known(page: Page, tmp_path: Path, troubles: list[str]) -> None:
    fill(tmp_path / "w")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serve(tmp_path / "w", port) as server:
        page.goto(server.url + NETS)
        expect(rows(page)).to_have_count(11)

        def fail(route: Route) -> None:
            route.fulfill(status=500, json={"error": {"code": "INTERNAL", "message": "disk on fire"}})

        page.route("**/api/v1/runs/search", fail)
        page.get_by_test_id("filter-input").fill("trial")
        expect(page.get_by_test_id("runs-problem")).to_contain_text("disk on fire")
        expect(rows(page)).to_have_count(11)
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        page.unroute("**/api/v1/runs/search")  # from now on by itself
        expect(rows(page)).to_have_count(3)
        expect(page.get_by_test_id("runs-problem")).to_have_count(0)
    expect(page.get_by_test_id("lost-banner")).to_be_visible()
    expect(rows(page)).to_have_count(3)
    page.get_by_test_id("runs-table").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("#")
    expect(page.get_by_test_id("toast")).to_contain_text("does not answer")
    expect(rows(page)).to_have_count(3)
    with serve(tmp_path / "w", port):
        expect(page.get_by_test_id("lost-banner")).to_be_hidden(timeout=20_000)
        page.get_by_test_id("filter-input").fill("")
        expect(rows(page)).to_have_count(11)
        page.goto("about:blank")
    troubles[:] = [text for text in troubles if not text.startswith("Failed to load resource")]


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_bars_anybody(page: Page, nets: RunningServer, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(nets.url + NETS + "?cols=status,param:lr,spark:val/loss,metric:val/loss,tags&pin=sweep-id&base=lr0.1-s0-id")
        expect(rows(page)).to_have_count(11)
        page.get_by_label("Select trial-2").first.click()
        expect(page.get_by_test_id("bulk-bar")).to_be_visible()
        page.wait_for_timeout(200)
        assert barriers(page) == []
        assert fits(page)
    page.goto(nets.url + NETS + "?group=param:lr,tag:group&cols=metric:val/loss,status,param:seed")
    page.get_by_test_id("group-row").first.get_by_role("button", name="Open the group").click()
    expect(rows(page).first).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("button", name="Columns", exact=True).click()
    page.get_by_label("Find columns").fill("l")
    assert barriers(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("metrics.")
    expect(page.get_by_test_id("filter-suggestions")).to_be_visible()
    assert barriers(page) == []
