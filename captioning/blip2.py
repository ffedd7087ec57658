"""Caption an image with BLIP-2 (Li et al. 2023), as CommonCanvas does. Loads safetensors only, runs no remote code."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, Self

from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import BaseModel, Field, model_validator

from byline.captioning.blip2_checkpoint import load_blip2, pinned_revision
from byline.captioning.captioners import Caption, CaptionRequest
from byline.captioning.hygiene import clean_caption
from byline.catalog.configs.places import ModelPlace
from byline.catalog.corpora.facts import instrument_name
from byline.catalog.digests import canonical_json
from byline.catalog.errors import CorpusError

_VERSION = "1"


class SamplingConfig(BaseModel, frozen=True, extra="forbid"):
    """Nucleus sampling. Each image draws from its own seed, so it is captioned alone: slower than beams."""

    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=0.9, gt=0, le=1)
    seed: int = Field(default=0, ge=0)


class Blip2Config(BaseModel, frozen=True, extra="forbid"):
    """A BLIP-2 checkpoint and how to decode it. Deterministic beams unless there is a `sampling` table."""

    captioner: Literal["blip2"]
    model: ModelPlace = Field(min_length=1)
    """A local folder in the transformers layout, or a hub id such as `Salesforce/blip2-opt-2.7b`."""
    revision: str = Field(default="", pattern=r"^(?:[0-9a-f]{40})?$")
    """The hub's commit, 40 hex digits: a branch name would move. A local folder needs none; its weights are digested.
    """
    prompt: str = ""
    """Text that the caption continues, such as `a photo of`; it is not part of the caption."""
    num_beams: int = Field(default=5, ge=1, le=64)
    max_new_tokens: int = Field(default=30, ge=1, le=512)
    sampling: SamplingConfig | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    max_characters: int = Field(default=300, ge=8)

    @model_validator(mode="after")
    def _beams_or_sampling(self) -> Self:
        if self.sampling is not None and self.num_beams != 1:
            raise ValueError("[sampling] needs num_beams = 1")
        return self


class Blip2Captioner:
    """Writes BLIP-2's caption of the pixels; title and tags are not read.

    In float32 a caption does not depend on its batch beyond float rounding; in half precision a near tie between two
    words can fall either way on another device or batch size.
    """

    needs_pixels = True

    def __init__(self, config: Blip2Config, *, device: str = "auto", batch_size: int = 8) -> None:
        """Check that the checkpoint can be had. Raises `CheckpointError`; loads nothing yet."""
        self.config = config
        self.batch_size = batch_size
        self._device = device
        self.revision = pinned_revision(config.model, config.revision)

    @property
    def instrument(self) -> str:
        settings = self.config.model_dump(mode="json", exclude={"model", "revision"})
        return instrument_name("blip2", _VERSION, {**settings, "weights": self.revision})

    def caption(self, batch: Sequence[CaptionRequest]) -> list[str]:
        size = 1 if self.config.sampling else self.batch_size
        texts = []
        for start in range(0, len(batch), size):
            texts += self._generate(batch[start : start + size])
        return [clean_caption(text, self.config.max_characters) for text in texts]

    def attributed(self, text: str) -> Caption:
        config = self.config
        local = Path(config.model).is_dir()
        return Caption(
            text=text,
            model=Path(config.model).resolve().name if local else config.model,
            revision=self.revision,
            prompt=config.prompt,
            decoding=canonical_json(_decoding(config)).decode(),
            seed=config.sampling.seed if config.sampling else 0,
        )

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        config = self.config
        return load_blip2(config.model, config.revision, dtype=config.dtype, device=self._device)

    def _generate(self, batch: Sequence[CaptionRequest]) -> list[str]:
        import torch

        processor, model = self._loaded
        sampling = self.config.sampling
        pictures = [_decoded(request) for request in batch]
        prompts = [self.config.prompt] * len(batch) if self.config.prompt else None
        inputs = processor(images=pictures, text=prompts, return_tensors="pt")
        inputs = inputs.to(model.device, model.dtype)
        num_given = inputs["input_ids"].shape[1] if prompts else model.config.num_query_tokens + 1
        with torch.inference_mode(), torch.random.fork_rng(enabled=sampling is not None):
            if sampling is not None:
                torch.manual_seed(_seed(sampling.seed, batch[0].sha256))
            tokens = model.generate(**inputs, **_decoding(self.config))
        # A decoder-only language model first repeats the picture's tokens and the prompt.
        repeats = not model.language_model.config.is_encoder_decoder
        written = tokens[:, num_given:] if repeats else tokens
        return list(processor.batch_decode(written, skip_special_tokens=True))


def _decoded(request: CaptionRequest) -> Image.Image:
    """Decode a picture as it is meant to be seen: turned upright, on white."""
    assert request.image is not None, f"BLIP-2 needs the pixels of {request.sha256}"
    try:
        image = ImageOps.exif_transpose(Image.open(BytesIO(request.image)))
    except (UnidentifiedImageError, OSError) as error:
        raise CorpusError(f"image {request.sha256} cannot be decoded ({error}); verify the corpus") from error
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _seed(seed: int, sha256: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{sha256}".encode()).digest()[:8], "big") >> 1


def _decoding(config: Blip2Config) -> dict[str, Any]:
    """Return the arguments of `generate`."""
    lengths = {"max_new_tokens": config.max_new_tokens, "num_beams": config.num_beams}
    if config.sampling is None:
        return {**lengths, "do_sample": False}
    nucleus = {"temperature": config.sampling.temperature, "top_p": config.sampling.top_p, "top_k": 0}
    return {**lengths, "do_sample": True, **nucleus}
