"""The filter language: one for the native API, the portal, the command line and MLflow clients.

    metrics.loss < 0.1 and params.model = 'resnet' and (tags.kind is null or not status = 'Failed')

A condition is a comparison, or conditions joined by `and`, `or`, `not` and parentheses; words in any case. The left side of
a comparison is an attribute, or `metrics.K`, `params.K`, `tags.K`, `datasets.K`; a key with other characters than letters,
digits, `_`, `-`, `/` and `.` is quoted by backticks or double quotes. Operators are `=`, `!=`, `<`, `<=`, `>`, `>=`,
`like`, `ilike` (`%` any characters, `_` one), `in (…)`, `not in (…)`, `is null`, `is not null`.

A comparison with what a run does not have is false, that with `!=` too; `is null` finds those. `parse` gives a tree that
`query.py` says in SQL, for runs, and `matches` evaluates over values, for what is few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Entity = Literal["attribute", "metric", "param", "tag", "dataset"]
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "like", "ilike", "in", "not in", "is null", "is not null"]


@dataclass(frozen=True)
class Comparison:
    """One comparison. `start` and `end` are its place in the text, for messages."""

    entity: Entity
    key: str  # as written, without prefix and quotes
    operator: Operator
    value: str | float | list[str] | None  # a list for `in`; None for `is null`
    start: int = 0
    end: int = 0


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


def parse(text: str) -> Condition | None:
    """Return the condition a text says, None for blank text.

    Raises:
        FilterError: the text is not in the language; `position` is where, the message shows it and says what was expected.
    """
    raise NotImplementedError


def parse_order(clause: str) -> tuple[Entity, str, bool]:
    """Return (entity, key, whether descending) of an order clause, such as "metrics.`val loss` DESC"."""
    raise NotImplementedError


def matches(condition: Condition | None, look_up: Callable[[Entity, str], object]) -> bool:
    """Return whether a condition holds where `look_up` gives the value of (entity, key), None for what is not there."""
    raise NotImplementedError
