"""A metric of runs as a picture, for pages that show no frames: `GET /embed/chart.svg?metric=loss&runs=…`.

Curves are drawn from the same buckets as in the portal, in its colours; a metric of one point each becomes bars. The answer
is always a drawing: of what is wrong, too, with the status of the error. All text is escaped, and an SVG runs nothing
here: its policy allows no script, wherever it is opened.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import cast
from urllib.parse import unquote

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tracklog.errors import InvalidRequestError, NotFoundError, TracklogError, shown
from tracklog.server.api import check_query
from tracklog.server.drawing import Drawing, Line, cut, note
from tracklog.storage import RunInfo, RunQuery, SeriesBuckets, SeriesQuery, Store

MAX_RUNS = 50
MAX_POINTS = 6_000  # of all lines of a picture
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_OPTIONS: dict[str, tuple[str, str]] = {  # parameter -> default, what is expected
    "metric": ("", "the name of a metric"),
    "runs": ("", "ids of runs, apart by commas"),
    "experiment": ("", "the name of an experiment"),
    "q": ("", "a filter"),
    "x": ("step", "step, relative or time"),
    "smooth": ("1", "a number of points from 1 to 10000"),
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
    points = _number(asked, "smooth", 1, 10_000)
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
    foot = f"{cut(where, 40)} · {cut(many, 40)} · {count:,} {'point' if count == 1 else 'points'}"
    foot += " · time in UTC" if x == "time" else ""
    if all(one.count == 1 for _, one in summaries):
        values = [(run, math.nan if one.last is None else one.last) for run, one in summaries]
        return Drawing(theme, size, metric, foot).bars(values)
    buckets = max(60, min(size[0] // 2, MAX_POINTS // len(summaries)))
    query = SeriesQuery([run.id for run, _ in summaries], [metric], "", x, start, end, buckets)
    run_by_id = {run.id: run for run in runs}
    lines = [_line(run_by_id[one.run_id], one, points) for one in store.series(query) if _is_drawn(one)]
    return Drawing(theme, size, metric, foot).curves(
        lines, x, is_log=is_log, zoom=None if start is None or end is None else (start, end)
    )


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


def _line(run: RunInfo, series: SeriesBuckets, points: float) -> Line:
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
        y = _smooth(y, n, points)
    return Line(run, x, y, low, high)


def _smooth(values: list[float], weights: list[int], points: float) -> list[float]:
    """Exponential moving average as TensorBoard defines it; a bucket of n points weighs as n of its mean."""
    if points <= 1:
        return values
    out, average, bias = [], 0.0, 1.0
    for value, n in zip(values, weights, strict=True):
        if math.isfinite(value):
            kept = (1 - 1 / points) ** n
            average, bias = average * kept + (1 - kept) * value, bias * kept
            value = average / (1 - bias)
        out.append(value)
    return out
