"""Draw panels of lines as one SVG, of text that a diff can show."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 30, 40
"""Around the axes, inside a panel."""
LEGEND = 28
TICKS = 4


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points `(x, y)` with y in `[0, 1]`. Lines of one name in several panels have one color and one legend."""

    name: str
    color: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes: x from `min_x` to `max_x`, y from 0 to 1."""

    title: str
    x_label: str
    max_x: float
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = ()
    """Upright lines at x, with what they say."""
    min_x: float = 0
    x_ticks: Sequence[tuple[float, str]] = ()
    y_ticks: Sequence[tuple[float, str]] = ()
    """Where an axis has a number, and which; five at even distances, when empty."""


def draw(panels: Sequence[Panel], *, columns: int, description: str) -> str:
    """Return the SVG: panels row by row, and below them one legend of all lines."""
    rows = -(-len(panels) // columns)
    named = {line.name: line for panel in panels for line in panel.lines}
    width, height = columns * WIDTH, rows * HEIGHT + LEGEND * -(-len(named) // 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{escape(description)}">',
        f"<title>{escape(description)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        x, y = number % columns * WIDTH, number // columns * HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_panel(panel), "</g>"]
    for number, line in enumerate(named.values()):
        x, y = LEFT + number % 2 * width // 2, rows * HEIGHT + number // 2 * LEGEND + LEGEND // 2
        parts.append(f'<path d="M{x} {y}h28" {_stroke(line)}/>')
        parts.append(f'<text x="{x + 34}" y="{y + 4}">{escape(line.name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel) -> list[str]:
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> str:
        share = (x - panel.min_x) / (panel.max_x - panel.min_x)
        return f"{LEFT + across * share:.1f} {TOP + down * (1 - y):.1f}"

    parts = [f'<text x="{LEFT}" y="18" font-weight="bold">{escape(panel.title)}</text>']
    shares = [tick / TICKS for tick in range(TICKS + 1)]
    span = panel.max_x - panel.min_x
    for share, words in panel.y_ticks or [(share, f"{share:g}") for share in shares]:
        y = TOP + down * (1 - share)
        parts.append(f'<path d="M{LEFT} {y:.1f}h{across}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{words}</text>')
    for at_x, words in panel.x_ticks or [(x, f"{x:g}") for x in (panel.min_x + share * span for share in shares)]:
        x, _ = at(at_x, 0).split()
        parts.append(f'<text x="{x}" y="{TOP + down + 16}" text-anchor="middle">{words}</text>')
    middle, bottom = LEFT + across // 2, TOP + down + 32
    parts.append(f'<text x="{middle}" y="{bottom}" text-anchor="middle">{escape(panel.x_label)}</text>')
    for at_x, words in panel.marks:
        left, _ = at(at_x, 0).split()
        parts.append(f'<path d="M{left} {TOP}v{down}" stroke="#999" stroke-dasharray="2 3"/>')
        parts.append(f'<text x="{left}" y="{TOP + 12}" dx="4" fill="#666">{escape(words)}</text>')
    for line in panel.lines:
        if line.points:
            parts.append(f'<path d="M{" L".join(at(*point) for point in line.points)}" {_stroke(line)}/>')
    return parts


def _stroke(line: Line) -> str:
    return f'fill="none" stroke="{line.color}" stroke-width="2"'
