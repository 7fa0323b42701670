"""Measure what Azure ML v1 scripts do much of: rows of fifteen columns, runs one after the other, children, reading back.

    python benchmarks/bench_azureml.py [--rows 1000]

Rows are logged under three names, as v1's own notebook does; by default a few, so that it is done in a second.
Floors are measured in the same run: for rows, packing the same numbers into memory as 32-byte records.
"""

from __future__ import annotations

import argparse
import os
import struct
import tempfile
import time
from pathlib import Path

COLUMNS = 15


def show(what: str, seconds: float, beside: str = "") -> None:
    print(f"{what:<52}{seconds * 1000:>12,.1f} ms   {beside}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50, help="rows of each of the three names")
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(TRACKLOG_URI=folder, TRACKLOG_CAPTURE="none", TRACKLOG_QUIET="1")
        os.chdir(folder)
        measure(rows)


def measure(rows: int) -> None:
    from azureml.core import Experiment, Run, Workspace

    experiment = Experiment(Workspace.from_config(), "bench")
    warm = experiment.start_logging(snapshot_directory=None)
    warm.log_row("warm", a=1)
    warm.complete()

    cells = {f"column{i}": i for i in range(COLUMNS)}
    pack, clock = struct.Struct("<qqqII").pack_into, time.time_ns
    buffer = bytearray(32)
    began = time.perf_counter()
    for row in range(3 * rows):
        for value in cells.values():
            pack(buffer, 0, row, clock() // 1_000_000, value, 1, 1)
    floor_s = time.perf_counter() - began

    run = experiment.start_logging(snapshot_directory=None)
    began = time.perf_counter()
    for name in ("A", "B", "C"):
        for _ in range(rows):
            run.log_row(name, "A row of " + name, **cells)
    logged_s = time.perf_counter() - began
    run.complete()
    all_s = time.perf_counter() - began
    what = f"log_row, {3 * rows:,} rows of {COLUMNS} columns"
    show(what, logged_s, f"floor: clock + pack {floor_s * 1000:.1f} ms; budget for 3,000 rows 1,000 ms")
    show(f"{what}, until stored", all_s)

    began = time.perf_counter()
    metrics = Run(experiment, run.id).get_metrics()
    assert len(metrics["A"]["column0"]) == rows
    show("get_metrics of them", time.perf_counter() - began)

    began = time.perf_counter()
    for n in range(10):
        one = experiment.start_logging(snapshot_directory=None)
        one.log("rmse", n)
        one.complete()
    show("10 interactive runs, one after the other", time.perf_counter() - began)

    began = time.perf_counter()
    found = [one.get_metrics().get("rmse") for one in experiment.get_runs()]
    assert found == [*reversed(range(10)), None, None]
    show("… read back through get_runs", time.perf_counter() - began)

    parent = experiment.start_logging(snapshot_directory=None)
    began = time.perf_counter()
    children = parent.create_children(count=20)
    for child in children:
        child.log("n", 1)
        child.complete()
    parent.complete()
    show("20 children, each with a point", time.perf_counter() - began)
    assert not list(Path.cwd().glob("journals/run-*")), "all is stored"


if __name__ == "__main__":
    main()
