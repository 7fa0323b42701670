"""Trackio, TensorBoard and MLflow's interface over the same runs, for bench_portal.py.

Each lives in a virtual environment of its own in a cache folder, made on first use. One that cannot be installed or started is
left out, with the reason. Data is written past their clients, which would take many minutes.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_mlflow import Client, free_port, started

# Read by the peers' own Python: run names, metric names, and values (runs, metrics, steps).
TRACKIO = """
import sys, numpy as np
from trackio.sqlite_storage import SQLiteStorage
data = np.load(sys.argv[1])
names = data["metrics"].tolist()
for run, values in zip(data["runs"].tolist(), data["values"]):
    rows = [dict(zip(names, row)) for row in values.T.tolist()]
    SQLiteStorage.bulk_log("grid", run, rows, steps=list(range(len(rows))))
"""
TENSORBOARD = """
import sys, numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
data = np.load(sys.argv[1])
names = data["metrics"].tolist()
for run, values in zip(data["runs"].tolist(), data["values"]):
    writer = EventFileWriter(f"{sys.argv[2]}/{run}")
    for step, row in enumerate(values.T.tolist()):
        points = [Summary.Value(tag=name, simple_value=value) for name, value in zip(names, row)]
        writer.add_event(Event(wall_time=1.7e9 + step, step=step, summary=Summary(value=points)))
    writer.close()
"""
# Chromium lets no script of ours watch a worker: without this canvas the page draws by itself.
NO_WORKER_CANVAS = "delete window.OffscreenCanvas"


@dataclass
class Page:
    """What is to be opened."""

    url: str
    shows: str  # of the data, by itself
    script: str = ""  # run before the page's own


def peers() -> dict[str, Callable[[Path, Path], AbstractContextManager[Page]]]:
    """Return how to start each: with its folder in the cache, and the file of the data."""
    return {"Trackio": trackio, "TensorBoard": tensorboard, "MLflow": mlflow}


def save(file: Path, runs: list[str], metrics: list[str], values: np.ndarray) -> None:
    """Write what the peers read. values: (runs, metrics, steps) float64."""
    np.savez(file, runs=np.array(runs), metrics=np.array(metrics), values=values)


def installed(folder: Path, package: str) -> Path:
    """Return the folder of an environment's programs; pip says why when it cannot be had."""
    programs = folder / "bin"
    if not (folder / "installed").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", package, "numpy", "setuptools<81"], check=True)
        (folder / "installed").touch()
    return programs


@contextlib.contextmanager
def running(command: list[str], url: str, log: Path, **environment: str) -> Iterator[None]:
    """Run a server until the block ends; it counts as started when it answers."""
    import urllib3

    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **environment})
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()[-2000:]
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if urllib3.request("GET", url, retries=False, timeout=2).status < 500:
                    break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def trackio(cache: Path, data: Path) -> Iterator[Page]:
    programs, port = installed(cache, "trackio"), free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        own = {"TRACKIO_DIR": folder, "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "BROWSER": "true"}
        subprocess.run([programs / "python", "-c", TRACKIO, str(data)], check=True, env={**os.environ, **own})
        command = [str(programs / "trackio"), "show", "--project", "grid"]
        with running(command, url, Path(folder) / "log", **own):
            yield Page(f"{url}/?project=grid", "a sample of the points of its runs")


@contextlib.contextmanager
def tensorboard(cache: Path, data: Path) -> Iterator[Page]:
    programs, port = installed(cache, "tensorboard"), free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([programs / "python", "-c", TENSORBOARD, str(data), folder], check=True)
        command = [str(programs / "tensorboard"), "--logdir", folder, "--port", str(port)]
        with running(command, url, Path(folder) / "log"):
            time.sleep(8)  # it reads the files before it has anything to show
            yield Page(f"{url}/?darkMode=false#timeseries", "1,000 random points of each of its runs", NO_WORKER_CANVAS)


@contextlib.contextmanager
def mlflow(cache: Path, data: Path) -> Iterator[Page]:
    programs, port = installed(cache, "mlflow"), free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "mlflow.db"
        command = [str(programs / "mlflow"), "server", "--backend-store-uri", f"sqlite:///{database}", "--port", str(port)]
        with started("mlflow", command, url, database, Path(folder) / "log"):
            experiment = int(Client(url).post("/experiments/create", {"name": "grid"})["experiment_id"])
            with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
                write_mlflow(connection, experiment, data)
            yield Page(f"{url}/#/experiments/{experiment}/runs?compareRunsMode=CHART", "320 points of each of 10 runs")


def write_mlflow(database: sqlite3.Connection, experiment: int, data: Path) -> None:
    """Put the runs into the tables of MLflow's store."""
    loaded = np.load(data)
    names = loaded["metrics"].tolist()
    for number, (run, values) in enumerate(zip(loaded["runs"].tolist(), loaded["values"], strict=True)):
        database.execute(
            "INSERT INTO runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri,"
            " experiment_id, source_type) VALUES (?, ?, 'u', 'FINISHED', ?, ?, 'active', 'x', ?, 'UNKNOWN')",
            (f"{number:032x}", run, number, number + 1, experiment),
        )
        database.execute("INSERT INTO tags VALUES ('mlflow.runName', ?, ?)", (run, f"{number:032x}"))
        for name, row in zip(names, values.tolist(), strict=True):
            points = [(name, value, 1_700_000_000_000 + step, f"{number:032x}", step) for step, value in enumerate(row)]
            database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, 0)", points)
            _, value, time_ms, run_id, step = points[-1]
            database.execute("INSERT INTO latest_metrics VALUES (?, ?, ?, ?, 0, ?)", (name, value, time_ms, step, run_id))
