"""`application/vnd.tracklog.columns`: metric columns on the wire between a server and its readers.

    u32 n · n bytes of JSON header · columns

Everything is little-endian. The header is UTF-8, padded with blanks so that the columns begin at a multiple of 8; each
column begins at a multiple of 8 after that, where the header says (`dtype`, `offset` from the first column, `length` in
elements). A reader can hand the bytes to a typed array without copying.

Equal columns are sent once: series of one run have their steps in common, runs of one script too.
A frame for a screen (`encode_series(…, screen=True)`) leaves `first` and `last` of buckets away but for the last one's `last`,
and has numbers as `f4t` where four bytes show the curve: floats whose bytes lie in planes (byte 0 of all, then byte 1 …),
which compress better. Least and greatest values of buckets are rounded outwards, to five digits at least and to less than a
screen tells apart.

Values that JSON cannot say travel exactly: in `values` of a text or mixed series NaN and ±inf are
`{"float": "nan" | "inf" | "-inf"}`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np

from tracklog.errors import ServerError
from tracklog.records import MetricKind
from tracklog.storage import Array, MetricColumns, Restart, SeriesBuckets

MEDIA_TYPE = "application/vnd.tracklog.columns"

_LENGTH = struct.Struct("<I")
_ALIGNMENT = 8  # what Float64Array and BigInt64Array of a browser ask for
_DTYPES = {"f8": "<f8", "i8": "<i8", "u4": "<u4", "u1": "|u1", "f4t": "<f4"}
_BUCKET_COLUMNS = ("x", "x_last", "first", "last", "min", "max", "mean")
_F4_SPAN = 2.0**-9  # of the largest value: then a float of 4 bytes has 2**14 levels over the span, more than a screen has lines
_F4_BITS = 23  # of a float's mantissa
_ENVELOPE_BITS = 15  # kept of it: five decimal digits, in more than the eye sees as different
_ENVELOPE_LEVELS = 12  # 2**12 levels over the span of a curve, whatever its size: a high screen has half as many lines
_EXACT_COLUMNS = ("x", "last")  # the other columns of a bucket with one point follow from these
_MAX_U4 = 2**32 - 1

_H = TypeVar("_H", bound=msgspec.Struct)


class _Column(msgspec.Struct, frozen=True):
    dtype: str
    offset: int
    length: int


class _Series(msgspec.Struct, frozen=True, omit_defaults=True):
    run_id: str
    name: str
    column: str
    kind: MetricKind
    count: int
    in_range: int
    exact: bool
    columns: dict[str, _Column]
    end: Any = None  # value of the last point in range, for screens
    before: list[Any] | None = None  # x and value of the points on both sides of the range
    after: list[Any] | None = None
    overtaken: int = 0
    restarts: list[Restart] = []
    tails: list[_Series] = []


class _SeriesHeader(msgspec.Struct, frozen=True):
    series: list[_Series]


class _ColumnsHeader(msgspec.Struct, frozen=True, omit_defaults=True):
    run_id: str
    name: str
    column: str
    kind: MetricKind
    dtype: str  # "f8", "i8", "b1", or "mixed": then `values` is here
    columns: dict[str, _Column]
    values: list[Any] | None = None


def encode_series(series: list[SeriesBuckets], *, screen: bool = False) -> bytes:
    """Return the frame that answers a series query; `screen`: with what a chart needs only, which cannot be decoded here."""
    body = _Body()
    return body.frame(_SeriesHeader(_described(body, series, screen)))


def _described(body: _Body, series: Sequence[SeriesBuckets], screen: bool) -> list[_Series]:
    described = []
    for one in series:
        sent = _EXACT_COLUMNS if one.exact else ("x", "x_last") if screen else _BUCKET_COLUMNS
        columns = {name: body.add(getattr(one, name), "f8") for name in sent}
        end = None
        if not one.exact:
            columns["n"] = body.add(np.minimum(one.n, _MAX_U4), "u4")  # beyond it "many" is all a chart needs
            if one.non_finite.any():
                columns["non_finite"] = body.add(np.minimum(one.non_finite, _MAX_U4), "u4")
            if screen:
                columns |= {name: body.add(values, dtype) for name, (values, dtype) in _screen_columns(one).items()}
                end = to_json(float(one.last[-1]))
        before, after = ([to_json(part) for part in point] if point else None for point in (one.before, one.after))
        described.append(
            _Series(
                one.run_id,
                one.name,
                one.column,
                one.kind,
                one.count,
                one.in_range,
                bool(one.exact),
                columns,
                end,
                before,
                after,
                one.overtaken,
                list(one.restarts),
                _described(body, one.tails, screen),
            )
        )
    return described


def _screen_columns(series: SeriesBuckets) -> dict[str, tuple[Array, str]]:
    """Return what shows a curve, each column with the smallest dtype: small changes of large values need all eight bytes."""
    columns = {"min": series.min, "max": series.max, "mean": series.mean}
    low, high = np.fmin.reduce(series.min), np.fmax.reduce(series.max)
    size = max(abs(low), abs(high))
    if not (1e-30 < size < 1e30 and high - low > size * _F4_SPAN):
        return {name: (values, "f8") for name, values in columns.items()}
    kept = max(_ENVELOPE_BITS, _ENVELOPE_LEVELS + math.ceil(math.log2(size / (high - low))))
    is_wide = series.max > series.min  # a bucket of equal values stays one
    for name in ("min", "max"):
        columns[name] = np.where(is_wide, _rounded(columns[name], up=name == "max", kept=kept), columns[name])
    return {name: (values, "f4t") for name, values in columns.items()}


def _rounded(values: Array, *, up: bool, kept: int) -> Array:
    """Return floats of four bytes whose mantissas end after `kept` bits, rounded up or down; what ends in zeros compresses.

    Infinities and NaN stay what they are.
    """
    rest = np.uint32((1 << max(0, _F4_BITS - kept)) - 1)
    near = values.astype(np.float32)
    near = np.where(near < values if up else near > values, np.nextafter(near, np.float32(np.inf if up else -np.inf)), near)
    bits = near.view(np.uint32)
    grows = np.signbit(near) != up  # away from zero
    rounded: Array = ((bits + np.where(grows, rest, np.uint32(0))) & ~rest).view(np.float32)
    return rounded


def decode_series(data: bytes) -> list[SeriesBuckets]:
    """Return what `encode_series` was given.

    Raises:
        ServerError: the bytes are no such frame.
    """
    header, start = _header(data, _SeriesHeader)
    return _decoded(data, start, header.series)


def _decoded(data: bytes, start: int, described: Sequence[_Series]) -> list[SeriesBuckets]:
    result = []
    for one in described:
        wanted = _EXACT_COLUMNS if one.exact else _BUCKET_COLUMNS
        arrays = {name: _array(data, start, one.columns, name).astype(np.float64) for name in wanted}
        if one.exact:
            last = arrays["last"]
            arrays |= {"x_last": arrays["x"], "first": last, "min": last, "max": last, "mean": last}
            n = np.ones(len(last), np.int64)
            non_finite = (~np.isfinite(last)).astype(np.int64)
        else:
            n = _array(data, start, one.columns, "n").astype(np.int64)
            non_finite = np.zeros(len(n), np.int64)
            if "non_finite" in one.columns:
                non_finite = _array(data, start, one.columns, "non_finite").astype(np.int64)
        result.append(
            SeriesBuckets(
                run_id=one.run_id,
                name=one.name,
                column=one.column,
                kind=one.kind,
                count=one.count,
                in_range=one.in_range,
                exact=one.exact,
                n=n,
                non_finite=non_finite,
                before=_point(one.before),
                after=_point(one.after),
                overtaken=one.overtaken,
                restarts=one.restarts,
                tails=_decoded(data, start, one.tails),
                **arrays,
            )
        )
    return result


def _point(sent: list[Any] | None) -> tuple[float, float] | None:
    if sent is None:
        return None
    x, value = sent
    return float(from_json(x)), float(from_json(value))


def encode_columns(points: MetricColumns) -> bytes:
    """Return the frame with every point of one series."""
    body = _Body()
    columns = {
        "steps": body.add(points.steps, "i8"),
        "times_ms": body.add(points.times_ms, "i8"),
        "dtypes": body.add(points.dtypes, "u1"),
    }
    dtype = {"f": "f8", "i": "i8", "b": "b1"}.get(points.values.dtype.kind, "mixed")
    values: list[Any] | None = None
    if dtype == "mixed":
        values = [to_json(value) for value in points.values.tolist()]
    else:
        columns["values"] = body.add(points.values, "u1" if dtype == "b1" else dtype)
    return body.frame(_ColumnsHeader(points.run_id, points.name, points.column, points.kind, dtype, columns, values))


def decode_columns(data: bytes) -> MetricColumns:
    """Return what `encode_columns` was given.

    Raises:
        ServerError: the bytes are no such frame.
    """
    header, start = _header(data, _ColumnsHeader)
    values: Array
    if header.values is None:
        values = _array(data, start, header.columns, "values")
        values = values.astype({"f8": np.float64, "i8": np.int64}.get(header.dtype, np.bool_))
    else:
        values = np.empty(len(header.values), object)
        values[:] = [from_json(value) for value in header.values]
    return MetricColumns(
        run_id=header.run_id,
        name=header.name,
        column=header.column,
        kind=header.kind,
        steps=_array(data, start, header.columns, "steps").astype(np.int64),
        times_ms=_array(data, start, header.columns, "times_ms").astype(np.int64),
        values=values,
        dtypes=_array(data, start, header.columns, "dtypes").astype(np.uint8),
    )


class _Body:
    """Columns one after the other, each aligned; equal ones once."""

    def __init__(self) -> None:
        self._offsets: dict[bytes, int] = {}  # in the order of the offsets
        self._size = 0

    def add(self, values: Array, dtype: str) -> _Column:
        array = np.ascontiguousarray(values, _DTYPES[dtype])
        if dtype == "f4t":
            array = np.ascontiguousarray(array.view(np.uint8).reshape(-1, 4).T)
        part = array.tobytes()
        part += b"\0" * (-len(part) % _ALIGNMENT)
        offset = self._offsets.setdefault(part, self._size)
        if offset == self._size:
            self._size += len(part)
        return _Column(dtype, offset, len(values))

    def frame(self, header: msgspec.Struct) -> bytes:
        text = msgspec.json.encode(header)
        text += b" " * (-(_LENGTH.size + len(text)) % _ALIGNMENT)
        return b"".join([_LENGTH.pack(len(text)), text, *self._offsets])


def _header(data: bytes, kind: type[_H]) -> tuple[_H, int]:
    """Return the decoded header and where the columns begin."""
    try:
        (length,) = _LENGTH.unpack_from(data)
        start = _LENGTH.size + length
        return msgspec.json.decode(data[_LENGTH.size : start], type=kind), start
    except (struct.error, msgspec.DecodeError) as error:
        raise _damaged(str(error)) from error


def _array(data: bytes, start: int, columns: dict[str, _Column], name: str) -> Array:
    try:
        column = columns[name]
        return np.frombuffer(data, _DTYPES[column.dtype], column.length, start + column.offset)
    except KeyError as error:
        raise _damaged(f"{error} is missing or unknown in column `{name}`") from error
    except ValueError as error:
        # An empty column at the very end is no error, though numpy takes it for one.
        if columns[name].length == 0:
            return np.empty(0, _DTYPES[columns[name].dtype])
        raise _damaged(f"column `{name}`: {error}") from error


def _damaged(reason: str) -> ServerError:
    return ServerError(
        f"Cannot read the metric columns of {MEDIA_TYPE}: {reason}. Expected a whole frame. "
        "Check that server and client have the same version of tracklog, and that no proxy changes answers."
    )


def to_json(value: Any) -> Any:
    """Return a value as JSON can say it; `from_json` is the way back."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}
    return value


def from_json(value: Any) -> Any:
    """Return what `to_json` was given."""
    if isinstance(value, dict):
        return float(value["float"])
    return value
