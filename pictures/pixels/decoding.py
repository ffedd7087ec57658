"""From a surveyed file to upright samples, or to the outcome that says why not."""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
import simplejpeg
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from byline.catalog.corpora.packs import Outcome
from byline.pictures.pixels.colors import Pixels, on_ground, to_8_bits
from byline.pictures.pixels.formats import READERS, readable
from byline.pictures.pixels.kinds import Kind, kind_of
from byline.pictures.pixels.polyglots import refuse_polyglot
from byline.pictures.pixels.surveys import Survey, UnusableError, damaged
from byline.pictures.pixels.walks import CUT_OFF

PLUGINS: dict[Kind, Callable[[BytesIO], Image.Image]] = {
    Kind.JPEG: JpegImageFile,
    Kind.PNG: PngImageFile,
    Kind.WEBP: WebPImageFile,
    Kind.GIF: GifImageFile,
    Kind.BMP: BmpImageFile,
    Kind.TIFF: TiffImageFile,
}
"""Pillow's decoders by name, so that hostile bytes reach no other one."""
HARMLESS = re.compile(r"SOS parameters|JFIF revision|Adobe color transform")
"""Warnings of libjpeg about JPEGs that are whole."""
RUBBISH_BEFORE_END = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.flip(cv2.transpose(pixels), -1),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
"""EXIF orientation -> what makes a picture upright."""


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """Bytes that are one whole picture of a size that may be decoded."""

    data: bytes
    kind: Kind
    survey: Survey


def survey(data: bytes, *, max_pixels: int) -> Surveyed:
    """Read the structure of fetched bytes, and decode nothing. Raises `UnusableError`.

    The size is checked before any pixel is decoded; what is cut off, or is something else too, is refused.
    """
    kind = kind_of(data)
    with readable(kind):
        structure = READERS[kind].survey(data)
    if structure.width * structure.height > max_pixels:
        size = f"{structure.width}x{structure.height} px; the limit is {max_pixels:,} pixels"
        raise UnusableError(Outcome.TOO_MANY_PIXELS, size)
    refuse_polyglot(data, kind, structure)
    return Surveyed(data=data, kind=kind, survey=structure)


def decode(surveyed: Surveyed) -> Pixels:
    """Return the upright samples, in the color space of the file. Raises `UnusableError`.

    Transparency is laid on white, more than 8 bits are scaled, palettes looked up, and of an animation the first frame
    is taken. No picture of which a part is missing is returned.
    """
    return turn(decode_as_stored(surveyed), surveyed.survey.orientation)


def decode_as_stored(surveyed: Surveyed, *, reduction: int = 1) -> Pixels:
    """Return what `decode` does before it is turned; of a JPEG, shrunk by a `reduction` of 2, 4 or 8.

    Its sides are then those of the file, divided by that and rounded up.
    """
    structure = surveyed.survey
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = _samples(surveyed, reduction)
    except UnusableError:
        raise
    except Exception as error:  # hostile bytes make decoders raise anything at all, MemoryError too
        raise damaged(f"decoding failed: {error or type(error).__name__}") from error
    if pixels.shape[:2] != (-(-structure.height // reduction), -(-structure.width // reduction)):
        raise damaged(f"the {surveyed.kind.name} says two sizes")
    return pixels


def turn(pixels: Pixels, orientation: int) -> Pixels:
    """Make upright what EXIF says lies otherwise."""
    return TURNS[orientation](pixels) if orientation in TURNS else pixels


def _samples(surveyed: Surveyed, reduction: int) -> Pixels:
    if surveyed.kind == Kind.JPEG and (space := _jpeg_space(surveyed)):
        pixels = _decode_jpeg(surveyed, space, reduction)
        if space == "CMYK":  # Adobe stores paper, not ink, and so does everybody after it
            return 255 - pixels
        return pixels[..., 0] if space == "GRAY" else pixels
    with PLUGINS[surveyed.kind](BytesIO(surveyed.survey.picture)) as image:
        if image.size != (surveyed.survey.width, surveyed.survey.height):
            raise damaged(f"the {surveyed.kind.name} says two sizes")
        if reduction > 1:
            image.draft(None, (image.width // reduction, image.height // reduction))
        image.load()
        return _to_8_bits(image)


def _jpeg_space(surveyed: Surveyed) -> str | None:
    """Return what to decode a JPEG to; none for samplings that TurboJPEG has no name for."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(surveyed.survey.picture)
    except (ValueError, KeyError) as error:  # simplejpeg's own table of names lacks 4:4:1
        if surveyed.survey.note:  # what decodes it instead would not tell whether it is whole
            raise damaged(CUT_OFF.format("JPEG")) from error
        return None
    if (width, height) != (surveyed.survey.width, surveyed.survey.height):  # a reduced size might not tell
        raise damaged("the JPEG says two sizes")
    return {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}.get(space, "RGB")


def _decode_jpeg(surveyed: Surveyed, space: str, reduction: int) -> Pixels:
    """Decode with libjpeg's warnings as errors: it fills with grey what is missing, and only warns.

    Without an end marker no warning at all is harmless: then every pixel was there.
    """
    data, end = surveyed.survey.picture, surveyed.survey.end
    # TurboJPEG shrinks to the least n/8 that is not below this size. Of the 32 px and more that are ever reduced, no
    # other n gives the same size.
    least = (-(-side // reduction) for side in (surveyed.survey.height, surveyed.survey.width))
    size = dict(zip(("min_height", "min_width"), least, strict=True)) if reduction > 1 else {}
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, space, strict=True, **size))
    except ValueError as error:
        if surveyed.survey.note:
            raise damaged(CUT_OFF.format("JPEG")) from error
        rubbish = RUBBISH_BEFORE_END.search(str(error))
        is_padded = rubbish and not data[end - 2 - int(rubbish[1]) : end - 2].strip(b"\0\xff")
        if not is_padded and not HARMLESS.search(str(error)):
            raise
        return np.asarray(simplejpeg.decode_jpeg(data, space, strict=False, **size))


def _to_8_bits(image: Image.Image) -> Pixels:
    """Return a loaded picture as grey, RGB or CMYK of 8 bits."""
    clear = image.info.get("transparency")
    if image.mode.startswith("I") or image.mode == "F":
        samples = np.asarray(image)
        grey = to_8_bits(samples.astype(np.uint16) if image.mode.startswith("I;16") else samples)
        if isinstance(clear, int):
            grey[samples == clear] = 255
        return grey
    if image.mode in ("LA", "La", "PA", "RGBa", "RGBA") or clear is not None:
        return on_ground(np.asarray(image if image.mode == "RGBA" else image.convert("RGBA")))
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    return np.asarray(image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB"))
