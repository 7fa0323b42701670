"""Circumstances of a run: where it comes from, what it prints, what the machine does meanwhile.

Guaranteed: nothing here raises into a training or changes what it prints. Environment variables are never recorded;
arguments after a name that says password, secret, token or key are masked, and so are credentials inside of URLs.

Console capture and system samples belong to the process that started them: a forked child prints and computes unseen.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from tracklog.records import LogLine
from tracklog.sdk.values import storable_text

_log = logging.getLogger(__name__)

# The settings make a diff that `git apply` takes, and keep git from starting a daemon.
_GIT_SETTINGS = ("core.quotePath", "core.fsmonitor", "diff.noprefix", "diff.mnemonicPrefix")
_GIT = ("git", *(part for setting in _GIT_SETTINGS for part in ("-c", f"{setting}=false")))
_GIT_TIMEOUT_S = 2.0  # for each command; on a slow file system a part is missing rather than late
_MAX_DIFF_BYTES = 1 << 20
_MAX_LINE_CHARS = 1 << 16
_MAX_LINES = 256  # handed over at once
_FIRST_SAMPLE_S = 1.0  # a run of some seconds has one, too
_MAX_INTERVAL_S = 15.0  # a week then costs 40,000 points a metric
_MIB = 1 << 20


# --------------------------------------------------------------------- environment


def environment() -> dict[str, Any]:
    """Return what is known of this process and machine by topic: command, git, python, packages, host.

    A topic that cannot be read is {"error": …}; git is left out when there is no repository. May take some seconds.
    """
    topics: dict[str, Callable[[], Any]] = {
        "command": command_info,
        "git": lambda: git_info(Path.cwd()),
        "python": python_info,
        "packages": packages_info,
        "host": host_info,
    }
    found: dict[str, Any] = {}
    for topic, look in topics.items():
        try:
            value = look()
        except Exception as error:  # whatever a machine holds, a run must start; what failed is recorded in its place  # noqa: BLE001
            _log.debug("Cannot capture %s: %r", topic, error)
            value = {"error": f"{type(error).__name__}: {error}"}
        if value is not None:
            found[topic] = value
    return found


def command_info() -> dict[str, Any]:
    """Return how the process was started, secrets masked: the whole command line, interpreter, script, working folder."""
    # Notebooks have no __file__; Visual Studio Code tells the path of its notebook this way.
    main = vars(sys.modules["__main__"])
    script = main.get("__file__") or main.get("__vsc_ipynb_file__")
    return {
        "argv": [storable_text(argument) for argument in masked(sys.orig_argv)],
        "executable": sys.executable,
        "script": storable_text(os.path.abspath(script)) if script else "",
        "cwd": storable_text(os.getcwd()),
    }


_MASK = "***"
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")  # of snake_case, kebab-case and camelCase
_SECRET_WORDS = frozenset({"password", "passwd", "passphrase", "pwd", "secret", "secrets", "credential", "credentials", "apikey"})
_SECRET_ENDINGS = frozenset(
    {"token", "key", "auth"}
)  # only as last word: `--api-key`, but neither `--token-dim` nor `--key-size`
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)")
_BEARER = re.compile(r"\b(bearer|basic)\s+\S+", re.IGNORECASE)


def masked(arguments: Iterable[str]) -> list[str]:
    """Return arguments with `***` for the values of those that sound like secrets: `--api-key X`, `db.password=X`."""
    safe: list[str] = []
    hide_next = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if equals and _is_secret(name):
            safe.append(f"{name}={_MASK}")
        elif hide_next and not argument.startswith("--"):
            safe.append(_MASK)
        else:
            safe.append(_BEARER.sub(rf"\1 {_MASK}", _URL_PASSWORD.sub(rf"\1:{_MASK}", argument)))
        hide_next = argument.startswith("-") and not equals and _is_secret(argument)
    return safe


def _is_secret(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (words[-1] in _SECRET_ENDINGS or not _SECRET_WORDS.isdisjoint(words))


def git_properties(git: dict[str, Any] | None) -> dict[str, str]:
    """Return the properties that Azure ML v1 gives to a run for `git_info`; its environment variables say otherwise."""
    found = git or {}
    dirty = found.get("dirty")
    facts = {
        "repository_uri": found.get("repository"),
        "branch": found.get("branch"),
        "commit": found.get("commit"),
        "dirty": None if dirty is None else str(dirty),
        "build_id": None,
        "build_uri": None,
    }
    facts = {name: os.environ.get(f"AZUREML_GIT_{name.upper()}") or fact for name, fact in facts.items()}
    twice = {"repository_uri": "repoURL", "branch": "branch", "commit": "commit"}
    properties = {f"azureml.git.{name}": fact for name, fact in facts.items()}
    properties.update({f"mlflow.source.git.{name}": facts[fact] for fact, name in twice.items()})
    return {name: storable_text(fact) for name, fact in properties.items() if fact}


def git_info(folder: Path) -> dict[str, Any] | None:
    """Return repository, branch, commit and uncommitted changes of a folder's checkout.

    None without a repository or without git. A part that git does not answer in time, or that does not exist (the branch
    of a detached head, the commit of an empty repository), is None. Files git does not track count nowhere.

    Raises:
        OSError: there is a repository, and git refuses to read it.
    """
    folder = folder.absolute()
    if shutil.which("git") is None or not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None
    root = _git(folder, "rev-parse", "--show-toplevel")
    if root is None:
        raise OSError(f"git cannot read the repository around {folder}. See what `git -C {folder} status` says.")
    root = root.rstrip("\r\n")
    at = Path(root)
    status = _git(at, "status", "--porcelain", "--untracked-files=no")
    diff = _git(at, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", max_bytes=_MAX_DIFF_BYTES + 1)
    diff_is_cut = diff is not None and len(diff.encode()) > _MAX_DIFF_BYTES
    if diff is not None and diff_is_cut:
        diff = diff[: diff.rfind("\n") + 1] or diff
    return {
        "repository": _remote(at),
        "branch": _git_line(at, "symbolic-ref", "--short", "--quiet", "HEAD"),
        "commit": _git_line(at, "rev-parse", "--verify", "--quiet", "HEAD"),
        "subject": _git_line(at, "log", "-1", "--format=%s"),
        "dirty": None if status is None else bool(status),
        "diff": diff,
        "diff_is_cut": diff_is_cut,
        "root": storable_text(root),
    }


def _remote(root: Path) -> str | None:
    """Return the address of `origin`, or else of the first remote, without credentials."""
    remotes = (_git(root, "remote") or "").split()
    if not remotes:
        return None
    url = _git_line(root, "remote", "get-url", "origin" if "origin" in remotes else remotes[0])
    if url is None:
        return None
    url = url.partition("?")[0]  # a query of a clone address can only be a credential
    # The user of http(s) is often a token itself; that of ssh is `git`.
    return re.sub(r"^(https?://)[^/]*@", r"\1", _URL_PASSWORD.sub(r"\1", url), flags=re.IGNORECASE)


def _git_line(folder: Path, *arguments: str) -> str | None:
    return (_git(folder, *arguments) or "").strip() or None


def _git(folder: Path, *arguments: str, max_bytes: int = _MIB) -> str | None:
    """Return what git prints, up to some bytes; None when it fails or takes too long."""
    # A hook or `git rebase --exec` points git to its own repository through these.
    kept = {k: v for k, v in os.environ.items() if k not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")}
    try:
        process = subprocess.Popen(
            [*_GIT, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        _log.debug("git %s: %s", arguments[0], error)
        return None
    timer = threading.Timer(_GIT_TIMEOUT_S, _kill, [process])
    timer.daemon = True
    timer.start()
    assert process.stdout is not None  # noqa: S101  # PIPE was asked for
    try:
        with process.stdout as stdout:
            output = stdout.read(max_bytes)
            is_cut = bool(stdout.read(1))
        if is_cut:
            _kill(process)
        returncode = process.wait()
    finally:
        timer.cancel()
    if returncode != 0 and not is_cut:
        _log.debug("git %s ended with %d", arguments[0], returncode)
        return None
    return output.decode("utf-8", "replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with its children: a filter of git would keep the pipe open."""
    if process.poll() is not None:
        return
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except OSError as error:  # it ended in between
        _log.debug("git is gone already: %s", error)


def python_info() -> dict[str, Any]:
    """Return the interpreter."""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "prefix": sys.prefix,
    }


def packages_info() -> dict[str, str]:
    """Return installed packages and their versions; of several copies the one that `import` finds."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        metadata: Any = distribution.metadata  # a half-removed package has none, or no name or version in it
        name, version = (metadata["Name"], metadata["Version"]) if metadata is not None else (None, None)
        if name and version:
            found.setdefault(name, version)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def host_info() -> dict[str, Any]:
    """Return the machine; sizes in MiB."""
    import psutil

    return {
        "name": socket.gethostname(),
        "os": platform.platform(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cpus": psutil.cpu_count() or 0,
        "usable_cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 0,
        "memory_mb": round(psutil.virtual_memory().total / _MIB),
        "gpus": [{"name": gpu.name, "memory_mb": gpu.memory_mb} for gpu in _gpus()],
        "pid": os.getpid(),
    }


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor()


# --------------------------------------------------------------------------- ranks


class Rank(NamedTuple):
    """Which of the processes this is that execute a run together."""

    number: int  # among all, from 0
    local: int  # among those on this machine, from 0


# Number, how many there are, and number on this machine: torchrun, Open MPI, MPICH and Intel MPI, srun.
_RANK_VARIABLES = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
)


def rank() -> Rank | None:
    """Return this process's rank as its launcher tells it by environment variables; None for a process of its own."""
    for names in _RANK_VARIABLES:
        given = [os.environ.get(name, "") for name in names]
        number, size, local = (int(text) if text.isdecimal() and len(text) < 10 else None for text in given)
        if number is not None and size is not None and size > 1 and number < size:
            return Rank(number, number if local is None else local)
    return None


# ------------------------------------------------------------------------- console


class ConsoleCapture:
    """Copies what is printed to `sys.stdout` and `sys.stderr`, and what Python's `logging` lets pass, as lines.

    Several captures see the same lines. A record of `logging` is one line (or several, with a traceback) with its level,
    logger and time; what handlers print of it to the console is not noted again. No handler is added, so
    `logging.basicConfig` and the last-resort handler do what they do without a capture.

    Lines of different threads do not mix. `\\r` begins a line anew, so of a progress bar the last state counts. Bytes
    written to `.buffer` or to the file descriptor, as by child processes, are not seen.

    Writing takes no lock, so a signal handler or a finalizer may print at any time. `flush` hands lines over, in the
    caller's thread and in order; nothing that `write_lines` prints there is captured.
    """

    def __init__(
        self, write_lines: Callable[[list[LogLine]], None], *, rank: int | None = None, reads_levels: bool = False
    ) -> None:
        """Prepare a capture.

        Args:
            rank: of this process among those that execute the run together.
            reads_levels: what another process prints is searched for the level of its logging.
        """
        self._write_lines = write_lines
        self._rank = rank
        self._reads_levels = reads_levels
        self._lines: deque[LogLine] = deque()
        # Pieces of a line without its end, by stream, thread and rank.
        self._unfinished: dict[tuple[str, int, int | None], list[str]] = {}
        self._tees: list[_Tee] = []
        self._takes_records = False
        self._handing_over = threading.RLock()
        self._handing_over_thread = 0
        self._has_failed = False

    def start(self, *, printed: bool = True, logged: bool = True) -> None:
        """Begin to copy what is printed, what is logged through `logging`, or both."""
        self._takes_records = logged
        if logged:
            _records.add(self)
        for name in ("stdout", "stderr") if printed else ():
            stream = getattr(sys, name)
            if stream is not None:  # pythonw and some services have none
                tee = _Tee(stream, name, self)
                setattr(sys, name, tee)
                self._tees.append(tee)
        _captures.add(self)

    def stop(self) -> None:
        """Stop copying and hand over what is left. A stream that somebody wrapped since stays and only passes on."""
        _captures.discard(self)
        _records.remove(self)
        self._detach()
        for address in list(self._unfinished):
            text = "".join(self._unfinished.pop(address, ()))
            if text.strip():  # not the blanks with which a progress bar wipes itself out
                self._add(address[0], text, address[2])
        self.flush()

    def flush(self) -> None:
        """Hand complete lines over."""
        if self._handing_over_thread == threading.get_ident():
            return  # `write_lines` itself asks for it
        with self._handing_over:
            self._handing_over_thread = threading.get_ident()
            try:
                while self._lines:
                    lines = [self._lines.popleft() for _ in range(min(len(self._lines), _MAX_LINES))]
                    self._write_lines(lines)
            except Exception as error:  # console output is worth less than the training that prints it  # noqa: BLE001
                _log.log(logging.DEBUG if self._has_failed else logging.WARNING, "Console output was not recorded: %r", error)
                self._has_failed = True
            finally:
                self._handing_over_thread = 0

    def take(self, stream: str, text: str, rank: int | None = None) -> None:
        """Note what was written to a stream, by a process of some rank."""
        thread = threading.get_ident()
        if thread == self._handing_over_thread or (self._takes_records and thread in _records.printing):
            return
        address = (stream, thread, rank)
        if "\n" not in text and "\r" not in text and len(text) < _MAX_LINE_CHARS:
            pieces = self._unfinished.setdefault(address, [])
            pieces.append(text)
            if len(pieces) < 1000:  # joining at each dot of a progress line would cost its length squared
                return
            text = ""
        *whole, rest = ("".join(self._unfinished.pop(address, ())) + text).split("\n")
        for line in whole:
            self._add(stream, line, rank)
        rest = rest[rest.rfind("\r", 0, -1) + 1 :]  # a \r at the very end may belong to a \n to come
        while len(rest) >= _MAX_LINE_CHARS:
            self._add(stream, rest[:_MAX_LINE_CHARS], rank)
            rest = rest[_MAX_LINE_CHARS:]
        if rest:
            self._unfinished[address] = [rest]

    def take_record(self, record: logging.LogRecord, lines: list[str]) -> None:
        """Note a record of `logging`, whose text with its traceback is `lines`."""
        if threading.get_ident() != self._handing_over_thread:
            for line in lines:
                text = storable_text(line)[:_MAX_LINE_CHARS]
                self._lines.append(
                    LogLine(int(record.created * 1000), "logging", text, record.levelno, storable_text(record.name), self._rank)
                )

    def _add(self, stream: str, line: str, rank: int | None) -> None:
        line = storable_text(line.rstrip("\r").rpartition("\r")[2])
        now_ms = time.time_ns() // 1_000_000
        level, logger = _printed_level(line) if self._reads_levels else (0, "")
        for start in range(0, max(len(line), 1), _MAX_LINE_CHARS):
            part = line[start : start + _MAX_LINE_CHARS]
            self._lines.append(LogLine(now_ms, stream, part, level, logger, self._rank if rank is None else rank))

    def _detach(self) -> None:
        for tee in self._tees:
            tee.capture = None
            if getattr(sys, tee.stream_name) is tee:
                stream = tee.original
                while isinstance(stream, _Tee) and stream.capture is None:  # of a capture that stopped before this one
                    stream = stream.original
                setattr(sys, tee.stream_name, stream)
        self._tees.clear()

    def forked(self) -> None:
        """In a forked child: only pass on. The parent has the lines so far, and perhaps the lock."""
        self._handing_over = threading.RLock()
        self._handing_over_thread = 0
        self._lines.clear()
        self._unfinished.clear()
        self._detach()


_LEVEL = re.compile(r"(?<![\w.])(DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)(?![\w.])(?::([\w.]+):)?")
_LEVEL_WITHIN = 80  # characters: formats put a level after time, process and logger, and a message may have the word, too


def _printed_level(line: str) -> tuple[int, str]:
    """Return the logging level that a printed line names, and the logger where it has `basicConfig`'s form; else (0, "")."""
    found = _LEVEL.search(line, 0, _LEVEL_WITHIN)
    if found is None:
        return 0, ""
    level = int(getattr(logging, found[1]))
    return level, found[2] if found[2] and found.start() == 0 else ""


_captures: weakref.WeakSet[ConsoleCapture] = weakref.WeakSet()


def _forked() -> None:
    for capture in list(_captures):
        capture.forked()
    _captures.clear()
    _records.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class _Records:
    """Shows each record of `logging` to the captures that listen, before its handlers print it.

    Records are seen where a logger hands them to its handlers: once each, after levels and filters, whatever `propagate` says.
    A handler of our own at the root would see fewer, make `basicConfig` do nothing, and silence the last resort.
    """

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """Begin anew: in a forked child nobody listens."""
        self.printing: set[int] = set()  # threads in which handlers are printing a record
        self.listeners: tuple[ConsoleCapture, ...] = ()  # replaced as a whole: records are noted without a lock
        self._lock = threading.Lock()
        self._undo: Callable[[], None] = lambda: None

    def add(self, capture: ConsoleCapture) -> None:
        """Show records to a capture, too."""
        with self._lock:
            if not self.listeners:
                self._undo = self._step_in()
            self.listeners = (*self.listeners, capture)

    def remove(self, capture: ConsoleCapture) -> None:
        """Show a capture nothing more. With the last one `logging` is as it was."""
        with self._lock:
            if capture in self.listeners:
                self.listeners = tuple(one for one in self.listeners if one is not capture)
                if not self.listeners:
                    self._undo()

    def _step_in(self) -> Callable[[], None]:
        before = logging.Logger.callHandlers

        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            thread = threading.get_ident()
            listeners = self.listeners
            if not listeners or thread in self.printing:
                before(logger, record)
                return
            if _is_worth_noting(record):
                lines = _lines_of(record)
                for capture in listeners:
                    capture.take_record(record, lines)
            self.printing.add(thread)
            try:
                before(logger, record)
            finally:
                self.printing.discard(thread)

        def undo() -> None:
            if logging.Logger.callHandlers is call_handlers:  # else somebody stepped in after us, and calls us still
                setattr(logging.Logger, "callHandlers", before)  # noqa: B010  # mypy takes an assignment for a mistake

        setattr(logging.Logger, "callHandlers", call_handlers)  # noqa: B010
        return undo


_records = _Records()
_formatter = logging.Formatter()


def _is_worth_noting(record: logging.LogRecord) -> bool:
    """Return False for the talk of recording itself: noting what sending a batch logs would make the next batch."""
    ours = record.name.partition(".")[0] == "tracklog" or str(record.threadName).startswith("tracklog-")
    return not ours or record.levelno >= logging.WARNING


def _lines_of(record: logging.LogRecord) -> list[str]:
    try:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + (record.exc_text or _formatter.formatException(record.exc_info))
        if record.stack_info:
            text += "\n" + record.stack_info
    except Exception:  # arguments that do not fit the message: `logging` complains on stderr  # noqa: BLE001
        text = str(record.msg)
    return text.split("\n")


class _Tee:
    """A text stream that passes everything on and shows it to a capture while there is one."""

    def __init__(self, original: TextIO, stream_name: str, capture: ConsoleCapture) -> None:
        self.original: Any = original
        self.stream_name = stream_name
        self.capture: ConsoleCapture | None = capture

    def write(self, text: str) -> int:
        written: int = self.original.write(text)
        capture = self.capture  # another thread may be stopping it
        if capture is not None:
            capture.take(self.stream_name, text)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "original":  # a copy that is being unpickled has none yet
            raise AttributeError(name)
        return getattr(self.original, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.original)

    def __enter__(self) -> Any:
        self.original.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.original.__exit__(*exception)

    def __repr__(self) -> str:
        return f"<{self.original!r}, captured>"


# -------------------------------------------------------------------------- system


class SystemMonitor:
    """Samples the machine in a thread: CPU, memory, disk, network, NVIDIA GPUs; metrics `system/…`, sizes in MiB.

    Of the ranks of a run the first on each machine samples all of it, the others their own process only. The names of
    other ranks than 0 end in `/rank.N`.
    """

    def __init__(self, log: Callable[[dict[str, float]], None], interval_s: float = 2.0, *, rank: Rank | None = None) -> None:
        """Take the function that gets each sample.

        Args:
            interval_s: between samples at first; from some minutes on a sixtieth of the run's age, up to 15 s.
            rank: of this process; None when it executes the run alone.
        """
        self._log = log
        self._suffix = f"/rank.{rank.number}" if rank is not None and rank.number > 0 else ""
        self._samples_machine = rank is None or rank.local == 0
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracklog-system", daemon=True)
        self._pid = os.getpid()

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling."""
        if self._pid != os.getpid():
            return  # a forked child has no such thread, and perhaps a locked event
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(2.0)

    def _run(self) -> None:
        samplers: list[Sampler] = [_processes_cpu(), _process_memory()]
        if self._samples_machine:
            samplers += [_cpu(), _memory(), _disk_usage(), _disk_rates(), _network_rates()]
            for index, gpu in enumerate(_gpus()):
                samplers += [_gpu_quantity(f"system/gpu.{index}.{name}", read) for name, read in gpu.quantities().items()]
        self._sample(samplers)  # each notes where its counters stand
        started = time.monotonic()
        wait_s = min(_FIRST_SAMPLE_S, self._interval_s)
        while samplers and not self._stop.wait(wait_s):
            sample = self._sample(samplers)
            try:
                if sample:
                    self._log(sample)
            except Exception as error:  # the run ended meanwhile, or worse: samples are never worth a traceback  # noqa: BLE001
                _log.debug("System samples end: %r", error)
                return
            wait_s = max(self._interval_s, min((time.monotonic() - started) / 60, _MAX_INTERVAL_S))

    def _sample(self, samplers: list[Sampler]) -> dict[str, float]:
        sample: dict[str, float] = {}
        for sampler in list(samplers):
            try:
                sample.update({name + self._suffix: value for name, value in next(sampler).items()})
            except Exception as error:  # a driver or kernel may fail in any way; the others go on  # noqa: BLE001
                _log.debug("%r failed and is left out from now on: %r", sampler, error)
                samplers.remove(sampler)
        return sample


# The first item is empty: the sampler has noted its counters, and no time has passed since.
Sampler = Iterator[dict[str, float]]


def _cpu() -> Sampler:
    import psutil

    psutil.cpu_percent()
    yield {}
    while True:
        yield {"system/cpu.percent": psutil.cpu_percent()}


def _processes_cpu() -> Sampler:
    """CPU of this process and its descendants in per cent of one core: 400 is four busy cores."""
    import psutil

    own = psutil.Process()
    known = {own.pid: own}
    own.cpu_percent()
    yield {}
    while True:
        children = {child.pid: child for child in own.children(recursive=True)}
        # A process keeps the object that has its counters; `==` tells it from another with the same number.
        known = {pid: known[pid] if known.get(pid) == child else child for pid, child in children.items()} | {own.pid: own}
        total = 0.0
        for process in known.values():
            try:
                total += process.cpu_percent()  # 0 at first sight
            except (psutil.NoSuchProcess, psutil.AccessDenied) as error:
                if process is own:
                    raise
                _log.debug("Not counted: %r", error)  # it ended, or became another user
        yield {"system/process.cpu.percent": round(total, 1)}


def _process_memory() -> Sampler:
    import psutil

    own = psutil.Process()
    yield {}
    while True:
        yield {"system/process.memory.mb": round(own.memory_info().rss / _MIB, 1)}


def _memory() -> Sampler:
    import psutil

    yield {}
    while True:
        yield {"system/memory.percent": psutil.virtual_memory().percent}


def _disk_usage() -> Sampler:
    """How full the file system of the working folder is."""
    import psutil

    folder = os.getcwd()
    yield {}
    while True:
        yield {"system/disk.percent": psutil.disk_usage(folder).percent}


def _disk_rates() -> Sampler:
    import psutil

    def counters() -> dict[str, int]:
        disk = psutil.disk_io_counters()
        return {} if disk is None else {"read": disk.read_bytes, "write": disk.write_bytes}  # None in some containers

    return _rates("system/disk", counters)


def _network_rates() -> Sampler:
    import psutil

    def counters() -> dict[str, int]:
        by_interface = psutil.net_io_counters(pernic=True)
        # Loopback is no network: it has the run's own traffic to a local server.
        real = [counts for name, counts in by_interface.items() if name not in ("lo", "lo0") and "Loopback" not in name]
        return {"sent": sum(c.bytes_sent for c in real), "received": sum(c.bytes_recv for c in real)}

    return _rates("system/network", counters)


def _rates(prefix: str, counters: Callable[[], dict[str, int]]) -> Sampler:
    """Growth of counters since the sample before, in MiB a second."""
    before, then = counters(), time.monotonic()
    yield {}
    while True:
        after, now = counters(), time.monotonic()
        per_mib_s = _MIB * max(now - then, 1e-3)
        # A counter that falls was reset: an interface went away, a machine was resumed.
        yield {f"{prefix}.{n}.mb_per_s": round(max(0, c - before.get(n, c)) / per_mib_s, 3) for n, c in after.items()}
        before, then = after, now


def _gpu_quantity(name: str, read: Callable[[], float]) -> Sampler:
    read()  # many devices lack some quantity; that one ends here, before the first sample
    yield {}
    while True:
        yield {name: read()}


class _Gpu:
    """One NVIDIA device."""

    def __init__(self, nvml: Any, index: int) -> None:
        self._nvml = nvml
        self._handle = nvml.nvmlDeviceGetHandleByIndex(index)
        name = nvml.nvmlDeviceGetName(self._handle)
        self.name = name.decode() if isinstance(name, bytes) else str(name)
        self.memory_mb = round(nvml.nvmlDeviceGetMemoryInfo(self._handle).total / _MIB)

    def quantities(self) -> dict[str, Callable[[], float]]:
        """Return what can be read of the device, by name with its unit."""
        nvml, handle = self._nvml, self._handle

        def memory_percent() -> float:
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            return float(round(100 * memory.used / memory.total, 1))

        return {
            "utilization.percent": lambda: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            "memory.mb": lambda: round(nvml.nvmlDeviceGetMemoryInfo(handle).used / _MIB, 1),
            "memory.percent": memory_percent,
            "temperature.c": lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            "power.w": lambda: round(nvml.nvmlDeviceGetPowerUsage(handle) / 1000, 1),
        }


def _gpus() -> list[_Gpu]:
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        return [_Gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:  # no driver or no device
        _log.debug("No NVIDIA GPUs: %s", error)
        return []
