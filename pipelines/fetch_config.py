"""How pictures are asked for and stored: the tables `[fetch]` and `[pixels]` of a corpus config. Loads no Beam."""

from typing import Literal

from pydantic import BaseModel, Field


class PixelConfig(BaseModel, frozen=True, extra="forbid"):
    """How pictures are stored; img2dataset's names. Fixed for the life of a corpus, since all facts follow from it."""

    image_size: int = Field(256, ge=16)
    """Pixels of the longest or the shortest side, by `resize_mode`."""
    resize_mode: Literal["no", "keep_ratio", "keep_ratio_largest", "center_crop", "border"] = "keep_ratio_largest"
    resize_only_if_bigger: bool = True
    encode_quality: int = Field(95, ge=1, le=100)
    max_pixels: int = Field(100_000_000, ge=1)
    """A picture with more is not decoded."""


class FetchConfig(BaseModel, frozen=True, extra="forbid"):
    """How pictures are asked for. None of these can change the bytes of a picture that arrives."""

    timeout_s: float = Field(20.0, gt=0)
    """For one request, from the first byte sent to the last byte read."""
    max_bytes: int = Field(30_000_000, ge=1)
    mirrors: dict[str, str] = {}
    """URL prefix -> the prefix that is asked in its place."""
