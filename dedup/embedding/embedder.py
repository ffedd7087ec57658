"""Pictures to unit vectors whose cosine says whether one is an edited copy of the other."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, Field

from byline.catalog.configs.places import ModelPlace
from byline.catalog.corpora.facts import instrument_name
from byline.catalog.errors import CheckpointError
from byline.dedup.embedding.encoders import Encoder, load_encoder, one_thread, pinned_weights

_VERSION = "1"
PLAIN_BELOW = 0.11
"""A picture with less contrast (`dedup.quality`) shows too little to be known again by our vectors."""


class EmbeddingConfig(BaseModel, frozen=True, extra="forbid"):
    """Which model embeds the pictures. How near is a copy is not said here: policies differ, facts do not."""

    model: ModelPlace = Field(min_length=1)
    """A folder of `dedup.embedding.train`, a folder of a transformers vision model, or a hub id of one."""
    revision: str = Field(default="", pattern=r"^(?:[0-9a-f]{40})?$")
    """The hub's commit, 40 hex digits: a branch name would move. A folder needs none; its files are digested."""


class Embedder:
    """Embeds pictures, one at a time on one thread: equal pixels have equal vectors, whatever batch they come in, and
    however many workers a build has.

    Processors differ in the last bits of float32, and so now and then by one step of float16.
    """

    def __init__(self, config: EmbeddingConfig) -> None:
        """Check that the model can be had. Raises `CheckpointError`; loads nothing yet."""
        self.config = config
        self.weights = pinned_weights(config.model, config.revision)

    @property
    def instrument(self) -> str:
        """A name that changes with the weights, the model's settings and how this file uses them."""
        name = "embedding" if not Path(self.config.model).is_dir() else Path(self.config.model).resolve().name
        return instrument_name(name, _VERSION, {"weights": self.weights})

    def embed(self, images: Sequence[Image.Image]) -> NDArray[np.float16]:
        """Return (N, D) unit vectors, float16. Refuses transparency: what shows depends on the background."""
        vectors = [_unit(self._encoded(_opaque(image)), self.config.model) for image in images]
        return np.stack(vectors).astype(np.float16) if vectors else np.zeros((0, self.dim), np.float16)

    @cached_property
    def dim(self) -> int:
        """Length of a vector; found by embedding a gray picture."""
        return len(self._encoded(Image.new("RGB", (64, 64), "gray")))

    def _encoded(self, image: Image.Image) -> NDArray[np.float32]:
        encoder = self._encoder  # which imports torch
        with one_thread():
            return encoder.encode(image)

    @cached_property
    def _encoder(self) -> Encoder:
        return load_encoder(self.config.model, self.config.revision)


def is_plain(contrast: float) -> bool:
    """Return whether vectors should not decide about a picture of this contrast: gradients, sky, paper are alike."""
    return contrast < PLAIN_BELOW


def _opaque(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        raise ValueError(f"picture of mode {image.mode} has transparency; flatten it on a background first")
    return image.convert("RGB")


def _unit(vector: NDArray[np.float32], model: str) -> NDArray[np.float64]:
    values = vector.astype(np.float64)
    norm = float(np.linalg.norm(values))
    if not np.isfinite(norm) or norm == 0:
        raise CheckpointError(f"{model} gave a vector of length {norm}; its weights are damaged, restore them")
    return np.asarray(values / norm)
