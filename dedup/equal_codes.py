"""Which codes are equal, compiled: one pass with a table of those seen, in linear time however many are equal."""

import numpy as np
import numpy.typing as npt

from byline.catalog.compiling import compiled


def first_of_equal_words(words_NW: np.ndarray) -> npt.NDArray[np.uint32]:
    """Return, for each code, the row of the first code equal to it."""
    table = np.zeros(1 << max(1, (3 * len(words_NW) // 2).bit_length()), np.uint64)
    first_of = np.empty(len(words_NW), np.uint32)
    _fill(words_NW, table, first_of)
    return first_of


@compiled(nogil=True)
def _mixed(words_NW, row):
    """Return bits that depend on all of a code."""
    mixed = np.uint64(0)
    for word in range(words_NW.shape[1]):
        mixed = (mixed ^ words_NW[row, word]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    return mixed


@compiled(nogil=True)
def _are_equal(words_NW, row, other):
    differing = np.uint64(0)
    for word in range(words_NW.shape[1]):
        differing |= words_NW[row, word] ^ words_NW[other, word]
    return differing == 0


@compiled(nogil=True)
def _fill(words_NW, table, first_of):
    """Fill a table of zeros, half again as long as the codes at least and a power of two long; and with it `first_of`.

    A slot of it has the row of a code, from 1 on, and above it 32 bits of what it is mixed to: others, as a rule,
    are told apart by these.
    """
    last, row_bits = np.uint64(len(table) - 1), np.uint64(0xFFFFFFFF)
    for row in range(np.uint64(len(words_NW))):
        mixed = _mixed(words_NW, row)
        slot = mixed & last
        while True:
            there = table[slot]
            other = (there & row_bits) - np.uint64(1)
            if not there:
                table[slot] = mixed & ~row_bits | row + np.uint64(1)
                first_of[row] = row
                break
            if not (there ^ mixed) & ~row_bits and _are_equal(words_NW, row, other):
                first_of[row] = other
                break
            slot = slot + np.uint64(1) & last
