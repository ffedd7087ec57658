"""The line chart of the house, as SVG: in a page it has the page's colors, as a file it brings its own."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from markupsafe import Markup, escape

SIZE_PX = (760, 260)
LEFT, TOP, RIGHT, BOTTOM = 56, 26, 752, 226
SMOOTH = 0.8
"""What of a running mean is kept at each value."""
TICKS = 4
COLORS = (
    "svg{--soft:#5d626c;--line:#dfe2e7;--link:#1550b0}"
    "@media (prefers-color-scheme:dark){svg{--soft:#a2a8b3;--line:#363a42;--link:#8ab4f8}}"
)
Place = Callable[[float, float], str]


def line_chart(points: Sequence[tuple[float, float]], *, title: str, unit: str, log: bool = False) -> Markup:
    """Return a chart of at least two `(x, y)` in the order of x, from x = 0: the values, thin, and their running mean.

    `unit` is that of x. With `log` the axis of y is logarithmic, and every y must be above 0.
    """
    if len(points) < 2:
        raise ValueError(f"a line needs two points, got {len(points)}")
    xs, ys = zip(*points, strict=True)
    if log and min(ys) <= 0:
        raise ValueError(f"a logarithmic axis shows what is above 0, got {min(ys)}")
    scaled = math.log if log else float
    low, high = scaled(min(ys)), scaled(max(ys))

    def place(x: float, y: float) -> str:
        across = LEFT + (RIGHT - LEFT) * x / (xs[-1] or 1)
        down = TOP + (BOTTOM - TOP) * (high - scaled(y)) / ((high - low) or 1)
        return f"{across:.1f} {down:.1f}"

    width, height = SIZE_PX
    return Markup(
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f'<text x="{LEFT}" y="14">{escape(title)}{" (logarithmic)" if log else ""}</text>'
        f"{_levels(low, high, math.exp if log else float, place)}"
        f'<path class="each" d="{_path(zip(xs, ys, strict=True), place)}"/>'
        f'<path class="line" d="{_path(zip(xs, running_mean(ys), strict=True), place)}"/>'
        f'<text x="{LEFT}" y="{height - 14}">0</text>'
        f'<text x="{RIGHT}" y="{height - 14}" text-anchor="end">{xs[-1]:,} {escape(unit)}</text></svg>'
    )


def chart_file(chart: Markup) -> str:
    """Return a chart as an SVG file of its own, light and dark."""
    rules = (Path(__file__).parent / "chart.css").read_text(encoding="utf-8")
    head, _, rest = str(chart).partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{COLORS}\n{rules}</style>{rest}\n'


def running_mean(values: Sequence[float]) -> list[float]:
    """Return the mean of the values up to each one, in which earlier ones count less and less."""
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = SMOOTH * total + value, SMOOTH * weight + 1
        means.append(total / weight)
    return means


def _levels(low: float, high: float, unscaled: Callable[[float], float], place: Place) -> str:
    """Return lines across with the value that each one stands for, from the least to the greatest."""
    drawn = []
    for tick in range(TICKS + 1 if high > low else 1):
        value = unscaled(low + (high - low) * tick / TICKS)
        down = float(place(0, value).split()[1])
        drawn.append(f'<path class="grid" d="M{LEFT} {down:.1f}H{RIGHT}"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{down + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    return "".join(drawn)


def _path(points: "zip[tuple[float, float]]", place: Place) -> str:
    return "M" + "L".join(place(x, y) for x, y in points)
