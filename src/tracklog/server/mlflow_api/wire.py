"""MLflow's protocol on the wire: errors, requests, the rules that values must meet, and the shapes of answers.

A request is a Struct with MLflow's names. JSON comes in as protobuf's does: names in snake_case or camelCase, whole numbers
as numbers or text, NaN and the infinities as text or bare words, null as absent, unknown names ignored. An error is
`{"error_code", "message"}`; clients and their users match the texts, so they are MLflow's.
"""

from __future__ import annotations

import base64
import functools
import json
import math
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias, TypeVar
from urllib.parse import unquote

import msgspec

MAX_BODY_BYTES = 64 << 20  # MLflow's clients split at 1 MB; a data set's profile alone may have 16
MAX_KEY_CHARS = 250
MAX_PARAM_CHARS = 6000
MAX_TAG_CHARS = 8000
MAX_INT64 = 2**63 - 1
_MAX_FLOAT = 1.7976931348623157e308
# Above, a search must page. What a page may hold at most.
MAX_RESULTS = 50_000

_STATUS = {
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "BAD_REQUEST": 400,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "RESOURCE_CONFLICT": 409,
    "INTERNAL_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
}


class Refused(Exception):
    """A request that is answered with an error. `code` is one of MLflow's words; its HTTP status follows from it."""

    def __init__(self, message: str, code: str = "INVALID_PARAMETER_VALUE") -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status MLflow gives the code."""
        return _STATUS[self.code]


def missing(parameter: str) -> Refused:
    """Return the error for a required value that is not there."""
    return Refused(f"Missing value for required parameter '{parameter}'. {_SEE_DOCS}")


def not_found(message: str) -> Refused:
    """Return the error for something that is not there."""
    return Refused(message, "RESOURCE_DOES_NOT_EXIST")


def invalid(parameter: str, value: object, reason: str = "") -> Refused:
    """Return MLflow's error for a value that breaks a rule."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return Refused(f"Invalid value {shown} for parameter '{parameter}' supplied{': ' + reason if reason else '.'}")


_SEE_DOCS = "See the API docs for more information about request parameters."


# ------------------------------------------------------------------------ requests


class Request(msgspec.Struct):
    """Base of all requests. `required`: fields that must be given and not be ""."""

    required: ClassVar[tuple[str, ...]] = ()


class KeyValue(msgspec.Struct):
    """A tag or param. A value that is not given is ""."""

    key: str = ""
    value: str = ""


class Metric(msgspec.Struct):
    """A metric point as clients send it."""

    key: str = ""
    value: float | None = None
    timestamp: int | None = None
    step: int = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


_R = TypeVar("_R", bound=Request)
_NOTHING: Mapping[str, str] = {}


def decode(kind: type[_R], body: bytes, path: Mapping[str, str] = _NOTHING) -> _R:
    """Return the request of a JSON body, "" being one without fields, and of what the path says.

    Raises:
        Refused: malformed, a field of a wrong type or spelled twice, or a required one is missing.
    """
    plan = _plan(kind)
    request: _R
    if not body:
        request = kind()
    elif any(name in body for name in plan.camel):
        request = _decode_slowly(kind, body)
    else:
        try:
            request = plan.decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            request = _decode_slowly(kind, body)
    return _completed(request, path)


def decode_query(kind: type[_R], query: Mapping[str, Sequence[str]], path: Mapping[str, str] = _NOTHING) -> _R:
    """Return the request of a query string, each name with all its values, and of what the path says."""
    given: dict[str, Any] = {}
    for name, is_list in _plan(kind).is_list_by_name.items():
        values = query.get(name)
        if values is not None:
            given[name] = list(values) if is_list else values[0]
    return _completed(_converted(kind, given), path)


def _completed(request: _R, path: Mapping[str, str]) -> _R:
    for name, value in path.items():
        setattr(request, name, value)
    for name in request.required:
        value = getattr(request, name)
        if value is None or value == "":
            raise missing(name)
    return request


class _Plan:
    """What is known of a kind of request before any arrives."""

    def __init__(self, kind: type[Any]) -> None:
        # Lax: int64 and doubles may come as text, as protobuf's JSON has them.
        self.decoder = msgspec.json.Decoder(kind, strict=False)
        self.fields = msgspec.structs.fields(kind)
        self.is_list_by_name = {field.name: _is_list(field.type) for field in self.fields}
        self.camel = tuple(f'"{_camel(name)}"'.encode() for name in sorted(_names(kind)) if _camel(name) != name)


_PLANS: dict[type[Any], _Plan] = {}


def _plan(kind: type[Any]) -> _Plan:
    found = _PLANS.get(kind)
    if found is None:
        found = _PLANS[kind] = _Plan(kind)  # twice by two threads at once is the same
    return found


def _names(kind: type[Any]) -> set[str]:
    names: set[str] = set()
    for field in msgspec.structs.fields(kind):
        names.add(field.name)
        for inner in _structs_in(field.type):
            names |= _names(inner)
    return names


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _parts(kind: Any) -> tuple[Any, ...]:
    return tuple(getattr(kind, "__args__", ()))


def _structs_in(kind: Any) -> list[type[Any]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [found for part in _parts(kind) for found in _structs_in(part)]


def _is_list(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is list or any(_is_list(part) for part in _parts(kind))


def _decode_slowly(kind: type[_R], body: bytes) -> _R:
    """Decode what the fast way cannot: camelCase, bare NaN, null, or a mistake that needs a good message."""
    try:
        given = json.loads(body)
        if isinstance(given, str):  # clients of long ago encode twice
            given = json.loads(given)
        json.dumps(given, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:  # UnicodeError is a ValueError
        raise Refused(f"The request body is not JSON: {_sayable(error)}") from error
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise Refused(f"The request body must be a JSON object, got {type(given).__name__}.")
    return _converted(kind, given)


def _sayable(error: Exception) -> str:
    return str(error).encode("utf-8", "replace").decode()


def _converted(kind: type[_R], given: dict[str, Any]) -> _R:
    plain = _snake(kind, given)
    try:
        return msgspec.convert(plain, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _place_of_mistake(plain, str(error)) from error


def _snake(kind: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a message by their own names, without those that are null."""
    plain: dict[str, Any] = {}
    for field in _plan(kind).fields:
        camel = _camel(field.name)
        if camel != field.name and camel in given:
            if field.name in given:
                raise Refused(f"Request specifies both '{field.name}' and '{camel}'; provide only one of them.")
            value = given[camel]
        else:
            value = given.get(field.name)
        if value is None:
            continue
        inner = _structs_in(field.type)
        if inner and isinstance(value, dict):
            value = _snake(inner[0], value)
        elif inner and isinstance(value, list):
            value = [_snake(inner[0], item) if isinstance(item, dict) else item for item in value]
        elif isinstance(value, str) and float in (field.type, *_parts(field.type)):
            try:
                value = float(value)  # "1e400" too, which is ±inf
            except ValueError:
                pass  # msgspec says what is wrong
        plain[field.name] = value
    return plain


def mistyped(parameter: str, value: object) -> Refused:
    """Return MLflow's error for a value of a type or range that a parameter does not take."""
    return invalid(parameter, value, f" Hint: Value was of type '{type(value).__name__}'. {_SEE_DOCS}")


def _place_of_mistake(given: dict[str, Any], reason: str) -> Refused:
    """Return the error for a field of a wrong type, found by the place at the end of msgspec's message."""
    place = re.search(r"at `\$\.([^`]*)`", reason)
    if place is None:
        return Refused(f"Invalid request: {reason}. {_SEE_DOCS}")
    value: Any = given
    try:
        for name, index in re.findall(r"(\w+)|\[(\d+)\]", place[1]):
            value = value[name] if name else value[int(index)]
    except (KeyError, IndexError, TypeError):
        return Refused(f"Invalid request: {reason}. {_SEE_DOCS}")
    return mistyped(place[1], value)


# ---------------------------------------------------------------------------- rules

_NAME = re.compile(r"[/\w.\- :]*")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_BAD_CHARACTERS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
)


def check_name(name: str, parameter: str) -> str:
    """Return a metric, param or tag name that keeps MLflow's rules; `parameter` is what the error calls it."""
    if not _NAME.fullmatch(name):
        raise invalid(parameter, name, _BAD_CHARACTERS)
    check_path_like(name, parameter)
    return name


def check_path_like(name: str, parameter: str) -> None:
    """Refuse a name that would mean another one if it were a path."""
    normal = posixpath.normpath(name)
    if normal != name or normal == "." or normal.startswith(("..", "/")):
        raise invalid(
            parameter,
            name,
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. "
            f"This name would resolve to {normal!r}",
        )


def check_length(value: str, limit: int, what: str) -> str:
    """Return a text of at most `limit` characters; `what` is what the error calls it."""
    if len(value) > limit:
        raise Refused(f"'{what}' exceeds the maximum length of {limit} characters")
    return value


@functools.lru_cache(4096)  # a training logs few names many times
def metric_name(name: str, parameter: str = "name") -> str:
    """Return a checked metric name."""
    check_name(name, parameter)
    return check_length(name, MAX_KEY_CHARS, "Metric name")


def param(given: KeyValue, at: str = "") -> tuple[str, str]:
    """Return a checked param; a value that is too long is cut, as MLflow does unless told otherwise."""
    check_name(given.key, f"{at}key")
    return check_length(given.key, MAX_KEY_CHARS, "Param key"), given.value[:MAX_PARAM_CHARS]


def tag(given: KeyValue, at: str = "") -> tuple[str, str]:
    """Return a checked tag of a run; a value that is too long is cut."""
    check_name(given.key, f"{at}key")
    return check_length(given.key, MAX_KEY_CHARS, f"{at}key"), given.value[:MAX_TAG_CHARS]


def check_run_id(run_id: str) -> str:
    """Return an id that a run could have."""
    if not _RUN_ID.fullmatch(run_id):
        raise invalid("run_id", run_id)
    return run_id


def check_max_results(given: int) -> int:
    """Return how many results a search may return."""
    if given < 1:
        raise Refused(f"Invalid value {given} for parameter 'max_results' supplied. It must be a positive integer")
    if given > MAX_RESULTS:
        raise Refused(f"Invalid value {given} for parameter 'max_results' supplied. It must be at most {MAX_RESULTS}")
    return given


def decoded(text: str) -> str:
    """Return a text without percent-encoding, however often it was encoded.

    Raises:
        Refused: more than ten times, which nobody's address is.
    """
    for _ in range(10):
        once = unquote(text)
        if once == text:
            return text
        text = once
    raise Refused("Invalid path")


def check_path(path: str) -> str:
    """Return a relative path without "..", also when it is decoded again; "" is the root.

    What it names is looked up among a run's or model's files; none of it ever becomes a path of the file system.
    """
    for text in (path, decoded(path)):
        drive = len(text) > 1 and text[1] == ":" and text[0].isalpha()
        if (
            drive
            or text.startswith("/")
            or "\\" in text
            or "#" in text
            or ".." in text.split("/")
            or re.match(r"[a-zA-Z][\w+.\-]*:/", text)
        ):
            raise Refused("Invalid path")
    return path


# --------------------------------------------------------------------------- answers


class Offset:
    """Page tokens that count: for lists that are made anew for each page."""

    @staticmethod
    def token(offset: int) -> str:
        """Return the token of the page that starts at a position."""
        return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()

    @staticmethod
    def of(token: str) -> int:
        """Return the position a token stands for."""
        if not token:
            return 0
        try:
            decoded = base64.b64decode(token, validate=True)
        except ValueError as error:
            raise Refused("Invalid page token, could not base64-decode") from error
        try:
            parsed = json.loads(decoded)
        except ValueError as error:
            raise Refused(f"Invalid page token, parsed value={decoded!r}") from error
        offset = parsed.get("offset") if isinstance(parsed, dict) else None
        if type(offset) is not int or not 0 <= offset <= MAX_INT64:
            raise Refused(f"Invalid page token, parsed value={parsed}")
        return offset


Number: TypeAlias = float | str  # "NaN" is text: JSON has no word for it


def number(value: float) -> Number:
    """Return a metric's value as MLflow's SQL store says it: NaN as text, infinities as the largest doubles."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return math.copysign(_MAX_FLOAT, value)


class Tag(msgspec.Struct):
    """A tag or param in an answer."""

    key: str
    value: str


class MetricPoint(msgspec.Struct, omit_defaults=True):
    """A metric point in an answer."""

    key: str
    value: Number
    timestamp: int
    step: int
    # Of a logged model's metrics, or of a history of several runs.
    run_id: str = ""
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class Experiment(msgspec.Struct, omit_defaults=True):
    """An experiment."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    last_update_time: int
    creation_time: int
    workspace: str
    tags: list[Tag] = []


class RunInfo(msgspec.Struct, omit_defaults=True):
    """The head of a run."""

    run_uuid: str
    experiment_id: str
    run_name: str
    user_id: str
    status: str
    start_time: int
    artifact_uri: str
    lifecycle_stage: str
    run_id: str
    end_time: int | None = None


class RunData(msgspec.Struct, omit_defaults=True):
    """What a run logged: last points, params, tags."""

    metrics: list[MetricPoint] = []
    params: list[Tag] = []
    tags: list[Tag] = []


class Dataset(msgspec.Struct, omit_defaults=True):
    """A data set."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str = ""
    profile: str = ""


class DatasetInput(msgspec.Struct, omit_defaults=True):
    """A data set that a run read."""

    dataset: Dataset
    tags: list[Tag] = []


class ModelInput(msgspec.Struct):
    """A logged model that a run read."""

    model_id: str


class ModelOutput(msgspec.Struct):
    """A logged model that a run made."""

    model_id: str
    step: int


class Inputs(msgspec.Struct, omit_defaults=True):
    """What a run read."""

    dataset_inputs: list[DatasetInput] = []
    model_inputs: list[ModelInput] = []


class Outputs(msgspec.Struct, omit_defaults=True):
    """What a run made."""

    model_outputs: list[ModelOutput] = []


class Run(msgspec.Struct, omit_defaults=True):
    """A run."""

    info: RunInfo
    data: RunData
    inputs: Inputs
    outputs: Outputs | None = None


class FileInfo(msgspec.Struct, omit_defaults=True):
    """A file or folder."""

    path: str
    is_dir: bool
    file_size: int | None = None


def tags_of(values: Mapping[str, str]) -> list[Tag]:
    """Return a mapping as MLflow lists it."""
    return [Tag(key, value) for key, value in values.items()]


def page_of(name: str, found: list[Any], token: str | None) -> dict[str, Any]:
    """Return one page of a search; what is empty is left out."""
    answer: dict[str, Any] = {name: found} if found else {}
    if token:
        answer["next_page_token"] = token
    return answer
