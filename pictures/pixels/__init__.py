"""From bytes that anybody may have sent to an upright sRGB JPEG, or to the outcome that says why not."""

from dataclasses import dataclass
from typing import Any

import cv2

from byline.catalog.corpora.packs import Outcome
from byline.pictures.config import PixelConfig
from byline.pictures.pixels.colors import Pixels, to_srgb
from byline.pictures.pixels.decoding import Surveyed, decode, decode_as_stored, survey, turn
from byline.pictures.pixels.jpegs import bare_jpeg
from byline.pictures.pixels.kinds import Kind
from byline.pictures.pixels.resizing import crop, is_resized, pad, reduction, refuse_size, resize, resize_reduced
from byline.pictures.pixels.surveys import UnusableError

__all__ = ["StoredImage", "UnusableError", "store_image"]


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """A picture as a pack keeps it."""

    data: bytes
    """JPEG in sRGB, upright, without metadata."""
    width: int
    height: int
    original_width: int
    """Width of the picture as fetched, upright, in pixels."""
    original_height: int
    media_type: str
    """Media type of the bytes as fetched, by their content."""
    note: str | None = None
    """What is odd about the file and did no harm: a useless color profile, a missing end marker."""


def store_image(data: bytes, **pixels: Any) -> StoredImage:
    """Decode fetched bytes, turn, resize and encode them. Raises `UnusableError`.

    `pixels` are the fields of `PixelConfig`. The pixels of an 8-bit sRGB JPEG that lies upright are those that
    img2dataset's Resizer gives, to the bit, if `decoding` is `full`.
    """
    config = PixelConfig(**pixels)
    surveyed = survey(data, max_pixels=config.max_pixels)
    width, height = surveyed.survey.upright_size
    refuse_size(width, height, config)
    small = _small(surveyed, config)
    in_srgb, note = to_srgb(small, surveyed.survey.profile)
    padded = pad(in_srgb, width, height, config)
    is_kept = config.skip_reencode and in_srgb is small and _may_keep(surveyed, config)
    return StoredImage(
        data=bare_jpeg(data) if is_kept else _encode(padded, config.encode_quality),
        width=padded.shape[1],
        height=padded.shape[0],
        original_width=width,
        original_height=height,
        media_type=surveyed.kind.value,
        note="; ".join(filter(None, (surveyed.survey.note, note))) or None,
    )


def _small(surveyed: Surveyed, config: PixelConfig) -> Pixels:
    """Decode, turn and resize. What is reduced is resized first: turned, a part of a pixel might be its first one."""
    structure = surveyed.survey
    by = reduction(structure.width, structure.height, config) if surveyed.kind == Kind.JPEG else 1
    if by == 1:
        return resize(decode(surveyed), config)
    reduced = decode_as_stored(surveyed, reduction=by)
    return crop(
        turn(resize_reduced(reduced, structure.width, structure.height, by, config), structure.orientation), config
    )


def _may_keep(surveyed: Surveyed, config: PixelConfig) -> bool:
    """Tell whether the compressed pixels of a JPEG can stay as they are."""
    structure = surveyed.survey
    return (
        structure.is_plain and structure.orientation == 1 and not is_resized(structure.width, structure.height, config)
    )


def _encode(pixels_HW3: Pixels, quality: int) -> bytes:
    try:
        done, encoded = cv2.imencode(
            ".jpg", cv2.cvtColor(pixels_HW3, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
    except cv2.error as error:
        raise UnusableError(Outcome.NOT_RESIZABLE, str(error)) from error
    assert done
    return bytes(encoded.tobytes())
