"""CLIP as a scorer: the cosine of a picture with a text, in the towers that were trained for just that."""

# Shapes: N pictures, T texts, C colors, H and W height and width in pixels.

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from byline.catalog.configs.model_folders import safetensors_folder
from byline.catalog.errors import CheckpointError
from byline.diffusion.sources import ModelSource
from byline.diffusion.weights import weights_digest
from byline.evaluation.agreement import Count, Pixels
from byline.evaluation.features import Features
from byline.evaluation.report import Floats
from byline.evaluation.towers import CLIP, TowerFeatures, load_tower

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class ClipScorer:
    """A CLIP of transformers."""

    name: str
    digest: str
    model: Any
    tokenizer: Any
    features: Features

    @property
    def what(self) -> str:
        """Say which CLIP it is."""
        return f"CLIP {self.name} ({self.digest[:12]})"

    @classmethod
    def load(cls, name: str, *, device: str) -> "ClipScorer":
        """Load a CLIP from a folder, or from a hub at a commit. Safetensors only, and none of its code is run."""
        model_name, _, revision = name.partition("@")
        safetensors_folder(model_name, revision, what="a scorer, or a CLIP")
        source = ModelSource(name=model_name, revision=revision)
        tower = load_tower(model_name, revision)
        if not isinstance(tower.network, TowerFeatures) or tower.network.kind != CLIP:
            raise CheckpointError(f"{source} is no CLIP; name a CLIP with both towers, or a scorer")
        try:
            tokenizer = AutoTokenizer.from_pretrained(model_name, trust_remote_code=False, **source.options())
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(f"{source} has no tokenizer: {' '.join(str(error).split())[:200]}") from error
        network = tower.network.eval().requires_grad_(False).to(device)
        digest = weights_digest(network)
        seen = Features(name=name, digest=digest, tower=tower, device=device)
        return cls(name=name, digest=digest, model=network.model, tokenizer=tokenizer, features=seen)

    def similarities(self, pixels_NCHW: Pixels, texts: Sequence[str], count: Count = lambda _: None) -> Floats:
        """Return cosines, `(N, T)`."""
        pictures = self.features.of(pixels_NCHW, count)
        batches = []
        for start in range(0, len(texts), BATCH):
            tokens = self.tokenizer(
                list(texts[start : start + BATCH]), padding=True, truncation=True, return_tensors="pt"
            )
            with torch.inference_mode():
                pooled = self.model.text_model(**tokens).pooler_output
                batches.append(self.model.text_projection(pooled).cpu().double().numpy())
        words = np.concatenate(batches)
        similarities: Floats = _unit(pictures) @ _unit(words).T
        return similarities


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
