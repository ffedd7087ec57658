"""Distances and neighbors against closed forms, and on sets whose truth is known."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from byline.catalog.errors import ConfigError
from byline.evaluation.features import Features
from byline.evaluation.frechet import frechet_distance, unbiased_frechet_distance
from byline.evaluation.kernels import cubic, gaussian, kernel_distance, kernel_interval, median_distance, unit
from byline.evaluation.measures import MEASURES, Measured, Refused, compare
from byline.evaluation.neighbors import NEAREST, neighborhoods
from byline.evaluation.tower import Tower


def _given(network, **kwargs):
    tower = Tower(network=network, side_px=8, mean=(0.0,) * 3, std=(1.0,) * 3, **kwargs)
    return Features(name="given", digest="0" * 64, tower=tower)


NETWORK = _given(nn.Identity(), is_clip=True)


def _two_sets(n=90, m=80, width=4, shift=0.0, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(n, width)), random.normal(shift, 1, size=(m, width))


def test_the_frechet_distance_is_that_of_the_root_of_matrices():
    x, y = _two_sets(shift=0.5)
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert frechet_distance(x, y) == pytest.approx(wanted)


def test_the_frechet_distance_exists_where_covariances_are_singular():
    x, y = _two_sets(n=5, m=6, width=40)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(x, y) > 1


def test_more_pictures_do_not_change_what_the_frechet_distance_tends_to():
    values, plain = [], []
    for seed in range(20):
        x, y = _two_sets(n=100, m=100, width=40, seed=seed)
        values.append(unbiased_frechet_distance(x, y)[0])
        plain.append(frechet_distance(x, y))
    assert abs(np.mean(values)) < 0.06 * np.mean(plain)


def test_the_interval_of_the_frechet_distance_holds_the_truth():
    inside = 0
    for seed in range(40):
        x, y = _two_sets(n=200, m=200, width=5, shift=0.5, seed=seed)
        _, (low, high) = unbiased_frechet_distance(x, y)
        inside += low <= 5 * 0.25 <= high
    assert inside >= 34


@pytest.mark.parametrize("kernel", [cubic, gaussian(1.7)])
def test_a_kernel_distance_is_the_double_sum(kernel):
    x, y = _two_sets(7, 5, 3, shift=1)

    def of(a, b):
        if kernel is cubic:
            return (a @ b / 3 + 1) ** 3
        return np.exp(-((a - b) ** 2).sum() / (2 * 1.7**2))

    within_x = np.mean([of(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([of(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    between = np.mean([of(a, b) for a in x for b in y])
    assert kernel_distance(x, y, kernel) == pytest.approx(within_x + within_y - 2 * between)


def test_a_kernel_distance_of_one_distribution_is_about_zero():
    values = [kernel_distance(*_two_sets(seed=seed)) for seed in range(50)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 50**0.5


def test_the_interval_of_a_kernel_distance_holds_the_value_of_many_pictures():
    truth = kernel_distance(*_two_sets(2000, 2000, shift=0.4, seed=99))
    inside = 0
    for seed in range(40):
        x, y = _two_sets(shift=0.4, seed=seed)
        low, high = kernel_interval(x, y, seed=0)
        inside += low <= truth <= high
    assert inside >= 34


def test_the_width_is_the_median_of_distances():
    assert median_distance(np.array([[0.0], [1.0], [3.0]])) == 2


def test_cmmd_is_its_formula():
    x, y = _two_sets()
    (found,) = compare(x, y, NETWORK, measures=["cmmd"])
    assert isinstance(found, Measured)
    assert found.value == pytest.approx(1000 * kernel_distance(unit(x), unit(y), gaussian(10)))
    assert found.interval[0] < found.value < found.interval[1]


def test_neighbors_of_a_line():
    references = np.arange(10.0)[:, None]
    near, far = references + 0.25, references + 100
    found = neighborhoods(references, near)
    assert found.precision.mean() == found.recall.mean() == found.coverage.mean() == 1
    in_balls = (np.abs(references - near.T) < [[_radius(place)] for place in range(10)]).sum(0)
    assert found.density.tolist() == (in_balls / NEAREST).tolist()
    found = neighborhoods(references, far)
    assert found.precision.sum() == found.recall.sum() == found.density.sum() == found.coverage.sum() == 0


def _radius(place):
    return sorted(abs(place - other) for other in range(10))[NEAREST]


def test_neighbors_tell_few_pictures_repeated():
    references, pictures = _two_sets(100, 100)
    repeated = pictures[np.arange(100) % 5]
    assert neighborhoods(references, pictures).coverage.mean() > 0.9
    assert neighborhoods(references, repeated).recall.mean() == 0
    assert neighborhoods(references, repeated).coverage.mean() < 0.5


@pytest.mark.parametrize(
    ("name", "references", "pictures", "reason"),
    [
        ("kid", 49, 80, "kid with given needs 50 references, and there are 49"),
        ("recall", 60, 20, "recall with given needs 50 pictures, and there are 20"),
        ("frechet", 80, 80, "frechet with given needs 201 references, and there are 80"),
    ],
)
def test_too_few_pictures_are_refused_with_the_number_that_is_needed(name, references, pictures, reason):
    assert compare(*_two_sets(references, pictures, 200), NETWORK, measures=[name]) == [
        Refused(name=name, reason=reason)
    ]


def test_every_measure_says_which_side_is_better():
    x, y = _two_sets()
    worse = compare(x, y + 3, NETWORK)
    for good, bad in zip(compare(x, y, NETWORK), worse, strict=True):
        assert isinstance(good, Measured)
        assert isinstance(bad, Measured)
        assert (bad.value > good.value) == (MEASURES[good.name].better == "lower")
        assert good.interval[0] <= good.value <= good.interval[1]


def test_equal_arguments_give_equal_numbers():
    x, y = _two_sets()
    assert compare(x, y, NETWORK, seed=3) == compare(x, y, NETWORK, seed=3)


def test_an_unknown_measure_is_refused():
    with pytest.raises(ConfigError, match="no measure is called 'fid'; they are kid, mmd, frechet"):
        compare(*_two_sets(), NETWORK, measures=["fid"])


def test_features_that_are_no_numbers_are_refused():
    broken = _given(_Nothing())
    with pytest.raises(ValueError, match="given gave features that are no numbers"):
        broken.of(np.zeros((2, 3, 8, 8), np.uint8))


class _Nothing(nn.Module):
    def forward(self, pixels):
        return torch.full((len(pixels), 4), torch.nan)
