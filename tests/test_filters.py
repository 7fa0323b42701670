"""The filter language: what parses to what, how a wrong text is answered, and what a condition is true of.

That SQL gives the same answers as `matches` is in `tests/contracts/test_store_search.py`.
"""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracklog.errors import FilterError, InvalidValueError
from tracklog.storage.filters import (
    MAX_COMPARISONS,
    MAX_DEPTH,
    RUNS,
    And,
    Attribute,
    Comparison,
    Condition,
    Entity,
    LikePattern,
    Not,
    Operator,
    Or,
    Value,
    Vocabulary,
    matches,
    parse,
    parse_order,
    to_text,
)

NOW_MS = 1_790_000_000_000


def one(entity: Entity, key: str, operator: Operator, value: Value = None) -> Comparison:
    return Comparison(entity, key, operator, value)


LOSS = one("metric", "loss", "<", 0.5)
LR = one("param", "lr", "=", "0.1")
TEAM = one("tag", "team", "is null")


# ── what parses to what ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.loss < 0.5", LOSS),
        ("metric.loss<0.5", LOSS),
        ("METRICS.loss < .5", LOSS),
        ('metrics."loss" < 5e-1', LOSS),
        ("metrics.`loss` < +0.5", LOSS),
        ("last(metrics.loss) < 0.5", LOSS),
        ("metrics.val.loss != -1e3", one("metric", "val.loss", "!=", -1000.0)),
        ("metrics.min.loss <> 1.", one("metric", "min.loss", "!=", 1.0)),
        ("min(metrics.loss) == 1", one("metric.min", "loss", "=", 1.0)),
        ("MAX(metrics.`a b`) > inf", one("metric.max", "a b", ">", math.inf)),
        ("avg(metrics.x) >= -Infinity", one("metric.mean", "x", ">=", -math.inf)),
        ("mean(metrics.x) <= 1", one("metric.mean", "x", "<=", 1.0)),
        ("count(metrics.x) > 10", one("metric.count", "x", ">", 10.0)),
        ("step(metrics.x) in (1, 2)", one("metric.step", "x", "in", (1.0, 2.0))),
        ("params.lr = '0.1'", LR),
        ("param.lr = '0.1'", LR),
        ("parameter.lr = '0.1'", LR),
        ('parameters.lr = "0.1"', LR),
        ("params.lr = 0.1", one("param", "lr", "=", 0.1)),
        ("params.bn = true", one("param", "bn", "=", "True")),
        ("params.opt/adam-w = 'x'", one("param", "opt/adam-w", "=", "x")),
        ("params.größe = 'x'", one("param", "größe", "=", "x")),
        ("params.`it``s` = 'it''s'", one("param", "it`s", "=", "it's")),
        ('params."say ""x""" = "say ""x"""', one("param", 'say "x"', "=", 'say "x"')),
        ("params.p = 'C:\\path\\'", one("param", "p", "=", "C:\\path\\")),
        ("tags.team is null", TEAM),
        ("tag.team IS NULL", TEAM),
        ("tags.mlflow.parentRunId = 'a'", one("tag", "mlflow.parentRunId", "=", "a")),
        ("tags.team is not null", one("tag", "team", "is not null")),
        ("tags.team Like 'a%'", one("tag", "team", "like", "a%")),
        ("tags.team NOT ILIKE '_b'", one("tag", "team", "not ilike", "_b")),
        ("tags.team in ('a', \"b\")", one("tag", "team", "in", ("a", "b"))),
        ("tags.team NOT IN('a')", one("tag", "team", "not in", ("a",))),
        ("tags.a = 'x\x00y'", one("tag", "a", "=", "x␀y")),
        ("datasets.name = 'digits'", one("dataset", "name", "=", "digits")),
        ("dataset.digest like 'a%'", one("dataset", "digest", "like", "a%")),
        ("status = 'Running'", one("attribute", "status", "=", "Running")),
        ("attributes.status = 'Running'", one("attribute", "status", "=", "Running")),
        ("attribute.status = 'Running'", one("attribute", "status", "=", "Running")),
        ("attr.status = 'Running'", one("attribute", "status", "=", "Running")),
        ("run.status = 'Running'", one("attribute", "status", "=", "Running")),
        ("`run name` = 'a'", one("attribute", "run name", "=", "a")),
        ('"Run name" = "a"', one("attribute", "Run name", "=", "a")),
        ("not metrics.loss < 0.5", Not(LOSS)),
        ("not(not metrics.loss < 0.5)", Not(Not(LOSS))),
        ("metrics.loss < 0.5 AND params.lr = '0.1'", And((LOSS, LR))),
        ("metrics.loss < 0.5 Or params.lr = '0.1' OR tags.team is null", Or((LOSS, LR, TEAM))),
        ("metrics.loss < 0.5 or params.lr = '0.1' and tags.team is null", Or((LOSS, And((LR, TEAM))))),
        ("(metrics.loss < 0.5 or params.lr = '0.1') and tags.team is null", And((Or((LOSS, LR)), TEAM))),
        ("(metrics.loss < 0.5 and params.lr = '0.1') and tags.team is null", And((LOSS, LR, TEAM))),
        ("not metrics.loss < 0.5 and params.lr = '0.1'", And((Not(LOSS), LR))),
        ("\n((metrics.loss\t<\n0.5))  ", LOSS),
        ("android = 'x' and order = 'y'", And((one("attribute", "android", "=", "x"), one("attribute", "order", "=", "y")))),
    ],
)
def test_a_text_means_a_condition(text: str, expected: Condition) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_blank_text_is_no_condition(text: str) -> None:
    assert parse(text) is None


def test_nan_is_a_value() -> None:
    found = parse("metrics.loss = NaN")

    assert isinstance(found, Comparison)
    assert isinstance(found.value, float)
    assert math.isnan(found.value)


def test_a_comparison_knows_its_place() -> None:
    text = "tags.a = 'x' and  min(metrics.`b c`)\nnot in (1, 2) and not tags.c is not null"

    found = parse(text)

    assert isinstance(found, And)
    inner = found.conditions[2]
    assert isinstance(inner, Not)
    places = [(place.start, place.end) for place in (*found.conditions[:2], inner.condition) if isinstance(place, Comparison)]
    assert [text[start:end] for start, end in places] == [
        "tags.a = 'x'",
        "min(metrics.`b c`)\nnot in (1, 2)",
        "tags.c is not null",
    ]


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("metrics.`val loss` DESC", ("metric", "val loss", True)),
        ("metric.loss", ("metric", "loss", False)),
        ("params.lr asc", ("param", "lr", False)),
        ("attributes.start_time  Desc", ("attribute", "start_time", True)),
        ("start_time", ("attribute", "start_time", False)),
        ("max(metrics.acc) DESC", ("metric.max", "acc", True)),
        ('tags."a b"', ("tag", "a b", False)),
    ],
)
def test_an_order_clause_is_read(clause: str, expected: tuple[str, str, bool]) -> None:
    assert parse_order(clause) == expected


# ── wrong texts ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("metrics.loss < resnet", "resnet", "quoted: 'resnet'"),
        ("metrics.loss <", "", "it ends where a number or a quoted text is expected"),
        ("metrics.loss", "", "it ends where an operator"),
        ("metrics.loss < 1 and", "", "it ends where a name such as"),
        ("metrics.loss < 1 2", "2", "expected `and`, `or` or the end"),
        ("metrics.loss < 1 tags.a = 'x'", "tags.a", "expected `and`, `or` or the end"),
        ("params.a = 'x", "'x", "does not end"),
        ("params.`a = 'x'", "`a = 'x'", "does not end"),
        ("foo.bar = 1", "foo.bar", "`foo.` is no prefix"),
        ("metricz.bar = 1", "metricz.bar", "Did you mean `metrics`"),
        ("metrics. = 1", "", "expected a name after `metrics.`"),
        ("metrics.a.`b` = 1", "`b`", "metrics.`a.b`"),
        ("status `x` = 1", "`x`", "expected an operator"),
        ("median(metrics.a) = 1", "median", "Did you mean `mean`"),
        ("min(params.a) = 1", "params.a", "`min` takes a metric"),
        ("(tags.a = 'x'", "", "it ends where `)` is expected"),
        ("tags.a = 'x')", ")", "expected the end"),
        ("tags.a in ()", ")", "expected a number or a quoted text"),
        ("tags.a in ('x', 2)", "2", "not both"),
        ("tags.a like 2", "2", "takes a quoted text"),
        ("tags.a not 2", "2", "expected `like`, `ilike`, `in`"),
        ("tags.a is 'x'", "'x'", "expected `null`"),
        ("tags.a = 'x';", ";", "nothing in the language begins with ';'"),
        ("metrics.a = 5x", "5", "this is no number"),
        ("metrics.a in (nan)", "nan", "= nan"),
        ("tags.a = '\ud800'", "\ud800", "not valid Unicode"),
        ("1 = 1", "1", "expected a name such as"),
        ("and", "", "operator"),
    ],
)
def test_a_wrong_text_is_answered_with_place_and_reason(text: str, place: str, reason: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)

    error = caught.value
    assert text[error.position : error.end] == place
    assert reason in error.message
    assert isinstance(error, InvalidValueError)
    assert error.parameter == "filter"


def test_the_message_marks_the_place() -> None:
    with pytest.raises(FilterError) as caught:
        parse("x = 1 and " * 20 + "metrics.loss < resnet and " + "y = 2 and " * 20 + "z = 3")

    first, excerpt, marks = caught.value.message.split("\n")
    assert first == "Cannot read `filter` at character 216: expected a number or a quoted text. Text is quoted: 'resnet'."
    assert excerpt[marks.index("^") : marks.index("^") + marks.count("^")] == "resnet"
    assert len(excerpt) < 100


def test_a_wrong_order_is_answered_with_its_own_parameter() -> None:
    with pytest.raises(FilterError, match="Cannot read `order_by`") as caught:
        parse_order("metrics.loss down")

    assert caught.value.parameter == "order_by"


def test_the_error_crosses_processes() -> None:
    with pytest.raises(FilterError) as caught:
        parse("a =")

    again = pickle.loads(pickle.dumps(caught.value))

    assert (again.message, again.position, again.end) == (caught.value.message, 3, 3)


def refusal(read: Callable[[str], object], text: str) -> FilterError | None:
    """Return why a text is refused; None when it is read."""
    try:
        read(text)
    except FilterError as error:
        return error
    return None


@pytest.mark.parametrize(
    "text",
    [
        "(" * 30_000,
        "(" * 30_000 + "a = 1" + ")" * 30_000,
        "not " * 20_000 + "a = 1",
        "(a = 1 or not " * 6_000 + "a = 1" + ")" * 6_000,
        "a = 1 and " * 9_000 + "a = 1",
        "a in (" + "'x'," * 20_000 + "'x')",
        "a" * 90_000,
        "a." * 40_000 + " = 1",
        "'" * 90_001,
        "`" * 90_001,
        "9" * 90_000,
        "a = " + "9" * 90_000,
        "a = 1." + "9" * 90_000,
        "a like '" + "%_" * 40_000 + "'",
        "a = 1 " + " " * 90_000 + "b",
    ],
    ids=lambda text: text[:12],
)
def test_long_and_deep_texts_are_read_or_refused_at_once(text: str) -> None:
    started = time.process_time()

    refusal(parse, text)

    assert time.process_time() - started < 2


def test_as_much_is_taken_as_is_said() -> None:
    assert parse(" and ".join(["a = 1"] * MAX_COMPARISONS)) is not None
    assert parse("not " * MAX_DEPTH + "a = 1") is not None
    with pytest.raises(FilterError, match="one comparison more than"):
        parse(" and ".join(["a = 1"] * (MAX_COMPARISONS + 1)))
    with pytest.raises(FilterError, match="nested more than"):
        parse("not " * (MAX_DEPTH + 1) + "a = 1")
    with pytest.raises(FilterError, match="Expected at most"):
        parse(" " * 200_000)


_PIECES = st.sampled_from(
    [
        *(
            "metrics.",
            "params.lr",
            "tags",
            "attributes.status",
            "min(",
            "(",
            ")",
            ",",
            ".",
            "-",
            "'x'",
            '"y"',
            "`z`",
            "'",
            '"',
            "`",
        ),
        *("=", "!=", "<", ">=", "like", "in", "not", "null", "is", "and", "or", "1", "-2.5e3", "nan", ".5"),
        *("a", "§", "ä", "🚀", "\x00", ";", "--", "/*", "%"),
    ]
)


@given(st.one_of(st.text(), st.lists(_PIECES).map(" ".join), st.lists(_PIECES).map("".join)))
@settings(max_examples=500, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse, parse_order):
        error = refusal(read, text)

        assert error is None or 0 <= error.position <= error.end <= len(text)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_KEYS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1), st.sampled_from(["not", "a.b", "1"])
)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
_NUMBERS = st.floats(allow_nan=False)
_COMPARISONS = st.one_of(
    st.builds(
        Comparison,
        st.sampled_from(["attribute", "metric", "metric.min", "metric.step", "param", "tag", "dataset"]),
        _KEYS,
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        st.one_of(_TEXTS, _NUMBERS),
    ),
    st.builds(
        Comparison,
        st.sampled_from(["attribute", "param", "tag"]),
        _KEYS,
        st.sampled_from(["like", "ilike", "not like", "not ilike"]),
        _TEXTS,
    ),
    st.builds(
        Comparison,
        st.sampled_from(["attribute", "metric"]),
        _KEYS,
        st.sampled_from(["in", "not in"]),
        st.one_of(st.lists(_TEXTS, min_size=1).map(tuple), st.lists(_NUMBERS, min_size=1).map(tuple)),
    ),
    st.builds(Comparison, st.sampled_from(["tag", "metric"]), _KEYS, st.sampled_from(["is null", "is not null"]), st.none()),
)


def _joined(kind: type[And | Or], inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    # As `parse` makes them: of two or more, none of their own kind.
    return st.lists(inner.filter(lambda condition: not isinstance(condition, kind)), min_size=2, max_size=4).map(
        lambda conditions: kind(tuple(conditions))
    )


_CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    _COMPARISONS, lambda inner: st.one_of(st.builds(Not, inner), _joined(And, inner), _joined(Or, inner)), max_leaves=12
)


@given(_CONDITIONS)
@settings(max_examples=300, deadline=None)
def test_what_is_written_reads_as_the_same(condition: Condition) -> None:
    assert parse(to_text(condition)) == condition


# ── what can be asked ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run_id = 'a'", one("attribute", "id", "=", "a")),
        ("attributes.Run_Name = 'a'", one("attribute", "name", "=", "a")),
        ("`Run name` like 'a'", one("attribute", "name", "like", "a")),
        ("created > 5", one("attribute", "start", ">", 5.0)),
        ("start_time > '1970-01-02'", one("attribute", "start", ">", 86_400_000.0)),
        ("end_time > '1970-01-01T00:00:01.500'", one("attribute", "end", ">", 1500.0)),
        ("end < '1970-01-01 02:00:00+02:00'", one("attribute", "end", "<", 0.0)),
        ("end < '1970-01-01T00:00:00Z'", one("attribute", "end", "<", 0.0)),
        ("start > '-7d'", one("attribute", "start", ">", float(NOW_MS - 7 * 86_400_000))),
        ("start > 'now - 90 m'", one("attribute", "start", ">", float(NOW_MS - 90 * 60_000))),
        ("start in ('1970-01-02', 5)", None),
        ("status = 'failed'", one("attribute", "status", "in", ("Failed",))),
        ("status = 'FAILED'", one("attribute", "status", "in", ("Failed",))),
        ("status = 'Running'", one("attribute", "status", "in", ("Running",))),
        (
            "status = 'RUNNING'",
            one("attribute", "status", "in", ("CancelRequested", "Finalizing", "NotResponding", "Paused", "Running")),
        ),
        ("status != 'FINISHED'", one("attribute", "status", "not in", ("Completed",))),
        ("status in ('KILLED', 'completed')", one("attribute", "status", "in", ("Canceled", "Completed"))),
        ("status like 'FIN%'", one("attribute", "status", "in", ("Completed",))),
        ("status not ilike 'f%ed'", one("attribute", "status", "not in", ("Completed", "Failed"))),
    ],
)
def test_attributes_of_runs_have_the_words_of_both_worlds(text: str, expected: Condition | None) -> None:
    if expected is None:
        with pytest.raises(FilterError):
            RUNS.condition(text, now_ms=NOW_MS)
    else:
        assert RUNS.condition(text, now_ms=NOW_MS) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nam = 'a'", "Did you mean `name`"),
        ("artifact_uri = 'a'", "runs have no attribute `artifact_uri`. Known: id, name, status"),
        ("name = 3", "Quote"),
        ("duration = '3'", "without quotes"),
        ("number like '3'", "`like` is for text"),
        ("number = nan", "only the values of metrics"),
        ("start > 'yesterday'", "this is no time"),
        ("start = nan", "nan is no time"),
        ("start like '2026%'", "`like` is for text"),
        ("status = 'Runing'", "Did you mean `Running`"),
        ("status < 'Running'", "status"),
        ("status = 3", "status"),
        ("metrics.loss = '0.5'", "without quotes"),
        ("metrics.loss like '0.5'", "without quotes"),
        ("metrics.loss < nan", "by = and !="),
        ("min(metrics.loss) = nan", "by = and !="),
        ("params.a = nan", "'nan'"),
        ("tags.a = 3", "tags are text"),
        ("tags.a in (3)", "tags are text"),
        ("datasets.size = 'x'", "Known: name, digest, context"),
        ("datasets.name = 3", "datasets are text"),
    ],
)
def test_what_runs_cannot_be_asked_is_refused(text: str, reason: str) -> None:
    with pytest.raises(FilterError) as caught:
        RUNS.condition("tags.fine = 'x' and " + text, now_ms=NOW_MS)

    assert reason in caught.value.message
    assert (caught.value.position, caught.value.end) == (20, 20 + len(text))


def test_a_vocabulary_of_its_own() -> None:
    models = Vocabulary("models", [Attribute("name", "text"), Attribute("created", "time", ("creation_timestamp",))], ["tag"])

    assert models.order("creation_timestamp DESC") == ("attribute", "created", True)
    assert models.condition("tags.a = 'x'", now_ms=0) == one("tag", "a", "=", "x")
    with pytest.raises(FilterError, match="models have no metrics"):
        models.condition("min(metrics.a) = 1", now_ms=0)
    with pytest.raises(FilterError, match="models are not ordered by metrics"):
        models.order("metrics.a")
    with pytest.raises(FilterError, match=r"models have no attribute `size`. Known: name, created, tags.…"):
        models.order("size")


def test_dates_are_read_as_utc() -> None:
    found = RUNS.condition("start >= '2026-05-01T12:30'", now_ms=NOW_MS)

    assert isinstance(found, Comparison)
    assert found.value == datetime(2026, 5, 1, 12, 30, tzinfo=timezone.utc).timestamp() * 1000


# ── evaluating ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_condition_of_blank_text_holds() -> None:
    assert matches(None, lambda entity, key: None)


def test_one_of_several_values_is_enough() -> None:
    def look_up(entity: Entity, key: str) -> object:
        return ["a", "b"] if entity == "dataset" else []

    assert matches(parse("datasets.name = 'b'"), look_up)
    assert matches(parse("datasets.name != 'b'"), look_up)
    assert not matches(parse("datasets.name = 'c'"), look_up)
    assert not matches(parse("tags.a = 'b' or tags.a != 'b'"), look_up)
    assert matches(parse("tags.a is null"), look_up)


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("resnet", "resnet", True),
        ("resnet", "res%", True),
        ("resnet", "%net", True),
        ("resnet", "%sn%", True),
        ("resnet", "r%s%t", True),
        ("resnet", "r_s__t", True),
        ("resnet", "res", False),
        ("resnet", "RES%", False),
        ("resnet", "%%%", True),
        ("", "%", True),
        ("", "_", False),
        ("", "", True),
        ("ab", "ab%ab", False),
        ("aba", "ab%ba", False),
        ("a\nb", "a%b", True),
        ("a\nb", "a_b", True),
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
        ("100%", "100%", True),
        ("naïve", "na_ve", True),
        ("x🚀y", "x_y", True),
    ],
)
def test_patterns(text: str, pattern: str, expected: bool) -> None:
    assert LikePattern(pattern, ignore_case=False).fits(text) is expected


@pytest.mark.parametrize(
    ("text", "pattern"),
    [("ResNet", "RESNET"), ("ÄÖ", "äö"), ("straße", "STRAßE"), ("ПРИВЕТ", "привет%")],
)
def test_patterns_without_case(text: str, pattern: str) -> None:
    assert LikePattern(pattern, ignore_case=True).fits(text)
    assert not LikePattern(pattern, ignore_case=False).fits(text)


def test_a_pattern_takes_no_longer_than_its_text() -> None:
    started = time.process_time()

    assert not LikePattern("%a" * 200 + "%b", ignore_case=False).fits("a" * 20_000)

    assert time.process_time() - started < 1
