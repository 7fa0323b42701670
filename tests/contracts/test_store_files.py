"""The contract of `Store`, third part: artifacts, logs, changes, deletion. See `test_store.py`."""

from __future__ import annotations

import hashlib
import io
import uuid
from pathlib import Path

import pytest
from tests.batches import T0_MS, Writer
from tests.contracts.conftest import Place
from tests.contracts.state import HEARTBEAT, unchanged

from tracklog.errors import ConflictError, InvalidPathError, InvalidValueError, NotFoundError
from tracklog.records import LogLine, LogLines, MetricKind, RunEdited, TagsSet, Watermark
from tracklog.storage import MAX_PATH_CHARS, RunQuery, SeriesQuery, Store
from tracklog.storage.registry import LoggedModel, LoggedModelEdit


def create(store: Store, experiment: str) -> str:
    writer = Writer(experiment=experiment).start()
    store.apply(writer.batch())
    return writer.run_id


def create_model(store: Store, experiment: str) -> str:
    """Make a logged model and return its id."""
    return store.registry.create_logged_model(LoggedModel(f"m-{uuid.uuid4().hex}", experiment, "net")).id


@pytest.fixture(params=["run", "logged model"])
def owner(request: pytest.FixtureRequest, store: Store, experiment: str) -> str:
    """The id of what owns files."""
    return (create if request.param == "run" else create_model)(store, experiment)


def content(store: Store, run_id: str, path: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(store.read_artifact(run_id, path, start, end))


# ── artifacts ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [0, 1, 70_000, 5_000_000])
@pytest.mark.parametrize("kind", ["path", "stream"])
def test_a_file_comes_back_as_it_was_given(store: Store, owner: str, tmp_path: Path, size: int, kind: str) -> None:
    data = (hashlib.sha256(owner.encode()).digest() * (size // 32 + 1))[:size]
    file = tmp_path / "file"
    file.write_bytes(data)

    info = store.put_artifact(owner, "outputs/model.bin", file if kind == "path" else io.BytesIO(data))

    assert (info.path, info.size_bytes, info.sha256) == ("outputs/model.bin", size, hashlib.sha256(data).hexdigest())
    assert info.modified_ms > T0_MS
    assert store.artifacts(owner) == [info]
    assert store.artifact(owner, "outputs/model.bin") == info
    assert content(store, owner, "outputs/model.bin") == data
    assert file.read_bytes() == data  # taken only when asked to


def test_a_file_may_be_moved_in(store: Store, owner: str, tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(b"weights")

    store.put_artifact(owner, "big", file, move=True)

    assert content(store, owner, "big") == b"weights"


def test_putting_a_path_again_replaces_the_file(store: Store, owner: str) -> None:
    store.put_artifact(owner, "a.txt", io.BytesIO(b"old"))

    new = store.put_artifact(owner, "a.txt", io.BytesIO(b"newer"))

    assert store.artifacts(owner) == [new]
    assert content(store, owner, "a.txt") == b"newer"


def test_files_with_the_same_content_live_apart(store: Store, experiment: str) -> None:
    first, second = create(store, experiment), create(store, experiment)
    for run_id, path in ((first, "a"), (first, "b"), (second, "a")):
        store.put_artifact(run_id, path, io.BytesIO(b"same"))

    store.delete_artifact(first, "a")
    store.delete_runs([second])

    assert content(store, first, "b") == b"same"


def test_files_are_listed_by_path_and_below_a_folder(store: Store, owner: str) -> None:
    for path in ("outputs/b.txt", "outputs-old/a.txt", "outputs/deep/c.txt", "outputs/a.txt", "a.txt"):
        store.put_artifact(owner, path, io.BytesIO(path.encode()))

    def listed(prefix: str) -> list[str]:
        return [artifact.path for artifact in store.artifacts(owner, prefix)]

    assert sorted(listed("")) == ["a.txt", "outputs-old/a.txt", "outputs/a.txt", "outputs/b.txt", "outputs/deep/c.txt"]
    assert listed("outputs") == listed("outputs/") == ["outputs/a.txt", "outputs/b.txt", "outputs/deep/c.txt"]
    assert listed("outputs/deep") == ["outputs/deep/c.txt"]
    assert listed("out") == listed("nothing") == []


@pytest.mark.parametrize(
    "path",
    [
        "model.pkl",
        "a b/c d.txt",
        "naïve/模型/🚀.bin",
        "100%25.txt",
        "a?b#c&d=e.txt",
        "semi;colon,'quote'\"double\"",
        "a/..b/c..",
        "%2e%2e/x",
        "~user/$HOME",
        "+plus",
        "x" * MAX_PATH_CHARS,
    ],
    ids=lambda path: path[:20],
)
def test_any_safe_path_names_a_file(store: Store, owner: str, path: str) -> None:
    assert store.put_artifact(owner, path, io.BytesIO(path.encode())).path == path

    assert [artifact.path for artifact in store.artifacts(owner)] == [path]
    assert content(store, owner, path) == path.encode()
    store.delete_artifact(owner, path)
    assert store.artifacts(owner) == []


@pytest.mark.parametrize(
    "path",
    [
        *("", " ", ".", "..", "../escape", "a/../../escape", "a/..", "/escape", "//escape", "a//b", "a/./b", "a/"),
        *("a\x00b", "a\nb", "a\\b", "..\\escape", "C:/escape", "C:escape", " a", "a\ud800"),
        "x" * (MAX_PATH_CHARS + 1),
    ],
    ids=lambda path: ascii(path[:20]),
)
def test_an_unsafe_path_is_refused_by_every_method(place: Place, experiment: str, path: str) -> None:
    store = place.store
    run_id = create(store, experiment)
    store.put_artifact(run_id, "kept.txt", io.BytesIO(b"kept"))
    source = io.BytesIO(b"payload that must not appear anywhere")

    with unchanged(store, run_id):
        with pytest.raises(InvalidPathError):
            store.put_artifact(run_id, path, source)
        with pytest.raises(InvalidPathError):
            store.read_artifact(run_id, path)
        with pytest.raises(InvalidPathError):
            store.delete_artifact(run_id, path)

    assert list(place.folder.parent.rglob("*escape*")) == []


@pytest.mark.parametrize("prefix", ["..", "../..", "/etc", "a\x00", "a\\b"], ids=ascii)
def test_an_unsafe_folder_is_refused(store: Store, owner: str, prefix: str) -> None:
    with pytest.raises(InvalidPathError):
        store.artifacts(owner, prefix)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (0, 4, b"0123"),
        (3, 4, b"3"),
        (9, 10, b"9"),
        (8, 100, b"89"),
        (10, None, b""),
        (50, None, b""),
        (4, 4, b""),
    ],
)
def test_a_part_of_a_file_is_read(store: Store, owner: str, start: int, end: int | None, expected: bytes) -> None:
    store.put_artifact(owner, "digits", io.BytesIO(b"0123456789"))

    assert content(store, owner, "digits", start, end) == expected


@pytest.mark.parametrize(("start", "end"), [(-1, None), (5, 4), (0, -1)])
def test_a_part_that_is_none_is_refused(store: Store, owner: str, start: int, end: int | None) -> None:
    store.put_artifact(owner, "digits", io.BytesIO(b"0123456789"))

    with pytest.raises(InvalidValueError):
        store.read_artifact(owner, "digits", start, end)


def test_unknown_files_and_runs_are_not_found(store: Store, experiment: str) -> None:
    run_id = create(store, experiment)

    with unchanged(store, run_id):
        for known_or_not in (run_id, "no-such-run"):
            with pytest.raises(NotFoundError):
                store.read_artifact(known_or_not, "nothing.txt")
            with pytest.raises(NotFoundError):
                store.delete_artifact(known_or_not, "nothing.txt")
        with pytest.raises(NotFoundError):
            store.put_artifact("no-such-run", "a.txt", io.BytesIO(b"x"))
        with pytest.raises(NotFoundError):
            store.artifacts("no-such-run")
    for unknown in ("nothing/like/it", "file/below"):
        with pytest.raises(NotFoundError, match="no file"):
            store.artifact(run_id, unknown)
    with pytest.raises(NotFoundError):
        store.artifact("no-such-run", "file")
    with pytest.raises(NotFoundError):
        store.get_run("")


def test_a_source_that_breaks_stores_nothing(store: Store, experiment: str) -> None:
    class BreaksHalfway(io.RawIOBase):
        """A disk that fails after the first piece."""

        pieces = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.pieces += 1
            if self.pieces > 1:
                raise OSError("the disk is gone")
            return b"half"

        def readinto(self, buffer: object) -> int:
            raise OSError("the disk is gone")

    run_id = create(store, experiment)
    store.put_artifact(run_id, "a.txt", io.BytesIO(b"old"))

    with unchanged(store, run_id), pytest.raises(OSError, match="disk is gone"):
        store.put_artifact(run_id, "a.txt", BreaksHalfway())  # type: ignore[arg-type]  # a raw stream will do


# ── log lines ────────────────────────────────────────────────────────────────────────────────────────────────────────


def log(store: Store, experiment: str, lines: int, *, per_batch: int = 7) -> str:
    writer = Writer(experiment=experiment).start()
    store.apply(writer.batch())
    for first in range(0, lines, per_batch):
        numbers = range(first, min(first + per_batch, lines))
        store.apply(writer.add(LogLines([LogLine(T0_MS + i, "stdout", f"line {i}") for i in numbers])).batch())
    return writer.run_id


@pytest.mark.parametrize(
    ("first_line", "limit", "expected"),
    [
        (0, 1000, range(30)),
        (0, 5, range(5)),
        (6, 3, range(6, 9)),  # across batches
        (28, 10, range(28, 30)),
        (30, 10, range(0)),
        (99, 10, range(0)),
        (-4, 1000, range(26, 30)),
        (-4, 2, range(26, 28)),
        (-99, 3, range(3)),
    ],
)
def test_lines_are_read_from_either_end(store: Store, experiment: str, first_line: int, limit: int, expected: range) -> None:
    run_id = log(store, experiment, 30)

    page = store.log_lines(run_id, first_line, limit)

    assert [line.text for line in page.lines] == [f"line {i}" for i in expected]
    assert page.total_lines == 30
    if expected:
        assert page.first_line == expected[0]


def test_a_line_keeps_all_it_has(store: Store, experiment: str) -> None:
    lines = [
        LogLine(T0_MS, "stdout", "plain"),
        LogLine(T0_MS - 5, "stderr", ""),
        LogLine(T0_MS, "logging", "warned", 30, "train.data"),
        LogLine(T0_MS, "stdout", "odd \x00 \x1b[31mred\x1b[0m 模型 \r 50%"),
        LogLine(T0_MS, "stdout", "x" * 200_000),
    ]
    writer = Writer(experiment=experiment).start().add(LogLines(lines[:2]), LogLines(lines[2:]), LogLines([]))

    store.apply(writer.batch())

    assert store.log_lines(writer.run_id).lines == lines


def test_a_run_without_a_log_has_no_lines(store: Store, experiment: str) -> None:
    page = store.log_lines(create(store, experiment))

    assert (page.lines, page.first_line, page.total_lines) == ([], 0, 0)


def test_wrong_questions_about_a_log_are_refused(store: Store, experiment: str) -> None:
    run_id = log(store, experiment, 3)

    with pytest.raises(InvalidValueError):
        store.log_lines(run_id, 0, 0)
    with pytest.raises(NotFoundError):
        store.log_lines("no-such-run")


# ── files of logged models ───────────────────────────────────────────────────────────────────────────────────────────


def test_files_of_an_unknown_logged_model_are_not_found(store: Store, experiment: str) -> None:
    unknown = f"m-{uuid.uuid4().hex}"

    with pytest.raises(NotFoundError, match="logged model"):
        store.put_artifact(unknown, "a.txt", io.BytesIO(b"x"))
    with pytest.raises(NotFoundError, match="logged model"):
        store.artifacts(unknown)
    with pytest.raises(NotFoundError, match="has no file"):
        store.artifact(create_model(store, experiment), "a.txt")


def test_a_run_named_like_a_logged_model_keeps_its_own_files(store: Store, experiment: str) -> None:
    writer = Writer(f"m-{uuid.uuid4().hex}", experiment=experiment).start()
    store.apply(writer.batch())

    store.put_artifact(writer.run_id, "a.txt", io.BytesIO(b"of the run"))

    assert content(store, writer.run_id, "a.txt") == b"of the run"


def test_files_of_a_logged_model_are_told_as_changes_of_models(store: Store, experiment: str) -> None:
    model_id, since = create_model(store, experiment), newest_change(store)

    store.put_artifact(model_id, "a.txt", io.BytesIO(b"x"))
    store.delete_artifact(model_id, "a.txt")

    assert [(change.run_id, change.experiment, change.what) for change in store.changes(since)] == [("", "", ["models"])] * 2


def test_a_deleted_run_leaves_its_logged_models(store: Store, experiment: str) -> None:
    run = full_run(store, experiment)
    model = store.registry.create_logged_model(LoggedModel(f"m-{uuid.uuid4().hex}", experiment, "net", source_run_id=run.run_id))
    store.put_artifact(model.id, "same as the run's", io.BytesIO(b"content of " + run.run_id.encode()))

    store.delete_runs([run.run_id])

    assert store.registry.get_logged_model(model.id) == model
    assert content(store, model.id, "same as the run's") == b"content of " + run.run_id.encode()


def test_gc_removes_deleted_logged_models_with_their_files(store: Store, experiment: str) -> None:
    kept, gone = create_model(store, experiment), create_model(store, experiment)
    for model_id in (kept, gone):
        store.put_artifact(model_id, "a.txt", io.BytesIO(b"same"))
    store.registry.edit_logged_model(gone, LoggedModelEdit(deleted=True))

    assert store.gc(deleted_before_ms=T0_MS).models_deleted == 0
    assert content(store, gone, "a.txt") == b"same"
    report = store.gc()

    assert report.models_deleted >= 1  # other tests leave deleted ones too
    with pytest.raises(NotFoundError):
        store.registry.get_logged_model(gone)
    with pytest.raises(NotFoundError):
        store.artifacts(gone)
    assert content(store, kept, "a.txt") == b"same"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("outputs/model.bin", {"model.bin": b"weights"}),
        ("outputs/net", {"config": b"{}", "deep/w": b"w"}),
        ("outputs/net/", {"config": b"{}", "deep/w": b"w"}),
    ],
)
def test_a_logged_model_starts_with_files_of_a_run_as_they_are(
    store: Store, experiment: str, path: str, expected: dict[str, bytes]
) -> None:
    run_id = create(store, experiment)
    files = {"outputs/model.bin": b"weights", "outputs/net/config": b"{}", "outputs/net/deep/w": b"w", "outputs/network": b"no"}
    for name, data in files.items():
        store.put_artifact(run_id, name, io.BytesIO(data))

    model = LoggedModel(f"m-{uuid.uuid4().hex}", experiment, "net", source_run_id=run_id)
    store.registry.create_logged_model(model, files=f"runs:/{run_id}/{path}")
    for name in files:
        store.put_artifact(run_id, name, io.BytesIO(b"written again"))
    store.delete_runs([run_id])

    assert {file.path: content(store, model.id, file.path) for file in store.artifacts(model.id)} == expected


@pytest.mark.parametrize("path", ["nothing", "outputs/a/b", "../etc/passwd", "", "/etc"])
def test_a_logged_model_of_files_that_are_not_there_is_not_made(store: Store, experiment: str, path: str) -> None:
    run_id = create(store, experiment)
    store.put_artifact(run_id, "outputs/a", io.BytesIO(b"x"))
    model = LoggedModel(f"m-{uuid.uuid4().hex}", experiment, "net")

    for source in (f"runs:/{run_id}/{path}", f"runs:/no-such-run/{path or 'outputs/a'}", f"s3://bucket/{path}"):
        with pytest.raises((InvalidValueError, NotFoundError)):
            store.registry.create_logged_model(model, files=source)
    with pytest.raises(NotFoundError):
        store.registry.get_logged_model(model.id)


def test_an_experiment_with_logged_models_is_not_removed(store: Store, experiment: str) -> None:
    create_model(store, experiment)

    with pytest.raises(ConflictError, match="logged models: 1"):
        store.delete_experiment(experiment)


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def newest_change(store: Store) -> int:
    newest = store.changes(since=-1)
    return newest[0].id if newest else 0


def test_every_kind_of_change_is_told(store: Store, experiment: str) -> None:
    since = newest_change(store)
    writer = Writer(experiment=experiment)
    store.apply(writer.start().batch())
    store.apply(writer.log("loss", 1.0).batch())
    store.apply(writer.add(TagsSet({"a": "1"})).batch())
    store.apply(writer.add(LogLines([LogLine(T0_MS, "stdout", "x")])).batch())
    store.put_artifact(writer.run_id, "a.txt", io.BytesIO(b"x"))
    store.apply(writer.finish().batch())
    store.delete_runs([writer.run_id])

    changes = store.changes(since)

    assert {change.run_id for change in changes} == {writer.run_id}
    assert {change.experiment for change in changes} == {experiment}
    for change, what in zip(changes, ["run", "points", "tags", "log", "artifacts", "status", "deleted"], strict=True):
        assert what in change.what
    assert all(change.time_ms > T0_MS for change in changes)


def test_changes_ascend_and_can_be_resumed_anywhere(store: Store, experiment: str) -> None:
    since = newest_change(store)
    writer = Writer(experiment=experiment).start()
    for step in range(6):
        store.apply(writer.log("loss", 1.0, step).batch())
    whole = store.changes(since)

    ids = [change.id for change in whole]
    assert len(ids) == 6
    assert ids == sorted(set(ids))
    assert store.changes(since, limit=2) == whole[:2]
    assert store.changes(ids[1], limit=2) == whole[2:4]
    assert store.changes(ids[-1]) == []
    assert store.changes(since=-1) == whole[-1:]


def test_a_sign_of_life_is_no_change(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment)
    store.apply(writer.start().batch())

    with unchanged(store, writer.run_id, but=HEARTBEAT):
        store.apply(writer.batch())


# ── deletion ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def full_run(store: Store, experiment: str) -> Writer:
    """Store a run that has some of everything."""
    writer = Writer(experiment=experiment).start(params={"p": 1}, tags={"t": "1"}, properties={"q": "1"})
    writer.log("loss", 1.0).log("note", "text").log_row("table", 0, label="x", score=1.0, kind=MetricKind.ROW)
    store.apply(writer.add(LogLines([LogLine(T0_MS, "stdout", "x")])).batch())
    store.put_artifact(writer.run_id, "a.txt", io.BytesIO(b"content of " + writer.run_id.encode()))
    return writer


def test_a_deleted_run_leaves_no_trace(store: Store, experiment: str) -> None:
    kept, gone = full_run(store, experiment), full_run(store, experiment)

    with unchanged(store, kept.run_id, but=("experiments", "newest change")):
        assert store.delete_runs([gone.run_id]) == 1

    run_id = gone.run_id
    for ask in (
        lambda: store.get_run(run_id),
        lambda: store.columns(run_id, "loss"),
        lambda: store.table(run_id, "table"),
        lambda: store.log_lines(run_id),
        lambda: store.artifacts(run_id),
        lambda: store.read_artifact(run_id, "a.txt"),
        lambda: store.series(SeriesQuery([run_id])),
        lambda: store.apply(gone.log("loss", 2.0).batch()),
    ):
        with pytest.raises(NotFoundError):
            ask()
    assert store.watermark(run_id, gone.writer_id) == Watermark()
    assert store.search_runs(RunQuery(text=run_id)).total == 0
    assert store.search_runs(RunQuery(ids=[run_id], deleted=True)).total == 0


def test_a_deleted_run_can_be_stored_anew(store: Store, experiment: str) -> None:
    old = full_run(store, experiment)
    store.delete_runs([old.run_id])

    anew = Writer(old.run_id, experiment=experiment, writer_id=old.writer_id).start().log("loss", 7.0)
    store.apply(anew.batch())

    assert store.columns(old.run_id, "loss").values.tolist() == [7.0]
    assert store.get_run(old.run_id).params == {}
    assert store.artifacts(old.run_id) == []


def test_deleting_counts_what_was_there(store: Store, experiment: str) -> None:
    first, second = create(store, experiment), create(store, experiment)

    assert store.delete_runs(["no-such-run"]) == 0
    assert store.delete_runs([]) == 0
    assert store.delete_runs([first, "no-such-run", second, first]) == 2
    assert store.delete_runs([first]) == 0


def test_gc_removes_only_what_was_marked_before(store: Store, experiment: str) -> None:
    kept, marked = full_run(store, experiment), full_run(store, experiment)
    store.apply(Writer(marked.run_id).add(RunEdited(deleted=True)).batch(live=False))

    assert store.gc(deleted_before_ms=T0_MS).runs_deleted == 0
    assert store.get_run(marked.run_id).deleted
    report = store.gc()

    assert report.runs_deleted >= 1  # other tests leave marked runs too
    with pytest.raises(NotFoundError):
        store.get_run(marked.run_id)
    assert store.columns(kept.run_id, "loss").values.tolist() == [1.0]
    assert content(store, kept.run_id, "a.txt").startswith(b"content of")


def test_deletion_and_gc_give_the_space_back(empty_store: Store) -> None:
    store = empty_store
    before = store.gc().bytes_after
    runs = []
    for seed in range(4):
        writer = Writer().start()
        for step in range(20_000):
            writer.log("loss", (step * 2654435761 + seed) % 2**32 / 7.0, step)
        for i in range(50):
            writer.log("note", f"{i} " * 200, i)
        store.apply(writer.batch())
        store.put_artifact(writer.run_id, "weights", io.BytesIO(bytes(seed for _ in range(300_000))))
        runs.append(writer.run_id)
    full = store.gc().bytes_after

    store.delete_runs(runs)
    report = store.gc()

    assert full > before + 1_200_000
    assert report.bytes_before > report.bytes_after or report.bytes_before < full  # already given back, or now
    assert report.bytes_after < before + (full - before) // 4
