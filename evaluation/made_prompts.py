"""Whether simple prompts are followed, judged by code: color and shape, and the order of a flag's stripes.

As GenEval (Ghosh et al. 2023), but the prompts are captions that the release has, and no detector takes part. The judge
looks at the release's own pictures of those captions too: what it does not find there says nothing about a model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from byline.catalog.errors import ConfigError
from byline.evaluation.judging import COLORS, SHAPES, Picture, color_of, shape_of, stripes_of
from byline.evaluation.pictures import Pictures
from byline.evaluation.report import proportion_interval

LEAST = 20
"""Prompts that are needed."""
PER_PROMPT = 2
FLAG = "flag: "
UPRIGHT, ACROSS = False, True
FLAGS: dict[str, tuple[bool, tuple[str, ...]]] = {
    "Austria": (ACROSS, ("red", "white", "red")),
    "Belgium": (UPRIGHT, ("black", "yellow", "red")),
    "Bulgaria": (ACROSS, ("white", "green", "red")),
    "Chad": (UPRIGHT, ("blue", "yellow", "red")),
    "Estonia": (ACROSS, ("blue", "black", "white")),
    "France": (UPRIGHT, ("blue", "white", "red")),
    "Gabon": (ACROSS, ("green", "yellow", "blue")),
    "Germany": (ACROSS, ("black", "red", "yellow")),
    "Guinea": (UPRIGHT, ("red", "yellow", "green")),
    "Hungary": (ACROSS, ("red", "white", "green")),
    "Indonesia": (ACROSS, ("red", "white")),
    "Ireland": (UPRIGHT, ("green", "white", "orange")),
    "Italy": (UPRIGHT, ("green", "white", "red")),
    "Lithuania": (ACROSS, ("yellow", "green", "red")),
    "Luxembourg": (ACROSS, ("red", "white", "blue")),
    "Mali": (UPRIGHT, ("green", "yellow", "red")),
    "Monaco": (ACROSS, ("red", "white")),
    "Netherlands": (ACROSS, ("red", "white", "blue")),
    "Nigeria": (UPRIGHT, ("green", "white", "green")),
    "Peru": (UPRIGHT, ("red", "white", "red")),
    "Poland": (ACROSS, ("white", "red")),
    "Romania": (UPRIGHT, ("blue", "yellow", "red")),
    "Russia": (ACROSS, ("white", "blue", "red")),
    "Sierra Leone": (ACROSS, ("green", "white", "blue")),
    "Ukraine": (ACROSS, ("blue", "yellow")),
    "Yemen": (ACROSS, ("red", "white", "black")),
}
"""Flags of nothing but equal stripes: whether those lie across, and their colors from the top or the left."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of prompt, and how a picture is judged by it."""

    words: str
    judge: Callable[[str, Picture], bool]
    """Prompt and picture -> whether the picture shows it."""
    is_one: Callable[[str], bool]
    """Whether a caption is such a prompt."""


def _parts(caption: str) -> tuple[str, str] | None:
    """Return color and shape of a caption that names just these."""
    color, _, shape = caption.casefold().partition(" ")
    return (color, shape) if color in COLORS and shape in SHAPES else None


def _has_color(prompt: str, picture: Picture) -> bool:
    return color_of(picture) == prompt.casefold().partition(" ")[0]


def _has_shape(prompt: str, picture: Picture) -> bool:
    return shape_of(picture) == prompt.casefold().partition(" ")[2]


def _has_stripes(prompt: str, picture: Picture) -> bool:
    across, colors = FLAGS[prompt.removeprefix(FLAG)]
    return stripes_of(picture, across=across, num=len(colors)) == colors


def _is_simple(caption: str) -> bool:
    return _parts(caption) is not None


def _is_flag(caption: str) -> bool:
    return caption.startswith(FLAG) and caption.removeprefix(FLAG) in FLAGS


KINDS = {
    "color": Kind(words="hearts, circles and squares of the color that is named", judge=_has_color, is_one=_is_simple),
    "shape": Kind(words="hearts, circles and squares that are just that", judge=_has_shape, is_one=_is_simple),
    "stripes": Kind(
        words="flags whose stripes have the right colors in the right order", judge=_has_stripes, is_one=_is_flag
    ),
}
"""Name -> kind of prompt."""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """How many pictures show what their prompt says."""

    share: float
    interval: tuple[float, float]
    num_pictures: int
    num_prompts: int


def prompts_of(kind: str, captions: Sequence[str]) -> list[str]:
    """Return the captions that are such prompts, each once, sorted. Raises `ConfigError` when they are too few."""
    prompts = sorted({caption for caption in captions if KINDS[kind].is_one(caption)})
    if len(prompts) < LEAST:
        raise ConfigError(f"{kind} needs {LEAST} captions of {KINDS[kind].words}, and the release has {len(prompts)}")
    return prompts


def followed(kind: str, prompts: Sequence[str], pictures: Sequence[Picture]) -> Followed:
    """Judge pictures by their prompts."""
    right = sum(KINDS[kind].judge(prompt, picture) for prompt, picture in zip(prompts, pictures, strict=True))
    return Followed(
        share=right / len(prompts),
        interval=proportion_interval(right, len(prompts)),
        num_pictures=len(prompts),
        num_prompts=len(set(prompts)),
    )


def followed_by_real(kind: str, pictures: Pictures) -> Followed:
    """Judge the release's own pictures of such captions: how good the judge is."""
    rows = [row for row, caption in enumerate(pictures.captions) if KINDS[kind].is_one(caption)]
    return followed(kind, [pictures.captions[row] for row in rows], [pictures.pixels_nchw[row] for row in rows])
