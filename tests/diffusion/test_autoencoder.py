import pytest
import torch

from byline.diffusion.autoencoder import build_autoencoder, denormalize, normalize
from byline.diffusion.configs import AutoencoderConfig


@pytest.mark.parametrize(
    ("config", "mean", "factor"),
    [
        ({"scaling_factor": 0.5}, [0.0, 0.0], 0.5),
        ({"scaling_factor": 2.0, "latents_mean": [1.0, -1.0]}, [1.0, -1.0], 2.0),
    ],
)
def test_normalized_latents_are_diffusers_convention_and_come_back(config, mean, factor):
    size = AutoencoderConfig(block_out_channels=(4, 4), latent_channels=2, norm_num_groups=2)
    autoencoder = build_autoencoder(size, side_px=8)
    autoencoder.register_to_config(**config)
    latents = torch.randn(3, 2, 4, 4)
    expected = (latents - torch.tensor(mean).view(1, 2, 1, 1)) * factor
    torch.testing.assert_close(normalize(autoencoder, latents), expected)
    torch.testing.assert_close(denormalize(autoencoder, expected), latents)
