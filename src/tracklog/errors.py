"""Every error a caller may want to catch.

AzureMLException                               root of Azure ML v1's errors; `.message`, `.inner_exception`
├── UserErrorException                         what v1 raises for a wrong argument
├── ServiceException                           what v1 raises for an answer of its service; `.status_code`
└── TracklogError                              root of ours
    ├── InvalidValueError (ValueError)         a given value cannot be used; `.parameter`, `.given`; a UserErrorException, too
    │   ├── InvalidTypeError (TypeError)       … because of its type
    │   ├── InvalidPathError                   an artifact path that is unsafe or not a path
    │   ├── FilterError                        a filter that is not in the language; `.position`, `.end`
    │   └── InvalidRequestError                an HTTP body or query that does not decode
    │       ├── PayloadTooLargeError           … larger than its route takes
    │       └── UnsupportedMediaTypeError      … of a content type its route does not take
    ├── NotFoundError (LookupError)            no such run, experiment, metric, artifact; `.what`, `.given`; both of v1's
    ├── ConflictError                          what is asked contradicts what is stored; both of v1's, too
    │   ├── ParamConflictError                 a param has another value already; `.key`, `.old`, `.new`
    │   ├── RunDeletedError                    a client without a journal writes to a deleted run
    │   └── WriterGapError                     a batch starts after the last one stored; `.expected`
    ├── StoreError (OSError)                   the store itself fails; a ServiceException, too
    │   ├── StoreUnavailableError              … for now: locked, down, unreachable; trying again is sensible
    │   ├── StoreFormatError                   … its files are newer than this program, or damaged
    │   └── StorageFullError                   … no space left
    ├── JournalError (OSError)                 a journal cannot be read
    ├── MissingExtraError (ImportError)        an optional package is needed; the message has the pip line
    ├── NotSupportedError (NotImplementedError)  a part of Azure ML v1 that tracklog has not
    └── ServerError (OSError)                  the server cannot start, or answered what nobody expected

A message says what failed with the value, what was expected, and what to do.
Each class also inherits the builtin one would try first.

The three roots with v1's names stand here, below everything that raises, so that `except AzureMLException`,
`except UserErrorException` and `except ServiceException` of a script catch our errors as well. The rest of v1's errors
is in `tracklog.sdk.exceptions`.
"""

from __future__ import annotations

import difflib
import json
import reprlib
from collections.abc import Iterable
from typing import Any

_SHOWN_VALUE_CHARS = 120  # enough to recognise a value, too little to flood a terminal


class AzureMLException(Exception):
    """Base of every error, under the name scripts for Azure ML v1 catch.

    `str()` of a class with a v1 name is v1's text of several lines; `message` is the sentence alone.
    """

    _v1_code: str | None = None  # what v1 writes as `error.code` into its text

    def __init__(
        self,
        exception_message: str,
        inner_exception: BaseException | None = None,
        target: str | None = None,
        details: list[Any] | None = None,
        message_format: str | None = None,
        message_parameters: dict[str, Any] | None = None,
        reference_code: str | None = None,
        **kwargs: Any,
    ) -> None:
        # v1's subclasses in libraries hand on what they do not know; nothing reads it.
        super().__init__(exception_message)
        self.message = exception_message
        self.inner_exception = inner_exception
        self._response_fields = {
            "target": target,
            "details": details,
            "message_format": message_format,
            "message_parameters": message_parameters,
            "reference_code": reference_code,
        }

    def __str__(self) -> str:
        fields = {"code": self._v1_code, "message": self.message, **self._response_fields}
        response = {"error": {name: value for name, value in fields.items() if value is not None}}
        text = json.dumps(response, indent=4, default=str)
        return (
            f"{type(self).__name__}:\n\tMessage: {self.message}\n\tInnerException {self.inner_exception}"
            f"\n\tErrorResponse \n{text}"
        )

    # Constructors differ, and an error has to cross from a worker process to its parent all the same.
    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[AzureMLException], arguments: tuple[Any, ...], state: dict[str, Any]) -> AzureMLException:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(state)
    return error


class UserErrorException(AzureMLException):
    """The caller did something wrong: v1's name for it."""

    _v1_code = "UserError"

    def __init__(self, exception_message: str, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class ServiceException(AzureMLException):
    """The store or the server answered with an error. `status_code` is that of HTTP, None without one.

    In v1 it comes from an HTTP library and is no AzureMLException; here one `except AzureMLException` catches it, too.

    Args:
        error_response_exception: the error of the HTTP client, or a message.
    """

    def __init__(self, error_response_exception: Any, **kwargs: Any) -> None:
        message = getattr(error_response_exception, "message", None) or str(error_response_exception)
        super().__init__(message, **kwargs)
        if isinstance(error_response_exception, BaseException):
            self.inner_exception = error_response_exception
        self.response = getattr(error_response_exception, "response", None)
        candidates = (getattr(self.response, "status_code", None), getattr(error_response_exception, "status", None))
        own = getattr(type(self), "status", None)  # of an error of ours
        self.status_code: int | None = next((one for one in (*candidates, own) if isinstance(one, int)), None)


class TracklogError(AzureMLException):
    """Base of every error tracklog raises on purpose. `code` is the stable word HTTP clients see."""

    code = "ERROR"
    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __str__(self) -> str:
        return self.message


class InvalidValueError(TracklogError, UserErrorException, ValueError):
    """A given value cannot be used."""

    code = "INVALID_VALUE"
    status = 400

    def __init__(self, message: str, *, parameter: str | None = None, given: Any = None) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.given = given


class InvalidTypeError(InvalidValueError, TypeError):
    """A given value has a type that cannot be used."""

    code = "INVALID_TYPE"


class InvalidPathError(InvalidValueError):
    """An artifact path is absolute, climbs out of its root, or is no path at all."""

    code = "INVALID_PATH"


class FilterError(InvalidValueError):
    """A filter is not in the filter language, or asks of a thing what it does not have.

    `position` and `end` are the characters, from 0, at which reading stopped; equal where something is missing.
    """

    code = "INVALID_FILTER"

    def __init__(self, message: str, *, position: int, end: int, parameter: str = "filter") -> None:
        super().__init__(message, parameter=parameter)
        self.position = position
        self.end = end


class InvalidRequestError(InvalidValueError):
    """An HTTP request does not decode into what its route expects."""

    code = "INVALID_REQUEST"


class PayloadTooLargeError(InvalidRequestError):
    """An HTTP body is larger than its route takes."""

    code = "PAYLOAD_TOO_LARGE"
    status = 413


class UnsupportedMediaTypeError(InvalidRequestError):
    """An HTTP body has a content type its route does not take."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


class NotFoundError(TracklogError, ServiceException, UserErrorException, LookupError):
    """No such run, experiment, metric or artifact."""

    code = "NOT_FOUND"
    status = 404

    def __init__(self, message: str, *, what: str = "", given: str = "") -> None:
        super().__init__(message)
        self.what = what
        self.given = given


class ConflictError(TracklogError, ServiceException, UserErrorException):
    """What is asked contradicts what is stored."""

    code = "CONFLICT"
    status = 409


class ParamConflictError(ConflictError):
    """A param that must not change has another value already. `old` and `new` are as text."""

    code = "PARAM_CONFLICT"

    def __init__(self, message: str, *, key: str, old: str, new: str) -> None:
        super().__init__(message)
        self.key = key
        self.old = old
        self.new = new


class RunDeletedError(ConflictError):
    """A client without a journal writes to a run that is deleted."""

    code = "RUN_DELETED"


class WriterGapError(ConflictError):
    """A batch starts after the last record stored of its writer: records between are missing.

    `expected` is the (points, events) position the store wants next; send again from there.
    """

    code = "WRITER_GAP"

    def __init__(self, message: str, *, expected: tuple[int, int]) -> None:
        super().__init__(message)
        self.expected = expected


class StoreError(TracklogError, ServiceException, OSError):
    """The store itself fails."""

    code = "STORE_ERROR"


class StoreUnavailableError(StoreError):
    """The store cannot be reached or is locked for now; trying again is sensible."""

    code = "STORE_UNAVAILABLE"
    status = 503


class StoreFormatError(StoreError):
    """The store's files are of a newer format or damaged; nothing was changed."""

    code = "STORE_FORMAT"


class StorageFullError(StoreError):
    """No space is left where the store writes."""

    code = "STORAGE_FULL"
    status = 507


class JournalError(TracklogError, OSError):
    """A journal cannot be read. `path` names it."""

    code = "JOURNAL"

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class MissingExtraError(TracklogError, ImportError):
    """An optional package is needed."""

    code = "MISSING_EXTRA"
    status = 501

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package `{package}`. Install it with: pip install 'tracklog[{extra}]'")


class NotSupportedError(TracklogError, NotImplementedError):
    """Something of another product that tracklog has not; the message says what to do instead."""

    code = "NOT_SUPPORTED"
    status = 501


class ServerError(TracklogError, OSError):
    """The server cannot start, or answered what nobody expected."""

    code = "SERVER"


# A message about a list of a million numbers must not make text of all of them.
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = 2 * _SHOWN_VALUE_CHARS
_brief.maxlist = _brief.maxtuple = _brief.maxdict = _brief.maxset = _brief.maxfrozenset = 12


def shown(value: object) -> str:
    """Return `value` as it appears in an error message: repr, type, cut to a line."""
    try:
        text = _brief.repr(value)
    except Exception:  # a foreign __repr__ may do anything; the message must still be made  # noqa: BLE001
        text = "<no repr>"
    if len(text) > _SHOWN_VALUE_CHARS:
        text = text[:_SHOWN_VALUE_CHARS] + "…"
    return f"{text} ({type(value).__name__})"


def unknown(what: str, given: str, known: Iterable[str]) -> NotFoundError:
    """Return a NotFoundError that lists what is known and guesses what was meant."""
    names = sorted(known)
    listed = ", ".join(f"`{name}`" for name in names[:20]) or "none yet"
    if len(names) > 20:
        listed += f" and {len(names) - 20} more"
    return NotFoundError(f"Unknown {what} `{given}`. Known: {listed}.{suggestion(given, names)}", what=what, given=given)


def suggestion(given: str, known: Iterable[str]) -> str:
    """Return ` Did you mean …?` for the known name that is like the given one; nothing when none is."""
    close = difflib.get_close_matches(given, list(known), n=1)
    return f" Did you mean `{close[0]}`?" if close else ""
