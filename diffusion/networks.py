"""The denoising network: diffusers' U-Net that reads text by cross-attention."""

# Shapes: B batch, C latent channels, H and W latent height and width, L tokens, D width of a token.

from typing import Any

from diffusers import UNet2DConditionModel
from pydantic import BaseModel, Field, PositiveInt, model_validator
from torch import Tensor, nn


class UNetConfig(BaseModel, frozen=True, extra="forbid"):
    """The size of a `UNet2DConditionModel`, in diffusers' words."""

    block_out_channels: tuple[int, ...] = Field(min_length=1)
    """Every entry after the first halves the side."""
    layers_per_block: int = Field(default=1, ge=1)
    attention: tuple[bool, ...] = ()
    """Which blocks attend to the text; all of them when left out. The middle block always does."""
    attention_head_dim: PositiveInt | tuple[PositiveInt, ...] = 8
    """The number of heads, whatever diffusers' name for it says: of all blocks, or one for each (5, 10, 20, 20)."""
    norm_num_groups: int = Field(default=32, ge=1)
    use_linear_projection: bool = False
    """Enter and leave attention by linear layers and not by convolutions, as Stable Diffusion 2 does."""
    pooled_text: bool = True
    """Add the mean of the token vectors to the timestep embedding: color and layout are learned sooner."""

    @model_validator(mode="after")
    def _one_answer_per_block(self) -> "UNetConfig":
        blocks = len(self.block_out_channels)
        for name in ("attention", "attention_head_dim"):
            value = getattr(self, name)
            if isinstance(value, tuple) and value and len(value) != blocks:
                raise ValueError(f"{name} has {len(value)} entries for {blocks} blocks; give one for each")
        return self


def build_unet(config: UNetConfig, *, side: int, latent_channels: int, text_width: int) -> UNet2DConditionModel:
    """Return a new U-Net with random weights, from torch's global generator."""
    attends = config.attention or (True,) * len(config.block_out_channels)
    fields: dict[str, Any] = config.model_dump(exclude={"attention", "pooled_text"})
    pooled: dict[str, Any] = {
        "class_embed_type": "simple_projection",
        "projection_class_embeddings_input_dim": text_width,
    }
    return UNet2DConditionModel(
        sample_size=side,
        in_channels=latent_channels,
        out_channels=latent_channels,
        cross_attention_dim=text_width,
        down_block_types=tuple("CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends),
        up_block_types=tuple("CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)),
        mid_block_type="UNetMidBlock2DCrossAttn",
        **fields,
        **(pooled if config.pooled_text else {}),
    )


def predict(unet: UNet2DConditionModel, x_BCHW: Tensor, t: Tensor, text_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """Return what the U-Net predicts, float32. `t` is one timestep or `(B,)`; `mask_BL` is true where a token is."""
    pooled_BD = None
    if unet.config.class_embed_type is not None:
        mean_BD = (text_BLD * mask_BL[..., None]).sum(1) / mask_BL.sum(1, keepdim=True)
        pooled_BD = nn.functional.rms_norm(mean_BD, mean_BD.shape[1:])
    predicted_BCHW: Tensor = unet(
        x_BCHW, t, encoder_hidden_states=text_BLD, encoder_attention_mask=mask_BL, class_labels=pooled_BD
    ).sample
    return predicted_BCHW.float()
