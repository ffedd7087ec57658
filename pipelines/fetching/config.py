"""How pictures are asked for and stored: the tables `[fetch]` and `[pixels]` of a corpus config. Loads no Beam."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

Interpolation = Literal["nearest", "linear", "bilinear", "cubic", "bicubic", "area", "lanczos", "lanczos4"]


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
    """Pixels. Left out, only `max_pixels` counts."""
    max_aspect_ratio: float | None = Field(None, ge=1)
    """Of the longest side to the shortest. Left out, any."""
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


class FetchConfig(BaseModel, frozen=True, extra="forbid"):
    """How pictures are asked for. None of these can change the bytes of a picture that arrives."""

    contact: str | None = Field(None, min_length=3, pattern=r"^[ -~]+$")
    """A mail address or a page, in the user agent. Needed as soon as a host of others is asked."""
    timeout_s: float = Field(20.0, gt=0)
    """For one request, from the first byte sent to the last byte read."""
    first_byte_s: float = Field(10.0, gt=0)
    """For one request, until the head of the answer is there."""
    max_bytes: int = Field(30_000_000, ge=1)
    per_host: int = Field(8, ge=1, le=1000)
    """Requests under way at once to one host, of all processes of this machine."""
    rate_per_s: float | None = Field(None, gt=0)
    """Requests to one host in a second, of all processes of this machine. Left out, `per_host` alone limits."""
    retries: int = Field(2, ge=0)
    """After 429, 5xx, and a connection that is dropped before an answer."""
    max_wait_s: float = Field(60.0, ge=0)
    """A host that asks for a longer rest is left to a later build."""
    allow: tuple[str, ...] = ()
    """Networks (`10.1.0.0/16`) and `name:port` that may be asked though they are not public."""
    mirrors: dict[str, str] = {}
    """URL prefix -> the prefix that is asked in its place: copies of our own, so without robots.txt and at any
    address."""
