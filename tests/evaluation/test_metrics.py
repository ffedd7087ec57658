import numpy as np
import pytest
import torch

from byline.catalog.errors import CorpusError
from byline.evaluation.kid import kernel_distance, random_features
from byline.evaluation.reconstruction import measure_reconstruction, psnr
from byline.evaluation.report import bootstrap_interval
from tests.training.builders import a_release, an_autoencoder


def test_psnr_is_the_closed_form():
    a = torch.zeros((2, 3, 4, 4), dtype=torch.uint8)
    b = torch.stack([torch.full((3, 4, 4), 1), torch.full((3, 4, 4), 51)]).to(torch.uint8)
    assert psnr(a, b).tolist() == pytest.approx([20 * np.log10(255), 20 * np.log10(5)])


def test_kernel_distance_is_the_double_sum():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(7, 3)), random.normal(1, 1, size=(5, 3))

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    within_x = np.mean([kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    between = np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(within_x + within_y - 2 * between)


def test_kernel_distance_of_one_distribution_is_about_zero():
    random = np.random.default_rng(0)
    values = [kernel_distance(*random.normal(size=(2, 100, 8))) for _ in range(50)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 50**0.5


def test_features_tell_noise_from_flat_pictures():
    random = np.random.default_rng(0)
    flat = torch.from_numpy(np.broadcast_to(random.integers(0, 256, (40, 3, 1, 1)), (40, 3, 32, 32)).copy())
    noise = torch.from_numpy(random.integers(0, 256, (40, 3, 32, 32)))
    halves = random_features(flat[:20]), random_features(flat[20:])
    assert kernel_distance(random_features(noise), halves[0]) > 10 * abs(kernel_distance(*halves))


def test_the_interval_is_that_of_a_mean():
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = bootstrap_interval(values, seed=0)
    assert low == pytest.approx(values.mean() - 1.96 * 0.1, abs=0.03)
    assert high == pytest.approx(values.mean() + 1.96 * 0.1, abs=0.03)


def test_reconstruction_is_reported_for_all_and_for_each_source(tmp_path):
    reports = measure_reconstruction(a_release(tmp_path / "c"), an_autoencoder(tmp_path / "vae"))
    assert [report.n for report in reports] == [4, 4]
    assert reports[1].claim.endswith("pictures, tiny")
    assert reports[0].interval[0] <= reports[0].value <= reports[0].interval[1]
    assert set(reports[0].digests) == {"release", "autoencoder"}


def test_a_release_without_heldout_samples_is_refused(tmp_path):
    release = a_release(tmp_path / "c", heldout=0)
    with pytest.raises(CorpusError, match="no heldout samples"):
        measure_reconstruction(release, an_autoencoder(tmp_path / "vae"))
