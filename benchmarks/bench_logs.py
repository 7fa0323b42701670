"""Measure how a server reads and searches a long log, as the portal asks it.

    python benchmarks/bench_logs.py [--lines 200000]

Lines have some 110 characters. Blocks of a thousand lines are what a busy script sends in a second, blocks of twenty what a calm
one does. The floor of a search is to read the whole log as JSON, which a browser would then still have to search. CPU is that of
the server and of the process in which it looks for regular expressions.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from typing import Any

import psutil
import urllib3

from tracklog.records import Batch, LogLine, LogLines, RunStarted
from tracklog.storage.local import LocalStore

START_MS = 1_700_000_000_000
FIRST_MS, MORE_MS = 60, 250  # what the portal gives a search
SEARCHES: dict[str, dict[str, Any]] = {
    "a word of one line": {"text": "needle"},
    "a word of nearly all lines": {"text": "loss"},
    "two words of a tenth": {"text": "grad_norm 31.7"},
    "warnings and above": {"level": 30},
    "a regular expression": {"text": r"step \d*77 ", "regex": True},
}


def fill(store: LocalStore, run_id: str, lines: int, per_block: int) -> None:
    chance = random.Random(7)
    batches = [Batch(run_id, "w", events=[RunStarted("logs", START_MS, name=run_id)])]
    for first in range(0, lines, per_block):
        texts = [
            f"[12:{n // 60 % 60:02}:{n % 60:02}] epoch {n // 5000} step {n} loss {chance.random():.6f} lr {1e-3 / (1 + n):.3e} "
            f"grad_norm {9 * chance.random():.4f} it/s 31.{n % 10} samples {64 * n} eta {chance.randrange(3600)} s"
            for n in range(first, min(first + per_block, lines))
        ]
        if first <= lines * 7 // 10 < first + per_block:
            texts[0] = "RuntimeError: the needle is here"
        block = [LogLine(START_MS + first + i, "stdout", text) for i, text in enumerate(texts)]
        batches.append(Batch(run_id, "w", events_start=1 + first // per_block, events=[LogLines(block)]))
        if len(batches) >= 200:
            store.apply_all(batches)
            batches = []
    if batches:
        store.apply_all(batches)


class Asked:
    """A server's answers, with what they took."""

    def __init__(self, url: str, process: subprocess.Popen[str], run_id: str) -> None:
        self._address = f"{url}/api/v1/runs/{run_id}/log"
        self._pool = urllib3.PoolManager(maxsize=1)
        self._process = psutil.Process(process.pid)
        self.sent = 0

    def cpu_s(self) -> float:
        family = [self._process, *self._process.children()]
        return sum(one.cpu_times().user + one.cpu_times().system for one in family)

    def memory_mb(self) -> float:
        return float(self._process.memory_info().rss) / 1e6

    def lines(self, first: int, limit: int) -> Any:
        return self._answer(
            self._pool.request("GET", f"{self._address}?first_line={first}&limit={limit}", headers=self._zipped())
        )

    def search(self, **query: Any) -> Any:
        return self._answer(self._pool.request("POST", f"{self._address}/search", json=query, headers=self._zipped()))

    def _zipped(self) -> dict[str, str]:
        return {"Accept-Encoding": "gzip", "Content-Type": "application/json"}

    def _answer(self, answer: urllib3.BaseHTTPResponse) -> Any:
        assert answer.status == 200, answer.data[:300]
        self.sent += int(answer.headers["content-length"])
        return answer.json()


def told(asked: Asked, what: str, work: Any) -> None:
    asked.sent = 0
    begin, cpu_s = time.perf_counter(), asked.cpu_s()
    said = work()
    wall_ms = 1000 * (time.perf_counter() - begin)
    print(f"  {what:<28}{wall_ms:>8.0f} ms {asked.cpu_s() - cpu_s:>8.2f} s CPU {asked.sent / 1000:>10,.1f} kB sent   {said}")


def searched(asked: Asked, query: dict[str, Any]) -> str:
    begin = time.perf_counter()
    found = asked.search(**query, limit=200, budget_ms=FIRST_MS)
    first_ms, count = 1000 * (time.perf_counter() - begin), sum(found["counts"])
    while not found["is_done"]:
        found = asked.search(**query, limit=0, budget_ms=MORE_MS, first_line=found["next_line"])
        count += sum(found["counts"])
    return f"{count:,} lines, first answer after {first_ms:.0f} ms"


def read(asked: Asked, lines: int) -> str:
    for first in range(0, lines, 10_000):
        asked.lines(first, 10_000)
    return "the floor"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(folder)
        blocks = {"busy": 1000, "calm": 20}
        for run_id, per_block in blocks.items():
            fill(store, run_id, lines, per_block)
        store.close()
        server = subprocess.Popen([sys.executable, "-m", "tracklog.server", folder, "0"], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            for run_id, per_block in blocks.items():
                asked = Asked(url, server, run_id)
                print(f"{lines:,} lines in blocks of {per_block}")
                told(asked, "the last thousand lines", lambda asked=asked: len(asked.lines(-1000, 1000)["lines"]))
                for what, query in SEARCHES.items():
                    told(asked, what, lambda asked=asked, query=query: searched(asked, query))
                print(f"  memory of the server {asked.memory_mb():.0f} MB")
                told(asked, "all of it as JSON", lambda asked=asked: read(asked, lines))
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    main()
