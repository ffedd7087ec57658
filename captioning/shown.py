"""A picture as captioners see it: decoded, upright, on white."""

from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from byline.captioning.captioners import CaptionRequest
from byline.catalog.errors import CorpusError


def shown(request: CaptionRequest, *, min_px: int | None = None) -> Image.Image:
    """Decode a picture as it is meant to be seen: turned upright, on white.

    A JPEG whose sides all stay `min_px` or longer is decoded at a half, a quarter or an eighth of its size, by libjpeg.
    Raises `CorpusError` for bytes that are no picture: a corpus holds none.
    """
    assert request.image is not None, f"the captioner needs the pixels of {request.sha256}"
    try:
        opened = Image.open(BytesIO(request.image))
        if min_px is not None:
            opened.draft(None, (min_px, min_px))
        image: Image.Image = ImageOps.exif_transpose(opened)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise CorpusError(f"image {request.sha256} cannot be decoded ({error}); verify the corpus") from error
