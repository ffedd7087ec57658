"""How near two pictures are, in words and in order."""

import pytest

from byline.pipelines.releases.papers.distances import distance_text, nearest_first


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        ((1,), "1 bit"),
        ((0,), "0 bits"),
        ((6, "upright"), "6 bits"),
        ((6, "turned", None), "6 bits, turned"),
        ((0, "trimmed and turned"), "0 bits, trimmed and turned"),
        ((None, None, 0.912), "cosine 0.91"),
        ((None,), "distance not known"),
    ],
)
def test_a_distance_in_words(distance, words):
    assert distance_text(*distance) == words


def test_what_only_an_embedding_finds_comes_last_the_most_alike_first():
    found = [(None, None), (None, 0.8), (9, None), (None, 0.95), (0, None)]
    ordered = [(0, None), (9, None), (None, 0.95), (None, 0.8), (None, None)]
    assert sorted(found, key=lambda one: nearest_first(*one)) == ordered
