"""Lay out training runs side by side as one HTML page that needs no other file, or their losses as an SVG."""

import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image

from byline.catalog.errors import CheckpointError
from byline.pages.chart import HUES, Line, Point, lines_chart
from byline.pages.html import html_templates, jpeg_url
from byline.reports.runs import Run
from byline.training.log import WAITS_MS, LogEntry

MOST_GRIDS = 12
"""Moments whose grids are on the page: the last, and others as evenly as can be."""
MOST_SIDE_PX = 1024
IMAGES, SHARE = "images seen", "% of the timesteps"
CURVES: tuple[tuple[str, str, float, bool], ...] = (
    ("lr", "learning rate", 1, False),
    ("grad_norm", "gradient norm, before it is clipped", 1, True),
    ("images_per_s", "images a second", 1, False),
    ("wait_ms", "wait for data, ms a step", 1, True),
    ("wait_max_ms", "longest wait for data, ms", 1, True),
    ("memory_bytes", "memory of a rank, GB at most so far", 1e-9, False),
)
"""Field of an entry, title of its chart, factor, whether its axis is logarithmic."""
NO_DIFFERENCE = frozenset({"run"})
"""Keys of a config in which all runs differ."""


def runs_page(runs: Sequence[Run], *, reload_s: int | None = None) -> str:
    """Return the page. With `reload_s` it loads itself again every so often, to show what was written since."""
    template = html_templates("byline.reports").get_template("runs.html.j2")
    return template.render(
        runs=[_row(run, number) for number, run in enumerate(runs)],
        losses=loss_chart(runs),
        validations=_validations(runs),
        curves=[chart for field in CURVES if (chart := _curve(runs, *field)) is not None],
        grids=_grids(runs),
        waits=_waits(runs),
        differences=_differences(runs),
        reload_s=reload_s,
    )


def loss_chart(runs: Sequence[Run]) -> Markup | None:
    """Return the chart of the losses of training; None before the first entry."""
    return _chart(runs, lambda entry: entry.loss, title="loss of training", log=True, mean=True)


def _curve(runs: Sequence[Run], field: str, title: str, factor: float, log: bool) -> Markup | None:
    def value(entry: LogEntry) -> float | None:
        number = getattr(entry, field)
        return None if number is None else number * factor

    return _chart(runs, value, title=title, log=log)


def _chart(runs: Sequence[Run], value: Callable[[LogEntry], float | None], **options: Any) -> Markup | None:
    lines = [
        Line(name=run.name, number=number, points=_points((entry.images_seen, value(entry)) for entry in run.entries))
        for number, run in enumerate(runs)
    ]
    return lines_chart(lines, unit=IMAGES, **options) if any(line.points for line in lines) else None


def _points(pairs: Iterable[tuple[int, float | None]]) -> list[Point]:
    return [(x, y) for x, y in pairs if y is not None]


def _row(run: Run, number: int) -> dict[str, Any]:
    """Return what the table says of a run."""
    last = run.entries[-1] if run.entries else None
    about, validation = run.about, run.validations[-1] if run.validations else None
    return {
        "name": run.name,
        "number": number,
        "hue": f"hue{number % HUES}",
        "kind": run.config.get("kind") or (run.checkpoint and run.checkpoint.kind) or "not stated",
        "release": (about and f"{about.release_name} {about.release_version}") or (run.release_digest or "")[:16],
        "images_seen": run.images_seen,
        "images": run.config.get("images"),
        "epochs": run.images_seen / about.num_train if about and about.num_train else None,
        "loss": last and last.loss,
        "held_out": validation and validation.loss,
        "images_per_s": last and last.images_per_s,
        "ranks": about and f"{about.num_ranks} x {about.device}",
        "checkpoint": run.checkpoint and run.checkpoint.digest[:12],
        "saved_at": run.checkpoint and run.checkpoint.images_seen,
    }


def _validations(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the charts of what is held out, a group for each set of pictures and levels: only those compare."""
    groups = []
    for of in dict.fromkeys(validation.of for run in runs for validation in run.validations):
        by_run = [
            (number, run.name, [validation for validation in run.validations if validation.of == of])
            for number, run in enumerate(runs)
        ]
        measured = [(number, name, entries) for number, name, entries in by_run if entries]
        num_levels = len(measured[0][2][0].levels)
        groups.append(
            {
                "of": of[:12],
                "names": [name for _, name, _ in measured],
                "num_images": measured[0][2][0].num_images,
                "num_levels": num_levels,
                "mean": lines_chart(
                    [_line(curve, lambda entry: entry.loss) for curve in measured],
                    title="loss on held-out pictures",
                    unit=IMAGES,
                    log=True,
                ),
                "by_level": _by_level(measured) if num_levels > 1 else None,
                "levels": _level_charts(measured) if num_levels > 1 else [],
            }
        )
    return groups


_Measured = tuple[int, str, list[Any]]
"""Number and name of a run, and its entries."""


def _line(measured: _Measured, value: Callable[[Any], float]) -> Line:
    number, name, entries = measured
    return Line(name=name, number=number, points=[(entry.images_seen, value(entry)) for entry in entries])


def _by_level(measured: list[_Measured]) -> Markup:
    """Return the newest loss of each run as steps over the timesteps."""
    lines = []
    for number, name, entries in measured:
        levels = entries[-1].levels
        edges = [100 * level / len(levels) for level in range(len(levels) + 1)]
        points = [(x, loss) for level, loss in enumerate(levels) for x in (edges[level], edges[level + 1])]
        lines.append(Line(name=f"{name} at {entries[-1].images_seen:,}", number=number, points=points))
    return lines_chart(lines, title="the newest, from little noise to most", unit=SHARE, log=True)


def _level_charts(measured: list[_Measured]) -> list[Markup]:
    num_levels = len(measured[0][2][0].levels)
    spans = [(100 * level // num_levels, 100 * (level + 1) // num_levels) for level in range(num_levels)]
    return [
        lines_chart(
            [_line(curve, lambda entry, level=level: entry.levels[level]) for curve in measured],  # type: ignore[misc]
            title=f"{start} to {end} {SHARE}",
            unit=IMAGES,
            log=True,
        )
        for level, (start, end) in enumerate(spans)
    ]


def _grids(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return, for moments from the newest on, the grid of each run that drew one then."""
    moments = _evenly(sorted({images_seen for run in runs for images_seen in run.grids}), MOST_GRIDS)
    return [
        {
            "images_seen": moment,
            "pictures": [
                {"number": number, "name": run.name, "url": _url(run.grids[moment])}
                for number, run in enumerate(runs)
                if moment in run.grids
            ],
        }
        for moment in reversed(moments)
    ]


def _evenly(values: list[int], most: int) -> list[int]:
    """Return at most so many of the values: the last, and others as far apart as can be."""
    if len(values) <= most:
        return values
    step = (len(values) - 1) / (most - 1)
    return [values[round(step * number)] for number in range(most)]


def _url(path: Path) -> str:
    """Return a grid as a JPEG in a URL, no larger than a page needs."""
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, SyntaxError) as error:  # Pillow's word for a PNG that is none
        raise CheckpointError(f"{path} is no picture; delete it") from error
    image.thumbnail((MOST_SIDE_PX, MOST_SIDE_PX), Image.Resampling.LANCZOS)
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=85)
    return jpeg_url(sink.getvalue())


def _waits(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return, for each run that counted, the share of steps by how long they waited for their data."""
    waits = []
    for number, run in enumerate(runs):
        counts = [sum(column) for column in zip(*(entry.waits for entry in run.entries if entry.waits), strict=True)]
        if sum(counts):
            shares = [(_class_words(wait_class), count, count / sum(counts)) for wait_class, count in enumerate(counts)]
            waits.append({"name": run.name, "number": number, "rows": shares})
    return waits


def _class_words(wait_class: int) -> str:
    if wait_class == len(WAITS_MS):
        return f"{WAITS_MS[-1]:g} ms or more"
    return f"less than {WAITS_MS[wait_class]:g} ms"


def _differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Return key -> value of each run, for what is not the same in all; the digest of the release is one of them."""
    flat = [
        {"release digest": (run.release_digest or "")[:16], **_flat(run.config)} if run.config else {} for run in runs
    ]
    keys = dict.fromkeys(key for config in flat for key in config if key not in NO_DIFFERENCE)
    rows = [(key, [_words(config.get(key)) for config in flat]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the keys of nested tables as TOML names them, with dots."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _words(value: object) -> str:
    return "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
