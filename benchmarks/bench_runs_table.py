"""Measure the runs table of the portal in Chromium, over a workspace of `tracklog demo --scale runs=N`.

    python benchmarks/bench_runs_table.py [--runs 100000] [--workspace FOLDER]

Needs playwright and a Chromium. Times are what a person waits for: from a click, or from the address, until the rows are on the
screen. A blank frame is one in which a row in view is not filled yet. Writing 100,000 runs takes about two minutes; with
`--workspace` they are kept for the next time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tracklog.scale import Many, write
from tracklog.storage.local import LocalStore

COLUMNS = ("metric:val/loss", "metric:val/accuracy", "param:lr", "name")
SORT = """async column => {
  const first = () => document.querySelector("[data-testid=run-row]")?.dataset.run;
  const [before, began] = [first(), performance.now()];
  document.querySelector(`[data-column="${column}"] .label`).click();
  while (first() === before && performance.now() - began < 20000) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""
JUMP = """async () => {
  const grid = document.querySelector("[data-testid=runs-table]");
  grid.scrollTop = grid.scrollHeight / 2;
  const began = performance.now();
  do await new Promise(requestAnimationFrame);
  while (performance.now() - began < 20000 && (performance.now() - began < 60 || document.querySelector(".ghost")));
  return performance.now() - began;
}"""
# 60 px a frame are 3,600 px a second: a fast spin of a wheel.
SCROLL = """async () => {
  const grid = document.querySelector("[data-testid=runs-table]");
  const times = [];
  let blank = 0;
  for (let frame = 0; frame < 180; frame++) {
    const began = performance.now();
    grid.scrollTop += 60;
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - began);
    const box = grid.getBoundingClientRect();
    const inView = ghost => { const own = ghost.getBoundingClientRect(); return own.bottom > box.top && own.top < box.bottom; };
    if ([...document.querySelectorAll(".ghost")].some(inView)) blank++;
  }
  times.sort((a, b) => a - b);
  return [times[90], times[171], blank];
}"""


def measure(page: Page, url: str) -> None:
    opened = []
    for _ in range(3):
        began = time.perf_counter()
        page.goto(url)
        page.get_by_test_id("run-row").first.wait_for()
        opened.append(1000 * (time.perf_counter() - began))
    print(f"  page to first rows {statistics.median(opened):8.0f} ms")
    page.wait_for_timeout(1500)
    for column in COLUMNS:
        times = []
        for _ in range(3):
            times.append(page.evaluate(SORT, column))
            page.wait_for_timeout(700)
        print(f"  sort by {column:20} {statistics.median(times):6.0f} ms on screen")
    print(f"  jump to the middle {page.evaluate(JUMP):8.0f} ms")
    median, slow, blank = page.evaluate(SCROLL)
    print(f"  scroll: frame {median:.0f} ms median, {slow:.0f} ms 95th percentile, {blank} of 180 frames with a blank row")
    print(f"  heap {page.evaluate('performance.memory.usedJSHeapSize') / 1e6:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--workspace", type=Path, help="where the runs are, or will be kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = given.workspace or Path(temporary) / "w"
        if not (folder / "workspace.db").exists():
            with closing(LocalStore(folder)) as store:
                write(store, Many("runs", given.runs), now_ms=time.time_ns() // 1_000_000, advance=lambda done, total: None)
        command = [sys.executable, "-m", "tracklog.server", str(folder), "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            with sync_playwright() as playwright:
                options: dict[str, Any] = {"args": ["--no-sandbox", "--disable-gpu"]}
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), **options)
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                for name, path in (("all runs", "/runs"), ("one experiment", "/experiments/vision%2Fresnet-sweep")):
                    print(f"{name}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
                    measure(page, url + path)
                browser.close()
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    main()
