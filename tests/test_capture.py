"""What is captured around a run: real repositories, real threads and forks, the real machine."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tracklog.records import LogLine, LogLines, RunStatus, encode_event
from tracklog.sdk import capture
from tracklog.sdk.capture import ConsoleCapture, SystemMonitor, environment, git_info, masked
from tracklog.storage import RunQuery
from tracklog.storage.local import LocalStore

POSIX_ONLY = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit of train.py on the branch main."""
    folder = tmp_path / "répo with blanks"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "train.py").write_text("lr = 0.1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Train: längere Zeile\n\nBody")
    return folder


def run_python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a script, or `-c` and code, in a process of its own."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done


# ---- command


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--password", "x"], ["--password", "***"]),
        (["--password=x"], ["--password=***"]),
        (["--api-key", "x", "--lr", "1"], ["--api-key", "***", "--lr", "1"]),
        (["--apiKey=x"], ["--apiKey=***"]),
        (["--HF_TOKEN", "-x"], ["--HF_TOKEN", "***"]),
        (["db.password=x"], ["db.password=***"]),
        (["+secret_access_key=x"], ["+secret_access_key=***"]),
        (["--use-auth-token", "--lr", "1"], ["--use-auth-token", "--lr", "1"]),
        (["--dsn", "postgresql://me:pw@host/db"], ["--dsn", "postgresql://me:***@host/db"]),
        (["-H", "Authorization: Bearer abc.def"], ["-H", "Authorization: Bearer ***"]),
        (["--tokenizer", "gpt2", "--max-tokens", "5"], ["--tokenizer", "gpt2", "--max-tokens", "5"]),
        (["--key-size=5", "--monkey", "x", "token", "x"], ["--key-size=5", "--monkey", "x", "token", "x"]),
        (["--token-file", "a/b"], ["--token-file", "a/b"]),
        (["--token"], ["--token"]),
        ([], []),
    ],
    ids=str,
)
def test_values_of_secret_arguments_are_masked(arguments: list[str], expected: list[str]) -> None:
    assert masked(arguments) == expected


def test_command_of_a_script(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import json; from tracklog.sdk.capture import command_info; print(json.dumps(command_info()))")

    done = run_python("train.py", "--lr", "0.1", "--token", "s3cret", cwd=tmp_path)

    found = json.loads(done.stdout)
    assert found["argv"][1:] == ["train.py", "--lr", "0.1", "--token", "***"]
    assert Path(found["script"]).samefile(script)
    assert Path(found["cwd"]).samefile(tmp_path)
    assert found["executable"] == sys.executable
    assert "s3cret" not in done.stdout


# ---- git


def test_git_of_a_clean_checkout(repository: Path) -> None:
    found = git_info(repository)

    assert found == {
        "repository": None,
        "branch": "main",
        "commit": git(repository, "rev-parse", "HEAD"),
        "subject": "Train: längere Zeile",
        "dirty": False,
        "diff": "",
        "diff_is_cut": False,
        "root": str(repository.resolve()),
    }


def test_the_diff_holds_staged_and_unstaged_changes_of_the_whole_repository_and_can_be_applied(repository: Path) -> None:
    (repository / "train.py").write_text("lr = 0.2\n")
    (repository / "new.py").write_text("é\n")
    git(repository, "add", "new.py")
    (repository / "untracked.py").write_text("")
    (repository / "sub").mkdir()

    found = git_info(repository / "sub")

    assert found is not None
    assert found["dirty"] is True
    assert "-lr = 0.1\n+lr = 0.2\n" in found["diff"]
    assert "+é\n" in found["diff"]
    assert "untracked" not in found["diff"]
    git(repository, "reset", "-q", "--hard")
    subprocess.run(["git", "apply"], input=found["diff"].encode(), cwd=repository, check=True)
    assert (repository / "train.py").read_text() == "lr = 0.2\n"


def test_untracked_files_do_not_make_a_checkout_dirty(repository: Path) -> None:
    (repository / "outputs").write_text("x")

    assert (git_info(repository) or {})["dirty"] is False


def test_a_large_diff_is_cut_at_a_line(repository: Path) -> None:
    (repository / "train.py").write_text("0123456789\n" * 300_000)

    found = git_info(repository)

    assert found is not None
    assert found["diff_is_cut"] is True
    assert len(found["diff"]) <= 1 << 20
    assert found["diff"].endswith("\n+0123456789\n")
    assert found["commit"] is not None


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")

    found = git_info(repository)

    assert found is not None
    assert found["branch"] is None
    assert found["commit"] is not None


def test_a_repository_without_commits_has_a_branch_only(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")

    found = git_info(tmp_path)

    assert found is not None
    assert (found["branch"], found["commit"], found["subject"], found["diff"]) == ("main", None, None, None)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://t0ken@github.com/a/b", "https://github.com/a/b"),
        ("https://me:p%40ss@github.com/a/b?access_token=x", "https://github.com/a/b"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("ssh://git@host:22/a/b", "ssh://git@host:22/a/b"),
        ("ssh://me:pw@host/a", "ssh://me@host/a"),
        ("/srv/git/a b.git", "/srv/git/a b.git"),
    ],
)
def test_credentials_are_stripped_from_the_remote(repository: Path, url: str, expected: str) -> None:
    git(repository, "remote", "add", "other", "https://example.org/other")
    git(repository, "remote", "add", "origin", url)

    assert (git_info(repository) or {})["repository"] == expected


def test_without_a_remote_called_origin_the_first_counts(repository: Path) -> None:
    git(repository, "remote", "add", "upstream", "https://example.org/a")

    assert (git_info(repository) or {})["repository"] == "https://example.org/a"


def test_a_hook_of_another_repository_does_not_lead_astray(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))

    found = git_info(repository)

    assert found is not None
    assert found["subject"] == "Train: längere Zeile"


def test_outside_of_a_repository_there_is_no_git(tmp_path: Path) -> None:
    assert git_info(tmp_path) is None


def test_without_a_git_program_there_is_no_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert git_info(repository) is None


def test_a_repository_git_refuses_is_an_error_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(OSError, match=r"git cannot read the repository around .* status"):
        git_info(tmp_path)
    assert environment()["git"]["error"].startswith("OSError: git cannot read")


@pytest.mark.skipif(os.name == "nt", reason="the slow git is a shell script")
def test_a_slow_git_is_given_up(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True, check=True).stdout.strip()
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    # The sleeping child inherits the pipe, as a filter of git does.
    slow.write_text(f'#!/bin/sh\ncase "$*" in *" diff HEAD "*) sleep 30;; *) exec "{real}" "$@";; esac\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")

    began = time.monotonic()
    found = git_info(repository)

    assert time.monotonic() - began < 10
    assert found is not None
    assert found["diff"] is None
    assert found["commit"] is not None


# ---- environment


def test_environment_has_every_topic_and_encodes_as_json(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("SOME_VARIABLE", "never-recorded")

    found = environment()

    assert list(found) == ["command", "git", "python", "packages", "host"]
    assert all("error" not in topic for topic in found.values())
    assert "never-recorded" not in json.dumps(found)
    assert found["git"]["branch"] == "main"
    assert found["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert found["packages"]["pytest"] == pytest.__version__
    assert list(found["packages"]) == sorted(found["packages"], key=str.lower)
    assert found["host"]["cpus"] >= found["host"]["usable_cpus"] >= 1
    assert found["host"]["memory_mb"] > 100
    assert isinstance(found["host"]["gpus"], list)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep a working folder alive")
def test_a_topic_that_fails_leaves_the_others(tmp_path: Path) -> None:
    code = """
import os, sys
from tracklog.sdk.capture import environment
os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
found = environment()
assert found["command"]["error"].startswith("FileNotFoundError"), found["command"]
assert found["python"]["version"] and found["host"]["name"] is not None
"""
    run_python("-c", code, cwd=tmp_path)


# ---- console


class Lines(list[LogLine]):
    """Collects what a capture hands over, in the order it comes."""

    def texts(self, stream: str = "stdout") -> list[str]:
        return [line.text for line in self if line.stream == stream]

    def begin(self) -> ConsoleCapture:
        console = ConsoleCapture(self.extend)
        console.start()
        return console


@pytest.fixture(autouse=True)
def streams() -> Iterator[None]:
    """Put the streams back, also after a test that leaves them wrapped on purpose."""
    before = sys.stdout, sys.stderr
    yield
    sys.stdout, sys.stderr = before


def test_lines_are_copied_and_still_printed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()

    console = lines.begin()
    print("one", 2, end="\n\n")
    print("wrong", file=sys.stderr)
    sys.stdout.writelines(["a\n", "b\n"])
    console.stop()
    print("after")

    assert lines.texts() == ["one 2", "", "a", "b"]
    assert lines.texts("stderr") == ["wrong"]
    assert capsys.readouterr() == ("one 2\n\na\nb\nafter\n", "wrong\n")


def test_lines_have_the_time_they_ended_at() -> None:
    lines = Lines()
    before_ms = time.time_ns() // 1_000_000

    console = lines.begin()
    print("x")
    console.stop()

    assert before_ms <= lines[0].time_ms <= time.time_ns() // 1_000_000


def test_flush_hands_over_whole_lines_only_and_stop_the_rest() -> None:
    lines = Lines()
    console = lines.begin()

    print("whole\npart", end="")
    console.flush()
    flushed = lines.texts()
    console.stop()

    assert flushed == ["whole"]
    assert lines.texts() == ["whole", "part"]


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        (["\r10%", "\r20%", "\r100%\n"], ["100%"]),
        (["10%\r", "20%\r", "100%\r", "\n"], ["100%"]),
        (["a\r\n", "b\r", "\nc\r\r\n"], ["a", "b", "c"]),
        (["\r 50%", "\r      \r", "done\n"], ["done"]),
        (["\r 50%", "\r      \r"], []),
        (["\r 50%"], [" 50%"]),
        (["a\nb\r", "c"], ["a", "c"]),
        (["\n", ""], [""]),
        (["é\u2028x\x0by\n"], ["é\u2028x\x0by"]),
    ],
    ids=["bar", "bar, \\r last", "\\r\\n", "wiped", "wiped at end", "open", "redrawn", "blank", "other separators"],
)
def test_a_carriage_return_begins_the_line_anew(writes: list[str], expected: list[str]) -> None:
    lines = Lines()

    console = lines.begin()
    for text in writes:
        sys.stdout.write(text)
    console.stop()

    assert lines.texts() == expected


def test_a_progress_bar_of_a_week_takes_no_memory() -> None:
    console = Lines().begin()

    for step in range(20_000):
        sys.stderr.write(f"\r{step} of many")
        sys.stderr.write(" more")
    held = sum(len(piece) for pieces in console._unfinished.values() for piece in pieces)
    console.stop()

    assert held < 100


def test_long_lines_are_split() -> None:
    lines = Lines()

    console = lines.begin()
    print("x" * 150_000)
    sys.stdout.write("y" * 70_000)
    for _ in range(70_000):
        sys.stdout.write("z")
    console.stop()

    texts = lines.texts()
    assert max(map(len, texts)) == 65_536
    assert "".join(texts) == "x" * 150_000 + "y" * 70_000 + "z" * 70_000


def test_text_that_is_no_unicode_can_be_recorded(tmp_path: Path) -> None:
    lines = Lines()

    console = lines.begin()
    print("file \udcff", file=sys.stderr)
    console.stop()

    assert lines.texts("stderr") == ["file \\udcff"]
    encode_event(LogLines(list(lines)))


def test_partial_lines_of_threads_do_not_mix() -> None:
    lines = Lines()
    console = lines.begin()
    together = threading.Barrier(8)

    def work(name: str) -> None:
        together.wait()
        for number in range(300):
            for piece in (name, " ", str(number), "\n"):
                sys.stdout.write(piece)
                if number % 50 == 0:
                    time.sleep(0)

    threads = [threading.Thread(target=work, args=(f"thread{index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        console.flush()
        time.sleep(0.001)
    console.stop()

    texts = lines.texts()
    assert len(texts) == 8 * 300
    for index in range(8):
        own = [text for text in texts if text.startswith(f"thread{index} ")]
        assert own == [f"thread{index} {number}" for number in range(300)]


def test_many_lines_are_handed_over_in_small_batches() -> None:
    sizes: list[int] = []
    console = ConsoleCapture(lambda lines: sizes.append(len(lines)))
    console.start()

    print("\n" * 999)
    console.stop()

    assert sum(sizes) == 1000
    assert max(sizes) == 256


def test_captures_within_each_other_see_the_same_lines() -> None:
    outer_lines, inner_lines = Lines(), Lines()

    outer = outer_lines.begin()
    print("before")
    inner = inner_lines.begin()
    print("both")
    inner.stop()
    print("after")
    outer.stop()

    assert outer_lines.texts() == ["before", "both", "after"]
    assert inner_lines.texts() == ["both"]


def test_captures_may_stop_in_any_order_and_leave_the_stream_as_it_was() -> None:
    original = sys.stdout
    first_lines, second_lines = Lines(), Lines()

    first = first_lines.begin()
    second = second_lines.begin()
    first.stop()
    print("second only")
    second.stop()

    assert sys.stdout is original
    assert first_lines.texts() == []
    assert second_lines.texts() == ["second only"]


def test_a_stream_that_another_library_wrapped_is_left_to_it() -> None:
    original = io.StringIO()
    sys.stdout = original
    lines = Lines()
    console = lines.begin()
    ours = sys.stdout

    class Wrapper:
        def write(self, text: str) -> int:
            return ours.write(f"<{text}>")

    wrapper: Any = Wrapper()
    sys.stdout = wrapper
    sys.stdout.write("a\n")
    console.stop()
    sys.stdout.write("b\n")

    assert sys.stdout is wrapper
    assert original.getvalue() == "<a\n><b\n>"
    assert lines.texts() == ["<a", ">"]


def test_the_stream_keeps_its_abilities(tmp_path: Path) -> None:
    with open(tmp_path / "out", "w", encoding="latin-1") as file:
        sys.stdout = file
        console = Lines().begin()

        assert (sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.fileno()) == ("latin-1", False, file.fileno())
        assert sys.stdout.write("text") == 4
        sys.stdout.flush()
        sys.stdout.buffer.write(b"bytes")
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            _ = sys.stdout.no_such_attribute  # type: ignore[attr-defined]
        with pytest.raises(UnicodeEncodeError):
            print("\u2028")
        console.stop()

    assert (tmp_path / "out").read_bytes() == b"textbytes"


def test_errors_of_the_stream_are_as_without_capture() -> None:
    closed = io.StringIO()
    closed.close()
    sys.stdout = closed
    console = Lines().begin()

    with pytest.raises(ValueError, match="closed file"):
        print("x")
    with pytest.raises(TypeError):
        sys.stdout.write(b"x")  # type: ignore[arg-type]

    console.stop()
    assert sys.stdout is closed


def test_a_process_without_streams_is_no_problem() -> None:
    code = """
import sys
from tracklog.sdk.capture import ConsoleCapture
sys.stdout = None
console = ConsoleCapture(print)
console.start()
print("nowhere")
console.stop()
assert sys.stdout is None
"""

    run_python("-c", code)


def test_redirected_output_is_not_captured_and_nothing_is_lost() -> None:
    lines = Lines()
    console = lines.begin()

    with contextlib.redirect_stdout(io.StringIO()) as elsewhere:
        print("elsewhere")
        console.stop()
    print("after the stop")

    assert elsewhere.getvalue() == "elsewhere\n"
    assert lines.texts() == []


def test_a_recorder_that_fails_or_prints_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []

    def write_lines(lines: list[LogLine]) -> None:
        print("printed while recording")
        console.flush()
        calls.extend(line.text for line in lines)
        raise OSError("disk full")

    console = ConsoleCapture(write_lines)
    console.start()
    print("one")
    console.flush()
    print("two")
    console.flush()
    console.stop()

    assert calls == ["one", "two"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["Console output was not recorded: OSError('disk full')"]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_signal_handlers_may_print_at_any_time() -> None:
    code = """
import signal, sys, time
from tracklog.sdk.capture import ConsoleCapture
lines, fired = [], 0
def handler(*_):
    global fired
    fired += 1
    print("signal", fired)
    console.flush()
console = ConsoleCapture(lambda batch: lines.extend(line.text for line in batch))
sys.stdout = open("/dev/null", "w")
console.start()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
until, count = time.monotonic() + 1, 0
try:
    while time.monotonic() < until:
        try:
            print("line", count)
        except RuntimeError:  # "reentrant call" of a buffered file: Python's own answer
            continue
        count += 1
        console.flush()
finally:
    signal.setitimer(signal.ITIMER_REAL, 0)
console.stop()
recorded = sum(line.startswith("line ") for line in lines)
print(fired, count, recorded, file=sys.__stdout__)
"""
    fired, count, recorded = map(int, run_python("-c", code).stdout.split())

    assert fired > 10
    # A handler that prints in the middle of a line may cut that one line; no more than that.
    assert recorded >= count - fired


@POSIX_ONLY
def test_a_forked_child_prints_unseen_and_never_hangs() -> None:
    """Also when another thread of the parent is handing lines over, and so holds the lock, at the moment of the fork."""
    code = """
import os, sys, threading, time
from tracklog.sdk.capture import ConsoleCapture
entered, leave, lines = threading.Event(), threading.Event(), []
def write_lines(batch):
    lines.extend(line.text for line in batch)
    entered.set(); leave.wait(20)
console = ConsoleCapture(write_lines)
console.start()
print("parent")
threading.Thread(target=console.flush, daemon=True).start()
entered.wait(20)
print("unfinished", end="", flush=True)
pid = os.fork()
if pid == 0:
    print(" child")
    console.flush(); console.stop()
    sys.stdout.flush()
    os._exit(0 if lines == ["parent"] else 1)
_, status = os.waitpid(pid, 0)
leave.set()
print()
console.stop()
assert status == 0, status
assert lines == ["parent", "unfinished"], lines
"""
    done = run_python("-c", code)

    assert "unfinished child\n" in done.stdout


# ---- system


class Samples(list[dict[str, float]]):
    """Collects samples; `wait` returns when there are enough."""

    def wait(self, count: int, timeout_s: float = 20) -> Samples:
        until = time.monotonic() + timeout_s
        while len(self) < count:
            assert time.monotonic() < until, f"only {len(self)} samples"
            time.sleep(0.01)
        return self


def test_the_machine_is_sampled() -> None:
    samples = Samples()

    monitor = SystemMonitor(samples.append, interval_s=0.05)
    monitor.start()
    samples.wait(3)
    monitor.stop()

    expected = {
        "system/cpu.percent",
        "system/process.cpu.percent",
        "system/process.memory.mb",
        "system/memory.percent",
        "system/disk.percent",
        "system/network.sent.mb_per_s",
        "system/network.received.mb_per_s",
    }
    for sample in samples:
        assert expected <= set(sample)
        assert all(type(value) is float and value >= 0 for value in sample.values())
        assert sample["system/process.memory.mb"] > 5
        assert 0 < sample["system/memory.percent"] <= 100


def test_the_cpu_of_child_processes_counts() -> None:
    samples = Samples()
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        monitor = SystemMonitor(samples.append, interval_s=0.3)
        monitor.start()
        samples.wait(3)
        monitor.stop()
    finally:
        child.kill()
        child.wait()

    assert max(sample["system/process.cpu.percent"] for sample in samples) > 20


def test_sampling_stops_at_once_and_its_thread_ends() -> None:
    monitor = SystemMonitor(Samples().append)
    monitor.start()
    time.sleep(0.1)

    began = time.monotonic()
    monitor.stop()

    assert time.monotonic() - began < 1
    assert not any(thread.name == "tracklog-system" for thread in threading.enumerate())


def test_a_log_that_fails_ends_the_sampling_quietly(caplog: pytest.LogCaptureFixture) -> None:
    called = threading.Event()

    def log(sample: dict[str, float]) -> None:
        called.set()
        raise RuntimeError("the run has ended")

    monitor = SystemMonitor(log, interval_s=0.01)
    with caplog.at_level(logging.DEBUG, logger=capture.__name__):
        monitor.start()
        assert called.wait(20)
        monitor.stop()

    assert any("the run has ended" in record.getMessage() for record in caplog.records)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep a working folder alive")
def test_a_sampler_that_fails_leaves_the_others(tmp_path: Path) -> None:
    code = """
import os, time
from tracklog.sdk.capture import SystemMonitor
os.mkdir("here"); os.chdir("here")
samples = []
monitor = SystemMonitor(samples.append, interval_s=0.05)
monitor.start()
while not samples: time.sleep(0.01)
assert "system/disk.percent" in samples[0]
os.chdir(".."); os.rmdir("here")
count = len(samples)
while len(samples) < count + 3: time.sleep(0.01)
monitor.stop()
assert "system/disk.percent" not in samples[-1]
assert "system/cpu.percent" in samples[-1]
"""
    run_python("-c", code, cwd=tmp_path)


@POSIX_ONLY
def test_a_forked_child_may_stop_the_monitor_of_its_parent() -> None:
    code = """
import os, time
from tracklog.sdk.capture import SystemMonitor
samples = []
monitor = SystemMonitor(samples.append, interval_s=0.01)
monitor.start()
while not samples: time.sleep(0.01)
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        monitor.stop()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
count = len(samples)
while len(samples) == count: time.sleep(0.01)
monitor.stop()
"""
    run_python("-c", code)


class UnevenGpu:
    """What a device looks like that lacks a quantity, and loses another one later."""

    def __init__(self) -> None:
        self.reads = 0

    def quantities(self) -> dict[str, Callable[[], float]]:
        def unsupported() -> float:
            raise RuntimeError("not supported")

        def failing_later() -> float:
            self.reads += 1
            if self.reads > 2:
                raise RuntimeError("fell off the bus")
            return 40.0

        return {"utilization.percent": lambda: 50.0, "power.w": unsupported, "temperature.c": failing_later}


def test_a_gpu_quantity_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "_gpus", lambda: [UnevenGpu()])
    samples = Samples()

    monitor = SystemMonitor(samples.append, interval_s=0.02)
    monitor.start()
    samples.wait(3)
    monitor.stop()

    gpu = [{name: value for name, value in sample.items() if "gpu" in name} for sample in samples]
    assert gpu[0] == {"system/gpu.0.utilization.percent": 50.0, "system/gpu.0.temperature.c": 40.0}
    assert gpu[2] == {"system/gpu.0.utilization.percent": 50.0}


def test_gpus_are_listed_or_there_are_none() -> None:
    for gpu in capture._gpus():
        assert gpu.name
        assert gpu.memory_mb > 0
        assert all(re.fullmatch(r"[a-z]+\.[a-z]+", name) for name in gpu.quantities())


# --------------------------------------------------------------------------- logging


@contextlib.contextmanager
def noting(**what: bool) -> Iterator[list[LogLine]]:
    lines: list[LogLine] = []
    captured = ConsoleCapture(lines.extend)
    captured.start(**what)
    try:
        yield lines
    finally:
        captured.stop()


def test_records_have_level_logger_and_time() -> None:
    logger = logging.getLogger("training.loop")
    logger.setLevel(logging.DEBUG)
    before_ms = time.time_ns() // 1_000_000
    with noting() as lines:
        logger.debug("batch %d of %d", 3, 10)
        logger.critical("diverged")

    assert [(line.stream, line.level, line.logger, line.text) for line in lines] == [
        ("logging", logging.DEBUG, "training.loop", "batch 3 of 10"),
        ("logging", logging.CRITICAL, "training.loop", "diverged"),
    ]
    assert all(before_ms <= line.time_ms <= before_ms + 10_000 for line in lines)


def test_a_record_is_one_line_with_whatever_handler_prints_it() -> None:
    logger = logging.getLogger("printed")
    with noting() as lines:
        early = logging.StreamHandler(sys.stderr)
        logger.addHandler(early)
        logger.propagate = False
        try:
            logger.warning("once")
            print("and this")
        finally:
            logger.removeHandler(early)
            logger.propagate = True

    assert [(line.stream, line.text) for line in lines] == [("logging", "once"), ("stdout", "and this")]


def test_a_traceback_is_lines_of_its_record() -> None:
    with noting() as lines:
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            logging.getLogger("t").exception("step failed")

    assert lines[0].text == "step failed"
    assert lines[-1].text == "ZeroDivisionError: division by zero"
    assert {line.level for line in lines} == {logging.ERROR}


def test_logging_is_left_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, logging.Logger.callHandlers)
    with noting(), noting():
        assert root.handlers == before[0]
        assert root.level == before[1]

    assert (list(root.handlers), root.level, logging.Logger.callHandlers) == before


def test_a_patch_made_meanwhile_stays_and_records_are_noted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    with noting():
        inner = logging.Logger.callHandlers

        def patched(logger: logging.Logger, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())
            inner(logger, record)

        monkeypatch.setattr(logging.Logger, "callHandlers", patched)
    with noting() as lines:
        logging.getLogger("p").error("again")

    assert seen == ["again"]
    assert [line.text for line in lines] == ["again"]
    assert logging.Logger.callHandlers is patched


def test_the_talk_of_recording_itself_is_not_recorded() -> None:
    ours = logging.getLogger("tracklog.storage.remote")
    ours.setLevel(logging.DEBUG)
    with noting() as lines:
        ours.debug("POST /batches: 200")
        ours.warning("no answer")

    assert [line.text for line in lines] == ["no answer"]


def test_arguments_that_do_not_fit_lose_no_message(capsys: pytest.CaptureFixture[str]) -> None:
    with noting() as lines:
        logger = logging.getLogger("bad")
        logger.propagate = False  # the handlers of pytest raise
        try:
            logger.error("a %d", "word")
        finally:
            logger.propagate = True

    assert lines[0].text == "a %d"


def test_without_logging_what_handlers_print_is_console_output() -> None:
    with noting(logged=False) as lines:
        handler = logging.StreamHandler(sys.stderr)
        logging.getLogger("c").addHandler(handler)
        try:
            logging.getLogger("c").error("printed")
        finally:
            logging.getLogger("c").removeHandler(handler)

    assert ("stderr", "printed") in [(line.stream, line.text) for line in lines]


def test_the_level_that_another_process_prints_is_read() -> None:
    lines: list[LogLine] = []
    captured = ConsoleCapture(lines.extend, reads_levels=True)
    printed = [
        ("WARNING:train.loop:slow", logging.WARNING, "train.loop"),
        ("2026-11-24 10:00:00,123 - train - ERROR - lost", logging.ERROR, ""),
        ("[I] no ERRORS here", 0, ""),
        ("x" * 90 + " ERROR", 0, ""),
    ]
    captured.take("stderr", "".join(f"{text}\n" for text, _, _ in printed))
    captured.stop()

    assert [(line.text, line.level, line.logger) for line in lines] == printed


def test_basic_config_shows_each_request_without_secrets_and_says_it_once(tmp_path: Path) -> None:
    from tests.servers import serve

    script = """
import logging, sys, tracklog
run = tracklog.start_run("x", uri=sys.argv[1], capture=["console", "logging"])
logging.basicConfig(level=logging.DEBUG)
logging.getLogger("mine").info("hello %s", "there")
run.log("a", 1)
run.complete()
assert len(logging.getLogger().handlers) == 1
lines = run.experiment.workspace.store.log_lines(run.id).lines
print([(line.stream, line.level, line.logger) for line in lines if line.text.endswith("hello there")])
"""
    with serve(tmp_path / "w") as server:
        done = subprocess.run(
            [sys.executable, "-c", script, server.url],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "TRACKLOG_JOURNALS": str(tmp_path / "journals")},
        )

    assert done.returncode == 0, done.stderr
    assert f"[('logging', {logging.INFO}, 'mine')]" in done.stdout
    assert "INFO:mine:hello there" in done.stderr
    assert re.search(r"DEBUG:tracklog.storage.remote:POST /\S+: 200 in [0-9.]+ ms", done.stderr)


# ---- ranks


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}, (3, 1)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"RANK": "high", "WORLD_SIZE": "4"}, None),
        ({"RANK": "9", "WORLD_SIZE": "4"}, None),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "8"}, (2, 2)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "0"}, (1, 0)),
    ],
)
def test_the_rank_is_what_the_launcher_says(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[int, int] | None
) -> None:
    for names in capture._RANK_VARIABLES:
        for name in names:
            monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)

    assert capture.rank() == expected


def test_one_rank_a_machine_samples_all_of_it_the_others_themselves() -> None:
    def names(number: int, local: int) -> set[str]:
        samples = Samples()
        monitor = SystemMonitor(samples.append, interval_s=0.02, rank=capture.Rank(number, local))
        monitor.start()
        samples.wait(1)
        monitor.stop()
        return set(samples[0])

    assert {"system/cpu.percent", "system/process.memory.mb"} <= names(0, 0)
    assert names(1, 1) == {"system/process.cpu.percent/rank.1", "system/process.memory.mb/rank.1"}
    assert {"system/cpu.percent/rank.2", "system/process.memory.mb/rank.2"} <= names(2, 0)


def test_processes_of_one_launcher_record_one_run_together(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import os, sys, tracklog\n"
        "rank = int(os.environ['RANK'])\n"
        "with tracklog.start_run('ddp', run_id='shared', uri=sys.argv[1], capture=['console', 'system', 'command']) as run:\n"
        "    print('I am', rank)\n"
        "    run.log(f'loss of {rank}', 0.5)\n"
        "    if rank == 0: sys.stdin.read()\n"
        "    while rank and not run.get_metrics(f'system/process.memory.mb/rank.{rank}'): pass\n"
    )
    command = [sys.executable, str(tmp_path / "train.py"), str(tmp_path / "w")]
    ranks = [
        subprocess.Popen(
            command,
            env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "3"},
            stdin=subprocess.DEVNULL if rank else subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        for rank in range(3)
    ]
    assert [process.wait(60) for process in ranks[1:]] == [0, 0]
    with contextlib.closing(LocalStore(tmp_path / "w")) as store:
        until = time.monotonic() + 20
        while store.log_lines("shared").total_lines < 3:
            assert time.monotonic() < until
            time.sleep(0.05)
        between = store.get_run("shared")
        ranks[0].communicate(b"", timeout=60)
        run = store.get_run("shared")
        lines = store.log_lines("shared").lines

    assert (between.status, run.status) == (RunStatus.RUNNING, RunStatus.COMPLETED)
    assert sorted((line.rank, line.text, line.printed()) for line in lines) == [
        (0, "I am 0", "I am 0"),
        (1, "I am 1", "[rank 1] I am 1"),
        (2, "I am 2", "[rank 2] I am 2"),
    ]
    assert {metric.name for metric in run.metrics} >= {"loss of 0", "loss of 2", "system/process.memory.mb/rank.2"}


def test_a_rank_that_comes_late_leaves_a_run_that_failed_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import os, sys, tracklog\n"
        "run = tracklog.start_run('ddp', run_id='shared', uri=sys.argv[1], capture=False)\n"
        "run.fail('out of memory') if os.environ['RANK'] == '0' else run.complete()\n"
    )
    for rank in range(2):
        subprocess.run(
            [sys.executable, str(tmp_path / "train.py"), str(tmp_path / "w")],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"},
            check=True,
            timeout=60,
            capture_output=True,
        )
    with contextlib.closing(LocalStore(tmp_path / "w")) as store:
        assert store.get_run("shared").status is RunStatus.FAILED


def test_processes_of_one_launcher_that_share_no_run_record_all_of_their_own(tmp_path: Path) -> None:
    script = (
        "import sys, tracklog\n"
        "with tracklog.start_run('apart', uri=sys.argv[1], capture=['console', 'system']) as run:\n"
        "    print('hello')\n"
        "    while not run.get_metrics('system/process.memory.mb'): pass\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "w")],
        env={**os.environ, "RANK": "1", "WORLD_SIZE": "2"},
        check=True,
        timeout=60,
        capture_output=True,
    )
    with contextlib.closing(LocalStore(tmp_path / "w")) as store:
        [run] = store.search_runs(RunQuery(experiment="apart")).runs
        [line] = store.log_lines(run.id).lines
    assert (run.status, line.printed()) == (RunStatus.COMPLETED, "hello")
    assert "system/cpu.percent" in {metric.name for metric in run.metrics}


def test_a_log_line_of_an_earlier_version_has_no_rank() -> None:
    before = msgspec.msgpack.encode([1_750_000_000_000, "stdout", "hello", 0, ""])

    assert msgspec.msgpack.decode(before, type=LogLine) == LogLine(1_750_000_000_000, "stdout", "hello")
