import numpy as np
import pytest
import torch
from torch import nn

from byline.catalog.configs import extras
from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CorpusError
from byline.diffusion.autoencoder import load_autoencoder
from byline.evaluation import reconstruction
from byline.evaluation.features import Features
from byline.evaluation.kernels import kernel_distance
from byline.evaluation.pictures import read_pictures
from byline.evaluation.reconstruction import measure_reconstruction, psnr, reconstruct
from byline.evaluation.report import bootstrap_interval
from byline.evaluation.tower import Tower
from tests.training.builders import SIDE_PX, a_release, an_autoencoder


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
    reports, _ = measure_reconstruction(a_release(tmp_path / "c"), an_autoencoder(tmp_path / "vae"))
    assert [report.n for report in reports] == [4, 4]
    assert reports[1].claim.endswith("pictures, tiny")
    assert reports[0].interval[0] <= reports[0].value <= reports[0].interval[1]
    assert set(reports[0].digests) == {"release", "autoencoder"}


def test_kid_is_that_of_reconstructions_to_the_pictures(tmp_path, monkeypatch):
    url, folder = a_release(tmp_path / "c", heldout=25), an_autoencoder(tmp_path / "vae")
    tower = Tower(network=nn.Flatten(), side_px=4, mean=(0.5,) * 3, std=(0.5,) * 3)
    features = Features(name="pixels", digest="0" * 64, tower=tower)
    monkeypatch.setattr(reconstruction, "load_features", lambda: features)
    reports, left_out = measure_reconstruction(url, folder)
    pixels = read_pictures(Release(url), "heldout", side_px=SIDE_PX).pixels_nchw
    output = reconstruct(load_autoencoder(folder), torch.from_numpy(pixels)).numpy()
    assert left_out == ""
    assert reports[-1].claim.startswith("KID of reconstructions of held-out pictures to these pictures, pixels (000000")
    assert reports[-1].value == pytest.approx(kernel_distance(features.of(pixels), features.of(output)))
    assert reports[-1].interval[0] < reports[-1].value < reports[-1].interval[1]
    assert (reports[-1].n, reports[-1].digests["features"]) == (50, features.digest)


def test_kid_of_too_few_pictures_is_left_out_in_one_line(tmp_path):
    reports, left_out = measure_reconstruction(a_release(tmp_path / "c"), an_autoencoder(tmp_path / "vae"))
    assert left_out == "KID is left out: kid with efficientnet-lite0 needs 50 references, and there are 4"
    assert all(report.claim.startswith("mean PSNR") for report in reports)


def test_kid_without_its_package_is_left_out_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    reports, left_out = measure_reconstruction(a_release(tmp_path / "c"), an_autoencoder(tmp_path / "vae"))
    assert left_out.startswith("KID is left out: features = efficientnet-lite0 needs efficientnet_lite_pytorch")
    assert "\n" not in left_out
    assert len(reports) == 2


def test_a_release_without_heldout_samples_is_refused(tmp_path):
    release = a_release(tmp_path / "c", heldout=0)
    with pytest.raises(CorpusError, match="no heldout samples"):
        measure_reconstruction(release, an_autoencoder(tmp_path / "vae"))
