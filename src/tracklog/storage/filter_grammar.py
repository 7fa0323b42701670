"""The grammar of the filter language, and how its parser's complaints become ours.

LALR(1): time and memory grow with the text, and deep nesting needs no deep recursion. Loaded when the first filter is read.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection
from typing import Any, NamedTuple, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken, v_args

from tracklog.errors import suggestion
from tracklog.storage.filters import (
    ENTITY_BY_FUNCTION,
    ENTITY_BY_PREFIX,
    And,
    Comparison,
    Condition,
    Entity,
    Not,
    Operator,
    Or,
    Value,
    complaint,
)

# A name is read whole, with its dots: `metrics.val.loss` is the key `val.loss`. It ends in a dot where a quoted key follows.
_GRAMMAR = r"""
    condition: both (_OR both)*                     -> either
    both: single (_AND single)*
    ?single: _NOT single                            -> negated
        | "(" condition ")"
        | comparison
    ?comparison: operand SIGN value                 -> compared
        | operand LIKE value                        -> compared
        | operand NOT LIKE value                    -> unlike
        | operand _IN "(" values CLOSE              -> among
        | operand NOT _IN "(" values CLOSE          -> not_among
        | operand _IS NULL                          -> missing
        | operand _IS NOT NULL                      -> present
    values: value ("," value)*
    value: NUMBER | SINGLE | DOUBLE | TRUTH
    ?operand: key | function
    function: NAME "(" key CLOSE
    key: NAME | NAME BACKTICK | NAME DOUBLE | BACKTICK | DOUBLE
    order: operand [DIRECTION]

    _OR.2: /or(?![\w.\/-])/i
    _AND.2: /and(?![\w.\/-])/i
    NOT.2: /not(?![\w.\/-])/i
    _NOT.2: NOT
    _IN.2: /in(?![\w.\/-])/i
    _IS.2: /is(?![\w.\/-])/i
    NULL.2: /null(?![\w.\/-])/i
    LIKE.2: /i?like(?![\w.\/-])/i
    TRUTH.2: /(true|false)(?![\w.\/-])/i
    DIRECTION.2: /(asc|desc)(?![\w.\/-])/i
    NUMBER.2: /[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf(inity)?)(?![\w.])/i
    SIGN: /<=|>=|<>|!=|==|=|<|>/
    NAME: /[^\W\d][\w.\/-]*/
    BACKTICK: /`([^`]|``)*`/
    DOUBLE: /"([^"]|"")*"/
    SINGLE: /'([^']|'')*'/
    CLOSE: ")"
    %ignore /\s+/
"""
_OPERATORS = {"==": "=", "<>": "!="}
_FUNCTIONS = ", ".join(ENTITY_BY_FUNCTION)

_VALUE = "a number or a quoted text"
_NAME = "a name such as metrics.loss, params.lr, tags.team or status"
_OPERATOR = "an operator (=, !=, <, <=, >, >=, like, ilike, in, is null)"

# What can come next, in words.
_EXPECTED: list[tuple[Collection[str], str]] = [
    (("NUMBER",), _VALUE),
    (("NAME",), _NAME),
    (("SIGN",), _OPERATOR),
    (("LIKE",), "`like`, `ilike`, `in`"),
    (("NULL",), "`null`"),
    (("DIRECTION",), "`asc`, `desc`"),
    (("_AND",), "`and`, `or`"),
    (("COMMA",), "a comma"),
    (("CLOSE",), "`)`"),
    (("$END",), "the end"),
]


class _WrongError(Exception):
    """Something that the grammar takes and the language does not."""

    def __init__(self, start: int, end: int, reason: str) -> None:
        super().__init__(reason)
        self.start, self.end, self.reason = start, end, reason


class _Operand(NamedTuple):
    """The left side of a comparison, and its place in the text."""

    entity: Entity
    key: str
    start: int
    end: int


def read_condition(text: str) -> Condition:
    """Return the condition that a text says. Raises FilterError."""
    return cast("Condition", _read(text, "condition"))


def read_order(text: str) -> tuple[Entity, str, bool]:
    """Return (entity, key, whether descending) that an order clause says. Raises FilterError."""
    return cast("tuple[Entity, str, bool]", _read(text, "order"))


def _read(text: str, start: str) -> object:
    what = "filter" if start == "condition" else "order_by"
    try:
        return _parser().parse(text, start)
    except _WrongError as error:
        raise complaint(text, error.start, error.end, error.reason, what=what) from None
    except UnexpectedToken as error:
        token = error.token
        if token.type == "$END":
            reason = f"it ends where {_expected(error)} is expected"
            raise complaint(text, len(text), len(text), reason, what=what) from None
        hint = f". Text is quoted: '{token}'" if token.type == "NAME" and "NUMBER" in error.accepts else ""
        reason = f"expected {_expected(error)}{hint}"
        raise complaint(text, token.start_pos or 0, token.end_pos or 0, reason, what=what) from None
    except UnexpectedCharacters as error:
        at = cast("int", error.pos_in_stream)
        char = text[at]
        end = len(text) if char in "'\"`" else at + 1
        if char in "'\"`":
            reason = "what is quoted here does not end"
        elif char.isdigit() or char in "+-.":
            reason = "this is no number"
        else:
            reason = f"nothing in the language begins with {char!r}"
        raise complaint(text, at, end, reason, what=what) from None


def _expected(error: UnexpectedToken) -> str:
    said = [words for terminals, words in _EXPECTED if not error.accepts.isdisjoint(terminals)] or ["the end"]
    # Where these can come, other words say less.
    alone = [words for words in (_VALUE, _NAME, _OPERATOR) if words in said]
    return alone[0] if alone else " or ".join(said)


@functools.cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, start=["condition", "order"], parser="lalr", transformer=_Build(), maybe_placeholders=False)


@v_args(inline=True)
class _Build(Transformer[Token, Any]):
    """Makes our tree while the text is read: each method takes the parts of one rule."""

    def either(self, *conditions: Condition) -> Condition:
        return conditions[0] if len(conditions) == 1 else Or(_flat(conditions, Or))

    def both(self, *conditions: Condition) -> Condition:
        return conditions[0] if len(conditions) == 1 else And(_flat(conditions, And))

    def negated(self, condition: Condition) -> Condition:
        return Not(condition)

    def compared(self, left: _Operand, operator: Token, right: tuple[str | float, Token]) -> Condition:
        word = operator.lower()
        value, token = right
        if operator.type == "LIKE" and not isinstance(value, str):
            raise _wrong(token, f"`{word}` takes a quoted text")
        return _comparison(left, cast("Operator", _OPERATORS.get(word, word)), value, token)

    def unlike(self, left: _Operand, _: Token, operator: Token, right: tuple[str | float, Token]) -> Condition:
        value, token = right
        if not isinstance(value, str):
            raise _wrong(token, f"`not {operator.lower()}` takes a quoted text")
        return _comparison(left, "not like" if operator.lower() == "like" else "not ilike", value, token)

    def among(self, left: _Operand, values: Value, close: Token) -> Condition:
        return _comparison(left, "in", values, close)

    def not_among(self, left: _Operand, _: Token, values: Value, close: Token) -> Condition:
        return _comparison(left, "not in", values, close)

    def missing(self, left: _Operand, null: Token) -> Condition:
        return _comparison(left, "is null", None, null)

    def present(self, left: _Operand, _: Token, null: Token) -> Condition:
        return _comparison(left, "is not null", None, null)

    def values(self, *given: tuple[str | float, Token]) -> Value:
        for value, token in given:
            if isinstance(value, str) is not isinstance(given[0][0], str):
                raise _wrong(token, "a list has numbers or texts, not both")
            if isinstance(value, float) and math.isnan(value):
                raise _wrong(token, "nan cannot be in a list; use = nan")
        return cast("Value", tuple(value for value, _ in given))

    def value(self, token: Token) -> tuple[str | float, Token]:
        if token.type == "NUMBER":
            return float(token), token
        return (token.capitalize() if token.type == "TRUTH" else _unquoted(token)), token

    def function(self, name: Token, operand: _Operand, close: Token) -> _Operand:
        entity = ENTITY_BY_FUNCTION.get(name.lower())
        if entity is None:
            guess = suggestion(name.lower(), ENTITY_BY_FUNCTION)
            raise _wrong(name, f"there is no function `{name}`. Known: {_FUNCTIONS}.{guess}")
        if operand.entity != "metric":
            raise _WrongError(operand.start, operand.end, f"`{name}` takes a metric, such as {name}(metrics.loss)")
        return _Operand(entity, operand.key, name.start_pos or 0, close.end_pos or 0)

    def key(self, first: Token, quoted: Token | None = None) -> _Operand:
        start, end = first.start_pos or 0, (quoted or first).end_pos or 0
        if first.type != "NAME":
            return _Operand("attribute", _unquoted(first), start, end)
        prefix, dot, rest = first.partition(".")
        if not dot:
            if quoted is not None:
                raise _wrong(quoted, f"expected {_OPERATOR}")
            return _Operand("attribute", str(first), start, end)
        entity = ENTITY_BY_PREFIX.get(prefix.lower())
        if entity is None:
            guess = suggestion(prefix.lower(), ("metrics", "params", "tags", "attributes", "datasets"))
            raise _wrong(first, f"`{prefix}.` is no prefix. Known: metrics., params., tags., attributes., datasets.{guess}")
        if quoted is not None and rest:
            raise _wrong(quoted, f"only a whole key is quoted: {prefix}.`{rest}{_unquoted(quoted)}`")
        if quoted is None and not rest:
            raise _WrongError(end, end, f"expected a name after `{prefix}.`")
        return _Operand(entity, rest if quoted is None else _unquoted(quoted), start, end)

    def order(self, operand: _Operand, direction: Token | None = None) -> tuple[Entity, str, bool]:
        return operand.entity, operand.key, direction is not None and direction.lower() == "desc"


def _flat(conditions: tuple[Condition, ...], kind: type[And | Or]) -> tuple[Condition, ...]:
    return tuple(inner for one in conditions for inner in (one.conditions if isinstance(one, kind) else (one,)))


def _comparison(left: _Operand, operator: Operator, value: Value, last: Token) -> Comparison:
    return Comparison(left.entity, left.key, operator, value, left.start, last.end_pos or 0)


def _unquoted(token: Token) -> str:
    quote = token[0]
    # NUL is stored as its sign, see `_plain` of the store.
    return str(token)[1:-1].replace(quote + quote, quote).replace("\x00", "␀")


def _wrong(token: Token, reason: str) -> _WrongError:
    return _WrongError(token.start_pos or 0, token.end_pos or 0, reason)
