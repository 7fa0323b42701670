"""Curves and bars of runs as SVG: axes with round ticks, names at the ends of lines, the portal's colours in both themes.

Pure: no request, no store. All text is escaped. A colour is a class, so that one drawing can follow the reader's theme.
"""

from __future__ import annotations

import math
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import groupby
from xml.sax.saxutils import escape

from tracklog.storage import RunInfo

# As in portal/src/charts/colours.ts: light, dark.
HUES = [
    "#1f6feb #6aa5ff", "#c4500a #f79552", "#0d7d57 #3fcb9b", "#b3267c #f27cbb", "#0b83a8 #45c6ec", "#8a6700 #dfbb45",
    "#6a45cf #aa90fb", "#c42b3a #f9757d", "#4f7a0a #a6cb45", "#7d4a26 #cf9f78", "#52647b #a2b2c8", "#a01fb8 #e08bf0",
]  # fmt: skip
DASHES = ["", "6 3", "2 2", "8 3 2 3"]
_PAPERS = ("#ffffff #161a20", "#1a1c1e #eceef0", "#65696f #8f959d", "#e4e4e0 #282e37")  # ground, text, axis text, grid
_COLOUR_TAG = "tracklog.colour"
_HUE_BY_TAG = {str(at + 1): at for at in range(len(HUES))}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SECONDS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 5, 10, 30, 100)),
)
_CHAR_PX = 6.3  # the widest common font at 11 px
_TINY, _HUGE = sys.float_info.min, sys.float_info.max
_MAX_POWER = sys.float_info.max_10_exp
_LAST_S = 60_000_000_000  # in the year 3871
_END_PX = 6.8  # capitals and markup among them
_ROW_PX = 12
_MAX_BANDS = 12  # of more lines they would add up to a fog
_NAMES_SHARE = 3  # names take at most this part of the width, the rest is for what they name
_DOT_PX = 2
# As in portal/src/charts/surface.ts; XML 1.0, section 2.2. A carriage return would come back as a line feed.
_ILLEGAL = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


Look = tuple[int, str]  # hue, 0 … 11, and dash


@dataclass(frozen=True)
class Line:
    """The curve of a run or of a group: x ascending, NaN where it breaks off; `low` and `high` where a place is many points.

    Of a zoom it has the points within and the next ones on both sides, where it comes from and goes to.
    """

    label: str
    look: Look
    x: list[float]
    y: list[float]
    low: list[float] | None
    high: list[float] | None


def note(text: str, theme: str, size: tuple[int, int]) -> str:
    """Draw a text instead of a chart."""
    svg = Drawing(theme, size, "", "")
    middle, most = size[0] / 2, max(20, int(size[0] / 7.2))
    words, rows = text.split(), [""]
    for word in words:
        if len(rows[-1]) + len(word) >= most:
            rows.append("")
        rows[-1] = f"{rows[-1]} {cut(word, most)}".strip()
    for at, row in enumerate(rows[:6]):
        svg.text(row, middle, size[1] / 2 + 18 * (at - (len(rows) - 1) / 2), "middle", "s", 13)
    return svg.close(text)


class Drawing:
    """One drawing. Colours are classes, so that it can follow the reader's theme."""

    def __init__(self, theme: str, size: tuple[int, int], title: str, foot: str) -> None:
        self._theme = theme
        self.width, self.height = size
        self._title = cut(title, 120)
        self._foot = foot
        self._parts: list[str] = []
        if title:
            self.text(cut(title, int(self.width / 8)), 14, 18, "start", "t", 13, bold=True)
            self.text(cut(foot, int(self.width / _CHAR_PX)), 14, self.height - 11, "start", "s")

    def curves(self, lines: list[Line], x: str, *, is_log: bool, zoom: tuple[float, float] | None) -> str:
        def drawn(values: Iterable[float]) -> list[float]:
            return [value for value in values if math.isfinite(value) and (value > 0 or not is_log)]

        ends_with = [compact(_last(lines[0], zoom[1] if zoom else math.inf))] if len(lines) == 1 else []
        if zoom:
            lines = [_within(line, zoom, is_log=is_log) for line in lines]
        xs = [value for line in lines for value in line.x]
        ys = drawn(value for line in lines for values in (line.y, line.low or (), line.high or ()) for value in values)
        if not ys:
            return note("No points that can be drawn.", self._theme, (self.width, self.height))
        low_x, high_x = zoom or (min(xs), max(xs))
        if low_x == high_x:
            low_x, high_x = low_x - 0.5, high_x + 0.5
        low_y, high_y = _padded(min(ys), max(ys), is_log=is_log)
        y_ticks = _decades(low_y, high_y) if is_log else _ticks(low_y, high_y, max(2, self.height // 60))
        x_ticks = _x_ticks(x, low_x, high_x, max(2, self.width // 110))
        most = min(18, int(self.width / _NAMES_SHARE / _END_PX))
        names = [cut(line.label, most) for line in lines] if len(lines) * _ROW_PX <= self.height - 80 else []
        labels = ends_with or names
        left = 18 + _CHAR_PX * max((len(text) for _, text in y_ticks), default=0)
        right = self.width - 22 - _END_PX * max((len(text) for text in labels), default=0)
        top, bottom = 32.0, self.height - 44.0
        to_x = _scale(low_x, high_x, left, right)
        to_y = _log_scale(low_y, high_y, bottom, top) if is_log else _scale(low_y, high_y, bottom, top)
        for value, text in y_ticks:
            self._parts.append(f'<path class="g" d="M{left:.1f} {to_y(value):.1f}H{right:.1f}"/>')
            self.text(text, left - 6, to_y(value), "end", "s")
        self._parts.append(f'<path class="g" d="M{left:.1f} {bottom:.1f}H{right:.1f}"/>')
        for value, text in x_ticks:
            self.text(text, to_x(value), bottom + 13, "middle", "s")
        self._parts.append(
            f'<clipPath id="c"><rect x="{left - _DOT_PX:.1f}" y="{top - 4:.1f}" width="{right - left + 2 * _DOT_PX:.1f}" '
            f'height="{bottom - top + 8:.1f}"/></clipPath><g clip-path="url(#c)">'
        )
        ends = []
        for line in lines:
            hue, dash = line.look
            places = [(to_x(at), to_y(value)) for at, value in zip(line.x, line.y, strict=True)]
            if line.low is not None and line.high is not None and len(lines) <= _MAX_BANDS:
                self._band(line, to_x, to_y, bottom, hue)
            dashed = f' stroke-dasharray="{dash}"' if dash else ""
            stretches = _stretches(places)
            if path := "".join("M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in one) for one in stretches if len(one) > 1):
                self._parts.append(f'<path class="l h{hue}"{dashed} d="{path}"/>')
            for [(px, py)] in (one for one in stretches if len(one) == 1):  # no line leads to it: a dot shows that it is there
                self._parts.append(f'<circle class="f{hue}" cx="{px:.1f}" cy="{py:.1f}" r="{_DOT_PX}"/>')
            ends.append((*stretches[-1][-1], hue) if stretches else None)
        self._parts.append("</g>")
        self._ends([(one, label) for one, label in zip(ends, labels, strict=False) if one is not None], right, top, bottom)
        return self.close()

    def _band(self, line: Line, to_x: Callable[[float], float], to_y: Callable[[float], float], floor: float, hue: int) -> None:
        rows = [
            (to_x(at), to_y(high), to_y(low) if math.isfinite(to_y(low)) else floor)
            for at, low, high in zip(line.x, line.low or (), line.high or (), strict=True)
        ]
        rows = [row for row in rows if math.isfinite(row[1])]
        there = "L".join(f"{px:.1f} {high:.1f}" for px, high, _ in rows)
        back = "L".join(f"{px:.1f} {low:.1f}" for px, _, low in reversed(rows))
        if rows:
            self._parts.append(f'<path class="b f{hue}" d="M{there}L{back}Z"/>')

    def _ends(self, ends: list[tuple[tuple[float, float, int], str]], right: float, top: float, bottom: float) -> None:
        """Write the name of each line at its end, apart from the others."""
        ends.sort(key=lambda end: end[0][1])
        places = [min(max(py, top), bottom) for (_, py, _), _ in ends]
        for at in range(1, len(places)):
            places[at] = max(places[at], places[at - 1] + _ROW_PX)
        for at in range(len(places) - 1, -1, -1):
            ceiling = bottom if at == len(places) - 1 else places[at + 1] - _ROW_PX
            places[at] = min(places[at], ceiling)
        for ((px, py, hue), label), place in zip(ends, places, strict=True):
            self._parts.append(f'<circle class="f{hue}" cx="{px:.1f}" cy="{py:.1f}" r="2.75"/>')
            self.text(label, right + 8, place, "start", f"f{hue}")

    def bars(self, values: list[tuple[str, Look, float]], what: str = "runs") -> str:
        rows = max(1, int((self.height - 62) // 18))
        if len(values) > rows:
            self.text(f"{rows} of {len(values)} {what}", self.width - 14, 18, "end", "s")
        values = values[:rows]
        finite = [value for _, _, value in values if math.isfinite(value)]
        low, high = min([0.0, *finite]), max([0.0, *finite])
        names = [cut(label, min(22, int(self.width / _NAMES_SHARE / _CHAR_PX))) for label, _, _ in values]
        left, right = 22 + _CHAR_PX * max(map(len, names)), self.width - 80.0
        to_x = _scale(low, high if high > low else low + 1, left, right)
        step = min(26.0, (self.height - 62) / len(values))
        for at, ((_, (hue, _), value), name) in enumerate(zip(values, names, strict=True)):
            top = 34 + at * step
            self.text(name, left - 8, top + step / 2, "end", "t")
            if math.isfinite(value):
                start, end = sorted((to_x(0), to_x(value)))
                self._parts.append(
                    f'<rect class="f{hue}" x="{start:.1f}" y="{top + step * 0.16:.1f}" width="{max(1.0, end - start):.1f}" '
                    f'height="{step * 0.68:.1f}" rx="2"/>'
                )
            self.text(compact(value), max(to_x(0), to_x(value) if math.isfinite(value) else 0) + 6, top + step / 2, "start", "t")
        return self.close()

    def text(self, text: str, x: float, y: float, anchor: str, look: str, size: int = 11, *, bold: bool = False) -> None:
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" dy=".35em" font-size="{size}" text-anchor="{anchor}"{weight}>'
            f"{_escaped(text)}</text>"
        )

    def close(self, title: str = "") -> str:
        said = title or f"{self._title}: {self._foot}"
        light, dark = (
            "".join(
                [f"rect.p{{fill:{_PAPERS[0].split()[side]}}}.t{{fill:{_PAPERS[1].split()[side]}}}"]
                + [f".s{{fill:{_PAPERS[2].split()[side]}}}.g{{stroke:{_PAPERS[3].split()[side]}}}"]
                + [f".h{at}{{stroke:{hue.split()[side]}}}.f{at}{{fill:{hue.split()[side]}}}" for at, hue in enumerate(HUES)]
            )
            for side in (0, 1)
        )
        colours = {"light": light, "dark": dark, "system": f"{light}@media(prefers-color-scheme:dark){{{dark}}}"}[self._theme]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" role="img" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="system-ui,-apple-system,\'Segoe UI\',Roboto,sans-serif">'
            f"<title>{_escaped(said)}</title><style>.l{{fill:none;stroke-width:1.5;stroke-linejoin:round}}.b{{opacity:.16}}"
            f'{colours}</style><rect class="p" width="{self.width}" height="{self.height}" rx="8"/>{"".join(self._parts)}</svg>'
        )


def look_of(run: RunInfo) -> Look:
    """Return the hue and dash of a run, as on every page of the portal."""
    at = _HUE_BY_TAG.get(run.tags.get(_COLOUR_TAG, ""), max(0, run.number - 1))
    return at % len(HUES), DASHES[at // len(HUES) % len(DASHES)]


def group_look(place: int) -> Look:
    """Return the hue of a group; which is which is told by its name."""
    return place % len(HUES), ""


def _escaped(text: str) -> str:
    """Return text within markup; what XML cannot hold at all goes."""
    return escape(_ILLEGAL.sub("", text), {'"': "&quot;", "'": "&#39;"})


def cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = max(1, (most - 1) // 2)
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def _last(line: Line, until: float) -> float:
    there = zip(reversed(line.x), reversed(line.y), strict=True)
    return next((value for at, value in there if at <= until and math.isfinite(value)), math.nan)


def _within(line: Line, zoom: tuple[float, float], *, is_log: bool) -> Line:
    """Return what a zoom shows of a line: points beyond it, which may be far, become the places where it enters and leaves."""
    start, end = zoom
    first, last = bisect_left(line.x, start), bisect_right(line.x, end)
    comes = first > 0 and start not in line.x[first : first + 1]
    goes = last < len(line.x) and end not in line.x[last - 1 : last]

    def shown(values: list[float]) -> list[float]:
        enters, leaves = (_crossing(line.x, values, row, at, is_log=is_log) for row, at in ((first, start), (last, end)))
        return [*[enters] * comes, *values[first:last], *[leaves] * goes]

    low, high = (None if values is None else shown(values) for values in (line.low, line.high))
    return Line(line.label, line.look, [*[start] * comes, *line.x[first:last], *[end] * goes], shown(line.y), low, high)


def _crossing(xs: list[float], ys: list[float], row: int, at: float, *, is_log: bool) -> float:
    """Return the height at which a line, straight as it is drawn, passes x = `at` on its way to a row; NaN where it does not."""
    if not 0 < row < len(xs):
        return math.nan
    (x0, x1), (y0, y1) = xs[row - 1 : row + 1], ys[row - 1 : row + 1]
    share = (at / 2 - x0 / 2) / ((x1 / 2 - x0 / 2) or 1.0)  # halved: see `_scale`
    if not is_log:
        return y0 * (1 - share) + y1 * share
    if not (0 < y0 < math.inf and 0 < y1 < math.inf):
        return math.nan
    return math.exp(min(math.log(y0) * (1 - share) + math.log(y1) * share, math.log(_HUGE)))


def _stretches(places: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Return the parts of a line between its gaps."""
    return [list(part) for is_there, part in groupby(places, lambda place: math.isfinite(place[1])) if is_there]


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = (high / 2 - low / 2) or 1.0  # halved, so that the span of two huge values stays finite
    return lambda value: start + (value / 2 - low / 2) / span * (end - start)


def _log_scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = math.log(high) - math.log(low)
    return lambda value: start + (math.log(value) - math.log(low)) / span * (end - start) if value > 0 else math.nan


def _padded(low: float, high: float, *, is_log: bool) -> tuple[float, float]:
    """Return a range with a little air; zero is a natural floor."""
    if is_log:
        low, high = max(low, 2 * _TINY), max(high, 4 * _TINY)
        factor = max(1.2, (high / low) ** 0.05)
        return max(low / factor, _TINY), min(high * factor, _HUGE)
    if low == high:
        air = abs(low) * 0.1 or 1.0
        return max(low - air, -_HUGE), min(high + air, _HUGE)
    air = high * 0.06 - low * 0.06
    floor = 0.0 if low >= 0 > low - air else max(low - air, -_HUGE)
    return floor, 0.0 if high <= 0 < high + air else min(high + air, _HUGE)


def _ticks(low: float, high: float, most: int, steps: Sequence[float] = ()) -> list[tuple[float, str]]:
    span = high - low
    if not _TINY * most < span < math.inf:
        return [(low, compact(low)), (high, compact(high))]
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((one for one in steps or [power, 2 * power, 5 * power, 10 * power] if one >= rough), 10 * power)
    first = math.ceil(low / step)
    return [(at * step, compact(at * step)) for at in range(first, math.floor(high / step) + 1)]


def _decades(low: float, high: float) -> list[tuple[float, str]]:
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    if len(powers) < 2:
        around = range(powers.start - 1, min(powers.stop, _MAX_POWER) + 1)
        marks = [first * 10.0**power for power in around for first in (1, 2, 5)]
        seen = [(mark, compact(mark)) for mark in marks if low <= mark <= high]
        return seen if len(seen) > 1 else _ticks(low, high, 4)
    return [(10.0**power, compact(10.0**power)) for power in powers[:: max(1, len(powers) // 6)]]


def _x_ticks(x: str, low: float, high: float, most: int) -> list[tuple[float, str]]:
    if x == "step":
        return [tick for tick in _ticks(low, high, most) if tick[0] == round(tick[0])]
    if x == "relative":
        return [(at, _elapsed(at)) for at, _ in _ticks(low, high, most, _SECONDS)]
    ticks = _ticks(low / 1000, high / 1000, most, _SECONDS)
    is_daily = len(ticks) > 1 and ticks[1][0] - ticks[0][0] >= 86400
    form = "%d %b" if is_daily else "%H:%M" if high - low > 600_000 else "%H:%M:%S"
    # A clock may be set to anything; what is no date of ours gets no tick.
    return [(at * 1000, datetime.fromtimestamp(at, timezone.utc).strftime(form)) for at, _ in ticks if abs(at) < _LAST_S]


def _elapsed(seconds: float) -> str:
    s = round(seconds)
    if s < 60:
        return f"{seconds:g}s"
    if s < 3600:
        return f"{s // 60}m" + (f"{s % 60}s" if s % 60 else "")
    if s < 86400:
        return f"{s // 3600}h" + (f"{s % 3600 // 60}m" if s % 3600 // 60 else "")
    return f"{s // 86400}d" + (f"{s % 86400 // 3600}h" if s % 86400 // 3600 else "")


def compact(value: float) -> str:
    """Return a number in a few characters."""
    size = abs(value)
    if not math.isfinite(value) or size == 0:
        return f"{value:g}".replace("nan", "NaN")
    if size >= 1e15 or size < 1e-4:
        return f"{value:.3g}".replace("-", "−").replace("e−0", "e−").replace("e+", "e")
    for unit, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if size >= factor:
            return f"{value / (1e3 if unit == 'k' else factor):.4g}{unit}".replace("-", "−")
    return f"{value:.5g}".replace("-", "−")
