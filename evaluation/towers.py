"""Vision models of transformers as feature networks: DINOv2, the image tower of CLIP or SigLIP, ViT, ResNet, ...

From a folder, or from a hub at a commit. Safetensors only; no code that comes with a model is run.
"""

# Shapes: B pictures, C channels, H and W height and width, L patches, D features.

from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, AutoImageProcessor, AutoModel, CLIPModel, CLIPVisionModelWithProjection

from byline.catalog.configs.model_folders import safetensors_folder
from byline.catalog.errors import CheckpointError
from byline.diffusion.sources import ModelSource
from byline.diffusion.weights import load_pretrained
from byline.evaluation.tower import Tower

CLIP, CLIP_TOWER = "clip", "clip_vision_model"
"""A whole CLIP, and its image tower alone."""
_CLASSES: dict[str, Any] = {CLIP: CLIPModel, CLIP_TOWER: CLIPVisionModelWithProjection}
_POOLED_BY_ATTENTION = frozenset({"siglip", "siglip_vision_model", "siglip2"})


class TowerFeatures(nn.Module):
    """One vector a picture: what its authors compare, or else the first token, or the mean over the picture."""

    def __init__(self, model: Any, kind: str) -> None:
        super().__init__()
        self.model: Any = model
        self.kind = kind

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Return `(B, D)`."""
        if self.kind == CLIP:
            return Tensor(self.model.visual_projection(self.model.vision_model(pixel_values=pixels_BCHW).pooler_output))
        output: Any = self.model(pixel_values=pixels_BCHW)
        if self.kind == CLIP_TOWER:
            return Tensor(output.image_embeds)
        last = output.last_hidden_state
        if self.kind in _POOLED_BY_ATTENTION:
            return Tensor(output.pooler_output)
        return Tensor(last.mean((2, 3)) if last.ndim == 4 else last[:, 0])


def load_tower(name: str, revision: str) -> Tower:
    """Load a model. Raises `CheckpointError`, one line, when there is none, or when it takes no pictures."""
    safetensors_folder(name, revision, what="a vision model")
    source = ModelSource(name=name, revision=revision)
    try:
        kind = str(AutoConfig.from_pretrained(name, trust_remote_code=False, **source.options()).model_type)
        processor: Any = AutoImageProcessor.from_pretrained(name, trust_remote_code=False, **source.options())
        size = getattr(processor, "crop_size", None) or processor.size
        side_px = int(next(size[key] for key in ("height", "shortest_edge") if key in size))
        mean, std = (tuple(map(float, numbers)) for numbers in (processor.image_mean, processor.image_std))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise CheckpointError(f"{source} is no vision model: {_one_line(error)}") from error
    model: Any = load_pretrained(_CLASSES.get(kind, AutoModel), source)
    network = TowerFeatures(model if kind in _CLASSES else getattr(model, "vision_model", model), kind)
    return Tower(network=network, side_px=side_px, mean=mean, std=std, is_clip=kind in _CLASSES)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
