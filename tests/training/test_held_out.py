"""What is held out is divided over ranks: each picture is measured on once, and by the same numbers whoever has it."""

import pytest
import torch

from byline.catalog.corpora.manifest import Release
from byline.diffusion.autoencoder import load_autoencoder
from byline.diffusion.configs import NoiseConfig, TextEncoderConfig
from byline.diffusion.noise import Noising
from byline.diffusion.text import TextEncoder
from byline.training.held_out import HeldOutLatents, read_held_out
from byline.training.ranks import Ranks
from tests.training.builders import SIDE_PX, a_release, an_autoencoder


def shares(tmp_path, *, size, images=3):
    """Return what each of `size` ranks measures on, encoded."""
    release, autoencoder = Release(a_release(tmp_path / "corpus")), load_autoencoder(an_autoencoder(tmp_path / "vae"))
    text_encoder = TextEncoder(TextEncoderConfig())
    return [
        HeldOutLatents(
            samples=read_held_out(release, images, Ranks(rank=rank, size=size, device=torch.device("cpu"))),
            autoencoder=autoencoder,
            text_encoder=text_encoder,
            others="noise",
            side_px=SIDE_PX,
            precision="fp32",
            levels=2,
            noising=Noising(NoiseConfig()),
        )
        for rank in range(size)
    ]


def test_every_picture_is_of_one_rank_and_a_rank_may_have_none(tmp_path):
    (whole,), parts = shares(tmp_path / "one", size=1), shares(tmp_path / "four", size=4)
    assert [len(part.samples.sha256s) for part in parts] == [1, 1, 1, 0]
    assert [part.samples.sha256s[0] for part in parts[:3]] == list(whole.samples.sha256s)
    assert {(part.of, part.num_images) for part in parts} == {(whole.of, 3)}
    assert list(parts[3].passes(0, 64)) == []


@pytest.mark.slow
def test_noise_and_timesteps_are_of_the_picture_and_the_level(tmp_path):
    (whole,), parts = shares(tmp_path / "one", size=1), shares(tmp_path / "three", size=3)
    for level in range(2):
        ((_, noise, times, _),) = whole.passes(level, 64)
        apart = [next(part.passes(level, 64)) for part in parts]
        assert torch.equal(torch.cat([one[1] for one in apart]), noise)
        assert torch.equal(torch.cat([one[2] for one in apart]), times)
        assert times.min() >= 500 * level
        assert times.max() < 500 * (level + 1)
    assert not torch.equal(next(whole.passes(0, 64))[1], next(whole.passes(1, 64))[1])
    assert [len(one[0]) for one in whole.passes(0, 2)] == [2, 1]
