"""Circumstances of a run: where it comes from, what it prints, what the machine does meanwhile.

Nothing here raises into a training or changes what it prints. Environment variables are never recorded, and arguments after
a name that sounds like a secret are masked.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit, urlunsplit

from tracklog.records import LogLine

_log = logging.getLogger(__name__)

_GIT_TIMEOUT_S = 2.0
_MAX_DIFF_BYTES = 1 << 20
_MAX_LINE_CHARS = 65_536
_SECRET = re.compile(r"(password|passwd|token|secret|api[-_]?key|credential)", re.IGNORECASE)
_MASK = "***"


# --------------------------------------------------------------------- environment


def environment() -> dict[str, Any]:
    """Return what is known of this process and machine by topic: command, git, python, packages, host.

    A topic that cannot be read is {"error": …}; git outside of a repository is left out.
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
            value = {"error": repr(error)}
        if value is not None:
            found[topic] = value
    return found


def command_info() -> dict[str, Any]:
    """Return how the process was started, secrets masked."""
    arguments = getattr(sys, "orig_argv", sys.argv)
    return {"argv": masked(list(arguments)), "script": sys.argv[0] if sys.argv else "", "cwd": str(Path.cwd())}


def masked(arguments: list[str]) -> list[str]:
    """Return arguments with the values of those that sound like secrets replaced."""
    safe: list[str] = []
    hide_next = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if hide_next and not argument.startswith("-"):
            safe.append(_MASK)
            hide_next = False
        elif equals and _SECRET.search(name):
            safe.append(f"{name}={_MASK}")
        else:
            safe.append(argument)
            hide_next = argument.startswith("-") and bool(_SECRET.search(argument))
    return safe


def git_info(folder: Path) -> dict[str, Any] | None:
    """Return repository, branch, commit and uncommitted changes of the folder's checkout; None outside of one."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    diff = _git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff") or ""
    remote = _git(folder, "config", "--get", "remote.origin.url")
    return {
        "commit": commit.strip(),
        "branch": (_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or "").strip(),
        "subject": (_git(folder, "log", "-1", "--format=%s") or "").strip(),
        "repository": _without_credentials((remote or "").strip()),
        "dirty": bool((_git(folder, "status", "--porcelain") or "").strip()),
        "diff": diff[:_MAX_DIFF_BYTES],
        "diff_is_cut": len(diff) > _MAX_DIFF_BYTES,
    }


def _git(folder: Path, *arguments: str) -> str | None:
    if shutil.which("git") is None:
        return None
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.debug("git %s: %s", arguments[0], error)
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.scheme else url


def python_info() -> dict[str, Any]:
    """Return the interpreter."""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
    }


def packages_info() -> dict[str, str]:
    """Return installed packages and their versions."""
    found = {
        distribution.metadata["Name"]: distribution.version
        for distribution in importlib.metadata.distributions()
        if "Name" in distribution.metadata
    }
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def host_info() -> dict[str, Any]:
    """Return the machine."""
    import psutil

    return {
        "name": socket.gethostname(),
        "os": platform.platform(),
        "machine": platform.machine(),
        "cpus": psutil.cpu_count() or 0,
        "memory_mb": round(psutil.virtual_memory().total / 2**20),
        "gpus": [gpu.name for gpu in _gpus()],
        "pid": os.getpid(),
    }


# ------------------------------------------------------------------------- console


class ConsoleCapture:
    """Copies what is printed to `sys.stdout` and `sys.stderr` as lines. Several may be at work at once."""

    def __init__(self, write_lines: Callable[[list[LogLine]], None]) -> None:
        self._write_lines = write_lines
        self._lock = threading.RLock()
        self._lines: list[LogLine] = []
        self._pending: dict[tuple[str, int], str] = {}  # text without line end yet, by stream and thread
        self._streams: list[_Tee] = []
        self._busy = threading.local()

    def start(self) -> None:
        """Begin to copy."""
        for name in ("stdout", "stderr"):
            original = getattr(sys, name)
            if original is not None:  # pythonw and some services have none
                tee = _Tee(original, name, self)
                setattr(sys, name, tee)
                self._streams.append(tee)

    def stop(self) -> None:
        """Stop copying and hand over what is left. A stream that somebody wrapped since stays and only passes on."""
        for tee in self._streams:
            tee.capture = None
            if getattr(sys, tee.stream_name) is tee:
                setattr(sys, tee.stream_name, tee.original)
        with self._lock:
            for (stream, _), text in self._pending.items():
                self._add(stream, text)
            self._pending.clear()
        self.flush()

    def flush(self) -> None:
        """Hand complete lines over."""
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            self._write_lines(lines)

    def take(self, stream: str, text: str) -> None:
        """Note what was written to a stream."""
        if getattr(self._busy, "on", False):
            return  # a warning about capturing must not be captured by it
        self._busy.on = True
        try:
            with self._lock:
                address = (stream, threading.get_ident())
                *whole, rest = (self._pending.pop(address, "") + text).split("\n")
                for line in whole:
                    self._add(stream, line)
                # A progress bar redraws its line; what it says last counts.
                rest = rest.rpartition("\r")[2] if "\r" in rest.rstrip("\r") else rest
                if len(rest) > _MAX_LINE_CHARS:
                    self._add(stream, rest)
                elif rest:
                    self._pending[address] = rest
        finally:
            self._busy.on = False

    def _add(self, stream: str, line: str) -> None:
        line = line.rstrip("\r").rpartition("\r")[2]
        now = time.time_ns() // 1_000_000
        for start in range(0, max(len(line), 1), _MAX_LINE_CHARS):
            self._lines.append(LogLine(now, stream, line[start : start + _MAX_LINE_CHARS]))


class _Tee:
    """A text stream that passes everything on and shows it to a capture."""

    def __init__(self, original: TextIO, stream_name: str, capture: ConsoleCapture) -> None:
        self.original = original
        self.stream_name = stream_name
        self.capture: ConsoleCapture | None = capture

    def write(self, text: str) -> int:
        written = self.original.write(text)
        if self.capture is not None:
            self.capture.take(self.stream_name, text)
        return written

    def writelines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self.original)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


# -------------------------------------------------------------------------- system


class SystemMonitor:
    """Samples the machine in a thread: CPU, memory, disk, network, NVIDIA GPUs; metrics `system/…`."""

    def __init__(self, log: Callable[[dict[str, float]], None], interval_s: float = 2.0) -> None:
        """Take the function that gets each sample.

        Args:
            interval_s: between samples at first; grows to 15 s for long runs, so that a week costs 40,000 points.
        """
        self._log = log
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracklog-system", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _run(self) -> None:
        samplers = [_cpu_and_memory(), _rates(), *(_gpu(i, gpu) for i, gpu in enumerate(_gpus()))]
        wait_s = min(1.0, self._interval_s)
        while not self._stop.wait(wait_s):
            sample: dict[str, float] = {}
            for sampler in list(samplers):
                try:
                    sample.update(next(sampler))
                except Exception as error:  # a driver may fail in any way; the others go on  # noqa: BLE001
                    _log.debug("A system sampler failed and is left out from now on: %r", error)
                    samplers.remove(sampler)
            if sample:
                self._log(sample)
            wait_s = self._interval_s
            self._interval_s = min(15.0, self._interval_s * 1.02)


Sampler = Iterator[dict[str, float]]


def _cpu_and_memory() -> Sampler:
    import psutil

    process = psutil.Process()
    process.cpu_percent()
    psutil.cpu_percent()
    while True:
        memory = psutil.virtual_memory()
        yield {
            "system/cpu.percent": psutil.cpu_percent(),
            "system/process.cpu.percent": process.cpu_percent(),
            "system/process.memory.mb": round(process.memory_info().rss / 2**20, 1),
            "system/memory.percent": memory.percent,
            "system/disk.percent": psutil.disk_usage(os.getcwd()).percent,
        }


def _rates() -> Sampler:
    """Disk and network traffic since the sample before, in MB/s."""
    import psutil

    def counters() -> dict[str, float]:
        disk, network = psutil.disk_io_counters(), psutil.net_io_counters()
        found: dict[str, float] = {}
        if disk is not None:  # absent in some containers
            found |= {"disk.read": disk.read_bytes, "disk.write": disk.write_bytes}
        if network is not None:
            found |= {"network.received": network.bytes_recv, "network.sent": network.bytes_sent}
        return found

    before, then = counters(), time.monotonic()
    time.sleep(0.1)
    while True:
        after, now = counters(), time.monotonic()
        elapsed_s = max(now - then, 1e-3)
        yield {
            f"system/{name}.mb_per_s": round(max(0.0, value - before.get(name, value)) / 2**20 / elapsed_s, 3)
            for name, value in after.items()
        }
        before, then = after, now


class _Gpu:
    """One NVIDIA device."""

    def __init__(self, nvml: Any, index: int) -> None:
        self.nvml = nvml
        self.handle = nvml.nvmlDeviceGetHandleByIndex(index)
        name = nvml.nvmlDeviceGetName(self.handle)
        self.name = name.decode() if isinstance(name, bytes) else str(name)


def _gpus() -> list[_Gpu]:
    try:
        import pynvml

        pynvml.nvmlInit()
        return [_Gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    except Exception as error:  # no driver, no device, or an old one: NVML has a class of error for each  # noqa: BLE001
        _log.debug("No NVIDIA GPUs: %r", error)
        return []


def _gpu(index: int, gpu: _Gpu) -> Sampler:
    while True:
        memory = gpu.nvml.nvmlDeviceGetMemoryInfo(gpu.handle)
        yield {
            f"system/gpu.{index}.utilization.percent": float(gpu.nvml.nvmlDeviceGetUtilizationRates(gpu.handle).gpu),
            f"system/gpu.{index}.memory.mb": round(memory.used / 2**20, 1),
            f"system/gpu.{index}.memory.percent": round(100 * memory.used / memory.total, 1),
            f"system/gpu.{index}.temperature.c": float(gpu.nvml.nvmlDeviceGetTemperature(gpu.handle, 0)),
            f"system/gpu.{index}.power.w": round(gpu.nvml.nvmlDeviceGetPowerUsage(gpu.handle) / 1000, 1),
        }
