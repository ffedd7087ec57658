"""What people do to pictures that they copy, by Pillow: the ground truth of recall. Shares no code with training."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

WORDS = "WHEN YOU SEE IT, YOU CANNOT UNSEE IT"


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One picture to edit, chance that depends on it alone, and what may be laid over or beside it."""

    image: Image.Image
    random: np.random.Generator
    emoji: Image.Image
    other: Image.Image


def _crop(draw: Draw, kept_width: float, kept_height: float) -> Image.Image:
    width, height = draw.image.size
    w, h = max(1, round(width * kept_width)), max(1, round(height * kept_height))
    left, top = int(draw.random.integers(0, width - w + 1)), int(draw.random.integers(0, height - h + 1))
    return draw.image.crop((left, top, left + w, top + h))


def _crop_area(draw: Draw, kept: float) -> Image.Image:
    return _crop(draw, kept**0.5, kept**0.5)


def _crop_one_side(draw: Draw, kept: float) -> Image.Image:
    wide = draw.random.random() < 0.5
    return _crop(draw, kept if wide else 1, 1 if wide else kept)


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    sink = BytesIO()
    image.save(sink, "JPEG", quality=quality)
    return Image.open(sink).convert("RGB")


def _words(draw: Draw) -> Image.Image:
    """A line of white words with a black edge along the top and the bottom, as in memes."""
    image = draw.image.copy()
    size = max(9, image.width // 18)
    pen = ImageDraw.Draw(image)
    for top in (0.02, 0.86):
        pen.text(
            (image.width // 2, image.height * top),
            WORDS,
            anchor="ma",
            fill="white",
            stroke_width=max(1, size // 10),
            stroke_fill="black",
            font=ImageFont.load_default(size),
        )
    return image


def _emoji(draw: Draw, share: float, *, corner: bool) -> Image.Image:
    """Paste a drawing with a side of this share of the shorter side: anywhere, or as a logo in a corner."""
    image = draw.image.copy()
    side = max(8, round(min(image.size) * share))
    stamp = draw.emoji.convert("RGBA").resize((side, side))
    width, height = image.width - side, image.height - side
    position = (
        (width - 4, height - 4) if corner else tuple(int(draw.random.integers(0, n + 1)) for n in (width, height))
    )
    image.paste(stamp, (position[0], position[1]), stamp)
    return image


def _border(draw: Draw, share: float) -> Image.Image:
    image, margin = draw.image, round(max(draw.image.size) * share)
    color = tuple(int(level) for level in draw.random.integers(0, 256, 3))
    framed = Image.new("RGB", (image.width + 2 * margin, image.height + 2 * margin), color)
    framed.paste(image, (margin, margin))
    return framed


def _collage(draw: Draw, share: float) -> Image.Image:
    """Put another picture beside it, which takes this share of the width, with a white line between them."""
    image = draw.image
    width = round(image.width * share / (1 - share))
    canvas = Image.new("RGB", (image.width + width + 4, image.height), "white")
    canvas.paste(draw.other.resize((width, image.height)), (image.width + 4, 0))
    canvas.paste(image, (0, 0))
    return canvas


def _recolored(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(factor)).enhance(factor)


def _resized(image: Image.Image, scale: float) -> Image.Image:
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))


EDITS: dict[str, Callable[[Draw], Image.Image]] = {
    "JPEG q30": lambda draw: _jpeg(draw.image, 30),
    "half the size": lambda draw: _resized(draw.image, 0.5),
    "brightness and contrast +20 %": lambda draw: _recolored(draw.image, 1.2),
    "gray": lambda draw: draw.image.convert("L").convert("RGB"),
    "blur, radius 1 % of the width": lambda draw: draw.image.filter(ImageFilter.GaussianBlur(draw.image.width / 100)),
    "mirrored": lambda draw: draw.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by 5 degrees": lambda draw: draw.image.rotate(5, Image.Resampling.BICUBIC),
    "crop: 20 % of the area cut away": lambda draw: _crop_area(draw, 0.8),
    "crop: 20 % of one side cut away": lambda draw: _crop_one_side(draw, 0.8),
    "crop: 20 % of each side cut away": lambda draw: _crop(draw, 0.8, 0.8),
    "crop: half of the area cut away": lambda draw: _crop_area(draw, 0.5),
    "words along top and bottom": _words,
    "emoji over 9 % of a square": lambda draw: _emoji(draw, 0.3, corner=False),
    "logo in a corner, 20 % of the side": lambda draw: _emoji(draw, 0.2, corner=True),
    "border of 10 %, one color": lambda draw: _border(draw, 0.1),
    "collage: 30 % is another picture": lambda draw: _collage(draw, 0.3),
    "collage: half is another picture": lambda draw: _collage(draw, 0.5),
    "crop of 20 % of the area, words, JPEG q50": lambda draw: _jpeg(
        _words(Draw(image=_crop_area(draw, 0.8), random=draw.random, emoji=draw.emoji, other=draw.other)), 50
    ),
}
"""By name, in the order of the table."""
