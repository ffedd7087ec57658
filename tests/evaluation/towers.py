"""Vision models with random weights, as folders of transformers."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Dinov2Config,
    Dinov2Model,
)

SIDE_PX = 28
_SIZES: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def saved(folder: Path, model: Any) -> str:
    """Save a model with how its pictures are prepared; return the folder."""
    model.save_pretrained(folder)
    size = {"height": SIDE_PX, "width": SIDE_PX}
    CLIPImageProcessorPil(size={"shortest_edge": SIDE_PX}, crop_size=size).save_pretrained(folder)
    return str(folder)


def a_dinov2() -> Dinov2Model:
    """Return a DINOv2 of 16 features."""
    torch.manual_seed(0)
    return Dinov2Model(Dinov2Config(**_SIZES, image_size=SIDE_PX, patch_size=14))


def a_clip() -> CLIPVisionModelWithProjection:
    """Return the image tower of a CLIP, of 12 features."""
    torch.manual_seed(0)
    sizes = {**_SIZES, "intermediate_size": 32, "projection_dim": 12}
    return CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, image_size=SIDE_PX, patch_size=14))
