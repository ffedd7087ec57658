import numpy as np
import pytest
import torch

from byline.catalog.errors import CorpusError
from byline.evaluation.reconstruction import measure_reconstruction, psnr
from byline.evaluation.report import bootstrap_interval
from tests.training.builders import a_release, an_autoencoder


def test_psnr_is_the_closed_form():
    a = torch.zeros((2, 3, 4, 4), dtype=torch.uint8)
    b = torch.stack([torch.full((3, 4, 4), 1), torch.full((3, 4, 4), 51)]).to(torch.uint8)
    assert psnr(a, b).tolist() == pytest.approx([20 * np.log10(255), 20 * np.log10(5)])


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
