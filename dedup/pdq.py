"""PDQ of 256 bits, and how far it can be trusted.

Facebook 2019, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm": luminance, smoothed down to
64x64, its 16x16 lowest frequencies without the mean, and of each whether it is above their median.
"""

import numpy as np
from PIL import Image

MIN_QUALITY = 50
"""Quality below which, PDQ's authors advise, a hash says nothing."""
REDUCED_PX = 640
"""Shorter side to which `dedup.decoding.decode` may shrink before: at most 10 bits off then, on sharp photographs."""
SMALLEST_PX = 5
"""A picture with a shorter side has no hash: all bits and the quality are 0."""


def pdq(image: Image.Image) -> tuple[bytes, int]:
    """Return the PDQ hash (32 bytes) and its quality, 0 to 100, bit for bit those of PDQ's reference code.

    Rounding included: they are what that code, built for x86-64, gives for the picture in RGB (pdqhash 0.2.8), on every
    processor. Refuses transparency.
    """
    from byline.dedup.pdq_grid import frequencies_of, grid_of

    if image.has_transparency_data:
        raise ValueError(f"picture of mode {image.mode} has transparency; flatten it on a background first")
    if min(image.size) < SMALLEST_PX:
        return bytes(32), 0
    grid = grid_of(np.asarray(image.convert("RGB")))
    return _bits(frequencies_of(grid)), _quality(grid)


def _bits(frequencies: np.ndarray) -> bytes:
    """Return which frequencies are above the median, the lower of the two in the middle; the last frequency first."""
    strengths = frequencies.ravel()
    median = np.partition(strengths, 127)[127]
    return np.packbits(strengths[::-1] > median).tobytes()


def _quality(grid: np.ndarray) -> int:
    """Return the sum of the steps between neighboring cells, in whole percents of the range, in 90ths; 100 at most."""
    steps = [np.diff(grid, axis=axis) * np.float32(100) / np.float32(255) for axis in (0, 1)]
    return min(100, sum(int(np.abs(step.astype(np.int64)).sum()) for step in steps) // 90)
