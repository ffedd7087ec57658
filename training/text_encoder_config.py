"""What a run is asked to do that trains a text encoder."""

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from byline.diffusion.configs import TextTowerConfig, VisionTowerConfig
from byline.training.run_config import RunConfig


class TextEncoderRun(RunConfig, frozen=True, extra="forbid"):
    """Train a text encoder beside an image encoder, on nothing but the release's captions and pictures."""

    kind: Literal["text_encoder"]
    text: TextTowerConfig
    vision: VisionTowerConfig
    projection_dim: PositiveInt
    """Numbers of the vectors in which a text and a picture are compared."""
    flip_prob: float = Field(default=0.0, ge=0, le=1)
    """How often a picture is mirrored. Captions stay as they are, and some say left, right, or what is written."""

    @model_validator(mode="after")
    def _patches(self) -> "TextEncoderRun":
        if self.resolution_px % self.vision.patch_size:
            raise ValueError(
                f"resolution_px = {self.resolution_px} must be a multiple of vision.patch_size = "
                f"{self.vision.patch_size}"
            )
        if any(phase.resolution_px is not None for phase in self.phases):
            raise ValueError("phases[].resolution_px: the image encoder has places for one size; remove it")
        return self

    @model_validator(mode="after")
    def _from_nothing(self) -> "TextEncoderRun":
        if self.init_from is not None:
            raise ValueError(
                "init_from: the tokens of a text encoder are made of its own release's captions, and weights of other "
                "tokens mean nothing here; remove it"
            )
        return self

    @model_validator(mode="after")
    def _other_captions(self) -> "TextEncoderRun":
        if self.batch_size < 2:
            raise ValueError("batch_size = 1 leaves no other caption to tell a picture's from; take at least 2")
        return self

    @property
    def compares_images(self) -> bool:
        """Every caption of a batch is told apart from all others."""
        return True
