"""What a logged value becomes, with the libraries that make such values."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import io
import json
import math
import os
import pathlib
import subprocess
import sys
import types
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tracklog.errors import InvalidTypeError, InvalidValueError
from tracklog.records import MAX_NAME_CHARS
from tracklog.sdk.values import (
    histogram_columns,
    image_png,
    list_values,
    metric_name,
    metric_value,
    param_values,
    row_values,
    step_value,
    storable_text,
    table_columns,
)


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Mood(str, enum.Enum):
    GOOD = "good"


class Tensor:
    """What torch, jax and others have in common: a shape, an item, and elements; here without numpy behind it."""

    def __init__(self, nested: Any, shape: tuple[int, ...]) -> None:
        self.nested = nested
        self.shape = shape
        self.dtype = "float32"

    def item(self) -> Any:
        return self.nested

    def tolist(self) -> Any:
        return self.nested

    def __iter__(self) -> Any:
        return iter(self.nested)


class TracedTensor(Tensor):
    """A tensor of a compiled function: there is no value yet."""

    def item(self) -> Any:
        raise RuntimeError("abstract value\nsecond line")


# ---- metric_value


@pytest.mark.parametrize(
    "value", [0.5, -0.0, math.inf, -math.inf, 0, 2**63 - 1, -(2**63), True, None, "", "text", "é\n"], ids=repr
)
def test_plain_values_stay_as_they_are(value: object) -> None:
    result = metric_value(value, name="m")

    assert result == value
    assert type(result) is type(value)


def test_nan_stays() -> None:
    assert math.isnan(metric_value(math.nan, name="m"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float16(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int8(3), 3),
        (np.int64(-(2**63)), -(2**63)),
        (np.uint64(3), 3),
        (np.uint64(2**64 - 1), float(2**64)),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(3.0), 3.0),
        (np.array([3]), 3),
        (np.array([[0.5]]), 0.5),
        (np.array(np.longdouble(0.5)), 0.5),
        (np.array("a"), "a"),
        (np.ma.masked, None),
        (Tensor(0.5, ()), 0.5),
        (Tensor(3, (1, 1)), 3),
        (pd.Series([0.5]), 0.5),
        (pd.NA, None),
        (pd.NaT, None),
        (pl.Series([2]), 2),
        (decimal.Decimal("0.1"), 0.1),
        (fractions.Fraction(1, 4), 0.25),
        (2**63, float(2**63)),
        (-(10**30), -1e30),
        (Level.HIGH, 3),
        (Mood.GOOD, "good"),
        ("a\udcffb", "a\\udcffb"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_single_values_of_other_types_are_converted(value: object, expected: object) -> None:
    result = metric_value(value, name="m")

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ([0.5], "log_list"),
        ((1, 2), "log_list"),
        (range(3), "log_list"),
        ((i for i in range(3)), "log_list"),
        ({1, 2}, r"log_list.*sorted"),
        ({"a": 1}, r"log_row.*log_table"),
        (np.array([1.0, 2.0]), r"shape \(2,\) and dtype float64.*log_list"),
        (np.array([]), "log_list"),
        (np.zeros((2, 2)), r"log_image.*log_table"),
        (pd.DataFrame({"a": [1]}), "log_table"),
        (Image.new("L", (1, 1)), "log_image"),
        (b"x", r"decode"),
        (1j, r"\.real"),
        (dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc), r"str\(value\)"),
        (dt.timedelta(1), "total_seconds"),
        (np.datetime64("2020-01-01", "ns"), r"str\(value\)"),
        (np.timedelta64(3, "s"), r"str\(value\)"),
        (len, "Call it"),
        (Color.RED, r"str\(value\)"),
        (object(), r"str\(value\)"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_is_no_single_value_is_refused_with_the_right_call(value: object, remedy: str) -> None:
    with pytest.raises(InvalidTypeError, match=rf"(?s)`loss` was given .*{remedy}") as caught:
        metric_value(value, name="loss")

    assert caught.value.parameter == "value"
    assert caught.value.given is value
    assert isinstance(caught.value, TypeError)


def test_a_traced_tensor_has_no_value_to_log() -> None:
    with pytest.raises(InvalidValueError, match=r"`loss` has no value that can be read here: abstract value\. Log it where"):
        metric_value(TracedTensor(None, ()), name="loss")


@pytest.mark.parametrize(
    "value", [10**400, fractions.Fraction(10**400), decimal.Decimal("sNaN")], ids=["int", "fraction", "sNaN"]
)
def test_a_number_no_float_can_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidValueError, match=r"of `loss` cannot be a float.*str\(value\)"):
        metric_value(value, name="loss")


@given(st.integers())
def test_ints_keep_their_value_up_to_64_bits_and_become_floats_beyond(value: int) -> None:
    result = metric_value(value, name="m")

    if -(2**63) <= value < 2**63:
        assert result == value
        assert type(result) is int
    else:
        assert result == float(value)
        assert type(result) is float


@given(st.text(alphabet=st.characters()))
def test_every_text_can_be_encoded(text: str) -> None:
    assert storable_text(text).encode().decode() == storable_text(text)


# ---- log_list


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([1, 2.5, True, None, "a"], [1, 2.5, True, None, "a"]),
        ((1, 2), [1, 2]),
        (range(3), [0, 1, 2]),
        ((i / 2 for i in range(3)), [0.0, 0.5, 1.0]),
        (np.array([1.0, 2.0]), [1.0, 2.0]),
        (np.array([1.0, 2.0], np.float32), [1.0, 2.0]),
        (np.array([0.5], np.longdouble), [0.5]),
        (np.arange(3), [0, 1, 2]),
        (np.array([2**64 - 1], np.uint64), [float(2**64)]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([1, None, "a"], object), [1, None, "a"]),
        (np.ma.array([1, 2], mask=[False, True]), [1, None]),
        (np.array([0.5]), [0.5]),
        ([np.int64(1), np.float32(0.5), Tensor(2.0, ())], [1, 0.5, 2.0]),
        ([2**63, 1], [float(2**63), 1]),
        (Tensor([1.0, 2.0], (2,)), [1.0, 2.0]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series([1.5, 2.5]), [1.5, 2.5]),
        (pl.Series([1, None]), [1, None]),
        ({"a": 1, "b": 2}, ["a", "b"]),
        ({"a": 1}.values(), [1]),
        ("abc", ["a", "b", "c"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_list_is_made_of_any_iterable(values: object, expected: list[object]) -> None:
    result = list_values(values, name="m")

    assert result == expected
    assert [type(value) for value in result] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (5, r"`loss` was given 5 \(int\)\. Use `log`"),
        (None, "Use `log`"),
        (np.float64(0.5), "Use `log`"),
        (np.array(3.0), "Use `log`"),
        ({1, 2}, "sorted"),
        (np.zeros((2, 2)), r"shape \(2, 2\).*log_image.*log_table"),
        (pd.DataFrame({"a": [1]}), "log_table"),
        (np.array(["2020-01-01"], "datetime64[ns]"), "astype"),
        ([1, [2]], r"element 1 of `loss` was given \[2\]"),
        ([np.zeros(2)], "element 0 of `loss`.*log_table"),
        (np.array([1j]), "element 0 of `loss`"),
    ],
    ids=["int", "None", "numpy scalar", "0-d", "set", "2-d", "DataFrame", "times", "nested", "arrays", "complex"],
)
def test_what_is_no_list_is_refused(values: object, problem: str) -> None:
    with pytest.raises(InvalidTypeError, match=f"(?s){problem}"):
        list_values(values, name="loss")


def test_an_error_in_a_generator_is_the_users_own() -> None:
    def losses() -> Any:
        yield 1.0
        raise TypeError("of the user")

    with pytest.raises(TypeError, match=r"^of the user$"):
        list_values(losses(), name="loss")


# ---- log_row, log_table


def test_a_row_is_converted_cell_by_cell() -> None:
    row = row_values({"a": np.int64(1), "b": "x", "c": np.array([0.5]), "d": None}, name="m")

    assert row == {"a": 1, "b": "x", "c": 0.5, "d": None}


def test_a_row_may_be_empty() -> None:
    assert row_values({}, name="m") == {}


def test_a_list_in_a_row_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match=r"column `a` of `m` was given \[1, 2\] \(list\)\. Use `log_table`"):
        row_values({"a": [1, 2]}, name="m")


def test_a_row_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="`log_row` expects a dict"):
        row_values([1], name="m")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, {}),
        ({"a": []}, {"a": []}),
        ({"a": [1, 2], "b": (0.5, None)}, {"a": [1, 2], "b": [0.5, None]}),
        ({"a": range(2), "b": np.array([1.5, 2.5])}, {"a": [0, 1], "b": [1.5, 2.5]}),
        ({"a": 1, "b": "text"}, {"a": [1], "b": ["text"]}),
        ({"a": np.array([1]), "b": np.float32(0.5)}, {"a": [1], "b": [0.5]}),
        ({"a": pd.Series([1, 2]), "b": pl.Series(["x", "y"])}, {"a": [1, 2], "b": ["x", "y"]}),
        (pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), {"a": [1, 2], "b": [0.5, 1.5]}),
        (pd.DataFrame([[1, 2]]), {"0": [1], "1": [2]}),
        (pl.DataFrame({"a": [1, 2], "b": ["x", None]}), {"a": [1, 2], "b": ["x", None]}),
    ],
    ids=["empty", "no rows", "lists", "range and array", "scalars", "one row", "series", "pandas", "pandas labels", "polars"],
)
def test_a_table_is_made_of_columns(table: object, expected: dict[str, list[object]]) -> None:
    assert table_columns(table, name="m") == expected


def test_an_arrow_table_is_a_table() -> None:
    pa = pytest.importorskip("pyarrow")

    assert table_columns(pa.table({"a": [1, None], "b": ["x", "y"]}), name="m") == {"a": [1, None], "b": ["x", "y"]}


def test_columns_of_unequal_length_are_listed() -> None:
    with pytest.raises(InvalidValueError, match="Columns of table `m` differ in length: `a` 2, `b` 3, `c` 1"):
        table_columns({"a": [1, 2], "b": [1, 2, 3], "c": 0}, name="m")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ([{"a": 1}], r"expects a dict of columns or a DataFrame; `m` was given .*log_row"),
        (5, "expects a dict of columns"),
        ("text", "expects a dict of columns"),
        (np.zeros((2, 2)), "expects a dict of columns"),
        ({"a": {"b": 1}}, "column `a` of `m`"),
        ({"a": {1, 2}}, "column `a` of `m`.*sorted"),
        ({"a": np.zeros((2, 2))}, r"column `a` of `m` was given an array of shape \(2, 2\)"),
        ({"a": [1, [2]]}, "element 1 of column `a` of `m`"),
        ({(1,): [1]}, "column name must be text"),
    ],
    ids=["rows", "int", "text", "array", "dict in dict", "set", "2-d column", "nested", "column name"],
)
def test_what_is_no_table_is_refused(table: object, problem: str) -> None:
    with pytest.raises(InvalidTypeError, match=f"(?s){problem}"):
        table_columns(table, name="m")


def test_a_lazy_frame_is_to_be_collected() -> None:
    with pytest.raises(InvalidTypeError, match="collect"):
        table_columns(pl.LazyFrame({"a": [1]}), name="m")


def test_columns_that_share_a_name_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="two columns `a`"):
        table_columns(pd.DataFrame([[1, 2]], columns=["a", "a"]), name="m")


# ---- names, steps


@pytest.mark.parametrize(
    "name", ["loss", "val/acc (%)", "ends in a blank ", " begins", "ключ", "損失", "🙂", "x" * MAX_NAME_CHARS], ids=ascii
)
def test_names_are_kept_as_given(name: str) -> None:
    assert metric_name(name) == name


@pytest.mark.parametrize("name", [np.str_("loss"), Mood.GOOD], ids=["numpy", "enum"])
def test_a_name_becomes_a_plain_str(name: str) -> None:
    assert type(metric_name(name)) is str
    assert metric_name(name) in ("loss", "good")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "empty or blank"),
        (" \u00a0", "empty or blank"),
        ("x" * (MAX_NAME_CHARS + 1), "1001 characters.*At most 1000"),
        ("a\0", r"control character '\\x00' at index 1"),
        ("a\nb", r"control character '\\n' at index 1"),
        ("a\x85", "control character"),
        ("\ud800", r"lone surrogate '\\ud800' at index 0"),
    ],
    ids=["empty", "blank", "long", "NUL", "newline", "C1", "surrogate"],
)
def test_unfit_names_are_refused(name: str, problem: str) -> None:
    with pytest.raises(InvalidValueError, match=f"Invalid metric name .*{problem}") as caught:
        metric_name(name)

    assert caught.value.parameter == "name"


@pytest.mark.parametrize("name", [None, 5, b"loss", ["loss"]], ids=repr)
def test_a_name_that_is_not_text_is_refused(name: object) -> None:
    with pytest.raises(InvalidTypeError, match=r"A tag name must be text, not .*str\(name\)"):
        metric_name(name, what="tag")


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0),
        (-5, -5),
        (2**63 - 1, 2**63 - 1),
        (3.0, 3),
        (np.int32(7), 7),
        (np.uint64(7), 7),
        (np.array([7]), 7),
        (Tensor(7, ()), 7),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_step_is_a_whole_number(step: object, expected: int) -> None:
    result = step_value(step)

    assert result == expected
    assert type(result) is int


@pytest.mark.parametrize("step", [True, np.bool_(True), None, "3", [3], 1j], ids=repr)
def test_a_step_that_is_no_number_is_refused(step: object) -> None:
    with pytest.raises(InvalidTypeError, match="A step must be an int, not "):
        step_value(step)


@pytest.mark.parametrize(
    ("step", "problem"),
    [(0.5, "whole number"), (math.nan, "whole number"), (math.inf, "whole number"), (2**63, "64 bits"), (-1e300, "64 bits")],
)
def test_a_step_that_is_no_int64_is_refused(step: object, problem: str) -> None:
    with pytest.raises(InvalidValueError, match=problem):
        step_value(step)


# ---- params


@dataclasses.dataclass
class Optimizer:
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)


class DuckConfig:
    """Like ml_collections: keys and items, but no Mapping."""

    def keys(self) -> list[str]:
        return ["depth"]

    def __getitem__(self, key: str) -> int:
        return 3


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, {}),
        ({"lr": 0.1, "on": True, "n": 3, "none": None, "s": "x"}, {"lr": 0.1, "on": True, "n": 3, "none": None, "s": "x"}),
        ({"opt": {"lr": 0.1, "more": {"eps": 1}}}, {"opt.lr": 0.1, "opt.more.eps": 1}),
        ({"layers": {0: 64, 1: 32}}, {"layers.0": 64, "layers.1": 32}),
        ({"opt": Optimizer()}, {"opt.lr": 0.1, "opt.betas": "[0.9, 0.99]"}),
        (Optimizer(lr=1), {"lr": 1, "betas": "[0.9, 0.99]"}),
        (argparse.Namespace(lr=0.1, opt=argparse.Namespace(eps=1)), {"lr": 0.1, "opt.eps": 1}),
        (types.SimpleNamespace(a=1), {"a": 1}),
        ({"c": DuckConfig()}, {"c.depth": 3}),
        ({"np": np.float32(0.5), "i": np.int64(3), "b": np.bool_(False)}, {"np": 0.5, "i": 3, "b": False}),
        ({"a": np.array([1, 2]), "l": [np.int64(1), "é", None]}, {"a": "[1, 2]", "l": '[1, "é", null]'}),
        ({"s": {"b", "a"}, "e": [], "d": {}}, {"s": '["a", "b"]', "e": "[]", "d": "{}"}),
        ({"nested": [{"k": (1, 2)}, Optimizer()]}, {"nested": '[{"k": [1, 2]}, {"lr": 0.1, "betas": [0.9, 0.99]}]'}),
        ({"path": pathlib.PurePosixPath("a/b"), "color": Color.RED}, {"path": "a/b", "color": "Color.RED"}),
        ({"f": len, "c": Optimizer, "p": math.pi}, {"f": "builtins.len", "c": f"{__name__}.Optimizer", "p": math.pi}),
        ({"seed": 2**64}, {"seed": "18446744073709551616"}),
        ({"t": {(1, 2): "x"}}, {"t.(1, 2)": "x"}),
        ({"t": [{(1, 2): "x"}]}, {"t": "[{(1, 2): 'x'}]"}),
        ({"name\udcff"[:4]: "a\udcff"}, {"name": "a\\udcff"}),
    ],
)
def test_params_become_flat_names_and_plain_values(params: object, expected: dict[str, object]) -> None:
    result = param_values(params)

    assert result == expected
    assert {type(value) for value in result.values()} <= {str, int, float, bool, type(None)}


def test_params_of_pydantic_are_flattened() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Config", lr=(float, 0.1), sub=(dict[str, int], {"a": 1}))

    assert param_values(model()) == {"lr": 0.1, "sub.a": 1}


def test_a_large_array_is_abbreviated() -> None:
    assert len(str(param_values({"a": np.arange(100_000)})["a"])) < 200


def test_params_in_circles_end_somewhere() -> None:
    circle: dict[str, object] = {"a": 1}
    circle["self"] = circle

    result = param_values(circle)

    assert result["self.self.a"] == 1
    assert len(result) < 40


@pytest.mark.parametrize("params", [None, 5, "lr=0.1", [("lr", 0.1)], Optimizer], ids=["None", "int", "text", "list", "class"])
def test_params_that_are_no_mapping_are_refused(params: object) -> None:
    with pytest.raises(InvalidTypeError, match="Params must be a dict, namespace or dataclass, not "):
        param_values(params)


def test_two_params_under_one_name_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"Two params end up under the name `a\.b`: 1 \(int\) and 2 \(int\)"):
        param_values({"a": {"b": 1}, "a.b": 2})


@pytest.mark.parametrize("params", [{1: 2}, {"a": {"": 1}}, {"a\n": 1}], ids=repr)
def test_param_names_are_checked(params: dict[Any, object]) -> None:
    with pytest.raises(InvalidValueError, match=r"param name"):
        param_values(params)


# ---- images


def decoded(data: bytes) -> np.ndarray[Any, Any]:
    image = Image.open(io.BytesIO(data))
    image.load()
    return np.asarray(image)


@pytest.mark.parametrize("shape", [(2, 3), (5, 7, 1), (5, 7, 3), (5, 7, 4), (1, 1)], ids=str)
def test_uint8_pixels_survive_exactly(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    data, extension = image_png(pixels, name="m")

    assert extension == ".png"
    assert np.array_equal(decoded(data), pixels.reshape(shape[:2] if shape[2:] == (1,) else shape))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=str)
def test_floats_from_0_to_1_become_grey_levels(dtype: Any) -> None:
    data, _ = image_png(np.array([[0, 0.5, 1]], dtype), name="m")

    assert decoded(data).tolist() == [[0, 128, 255]]


def test_rounding_errors_just_outside_the_range_are_clipped() -> None:
    data, _ = image_png(np.array([[-1e-7, 1 + 1e-7]]), name="m")

    assert decoded(data).tolist() == [[0, 255]]


def test_bools_are_black_and_white() -> None:
    data, _ = image_png(np.array([[True, False]]), name="m")

    assert decoded(data).tolist() == [[255, 0]]


def test_pixels_need_not_lie_in_order() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(3, 2, 4).transpose(1, 2, 0)

    assert np.array_equal(decoded(image_png(pixels, name="m")[0]), pixels)


@pytest.mark.parametrize(
    ("pixels", "problem"),
    [
        (np.zeros((3, 8, 9)), r"shape \(3, 8, 9\) and dtype float64.*channels come first.*moveaxis"),
        (np.zeros((8, 9, 5)), "5 channels"),
        (np.zeros((2, 8, 9, 3)), "batch"),
        (np.zeros(8), "1 dimension"),
        (np.array(0.5), "0 dimensions"),
        (np.zeros((0, 8)), "no pixels"),
        (np.array([[0.0, 255.0]]), r"range is 0\.\.255.*Divide it by 255"),
        (np.array([[-1.0, 1.0]]), r"range is -1\.\.1.*Scale it"),
        (np.array([[0.5, np.nan], [np.inf, 0]]), "2 values are NaN or infinite.*nan_to_num"),
        (np.array([[0, 300]]), r"dtype int64.*range is 0\.\.300.*uint8"),
        (np.array([["a"]]), "no pixels"),
        (np.array([[1j]]), "no pixels"),
    ],
    ids=["channels first", "5 channels", "batch", "1-d", "0-d", "empty", "0..255", "-1..1", "NaN", "int", "text", "complex"],
)
def test_pixels_that_cannot_be_drawn_say_why(pixels: Any, problem: str) -> None:
    with pytest.raises(InvalidValueError, match=f"Image `m` cannot be drawn from .*{problem}"):
        image_png(pixels, name="m")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_pil_images_of_all_modes_become_png(mode: str) -> None:
    data, extension = image_png(Image.new(mode, (3, 2)), name="m")

    assert extension == ".png"
    assert Image.open(io.BytesIO(data)).size == (3, 2)


def test_a_pil_image_of_floats_has_no_range() -> None:
    with pytest.raises(InvalidValueError, match="mode F"):
        image_png(Image.new("F", (3, 2)), name="m")


def test_figures_axes_and_pyplot_are_drawn() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([1, 2])
    try:
        images = [image_png(drawn, name="m") for drawn in (figure, axes, plt)]
    finally:
        plt.close(figure)

    assert [extension for _, extension in images] == [".png"] * 3
    assert len({decoded(data).tobytes() for data, _ in images}) == 1


@pytest.mark.parametrize(
    ("kind", "extension"),
    [("PNG", ".png"), ("JPEG", ".jpg"), ("GIF", ".gif"), ("WEBP", ".webp"), ("BMP", ".bmp"), ("TIFF", ".tiff")],
)
def test_image_files_keep_their_bytes_and_get_the_extension_of_their_content(
    kind: str, extension: str, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "picture.dat"
    Image.new("RGB", (3, 2), "red").save(file, format=kind)

    assert image_png(file, name="m") == (file.read_bytes(), extension)
    assert image_png(str(file), name="m") == (file.read_bytes(), extension)
    assert image_png(file.read_bytes(), name="m") == (file.read_bytes(), extension)


@pytest.mark.parametrize(
    "text", ["<svg></svg>", "\ufeff <?xml version='1.0'?>\n<!-- x -->\n<svg width='1'/>", "<!DOCTYPE svg><s:svg>"], ids=range(3)
)
def test_svg_is_an_image(text: str) -> None:
    assert image_png(text.encode(), name="m") == (text.encode(), ".svg")


@pytest.mark.parametrize("data", [b"", b"BM not a bitmap, but a text", b"<html></html>", b"RIFF....WAVE", b"%PDF-1.7"], ids=repr)
def test_files_that_are_no_images_are_refused(data: bytes, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(data)

    with pytest.raises(InvalidValueError, match=r"(?s)Image `m`: .*picture\.png.* is not an image; it begins with .*upload_file"):
        image_png(file, name="m")


@pytest.mark.parametrize("path", ["missing.png", "", "a\0.png", "."], ids=["missing", "empty", "NUL", "folder"])
def test_a_path_that_cannot_be_read_is_refused(path: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidValueError, match=r"(?s)Cannot read image `m` from ") as caught:
        image_png(path, name="m")

    assert caught.value.parameter == "path"


@pytest.mark.parametrize("image", [None, 5, [[0, 1]], {"a": 1}, object()], ids=lambda value: type(value).__name__)
def test_what_is_no_image_is_refused(image: object) -> None:
    with pytest.raises(InvalidTypeError, match=r"`log_image` expects the path of an image file.*`m` was given"):
        image_png(image, name="m")


# ---- other libraries, where they are installed


def test_torch_tensors() -> None:
    torch = pytest.importorskip("torch")

    assert metric_value(torch.tensor(0.5, requires_grad=True), name="m") == 0.5
    assert metric_value(torch.tensor([3]), name="m") == 3
    assert metric_value(torch.tensor(0.5, dtype=torch.bfloat16), name="m") == 0.5
    assert list_values(torch.tensor([1.0, 2.0], requires_grad=True), name="m") == [1.0, 2.0]
    assert list_values([torch.tensor(0.5), torch.tensor(1)], name="m") == [0.5, 1]
    assert decoded(image_png(torch.ones(2, 3, requires_grad=True), name="m")[0]).tolist() == [[255] * 3] * 2
    assert decoded(image_png(torch.ones(2, 3, dtype=torch.bfloat16), name="m")[0]).tolist() == [[255] * 3] * 2
    with pytest.raises(InvalidValueError, match="permute"):
        image_png(torch.zeros(3, 8, 9), name="m")
    with pytest.raises(InvalidValueError, match="no value"):
        metric_value(torch.tensor(0.5, device="meta"), name="m")


def test_jax_arrays() -> None:
    jax = pytest.importorskip("jax")

    assert metric_value(jax.numpy.bfloat16(0.5), name="m") == 0.5
    assert list_values(jax.numpy.arange(3), name="m") == [0, 1, 2]
    assert decoded(image_png(jax.numpy.ones((2, 3), "bfloat16"), name="m")[0]).tolist() == [[255] * 3] * 2
    with pytest.raises(InvalidValueError, match="traced"):
        jax.jit(lambda x: metric_value(x, name="m"))(1.0)


def test_importing_values_loads_no_heavy_library() -> None:
    code = "import sys, tracklog.sdk.values\nprint([m for m in ('numpy', 'pandas', 'PIL', 'matplotlib') if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert json.loads(loaded.stdout.replace("'", '"')) == []


# ---- histogram_columns


def test_a_histogram_is_rows_of_bins_that_count_every_finite_value() -> None:
    columns = histogram_columns(np.array([[0.0, 1.0], [4.0, math.nan]]), 7, 4, name="w")

    assert columns == {
        "step": [7] * 4,
        "bin_start": [0.0, 1.0, 2.0, 3.0],
        "bin_end": [1.0, 2.0, 3.0, 4.0],
        "count": [1, 1, 0, 1],
    }


@pytest.mark.parametrize(
    ("values", "total"), [([3.0], 1), ([5, 5, 5], 3), ([-1.7e308, 1.7e308], 2), ([True, False], 2), ((x for x in ()), 0)]
)
def test_histograms_of_odd_values(values: Any, total: int) -> None:
    if not total:
        with pytest.raises(InvalidTypeError, match="log_histogram"):
            histogram_columns(values, 0, 8, name="w")
        return

    columns = histogram_columns(values, 0, 8, name="w")

    assert sum(int(str(count)) for count in columns["count"]) == total
    assert all(math.isfinite(float(str(edge))) for edge in columns["bin_start"] + columns["bin_end"])


def test_a_histogram_without_a_finite_value_says_so() -> None:
    columns = histogram_columns([math.nan, math.inf], 3, 64, name="w")

    assert (columns["step"], columns["count"]) == ([3], [2])
    assert math.isnan(float(str(columns["bin_start"][0])))


@pytest.mark.parametrize(("values", "bins"), [([], 8), ([1.0], 0), ([1.0], 1001)])
def test_a_histogram_of_nothing_or_of_no_bins_is_refused(values: Any, bins: int) -> None:
    with pytest.raises(InvalidValueError):
        histogram_columns(values, 0, bins, name="w")
