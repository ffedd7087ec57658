"""A small U-Net and what it is trained on, from seeds alone."""

import torch
from torch import Tensor

from byline.diffusion.configs import NoiseConfig, Precision, UNetConfig
from byline.diffusion.networks import build_unet
from byline.diffusion.noise import Noising
from byline.training.diffusion_task import DenoisingLoss
from byline.training.engine import Engine
from byline.training.run_tables import OptimizerConfig
from byline.training.schedules import learning_rate
from byline.training.stepping import take_step

# Shapes: B batch, C latent channels, H and W latent height and width, L tokens, D width of a token.

BATCH, STEPS = 8, 24
RATE = OptimizerConfig(learning_rate=3e-3, warmup_images=32)


def a_denoiser(precision: Precision = "fp32") -> DenoisingLoss:
    """Return a U-Net of 8x8 latents that predicts the picture."""
    torch.manual_seed(0)
    size = UNetConfig(block_out_channels=(8, 8), norm_num_groups=4, attention_head_dim=2, pooled_text=False)
    unet = build_unet(size, side=8, latent_channels=4, text_width=4)
    return DenoisingLoss(unet, Noising(NoiseConfig(prediction_type="sample")), precision)


def a_batch_of_colors(step: int) -> tuple[Tensor, ...]:
    """Return plain latents, noise, timesteps, and texts that say the latents."""
    generator = torch.Generator().manual_seed(step)
    color_BC = torch.randint(0, 2, (BATCH, 4), generator=generator) * 2.0 - 1
    x0_BCHW = color_BC[..., None, None].repeat(1, 1, 8, 8)
    noise_BCHW = torch.randn(x0_BCHW.shape, generator=generator)
    t_B = torch.randint(1000, (BATCH,), generator=generator)
    return x0_BCHW, noise_BCHW, t_B, color_BC[:, None, :]


def losses_of(engine: Engine, *, rank: int = 0, size: int = 1, steps: int = STEPS) -> list[float]:
    """Return the losses of this rank's share of each batch."""
    losses = []
    for step in range(steps):
        mine = tuple(tensor.chunk(size)[rank] for tensor in a_batch_of_colors(step))
        losses.append(float(take_step(engine, [mine], learning_rate(RATE, step * BATCH, STEPS * BATCH)).loss))
    return losses
