"""Lay out an evaluation as one HTML page that needs no other file: the numbers, and the pictures behind them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from byline.evaluation.agreed import Agreed
from byline.evaluation.agreement import NEAR
from byline.evaluation.compared import Compared, Pixels, Results
from byline.evaluation.controls import CONTROLS
from byline.evaluation.evaluating import Evaluation
from byline.evaluation.following import AllFollowing
from byline.evaluation.held_out_loss import HeldOutLoss
from byline.evaluation.measures import MEASURES, Measured
from byline.pages.chart import Line, lines_chart
from byline.pages.html import html_templates, picture_url

MOST_PROMPTS = 60
"""Prompts whose pictures are on the page: the first ones, unpicked."""
PER_STRIP = 8
LEFT, RIGHT = 170, 470
"""Where intervals lie in their chart, in its pixels."""


def evaluation_page(evaluation: Evaluation, plain_data: dict[str, Any]) -> str:
    """Return the page. `plain_data` is what the JSON file says of it."""
    compared, held_out = evaluation.compared, evaluation.held_out
    release = evaluation.release
    return (
        html_templates("byline.reports")
        .get_template("evaluation.html.j2")
        .render(
            plain_data=plain_data,
            name=release.name,
            version=release.version,
            num_drawn=len(evaluation.drawn),
            num_held_out=len(held_out.captions),
            features=compared and compared.features,
            charts=[] if compared is None else _charts(compared),
            agreement=_agreement(evaluation.agreed) if isinstance(evaluation.agreed, Agreed) else None,
            loss=evaluation.loss and _loss(evaluation.loss),
            following=evaluation.following and _following(evaluation.following),
            prompts=_prompts(evaluation),
            strips=_strips(evaluation),
        )
    )


def _charts(compared: Compared) -> list[dict[str, Any]]:
    """Return, for each measure, the intervals of all sets of pictures on one axis."""
    sets: list[tuple[str, str, Results]] = [
        ("the model", "model", compared.drawn),
        ("real pictures", "real", compared.real),
        *((words, "control", results) for words, results in compared.controls.items()),
    ]
    charts = []
    for name, measure in MEASURES.items():
        measured_sets = [(words, kind, result) for words, kind, result in _of(name, sets)]
        if not measured_sets:
            continue
        rows = [(words, kind, result.value, result.interval) for words, kind, result in measured_sets]
        charts.append(_chart(name, f"{measure.words}; {measure.better} is better", rows))
    return charts


def _agreement(agreed: Agreed) -> dict[str, Any]:
    """Return the intervals of what the model drew, of real pictures, and of what it drew with other prompts."""
    sets = (
        ("the model", "model", agreed.drawn),
        ("real pictures", "real", agreed.real),
        ("with other prompts", "control", agreed.wrong),
    )
    charts = [
        _chart(
            "agreement, nearest",
            "share of pictures whose own prompt is the nearest (R-precision); higher is better",
            [(words, kind, result.first, result.first_interval) for words, kind, result in sets],
        ),
        _chart(
            f"agreement, {NEAR} nearest",
            f"share of pictures whose own prompt is among the {NEAR} nearest; higher is better",
            [(words, kind, result.near, result.near_interval) for words, kind, result in sets],
        ),
    ]
    return {"scorer": agreed.scorer, "num_prompts": agreed.drawn.num_prompts, "charts": charts}


def _following(following: AllFollowing) -> dict[str, Any]:
    """Return the intervals of simple prompts, and each picture with what it shows of its prompt."""
    charts = []
    for prompt_kind in following.kinds:
        sets = (
            ("the model", "model", prompt_kind.drawn),
            ("real pictures", "real", prompt_kind.real),
            ("with other prompts", "control", prompt_kind.wrong),
        )
        rows = [(words, kind, result.share, result.interval) for words, kind, result in sets]
        charts.append(_chart(prompt_kind.kind, f"share of {prompt_kind.words}; higher is better", rows))
    pictures = [
        {"prompt": prompt, "url": _png(picture), "shown": ", ".join(shown) or "not shown", "is_shown": bool(shown)}
        for prompt, picture, shown in zip(following.prompts, following.pictures, following.shown, strict=True)
    ]
    return {"charts": charts, "pictures": pictures}


_SetRow = tuple[str, str, float, tuple[float, float]]
"""Words and kind of a set of pictures, a number about it, and its interval."""


def _chart(name: str, words: str, rows: list[_SetRow]) -> dict[str, Any]:
    """Return where on one axis, which holds 0, the intervals of sets of pictures lie."""
    low = min(0.0, *(interval[0] for *_, interval in rows))
    high = max(interval[1] for *_, interval in rows)
    return {
        "name": name,
        "words": words,
        "rows": [
            {
                "words": of,
                "kind": kind,
                "places": [_across(point, low, high) for point in (interval[0], value, interval[1])],
                "value": value,
                "interval": interval,
            }
            for of, kind, value, interval in rows
        ],
        "zero": _across(0.0, low, high),
    }


def _of(name: str, sets: Iterable[tuple[str, str, Results]]) -> list[tuple[str, str, Measured]]:
    return [
        (words, kind, result)
        for words, kind, results in sets
        for result in results
        if isinstance(result, Measured) and result.name == name
    ]


def _across(value: float, low: float, high: float) -> float:
    return LEFT + (RIGHT - LEFT) * (value - low) / ((high - low) or 1)


def _loss(loss: HeldOutLoss) -> dict[str, Any]:
    """Return the loss by level, as steps over the timesteps and as rows."""
    edges = [100 * level / len(loss.levels) for level in range(len(loss.levels) + 1)]
    points = [(x, value) for level, (value, _) in enumerate(loss.levels) for x in (edges[level], edges[level + 1])]
    chart: Markup = lines_chart(
        [Line(name="held-out loss", number=0, points=points)],
        title="loss, from little noise to most",
        unit="% of the timesteps",
        log=True,
    )
    rows = [
        (f"{edges[level]:.0f} to {edges[level + 1]:.0f} %", value, interval)
        for level, (value, interval) in enumerate(loss.levels)
    ]
    return {"chart": chart, "rows": rows, "value": loss.value, "interval": loss.interval, "n": loss.num_pictures}


def _prompts(evaluation: Evaluation) -> list[dict[str, Any]]:
    held_out, agreed = evaluation.held_out.pixels_nchw, evaluation.agreed
    ranks = agreed.drawn.ranks if isinstance(agreed, Agreed) else (None,) * len(evaluation.prompts)
    shown = zip(evaluation.prompts[:MOST_PROMPTS], evaluation.drawn, ranks, strict=False)
    return [
        {"prompt": prompt, "drawn": _png(drawn), "held_out": _png(held_out[index % len(held_out)]), "rank": rank}
        for index, (prompt, drawn, rank) in enumerate(shown)
    ]


def _strips(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the first pictures of each set that stands beside the model's."""
    if evaluation.compared is None:
        return []
    few = evaluation.real[:PER_STRIP]
    sets = {"real pictures, of training": few}
    sets |= {words: make(few) for words, make in CONTROLS.items() if words in evaluation.compared.controls}
    return [{"words": words, "pictures": [_png(picture) for picture in pixels]} for words, pixels in sets.items()]


def _png(picture_chw: Pixels) -> str:
    return picture_url(Image.fromarray(np.ascontiguousarray(picture_chw.transpose(1, 2, 0))), "PNG")
