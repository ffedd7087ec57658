"""The arithmetic of PDQ, compiled: picture to grid to frequencies, in the reference's order of operations.

A hash is a row of comparisons, and in flat pictures rounding decides them. So every sum is of float32 and takes its
terms in the order in which the reference does. Only what shares no sum is done side by side, and only what nothing
reads is left out. Runs without Python's lock.
"""

import math

import numpy as np
import numpy.typing as npt

from byline.catalog.compiling import compiled

# Shapes: H and W height and width of the picture, C color, L along the filter, N side by side, K what is kept of L.

GRID = 64
"""Cells on each side of what is left of the picture."""
FREQUENCIES = 16
"""Cosines in each direction. They start at the first: the mean, which is the zeroth, says nothing about the pattern."""
ROWS_AT_ONCE = 64
"""Rows that are filtered side by side, several in each of a processor's vectors."""
COLUMNS_AT_ONCE = 32
"""Columns of those rows that are turned together: a piece that fits a processor's nearest cache."""
_SCALE = float(np.float32(math.sqrt(2 / GRID)))
COSINES = np.array(
    [
        [_SCALE * math.cos(math.pi / 2 / GRID * wave * (2 * cell + 1)) for cell in range(GRID)]
        for wave in range(1, FREQUENCIES + 1)
    ],
    np.float32,
)
"""Cosines of the orthonormal transform, `(frequencies, cells)`. The scale is rounded before the product is; no product
is near enough to a boundary of rounding (5e-10 of it at the least) for the cosines of another library to change one."""


@compiled(nogil=True)
def _luma_side_by_side(pixels_HWC, luma_WN):
    """Write the luminance of rows, each as a column, so that a filter along them takes them all at once."""
    height, width = pixels_HWC.shape[:2]
    for first in range(0, width, COLUMNS_AT_ONCE):
        for row in range(height):
            for column in range(first, min(first + COLUMNS_AT_ONCE, width)):
                red, green, blue = pixels_HWC[row, column, 0], pixels_HWC[row, column, 1], pixels_HWC[row, column, 2]
                luma_WN[column, row] = np.float32(red * 0.299 + green * 0.587 + blue * 0.114)


@compiled(nogil=True, error_model="numpy")
def _box(values_LN, width, kept_K, means_KN):
    """Write the mean of the `width` values around each kept place of each column, and of fewer near its ends.

    `kept_K` ascends and may repeat. The sum slides over every place: a value is added as it enters the box, then the
    one that leaves is taken off.
    """
    length, ahead, num_inside, num_kept = len(values_LN), width // 2, 0, 0
    sums_N = np.zeros(values_LN.shape[1], np.float32)
    for position in range(-ahead, length):
        enters, leaves = position + ahead, position + ahead - width
        if enters < length:
            num_inside += 1
            values_N = values_LN[enters]
            for column in range(len(sums_N)):
                sums_N[column] += values_N[column]
        if leaves >= 0:
            num_inside -= 1
            values_N = values_LN[leaves]
            for column in range(len(sums_N)):
                sums_N[column] -= values_N[column]
        while num_kept < len(kept_K) and kept_K[num_kept] == position:
            means_N = means_KN[num_kept]
            for column in range(len(sums_N)):
                means_N[column] = sums_N[column] / np.float32(num_inside)
            num_kept += 1


@compiled(nogil=True)
def _copy(values_NL, copy_NL):
    """Copy as many rows as both have, in pieces: one of the two is turned on its side, as its transpose is given."""
    num, length = min(len(values_NL), len(copy_NL)), copy_NL.shape[1]
    for first in range(0, length, COLUMNS_AT_ONCE):
        for row in range(num):
            for column in range(first, min(first + COLUMNS_AT_ONCE, length)):
                copy_NL[row, column] = values_NL[row, column]


def _centers(length: int) -> np.ndarray:
    """Return the place in the middle of each cell; of a picture smaller than the grid, some places stand for two."""
    return ((np.arange(GRID) + 0.5) * length / GRID).astype(np.int64)


def _box_width(length: int) -> int:
    """Return half a cell, rounded up: two passes of such a box reach over a whole one."""
    return -(-length // (2 * GRID))


@compiled(nogil=True)
def _filtered(pixels_HWC, box_width, box_height, centers_X, centers_Y):
    """Return the grid: boxes along the rows and along the columns, twice (a tent), read at the cells' centers.

    Of the second pass, only what the grid reads is written.
    """
    height, width = pixels_HWC.shape[:2]
    every_row, every_column = np.arange(height), np.arange(width)
    side_by_side, boxed = np.zeros((width, ROWS_AT_ONCE), np.float32), np.empty((width, ROWS_AT_ONCE), np.float32)
    rows, columns = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    for start in range(0, height, ROWS_AT_ONCE):
        stop = min(height, start + ROWS_AT_ONCE)
        _luma_side_by_side(pixels_HWC[start:stop], side_by_side)
        _box(side_by_side, box_width, every_column, boxed)
        _copy(boxed.T, rows[start:stop])
    _box(rows, box_height, every_row, columns)
    narrow, kept = np.empty((height, GRID), np.float32), np.empty((GRID, ROWS_AT_ONCE), np.float32)
    for start in range(0, height, ROWS_AT_ONCE):
        stop = min(height, start + ROWS_AT_ONCE)
        _copy(columns[start:stop], side_by_side.T)
        _box(side_by_side, box_width, centers_X, kept)
        _copy(kept.T, narrow[start:stop])
    grid = np.empty((GRID, GRID), np.float32)
    _box(narrow, box_height, centers_Y, grid)
    return grid


def grid_of(pixels_HWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the luminance of a picture (uint8, RGB), smoothed and read at 64x64 places; one of 64x64 as it is."""
    height, width = pixels_HWC.shape[:2]
    if (height, width) == (GRID, GRID):
        luma = np.empty((GRID, GRID), np.float32)
        _luma_side_by_side(pixels_HWC, luma)
        return np.ascontiguousarray(luma.T)
    return _filtered(pixels_HWC, _box_width(width), _box_width(height), _centers(width), _centers(height))


@compiled(nogil=True)
def _weighted(weights_MK, values_KN, out_MN):
    """Write the matrix product, each sum from the first term to the last."""
    out_MN[:] = 0
    for row in range(weights_MK.shape[0]):
        for term in range(weights_MK.shape[1]):
            for column in range(values_KN.shape[1]):
                out_MN[row, column] += weights_MK[row, term] * values_KN[term, column]


def frequencies_of(grid: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the cosine transform of a grid (16, 16): down the columns first, then along the rows."""
    down, along = np.empty((FREQUENCIES, GRID), np.float32), np.empty((FREQUENCIES, FREQUENCIES), np.float32)
    _weighted(COSINES, grid, down)
    _weighted(COSINES, np.ascontiguousarray(down.T), along)
    return along.T
