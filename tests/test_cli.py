"""The command line over real workspaces: what each command prints, writes, refuses, and with which exit code."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import tracklog
from tracklog.cli import app
from tracklog.records import Batch, LogLine, LogLines, RunStarted, RunStatus, StatusChanged
from tracklog.sdk.model import Model
from tracklog.storage.local import LocalStore

START_TIMEOUT_S = 30

# One of each kind of value that is easily lost on the way into a file.
VALUES = [0.1, 1 / 3, 5e-324, -0.0, math.nan, math.inf, -math.inf, 1e308]


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No workspace of the machine's user is ever seen or touched."""
    for name in list(os.environ):
        if name.startswith("TRACKLOG_") or name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TRACKLOG_CAPTURE", "none")
    monkeypatch.setenv("TRACKLOG_QUIET", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with two ridge runs and one that failed."""
    folder = tmp_path / "workspace"
    for number, alpha in enumerate((0.1, 0.5)):
        with tracklog.start_run("ridge", params={"alpha": alpha}, run_id=f"abc{number}", uri=folder) as run:
            for step in range(200):
                run.log("mse", 100.5 - step / 2 + alpha, step=step)
            run.upload_file("model.txt", Path(__file__))
    run = tracklog.start_run("digits", name="broken", uri=folder)
    run.log("loss", 1.5)
    run.fail(ZeroDivisionError("division by zero"))
    return folder


def run_cli(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def ok(*arguments: str | Path, stdin: str | None = None) -> str:
    result = run_cli(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(code: int, *arguments: str | Path) -> str:
    """Run a command that must fail with one line on stderr and nothing else, and return the line."""
    result = run_cli(*arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tracklog.cli", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, (line, process.stderr.read() if process.stderr else "")
    return found.group()


@contextmanager
def used_port() -> Iterator[int]:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


# ------------------------------------------------------------------------- models


@pytest.fixture
def models(workspace: Path) -> Path:
    """The workspace with two models: `ridge` of a run in two versions, `net` of a file."""
    place = tracklog.Workspace(workspace)
    run = place.get_run("abc0")
    run.register_model("ridge", "model.txt", tags={"area": "diabetes"}, properties={"AUC": 0.9}, description="first")
    second = run.register_model("ridge", "model.txt")
    second.set_stage("Production")
    second.add_alias("champion")
    Model.register(place, __file__, "net")
    return workspace


def test_models_are_listed(models: Path) -> None:
    text = ok("models", "-w", models)

    assert text == ok("models", "list", "-w", models)
    header, net, ridge = (re.split(r"\s{2,}", line.strip()) for line in text.splitlines())
    assert header[:5] == ["name", "latest", "versions", "stages", "aliases"]
    assert net[:3] == ["net", "1", "1"]
    assert ridge[:5] == ["ridge", "2", "2", "Production 2", "champion 2"]
    assert [model["name"] for model in json.loads(ok("models", "--json", "-w", models))] == ["net", "ridge"]
    assert "ridge" not in ok("models", "list", "NET", "-w", models)
    assert ok("models", "list", "nothing", "-w", models).startswith("No model matches")


def test_a_workspace_without_models_says_how_to_make_one(workspace: Path) -> None:
    assert "run.register_model" in ok("models", "-w", workspace)
    assert json.loads(ok("models", "--json", "-w", workspace)) == []


def test_a_model_is_shown_with_its_versions(models: Path) -> None:
    text = ok("models", "show", "ridge", "-w", models)

    assert "champion → 2" in text
    rows = [line.split() for line in text.splitlines()[-2:]]
    assert [row[:2] for row in rows] == [["2", "Production"], ["1", "None"]]
    assert all("runs:/abc0/model.txt" in row for row in rows)
    shown = json.loads(ok("models", "show", "ridge", "--json", "-w", models))
    assert [version["version"] for version in shown["versions"]] == [2, 1]


def test_a_version_is_shown_with_its_files(models: Path) -> None:
    text = ok("models", "show", "ridge:1", "-w", models)

    for part in ("ridge:1", "runs:/abc0/model.txt", "abc0", "first", "diabetes", "AUC", "model.txt"):
        assert part in text
    shown = json.loads(ok("models", "show", "net:1", "--json", "-w", models))
    assert [file["path"] for file in shown["artifacts"]] == ["test_cli.py"]


def test_a_model_that_is_not_there_is_one_line(models: Path) -> None:
    assert "Did you mean `ridge`?" in refused(1, "models", "show", "rigde", "-w", models)
    assert "Its versions: 2, 1" in refused(1, "models", "show", "ridge:3", "-w", models)
    assert "NAME:VERSION" in refused(2, "models", "show", "ridge:x", "-w", models)


# ------------------------------------------------------------------------ general

COMMANDS = ["ui", "serve", "demo", "ls", "show", "logs", "models", "export", "import", "sync", "gc", "rm", "doctor"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_a_command(command: str) -> None:
    text = ok(command, "--help")

    assert "Usage:" in text
    assert command == "doctor" or f"tracklog {command}" in text


def test_version() -> None:
    assert ok("--version").strip() == f"tracklog {tracklog.__version__}"


def test_help_loads_neither_numpy_nor_sql_nor_server() -> None:
    heavy = "numpy", "sqlalchemy", "uvicorn", "starlette"
    code = f"import sys, tracklog.cli; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"


def test_debug_lets_the_traceback_through(workspace: Path) -> None:
    with started("--debug", "show", "nothing", "-w", workspace) as process:
        _, errors = process.communicate(timeout=START_TIMEOUT_S)

    assert process.returncode == 1
    assert "Traceback" in errors
    assert "NotFoundError" in errors


def test_errors_of_the_real_process_are_one_line(workspace: Path) -> None:
    with started("show", "nothing", "-w", workspace) as process:
        output, errors = process.communicate(timeout=START_TIMEOUT_S)

    assert (process.returncode, output, errors.count("\n")) == (1, "", 1)


def test_environment_names_the_workspace(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKLOG_URI", str(workspace))

    assert "broken" in ok("ls")


def test_missing_workspace_is_not_created(tmp_path: Path) -> None:
    assert "no workspace" in refused(1, "ls", "-w", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


# ------------------------------------------------------------------------- reading


def test_ls_shows_runs_with_params_and_last_metrics(workspace: Path) -> None:
    lines = ok("ls", "-e", "ridge", "-w", workspace).splitlines()

    assert lines[0].split() == ["id", "experiment", "name", "status", "started", "duration", "alpha", "mse"]
    assert [line.split()[-2:] for line in lines[1:]] == [["0.5", "1.5"], ["0.1", "1.1"]]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["ridge"], ["abc1", "abc0"]),
        (["ridge", "0.5"], ["abc1"]),
        (["--status", "completed"], ["abc1", "abc0"]),
        (["--filter", "metrics.mse < 1.3 or name = 'nothing'"], ["abc0"]),
        (["-f", "params.alpha > 0", "--order-by", "experiment", "--order-by", "param:alpha"], ["abc0", "abc1"]),
        (["-e", "ridge", "--order-by", "metric:mse"], ["abc0", "abc1"]),
        (["-e", "ridge", "-n", "1"], ["abc1"]),
    ],
    ids=["text", "words", "status", "filter", "orders", "order", "limit"],
)
def test_ls_selects_and_orders(workspace: Path, options: list[str], ids: list[str]) -> None:
    assert [run["id"] for run in json.loads(ok("ls", *options, "--json", "-w", workspace))] == ids


def test_ls_says_how_many_there_are_beyond_the_limit(workspace: Path) -> None:
    assert "1 of 3 runs" in ok("ls", "-n", "1", "-w", workspace)


def test_ls_of_an_empty_workspace_says_what_to_do(tmp_path: Path) -> None:
    LocalStore(tmp_path / "empty").close()

    assert "tracklog demo" in ok("ls", "-w", tmp_path / "empty")


def test_ls_guesses_a_misspelt_experiment(workspace: Path) -> None:
    assert "Did you mean `ridge`?" in refused(1, "ls", "-e", "rigde", "-w", workspace)


def test_ls_shows_where_a_filter_is_wrong(workspace: Path) -> None:
    result = run_cli("ls", "--filter", "metrics.mse <", "-w", workspace)

    assert result.exit_code == 2
    assert "metrics.mse <" in result.stderr
    assert "^" in result.stderr


def test_ls_refuses_an_unknown_order(workspace: Path) -> None:
    assert "colour" in refused(2, "ls", "--order-by", "colour", "-w", workspace)


@pytest.mark.parametrize("name", ["abc1", "digits/broken", "broken", "ridge/run-2"])
def test_show_finds_a_run_by_id_and_name(workspace: Path, name: str) -> None:
    text = ok("show", name, "-w", workspace)

    assert re.search(r"Id +(abc1|[0-9a-f]{32})", text)


def test_show_finds_a_run_by_the_beginning_of_its_id(workspace: Path) -> None:
    run_id = json.loads(ok("ls", "broken", "--json", "-w", workspace))[0]["id"]

    assert run_id in ok("show", run_id[:6], "-w", workspace)


def test_show_draws_the_course_of_a_metric(workspace: Path) -> None:
    text = ok("show", "abc0", "-w", workspace)

    [line] = [line for line in text.splitlines() if line.startswith("mse")]
    spark = line.split()[1]
    assert (len(spark), spark[0], spark[-1]) == (40, "█", "▁")
    assert "model.txt" in text
    assert re.search(r"alpha +0\.1", text)


def test_show_marks_values_that_are_not_finite(tmp_path: Path) -> None:
    with tracklog.start_run("odd", run_id="odd", uri=tmp_path / "w") as run:
        run.log_list("values", [1.0, math.nan, math.inf, 1.7e308, -1.7e308])

    assert "▅·∞█▁" in ok("show", "odd", "-w", tmp_path / "w")


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
@pytest.mark.parametrize("width", [60, 80, 200])
def test_tables_fit_the_terminal(tmp_path: Path, width: int) -> None:
    params = {"learning rate": 0.001, "batch size": 64, "hidden units": 32}
    with tracklog.start_run("digits", params=params, run_id="abcdefgh", uri=tmp_path / "w") as run:
        for step in range(100):
            run.log({"train/loss": 1 / (step + 3), "train/accuracy": step / 7, "grad_norm": step / 3}, step=step)
        run.log_text("sample", "a long text " * 20)

    listed = on_terminal(width, "ls", "-w", tmp_path / "w")
    shown = on_terminal(width, "show", "abcdefgh", "-w", tmp_path / "w")

    assert max(len(line) for line in (*listed, *shown)) <= width
    assert "…" not in "".join(listed)
    assert listed[1].split()[:4] == ["abcdefgh", "digits", "run-1", "Completed"]
    [loss] = [line for line in shown if line.startswith("train/loss")]
    assert re.search(r"█\S{9,}.* 0\.0098039", loss)


def on_terminal(width: int, *arguments: str | Path) -> list[str]:
    """Return the lines that a command prints to a terminal so wide, without colours."""
    import pty

    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "tracklog.cli", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": str(width), "TERM": "xterm"}
    with subprocess.Popen(command, stdout=terminal, env=environment) as process:
        os.close(terminal)
        output = b""
        # Linux ends the reading of a closed terminal with EIO.
        with suppress(OSError):
            while piece := os.read(controller, 65_536):
                output += piece
        os.close(controller)
    assert process.returncode == 0
    return [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", output.decode()).splitlines()]


def test_show_prints_why_a_run_failed(workspace: Path) -> None:
    text = ok("show", "broken", "-w", workspace)

    assert "Failed" in text
    assert "ZeroDivisionError" in text


def test_show_as_json_has_the_files(workspace: Path) -> None:
    answer = json.loads(ok("show", "abc0", "--json", "-w", workspace))

    assert answer["run"]["params"] == {"alpha": 0.1}
    assert [file["path"] for file in answer["artifacts"]] == ["model.txt"]


def test_unknown_run_is_refused_with_near_ones(workspace: Path) -> None:
    assert "Did you mean `broken`" in refused(1, "show", "brokn", "-w", workspace)


def test_ambiguous_run_is_refused_with_all_it_could_be(workspace: Path) -> None:
    message = refused(2, "show", "abc", "-w", workspace)

    assert "means 2 runs" in message
    assert "abc0 (ridge/run-1" in message
    assert "abc1 (ridge/run-2" in message


# ---------------------------------------------------------------------------- logs


class LoggedRun:
    """A run that a test writes lines to and ends, as a training elsewhere would."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalStore(folder)
        self._events = 0
        self._writer_id = uuid.uuid4().hex
        self._send(RunStarted("chatty", self._now(), name="talk"), StatusChanged(RunStatus.RUNNING, self._now()))

    def say(self, *texts: str, stream: str = "stdout") -> None:
        self._send(LogLines([LogLine(self._now(), stream, text) for text in texts]))

    def end(self) -> None:
        self._send(StatusChanged(RunStatus.COMPLETED, self._now()))

    def _now(self) -> int:
        return time.time_ns() // 1_000_000

    def _send(self, *events: object) -> None:
        self.store.apply(Batch(run_id="talk-1", writer_id=self._writer_id, events_start=self._events, events=list(events)))  # type: ignore[arg-type]
        self._events += len(events)


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[LoggedRun]:
    run = LoggedRun(tmp_path / "talk")
    with closing(run.store):
        yield run


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["one", "two", "loss 3", "four", "WARNING: five"]),
        (["-n", "2"], ["four", "WARNING: five"]),
        (["-n", "0"], []),
        (["--stream", "stderr"], ["two"]),
        (["--grep", r"loss \d"], ["loss 3"]),
        (["--grep", "o", "-n", "2"], ["loss 3", "four"]),
        (["--grep", "LOSS"], []),
        (["--grep", "^LOSS", "-i"], ["loss 3"]),
        (["--search", "3 LOSS"], ["loss 3"]),
        (["--level", "Warning"], ["WARNING: five"]),
        (["--count"], ["5"]),
        (["--search", "o", "-c"], ["4"]),
    ],
    ids=["all", "last", "none", "stream", "grep", "grep-last", "case", "any-case", "words", "level", "count", "count-words"],
)
def test_logs_prints_chosen_lines(logged: LoggedRun, options: list[str], expected: list[str]) -> None:
    logged.say("one")
    logged.say("two", stream="stderr")
    logged.say("loss 3", "four", "WARNING: five")

    assert ok("logs", "talk", *options, "-w", logged.store.uri).splitlines() == expected


def test_logs_refuses_what_it_cannot_search_for(logged: LoggedRun) -> None:
    assert "Cannot search" in refused(2, "logs", "talk", "--grep", "(", "-w", logged.store.uri)
    assert "Unknown level" in refused(2, "logs", "talk", "--level", "loud", "-w", logged.store.uri)
    assert "not both" in refused(2, "logs", "talk", "--grep", "a", "--search", "b", "-w", logged.store.uri)


def test_logs_follows_until_the_run_ends(logged: LoggedRun) -> None:
    logged.say("before")

    with started("logs", "talk", "-f", "-w", logged.store.uri) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "before\n"
        logged.say("meanwhile")
        assert process.stdout.readline() == "meanwhile\n"
        logged.say("last words")
        logged.end()
        output, errors = process.communicate(timeout=START_TIMEOUT_S)

    assert (process.returncode, output, errors) == (0, "last words\n", "")


def test_logs_ends_quietly_at_ctrl_c(logged: LoggedRun) -> None:
    logged.say("before")

    with started("logs", "talk", "-f", "-w", logged.store.uri) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=START_TIMEOUT_S)

    assert (process.returncode, output, errors) == (0, "", "")


# -------------------------------------------------------------------------- export


@pytest.fixture
def odd_values(tmp_path: Path) -> Path:
    folder = tmp_path / "odd"
    with tracklog.start_run("odd", run_id="odd", params={"mixed": 1}, uri=folder) as run:
        run.log_list("values", VALUES)
        run.log("big", 2**63 - 1)
        run.log("flag", True)
        run.log("nothing", None)
        run.log_text("sample", 'a "quoted",\ntext')
        run.log_row("table", epoch=1, score=0.25)
    with tracklog.start_run("odd", run_id="other", params={"mixed": "text"}, uri=folder) as run:
        run.log("big", math.inf)
    return folder


def same_bits(left: float, right: float) -> bool:
    return left.hex() == right.hex()


def test_export_to_csv_is_exact(odd_values: Path, tmp_path: Path) -> None:
    ok("export", "odd", "-o", tmp_path / "points.csv", "-w", odd_values)

    with (tmp_path / "points.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    by_name = {row["name"]: row for row in rows}
    values = [float(row["value"]) for row in rows if row["name"] == "values"]
    assert all(map(same_bits, values, VALUES))
    assert by_name["big"]["value"] == "9223372036854775807"
    assert by_name["flag"]["value"] == "true"
    assert by_name["nothing"]["value"] == ""
    assert by_name["sample"]["text"] == 'a "quoted",\ntext'
    assert {row["column"] for row in rows if row["name"] == "table"} == {"epoch", "score"}
    assert not (tmp_path / "points.runs.csv").exists()


def test_export_to_json_is_exact_and_strict(odd_values: Path, tmp_path: Path) -> None:
    ok("export", "odd", "-o", tmp_path / "points.json", "-w", odd_values)

    def no_constants(word: str) -> float:
        raise AssertionError(word)

    answer = json.loads((tmp_path / "points.json").read_text(), parse_constant=no_constants)
    values = [float(row["value"]) for row in answer["points"] if row["name"] == "values"]
    assert all(map(same_bits, values, VALUES))
    assert [row["value"] for row in answer["points"] if row["name"] == "big"] == [2**63 - 1]
    assert [run["id"] for run in answer["runs"]] == ["odd"]


def test_export_to_parquet_is_exact(odd_values: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")

    ok("export", "-e", "odd", "-o", tmp_path / "all.parquet", "-w", odd_values)

    rows = parquet.read_table(tmp_path / "all.parquet").to_pylist()
    values = [row["value"] for row in rows if row["name"] == "values"]
    assert all(map(same_bits, values, VALUES))
    assert [row["integer"] for row in rows if row["name"] == "big"] == [2**63 - 1, None]
    runs = parquet.read_table(tmp_path / "all.runs.parquet").to_pylist()
    assert [(run["id"], run["params.mixed"]) for run in runs] == [("odd", "1"), ("other", "text")]


_KILLED = """
import os, signal, sys, tracklog
first, last, uri = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
run = tracklog.start_run("killed", run_id="killed", resume=first > 0, capture=False, uri=uri)
for step in range(first, last):
    run.log("loss", step + first / 1000, step=step)
run.flush() if first == 0 else None
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_export_tells_the_sessions_of_a_killed_run_apart(tmp_path: Path) -> None:
    for first, last in ((0, 10), (8, 9), (6, 12)):
        command = [sys.executable, "-c", _KILLED, str(first), str(last), str(tmp_path / "w")]
        assert subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == -signal.SIGKILL
    ok("sync", tmp_path / "w")

    ok("export", "killed", "-o", tmp_path / "points.csv", "-w", tmp_path / "w")

    with (tmp_path / "points.csv").open(newline="") as stream:
        rows = [(row["session"], row["step"]) for row in csv.DictReader(stream)]
    steps = {"1": range(10), "2": range(8, 9), "3": range(6, 12)}
    assert sorted(rows) == sorted((number, str(step)) for number, some in steps.items() for step in some)


def test_export_of_everything_has_a_table_of_runs(odd_values: Path, tmp_path: Path) -> None:
    ok("export", "-o", tmp_path / "all.csv", "-w", odd_values)

    with (tmp_path / "all.runs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["id"], row["metrics.big"]) for row in rows] == [("odd", "9223372036854775807"), ("other", "inf")]


def test_export_does_not_replace_a_file_unless_told_to(workspace: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.csv"
    target.write_text("precious")

    assert "--force" in refused(1, "export", "abc0", "-o", target, "-w", workspace)
    assert target.read_text() == "precious"

    ok("export", "abc0", "-o", target, "--force", "-w", workspace)
    assert target.read_text().startswith("run_id,")


def test_export_leaves_nothing_behind_when_it_fails(workspace: Path, tmp_path: Path) -> None:
    target = tmp_path / "missing" / "points.csv"

    assert "Cannot write" in refused(1, "export", "abc0", "-o", target, "-w", workspace)
    assert "Unknown experiment" in refused(1, "export", "-e", "nope", "-o", tmp_path / "x.csv", "-w", workspace)
    assert "Expected csv, parquet or json" in refused(2, "export", "abc0", "-o", tmp_path / "x.xls", "-w", workspace)
    assert not list(tmp_path.glob("*x.*")) + list(tmp_path.glob(".*.part"))


# ------------------------------------------------------------------- keeping order


KILLED = """
import os, signal, sys, tracklog
run = tracklog.start_run("killed", run_id="killed", uri=sys.argv[1])
run.log("ready", 1)
run.flush()
for step in range(10_000):
    run.log("loss", step / 7, step=step)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_sync_stores_what_a_killed_process_had_logged(tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert "wait to be stored" in run_cli("doctor", folder).stdout

    text = ok("sync", folder)

    assert "1 journal stored." in text
    assert tracklog.get_run("killed", uri=folder).series("loss").values.tolist() == [step / 7 for step in range(10_000)]
    assert ok("sync", folder).strip() == "No journals were waiting."


def test_sync_sends_what_a_killed_process_logged_to_its_server(tmp_path: Path) -> None:
    with started("serve", tmp_path / "far", "--port", "0") as server:
        address = address_of(server)
        subprocess.run([sys.executable, "-c", KILLED, address], check=False)

        assert "1 journal stored." in ok("sync", address)

        assert len(tracklog.get_run("killed", uri=address).series("loss")) == 10_000
        assert "killed" in ok("ls", "-w", address)


def test_sync_keeps_journals_of_a_server_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with used_port() as port:
        address = f"http://127.0.0.1:{port}"
    code = KILLED.replace("run.flush()", "")
    subprocess.run([sys.executable, "-c", code, address], check=False)
    LocalStore(tmp_path / "mine").close()

    result = run_cli("sync", tmp_path / "mine")

    assert result.exit_code == 1
    assert f"The journals for {address} stay in" in result.stderr
    assert list((tmp_path / "state/tracklog/journals").glob("run-*/*/journal.json"))


def test_rm_deletes_and_restores(workspace: Path) -> None:
    assert "deleted" in ok("rm", "abc0", "digits/broken", "-w", workspace)
    assert [run["id"] for run in json.loads(ok("ls", "--json", "-w", workspace))] == ["abc1"]

    ok("rm", "--restore", "broken", "-w", workspace)

    assert [run["name"] for run in json.loads(ok("ls", "--json", "-w", workspace))] == ["broken", "run-2"]


def test_rm_with_a_misspelt_run_deletes_none(workspace: Path) -> None:
    refused(1, "rm", "abc0", "nonsense", "-w", workspace)

    assert len(json.loads(ok("ls", "--json", "-w", workspace))) == 3


def test_rm_forever_asks_first(workspace: Path) -> None:
    assert run_cli("rm", "--forever", "abc0", "-w", workspace, stdin="n\n").exit_code == 1
    ok("show", "abc0", "-w", workspace)

    ok("rm", "--forever", "abc0", "-w", workspace, stdin="y\n")

    refused(1, "show", "abc0", "-w", workspace)


def test_rm_forever_refuses_a_run_that_is_recording(logged: LoggedRun) -> None:
    assert "Stop it first" in refused(1, "rm", "--forever", "--yes", "talk", "-w", logged.store.uri)


def test_gc_removes_deleted_runs_for_good(workspace: Path) -> None:
    ok("rm", "abc0", "-w", workspace)
    assert "1 deleted run would" in ok("gc", "--dry-run", "-w", workspace)
    assert ok("gc", "-w", workspace).startswith("0 deleted runs")

    assert ok("gc", "--deleted-before", "0", "-w", workspace).startswith("1 deleted runs and 0 deleted models removed")

    refused(1, "show", "abc0", "-w", workspace)


def test_doctor_finds_a_sound_workspace_sound(workspace: Path) -> None:
    text = run_cli("doctor", workspace).stdout

    states = {line[8:22].strip(): line.split()[0] for line in text.splitlines()}
    # A source tree may not have its portal built.
    assert {state for topic, state in states.items() if topic != "portal"} == {"ok"}, text
    assert {"python", "packages", "workspace", "catalog", "disk", "file locks", "mmap", "server", "journals"} <= set(states)


def test_doctor_finds_a_damaged_catalog(workspace: Path) -> None:
    (workspace / "workspace.db").write_bytes(b"not a database at all " * 1000)
    for leftover in ("workspace.db-wal", "workspace.db-shm"):
        (workspace / leftover).unlink(missing_ok=True)

    result = run_cli("doctor", workspace)

    assert result.exit_code == 1
    assert "problem catalog" in result.stdout


# ------------------------------------------------------------------------- serving


@pytest.mark.parametrize("command", ["ui", "serve", "demo"])
def test_portal_answers_and_ends_at_ctrl_c(tmp_path: Path, command: str) -> None:
    place = ["--workspace", tmp_path / "w"] if command == "demo" else [tmp_path / "w"]
    quiet = [] if command == "serve" else ["--no-browser"]

    with started(command, *place, "--port", "0", *quiet) as process:
        if command == "demo":
            assert process.stdout is not None
            assert str(tmp_path / "w") in process.stdout.readline()
        url = address_of(process)
        with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
            assert answer.read() == b"OK"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=START_TIMEOUT_S)

    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert not (tmp_path / "w" / "server.json").exists()


def test_second_ui_names_the_portal_that_runs(tmp_path: Path) -> None:
    with started("ui", tmp_path / "w", "--port", "0", "--no-browser") as process:
        url = address_of(process)

        assert url in ok("ui", tmp_path / "w", "--no-browser")


def test_port_in_use_is_refused(tmp_path: Path) -> None:
    with used_port() as port:
        message = refused(1, "ui", tmp_path / "w", "--port", str(port), "--no-browser")

    assert f"Port {port}" in message
    assert "in use" in message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.com"])
def test_serve_refuses_other_machines_without_sign_in(tmp_path: Path, host: str) -> None:
    message = refused(2, "serve", tmp_path / "w", "--host", host)

    assert "--no-auth" in message
    assert "sign-in" in message
    assert not (tmp_path / "w").exists()


# ---------------------------------------------------------------------------- demo


def test_demo_once_trains_both_models(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")

    with started("demo", "--once", "--workspace", tmp_path / "w") as process:
        output, errors = process.communicate(timeout=120)

    assert process.returncode == 0, errors
    assert str(tmp_path / "w") in output
    ridge = tracklog.runs(experiment="diabetes-ridge", uri=tmp_path / "w")
    assert [run.get_status() for run in ridge] == ["Completed"] * 21
    [network] = tracklog.runs(experiment="sgd-digits", uri=tmp_path / "w")
    kinds = {metric.name: (metric.kind.value, metric.count) for metric in network.info.metrics}
    assert kinds["train/loss"] == ("scalar", 4000)
    assert kinds["weights of the first layer"] == ("image", 21)
    assert kinds["test scores"] == ("row", 21)
    assert network.series("test/accuracy").values[-1] > 0.9
