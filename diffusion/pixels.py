"""Turn the bytes of a picture into the square of pixels that a network sees, or into another shape."""

# Shapes: B batch, C color channels, H and W height and width in pixels.

from io import BytesIO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

RULE = "white background, shortest side to size (lanczos), center crop"
"""How `square` does it, in words. Part of the name of every instrument that measures its output."""
SHAPED_RULE = "white background, to cover the shape (lanczos), center crop"
"""How `shaped` does it."""


def square(image_bytes: bytes, side_px: int) -> npt.NDArray[np.uint8]:
    """Return the picture as `(3, side_px, side_px)` RGB in `[0, 255]`, by `RULE`. Only the bytes decide."""
    return shaped(image_bytes, (side_px, side_px))


def shaped(image_bytes: bytes, shape_px: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the picture as `(3, H, W)` RGB in `[0, 255]`, by `SHAPED_RULE`. Nothing is stretched."""
    with Image.open(BytesIO(image_bytes)) as opened:
        image = _on_white(opened)
    wanted = shape_px[::-1]
    scale = max(side_px / side for side_px, side in zip(wanted, image.size, strict=True))
    size = [max(side_px, round(side * scale)) for side_px, side in zip(wanted, image.size, strict=True)]
    image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    left, top = ((side - side_px) // 2 for side, side_px in zip(size, wanted, strict=True))
    image = image.crop((left, top, left + wanted[0], top + wanted[1]))
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
