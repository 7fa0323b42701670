"""Measure a tracklog server beside `mlflow server` (SQLite, its defaults), in the same run, through MLflow's own protocol.

    python benchmarks/bench_mlflow.py [--mlflow /path/to/mlflow] [--full]

Without an `mlflow` to be found the figures of tracklog stand alone. `--full`: 10,000 runs to search and a metric of a million
points; else a tenth. Both servers get the same requests over keep-alive connections. Stored data of the two large cases is
written past MLflow's server, straight into its tables, which would take many minutes otherwise, and by log-batch into ours.

A figure is the median of repeats; CPU is that of all processes of a server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import urllib3

API = "/api/2.0/mlflow"


@dataclass
class Peer:
    """A running server."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    start_s: float
    database: Path

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def cpu_s(self) -> float:
        spent = 0.0
        for one in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                spent += times.user + times.system
        return spent

    def memory_mb(self) -> float:
        return sum(one.memory_info().rss for one in self.family()) / 1e6


class Client:
    """One keep-alive connection."""

    def __init__(self, url: str) -> None:
        self._pool = urllib3.PoolManager(maxsize=1, block=True, retries=False, timeout=600)
        self._url = url

    def post(self, path: str, body: Any) -> Any:
        return self._answer(self._pool.request("POST", self._url + API + path, json=body), path)

    def get(self, path: str, prefix: str = API, **query: Any) -> bytes:
        answer = self._pool.request("GET", self._url + prefix + path, fields=query)
        assert answer.status == 200, (path, answer.status, answer.data[:300])
        return answer.data

    def _answer(self, answer: urllib3.BaseHTTPResponse, path: str) -> Any:
        assert answer.status == 200, (path, answer.status, answer.data[:300])
        return answer.json()


@contextlib.contextmanager
def started(name: str, command: list[str], url: str, database: Path, log: Path) -> Iterator[Peer]:
    begin = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=database.parent)
    try:
        while True:
            assert process.poll() is None, log.read_text()[-2000:]
            try:
                if urllib3.request("GET", f"{url}/health", retries=False, timeout=1).status == 200:
                    break
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)
        yield Peer(name, url, process, time.perf_counter() - begin, database)
    finally:
        for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()  # MLflow's workers take longer to end than to work
        process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_run(client: Client, experiment: str) -> str:
    found = client.post("/experiments/create", {"name": experiment})
    made = client.post("/runs/create", {"experiment_id": found["experiment_id"], "start_time": 1})
    return str(made["run"]["info"]["run_id"])


def points(count: int, first: int = 0, key: str = "loss") -> list[dict[str, Any]]:
    return [
        {"key": key, "value": 1 / (i + 1), "timestamp": 1_700_000_000_000 + i, "step": i} for i in range(first, first + count)
    ]


def spent(peer: Peer, work: Callable[[], object]) -> tuple[float, float]:
    """Return (wall s, CPU s of the server)."""
    cpu, begin = peer.cpu_s(), time.perf_counter()
    work()
    wall = time.perf_counter() - begin
    time.sleep(0.1)
    return wall, max(peer.cpu_s() - cpu, 0.01)


def single(peer: Peer, calls: int) -> dict[str, float]:
    client = Client(peer.url)
    run = new_run(client, "single")
    body = {"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": 0}
    times = []

    def log() -> None:
        for i in range(calls):
            begin = time.perf_counter()
            client.post("/runs/log-metric", {**body, "timestamp": i, "step": i})
            times.append(time.perf_counter() - begin)

    for _ in range(5):
        client.post("/runs/log-metric", body)
    _, cpu = spent(peer, log)
    ordered = sorted(times)
    return {
        "log_metric p50, client, ms": 1000 * statistics.median(times),
        "log_metric p99, client, ms": 1000 * ordered[int(0.99 * len(ordered))],
        "log_metric, server CPU, ms": 1000 * cpu / calls,
    }


def batches(peer: Peer, clients: int, each: int) -> dict[str, float]:
    setup = Client(peer.url)
    runs = [new_run(setup, f"batches-{clients}-{i}") for i in range(clients)]
    errors: list[BaseException] = []

    def log(run: str) -> None:
        client = Client(peer.url)
        try:
            for i in range(each):
                client.post("/runs/log-batch", {"run_id": run, "metrics": points(1000, 1000 * i)})
        except BaseException as error:
            errors.append(error)

    def all_at_once() -> None:
        threads = [threading.Thread(target=log, args=(run,)) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    wall, cpu = spent(peer, all_at_once)
    total = clients * each * 1000
    return {
        f"log_batch, {clients} client(s), points/s": total / wall,
        f"log_batch, {clients} client(s), points/server CPU-s": total / cpu,
        f"log_batch, {clients} client(s), errors": len(errors),
    }


def fill(peer: Peer, runs: int, history: int) -> tuple[str, str]:
    """Store `runs` runs with two metrics, a param and a tag each, and one metric of `history` points; return (id, run)."""
    client = Client(peer.url)
    experiment = str(client.post("/experiments/create", {"name": "large"})["experiment_id"])
    long_run = new_run(client, "history")
    if peer.name == "tracklog":
        for i in range(runs):
            made = client.post("/runs/create", {"experiment_id": experiment, "start_time": i, "run_name": f"run-{i}"})
            client.post(
                "/runs/log-batch",
                {
                    "run_id": made["run"]["info"]["run_id"],
                    "metrics": [
                        {"key": "loss", "value": (i * 7919 % runs) / runs, "timestamp": 1, "step": 1},
                        {"key": "acc", "value": (i * 104729 % runs) / runs, "timestamp": 1, "step": 1},
                    ],
                    "params": [{"key": "lr", "value": str(i % 10)}],
                    "tags": [{"key": "kind", "value": "even" if i % 2 == 0 else "odd"}],
                },
            )
        for first in range(0, history, 1000):
            client.post("/runs/log-batch", {"run_id": long_run, "metrics": points(1000, first)})
        return experiment, long_run
    with contextlib.closing(sqlite3.connect(peer.database, timeout=60)) as database, database:
        ids = [f"{i:032x}" for i in range(runs)]
        database.executemany(
            "INSERT INTO runs (run_uuid, name, user_id, status, start_time, lifecycle_stage, artifact_uri, experiment_id,"
            " source_type) VALUES (?, ?, 'u', 'FINISHED', ?, 'active', 'x', ?, 'UNKNOWN')",
            [(run, f"run-{i}", i, int(experiment)) for i, run in enumerate(ids)],
        )
        values = [
            (key, (i * prime % runs) / runs, run) for key, prime in (("loss", 7919), ("acc", 104729)) for i, run in enumerate(ids)
        ]
        database.executemany("INSERT INTO metrics VALUES (?, ?, 1, ?, 1, 0)", values)
        database.executemany("INSERT INTO latest_metrics VALUES (?, ?, 1, 1, 0, ?)", values)
        database.executemany("INSERT INTO params VALUES ('lr', ?, ?)", [(str(i % 10), run) for i, run in enumerate(ids)])
        kinds = [("even" if i % 2 == 0 else "odd", run) for i, run in enumerate(ids)]
        database.executemany("INSERT INTO tags VALUES ('kind', ?, ?)", kinds)
        database.executemany(
            "INSERT INTO metrics VALUES ('loss', ?, ?, ?, ?, 0)",
            ((1 / (i + 1), 1_700_000_000_000 + i, long_run, i) for i in range(history)),
        )
    return experiment, long_run


def reading(peer: Peer, runs: int, history: int) -> dict[str, float]:
    experiment, long_run = fill(peer, runs, history)
    client = Client(peer.url)
    query = {
        "experiment_ids": [experiment],
        "filter": "metrics.loss < 0.5 and params.lr = '4' and tags.kind = 'even'",
        "order_by": ["metrics.acc DESC"],
        "max_results": 100,
    }

    def median_ms(work: Callable[[], object], repeats: int) -> float:
        work()
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            work()
            times.append(time.perf_counter() - begin)
        return 1000 * statistics.median(times)

    found = client.post("/runs/search", query)
    assert len(found["runs"]) == min(100, len([i for i in range(runs) if i % 10 == 4 and (i * 7919 % runs) / runs < 0.5]))
    chart = {"run_ids": long_run, "metric_key": "loss", "max_results": 320}
    return {
        f"search and sort {runs:,} runs, ms": median_ms(lambda: client.post("/runs/search", query), 5),
        f"first 100 of {runs:,} runs, ms": median_ms(
            lambda: client.post("/runs/search", {**query, "filter": "", "order_by": []}), 5
        ),
        f"chart of {history:,} points, ms": median_ms(
            lambda: client.get("/metrics/get-history-bulk-interval", "/ajax-api/2.0/mlflow", **chart), 3
        ),
        f"whole history of {history:,} points, ms": median_ms(
            lambda: client.get("/metrics/get-history", run_id=long_run, metric_key="loss", max_results=history), 1
        ),
    }


def measure(peer: Peer, *, full: bool) -> dict[str, float]:
    time.sleep(3)
    figures = {"start to first answer, s": peer.start_s, "memory idle, MB": peer.memory_mb(), "processes": len(peer.family())}
    figures |= single(peer, 500 if full else 100)
    figures |= batches(peer, 1, 60 if full else 10)
    figures |= batches(peer, 8, 10 if full else 3)
    figures |= reading(peer, 10_000 if full else 1000, 1_000_000 if full else 100_000)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mlflow", default=shutil.which("mlflow"), help="the peer's command; by default the one on PATH")
    parser.add_argument("--full", action="store_true", help="the sizes that are quoted")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        port = free_port()
        (folder / "ours").mkdir()
        command = [sys.executable, "-m", "tracklog.server", str(folder / "ours"), str(port)]
        with started(
            "tracklog", command, f"http://127.0.0.1:{port}", folder / "ours" / "workspace.db", folder / "ours.log"
        ) as peer:
            ours = measure(peer, full=options.full)
        theirs: dict[str, float] = {}
        if options.mlflow:
            port = free_port()
            database = folder / "mlflow.db"
            command = [
                options.mlflow, "server", "--backend-store-uri", f"sqlite:///{database}", "--port", str(port),
                "--artifacts-destination", str(folder / "artifacts"),
            ]  # fmt: skip
            with started("mlflow", command, f"http://127.0.0.1:{port}", database, folder / "mlflow.log") as peer:
                theirs = measure(peer, full=options.full)
    print(f"{'':<48}{'tracklog':>14}{'mlflow':>14}{'ratio':>10}")
    for name, value in ours.items():
        other = theirs.get(name)
        more_is_better = "points" in name and "ms" not in name
        ratio = "" if not other or not value else f"{(value / other if more_is_better else other / value):,.1f} x"
        print(f"{name:<48}{value:>14,.2f}{'' if other is None else f'{other:,.2f}':>14}{ratio:>10}")
    print(json.dumps({"cores": os.cpu_count(), "python": sys.version.split()[0]}))


if __name__ == "__main__":
    main()
