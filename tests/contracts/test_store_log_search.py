"""The contract of `Store`: the search of a log. See `test_store.py`."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

import pytest
from tests.batches import T0_MS, Writer

from tracklog.errors import InvalidValueError, NotFoundError
from tracklog.records import LogLine, LogLines
from tracklog.storage import LOG_SEGMENT_LINES, LogMatches, LogQuery, Store

MIXED = [
    LogLine(T0_MS, "stdout", "[INFO] step 1 loss 0.5"),
    LogLine(T0_MS, "stderr", "\x1b[31mstep\x1b[0m 2 LOSS nan"),
    LogLine(T0_MS, "logging", "all is well", 20, "train"),
    LogLine(T0_MS, "logging", "disk is full", 40, "train", 1),
    LogLine(T0_MS, "stdout", "10 %\r50 %\r100 % loss done", 0, "", 2),
    LogLine(T0_MS, "stdout", "DEBUG naïve Größe 模型 🚀 loss"),
    LogLine(T0_MS, "stderr", "ValueError: no loss", 0, "", 1),
    LogLine(T0_MS, "stdout", ""),
]


@pytest.fixture
def put(store: Store, experiment: str) -> Callable[..., str]:
    def put(lines: list[LogLine], per_batch: int = 3) -> str:
        """Store a log in blocks of `per_batch` lines and return the run's id."""
        writer = Writer(experiment=experiment).start()
        store.apply(writer.batch())
        batches = [writer.add(LogLines(lines[first : first + per_batch])).batch() for first in range(0, len(lines), per_batch)]
        if batches:
            store.apply_all(batches)
        return writer.run_id

    return put


def numbers(found: LogMatches) -> list[int]:
    return [match.number for match in found.matches]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (LogQuery(), range(8)),
        (LogQuery("loss"), [0, 1, 4, 5, 6]),
        (LogQuery("loss", ignore_case=False), [0, 4, 5, 6]),
        (LogQuery("LOSS step"), [0, 1]),
        (LogQuery('"step 2"'), [1]),  # a colour ends between the words
        (LogQuery('"step 3"'), []),
        (LogQuery("50"), []),  # a terminal shows the last state
        (LogQuery("NAÏVE GRÖßE 模型 🚀"), [5]),
        (LogQuery("(loss"), []),  # no expression
        (LogQuery("(loss|well)$", regex=True), [2, 5, 6]),
        (LogQuery("^STEP", regex=True), [1]),
        (LogQuery("^STEP", regex=True, ignore_case=False), []),
        (LogQuery(r"(\d) .*\1", regex=True), []),
        (LogQuery("", regex=True), range(8)),
        (LogQuery(level=10), range(8)),
        (LogQuery(level=20), [0, 1, 2, 3, 4, 6, 7]),
        (LogQuery(level=30), [3, 6]),
        (LogQuery(level=50), []),
        (LogQuery(rank=1), [3, 6]),
        (LogQuery(stream="logging"), [2, 3]),
        (LogQuery("no", level=40, rank=1, stream="stderr"), [6]),
        (LogQuery("loss", first_line=4), [4, 5, 6]),
        (LogQuery("loss", first_line=1, end_line=5), [1, 4]),
        (LogQuery("loss", first_line=8), []),
        (LogQuery("loss", first_line=99, end_line=3), []),
    ],
    ids=repr,
)
def test_lines_are_found(store: Store, put: Callable[..., str], query: LogQuery, expected: list[int] | range) -> None:
    found = store.search_log(put(MIXED), query)

    assert numbers(found) == list(expected)
    assert [match.line for match in found.matches] == [MIXED[number] for number in expected]
    assert sum(found.counts) == len(expected)
    assert (found.is_done, found.total_lines) == (True, len(MIXED))


@pytest.mark.parametrize(
    ("query", "number", "expected"),
    [
        (LogQuery("step loss"), 1, ["step", "LOSS"]),
        (LogQuery("s los"), 1, ["s", "LOS", "S"]),
        (LogQuery(r"\d|n?a*", regex=True), 1, ["2", "nan"]),
        (LogQuery("🚀 loss"), 5, ["🚀", "loss"]),
        (LogQuery(level=40), 6, []),
    ],
    ids=repr,
)
def test_what_was_found_is_marked_in_the_text_as_it_is_seen(
    store: Store, put: Callable[..., str], query: LogQuery, number: int, expected: list[str]
) -> None:
    [match] = [one for one in store.search_log(put(MIXED), query).matches if one.number == number]

    seen = re.sub("\x1b\\[\\d*m", "", match.line.text)
    found = [seen[start:end] for start, end in zip(match.ranges[::2], match.ranges[1::2], strict=True)]
    if query.regex:
        assert "".join(found) == "".join(re.findall(query.text, seen, re.IGNORECASE))
    else:
        assert found == expected


def test_letters_whose_lower_case_is_ascii_are_found(store: Store, put: Callable[..., str]) -> None:
    run_id = put(
        [LogLine(T0_MS, "stdout", "300 \u212a"), LogLine(T0_MS, "stdout", "\u0130 is dotted"), LogLine(T0_MS, "stdout", "x")]
    )

    assert numbers(store.search_log(run_id, LogQuery("k"))) == [0]
    assert numbers(store.search_log(run_id, LogQuery("i"))) == [1]


@pytest.mark.parametrize("text", ["line", "line [0-9]*7$"], ids=["words", "expression"])
@pytest.mark.parametrize("per_batch", [7, 5000])
def test_a_search_goes_on_where_it_came_to(store: Store, put: Callable[..., str], text: str, per_batch: int) -> None:
    lines = [LogLine(T0_MS + i, "stdout", f"line {i} {'.' * 200 if text == 'line' else ''}".strip()) for i in range(5432)]
    run_id = put(lines, per_batch)
    expected = [i for i in range(len(lines)) if text == "line" or i % 10 == 7]
    counted = [0] * (len(lines) // LOG_SEGMENT_LINES + 1)
    first, is_done, matches = 0, False, []

    while not is_done:
        found = store.search_log(run_id, LogQuery(text, regex="[" in text, limit=10_000, budget_ms=1, first_line=first))
        assert found.next_line > first
        assert found.first_segment == first // LOG_SEGMENT_LINES
        for segment, count in enumerate(found.counts, found.first_segment):
            counted[segment] += count
        first, is_done = found.next_line, found.is_done
        matches += numbers(found)

    assert matches == expected
    assert counted == [sum(1 for i in expected if i // LOG_SEGMENT_LINES == segment) for segment in range(len(counted))]


def test_without_a_count_a_search_ends_with_the_last_line_it_returns(store: Store, put: Callable[..., str]) -> None:
    run_id, first, pages = put(MIXED), 0, []

    while len(pages) < 4:
        found = store.search_log(run_id, LogQuery("loss", limit=2, count=False, first_line=first))
        pages.append(numbers(found))
        first = found.next_line
        if found.is_done:
            break

    assert pages == [[0, 1], [4, 5], [6]]
    assert first == len(MIXED)


def test_lines_that_were_added_are_found_from_where_the_search_ended(store: Store, experiment: str) -> None:
    writer = Writer(experiment=experiment).start().add(LogLines(MIXED[:2]))
    store.apply(writer.batch())
    before = store.search_log(writer.run_id, LogQuery("loss"))

    store.apply(writer.add(LogLines(MIXED[2:])).batch())
    after = store.search_log(writer.run_id, LogQuery("loss", first_line=before.next_line))

    assert (numbers(before), numbers(after)) == ([0, 1], [4, 5, 6])


@pytest.mark.parametrize("text", ["(", "a{99999999999}", "(?<=a+)b", "[z-a]"])
def test_what_is_no_expression_is_refused(store: Store, put: Callable[..., str], text: str) -> None:
    with pytest.raises(InvalidValueError, match="Cannot search for"):
        store.search_log(put(MIXED), LogQuery(text, regex=True))


@pytest.mark.parametrize(
    "query",
    [LogQuery("x" * 1001), LogQuery(limit=-1), LogQuery(limit=0, count=False), LogQuery(budget_ms=0), LogQuery(first_line=-1)],
)
def test_wrong_searches_are_refused(store: Store, put: Callable[..., str], query: LogQuery) -> None:
    with pytest.raises(InvalidValueError, match="Cannot search"):
        store.search_log(put(MIXED), query)


def test_a_log_of_no_run_or_no_lines_is_searched(store: Store, put: Callable[..., str]) -> None:
    with pytest.raises(NotFoundError):
        store.search_log("no-such-run", LogQuery("x"))
    assert store.search_log(put([]), LogQuery("x")) == LogMatches([], 0, [], 0, True, 0)


def test_an_expression_that_would_take_for_ever_is_stopped_and_holds_up_nobody(store: Store, put: Callable[..., str]) -> None:
    run_id = put([LogLine(T0_MS, "stdout", "a" * 60)])
    errors: list[Exception] = []

    def search() -> None:
        try:
            store.search_log(run_id, LogQuery("(a+)+$b", regex=True))
        except InvalidValueError as error:
            errors.append(error)

    searching = threading.Thread(target=search)
    searching.start()
    slowest = 0.0
    while searching.is_alive():
        begin = time.perf_counter()
        assert numbers(store.search_log(run_id, LogQuery("aa"))) == [0]
        slowest = max(slowest, time.perf_counter() - begin)
        time.sleep(0.05)

    assert "was stopped" in str(errors[0])
    assert slowest < 1.5  # less than the other took
    assert numbers(store.search_log(run_id, LogQuery("a$", regex=True))) == [0]
