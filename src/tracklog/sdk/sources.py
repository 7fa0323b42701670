"""Where the data of a data set lie, and reading them: places, patterns, tables.

A data set is a definition in JSON: `places`, how they are read, and `steps` that are applied in order. Nothing is read
before it is asked for. A place is one of

    {"datastore": name, "path": pattern}    on a datastore of the workspace
    {"file": pattern}                       on this machine, absolute
    {"url": address}                        http or https

A pattern may have `*`, `?`, `[…]` within a part and `**` for any parts; a folder means all files below it.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from tracklog.errors import InvalidValueError, MissingExtraError, UserErrorException, shown
from tracklog.sdk.datastore import (
    AbstractAzureStorageDatastore,
    DataPath,
    DataReference,
    Datastore,
    files_below,
    folder_of,
    relative,
)

if TYPE_CHECKING:
    from tracklog.sdk.workspace import Workspace

Place = dict[str, str]
Step = list[Any]  # [name, {argument: value}]
_AZUREML = re.compile(r"azureml://.*?datastores/(?P<datastore>\w+)/paths/(?P<path>.*)", re.IGNORECASE)
_TIMEOUT_S = 60.0  # without a byte from a server that is read from
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_ENCODINGS = {"utf8": "utf-8", "utf8bom": "utf-8-sig", "iso88591": "latin-1", "windows1252": "cp1252"}
NO_HEADERS, FIRST_FILE_HEADERS, COMBINED_HEADERS, SAME_HEADERS = range(4)  # v1's PromoteHeadersBehavior


class DatasetValidationError(UserErrorException):
    """A data set was made of a place without files."""


class DatasetExecutionError(UserErrorException):
    """The data of a data set cannot be read."""


class Found(msgspec.Struct, frozen=True):
    """A file of a data set."""

    name: str  # relative to the folder that the data set's places have in common, with forward slashes
    file: str = ""  # on this machine; "" for one on the web
    url: str = ""

    def local(self, scratch: Path) -> Path:
        """Return the file on this machine; one on the web is fetched into a folder first.

        Raises:
            DatasetExecutionError: it cannot be fetched.
        """
        if self.file:
            return Path(self.file)
        import urllib.request

        target = scratch / self.name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            # The scheme was checked when the place was taken.
            with urllib.request.urlopen(self.url, timeout=_TIMEOUT_S) as answer, target.open("wb") as stream:  # noqa: S310
                shutil.copyfileobj(answer, stream)
        except (OSError, ValueError) as error:
            reason = str(error).removeprefix("<urlopen error ").removesuffix(">")
            raise DatasetExecutionError(f"Cannot read {self.url}: {reason}.") from error
        return target

    def size_and_time(self) -> tuple[int, int]:
        """Return size in bytes and time of the last change in ns; of a file on the web neither is known: zeros."""
        if not self.file:
            return 0, 0
        facts = os.stat(self.file)
        return facts.st_size, facts.st_mtime_ns


# ------------------------------------------------------------------------- places


def places_of(path: Any) -> tuple[list[Place], Workspace | None]:
    """Return the places that a `path` argument of v1 names, and the workspace of its datastores.

    Raises:
        InvalidValueError: it is none of a text, a (datastore, path), a DataPath or a list of them.
    """
    if isinstance(path, DataReference):
        path = (path.datastore, path.path_on_datastore or "")
    if isinstance(path, DataPath) and path.datastore is not None:
        path = (path.datastore, path.path_on_datastore or "")
    if isinstance(path, AbstractAzureStorageDatastore):
        path = (path, "")
    if isinstance(path, tuple) and len(path) == 2 and isinstance(path[0], AbstractAzureStorageDatastore):
        datastore, below = path
        if isinstance(below, (list, tuple)):
            return [{"datastore": datastore.name, "path": relative(one)} for one in below], datastore.workspace
        return [{"datastore": datastore.name, "path": relative(below)}], datastore.workspace
    if isinstance(path, (str, os.PathLike)) and os.fspath(path):
        return [_place_of(os.fspath(path))], None
    if isinstance(path, (list, tuple)) and path:
        pairs = [places_of(one) for one in path]
        workspaces = [workspace for _, workspace in pairs if workspace is not None]
        if len({workspace.uri for workspace in workspaces}) > 1:
            raise UserErrorException("Cannot make one data set of datastores of several workspaces.")
        return [place for places, _ in pairs for place in places], workspaces[0] if workspaces else None
    raise InvalidValueError(
        f"Cannot make a data set of {shown(path)}. Expected a path, an address, a (datastore, path), or a list of them.",
        parameter="path",
        given=path,
    )


def _place_of(text: str) -> Place:
    if (found := _AZUREML.fullmatch(text)) is not None:
        return {"datastore": found["datastore"].lower(), "path": relative(found["path"])}
    if text.lower().startswith(("http://", "https://")):
        return {"url": text}
    if text.lower().startswith("file:"):
        text = unquote(urlsplit(text).path)
    elif "://" in text:
        raise InvalidValueError(
            f"Cannot read {shown(text)}. Expected a path, file://…, http(s)://…, or (datastore, path).",
            parameter="path",
            given=text,
        )
    return {"file": os.path.abspath(os.path.expanduser(text))}


def found_files(workspace: Workspace | None, places: Sequence[Place]) -> list[Found]:
    """Return the files at some places, in the order of the places and then of their names.

    Raises:
        UserErrorException: a place is on a datastore, and the data set belongs to no workspace.
    """
    groups: list[tuple[Path | None, list[Found]]] = []
    for place in places:
        if "url" in place:
            name = unquote(urlsplit(place["url"]).path).rstrip("/").rpartition("/")[2] or "index"
            groups.append((None, [Found(name.replace("\\", "_"), url=place["url"])]))
        else:
            base, files = _matching(_pattern_of(workspace, place))
            groups.append((base, [Found(file.relative_to(base).as_posix(), str(file)) for file in files]))
    if len(groups) == 1:
        return groups[0][1]
    bases = [base for base, _ in groups if base is not None]
    common = os.path.commonpath(bases) if bases else ""
    return [
        one if base is None else Found(Path(one.file).relative_to(common).as_posix(), one.file)
        for base, files in groups
        for one in files
    ]


def single_file(workspace: Workspace | None, places: Sequence[Place]) -> bool:
    """Whether the places are one file that is named without a pattern."""
    if len(places) != 1:
        return False
    return "url" in places[0] or _pattern_of(workspace, places[0]).is_file()


def whole_folder(workspace: Workspace | None, places: Sequence[Place]) -> Path | None:
    """Return the folder of which the places are all files, None when they are something else."""
    if len(places) != 1 or "url" in places[0]:
        return None
    pattern = str(_pattern_of(workspace, places[0])).removesuffix("/**")
    return Path(pattern) if not glob.has_magic(pattern) and Path(pattern).is_dir() else None


def address_of(place: Place) -> str:
    """Return a place as one line for people."""
    if "datastore" in place:
        return f"('{place['datastore']}', '{place['path']}')"
    return place.get("file") or place["url"]


def _pattern_of(workspace: Workspace | None, place: Place) -> Path:
    if "file" in place:
        return Path(place["file"])
    if workspace is None:
        raise UserErrorException(f"{address_of(place)} is on a datastore, and the data set belongs to no workspace. Register it.")
    name = Datastore.get(workspace, place["datastore"]).name
    return folder_of(workspace, name) / relative(place["path"])


def _matching(pattern: Path) -> tuple[Path, list[Path]]:
    """Return the folder before the first part with a wildcard, and the files below it that match."""
    if pattern.is_file():
        return pattern.parent, [pattern]
    if pattern.is_dir():
        return pattern, list(files_below(pattern))
    parts = pattern.parts
    fixed = next((index for index, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    base = Path(*parts[:fixed])
    if fixed == len(parts) or not base.is_dir():
        return base.parent if fixed == len(parts) else base, []
    matches = re.compile(pattern_expression("/".join(parts[fixed:]))).fullmatch
    return base, [file for file in files_below(base) if matches(file.relative_to(base).as_posix())]


def pattern_expression(pattern: str) -> str:
    """Return a pattern as a regular expression: `*` stays within a part, `**` does not."""
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    expression = ""
    for piece in re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]/]+\])", pattern):
        if piece in meaning:
            expression += meaning[piece]
        elif piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
            is_negated = piece[1] == "!"
            characters = re.sub(r"([\\^\[])", r"\\\1", piece[2 if is_negated else 1 : -1])
            expression += f"[{'^' if is_negated else ''}{characters}]"
        else:
            expression += re.escape(piece)
    return expression


# ------------------------------------------------------------------------- tables


def pandas(purpose: str) -> Any:
    """Return pandas.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise MissingExtraError("pandas", "tables", purpose) from error
    return pd


def frame(workspace: Workspace | None, definition: dict[str, Any], *, on_error: str = "null") -> Any:
    """Return the table that a definition describes, as a pandas DataFrame.

    Args:
        on_error: what becomes of a cell that is not of its column's type: "null", or "fail".

    Raises:
        DatasetExecutionError: a file cannot be read, or a step names a column that is not there.
    """
    pd = pandas("Reading a tabular data set")
    files = found_files(workspace, definition["places"])
    if len(definition["places"]) > 1 or not single_file(workspace, definition["places"]):
        # What Spark and the like leave beside their files.
        files = [one for one in files if not one.name.rpartition("/")[2].startswith(("_", "."))]
    if not files:
        raise DatasetExecutionError(f"There are no files at {', '.join(map(address_of, definition['places']))}.")
    wanted = _rows_wanted(definition.get("steps", []))
    pieces: list[Any] = []
    names: list[str] | None = None
    rows = 0
    with tempfile.TemporaryDirectory(prefix="tracklog-data-") as scratch:
        for number, one in enumerate(files):
            path = one.local(Path(scratch) / str(number))
            try:
                piece = _READERS[definition["format"]](pd, path, definition, names, wanted)
            except (ValueError, OSError, LookupError, TypeError) as error:  # all that pandas and pyarrow raise
                raise DatasetExecutionError(f"Cannot read {one.url or one.file} as {definition['format']}: {error}") from error
            names = list(piece.columns) if names is None else names
            if definition.get("include_path"):
                piece.insert(0, "Path", f"/{one.name}")
            for key, value in _partition_values(definition.get("partition_format"), f"/{one.name}").items():
                piece[key] = value
            pieces.append(piece)
            rows += len(piece)
            if wanted is not None and rows >= wanted:
                break
    table = pieces[0] if len(pieces) == 1 else pd.concat(pieces, ignore_index=True, sort=False)
    _convert(pd, table, definition, on_error)
    for name, arguments in definition.get("steps", []):
        table = _TABLE_STEPS[name](table, definition=definition, **arguments).reset_index(drop=True)
    return table


def _rows_wanted(steps: Sequence[Step]) -> int | None:
    """Return how many rows are enough, so that the head of a large table is quick; None: all."""
    skipped = 0
    for name, arguments in steps:
        if name == "skip":
            skipped += arguments["count"]
        elif name == "take":
            return int(skipped + arguments["count"])
        elif name not in ("keep", "drop"):
            return None
    return None


def _read_delimited(pd: Any, path: Path, definition: dict[str, Any], names: list[str] | None, rows: int | None) -> Any:
    header = definition["header"]
    has_names = header in (COMBINED_HEADERS, SAME_HEADERS) or (header == FIRST_FILE_HEADERS and names is None)
    # A column whose type is set is read as text, so that 007 and 1,5 arrive as they are.
    as_text: Any = dict.fromkeys(definition.get("types", {}), str)
    if not has_names:
        as_text = {index: str for name in as_text if (index := _position(name, names)) is not None}
    table = pd.read_csv(
        path,
        sep=definition["separator"],
        header=0 if has_names else None,
        encoding=_ENCODINGS.get(definition["encoding"], definition["encoding"]),
        dtype=as_text if definition["infer"] else str,
        keep_default_na=not definition["empty_as_string"],
        nrows=rows,
        engine="python" if len(definition["separator"]) > 1 else "c",
    )
    if not has_names:
        width = len(table.columns)
        table.columns = names if names is not None and len(names) == width else [f"Column{n}" for n in range(1, width + 1)]
    return table


def _position(name: str, names: list[str] | None) -> int | None:
    """Return which column of a file without headers a name means."""
    if names is not None and name in names:
        return names.index(name)
    found = re.fullmatch(r"Column([1-9]\d*)", name)
    return int(found[1]) - 1 if found else None


def _read_parquet(pd: Any, path: Path, definition: dict[str, Any], names: list[str] | None, rows: int | None) -> Any:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise MissingExtraError("pyarrow", "tables", "Reading Parquet files") from error


def _read_json_lines(pd: Any, path: Path, definition: dict[str, Any], names: list[str] | None, rows: int | None) -> Any:
    decoder = msgspec.json.Decoder(dict[str, Any])
    found = []
    with path.open(encoding=_ENCODINGS.get(definition["encoding"], definition["encoding"])) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                found.append(decoder.decode(line))
            except msgspec.DecodeError as error:
                if definition["invalid_lines"] == "error":
                    raise ValueError(f"line {number}: {error}") from error
            if rows is not None and len(found) >= rows:
                break
    return pd.DataFrame(found)


_READERS: dict[str, Callable[[Any, Path, dict[str, Any], list[str] | None, int | None], Any]] = {
    "delimited": _read_delimited,
    "parquet": _read_parquet,
    "json lines": _read_json_lines,
}


def _convert(pd: Any, table: Any, definition: dict[str, Any], on_error: str) -> None:
    """Give columns the types that were set, and those that look like dates that of dates."""
    types = definition.get("types", {})
    for name, type_ in types.items():
        if name not in table.columns:
            raise DatasetExecutionError(f"There is no column {name!r} to set the type of. Columns: {_listed(table)}.")
        try:
            table[name] = _CONVERSIONS[type_["type"]](pd, table[name], type_, "coerce" if on_error == "null" else "raise")
        except (ValueError, TypeError) as error:
            raise DatasetExecutionError(f"Column {name!r} is not all {type_['type']}: {error}") from error
    if not definition.get("infer"):
        return
    for name in table.columns:
        if name in types or name == "Path" or not pd.api.types.is_string_dtype(table[name]):
            continue
        known = table[name].dropna()
        if len(known) and all(isinstance(one, str) and _ISO_DATE.fullmatch(one) for one in known.head(100)):
            try:
                table[name] = pd.to_datetime(table[name], format="ISO8601")
            except (ValueError, TypeError):  # further down is something else: it stays text
                continue


def _to_datetime(pd: Any, column: Any, type_: dict[str, Any], errors: str) -> Any:
    formats = type_.get("formats") or ["ISO8601"]
    converted = pd.to_datetime(column, format=formats[0], errors="coerce" if len(formats) > 1 else errors)
    for format_ in formats[1:]:
        converted = converted.fillna(pd.to_datetime(column, format=format_, errors="coerce"))
    if errors == "raise" and (converted.isna() & column.notna()).any():
        raise ValueError(f"some values have none of the formats {', '.join(formats)}")
    return converted


def _to_long(pd: Any, column: Any, type_: dict[str, Any], errors: str) -> Any:
    numbers = pd.to_numeric(column, errors=errors)
    return numbers if numbers.isna().any() else numbers.astype("int64")


def _to_float(pd: Any, column: Any, type_: dict[str, Any], errors: str) -> Any:
    mark = type_.get("decimal_mark", ".")
    text = column if mark == "." else column.astype(str).str.replace(".", "", regex=False).str.replace(mark, ".", regex=False)
    return pd.to_numeric(text, errors=errors).astype("float64")


def _to_bool(pd: Any, column: Any, type_: dict[str, Any], errors: str) -> Any:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    converted = column.map(lambda one: words.get(str(one).strip().lower()), na_action="ignore")
    if errors == "raise" and (converted.isna() & column.notna()).any():
        raise ValueError("some values are neither true nor false")
    return converted.astype(bool) if not converted.isna().any() else converted


def _to_string(pd: Any, column: Any, type_: dict[str, Any], errors: str) -> Any:
    return column.map(str, na_action="ignore")


_CONVERSIONS: dict[str, Callable[[Any, Any, dict[str, Any], str], Any]] = {
    "datetime": _to_datetime,
    "long": _to_long,
    "float": _to_float,
    "bool": _to_bool,
    "string": _to_string,
}


# -------------------------------------------------------------------------- steps


def _take(table: Any, *, count: int, **_: Any) -> Any:
    return table.iloc[:count]


def _skip(table: Any, *, count: int, **_: Any) -> Any:
    return table.iloc[count:]


def _split(table: Any, *, percentage: float, seed: int, part: int, **_: Any) -> Any:
    return table.iloc[chosen(len(table), percentage, seed, part)]


def _sample(table: Any, *, probability: float, seed: int, **_: Any) -> Any:
    return table.iloc[chosen(len(table), probability, seed, 0)]


def _drop(table: Any, *, columns: list[str], **_: Any) -> Any:
    return table.drop(columns=_known(table, columns))


def _keep(table: Any, *, columns: list[str], **_: Any) -> Any:
    return table[_known(table, columns)]


def _filter(table: Any, *, expression: list[Any], **_: Any) -> Any:
    return table[evaluate(expression, table)]


def _time(table: Any, *, definition: dict[str, Any], column: str, start: str | None, end: str | None, boundary: bool) -> Any:
    pd = pandas("Filtering by time")
    [name] = _known(table, [column])
    times = pd.to_datetime(table[name], utc=True)
    chosen_rows = times.notna()
    for moment, later in ((start, True), (end, False)):
        if moment is not None:
            bound = pd.Timestamp(moment)
            bound = bound.tz_localize("UTC") if bound.tzinfo is None else bound
            inside = times > bound if later else times < bound
            chosen_rows &= (inside | (times == bound)) if boundary else inside
    return table[chosen_rows]


_TABLE_STEPS: dict[str, Callable[..., Any]] = {
    "take": _take,
    "skip": _skip,
    "split": _split,
    "sample": _sample,
    "drop": _drop,
    "keep": _keep,
    "filter": _filter,
    "time": _time,
}


def chosen(count: int, share: float, seed: int, part: int) -> list[int]:
    """Return the positions of one part of a random split of `count` things, ascending; parts 0 and 1 are all of them."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(count)
    first = round(share * count)
    found: list[int] = sorted((order[:first] if part == 0 else order[first:]).tolist())
    return found


def apply_to_files(files: list[Found], steps: Sequence[Step]) -> list[Found]:
    """Return what steps leave of a list of files."""
    for name, arguments in steps:
        if name == "take":
            files = files[: arguments["count"]]
        elif name == "skip":
            files = files[arguments["count"] :]
        elif name == "split":
            files = [files[index] for index in chosen(len(files), arguments["percentage"], arguments["seed"], arguments["part"])]
        elif name == "sample":
            files = [files[index] for index in chosen(len(files), arguments["probability"], arguments["seed"], 0)]
        else:
            keep = evaluate(arguments["expression"], file_facts(files))
            files = [one for one, is_kept in zip(files, keep, strict=True) if is_kept]
    return files


def file_facts(files: Sequence[Found]) -> Any:
    """Return what `FileDataset.file_metadata` can ask: a table with a row for each file."""
    pd = pandas("Filtering files")
    facts = [one.size_and_time() for one in files]
    times = pd.to_datetime([time_ns for _, time_ns in facts], utc=True)
    return pd.DataFrame({"Size": [size for size, _ in facts], "LastModifiedTime": times, "CreatedTime": times})


def evaluate(tree: Any, table: Any) -> Any:
    """Return the rows (a column of truth values) that an expression of `data_set["column"] > 3` and the like finds."""
    if not isinstance(tree, list):
        return tree
    operator, *operands = tree
    if operator == "column":
        return table[_known(table, operands)[0]]
    if operator == "time":
        return pandas("Filtering by time").Timestamp(operands[0])
    values = [evaluate(one, table) for one in operands]
    return _OPERATORS[operator](*values)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "and": lambda left, right: left & right,
    "or": lambda left, right: left | right,
    "not": lambda operand: ~operand,
    "is null": lambda operand: operand.isna(),
}


def _known(table: Any, columns: Sequence[str]) -> list[str]:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise DatasetExecutionError(f"There is no column {missing[0]!r}. Columns: {_listed(table)}.")
    return list(columns)


def _listed(table: Any) -> str:
    names = [str(name) for name in table.columns]
    return ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")


# --------------------------------------------------------------------- partitions


def partition_keys(format_: str | None) -> list[str]:
    """Return the keys that a partition format such as `/{Department}/{Date:yyyy/MM}/data.csv` names."""
    return re.findall(r"\{(\w+)", format_ or "")


def _partition_values(format_: str | None, path: str) -> dict[str, Any]:
    """Return what a path says of its keys; None for each when it has another form."""
    if not format_:
        return {}
    expression, dates = "", {}
    for literal, key, form in _partition_parts(format_):
        expression += re.escape(literal).replace(r"\*", "[^/]*")
        if key and form:
            dates[key] = re.sub(r"y+|M+|d+|H+|h+|m+|s+", lambda found: _DATE_CODES[found[0][0]], form)
            digits = re.sub(r"y+|M+|d+|H+|h+|m+|s+", lambda found: rf"\d{{{len(found[0])}}}", re.escape(form))
            expression += f"(?P<{key}>{digits})"
        elif key:
            expression += f"(?P<{key}>[^/]+)"
    found = re.search(expression + "$", path)
    if found is None:
        return dict.fromkeys(partition_keys(format_))
    return {
        key: datetime.strptime(text, dates[key]) if key in dates else text  # noqa: DTZ007  # partitions have no zone
        for key, text in found.groupdict().items()
    }


_DATE_CODES = {"y": "%Y", "M": "%m", "d": "%d", "H": "%H", "h": "%H", "m": "%M", "s": "%S"}


def _partition_parts(format_: str) -> Iterator[tuple[str, str, str]]:
    """Yield (text before, key, form of a date), the last one without a key."""
    end = 0
    for found in re.finditer(r"\{(\w+)(?::([^}]*))?\}", format_):
        yield format_[end : found.start()], found[1], found[2] or ""
        end = found.end()
    yield format_[end:], "", ""


def partition_values(files: Sequence[Found], format_: str | None) -> list[dict[str, Any]]:
    """Return what the paths of files say of their partition keys, each combination once."""
    found: list[dict[str, Any]] = []
    for one in files:
        values = _partition_values(format_, f"/{one.name}")
        if values not in found:
            found.append(values)
    return found


def changed_at(files: Sequence[Found]) -> datetime | None:
    """Return when the last of some files was changed, UTC; None when that is not known."""
    newest = max((one.size_and_time()[1] for one in files if one.file), default=None)
    return None if newest is None else datetime.fromtimestamp(newest / 1e9, timezone.utc)
