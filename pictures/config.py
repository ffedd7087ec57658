"""How pictures are stored: the table `[pixels]` of a corpus config."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

Interpolation = Literal["nearest", "linear", "bilinear", "cubic", "bicubic", "area", "lanczos", "lanczos4"]


GROUND = "white, or on black what white would hide"
"""What transparent pictures are laid on: papers say it, and what measures are of is named after it."""


class PixelConfig(BaseModel, frozen=True, extra="forbid"):
    """How pictures are stored; img2dataset's names. Fixed for the life of a corpus, since all facts follow from it."""

    image_size: int = Field(256, ge=16)
    """Pixels of the longest or the shortest side, by `resize_mode`."""
    resize_mode: Literal["no", "keep_ratio", "keep_ratio_largest", "center_crop", "border"] = "keep_ratio_largest"
    resize_only_if_bigger: bool = True
    upscale_interpolation: Interpolation = "lanczos"
    downscale_interpolation: Interpolation = "area"
    decoding: Literal["full", "reduced"] = "full"
    """`reduced`: libjpeg shrinks JPEGs that are to be shrunk a lot by 2, 4 or 8 while it decodes them: faster, other
    pixels."""
    encode_format: Literal["jpg"] = "jpg"
    """Packs and shards hold JPEG only."""
    encode_quality: int = Field(95, ge=1, le=100)
    skip_reencode: bool = False
    """Keep the compressed pixels of a JPEG that needs no change. Its metadata is left out all the same."""
    min_image_size: int = Field(1, ge=1)
    """Pixels of the shortest side. What the pictures lack here or below is refused (`not-resizable`)."""
    max_image_area: int | None = Field(None, ge=1)
    """Greatest area, in pixels. If left out, only `max_pixels` counts."""
    max_aspect_ratio: float | None = Field(None, ge=1)
    """Greatest ratio of the longest side to the shortest. If left out, any ratio is taken."""
    max_pixels: int = Field(100_000_000, ge=1, le=178_000_000)
    """A picture with more is not decoded, nor made by enlarging."""
    keep_originals: bool = False
    """Keep the bytes as fetched too, in a tar beside the pack's own."""

    @model_validator(mode="after")
    def _reduced_only_before_area(self) -> Self:
        if self.decoding == "reduced" and self.downscale_interpolation != "area":
            raise ValueError(
                f'decoding = "reduced" goes with downscale_interpolation = "area" alone, got '
                f'"{self.downscale_interpolation}": the other filters look at single pixels of the full picture, which '
                "are not there then; change one of the two"
            )
        return self
