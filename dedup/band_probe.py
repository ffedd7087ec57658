"""The search of many codes for a few, compiled: the pairs of one of the many and one of the few that are met.

Two neighboring bands make a *window*. For each window a filter has a bit for every value that one of the few has there,
or that is one bit from one: the many pass it in a stream, once. What passes agrees with some of the few in two thirds
of the window at least, and those are looked up by these two thirds. Runs without Python's lock.
"""

import numpy as np
from numba import njit

from dedup.band_search import bits_set, meeting


@njit(cache=True, nogil=True)
def values_of(words_NW, start, stop, pieces):
    """Return the value of every band (B, stop - start) of codes."""
    values = np.empty((pieces.shape[0], stop - start), np.uint16)
    words = np.empty((words_NW.shape[1], stop - start), np.uint64)
    for row in range(stop - start):
        for word in range(words_NW.shape[1]):
            words[word, row] = words_NW[start + row, word]
    for band in range(pieces.shape[0]):
        place = np.uint64(0)
        values[band] = 0
        for piece in range(pieces.shape[1]):
            shift, width = np.uint64(pieces[band, piece, 1]), np.uint64(pieces[band, piece, 2])
            mask = (np.uint64(1) << width) - np.uint64(1)
            word, value = words[pieces[band, piece, 0]], values[band]
            for row in range(np.uint64(stop - start)):  # no branch and no sign: several at once
                value[row] |= np.uint16((word[row] >> shift & mask) << place)
            place += width
    return values


@njit(cache=True, nogil=True)
def windows_of(first_N, second_N, first_bits):
    """Return the values of two bands as one."""
    windows, shift = np.empty(len(first_N), np.uint32), np.uint64(first_bits)
    for row in range(np.uint64(len(first_N))):
        windows[row] = np.uint64(first_N[row]) | np.uint64(second_N[row]) << shift
    return windows


@njit(cache=True, nogil=True)
def filter_of(windows_N, bits):
    """Return one bit for each value of a window: whether one of the few is there, or one bit away."""
    filled = np.zeros((1 << bits) + 7 >> 3, np.uint8)
    for window in windows_N:
        for bit in range(-1, bits):
            value = np.uint64(window) if bit < 0 else np.uint64(window) ^ np.uint64(1) << np.uint64(bit)
            filled[value >> np.uint64(3)] |= np.uint8(1) << np.uint8(value & np.uint64(7))
    return filled


@njit(cache=True, nogil=True, inline="always")
def _thirds(window, left_out, low, high):
    """Return two thirds of a window as one number, and the third that is left out. The thirds end at bits low, high."""
    one = window & (np.uint64(1) << low) - np.uint64(1)
    two = (window >> low) & (np.uint64(1) << (high - low)) - np.uint64(1)
    three = window >> high
    if left_out == 0:
        return two | three << (high - low), one
    if left_out == 1:
        return one | three << low, two
    return one | two << low, three


@njit(cache=True, nogil=True)
def lookup_of(windows_N, left_out, bits):
    """Return rows by two thirds of their windows: where those of each value start, the rows, and their third thirds."""
    low, high = np.uint64(bits // 3), np.uint64(2 * bits // 3)
    num_values = 1 << bits - (
        bits // 3 if left_out == 0 else 2 * bits // 3 - bits // 3 if left_out == 1 else bits - 2 * bits // 3
    )
    starts = np.zeros(num_values + 1, np.int32)
    for window in windows_N:
        starts[_thirds(np.uint64(window), left_out, low, high)[0] + np.uint64(1)] += 1
    for value in range(num_values):
        starts[value + 1] += starts[value]
    rows, thirds, ends = np.empty(len(windows_N), np.int32), np.empty(len(windows_N), np.uint8), starts.copy()
    for row in range(len(windows_N)):
        value, third = _thirds(np.uint64(windows_N[row]), left_out, low, high)
        rows[ends[value]], thirds[ends[value]] = row, third
        ends[value] += 1
    return starts, rows, thirds


@njit(cache=True, nogil=True)
def _passing(windows_N, filled, rows):
    """Write down the rows that pass the filter; return how many."""
    num = 0
    for row in range(np.uint64(len(windows_N))):
        value = np.uint64(windows_N[row])
        rows[num] = row
        num += filled[value >> np.uint64(3)] >> np.uint8(value & np.uint64(7)) & np.uint8(1)
    return num


@njit(cache=True, nogil=True)
def probe(many, start, windows_N, few, bits, filled, lookups, where, pieces, radius, found, num):
    """Write into `found` (room, 3), from `num` on, the pairs met first in a window: row of the many, of the few, bits.

    `windows_N` are the values of the many, from row `start` on, in the window at hand, `(banding, band)` in `where`.
    Returns how many pairs there are by now: when that is more than there is room, those beyond were not written.
    """
    passing, differing = np.empty(len(windows_N) + 1, np.int32), np.empty((1, 4), np.uint64)
    low, high, num_words = np.uint64(bits // 3), np.uint64(2 * bits // 3), many.shape[1]
    differing[:] = 0
    num_passing = _passing(windows_N, filled, passing)
    for left_out in range(3):
        starts, rows, thirds = lookups[left_out]
        for place in range(num_passing):
            row = passing[place]
            value, third = _thirds(np.uint64(windows_N[row]), left_out, low, high)
            for entry in range(starts[value], starts[value + np.uint64(1)]):
                changed = bits_set(np.uint64(thirds[entry]) ^ third)
                if changed == 1 or (changed == 0 and left_out == 0):  # where all thirds agree, once is enough
                    distance = 0
                    for word in range(num_words):
                        distance += bits_set(many[start + row, word] ^ few[rows[entry], word])
                    if distance <= radius:
                        for word in range(num_words):
                            differing[0, word] = many[start + row, word] ^ few[rows[entry], word]
                        if meeting(differing, pieces)[:2] == where:
                            if num < found.shape[0]:
                                found[num, 0], found[num, 1] = start + row, rows[entry]
                                found[num, 2] = distance
                            num += 1
    return num
