"""The denoising network: diffusers' U-Net that reads text by cross-attention."""

# Shapes: B batch, C latent channels, H and W latent height and width, L tokens, D width of a token.

from typing import Any

from diffusers import UNet2DConditionModel
from torch import Tensor

from byline.diffusion.configs import UNetConfig

POOLING_HEAD_WIDTH = 64


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


def predict(unet: UNet2DConditionModel, x_BCHW: Tensor, t: Tensor, text_BLD: Tensor) -> Tensor:
    """Return what the U-Net predicts, float32. `t` is one timestep or `(B,)`. Every token counts, as in pipelines."""
    predicted_BCHW: Tensor = unet(x_BCHW, t, encoder_hidden_states=text_BLD).sample
    return predicted_BCHW.float()
