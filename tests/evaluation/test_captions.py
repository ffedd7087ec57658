"""Captions against what they are compared with, by hand."""

import numpy as np
import pytest

from byline.catalog.caption_words import word_f1, words_of
from byline.evaluation.captions import cider, grouped_interval, noun, score


@pytest.mark.parametrize(
    ("caption", "reference", "f1"),
    [
        ("red heart", "red heart", 1.0),
        ("Red HEART!", "red heart", 1.0),
        ("heart", "red heart", 2 / 3),
        ("flag: Chad", "flag: Japan", 1 / 2),
        ("face face face", "face with eyes", 1 / 3),  # a word counts as often as both have it
        ("", "red heart", 0.0),
        ("dog", "cat", 0.0),
        ("womans hat 2", "woman’s hat", 1.0),
    ],
)
def test_word_f1(caption, reference, f1):
    assert word_f1(caption, reference) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("title", "of"),
    [
        ("grinning face with big eyes", "face"),
        ("flag: Japan", "flag"),
        ("thumbs up: light skin tone", "up"),
        ("A button (blood type)", "button"),
        ("red heart", "heart"),
        ("on", "on"),
        ("12", ""),
        ("", ""),
    ],
)
def test_noun(title, of):
    assert noun(title) == of


def test_cider_is_ten_for_the_reference_itself_and_counts_rare_words_more():
    references = ["red heart", "red circle", "red square", "blue square"]
    assert cider(references, references) == pytest.approx([10.0] * 4)
    only_rare = cider(["heart", *[""] * 3], references)[0]
    only_common = cider(["red", *[""] * 3], references)[0]
    assert only_rare > only_common > 0


def test_cider_by_hand():
    references = ["red heart", "red circle"]
    # Of single words "heart" is told apart, by log 2, and "red" by log 1, which is nothing; no pair is in common.
    assert cider(["heart", ""], references) == pytest.approx([10 * (1 + 0) / 2, 0.0])


def test_scores_say_where_the_noun_is_right():
    scores = score(["blue heart", "heart of a man", "", "a dog"], ["red heart", "heart", "heart", "dog: brown"])
    assert scores.exact_noun.tolist() == [1.0, 1.0, 0.0, 1.0]
    assert scores.word_f1[2] == scores.cider[2] == 0.0


def test_an_interval_over_groups_is_that_of_groups_and_not_of_pictures():
    values, groups = np.repeat([0.0, 1.0, 0.0, 1.0], 50), np.repeat(["a", "b", "c", "d"], 50)
    low, high = grouped_interval(values, list(groups), seed=0)
    assert (low, high) == (0.0, 1.0)  # four observations say nothing; two hundred would give about .43 to .57
    low, high = grouped_interval(values, [str(i) for i in range(200)], seed=0)
    assert 0.4 < low < 0.5 < high < 0.6
    assert grouped_interval(values, list(groups), seed=0) == (0.0, 1.0)


def test_words_are_lower_case_letters():
    assert words_of("Woman’s HAT, No. 2: été") == ["womans", "hat", "no", "été"]
