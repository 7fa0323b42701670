"""Records: everything a run can write down, and the batch that carries records into a store.

A *metric point* is (key, step, time, value) and travels as a fixed 32-byte record (`POINT`).
Everything else is an *event*: a small tagged MessagePack map (`Event`).
Both are numbered per writer, from 0, in the order written; a `Batch` says where its records start,
so a store can apply it twice without harm.

New fields are optional and come last: old journals and old clients stay readable.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Any, Union

import msgspec

# One metric point, little-endian:  i64 step · i64 time_ms · 8-byte value · u32 key · u32 marker
# The marker is written last and is never 0: a record without it does not exist (yet).
# 32 divides a sector (512), so no record straddles one.
POINT = struct.Struct("<qq8sII")
POINT_SIZE = POINT.size
POINT_FIELDS = [("step", "<i8"), ("time_ms", "<i8"), ("value", "V8"), ("key", "<u4"), ("marker", "<u4")]
VOID_KEY = 0  # a record that was given up half-way (an exception in between); readers count and skip it

MAX_NAME_CHARS = 1000  # metric, param and tag names; long enough for any path-like name
SYSTEM_PREFIX = "system/"  # of the names of metrics that are samples of the machine
MAX_RUN_ID_CHARS = 256  # Azure ML v1's bound; MLflow's own ids have 32


class DType(int, Enum):
    """How the 8 value bytes of a point are read."""

    FLOAT = 0  # IEEE 754 double; NaN and ±inf are values like any other
    INT = 1  # signed 64 bit, kept exactly
    BOOL = 2  # int64 0 or 1
    NONE = 3  # logged as None; the bytes are 0
    TEXT = 4  # only in `TextPoint`, never in a point record


class MetricKind(str, Enum):
    """What was called, hence how the portal draws it and what `get_metrics` returns."""

    SCALAR = "scalar"  # log
    LIST = "list"  # log_list
    ROW = "row"  # log_row
    TABLE = "table"  # log_table
    IMAGE = "image"  # log_image; text points whose value is the artifact path
    CONFUSION_MATRIX = "confusion_matrix"  # the four JSON kinds: text points, value = artifact path
    ACCURACY_TABLE = "accuracy_table"
    RESIDUALS = "residuals"
    PREDICTIONS = "predictions"

    def has_columns(self) -> bool:
        """Whether a metric of this kind is a table: several columns, points joined by row number (= step)."""
        return self in (MetricKind.ROW, MetricKind.TABLE)


class RunStatus(str, Enum):
    """Where a run stands; the words are Azure ML v1's."""

    NOT_STARTED = "NotStarted"
    STARTING = "Starting"
    PROVISIONING = "Provisioning"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    PAUSED = "Paused"
    NOT_RESPONDING = "NotResponding"  # was active, and its heartbeat has been missing for HEARTBEAT_LOST_MS
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    def is_final(self) -> bool:
        """Whether nothing more is expected of the run (it may still be resumed)."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)


SCRIPT_RUN = "azureml.scriptrun"  # type of a run whose script is watched: how the script ends decides the run's status

HEARTBEAT_MS = 10_000  # a live writer sends at least one (possibly empty) batch this often
HEARTBEAT_LOST_MS = 45_000  # four missed heartbeats and some network delay
SILENCE_LOST_MS = 24 * 3600 * 1000  # the same for clients without a journal, silent while they compute: an epoch may take hours

ParamValue = Union[str, int, float, bool, None]


class MetricKey(msgspec.Struct, tag_field="event", tag="key", frozen=True, omit_defaults=True):
    """Definition of a writer-local key: written before the first point that uses it.

    The same (name, column) may have several keys, one for each dtype seen.
    """

    key: int  # > 0, unique within the writer
    name: str
    column: str = ""  # "" for scalars, lists and images
    kind: MetricKind = MetricKind.SCALAR
    dtype: DType = DType.FLOAT
    description: str = ""


class TextPoint(msgspec.Struct, tag_field="event", tag="text", frozen=True, omit_defaults=True):
    """A metric point whose value is text (also the artifact path of an image)."""

    key: int
    step: int
    time_ms: int
    value: str


class Process(msgspec.Struct, frozen=True, omit_defaults=True):
    """The process that leads a run: the only one that records it, or its first rank."""

    since_ms: int  # its clock when it began to record
    host: str = ""
    pid: int = 0
    job: str = ""  # what started it: processes of one job follow each other within one session; "": it starts by itself


class RunStarted(msgspec.Struct, tag_field="event", tag="run", frozen=True, omit_defaults=True):
    """First event of the writer that creates a run. For a run that exists it changes nothing.

    With `process` it may begin a new session of the run, see `tracklog.storage.sessions`.
    """

    experiment: str
    start_ms: int
    name: str = ""
    parent_id: str | None = None
    type: str = ""
    user: str = ""
    description: str = ""
    process: Process | None = None  # None: another rank, a worker, or one that only adds to the run


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a run failed."""

    code: str
    message: str
    traceback: str = ""


class StatusChanged(msgspec.Struct, tag_field="event", tag="status", frozen=True, omit_defaults=True):
    """The run's status from `time_ms` on. A final status sets the end time; a later one clears it (resume)."""

    status: RunStatus
    time_ms: int
    error: ErrorInfo | None = None


class ParamsSet(msgspec.Struct, tag_field="event", tag="params", frozen=True, omit_defaults=True):
    """Inputs of the run. The first value of a name stays; with `strict` another value refuses the batch as a whole."""

    values: dict[str, ParamValue]
    strict: bool = False


class TagsSet(msgspec.Struct, tag_field="event", tag="tags", frozen=True):
    """Labels of the run; None removes one."""

    values: dict[str, str | None]


class PropertiesSet(msgspec.Struct, tag_field="event", tag="properties", frozen=True):
    """Facts about the run; the first value of a name stays."""

    values: dict[str, str]


class InfoSet(msgspec.Struct, tag_field="event", tag="info", frozen=True):
    """Captured circumstances, by topic: `command`, `git`, `python`, `packages`, `host`, `recorder` …

    A value is anything JSON can say. A later value of a topic replaces the earlier one.
    """

    values: dict[str, Any]


class RunEdited(msgspec.Struct, tag_field="event", tag="edit", frozen=True, omit_defaults=True):
    """Change of the run's own fields; None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    deleted: bool | None = None
    archived: bool | None = None
    user: str | None = None
    parent_id: str | None = None  # "": none


class ArtifactStored(msgspec.Struct, tag_field="event", tag="artifact", frozen=True, omit_defaults=True):
    """A file was given to the run. Its bytes lie in the journal's `blobs/<blob>` until the store has them."""

    path: str  # relative, posix, validated by `validate_artifact_path`
    size_bytes: int
    blob: str = ""  # file name below the journal's blobs/; "" when the store has the bytes already


DATASET_CONTEXT = "mlflow.data.context"  # tag of a data set that says what it was for: "training", "eval" …


class DatasetInput(msgspec.Struct, frozen=True, omit_defaults=True):
    """A data set that a run read. Equal `name` and `digest` mean the same data."""

    name: str
    digest: str = ""
    source_type: str = ""  # what `source` is: "local", "http", "delta_table" …
    source: str = ""  # where it came from: JSON text, an address or a path
    schema: str = ""  # JSON text
    profile: str = ""  # JSON text
    tags: dict[str, str] = {}  # of this use, such as {"mlflow.data.context": "training"}


class ModelOutput(msgspec.Struct, frozen=True, omit_defaults=True):
    """A logged model that a run made, at a step of its training."""

    model_id: str
    step: int = 0


class LineageAdded(msgspec.Struct, tag_field="event", tag="lineage", frozen=True, omit_defaults=True):
    """What the run read and made. Adding what is there already changes nothing."""

    datasets: list[DatasetInput] = []
    model_inputs: list[str] = []  # ids of logged models
    model_outputs: list[ModelOutput] = []


class LogLine(msgspec.Struct, frozen=True, array_like=True):
    """One line of console output or of Python logging, without its line end."""

    time_ms: int
    stream: str  # "stdout", "stderr" or "logging"
    text: str
    level: int = 0  # Python logging level; 0 when there is none
    logger: str = ""
    rank: int | None = None  # of the process that wrote it, among those that execute the run together; None: it is the only one

    def printed(self) -> str:
        """Return the line as it stands among those of other ranks: all but the first say which they are."""
        return f"[rank {self.rank}] {self.text}" if self.rank else self.text


class LogLines(msgspec.Struct, tag_field="event", tag="log", frozen=True):
    """Lines added to the run's log."""

    lines: list[LogLine]


Event = Union[
    MetricKey,
    TextPoint,
    RunStarted,
    StatusChanged,
    ParamsSet,
    TagsSet,
    PropertiesSet,
    InfoSet,
    RunEdited,
    ArtifactStored,
    LogLines,
    LineageAdded,
]


class Watermark(msgspec.Struct, frozen=True):
    """How many records of one writer a store holds: the numbers of the next ones it wants."""

    points: int = 0
    events: int = 0


class Batch(msgspec.Struct, omit_defaults=True):
    """Records of one writer of one run, on their way into a store.

    `points` is a whole number of 32-byte `POINT` records, the first with number `points_start`.
    `keys` defines every key that `points` and `events` use, whether or not its event is in this batch.
    An empty batch of a live writer is a heartbeat.

    `writer_id` "" is a client without a journal, one request a batch: nothing is skipped and no watermark kept, a deleted
    run refuses it, and of points at the same step and time the greatest value counts as the last one (MLflow's rule).
    """

    run_id: str
    writer_id: str
    points_start: int = 0
    events_start: int = 0
    points: bytes = b""
    events: list[Event] = []
    keys: list[MetricKey] = []
    live: bool = True  # False: sent for a process that is gone (recovered journal), or by an editor

    def end(self) -> Watermark:
        """Return the watermark the store reaches by applying this batch."""
        return Watermark(self.points_start + len(self.points) // POINT_SIZE, self.events_start + len(self.events))


encode_event = msgspec.msgpack.Encoder().encode
decode_event = msgspec.msgpack.Decoder(Event).decode
encode_batch = msgspec.msgpack.Encoder().encode
decode_batch = msgspec.msgpack.Decoder(Batch).decode
