"""The denoising network: diffusers' U-Net that reads text by cross-attention."""

# Shapes: B batch, C latent channels, H and W latent height and width, L tokens, D width of a token.

from typing import Any

from diffusers import UNet2DConditionModel
from pydantic import BaseModel, Field, PositiveInt, model_validator
from torch import Tensor

POOLING_HEAD_WIDTH = 64


class UNetConfig(BaseModel, frozen=True, extra="forbid"):
    """The size of a `UNet2DConditionModel`, in diffusers' words."""

    block_out_channels: tuple[PositiveInt, ...] = Field(min_length=1)
    """Every entry after the first halves the side."""
    layers_per_block: int = Field(default=1, ge=1)
    attention: tuple[bool, ...] = ()
    """Which blocks attend to the text; all of them when left out. The middle block always does."""
    attention_head_dim: PositiveInt | tuple[PositiveInt, ...] = 8
    """The number of heads, whatever diffusers' name for it says: of all blocks, or one for each (5, 10, 20, 20)."""
    norm_num_groups: int = Field(default=32, ge=1)
    use_linear_projection: bool = False
    """Enter and leave attention by linear layers and not by convolutions, as Stable Diffusion 2 does."""
    cross_attention_dim: PositiveInt | None = None
    """The width of text in cross-attention. Left out, it is the text encoder's; otherwise a layer maps to it."""
    pooled_text: bool = True
    """Add the text, pooled by attention, to the timestep embedding: color and layout are learned sooner."""

    @model_validator(mode="after")
    def _fits(self) -> "UNetConfig":
        blocks = len(self.block_out_channels)
        for name in ("attention", "attention_head_dim"):
            value = getattr(self, name)
            if isinstance(value, tuple) and value and len(value) != blocks:
                raise ValueError(f"{name} has {len(value)} entries for {blocks} blocks; give one for each")
        heads = self.attention_head_dim
        if heads == ():
            raise ValueError("attention_head_dim has no entry; give a number, or one for each block")
        per_block = heads if isinstance(heads, tuple) else (heads,) * blocks
        for channels, num_heads in zip(self.block_out_channels, per_block, strict=True):
            for name, divisor in {"norm_num_groups": self.norm_num_groups, "attention_head_dim": num_heads}.items():
                if channels % divisor:
                    raise ValueError(f"block_out_channels has {channels}, which {name} = {divisor} does not divide")
        return self


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


def predict(
    unet: UNet2DConditionModel, x_BCHW: Tensor, t: Tensor, text_BLD: Tensor, mask_BL: Tensor | None = None
) -> Tensor:
    """Return what the U-Net predicts, float32. `t` is one timestep or `(B,)`. Every token counts, as in pipelines."""
    predicted_BCHW: Tensor = unet(x_BCHW, t, encoder_hidden_states=text_BLD).sample
    return predicted_BCHW.float()
