"""A metric of runs as a picture, for pages that show no frames: `GET /embed/chart.svg?metric=loss&runs=…`.

Curves are drawn from the same buckets as in the portal, in its colours; a metric of one point each becomes bars. The answer
is always a drawing: of what is wrong, too, with the status of the error. All text is escaped, and an SVG runs nothing
here: its policy allows no script, wherever it is opened.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections.abc import Sequence
from typing import cast
from urllib.parse import unquote

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tracklog.errors import InvalidRequestError, NotFoundError, TracklogError, shown
from tracklog.records import ParamValue
from tracklog.server.api import check_query
from tracklog.server.curves import CENTRES, SMOOTHINGS, SPREADS, smooth, summarise
from tracklog.server.drawing import Drawing, Line, compact, cut, group_look, look_of, note
from tracklog.storage import RunInfo, RunQuery, SeriesBuckets, SeriesQuery, Store

MAX_RUNS = 50
MAX_GROUPING = 8  # columns
_FIELDS = ("param:NAME", "tag:NAME", "experiment", "status", "user")
MAX_POINTS = 6_000  # of all lines of a picture
_ESCAPED = re.compile("%(25|2C|7E|21)")  # as portal/src/tables/columns.ts writes names
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_OPTIONS: dict[str, tuple[str, str]] = {  # parameter -> default, what is expected
    "metric": ("", "the name of a metric"),
    "runs": ("", "ids of runs, apart by commas"),
    "experiment": ("", "the name of an experiment"),
    "q": ("", "a filter"),
    "x": ("step", "step, relative or time"),
    "smooth": ("1", "a number of points from 1 to 10000; for another than the exponential average then ~gaussian or ~mean"),
    "group": ("", f"columns apart by commas: {', '.join(_FIELDS)}"),
    "band": ("mean~std", f"{' or '.join(CENTRES)}, then ~ and one of {', '.join(SPREADS)}"),
    "log": ("0", "0 or 1"),
    "zoom": ("", "two numbers apart by ~"),
    "theme": ("system", "light, dark or system"),
    "width": ("640", "px from 200 to 2000"),
    "height": ("320", "px from 120 to 1200"),
}


async def chart_svg(request: Request) -> Response:
    """Answer with the picture that the query asks for."""
    status, theme, size = 200, "system", (640, 320)
    try:
        check_query(request, _OPTIONS)
        asked = {name: request.query_params.get(name, default) for name, (default, _) in _OPTIONS.items()}
        theme = _choice(asked, "theme", ("system", "light", "dark"))
        size = (int(_number(asked, "width", 200, 2000)), int(_number(asked, "height", 120, 1200)))
        store = cast("Store", request.app.state.store)
        body = await anyio.to_thread.run_sync(lambda: _chart(store, asked, theme, size))
    except TracklogError as error:
        status, body = error.status, note(error.message, theme, size)
    tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    if status == 200 and request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers, "image/svg+xml")


def _wrong(asked: dict[str, str], name: str) -> InvalidRequestError:
    expected = _OPTIONS[name][1]
    return InvalidRequestError(
        f"The query parameter `{name}` is {shown(asked[name])}. Expected {expected}.", parameter=name, given=asked[name]
    )


def _choice(asked: dict[str, str], name: str, choices: Sequence[str]) -> str:
    if asked[name] not in choices:
        raise _wrong(asked, name)
    return asked[name]


def _number(asked: dict[str, str], name: str, low: float, high: float) -> float:
    try:
        value = float(asked[name])
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise _wrong(asked, name)
    return value


def _zoom(asked: dict[str, str]) -> tuple[float | None, float | None]:
    if not asked["zoom"]:
        return None, None
    try:
        start, end = (float(part) for part in asked["zoom"].split("~"))
    except ValueError:
        raise _wrong(asked, "zoom") from None
    if not (math.isfinite(start) and math.isfinite(end) and start < end):
        raise _wrong(asked, "zoom")
    return start, end


def _chart(store: Store, asked: dict[str, str], theme: str, size: tuple[int, int]) -> str:
    metric, x = asked["metric"], _choice(asked, "x", ("step", "relative", "time"))
    smoothing = _smoothing(asked)
    fields = _fields(asked)
    centre, spread = _band(asked)
    is_log = _choice(asked, "log", ("0", "1")) == "1"
    start, end = _zoom(asked)
    if not metric:
        raise _wrong(asked, "metric")
    runs = _runs(store, asked)
    summaries = [(run, one) for run in runs for one in run.metrics if (one.name, one.column) == (metric, "")]
    if not summaries:
        raise NotFoundError(f"Nothing is logged as “{cut(metric, 80)}” yet.")
    where = asked["experiment"] or ", ".join(dict.fromkeys(run.experiment for run in runs))
    count = sum(one.count for _, one in summaries)
    many = f"{len(summaries)} runs" if len(summaries) > 1 else summaries[0][0].name
    groups = _groups([run for run, _ in summaries], fields)
    if fields:
        many = f"{centre} of {many} in {len(groups)} {'group' if len(groups) == 1 else 'groups'}"
    foot = f"{cut(where, 40)} · {cut(many, 60 if fields else 40)} · {count:,} {'point' if count == 1 else 'points'}"
    foot += " · time in UTC" if x == "time" else ""
    if all(one.count == 1 for _, one in summaries):
        last = {run.id: math.nan if one.last is None else one.last for run, one in summaries}
        bars = [(run.name, look_of(run), last[run.id]) for run, _ in summaries]
        if fields:
            known = {name: [last[run.id] for run in runs if math.isfinite(last[run.id])] for name, runs in groups.items()}
            middles = {
                name: summarise([([0.0], [value], None, None) for value in of], centre, spread)
                for name, of in known.items()
                if of
            }
            bars = [
                (f"{name} ×{len(runs)}", group_look(at), middles[name][1][0] if name in middles else math.nan)
                for at, (name, runs) in enumerate(groups.items())
            ]
        return Drawing(theme, size, metric, foot).bars(bars, "groups" if fields else "runs")
    buckets = max(60, min(size[0] // 2, MAX_POINTS // len(summaries)))
    query = SeriesQuery([run.id for run, _ in summaries], [metric], "", x, start, end, buckets)
    run_by_id = {run.id: run for run in runs}
    lines = {one.run_id: _line(run_by_id[one.run_id], one, smoothing) for one in store.series(query) if _is_drawn(one)}
    drawn = list(lines.values())
    if fields:
        drawn = [
            Line(
                f"{name} ×{len(found)}",
                group_look(at),
                *summarise([(one.x, one.y, one.low, one.high) for one in found], centre, spread),
            )
            for at, (name, members) in enumerate(groups.items())
            if (found := [lines[run.id] for run in members if run.id in lines])
        ]
    return Drawing(theme, size, metric, foot).curves(
        drawn, x, is_log=is_log, zoom=None if start is None or end is None else (start, end)
    )


def _smoothing(asked: dict[str, str]) -> tuple[str, float]:
    points, _, kind = asked["smooth"].partition("~")
    if kind not in ("", *SMOOTHINGS):
        raise _wrong(asked, "smooth")
    return kind or SMOOTHINGS[0], _number({**asked, "smooth": points}, "smooth", 1, 10_000)


def _band(asked: dict[str, str]) -> tuple[str, str]:
    centre, _, spread = asked["band"].partition("~")
    if centre not in CENTRES or spread not in SPREADS:
        raise _wrong(asked, "band")
    return centre, spread


def _fields(asked: dict[str, str]) -> list[str]:
    """Return the columns to group by, written as in the address of a page: `,` within a name as `%2C`."""
    fields = [_ESCAPED.sub(lambda found: chr(int(found[1], 16)), part) for part in asked["group"].split(",") if part]
    for field in fields:
        kind, _, name = field.partition(":")
        if field not in _FIELDS[2:] and not (kind in ("param", "tag") and name):
            raise _wrong(asked, "group")
    if len(fields) > MAX_GROUPING:
        raise _wrong(asked, "group")
    return fields


def _groups(runs: list[RunInfo], fields: list[str]) -> dict[str, list[RunInfo]]:
    """Return runs by the name of their group, groups in the order of their values as in the portal; without fields none."""
    if not fields:
        return {}
    found: dict[tuple[ParamValue, ...], list[RunInfo]] = {}
    for run in runs:
        found.setdefault(tuple(_value(run, field) for field in fields), []).append(run)

    def order(values: tuple[ParamValue, ...]) -> list[tuple[int, float, list[tuple[int, str]]]]:
        return [_rank(value) for value in values]

    return {_name(fields, values): found[values] for values in sorted(found, key=order)}


def _value(run: RunInfo, field: str) -> ParamValue:
    kind, _, name = field.partition(":")
    match kind:
        case "param":
            value = run.params.get(name)
            return str(value).lower() if isinstance(value, bool) else value
        case "tag":
            return run.tags.get(name)
        case "experiment":
            return run.experiment
        case "status":
            return run.status.value
        case _:
            return run.user


def _rank(value: ParamValue) -> tuple[int, float, list[tuple[int, str]]]:
    """Numbers as numbers, words naturally, what is missing last."""
    if value is None:
        return 2, 0.0, []
    if isinstance(value, int | float):
        return 0, float(value), []
    parts = re.findall(r"\d+|\D+", value.casefold())
    return 1, 0.0, [(int(part), "") if part.isdecimal() else (sys.maxsize, part) for part in parts]


def _name(fields: list[str], values: tuple[ParamValue, ...]) -> str:
    texts = ["–" if value is None else compact(value) if isinstance(value, float) else str(value) for value in values]
    return f"{fields[0].partition(':')[2] or fields[0].capitalize()}={texts[0]}" if len(fields) == 1 else " · ".join(texts)


def _runs(store: Store, asked: dict[str, str]) -> list[RunInfo]:
    """Return the runs asked for: in the order given, else the latest that match."""
    ids = list(dict.fromkeys(unquote(one) for one in asked["runs"].split(",") if one))
    if len(ids) > MAX_RUNS:
        raise InvalidRequestError(
            f"Cannot draw {len(ids)} runs in one picture. Expected at most {MAX_RUNS}.", parameter="runs", given=len(ids)
        )
    if not ids and not asked["experiment"]:
        raise _wrong(asked, "runs")
    query = (
        RunQuery(ids=ids, deleted=None, limit=MAX_RUNS)
        if ids
        else RunQuery(experiment=asked["experiment"], filter=asked["q"], limit=MAX_RUNS)
    )
    found = store.search_runs(msgspec.structs.replace(query, count=False)).runs
    if not found:
        raise NotFoundError("There is no such run." if ids else "No run matches.")
    return sorted(found, key=lambda run: ids.index(run.id)) if ids else found


def _is_drawn(series: SeriesBuckets) -> bool:
    """Whether there are points in view, or a line that passes through it."""
    return len(series.x) > 0 or (series.before is not None and series.after is not None)


def _line(run: RunInfo, series: SeriesBuckets, smoothing: tuple[str, float]) -> Line:
    """Return a series as a line, as `curveOf` in portal/src/charts/lines.ts does."""
    x, y, n = series.x.tolist(), series.mean.tolist(), series.n.tolist()
    low = high = None
    if not series.exact:  # a bucket stands in the middle of its points, the line ends at the last one
        x = [*((series.x + series.x_last) / 2).tolist(), float(series.x_last[-1])]
        x[0] = float(series.x[0])
        y, n = [*y, float(series.last[-1])], [*n, 1]
        low, high = ([*ends.tolist(), float(ends[-1])] for ends in (series.min, series.max))
    for side, at in ((series.after, len(x)), (series.before, 0)):  # beyond a zoom the line goes on
        if side is not None:
            x.insert(at, side[0])
            n.insert(at, 1)
            for values in (y, low, high):
                if values is not None:
                    values.insert(at, side[1])
    if len(series.x) > 2:  # of two points an average shows neither
        y = smooth(y, n, *smoothing)
    return Line(run.name, look_of(run), x, y, low, high)
