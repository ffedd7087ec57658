"""Bring pictures to the side that a network reads, so that the numbers do not depend on how it was done.

Bicubic with antialiasing on floats, as clean-fid (Parmar et al. 2022): nothing is rounded to bytes on the way.
"""

# Shapes: N pictures, C colors, H and W height and width in pixels.

import numpy as np
import numpy.typing as npt
from PIL import Image

RULE = "bicubic with antialiasing on floats, as clean-fid"
"""How `resized` does it, in words. Part of the name of every set of features."""


def resized(pixels_NCHW: npt.NDArray[np.uint8], side_px: int) -> npt.NDArray[np.float32]:
    """Return `(N, C, side_px, side_px)` in `[0, 255]`, by `RULE`."""
    if pixels_NCHW.shape[2:] == (side_px, side_px):
        return pixels_NCHW.astype(np.float32)
    small = np.empty((*pixels_NCHW.shape[:2], side_px, side_px), np.float32)
    for plane_index in np.ndindex(*pixels_NCHW.shape[:2]):
        plane = Image.fromarray(pixels_NCHW[plane_index].astype(np.float32))
        small[plane_index] = np.asarray(plane.resize((side_px, side_px), Image.Resampling.BICUBIC)).clip(0, 255)
    return small
