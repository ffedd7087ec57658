"""Where a picture has which color: what perceptual hashes, which see luminance patterns only, cannot tell."""

import numpy as np
from PIL import Image

GRID = 4
"""Cells on each side."""
GRID_BYTES = 3 * GRID * GRID


def color_grid(image: Image.Image) -> bytes:
    """Return the mean Y, Cb and Cr (0 to 255) of each of 4x4 cells, row by row: 48 bytes."""
    cells = image.convert("YCbCr").resize((GRID, GRID), Image.Resampling.BOX)
    return cells.tobytes()


def color_distances(one: bytes, other: bytes) -> tuple[float, float]:
    """Return how far two grids are apart, in luma and in chroma, each at the cell where they differ most.

    In levels of 255. They are two numbers because a copy may well be brighter, but is hardly ever of another hue.
    """
    cells = (np.frombuffer(grid, np.uint8).reshape(-1, 3).astype(np.float64) for grid in (one, other))
    luma, *chroma = np.abs(np.subtract(*cells)).T
    return float(luma.max()), float(np.hypot(*chroma).max())
