"""Lay out an evaluation as one HTML page that needs no other file: the numbers, and the pictures behind them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from byline.evaluation.compared import Compared, Pixels, Results
from byline.evaluation.controls import CONTROLS
from byline.evaluation.evaluating import Evaluation
from byline.evaluation.held_out_loss import HeldOutLoss
from byline.evaluation.measures import MEASURES, Measured
from byline.pages.chart import Line, lines_chart
from byline.pages.html import html_templates, picture_url

MOST_PROMPTS = 60
"""Prompts whose pictures are on the page: the first ones, unpicked."""
PER_STRIP = 8
LEFT, RIGHT, ROW = 170, 470, 20
"""Where intervals lie in their chart, and the height of a row, in its pixels."""


def evaluation_page(evaluation: Evaluation, told: dict[str, Any]) -> str:
    """Return the page. `told` is the evaluation as plain data."""
    compared, held_out = evaluation.compared, evaluation.held_out
    release = evaluation.release
    return (
        html_templates("byline.reports")
        .get_template("evaluation.html.j2")
        .render(
            told=told,
            name=release.name,
            version=release.version,
            num_drawn=len(evaluation.drawn),
            num_held_out=len(held_out.captions),
            features=compared and compared.features,
            charts=[] if compared is None else _charts(compared),
            chart={"left": LEFT, "right": RIGHT, "row": ROW},
            loss=evaluation.loss and _loss(evaluation.loss),
            prompts=_prompts(evaluation.prompts, evaluation.drawn, held_out.pixels_nchw),
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
        found = [(words, kind, one) for words, kind, one in _of(name, sets)]
        if not found:
            continue
        low = min(0.0, *(one.interval[0] for _, _, one in found))
        high = max(one.interval[1] for _, _, one in found)
        charts.append(
            {
                "name": name,
                "words": measure.words,
                "better": measure.better,
                "rows": [_row(words, kind, one, low, high) for words, kind, one in found],
                "zero": _across(0.0, low, high),
            }
        )
    return charts


def _of(name: str, sets: Iterable[tuple[str, str, Results]]) -> list[tuple[str, str, Measured]]:
    return [
        (words, kind, one)
        for words, kind, results in sets
        for one in results
        if isinstance(one, Measured) and one.name == name
    ]


def _row(words: str, kind: str, one: Measured, low: float, high: float) -> dict[str, Any]:
    places = [_across(value, low, high) for value in (one.interval[0], one.value, one.interval[1])]
    return {
        "words": words,
        "kind": kind,
        "places": places,
        "value": one.value,
        "interval": one.interval,
    }


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


def _prompts(prompts: tuple[str, ...], drawn: Pixels, held_out: Pixels) -> list[dict[str, str]]:
    return [
        {"prompt": prompt, "drawn": _png(drawn[place]), "held_out": _png(held_out[place % len(held_out)])}
        for place, prompt in enumerate(prompts[:MOST_PROMPTS])
    ]


def _strips(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the first pictures of each set that stands beside the model's."""
    if evaluation.compared is None:
        return []
    few = evaluation.real[:PER_STRIP]
    sets = {"real pictures, of training": few}
    sets |= {words: make(few) for words, make in CONTROLS.items() if words in evaluation.compared.controls}
    return [{"words": words, "pictures": [_png(one) for one in pixels]} for words, pixels in sets.items()]


def _png(picture_chw: Pixels) -> str:
    return picture_url(Image.fromarray(np.ascontiguousarray(picture_chw.transpose(1, 2, 0))), "PNG")
