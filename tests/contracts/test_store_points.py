"""The contract of `Store`, second part: metric points, their summaries, charts and tables. See `test_store.py`."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.batches import POINT_MARKER, T0_MS, Value, Writer, dtype_of, same
from tests.contracts.state import unchanged

from tracklog.errors import InvalidValueError, NotFoundError
from tracklog.records import POINT, DType, MetricKind, TextPoint
from tracklog.storage import MAX_BUCKETS, MetricSummary, SeriesBuckets, SeriesQuery, Store

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
ODD_FLOATS = [0.0, -0.0, 0.1, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 1e-300, -1 / 3]


def store_points(store: Store, experiment: str, values: Sequence[Value], *, batches: int = 1) -> str:
    """Store a series `m` with steps 0, 1, … and return its run."""
    writer = Writer(experiment=experiment).start()
    size = -(-len(values) // batches)
    for first in range(0, len(values), size):
        for step in range(first, min(first + size, len(values))):
            writer.log("m", values[step], step)
        store.apply(writer.batch())
    return writer.run_id


def summary(store: Store, run_id: str, name: str = "m", column: str = "") -> MetricSummary:
    (found,) = [metric for metric in store.get_run(run_id).metrics if (metric.name, metric.column) == (name, column)]
    return found


# ── columns: every point, exactly ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (ODD_FLOATS, np.float64),
        ([0, 1, -1, INT_MIN, INT_MAX, 2**53 + 1], np.int64),
        ([True, False, True], np.bool_),
        ([None, None], object),
        ([1, 1.0, True, None, math.nan, INT_MAX, -0.0], object),
        (["text", "", "模型 \x00 🚀", "x" * 100_000], object),
        ([0.5], np.float64),
    ],
    ids=["floats", "ints", "bools", "nones", "mixed", "texts", "single"],
)
@pytest.mark.parametrize("compacted", [False, True], ids=["fresh", "compacted"])
def test_values_come_back_to_the_bit_in_the_narrowest_array(
    store: Store, experiment: str, values: list[Value], dtype: type, compacted: bool
) -> None:
    run_id = store_points(store, experiment, values)
    if compacted:
        store.gc()

    columns = store.columns(run_id, "m")

    assert columns.values.dtype == np.dtype(dtype)
    dtypes = [str(array.dtype) for array in (columns.steps, columns.times_ms, columns.dtypes)]
    assert dtypes == ["int64", "int64", "uint8"]
    assert columns.steps.tolist() == list(range(len(values)))
    assert columns.times_ms.tolist() == [T0_MS + i for i in range(len(values))]
    assert all(same(got, value) for got, value in zip(columns.values.tolist(), values, strict=True))
    assert columns.dtypes.tolist() == [dtype_of(value).value for value in values]
    assert (columns.run_id, columns.name, columns.column, columns.kind) == (run_id, "m", "", MetricKind.SCALAR)


@pytest.mark.parametrize("compacted", [False, True], ids=["fresh", "compacted"])
def test_the_payload_of_a_nan_is_kept(store: Store, experiment: str, compacted: bool) -> None:
    bits = [0x7FF8000000000001, 0xFFF8000000000000, 0x7FF0000000000001, 0x7FF8DEADBEEFCAFE]
    writer = Writer(experiment=experiment).start().log("m", 0.0, 0)
    batch = writer.batch()
    batch.points = b"".join(POINT.pack(i, T0_MS, struct.pack("<Q", word), 1, POINT_MARKER) for i, word in enumerate(bits))
    store.apply(batch)
    if compacted:
        store.gc()

    assert store.columns(writer.run_id, "m").values.view(np.uint64).tolist() == bits


@pytest.mark.parametrize("compacted", [False, True], ids=["fresh", "compacted"])
def test_steps_and_times_have_all_of_int64(store: Store, experiment: str, compacted: bool) -> None:
    extremes = [INT_MIN, -1, 0, 1, INT_MAX]
    writer = Writer(experiment=experiment).start()
    for step in extremes:
        writer.log("m", 1.0, step, time_ms=step)
    store.apply(writer.batch())
    if compacted:
        store.gc()

    columns = store.columns(writer.run_id, "m")

    assert columns.steps.tolist() == columns.times_ms.tolist() == extremes


def test_points_ascend_by_step_and_time_and_then_as_logged(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    logged = [(5, 50), (3, 30), (5, 50), (3, 10), (9, 5), (5, 20), (3, 30), (-2, 99), (5, 50)]
    for i, (step, time) in enumerate(logged):
        writer.log("m", float(i), step, time_ms=T0_MS + time)
        if i % 2:
            store.apply(writer.batch())
        if i == 4:
            store.gc()  # some are compacted, some not
    store.apply(writer.batch())

    columns = store.columns(writer.run_id, "m")

    expected = sorted(range(len(logged)), key=lambda i: logged[i])  # stable: equal ones as logged
    assert columns.values.tolist() == [float(i) for i in expected]
    assert columns.steps.tolist() == [logged[i][0] for i in expected]


def test_nothing_is_deduplicated(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    for _ in range(5):
        writer.log("m", 1.0, 1, time_ms=T0_MS)
    store.apply(writer.batch())

    assert store.columns(writer.run_id, "m").values.tolist() == [1.0] * 5
    assert summary(store, writer.run_id).count == 5


def test_text_and_numbers_share_a_name(store: Store, experiment: str) -> None:
    run_id = store_points(store, experiment, [1.5, "n/a", 2, None, "again"])

    columns = store.columns(run_id, "m")

    assert columns.values.tolist() == [1.5, "n/a", 2, None, "again"]
    assert columns.dtypes.tolist() == [DType.FLOAT, DType.TEXT, DType.INT, DType.NONE, DType.TEXT]


@pytest.mark.parametrize("batches", [1, 40, 700])
def test_long_series_survive_many_batches_and_compactions(store: Store, experiment: str, batches: int) -> None:
    values = [math.sin(i / 50) + (i % 13) for i in range(21_000)]

    run_id = store_points(store, experiment, values, batches=batches)
    before = store.columns(run_id, "m").values.tolist()
    store.gc()

    assert before == store.columns(run_id, "m").values.tolist() == values
    assert summary(store, run_id).count == len(values)


def test_many_series_of_one_run_stay_apart(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    for step in range(40):
        for series in range(60):
            writer.log(f"m{series}", series * 1000 + step, step)
    store.apply(writer.batch())
    store.gc()

    for series in range(60):
        assert store.columns(writer.run_id, f"m{series}").values.tolist() == [series * 1000 + s for s in range(40)]


def test_unknown_series_are_not_found(store: Store, experiment: str) -> None:
    run_id = store_points(store, experiment, [1.0])

    with pytest.raises(NotFoundError, match="no-such-metric"):
        store.columns(run_id, "no-such-metric")
    with pytest.raises(NotFoundError, match="no-such-column"):
        store.columns(run_id, "m", "no-such-column")
    with pytest.raises(NotFoundError, match="no-such-run"):
        store.columns("no-such-run", "m")


def test_a_refused_batch_leaves_no_series_behind_to_mix_up(store: Store, experiment: str) -> None:
    victim, other = Writer(experiment=experiment), Writer(experiment=experiment)
    store.apply(victim.start().batch())
    store.apply(other.start().batch())
    broken = victim.log("loss", 1.0, 0).batch()
    good_events = list(broken.events)
    broken.events = [*good_events, TextPoint(4_000, 0, T0_MS, "a key nobody defined")]
    with pytest.raises(InvalidValueError):
        store.apply(broken)

    # The next series of anybody must not be taken for the one that was rolled back.
    store.apply(other.log("accuracy", 9.0, 0).batch())
    broken.events = good_events
    store.apply(broken)

    assert store.columns(victim.run_id, "loss").values.tolist() == [1.0]
    assert store.columns(other.run_id, "accuracy").values.tolist() == [9.0]
    assert [metric.name for metric in store.get_run(victim.run_id).metrics] == ["loss"]
    assert [metric.name for metric in store.get_run(other.run_id).metrics] == ["accuracy"]


# ── summaries ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("values", "count", "last_text", "low", "high", "mean"),
    [
        ([1.0, 3.0, 2.0], 3, "2.0", 1.0, 3.0, 2.0),
        ([0.25], 1, "0.25", 0.25, 0.25, 0.25),
        ([1.0, math.nan, 3.0], 3, "3.0", 1.0, 3.0, 2.0),
        ([1.0, math.nan], 2, "NaN", 1.0, 1.0, 1.0),
        ([math.nan], 1, "NaN", None, None, None),
        ([1.0, math.inf], 2, "Infinity", 1.0, math.inf, None),  # no mean where no sum
        ([-math.inf, 1.0], 2, "1.0", -math.inf, 1.0, None),
        ([2**53 + 1], 1, "9007199254740993", 2.0**53, 2.0**53, 2.0**53),
        ([INT_MIN, INT_MAX], 2, str(INT_MAX), -(2.0**63), 2.0**63, 0.0),
        ([True, False], 2, "false", 0.0, 1.0, 0.5),
        ([1.0, None], 2, "null", 1.0, 1.0, 1.0),
        ([None], 1, "null", None, None, None),
        (["text", "x" * 2000], 2, "x" * 1000, None, None, None),
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.parametrize("batches", [1, 3])
def test_a_summary_says_what_was_logged(
    store: Store,
    experiment: str,
    values: list[Value],
    count: int,
    last_text: str,
    low: float | None,
    high: float | None,
    mean: float | None,
    batches: int,
) -> None:
    run_id = store_points(store, experiment, values, batches=batches)

    found = summary(store, run_id)

    assert (found.count, found.last_text, found.min, found.max, found.mean) == (count, last_text, low, high, mean)
    assert (found.dtype, found.last_step) == (dtype_of(values[-1]), len(values) - 1)
    assert found.last_time_ms == T0_MS + len(values) - 1
    last = values[-1]
    is_number = isinstance(last, (int, float)) and not math.isnan(last)
    assert found.last == (float(last) if is_number else None)  # type: ignore[arg-type]  # a number, then


def test_both_infinities_have_no_mean_and_stop_nothing(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    for step, value in enumerate([math.inf, -math.inf, 1.0]):
        store.apply(writer.log("m", value, step).batch())

    found = summary(store, writer.run_id)

    assert (found.count, found.min, found.max, found.last) == (3, -math.inf, math.inf, 1.0)
    assert found.mean is None
    assert store.columns(writer.run_id, "m").values.tolist() == [math.inf, -math.inf, 1.0]


def test_a_sum_beyond_all_doubles_stops_nothing(store: Store, experiment: str) -> None:
    run_id = store_points(store, experiment, [1.7e308, 1.7e308, 1.0], batches=3)

    assert (summary(store, run_id).max, summary(store, run_id).last) == (1.7e308, 1.0)


@pytest.mark.parametrize("one_batch", [True, False], ids=["one batch", "a batch each"])
def test_the_last_value_has_the_greatest_step_then_time_then_place(store: Store, experiment: str, one_batch: bool) -> None:
    writer = Writer(experiment=experiment).start()
    store.apply(writer.batch())
    expected = [(5, 10, 1.0), (4, 99, 1.0), (5, 9, 1.0), (5, 10, 4.0), (5, 12, 5.0), (5, 11, 5.0), (-1, 50, 5.0)]
    for i, (step, time, last) in enumerate(expected, start=1):
        writer.log("m", float(i), step, time_ms=T0_MS + time)
        if not one_batch:
            store.apply(writer.batch())
            assert summary(store, writer.run_id).last == last
    store.apply(writer.batch())

    found = summary(store, writer.run_id)
    assert (found.last, found.last_step, found.last_time_ms) == (5.0, 5, T0_MS + 12)


def test_a_summary_knows_kind_and_description(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    writer.log("images", "images/0.png", kind=MetricKind.IMAGE, description="samples").log_row("t", 0, a=1)
    store.apply(writer.batch())

    images, cell = summary(store, writer.run_id, "images"), summary(store, writer.run_id, "t", "a")

    assert (images.kind, images.description, images.last_text) == (MetricKind.IMAGE, "samples", "images/0.png")
    assert (cell.kind, cell.column, cell.dtype) == (MetricKind.ROW, "a", DType.INT)


# ── any interleaving ─────────────────────────────────────────────────────────────────────────────────────────────────

values_st = st.one_of(
    st.floats(allow_nan=True, width=64),
    st.integers(INT_MIN, INT_MAX),
    st.booleans(),
    st.none(),
    st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 2**53 + 1]),
)
points_st = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), values_st, st.integers(-3, 3) | st.integers(INT_MIN, INT_MAX), st.integers(0, 3)),
    max_size=12,
)
operations_st = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.integers(0, 1), points_st),
        st.tuples(st.just("send again"), st.integers(0, 1), st.just([])),
        st.tuples(st.just("compact"), st.just(0), st.just([])),
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=20, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=operations_st)
def test_any_interleaving_of_batches_and_compactions_keeps_what_was_logged(
    store: Store, experiment: str, operations: list[tuple[str, int, list[tuple[str, Value, int, int]]]]
) -> None:
    first = Writer(experiment=experiment)
    writers = [first.start(), Writer(first.run_id, experiment=experiment)]
    sent = {0: [first.batch()], 1: []}
    store.apply(sent[0][0])
    logged: dict[str, list[tuple[int, int, Value]]] = {"a": [], "b": []}

    for operation, who, points in operations:
        if operation == "log":
            for name, value, step, time in points:
                writers[who].log(name, value, step, time_ms=T0_MS + time)
                logged[name].append((step, T0_MS + time, value))
            sent[who].append(writers[who].batch())
            store.apply(sent[who][-1])
        elif operation == "send again":
            for batch in sent[who]:
                store.apply(batch)
        else:
            store.gc()

    for name, points_of in logged.items():
        expected = sorted(points_of, key=lambda point: point[:2])
        if not expected:
            with pytest.raises(NotFoundError):
                store.columns(first.run_id, name)
            continue
        columns = store.columns(first.run_id, name)
        assert columns.steps.tolist() == [step for step, _, _ in expected]
        assert columns.times_ms.tolist() == [time for _, time, _ in expected]
        assert all(same(got, want) for got, (_, _, want) in zip(columns.values.tolist(), expected, strict=True))
        numbers = [float(v) for _, _, v in expected if v is not None and not math.isnan(v)]  # type: ignore[arg-type]
        found = summary(store, first.run_id, name)
        assert found.count == len(expected)
        assert (found.min, found.max) == ((min(numbers), max(numbers)) if numbers else (None, None))
        assert found.last_step == expected[-1][0]


# ── series: what a chart shows ───────────────────────────────────────────────────────────────────────────────────────


def as_floats(array: Any) -> list[float]:
    return [float(value) for value in array]


def same_floats(left: Sequence[float], right: Sequence[float]) -> bool:
    return len(left) == len(right) and all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(left, right, strict=True))


def check_buckets(found: SeriesBuckets, points: list[tuple[float, float]], buckets: int) -> None:
    """Assert that buckets are what they claim of (x, value) points, which ascend by x.

    Where edges lie is the store's choice; what counts is that buckets part the points into neighbours, that none spans
    more than its share of the range, and that each number is exact.
    """
    assert found.in_range == len(points)
    assert len(found.n) <= buckets
    assert sum(found.n.tolist()) == len(points)
    assert all(n > 0 for n in found.n.tolist())
    width = (points[-1][0] - points[0][0]) / buckets
    expected: dict[str, list[float]] = {part: [] for part in ("x", "x_last", "first", "last", "min", "max")}
    odd: list[int] = []
    start = 0
    for n in found.n.tolist():
        inside = points[start : start + n]
        start += n
        numbers = [value for _, value in inside if not math.isnan(value)] or [math.nan]
        expected["x"].append(inside[0][0])
        expected["x_last"].append(inside[-1][0])
        expected["first"].append(inside[0][1])
        expected["last"].append(inside[-1][1])
        expected["min"].append(min(numbers))
        expected["max"].append(max(numbers))
        finite = [value for _, value in inside if math.isfinite(value)]
        odd.append(n - len(finite))
        mean = found.mean[len(odd) - 1]
        assert mean == pytest.approx(math.fsum(finite) / len(finite)) if finite else not math.isfinite(mean)
        assert inside[-1][0] - inside[0][0] <= width * (1 + 1e-9)
    for part, wanted in expected.items():
        assert same_floats(as_floats(getattr(found, part)), wanted), part
    assert found.non_finite.tolist() == odd


def wave(n: int) -> list[float]:
    """A series with peaks, NaN and infinities that no bucket may lose."""
    odd = {n // 7: math.nan, n // 5: math.inf, n // 3: -math.inf}
    return [odd.get(i, math.sin(i / 9) * (i % 101)) for i in range(n)]


@pytest.mark.parametrize("n", [1, 2, 499, 500])
def test_a_small_series_comes_back_point_by_point(store: Store, experiment: str, n: int) -> None:
    values = [float(i) ** 0.5 for i in range(n)]
    run_id = store_points(store, experiment, values)

    (found,) = store.series(SeriesQuery([run_id], ["m"], buckets=500))

    assert found.exact
    assert (found.run_id, found.name, found.column, found.kind) == (run_id, "m", "", MetricKind.SCALAR)
    assert (found.count, found.in_range) == (n, n)
    assert as_floats(found.x) == as_floats(found.x_last) == [float(i) for i in range(n)]
    for part in (found.first, found.last, found.min, found.max):
        assert as_floats(part) == values
    assert found.n.tolist() == [1] * n


@pytest.mark.parametrize("buckets", [1, 2, 7, 100, 4_999])
@pytest.mark.parametrize("compacted", [False, True], ids=["fresh", "compacted"])
def test_buckets_of_a_big_series_are_exact(store: Store, experiment: str, buckets: int, compacted: bool) -> None:
    values = wave(5_000)
    run_id = store_points(store, experiment, values, batches=3)
    if compacted:
        store.gc()

    (found,) = store.series(SeriesQuery([run_id], ["m"], buckets=buckets))

    assert not found.exact
    assert found.count == 5_000
    check_buckets(found, [(float(i), value) for i, value in enumerate(values)], buckets)


def test_late_and_repeated_steps_are_in_their_buckets(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    points = [((i * 7919) % 1000, float(i)) for i in range(3000)]  # each step three times, in a wild order
    for i, (step, value) in enumerate(points):
        writer.log("m", value, step)
        if i % 800 == 0:
            store.apply(writer.batch())
    store.apply(writer.batch())

    (found,) = store.series(SeriesQuery([writer.run_id], ["m"], buckets=50))

    check_buckets(found, [(float(step), value) for step, value in sorted(points, key=lambda point: point[0])], 50)


def test_steps_far_apart_leave_no_empty_buckets(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    steps = [*range(100), *range(10**9, 10**9 + 100)]
    for step in steps:
        writer.log("m", float(step), step)
    store.apply(writer.batch())

    (found,) = store.series(SeriesQuery([writer.run_id], buckets=10))

    assert found.n.tolist() == [100, 100]
    check_buckets(found, [(float(step), float(step)) for step in steps], 10)


def test_many_points_at_one_step_are_one_bucket(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    for i in range(100):
        writer.log("m", float(i), 7)
    store.apply(writer.batch())

    (found,) = store.series(SeriesQuery([writer.run_id], buckets=10))

    assert (found.n.tolist(), as_floats(found.min), as_floats(found.max)) == ([100], [0.0], [99.0])


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, range(2000)),
        (100, 200, range(100, 201)),  # both ends belong to it
        (100.5, 199.5, range(101, 200)),
        (1990, None, range(1990, 2000)),
        (None, 3, range(4)),
        (-5, 3, range(4)),
        (1999, 9999, range(1999, 2000)),
        (5000, 6000, range(0)),
        (300, 200, range(0)),
    ],
)
@pytest.mark.parametrize("buckets", [20, 5000])
def test_a_zoom_shows_only_its_range(
    store: Store, experiment: str, start: float | None, end: float | None, expected: range, buckets: int
) -> None:
    values = wave(2000)
    run_id = store_points(store, experiment, values)

    found = store.series(SeriesQuery([run_id], ["m"], start=start, end=end, buckets=buckets))

    assert [one.count for one in found] == [2000]
    assert found[0].in_range == len(expected)
    assert found[0].exact == (len(expected) <= buckets)
    if expected:
        check_buckets(found[0], [(float(i), values[i]) for i in expected], buckets)


@pytest.mark.parametrize(
    ("start", "end", "before", "after"),
    [
        (None, None, None, None),
        (0, 40, None, None),
        (12, 18, (10.0, math.inf), (20.0, 4.0)),  # between two points: nothing in it, and a line through it all the same
        (10, 20, (0.0, 0.0), (30.0, math.nan)),
        (50, 60, (40.0, 8.0), None),
        (-9, -1, None, (0.0, 0.0)),
    ],
)
@pytest.mark.parametrize("buckets", [1, 100])
def test_a_zoom_brings_the_neighbours_of_its_range(
    store: Store,
    experiment: str,
    start: float | None,
    end: float | None,
    before: tuple[float, float] | None,
    after: tuple[float, float] | None,
    buckets: int,
) -> None:
    writer = Writer(experiment=experiment).start()
    for step, value in [(0, 0.0), (10, -math.inf), (10, 2.0), (10, math.inf), (20, 4.0), (30, math.nan), (40, 8.0)]:
        writer.log("m", value, step)
    store.apply(writer.batch())

    (found,) = store.series(SeriesQuery([writer.run_id], start=start, end=end, buckets=buckets))

    for neighbour, wanted in ((found.before, before), (found.after, after)):
        assert (neighbour is None) == (wanted is None)
        if neighbour is not None and wanted is not None:
            assert same_floats(neighbour, wanted)


@pytest.mark.parametrize("x", ["time", "relative"])
@pytest.mark.parametrize("buckets", [30, 5000])
def test_a_series_over_time_ascends_by_time(store: Store, experiment: str, x: str, buckets: int) -> None:
    start_ms = T0_MS - 1500
    writer = Writer(experiment=experiment).start(start_ms=start_ms)
    points = []
    for i in range(1000):
        time_ms = T0_MS + (i * 389) % 1000 * 17  # not in the order of steps
        writer.log("m", float(i), i, time_ms=time_ms)
        points.append((float(time_ms) if x == "time" else (time_ms - start_ms) / 1000, float(i)))
    store.apply(writer.batch())
    store.gc()

    (found,) = store.series(SeriesQuery([writer.run_id], ["m"], x=x, buckets=buckets))

    check_buckets(found, sorted(points), buckets)


@pytest.mark.parametrize("buckets", [25, 5000])
def test_a_column_over_another_joins_rows(store: Store, experiment: str, buckets: int) -> None:
    writer = Writer(experiment=experiment).start()
    points = []
    for row in range(600):
        recall, precision = ((row * 7) % 600) / 600, row / 1000
        cells: dict[str, Any] = {"recall": recall, "precision": precision}
        if row % 50 == 0:
            del cells["recall" if row % 100 else "precision"]  # half a row has no place in the picture
        else:
            points.append((recall, precision))
        writer.log_row("pr", row, **cells)
    store.apply(writer.batch())

    query = SeriesQuery([writer.run_id], ["pr"], column="precision", x="column:recall", buckets=buckets)
    (found,) = store.series(query)

    assert found.column == "precision"
    check_buckets(found, sorted(points), buckets)


def test_a_column_over_one_that_is_missing_is_left_out(store: Store, experiment: str) -> None:
    run_id = store_points(store, experiment, [1.0, 2.0])

    assert store.series(SeriesQuery([run_id], ["m"], x="column:recall")) == []


@pytest.mark.parametrize("buckets", [25, 5000])
def test_a_metric_over_another_takes_its_latest_value(store: Store, experiment: str, buckets: int) -> None:
    writer = Writer(experiment=experiment).start()
    points = []
    for step in range(1000):
        if step % 10 == 5:
            writer.log("tokens", step * 64.0, step)
        writer.log("loss", float(step % 7), step)
        if step >= 5:
            points.append(((step - 5) // 10 * 640.0 + 320.0, float(step % 7)))
    store.apply(writer.batch())

    (found,) = store.series(SeriesQuery([writer.run_id], ["loss"], x="metric:tokens", buckets=buckets))

    assert (found.name, found.count) == ("loss", 995)
    check_buckets(found, points, buckets)


def test_a_metric_over_one_that_is_missing_or_over_itself_is_left_out(store: Store, experiment: str) -> None:
    run_id = store_points(store, experiment, [1.0, 2.0])

    assert store.series(SeriesQuery([run_id], ["m"], x="metric:tokens")) == []
    assert store.series(SeriesQuery([run_id], ["m"], x="metric:m")) == []


def test_the_mean_of_huge_values_is_finite(store: Store, experiment: str) -> None:
    run_id = store_points(store, experiment, [1.5e308, 1.7e308, 1.6e308, math.nan])

    (found,) = store.series(SeriesQuery([run_id], buckets=1))

    assert as_floats(found.mean) == [pytest.approx(1.6e308)]
    assert found.non_finite.tolist() == [1]


def test_whole_numbers_and_bools_are_drawn_as_numbers(store: Store, experiment: str) -> None:
    run_id = store_points(store, experiment, [1, True, False, 2.5, 2**53])

    (found,) = store.series(SeriesQuery([run_id]))

    assert as_floats(found.last) == [1.0, 1.0, 0.0, 2.5, 2.0**53]


def test_series_come_in_the_order_of_runs_then_names_then_columns(store: Store, experiment: str) -> None:
    run_ids = []
    for _ in range(3):
        writer = Writer(experiment=experiment).start().log("zeta", 1.0).log("note", "text is not drawn")
        writer.log_row("rows", 0, b=1, a=2, label="text").log("alpha", 1.0)
        store.apply(writer.batch())
        run_ids.append(writer.run_id)
    asked = [run_ids[2], run_ids[0], run_ids[1]]

    found = store.series(SeriesQuery(asked))

    names = [("alpha", ""), ("rows", "a"), ("rows", "b"), ("zeta", "")]
    assert [(one.run_id, one.name, one.column) for one in found] == [(run_id, *name) for run_id in asked for name in names]
    assert {one.kind for one in found if one.name == "rows"} == {MetricKind.ROW}


def test_series_are_chosen_by_name_and_column(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start().log("loss", 1.0).log("acc", 1.0).log_row("rows", 0, a=1, b=2)
    store.apply(writer.batch())

    def chosen(**query: Any) -> list[tuple[str, str]]:
        return [(one.name, one.column) for one in store.series(SeriesQuery([writer.run_id], **query))]

    assert chosen(names=["loss", "no-such-metric"]) == [("loss", "")]
    assert chosen(names=["rows"]) == [("rows", "a"), ("rows", "b")]
    assert chosen(names=["rows"], column="b") == [("rows", "b")]
    assert chosen(column="") == [("acc", ""), ("loss", "")]
    assert chosen(names=[]) == chosen(names=["no-such-metric"]) == []
    assert store.series(SeriesQuery([])) == []


def test_a_run_asked_for_twice_is_answered_once(store: Store, experiment: str) -> None:
    run_id = store_points(store, experiment, [1.0])

    assert len(store.series(SeriesQuery([run_id, run_id]))) == 1


def test_series_of_an_unknown_run_are_not_found(store: Store, experiment: str) -> None:
    run_id = store_points(store, experiment, [1.0])

    with pytest.raises(NotFoundError, match="no-such-run"):
        store.series(SeriesQuery([run_id, "no-such-run"]))


@pytest.mark.parametrize(
    "flaw",
    [
        *({"buckets": 0}, {"buckets": -1}, {"buckets": MAX_BUCKETS + 1}),
        *({"x": "epoch"}, {"x": ""}, {"start": math.nan}, {"end": math.nan}),
    ],
    ids=str,
)
def test_a_wrong_series_query_is_refused(store: Store, experiment: str, flaw: dict[str, Any]) -> None:
    run_id = store_points(store, experiment, [1.0])

    with unchanged(store, run_id), pytest.raises(InvalidValueError):
        store.series(SeriesQuery([run_id], **flaw))


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_are_aligned_and_missing_cells_are_none(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    writer.log_row("t", 0, label="zero", score=0.5, n=1)
    writer.log_row("t", 1, score=1.5)
    store.apply(writer.batch())
    writer.log_row("t", 2, label="two", ok=True, n=None)
    store.apply(writer.batch())

    page = store.table(writer.run_id, "t")

    assert page.columns == ["label", "score", "n", "ok"]  # as first logged
    assert page.rows == [["zero", 0.5, 1, None], [None, 1.5, None, None], ["two", None, None, True]]
    assert [type(cell) for cell in page.rows[0]] == [str, float, int, type(None)]
    assert (page.first_row, page.total_rows) == (0, 3)


def test_a_column_may_change_its_type(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    for row, cell in enumerate([1, 2.5, "three", True, None, math.inf]):
        writer.log_row("t", row, cell=cell)
    store.apply(writer.batch())

    page = store.table(writer.run_id, "t")

    assert page.columns == ["cell"]
    assert all(same(row[0], cell) for row, cell in zip(page.rows, [1, 2.5, "three", True, None, math.inf], strict=True))


def test_rows_are_read_in_pages(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    for row in range(25):
        writer.log_row("t", row, number=row, square=row * row)
    store.apply(writer.batch())
    store.gc()

    def numbers(first_row: int, limit: int) -> list[Any]:
        page = store.table(writer.run_id, "t", first_row, limit)
        assert (page.first_row, page.total_rows, page.columns) == (first_row, 25, ["number", "square"])
        return [row[0] for row in page.rows]

    assert numbers(0, 10) == list(range(10))
    assert numbers(20, 10) == list(range(20, 25))
    assert numbers(25, 10) == []


def test_a_table_that_is_added_to_goes_on(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    for row in range(3):
        writer.log_row("t", row, kind=MetricKind.TABLE, a=row)
    store.apply(writer.batch())
    store.gc()
    resumed = Writer(writer.run_id, experiment=experiment)
    for row in range(3, 5):
        resumed.log_row("t", row, a=row, b="new")
    store.apply(resumed.batch())

    page = store.table(writer.run_id, "t")

    assert page.columns == ["a", "b"]
    assert page.rows == [[0, None], [1, None], [2, None], [3, "new"], [4, "new"]]


def test_a_row_number_given_twice_is_two_rows(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start()
    writer.log_row("t", 0, a=1, b=1)
    writer.log_row("t", 0, a=2, b=2)
    store.apply(writer.batch())

    assert store.table(writer.run_id, "t").rows == [[1, 1], [2, 2]]


def test_wrong_questions_about_a_table_are_refused(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start().log_row("t", 0, a=1)
    store.apply(writer.batch())

    with unchanged(store, writer.run_id):
        for first_row, limit in ((0, 0), (0, -1), (-1, 10)):
            with pytest.raises(InvalidValueError):
                store.table(writer.run_id, "t", first_row, limit)
        for run_id, name in ((writer.run_id, "no-such-table"), ("no-such-run", "t")):
            with pytest.raises(NotFoundError):
                store.table(run_id, name)


@pytest.mark.parametrize("word", ["\x00", "a\x00b", "' OR 1=1 --", "%", "x" * 5000], ids=lambda word: ascii(word[:20]))
def test_odd_words_are_answered_like_any_unknown_one(store: Store, experiment: str, word: str) -> None:
    run_id = store_points(store, experiment, [1.0])

    for ask in (
        lambda: store.get_run(word),
        lambda: store.columns(run_id, word),
        lambda: store.columns(run_id, "m", word),
        lambda: store.table(run_id, word),
        lambda: store.series(SeriesQuery([word])),
    ):
        with pytest.raises(NotFoundError):
            ask()
    assert store.series(SeriesQuery([run_id], [word])) == []
