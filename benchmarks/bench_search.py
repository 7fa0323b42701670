"""Measure searches over many runs in the store, as the runs table and MLflow's clients ask them.

    python benchmarks/bench_search.py [--runs 100000]

By default a thousand runs, each with 20 metrics, 10 params and 3 tags. A figure is the median of five; the floor beside it is
reading as many runs by their ids.
"""

from __future__ import annotations

import argparse
import statistics
import struct
import tempfile
import time
from collections.abc import Callable

from tracklog.records import Batch, MetricKey, ParamsSet, RunStarted, RunStatus, StatusChanged, TagsSet
from tracklog.storage import GroupQuery, RunQuery
from tracklog.storage.local import LocalStore

_POINT = struct.Struct("<qqdII")
METRICS = [MetricKey(i + 1, f"metric/{i}") for i in range(20)]
PAGE = 50


def fill(store: LocalStore, runs: int) -> None:
    for i in range(runs):
        values = ((i * prime % runs) / runs for prime in range(7919, 7919 + 2 * len(METRICS), 2))
        store.apply(
            Batch(
                f"{i:032x}",
                "",
                points=b"".join(_POINT.pack(1, 1, value, key.key, 1) for key, value in zip(METRICS, values, strict=True)),
                keys=METRICS,
                events=[
                    RunStarted(f"experiment-{i % 7}", 1_700_000_000_000 + i),
                    StatusChanged(RunStatus.COMPLETED, 1_700_000_000_000 + 2 * i),
                    ParamsSet({"lr": 10.0 ** -(i % 5), "model": f"net-{i % 3}", **{f"p{k}": i * k for k in range(8)}}),
                    TagsSet({"kind": "even" if i % 2 == 0 else "odd", "host": f"node-{i % 64}", "seed": str(i % 10)}),
                ],
            )
        )


def median_ms(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(folder)
        begin = time.perf_counter()
        fill(store, runs)
        print(f"{runs:,} runs stored in {time.perf_counter() - begin:.1f} s")
        ids = [f"{i:032x}" for i in range(min(PAGE, runs))]
        floor = median_ms(lambda: [store.get_run(one) for one in ids])

        def search(what: str, query: RunQuery) -> None:
            print(f"{what:<62}{median_ms(lambda: store.search_runs(query)):>10.1f} ms   floor: {floor:.1f} ms")

        plain = RunQuery(limit=PAGE, count=False)
        search("first page", plain)
        search("sorted by a metric", RunQuery(limit=PAGE, count=False, order_by="-metric:metric/3"))
        search("sorted by a param, then a metric", RunQuery(limit=PAGE, count=False, order_by=["param:lr", "-metric:metric/3"]))
        condition = "metrics.`metric/1` < 0.5 and params.model = 'net-1' and tags.kind = 'even'"
        search("filtered, sorted by a metric", RunQuery(limit=PAGE, count=False, filter=condition, order_by="-metric:metric/3"))
        search("the same with a count of all", RunQuery(limit=PAGE, filter=condition, order_by="-metric:metric/3"))
        search("few of them", RunQuery(limit=PAGE, count=False, filter="metrics.`metric/1` < 0.0005 or name = 'run-17'"))
        search("words", RunQuery(limit=PAGE, count=False, text="net-2 node-33"))
        search("a word that is nowhere, with a count", RunQuery(limit=PAGE, text="nowhere"))
        search("sorted by the least of a metric", RunQuery(limit=PAGE, count=False, order_by="metric.min:metric/3"))
        search("sorted by a text", RunQuery(limit=PAGE, count=False, order_by="param:model"))
        search("a tree of what matches, with a count", RunQuery(limit=PAGE, tree=True, top_level=True, text="net-2"))
        groups = GroupQuery(RunQuery(), by=["param:model", "param:lr"], columns=["metric:metric/3", "tag:kind"])
        print(f"{'groups by two params':<62}{median_ms(lambda: store.group_runs(groups)):>10.1f} ms   floor: {floor:.1f} ms")
        token = None
        for _ in range(min(50, runs // PAGE) - 1):
            token = store.search_runs(
                RunQuery(limit=PAGE, count=False, order_by="-metric:metric/3", page_token=token)
            ).next_page_token
        search("50th page, sorted by a metric", RunQuery(limit=PAGE, count=False, order_by="-metric:metric/3", page_token=token))
        store.close()


if __name__ == "__main__":
    main()
