"""Lines of words, drawn by Pillow's own font, to be laid over training pictures beside the drawings."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from byline.dedup.embedding.corpus import DRAWING_PX

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .:!"


def word_stamps(count: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return (N, 4, 96, 96): one to four lines of letters in one color, on clear ground or on a plain bar."""
    return np.stack([_stamp(random).transpose(2, 0, 1) for _ in range(count)])


def _stamp(random: np.random.Generator) -> NDArray[np.uint8]:
    lines = int(random.integers(1, 5))
    color = tuple(int(level) for level in random.choice([0, 255, 255, 128], 3))
    bar = tuple(int(level) for level in random.integers(0, 256, 3))
    clear = random.random() < 0.7
    image = Image.new("RGBA", (DRAWING_PX, DRAWING_PX), (*color, 0))
    draw = ImageDraw.Draw(image)
    size = int(random.integers(12, 30))
    top = (DRAWING_PX - lines * size) // 2
    if not clear:
        draw.rectangle((0, top - 2, DRAWING_PX, top + lines * size + 4), fill=(*bar, 255))
    for line in range(lines):
        text = "".join(random.choice(list(_LETTERS), int(random.integers(4, 18))))
        draw.text((2, top + line * size), text, fill=(*color, 255), font=ImageFont.load_default(size))
    return np.asarray(image)
