import numpy as np
import pytest

from byline.evaluation.retrieval import by_chance, found_among

CAPTIONS = ["sun", "moon", "sun", "star"]


def test_what_is_found_is_counted_by_caption():
    near = np.eye(4)
    assert found_among(near, CAPTIONS, 1).all()
    assert found_among(near[[2, 1, 0, 3]], CAPTIONS, 1).all()  # the other sun is as right
    assert found_among(near[[1, 2, 3, 0]], CAPTIONS, 1).tolist() == [False] * 4


def test_chance_is_what_random_similarities_find():
    random = np.random.default_rng(0)
    for first in (1, 2, 4):
        drawn = [found_among(random.random((4, 4)), CAPTIONS, first).mean() for _ in range(4000)]
        assert np.mean(drawn) == pytest.approx(by_chance(CAPTIONS, first), abs=0.02)
