"""What code finds in simple drawings, and how prompts that it can judge are taken from captions."""

from pathlib import Path

import numpy as np
import pytest

from byline.catalog.errors import ConfigError
from byline.diffusion.pixels import square
from byline.evaluation.judging import color_of, shape_of, stripes_of
from byline.evaluation.made_prompts import FLAGS, followed, followed_by_real, prompts_of
from byline.evaluation.pictures import Pictures

DRAWINGS = Path(__file__).parent.parent.parent / "samples" / "drawings"
SIMPLE = {
    "2764": "red heart",
    "1f499": "blue heart",
    "1f49c": "purple heart",
    "1f5a4": "black heart",
    "1f534": "red circle",
    "1f7e0": "orange circle",
    "1f7e2": "green circle",
    "1f7e5": "red square",
    "1f7e8": "yellow square",
    "1f7e9": "green square",
}
FLAG_FILES = {
    "1f1eb-1f1f7": "France",
    "1f1e9-1f1ea": "Germany",
    "1f1ee-1f1f9": "Italy",
    "1f1fa-1f1e6": "Ukraine",
    "1f1f3-1f1f1": "Netherlands",
}
BLANK = np.full((3, 64, 64), 255, np.uint8)
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black")
CAPTIONS = [f"{color} {shape}" for color in COLORS for shape in ("heart", "circle", "Square")]


def _drawing(name):
    return square((DRAWINGS / f"{name}.png").read_bytes(), 64)


@pytest.mark.parametrize("source", ["openmoji", "twemoji"])
@pytest.mark.parametrize(("code", "prompt"), SIMPLE.items())
def test_color_and_shape_of_real_drawings(source, code, prompt):
    picture = _drawing(f"{source}-{code}")
    assert f"{color_of(picture)} {shape_of(picture)}" == prompt


@pytest.mark.parametrize(("code", "country"), FLAG_FILES.items())
def test_stripes_of_real_flags(code, country):
    across, colors = FLAGS[country]
    assert stripes_of(_drawing(f"openmoji-{code}"), across=across, num=len(colors)) == colors


@pytest.mark.parametrize("code", FLAG_FILES)
def test_a_flag_upside_down_or_turned_is_another(code):
    across, colors = FLAGS[FLAG_FILES[code]]
    picture = _drawing(f"openmoji-{code}")
    turned = picture[:, ::-1] if across else picture[:, :, ::-1]
    assert stripes_of(turned, across=across, num=len(colors)) == colors[::-1]
    assert stripes_of(picture.transpose(0, 2, 1), across=not across, num=len(colors)) == colors
    assert stripes_of(picture, across=not across, num=len(colors)) != colors


def test_nothing_shows_nothing():
    assert color_of(BLANK) is None
    assert shape_of(BLANK) is None
    assert stripes_of(BLANK, across=True, num=3) is None


def test_noise_is_no_flag():
    noise = np.random.default_rng(0).integers(0, 256, (40, 3, 64, 64), dtype=np.uint8)
    found = [stripes_of(picture, across=True, num=3) for picture in noise]
    assert not {colors for _, colors in FLAGS.values()} & set(found)


def test_prompts_are_captions_that_code_can_judge():
    others = ["a red heart", "red heart with arrow", "flag: Japan", "mauve circle"]
    assert prompts_of("color", [*CAPTIONS, *CAPTIONS, *others]) == sorted(CAPTIONS)
    with pytest.raises(ConfigError, match="stripes needs 20 captions of flags whose stripes .* and the release has 0"):
        prompts_of("stripes", CAPTIONS)


def test_what_is_followed_is_counted():
    heart, circle = _drawing("openmoji-2764"), _drawing("twemoji-1f534")
    found = followed("shape", ["red heart", "blue heart", "red heart", "red circle"], [heart, heart, circle, circle])
    assert (found.share, found.num_pictures, found.num_prompts) == (0.75, 4, 3)
    found = followed("color", ["red heart", "blue heart"], [heart, heart])
    assert found.share == 0.5
    assert found.interval[0] < 0.5 < found.interval[1]


def test_the_judge_is_judged_by_real_pictures():
    pictures = Pictures(
        pixels_nchw=np.stack([_drawing("openmoji-2764"), _drawing("openmoji-1f534"), BLANK]),
        facts=({}, {}, {}),
        captions=("red heart", "blue circle", "sun"),
    )
    assert followed_by_real("color", pictures).share == 0.5
    assert followed_by_real("shape", pictures).share == 1
