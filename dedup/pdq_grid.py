"""The arithmetic of PDQ, compiled: picture to grid to frequencies, in the reference's order of operations.

A perceptual hash is a row of comparisons, and on flat areas rounding decides them. So every sum here is of float32, taken
one term after the other in the order in which the reference takes it; what may be done side by side, done several at once
or left out is only what no sum depends on. Runs without Python's lock.
"""

import math

import numpy as np
from numba import njit

# Shapes: H and W height and width of the picture, C color, L along the filter, N side by side, K what is kept of L.

GRID = 64
"""Cells on each side of what is left of the picture."""
FREQUENCIES = 16
"""Cosines in each direction. They start at the first: the mean, which is the zeroth, says nothing about the pattern."""
ROWS_AT_ONCE = 16
"""Rows that are filtered side by side: as many numbers as a few of a processor's vectors hold."""

_SCALE = float(np.float32(math.sqrt(2 / GRID)))
COSINES = np.array(
    [
        [_SCALE * math.cos(math.pi / 2 / GRID * wave * (2 * cell + 1)) for cell in range(GRID)]
        for wave in range(1, FREQUENCIES + 1)
    ],
    np.float32,
)
"""Those of the orthonormal transform; the scale is rounded before the product is."""


@njit(cache=True, nogil=True)
def _luma_side_by_side(pixels_HWC, start, stop, luma_WN):
    """Write the luminance of some rows, each as a column, so that a filter along them takes them all at once."""
    for row in range(start, stop):
        for place in range(pixels_HWC.shape[1]):
            red, green, blue = pixels_HWC[row, place]
            luma_WN[place, row - start] = np.float32(red * 0.299 + green * 0.587 + blue * 0.114)


@njit(cache=True, nogil=True, error_model="numpy")
def _box(values_LN, width, kept_K, means_KN):
    """Write the mean of the `width` values around each kept place of a column, and of fewer near its ends.

    `kept_K` ascends and may repeat. The sum slides over every place: a value is added as it enters the box, and then the
    one that leaves is taken off.
    """
    length, ahead, num_inside, num_kept = len(values_LN), width // 2, 0, 0
    sums_N = np.zeros(values_LN.shape[1], np.float32)
    for place in range(-ahead, length):
        enters, leaves = place + ahead, place + ahead - width
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
        while num_kept < len(kept_K) and kept_K[num_kept] == place:
            means_N = means_KN[num_kept]
            for column in range(len(sums_N)):
                means_N[column] = sums_N[column] / np.float32(num_inside)
            num_kept += 1


@njit(cache=True, nogil=True)
def _transpose(from_NM, to_MN):
    for row in range(from_NM.shape[0]):
        for column in range(from_NM.shape[1]):
            to_MN[column, row] = from_NM[row, column]


def _centers(length):
    """Return the place in the middle of each cell; of a picture smaller than the grid, some places stand for two."""
    return ((np.arange(GRID) + 0.5) * length / GRID).astype(np.int64)


def _box_width(length):
    """Return half a cell, rounded up: two passes of such a box reach over a whole one."""
    return -(-length // (2 * GRID))


@njit(cache=True, nogil=True)
def _filtered(pixels_HWC, box_width, box_height, centers_X, centers_Y):
    """Return the grid: boxes along the rows and along the columns, twice (a tent), read at the cells' centers.

    Of the second pass, only what the grid reads is written.
    """
    height, width = pixels_HWC.shape[:2]
    every_row, every_column = np.arange(height), np.arange(width)
    side_by_side = np.empty((width, ROWS_AT_ONCE), np.float32)
    boxed, kept = np.empty((width, ROWS_AT_ONCE), np.float32), np.empty((len(centers_X), ROWS_AT_ONCE), np.float32)
    rows, columns = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    for start in range(0, height, ROWS_AT_ONCE):
        stop = min(height, start + ROWS_AT_ONCE)
        _luma_side_by_side(pixels_HWC, start, stop, side_by_side)
        _box(side_by_side[:, : stop - start], box_width, every_column, boxed[:, : stop - start])
        _transpose(boxed[:, : stop - start], rows[start:stop])
    _box(rows, box_height, every_row, columns)
    narrow, grid = np.empty((height, len(centers_X)), np.float32), np.empty((len(centers_Y), len(centers_X)), np.float32)
    for start in range(0, height, ROWS_AT_ONCE):
        stop = min(height, start + ROWS_AT_ONCE)
        _transpose(columns[start:stop], side_by_side[:, : stop - start])
        _box(side_by_side[:, : stop - start], box_width, centers_X, kept[:, : stop - start])
        _transpose(kept[:, : stop - start], narrow[start:stop])
    _box(narrow, box_height, centers_Y, grid)
    return grid


def grid_of(pixels_HWC):
    """Return the luminance of a picture (uint8, RGB), smoothed and read at 64x64 places; one of 64x64 as it is."""
    height, width = pixels_HWC.shape[:2]
    if (height, width) == (GRID, GRID):
        luma = np.empty((GRID, GRID), np.float32)
        _luma_side_by_side(pixels_HWC, 0, GRID, luma)
        return np.ascontiguousarray(luma.T)
    return _filtered(pixels_HWC, _box_width(width), _box_width(height), _centers(width), _centers(height))


@njit(cache=True, nogil=True)
def _weighted(weights_MK, values_KN, out_MN):
    """Write the matrix product, each sum from the first term to the last."""
    out_MN[:] = 0
    for row in range(weights_MK.shape[0]):
        for term in range(weights_MK.shape[1]):
            for column in range(values_KN.shape[1]):
                out_MN[row, column] += weights_MK[row, term] * values_KN[term, column]


def frequencies_of(grid):
    """Return the cosine transform of a grid (16, 16): down the columns first, then along the rows."""
    down, along = np.empty((FREQUENCIES, GRID), np.float32), np.empty((FREQUENCIES, FREQUENCIES), np.float32)
    _weighted(COSINES, grid, down)
    _weighted(COSINES, np.ascontiguousarray(down.T), along)
    return along.T
