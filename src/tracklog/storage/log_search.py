"""Find lines of a run's log: by words or a regular expression, level, rank and stream.

A log may have millions of lines, so a search works for a while, counts, says how far it came, and is asked again. Words are
looked for in this process, first in the bytes of a block of lines, which are read as lines only where they may match. A regular
expression may take for ever on a line that it was not meant for, and Python holds its lock meanwhile; so it runs in a process
of its own, `pattern_worker.py`, which is ended after `PATTERN_S`. (RE2 needs no such care, but has no wheel on every platform
that we run on, no types, and other rules than `re`.)
"""

from __future__ import annotations

import contextlib
import marshal
import os
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import msgspec

from tracklog.errors import InvalidValueError, StoreUnavailableError, shown
from tracklog.records import LogLine
from tracklog.storage import LOG_SEGMENT_LINES, MAX_LOG_MATCHES, LogMatch, LogMatches, LogQuery, pattern_worker

MAX_TEXT_CHARS = 1000
MAX_BUDGET_MS = 2000
PATTERN_S = 2.0  # what an expression may take for _PIECE_CHARS of text; usually some ms
_PIECE_CHARS = 256_000
_MAX_IDLE = 2  # processes that wait for the next question
_PLAIN_LEVEL = 20  # of a line that says nothing of it. Not more on stderr: progress bars print there

# The portal draws lines by the same rules: `levelOf` and `stripAnsi` there.
_LEVEL_WORD = re.compile(r"\b(?:(DEBUG)|(INFO)|(WARN(?:ING)?)|(ERROR|CRITICAL|FATAL))\b", re.ASCII)
_LOUD = ("WARN", "ERROR", "CRITICAL", "FATAL", "Traceback", "Error", "Exception")  # a line above INFO has one of these
_QUIET = ("DEBUG",)  # and one below it this
_LEVEL_WITHIN = 60  # loggers write the level near the start, in capitals; so do most people
_PYTHON_ERROR = re.compile(r"Traceback \(most recent call last\)|[\w.]*(?:Error|Exception)\b(?::|$)", re.ASCII)
# CSI sequences (ECMA-48 §5.4), OSC up to BEL or ST, and two-character escapes.
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;:?]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")

_LOWER_TO_ASCII = (
    "\u212a".encode(),
    "\u0130".encode(),
)  # beyond ASCII, lower case within it


def check_log_query(query: LogQuery) -> None:
    """Refuse a search that cannot be answered. Raises InvalidValueError."""
    bounds = {"limit": (0 if query.count else 1, MAX_LOG_MATCHES), "budget_ms": (1, MAX_BUDGET_MS), "first_line": (0, 2**53)}
    for name, (low, high) in bounds.items():
        given = getattr(query, name)
        if not low <= given <= high:
            raise InvalidValueError(
                f"Cannot search a log with `{name}` {given}. Expected {low} to {high}.", parameter=name, given=given
            )
    if len(query.text) > MAX_TEXT_CHARS:
        raise InvalidValueError(
            f"Cannot search for a text of {len(query.text)} characters. Expected up to {MAX_TEXT_CHARS}.",
            parameter="text",
            given=query.text[:100],
        )


def plain_text(text: str) -> str:
    """Return what a terminal would still show of a line, without colours: a progress bar rewrites it after each \\r."""
    if "\r" in text:
        text = text.removesuffix("\r").rsplit("\r", 1)[-1]
    return _ESCAPE.sub("", text) if "\x1b" in text else text


def level_of(line: LogLine, plain: str) -> int:
    """Return the level of Python logging that a line was logged with, or says that it has."""
    if line.level:
        return line.level
    said = _LEVEL_WORD.search(plain, 0, _LEVEL_WITHIN + len("CRITICAL") + 1)
    if said is not None and said.start() <= _LEVEL_WITHIN:
        return 10 * (said.lastindex or 0)
    return 40 if _PYTHON_ERROR.match(plain) else _PLAIN_LEVEL


class Finder(Protocol):
    """Finds a text in others."""

    def may_be_in(self, data: bytes) -> bool:
        """Whether it is worth while to read bytes as lines."""

    def find(self, texts: list[str], detailed: int) -> tuple[list[int], list[list[int]]]:
        """Return the places of the texts in which it occurs, and ranges in the first `detailed` of these."""


class Words:
    """Words, or phrases between double quotes, all of which must occur."""

    def __init__(self, text: str, *, ignore_case: bool) -> None:
        self._ignore_case = ignore_case
        parts = [phrase or word for phrase, word in re.findall(r'"([^"]+)"|(\S+)', text)]
        self._parts = [part.lower() if ignore_case else part for part in parts]
        # `bytes.lower` knows ASCII alone. A lone surrogate is in no stored text.
        self._bytes = [part.encode("utf-8", "replace") for part in self._parts if part.isascii() or not ignore_case]
        longest_first = sorted(map(re.escape, parts), key=len, reverse=True)
        self._marks = re.compile("|".join(longest_first), re.IGNORECASE if ignore_case else 0)

    def may_be_in(self, data: bytes) -> bool:
        """See `Finder.may_be_in`."""
        if not self._bytes or b"\x1b" in data or b"\r" in data:  # a word may have a colour inside
            return True
        if self._ignore_case:
            if any(letter in data for letter in _LOWER_TO_ASCII):
                return True
            data = data.lower()
        return all(part in data for part in self._bytes)

    def find(self, texts: list[str], detailed: int) -> tuple[list[int], list[list[int]]]:
        """See `Finder.find`."""
        found: Iterable[int] = range(len(texts))
        sought = [text.lower() for text in texts] if self._ignore_case else texts
        for part in self._parts:
            found = [at for at in found if part in sought[at]]
        places = list(found)
        if not self._parts:
            return places, [[] for _ in places[:detailed]]
        return places, [pattern_worker.ranges(self._marks, texts[at]) for at in places[:detailed]]


class Expression:
    """A regular expression, in the language of Python's `re`."""

    def __init__(self, text: str, patterns: Patterns, *, ignore_case: bool) -> None:
        self._text, self._patterns, self._ignore_case = text, patterns, ignore_case
        patterns.search(text, [], 0, ignore_case=ignore_case)  # what is no expression is refused by an empty log, too

    def may_be_in(self, data: bytes) -> bool:
        """See `Finder.may_be_in`."""
        return True

    def find(self, texts: list[str], detailed: int) -> tuple[list[int], list[list[int]]]:
        """See `Finder.find`. Raises InvalidValueError when it is none, or takes too long."""
        found: list[int] = []
        ranges: list[list[int]] = []
        for first, piece in _pieces(texts):
            places, marked = self._patterns.search(self._text, piece, detailed - len(ranges), ignore_case=self._ignore_case)
            found += [first + place for place in places]
            ranges += marked
        return found, ranges


def _pieces(texts: list[str]) -> Iterable[tuple[int, list[str]]]:
    first = chars = 0
    for at, text in enumerate(texts):
        chars += len(text)
        if chars >= _PIECE_CHARS:
            yield first, texts[first : at + 1]
            first, chars = at + 1, 0
    if first < len(texts):
        yield first, texts[first:]


class LogSearch:
    """One search at work: takes blocks of lines, ascending, until it is over or its time is."""

    def __init__(self, query: LogQuery, patterns: Patterns, total_lines: int) -> None:
        self._query, self._total = query, total_lines
        self._finder: Finder = (
            Expression(query.text, patterns, ignore_case=query.ignore_case)
            if query.regex and query.text
            else Words(query.text, ignore_case=query.ignore_case)
        )
        self._ends = time.monotonic() + query.budget_ms / 1000
        self._last_line = total_lines if query.end_line is None else min(query.end_line, total_lines)
        self.end_line = self._last_line  # of what is still to be searched
        self.next_line = min(query.first_line, self.end_line)
        self._first_segment = self.next_line // LOG_SEGMENT_LINES
        self._counts: list[int] = []
        self._matches: list[LogMatch] = []

    @property
    def is_over(self) -> bool:
        """Whether to come back with what there is."""
        return self.next_line >= self.end_line or time.monotonic() > self._ends

    def take(self, blocks: Sequence[tuple[Any, ...]]) -> None:
        """Search blocks of lines, (first line, how many, as stored), ascending. Lines before `next_line` are passed over."""
        numbers: list[int] = []
        lines: list[LogLine] = []
        texts: list[str] = []
        for first_line, n, data in blocks:
            block = zlib.decompress(data)
            skip = max(0, self.next_line - first_line)
            self.next_line = min(first_line + n, self.end_line)
            if not self._finder.may_be_in(block):
                continue
            found = msgspec.msgpack.decode(block, type=list[LogLine])[skip : self.next_line - first_line]
            plain = [line.text for line in found]
            if b"\x1b" in block or b"\r" in block:
                plain = list(map(plain_text, plain))
            for at in self._chosen(found, plain, block):
                numbers.append(first_line + skip + at)
                lines.append(found[at])
                texts.append(plain[at])
        segments = (self.next_line - 1) // LOG_SEGMENT_LINES + 1 - self._first_segment
        self._counts += [0] * (segments - len(self._counts))
        wanted = self._query.limit - len(self._matches)
        places, ranges = self._finder.find(texts, wanted) if texts else ([], [])
        if not self._query.count and len(places) >= wanted:
            places = places[:wanted]
            self.next_line = self.end_line = numbers[places[-1]] + 1
        for place in places:
            self._counts[numbers[place] // LOG_SEGMENT_LINES - self._first_segment] += 1
        self._matches += [LogMatch(numbers[at], lines[at], marked) for at, marked in zip(places, ranges, strict=False)]

    def _chosen(self, lines: list[LogLine], texts: list[str], block: bytes) -> Iterable[int]:
        """Return the places of the lines that are of the level, rank and stream asked for."""
        level, rank, stream = self._query.level, self._query.rank, self._query.stream
        chosen: Iterable[int] = range(len(lines))
        if stream:
            chosen = [at for at in chosen if lines[at].stream == stream]
        if rank is not None:
            chosen = [at for at in chosen if lines[at].rank == rank]
        if level > 0:
            # To ask each line for what it says of itself takes ten times as long as to see that it says nothing.
            hints = [word for word in (_LOUD if level > _PLAIN_LEVEL else _QUIET) if word.encode() in block]
            chosen = [
                at
                for at in chosen
                if (
                    level_of(lines[at], texts[at])
                    if not lines[at].level and any(word in texts[at] for word in hints)
                    else lines[at].level or _PLAIN_LEVEL
                )
                >= level
            ]
        return chosen

    def answer(self) -> LogMatches:
        """Return what was found."""
        return LogMatches(
            matches=self._matches,
            first_segment=self._first_segment,
            counts=self._counts,
            next_line=self.next_line,
            is_done=self.next_line >= self._last_line,
            total_lines=self._total,
        )


class Patterns:
    """Processes in which regular expressions run, each for one question at a time. Safe for threads."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()

    def search(self, expression: str, texts: list[str], detailed: int, *, ignore_case: bool) -> tuple[list[int], list[list[int]]]:
        """See `Finder.find`. Raises InvalidValueError when it is no expression, or takes too long."""
        message = marshal.dumps((expression, ignore_case, texts, max(0, detailed)))
        worker = self._borrow()
        answer = worker.ask(message)
        if answer is None and not worker.is_overdue:  # it had ended by itself: nobody had asked for so long
            worker.close()
            worker = _Worker()
            answer = worker.ask(message)
        if answer is None:
            worker.close()
            if not worker.is_overdue:
                raise StoreUnavailableError("The process that searches for regular expressions ended unexpectedly. Try again.")
            raise InvalidValueError(
                f"The expression {shown(expression)} was stopped: it took more than {PATTERN_S:g} s for {len(texts)} lines. "
                "Repetitions inside of repetitions, such as `(a+)+`, try ever more ways to match; write it without them.",
                parameter="text",
                given=expression,
            )
        self._give_back(worker)
        error, found, ranges = marshal.loads(answer)  # noqa: S302  # of our own process
        if error:
            raise InvalidValueError(
                f"Cannot search for {shown(expression)}: {error}. Expected a regular expression as Python has them.",
                parameter="text",
                given=expression,
            )
        return found, ranges

    def _borrow(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.owner == os.getpid():
                    return worker
        return _Worker()

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            if len(self._idle) < _MAX_IDLE:
                self._idle.append(worker)
                return
        worker.close()

    def close(self) -> None:
        """End what waits."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            if worker.owner == os.getpid():
                worker.close()


class _Worker:
    """One process."""

    def __init__(self) -> None:
        self.owner = os.getpid()  # a forked child must not talk to its parent's
        self.is_overdue = False
        program = [sys.executable, "-I", "-S", str(Path(pattern_worker.__file__))]
        try:
            self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._stdin, self._stdout = cast("BinaryIO", self._process.stdin), cast("BinaryIO", self._process.stdout)
        except OSError as error:
            raise StoreUnavailableError(f"Cannot start {program[0]} to search for a regular expression: {error}.") from error

    def ask(self, message: bytes) -> bytes | None:
        """Return the answer; None when the process ended instead."""
        timer = threading.Timer(PATTERN_S, self._end)
        timer.start()
        try:
            self._stdin.write(struct.pack("<I", len(message)) + message)
            self._stdin.flush()
            head = self._stdout.read(4)
            answer = self._stdout.read(*struct.unpack("<I", head)) if len(head) == 4 else b""
        except OSError:
            return None
        finally:
            timer.cancel()
        return answer or None

    def _end(self) -> None:
        self.is_overdue = True
        self._process.kill()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):  # what it never read
                stream.close()
