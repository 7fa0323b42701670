"""Measure the path of a point: `log()`, draining, size, charts, start-up. Each figure stands beside its budget or floor.

    python benchmarks/bench_first_slice.py

Figures are medians of a few repeats on this machine; floors are measured in the same run.
"""

from __future__ import annotations

import itertools
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tracklog.journal import Writer
from tracklog.records import POINT_FIELDS, Batch, DType, MetricKey, MetricKind, RunStarted
from tracklog.storage import SeriesQuery, Store
from tracklog.storage.local import LocalStore
from tracklog.storage.remote import RemoteStore

POINT = np.dtype([(name, "<f8" if kind == "V8" else kind) for name, kind in POINT_FIELDS])


def show(what: str, value: float, unit: str, beside: str) -> None:
    print(f"{what:<52}{value:>12,.2f} {unit:<12}{beside}")


def median_s(work: Callable[[], object], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def bench_log(folder: Path) -> None:
    calls = 200_000
    buffer = bytearray(32)
    pack, clock = struct.Struct("<qqdII").pack_into, time.time_ns
    floor = median_s(lambda: [pack(buffer, 0, i, clock() // 1_000_000, 0.5, 1, 1) for i in range(calls)], 3) / calls
    writer = Writer(folder / "journal", "run", store_uri="none")
    writer.make_fast(writer.define("loss", "", MetricKind.SCALAR, DType.FLOAT), float, itertools.count().__next__)
    log = writer.log

    def many() -> None:
        for i in range(calls):
            log("loss", 0.5, i)
        writer.confirm(writer.counts()[0], 0)

    show("log(name, value, step), mean", median_s(many, 3) / calls * 1e9, "ns", f"floor: clock + pack {floor * 1e9:.0f} ns")
    single = []
    for i in range(50_000):
        start = time.perf_counter_ns()
        log("loss", 0.5, i)
        single.append(time.perf_counter_ns() - start)
    show("log(), p99 (with the clock's own cost)", float(np.percentile(single, 99)), "ns", "budget 3,000 ns")
    values = {f"m{i}": i * 0.5 for i in range(100)}
    for name in values:
        writer.make_fast(writer.define(name, "", MetricKind.SCALAR, DType.FLOAT), float, itertools.count().__next__)
    each = median_s(lambda: [writer.log_many(values, i) for i in range(1000)], 3) / 1000
    show("log(dict of 100 metrics)", each * 1e6, "us", "budget 80 us")
    writer.close(remove=True)


def points_of(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = np.zeros(n, POINT)
    points["step"] = np.arange(n)
    points["time_ms"] = 1_790_000_000_000 + np.arange(n) * 3 + rng.integers(0, 2, n)
    points["value"] = np.float32(2.0 * np.exp(-np.arange(n) / n * 5) + rng.normal(0, 0.05, n))  # a loss, as frameworks give it
    points["key"] = points["marker"] = 1
    return points


def fill(store: Store, run_id: str, points: np.ndarray, batch: int) -> float:
    key = [MetricKey(1, "loss")]
    start = time.perf_counter()
    for first in range(0, len(points), batch):
        events = [RunStarted("bench", 0)] if first == 0 else []
        piece = points[first : first + batch].tobytes()
        store.apply(Batch(run_id, "w", first, 0 if first == 0 else 1, piece, events, key))
    return len(points) / (time.perf_counter() - start)


def bench_store(folder: Path) -> None:
    store = LocalStore(folder / "local")
    points = points_of(1_000_000)
    show("ingest, local, batches of 65,536", fill(store, "long", points, 65_536) / 1e6, "Mpoints/s", "budget 1.5")
    store.gc()
    size = (folder / "local" / "workspace.db").stat().st_size
    show("bytes a point at rest (noisy float32 loss)", size / 1e6, "B", "floor: 32 B as records; budget 4")
    query = SeriesQuery(["long"], buckets=1000)
    store.series(query)
    show("1M points -> 1,000 buckets", median_s(lambda: store.series(query)) * 1e3, "ms", "budget 20 ms")
    runs = [f"r{i}" for i in range(100)]
    for i, run_id in enumerate(runs):
        fill(store, run_id, points_of(10_000, i), 10_000)
    store.gc()
    query = SeriesQuery(runs, buckets=500)
    show("100 runs x 10k points -> 500 buckets each", median_s(lambda: store.series(query)) * 1e3, "ms", "budget 40 ms")
    store.close()


def bench_server(folder: Path) -> None:
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tracklog.server", str(folder / "served"), "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    urllib.request.urlopen(url + "/health").read()
    show("server start to first answer", time.perf_counter() - start, "s", "budget 1 s")
    store = RemoteStore(url)
    store.experiments()
    statm = Path(f"/proc/{process.pid}/statm")
    if statm.exists():
        resident = int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        show("server memory, idle", resident / 2**20, "MB", "budget 90 MB")
    show("GET one small answer, median", median_s(store.experiments, 50) * 1e3, "ms", "no TCP stall: far below 40 ms")
    show(
        "ingest over HTTP, batches of 65,536", fill(store, "long", points_of(1_000_000), 65_536) / 1e6, "Mpoints/s", "budget 1.5"
    )
    store.close()
    process.terminate()
    process.wait()
    process.stdout.close()


def bench_import() -> None:
    def run(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    floor, ours = median_s(run("pass"), 9), median_s(run("import tracklog"), 9)
    door = median_s(run("import tracklog; tracklog.start_run"), 9)
    show("import tracklog", (ours - floor) * 1e3, "ms", f"floor: the interpreter, {floor * 1e3:.0f} ms; budget 60 ms")
    show("import tracklog and the SDK", (door - floor) * 1e3, "ms", "")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        bench_log(Path(name))
        bench_store(Path(name))
        bench_server(Path(name))
    bench_import()
