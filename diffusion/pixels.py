"""Turn the bytes of a picture into the square of pixels that a network sees."""

# Shapes: B batch, C color channels, H and W height and width in pixels.

from io import BytesIO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

RULE = "white background, shortest side to size (lanczos), center crop"
"""How `square` does it, in words. Part of the name of every instrument that measures its output."""


def square(image_bytes: bytes, side_px: int) -> npt.NDArray[np.uint8]:
    """Return the picture as `(3, side_px, side_px)` RGB in `[0, 255]`, by `RULE`. Only the bytes decide."""
    with Image.open(BytesIO(image_bytes)) as opened:
        image = _on_white(opened)
    scale = side_px / min(image.size)
    width, height = (max(side_px, round(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    left, top = (width - side_px) // 2, (height - side_px) // 2
    image = image.crop((left, top, left + side_px, top + side_px))
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image.copy()
    rgba = image.convert("RGBA")
    canvas = Image.new("RGBA", rgba.size, "white")
    canvas.alpha_composite(rgba)
    return canvas.convert("RGB")


def to_network(pixels_BCHW: Tensor) -> Tensor:
    """Map bytes in `[0, 255]` to floats in `[-1, 1]`."""
    return pixels_BCHW.float() / 127.5 - 1


def to_bytes(pixels_BCHW: Tensor) -> Tensor:
    """Map floats, clipped to `[-1, 1]`, to bytes in `[0, 255]`."""
    return ((pixels_BCHW.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
