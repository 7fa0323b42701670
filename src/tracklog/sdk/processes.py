"""The processes of a script: started together, what they print followed, ended together.

What a process prints goes into files that are read as they grow. A pipe would break under a script whose watcher dies, and a
training must not end because its recording does.

A distributed job of Azure ML v1 runs on this one machine: its processes are started here with the variables that its
framework looks for, however many nodes it names. What each prints is handed on with its rank.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tracklog.errors import NotSupportedError

if TYPE_CHECKING:
    from tracklog.sdk.configuration import RunConfiguration

_END_S = 10.0  # a process that is told to end has so long before it is killed
_TAIL_LINES = 60  # of stderr, kept as the reason of a failure
_PIECE_BYTES = 1 << 16
_PIECES = 64  # read at once: who prints without end must not keep its watcher from everything else

# (stream, text, rank): text in pieces of any size; of several processes whole lines, each with the rank of its process
Take = Callable[[str, str, "int | None"], None]


class Job(msgspec.Struct, frozen=True):
    """How many processes a script has, and who starts them."""

    framework: str = ""  # "pytorch", "mpi" or "tensorflow"; "" for one process
    processes: int = 1
    servers: int = 0  # TensorFlow's parameter servers, which end when the others have


def job_of(config: RunConfiguration, script: str) -> Job:
    """Return the job that a run configuration describes.

    Raises:
        NotSupportedError: it needs MPI's launcher, which this machine has not.
    """
    if config.framework == "PyTorch":
        return Job("pytorch", config.pytorch.process_count)
    if config.framework == "TensorFlow" and config.communicator == "ParameterServer":
        return Job("tensorflow", config.tensorflow.worker_count, config.tensorflow.parameter_server_count)
    processes = config.mpi.process_count_per_node * config.node_count
    if processes <= 1:
        return Job()
    if shutil.which("mpirun") is None:
        raise NotSupportedError(
            f"Cannot start {processes} processes by MPI: there is no `mpirun` on PATH. Install Open MPI or MPICH; or, for "
            f"torch.distributed, give PyTorchConfiguration(process_count={processes}) as distributed_job_config, or "
            f"ScriptRunConfig(source_directory, command='torchrun --nproc-per-node {processes} {script}')."
        )
    return Job("mpi", processes)


class Processes:
    """The running processes of a script. Used from one thread."""

    def __init__(self, job: Job, logs: Path) -> None:
        """Prepare; `start` begins.

        Args:
            logs: a folder that is made for what they print, and removed with `close`.
        """
        self._job = job
        self._logs = logs
        self._started: list[_Process] = []

    def start(self, command: Sequence[str] | str, folder: str, variables: Mapping[str, str]) -> None:
        """Start them.

        Args:
            command: of each; text goes to a shell.
            folder: where they run.
            variables: their whole environment, but for what tells one from another.

        Raises:
            OSError: one cannot be started; none is running then.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        if self._job.framework == "mpi":
            command = _by_mpirun(command, self._job.processes)
        try:
            for rank, (own, is_server) in enumerate(_variables_of(self._job)):
                self._started.append(_Process(command, folder, {**variables, **own}, self._logs, rank, is_server))
        except OSError:
            self.stop()
            raise

    @property
    def code(self) -> int | None:
        """The exit code once the job has ended: that of the first to fail, else 0; None while it goes on."""
        codes = [one.poll() for one in self._started if not one.is_server]
        failed = self._failed()
        if failed is not None:
            return failed.poll()
        return None if None in codes else 0

    def _failed(self) -> _Process | None:
        return next((one for one in self._started if one.poll() not in (None, 0)), None)

    def wait(self, timeout_s: float) -> None:
        """Wait until the first of them that still runs has ended, but no longer than some time."""
        running = next((one for one in self._started if one.poll() is None), None)
        if running is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.popen.wait(timeout_s)

    def read(self, take: Take) -> bool:
        """Hand on what was printed since the last time, of much a part; return whether there is more."""
        have_more = [
            one.read(take, is_one_of_several=len(self._started) > 1) for one in self._started
        ]  # each, not up to the first
        return any(have_more)

    def last_errors(self) -> list[str]:
        """Return the last lines on stderr, of the process that failed if one did."""
        failed = self._failed() or self._started[0]
        return [*failed.errors, *([failed.rests["stderr"]] if failed.rests["stderr"] else [])]

    def stop(self, *, told: bool = False) -> None:
        """End all that still run with those they started: politely first. `told`: Ctrl-C in a terminal has reached them."""
        import psutil

        family: list[psutil.Process] = []
        for one in (one for one in self._started if one.poll() is None):
            with contextlib.suppress(psutil.NoSuchProcess):
                leader = psutil.Process(one.popen.pid)
                family += [*leader.children(recursive=True), leader]
        for member in family if not told else []:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.terminate()
        _, alive = psutil.wait_procs(family, timeout=_END_S)
        for member in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        for one in self._started:
            one.popen.wait()

    def close(self) -> None:
        """Let go of the files."""
        for one in self._started:
            one.close()
        shutil.rmtree(self._logs, ignore_errors=True)


class _Process:
    """One process, and how far its output has been read."""

    def __init__(
        self,
        command: Sequence[str] | str,
        folder: str,
        variables: Mapping[str, str],
        logs: Path,
        rank: int,
        is_server: bool,
    ) -> None:
        self.rank = rank
        self.is_server = is_server
        self.errors: deque[str] = deque(maxlen=_TAIL_LINES)
        self.rests = {"stdout": "", "stderr": ""}  # of a line without its end
        self._decoders: dict[str, Any] = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in self.rests}
        self._readers: dict[str, int] = {}
        files = {name: logs / f"{name}-{rank}.txt" for name in self.rests}
        with contextlib.ExitStack() as opened:
            # Appending: a script may start others that write to the same place.
            streams = {name: opened.enter_context(file.open("ab")) for name, file in files.items()}
            self._readers = {name: os.open(file, os.O_RDONLY) for name, file in files.items()}
            try:
                self.popen = subprocess.Popen(
                    command,
                    shell=isinstance(command, str),  # a command line of the user's own
                    cwd=folder,
                    env=dict(variables),
                    stdout=streams["stdout"],
                    stderr=streams["stderr"],
                )
            except OSError:
                self.close()
                raise

    def poll(self) -> int | None:
        return self.popen.poll()

    def read(self, take: Take, *, is_one_of_several: bool) -> bool:
        has_more = False
        for name, reader in self._readers.items():
            has_ended = self.poll() is not None  # before reading: what it printed is then all there
            for count in range(_PIECES):
                piece = os.read(reader, _PIECE_BYTES)
                if not piece:
                    break
                has_more = has_more or count == _PIECES - 1
                text = self._decoders[name].decode(piece)
                *lines, self.rests[name] = (self.rests[name] + text).split("\n")
                if name == "stderr":
                    self.errors.extend(lines)
                if not is_one_of_several:
                    take(name, text, None)
                elif lines:
                    # Whole lines only, or those of two processes would run into each other.
                    take(name, "".join(f"{line}\n" for line in lines), self.rank)
            if has_ended and not has_more and is_one_of_several and self.rests[name]:
                take(name, f"{self.rests[name]}\n", self.rank)
                self.rests[name] = ""
        return has_more

    def close(self) -> None:
        for reader in self._readers.values():
            os.close(reader)
        self._readers = {}


def _variables_of(job: Job) -> list[tuple[dict[str, str], bool]]:
    """Return what each process has of its own in its environment, and whether it is a server."""
    if job.framework == "pytorch":
        return [
            (
                {
                    "RANK": str(rank),
                    "LOCAL_RANK": str(rank),
                    "WORLD_SIZE": str(job.processes),
                    "LOCAL_WORLD_SIZE": str(job.processes),
                    "NODE_RANK": "0",
                    "NODE_COUNT": "1",
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": port,
                },
                False,
            )
            for port in _free_ports(1)
            for rank in range(job.processes)
        ]
    if job.framework == "tensorflow":
        addresses = [f"127.0.0.1:{port}" for port in _free_ports(job.processes + job.servers)]
        cluster = {"worker": addresses[: job.processes], "ps": addresses[job.processes :]}
        cluster = {kind: members for kind, members in cluster.items() if members}
        return [
            ({"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}, kind == "ps")
            for kind, members in cluster.items()
            for index in range(len(members))
        ]
    return [({}, False)]


def _free_ports(count: int) -> list[str]:
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]


def _by_mpirun(command: Sequence[str] | str, processes: int) -> list[str]:
    options = ["-n", str(processes)]
    version = subprocess.run(["mpirun", "--version"], capture_output=True, text=True, check=False).stdout
    if "Open MPI" in version:
        options.append("--oversubscribe")  # more processes than cores
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--allow-run-as-root")  # as in most containers
    return ["mpirun", *options, *(["sh", "-c", command] if isinstance(command, str) else command)]
