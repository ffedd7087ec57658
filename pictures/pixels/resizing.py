"""img2dataset's resize modes, to the bit: its arithmetic on OpenCV's filters, without what it wraps them in."""

import cv2
import numpy as np

from byline.catalog.corpora.packs import Outcome
from byline.pictures.config import PixelConfig
from byline.pictures.pixels.colors import Pixels
from byline.pictures.pixels.surveys import UnusableError

FILTERS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "bilinear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
    "lanczos4": cv2.INTER_LANCZOS4,
}
BY_SHORTEST = ("keep_ratio", "center_crop")
JPEG_SIDE_PX = 65_500
"""Longest side of a picture that libjpeg writes."""
REDUCTIONS = (8, 4, 2)
"""What libjpeg shrinks by while it decodes, without the odd eighths in between."""
MARGIN = 2
"""What the filter still shrinks a reduced picture by, at least: by less, it shows that libjpeg shrinks otherwise."""
cv2.setNumThreads(1)  # workers are processes


def refuse_size(width: int, height: int, config: PixelConfig) -> None:
    """Raise `UnusableError` for a picture whose size the config refuses, in img2dataset's words."""
    message = None
    if min(width, height) < config.min_image_size:
        message = "image too small"
    elif config.max_image_area is not None and width * height > config.max_image_area:
        message = "image area too large"
    elif config.max_aspect_ratio is not None and max(width, height) / min(width, height) > config.max_aspect_ratio:
        message = "aspect ratio too large"
    else:
        new_width, new_height = new_size(width, height, config)
        if max(new_width, new_height) > JPEG_SIDE_PX or new_width * new_height > config.max_pixels:
            message = f"{new_width}x{new_height} px would come out of it"
    if message:
        raise UnusableError(Outcome.NOT_RESIZABLE, f"{width}x{height} px: {message}")


def is_resized(width: int, height: int, config: PixelConfig) -> bool:
    """Tell whether a picture of this size is resized, cropped or padded at all."""
    if config.resize_mode == "no":
        return False
    return not config.resize_only_if_bigger or _decisive_side(width, height, config) > config.image_size


def new_size(width: int, height: int, config: PixelConfig) -> tuple[int, int]:
    """Return width and height before cropping and padding."""
    if not is_resized(width, height, config):
        return width, height
    scale = config.image_size / _decisive_side(width, height, config)
    return max(1, round(width * scale)), max(1, round(height * scale))


def reduction(width: int, height: int, config: PixelConfig) -> int:
    """Return what a JPEG of this size is shrunk by while it is decoded: 1, 2, 4 or 8.

    The size, either way up, and the config alone decide. What is left is at least as large as what is kept of it.
    """
    if config.decoding == "full" or not is_resized(width, height, config):
        return 1
    sides = ((MARGIN * config.image_size, _decisive_side(width, height, config)), *_sides(width, height, config))
    return next((by for by in REDUCTIONS if all(by * kept <= side for kept, side in sides)), 1)


def _sides(width: int, height: int, config: PixelConfig) -> tuple[tuple[int, int], tuple[int, int]]:
    new_width, new_height = new_size(width, height, config)
    return (new_width, width), (new_height, height)


def resize(pixels: Pixels, config: PixelConfig) -> Pixels:
    """Resize and crop. `pad` comes later: white is white in the color space of the end."""
    height, width = pixels.shape[:2]
    if not is_resized(width, height, config):
        return pixels
    is_shrunk = _decisive_side(width, height, config) > config.image_size
    name = config.downscale_interpolation if is_shrunk else config.upscale_interpolation
    size = new_size(width, height, config)
    if size != (width, height):
        pixels = cv2.resize(pixels, size, interpolation=FILTERS[name])
    return crop(pixels, config)


def resize_reduced(pixels: Pixels, width: int, height: int, by: int, config: PixelConfig) -> Pixels:
    """Resize, before it is turned and cropped, what was shrunk by `reduction` out of `width` x `height`.

    Where these are no multiples of `by`, the last pixels are parts of one: the filter is told, lest it stretch them.
    """
    new_width, new_height = new_size(width, height, config)
    fx, fy = new_width / (width / by), new_height / (height / by)
    resized = cv2.resize(pixels, None, fx=fx, fy=fy, interpolation=FILTERS[config.downscale_interpolation])
    return np.ascontiguousarray(resized[:new_height, :new_width])


def crop(pixels: Pixels, config: PixelConfig) -> Pixels:
    """Keep the middle, if the mode is `center_crop`, of an upright picture that was resized."""
    return _center(pixels, config.image_size) if config.resize_mode == "center_crop" else pixels


def pad(pixels: Pixels, original_width: int, original_height: int, config: PixelConfig) -> Pixels:
    """Lay a picture in the middle of a white square, if the mode is `border` and the original was resized."""
    if config.resize_mode != "border" or not is_resized(original_width, original_height, config):
        return pixels
    lacking = [max(0, config.image_size - side) for side in pixels.shape[:2]]
    (top, bottom), (left, right) = ((side // 2, side - side // 2) for side in lacking)
    return cv2.copyMakeBorder(pixels, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _decisive_side(width: int, height: int, config: PixelConfig) -> int:
    return min(width, height) if config.resize_mode in BY_SHORTEST else max(width, height)


def _center(pixels: Pixels, side: int) -> Pixels:
    top, left = ((there - side) // 2 for there in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])
