"""Which pictures the captioner of this repository may learn from, and which words."""

import numpy as np
import pytest
from PIL import Image

from samples.captioner.data import Row, squared
from samples.captioner.split import (
    HELD_OUT_SET,
    clusters,
    concept_of,
    is_held_out,
    is_learned,
    pieces_of,
    shows_something,
    vocabulary,
)


def a_row(title: str, of_set: str = "openmoji") -> Row:
    return Row(of_set=of_set, name=f"{of_set}-{title}", title=title, tags="")


@pytest.mark.parametrize(
    ("title", "concept"),
    [
        ("waving hand: light skin tone", "wavinghand"),
        ("waving hand: medium-dark skin tone", "wavinghand"),
        ("waving hand", "wavinghand"),
        ("Van Gogh 12", "vangogh"),
    ],
)
def test_skin_tones_and_numbers_make_no_concept(title, concept):
    assert concept_of(a_row(title)) == concept


def test_copies_are_one_cluster_and_a_cluster_is_on_one_side():
    drawn = np.random.default_rng(0).integers(0, 255, (3, 4, 64, 64)).astype(np.uint8)
    drawn[:, 3], drawn[1] = 255, drawn[0]
    rows = [a_row("flag: Chad"), a_row("flag: Romania"), a_row("dog"), a_row("dog", "noto")]
    names = clusters(rows, np.concatenate([drawn, drawn[:1]]))
    assert names[0] == names[1] == names[2] == names[3]  # the last is a dog, and a copy of a flag
    assert clusters(rows[:3], drawn)[0] == clusters(rows[:3], drawn)[1] != clusters(rows[:3], drawn)[2]


def test_nothing_is_learned_of_a_set_that_is_held_out_nor_of_concepts_that_are():
    held_out, learned = (next(str(i) for i in range(99) if is_held_out(str(i)) is side) for side in (True, False))
    assert is_learned(a_row("dog"), learned)
    assert not is_learned(a_row("dog"), held_out)
    assert not is_learned(a_row("dog", HELD_OUT_SET), learned)
    share = np.mean([is_held_out(str(i)) for i in range(2000)])
    assert 0.12 < share < 0.18


def test_words_are_counted_by_concepts_and_keep_their_colon():
    assert pieces_of("Flag: St. Helena 2") == ["flag:", "st", "helena"]
    texts = [pieces_of(title) for title in ("red heart", "red heart", "red dog", "blue dog")]
    assert vocabulary(texts, ["heart", "heart", "a", "b"], least=2) == ["dog", "red"]


def test_pictures_of_nothing_are_told():
    blank = squared(Image.new("RGBA", (80, 80), (0, 0, 0, 0)))
    black = squared(Image.new("RGBA", (80, 80), (0, 0, 0, 255)))
    half = black.copy()
    half[3, :, :32] = 0
    assert shows_something(np.stack([blank, half])).tolist() == [False, True]
