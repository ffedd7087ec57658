"""Drawings that are one another's mirror image, turn or color: the policy keeps each, and the split parts none."""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw, ImageOps

from byline.catalog.policies.policy import DuplicateRules, LicenseRules, Policy, ReleaseRules, SplitRules
from byline.dedup.colors import color_grid
from byline.dedup.hashes import phash256
from byline.dedup.quality import measure_quality
from byline.dedup.views import pack_views, split_views, views_of
from tests.pipelines.judging.test_judge import _judge, a_row

RADIUS_BITS = 31
POLICY = Policy(
    license=LicenseRules(families=("CC-BY",)),
    duplicates=DuplicateRules(radius_bits=12, max_luma_distance=8, max_chroma_distance=8),
    split=SplitRules(heldout_fraction=0.5, radius_bits=RADIUS_BITS),
    release=ReleaseRules(obligations=("attribution",)),
)


def an_arrow(color=(200, 30, 30)):
    image = Image.new("RGB", (192, 192), "white")
    draw = ImageDraw.Draw(image)
    draw.polygon([(20, 70), (100, 70), (100, 30), (175, 96), (100, 160), (100, 120), (20, 120)], fill=color)
    draw.rectangle([30, 150, 70, 172], fill=(90, 90, 90))
    return image


ALIKE = {
    "mirrored": ImageOps.mirror(an_arrow()),
    "upside down": ImageOps.flip(an_arrow()),
    **{f"turned by {angle}": an_arrow().rotate(angle) for angle in (90, 180, 270)},
    "of another color": an_arrow((30, 60, 220)),
    "gray": an_arrow().convert("L").convert("RGB"),
    "mirrored and of another color": ImageOps.mirror(an_arrow((20, 130, 40))),
}


def _row(number, image, sha256):
    turned, trimmed = (column[0].as_py() for column in split_views(pa.chunked_array([[pack_views(views_of(image))]])))
    said = {"turned": turned, "trimmed": trimmed, "phash256": phash256(image), "colors": color_grid(image)}
    return a_row(number, sha256=sha256, flatness=measure_quality(image).flatness, **said)


def _codes(image):
    return [phash256(image), *(view.code for view in views_of(image))]


def _bits(a, b):
    return int(np.bitwise_count(np.frombuffer(a, np.uint8) ^ np.frombuffer(b, np.uint8)).sum())


@pytest.mark.parametrize("other", ALIKE)
def test_a_drawing_and_its_like_are_kept_both_and_on_one_side(other):
    images = an_arrow(), ALIKE[other]
    rows = [_row(1, images[0], "0" * 64), _row(2, images[1], "f" * 64)]
    codes = sorted({code for image in images for code in _codes(image)})
    pairs = [(a, b, bits) for a, b in combinations(codes, 2) if (bits := _bits(a, b)) <= RADIUS_BITS]
    recurring = [code for code in _codes(images[0]) if code in _codes(images[1])]
    verdicts = _judge(rows, pairs, POLICY, recurring=recurring)
    assert [(one["keeper_record_id"], one["split"]) for one in verdicts.values()] == [(None, "train")] * 2
    assert _judge(rows[:1], [], POLICY)["s:1"]["split"] == "heldout"
