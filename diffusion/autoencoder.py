"""The autoencoder: pixels to a small grid of latents and back."""

# Shapes: B batch, C channels (3 of pixels, or latent channels), H and W height and width.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from diffusers import AutoencoderKL
from pydantic import BaseModel, Field
from torch import Tensor

from byline.diffusion.weights import load_pretrained

Precision = Literal["fp32", "bf16", "fp16"]
"""What matrix products are computed in. The last two are faster on GPUs, and `bf16` on CPUs with AMX, only."""


class AutoencoderConfig(BaseModel, frozen=True, extra="forbid"):
    """The size of an `AutoencoderKL`, in diffusers' words."""

    block_out_channels: tuple[int, ...] = Field(min_length=1)
    """Every entry after the first halves the side: four entries turn 64 px into 8 latents."""
    layers_per_block: int = Field(default=1, ge=1)
    latent_channels: int = Field(default=8, ge=1)
    norm_num_groups: int = Field(default=8, ge=1)


def build_autoencoder(config: AutoencoderConfig, *, side_px: int) -> AutoencoderKL:
    """Return a new, convolutional autoencoder with random weights, from torch's global generator."""
    num_blocks = len(config.block_out_channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * num_blocks,
        up_block_types=("UpDecoderBlock2D",) * num_blocks,
        mid_block_add_attention=False,
        sample_size=side_px,
        scaling_factor=1.0,
        **config.model_dump(),
    )


def load_autoencoder(source: str) -> AutoencoderKL:
    """Load an autoencoder for use: frozen, in evaluation mode. `source` is a folder or a name on the hub."""
    model: AutoencoderKL = load_pretrained(AutoencoderKL, source).eval().requires_grad_(False)
    model.register_to_config(_name_or_path="")  # so that a copy does not depend on where it was copied from
    return model


def encode(autoencoder: AutoencoderKL, pixels_BCHW: Tensor, precision: Precision) -> Tensor:
    """Return the mode of the latents, float32, not yet scaled. Pixels are in `[-1, 1]`; nothing is sampled."""
    with torch.no_grad(), autocast(pixels_BCHW.device, precision):
        mode_BCHW: Tensor = autoencoder.encode(pixels_BCHW).latent_dist.mode()
    return mode_BCHW.float()


def decode(autoencoder: AutoencoderKL, latents_BCHW: Tensor, precision: Precision) -> Tensor:
    """Return pixels, float32, about `[-1, 1]`, of latents that are not scaled (as `encode` gives them)."""
    with torch.no_grad(), autocast(latents_BCHW.device, precision):
        pixels_BCHW: Tensor = autoencoder.decode(latents_BCHW).sample
    return pixels_BCHW.float()


def normalize(autoencoder: AutoencoderKL, latents_BCHW: Tensor) -> Tensor:
    """Return latents with about zero mean and unit variance, which is what a diffusion model is trained on."""
    mean_1C11, factor = _statistics(autoencoder, latents_BCHW)
    return (latents_BCHW - mean_1C11) * factor


def denormalize(autoencoder: AutoencoderKL, latents_BCHW: Tensor) -> Tensor:
    """Undo `normalize`."""
    mean_1C11, factor = _statistics(autoencoder, latents_BCHW)
    return latents_BCHW / factor + mean_1C11


def _statistics(autoencoder: AutoencoderKL, like: Tensor) -> tuple[Tensor, float]:
    """Return `latents_mean` and `scaling_factor` of diffusers' config; models without the first have zero."""
    means = autoencoder.config.latents_mean or [0.0] * autoencoder.config.latent_channels
    return like.new_tensor(means).view(1, -1, 1, 1), float(autoencoder.config.scaling_factor)


@contextmanager
def autocast(device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute matrix products and convolutions inside the block in `precision`."""
    half = torch.float16 if precision == "fp16" else torch.bfloat16
    with torch.autocast(device.type, half, enabled=precision != "fp32"):
        yield
