"""Where a picture has which color: what perceptual hashes of luminance cannot see."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GRID = 4
"""Cells on each side."""


def chroma_grid(image: Image.Image) -> bytes:
    """Return the mean Cb and Cr (0 to 255) of each of 4x4 cells, row by row: 32 bytes.

    Chroma, not RGB: a brighter or darker copy keeps it, a red heart and a blue one do not share it.
    """
    cells = image.convert("YCbCr").resize((GRID, GRID), Image.Resampling.BOX)
    return np.asarray(cells, dtype=np.uint8)[..., 1:].tobytes()


def chroma_distance(one: bytes, other: bytes) -> float:
    """Return how far two grids are apart at the cell where they differ most, in levels of 255."""
    difference: NDArray[np.float64] = np.subtract(
        np.frombuffer(one, np.uint8).reshape(-1, 2),
        np.frombuffer(other, np.uint8).reshape(-1, 2),
        dtype=np.float64,
    )
    return float(np.hypot(difference[:, 0], difference[:, 1]).max())
