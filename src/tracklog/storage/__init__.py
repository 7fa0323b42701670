"""Where records rest: one contract, `Store`, and what goes in and comes out of it.

`LocalStore` (a folder; or its catalog in PostgreSQL) and `RemoteStore` (a server over HTTP) implement it and pass
the same suite, `tests/contracts/test_store.py`. Nothing above this package can tell them apart.

Importing this module loads neither a SQL driver nor numpy; `open_store` loads what its address needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import msgspec

from tracklog.errors import InvalidPathError, InvalidValueError, shown
from tracklog.records import (
    Batch,
    DatasetInput,
    DType,
    ErrorInfo,
    LogLine,
    MetricKind,
    ModelOutput,
    ParamValue,
    RunStatus,
    Watermark,
)
from tracklog.storage.registry import Registry
from tracklog.storage.traces import Traces

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    IntArray = np.ndarray[Any, np.dtype[np.int64]]
    FloatArray = np.ndarray[Any, np.dtype[np.float64]]
else:
    # Annotations are strings; msgspec is never asked to decode the classes that use these.
    Array = IntArray = FloatArray = Any

DEFAULT_EXPERIMENT = "Default"  # whose id is "0": MLflow's clients log there when they name none
DATABASE = "workspace.db"  # in the folder of a workspace, and by which one is known
# Never to be read as files by a process that may have them open: closing a descriptor drops SQLite's locks on them.
DATABASE_FILES = frozenset(DATABASE + end for end in ("", "-wal", "-shm", "-journal"))
MAX_PATH_CHARS = 1024  # below PATH_MAX of every file system and S3's key limit
MAX_PAGE = 1000  # runs in one answer
MAX_ACTIVITY_PAGE = 1000  # events in one answer
MAX_BUCKETS = 20_000  # more than any screen has pixels
DEFAULT_BUCKETS = 500
LOG_SEGMENT_LINES = 1000  # matches of a search are counted for so many lines each
MAX_LOG_MATCHES = 10_000  # lines in one answer
MAX_SELECTION = 200_000  # runs selected together
MAX_VIEW_CHARS = 20_000  # of each text of a saved view; longer addresses are refused by proxies


class MetricSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """One series of a run in a few numbers. JSON has no NaN or ±inf: there they are null, `last_text` has the word."""

    name: str
    column: str
    kind: MetricKind
    dtype: DType  # DType.TEXT for a text series; else the dtype of the last point
    count: int
    last: float | None = None  # the value with the greatest (step, time); None for text and None
    last_text: str = ""  # exactly that value: "0.25", "9007199254740993", "NaN", "true", or text cut to 1,000 chars
    last_step: int = 0
    last_time_ms: int = 0
    min: float | None = None  # over finite and infinite values, not NaN
    max: float | None = None
    mean: float | None = None  # over values that are numbers
    description: str = ""


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stretch of a run from one start of its process to the next: what came before was overtaken or gone on with."""

    start_ms: int
    first_ms: int  # points from this time on are of it or of a later session
    last_ms: int = 0  # its last sign of life; 0: unknown
    host: str = ""
    pid: int = 0
    ended: str = ""  # the status it ended with; "": nobody said so, or it goes on


class RunInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run without its series: a row of the runs table, the head of the run page."""

    id: str
    experiment: str  # its name
    number: int  # 1, 2, … within the experiment
    name: str
    status: RunStatus  # already NOT_RESPONDING when the heartbeat is lost
    start_ms: int
    end_ms: int | None = None
    heartbeat_ms: int = 0  # store's clock at the last sign of life
    status_ms: int = 0  # the process's clock when it said so; a run that goes on has it anew
    parent_id: str | None = None
    type: str = ""
    user: str = ""
    description: str = ""
    deleted: bool = False
    archived: bool = False  # set aside: kept, but out of the way
    error: ErrorInfo | None = None
    params: dict[str, ParamValue] = {}
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    metrics: list[MetricSummary] = []
    children: int = 0  # how many direct child runs
    datasets: list[DatasetInput] = []
    model_inputs: list[str] = []  # ids of logged models the run read
    model_outputs: list[ModelOutput] = []
    experiment_id: str = ""  # which stays when the experiment is renamed
    sessions: list[Session] = []  # of a run that was started more than once, in order; [] of all others

    # only `get_run` fills this
    info: dict[str, Any] = {}


class ExperimentInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named group of runs."""

    name: str
    runs: int  # runs that are not deleted
    active: int  # of them, not in a final status
    created_ms: int
    last_start_ms: int = 0
    archived_ms: int | None = None  # None: active
    tags: dict[str, str] = {}
    id: str = ""  # a number, for clients that want one
    deleted_ms: int | None = None  # None: not deleted
    updated_ms: int = 0  # of the last edit; the creation's time when there was none
    artifact_location: str = ""  # remote address where clients keep files by themselves; "": they are given to the store


class ExperimentEdit(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What changes of an experiment. None leaves as it is; a tag of None is removed.

    `deleted`: its runs are marked with it, and all of them revived with it, so that nothing is lost before `gc`. A run that
    is started in a deleted experiment revives the experiment, since a training must not fail; other runs stay deleted.
    """

    archived: bool | None = None
    tags: dict[str, str | None] = {}
    deleted: bool | None = None
    name: str | None = None  # a new name; ConflictError when another experiment has it


class RunQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which runs, in which order.

    `filter`: a condition in the filter language, see `tracklog.storage.filters`; "" finds all.
    `text`: words, each must occur (any case) in the run's name, id, experiment, status, type, user, a tag or a param.
    `order_by`: one or several, the first weighs most, of `start`, `end`, `name`, `number`, `status`, `duration`,
    `experiment`, `user`, `id`, or `metric:NAME`, `param:NAME`, `tag:NAME`; `metric.min:NAME`, `metric.max:NAME`,
    `metric.mean:NAME`, `metric.count:NAME` and `metric.step:NAME` are the other numbers of a series. A leading `-` turns it
    round. Runs without the value come last either way, NaN between them and numbers; equal values: newest first.
    `count`: whether to count the runs of all pages, which among 100,000 runs takes longer than to find a page.
    `params`, `tags`, `metrics`: names that are wanted of each run; None: all. When one of them is given, runs come without
    properties, data sets and models, too: rows of a table.
    """

    experiment: str | None = None
    experiments: list[str] | None = None  # any of these names; [] finds nothing
    experiment_ids: list[str] | None = None  # any of these ids; [] finds nothing
    filter: str = ""
    text: str = ""
    status: list[RunStatus] | None = None
    ids: list[str] | None = None
    parent_id: str | None = None  # children of this run
    top_level: bool = False  # leave out child runs
    tree: bool = False  # with `parent_id` or `top_level`: also runs that have a match somewhere below them
    equal: dict[str, ParamValue] = {}  # exactly these values of what `GroupQuery.by` names: the runs of a group
    deleted: bool | None = False  # True: only deleted runs; None: those too
    archived: bool | None = None  # True: only archived runs; False: without them
    order_by: str | list[str] = "-start"
    limit: int = 100
    page_token: str | None = None
    count: bool = True
    params: list[str] | None = None
    tags: list[str] | None = None
    metrics: list[str] | None = None


class RunPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One page of a search; `next_page_token` is None on the last. `total` counts all pages; None: it was not asked for."""

    runs: list[RunInfo]
    total: int | None = None
    next_page_token: str | None = None


class RunKeys(msgspec.Struct, frozen=True):
    """Names that runs have, each ascending."""

    params: list[str]
    tags: list[str]
    metrics: list[str]  # those that are numbers and no tables


class GroupQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Runs gathered by what they have in common.

    `runs`: which; its order and pages do not count. `by`: one or several of `experiment`, `status`, `user`, `param:NAME`,
    `tag:NAME`. `columns`: what is wanted of each group: `metric:NAME` (or `metric.min:NAME` …) as a spread, the others as
    what they have in common.
    """

    runs: RunQuery
    by: list[str]
    columns: list[str] = []
    limit: int = 1000


class Spread(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number over those runs of a group that have it, NaN and ±inf left out."""

    n: int
    mean: float
    min: float
    max: float
    std: float | None = None  # sample standard deviation (n - 1); None of a single one


class Common(msgspec.Struct, frozen=True):
    """What a param or tag is over a group."""

    value: ParamValue  # that all runs have; None when they differ
    different: int  # how many values there are, not having one counted as one


class RunGroup(msgspec.Struct, frozen=True, omit_defaults=True):
    """Runs that are alike in all that the query groups by."""

    values: list[ParamValue]  # one for each of `by`; None: these runs lack it, or it is None
    runs: int
    statuses: dict[str, int] = {}
    first_start_ms: int = 0
    last_start_ms: int = 0
    spreads: dict[str, Spread] = {}  # by column; without those that no run has
    common: dict[str, Common] = {}


class RunGroups(msgspec.Struct, frozen=True):
    """Groups, the biggest first."""

    groups: list[RunGroup]
    total: int  # how many there are, perhaps more than the limit
    runs: int  # in all of them


class View(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A way of looking at something that people saved under a name, for all who use the workspace."""

    scope: str  # what is looked at, in the portal's words: "runs", "experiment:digits" …
    name: str  # unique within its scope
    query: str  # the view state as the portal's address has it after the "?"
    updated_ms: int = 0  # by the store's clock


class SeriesQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Numeric series of some runs, reduced to what a screen can show.

    `names`: metric names; None: all. `column`: only this column of a row or table metric; None: every one.
    `x`: `step`, `time` (ms UTC), `relative` (seconds since the run's start), `column:NAME` (another column of the same
    row or table metric), or `metric:NAME` (another metric of the run: what it was at the point's step or last before it;
    points before its first are left out). `start`, `end`: only points with start <= x <= end, in units of x.
    A series with at most `buckets` points in range comes back point by point, and always with its neighbours beyond.
    Points that a later session of the run overtook are not part of it, except over time; `tails`: they come, too, each
    session's own as a series of its own.
    """

    run_ids: list[str]
    names: list[str] | None = None
    column: str | None = None
    x: str = "step"
    start: float | None = None
    end: float | None = None
    buckets: int = DEFAULT_BUCKETS
    tails: bool = False


class Restart(msgspec.Struct, frozen=True):
    """Where a later session of a run begins in one of its series."""

    x: float  # over steps that of its first point, over time when it began
    step: int  # of its first point in the series
    start_ms: int
    pause_ms: int  # since the last sign of life before
    host: str = ""


class SeriesBuckets:
    """One series over x, ascending, as buckets of equal width in x; empty buckets are left out.

    All arrays have shape (b,). When each bucket is one point, `exact` is true and first = last = min = max = mean, which
    then is also what a point that is not finite has as its mean.
    """

    __slots__ = (
        "after",
        "before",
        "column",
        "count",
        "exact",
        "first",
        "in_range",
        "kind",
        "last",
        "max",
        "mean",
        "min",
        "n",
        "name",
        "non_finite",
        "overtaken",
        "restarts",
        "run_id",
        "tails",
        "x",
        "x_last",
    )

    def __init__(
        self,
        *,
        run_id: str,
        name: str,
        column: str,
        kind: MetricKind,
        count: int,
        in_range: int,
        exact: bool,
        x: FloatArray,
        x_last: FloatArray,
        first: FloatArray,
        last: FloatArray,
        min: FloatArray,
        max: FloatArray,
        mean: FloatArray,
        n: IntArray,
        non_finite: IntArray,
        before: tuple[float, float] | None = None,
        after: tuple[float, float] | None = None,
        overtaken: int = 0,
        restarts: Sequence[Restart] = (),
        tails: Sequence[SeriesBuckets] = (),
    ) -> None:
        self.run_id = run_id
        self.name = name
        self.column = column
        self.kind = kind
        self.count = count  # points of the whole series: what is kept, overtaken ones too
        self.in_range = in_range  # points with start <= x <= end: what the buckets speak of
        self.exact = exact
        self.x = x  # x of the bucket's first point
        self.x_last = x_last  # x of its last point
        self.first = first
        self.last = last
        self.min = min  # NaN only when the bucket has nothing but NaN
        self.max = max
        self.mean = mean  # of its finite points; NaN when it has none
        self.n = n  # points in the bucket
        self.non_finite = non_finite  # of them, NaN or ±inf
        self.before = before  # (x, value) of the last point with x < start: the line comes from there; None: there is none
        self.after = after  # (x, value) of the first point with x > end: the line goes there
        self.overtaken = overtaken  # points of the whole series that a later session left behind: they are in no bucket
        self.restarts = restarts  # where later sessions begin, over steps and times; () of a run that was started once
        self.tails = tails  # what was overtaken, one for each session that has some; () unless asked for


class MetricColumns:
    """All points of one series, ascending by (step, time), then as logged. Immutable."""

    __slots__ = ("column", "dtypes", "kind", "name", "run_id", "steps", "times_ms", "values")

    def __init__(
        self,
        *,
        run_id: str,
        name: str,
        column: str,
        kind: MetricKind,
        steps: IntArray,
        times_ms: IntArray,
        values: Array,
        dtypes: Array,
    ) -> None:
        self.run_id = run_id
        self.name = name
        self.column = column
        self.kind = kind
        self.steps = steps  # (n,) int64, as given by the user; may repeat after a restart
        self.times_ms = times_ms  # (n,) int64, wall clock, UTC; not monotonic across restarts
        self.values = values  # (n,) float64, int64 or bool when all are; object when mixed, text or None
        self.dtypes = dtypes  # (n,) uint8, `DType` of each point

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        return f"MetricColumns({self.name!r}, column={self.column!r}, points={len(self)})"


class TablePage(msgspec.Struct, frozen=True):
    """Rows of a row or table metric, in row order. A cell that was never given is None."""

    columns: list[str]  # in the order first logged
    rows: list[list[Any]]  # (len(rows), len(columns)); float, int, bool, str or None
    first_row: int
    total_rows: int


class LogPage(msgspec.Struct, frozen=True):
    """Lines of a run's log."""

    lines: list[LogLine]
    first_line: int  # number of lines[0], from 0
    total_lines: int


class LogQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which lines of a log, and how long to look for them.

    `text`: words, or phrases between double quotes, all of which must occur in a line as a terminal shows it, so without
    colours; "" finds all. `regex`: it is a regular expression instead, as Python's `re` has them. `level`: least level of Python
    logging; a line counts as of the level that its text names near the start, else as INFO. `end_line`: of the lines before it.
    `limit`: so many lines are returned; the rest is counted, or left to the next search without `count`. `budget_ms`: after
    that time the search comes back with what it has, to be asked again from `next_line`; it does at least a little.
    """

    text: str = ""
    regex: bool = False
    ignore_case: bool = True
    level: int = 0
    rank: int | None = None
    stream: str = ""
    first_line: int = 0
    end_line: int | None = None
    limit: int = 100
    count: bool = True
    budget_ms: int = 250


class LogMatch(msgspec.Struct, frozen=True, array_like=True):
    """A line that a search found."""

    number: int  # from 0
    line: LogLine
    # where the words are, [start, end, start, end, …] in characters of the line as a terminal shows it; of a line with
    # very many, the first
    ranges: list[int] = []


class LogMatches(msgspec.Struct, frozen=True):
    """What a search of a log found in the lines from `first_line` of the query up to `next_line`."""

    matches: list[LogMatch]  # the first `limit` of them
    first_segment: int  # number of the segment that counts[0] is of; a segment has LOG_SEGMENT_LINES lines
    counts: list[int]  # lines that match, by segment; of the first and last segment only as far as it was searched
    next_line: int  # where to go on
    is_done: bool  # nothing is left to search
    total_lines: int  # of the log


class ArtifactInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of a run."""

    path: str
    size_bytes: int
    sha256: str
    modified_ms: int
    content_type: str = "application/octet-stream"


class Change(msgspec.Struct, frozen=True):
    """Something happened to a run, an experiment or the registry: told to live readers, who then ask for what they show."""

    id: int  # ascending; resume from here
    # "" with `what` "models": some registered model, version, logged model or file of one; with "experiment": it was made,
    # edited, deleted or revived, and its runs with it
    run_id: str
    experiment: str  # its name; "" with "models"
    # of "run", "status", "points", "params", "tags", "log", "artifacts", "info", "deleted", "lineage", "models", "experiment"
    what: list[str]
    time_ms: int


class Activity(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened, as people speak of it."""

    time_ms: int
    what: str  # "started", "completed", "failed", "canceled", "lost" (no sign of life since), "deleted" of a run; "experiment"
    # (made), "archived" of an experiment; "version" of a model
    experiment: str = ""  # "" of a model
    run_id: str = ""  # of a version: the run that made it
    name: str = ""  # of the run or model; "" of an experiment
    version: int = 0
    user: str = ""
    text: str = ""  # a failure's message, a version's description; the first 1,000 characters


class ActivityQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which events: of these kinds (None: all), of this experiment. Newest first."""

    what: list[str] | None = None
    experiment: str | None = None
    limit: int = 50
    page_token: str | None = None


class ActivityPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One page of what happened; `next_page_token` is None on the last."""

    items: list[Activity]
    next_page_token: str | None = None


class Usage(msgspec.Struct, frozen=True):
    """What a store holds and what it takes on disk."""

    database_bytes: int
    files_bytes: int  # artifacts; equal files count once
    experiments: int
    runs: int  # that are not deleted
    deleted_runs: int  # marked as deleted, removed by `gc`
    points: int  # of metrics, text included


class GcReport(msgspec.Struct, frozen=True):
    """What a clean-up did."""

    runs_deleted: int = 0
    models_deleted: int = 0  # logged models
    journals_recovered: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


class Store(Protocol):
    """Everything tracklog asks of the place where records rest.

    Safe to use from many threads. Methods raise `StoreUnavailableError` when trying again is sensible,
    `NotFoundError` for an unknown run or artifact, `InvalidValueError` for a wrong query.
    """

    uri: str  # how another process opens the same store
    registry: Registry  # registered models, their versions, logged models
    traces: Traces  # what programs did to answer requests

    def apply(self, batch: Batch) -> Watermark:
        """Store a batch in one transaction and return the writer's watermark after it.

        Records below the writer's watermark are skipped, so sending again is safe.

        Raises:
            WriterGapError: the batch starts above the watermark.
            NotFoundError: the run does not exist and no RunStarted event creates it.
            ParamConflictError: a strict param has another value; the batch has no effect.
            RunDeletedError: the run is deleted, the batch has no writer and does not restore the run.
            ConflictError: a batch without a writer starts a run in a deleted experiment.
        """

    def apply_all(self, batches: Sequence[Batch]) -> list[Watermark]:
        """Store batches of several runs, each as `apply` does, and return their watermarks.

        For many small batches: a store in a folder or a database takes them in one transaction, so all count or none.
        """

    def watermark(self, run_id: str, writer_id: str) -> Watermark:
        """Return what is stored of a writer; zeros for an unknown one."""

    def experiments(self, *, deleted: bool | None = False) -> list[ExperimentInfo]:
        """Return experiments, the one with the latest run first. `deleted`: True: only deleted ones; None: those too."""

    def create_experiment(
        self, name: str, *, tags: Mapping[str, str] | None = None, artifact_location: str = ""
    ) -> ExperimentInfo:
        """Make an experiment and return it.

        Raises:
            ConflictError: there is one of that name, perhaps a deleted one.
            InvalidValueError: a name that is empty.
        """

    def experiment(self, name: str = "", *, experiment_id: str = "") -> ExperimentInfo:
        """Return one experiment, found by its name or its id, in whatever state it is. Raises NotFoundError."""

    def edit_experiment(self, name: str, edit: ExperimentEdit) -> ExperimentInfo:
        """Change an experiment and return it; one of that name is made when there is none.

        Raises:
            ConflictError: the new name is that of another experiment, perhaps of a deleted one.
        """

    def delete_experiment(self, name: str) -> None:
        """Remove an experiment without runs and logged models. Raises NotFoundError, and ConflictError when it has some.

        Its traces go with it.
        """

    def views(self, scope: str) -> list[View]:
        """Return the saved views of a scope, by name in natural order."""

    def save_view(self, view: View) -> View:
        """Keep a view, replacing the one of its scope and name, and return it; its `updated_ms` does not count.

        Raises:
            InvalidValueError: an empty scope or name, or a text that is longer than `MAX_VIEW_CHARS` or has a NUL.
        """

    def delete_view(self, scope: str, name: str) -> None:
        """Remove a saved view. Raises NotFoundError."""

    def save_selection(self, run_ids: Sequence[str]) -> str:
        """Keep which runs are selected, for good, and return a short name: the same for the same runs in the same order.

        Runs that are unknown are left out.

        Raises:
            InvalidValueError: no known run, or more than `MAX_SELECTION`.
        """

    def selection(self, name: str) -> list[str]:
        """Return the ids of the runs selected under a name, in their order, without those removed since. Raises NotFoundError."""

    def search_runs(self, query: RunQuery) -> RunPage:
        """Return a page of runs with params, tags and metric summaries."""

    def run_ids(self, query: RunQuery) -> list[str]:
        """Return the ids of all runs of a search in its order; `limit` and `page_token` do not count.

        A table of any length knows with it what stands where, and asks by `ids` for the rows in view.
        """

    def run_keys(self, experiment: str | None = None) -> RunKeys:
        """Return the names that runs of an experiment have; of all experiments, the hundred that ran last count."""

    def group_runs(self, query: GroupQuery) -> RunGroups:
        """Return the groups of a search's runs, the biggest first."""

    def get_run(self, run_id: str) -> RunInfo:
        """Return one run with everything but its points."""

    def series(self, query: SeriesQuery) -> list[SeriesBuckets]:
        """Return numeric series reduced to buckets, ordered as (run_ids, name, column). Unknown names are left out."""

    def columns(self, run_id: str, name: str, column: str = "") -> MetricColumns:
        """Return every point of one series, text included."""

    def table(self, run_id: str, name: str, first_row: int = 0, limit: int = 1000) -> TablePage:
        """Return rows of a row or table metric."""

    def log_lines(self, run_id: str, first_line: int = 0, limit: int = 1000) -> LogPage:
        """Return lines of the run's log; a negative `first_line` counts from the end."""

    def search_log(self, run_id: str, query: LogQuery) -> LogMatches:
        """Return what a search of the run's log finds within its time.

        Raises:
            InvalidValueError: an expression that is none, or that takes too long.
        """

    # `run_id` of the five methods below may also be the id of a logged model, which owns files as a run does.
    def put_artifact(self, run_id: str, path: str, source: Path | BinaryIO, *, move: bool = False) -> ArtifactInfo:
        """Store a file under the run, replacing one of that path. `move` allows to take the source file itself."""

    def artifacts(self, run_id: str, prefix: str = "") -> list[ArtifactInfo]:
        """Return the run's files under a folder (all by default), by path."""

    def artifact(self, run_id: str, path: str) -> ArtifactInfo:
        """Return one file's facts. Raises NotFoundError when there is none of that path."""

    def read_artifact(self, run_id: str, path: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield bytes [start, end) of a file in pieces. Unknown paths raise before the first piece is asked for."""

    def delete_artifact(self, run_id: str, path: str) -> None:
        """Remove a file and give its space back."""

    def changes(self, since: int, limit: int = 1000) -> list[Change]:
        """Return changes with id > since, ascending. `since=-1` returns just the newest one, if any."""

    def activity(self, query: ActivityQuery) -> ActivityPage:
        """Return a page of what happened, newest first."""

    def usage(self) -> Usage:
        """Return what the store holds and takes on disk."""

    def delete_runs(self, run_ids: Sequence[str]) -> int:
        """Remove runs with all they recorded, for good; return how many there were. Unknown ids are no error.

        Logged models that they made stay, with their files.
        """

    def gc(self, *, deleted_before_ms: int | None = None) -> GcReport:
        """Compact, remove what is marked as deleted (before that time), and give free space back to the file system."""

    def close(self) -> None:
        """Release files and connections. The store cannot be used after."""


def open_store(uri: str | Path, *, create: bool = True) -> Store:
    """Open the store at an address: a folder, `http(s)://…` of a tracklog server.

    Raises:
        InvalidValueError: an address of another kind.
        StoreFormatError: the folder is of a newer tracklog or damaged.
        NotFoundError: `create` is false and there is no workspace in the folder.
    """
    text = str(uri)
    if text.startswith(("http://", "https://")):
        from tracklog.storage.remote import RemoteStore

        return RemoteStore(text)
    if "://" in text:
        raise InvalidValueError(
            f"Cannot open the store {shown(text)}. Expected a folder or an http(s):// address of a tracklog server.",
            parameter="uri",
            given=text,
        )
    from tracklog.storage.local import LocalStore

    return LocalStore(Path(text), create=create)


def validate_artifact_path(path: object) -> str:
    """Return `path` if it is a safe relative posix path, the only form in which artifacts are named.

    Raises:
        InvalidPathError: empty, absolute, with `..`, a backslash, a control character, or too long.
    """

    def refuse(reason: str) -> InvalidPathError:
        return InvalidPathError(
            f"Cannot use {shown(path)} as an artifact path: {reason}. "
            "Expected a relative path with forward slashes, for example 'outputs/model.pkl'.",
            parameter="path",
            given=path,
        )

    if not isinstance(path, str):
        raise refuse("it is not text")
    if not path or path != path.strip():
        raise refuse("it is empty, or begins or ends with a blank")
    if len(path) > MAX_PATH_CHARS:
        raise refuse(f"it has {len(path)} characters, more than {MAX_PATH_CHARS}")
    if any(ord(char) < 32 or ord(char) == 127 for char in path):
        raise refuse("it contains a control character")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise refuse("it is not valid Unicode") from None
    if "\\" in path:
        raise refuse("it contains a backslash")
    # A colon in the first part would be a drive or a stream on Windows.
    if path.startswith("/") or ":" in path.split("/", 1)[0]:
        raise refuse("it is absolute")
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise refuse("it has an empty part, '.' or '..'")
    return PurePosixPath(path).as_posix()
