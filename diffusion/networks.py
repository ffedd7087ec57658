"""The denoising network: diffusers' U-Net that reads text by cross-attention, or a transformer."""

# Shapes: B batch, C channels, H and W height and width, L tokens, D width of a token.

from pathlib import Path
from typing import Any, TypeAlias

from diffusers import UNet2DConditionModel

from byline.catalog.errors import ConfigError
from byline.diffusion.configs import TransformerConfig, UNetConfig
from byline.diffusion.sources import ModelSource
from byline.diffusion.transformer import DiffusionTransformer
from byline.diffusion.weights import load_config, load_pretrained

POOLING_HEAD_WIDTH = 64
Denoiser: TypeAlias = UNet2DConditionModel | DiffusionTransformer


def build_denoiser(
    config: UNetConfig | TransformerConfig, *, side: int, latent_channels: int, text_width: int
) -> Denoiser:
    """Return a new network with random weights, from torch's global generator."""
    if isinstance(config, UNetConfig):
        return build_unet(config, side=side, latent_channels=latent_channels, text_width=text_width)
    if side % config.patch_size:
        raise ConfigError(
            f"transformer.patch_size = {config.patch_size} does not divide {side}, the side of what the network reads; "
            "change it, or resolution_px"
        )
    return DiffusionTransformer(
        sample_size=side, in_channels=latent_channels, text_width=text_width, **config.model_dump()
    )


def load_denoiser(folder: Path) -> Denoiser:
    """Load the network of a checkpoint, whichever it is."""
    kind = load_config(UNet2DConditionModel, ModelSource(name=str(folder))).get("_class_name")
    is_transformer = kind == DiffusionTransformer.__name__
    network: Denoiser = load_pretrained(DiffusionTransformer if is_transformer else UNet2DConditionModel, str(folder))
    return network


def text_width_of(network: Denoiser) -> int:
    """Return the width of the tokens that a network reads."""
    config = network.config
    if isinstance(network, DiffusionTransformer):
        return int(config.text_width)
    return int(config.encoder_hid_dim or config.cross_attention_dim)


def build_unet(config: UNetConfig, *, side: int, latent_channels: int, text_width: int) -> UNet2DConditionModel:
    """Return a new U-Net with random weights, from torch's global generator."""
    attends = config.attention or (True,) * len(config.block_out_channels)
    fields: dict[str, Any] = config.model_dump(exclude={"attention", "pooled_text", "cross_attention_dim"})
    if config.cross_attention_dim not in (None, text_width):
        fields |= {"encoder_hid_dim": text_width, "encoder_hid_dim_type": "text_proj"}
    if config.pooled_text:
        heads = max(1, text_width // POOLING_HEAD_WIDTH)
        fields |= {
            "addition_embed_type": "text",
            "addition_embed_type_num_heads": heads if text_width % heads == 0 else 1,
        }
    return UNet2DConditionModel(
        sample_size=side,
        in_channels=latent_channels,
        out_channels=latent_channels,
        cross_attention_dim=config.cross_attention_dim or text_width,
        down_block_types=tuple("CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends),
        up_block_types=tuple("CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)),
        mid_block_type="UNetMidBlock2DCrossAttn",
        **fields,
    )
