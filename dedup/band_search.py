"""The search within one band, compiled: all near pairs among the codes that agree in it. Runs without Python's lock.

A *cell* is the codes that have one value in the band at hand. They are copied together, word by word, so that they stay
in a processor's cache and several are compared at once; a large cell is divided by the halves of a neighboring band.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from byline.catalog.compiling import compiled

COMPARED_AT_ONCE = 600
"""Codes of a cell that are simply all compared: dividing them would cost more."""


@intrinsic
def bits_set(typing: Any, word: Any) -> Any:
    """Count the bits of a word, by whatever the processor has for it."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.ctpop(arguments[0]), ir.IntType(64))

    return types.int64(types.uint64), build


@compiled(nogil=True, inline="always")
def band_value(words, row, pieces):
    """Return the value of a band of a code."""
    value, offset = np.uint64(0), np.uint64(0)
    for piece in range(pieces.shape[0]):
        width = np.uint64(pieces[piece, 2])
        mask = (np.uint64(1) << width) - np.uint64(1)
        value |= (words[row, pieces[piece, 0]] >> np.uint64(pieces[piece, 1]) & mask) << offset
        offset += width
    return np.int64(value)


@compiled(nogil=True)
def meeting(differing, pieces):
    """Return where two codes meet first: banding, first band, and whether that one is whole; -1 for never.

    Every pair is met first in one place only, which keeps it from being told twice. Most near pairs are met in one of
    the first bands, so bands are looked at one after the other.
    """
    num_bands = pieces.shape[1]
    for banding in range(pieces.shape[0]):
        errors = bits_set(np.uint64(band_value(differing, 0, pieces[banding, 0])))
        for band in range(num_bands):
            after = bits_set(np.uint64(band_value(differing, 0, pieces[banding, (band + 1) % num_bands])))
            if errors + after <= 1:
                return banding, band, errors == 0
            errors = after
    return -1, -1, False


@compiled(nogil=True)
def _note(codes, row, other, where, beside, half, search, pairs, num):
    """Write a pair down if it is near and met here; return how many there are by now.

    `beside` is -1 where a cell was not divided. `half` is the first bit of the half that is equal: pairs with both
    halves equal count in the first.
    """
    pieces, radius, differing = search
    distance = 0
    for word in range(4):
        differing[0, word] = codes[word, row] ^ codes[word, other]
        distance += bits_set(differing[0, word])
    if distance > radius:
        return num
    banding, first, is_whole = meeting(differing, pieces)
    second = (first + 1) % pieces.shape[1]
    whole, changed = (first, second) if is_whole else (second, first)
    if (banding, whole) != where or (changed != beside and beside >= 0):
        return num
    if half and not band_value(differing, 0, pieces[banding, beside]) & (1 << half) - 1:
        return num
    if num < pairs.shape[0]:
        pairs[num, 0], pairs[num, 1], pairs[num, 2] = codes[4, row], codes[4, other], distance
    return num + 1


@compiled(nogil=True)
def _all(codes, start, stop, where, beside, half, search, pairs, num):
    """Write down the pairs in `[start, stop)` that are near and met here; return how many there are by now."""
    words_0, words_1, radius = codes[0], codes[1], search[1]
    for row in range(start, stop):
        word_0, word_1, close = words_0[row], words_1[row], 0
        for other in range(np.uint64(row + 1), np.uint64(stop)):  # no branch and no sign: several are compared at once
            close += bits_set(word_0 ^ words_0[other]) + bits_set(word_1 ^ words_1[other]) <= radius
        if close:
            for other in range(row + 1, stop):
                if bits_set(word_0 ^ words_0[other]) + bits_set(word_1 ^ words_1[other]) <= radius:
                    num = _note(codes, row, other, where, beside, half, search, pairs, num)
    return num


@compiled(nogil=True)
def _by_half(codes, stop, where, beside, search, pairs, num):
    """Compare the codes of a cell that differ in the band `beside` by one bit at most: one half of it is equal then."""
    pieces = search[0][where[0], beside]
    bits = pieces[:, 2].sum()
    values, code = np.empty(stop, np.int64), np.empty((1, 4), np.uint64)
    for row in range(stop):
        for word in range(4):
            code[0, word] = codes[word, row]
        values[row] = band_value(code, 0, pieces)
    divided = np.empty((5, stop), np.uint64)
    for first, width in ((0, bits // 2), (bits // 2, bits - bits // 2)):
        starts = np.zeros((1 << width) + 1, np.int64)
        for row in range(stop):
            starts[(values[row] >> first & (1 << width) - 1) + 1] += 1
        starts = np.cumsum(starts)
        ends = starts.copy()
        for row in range(stop):
            half = values[row] >> first & (1 << width) - 1
            for word in range(5):
                divided[word, ends[half]] = codes[word, row]
            ends[half] += 1
        for half in range(1 << width):
            num = _all(divided, starts[half], starts[half + 1], where, beside, first, search, pairs, num)
    return num


@compiled(nogil=True)
def _cells(words_NW, is_first_N, pieces, low, high):
    """Return the codes of cells `[low, high)` of a band, `(codes, 5)`: four words and the row; and their starts."""
    starts = np.zeros(high - low + 1, np.int64)
    for row in range(words_NW.shape[0]):
        cell = band_value(words_NW, row, pieces) - low
        if 0 <= cell < high - low and is_first_N[row]:
            starts[cell + 1] += 1
    starts = np.cumsum(starts)
    codes, ends = np.zeros((starts[-1], 5), np.uint64), starts.copy()
    for row in range(words_NW.shape[0]):
        cell = band_value(words_NW, row, pieces) - low
        if 0 <= cell < high - low and is_first_N[row]:
            position = ends[cell]
            ends[cell] += 1
            for word in range(words_NW.shape[1]):
                codes[position, word] = words_NW[row, word]
            codes[position, 4] = row
    return codes, starts


@compiled(nogil=True)
def search_band(words_NW, is_first_N, pieces, where, low, high, radius, pairs):
    """Write into `pairs` (room, 3) i, j and distance of the pairs met in a band `where`, in its cells `[low, high)`.

    Returns how many there are: when that is more than there is room, those beyond were not written. Codes that are not
    the first of their equals are passed over.
    """
    search = (pieces, radius, np.empty((1, 4), np.uint64))
    gathered, starts = _cells(words_NW, is_first_N, pieces[where], low, high)
    codes = np.empty((5, np.diff(starts).max()), np.uint64)
    num, num_bands = 0, pieces.shape[1]
    for cell in range(high - low):
        size = starts[cell + 1] - starts[cell]
        for row in range(size):
            for word in range(5):
                codes[word, row] = gathered[starts[cell] + row, word]
        if size <= COMPARED_AT_ONCE:
            num = _all(codes, 0, size, where, -1, 0, search, pairs, num)
        else:
            for beside in ((where[1] + 1) % num_bands, (where[1] - 1) % num_bands):
                num = _by_half(codes, size, where, beside, search, pairs, num)
    return num
