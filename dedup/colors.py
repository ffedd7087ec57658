"""Where a picture has which color: what perceptual hashes, which see luminance patterns only, cannot tell."""

from PIL import Image

GRID = 4
"""Cells on each side of the grid."""
GRID_BYTES = 3 * GRID * GRID


def color_grid(image: Image.Image) -> bytes:
    """Return the mean Y, Cb and Cr (0 to 255) of each of 4x4 cells, row by row: 48 bytes."""
    cells = image.convert("YCbCr").resize((GRID, GRID), Image.Resampling.BOX)
    return cells.tobytes()
