"""The line chart of the house, as SVG: in a page it has the page's colors, as a file it brings its own."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

SIZE_PX = (480, 230)
LEFT, TOP, RIGHT, BOTTOM = 60, 26, 474, 200
SMOOTH = 0.8
"""What of a running mean is kept at each value."""
TICKS = 4
MOST_POINTS = 400
"""Most points of a line; more are drawn as means of neighbors."""
HUES = 8
"""Colors that tell lines apart; the next ones are dashed."""
_COLOR = re.compile(r"--([a-z]+): ([^;]+);")
_COLORED = re.compile(r"([a-z]+): var\(--([a-z]+)\)")
Point = tuple[float, float]
PositionOf = Callable[[float, float], str]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a chart: its name, its number (which is its color in all charts of a page) and points by x."""

    name: str
    number: int
    points: Sequence[Point]


def line_chart(points: Sequence[Point], *, title: str, unit: str, log: bool = False) -> Markup:
    """Return a chart of at least two `(x, y)` in the order of x, from x = 0: the values, thin, and their running mean.

    `unit` is that of x. With `log` the axis of y is logarithmic, and every y must be above 0.
    """
    if len(points) < 2:
        raise ValueError(f"a line needs two points, got {len(points)}")
    xs, ys = zip(*points, strict=True)
    axes = _Axes.around(points, log=log)
    means = zip(xs, running_mean(ys), strict=True)
    drawn = (
        f'<path class="each" d="{_path(points, axes.position_of)}"/>',
        f'<path class="line" d="{_path(means, axes.position_of)}"/>',
    )
    return _chart(drawn, axes, title=title, unit=unit)


def lines_chart(lines: Sequence[Line], *, title: str, unit: str, log: bool = False, mean: bool = False) -> Markup:
    """Return a chart of several lines, each in the color of its number, with values thin below a running `mean`.

    Values that are no numbers are left out; with `log` so are those that are not above 0. Raises `ValueError` when
    nothing is left.
    """
    shown = [(line, _thinned([point for point in line.points if _can_show(point[1], log)])) for line in lines]
    axes = _Axes.around([point for _, points in shown for point in points], log=log)
    drawn = []
    for line, points in shown:
        if not points:
            continue
        name = f"<title>{escape(line.name)}</title>"
        hue = f"hue{line.number % HUES}{' dashed' if line.number >= HUES else ''}"
        xs, ys = zip(*points, strict=True)
        if mean:
            drawn.append(f'<path class="{hue} thin" data-line="{line.number}" d="{_path(points, axes.position_of)}"/>')
        if len(points) == 1:
            across, down = axes.position_of(*points[0]).split()
            dot = f'<circle class="{hue}" data-line="{line.number}" cx="{across}" cy="{down}" r="3.5">{name}</circle>'
            drawn.append(dot)
            continue
        path = _path(zip(xs, running_mean(ys) if mean else ys, strict=True), axes.position_of)
        drawn.append(f'<path class="{hue}" data-line="{line.number}" d="{path}">{name}</path>')
    return _chart(drawn, axes, title=title, unit=unit)


def chart_file(chart: Markup) -> str:
    """Return a chart as an SVG file of its own, light and dark; what knows no variables of CSS shows the light one."""
    folder = Path(__file__).parent
    colors, rules = ((folder / name).read_text(encoding="utf-8") for name in ("colors.css", "chart.css"))
    light = dict(reversed(_COLOR.findall(colors)))  # the first of a name counts
    rules = _COLORED.sub(lambda rule: f"{rule[1]}: {light[rule[2]]}; {rule[0]}", rules)
    head, _, rest = str(chart).partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{colors}{rules}</style>{rest}\n'


def running_mean(values: Sequence[float]) -> list[float]:
    """Return the mean of the values up to each one, in which earlier ones count less and less."""
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = SMOOTH * total + value, SMOOTH * weight + 1
        means.append(total / weight)
    return means


@dataclass(frozen=True, kw_only=True)
class _Axes:
    """Where a value lies: from x = 0 to the greatest one, and from the least y (or its logarithm) to the greatest."""

    width: float
    low: float
    high: float
    is_log: bool

    @classmethod
    def around(cls, points: Sequence[Point], *, log: bool) -> "_Axes":
        """Return axes that hold all points."""
        if not points:
            raise ValueError("a chart needs a point, got none")
        ys = [y for _, y in points]
        if log and min(ys) <= 0:
            raise ValueError(f"a logarithmic axis shows what is above 0, got {min(ys)}")
        low, high = (math.log(end) if log else float(end) for end in (min(ys), max(ys)))
        return cls(width=max(x for x, _ in points), low=low, high=high, is_log=log)

    def position_of(self, x: float, y: float) -> str:
        """Return the position of a value in the chart."""
        across = LEFT + (RIGHT - LEFT) * x / (self.width or 1)
        scaled = math.log(y) if self.is_log else y
        down = TOP + (BOTTOM - TOP) * (self.high - scaled) / ((self.high - self.low) or 1)
        return f"{across:.1f} {down:.1f}"

    def levels(self) -> str:
        """Return lines across with the value that each one stands for, from the least to the greatest."""
        drawn = []
        for tick in range(TICKS + 1 if self.high > self.low else 1):
            scaled = self.low + (self.high - self.low) * tick / TICKS
            value = math.exp(scaled) if self.is_log else scaled
            down = float(self.position_of(0, value).split()[1])
            drawn.append(f'<path class="grid" d="M{LEFT} {down:.1f}H{RIGHT}"/>')
            drawn.append(f'<text x="{LEFT - 8}" y="{down + 4:.1f}" text-anchor="end">{_words(value)}</text>')
        return "".join(drawn)


def _chart(drawn: Iterable[str], axes: _Axes, *, title: str, unit: str) -> Markup:
    width, height = SIZE_PX
    return Markup(
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f'<text x="{LEFT}" y="14">{escape(title)}{" (logarithmic)" if axes.is_log else ""}</text>'
        f"{axes.levels()}{''.join(drawn)}"
        f'<text x="{LEFT}" y="{height - 14}">0</text>'
        f'<text x="{RIGHT}" y="{height - 14}" text-anchor="end">{axes.width:,.12g} {escape(unit)}</text></svg>'
    )


def _words(value: float) -> str:
    """Return a number in three digits, but a large one whole: an exponent is for small ones alone."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _can_show(value: float, log: bool) -> bool:
    return math.isfinite(value) and (value > 0 or not log)


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Return at most `MOST_POINTS`: each the last x and the mean y of as many neighbors."""
    size = -(-len(points) // MOST_POINTS)
    if size <= 1:
        return points
    groups = (points[start : start + size] for start in range(0, len(points), size))
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _path(points: Iterable[Point], position_of: PositionOf) -> str:
    return "M" + "L".join(position_of(x, y) for x, y in points)
