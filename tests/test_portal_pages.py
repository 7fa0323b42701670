"""Every page of the portal as people meet it: in two languages, by keyboard, on a phone, in the dark, when things go wrong."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import tracklog
from tests.batches import T0_MS, Writer
from tests.browser import barriers, clipboard, fits, search, serve_to
from tests.servers import RunningServer, serve
from tracklog.records import DatasetInput, ErrorInfo, LineageAdded, LogLine, LogLines, RunEdited, RunStatus, StatusChanged
from tracklog.server.app import PORTAL
from tracklog.storage import ExperimentEdit, RunQuery
from tracklog.storage.local import LocalStore
from tracklog.storage.registry import LoggedModel, LoggedModelEdit, LoggedModelStatus, ModelEdit, ModelVersion, VersionEdit

pytestmark = pytest.mark.browser

MARKUP = "<img src=x onerror=alert(1)> & \u202eעברית"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server over something of everything that the pages show."""
    folder = tmp_path_factory.mktemp("pages")
    source = folder / "source"
    source.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(source)
        for number in range(2):
            (source / "train.py").write_text(f"lr = 0.{number + 1}\nfor epoch in range(10):\n    pass\n")
            (source / "notes.md").write_text("# Notes\n\nSome **bold** text.\n")
            with tracklog.start_run(
                "nets",
                name=f"net-{number}",
                params={"lr": (number + 1) / 10, "optimizer.name": "adamw", "optimizer.eps": 1e-8},
                uri=folder / "w",
                capture=["command", "packages"],
            ) as run:
                run.take_snapshot(source)
                for step in range(40):
                    run.log("train/loss", math.exp(-step / 10) + number, step=step)
                for step in range(3):
                    run.log_image("samples", np.eye(8) * step / 2, step=step)
                run.log_row("table", epoch=1, score=0.5)
    with closing(LocalStore(folder / "w")) as store:
        _add_models_and_states(store)
    with serve(folder / "w") as server:
        yield server


def _add_models_and_states(store: LocalStore) -> None:
    [run_id] = [run.id for run in store.search_runs(RunQuery(text="net-1")).runs]
    files = {"outputs/weights.npy": _npy(), "outputs/data.parquet": _parquet(), "outputs/look.ipynb": _notebook()}
    for path, content in files.items():
        store.put_artifact(run_id, path, io.BytesIO(content))
    logged = store.registry.create_logged_model(
        LoggedModel(id="m-" + "a" * 32, experiment="nets", name="net", type="pytorch", source_run_id=run_id)
    )
    store.put_artifact(logged.id, "MLmodel", io.BytesIO(b"flavors:\n  pytorch: {}\n"))
    store.registry.edit_logged_model(logged.id, LoggedModelEdit(status=LoggedModelStatus.READY))
    lineage = LineageAdded([DatasetInput("cifar", "0123456789abcdef", source='{"url": "s3://data/cifar"}')])
    store.apply(Writer(run_id).add(lineage).batch(live=False))
    for _ in range(3):
        store.registry.add_version("classifier", ModelVersion(source=f"runs:/{run_id}/outputs", run_id=run_id), create=True)
    store.registry.edit_version("classifier", 2, VersionEdit(stage="Production"))
    store.registry.edit_model("classifier", ModelEdit(description="Tells *cats* from dogs.", aliases={"champion": 2}))
    odd = Writer("odd", experiment=MARKUP).start(name=MARKUP, start_ms=T0_MS, tags={"long": "x" * 10_000, MARKUP: MARKUP})
    odd.log("loss", math.nan, 0).add(RunEdited(description=f"{MARKUP}\n\n[a](javascript:alert(1))"))
    odd.add(StatusChanged(RunStatus.FAILED, T0_MS + 9, ErrorInfo("ValueError", f"on purpose: {MARKUP}", "Traceback …")))
    store.apply(odd.batch())
    long = Writer("long", experiment="sweep").start(name="long", start_ms=T0_MS)
    long.add(LogLines([LogLine(T0_MS + i, "stdout", f"line {i}") for i in range(30_000)]))
    store.apply(long.finish().batch())
    parent = Writer("parent", experiment="sweep").start(name="parent", start_ms=T0_MS)
    store.apply(parent.finish().batch())
    for number in range(3):
        child = Writer(f"child-{number}", experiment="sweep").start(
            name=f"child-{number}", parent_id="parent", params={"lr": 10.0**-number}, start_ms=T0_MS + number
        )
        for step in range(5):
            child.log("loss", float(step + number), step)
        store.apply(child.finish().batch())
    store.edit_experiment("old", ExperimentEdit(archived=True))
    store.edit_experiment("nets", ExperimentEdit(tags={"team": "vision"}))


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((3, 4), "float32"))
    return buffer.getvalue()


def _parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"name": ["ada", "eve"], "score": [0.5, 12.25]}), buffer, compression="zstd")
    return buffer.getvalue()


def _notebook() -> bytes:
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "source": "1 + 1",
        "outputs": [{"output_type": "execute_result", "data": {"text/plain": "two", "text/html": "<script>alert(1)</script>"}}],
    }
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "# A notebook"}, cell]}).encode()


def _id(server: RunningServer, name: str) -> str:
    [run] = [run for run in search(server, text=name) if run["name"] == name]
    run_id: str = run["id"]
    return run_id


def _file(page: Page, name: str) -> Locator:
    return page.get_by_test_id("files-tree").locator("button.node").filter(has_text=name)


PAGES = {
    "/": "Experiments",
    "/experiments/nets": "nets",
    "/runs": "All runs",
    "/models": "classifier",
    "/models/classifier": "Version 3",
    "/activity": "Today",
    "/settings": "How it looks",
    "/compare?runs=child-0,child-1": "baseline",
    "/nowhere": "There is no page here",
    **{
        f"/runs/NET?tab={tab}": text
        for tab, text in {
            "charts": "train",
            "overview": "What changed",
            "log": "Nothing was printed",
            "code": "as kept when",
            "files": "outputs",
            "images": "Newest",
            "tables": "rows kept",
            "system": "No system metrics",
            "lineage": "cifar",
        }.items()
    },
    "/runs/parent?tab=children": "3 child runs",
    "/runs/odd?tab=overview": "on purpose",
}


def test_every_page_works_for_everyone_at_any_size_and_in_the_dark(page: Page, gallery: RunningServer) -> None:
    net = _id(gallery, "net-1")
    # What was made before midnight was made today, however long the tests before this one took.
    page.clock.set_fixed_time(max(run["heartbeat_ms"] for run in search(gallery, limit=50)) / 1000)
    for path, text in PAGES.items():
        page.goto(gallery.url + path.replace("NET", net))
        expect(page.locator("main")).to_contain_text(text)
        assert barriers(page) == [], path
        assert fits(page), path
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    for path, text in PAGES.items():
        page.goto(gallery.url + path.replace("NET", net))
        expect(page.locator("main")).to_contain_text(text)
        assert fits(page), path
        if path in ("/", "/runs/NET?tab=overview"):
            assert barriers(page) == [], path


@pytest.fixture
def portuguese(browser: Browser, gallery: RunningServer) -> Iterator[Page]:
    """A page of a reader whose browser asks for Portuguese; in it no English text of ours may be seen."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="pt-BR")
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert troubles == []


def test_the_portal_speaks_the_language_of_the_browser_or_the_one_chosen(portuguese: Page, gallery: RunningServer) -> None:
    page = portuguese
    texts = json.loads((Path(__file__).parent.parent / "portal/src/ui/languages/pt-BR.json").read_text())
    net = _id(gallery, "net-1")
    # Words that are nowhere in what the runs themselves say, as whole texts of elements.
    english = {text for text, translation in texts.items() if translation != text and "{" not in text and "|" not in text}
    english -= {
        "train",
        "loss",
        "number",
        "model",
        "data set",
        "run",
        "name",
        "last",
        "message",
        "script",
        "executable",
        "system",
    }
    for path in PAGES:
        page.goto(gallery.url + path.replace("NET", net))
        expect(page.get_by_role("navigation", name="Principal").get_by_role("link", name="Modelos")).to_be_visible()
        page.wait_for_timeout(100)
        seen = set(page.locator("body").inner_text().splitlines())
        assert seen.isdisjoint(english), (path, seen & english)
    page.goto(gallery.url + f"/runs/{net}?tab=overview")
    expect(page.get_by_test_id("params-table").get_by_role("row", name="lr").first).to_contain_text("0,2")  # the language's point
    expect(page.locator("html")).to_have_attribute("lang", "pt-BR")

    page.goto(gallery.url + "/settings")
    page.get_by_label("Idioma").select_option("English")
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()


def test_the_palette_goes_anywhere_and_does_anything(page: Page, gallery: RunningServer) -> None:
    page.goto(gallery.url)
    palette = page.get_by_test_id("palette")
    options = palette.get_by_role("option")

    def choose(text: str, first: str) -> None:
        page.keyboard.press("Control+k")
        expect(palette.get_by_role("combobox")).to_be_focused()
        page.keyboard.type(text)
        expect(options.first).to_contain_text(first)
        page.keyboard.press("Enter")
        expect(palette).to_be_hidden()

    choose("swp", "sweep")
    expect(page).to_have_url(re.compile("/experiments/sweep$"))
    choose("clsf", "classifier")
    expect(page).to_have_url(re.compile("/models/classifier$"))
    choose("child-2", "child-2")
    expect(page.get_by_role("heading", name="child-2")).to_be_visible()
    choose("rename", "Rename")
    expect(page.get_by_label("Name of the run")).to_be_focused()
    page.keyboard.press("Escape")
    choose("setti", "Settings")
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("zzzz")
    expect(palette).to_contain_text("Nothing is called “zzzz”.")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_test_id("help")).to_contain_text("Take back the last change")
    assert barriers(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()


def test_experiments_are_archived_in_bulk_and_brought_back(page: Page, tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path / "w")) as store:
        for number in range(12):
            store.apply(Writer(f"r{number}", experiment=f"team/exp-{number}").start(start_ms=T0_MS + number).finish().batch())
    with serve_to(page, tmp_path / "w") as server:
        page.goto(server.url)
        rows = page.get_by_test_id("experiment-row")
        expect(rows).to_have_count(12)
        expect(rows.first).to_contain_text("exp-11")
        page.get_by_role("button", name="Name").click()
        expect(rows.nth(2)).to_contain_text("exp-2")
        page.get_by_label("Select team/exp-2").check()
        page.get_by_label("Select team/exp-3").check()
        page.get_by_test_id("bulk").get_by_role("button", name="Archive").click()
        expect(rows).to_have_count(10)
        page.keyboard.press("Control+z")
        expect(rows).to_have_count(12)

        page.get_by_label("Select team/exp-5").check()
        page.get_by_test_id("bulk").get_by_role("button", name="Archive").click()
        expect(rows).to_have_count(11)
        page.get_by_role("button", name="Archived").click()
        expect(rows).to_have_count(1)
        with closing(LocalStore(tmp_path / "w")) as store:  # as another person would
            store.edit_experiment("team/exp-5", ExperimentEdit(archived=False))
        expect(page.locator("main")).to_contain_text("Nothing is archived.")


def test_a_version_is_promoted_named_and_removed(page: Page, tmp_path: Path, troubles: list[str]) -> None:
    with closing(LocalStore(tmp_path / "w")) as store:
        store.apply(Writer("r1", experiment="nets").start(name="net", params={"lr": 0.1}).log("loss", 0.25).finish().batch())
        store.put_artifact("r1", "outputs/model.bin", io.BytesIO(bytes(100)))
        for _ in range(3):
            store.registry.add_version("net", ModelVersion(source="runs:/r1/outputs", run_id="r1"), create=True)
        store.registry.edit_version("net", 1, VersionEdit(stage="Production"))
        store.registry.add_version("best", ModelVersion(source="models:/net/1"), create=True)
    with serve_to(page, tmp_path / "w") as server:
        page.goto(server.url + "/models")
        page.get_by_role("link", name="net", exact=True).click()
        version = page.get_by_test_id("version")
        expect(version).to_have_attribute("data-version", "3")
        expect(version).to_contain_text("model.bin")
        page.goto(server.url + "/models/best")  # a copy: what MLflow's copy_model_version makes
        expect(version).to_contain_text("model.bin")
        page.goto(server.url + "/models/net")
        expect(page.get_by_test_id("model-results")).to_contain_text("0.25")

        version.get_by_role("button", name="Stage of version 3").click()
        page.get_by_role("button", name="Production, and archive v1").click()
        listed = page.get_by_test_id("versions")
        expect(listed.get_by_role("link", name="v3")).to_contain_text("Production")
        expect(listed.get_by_role("link", name="v1")).to_contain_text("Archived")
        page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
        expect(listed.get_by_role("link", name="v1")).to_contain_text("Production")
        expect(listed.get_by_role("link", name="v3")).not_to_contain_text("Production")

        version.get_by_role("button", name="Alias").click()
        page.get_by_label("New alias").fill("champion")
        page.get_by_label("New alias").press("Enter")
        expect(listed.get_by_role("link", name="v3")).to_contain_text("@champion")
        page.keyboard.press("j")
        expect(version).to_have_attribute("data-version", "2")
        version.get_by_role("button", name="Delete the version").click()
        page.get_by_test_id("confirm").get_by_role("button", name="Cancel").click()
        expect(listed.get_by_role("link")).to_have_count(3)
        version.get_by_role("button", name="Delete the version").click()
        page.get_by_test_id("confirm").get_by_role("button", name="Delete the version").click()
        expect(listed.get_by_role("link")).to_have_count(2)
        page.goto(server.url + "/models/net?version=2")
        expect(page.get_by_test_id("version-unknown")).to_contain_text("There is no version 2.")
        page.goto(server.url + "/models/nothing")
        expect(page.get_by_test_id("model-unknown")).to_contain_text("nothing")
        troubles[:] = [text for text in troubles if "404" not in text]


def test_activity_is_told_as_it_happens(page: Page, tmp_path: Path) -> None:
    with serve_to(page, tmp_path / "w") as server:
        page.goto(server.url + "/activity")
        expect(page.get_by_test_id("empty-state")).to_contain_text("Nothing has happened yet")
        run = tracklog.start_run("lab", name="first", uri=server.url, capture=[])
        run.log("loss", 0.5)
        run.flush()
        events = page.get_by_test_id("activity")
        expect(events.filter(has_text="first started")).to_be_visible()
        run.complete()
        expect(events.filter(has_text="first completed")).to_be_visible()
        expect(events.filter(has_text="started")).to_have_count(0)  # the end tells it
        with contextlib.suppress(ValueError), tracklog.start_run("lab", name="bad", uri=server.url, capture=[]):
            raise ValueError("on purpose")
        page.get_by_role("button", name="Failures").click()
        expect(events).to_have_count(1)
        expect(events).to_contain_text("on purpose")


def test_what_changed_since_the_run_before_is_told_in_full(page: Page, gallery: RunningServer) -> None:
    page.goto(f"{gallery.url}/runs/{_id(gallery, 'net-1')}?tab=overview")
    changed = page.get_by_test_id("what-changed")
    expect(changed).to_contain_text("since net-0")
    expect(changed).to_contain_text("lr: 0.1 → 0.2")
    expect(changed).to_contain_text("1 file changed")
    changed.get_by_role("button", name="Side by side").click()
    expect(changed.locator('[data-testid=difference][data-name="lr"]')).to_contain_text("0.2")
    file = changed.get_by_test_id("diff-file")
    expect(file).to_have_attribute("data-path", "train.py")
    expect(file.locator(".remove")).to_contain_text("lr = 0.1")
    expect(file.locator(".add")).to_contain_text("lr = 0.2")
    page.goto(f"{gallery.url}/runs/{_id(gallery, 'net-0')}?tab=overview")
    expect(changed).to_contain_text("the first run of its experiment")

    params = page.get_by_test_id("params-table")
    expect(params.get_by_role("row")).to_have_count(4)
    params.get_by_role("button", name="optimizer 2").click()
    expect(params.get_by_role("row")).to_have_count(2)


def test_the_source_of_a_run_is_read_and_compared_without_being_downloaded(page: Page, gallery: RunningServer) -> None:
    page.goto(f"{gallery.url}/runs/{_id(gallery, 'net-1')}?tab=code")
    _file(page, "train.py").click()
    expect(page.get_by_test_id("file-preview")).to_contain_text("for epoch in range(10)")
    _file(page, "notes.md").click()
    expect(page.get_by_test_id("file-preview").locator("strong")).to_have_text("bold")
    page.get_by_role("button", name="Since the run before").click()
    expect(page.get_by_test_id("diff-file").locator(".add")).to_contain_text("lr = 0.2")
    page.get_by_role("button", name="Beside another run").click()
    page.get_by_test_id("pick-run").filter(has_text="net-0").click()
    expect(page.get_by_test_id("diff-file")).to_have_count(1)


def test_files_of_every_kind_are_looked_at_and_folders_taken_along(page: Page, gallery: RunningServer) -> None:
    page.goto(f"{gallery.url}/runs/{_id(gallery, 'net-1')}?tab=files")
    tree = page.get_by_test_id("files-tree")
    preview = page.get_by_test_id("file-preview")
    _file(page, "data.parquet").click()
    expect(preview.get_by_test_id("parquet-preview")).to_contain_text("12.25")
    _file(page, "weights.npy").click()
    expect(preview.get_by_test_id("tensor-preview")).to_contain_text("3 × 4")
    _file(page, "look.ipynb").click()
    expect(preview.get_by_test_id("notebook")).to_contain_text("two")
    _file(page, "MLmodel").click()  # of the model that the run logged
    expect(preview).to_contain_text("pytorch")
    expect(page).to_have_url(re.compile("file=net(/|%2F)MLmodel"))
    assert barriers(page) == []
    with page.expect_download() as download:
        tree.get_by_role("link", name="Download the folder net as zip").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["MLmodel"]
    with page.expect_download() as download:
        tree.get_by_role("link", name="Download the folder outputs as zip").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert sorted(archive.namelist()) == ["outputs/data.parquet", "outputs/look.ipynb", "outputs/weights.npy"]


def test_runs_stand_beside_each_other(page: Page, gallery: RunningServer) -> None:
    net = [_id(gallery, f"net-{number}") for number in range(2)]
    page.goto(f"{gallery.url}/compare?runs={','.join(net)}")
    rows = page.get_by_test_id("difference")
    expect(rows.filter(has_text="lr").first).to_contain_text("+0.1")
    expect(page.locator('[data-name="optimizer.name"]')).to_have_count(0)
    page.keyboard.press("d")
    expect(page.locator('[data-name="optimizer.name"]')).to_have_count(1)
    page.get_by_test_id("compared").get_by_role("button", name="baseline").nth(1).click()
    expect(rows.filter(has_text="lr").first).to_contain_text("-0.1")
    page.keyboard.press("2")
    expect(page.locator('[data-testid=chart-card][data-metric="train/loss"]')).to_contain_text("points kept")
    page.keyboard.press("3")
    expect(page.get_by_test_id("image-viewer").first).to_contain_text("net-0")
    page.keyboard.press("4")
    expect(page.get_by_test_id("diff-file")).to_have_count(1)
    page.get_by_role("button", name="Add a run").click()
    page.get_by_label("Find a run").fill("child-1")
    page.get_by_test_id("pick-run").click()
    expect(page.get_by_test_id("compared").get_by_role("listitem")).to_have_count(3)
    page.get_by_role("button", name="Leave out net-0").click()
    page.reload()
    expect(page.get_by_test_id("compared").get_by_role("listitem")).to_have_count(2)


def test_a_long_log_is_read_where_one_looks(page: Page, gallery: RunningServer) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/log?" in request.url else None)
    page.goto(gallery.url + "/runs/long?tab=log")
    lines = page.get_by_test_id("log-line")
    expect(lines.filter(has_text="line 29999")).to_be_in_viewport()
    assert len(asked) <= 2
    page.locator(".log").evaluate("log => log.scrollTo(0, log.scrollHeight / 2)")
    expect(lines.filter(has_text="line 15000")).to_be_in_viewport()
    assert len(asked) <= 4
    page.keyboard.press("/")
    page.keyboard.type("line 12345")
    expect(page.get_by_test_id("log-count")).to_have_text("1 of 30,000 lines")
    lines.first.get_by_role("button").click()
    expect(lines.filter(has_text="line 12344")).to_be_in_viewport()
    expect(page).to_have_url(re.compile("line=12346"))


def run_what_is_pasted(page: Page, folder: Path, kind: str) -> None:
    """Run the program that the page offers for a kind of client, as a user would: copied, pasted, started."""
    page.get_by_role("button", name=kind, exact=True).click()
    page.get_by_role("button", name="Copy the code").click()
    (folder / "train.py").write_text(clipboard(page))
    alias = Path(__file__).parent.parent / "azureml-alias" / "src"
    environment = {**os.environ, "PYTHONPATH": str(alias)} if kind.startswith("Azure") else dict(os.environ)
    subprocess.run([sys.executable, "train.py"], check=True, cwd=folder, env=environment, timeout=60, capture_output=True)


@pytest.mark.parametrize("kind", ["Azure ML v1", "MLflow"])
def test_what_the_first_page_says_to_paste_turns_it_into_the_chart(page: Page, tmp_path: Path, kind: str) -> None:
    with serve_to(page, tmp_path / "w") as server:
        page.goto(server.url)
        run_what_is_pasted(page, tmp_path, kind)

        expect(page.locator('[data-testid=chart-card][data-metric="loss"]')).to_contain_text("all 100 points kept")


@pytest.mark.parametrize("kind", ["tracklog", "Azure ML v1", "MLflow"])
def test_what_the_models_page_says_to_paste_registers_a_model(page: Page, tmp_path: Path, kind: str) -> None:
    with serve_to(page, tmp_path / "w") as server:
        page.goto(server.url + "/models")
        expect(page.get_by_role("heading", name="No models yet")).to_be_visible()
        run_what_is_pasted(page, tmp_path, kind)

        expect(page.get_by_test_id("models-table").get_by_role("row").filter(has_text="line")).to_contain_text("1")


def test_text_is_never_markup_and_never_breaks_a_page(page: Page, gallery: RunningServer) -> None:
    page.goto(gallery.url + "/runs/odd")
    expect(page.get_by_role("heading", name="onerror")).to_contain_text("<img src=x")
    expect(page.get_by_test_id("description")).to_contain_text("[a](javascript:alert(1))")
    expect(page.locator("img[src=x]")).to_have_count(0)
    page.set_viewport_size({"width": 390, "height": 844})
    assert fits(page)
    assert barriers(page) == []


def test_a_server_that_fails_or_goes_is_said_and_mended(page: Page, tmp_path: Path, troubles: list[str]) -> None:
    with closing(LocalStore(tmp_path / "w")) as store:
        store.apply(Writer("r1", experiment="nets").start(name="net").log("loss", 0.25).batch())
    with serve_to(page, tmp_path / "w") as server:
        failing = {"status": 500, "json": {"error": {"code": "INTERNAL", "message": "The server failed on this request."}}}
        paths = {
            "/": "**/api/v1/experiments",
            "/models": "**/api/v1/models/search",
            "/activity": "**/api/v1/activity/search",
            "/runs/r1": "**/api/v1/runs/r1",
        }
        for path, pattern in paths.items():
            page.route(pattern, lambda route: route.fulfill(**failing))
            page.goto(server.url + path)
            expect(page.get_by_test_id("problem")).to_contain_text("The server failed on this request.")
            expect(page.get_by_role("button", name="Try again")).to_be_visible()
            page.unroute(pattern)  # from now on by itself
            expect(page.get_by_test_id("problem")).to_have_count(0)
        # A part of the portal that a newer server no longer has.
        page.route("**/assets/SettingsPage*", lambda route: route.fulfill(status=404))
        page.goto(server.url + "/settings")
        expect(page.get_by_test_id("lazy-missing")).to_contain_text("could not be loaded")
        page.unroute("**/assets/SettingsPage*")
        page.get_by_role("button", name="Load the page anew").click()
        expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        troubles[:] = [
            text for text in troubles if "500" not in text and "404" not in text and "dynamically imported" not in text
        ]


def test_settings_are_kept_and_the_trash_is_emptied(page: Page, tmp_path: Path) -> None:
    with closing(LocalStore(tmp_path / "w")) as store:
        for number in range(2):
            store.apply(Writer(f"r{number}", experiment="nets").start().log("loss", 0.25).finish().batch())
        store.apply(Writer("r0").add(RunEdited(deleted=True)).batch(live=False))
    with serve_to(page, tmp_path / "w") as server:
        page.goto(server.url + "/settings")
        page.get_by_role("button", name="Copy the line").nth(1).click()
        assert clipboard(page) == f"export MLFLOW_TRACKING_URI={server.url}"
        page.get_by_role("button", name="dark").click()
        page.get_by_role("button", name="compact").click()
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(page.locator("html")).to_have_attribute("data-density", "compact")

        usage = page.get_by_test_id("usage")
        expect(usage).to_contain_text("Empty the trash")
        usage.get_by_role("button", name="Empty the trash").click()
        page.get_by_test_id("confirm").get_by_role("button", name="Empty the trash").click()
        expect(usage).to_contain_text("none")
        assert [run["id"] for run in search(server, deleted=True)] == []


def test_nothing_is_asked_while_nothing_happens(page: Page, gallery: RunningServer) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/activity", f"/runs/{_id(gallery, 'net-1')}"):
        page.goto(gallery.url + path)
        expect(page.locator("h1").first).to_be_visible()
        page.wait_for_timeout(700)
        asked.clear()
        page.wait_for_timeout(1_200)
        assert asked == [], path


def test_the_first_view_is_light(page: Page, gallery: RunningServer) -> None:
    asked: set[str] = set()
    page.on("response", lambda response: asked.add(response.url.rsplit("/", 1)[-1]) if "/assets/" in response.url else None)
    page.goto(gallery.url)
    expect(page.get_by_test_id("chart-card").first).to_be_visible()

    sent = {name: len(gzip.compress((PORTAL / "assets" / name).read_bytes())) for name in asked}
    font = sum(size for name, size in sent.items() if name.endswith(".woff2"))
    assert sum(sent.values()) - font < 200_000, sent
    assert font < 50_000, sent


def test_a_page_is_printed_on_white_with_lines_instead_of_pixels(page: Page, gallery: RunningServer) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(f"{gallery.url}/runs/{_id(gallery, 'net-1')}")
    expect(page.locator("[data-metric='train/loss'] canvas").first).to_be_visible()
    page.emulate_media(color_scheme="dark", media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    expect(page.locator("[data-metric='train/loss'] .printed svg")).to_be_visible()
    expect(page.locator("[data-metric='train/loss'] canvas").first).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator(".printed")).to_have_count(0)
