"""The autoencoder: pixels to a small grid of latents and back."""

# Shapes: B batch, C channels (3 of pixels, or latent channels), H and W height and width.

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from byline.catalog.errors import CheckpointError
from byline.diffusion.configs import AutoencoderConfig, Precision
from byline.diffusion.pixel_space import PixelSpace
from byline.diffusion.sources import ModelSource
from byline.diffusion.weights import load_config, load_pretrained

AnyAutoencoder = TypeVar("AnyAutoencoder", AutoencoderKL, PixelSpace)


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


def load_autoencoder(source: str | ModelSource) -> AutoencoderKL:
    """Load an autoencoder for use: frozen, in evaluation mode. `source` is a folder or a name on the hub.

    Raises `CheckpointError`, which names the field, for one of another class and for statistics that scale nothing.
    """
    model_source = ModelSource(name=source) if isinstance(source, str) else source
    kind = load_config(AutoencoderKL, model_source).get("_class_name", AutoencoderKL.__name__)
    if kind != AutoencoderKL.__name__:
        raise CheckpointError(f"{model_source} holds an {kind} (_class_name), and byline reads AutoencoderKL; name one")
    model: AutoencoderKL = load_pretrained(AutoencoderKL, model_source).eval().requires_grad_(False)
    _check_statistics(model, str(model_source))
    model.register_to_config(_name_or_path="")  # so that a copy does not depend on where it was copied from
    return model


def encode(autoencoder: AutoencoderKL | PixelSpace, pixels_BCHW: Tensor, precision: Precision) -> Tensor:
    """Return the mode of the latents, float32, not yet scaled. Pixels are in `[-1, 1]`; nothing is sampled."""
    with torch.no_grad(), autocast(pixels_BCHW.device, precision):
        mode_BCHW: Tensor = autoencoder.encode(pixels_BCHW).latent_dist.mode()
    return mode_BCHW.float()


def decode(autoencoder: AutoencoderKL | PixelSpace, latents_BCHW: Tensor, precision: Precision) -> Tensor:
    """Return pixels, float32, about `[-1, 1]`, of latents that are not scaled (as `encode` gives them)."""
    with torch.no_grad(), autocast(latents_BCHW.device, precision):
        pixels_BCHW: Tensor = autoencoder.decode(latents_BCHW).sample
    return pixels_BCHW.float()


def shrinks_by(autoencoder: AutoencoderKL | PixelSpace) -> int:
    """Return how many pixels of a side become one latent."""
    return int(2 ** (len(autoencoder.config.block_out_channels) - 1))


def normalize(autoencoder: AutoencoderKL | PixelSpace, latents_BCHW: Tensor) -> Tensor:
    """Return latents with about zero mean and unit variance, which is what a diffusion model is trained on."""
    mean_1C11, spread_1C11 = _statistics(autoencoder, latents_BCHW)
    return (latents_BCHW - mean_1C11) / spread_1C11 * float(autoencoder.config.scaling_factor)


def denormalize(autoencoder: AutoencoderKL | PixelSpace, latents_BCHW: Tensor) -> Tensor:
    """Undo `normalize`."""
    mean_1C11, spread_1C11 = _statistics(autoencoder, latents_BCHW)
    return latents_BCHW / float(autoencoder.config.scaling_factor) * spread_1C11 + mean_1C11


def fold_statistics(autoencoder: AnyAutoencoder) -> AnyAutoencoder:
    """Return an equal autoencoder that needs nothing but its `scaling_factor`, as diffusers' pipelines expect.

    Mean and spread move into the convolutions of one pixel between encoder and decoder, which is exact but for
    rounding. One that has neither is returned as it is.
    """
    if isinstance(autoencoder, PixelSpace) or not _has_statistics(autoencoder):
        return autoencoder
    folded, channels = copy.deepcopy(autoencoder), autoencoder.config.latent_channels
    for name, size in {"quant_conv": 2 * channels, "post_quant_conv": channels}.items():
        if getattr(folded, name) is None:  # as in SD3 and FLUX: one that changes nothing
            setattr(folded, name, _identity(size, folded))
    folded.register_to_config(use_quant_conv=True, use_post_quant_conv=True)
    folded.register_to_config(**dict.fromkeys(("latents_mean", "latents_std", "shift_factor")))
    like = torch.zeros((), dtype=torch.float64, device=folded.device)
    mean_C, spread_C = (value_1C11.flatten() for value_1C11 in _statistics(autoencoder, like))
    scales = torch.cat([1 / spread_C, torch.ones_like(spread_C)])  # of the mode, and of the logarithm of the variance
    _then(folded.quant_conv, scales, -torch.cat([mean_C / spread_C, 2 * spread_C.log()]))
    _first(folded.post_quant_conv, spread_C, mean_C)
    return folded


def _identity(channels: int, like: AutoencoderKL) -> nn.Conv2d:
    """Return a convolution that gives what it is given; it draws no random number."""
    conv = nn.Conv2d(channels, channels, 1, device="meta", dtype=like.dtype).to_empty(device=like.device)
    assert conv.bias is not None
    nn.init.dirac_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv.requires_grad_(False)


def _then(conv: nn.Conv2d, scale_C: Tensor, shift_C: Tensor) -> None:
    """Scale and shift what a convolution gives."""
    _set(conv, conv.weight.double() * scale_C[:, None, None, None], _bias(conv) * scale_C + shift_C)


def _first(conv: nn.Conv2d, scale_C: Tensor, shift_C: Tensor) -> None:
    """Scale and shift what a convolution of one pixel is given."""
    before = conv.weight.double()
    _set(conv, before * scale_C[:, None, None], _bias(conv) + before[:, :, 0, 0] @ shift_C)


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias.double()


def _set(conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    conv.load_state_dict({"weight": weight, "bias": bias})


def _has_statistics(autoencoder: AutoencoderKL | PixelSpace) -> bool:
    config = autoencoder.config
    return any((config.latents_mean, config.latents_std, config.shift_factor))


def _statistics(autoencoder: AutoencoderKL | PixelSpace, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and spread of the latents by diffusers' config; models that do not say have 0 and 1."""
    config = autoencoder.config
    means = config.latents_mean or [config.shift_factor or 0.0] * config.latent_channels
    spreads = config.latents_std or [1.0] * config.latent_channels
    return like.new_tensor(means).view(1, -1, 1, 1), like.new_tensor(spreads).view(1, -1, 1, 1)


def _check_statistics(autoencoder: AutoencoderKL, where: str) -> None:
    config = autoencoder.config
    if config.latents_mean and config.shift_factor:
        raise CheckpointError(f"{where} states latents_mean and shift_factor, two means; remove one from its config")
    for name in ("scaling_factor", "shift_factor", "latents_mean", "latents_std"):
        stated, positive = getattr(config, name), name in ("scaling_factor", "latents_std")
        values = stated if isinstance(stated, list | tuple) else [] if stated is None else [stated]
        if isinstance(stated, list | tuple) and len(stated) != config.latent_channels:
            raise CheckpointError(
                f"{where}: {name} has {len(stated)} values for {config.latent_channels} latent channels; "
                "mend its config"
            )
        if any(not math.isfinite(value) or (positive and value <= 0) for value in values):
            raise CheckpointError(f"{where}: {name} = {stated} cannot scale latents; mend its config")


@contextmanager
def autocast(device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute matrix products and convolutions inside the block in `precision`."""
    half = torch.float16 if precision == "fp16" else torch.bfloat16
    with torch.autocast(device.type, half, enabled=precision != "fp32"):
        yield
