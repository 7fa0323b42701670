"""Frames for a screen: fewer bytes, and nothing that a chart would show otherwise."""

from __future__ import annotations

import gzip
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracklog.records import MetricKind
from tracklog.storage import SeriesBuckets, SeriesQuery
from tracklog.storage.frames import encode_series
from tracklog.storage.query import bucketed

Array = np.ndarray[Any, Any]


def buckets_of(values: Array, count: int = 8) -> SeriesBuckets:
    x = np.arange(len(values), dtype=np.int64)
    query = SeriesQuery(run_ids=["r"], buckets=count)
    return bucketed(x, values, query, run_id="r", name="loss", column="", kind=MetricKind.SCALAR)


def screen_columns(series: SeriesBuckets) -> dict[str, Array]:
    """Return the columns of the only series of a frame, as a browser reads them."""
    frame = encode_series([series], screen=True)
    (length,) = struct.unpack_from("<I", frame)
    [described] = json.loads(frame[4 : 4 + length])["series"]
    columns = {}
    for name, span in described["columns"].items():
        start, n = 4 + length + span["offset"], span["length"]
        if span["dtype"] == "f4t":
            planes = np.frombuffer(frame, np.uint8, 4 * n, start).reshape(4, n)
            columns[name] = np.ascontiguousarray(planes.T).view("<f4").ravel().astype(np.float64)
        else:
            columns[name] = np.frombuffer(frame, {"f8": "<f8", "u4": "<u4"}[span["dtype"]], n, start)
    return columns


numbers = st.floats(-1e6, 1e6, allow_subnormal=False) | st.sampled_from([0.0, -0.0, 1e-9, 1 / 3, 1e6])


@given(st.lists(numbers, min_size=9, max_size=60))
def test_the_envelope_on_a_screen_holds_every_value_and_is_hardly_wider(values: list[float]) -> None:
    series = buckets_of(np.array(values))
    shown = screen_columns(series)

    span = float(series.max.max() - series.min.min())
    wide = series.max > series.min  # buckets of equal values keep them, as floats of four bytes
    assert bool((shown["min"] <= series.min)[wide].all())
    assert bool((shown["max"] >= series.max)[wide].all())
    for name, exact in (("min", series.min), ("max", series.max)):
        away = np.abs(shown[name] - exact)
        assert bool((away <= np.maximum(span / 2**11, 1e-30)).all())  # half a pixel of a screen of 1,000 lines
        assert bool((away <= np.abs(exact) * 2**-14 + 1e-30).all())  # five digits


@pytest.mark.parametrize("value", [0.1, -7.25, 0.0, 3e-5])
def test_a_bucket_of_equal_values_has_no_envelope(value: float) -> None:
    values = np.full(64, value)
    values[-8:] = value + 5  # the curve as a whole has a span
    shown = screen_columns(buckets_of(values))

    assert (shown["max"] == shown["min"]).tolist() == [True] * 8


def test_what_is_not_finite_stays_so() -> None:
    values = np.linspace(1, 2, 64)
    values[:8] = np.nan
    values[8] = np.inf
    values[16] = -np.inf
    series = buckets_of(values)
    shown = screen_columns(series)

    for name, exact in (("min", series.min), ("max", series.max)):
        odd = ~np.isfinite(exact)
        np.testing.assert_array_equal(shown[name][odd], exact[odd])


def test_a_bucket_of_noise_takes_less_than_twelve_bytes() -> None:
    values = np.random.default_rng(1).normal(1, 0.2, 16_000)
    frame = encode_series([buckets_of(values, 1000)], screen=True)

    assert len(gzip.compress(frame, 1)) < 12 * 1000  # mean, least and greatest; x and n of full buckets cost nearly nothing
