import numpy as np
import pytest

from byline.audits.memorization import nearest_training_pictures


def natural_pictures(seed, count, side=32):
    """Return pictures whose spectrum falls as that of photographs does (1/f)."""
    random = np.random.default_rng(seed)
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    frequencies[0, 0] = 1 / side
    spectrum = np.fft.fft2(random.normal(size=(count, 3, side, side))) / frequencies
    pictures = np.fft.ifft2(spectrum).real
    pictures = (pictures - pictures.mean((2, 3), keepdims=True)) / pictures.std((2, 3), keepdims=True)
    return (128 + 50 * pictures).clip(0, 255).astype(np.uint8)


TRAINING = natural_pictures(0, 300)


def noisy(pictures, spread):
    noise = np.random.default_rng(2).normal(0, 255 * spread, pictures.shape)
    return (pictures + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("spread", [0, 0.02, 0.05])
def test_copies_are_flagged_and_named(spread):
    found = nearest_training_pictures(noisy(TRAINING[40:50], spread), TRAINING)
    assert [nearest.index for nearest in found] == list(range(40, 50))
    assert all(nearest.is_copy and not nearest.mirrored for nearest in found)


def test_mirrored_copies_are_flagged():
    found = nearest_training_pictures(TRAINING[40:45, :, :, ::-1], TRAINING)
    assert [(nearest.index, nearest.mirrored, nearest.l2) for nearest in found] == [
        (i, True, 0.0) for i in range(40, 45)
    ]


def test_unrelated_pictures_are_not_flagged():
    found = nearest_training_pictures(natural_pictures(1, 50), TRAINING)
    assert min(nearest.score for nearest in found) > 1.2


def test_the_distance_and_score_are_the_closed_form():
    training = np.zeros((60, 3, 2, 2), np.uint8)
    training[:, :] = np.arange(100, 160, dtype=np.uint8)[:, None, None, None]
    (found,) = nearest_training_pictures(np.full((1, 3, 2, 2), 90, np.uint8), training)
    distances = np.arange(10, 60) / 255
    assert found.index == 0
    assert found.l2 == pytest.approx(distances[0], rel=1e-5)
    assert found.score == pytest.approx(distances[0] / (0.5 * distances.mean()), rel=1e-5)
