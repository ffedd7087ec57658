"""From bytes that anybody may have sent to an upright 8-bit RGB picture, or to the outcome that says why not."""

import os
import warnings
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from catalog.packs import Outcome

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # img2dataset imports it; it must not call home

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Decided by content, never by header or file name. Others (SVG, PDF, archives) are not images here."""
WHITE = (255, 255, 255)


class UnusableError(Exception):
    """The bytes give no picture; `outcome` says why."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """A picture as a pack keeps it."""

    data: bytes
    """JPEG."""
    width: int
    height: int
    original_width: int
    original_height: int
    media_type: str
    """Of the bytes as fetched, by their content."""


def decode(data: bytes, *, max_pixels: int) -> tuple[Image.Image, str]:
    """Return the picture in upright RGB and the media type found. Raises `UnusableError`.

    EXIF orientation is applied, transparency laid on white, 16 bits scaled to 8, CMYK and palettes converted, and of an
    animation the first frame taken. The size is checked before any pixel is decoded.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    size = f"{width}x{height} px; the limit is {max_pixels:,} pixels"
                    raise UnusableError(Outcome.TOO_MANY_PIXELS, size)
                media_type = Image.MIME[str(image.format)]
                return _to_rgb(ImageOps.exif_transpose(image)), media_type
        except UnidentifiedImageError as error:
            raise UnusableError(Outcome.NOT_AN_IMAGE, "the content is no image format we read") from error
        except Image.DecompressionBombError as error:
            raise UnusableError(Outcome.TOO_MANY_PIXELS, str(error)) from error
        except (UnusableError, MemoryError):
            raise
        except Exception as error:  # hostile bytes make decoders raise anything at all
            raise UnusableError(Outcome.DAMAGED, f"decoding failed: {error}") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGB", image.size, WHITE)
        paper.paste(image, mask=image.getchannel("A"))
        return paper
    return image.convert("RGB")


@cache
def _resizer(image_size: int, resize_mode: str, only_if_bigger: bool, encode_quality: int):  # type: ignore[no-untyped-def]
    from img2dataset.resizer import Resizer

    return Resizer(image_size, resize_mode, only_if_bigger, encode_quality=encode_quality)


def store_image(
    data: bytes,
    *,
    max_pixels: int,
    image_size: int,
    resize_mode: str,
    resize_only_if_bigger: bool,
    encode_quality: int,
) -> StoredImage:
    """Decode fetched bytes and resize them with img2dataset's Resizer, to JPEG. Raises `UnusableError`."""
    image, media_type = decode(data, max_pixels=max_pixels)
    bitmap = BytesIO()
    image.save(bitmap, "BMP")
    resize = _resizer(image_size, resize_mode, resize_only_if_bigger, encode_quality)
    stored, width, height, original_width, original_height, error = resize(bitmap)
    if error is not None:
        raise UnusableError(Outcome.NOT_RESIZABLE, f"{image.width}x{image.height} px: {error}")
    return StoredImage(
        data=stored,
        width=width,
        height=height,
        original_width=original_width,
        original_height=original_height,
        media_type=media_type,
    )
