"""What the writers of runs would send: small builders of batches for tests that speak to a store directly.

writer = Writer("run-1", experiment="digits")
writer.start().log("loss", 0.5, step=0)
store.apply(writer.batch())
"""

from __future__ import annotations

import math
import struct
import uuid

from tracklog.records import (
    POINT,
    POINT_SIZE,
    Batch,
    DType,
    ErrorInfo,
    Event,
    MetricKey,
    MetricKind,
    ParamsSet,
    ParamValue,
    Process,
    PropertiesSet,
    RunStarted,
    RunStatus,
    StatusChanged,
    TagsSet,
    TextPoint,
)

Value = float | int | bool | str | None

T0_MS = 1_750_000_000_000  # 15 June 2025: the time of the first record, unless a test gives another
POINT_MARKER = 1  # any number but 0: the record is whole


def dtype_of(value: Value) -> DType:
    """Return how a value is stored."""
    if value is None:
        return DType.NONE
    if isinstance(value, bool):
        return DType.BOOL
    if isinstance(value, int):
        return DType.INT
    if isinstance(value, float):
        return DType.FLOAT
    return DType.TEXT


def value_bytes(value: float | bool | None) -> bytes:
    """Return the 8 bytes of a value in a point record."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    return struct.pack("<q", 0 if value is None else int(value))


def same(left: object, right: object) -> bool:
    """Whether two values are the same to the bit and in type: 1 is not 1.0, 0.0 is not -0.0, NaN is NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float) and isinstance(right, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return struct.pack("<d", left) == struct.pack("<d", right)
    return left == right


class Writer:
    """One writer of one run: numbers its records from 0 and defines a key for each (name, column, dtype).

    `batch()` takes what was written since the last one. Times count up by a millisecond from `T0_MS`.
    """

    def __init__(self, run_id: str = "", *, experiment: str = "default", writer_id: str = "") -> None:
        self.run_id = run_id or uuid.uuid4().hex
        self.writer_id = writer_id or uuid.uuid4().hex
        self.experiment = experiment
        self._keys: dict[tuple[str, str, DType], MetricKey] = {}
        self._points = bytearray()
        self._events: list[Event] = []
        self._points_sent = 0
        self._events_sent = 0
        self._clock_ms = T0_MS

    def start(
        self,
        *,
        name: str = "",
        start_ms: int = T0_MS,
        parent_id: str | None = None,
        user: str = "",
        type: str = "",  # the record's own word  # noqa: A002
        description: str = "",
        params: dict[str, ParamValue] | None = None,
        tags: dict[str, str | None] | None = None,
        properties: dict[str, str] | None = None,
        process: Process | None = None,
    ) -> Writer:
        """Create the run and set it running, as the first records of a run do."""
        self.add(
            RunStarted(
                self.experiment,
                start_ms,
                name=name,
                parent_id=parent_id,
                user=user,
                type=type,
                description=description,
                process=process,
            ),
            StatusChanged(RunStatus.RUNNING, start_ms),
        )
        if params is not None:
            self.add(ParamsSet(params))
        if tags is not None:
            self.add(TagsSet(tags))
        if properties is not None:
            self.add(PropertiesSet(properties))
        return self

    def add(self, *events: Event) -> Writer:
        """Write events."""
        self._events.extend(events)
        return self

    def finish(
        self, status: RunStatus = RunStatus.COMPLETED, *, time_ms: int = T0_MS + 60_000, error: ErrorInfo | None = None
    ) -> Writer:
        """Set a status, a final one by default."""
        return self.add(StatusChanged(status, time_ms, error))

    def log(
        self,
        name: str,
        value: Value,
        step: int = 0,
        *,
        time_ms: int | None = None,
        column: str = "",
        kind: MetricKind = MetricKind.SCALAR,
        description: str = "",
    ) -> Writer:
        """Write one metric point."""
        if time_ms is None:
            time_ms = self._clock_ms
            self._clock_ms += 1
        dtype = dtype_of(value)
        key = self._keys.get((name, column, dtype))
        if key is None:
            key = MetricKey(len(self._keys) + 1, name, column, kind, dtype, description)
            self._keys[name, column, dtype] = key
            self._events.append(key)
        if isinstance(value, str):
            self._events.append(TextPoint(key.key, step, time_ms, value))
        else:
            self._points += POINT.pack(step, time_ms, value_bytes(value), key.key, POINT_MARKER)
        return self

    def log_row(self, name: str, row: int, *, kind: MetricKind = MetricKind.ROW, **cells: Value) -> Writer:
        """Write one row of a table metric: its cells share the row number, which is the step, and the time."""
        self._clock_ms += 1
        for column, value in cells.items():
            self.log(name, value, row, time_ms=self._clock_ms, column=column, kind=kind)
        return self

    def batch(self, *, live: bool = True) -> Batch:
        """Return everything written since the last call, ready to be applied."""
        batch = Batch(
            self.run_id,
            self.writer_id,
            self._points_sent,
            self._events_sent,
            bytes(self._points),
            self._events,
            list(self._keys.values()),
            live,
        )
        self._points_sent += len(self._points) // POINT_SIZE
        self._events_sent += len(self._events)
        self._points = bytearray()
        self._events = []
        return batch
