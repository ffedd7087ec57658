import json

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from byline.catalog.errors import CheckpointError
from byline.diffusion.autoencoder import (
    build_autoencoder,
    decode,
    denormalize,
    encode,
    fold_statistics,
    load_autoencoder,
    normalize,
)
from byline.diffusion.configs import AutoencoderConfig
from byline.diffusion.sources import ModelSource
from tests.training.builders import an_autoencoder

FLUX = {"shift_factor": 0.25, "scaling_factor": 0.5}
STATISTICS = {"latents_mean": [1.0, -1.0], "latents_std": [2.0, 0.5], "scaling_factor": 2.0}


@pytest.mark.parametrize(
    ("config", "mean", "factor"),
    [
        ({"scaling_factor": 0.5}, [0.0, 0.0], [0.5, 0.5]),
        ({"scaling_factor": 2.0, "latents_mean": [1.0, -1.0]}, [1.0, -1.0], [2.0, 2.0]),
        (STATISTICS, [1.0, -1.0], [1.0, 4.0]),
        (FLUX, [0.25, 0.25], [0.5, 0.5]),
    ],
)
def test_normalized_latents_are_diffusers_convention_and_come_back(config, mean, factor):
    autoencoder = small()
    autoencoder.register_to_config(**config)
    latents = torch.randn(3, 2, 4, 4)
    expected = (latents - torch.tensor(mean).view(1, 2, 1, 1)) * torch.tensor(factor).view(1, 2, 1, 1)
    torch.testing.assert_close(normalize(autoencoder, latents), expected)
    torch.testing.assert_close(denormalize(autoencoder, expected), latents)


@pytest.mark.parametrize("has_convolutions", [True, False], ids=["as SD", "as SD3 and FLUX"])
@pytest.mark.parametrize("statistics", [STATISTICS, FLUX], ids=["mean and spread", "shift"])
def test_folded_statistics_need_nothing_but_the_scaling_factor(statistics, has_convolutions):
    autoencoder = small(use_quant_conv=has_convolutions, use_post_quant_conv=has_convolutions)
    autoencoder.register_to_config(**statistics)
    folded = fold_statistics(autoencoder)
    pixels, factor = torch.rand(2, 3, 8, 8) * 2 - 1, statistics["scaling_factor"]
    config = folded.config
    assert (config.latents_mean, config.latents_std, config.shift_factor) == (None, None, None)
    latents = normalize(autoencoder, encode(autoencoder, pixels, "fp32"))
    torch.testing.assert_close(encode(folded, pixels, "fp32") * factor, latents)
    expected = decode(autoencoder, denormalize(autoencoder, latents), "fp32")
    torch.testing.assert_close(decode(folded, latents / factor, "fp32"), expected)
    with torch.no_grad():
        spread = [each.encode(pixels).latent_dist.std for each in (autoencoder, folded)]
    scale = torch.tensor(statistics.get("latents_std", [1.0, 1.0])).view(1, 2, 1, 1)
    torch.testing.assert_close(spread[0] / scale, spread[1])


def test_an_autoencoder_without_statistics_leaves_as_it_came():
    autoencoder = small()
    assert fold_statistics(autoencoder) is autoencoder


def small(**overrides):
    size = AutoencoderConfig(block_out_channels=(4, 4), latent_channels=2, norm_num_groups=2)
    torch.manual_seed(0)
    autoencoder = build_autoencoder(size, side_px=8)
    return AutoencoderKL.from_config({**autoencoder.config, **overrides}).eval() if overrides else autoencoder.eval()


def test_an_autoencoder_in_a_folder_of_a_pipeline_is_found(tmp_path):
    an_autoencoder(tmp_path / "vae")
    assert load_autoencoder(ModelSource(name=str(tmp_path), subfolder="vae")).config.latent_channels == 4
    with pytest.raises(CheckpointError, match=f"no folder {tmp_path}/nowhere"):
        load_autoencoder(ModelSource(name=str(tmp_path), subfolder="nowhere"))


def test_an_autoencoder_of_another_class_is_refused_by_name(tmp_path):
    AutoencoderTiny(encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8)).save_pretrained(
        tmp_path
    )
    with pytest.raises(
        CheckpointError, match=r"holds an AutoencoderTiny \(_class_name\), and byline reads AutoencoderKL"
    ):
        load_autoencoder(str(tmp_path))


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        ({"scaling_factor": 0}, "scaling_factor = 0 cannot scale latents"),
        ({"scaling_factor": -1.0}, "scaling_factor = -1.0 cannot scale latents"),
        ({"latents_std": [1.0, 0.0, 1.0, 1.0]}, "latents_std = .* cannot scale latents"),
        ({"latents_mean": [1.0, 2.0]}, "latents_mean has 2 values for 4 latent channels"),
        (
            {"latents_mean": [1.0, 2.0, 0.0, 0.0], "shift_factor": 1.0},
            "states latents_mean and shift_factor, two means",
        ),
    ],
)
def test_statistics_that_scale_nothing_are_named(tmp_path, statistics, message):
    config = tmp_path / "config.json"
    an_autoencoder(tmp_path)
    config.write_text(json.dumps({**json.loads(config.read_text()), **statistics}))
    with pytest.raises(CheckpointError, match=message):
        load_autoencoder(str(tmp_path))
