"""Which shapes there are, which one is nearest, and what does not fit."""

import numpy as np
import pytest

from byline.catalog.errors import ConfigError
from byline.training.buckets import Buckets, BucketsConfig, buckets_of

BUCKETS = buckets_of(BucketsConfig(step_px=64, max_aspect=2.0), 512)


def test_shapes_lie_within_area_and_aspect_ratio_both_ways():
    assert (512, 512) in BUCKETS.shapes_px
    for height, width in BUCKETS.shapes_px:
        assert height % 64 == width % 64 == 0
        assert 0.85 * 512**2 < height * width <= 512**2
        assert max(height, width) <= 2 * min(height, width)
        assert (width, height) in BUCKETS.shapes_px


def test_a_square_is_the_only_shape_of_aspect_ratio_one():
    assert buckets_of(BucketsConfig(step_px=8, max_aspect=1.0), 64).shapes_px == ((64, 64),)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((1000, 1000), (512, 512)),
        ((999, 1000), (512, 512)),
        ((480, 640), (448, 576)),
        ((640, 480), (576, 448)),
        ((10, 10_000), (384, 640)),
    ],
)
def test_the_nearest_aspect_ratio_decides(size, shape):
    (bucket,) = BUCKETS.nearest(np.array([size]))
    assert BUCKETS.shapes_px[bucket] == shape


def test_a_picture_keeps_its_bucket_at_twice_the_size():
    sizes = np.random.default_rng(0).integers(10, 5000, (500, 2))
    larger = Buckets(steps=BUCKETS.steps, step_px=128, max_aspect=2.0)
    assert (BUCKETS.nearest(sizes) == larger.nearest(sizes)).all()
    assert larger.shapes_px == tuple((2 * height, 2 * width) for height, width in BUCKETS.shapes_px)


def test_sides_that_do_not_divide_are_one_line():
    with pytest.raises(ValueError, match="resolution_px = 500 must be a multiple of buckets.step_px = 64"):
        buckets_of(BucketsConfig(step_px=64), 500)
    with pytest.raises(ConfigError, match="buckets.step_px = 64 must be a multiple of 128, by which all of it shrink"):
        BUCKETS.require_multiple(128, "all of it")
