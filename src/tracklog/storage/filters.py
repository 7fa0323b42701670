"""The filter language: one for the native API, the portal, the command line and MLflow clients.

    metrics.loss < 0.1 and params.model = 'resnet' and (tags.kind is null or not status = 'Failed')

A condition is a comparison, or conditions joined by `and`, `or`, `not` and parentheses; words in any case. The left side of
a comparison is an attribute, or `metrics.K`, `params.K`, `tags.K`, `datasets.K`; a key with other characters than letters,
digits, `_`, `-`, `/` and `.` is quoted by backticks or double quotes, which are doubled inside. `metrics.K` is the last value
of a series, all of the text after the first dot its name; the other numbers of a series are functions, so that no metric's
name can be taken for one: `min(metrics.K)`, `max`, `mean`, `count` (of points), `step` (of the last point). Operators are
`=`, `!=`, `<`, `<=`, `>`, `>=`, `like`, `ilike` (`%` any characters, `_` one), `in (…)`, `is null`, and `not like`, `not ilike`,
`not in (…)`, `is not null`. Text is quoted by single or double quotes, doubled inside; numbers may be `nan` and `inf`;
`true` and `false` are the texts `True` and `False`.

A comparison with what a run does not have is false, that with `!=` or `not like` too; `is null` finds those. So there is no
third truth: `not` turns false into true. Where something has several values (data sets), one that fits is enough.

`parse` gives a tree of what is written. A `Vocabulary` says what a kind of thing can be asked: `condition` parses, resolves
the spellings of attributes, checks types, and turns dates into numbers. The result is said in SQL by `query.py`, for runs, or
evaluated over values by `matches`, for what is few. Both mean the same.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Literal, TypeAlias

from tracklog.errors import FilterError, suggestion
from tracklog.records import ParamValue, RunStatus

Entity = Literal[
    "attribute",
    "metric",  # the last value of a series
    "metric.min",
    "metric.max",
    "metric.mean",
    "metric.count",
    "metric.step",
    "param",
    "tag",
    "dataset",
]
Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "like", "not like", "ilike", "not ilike", "in", "not in", "is null", "is not null"
]
Kind = Literal["text", "number", "time", "status"]  # of an attribute
Value: TypeAlias = "str | float | tuple[str, ...] | tuple[float, ...] | None"

MAX_CHARS = 100_000  # room for the ids of some thousand runs
MAX_COMPARISONS = 200  # SQLite takes expressions 1,000 deep, and a chain of `and` is as deep as it is long
MAX_PATTERN_CHARS = 5000  # of `like`; SQLite takes ten times as many
MAX_DEPTH = 50  # of parentheses and `not`: evaluated recursively

# Words of MLflow's clients for a status, in capitals; ours are read in any case.
MLFLOW_STATUS: Mapping[str, tuple[RunStatus, ...]] = {
    "SCHEDULED": (
        RunStatus.NOT_STARTED,
        RunStatus.STARTING,
        RunStatus.PROVISIONING,
        RunStatus.PREPARING,
        RunStatus.QUEUED,
    ),
    "RUNNING": (
        RunStatus.RUNNING,
        RunStatus.FINALIZING,
        RunStatus.CANCEL_REQUESTED,
        RunStatus.PAUSED,
        RunStatus.NOT_RESPONDING,
    ),
    "FINISHED": (RunStatus.COMPLETED,),
    "FAILED": (RunStatus.FAILED,),
    "KILLED": (RunStatus.CANCELED,),
}

_PREFIX_WORDS: dict[Entity, tuple[str, ...]] = {
    "metric": ("metrics", "metric"),
    "param": ("params", "param", "parameters", "parameter"),
    "tag": ("tags", "tag"),
    "dataset": ("datasets", "dataset"),
    "attribute": ("attributes", "attribute", "attr", "run"),
}
ENTITY_BY_PREFIX: Mapping[str, Entity] = {word: entity for entity, words in _PREFIX_WORDS.items() for word in words}
ENTITY_BY_FUNCTION: Mapping[str, Entity] = {
    "last": "metric",
    "min": "metric.min",
    "max": "metric.max",
    "mean": "metric.mean",
    "avg": "metric.mean",
    "count": "metric.count",
    "step": "metric.step",
}
_RESERVED = frozenset(("and", "or", "not", "in", "is", "null", "like", "ilike", "asc", "desc", "nan", "inf", "infinity"))
_PLAIN_KEY = re.compile(r"[\w./-]+")
_PLAIN_WORD = re.compile(r"[^\W\d][\w/-]*")
_ORDERINGS = ("<", "<=", ">", ">=")
_PATTERNS = ("like", "not like", "ilike", "not ilike")
_DATASET_KEYS = ("name", "digest", "context")
_AGO = re.compile(r"(?:now)?\s*-\s*(\d{1,9})\s*([smhdw])")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True)
class Comparison:
    """One comparison. `start` and `end` are its place in the text, for messages."""

    entity: Entity
    key: str  # as written, without prefix and quotes
    operator: Operator
    value: Value  # several for `in`; None for `is null`
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Not:
    """True where the condition is not."""

    condition: Condition


@dataclass(frozen=True)
class And:
    """True where all conditions are."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Or:
    """True where one of the conditions is."""

    conditions: tuple[Condition, ...]


Condition: TypeAlias = Comparison | Not | And | Or


# -------------------------------------------------------------------------- reading and writing


@functools.lru_cache(maxsize=256)  # a client asks the same again and again, and trees do not change
def parse(text: str) -> Condition | None:
    """Return the condition a text says, None for blank text.

    Raises:
        FilterError: the text is not in the language; `position` is where, the message shows it and says what was expected.
    """
    _check_text(text)
    if not text.strip():
        return None
    from tracklog.storage.filter_grammar import read_condition

    condition = read_condition(text)
    _check_size(text, condition)
    return condition


@functools.lru_cache(maxsize=256)
def parse_order(clause: str) -> tuple[Entity, str, bool]:
    """Return (entity, key, whether descending) of an order clause, such as "metrics.`val loss` DESC".

    Raises:
        FilterError: the clause is something else.
    """
    _check_text(clause)
    from tracklog.storage.filter_grammar import read_order

    return read_order(clause)


def to_text(condition: Condition) -> str:
    """Return a condition as text that `parse` reads as the same condition."""
    if isinstance(condition, Comparison):
        return _comparison_text(condition)
    if isinstance(condition, Not):
        return f"not {_inner_text(condition.condition)}"
    word = " and " if isinstance(condition, And) else " or "
    return word.join(_inner_text(one) for one in condition.conditions)


def _inner_text(condition: Condition) -> str:
    text = to_text(condition)
    return f"({text})" if isinstance(condition, And | Or) else text


def _comparison_text(one: Comparison) -> str:
    key = one.key if _PLAIN_KEY.fullmatch(one.key) else "`" + one.key.replace("`", "``") + "`"
    if one.entity == "attribute":
        is_word = _PLAIN_WORD.fullmatch(one.key) and one.key.lower() not in _RESERVED
        left = key if is_word else f"attributes.{key}"
    elif one.entity.startswith("metric."):
        left = f"{one.entity.removeprefix('metric.')}(metrics.{key})"
    else:
        left = f"{one.entity}s.{key}"
    if one.value is None:
        return f"{left} {one.operator}"
    values = ", ".join(_value_text(value) for value in several(one.value))
    return f"{left} {one.operator} " + (f"({values})" if isinstance(one.value, tuple) else values)


def _value_text(value: str | float) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(float(value))


def _check_text(text: str) -> None:
    if len(text) > MAX_CHARS:
        raise FilterError(
            f"A filter has {len(text)} characters. Expected at most {MAX_CHARS}; ask in parts.", position=MAX_CHARS, end=len(text)
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise complaint(text, error.start, error.end, "this is not valid Unicode") from None


def _check_size(text: str, condition: Condition) -> None:
    comparisons = 0
    waiting = [(condition, 0)]
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, Comparison):
            comparisons += 1
            if comparisons > MAX_COMPARISONS:
                raise complaint(text, one.start, one.end, f"this is one comparison more than {MAX_COMPARISONS}; ask in parts")
            if depth > MAX_DEPTH:
                raise complaint(text, one.start, one.end, f"this is nested more than {MAX_DEPTH} deep")
        elif isinstance(one, Not):
            waiting.append((one.condition, depth + 1))
        else:
            waiting.extend((inner, depth + 1) for inner in reversed(one.conditions))


def complaint(text: str, start: int, end: int, reason: str, *, what: str = "filter") -> FilterError:
    """Return the error that shows text[start:end] and says what is wrong there. `what` is the parameter's name."""
    end = max(start, min(end, len(text)))
    before, after = max(0, start - 50), min(len(text), max(end, start + 1) + 30)
    shown = re.sub(r"\s", " ", text[before:after])
    mark = "^" * max(1, min(end, after) - start)
    head, tail = "…" if before else "", "…" if after < len(text) else ""
    return FilterError(
        f"Cannot read `{what}` at character {start + 1}: {reason}{'' if reason[-1] in '.?' else '.'}\n"
        f"    {head}{shown}{tail}\n    {' ' * (len(head) + start - before)}{mark}",
        position=start,
        end=end,
        parameter=what,
    )


# -------------------------------------------------------------------------------- what can be asked


@dataclass(frozen=True)
class Attribute:
    """An attribute of a kind of thing."""

    name: str
    kind: Kind
    spellings: tuple[str, ...] = ()  # other words for it; in lower case, any case is read


class Vocabulary:
    """What conditions and orders of one kind of thing may speak of.

    Vocabulary("models", [Attribute("name", "text"), Attribute("created", "time", ("creation_timestamp",))], ["tag"])
    """

    def __init__(self, things: str, attributes: Iterable[Attribute], entities: Collection[Entity] = ()) -> None:
        """Say what there is: attributes, and what beside them. `things` is what is searched, for messages."""
        self._things = things
        self._entities = frozenset(entities)
        self._by_spelling = {spelling: one for one in attributes for spelling in (one.name, *one.spellings)}

    def condition(self, text: str, *, now_ms: int) -> Condition | None:
        """Return the condition a text says, attributes by their own names and times in ms; None for blank text.

        Args:
            now_ms: what `-7d` counts from, ms UTC.

        Raises:
            FilterError: not in the language, or of something that these things do not have.
        """
        parsed = parse(text)
        return None if parsed is None else self._resolved(text, parsed, now_ms)

    def order(self, clause: str) -> tuple[Entity, str, bool]:
        """Return (entity, key, whether descending) of an order clause, attributes by their own names.

        Raises:
            FilterError: as `condition`.
        """
        entity, key, descending = parse_order(clause)
        if entity == "attribute":
            key = self._attribute(clause, key, 0, len(clause), what="order_by").name
        elif entity == "dataset" or entity not in self._entities:
            reason = f"{self._things} are not ordered by {entity.partition('.')[0]}s"
            raise complaint(clause, 0, len(clause), reason, what="order_by")
        return entity, key, descending

    def _resolved(self, text: str, condition: Condition, now_ms: int) -> Condition:
        if isinstance(condition, Comparison):
            return self._checked(text, condition, now_ms)
        if isinstance(condition, Not):
            return Not(self._resolved(text, condition.condition, now_ms))
        resolved = tuple(self._resolved(text, one, now_ms) for one in condition.conditions)
        return And(resolved) if isinstance(condition, And) else Or(resolved)

    def _attribute(self, text: str, key: str, start: int, end: int, *, what: str = "filter") -> Attribute:
        found = self._by_spelling.get(key.lower())
        if found is None:
            prefixes = [f"{_PREFIX_WORDS[entity][0]}.…" for entity in _PREFIX_WORDS if entity in self._entities]
            known = ", ".join([*dict.fromkeys(one.name for one in self._by_spelling.values()), *prefixes])
            guess = suggestion(key.lower(), self._by_spelling)
            reason = f"{self._things} have no attribute `{key}`. Known: {known}.{guess}"
            raise complaint(text, start, end, reason, what=what)
        return found

    def _checked(self, text: str, one: Comparison, now_ms: int) -> Comparison:
        def refused(reason: str) -> FilterError:
            return complaint(text, one.start, one.end, reason)

        if one.operator in _PATTERNS and len(str(one.value)) > MAX_PATTERN_CHARS:
            raise refused(f"a pattern has at most {MAX_PATTERN_CHARS} characters")
        if one.entity != "attribute":
            if one.entity not in self._entities:
                raise refused(f"{self._things} have no {one.entity.partition('.')[0]}s")
            return _checked_key(one, refused)
        attribute = self._attribute(text, one.key, one.start, one.end)
        one = replace(one, key=attribute.name)
        if one.value is None:
            return one
        if attribute.kind == "status":
            return _status(one, refused)
        if attribute.kind == "text":
            if any(not isinstance(value, str) for value in several(one.value)):
                raise refused(f"`{one.key}` is text. Quote what it is compared with")
            return one
        if one.operator in _PATTERNS:
            raise refused(f"`{one.operator}` is for text, and `{one.key}` is a {attribute.kind}")
        if attribute.kind == "time":
            times = tuple(_time_ms(value, now_ms, refused) for value in several(one.value))
            return replace(one, value=times if isinstance(one.value, tuple) else times[0])
        if any(isinstance(value, str) for value in several(one.value)):
            raise refused(f"`{one.key}` is a number. Compare it with a number, without quotes")
        if any(math.isnan(value) for value in several(one.value) if isinstance(value, float)):
            raise refused("only the values of metrics can be nan")
        return one


_NUMBERS: list[Entity] = ["metric", "metric.min", "metric.max", "metric.mean", "metric.count", "metric.step"]
RUNS = Vocabulary(
    "runs",
    [
        Attribute("id", "text", ("run_id",)),
        Attribute("name", "text", ("run_name", "run name")),
        Attribute("status", "status"),
        Attribute("start", "time", ("start_time", "created")),
        Attribute("end", "time", ("end_time",)),
        Attribute("duration", "number"),  # seconds; of a run that is not over until now
        Attribute("user", "text", ("user_id",)),
        Attribute("experiment", "text", ("experiment_name",)),
        Attribute("number", "number"),
        Attribute("type", "text"),
        Attribute("description", "text"),
        Attribute("parent", "text", ("parent_id",)),
    ],
    [*_NUMBERS, "param", "tag", "dataset"],
)


def _checked_key(one: Comparison, refused: Callable[[str], FilterError]) -> Comparison:
    """Return a comparison of a metric, param, tag or data set if what it compares with makes sense."""
    if one.entity == "dataset" and one.key not in _DATASET_KEYS:
        raise refused(f"data sets have no `{one.key}`. Known: {', '.join(_DATASET_KEYS)}")
    if one.value is None:
        return one
    values = several(one.value)
    texts = [value for value in values if isinstance(value, str)]
    if one.entity.startswith("metric"):
        if texts:
            raise refused("metrics are numbers. Compare with a number, without quotes")
        if any(math.isnan(value) for value in values if isinstance(value, float)) and (
            one.entity != "metric" or one.operator not in ("=", "!=")
        ):
            raise refused("nan can be compared with the last value of a metric by = and != only")
    elif one.entity in ("tag", "dataset"):
        if len(texts) < len(values):
            raise refused(f"{one.entity}s are text. Quote what they are compared with")
    elif any(math.isnan(value) for value in values if isinstance(value, float)):
        raise refused("params are compared with nan as text: 'nan'")
    return one


def several(value: Value) -> tuple[str | float, ...]:
    """Return what a comparison compares with as a tuple: empty for None."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _status(one: Comparison, refused: Callable[[str], FilterError]) -> Comparison:
    """Return a comparison of a status as one with a list of our words."""
    by_word: dict[str, tuple[RunStatus, ...]] = {status.value.lower(): (status,) for status in RunStatus}
    wanted: set[RunStatus] = set()
    for value in several(one.value):
        if not isinstance(value, str):
            raise refused("`status` is text. Quote what it is compared with")
        if one.operator in _PATTERNS:
            fits = like(value, "ilike" in one.operator).fits
            wanted |= {status for status in RunStatus if fits(status.value)}
            wanted |= {status for word, meant in MLFLOW_STATUS.items() if fits(word) for status in meant}
        elif one.operator in _ORDERINGS:
            raise refused("`status` is compared by =, !=, in, like")
        else:
            meant = MLFLOW_STATUS.get(value) or by_word.get(value.lower())
            if meant is None:
                known = [status.value for status in RunStatus]
                raise refused(f"there is no status `{value}`. Known: {', '.join(known)}.{suggestion(value, known)}")
            wanted |= set(meant)
    words = tuple(sorted(status.value for status in wanted))
    negative = one.operator in ("!=", "not in", "not like", "not ilike")
    return replace(one, operator="not in" if negative else "in", value=words)


def _time_ms(value: str | float, now_ms: int, refused: Callable[[str], FilterError]) -> float:
    """Return a time in ms since the epoch of a number, a date, a date with time, or how long ago."""
    if not isinstance(value, str):
        if math.isnan(value):
            raise refused("nan is no time")
        return value
    ago = _AGO.fullmatch(value.strip().lower())
    if ago is not None:
        return float(now_ms - int(ago[1]) * _UNIT_MS[ago[2]])
    try:
        # Python 3.10 reads neither the Z of UTC nor fractions of other lengths than 3 and 6.
        given = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", value.strip()))
        return (given if given.tzinfo is not None else given.replace(tzinfo=timezone.utc)).timestamp() * 1000
    except (ValueError, OverflowError):
        raise refused(
            "this is no time. Expected a number of ms since 1970, a date such as '2026-05-01' or '2026-05-01T12:30' (UTC, "
            "or with an offset as +02:00), or '-7d' for a week ago (s, m, h, d, w)"
        ) from None


# ------------------------------------------------------------------------------------------- evaluating


def matches(condition: Condition | None, look_up: Callable[[Entity, str], object]) -> bool:
    """Return whether a condition holds where `look_up` gives the value of (entity, key).

    `look_up` returns None for what is not there, and a list where there are several values: one that fits is enough.
    """
    if condition is None:
        return True
    if isinstance(condition, Comparison):
        found = look_up(condition.entity, condition.key)
        values = found if isinstance(found, list | tuple) else [] if found is None else [found]
        if condition.value is None:
            return bool(values) is (condition.operator == "is not null")
        return any(_fits(condition, value) for value in values)
    if isinstance(condition, Not):
        return not matches(condition.condition, look_up)
    if isinstance(condition, And):
        return all(matches(one, look_up) for one in condition.conditions)
    return any(matches(one, look_up) for one in condition.conditions)


def _fits(comparison: Comparison, value: object) -> bool:
    operator = comparison.operator
    if isinstance(comparison.value, tuple):
        if not comparison.value:
            return operator == "not in"
        equal = [_compared(comparison.entity, value, "=", wanted) for wanted in comparison.value]
        # What cannot be compared at all is as if it were not there.
        return True in equal if operator == "in" else True not in equal and None not in equal
    return comparison.value is not None and _compared(comparison.entity, value, operator, comparison.value) is True


def _compared(entity: Entity, value: object, operator: Operator, wanted: str | float) -> bool | None:
    """Return how a value compares; None when it cannot be compared with what is wanted."""
    if entity == "param" and (value is None or isinstance(value, str | int | float)):
        value = param_text(value) if isinstance(wanted, str) else param_number(value)
    if isinstance(wanted, str):
        if not isinstance(value, str):
            return None
        if operator in _PATTERNS:
            return like(wanted, "ilike" in operator).fits(value) is not operator.startswith("not")
        # By code point, which is also the order of UTF-8's bytes, as in SQL.
        return _ordered(operator, value > wanted, value == wanted)
    if not isinstance(value, int | float):
        return None
    if math.isnan(wanted):
        return math.isnan(value) is (operator == "=")
    if math.isnan(value):
        return operator == "!="
    return _ordered(operator, value > wanted, value == wanted)


def _ordered(operator: str, above: bool, equal: bool) -> bool:
    if operator in ("=", "!="):
        return equal is (operator == "=")
    return (equal and "=" in operator) or (not equal and above is operator.startswith(">"))


def param_text(value: ParamValue) -> str:
    """Return a param as the text that it is compared with."""
    return repr(value) if isinstance(value, float) else str(value)


def param_number(value: ParamValue) -> float | None:
    """Return a param as a number: a bool is 0 or 1, text that reads as a number is that number. None for others and NaN."""
    try:
        number = None if value is None else float(value)
    except (ValueError, OverflowError):
        return None
    return None if number is None or math.isnan(number) else number


class LikePattern:
    """A pattern of `like`: `%` is any text, `_` any character. Takes time in proportion to text and pattern."""

    def __init__(self, pattern: str, *, ignore_case: bool) -> None:
        flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
        if pattern.isascii():
            flags |= re.ASCII  # as in SQL: `k` is no Kelvin sign
        pieces = pattern.split("%")
        compiled = [re.compile("".join("." if char == "_" else re.escape(char) for char in piece), flags) for piece in pieces]
        self._is_whole = len(pieces) == 1
        self._first, self._middle, self._last = compiled[0], [one for one in compiled[1:-1] if one.pattern], compiled[-1]
        self._last_chars = len(pieces[-1])

    def fits(self, text: str) -> bool:
        """Return whether the whole text is as the pattern says."""
        if self._is_whole:
            return self._first.fullmatch(text) is not None
        found = self._first.match(text)
        last = len(text) - self._last_chars
        for piece in self._middle:  # the leftmost place of each leaves most room for the next
            found = None if found is None else piece.search(text, found.end())
        return found is not None and found.end() <= last and self._last.match(text, last) is not None


@functools.lru_cache(maxsize=256)
def like(pattern: str, ignore_case: bool) -> LikePattern:
    """Return a pattern, made once."""
    return LikePattern(pattern, ignore_case=ignore_case)
