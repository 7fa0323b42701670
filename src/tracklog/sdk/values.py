"""What a logged value becomes: checks and conversions between a user's object and a record.

Every function either returns something a record can hold (see `records.DType`), or raises an `InvalidValueError` that
names the metric, shows what was given and says which call is the right one. Nothing is stored as `repr` text by
accident, the classic silent mistake (`tensor(0.5)` as a text metric).

Guaranteed:
- numbers keep their value: floats incl. NaN and ±inf, int64 exactly. An int beyond int64 becomes the nearest float as a
  metric, and its exact text as a param;
- text holds no lone surrogate, so it always encodes as UTF-8 (they become `\\udcxx`);
- numpy, pandas, torch, TensorFlow, JAX, matplotlib and PIL objects are recognised by what they can do. No such library
  is imported here unless its object, or an image to encode, is at hand.
"""

from __future__ import annotations

import json
import math
import numbers
import os
import re
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from tracklog.errors import InvalidTypeError, InvalidValueError, shown
from tracklog.records import MAX_NAME_CHARS, ParamValue

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MetricValue = float | int | bool | str | None

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_EXACT_TYPES = frozenset({float, bool, type(None)})  # stored as they are, whatever their value
_FORBIDDEN_IN_NAME = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters and lone surrogates
_MAX_PARAM_DEPTH = 16  # nested deeper, and in circles, a param is written as text
_MAX_PARAM_ELEMENTS = 1000  # a larger array is a param by its abbreviated text
_MAX_BINS = 1000
_PNG_LEVEL = 4  # zlib; 6 takes twice the time for a few per cent on photographs


class _Unfit(Enum):
    """Answer of `_scalar` for what is not one value."""

    UNFIT = 0


_UNFIT: Final = _Unfit.UNFIT


# ---- names, steps, text

_MAX_REPR_CHARS = 1000


def metric_name(name: object, *, what: str = "metric") -> str:
    """Return `name` as a plain str. Blanks are kept: scripts have names that end in one.

    Args:
        what: the noun for error messages: metric, column, param, tag.

    Raises:
        InvalidTypeError: it is not text.
        InvalidValueError: it is empty or blank, too long, or has control characters or lone surrogates.
    """
    if not isinstance(name, str):
        raise InvalidTypeError(f"A {what} name must be text, not {shown(name)}. Use str(name).", parameter="name", given=name)
    text = str.__str__(name)  # of a subclass (np.str_, an enum) the characters, whatever its own __str__ says
    if not text.strip():
        problem, remedy = "it is empty or blank", "Give it a name of at least one visible character."
    elif len(text) > MAX_NAME_CHARS:
        problem, remedy = f"it has {len(text)} characters", f"At most {MAX_NAME_CHARS} are possible."
    elif bad := _FORBIDDEN_IN_NAME.search(text):
        kind = "the lone surrogate" if bad[0] >= "\ud800" else "the control character"
        problem, remedy = f"it has {kind} {bad[0]!a} at index {bad.start()}", "Remove or replace it."
    else:
        return text
    raise InvalidValueError(f"Invalid {what} name {shown(name)}: {problem}. {remedy}", parameter="name", given=name)


def step_value(step: object) -> int:
    """Return `step` as an int64: ints of every library, and floats without a fraction.

    Raises:
        InvalidTypeError: it is not a number; bool is none.
        InvalidValueError: it has a fraction, is not finite, or does not fit into 64 bits.
    """
    if type(step) is int and INT64_MIN <= step <= INT64_MAX:
        return step
    number = _scalar(step, "the step")
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise InvalidTypeError(
            f"A step must be an int, not {shown(step)}. Give the number of the iteration, or leave it out.",
            parameter="step",
            given=step,
        )
    if isinstance(number, float) and not number.is_integer():  # also NaN and ±inf
        raise InvalidValueError(
            f"A step must be a whole number, not {shown(step)}. Use int(step), or log the position as a metric.",
            parameter="step",
            given=step,
        )
    if not INT64_MIN <= number <= INT64_MAX:
        raise InvalidValueError(
            f"Step {shown(step)} does not fit into 64 bits: from {INT64_MIN} to {INT64_MAX}.",
            parameter="step",
            given=step,
        )
    return int(number)


def storable_text(text: str) -> str:
    """Return `text`; lone surrogates, as in file names that are not UTF-8, become visible escapes (`\\udcff`)."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


# ---- metrics


def text_of(value: object) -> str:
    """Return what stands for a value that is no single one: its repr, cut to 1,000 characters, as Azure ML v1 stored it."""
    try:
        text = repr(value)
    except Exception:  # a foreign __repr__ may do anything  # noqa: BLE001
        text = f"<{type(value).__name__}>"
    return storable_text(text[:_MAX_REPR_CHARS])


def metric_value(value: object, *, name: str) -> MetricValue:
    """Return `value` as one number, bool, text or None.

    Scalars of numpy, one-element arrays and tensors (on any device, with or without gradient), Decimal and Fraction
    are converted; missing values of pandas and masked ones of numpy are None.

    Raises:
        InvalidTypeError: it is no single value; the message has the call that fits.
        InvalidValueError: it has no value yet (a traced tensor), or is too large for a float.
    """
    what = f"`{name}`"
    plain = _scalar(value, what)
    if plain is _UNFIT:
        raise _refusal("log", what, value, "one number, bool, text or None", _remedy(value))
    return plain


def list_values(values: object, *, name: str) -> list[MetricValue]:
    """Return the elements of any iterable or one-dimensional array. A dict gives its keys, text its characters.

    Raises:
        InvalidTypeError: it is a single value, a set (it has no order), has two dimensions, or an element is unfit.
    """
    return _elements(values, "log_list", f"`{name}`")


def row_values(columns: Mapping[str, object], *, name: str) -> dict[str, MetricValue]:
    """Return the columns of one row.

    Raises:
        InvalidValueError: a column's name or value is unfit.
    """
    if not isinstance(columns, Mapping):
        raise _refusal("log_row", f"`{name}`", columns, "a dict of column and value", "Use dict(...), or keywords.")
    row: dict[str, MetricValue] = {}
    for column, value in columns.items():
        what = f"column `{column}` of `{name}`"
        plain = _scalar(value, what)
        if plain is _UNFIT:
            remedy = _remedy(value, several="`log_table` to record several rows at once")
            raise _refusal("log_row", what, value, "one value a column", remedy)
        row[metric_name(column, what="column")] = plain
    return row


def table_columns(table: object, *, name: str) -> dict[str, list[MetricValue]]:
    """Return the columns of a table, all of one length. A scalar is a column of one row.

    Args:
        table: a dict of lists, arrays, Series …, or a DataFrame of pandas or polars, or an Arrow table. A label of a
            DataFrame need not be text.

    Raises:
        InvalidTypeError: it is not a table, or a column is not a list.
        InvalidValueError: columns differ in length or share a name.
    """
    columns: dict[str, list[MetricValue]] = {}
    labels_are_text = isinstance(table, Mapping)
    for label, values in _table_items(table, name):
        is_label = labels_are_text and not isinstance(label, int)  # v1 takes numbers as labels
        column = metric_name(label if is_label else str(label), what="column")
        if column in columns:
            raise InvalidValueError(
                f"Table `{name}` has two columns `{column}`. Rename one of them.", parameter="value", given=table
            )
        what = f"column `{column}` of `{name}`"
        if isinstance(values, (Mapping, bytes, bytearray)):
            raise _refusal("log_table", what, values, "a list or a single value", "Give a list of its cells.")
        plain = _scalar(values, what)
        columns[column] = [plain] if plain is not _UNFIT else _elements(values, "log_table", what)
    lengths = {column: len(cells) for column, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{column}` {length}" for column, length in lengths.items())
        raise InvalidValueError(
            f"Columns of table `{name}` differ in length: {listed}. Every column needs one cell a row; "
            "fill the missing cells with None.",
            parameter="value",
            given=table,
        )
    return columns


def histogram_columns(values: Any, step: int, bins: object, *, name: str) -> dict[str, list[MetricValue]]:
    """Return the bins of a histogram as rows of a table: step, bin_start, bin_end, count.

    Raises:
        InvalidTypeError: the values are not numbers.
        InvalidValueError: there are none, or the number of bins is not 1 to 1,000.
    """
    import numpy as np

    if not isinstance(bins, int) or not 1 <= bins <= _MAX_BINS:
        raise InvalidValueError(
            f"`log_histogram` cannot make {shown(bins)} bins of `{name}`. Expected 1 to {_MAX_BINS}.",
            parameter="bins",
            given=bins,
        )
    if hasattr(values, "detach"):  # a torch tensor, on any device, with gradient
        values = values.detach().float().cpu()
    try:
        numbers_ = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise _refusal("log_histogram", f"`{name}`", values, "numbers in an array or a list", "Give numbers only.") from error
    if not len(numbers_):
        raise InvalidValueError(
            f"`log_histogram` was given no values of `{name}`. Skip the call.", parameter="values", given=values
        )
    finite = numbers_[np.isfinite(numbers_)]
    if not len(finite):
        return {"step": [step], "bin_start": [math.nan], "bin_end": [math.nan], "count": [len(numbers_)]}
    low, high = float(finite.min()), float(finite.max())
    # Halved, because the span of two huge values is infinite.
    edges = np.linspace(low / 2, high / 2, bins + 1) * 2 if low < high else np.linspace(low - 0.5, low + 0.5, bins + 1)
    counts, edges = np.histogram(finite, edges)
    return {
        "step": [step] * bins,
        "bin_start": edges[:-1].tolist(),
        "bin_end": edges[1:].tolist(),
        "count": counts.tolist(),
    }


def _scalar(value: object, what: str) -> MetricValue | _Unfit:
    """Return `value` as a plain one, or UNFIT when it is not a single value. `what` it is, is for error messages."""
    if type(value) in _EXACT_TYPES:
        return value  # type: ignore[return-value]  # just tested
    if isinstance(value, str):
        return storable_text(str.__str__(value))
    if isinstance(value, int):
        return _number(value, what)
    if _is_missing(value):
        return None
    if _is_time(value):
        return _UNFIT  # numpy counts a timedelta64 as Integral, and its `.item()` may be bare nanoseconds
    if isinstance(value, numbers.Real) or _is_decimal(value):
        return _number(value, what)
    shape = _shape(value)
    if shape is None or math.prod(shape) != 1:
        return _UNFIT
    item = _item(value, what)
    return _UNFIT if type(item) is type(value) else _scalar(item, what)


def _number(value: Any, what: str) -> float | int:
    """Return a real number as int when it is one and fits into 64 bits, else as float."""
    try:
        if isinstance(value, numbers.Integral):
            exact = int(value)
            return exact if INT64_MIN <= exact <= INT64_MAX else float(exact)
        return float(value)
    except (OverflowError, ValueError) as error:  # 10**400; the signalling NaN of Decimal
        raise InvalidValueError(
            f"{shown(value)} of {what} cannot be a float: {error}. Log it as text, str(value).",
            parameter="value",
            given=value,
        ) from error


def _item(value: Any, what: str) -> object:
    """Return the only element of an array or tensor; `value` itself when it does not give it away."""
    try:
        if hasattr(value, "item"):
            return value.item()
        if hasattr(value, "numpy"):  # TensorFlow
            array = value.numpy()
            return array.item() if hasattr(array, "item") else array
    except Exception as error:  # each library has its own class for a tensor that is only a promise
        raise InvalidValueError(
            f"{shown(value)} of {what} has no value that can be read here: {_first_line(error)}. Log it where it is computed, "
            "outside of functions that are traced or compiled.",
            parameter="value",
            given=value,
        ) from error
    return value


def _elements(values: Any, call: str, what: str) -> list[MetricValue]:
    """Return the elements of an iterable, each as a plain value."""
    expected = "a list, a one-dimensional array or another iterable of single values"
    shape = _shape(values)
    if shape is not None and len(shape) != 1:
        raise _refusal(call, what, values, expected, _remedy(values) if shape else "Use `log`.")
    if isinstance(values, (set, frozenset)):
        raise _refusal(call, what, values, expected, "A set has no order: use sorted(...).")
    if _is_time(values):
        raise _refusal(call, what, values, expected, "Use `.astype(str)` of it.")
    if not hasattr(values, "__iter__") and not hasattr(values, "__getitem__"):
        raise _refusal(call, what, values, expected, "Use `log` for one value.")
    if shape is not None and not hasattr(values, "tolist") and hasattr(values, "numpy"):  # TensorFlow
        values = values.numpy()
    for method in ("tolist", "to_list", "to_pylist"):  # numpy, torch, JAX, pandas; polars; Arrow
        if not isinstance(values, list) and hasattr(type(values), method):
            values = getattr(values, method)()
    return _plain_elements(list(values), call, what)


def _plain_elements(elements: list[Any], call: str, what: str) -> list[MetricValue]:
    kinds = set(map(type, elements))  # in C: a million numbers in some 10 ms
    if kinds <= _EXACT_TYPES or (kinds == {int} and min(elements) >= INT64_MIN and max(elements) <= INT64_MAX):
        return elements
    plain: list[MetricValue] = []
    for index, element in enumerate(elements):
        value = _scalar(element, what)
        if value is _UNFIT:
            remedy = _remedy(element, several="`log_table`, or `log_list` once for each,")
            raise _refusal(call, f"element {index} of {what}", element, "one number, bool, text or None", remedy)
        plain.append(value)
    return plain


def _table_items(table: Any, name: str) -> Iterator[tuple[object, object]]:
    if isinstance(table, Mapping):
        yield from table.items()
    elif hasattr(table, "collect"):  # before its columns are asked for, which is slow
        raise _refusal("log_table", f"`{name}`", table, "a dict of columns or a DataFrame", "Use `.collect()` first.")
    elif hasattr(table, "columns") and hasattr(table, "shape"):
        if hasattr(table, "get_columns"):  # polars
            yield from zip(table.columns, table.get_columns(), strict=True)
        elif hasattr(table, "column_names"):  # Arrow
            yield from zip(table.column_names, table.columns, strict=True)
        else:  # pandas; `.items()` also gives columns that share a label
            yield from table.items()
    else:
        remedy = "Give a dict such as {'epoch': [1, 2], 'loss': [0.5, 0.25]}, or a DataFrame."
        if isinstance(table, (list, tuple)):
            remedy += " For a list of rows call `log_row` for each."
        raise _refusal("log_table", f"`{name}`", table, "a dict of columns or a DataFrame", remedy)


def _shape(value: object) -> tuple[int, ...] | None:
    """Return the shape of an array, tensor, Series or DataFrame, None for anything else."""
    shape = getattr(value, "shape", None)
    if shape is None or isinstance(value, type) or callable(shape):
        return None
    try:
        return tuple(int(length) for length in shape)
    except (TypeError, ValueError):  # a symbolic shape, or another meaning of the word
        return None


def _is_time(value: object) -> bool:
    """Whether it is a datetime64 or timedelta64 of numpy, alone or an array of them."""
    return getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M")


def _is_missing(value: object) -> bool:
    pandas, masked = sys.modules.get("pandas"), sys.modules.get("numpy.ma")
    return (pandas is not None and (value is pandas.NA or value is pandas.NaT)) or (masked is not None and value is masked.masked)


def _is_decimal(value: object) -> bool:
    decimal = sys.modules.get("decimal")
    return decimal is not None and isinstance(value, decimal.Decimal)


# ---- error texts


def _refusal(call: str, what: str, given: object, expected: str, remedy: str) -> InvalidTypeError:
    return InvalidTypeError(
        f"`{call}` expects {expected}; {what} was given {_described(given)}. {remedy}", parameter="value", given=given
    )


def _remedy(value: Any, *, several: str = "`log_list` to record every element") -> str:
    """Return the sentence that says what to call instead, for a value that is not a single one."""
    shape = _shape(value)
    if isinstance(value, Mapping):
        return "Use `log_row` for one row of columns, `log_table` for several."
    if hasattr(value, "savefig") or (hasattr(value, "save") and hasattr(value, "mode")):
        return "Use `log_image`."
    if shape is not None and len(shape) > 1:
        if hasattr(value, "columns"):
            return "Use `log_table`."
        return "Use `log_image` for a picture, `log_table` for columns, `log_list` for its flattened values."
    if _is_time(value) or hasattr(value, "isoformat"):
        return "Log its text, str(value), or a number of seconds."
    if hasattr(value, "total_seconds"):
        return "Use `value.total_seconds()`."
    if isinstance(value, complex):
        return "Log `value.real` and `value.imag`, or `abs(value)`."
    if isinstance(value, (set, frozenset)):
        return f"Use {several} of sorted(...)."
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "Log its text, `value.decode()`, or store it with `upload_file`."
    if isinstance(value, Iterable):
        return f"Use {several}."
    if callable(value):
        return "Call it and log what it returns."
    return "Log a number of it, or its text, str(value)."


def _described(value: Any) -> str:
    shape = _shape(value)
    if shape is None:
        text = shown(value)
        return " ".join(text.split()) if "\n" in text else text
    dtype = f" and dtype {value.dtype}" if hasattr(value, "dtype") else ""
    return f"an array of shape {shape}{dtype} ({type(value).__name__})"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# ---- params


def param_values(params: object) -> dict[str, ParamValue]:
    """Return inputs of a run as flat names and plain values.

    Nested mappings, dataclasses, namespaces, attrs and pydantic objects are flattened: `{"opt": {"lr": 1}}` is
    `opt.lr`. Lists, tuples, sets and small arrays become JSON text, functions and classes their qualified name, other
    objects `str(value)`.

    Raises:
        InvalidTypeError: `params` is none of these.
        InvalidValueError: a name is unfit, or two values end up under one name.
    """
    fields = _fields(params)
    if fields is None:
        raise InvalidTypeError(
            f"Params must be a dict, namespace or dataclass, not {shown(params)}. Use vars(...) or dict(...).",
            parameter="params",
            given=params,
        )
    flat: dict[str, ParamValue] = {}
    for name, value in _flattened(fields, "", 0):
        if name in flat:
            raise InvalidValueError(
                f"Two params end up under the name `{name}`: {shown(flat[name])} and {shown(value)}. Rename one.",
                parameter="params",
                given=params,
            )
        flat[name] = value
    return flat


def _flattened(fields: Mapping[Any, object], prefix: str, depth: int) -> Iterator[tuple[str, ParamValue]]:
    for key, value in fields.items():
        # At the top a name must be text; below it may be any label: {"layers": {0: …}}.
        label = key if isinstance(key, str) or depth == 0 else str(key)
        name = prefix + metric_name(label, what="param")
        nested = _fields(value) if depth < _MAX_PARAM_DEPTH else None
        if nested:
            yield from _flattened(nested, f"{name}.", depth + 1)
        else:
            yield metric_name(name, what="param"), _param_value(value, name, is_empty_mapping=nested is not None)


def _fields(value: Any) -> Mapping[Any, object] | None:
    """Return what a value with named parts consists of, None for any other."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    kind: Any = type(value)
    if hasattr(kind, "__dataclass_fields__"):
        dataclasses = sys.modules["dataclasses"]
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(kind, "__attrs_attrs__"):
        fields: Mapping[Any, object] = {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
        return fields
    if hasattr(kind, "model_dump"):  # pydantic
        dumped: dict[str, object] = value.model_dump()
        return dumped
    if kind.__name__ in ("Namespace", "SimpleNamespace") and hasattr(value, "__dict__"):
        own: Mapping[Any, object] = vars(value)
        return own
    if hasattr(value, "keys") and hasattr(value, "__getitem__") and _shape(value) is None:  # ml_collections
        return {key: value[key] for key in value.keys()}  # noqa: SIM118  # it may iterate over something else
    return None


def _param_value(value: Any, name: str, *, is_empty_mapping: bool) -> ParamValue:
    if is_empty_mapping:
        return "{}"
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        return str(int(value))  # a seed of 128 bits stays exact
    plain = _scalar(value, f"param `{name}`")
    if plain is not _UNFIT:
        return plain
    if isinstance(value, (list, tuple, set, frozenset)) or _is_json_array(value):
        return storable_text(_json_text(value))
    return storable_text(_object_text(value))


def _is_json_array(value: Any) -> bool:
    shape = _shape(value)
    if shape is None:  # list-like: omegaconf's ListConfig, deque, range
        return hasattr(value, "__len__") and hasattr(value, "__iter__") and not isinstance(value, (bytes, bytearray))
    return hasattr(value, "tolist") and math.prod(shape) <= _MAX_PARAM_ELEMENTS


def _json_text(value: Any) -> str:
    try:
        return json.dumps(value, default=_json_part, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):  # keys that are tuples; a list within itself
        return str(value)


def _json_part(value: Any) -> object:
    """Return something JSON can say for an object inside of a list."""
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=lambda element: (type(element).__name__, str(element)))  # runs compare equal
    if (fields := _fields(value)) is not None:
        return dict(fields)
    plain = _scalar(value, "a param")
    if plain is not _UNFIT:
        return plain
    if _is_json_array(value):
        return value.tolist() if hasattr(value, "tolist") else list(value)
    return _object_text(value)


def _object_text(value: Any) -> str:
    if callable(value) and hasattr(value, "__qualname__"):  # the repr of a function has an address, new in each run
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)


# ---- charts and images


def bare_matrix(value: object, *, name: str) -> dict[str, object]:
    """Return a square matrix as v1's document of a confusion matrix, its classes called 0, 1, …

    Raises:
        InvalidTypeError: it is no square matrix.
    """
    rows: Any = value.tolist() if hasattr(value, "tolist") else value
    is_square = isinstance(rows, (list, tuple)) and all(isinstance(row, (list, tuple)) and len(row) == len(rows) for row in rows)
    if not rows or not is_square:
        raise InvalidTypeError(
            f"The confusion matrix `{name}` is {_described(value)}. Expected a dict with `class_labels` and `matrix`, its JSON, "
            "or a square matrix.",
            parameter="value",
            given=value,
        )
    data = {"class_labels": [str(number) for number in range(len(rows))], "matrix": [list(row) for row in rows]}
    return {"schema_type": "confusion_matrix", "schema_version": "1.0.0", "data": data}


def json_document(value: object, *, name: str) -> bytes:
    """Return a chart's data as JSON: a dict with arrays, NumPy's numbers and non-finite numbers, or JSON text.

    Raises:
        InvalidTypeError: neither a dict nor text.
        InvalidValueError: text that is no JSON.
    """
    if isinstance(value, (str, bytes)):
        try:
            json.loads(value)
        except ValueError as error:
            raise InvalidValueError(
                f"The value of `{name}` is text that is no JSON: {error}. Expected a dict or its JSON.",
                parameter="value",
                given=value,
            ) from error
        return value.encode() if isinstance(value, str) else value
    if not isinstance(value, Mapping):
        raise InvalidTypeError(
            f"The value of `{name}` is {shown(value)}. Expected a dict or its JSON.", parameter="value", given=value
        )
    return json.dumps(dict(value), default=_json_part, ensure_ascii=False).encode()


def image_png(image: object, *, name: str) -> tuple[bytes, str]:
    """Return the bytes of an image file and its extension, with the dot.

    Args:
        image: the path or the bytes of an image file (kept as they are: PNG, JPEG, GIF, WebP, BMP, TIFF, SVG); a
            matplotlib figure, axes or pyplot; a PIL image; or an array or tensor `(H, W)` or `(H, W, 1|3|4)` of bool,
            uint8, or floats in 0..1. All but files become PNG.

    Raises:
        InvalidTypeError: it is none of these.
        InvalidValueError: the file cannot be read or is no image; the array's shape, dtype or range does not fit.
    """
    if isinstance(image, (str, os.PathLike)):
        return _image_file(image, name)
    if isinstance(image, (bytes, bytearray)):
        return bytes(image), _extension(bytes(image), name, f"{len(image)} bytes", image)
    if not hasattr(image, "savefig") and hasattr(image, "get_figure"):  # matplotlib's Axes
        image = image.get_figure()
    if hasattr(image, "savefig"):
        return _saved(image.savefig), ".png"
    if hasattr(image, "save") and hasattr(image, "mode"):
        return _pil_png(image, name), ".png"
    if hasattr(image, "shape") and hasattr(image, "dtype"):
        return _encoded_png(_pixels(image, name)), ".png"
    raise _refusal(
        "log_image",
        f"`{name}`",
        image,
        "the path of an image file, a matplotlib figure or pyplot, a PIL image, or an array (H, W) or (H, W, 3|4)",
        "Save it as a file and give its path, or use np.asarray(...) for pixels.",
    )


def _image_file(path: str | os.PathLike[Any], name: str) -> tuple[bytes, str]:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise InvalidValueError(
            f"Cannot read image `{name}` from {shown(path)}: {error}. Give the path of an image file.",
            parameter="path",
            given=path,
        ) from error
    return data, _extension(data, name, shown(path), path)


def _extension(data: bytes, name: str, shown_source: str, given: object) -> str:
    """Return the extension that fits the content of an image file; what the file is called does not count."""
    head = data[:4096]
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if head.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ".gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    if head[:2] == b"BM" and head[14:18] in (b"\x0c\0\0\0", b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0"):
        return ".bmp"  # two letters prove nothing; the third field is the size of one of four known headers
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return ".tiff"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<") and re.search(rb"<(\w+:)?svg[\s>]", head):
        return ".svg"
    raise InvalidValueError(
        f"Image `{name}`: {shown_source} is not an image; it begins with {head[:12]!r}. Expected PNG, JPEG, GIF, WebP, "
        "BMP, TIFF or SVG. Use `upload_file` for other files.",
        parameter="path",
        given=given,
    )


def _saved(save: Any) -> bytes:
    import io

    buffer = io.BytesIO()
    save(buffer, format="png")
    return buffer.getvalue()


def _pil_png(image: Any, name: str) -> bytes:
    if image.mode == "F":
        raise InvalidValueError(
            f"Image `{name}` is a PIL image of mode F, whose floats have no fixed range. Scale it to 0..1 and give "
            "np.asarray(image), or use image.convert('L').",
            parameter="value",
            given=image,
        )
    if image.mode == "I":
        image = image.convert("I;16")  # PNG has no 32 bits
    elif image.mode not in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA"):  # what PNG knows; CMYK, YCbCr … it does not
        image = image.convert("RGB")
    return _saved(image.save)


def _pixels(image: Any, name: str) -> Array:
    """Return an array or tensor as uint8 `(H, W, channels)`."""
    import numpy as np

    if hasattr(image, "detach"):  # torch: from any device, out of the graph; numpy has no bfloat16
        tensor = image.detach().cpu()
        array: Array = np.asarray(tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor)
    else:
        array = np.asarray(image.numpy() if hasattr(image, "numpy") else image)
    if array.dtype.name == "bfloat16":  # jax, TensorFlow
        array = array.astype(np.float32)

    def refuse(problem: str, remedy: str) -> InvalidValueError:
        return InvalidValueError(
            f"Image `{name}` cannot be drawn from {_described(image)}: {problem}. Expected (H, W) or (H, W, 1|3|4) "
            f"of uint8, bool, or floats in 0..1. {remedy}",
            parameter="value",
            given=image,
        )

    if array.ndim == 4:
        raise refuse("four dimensions look like a batch", "Log each image of it.")
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        if array.shape[0] in (1, 3, 4):
            remedy = "Use `image.permute(1, 2, 0)`" if hasattr(image, "permute") else "Use `np.moveaxis(image, 0, -1)`"
            raise refuse("the channels come first", f"{remedy}.")
        raise refuse(f"{array.shape[2]} channels", "Choose 1, 3 or 4 of them.")
    if array.ndim not in (2, 3):
        raise refuse(f"{array.ndim} dimension{'s' * (array.ndim != 1)}", "Reshape it.")
    if array.size == 0:
        raise refuse("there are no pixels", "Check how it was cut.")
    if array.ndim == 2:
        array = array[:, :, None]

    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        scaled: Array = array.astype(np.uint8) * np.uint8(255)
        return scaled
    low, high = (array.min(), array.max()) if array.dtype.kind in "iuf" else (None, None)
    if array.dtype.kind in "iu":
        raise refuse(f"the range is {low}..{high}", "Use `.astype('uint8')` if it is 0..255, else scale it to 0..1.")
    if array.dtype.kind != "f":
        raise refuse("these are no pixels", "Convert it to floats in 0..1.")
    scaled = array.astype(np.float64) * 255
    finite = np.isfinite(scaled)
    if not finite.all():
        raise refuse(f"{int((~finite).sum())} values are NaN or infinite", "Use `np.nan_to_num(image)`.")
    # Half a grey level outside is a rounding error of interpolation, not another range.
    if scaled.min() < -0.5 or scaled.max() > 255.5:
        remedy = "Divide it by 255" if low is not None and low >= 0 and scaled.max() <= 255.5 * 255 else "Scale it"
        raise refuse(f"the range is {low:.6g}..{high:.6g}", f"{remedy}, or use np.clip(image, 0, 1).")
    result: Array = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return result


def _encoded_png(pixels: Array) -> bytes:
    """Return uint8 `(H, W, 1|3|4)` as PNG (W3C PNG, third edition): one IDAT, no interlace, filter 0 in every row."""
    import numpy as np

    height, width, channels = pixels.shape
    colour_type = {1: 0, 3: 2, 4: 6}[channels]  # grey, RGB, RGBA
    rows = np.zeros((height, 1 + width * channels), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), _PNG_LEVEL)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
