"""Metric points at rest: how a batch becomes a hot row, and hot rows become compressed chunks.

A *hot* row holds one batch's points of a run, uncompressed (`HOT`), so that storing a batch is one small insert.
A *chunk* holds up to `CHUNK_POINTS` points of one series, a column after the other, each with a codec of its own:

    magic "TC" · u8 version · u8 dtype (a DType, or 255: mixed) · u32 n · u32 crc32 of all that follows
    4 × (u8 codec · u32 length)      steps, times_ms, values, dtypes
    4 × bytes

Little-endian. Codecs: 0 raw; 1 arithmetic sequence (i64 first · i64 stride); 2 delta + byte shuffle + zlib;
3 pcodec standalone. Chunks written without pcodec stay readable with it and the other way round, except codec 3.
Values are kept bit for bit: NaN payloads, -0.0, all of int64.
"""

from __future__ import annotations

import functools
import struct
import zlib
from typing import Any

import numpy as np

from tracklog.errors import StoreFormatError
from tracklog.records import DType

try:
    from pcodec import ChunkConfig, standalone
except ImportError:  # no wheel for this platform: zlib is larger (2x) and slower to write, nothing else
    standalone = None

Array = np.ndarray[Any, Any]

CHUNK_POINTS = 4096  # 3.0 bytes a point with pcodec; 8,192 would save 7 % and double what a small zoom decodes
MIXED = 255

# A point of a hot row. `bits` is the value's 8 bytes, read by `dtype`.
HOT = np.dtype([("series", "<i8"), ("step", "<i8"), ("time_ms", "<i8"), ("bits", "<i8"), ("dtype", "u1")])

_HEAD = struct.Struct("<2sBBII")
_COLUMN = struct.Struct("<BI")
_SEQUENCE = struct.Struct("<qq")
_MAGIC = b"TC"
_VERSION = 1

_RAW, _ARITHMETIC, _ZLIB, _PCO = range(4)


class Points:
    """Points of one series in the order logged. Columns of equal length."""

    __slots__ = ("bits", "dtypes", "steps", "times_ms")

    def __init__(self, steps: Array, times_ms: Array, bits: Array, dtypes: Array) -> None:
        self.steps = steps  # (n,) int64
        self.times_ms = times_ms  # (n,) int64
        self.bits = bits  # (n,) int64: the 8 value bytes
        self.dtypes = dtypes  # (n,) uint8: `DType`

    def __len__(self) -> int:
        return len(self.steps)

    def numbers(self) -> Array:
        """Return the values as (n,) float64; None becomes NaN, bool 0 or 1; int64 beyond 2^53 is rounded."""
        return as_numbers(self.bits, self.dtypes)

    def slice(self, start: int, end: int) -> Points:
        """Return points [start, end)."""
        return Points(self.steps[start:end], self.times_ms[start:end], self.bits[start:end], self.dtypes[start:end])

    def in_order(self) -> Points:
        """Return the points ascending by (step, time), equal ones as logged."""
        if len(self) < 2 or bool((self.steps[1:] > self.steps[:-1]).all()):
            return self
        order = np.lexsort((self.times_ms, self.steps))
        return Points(self.steps[order], self.times_ms[order], self.bits[order], self.dtypes[order])


def as_numbers(bits: Array, dtypes: Array) -> Array:
    """Return value bytes as float64, by dtype; see `Points.numbers`."""
    first = int(dtypes[0]) if len(dtypes) else int(DType.FLOAT)
    if len(dtypes) and dtypes.strides != (0,) and not bool((dtypes == first).all()):
        values = np.where(dtypes == DType.FLOAT, bits.view(np.float64), bits.astype(np.float64))
        values[dtypes == DType.NONE] = np.nan
        return values
    if first == DType.FLOAT:
        return bits.view(np.float64)
    if first == DType.NONE:
        return np.full(len(bits), np.nan)
    return bits.astype(np.float64)


def concatenate(parts: list[Points]) -> Points:
    """Return the points of `parts`, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        none = np.empty(0, np.int64)
        return Points(none, none, none, np.empty(0, np.uint8))
    return Points(
        np.concatenate([part.steps for part in parts]),
        _concatenated([part.times_ms for part in parts]),
        np.concatenate([part.bits for part in parts]),
        _concatenated([part.dtypes for part in parts]),
    )


@functools.lru_cache(64)  # nobody can write to them
def _constant(value: int, n: int, dtype: type[np.generic]) -> Array:
    """Return (n,) times `value` in the memory of one: most series have one dtype, and charts by step read no times."""
    return np.broadcast_to(np.array(value, dtype), (n,))


def _concatenated(columns: list[Array]) -> Array:
    first = columns[0]
    if len(first) and all(column.strides == (0,) and len(column) and column[0] == first[0] for column in columns):
        return np.broadcast_to(first[0], (sum(len(column) for column in columns),))
    return np.concatenate(columns)


def read_hot(data: bytes) -> Array:
    """Return the points of a hot row as a structured array (`HOT`)."""
    return np.frombuffer(data, HOT)


def hot_points(rows: Array) -> Points:
    """Return selected rows of hot points as columns."""
    return Points(
        # Fields of 33-byte records are neither contiguous nor aligned; even a single one must be copied to be.
        rows["step"].copy(),
        rows["time_ms"].copy(),
        rows["bits"].copy(),
        rows["dtype"].copy(),
    )


def encode_chunk(points: Points) -> bytes:
    """Return points as a chunk."""
    dtype = int(points.dtypes[0])
    uniform = bool((points.dtypes == dtype).all())
    values = points.bits.view(np.float64) if uniform and dtype == DType.FLOAT else points.bits
    columns = [
        _encode(points.steps),
        _encode(points.times_ms),
        _encode(values),
        (_RAW, b"") if uniform else (_ZLIB, zlib.compress(points.dtypes.tobytes(), 6)),
    ]
    body = b"".join(_COLUMN.pack(codec, len(data)) for codec, data in columns) + b"".join(data for _, data in columns)
    return _HEAD.pack(_MAGIC, _VERSION, dtype if uniform else MIXED, len(points), zlib.crc32(body)) + body


def decode_chunk(data: bytes, *, times: bool = True) -> Points:
    """Return the points of a chunk. Without `times` that column is all zero and costs nothing.

    Raises:
        StoreFormatError: damaged, or written by a newer tracklog.
    """
    try:
        magic, version, dtype, n, crc = _HEAD.unpack_from(data)
    except struct.error as error:
        raise StoreFormatError(f"A chunk of {len(data)} bytes is cut short. Restore the workspace from a backup.") from error
    if magic != _MAGIC or version != _VERSION:
        raise StoreFormatError(
            f"A chunk has magic {magic!r} and version {version}; expected {_MAGIC!r} and {_VERSION}. "
            "Upgrade with: pip install --upgrade tracklog"
        )
    body = memoryview(data)[_HEAD.size :]
    if zlib.crc32(body) != crc:
        raise StoreFormatError("A chunk's checksum does not match. Restore the workspace from a backup.")
    position = 4 * _COLUMN.size
    columns: list[tuple[int, memoryview]] = []
    for codec, length in _COLUMN.iter_unpack(body[:position]):
        columns.append((codec, body[position : position + length]))
        position += length
    steps = _decode(*columns[0], n, np.int64)
    times_ms = _decode(*columns[1], n, np.int64) if times else _constant(0, n, np.int64)
    if dtype == MIXED:
        dtypes = np.frombuffer(zlib.decompress(columns[3][1]), np.uint8)
    else:
        dtypes = _constant(dtype, n, np.uint8)
    values = _decode(*columns[2], n, np.float64 if dtype == DType.FLOAT else np.int64)
    return Points(steps, times_ms, values.view(np.int64), dtypes)


def _encode(column: Array) -> tuple[int, bytes]:
    """Return the codec chosen for an int64 or float64 column, and its bytes."""
    if column.dtype == np.int64:
        stride = int(column[1]) - int(column[0]) if len(column) > 1 else 0
        # Differences wrap around in int64 for extreme values, on both sides of the comparison alike.
        if -(2**63) <= stride < 2**63 and bool((np.diff(column) == stride).all()):
            return _ARITHMETIC, _SEQUENCE.pack(int(column[0]), stride)
    if standalone is not None:
        return _PCO, standalone.simple_compress(np.require(column, requirements=["C", "A"]), ChunkConfig())
    bits = column.view(np.uint64)
    delta = np.empty_like(bits)
    delta[0] = bits[0]
    np.subtract(bits[1:], bits[:-1], out=delta[1:])
    shuffled = np.ascontiguousarray(delta.view(np.uint8).reshape(-1, 8).T)
    return _ZLIB, zlib.compress(shuffled.tobytes(), 6)


def _decode(codec: int, data: memoryview, n: int, dtype: type[np.generic]) -> Array:
    if codec == _PCO:
        if standalone is None:
            raise StoreFormatError("A chunk is compressed with pcodec, which is not installed. Run: pip install pcodec")
        decoded = standalone.simple_decompress(bytes(data))
        # Nothing to decompress gives None.
        return np.empty(0, dtype) if decoded is None else np.asarray(decoded)
    if codec == _ARITHMETIC:
        first, stride = _SEQUENCE.unpack(data)
        sequence: Array = first + np.arange(n, dtype=np.int64) * stride
        return sequence
    if codec == _ZLIB:
        planes = np.frombuffer(zlib.decompress(data), np.uint8).reshape(8, n)
        delta = np.ascontiguousarray(planes.T).view(np.uint64).reshape(n)
        restored: Array = np.cumsum(delta, dtype=np.uint64).view(dtype)
        return restored
    if codec == _RAW:
        return np.frombuffer(data, dtype)
    raise StoreFormatError(f"A chunk uses codec {codec}, unknown here. Upgrade with: pip install --upgrade tracklog")
