"""Measure the portal in Chromium: how long until curves are drawn, what that costs, and how it follows the pointer.

    python benchmarks/bench_portal.py [--quick] [--peers] [--workspace FOLDER] [--cache FOLDER]

Over the workspaces of `tracklog demo --scale`: 50 runs × 10 metrics × 2,000 points, 1,000 runs × 1 metric × 2,000 points drawn
in one chart, one run with a series of a million points, four runs with a thousand metric names each. `--quick`: a tenth of each.
Needs playwright and a Chromium.

Every page is opened in a fresh context: nothing is cached. Times count from the navigation, by the page's own clock, until the
frame with the curves has been painted; bytes are those on the wire; heap is what is left after a collection. The floor is the
same browser opening an answer of two lines from the same server; then come the budgets of the project.

`--peers`: the same 50 × 10 × 2,000 also in Trackio, TensorBoard and MLflow's own interface. Each shows what it shows by itself,
which is less; how much stands beside it.

The table of 100,000 runs has a script of its own: bench_runs_table.py.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tracklog.scale import Grid, Many, Size, write
from tracklog.storage import RunQuery
from tracklog.storage.local import LocalStore

GRID = Grid(50, 10, 2000)
CROWD = Grid(1000, 1, 2000)
VIEWPORT = {"width": 1440, "height": 900}
FRAME_MS = 1000 / 60
SETTLED_MS = 700  # nothing was drawn for as long: all that was asked for is there

# Notes when curves are drawn, in ms since the navigation: a long path stroked on a canvas, a picture of very many curves laid on
# one, a long path in the page, long arrays drawn by WebGL.
WATCH = """(() => {
  const marks = (window.__marks = []);
  let corners = 0;
  const { lineTo, beginPath, stroke, drawImage } = CanvasRenderingContext2D.prototype;
  Object.assign(CanvasRenderingContext2D.prototype, {
    beginPath() { corners = 0; return beginPath.call(this); },
    lineTo(x, y) { corners++; return lineTo.call(this, x, y); },
    stroke(...given) {
      if (corners >= 20) marks.push({ at: performance.now(), canvas: this.canvas });
      return stroke.apply(this, given);
    },
    drawImage(image, ...given) {
      if (image instanceof HTMLCanvasElement) marks.push({ at: performance.now(), canvas: this.canvas });
      return drawImage.call(this, image, ...given);
    },
  });
  for (const kind of [WebGLRenderingContext, WebGL2RenderingContext]) {
    const { drawArrays, drawElements } = kind.prototype;
    const note = (gl, count) => { if (count >= 20) marks.push({ at: performance.now(), canvas: gl.canvas }); };
    kind.prototype.drawArrays = function (...given) { note(this, given[2]); return drawArrays.apply(this, given); };
    kind.prototype.drawElements = function (...given) { note(this, given[1]); return drawElements.apply(this, given); };
  }
  const { setAttribute } = Element.prototype;
  Element.prototype.setAttribute = function (name, value) {
    // Of a curve, not of an icon: a long line of corners.
    if (name === "d" && String(value).length > 400 && /^M[^A-Zac-z]*(L[^A-Za-z]*){20}/.test(value))
      marks.push({ at: performance.now(), canvas: this.ownerSVGElement ?? this });
    return setAttribute.call(this, name, value);
  };
})()"""
# Wait for the first curve, and the frame that shows it.
FIRST_CURVE = """async () => {
  const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))));
  while (window.__marks.length === 0) {
    if (performance.now() > 60000) return NaN;
    await painted();
  }
  return painted();
}"""
# Wait until nothing is drawn any more; return the time of the last curve since `from`, and how many charts have curves.
SETTLED = """async ({ from, quietMs }) => {
  const last = () => window.__marks.at(-1)?.at ?? -1;
  do await new Promise(done => setTimeout(done, 20));
  while ((last() < from || performance.now() - last() < quietMs) && performance.now() - from < 60000);
  const drawn = window.__marks.filter(mark => mark.at >= from);
  return { tookMs: last() - from, charts: new Set(drawn.map(mark => mark.canvas)).size };
}"""
# Time from a pointer event until the frame that shows its effect has been handed over; work: what the page itself did in it.
FOLLOW = """() => {
  const seen = (window.__seen = []);
  addEventListener("mousemove", event => {
    const began = performance.now();
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {
        const now = performance.now();
        seen.push({ latency: now - event.timeStamp, work: now - began });
        channel.port1.close();
      };
      channel.port2.postMessage(0);
    });
  }, { capture: true });
  let before = performance.now();
  const frames = (window.__frames = []);
  const frame = now => { frames.push(now - before); before = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""


@dataclass
class Opened:
    """What opening a page took."""

    first_ms: float
    all_ms: float
    charts: int
    bytes: float
    script_bytes: float
    requests: int
    heap_mb: float


@dataclass
class Wire:
    """Counts what a page gets."""

    session: CDPSession
    bytes: float = 0
    script_bytes: float = 0
    requests: int = 0
    _kind: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        self.session.send("Network.enable")
        self.session.on("Network.responseReceived", self._began)
        self.session.on("Network.loadingFinished", self._ended)
        self.session.on("Network.webSocketFrameReceived", self._framed)

    def _began(self, event: dict[str, Any]) -> None:
        self._kind[event["requestId"]] = event["type"]

    def _ended(self, event: dict[str, Any]) -> None:
        self.requests += 1
        self.bytes += event["encodedDataLength"]
        if self._kind.get(event["requestId"]) == "Script":
            self.script_bytes += event["encodedDataLength"]

    def _framed(self, event: dict[str, Any]) -> None:
        self.bytes += len(event["response"]["payloadData"])


@contextlib.contextmanager
def fresh(browser: Browser, script: str = "") -> Iterator[tuple[Page, Wire]]:
    """A page in a context of its own, which watches for curves and counts bytes."""
    context = browser.new_context(viewport=VIEWPORT)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(f"{WATCH};{script}")
        wire = Wire(context.new_cdp_session(page))
        wire.start()
        yield page, wire
    finally:
        context.close()


def opened(page: Page, wire: Wire, url: str, first: str = FIRST_CURVE) -> Opened:
    page.goto(url, wait_until="commit")
    first_ms = page.evaluate(first)
    settled = page.evaluate(SETTLED, {"from": 0, "quietMs": SETTLED_MS})
    all_ms = max(first_ms, settled["tookMs"])
    wire.session.send("HeapProfiler.enable")
    wire.session.send("HeapProfiler.collectGarbage")
    heap = wire.session.send("Runtime.getHeapUsage")
    kilo = heap["usedSize"] + heap.get("backingStorageSize", 0)
    return Opened(first_ms, all_ms, settled["charts"], wire.bytes, wire.script_bytes, wire.requests, kilo / 1e6)


def median_of(runs: list[Opened], value: Callable[[Opened], float]) -> float:
    return statistics.median(value(one) for one in runs)


def line(what: str, figure: str, budget: str = "", floor: str = "") -> None:
    print(f"  {what:<46}{figure:>12}{'   budget: ' + budget if budget else ''}{'   floor: ' + floor if floor else ''}".rstrip())


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


# --------------------------------------------------------------------------------- the portal


def opening(browser: Browser, url: str, address: str, repeats: int) -> None:
    floors, runs = [], []
    for _ in range(repeats):
        with fresh(browser) as (page, _wire):
            page.goto(f"{url}/health")
            floors.append(page.evaluate("performance.now()"))
        with fresh(browser) as (page, wire):
            runs.append(opened(page, wire, url + address))
    floor = statistics.median(floors)
    first = median_of(runs, lambda one: one.first_ms)
    line("page to the first chart", f"{first:,.0f} ms", "1,000 ms", f"{floor:.0f} ms ({first / floor:.0f} ×)")
    tell(runs, {"sent by then": "1.00 MB", "of it scripts": "200 KB", "heap": "120 MB"})


def tell(runs: list[Opened], budgets: dict[str, str]) -> None:
    """Print what opening a page took, beside its first chart."""
    figures = {
        "page to all charts near the window": f"{median_of(runs, lambda one: one.all_ms):,.0f} ms",
        "charts drawn": f"{runs[0].charts}",
        "sent by then": f"{median_of(runs, lambda one: one.bytes) / 1e6:.2f} MB",
        "of it scripts": f"{median_of(runs, lambda one: one.script_bytes) / 1e3:,.0f} KB",
        "requests": f"{median_of(runs, lambda one: one.requests):.0f}",
        "heap": f"{median_of(runs, lambda one: one.heap_mb):.0f} MB",
    }
    for what, figure in figures.items():
        line(what, figure, budgets.get(what, ""))


def pointing(page: Page, wire: Wire, at: int = 1) -> None:
    """Move over a chart whose neighbours follow, then zoom them all."""
    chart = page.locator("figure .u-over").nth(at)
    box = chart.bounding_box()
    assert box is not None
    page.evaluate(FOLLOW)
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)
    page.evaluate("window.__seen.length = window.__frames.length = 0")
    for step in range(80):
        across, down = 10 + step * (box["width"] - 20) / 80, box["height"] * (0.3 + 0.4 * (step % 7) / 7)
        page.mouse.move(box["x"] + across, box["y"] + down)
        page.wait_for_timeout(10)
    page.wait_for_timeout(200)
    seen, frames = page.evaluate("[window.__seen, window.__frames]")
    work, latency = [one["work"] for one in seen], [one["latency"] for one in seen]
    frame = f"{FRAME_MS:.1f} ms"
    line("hover: work in the frame, median", f"{statistics.median(work):.1f} ms", frame)
    line("hover: work in the frame, 95th percentile", f"{quantile(work, 0.95):.1f} ms", frame)
    line("hover: from the event to its frame, median", f"{statistics.median(latency):.1f} ms", f"{FRAME_MS:.1f} ms + work")
    late = sum(one > 1.5 * FRAME_MS for one in frames)
    line("hover: frames that came late", f"{late} of {len(frames)}")
    line("zoom: from the drag to the new points", f"{zoomed(page, box, 0.4, 0.5):,.0f} ms")
    heap = wire.session.send("Runtime.getHeapUsage")
    line("heap after that, not collected", f"{heap['usedSize'] / 1e6:.0f} MB")


def zoomed(page: Page, box: Any, start: float, end: float) -> float:
    """Drag a range and return how long it took until the last curve of it was drawn, ms."""
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], y, steps=4)
    began = page.evaluate("performance.now()")
    page.mouse.up()
    return float(page.evaluate(SETTLED, {"from": began, "quietMs": SETTLED_MS})["tookMs"])


def grid(browser: Browser, url: str, repeats: int, size: Grid) -> None:
    address = f"/experiments/{grid_name(size)}?charts=all"
    print(f"{size.runs} runs × {size.metrics} metrics × {size.points:,} points")
    opening(browser, url, address, repeats)
    with fresh(browser) as (page, wire):
        opened(page, wire, url + address)
        pointing(page, wire)


# Tasks that kept the page busy for 50 ms or more, from the time on when the script ran.
LONG_TASKS = """(() => {
  window.__long = [];
  new PerformanceObserver(list => { for (const one of list.getEntries()) window.__long.push(one.duration); })
    .observe({ type: "longtask" });
})()"""


def crowd(browser: Browser, url: str, repeats: int, size: Grid) -> None:
    """Very many lines in one chart: its parts come one after the other, and the last of them counts."""
    address = f"/experiments/{grid_name(size)}?most=1000"
    print(f"{size.runs:,} lines of {size.points:,} points in one chart")
    runs = []
    for _ in range(repeats):
        with fresh(browser) as (page, wire):
            runs.append(opened(page, wire, url + address))
    line("page to the last line", f"{median_of(runs, lambda one: one.all_ms):,.0f} ms", "1,500 ms")
    tell(runs, {"sent by then": "2.00 MB", "heap": "120 MB"})
    with fresh(browser) as (page, wire):
        opened(page, wire, url + address)
        page.evaluate(LONG_TASKS)
        page.mouse.move(720, 700)
        for _ in range(40):
            page.mouse.wheel(0, 120)
            page.wait_for_timeout(16)
        page.mouse.wheel(0, -10_000)
        page.wait_for_timeout(500)
        line("scroll: longest task", f"{max(page.evaluate('window.__long'), default=0):.0f} ms", "100 ms")
        pointing(page, wire, 0)


def names(browser: Browser, url: str, repeats: int, count: int) -> None:
    print(f"{count:,} metric names")
    opening(browser, url, "/experiments/many-names?charts=all", repeats)
    with fresh(browser) as (page, wire):
        opened(page, wire, f"{url}/experiments/many-names?charts=all")
        field = page.get_by_placeholder("Find in")
        began = page.evaluate("performance.now()")
        field.fill("layer.1/.*norm$")
        took = page.evaluate(SETTLED, {"from": began, "quietMs": SETTLED_MS})["tookMs"]
        line("search: from the text to the charts found", f"{took:,.0f} ms")


def long(browser: Browser, url: str, repeats: int, run_id: str, count: int) -> None:
    print(f"a series of {count:,} points")
    opening(browser, url, f"/runs/{run_id}", repeats)
    with fresh(browser) as (page, wire):
        opened(page, wire, f"{url}/runs/{run_id}")
        panel = page.locator('[data-metric="train/loss"]').first
        box = panel.locator(".u-over").bounding_box()
        assert box is not None
        times = []
        while panel.get_by_title("Every point is drawn.").count() == 0 and len(times) < 8:
            times.append(zoomed(page, box, 0.45, 0.55))
        line(f"zoom: to single points in {len(times)} drags, each", f"{statistics.median(times):,.0f} ms")


def beside(browser: Browser, folder: Path, size: Grid, cache: Path) -> None:
    """Measure what others take to show the same runs."""
    import portal_peers

    with closing(LocalStore(folder)) as store, tempfile.TemporaryDirectory() as temporary:
        ids = store.run_ids(RunQuery(experiment=grid_name(size)))
        found = [store.get_run(one) for one in ids]
        metrics = [metric.name for metric in found[0].metrics]
        values = np.array([[store.columns(one, name).values for name in metrics] for one in ids])
        data = Path(temporary) / "grid.npz"
        portal_peers.save(data, [run.name for run in found], metrics, values)
        for name, start in portal_peers.peers().items():
            try:
                with start(cache / name.lower(), data) as there:
                    print(f"{name}, which shows {there.shows}; load {os.getloadavg()[0]:.1f}")
                    with fresh(browser, there.script) as (page, wire):
                        one = opened(page, wire, there.url)
                    line("page to the first chart", f"{one.first_ms:,.0f} ms")
                    tell([one], {})
            except (subprocess.CalledProcessError, AssertionError, OSError, PlaywrightError) as error:
                print(f"{name} is left out: {str(error)[-300:]}")


def grid_name(size: Size) -> str:
    assert isinstance(size, Grid)
    return f"grid-{size.runs}x{size.metrics}x{size.points}"


def made(folder: Path, sizes: list[Size]) -> str:
    """Write what is not there yet; return the id of the run with the long series."""
    with closing(LocalStore(folder)) as store:
        known = {one.name for one in store.experiments()}
        for size, experiment in zip(sizes, (*map(grid_name, sizes[:2]), "long-series", "many-names"), strict=True):
            if experiment not in known:
                write(store, size, now_ms=time.time_ns() // 1_000_000, advance=lambda done, total: None)
        store.maintain()
        return store.run_ids(RunQuery(experiment="long-series"))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, once")
    parser.add_argument("--peers", action="store_true", help="also Trackio, TensorBoard and MLflow")
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/tracklog-bench").expanduser(), help="for the peers")
    parser.add_argument("--workspace", type=Path, help="where the runs are, or will be kept")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    size, points, wide = (Grid(50, 10, 200), 100_000, 100) if given.quick else (GRID, 1_000_000, 1000)
    lines = Grid(100, 1, 2000) if given.quick else CROWD
    sizes: list[Size] = [size, lines, Many("points", points), Many("names", wide)]
    repeats = 1 if given.quick else given.repeats
    with contextlib.ExitStack() as stack:
        folder = given.workspace or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "w"
        run_id = made(folder, sizes)
        url = stack.enter_context(served([sys.executable, "-m", "tracklog.server", str(folder), "0"]))
        playwright = stack.enter_context(sync_playwright())
        options: dict[str, Any] = {"args": ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"]}
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), **options)
        print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Chromium {browser.version}")
        grid(browser, url, repeats, size)
        crowd(browser, url, repeats, lines)
        names(browser, url, repeats, wide)
        long(browser, url, repeats, run_id, points)
        if given.peers:
            beside(browser, folder, size, given.cache)
        browser.close()


@contextlib.contextmanager
def served(command: list[str]) -> Iterator[str]:
    """Run a server that prints its address first."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    main()
