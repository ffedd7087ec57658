"""No autoencoder: pixels are the latents, as they are. For models of pixels, in which nothing is pre-trained."""

# Shapes: B batch, H and W height and width.

from types import SimpleNamespace
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor

CHANNELS = 3


class PixelSpace(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Gives what it is given, where an `AutoencoderKL` would encode and decode. It has no weights."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        *,
        latent_channels: int = CHANNELS,
        block_out_channels: tuple[int, ...] = (CHANNELS,),
        scaling_factor: float = 1.0,
        latents_mean: None = None,
        latents_std: None = None,
        shift_factor: None = None,
    ) -> None:
        """The config is what is read of an autoencoder's; no other one is meant."""
        super().__init__()
        self.register_buffer("place", torch.zeros(0), persistent=False)  # so that it has a device

    def encode(self, pixels_BCHW: Tensor) -> Any:
        """Return pixels as a distribution that has no spread."""
        mode = SimpleNamespace(mean=pixels_BCHW, std=torch.zeros_like(pixels_BCHW), mode=lambda: pixels_BCHW)
        return SimpleNamespace(latent_dist=mode)

    def decode(self, latents_BCHW: Tensor, return_dict: bool = True, **_: Any) -> Any:
        """Return pixels; diffusers' names."""
        return SimpleNamespace(sample=latents_BCHW) if return_dict else (latents_BCHW,)
